//! Actions (OpenFlow 1.3.5 §7.2.5).

use bytes::{BufMut, Bytes, BytesMut};
use net::{DecodeError, DecodeErrorKind, PortNo};

use crate::identifier::GroupId;
use crate::nicira::{MAX_ACTION_DEPTH, NICIRA_EXPERIMENTER, NiciraAction, Subfield, parse_two_kinds, put_kind};
use crate::number::numbers;
use crate::oxm::{self, EXPERIMENTER_ONF, OxmFieldOwned};
use crate::wire::{self, Block, Reader};

numbers! {
    /// The type of an action (OpenFlow 1.3.5 §7.2.5, `ofp_action_type`).
    values ActionType(u16) {
        OUTPUT = 0, "OFPAT_OUTPUT";
        COPY_TTL_OUT = 11, "OFPAT_COPY_TTL_OUT";
        COPY_TTL_IN = 12, "OFPAT_COPY_TTL_IN";
        SET_MPLS_TTL = 15, "OFPAT_SET_MPLS_TTL";
        DEC_MPLS_TTL = 16, "OFPAT_DEC_MPLS_TTL";
        PUSH_VLAN = 17, "OFPAT_PUSH_VLAN";
        POP_VLAN = 18, "OFPAT_POP_VLAN";
        PUSH_MPLS = 19, "OFPAT_PUSH_MPLS";
        POP_MPLS = 20, "OFPAT_POP_MPLS";
        SET_QUEUE = 21, "OFPAT_SET_QUEUE";
        GROUP = 22, "OFPAT_GROUP";
        SET_NW_TTL = 23, "OFPAT_SET_NW_TTL";
        DEC_NW_TTL = 24, "OFPAT_DEC_NW_TTL";
        SET_FIELD = 25, "OFPAT_SET_FIELD";
        PUSH_PBB = 26, "OFPAT_PUSH_PBB";
        POP_PBB = 27, "OFPAT_POP_PBB";
        EXPERIMENTER = 0xffff, "OFPAT_EXPERIMENTER";
    }
}

/// `OFPCML_MAX`: the largest `max_len` of an output to the controller that names a length (OpenFlow 1.3.5 §7.2.5).
pub const CONTROLLER_MAX_LEN_MAX: u16 = 0xffe5;
/// `OFPCML_NO_BUFFER`: send the whole packet to the controller and keep nothing (OpenFlow 1.3.5 §7.2.5).
pub const CONTROLLER_NO_BUFFER: u16 = 0xffff;

/// One action (OpenFlow 1.3.5 §7.2.5).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Action {
    /// Send the packet out of a port.
    Output {
        /// Where to.
        port: PortNo,
        /// Octets for the controller; [`CONTROLLER_NO_BUFFER`] for all of them. No meaning for other ports.
        max_len: u16,
    },
    /// Copy the TTL outwards, from the next-to-outermost to the outermost header.
    CopyTtlOut,
    /// Copy the TTL inwards, from the outermost to the next-to-outermost header.
    CopyTtlIn,
    /// Set the MPLS TTL.
    SetMplsTtl(u8),
    /// Decrement the MPLS TTL.
    DecMplsTtl,
    /// Push a VLAN tag with this ethertype.
    PushVlan(u16),
    /// Pop the outer VLAN tag.
    PopVlan,
    /// Push an MPLS label stack entry with this ethertype.
    PushMpls(u16),
    /// Pop the outer MPLS label stack entry; the argument is the ethertype of what remains.
    PopMpls(u16),
    /// Set the queue for following outputs.
    SetQueue(u32),
    /// Process the packet by a group.
    Group(GroupId),
    /// Set the IP TTL or hop limit.
    SetNwTtl(u8),
    /// Decrement the IP TTL or hop limit.
    DecNwTtl,
    /// Set a header field to the value of an OXM field.
    SetField(OxmFieldOwned),
    /// Push a PBB service tag (I-TAG) with this ethertype.
    PushPbb(u16),
    /// Pop the outer PBB service tag.
    PopPbb,
    /// One of Nicira's actions (experimenter 0x2320).
    Nicira(NiciraAction),
    /// Copy bits of one field to another (ONF extension 320, `ONFACT_RAW13_COPY_FIELD`). Both have the same number of bits: on the
    /// wire there is one.
    CopyField {
        /// From here.
        source: Subfield,
        /// To here.
        destination: Subfield,
    },
    /// An experimenter's action, as data.
    Experimenter {
        /// The experimenter id.
        experimenter: u32,
        /// What follows the id; 8 octets of header and this are a multiple of 8 on the wire.
        body: Bytes,
    },
    /// An action of a type that the specification doesn't have, as data.
    Unknown {
        /// The type.
        action_type: ActionType,
        /// What follows the 4-octet header; both together are a multiple of 8 on the wire.
        body: Bytes,
    },
}

