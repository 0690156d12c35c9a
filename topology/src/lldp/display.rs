//! An LLDP frame for people: names for numbers, text for octets, and a list of what is odd about it.

use std::fmt;

use net::packet::VlanTag;
use net::{DecodeError, MacAddr};

use super::{
    CHASSIS_ID_FORM, Capabilities, GROUP_ADDRESSES, LldpFrame, Lldpdu, Organizational, PORT_ID_FORM, Tlv, hex,
    identifier_text, text_of,
};

/// What a frame says. Under the feature `serde` it is what `trunkline decode lldp` prints.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct LldpReport {
    /// Destination MAC address.
    pub destination: MacAddr,
    /// Source MAC address.
    pub source: MacAddr,
    /// VLAN tags, outermost first.
    pub vlan_tags: Vec<VlanTagReport>,
    /// Who sends.
    pub chassis_id: IdReport,
    /// By which port.
    pub port_id: IdReport,
    /// For how many seconds.
    pub ttl: u16,
    /// The other TLVs in their order.
    pub tlvs: Vec<TlvReport>,
    /// Octets after the End TLV.
    pub padding_length: usize,
    /// What is well-formed and still odd.
    pub problems: Vec<Problem>,
}

/// Something well-formed and odd.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Problem {
    /// The field, as in [`DecodeError::field`].
    pub field: &'static str,
    /// What is odd about it.
    pub reason: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.reason)
    }
}

/// One VLAN tag.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct VlanTagReport {
    /// Tag protocol identifier as hex.
    pub tpid: String,
    /// Priority code point.
    pub priority: u8,
    /// Drop eligible.
    pub drop_eligible: bool,
    /// VLAN id.
    pub vlan_id: u16,
}

/// A chassis id or port id.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct IdReport {
    /// The number that says how to read the id.
    pub subtype: u8,
    /// Its name in the standard.
    pub subtype_name: &'static str,
    /// The id in its usual notation.
    pub id: String,
}

/// A TLV after the mandatory three.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(tag = "type", rename_all = "snake_case"))]
#[expect(missing_docs, reason = "the fields are those of `Tlv`, as text")]
pub enum TlvReport {
    /// Text.
    PortDescription { value: String },
    /// Text.
    SystemName { value: String },
    /// Text.
    SystemDescription { value: String },
    /// Names of the bits.
    SystemCapabilities { system_capabilities: Vec<&'static str>, enabled_capabilities: Vec<&'static str> },
    /// Where the system is managed.
    ManagementAddress {
        address_subtype: u8,
        address: String,
        interface_numbering_subtype: u8,
        interface_number: u32,
        oid: String,
    },
    /// As hex, and what it means where that is known.
    OrganizationallySpecific {
        oui: String,
        subtype: u8,
        value: String,
        #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
        meaning: Option<String>,
    },
    /// Kept for later by the standard, as hex.
    Reserved { tlv_type: u8, value: String },
}

/// Reads a whole Ethernet frame (without FCS) for display. Fails only where the bytes are malformed; what is merely odd is in
/// [`LldpReport::problems`].
pub fn decode_for_display(frame: &[u8]) -> Result<LldpReport, DecodeError> {
    let frame = LldpFrame::parse(frame)?;
    let lldpdu = &frame.lldpdu;
    Ok(LldpReport {
        destination: frame.ethernet.destination,
        source: frame.ethernet.source,
        vlan_tags: frame.ethernet.tags.as_slice().iter().map(vlan_tag).collect(),
        chassis_id: IdReport {
            subtype: lldpdu.chassis_id.subtype.0,
            subtype_name: name(&CHASSIS_ID_SUBTYPES, lldpdu.chassis_id.subtype.0),
            id: identifier_text(lldpdu.chassis_id.subtype.0, &lldpdu.chassis_id.id, &CHASSIS_ID_FORM),
        },
        port_id: IdReport {
            subtype: lldpdu.port_id.subtype.0,
            subtype_name: name(&PORT_ID_SUBTYPES, lldpdu.port_id.subtype.0),
            id: identifier_text(lldpdu.port_id.subtype.0, &lldpdu.port_id.id, &PORT_ID_FORM),
        },
        ttl: lldpdu.ttl,
        tlvs: lldpdu.tlvs.iter().map(tlv).collect(),
        padding_length: frame.padding.len(),
        problems: problems(&frame),
    })
}

const CHASSIS_ID_SUBTYPES: [&str; 7] = [
    "chassis_component",
    "interface_alias",
    "port_component",
    "mac_address",
    "network_address",
    "interface_name",
    "locally_assigned",
];
const PORT_ID_SUBTYPES: [&str; 7] = [
    "interface_alias",
    "port_component",
    "mac_address",
    "network_address",
    "interface_name",
    "agent_circuit_id",
    "locally_assigned",
];

