//! Large phases in bundles (ONF extension 230): a switch that takes them is quicker, and does what is in one together or not at all.
//!
//! Whether a switch takes bundles is found out once per connection, by opening an empty one when the first would be of use. A bundle is
//! filled in windows, like everything else: after each a barrier, so that no more is under way than can be looked over. What a switch refuses when it is added is
//! led back to its rule and not in the bundle; what fails at the commit undoes all of it, and the rest is tried without the one at fault.

use std::collections::VecDeque;

use bytes::BufMut;
use net::DatapathId;
use openflow::{
    BUNDLE_ADD_HEAD, BundleControl, BundleControlType, BundleFlags, ErrorCode, ErrorType, Message,
    write_bundle_add_head,
};

use super::haste::ANEW_MAX;
use super::{Reconciler, SwitchEntry, WINDOW, WINDOW_OCTETS, is_before, take_xid};
use crate::flow::pipeline::Lane;
use crate::flow::switch::{Op, Sent};

/// Rules in a bundle, unless a switch's whole difference goes into one: 100,000 at once stall Open vSwitch's userspace forwarding for 0.1 s,
/// so many lose nothing.
const BUNDLE_RULES: usize = 2_000;
/// Fewer go out by themselves: a bundle is two messages more, and its commit is as dear as some dozen rules.
const BUNDLE_MIN: usize = 64;
/// A switch's whole difference is tried so often in one bundle, each time without what the switch has refused. Then it goes out rule by rule:
/// what is right should not wait for ever for what is wrong.
const ATOMIC_TRIES: u32 = 8;

/// What bundles are used for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum BundleUse {
    /// Large phases, at most 2,000 rules each, on switches that take them.
    #[default]
    Auto,
    /// Nothing.
    Never,
    /// The whole difference of a switch, on switches that take them.
    Atomic,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Support {
    #[default]
    Unknown,
    /// The question has this number; after this barrier's answer none comes.
    Asked {
        xid: u32,
        barrier: u32,
    },
    Yes,
    No,
}

/// One switch's bundles, for one connection.
#[derive(Debug, Default)]
pub(super) struct Bundles {
    pub(super) used_for: BundleUse,
    support: Support,
    last_id: u32,
    open: Option<Bundle>,
    /// Steps that go out by themselves before the next bundle: those of one that failed.
    plain: usize,
    /// Bundles that failed one after the other.
    failures: u32,
}

/// A bundle from its opening to the answer to its last barrier.
#[derive(Debug)]
struct Bundle {
    id: u32,
    atomic: bool,
    /// Steps that are not in it yet.
    ops: VecDeque<Op>,
    size: usize,
    /// Numbers of the requests to open and to commit it.
    opened: Option<u32>,
    committed: Option<u32>,
    /// It goes on when this barrier is answered.
    barrier: u32,
    /// Something was refused that is in the way of the rest, or the whole.
    failed: bool,
    /// A step of it was refused for itself.
    blamed: bool,
}

/// What follows from the answer to a bundle's barrier.
pub(super) enum Progress {
    /// It is not a bundle's.
    Other,
    /// The next window is out; its barrier.
    Next(u32),
    /// All of it has been done.
    Done,
    /// None of it has been done.
    Failed,
}

