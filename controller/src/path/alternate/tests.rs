//! Packets among dead links, each switch looking at its own ports alone.

use std::collections::{BTreeMap, BTreeSet};

use net::{DatapathId, PortId, PortNo};
use proptest::prelude::*;

use super::super::{DRAINED_COST, Paths, Weights};

/// By port, the other end.
type Cables = BTreeMap<PortId, PortId>;

/// Switches 1 to `count`; each link by ends and cost.
fn shape(count: u64, links: &[(u64, u64, u32)]) -> (Paths, Cables) {
    let (mut paths, mut cables) = (Paths::with_weights(Weights::with_bypasses()), Cables::new());
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
    let group = |at| paths.hop(at, to).map(|hop| (hop.ports.to_vec(), hop.alternate)).unwrap_or_default();
    fates_by(&group, cables, dead, from, to)
}

/// Next hops, and the alternate to the only one: what a switch has for one destination.
type Group = (Vec<PortNo>, Option<PortNo>);

fn fates_by(
    group: &dyn Fn(DatapathId) -> Group,
    cables: &Cables,
    dead: &BTreeSet<PortId>,
    from: DatapathId,
    to: DatapathId,
) -> Vec<Fate> {
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
        let (ports, alternate) = group(at);
        out.extend(ports.into_iter().filter(lives));
        if out.is_empty() {
            out.extend(alternate.filter(lives));
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
        // A drained switch, by what its links cost.
        let out: Vec<(PortId, PortId, [u32; 2])> = paths.graph.links()
            .map(|(_, link)| (link.low, link.high, link.costs))
            .filter(|(low, high, _)| [low, high].iter().any(|end| end.datapath_id.0 == drained)).collect();
        for (low, high, [there, back]) in out {
            let more = |end: PortId| if end.datapath_id.0 == drained { DRAINED_COST } else { 0 };
            paths.set_link(low, high, [there + more(low), back + more(high)]);
        }
        paths.settle();
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    /// Links cost something else, some come and some go, and the switches learn of it in the order of ranks, those of one rank in any; what has changed
    /// comes without its alternate, and alternates last. In no state between does a packet go round, whatever is dead; and with nothing dead
    /// it arrives, if it has before and does after.
    #[test]
    fn in_the_order_of_ranks_no_mix_of_old_and_new_goes_round(
        links in proptest::collection::vec((1..9u64, 1..9u64, [costs(), costs()], [costs(), costs()]), 1..18),
        kept in proptest::collection::vec((any::<bool>(), any::<bool>()), 18),
        drawn in proptest::collection::vec(any::<u32>(), 12),
        dead in proptest::collection::btree_set(0..18usize, 0..5),
    ) {
        let of = |which: fn(&Drawn) -> [u32; 2], there: fn(&(bool, bool)) -> bool| {
            let (mut paths, mut cables) = (Paths::new(), Cables::new());
            (1..=8).for_each(|id| paths.add_switch(DatapathId(id)));
            for (n, (link, kept)) in (1..).zip(links.iter().zip(&kept)).filter(|(_, (link, _))| link.0 != link.1) {
                let (a, b) = (PortId::new(DatapathId(link.0), PortNo(n)), PortId::new(DatapathId(link.1), PortNo(n)));
                cables.extend([(a, b), (b, a)]);
                if there(kept) {
                    paths.set_link(a, b, which(link));
                }
            }
            paths.settle();
            (paths, cables)
        };
        // Three of four links are there before, and as many after.
        let (old, cables) = of(|link| link.2, |kept| kept.0 || kept.1);
        let (new, _) = of(|link| link.3, |kept| kept.0 || !kept.1);
        let dead = cables.keys().filter(|port| dead.contains(&(port.port_no.0 as usize)));
        let dead = cut(&cables, dead);
        for to in old.switches() {
            for &drawn in &drawn {
                let rank = (drawn >> 16) as u16 % 10;
                let mix = |at: DatapathId| mix(&old, &new, at, to, rank, drawn);
                for from in old.switches() {
                    let found = fates_by(&mix, &cables, &dead, from, to);
                    prop_assert!(!found.contains(&Fate::GoesRound), "{from} to {to}, rank {rank}: {old:?} {new:?}");
                    let gone: BTreeSet<PortId> = cables.keys().filter(|port| {
                        let there = |paths: &Paths| paths.graph.link_at(**port).is_some();
                        !there(&old) || !there(&new)
                    }).copied().collect();
                    if gone.is_empty() && old.hop(from, to).is_some() {
                        let found = fates_by(&mix, &cables, &BTreeSet::new(), from, to);
                        prop_assert!(found.iter().all(|fate| *fate == Fate::Arrives), "{from} to {to}, rank {rank}");
                    }
                }
            }
        }
    }
}

/// A link: its ends, its costs before and after.
type Drawn = (u64, u64, [u32; 2], [u32; 2]);

/// What a switch has for a destination when all of a lower rank have learned, and some of that rank: a bit of `chosen` for each. What has changed comes
/// without its alternate; from rank 9 on all have learned, and some have theirs.
fn mix(old: &Paths, new: &Paths, at: DatapathId, to: DatapathId, rank: u16, chosen: u32) -> Group {
    let group = |paths: &Paths| paths.hop(at, to).map(|hop| (hop.ports.to_vec(), hop.alternate)).unwrap_or_default();
    let (before, after): (Group, Group) = (group(old), group(new));
    let is_chosen = chosen >> at.0 & 1 == 1;
    let learns = |own: u16| own < rank || own == rank && is_chosen;
    if before == after || after.0.is_empty() || !new.rank(at, to).is_some_and(learns) {
        // Who has no way any more loses its rule when everybody has learned.
        return before;
    }
    (after.0, after.1.filter(|_| rank >= 9 && is_chosen))
}

/// A switch with an alternate comes later than its alternate: 2 sends to 1, or else to 4, before and after; 3 sends to 1 before and to 2 after, 4 to 3 before and over
/// three others after. Were 3 to learn before 4, a packet would go round among the three while the link from 2 to 1 is dead.
#[test]
fn an_alternate_that_has_not_changed_leads_to_no_switch_that_has_not_learned() {
    let shape = |chord: bool| {
        let (mut paths, mut cables) = (Paths::new(), Cables::new());
        (1..=7).for_each(|id| paths.add_switch(DatapathId(id)));
        let links = [
            (2, 1, [9, 9]),
            (3, 2, [1, 100]),
            (4, 3, [6, 100]),
            (2, 4, [5, 5]),
            (4, 5, [2, 2]),
            (5, 6, [2, 2]),
            (6, 7, [2, 2]),
            (7, 1, [2, 2]),
            (3, 1, [1, 1]),
        ];
        for (n, (a, b, costs)) in (1..).zip(links) {
            let (a, b) = (PortId::new(DatapathId(a), PortNo(n)), PortId::new(DatapathId(b), PortNo(n)));
            cables.extend([(a, b), (b, a)]);
            if n < 9 || chord {
                paths.set_link(a, b, costs);
            }
        }
        paths.settle();
        (paths, cables)
    };
    let ((old, cables), (new, _)) = (shape(true), shape(false));
    let [to, dead] = [DatapathId(1), DatapathId(2)];
    assert_eq!(
        old.hop(dead, to).map(|hop| (hop.ports.to_vec(), hop.alternate)),
        Some((vec![PortNo(1)], Some(PortNo(4))))
    );
    assert_eq!(new.hop(dead, to).unwrap().alternate, Some(PortNo(4)));
    let dead = cut(&cables, [&PortId::new(dead, PortNo(1))]);
    for (rank, chosen) in (0..10).flat_map(|rank| (0..256).map(move |chosen| (rank, chosen))) {
        for from in old.switches() {
            let mix = |at| mix(&old, &new, at, to, rank, chosen);
            assert!(!fates_by(&mix, &cables, &dead, from, to).contains(&Fate::GoesRound), "{from}, rank {rank}");
        }
    }
}

fn costs() -> impl Strategy<Value = u32> {
    prop_oneof![3 => Just(1), 3 => 1..6u32, 1 => Just(DRAINED_COST + 1)]
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

/// Of 1,000 ordered pairs of switches: those with several next hops, those with one and an alternate, those with one and a way round its link.
fn shares((count, links): (u64, Vec<(u64, u64, u32)>)) -> (usize, usize, usize) {
    let (paths, _) = shape(count, &links);
    let (mut several, mut alternate, mut round) = (0, 0, 0);
    for to in paths.switches() {
        for (at, hop) in paths.reaching(to) {
            several += usize::from(hop.ports.len() > 1);
            alternate += usize::from(hop.alternate.is_some());
            let bypass = hop.ports.iter().take(1).filter_map(|port| paths.bypass(PortId::new(at, *port)));
            round += bypass.filter(|_| hop.ports.len() == 1 && hop.alternate.is_none()).count();
        }
    }
    let all = paths.pair_count();
    let share = |some: usize| (some * 1_000 + all / 2) / all;
    (share(several), share(alternate), share(round))
}

type Row = (&'static str, (usize, usize, usize), (usize, usize, usize));

/// The tables of decisions 0016 and 0017.
#[test]
fn which_share_of_pairs_has_a_second_way_follows_from_the_shape() {
    let found: [Row; 8] = [
        ("ring of 4 with a chord", shares(ring(4, true)), (167, 833, 0)),
        ("ring of 9", shares(ring(9, false)), (0, 250, 750)),
        ("ring of 10", shares(ring(10, false)), (111, 0, 889)),
        ("ring of 10 with a chord", shares(ring(10, true)), (222, 0, 778)),
        ("leaf-spine 16 × 4", shares(leaf_spine(16, 4)), (663, 0, 337)),
        ("fat-tree k=4", shares(fat_tree(4)), (495, 0, 505)),
        ("random, 50 switches, degree 4", shares(random(50, 51)), (362, 395, 161)),
        ("random, 50 switches, degree 8", shares(random(50, 151)), (551, 404, 45)),
    ];
    let [is, has_to_be] = [|row: &Row| (row.0, row.1), |row: &Row| (row.0, row.2)];
    assert_eq!(found.iter().map(is).collect::<Vec<_>>(), found.iter().map(has_to_be).collect::<Vec<_>>());
}
