//! What organizationally specific TLVs mean: those of IEEE 802.1Q-2018 annex D, of IEEE 802.3-2018 clause 79, and of LLDP-MED
//! (ANSI/TIA-1057), whose contents stay octets.
//!
//! A TLV that is too short or says what cannot be is an error of that TLV alone: a receiver leaves it and reads the others (IEEE 802.1AB-2016
//! §9.2.7.7.2). So [`Tlv::OrganizationallySpecific`](super::Tlv) keeps the octets, and this is how to read them and to make them.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use net::packet::BuildError;
use net::{DecodeError, DecodeErrorKind};

use super::reader::Reader;
use super::{Tlv, hex, text_of, within};

/// IEEE 802.1's OUI (802.1Q-2018 §D.1.1).
pub const OUI_802_1: [u8; 3] = [0x00, 0x80, 0xc2];
/// IEEE 802.3's OUI (802.3-2018 §79.3).
pub const OUI_802_3: [u8; 3] = [0x00, 0x12, 0x0f];
/// TIA's OUI, for LLDP-MED (ANSI/TIA-1057 §10.2).
pub const OUI_MED: [u8; 3] = [0x00, 0x12, 0xbb];

/// 802.1Q-2018 §D.2.3.5: at most 32 octets of VLAN name.
const MAX_VLAN_NAME_LEN: usize = 32;
/// The highest VLAN id that a port can have; 4095 is reserved (802.1Q-2018 table 9-2).
const MAX_VLAN_ID: u16 = 4094;

/// IEEE 802.1's subtypes.
mod dot1 {
    pub(super) const PORT_VLAN_ID: u8 = 1;
    pub(super) const PORT_AND_PROTOCOL_VLAN_ID: u8 = 2;
    pub(super) const VLAN_NAME: u8 = 3;
    pub(super) const PROTOCOL_IDENTITY: u8 = 4;
    pub(super) const VID_USAGE_DIGEST: u8 = 5;
    pub(super) const MANAGEMENT_VID: u8 = 6;
    pub(super) const LINK_AGGREGATION: u8 = 7;
}

/// IEEE 802.3's subtypes.
mod dot3 {
    pub(super) const MAC_PHY: u8 = 1;
    pub(super) const POWER_VIA_MDI: u8 = 2;
    pub(super) const LINK_AGGREGATION: u8 = 3;
    pub(super) const MAX_FRAME_SIZE: u8 = 4;
}

/// Whether a port is or can be a member of an aggregation (802.1AX-2014 §E.3, and earlier 802.3-2012 §79.3.3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct LinkAggregation {
    /// Bit 0: it can be; bit 1: it is. Others are kept.
    pub status: u8,
    /// The aggregation's port number; 0 if it is in none.
    pub port_id: u32,
}

impl LinkAggregation {
    /// The port is a member of an aggregation.
    pub const fn is_aggregated(self) -> bool {
        self.status & 0b10 != 0
    }
}

/// The meaning of an organizationally specific TLV.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Organizational {
    /// 802.1Q-2018 §D.2.1: the VLAN of untagged frames, 1 to 4094; 0 if the port has none.
    PortVlanId(u16),
    /// §D.2.2: a VLAN by port and protocol.
    PortAndProtocolVlanId {
        /// Bit 1: supported; bit 2: enabled. Others are kept.
        flags: u8,
        /// 0 to 4094; 0 if there is none.
        vlan_id: u16,
    },
    /// §D.2.3: a VLAN that the port is a member of.
    VlanName {
        /// 1 to 4094.
        vlan_id: u16,
        /// At most 32 octets of text.
        name: Bytes,
    },
    /// §D.2.4: a protocol that can be had by the port, as its first octets after the addresses of a frame; at most 255.
    ProtocolIdentity(Bytes),
    /// §D.2.5: CRC-32 over the table of VLANs in use.
    VidUsageDigest(u32),
    /// §D.2.6: the VLAN of management, 0 to 4094; 0 if there is none.
    ManagementVid(u16),
    /// §D.2.7.
    LinkAggregation(LinkAggregation),
    /// 802.3-2018 §79.3.1: bit rate and duplex.
    MacPhy {
        /// Bit 0: autonegotiation can be had; bit 1: it is on.
        autonegotiation: u8,
        /// What is offered in autonegotiation: ifMauAutoNegCapAdvertisedBits (RFC 4836).
        advertised: u16,
        /// What is in use: a dot3MauType of IANA's MAU MIB; 0 unknown.
        mau_type: u16,
    },
    /// §79.3.2: power over the cable.
    PowerViaMdi {
        /// Bit 0: source of power; bit 1: supported; bit 2: enabled; bit 3: pairs can be chosen.
        support: u8,
        /// 1: signal pairs, 2: spare pairs.
        pairs: u8,
        /// Power class plus 1.
        class: u8,
        /// The extensions of 802.3at and 802.3bt as they stand: 0, 9 or 26 octets.
        extension: Bytes,
    },
    /// §79.3.3, deprecated in favour of 802.1's.
    LinkAggregation802Dot3(LinkAggregation),
    /// §79.3.4: the longest frame in octets, with header and FCS.
    MaxFrameSize(u16),
    /// LLDP-MED, contents as data.
    Med {
        /// Which TLV of ANSI/TIA-1057 §10.2.
        subtype: u8,
        /// As it stands.
        value: Bytes,
    },
    /// Somebody else's, or one that is not read here, as data.
    Other {
        /// Who defined it.
        oui: [u8; 3],
        /// Which of theirs.
        subtype: u8,
        /// As it stands.
        value: Bytes,
    },
}

