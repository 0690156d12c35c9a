//! What the databases' tasks share: their clients, and the decision which links have BFD.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use net::{DatapathId, PortId, Time};
use ovsdb::bfd::{BfdEvent, LinkEnds, MARK, PortBfd, Supervisor, adjust};
use ovsdb::{Client, ClientEvent, Outcome, Uuid};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use topology::Network;

use super::PortMtus;
use super::claims::Claims;
use super::status::{ConnectionStatus, OvsdbStatus, PortRow, SessionStatus};
use crate::config::{Connect, OvsdbConfig};
use crate::io::clock::Clock;
use crate::io::fabric::{About, HappeningKind, Happenings, Snapshot};

/// How long a database that is named no more may take until everything of ours is out of it.
const LEAVE_LIMIT: Duration = Duration::from_secs(5);
/// Pause after a transaction that has failed, at the same interface.
const FAILED_PAUSE: Duration = Duration::from_secs(5);
/// The same if somebody else was only quicker.
const OUTDATED_PAUSE: Duration = Duration::from_millis(100);

/// How long a change of a copy waits for others: a server that says something all the time costs the other databases nothing.
const RECONCILE_DELAY: Duration = Duration::from_millis(20);

/// One database.
struct Slot {
    target: Connect,
    client: Option<Client>,
    /// Its bridges, also while it is out of reach: who claims to be another one's switch is not to have it then.
    claims: Vec<(DatapathId, String)>,
    /// Wakes its task.
    kick: Rc<Notify>,
    error: Option<String>,
    /// Transactions on their way, and which interface each is about.
    asked: BTreeMap<u64, Uuid>,
    /// Interfaces that are left alone until then.
    pauses: BTreeMap<Uuid, Time>,
    /// Named no more; left then at the latest.
    leaves: Option<Time>,
}

/// All databases.
pub(super) struct Shared {
    clock: Clock,
    happenings: Arc<Happenings>,
    mtus: mpsc::Sender<PortMtus>,
    slots: BTreeMap<u64, Slot>,
    next_number: u64,
    bfd: Supervisor,
    network: Arc<Network>,
    /// MTUs that the fabric thread knows.
    told: BTreeMap<PortId, u32>,
    failed: u64,
    claims: Claims,
    /// A copy is different from what was held against what is wanted last, since then.
    differs: Option<Time>,
    /// Wakes the loop that looks at the deadline.
    wake: Rc<Notify>,
}

impl Shared {
    pub(super) fn new(clock: Clock, happenings: Arc<Happenings>, mtus: mpsc::Sender<PortMtus>) -> Shared {
        Shared {
            clock,
            happenings,
            mtus,
            slots: BTreeMap::new(),
            next_number: 0,
            bfd: Supervisor::new(),
            network: Arc::default(),
            told: BTreeMap::new(),
            failed: 0,
            claims: Claims::default(),
            differs: None,
            wake: Rc::default(),
        }
    }

    pub(super) fn now(&self) -> Time {
        self.clock.now()
    }

    /// Takes on a section; the databases to connect to that were not there before.
    pub(super) fn configure(&mut self, config: OvsdbConfig) -> Vec<(u64, Connect)> {
        let now = self.now();
        let mut withdrawn = BTreeSet::new();
        for slot in self.slots.values_mut().filter(|slot| slot.leaves.is_none()) {
            if !config.connections.contains(&slot.target) {
                slot.leaves = Some(now + LEAVE_LIMIT);
                slot.kick.notify_one();
                let places = slot.client.iter().flat_map(|client| client.replica().places());
                withdrawn.extend(places.map(|(port, ..)| port));
            }
        }
        self.bfd.handle_withdrawn(&withdrawn, now);
        self.bfd.handle_settings(config.settings(), now);
        let mut new = Vec::new();
        for target in config.connections {
            if self.slots.values().any(|slot| slot.target == target && slot.leaves.is_none()) {
                continue;
            }
            let number = self.next_number;
            self.next_number += 1;
            new.push((number, target.clone()));
            let slot = Slot {
                target,
                client: None,
                claims: Vec::new(),
                kick: Rc::default(),
                error: None,
                asked: BTreeMap::new(),
                pauses: BTreeMap::new(),
                leaves: None,
            };
            self.slots.insert(number, slot);
        }
        self.reconcile();
        new
    }

