//! `learn`: a flow that a packet makes the switch add (`NXAST_LEARN`, `NXAST_LEARN2`).

use bytes::{BufMut, Bytes, BytesMut};
use net::{DecodeError, DecodeErrorKind};

use crate::identifier::TableId;
use crate::nicira::Subfield;
use crate::nicira::subfield::{parse_kind, parse_short_kind, put_kind, put_short_kind};
use crate::number::numbers;
use crate::wire::{self, Reader};

numbers! {
    /// What a learn action is asked besides (`NX_LEARN_F_*`). Whether the result is written follows from [`LearnLimit::result`].
    bits LearnFlags(u16) {
        SEND_FLOW_REM = 1, "NX_LEARN_F_SEND_FLOW_REM";
        DELETE_LEARNED = 2, "NX_LEARN_F_DELETE_LEARNED";
    }
}

/// `learn(…)`: adds or changes a flow made from the packet (`NXAST_LEARN`, `NXAST_LEARN2`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Learn {
    /// Seconds without a packet until the learned flow is removed; 0 for never.
    pub idle_timeout: u16,
    /// Seconds until the learned flow is removed; 0 for never.
    pub hard_timeout: u16,
    /// Priority of the learned flow.
    pub priority: u16,
    /// Cookie of the learned flow.
    pub cookie: u64,
    /// Flags.
    pub flags: LearnFlags,
    /// Table of the learned flow.
    pub table_id: TableId,
    /// Idle timeout after a TCP FIN or RST; 0 for no change.
    pub fin_idle_timeout: u16,
    /// Hard timeout after a TCP FIN or RST; 0 for no change.
    pub fin_hard_timeout: u16,
    /// What `NXAST_LEARN2` has besides. `None` makes it an `NXAST_LEARN`.
    pub limit: Option<LearnLimit>,
    /// What to match on and what to do, in this order.
    pub specs: Vec<LearnSpec>,
}

/// What `NXAST_LEARN2` has besides `NXAST_LEARN`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct LearnLimit {
    /// Learned flows with this cookie in this table at most; 0 for no limit.
    pub limit: u32,
    /// The bit that gets 1 if the flow was learned and 0 if the limit forbade it (`result_dst`). Its `bits` is 1.
    pub result: Option<Subfield>,
}

/// One part of the learned flow: where its bits come from and what becomes of them.
///
/// Source and destination have the same width.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct LearnSpec {
    /// Where the bits come from.
    pub source: LearnSource,
    /// What becomes of them.
    pub destination: LearnDestination,
}

/// Where the bits of a [`LearnSpec`] come from.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum LearnSource {
    /// From the packet that is being processed.
    Field(Subfield),
    /// From the action itself.
    Immediate {
        /// How many bits.
        bits: u16,
        /// The value, right-aligned in network order: as many octets as stand on the wire, which is 2 for every 16 bits begun.
        value: Bytes,
    },
}

/// What becomes of the bits of a [`LearnSpec`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LearnDestination {
    /// The learned flow matches on them.
    Match(Subfield),
    /// The learned flow loads them (`reg_load`).
    Load(Subfield),
    /// The learned flow outputs to this port. Only of a field's bits.
    Output,
}

/// `NX_LEARN_F_WRITE_RESULT`: [`LearnLimit::result`] is there.
const WRITE_RESULT: u16 = 4;

// The header of a spec: n_bits in the low 10 bits, the source in bit 13, the destination in bits 11 and 12.
const SPEC_BITS: u16 = 0x03ff;
const SPEC_IMMEDIATE: u16 = 1 << 13;
const SPEC_DESTINATION: u16 = 3 << 11;
const SPEC_MATCH: u16 = 0 << 11;
const SPEC_LOAD: u16 = 1 << 11;
const SPEC_OUTPUT: u16 = 2 << 11;
const SPEC_KNOWN: u16 = SPEC_BITS | SPEC_IMMEDIATE | SPEC_DESTINATION;

/// The most bits that a spec can say.
pub(crate) const fn learn_spec_max_bits() -> u16 {
    SPEC_BITS
}

