//! Desired against installed, for all switches: what is sent to which switch, in which order.
//!
//! Applications change what is desired; the switches' replies tell what is installed. Everything else (connect, restart,
//! reconnect, drift) is the difference between the two. A difference leaves in *rollouts*: phases across all switches with a
//! barrier from each switch between them (OpenFlow 1.3.5 §7.3.8). The two lanes of `pipeline` have one rollout each.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use net::{DatapathId, PortNo, Time};
use openflow::{
    ErrorCode, ErrorMessage, FlowRemoved, FlowStatsRequest, GroupId, Match, Message, MultipartReply,
    MultipartReplyBody, MultipartRequest, MultipartRequestBody, TableId,
};
use topology::{SeededMap, SeededState};

use super::pipeline::Lane;
use super::rollout::Rollout;
use super::rule::{Group, Key, Rule, RuleId};
use super::switch::{InstalledRule, Permit, Planned, Sent, SwitchFlows};

/// Flows per slice of a read-back: one dump of 100,000 stalls Open vSwitch's userspace forwarding for 0.1 s, slices of this size lose nothing.
const SLICE_FLOWS: u64 = 2_000;
/// Most slices of a read-back: the low bits of the cookie hash select them.
const SLICES_MAX: u64 = 4_096;
/// Rules and groups, ours or not, that one switch may report; ten times what Open vSwitch is run with here. A switch that reports more is dropped.
const READ_BACK_MAX: usize = 1_000_000;
/// Octets of matches, instructions and buckets of ours that one switch may report: a million rules of hosts have 40 MB, and one rule may have
/// 64 KiB. A switch that reports more is dropped.
pub(super) const READ_BACK_OCTETS: usize = 64 << 20;
/// Messages to one switch without a barrier: more would queue where nobody can reorder or take them back.
const WINDOW: usize = 512;
/// A unicast phase waits this long for a slow switch, then goes on without it: one sick switch must not hold up the others' paths. The
/// channel ends the connection if the barrier stays out.
const PHASE_LIMIT: Duration = Duration::from_secs(1);
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
    /// A switch refused a rule or group; it is tried again later.
    Refused {
        /// The switch.
        datapath_id: DatapathId,
        /// Its error.
        error: ErrorMessage,
        /// What was refused, in words.
        what: String,
    },
}

/// Plain counters, for telemetry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FlowCounters {
    /// Flow-mods sent: additions (also those that overwrite) and deletions.
    pub flow_mods: [u64; 2],
    /// Group-mods sent: additions, changes and deletions.
    pub group_mods: [u64; 3],
    /// Barriers sent.
    pub barriers: u64,
    /// Rollouts finished.
    pub rollouts: u64,
    /// Steps that a switch refused.
    pub refused: u64,
    /// Rules of ours that somebody else removed.
    pub drifted: u64,
}

impl FlowCounters {
    /// Flow-mods and group-mods sent, of any kind.
    pub fn mods(&self) -> u64 {
        self.flow_mods.iter().sum::<u64>() + self.group_mods.iter().sum::<u64>()
    }
}

#[derive(Debug)]
enum Session {
    Down,
    Reading(Reading),
    Live,
}

#[derive(Debug)]
struct Reading {
    xid: u32,
    step: ReadStep,
    groups: usize,
    rules: usize,
    /// Rules and groups that were told, whoever's they are.
    told: usize,
    /// Octets that are kept of those that are ours.
    octets: usize,
}

#[derive(Debug)]
enum ReadStep {
    Count,
    Groups { slices: u64 },
    Flows { slice: u64, slices: u64 },
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
    /// By lane: in the list of those with something to compare.
    listed: [bool; 2],
}

impl SwitchEntry {
    fn new(state: SeededState) -> SwitchEntry {
        SwitchEntry {
            flows: SwitchFlows::new(state),
            session: Session::Down,
            held: false,
            next_xid: XID_FIRST,
            sent: VecDeque::new(),
            listed: [false; 2],
        }
    }

    fn xid(&mut self) -> u32 {
        take_xid(&mut self.next_xid)
    }

