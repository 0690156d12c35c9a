//! The operator's groups and meters, whose numbers the configuration states.

use std::collections::BTreeMap;

use crate::app::Effects;
use crate::flow::{Group, Key, Meter};
use net::DatapathId;

/// A group of the operator.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StaticGroup {
    /// The group. Its key states its number; its stage is how many groups it leads through.
    pub group: Group,
    /// The line of the configuration file, from 1.
    pub line: u32,
}

/// A meter of the operator.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StaticMeter {
    /// The meter.
    pub meter: Meter,
    /// The line of the configuration file, from 1.
    pub line: u32,
}

/// Groups and meters of one switch: few enough to be stated at once.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Numbered {
    meters: BTreeMap<Key, StaticMeter>,
    groups: BTreeMap<Key, StaticGroup>,
}

impl Numbered {
    /// These. Each number stands once.
    pub fn new(meters: Vec<StaticMeter>, groups: Vec<StaticGroup>) -> Numbered {
        Numbered {
            meters: meters.into_iter().map(|meter| (meter.meter.key, meter)).collect(),
            groups: groups.into_iter().map(|group| (group.group.key, group)).collect(),
        }
    }

    /// The groups.
    pub fn groups(&self) -> impl Iterator<Item = &StaticGroup> {
        self.groups.values()
    }

    /// The meters.
    pub fn meters(&self) -> impl Iterator<Item = &StaticMeter> {
        self.meters.values()
    }

    /// Groups and meters.
    pub fn len(&self) -> usize {
        self.groups.len() + self.meters.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The line that states one.
    pub fn line(&self, key: &Key) -> Option<u32> {
        let group = self.groups.get(key).map(|group| group.line);
        group.or_else(|| self.meters.get(key).map(|meter| meter.line))
    }

    /// Whether groups and meters are the same, wherever they stand.
    pub(super) fn differs(&self, other: &Numbered) -> [bool; 2] {
        let [old, new] = [self, other].map(|of| of.groups.values().map(|group| &group.group));
        let groups = !old.eq(new);
        let [old, new] = [self, other].map(|of| of.meters.values().map(|meter| &meter.meter));
        [groups, !old.eq(new)]
    }

    /// State what of these was not stated before.
    pub(super) fn put(&self, at: DatapathId, before: &Numbered, effects: &mut Effects<'_>) {
        for (key, StaticMeter { meter, .. }) in &self.meters {
            if before.meters.get(key).is_none_or(|before| before.meter != *meter) {
                effects.set_meter(at, *key, Some(meter.clone()));
            }
        }
        for (key, StaticGroup { group, .. }) in &self.groups {
            if before.groups.get(key).is_none_or(|before| before.group != *group) {
                effects.set_group(at, *key, Some(group.clone()));
            }
        }
    }

    /// State that what stood before and is not here is not wanted any more.
    pub(super) fn remove(&self, at: DatapathId, before: &Numbered, effects: &mut Effects<'_>) {
        for key in before.groups.keys().filter(|key| !self.groups.contains_key(key)) {
            effects.set_group(at, *key, None);
        }
        for key in before.meters.keys().filter(|key| !self.meters.contains_key(key)) {
            effects.set_meter(at, *key, None);
        }
    }
}
