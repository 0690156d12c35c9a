//! ARP for IPv4 over Ethernet (RFC 826).

use std::net::Ipv4Addr;

use bytes::{BufMut, BytesMut};

use super::reader::Reader;
use crate::{DecodeError, DecodeErrorKind, MacAddr};

/// ARP's `ar$op`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ArpOperation(pub u16);

impl ArpOperation {
    /// Who has?
    pub const REQUEST: ArpOperation = ArpOperation(1);
    /// I have.
    pub const REPLY: ArpOperation = ArpOperation(2);
}

/// One ARP packet, 28 octets.
///
/// ```text
/// | hardware type = 1 16 | protocol type = 0x0800 16 | hlen = 6 8 | plen = 4 8 | operation 16 |
/// | sender MAC 48 | sender IPv4 32 | target MAC 48 | target IPv4 32 |
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arp {
    /// Request, reply, or what the number says.
    pub operation: ArpOperation,
    /// The sender's MAC address.
    pub sender_mac: MacAddr,
    /// The sender's IPv4 address; 0.0.0.0 in an address probe (RFC 5227 §2.1.1).
    pub sender_ip: Ipv4Addr,
    /// Whose address is asked for, zero in a request; or to whom the reply goes.
    pub target_mac: MacAddr,
    /// The address that is asked for.
    pub target_ip: Ipv4Addr,
}

impl Arp {
    /// The packet and what is behind it (padding). Other hardware and protocol types are refused.
    pub fn parse(octets: &[u8]) -> Result<(Arp, &[u8]), DecodeError> {
        let mut reader = Reader::new(octets);
        let fixed = [("arp.hardware_type", 1u16), ("arp.protocol_type", 0x0800), ("arp.address_lengths", 0x0604)];
        for (field, expected) in fixed {
            let offset = reader.offset();
            let value = reader.u16(field)?;
            if value != expected {
                return Err(DecodeError::new(offset, field, DecodeErrorKind::BadValue { value: value.into() }));
            }
        }
        let arp = Arp {
            operation: ArpOperation(reader.u16("arp.operation")?),
            sender_mac: reader.mac("arp.sender_mac")?,
            sender_ip: reader.ipv4("arp.sender_ip")?,
            target_mac: reader.mac("arp.target_mac")?,
            target_ip: reader.ipv4("arp.target_ip")?,
        };
        Ok((arp, reader.rest()))
    }

    /// Appends the packet.
    pub fn encode(&self, out: &mut BytesMut) {
        out.put_u16(1);
        out.put_u16(0x0800);
        out.put_u16(0x0604);
        out.put_u16(self.operation.0);
        out.put_slice(&self.sender_mac.0);
        out.put_slice(&self.sender_ip.octets());
        out.put_slice(&self.target_mac.0);
        out.put_slice(&self.target_ip.octets());
    }
}
