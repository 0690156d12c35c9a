//! Desired against installed, for all switches: what is sent to which switch, in which order.
//!
//! Applications change what is desired; the switches' replies tell what is installed. Everything else (connect, restart,
//! reconnect, drift) is the difference between the two. A difference leaves in *rollouts*: phases across all switches with a
//! barrier from each switch between them (OpenFlow 1.3.5 §7.3.8). The two lanes of `pipeline` have one rollout each.

mod audits;
mod bundles;
mod features;
mod haste;
mod others;
mod pictured;
mod read_back;

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use net::{DatapathId, Time};
use openflow::{
    ErrorCode, ErrorMessage, FlowRemoved, GroupId, Message, MeterId, MultipartRequest, MultipartRequestBody, TableId,
};
use topology::{SeededMap, SeededState};

use super::audit::{AuditReport, DriftKind, FlowSettings, TakenOver};
use super::features::{Gathering, TableKinds};
use super::pipeline::Lane;
use super::refusal::{Again, Cause, RefusalReason};
use super::rollout::Rollout;
use super::rule::{Group, Key, Meter, Owner, Rule, RuleId};
use super::switch::{InstalledRule, Op, Permit, Planned, Sent, Step, SwitchFlows};
use super::unfit::Unfit;

use audits::Audit;
pub use bundles::BundleUse;
use bundles::Bundles;
use haste::{ANEW_MAX, Haste};
pub(crate) use others::Others;
use read_back::Reading;
pub(crate) use read_back::{
    KEPT_BESIDES, READ_BACK_MAX, READ_BACK_OCTETS, STATED_OCTETS_MAX, flows_of_ours, flows_with, slices_for,
};

/// Messages to one switch without a barrier: more would queue where nobody can reorder or take them back.
const WINDOW: usize = 512;
/// Nor more octets than these and one message, which is well below what a connection takes at once: 512 long messages would be 32 MiB.
const WINDOW_OCTETS: usize = 512 * 1024;
/// A unicast phase waits this long for a slow switch, then goes on without it: one sick switch must not hold up the others' paths. The
/// channel ends the connection if the barrier stays out.
const PHASE_LIMIT: Duration = Duration::from_secs(1);
/// The one phase of a switch whose whole difference goes into one bundle.
const WHOLE: Step = (1, 0);
/// Our own transaction ids; the channel's own stay below.
const XID_FIRST: u32 = 0x8000_0000;

/// Messages for a switch, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transmit {
    /// The switch.
    pub datapath_id: DatapathId,
    /// Whole messages, one after the other.
    pub frames: Bytes,
}

/// What the reconciler tells its owner.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FlowEvent {
    /// A connected switch has been read back; nothing of ours on it is changed until [`Reconciler::release`].
    ReadBack {
        /// The switch.
        datapath_id: DatapathId,
        /// Rules of ours that were found.
        rules: usize,
        /// Groups of ours that were found.
        groups: usize,
    },
    /// A switch that has been read back has rules of somebody else where rules are stated, or more of others than can be looked at.
    TakenOver {
        /// The switch.
        datapath_id: DatapathId,
        /// Those that will be written over.
        taken: TakenOver,
        /// How many were counted and not told, so that nobody knows about those.
        unread: u64,
    },
    /// A switch claims to hold more rules and groups of ours, or larger ones, than we ever put there: what it says is not believed.
    TooMuch {
        /// The switch.
        datapath_id: DatapathId,
    },
    /// Everything that was desired has been confirmed by barriers.
    Quiescent {
        /// When the first of the changes was stated.
        since: Time,
    },
    /// A rule, a group or a meter goes out although the switch has told that it cannot hold it. The first few of a connection.
    Foreseen {
        /// The switch.
        datapath_id: DatapathId,
        /// What it has told.
        unfit: Unfit,
        /// What goes out.
        step: RefusedStep,
    },
    /// A switch refused a rule, a group or a meter.
    Refused {
        /// The switch.
        datapath_id: DatapathId,
        /// Its error, and what it has told before.
        cause: Cause,
        /// What was refused.
        step: RefusedStep,
        /// When it is sent again.
        again: Again,
    },
    /// A switch has been audited. What was found is put right from here on.
    Audited {
        /// What was found.
        report: Box<AuditReport>,
    },
}

