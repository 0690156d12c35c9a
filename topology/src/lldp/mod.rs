//! LLDP: the TLV codec of IEEE 802.1AB-2016 §8.
//!
//! Structure is strict: Chassis ID, Port ID and Time To Live come first, in this order and once; every length stays inside its parent; an
//! End TLV closes the LLDPDU. Octets after it are padding. What the standard leaves to others (organizationally specific and
//! reserved TLVs, unknown subtypes) is data and survives byte for byte.
//!
//! ```text
//! | type 7 | length 9 | information string, 0 to 511 octets |
//! ```

mod display;
mod organizational;
mod reader;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use bytes::{BufMut, Bytes, BytesMut};
use net::packet::{BuildError, EtherType, EthernetHeader};
use net::{DecodeError, DecodeErrorKind, MacAddr};

use reader::Reader;

pub use organizational::{LinkAggregation, OUI_802_1, OUI_802_3, OUI_MED, Organizational};

pub use display::{IdReport, LldpReport, Problem, TlvReport, VlanTagReport, decode_for_display};

/// TLV types (IEEE 802.1AB-2016 table 8-1).
pub(crate) mod tlv_type {
    pub(crate) const END: u8 = 0;
    pub(crate) const CHASSIS_ID: u8 = 1;
    pub(crate) const PORT_ID: u8 = 2;
    pub(crate) const TTL: u8 = 3;
    pub(crate) const PORT_DESCRIPTION: u8 = 4;
    pub(crate) const SYSTEM_NAME: u8 = 5;
    pub(crate) const SYSTEM_DESCRIPTION: u8 = 6;
    pub(crate) const SYSTEM_CAPABILITIES: u8 = 7;
    pub(crate) const MANAGEMENT_ADDRESS: u8 = 8;
    pub(crate) const ORGANIZATIONALLY_SPECIFIC: u8 = 127;
}

/// The longest information string that nine bits of length can say.
const MAX_INFORMATION_LEN: usize = 511;
/// The longest text of a basic TLV (§8.5.5 to §8.5.7), chassis id or port id.
const MAX_TEXT_LEN: usize = 255;

/// The group addresses that LLDP frames go to (§7.1): nearest bridge, nearest non-TPMR bridge, nearest customer bridge.
pub const GROUP_ADDRESSES: [MacAddr; 3] =
    [MacAddr::LLDP_NEAREST_BRIDGE, MacAddr([0x01, 0x80, 0xc2, 0, 0, 0x03]), MacAddr([0x01, 0x80, 0xc2, 0, 0, 0x00])];

/// How a chassis is named (§8.5.2.2, table 8-2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ChassisIdSubtype(pub u8);

impl ChassisIdSubtype {
    /// By its entPhysicalAlias.
    pub const CHASSIS_COMPONENT: ChassisIdSubtype = ChassisIdSubtype(1);
    /// By its ifAlias.
    pub const INTERFACE_ALIAS: ChassisIdSubtype = ChassisIdSubtype(2);
    /// By the entPhysicalAlias of a port.
    pub const PORT_COMPONENT: ChassisIdSubtype = ChassisIdSubtype(3);
    /// By a MAC address.
    pub const MAC_ADDRESS: ChassisIdSubtype = ChassisIdSubtype(4);
    /// By a network address: one octet of IANA address family, then the address.
    pub const NETWORK_ADDRESS: ChassisIdSubtype = ChassisIdSubtype(5);
    /// By an interface name.
    pub const INTERFACE_NAME: ChassisIdSubtype = ChassisIdSubtype(6);
    /// By what its administrator chose.
    pub const LOCALLY_ASSIGNED: ChassisIdSubtype = ChassisIdSubtype(7);
}

/// How a port is named (§8.5.3.2, table 8-3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PortIdSubtype(pub u8);

