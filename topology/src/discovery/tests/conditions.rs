//! Findings, damping, expected links and the pace of probes.

use super::*;
use crate::{Condition, ExpectedLink};

fn kinds(lab: &Lab) -> Vec<&'static str> {
    lab.discovery.conditions(lab.now).shown.iter().map(Condition::kind).collect()
}

fn told(lab: &Lab) -> Vec<String> {
    lab.discovery.conditions(lab.now).shown.iter().map(ToString::to_string).collect()
}

#[test]
fn a_healthy_network_has_no_conditions() {
    let mut lab = Lab::settled_pair();
    lab.run(Duration::from_secs(10));
    assert_eq!(told(&lab), Vec::<String>::new());
}

#[test]
fn a_link_of_one_direction_is_a_condition_after_a_while() {
    let mut lab = Lab::settled_pair();
    lab.wires.get_mut(&id(1, 1)).unwrap().clear();
    lab.run(Duration::from_secs(10));
    assert_eq!(told(&lab), [format!("probes get from {} to {}, and none come back", id(2, 1), id(1, 1))]);
}

#[test]
fn loops_to_the_same_switch_and_port_are_conditions() {
    let mut lab = Lab::new(DiscoveryConfig::default());
    lab.wire(id(1, 1), id(1, 2));
    lab.wires.insert(id(1, 3), vec![id(1, 3)]);
    lab.discovery.handle_switch_up(DatapathId(1), ports(3), lab.now);
    lab.run(Duration::from_secs(3));
    let same = format!("{} leads to {} of the same switch", id(1, 1), id(1, 2));
    assert_eq!(told(&lab), [same, format!("{} leads back to itself", id(1, 3))]);
}

#[test]
fn crossed_fibres_are_miswired() {
    let mut lab = Lab::new(DiscoveryConfig::default());
    // What 1:1 sends goes to 2:1, what it hears comes from 2:2.
    lab.wires.insert(id(1, 1), vec![id(2, 1)]);
    lab.wires.insert(id(2, 2), vec![id(1, 1)]);
    for datapath_id in [1, 2] {
        lab.discovery.handle_switch_up(DatapathId(datapath_id), ports(3), lab.now);
    }
    lab.run(Duration::from_secs(3));
    let expected = Condition::Miswired { port: id(1, 1), far_ends: vec![id(2, 1), id(2, 2)] };
    assert!(lab.discovery.conditions(lab.now).shown.contains(&expected), "{:?}", told(&lab));
}

#[test]
fn ends_that_do_not_fit_each_other_are_conditions() {
    let mut lab = Lab::settled_pair();
    let slow = PortInfo { curr_speed_kbps: 1_000_000, ..port(1, true) };
    lab.discovery.handle_port(DatapathId(2), slow, lab.now);
    lab.discovery.handle_port_mtu(id(1, 1), Some(9_000));
    lab.discovery.handle_port_mtu(id(2, 1), Some(1_500));
    lab.discovery.handle_port_mtu(id(9, 1), Some(1_500));
    assert_eq!(kinds(&lab), ["speed_mismatch", "mtu_mismatch"]);
    lab.discovery.handle_port_mtu(id(1, 1), None);
    lab.discovery.handle_port(DatapathId(2), port(1, true), lab.now);
    assert_eq!(kinds(&lab), [""; 0]);
    let tlvs = |octets| vec![crate::lldp::Organizational::MaxFrameSize(octets).to_tlv().unwrap()];
    lab.discovery.handle_port_mtu(id(1, 2), Some(1_500));
    lab.discovery.handle_frame(id(1, 2), &neighbors::frame_of("x", 60, tlvs(1_518)), lab.now);
    assert_eq!(kinds(&lab), [""; 0]);
    lab.discovery.handle_frame(id(1, 2), &neighbors::frame_of("y", 60, tlvs(1_514)), lab.now);
    assert_eq!(kinds(&lab), ["short_frames"]);
}