impl Organizational {
    /// Reads a TLV. Offsets of errors count from the start of the TLV's OUI.
    pub fn parse(oui: [u8; 3], subtype: u8, value: &Bytes) -> Result<Organizational, DecodeError> {
        let mut reader = Reader::new(value.clone());
        let read = match oui {
            OUI_802_1 => dot1_tlv(subtype, &mut reader),
            OUI_802_3 => dot3_tlv(subtype, &mut reader),
            OUI_MED => Ok(Some(Organizational::Med { subtype, value: reader.rest() })),
            _ => Ok(None),
        };
        let shifted = |error: DecodeError| error.shifted(oui.len() + 1);
        let Some(read) = read.map_err(shifted)? else {
            return Ok(Organizational::Other { oui, subtype, value: value.clone() });
        };
        if reader.is_empty() {
            return Ok(read);
        }
        let kind = DecodeErrorKind::TrailingOctets { count: reader.len() };
        Err(shifted(DecodeError::new(reader.offset(), read.field(), kind)))
    }

    /// The TLV that says this. Fails if a text is too long for it.
    pub fn to_tlv(&self) -> Result<Tlv, BuildError> {
        let mut out = BytesMut::new();
        let (oui, subtype) = match self {
            Organizational::PortVlanId(vlan_id) => {
                out.put_u16(*vlan_id);
                (OUI_802_1, dot1::PORT_VLAN_ID)
            }
            Organizational::PortAndProtocolVlanId { flags, vlan_id } => {
                out.put_u8(*flags);
                out.put_u16(*vlan_id);
                (OUI_802_1, dot1::PORT_AND_PROTOCOL_VLAN_ID)
            }
            Organizational::VlanName { vlan_id, name } => {
                within("lldp.vlan_name.name", name.len(), MAX_VLAN_NAME_LEN)?;
                out.put_u16(*vlan_id);
                out.put_u8(name.len() as u8);
                out.put_slice(name);
                (OUI_802_1, dot1::VLAN_NAME)
            }
            Organizational::ProtocolIdentity(identity) => {
                within("lldp.protocol_identity", identity.len(), usize::from(u8::MAX))?;
                out.put_u8(identity.len() as u8);
                out.put_slice(identity);
                (OUI_802_1, dot1::PROTOCOL_IDENTITY)
            }
            Organizational::VidUsageDigest(digest) => {
                out.put_u32(*digest);
                (OUI_802_1, dot1::VID_USAGE_DIGEST)
            }
            Organizational::ManagementVid(vlan_id) => {
                out.put_u16(*vlan_id);
                (OUI_802_1, dot1::MANAGEMENT_VID)
            }
            Organizational::LinkAggregation(aggregation) => {
                put_aggregation(&mut out, *aggregation);
                (OUI_802_1, dot1::LINK_AGGREGATION)
            }
            Organizational::MacPhy { autonegotiation, advertised, mau_type } => {
                out.put_u8(*autonegotiation);
                out.put_u16(*advertised);
                out.put_u16(*mau_type);
                (OUI_802_3, dot3::MAC_PHY)
            }
            Organizational::PowerViaMdi { support, pairs, class, extension } => {
                out.put_slice(&[*support, *pairs, *class]);
                out.put_slice(extension);
                (OUI_802_3, dot3::POWER_VIA_MDI)
            }
            Organizational::LinkAggregation802Dot3(aggregation) => {
                put_aggregation(&mut out, *aggregation);
                (OUI_802_3, dot3::LINK_AGGREGATION)
            }
            Organizational::MaxFrameSize(octets) => {
                out.put_u16(*octets);
                (OUI_802_3, dot3::MAX_FRAME_SIZE)
            }
            Organizational::Med { subtype, value } => {
                out.put_slice(value);
                (OUI_MED, *subtype)
            }
            Organizational::Other { oui, subtype, value } => {
                out.put_slice(value);
                (*oui, *subtype)
            }
        };
        Ok(Tlv::OrganizationallySpecific { oui, subtype, value: out.freeze() })
    }

