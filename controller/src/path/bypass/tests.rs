//! Frames among dead links, with labels and without: each switch looks at its own ports alone.

use std::collections::BTreeMap;

use net::DatapathId;
use proptest::prelude::*;

use super::*;
use crate::path::{DRAINED_COST, PathChanges, Paths, Weights};

/// By port, the other end.
type Cables = BTreeMap<PortId, PortId>;
/// What a switch has for one destination: next hops, and where a frame goes while the only one of them is dead, with a label or without.
type Group = (Vec<PortNo>, Option<(PortNo, Option<(u16, u8)>)>);
/// Rules for frames with labels: at a switch, by a port, label, links left.
type Rules = BTreeMap<(DatapathId, PortNo, u16, u8), Option<PortNo>>;

fn cables(links: &[(u64, u64, [u32; 2])]) -> (Vec<(PortId, PortId, [u32; 2])>, Cables) {
    let links: Vec<_> = (1..)
        .zip(links.iter().filter(|(a, b, _)| a != b))
        .map(|(n, &(a, b, costs))| {
            (PortId::new(DatapathId(a), PortNo(n)), PortId::new(DatapathId(b), PortNo(n)), costs)
        })
        .collect();
    let cables = links.iter().flat_map(|&(a, b, _)| [(a, b), (b, a)]).collect();
    (links, cables)
}

fn paths(count: u64, links: &[(PortId, PortId, [u32; 2])]) -> Paths {
    let mut paths = Paths::with_weights(Weights::with_bypasses());
    (1..=count).for_each(|id| paths.add_switch(DatapathId(id)));
    links.iter().for_each(|&(a, b, costs)| paths.set_link(a, b, costs));
    paths.settle();
    paths
}

fn group(paths: &Paths, at: DatapathId, to: DatapathId) -> Group {
    let Some(hop) = paths.hop(at, to) else { return Group::default() };
    let round = match *hop.ports {
        [port] if hop.alternate.is_none() => paths.bypass(PortId::new(at, port)),
        _ => None,
    };
    let detour = round.map(|bypass| (bypass.first, Some((bypass.label, bypass.left()))));
    (hop.ports.to_vec(), hop.alternate.map(|port| (port, None)).or(detour))
}

fn rules(paths: &Paths) -> Rules {
    let mut rules = Rules::new();
    for (port, bypass) in paths.bypasses() {
        for step in &bypass.steps {
            let old = rules.insert((step.at, step.in_port, bypass.label, step.left), step.out);
            assert_eq!(old, None, "two bypasses have one rule at {port}");
        }
    }
    rules
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Fate {
    Arrives,
    Lost,
    GoesRound,
}

/// A frame that stands somewhere: where, how it came, its label and the links left, and where it has been.
type Standing = (DatapathId, Option<PortNo>, Option<(u16, u8)>, Vec<(DatapathId, Option<PortNo>, Option<(u16, u8)>)>);

fn fates(
    group: &dyn Fn(DatapathId) -> Group,
    rules: &Rules,
    cables: &Cables,
    dead: &BTreeSet<PortId>,
    from: DatapathId,
    to: DatapathId,
) -> BTreeSet<Fate> {
    let mut fates = BTreeSet::new();
    let mut open: Vec<Standing> = vec![(from, None, None, Vec::new())];
    while let Some((at, in_port, mut label, mut way)) = open.pop() {
        if way.contains(&(at, in_port, label)) {
            fates.insert(Fate::GoesRound);
            continue;
        }
        way.push((at, in_port, label));
        let lives = |port: &PortNo| !dead.contains(&PortId::new(at, *port));
        let mut out: Vec<(PortNo, Option<(u16, u8)>)> = Vec::new();
        // Where a label comes on or off, the port by which the frame came does not count.
        let mut any = false;
        if let (Some((number, left)), Some(port)) = (label, in_port) {
            match rules.get(&(at, port, number, left)) {
                Some(Some(next)) => out.extend(Some((*next, Some((number, left - 1)))).filter(|_| lives(next))),
                Some(None) => (label, any) = (None, true),
                // Its tag could be a label: it is dropped.
                None => {}
            }
        }
        if label.is_none() && at == to {
            fates.insert(Fate::Arrives);
            continue;
        }
        if label.is_none() {
            let (ports, detour) = group(at);
            out.extend(ports.into_iter().filter(lives).map(|port| (port, None)));
            if out.is_empty() {
                out.extend(detour.filter(|(port, _)| lives(port)));
                any |= out.iter().any(|(_, label)| label.is_some());
            }
        }
        out.retain(|(port, _)| any || in_port != Some(*port));
        if out.is_empty() {
            fates.insert(Fate::Lost);
        }
        for (port, label) in out {
            let next = cables[&PortId::new(at, port)];
            open.push((next.datapath_id, Some(next.port_no), label, way.clone()));
        }
    }
    fates
}

fn cut<'a>(cables: &Cables, ports: impl IntoIterator<Item = &'a PortId>) -> BTreeSet<PortId> {
    ports.into_iter().flat_map(|port| [*port, cables[port]]).collect()
}

