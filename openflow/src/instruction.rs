//! Instructions (OpenFlow 1.3.5 §7.2.4).

use bytes::{BufMut, Bytes, BytesMut};
use net::{DecodeError, DecodeErrorKind};

use crate::action::Action;
use crate::identifier::{MeterId, TableId};
use crate::number::numbers;
use crate::wire::{self, Block, Reader};

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
        let mut instructions = Vec::with_capacity(wire::count_elements(reader.as_slice(), 2, MIN_LEN));
        while !reader.is_empty() {
            Instruction::parse(&mut reader, &mut instructions)?;
        }
        Ok(instructions)
    }

    pub(crate) fn encode_list(instructions: &[Instruction], out: &mut BytesMut) {
        for instruction in instructions {
            instruction.encode(out);
        }
    }

    /// Appends the next instruction: each is made where it stays.
    #[inline]
    fn parse(reader: &mut Reader<'_>, to: &mut Vec<Instruction>) -> Result<(), DecodeError> {
        let instruction_type = InstructionType(reader.u16("instruction.type")?);
        let length = reader.u16("instruction.len")?;
        let at = reader.offset() - 2;
        let fixed = match instruction_type {
            InstructionType::GOTO_TABLE | InstructionType::CLEAR_ACTIONS | InstructionType::METER => 8,
            InstructionType::WRITE_METADATA => 24,
            _ => length,
        };
        // All instructions are 64-bit aligned. At least 8 is what makes progress certain.
        if usize::from(length) < MIN_LEN || length % 8 != 0 || length != fixed {
            let kind = DecodeErrorKind::BadLength { length: usize::from(length) };
            return Err(DecodeError::new(at, "instruction.len", kind));
        }
        let mut body = reader.body(length, HEADER_LEN, "instruction.len")?;
        match instruction_type {
            InstructionType::GOTO_TABLE => {
                to.push(Instruction::GotoTable(TableId(body.u8("instruction.goto_table.table_id")?)));
            }
            InstructionType::WRITE_METADATA => {
                body.skip(4, "instruction.write_metadata.pad")?;
                let metadata = body.u64("instruction.write_metadata.metadata")?;
                let mask = body.u64("instruction.write_metadata.metadata_mask")?;
                to.push(Instruction::WriteMetadata { metadata, mask });
            }
            InstructionType::WRITE_ACTIONS => {
                body.skip(4, "instruction.write_actions.pad")?;
                to.push(Instruction::WriteActions(Action::parse_list(body)?));
            }
            InstructionType::APPLY_ACTIONS => {
                body.skip(4, "instruction.apply_actions.pad")?;
                to.push(Instruction::ApplyActions(Action::parse_list(body)?));
            }
            InstructionType::CLEAR_ACTIONS => to.push(Instruction::ClearActions),
            InstructionType::METER => to.push(Instruction::Meter(MeterId(body.u32("instruction.meter.meter_id")?))),
            InstructionType::EXPERIMENTER => {
                let experimenter = body.u32("instruction.experimenter")?;
                to.push(Instruction::Experimenter { experimenter, body: body.into_bytes() });
            }
            _ => to.push(Instruction::Unknown { instruction_type, body: body.into_bytes() }),
        }
        Ok(())
    }

    /// Padding is written as zero. A body that leaves the length at no multiple of 8 is padded.
    fn encode(&self, out: &mut BytesMut) {
        let start = out.len();
        let header = Block::<8>::new().u16(self.instruction_type().0);
        match self {
            Instruction::GotoTable(table_id) => return header.u16(8).u8(table_id.0).zeros(3).put(out),
            Instruction::ClearActions => return header.u16(8).zeros(4).put(out),
            Instruction::Meter(meter_id) => return header.u16(8).u32(meter_id.0).put(out),
            Instruction::WriteMetadata { metadata, mask } => {
                header.u16(24).zeros(4).put(out);
                return Block::<16>::new().u64(*metadata).u64(*mask).put(out);
            }
            Instruction::WriteActions(actions) | Instruction::ApplyActions(actions) => {
                header.zeros(6).put(out);
                Action::encode_list(actions, out);
            }
            Instruction::Experimenter { experimenter, body } => {
                header.zeros(2).u32(*experimenter).put(out);
                out.put_slice(body);
            }
            Instruction::Unknown { instruction_type, body } => {
                Block::<4>::new().u16(instruction_type.0).zeros(2).put(out);
                out.put_slice(body);
            }
        }
        wire::pad_from(out, start);
        wire::patch_length(out, start, 2);
    }
}

/// Octets of the type and length that every instruction starts with.
const HEADER_LEN: usize = 4;
/// Octets of the shortest instruction.
const MIN_LEN: usize = 8;
