//! The operator's rules as the configuration states them, for every switch, with the line that each comes from.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use net::DatapathId;
use openflow::{Action, Instruction, Match, OxmField, OxmKind, TableId, TooLong};
use sha2::{Digest, Sha256};

use super::Numbered;
use crate::flow::pipeline::OPERATOR;
use crate::flow::{FlowBody, Key, Owner, Rule, RuleId};

/// A rule's key says its identity and nothing else.
const KIND_RULE: u8 = Key::IDENTITY_KINDS;

/// The OXM header of a VLAN id without mask (§7.2.3.7, OXM_OF_VLAN_VID is field 6).
const VLAN_ID_HEADER: [u8; 4] = [0x80, 0, 6 << 1, 2];

/// One rule of the operator.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StaticRule {
    /// The rule. Its key follows from table, priority and match alone, so that it is the same wherever the rule stands in the file.
    pub rule: Rule,
    /// The line of the configuration file, from 1.
    pub line: u32,
}

impl StaticRule {
    /// A rule as it goes to a switch: the match in canonical form. Tables that others lead to come first in a rollout.
    ///
    /// # Errors
    /// A FLOW_MOD has no room for it.
    pub fn new(
        table: TableId,
        priority: u16,
        match_: &Match,
        does: &[Instruction],
        line: u32,
    ) -> Result<StaticRule, TooLong> {
        StaticRule::owned(Owner::StaticRules, table, priority, match_, does, line)
    }

    /// The same of another application that has lists of rules.
    ///
    /// # Errors
    /// A FLOW_MOD has no room for it.
    pub fn owned(
        owner: Owner,
        table: TableId,
        priority: u16,
        match_: &Match,
        does: &[Instruction],
        line: u32,
    ) -> Result<StaticRule, TooLong> {
        let body = FlowBody::new(&match_.canonical(), does)?;
        let key = key_of(owner, table, priority, body.octets().of_match());
        let stage = u16::from(OPERATOR.end().saturating_sub(table.0));
        Ok(StaticRule { rule: Rule { stage, ..Rule::with_body(key, table, priority, body) }, line })
    }

    /// The order of a list, in which rules are stated: tables that others lead to before those, within a table by key.
    fn place(&self) -> (Reverse<u8>, Key) {
        (Reverse(self.rule.table.0), self.rule.key)
    }

    fn names_vlan(&self, ids: &RangeInclusive<u16>) -> bool {
        let octets = self.rule.body.octets();
        // Most rules have no such field, and are not read back.
        if !octets.all().windows(VLAN_ID_HEADER.len()).any(|window| window == VLAN_ID_HEADER) {
            return false;
        }
        let is_one = |field: &OxmField<'_>| {
            let id = |value: &[u8]| <[u8; 2]>::try_from(value).map(u16::from_be_bytes).unwrap_or(0);
            field.kind == OxmKind::VLAN_VID && ids.contains(&(id(field.value) & 0xfff))
        };
        let sets = |action: &Action| matches!(action, Action::SetField(field) if is_one(&field.as_field()));
        self.rule.body.match_().get(OxmKind::VLAN_VID).is_some_and(|field| is_one(&field))
            || self.rule.body.instructions().iter().any(|instruction| match instruction {
                Instruction::ApplyActions(actions) | Instruction::WriteActions(actions) => actions.iter().any(sets),
                _ => false,
            })
    }

    /// Where this rule stands in a list beside another one. Equal ones have the same identity.
    pub(super) fn compare(&self, other: &StaticRule) -> Ordering {
        self.place().cmp(&other.place())
    }
}

/// The key of an identity: 128 bits of SHA-256, for nobody should be able to make two rules that meet.
fn key_of(owner: Owner, table: TableId, priority: u16, match_: &[u8]) -> Key {
    let mut hash = Sha256::new();
    hash.update([table.0]);
    hash.update(priority.to_be_bytes());
    hash.update(match_);
    let digest = hash.finalize();
    let word = |at: usize| digest.iter().skip(at).take(8).fold(0, |word: u64, &octet| word << 8 | u64::from(octet));
    Key { owner, kind: KIND_RULE, a: word(0), b: word(8) }
}

/// Rules of one switch, each identity once, in the order in which they are stated.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuleList(Arc<[StaticRule]>);

impl Default for RuleList {
    fn default() -> RuleList {
        RuleList(Arc::new([]))
    }
}

impl RuleList {
    /// The rules in their order. Of two with one identity the first stays; `Err` are the others.
    pub fn new(mut rules: Vec<StaticRule>) -> Result<RuleList, (RuleList, Vec<StaticRule>)> {
        rules.sort_by(StaticRule::compare);
        let mut twice = Vec::new();
        rules.dedup_by(|later, first| {
            let same = later.rule.key == first.rule.key;
            if same {
                twice.push(later.clone());
            }
            same
        });
        let list = RuleList(rules.into());
        if twice.is_empty() { Ok(list) } else { Err((list, twice)) }
    }

