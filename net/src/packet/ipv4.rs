//! IPv4 (RFC 791 §3.1).

use std::net::Ipv4Addr;

use bytes::{BufMut, BytesMut};

use super::reader::Reader;
use super::{BuildError, IpProtocol, internet_checksum};
use crate::{DecodeError, DecodeErrorKind};

const MIN_HEADER_LEN: usize = 20;
const MAX_OPTIONS_LEN: usize = 40;

/// An IPv4 header with its options.
///
/// ```text
/// | version 4 | IHL 4 | DSCP 6 | ECN 2 | total length 16 |
/// | identification 16 | 0 | DF | MF | fragment offset 13 |
/// | TTL 8 | protocol 8 | header checksum 16 | source 32 | destination 32 | options … |
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ipv4Header<'a> {
    /// Differentiated services code point, 6 bits (RFC 2474).
    pub dscp: u8,
    /// Explicit congestion notification, 2 bits (RFC 3168).
    pub ecn: u8,
    /// Octets after the header: total length minus header length.
    pub payload_length: u16,
    /// Identification of the datagram among its fragments.
    pub identification: u16,
    /// Not to be fragmented.
    pub dont_fragment: bool,
    /// More fragments follow.
    pub more_fragments: bool,
    /// Where this fragment stands, in units of eight octets.
    pub fragment_offset: u16,
    /// Time to live.
    pub ttl: u8,
    /// What the payload is.
    pub protocol: IpProtocol,
    /// From whom.
    pub source: Ipv4Addr,
    /// To whom.
    pub destination: Ipv4Addr,
    /// The options as they stand, padding included: a multiple of four octets, at most 40.
    pub options: &'a [u8],
}

impl<'a> Ipv4Header<'a> {
    /// A header without options, with the TTL that hosts use, not a fragment.
    pub const fn new(
        source: Ipv4Addr,
        destination: Ipv4Addr,
        protocol: IpProtocol,
        payload_length: u16,
    ) -> Ipv4Header<'a> {
        Ipv4Header {
            dscp: 0,
            ecn: 0,
            payload_length,
            identification: 0,
            dont_fragment: true,
            more_fragments: false,
            fragment_offset: 0,
            ttl: 64,
            protocol,
            source,
            destination,
            options: &[],
        }
    }

    /// The header and everything behind it, which may be more than the payload (padding) or less (cut short).
    ///
    /// The checksum is not looked at: see [`Ipv4Header::checksum_is_valid`].
    pub fn parse(octets: &'a [u8]) -> Result<(Ipv4Header<'a>, &'a [u8]), DecodeError> {
        let mut reader = Reader::new(octets);
        let version_ihl = reader.u8("ipv4.version")?;
        if version_ihl >> 4 != 4 {
            return Err(DecodeError::new(0, "ipv4.version", DecodeErrorKind::BadVersion { version: version_ihl >> 4 }));
        }
        let header_len = usize::from(version_ihl & 0x0f) * 4;
        if header_len < MIN_HEADER_LEN {
            return Err(DecodeError::new(0, "ipv4.ihl", DecodeErrorKind::BadLength { length: header_len }));
        }
        let dscp_ecn = reader.u8("ipv4.dscp")?;
        let total_length = reader.u16("ipv4.total_length")?;
        let identification = reader.u16("ipv4.identification")?;
        let fragment = reader.u16("ipv4.fragment_offset")?;
        let ttl = reader.u8("ipv4.ttl")?;
        let protocol = IpProtocol(reader.u8("ipv4.protocol")?);
        reader.u16("ipv4.checksum")?;
        let source = reader.ipv4("ipv4.source")?;
        let destination = reader.ipv4("ipv4.destination")?;
        let options = reader.take(header_len - MIN_HEADER_LEN, "ipv4.options")?;
        let Some(payload_length) = total_length.checked_sub(header_len as u16) else {
            let kind = DecodeErrorKind::BadLength { length: total_length.into() };
            return Err(DecodeError::new(2, "ipv4.total_length", kind));
        };
        let header = Ipv4Header {
            dscp: dscp_ecn >> 2,
            ecn: dscp_ecn & 3,
            payload_length,
            identification,
            dont_fragment: fragment & 0x4000 != 0,
            more_fragments: fragment & 0x2000 != 0,
            fragment_offset: fragment & 0x1fff,
            ttl,
            protocol,
            source,
            destination,
            options,
        };
        Ok((header, reader.rest()))
    }

    /// Whether the header at the start of `octets` sums up to zero. False if it is not all there.
    pub fn checksum_is_valid(octets: &[u8]) -> bool {
        let header_len = usize::from(octets.first().copied().unwrap_or_default() & 0x0f) * 4;
        header_len >= MIN_HEADER_LEN && octets.get(..header_len).is_some_and(|header| internet_checksum(header) == 0)
    }

    /// Appends the header with its checksum. Options are padded with zeros (end of options) to a multiple of four.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), BuildError> {
        if self.options.len() > MAX_OPTIONS_LEN {
            return Err(BuildError::TooLong {
                field: "ipv4.options",
                length: self.options.len(),
                limit: MAX_OPTIONS_LEN,
            });
        }
        let header_len = MIN_HEADER_LEN + self.options.len().next_multiple_of(4);
        let limit = usize::from(u16::MAX) - header_len;
        let payload_length = usize::from(self.payload_length);
        if payload_length > limit {
            return Err(BuildError::TooLong { field: "ipv4.total_length", length: payload_length, limit });
        }
        let start = out.len();
        out.put_u8(0x40 | (header_len / 4) as u8);
        out.put_u8((self.dscp << 2) | (self.ecn & 3));
        out.put_u16((header_len + payload_length) as u16);
        out.put_u16(self.identification);
        let flags = if self.dont_fragment { 0x4000 } else { 0 } | if self.more_fragments { 0x2000 } else { 0 };
        out.put_u16(flags | (self.fragment_offset & 0x1fff));
        out.put_u8(self.ttl);
        out.put_u8(self.protocol.0);
        out.put_u16(0);
        out.put_slice(&self.source.octets());
        out.put_slice(&self.destination.octets());
        out.put_slice(self.options);
        out.put_bytes(0, header_len - MIN_HEADER_LEN - self.options.len());
        super::checksum::patch(out, start, 10, internet_checksum(out.get(start..).unwrap_or_default()));
        Ok(())
    }

    /// Whether this is a part of a datagram and not a whole one.
    pub const fn is_fragment(&self) -> bool {
        self.more_fragments || self.fragment_offset != 0
    }
}
