//! Behaviour under virtual time: wires between ports, frames in flight, one clock.

mod chaos;
mod conditions;
mod moves;
mod neighbors;
mod probes;

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::{Host, MAX_ADDRESSES_PER_HOST, PROBE_MAX_AGE};

const WIRE_LATENCY: Duration = Duration::from_millis(1);

/// A discovery machine and the wires around it.
struct Lab {
    discovery: Discovery,
    now: Time,
    /// Where frames out of a port arrive; a hub has several far ends.
    wires: BTreeMap<PortId, Vec<PortId>>,
    in_flight: VecDeque<(Time, PortId, Bytes)>,
    /// How long frames are on their way.
    latency: Duration,
    /// What is sent arrives later.
    is_stalled: bool,
    /// Switches that do not answer.
    mute: BTreeSet<DatapathId>,
    /// Ports at a switch that is not ours: it forwards broadcasts, and no LLDP.
    cloud: BTreeSet<PortId>,
    changes: Vec<Change>,
}

fn id(datapath_id: u64, port_no: u32) -> PortId {
    PortId::new(DatapathId(datapath_id), PortNo(port_no))
}

fn port(port_no: u32, up: bool) -> PortInfo {
    let hw_addr = MacAddr::from_u64(0x0200_0000_0000 + u64::from(port_no));
    PortInfo {
        port_no: PortNo(port_no),
        hw_addr,
        name: format!("p{port_no}"),
        up,
        live: up,
        curr_speed_kbps: 10_000_000,
    }
}

fn ports(count: u32) -> Vec<PortInfo> {
    (1..=count).map(|port_no| port(port_no, true)).collect()
}

fn mac(number: u64) -> MacAddr {
    MacAddr::from_u64(0x0200_0a00_0000 + number)
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

impl Lab {
    fn new(config: DiscoveryConfig) -> Lab {
        let now = Time::from_secs(1_000);
        Lab {
            discovery: Discovery::new(config, [3; 32], 42, now),
            now,
            wires: BTreeMap::new(),
            in_flight: VecDeque::new(),
            latency: WIRE_LATENCY,
            is_stalled: false,
            mute: BTreeSet::new(),
            cloud: BTreeSet::new(),
            changes: Vec::new(),
        }
    }

    /// Two switches of three ports; 1:1 and 2:1 are wired.
    fn pair() -> Lab {
        let mut lab = Lab::new(DiscoveryConfig::default());
        lab.wire(id(1, 1), id(2, 1));
        for datapath_id in [1, 2] {
            lab.discovery.handle_switch_up(DatapathId(datapath_id), ports(3), lab.now);
        }
        lab
    }

    fn settled_pair() -> Lab {
        let mut lab = Lab::pair();
        lab.run(Duration::from_secs(1));
        assert!(lab.network().is_bidirectional(id(1, 1)));
        lab.changes.clear();
        lab
    }

    fn wire(&mut self, a: PortId, b: PortId) {
        self.wires.entry(a).or_default().push(b);
        self.wires.entry(b).or_default().push(a);
    }

    /// Cuts all wires at `a`, in both directions.
    fn cut(&mut self, a: PortId) {
        self.wires.remove(&a);
        for far_ends in self.wires.values_mut() {
            far_ends.retain(|end| *end != a);
        }
        self.in_flight.clear();
    }

    fn network(&self) -> &Network {
        self.discovery.network()
    }

    fn state(&self, port: PortId) -> PortState {
        self.network().port(port).unwrap().state
    }

    /// Lets time pass until nothing happens before `duration` is over.
    fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            self.drain();
            let arrival = self.in_flight.front().filter(|_| !self.is_stalled).map(|(at, ..)| *at);
            let timeout = self.discovery.poll_timeout().map(|(at, _)| at);
            let next = match (arrival, timeout) {
                (Some(arrival), Some(timeout)) => arrival.min(timeout),
                (arrival, timeout) => arrival.or(timeout).unwrap_or(Time::MAX),
            };
            if next > end {
                break;
            }
            let next = next.max(self.now);
            self.now = next;
            if arrival.is_some_and(|at| at <= next) {
                let (_, port, frame) = self.in_flight.pop_front().unwrap();
                self.discovery.handle_frame(port, &frame, next);
            } else {
                self.discovery.handle_timeout(next);
                let again = self.discovery.poll_timeout();
                assert!(again.is_none_or(|(at, _)| at > next), "a deadline that was handled is due again: {again:?}");
            }
        }
        self.now = end;
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(datapath_id) = self.discovery.poll_inquiry() {
            if !self.mute.contains(&datapath_id) {
                self.discovery.handle_answered(datapath_id, self.now);
            }
        }
        while let Some(transmit) = self.discovery.poll_transmit() {
            for far_end in self.wires.get(&transmit.port).into_iter().flatten() {
                self.in_flight.push_back((self.now + self.latency, *far_end, transmit.frame.clone()));
            }
            if self.cloud.contains(&transmit.port) && transmit.frame[..6] == [0xff; 6] {
                for far_end in self.cloud.iter().filter(|end| **end != transmit.port) {
                    self.in_flight.push_back((self.now + self.latency, *far_end, transmit.frame.clone()));
                }
            }
        }
        while let Some(change) = self.discovery.poll_event() {
            self.changes.push(change);
        }
    }

    fn see(&mut self, number: u64, port: PortId, address: Option<&str>) {
        let address = address.map(|text| text.parse().unwrap());
        self.discovery.handle_host(HostSighting { port, mac: mac(number), address }, self.now);
        self.drain();
    }

    fn host(&self, number: u64) -> Option<&Host> {
        self.network().hosts.get(&mac(number))
    }

    fn links_down(&self) -> Vec<(PortId, LinkDownReason)> {
        let down = |change: &Change| match change {
            Change::LinkDown { link, reason } => Some((link.source, *reason)),
            _ => None,
        };
        self.changes.iter().filter_map(down).collect()
    }
}