    const fn field(&self) -> &'static str {
        match self {
            Organizational::PortVlanId(_) => "lldp.port_vlan_id",
            Organizational::PortAndProtocolVlanId { .. } => "lldp.port_and_protocol_vlan_id",
            Organizational::VlanName { .. } => "lldp.vlan_name",
            Organizational::ProtocolIdentity(_) => "lldp.protocol_identity",
            Organizational::VidUsageDigest(_) => "lldp.vid_usage_digest",
            Organizational::ManagementVid(_) => "lldp.management_vid",
            Organizational::LinkAggregation(_) | Organizational::LinkAggregation802Dot3(_) => "lldp.link_aggregation",
            Organizational::MacPhy { .. } => "lldp.mac_phy",
            Organizational::PowerViaMdi { .. } => "lldp.power_via_mdi",
            Organizational::MaxFrameSize(_) => "lldp.max_frame_size",
            Organizational::Med { .. } => "lldp.med",
            Organizational::Other { .. } => "lldp.organizationally_specific",
        }
    }
}

fn dot1_tlv(subtype: u8, value: &mut Reader) -> Result<Option<Organizational>, DecodeError> {
    Ok(Some(match subtype {
        dot1::PORT_VLAN_ID => Organizational::PortVlanId(vlan_id(value, "lldp.port_vlan_id", 0)?),
        dot1::PORT_AND_PROTOCOL_VLAN_ID => Organizational::PortAndProtocolVlanId {
            flags: value.u8("lldp.port_and_protocol_vlan_id.flags")?,
            vlan_id: vlan_id(value, "lldp.port_and_protocol_vlan_id.vlan_id", 0)?,
        },
        dot1::VLAN_NAME => {
            let vlan_id = vlan_id(value, "lldp.vlan_name.vlan_id", 1)?;
            let (offset, length) = (value.offset(), usize::from(value.u8("lldp.vlan_name.length")?));
            if length > MAX_VLAN_NAME_LEN {
                let kind = DecodeErrorKind::BadLength { length };
                return Err(DecodeError::new(offset, "lldp.vlan_name.length", kind));
            }
            Organizational::VlanName { vlan_id, name: value.take(length, "lldp.vlan_name.name")? }
        }
        dot1::PROTOCOL_IDENTITY => {
            let length = usize::from(value.u8("lldp.protocol_identity.length")?);
            Organizational::ProtocolIdentity(value.take(length, "lldp.protocol_identity")?)
        }
        dot1::VID_USAGE_DIGEST => Organizational::VidUsageDigest(value.u32("lldp.vid_usage_digest")?),
        dot1::MANAGEMENT_VID => Organizational::ManagementVid(vlan_id(value, "lldp.management_vid", 0)?),
        dot1::LINK_AGGREGATION => Organizational::LinkAggregation(aggregation(value)?),
        _ => return Ok(None),
    }))
}

fn dot3_tlv(subtype: u8, value: &mut Reader) -> Result<Option<Organizational>, DecodeError> {
    Ok(Some(match subtype {
        dot3::MAC_PHY => Organizational::MacPhy {
            autonegotiation: value.u8("lldp.mac_phy.autonegotiation")?,
            advertised: value.u16("lldp.mac_phy.advertised")?,
            mau_type: value.u16("lldp.mac_phy.mau_type")?,
        },
        dot3::POWER_VIA_MDI => {
            let [support, pairs, class] = value.array("lldp.power_via_mdi")?;
            Organizational::PowerViaMdi { support, pairs, class, extension: value.rest() }
        }
        dot3::LINK_AGGREGATION => Organizational::LinkAggregation802Dot3(aggregation(value)?),
        dot3::MAX_FRAME_SIZE => Organizational::MaxFrameSize(value.u16("lldp.max_frame_size")?),
        _ => return Ok(None),
    }))
}