impl Action {
    /// Output to a port. To the controller: the whole packet, unbuffered.
    pub const fn output(port: PortNo) -> Action {
        Action::Output { port, max_len: CONTROLLER_NO_BUFFER }
    }

    /// The type number that stands on the wire.
    pub const fn action_type(&self) -> ActionType {
        match self {
            Action::Output { .. } => ActionType::OUTPUT,
            Action::CopyTtlOut => ActionType::COPY_TTL_OUT,
            Action::CopyTtlIn => ActionType::COPY_TTL_IN,
            Action::SetMplsTtl(_) => ActionType::SET_MPLS_TTL,
            Action::DecMplsTtl => ActionType::DEC_MPLS_TTL,
            Action::PushVlan(_) => ActionType::PUSH_VLAN,
            Action::PopVlan => ActionType::POP_VLAN,
            Action::PushMpls(_) => ActionType::PUSH_MPLS,
            Action::PopMpls(_) => ActionType::POP_MPLS,
            Action::SetQueue(_) => ActionType::SET_QUEUE,
            Action::Group(_) => ActionType::GROUP,
            Action::SetNwTtl(_) => ActionType::SET_NW_TTL,
            Action::DecNwTtl => ActionType::DEC_NW_TTL,
            Action::SetField(_) => ActionType::SET_FIELD,
            Action::PushPbb(_) => ActionType::PUSH_PBB,
            Action::PopPbb => ActionType::POP_PBB,
            Action::Nicira(_) | Action::CopyField { .. } | Action::Experimenter { .. } => ActionType::EXPERIMENTER,
            Action::Unknown { action_type, .. } => *action_type,
        }
    }
}

impl Action {
    /// All actions in a list that fills its parent.
    pub(crate) fn parse_list(reader: Reader<'_>) -> Result<Vec<Action>, DecodeError> {
        Action::parse_list_at(reader, 0)
    }

    /// The actions inside of an action that stands `depth` deep itself.
    pub(crate) fn parse_list_inside(reader: Reader<'_>, depth: u8) -> Result<Vec<Action>, DecodeError> {
        if depth >= MAX_ACTION_DEPTH {
            return Err(reader.error("action.depth", DecodeErrorKind::BadValue { value: u64::from(depth) + 1 }));
        }
        Action::parse_list_at(reader, depth + 1)
    }

    fn parse_list_at(mut reader: Reader<'_>, depth: u8) -> Result<Vec<Action>, DecodeError> {
        let mut actions = Vec::with_capacity(wire::count_elements(reader.as_slice(), 2, MIN_LEN));
        while !reader.is_empty() {
            Action::parse(&mut reader, depth, &mut actions)?;
        }
        Ok(actions)
    }

    pub(crate) fn encode_list(actions: &[Action], out: &mut BytesMut) {
        for action in actions {
            action.encode(out);
        }
    }

