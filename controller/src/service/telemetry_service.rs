//! Telemetry and HTTP on one thread: samples in once a tick, scrapes out when they come. Nothing here waits for the core.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use bgp::session::SessionState;
use bgp::speaker::SpeakerStatus;
use telemetry::{Metric, Options, Pipeline, Sample};
use tokio::sync::watch;

use super::BgpHandle;
use crate::api::Api;
use crate::apply::Remembered;
use crate::http::{self, Door, Sources};
use crate::io::clock::{self, Clock};
use crate::io::control::ControlSocket;
use crate::io::fabric::{FabricReader, Tick};
use crate::io::ovsdb::OvsdbStatus;
use crate::reload::{Counted, ReloadSender};

/// How often samples are taken over.
const TICK: Duration = Duration::from_millis(500);

/// How long the speaker may take to tell its status. Then this tick goes without: a speaker that is stuck must hold up neither the other
/// metrics nor the end of the process.
const STATUS_LIMIT: Duration = Duration::from_secs(1);

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

/// What the thread works with.
pub(super) struct Parts {
    pub(super) listener: std::net::TcpListener,
    pub(super) socket: Option<ControlSocket>,
    pub(super) ticks: Receiver<Tick>,
    pub(super) fabric: FabricReader,
    pub(super) bgp: Option<BgpHandle>,
    pub(super) ovsdb: watch::Receiver<Arc<OvsdbStatus>>,
    pub(super) reload: ReloadSender,
    pub(super) remembered: watch::Receiver<Arc<Remembered>>,
    pub(super) counted: Arc<Counted>,
}

pub(super) fn start(parts: Parts) -> Result<TelemetryHandle, String> {
    let address = parts.listener.local_addr().map_err(|error| format!("http: {error}"))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("the telemetry thread has no runtime: {error}"))?;
    let (stop, stopped) = watch::channel(false);
    let thread = std::thread::Builder::new()
        .name("telemetry".to_owned())
        .spawn(move || runtime.block_on(run(parts, stopped)))
        .map_err(|error| format!("cannot start a thread: {error}"))?;
    Ok(TelemetryHandle { address, stop, thread })
}

async fn run(parts: Parts, stopped: watch::Receiver<bool>) {
    let Parts { listener, socket, ticks, fabric, bgp, ovsdb, reload, remembered, counted } = parts;
    let FabricReader { snapshots, pictures, auditor, happenings, directory } = fabric;
    let (mut pipeline, exporter) = Pipeline::new(Options::default());
    let clock = Clock::start();
    let build = Sample::gauge(Metric::BuildInfo, 1.0).label(env!("CARGO_PKG_VERSION"));
    pipeline.record([build.clone()], clock.now());
    let (admitted, admitted_here) = watch::channel(Arc::default());
    let reservations = crate::reservations::run(snapshots.clone(), admitted, stopped.clone());
    let api = Api {
        snapshots: snapshots.clone(),
        pictures: pictures.clone(),
        auditor,
        happenings,
        bgp: bgp.as_ref().map(|bgp| bgp.speaker().clone()),
        ovsdb: ovsdb.clone(),
        admitted: admitted_here,
        started: clock::wall(),
        remembered,
    };
    let sources = Sources {
        api: Some(api),
        bgp: bgp.as_ref().map(|bgp| bgp.speaker().clone()),
        reload: Some(reload),
        metrics: Arc::new(move || exporter.render()),
        switches: Arc::new(move || {
            directory.iter().map(|entry| (entry.key().to_string(), entry.value().clone())).collect()
        }),
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
    let stop = |mut stopped: watch::Receiver<bool>| async move {
        let _ = stopped.changed().await;
    };
    let local = {
        let (sources, stop) = (sources.clone(), stop(stopped.clone()));
        async move {
            let Some(socket) = socket else { return };
            match socket.listener() {
                Ok(listener) => http::serve(Door::Unix(listener), sources, stop).await,
                Err(error) => tracing::error!(%error, "cannot use the Unix socket"),
            }
        }
    };
    let server = http::serve(Door::Tcp(listener), sources, stop(stopped.clone()));
    let record = async move {
        let mut stopped = stopped;
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                _ = stopped.changed() => return,
            }
            pictures.tidy();
            // Before the wait for BGP: its time is that of the ticks.
            while let Ok(tick) = ticks.try_recv() {
                pipeline.record(tick.samples(), clock.now());
            }
            let mut batch = counted.samples();
            batch.extend(ovsdb.borrow().samples());
            if let Some(bgp) = &bgp
                && let Ok(Some(status)) = tokio::time::timeout(STATUS_LIMIT, bgp.status()).await
            {
                sample_bgp(&status, &mut batch);
            }
            pipeline.record(batch, clock.now());
        }
    };
    tokio::join!(server, local, record, reservations);
}

