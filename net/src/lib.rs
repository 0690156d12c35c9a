//! Nouns that several Trunkline crates share: addresses, identifiers, prefixes, time, packet headers and the decode error.
//!
//! Entry rule: defined by IEEE, IETF or ONF (or [`Time`]), used by two crates, no state, no I/O. This is not a drawer for utilities.
#![forbid(unsafe_code)]

mod addr;
mod error;
pub mod packet;
mod prefix;
mod prefix_map;
mod time;

pub use addr::{DatapathId, MacAddr, ParseAddrError, PortId, PortNo, VlanId};
pub use error::{DecodeError, DecodeErrorKind};
pub use prefix::{Ipv4Prefix, Ipv6Prefix, ParsePrefixError, Prefix};
pub use prefix_map::PrefixMap;
pub use time::Time;