#[test]
fn a_wire_between_two_switches_becomes_a_link_within_milliseconds_and_the_other_ports_edges_after_the_dwell() {
    let mut lab = Lab::pair();
    assert_eq!(lab.state(id(1, 1)), PortState::Unknown);
    lab.run(ms(10));
    assert_eq!((lab.state(id(1, 1)), lab.state(id(2, 1))), (PortState::Link, PortState::Link));
    assert_eq!(lab.network().bidirectional_links().count(), 1);
    lab.run(ms(480));
    assert_eq!(lab.state(id(1, 2)), PortState::Unknown);
    assert!(!lab.network().switches[&DatapathId(1)].is_settled());
    lab.run(ms(20));
    assert_eq!((lab.state(id(1, 2)), lab.state(id(2, 3))), (PortState::Edge, PortState::Edge));
    assert!(lab.network().switches[&DatapathId(1)].is_settled());
}

#[test]
fn a_link_stays_up_as_long_as_its_probes_come_back() {
    let mut lab = Lab::settled_pair();
    lab.run(Duration::from_secs(60));
    assert_eq!(lab.changes, []);
    // Two directions, a probe every 300 ms.
    let sent = lab.discovery.counters().probes_received;
    assert!((380..=440).contains(&sent), "{sent}");
}

#[test]
fn a_silent_cut_takes_both_directions_down_after_three_misses() {
    let mut lab = Lab::settled_pair();
    lab.cut(id(1, 1));
    lab.run(ms(400));
    assert_eq!(lab.changes, []);
    lab.run(ms(400));
    let reason = LinkDownReason::ProbesMissed;
    let mut down = lab.links_down();
    down.sort_by_key(|(source, _)| *source);
    assert_eq!(down, [(id(1, 1), reason), (id(2, 1), reason)]);
}

#[test]
fn ports_of_a_silently_lost_link_are_not_edges_soon() {
    let mut lab = Lab::settled_pair();
    lab.cut(id(1, 1));
    lab.run(Duration::from_secs(20));
    assert_eq!((lab.state(id(1, 1)), lab.state(id(2, 1))), (PortState::Unknown, PortState::Unknown));
    lab.run(Duration::from_secs(3));
    assert_eq!((lab.state(id(1, 1)), lab.state(id(2, 1))), (PortState::Edge, PortState::Edge));
}

#[test]
fn a_link_that_comes_back_to_life_after_that_is_found_within_one_probe_interval() {
    let config = DiscoveryConfig { edge_probe_interval: Duration::from_secs(60), ..DiscoveryConfig::default() };
    let mut lab = Lab::new(config);
    lab.wire(id(1, 1), id(2, 1));
    for datapath_id in [1, 2] {
        lab.discovery.handle_switch_up(DatapathId(datapath_id), ports(3), lab.now);
    }
    lab.run(Duration::from_secs(1));
    lab.cut(id(1, 1));
    lab.run(Duration::from_secs(40));
    assert_eq!(lab.state(id(1, 1)), PortState::Edge);
    lab.wire(id(1, 1), id(2, 1));
    lab.run(ms(350));
    assert!(lab.network().is_bidirectional(id(1, 1)));
}