/// Octets of an immediate value of so many bits: a multiple of 2.
pub(crate) const fn immediate_len(bits: u16) -> usize {
    bits.div_ceil(16) as usize * 2
}

impl LearnSource {
    /// How many bits it gives.
    pub const fn bits(&self) -> u16 {
        match self {
            LearnSource::Field(subfield) => subfield.bits,
            LearnSource::Immediate { bits, .. } => *bits,
        }
    }
}

impl Learn {
    /// ```text
    /// idle_timeout:16 hard_timeout:16 priority:16 cookie:64 flags:16 table_id:8 zero:8 fin_idle_timeout:16 fin_hard_timeout:16
    /// learn2 only: limit:32 result_dst_ofs:16 zero:16 [result_dst:32/64 if WRITE_RESULT]
    /// specs, a header of 0 or the end of the action, zeros
    /// ```
    pub(super) fn parse(mut body: Reader<'_>, second: bool) -> Result<Option<Learn>, DecodeError> {
        let idle_timeout = body.u16("action.learn.idle_timeout")?;
        let hard_timeout = body.u16("action.learn.hard_timeout")?;
        let priority = body.u16("action.learn.priority")?;
        let cookie = body.u64("action.learn.cookie")?;
        let flags = body.u16("action.learn.flags")?;
        let table_id = TableId(body.u8("action.learn.table_id")?);
        body.take(1, "action.learn.pad")?.zeros("action.learn.zero")?;
        let fin_idle_timeout = body.u16("action.learn.fin_idle_timeout")?;
        let fin_hard_timeout = body.u16("action.learn.fin_hard_timeout")?;
        let limit = if second {
            let Some(limit) = parse_limit(&mut body, flags & WRITE_RESULT != 0)? else { return Ok(None) };
            Some(limit)
        } else {
            None
        };
        let flags = if second { flags & !WRITE_RESULT } else { flags };
        let Some(specs) = parse_specs(&mut body)? else { return Ok(None) };
        body.zeros("action.learn.zero")?;
        Ok(Some(Learn {
            idle_timeout,
            hard_timeout,
            priority,
            cookie,
            flags: LearnFlags(flags),
            table_id,
            fin_idle_timeout,
            fin_hard_timeout,
            limit,
            specs,
        }))
    }

    pub(super) fn encode(&self, out: &mut BytesMut) {
        out.put_u16(self.idle_timeout);
        out.put_u16(self.hard_timeout);
        out.put_u16(self.priority);
        out.put_u64(self.cookie);
        out.put_u16(match &self.limit {
            None => self.flags.0,
            Some(LearnLimit { result: None, .. }) => self.flags.0 & !WRITE_RESULT,
            Some(LearnLimit { result: Some(_), .. }) => self.flags.0 | WRITE_RESULT,
        });
        out.put_u8(self.table_id.0);
        out.put_u8(0);
        out.put_u16(self.fin_idle_timeout);
        out.put_u16(self.fin_hard_timeout);
        if let Some(LearnLimit { limit, result }) = &self.limit {
            out.put_u32(*limit);
            out.put_u16(result.map_or(0, |result| result.offset));
            out.put_u16(0);
            if let Some(result) = result {
                put_kind(out, result.kind);
            }
        }
        for spec in &self.specs {
            spec.encode(out);
        }
    }
}

fn parse_limit(body: &mut Reader<'_>, has_result: bool) -> Result<Option<LearnLimit>, DecodeError> {
    let limit = body.u32("action.learn.limit")?;
    let offset = body.u16("action.learn.result_dst_ofs")?;
    body.take(2, "action.learn.pad2")?.zeros("action.learn.pad2_must_be_zero")?;
    if !has_result {
        if offset != 0 {
            return Err(
                body.error("action.learn.result_dst_ofs", DecodeErrorKind::BadValue { value: u64::from(offset) })
            );
        }
        return Ok(Some(LearnLimit { limit, result: None }));
    }
    let kind = parse_kind(body)?;
    Ok(kind.map(|kind| LearnLimit { limit, result: Some(Subfield { kind, offset, bits: 1 }) }))
}

