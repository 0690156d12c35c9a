//! ROUTE-REFRESH (RFC 2918, RFC 7313).

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use net::{DecodeError, DecodeErrorKind};

use super::header::HEADER_LENGTH;
use super::numbers::registry;
use super::reader::Reader;
use super::{Afi, Family, Fault, MessageError, Safi};

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

    /// `frame` is the whole message: the NOTIFICATION quotes it.
    pub(super) fn parse(mut reader: Reader<'_>, frame: &[u8]) -> Result<RouteRefresh, MessageError> {
        let wrong = |at| MessageError::new(at, Fault::RefreshLength, Bytes::copy_from_slice(frame));
        let afi = Afi(reader.u16("route_refresh.afi").map_err(wrong)?);
        let subtype = RefreshSubtype(reader.u8("route_refresh.subtype").map_err(wrong)?);
        let safi = Safi(reader.u8("route_refresh.safi").map_err(wrong)?);
        // RFC 7313 §5: BoRR and EoRR are exactly 23 octets; filter entries may follow a request only.
        if matches!(subtype, RefreshSubtype::BEGIN | RefreshSubtype::END) && !reader.is_empty() {
            let kind = DecodeErrorKind::BadLength { length: HEADER_LENGTH + 4 + reader.remaining() };
            return Err(wrong(DecodeError::new(16, "header.length", kind)));
        }
        let trailing = Bytes::copy_from_slice(reader.rest());
        Ok(RouteRefresh { family: Family { afi, safi }, subtype, trailing })
    }

    pub(super) fn encode(&self, out: &mut BytesMut) {
        out.put_u16(self.family.afi.0);
        out.put_u8(self.subtype.0);
        out.put_u8(self.family.safi.0);
        out.put_slice(&self.trailing);
    }
}