impl PortIdSubtype {
    /// By its ifAlias.
    pub const INTERFACE_ALIAS: PortIdSubtype = PortIdSubtype(1);
    /// By its entPhysicalAlias.
    pub const PORT_COMPONENT: PortIdSubtype = PortIdSubtype(2);
    /// By a MAC address.
    pub const MAC_ADDRESS: PortIdSubtype = PortIdSubtype(3);
    /// By a network address: one octet of IANA address family, then the address.
    pub const NETWORK_ADDRESS: PortIdSubtype = PortIdSubtype(4);
    /// By an interface name.
    pub const INTERFACE_NAME: PortIdSubtype = PortIdSubtype(5);
    /// By its DHCP agent circuit id (RFC 3046).
    pub const AGENT_CIRCUIT_ID: PortIdSubtype = PortIdSubtype(6);
    /// By what its administrator chose.
    pub const LOCALLY_ASSIGNED: PortIdSubtype = PortIdSubtype(7);
}

/// Who sends (§8.5.2). 1 to 255 octets of id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChassisId {
    /// How to read the id.
    pub subtype: ChassisIdSubtype,
    /// The id.
    pub id: Bytes,
}

/// By which port (§8.5.3). 1 to 255 octets of id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LldpPortId {
    /// How to read the id.
    pub subtype: PortIdSubtype,
    /// The id.
    pub id: Bytes,
}

/// What a system can do, one bit each (§8.5.8.1, table 8-4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Capabilities(pub u16);

impl Capabilities {
    /// The names of the bits, the lowest first.
    pub const NAMES: [&'static str; 11] = [
        "other",
        "repeater",
        "mac_bridge",
        "wlan_access_point",
        "router",
        "telephone",
        "docsis_cable_device",
        "station_only",
        "c_vlan_component",
        "s_vlan_component",
        "two_port_mac_relay",
    ];

    /// The bits that are set, by name; reserved bits are left out.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Capabilities::NAMES
            .into_iter()
            .enumerate()
            .filter(move |(bit, _)| self.0 & (1 << bit) != 0)
            .map(|(_, name)| name)
    }
}

/// Where the system is managed (§8.5.9).
///
/// ```text
/// | address string length 8 | address subtype 8 | address, 1 to 31 | interface numbering subtype 8 | interface number 32 |
/// | OID string length 8 | OID, 0 to 128 |
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ManagementAddress {
    /// IANA address family number.
    pub address_subtype: u8,
    /// The address.
    pub address: Bytes,
    /// 1 unknown, 2 ifIndex, 3 system port number.
    pub interface_numbering_subtype: u8,
    /// The number of the interface.
    pub interface_number: u32,
    /// An object identifier, BER content octets.
    pub oid: Bytes,
}

/// A TLV after the mandatory three.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Tlv {
    /// §8.5.5, text.
    PortDescription(Bytes),
    /// §8.5.6, text.
    SystemName(Bytes),
    /// §8.5.7, text.
    SystemDescription(Bytes),
    /// §8.5.8.
    SystemCapabilities {
        /// What it can do.
        system: Capabilities,
        /// What of it is switched on.
        enabled: Capabilities,
    },
    /// §8.5.9.
    ManagementAddress(ManagementAddress),
    /// §8.6.
    OrganizationallySpecific {
        /// Who defined it.
        oui: [u8; 3],
        /// Which of theirs.
        subtype: u8,
        /// 0 to 507 octets.
        value: Bytes,
    },
    /// A type that the standard keeps for later.
    Reserved {
        /// 9 to 126.
        tlv_type: u8,
        /// As it stands.
        value: Bytes,
    },
}

/// An LLDP data unit: what stands between the Ethernet header and the padding.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lldpdu {
    /// Who sends.
    pub chassis_id: ChassisId,
    /// By which port.
    pub port_id: LldpPortId,
    /// For how many seconds this holds; 0 takes everything back (§8.5.4).
    pub ttl: u16,
    /// The other TLVs in their order, without End.
    pub tlvs: Vec<Tlv>,
}

/// A whole Ethernet frame with an LLDPDU in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LldpFrame {
    /// Addresses and tags.
    pub ethernet: EthernetHeader,
    /// The data unit.
    pub lldpdu: Lldpdu,
    /// What follows the End TLV.
    pub padding: Bytes,
}

