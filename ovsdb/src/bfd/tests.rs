use net::{DatapathId, PortNo};
use proptest::prelude::*;

use super::*;

fn port(switch: u64) -> PortId {
    PortId::new(DatapathId(switch), PortNo(1))
}

fn link(a: u64, b: u64) -> LinkEnds {
    (port(a), port(b))
}

const SETTINGS: Settings = Settings { min_tx_ms: 10, min_rx_ms: 10, mult: 3 };
const UP: PortBfd = PortBfd::On { ours: true, up: true };
const DOWN: PortBfd = PortBfd::On { ours: true, up: false };

fn at(seconds: u64) -> Time {
    Time::from_secs(seconds)
}

fn supervisor(links: &[LinkEnds], ports: &[(u64, PortBfd)]) -> Supervisor {
    let mut supervisor = Supervisor::new();
    supervisor.handle_settings(Some(SETTINGS), at(0));
    supervisor.handle_ports(ports.iter().map(|(switch, state)| (port(*switch), *state)).collect(), at(0));
    supervisor.handle_links(&links.iter().copied().collect(), at(0));
    supervisor
}

fn say(supervisor: &mut Supervisor, ports: &[(u64, PortBfd)], now: u64) -> Vec<BfdEvent> {
    supervisor.handle_ports(ports.iter().map(|(switch, state)| (port(*switch), *state)).collect(), at(now));
    std::iter::from_fn(|| supervisor.poll_event()).collect()
}

#[test]
fn both_ends_are_switched_on_and_stay_so_while_the_link_is_dead() {
    let mut bfd = supervisor(&[link(1, 2)], &[(1, PortBfd::Off), (2, PortBfd::Off)]);
    assert_eq!((bfd.wanted(port(1), at(0)), bfd.wanted(port(2), at(0))), (Some(true), Some(true)));
    assert_eq!(say(&mut bfd, &[(1, DOWN), (2, DOWN)], 1), []);
    assert_eq!(say(&mut bfd, &[(1, UP), (2, UP)], 2), [BfdEvent::Up(link(1, 2))]);
    assert_eq!(say(&mut bfd, &[(1, DOWN), (2, UP)], 3), [BfdEvent::Down(link(1, 2))]);
    bfd.handle_links(&BTreeSet::new(), at(3));
    assert_eq!(bfd.wanted(port(1), at(4)), Some(true), "switching it off would make the dead port live");
    bfd.handle_timeout(at(3) + KEEP);
    assert_eq!(bfd.wanted(port(1), at(4) + KEEP), None, "given up, and then taken back as one without a link");
    assert_eq!(bfd.wanted(port(1), at(3) + KEEP + KEEP), Some(false));
}

#[test]
fn one_end_alone_gets_none() {
    for other in [None, Some((2, PortBfd::Unable))] {
        let ports: Vec<_> = std::iter::once((1, PortBfd::Off)).chain(other).collect();
        let bfd = supervisor(&[link(1, 2)], &ports);
        assert_eq!(bfd.wanted(port(1), at(0)), None, "{other:?}");
    }
}

#[test]
fn what_does_not_come_up_is_taken_back_at_both_ends_and_tried_later_and_later() {
    let mut bfd = supervisor(&[link(1, 2)], &[(1, PortBfd::Off), (2, PortBfd::Off)]);
    assert_eq!(bfd.poll_timeout(), Some((at(0) + START_LIMIT, "session up")));
    bfd.handle_timeout(at(0) + START_LIMIT);
    assert_eq!(bfd.poll_event(), Some(BfdEvent::Failed(link(1, 2))));
    assert_eq!((bfd.wanted(port(1), at(5)), bfd.wanted(port(2), at(5))), (Some(false), Some(false)));
    let again = at(0) + START_LIMIT + PAUSE_FIRST;
    bfd.handle_timeout(again);
    bfd.handle_timeout(again);
    assert_eq!(bfd.wanted(port(1), again), Some(true));
    bfd.handle_timeout(again + START_LIMIT);
    assert_eq!(bfd.poll_timeout(), Some((again + START_LIMIT + 2 * PAUSE_FIRST, "try again")));
}

