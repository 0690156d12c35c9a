//! Modes `throughput` and `latency`: packet-ins answered, and how fast each.

use std::time::Duration;

use super::figures::{Latency, Throughput, median, percentile};
use super::load::{Load, Other};
use super::process::Process;
use super::traffic::{Traffic, Workload};
use super::{Bench, Started, Subject};

/// How long all switches may take to connect.
const CONNECT_LIMIT: Duration = Duration::from_secs(30);
/// A controller that installs rules in phases pauses between them, but not as long as this.
const RULES_PAUSE: Duration = Duration::from_millis(600);
/// Switches that connect at a time, so that every controller's backlog does.
const AT_ONCE: u32 = 32;

/// One side of one round.
struct Round {
    answers: u64,
    seconds: f64,
    /// Nanoseconds.
    cpu: Option<u64>,
    flow_mods: u64,
    octets_in: u64,
    octets_out: u64,
    lost: u64,
    latencies: Vec<u32>,
}

/// What is asked in one round.
#[derive(Clone, Copy)]
enum Task {
    /// As many as come.
    For(Duration, u64),
    /// So many per switch.
    All(u64, u64),
}

fn round(load: &mut Load<'_>, started: &mut Started, task: Task) -> Result<Round, String> {
    load.settle()?;
    load.take_latencies();
    let (before, cpu) = (load.totals(), started.cpu());
    let begun = load.now();
    let took = match task {
        Task::For(time, window) => load.ask_for(time, window),
        Task::All(quota, window) => load.ask_all(quota, window),
    };
    let took = took.map_err(|error| started.blame(error))?;
    // FLOW_MODs may come after the packet-outs: time and CPU end with the last of them.
    let mut last = load.settle()?;
    let mut spent = started.cpu();
    if matches!(task, Task::All(..)) {
        loop {
            let before = load.totals();
            load.idle(RULES_PAUSE)?;
            let now = load.totals();
            if (now.answers, now.flow_mods) == (before.answers, before.flow_mods) {
                break;
            }
            last = load.settle()?;
            spent = started.cpu();
        }
    }
    let cpu = spent.zip(cpu).map(|(after, before)| after.saturating_sub(before));
    let after = load.totals();
    let took = match task {
        Task::For(..) => took,
        Task::All(..) => last.since(begun),
    };
    Ok(Round {
        answers: after.answers - before.answers,
        seconds: took.as_secs_f64(),
        cpu,
        flow_mods: after.flow_mods - before.flow_mods,
        octets_in: after.octets_out - before.octets_out,
        octets_out: after.octets_in - before.octets_in,
        lost: after.lost - before.lost,
        latencies: load.take_latencies(),
    })
}

/// Rounds of controller and floor in turn.
fn rounds(
    bench: &Bench,
    subject: &Subject,
    workload: Workload,
    switches: u32,
    window: u64,
    hosts: u32,
) -> Result<Vec<(Round, Round)>, String> {
    let quota = hosts.div_ceil(switches);
    let traffic = Traffic::new(workload, subject.frame(), switches, quota);
    let task = match workload {
        Workload::Known => Task::For(bench.arguments.duration, window),
        Workload::New => Task::All(u64::from(quota), window),
    };
    let mut rounds = Vec::new();
    let mut floor: Option<(Process, (usize, usize))> = None;
    let mut standing: Option<(Started, Load<'_>)> = None;
    for _ in 0..bench.arguments.rounds {
        let (mut started, mut load) = match standing.take() {
            Some(standing) => standing,
            None => {
                let mut started = subject.start(bench)?;
                let other = Other::Controller(traffic.clone());
                let mut load = Load::new(started.address, other, &bench.interrupted)?;
                let connected = load.connect(switches, AT_ONCE, CONNECT_LIMIT).map_err(|error| started.blame(error))?;
                if connected.refused > 0 {
                    let error = format!("{} of {switches} switches were refused", connected.refused);
                    return Err(started.blame(error));
                }
                load.warm_up().map_err(|error| started.blame(error))?;
                (started, load)
            }
        };
        let measured = round(&mut load, &mut started, task)?;
        if measured.answers == 0 {
            return Err(format!("no answers from {}", subject.name()));
        }
        // A controller whose state the round has filled is not used again, unless it isn't ours to restart.
        if workload == Workload::Known {
            standing = Some((started, load));
        } else {
            drop((load, started));
        }
        let per_answer = |octets: u64| (octets as f64 / measured.answers as f64).round().max(1.0) as usize;
        let sizes = (per_answer(measured.octets_in), per_answer(measured.octets_out));
        if floor.as_ref().is_none_or(|(_, before)| *before != sizes) {
            floor = Some((Process::floor(sizes.0, sizes.1, &bench.folder, &bench.interrupted)?, sizes));
        }
        let Some((process, _)) = floor.take() else { continue };
        let mut at_floor = Started::measured(process);
        let other = Other::Floor { ask: sizes.0, answer: sizes.1 };
        let mut load = Load::new(at_floor.address, other, &bench.interrupted)?;
        load.connect(switches, AT_ONCE, CONNECT_LIMIT)?;
        let lowest = round(&mut load, &mut at_floor, task)?;
        drop(load);
        floor = at_floor.process.take().map(|process| (process, sizes));
        bench.progress(&format!(
            "{}: {switches} switches, round {} of {}: {:.0} answers/s, floor {:.0}",
            subject.name(),
            rounds.len() + 1,
            bench.arguments.rounds,
            measured.answers as f64 / measured.seconds,
            lowest.answers as f64 / lowest.seconds,
        ));
        rounds.push((measured, lowest));
    }
    Ok(rounds)
}

/// Microseconds of CPU per answer over all rounds.
fn cpu_us<'r>(rounds: impl Iterator<Item = &'r Round>) -> Option<f64> {
    let mut sum = (0, 0);
    for round in rounds {
        sum.0 += round.cpu?;
        sum.1 += round.answers;
    }
    (sum.1 > 0).then(|| sum.0 as f64 / sum.1 as f64 / 1_000.0)
}

