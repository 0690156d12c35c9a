//! Probes that are refused, probes through others' switches, and what probes measure.

use super::*;
use crate::{NEW_SWITCH_LIMIT, REFUSED_LINK_HOLD};

fn with_broadcasts() -> Lab {
    Lab::new(DiscoveryConfig { broadcast_probes: true, ..DiscoveryConfig::default() })
}

fn connect(lab: &mut Lab, switches: u64) {
    for datapath_id in 1..=switches {
        lab.discovery.handle_switch_up(DatapathId(datapath_id), ports(2), lab.now);
    }
}

#[test]
fn a_link_through_a_switch_of_others_is_found_by_broadcasts_and_marked() {
    let mut lab = with_broadcasts();
    lab.cloud.extend([id(1, 1), id(2, 1)]);
    lab.wire(id(1, 2), id(2, 2));
    connect(&mut lab, 2);
    lab.run(Duration::from_secs(1));
    assert!(lab.network().is_bidirectional(id(1, 1)) && lab.network().crosses_others(id(1, 1)));
    assert!(lab.network().is_bidirectional(id(1, 2)) && !lab.network().crosses_others(id(1, 2)));
    lab.changes.clear();
    lab.run(Duration::from_secs(60));
    assert_eq!(lab.changes, []);
    // The other switch is taken away and the cable put straight through.
    lab.cloud.clear();
    lab.wire(id(1, 1), id(2, 1));
    lab.run(ms(400));
    assert!(lab.links_down().is_empty() && !lab.network().crosses_others(id(1, 1)));
    lab.cut(id(1, 1));
    lab.run(ms(1_500));
    assert!(!lab.network().links.contains_key(&id(1, 1)));
}

#[test]
fn without_broadcasts_a_switch_of_others_stays_an_edge() {
    let mut lab = Lab::new(DiscoveryConfig::default());
    lab.cloud.extend([id(1, 1), id(2, 1)]);
    connect(&mut lab, 2);
    lab.run(Duration::from_secs(5));
    assert_eq!(lab.state(id(1, 1)), PortState::Edge);
}

#[test]
fn of_three_ports_at_a_switch_of_others_two_are_a_link_and_stay_it() {
    let mut lab = with_broadcasts();
    lab.cloud.extend([id(1, 1), id(2, 1), id(3, 1)]);
    connect(&mut lab, 3);
    lab.run(Duration::from_secs(2));
    assert_eq!(lab.network().bidirectional_links().count(), 1);
    // None of them is an edge: flooding there would make a loop.
    for datapath_id in 1..=3 {
        assert_eq!(lab.state(id(datapath_id, 1)), PortState::Link);
    }
    lab.changes.clear();
    lab.run(Duration::from_secs(60));
    assert_eq!(lab.changes, []);
    lab.cloud.remove(&id(1, 1));
    lab.run(Duration::from_secs(3));
    assert!(lab.network().is_bidirectional(id(2, 1)));
}

#[test]
fn a_port_with_a_host_does_not_become_a_link_until_it_was_down() {
    let mut lab = Lab::settled_pair();
    lab.run(NEW_SWITCH_LIMIT);
    lab.see(1, id(1, 2), Some("10.0.0.1"));
    lab.wire(id(1, 2), id(2, 2));
    lab.run(Duration::from_secs(30));
    assert_eq!((lab.state(id(1, 2)), lab.host(1).is_some()), (PortState::Edge, true));
    // Should it be a wire after all, only one of its ports floods.
    assert_eq!(lab.state(id(2, 2)), PortState::Unknown);
    assert!(lab.discovery.counters().probes_at_host_ports > 20);
    lab.discovery.handle_port(DatapathId(1), port(2, false), lab.now);
    lab.discovery.handle_port(DatapathId(1), port(2, true), lab.now);
    lab.run(ms(300));
    assert!(lab.network().is_bidirectional(id(1, 2)) && lab.discovery.refused.is_empty());
}

#[test]
fn a_relay_between_two_hosts_makes_no_link_and_ends_when_it_is_gone() {
    let mut lab = Lab::settled_pair();
    lab.run(NEW_SWITCH_LIMIT);
    lab.see(1, id(1, 2), None);
    lab.see(2, id(2, 2), None);
    lab.wire(id(1, 2), id(2, 2));
    lab.run(Duration::from_secs(10));
    assert_eq!((lab.state(id(1, 2)), lab.state(id(2, 2))), (PortState::Edge, PortState::Unknown));
    lab.cut(id(1, 2));
    lab.run(REFUSED_LINK_HOLD + ms(500));
    assert_eq!(lab.state(id(2, 2)), PortState::Edge);
}

#[test]
fn a_port_where_there_was_a_link_becomes_one_again_whatever_was_seen_there_meanwhile() {
    let mut lab = Lab::settled_pair();
    lab.cut(id(1, 1));
    lab.run(Duration::from_secs(40));
    lab.see(1, id(1, 1), None);
    assert!(lab.host(1).is_some());
    lab.wire(id(1, 1), id(2, 1));
    lab.run(ms(400));
    assert!(lab.network().is_bidirectional(id(1, 1)));
}

