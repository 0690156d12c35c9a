//! From samples to series: source counters made monotonic, ageing, bounds.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use net::Time;

use crate::export::Exporter;
use crate::histogram::Observations;
use crate::metrics::{Kind, Lifetime, Metric};
use crate::sample::{Sample, Value};

/// Most series of one metric: 1,000 switches with 96 ports fit. A sample of a series beyond is dropped and counted; the others go on.
pub const MAX_SERIES: usize = 100_000;

/// How a pipeline behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// A series that lives while it is sampled goes away after this long without a sample: several ticks.
    pub max_age: Duration,
    /// Whether the export has the process's own `process_…` metrics (processor, memory, open files).
    pub process: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options { max_age: Duration::from_secs(60), process: true }
    }
}

/// Takes samples. What it holds is exported by the [`Exporter`] that was made with it.
#[derive(Debug)]
pub struct Pipeline {
    options: Options,
    store: Arc<Mutex<Store>>,
}

/// Every series. Most metrics share their labels with others, those of a port for instance: a row holds all series of the same label values,
/// so that they are kept once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Store {
    /// By the octets of [`Labels`](crate::Labels); in a row ascending by metric.
    pub(crate) rows: BTreeMap<Box<[u8]>, Vec<(Metric, Series)>>,
    /// How many series a metric has.
    counts: BTreeMap<Metric, usize>,
}

#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) state: State,
    touched: Time,
}

/// What is exported of a series, and what has to be remembered to go on.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum State {
    Counter { exported: u64, source: Option<u64> },
    Gauge(f64),
    Histogram(Observations),
}

/// Why a sample is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Refusal {
    Kind,
    Labels,
    SeriesLimit,
}

impl Pipeline {
    /// A pipeline and its exporter. Metrics without labels are there from the start, at zero.
    pub fn new(options: Options) -> (Pipeline, Exporter) {
        let mut store = Store::default();
        for metric in Metric::ALL.iter().filter(|metric| metric.description().labels.is_empty()) {
            // There is room, and nothing to refuse.
            let _ = store.series(*metric, &[], Time::ZERO);
        }
        let store = Arc::new(Mutex::new(store));
        (Pipeline { options, store: Arc::clone(&store) }, Exporter::new(store, options.process))
    }

    /// Takes samples that were measured at `now`, and forgets the series that have not been sampled for too long.
    pub fn record(&mut self, samples: impl IntoIterator<Item = Sample>, now: Time) {
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        for sample in samples {
            if let Err(refusal) = store.take(sample, now) {
                let dropped = Sample::add(Metric::SamplesDropped, 1).label(refusal.name());
                // Its own labels are few and right, so there is nothing to refuse.
                let _ = store.take(dropped, now);
            }
        }
        store.age(now, self.options.max_age);
        let series = store.counts.values().sum::<usize>();
        let _ = store.take(Sample::gauge(Metric::Series, series as f64), now);
    }
}

impl Store {
    fn take(&mut self, sample: Sample, now: Time) -> Result<(), Refusal> {
        let description = sample.metric.description();
        if sample.labels.iter().count() != description.labels.len() {
            return Err(Refusal::Labels);
        }
        if !sample.value.fits(description.kind) {
            return Err(Refusal::Kind);
        }
        if sample.value == Value::Total(u64::MAX) {
            return Ok(());
        }
        let series = self.series(sample.metric, &sample.labels.octets, now)?;
        series.touched = now;
        series.state.apply(sample.value);
        Ok(())
    }

    /// A metric's series with these label values, made if there is room for it.
    fn series(&mut self, metric: Metric, labels: &[u8], now: Time) -> Result<&mut Series, Refusal> {
        let known = self.rows.get(labels).and_then(|row| row.binary_search_by_key(&metric, |(metric, _)| *metric).ok());
        if known.is_none() {
            let count = self.counts.entry(metric).or_default();
            if *count >= MAX_SERIES {
                return Err(Refusal::SeriesLimit);
            }
            *count += 1;
            if !self.rows.contains_key(labels) {
                self.rows.insert(labels.into(), Vec::new());
            }
        }
        let row = self.rows.get_mut(labels).ok_or(Refusal::Labels)?;
        let at = known.unwrap_or_else(|| {
            let at = row.partition_point(|(earlier, _)| *earlier < metric);
            row.insert(at, (metric, Series { state: State::new(metric.description().kind), touched: now }));
            at
        });
        row.get_mut(at).map(|(_, series)| series).ok_or(Refusal::Labels)
    }

    fn age(&mut self, now: Time, max_age: Duration) {
        let counts = &mut self.counts;
        self.rows.retain(|_, row| {
            row.retain(|(metric, series)| {
                let kept = metric.description().lifetime == Lifetime::Forever || now.since(series.touched) <= max_age;
                if !kept && let Some(count) = counts.get_mut(metric) {
                    *count -= 1;
                }
                kept
            });
            !row.is_empty()
        });
    }
}

impl Value {
    fn fits(&self, kind: Kind) -> bool {
        match (self, kind) {
            (Value::Total(_) | Value::Total32(_) | Value::Add(_), Kind::Counter) | (Value::Set(_), Kind::Gauge) => true,
            (Value::Observed(observed), Kind::Histogram(bounds)) => observed.counts.len() == bounds.len() + 1,
            _ => false,
        }
    }
}

impl State {
    fn new(kind: Kind) -> State {
        match kind {
            Kind::Counter => State::Counter { exported: 0, source: None },
            Kind::Gauge => State::Gauge(0.0),
            Kind::Histogram(bounds) => State::Histogram(Observations { counts: vec![0; bounds.len() + 1], sum: 0.0 }),
        }
    }

    fn apply(&mut self, value: Value) {
        match (self, value) {
            (State::Counter { exported, source }, Value::Total(total)) => {
                *exported = exported.saturating_add(growth(*source, total, u64::MAX));
                *source = Some(total);
            }
            (State::Counter { exported, source }, Value::Total32(total)) => {
                *exported = exported.saturating_add(growth(*source, u64::from(total), u64::from(u32::MAX)));
                *source = Some(u64::from(total));
            }
            (State::Counter { exported, .. }, Value::Add(amount)) => *exported = exported.saturating_add(amount),
            (State::Gauge(gauge), Value::Set(value)) => *gauge = value,
            (State::Histogram(known), Value::Observed(new)) => {
                for (known, new) in known.counts.iter_mut().zip(new.counts) {
                    *known = known.saturating_add(new);
                }
                known.sum += new.sum;
            }
            // `Value::fits` has let none of the other pairs through.
            _ => {}
        }
    }
}

/// How much a source counter has grown from `before` to `now`, if its highest value is `max`.
///
/// A counter that falls was set back to zero or has wrapped. It wrapped if it stood in the last quarter of its range and is now in the
/// first: a 64-bit counter never gets there, so it was reset; a 32-bit counter of octets wraps every few seconds at 10 Gbit/s, so a
/// reset that looks like a wrap is the rarer case. After a reset, what it shows now is what it has grown.
fn growth(before: Option<u64>, now: u64, max: u64) -> u64 {
    let quarter = max / 4;
    match before {
        None => now,
        Some(before) if now >= before => now - before,
        Some(before) if before > max - quarter && now < quarter => (max - before) + now + 1,
        Some(_) => now,
    }
}

impl Refusal {
    fn name(self) -> &'static str {
        match self {
            Refusal::Kind => "kind",
            Refusal::Labels => "labels",
            Refusal::SeriesLimit => "series_limit",
        }
    }
}

#[cfg(test)]
mod tests;
