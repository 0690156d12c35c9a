//! The OVSDB thread: one current-thread runtime with a task for each database, and the decision which links have BFD. It looks at pictures of the
//! network, and tells the fabric thread the ports' MTUs; neither waits for the other.

mod claims;
mod connection;
mod shared;
mod status;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use net::PortId;
use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;

use super::clock::Clock;
use super::fabric::{Happenings, Snapshot};
use super::tls::Tls;
use crate::config::OvsdbConfig;
use shared::Shared;

pub use status::{ConnectionStatus, OvsdbStatus, PortRow, SessionStatus};

/// How often what is shown is renewed and what has failed is tried again.
const TICK: Duration = Duration::from_millis(500);
/// Lists of MTUs that wait for the fabric thread: it takes one in a turn.
pub const MTUS_WAITING: usize = 4;

/// MTUs of ports; none where it is not known any more.
pub type PortMtus = Vec<(PortId, Option<u32>)>;

/// What the thread works with.
pub struct OvsdbOptions {
    /// The section of the configuration.
    pub config: OvsdbConfig,
    /// TLS, if it is configured.
    pub tls: Option<Tls>,
    /// Pictures of the network.
    pub snapshots: watch::Receiver<Arc<Snapshot>>,
    /// Where events go.
    pub happenings: Arc<Happenings>,
    /// Where MTUs go.
    pub mtus: mpsc::Sender<PortMtus>,
}

/// The running thread.
pub struct OvsdbHandle {
    status: watch::Receiver<Arc<OvsdbStatus>>,
    configs: watch::Sender<OvsdbConfig>,
    stop: watch::Sender<bool>,
    thread: std::thread::JoinHandle<()>,
}

impl OvsdbHandle {
    /// What is connected and switched on, as it changes.
    pub fn status(&self) -> watch::Receiver<Arc<OvsdbStatus>> {
        self.status.clone()
    }

    /// Take on another section.
    pub fn configure(&self, config: &OvsdbConfig) {
        self.configs.send_if_modified(|now| {
            let differs = now != config;
            *now = config.clone();
            differs
        });
    }

    /// Stop. What is set in databases stays: links are as they were when the next run finds them. Waits for the thread.
    pub fn stop(self) {
        let _ = self.stop.send(true);
        let _ = self.thread.join();
    }
}

/// Start the thread.
///
/// # Errors
/// The system has no thread left.
pub fn spawn(options: OvsdbOptions) -> std::io::Result<OvsdbHandle> {
    let (shown, status) = watch::channel(Arc::default());
    let (configs, taken) = watch::channel(options.config.clone());
    let (stop, stopped) = watch::channel(false);
    let thread = std::thread::Builder::new().name("ovsdb".to_owned()).spawn(move || {
        match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => LocalSet::new().block_on(&runtime, run(options, shown, taken, stopped)),
            Err(error) => tracing::error!(%error, "the OVSDB thread has no runtime"),
        }
    })?;
    Ok(OvsdbHandle { status, configs, stop, thread })
}

async fn run(
    options: OvsdbOptions,
    shown: watch::Sender<Arc<OvsdbStatus>>,
    mut configs: watch::Receiver<OvsdbConfig>,
    mut stopped: watch::Receiver<bool>,
) {
    let OvsdbOptions { config, tls, mut snapshots, happenings, mtus } = options;
    let shared = Rc::new(RefCell::new(Shared::new(Clock::start(), happenings, mtus)));
    let tls = tls.map(Rc::new);
    let start = |targets| {
        for (number, target) in targets {
            tokio::task::spawn_local(connection::keep(shared.clone(), number, target, tls.clone()));
        }
    };
    let targets = shared.borrow_mut().configure(config);
    start(targets);
    let wake = shared.borrow().wake();
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let deadline = shared.borrow().deadline();
        tokio::select! {
            _ = tick.tick() => {
                let mut shared = shared.borrow_mut();
                shared.reconcile();
                shown.send_replace(Arc::new(shared.status()));
            }
            () = wake.notified() => {}
            () = connection::until(deadline) => shared.borrow_mut().reconcile(),
            changed = snapshots.changed() => {
                // The fabric thread has ended: so does the process.
                if changed.is_err() {
                    return;
                }
                let snapshot = snapshots.borrow_and_update().clone();
                shared.borrow_mut().look(&snapshot);
            }
            Ok(()) = configs.changed() => {
                let config = configs.borrow_and_update().clone();
                let targets = shared.borrow_mut().configure(config);
                start(targets);
            }
            _ = stopped.changed() => return,
        }
    }
}
