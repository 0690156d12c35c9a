//! What a switch that has just connected holds: a count, the groups, then the flows with our mark in slices chosen by cookie bits, then others.

use net::{DatapathId, PortNo, Time};
use openflow::{FlowStatsRequest, GroupId, Match, MultipartReply, MultipartReplyBody, MultipartRequestBody, TableId};

use super::others::Others;
use super::{FlowEvent, Reconciler, Session, SwitchEntry};
use crate::flow::rule::{OUR_COOKIES, is_our_cookie};

/// Flows per slice of a read-back: one dump of 100,000 stalls Open vSwitch's userspace forwarding for 0.1 s, slices of this size lose nothing.
pub(super) const SLICE_FLOWS: u64 = 2_000;
/// Most slices of a read-back: the low bits of the cookie hash select them.
pub(super) const SLICES_MAX: u64 = 4_096;
/// Rules and groups, ours or not, that one switch may report; ten times what Open vSwitch is run with here. A switch that reports more is dropped.
pub(crate) const READ_BACK_MAX: usize = 1_000_000;
/// Octets of matches, instructions and buckets of ours that one switch may report, and [`KEPT_BESIDES`] for each rule and group: three times the
/// rules of all hosts that may be known, and one rule may have 64 KiB. A switch that reports more is dropped.
pub(crate) const READ_BACK_OCTETS: usize = 64 << 20;
/// What is kept of a rule or a group besides its octets: its slot, its place in the index, and what the switch has in it.
pub(crate) const KEPT_BESIDES: usize = 128;
/// Of these, what the operator's rules on one switch may take, with [`KEPT_BESIDES`] for each: the rest is for what the controller adds.
pub(crate) const STATED_OCTETS_MAX: usize = READ_BACK_OCTETS / 2;

#[derive(Debug)]
pub(super) struct Reading {
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
pub(super) enum ReadStep {
    Count,
    Groups { slices: u64 },
    Flows { slice: u64, slices: u64 },
    Others(Others),
}

impl SwitchEntry {
    /// Whether the question with this number is the one that is out.
    pub(super) fn is_reading(&self, xid: u32) -> bool {
        matches!(&self.session, Session::Reading(reading) if reading.xid == xid)
    }
}

impl Reconciler {
    /// A switch is connected: read back what it holds. Groups first, so that no rule is known before the group it points to.
    pub fn handle_connected(&mut self, datapath_id: DatapathId, now: Time) {
        let entry = self.entry(datapath_id);
        if !matches!(entry.session, Session::Down) {
            self.drop_from_rollouts(datapath_id);
        }
        self.forget_bundles(datapath_id);
        self.forget_audit(datapath_id, now);
        let entry = self.entry(datapath_id);
        entry.flows.clear_installed();
        entry.sent.clear();
        entry.held = true;
        let xid = entry.xid();
        entry.session =
            Session::Reading(Reading { xid, step: ReadStep::Count, groups: 0, rules: 0, told: 0, octets: 0 });
        self.request(datapath_id, xid, count_of_ours());
        self.ask_besides(datapath_id);
    }

    /// A part of a multipart reply. True if it was an answer to the reconciler.
    pub fn handle_multipart(&mut self, datapath_id: DatapathId, xid: u32, reply: &MultipartReply, now: Time) -> bool {
        if self.audit_reply(datapath_id, xid, reply, now) {
            return true;
        }
        if self.told_besides(datapath_id, xid, reply) {
            self.advance(now);
            return true;
        }
        let Some(entry) = self.switches.get_mut(&datapath_id) else { return false };
        let Session::Reading(reading) = &mut entry.session else { return false };
        if reading.xid != xid {
            return false;
        }
        // A part without anything in it counts too.
        reading.told += 1;
        let mut is_asked = true;
        if let (ReadStep::Others(others), MultipartReplyBody::Flow(flows)) = (&mut reading.step, &reply.body) {
            others.read(flows.len() as u64);
        }
        // The step is what comes after the answer: groups are what is waited for before the first slice of flows.
        match (&mut reading.step, &reply.body) {
            (ReadStep::Count, MultipartReplyBody::Aggregate(aggregate)) => {
                reading.step = ReadStep::Groups { slices: slices_for(u64::from(aggregate.flow_count)) };
            }
            (ReadStep::Flows { slice: 0, .. }, MultipartReplyBody::GroupDesc(groups)) => {
                reading.told += groups.len();
                for group in groups {
                    let (ours, kept) = entry.flows.read_group(group, &self.settings);
                    reading.groups += usize::from(ours);
                    reading.octets += kept + KEPT_BESIDES;
                }
            }
            (ReadStep::Others(others), body) if !others.asks_for_flows() => is_asked = others.told(body),
            (ReadStep::Flows { slice: 1.., .. } | ReadStep::Others(_), MultipartReplyBody::Flow(flows)) => {
                reading.told += flows.len();
                for flow in flows {
                    let Some(kept) = entry.flows.read_rule(flow, &self.settings) else { continue };
                    reading.rules += usize::from(is_our_cookie(flow.cookie));
                    reading.octets += kept + KEPT_BESIDES;
                }
            }
            // Not what was asked for. Who answers nothing else is put out when the time for the description is over.
            _ => is_asked = false,
        }
        if reading.told > READ_BACK_MAX || reading.octets > READ_BACK_OCTETS {
            return self.told_too_much(datapath_id);
        }
        if reply.more || !is_asked {
            return true;
        }
        self.read_on(datapath_id);
        if self.is_live(datapath_id) {
            self.plan_audit(datapath_id, now);
        }
        true
    }

