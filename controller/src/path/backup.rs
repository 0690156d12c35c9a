//! Where a switch sends a packet when the link of its next hop is dead and nobody else knows yet.
//!
//! Everybody else forwards as before, so that the way round must not lead back. `S` is the switch, `D` the destination, `E` the next hop,
//! `N` another neighbour; d(X, Y) the distance from X to Y.

use net::{DatapathId, PortNo};

use super::Paths;
use super::graph::{Arc, Node, UNREACHABLE};

/// What a [`Backup`] protects against.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BackupKind {
    /// One of several next hops: the others carry on.
    EqualCost,
    /// Loop-free, and not through the next hop's switch either: d(N, D) < d(N, S) + d(S, D) and d(N, D) < d(N, E) + d(E, D) (RFC 5286
    /// §3.1 and §3.2, inequalities 1 and 3).
    NodeProtecting,
    /// Loop-free if the link alone is dead: d(N, D) < d(N, S) + d(S, D) (RFC 5286 §3.1, inequality 1).
    LinkProtecting,
    /// Loop-free if the link alone is dead and the packet is carried to this switch first, by a label or a tunnel: neither the way there
    /// from the neighbour nor the way on from it leads over the link (RFC 7490 §5.2, extended P-space and Q-space).
    Remote(DatapathId),
}

/// Where to send instead.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Backup {
    /// Out of which port.
    pub port: PortNo,
    /// What holds then.
    pub kind: BackupKind,
}

