//! How long a phase of a rollout waits for the one before it.

use std::time::Duration;

use net::Time;

use super::super::pipeline::Lane;
use super::super::rollout::Rollout;
use super::Reconciler;

/// A barrier's answer tells of the tables. What forwards may follow them later: Open vSwitch looks through its cached flows behind the
/// answer, in any order, for some milliseconds; in that time a switch upstream could already use what one downstream does not yet do. A
/// change that mends nothing has the time to wait for it between two phases.
const CATCH_UP: Duration = Duration::from_millis(30);

/// Once for each lane is enough. Whatever went wrong, nobody plans without end.
pub(super) const ANEW_MAX: u32 = 8;

/// What depends on the rollout that is under way.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) enum Haste {
    /// Nobody has said.
    #[default]
    Normal,
    /// Nothing: packets find their way as it is.
    Unhurried,
    /// Packets are lost until it is over.
    Urgent,
}

impl Reconciler {
    /// What is stated from now on, until all of it is installed, mends nothing: between two phases switches are given time to follow in
    /// what forwards, and not only in their tables. Not while something is lost.
    pub fn take_time(&mut self) {
        if self.haste != Haste::Urgent {
            self.haste = Haste::Unhurried;
        }
    }

    /// Something is lost until what is stated is installed: no phase waits longer than for its barriers.
    pub fn hurry(&mut self) {
        self.haste = Haste::Urgent;
        self.unicast.follows_at = None;
    }

    /// Whether what forwards has had its time since the last phase, which has `ended` just now. A port that comes to a flood tree before
    /// one that goes has gone is a loop: there it has, unless something is lost.
    pub(super) fn has_followed(&mut self, lane: Lane, ended: bool, now: Time) -> bool {
        let (unhurried, urgent) = (self.haste == Haste::Unhurried, self.haste == Haste::Urgent);
        let rollout = self.rollout(lane);
        let waits = match lane {
            Lane::Unicast => unhurried,
            Lane::Flood => rollout.has_more() && !urgent,
        };
        if ended && waits {
            rollout.follows_at = Some(now + CATCH_UP);
        }
        if rollout.follows_at.is_some_and(|at| now < at) {
            return false;
        }
        rollout.follows_at = None;
        true
    }

    /// A step of this lane was to make something that is to be something else by now. The order of its rollout is right for what it was
    /// planned for, and for nothing else: it ends with what is out, and what was left is planned anew with all that has changed. What is
    /// there then is a state that the rollout would have passed through.
    pub(super) fn plan_anew(&mut self, lane: Lane) {
        for (datapath_id, op) in self.rollout(lane).take_rest() {
            let Some(entry) = self.switches.get_mut(&datapath_id) else { continue };
            entry.flows.compare_again(op, None);
            self.list(datapath_id, [true; 2]);
        }
        self.planned_anew += 1;
        self.counters.rollouts_overtaken += 1;
    }

    /// When the next phase may begin, if there is one.
    pub(super) fn follows_at(&self) -> Option<Time> {
        let next = |lane: Lane, rollout: &Rollout| {
            let more = rollout.has_more() || !self.dirty[lane as usize].is_empty();
            rollout.follows_at.filter(|_| more)
        };
        [next(Lane::Unicast, &self.unicast), next(Lane::Flood, &self.flood)].into_iter().flatten().min()
    }
}
