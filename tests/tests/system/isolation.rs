//! Groups that are kept apart: whoever is in one hears nothing of the others, wherever it goes; everybody else hears everybody.

use std::sync::Arc;
use std::time::Duration;

use controller::config::Config;
use controller::core::FabricSettings;
use controller::verdict::{Finding, Question, check_configuration};
use emulator::{CutKind, FabricSpec, HostIndex, LinkIndex, ProbeKind};
use tests::{Simulator, SimulatorOptions};

use crate::chaos::{Random, chaos_between};

/// The settings with these groups of one set.
fn apart(spec: &FabricSpec, groups: &[&str]) -> FabricSettings {
    let mut text = "switches:\n".to_owned();
    for (n, switch) in spec.switches.iter().enumerate() {
        text.push_str(&format!("  s{n}: {{ datapath_id: \"{}\" }}\n", switch.datapath_id));
    }
    text.push_str("isolate:\n  plant:\n    groups:\n");
    for (n, group) in groups.iter().enumerate() {
        text.push_str(&format!("      g{n}: {group}\n"));
    }
    FabricSettings::from(&Config::parse(&text).unwrap_or_else(|problems| panic!("{problems}\n{text}")))
}

fn nobody() -> FabricSettings {
    FabricSettings::from(&Config::default())
}

/// The port of a host, as `isolate` names it.
fn port_of(spec: &FabricSpec, host: usize) -> String {
    let port = spec.hosts[host].port;
    let switch = spec.switches.iter().position(|switch| switch.datapath_id == port.datapath_id).unwrap();
    format!("s{switch}/{}", port.port_no)
}

/// Which host reaches which by an echo of this kind.
fn reached(simulator: &mut Simulator, kind: ProbeKind) -> Vec<Vec<bool>> {
    let hosts = simulator.fabric.spec().hosts.len();
    let mut reached = vec![vec![true; hosts]; hosts];
    for (source, row) in reached.iter_mut().enumerate() {
        for (target, reached) in row.iter_mut().enumerate().filter(|(target, _)| *target != source) {
            let (before, now) = (simulator.fabric.stats().probes_delivered, simulator.now());
            simulator.fabric.send_probe_of(kind, HostIndex(source), HostIndex(target), now);
            simulator.run_for(Duration::from_millis(300));
            *reached = simulator.fabric.stats().probes_delivered > before;
        }
    }
    reached
}

/// Frames that hosts have taken in, of any kind.
fn heard(simulator: &Simulator) -> Vec<u64> {
    let hosts = simulator.fabric.spec().hosts.len();
    (0..hosts).map(|host| simulator.fabric.host_stats(HostIndex(host)).accepted).collect()
}

fn expect(reached: &[Vec<bool>], never: impl Fn(usize, usize) -> bool, what: &str) {
    for (source, row) in reached.iter().enumerate() {
        for (target, reached) in row.iter().enumerate().filter(|(target, _)| *target != source) {
            assert_eq!(*reached, !never(source, target), "{what}: {source} to {target}");
        }
    }
}

/// Hosts 0 and 1 against 2 and 3; 4 and 5 are in no group.
fn of_two(source: usize, target: usize) -> bool {
    source < 4 && target < 4 && (source < 2) != (target < 2)
}

fn ring(seed: u64) -> Simulator {
    let options = SimulatorOptions { seed, ..SimulatorOptions::default() };
    let mut simulator = Simulator::new(&FabricSpec::ring_with_chord(4, 6), options);
    simulator.converge();
    simulator
}

#[test]
fn hosts_named_by_mac_address_by_ip_address_and_by_port_are_kept_apart_alike() {
    let spec = FabricSpec::ring_with_chord(4, 6);
    let list =
        |of: &dyn Fn(usize) -> String, hosts: [usize; 2]| hosts.map(of).map(|name| format!("\"{name}\"")).join(", ");
    let mac = |host: usize| spec.hosts[host].mac.to_string();
    let ip = |host: usize| spec.hosts[host].ipv4.to_string();
    let port = |host: usize| port_of(&spec, host);
    let named: [(&str, &dyn Fn(usize) -> String); 3] = [("hosts", &mac), ("hosts", &ip), ("ports", &port)];
    for (n, (key, of)) in named.into_iter().enumerate() {
        let mut simulator = ring(n as u64);
        let groups = [[0, 1], [2, 3]].map(|hosts| format!("{{ {key}: [{}] }}", list(of, hosts)));
        let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
        assert!(simulator.configure(apart(&spec, &groups)).contains(&"isolate"));
        simulator.run_for(Duration::from_secs(1));
        simulator.assert_installed_is_desired();
        expect(&reached(&mut simulator, ProbeKind::Echo), of_two, &format!("{key} {n}"));
        simulator.configure(nobody());
        simulator.run_for(Duration::from_secs(1));
        simulator.assert_installed_is_desired();
        expect(&reached(&mut simulator, ProbeKind::Echo), |_, _| false, "all of it is gone");
        simulator.assert_no_loop();
    }
}