/// All specs up to a header of 0 or the end. `None` if one names a field that we don't know or has bits without a meaning.
fn parse_specs(body: &mut Reader<'_>) -> Result<Option<Vec<LearnSpec>>, DecodeError> {
    let mut specs = Vec::new();
    while !body.is_empty() {
        let header = body.u16("action.learn.spec.header")?;
        if header == 0 {
            break;
        }
        let Some(spec) = LearnSpec::parse(header, body)? else { return Ok(None) };
        specs.push(spec);
    }
    Ok(Some(specs))
}

impl LearnSpec {
    /// After the 16-bit header, which is what makes progress certain:
    ///
    /// ```text
    /// src:32 src_ofs:16 | immediate value, 16 bits for every 16 bits begun
    /// dst:32 dst_ofs:16, but for output
    /// ```
    fn parse(header: u16, body: &mut Reader<'_>) -> Result<Option<LearnSpec>, DecodeError> {
        let bits = header & SPEC_BITS;
        let immediate = header & SPEC_IMMEDIATE != 0;
        let destination = header & SPEC_DESTINATION;
        if destination == SPEC_DESTINATION || (destination == SPEC_OUTPUT && immediate) {
            let kind = DecodeErrorKind::BadValue { value: u64::from(header) };
            return Err(body.error("action.learn.spec.header", kind));
        }
        let source = if immediate {
            let value = body.bytes(immediate_len(bits), "action.learn.spec.immediate")?;
            Some(LearnSource::Immediate { bits, value })
        } else {
            parse_spec_field(bits, body)?.map(LearnSource::Field)
        };
        let destination = match destination {
            SPEC_MATCH => parse_spec_field(bits, body)?.map(LearnDestination::Match),
            SPEC_LOAD => parse_spec_field(bits, body)?.map(LearnDestination::Load),
            _ => Some(LearnDestination::Output),
        };
        if header & !SPEC_KNOWN != 0 {
            return Ok(None);
        }
        Ok(source.zip(destination).map(|(source, destination)| LearnSpec { source, destination }))
    }

    fn encode(&self, out: &mut BytesMut) {
        let (source, destination) = match (&self.source, &self.destination) {
            (LearnSource::Field(_), LearnDestination::Match(_)) => (0, SPEC_MATCH),
            (LearnSource::Field(_), LearnDestination::Load(_)) => (0, SPEC_LOAD),
            (LearnSource::Field(_), LearnDestination::Output) => (0, SPEC_OUTPUT),
            (LearnSource::Immediate { .. }, LearnDestination::Match(_)) => (SPEC_IMMEDIATE, SPEC_MATCH),
            (LearnSource::Immediate { .. }, LearnDestination::Load(_)) => (SPEC_IMMEDIATE, SPEC_LOAD),
            (LearnSource::Immediate { .. }, LearnDestination::Output) => (SPEC_IMMEDIATE, SPEC_OUTPUT),
        };
        out.put_u16(source | destination | (self.source.bits() & SPEC_BITS));
        match &self.source {
            LearnSource::Field(subfield) => encode_spec_field(*subfield, out),
            LearnSource::Immediate { bits, value } => {
                let length = immediate_len(*bits & SPEC_BITS);
                let kept = value.get(value.len().saturating_sub(length)..).unwrap_or_default();
                wire::put_zeros(out, length - kept.len());
                out.put_slice(kept);
            }
        }
        match self.destination {
            LearnDestination::Match(subfield) | LearnDestination::Load(subfield) => encode_spec_field(subfield, out),
            LearnDestination::Output => {}
        }
    }
}

fn parse_spec_field(bits: u16, body: &mut Reader<'_>) -> Result<Option<Subfield>, DecodeError> {
    let kind = parse_short_kind(body)?;
    let offset = body.u16("action.learn.spec.ofs")?;
    Ok(kind.map(|kind| Subfield { kind, offset, bits }))
}

fn encode_spec_field(subfield: Subfield, out: &mut BytesMut) {
    put_short_kind(out, subfield.kind);
    out.put_u16(subfield.offset);
}