    /// Everything sent before the barrier has been done or refused.
    fn confirm(&mut self, barrier: u32) {
        while self.sent.front().is_some_and(|sent| is_before(sent.xid, barrier)) {
            self.sent.pop_front();
        }
        if self.sent.is_empty() && self.sent.capacity() > SENT_KEPT {
            self.sent.shrink_to(SENT_KEPT);
        }
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
    changed_since: Option<Time>,
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
        let state = self.state;
        self.switches.or_insert_with(datapath_id, || SwitchEntry::new(state))
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

    /// The number of `key`'s group on a switch, for rules that point to it. State the group too.
    pub fn group_id(&mut self, datapath_id: DatapathId, key: Key) -> GroupId {
        match self.switches.get_mut(&datapath_id) {
            Some(entry) => entry.flows.group_id(key),
            // The switch is gone: nobody will use the number.
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
            }
        }
    }

    // ---- the five verbs -----------------------------------------------------------------------------------------

    /// A switch is connected: read back what it holds. Groups first, so that no rule is known before the group it points to.
    pub fn handle_connected(&mut self, datapath_id: DatapathId) {
        let entry = self.entry(datapath_id);
        if !matches!(entry.session, Session::Down) {
            self.drop_from_rollouts(datapath_id);
        }
        let entry = self.entry(datapath_id);
        entry.flows.clear_installed();
        entry.sent.clear();
        entry.held = true;
        let xid = entry.xid();
        entry.session =
            Session::Reading(Reading { xid, step: ReadStep::Count, groups: 0, rules: 0, told: 0, octets: 0 });
        self.request(datapath_id, xid, MultipartRequestBody::Aggregate(flows_with(0, 0)));
    }

    /// A switch's connection has ended. What it should hold stays desired.
    pub fn handle_disconnected(&mut self, datapath_id: DatapathId, now: Time) {
        self.drop_from_rollouts(datapath_id);
        if let Some(entry) = self.switches.get_mut(&datapath_id) {
            entry.session = Session::Down;
            entry.flows.clear_installed();
            entry.sent.clear();
        }
        self.advance(now);
    }

    /// A part of a multipart reply. True if it was an answer to the reconciler.
    pub fn handle_multipart(&mut self, datapath_id: DatapathId, xid: u32, reply: &MultipartReply) -> bool {
        let Some(entry) = self.switches.get_mut(&datapath_id) else { return false };
        let Session::Reading(reading) = &mut entry.session else { return false };
        if reading.xid != xid {
            return false;
        }
        // A part without anything in it counts too.
        reading.told += 1;
        let mut is_asked = true;
        // The step is what comes after the answer: groups are what is waited for before the first slice of flows.
        match (&reading.step, &reply.body) {
            (ReadStep::Count, MultipartReplyBody::Aggregate(aggregate)) => {
                let slices = u64::from(aggregate.flow_count).div_ceil(SLICE_FLOWS).max(1);
                reading.step = ReadStep::Groups { slices: slices.next_power_of_two().min(SLICES_MAX) };
            }
            (ReadStep::Flows { slice: 0, .. }, MultipartReplyBody::GroupDesc(groups)) => {
                reading.told += groups.len();
                for kept in groups.iter().filter_map(|group| entry.flows.read_group(group)) {
                    reading.groups += 1;
                    reading.octets += kept;
                }
            }
            (ReadStep::Flows { slice: 1.., .. }, MultipartReplyBody::Flow(flows)) => {
                reading.told += flows.len();
                for kept in flows.iter().filter_map(|flow| entry.flows.read_rule(flow)) {
                    reading.rules += 1;
                    reading.octets += kept;
                }
            }
            // Not what was asked for. Who answers nothing else is put out when the time for the description is over.
            _ => is_asked = false,
        }
        if reading.told > READ_BACK_MAX || reading.octets > READ_BACK_OCTETS {
            entry.session = Session::Down;
            entry.flows.clear_installed();
            self.events.push_back(FlowEvent::TooMuch { datapath_id });
            return true;
        }
        if reply.more || !is_asked {
            return true;
        }
        self.read_on(datapath_id);
        true
    }

