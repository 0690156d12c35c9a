//! Groups (OpenFlow 1.3.5 §5.6): what they are, which group-mods are refused and why, liveness and the choice of a bucket.

use super::check;
use super::flow_key::{FlowKey, mix};
use super::ports::Ports;
use crate::error::ErrorCode;
use crate::group::{Bucket, GroupMod, GroupModCommand, GroupType};
use crate::identifier::GroupId;
use net::{PortNo, Time};
use std::collections::{BTreeMap, BTreeSet};

/// Groups of a switch; one more gets OFPGMFC_OUT_OF_GROUPS. Far above what any fabric here needs, and a bound on memory.
pub const MAX_GROUPS: usize = 65_536;
/// Buckets of a group; more get OFPGMFC_OUT_OF_BUCKETS. So that a group with [`check::MAX_ACTIONS`] fits into one part of a multipart reply.
pub const MAX_BUCKETS: usize = 2_048;
/// Values of a hash among which Open vSwitch shares out the buckets of a select group, at most.
const MAX_HASHES: u64 = 256;
/// How far watched groups are followed; a longer chain, or a circle, counts as dead.
pub const MAX_LIVENESS_DEPTH: usize = 128;

/// A group.
#[derive(Clone, Debug)]
pub struct Group {
    /// How its buckets are used.
    pub group_type: GroupType,
    /// Its buckets and their counters.
    pub buckets: Vec<BucketState>,
    /// When it was added.
    pub created: Time,
    /// Packets that it processed.
    pub packet_count: u64,
    /// Octets in them.
    pub byte_count: u64,
}

/// A bucket and its counters.
#[derive(Clone, Debug)]
pub struct BucketState {
    /// The bucket as it was sent.
    pub bucket: Bucket,
    /// Packets that it processed.
    pub packet_count: u64,
    /// Octets in them.
    pub byte_count: u64,
}

/// All groups of a switch.
#[derive(Clone, Debug, Default)]
pub struct Groups {
    groups: BTreeMap<GroupId, Group>,
}

impl Groups {
    /// No groups.
    pub fn new() -> Groups {
        Groups::default()
    }

    /// A group.
    pub fn get(&self, group_id: GroupId) -> Option<&Group> {
        self.groups.get(&group_id)
    }

    pub(crate) fn get_mut(&mut self, group_id: GroupId) -> Option<&mut Group> {
        self.groups.get_mut(&group_id)
    }

