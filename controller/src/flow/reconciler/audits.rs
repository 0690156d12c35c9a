//! Audits: now and then, and when somebody asks, a switch tells what it has, and what differs is told and put right.
//!
//! Groups first, then flows in the slices of a read-back, then a look for those that were not told. Between two slices, and between two pieces of
//! that look, there is a pause: neither the switch nor the core is busy with it for long.

use std::time::Duration;

use net::{DatapathId, Time};
use openflow::{MeterId, MultipartReply, MultipartReplyBody, MultipartRequestBody};

use super::others::Others;
use super::read_back::{READ_BACK_MAX, flows_of_ours, slices_for};
use super::{FlowEvent, Reconciler, Session, SwitchEntry};
use crate::flow::audit::{AuditReport, FlowSettings};
use crate::flow::switch::Op;

/// Switches that are audited at a time: with the pauses, a small part of the core's time.
const AUDITS_MAX: usize = 4;
/// Pause after a slice of flows: a slice takes Open vSwitch some 10 ms of 100,000 flows.
const SLICE_PAUSE: Duration = Duration::from_millis(10);
/// Pause between two pieces of the look for what is gone.
const PIECE_PAUSE: Duration = Duration::from_millis(1);
/// Places that are looked at in a piece: some 20 µs.
const PIECE: usize = 4_096;
/// Time for one answer. A switch that takes longer has other work, and is asked again at its next audit.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// A rule that points to a group that is not there has the switch audited, but not again before this is over.
const SUSPECT_PAUSE: Duration = Duration::from_secs(10);

#[derive(Debug)]
enum Step {
    Groups,
    Meters,
    Flows { slice: u64 },
    Others(Others),
    Missing { from: usize },
}

/// An audit of one switch.
#[derive(Debug)]
pub(super) struct Audit {
    step: Step,
    slices: u64,
    /// The question that is out.
    xid: Option<u32>,
    /// When the next step is due, or the answer overdue.
    at: Time,
    told: usize,
    /// Rules with our mark that were told.
    ours: u64,
    report: AuditReport,
}

impl SwitchEntry {
    fn is_auditing(&self, xid: u32) -> bool {
        self.audit.as_ref().is_some_and(|audit| audit.xid == Some(xid))
    }
}

impl Reconciler {
    /// How switches are audited, what bundles are used for, and what is let be, from here on.
    pub fn handle_settings(&mut self, settings: FlowSettings, now: Time) {
        self.set_bundles(settings.bundles);
        let interval_changed = self.settings.audit_interval != settings.audit_interval;
        self.settings = settings;
        if interval_changed {
            let live: Vec<DatapathId> = self
                .switches
                .iter()
                .filter(|(_, entry)| {
                    matches!(entry.session, Session::Live) && entry.audit.is_none() && !entry.audit_asked
                })
                .map(|(id, _)| *id)
                .collect();
            for id in live {
                if let Some(at) = self.switches.get_mut(&id).and_then(|entry| entry.audit_at.take()) {
                    self.audits.remove(&(at, id));
                }
                self.plan_audit(id, now);
            }
        }
    }

    /// What it does besides what is stated.
    pub fn settings(&self) -> &FlowSettings {
        &self.settings
    }

    /// Audit a switch as soon as there is room for it. False if it is not connected.
    pub fn request_audit(&mut self, datapath_id: DatapathId, now: Time) -> bool {
        let Some(entry) = self.switches.get_mut(&datapath_id) else { return false };
        if !matches!(entry.session, Session::Live) {
            return false;
        }
        entry.audit_asked = true;
        if entry.audit.is_none() && !entry.audit_waits {
            self.put_audit(datapath_id, now);
        }
        true
    }