/// Switches that lead to each other over these links, by their least one.
fn parts(links: &BTreeSet<LinkEnds>, switches: u64) -> Vec<u64> {
    let mut part: Vec<u64> = (0..=switches).collect();
    for _ in 0..switches {
        for (a, b) in links {
            let [a, b] = [a.datapath_id.0 as usize, b.datapath_id.0 as usize];
            let least = part[a].min(part[b]);
            (part[a], part[b]) = (least, least);
        }
    }
    part
}

/// A network of these links, each with ports of its own.
fn network(pairs: &BTreeSet<(u64, u64)>) -> BTreeSet<LinkEnds> {
    let end = |switch, other: u64| PortId::new(DatapathId(switch), PortNo(other as u32));
    pairs.iter().map(|(a, b)| (end(*a, *b), end(*b, *a))).collect()
}

/// Brings all of them up, 2 s for each, while what starts is dead; how many started at once each time.
fn start_all(links: &BTreeSet<LinkEnds>, switches: u64) -> Vec<usize> {
    let mut bfd = Supervisor::new();
    bfd.handle_settings(Some(SETTINGS), at(0));
    let mut ports: BTreeMap<PortId, PortBfd> =
        links.iter().flat_map(|(a, b)| [(*a, PortBfd::Off), (*b, PortBfd::Off)]).collect();
    let (mut rounds, mut now) = (Vec::new(), 0);
    bfd.handle_ports(ports.clone(), at(now));
    bfd.handle_links(links, at(now));
    while !bfd.links().all(|(_, state)| state == LinkState::Up) {
        let starting: BTreeSet<LinkEnds> =
            bfd.links().filter(|(_, state)| matches!(state, LinkState::Starting(_))).map(|(ends, _)| ends).collect();
        assert!(!starting.is_empty() && starting.len() <= MAX_STARTING, "{rounds:?}");
        let rest: BTreeSet<LinkEnds> = links.difference(&starting).copied().collect();
        // One without a way around cuts off what is behind it, and the others beside it nothing.
        let without = |one: &LinkEnds| links.iter().copied().filter(|ends| ends != one).collect();
        let of_one = |one| parts(&without(one), switches) == parts(&rest, switches);
        assert!(starting.iter().any(of_one), "{starting:?} cut the network");
        let needed = |ends: &&LinkEnds| parts(&without(ends), switches) != parts(links, switches);
        assert!(starting.iter().filter(needed).count() <= 1, "{starting:?}");
        let ends: Vec<u64> = starting.iter().flat_map(|(a, b)| [a.datapath_id.0, b.datapath_id.0]).collect();
        assert_eq!(ends.iter().collect::<BTreeSet<_>>().len(), ends.len(), "two of one switch");
        rounds.push(starting.len());
        ports.extend(starting.iter().flat_map(|(a, b)| [(*a, DOWN), (*b, DOWN)]));
        bfd.handle_ports(ports.clone(), at(now));
        bfd.handle_links(&rest, at(now));
        now += 2;
        ports.extend(starting.iter().flat_map(|(a, b)| [(*a, UP), (*b, UP)]));
        bfd.handle_ports(ports.clone(), at(now));
        bfd.handle_links(links, at(now));
    }
    rounds
}

#[test]
fn links_start_at_once_where_the_others_lead_around_them() {
    let ring = network(&BTreeSet::from([(1, 2), (2, 3), (3, 4), (1, 4)]));
    assert_eq!(start_all(&ring, 4), [1; 4], "two opposite links would cut a ring in two");
    // A fat-tree's pod and core: 16 switches at the edge, each to 16 above them.
    let pairs: BTreeSet<(u64, u64)> = (1..=16).flat_map(|edge| (17..=32).map(move |core| (edge, core))).collect();
    let rounds = start_all(&network(&pairs), 32);
    assert_eq!(rounds.iter().sum::<usize>(), 256);
    assert!(rounds.len() < 40, "{rounds:?}");
}

