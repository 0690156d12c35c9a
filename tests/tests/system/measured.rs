//! Links that cost more the more they carry: traffic leaves a busy one, and does not go to and fro.

use std::time::Duration;

use controller::config::Config;
use controller::core::{CoreEvent, FabricSettings};
use emulator::{FabricEvent, FabricSpec, HostIndex};
use net::{PortId, Time};
use tests::{Simulator, SimulatorOptions};

/// A link so slow that a datagram every 10 ms fills it, beside fast ones.
fn settings(spec: &FabricSpec) -> FabricSettings {
    let mut text = "paths: { metric: utilisation }\nswitches:\n".to_owned();
    for (n, switch) in spec.switches.iter().enumerate() {
        text.push_str(&format!("  s{n}: {{ datapath_id: \"{}\" }}\n", switch.datapath_id));
    }
    let end = |port: PortId| {
        let switch = spec.switches.iter().position(|switch| switch.datapath_id == port.datapath_id).unwrap();
        format!("s{switch}/{}", port.port_no)
    };
    text.push_str("links:\n");
    for (n, link) in spec.links.iter().enumerate() {
        let bandwidth = if n == 0 { "40k" } else { "10G" };
        text.push_str(&format!("- {{ between: {} - {}, bandwidth: {bandwidth} }}\n", end(link.a), end(link.b)));
    }
    FabricSettings::from(&Config::parse(&text).unwrap_or_else(|problems| panic!("{problems}\n{text}")))
}

#[test]
fn traffic_leaves_a_busy_link_without_loss_and_comes_back_ever_more_seldom() {
    let spec = FabricSpec::ring_with_chord(4, 6);
    let mut simulator = Simulator::new(&spec, SimulatorOptions { seed: 3, ..SimulatorOptions::default() });
    simulator.configure(settings(&spec));
    simulator.converge();
    let [a, b] = [spec.links[0].a, spec.links[0].b];
    let host = |port: PortId| spec.hosts.iter().position(|host| host.port.datapath_id == port.datapath_id).unwrap();
    let (from, to) = (HostIndex(host(a)), HostIndex(host(b)));
    let is_direct = |simulator: &Simulator| {
        let hop = simulator.core().paths().hop(a.datapath_id, b.datapath_id).unwrap();
        hop.ports.contains(&a.port_no)
    };
    assert!(is_direct(&simulator));
    // When it was left and when it was taken again.
    let mut changes: Vec<Time> = Vec::new();
    let (start, mut direct) = (simulator.now(), true);
    while simulator.now().since(start) < Duration::from_secs(900) {
        let now = simulator.now();
        simulator.fabric.send_probe(from, to, now);
        simulator.run_for(Duration::from_millis(10));
        if is_direct(&simulator) != direct {
            direct = !direct;
            changes.push(simulator.now());
        }
    }
    simulator.run_for(Duration::from_secs(4));
    let lost =
        simulator.fabric_events.iter().filter(|(_, event)| matches!(event, FabricEvent::ProbeLost { .. })).count();
    assert_eq!(lost, 0);
    let told = simulator.core_events.iter().filter(|(_, event)| matches!(event, CoreEvent::Weighed { .. })).count();
    assert!(told >= changes.len(), "{told} of {} told", changes.len());
    let pauses: Vec<u64> = changes.windows(2).map(|pair| pair[1].since(pair[0]).as_secs()).collect();
    assert!(!changes.is_empty() && changes.len() <= 8, "{changes:?}");
    assert!(pauses.iter().all(|pause| *pause >= 30), "{pauses:?}");
    // It is away for two minutes at least, then for four.
    let away: Vec<u64> = pauses.iter().step_by(2).copied().collect();
    assert!(away.first().is_some_and(|first| *first >= 120) && away.is_sorted(), "{away:?}");
    simulator.assert_desired_is_recomputed();
    simulator.assert_installed_is_desired();
}
