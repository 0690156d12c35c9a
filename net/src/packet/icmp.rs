//! ICMP for IPv4 (RFC 792).

use bytes::{BufMut, BytesMut};

use super::internet_checksum;
use super::reader::Reader;
use crate::DecodeError;

/// An ICMP type (IANA "ICMP Type Numbers").
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct IcmpType(pub u8);

impl IcmpType {
    /// Echo reply.
    pub const ECHO_REPLY: IcmpType = IcmpType(0);
    /// Destination unreachable.
    pub const DESTINATION_UNREACHABLE: IcmpType = IcmpType(3);
    /// Echo request.
    pub const ECHO_REQUEST: IcmpType = IcmpType(8);
    /// Time exceeded.
    pub const TIME_EXCEEDED: IcmpType = IcmpType(11);
}

/// An ICMP header, eight octets.
///
/// ```text
/// | type 8 | code 8 | checksum 16 | rest of header 32 | data … |
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IcmpHeader {
    /// What the message is.
    pub icmp_type: IcmpType,
    /// Its variant.
    pub code: u8,
    /// The four octets whose meaning depends on the type.
    pub rest_of_header: [u8; 4],
}

impl IcmpHeader {
    /// An echo request or reply.
    pub const fn echo(icmp_type: IcmpType, identifier: u16, sequence: u16) -> IcmpHeader {
        let [a, b] = identifier.to_be_bytes();
        let [c, d] = sequence.to_be_bytes();
        IcmpHeader { icmp_type, code: 0, rest_of_header: [a, b, c, d] }
    }

    /// Identifier and sequence number, if this is an echo request or reply.
    pub const fn echo_ids(&self) -> Option<(u16, u16)> {
        let [a, b, c, d] = self.rest_of_header;
        match self.icmp_type {
            IcmpType::ECHO_REQUEST | IcmpType::ECHO_REPLY => {
                Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
            }
            _ => None,
        }
    }

    /// The header and the data behind it.
    pub fn parse(octets: &[u8]) -> Result<(IcmpHeader, &[u8]), DecodeError> {
        let mut reader = Reader::new(octets);
        let icmp_type = IcmpType(reader.u8("icmp.type")?);
        let code = reader.u8("icmp.code")?;
        reader.u16("icmp.checksum")?;
        let rest_of_header = reader.array("icmp.rest_of_header")?;
        Ok((IcmpHeader { icmp_type, code, rest_of_header }, reader.rest()))
    }

    /// Appends header and data with the checksum over both.
    pub fn encode(&self, data: &[u8], out: &mut BytesMut) {
        let start = out.len();
        out.put_u8(self.icmp_type.0);
        out.put_u8(self.code);
        out.put_u16(0);
        out.put_slice(&self.rest_of_header);
        out.put_slice(data);
        super::checksum::patch(out, start, 2, internet_checksum(out.get(start..).unwrap_or_default()));
    }
}
