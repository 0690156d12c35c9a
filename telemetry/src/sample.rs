//! A measurement on its way into the pipeline.

use std::fmt::{Display, Write as _};

use crate::histogram::Observations;
use crate::metrics::Metric;

/// Longest label value; a longer one is cut. Switches choose their ports' names, and nobody else's tables should suffer.
pub const MAX_LABEL_OCTETS: usize = 128;

/// One measurement of one series.
#[derive(Clone, PartialEq, Debug)]
pub struct Sample {
    /// Which metric.
    pub metric: Metric,
    /// The values of its labels, in the order of [`crate::Description::labels`].
    pub labels: Vec<String>,
    /// What was measured.
    pub value: Value,
}

/// What was measured. The metric's kind says which of these fit.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// For counters: where a 64-bit counter stands at its source. When it falls, the source was reset or has wrapped; the exported counter
    /// goes on. All ones means that the source does not count this (OpenFlow 1.3.5 §5.8): the sample is passed over.
    Total(u64),
    /// For counters: the same of a counter that wraps at 32 bits.
    Total32(u32),
    /// For counters: how much was added since the last sample.
    Add(u64),
    /// For gauges: the value now.
    Set(f64),
    /// For histograms: what was observed since the last sample.
    Observed(Observations),
}

impl Sample {
    /// A sample without labels yet.
    pub fn new(metric: Metric, value: Value) -> Sample {
        Sample { metric, labels: Vec::with_capacity(metric.description().labels.len()), value }
    }

    /// The same with the value of its next label.
    #[must_use]
    pub fn label(mut self, value: impl Display) -> Sample {
        let mut text = String::new();
        // A Display that fails leaves what it wrote: a label is no reason to fail.
        let _ = write!(text, "{value}");
        if text.len() > MAX_LABEL_OCTETS {
            let end = (0..=MAX_LABEL_OCTETS).rev().find(|end| text.is_char_boundary(*end));
            text.truncate(end.unwrap_or(0));
        }
        self.labels.push(text);
        self
    }

    /// A gauge's value now.
    pub fn gauge(metric: Metric, value: f64) -> Sample {
        Sample::new(metric, Value::Set(value))
    }

    /// How much a counter grew.
    pub fn add(metric: Metric, amount: u64) -> Sample {
        Sample::new(metric, Value::Add(amount))
    }

    /// Where a 64-bit counter stands at its source.
    pub fn total(metric: Metric, value: u64) -> Sample {
        Sample::new(metric, Value::Total(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_labels_are_cut_between_characters() {
        let sample = Sample::gauge(Metric::PortUp, 1.0).label("é".repeat(100));
        assert_eq!(sample.labels[0].len(), MAX_LABEL_OCTETS);
        let sample = Sample::gauge(Metric::PortUp, 1.0).label(format!("x{}", "é".repeat(100)));
        assert_eq!(sample.labels[0].len(), MAX_LABEL_OCTETS - 1);
    }
}
