//! One MRT record: the common header (RFC 6396 §2, §3) and what is in it.
//!
//! ```text
//! 0           4      6         8        12
//! +-----------+------+---------+--------+--------------------+-------
//! | timestamp | type | subtype | length | microseconds (_ET) | body ...
//! +-----------+------+---------+--------+--------------------+-------
//! ```
//! Length counts what follows it, microseconds included.

use std::fmt;
use std::net::IpAddr;

use bytes::{BufMut, Bytes, BytesMut};
use net::{DecodeError, DecodeErrorKind};

use super::bgp4mp::{Bgp4mpMessage, StateChange};
use super::number::RecordType;
use super::table_dump::TableDump;
use super::table_dump_v2::{PeerIndexTable, Rib};
use crate::wire::reader::Reader;

/// Octets of the header that every record has.
pub const RECORD_HEADER: usize = 12;
/// Microseconds in a second: what the extended timestamp stays below.
const MICROSECONDS: u32 = 1_000_000;

/// A record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// When it was written, or what is in it was seen.
    pub time: Timestamp,
    /// What is in it. Its type and subtype follow from this.
    pub body: Body,
}

/// A record's time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Timestamp {
    /// Seconds since 1970.
    pub seconds: u32,
    /// Only in records of an extended type; below a million.
    pub microseconds: Option<u32>,
}

/// What is in a record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Body {
    /// TABLE_DUMP: one route of one peer.
    TableDump(TableDump),
    /// TABLE_DUMP_V2, PEER_INDEX_TABLE: the peers that the records after it mean.
    PeerIndexTable(PeerIndexTable),
    /// TABLE_DUMP_V2: one prefix with the routes of all peers.
    Rib(Rib),
    /// BGP4MP or BGP4MP_ET: a message.
    Message(Bgp4mpMessage),
    /// BGP4MP or BGP4MP_ET: a session changed its state.
    StateChange(StateChange),
    /// A type or subtype that is not known here, or that nobody uses any more.
    Unknown {
        /// Its type.
        kind: RecordType,
        /// Its subtype.
        subtype: u16,
        /// What follows the header and the microseconds.
        octets: Bytes,
    },
}

/// A record that cannot be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MrtEncodeError {
    /// A list or an octet string is longer than its length field can say.
    TooLong {
        /// Which.
        field: &'static str,
        /// How long.
        length: usize,
    },
    /// An address of one family where the record says the other, or two that do not go together.
    AddressFamily {
        /// Which.
        field: &'static str,
    },
    /// An extended type without microseconds, microseconds in a type that has none, or a million of them and more.
    Microseconds,
}

impl fmt::Display for MrtEncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MrtEncodeError::TooLong { field, length } => write!(f, "{field}: {length} are more than its field can say"),
            MrtEncodeError::AddressFamily { field } => write!(f, "{field}: an address of the other family"),
            MrtEncodeError::Microseconds => f.write_str("timestamp: its microseconds do not go with the record's type"),
        }
    }
}

impl std::error::Error for MrtEncodeError {}

impl Record {
    /// Decodes one whole record, whose header says that it is as long as `octets`. Offsets in errors count from its
    /// start.
    ///
    /// # Errors
    /// Something does not fit, or is not used up.
    pub fn decode(octets: &[u8]) -> Result<Record, DecodeError> {
        let mut header = Reader::new(octets, 0);
        let seconds = header.u32("header.timestamp")?;
        let kind = RecordType(header.u16("header.type")?);
        let subtype = header.u16("header.subtype")?;
        let length = header.u32("header.length")?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let mut reader = header.cut(length, "record")?;
        header.finish("record")?;
        let microseconds = if kind.is_extended() {
            let at = reader.offset();
            let value = reader.u32("header.microseconds")?;
            if value >= MICROSECONDS {
                let wrong = DecodeErrorKind::BadValue { value: value.into() };
                return Err(DecodeError::new(at, "header.microseconds", wrong));
            }
            Some(value)
        } else {
            None
        };
        let body = Body::parse(kind, subtype, &mut reader)?;
        reader.finish("record.body")?;
        Ok(Record { time: Timestamp { seconds, microseconds }, body })
    }

