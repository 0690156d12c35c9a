//! Telemetry: samples in, pipeline, Prometheus text out.
//!
//! Whoever measures builds [`Sample`]s of the metrics in [`Metric`], the one list; the [`Pipeline`] makes source counters that reset or wrap
//! monotonic, forgets series that are no longer sampled, and bounds their number; the [`Exporter`] renders the result for a scrape. The owner
//! of the pipeline is a task of its own, never the core: a scrape holds the pipeline's lock while it copies.
#![forbid(unsafe_code)]

mod export;
mod histogram;
mod metrics;
mod pipeline;
mod process;
mod reference;
mod sample;

pub use export::Exporter;
pub use histogram::{Histogram, Observations};
pub use metrics::{Description, Kind, Lifetime, Metric};
pub use pipeline::{MAX_SERIES, Options, Pipeline};
pub use reference::markdown;
pub use sample::{Labels, MAX_LABEL_OCTETS, Sample, Value};