#[test]
fn a_link_that_lost_one_direction_is_not_bidirectional_and_its_ports_stay_links() {
    let mut lab = Lab::settled_pair();
    lab.wires.get_mut(&id(1, 1)).unwrap().clear();
    lab.run(Duration::from_secs(30));
    assert_eq!(lab.links_down(), [(id(1, 1), LinkDownReason::ProbesMissed)]);
    assert_eq!((lab.state(id(1, 1)), lab.state(id(2, 1))), (PortState::Link, PortState::Link));
    assert!(!lab.network().is_bidirectional(id(2, 1)));
    assert_eq!(lab.network().links.len(), 1);
}

#[test]
fn a_port_going_down_takes_both_directions_down_at_once() {
    let mut lab = Lab::settled_pair();
    lab.discovery.handle_port(DatapathId(1), port(1, false), lab.now);
    assert!(lab.network().links.is_empty());
    lab.drain();
    let reason = LinkDownReason::PortDown;
    assert_eq!(lab.links_down(), [(id(2, 1), reason), (id(1, 1), reason)]);
    assert_eq!((lab.state(id(1, 1)), lab.state(id(2, 1))), (PortState::Unknown, PortState::Unknown));
}

/// As Open vSwitch tells it when BFD on the port hears nothing any more.
#[test]
fn a_port_that_was_live_is_down_while_it_is_not() {
    let mut lab = Lab::settled_pair();
    lab.discovery.handle_port(DatapathId(1), PortInfo { live: false, ..port(1, true) }, lab.now);
    assert!(lab.network().links.is_empty());
    assert!(!lab.network().port(id(1, 1)).unwrap().info.up);
    lab.run(ms(10_000));
    assert!(lab.network().links.is_empty());
    lab.discovery.handle_port(DatapathId(1), port(1, true), lab.now);
    lab.run(ms(10));
    assert!(lab.network().is_bidirectional(id(1, 1)));
}

/// Many switches never set the bit.
#[test]
fn a_port_that_never_was_live_is_up_by_its_link() {
    let mut lab = Lab::new(DiscoveryConfig::default());
    lab.wire(id(1, 1), id(2, 1));
    for datapath_id in [1, 2] {
        let silent = ports(3).into_iter().map(|port| PortInfo { live: false, ..port }).collect();
        lab.discovery.handle_switch_up(DatapathId(datapath_id), silent, lab.now);
    }
    lab.run(ms(10));
    lab.discovery.handle_port(DatapathId(1), PortInfo { live: false, ..port(1, true) }, lab.now);
    assert!(lab.network().is_bidirectional(id(1, 1)));
    lab.discovery.handle_port(DatapathId(1), PortInfo { live: false, ..port(1, false) }, lab.now);
    assert!(lab.network().links.is_empty());
}

#[test]
fn a_probe_that_left_before_its_port_went_down_makes_no_link() {
    let mut lab = Lab::new(DiscoveryConfig::default());
    lab.wire(id(1, 1), id(2, 1));
    lab.discovery.handle_switch_up(DatapathId(1), ports(1), lab.now);
    lab.drain();
    lab.discovery.handle_switch_up(DatapathId(2), ports(1), lab.now);
    lab.discovery.handle_port(DatapathId(1), port(1, false), lab.now);
    lab.run(ms(100));
    assert!(!lab.network().links.contains_key(&id(1, 1)));
    assert_eq!(lab.discovery.counters().probes_stale, 1);
}

#[test]
fn links_and_hosts_of_a_lost_switch_are_frozen_until_the_grace_is_over() {
    let mut lab = Lab::settled_pair();
    lab.see(1, id(2, 2), Some("10.0.0.1"));
    lab.changes.clear();
    lab.discovery.handle_switch_down(DatapathId(2), lab.now);
    lab.run(SWITCH_GRACE - ms(1));
    assert_eq!(lab.changes, [Change::SwitchDown(DatapathId(2))]);
    assert!(lab.network().is_bidirectional(id(1, 1)) && lab.host(1).is_some());
    lab.run(ms(1));
    assert!(lab.network().links.is_empty() && lab.network().hosts.is_empty());
    assert_eq!(lab.changes.last(), Some(&Change::SwitchGone(DatapathId(2))));
    assert!(!lab.network().switches.contains_key(&DatapathId(2)));
    // The far end is held back: the switch may still be forwarding.
    assert_eq!(lab.state(id(1, 1)), PortState::Unknown);
    lab.run(EXPECTED_LINK_LIMIT + ms(500));
    assert_eq!(lab.state(id(1, 1)), PortState::Edge);
}

