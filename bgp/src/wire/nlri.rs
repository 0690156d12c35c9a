//! Network Layer Reachability Information: a prefix, with a path identifier where ADD-PATH was negotiated.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::{BufMut, Bytes, BytesMut};
use net::{DecodeError, DecodeErrorKind, Prefix};

use super::Family;
use super::reader::Reader;

/// One route's key on the wire (RFC 4271 §4.3, RFC 7911 §3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Nlri {
    /// RFC 7911 Path Identifier; 0 where ADD-PATH is not negotiated.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "is_zero"))]
    pub path_id: u32,
    /// The prefix.
    pub prefix: Prefix,
}

#[cfg(feature = "serde")]
fn is_zero(path_id: &u32) -> bool {
    *path_id == 0
}

impl Nlri {
    /// `prefix` without a path identifier.
    pub const fn new(prefix: Prefix) -> Nlri {
        Nlri { path_id: 0, prefix }
    }
}

impl From<Prefix> for Nlri {
    fn from(prefix: Prefix) -> Nlri {
        Nlri::new(prefix)
    }
}

impl fmt::Display for Nlri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path_id == 0 {
            write!(f, "{}", self.prefix)
        } else {
            write!(f, "{} path {}", self.prefix, self.path_id)
        }
    }
}

impl fmt::Debug for Nlri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The NLRI field of MP_REACH_NLRI or MP_UNREACH_NLRI.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(untagged))]
pub enum MpNlri {
    /// IPv4 or IPv6 unicast: all prefixes are of the attribute's family.
    Unicast(Vec<Nlri>),
    /// A family that this crate does not decode: the field's octets, kept and re-encoded intact.
    Raw(#[cfg_attr(feature = "serde", serde(serialize_with = "super::hex::serialize"))] Bytes),
}

impl MpNlri {
    /// No NLRI at all.
    pub fn is_empty(&self) -> bool {
        match self {
            MpNlri::Unicast(nlri) => nlri.is_empty(),
            MpNlri::Raw(octets) => octets.is_empty(),
        }
    }
}

/// The next hop of a route.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum NextHop {
    /// An IPv4 address.
    #[cfg_attr(feature = "serde", serde(rename = "ipv4"))]
    V4(Ipv4Addr),
    /// An IPv6 address, and the link-local address that may follow it (RFC 2545 §3). The first one is link-local
    /// itself where a sender has no global address.
    #[cfg_attr(feature = "serde", serde(rename = "ipv6"))]
    V6 {
        /// Usually global.
        address: Ipv6Addr,
        /// The second address of a 32-octet next hop.
        link_local: Option<Ipv6Addr>,
    },
}

impl NextHop {
    /// The address that the route's next hop is resolved by.
    pub const fn address(&self) -> IpAddr {
        match *self {
            NextHop::V4(address) => IpAddr::V4(address),
            NextHop::V6 { address, .. } => IpAddr::V6(address),
        }
    }
}

impl From<IpAddr> for NextHop {
    fn from(address: IpAddr) -> NextHop {
        match address {
            IpAddr::V4(address) => NextHop::V4(address),
            IpAddr::V6(address) => NextHop::V6 { address, link_local: None },
        }
    }
}

/// The Network Address of Next Hop field of MP_REACH_NLRI (RFC 4760 §3).
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(untagged))]
pub enum MpNextHop {
    /// Of a typed family.
    Address(NextHop),
    /// Of a family that this crate does not decode.
    Raw(#[cfg_attr(feature = "serde", serde(serialize_with = "super::hex::serialize"))] Bytes),
}

/// Reads prefixes of `address_bits` wide addresses until the reader is empty. Bits beyond a prefix's length are ignored
/// (RFC 4271 §4.3).
pub(super) fn parse_prefixes(
    reader: &mut Reader<'_>,
    address_bits: u8,
    add_path: bool,
    field: &'static str,
) -> Result<Vec<Nlri>, DecodeError> {
    // The shortest realistic prefix has four octets: enough room for most messages without growing, never too much.
    let mut prefixes = Vec::with_capacity(reader.remaining() / 4);
    while !reader.is_empty() {
        let path_id = if add_path { reader.u32(field)? } else { 0 };
        let length = reader.u8(field)?;
        let bad_length = DecodeErrorKind::BadLength { length: length.into() };
        if length > address_bits {
            return Err(DecodeError::new(reader.offset() - 1, field, bad_length));
        }
        let octets = reader.take(usize::from(length.div_ceil(8)), field)?;
        let prefix = if address_bits == 32 {
            Prefix::new(IpAddr::V4(padded(octets).into()), length)
        } else {
            Prefix::new(IpAddr::V6(padded(octets).into()), length)
        };
        // Never `None`: the length was checked.
        prefixes.extend(prefix.map(|prefix| Nlri { path_id, prefix }));
    }
    Ok(prefixes)
}

pub(super) fn padded<const N: usize>(octets: &[u8]) -> [u8; N] {
    let mut address = [0; N];
    address.iter_mut().zip(octets).for_each(|(to, from)| *to = *from);
    address
}

impl Nlri {
    /// Octets on the wire.
    pub(super) fn encoded_length(&self, add_path: bool) -> usize {
        (if add_path { 4 } else { 0 }) + 1 + usize::from(self.prefix.len().div_ceil(8))
    }

