//! Another configuration while everything runs: only what is different goes out, and in the end all is as if it had been there from the start.

use std::time::Duration;

use controller::config::Config;
use controller::core::FabricSettings;
use emulator::FabricSpec;
use tests::{Simulator, SimulatorOptions};

use crate::chaos::{Random, chaos_with};

fn settings(text: &str) -> FabricSettings {
    FabricSettings::from(&Config::parse(text).unwrap_or_else(|problems| panic!("{problems}\n{text}")))
}

/// The configuration with these rules for all switches and for the first one.
fn with_rules(all: &[&str], first: &[&str]) -> FabricSettings {
    let list = |rules: &[&str]| rules.iter().map(|rule| format!("\n    - {rule}")).collect::<String>();
    let id = FabricSpec::ring_with_chord(4, 6).switches[0].datapath_id;
    let switches = format!("switches: {{ first: {{ datapath_id: \"{id}\", ports: {{ 1: {{ name: one }} }} }} }}\n");
    let of = |name: &str, rules: &[&str]| match rules {
        [] => format!("  {name}: []\n"),
        _ => format!("  {name}:{}\n", list(rules)),
    };
    settings(&format!("{switches}flows:\n{}{}", of("all", all), of("first", first)))
}

fn ring(seed: u64) -> Simulator {
    let mut options = SimulatorOptions { seed, ..SimulatorOptions::default() };
    // As a file without a word about it has it.
    (options.core.flows, options.core.discovery) = (settings("").flows, settings("").discovery);
    let mut simulator = Simulator::new(&FabricSpec::ring_with_chord(4, 6), options);
    simulator.converge();
    simulator
}

/// Probes between all hosts; how many have come back.
fn delivered(simulator: &mut Simulator) -> (u64, u64) {
    let before = simulator.fabric.stats();
    simulator.probe_all_pairs(Duration::from_millis(1));
    simulator.run_for(Duration::from_secs(4));
    let after = simulator.fabric.stats();
    (after.probes_delivered - before.probes_delivered, after.probes_sent - before.probes_sent)
}

fn flow_mods(simulator: &Simulator) -> [u64; 2] {
    simulator.core().reconciler().counters().flow_mods
}

#[test]
fn the_operators_rules_come_before_everything_and_go_without_a_trace() {
    let mut simulator = ring(1);
    let (came, sent) = delivered(&mut simulator);
    assert_eq!(came, sent);
    let [adds, removals] = flow_mods(&simulator);
    assert_eq!(simulator.configure(with_rules(&["priority=7,icmp,actions=drop"], &[])), ["flows"]);
    simulator.run_for(Duration::from_secs(1));
    simulator.assert_installed_is_desired();
    let [adds, removals] = {
        let now = flow_mods(&simulator);
        assert_eq!(now, [adds + 4, removals], "one rule on each of four switches");
        now
    };
    assert_eq!(delivered(&mut simulator).0, 0, "no echo gets through");
    assert!(simulator.links_known() > 0, "links are found all the same");
    // What is sent on goes its usual way.
    let on =
        with_rules(&["priority=7,icmp,actions=goto_table:1"], &["priority=9,icmp,in_port=one,actions=goto_table:1"]);
    simulator.configure(on.clone());
    simulator.run_for(Duration::from_secs(1));
    assert_eq!(flow_mods(&simulator), [adds + 4 + 1, removals]);
    let (came, sent) = delivered(&mut simulator);
    assert_eq!(came, sent);
    let now = flow_mods(&simulator);
    assert_eq!(simulator.configure(on), [""; 0], "the same again");
    assert_eq!(flow_mods(&simulator), now);
    simulator.configure(with_rules(&[], &[]));
    simulator.run_for(Duration::from_secs(1));
    let [adds, removals] = now;
    assert_eq!(flow_mods(&simulator), [adds, removals + 5]);
    simulator.assert_installed_is_desired();
    simulator.assert_no_loop();
}