#[test]
fn a_control_connection_that_is_dead_without_a_word_takes_no_link_down() {
    for (mute, probe_misses) in [(1, 3), (2, 3), (1, 1)] {
        let mut lab = Lab::settled_pair();
        lab.discovery.handle_config(DiscoveryConfig { probe_misses, ..DiscoveryConfig::default() });
        lab.mute.insert(DatapathId(mute));
        // What leaves a port arrives, but nobody is told.
        lab.wires.clear();
        lab.run(Duration::from_secs(15));
        assert_eq!(lab.changes, []);
        lab.discovery.handle_switch_down(DatapathId(mute), lab.now);
        lab.wire(id(1, 1), id(2, 1));
        lab.run(Duration::from_secs(30));
        lab.mute.clear();
        lab.discovery.handle_switch_up(DatapathId(mute), ports(3), lab.now);
        lab.run(Duration::from_secs(30));
        assert_eq!(lab.links_down(), []);
        assert!(lab.network().is_bidirectional(id(1, 1)) && lab.discovery.silent.is_empty());
    }
}

#[test]
fn a_link_whose_probes_are_missing_is_down_when_both_ends_have_answered() {
    let mut lab = Lab::settled_pair();
    lab.mute.insert(DatapathId(2));
    lab.wires.clear();
    lab.run(Duration::from_secs(5));
    assert!(lab.changes.is_empty() && !lab.discovery.silent.is_empty());
    lab.discovery.handle_answered(DatapathId(2), lab.now);
    lab.drain();
    assert!(lab.changes.is_empty(), "a probe may be on its way between the two");
    lab.run(ms(400));
    assert_eq!(lab.links_down().len(), 2, "{:?}", lab.changes);
    assert!(lab.discovery.silent.is_empty());
}

#[test]
fn a_control_connection_that_stalls_and_comes_back_takes_no_link_down() {
    let mut lab = Lab::settled_pair();
    lab.mute.insert(DatapathId(2));
    // What the second switch gets and tells waits, and comes all at once.
    lab.is_stalled = true;
    lab.run(ms(1_500));
    lab.is_stalled = false;
    lab.mute.clear();
    lab.discovery.handle_answered(DatapathId(2), lab.now);
    lab.run(Duration::from_secs(5));
    assert_eq!(lab.changes, []);
}

#[test]
fn a_switch_that_goes_takes_the_doubts_about_its_links_along() {
    let mut lab = Lab::settled_pair();
    lab.mute.insert(DatapathId(1));
    lab.wires.clear();
    lab.run(Duration::from_secs(3));
    lab.discovery.handle_switch_down(DatapathId(2), lab.now);
    lab.mute.clear();
    lab.discovery.handle_answered(DatapathId(1), lab.now);
    lab.run(Duration::from_secs(30));
    assert_eq!(lab.links_down(), []);
}

#[test]
fn a_frozen_link_ends_with_the_port_at_its_connected_end() {
    let mut lab = Lab::settled_pair();
    lab.discovery.handle_switch_down(DatapathId(2), lab.now);
    lab.discovery.handle_port(DatapathId(1), port(1, false), lab.now);
    assert!(lab.network().links.is_empty());
}

#[test]
fn a_switch_that_comes_back_keeps_links_and_hosts_without_a_gap() {
    let mut lab = Lab::settled_pair();
    lab.see(1, id(2, 2), None);
    lab.changes.clear();
    lab.discovery.handle_switch_down(DatapathId(2), lab.now);
    lab.run(Duration::from_secs(30));
    lab.discovery.handle_switch_up(DatapathId(2), ports(3), lab.now);
    lab.run(Duration::from_secs(120));
    assert_eq!(lab.changes, [Change::SwitchDown(DatapathId(2)), Change::SwitchUp(DatapathId(2))]);
}

#[test]
fn a_link_that_was_cut_while_its_switch_was_away_gets_a_few_seconds_more() {
    let mut lab = Lab::settled_pair();
    lab.discovery.handle_switch_down(DatapathId(2), lab.now);
    lab.cut(id(1, 1));
    lab.run(Duration::from_secs(30));
    lab.discovery.handle_switch_up(DatapathId(2), ports(3), lab.now);
    lab.run(RECONNECTED_LINK_LIMIT - ms(100));
    assert_eq!(lab.network().links.len(), 2);
    lab.run(ms(600));
    assert_eq!(lab.network().links.len(), 0);
}

#[test]
fn ports_that_vanished_or_went_down_while_the_switch_was_away_take_their_links_with_them() {
    for present in [vec![], vec![port(1, false)]] {
        let mut lab = Lab::settled_pair();
        lab.see(1, id(2, 2), None);
        lab.discovery.handle_switch_down(DatapathId(2), lab.now);
        lab.discovery.handle_switch_up(DatapathId(2), present, lab.now);
        assert!(lab.network().links.is_empty() && lab.network().hosts.is_empty());
    }
}

