//! The fabric thread: one current-thread runtime that holds the core and every switch's task. No frame ever crosses a thread.
//!
//! ```text
//! accept ──► who is it (plain_from, first octet) ──► reader: octets → frames → core turn ──► ready connections ──► writers
//!                                                     timer: next deadline → core turn ──►
//! ```

mod accept;
mod connection;
mod report;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use dashmap::DashMap;
use net::{DatapathId, Prefix, Time};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::LocalSet;

use super::clock::Clock;
use super::listen::Listener;
use super::tls::TlsAcceptor;
use crate::core::{ConnectionId, Core, CoreConfig};

pub use report::Snapshot;
use telemetry::Sample;

/// Connections whose handshake is unfinished; more wait in the kernel's backlog until one is done or has failed.
const UNFINISHED_MAX: usize = 4_096;
/// How often telemetry gets its delta and the snapshot is renewed.
const TICK: Duration = Duration::from_millis(500);
/// A connection that ends, and the fabric thread when it stops, waits this long for the last octets to leave: a peer that doesn't read must
/// not keep its place.
const FLUSH_LIMIT: Duration = Duration::from_millis(500);

/// Connected switches and where their connections come from. The one table that other threads read while the fabric thread writes; it is
/// for looking only, the truth is in the core.
pub type Directory = Arc<DashMap<DatapathId, String>>;

/// What the fabric thread works with.
pub struct FabricOptions {
    /// Bound sockets.
    pub listeners: Vec<Listener>,
    /// Where plain TCP may come from.
    pub plain_from: Vec<Prefix>,
    /// TLS, if it is configured.
    pub tls: Option<TlsAcceptor>,
    /// The core's own parameters.
    pub core: CoreConfig,
}

/// A running fabric thread.
pub struct FabricHandle {
    directory: Directory,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    stop: watch::Sender<bool>,
    thread: std::thread::JoinHandle<()>,
}

impl FabricHandle {
    /// The newest picture of the network; at most one tick old. Never waits for the core.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshots.borrow().clone()
    }

    /// Who is connected at this moment.
    pub fn directory(&self) -> Directory {
        self.directory.clone()
    }

    /// A receiver of snapshots.
    pub fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshots.clone()
    }

    /// Stop: no new connections, the last octets flushed, rules left on the switches. Waits for the thread.
    pub fn stop(self) {
        let _ = self.stop.send(true);
        let _ = self.thread.join();
    }
}

/// Start the fabric thread. `samples` gets those of each tick.
pub fn spawn(options: FabricOptions, samples: Sender<Vec<Sample>>) -> std::io::Result<FabricHandle> {
    let (snapshot_sender, snapshots) = watch::channel(Arc::new(Snapshot::default()));
    let (stop, stopped) = watch::channel(false);
    let directory = Directory::default();
    let for_thread = directory.clone();
    let thread = std::thread::Builder::new().name("fabric".to_owned()).spawn(move || {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!(%error, "the fabric thread has no runtime");
                return;
            }
        };
        let local = LocalSet::new();
        local.block_on(&runtime, run(options, for_thread, samples, snapshot_sender, stopped));
    })?;
    Ok(FabricHandle { directory, snapshots, stop, thread })
}

/// One connection, as the core's turn sees it.
struct Outlet {
    /// There is output, or the connection is to be closed.
    wake: Notify,
    close: Cell<bool>,
    closing: Notify,
    /// Held until the handshake is done.
    permit: RefCell<Option<OwnedSemaphorePermit>>,
}

impl Outlet {
    fn new(permit: OwnedSemaphorePermit) -> Outlet {
        Outlet {
            wake: Notify::new(),
            close: Cell::new(false),
            closing: Notify::new(),
            permit: RefCell::new(Some(permit)),
        }
    }

    /// Flush, then close.
    fn close(&self) {
        self.close.set(true);
        self.wake.notify_one();
        self.closing.notify_one();
    }

    /// Until the connection was to be closed and has had its time for that.
    async fn overdue(&self) {
        while !self.close.get() {
            self.closing.notified().await;
        }
        tokio::time::sleep(FLUSH_LIMIT).await;
    }
}

struct Fabric {
    core: RefCell<Core>,
    clock: Clock,
    outlets: RefCell<BTreeMap<ConnectionId, Rc<Outlet>>>,
    next_connection: Cell<u64>,
    timer: Notify,
    /// The deadline that the timer sleeps until.
    deadline: Cell<Option<Time>>,
    unfinished: Arc<Semaphore>,
    plain_from: Vec<Prefix>,
    tls: Option<TlsAcceptor>,
    report: RefCell<report::Collector>,
}

impl Fabric {
    /// A core turn, and what follows from it.
    fn turn(&self, turn: impl FnOnce(&mut Core, Time)) {
        let mut core = self.core.borrow_mut();
        turn(&mut core, self.clock.now());
        let outlets = self.outlets.borrow();
        while let Some(id) = core.poll_ready() {
            if let Some(outlet) = outlets.get(&id) {
                outlet.wake.notify_one();
            }
        }
        while let Some(event) = core.poll_event() {
            match &event {
                crate::core::CoreEvent::Close { connection, .. } => {
                    if let Some(outlet) = outlets.get(connection) {
                        outlet.close();
                    }
                }
                crate::core::CoreEvent::SwitchConnected { connection, .. }
                | crate::core::CoreEvent::AuxiliaryConnected { connection, .. }
                | crate::core::CoreEvent::RoleGiven { connection, .. } => {
                    if let Some(outlet) = outlets.get(connection) {
                        outlet.permit.take();
                    }
                }
                _ => {}
            }
            self.report.borrow_mut().event(event);
        }
        let next = core.poll_timeout().map(|(at, _)| at);
        if next.is_some_and(|at| self.deadline.get().is_none_or(|set| at < set)) {
            self.timer.notify_one();
        }
    }
}

