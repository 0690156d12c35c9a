//! Instructions (OpenFlow 1.3.5 §7.2.4).

use bytes::Bytes;

use crate::action::Action;
use crate::identifier::{MeterId, TableId};
use crate::number::numbers;

numbers! {
    /// The type of an instruction (OpenFlow 1.3.5 §7.2.4, `ofp_instruction_type`).
    values InstructionType(u16) {
        GOTO_TABLE = 1, "OFPIT_GOTO_TABLE";
        WRITE_METADATA = 2, "OFPIT_WRITE_METADATA";
        WRITE_ACTIONS = 3, "OFPIT_WRITE_ACTIONS";
        APPLY_ACTIONS = 4, "OFPIT_APPLY_ACTIONS";
        CLEAR_ACTIONS = 5, "OFPIT_CLEAR_ACTIONS";
        METER = 6, "OFPIT_METER";
        EXPERIMENTER = 0xffff, "OFPIT_EXPERIMENTER";
    }
}

/// One instruction (OpenFlow 1.3.5 §7.2.4).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Instruction {
    /// Go on in a later table.
    GotoTable(TableId),
    /// Write metadata for later tables.
    WriteMetadata {
        /// The value.
        metadata: u64,
        /// Which bits of it.
        mask: u64,
    },
    /// Merge actions into the action set.
    WriteActions(Vec<Action>),
    /// Apply actions at once, in this order.
    ApplyActions(Vec<Action>),
    /// Empty the action set.
    ClearActions,
    /// Send the packet through a meter first.
    Meter(MeterId),
    /// An experimenter's instruction, as data.
    Experimenter {
        /// The experimenter id.
        experimenter: u32,
        /// What follows the id.
        body: Bytes,
    },
    /// An instruction of a type that the specification doesn't have, as data.
    Unknown {
        /// The type.
        instruction_type: InstructionType,
        /// What follows the 4-octet header.
        body: Bytes,
    },
}

impl Instruction {
    /// The type number that stands on the wire.
    pub const fn instruction_type(&self) -> InstructionType {
        match self {
            Instruction::GotoTable(_) => InstructionType::GOTO_TABLE,
            Instruction::WriteMetadata { .. } => InstructionType::WRITE_METADATA,
            Instruction::WriteActions(_) => InstructionType::WRITE_ACTIONS,
            Instruction::ApplyActions(_) => InstructionType::APPLY_ACTIONS,
            Instruction::ClearActions => InstructionType::CLEAR_ACTIONS,
            Instruction::Meter(_) => InstructionType::METER,
            Instruction::Experimenter { .. } => InstructionType::EXPERIMENTER,
            Instruction::Unknown { instruction_type, .. } => *instruction_type,
        }
    }
}