fn sample_bgp(status: &SpeakerStatus, samples: &mut Vec<Sample>) {
    let mut states: BTreeMap<&'static str, u64> = STATES.iter().map(|(_, _, name)| (*name, 0)).collect();
    for neighbor in &status.neighbors {
        let peer = neighbor.address;
        let (_, number, name) = *STATES.iter().find(|(state, ..)| *state == neighbor.state).unwrap_or(&STATES[0]);
        *states.entry(name).or_default() += 1;
        let up = f64::from(u8::from(neighbor.state == SessionState::Established));
        let uptime = neighbor.uptime_seconds.unwrap_or(0) as f64;
        samples.push(Sample::gauge(Metric::BgpPeerUp, up).label(peer).label(neighbor.asn.0));
        samples.push(Sample::gauge(Metric::BgpPeerState, number).label(peer));
        samples.push(Sample::gauge(Metric::BgpPeerUptime, uptime).label(peer));
        samples.push(Sample::total(Metric::BgpPeerEstablished, neighbor.established_count).label(peer));
        for (metric, counts) in [
            (Metric::BgpPeerMessagesReceived, &neighbor.messages_received),
            (Metric::BgpPeerMessagesSent, &neighbor.messages_sent),
        ] {
            let types = [
                ("open", counts.open),
                ("update", counts.update),
                ("notification", counts.notification),
                ("keepalive", counts.keepalive),
                ("route_refresh", counts.route_refresh),
            ];
            for (message_type, count) in types {
                samples.push(Sample::total(metric, count).label(peer).label(message_type));
            }
        }
        for (outcome, count) in [
            ("treat_as_withdraw", neighbor.errors_treated_as_withdraw),
            ("attribute_discard", neighbor.errors_attribute_discarded),
        ] {
            samples.push(Sample::total(Metric::BgpPeerUpdateErrors, count).label(peer).label(outcome));
        }
        for family in &neighbor.families {
            for (metric, count) in [
                (Metric::BgpPeerPrefixesReceived, family.received),
                (Metric::BgpPeerPrefixesAccepted, family.accepted),
                (Metric::BgpPeerPrefixesAdvertised, family.advertised),
            ] {
                samples.push(Sample::gauge(metric, count as f64).label(peer).label(family.family));
            }
            let refused = Sample::total(Metric::BgpPeerPathsRefused, family.paths_refused);
            samples.push(refused.label(peer).label(family.family));
        }
    }
    for (state, count) in states {
        samples.push(Sample::gauge(Metric::BgpPeers, count as f64).label(state));
    }
    let mut attribute_sets = 0;
    for table in &status.tables {
        samples.push(Sample::gauge(Metric::BgpRibPrefixes, table.counts.best as f64).label(table.family));
        samples.push(Sample::gauge(Metric::BgpRibPaths, table.counts.paths as f64).label(table.family));
        attribute_sets += table.counts.attribute_sets;
    }
    samples.push(Sample::gauge(Metric::BgpRibAttributeSets, attribute_sets as f64));
}

/// States of a session with their numbers in RFC 4273 and their label.
const STATES: [(SessionState, f64, &str); 6] = [
    (SessionState::Idle, 1.0, "idle"),
    (SessionState::Connect, 2.0, "connect"),
    (SessionState::Active, 3.0, "active"),
    (SessionState::OpenSent, 4.0, "open_sent"),
    (SessionState::OpenConfirm, 5.0, "open_confirm"),
    (SessionState::Established, 6.0, "established"),
];
