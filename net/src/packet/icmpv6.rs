//! ICMPv6 (RFC 4443) and its Neighbour Discovery messages (RFC 4861 §4).

use std::net::Ipv6Addr;

use bytes::{BufMut, BytesMut};

use super::reader::Reader;
use super::{Checksum, IpProtocol};
use crate::{DecodeError, DecodeErrorKind, MacAddr};

/// An ICMPv6 type (IANA "ICMPv6 'type' Numbers").
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Icmpv6Type(pub u8);

impl Icmpv6Type {
    /// Destination unreachable.
    pub const DESTINATION_UNREACHABLE: Icmpv6Type = Icmpv6Type(1);
    /// Echo request.
    pub const ECHO_REQUEST: Icmpv6Type = Icmpv6Type(128);
    /// Echo reply.
    pub const ECHO_REPLY: Icmpv6Type = Icmpv6Type(129);
    /// Router solicitation.
    pub const ROUTER_SOLICITATION: Icmpv6Type = Icmpv6Type(133);
    /// Router advertisement.
    pub const ROUTER_ADVERTISEMENT: Icmpv6Type = Icmpv6Type(134);
    /// Neighbour solicitation.
    pub const NEIGHBOR_SOLICITATION: Icmpv6Type = Icmpv6Type(135);
    /// Neighbour advertisement.
    pub const NEIGHBOR_ADVERTISEMENT: Icmpv6Type = Icmpv6Type(136);
}

/// The four octets that every ICMPv6 message starts with.
///
/// ```text
/// | type 8 | code 8 | checksum 16 | body … |
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Icmpv6Header {
    /// What the message is.
    pub icmp_type: Icmpv6Type,
    /// Its variant.
    pub code: u8,
}

impl Icmpv6Header {
    /// The header and the body behind it.
    pub fn parse(octets: &[u8]) -> Result<(Icmpv6Header, &[u8]), DecodeError> {
        let mut reader = Reader::new(octets);
        let icmp_type = Icmpv6Type(reader.u8("icmpv6.type")?);
        let code = reader.u8("icmpv6.code")?;
        reader.u16("icmpv6.checksum")?;
        Ok((Icmpv6Header { icmp_type, code }, reader.rest()))
    }

    /// Appends header and body with the checksum over both and the pseudo-header (RFC 8200 §8.1).
    pub fn encode(&self, source: Ipv6Addr, destination: Ipv6Addr, body: &[u8], out: &mut BytesMut) {
        let start = out.len();
        out.put_u8(self.icmp_type.0);
        out.put_u8(self.code);
        out.put_u16(0);
        out.put_slice(body);
        let message = out.get(start..).unwrap_or_default();
        let mut sum = Checksum::new();
        sum.add_ipv6_pseudo_header(source, destination, IpProtocol::ICMPV6, message.len());
        sum.add(message);
        super::checksum::patch(out, start, 2, sum.finish());
    }

    /// Identifier and sequence number, if this is an echo request or reply with `body` behind it.
    pub fn echo_ids(&self, body: &[u8]) -> Option<(u16, u16)> {
        let [a, b, c, d] = *body.first_chunk()?;
        match self.icmp_type {
            Icmpv6Type::ECHO_REQUEST | Icmpv6Type::ECHO_REPLY => {
                Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
            }
            _ => None,
        }
    }
}

/// A Neighbour Discovery message. The rules of RFC 4861 §7.1 about hop limit 255 and the checksum look at other layers: see
/// [`Packet::transport_checksum_is_valid`](super::Packet::transport_checksum_is_valid).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NeighborDiscovery<'a> {
    /// A host looks for routers. Only recognised.
    RouterSolicitation,
    /// A router says that it is there. Only recognised.
    RouterAdvertisement,
    /// Who has this address?
    NeighborSolicitation(NeighborSolicitation<'a>),
    /// I have this address.
    NeighborAdvertisement(NeighborAdvertisement<'a>),
}

/// RFC 4861 §4.3.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NeighborSolicitation<'a> {
    /// The address that is asked for.
    pub target: Ipv6Addr,
    /// Options; the source link-layer address is absent in duplicate address detection.
    pub options: NdOptions<'a>,
}

/// RFC 4861 §4.4.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NeighborAdvertisement<'a> {
    /// The sender is a router.
    pub router: bool,
    /// Sent in answer to a solicitation.
    pub solicited: bool,
    /// Replaces a cache entry that is there.
    pub override_: bool,
    /// The address that the sender has.
    pub target: Ipv6Addr,
    /// Options.
    pub options: NdOptions<'a>,
}

