//! Capabilities (RFC 5492): what a speaker says in its OPEN that it can do. Unknown ones, and known ones whose value
//! does not have the form its RFC demands, are kept as octets.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use net::DecodeError;

use super::numbers::registry;
use super::open::fits;
use super::reader::Reader;
use super::{Afi, Asn, EncodeError, Family, Safi};

registry! {
    /// A capability code (IANA Capability Codes).
    CapabilityCode(u8) {
        /// RFC 4760.
        MULTIPROTOCOL = 1, "multiprotocol";
        /// RFC 2918.
        ROUTE_REFRESH = 2, "route-refresh";
        /// RFC 8950.
        EXTENDED_NEXT_HOP = 5, "extended-next-hop";
        /// RFC 8654.
        EXTENDED_MESSAGE = 6, "extended-message";
        /// RFC 9234.
        ROLE = 9, "role";
        /// RFC 4724.
        GRACEFUL_RESTART = 64, "graceful-restart";
        /// RFC 6793.
        FOUR_OCTET_AS = 65, "four-octet-as";
        /// RFC 7911.
        ADD_PATH = 69, "add-path";
        /// RFC 7313.
        ENHANCED_ROUTE_REFRESH = 70, "enhanced-route-refresh";
        /// RFC 9494.
        LONG_LIVED_GRACEFUL_RESTART = 71, "long-lived-graceful-restart";
        /// draft-walton-bgp-hostname-capability.
        FQDN = 73, "fqdn";
    }
}

/// One capability.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(tag = "capability", rename_all = "kebab-case"))]
pub enum Capability {
    /// RFC 4760 §8: routes of this family can be exchanged.
    Multiprotocol {
        /// The family.
        #[cfg_attr(feature = "serde", serde(flatten))]
        family: Family,
    },
    /// RFC 2918.
    RouteRefresh,
    /// RFC 8950 §4: next hops of another address family.
    ExtendedNextHop {
        /// Each with the address family that its next hops may have.
        families: Vec<ExtendedNextHopFamily>,
    },
    /// RFC 8654: messages up to 65,535 octets.
    ExtendedMessage,
    /// RFC 9234 §4.1.
    Role {
        /// The sender's role.
        role: Role,
    },
    /// RFC 4724 §3.
    GracefulRestart(GracefulRestart),
    /// RFC 6793 §4.1.
    FourOctetAs {
        /// The sender's AS number.
        asn: Asn,
    },
    /// RFC 7911 §4.
    AddPath {
        /// Per family.
        families: Vec<AddPathFamily>,
    },
    /// RFC 7313 §3.1.
    EnhancedRouteRefresh,
    /// RFC 9494 §3.
    LongLivedGracefulRestart {
        /// Per family.
        families: Vec<LongLivedFamily>,
    },
    /// draft-walton-bgp-hostname-capability: for display only.
    Fqdn {
        /// Host name, as octets since nothing says that it is UTF-8.
        #[cfg_attr(feature = "serde", serde(serialize_with = "text"))]
        hostname: Bytes,
        /// Domain name.
        #[cfg_attr(feature = "serde", serde(serialize_with = "text"))]
        domain: Bytes,
    },
    /// Not known here, or its value is not of the form that its RFC demands (then it is ignored: RFC 5492 §3 has no
    /// error for it).
    Unknown {
        /// Its code.
        code: CapabilityCode,
        /// Its value.
        #[cfg_attr(feature = "serde", serde(serialize_with = "super::hex::serialize"))]
        value: Bytes,
    },
}

#[cfg(feature = "serde")]
fn text<S: serde::Serializer>(octets: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&String::from_utf8_lossy(octets))
}

/// One row of [`Capability::ExtendedNextHop`] (RFC 8950 §4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ExtendedNextHopFamily {
    /// NLRI AFI.
    pub afi: Afi,
    /// NLRI SAFI: two octets here, unlike anywhere else.
    pub safi: u16,
    /// Nexthop AFI.
    pub next_hop_afi: Afi,
}

/// One row of [`Capability::AddPath`] (RFC 7911 §4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct AddPathFamily {
    /// The family.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub family: Family,
    /// What the sender can do. Numbers other than 1 to 3 are ignored, but kept.
    pub send_receive: AddPathMode,
}

registry! {
    /// Send/Receive of the ADD-PATH capability (RFC 7911 §4).
    AddPathMode(u8) {
        /// Able to receive several paths.
        RECEIVE = 1, "receive";
        /// Able to send several paths.
        SEND = 2, "send";
        /// Both.
        BOTH = 3, "both";
    }
}

impl AddPathMode {
    /// Whether the speaker can receive several paths.
    pub const fn receives(self) -> bool {
        matches!(self, AddPathMode::RECEIVE | AddPathMode::BOTH)
    }

    /// Whether the speaker can send several paths.
    pub const fn sends(self) -> bool {
        matches!(self, AddPathMode::SEND | AddPathMode::BOTH)
    }
}

