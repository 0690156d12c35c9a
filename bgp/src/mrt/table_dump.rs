//! TABLE_DUMP (RFC 6396 §4.2): one route of one peer per record, AS numbers in two octets.

use std::net::IpAddr;

use bytes::{BufMut, Bytes, BytesMut};
use net::{DecodeError, DecodeErrorKind, Prefix};

use super::record::{MrtEncodeError, put_address, put_counted, take_address};
use crate::wire::Asn;
use crate::wire::reader::Reader;

/// One route of one peer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TableDump {
    /// Which table, where there are several; usually 0.
    pub view: u16,
    /// Counts records, and starts again after 65,535.
    pub sequence: u16,
    /// The prefix.
    pub prefix: Prefix,
    /// Unused; written as 1.
    pub status: u8,
    /// When the route was last changed: seconds since 1970.
    pub originated: u32,
    /// The peer's address, of the prefix's family.
    pub peer: IpAddr,
    /// The peer's AS, in two octets.
    pub peer_asn: u16,
    /// Path attributes; AS numbers in them have two octets. See [`super::attributes()`].
    pub attributes: Bytes,
}

impl TableDump {
    pub(super) const fn subtype(&self) -> u16 {
        match self.prefix {
            Prefix::V4(_) => 1,
            Prefix::V6(_) => 2,
        }
    }

    /// The peer's AS.
    pub fn peer_asn(&self) -> Asn {
        Asn(self.peer_asn.into())
    }

    pub(super) fn parse(subtype: u16, reader: &mut Reader<'_>) -> Result<TableDump, DecodeError> {
        let ipv6 = subtype == 2;
        let view = reader.u16("table_dump.view")?;
        let sequence = reader.u16("table_dump.sequence")?;
        let address = take_address(reader, ipv6, "table_dump.prefix")?;
        let at = reader.offset();
        let length = reader.u8("table_dump.prefix_length")?;
        // Bits past the length mean nothing (RFC 4271 §4.3).
        let wrong = DecodeErrorKind::BadLength { length: length.into() };
        let prefix = Prefix::new(address, length).ok_or(DecodeError::new(at, "table_dump.prefix_length", wrong))?;
        let status = reader.u8("table_dump.status")?;
        let originated = reader.u32("table_dump.originated")?;
        let peer = take_address(reader, ipv6, "table_dump.peer")?;
        let peer_asn = reader.u16("table_dump.peer_as")?;
        let length = usize::from(reader.u16("table_dump.attribute_length")?);
        let attributes = Bytes::copy_from_slice(reader.take(length, "table_dump.attributes")?);
        Ok(TableDump { view, sequence, prefix, status, originated, peer, peer_asn, attributes })
    }

    pub(super) fn put(&self, out: &mut BytesMut) -> Result<(), MrtEncodeError> {
        if self.prefix.addr().is_ipv4() != self.peer.is_ipv4() {
            return Err(MrtEncodeError::AddressFamily { field: "table_dump.peer" });
        }
        out.put_u16(self.view);
        out.put_u16(self.sequence);
        put_address(out, self.prefix.addr());
        out.put_u8(self.prefix.len());
        out.put_u8(self.status);
        out.put_u32(self.originated);
        put_address(out, self.peer);
        out.put_u16(self.peer_asn);
        put_counted(out, &self.attributes, "table_dump.attributes")
    }
}
