//! Paths against an independent model, and incremental against recomputed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use net::{DatapathId, PortId, PortNo, Time};
use proptest::prelude::*;
use topology::{Link, Network, Switch};

use super::*;

/// Link number `n` between switches `a` and `b`, by a port of its own at each end.
fn ends(n: usize, a: u64, b: u64) -> (PortId, PortId) {
    let port = |id: u64, side: u32| PortId::new(DatapathId(id), PortNo(2 * n as u32 + side));
    (port(a, 1), port(b, 2))
}

fn network(switches: &BTreeSet<u64>, links: &BTreeMap<usize, (u64, u64)>) -> Network {
    let mut network = Network::default();
    for &id in switches {
        network
            .switches
            .insert(DatapathId(id), Switch { connected: true, ports: BTreeMap::new(), ..Switch::default() });
    }
    for (&n, &(a, b)) in links {
        let (source, target) = ends(n, a, b);
        network.links.insert(source, Link { source, target, since: Time::ZERO });
        network.links.insert(target, Link { source: target, target: source, since: Time::ZERO });
    }
    network
}

/// Distances by breadth-first search, written again so that it can't share a mistake with the code.
fn distances(switches: &BTreeSet<u64>, links: &BTreeMap<usize, (u64, u64)>, from: u64) -> BTreeMap<u64, u32> {
    let mut found: BTreeMap<u64, u32> = BTreeMap::from([(from, 0)]);
    let mut queue = VecDeque::from([from]);
    while let Some(at) = queue.pop_front() {
        for &(a, b) in links.values() {
            for (here, there) in [(a, b), (b, a)] {
                if here == at && switches.contains(&there) && !found.contains_key(&there) {
                    found.insert(there, found[&at] + 1);
                    queue.push_back(there);
                }
            }
        }
    }
    found
}

fn ring_with_chord() -> (BTreeSet<u64>, BTreeMap<usize, (u64, u64)>) {
    let switches = (1..=4).collect();
    let links = BTreeMap::from([(0, (1, 2)), (1, (2, 3)), (2, (3, 4)), (3, (4, 1)), (4, (1, 3))]);
    (switches, links)
}

#[test]
fn both_ways_round_are_used_where_they_are_equally_long() {
    let (switches, links) = ring_with_chord();
    let paths = Paths::compute(&network(&switches, &links));
    let hop = paths.hop(DatapathId(2), DatapathId(4)).unwrap();
    assert_eq!((hop.distance, hop.ports.len()), (2, 2));
    let hop = paths.hop(DatapathId(1), DatapathId(3)).unwrap();
    assert_eq!((hop.distance, hop.ports.len()), (1, 1));
    assert_eq!(paths.pair_count(), 12);
}

#[test]
fn a_link_seen_in_one_direction_only_carries_nothing() {
    let (switches, links) = ring_with_chord();
    let mut network = network(&switches, &links);
    let (source, _) = ends(4, 1, 3);
    network.links.remove(&source);
    let paths = Paths::compute(&network);
    assert_eq!(paths.distance(DatapathId(1), DatapathId(3)), Some(2));
}

#[test]
fn a_cut_touches_who_used_the_link_or_would_have() {
    let (switches, mut links) = ring_with_chord();
    let mut paths = Paths::compute(&network(&switches, &links));
    links.remove(&4);
    let changes = paths.update(&network(&switches, &links));
    let touched = |to| changes.hops.get(&DatapathId(to)).map(|switches| switches.iter().map(|id| id.0).collect());
    for (to, expected) in [(1, vec![2, 3, 4]), (3, vec![1, 2, 4]), (2, vec![1, 3]), (4, vec![1, 3])] {
        assert_eq!(
            touched(to),
            Some(expected),
            "to {to}: of 1 and 3 the chord is next hop or alternate, and 2 and 4 lose theirs"
        );
    }
}

#[test]
fn a_lost_link_exchanges_at_most_one_link_of_the_flood_tree() {
    let (switches, links) = ring_with_chord();
    for cut in 0..5 {
        let mut paths = Paths::compute(&network(&switches, &links));
        let before: BTreeSet<PortId> = flood_ports(&paths, &switches);
        let mut rest = links.clone();
        rest.remove(&cut);
        paths.update(&network(&switches, &rest));
        let after = flood_ports(&paths, &switches);
        assert!(before.difference(&after).count() <= 2 && after.difference(&before).count() <= 2, "link {cut}");
    }
}

