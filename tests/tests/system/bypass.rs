//! Ways round dead links (decision 0017): what switches do while nobody tells them anything.

use std::time::Duration;

use controller::config::Config;
use controller::core::FabricSettings;
use emulator::{CutKind, FabricSpec, LinkIndex};
use tests::{Simulator, SimulatorOptions};

fn settings(bypasses: bool) -> FabricSettings {
    FabricSettings::from(&Config::parse(&format!("paths: {{ bypasses: {bypasses} }}\n")).expect("a configuration"))
}

/// Probes between all hosts, all of them within a second; how many were lost.
fn lost(simulator: &mut Simulator) -> u64 {
    let before = simulator.fabric.stats();
    simulator.probe_all_pairs(Duration::from_millis(1));
    simulator.run_for(Duration::from_millis(700));
    let after = simulator.fabric.stats();
    (after.probes_sent - before.probes_sent) - (after.probes_delivered - before.probes_delivered)
}

/// Each link in turn goes down while no controller runs: nothing is lost. A controller that comes then has nothing to change.
fn heals_by_itself(spec: &FabricSpec, seed: u64) {
    let mut simulator = Simulator::new(spec, SimulatorOptions { seed, ..SimulatorOptions::default() });
    simulator.configure(settings(true));
    simulator.converge();
    // The first ones are lost while addresses are asked for.
    lost(&mut simulator);
    simulator.run_for(Duration::from_secs(3));
    assert_eq!(lost(&mut simulator), 0);
    simulator.assert_installed_is_desired();
    simulator.kill_controller();
    for link in (0..spec.links.len()).map(LinkIndex) {
        simulator.fabric.cut_link(link, CutKind::PortDown, simulator.now());
        assert_eq!(lost(&mut simulator), 0, "link {} is down", link.0);
        simulator.fabric.mend_link(link, simulator.now());
    }
    assert_eq!(lost(&mut simulator), 0);
    simulator.start_controller(Duration::from_millis(100));
    simulator.run_for(Duration::from_secs(10));
    assert_eq!(simulator.core().switches_settling(), 0);
    assert_eq!(simulator.core().reconciler().counters().mods(), 0, "what is right is left alone");
    simulator.assert_installed_is_desired();
}

#[test]
fn a_fat_tree_without_a_controller_loses_nothing_by_a_dead_link() {
    heals_by_itself(&FabricSpec::fat_tree(4), 1);
}

#[test]
fn a_ring_without_a_controller_loses_nothing_by_a_dead_link() {
    heals_by_itself(&FabricSpec::ring_with_chord(9, 9), 2);
}

#[test]
fn bypasses_come_and_go_with_the_configuration_and_leave_nothing_behind() {
    let mut simulator =
        Simulator::new(&FabricSpec::fat_tree(4), SimulatorOptions { seed: 3, ..SimulatorOptions::default() });
    simulator.configure(settings(false));
    simulator.converge();
    lost(&mut simulator);
    simulator.run_for(Duration::from_secs(3));
    let rules = |simulator: &Simulator| -> usize {
        let core = simulator.core();
        core.network().switches.keys().map(|&id| core.reconciler().installed(id).count()).sum()
    };
    let before = rules(&simulator);
    for _ in 0..2 {
        simulator.configure(settings(true));
        simulator.run_for(Duration::from_secs(3));
        simulator.assert_installed_is_desired();
        // For each of 64 directions two switches between and the last one, and a rule against tags from elsewhere on each of 20 switches.
        assert_eq!(rules(&simulator) - before, 64 * 3 + 20);
        assert_eq!(lost(&mut simulator), 0);
        simulator.configure(settings(false));
        simulator.run_for(Duration::from_secs(3));
        simulator.assert_installed_is_desired();
        assert_eq!(rules(&simulator), before);
        assert_eq!(lost(&mut simulator), 0);
    }
}