#[test]
fn an_mtu_counts_still_when_its_port_goes_and_comes_back() {
    let mut lab = Lab::settled_pair();
    lab.discovery.handle_port_mtu(id(1, 1), Some(9_000));
    lab.discovery.handle_port_mtu(id(2, 1), Some(1_500));
    lab.discovery.handle_port_removed(id(2, 1), lab.now);
    lab.discovery.handle_port(DatapathId(2), port(1, true), lab.now);
    lab.run(Duration::from_secs(30));
    assert_eq!(kinds(&lab), ["mtu_mismatch"]);
    lab.discovery.handle_port_mtu(id(2, 1), None);
    assert_eq!(kinds(&lab), [""; 0]);
}

#[test]
fn what_is_stated_of_a_link_that_leads_elsewhere_is_told_and_of_one_that_is_not_there_is_not() {
    let mut lab = Lab::settled_pair();
    let link = |a, b| ExpectedLink { ends: [a, b] };
    lab.discovery.set_stated_links([link(id(1, 1), id(2, 1)), link(id(1, 3), id(2, 3))]);
    assert_eq!(kinds(&lab), [""; 0]);
    lab.discovery.set_stated_links([link(id(1, 1), id(2, 4))]);
    let (a, b, other) = (id(1, 1), id(2, 4), id(2, 1));
    assert_eq!(told(&lab), [format!("`links` speaks of a link between {a} and {b}, and {a} leads to {other}")]);
    assert_eq!(kinds(&lab), ["stated_elsewhere"]);
}

#[test]
fn what_is_expected_and_what_is_there_are_compared() {
    let mut lab = Lab::settled_pair();
    let link = |a, b| ExpectedLink { ends: [a, b] };
    lab.discovery.set_expected_links([link(id(2, 1), id(1, 1))], true);
    assert_eq!(kinds(&lab), [""; 0]);
    lab.discovery.set_expected_links([link(id(1, 1), id(2, 2)), link(id(1, 3), id(2, 3))], true);
    assert_eq!(kinds(&lab), ["link_elsewhere", "link_missing", "link_unexpected"]);
    lab.discovery.set_expected_links([link(id(1, 3), id(2, 3))], false);
    assert_eq!(told(&lab), [format!("the link between {} and {} is expected and not there", id(1, 3), id(2, 3))]);
}

#[test]
fn a_port_with_hosts_and_late_probes_are_conditions_while_they_last() {
    let mut lab = Lab::settled_pair();
    lab.run(crate::NEW_SWITCH_LIMIT);
    lab.see(1, id(1, 2), None);
    lab.wire(id(1, 2), id(2, 2));
    lab.run(Duration::from_secs(5));
    assert_eq!(kinds(&lab), ["link_at_host_port"; 2]);
    lab.cut(id(1, 2));
    lab.run(Duration::from_secs(30));
    assert_eq!(kinds(&lab), [""; 0]);
}

/// Pulls the plug and puts it in again, with `pause` before and after.
fn flap(lab: &mut Lab, pause: Duration) {
    lab.run(pause);
    lab.discovery.handle_port(DatapathId(1), port(1, false), lab.now);
    lab.run(pause);
    lab.discovery.handle_port(DatapathId(1), port(1, true), lab.now);
}

#[test]
fn a_link_that_flaps_is_kept_down_until_it_was_quiet_and_its_ports_are_no_edges_meanwhile() {
    let mut lab = Lab::settled_pair();
    for _ in 0..12 {
        flap(&mut lab, ms(100));
    }
    lab.run(Duration::from_secs(10));
    assert!(lab.network().links.is_empty());
    assert_eq!((lab.state(id(1, 1)), lab.state(id(2, 1))), (PortState::Unknown, PortState::Unknown));
    let conditions = lab.discovery.conditions(lab.now);
    assert_eq!(conditions.counts, BTreeMap::from([("flapping", 2)]));
    let Some(Condition::Flapping { flaps, last, until, .. }) = conditions.shown.first().cloned() else { panic!() };
    assert_eq!(last, LinkDownReason::PortDown);
    assert!(flaps >= 9 && until > lab.now && until < lab.now + Duration::from_secs(30), "{flaps} {until}");
    lab.run(until.since(lab.now) - ms(500));
    assert!(lab.network().links.is_empty());
    lab.run(ms(1_500));
    assert!(lab.network().is_bidirectional(id(1, 1)));
    assert_eq!(kinds(&lab), [""; 0]);
}

