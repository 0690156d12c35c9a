//! Tunnel options: which `tun_metadata` field stands for which option (NXT_TLV_TABLE_MOD), where their octets stand in a [`FlowKey`],
//! and how bits of them are read and written.
//!
//! Options are up to 124 octets long and together as long as 256: each has as many cells of four octets as it needs, wherever there
//! are free ones. Beside its octets an option is there or not (`Slot::OPTIONS_PRESENT`): a match on one asks for it to be there, one
//! that is not there reads as zero, and one that is set is there. This switch has no tunnels, so packets come without.

use super::flow_key::{FlowKey, OPTION_CELLS, Slot};
use crate::action::Action;
use crate::error::ErrorCode;
use crate::instruction::Instruction;
use crate::nicira::{CtZone, LearnDestination, LearnSource, NiciraAction, Subfield};
use crate::oxm::{OxmFieldOwned, OxmKind, TUNNEL_METADATA_MAX};
use crate::tlv_table::{TLV_FIELDS, TLV_OPTION_LEN_MAX, TlvMap, TlvTableMod, TlvTableModCommand, TlvTableReply};
use smallvec::SmallVec;
use std::collections::BTreeMap;

/// Octets of a cell.
const CELL: usize = 4;
/// Bits of a cell.
const CELL_BITS: usize = 8 * CELL;

/// Bits of a field of any width, the lowest word first.
pub(crate) type Bits = SmallVec<[u64; 2]>;

/// What is mapped.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TunnelOptions {
    options: BTreeMap<u8, MappedOption>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct MappedOption {
    class: u16,
    option_type: u8,
    /// From the octets that come first on the wire on.
    cells: Vec<u8>,
}

/// The number of a `tun_metadata` field.
pub(crate) fn index(kind: OxmKind) -> Option<u8> {
    kind.is_variable().then(|| kind.field.saturating_sub(OxmKind::TUN_METADATA0.field))
}

impl TunnelOptions {
    /// Whether nothing is mapped.
    pub fn is_empty(&self) -> bool {
        self.options.is_empty()
    }

    /// All or nothing, as Open vSwitch does it. `is_used` says of an index whether a flow has the field.
    pub(super) fn change(&mut self, table_mod: &TlvTableMod, is_used: impl Fn(u8) -> bool) -> Result<(), ErrorCode> {
        if table_mod.command.name().is_none() {
            return Err(ErrorCode::NX_TLV_TABLE_BAD_COMMAND);
        }
        for map in &table_mod.mappings {
            if !usize::from(map.option_len).is_multiple_of(CELL) || map.option_len > TLV_OPTION_LEN_MAX {
                return Err(ErrorCode::NX_TLV_TABLE_BAD_OPT_LEN);
            }
            if map.index >= TLV_FIELDS {
                return Err(ErrorCode::NX_TLV_TABLE_BAD_FIELD_IDX);
            }
        }
        let mut changed = self.clone();
        match table_mod.command {
            TlvTableModCommand::ADD => table_mod.mappings.iter().try_for_each(|map| changed.add(map))?,
            TlvTableModCommand::DELETE => {
                for map in &table_mod.mappings {
                    changed.options.remove(&(map.index as u8));
                }
            }
            _ => changed.options.clear(),
        }
        if self.options.keys().any(|index| !changed.options.contains_key(index) && is_used(*index)) {
            return Err(ErrorCode::NX_TLV_TABLE_INVALID_DEL);
        }
        *self = changed;
        Ok(())
    }

