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
        network.switches.insert(DatapathId(id), Switch { connected: true, ports: BTreeMap::new() });
    }
    for (&n, &(a, b)) in links {
        let (source, target) = ends(n, a, b);
        network.links.insert(source, Link { source, target, since: Time::ZERO });
        network.links.insert(target, Link { source: target, target: source, since: Time::ZERO });
    }
    network
}

/// Distances by breadth-first search, written again so that it can't share a mistake with the code.
fn distances(switches: &BTreeSet<u64>, links: &BTreeMap<usize, (u64, u64)>, from: u64) -> BTreeMap<u64, u16> {
    let mut found = BTreeMap::from([(from, 0)]);
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
fn a_cut_touches_only_the_trees_that_used_the_link() {
    let (switches, mut links) = ring_with_chord();
    let mut paths = Paths::compute(&network(&switches, &links));
    links.remove(&4);
    let changes = paths.update(&network(&switches, &links));
    let touched: Vec<u64> = changes.hops.keys().map(|id| id.0).collect();
    assert_eq!(touched, [1, 3], "the chord is on no shortest path to 2 or 4");
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
    paths.add_isolated(DatapathId(9));
    paths.add_isolated(DatapathId(1));
    assert_eq!(paths, Paths::compute(&network(&switches, &links)));
    assert_eq!(paths.distance(DatapathId(9), DatapathId(1)), None);
    assert!(paths.update(&network(&switches, &links)).is_empty());
}