fn name(names: &[&'static str; 7], subtype: u8) -> &'static str {
    let index = usize::from(subtype).checked_sub(1);
    index.and_then(|index| names.get(index)).copied().unwrap_or("reserved")
}

fn vlan_tag(tag: &VlanTag) -> VlanTagReport {
    VlanTagReport {
        tpid: format!("{:04x}", tag.tpid.0),
        priority: tag.priority,
        drop_eligible: tag.drop_eligible,
        vlan_id: tag.vlan_id,
    }
}

fn tlv(tlv: &Tlv) -> TlvReport {
    match tlv {
        Tlv::PortDescription(text) => TlvReport::PortDescription { value: text_of(text) },
        Tlv::SystemName(text) => TlvReport::SystemName { value: text_of(text) },
        Tlv::SystemDescription(text) => TlvReport::SystemDescription { value: text_of(text) },
        Tlv::SystemCapabilities { system, enabled } => TlvReport::SystemCapabilities {
            system_capabilities: system.names().collect(),
            enabled_capabilities: enabled.names().collect(),
        },
        Tlv::ManagementAddress(address) => TlvReport::ManagementAddress {
            address_subtype: address.address_subtype,
            address: match (address.ip(), <[u8; 6]>::try_from(&*address.address)) {
                (Some(ip), _) => ip.to_string(),
                (None, Ok(octets)) if address.address_subtype == FAMILY_MAC => MacAddr(octets).to_string(),
                _ => hex(&address.address),
            },
            interface_numbering_subtype: address.interface_numbering_subtype,
            interface_number: address.interface_number,
            oid: hex(&address.oid),
        },
        Tlv::OrganizationallySpecific { oui, subtype, value } => {
            let meaning = match Organizational::parse(*oui, *subtype, value) {
                Ok(Organizational::Other { .. }) | Err(_) => None,
                Ok(meaning) => Some(meaning.to_string()),
            };
            TlvReport::OrganizationallySpecific { oui: hex(oui), subtype: *subtype, value: hex(value), meaning }
        }
        Tlv::Reserved { tlv_type, value } => TlvReport::Reserved { tlv_type: *tlv_type, value: hex(value) },
    }
}

/// IANA "Address Family Numbers": 802, all six octets of it.
const FAMILY_MAC: u8 = 6;

fn problems(frame: &LldpFrame) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut say = |field, reason: String| problems.push(Problem { field, reason });
    if !GROUP_ADDRESSES.contains(&frame.ethernet.destination) {
        say("ethernet.destination", format!("{} is not a group address of LLDP", frame.ethernet.destination));
    }
    if !frame.ethernet.source.is_unicast() {
        say("ethernet.source", format!("{} is not a station's address", frame.ethernet.source));
    }
    if !frame.ethernet.tags.as_slice().is_empty() {
        say("ethernet.vlan_tag", "LLDP frames are sent untagged".to_owned());
    }
    let lldpdu = &frame.lldpdu;
    if name(&CHASSIS_ID_SUBTYPES, lldpdu.chassis_id.subtype.0) == "reserved" {
        say("lldp.chassis_id.subtype", format!("{} is reserved", lldpdu.chassis_id.subtype.0));
    }
    if name(&PORT_ID_SUBTYPES, lldpdu.port_id.subtype.0) == "reserved" {
        say("lldp.port_id.subtype", format!("{} is reserved", lldpdu.port_id.subtype.0));
    }
    if lldpdu.ttl == 0 && !lldpdu.tlvs.is_empty() {
        say("lldp.ttl", "0 says goodbye, yet other TLVs follow".to_owned());
    }
    if frame.padding.iter().any(|octet| *octet != 0) {
        say("lldp.padding", "not zero".to_owned());
    }
    tlv_problems(lldpdu, &mut say);
    problems
}

fn tlv_problems(lldpdu: &Lldpdu, say: &mut impl FnMut(&'static str, String)) {
    let (mut port_descriptions, mut names, mut descriptions, mut capabilities) = (0, 0, 0, 0);
    for tlv in &lldpdu.tlvs {
        match tlv {
            Tlv::PortDescription(text) => once("lldp.port_description", &mut port_descriptions, Some(text), say),
            Tlv::SystemName(text) => once("lldp.system_name", &mut names, Some(text), say),
            Tlv::SystemDescription(text) => once("lldp.system_description", &mut descriptions, Some(text), say),
            Tlv::SystemCapabilities { system, enabled } => {
                once("lldp.system_capabilities", &mut capabilities, None, say);
                if enabled.0 & !system.0 != 0 {
                    say(
                        "lldp.enabled_capabilities",
                        "a capability is enabled that the system does not have".to_owned(),
                    );
                }
                if (system.0 | enabled.0) >> Capabilities::NAMES.len() != 0 {
                    say("lldp.system_capabilities", "a reserved bit is set".to_owned());
                }
            }
            Tlv::ManagementAddress(address) => {
                let expected = match address.address_subtype {
                    super::FAMILY_IPV4 => Some(4),
                    super::FAMILY_IPV6 => Some(16),
                    FAMILY_MAC => Some(6),
                    _ => None,
                };
                if expected.is_some_and(|expected| expected != address.address.len()) {
                    let (family, length) = (address.address_subtype, address.address.len());
                    say("lldp.management_address", format!("an address of family {family} has {length} octets"));
                }
                if !(1..=3).contains(&address.interface_numbering_subtype) {
                    say(
                        "lldp.management_address.interface_numbering_subtype",
                        format!("{} is reserved", address.interface_numbering_subtype),
                    );
                }
            }
            Tlv::Reserved { tlv_type, .. } => say("lldp.tlv.type", format!("{tlv_type} is reserved")),
            Tlv::OrganizationallySpecific { .. } => {}
        }
    }
    for error in lldpdu.organizational().filter_map(Result::err) {
        say(error.field, format!("{} at offset {} of the data unit", error.kind, error.offset));
    }
}

fn once(field: &'static str, seen: &mut u32, text: Option<&bytes::Bytes>, say: &mut impl FnMut(&'static str, String)) {
    *seen += 1;
    if *seen == 2 {
        say(field, "stands more than once".to_owned());
    }
    if text.is_some_and(|text| std::str::from_utf8(text).is_err()) {
        say(field, "not UTF-8".to_owned());
    }
}
