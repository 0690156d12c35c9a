//! The emulated fabric over real TCP connections, on the real clock.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::error::Error;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use emulator::{CutKind, Fabric, FabricEvent, FabricSpec, FabricStats, HostIndex, LinkIndex, ProbeId};
use net::{DatapathId, Time};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Notify;

use crate::io::clock::Clock;

/// The runtime's timer counts milliseconds, a link's latency is microseconds: what is due within this is done at once.
const LOOK_AHEAD: Duration = Duration::from_millis(1);
/// Probes whose fate is kept.
const FATES_MAX: usize = 65_536;

/// A fabric whose switches are connected to a controller.
pub(crate) struct Drive {
    shared: Rc<Shared>,
}

struct Shared {
    fabric: RefCell<Fabric>,
    clock: Clock,
    /// The fabric's clock may be ahead of the real one by [`LOOK_AHEAD`], and never goes back.
    reached: Cell<Time>,
    outlets: RefCell<BTreeMap<DatapathId, Rc<Outlet>>>,
    timer: Notify,
    fates: RefCell<BTreeMap<ProbeId, bool>>,
}

#[derive(Default)]
struct Outlet {
    pending: RefCell<Vec<Bytes>>,
    wake: Notify,
}

impl Shared {
    fn now(&self) -> Time {
        self.clock.now().max(self.reached.get())
    }

    /// Do something with the fabric, let happen what is due, and hand out what comes of it.
    fn turn<T>(&self, deed: impl FnOnce(&mut Fabric, Time) -> T) -> T {
        let mut fabric = self.fabric.borrow_mut();
        let result = deed(&mut fabric, self.now());
        let horizon = self.clock.now() + LOOK_AHEAD;
        while let Some((at, _)) = fabric.poll_timeout().filter(|(at, _)| *at <= horizon) {
            self.reached.set(self.reached.get().max(at));
            fabric.handle_timeout(self.now());
        }
        while let Some((id, octets)) = fabric.poll_transmit() {
            if let Some(outlet) = self.outlets.borrow().get(&id) {
                outlet.pending.borrow_mut().push(octets);
                outlet.wake.notify_one();
            }
        }
        while let Some(event) = fabric.poll_event() {
            let mut fates = self.fates.borrow_mut();
            match event {
                FabricEvent::ProbeDelivered { id, .. } => {
                    fates.insert(id, true);
                }
                FabricEvent::ProbeLost { id, .. } => {
                    fates.insert(id, false);
                }
                FabricEvent::Closed { datapath_id, reason } => {
                    tracing::warn!(dpid = %datapath_id, reason, "an emulated switch has closed its connection");
                }
                FabricEvent::ProbeDuplicated { .. } => {}
            }
            while fates.len() > FATES_MAX {
                fates.pop_first();
            }
        }
        self.timer.notify_one();
        result
    }
}

impl Drive {
    /// Connect every switch to `controller`.
    pub(crate) async fn start(
        seed: u64,
        spec: &FabricSpec,
        controller: SocketAddr,
    ) -> Result<Drive, Box<dyn Error + Send + Sync>> {
        let clock = Clock::start();
        let shared = Rc::new(Shared {
            fabric: RefCell::new(Fabric::new(seed, spec, clock.now())),
            clock,
            reached: Cell::new(Time::ZERO),
            outlets: RefCell::new(BTreeMap::new()),
            timer: Notify::new(),
            fates: RefCell::new(BTreeMap::new()),
        });
        let ids: Vec<DatapathId> = shared.fabric.borrow().datapath_ids().collect();
        for id in ids {
            let stream = TcpStream::connect(controller).await?;
            stream.set_nodelay(true)?;
            let (reader, writer) = stream.into_split();
            let outlet = Rc::new(Outlet::default());
            shared.outlets.borrow_mut().insert(id, outlet.clone());
            tokio::task::spawn_local(read(shared.clone(), id, reader));
            tokio::task::spawn_local(write(outlet, writer));
            shared.turn(|fabric, now| fabric.connect(id, now));
        }
        tokio::task::spawn_local(timer(shared.clone()));
        Ok(Drive { shared })
    }

    pub(crate) fn switch_count(&self) -> usize {
        self.shared.fabric.borrow().datapath_ids().count()
    }

    pub(crate) fn host_count(&self) -> usize {
        self.shared.fabric.borrow().spec().hosts.len()
    }

    pub(crate) fn link_count(&self) -> usize {
        self.shared.fabric.borrow().spec().links.len()
    }

    /// The link's two switches by name.
    pub(super) fn link_name(&self, link: LinkIndex) -> String {
        let fabric = self.shared.fabric.borrow();
        let spec = fabric.spec();
        let name = |id: DatapathId| {
            let found = spec.switches.iter().find(|switch| switch.datapath_id == id);
            found.map_or_else(|| id.to_string(), |switch| switch.name.clone())
        };
        let ends = spec.links.get(link.0).map(|link| (name(link.a.datapath_id), name(link.b.datapath_id)));
        ends.map_or_else(|| link.to_string(), |(a, b)| format!("{a} - {b}"))
    }

    pub(super) fn stats(&self) -> FabricStats {
        self.shared.fabric.borrow().stats()
    }

    pub(super) fn probe(&self, source: usize, target: usize) -> ProbeId {
        self.shared.turn(|fabric, now| fabric.send_probe(HostIndex(source), HostIndex(target), now))
    }

    /// Whether a probe has arrived; `None` while it is under way.
    pub(super) fn fate(&self, id: ProbeId) -> Option<bool> {
        self.shared.fates.borrow().get(&id).copied()
    }

    /// Every host says who it is.
    pub(crate) fn announce_all(&self) {
        for host in 0..self.host_count() {
            self.shared.turn(|fabric, now| fabric.announce(HostIndex(host), now));
        }
    }

    pub(crate) fn cut(&self, link: LinkIndex, kind: CutKind) {
        self.shared.turn(|fabric, now| fabric.cut_link(link, kind, now));
    }

    pub(super) fn mend(&self, link: LinkIndex) {
        self.shared.turn(|fabric, now| fabric.mend_link(link, now));
    }
}

async fn read(shared: Rc<Shared>, id: DatapathId, mut reader: OwnedReadHalf) {
    let mut buffer = BytesMut::with_capacity(16 * 1024);
    loop {
        buffer.clear();
        match reader.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => {
                shared.turn(|fabric, now| fabric.disconnect(id, now));
                return;
            }
            Ok(_) => shared.turn(|fabric, now| fabric.handle_bytes(id, &buffer, now)),
        }
    }
}

async fn write(outlet: Rc<Outlet>, mut writer: OwnedWriteHalf) {
    loop {
        let pending = std::mem::take(&mut *outlet.pending.borrow_mut());
        for octets in &pending {
            if writer.write_all(octets).await.is_err() {
                return;
            }
        }
        if pending.is_empty() {
            outlet.wake.notified().await;
        }
    }
}

async fn timer(shared: Rc<Shared>) {
    loop {
        let next = shared.fabric.borrow().poll_timeout().map(|(at, _)| at);
        match next {
            Some(at) if at <= shared.clock.now() + LOOK_AHEAD => {
                shared.turn(|_, _| ());
                tokio::task::yield_now().await;
            }
            Some(at) => {
                let until = shared.clock.instant(at);
                tokio::select! {
                    () = tokio::time::sleep_until(until) => {}
                    () = shared.timer.notified() => {}
                }
            }
            None => shared.timer.notified().await,
        }
    }
}