/// What a switch has refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RefusedStep {
    /// In words.
    pub what: String,
    /// What the rule or group stands for, if it is still wanted.
    pub key: Option<Key>,
    /// The rule's table.
    pub table: Option<TableId>,
}

/// Plain counters, for telemetry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FlowCounters {
    /// Flow-mods sent: additions (also those that overwrite) and deletions.
    pub flow_mods: [u64; 2],
    /// Group-mods sent: additions, changes and deletions.
    pub group_mods: [u64; 3],
    /// Meter-mods sent: additions, changes and deletions.
    pub meter_mods: [u64; 3],
    /// Barriers sent.
    pub barriers: u64,
    /// Bundles that were committed, and that came to nothing.
    pub bundles: [u64; 2],
    /// Rollouts finished.
    pub rollouts: u64,
    /// Rollouts that ended early, for something that was left in them was to be something else.
    pub rollouts_overtaken: u64,
    /// Steps that a switch refused, by [`RefusalReason`].
    pub refused: [u64; RefusalReason::NAMES.len()],
    /// Rules of ours that somebody else removed, as the switch told at once.
    pub drifted: u64,
    /// Rules of others that were found, when a switch was read back, where rules are stated.
    pub taken_over: u64,
    /// Differences that audits have found, by [`DriftKind`].
    pub drift: [u64; DriftKind::NAMES.len()],
    /// Audits of switches, those that were cut short among them.
    pub audits: u64,
    /// Statements of applications about rules, whether something followed from them or not.
    pub stated: u64,
}

impl FlowCounters {
    /// Flow-mods, group-mods and meter-mods sent, of any kind.
    pub fn mods(&self) -> u64 {
        self.flow_mods.iter().chain(&self.group_mods).chain(&self.meter_mods).sum::<u64>()
    }
}

#[derive(Debug)]
enum Session {
    Down,
    Reading(Reading),
    Live,
}

#[derive(Debug)]
struct SwitchEntry {
    flows: SwitchFlows,
    session: Session,
    /// Only additions may go out: what is there may be right, and we can't know yet.
    held: bool,
    next_xid: u32,
    /// Steps that no barrier has confirmed yet, in the order in which they were sent.
    sent: VecDeque<Sent>,
    bundles: Bundles,
    /// What it is asked about what it can hold, until all is answered.
    gathering: Option<Box<Gathering>>,
    /// The question for its meters, until it is answered.
    meters_asked: Option<u32>,
    /// It has answered that.
    meters_told: bool,
    /// Octets of the meters that it has told.
    meters_octets: usize,
    audit: Option<Box<Audit>>,
    /// Its place in the order of the audits.
    audit_at: Option<Time>,
    /// It is to be audited whatever the interval is: somebody asks for it, or something is odd.
    audit_asked: bool,
    /// Its turn has come, and there is no room.
    audit_waits: bool,
    /// By lane: in the list of those with something to compare.
    listed: [bool; 2],
}

impl SwitchEntry {
    fn new(state: SeededState, bundle_use: BundleUse) -> SwitchEntry {
        SwitchEntry {
            flows: SwitchFlows::new(state),
            session: Session::Down,
            held: false,
            next_xid: XID_FIRST,
            sent: VecDeque::new(),
            bundles: Bundles::new(bundle_use),
            gathering: None,
            meters_asked: None,
            meters_told: false,
            meters_octets: 0,
            audit: None,
            audit_at: None,
            audit_asked: false,
            audit_waits: false,
            listed: [false; 2],
        }
    }

    fn xid(&mut self) -> u32 {
        take_xid(&mut self.next_xid)
    }

    /// Everything sent before the barrier has been done or refused. Whether something that had been refused is right now.
    fn confirm(&mut self, barrier: u32, now: Time) -> bool {
        let mut righted = false;
        let open = self.bundles.is_open();
        let is_done = |sent: &Sent| is_before(sent.xid, barrier) && !(open && sent.bundled);
        while self.sent.front().is_some_and(is_done)
            && let Some(sent) = self.sent.pop_front()
        {
            righted |= self.flows.confirmed(&sent, now);
        }
        if self.sent.is_empty() && self.sent.capacity() > SENT_KEPT {
            self.sent.shrink_to(SENT_KEPT);
        }
        righted
    }

