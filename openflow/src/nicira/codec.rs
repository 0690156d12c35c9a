//! Reading and writing Nicira's actions: the subtype decides, the families do the rest.

use bytes::{BufMut, BytesMut};
use net::{DecodeError, DecodeErrorKind};

use super::registers;
use super::{
    ConnectionTracking, ControllerProperty, Encap, Learn, Multipath, Nat, NiciraAction, NiciraSubtype, Sample,
    multipath,
};
use crate::action::Action;
use crate::identifier::{GroupId, TableId};
use crate::nicira::port::{long_port, short_port};
use crate::packet::PacketInReason;
use crate::wire::{self, Reader};

/// `None`: the action says something that [`NiciraAction`] can't say, or has a subtype that we don't know. It stays data.
pub(super) type Parsed = Result<Option<NiciraAction>, DecodeError>;

/// Octets before the body of a Nicira action: type, length, experimenter, subtype.
const HEADER_LEN: usize = 10;

/// The length that an action of this subtype has; the least it has where the length is variable. `None` for a subtype without a name.
fn length_of(subtype: NiciraSubtype) -> Option<(usize, bool)> {
    const FIXED: bool = true;
    const LEAST: bool = false;
    Some(match subtype {
        NiciraSubtype::REG_LOAD
        | NiciraSubtype::SET_TUNNEL64
        | NiciraSubtype::OUTPUT_REG
        | NiciraSubtype::OUTPUT_REG2
        | NiciraSubtype::STACK_PUSH
        | NiciraSubtype::STACK_POP
        | NiciraSubtype::SAMPLE
        | NiciraSubtype::CHECK_PKT_LARGER
        | NiciraSubtype::DELETE_FIELD => (24, FIXED),
        NiciraSubtype::MULTIPATH | NiciraSubtype::WRITE_METADATA | NiciraSubtype::SAMPLE2 | NiciraSubtype::SAMPLE3 => {
            (32, FIXED)
        }
        NiciraSubtype::BUNDLE | NiciraSubtype::BUNDLE_LOAD | NiciraSubtype::LEARN => (32, LEAST),
        NiciraSubtype::LEARN2 => (40, LEAST),
        NiciraSubtype::CT => (24, LEAST),
        NiciraSubtype::REG_MOVE
        | NiciraSubtype::NOTE
        | NiciraSubtype::DEC_TTL_CNT_IDS
        | NiciraSubtype::REG_LOAD2
        | NiciraSubtype::NAT
        | NiciraSubtype::CONTROLLER2
        | NiciraSubtype::CLONE
        | NiciraSubtype::ENCAP
        | NiciraSubtype::DECAP => (16, LEAST),
        known if known.name().is_some() => (16, FIXED),
        _ => return None,
    })
}

