//! Trip 3: links break, loudly and silently, and come back.

use std::time::Duration;

use controller::core::CoreEvent;
use emulator::{CutKind, FabricEvent, FabricSpec, HostIndex, LinkIndex};
use net::Time;
use tests::{Simulator, SimulatorOptions};

/// Probes between all pairs in turn, one every `apart`, for `duration`.
fn probe_for(simulator: &mut Simulator, duration: Duration, apart: Duration) {
    let hosts = simulator.fabric.spec().hosts.len();
    let end = simulator.now() + duration;
    let mut n = 0;
    while simulator.now() < end {
        let (source, target) = (n % hosts, (n / hosts + n + 1) % hosts);
        if source != target {
            let now = simulator.now();
            simulator.fabric.send_probe(HostIndex(source), HostIndex(target), now);
        }
        n += 1;
        simulator.run_for(apart);
    }
}

fn lost(simulator: &Simulator) -> usize {
    simulator.fabric_events.iter().filter(|(_, event)| matches!(event, FabricEvent::ProbeLost { .. })).count()
}

fn warmed_up(spec: &FabricSpec, seed: u64) -> Simulator {
    let mut simulator = Simulator::new(spec, SimulatorOptions { seed, ..SimulatorOptions::default() });
    simulator.converge();
    simulator.probe_all_pairs(Duration::from_micros(200));
    simulator.run_for(Duration::from_secs(4));
    assert_eq!(lost(&simulator), 0);
    simulator
}

#[test]
fn a_port_that_goes_down_is_routed_around_within_10_ms_and_mending_loses_nothing() {
    let spec = FabricSpec::ring_with_chord(4, 6);
    for link in 0..spec.links.len() {
        let mut simulator = warmed_up(&spec, link as u64);
        let cut_at = simulator.now();
        simulator.fabric.cut_link(LinkIndex(link), CutKind::PortDown, cut_at);
        // For the news, the paths and the barriers: the control network needs 0.1 ms each way.
        simulator.run_for(Duration::from_millis(10));
        let rerouted = |(at, event): &(Time, CoreEvent)| *at > cut_at && matches!(event, CoreEvent::Rerouted { .. });
        assert!(simulator.core_events.iter().any(rerouted), "link {link}");
        let before = lost(&simulator);
        probe_for(&mut simulator, Duration::from_secs(1), Duration::from_millis(1));
        simulator.run_for(Duration::from_secs(4));
        assert_eq!(lost(&simulator), before, "link {link}: nothing is lost once it is routed around");
        let now = simulator.now();
        simulator.fabric.mend_link(LinkIndex(link), now);
        probe_for(&mut simulator, Duration::from_secs(3), Duration::from_millis(1));
        simulator.run_for(Duration::from_secs(4));
        assert_eq!(lost(&simulator), before, "link {link}: mending loses nothing");
        assert_eq!(simulator.links_known(), spec.links.len());
        simulator.assert_no_loop();
        simulator.assert_installed_is_desired();
    }
}

#[test]
fn a_silent_loss_is_routed_around_within_1000_ms_whenever_it_comes() {
    let spec = FabricSpec::ring_with_chord(4, 6);
    let mut simulator = warmed_up(&spec, 5);
    let links = simulator.links_known();
    let limit = Duration::from_millis(1_000);
    for phase in 0..20 {
        let cut_at = simulator.now();
        let link = LinkIndex(phase % links);
        simulator.fabric.cut_link(link, CutKind::Silent, cut_at);
        let rerouted = |(at, event): &(Time, CoreEvent)| *at > cut_at && matches!(event, CoreEvent::Rerouted { .. });
        simulator.run_while(limit, |simulator| !simulator.core_events.iter().any(rerouted));
        assert!(simulator.links_known() < links, "phase {phase}: not noticed within {limit:?}");
        // For the barriers.
        simulator.run_for(Duration::from_millis(10));
        let before = lost(&simulator);
        probe_for(&mut simulator, Duration::from_millis(100), Duration::from_millis(1));
        simulator.run_for(Duration::from_secs(4));
        assert_eq!(lost(&simulator), before, "phase {phase}");
        let now = simulator.now();
        simulator.fabric.mend_link(link, now);
        let back = simulator.run_while(Duration::from_secs(8), |simulator| simulator.links_known() < links);
        assert!(back, "phase {phase}: a mended link is found again");
        // The interval is 300 ms, give or take a twentieth.
        simulator.run_for(Duration::from_millis(3_000 + 16 * phase as u64));
    }
}

