//! What was measured, as rows: one table for people, the same as JSON.

use std::io::Write;

use serde::Serialize;

use super::traffic::{Frame, Workload};

/// Answers for some time, as many as the controller gives.
#[derive(Clone, Debug, Serialize)]
pub struct Throughput {
    /// Who answered.
    pub controller: String,
    /// How many switches asked.
    pub switches: u32,
    /// What about.
    pub workload: Workload,
    /// With which frames.
    pub frame: Frame,
    /// Packet-ins that each switch had open.
    pub window: u64,
    /// Answers per second, and those of the floor.
    pub rate: f64,
    /// See `rate`.
    pub floor_rate: f64,
    /// Microseconds of CPU per answer; nothing if the process is not known.
    pub cpu_us: Option<f64>,
    /// See `cpu_us`.
    pub floor_cpu_us: f64,
    /// FLOW_MODs per answer.
    pub flow_mods: f64,
    /// Octets to the controller and from it, per answer.
    pub octets_in: usize,
    /// See `octets_in`.
    pub octets_out: usize,
    /// Packet-ins without an answer.
    pub lost: u64,
    /// The rates of the rounds, of which `rate` and `floor_rate` are the medians.
    pub rounds: Vec<(f64, f64)>,
}

/// One packet-in open per switch.
#[derive(Clone, Debug, Serialize)]
pub struct Latency {
    /// Who answered.
    pub controller: String,
    /// How many switches asked.
    pub switches: u32,
    /// What about.
    pub workload: Workload,
    /// With which frames.
    pub frame: Frame,
    /// Microseconds: half of the answers came within.
    pub p50_us: f64,
    /// Microseconds: 99 of 100 came within.
    pub p99_us: f64,
    /// The same of the floor.
    pub floor_p50_us: f64,
    /// The same of the floor.
    pub floor_p99_us: f64,
    /// Microseconds of CPU per answer; nothing if the process is not known.
    pub cpu_us: Option<f64>,
    /// See `cpu_us`.
    pub floor_cpu_us: f64,
    /// Packet-ins without an answer.
    pub lost: u64,
}

/// Switches that connect.
#[derive(Clone, Debug, Serialize)]
pub struct Connect {
    /// To whom.
    pub controller: String,
    /// How many.
    pub switches: u32,
    /// How many of them at a time.
    pub at_once: u32,
    /// Milliseconds until the last one was let in.
    pub took_ms: f64,
    /// Milliseconds that the floor takes for one question and answer each.
    pub floor_ms: f64,
    /// Connections that were closed before they were let in.
    pub refused: u32,
    /// Milliseconds of the controller's CPU.
    pub cpu_ms: Option<f64>,
    /// Memory per switch at rest in KiB.
    pub memory_kib: Option<f64>,
}

/// Latency of switches that behave while somebody doesn't.
#[derive(Clone, Debug, Serialize)]
pub struct Attack {
    /// Who is attacked.
    pub controller: String,
    /// How.
    pub kind: String,
    /// Switches that behave.
    pub switches: u32,
    /// Microseconds: their latency at half and at 99 of 100 answers.
    pub p50_us: f64,
    /// See `p50_us`.
    pub p99_us: f64,
    /// The same at the floor under the same attack.
    pub floor_p50_us: f64,
    /// See `floor_p50_us`.
    pub floor_p99_us: f64,
    /// Packet-ins of those switches without an answer.
    pub lost: u64,
    /// Memory before and after, in MiB.
    pub memory_mib: Option<(f64, f64)>,
    /// What the attacker has counted, and at the floor.
    pub attacker: String,
    /// See `attacker`.
    pub floor_attacker: String,
}

/// Everything that one run has measured.
#[derive(Debug, Default, Serialize)]
pub struct Figures {
    /// Rows of mode `throughput`.
    pub throughput: Vec<Throughput>,
    /// Rows of mode `latency`.
    pub latency: Vec<Latency>,
    /// Rows of mode `connect`.
    pub connect: Vec<Connect>,
    /// Rows of mode `attack`.
    pub attack: Vec<Attack>,
}

impl Figures {
    /// As tables.
    pub(super) fn print(&self, out: &mut dyn Write) -> std::io::Result<()> {
        table(self.throughput.iter().map(Throughput::cells), out)?;
        table(self.latency.iter().map(Latency::cells), out)?;
        table(self.connect.iter().map(Connect::cells), out)?;
        table(self.attack.iter().map(Attack::cells), out)
    }
}