    fn add(&mut self, map: &TlvMap) -> Result<(), ErrorCode> {
        let index = map.index as u8;
        if self.options.contains_key(&index) {
            return Err(ErrorCode::NX_TLV_TABLE_ALREADY_MAPPED);
        }
        let same = |option: &MappedOption| (option.class, option.option_type) == (map.option_class, map.option_type);
        if self.options.values().any(same) {
            return Err(ErrorCode::NX_TLV_TABLE_DUP_ENTRY);
        }
        let taken = self.options.values().flat_map(|option| &option.cells).fold(0u64, |taken, cell| taken | 1 << cell);
        let wanted = usize::from(map.option_len) / CELL;
        let cells: Vec<u8> = (0..OPTION_CELLS as u8).filter(|cell| taken >> cell & 1 == 0).take(wanted).collect();
        if cells.len() < wanted {
            return Err(ErrorCode::NX_TLV_TABLE_FULL);
        }
        let option = MappedOption { class: map.option_class, option_type: map.option_type, cells };
        self.options.insert(index, option);
        Ok(())
    }

    /// The answer to a question for the table.
    pub(super) fn reply(&self) -> TlvTableReply {
        let mappings = self.options.iter().map(|(index, option)| TlvMap {
            option_class: option.class,
            option_type: option.option_type,
            option_len: (option.cells.len() * CELL) as u8,
            index: u16::from(*index),
        });
        TlvTableReply {
            max_option_space: (OPTION_CELLS * CELL) as u32,
            max_fields: TLV_FIELDS,
            mappings: mappings.collect(),
        }
    }

    fn cells(&self, kind: OxmKind) -> &[u8] {
        index(kind).and_then(|index| self.options.get(&index)).map_or(&[], |option| &option.cells)
    }

    /// Octets of a field, if it is mapped.
    pub(crate) fn octets(&self, kind: OxmKind) -> Option<usize> {
        self.options.get(&index(kind)?).map(|option| option.cells.len() * CELL)
    }

    /// Bits of a field; of one that isn't there, zero.
    pub(crate) fn read(&self, key: &FlowKey, subfield: Subfield) -> Bits {
        let cells = self.cells(subfield.kind);
        let mut bits = Bits::from_elem(0, usize::from(subfield.bits).div_ceil(64));
        for (number, cell) in cells.iter().rev().enumerate() {
            let octets = u64::from(key.option_cell(*cell));
            // Where the cell's lowest bit comes to stand.
            let at = (number * CELL_BITS) as isize - isize::try_from(subfield.offset).unwrap_or(0);
            put(&mut bits, at, octets);
        }
        mask_off(&mut bits, usize::from(subfield.bits));
        bits
    }

    /// Sets bits of a field, which is there then. Bits beyond its end are lost; a field that isn't mapped stays as it is.
    pub(crate) fn write(&self, key: &mut FlowKey, subfield: Subfield, bits: &Bits) {
        let mut ones = Bits::from_elem(u64::MAX, usize::from(subfield.bits).div_ceil(64));
        mask_off(&mut ones, usize::from(subfield.bits));
        self.write_masked(key, subfield.kind, usize::from(subfield.offset), bits, &ones);
    }

    fn write_masked(&self, key: &mut FlowKey, kind: OxmKind, offset: usize, bits: &Bits, mask: &Bits) {
        let Some(option) = index(kind).and_then(|index| self.options.get(&index)) else { return };
        for (number, cell) in option.cells.iter().rev().enumerate() {
            let at = (number * CELL_BITS) as isize - offset as isize;
            let (value, mask) = (get(bits, at), get(mask, at));
            let octets = (key.option_cell(*cell) & !mask) | (value & mask);
            key.set_option_cell(*cell, octets);
        }
        self.set_present(key, kind);
    }

    /// Sets the bits of a field that the mask has: octets as they stand in a set-field.
    pub(crate) fn write_octets(&self, key: &mut FlowKey, kind: OxmKind, value: &[u8], mask: Option<&[u8]>) {
        let ones = Bits::from_elem(u64::MAX, TUNNEL_METADATA_MAX.div_ceil(8));
        let mask = mask.map_or(ones, from_octets);
        self.write_masked(key, kind, 0, &from_octets(value), &mask);
    }

    /// The octets of a field.
    pub(crate) fn read_octets(&self, key: &FlowKey, kind: OxmKind) -> Vec<u8> {
        self.cells(kind).iter().flat_map(|cell| key.option_cell(*cell).to_be_bytes()).collect()
    }