#[test]
fn an_expected_link_keeps_its_port_unknown_until_the_far_end_connects() {
    let mut lab = Lab::new(DiscoveryConfig::default());
    lab.wire(id(1, 1), id(2, 1));
    lab.discovery.handle_switch_up(DatapathId(1), ports(2), lab.now);
    lab.discovery.handle_expected_link(id(1, 1), lab.now);
    lab.run(Duration::from_secs(15));
    assert_eq!((lab.state(id(1, 1)), lab.state(id(1, 2))), (PortState::Unknown, PortState::Edge));
    lab.discovery.handle_switch_up(DatapathId(2), ports(1), lab.now);
    lab.run(ms(200));
    assert_eq!(lab.state(id(1, 1)), PortState::Link);
}

#[test]
fn an_expected_link_that_does_not_come_is_an_edge_after_the_limit() {
    let mut lab = Lab::new(DiscoveryConfig::default());
    lab.discovery.handle_switch_up(DatapathId(1), ports(1), lab.now);
    lab.run(Duration::from_secs(1));
    lab.see(1, id(1, 1), None);
    lab.discovery.handle_expected_link(id(1, 1), lab.now);
    assert_eq!((lab.state(id(1, 1)), lab.host(1)), (PortState::Unknown, None));
    lab.run(EXPECTED_LINK_LIMIT - ms(1));
    assert_eq!(lab.state(id(1, 1)), PortState::Unknown);
    lab.run(ms(1));
    assert_eq!(lab.state(id(1, 1)), PortState::Edge);
}

#[test]
fn a_replayed_probe_is_counted_and_not_believed() {
    let mut lab = Lab::new(DiscoveryConfig::default());
    lab.discovery.handle_switch_up(DatapathId(1), ports(1), lab.now);
    lab.discovery.handle_switch_up(DatapathId(2), ports(2), lab.now);
    let probe = std::iter::from_fn(|| lab.discovery.poll_transmit()).find(|probe| probe.port == id(1, 1)).unwrap();
    lab.discovery.handle_frame(id(2, 1), &probe.frame, lab.now + ms(1));
    lab.discovery.handle_frame(id(2, 1), &probe.frame, lab.now + ms(2));
    lab.discovery.handle_frame(id(2, 2), &probe.frame, lab.now + ms(3));
    let counters = lab.discovery.counters();
    assert_eq!((counters.probes_received, counters.probes_replayed, counters.probes_duplicated), (1, 1, 1));
    assert_eq!(lab.network().links[&id(1, 1)].target, id(2, 1));
}

#[test]
fn a_probe_that_is_too_old_is_not_believed() {
    let mut lab = Lab::new(DiscoveryConfig::default());
    lab.discovery.handle_switch_up(DatapathId(1), ports(1), lab.now);
    lab.discovery.handle_switch_up(DatapathId(2), ports(1), lab.now);
    let probe = lab.discovery.poll_transmit().unwrap();
    lab.discovery.handle_frame(id(2, 1), &probe.frame, lab.now + PROBE_MAX_AGE + ms(1));
    assert!(lab.network().links.is_empty());
    assert_eq!(lab.discovery.counters().probes_stale, 1);
}

#[test]
fn a_probe_with_another_key_makes_no_link() {
    let mut lab = Lab::settled_pair();
    let forged = Probe { port: id(1, 2), nonce: 1, sent_at: lab.now, way: ProbeWay::NearestBridge };
    let frame = forged.encode(mac(1), &ProbeKey::new([9; 32], 42));
    lab.discovery.handle_frame(id(2, 2), &frame, lab.now);
    assert_eq!((lab.discovery.counters().probes_foreign, lab.state(id(2, 2))), (1, PortState::Edge));
}

#[test]
fn a_nonce_that_was_never_sent_is_stale_even_with_the_right_key() {
    let mut lab = Lab::settled_pair();
    let invented = Probe { port: id(1, 2), nonce: 1, sent_at: lab.now, way: ProbeWay::NearestBridge };
    let frame = invented.encode(mac(1), &ProbeKey::new([3; 32], 42));
    lab.discovery.handle_frame(id(2, 2), &frame, lab.now);
    assert_eq!((lab.discovery.counters().probes_stale, lab.state(id(2, 2))), (1, PortState::Edge));
}