impl Bundles {
    pub(super) fn new(used_for: BundleUse) -> Bundles {
        Bundles { used_for, ..Bundles::default() }
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Steps in a row may go into a bundle now, so many.
    fn fitting(&self, steps: usize) -> Option<usize> {
        let (most, least) = match self.used_for {
            BundleUse::Never => return None,
            BundleUse::Auto => (BUNDLE_RULES, BUNDLE_MIN),
            BundleUse::Atomic => (usize::MAX, 2),
        };
        let may = self.support == Support::Yes && self.plain == 0 && self.open.is_none() && steps >= least;
        may.then_some(steps.min(most))
    }

    /// Whether it has to be found out now if the switch takes bundles.
    fn is_wanted(&self, steps: usize) -> bool {
        self.support == Support::Unknown
            && match self.used_for {
                BundleUse::Never => false,
                BundleUse::Auto => steps >= BUNDLE_MIN,
                BundleUse::Atomic => true,
            }
    }

    /// The whole difference goes into one.
    pub(super) fn takes_all(&self) -> bool {
        self.used_for == BundleUse::Atomic && self.support == Support::Yes && self.plain == 0
    }

    /// Nothing goes out before it is known whether it can go out as a whole.
    pub(super) fn waits(&self) -> bool {
        self.open.is_some() || self.used_for == BundleUse::Atomic && matches!(self.support, Support::Asked { .. })
    }

    /// So many steps have gone out by themselves.
    pub(super) fn went_plain(&mut self, steps: usize) {
        self.plain = self.plain.saturating_sub(steps);
    }

    /// A barrier was answered. True if a question before it was not.
    pub(super) fn is_unanswered(&mut self, answered: u32) -> bool {
        let unanswered = matches!(self.support, Support::Asked { barrier, .. } if barrier == answered);
        if unanswered {
            self.support = Support::No;
        }
        unanswered
    }
}

/// An error about bundles themselves, not about what is in them.
fn is_about_bundles(error: ErrorCode) -> bool {
    error.error_type == ErrorType::EXPERIMENTER && error.name().is_some_and(|name| name.starts_with("OFPBFC_"))
        || matches!(
            error,
            ErrorCode::REQUEST_BAD_EXPERIMENTER | ErrorCode::REQUEST_BAD_EXP_TYPE | ErrorCode::REQUEST_BAD_TYPE
        )
}

impl SwitchEntry {
    /// An error with a number: true if it is about a bundle and not about a rule in it.
    pub(super) fn bundle_error(&mut self, xid: u32, error: ErrorCode) -> bool {
        let bundles = &mut self.bundles;
        if matches!(bundles.support, Support::Asked { xid: asked, .. } if asked == xid) {
            bundles.support = Support::No;
            return true;
        }
        let Some(bundle) = &mut bundles.open else { return false };
        if bundle.opened == Some(xid) {
            bundle.failed = true;
            bundles.support = Support::No;
            return true;
        }
        if bundle.committed == Some(xid) {
            bundle.failed = true;
            if !bundle.blamed {
                // Nobody is at fault but the bundle.
                bundles.support = Support::No;
            }
            return true;
        }
        let at = self.sent.partition_point(|sent| is_before(sent.xid, xid));
        if !self.sent.get(at).is_some_and(|sent| sent.xid == xid && sent.bundled) {
            return false;
        }
        if is_about_bundles(error) {
            bundle.failed = true;
            bundles.support = Support::No;
            return true;
        }
        bundle.blamed = true;
        bundle.failed |= bundle.atomic;
        false
    }
}

impl Reconciler {
    /// What bundles are used for from here on.
    pub fn set_bundles(&mut self, used_for: BundleUse) {
        self.bundle_use = used_for;
        let all: Vec<DatapathId> = self.switches.keys().copied().collect();
        for id in all {
            if let Some(entry) = self.switches.get_mut(&id) {
                entry.bundles.used_for = used_for;
            }
        }
    }

    /// A switch has said something about a bundle. True if it is an answer to the reconciler.
    pub fn handle_bundle_reply(&mut self, datapath_id: DatapathId, xid: u32, control: &BundleControl) -> bool {
        let Some(entry) = self.switches.get_mut(&datapath_id) else { return false };
        if !matches!(entry.bundles.support, Support::Asked { xid: asked, .. } if asked == xid) {
            return false;
        }
        let taken = control.control_type == BundleControlType::OPEN_REPLY;
        entry.bundles.support = if taken { Support::Yes } else { Support::No };
        self.list(datapath_id, [true; 2]);
        true
    }

