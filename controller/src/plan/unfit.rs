//! What of a plan a switch says it cannot hold. Of a table that is too small the least important rules are named; which ones the switch refuses is its own choice.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use openflow::TableId;

use super::Desired;
use crate::flow::{Key, Rule, SwitchFeatures, Unfit};

/// What does not fit, and why, by key.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) rules: BTreeMap<Key, Unfit>,
    /// Groups and meters.
    pub(super) numbered: BTreeMap<Key, Unfit>,
}

impl Found {
    pub(super) fn len(&self) -> usize {
        self.rules.len() + self.numbered.len()
    }
}

/// What of the desired rules, groups and meters of one switch does not fit.
pub(super) fn of(desired: &Desired, features: &SwitchFeatures) -> Found {
    let mut found = Found::default();
    let mut tables: BTreeMap<TableId, Vec<&Rule>> = BTreeMap::new();
    for rule in desired.rules.values() {
        tables.entry(rule.table).or_default().push(rule);
    }
    for (table, mut rules) in tables {
        let max = features.max_entries(table).map_or(usize::MAX, |max| max as usize);
        let wanted = rules.len();
        if wanted > max {
            rules.sort_by_key(|rule| (Reverse(rule.priority), rule.key));
            let full = Unfit::TableFull { table, max: u32::try_from(max).unwrap_or(u32::MAX), wanted };
            found.rules.extend(rules.drain(max..).map(|rule| (rule.key, full)));
        }
        for rule in rules {
            let unfit = features.unfit_rule(table, rule.priority, &rule.body);
            found.rules.extend(unfit.map(|unfit| (rule.key, unfit)));
        }
    }
    let mut of_type: BTreeMap<u8, usize> = BTreeMap::new();
    for group in desired.groups.values() {
        let others = of_type.entry(group.group_type.0).or_default();
        match features.unfit_group(group.group_type, &group.buckets, *others) {
            Some(unfit) => drop(found.numbered.insert(group.key, unfit)),
            None => *others += 1,
        }
    }
    let mut others = 0;
    for meter in desired.meters.values() {
        match features.unfit_meter(meter.flags, &meter.bands, others) {
            Some(unfit) => drop(found.numbered.insert(meter.key, unfit)),
            None => others += 1,
        }
    }
    found
}
