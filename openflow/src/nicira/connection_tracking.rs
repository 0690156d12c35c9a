//! `ct` and `nat`: connection tracking (`NXAST_CT`, `NXAST_NAT`).

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::action::Action;
use crate::identifier::TableId;
use crate::nicira::Subfield;
use crate::number::numbers;

numbers! {
    /// Flags of a `ct` action (`NX_CT_F_*`).
    bits CtFlags(u16) {
        COMMIT = 1, "NX_CT_F_COMMIT";
        FORCE = 2, "NX_CT_F_FORCE";
    }
}

numbers! {
    /// Flags of a `nat` action (`NX_NAT_F_*`).
    bits NatFlags(u16) {
        SRC = 1, "NX_NAT_F_SRC";
        DST = 2, "NX_NAT_F_DST";
        PERSISTENT = 4, "NX_NAT_F_PERSISTENT";
        PROTO_HASH = 8, "NX_NAT_F_PROTO_HASH";
        PROTO_RANDOM = 16, "NX_NAT_F_PROTO_RANDOM";
    }
}

/// `ct(…)`: sends the packet through connection tracking (`NXAST_CT`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ConnectionTracking {
    /// Flags.
    pub flags: CtFlags,
    /// The zone.
    pub zone: CtZone,
    /// The table where a copy of the packet goes on with its connection state; `None` for no such copy.
    pub table_id: Option<TableId>,
    /// The well-known port of the protocol whose helper is to look into the packets (21 for FTP); 0 for none.
    pub alg: u16,
    /// What to do with the connection: `nat`, and what sets `ct_mark` or `ct_label`.
    pub actions: Vec<Action>,
}

/// The zone of a `ct` action.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CtZone {
    /// This one.
    Immediate(u16),
    /// The one that 16 bits of a field name.
    Field(Subfield),
}

/// `nat(…)`: inside of `ct`, translates addresses (`NXAST_NAT`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Nat {
    /// Flags.
    pub flags: NatFlags,
    /// To which addresses and ports.
    pub range: NatRange,
}

/// To which addresses a `nat` action translates. Ports can't stand without addresses.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum NatRange {
    /// Nothing is named.
    None,
    /// IPv4 addresses.
    Ipv4 {
        /// The first address.
        min: Ipv4Addr,
        /// The last address, if there is more than one.
        max: Option<Ipv4Addr>,
        /// Ports, or identifiers of the protocol.
        ports: Option<NatPorts>,
    },
    /// IPv6 addresses.
    Ipv6 {
        /// The first address.
        min: Ipv6Addr,
        /// The last address, if there is more than one.
        max: Option<Ipv6Addr>,
        /// Ports, or identifiers of the protocol.
        ports: Option<NatPorts>,
    },
}

/// To which ports a `nat` action translates.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct NatPorts {
    /// The first port.
    pub min: u16,
    /// The last port, if there is more than one.
    pub max: Option<u16>,
}