#[test]
fn a_silent_loss_in_a_fat_tree_is_noticed_by_its_probes_within_1000_ms() {
    let spec = FabricSpec::fat_tree(4);
    let mut simulator = warmed_up(&spec, 1);
    let links = simulator.links_known();
    let now = simulator.now();
    simulator.fabric.cut_link(LinkIndex(0), CutKind::Silent, now);
    let noticed = simulator.run_while(Duration::from_millis(1_000), |simulator| simulator.links_known() == links);
    assert!(noticed);
    simulator.run_for(Duration::from_millis(50));
    let before = lost(&simulator);
    probe_for(&mut simulator, Duration::from_secs(1), Duration::from_millis(1));
    simulator.run_for(Duration::from_secs(4));
    assert_eq!(lost(&simulator), before);
    let now = simulator.now();
    simulator.fabric.mend_link(LinkIndex(0), now);
    let back = simulator.run_while(Duration::from_secs(8), |simulator| simulator.links_known() < links);
    assert!(back, "a mended link is found again");
    simulator.run_for(Duration::from_secs(1));
    simulator.assert_no_loop();
    simulator.assert_installed_is_desired();
}

#[test]
fn a_broadcast_never_comes_back_while_the_tree_changes() {
    let spec = FabricSpec::ring_with_chord(4, 6);
    let mut simulator = warmed_up(&spec, 3);
    for round in 0..20 {
        let link = LinkIndex(round % spec.links.len());
        let now = simulator.now();
        simulator.fabric.cut_link(link, CutKind::PortDown, now);
        for _ in 0..20 {
            let now = simulator.now();
            simulator.fabric.announce(HostIndex(round % 6), now);
            simulator.run_for(Duration::from_micros(150));
        }
        let now = simulator.now();
        simulator.fabric.mend_link(link, now);
        for _ in 0..50 {
            let now = simulator.now();
            simulator.fabric.announce(HostIndex(round % 6), now);
            simulator.run_for(Duration::from_millis(20));
        }
    }
    simulator.assert_no_loop();
    for host in 0..6 {
        assert_eq!(simulator.fabric.host_stats(HostIndex(host)).echoed, 0, "host {host} heard itself");
    }
}

#[test]
fn a_switch_that_stays_away_leaves_nothing_behind() {
    let spec = FabricSpec::ring_with_chord(4, 6);
    let mut simulator = warmed_up(&spec, 4);
    let id = spec.switches[1].datapath_id;
    simulator.break_connection(id, Duration::from_secs(120));
    simulator.run_for(Duration::from_secs(100));
    let core = simulator.core();
    assert!(!core.network().switches.contains_key(&id));
    assert!(core.reconciler().sizes().all(|(known, _)| known != id));
    simulator.assert_installed_is_desired();
}

#[test]
fn a_switch_that_loses_its_controller_goes_on_forwarding() {
    let spec = FabricSpec::ring_with_chord(4, 6);
    let mut simulator = warmed_up(&spec, 4);
    let id = spec.switches[1].datapath_id;
    simulator.break_connection(id, Duration::from_secs(8));
    probe_for(&mut simulator, Duration::from_secs(12), Duration::from_millis(2));
    simulator.run_for(Duration::from_secs(4));
    assert_eq!(lost(&simulator), 0);
    assert!(simulator.core().network().switches[&id].connected);
    simulator.assert_no_loop();
    simulator.assert_installed_is_desired();
}

#[test]
fn a_controller_without_switches_has_nothing_to_do() {
    let mut simulator = Simulator::new(&FabricSpec::new(), SimulatorOptions::default());
    simulator.run_until(Time::from_secs(3_600));
    assert_eq!(simulator.core().poll_timeout(), None);
}