registry! {
    /// A role (RFC 9234 §4.1).
    Role(u8) {
        /// Provider.
        PROVIDER = 0, "provider";
        /// Route server.
        ROUTE_SERVER = 1, "rs";
        /// Client of a route server.
        ROUTE_SERVER_CLIENT = 2, "rs-client";
        /// Customer.
        CUSTOMER = 3, "customer";
        /// Lateral peer.
        PEER = 4, "peer";
    }
}

impl Role {
    /// Whether a speaker of this role may face one of role `peer` (RFC 9234 §4.2, table 2).
    pub const fn matches(self, peer: Role) -> bool {
        matches!(
            (self, peer),
            (Role::PROVIDER, Role::CUSTOMER)
                | (Role::CUSTOMER, Role::PROVIDER)
                | (Role::ROUTE_SERVER, Role::ROUTE_SERVER_CLIENT)
                | (Role::ROUTE_SERVER_CLIENT, Role::ROUTE_SERVER)
                | (Role::PEER, Role::PEER)
        )
    }
}

/// Graceful restart (RFC 4724 §3, RFC 8538 §2).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct GracefulRestart {
    /// R bit: the sender has restarted.
    pub restarting: bool,
    /// N bit (RFC 8538): also after NOTIFICATION and hold timer expiry.
    pub notification: bool,
    /// The two Restart Flags that have no meaning today, in place.
    pub reserved: u8,
    /// Seconds until the session is back, 0 to 4095.
    pub restart_time: u16,
    /// Families whose routes survive.
    pub families: Vec<GracefulRestartFamily>,
}

/// One family of [`GracefulRestart`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct GracefulRestartFamily {
    /// The family.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub family: Family,
    /// Flags; 0x80: forwarding state was preserved.
    pub flags: u8,
}

/// One family of [`Capability::LongLivedGracefulRestart`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct LongLivedFamily {
    /// The family.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub family: Family,
    /// Flags; 0x80: forwarding state was preserved.
    pub flags: u8,
    /// Seconds, 24 bits.
    pub stale_time: u32,
}

impl Capability {
    /// The capability's code.
    pub const fn code(&self) -> CapabilityCode {
        match self {
            Capability::Multiprotocol { .. } => CapabilityCode::MULTIPROTOCOL,
            Capability::RouteRefresh => CapabilityCode::ROUTE_REFRESH,
            Capability::ExtendedNextHop { .. } => CapabilityCode::EXTENDED_NEXT_HOP,
            Capability::ExtendedMessage => CapabilityCode::EXTENDED_MESSAGE,
            Capability::Role { .. } => CapabilityCode::ROLE,
            Capability::GracefulRestart(_) => CapabilityCode::GRACEFUL_RESTART,
            Capability::FourOctetAs { .. } => CapabilityCode::FOUR_OCTET_AS,
            Capability::AddPath { .. } => CapabilityCode::ADD_PATH,
            Capability::EnhancedRouteRefresh => CapabilityCode::ENHANCED_ROUTE_REFRESH,
            Capability::LongLivedGracefulRestart { .. } => CapabilityCode::LONG_LIVED_GRACEFUL_RESTART,
            Capability::Fqdn { .. } => CapabilityCode::FQDN,
            Capability::Unknown { code, .. } => *code,
        }
    }
}

impl ExtendedNextHopFamily {
    /// The NLRI's family, if the SAFI fits its usual octet.
    pub fn family(&self) -> Option<Family> {
        Some(Family { afi: self.afi, safi: Safi(u8::try_from(self.safi).ok()?) })
    }
}

impl Capability {
    /// One capability; only its code and length can be wrong, its value falls back to [`Capability::Unknown`].
    pub(super) fn parse(reader: &mut Reader<'_>) -> Result<Capability, DecodeError> {
        let code = CapabilityCode(reader.u8("open.capability.code")?);
        let length = usize::from(reader.u8("open.capability.length")?);
        let value = reader.cut(length, "open.capability.value")?;
        let known = parse_value(code, value);
        Ok(known.unwrap_or_else(|| Capability::Unknown { code, value: Bytes::copy_from_slice(value.rest()) }))
    }

