//! Path attributes as values (RFC 4271 §5, §4.3 and the RFCs beside each field).

mod as_numbers;
mod decode;
mod encode;
mod structure;
mod view;

use std::collections::BTreeSet;
use std::fmt;
use std::net::Ipv4Addr;

use bytes::{Bytes, BytesMut};

use super::numbers::registry;
use super::reader::Reader;
use super::{
    AsPath, Asn, Community, DecodeContext, EXTENDED_MESSAGE_LIMIT, EncodeContext, ExtendedCommunity, LargeCommunity,
    MalformedFamily, PeerKind, RouterId,
};

pub(super) use decode::Collected;
pub(super) use encode::put_attribute;
pub(crate) use view::{AttributeView, PathView, attributes_of};

registry! {
    /// A path attribute's type code (IANA BGP Path Attributes).
    AttributeType(u8) {
        /// RFC 4271.
        ORIGIN = 1, "ORIGIN";
        /// RFC 4271.
        AS_PATH = 2, "AS_PATH";
        /// RFC 4271.
        NEXT_HOP = 3, "NEXT_HOP";
        /// RFC 4271.
        MULTI_EXIT_DISC = 4, "MULTI_EXIT_DISC";
        /// RFC 4271.
        LOCAL_PREF = 5, "LOCAL_PREF";
        /// RFC 4271.
        ATOMIC_AGGREGATE = 6, "ATOMIC_AGGREGATE";
        /// RFC 4271.
        AGGREGATOR = 7, "AGGREGATOR";
        /// RFC 1997.
        COMMUNITIES = 8, "COMMUNITIES";
        /// RFC 4456.
        ORIGINATOR_ID = 9, "ORIGINATOR_ID";
        /// RFC 4456.
        CLUSTER_LIST = 10, "CLUSTER_LIST";
        /// RFC 4760.
        MP_REACH_NLRI = 14, "MP_REACH_NLRI";
        /// RFC 4760.
        MP_UNREACH_NLRI = 15, "MP_UNREACH_NLRI";
        /// RFC 4360.
        EXTENDED_COMMUNITIES = 16, "EXTENDED_COMMUNITIES";
        /// RFC 6793.
        AS4_PATH = 17, "AS4_PATH";
        /// RFC 6793.
        AS4_AGGREGATOR = 18, "AS4_AGGREGATOR";
        /// RFC 6514; kept as data.
        PMSI_TUNNEL = 22, "PMSI_TUNNEL";
        /// RFC 9012; kept as data, its TLV structure is checked.
        TUNNEL_ENCAPSULATION = 23, "TUNNEL_ENCAPSULATION";
        /// RFC 5701; kept as data, its length is checked.
        IPV6_EXTENDED_COMMUNITIES = 25, "IPV6_EXTENDED_COMMUNITIES";
        /// RFC 7311; kept as data, its TLV structure is checked.
        AIGP = 26, "AIGP";
        /// RFC 9552; kept as data.
        BGP_LS = 29, "BGP-LS";
        /// RFC 8092.
        LARGE_COMMUNITY = 32, "LARGE_COMMUNITY";
        /// RFC 8205; kept as data.
        BGPSEC_PATH = 33, "BGPsec_PATH";
        /// RFC 9234.
        ONLY_TO_CUSTOMER = 35, "ONLY_TO_CUSTOMER";
        /// RFC 8669; kept as data, its TLV structure is checked.
        PREFIX_SID = 40, "PREFIX_SID";
    }
}

/// The Attribute Flags octet (RFC 4271 §4.3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(transparent))]
pub struct AttributeFlags(pub u8);

impl AttributeFlags {
    /// Well-known: every speaker knows it.
    pub const WELL_KNOWN: AttributeFlags = AttributeFlags(0x40);
    /// Optional, goes no further than a speaker that knows it.
    pub const OPTIONAL: AttributeFlags = AttributeFlags(0x80);
    /// Optional and passed on by speakers that don't know it.
    pub const OPTIONAL_TRANSITIVE: AttributeFlags = AttributeFlags(0xc0);
    pub(crate) const PARTIAL: u8 = 0x20;
    pub(crate) const EXTENDED_LENGTH: u8 = 0x10;

    /// High bit: not well-known.
    pub const fn is_optional(self) -> bool {
        self.0 & 0x80 != 0
    }

    /// Passed on by speakers that don't know the attribute.
    pub const fn is_transitive(self) -> bool {
        self.0 & 0x40 != 0
    }

    /// A speaker on the way did not know the attribute.
    pub const fn is_partial(self) -> bool {
        self.0 & Self::PARTIAL != 0
    }

    /// The length field has two octets.
    pub const fn is_extended_length(self) -> bool {
        self.0 & Self::EXTENDED_LENGTH != 0
    }
}

impl fmt::Debug for AttributeFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#04x}", self.0)
    }
}

/// ORIGIN (RFC 4271 §5.1.1). Lower is preferred.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "SCREAMING_SNAKE_CASE"))]
#[repr(u8)]
pub enum Origin {
    /// Interior to the originating AS.
    #[default]
    Igp = 0,
    /// Learned by EGP (RFC 904).
    Egp = 1,
    /// Some other means.
    Incomplete = 2,
}

impl Origin {
    /// From the wire.
    pub const fn from_u8(value: u8) -> Option<Origin> {
        match value {
            0 => Some(Origin::Igp),
            1 => Some(Origin::Egp),
            2 => Some(Origin::Incomplete),
            _ => None,
        }
    }
}

/// AGGREGATOR (RFC 4271 §5.1.7): who formed the aggregate.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Aggregator {
    /// Its AS.
    pub asn: Asn,
    /// Its BGP Identifier.
    pub router_id: RouterId,
}