impl LldpFrame {
    /// Reads a frame, with or without VLAN tags. Offsets of errors count from the start of the frame.
    pub fn parse(frame: &[u8]) -> Result<LldpFrame, DecodeError> {
        let frame = Bytes::copy_from_slice(frame);
        let (ethernet, rest) = EthernetHeader::parse(&frame)?;
        let start = frame.len() - rest.len();
        if ethernet.ethertype != EtherType::LLDP {
            let kind = DecodeErrorKind::BadType { value: ethernet.ethertype.0.into() };
            return Err(DecodeError::new(start - 2, "ethernet.ethertype", kind));
        }
        let mut reader = Reader::new(frame.slice(start..));
        let lldpdu = Lldpdu::read(&mut reader).map_err(|error| error.shifted(start))?;
        Ok(LldpFrame { ethernet, lldpdu, padding: reader.rest() })
    }

    /// Appends the frame with its padding.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), BuildError> {
        self.ethernet.encode(out);
        self.lldpdu.encode(out)?;
        out.put_slice(&self.padding);
        Ok(())
    }
}

impl Lldpdu {
    /// Reads a data unit; octets after its End TLV are padding and are dropped.
    pub fn parse(octets: &[u8]) -> Result<Lldpdu, DecodeError> {
        Lldpdu::read(&mut Reader::new(Bytes::copy_from_slice(octets)))
    }

    fn read(reader: &mut Reader) -> Result<Lldpdu, DecodeError> {
        let (subtype, id) = identifier(mandatory(reader, tlv_type::CHASSIS_ID, "lldp.chassis_id")?, &CHASSIS_ID_FORM)?;
        let chassis_id = ChassisId { subtype: ChassisIdSubtype(subtype), id };
        let (subtype, id) = identifier(mandatory(reader, tlv_type::PORT_ID, "lldp.port_id")?, &PORT_ID_FORM)?;
        let port_id = LldpPortId { subtype: PortIdSubtype(subtype), id };
        let mut ttl = mandatory(reader, tlv_type::TTL, "lldp.ttl")?;
        ttl.exactly(2, "lldp.ttl")?;
        let ttl = ttl.u16("lldp.ttl")?;
        let mut tlvs = Vec::new();
        loop {
            if reader.is_empty() {
                return Err(DecodeError::new(reader.offset(), "lldp.end", DecodeErrorKind::Missing));
            }
            let offset = reader.offset();
            let (tlv_type, mut value) = reader.tlv("lldp.tlv")?;
            match tlv_type {
                tlv_type::END => {
                    value.exactly(0, "lldp.end")?;
                    return Ok(Lldpdu { chassis_id, port_id, ttl, tlvs });
                }
                tlv_type::CHASSIS_ID => return Err(duplicate(offset, "lldp.chassis_id")),
                tlv_type::PORT_ID => return Err(duplicate(offset, "lldp.port_id")),
                tlv_type::TTL => return Err(duplicate(offset, "lldp.ttl")),
                _ => tlvs.push(Tlv::read(tlv_type, &mut value)?),
            }
        }
    }

