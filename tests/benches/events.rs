//! What one event costs the controller's core: 10, 100 and 1,000 switches with 100,000 rules of the operator's between them.
//!
//! Things happen in a ring of four switches with six hosts; beside it stand as many leaves with two spines as make up the number, and nothing
//! happens there. Each figure is the time of all turns of the core from the event on until its consequences are confirmed, and the longest of
//! those turns; the switches and the network between are emulated, and their time is not in it. The floor is the same stretch of time with no event in it.
#![allow(clippy::disallowed_methods)]

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use controller::config::Config;
use controller::core::FabricSettings;
use emulator::{CutKind, FabricSpec, HostIndex, LinkIndex};
use net::{DatapathId, PortId};
use tests::{Simulator, SimulatorOptions, Stopwatch};

const RING: u64 = 4;
const SPINES: u64 = 2;
const RULES: usize = 100_000;
const ROUNDS: usize = 15;
const RING_HOST: HostIndex = HostIndex(5);
const RING_LINK: LinkIndex = LinkIndex(0);
/// Virtual time that an event is given.
const WINDOW: Duration = Duration::from_millis(400);
const PROBE_INTERVAL: Duration = Duration::from_secs(60);
const HOST_TIMEOUT: Duration = Duration::from_secs(60_000);
/// Virtual time in which a port that came up is found to be an edge: several probes without an answer.
const DWELL: Duration = Duration::from_secs(400);

fn nanoseconds() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    u64::try_from(START.get_or_init(Instant::now).elapsed().as_nanos()).unwrap_or(u64::MAX)
}

fn fabric(switches: u64) -> FabricSpec {
    let mut spec = FabricSpec::ring_with_chord(RING as usize, 6);
    let others = switches - RING;
    let id = |n: u64| DatapathId(0x1000 + n);
    for n in 0..others {
        spec.add_switch(id(n), &format!("other{n}"));
        for spine in 0..SPINES.min(n) {
            spec.add_link(id(spine), id(n));
        }
    }
    spec
}

/// The operator's rules, evenly on all switches, and `more` on the first.
fn settings(spec: &FabricSpec, rules: usize, more: &[String]) -> FabricSettings {
    let each = rules.div_ceil(spec.switches.len());
    let mut text = String::from("switches:\n");
    for (n, switch) in spec.switches.iter().enumerate() {
        text += &format!("  s{n}: {{ datapath_id: \"{}\" }}\n", switch.datapath_id);
    }
    text += "flows:\n";
    for n in 0..spec.switches.len() {
        text += &format!("  s{n}:\n");
        for rule in 0..each {
            let (high, low) = (rule / 250, rule % 250);
            text += &format!(
                "    - \"priority=10,udp,nw_dst=192.0.{low}.{},tp_dst={},actions=drop\"\n",
                high % 250,
                1024 + high / 250
            );
        }
        if n == 0 {
            more.iter().for_each(|rule| text += &format!("    - \"{rule}\"\n"));
        }
    }
    FabricSettings::from(&Config::parse(&text).unwrap_or_else(|problems| panic!("{problems}")))
}

/// What goes on all the time would hide what an event costs.
fn slow_down(settings: &mut FabricSettings) {
    settings.discovery.probe_interval = PROBE_INTERVAL;
    settings.discovery.edge_probe_interval = PROBE_INTERVAL;
    settings.discovery.host_timeout = HOST_TIMEOUT;
}

struct Bench {
    simulator: Simulator,
    spare: PortId,
    home: PortId,
}

/// Microseconds: of all turns, and of the longest.
type Cost = [f64; 2];

impl Bench {
    fn new(switches: u64, rules: usize) -> Bench {
        let spec = fabric(switches);
        let mut options = SimulatorOptions { seed: 7, ..SimulatorOptions::default() };
        options.core.discovery.probe_interval = PROBE_INTERVAL;
        options.core.discovery.edge_probe_interval = PROBE_INTERVAL;
        options.core.discovery.host_timeout = HOST_TIMEOUT;
        options.core.port_stats_interval = Duration::from_secs(100_000);
        let mut simulator = Simulator::new(&spec, options);
        let mut settings = settings(&spec, rules, &[]);
        slow_down(&mut settings);
        simulator.configure(settings);
        simulator.run_for(DWELL);
        simulator.announce_all();
        simulator.run_for(Duration::from_secs(2));
        let home = simulator.fabric.spec().hosts[RING_HOST.0].port;
        let spare = spec.next_port(spec.switches[2].datapath_id);
        let done = simulator.run_while(Duration::from_secs(60), |simulator| !simulator.core().is_at_rest());
        assert!(done, "the fabric comes to rest");
        assert_eq!(simulator.hosts_known(), 6);
        assert_eq!(simulator.links_known(), simulator.fabric.spec().links.len());
        Bench { simulator, spare, home }
    }