    /// Takes the step with this number out of those that no barrier has confirmed.
    fn take_sent(&mut self, xid: u32) -> Option<Sent> {
        let at = self.sent.partition_point(|sent| is_before(sent.xid, xid));
        if self.sent.get(at)?.xid != xid {
            return None;
        }
        self.sent.remove(at)
    }
}

/// Octets that the outbox keeps for the next turn: a thousand switches that come at once need more.
const OUTBOX_KEPT: usize = 64 * 1024;
/// Places that a switch at rest keeps for unconfirmed steps.
const SENT_KEPT: usize = 16;

fn take_xid(next: &mut u32) -> u32 {
    let xid = *next;
    *next = xid.checked_add(1).unwrap_or(XID_FIRST);
    xid
}

/// Numbers go round within the upper half of what an xid can be.
fn is_before(xid: u32, barrier: u32) -> bool {
    let ahead = barrier.wrapping_sub(xid) & !XID_FIRST;
    ahead != 0 && ahead < XID_FIRST / 2
}

/// Desired and installed rules and groups of all switches.
#[derive(Debug, Default)]
pub struct Reconciler {
    switches: SeededMap<DatapathId, SwitchEntry>,
    state: SeededState,
    /// By lane: switches with something to compare that may be sent, and perhaps others. A turn looks at these alone. What a permit
    /// holds back is listed again when the permit changes.
    dirty: [Vec<DatapathId>; 2],
    /// Every switch with a refused rule that waits, and perhaps others.
    refusing: BTreeSet<DatapathId>,
    /// Not after the first of the refused rules is due.
    next_retry: Option<Time>,
    unicast: Rollout,
    flood: Rollout,
    flood_held: bool,
    /// Switches of which something was held back by that.
    flood_waiting: BTreeSet<DatapathId>,
    settings: FlowSettings,
    /// Switches to be audited, and those that are, by the time of the next step.
    audits: BTreeSet<(Time, DatapathId)>,
    /// Audits that have begun.
    auditing: usize,
    /// Those that wait for one of these to end.
    waiting_audits: VecDeque<DatapathId>,
    bundle_use: BundleUse,
    /// What tables of switches are like.
    table_kinds: TableKinds,
    features_told: u64,
    /// Bundles of all switches whose last barrier is out.
    open_bundles: usize,
    haste: Haste,
    /// How often something was planned anew since nothing new was stated.
    planned_anew: u32,
    changed_since: Option<Time>,
    /// How often what was stated has been taken into a unicast rollout.
    plans: u64,
    /// Messages of all switches; `runs` says whose they are.
    outbox: BytesMut,
    /// Octets that were taken out of it since it was empty.
    taken: usize,
    runs: VecDeque<(DatapathId, usize)>,
    events: VecDeque<FlowEvent>,
    counters: FlowCounters,
}

impl Reconciler {
    /// No switches.
    pub fn new() -> Reconciler {
        Reconciler::default()
    }

    /// The same; `seed` keys the hash maps.
    pub fn with_seed(seed: u64) -> Reconciler {
        let (switches, state) = (SeededMap::with_seed(seed), SeededState::new(seed));
        Reconciler { switches, state, ..Reconciler::default() }
    }

    fn entry(&mut self, datapath_id: DatapathId) -> &mut SwitchEntry {
        let (state, bundle_use) = (self.state, self.bundle_use);
        self.switches.or_insert_with(datapath_id, || SwitchEntry::new(state, bundle_use))
    }

    /// There may be something to send to this switch.
    fn list(&mut self, datapath_id: DatapathId, lanes: [bool; 2]) {
        let Some(entry) = self.switches.get_mut(&datapath_id) else { return };
        for lane in [Lane::Unicast, Lane::Flood] {
            if lanes[lane as usize] && !std::mem::replace(&mut entry.listed[lane as usize], true) {
                self.dirty[lane as usize].push(datapath_id);
            }
        }
    }

    // ---- what applications state --------------------------------------------------------------------------------

    /// State that `key`'s rule on a switch is `rule`, which says the same key, or that there is none.
    pub fn set_rule(&mut self, datapath_id: DatapathId, key: Key, rule: Option<&Rule>) {
        self.counters.stated += 1;
        let changed = match (rule, self.switches.get_mut(&datapath_id)) {
            (Some(rule), Some(entry)) => entry.flows.set_rule(rule),
            (Some(rule), None) => self.entry(datapath_id).flows.set_rule(rule),
            (None, Some(entry)) => entry.flows.clear_rule(&key),
            (None, None) => return,
        };
        self.list_changed(datapath_id, changed);
    }