    /// The next audit of a switch, an interval from now; a part of it is the switch's own, so that not all come at once.
    pub(super) fn plan_audit(&mut self, datapath_id: DatapathId, now: Time) {
        let interval = self.settings.audit_interval;
        if !interval.is_zero() {
            let share = (datapath_id.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u32;
            self.put_audit(datapath_id, now + interval - interval / 4 / 256 * share);
        }
    }

    fn put_audit(&mut self, datapath_id: DatapathId, at: Time) {
        let Some(entry) = self.switches.get_mut(&datapath_id) else { return };
        if let Some(before) = entry.audit_at.replace(at) {
            self.audits.remove(&(before, datapath_id));
        }
        self.audits.insert((at, datapath_id));
    }

    /// A rule was refused because a group is not there: somebody may have removed it.
    pub(super) fn suspect(&mut self, datapath_id: DatapathId, now: Time) {
        let Some(entry) = self.switches.get_mut(&datapath_id) else { return };
        let soon = now + SUSPECT_PAUSE;
        if entry.audit.is_none() && !entry.audit_waits && entry.audit_at.is_none_or(|at| at > soon) {
            entry.audit_asked = true;
            self.put_audit(datapath_id, soon);
        }
    }

    /// When an audit has something to do.
    pub(super) fn audit_timeout(&self) -> Option<(Time, &'static str)> {
        self.audits.first().map(|(at, _)| (*at, "audit"))
    }

    /// Begin and go on with what is due.
    pub(super) fn advance_audits(&mut self, now: Time) {
        while let Some(&(at, id)) = self.audits.first()
            && at <= now
        {
            self.audits.pop_first();
            let Some(entry) = self.switches.get_mut(&id) else { continue };
            entry.audit_at = None;
            let running = entry.audit.is_some();
            if !running && self.auditing >= AUDITS_MAX {
                // The end of another one calls it.
                entry.audit_waits = true;
                self.waiting_audits.push_back(id);
                continue;
            }
            if running { self.go_on_with_audit(id, now) } else { self.begin_audit(id, now) }
        }
    }

    fn begin_audit(&mut self, datapath_id: DatapathId, now: Time) {
        let Some(entry) = self.switches.get_mut(&datapath_id) else { return };
        if !matches!(entry.session, Session::Live) {
            return;
        }
        let sent = entry.sent.iter().filter_map(|sent| match sent.op {
            Op::PutRule(at) => Some(at),
            _ => None,
        });
        let unconfirmed: Vec<_> = sent.collect();
        let groups = entry.sent.iter().filter_map(|sent| match sent.op {
            Op::PutGroup(id) | Op::PutDetour(id) | Op::ShrinkGroup(id) | Op::DeleteGroup(id) => Some(id),
            _ => None,
        });
        let groups = groups.collect();
        let meters = entry.sent.iter().filter_map(|sent| match sent.op {
            Op::PutMeter(id) | Op::DeleteMeter(id) => Some(id),
            _ => None,
        });
        let meters = meters.collect();
        entry.flows.begin_audit(&unconfirmed, groups);
        entry.flows.begin_meter_audit(meters);
        let slices = slices_for(entry.flows.installed_count() as u64);
        let xid = entry.xid();
        let report = AuditReport::new(datapath_id, now);
        let at = now + ANSWER_LIMIT;
        entry.audit =
            Some(Box::new(Audit { step: Step::Groups, slices, xid: Some(xid), at, told: 0, ours: 0, report }));
        self.auditing += 1;
        self.request(datapath_id, xid, MultipartRequestBody::GroupDesc);
        self.put_audit(datapath_id, at);
    }

    /// A pause is over, or an answer overdue.
    fn go_on_with_audit(&mut self, datapath_id: DatapathId, now: Time) {
        let Some(entry) = self.switches.get_mut(&datapath_id) else { return };
        let Some(audit) = entry.audit.as_mut() else { return };
        if audit.xid.is_some() {
            return self.end_audit(datapath_id, Some("the switch did not answer in time"), now);
        }
        match audit.step {
            Step::Meters => {
                let xid = super::take_xid(&mut entry.next_xid);
                audit.xid = Some(xid);
                audit.at = now + ANSWER_LIMIT;
                self.request(datapath_id, xid, MultipartRequestBody::MeterConfig(MeterId::ALL));
                self.put_audit(datapath_id, now + ANSWER_LIMIT);
            }
            Step::Groups | Step::Flows { .. } => {
                let slice = match audit.step {
                    Step::Flows { slice } => slice,
                    _ => 0,
                };
                let (slices, xid) = (audit.slices, super::take_xid(&mut entry.next_xid));
                audit.step = Step::Flows { slice };
                audit.xid = Some(xid);
                audit.at = now + ANSWER_LIMIT;
                self.request(datapath_id, xid, MultipartRequestBody::Flow(flows_of_ours(slice, slices)));
                self.put_audit(datapath_id, now + ANSWER_LIMIT);
            }
            Step::Others(ref mut others) => {
                let Some(question) = others.next() else {
                    audit.report.foreign_unread = others.unread() as usize;
                    audit.report.foreign += audit.report.foreign_unread;
                    audit.step = Step::Missing { from: 0 };
                    return self.go_on_with_audit(datapath_id, now);
                };
                let xid = super::take_xid(&mut entry.next_xid);
                audit.xid = Some(xid);
                audit.at = now + ANSWER_LIMIT;
                self.request(datapath_id, xid, question);
                self.put_audit(datapath_id, now + ANSWER_LIMIT);
            }
            Step::Missing { from } => {
                let next = entry.flows.audit_missing(from, PIECE, &self.settings, &mut audit.report);
                match next {
                    Some(from) => {
                        audit.step = Step::Missing { from };
                        self.put_audit(datapath_id, now + PIECE_PAUSE);
                    }
                    None => self.end_audit(datapath_id, None, now),
                }
            }
        }
    }

    /// A part of an answer. True if it was an answer to an audit's question.
    pub(super) fn audit_reply(&mut self, datapath_id: DatapathId, xid: u32, reply: &MultipartReply, now: Time) -> bool {
        let Some(entry) = self.switches.get_mut(&datapath_id).filter(|entry| entry.is_auditing(xid)) else {
            return false;
        };
        let SwitchEntry { flows, audit, sent, .. } = entry;
        let Some(audit) = audit else { return false };
        audit.told += 1;
        match (&mut audit.step, &reply.body) {
            (Step::Groups, MultipartReplyBody::GroupDesc(groups)) => {
                audit.told += groups.len();
                groups.iter().for_each(|group| flows.audit_group(group, &self.settings, &mut audit.report));
            }
            (Step::Meters, MultipartReplyBody::MeterConfig(meters)) => {
                audit.told += meters.len();
                meters.iter().for_each(|meter| flows.audit_meter(meter, &self.settings, &mut audit.report));
            }
            (Step::Others(others), body) if !others.asks_for_flows() => {
                if !others.told(body) {
                    return true;
                }
            }
            (Step::Flows { .. } | Step::Others(_), MultipartReplyBody::Flow(stats)) => {
                audit.told += stats.len();
                match &mut audit.step {
                    Step::Others(others) => others.read(stats.len() as u64),
                    _ => audit.ours += stats.len() as u64,
                }
                for stats in stats {
                    let goes =
                        |match_: &_| sent.iter().any(|sent| sent.deletes(stats.table_id, stats.priority, match_));
                    flows.audit_rule(stats, &self.settings, goes, &mut audit.report);
                }
            }
            // Not what was asked for. Who answers nothing else has not answered in time.
            _ => return true,
        }
        if audit.told > READ_BACK_MAX {
            self.end_audit(datapath_id, Some("the switch told more than can be believed"), now);
        } else if !reply.more {
            self.answered(datapath_id, now);
        }
        true
    }

    /// The switch refuses an audit's question: it has none of that. True if it was one.
    pub(super) fn audit_refused(&mut self, datapath_id: DatapathId, xid: u32, now: Time) -> bool {
        let is_one = self.switches.get(&datapath_id).is_some_and(|entry| entry.is_auditing(xid));
        if is_one {
            let flows = self
                .switches
                .get(&datapath_id)
                .and_then(|entry| entry.audit.as_ref())
                .is_some_and(|audit| matches!(audit.step, Step::Flows { .. }));
            match flows {
                true => self.end_audit(datapath_id, Some("the switch does not tell its flows"), now),
                false => self.answered(datapath_id, now),
            }
        }
        is_one
    }

    /// An answer is complete: the next step, after a pause.
    fn answered(&mut self, datapath_id: DatapathId, now: Time) {
        let Some(entry) = self.switches.get_mut(&datapath_id) else { return };
        let Some(audit) = entry.audit.as_mut() else { return };
        audit.xid = None;
        let mut pause = Duration::ZERO;
        audit.step = match std::mem::replace(&mut audit.step, Step::Groups) {
            Step::Groups => {
                entry.flows.audit_missing_groups(&mut audit.report);
                // A switch that has no meters and is to have none may not know what they are.
                if entry.meters_told || entry.flows.has_meters() { Step::Meters } else { Step::Flows { slice: 0 } }
            }
            Step::Meters => {
                entry.flows.audit_missing_meters(&mut audit.report);
                Step::Flows { slice: 0 }
            }
            Step::Flows { slice } if slice + 1 < audit.slices => {
                pause = SLICE_PAUSE;
                Step::Flows { slice: slice + 1 }
            }
            Step::Flows { .. } => {
                let (everything, tables) = (self.settings.remove_foreign, entry.flows.desired_tables());
                Step::Others(Others::new(None, audit.ours, everything, tables))
            }
            Step::Others(others) => {
                if others.asks_for_flows() {
                    pause = SLICE_PAUSE;
                }
                Step::Others(others)
            }
            Step::Missing { from } => Step::Missing { from },
        };
        self.put_audit(datapath_id, now + pause);
        if pause.is_zero() {
            self.advance_audits(now);
        }
    }

    /// It has ended, to its end or not: what was found is told, and put right.
    fn end_audit(&mut self, datapath_id: DatapathId, cut_short: Option<&'static str>, now: Time) {
        let Some(entry) = self.switches.get_mut(&datapath_id) else { return };
        let Some(audit) = entry.audit.take() else { return };
        entry.audit_asked = false;
        entry.flows.end_audit();
        if let Some(at) = entry.audit_at.take() {
            self.audits.remove(&(at, datapath_id));
        }
        self.auditing -= 1;
        self.counters.audits += 1;
        let mut report = audit.report;
        (report.ended, report.cut_short) = (now, cut_short);
        for (total, count) in self.counters.drift.iter_mut().zip(report.counts) {
            *total += count as u64;
        }
        if report.counts.iter().any(|count| *count > 0) {
            self.list(datapath_id, [true; 2]);
        }
        if matches!(self.switches.get(&datapath_id).map(|entry| &entry.session), Some(Session::Live)) {
            self.plan_audit(datapath_id, now);
        }
        self.events.push_back(FlowEvent::Audited { report: Box::new(report) });
        self.call_next(now);
    }

    /// There is room for one of those that wait.
    fn call_next(&mut self, now: Time) {
        while let Some(id) = self.waiting_audits.pop_front() {
            let Some(entry) = self.switches.get_mut(&id) else { continue };
            // It may have gone meanwhile.
            if std::mem::take(&mut entry.audit_waits) {
                return self.put_audit(id, now);
            }
        }
    }

    /// The connection has ended.
    pub(super) fn forget_audit(&mut self, datapath_id: DatapathId, now: Time) {
        let Some(entry) = self.switches.get_mut(&datapath_id) else { return };
        entry.session = Session::Down;
        if let Some(at) = entry.audit_at.take() {
            self.audits.remove(&(at, datapath_id));
        }
        let ended = Some("the switch's connection has ended");
        entry.audit_waits = false;
        if entry.audit.is_some() {
            self.end_audit(datapath_id, ended, now);
        } else if std::mem::take(&mut entry.audit_asked) {
            // Who has asked waits for it.
            let report = AuditReport { cut_short: ended, ..AuditReport::new(datapath_id, now) };
            self.events.push_back(FlowEvent::Audited { report: Box::new(report) });
        }
    }
}
