//! The Prometheus text format, rendered from the pipeline's series.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus::core::{Collector, Desc};
use prometheus::proto;
use prometheus::{Registry, TextEncoder};

use crate::histogram::Observations;
use crate::metrics::{Kind, Metric};
use crate::pipeline::{Series, State, Store};
use crate::process;
use crate::sample::values;

/// Renders what a [`crate::Pipeline`] holds. Cheap to clone, and shared between threads.
#[derive(Clone)]
pub struct Exporter {
    registry: Registry,
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exporter").finish_non_exhaustive()
    }
}

impl Exporter {
    /// The media type of what [`Exporter::render`] returns.
    pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

    pub(crate) fn new(store: Arc<Mutex<Store>>, process: bool) -> Exporter {
        let registry = Registry::new();
        // Registering fails for names that are twice or not names; the tests of the list say that there are none.
        let registered = registry.register(Box::new(Families { store, descriptions: descriptions() }));
        debug_assert!(registered.is_ok(), "{registered:?}");
        if process {
            let registered = registry.register(Box::new(process::Process::new()));
            debug_assert!(registered.is_ok(), "{registered:?}");
        }
        Exporter { registry }
    }

    /// Every series in the Prometheus text format (version 0.0.4), sorted by name and labels.
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Fails only for families without metrics, which `gather` leaves out.
        let encoded = TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text);
        debug_assert!(encoded.is_ok(), "{encoded:?}");
        text
    }
}

/// The pipeline's store as a source of the registry.
struct Families {
    store: Arc<Mutex<Store>>,
    descriptions: Vec<Desc>,
}

impl Collector for Families {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<proto::MetricFamily> {
        // Copied, so that the pipeline waits for a copy and not for the rendering of a large network.
        let store = self.store.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut metrics: BTreeMap<Metric, Vec<proto::Metric>> = BTreeMap::new();
        for (labels, row) in &store.rows {
            for (metric, series) in row {
                metrics.entry(*metric).or_default().push(one(*metric, labels, series));
            }
        }
        let families = metrics.into_iter().map(|(metric, metrics)| {
            let description = metric.description();
            let mut family = family(description.name, description.help, description.kind);
            family.set_metric(metrics);
            family
        });
        families.collect()
    }
}

fn descriptions() -> Vec<Desc> {
    let describe = |metric: &Metric| {
        let description = metric.description();
        let labels = description.labels.iter().map(|label| (*label).to_owned()).collect();
        Desc::new(description.name.to_owned(), description.help.to_owned(), labels, Default::default())
    };
    let descriptions: Vec<Desc> = Metric::ALL.iter().filter_map(|metric| describe(metric).ok()).collect();
    debug_assert_eq!(descriptions.len(), Metric::ALL.len());
    descriptions
}

/// A family without series.
pub(crate) fn family(name: &str, help: &str, kind: Kind) -> proto::MetricFamily {
    let mut family = proto::MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(match kind {
        Kind::Counter => proto::MetricType::COUNTER,
        Kind::Gauge => proto::MetricType::GAUGE,
        Kind::Histogram(_) => proto::MetricType::HISTOGRAM,
    });
    family
}

fn one(metric: Metric, labels: &[u8], series: &Series) -> proto::Metric {
    let description = metric.description();
    let pair = |(name, value): (&&str, &str)| {
        let mut pair = proto::LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value(value.to_owned());
        pair
    };
    let mut one = proto::Metric::from_label(description.labels.iter().zip(values(labels)).map(pair).collect());
    match &series.state {
        State::Counter { exported, .. } => {
            let mut counter = proto::Counter::default();
            counter.set_value(*exported as f64);
            one.set_counter(counter);
        }
        State::Gauge(value) => {
            let mut gauge = proto::Gauge::default();
            gauge.set_value(*value);
            one.set_gauge(gauge);
        }
        State::Histogram(observations) => one.set_histogram(histogram(description.kind, observations)),
    }
    one
}