fn vlan_id(value: &mut Reader, field: &'static str, lowest: u16) -> Result<u16, DecodeError> {
    let offset = value.offset();
    let id = value.u16(field)?;
    if (lowest..=MAX_VLAN_ID).contains(&id) {
        return Ok(id);
    }
    Err(DecodeError::new(offset, field, DecodeErrorKind::BadValue { value: id.into() }))
}

fn aggregation(value: &mut Reader) -> Result<LinkAggregation, DecodeError> {
    let status = value.u8("lldp.link_aggregation.status")?;
    Ok(LinkAggregation { status, port_id: value.u32("lldp.link_aggregation.port_id")? })
}

fn put_aggregation(out: &mut BytesMut, aggregation: LinkAggregation) {
    out.put_u8(aggregation.status);
    out.put_u32(aggregation.port_id);
}

/// ANSI/TIA-1057 table 7.
const MED_NAMES: [&str; 11] = [
    "capabilities",
    "network policy",
    "location",
    "extended power via MDI",
    "hardware revision",
    "firmware revision",
    "software revision",
    "serial number",
    "manufacturer",
    "model",
    "asset id",
];
/// From which of them on the value is text.
const MED_FIRST_TEXT: u8 = 5;

/// For people: `port VLAN 10`, `max frame size 1522`.
impl fmt::Display for Organizational {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let yes = |octet: u8, bit: u8| if octet & (1 << bit) != 0 { "yes" } else { "no" };
        match self {
            Organizational::PortVlanId(0) => f.write_str("no port VLAN"),
            Organizational::PortVlanId(vlan_id) => write!(f, "port VLAN {vlan_id}"),
            Organizational::PortAndProtocolVlanId { flags, vlan_id } => {
                let (supported, enabled) = (yes(*flags, 1), yes(*flags, 2));
                write!(f, "port and protocol VLAN {vlan_id}, supported {supported}, enabled {enabled}")
            }
            Organizational::VlanName { vlan_id, name } => {
                write!(f, "VLAN {vlan_id} named {:?}", text_of(name))
            }
            Organizational::ProtocolIdentity(identity) => write!(f, "protocol {}", hex(identity)),
            Organizational::VidUsageDigest(digest) => write!(f, "VID usage digest {digest:08x}"),
            Organizational::ManagementVid(0) => f.write_str("no management VLAN"),
            Organizational::ManagementVid(vlan_id) => write!(f, "management VLAN {vlan_id}"),
            Organizational::LinkAggregation(it) | Organizational::LinkAggregation802Dot3(it) => {
                let (can, is) = (yes(it.status, 0), yes(it.status, 1));
                write!(f, "link aggregation possible {can}, in use {is}, port {}", it.port_id)
            }
            Organizational::MacPhy { autonegotiation, advertised, mau_type } => {
                let (can, is) = (yes(*autonegotiation, 0), yes(*autonegotiation, 1));
                write!(f, "autonegotiation possible {can}, on {is}, offers {advertised:#06x}, MAU type {mau_type}")
            }
            Organizational::PowerViaMdi { support, pairs, class, .. } => {
                let role = if support & 1 != 0 { "source" } else { "device" };
                let (can, is) = (yes(*support, 1), yes(*support, 2));
                write!(f, "power {role}, possible {can}, on {is}, pairs {pairs}, class {}", class.saturating_sub(1))
            }
            Organizational::MaxFrameSize(octets) => write!(f, "max frame size {octets}"),
            Organizational::Med { subtype, value } => {
                let name = usize::from(*subtype).checked_sub(1).and_then(|index| MED_NAMES.get(index));
                let name = name.copied().unwrap_or("reserved");
                if *subtype >= MED_FIRST_TEXT && name != "reserved" {
                    write!(f, "MED {name} {:?}", text_of(value))
                } else {
                    write!(f, "MED {name} {}", hex(value))
                }
            }
            Organizational::Other { oui, subtype, value } => write!(f, "{} {subtype} {}", hex(oui), hex(value)),
        }
    }
}