    /// Ask a switch whether it takes bundles, if that matters for so many steps: an empty one is opened and discarded.
    pub(super) fn try_bundle(&mut self, datapath_id: DatapathId, steps: usize) {
        let start = self.outbox.len();
        let Some(entry) = self.switches.get_mut(&datapath_id) else { return };
        if !entry.bundles.is_wanted(steps) {
            return;
        }
        entry.bundles.last_id += 1;
        let id = entry.bundles.last_id;
        let [xid, discard, barrier] = [entry.xid(), entry.xid(), entry.xid()];
        entry.bundles.support = Support::Asked { xid, barrier };
        for (xid, control_type) in
            [(xid, BundleControlType::OPEN_REQUEST), (discard, BundleControlType::DISCARD_REQUEST)]
        {
            let control = BundleControl::new(id, control_type, flags(false));
            // A few octets are never too long.
            let _ = Message::BundleControl(control).encode(xid, &mut self.outbox);
        }
        let _ = Message::BarrierRequest.encode(barrier, &mut self.outbox);
        self.counters.barriers += 1;
        self.wrote(datapath_id, start);
    }

    /// Put the steps of a queue into a bundle, if they may go into one. The barrier that the queue waits for.
    pub(super) fn begin_bundle(&mut self, queue: usize) -> Option<u32> {
        let datapath_id = self.unicast.switch_of(queue)?;
        let entry = self.switches.get_mut(&datapath_id)?;
        let take = entry.bundles.fitting(self.unicast.remaining(queue))?;
        let ops: VecDeque<Op> = std::iter::from_fn(|| self.unicast.next_op(queue)).take(take).collect();
        entry.bundles.last_id += 1;
        entry.bundles.open = Some(Bundle {
            id: entry.bundles.last_id,
            atomic: entry.bundles.used_for == BundleUse::Atomic,
            size: ops.len(),
            ops,
            opened: None,
            committed: None,
            barrier: 0,
            failed: false,
            blamed: false,
        });
        self.open_bundles += 1;
        self.fill_bundle(datapath_id)
    }

    /// The next window of a bundle, and a barrier behind it; after the last one the commit.
    fn fill_bundle(&mut self, datapath_id: DatapathId) -> Option<u32> {
        let entry = self.switches.get_mut(&datapath_id)?;
        let start = self.outbox.len();
        let bundle = entry.bundles.open.as_mut()?;
        let flags = flags(bundle.atomic);
        if bundle.opened.is_none() {
            let xid = take_xid(&mut entry.next_xid);
            let open = BundleControl::new(bundle.id, BundleControlType::OPEN_REQUEST, flags);
            // A few octets are never too long.
            let _ = Message::BundleControl(open).encode(xid, &mut self.outbox);
            bundle.opened = Some(xid);
        }
        let (mut sent, mut overtaken) = (0, false);
        while sent < WINDOW
            && self.outbox.len() - start < WINDOW_OCTETS
            && let Some(op) = bundle.ops.pop_front()
        {
            // All of a switch at once has no order that could be wrong; what belongs together goes together.
            if !bundle.atomic && self.planned_anew < ANEW_MAX && entry.flows.is_overtaken(op) {
                overtaken = true;
                continue;
            }
            let (xid, at) = (entry.next_xid, self.outbox.len());
            self.outbox.put_bytes(0, BUNDLE_ADD_HEAD);
            let Some(mut step) = entry.flows.perform(op, xid, &mut self.counters, &mut self.outbox) else {
                self.outbox.truncate(at);
                continue;
            };
            let message = self.outbox.get_mut(at..).unwrap_or_default();
            step.bundled = !op.is_of_meter() && write_bundle_add_head(xid, bundle.id, flags, message).is_ok();
            if !step.bundled {
                // A meter, or as long as a message can be: it goes by itself.
                let rest = self.outbox.split_off(at + BUNDLE_ADD_HEAD);
                self.outbox.truncate(at);
                self.outbox.extend_from_slice(&rest);
            }
            take_xid(&mut entry.next_xid);
            entry.sent.push_back(step);
            sent += 1;
        }
        // Who wants all or nothing has to know first that nothing was refused.
        if bundle.ops.is_empty() && (!bundle.atomic || sent == 0) {
            let xid = take_xid(&mut entry.next_xid);
            let message = BundleControl::new(bundle.id, BundleControlType::COMMIT_REQUEST, flags);
            let _ = Message::BundleControl(message).encode(xid, &mut self.outbox);
            bundle.committed = Some(xid);
        }
        let barrier = take_xid(&mut entry.next_xid);
        bundle.barrier = barrier;
        self.counters.barriers += 1;
        // An empty message is never too long.
        let _ = Message::BarrierRequest.encode(barrier, &mut self.outbox);
        self.wrote(datapath_id, start);
        if overtaken {
            self.plan_anew(Lane::Unicast);
        }
        Some(barrier)
    }