    pub(super) fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        out.put_u8(self.code().0);
        let length_at = out.len();
        out.put_u8(0);
        match self {
            Capability::Multiprotocol { family } => {
                out.put_u16(family.afi.0);
                out.put_u8(0);
                out.put_u8(family.safi.0);
            }
            Capability::RouteRefresh | Capability::ExtendedMessage | Capability::EnhancedRouteRefresh => {}
            Capability::ExtendedNextHop { families } => {
                for row in families {
                    out.put_u16(row.afi.0);
                    out.put_u16(row.safi);
                    out.put_u16(row.next_hop_afi.0);
                }
            }
            Capability::Role { role } => out.put_u8(role.0),
            Capability::GracefulRestart(restart) => {
                let flags = u16::from(restart.restarting) << 3
                    | u16::from(restart.notification) << 2
                    | u16::from(restart.reserved & 3);
                out.put_u16(flags << 12 | (restart.restart_time & 0x0fff));
                for row in &restart.families {
                    put_family(out, row.family);
                    out.put_u8(row.flags);
                }
            }
            Capability::FourOctetAs { asn } => out.put_u32(asn.0),
            Capability::AddPath { families } => {
                for row in families {
                    put_family(out, row.family);
                    out.put_u8(row.send_receive.0);
                }
            }
            Capability::LongLivedGracefulRestart { families } => {
                for row in families {
                    put_family(out, row.family);
                    out.put_u8(row.flags);
                    out.put_uint(u64::from(row.stale_time & 0x00ff_ffff), 3);
                }
            }
            Capability::Fqdn { hostname, domain } => {
                for name in [hostname, domain] {
                    out.put_u8(fits(name.len(), usize::from(u8::MAX))? as u8);
                    out.put_slice(name);
                }
            }
            Capability::Unknown { value, .. } => out.put_slice(value),
        }
        let length = fits(out.len() - length_at - 1, usize::from(u8::MAX))?;
        if let Some(field) = out.get_mut(length_at) {
            *field = length as u8;
        }
        Ok(())
    }
}

fn put_family(out: &mut BytesMut, family: Family) {
    out.put_u16(family.afi.0);
    out.put_u8(family.safi.0);
}

fn take_family(reader: &mut Reader<'_>) -> Option<Family> {
    Some(Family { afi: Afi(reader.u16("afi").ok()?), safi: Safi(reader.u8("safi").ok()?) })
}

/// `None` if the code is not known or the value does not have its form.
fn parse_value(code: CapabilityCode, mut reader: Reader<'_>) -> Option<Capability> {
    let capability = match code {
        CapabilityCode::MULTIPROTOCOL => {
            let afi = Afi(reader.u16("afi").ok()?);
            reader.u8("reserved").ok()?; // RFC 4760 §8: ignored by the receiver
            Capability::Multiprotocol { family: Family { afi, safi: Safi(reader.u8("safi").ok()?) } }
        }
        CapabilityCode::ROUTE_REFRESH => Capability::RouteRefresh,
        CapabilityCode::EXTENDED_MESSAGE => Capability::ExtendedMessage,
        CapabilityCode::ENHANCED_ROUTE_REFRESH => Capability::EnhancedRouteRefresh,
        CapabilityCode::ROLE => Capability::Role { role: Role(reader.u8("role").ok()?) },
        CapabilityCode::FOUR_OCTET_AS => Capability::FourOctetAs { asn: Asn(reader.u32("asn").ok()?) },
        CapabilityCode::EXTENDED_NEXT_HOP => {
            let families = rows(&mut reader, |reader| {
                Some(ExtendedNextHopFamily {
                    afi: Afi(reader.u16("afi").ok()?),
                    safi: reader.u16("safi").ok()?,
                    next_hop_afi: Afi(reader.u16("next_hop_afi").ok()?),
                })
            })?;
            Capability::ExtendedNextHop { families }
        }
        CapabilityCode::GRACEFUL_RESTART => {
            let head = reader.u16("restart_time").ok()?;
            let families = rows(&mut reader, |reader| {
                Some(GracefulRestartFamily { family: take_family(reader)?, flags: reader.u8("flags").ok()? })
            })?;
            Capability::GracefulRestart(GracefulRestart {
                restarting: head & 0x8000 != 0,
                notification: head & 0x4000 != 0,
                reserved: (head >> 12 & 3) as u8,
                restart_time: head & 0x0fff,
                families,
            })
        }
        CapabilityCode::ADD_PATH => {
            let families = rows(&mut reader, |reader| {
                let family = take_family(reader)?;
                Some(AddPathFamily { family, send_receive: AddPathMode(reader.u8("send_receive").ok()?) })
            })?;
            // RFC 7911 §4: one or more tuples.
            if families.is_empty() {
                return None;
            }
            Capability::AddPath { families }
        }
        CapabilityCode::LONG_LIVED_GRACEFUL_RESTART => {
            let families = rows(&mut reader, |reader| {
                let family = take_family(reader)?;
                let flags = reader.u8("flags").ok()?;
                let high = u32::from(reader.u8("stale_time").ok()?);
                let low = u32::from(reader.u16("stale_time").ok()?);
                Some(LongLivedFamily { family, flags, stale_time: high << 16 | low })
            })?;
            Capability::LongLivedGracefulRestart { families }
        }
        CapabilityCode::FQDN => {
            let mut name = || {
                let length = usize::from(reader.u8("length").ok()?);
                reader.take(length, "name").ok().map(Bytes::copy_from_slice)
            };
            Capability::Fqdn { hostname: name()?, domain: name()? }
        }
        _ => return None,
    };
    reader.is_empty().then_some(capability)
}

fn rows<T>(reader: &mut Reader<'_>, mut row: impl FnMut(&mut Reader<'_>) -> Option<T>) -> Option<Vec<T>> {
    let mut rows = Vec::new();
    while !reader.is_empty() {
        rows.push(row(reader)?);
    }
    Some(rows)
}
