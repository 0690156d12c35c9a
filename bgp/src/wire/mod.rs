//! The wire codec: octets to typed messages and back.
//!
//! Decoding takes the negotiated context as an argument and reads the whole message; each attribute error has the
//! outcome that RFC 7606 gives it. Attributes, capabilities and families that are not known are data, kept and
//! re-encoded intact. No length in a message is ever trusted past its parent: each inner length first cuts a reader of
//! its own.

mod as_path;
mod attributes;
mod capability;
mod community;
mod context;
pub mod display;
mod error;
mod header;
#[cfg(feature = "serde")]
mod hex;
mod message;
mod nlri;
pub mod notification;
mod numbers;
mod open;
mod packer;
pub(crate) mod reader;
mod refresh;
#[cfg(test)]
pub(crate) mod tests;
mod update;

pub(crate) use as_path::AsPathView;
pub use as_path::{AsPath, SEGMENT_LIMIT, Segment, SegmentKind};
pub use attributes::{Aggregator, AttributeFlags, AttributeType, Origin, PartialBits, PathAttributes, RawAttribute};
pub(crate) use attributes::{AttributeView, PathView, attributes_of};
pub use capability::{
    AddPathFamily, AddPathMode, Capability, CapabilityCode, ExtendedNextHopFamily, GracefulRestart,
    GracefulRestartFamily, LongLivedFamily, Role,
};
pub use community::{Community, ExtendedCommunity, LargeCommunity};
pub use context::{
    AS_PATH_LIMIT, DecodeContext, EXTENDED_MESSAGE_LIMIT, EncodeContext, MESSAGE_LIMIT, MalformedFamily, PeerKind,
};
pub use display::{DecodeReport, DisplayOptions, decode_for_display};
pub use error::{AttributeError, EncodeError, Fault, MessageError, Outcome};
pub use header::{HEADER_LENGTH, MessageType, frame_length};
pub use message::{Decoded, Message};
pub use nlri::{MpNextHop, MpNlri, NextHop, Nlri};
pub use notification::{ErrorCode, Notification};
pub(crate) use numbers::registry;
pub use numbers::{Afi, Asn, Family, ParseAsnError, ParseFamilyError, RouterId, Safi};
pub use open::{Open, OptionalParameter, VERSION};
pub(crate) use packer::{encode_for, pack_block};
pub use packer::{pack_announcements, pack_end_of_rib, pack_withdrawals};
pub use refresh::{RefreshSubtype, RouteRefresh};
pub use update::{MpReach, MpUnreach, Update};
pub(crate) use update::{NlriView, UpdateView};