impl<'a> NeighborDiscovery<'a> {
    /// Reads `body`, which stands behind `header`. `None` if the message is not of Neighbour Discovery.
    pub fn parse(header: &Icmpv6Header, body: &'a [u8]) -> Result<Option<NeighborDiscovery<'a>>, DecodeError> {
        let mut reader = Reader::new(body);
        let message = match header.icmp_type {
            Icmpv6Type::ROUTER_SOLICITATION => NeighborDiscovery::RouterSolicitation,
            Icmpv6Type::ROUTER_ADVERTISEMENT => NeighborDiscovery::RouterAdvertisement,
            Icmpv6Type::NEIGHBOR_SOLICITATION => {
                reader.u32("neighbor_solicitation.reserved")?;
                let target = target(&mut reader, "neighbor_solicitation.target")?;
                let options = NdOptions::parse(&mut reader)?;
                NeighborDiscovery::NeighborSolicitation(NeighborSolicitation { target, options })
            }
            Icmpv6Type::NEIGHBOR_ADVERTISEMENT => {
                let flags = reader.u32("neighbor_advertisement.flags")?;
                let target = target(&mut reader, "neighbor_advertisement.target")?;
                let options = NdOptions::parse(&mut reader)?;
                NeighborDiscovery::NeighborAdvertisement(NeighborAdvertisement {
                    router: flags & (1 << 31) != 0,
                    solicited: flags & (1 << 30) != 0,
                    override_: flags & (1 << 29) != 0,
                    target,
                    options,
                })
            }
            _ => return Ok(None),
        };
        if header.code != 0 {
            // RFC 4861 §7.1: the code is 0, else the message is silently discarded.
            let kind = DecodeErrorKind::BadValue { value: header.code.into() };
            return Err(DecodeError::new(0, "icmpv6.code", kind));
        }
        Ok(Some(message))
    }

    /// Appends the body (without the ICMPv6 header). Nothing for the router messages, which are only recognised.
    pub fn encode(&self, out: &mut BytesMut) {
        let (flags, target, options) = match self {
            NeighborDiscovery::RouterSolicitation | NeighborDiscovery::RouterAdvertisement => return,
            NeighborDiscovery::NeighborSolicitation(message) => (0, message.target, message.options),
            NeighborDiscovery::NeighborAdvertisement(message) => {
                let flag = |on: bool, bit: u32| if on { 1u32 << bit } else { 0 };
                let flags = flag(message.router, 31) | flag(message.solicited, 30) | flag(message.override_, 29);
                (flags, message.target, message.options)
            }
        };
        out.put_u32(flags);
        out.put_slice(&target.octets());
        out.put_slice(options.octets);
    }
}

/// RFC 4861 §7.1.1 and §7.1.2: the target is not a multicast address.
fn target(reader: &mut Reader<'_>, field: &'static str) -> Result<Ipv6Addr, DecodeError> {
    let offset = reader.offset();
    let target = reader.ipv6(field)?;
    if target.is_multicast() {
        return Err(DecodeError::new(offset, field, DecodeErrorKind::BadValue { value: target.to_bits() as u64 }));
    }
    Ok(target)
}

/// Options of a Neighbour Discovery message, checked to be whole (RFC 4861 §4.6).
///
/// ```text
/// | type 8 | length 8, in units of eight octets, type and length included | value … |
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NdOptions<'a> {
    octets: &'a [u8],
}

/// One option.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NdOption<'a> {
    /// IANA "IPv6 Neighbor Discovery Option Formats".
    pub option_type: u8,
    /// What follows type and length.
    pub value: &'a [u8],
}

impl<'a> NdOptions<'a> {
    /// Source link-layer address.
    pub const SOURCE_LINK_LAYER: u8 = 1;
    /// Target link-layer address.
    pub const TARGET_LINK_LAYER: u8 = 2;

    /// Checks that `octets` is a sequence of whole options.
    pub fn new(octets: &'a [u8]) -> Result<NdOptions<'a>, DecodeError> {
        NdOptions::parse(&mut Reader::new(octets))
    }

    fn parse(reader: &mut Reader<'a>) -> Result<NdOptions<'a>, DecodeError> {
        let octets = reader.rest();
        while !reader.rest().is_empty() {
            let offset = reader.offset();
            reader.u8("nd_option.type")?;
            let length = usize::from(reader.u8("nd_option.length")?) * 8;
            if length == 0 {
                // RFC 4861 §4.6: nodes silently discard a packet with an option of length zero.
                return Err(DecodeError::new(offset + 1, "nd_option.length", DecodeErrorKind::BadLength { length }));
            }
            reader.take(length - 2, "nd_option.value")?;
        }
        Ok(NdOptions { octets })
    }

    /// The options in order.
    pub fn iter(&self) -> impl Iterator<Item = NdOption<'a>> + use<'a> {
        let mut rest = self.octets;
        std::iter::from_fn(move || {
            let [option_type, length] = *rest.first_chunk()?;
            let (option, tail) = rest.split_at_checked(usize::from(length) * 8)?;
            rest = tail;
            Some(NdOption { option_type, value: option.get(2..)? })
        })
    }

    /// The source link-layer address, if it is an Ethernet address.
    pub fn source_link_layer(&self) -> Option<MacAddr> {
        self.link_layer(NdOptions::SOURCE_LINK_LAYER)
    }

    /// The target link-layer address, if it is an Ethernet address.
    pub fn target_link_layer(&self) -> Option<MacAddr> {
        self.link_layer(NdOptions::TARGET_LINK_LAYER)
    }

    fn link_layer(&self, option_type: u8) -> Option<MacAddr> {
        let option = self.iter().find(|option| option.option_type == option_type)?;
        option.value.try_into().ok().map(MacAddr)
    }
}