    pub(super) fn encode(&self, add_path: bool, out: &mut BytesMut) {
        if add_path {
            out.put_u32(self.path_id);
        }
        let length = self.prefix.len();
        out.put_u8(length);
        let count = usize::from(length.div_ceil(8));
        match self.prefix {
            Prefix::V4(prefix) => out.put_slice(prefix.bits().to_be_bytes().get(..count).unwrap_or_default()),
            Prefix::V6(prefix) => out.put_slice(prefix.bits().to_be_bytes().get(..count).unwrap_or_default()),
        }
    }
}

impl MpNlri {
    pub(super) fn parse(
        reader: &mut Reader<'_>,
        family: Family,
        add_path: bool,
        field: &'static str,
    ) -> Result<MpNlri, DecodeError> {
        match family.address_bits() {
            Some(bits) => parse_prefixes(reader, bits, add_path, field).map(MpNlri::Unicast),
            None => Ok(MpNlri::Raw(Bytes::copy_from_slice(reader.rest()))),
        }
    }

    pub(super) fn encode(&self, add_path: bool, out: &mut BytesMut) {
        match self {
            MpNlri::Unicast(nlri) => nlri.iter().for_each(|nlri| nlri.encode(add_path, out)),
            MpNlri::Raw(octets) => out.put_slice(octets),
        }
    }
}

impl MpNextHop {
    /// `octets` is the whole Network Address of Next Hop field.
    pub(super) fn parse(
        mut reader: Reader<'_>,
        family: Family,
        extended_next_hop: bool,
    ) -> Result<MpNextHop, DecodeError> {
        const FIELD: &str = "mp_reach_nlri.next_hop";
        let length = reader.remaining();
        let ipv6 = family == Family::IPV6_UNICAST || extended_next_hop;
        Ok(MpNextHop::Address(match length {
            _ if !family.is_typed() => return Ok(MpNextHop::Raw(Bytes::copy_from_slice(reader.rest()))),
            4 if family == Family::IPV4_UNICAST => NextHop::V4(reader.ipv4(FIELD)?),
            16 if ipv6 => NextHop::V6 { address: reader.ipv6(FIELD)?, link_local: None },
            32 if ipv6 => NextHop::V6 { address: reader.ipv6(FIELD)?, link_local: Some(reader.ipv6(FIELD)?) },
            _ => {
                let at = reader.offset().saturating_sub(1);
                let field = "mp_reach_nlri.next_hop_length";
                return Err(DecodeError::new(at, field, DecodeErrorKind::BadLength { length }));
            }
        }))
    }
}

impl NextHop {
    pub(super) fn encode(&self, out: &mut BytesMut) {
        match self {
            NextHop::V4(address) => out.put_slice(&address.octets()),
            NextHop::V6 { address, link_local } => {
                out.put_slice(&address.octets());
                if let Some(link_local) = link_local {
                    out.put_slice(&link_local.octets());
                }
            }
        }
    }

    pub(super) const fn encoded_length(&self) -> usize {
        match self {
            NextHop::V4(_) => 4,
            NextHop::V6 { link_local: None, .. } => 16,
            NextHop::V6 { link_local: Some(_), .. } => 32,
        }
    }
}
