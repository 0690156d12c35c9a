//! Mode `attack`: the latency of switches that behave while one peer doesn't, at the controller and at the floor.

use std::time::Duration;

use clap::ValueEnum;

use super::figures::{Attack, percentile};
use super::flood::Kind;
use super::load::{Load, Other};
use super::process::{Attacker, Process};
use super::traffic::{Traffic, Workload};
use super::{Bench, Started, Subject};

const CONNECT_LIMIT: Duration = Duration::from_secs(60);
const AT_ONCE: u32 = 32;
/// The attack runs this long before anything is measured.
const BUILD_UP: Duration = Duration::from_secs(2);

/// Latencies of the switches that behave, sorted, and how many packet-ins were lost.
fn measure(bench: &Bench, load: &mut Load<'_>, started: &mut Started) -> Result<(Vec<u32>, u64), String> {
    load.take_latencies();
    let before = load.totals().lost;
    let time = bench.arguments.duration * bench.arguments.rounds;
    load.ask_for(time, 1).map_err(|error| started.blame(error))?;
    let mut latencies = load.take_latencies();
    latencies.sort_unstable();
    Ok((latencies, load.totals().lost - before))
}

pub(super) fn attack(bench: &Bench, subject: &Subject, switches: u32, rows: &mut Vec<Attack>) -> Result<(), String> {
    let kinds = match bench.arguments.attack.as_slice() {
        [] => Kind::value_variants(),
        kinds => kinds,
    };
    for &kind in kinds {
        bench.progress(&format!("{}: {}", subject.name(), kind.name()));
        let traffic = Traffic::new(Workload::Known, subject.frame(), switches, 0);
        let (ask, answer) = (traffic.packet_in_len(), traffic.packet_in_len());

        let mut started = subject.start(bench)?;
        let mut load = Load::new(started.address, Other::Controller(traffic), &bench.interrupted)?;
        load.connect(switches, AT_ONCE, CONNECT_LIMIT).map_err(|error| started.blame(error))?;
        load.warm_up().map_err(|error| started.blame(error))?;
        let before = started.resident();
        let attacker = Attacker::start(&kind.name(), started.address, false)?;
        load.idle(BUILD_UP)?;
        let (ours, lost) = measure(bench, &mut load, &mut started)?;
        let after = started.resident();
        let said = attacker.stop();
        drop(load);
        drop(started);

        let floor = Process::floor(ask, answer, &bench.folder, &bench.interrupted)?;
        let mut started = Started::measured(floor);
        let mut load = Load::new(started.address, Other::Floor { ask, answer }, &bench.interrupted)?;
        load.connect(switches, AT_ONCE, CONNECT_LIMIT)?;
        let attacker = Attacker::start(&kind.name(), started.address, true)?;
        load.idle(BUILD_UP)?;
        let (floor, _) = measure(bench, &mut load, &mut started)?;
        let floor_said = attacker.stop();

        let mib = |octets: u64| octets as f64 / f64::from(1 << 20);
        rows.push(Attack {
            controller: subject.name(),
            kind: kind.name(),
            switches,
            p50_us: percentile(&ours, 0.5),
            p99_us: percentile(&ours, 0.99),
            floor_p50_us: percentile(&floor, 0.5),
            floor_p99_us: percentile(&floor, 0.99),
            lost,
            memory_mib: before.zip(after).map(|(before, after)| (mib(before), mib(after))),
            attacker: said,
            floor_attacker: floor_said,
        });
    }
    Ok(())
}