fn links_up(lab: &Lab) -> usize {
    lab.changes.iter().filter(|change| matches!(change, Change::LinkUp(link) if link.source == id(1, 1))).count()
}

#[test]
fn a_link_that_goes_on_flapping_is_not_taken_back_until_it_is_quiet() {
    let mut lab = Lab::settled_pair();
    for _ in 0..12 {
        flap(&mut lab, ms(100));
    }
    lab.run(ms(50));
    assert!(lab.network().links.is_empty());
    lab.changes.clear();
    for _ in 0..1_500 {
        flap(&mut lab, ms(100));
    }
    assert_eq!(links_up(&lab), 0);
    lab.run(Duration::from_secs(31));
    assert!(lab.network().is_bidirectional(id(1, 1)));
}

#[test]
fn a_link_that_loses_its_probes_again_and_again_is_not_taken_back_until_it_is_quiet() {
    let mut lab = Lab::settled_pair();
    for _ in 0..12 {
        flap(&mut lab, ms(100));
    }
    lab.changes.clear();
    for _ in 0..100 {
        lab.cut(id(1, 1));
        lab.run(ms(1_500));
        lab.wire(id(1, 1), id(2, 1));
        lab.run(ms(1_500));
    }
    assert!(links_up(&lab) <= 2, "{}", links_up(&lab));
    lab.run(Duration::from_secs(31));
    assert!(lab.network().is_bidirectional(id(1, 1)));
}

#[test]
fn a_port_that_is_removed_and_added_again_and_again_is_damped() {
    let mut lab = Lab::settled_pair();
    for _ in 0..12 {
        lab.run(ms(100));
        lab.discovery.handle_port_removed(id(1, 1), lab.now);
        lab.run(ms(100));
        lab.discovery.handle_port(DatapathId(1), port(1, true), lab.now);
    }
    lab.run(Duration::from_secs(5));
    assert!(lab.network().links.is_empty());
    let Some(Condition::Flapping { last, .. }) = lab.discovery.conditions(lab.now).shown.first().cloned() else {
        panic!("{:?}", told(&lab))
    };
    assert_eq!(last, LinkDownReason::PortRemoved);
    lab.run(Duration::from_secs(30));
    assert!(lab.network().is_bidirectional(id(1, 1)));
}

#[test]
fn a_link_that_goes_down_now_and_then_is_taken_back_at_once() {
    let mut lab = Lab::settled_pair();
    for _ in 0..60 {
        flap(&mut lab, Duration::from_secs(1));
        lab.run(ms(10));
        assert!(lab.network().is_bidirectional(id(1, 1)));
    }
}

#[test]
fn the_pace_says_how_soon_a_failure_is_seen_and_what_the_budget_stretches() {
    let mut lab = Lab::settled_pair();
    let pace = lab.discovery.probe_pace();
    assert_eq!((pace.ports, pace.link_interval, pace.links_unstretched), (6, ms(300), 599));
    // Two misses of at most 315 ms, the third after a third of that, and 50 ms for it to come in; and what switches take to answer.
    assert_eq!(pace.detection, ms(630 + 105 + 50));
    lab.discovery.handle_round_trip(DatapathId(1), ms(40), lab.now);
    assert_eq!(lab.discovery.probe_pace().detection, ms(825));
    let config = DiscoveryConfig { probe_budget_per_second: 5, ..DiscoveryConfig::default() };
    lab.discovery.handle_config(config);
    let pace = lab.discovery.probe_pace();
    // Two ports at 3.33 and four at 1 a second.
    assert_eq!((pace.wanted_per_second, pace.budget_per_second), (10, 5));
    assert!(pace.link_interval > ms(450) && pace.detection > Duration::from_secs(1), "{pace:?}");
}

#[test]
fn a_silent_cut_is_seen_within_800_ms_whenever_it_comes() {
    for offset in 0..40 {
        let mut lab = Lab::settled_pair();
        let bound = lab.discovery.probe_pace().detection + 2 * WIRE_LATENCY;
        assert!(bound < ms(800), "{bound:?}");
        lab.run(ms(13 * offset));
        let before = lab.now;
        lab.cut(id(1, 1));
        while !lab.network().links.is_empty() {
            lab.run(ms(1));
            assert!(lab.now.since(before) <= bound, "offset {offset}: {:?}", lab.now.since(before));
        }
        assert!(lab.now.since(before) > ms(400), "three probes have to be missing");
    }
}