#[test]
fn a_link_of_which_one_database_is_away_holds_up_nobody() {
    let off = [1, 2, 3, 4].map(|switch| (switch, PortBfd::Off));
    let mut bfd = supervisor(&[link(1, 2), link(3, 4)], &off);
    say(&mut bfd, &[(1, DOWN), (3, PortBfd::Off), (4, PortBfd::Off)], 1);
    assert_eq!(bfd.wanted(port(3), at(1)), Some(true));
}

#[test]
fn links_without_a_way_around_start_one_after_the_other() {
    let off = [1, 2, 3, 4].map(|switch| (switch, PortBfd::Off));
    let mut bfd = supervisor(&[link(1, 2), link(3, 4)], &off);
    assert_eq!(bfd.wanted(port(3), at(0)), None);
    say(&mut bfd, &[(1, UP), (2, UP), (3, PortBfd::Off), (4, PortBfd::Off)], 1);
    assert_eq!(bfd.wanted(port(3), at(1)), Some(true));
}

#[test]
fn what_an_earlier_run_has_set_is_left_until_its_link_is_found() {
    let mut bfd = supervisor(&[], &[(1, UP), (2, UP)]);
    assert_eq!(bfd.wanted(port(1), at(1)), None);
    bfd.handle_links(&BTreeSet::from([link(1, 2)]), at(20));
    assert_eq!(bfd.poll_event(), Some(BfdEvent::Up(link(1, 2))));
    assert_eq!(bfd.wanted(port(1), at(1_000)), Some(true));
    bfd.handle_settings(None, at(1_000));
    assert_eq!(bfd.wanted(port(1), at(1_000)), Some(false));
    assert_eq!(bfd.wishes(at(1_000)).1, BTreeSet::from([port(1), port(2)]));
    say(&mut bfd, &[(1, PortBfd::Off), (2, PortBfd::Off)], 1_001);
    bfd.handle_settings(Some(SETTINGS), at(1_002));
    assert_eq!(bfd.wanted(port(1), at(1_002)), Some(true), "the links are still known");
}

#[test]
fn a_shared_segment_and_a_port_that_leads_elsewhere_have_no_session() {
    let off = [1, 2, 3].map(|switch| (switch, PortBfd::Off));
    let mut bfd = supervisor(&[link(1, 2), link(1, 3)], &off);
    assert_eq!(bfd.links().count(), 0);
    bfd.handle_links(&BTreeSet::from([link(1, 2)]), at(0));
    assert_eq!(bfd.wanted(port(2), at(0)), Some(true));
    bfd.handle_links(&BTreeSet::from([link(1, 3)]), at(1));
    assert_eq!(bfd.links().map(|(ends, _)| ends).collect::<Vec<_>>(), [link(1, 3)]);
}

#[test]
fn a_database_out_of_reach_says_nothing_about_its_session() {
    let mut bfd = supervisor(&[link(1, 2)], &[(1, UP), (2, UP)]);
    assert_eq!(bfd.poll_event(), Some(BfdEvent::Up(link(1, 2))));
    assert_eq!(say(&mut bfd, &[(1, DOWN)], 1), []);
    assert_eq!(bfd.wanted(port(1), at(1)), Some(true));
}

#[test]
fn a_link_that_is_mended_while_one_database_is_away_keeps_bfd_at_both_ends() {
    for first in [DOWN, UP] {
        let mut bfd = supervisor(&[link(1, 2)], &[(1, first), (2, first)]);
        say(&mut bfd, &[(1, DOWN), (2, DOWN)], 1);
        say(&mut bfd, &[(1, DOWN)], 2);
        // The link is whole again, and so is its session; the database of one end says so.
        for now in [3, 300, 301, 5_000] {
            say(&mut bfd, &[(1, UP)], now);
            assert_eq!(bfd.wanted(port(1), at(now)), Some(true), "{first:?} after {now} s");
        }
        assert_eq!(say(&mut bfd, &[(1, UP), (2, UP)], 5_001), [BfdEvent::Up(link(1, 2))]);
    }
}