    /// Appends the data unit with its End TLV.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), BuildError> {
        put_identifier(out, tlv_type::CHASSIS_ID, self.chassis_id.subtype.0, &self.chassis_id.id)?;
        put_identifier(out, tlv_type::PORT_ID, self.port_id.subtype.0, &self.port_id.id)?;
        put_header(out, tlv_type::TTL, 2)?;
        out.put_u16(self.ttl);
        for tlv in &self.tlvs {
            tlv.encode(out)?;
        }
        put_header(out, tlv_type::END, 0)
    }

    /// The first system name, as text.
    pub fn system_name(&self) -> Option<String> {
        self.text(|tlv| if let Tlv::SystemName(text) = tlv { Some(text) } else { None })
    }

    /// The first system description, as text.
    pub fn system_description(&self) -> Option<String> {
        self.text(|tlv| if let Tlv::SystemDescription(text) = tlv { Some(text) } else { None })
    }

    /// The first port description, as text.
    pub fn port_description(&self) -> Option<String> {
        self.text(|tlv| if let Tlv::PortDescription(text) = tlv { Some(text) } else { None })
    }

    /// The first system capabilities: what it can do, and what of it is switched on.
    pub fn capabilities(&self) -> Option<(Capabilities, Capabilities)> {
        self.tlvs.iter().find_map(|tlv| match tlv {
            Tlv::SystemCapabilities { system, enabled } => Some((*system, *enabled)),
            _ => None,
        })
    }

    /// The management addresses, in their order.
    pub fn management_addresses(&self) -> impl Iterator<Item = &ManagementAddress> {
        self.tlvs.iter().filter_map(|tlv| if let Tlv::ManagementAddress(address) = tlv { Some(address) } else { None })
    }

    /// What the organizationally specific TLVs mean, in their order. Offsets of errors count from the start of the data unit. One that can't be
    /// read takes nothing from the others (§9.2.7.7.2).
    pub fn organizational(&self) -> impl Iterator<Item = Result<Organizational, DecodeError>> {
        let mandatory = 3 + self.chassis_id.id.len() + 3 + self.port_id.id.len() + 4;
        let mut offset = mandatory;
        self.tlvs.iter().filter_map(move |tlv| {
            let start = offset + 2;
            offset = start + tlv.information_len();
            match tlv {
                Tlv::OrganizationallySpecific { oui, subtype, value } => {
                    let meaning = Organizational::parse(*oui, *subtype, value);
                    Some(meaning.map_err(|error| error.shifted(start)))
                }
                _ => None,
            }
        })
    }

    fn text(&self, choose: impl Fn(&Tlv) -> Option<&Bytes>) -> Option<String> {
        self.tlvs.iter().find_map(choose).map(|text| text_of(text))
    }
}

impl ChassisId {
    /// The id in its usual notation: an address as addresses are written, text as text, else hex.
    pub fn to_text(&self) -> String {
        identifier_text(self.subtype.0, &self.id, &CHASSIS_ID_FORM)
    }
}

impl LldpPortId {
    /// The id in its usual notation: an address as addresses are written, text as text, else hex.
    pub fn to_text(&self) -> String {
        identifier_text(self.subtype.0, &self.id, &PORT_ID_FORM)
    }
}

impl ManagementAddress {
    /// The address, if it is an IP address.
    pub fn ip(&self) -> Option<IpAddr> {
        ip_address(self.address_subtype, &self.address)
    }
}

impl Tlv {
    fn read(tlv_type: u8, value: &mut Reader) -> Result<Tlv, DecodeError> {
        Ok(match tlv_type {
            tlv_type::PORT_DESCRIPTION => Tlv::PortDescription(text(value, "lldp.port_description")?),
            tlv_type::SYSTEM_NAME => Tlv::SystemName(text(value, "lldp.system_name")?),
            tlv_type::SYSTEM_DESCRIPTION => Tlv::SystemDescription(text(value, "lldp.system_description")?),
            tlv_type::SYSTEM_CAPABILITIES => {
                value.exactly(4, "lldp.system_capabilities")?;
                let system = Capabilities(value.u16("lldp.system_capabilities")?);
                let enabled = Capabilities(value.u16("lldp.enabled_capabilities")?);
                Tlv::SystemCapabilities { system, enabled }
            }
            tlv_type::MANAGEMENT_ADDRESS => Tlv::ManagementAddress(management_address(value)?),
            tlv_type::ORGANIZATIONALLY_SPECIFIC => {
                let oui = value.array("lldp.organizationally_specific.oui")?;
                let subtype = value.u8("lldp.organizationally_specific.subtype")?;
                Tlv::OrganizationallySpecific { oui, subtype, value: value.rest() }
            }
            _ => Tlv::Reserved { tlv_type, value: value.rest() },
        })
    }

    /// Octets after the TLV's header.
    fn information_len(&self) -> usize {
        match self {
            Tlv::PortDescription(text) | Tlv::SystemName(text) | Tlv::SystemDescription(text) => text.len(),
            Tlv::SystemCapabilities { .. } => 4,
            Tlv::ManagementAddress(address) => 8 + address.address.len() + address.oid.len(),
            Tlv::OrganizationallySpecific { value, .. } => 4 + value.len(),
            Tlv::Reserved { value, .. } => value.len(),
        }
    }

