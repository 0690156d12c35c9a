//! The fabric thread: one current-thread runtime that holds the core and every switch's task. No frame ever crosses a thread.
//!
//! ```text
//! accept ──► who is it (plain_from, first octet) ──► reader: octets → frames → core turn ──► ready connections ──► writers
//!                                                     timer: next deadline → core turn ──►
//! ```

mod accept;
mod alarms;
mod asked;
mod audits;
mod connection;
mod counted;
mod dial;
mod frames;
mod happened;
mod report;
mod told;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::task::Waker;
use std::time::Duration;

use bytes::BytesMut;
use dashmap::DashMap;
use net::{DatapathId, PortId, Prefix, Time};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::LocalSet;

use super::clock::Clock;
use super::listen::Listener;
use super::ovsdb::{MTUS_WAITING, PortMtus};
use super::record::Recorder;
use super::tls::Tls;
use crate::config::Connect;
use crate::core::{ConnectionId, Core, CoreConfig, FINISH_LIMIT, FabricSettings, LinkQuestion};

pub use accept::AcceptLimits;
pub use alarms::{Alarm, Looked};
pub use asked::{NoPicture, Ordered, Pictures, RuleOrder};
pub use audits::{Audited, Auditor, NoAudit};
pub use counted::{Counted, Counters, EntryCounts, NoCounters};
pub use happened::{About, HAPPENINGS_MAX, Happening, HappeningKind, HappeningPage, Happenings};
pub use report::{PORT_COUNTERS, PortCounts, Snapshot, SwitchFacts, Tick};

/// How often telemetry gets its delta and the snapshot is renewed.
const TICK: Duration = Duration::from_millis(500);
/// A connection that ends, and the fabric thread when it stops, waits this long for the last octets to leave: a peer that doesn't read must
/// not keep its place.
const FLUSH_LIMIT: Duration = Duration::from_millis(500);

/// Connected switches and where their connections come from. The one table that other threads read while the fabric thread writes; it is
/// for looking only, the truth is in the core.
pub type Directory = Arc<DashMap<DatapathId, String>>;

/// What the fabric thread works with.
#[derive(Default)]
pub struct FabricOptions {
    /// Bound sockets.
    pub listeners: Vec<Listener>,
    /// Where plain TCP may come from.
    pub plain_from: Vec<Prefix>,
    /// TLS, if it is configured.
    pub tls: Option<Tls>,
    /// Switches to connect to.
    pub connect: Vec<Connect>,
    /// How much may be under way before a switch has said who it is.
    pub limits: AcceptLimits,
    /// The core's own parameters.
    pub core: CoreConfig,
    /// Where messages are recorded, if they are.
    pub recorder: Option<Recorder>,
}

/// Configurations that wait for the fabric thread: it takes one in a turn.
const SETTINGS_WAITING: usize = 1;

/// Another configuration, and who waits to hear what was different.
type Settings = (FabricSettings, oneshot::Sender<Vec<&'static str>>);

/// Answers about links that wait for the fabric thread.
const ANSWERS_WAITING: usize = 4;

/// The number of a question about links, and the ends of those that would make something worse.
pub type LinkAnswer = (u64, BTreeSet<PortId>);

/// The newest question about links that have come, if there was one.
pub type LinkQuestions = watch::Receiver<Option<Arc<LinkQuestion>>>;

/// What those who only look are given.
#[derive(Clone)]
pub struct FabricReader {
    /// Pictures of the network, as they come.
    pub snapshots: watch::Receiver<Arc<Snapshot>>,
    /// What the switches should have and have.
    pub pictures: Pictures,
    /// Audits the switches.
    pub auditor: Auditor,
    /// What happened.
    pub happenings: Arc<Happenings>,
    /// Who is connected at this moment.
    pub directory: Directory,
}

/// A running fabric thread.
pub struct FabricHandle {
    reader: FabricReader,
    settings: mpsc::Sender<Settings>,
    port_mtus: mpsc::Sender<PortMtus>,
    links: (LinkQuestions, mpsc::Sender<LinkAnswer>),
    stop: watch::Sender<bool>,
    thread: std::thread::JoinHandle<()>,
}

impl FabricHandle {
    /// The newest picture of the network; at most one tick old. Never waits for the core.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.reader.snapshots.borrow().clone()
    }

    /// For those who only look.
    pub fn reader(&self) -> FabricReader {
        self.reader.clone()
    }

    /// Take on another configuration; what was different, as keys of the file. `None` if the thread has ended.
    pub async fn configure(&self, settings: FabricSettings) -> Option<Vec<&'static str>> {
        let (answer, answered) = oneshot::channel();
        self.settings.send((settings, answer)).await.ok()?;
        answered.await.ok()
    }

    /// For who knows MTUs of ports.
    pub fn port_mtus(&self) -> mpsc::Sender<PortMtus> {
        self.port_mtus.clone()
    }

    /// For who verifies links before they are used: what is asked, and where the answer goes.
    pub fn link_questions(&self) -> (LinkQuestions, mpsc::Sender<LinkAnswer>) {
        self.links.clone()
    }

    /// Stop: no new connections, the last octets flushed, rules left on the switches. Waits for the thread.
    pub fn stop(self) {
        let _ = self.stop.send(true);
        let _ = self.thread.join();
    }
}

