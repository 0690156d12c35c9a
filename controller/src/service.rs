//! The running controller: the fabric thread, the BGP thread, and one for telemetry and HTTP. `trunkline run` and `trunkline demo` start the same one.

mod bgp_service;
mod mrt;
mod telemetry_service;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use openflow::ControllerRole;
use tokio::sync::{mpsc, watch};

use crate::apply::Remembered;
use crate::config::{Config, OvsdbConfig, Role};
use crate::core::{CoreConfig, FabricSettings};
use crate::http;
use crate::io::control::ControlSocket;
use crate::io::fabric::{self, AcceptLimits, FabricHandle, FabricOptions, FabricReader, Happenings, Snapshot};
use crate::io::listen::Listener;
use crate::io::ovsdb::{self, OvsdbHandle, OvsdbOptions};
use crate::io::record::Recorder;
use crate::io::tls::Tls;
use crate::reload::{Counted, REQUESTS_WAITING, ReloadRequest};

pub use bgp_service::BgpHandle;
pub(crate) use bgp_service::{neighbor_config, speaker_config};
pub(crate) use mrt::{FileName, table_octets};

/// A controller that runs until [`Controller::stop`].
pub struct Controller {
    fabric: FabricHandle,
    ovsdb: OvsdbHandle,
    bgp: Option<BgpHandle>,
    telemetry: telemetry_service::TelemetryHandle,
    openflow: Vec<SocketAddr>,
    socket: Option<PathBuf>,
    reloads: Option<mpsc::Receiver<ReloadRequest>>,
    configurations: watch::Sender<Arc<Remembered>>,
    counted: Arc<Counted>,
}

impl Controller {
    /// Take every address, read every certificate, then start. Nothing runs if anything is wrong.
    ///
    /// # Errors
    /// What keeps it from starting, as a sentence for the operator.
    pub fn start(config: &Config) -> Result<Controller, String> {
        let tls = config.openflow.tls.as_ref().map(Tls::load).transpose()?;
        let listeners = config.openflow.listen.iter().map(Listener::bind).collect::<Result<Vec<_>, _>>()?;
        let openflow = listeners.iter().filter_map(Listener::local_addr).collect();
        let seed = random_octets()?;
        let mut core = core_config(config);
        core.probe_key = seed;
        // Who starts later is the newer master: generations are times.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        core.generation_id = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        core.seed = u64::from_be_bytes(first_eight(&random_octets()?));
        let http = http::bind_blocking(config.http.listen).map_err(|error| error.to_string())?;
        let socket = ControlSocket::bind(&config.http.socket)?;
        let bgp = config.bgp.as_ref().map(|bgp| bgp_service::start(bgp, core.seed)).transpose()?;

        let (samples, taken) = std::sync::mpsc::channel();
        if let Some(tls) = &tls {
            log_certificates(tls);
        }
        let recorder =
            config.openflow.record.as_ref().map(|directory| Recorder::start(directory, &core)).transpose()?;
        let options = FabricOptions {
            listeners,
            plain_from: config.openflow.plain_from.clone(),
            tls,
            connect: config.openflow.connect.clone(),
            limits: AcceptLimits::of_this_process(),
            core,
            recorder,
        };
        let fabric = fabric::spawn(options, samples).map_err(|error| format!("cannot start a thread: {error}"))?;
        let FabricReader { snapshots, happenings, .. } = fabric.reader();
        let tls = config.openflow.tls.as_ref().map(Tls::load).transpose()?;
        let options =
            OvsdbOptions { config: config.ovsdb.clone(), tls, snapshots, happenings, mtus: fabric.port_mtus() };
        let ovsdb = ovsdb::spawn(options).map_err(|error| format!("cannot start a thread: {error}"))?;
        let (reload, reloads) = mpsc::channel(REQUESTS_WAITING);
        let (configurations, remembered) = watch::channel(Arc::default());
        let counted = Arc::<Counted>::default();
        let socket_path = socket.as_ref().map(|socket| socket.path().to_owned());
        let parts = telemetry_service::Parts {
            listener: http,
            socket,
            ticks: taken,
            fabric: fabric.reader(),
            bgp: bgp.clone(),
            ovsdb: ovsdb.status(),
            reload,
            remembered,
            counted: counted.clone(),
        };
        let telemetry = telemetry_service::start(parts)?;
        let (socket, reloads) = (socket_path, Some(reloads));
        Ok(Controller { fabric, ovsdb, bgp, telemetry, openflow, socket, reloads, configurations, counted })
    }

