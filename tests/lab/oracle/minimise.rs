//! Makes a failing case as small as it gets while it still fails in the same way.

use openflow::{Action, Instruction, Match, Message};

use super::generate::World;

/// Calls of the test at most: a case that is not small by then is shown as it is.
const TRIES: usize = 1_000;

/// The smallest world found for which `fails` still says so.
pub fn minimise(world: World, mut fails: impl FnMut(&World) -> bool) -> World {
    let mut best = world;
    let mut tries = 0;
    let mut attempt = |candidate: World, best: &mut World| {
        tries += 1;
        let smaller = tries <= TRIES && fails(&candidate);
        if smaller {
            *best = candidate;
        }
        smaller
    };
    // Messages in ever smaller pieces, events one by one, then the parts of each message.
    let mut piece = best.setup.len().div_ceil(2);
    while piece > 0 {
        let mut at = 0;
        while at < best.setup.len() {
            let mut candidate = best.clone();
            let end = (at + piece).min(candidate.setup.len());
            candidate.setup.drain(at..end);
            if !attempt(candidate, &mut best) {
                at += piece;
            }
        }
        piece = if piece == 1 { 0 } else { piece.div_ceil(2) };
    }
    for index in (0..best.events.len()).rev() {
        if best.events.len() > 1 {
            let mut candidate = best.clone();
            candidate.events.remove(index);
            attempt(candidate, &mut best);
        }
    }
    for index in 0..best.setup.len() {
        let mut changed = true;
        while changed {
            changed = false;
            for message in smaller(&best.setup[index]) {
                let mut candidate = best.clone();
                candidate.setup[index] = message;
                if attempt(candidate, &mut best) {
                    changed = true;
                    break;
                }
            }
        }
    }
    best
}

/// The message without one of its parts, for each part.
fn smaller(message: &Message) -> Vec<Message> {
    let mut all = Vec::new();
    match message {
        Message::FlowMod(flow_mod) => {
            let fields: Vec<_> = flow_mod.match_.fields().map(|field| field.to_owned()).collect();
            for skip in 0..fields.len() {
                let kept = fields.iter().enumerate().filter(|(index, _)| *index != skip);
                let match_: Match = kept.map(|(_, field)| field.clone()).collect();
                all.push(Message::FlowMod(openflow::FlowMod { match_, ..flow_mod.clone() }));
            }
            for skip in 0..flow_mod.instructions.len() {
                let mut copy = flow_mod.clone();
                copy.instructions.remove(skip);
                all.push(Message::FlowMod(copy));
            }
            for (at, instruction) in flow_mod.instructions.iter().enumerate() {
                let (Instruction::ApplyActions(actions) | Instruction::WriteActions(actions)) = instruction else {
                    continue;
                };
                for actions in without_one(actions) {
                    let mut copy = flow_mod.clone();
                    copy.instructions[at] = match instruction {
                        Instruction::ApplyActions(_) => Instruction::ApplyActions(actions),
                        _ => Instruction::WriteActions(actions),
                    };
                    all.push(Message::FlowMod(copy));
                }
            }
        }
        Message::GroupMod(group_mod) => {
            for skip in 0..group_mod.buckets.len() {
                let mut copy = group_mod.clone();
                copy.buckets.remove(skip);
                all.push(Message::GroupMod(copy));
            }
            for (at, bucket) in group_mod.buckets.iter().enumerate() {
                for actions in without_one(&bucket.actions) {
                    let mut copy = group_mod.clone();
                    copy.buckets[at].actions = actions;
                    all.push(Message::GroupMod(copy));
                }
            }
        }
        Message::MeterMod(meter_mod) => {
            for skip in 0..meter_mod.bands.len() {
                let mut copy = meter_mod.clone();
                copy.bands.remove(skip);
                all.push(Message::MeterMod(copy));
            }
        }
        _ => {}
    }
    all
}

fn without_one(actions: &[Action]) -> Vec<Vec<Action>> {
    (0..actions.len())
        .map(|skip| {
            let kept = actions.iter().enumerate().filter(|(index, _)| *index != skip);
            kept.map(|(_, action)| action.clone()).collect()
        })
        .collect()
}
