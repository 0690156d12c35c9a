//! What is counted of configurations: what the verifier finds, and what was not taken on.

use std::sync::atomic::{AtomicU64, Ordering};

use telemetry::{Metric, Sample};

use crate::verdict::{Finding, Verdict};

/// The kinds of findings, as [`Finding::kind`] has them and as the metric has them.
const KINDS: [(&str, &str); 4] =
    [("loop", "loop"), ("black hole", "black_hole"), ("isolation", "isolation"), ("not proven", "not_proven")];

/// Why a configuration was not taken on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refused {
    /// The file is wrong, or cannot be read.
    File,
    /// By its rules packets would go wrong.
    Verify,
    /// The process cannot do it.
    Process,
}

impl Refused {
    const NAMES: [(Refused, &str); 3] =
        [(Refused::File, "file"), (Refused::Verify, "verify"), (Refused::Process, "process")];
}

/// Counted by the main thread and its tasks, read by telemetry.
#[derive(Debug, Default)]
pub struct Counted {
    /// What stands now.
    findings: [AtomicU64; KINDS.len()],
    looks: AtomicU64,
    refused: [AtomicU64; Refused::NAMES.len()],
}

impl Counted {
    /// All rules have been looked at in the network as it is.
    pub(crate) fn looked(&self, verdict: &Verdict) {
        self.looks.fetch_add(1, Ordering::Relaxed);
        let all = || verdict.wrong.iter().chain(&verdict.not_proven);
        for ((kind, _), count) in KINDS.iter().zip(&self.findings) {
            let is_one = |finding: &&Finding| finding.kind == *kind;
            count.store(all().filter(is_one).count() as u64, Ordering::Relaxed);
        }
    }

    /// Nobody looks any more: nothing is known to stand.
    pub(crate) fn looks_no_more(&self) {
        self.findings.iter().for_each(|count| count.store(0, Ordering::Relaxed));
    }

    /// A configuration was not taken on.
    pub(crate) fn refused(&self, why: Refused) {
        self.refused[why as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// For telemetry.
    pub(crate) fn samples(&self) -> Vec<Sample> {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let mut samples = vec![Sample::total(Metric::VerifierLooks, read(&self.looks))];
        for ((_, kind), count) in KINDS.iter().zip(&self.findings) {
            samples.push(Sample::gauge(Metric::VerifierFindings, read(count) as f64).label(kind));
        }
        for ((_, reason), count) in Refused::NAMES.iter().zip(&self.refused) {
            samples.push(Sample::total(Metric::ReloadsRefused, read(count)).label(reason));
        }
        samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(kind: &'static str) -> Finding {
        Finding { kind, what: String::new(), enters: None, packet: None, rules: Vec::new() }
    }

    /// What the scrape says.
    fn text(counted: &Counted) -> Vec<String> {
        let (mut pipeline, exporter) = telemetry::Pipeline::new(telemetry::Options::default());
        pipeline.record(counted.samples(), net::Time::ZERO);
        let wanted = |line: &&str| line.starts_with("trunkline_verifier") || line.starts_with("trunkline_conf");
        let lines = exporter.render();
        lines.lines().filter(wanted).filter(|line| !line.ends_with(" 0")).map(str::to_owned).collect()
    }

    #[test]
    fn what_stands_is_a_gauge_by_kind_and_what_was_refused_a_counter() {
        let counted = Counted::default();
        assert_eq!(text(&counted), [""; 0]);
        let wrong = vec![finding("loop"), finding("black hole"), finding("loop")];
        counted.looked(&Verdict { wrong, not_proven: vec![finding("not proven")], ..Verdict::default() });
        counted.refused(Refused::Verify);
        counted.refused(Refused::File);
        let found = [
            "trunkline_configuration_refused_total{reason=\"file\"} 1",
            "trunkline_configuration_refused_total{reason=\"verify\"} 1",
            "trunkline_verifier_findings{kind=\"black_hole\"} 1",
            "trunkline_verifier_findings{kind=\"loop\"} 2",
            "trunkline_verifier_findings{kind=\"not_proven\"} 1",
            "trunkline_verifier_looks_total 1",
        ];
        assert_eq!(text(&counted), found);
        counted.looked(&Verdict::default());
        assert_eq!(text(&counted).len(), 3, "what was wrong is right again; what was counted stays");
        counted.looked(&Verdict { wrong: vec![finding("isolation")], ..Verdict::default() });
        counted.looks_no_more();
        assert!(!text(&counted).iter().any(|line| line.contains("findings")));
    }
}