/// Start the fabric thread. `ticks` gets what telemetry wants of each tick.
pub fn spawn(options: FabricOptions, ticks: Sender<Tick>) -> std::io::Result<FabricHandle> {
    let (snapshot_sender, snapshots) = watch::channel(Arc::new(Snapshot::default()));
    let (stop, stopped) = watch::channel(false);
    let (settings, taken) = mpsc::channel(SETTINGS_WAITING);
    let (port_mtus, mtus) = mpsc::channel(MTUS_WAITING);
    let (links_wait, questions_of_links) = watch::channel(None);
    let (link_answers, answers_of_links) = mpsc::channel(ANSWERS_WAITING);
    let directory = Directory::default();
    let (counters, countings) = Counters::new();
    let (pictures, questions) = Pictures::new(counters);
    let (auditor, audits) = Auditor::new();
    let happenings = Arc::new(Happenings::default());
    let (for_thread, told) = (directory.clone(), happenings.clone());
    let thread = std::thread::Builder::new().name("fabric".to_owned()).spawn(move || {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!(%error, "the fabric thread has no runtime");
                return;
            }
        };
        let local = LocalSet::new();
        let shown = Shown { directory: for_thread, happenings: told, ticks, snapshots: snapshot_sender, links_wait };
        let told = Told { settings: taken, mtus, links: answers_of_links };
        local.block_on(&runtime, run(options, shown, (questions, audits, countings), told, stopped));
    })?;
    let reader = FabricReader { snapshots, pictures, auditor, happenings, directory };
    let links = (questions_of_links, link_answers);
    Ok(FabricHandle { reader, settings, port_mtus, links, stop, thread })
}

/// One connection, as the core's turn sees it.
struct Outlet {
    /// The task that reads and writes.
    task: RefCell<Option<Waker>>,
    /// To be closed once the last octets are out.
    close: Cell<bool>,
    /// Held until the handshake is done.
    place: RefCell<Option<accept::Place>>,
}

impl Outlet {
    fn new(place: accept::Place) -> Outlet {
        Outlet { task: RefCell::new(None), close: Cell::new(false), place: RefCell::new(Some(place)) }
    }

    /// Whom to wake.
    fn sleeps(&self, waker: &Waker) {
        let mut task = self.task.borrow_mut();
        if !task.as_ref().is_some_and(|task| task.will_wake(waker)) {
            *task = Some(waker.clone());
        }
    }

    /// There is output, or an end.
    fn wake(&self) {
        if let Some(task) = &*self.task.borrow() {
            task.wake_by_ref();
        }
    }

    /// Flush, then close.
    fn close(&self) {
        self.close.set(true);
        self.wake();
    }
}

struct Fabric {
    core: RefCell<Core>,
    clock: Clock,
    outlets: RefCell<HashMap<ConnectionId, Rc<Outlet>>>,
    /// What all connections read into, one after the other: at most [`connection::READ_SIZE`] octets.
    input: RefCell<BytesMut>,
    next_connection: Cell<u64>,
    timer: Notify,
    /// The deadline that the timer sleeps until.
    deadline: Cell<Option<Time>>,
    places: accept::Places,
    plain_from: Vec<Prefix>,
    tls: Option<Tls>,
    report: RefCell<report::Collector>,
    recorder: Option<Recorder>,
    /// Who waits for audits.
    audits: audits::Waiting,
    /// Who waits for counters.
    countings: counted::Waiting,
    /// Where the newest question about links goes.
    links_wait: watch::Sender<Option<Arc<LinkQuestion>>>,
    /// No connection is made any more.
    ends: Cell<bool>,
}

impl Fabric {
    /// One that is reached by nobody yet.
    fn new(core: CoreConfig, limits: AcceptLimits, directory: Directory, happenings: Arc<Happenings>) -> Fabric {
        Fabric {
            core: RefCell::new(Core::new(core, Time::ZERO)),
            clock: Clock::start(),
            outlets: RefCell::new(HashMap::new()),
            input: RefCell::new(BytesMut::with_capacity(connection::READ_SIZE)),
            next_connection: Cell::new(1),
            timer: Notify::new(),
            deadline: Cell::new(None),
            places: accept::Places::new(limits),
            plain_from: Vec::new(),
            tls: None,
            report: RefCell::new(report::Collector::new(directory, happenings)),
            recorder: None,
            audits: audits::Waiting::default(),
            countings: counted::Waiting::default(),
            links_wait: watch::Sender::new(None),
            ends: Cell::new(false),
        }
    }

    /// A core turn, and what follows from it.
    fn turn(&self, turn: impl FnOnce(&mut Core, Time)) {
        self.turn_of(None, turn);
    }

