//! UPDATE (RFC 4271 §4.3, RFC 4760).

mod codec;
mod view;

pub(crate) use view::{NlriView, UpdateView};

use std::sync::Arc;

use super::{Family, MpNextHop, MpNlri, Nlri, PathAttributes, RawAttribute};

/// An UPDATE message.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Update {
    /// Withdrawn Routes: IPv4 unicast.
    #[cfg_attr(feature = "serde", serde(rename = "withdrawn_routes", skip_serializing_if = "Vec::is_empty"))]
    pub withdrawn: Vec<Nlri>,
    /// MP_UNREACH_NLRI.
    #[cfg_attr(feature = "serde", serde(rename = "mp_unreach_nlri", skip_serializing_if = "Option::is_none"))]
    pub mp_unreach: Option<MpUnreach>,
    /// The path that the announced routes share. `None` if the message has none, or none that can be used.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "path_attributes", skip_serializing_if = "Option::is_none", serialize_with = "shared")
    )]
    pub attributes: Option<Arc<PathAttributes>>,
    /// MP_REACH_NLRI.
    #[cfg_attr(feature = "serde", serde(rename = "mp_reach_nlri", skip_serializing_if = "Option::is_none"))]
    pub mp_reach: Option<MpReach>,
    /// NLRI: IPv4 unicast.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub nlri: Vec<Nlri>,
    /// The attributes as they came, multiprotocol ones apart, of a message that has not got both ORIGIN and AS_PATH.
    /// They mean nothing: such a message announces nothing, or its routes are treated as withdrawn.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub stray_attributes: Vec<RawAttribute>,
}

#[cfg(feature = "serde")]
fn shared<S: serde::Serializer>(attributes: &Option<Arc<PathAttributes>>, serializer: S) -> Result<S::Ok, S::Error> {
    serde::Serialize::serialize(&attributes.as_deref(), serializer)
}

/// MP_REACH_NLRI (RFC 4760 §3): routes of one family and their next hop.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct MpReach {
    /// The routes' family.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub family: Family,
    /// Their next hop.
    pub next_hop: MpNextHop,
    /// The routes.
    pub nlri: MpNlri,
}

/// MP_UNREACH_NLRI (RFC 4760 §4): routes of one family that are gone.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct MpUnreach {
    /// The routes' family.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub family: Family,
    /// The routes.
    pub nlri: MpNlri,
}

impl Update {
    /// The family whose End-of-RIB marker this is (RFC 4724 §2), if it is one.
    pub fn end_of_rib(&self) -> Option<Family> {
        let idle = self.withdrawn.is_empty()
            && self.nlri.is_empty()
            && self.attributes.is_none()
            && self.mp_reach.is_none()
            && self.stray_attributes.is_empty();
        match &self.mp_unreach {
            _ if !idle => None,
            None => Some(Family::IPV4_UNICAST),
            Some(unreach) => unreach.nlri.is_empty().then_some(unreach.family),
        }
    }

    /// The End-of-RIB marker of `family` (RFC 4724 §2).
    pub fn new_end_of_rib(family: Family) -> Update {
        let nlri = if family.is_typed() { MpNlri::Unicast(Vec::new()) } else { MpNlri::Raw(bytes::Bytes::new()) };
        let mp_unreach = (family != Family::IPV4_UNICAST).then_some(MpUnreach { family, nlri });
        Update { mp_unreach, ..Update::default() }
    }

    /// Whether the message announces routes: RFC 7606 §5.2's "reachable NLRI".
    pub fn announces(&self) -> bool {
        !self.nlri.is_empty() || self.mp_reach.is_some()
    }
}
