//! Rows of `trunkline bench bgp`: what was measured, and how it compares with the floor and with BIRD in the same run.

use std::io::Write;

use serde::Serialize;

use super::super::figures::{Cell, figure, median, none, table};

/// What one round of one case has given.
#[derive(Clone, Debug, Default)]
pub(super) struct Measured {
    /// Routes that senders have said something about.
    pub(super) routes: u64,
    pub(super) cpu_s: f64,
    pub(super) wall_s: f64,
    pub(super) peak_mib: f64,
    pub(super) bytes_per_path: Option<f64>,
    /// UPDATEs that each receiver has got.
    pub(super) updates: u64,
    /// Of case F: the part while another sender loads its table.
    pub(super) loading: bool,
    pub(super) samples: Option<usize>,
    pub(super) p50_us: Option<f64>,
    pub(super) p99_us: Option<f64>,
    pub(super) cpu_us_per_change: Option<f64>,
    pub(super) drain_ms: Option<f64>,
}

/// A row of the table: medians over the rounds.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Row {
    /// The case.
    pub case: String,
    /// Who was measured.
    pub daemon: String,
    /// Routes that senders have said something about.
    pub routes: u64,
    /// Seconds of CPU, user and system.
    pub cpu_s: f64,
    /// How many times the floor's.
    pub cpu_to_floor: Option<f64>,
    /// How many times BIRD's.
    pub cpu_to_bird: Option<f64>,
    /// Seconds from the first octet until the last receiver has the last prefix.
    pub wall_s: f64,
    /// How many times the floor's.
    pub wall_to_floor: Option<f64>,
    /// How many times BIRD's.
    pub wall_to_bird: Option<f64>,
    /// Most memory in use at any time, MiB.
    pub peak_mib: f64,
    /// How many times BIRD's.
    pub peak_to_bird: Option<f64>,
    /// Octets of memory for each route of each sender.
    pub bytes_per_path: Option<f64>,
    /// UPDATEs that each receiver has got.
    pub updates: u64,
    /// Case F: from announcing one prefix to hearing of it, and the same of withdrawing it; half of the samples were within.
    pub p50_us: Option<f64>,
    /// The same, 99 of 100.
    pub p99_us: Option<f64>,
    /// How many samples.
    pub samples: Option<usize>,
    /// Case churn: microseconds of CPU for each change.
    pub cpu_us_per_change: Option<f64>,
    /// Case churn: milliseconds from the last change until the last receiver knows.
    pub drain_ms: Option<f64>,
    /// Why there are no figures.
    pub error: Option<String>,
}

impl Row {
    /// The medians of several rounds of the same.
    pub(super) fn new(case: &str, daemon: &str, rounds: &[Measured]) -> Row {
        let of = |get: &dyn Fn(&Measured) -> f64| median(rounds.iter().map(get));
        let maybe = |get: &dyn Fn(&Measured) -> Option<f64>| {
            let known: Vec<f64> = rounds.iter().filter_map(get).collect();
            (!known.is_empty()).then(|| median(known.into_iter()))
        };
        let loading = if rounds.iter().any(|round| round.loading) { " under load" } else { "" };
        Row {
            case: format!("{case}{loading}"),
            daemon: daemon.to_owned(),
            routes: rounds.first().map_or(0, |round| round.routes),
            cpu_s: of(&|round| round.cpu_s),
            wall_s: of(&|round| round.wall_s),
            peak_mib: of(&|round| round.peak_mib),
            bytes_per_path: maybe(&|round| round.bytes_per_path),
            updates: of(&|round| round.updates as f64) as u64,
            p50_us: maybe(&|round| round.p50_us),
            p99_us: maybe(&|round| round.p99_us),
            samples: rounds.first().and_then(|round| round.samples),
            cpu_us_per_change: maybe(&|round| round.cpu_us_per_change),
            drain_ms: maybe(&|round| round.drain_ms),
            ..Row::default()
        }
    }

    /// One that gave no figures.
    pub(super) fn failed(case: &str, daemon: &str, error: String) -> Row {
        Row { case: case.to_owned(), daemon: daemon.to_owned(), error: Some(error), ..Row::default() }
    }