#[test]
fn ipv6_and_questions_to_all_are_kept_apart_too() {
    let spec = FabricSpec::ring_with_chord(4, 6);
    let mut simulator = ring(7);
    let groups =
        [[0, 1], [2, 3]].map(|hosts| format!("{{ ports: [{}] }}", hosts.map(|host| port_of(&spec, host)).join(", ")));
    simulator.configure(apart(&spec, &[&groups[0], &groups[1]]));
    simulator.run_for(Duration::from_secs(1));
    let v6 = reached(&mut simulator, ProbeKind::EchoV6);
    expect(&v6, of_two, "IPv6");
    // An announcement goes to everybody but the other group.
    let before = heard(&simulator);
    let now = simulator.now();
    simulator.fabric.announce(HostIndex(0), now);
    simulator.run_for(Duration::from_millis(100));
    let after = heard(&simulator);
    assert_eq!((after[2] - before[2], after[3] - before[3]), (0, 0), "the other group has heard it");
    simulator.assert_no_loop();
}

#[test]
fn a_host_that_moves_takes_its_group_along_or_leaves_it_as_it_is_named() {
    let spec = FabricSpec::ring_with_chord(4, 6);
    // By its address: apart wherever it is. By its port: only there.
    for (by_port, still) in [(false, true), (true, false)] {
        let mut simulator = ring(11);
        let first = if by_port {
            format!("ports: [{}]", port_of(&spec, 0))
        } else {
            format!("hosts: [\"{}\"]", spec.hosts[0].mac)
        };
        let groups = [format!("{{ {first} }}"), format!("{{ ports: [{}] }}", port_of(&spec, 3))];
        simulator.configure(apart(&spec, &[&groups[0], &groups[1]]));
        simulator.run_for(Duration::from_secs(1));
        let never = |source: usize, target: usize| [(0, 3), (3, 0)].contains(&(source, target));
        expect(&reached(&mut simulator, ProbeKind::Echo), never, "before");
        let to = spec.next_port(spec.switches[2].datapath_id);
        let now = simulator.now();
        assert!(simulator.fabric.move_host(HostIndex(0), to, now));
        simulator.run_for(Duration::from_secs(2));
        let now = simulator.now();
        simulator.fabric.announce(HostIndex(0), now);
        simulator.run_for(Duration::from_millis(500));
        expect(&reached(&mut simulator, ProbeKind::Echo), |a, b| still && never(a, b), "after the move");
        simulator.assert_installed_is_desired();
        simulator.assert_no_loop();
    }
}

/// What is wrong with a configuration in the network as the controller knows it.
fn wrong(simulator: &Simulator, settings: &FabricSettings) -> Vec<Finding> {
    let network = Arc::new(simulator.core().network().clone());
    let (rules, isolation) = (settings.rules.clone(), settings.isolation.clone());
    let verdict = check_configuration(&Question { network, rules, isolation, weights: Default::default() });
    assert_eq!(verdict.not_proven, []);
    verdict.wrong
}

#[test]
fn what_the_controller_does_with_groups_and_without_is_proven_safe_in_every_network() {
    for spec in [FabricSpec::linear(4), FabricSpec::ring_with_chord(4, 6), FabricSpec::fat_tree(4)] {
        let mut simulator = Simulator::new(&spec, SimulatorOptions::default());
        simulator.converge();
        assert_eq!(wrong(&simulator, &nobody()), []);
        let groups = [
            format!("{{ ports: [{}], hosts: [\"{}\", 10.9.0.0/16] }}", port_of(&spec, 0), spec.hosts[1].mac),
            format!("{{ ports: [{}], hosts: [\"{}\", \"2001:db8:9::/64\"] }}", port_of(&spec, 2), spec.hosts[3].ipv4),
        ];
        let apart = apart(&spec, &[&groups[0], &groups[1]]);
        assert_eq!(wrong(&simulator, &apart), []);
        // A link that is down is one way less, and no other thing.
        let now = simulator.now();
        simulator.fabric.cut_link(LinkIndex(0), CutKind::PortDown, now);
        simulator.run_for(Duration::from_secs(2));
        assert_eq!(wrong(&simulator, &apart), []);
        // A rule to a port that is not there.
        let bad = Config::parse(&format!(
            "switches: {{ a: {{ datapath_id: \"{}\" }} }}\nflows: {{ a: [\"in_port={},udp,actions=output:4000\"] }}",
            spec.hosts[0].port.datapath_id, spec.hosts[0].port.port_no
        ));
        let found = wrong(&simulator, &FabricSettings::from(&bad.unwrap()));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].kind, found[0].rules[0].line), ("black hole", Some(2)));
    }
}

#[test]
fn a_ring_with_groups_comes_to_rest_after_any_events_and_configurations() {
    let spec = FabricSpec::ring_with_chord(4, 6);
    for seed in 1..=25 {
        let settings = |random: &mut Random| {
            let side = |random: &mut Random, host: usize| match random.below(3) {
                0 => format!("hosts: [\"{}\"]", spec.hosts[host].mac),
                1 => format!("hosts: [\"{}\"]", spec.hosts[host].ipv4),
                _ => format!("ports: [{}]", port_of(&spec, host)),
            };
            let [one, other] = [0, 3].map(|host| format!("{{ {} }}", side(random, host)));
            if random.below(4) == 0 { nobody() } else { apart(&spec, &[&one, &other]) }
        };
        // In the end everybody may reach everybody again, or the rest would not be the usual one.
        chaos_between(
            &spec,
            seed,
            |simulator, random| {
                (random.below(3) == 0).then(|| {
                    let settings = settings(random);
                    let groups = settings.isolation.groups().len();
                    simulator.configure(settings);
                    format!("another configuration with {groups} groups")
                })
            },
            |simulator| {
                simulator.assert_desired_is_recomputed();
                simulator.configure(nobody());
            },
        );
    }
}