    /// A barrier was answered: what becomes of the bundle that waits for it.
    pub(super) fn go_on_with_bundle(&mut self, datapath_id: DatapathId, barrier: u32) -> Progress {
        let Some(entry) = self.switches.get_mut(&datapath_id) else { return Progress::Other };
        let Some(bundle) = entry.bundles.open.as_ref().filter(|bundle| bundle.barrier == barrier) else {
            return Progress::Other;
        };
        if bundle.failed {
            self.give_bundle_up(datapath_id);
            return Progress::Failed;
        }
        if bundle.committed.is_none() {
            return self.fill_bundle(datapath_id).map_or(Progress::Other, Progress::Next);
        }
        entry.bundles.open = None;
        entry.bundles.failures = 0;
        self.open_bundles -= 1;
        self.counters.bundles[0] += 1;
        Progress::Done
    }

    /// Nothing of an open bundle has been done, or will be: what was in it and what was to follow is compared again.
    fn give_bundle_up(&mut self, datapath_id: DatapathId) {
        let start = self.outbox.len();
        let Some(entry) = self.switches.get_mut(&datapath_id) else { return };
        let Some(bundle) = entry.bundles.open.take() else { return };
        self.open_bundles -= 1;
        self.counters.bundles[1] += 1;
        if bundle.committed.is_none() {
            let xid = entry.xid();
            let discard = BundleControl::new(bundle.id, BundleControlType::DISCARD_REQUEST, flags(bundle.atomic));
            let _ = Message::BundleControl(discard).encode(xid, &mut self.outbox);
        }
        let (undone, sent): (VecDeque<Sent>, VecDeque<Sent>) =
            std::mem::take(&mut entry.sent).into_iter().partition(|sent| sent.bundled);
        entry.sent = sent;
        for sent in &undone {
            let at = entry.flows.undone(sent);
            entry.flows.compare_again(sent.op, at);
        }
        // Of the rest of the switch nothing is other than it was.
        let unsent = bundle.ops.iter().copied().chain(self.unicast.drop_switch(datapath_id));
        unsent.for_each(|op| entry.flows.compare_again(op, None));
        entry.bundles.failures += 1;
        if !bundle.atomic || entry.bundles.failures >= ATOMIC_TRIES {
            // One by one each has its own error.
            entry.bundles.plain = bundle.size;
            entry.bundles.failures = 0;
        }
        self.list(datapath_id, [true; 2]);
        self.wrote(datapath_id, start);
    }

    /// The connection has ended, and its bundles with it.
    pub(super) fn forget_bundles(&mut self, datapath_id: DatapathId) {
        let used_for = self.bundle_use;
        if let Some(entry) = self.switches.get_mut(&datapath_id) {
            self.open_bundles -= usize::from(entry.bundles.is_open());
            entry.bundles = Bundles::new(used_for);
        }
    }

    /// Confirmed by the answer to a bundle's barrier, or given up: the queue that waits for it goes on.
    pub(super) fn after_bundle(&mut self, datapath_id: DatapathId, barrier: u32, progress: &Progress) {
        match *progress {
            Progress::Other => {}
            Progress::Next(next) => {
                if let Some(queue) = self.unicast.confirmed(datapath_id, barrier) {
                    self.unicast.wait(queue, next);
                }
            }
            Progress::Done => {
                if let Some(queue) = self.unicast.confirmed(datapath_id, barrier) {
                    self.send_window(Lane::Unicast, queue);
                }
            }
            Progress::Failed => {
                self.unicast.confirmed(datapath_id, barrier);
            }
        }
    }
}

/// In order always: what a rule points to goes before it.
fn flags(atomic: bool) -> BundleFlags {
    if atomic { BundleFlags::ATOMIC | BundleFlags::ORDERED } else { BundleFlags::ORDERED }
}