    /// Appends the next action: each is made where it stays.
    #[inline]
    fn parse(reader: &mut Reader<'_>, depth: u8, to: &mut Vec<Action>) -> Result<(), DecodeError> {
        let action_type = ActionType(reader.u16("action.type")?);
        let length = reader.u16("action.len")?;
        let at = reader.offset() - 2;
        let fixed = match action_type {
            ActionType::OUTPUT => 16,
            ActionType::COPY_TTL_OUT
            | ActionType::COPY_TTL_IN
            | ActionType::SET_MPLS_TTL
            | ActionType::DEC_MPLS_TTL
            | ActionType::PUSH_VLAN
            | ActionType::POP_VLAN
            | ActionType::PUSH_MPLS
            | ActionType::POP_MPLS
            | ActionType::SET_QUEUE
            | ActionType::GROUP
            | ActionType::SET_NW_TTL
            | ActionType::DEC_NW_TTL
            | ActionType::PUSH_PBB
            | ActionType::POP_PBB => 8,
            _ => length,
        };
        // §7.2.5: the length is a multiple of 8. At least 8 is what makes progress certain.
        if usize::from(length) < MIN_LEN || length % 8 != 0 || length != fixed {
            let kind = DecodeErrorKind::BadLength { length: usize::from(length) };
            return Err(DecodeError::new(at, "action.len", kind));
        }
        let mut body = reader.body(length, HEADER_LEN, "action.len")?;
        match action_type {
            ActionType::OUTPUT => {
                let port = PortNo(body.u32("action.output.port")?);
                let max_len = body.u16("action.output.max_len")?;
                to.push(Action::Output { port, max_len });
            }
            ActionType::COPY_TTL_OUT => to.push(Action::CopyTtlOut),
            ActionType::COPY_TTL_IN => to.push(Action::CopyTtlIn),
            ActionType::SET_MPLS_TTL => to.push(Action::SetMplsTtl(body.u8("action.set_mpls_ttl.mpls_ttl")?)),
            ActionType::DEC_MPLS_TTL => to.push(Action::DecMplsTtl),
            ActionType::PUSH_VLAN => to.push(Action::PushVlan(body.u16("action.push_vlan.ethertype")?)),
            ActionType::POP_VLAN => to.push(Action::PopVlan),
            ActionType::PUSH_MPLS => to.push(Action::PushMpls(body.u16("action.push_mpls.ethertype")?)),
            ActionType::POP_MPLS => to.push(Action::PopMpls(body.u16("action.pop_mpls.ethertype")?)),
            ActionType::SET_QUEUE => to.push(Action::SetQueue(body.u32("action.set_queue.queue_id")?)),
            ActionType::GROUP => to.push(Action::Group(GroupId(body.u32("action.group.group_id")?))),
            ActionType::SET_NW_TTL => to.push(Action::SetNwTtl(body.u8("action.set_nw_ttl.nw_ttl")?)),
            ActionType::DEC_NW_TTL => to.push(Action::DecNwTtl),
            ActionType::SET_FIELD => to.push(Action::SetField(parse_set_field(&mut body, usize::from(length))?)),
            ActionType::PUSH_PBB => to.push(Action::PushPbb(body.u16("action.push_pbb.ethertype")?)),
            ActionType::POP_PBB => to.push(Action::PopPbb),
            ActionType::EXPERIMENTER => to.push(parse_experimenter(body, depth)?),
            _ => to.push(Action::Unknown { action_type, body: body.into_bytes() }),
        }
        Ok(())
    }

    /// Padding is written as zero. A body that leaves the length at no multiple of 8 is padded.
    fn encode(&self, out: &mut BytesMut) {
        let number = |number: u32| Block::<8>::new().u16(self.action_type().0).u16(8).u32(number);
        match self {
            Action::Output { port, max_len } => {
                Block::<16>::new().u16(ActionType::OUTPUT.0).u16(16).u32(port.0).u16(*max_len).zeros(6).put(out);
            }
            Action::CopyTtlOut
            | Action::CopyTtlIn
            | Action::DecMplsTtl
            | Action::PopVlan
            | Action::DecNwTtl
            | Action::PopPbb => number(0).put(out),
            Action::SetMplsTtl(ttl) | Action::SetNwTtl(ttl) => number(u32::from(*ttl) << 24).put(out),
            Action::PushVlan(ethertype)
            | Action::PushMpls(ethertype)
            | Action::PopMpls(ethertype)
            | Action::PushPbb(ethertype) => number(u32::from(*ethertype) << 16).put(out),
            Action::SetQueue(queue_id) => number(*queue_id).put(out),
            Action::Group(group_id) => number(group_id.0).put(out),
            Action::SetField(_)
            | Action::Nicira(_)
            | Action::CopyField { .. }
            | Action::Experimenter { .. }
            | Action::Unknown { .. } => self.encode_variable(out),
        }
    }

