//! The controller dies and comes back; the network must not notice.

use std::time::Duration;

use emulator::{CutKind, FabricEvent, FabricSpec, HostIndex, LinkIndex};
use tests::{Simulator, SimulatorOptions};

/// One probe a millisecond, all pairs in turn.
fn traffic(simulator: &mut Simulator, duration: Duration) {
    let hosts = simulator.fabric.spec().hosts.len();
    let end = simulator.now() + duration;
    let mut n = 0;
    while simulator.now() < end {
        let now = simulator.now();
        let source = n % hosts;
        let target = (source + 1 + n / hosts % (hosts - 1)) % hosts;
        simulator.fabric.send_probe(HostIndex(source), HostIndex(target), now);
        n += 1;
        simulator.run_for(Duration::from_millis(1));
    }
}

/// Kill and restart under traffic; switches come back one by one, `spread` apart.
fn restart(spec: &FabricSpec, seed: u64, spread: Duration) {
    let mut simulator = Simulator::new(spec, SimulatorOptions { seed, ..SimulatorOptions::default() });
    simulator.converge();
    simulator.probe_all_pairs(Duration::from_micros(200));
    simulator.run_for(Duration::from_secs(4));
    traffic(&mut simulator, Duration::from_millis(200));
    simulator.kill_controller();
    traffic(&mut simulator, Duration::from_secs(2));
    simulator.start_controller(spread);
    traffic(&mut simulator, spread * spec.switches.len() as u32 + Duration::from_secs(5));
    simulator.run_for(Duration::from_secs(4));
    let is_lost = |event: &FabricEvent| matches!(event, FabricEvent::ProbeLost { .. });
    let lost = simulator.fabric_events.iter().filter(|(_, event)| is_lost(event)).count();
    assert_eq!(lost, 0, "seed {seed}, spread {spread:?}");
    simulator.assert_no_loop();
    assert_eq!(simulator.hosts_known(), spec.hosts.len(), "hosts are known again without having spoken");
    let core = simulator.core();
    assert_eq!(core.reconciler().counters().mods(), 0, "seed {seed}, spread {spread:?}: what is right is left alone");
    assert_eq!(core.switches_settling(), 0);
    simulator.assert_installed_is_desired();
}

#[test]
fn a_restart_loses_no_packet_and_sends_no_flow_mod() {
    for seed in 1..4 {
        restart(&FabricSpec::ring_with_chord(4, 6), seed, Duration::ZERO);
    }
}

#[test]
fn a_restart_with_switches_that_come_back_seconds_apart_loses_nothing() {
    // Open vSwitch waits 1, 2, 4, then 8 s between its tries.
    for (seed, millis) in [(1, 10), (2, 400), (3, 900), (4, 2_500)] {
        restart(&FabricSpec::ring_with_chord(4, 6), seed, Duration::from_millis(millis));
    }
}

#[test]
fn a_fat_tree_survives_a_restart() {
    restart(&FabricSpec::fat_tree(4), 5, Duration::from_millis(100));
}

#[test]
fn a_link_that_broke_while_the_controller_was_dead_is_given_up_in_the_end() {
    let spec = FabricSpec::ring_with_chord(4, 6);
    let mut simulator = Simulator::new(&spec, SimulatorOptions::default());
    simulator.converge();
    simulator.kill_controller();
    let now = simulator.now();
    simulator.fabric.cut_link(LinkIndex(0), CutKind::PortDown, now);
    simulator.run_for(Duration::from_secs(1));
    simulator.start_controller(Duration::from_millis(300));
    simulator.run_for(Duration::from_secs(30));
    let before = simulator.fabric.stats();
    simulator.probe_all_pairs(Duration::from_millis(1));
    simulator.run_for(Duration::from_secs(4));
    let after = simulator.fabric.stats();
    assert_eq!(after.probes_delivered - before.probes_delivered, after.probes_sent - before.probes_sent);
    assert_eq!(simulator.links_known(), spec.links.len() - 1);
    simulator.assert_no_loop();
    simulator.assert_installed_is_desired();
}

#[test]
fn a_port_that_never_comes_to_rest_holds_a_switch_for_a_limited_time() {
    let spec = FabricSpec::ring_with_chord(4, 6);
    let mut simulator = Simulator::new(&spec, SimulatorOptions::default());
    simulator.converge();
    simulator.kill_controller();
    simulator.run_for(Duration::from_secs(1));
    simulator.start_controller(Duration::ZERO);
    for n in 0..160 {
        let now = simulator.now();
        simulator.fabric.set_host_up(HostIndex(0), n % 4 != 0, now);
        simulator.run_for(Duration::from_millis(200));
    }
    assert_eq!(simulator.core().switches_settling(), 0);
}