fn costs() -> impl Strategy<Value = u32> {
    prop_oneof![5 => Just(1), 3 => 1..6u32, 1 => Just(DRAINED_COST + 1)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, ..ProptestConfig::default() })]

    /// With every single link dead, with every single switch dead, and with any number of links dead.
    #[test]
    fn no_frame_goes_round_whatever_is_dead(
        links in proptest::collection::vec((1..10u64, 1..10u64, [costs(), costs()]), 1..20),
        several in proptest::collection::vec(proptest::collection::btree_set(0..22usize, 0..8), 12),
        missing in any::<u64>(),
    ) {
        let (links, cables) = cables(&links);
        let paths = paths(9, &links);
        let mut rules = rules(&paths);
        // Some that a switch has refused, or has not got yet.
        let mut number = 0;
        rules.retain(|_, _| {
            number += 1;
            missing & 0b11 == 0 || missing >> (number % 64) & 1 == 0
        });
        let mut dead: Vec<BTreeSet<PortId>> = cables.keys().map(|port| cut(&cables, [port])).collect();
        dead.extend(paths.switches().map(|id| cut(&cables, cables.keys().filter(|port| port.datapath_id == id))));
        dead.extend(several.iter().map(|some| cut(&cables, cables.keys().filter(|port| some.contains(&(port.port_no.0 as usize))))));
        for dead in dead {
            for to in paths.switches() {
                for from in paths.switches() {
                    let found = fates(&|at| group(&paths, at, to), &rules, &cables, &dead, from, to);
                    prop_assert!(!found.contains(&Fate::GoesRound), "{from} to {to} with {dead:?} dead");
                }
            }
        }
    }

    /// With one link dead everything arrives, wherever it comes from, if the switch before it has a second way.
    #[test]
    fn with_one_dead_link_the_way_round_leads_there(
        links in proptest::collection::vec((1..10u64, 1..10u64, Just([1, 1])), 1..22),
    ) {
        let (links, cables) = cables(&links);
        let paths = paths(9, &links);
        let rules = rules(&paths);
        for (port, far) in &cables {
            let dead = BTreeSet::from([*port, *far]);
            for to in paths.switches() {
                let group = |at| group(&paths, at, to);
                let stuck = |end: &PortId| group(end.datapath_id).0 == [end.port_no] && group(end.datapath_id).1.is_none();
                let expected = if [port, far].into_iter().any(stuck) { Fate::Lost } else { Fate::Arrives };
                for from in paths.switches().filter(|from| *from == to || paths.hop(*from, to).is_some()) {
                    let found = fates(&group, &rules, &cables, &dead, from, to);
                    prop_assert!(expected == Fate::Lost || found == BTreeSet::from([Fate::Arrives]), "{from} to {to}: {found:?}");
                }
                if let (Some(end), true) = ([port, far].into_iter().find(|end| stuck(end)), expected == Fate::Lost) {
                    prop_assert_eq!(fates(&group, &rules, &cables, &dead, end.datapath_id, to), BTreeSet::from([Fate::Lost]));
                }
            }
        }
    }

    /// Switches learn of a change in the order of ranks; then the rules of labels come, in any order; then the detours, in any order; then old rules go.
    #[test]
    fn in_no_mix_of_old_and_new_a_frame_goes_round(
        links in proptest::collection::vec((1..9u64, 1..9u64, [costs(), costs()]), 1..16),
        kept in proptest::collection::vec((any::<bool>(), any::<bool>()), 16),
        drawn in proptest::collection::vec(any::<u32>(), 12),
        dead in proptest::collection::btree_set(0..16usize, 0..5),
    ) {
        let (links, cables) = cables(&links);
        let of = |there: fn(&(bool, bool)) -> bool| {
            let some: Vec<_> = links.iter().zip(&kept).filter(|(_, kept)| there(kept)).map(|(link, _)| *link).collect();
            paths(8, &some)
        };
        let (old, new) = (of(|kept| kept.0 || kept.1), of(|kept| kept.0 || !kept.1));
        let (before, after) = (rules(&old), rules(&new));
        let dead = cut(&cables, cables.keys().filter(|port| dead.contains(&(port.port_no.0 as usize))));
        for to in old.switches() {
            for &drawn in &drawn {
                let (phase, bits) = ((drawn >> 16) as u16 % 13, drawn);
                let mixed: Rules = before.keys().chain(after.keys()).filter_map(|place| {
                    let chosen = bits >> (place.0.0 % 16) & 1 == 1;
                    let (old, new) = (before.get(place), after.get(place));
                    let out = match phase {
                        0..=9 => old,
                        10 if !chosen => old,
                        10 | 11 => new.or(old),
                        _ if chosen => new,
                        _ => new.or(old),
                    };
                    Some((*place, *out?))
                }).collect();
                let mix = |at: DatapathId| {
                    let (was, is) = (group(&old, at, to), group(&new, at, to));
                    let chosen = bits >> (at.0 % 16) & 1 == 1;
                    let learned = |own: u16| own < phase || own == phase && chosen;
                    if was == is || is.0.is_empty() || !new.rank(at, to).is_some_and(learned) {
                        return was;
                    }
                    (is.0, is.1.filter(|_| phase == 12 || phase == 11 && chosen))
                };
                for from in old.switches() {
                    let found = fates(&mix, &mixed, &cables, &dead, from, to);
                    prop_assert!(!found.contains(&Fate::GoesRound), "{from} to {to}, phase {phase}");
                }
            }
        }
    }

    /// Links come, go and are drained, one by one or several at once: as if computed from nothing, and what is told to have changed is what has. Where ways are
    /// put off, the ones that there are lead there all the time, and in the end they are the same.
    #[test]
    fn changes_lead_to_what_a_computation_from_nothing_finds(
        steps in proptest::collection::vec((proptest::collection::vec((1..12u64, 1..12u64, 0..4u32, any::<bool>()), 1..4), 0..6usize), 1..25),
    ) {
        let mut paths = Paths::with_weights(Weights::with_bypasses());
        (1..12).for_each(|id| paths.add_switch(DatapathId(id)));
        paths.settle();
        let mut late = paths.clone().putting_off();
        let mut there: BTreeMap<(PortId, PortId), [u32; 2]> = BTreeMap::new();
        for (step, looks) in steps {
            let before = bypasses(&paths);
            for (a, b, n, drained) in step {
                let (a, b) = (a.min(b), a.max(b));
                if a == b {
                    continue;
                }
                // Up to two links between two switches.
                let port = |id: u64, other: u64| PortId::new(DatapathId(id), PortNo((other * 2) as u32 + n % 2));
                let ends = (port(a, b), port(b, a));
                if n > 1 && there.remove(&ends).is_some() {
                    paths.remove_link(ends.0);
                    late.remove_link(ends.0);
                } else {
                    let cost = if drained { DRAINED_COST + 1 } else { 1 };
                    there.insert(ends, [cost, 1]);
                    paths.set_link(ends.0, ends.1, [cost, 1]);
                    late.set_link(ends.0, ends.1, [cost, 1]);
                }
            }
            let PathChanges { bypasses: changed, .. } = paths.settle();
            let mut anew = Paths::with_weights(Weights::with_bypasses());
            (1..12).for_each(|id| anew.add_switch(DatapathId(id)));
            there.iter().for_each(|(ends, costs)| anew.set_link(ends.0, ends.1, *costs));
            anew.settle();
            prop_assert_eq!(&paths, &anew);
            let ports: BTreeSet<PortId> = before.keys().copied().chain(anew.bypasses().map(|(port, _)| port)).collect();
            let differ: Vec<PortId> = ports.into_iter().filter(|port| before.get(port) != anew.bypass(*port)).collect();
            prop_assert_eq!(differ, changed);
            prop_assert!(!paths.has_doubts());
            let before = bypasses(&late);
            let changed = late.settle().bypasses;
            prop_assert_eq!(differing(&before, &late), changed);
            all_lead_there(&late, &there)?;
            for _ in 0..looks {
                let before = bypasses(&late);
                let changed = late.look_at_bypasses(3).bypasses;
                prop_assert_eq!(differing(&before, &late), changed);
                all_lead_there(&late, &there)?;
            }
            prop_assert!(late.has_doubts() || late == anew);
            for at in (1..12).map(DatapathId) {
                let through: Vec<_> = paths.bypasses_through(at).collect();
                let expected: Vec<_> = paths.bypasses().filter(|(port, bypass)| {
                    port.datapath_id == at || bypass.steps.iter().any(|step| step.at == at)
                }).collect();
                prop_assert!(expected.iter().all(|one| through.contains(one)));
            }
        }
        while late.has_doubts() {
            late.look_at_bypasses(5);
        }
        prop_assert_eq!(&late, &paths);
    }
}

