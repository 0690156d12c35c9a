//! Packing routes into UPDATEs: as many routes of one attribute set into one message as the peer's message limit takes,
//! never an octet more.

use std::net::Ipv4Addr;
use std::ops::Range;

use bytes::{BufMut, BytesMut};

use super::attributes::put_attribute;
use super::header::{HEADER_LENGTH, MessageType, encode_framed, put_u16_at};
use super::{
    AttributeFlags, AttributeType, EncodeContext, EncodeError, Family, Message, NextHop, Nlri, PathAttributes, Update,
};

/// Octets of an UPDATE that carries nothing: header and the two length fields.
const EMPTY_UPDATE: usize = HEADER_LENGTH + 4;
/// Octets of a multiprotocol attribute before what it carries: flags, type, extended length, AFI, SAFI.
const MP_HEAD: usize = 7;

/// Appends UPDATEs that announce `nlri`, all of `family`, with these attributes and this next hop. Returns how many.
///
/// IPv4 routes with an IPv4 next hop go in the message's own NLRI field, all others in MP_REACH_NLRI, which comes first
/// (RFC 7606 §5.1). `attributes.next_hop` is not looked at. NLRI of another family are left out.
///
/// # Errors
/// [`EncodeError::TooLong`] if the attributes leave no room for the family's longest NLRI: then nothing is appended,
/// and the routes have to be withdrawn from this peer.
pub fn pack_announcements(
    family: Family,
    attributes: &PathAttributes,
    next_hop: NextHop,
    nlri: impl IntoIterator<Item = Nlri>,
    context: &EncodeContext,
    out: &mut BytesMut,
) -> Result<usize, EncodeError> {
    let nlri: Vec<Nlri> = nlri.into_iter().filter(|nlri| is_of(family, nlri)).collect();
    let mut messages = 0;
    let mut packer = AnnouncementPacker::default();
    packer.pack(family, attributes, next_hop, &nlri, context, out, |_, _| messages += 1)?;
    Ok(messages)
}

/// Packs one attribute set after another; what it needs for that it keeps.
#[derive(Default, Debug)]
pub(crate) struct AnnouncementPacker {
    /// The attributes, encoded once for all messages that carry them.
    block: BytesMut,
}

impl AnnouncementPacker {
    /// As [`pack_announcements`], for routes that are all of `family`; `message` is called with each message's octets and
    /// part of `nlri`.
    #[allow(clippy::too_many_arguments, reason = "the routes' three parts, the way to write them, and where to")]
    pub(crate) fn pack(
        &mut self,
        family: Family,
        attributes: &PathAttributes,
        next_hop: NextHop,
        nlri: &[Nlri],
        context: &EncodeContext,
        out: &mut BytesMut,
        message: impl FnMut(Range<usize>, Range<usize>),
    ) -> Result<(), EncodeError> {
        self.block.clear();
        encode_for(family, attributes, next_hop, context, &mut self.block);
        pack_block(family, &self.block, next_hop, nlri, context, out, message)
    }
}

/// The next hop as the attribute NEXT_HOP, if that is where it goes.
fn classic(family: Family, next_hop: NextHop) -> Option<Ipv4Addr> {
    match next_hop {
        NextHop::V4(next_hop) if family == Family::IPV4_UNICAST => Some(next_hop),
        _ => None,
    }
}

/// [`AnnouncementPacker::pack`] of attributes that are encoded already, in the context's way and with NEXT_HOP if the
/// next hop goes there.
pub(crate) fn pack_block(
    family: Family,
    block: &[u8],
    next_hop: NextHop,
    nlri: &[Nlri],
    context: &EncodeContext,
    out: &mut BytesMut,
    mut message: impl FnMut(Range<usize>, Range<usize>),
) -> Result<(), EncodeError> {
    let classic = classic(family, next_hop);
    let head = if classic.is_some() { 0 } else { MP_HEAD + 1 + next_hop.encoded_length() + 1 };
    let room = room(EMPTY_UPDATE + block.len() + head, family, context)?;
    let add_path = context.add_path.contains(&family);
    let mut from = 0;
    while from < nlri.len() {
        let (mut to, mut taken) = (from, 0);
        while let Some(length) = nlri.get(to).map(|nlri| nlri.encoded_length(add_path))
            && taken + length <= room
        {
            (to, taken) = (to + 1, taken + length);
        }
        let routes = nlri.get(from..to).unwrap_or_default();
        let start = out.len();
        write_update(out, |out| {
            out.put_u16(0);
            let length = block.len() + head + if classic.is_some() { 0 } else { taken };
            let at = out.len();
            out.put_u16(0);
            put_u16_at(out, at, length);
            if classic.is_none() {
                let length = head - 4 + taken;
                put_attribute(out, EXTENDED_OPTIONAL, AttributeType::MP_REACH_NLRI, length, |out| {
                    put_family(out, family);
                    out.put_u8(next_hop.encoded_length() as u8);
                    next_hop.encode(out);
                    out.put_u8(0);
                    routes.iter().for_each(|nlri| nlri.encode(add_path, out));
                });
            }
            out.put_slice(block);
            if classic.is_some() {
                routes.iter().for_each(|nlri| nlri.encode(add_path, out));
            }
        });
        message(start..out.len(), from..to);
        from = to;
    }
    Ok(())
}

