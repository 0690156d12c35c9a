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
    pub labels: Labels,
    /// What was measured.
    pub value: Value,
}

/// The values of some labels, in one piece: there may be millions of series.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub struct Labels {
    /// Each value after an octet with its length.
    pub(crate) octets: Vec<u8>,
}

impl Labels {
    /// Adds a value; of one that is too long, the beginning.
    pub fn push(&mut self, value: impl Display) {
        /// Takes whole characters as long as there is room.
        struct Cut<'l>(&'l mut Vec<u8>, usize);
        impl std::fmt::Write for Cut<'_> {
            fn write_str(&mut self, text: &str) -> std::fmt::Result {
                let room = self.1 + MAX_LABEL_OCTETS - self.0.len();
                let end = (0..=room.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
                self.0.extend_from_slice(text.get(..end).unwrap_or_default().as_bytes());
                if end == text.len() { Ok(()) } else { Err(std::fmt::Error) }
            }
        }
        let place = self.octets.len();
        self.octets.push(0);
        // It ends early where there is no more room: a label is no reason to fail.
        let _ = write!(Cut(&mut self.octets, place + 1), "{value}");
        let length = self.octets.len() - place - 1;
        if let Some(octet) = self.octets.get_mut(place) {
            *octet = length as u8;
        }
    }

    /// All values.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        values(&self.octets)
    }
}

/// The values in the octets of [`Labels`].
pub(crate) fn values(octets: &[u8]) -> impl Iterator<Item = &str> {
    let mut rest = octets;
    std::iter::from_fn(move || {
        let (&length, after) = rest.split_first()?;
        let (value, after) = after.split_at_checked(usize::from(length))?;
        rest = after;
        Some(std::str::from_utf8(value).unwrap_or_default())
    })
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
        Sample { metric, labels: Labels::default(), value }
    }

    /// The same with the value of its next label.
    #[must_use]
    pub fn label(mut self, value: impl Display) -> Sample {
        self.labels.push(value);
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
        assert_eq!(sample.labels.iter().next().map(str::len), Some(MAX_LABEL_OCTETS));
        let sample = Sample::gauge(Metric::PortUp, 1.0).label(format!("x{}", "é".repeat(100)));
        assert_eq!(sample.labels.iter().next().map(str::len), Some(MAX_LABEL_OCTETS - 1));
    }

    #[test]
    fn labels_are_told_apart_and_read_back() {
        let labels = |texts: &[&str]| {
            let mut labels = Labels::default();
            texts.iter().for_each(|text| labels.push(text));
            assert_eq!(labels.iter().collect::<Vec<_>>(), texts);
            labels
        };
        assert_ne!(labels(&["ab", "c"]), labels(&["a", "bc"]));
        assert_ne!(labels(&[]), labels(&[""]));
        labels(&["", "é", &"x".repeat(MAX_LABEL_OCTETS), ""]);
    }
}