    /// Ask for the next part of the read-back, or finish it.
    fn read_on(&mut self, datapath_id: DatapathId) {
        let Some(entry) = self.switches.get_mut(&datapath_id) else { return };
        let next_xid = entry.xid();
        let Session::Reading(reading) = &mut entry.session else { return };
        let body = match reading.step {
            ReadStep::Count => MultipartRequestBody::Aggregate(flows_with(0, 0)),
            ReadStep::Groups { slices } => {
                reading.step = ReadStep::Flows { slice: 0, slices };
                MultipartRequestBody::GroupDesc
            }
            ReadStep::Flows { slice, slices } if slice < slices => {
                reading.step = ReadStep::Flows { slice: slice + 1, slices };
                MultipartRequestBody::Flow(flows_with(slice, slices - 1))
            }
            ReadStep::Flows { .. } => {
                let (rules, groups) = (reading.rules, reading.groups);
                entry.session = Session::Live;
                // Nothing of ours is there: nothing can be harmed.
                entry.held = rules + groups > 0;
                entry.flows.mark_all();
                self.list(datapath_id, [true; 2]);
                self.events.push_back(FlowEvent::ReadBack { datapath_id, rules, groups });
                return;
            }
        };
        reading.xid = next_xid;
        self.request(datapath_id, next_xid, body);
    }

    /// A barrier reply. True if the barrier was the reconciler's.
    pub fn handle_barrier_reply(&mut self, datapath_id: DatapathId, xid: u32, now: Time) -> bool {
        if xid < XID_FIRST {
            return false;
        }
        if let Some(entry) = self.switches.get_mut(&datapath_id) {
            entry.confirm(xid);
        }
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
        if let Session::Reading(reading) = &mut entry.session
            && reading.xid == xid
        {
            // A switch without groups or aggregates refuses the question: it holds none.
            if matches!(reading.step, ReadStep::Count) {
                reading.step = ReadStep::Groups { slices: 1 };
            }
            self.read_on(datapath_id);
            return true;
        }
        let Some(at) = entry.sent.iter().position(|sent| sent.xid == xid) else { return false };
        let Some(sent) = entry.sent.remove(at) else { return false };
        let there = match error.code() {
            ErrorCode::GROUP_MOD_GROUP_EXISTS => Some(true),
            ErrorCode::GROUP_MOD_UNKNOWN_GROUP => Some(false),
            _ => None,
        };
        let what = entry.flows.describe(&sent);
        if let Some(retry) = entry.flows.refused(&sent, there, now) {
            self.refusing.insert(datapath_id);
            self.next_retry = Some(self.next_retry.map_or(retry, |next| next.min(retry)));
        }
        self.counters.refused += 1;
        self.events.push_back(FlowEvent::Refused { datapath_id, error: error.clone(), what });
        true
    }