    fn measure(&mut self, window: Duration, event: impl FnOnce(&mut Simulator)) -> Cost {
        self.simulator.stopwatch = Some(Stopwatch::new(nanoseconds));
        event(&mut self.simulator);
        self.simulator.run_for(window);
        let stopwatch = self.simulator.stopwatch.take().expect("it was set above");
        [stopwatch.total as f64 / 1e3, stopwatch.longest as f64 / 1e3]
    }

    /// One of each.
    fn round(&mut self) -> Vec<(&'static str, Cost)> {
        let mut costs = vec![("nothing", self.measure(WINDOW, |_| ()))];
        costs.push((
            "a link's port goes down",
            self.measure(WINDOW, |simulator| {
                let now = simulator.now();
                simulator.fabric.cut_link(RING_LINK, CutKind::PortDown, now);
            }),
        ));
        costs.push((
            "it comes up, and the link is found",
            self.measure(WINDOW, |simulator| {
                let now = simulator.now();
                simulator.fabric.mend_link(RING_LINK, now);
            }),
        ));
        assert_eq!(self.simulator.links_known(), self.simulator.fabric.spec().links.len());
        costs.push((
            "a host's port goes down",
            self.measure(WINDOW, |simulator| {
                let now = simulator.now();
                simulator.fabric.set_host_up(RING_HOST, false, now);
            }),
        ));
        let (to, back) = (self.spare, self.home);
        self.simulator.run_for(Duration::from_secs(1));
        let now = self.simulator.now();
        self.simulator.fabric.set_host_up(RING_HOST, true, now);
        self.simulator.run_for(DWELL);
        let announce = |simulator: &mut Simulator| {
            let now = simulator.now();
            simulator.fabric.announce(RING_HOST, now);
        };
        costs.push(("a host is learned", self.measure(WINDOW, announce)));
        for (at, port) in [to, back].into_iter().enumerate() {
            let now = self.simulator.now();
            assert!(self.simulator.fabric.move_host(RING_HOST, port, now));
            self.simulator.run_for(DWELL);
            let cost = self.measure(WINDOW, announce);
            if at == 0 {
                costs.push(("a host is seen at another port", cost));
            }
        }
        assert_eq!(self.simulator.hosts_known(), 6);
        let id = self.simulator.fabric.spec().switches[1].datapath_id;
        costs.push((
            "a switch's connection ends",
            self.measure(WINDOW, |simulator| {
                simulator.break_connection(id, Duration::from_secs(1));
            }),
        ));
        self.simulator.run_for(Duration::from_secs(20));
        costs
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let sizes: [(u64, usize); 4] = [(10, 1_000), (10, RULES), (100, RULES), (1_000, RULES)];
    println!(
        "{:<36} {:>8} {:>8} {:>12} {:>14}",
        "µs of the core, median", "switches", "rules", "all turns", "longest turn"
    );
    for (switches, rules) in sizes {
        let mut bench = Bench::new(switches, rules);
        let mut rounds: Vec<Vec<(&str, Cost)>> = (0..ROUNDS + 1).map(|_| bench.round()).collect();
        // The first one fills caches.
        rounds.remove(0);
        for (n, (name, _)) in rounds[0].iter().enumerate() {
            let of = |which: usize| median(rounds.iter().map(|round| round[n].1[which]).collect());
            println!("{name:<36} {switches:>8} {rules:>8} {:>12.0} {:>14.0}", of(0), of(1));
        }
        let spec = bench.simulator.fabric.spec().clone();
        let mut edits: Vec<Cost> = Vec::new();
        for n in 0..5 {
            let mut settings = settings(&spec, rules, &[format!("priority=5,udp,tp_dst={},actions=drop", 5000 + n)]);
            slow_down(&mut settings);
            let mut answer = None;
            edits.push(bench.measure(Duration::from_secs(2), |simulator| answer = Some(simulator.configure(settings))));
        }
        let of = |which: usize| median(edits.iter().map(|cost| cost[which]).collect());
        println!(
            "{:<36} {switches:>8} {rules:>8} {:>12.0} {:>14.0}",
            "a rule of the operator's is changed",
            of(0),
            of(1)
        );
    }
}