fn bypasses(paths: &Paths) -> BTreeMap<PortId, Bypass> {
    paths.bypasses().map(|(port, bypass)| (port, bypass.clone())).collect()
}

/// The ports whose bypass is another one now.
fn differing(before: &BTreeMap<PortId, Bypass>, now: &Paths) -> Vec<PortId> {
    let ports: BTreeSet<PortId> = before.keys().copied().chain(now.bypasses().map(|(port, _)| port)).collect();
    ports.into_iter().filter(|port| before.get(port) != now.bypass(*port)).collect()
}

/// Each bypass goes by links that are there and not drained, round its own one to that one's far end, and counts them down.
fn all_lead_there(paths: &Paths, there: &BTreeMap<(PortId, PortId), [u32; 2]>) -> Result<(), TestCaseError> {
    let cables: BTreeMap<PortId, (PortId, u32)> = there
        .iter()
        .flat_map(|(&(a, b), costs)| [(a, (b, costs[0].max(costs[1]))), (b, (a, costs[0].max(costs[1])))])
        .collect();
    for (around, bypass) in paths.bypasses() {
        prop_assert!(cables.contains_key(&around), "round no link: {around}");
        let (goal, mut from) = (cables[&around].0.datapath_id, PortId::new(around.datapath_id, bypass.first));
        prop_assert!(bypass.steps.len() <= MAX_LINKS);
        for (step, left) in bypass.steps.iter().zip((0..bypass.steps.len()).rev()) {
            let (far, cost) = cables[&from];
            prop_assert!(from != around && far != around && cost < DRAINED_COST, "round {around} by {from}");
            prop_assert_eq!((far, usize::from(step.left)), (PortId::new(step.at, step.in_port), left));
            match step.out {
                Some(out) => from = PortId::new(step.at, out),
                None => prop_assert_eq!((step.at, left), (goal, 0)),
            }
        }
    }
    Ok(())
}

