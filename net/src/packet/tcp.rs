//! TCP header (RFC 9293 §3.1).

use std::net::{Ipv4Addr, Ipv6Addr};

use bytes::{BufMut, BytesMut};

use super::reader::Reader;
use super::{BuildError, Checksum, IpProtocol};
use crate::{DecodeError, DecodeErrorKind};

const MIN_HEADER_LEN: usize = 20;
const MAX_OPTIONS_LEN: usize = 40;

/// The control bits of a TCP header: the low eight bits, and the four reserved ones above them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct TcpFlags(pub u16);

impl TcpFlags {
    /// No more data from the sender.
    pub const FIN: TcpFlags = TcpFlags(0x01);
    /// Synchronise sequence numbers.
    pub const SYN: TcpFlags = TcpFlags(0x02);
    /// Reset.
    pub const RST: TcpFlags = TcpFlags(0x04);
    /// Push.
    pub const PSH: TcpFlags = TcpFlags(0x08);
    /// The acknowledgment number counts.
    pub const ACK: TcpFlags = TcpFlags(0x10);
    /// The urgent pointer counts.
    pub const URG: TcpFlags = TcpFlags(0x20);
    /// ECN echo (RFC 3168).
    pub const ECE: TcpFlags = TcpFlags(0x40);
    /// Congestion window reduced (RFC 3168).
    pub const CWR: TcpFlags = TcpFlags(0x80);

    /// Whether all bits of `other` are set.
    pub const fn contains(self, other: TcpFlags) -> bool {
        self.0 & other.0 == other.0
    }
}

/// A TCP header with its options.
///
/// ```text
/// | source port 16 | destination port 16 | sequence number 32 | acknowledgment number 32 |
/// | data offset 4 | reserved 4 | control bits 8 | window 16 | checksum 16 | urgent pointer 16 | options … |
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TcpHeader<'a> {
    /// From which port.
    pub source_port: u16,
    /// To which port.
    pub destination_port: u16,
    /// Sequence number.
    pub sequence_number: u32,
    /// Acknowledgment number.
    pub acknowledgment_number: u32,
    /// Control bits.
    pub flags: TcpFlags,
    /// Window.
    pub window: u16,
    /// Urgent pointer.
    pub urgent_pointer: u16,
    /// The options as they stand, padding included: a multiple of four octets, at most 40.
    pub options: &'a [u8],
}

impl<'a> TcpHeader<'a> {
    /// The header and the data behind it.
    pub fn parse(octets: &'a [u8]) -> Result<(TcpHeader<'a>, &'a [u8]), DecodeError> {
        let mut reader = Reader::new(octets);
        let source_port = reader.u16("tcp.source_port")?;
        let destination_port = reader.u16("tcp.destination_port")?;
        let sequence_number = reader.u32("tcp.sequence_number")?;
        let acknowledgment_number = reader.u32("tcp.acknowledgment_number")?;
        let offset_flags = reader.u16("tcp.data_offset")?;
        let header_len = usize::from(offset_flags >> 12) * 4;
        if header_len < MIN_HEADER_LEN {
            return Err(DecodeError::new(12, "tcp.data_offset", DecodeErrorKind::BadLength { length: header_len }));
        }
        let window = reader.u16("tcp.window")?;
        reader.u16("tcp.checksum")?;
        let urgent_pointer = reader.u16("tcp.urgent_pointer")?;
        let options = reader.take(header_len - MIN_HEADER_LEN, "tcp.options")?;
        let header = TcpHeader {
            source_port,
            destination_port,
            sequence_number,
            acknowledgment_number,
            flags: TcpFlags(offset_flags & 0x0fff),
            window,
            urgent_pointer,
            options,
        };
        Ok((header, reader.rest()))
    }

    /// Appends header and data with the checksum over both and the IPv4 pseudo-header.
    pub fn encode_ipv4(
        &self,
        source: Ipv4Addr,
        destination: Ipv4Addr,
        data: &[u8],
        out: &mut BytesMut,
    ) -> Result<(), BuildError> {
        let start = self.put(data, out)?;
        let segment = out.get(start..).unwrap_or_default();
        let mut sum = Checksum::new();
        sum.add_ipv4_pseudo_header(source, destination, IpProtocol::TCP, segment.len());
        sum.add(segment);
        super::checksum::patch(out, start, 16, sum.finish());
        Ok(())
    }

    /// Appends header and data with the checksum over both and the IPv6 pseudo-header.
    pub fn encode_ipv6(
        &self,
        source: Ipv6Addr,
        destination: Ipv6Addr,
        data: &[u8],
        out: &mut BytesMut,
    ) -> Result<(), BuildError> {
        let start = self.put(data, out)?;
        let segment = out.get(start..).unwrap_or_default();
        let mut sum = Checksum::new();
        sum.add_ipv6_pseudo_header(source, destination, IpProtocol::TCP, segment.len());
        sum.add(segment);
        super::checksum::patch(out, start, 16, sum.finish());
        Ok(())
    }

    /// Octets that the header takes.
    pub const fn header_len(&self) -> usize {
        MIN_HEADER_LEN + self.options.len().next_multiple_of(4)
    }

    fn put(&self, data: &[u8], out: &mut BytesMut) -> Result<usize, BuildError> {
        if self.options.len() > MAX_OPTIONS_LEN {
            return Err(BuildError::TooLong {
                field: "tcp.options",
                length: self.options.len(),
                limit: MAX_OPTIONS_LEN,
            });
        }
        let start = out.len();
        let header_len = self.header_len();
        out.put_u16(self.source_port);
        out.put_u16(self.destination_port);
        out.put_u32(self.sequence_number);
        out.put_u32(self.acknowledgment_number);
        out.put_u16(((header_len / 4) as u16) << 12 | (self.flags.0 & 0x0fff));
        out.put_u16(self.window);
        out.put_u16(0);
        out.put_u16(self.urgent_pointer);
        out.put_slice(self.options);
        out.put_bytes(0, header_len - MIN_HEADER_LEN - self.options.len());
        out.put_slice(data);
        Ok(start)
    }
}
