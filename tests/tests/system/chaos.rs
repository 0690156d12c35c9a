//! Random events from a seed; after quiescence no loop, no black hole, installed == desired, incremental == recompute.

use std::time::Duration;

use emulator::{CutKind, FabricSpec, HostIndex, LinkIndex};
use tests::{Simulator, SimulatorOptions};

/// A small generator of our own, so that a seed means the same run for ever (SplitMix64).
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit.max(1) as u64) as usize
    }
}

fn random_event(simulator: &mut Simulator, random: &mut Random) -> String {
    let spec = simulator.fabric.spec();
    let (switches, links, hosts) = (spec.switches.len(), spec.links.len(), spec.hosts.len());
    let now = simulator.now();
    match random.below(10) {
        0 | 1 => {
            let link = random.below(links);
            simulator.fabric.cut_link(LinkIndex(link), CutKind::PortDown, now);
            format!("cut {link}")
        }
        2 => {
            // Only a link that is known, and mended again before its ports count as edges: a cable that is plugged between two edge
            // ports without any of them going down is a loop until the next probe, and nobody can know it sooner.
            let link = random.below(links);
            let end = spec.links[link].a;
            if simulator.fabric.link_cut(LinkIndex(link)).is_none() && simulator.core().network().is_bidirectional(end)
            {
                simulator.fabric.cut_link(LinkIndex(link), CutKind::Silent, now);
                simulator.run_for(Duration::from_millis(random.below(5_000) as u64));
                let now = simulator.now();
                simulator.fabric.mend_link(LinkIndex(link), now);
            }
            format!("cut {link} silently for a while")
        }
        3 | 4 => {
            // Not while an end has no controller: it floods by its last tables, and nobody sees the cable that closes a loop there.
            let link = random.below(links);
            let ends = [spec.links[link].a, spec.links[link].b];
            if ends.iter().all(|end| simulator.core().is_live(end.datapath_id)) {
                simulator.fabric.mend_link(LinkIndex(link), now);
            }
            format!("mend {link}")
        }
        5 => {
            let id = spec.switches[random.below(switches)].datapath_id;
            simulator.break_connection(id, Duration::from_millis(random.below(3_000) as u64));
            format!("break the connection of {id}")
        }
        6 => {
            let (host, up) = (random.below(hosts), random.below(2) == 0);
            simulator.fabric.set_host_up(HostIndex(host), up, now);
            format!("host {host} up: {up}")
        }
        7 if random.below(4) == 0 => {
            simulator.kill_controller();
            simulator.run_for(Duration::from_millis(random.below(2_000) as u64));
            simulator.start_controller(Duration::from_millis(random.below(300) as u64));
            "restart the controller".to_owned()
        }
        _ => {
            let (source, target) = (random.below(hosts), random.below(hosts));
            if source != target {
                simulator.fabric.send_probe(HostIndex(source), HostIndex(target), now);
            }
            format!("probe {source} to {target}")
        }
    }
}

fn chaos(spec: &FabricSpec, seed: u64) {
    chaos_with(spec, seed, |_, _| None);
}

/// The same with something else that may happen before each event, and says what it was.
pub fn chaos_with(spec: &FabricSpec, seed: u64, besides: impl FnMut(&mut Simulator, &mut Random) -> Option<String>) {
    chaos_between(spec, seed, besides, |_| {});
}

/// The same with something that happens when the events are over.
pub fn chaos_between(
    spec: &FabricSpec,
    seed: u64,
    mut besides: impl FnMut(&mut Simulator, &mut Random) -> Option<String>,
    mut after: impl FnMut(&mut Simulator),
) {
    let mut random = Random(seed);
    let mut simulator = Simulator::new(spec, SimulatorOptions { seed, ..SimulatorOptions::default() });
    let mut events = Vec::new();
    for _ in 0..60 {
        if let Some(what) = besides(&mut simulator, &mut random) {
            events.push(format!("{} {what}", simulator.now()));
        }
        let what = random_event(&mut simulator, &mut random);
        events.push(format!("{} {what}", simulator.now()));
        simulator.run_for(Duration::from_micros(random.below(700_000) as u64));
        let looped = simulator.fabric.stats().looped_frames;
        assert_eq!(looped, 0, "seed {seed}: loop at {} after\n{}", simulator.now(), events.join("\n"));
    }
    after(&mut simulator);
    // Quiescence: everything is mended, everybody speaks.
    for link in 0..spec.links.len() {
        let now = simulator.now();
        simulator.fabric.mend_link(LinkIndex(link), now);
    }
    for host in 0..spec.hosts.len() {
        let now = simulator.now();
        simulator.fabric.set_host_up(HostIndex(host), true, now);
    }
    // Ports whose link fell silent are kept from being edges for 20 s, the start of a controller takes up to 30 s.
    simulator.run_for(Duration::from_secs(60));
    simulator.converge();
    let before = simulator.fabric.stats();
    simulator.probe_all_pairs(Duration::from_millis(1));
    simulator.run_for(Duration::from_secs(4));
    let after = simulator.fabric.stats();
    let sent = after.probes_sent - before.probes_sent;
    assert_eq!(after.probes_delivered - before.probes_delivered, sent, "seed {seed}: black hole");
    assert_eq!(after.looped_frames, 0, "seed {seed}: loop");
    // While a tree changes under a flooded frame a host may see it twice; once the network rests nobody may.
    assert_eq!(after.probes_duplicated - before.probes_duplicated, 0, "seed {seed}: doubled probes");
    simulator.assert_installed_is_desired();
}

#[test]
fn a_ring_with_a_chord_comes_to_rest_after_any_events() {
    for seed in 1..=100 {
        chaos(&FabricSpec::ring_with_chord(4, 6), seed);
    }
}

#[test]
fn a_fat_tree_comes_to_rest_after_any_events() {
    for seed in 1000..1012 {
        chaos(&FabricSpec::fat_tree(4), seed);
    }
}