    /// Every group, by number.
    pub fn iter(&self) -> impl Iterator<Item = (GroupId, &Group)> {
        self.groups.iter().map(|(group_id, group)| (*group_id, group))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// OFPGC_ADD.
    ///
    /// # Errors
    /// The OFPGMFC or OFPBAC code; nothing has changed then.
    pub fn add(&mut self, group_mod: &GroupMod, now: Time) -> Result<(), ErrorCode> {
        check_group(group_mod)?;
        if !check::is_group_number(group_mod.group_id) {
            return Err(ErrorCode::GROUP_MOD_INVALID_GROUP);
        }
        if self.groups.contains_key(&group_mod.group_id) {
            return Err(ErrorCode::GROUP_MOD_GROUP_EXISTS);
        }
        if self.groups.len() >= MAX_GROUPS {
            return Err(ErrorCode::GROUP_MOD_OUT_OF_GROUPS);
        }
        self.groups.insert(group_mod.group_id, Group::new(group_mod, now));
        Ok(())
    }

    /// OFPGC_MODIFY: type and buckets are replaced and all counters start again; the age is kept.
    ///
    /// # Errors
    /// The OFPGMFC or OFPBAC code; nothing has changed then.
    pub fn modify(&mut self, group_mod: &GroupMod) -> Result<(), ErrorCode> {
        check_group(group_mod)?;
        let group = self.groups.get_mut(&group_mod.group_id).ok_or(ErrorCode::GROUP_MOD_UNKNOWN_GROUP)?;
        *group = Group::new(group_mod, group.created);
        Ok(())
    }

    /// OFPGC_DELETE of one group or of all. Gives those that were there; that there were none is no error.
    ///
    /// # Errors
    /// The OFPGMFC or OFPBAC code: with buckets, a delete makes no sense.
    pub fn delete(&mut self, group_mod: &GroupMod) -> Result<Vec<GroupId>, ErrorCode> {
        check_delete(group_mod)?;
        if group_mod.group_id == GroupId::ALL {
            return Ok(std::mem::take(&mut self.groups).into_keys().collect());
        }
        Ok(self.groups.remove(&group_mod.group_id).map(|_| group_mod.group_id).into_iter().collect())
    }

    /// Whether a bucket may be used: it watches nothing, or its port is live, or a bucket of the group that it watches is.
    pub fn is_live(&self, bucket: &Bucket, ports: &Ports) -> bool {
        self.lives(bucket, ports, &mut Liveness::new(u32::MAX))
    }

    fn lives(&self, bucket: &Bucket, ports: &Ports, liveness: &mut Liveness) -> bool {
        let watched = match lives(bucket, ports) {
            Life::Certain(lives) => return lives,
            Life::As(group_id) => group_id,
        };
        if let Some(known) = liveness.known.get(&watched) {
            return *known;
        }
        let found = self.has_live_bucket(watched, ports, liveness);
        liveness.known.insert(watched, found);
        found
    }

    fn has_live_bucket(&self, group_id: GroupId, ports: &Ports, liveness: &mut Liveness) -> bool {
        let mut watched = vec![group_id];
        // Level by level, each group once: groups that watch each other several times over would take for ever otherwise.
        let mut seen = BTreeSet::new();
        for _ in 1..MAX_LIVENESS_DEPTH {
            let mut next = Vec::new();
            for group_id in watched.into_iter().filter(|group_id| seen.insert(*group_id)) {
                let Some(group) = self.get(group_id) else { continue };
                for state in group.buckets.iter().filter(|state| !group.never_uses(&state.bucket)) {
                    let Some(left) = liveness.left.checked_sub(1) else { return false };
                    liveness.left = left;
                    match lives(&state.bucket, ports) {
                        Life::Certain(true) => return true,
                        Life::Certain(false) => {}
                        Life::As(group_id) => next.push(group_id),
                    }
                }
            }
            watched = next;
        }
        false
    }

    /// The one bucket of a select group for this packet, by the highest score of a hash of its flow times the weight: a flow keeps its bucket
    /// while it lives, and only the flows of a bucket that died move. Buckets of weight 0 are never chosen.
    pub(crate) fn select(
        &self,
        group: &Group,
        key: &FlowKey,
        basis: u64,
        ports: &Ports,
        liveness: &mut Liveness,
    ) -> Option<usize> {
        let flow = key.flow_hash(basis);
        let live = group
            .buckets
            .iter()
            .enumerate()
            .filter(|(_, state)| !group.never_uses(&state.bucket) && self.lives(&state.bucket, ports, liveness));
        let score = |(index, state): &(usize, &BucketState)| {
            // Weighted rendezvous hashing: -weight / ln(u) for a uniform u in (0, 1).
            let uniform = ((mix(flow ^ mix(*index as u64)) >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
            -f64::from(state.bucket.weight) / uniform.ln()
        };
        live.max_by(|one, other| score(one).total_cmp(&score(other))).map(|(index, _)| index)
    }

    /// The first live bucket of a fast-failover group.
    pub(crate) fn first_live(&self, group: &Group, ports: &Ports, liveness: &mut Liveness) -> Option<usize> {
        group.buckets.iter().position(|state| self.lives(&state.bucket, ports, liveness))
    }
}

/// Which watched groups are known to be alive, so that each is looked at once for a packet, and how much more may be done for it.
pub(crate) struct Liveness {
    known: BTreeMap<GroupId, bool>,
    pub(crate) left: u32,
}

impl Liveness {
    pub(crate) fn new(left: u32) -> Liveness {
        Liveness { known: BTreeMap::new(), left }
    }
}

/// Whether a bucket can be used.
enum Life {
    Certain(bool),
    /// If this group has a bucket that can be.
    As(GroupId),
}

fn lives(bucket: &Bucket, ports: &Ports) -> Life {
    let (port, group) = (bucket.watch_port, bucket.watch_group);
    if port != PortNo::ANY && ports.is_live(port) {
        return Life::Certain(true);
    }
    if group != GroupId::ANY { Life::As(group) } else { Life::Certain(port == PortNo::ANY) }
}

impl Group {
    /// Whether Open vSwitch has its datapath hash the packets of this select group: with weights that differ not too much.
    pub(crate) fn hashes_in_datapath(&self) -> bool {
        let weights = || self.buckets.iter().map(|state| u64::from(state.bucket.weight));
        let least = weights().filter(|weight| *weight > 0).min();
        least.is_some_and(|least| weights().sum::<u64>().div_ceil(least).next_power_of_two() <= MAX_HASHES)
    }

    /// A bucket of a select group that has no weight is never used, and keeps nobody alive who watches its group.
    fn never_uses(&self, bucket: &Bucket) -> bool {
        self.group_type == GroupType::SELECT && bucket.weight == 0
    }

    fn new(group_mod: &GroupMod, created: Time) -> Group {
        let buckets = group_mod.buckets.iter();
        Group {
            group_type: group_mod.group_type,
            buckets: buckets
                .map(|bucket| {
                    let mut bucket = bucket.clone();
                    check::keep(&mut bucket.actions);
                    BucketState { bucket, packet_count: 0, byte_count: 0 }
                })
                .collect(),
            created,
            packet_count: 0,
            byte_count: 0,
        }
    }
}

fn check_actions(group_mod: &GroupMod) -> Result<(), ErrorCode> {
    let mut size = check::Size::default();
    for bucket in &group_mod.buckets {
        check::bucket_actions(&bucket.actions)?;
        if !check::is_port_number(bucket.watch_port) {
            return Err(ErrorCode::GROUP_MOD_BAD_WATCH);
        }
        size.add(&bucket.actions)?;
    }
    Ok(())
}

fn check_type(group_mod: &GroupMod) -> Result<(), ErrorCode> {
    match group_mod.group_type {
        GroupType::ALL | GroupType::SELECT | GroupType::INDIRECT | GroupType::FF => Ok(()),
        _ => Err(ErrorCode::GROUP_MOD_BAD_TYPE),
    }
}

/// What is looked at before the command.
pub(crate) fn check_shape(group_mod: &GroupMod) -> Result<(), ErrorCode> {
    check_actions(group_mod)?;
    check_type(group_mod)?;
    if group_mod.group_type == GroupType::INDIRECT && group_mod.buckets.len() != 1 {
        return Err(ErrorCode::GROUP_MOD_INVALID_GROUP);
    }
    Ok(())
}

/// What can be said of any group-mod alone.
pub(crate) fn check_group_mod(group_mod: &GroupMod) -> Result<(), ErrorCode> {
    match group_mod.command {
        GroupModCommand::ADD | GroupModCommand::MODIFY => check_group(group_mod),
        GroupModCommand::DELETE => check_delete(group_mod),
        _ => check_shape(group_mod).and(Err(ErrorCode::GROUP_MOD_BAD_COMMAND)),
    }
}

fn check_delete(group_mod: &GroupMod) -> Result<(), ErrorCode> {
    check_actions(group_mod)?;
    if !group_mod.buckets.is_empty() {
        return Err(ErrorCode::GROUP_MOD_INVALID_GROUP);
    }
    check_type(group_mod)
}

/// What can be said of a group-mod alone, in Open vSwitch's order. Groups that its buckets name need not exist, nor be free of circles:
/// the pipeline bounds those.
fn check_group(group_mod: &GroupMod) -> Result<(), ErrorCode> {
    check_shape(group_mod)?;
    if group_mod.buckets.len() > MAX_BUCKETS {
        return Err(ErrorCode::GROUP_MOD_OUT_OF_BUCKETS);
    }
    for bucket in &group_mod.buckets {
        let watches = bucket.watch_port != PortNo::ANY || bucket.watch_group != GroupId::ANY;
        if bucket.weight != 0 && group_mod.group_type != GroupType::SELECT {
            return Err(ErrorCode::GROUP_MOD_INVALID_GROUP);
        }
        match group_mod.group_type {
            GroupType::FF if !watches => return Err(ErrorCode::GROUP_MOD_INVALID_GROUP),
            GroupType::ALL | GroupType::INDIRECT if watches => return Err(ErrorCode::GROUP_MOD_WATCH_UNSUPPORTED),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::Port;
    use net::MacAddr;

    fn group_mod(group_type: GroupType, buckets: Vec<Bucket>) -> GroupMod {
        GroupMod { command: GroupModCommand::ADD, group_type, group_id: GroupId(1), buckets }
    }

    fn weighted(weight: u16, watch_port: PortNo) -> Bucket {
        Bucket { weight, watch_port, ..Bucket::new(Vec::new()) }
    }

    fn three_ports() -> Ports {
        let mut ports = Ports::new();
        for number in 1..=3 {
            ports.insert(Port::new(PortNo(number), MacAddr::ZERO, "p"), Time::ZERO);
        }
        ports
    }

    #[test]
    fn group_mods_that_make_no_sense_get_the_code_of_open_vswitch() {
        let plain = Bucket::new(Vec::new());
        let watching = weighted(0, PortNo(1));
        for (group_type, buckets, code) in [
            (GroupType(9), vec![], ErrorCode::GROUP_MOD_BAD_TYPE),
            (GroupType::INDIRECT, vec![], ErrorCode::GROUP_MOD_INVALID_GROUP),
            (GroupType::INDIRECT, vec![plain.clone(), plain.clone()], ErrorCode::GROUP_MOD_INVALID_GROUP),
            (GroupType::ALL, vec![weighted(1, PortNo::ANY)], ErrorCode::GROUP_MOD_INVALID_GROUP),
            (GroupType::ALL, vec![watching.clone()], ErrorCode::GROUP_MOD_WATCH_UNSUPPORTED),
            (GroupType::FF, vec![plain.clone()], ErrorCode::GROUP_MOD_INVALID_GROUP),
        ] {
            assert_eq!(Groups::new().add(&group_mod(group_type, buckets), Time::ZERO), Err(code));
        }
        let mut groups = Groups::new();
        assert_eq!(groups.modify(&group_mod(GroupType::ALL, vec![])), Err(ErrorCode::GROUP_MOD_UNKNOWN_GROUP));
        assert_eq!(groups.add(&group_mod(GroupType::FF, vec![watching]), Time::ZERO), Ok(()));
        assert_eq!(
            groups.add(&group_mod(GroupType::ALL, vec![plain]), Time::ZERO),
            Err(ErrorCode::GROUP_MOD_GROUP_EXISTS)
        );
        let all = GroupMod { group_id: GroupId::ALL, ..group_mod(GroupType::ALL, vec![]) };
        assert_eq!(groups.delete(&all), Ok(vec![GroupId(1)]));
        assert_eq!(groups.delete(&group_mod(GroupType::ALL, vec![])), Ok(vec![]));
    }

    #[test]
    fn a_select_group_spreads_by_weight_and_moves_only_the_flows_of_a_dead_bucket() {
        let mut ports = three_ports();
        let mut groups = Groups::new();
        let buckets = vec![weighted(1, PortNo(1)), weighted(2, PortNo(2)), weighted(1, PortNo(3))];
        groups.add(&group_mod(GroupType::SELECT, buckets), Time::ZERO).unwrap();
        let group = groups.get(GroupId(1)).unwrap();
        let keys: Vec<FlowKey> = (0..4000u64)
            .map(|flow| {
                let mut key = FlowKey::ZERO;
                key.set(super::super::flow_key::Slot::L4_SRC, u128::from(flow));
                key
            })
            .collect();
        let before: Vec<usize> =
            keys.iter().map(|key| groups.select(group, key, 7, &ports, &mut Liveness::new(100)).unwrap()).collect();
        let share = |index| before.iter().filter(|choice| **choice == index).count();
        assert!((900..1100).contains(&share(0)) && (1850..2150).contains(&share(1)) && (900..1100).contains(&share(2)));
        ports.set_link(PortNo(2), false);
        for (key, before) in keys.iter().zip(before) {
            let after = groups.select(group, key, 7, &ports, &mut Liveness::new(100)).unwrap();
            assert!(after != 1 && (before == 1 || after == before));
        }
    }

    #[test]
    fn groups_that_watch_each_other_in_a_circle_are_dead() {
        let mut groups = Groups::new();
        let watching = Bucket { watch_group: GroupId(1), ..Bucket::new(Vec::new()) };
        groups.add(&group_mod(GroupType::FF, vec![watching.clone()]), Time::ZERO).unwrap();
        assert!(!groups.is_live(&watching, &Ports::new()));
    }
}
