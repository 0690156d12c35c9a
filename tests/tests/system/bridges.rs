//! Switches between ours that are not ours: a learning bridge that lets no LLDP through, and what broadcast probes find across it.

use std::time::Duration;

use emulator::{CutKind, FabricSpec, HostIndex, LinkIndex, ProbeId};
use net::{DatapathId, PortId};
use tests::{Simulator, SimulatorOptions};

const BRIDGE: DatapathId = DatapathId(0xb1);

/// So many switches with a host each, all of them plugged into one bridge. Links have the switches' order.
fn segment(switches: u64) -> FabricSpec {
    let mut spec = FabricSpec::new();
    for id in (1..=switches).map(DatapathId) {
        spec.add_switch(id, &format!("s{}", id.0));
    }
    spec.add_bridge(BRIDGE, "b1");
    for id in (1..=switches).map(DatapathId) {
        spec.add_link(id, BRIDGE);
        spec.add_host(id);
    }
    spec
}

/// Five seconds later, when every port is settled, all hosts have said who they are.
fn settled(spec: &FabricSpec, broadcast_probes: bool) -> Simulator {
    let mut options = SimulatorOptions::default();
    options.core.discovery.broadcast_probes = broadcast_probes;
    let mut simulator = Simulator::new(spec, options);
    simulator.run_for(Duration::from_secs(5));
    simulator.announce_all();
    simulator.run_for(Duration::from_secs(2));
    simulator
}

fn arrived(simulator: &Simulator, probes: &[ProbeId]) -> usize {
    let delivered = |wanted: &&ProbeId| {
        simulator
            .fabric_events
            .iter()
            .any(|(_, event)| matches!(event, emulator::FabricEvent::ProbeDelivered { id, .. } if id == *wanted))
    };
    probes.iter().filter(delivered).count()
}

/// Echoes between all hosts that arrive, of how many.
fn echoes(simulator: &mut Simulator) -> (usize, usize) {
    let probes = simulator.probe_all_pairs(Duration::from_millis(5));
    simulator.run_for(Duration::from_secs(4));
    (arrived(simulator, &probes), probes.len())
}

fn end(spec: &FabricSpec, link: usize) -> PortId {
    spec.links[link].a
}

#[test]
fn broadcast_probes_find_a_link_across_a_bridge_and_frames_go_over_it() {
    let spec = segment(2);
    let mut simulator = settled(&spec, true);
    let network = simulator.core().network();
    let ends = [end(&spec, 0), end(&spec, 1)];
    assert!(network.is_bidirectional(ends[0]));
    assert!(ends.iter().all(|end| network.crosses_others(*end) && !network.is_left_over(*end)));
    assert_eq!((simulator.links_known(), simulator.hosts_known()), (1, 2));
    assert!(simulator.core().conditions(simulator.now()).shown.is_empty());
    assert_eq!(echoes(&mut simulator), (2, 2));
    simulator.assert_no_loop();
    simulator.assert_installed_is_desired();
}

#[test]
fn without_broadcast_probes_a_bridge_is_a_place_of_hosts() {
    let spec = segment(2);
    let simulator = settled(&spec, false);
    assert_eq!(simulator.links_known(), 0);
    assert_eq!(simulator.core().network().port(end(&spec, 0)).unwrap().state, topology::PortState::Edge);
}

#[test]
fn a_link_across_a_bridge_beside_a_cable_is_no_loop_and_takes_over_from_it() {
    let mut spec = segment(2);
    let cable = spec.add_link(DatapathId(1), DatapathId(2));
    let mut simulator = settled(&spec, true);
    assert_eq!(simulator.links_known(), 2);
    assert_eq!(echoes(&mut simulator), (2, 2));
    simulator.assert_no_loop();
    let now = simulator.now();
    simulator.fabric.cut_link(cable, CutKind::PortDown, now);
    simulator.run_for(Duration::from_secs(1));
    assert_eq!(echoes(&mut simulator), (2, 2));
    // The far end's port stays up when the bridge loses one of its cables: probes alone tell.
    let now = simulator.now();
    simulator.fabric.mend_link(cable, now);
    simulator.fabric.cut_link(LinkIndex(0), CutKind::PortDown, now);
    simulator.run_for(Duration::from_secs(3));
    assert_eq!(simulator.links_known(), 1);
    assert_eq!(echoes(&mut simulator), (2, 2));
    simulator.assert_no_loop();
    simulator.assert_installed_is_desired();
}

#[test]
fn of_more_than_two_switches_at_a_bridge_two_have_the_link_and_the_third_is_told_of() {
    let mut spec = segment(3);
    // The third has a way of its own, so that what the bridge floods into it could come round.
    spec.add_link(DatapathId(1), DatapathId(3));
    let mut simulator = settled(&spec, true);
    let (network, third) = (simulator.core().network(), end(&spec, 2));
    assert!(network.is_bidirectional(end(&spec, 0)) && network.is_left_over(third));
    assert_eq!(network.port(third).unwrap().state, topology::PortState::Link);
    assert_eq!(simulator.links_known(), 2);
    let conditions = simulator.core().conditions(simulator.now());
    let kinds: Vec<&str> = conditions.shown.iter().map(topology::Condition::kind).collect();
    assert_eq!(kinds, ["miswired"], "{conditions:?}");
    assert_eq!(echoes(&mut simulator), (6, 6));
    simulator.assert_no_loop();
    simulator.assert_installed_is_desired();
    // The first one loses its cable to the bridge, which forgets its host, and is the one left over when it is back. What is sent to the host, which
    // is silent, is flooded: over the third switch it comes to it, and by the port that is left over it would come once more.
    let now = simulator.now();
    simulator.fabric.cut_link(LinkIndex(0), CutKind::PortDown, now);
    simulator.run_for(Duration::from_secs(3));
    let now = simulator.now();
    simulator.fabric.mend_link(LinkIndex(0), now);
    simulator.run_for(Duration::from_secs(5));
    assert!(simulator.core().network().is_left_over(end(&spec, 0)));
    let now = simulator.now();
    let datagram = emulator::ProbeKind::Datagram { source_port: 7 };
    let probe = simulator.fabric.send_probe_of(datagram, HostIndex(1), HostIndex(0), now);
    simulator.run_for(Duration::from_secs(4));
    assert_eq!(arrived(&simulator, &[probe]), 1);
    simulator.assert_no_loop();
    simulator.assert_installed_is_desired();
}
