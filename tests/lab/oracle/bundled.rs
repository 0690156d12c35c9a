//! Messages of a world that come in one of the ONF's bundles.

use openflow::{BundleAdd, BundleControl, BundleControlType, BundleFlags, FlowModCommand, FlowModFlags, Message};

use super::generate::Care;
use super::random::Random;

/// The bundle's number, the same in every world.
const BUNDLE: u32 = 1;

/// In one world of so many a part of the messages is a bundle.
const ONE_IN: usize = 3;

/// Makes a bundle of some messages that follow each other, the first of them not before `first`. With mistakes, of the bundle's own too.
pub fn some(random: &mut Random, setup: &mut Vec<Message>, first: usize, care: Care) {
    if !random.one_in(ONE_IN) || setup.len() < first + 2 {
        return;
    }
    let wrong = care == Care::Wrong;
    let mistake = |random: &mut Random, one_in: usize| wrong && random.one_in(one_in);
    let start = random.between(first, setup.len() - 1);
    let end = random.between(start + 1, setup.len());
    let flags = BundleFlags(random.pick(&[2, 3, 3]));
    let other = |random: &mut Random| if mistake(random, 12) { BundleFlags(1) } else { flags };
    let mut bundle = Vec::new();
    if !mistake(random, 8) {
        bundle.push(control(BundleControlType::OPEN_REQUEST, flags));
    }
    let mut before = Vec::new();
    for message in setup.drain(start..end) {
        // Meters can't be in a bundle. Open vSwitch publishes masks that are new in a table when the bundle is through: an overlap, a modify or
        // delete that is not strict do not find flows under them before, those of the same bundle. Here they do, as in any other order.
        let apart = match &message {
            Message::MeterMod(_) => !mistake(random, 4),
            Message::FlowMod(flow_mod) => {
                flow_mod.flags.contains(FlowModFlags::CHECK_OVERLAP)
                    || matches!(flow_mod.command, FlowModCommand::MODIFY | FlowModCommand::DELETE)
            }
            _ => false,
        };
        if apart {
            before.push(message);
        } else {
            bundle.push(Message::BundleAdd(BundleAdd::new(BUNDLE, other(random), message)));
        }
    }
    if random.one_in(2) {
        bundle.push(control(BundleControlType::CLOSE_REQUEST, other(random)));
    }
    let last = if mistake(random, 8) { BundleControlType::DISCARD_REQUEST } else { BundleControlType::COMMIT_REQUEST };
    bundle.push(control(last, other(random)));
    before.extend(bundle);
    setup.splice(start..start, before);
}

/// Ends the bundle of a world that did not.
pub fn discard() -> Message {
    control(BundleControlType::DISCARD_REQUEST, BundleFlags(3))
}

/// Whether a message means something together with others alone.
pub fn is_of_bundle(message: &Message) -> bool {
    matches!(message, Message::BundleAdd(_) | Message::BundleControl(_))
}

fn control(control_type: BundleControlType, flags: BundleFlags) -> Message {
    Message::BundleControl(BundleControl::new(BUNDLE, control_type, flags))
}
