//! What a switch that has just connected holds: a count, the groups, then the flows in slices chosen by cookie bits.

use net::{DatapathId, PortNo, Time};
use openflow::{FlowStatsRequest, GroupId, Match, MultipartReply, MultipartReplyBody, MultipartRequestBody, TableId};

use super::{FlowEvent, Reconciler, Session, SwitchEntry};
use crate::flow::rule::is_our_cookie;

/// Flows per slice of a read-back: one dump of 100,000 stalls Open vSwitch's userspace forwarding for 0.1 s, slices of this size lose nothing.
const SLICE_FLOWS: u64 = 2_000;
/// Most slices of a read-back: the low bits of the cookie hash select them.
const SLICES_MAX: u64 = 4_096;
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
        self.request(datapath_id, xid, MultipartRequestBody::Aggregate(flows_with(0, 0)));
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
        // The step is what comes after the answer: groups are what is waited for before the first slice of flows.
        match (&reading.step, &reply.body) {
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
            (ReadStep::Flows { slice: 1.., .. }, MultipartReplyBody::Flow(flows)) => {
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