fn flood_ports(paths: &Paths, switches: &BTreeSet<u64>) -> BTreeSet<PortId> {
    let ports = |&id: &u64| paths.flood_ports(DatapathId(id)).map(move |port_no| PortId::new(DatapathId(id), port_no));
    switches.iter().flat_map(ports).collect()
}

#[derive(Clone, Debug)]
enum Deed {
    Switch(u64),
    NoSwitch(u64),
    Link(usize, u64, u64),
    NoLink(usize),
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        2 => (1..9u64).prop_map(Deed::Switch),
        1 => (1..9u64).prop_map(Deed::NoSwitch),
        5 => (0..14usize, 1..9u64, 1..9u64).prop_map(|(n, a, b)| Deed::Link(n, a, b)),
        2 => (0..14usize).prop_map(Deed::NoLink),
    ];
    proptest::collection::vec(proptest::collection::vec(deed, 1..5), 0..20).prop_map(|batches| batches.concat())
}

proptest! {
    /// After any sequence of changes in any batches the paths are those of a recompute, the distances those of a plain search,
    /// and the flood tree reaches what can be reached, without a loop.
    #[test]
    fn incremental_equals_recompute_and_an_independent_search(deeds in deeds(), batch in 1..4usize) {
        let mut switches = BTreeSet::new();
        let mut links: BTreeMap<usize, (u64, u64)> = BTreeMap::new();
        let mut paths = Paths::new();
        for batch in deeds.chunks(batch) {
            for deed in batch {
                match *deed {
                    Deed::Switch(id) => { switches.insert(id); }
                    Deed::NoSwitch(id) => {
                        switches.remove(&id);
                        links.retain(|_, &mut (a, b)| a != id && b != id);
                    }
                    Deed::Link(n, a, b) if switches.contains(&a) && switches.contains(&b) => { links.insert(n, (a, b)); }
                    Deed::NoLink(n) => { links.remove(&n); }
                    Deed::Link(..) => {}
                }
            }
            let before = paths.clone();
            let changes = paths.update(&network(&switches, &links));
            for &to in &switches {
                for &at in &switches {
                    let (to, at) = (DatapathId(to), DatapathId(at));
                    let told = changes.hops.get(&to).is_some_and(|touched| touched.contains(&at));
                    prop_assert_eq!(told, before.hop(at, to) != paths.hop(at, to));
                }
            }
        }
        prop_assert_eq!(&paths, &Paths::compute(&network(&switches, &links)));
        for &to in &switches {
            let model = distances(&switches, &links, to);
            for &at in &switches {
                prop_assert_eq!(paths.distance(DatapathId(at), DatapathId(to)), model.get(&at).copied());
                if let Some(hop) = paths.hop(DatapathId(at), DatapathId(to)) {
                    prop_assert!(!hop.ports.is_empty());
                }
            }
        }
        // A forest: as many tree links as switches that are not the first of their component.
        let components: BTreeSet<Vec<u64>> =
            switches.iter().map(|&id| distances(&switches, &links, id).into_keys().collect()).collect();
        let on_tree = flood_ports(&paths, &switches);
        prop_assert_eq!(on_tree.len(), 2 * (switches.len() - components.len()));
        let tree: BTreeMap<usize, (u64, u64)> = links
            .iter()
            .filter(|&(&n, &(a, b))| { let (x, y) = ends(n, a, b); on_tree.contains(&x) && on_tree.contains(&y) })
            .map(|(&n, &ab)| (n, ab))
            .collect();
        for &id in &switches {
            prop_assert_eq!(distances(&switches, &tree, id).len(), distances(&switches, &links, id).len());
        }
    }
}

#[test]
fn a_switch_without_links_changes_no_path_and_equals_a_recompute() {
    let (mut switches, links) = ring_with_chord();
    let mut paths = Paths::compute(&network(&switches, &links));
    switches.insert(9);
    paths.add_switch(DatapathId(9));
    paths.add_switch(DatapathId(1));
    assert!(paths.settle().is_empty());
    assert_eq!(paths, Paths::compute(&network(&switches, &links)));
    assert_eq!(paths.distance(DatapathId(9), DatapathId(1)), None);
    assert!(paths.update(&network(&switches, &links)).is_empty());
}

/// One change of a graph of few switches with parallel links, dear and drained ones.
#[derive(Clone, Debug)]
enum Step {
    Switch(u64),
    NoSwitch(u64),
    /// Number, ends, costs each way.
    Link(u32, u64, u64, [u32; 2]),
    NoLink(u32),
}

