//! Whether this switch can do what a flow, a bucket or a packet-out asks for. The first fault decides the error, in Open vSwitch's order:
//! each action as it stands, then its consistency with the match.

use super::extract::VLAN_PRESENT;
use super::flow_key::{FlowKey, Slot};
use super::flow_match::{FlowMatch, number, slot};
use super::groups::Groups;
use super::meters::Meters;
use crate::action::Action;
use crate::error::ErrorCode;
use crate::identifier::{GroupId, TableId};
use crate::instruction::Instruction;
use crate::oxm::OxmKind;
use net::PortNo;

/// Port numbers from here to the reserved ones can't exist: Open vSwitch keeps 16 bits of a port number.
pub const MAX_PORTS: u32 = 0xff00;

/// Actions of one flow, or of all buckets of one group; more get OFPBAC_TOO_MANY. So that any flow and any group, with its counters, fits
/// into one part of a multipart reply.
pub const MAX_ACTIONS: usize = 1_024;

/// The instructions in the order in which they are executed (OpenFlow 1.3.5 §5.9), if each one and each action makes sense alone.
pub(crate) fn instructions(instructions: &[Instruction]) -> Result<Vec<Instruction>, ErrorCode> {
    let mut ordered = instructions.to_vec();
    ordered.sort_by_key(order);
    for instruction in instructions {
        match instruction {
            Instruction::Experimenter { .. } => return Err(ErrorCode::INSTRUCTION_BAD_EXPERIMENTER),
            Instruction::Unknown { .. } => return Err(ErrorCode::INSTRUCTION_UNKNOWN_INST),
            _ => {}
        }
    }
    let twice = |pair: &[Instruction]| matches!(pair, [one, two] if order(one) == order(two));
    if ordered.windows(2).any(twice) {
        return Err(ErrorCode::INSTRUCTION_UNSUP_INST);
    }
    let mut count = 0;
    for instruction in &ordered {
        if let Instruction::ApplyActions(list) | Instruction::WriteActions(list) = instruction {
            list.iter().try_for_each(one)?;
            count += list.len();
        }
    }
    if count > MAX_ACTIONS {
        return Err(ErrorCode::ACTION_TOO_MANY);
    }
    // Open vSwitch keeps no instruction that does nothing, and doesn't show one when it is asked.
    ordered.retain(|instruction| match instruction {
        Instruction::ApplyActions(list) | Instruction::WriteActions(list) => !list.is_empty(),
        _ => true,
    });
    Ok(ordered)
}

/// Whether ordered instructions fit together, the match and the table.
pub(crate) fn consistency(
    ordered: &[Instruction],
    table_id: TableId,
    n_tables: u8,
    flow_match: &FlowMatch,
) -> Result<(), ErrorCode> {
    let mut known = Known::of(flow_match);
    let mut consistent = true;
    for instruction in ordered {
        match instruction {
            Instruction::ApplyActions(list) => consistent &= known.follow(list)?,
            // The set is executed at the end of the pipeline, on the packet as it is then.
            Instruction::WriteActions(list) => drop(known.clone().follow(list)?),
            Instruction::GotoTable(next) if next.0 <= table_id.0 || next.0 >= n_tables => {
                return Err(ErrorCode::INSTRUCTION_BAD_TABLE_ID);
            }
            _ => {}
        }
    }
    if consistent { Ok(()) } else { Err(ErrorCode::ACTION_MATCH_INCONSISTENT) }
}

/// Whether each meter and each group that the instructions name exists.
pub(crate) fn references(instructions: &[Instruction], groups: &Groups, meters: &Meters) -> Result<(), ErrorCode> {
    for instruction in instructions {
        match instruction {
            Instruction::Meter(meter_id) if meters.get(*meter_id).is_none() => {
                return Err(ErrorCode::METER_MOD_INVALID_METER);
            }
            Instruction::ApplyActions(list) | Instruction::WriteActions(list) => group_references(list, groups)?,
            _ => {}
        }
    }
    Ok(())
}

/// OpenFlow 1.3.5 §5.9: meter, apply, clear, write, metadata, goto.
fn order(instruction: &Instruction) -> u8 {
    match instruction {
        Instruction::Meter(_) => 0,
        Instruction::ApplyActions(_) => 1,
        Instruction::ClearActions => 2,
        Instruction::WriteActions(_) => 3,
        Instruction::WriteMetadata { .. } => 4,
        Instruction::GotoTable(_) => 5,
        Instruction::Experimenter { .. } => 6,
        Instruction::Unknown { .. } => 7,
    }
}

/// Whether each group that the actions name exists.
pub(crate) fn group_references(actions: &[Action], groups: &Groups) -> Result<(), ErrorCode> {
    let missing = |action: &Action| matches!(action, Action::Group(group_id) if groups.get(*group_id).is_none());
    if actions.iter().any(missing) { Err(ErrorCode::ACTION_BAD_OUT_GROUP) } else { Ok(()) }
}

/// Checks the actions of a packet-out against the packet.
pub(crate) fn actions(actions: &[Action], key: &FlowKey) -> Result<(), ErrorCode> {
    actions.iter().try_for_each(one)?;
    let mut known = Known::of(&FlowMatch::of_packet(key));
    if known.follow(actions)? { Ok(()) } else { Err(ErrorCode::ACTION_MATCH_INCONSISTENT) }
}

