//! Buckets held against each other, and what a group is without its detour.

use openflow::{Bucket, GroupId, GroupType};

use crate::flow::installed_group::InstalledGroup;
use crate::flow::rule::{self, Group};

/// In a fast-failover group the order of the buckets is their ranking (OpenFlow 1.3.5 §5.6.1); elsewhere it means nothing.
pub(super) fn same_buckets(group_type: GroupType, a: &[Bucket], b: &[Bucket]) -> bool {
    if group_type == GroupType::FF {
        return a == b;
    }
    a == b || a.len() == b.len() && sorted(a) == sorted(b)
}

/// As octets, each as often as it is there.
fn sorted(buckets: &[Bucket]) -> Vec<Box<[u8]>> {
    let mut octets: Vec<_> = buckets.iter().map(InstalledGroup::octets_of).collect();
    octets.sort_unstable();
    octets
}

/// Whether the last bucket may be there only when all switches have the other buckets of theirs (decision 0016).
pub(super) fn has_detour(id: GroupId, group: &Group) -> bool {
    rule::is_our_group(id) && group.group_type == GroupType::FF
}

/// The same group with the way that it has while nothing is dead. A switch that knows no fast failover is left with this.
pub(super) fn without_detour(group: &Group) -> (GroupType, Vec<Bucket>) {
    // Buckets of select groups alone have a weight (OpenFlow 1.3.5 §5.6.1).
    (GroupType::SELECT, group.buckets.iter().take(1).map(|bucket| Bucket { weight: 1, ..bucket.clone() }).collect())
}

pub(super) fn has_bucket(buckets: &[Bucket], bucket: &Bucket) -> bool {
    buckets.contains(bucket)
}

#[cfg(test)]
mod tests {
    use net::PortNo;
    use openflow::Action;

    use super::*;

    fn buckets(ports: &[u32]) -> Vec<Bucket> {
        ports.iter().map(|port| Bucket::new(vec![Action::output(PortNo(*port))])).collect()
    }

    #[test]
    fn buckets_are_the_same_in_any_order_and_each_as_often_as_it_is_there() {
        let same = |a: &[u32], b: &[u32]| same_buckets(GroupType::SELECT, &buckets(a), &buckets(b));
        assert!(same(&[1, 2, 2], &[2, 1, 2]) && same(&[], &[]));
        assert!(!same(&[1, 1, 2], &[1, 2, 2]) && !same(&[1], &[1, 1]) && !same(&[1, 2], &[1, 3]));
        assert!(!same_buckets(GroupType::FF, &buckets(&[1, 2]), &buckets(&[2, 1])));
    }

    #[test]
    fn many_buckets_in_another_order_are_compared_at_once() {
        let (up, down): (Vec<u32>, Vec<u32>) = ((1..4_000).collect(), (1..4_000).rev().collect());
        assert!(same_buckets(GroupType::SELECT, &buckets(&up), &buckets(&down)));
    }
}