#[test]
fn what_is_down_when_its_database_is_back_has_its_whole_time_to_come_up() {
    let mut bfd = supervisor(&[link(1, 2)], &[(1, PortBfd::Off), (2, PortBfd::Off)]);
    say(&mut bfd, &[(1, DOWN)], 1);
    assert_eq!(say(&mut bfd, &[(1, DOWN)], 100), []);
    assert_eq!(say(&mut bfd, &[(1, DOWN), (2, PortBfd::Off)], 101), []);
    assert_eq!(bfd.wanted(port(2), at(101)), Some(true));
    assert_eq!(say(&mut bfd, &[(1, DOWN), (2, DOWN)], 104), []);
    assert_eq!(say(&mut bfd, &[(1, UP), (2, UP)], 105), [BfdEvent::Up(link(1, 2))]);
    // The same for a link that was cut.
    say(&mut bfd, &[(1, DOWN), (2, DOWN)], 106);
    say(&mut bfd, &[(1, DOWN)], 107);
    say(&mut bfd, &[(1, DOWN)], 1_000);
    say(&mut bfd, &[(1, DOWN), (2, DOWN)], 1_001);
    assert_eq!(bfd.wanted(port(1), at(1_299)), Some(true));
    bfd.handle_timeout(at(1_301));
    assert_eq!(bfd.wanted(port(1), at(1_301)), Some(false));
}

#[test]
fn a_run_that_begins_while_one_database_is_away_leaves_a_link_its_session() {
    for links in [&[link(1, 2)][..], &[]] {
        let mut bfd = supervisor(links, &[(1, UP)]);
        for now in [1, 301, 700, 10_000] {
            say(&mut bfd, &[(1, UP)], now);
            assert_eq!(bfd.wanted(port(1), at(now)), None, "{links:?} after {now} s");
        }
    }
}

#[test]
fn the_second_end_is_taken_back_when_the_first_one_is() {
    let mut bfd = supervisor(&[link(1, 2)], &[(1, DOWN), (2, DOWN)]);
    bfd.handle_timeout(at(0) + START_LIMIT);
    assert_eq!((bfd.wanted(port(1), at(5)), bfd.wanted(port(2), at(5))), (Some(false), None));
    say(&mut bfd, &[(1, PortBfd::Off), (2, DOWN)], 6);
    assert_eq!(bfd.wanted(port(2), at(6)), Some(false));
    say(&mut bfd, &[(2, DOWN)], 7);
    assert_eq!(bfd.wanted(port(2), at(7)), Some(false), "whether its database is still there or not");
    let mut bfd = supervisor(&[link(1, 2)], &[(1, DOWN), (2, DOWN)]);
    bfd.handle_timeout(at(0) + START_LIMIT);
    say(&mut bfd, &[(1, DOWN)], 6);
    assert_eq!(bfd.wanted(port(1), at(6)), None, "the second one could not follow");
}

#[test]
fn both_ends_go_off_when_the_database_of_one_is_left() {
    let mut bfd = supervisor(&[link(1, 2)], &[(1, UP), (2, UP)]);
    bfd.handle_withdrawn(&BTreeSet::from([port(2)]), at(1));
    assert_eq!((bfd.wanted(port(1), at(1)), bfd.wanted(port(2), at(1))), (Some(false), Some(false)));
    say(&mut bfd, &[(1, UP), (2, UP)], 2);
    assert_eq!(bfd.wanted(port(1), at(2)), Some(false), "its session is still up for a moment");
}

fn interface(bfd: &[(&str, &str)], external_ids: &[(&str, &str)]) -> crate::Interface {
    let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    crate::Interface { bfd: map(bfd), external_ids: map(external_ids), ..crate::Interface::default() }
}

#[test]
fn an_interface_that_somebody_else_has_decided_about_is_left_alone() {
    let uuid = crate::Uuid(1);
    assert_eq!(adjust(uuid, &interface(&[("enable", "true")], &[]), Some(&SETTINGS)), None);
    assert_eq!(adjust(uuid, &interface(&[("enable", "true")], &[]), None), None);
    assert_eq!(adjust(uuid, &interface(&[("enable", "false")], &[]), Some(&SETTINGS)), None);
    assert_eq!(PortBfd::of(&interface(&[("enable", "false")], &[])), PortBfd::Unable);
    assert_eq!(PortBfd::of(&interface(&[("enable", "true")], &[])), PortBfd::On { ours: false, up: false });
}

