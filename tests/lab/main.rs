//! The lab: the real `trunkline` binary against real peers (Open vSwitch, Mininet, BIRD, FRR, GoBGP, OpenBGPD, Prometheus) on one Linux machine.
//!
//! Every scenario runs in network, mount and process namespaces of its own, so that two labs may run side by side with the same port
//! numbers and nothing survives a lab, however it ends (see [`sandbox`]). One line per check goes to standard output, and the last line is
//! `N passed, N failed, N skipped`. When a check fails, the logs of the processes involved are shown and kept.
//!
//! `cargo test --test lab -- --help` lists the modes.

mod controller;
mod exchange;
mod fabric;
mod gate;
mod hosts;
mod http;
mod interop;
mod oracle;
mod ovs;
mod peer;
mod ping;
mod prober;
mod process;
mod relay;
mod report;
mod sandbox;
mod scenario;
mod stall;
mod wait;

use std::process::ExitCode;

use report::Totals;
use sandbox::Sandbox;
use scenario::Scenario;
use stall::Watch;

/// How much a lab does, and how it tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Every scenario once, in its short form: what `make test` runs.
    Short,
    /// More cuts, longer flows, twenty restarts, two labs at once.
    Full,
    /// Short, and shows on the way what there is to see.
    Show,
}

impl Mode {
    /// The command line flag.
    fn flag(self) -> &'static str {
        match self {
            Mode::Short => "--short",
            Mode::Full => "--full",
            Mode::Show => "--show",
        }
    }

    /// Picks by mode: the showing lab does what the short one does.
    pub fn pick<T>(self, short: T, full: T) -> T {
        if self == Mode::Full { full } else { short }
    }
}

const HELP: &str = "\
The lab: the real trunkline binary against Open vSwitch, Mininet, BIRD and Prometheus.

usage: lab [--short | --full | --show] [--only NAME]... [--seed N] [--list] [--keep]

  --short      every scenario, in its short form (the default)
  --full       more cuts, longer flows, twenty restarts, two labs at once
  --show       short, and shows switches, links, hosts, pings and throughput on the way
  --only NAME  only this scenario (may be given several times)
  --seed N     the seed of the random scenarios, as LAB_SEED does; without it 1, and in --full the time of day
  --list       list the scenarios
  --keep       keep the logs of scenarios that pass, too

The binary is taken from TRUNKLINE_BIN, else the newest of target/release/trunkline and target/debug/trunkline.
Needs root on Linux and the packages that tests/lab/install.sh installs; without them everything is skipped, and counted.
";

fn main() -> ExitCode {
    let mut mode = Mode::Short;
    let mut only: Vec<String> = Vec::new();
    let mut keep = false;
    let mut seed: Option<String> = None;
    let mut inside: Option<String> = None;
    let mut cell: Option<String> = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--short" => mode = Mode::Short,
            "--full" => mode = Mode::Full,
            "--show" => mode = Mode::Show,
            "--keep" => keep = true,
            "--only" => only.extend(arguments.next()),
            "--seed" => seed = arguments.next(),
            "--inside" => inside = arguments.next(),
            "--cell" => cell = arguments.next(),
            "--prober" => {
                return prober::run(&arguments.next().unwrap_or_default(), &arguments.next().unwrap_or_default());
            }
            "--list" => {
                for scenario in scenario::ALL {
                    println!("{:<12} {}", scenario.name, scenario.about);
                }
                return ExitCode::SUCCESS;
            }
            "--help" | "-h" => {
                print!("{HELP}");
                return ExitCode::SUCCESS;
            }
            other => {
                eprintln!("lab: unknown argument {other}\n\n{HELP}");
                return ExitCode::from(2);
            }
        }
    }
    let Ok(seed) = oracle::random::seed(seed.as_deref(), mode) else {
        eprintln!("lab: a seed is a number");
        return ExitCode::from(2);
    };
    if let Some(name) = cell {
        return sandbox::run_cell(&name, mode);
    }
    if let Some(name) = inside {
        return sandbox::run_inside(&name, mode, seed);
    }
    for name in &only {
        if !scenario::ALL.iter().any(|scenario| scenario.name == name) {
            eprintln!("lab: there is no scenario {name}; --list lists them");
            return ExitCode::from(2);
        }
    }
    outside(mode, &only, keep, seed)
}

/// A scenario that fails while this machine stands still is tried so often: what fails every time has failed.
const ATTEMPTS: u32 = 3;

/// Runs a scenario, and once more if it failed and this machine was not there the while. What failed is told each time.
fn attempts(scenario: &Scenario, mode: Mode, keep: bool, seed: u64) -> Totals {
    let mut attempt = 1;
    loop {
        let watch = Watch::start();
        let totals = Sandbox::new(scenario.name, mode, keep, seed).run(scenario.limit(mode));
        let seen = watch.seen();
        if totals.failed == 0 {
            return totals;
        }
        println!("machine {}: {seen}", scenario.name);
        if !seen.stood_still() || attempt == ATTEMPTS {
            return totals;
        }
        attempt += 1;
        println!(
            "again   {}: {} failed while this machine stood still; attempt {attempt} of {ATTEMPTS}",
            scenario.name, totals.failed
        );
    }
}

/// Runs the chosen scenarios one after the other, each in a sandbox, and adds up.
fn outside(mode: Mode, only: &[String], keep: bool, seed: u64) -> ExitCode {
    let chosen = |name: &str, full_only: bool| {
        if only.is_empty() { !full_only || mode == Mode::Full } else { only.iter().any(|only| only == name) }
    };
    let scenarios: Vec<_> = scenario::ALL.iter().filter(|s| chosen(s.name, s.full_only)).collect();
    let mut totals = Totals::default();
    if let Err(reason) = sandbox::can_run() {
        for scenario in &scenarios {
            println!("skipped: lab {}: {reason}", scenario.name);
            totals.skipped += 1;
        }
    } else {
        for scenario in &scenarios {
            totals.add(&attempts(scenario, mode, keep, seed));
        }
    }
    println!("\nlab ({}): {totals}", mode.flag().trim_start_matches('-'));
    println!("{totals}");
    if totals.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
