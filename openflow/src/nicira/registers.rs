//! Actions on the bits of fields: `move`, `load`, `set_field`, `push`, `pop`, output to a field, `check_pkt_larger`, `delete_field`.

use bytes::{BufMut, BytesMut};
use net::DecodeError;

use crate::nicira::subfield::{parse_kind, put_kind, put_short_kind};
use crate::nicira::{NiciraAction, Parsed, Subfield};
use crate::oxm::{self, OxmFieldOwned, OxmKind};
use crate::wire::{self, Reader};

/// Where the action ends that has a field's header of 4 or 8 octets in a fixed length of 24.
const FIXED_LEN: usize = 24;

/// ```text
/// n_bits:16 src_ofs:16 dst_ofs:16 src:32/64 dst:32/64 zeros
/// ```
pub(super) fn parse_reg_move(mut body: Reader<'_>) -> Parsed {
    let bits = body.u16("action.reg_move.n_bits")?;
    let source = body.u16("action.reg_move.src_ofs")?;
    let destination = body.u16("action.reg_move.dst_ofs")?;
    let fields = parse_two_kinds(&mut body)?;
    let Some((from, to)) = fields else { return Ok(None) };
    body.zeros("action.reg_move.must_be_zero")?;
    Ok(Some(NiciraAction::RegMove {
        source: Subfield::new(from, source, bits),
        destination: Subfield::new(to, destination, bits),
    }))
}

/// Two headers, one after the other.
pub(crate) fn parse_two_kinds(reader: &mut Reader<'_>) -> Result<Option<(OxmKind, OxmKind)>, DecodeError> {
    let first = parse_kind(reader)?;
    let second = parse_kind(reader)?;
    Ok(first.zip(second))
}

pub(super) fn encode_reg_move(source: Subfield, destination: Subfield, out: &mut BytesMut) {
    out.put_u16(source.bits);
    out.put_u16(source.offset);
    out.put_u16(destination.offset);
    put_kind(out, source.kind);
    put_kind(out, destination.kind);
}

/// ```text
/// ofs_nbits:16 dst:32 value:64
/// ```
pub(super) fn parse_reg_load(mut body: Reader<'_>) -> Parsed {
    let offset_bits = body.u16("action.reg_load.ofs_nbits")?;
    let destination = Subfield::parse(offset_bits, &mut body)?;
    let value = body.u64("action.reg_load.value")?;
    Ok(destination.map(|destination| NiciraAction::RegLoad { destination, value }))
}

pub(super) fn encode_reg_load(destination: Subfield, value: u64, out: &mut BytesMut) {
    out.put_u16(destination.offset_bits());
    put_short_kind(out, destination.kind);
    out.put_u64(value);
}

/// A TLV, then zeros.
pub(super) fn parse_reg_load2(mut body: Reader<'_>) -> Parsed {
    let tlv = oxm::first_tlv(body.as_slice(), body.offset())
        .map_err(|error| DecodeError::new(error.offset, "action.set_field", error.kind))?;
    let tlv = body.take(tlv, "action.set_field")?;
    body.zeros("action.set_field.zero")?;
    Ok(Some(NiciraAction::RegLoad2(OxmFieldOwned::from_valid_tlv(tlv.as_slice()))))
}

/// ```text
/// offset:16 field:32/64 n_bits:16 zeros
/// ```
pub(super) fn parse_stack(mut body: Reader<'_>) -> Result<Option<Subfield>, DecodeError> {
    let offset = body.u16("action.stack.offset")?;
    let kind = parse_kind(&mut body)?;
    let bits = body.u16("action.stack.n_bits")?;
    let Some(kind) = kind else { return Ok(None) };
    body.zeros("action.stack.must_be_zero")?;
    Ok(Some(Subfield { kind, offset, bits }))
}

pub(super) fn encode_stack(subfield: Subfield, start: usize, out: &mut BytesMut) {
    out.put_u16(subfield.offset);
    put_kind(out, subfield.kind);
    out.put_u16(subfield.bits);
    fill(out, start);
}

/// ```text
/// ofs_nbits:16 src:32 max_len:16 zeros:48
/// ```
pub(super) fn parse_output_reg(mut body: Reader<'_>) -> Parsed {
    let offset_bits = body.u16("action.output_reg.ofs_nbits")?;
    let source = Subfield::parse(offset_bits, &mut body)?;
    let max_len = body.u16("action.output_reg.max_len")?;
    let Some(source) = source else { return Ok(None) };
    body.zeros("action.output_reg.zero")?;
    Ok(Some(NiciraAction::OutputReg { source, max_len }))
}

pub(super) fn encode_output_reg(source: Subfield, max_len: u16, start: usize, out: &mut BytesMut) {
    out.put_u16(source.offset_bits());
    put_short_kind(out, source.kind);
    out.put_u16(max_len);
    fill(out, start);
}

/// ```text
/// ofs_nbits:16 max_len:16 src:32/64 zeros
/// ```
pub(super) fn parse_output_reg2(mut body: Reader<'_>) -> Parsed {
    let (offset, bits) = super::subfield::split_offset_bits(body.u16("action.output_reg2.ofs_nbits")?);
    let max_len = body.u16("action.output_reg2.max_len")?;
    let Some(kind) = parse_kind(&mut body)? else { return Ok(None) };
    body.zeros("action.output_reg2.must_be_zero")?;
    Ok(Some(NiciraAction::OutputReg2 { source: Subfield { kind, offset, bits }, max_len }))
}

pub(super) fn encode_output_reg2(source: Subfield, max_len: u16, start: usize, out: &mut BytesMut) {
    out.put_u16(source.offset_bits());
    out.put_u16(max_len);
    put_kind(out, source.kind);
    fill(out, start);
}

/// ```text
/// pkt_len:16 offset:16 dst:32/64 zeros
/// ```
pub(super) fn parse_check_pkt_larger(mut body: Reader<'_>) -> Parsed {
    let length = body.u16("action.check_pkt_larger.pkt_len")?;
    let offset = body.u16("action.check_pkt_larger.offset")?;
    let Some(kind) = parse_kind(&mut body)? else { return Ok(None) };
    body.zeros("action.check_pkt_larger.must_be_zero")?;
    Ok(Some(NiciraAction::CheckPktLarger { length, destination: Subfield { kind, offset, bits: 1 } }))
}

pub(super) fn encode_check_pkt_larger(length: u16, destination: Subfield, start: usize, out: &mut BytesMut) {
    out.put_u16(length);
    out.put_u16(destination.offset);
    put_kind(out, destination.kind);
    fill(out, start);
}

/// The header of a field, then octets that Open vSwitch doesn't look at.
pub(super) fn parse_delete_field(mut body: Reader<'_>) -> Parsed {
    Ok(parse_kind(&mut body)?.map(NiciraAction::DeleteField))
}

pub(super) fn encode_delete_field(kind: OxmKind, start: usize, out: &mut BytesMut) {
    put_kind(out, kind);
    fill(out, start);
}

/// Zeros up to the fixed length of 24.
fn fill(out: &mut BytesMut, start: usize) {
    let written = out.len() - start;
    wire::put_zeros(out, FIXED_LEN.saturating_sub(written));
}