    /// State that the rule of `rule`'s key on a switch is none, for a key that says the identity ([`Key::IDENTITY_KINDS`]). What the rule
    /// does is not looked at.
    pub fn remove_rule(&mut self, datapath_id: DatapathId, rule: &Rule) {
        self.counters.stated += 1;
        let Some(entry) = self.switches.get_mut(&datapath_id) else { return };
        let changed = entry.flows.remove_rule(rule);
        self.list_changed(datapath_id, changed);
    }

    fn list_changed(&mut self, datapath_id: DatapathId, changed: [bool; 2]) {
        if changed != [false; 2] {
            self.list(datapath_id, changed);
        }
    }

    /// State that `key`'s group on a switch is `group`, or that there is none.
    pub fn set_group(&mut self, datapath_id: DatapathId, key: Key, group: Option<Group>) {
        if group.is_none() && !self.switches.contains_key(&datapath_id) {
            return;
        }
        if self.entry(datapath_id).flows.set_group(key, group) {
            self.list(datapath_id, [true; 2]);
        }
    }

    /// State that `key`'s meter on a switch is `meter`, or that there is none.
    pub fn set_meter(&mut self, datapath_id: DatapathId, key: Key, meter: Option<Meter>) {
        if meter.is_none() && !self.switches.contains_key(&datapath_id) {
            return;
        }
        if self.entry(datapath_id).flows.set_meter(key, meter) {
            self.list(datapath_id, [true, false]);
        }
    }

    /// The number of `key`'s group on a switch, for rules that point to it. State the group too.
    pub fn group_id(&mut self, datapath_id: DatapathId, key: Key) -> GroupId {
        match self.switches.get_mut(&datapath_id) {
            Some(entry) => entry.flows.group_id(key),
            // The switch is gone: nobody will use the number.
            None => super::ids::GroupIds::default().id(key),
        }
    }

    /// The same for `rule`, which points to it, whatever number it has there: where it is installed, the number that the group has is found again.
    pub fn group_id_at(&mut self, datapath_id: DatapathId, key: Key, rule: &Rule) -> GroupId {
        match self.switches.get_mut(&datapath_id) {
            Some(entry) => entry.flows.group_id_at(key, rule),
            None => super::ids::GroupIds::default().id(key),
        }
    }

    /// A switch that may be given rules before it connects.
    pub fn add_switch(&mut self, datapath_id: DatapathId) {
        self.entry(datapath_id);
    }

    /// A switch has left the network for good. If it is just connecting again, what it is asked for at this moment is still heard.
    pub fn forget_switch(&mut self, datapath_id: DatapathId) {
        self.drop_from_rollouts(datapath_id);
        match self.switches.get_mut(&datapath_id) {
            Some(entry) if !matches!(entry.session, Session::Down) => {
                entry.flows.clear_desired();
                self.list(datapath_id, [true; 2]);
            }
            _ => {
                self.switches.remove(&datapath_id);
                self.flood_waiting.remove(&datapath_id);
            }
        }
    }

    // ---- the five verbs -----------------------------------------------------------------------------------------

    /// A switch's connection has ended. What it should hold stays desired.
    pub fn handle_disconnected(&mut self, datapath_id: DatapathId, now: Time) {
        self.drop_from_rollouts(datapath_id);
        self.forget_bundles(datapath_id);
        self.forget_audit(datapath_id, now);
        if let Some(entry) = self.switches.get_mut(&datapath_id) {
            entry.session = Session::Down;
            (entry.gathering, entry.meters_asked) = (None, None);
            entry.flows.clear_installed();
            entry.sent.clear();
        }
        self.advance(now);
    }