    fn set_present(&self, key: &mut FlowKey, kind: OxmKind) {
        if let Some(index) = index(kind) {
            key.set(Slot::OPTIONS_PRESENT, key.get(Slot::OPTIONS_PRESENT) | 1 << index);
        }
    }

    /// The option is not there any more, and its octets stay, as in Open vSwitch.
    pub(crate) fn delete(key: &mut FlowKey, kind: OxmKind) {
        if let Some(index) = index(kind) {
            key.set(Slot::OPTIONS_PRESENT, key.get(Slot::OPTIONS_PRESENT) & !(1 << index));
        }
    }

    /// The fields that are mapped and there.
    pub(crate) fn present(&self, key: &FlowKey) -> impl Iterator<Item = OxmKind> + '_ {
        let present = key.get(Slot::OPTIONS_PRESENT) as u64;
        let there = self.options.keys().filter(move |index| present >> **index & 1 != 0);
        there.filter_map(|index| OxmKind::tunnel_metadata(*index))
    }

    /// The value as Open vSwitch takes it: of one that is too long the octets that come first.
    pub(crate) fn fit<'a>(&self, kind: OxmKind, octets: &'a [u8]) -> &'a [u8] {
        octets.get(..self.octets(kind).unwrap_or(TUNNEL_METADATA_MAX)).unwrap_or(octets)
    }

    /// Instructions in the form in which Open vSwitch keeps them.
    pub(crate) fn kept(&self, instructions: Vec<Instruction>) -> Vec<Instruction> {
        let kept = |instruction: Instruction| match instruction {
            Instruction::ApplyActions(list) => Instruction::ApplyActions(self.kept_actions(list)),
            Instruction::WriteActions(list) => Instruction::WriteActions(self.kept_actions(list)),
            other => other,
        };
        if self.is_empty() { instructions } else { instructions.into_iter().map(kept).collect() }
    }

    pub(crate) fn kept_actions(&self, actions: Vec<Action>) -> Vec<Action> {
        let kept = |action: Action| match action {
            Action::SetField(field) => Action::SetField(self.kept_field(field)),
            Action::Nicira(NiciraAction::RegLoad2(field)) => {
                Action::Nicira(NiciraAction::RegLoad2(self.kept_field(field)))
            }
            Action::Nicira(NiciraAction::RegLoad { destination, value }) if destination.kind.is_variable() => {
                self.kept_load(destination, value)
            }
            Action::Nicira(NiciraAction::Clone(list)) => Action::Nicira(NiciraAction::Clone(self.kept_actions(list))),
            other => other,
        };
        actions.into_iter().map(kept).collect()
    }

    /// What loads a number into some bits.
    fn kept_load(&self, destination: Subfield, value: u64) -> Action {
        let (mut bits, mut mask) = (FlowKey::ZERO, FlowKey::ZERO);
        self.write(&mut bits, destination, &from_number(u128::from(value)));
        self.write(&mut mask, destination, &from_number(u128::MAX));
        let [octets, mask] = [bits, mask].map(|key| self.read_octets(&key, destination.kind));
        let load = NiciraAction::RegLoad { destination, value };
        let field = OxmFieldOwned::new(destination.kind, &octets, Some(&mask));
        Action::Nicira(field.map_or(load, |field| NiciraAction::RegLoad2(self.kept_field(field))))
    }

    /// Without octets that the option hasn't, and without leading zeros.
    fn kept_field(&self, owned: OxmFieldOwned) -> OxmFieldOwned {
        let field = owned.as_field();
        if !field.kind.is_variable() {
            return owned;
        }
        let value = self.fit(field.kind, field.value);
        let mask = field.mask.map(|mask| self.fit(field.kind, mask));
        let whole =
            self.octets(field.kind) == Some(value.len()) && mask.is_some_and(|mask| mask.iter().all(|m| *m == 0xff));
        let mask = mask.filter(|_| !whole);
        let zeros = |octets: &[u8]| octets.iter().take_while(|octet| **octet == 0).count();
        let leading = zeros(value).min(mask.map_or(usize::MAX, zeros));
        let cut = |octets: &[u8]| octets.get(leading..).unwrap_or_default().to_vec();
        let (value, mask) = (cut(value), mask.map(cut));
        OxmFieldOwned::new(field.kind, &value, mask.as_deref()).unwrap_or(owned)
    }
}