    /// Another picture of the network.
    pub(super) fn look(&mut self, snapshot: &Snapshot) {
        if Arc::ptr_eq(&self.network, &snapshot.network) {
            return;
        }
        self.network = snapshot.network.clone();
        let links = self.network.bidirectional_links().map(|link| (link.source, link.target)).collect();
        let now = self.now();
        self.bfd.handle_links(&links, now);
        self.reconcile();
        self.tell_mtus();
    }

    /// A connection stands.
    pub(super) fn begun(&mut self, number: u64, client: Client) {
        if let Some(slot) = self.slots.get_mut(&number) {
            slot.client = Some(client);
        }
    }

    /// A connection has ended or did not come about; whether it was good. Told once until it is good again.
    pub(super) fn ended(&mut self, number: u64, error: String) -> bool {
        let Some(slot) = self.slots.get_mut(&number) else { return false };
        let was_good = slot.client.take().is_some() && slot.error.is_none();
        slot.asked.clear();
        slot.pauses.clear();
        if slot.leaves.is_some() {
            tracing::info!(database = %slot.target, "left a database");
        } else if slot.error.is_none() {
            tracing::warn!(database = %slot.target, error, "not connected to a database; tried again until it works");
        } else {
            tracing::debug!(database = %slot.target, error, "not connected to a database");
        }
        slot.error = Some(error);
        self.reconcile();
        was_good
    }

    /// Its task has ended.
    pub(super) fn forget(&mut self, number: u64) {
        self.slots.remove(&number);
        self.reconcile();
    }

    /// Whether it is in the configuration, or something of ours is in it.
    pub(super) fn is_wanted(&self, number: u64) -> bool {
        let Some(slot) = self.slots.get(&number) else { return false };
        let ready = slot.client.as_ref().filter(|client| client.is_ready());
        let marked = || {
            ready
                .is_some_and(|client| client.replica().interfaces().any(|(_, row)| row.external_ids.contains_key(MARK)))
        };
        slot.leaves.is_none_or(|by| self.now() < by && marked())
    }

    /// What wakes its task.
    pub(super) fn kick(&self, number: u64) -> Rc<Notify> {
        self.slots.get(&number).map(|slot| slot.kick.clone()).unwrap_or_default()
    }

    pub(super) fn client(&mut self, number: u64) -> Option<&mut Client> {
        self.slots.get_mut(&number)?.client.as_mut()
    }

    /// When its client is to be told the time.
    pub(super) fn client_deadline(&self, number: u64) -> Option<Instant> {
        let slot = self.slots.get(&number)?;
        let of_client = slot.client.as_ref().and_then(Client::poll_timeout).map(|(at, _)| at);
        [of_client, slot.leaves].into_iter().flatten().min().map(|at| self.clock.instant(at))
    }