    /// The same by a connection's own task, which looks after its output by itself. Says when the turn began.
    fn turn_of(&self, own: Option<ConnectionId>, turn: impl FnOnce(&mut Core, Time)) -> Time {
        let mut core = self.core.borrow_mut();
        let now = self.clock.now();
        turn(&mut core, now);
        let outlets = self.outlets.borrow();
        while let Some(id) = core.poll_ready() {
            if Some(id) != own
                && let Some(outlet) = outlets.get(&id)
            {
                outlet.wake();
            }
        }
        while let Some(event) = core.poll_event() {
            if let crate::core::CoreEvent::Counted { number, part, last } = event {
                self.countings.told(number, part, last);
                continue;
            }
            if let crate::core::CoreEvent::LinksWait(question) = event {
                self.links_wait.send_replace(Some(Arc::from(question)));
                continue;
            }
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
                        outlet.place.take();
                    }
                }
                crate::core::CoreEvent::Audited { report, lines } => self.audits.audited(report, lines),
                _ => {}
            }
            self.report.borrow_mut().event(event, now);
        }
        let next = core.poll_timeout().map(|(at, _)| at);
        if next.is_some_and(|at| self.deadline.get().is_none_or(|set| at < set)) {
            self.timer.notify_one();
        }
        now
    }
}

/// Where the thread shows what it knows.
struct Shown {
    directory: Directory,
    happenings: Arc<Happenings>,
    ticks: Sender<Tick>,
    snapshots: watch::Sender<Arc<Snapshot>>,
    links_wait: watch::Sender<Option<Arc<LinkQuestion>>>,
}

/// What the thread is told.
struct Told {
    settings: mpsc::Receiver<Settings>,
    mtus: mpsc::Receiver<PortMtus>,
    links: mpsc::Receiver<LinkAnswer>,
}

/// Who asks, and for what.
type Asked = (mpsc::Receiver<asked::Question>, mpsc::Receiver<audits::Request>, mpsc::Receiver<counted::Question>);

async fn run(
    options: FabricOptions,
    shown: Shown,
    (questions, audits, countings): Asked,
    Told { mut settings, mut mtus, mut links }: Told,
    mut stopped: watch::Receiver<bool>,
) {
    let FabricOptions { listeners, plain_from, tls, connect, limits, core, recorder } = options;
    let Shown { directory, happenings, ticks, snapshots, links_wait } = shown;
    let seed = core.seed;
    let fabric = Fabric::new(core, limits, directory, happenings);
    let fabric = Rc::new(Fabric { plain_from, tls, recorder, links_wait, ..fabric });
    let mut doors = Vec::new();
    for listener in listeners {
        doors.push(tokio::task::spawn_local(accept::accept(fabric.clone(), listener)));
    }
    for (number, to) in (1..).zip(connect) {
        tokio::task::spawn_local(dial::dial(fabric.clone(), to, seed.wrapping_add(number)));
    }
    let timer = tokio::task::spawn_local(timer(fabric.clone()));
    let answers = tokio::task::spawn_local(asked::answer(fabric.clone(), questions));
    let auditing = tokio::task::spawn_local(audits::answer(fabric.clone(), audits));
    let counting = tokio::task::spawn_local(counted::answer(fabric.clone(), countings));
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = tick.tick() => {
                let core = fabric.core.borrow();
                let mut report = fabric.report.borrow_mut();
                let snapshot = Arc::new(report.snapshot(&core, &fabric.clock));
                // Nobody listens any more only while the process ends.
                let _ = ticks.send(report.take(&snapshot));
                snapshots.send_replace(snapshot);
            }
            Some((settings, answer)) = settings.recv() => {
                let mut taken = Vec::new();
                fabric.turn(|core, now| taken = core.handle_config(settings, now));
                // Who has asked may have gone.
                let _ = answer.send(taken);
            }
            Some((number, wrong)) = links.recv() => {
                fabric.turn(|core, now| core.handle_links_verified(number, &wrong, now));
            }
            Some(mtus) = mtus.recv() => fabric.turn(|core, _| core.handle_port_mtus(mtus)),
            _ = stopped.changed() => break,
        }
    }
    fabric.ends.set(true);
    doors.iter().for_each(tokio::task::JoinHandle::abort);
    // Each switch confirms what it was told; then its connection is closed. The core has a limit for that, of which the timer reminds it.
    fabric.turn(|core, now| {
        if let Some(recorder) = &fabric.recorder {
            recorder.finish(now);
        }
        core.finish(now);
    });
    let ended = async {
        while !fabric.outlets.borrow().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    if tokio::time::timeout(FINISH_LIMIT + FLUSH_LIMIT, ended).await.is_err() {
        tracing::debug!("some switches did not take their last octets in time");
    }
    timer.abort();
    answers.abort();
    auditing.abort();
    counting.abort();
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
                fabric.turn(|core, now| {
                    if let Some(recorder) = &fabric.recorder {
                        recorder.timer(now);
                    }
                    core.handle_timeout(now);
                });
            }
            Some(at) => {
                let until = fabric.clock.instant(at);
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
mod tests;
