//! What both sides have agreed on, as far as octets depend on it: decoding and encoding take it as an argument.

use std::collections::BTreeSet;

use super::{AttributeType, Family};

/// Longest message without RFC 8654, in octets (RFC 4271 §4.1).
pub const MESSAGE_LIMIT: usize = 4096;
/// Longest message with RFC 8654, in octets: what the length field can say.
pub const EXTENDED_MESSAGE_LIMIT: usize = 65535;
/// Most AS numbers in an AS_PATH by default. The longest in the Internet's table are below 100 except in incidents, and
/// several implementations have failed on paths of thousands. A longer path is treated as withdrawn.
pub const AS_PATH_LIMIT: usize = 750;

/// How the sender is related to us; decides which attributes it may send.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum PeerKind {
    /// Same AS.
    Internal,
    /// Another AS outside of our confederation.
    External,
    /// Another member AS of our confederation (RFC 5065).
    Confederation,
    /// Not known, as for octets from a file: nothing that depends on it is checked.
    #[default]
    Unknown,
}

/// What to do when the NLRI of a multiprotocol attribute does not parse (RFC 7606 §7.11 and §7.12 allow both).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum MalformedFamily {
    /// Reset the session.
    #[default]
    SessionReset,
    /// Ignore the family for the rest of the session (AFI/SAFI disable).
    Disable,
}

/// What decoding depends on. The default suits messages of unknown origin: four-octet AS numbers, extended messages, no
/// ADD-PATH.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DecodeContext {
    /// How the sender is related to us.
    pub peer_kind: PeerKind,
    /// We are in a confederation: internal peers may send its segments in AS_PATH (RFC 5065 §5).
    pub confederation: bool,
    /// AS numbers in AS_PATH and AGGREGATOR have four octets (RFC 6793).
    pub four_octet_as: bool,
    /// Families whose NLRI carries a path identifier (RFC 7911), in what we receive.
    pub add_path: BTreeSet<Family>,
    /// Families whose next hop may be an IPv6 address although the NLRI is IPv4 (RFC 8950).
    pub extended_next_hop: BTreeSet<Family>,
    /// Longest message to accept, in octets.
    pub message_limit: usize,
    /// Most AS numbers in an AS_PATH: [`AS_PATH_LIMIT`] unless configured.
    pub as_path_limit: usize,
    /// Attributes to discard on sight, for operators who must keep a broken one out.
    pub discard: BTreeSet<AttributeType>,
    /// What a multiprotocol attribute that does not parse does.
    pub malformed_family: MalformedFamily,
}

impl Default for DecodeContext {
    fn default() -> DecodeContext {
        DecodeContext {
            peer_kind: PeerKind::Unknown,
            confederation: false,
            four_octet_as: true,
            add_path: BTreeSet::new(),
            extended_next_hop: BTreeSet::from([Family::IPV4_UNICAST]),
            message_limit: EXTENDED_MESSAGE_LIMIT,
            as_path_limit: AS_PATH_LIMIT,
            discard: BTreeSet::new(),
            malformed_family: MalformedFamily::SessionReset,
        }
    }
}

/// What encoding depends on: peers with equal contexts can be sent the same octets.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct EncodeContext {
    /// AS numbers in AS_PATH and AGGREGATOR have four octets (RFC 6793).
    pub four_octet_as: bool,
    /// Families whose NLRI carries a path identifier (RFC 7911), in what we send.
    pub add_path: BTreeSet<Family>,
    /// Longest message that the peer accepts, in octets: [`MESSAGE_LIMIT`] or [`EXTENDED_MESSAGE_LIMIT`].
    pub message_limit: usize,
}

impl Default for EncodeContext {
    /// Four-octet AS numbers, no ADD-PATH, 4,096 octets.
    fn default() -> EncodeContext {
        EncodeContext { four_octet_as: true, add_path: BTreeSet::new(), message_limit: MESSAGE_LIMIT }
    }
}
