//! Packets among dead links, each switch looking at its own ports alone.

use std::collections::{BTreeMap, BTreeSet};

use net::{DatapathId, PortId, PortNo};
use proptest::prelude::*;

use super::super::Paths;

/// By port, the other end.
type Cables = BTreeMap<PortId, PortId>;

/// Switches 1 to `count`; each link by ends and cost.
fn shape(count: u64, links: &[(u64, u64, u32)]) -> (Paths, Cables) {
    let (mut paths, mut cables) = (Paths::new(), Cables::new());
    (1..=count).for_each(|id| paths.add_switch(DatapathId(id)));
    let usable = links.iter().filter(|(a, b, _)| a != b);
    for (n, &(a, b, cost)) in (1..).zip(usable) {
        let (a, b) = (PortId::new(DatapathId(a), PortNo(n)), PortId::new(DatapathId(b), PortNo(n)));
        paths.set_link(a, b, [cost, cost]);
        cables.extend([(a, b), (b, a)]);
    }
    paths.settle();
    (paths, cables)
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    Arrives,
    Lost,
    GoesRound,
}

/// Where a packet may end that stands at a switch: each live one of several next hops may be taken.
fn fates(paths: &Paths, cables: &Cables, dead: &BTreeSet<PortId>, from: DatapathId, to: DatapathId) -> Vec<Fate> {
    let mut fates = Vec::new();
    let mut open = vec![(from, None, Vec::new())];
    while let Some((at, in_port, mut way)) = open.pop() {
        if at == to {
            fates.push(Fate::Arrives);
            continue;
        }
        if way.contains(&(at, in_port)) {
            fates.push(Fate::GoesRound);
            continue;
        }
        way.push((at, in_port));
        let lives = |port: &PortNo| !dead.contains(&PortId::new(at, *port));
        let mut out: Vec<PortNo> = Vec::new();
        if let Some(hop) = paths.hop(at, to) {
            out.extend(hop.ports.iter().copied().filter(lives));
            if out.is_empty() {
                out.extend(hop.alternate.filter(lives));
            }
        }
        // Nothing leaves by the port where it came in.
        out.retain(|port| in_port != Some(*port));
        if out.is_empty() {
            fates.push(Fate::Lost);
        }
        for port in out {
            let next = cables[&PortId::new(at, port)];
            open.push((next.datapath_id, Some(next.port_no), way.clone()));
        }
    }
    fates
}

/// Nothing goes round, from anywhere to anywhere.
fn check(paths: &Paths, cables: &Cables, dead: &BTreeSet<PortId>) -> Result<(), TestCaseError> {
    for from in paths.switches() {
        for to in paths.switches() {
            let fates = fates(paths, cables, dead, from, to);
            prop_assert!(!fates.contains(&Fate::GoesRound), "{from} to {to} with {dead:?} dead: {paths:?}");
        }
    }
    Ok(())
}

fn cut<'a>(cables: &Cables, ports: impl IntoIterator<Item = &'a PortId>) -> BTreeSet<PortId> {
    ports.into_iter().flat_map(|port| [*port, cables[port]]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, ..ProptestConfig::default() })]

    /// With every single link dead, with every single switch dead, and with any number of links dead.
    #[test]
    fn no_packet_goes_round_whatever_is_dead(
        links in proptest::collection::vec((1..10u64, 1..10u64, prop_oneof![4 => Just(1), 1 => 1..4u32]), 1..22),
        several in proptest::collection::vec(proptest::collection::btree_set(0..22usize, 0..8), 16),
        drained in 0..12u64,
    ) {
        let (mut paths, cables) = shape(9, &links);
        if let Some(node) = paths.graph.node(DatapathId(drained)) {
            paths.graph.set_transit(node, false);
            paths.settle();
        }
        for port in cables.keys() {
            check(&paths, &cables, &cut(&cables, [port]))?;
        }
        for id in paths.switches() {
            check(&paths, &cables, &cut(&cables, cables.keys().filter(|port| port.datapath_id == id)))?;
        }
        for chosen in several {
            let chosen = cables.keys().filter(|port| chosen.contains(&(port.port_no.0 as usize)));
            check(&paths, &cables, &cut(&cables, chosen))?;
        }
    }

    /// Where a link alone is dead, the packet of who has an alternate to it arrives if the costs are alike.
    #[test]
    fn with_one_dead_link_the_alternate_leads_there(
        links in proptest::collection::vec((1..10u64, 1..10u64, Just(1u32)), 1..22),
    ) {
        let (paths, cables) = shape(9, &links);
        for (port, far) in &cables {
            let dead = BTreeSet::from([*port, *far]);
            for to in paths.switches() {
                let Some(hop) = paths.hop(port.datapath_id, to).filter(|hop| hop.ports == [port.port_no]) else { continue };
                let fates = fates(&paths, &cables, &dead, port.datapath_id, to);
                let expected = if hop.alternate.is_some() { Fate::Arrives } else { Fate::Lost };
                prop_assert!(fates.iter().all(|fate| *fate == expected), "{port} to {to}: {fates:?}");
            }
        }
    }
}