    /// An action whose length depends on what is in it.
    fn encode_variable(&self, out: &mut BytesMut) {
        let start = out.len();
        Block::<4>::new().u16(self.action_type().0).zeros(2).put(out);
        match self {
            Action::SetField(field) => out.put_slice(field.as_tlv()),
            Action::Nicira(action) => {
                out.put_u32(NICIRA_EXPERIMENTER);
                action.encode(start, out);
            }
            Action::CopyField { source, destination } => encode_copy_field(*source, *destination, out),
            Action::Experimenter { experimenter, body } => {
                out.put_u32(*experimenter);
                out.put_slice(body);
            }
            Action::Unknown { body, .. } => out.put_slice(body),
            _ => wire::put_zeros(out, 4),
        }
        wire::pad_from(out, start);
        wire::patch_length(out, start, 2);
    }
}

/// Octets of the type and length that every action starts with.
const HEADER_LEN: usize = 4;
/// Octets of the shortest action.
const MIN_LEN: usize = 8;

#[inline]
fn parse_set_field(body: &mut Reader<'_>, length: usize) -> Result<OxmFieldOwned, DecodeError> {
    let at = body.offset();
    let tlv = oxm::first_tlv(body.as_slice(), at)
        .map_err(|error| DecodeError::new(error.offset, "action.set_field", error.kind))?;
    // §7.2.5: the length counts the field and just enough padding.
    let needed = HEADER_LEN + tlv + wire::padding(HEADER_LEN + tlv);
    if needed != length {
        return Err(DecodeError::new(at, "action.set_field", DecodeErrorKind::BadLength { length }));
    }
    let tlv = body.take(tlv, "action.set_field")?;
    Ok(OxmFieldOwned::from_valid_tlv(tlv.as_slice()))
}

/// The copy-field action among the ONF's (extension 320).
const ONF_COPY_FIELD: u16 = 3200;

fn parse_experimenter(mut body: Reader<'_>, depth: u8) -> Result<Action, DecodeError> {
    let experimenter = body.u32("action.experimenter")?;
    let action = match experimenter {
        NICIRA_EXPERIMENTER => NiciraAction::parse(body.clone(), depth)?.map(Action::Nicira),
        EXPERIMENTER_ONF => parse_onf(body.clone())?,
        _ => None,
    };
    Ok(action.unwrap_or_else(|| Action::Experimenter { experimenter, body: body.into_bytes() }))
}

/// ```text
/// exp_type:16 pad:16 n_bits:16 src_offset:16 dst_offset:16 pad:16 src:32/64 dst:32/64 zeros
/// ```
fn parse_onf(mut body: Reader<'_>) -> Result<Option<Action>, DecodeError> {
    if body.u16("action.onf.exp_type")? != ONF_COPY_FIELD {
        return Ok(None);
    }
    body.skip(2, "action.copy_field.pad")?;
    let bits = body.u16("action.copy_field.n_bits")?;
    let source = body.u16("action.copy_field.src_offset")?;
    let destination = body.u16("action.copy_field.dst_offset")?;
    body.skip(2, "action.copy_field.pad2")?;
    let Some((from, to)) = parse_two_kinds(&mut body)? else { return Ok(None) };
    body.zeros("action.copy_field.must_be_zero")?;
    Ok(Some(Action::CopyField {
        source: Subfield::new(from, source, bits),
        destination: Subfield::new(to, destination, bits),
    }))
}

fn encode_copy_field(source: Subfield, destination: Subfield, out: &mut BytesMut) {
    out.put_u32(EXPERIMENTER_ONF);
    out.put_u16(ONF_COPY_FIELD);
    wire::put_zeros(out, 2);
    out.put_u16(source.bits);
    out.put_u16(source.offset);
    out.put_u16(destination.offset);
    wire::put_zeros(out, 2);
    put_kind(out, source.kind);
    put_kind(out, destination.kind);
}
