//! ROUTE-REFRESH (RFC 2918, RFC 7313).

use bytes::Bytes;

use super::Family;
use super::numbers::registry;
use std::fmt;

registry! {
    /// Message subtype (RFC 7313 §3.2): the octet that RFC 2918 reserves.
    RefreshSubtype(u8) {
        /// Send the family again.
        REQUEST = 0, "request";
        /// Beginning of a route refresh: what is not announced until the end is gone.
        BEGIN = 1, "BoRR";
        /// End of a route refresh.
        END = 2, "EoRR";
    }
}

/// A ROUTE-REFRESH message.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct RouteRefresh {
    /// The family.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub family: Family,
    /// What it says about it.
    pub subtype: RefreshSubtype,
    /// Outbound route filter entries (RFC 5291) and whatever else follows; not decoded.
    #[cfg_attr(
        feature = "serde",
        serde(serialize_with = "super::hex::serialize", skip_serializing_if = "Bytes::is_empty")
    )]
    pub trailing: Bytes,
}

impl RouteRefresh {
    /// A message of `subtype` for `family`.
    pub const fn new(family: Family, subtype: RefreshSubtype) -> RouteRefresh {
        RouteRefresh { family, subtype, trailing: Bytes::new() }
    }
}