    /// A barrier reply. True if the barrier was the reconciler's.
    pub fn handle_barrier_reply(&mut self, datapath_id: DatapathId, xid: u32, now: Time) -> bool {
        if xid < XID_FIRST {
            return false;
        }
        let progress = self.go_on_with_bundle(datapath_id, xid);
        if let Some(entry) = self.switches.get_mut(&datapath_id) {
            let unanswered = entry.bundles.is_unanswered(xid);
            if entry.confirm(xid, now) {
                self.list(datapath_id, [true; 2]);
                self.remember_retry(datapath_id);
            } else if unanswered {
                self.list(datapath_id, [true; 2]);
            }
        }
        self.after_bundle(datapath_id, xid, &progress);
        for lane in [Lane::Unicast, Lane::Flood] {
            if let Some(queue) = self.rollout(lane).confirmed(datapath_id, xid) {
                self.send_window(lane, queue);
            }
        }
        self.advance(now);
        true
    }

    /// An error from a switch. True if it answers one of the reconciler's messages.
    pub fn handle_error(&mut self, datapath_id: DatapathId, xid: u32, error: &ErrorMessage, now: Time) -> bool {
        if xid < XID_FIRST {
            return false;
        }
        let Some(entry) = self.switches.get_mut(&datapath_id) else { return false };
        if entry.is_reading(xid) {
            self.reading_refused(datapath_id, now);
            return true;
        }
        if entry.is_asked_besides(xid) {
            return true;
        }
        if entry.bundle_error(xid, error.code()) {
            return true;
        }
        if self.audit_refused(datapath_id, xid, now) {
            return true;
        }
        let Some(entry) = self.switches.get_mut(&datapath_id) else { return false };
        let Some(sent) = entry.take_sent(xid) else { return false };
        let there = match error.code() {
            ErrorCode::GROUP_MOD_GROUP_EXISTS | ErrorCode::METER_MOD_METER_EXISTS => Some(true),
            ErrorCode::GROUP_MOD_UNKNOWN_GROUP | ErrorCode::METER_MOD_UNKNOWN_METER => Some(false),
            _ => None,
        };
        let step = entry.flows.describe(&sent);
        // What was sent for the same thing since decides what is there, and has an answer of its own.
        let again_there = entry.flows.again_there(&sent);
        let overtaken = entry.sent.iter().any(|later| {
            let same = later.op.is_about_the_same(sent.op)
                || again_there.is_some_and(|there| later.op.is_about_the_same(there));
            is_before(xid, later.xid) && same
        });
        let again = match overtaken {
            true => Again::Now,
            false => entry.flows.refused(&sent, error.code(), there, now).unwrap_or(Again::Now),
        };
        if let Again::At(at) = again {
            self.refusing.insert(datapath_id);
            self.next_retry = Some(self.next_retry.map_or(at, |next| next.min(at)));
        }
        let cause = entry.flows.cause_of(&sent, error.code());
        if cause.points_nowhere() && step.table.is_some() {
            self.suspect(datapath_id, now);
        }
        self.counters.refused[cause.reason() as usize] += 1;
        self.events.push_back(FlowEvent::Refused { datapath_id, cause, step, again });
        true
    }

    /// Something that was refused may have a time at which it is due.
    fn remember_retry(&mut self, datapath_id: DatapathId) {
        let next = self.switches.get(&datapath_id).and_then(|entry| entry.flows.next_retry());
        if let Some(retry) = next {
            self.refusing.insert(datapath_id);
            self.next_retry = Some(self.next_retry.map_or(retry, |next| next.min(retry)));
        }
    }

    /// A switch removed a flow entry. True if it was a rule of ours that we believed to be there. Whether it is put back is decided by the
    /// next [`Reconciler::advance`]: the applications may not want it any more.
    pub fn handle_flow_removed(&mut self, datapath_id: DatapathId, removed: &FlowRemoved) -> bool {
        let Some(entry) = self.switches.get_mut(&datapath_id) else { return false };
        if removed.reason == openflow::FlowRemovedReason::GROUP_DELETE {
            let under_way = |id: GroupId| {
                entry.sent.iter().any(|sent| matches!(sent.op, Op::PutGroup(of) | Op::PutDetour(of) if of == id))
            };
            let gone: Vec<GroupId> = entry.flows.groups_of(removed).into_iter().filter(|id| !under_way(*id)).collect();
            entry.flows.groups_removed(&gone);
        }
        let known = entry.flows.rule_removed(removed);
        if known {
            self.list(datapath_id, [true; 2]);
        }
        if known && removed.reason == openflow::FlowRemovedReason::DELETE {
            self.counters.drifted += 1;
        }
        known
    }