    /// The rules.
    pub fn rules(&self) -> &[StaticRule] {
        &self.0
    }

    /// The rule of a key.
    pub fn find(&self, table: TableId, key: &Key) -> Option<&StaticRule> {
        let place = (Reverse(table.0), *key);
        let at = self.0.binary_search_by(|rule| rule.place().cmp(&place)).ok()?;
        self.0.get(at)
    }

    /// Whether both are one list in memory.
    pub(crate) fn is(&self, other: &RuleList) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// The operator's rules of all switches.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OperatorRules {
    /// Of switches that have none of their own.
    all: RuleList,
    /// Of switches that have: theirs and those of all.
    own: BTreeMap<DatapathId, RuleList>,
    /// Groups and meters of switches that have none of their own.
    numbered: Arc<Numbered>,
    /// Of switches that have: theirs and those of all.
    numbered_own: BTreeMap<DatapathId, Arc<Numbered>>,
}

/// How many rules two configurations do not have in common.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RuleDifference {
    /// Rules of an identity that was not there.
    pub added: usize,
    /// Rules that do something else.
    pub changed: usize,
    /// Rules that are gone.
    pub removed: usize,
}

impl OperatorRules {
    /// Rules that hold everywhere, and rules of switches, each list with those of all in it.
    pub fn new(all: RuleList, own: BTreeMap<DatapathId, RuleList>) -> OperatorRules {
        OperatorRules { all, own, ..OperatorRules::default() }
    }

    /// The same with groups and meters that hold everywhere, and those of switches, each with those of all in it.
    #[must_use]
    pub fn with_numbered(self, all: Arc<Numbered>, own: BTreeMap<DatapathId, Arc<Numbered>>) -> OperatorRules {
        OperatorRules { numbered: all, numbered_own: own, ..self }
    }

    /// The groups and meters that a switch should have.
    pub fn numbered_of(&self, datapath_id: DatapathId) -> &Arc<Numbered> {
        self.numbered_own.get(&datapath_id).unwrap_or(&self.numbered)
    }

    /// What is the same as in other ones is the same in memory from here on, so that it is known for the same at once.
    pub fn share(&mut self, other: &OperatorRules) {
        let same = |list: &mut RuleList, of: &RuleList| {
            if list == of {
                *list = of.clone();
            }
        };
        same(&mut self.all, &other.all);
        self.own.iter_mut().for_each(|(&at, list)| same(list, other.of(at)));
        let same = |numbered: &mut Arc<Numbered>, of: &Arc<Numbered>| {
            if numbered == of {
                *numbered = of.clone();
            }
        };
        same(&mut self.numbered, &other.numbered);
        self.numbered_own.iter_mut().for_each(|(&at, numbered)| same(numbered, other.numbered_of(at)));
    }

    /// Whether `flows`, `groups` and `meters` say something else, be it in which lines the rules stand.
    pub fn differs(&self, new: &OperatorRules) -> [bool; 3] {
        let switches = self.numbered_own.keys().chain(new.numbered_own.keys());
        let pairs = switches.map(|&at| (self.numbered_of(at), new.numbered_of(at)));
        let pairs = pairs.chain([(&self.numbered, &new.numbered)]);
        let [groups, meters] = pairs.fold([false; 2], |[groups, meters], (old, new)| {
            let differs = if Arc::ptr_eq(old, new) { [false; 2] } else { old.differs(new) };
            [groups || differs[0], meters || differs[1]]
        });
        [self.all != new.all || self.own != new.own, groups, meters]
    }

    /// What a switch should have.
    pub fn of(&self, datapath_id: DatapathId) -> &RuleList {
        self.own.get(&datapath_id).unwrap_or(&self.all)
    }

    /// The line of the configuration that states a switch's rule.
    pub fn origin(&self, datapath_id: DatapathId, rule: &RuleId) -> Option<u32> {
        let body = FlowBody::of_match(&rule.match_).ok()?;
        let key = key_of(Owner::StaticRules, rule.table, rule.priority, body.octets().of_match());
        self.origin_of_key(datapath_id, rule.table, &key)
    }

    /// The same for who has the key, be it a group's or a meter's.
    pub fn origin_of_key(&self, datapath_id: DatapathId, table: TableId, key: &Key) -> Option<u32> {
        if key.stated_group().is_some() || key.stated_meter().is_some() {
            return self.numbered_of(datapath_id).line(key);
        }
        self.of(datapath_id).find(table, key).map(|rule| rule.line)
    }

    /// The lines of rules that match or set one of these VLAN ids as a whole, ascending.
    pub fn lines_with_vlans(&self, ids: &RangeInclusive<u16>) -> Vec<u32> {
        let lists = std::iter::once(&self.all).chain(self.own.values());
        let rules = lists.flat_map(|list| list.rules()).filter(|rule| rule.names_vlan(ids));
        let lines: BTreeSet<u32> = rules.map(|rule| rule.line).collect();
        lines.into_iter().collect()
    }

