//! Plain histograms for those who measure: counts in an array, no lock, no atomics, handed over as what was new.

use std::time::Duration;

use crate::metrics::{Kind, Metric};
use crate::sample::{Sample, Value};

/// Counts observations of one metric by size.
#[derive(Clone, Debug)]
pub struct Histogram {
    metric: Metric,
    bounds: &'static [f64],
    new: Observations,
}

/// What a histogram observed since it was last asked.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Observations {
    /// Observations per bucket, not cumulative; the last one holds those above every bound.
    pub counts: Vec<u64>,
    /// Sum of all observations, in seconds.
    pub sum: f64,
}

impl Histogram {
    /// For a metric of kind [`Kind::Histogram`]; of another kind it counts everything into one bucket, and the pipeline refuses it.
    pub fn new(metric: Metric) -> Histogram {
        let bounds = match metric.description().kind {
            Kind::Histogram(bounds) => bounds,
            Kind::Counter | Kind::Gauge => &[],
        };
        Histogram { metric, bounds, new: Observations { counts: vec![0; bounds.len() + 1], sum: 0.0 } }
    }

    /// Counts one observation.
    pub fn observe(&mut self, duration: Duration) {
        self.observe_many(duration, 1);
    }

    /// Counts `times` observations that are all the same.
    pub fn observe_many(&mut self, duration: Duration, times: u64) {
        let seconds = duration.as_secs_f64();
        let bucket = self.bounds.partition_point(|bound| *bound < seconds);
        if let Some(count) = self.new.counts.get_mut(bucket) {
            *count = count.saturating_add(times);
        }
        self.new.sum += seconds * times as f64;
    }

    /// What was observed since the last call; nothing if nothing was.
    pub fn take(&mut self) -> Option<Sample> {
        if self.new.counts.iter().all(|count| *count == 0) {
            return None;
        }
        let empty = Observations { counts: vec![0; self.new.counts.len()], sum: 0.0 };
        let observed = std::mem::replace(&mut self.new, empty);
        Some(Sample::new(self.metric, Value::Observed(observed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_observations_are_as_many_single_ones() {
        let (mut one, mut many) = (Histogram::new(Metric::RerouteDuration), Histogram::new(Metric::RerouteDuration));
        for _ in 0..3 {
            one.observe(Duration::from_millis(4));
        }
        many.observe_many(Duration::from_millis(4), 3);
        many.observe_many(Duration::from_secs(9), 0);
        assert_eq!(one.take(), many.take());
    }

    #[test]
    fn an_observation_falls_into_the_first_bucket_that_holds_it() {
        let mut histogram = Histogram::new(Metric::RerouteDuration);
        for millis in [0, 1, 2, 3, 10_000, 10_001] {
            histogram.observe(Duration::from_millis(millis));
        }
        let Some(Sample { value: Value::Observed(observed), .. }) = histogram.take() else { panic!() };
        assert_eq!(observed.counts, [2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert!((observed.sum - 20.007).abs() < 1e-9);
        assert_eq!(histogram.take(), None);
    }
}