    /// The switch's ports have settled and its links are known: what differs may be changed and deleted from now on.
    pub fn release(&mut self, datapath_id: DatapathId) {
        if let Some(entry) = self.switches.get_mut(&datapath_id) {
            entry.held = false;
            if entry.flows.has_dirty() {
                self.list(datapath_id, [true; 2]);
            }
        }
    }

    /// Hold back (or let go) every flood port that would be added, on all switches: a tree that is half known may close a loop.
    pub fn hold_flood(&mut self, held: bool) {
        if !held && self.flood_held {
            for id in std::mem::take(&mut self.flood_waiting) {
                self.list(id, [false, true]);
            }
        }
        self.flood_held = held;
    }

    /// Whether changes and deletions on this switch are held back.
    pub fn is_held(&self, datapath_id: DatapathId) -> bool {
        self.switches.get(&datapath_id).is_some_and(|entry| entry.held)
    }

    /// Whether the switch is connected and read back.
    pub fn is_live(&self, datapath_id: DatapathId) -> bool {
        self.switches.get(&datapath_id).is_some_and(|entry| matches!(entry.session, Session::Live))
    }

    /// Start what is due: call after a batch of changes.
    pub fn advance(&mut self, now: Time) {
        self.planned_anew = 0;
        self.advance_lane(Lane::Unicast, now);
        self.advance_lane(Lane::Flood, now);
        // A lane is idle only when nothing that may be sent is left to be planned.
        let waits = self.open_bundles > 0 || self.has_unplanned();
        if self.unicast.is_idle() && self.flood.is_idle() && !waits {
            self.haste = Haste::Normal;
            if let Some(since) = self.changed_since.take() {
                self.counters.rollouts += 1;
                self.events.push_back(FlowEvent::Quiescent { since });
            }
        }
    }

    /// Deadlines of phases and of refused rules.
    pub fn handle_timeout(&mut self, now: Time) {
        if self.unicast.deadline.is_some_and(|deadline| deadline <= now) {
            for (id, unsent) in self.unicast.give_up() {
                if let Some(entry) = self.switches.get_mut(&id)
                    && (unsent || entry.bundles.is_open())
                {
                    // Its later phases must not overtake them (a group would be deleted under a rule): all of it is compared again.
                    entry.flows.mark_all();
                    self.list(id, [true; 2]);
                    drop(self.unicast.drop_switch(id));
                }
            }
        }
        if self.next_retry.is_some_and(|retry| retry <= now) {
            self.next_retry = None;
            for id in std::mem::take(&mut self.refusing) {
                let Some(entry) = self.switches.get_mut(&id) else { continue };
                entry.flows.wake_refused(now);
                self.remember_retry(id);
                self.list(id, [true; 2]);
            }
        }
        self.advance_audits(now);
        self.advance(now);
    }