/// A leaf-spine is found link by link: a way is looked for a few times, and not whenever something comes.
#[test]
fn where_many_links_come_one_by_one_each_way_is_looked_for_a_few_times() {
    let links: Vec<_> = (0..144).map(|n| (1 + n % 12, 13 + n / 12, [1, 1])).collect();
    let (links, _) = cables(&links);
    let found = |mut paths: Paths| {
        (1..=24).for_each(|id| paths.add_switch(DatapathId(id)));
        for &(a, b, costs) in &links {
            paths.set_link(a, b, costs);
            paths.settle();
        }
        while paths.has_doubts() {
            paths.look_at_bypasses(10);
        }
        paths
    };
    let at_once = found(Paths::with_weights(Weights::with_bypasses()));
    let late = found(Paths::with_weights(Weights::with_bypasses()).putting_off());
    assert_eq!(late, at_once);
    let searches = |paths: &Paths| paths.bypasses.search.count;
    assert!(searches(&late) < 3 * links.len(), "{}", searches(&late));
    assert!(searches(&at_once) > 20 * searches(&late), "{}", searches(&at_once));
}

#[test]
fn a_ring_has_a_way_round_each_link_and_a_line_has_none() {
    let ring: Vec<_> = (1..=6).map(|n| (n, n % 6 + 1, [1, 1])).collect();
    let (ring, _) = cables(&ring);
    let whole = paths(6, &ring);
    assert_eq!(whole.bypasses().count(), 12);
    let (port, bypass) = whole.bypasses().next().unwrap();
    assert_eq!((port, bypass.steps.len(), bypass.left()), (PortId::new(DatapathId(1), PortNo(1)), 5, 4));
    assert_eq!(
        (bypass.first, bypass.steps.last().map(|step| (step.at, step.out))),
        (PortNo(6), Some((DatapathId(2), None)))
    );
    let line = paths(6, &ring[..5]);
    assert_eq!(line.bypasses().count(), 0);
    assert!(whole != line);
    let mut without = Paths::new();
    (1..=6).for_each(|id| without.add_switch(DatapathId(id)));
    ring.iter().for_each(|&(a, b, costs)| without.set_link(a, b, costs));
    without.settle();
    assert_eq!(without.bypasses().count(), 0);
    // Longer than the label can count.
    let ring = |count: u64| (1..=count).map(|n| (n, n % count + 1, [1, 1])).collect::<Vec<_>>();
    assert_eq!(paths(17, &cables(&ring(17)).0).bypasses().count(), 34);
    assert_eq!(paths(18, &cables(&ring(18)).0).bypasses().count(), 0);
}

