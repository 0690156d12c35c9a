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
        let text = |value: f64| figure(value);
        let maybe = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), figure);
        let times = |value: Option<f64>, floor: f64| value.map_or_else(|| "-".to_owned(), |value| ratio(value, floor));
        let rows = self.throughput.iter().map(|row| {
            vec![
                row.controller.clone(),
                about(row.workload, row.frame),
                row.switches.to_string(),
                format!("{:.0}", row.rate),
                format!("{:.0}", row.floor_rate),
                ratio(row.rate, row.floor_rate),
                maybe(row.cpu_us),
                text(row.floor_cpu_us),
                times(row.cpu_us, row.floor_cpu_us),
                format!("{:.1}", row.flow_mods),
                format!("{}/{}", row.octets_in, row.octets_out),
                row.lost.to_string(),
            ]
        });
        let head = [
            "throughput",
            "packet-ins",
            "switches",
            "answers/s",
            "floor/s",
            "ratio",
            "CPU µs",
            "floor µs",
            "ratio",
            "flow-mods",
            "octets in/out",
            "lost",
        ];
        table(&head, rows.collect(), out)?;
        let rows = self.latency.iter().map(|row| {
            vec![
                row.controller.clone(),
                about(row.workload, row.frame),
                row.switches.to_string(),
                text(row.p50_us),
                text(row.floor_p50_us),
                ratio(row.p50_us, row.floor_p50_us),
                text(row.p99_us),
                text(row.floor_p99_us),
                ratio(row.p99_us, row.floor_p99_us),
                maybe(row.cpu_us),
                text(row.floor_cpu_us),
                row.lost.to_string(),
            ]
        });
        let head = [
            "latency",
            "packet-ins",
            "switches",
            "p50 µs",
            "floor",
            "ratio",
            "p99 µs",
            "floor",
            "ratio",
            "CPU µs",
            "floor µs",
            "lost",
        ];
        table(&head, rows.collect(), out)?;
        let rows = self.connect.iter().map(|row| {
            vec![
                row.controller.clone(),
                row.switches.to_string(),
                row.at_once.to_string(),
                format!("{:.1}", row.took_ms),
                format!("{:.1}", row.floor_ms),
                ratio(row.took_ms, row.floor_ms),
                row.refused.to_string(),
                maybe(row.cpu_ms),
                maybe(row.memory_kib),
            ]
        });
        let head =
            ["connect", "switches", "at once", "ms", "floor ms", "ratio", "refused", "CPU ms", "KiB each at rest"];
        table(&head, rows.collect(), out)?;
        let rows = self.attack.iter().map(|row| {
            vec![
                row.controller.clone(),
                row.kind.clone(),
                text(row.p50_us),
                text(row.floor_p50_us),
                ratio(row.p50_us, row.floor_p50_us),
                text(row.p99_us),
                text(row.floor_p99_us),
                ratio(row.p99_us, row.floor_p99_us),
                row.lost.to_string(),
                row.memory_mib.map_or_else(|| "-".to_owned(), |(before, after)| format!("{before:.0} to {after:.0}")),
                row.attacker.clone(),
                row.floor_attacker.clone(),
            ]
        });
        let head = [
            "attack",
            "how",
            "p50 µs",
            "floor",
            "ratio",
            "p99 µs",
            "floor",
            "ratio",
            "lost",
            "MiB",
            "attacker",
            "at the floor",
        ];
        table(&head, rows.collect(), out)
    }
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

fn ratio(value: f64, floor: f64) -> String {
    if floor > 0.0 { figure(value / floor) } else { "-".to_owned() }
}

/// Three figures that mean something.
fn figure(value: f64) -> String {
    match value.abs() {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

fn table(head: &[&str], rows: Vec<Vec<String>>, out: &mut dyn Write) -> std::io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let head: Vec<String> = head.iter().map(|&cell| cell.to_owned()).collect();
    let width = |column: usize| {
        let cells = rows.iter().chain([&head]).filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    for row in [&head].into_iter().chain(&rows) {
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
        table(&["one", "two", "three"], vec![vec!["a".into(), "b".into(), "1".into()]], &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "one  two  three\na    b        1\n\n");
    }
}
