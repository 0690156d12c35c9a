//! Whether the actions of a flow fit what it matches, as far as that can be told without a switch: what this switch says of its own flows,
//! said of any.

use super::check;
use super::field::place;
use super::flow_match::Known;
use super::tables::any_instruction;
use super::tunnel_options::TunnelOptions;
use crate::action::Action;
use crate::error::ErrorCode;
use crate::flow::FlowMod;
use crate::flow_match::Match;
use crate::identifier::TableId;
use crate::instruction::Instruction;
use crate::nicira::NiciraAction;
use crate::oxm::OxmKind;

/// Follows the actions through what the match promises of the packets.
///
/// A flow of packets without an Ethernet header, or one that adds or removes a header, is not followed; fields that this switch doesn't have
/// promise nothing. Faults of an action alone are not told here.
///
/// # Errors
/// `OFPBAC_MATCH_INCONSISTENT`: an action needs a header that the packets needn't have. `OFPBAC_BAD_TAG`: one tag too many is pushed.
pub(crate) fn follow_through(flow_mod: &FlowMod) -> Result<(), ErrorCode> {
    let (applied, others): (Vec<Instruction>, Vec<Instruction>) = flow_mod
        .instructions
        .iter()
        .filter(|instruction| matches!(instruction, Instruction::ApplyActions(_) | Instruction::WriteActions(_)))
        .cloned()
        .partition(|instruction| matches!(instruction, Instruction::ApplyActions(_)));
    // In the order in which they are executed.
    let ordered = [applied, others].concat();
    let packet_type = flow_mod.match_.get(OxmKind::PACKET_TYPE).is_some();
    if packet_type || any_instruction(&ordered, &mut changes_packet_type) {
        return Ok(());
    }
    let placed: Match =
        flow_mod.match_.fields().filter(|field| place(field.kind).is_some()).map(|field| field.to_owned()).collect();
    // Which tunnel options a switch has mapped is not known: flows with them are not followed.
    let options = TunnelOptions::default();
    let Ok(known) = Known::compile(&placed, &options) else { return Ok(()) };
    match check::consistency(&ordered, TableId(0), check::ALL_TABLES, &known, &options) {
        Err(code @ (ErrorCode::ACTION_MATCH_INCONSISTENT | ErrorCode::ACTION_BAD_TAG)) => Err(code),
        _ => Ok(()),
    }
}

fn changes_packet_type(action: &Action) -> bool {
    matches!(action, Action::Nicira(NiciraAction::Encap(_) | NiciraAction::Decap { .. }))
}
