//! IPv6 with the walk over its extension headers (RFC 8200 §3 and §4).

use std::net::Ipv6Addr;

use bytes::{BufMut, BytesMut};

use super::reader::Reader;
use super::{BuildError, IpProtocol};
use crate::{DecodeError, DecodeErrorKind};

/// Extension headers that are walked before giving up. RFC 8200 §4.1 orders at most seven in a packet that makes sense; a longer chain
/// costs time and hides the upper layer, so the packet then shows no upper layer and an error.
pub const MAX_EXTENSION_HEADERS: usize = 8;

/// The part of a fragment header (RFC 8200 §4.5) that says which part of the datagram this is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fragment {
    /// Where this fragment stands, in units of eight octets.
    pub offset: u16,
    /// More fragments follow.
    pub more: bool,
}

/// An IPv6 header with its extension headers.
///
/// ```text
/// | version 4 | traffic class 8 | flow label 20 | payload length 16 | next header 8 | hop limit 8 |
/// | source 128 | destination 128 | extension headers … |
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ipv6Header<'a> {
    /// DSCP and ECN.
    pub traffic_class: u8,
    /// Flow label, 20 bits.
    pub flow_label: u32,
    /// Octets after the fixed header, extension headers included.
    pub payload_length: u16,
    /// What stands right behind the fixed header.
    pub next_header: IpProtocol,
    /// Hop limit.
    pub hop_limit: u8,
    /// From whom.
    pub source: Ipv6Addr,
    /// To whom.
    pub destination: Ipv6Addr,
    /// The extension headers as they stand.
    pub extensions: &'a [u8],
    /// The upper-layer protocol: the next header of the last extension header; or where the walk stopped.
    pub protocol: IpProtocol,
    /// From the fragment header, if there is one.
    pub fragment: Option<Fragment>,
}

impl<'a> Ipv6Header<'a> {
    /// A header without extension headers, with the hop limit that hosts use.
    pub const fn new(
        source: Ipv6Addr,
        destination: Ipv6Addr,
        protocol: IpProtocol,
        payload_length: u16,
    ) -> Ipv6Header<'a> {
        Ipv6Header {
            traffic_class: 0,
            flow_label: 0,
            payload_length,
            next_header: protocol,
            hop_limit: 64,
            source,
            destination,
            extensions: &[],
            protocol,
            fragment: None,
        }
    }

    /// The header, everything behind its extension headers (which may be more than the payload, or less), and why the walk over
    /// the extension headers stopped early, if it did.
    pub fn parse(octets: &'a [u8]) -> Result<(Ipv6Header<'a>, &'a [u8], Option<DecodeError>), DecodeError> {
        let mut reader = Reader::new(octets);
        let first = reader.u32("ipv6.version")?;
        if first >> 28 != 6 {
            let kind = DecodeErrorKind::BadVersion { version: (first >> 28) as u8 };
            return Err(DecodeError::new(0, "ipv6.version", kind));
        }
        let payload_length = reader.u16("ipv6.payload_length")?;
        let next_header = IpProtocol(reader.u8("ipv6.next_header")?);
        let hop_limit = reader.u8("ipv6.hop_limit")?;
        let source = reader.ipv6("ipv6.source")?;
        let destination = reader.ipv6("ipv6.destination")?;
        let start = reader.offset();
        // The walk stays inside what the payload length gives: extension headers in the padding are none.
        let rest = reader.rest();
        let inside = rest.get(..usize::from(payload_length)).unwrap_or(rest);
        let walk = walk(inside, next_header);
        let (extensions, _) = rest.split_at_checked(walk.len).unwrap_or_default();
        let header = Ipv6Header {
            traffic_class: (first >> 20) as u8,
            flow_label: first & 0x000f_ffff,
            payload_length,
            next_header,
            hop_limit,
            source,
            destination,
            extensions,
            protocol: walk.protocol,
            fragment: walk.fragment,
        };
        Ok((header, rest.get(walk.len..).unwrap_or_default(), walk.error.map(|error| error.shifted(start))))
    }

    /// Appends the fixed header and the extension headers as they stand; `next_header` has to name the first of them.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), BuildError> {
        let limit = usize::from(self.payload_length);
        if self.extensions.len() > limit {
            return Err(BuildError::TooLong { field: "ipv6.extensions", length: self.extensions.len(), limit });
        }
        out.put_u32((6 << 28) | (u32::from(self.traffic_class) << 20) | (self.flow_label & 0x000f_ffff));
        out.put_u16(self.payload_length);
        out.put_u8(self.next_header.0);
        out.put_u8(self.hop_limit);
        out.put_slice(&self.source.octets());
        out.put_slice(&self.destination.octets());
        out.put_slice(self.extensions);
        Ok(())
    }
}

struct Walk {
    /// Octets of extension headers walked over.
    len: usize,
    protocol: IpProtocol,
    fragment: Option<Fragment>,
    error: Option<DecodeError>,
}

/// Walks from extension header to extension header. Each is at least eight octets long, so the walk makes progress.
fn walk(octets: &[u8], first: IpProtocol) -> Walk {
    let mut walk = Walk { len: 0, protocol: first, fragment: None, error: None };
    for _ in 0..MAX_EXTENSION_HEADERS {
        if !is_extension(walk.protocol) {
            return walk;
        }
        let mut reader = Reader::new(octets.get(walk.len..).unwrap_or_default());
        match extension(&mut reader, walk.protocol) {
            Ok((next, fragment)) => {
                walk.len += reader.offset();
                walk.protocol = next;
                walk.fragment = walk.fragment.or(fragment);
                if fragment.is_some_and(|fragment| fragment.offset != 0) {
                    // What follows belongs to the middle of the datagram: no header starts here.
                    return walk;
                }
            }
            Err(error) => {
                walk.error = Some(error.shifted(walk.len));
                return walk;
            }
        }
    }
    if is_extension(walk.protocol) {
        let kind = DecodeErrorKind::BadType { value: walk.protocol.0.into() };
        walk.error = Some(DecodeError::new(walk.len, "ipv6.extension", kind));
    }
    walk
}

const fn is_extension(protocol: IpProtocol) -> bool {
    matches!(
        protocol,
        IpProtocol::HOP_BY_HOP
            | IpProtocol::ROUTING
            | IpProtocol::FRAGMENT
            | IpProtocol::AUTHENTICATION
            | IpProtocol::DESTINATION_OPTIONS
            | IpProtocol::MOBILITY
    )
}

fn extension(reader: &mut Reader<'_>, kind: IpProtocol) -> Result<(IpProtocol, Option<Fragment>), DecodeError> {
    let next = IpProtocol(reader.u8("ipv6.extension.next_header")?);
    let length = usize::from(reader.u8("ipv6.extension.length")?);
    match kind {
        IpProtocol::FRAGMENT => {
            let offset = reader.u16("ipv6.fragment.offset")?;
            reader.u32("ipv6.fragment.identification")?;
            Ok((next, Some(Fragment { offset: offset >> 3, more: offset & 1 != 0 })))
        }
        // RFC 4302 §2.2: in units of four octets, minus two.
        IpProtocol::AUTHENTICATION => {
            reader.take(((length + 2) * 4).max(8) - 2, "ipv6.extension")?;
            Ok((next, None))
        }
        _ => {
            reader.take(length * 8 + 6, "ipv6.extension")?;
            Ok((next, None))
        }
    }
}
