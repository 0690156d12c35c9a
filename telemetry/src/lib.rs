//! Telemetry: samples in, pipeline, Prometheus and other exports out.
#![forbid(unsafe_code)]
