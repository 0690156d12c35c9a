//! Conjunctive matches (ovs-actions(7), conjunction): flows that are one dimension each of a match by sets.

use crate::action::Action;
use crate::instruction::Instruction;
use crate::nicira::NiciraAction;

/// What a flow is a dimension of; nothing for an ordinary flow.
pub(crate) type Conjunctions = Vec<Conjunction>;

/// One dimension of one conjunctive match.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Conjunction {
    id: u32,
    clause: u8,
    clauses: u8,
}

pub(crate) static NONE: &Conjunctions = &Vec::new();

/// What a flow with these instructions is a dimension of.
pub(crate) fn of(instructions: &[Instruction]) -> Conjunctions {
    let mut found = Conjunctions::new();
    for instruction in instructions {
        let Instruction::ApplyActions(actions) = instruction else { continue };
        for action in actions {
            match action {
                Action::Nicira(NiciraAction::Conjunction { clause, clauses, id }) => {
                    found.push(Conjunction { id: *id, clause: *clause, clauses: *clauses });
                }
                Action::Nicira(NiciraAction::Note(_)) => {}
                // Nothing but notes stands beside conjunctions.
                _ => return found,
            }
        }
    }
    found
}

/// Whether it is worth a closer look.
pub(crate) fn may_have(instructions: &[Instruction]) -> bool {
    let first = |instruction: &Instruction| match instruction {
        Instruction::ApplyActions(actions) => matches!(actions.first(), Some(Action::Nicira(_))),
        _ => false,
    };
    instructions.iter().any(first)
}

/// The conjunctive matches of which each dimension is there, in the order in which they become complete.
pub(crate) fn complete(dimensions: &[&Conjunctions]) -> Vec<u32> {
    let mut seen: Vec<(u32, u64)> = Vec::new();
    let mut complete = Vec::new();
    for conjunction in dimensions.iter().flat_map(|dimensions| dimensions.iter()) {
        // Each flow is one dimension: with fewer flows than dimensions there is no match.
        if usize::from(conjunction.clauses) > dimensions.len() {
            continue;
        }
        let place = match seen.iter().position(|(id, _)| *id == conjunction.id) {
            Some(place) => place,
            None => {
                seen.push((conjunction.id, u64::MAX.checked_shl(u32::from(conjunction.clauses)).unwrap_or(0)));
                seen.len() - 1
            }
        };
        if let Some((id, clauses)) = seen.get_mut(place) {
            *clauses |= 1u64.checked_shl(u32::from(conjunction.clause)).unwrap_or(0);
            if *clauses == u64::MAX && !complete.contains(id) {
                complete.push(*id);
            }
        }
    }
    complete
}