#[test]
fn a_controller_that_starts_again_with_the_same_rules_sends_none() {
    let mut simulator = ring(2);
    let rules: Vec<String> = (1..1_500).map(|port| format!("priority=7,tcp,tp_dst={port},actions=drop")).collect();
    let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
    simulator.configure(with_rules(&rules, &["table=150,actions=drop"]));
    simulator.run_for(Duration::from_secs(3));
    simulator.assert_installed_is_desired();
    simulator.kill_controller();
    simulator.run_for(Duration::from_secs(1));
    simulator.start_controller(Duration::from_millis(100));
    simulator.run_for(Duration::from_secs(10));
    assert_eq!(simulator.core().switches_settling(), 0);
    assert_eq!(simulator.core().reconciler().counters().mods(), 0, "what is right is left alone");
    simulator.assert_installed_is_desired();
    // And one that starts with fewer takes away what is too much, and nothing else.
    simulator.kill_controller();
    simulator.run_for(Duration::from_secs(1));
    simulator.configure(with_rules(&rules[..1_400], &["table=150,actions=drop"]));
    simulator.start_controller(Duration::from_millis(100));
    simulator.run_for(Duration::from_secs(10));
    assert_eq!(simulator.core().reconciler().counters().flow_mods, [0, 4 * 99]);
    simulator.assert_installed_is_desired();
}

#[test]
fn another_host_timeout_is_on_every_rule_of_a_host() {
    let mut simulator = ring(3);
    assert_eq!(simulator.configure(settings("fabric: { host_timeout: 77s }")), ["fabric.host_timeout"]);
    simulator.run_for(Duration::from_secs(1));
    let core = simulator.core();
    let timeouts: Vec<u16> = core
        .network()
        .switches
        .keys()
        .flat_map(|&id| core.reconciler().installed(id).map(|(_, rule)| rule.idle_timeout))
        .filter(|timeout| *timeout > 0)
        .collect();
    assert_eq!(timeouts, vec![77; simulator.fabric.spec().hosts.len()]);
    simulator.assert_installed_is_desired();
}

#[test]
fn another_probe_interval_counts_from_the_next_probes_on() {
    let mut simulator = ring(4);
    let probes = |simulator: &mut Simulator| {
        let before = simulator.core().discovery_counters().probes_received;
        simulator.run_for(Duration::from_secs(6));
        simulator.core().discovery_counters().probes_received - before
    };
    let before = probes(&mut simulator);
    let links = simulator.links_known();
    assert_eq!(simulator.configure(settings("fabric: { probe_interval: 100ms }")), ["fabric.probe_interval"]);
    let after = probes(&mut simulator);
    assert!(after > 2 * before, "{before} probes before, {after} after");
    simulator.configure(settings("fabric: { probe_interval: 2s }"));
    let last = probes(&mut simulator);
    assert!(last < before, "{before} probes before, {last} in the end");
    assert_eq!(simulator.links_known(), links);
}

/// A random configuration that lets every probe through.
fn random_settings(random: &mut Random) -> FabricSettings {
    let mut rules = std::collections::BTreeSet::new();
    for _ in 0..random.below(40) {
        let port = random.below(60);
        rules.insert(match random.below(4) {
            0 => format!("priority={},tcp,tp_dst={port},actions=drop", 1 + random.below(3)),
            1 => format!("priority=9,udp,tp_dst={port},actions=goto_table:{}", 100 + random.below(3)),
            2 => format!("table={},priority={port},actions=drop", 100 + random.below(3)),
            _ => format!("priority={},icmp,actions=goto_table:1", 100 + port),
        });
    }
    let rules: Vec<&String> = rules.iter().collect();
    // One identity stands once: the later of two is left out.
    let mut seen = std::collections::BTreeSet::new();
    let rules: Vec<&str> = rules
        .into_iter()
        .filter(|rule| seen.insert(rule.split(",actions=").next().map(str::to_owned)))
        .map(String::as_str)
        .collect();
    let half = random.below(rules.len() + 1);
    let mut settings = with_rules(&rules[..half], &rules[half..]);
    settings.discovery.probe_interval = Duration::from_millis([200, 300, 400][random.below(3)]);
    settings.discovery.host_timeout = Duration::from_secs([300, 400][random.below(2)]);
    settings
}

#[test]
fn a_ring_comes_to_rest_after_any_events_and_configurations() {
    for seed in 1..=25 {
        chaos_with(&FabricSpec::ring_with_chord(4, 6), seed, |simulator, random| {
            (random.below(3) == 0).then(|| {
                let settings = random_settings(random);
                let rules = settings.rules.len();
                simulator.configure(settings);
                format!("another configuration with {rules} rules")
            })
        });
    }
}