pub(super) fn throughput(
    bench: &Bench,
    subject: &Subject,
    workload: Workload,
    switches: u32,
) -> Result<Throughput, String> {
    let window = bench.arguments.window;
    let rounds = rounds(bench, subject, workload, switches, window, bench.arguments.hosts)?;
    let answers: u64 = rounds.iter().map(|(round, _)| round.answers).sum();
    let per_answer = |value: fn(&Round) -> u64| {
        let sum: u64 = rounds.iter().map(|(round, _)| value(round)).sum();
        sum as f64 / answers.max(1) as f64
    };
    let rate = |round: &Round| round.answers as f64 / round.seconds;
    Ok(Throughput {
        controller: subject.name(),
        switches,
        workload,
        frame: subject.frame(),
        window,
        rate: median(rounds.iter().map(|(round, _)| rate(round))),
        floor_rate: median(rounds.iter().map(|(_, floor)| rate(floor))),
        cpu_us: cpu_us(rounds.iter().map(|(round, _)| round)),
        floor_cpu_us: cpu_us(rounds.iter().map(|(_, floor)| floor)).unwrap_or(0.0),
        flow_mods: per_answer(|round| round.flow_mods),
        octets_in: per_answer(|round| round.octets_in).round() as usize,
        octets_out: per_answer(|round| round.octets_out).round() as usize,
        lost: rounds.iter().map(|(round, _)| round.lost).sum(),
        rounds: rounds.iter().map(|(round, floor)| (rate(round), rate(floor))).collect(),
    })
}

pub(super) fn latency(bench: &Bench, subject: &Subject, workload: Workload, switches: u32) -> Result<Latency, String> {
    let mut rounds = rounds(bench, subject, workload, switches, 1, bench.arguments.hosts)?;
    let mut all = |of: fn(&mut (Round, Round)) -> &mut Round| {
        let mut latencies: Vec<u32> =
            rounds.iter_mut().flat_map(|pair| std::mem::take(&mut of(pair).latencies)).collect();
        latencies.sort_unstable();
        latencies
    };
    let (ours, floor) = (all(|pair| &mut pair.0), all(|pair| &mut pair.1));
    Ok(Latency {
        controller: subject.name(),
        switches,
        workload,
        frame: subject.frame(),
        p50_us: percentile(&ours, 0.5),
        p99_us: percentile(&ours, 0.99),
        floor_p50_us: percentile(&floor, 0.5),
        floor_p99_us: percentile(&floor, 0.99),
        cpu_us: cpu_us(rounds.iter().map(|(round, _)| round)),
        floor_cpu_us: cpu_us(rounds.iter().map(|(_, floor)| floor)).unwrap_or(0.0),
        lost: rounds.iter().map(|(round, _)| round.lost).sum(),
    })
}
