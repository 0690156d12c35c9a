//! Path attributes as they stand in tables: as in an UPDATE, but for MP_REACH_NLRI, which has the next hop alone
//! (RFC 6396 §4.3.4).

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use net::{DecodeError, DecodeErrorKind};

use crate::wire::reader::Reader;
use crate::wire::{
    AttributeError, AttributeFlags, AttributeType, DecodeContext, EXTENDED_MESSAGE_LIMIT, EncodeContext, HEADER_LENGTH,
    Message, MessageType, NextHop, PathAttributes, Update,
};

/// Octets of an UPDATE in front of its attributes: header and the two lengths.
const UPDATE_HEAD: usize = HEADER_LENGTH + 4;

/// A route's attributes, read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RouteAttributes {
    /// The attributes; `None` if ORIGIN or AS_PATH is not among them.
    pub path: Option<Arc<PathAttributes>>,
    /// The next hop, whichever attribute has it.
    pub next_hop: Option<NextHop>,
    /// What RFC 7606 would have done something about. Offsets count from the start of an UPDATE that has the
    /// attributes, without MP_REACH_NLRI.
    pub errors: Vec<AttributeError>,
}

/// Reads the attributes of a [`super::RibEntry`] (`four_octet_as`) or a [`super::TableDump`] (not).
///
/// MP_REACH_NLRI may also stand as in an UPDATE, as some collectors write it.
///
/// # Errors
/// Lengths that contradict each other, or more than a message can have. Offsets count from the start of `octets`.
pub fn attributes(octets: &[u8], four_octet_as: bool) -> Result<RouteAttributes, DecodeError> {
    let mut reader = Reader::new(octets, 0);
    let mut others = BytesMut::with_capacity(UPDATE_HEAD + octets.len());
    others.put_bytes(0xff, 16);
    others.put_u16(0);
    others.put_u8(MessageType::UPDATE.0);
    others.put_u32(0);
    let mut next_hop = None;
    while !reader.is_empty() {
        let whole = reader.rest();
        let flags = AttributeFlags(reader.u8("attributes.flags")?);
        let kind = AttributeType(reader.u8("attributes.type")?);
        let length = if flags.is_extended_length() {
            usize::from(reader.u16("attributes.length")?)
        } else {
            usize::from(reader.u8("attributes.length")?)
        };
        let value = reader.cut(length, "attributes.value")?;
        if kind == AttributeType::MP_REACH_NLRI {
            next_hop = Some(take_next_hop(value)?);
        } else {
            others.put_slice(whole.get(..whole.len() - reader.remaining()).unwrap_or_default());
        }
    }
    let length = others.len();
    let too_long = DecodeError::new(0, "attributes", DecodeErrorKind::BadLength { length: octets.len() });
    if length > EXTENDED_MESSAGE_LIMIT {
        return Err(too_long);
    }
    for (at, length) in [(16, length), (UPDATE_HEAD - 2, length - UPDATE_HEAD)] {
        if let (Some(field), Ok(length)) = (others.get_mut(at..at + 2), u16::try_from(length)) {
            field.copy_from_slice(&length.to_be_bytes());
        }
    }
    // A limit of ours, not of the protocol's.
    let context = DecodeContext { four_octet_as, as_path_limit: usize::MAX, ..DecodeContext::default() };
    let decoded = Message::decode(&others, &context).map_err(|error| error.at)?;
    let Message::Update(update) = decoded.message else { return Err(too_long) };
    let classic = update.attributes.as_ref().and_then(|attributes| attributes.next_hop).map(NextHop::V4);
    Ok(RouteAttributes { path: update.attributes, next_hop: next_hop.or(classic), errors: decoded.errors })
}

/// The next hop alone, with its length; or the whole attribute, which starts with the octet 0 of its AFI.
fn take_next_hop(mut value: Reader<'_>) -> Result<NextHop, DecodeError> {
    const FIELD: &str = "attributes.mp_reach_nlri.next_hop";
    if value.rest().first() == Some(&0) {
        value.take(3, "attributes.mp_reach_nlri.family")?;
    }
    let at = value.offset();
    let length = value.u8("attributes.mp_reach_nlri.next_hop_length")?;
    Ok(match length {
        4 => NextHop::V4(value.ipv4(FIELD)?),
        16 => NextHop::V6 { address: value.ipv6(FIELD)?, link_local: None },
        32 => NextHop::V6 { address: value.ipv6(FIELD)?, link_local: Some(value.ipv6(FIELD)?) },
        _ => {
            let wrong = DecodeErrorKind::BadLength { length: length.into() };
            return Err(DecodeError::new(at, "attributes.mp_reach_nlri.next_hop_length", wrong));
        }
    })
}

/// Attributes for a [`super::RibEntry`]: AS numbers in four octets, an IPv6 next hop in MP_REACH_NLRI without NLRI.
/// `path.next_hop` is not looked at. `None` if they are more than a message can have.
pub fn encode_attributes(path: &PathAttributes, next_hop: NextHop) -> Option<Bytes> {
    let classic = match next_hop.address() {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    };
    let update = Update {
        attributes: Some(Arc::new(PathAttributes { next_hop: classic, ..path.clone() })),
        ..Update::default()
    };
    let context = EncodeContext { message_limit: EXTENDED_MESSAGE_LIMIT, ..EncodeContext::default() };
    let mut message = BytesMut::new();
    Message::Update(update).encode(&context, &mut message).ok()?;
    let mut out = BytesMut::from(message.get(UPDATE_HEAD..)?);
    if let NextHop::V6 { address, link_local } = next_hop {
        let addresses: Vec<Ipv6Addr> = [Some(address), link_local].into_iter().flatten().collect();
        let length = 16 * addresses.len() as u8;
        out.put_u8(AttributeFlags::OPTIONAL.0);
        out.put_u8(AttributeType::MP_REACH_NLRI.0);
        out.put_u8(length + 1);
        out.put_u8(length);
        addresses.iter().for_each(|address| out.put_slice(&address.octets()));
    }
    (out.len() <= usize::from(u16::MAX)).then(|| out.freeze())
}