#[test]
fn behind_a_hub_at_most_one_pair_of_ports_is_a_link_in_both_directions() {
    let mut lab = Lab::new(DiscoveryConfig::default());
    for (a, b) in [(1, 2), (2, 3), (1, 3)] {
        lab.wire(id(a, 1), id(b, 1));
    }
    for datapath_id in 1..=3 {
        lab.discovery.handle_switch_up(DatapathId(datapath_id), ports(1), lab.now);
    }
    lab.run(Duration::from_secs(5));
    assert!(lab.network().bidirectional_links().count() <= 1);
    assert!((1..=3).all(|datapath_id| lab.state(id(datapath_id, 1)) == PortState::Link));
    assert!(lab.discovery.counters().probes_duplicated > 0);
}

proptest! {
    #[test]
    fn a_hub_changes_the_far_end_of_none_of_its_ports_whoever_hears_of_a_probe_first(
        orders in prop::collection::vec(any::<[bool; 3]>(), 300)
    ) {
        let mut lab = Lab::new(DiscoveryConfig::default());
        for (a, b) in [(1, 2), (2, 3), (1, 3)] {
            lab.wire(id(a, 1), id(b, 1));
        }
        for datapath_id in 1..=3 {
            lab.discovery.handle_switch_up(DatapathId(datapath_id), ports(1), lab.now);
        }
        for order in orders {
            lab.run(ms(50));
            for (far_ends, _) in lab.wires.values_mut().zip(order).filter(|(_, swap)| *swap) {
                far_ends.reverse();
            }
        }
        prop_assert_eq!(lab.discovery.counters().link_far_ends_changed, 0);
        prop_assert_eq!(lab.discovery.counters().links_down, 0);
        prop_assert_eq!(lab.network().links.len(), 3);
    }
}

#[test]
fn a_port_that_leads_elsewhere_each_second_is_damped() {
    let mut lab = Lab::settled_pair();
    for turn in 0..60 {
        lab.wires.insert(id(1, 1), vec![id(2, 2 - turn % 2)]);
        lab.run(Duration::from_secs(1));
    }
    let changes = lab.discovery.counters().link_far_ends_changed;
    assert!((5..30).contains(&changes), "one a second without: {changes}");
    let kinds: Vec<_> = lab.discovery.conditions(lab.now).shown.iter().map(crate::Condition::kind).collect();
    assert!(kinds.contains(&"flapping"), "{kinds:?}");
}

#[test]
fn a_far_end_that_changes_is_replaced_after_two_probes() {
    let mut lab = Lab::settled_pair();
    lab.cut(id(1, 1));
    lab.wire(id(1, 1), id(2, 2));
    lab.run(Duration::from_secs(2));
    assert_eq!(lab.network().links[&id(1, 1)].target, id(2, 2));
    assert!(lab.network().is_bidirectional(id(1, 1)));
    assert!(lab.links_down().contains(&(id(1, 1), LinkDownReason::FarEndChanged)));
    assert_eq!(lab.discovery.counters().link_far_ends_changed, 1);
    assert_eq!(lab.state(id(2, 1)), PortState::Unknown);
}

#[test]
fn the_far_end_that_was_replaced_is_no_link_if_it_has_no_other() {
    let mut lab = Lab::new(DiscoveryConfig::default());
    lab.wires.insert(id(1, 1), vec![id(2, 1)]);
    for datapath_id in [1, 2] {
        lab.discovery.handle_switch_up(DatapathId(datapath_id), ports(2), lab.now);
    }
    lab.run(Duration::from_secs(1));
    assert_eq!(lab.state(id(2, 1)), PortState::Link);
    lab.wires.insert(id(1, 1), vec![id(2, 2)]);
    lab.run(ms(300));
    assert_eq!((lab.state(id(2, 1)), lab.state(id(2, 2))), (PortState::Link, PortState::Edge), "one probe is none");
    lab.run(ms(400));
    assert_eq!((lab.state(id(2, 1)), lab.state(id(2, 2))), (PortState::Unknown, PortState::Link));
    lab.run(ms(600));
    assert_eq!(lab.state(id(2, 1)), PortState::Edge);
}

#[test]
fn a_plug_that_leads_back_to_its_own_port_is_neither_an_edge_nor_a_usable_link() {
    let mut lab = Lab::new(DiscoveryConfig::default());
    lab.wires.insert(id(1, 1), vec![id(1, 1)]);
    lab.discovery.handle_switch_up(DatapathId(1), ports(1), lab.now);
    lab.run(Duration::from_secs(2));
    assert_eq!(lab.state(id(1, 1)), PortState::Link);
    assert!(!lab.network().is_bidirectional(id(1, 1)));
}