/// Three switches around one that is dead: were each to go on to the next, a packet would never leave them.
#[test]
fn around_a_dead_switch_nothing_goes_round() {
    let (paths, cables) = shape(5, &[(1, 2, 1), (2, 3, 1), (3, 1, 1), (1, 4, 1), (2, 4, 1), (3, 4, 1), (4, 5, 1)]);
    for from in (1..=3).map(DatapathId) {
        assert!(paths.hop(from, DatapathId(5)).unwrap().alternate.is_some());
    }
    let dead = cut(&cables, cables.keys().filter(|port| port.datapath_id == DatapathId(4)));
    check(&paths, &cables, &dead).unwrap();
}

fn ring(count: u64, chord: bool) -> (u64, Vec<(u64, u64, u32)>) {
    let mut links: Vec<_> = (1..=count).map(|n| (n, n % count + 1, 1)).collect();
    if chord {
        links.push((1, count / 2 + 1, 1));
    }
    (count, links)
}

fn leaf_spine(leaves: u64, spines: u64) -> (u64, Vec<(u64, u64, u32)>) {
    let links = (1..=leaves).flat_map(|leaf| (1..=spines).map(move |spine| (leaf, leaves + spine, 1)));
    (leaves + spines, links.collect())
}

/// k pods of k/2 edge and k/2 aggregation switches, and (k/2)² core switches.
fn fat_tree(k: u64) -> (u64, Vec<(u64, u64, u32)>) {
    let half = k / 2;
    let edge = |pod: u64, n: u64| 1 + pod * half + n;
    let aggregation = |pod: u64, n: u64| edge(k, 0) + pod * half + n;
    let core = |n: u64| aggregation(k, 0) + n;
    let mut links = Vec::new();
    for pod in 0..k {
        for a in 0..half {
            links.extend((0..half).map(|n| (edge(pod, n), aggregation(pod, a), 1)));
            links.extend((0..half).map(|n| (aggregation(pod, a), core(a * half + n), 1)));
        }
    }
    (core(half * half) - 1, links)
}

/// A tree with more links, from a simple generator: the same every time.
fn random(count: u64, more: usize) -> (u64, Vec<(u64, u64, u32)>) {
    let mut state = 1_u64;
    let mut below = |limit: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % limit
    };
    let mut links: Vec<_> = (2..=count).map(|n| (n, 1 + below(n - 1), 1)).collect();
    links.extend((0..more).map(|_| (1 + below(count), 1 + below(count), 1)));
    (count, links)
}

/// Of 1,000 ordered pairs of switches: those with several next hops, those with one and an alternate.
fn shares((count, links): (u64, Vec<(u64, u64, u32)>)) -> (usize, usize) {
    let (paths, _) = shape(count, &links);
    let (mut several, mut alternate) = (0, 0);
    for to in paths.switches() {
        for (_, hop) in paths.reaching(to) {
            several += usize::from(hop.ports.len() > 1);
            alternate += usize::from(hop.alternate.is_some());
        }
    }
    let all = paths.pair_count();
    ((several * 1_000 + all / 2) / all, (alternate * 1_000 + all / 2) / all)
}

/// The table of decision 0016.
#[test]
fn which_share_of_pairs_has_a_second_way_follows_from_the_shape() {
    let found = [
        ("ring of 4 with a chord", shares(ring(4, true)), (167, 833)),
        ("ring of 9", shares(ring(9, false)), (0, 250)),
        ("ring of 10", shares(ring(10, false)), (111, 0)),
        ("ring of 10 with a chord", shares(ring(10, true)), (222, 0)),
        ("leaf-spine 16 × 4", shares(leaf_spine(16, 4)), (663, 0)),
        ("fat-tree k=4", shares(fat_tree(4)), (495, 0)),
        ("random, 50 switches, degree 4", shares(random(50, 51)), (362, 395)),
        ("random, 50 switches, degree 8", shares(random(50, 151)), (551, 404)),
    ];
    for (name, found, expected) in found {
        assert_eq!(found, expected, "{name}");
    }
}