/// What can be said of an action alone.
pub(crate) fn one(action: &Action) -> Result<(), ErrorCode> {
    match action {
        Action::Output { port, .. } => out_port(*port),
        Action::Group(group_id) if group_id.0 > GroupId::MAX.0 => Err(ErrorCode::ACTION_BAD_OUT_GROUP),
        Action::PushVlan(0x8100 | 0x88a8) => Ok(()),
        Action::PushVlan(_) => Err(ErrorCode::ACTION_BAD_ARGUMENT),
        Action::SetField(field) => {
            let field = field.as_field();
            let place = slot(field.kind).ok_or(ErrorCode::ACTION_BAD_SET_TYPE)?;
            let bits = field.kind.bits().unwrap_or(place.bits as u16);
            let value = number(field.value);
            if !settable(field.kind) {
                return Err(ErrorCode::ACTION_BAD_SET_ARGUMENT);
            }
            if field.mask.is_some() || (bits < 128 && value >> bits != 0) {
                return Err(ErrorCode::ACTION_BAD_SET_ARGUMENT);
            }
            // A tag can't be made untagged by a set-field: that is pop-vlan's.
            if field.kind == OxmKind::VLAN_VID && value & u128::from(VLAN_PRESENT) == 0 {
                return Err(ErrorCode::ACTION_BAD_SET_ARGUMENT);
            }
            if field.kind == OxmKind::ARP_OP && value > 0xff {
                return Err(ErrorCode::ACTION_BAD_SET_ARGUMENT);
            }
            Ok(())
        }
        Action::Group(_) | Action::PopVlan | Action::SetQueue(_) | Action::SetNwTtl(_) | Action::DecNwTtl => Ok(()),
        Action::Nicira(_) | Action::CopyField { .. } | Action::Experimenter { .. } => {
            Err(ErrorCode::ACTION_BAD_EXPERIMENTER)
        }
        Action::CopyTtlOut
        | Action::CopyTtlIn
        | Action::SetMplsTtl(_)
        | Action::DecMplsTtl
        | Action::PushMpls(_)
        | Action::PopMpls(_)
        | Action::PushPbb(_)
        | Action::PopPbb
        | Action::Unknown { .. } => Err(ErrorCode::ACTION_BAD_TYPE),
    }
}

/// Any number that a port could have is accepted, there or not, and the reserved ones but NORMAL: this switch has no other pipeline.
fn out_port(port: PortNo) -> Result<(), ErrorCode> {
    match port {
        PortNo::IN_PORT | PortNo::TABLE | PortNo::FLOOD | PortNo::ALL | PortNo::CONTROLLER | PortNo::LOCAL => Ok(()),
        PortNo(number) if number < MAX_PORTS => Ok(()),
        _ => Err(ErrorCode::ACTION_BAD_OUT_PORT),
    }
}

pub(crate) fn settable(kind: OxmKind) -> bool {
    !matches!(
        kind,
        OxmKind::IN_PORT
            | OxmKind::ETH_TYPE
            | OxmKind::IP_PROTO
            | OxmKind::MPLS_LABEL
            | OxmKind::MPLS_TC
            | OxmKind::MPLS_BOS
    )
}

/// Tags that Open vSwitch follows; pushing one more is refused.
const MAX_TAGS: u8 = 2;

/// What is known of the packets of a flow, first by its match, then by what the actions have done so far.
#[derive(Clone)]
struct Known {
    flow_match: FlowMatch,
    tags: u8,
}

impl Known {
    fn of(flow_match: &FlowMatch) -> Known {
        let tagged = flow_match.value.get(Slot::VLAN_VID) & u128::from(VLAN_PRESENT) != 0;
        Known { flow_match: *flow_match, tags: u8::from(tagged) }
    }

    /// Follows the actions one by one. False if one of them changes a header that the packets needn't have: Open vSwitch says so
    /// after every other fault, and not at all of an action set.
    fn follow(&mut self, actions: &[Action]) -> Result<bool, ErrorCode> {
        let mut consistent = true;
        for action in actions {
            consistent &= self.step(action)?;
        }
        Ok(consistent)
    }

    fn step(&mut self, action: &Action) -> Result<bool, ErrorCode> {
        let fits = match action {
            Action::SetField(field) => {
                let kind = field.kind();
                // OpenFlow 1.3.5 §7.5.4.3.
                if !self.flow_match.prerequisites_hold(kind) || (kind == OxmKind::VLAN_VID && self.tags == 0) {
                    return Err(ErrorCode::ACTION_MATCH_INCONSISTENT);
                }
                if let Some(place) = slot(kind) {
                    self.flow_match.value.set(place, number(field.as_field().value));
                    self.flow_match.mask.set(place, place.full());
                }
                true
            }
            Action::SetNwTtl(_) | Action::DecNwTtl => {
                matches!(self.flow_match.exact(Slot::ETH_TYPE), Some(0x0800 | 0x86dd))
            }
            Action::PushVlan(_) => {
                if self.tags == MAX_TAGS {
                    return Err(ErrorCode::ACTION_BAD_TAG);
                }
                self.set_tags(self.tags + 1);
                true
            }
            Action::PopVlan => {
                let fits = self.tags > 0;
                self.set_tags(self.tags.saturating_sub(1));
                fits
            }
            _ => true,
        };
        Ok(fits)
    }

    fn set_tags(&mut self, tags: u8) {
        self.tags = tags;
        let tci = if tags > 0 { VLAN_PRESENT } else { 0 };
        self.flow_match.value.set(Slot::VLAN_TCI, u128::from(tci));
        self.flow_match.mask.set(Slot::VLAN_TCI, Slot::VLAN_TCI.full());
    }
}