    /// Where switches connect over TCP.
    pub fn openflow_addresses(&self) -> &[SocketAddr] {
        &self.openflow
    }

    /// Where metrics are.
    pub fn http_address(&self) -> SocketAddr {
        self.telemetry.address()
    }

    /// The newest picture of the network.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.fabric.snapshot()
    }

    /// Pictures of the network as they come.
    pub fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.fabric.reader().snapshots
    }

    /// What happened, for who has something to add.
    pub fn happenings(&self) -> Arc<Happenings> {
        self.fabric.reader().happenings
    }

    /// The Unix socket where commands ask, if there is one.
    pub fn socket(&self) -> Option<&Path> {
        self.socket.as_deref()
    }

    /// The BGP speaker, if there is one.
    pub fn bgp(&self) -> Option<&BgpHandle> {
        self.bgp.as_ref()
    }

    /// Requests for another configuration, as they come over HTTP. Who drops this refuses them.
    pub fn take_reloads(&mut self) -> Option<mpsc::Receiver<ReloadRequest>> {
        self.reloads.take()
    }

    /// Where those who ask look for the configurations that were taken on.
    pub fn configurations(&self) -> watch::Sender<Arc<Remembered>> {
        self.configurations.clone()
    }

    /// What is counted of configurations.
    pub fn counted(&self) -> Arc<Counted> {
        self.counted.clone()
    }

    /// For who verifies links before they are used: what is asked, and where the answer goes.
    pub(crate) fn link_questions(&self) -> (fabric::LinkQuestions, mpsc::Sender<fabric::LinkAnswer>) {
        self.fabric.link_questions()
    }

    /// Have the fabric take on another configuration; what was different, as keys of the file.
    ///
    /// # Errors
    /// The fabric thread has ended.
    pub async fn configure(&self, settings: FabricSettings) -> Result<Vec<&'static str>, String> {
        self.fabric.configure(settings).await.ok_or_else(|| "the fabric thread has ended".to_owned())
    }

    /// Have the databases' thread take on another section.
    pub fn configure_ovsdb(&self, config: &OvsdbConfig) {
        self.ovsdb.configure(config);
    }

    /// Stop gracefully: BGP neighbours are told, the switches keep their rules. Returns when everything has ended.
    pub fn stop(self) {
        if let Some(bgp) = &self.bgp {
            bgp.stop();
        }
        self.ovsdb.stop();
        self.fabric.stop();
        self.telemetry.stop();
    }
}

/// What the configuration says to the core. Seeds and the generation are the run's own.
pub(crate) fn core_config(config: &Config) -> CoreConfig {
    let role = match config.openflow.role {
        Role::Equal => ControllerRole::EQUAL,
        Role::Master => ControllerRole::MASTER,
        Role::Slave => ControllerRole::SLAVE,
    };
    let mut core = CoreConfig { role, ..CoreConfig::default() };
    core.discovery = config.fabric.discovery.clone();
    core.wiring = config.fabric.wiring.clone();
    core.weights = config.weights.clone();
    core.verifies_links = config.verifies_links();
    core.names = Arc::new(config.switch_names());
    core.reservations = config.reservations.clone();
    core.rules = config.flows.clone();
    core.flows = config.flow_settings();
    core.isolation = config.isolate.clone();
    core
}

fn log_certificates(tls: &Tls) {
    for (file, end) in tls.ends() {
        tracing::info!(file = %file.display(), good_until = end, "certificate");
    }
    for warning in tls.expiring(SystemTime::now()) {
        tracing::warn!("{warning}");
    }
}

/// How long a part may take to end before it is left behind.
const STOP_LIMIT: Duration = Duration::from_secs(5);

fn first_eight(octets: &[u8; 32]) -> [u8; 8] {
    let mut first = [0; 8];
    first.copy_from_slice(&octets[..8]);
    first
}

/// Octets that nobody can guess: the key of the probes hangs on them.
fn random_octets() -> Result<[u8; 32], String> {
    use std::io::Read;
    let mut octets = [0; 32];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut octets))
        .map_err(|error| format!("cannot read /dev/urandom: {error}"))?;
    Ok(octets)
}