    /// A switch removed a flow entry. True if it was a rule of ours that we believed to be there. Whether it is put back is decided by the
    /// next [`Reconciler::advance`]: the applications may not want it any more.
    pub fn handle_flow_removed(&mut self, datapath_id: DatapathId, removed: &FlowRemoved) -> bool {
        let Some(entry) = self.switches.get_mut(&datapath_id) else { return false };
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
            let ids: Vec<DatapathId> = self.switches.keys().copied().collect();
            for id in ids {
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
        self.advance_lane(Lane::Unicast, now);
        self.advance_lane(Lane::Flood, now);
        if let Some(since) = self.changed_since {
            // A lane is idle only when nothing that may be sent is left to be planned.
            if self.unicast.is_idle() && self.flood.is_idle() {
                self.changed_since = None;
                self.counters.rollouts += 1;
                self.events.push_back(FlowEvent::Quiescent { since });
            }
        }
    }

    /// Deadlines of phases and of refused rules.
    pub fn handle_timeout(&mut self, now: Time) {
        if self.unicast.deadline.is_some_and(|deadline| deadline <= now) {
            for (id, unsent) in self.unicast.give_up() {
                if unsent && let Some(entry) = self.switches.get_mut(&id) {
                    // Its later phases must not overtake them (a group would be deleted under a rule): all of it is compared again.
                    entry.flows.mark_all();
                    self.list(id, [true; 2]);
                    self.unicast.drop_switch(id);
                }
            }
        }
        if self.next_retry.is_some_and(|retry| retry <= now) {
            self.next_retry = None;
            for id in std::mem::take(&mut self.refusing) {
                let Some(entry) = self.switches.get_mut(&id) else { continue };
                entry.flows.wake_retries(now);
                if let Some(retry) = entry.flows.next_retry() {
                    self.refusing.insert(id);
                    self.next_retry = Some(self.next_retry.map_or(retry, |next| next.min(retry)));
                }
                self.list(id, [true; 2]);
            }
        }
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
        let retry = self.next_retry.map(|at| (at, "refused rule"));
        [phase, retry].into_iter().flatten().min()
    }

    // ---- reading ------------------------------------------------------------------------------------------------

    /// Rules of ours on a switch, as read back and as changed since.
    pub fn installed(&self, datapath_id: DatapathId) -> impl Iterator<Item = (RuleId, InstalledRule)> {
        self.switches.get(&datapath_id).into_iter().flat_map(|entry| entry.flows.installed())
    }

    /// Rules that should be on a switch.
    pub fn desired(&self, datapath_id: DatapathId) -> impl Iterator<Item = (RuleId, Rule)> {
        self.switches.get(&datapath_id).into_iter().flat_map(|entry| entry.flows.desired())
    }

    /// Groups that should be on a switch.
    pub fn desired_groups(&self, datapath_id: DatapathId) -> impl Iterator<Item = (GroupId, &Group)> {
        self.switches.get(&datapath_id).into_iter().flat_map(|entry| entry.flows.desired_groups())
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
            let queues = rollout.next_phase();
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
        let mut listed = std::mem::take(&mut self.dirty[lane as usize]);
        let mut steps: Vec<Planned> = self.rollout(lane).take_steps();
        for &id in &listed {
            let Some(entry) = self.switches.get_mut(&id) else { continue };
            entry.listed[lane as usize] = false;
            if !matches!(entry.session, Session::Live) {
                continue;
            }
            let permit = match (lane, entry.held, self.flood_held) {
                (Lane::Flood, true, true) => continue,
                (Lane::Flood, false, true) => Permit::Removals,
                (_, true, _) => Permit::Additions,
                (_, false, _) => Permit::All,
            };
            entry.flows.take_steps(lane, permit, id, &mut steps);
        }
        listed.clear();
        self.dirty[lane as usize] = listed;
        let planned = !steps.is_empty();
        if planned {
            self.changed_since.get_or_insert(now);
        }
        self.rollout(lane).begin(steps);
        planned
    }

    /// Send up to a window of the current phase to one switch, and a barrier behind it.
    fn send_window(&mut self, lane: Lane, queue: usize) {
        let rollout = match lane {
            Lane::Unicast => &mut self.unicast,
            Lane::Flood => &mut self.flood,
        };
        let Some(id) = rollout.switch_of(queue) else { return };
        let Some(entry) = self.switches.get_mut(&id) else { return };
        let start = self.outbox.len();
        let mut sent = 0;
        while sent < WINDOW {
            let Some(op) = rollout.next_op(queue) else { break };
            let xid = entry.next_xid;
            let Some(step) = entry.flows.perform(op, xid, &mut self.counters, &mut self.outbox) else { continue };
            take_xid(&mut entry.next_xid);
            entry.sent.push_back(step);
            sent += 1;
        }
        if sent == 0 {
            return;
        }
        let barrier = entry.xid();
        self.counters.barriers += 1;
        // An empty message is never too long.
        let _ = Message::BarrierRequest.encode(barrier, &mut self.outbox);
        rollout.wait(queue, barrier);
        self.wrote(id, start);
    }

    fn drop_from_rollouts(&mut self, id: DatapathId) {
        self.unicast.drop_switch(id);
        self.flood.drop_switch(id);
    }

    fn request(&mut self, datapath_id: DatapathId, xid: u32, body: MultipartRequestBody) {
        let message = Message::MultipartRequest(MultipartRequest::new(body));
        let start = self.outbox.len();
        // A question of a few octets is never too long.
        let _ = message.encode(xid, &mut self.outbox);
        self.wrote(datapath_id, start);
    }
}

fn flows_with(cookie: u64, cookie_mask: u64) -> FlowStatsRequest {
    FlowStatsRequest {
        table_id: TableId::ALL,
        out_port: PortNo::ANY,
        out_group: GroupId::ANY,
        cookie,
        cookie_mask,
        match_: Match::new(),
    }
}
