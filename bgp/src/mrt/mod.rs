//! MRT files (RFC 6396, RFC 8050): tables and messages as route collectors and daemons write them, read and written.
//!
//! A file is records one after the other; [`Records`] cuts them out of octets as they come, so that a file of any size
//! needs the memory of one record. Records of types that are not known here are data, kept and written as they came.
//! Path attributes and BGP messages stay octets until somebody asks: [`attributes()`], [`Bgp4mpMessage::context`].

mod attributes;
mod bgp4mp;
mod dump;
mod number;
mod record;
mod recording;
mod records;
mod table_dump;
mod table_dump_v2;
#[cfg(test)]
mod tests;

pub use attributes::{RouteAttributes, attributes, encode_attributes};
pub use bgp4mp::{Bgp4mpMessage, Ends, SessionState, StateChange};
pub use dump::TableDumper;
pub use number::RecordType;
pub use record::{Body, MrtEncodeError, RECORD_HEADER, Record, Timestamp};
pub use recording::{RecordedEnds, RecordedTerms, Recording};
pub use records::{RECORD_LIMIT, RecordError, Records};
pub use table_dump::TableDump;
pub use table_dump_v2::{Peer, PeerIndexTable, Rib, RibEntry, RibNlri};