fn steps() -> impl Strategy<Value = Vec<Vec<Step>>> {
    let cost = || prop_oneof![6 => 1..4u32, 1 => Just(0), 1 => Just(DRAINED_COST), 1 => Just(u32::MAX), 1 => Just(u32::MAX - 2)];
    let step = prop_oneof![
        3 => (1..10u64).prop_map(Step::Switch),
        1 => (1..10u64).prop_map(Step::NoSwitch),
        12 => (1..24u32, 1..10u64, 1..10u64, cost(), cost()).prop_map(|(n, a, b, there, back)| Step::Link(n, a, b, [there, back])),
        4 => (1..24u32).prop_map(Step::NoLink),
    ];
    proptest::collection::vec(proptest::collection::vec(step, 1..6), 1..24)
}

fn take(paths: &mut Paths, step: &Step) {
    match *step {
        Step::Switch(id) => paths.add_switch(DatapathId(id)),
        Step::NoSwitch(id) => paths.remove_switch(DatapathId(id)),
        Step::Link(n, a, b, costs) => {
            let port = |id| PortId::new(DatapathId(id), PortNo(n));
            paths.set_link(port(a), port(b), costs);
        }
        Step::NoLink(n) => (1..10).for_each(|id| paths.remove_link(PortId::new(DatapathId(id), PortNo(n)))),
    }
}

/// The same switches and links, put in at once.
fn again(paths: &Paths) -> Paths {
    let mut again = Paths::new();
    paths.switches().for_each(|id| again.add_switch(id));
    for (_, link) in paths.graph.links() {
        again.set_link(link.low, link.high, link.costs);
    }
    again.settle();
    again
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// With parallel links, unequal costs each way, dear links and drained ones: after any batches of changes the
    /// paths equal a recompute, petgraph's distances, next hops and spanning tree; and what is said to have changed is what has changed.
    #[test]
    fn any_changes_lead_to_what_a_recompute_and_petgraph_say(batches in steps()) {
        let mut paths = Paths::new();
        for batch in &batches {
            let before = paths.clone();
            batch.iter().for_each(|step| take(&mut paths, step));
            let changes = paths.settle();
            for id in (1..10).map(DatapathId) {
                for at in (1..10).map(DatapathId) {
                    let told = changes.hops.get(&id).is_some_and(|switches| switches.contains(&at));
                    let differs = before.hop(at, id) != paths.hop(at, id);
                    // A switch that is taken out and put in again within one batch may be told of for nothing.
                    prop_assert!(told || !differs, "{at} to {id} differs and is not told");
                    let back = batch.iter().any(|step| matches!(step, Step::NoSwitch(_)));
                    prop_assert!(differs || !told || back, "{at} to {id} is told and does not differ");
                }
                let same = before.flood_ports(id).eq(paths.flood_ports(id));
                prop_assert!(same || changes.flood.contains(&id) || !paths.switches().any(|other| other == id));
            }
            prop_assert_eq!(&paths, &again(&paths));
            let reference = reference::Reference::new(&paths);
            let mut pairs = 0;
            for to in paths.switches() {
                let mut theirs = reference.hops(to);
                // What costs that much counts as no way.
                theirs.retain(|_, (distance, _)| *distance < u64::from(u32::MAX));
                let ours: BTreeMap<DatapathId, (u64, Vec<PortNo>)> = paths.reaching(to)
                    .map(|(at, hop)| (at, (u64::from(hop.distance), hop.ports.to_vec()))).collect();
                prop_assert_eq!(&ours, &theirs, "to {}", to);
                pairs += ours.len();
            }
            prop_assert_eq!(paths.pair_count(), pairs);
            let flood: BTreeSet<(DatapathId, PortNo)> =
                paths.switches().flat_map(|at| paths.flood_ports(at).map(move |port| (at, port))).collect();
            prop_assert_eq!(flood, reference::Reference::flood(&paths));
        }
    }

    /// Told of single changes, in any batches, or shown the whole network: the same paths.
    #[test]
    fn following_changes_equals_looking_at_the_network(deeds in deeds(), batch in 1..4usize) {
        let (mut switches, mut links) = (BTreeSet::new(), BTreeMap::new());
        let (mut followed, mut now) = (Paths::new(), network(&switches, &links));
        for batch in deeds.chunks(batch) {
            for deed in batch {
                match *deed {
                    Deed::Switch(id) => { switches.insert(id); }
                    Deed::NoSwitch(id) => {
                        switches.remove(&id);
                        links.retain(|_, &mut (a, b)| a != id && b != id);
                    }
                    Deed::Link(n, a, b) if switches.contains(&a) && switches.contains(&b) => { links.insert(n, (a, b)); }
                    Deed::NoLink(n) => { links.remove(&n); }
                    Deed::Link(..) => {}
                }
            }
            let before = std::mem::replace(&mut now, network(&switches, &links));
            let mut changes: Vec<Change> = Vec::new();
            changes.extend(now.switches.keys().filter(|id| !before.switches.contains_key(id)).map(|&id| Change::SwitchUp(id)));
            changes.extend(before.switches.keys().filter(|id| !now.switches.contains_key(id)).map(|&id| Change::SwitchGone(id)));
            let gone = before.links.values().filter(|link| now.links.get(&link.source) != Some(link));
            changes.extend(gone.map(|&link| Change::LinkDown { link, reason: topology::LinkDownReason::ProbesMissed }));
            let come = now.links.values().filter(|link| before.links.get(&link.source) != Some(link));
            changes.extend(come.map(|&link| Change::LinkUp(link)));
            changes.sort_by_key(|change| matches!(change, Change::SwitchGone(_)));
            followed.follow(&changes, &now);
            prop_assert_eq!(&followed, &Paths::compute(&now));
        }
    }
}