fn histogram(kind: Kind, observations: &Observations) -> proto::Histogram {
    let bounds = if let Kind::Histogram(bounds) = kind { bounds } else { &[] };
    let mut histogram = proto::Histogram::default();
    let mut cumulative = 0u64;
    let buckets = bounds
        .iter()
        .zip(&observations.counts)
        .map(|(bound, count)| {
            cumulative = cumulative.saturating_add(*count);
            let mut bucket = proto::Bucket::default();
            bucket.set_upper_bound(*bound);
            bucket.set_cumulative_count(cumulative);
            bucket
        })
        .collect();
    histogram.set_bucket(buckets);
    histogram.set_sample_count(observations.counts.iter().fold(0, |sum, count| sum.saturating_add(*count)));
    histogram.set_sample_sum(observations.sum);
    histogram
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::Histogram;
    use crate::metrics::Description;
    use crate::pipeline::{Options, Pipeline};
    use crate::sample::{Sample, Value};
    use net::Time;
    use std::io::Write as _;
    use std::process::{Command, Stdio};
    use std::time::Duration;

    /// A pipeline in which every metric has two series.
    fn full() -> Exporter {
        let (mut pipeline, exporter) = Pipeline::new(Options::default());
        for metric in Metric::ALL {
            let Description { kind, labels, .. } = metric.description();
            for value in ["a", "quote \" back \\ line \n"] {
                let measured = match kind {
                    Kind::Counter => Value::Total(1 << 40),
                    Kind::Gauge => Value::Set(0.5),
                    Kind::Histogram(bounds) => {
                        Value::Observed(Observations { counts: vec![1; bounds.len() + 1], sum: 1.5 })
                    }
                };
                let sample = labels.iter().fold(Sample::new(*metric, measured), |sample, _| sample.label(value));
                pipeline.record([sample], Time::ZERO);
            }
        }
        exporter
    }

    #[test]
    fn promtool_finds_nothing_wrong() {
        let text = full().render();
        let command = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let Ok(mut promtool) = command else {
            eprintln!("skipped: promtool is not installed");
            return;
        };
        promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = promtool.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && said.trim().is_empty(), "{said}\n{text}");
    }

    #[test]
    fn metrics_without_labels_are_there_before_anything_is_measured() {
        let (_, exporter) = Pipeline::new(Options { process: false, ..Options::default() });
        let text = exporter.render();
        for metric in Metric::ALL {
            let Description { name, labels, .. } = metric.description();
            assert_eq!(text.contains(&format!("# TYPE {name} ")), labels.is_empty(), "{name}");
        }
        assert!(text.contains("\ntrunkline_openflow_switches_connected 0\n"));
        assert!(text.contains("\ntrunkline_reroute_duration_seconds_count 0\n"));
    }

    #[test]
    fn a_histogram_is_exported_with_cumulative_buckets() {
        let (mut pipeline, exporter) = Pipeline::new(Options { process: false, ..Options::default() });
        let mut histogram = Histogram::new(Metric::RerouteDuration);
        for millis in [1, 30, 60_000] {
            histogram.observe(Duration::from_millis(millis));
        }
        pipeline.record(histogram.take(), Time::ZERO);
        let text = exporter.render();
        for line in [
            "trunkline_reroute_duration_seconds_bucket{le=\"0.001\"} 1",
            "trunkline_reroute_duration_seconds_bucket{le=\"0.02\"} 1",
            "trunkline_reroute_duration_seconds_bucket{le=\"0.05\"} 2",
            "trunkline_reroute_duration_seconds_bucket{le=\"10\"} 2",
            "trunkline_reroute_duration_seconds_bucket{le=\"+Inf\"} 3",
            "trunkline_reroute_duration_seconds_sum 60.031",
            "trunkline_reroute_duration_seconds_count 3",
        ] {
            assert!(text.contains(&format!("\n{line}\n")), "{line} not in\n{text}");
        }
    }

    #[test]
    fn two_pipelines_in_one_process_do_not_meet() {
        let (mut one, first) = Pipeline::new(Options::default());
        let (_, second) = Pipeline::new(Options::default());
        one.record([Sample::gauge(Metric::Links, 7.0)], Time::ZERO);
        assert!(first.render().contains("\ntrunkline_topology_links 7\n"));
        assert!(second.render().contains("\ntrunkline_topology_links 0\n"));
    }
}
