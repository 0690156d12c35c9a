//! What of a switch's difference may go out at the moment.

use super::{Op, Planned};

/// What may be sent to a switch now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::flow) enum Permit {
    /// Everything.
    All,
    /// Only what adds: what is there may be right, and we can't know yet.
    Additions,
    /// Only what takes away: it can break a loop and never makes one.
    Removals,
}

/// Leaves of the steps since `before` what the permit covers; true if something stays dirty.
pub(super) fn permitted(permit: Permit, changes: bool, before: usize, steps: &mut Vec<Planned>) -> bool {
    match permit {
        Permit::Additions if changes => {
            steps.truncate(before);
            true
        }
        // Where a detour leads to is not there yet, or not known.
        Permit::Additions => {
            let is_detour = |step: &Planned| matches!(step.op, Op::PutDetour(_));
            let first = steps.iter().skip(before).position(is_detour);
            steps.truncate(first.map_or(steps.len(), |first| before + first));
            first.is_some()
        }
        Permit::All => false,
        Permit::Removals => {
            let all = steps.len();
            let mut kept = before;
            for at in before..all {
                if steps[at].op.takes_away() {
                    steps.swap(kept, at);
                    kept += 1;
                }
            }
            steps.truncate(kept);
            kept < all
        }
    }
}
