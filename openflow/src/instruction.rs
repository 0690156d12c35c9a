//! Instructions (OpenFlow 1.3.5 §7.2.4).

use bytes::{BufMut, Bytes, BytesMut};
use net::{DecodeError, DecodeErrorKind};

use crate::action::Action;
use crate::identifier::{MeterId, TableId};
use crate::number::numbers;
use crate::wire::{self, Reader};

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

impl Instruction {
    /// All instructions in a list that fills its parent.
    pub(crate) fn parse_list(mut reader: Reader<'_>) -> Result<Vec<Instruction>, DecodeError> {
        let mut instructions = Vec::new();
        while !reader.is_empty() {
            instructions.push(Instruction::parse(&mut reader)?);
        }
        Ok(instructions)
    }

    pub(crate) fn encode_list(instructions: &[Instruction], out: &mut BytesMut) {
        for instruction in instructions {
            instruction.encode(out);
        }
    }

    fn parse(reader: &mut Reader<'_>) -> Result<Instruction, DecodeError> {
        let instruction_type = InstructionType(reader.u16("instruction.type")?);
        let at = reader.offset();
        let length = reader.u16("instruction.len")?;
        let bad_length =
            DecodeError::new(at, "instruction.len", DecodeErrorKind::BadLength { length: usize::from(length) });
        // All instructions are 64-bit aligned. At least 8 is what makes progress certain.
        if length < 8 || length % 8 != 0 {
            return Err(bad_length);
        }
        let mut body = reader.body(length, 4, "instruction.len")?;
        let fixed = match instruction_type {
            InstructionType::GOTO_TABLE | InstructionType::CLEAR_ACTIONS | InstructionType::METER => Some(8),
            InstructionType::WRITE_METADATA => Some(24),
            _ => None,
        };
        if fixed.is_some_and(|fixed| fixed != length) {
            return Err(bad_length);
        }
        Ok(match instruction_type {
            InstructionType::GOTO_TABLE => Instruction::GotoTable(TableId(body.u8("instruction.goto_table.table_id")?)),
            InstructionType::WRITE_METADATA => {
                body.skip(4, "instruction.write_metadata.pad")?;
                Instruction::WriteMetadata {
                    metadata: body.u64("instruction.write_metadata.metadata")?,
                    mask: body.u64("instruction.write_metadata.metadata_mask")?,
                }
            }
            InstructionType::WRITE_ACTIONS => {
                body.skip(4, "instruction.write_actions.pad")?;
                Instruction::WriteActions(Action::parse_list(body)?)
            }
            InstructionType::APPLY_ACTIONS => {
                body.skip(4, "instruction.apply_actions.pad")?;
                Instruction::ApplyActions(Action::parse_list(body)?)
            }
            InstructionType::CLEAR_ACTIONS => Instruction::ClearActions,
            InstructionType::METER => Instruction::Meter(MeterId(body.u32("instruction.meter.meter_id")?)),
            InstructionType::EXPERIMENTER => Instruction::Experimenter {
                experimenter: body.u32("instruction.experimenter")?,
                body: body.into_bytes(),
            },
            _ => Instruction::Unknown { instruction_type, body: body.into_bytes() },
        })
    }

    /// Padding is written as zero. A body that leaves the length at no multiple of 8 is padded.
    fn encode(&self, out: &mut BytesMut) {
        let start = out.len();
        out.put_u16(self.instruction_type().0);
        out.put_u16(0);
        match self {
            Instruction::GotoTable(table_id) => out.put_u8(table_id.0),
            Instruction::WriteMetadata { metadata, mask } => {
                wire::put_zeros(out, 4);
                out.put_u64(*metadata);
                out.put_u64(*mask);
            }
            Instruction::WriteActions(actions) | Instruction::ApplyActions(actions) => {
                wire::put_zeros(out, 4);
                Action::encode_list(actions, out);
            }
            Instruction::ClearActions => wire::put_zeros(out, 4),
            Instruction::Meter(meter_id) => out.put_u32(meter_id.0),
            Instruction::Experimenter { experimenter, body } => {
                out.put_u32(*experimenter);
                out.put_slice(body);
            }
            Instruction::Unknown { body, .. } => out.put_slice(body),
        }
        wire::pad_from(out, start);
        wire::patch_length(out, start, 2);
    }
}