    fn encode(&self, out: &mut BytesMut) -> Result<(), BuildError> {
        match self {
            Tlv::PortDescription(text) => put_text(out, tlv_type::PORT_DESCRIPTION, text),
            Tlv::SystemName(text) => put_text(out, tlv_type::SYSTEM_NAME, text),
            Tlv::SystemDescription(text) => put_text(out, tlv_type::SYSTEM_DESCRIPTION, text),
            Tlv::SystemCapabilities { system, enabled } => {
                put_header(out, tlv_type::SYSTEM_CAPABILITIES, 4)?;
                out.put_u16(system.0);
                out.put_u16(enabled.0);
                Ok(())
            }
            Tlv::ManagementAddress(address) => {
                within("lldp.management_address.address", address.address.len(), MAX_ADDRESS_LEN)?;
                within("lldp.management_address.oid", address.oid.len(), MAX_OID_LEN)?;
                put_header(out, tlv_type::MANAGEMENT_ADDRESS, 8 + address.address.len() + address.oid.len())?;
                out.put_u8(1 + address.address.len() as u8);
                out.put_u8(address.address_subtype);
                out.put_slice(&address.address);
                out.put_u8(address.interface_numbering_subtype);
                out.put_u32(address.interface_number);
                out.put_u8(address.oid.len() as u8);
                out.put_slice(&address.oid);
                Ok(())
            }
            Tlv::OrganizationallySpecific { oui, subtype, value } => {
                put_header(out, tlv_type::ORGANIZATIONALLY_SPECIFIC, 4 + value.len())?;
                out.put_slice(oui);
                out.put_u8(*subtype);
                out.put_slice(value);
                Ok(())
            }
            Tlv::Reserved { tlv_type, value } => {
                put_header(out, *tlv_type, value.len())?;
                out.put_slice(value);
                Ok(())
            }
        }
    }
}

/// How the subtypes of an id are told apart.
struct IdForm {
    field: &'static str,
    mac_address: u8,
    network_address: u8,
    /// Subtypes whose id is text.
    texts: &'static [u8],
}

const CHASSIS_ID_FORM: IdForm =
    IdForm { field: "lldp.chassis_id", mac_address: 4, network_address: 5, texts: &[1, 2, 3, 6, 7] };
const PORT_ID_FORM: IdForm = IdForm { field: "lldp.port_id", mac_address: 3, network_address: 4, texts: &[1, 2, 5, 7] };

/// §9.2.7.7.1: the first three TLVs have to be these, else the LLDPDU is discarded.
fn mandatory(reader: &mut Reader, wanted: u8, field: &'static str) -> Result<Reader, DecodeError> {
    let offset = reader.offset();
    if reader.is_empty() {
        return Err(DecodeError::new(offset, field, DecodeErrorKind::Missing));
    }
    let (tlv_type, value) = reader.tlv(field)?;
    if tlv_type != wanted {
        return Err(DecodeError::new(offset, field, DecodeErrorKind::BadType { value: tlv_type.into() }));
    }
    Ok(value)
}

fn identifier(mut value: Reader, form: &IdForm) -> Result<(u8, Bytes), DecodeError> {
    let (offset, length) = (value.offset(), value.len());
    let bad_length = Err(DecodeError::new(offset, form.field, DecodeErrorKind::BadLength { length }));
    if !(2..=MAX_TEXT_LEN + 1).contains(&length) {
        return bad_length;
    }
    let subtype = value.u8(form.field)?;
    let id = value.rest();
    let fits = if subtype == form.mac_address {
        id.len() == 6
    } else if subtype == form.network_address {
        match id.split_first() {
            Some((&FAMILY_IPV4, address)) => address.len() == 4,
            Some((&FAMILY_IPV6, address)) => address.len() == 16,
            _ => true,
        }
    } else {
        true
    };
    if fits { Ok((subtype, id)) } else { bad_length }
}

fn text(value: &mut Reader, field: &'static str) -> Result<Bytes, DecodeError> {
    let length = value.len();
    if length > MAX_TEXT_LEN {
        return Err(DecodeError::new(value.offset(), field, DecodeErrorKind::BadLength { length }));
    }
    Ok(value.rest())
}