async fn run(
    options: FabricOptions,
    directory: Directory,
    samples: Sender<Vec<Sample>>,
    snapshots: watch::Sender<Arc<Snapshot>>,
    mut stopped: watch::Receiver<bool>,
) {
    let clock = Clock::start();
    let fabric = Rc::new(Fabric {
        core: RefCell::new(Core::new(options.core, clock.now())),
        clock,
        outlets: RefCell::new(BTreeMap::new()),
        next_connection: Cell::new(1),
        timer: Notify::new(),
        deadline: Cell::new(None),
        unfinished: Arc::new(Semaphore::new(UNFINISHED_MAX)),
        plain_from: options.plain_from,
        tls: options.tls,
        report: RefCell::new(report::Collector::new(directory)),
    });
    for listener in options.listeners {
        tokio::task::spawn_local(accept::accept(fabric.clone(), listener));
    }
    let timer = tokio::task::spawn_local(timer(fabric.clone()));
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = tick.tick() => {
                let core = fabric.core.borrow();
                let now = fabric.clock.now();
                let mut report = fabric.report.borrow_mut();
                let snapshot = report.snapshot(&core, now);
                // Nobody listens any more only while the process ends.
                let _ = samples.send(report.take(&snapshot));
                snapshots.send_replace(Arc::new(snapshot));
            }
            _ = stopped.changed() => break,
        }
    }
    timer.abort();
    let last_octets = async {
        while fabric.outlets.borrow().values().any(|outlet| !outlet.close.get()) {
            let outlets: Vec<Rc<Outlet>> = fabric.outlets.borrow().values().cloned().collect();
            for outlet in outlets {
                outlet.close();
            }
            tokio::task::yield_now().await;
        }
        while !fabric.outlets.borrow().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    if tokio::time::timeout(FLUSH_LIMIT, last_octets).await.is_err() {
        tracing::debug!("some switches did not take their last octets in time");
    }
}

/// Sleep until the core's next deadline, or until an earlier one comes up.
async fn timer(fabric: Rc<Fabric>) {
    loop {
        let next = fabric.core.borrow().poll_timeout().map(|(at, _)| at);
        fabric.deadline.set(next);
        match next {
            Some(at) if at <= fabric.clock.now() => {
                // First what has come in: if this thread was held up, its own delay must not look like a peer's silence. This also gives
                // frames their turn if deadlines never end.
                tokio::task::yield_now().await;
                fabric.turn(|core, now| core.handle_timeout(now));
            }
            Some(at) => {
                let until = tokio::time::Instant::from_std(fabric.clock.instant(at));
                tokio::select! {
                    () = tokio::time::sleep_until(until) => {}
                    () = fabric.timer.notified() => {}
                }
            }
            None => fabric.timer.notified().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);
    const HELLO: [u8; 8] = [4, 0, 0, 8, 0, 0, 0, 1];

    fn start(listener: Listener, handshake_timeout: Duration) -> FabricHandle {
        let mut core = CoreConfig::default();
        core.channel.handshake_timeout = handshake_timeout;
        let plain_from = vec!["127.0.0.0/8".parse().unwrap()];
        let options = FabricOptions { listeners: vec![listener], plain_from, tls: None, core };
        spawn(options, std::sync::mpsc::channel().0).unwrap()
    }

    fn start_tcp(handshake_timeout: Duration) -> (FabricHandle, TcpStream) {
        let listener = Listener::Tcp(crate::io::listen::bind_tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap());
        let address = listener.local_addr().unwrap();
        let fabric = start(listener, handshake_timeout);
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.set_write_timeout(Some(LIMIT)).unwrap();
        (fabric, stream)
    }

    #[test]
    fn a_peer_that_asks_and_never_reads_loses_its_place() {
        let (fabric, mut stream) = start_tcp(Duration::from_millis(300));
        stream.write_all(&HELLO).unwrap();
        // More answers than the kernel holds: the controller's write never ends.
        let mut echo = vec![0; 60_000];
        echo[..8].copy_from_slice(&[4, 2, (60_000_u16 >> 8) as u8, (60_000_u16 & 0xff) as u8, 0, 0, 0, 2]);
        let clock = Clock::start();
        while stream.write_all(&echo).is_ok() {
            assert!(clock.now() < Time::ZERO + LIMIT, "the connection is still open");
        }
        fabric.stop();
    }

    #[test]
    fn a_peer_that_closes_its_own_direction_still_hears_why() {
        let (fabric, mut stream) = start_tcp(LIMIT);
        stream.write_all(&[1, 0, 0, 8, 0, 0, 0, 1]).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert!(answer.windows(2).any(|pair| pair == [1, 1]), "no error of version 1 in {answer:?}");
        fabric.stop();
    }

    #[test]
    fn a_unix_socket_goes_with_the_controller() {
        let path = std::env::temp_dir().join(format!("trunkline-fabric-{}.sock", std::process::id()));
        let listener = Listener::bind(&crate::config::Listen::Unix(path.clone())).unwrap();
        let fabric = start(listener, LIMIT);
        let mut stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
        // Its HELLO: the controller serves the socket.
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.read_exact(&mut [0; 8]).unwrap();
        fabric.stop();
        assert!(!path.exists());
    }
}