    /// When BFD wants something.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let of_bfd = self.bfd.poll_timeout().map(|(at, _)| at);
        let of_copies = self.differs.map(|since| since + RECONCILE_DELAY);
        of_bfd.into_iter().chain(of_copies).min().map(|at| self.clock.instant(at))
    }

    /// Tells that [`Shared::deadline`] is earlier.
    pub(super) fn wake(&self) -> Rc<Notify> {
        self.wake.clone()
    }

    /// What a client has to say; why it is over, if it is.
    pub(super) fn drain(&mut self, number: u64) -> Option<String> {
        let now = self.now();
        let slot = self.slots.get_mut(&number)?;
        let Slot { target, client: Some(client), error, asked, pauses, .. } = slot else { return None };
        let (mut closed, mut changed) = (None, false);
        while let Some(event) = client.poll_event() {
            match event {
                ClientEvent::Ready { version } => {
                    changed = true;
                    *error = None;
                    let bridges = client.replica().bridges().count();
                    tracing::info!(database = %target, version, bridges, "connected to a database");
                }
                ClientEvent::Changed => changed = true,
                ClientEvent::Answered { number, outcome } => {
                    let Some(row) = asked.remove(&number) else { continue };
                    let Outcome::Failed(failure) = outcome else { continue };
                    let name = client.replica().interface(row).map_or("", |row| row.name.as_str());
                    if failure.is_outdated() {
                        tracing::debug!(database = %target, interface = name, "BFD was changed by somebody else meanwhile");
                        pauses.insert(row, now + OUTDATED_PAUSE);
                    } else {
                        self.failed += 1;
                        tracing::warn!(database = %target, interface = name, error = %failure, "a database refuses to change BFD");
                        pauses.insert(row, now + FAILED_PAUSE);
                    }
                }
                ClientEvent::Closed(reason) => closed = Some(reason.to_string()),
            }
        }
        if changed && self.differs.is_none() {
            self.differs = Some(now);
            self.wake.notify_one();
        }
        closed
    }

    /// Holds what is wanted against what there is, and asks for the difference.
    pub(super) fn reconcile(&mut self) {
        let now = self.now();
        self.find_claims();
        if self.differs.take().is_some() {
            self.tell_mtus();
        }
        let known = |slot: &&Slot| slot.leaves.is_none() && slot.client.as_ref().is_some_and(Client::is_ready);
        let places = self.slots.values().filter(known).filter_map(|slot| slot.client.as_ref());
        let places = places.flat_map(|client| client.replica().places());
        let places = places.filter(|(port, ..)| !self.claims.is_contested(port.datapath_id));
        self.bfd.handle_ports(places.map(|(port, _, row)| (port, PortBfd::of(row))).collect(), now);
        while let Some(event) = self.bfd.poll_event() {
            tell(&self.happenings, event);
        }
        let settings = self.bfd.settings().copied();
        let (on, off) = self.bfd.wishes(now);
        for slot in self.slots.values_mut() {
            let Slot { client: Some(client), asked, pauses, leaves, kick, .. } = slot else { continue };
            pauses.retain(|_, until| *until > now);
            let mut wishes = BTreeMap::new();
            if settings.is_none() || leaves.is_some() {
                let marked = client.replica().interfaces().filter(|(_, row)| row.external_ids.contains_key(MARK));
                wishes.extend(marked.map(|(row, _)| (row, None)));
            } else {
                let places = client.replica().places();
                for (port, row, _) in places.filter(|(port, ..)| !self.claims.is_contested(port.datapath_id)) {
                    if on.contains(&port) {
                        wishes.insert(row, settings.as_ref());
                    } else if off.contains(&port) {
                        wishes.insert(row, None);
                    }
                }
            }
            for (row, wish) in wishes {
                if pauses.contains_key(&row) || asked.values().any(|asked| *asked == row) {
                    continue;
                }
                let transaction = client.replica().interface(row).and_then(|interface| adjust(row, interface, wish));
                if let Some(number) = transaction.and_then(|transaction| client.transact(&transaction, now)) {
                    asked.insert(number, row);
                    kick.notify_one();
                }
            }
        }
    }

    /// Which switches more than one bridge claims to be, and tells of those that are new.
    fn find_claims(&mut self) {
        for slot in self.slots.values_mut() {
            if let Some(client) = slot.client.as_ref().filter(|client| client.is_ready()) {
                let bridges = client.replica().bridges();
                slot.claims = bridges.filter_map(|(_, row)| Some((row.datapath_id?, row.name.clone()))).collect();
            }
        }
        let named = self.slots.values().filter(|slot| slot.leaves.is_none());
        let bridges = named.flat_map(|slot| slot.claims.iter().map(|(id, name)| (*id, &slot.target, name.as_str())));
        for (datapath_id, words) in self.claims.update(bridges) {
            match words {
                Some(claimants) => {
                    let words = format!(
                        "several bridges claim to be this switch, and nothing that is said of it counts: {claimants}"
                    );
                    tracing::warn!(%datapath_id, "{words}");
                    self.happenings.push(About::new(HappeningKind::Condition).at(datapath_id), || words);
                }
                None => {
                    let words = "several bridges no longer claim to be this switch";
                    tracing::info!(%datapath_id, "{words}");
                    self.happenings.push(About::new(HappeningKind::ConditionOver).at(datapath_id), || words.to_owned());
                }
            }
        }
    }

    /// Tells the fabric thread the MTUs that it does not know. Discovery forgets those of ports that it has forgotten.
    fn tell_mtus(&mut self) {
        let mut now = BTreeMap::new();
        for client in self.slots.values().filter_map(|slot| slot.client.as_ref()) {
            let places = client.replica().places();
            for (port, _, row) in places.filter(|(port, ..)| !self.claims.is_contested(port.datapath_id)) {
                let known = self.network.switches.get(&port.datapath_id);
                if let Some(mtu) =
                    row.mtu.filter(|_| known.is_some_and(|switch| switch.ports.contains_key(&port.port_no)))
                {
                    now.insert(port, u32::from(mtu));
                }
            }
        }
        let gone = self.told.keys().filter(|port| !now.contains_key(port)).map(|port| (*port, None));
        let new =
            now.iter().filter(|(port, mtu)| self.told.get(port) != Some(mtu)).map(|(port, mtu)| (*port, Some(*mtu)));
        let list: PortMtus = gone.chain(new).collect();
        // A thread that is busy gets them with the next change.
        if !list.is_empty() && self.mtus.try_send(list).is_ok() {
            self.told = now;
        }
    }

    /// What is shown.
    pub(super) fn status(&self) -> OvsdbStatus {
        let mut status = OvsdbStatus { transactions_failed: self.failed, ..OvsdbStatus::default() };
        for slot in self.slots.values().filter(|slot| slot.leaves.is_none()) {
            let ready = slot.client.as_ref().filter(|client| client.is_ready());
            let replica = ready.map(Client::replica);
            let interfaces = || replica.into_iter().flat_map(ovsdb::Replica::interfaces);
            let is_ours = |row: &ovsdb::Interface| matches!(PortBfd::of(row), PortBfd::On { ours: true, .. });
            status.connections.push(ConnectionStatus {
                target: slot.target.to_string(),
                up: ready.is_some(),
                error: slot.error.clone(),
                version: ready.and_then(Client::version).map(str::to_owned),
                ovs_version: replica.and_then(ovsdb::Replica::ovs_version).map(str::to_owned),
                bridges: replica
                    .into_iter()
                    .flat_map(ovsdb::Replica::bridges)
                    .map(|(_, bridge)| (bridge.name.clone(), bridge.datapath_id))
                    .collect(),
                contested: replica.map_or_else(Vec::new, |replica| {
                    let claimed: BTreeSet<DatapathId> =
                        replica.bridges().filter_map(|(_, row)| row.datapath_id).collect();
                    claimed.into_iter().filter(|id| self.claims.is_contested(*id)).collect()
                }),
                interfaces: interfaces().count(),
                bfd_interfaces: interfaces().filter(|(_, row)| is_ours(row)).count(),
            });
            let places = replica.into_iter().flat_map(ovsdb::Replica::places);
            for (port, _, row) in places.filter(|(port, ..)| !self.claims.is_contested(port.datapath_id)) {
                let row = PortRow {
                    name: row.name.clone(),
                    external_ids: row.external_ids.clone(),
                    mtu: row.mtu,
                    bfd_state: row.bfd_status.get("state").cloned(),
                };
                status.ports.insert(port, row);
            }
        }
        if self.bfd.settings().is_some() {
            let session =
                |(ends, state): (LinkEnds, ovsdb::bfd::LinkState)| SessionStatus { ends, state: state.word() };
            status.sessions = self.bfd.links().map(session).collect();
        }
        status
    }
}

fn tell(happenings: &Happenings, event: BfdEvent) {
    let words = |(a, b): LinkEnds| format!("{a} to {b}");
    let (ends, what) = match event {
        BfdEvent::Up(ends) => (ends, "BFD is up"),
        BfdEvent::Down(ends) => (ends, "BFD is down"),
        BfdEvent::Failed(ends) => (ends, "BFD did not come up and is taken back"),
    };
    match event {
        BfdEvent::Failed(_) => tracing::warn!(link = words(ends), "{what} at both ends"),
        BfdEvent::Up(_) | BfdEvent::Down(_) => tracing::info!(link = words(ends), "{what}"),
    }
    happenings.push(About::new(HappeningKind::Bfd).at_port(ends.0), || format!("{what}: {}", words(ends)));
}
