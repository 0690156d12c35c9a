//! Telemetry and HTTP on one thread: samples in once a tick, scrapes out when they come. Nothing here waits for the core.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use telemetry::{Metric, Options, Pipeline, Sample};
use tokio::sync::watch;

use super::BgpHandle;
use crate::http::{self, Sources};
use crate::io::clock::Clock;
use crate::io::fabric::Snapshot;

/// How often samples are taken over.
const TICK: Duration = Duration::from_millis(500);

/// The running thread.
pub(super) struct TelemetryHandle {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: std::thread::JoinHandle<()>,
}

impl TelemetryHandle {
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn stop(self) {
        let _ = self.stop.send(true);
        let _ = self.thread.join();
    }
}

pub(super) fn start(
    listener: std::net::TcpListener,
    samples: Receiver<Vec<Sample>>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    bgp: Option<BgpHandle>,
) -> Result<TelemetryHandle, String> {
    let address = listener.local_addr().map_err(|error| format!("http: {error}"))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("the telemetry thread has no runtime: {error}"))?;
    let (stop, stopped) = watch::channel(false);
    let thread = std::thread::Builder::new()
        .name("telemetry".to_owned())
        .spawn(move || runtime.block_on(run(listener, samples, snapshots, bgp, stopped)))
        .map_err(|error| format!("cannot start a thread: {error}"))?;
    Ok(TelemetryHandle { address, stop, thread })
}

async fn run(
    listener: std::net::TcpListener,
    samples: Receiver<Vec<Sample>>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    bgp: Option<BgpHandle>,
    stopped: watch::Receiver<bool>,
) {
    let (mut pipeline, exporter) = Pipeline::new(Options::default());
    let clock = Clock::start();
    let build = Sample::gauge(Metric::BuildInfo, 1.0).label(env!("CARGO_PKG_VERSION"));
    pipeline.record([build.clone()], clock.now());
    let sources = Sources {
        metrics: Arc::new(move || exporter.render()),
        health: Arc::new(move || {
            // The fabric thread renews its snapshot at every tick; its end closes the channel.
            if snapshots.has_changed().is_err() { Err("the fabric thread has ended".to_owned()) } else { Ok(()) }
        }),
    };
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "cannot use the HTTP socket");
            return;
        }
    };
    let mut http_stopped = stopped.clone();
    let server = http::serve(listener, sources, async move {
        let _ = http_stopped.changed().await;
    });
    let record = async move {
        let mut stopped = stopped;
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                _ = stopped.changed() => return,
            }
            let mut batch: Vec<Sample> = std::iter::from_fn(|| samples.try_recv().ok()).flatten().collect();
            if let Some(bgp) = &bgp {
                if let Some(status) = bgp.status().await {
                    sample_bgp(&status, &mut batch);
                }
            }
            pipeline.record(batch, clock.now());
        }
    };
    tokio::join!(server, record);
}