    fn cells(&self) -> Vec<Cell> {
        let known = |value: f64| if self.error.is_some() { none() } else { figure(value) };
        let maybe = |value: Option<f64>| value.map_or_else(none, figure);
        vec![
            ("case", self.case.clone()),
            ("daemon", self.daemon.clone()),
            ("CPU s", known(self.cpu_s)),
            ("/floor", maybe(self.cpu_to_floor)),
            ("/bird", maybe(self.cpu_to_bird)),
            ("wall s", known(self.wall_s)),
            ("/floor", maybe(self.wall_to_floor)),
            ("/bird", maybe(self.wall_to_bird)),
            ("peak MiB", known(self.peak_mib)),
            ("/bird", maybe(self.peak_to_bird)),
            ("B/path", maybe(self.bytes_per_path)),
            ("updates", self.updates.to_string()),
            ("p50 µs", maybe(self.p50_us)),
            ("p99 µs", maybe(self.p99_us)),
            ("µs/change", maybe(self.cpu_us_per_change)),
            ("drain ms", maybe(self.drain_ms)),
        ]
    }
}

/// Everything that one run has measured.
#[derive(Clone, Debug, Default, Serialize)]
pub struct BgpFigures {
    /// Share of the cases' full size.
    pub scale: f64,
    /// With twenty statements of policy on what senders say.
    pub policy: bool,
    /// Of which the figures are medians.
    pub rounds: u32,
    /// Daemons that were left out, and why.
    pub skipped: Vec<String>,
    /// By case.
    pub rows: Vec<Row>,
}

impl BgpFigures {
    /// Sets the rows' ratios.
    pub(super) fn compare(&mut self) {
        let of = |case: &str, daemon: &str| {
            let row = self.rows.iter().find(|row| row.case == case && row.daemon == daemon && row.error.is_none());
            row.map(|row| (row.cpu_s, row.wall_s, row.peak_mib))
        };
        let others: Vec<_> = self.rows.iter().map(|row| (of(&row.case, "floor"), of(&row.case, "bird"))).collect();
        for (row, (floor, bird)) in self.rows.iter_mut().zip(others) {
            if row.error.is_some() {
                continue;
            }
            let ratio = |value: f64, other: Option<f64>| other.filter(|other| *other > 0.0).map(|other| value / other);
            row.cpu_to_floor = ratio(row.cpu_s, floor.map(|floor| floor.0));
            row.wall_to_floor = ratio(row.wall_s, floor.map(|floor| floor.1));
            row.cpu_to_bird = ratio(row.cpu_s, bird.map(|bird| bird.0));
            row.wall_to_bird = ratio(row.wall_s, bird.map(|bird| bird.1));
            row.peak_to_bird = ratio(row.peak_mib, bird.map(|bird| bird.2));
        }
    }

    /// As a table, and below it what has gone wrong.
    pub(super) fn print(&self, out: &mut dyn Write) -> std::io::Result<()> {
        table(self.rows.iter().map(Row::cells), out)?;
        for text in &self.skipped {
            writeln!(out, "skipped: {text}")?;
        }
        for row in &self.rows {
            if let Some(error) = &row.error {
                writeln!(out, "failed: case {}, {}: {error}", row.case, row.daemon)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_those_of_the_same_case_and_a_failure_has_none() {
        let row = |case: &str, daemon: &str, cpu_s: f64| {
            Row::new(case, daemon, &[Measured { cpu_s, wall_s: 1.0, peak_mib: 1.0, ..Measured::default() }])
        };
        let rows = vec![
            row("A", "floor", 0.1),
            row("A", "trunkline", 0.5),
            row("A", "bird", 1.0),
            row("B", "trunkline", 3.0),
            Row::failed("B", "bird", "gone".to_owned()),
        ];
        let mut figures = BgpFigures { rows, ..BgpFigures::default() };
        figures.compare();
        assert_eq!((figures.rows[1].cpu_to_floor, figures.rows[1].cpu_to_bird), (Some(5.0), Some(0.5)));
        assert_eq!((figures.rows[3].cpu_to_floor, figures.rows[3].cpu_to_bird), (None, None));
        let mut text = Vec::new();
        figures.print(&mut text).unwrap();
        assert!(String::from_utf8(text).unwrap().ends_with("failed: case B, bird: gone\n"));
    }

    #[test]
    fn a_row_is_the_median_of_its_rounds() {
        let rounds: Vec<Measured> =
            [3.0, 1.0, 2.0].into_iter().map(|cpu_s| Measured { cpu_s, ..Measured::default() }).collect();
        assert_eq!(Row::new("A", "bird", &rounds).cpu_s, 2.0);
    }
}
