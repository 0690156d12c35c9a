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

/// Every series, by metric and label values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Store {
    pub(crate) families: BTreeMap<Metric, BTreeMap<Vec<String>, Series>>,
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
        for metric in Metric::ALL {
            let family = store.families.entry(*metric).or_default();
            let description = metric.description();
            if description.labels.is_empty() {
                family.insert(Vec::new(), Series { state: State::new(description.kind), touched: Time::ZERO });
            }
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
        let series = store.families.values().map(BTreeMap::len).sum::<usize>();
        let _ = store.take(Sample::gauge(Metric::Series, series as f64), now);
    }
}

impl Store {
    fn take(&mut self, sample: Sample, now: Time) -> Result<(), Refusal> {
        let description = sample.metric.description();
        if sample.labels.len() != description.labels.len() {
            return Err(Refusal::Labels);
        }
        if !sample.value.fits(description.kind) {
            return Err(Refusal::Kind);
        }
        if sample.value == Value::Total(u64::MAX) {
            return Ok(());
        }
        let family = self.families.entry(sample.metric).or_default();
        if !family.contains_key(&sample.labels) && family.len() >= MAX_SERIES {
            return Err(Refusal::SeriesLimit);
        }
        let new = || Series { state: State::new(description.kind), touched: now };
        let series = family.entry(sample.labels).or_insert_with(new);
        series.touched = now;
        series.state.apply(sample.value);
        Ok(())
    }

    fn age(&mut self, now: Time, max_age: Duration) {
        for (metric, family) in &mut self.families {
            if metric.description().lifetime == Lifetime::WhileSampled {
                family.retain(|_, series| now.since(series.touched) <= max_age);
            }
        }
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