/// Appends the attributes as [`pack_block`] wants them.
pub(crate) fn encode_for(
    family: Family,
    attributes: &PathAttributes,
    next_hop: NextHop,
    context: &EncodeContext,
    out: &mut BytesMut,
) {
    let classic = classic(family, next_hop);
    if attributes.next_hop == classic {
        attributes.encode(context, out);
    } else {
        PathAttributes { next_hop: classic, ..attributes.clone() }.encode(context, out);
    }
}

fn is_of(family: Family, nlri: &Nlri) -> bool {
    match nlri.prefix {
        net::Prefix::V4(_) => family == Family::IPV4_UNICAST,
        net::Prefix::V6(_) => family == Family::IPV6_UNICAST,
    }
}

/// Appends UPDATEs that withdraw `nlri`, all of `family`. Returns how many. NLRI of another family are left out.
pub fn pack_withdrawals(
    family: Family,
    nlri: impl IntoIterator<Item = Nlri>,
    context: &EncodeContext,
    out: &mut BytesMut,
) -> usize {
    let classic = family == Family::IPV4_UNICAST;
    let fixed = EMPTY_UPDATE + if classic { 0 } else { MP_HEAD };
    // No message limit is so low that a withdrawal does not fit.
    let room = room(fixed, family, context).unwrap_or_default();
    pack(family, nlri, context, room, |routes| {
        write_update(out, |out| {
            if classic {
                out.put_u16(0);
                let at = out.len() - 2;
                put_u16_at(out, at, routes.len());
                out.put_slice(routes);
                out.put_u16(0);
            } else {
                out.put_u16(0);
                let at = out.len();
                out.put_u16(0);
                put_attribute(out, EXTENDED_OPTIONAL, AttributeType::MP_UNREACH_NLRI, 3 + routes.len(), |out| {
                    put_family(out, family);
                    out.put_slice(routes);
                });
                let length = out.len() - at - 2;
                put_u16_at(out, at, length);
            }
        });
    })
}

/// Appends the End-of-RIB marker of `family` (RFC 4724 §2).
pub fn pack_end_of_rib(family: Family, out: &mut BytesMut) {
    // Its length does not depend on the context, and is far below every limit.
    let _fits = Message::Update(Update::new_end_of_rib(family)).encode(&EncodeContext::default(), out);
}

/// The packer always writes two octets of length, so that the attribute's size does not depend on how much fits.
const EXTENDED_OPTIONAL: AttributeFlags = AttributeFlags(AttributeFlags::OPTIONAL.0 | AttributeFlags::EXTENDED_LENGTH);

fn put_family(out: &mut BytesMut, family: Family) {
    out.put_u16(family.afi.0);
    out.put_u8(family.safi.0);
}

/// Octets that a message has for NLRI when `fixed` are taken.
fn room(fixed: usize, family: Family, context: &EncodeContext) -> Result<usize, EncodeError> {
    let limit = context.message_limit;
    let longest = 5 + usize::from(family.address_bits().unwrap_or_default() / 8);
    if fixed + longest > limit {
        return Err(EncodeError::TooLong { length: fixed + longest, limit });
    }
    Ok(limit - fixed)
}

/// Cuts `nlri` into runs of at most `room` octets and writes each.
fn pack(
    family: Family,
    nlri: impl IntoIterator<Item = Nlri>,
    context: &EncodeContext,
    room: usize,
    mut write: impl FnMut(&[u8]),
) -> usize {
    let add_path = context.add_path.contains(&family);
    let mut routes = BytesMut::new();
    let mut messages = 0;
    for nlri in nlri.into_iter().filter(|nlri| is_of(family, nlri)) {
        if routes.len() + nlri.encoded_length(add_path) > room {
            write(&routes);
            messages += 1;
            routes.clear();
        }
        nlri.encode(add_path, &mut routes);
    }
    if !routes.is_empty() {
        write(&routes);
        messages += 1;
    }
    messages
}

fn write_update(out: &mut BytesMut, body: impl FnOnce(&mut BytesMut)) {
    // The caller has counted the octets: no limit but the length field's applies here.
    let _fits = encode_framed(MessageType::UPDATE, super::EXTENDED_MESSAGE_LIMIT, out, |out| {
        body(out);
        Ok(())
    });
}
