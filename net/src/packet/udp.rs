//! UDP header (RFC 768).

use std::net::{Ipv4Addr, Ipv6Addr};

use bytes::{BufMut, BytesMut};

use super::reader::Reader;
use super::{BuildError, Checksum, IpProtocol};
use crate::{DecodeError, DecodeErrorKind};

const HEADER_LEN: usize = 8;

/// A UDP header, eight octets.
///
/// ```text
/// | source port 16 | destination port 16 | length 16 | checksum 16 |
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UdpHeader {
    /// From which port.
    pub source_port: u16,
    /// To which port.
    pub destination_port: u16,
    /// Octets of header and data.
    pub length: u16,
}

impl UdpHeader {
    /// A header for `data_len` octets; an error if that is more than a datagram holds.
    pub fn new(source_port: u16, destination_port: u16, data_len: usize) -> Result<UdpHeader, BuildError> {
        let limit = usize::from(u16::MAX) - HEADER_LEN;
        match u16::try_from(data_len + HEADER_LEN) {
            Ok(length) => Ok(UdpHeader { source_port, destination_port, length }),
            Err(_) => Err(BuildError::TooLong { field: "udp.length", length: data_len, limit }),
        }
    }

    /// The header and the data behind it, cut to the length where that is shorter.
    pub fn parse(octets: &[u8]) -> Result<(UdpHeader, &[u8]), DecodeError> {
        let mut reader = Reader::new(octets);
        let source_port = reader.u16("udp.source_port")?;
        let destination_port = reader.u16("udp.destination_port")?;
        let length = reader.u16("udp.length")?;
        reader.u16("udp.checksum")?;
        let Some(data_len) = usize::from(length).checked_sub(HEADER_LEN) else {
            return Err(DecodeError::new(4, "udp.length", DecodeErrorKind::BadLength { length: length.into() }));
        };
        let rest = reader.rest();
        let data = rest.get(..data_len).unwrap_or(rest);
        Ok((UdpHeader { source_port, destination_port, length }, data))
    }

    /// Appends header and data with the checksum over both and the IPv4 pseudo-header.
    pub fn encode_ipv4(&self, source: Ipv4Addr, destination: Ipv4Addr, data: &[u8], out: &mut BytesMut) {
        let start = self.put(data, out);
        let mut sum = Checksum::new();
        sum.add_ipv4_pseudo_header(source, destination, IpProtocol::UDP, usize::from(self.length));
        sum.add(out.get(start..).unwrap_or_default());
        super::checksum::patch(out, start, 6, never_zero(sum.finish()));
    }

    /// Appends header and data with the checksum over both and the IPv6 pseudo-header.
    pub fn encode_ipv6(&self, source: Ipv6Addr, destination: Ipv6Addr, data: &[u8], out: &mut BytesMut) {
        let start = self.put(data, out);
        let mut sum = Checksum::new();
        sum.add_ipv6_pseudo_header(source, destination, IpProtocol::UDP, usize::from(self.length));
        sum.add(out.get(start..).unwrap_or_default());
        super::checksum::patch(out, start, 6, never_zero(sum.finish()));
    }

    fn put(&self, data: &[u8], out: &mut BytesMut) -> usize {
        let start = out.len();
        out.put_u16(self.source_port);
        out.put_u16(self.destination_port);
        out.put_u16(self.length);
        out.put_u16(0);
        out.put_slice(data);
        start
    }
}

/// RFC 768: a checksum that comes out as zero is sent as all ones, because zero says that there is none.
const fn never_zero(checksum: u16) -> u16 {
    if checksum == 0 { 0xffff } else { checksum }
}