impl Paths {
    /// What is left at `at` towards `to` when the first port of the next hops is dead: node-protecting before link-protecting before
    /// remote, the shorter way before the longer one, the lower port before the higher. `None` without a path, and where each way round
    /// begins at the switch before: only a new computation helps there.
    pub fn backup(&self, at: DatapathId, to: DatapathId) -> Option<Backup> {
        let (s, d) = (self.graph.node(at)?, self.graph.node(to)?);
        let ports = self.hop_of(s, d)?.ports;
        let primary = *ports.first()?;
        if let Some(&port) = ports.get(1) {
            return Some(Backup { port, kind: BackupKind::EqualCost });
        }
        let e = self.graph.arcs(s).iter().find(|arc| arc.port == primary)?.to;
        let others = || {
            let usable = |arc: &&Arc| arc.port != primary && (arc.transit || arc.to == d);
            self.graph.arcs(s).iter().filter(usable)
        };
        let far = |from, to| u64::from(self.table.distance(from, to));
        let is_far = |from, to| self.table.distance(from, to) == UNREACHABLE;
        let loop_free = others().filter(|arc| {
            let n = arc.to;
            !is_far(n, d) && (is_far(n, s) || far(n, d) < far(n, s) + far(s, d))
        });
        let around = |n: Node| e != d && n != e && (is_far(n, e) || far(n, d) < far(n, e) + far(e, d));
        let best = loop_free.min_by_key(|arc| (!around(arc.to), u64::from(arc.cost) + far(arc.to, d), arc.port));
        if let Some(arc) = best {
            let kind = if around(arc.to) { BackupKind::NodeProtecting } else { BackupKind::LinkProtecting };
            return Some(Backup { port: arc.port, kind });
        }
        // Over any other link, then by the usual ways. No way there or on from there leads over S, so none over the link.
        let clear = |from: Node, to: Node| from != s && !is_far(from, to) && far(from, to) < far(from, s) + far(s, to);
        let remote = others().flat_map(|arc| self.graph.nodes().map(move |(id, p)| (arc, id, p)));
        let remote = remote.filter(|&(arc, _, p)| {
            p != s && (arc.to == p || (self.graph.is_transit(p) && clear(arc.to, p))) && (p == d || clear(p, d))
        });
        let (arc, id, _) =
            remote.min_by_key(|&(arc, id, p)| (u64::from(arc.cost) + far(arc.to, p) + far(p, d), arc.port, id))?;
        Some(Backup { port: arc.port, kind: BackupKind::Remote(id) })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use net::PortId;
    use proptest::prelude::*;

    use super::*;

    fn port(id: u64, n: u32) -> PortId {
        PortId::new(DatapathId(id), PortNo(n))
    }

    fn paths(links: &[(u64, u64, u32)]) -> Paths {
        let mut paths = Paths::new();
        (1..=8).for_each(|id| paths.add_switch(DatapathId(id)));
        for (n, &(a, b, cost)) in (1..).zip(links) {
            paths.set_link(port(a, n), port(b, n), [cost, cost]);
        }
        paths.settle();
        paths
    }

    /// All (switch, port) that a packet from `from` may leave by on its way to `to`, whichever next hop of several is taken.
    fn left_by(paths: &Paths, from: DatapathId, to: DatapathId) -> BTreeSet<PortId> {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(at) = open.pop() {
            for &port_no in paths.hop(at, to).map_or(&[][..], |hop| hop.ports) {
                if seen.insert(PortId::new(at, port_no)) {
                    open.push(other_end(paths, PortId::new(at, port_no)).datapath_id);
                }
            }
        }
        seen
    }

    fn other_end(paths: &Paths, port: PortId) -> PortId {
        let link = paths.graph.link_at(port).and_then(|link| paths.graph.link(link)).unwrap();
        if link.low == port { link.high } else { link.low }
    }

    #[test]
    fn a_square_needs_a_detour_and_a_triangle_does_not() {
        let triangle = paths(&[(1, 2, 1), (2, 3, 1), (3, 1, 1)]);
        let backup = triangle.backup(DatapathId(1), DatapathId(2));
        assert_eq!(backup, Some(Backup { port: PortNo(3), kind: BackupKind::LinkProtecting }));
        let square = paths(&[(1, 2, 1), (2, 3, 1), (3, 4, 1), (4, 1, 1)]);
        let across = square.backup(DatapathId(1), DatapathId(3)).unwrap();
        assert_eq!(across.kind, BackupKind::EqualCost);
        let beside = square.backup(DatapathId(1), DatapathId(2));
        assert_eq!(beside, Some(Backup { port: PortNo(4), kind: BackupKind::Remote(DatapathId(3)) }));
        let row = paths(&[(1, 2, 1), (2, 3, 1)]);
        assert_eq!(row.backup(DatapathId(1), DatapathId(3)), None);
    }

    #[test]
    fn a_way_around_the_next_switch_is_preferred() {
        // From 1 to 4 over 2; around it over 3, which is dearer.
        let found = paths(&[(1, 2, 1), (2, 4, 1), (1, 3, 2), (3, 4, 2), (2, 1, 5)]);
        let backup = found.backup(DatapathId(1), DatapathId(4));
        assert_eq!(backup, Some(Backup { port: PortNo(3), kind: BackupKind::NodeProtecting }));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

        /// Whatever the links and costs: a packet that takes the backup never crosses the dead link, never comes back, and arrives; a
        /// node-protecting one does not meet the next hop's switch.
        #[test]
        fn a_backup_never_leads_back(links in proptest::collection::vec((1..9u64, 1..9u64, 1..5u32), 1..16), drained in 0..12u64) {
            let mut paths = paths(&links);
            if let Some(node) = paths.graph.node(DatapathId(drained)) {
                paths.graph.set_transit(node, false);
                paths.settle();
            }
            for at in (1..9).map(DatapathId) {
                for to in (1..9).map(DatapathId) {
                    let Some(backup) = paths.backup(at, to) else { continue };
                    let primary = PortId::new(at, paths.hop(at, to).unwrap().ports[0]);
                    let dead = [primary, other_end(&paths, primary)];
                    let first = other_end(&paths, PortId::new(at, backup.port)).datapath_id;
                    prop_assert_ne!(PortId::new(at, backup.port), primary);
                    let mut crossed = BTreeSet::new();
                    match backup.kind {
                        BackupKind::Remote(by) => {
                            prop_assert!(first == by || paths.hop(first, by).is_some());
                            prop_assert!(by == to || paths.hop(by, to).is_some());
                            crossed.extend(left_by(&paths, first, by));
                            crossed.extend(left_by(&paths, by, to));
                        }
                        _ => {
                            prop_assert!(first == to || paths.hop(first, to).is_some());
                            crossed.extend(left_by(&paths, first, to));
                        }
                    }
                    prop_assert!(!crossed.iter().any(|port| dead.contains(port)), "{at} to {to}: {backup:?}");
                    prop_assert!(!crossed.iter().any(|port| port.datapath_id == at), "{at} to {to}: {backup:?}");
                    if backup.kind == BackupKind::NodeProtecting {
                        let next = dead[1].datapath_id;
                        prop_assert!(first != next && !crossed.iter().any(|port| port.datapath_id == next));
                    }
                }
            }
        }
    }
}