#[test]
fn a_tag_says_the_label_and_what_is_left() {
    let mut seen = BTreeSet::new();
    for label in LABELS.step_by(2) {
        for left in 0..MAX_LINKS as u8 {
            let (vlan, priority) = tag(label, left);
            assert!(LABELS.contains(&vlan) && priority < 8 && seen.insert((vlan, priority)), "{label} {left}");
        }
    }
}

#[test]
fn a_round_ends_while_links_come_and_a_link_that_is_drained_begins_none() {
    let links: Vec<_> = (0..36).map(|n| (1 + n % 6, 7 + n / 6, [1, 1])).collect();
    let (links, _) = cables(&links);
    let mut paths = Paths::with_weights(Weights::with_bypasses()).putting_off();
    (1..=12).for_each(|id| paths.add_switch(DatapathId(id)));
    paths.settle();
    let set = |paths: &mut Paths, (a, b, _): (PortId, PortId, [u32; 2]), cost: u32| {
        paths.set_link(a, b, [cost, 1]);
        paths.settle();
    };
    links[..30].iter().for_each(|&link| set(&mut paths, link, 1));
    let (mark, looked) = paths.put_off();
    assert!(looked < mark);
    // One link after the other while the round goes on: it ends all the same, and the next one has what has come meanwhile.
    let mut rest = links[30..].iter();
    while paths.put_off().1 < mark {
        paths.look_at_bypasses(10);
        rest.next().into_iter().for_each(|&link| set(&mut paths, link, 1));
    }
    assert!(paths.has_doubts());
    while paths.has_doubts() {
        paths.look_at_bypasses(10);
    }
    rest.for_each(|&link| set(&mut paths, link, 1));
    while paths.has_doubts() {
        paths.look_at_bypasses(10);
    }
    assert_eq!((paths.bypasses().count() > 60, paths.put_off().0), (true, paths.put_off().1));
    set(&mut paths, links[0], DRAINED_COST);
    assert!(!paths.has_doubts(), "what it was on is looked for at once");
    set(&mut paths, links[0], 1);
    assert!(paths.has_doubts());
    // The link goes, and with it the doubt.
    paths.remove_link(links[0].0);
    paths.settle();
    assert_eq!((paths.has_doubts(), paths.put_off().0), (false, paths.put_off().1));
}
