//! `ct` and `nat`: connection tracking (`NXAST_CT`, `NXAST_NAT`).

use std::net::{Ipv4Addr, Ipv6Addr};

use bytes::{BufMut, BytesMut};
use net::{DecodeError, DecodeErrorKind};

use crate::action::Action;
use crate::identifier::TableId;
use crate::nicira::Subfield;
use crate::nicira::subfield::put_short_kind;
use crate::number::numbers;
use crate::wire::{self, Reader};

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

impl ConnectionTracking {
    /// ```text
    /// flags:16 zone_src:32 zone_imm:16 or ofs_nbits:16 recirc_table:8 pad:24 alg:16 actions
    /// ```
    pub(super) fn parse(mut body: Reader<'_>, depth: u8) -> Result<Option<ConnectionTracking>, DecodeError> {
        let flags = CtFlags(body.u16("action.ct.flags")?);
        let mut zone_field = body.take(4, "action.ct.zone_src")?;
        let zone = body.u16("action.ct.zone")?;
        let table_id = TableId(body.u8("action.ct.recirc_table")?);
        body.skip(3, "action.ct.pad")?;
        let alg = body.u16("action.ct.alg")?;
        let actions = Action::parse_list_inside(body, depth)?;
        let zone = if zone_field.as_slice() == [0; 4] {
            CtZone::Immediate(zone)
        } else {
            let Some(subfield) = Subfield::parse(zone, &mut zone_field)? else { return Ok(None) };
            CtZone::Field(subfield)
        };
        Ok(Some(ConnectionTracking {
            flags,
            zone,
            table_id: (table_id != TableId::ALL).then_some(table_id),
            alg,
            actions,
        }))
    }

    pub(super) fn encode(&self, out: &mut BytesMut) {
        out.put_u16(self.flags.0);
        match self.zone {
            CtZone::Immediate(zone) => {
                out.put_u32(0);
                out.put_u16(zone);
            }
            CtZone::Field(subfield) => {
                put_short_kind(out, subfield.kind);
                out.put_u16(subfield.offset_bits());
            }
        }
        out.put_u8(self.table_id.unwrap_or(TableId::ALL).0);
        wire::put_zeros(out, 3);
        out.put_u16(self.alg);
        Action::encode_list(&self.actions, out);
    }
}

// `range_present` of a nat action: which of the addresses and ports stand behind it, in this order.
const IPV4_MIN: u16 = 1;
const IPV4_MAX: u16 = 2;
const IPV6_MIN: u16 = 4;
const IPV6_MAX: u16 = 8;
const PORT_MIN: u16 = 16;
const PORT_MAX: u16 = 32;
const RANGE_KNOWN: u16 = IPV4_MIN | IPV4_MAX | IPV6_MIN | IPV6_MAX | PORT_MIN | PORT_MAX;

impl Nat {
    /// ```text
    /// pad:16 flags:16 range_present:16 [ipv4_min:32] [ipv4_max:32] [ipv6_min:128] [ipv6_max:128] [port_min:16] [port_max:16] pad
    /// ```
    pub(super) fn parse(mut body: Reader<'_>) -> Result<Option<Nat>, DecodeError> {
        body.skip(2, "action.nat.pad")?;
        let flags = NatFlags(body.u16("action.nat.flags")?);
        let present = body.u16("action.nat.range_present")?;
        let has = |bits| present & bits == bits;
        let contradicts = (has(IPV4_MAX) && !has(IPV4_MIN))
            || (has(IPV6_MAX) && !has(IPV6_MIN))
            || (has(IPV4_MIN) && has(IPV6_MIN))
            || (has(PORT_MAX) && !has(PORT_MIN))
            || (has(PORT_MIN) && !has(IPV4_MIN) && !has(IPV6_MIN));
        if contradicts {
            let kind = DecodeErrorKind::BadValue { value: u64::from(present) };
            return Err(body.error("action.nat.range_present", kind));
        }
        if present & !RANGE_KNOWN != 0 {
            return Ok(None);
        }
        let range = if has(IPV4_MIN) {
            let min = Ipv4Addr::from(body.u32("action.nat.ipv4_min")?);
            let max = has(IPV4_MAX).then(|| body.u32("action.nat.ipv4_max")).transpose()?.map(Ipv4Addr::from);
            NatRange::Ipv4 { min, max, ports: parse_ports(&mut body, has(PORT_MIN), has(PORT_MAX))? }
        } else if has(IPV6_MIN) {
            let min = Ipv6Addr::from(body.array("action.nat.ipv6_min")?);
            let max = has(IPV6_MAX).then(|| body.array("action.nat.ipv6_max")).transpose()?.map(Ipv6Addr::from);
            NatRange::Ipv6 { min, max, ports: parse_ports(&mut body, has(PORT_MIN), has(PORT_MAX))? }
        } else {
            NatRange::None
        };
        Ok(Some(Nat { flags, range }))
    }

    pub(super) fn encode(&self, out: &mut BytesMut) {
        wire::put_zeros(out, 2);
        out.put_u16(self.flags.0);
        let at = out.len();
        out.put_u16(0);
        let mut present = 0;
        let ports = match self.range {
            NatRange::None => None,
            NatRange::Ipv4 { min, max, ports } => {
                present |= IPV4_MIN;
                out.put_slice(&min.octets());
                if let Some(max) = max {
                    present |= IPV4_MAX;
                    out.put_slice(&max.octets());
                }
                ports
            }
            NatRange::Ipv6 { min, max, ports } => {
                present |= IPV6_MIN;
                out.put_slice(&min.octets());
                if let Some(max) = max {
                    present |= IPV6_MAX;
                    out.put_slice(&max.octets());
                }
                ports
            }
        };
        if let Some(NatPorts { min, max }) = ports {
            present |= PORT_MIN;
            out.put_u16(min);
            if let Some(max) = max {
                present |= PORT_MAX;
                out.put_u16(max);
            }
        }
        wire::put_length(out, at, usize::from(present));
    }
}

fn parse_ports(body: &mut Reader<'_>, has_min: bool, has_max: bool) -> Result<Option<NatPorts>, DecodeError> {
    if !has_min {
        return Ok(None);
    }
    let min = body.u16("action.nat.proto_min")?;
    let max = if has_max { Some(body.u16("action.nat.proto_max")?) } else { None };
    Ok(Some(NatPorts { min, max }))
}