    /// Appends the record; on error nothing is appended.
    ///
    /// # Errors
    /// It holds what no record can.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), MrtEncodeError> {
        let start = out.len();
        let written = self.put(out);
        if written.is_err() {
            out.truncate(start);
        }
        written
    }

    fn put(&self, out: &mut BytesMut) -> Result<(), MrtEncodeError> {
        let start = out.len();
        let (kind, subtype) = (self.kind(), self.subtype());
        if kind.is_extended() != self.time.microseconds.is_some() {
            return Err(MrtEncodeError::Microseconds);
        }
        out.put_u32(self.time.seconds);
        out.put_u16(kind.0);
        out.put_u16(subtype);
        out.put_u32(0);
        if let Some(microseconds) = self.time.microseconds {
            if microseconds >= MICROSECONDS {
                return Err(MrtEncodeError::Microseconds);
            }
            out.put_u32(microseconds);
        }
        match &self.body {
            Body::TableDump(dump) => dump.put(out)?,
            Body::PeerIndexTable(table) => table.put(out)?,
            Body::Rib(rib) => rib.put(out)?,
            Body::Message(message) => message.put(out)?,
            Body::StateChange(change) => change.put(out)?,
            Body::Unknown { octets, .. } => out.put_slice(octets),
        }
        let length = out.len() - start - RECORD_HEADER;
        let length = u32::try_from(length).map_err(|_| MrtEncodeError::TooLong { field: "record", length })?;
        if let Some(field) = out.get_mut(start + 8..start + RECORD_HEADER) {
            field.copy_from_slice(&length.to_be_bytes());
        }
        Ok(())
    }

    /// The record's type.
    pub const fn kind(&self) -> RecordType {
        match &self.body {
            Body::TableDump(_) => RecordType::TABLE_DUMP,
            Body::PeerIndexTable(_) | Body::Rib(_) => RecordType::TABLE_DUMP_V2,
            Body::Message(_) | Body::StateChange(_) if self.time.microseconds.is_some() => RecordType::BGP4MP_ET,
            Body::Message(_) | Body::StateChange(_) => RecordType::BGP4MP,
            Body::Unknown { kind, .. } => *kind,
        }
    }

    /// The record's subtype.
    pub fn subtype(&self) -> u16 {
        match &self.body {
            Body::TableDump(dump) => dump.subtype(),
            Body::PeerIndexTable(_) => PeerIndexTable::SUBTYPE,
            Body::Rib(rib) => rib.subtype(),
            Body::Message(message) => message.subtype(),
            Body::StateChange(change) => change.subtype(),
            Body::Unknown { subtype, .. } => *subtype,
        }
    }
}

impl Body {
    fn parse(kind: RecordType, subtype: u16, reader: &mut Reader<'_>) -> Result<Body, DecodeError> {
        match kind {
            RecordType::TABLE_DUMP if matches!(subtype, 1 | 2) => {
                TableDump::parse(subtype, reader).map(Body::TableDump)
            }
            RecordType::TABLE_DUMP_V2 if subtype == PeerIndexTable::SUBTYPE => {
                PeerIndexTable::parse(reader).map(Body::PeerIndexTable)
            }
            RecordType::TABLE_DUMP_V2 if Rib::is_subtype(subtype) => Rib::parse(subtype, reader).map(Body::Rib),
            RecordType::BGP4MP | RecordType::BGP4MP_ET if Bgp4mpMessage::is_subtype(subtype) => {
                Bgp4mpMessage::parse(subtype, reader).map(Body::Message)
            }
            RecordType::BGP4MP | RecordType::BGP4MP_ET if matches!(subtype, 0 | 5) => {
                StateChange::parse(subtype, reader).map(Body::StateChange)
            }
            _ => {
                let octets = Bytes::copy_from_slice(reader.take(reader.remaining(), "record.body")?);
                Ok(Body::Unknown { kind, subtype, octets })
            }
        }
    }
}

/// An address of the family that `ipv6` says.
pub(super) fn take_address(reader: &mut Reader<'_>, ipv6: bool, field: &'static str) -> Result<IpAddr, DecodeError> {
    if ipv6 { reader.ipv6(field).map(IpAddr::V6) } else { reader.ipv4(field).map(IpAddr::V4) }
}

pub(super) fn put_address(out: &mut BytesMut, address: IpAddr) {
    match address {
        IpAddr::V4(address) => out.put_slice(&address.octets()),
        IpAddr::V6(address) => out.put_slice(&address.octets()),
    }
}

/// A length in two octets, and what it counts.
pub(super) fn put_counted(out: &mut BytesMut, octets: &[u8], field: &'static str) -> Result<(), MrtEncodeError> {
    put_count(out, octets.len(), field)?;
    out.put_slice(octets);
    Ok(())
}

pub(super) fn put_count(out: &mut BytesMut, length: usize, field: &'static str) -> Result<(), MrtEncodeError> {
    out.put_u16(u16::try_from(length).map_err(|_| MrtEncodeError::TooLong { field, length })?);
    Ok(())
}