#[test]
fn a_switch_plugged_in_behind_an_edge_port_is_found_and_the_hosts_there_forgotten() {
    let mut lab = Lab::settled_pair();
    lab.see(1, id(1, 2), Some("10.0.0.1"));
    lab.changes.clear();
    lab.wire(id(1, 2), id(2, 2));
    lab.run(ms(1_200));
    assert!(lab.network().is_bidirectional(id(1, 2)));
    let forgotten = |change: &Change| match change {
        Change::HostForgotten { reason, .. } => Some(*reason),
        _ => None,
    };
    assert_eq!(lab.changes.iter().filter_map(forgotten).collect::<Vec<_>>(), [HostForgottenReason::PortBecameLink]);
    assert_eq!(lab.host(1), None);
}

#[test]
fn hosts_are_learned_on_edges_only_and_only_by_unicast_addresses() {
    let mut lab = Lab::pair();
    lab.see(1, id(1, 2), None);
    assert_eq!(lab.host(1), None);
    lab.run(Duration::from_secs(1));
    lab.see(1, id(1, 1), None);
    for bad in [MacAddr::ZERO, MacAddr::BROADCAST, MacAddr([1, 0, 0x5e, 0, 0, 1])] {
        lab.discovery.handle_host(HostSighting { port: id(1, 2), mac: bad, address: None }, lab.now);
    }
    lab.see(1, id(9, 9), None);
    assert!(lab.network().hosts.is_empty());
    lab.see(1, id(1, 2), None);
    assert!(lab.host(1).is_some());
}

#[test]
fn a_host_gathers_addresses_and_keeps_them_when_it_moves() {
    let mut lab = Lab::settled_pair();
    lab.see(1, id(1, 2), Some("10.0.0.1"));
    lab.see(1, id(1, 2), Some("fe80::1"));
    lab.see(1, id(1, 2), Some("fe80::1"));
    lab.see(1, id(2, 2), None);
    let expected =
        [Change::HostLearned(mac(1)), Change::HostAddressed(mac(1)), Change::HostMoved { mac: mac(1), from: id(1, 2) }];
    assert_eq!(lab.changes, expected);
    assert_eq!(lab.host(1).unwrap().addresses.len(), 2);
    assert_eq!(lab.network().host_at("10.0.0.1".parse().unwrap()).unwrap().port, id(2, 2));
}

#[test]
fn an_address_belongs_to_the_host_that_used_it_last() {
    let mut lab = Lab::settled_pair();
    lab.see(1, id(1, 2), Some("10.0.0.1"));
    lab.see(2, id(1, 3), Some("10.0.0.1"));
    assert_eq!(lab.network().host_at("10.0.0.1".parse().unwrap()).unwrap().mac, mac(2));
    assert!(lab.host(1).unwrap().addresses.is_empty());
    assert_eq!(lab.discovery.counters().addresses_moved, 1);
    for address in ["0.0.0.0", "255.255.255.255", "224.0.0.1", "127.0.0.1", "::", "ff02::1", "::1"] {
        lab.see(1, id(1, 2), Some(address));
    }
    assert!(lab.host(1).unwrap().addresses.is_empty());
}

#[test]
fn a_host_is_forgotten_when_its_switch_says_that_it_is_idle_where_it_is() {
    let mut lab = Lab::settled_pair();
    lab.see(1, id(1, 2), Some("10.0.0.1"));
    lab.discovery.handle_host_idle(id(1, 3), mac(1), lab.now);
    assert!(lab.host(1).is_some());
    lab.discovery.handle_host_idle(id(1, 2), mac(1), lab.now);
    assert_eq!((lab.host(1), lab.network().hosts.address_count()), (None, 0));
    assert_eq!(lab.discovery.counters().hosts_expired, 1);
}

#[test]
fn a_host_is_forgotten_with_its_port_and_after_a_long_silence() {
    let mut lab = Lab::settled_pair();
    lab.see(1, id(1, 2), None);
    lab.see(2, id(1, 3), None);
    lab.discovery.handle_port(DatapathId(1), port(2, false), lab.now);
    assert_eq!(lab.host(1), None);
    let limit = DiscoveryConfig::default().host_timeout * crate::HOST_SILENCE_FACTOR;
    lab.run(limit / 2);
    lab.see(2, id(1, 3), None);
    lab.run(limit - ms(1));
    assert!(lab.host(2).is_some());
    lab.run(ms(1));
    assert_eq!(lab.host(2), None);
}