#[test]
fn a_drained_switch_is_a_destination_and_the_last_way() {
    let (switches, links) = ring_with_chord();
    let network = network(&switches, &links);
    let mut paths = Paths::compute(&network);
    let mut weights = Weights::default();
    weights.drained.insert(DatapathId(1));
    paths.set_weights(weights.clone(), &network);
    assert_eq!(paths, Paths::compute_with(&network, weights));
    assert_eq!(paths.hop(DatapathId(2), DatapathId(4)).unwrap().ports.len(), 1, "by 3 only");
    assert_eq!(paths.distance(DatapathId(2), DatapathId(1)), Some(1));
    assert_eq!(paths.distance(DatapathId(1), DatapathId(4)), Some(DRAINED_COST + 1));
    assert_eq!(
        paths.hop(DatapathId(1), DatapathId(4)).unwrap().rank,
        1,
        "the order is about next hops, whatever they cost"
    );
    assert_eq!(paths.flood_ports(DatapathId(1)).count(), 1, "a leaf of the flood tree");
    paths.set_weights(Weights::default(), &network);
    assert_eq!(paths, Paths::compute(&network));
}

#[test]
fn a_drained_link_is_used_where_nothing_else_leads() {
    let switches = (1..=4).collect();
    let links = BTreeMap::from([(0, (1, 2)), (1, (2, 3)), (2, (3, 1)), (3, (3, 4))]);
    let network = network(&switches, &links);
    let mut weights = Weights::default();
    for n in [0, 3] {
        let (a, b) = links[&n];
        for port in <[PortId; 2]>::from(ends(n, a, b)) {
            weights.links.insert(port, LinkAttributes { drained: true, ..LinkAttributes::default() });
        }
    }
    let paths = Paths::compute_with(&network, weights);
    assert_eq!(paths.distance(DatapathId(1), DatapathId(2)), Some(2));
    assert_eq!(paths.distance(DatapathId(1), DatapathId(4)), Some(DRAINED_COST + 2));
}

#[test]
fn metrics_make_whole_numbers_of_what_is_known() {
    let network = Network::default();
    let port = PortId::new(DatapathId(1), PortNo(1));
    let mut weights = Weights::new(Metric::Hops);
    let latency = Some(std::time::Duration::from_nanos(1_500_001));
    let known =
        LinkAttributes { cost: Some(7), latency, bandwidth_kbps: Some(10_000_000), ..LinkAttributes::default() };
    weights.links.insert(port, known);
    let reference_kbps = 100_000_000;
    for (metric, stated, unknown) in [
        (Metric::Hops, 1, 1),
        (Metric::Cost, 7, 1),
        (Metric::Latency, 1_501, MAX_COST),
        (Metric::Bandwidth { reference_kbps }, 10, MAX_COST),
        (Metric::Utilisation, 7, 1),
    ] {
        weights.metric = metric;
        let other = PortId::new(DatapathId(2), PortNo(1));
        assert_eq!((weights.cost(port, &network), weights.cost(other, &network)), (stated, unknown), "{metric:?}");
    }
}