#[test]
fn forged_probes_are_told_with_their_port_and_are_one_condition_while_they_go_on() {
    let mut lab = Lab::settled_pair();
    let forged = |lab: &mut Lab| {
        // A broadcast of ours whose ethertype somebody has changed.
        let probe = Probe { port: id(1, 1), nonce: 7, sent_at: lab.now, way: ProbeWay::Broadcast };
        let mut frame = probe.encode(mac(1), &ProbeKey::new([3; 32], 42)).to_vec();
        frame[12..14].copy_from_slice(&[0x88, 0xcc]);
        lab.discovery.handle_frame(id(2, 3), &frame, lab.now);
    };
    for seconds in [1, 30, 50] {
        forged(&mut lab);
        lab.run(Duration::from_secs(seconds));
    }
    assert_eq!(told(&lab), [format!("forged probes come in by {}: 3 so far", id(2, 3))]);
    lab.run(Duration::from_secs(11));
    assert_eq!(told(&lab), [""; 0]);
    forged(&mut lab);
    assert_eq!(told(&lab), [format!("forged probes come in by {}: 1 so far", id(2, 3))]);
    lab.discovery.handle_port_removed(id(2, 3), lab.now);
    assert_eq!(told(&lab), [""; 0]);
}

#[test]
fn probes_of_another_controller_and_replayed_ones_are_told_when_they_are_more_than_a_few() {
    let mut lab = Lab::settled_pair();
    let foreign = |lab: &mut Lab| {
        let probe = Probe { port: id(1, 2), nonce: 1, sent_at: lab.now, way: ProbeWay::NearestBridge };
        lab.discovery.handle_frame(id(2, 2), &probe.encode(mac(1), &ProbeKey::new([9; 32], 43)), lab.now);
    };
    (1..5).for_each(|_| foreign(&mut lab));
    assert_eq!(told(&lab), [""; 0]);
    foreign(&mut lab);
    let of_another = format!("probes of another controller, or of an earlier run, come in by {}: 5 so far", id(2, 2));
    assert_eq!(told(&lab), [of_another]);
    lab.run(Duration::from_secs(11));
    // Good once, replayed since.
    let ours = loop {
        (lab.now, _) = lab.discovery.poll_timeout().expect("probes to send");
        lab.discovery.handle_timeout(lab.now);
        let sent = std::iter::from_fn(|| lab.discovery.poll_transmit()).collect::<Vec<_>>();
        if let Some(probe) = sent.into_iter().find(|probe| probe.port == id(1, 1)) {
            break probe;
        }
    };
    let seen_again = |lab: &mut Lab, times: usize| {
        (0..times).for_each(|_| lab.discovery.handle_frame(id(2, 1), &ours.frame, lab.now));
    };
    seen_again(&mut lab, 6);
    let replayed = format!("probes that have come in before or left long ago come in by {}: 5 so far", id(2, 1));
    assert_eq!(told(&lab), std::slice::from_ref(&replayed));
    // A switch that stood still for ten seconds sends old ones too.
    let stale = lab.discovery.counters().probes_stale;
    lab.run(Duration::from_secs(11));
    seen_again(&mut lab, 20);
    assert_eq!((told(&lab), lab.discovery.counters().probes_stale), (Vec::new(), stale + 20));
    lab.run(Duration::from_secs(20));
    seen_again(&mut lab, 5);
    assert_eq!(told(&lab), [replayed]);
    for _ in 0..6 {
        lab.run(Duration::from_secs(11));
        foreign(&mut lab);
        assert_eq!(told(&lab), [""; 0], "one now and then is nothing");
    }
}

#[test]
fn a_switch_with_thousands_of_ports_does_not_delay_that_a_dead_link_is_seen() {
    let mut lab = Lab::settled_pair();
    lab.discovery.handle_switch_up(DatapathId(9), ports(8_000), lab.now);
    lab.cut(id(1, 1));
    lab.run(ms(900));
    assert!(lab.network().links.is_empty());
    // The new ports get their turn all the same.
    lab.run(Duration::from_secs(20));
    assert!(lab.network().switches[&DatapathId(9)].is_settled());
}
