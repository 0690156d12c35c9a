//! Packing routes into UPDATEs: as many routes of one attribute set into one message as the peer's message limit takes,
//! never an octet more.

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
    let classic = match next_hop {
        NextHop::V4(next_hop) if family == Family::IPV4_UNICAST => Some(next_hop),
        _ => None,
    };
    let mut block = BytesMut::new();
    PathAttributes { next_hop: classic, ..attributes.clone() }.encode(context, &mut block);
    let head = if classic.is_some() { 0 } else { MP_HEAD + 1 + next_hop.encoded_length() + 1 };
    let fixed = EMPTY_UPDATE + block.len() + head;
    let room = room(fixed, family, context)?;
    Ok(pack(family, nlri, context, room, |routes| {
        write_update(out, |out| {
            out.put_u16(0);
            let at = out.len();
            out.put_u16(0);
            if classic.is_none() {
                let length = head - 4 + routes.len();
                put_attribute(out, EXTENDED_OPTIONAL, AttributeType::MP_REACH_NLRI, length, |out| {
                    put_family(out, family);
                    out.put_u8(next_hop.encoded_length() as u8);
                    next_hop.encode(out);
                    out.put_u8(0);
                    out.put_slice(routes);
                });
            }
            out.put_slice(&block);
            let length = out.len() - at - 2;
            put_u16_at(out, at, length);
            if classic.is_some() {
                out.put_slice(routes);
            }
        });
    }))
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
    let of_family = |nlri: &Nlri| match nlri.prefix {
        net::Prefix::V4(_) => family == Family::IPV4_UNICAST,
        net::Prefix::V6(_) => family == Family::IPV6_UNICAST,
    };
    for nlri in nlri.into_iter().filter(of_family) {
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