#[test]
fn a_switch_that_connects_after_the_host_was_learned_makes_a_link_of_its_port() {
    let mut lab = Lab::new(DiscoveryConfig::default());
    lab.discovery.handle_switch_up(DatapathId(1), ports(2), lab.now);
    lab.run(Duration::from_secs(20));
    lab.see(1, id(1, 1), None);
    lab.wire(id(1, 1), id(2, 1));
    lab.discovery.handle_switch_up(DatapathId(2), ports(2), lab.now);
    lab.run(ms(10));
    assert!(lab.network().links.contains_key(&id(2, 1)));
    assert_eq!(lab.host(1), None);
}

#[test]
fn a_probe_that_was_relayed_too_slowly_makes_no_link() {
    let mut lab = Lab::new(DiscoveryConfig { max_link_latency: ms(20), ..DiscoveryConfig::default() });
    connect(&mut lab, 2);
    let probe = lab.discovery.poll_transmit().unwrap();
    lab.discovery.handle_frame(id(2, 1), &probe.frame, lab.now + ms(21));
    assert_eq!((lab.discovery.counters().probes_late, lab.network().links.len()), (1, 0));
    // With what the control channels take it is as fast as a link.
    let probe = lab.discovery.poll_transmit().unwrap();
    for datapath_id in [1, 2] {
        lab.discovery.handle_round_trip(DatapathId(datapath_id), ms(4), lab.now);
    }
    lab.discovery.handle_frame(id(2, 2), &probe.frame, lab.now + ms(24));
    assert_eq!((lab.discovery.counters().probes_late, lab.network().links.len()), (1, 1));
}

#[test]
fn late_probes_make_no_link_and_are_told_and_a_link_that_is_there_stays() {
    let told = |lab: &Lab| lab.discovery.conditions(lab.now).counts;
    let mut lab = Lab::settled_pair();
    lab.wire(id(1, 2), id(2, 2));
    lab.latency = ms(300);
    lab.run(Duration::from_secs(5));
    assert_eq!(lab.links_down(), []);
    assert!(!lab.network().links.contains_key(&id(1, 2)) && lab.network().is_bidirectional(id(1, 1)));
    assert_eq!(told(&lab), BTreeMap::from([("late_probes", 4)]));
    lab.latency = WIRE_LATENCY;
    lab.run(Duration::from_secs(3));
    assert!(lab.network().is_bidirectional(id(1, 2)));
    assert_eq!(told(&lab), BTreeMap::new());
    // One or two now and then are no condition, and with zero none is late.
    lab.latency = ms(300);
    lab.run(ms(500));
    assert_eq!(told(&lab), BTreeMap::new());
    lab.discovery.handle_config(DiscoveryConfig { max_link_latency: Duration::ZERO, ..DiscoveryConfig::default() });
    lab.run(Duration::from_secs(5));
    assert_eq!(told(&lab), BTreeMap::new());
}

#[test]
fn a_links_latency_is_what_the_control_channels_do_not_take() {
    let micros = Duration::from_micros;
    let mut lab = Lab::settled_pair();
    let least = |lab: &Lab| lab.network().latency(id(1, 1)).unwrap().min;
    assert_eq!(lab.network().latency(id(1, 1)), None);
    lab.discovery.handle_round_trip(DatapathId(1), micros(600), lab.now);
    lab.run(Duration::from_secs(1));
    assert_eq!(lab.network().latency(id(1, 1)), None);
    lab.discovery.handle_round_trip(DatapathId(2), micros(200), lab.now);
    lab.run(Duration::from_secs(10));
    let latency = *lab.network().latency(id(1, 1)).unwrap();
    assert_eq!((latency.min, latency.smoothed), (micros(600), micros(600)));
    assert!((28..=40).contains(&latency.samples), "{latency:?}");
    // One slow answer says nothing of the link.
    lab.discovery.handle_round_trip(DatapathId(2), Duration::from_secs(1), lab.now);
    lab.run(ms(400));
    let latency = *lab.network().latency(id(1, 1)).unwrap();
    assert_eq!((latency.min, latency.last), (micros(600), micros(600)));
    // Nor does a probe that was quicker than the channels alone.
    lab.discovery.handle_round_trip(DatapathId(2), micros(200), lab.now);
    lab.latency = micros(300);
    lab.run(Duration::from_secs(5));
    assert_eq!(least(&lab), micros(600));
    // A way that has become longer is so within a minute.
    lab.latency = ms(5);
    lab.run(crate::LATENCY_WINDOW + Duration::from_secs(1));
    assert_eq!(least(&lab), micros(4_600));
    lab.discovery.handle_port(DatapathId(1), port(1, false), lab.now);
    assert_eq!(lab.network().latency(id(1, 1)), None);
}