/// A database does to a row what a transaction says.
fn apply(row: &mut crate::Interface, transaction: &Transaction) {
    let parameters = transaction.parameters("x");
    for operation in parameters.as_array().into_iter().flatten() {
        for mutation in operation["mutations"].as_array().into_iter().flatten() {
            let column = match mutation[0].as_str() {
                Some("bfd") => &mut row.bfd,
                _ => &mut row.external_ids,
            };
            match mutation[1].as_str() {
                Some("delete") => {
                    let keys = crate::value::members(&mutation[2]);
                    let different: BTreeSet<&str> = keys.iter().filter_map(|key| key.as_str()).collect();
                    assert_eq!(different.len(), keys.len(), "a server refuses a set with a member twice");
                    for key in keys {
                        column.remove(key.as_str().unwrap_or_default());
                    }
                }
                _ => {
                    for (key, value) in crate::value::map(&mutation[2]) {
                        column.entry(key).or_insert(value);
                    }
                }
            }
        }
    }
}

use crate::Transaction;

proptest! {
    #[test]
    fn set_changed_and_taken_back_a_row_is_what_it_was(
        keys in prop::collection::btree_map(
            prop::sample::select(vec!["enable", "min_tx", "mult", "check_tnl_key", "cpath_down"]), "[a-z0-9]{1,5}", 0..4),
        others in prop::collection::btree_map("[a-z]{1,5}", "[a-z=,]{0,9}", 0..3),
        second in 1u32..100,
    ) {
        let mut row = interface(&[], &[]);
        row.bfd = keys.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        row.external_ids = others;
        let (before, uuid) = (row.clone(), crate::Uuid(7));
        for settings in [Some(SETTINGS), Some(Settings { min_tx_ms: second, ..SETTINGS }), None] {
            if let Some(transaction) = adjust(uuid, &row, settings.as_ref()) {
                apply(&mut row, &transaction);
            }
            prop_assert_eq!(adjust(uuid, &row, settings.as_ref()), None, "done once is done");
            for (key, value) in &before.bfd {
                prop_assert_eq!(row.bfd.get(key), Some(value));
            }
        }
        prop_assert_eq!(row, before);
    }

    #[test]
    fn what_starts_together_never_cuts_the_network(pairs in prop::collection::btree_set((1u64..12, 1u64..12), 1..40)) {
        let pairs: BTreeSet<(u64, u64)> = pairs.into_iter().filter(|(a, b)| a < b).collect();
        let links = network(&pairs);
        prop_assert_eq!(start_all(&links, 12).iter().sum::<usize>(), links.len());
    }

    #[test]
    fn no_link_ever_wants_one_end_alone(steps in prop::collection::vec((0u8..4, 1u64..5, 1u64..5, 0u8..4, 0u64..400), 1..60)) {
        let mut bfd = Supervisor::new();
        let (mut now, mut links, mut ports) = (0, BTreeSet::new(), BTreeMap::new());
        for (kind, a, b, state, wait) in steps {
            now += wait;
            match kind {
                0 if a < b => {
                    links.insert(link(a, b));
                    bfd.handle_links(&links, at(now));
                }
                1 => {
                    links.remove(&link(a, b));
                    bfd.handle_links(&links, at(now));
                }
                2 => {
                    ports.insert(port(a), [PortBfd::Off, PortBfd::Unable, UP, DOWN][usize::from(state)]);
                    bfd.handle_ports(ports.clone(), at(now));
                }
                _ => bfd.handle_settings((state > 0).then_some(SETTINGS), at(now)),
            }
            let (on, off) = bfd.wishes(at(now));
            prop_assert!(on.is_disjoint(&off));
            for (ends, _) in bfd.links() {
                prop_assert_eq!(on.contains(&ends.0), on.contains(&ends.1));
            }
            prop_assert!(bfd.links().filter(|(_, state)| matches!(state, LinkState::Starting(_))).count() <= 4);
            for switch in 1..5 {
                let wanted = bfd.wanted(port(switch), at(now));
                prop_assert_eq!(wanted == Some(true), on.contains(&port(switch)));
            }
            while bfd.poll_event().is_some() {}
        }
    }
}