/// An attribute that this crate does not interpret: kept and re-encoded intact.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct RawAttribute {
    /// As received, also the bits that have no meaning today.
    pub flags: AttributeFlags,
    /// Its type code.
    #[cfg_attr(feature = "serde", serde(rename = "type"))]
    pub kind: AttributeType,
    /// Its value. A copy, not a slice of the frame: a route that stays must not keep a whole frame in memory.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::wire::hex::serialize"))]
    pub value: Bytes,
}

impl RawAttribute {
    /// As it goes to other peers: `None` if the attribute is non-transitive and therefore stays here; else the same
    /// octets with the Partial bit set (RFC 4271 §5).
    pub fn forwarded(&self) -> Option<RawAttribute> {
        if !self.flags.is_transitive() {
            return None;
        }
        Some(RawAttribute { flags: AttributeFlags(self.flags.0 | AttributeFlags::PARTIAL), ..self.clone() })
    }
}

/// Which of the optional transitive attributes that have a field of their own came with the Partial bit, which once set
/// stays set (RFC 4271 §5).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct PartialBits(u8);

impl PartialBits {
    const fn mask(kind: AttributeType) -> u8 {
        match kind {
            AttributeType::AGGREGATOR => 1,
            AttributeType::COMMUNITIES => 2,
            AttributeType::EXTENDED_COMMUNITIES => 4,
            AttributeType::LARGE_COMMUNITY => 8,
            AttributeType::ONLY_TO_CUSTOMER => 16,
            _ => 0,
        }
    }

    /// Whether `kind` came with the bit.
    pub const fn contains(self, kind: AttributeType) -> bool {
        self.0 & Self::mask(kind) != 0
    }

    /// Sets the bit of `kind`; nothing happens for types that cannot have it.
    pub const fn insert(&mut self, kind: AttributeType) {
        self.0 |= Self::mask(kind);
    }

    /// Clears the bit of `kind`.
    pub const fn remove(&mut self, kind: AttributeType) {
        self.0 &= !Self::mask(kind);
    }

    /// No attribute came with the bit.
    pub const fn is_empty(&self) -> bool {
        self.0 == 0
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for PartialBits {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((0..=u8::MAX).map(AttributeType).filter(|kind| self.contains(*kind)))
    }
}

/// The path attributes of a route, MP_REACH_NLRI and MP_UNREACH_NLRI apart: these are parts of the message
/// ([`super::Update`]), not of the path.
///
/// Empty lists stand for absent attributes: no list attribute may be empty on the wire (RFC 7606 §7).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct PathAttributes {
    /// RFC 4271 §5.1.1.
    pub origin: Origin,
    /// RFC 4271 §5.1.2; four-octet, AS4_PATH merged in (RFC 6793 §4.2.3).
    pub as_path: AsPath,
    /// RFC 4271 §5.1.3: of the prefixes in the UPDATE's NLRI field. Routes of MP_REACH_NLRI have theirs beside their
    /// NLRI.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub next_hop: Option<Ipv4Addr>,
    /// MULTI_EXIT_DISC, RFC 4271 §5.1.4.
    #[cfg_attr(feature = "serde", serde(rename = "multi_exit_disc", skip_serializing_if = "Option::is_none"))]
    pub med: Option<u32>,
    /// RFC 4271 §5.1.5.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub local_pref: Option<u32>,
    /// RFC 4271 §5.1.6.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "std::ops::Not::not"))]
    pub atomic_aggregate: bool,
    /// RFC 4271 §5.1.7; AS4_AGGREGATOR merged in.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub aggregator: Option<Aggregator>,
    /// RFC 1997, in the order received.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub communities: Vec<Community>,
    /// RFC 4456 §8.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub originator_id: Option<RouterId>,
    /// RFC 4456 §8, nearest cluster first.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub cluster_list: Vec<RouterId>,
    /// RFC 4360, in the order received.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub extended_communities: Vec<ExtendedCommunity>,
    /// RFC 8092, in the order received.
    #[cfg_attr(feature = "serde", serde(rename = "large_community", skip_serializing_if = "Vec::is_empty"))]
    pub large_communities: Vec<LargeCommunity>,
    /// RFC 9234 §5.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub only_to_customer: Option<Asn>,
    /// Everything else in ascending order of type.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub unknown: Vec<RawAttribute>,
    /// Which of the attributes above came with the Partial bit.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "PartialBits::is_empty"))]
    pub partial: PartialBits,
}

impl PathAttributes {
    /// The mandatory attributes; all others absent.
    pub fn new(origin: Origin, as_path: AsPath) -> PathAttributes {
        PathAttributes { origin, as_path, ..PathAttributes::default() }
    }

    /// Appends all attributes as on the wire with four-octet AS numbers, for keeping: equal attributes, equal octets.
    pub(crate) fn encode_block(&self, out: &mut BytesMut) {
        let context = EncodeContext { four_octet_as: true, add_path: BTreeSet::new(), message_limit: usize::MAX };
        self.encode(&context, out);
    }

    /// What [`PathAttributes::encode_block`] wrote.
    pub(crate) fn decode_block(octets: &[u8]) -> PathAttributes {
        // From nobody in particular, so that nothing is unwanted; what was wrong with it was said when it came in.
        let context = DecodeContext {
            peer_kind: PeerKind::Unknown,
            confederation: false,
            four_octet_as: true,
            add_path: BTreeSet::new(),
            extended_next_hop: BTreeSet::new(),
            message_limit: EXTENDED_MESSAGE_LIMIT,
            as_path_limit: usize::MAX,
            discard: BTreeSet::new(),
            malformed_family: MalformedFamily::SessionReset,
        };
        Collected::parse(Reader::new(octets, 0), &context).attributes
    }
}