#[test]
fn utilisation_steps_are_left_ten_points_below_where_they_are_entered() {
    let network = Network::default();
    let port = PortId::new(DatapathId(1), PortNo(1));
    let mut weights = Weights::new(Metric::Utilisation);
    let mut seen = Vec::new();
    for permille in [0, 499, 500, 450, 401, 399, 760, 660, 640, 950, 801, 799, 0, 1_000, u16::MAX] {
        let before = weights.cost(port, &network);
        let told = weights.note_utilisation(port, permille);
        assert_eq!(told, before != weights.cost(port, &network));
        seen.push(weights.cost(port, &network));
    }
    assert_eq!(seen, [1, 1, 2, 2, 2, 1, 4, 4, 2, 16, 16, 4, 1, 16, 16]);
}

#[test]
fn ways_follow_what_is_measured_and_broadcasts_do_not() {
    let (switches, links) = ring_with_chord();
    let network = network(&switches, &links);
    let mut paths = Paths::compute_with(&network, Weights::new(Metric::Utilisation));
    let (busy, _) = ends(4, 1, 3);
    paths.note_utilisation(busy, 950, &network);
    let changes = paths.settle();
    assert_eq!(paths.hop(DatapathId(1), DatapathId(3)).unwrap().ports.len(), 2, "over 2 and 4");
    assert_eq!(paths.distance(DatapathId(3), DatapathId(1)), Some(1), "the other direction is idle");
    assert!(changes.flood.is_empty() && !changes.hops.is_empty());
    assert_eq!(paths, Paths::compute_with(&network, paths.weights().clone()));
    // Another configuration goes on from what was measured, and forgets it where it is about something else.
    let mut again = Weights::new(Metric::Utilisation);
    again.go_on_from(paths.weights());
    assert!(paths.set_weights(again, &network).is_empty());
    paths.set_weights(Weights::default(), &network);
    assert_eq!(paths, Paths::compute(&network));

    let mut weights = Weights::new(Metric::Latency);
    weights.measured_latency = true;
    let mut paths = Paths::compute_with(&network, weights);
    let us = |us| std::time::Duration::from_micros(us);
    let all: Vec<PortId> = network.links.keys().copied().collect();
    let mut measured: BTreeMap<PortId, std::time::Duration> = all.iter().map(|port| (*port, us(100))).collect();
    let mut seen = Vec::new();
    for chord in [500, 400, 370, 150, 120, 900] {
        measured.insert(busy, us(chord));
        paths.note_latencies(measured.clone(), &network);
        let changes = paths.settle();
        assert!(changes.flood.is_empty());
        seen.push((paths.distance(DatapathId(1), DatapathId(3)), paths.weights().cost(busy, &network)));
    }
    let over_two = Some(200);
    assert_eq!(
        seen,
        [(over_two, 500), (over_two, 500), (over_two, 370), (Some(150), 150), (Some(150), 150), (Some(150), 150)],
        "a quarter less counts, and more does not"
    );
    measured.remove(&busy);
    paths.note_latencies(measured, &network);
    paths.settle();
    assert_eq!(paths.weights().cost(busy, &network), MAX_COST, "the link is gone, and begins anew");
    assert_eq!(paths, Paths::compute_with(&network, paths.weights().clone()));
}

#[test]
fn nothing_leads_over_a_link_that_is_withheld_and_what_follows_equals_a_recompute() {
    let (switches, links) = ring_with_chord();
    let network = network(&switches, &links);
    let mut paths = Paths::compute(&network);
    let links: Vec<[PortId; 2]> = network.bidirectional_links().map(|link| [link.source, link.target]).collect();
    let all: Vec<usize> = (0..links.len()).collect();
    for withheld in [&[0][..], &[0, 2], &[2], &all, &[1], &[]] {
        let ends: BTreeSet<PortId> = withheld.iter().flat_map(|&n| links[n]).collect();
        paths.withhold(ends.clone(), &network);
        assert!(!paths.settle().is_empty());
        assert_eq!(paths, Paths::compute_with(&network, Weights::default().withholding(ends.clone())));
        let database = route::TrafficDatabase::new(&network, paths.weights());
        for [a, b] in &links {
            let is_direct = paths.distance(a.datapath_id, b.datapath_id) == Some(1);
            assert_eq!(is_direct, !ends.contains(a), "{a} {b}");
            let way = database.route(a.datapath_id, b.datapath_id, &route::Constraints::default());
            assert_eq!(way.is_err(), withheld.len() == all.len());
        }
    }
}
