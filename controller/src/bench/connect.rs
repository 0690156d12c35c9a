//! Mode `connect`: a storm of switches, and what one of them costs at rest.

use std::time::Duration;

use super::figures::Connect;
use super::load::{Load, Other};
use super::process::Process;
use super::traffic::{Traffic, Workload};
use super::{Bench, Subject};

/// How long all switches may take to connect.
const CONNECT_LIMIT: Duration = Duration::from_secs(60);
/// Ports have become edges and rules have been sent, probes go their way: the switches are at rest.
const REST: Duration = Duration::from_secs(3);
/// Switches that connect before anything is measured: what a controller allocates once is not theirs.
const FIRST: u32 = 8;

pub(super) fn connect(bench: &Bench, subject: &Subject, switches: u32, at_once: u32) -> Result<Connect, String> {
    let at_once_or_all = if at_once == 0 { switches } else { at_once };
    let mut started = subject.start(bench)?;
    let traffic = Traffic::new(Workload::Known, subject.frame(), switches + FIRST, 0);
    let mut load = Load::new(started.address, Other::Controller(traffic), &bench.interrupted)?;
    load.connect(FIRST, FIRST, CONNECT_LIMIT).map_err(|error| started.blame(error))?;
    load.idle(REST)?;
    let (before, cpu, resident) = (load.totals(), started.cpu(), started.resident());
    let connected = load.connect(switches, at_once_or_all, CONNECT_LIMIT).map_err(|error| started.blame(error))?;
    let cpu = started.cpu().zip(cpu).map(|(after, before)| after.saturating_sub(before) as f64 / 1e6);
    let after = load.totals();
    load.idle(REST)?;
    let memory = started
        .resident()
        .zip(resident)
        .map(|(after, before)| after.saturating_sub(before) as f64 / f64::from(switches) / 1_024.0);
    if let Some(gone) = started.process.as_mut().and_then(Process::gone) {
        return Err(gone);
    }
    let up = load.up();
    if up < (switches + FIRST) as usize {
        bench.progress(&format!(
            "{}: {} switches are not connected any more",
            subject.name(),
            switches + FIRST - up as u32
        ));
    }
    drop(load);
    drop(started);

    let each = |octets: u64| (octets / u64::from(switches)).max(1) as usize;
    let (ask, answer) = (each(after.octets_out - before.octets_out), each(after.octets_in - before.octets_in));
    let floor = Process::floor(ask, answer, &bench.folder, &bench.interrupted)?;
    let mut load = Load::new(floor.address(), Other::Floor { ask, answer }, &bench.interrupted)?;
    load.connect(FIRST, FIRST, CONNECT_LIMIT)?;
    let lowest = load.connect(switches, at_once_or_all, CONNECT_LIMIT)?;
    Ok(Connect {
        controller: subject.name(),
        switches,
        at_once: at_once_or_all,
        took_ms: connected.took.as_secs_f64() * 1e3,
        floor_ms: lowest.took.as_secs_f64() * 1e3,
        refused: connected.refused,
        cpu_ms: cpu,
        memory_kib: memory,
    })
}
