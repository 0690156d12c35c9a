//! Trip 1: hosts are learned, reach each other, and nothing storms.

use std::time::Duration;

use emulator::{FabricSpec, HostIndex, ProbeKind};
use tests::{Simulator, SimulatorOptions};

fn everybody_reaches_everybody(spec: &FabricSpec) -> Simulator {
    let mut simulator = Simulator::new(spec, SimulatorOptions::default());
    simulator.converge();
    let before = simulator.fabric.stats();
    simulator.probe_all_pairs(Duration::from_micros(500));
    simulator.run_for(Duration::from_secs(4));
    let after = simulator.fabric.stats();
    let sent = after.probes_sent - before.probes_sent;
    assert_eq!(after.probes_delivered - before.probes_delivered, sent, "of {sent} probes");
    simulator.assert_no_loop();
    simulator.assert_installed_is_desired();
    simulator
}

#[test]
fn all_pairs_of_a_fat_tree_reach_each_other() {
    let simulator = everybody_reaches_everybody(&FabricSpec::fat_tree(4));
    assert_eq!(simulator.core().network().switches.len(), 20);
    assert_eq!(simulator.links_known(), 32);
    assert_eq!(simulator.hosts_known(), 16);
}

#[test]
fn all_pairs_of_a_ring_with_a_chord_reach_each_other() {
    everybody_reaches_everybody(&FabricSpec::ring_with_chord(4, 6));
}

#[test]
fn all_pairs_of_a_line_reach_each_other() {
    everybody_reaches_everybody(&FabricSpec::linear(5));
}

#[test]
fn ipv6_hosts_find_each_other_by_neighbour_discovery() {
    let spec = FabricSpec::ring_with_chord(4, 6);
    let mut simulator = Simulator::new(&spec, SimulatorOptions::default());
    simulator.converge();
    let hosts = spec.hosts.len();
    for source in 0..hosts {
        for target in (0..hosts).filter(|&target| target != source) {
            let now = simulator.now();
            simulator.fabric.send_probe_of(ProbeKind::EchoV6, HostIndex(source), HostIndex(target), now);
            simulator.run_for(Duration::from_millis(1));
        }
    }
    simulator.run_for(Duration::from_secs(4));
    let stats = simulator.fabric.stats();
    assert_eq!((stats.probes_delivered, stats.probes_lost), (stats.probes_sent, 0));
    simulator.assert_no_loop();
}

#[test]
fn a_host_that_has_never_spoken_is_found_by_flooding_once() {
    let spec = FabricSpec { announce: false, ..FabricSpec::ring_with_chord(4, 6) };
    let mut simulator = Simulator::new(&spec, SimulatorOptions::default());
    simulator.run_for(Duration::from_secs(3));
    assert_eq!(simulator.hosts_known(), 0);
    let now = simulator.now();
    simulator.fabric.send_probe(HostIndex(0), HostIndex(5), now);
    simulator.run_for(Duration::from_secs(1));
    assert_eq!(simulator.fabric.stats().probes_delivered, 1);
    assert_eq!(simulator.hosts_known(), 2, "who asked and who answered");
    // The question reached every other host, and never came back.
    assert_eq!(simulator.fabric.host_stats(HostIndex(0)).echoed, 0);
    simulator.assert_no_loop();
}

#[test]
fn a_known_host_is_answered_for_and_nobody_else_is_asked() {
    let spec = FabricSpec { announce: true, ..FabricSpec::ring_with_chord(4, 6) };
    let mut simulator = Simulator::new(&spec, SimulatorOptions::default());
    simulator.converge();
    let arp = |simulator: &Simulator| -> Vec<u64> {
        (0..6).map(|host| simulator.fabric.host_stats(HostIndex(host)).accepted).collect()
    };
    let before = arp(&simulator);
    let now = simulator.now();
    simulator.fabric.send_probe(HostIndex(0), HostIndex(3), now);
    simulator.run_for(Duration::from_millis(100));
    assert!(simulator.fabric.stats().probes_delivered >= 1);
    let after = arp(&simulator);
    for host in [1, 2, 4, 5] {
        assert_eq!(after[host], before[host], "host {host} was bothered");
    }
}

#[test]
fn a_host_that_moves_is_followed() {
    let spec = FabricSpec::ring_with_chord(4, 6);
    let mut simulator = Simulator::new(&spec, SimulatorOptions::default());
    simulator.converge();
    let target = spec.next_port(spec.switches[3].datapath_id);
    let now = simulator.now();
    assert!(simulator.fabric.move_host(HostIndex(0), target, now), "{target} should be free");
    simulator.run_for(Duration::from_secs(2));
    let now = simulator.now();
    simulator.fabric.announce(HostIndex(0), now);
    simulator.run_for(Duration::from_millis(200));
    let mac = spec.hosts[0].mac;
    assert_eq!(simulator.core().network().hosts[&mac].port, target);
    let before = simulator.fabric.stats().probes_delivered;
    for other in 1..6 {
        let now = simulator.now();
        simulator.fabric.send_probe(HostIndex(other), HostIndex(0), now);
    }
    simulator.run_for(Duration::from_secs(4));
    assert_eq!(simulator.fabric.stats().probes_delivered - before, 5);
    simulator.assert_installed_is_desired();
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| {
        let options = SimulatorOptions { seed, ..SimulatorOptions::default() };
        let mut simulator = Simulator::new(&FabricSpec::fat_tree(4), options);
        simulator.converge();
        simulator.probe_all_pairs(Duration::from_micros(100));
        simulator.run_for(Duration::from_secs(1));
        format!("{:?} {:?} {:?}", simulator.now(), simulator.fabric.stats(), simulator.core_events)
    };
    assert_eq!(run(7), run(7));
}