fn management_address(value: &mut Reader) -> Result<ManagementAddress, DecodeError> {
    let offset = value.offset();
    let length = usize::from(value.u8("lldp.management_address.address_length")?);
    if !(2..=MAX_ADDRESS_LEN + 1).contains(&length) {
        let kind = DecodeErrorKind::BadLength { length };
        return Err(DecodeError::new(offset, "lldp.management_address.address_length", kind));
    }
    let address_subtype = value.u8("lldp.management_address.address_subtype")?;
    let address = value.take(length - 1, "lldp.management_address.address")?;
    let interface_numbering_subtype = value.u8("lldp.management_address.interface_numbering_subtype")?;
    let interface_number = value.u32("lldp.management_address.interface_number")?;
    let offset = value.offset();
    let length = usize::from(value.u8("lldp.management_address.oid_length")?);
    if length > MAX_OID_LEN {
        let kind = DecodeErrorKind::BadLength { length };
        return Err(DecodeError::new(offset, "lldp.management_address.oid_length", kind));
    }
    let oid = value.take(length, "lldp.management_address.oid")?;
    if !value.is_empty() {
        let kind = DecodeErrorKind::TrailingOctets { count: value.len() };
        return Err(DecodeError::new(value.offset(), "lldp.management_address", kind));
    }
    Ok(ManagementAddress { address_subtype, address, interface_numbering_subtype, interface_number, oid })
}

/// §8.5.9.3: at most 31 octets of address.
const MAX_ADDRESS_LEN: usize = 31;
/// §8.5.9.7: at most 128 octets of object identifier.
const MAX_OID_LEN: usize = 128;
/// IANA "Address Family Numbers".
const FAMILY_IPV4: u8 = 1;
/// IANA "Address Family Numbers".
const FAMILY_IPV6: u8 = 2;

const fn duplicate(offset: usize, field: &'static str) -> DecodeError {
    DecodeError::new(offset, field, DecodeErrorKind::Duplicate)
}

fn within(field: &'static str, length: usize, limit: usize) -> Result<(), BuildError> {
    if length > limit { Err(BuildError::TooLong { field, length, limit }) } else { Ok(()) }
}

pub(crate) fn put_header(out: &mut BytesMut, tlv_type: u8, length: usize) -> Result<(), BuildError> {
    within("lldp.tlv", length, MAX_INFORMATION_LEN)?;
    out.put_u16((u16::from(tlv_type & 0x7f) << 9) | length as u16);
    Ok(())
}

pub(crate) fn put_identifier(out: &mut BytesMut, tlv_type: u8, subtype: u8, id: &[u8]) -> Result<(), BuildError> {
    within("lldp.id", id.len(), MAX_TEXT_LEN)?;
    put_header(out, tlv_type, 1 + id.len())?;
    out.put_u8(subtype);
    out.put_slice(id);
    Ok(())
}

fn put_text(out: &mut BytesMut, tlv_type: u8, text: &[u8]) -> Result<(), BuildError> {
    within("lldp.text", text.len(), MAX_TEXT_LEN)?;
    put_header(out, tlv_type, text.len())?;
    out.put_slice(text);
    Ok(())
}

fn ip_address(family: u8, address: &[u8]) -> Option<IpAddr> {
    match family {
        FAMILY_IPV4 => <[u8; 4]>::try_from(address).ok().map(IpAddr::from),
        FAMILY_IPV6 => <[u8; 16]>::try_from(address).ok().map(IpAddr::from),
        _ => None,
    }
}

fn identifier_text(subtype: u8, id: &[u8], form: &IdForm) -> String {
    if subtype == form.mac_address
        && let Ok(octets) = id.try_into()
    {
        return MacAddr(octets).to_string();
    }
    if subtype == form.network_address
        && let Some((family, address)) = id.split_first()
        && let Some(ip) = ip_address(*family, address)
    {
        return ip.to_string();
    }
    match std::str::from_utf8(id) {
        Ok(text) if form.texts.contains(&subtype) && !text.contains(|c: char| c.is_control()) => text.to_owned(),
        _ => hex(id),
    }
}

/// Text as sent, without a terminating zero that some add; octets that are not UTF-8 show as replacement characters.
fn text_of(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).trim_end_matches('\0').to_owned()
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