#[test]
fn host_limits_hold_for_a_port_for_all_and_for_addresses() {
    let config = DiscoveryConfig { max_hosts_per_port: 2, max_hosts: 3, ..DiscoveryConfig::default() };
    let mut lab = Lab::new(config);
    lab.discovery.handle_switch_up(DatapathId(1), ports(3), lab.now);
    lab.run(Duration::from_secs(1));
    for number in 1..=3 {
        lab.see(number, id(1, 1), None);
    }
    assert_eq!(lab.network().hosts.len(), 2);
    lab.see(4, id(1, 2), None);
    lab.see(5, id(1, 2), None);
    assert_eq!(lab.network().hosts.len(), 3);
    lab.see(4, id(1, 1), None);
    assert_eq!((lab.host(4).unwrap().port, lab.discovery.counters().hosts_refused), (id(1, 2), 3));
    for number in 0..20 {
        lab.see(4, id(1, 2), Some(&format!("10.0.0.{}", number + 1)));
    }
    assert_eq!(lab.host(4).unwrap().addresses.len(), MAX_ADDRESSES_PER_HOST);
    assert_eq!(lab.discovery.counters().addresses_replaced, 4);
}

#[test]
fn a_host_known_from_rules_is_learned_when_its_port_is_an_edge_unless_it_was_seen_elsewhere() {
    let mut lab = Lab::new(DiscoveryConfig::default());
    lab.discovery.handle_switch_up(DatapathId(1), ports(2), lab.now);
    for number in [1, 2] {
        let address = Some("10.0.0.1".parse().unwrap()).filter(|_| number == 1);
        let sighting = HostSighting { port: id(1, 1), mac: mac(number), address };
        lab.discovery.handle_expected_host(sighting, lab.now);
    }
    lab.discovery.handle_expected_link(id(1, 1), lab.now);
    lab.run(Duration::from_secs(1));
    assert!(lab.network().hosts.is_empty());
    lab.see(2, id(1, 2), None);
    lab.run(EXPECTED_LINK_LIMIT);
    assert_eq!((lab.host(1).unwrap().port, lab.host(2).unwrap().port), (id(1, 1), id(1, 2)));
    assert_eq!(lab.host(1).unwrap().addresses.len(), 1);
}

#[test]
fn the_probe_budget_is_kept_also_when_many_ports_come_up_at_once() {
    let config = DiscoveryConfig { probe_budget_per_second: 200, ..DiscoveryConfig::default() };
    let mut lab = Lab::new(config);
    for datapath_id in 1..=20 {
        lab.discovery.handle_switch_up(DatapathId(datapath_id), ports(48), lab.now);
    }
    let mut before = 0;
    for second in 0..30 {
        lab.run(Duration::from_secs(1));
        let sent = lab.discovery.counters().probes_sent;
        assert!(sent - before <= 216, "{} probes in second {second}", sent - before);
        before = sent;
    }
    // 960 ports at 200 probes a second: three probes each take 15 s, and then all are settled.
    assert!(lab.network().switches.values().all(|switch| switch.is_settled()));
}

#[test]
fn a_controller_that_was_busy_does_not_take_its_links_down() {
    let mut lab = Lab::settled_pair();
    lab.in_flight.clear();
    lab.now = lab.now + Duration::from_secs(10);
    lab.run(Duration::from_secs(10));
    assert_eq!(lab.changes, []);
}

#[test]
fn ten_thousand_links_are_found_and_kept_with_a_stretched_interval() {
    let mut lab = Lab::new(DiscoveryConfig::default());
    // A hundred switches, each with a hundred links to the next one in the ring.
    for switch in 0..100u64 {
        for port in 1..=100 {
            lab.wire(id(switch, port), id((switch + 1) % 100, port + 100));
        }
    }
    for switch in 0..100 {
        lab.discovery.handle_switch_up(DatapathId(switch), ports(200), lab.now);
    }
    lab.run(Duration::from_secs(12));
    assert_eq!(lab.network().bidirectional_links().count(), 10_000);
    lab.changes.clear();
    lab.run(Duration::from_secs(8));
    assert_eq!(lab.changes, []);
}

#[cfg(feature = "serde")]
#[test]
fn a_network_is_json_with_links_and_hosts_as_lists() {
    let mut lab = Lab::settled_pair();
    lab.see(1, id(1, 2), Some("10.0.0.1"));
    let json = serde_json::to_value(lab.network()).unwrap();
    assert_eq!(json["links"][0]["target"]["datapath_id"], "0000000000000002");
    assert_eq!(json["hosts"][0]["addresses"][0], "10.0.0.1");
    assert_eq!(json["switches"]["0000000000000001"]["ports"]["1"]["state"], "link");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = || {
        let mut lab = Lab::pair();
        lab.run(Duration::from_secs(5));
        (lab.changes.clone(), *lab.discovery.counters(), lab.discovery.poll_timeout())
    };
    assert_eq!(run(), run());
}
