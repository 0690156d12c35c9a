//! Network Layer Reachability Information: a prefix, with a path identifier where ADD-PATH was negotiated.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::Bytes;
use net::Prefix;

/// One route's key on the wire (RFC 4271 §4.3, RFC 7911 §3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Nlri {
    /// RFC 7911 Path Identifier; 0 where ADD-PATH is not negotiated.
    pub path_id: u32,
    /// The prefix.
    pub prefix: Prefix,
}

impl Nlri {
    /// `prefix` without a path identifier.
    pub const fn new(prefix: Prefix) -> Nlri {
        Nlri { path_id: 0, prefix }
    }
}

impl From<Prefix> for Nlri {
    fn from(prefix: Prefix) -> Nlri {
        Nlri::new(prefix)
    }
}

impl fmt::Display for Nlri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path_id == 0 {
            write!(f, "{}", self.prefix)
        } else {
            write!(f, "{} path {}", self.prefix, self.path_id)
        }
    }
}

impl fmt::Debug for Nlri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The NLRI field of MP_REACH_NLRI or MP_UNREACH_NLRI.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(untagged))]
pub enum MpNlri {
    /// IPv4 or IPv6 unicast: all prefixes are of the attribute's family.
    Unicast(Vec<Nlri>),
    /// A family that this crate does not decode: the field's octets, kept and re-encoded intact.
    Raw(#[cfg_attr(feature = "serde", serde(serialize_with = "super::hex::serialize"))] Bytes),
}

impl MpNlri {
    /// No NLRI at all.
    pub fn is_empty(&self) -> bool {
        match self {
            MpNlri::Unicast(nlri) => nlri.is_empty(),
            MpNlri::Raw(octets) => octets.is_empty(),
        }
    }
}

/// The next hop of a route.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum NextHop {
    /// An IPv4 address.
    #[cfg_attr(feature = "serde", serde(rename = "ipv4"))]
    V4(Ipv4Addr),
    /// An IPv6 address, and the link-local address that may follow it (RFC 2545 §3). The first one is link-local
    /// itself where a sender has no global address.
    #[cfg_attr(feature = "serde", serde(rename = "ipv6"))]
    V6 {
        /// Usually global.
        address: Ipv6Addr,
        /// The second address of a 32-octet next hop.
        link_local: Option<Ipv6Addr>,
    },
}

impl NextHop {
    /// The address that the route's next hop is resolved by.
    pub const fn address(&self) -> IpAddr {
        match *self {
            NextHop::V4(address) => IpAddr::V4(address),
            NextHop::V6 { address, .. } => IpAddr::V6(address),
        }
    }
}

impl From<IpAddr> for NextHop {
    fn from(address: IpAddr) -> NextHop {
        match address {
            IpAddr::V4(address) => NextHop::V4(address),
            IpAddr::V6(address) => NextHop::V6 { address, link_local: None },
        }
    }
}

/// The Network Address of Next Hop field of MP_REACH_NLRI (RFC 4760 §3).
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(untagged))]
pub enum MpNextHop {
    /// Of a typed family.
    Address(NextHop),
    /// Of a family that this crate does not decode.
    Raw(#[cfg_attr(feature = "serde", serde(serialize_with = "super::hex::serialize"))] Bytes),
}