impl NiciraAction {
    /// `body` is what follows the experimenter id. `depth` says in how many other actions this one stands.
    pub(crate) fn parse(mut body: Reader<'_>, depth: u8) -> Parsed {
        let at = body.offset();
        let length = HEADER_LEN - 2 + body.remaining();
        let subtype = NiciraSubtype(body.u16("action.nicira.subtype")?);
        let Some((needed, fixed)) = length_of(subtype) else { return Ok(None) };
        if length < needed || (fixed && length != needed) {
            return Err(DecodeError::new(at, "action.nicira.len", DecodeErrorKind::BadLength { length }));
        }
        Ok(Some(match subtype {
            NiciraSubtype::RESUBMIT => {
                NiciraAction::Resubmit { in_port: long_port(body.u16("action.resubmit.in_port")?) }
            }
            NiciraSubtype::RESUBMIT_TABLE | NiciraSubtype::RESUBMIT_TABLE_CT => {
                let in_port = long_port(body.u16("action.resubmit.in_port")?);
                let table_id = TableId(body.u8("action.resubmit.table")?);
                body.zeros("action.resubmit.zero")?;
                NiciraAction::ResubmitTable { in_port, table_id, with_ct: subtype == NiciraSubtype::RESUBMIT_TABLE_CT }
            }
            NiciraSubtype::SET_TUNNEL => NiciraAction::SetTunnel(aligned_u32(&mut body, "action.set_tunnel.tun_id")?),
            NiciraSubtype::SET_TUNNEL64 => {
                body.skip(6, "action.set_tunnel64.pad")?;
                NiciraAction::SetTunnel64(body.u64("action.set_tunnel64.tun_id")?)
            }
            NiciraSubtype::SET_QUEUE => NiciraAction::SetQueue(aligned_u32(&mut body, "action.set_queue.queue_id")?),
            NiciraSubtype::POP_QUEUE => NiciraAction::PopQueue,
            NiciraSubtype::REG_MOVE => return registers::parse_reg_move(body),
            NiciraSubtype::REG_LOAD => return registers::parse_reg_load(body),
            NiciraSubtype::REG_LOAD2 => return registers::parse_reg_load2(body),
            NiciraSubtype::NOTE => NiciraAction::Note(body.into_bytes()),
            NiciraSubtype::MULTIPATH => return Ok(Multipath::parse(body)?.map(Box::new).map(NiciraAction::Multipath)),
            NiciraSubtype::BUNDLE | NiciraSubtype::BUNDLE_LOAD => {
                let bundle = multipath::BundlePorts::parse(body, subtype == NiciraSubtype::BUNDLE_LOAD)?;
                return Ok(bundle.map(Box::new).map(NiciraAction::Bundle));
            }
            NiciraSubtype::OUTPUT_REG => return registers::parse_output_reg(body),
            NiciraSubtype::OUTPUT_REG2 => return registers::parse_output_reg2(body),
            NiciraSubtype::OUTPUT_TRUNC => NiciraAction::OutputTrunc {
                port: long_port(body.u16("action.output_trunc.port")?),
                max_len: body.u32("action.output_trunc.max_len")?,
            },
            NiciraSubtype::LEARN | NiciraSubtype::LEARN2 => {
                let learn = Learn::parse(body, subtype == NiciraSubtype::LEARN2)?;
                return Ok(learn.map(Box::new).map(NiciraAction::Learn));
            }
            NiciraSubtype::EXIT => NiciraAction::Exit,
            NiciraSubtype::DEC_TTL => NiciraAction::DecTtl,
            NiciraSubtype::DEC_TTL_CNT_IDS => NiciraAction::DecTtlCntIds(parse_controller_ids(body)?),
            NiciraSubtype::FIN_TIMEOUT => NiciraAction::FinTimeout {
                idle_timeout: body.u16("action.fin_timeout.fin_idle_timeout")?,
                hard_timeout: body.u16("action.fin_timeout.fin_hard_timeout")?,
            },
            NiciraSubtype::CONTROLLER => NiciraAction::Controller {
                max_len: body.u16("action.controller.max_len")?,
                controller_id: body.u16("action.controller.controller_id")?,
                reason: PacketInReason(body.u8("action.controller.reason")?),
            },
            NiciraSubtype::CONTROLLER2 => NiciraAction::Controller2(ControllerProperty::parse_list(body)?),
            NiciraSubtype::WRITE_METADATA => {
                body.take(6, "action.write_metadata.zeros")?.zeros("action.write_metadata.must_be_zero")?;
                NiciraAction::WriteMetadata {
                    metadata: body.u64("action.write_metadata.metadata")?,
                    mask: body.u64("action.write_metadata.mask")?,
                }
            }
            NiciraSubtype::PUSH_MPLS => NiciraAction::PushMpls(body.u16("action.push_mpls.ethertype")?),
            NiciraSubtype::POP_MPLS => NiciraAction::PopMpls(body.u16("action.pop_mpls.ethertype")?),
            NiciraSubtype::SET_MPLS_TTL => NiciraAction::SetMplsTtl(body.u8("action.set_mpls_ttl.ttl")?),
            NiciraSubtype::DEC_MPLS_TTL => NiciraAction::DecMplsTtl,
            NiciraSubtype::STACK_PUSH => return Ok(registers::parse_stack(body)?.map(NiciraAction::StackPush)),
            NiciraSubtype::STACK_POP => return Ok(registers::parse_stack(body)?.map(NiciraAction::StackPop)),
            NiciraSubtype::SAMPLE | NiciraSubtype::SAMPLE2 | NiciraSubtype::SAMPLE3 => {
                NiciraAction::Sample(Box::new(Sample::parse(body, subtype)?))
            }
            NiciraSubtype::SET_MPLS_LABEL => {
                NiciraAction::SetMplsLabel(aligned_u32(&mut body, "action.set_mpls_label.label")?)
            }
            NiciraSubtype::SET_MPLS_TC => NiciraAction::SetMplsTc(body.u8("action.set_mpls_tc.tc")?),
            NiciraSubtype::CONJUNCTION => NiciraAction::Conjunction {
                clause: body.u8("action.conjunction.clause")?,
                clauses: body.u8("action.conjunction.n_clauses")?,
                id: body.u32("action.conjunction.id")?,
            },
            NiciraSubtype::CT => {
                return Ok(ConnectionTracking::parse(body, depth)?.map(Box::new).map(NiciraAction::Ct));
            }
            NiciraSubtype::NAT => return Ok(Nat::parse(body)?.map(Box::new).map(NiciraAction::Nat)),
            NiciraSubtype::GROUP => NiciraAction::Group(GroupId(aligned_u32(&mut body, "action.group.group_id")?)),
            NiciraSubtype::CLONE => {
                body.skip(6, "action.clone.pad")?;
                NiciraAction::Clone(Action::parse_list_inside(body, depth)?)
            }
            NiciraSubtype::CT_CLEAR => NiciraAction::CtClear,
            NiciraSubtype::ENCAP => NiciraAction::Encap(Box::new(Encap::parse(body)?)),
            NiciraSubtype::DECAP => {
                body.skip(2, "action.decap.pad")?;
                let packet_type = body.u32("action.decap.new_pkt_type")?;
                if !body.is_empty() {
                    // There may be properties one day.
                    return Ok(None);
                }
                NiciraAction::Decap { packet_type }
            }
            NiciraSubtype::DEC_NSH_TTL => NiciraAction::DecNshTtl,
            NiciraSubtype::CHECK_PKT_LARGER => return registers::parse_check_pkt_larger(body),
            NiciraSubtype::DELETE_FIELD => return registers::parse_delete_field(body),
            _ => return Ok(None),
        }))
    }