    /// Rules, those of each list counted once.
    pub fn len(&self) -> usize {
        self.all.rules().len() + self.own.values().map(|list| list.rules().len()).sum::<usize>()
    }

    /// Whether there is no rule at all, no group and no meter.
    pub fn is_empty(&self) -> bool {
        self.len() == 0 && self.numbered.is_empty() && self.numbered_own.is_empty()
    }

    /// What is different in `new`, list by list.
    pub fn difference(&self, new: &OperatorRules) -> RuleDifference {
        let mut difference = RuleDifference::default();
        difference.add(&self.all, &new.all);
        for (&at, list) in &self.own {
            difference.add(list, new.of(at));
        }
        for (&at, list) in new.own.iter().filter(|(at, _)| !self.own.contains_key(at)) {
            difference.add(self.of(at), list);
        }
        difference
    }
}

impl RuleDifference {
    fn add(&mut self, old: &RuleList, new: &RuleList) {
        let (mut old, mut new) = (old.rules(), new.rules());
        loop {
            match (old.split_first(), new.split_first()) {
                (None, None) => return,
                (Some(_), None) => {
                    self.removed += old.len();
                    return;
                }
                (None, Some(_)) => {
                    self.added += new.len();
                    return;
                }
                (Some((first, old_rest)), Some((other, new_rest))) => match first.compare(other) {
                    Ordering::Less => {
                        self.removed += 1;
                        old = old_rest;
                    }
                    Ordering::Greater => {
                        self.added += 1;
                        new = new_rest;
                    }
                    Ordering::Equal => {
                        self.changed += usize::from(first.rule != other.rule);
                        (old, new) = (old_rest, new_rest);
                    }
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use net::PortNo;
    use openflow::Action;

    use super::*;

    fn rule(table: u8, in_port: u32, out_port: u32, line: u32) -> StaticRule {
        let does = [Instruction::ApplyActions(vec![Action::output(PortNo(out_port))])];
        StaticRule::new(TableId(table), 5, &Match::new().with_in_port(PortNo(in_port)), &does, line).unwrap()
    }

    #[test]
    fn a_key_and_its_cookie_follow_from_the_identity_alone_and_are_the_same_in_every_run() {
        let (one, other) = (rule(0, 1, 2, 10), rule(0, 1, 3, 99));
        assert_eq!(one.rule.key, other.rule.key);
        assert_ne!(one.rule.key, rule(100, 1, 2, 10).rule.key);
        assert_ne!(one.rule.key, rule(0, 2, 2, 10).rule.key);
        assert_eq!(one.rule.key.cookie() >> 48, 0x5402);
        assert_eq!(one.rule.key.a, 0x46e2_764d_534a_8e11, "another key makes every upgrade a rewrite of all rules");
    }

    #[test]
    fn tables_that_others_lead_to_come_first_and_each_identity_stands_once() {
        let list =
            RuleList::new(vec![rule(0, 1, 1, 1), rule(100, 1, 1, 2), rule(0, 2, 1, 3), rule(150, 1, 1, 4)]).unwrap();
        let tables: Vec<u8> = list.rules().iter().map(|rule| rule.rule.table.0).collect();
        assert_eq!(tables, [150, 100, 0, 0]);
        assert!(list.rules().is_sorted_by_key(|rule| rule.rule.stage));
        let (list, twice) = RuleList::new(vec![rule(0, 1, 1, 1), rule(0, 1, 2, 7)]).unwrap_err();
        assert_eq!((list.rules().len(), twice.len(), twice[0].line), (1, 1, 7));
    }

    #[test]
    fn a_rule_of_a_switch_is_found_with_its_line() {
        let all = RuleList::new(vec![rule(0, 1, 1, 3)]).unwrap();
        let own = RuleList::new(vec![rule(0, 1, 1, 3), rule(0, 2, 1, 8)]).unwrap();
        let rules = OperatorRules::new(all, BTreeMap::from([(DatapathId(7), own)]));
        let id = rule(0, 2, 1, 0).rule.id();
        assert_eq!((rules.origin(DatapathId(7), &id), rules.origin(DatapathId(8), &id)), (Some(8), None));
    }

    #[test]
    fn a_difference_counts_what_is_added_changed_and_removed_and_no_lines() {
        let list = |rules: Vec<StaticRule>| OperatorRules::new(RuleList::new(rules).unwrap(), BTreeMap::new());
        let old = list(vec![rule(0, 1, 1, 1), rule(0, 2, 1, 2), rule(0, 3, 1, 3)]);
        let new = list(vec![rule(0, 2, 1, 20), rule(0, 3, 9, 21), rule(0, 4, 1, 22), rule(100, 4, 1, 23)]);
        assert_eq!(old.difference(&new), RuleDifference { added: 2, changed: 1, removed: 1 });
        assert_eq!(old.difference(&old.clone()), RuleDifference::default());
    }
}