    /// The next messages for a switch.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        let (datapath_id, length) = self.runs.pop_front()?;
        let frames = self.outbox.split_to(length).freeze();
        self.taken += length;
        if self.outbox.is_empty() && std::mem::take(&mut self.taken) > OUTBOX_KEPT {
            // What is left of it would keep the whole of it.
            self.outbox = BytesMut::new();
        }
        Some(Transmit { datapath_id, frames })
    }

    /// What was written to the outbox since it had `start` octets is for this switch.
    fn wrote(&mut self, datapath_id: DatapathId, start: usize) {
        let length = self.outbox.len() - start;
        match self.runs.back_mut() {
            Some((last, total)) if *last == datapath_id => *total += length,
            _ => self.runs.push_back((datapath_id, length)),
        }
    }

    /// Whether there is something to know.
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// The next thing to know.
    pub fn poll_event(&mut self) -> Option<FlowEvent> {
        self.events.pop_front()
    }

    /// The next deadline.
    pub fn poll_timeout(&self) -> Option<(Time, &'static str)> {
        let phase = self.unicast.deadline.map(|at| (at, "rollout phase"));
        let follows = self.follows_at().map(|at| (at, "next phase"));
        let retry = self.next_retry.map(|at| (at, "refused rule"));
        [phase, follows, retry, self.audit_timeout()].into_iter().flatten().min()
    }

    // ---- reading ------------------------------------------------------------------------------------------------

    /// Rules of ours on a switch, as read back and as changed since.
    pub fn installed(&self, datapath_id: DatapathId) -> impl Iterator<Item = (RuleId, InstalledRule)> {
        self.switches.get(&datapath_id).into_iter().flat_map(|entry| entry.flows.installed())
    }

    /// Which rules of one owner are on a switch, in no order that means anything.
    pub fn installed_of(&self, datapath_id: DatapathId, owner: Owner) -> impl Iterator<Item = RuleId> {
        self.switches.get(&datapath_id).into_iter().flat_map(move |entry| entry.flows.installed_of(owner))
    }

    /// Rules that should be on a switch.
    pub fn desired(&self, datapath_id: DatapathId) -> impl Iterator<Item = (RuleId, Rule)> {
        self.switches.get(&datapath_id).into_iter().flat_map(|entry| entry.flows.desired())
    }

    /// Groups that should be on a switch.
    pub fn desired_groups(&self, datapath_id: DatapathId) -> impl Iterator<Item = (GroupId, &Group)> {
        self.switches.get(&datapath_id).into_iter().flat_map(|entry| entry.flows.desired_groups())
    }

    /// Meters that should be on a switch.
    pub fn desired_meters(&self, datapath_id: DatapathId) -> impl Iterator<Item = (MeterId, &Meter)> {
        self.switches.get(&datapath_id).into_iter().flat_map(|entry| entry.flows.desired_meters())
    }

    /// Meters of ours on a switch.
    pub fn installed_meters(&self, datapath_id: DatapathId) -> impl Iterator<Item = (MeterId, &super::InstalledMeter)> {
        self.switches.get(&datapath_id).into_iter().flat_map(|entry| entry.flows.installed_meters())
    }

    /// Groups of ours on a switch: number, type and buckets.
    pub fn installed_groups(&self, datapath_id: DatapathId) -> impl Iterator<Item = (GroupId, &super::InstalledGroup)> {
        self.switches.get(&datapath_id).into_iter().flat_map(|entry| entry.flows.installed_groups())
    }

    /// Rules installed, rules desired, groups installed and steps refused, per switch.
    pub fn sizes(&self) -> impl Iterator<Item = (DatapathId, [usize; 4])> + '_ {
        self.switches.iter().map(|(&id, entry)| {
            let flows = &entry.flows;
            let sizes = [flows.installed_count(), flows.desired_count(), flows.group_count(), flows.refused_count()];
            (id, sizes)
        })
    }

    /// How often what was stated has been taken into a unicast rollout.
    pub fn plans(&self) -> u64 {
        self.plans
    }

    /// Whether rules that were stated wait for the rollout that goes on: who has many more to state waits too.
    pub fn has_unplanned(&self) -> bool {
        !self.dirty[Lane::Unicast as usize].is_empty()
    }

    /// Whether everything that may go out has gone out and has been confirmed.
    pub fn is_idle(&self) -> bool {
        self.changed_since.is_none()
    }

    /// Whether a rule of ours is on the switch.
    pub fn is_installed(&self, datapath_id: DatapathId, id: &RuleId) -> bool {
        self.switches.get(&datapath_id).is_some_and(|entry| entry.flows.is_installed(id))
    }

    /// Counters since the start.
    pub fn counters(&self) -> FlowCounters {
        self.counters
    }

    // ---- rollouts -----------------------------------------------------------------------------------------------

    fn rollout(&mut self, lane: Lane) -> &mut Rollout {
        match lane {
            Lane::Unicast => &mut self.unicast,
            Lane::Flood => &mut self.flood,
        }
    }

    fn advance_lane(&mut self, lane: Lane, now: Time) {
        loop {
            let rollout = self.rollout(lane);
            if rollout.is_waiting() {
                return;
            }
            rollout.deadline = None;
            let ended = rollout.take_phase();
            if !self.has_followed(lane, ended, now) {
                return;
            }
            let queues = self.rollout(lane).next_phase();
            if queues > 0 {
                for queue in 0..queues {
                    self.send_window(lane, queue);
                }
                if lane == Lane::Unicast && self.unicast.is_waiting() {
                    self.unicast.deadline = Some(now + PHASE_LIMIT);
                }
                continue;
            }
            if !self.plan(lane, now) {
                return;
            }
        }
    }

    /// Take the differences of a lane into a new rollout; false if there are none.
    fn plan(&mut self, lane: Lane, now: Time) -> bool {
        if self.dirty[lane as usize].is_empty() {
            return false;
        }
        self.plans += u64::from(lane == Lane::Unicast);
        let mut listed = std::mem::take(&mut self.dirty[lane as usize]);
        let mut steps: Vec<Planned> = self.rollout(lane).take_steps();
        let mut waiting = Vec::new();
        for &id in &listed {
            let Some(entry) = self.switches.get_mut(&id) else { continue };
            entry.listed[lane as usize] = false;
            if !matches!(entry.session, Session::Live) {
                continue;
            }
            if lane == Lane::Unicast {
                self.try_bundle(id, 0);
            }
            let Some(entry) = self.switches.get_mut(&id) else { continue };
            if lane == Lane::Unicast && entry.bundles.waits() {
                waiting.push(id);
                continue;
            }
            let before = steps.len();
            if lane == Lane::Flood && self.flood_held {
                self.flood_waiting.insert(id);
            }
            let permit = match (lane, entry.held, self.flood_held) {
                (Lane::Flood, true, true) => continue,
                (Lane::Flood, false, true) => Permit::Removals,
                (_, true, _) => Permit::Additions,
                (_, false, _) => Permit::All,
            };
            entry.flows.take_steps(lane, permit, id, &mut steps);
            for (step, unfit) in entry.flows.foreseen() {
                self.events.push_back(FlowEvent::Foreseen { datapath_id: id, unfit, step });
            }
            if lane == Lane::Unicast && entry.bundles.takes_all() {
                // One phase, in the order of them all.
                let own = steps.get_mut(before..).unwrap_or_default();
                own.sort_by_key(|planned| planned.step);
                // Meters go before it and after it.
                own.iter_mut().filter(|planned| !planned.op.is_of_meter()).for_each(|planned| planned.step = WHOLE);
            }
        }
        listed.clear();
        self.dirty[lane as usize] = listed;
        for id in waiting {
            self.changed_since.get_or_insert(now);
            self.list(id, [true, false]);
        }
        let planned = !steps.is_empty();
        if planned {
            self.changed_since.get_or_insert(now);
        }
        self.rollout(lane).begin(steps);
        planned
    }

    /// Send up to a window of the current phase to one switch, and a barrier behind it.
    fn send_window(&mut self, lane: Lane, queue: usize) {
        if lane == Lane::Unicast
            && let Some(id) = self.unicast.switch_of(queue)
        {
            self.try_bundle(id, self.unicast.remaining(queue));
            if let Some(barrier) = self.begin_bundle(queue) {
                return self.unicast.wait(queue, barrier);
            }
        }
        let rollout = match lane {
            Lane::Unicast => &mut self.unicast,
            Lane::Flood => &mut self.flood,
        };
        let Some(id) = rollout.switch_of(queue) else { return };
        let Some(entry) = self.switches.get_mut(&id) else { return };
        let start = self.outbox.len();
        let (mut sent, mut overtaken) = (0, false);
        while sent < WINDOW && self.outbox.len() - start < WINDOW_OCTETS {
            let Some(op) = rollout.next_op(queue) else { break };
            if self.planned_anew < ANEW_MAX && entry.flows.is_overtaken(op) {
                overtaken = true;
                break;
            }
            let xid = entry.next_xid;
            let Some(step) = entry.flows.perform(op, xid, &mut self.counters, &mut self.outbox) else { continue };
            take_xid(&mut entry.next_xid);
            entry.sent.push_back(step);
            sent += 1;
        }
        if sent > 0 {
            entry.bundles.went_plain(sent);
            let barrier = entry.xid();
            self.counters.barriers += 1;
            // An empty message is never too long.
            let _ = Message::BarrierRequest.encode(barrier, &mut self.outbox);
            rollout.wait(queue, barrier);
            self.wrote(id, start);
        }
        if overtaken {
            self.plan_anew(lane);
        }
    }

    fn drop_from_rollouts(&mut self, id: DatapathId) {
        drop(self.unicast.drop_switch(id));
        drop(self.flood.drop_switch(id));
    }

    fn request(&mut self, datapath_id: DatapathId, xid: u32, body: MultipartRequestBody) {
        let message = Message::MultipartRequest(MultipartRequest::new(body));
        let start = self.outbox.len();
        // A question of a few octets is never too long.
        let _ = message.encode(xid, &mut self.outbox);
        self.wrote(datapath_id, start);
    }
}