    /// The switch refuses a question: one without groups or aggregates holds none.
    pub(super) fn reading_refused(&mut self, datapath_id: DatapathId, now: Time) {
        if let Some(entry) = self.switches.get_mut(&datapath_id)
            && let Session::Reading(reading) = &mut entry.session
            && matches!(reading.step, ReadStep::Count)
        {
            reading.step = ReadStep::Groups { slices: 1 };
        }
        self.read_on(datapath_id);
        if self.is_live(datapath_id) {
            self.plan_audit(datapath_id, now);
        }
    }

    /// Ask for the next part of the read-back, or finish it.
    fn read_on(&mut self, datapath_id: DatapathId) {
        let Some(entry) = self.switches.get_mut(&datapath_id) else { return };
        let next_xid = entry.xid();
        let Session::Reading(reading) = &mut entry.session else { return };
        if matches!(reading.step, ReadStep::Flows { slice, slices } if slice == slices) {
            let tables = entry.flows.desired_tables();
            reading.step =
                ReadStep::Others(Others::new(None, reading.rules as u64, self.settings.remove_foreign, tables));
        }
        let body = match &mut reading.step {
            ReadStep::Count => Some(count_of_ours()),
            ReadStep::Groups { slices } => {
                reading.step = ReadStep::Flows { slice: 0, slices: *slices };
                Some(MultipartRequestBody::GroupDesc)
            }
            ReadStep::Flows { slice, slices } => {
                let question = flows_of_ours(*slice, *slices);
                *slice += 1;
                Some(MultipartRequestBody::Flow(question))
            }
            ReadStep::Others(others) => others.next(),
        };
        let Some(body) = body else { return self.is_read_back(datapath_id) };
        reading.xid = next_xid;
        self.request(datapath_id, next_xid, body);
    }

    fn is_read_back(&mut self, datapath_id: DatapathId) {
        let Some(entry) = self.switches.get_mut(&datapath_id) else { return };
        let Session::Reading(reading) = std::mem::replace(&mut entry.session, Session::Live) else { return };
        let Reading { rules, groups, step, .. } = reading;
        let taken = entry.flows.taken_over();
        // Nothing of ours is there: nothing can be harmed.
        entry.held = rules + groups > 0;
        entry.flows.mark_all();
        self.list(datapath_id, [true; 2]);
        self.events.push_back(FlowEvent::ReadBack { datapath_id, rules, groups });
        let unread = if let ReadStep::Others(others) = &step { others.unread() } else { 0 };
        if taken.count > 0 || unread > 0 {
            self.counters.taken_over += taken.count as u64;
            self.events.push_back(FlowEvent::TakenOver { datapath_id, taken, unread });
        }
    }
}

fn count_of_ours() -> MultipartRequestBody {
    MultipartRequestBody::Aggregate(flows_with(OUR_COOKIES.0, OUR_COOKIES.1))
}

/// A slice of the flows that have our mark. What others have put there has one cookie as a rule, and would be in one slice all together.
pub(crate) fn flows_of_ours(slice: u64, slices: u64) -> FlowStatsRequest {
    let (mark, mask) = OUR_COOKIES;
    flows_with(mark | slice, mask | (slices - 1))
}

/// How many slices so many flows are read in: a power of two.
pub(crate) fn slices_for(flows: u64) -> u64 {
    flows.div_ceil(SLICE_FLOWS).max(1).next_power_of_two().min(SLICES_MAX)
}

/// The flows whose cookies are so under this mask, of all tables.
pub(crate) fn flows_with(cookie: u64, cookie_mask: u64) -> FlowStatsRequest {
    FlowStatsRequest {
        table_id: TableId::ALL,
        out_port: PortNo::ANY,
        out_group: GroupId::ANY,
        cookie,
        cookie_mask,
        match_: Match::new(),
    }
}