/// Whether an action names a field, but for the actions that it has inside.
pub(super) fn names(action: &Action, kind: OxmKind) -> bool {
    let is = |subfield: &Subfield| subfield.kind == kind;
    match action {
        Action::SetField(field) | Action::Nicira(NiciraAction::RegLoad2(field)) => field.kind() == kind,
        Action::CopyField { source, destination } => is(source) || is(destination),
        Action::Nicira(action) => match action {
            NiciraAction::RegMove { source, destination } => is(source) || is(destination),
            NiciraAction::RegLoad { destination, .. } | NiciraAction::CheckPktLarger { destination, .. } => {
                is(destination)
            }
            NiciraAction::StackPush(subfield) | NiciraAction::StackPop(subfield) => is(subfield),
            NiciraAction::OutputReg { source, .. } | NiciraAction::OutputReg2 { source, .. } => is(source),
            NiciraAction::Multipath(multipath) => is(&multipath.destination),
            NiciraAction::Bundle(bundle) => bundle.destination.as_ref().is_some_and(is),
            NiciraAction::Ct(ct) => matches!(&ct.zone, CtZone::Field(zone) if is(zone)),
            NiciraAction::DeleteField(deleted) => *deleted == kind,
            NiciraAction::Learn(learn) => learn.specs.iter().any(|spec| {
                matches!(&spec.source, LearnSource::Field(source) if is(source))
                    || matches!(&spec.destination, LearnDestination::Match(to) | LearnDestination::Load(to) if is(to))
            }),
            _ => false,
        },
        _ => false,
    }
}

/// Octets in network order as bits.
pub(crate) fn from_octets(octets: &[u8]) -> Bits {
    octets.rchunks(8).map(|chunk| chunk.iter().fold(0, |word, octet| word << 8 | u64::from(*octet))).collect()
}

/// A number as bits.
pub(crate) fn from_number(number: u128) -> Bits {
    Bits::from_buf([number as u64, (number >> 64) as u64])
}

/// The lowest bits as a number.
pub(crate) fn to_number(bits: &Bits) -> u128 {
    let word = |index: usize| u128::from(bits.get(index).copied().unwrap_or(0));
    word(0) | word(1) << 64
}

/// Puts the bits of a cell where its lowest one stands `at` bits up, or down.
fn put(bits: &mut Bits, at: isize, octets: u64) {
    let word = at.div_euclid(64);
    let shift = at.rem_euclid(64) as u32;
    let mut or = |word: isize, value: u64| {
        if let Some(place) = usize::try_from(word).ok().and_then(|word| bits.get_mut(word)) {
            *place |= value;
        }
    };
    or(word, octets << shift);
    if shift > 32 {
        or(word + 1, octets >> (64 - shift));
    }
}

/// The 32 bits from `at` on; those before the beginning and behind the end are zero.
fn get(bits: &Bits, at: isize) -> u32 {
    let word = at.div_euclid(64);
    let shift = at.rem_euclid(64) as u32;
    let at = |word: isize| usize::try_from(word).ok().and_then(|word| bits.get(word)).copied().unwrap_or(0);
    let both = u128::from(at(word)) | u128::from(at(word + 1)) << 64;
    (both >> shift) as u32
}

/// Only the lowest `width` bits stay.
fn mask_off(bits: &mut Bits, width: usize) {
    if let (Some(last), rest @ 1..) = (bits.get_mut(width / 64), width % 64) {
        *last &= (1 << rest) - 1;
    }
}