/// A column's head and what stands below it.
pub(super) type Cell = (&'static str, String);

impl Throughput {
    fn cells(&self) -> Vec<Cell> {
        let mut cells = vec![
            ("throughput", self.controller.clone()),
            ("packet-ins", about(self.workload, self.frame)),
            ("switches", self.switches.to_string()),
            ("answers/s", format!("{:.0}", self.rate)),
            ("floor/s", format!("{:.0}", self.floor_rate)),
            ("ratio", ratio(self.rate, self.floor_rate)),
        ];
        cells.extend(cpu(self.cpu_us, self.floor_cpu_us));
        cells.extend([
            ("ratio", self.cpu_us.map_or_else(none, |value| ratio(value, self.floor_cpu_us))),
            ("flow-mods", format!("{:.1}", self.flow_mods)),
            ("octets in/out", format!("{}/{}", self.octets_in, self.octets_out)),
            ("lost", self.lost.to_string()),
        ]);
        cells
    }
}

impl Latency {
    fn cells(&self) -> Vec<Cell> {
        let mut cells = vec![
            ("latency", self.controller.clone()),
            ("packet-ins", about(self.workload, self.frame)),
            ("switches", self.switches.to_string()),
        ];
        cells.extend(beside_floor("p50 µs", self.p50_us, self.floor_p50_us));
        cells.extend(beside_floor("p99 µs", self.p99_us, self.floor_p99_us));
        cells.extend(cpu(self.cpu_us, self.floor_cpu_us));
        cells.push(("lost", self.lost.to_string()));
        cells
    }
}

impl Connect {
    fn cells(&self) -> Vec<Cell> {
        vec![
            ("connect", self.controller.clone()),
            ("switches", self.switches.to_string()),
            ("at once", self.at_once.to_string()),
            ("ms", format!("{:.1}", self.took_ms)),
            ("floor ms", format!("{:.1}", self.floor_ms)),
            ("ratio", ratio(self.took_ms, self.floor_ms)),
            ("refused", self.refused.to_string()),
            ("CPU ms", self.cpu_ms.map_or_else(none, figure)),
            ("KiB each at rest", self.memory_kib.map_or_else(none, figure)),
        ]
    }
}

impl Attack {
    fn cells(&self) -> Vec<Cell> {
        let memory = |(before, after): (f64, f64)| format!("{before:.0} to {after:.0}");
        let mut cells = vec![("attack", self.controller.clone()), ("how", self.kind.clone())];
        cells.extend(beside_floor("p50 µs", self.p50_us, self.floor_p50_us));
        cells.extend(beside_floor("p99 µs", self.p99_us, self.floor_p99_us));
        cells.extend([
            ("lost", self.lost.to_string()),
            ("MiB", self.memory_mib.map_or_else(none, memory)),
            ("attacker", self.attacker.clone()),
            ("at the floor", self.floor_attacker.clone()),
        ]);
        cells
    }
}

/// A figure, the floor's, and how many times as much it is.
fn beside_floor(head: &'static str, value: f64, floor: f64) -> [Cell; 3] {
    [(head, figure(value)), ("floor", figure(floor)), ("ratio", ratio(value, floor))]
}

fn cpu(value: Option<f64>, floor: f64) -> [Cell; 2] {
    [("CPU µs", value.map_or_else(none, figure)), ("floor µs", figure(floor))]
}

/// A figure that nobody knows.
pub(super) fn none() -> String {
    "-".to_owned()
}

fn about(workload: Workload, frame: Frame) -> String {
    let workload = match workload {
        Workload::Known => "known",
        Workload::New => "new",
    };
    let frame = match frame {
        Frame::Arp => "arp",
        Frame::Udp => "udp",
    };
    format!("{workload} {frame}")
}

pub(super) fn ratio(value: f64, floor: f64) -> String {
    if floor > 0.0 { figure(value / floor) } else { "-".to_owned() }
}

/// Three figures that mean something.
pub(super) fn figure(value: f64) -> String {
    match value.abs() {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

/// Rows under the heads of the first one.
pub(super) fn table(rows: impl Iterator<Item = Vec<Cell>>, out: &mut dyn Write) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut body: Vec<Vec<String>> = Vec::new();
    for row in rows {
        head = row.iter().map(|(head, _)| (*head).to_owned()).collect();
        body.push(row.into_iter().map(|(_, cell)| cell).collect());
    }
    if body.is_empty() {
        return Ok(());
    }
    let width = |column: usize| {
        let cells = body.iter().chain([&head]).filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    for row in [&head].into_iter().chain(&body) {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
            // Names to the left, figures to the right.
            if column < 2 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    writeln!(out)
}

/// The value below which `share` of the sorted values are.
pub(super) fn percentile(sorted: &[u32], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let at = (last as f64 * share).round() as usize;
    sorted.get(at).map_or(0.0, |&ns| f64::from(ns) / 1_000.0)
}

/// The middle one.
pub(super) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let values: Vec<u32> = (1..=101).map(|value| value * 1_000).collect();
        assert_eq!(percentile(&values, 0.5), 51.0);
        assert_eq!(percentile(&values, 0.99), 100.0);
        assert_eq!(percentile(&[], 0.5), 0.0);
    }

    #[test]
    fn a_table_has_a_column_per_head() {
        let mut out = Vec::new();
        let row = |cells: [&str; 3]| ["one", "two", "three"].into_iter().zip(cells.map(str::to_owned)).collect();
        table([row(["a", "b", "1"])].into_iter(), &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "one  two  three\na    b        1\n\n");
    }
}