    /// What follows the experimenter id. `start` is where the action starts in `out`. The caller pads to a multiple of 8; an action
    /// of which no more than that is missing leaves it to the caller.
    pub(crate) fn encode(&self, start: usize, out: &mut BytesMut) {
        out.put_u16(self.subtype().0);
        match self {
            NiciraAction::Resubmit { in_port } => out.put_u16(short_port(*in_port)),
            NiciraAction::ResubmitTable { in_port, table_id, .. } => {
                out.put_u16(short_port(*in_port));
                out.put_u8(table_id.0);
            }
            NiciraAction::SetTunnel(number)
            | NiciraAction::SetQueue(number)
            | NiciraAction::SetMplsLabel(number)
            | NiciraAction::Group(GroupId(number)) => {
                wire::put_zeros(out, 2);
                out.put_u32(*number);
            }
            NiciraAction::SetTunnel64(id) => {
                wire::put_zeros(out, 6);
                out.put_u64(*id);
            }
            NiciraAction::RegMove { source, destination } => registers::encode_reg_move(*source, *destination, out),
            NiciraAction::RegLoad { destination, value } => registers::encode_reg_load(*destination, *value, out),
            NiciraAction::RegLoad2(field) => out.put_slice(field.as_tlv()),
            NiciraAction::Note(octets) => {
                out.put_slice(octets);
                wire::put_zeros(out, NOTE_MIN_LEN.saturating_sub(octets.len()));
            }
            NiciraAction::Multipath(multipath) => multipath.encode(out),
            NiciraAction::Bundle(bundle) => bundle.encode(out),
            NiciraAction::OutputReg { source, max_len } => registers::encode_output_reg(*source, *max_len, start, out),
            NiciraAction::OutputReg2 { source, max_len } => {
                registers::encode_output_reg2(*source, *max_len, start, out);
            }
            NiciraAction::OutputTrunc { port, max_len } => {
                out.put_u16(short_port(*port));
                out.put_u32(*max_len);
            }
            NiciraAction::Learn(learn) => learn.encode(out),
            NiciraAction::DecTtlCntIds(ids) => {
                out.put_u16(ids.len() as u16);
                wire::put_zeros(out, 4);
                ids.iter().for_each(|id| out.put_u16(*id));
            }
            NiciraAction::FinTimeout { idle_timeout, hard_timeout } => {
                out.put_u16(*idle_timeout);
                out.put_u16(*hard_timeout);
            }
            NiciraAction::Controller { max_len, controller_id, reason } => {
                out.put_u16(*max_len);
                out.put_u16(*controller_id);
                out.put_u8(reason.0);
            }
            NiciraAction::Controller2(properties) => ControllerProperty::encode_list(properties, out),
            NiciraAction::WriteMetadata { metadata, mask } => {
                wire::put_zeros(out, 6);
                out.put_u64(*metadata);
                out.put_u64(*mask);
            }
            NiciraAction::PushMpls(ethertype) | NiciraAction::PopMpls(ethertype) => out.put_u16(*ethertype),
            NiciraAction::SetMplsTtl(number) | NiciraAction::SetMplsTc(number) => out.put_u8(*number),
            NiciraAction::StackPush(subfield) | NiciraAction::StackPop(subfield) => {
                registers::encode_stack(*subfield, start, out);
            }
            NiciraAction::Sample(sample) => sample.encode(out),
            NiciraAction::Conjunction { clause, clauses, id } => {
                out.put_u8(*clause);
                out.put_u8(*clauses);
                out.put_u32(*id);
            }
            NiciraAction::Ct(tracking) => tracking.encode(out),
            NiciraAction::Nat(nat) => nat.encode(out),
            NiciraAction::Clone(actions) => {
                wire::put_zeros(out, 6);
                Action::encode_list(actions, out);
            }
            NiciraAction::Encap(encap) => encap.encode(out),
            NiciraAction::Decap { packet_type } => {
                wire::put_zeros(out, 2);
                out.put_u32(*packet_type);
            }
            NiciraAction::CheckPktLarger { length, destination } => {
                registers::encode_check_pkt_larger(*length, *destination, start, out);
            }
            NiciraAction::DeleteField(kind) => registers::encode_delete_field(*kind, start, out),
            NiciraAction::PopQueue
            | NiciraAction::Exit
            | NiciraAction::DecTtl
            | NiciraAction::DecMplsTtl
            | NiciraAction::CtClear
            | NiciraAction::DecNshTtl => wire::put_zeros(out, 6),
        }
    }
}

/// Octets of the shortest note.
const NOTE_MIN_LEN: usize = 6;

/// A number of 32 bits, which has 2 octets of padding before it.
fn aligned_u32(body: &mut Reader<'_>, field: &'static str) -> Result<u32, DecodeError> {
    body.skip(2, field)?;
    body.u32(field)
}

/// ```text
/// n_controllers:16 zeros:32 ids:16 each, pad
/// ```
fn parse_controller_ids(mut body: Reader<'_>) -> Result<Vec<u16>, DecodeError> {
    let count = usize::from(body.u16("action.dec_ttl_cnt_ids.n_controllers")?);
    body.take(4, "action.dec_ttl_cnt_ids.zeros")?.zeros("action.dec_ttl_cnt_ids.must_be_zero")?;
    // The count is checked against the action before anything is reserved for it.
    let mut octets = body.take(2 * count, "action.dec_ttl_cnt_ids.n_controllers")?;
    let mut ids = Vec::with_capacity(count);
    while !octets.is_empty() {
        ids.push(octets.u16("action.dec_ttl_cnt_ids.cnt_ids")?);
    }
    Ok(ids)
}
