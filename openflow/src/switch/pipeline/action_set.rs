//! Action sets (OpenFlow 1.3.5 §5.10), of the pipeline and of buckets, in the order in which Open vSwitch does them.

use crate::action::Action;
use crate::nicira::NiciraAction;
use smallvec::SmallVec;

/// An action set as an action list. Nothing if no action in it decides where the packet goes.
pub(super) fn in_order<'a>(set: impl Iterator<Item = &'a Action>) -> SmallVec<[&'a Action; 4]> {
    let mut once: [Option<&Action>; ONCE] = [None; ONCE];
    let mut sets: SmallVec<[&Action; 4]> = SmallVec::new();
    let mut last: Option<(u8, &Action)> = None;
    for action in set {
        match place(action) {
            Some(Place::Once(at)) => {
                if let Some(slot) = once.get_mut(at) {
                    *slot = Some(action);
                }
            }
            Some(Place::Set) => sets.push(action),
            Some(Place::Last(rank)) if last.is_none_or(|(other, _)| rank >= other) => last = Some((rank, action)),
            Some(Place::Last(_)) | None => {}
        }
    }
    let Some((_, last)) = last else { return SmallVec::new() };
    let mut ordered: SmallVec<[&Action; 4]> = once.into_iter().flatten().collect();
    ordered.extend(sets);
    ordered.push(last);
    ordered
}

/// Whether an action may stand in an action set.
pub(crate) fn may_stand_in(action: &Action) -> bool {
    place(action).is_some()
}

/// Where in the order an action has its place.
enum Place {
    /// One of each: the one that was written last.
    Once(usize),
    /// All of them, in the order in which they were written.
    Set,
    /// One of all: that of the highest rank, of several the one that was written last.
    Last(u8),
}

/// Kinds of which one is done.
const ONCE: usize = 9;

fn place(action: &Action) -> Option<Place> {
    Some(match action {
        Action::PopVlan => Place::Once(0),
        Action::PopMpls(_) => Place::Once(1),
        Action::Nicira(NiciraAction::Decap { .. }) => Place::Once(2),
        Action::Nicira(NiciraAction::Encap(_)) => Place::Once(3),
        Action::PushMpls(_) => Place::Once(4),
        Action::PushVlan(_) => Place::Once(5),
        Action::DecNwTtl | Action::Nicira(NiciraAction::DecTtlCntIds(_)) => Place::Once(6),
        Action::DecMplsTtl => Place::Once(7),
        Action::Nicira(NiciraAction::DecNshTtl) => Place::Once(8),
        Action::SetField(_)
        | Action::SetNwTtl(_)
        | Action::SetMplsTtl(_)
        | Action::SetQueue(_)
        | Action::CopyField { .. }
        | Action::Nicira(
            NiciraAction::SetTunnel(_)
            | NiciraAction::SetTunnel64(_)
            | NiciraAction::RegMove { .. }
            | NiciraAction::RegLoad { .. }
            | NiciraAction::RegLoad2(_),
        ) => Place::Set,
        Action::Nicira(NiciraAction::Ct(_)) => Place::Last(0),
        Action::Nicira(NiciraAction::CtClear) => Place::Last(1),
        Action::Nicira(NiciraAction::Resubmit { .. } | NiciraAction::ResubmitTable { .. }) => Place::Last(2),
        Action::Output { .. } => Place::Last(3),
        Action::Group(_) => Place::Last(4),
        _ => return None,
    })
}
