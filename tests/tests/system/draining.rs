//! Maintenance: links and switches are drained and taken back while packets pass. None is lost, and what is drained is used where nothing else leads.

use std::time::Duration;

use controller::config::Config;
use controller::core::FabricSettings;
use emulator::{CutKind, FabricEvent, FabricSpec, HostIndex, LinkIndex};
use net::PortId;
use tests::{Simulator, SimulatorOptions};

/// What is under maintenance.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Drained {
    Nothing,
    Link(usize),
    Switch(usize),
}

fn settings(spec: &FabricSpec, drained: Drained, metric: &str) -> FabricSettings {
    let mut text = format!("paths: {{ metric: {metric} }}\nswitches:\n");
    for (n, switch) in spec.switches.iter().enumerate() {
        let drain = drained == Drained::Switch(n);
        text.push_str(&format!("  s{n}: {{ datapath_id: \"{}\", drain: {drain} }}\n", switch.datapath_id));
    }
    text.push_str("links:\n");
    for (n, link) in spec.links.iter().enumerate() {
        let end = |port: PortId| {
            let switch = spec.switches.iter().position(|switch| switch.datapath_id == port.datapath_id).unwrap();
            format!("s{switch}/{}", port.port_no)
        };
        let drain = drained == Drained::Link(n);
        text.push_str(&format!(
            "- {{ between: {} - {}, cost: {}, drain: {drain} }}\n",
            end(link.a),
            end(link.b),
            1 + n % 3
        ));
    }
    FabricSettings::from(&Config::parse(&text).unwrap_or_else(|problems| panic!("{problems}\n{text}")))
}

/// Probes between all pairs in turn, twenty a millisecond.
fn probe_for(simulator: &mut Simulator, duration: Duration) {
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
        simulator.run_for(Duration::from_micros(50));
    }
}

fn lost(simulator: &Simulator) -> usize {
    simulator.fabric_events.iter().filter(|(_, event)| matches!(event, FabricEvent::ProbeLost { .. })).count()
}

fn converged(spec: &FabricSpec, seed: u64, metric: &str) -> Simulator {
    let mut simulator = Simulator::new(spec, SimulatorOptions { seed, ..SimulatorOptions::default() });
    simulator.configure(settings(spec, Drained::Nothing, metric));
    simulator.converge();
    simulator.probe_all_pairs(Duration::from_micros(200));
    simulator.run_for(Duration::from_secs(4));
    assert_eq!(lost(&simulator), 0);
    simulator
}

/// Whether packets between others, or between any, take a link.
fn is_used(simulator: &Simulator, ports: &[PortId], by_others: bool) -> bool {
    let paths = simulator.core().paths();
    let ends: Vec<_> = ports.iter().map(|port| port.datapath_id).collect();
    paths.switches().filter(|to| !by_others || !ends.contains(to)).any(|to| {
        let uses = |port: &PortId| {
            paths
                .hop(port.datapath_id, to)
                .is_some_and(|hop| hop.ports.contains(&port.port_no) || hop.alternate == Some(port.port_no))
        };
        ports.iter().any(uses)
    })
}

#[test]
fn links_and_switches_are_drained_and_taken_back_without_a_lost_packet() {
    let spec = FabricSpec::ring_with_chord(4, 6);
    for metric in ["hops", "cost"] {
        let mut simulator = converged(&spec, 7, metric);
        let all = (0..spec.links.len()).map(Drained::Link).chain((0..spec.switches.len()).map(Drained::Switch));
        for drained in all {
            for now in [drained, Drained::Nothing] {
                simulator.configure(settings(&spec, now, metric));
                probe_for(&mut simulator, Duration::from_millis(200));
                simulator.run_for(Duration::from_secs(4));
                assert_eq!(lost(&simulator), 0, "{metric}, {now:?} after {drained:?}");
                simulator.assert_no_loop();
                simulator.assert_desired_is_recomputed();
                simulator.assert_installed_is_desired();
                match now {
                    Drained::Link(n) => assert!(!is_used(&simulator, &[spec.links[n].a, spec.links[n].b], false)),
                    // What comes to the switch is for its own hosts: nobody goes on from it.
                    Drained::Switch(n) => {
                        let id = spec.switches[n].datapath_id;
                        let of_others =
                            |link: &&emulator::LinkSpec| link.a.datapath_id == id || link.b.datapath_id == id;
                        for link in spec.links.iter().filter(of_others) {
                            let far = if link.a.datapath_id == id { link.b } else { link.a };
                            let paths = simulator.core().paths();
                            let passes = paths.switches().filter(|to| *to != id && *to != far.datapath_id).any(|to| {
                                paths.hop(far.datapath_id, to).is_some_and(|hop| hop.ports.contains(&far.port_no))
                            });
                            assert!(!passes, "{metric}: {id} is somebody's way");
                        }
                    }
                    Drained::Nothing => {}
                }
            }
        }
    }
}

/// Nobody is stranded: neither by a drained link that is the only one, nor by a drained switch in the middle, nor when the other way breaks.
#[test]
fn what_is_drained_is_the_last_way() {
    let spec = FabricSpec::linear(3);
    let mut simulator = converged(&spec, 8, "hops");
    for drained in [Drained::Link(0), Drained::Switch(1), Drained::Nothing] {
        simulator.configure(settings(&spec, drained, "hops"));
        probe_for(&mut simulator, Duration::from_millis(100));
        simulator.run_for(Duration::from_secs(4));
        assert_eq!(lost(&simulator), 0, "{drained:?}");
        assert_eq!(simulator.core().paths().pair_count(), 6, "{drained:?}");
    }
    let spec = FabricSpec::ring_with_chord(4, 6);
    let mut simulator = converged(&spec, 9, "hops");
    simulator.configure(settings(&spec, Drained::Link(0), "hops"));
    let ends = [spec.links[0].a, spec.links[0].b];
    let others = spec.links.iter().enumerate().filter(|(n, link)| {
        *n > 0 && (link.a.datapath_id == ends[0].datapath_id || link.b.datapath_id == ends[0].datapath_id)
    });
    for (n, _) in others {
        let now = simulator.now();
        simulator.fabric.cut_link(LinkIndex(n), CutKind::PortDown, now);
    }
    simulator.run_for(Duration::from_secs(2));
    let before = lost(&simulator);
    assert!(is_used(&simulator, &ends, false), "nothing else leads there any more");
    probe_for(&mut simulator, Duration::from_millis(200));
    simulator.run_for(Duration::from_secs(4));
    assert_eq!(lost(&simulator), before);
    simulator.assert_installed_is_desired();
}
