//! Neighbours that speak LLDP and are not of this network: what they say of themselves, for people.

use std::fmt;
use std::net::IpAddr;

use net::Time;

use crate::lldp::{Lldpdu, Organizational};

/// Management addresses that are kept of one neighbour. The others are left out.
pub const MAX_MANAGEMENT_ADDRESSES: usize = 4;

/// A neighbour that speaks LLDP and is not one of this controller's switches. Unauthenticated: for people, not for decisions. Texts
/// have at most 255 octets each on the wire (IEEE 802.1AB-2016 §8.5).
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct LldpNeighbor {
    /// Its chassis id as text.
    pub chassis_id: String,
    /// Its port id as text.
    pub port_id: String,
    /// Its description of the port.
    pub port_description: Option<String>,
    /// Its name.
    pub system_name: Option<String>,
    /// What it says it is.
    pub system_description: Option<String>,
    /// What it does: the capabilities that are switched on, by the standard's names.
    pub capabilities: Vec<&'static str>,
    /// IP addresses by which it is managed, at most [`MAX_MANAGEMENT_ADDRESSES`].
    pub management_addresses: Vec<IpAddr>,
    /// The VLAN of untagged frames on its port (IEEE 802.1Q-2018 §D.2.1).
    pub port_vlan_id: Option<u16>,
    /// The longest frame that its port takes, in octets with header and FCS (IEEE 802.3-2018 §79.3.4).
    pub max_frame_size: Option<u16>,
    /// Since when it is there. What it says of itself may be newer.
    pub since: Time,
}

impl LldpNeighbor {
    /// What a data unit says of a neighbour that is there since then.
    pub(crate) fn of(lldpdu: &Lldpdu, since: Time) -> LldpNeighbor {
        let mut neighbor = LldpNeighbor {
            chassis_id: lldpdu.chassis_id.to_text(),
            port_id: lldpdu.port_id.to_text(),
            port_description: lldpdu.port_description(),
            system_name: lldpdu.system_name(),
            system_description: lldpdu.system_description(),
            capabilities: lldpdu.capabilities().map(|(_, on)| on.names().collect()).unwrap_or_default(),
            management_addresses: Vec::new(),
            port_vlan_id: None,
            max_frame_size: None,
            since,
        };
        for ip in lldpdu.management_addresses().filter_map(|address| address.ip()) {
            let addresses = &mut neighbor.management_addresses;
            if addresses.len() < MAX_MANAGEMENT_ADDRESSES && !addresses.contains(&ip) {
                addresses.push(ip);
            }
        }
        for meaning in lldpdu.organizational().flatten() {
            match meaning {
                Organizational::PortVlanId(vlan_id) if vlan_id != 0 => neighbor.port_vlan_id = Some(vlan_id),
                Organizational::MaxFrameSize(octets) if octets != 0 => neighbor.max_frame_size = Some(octets),
                _ => {}
            }
        }
        neighbor
    }
}

/// Its name, or its chassis id, and its port.
impl fmt::Display for LldpNeighbor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.system_name.as_deref().filter(|name| !name.is_empty()).unwrap_or(&self.chassis_id);
        write!(f, "{name} {}", self.port_id)
    }
}

/// The neighbours at one port, at least one and at most [`MAX_LLDP_NEIGHBORS_PER_PORT`](crate::MAX_LLDP_NEIGHBORS_PER_PORT), in the
/// order in which they were first heard of.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(transparent))]
pub struct LldpNeighbors {
    pub(crate) list: Vec<LldpNeighbor>,
}

impl LldpNeighbors {
    /// All of them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &LldpNeighbor> {
        self.list.iter()
    }
}

/// Their names and ports, with commas between.
impl fmt::Display for LldpNeighbors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, neighbor) in self.list.iter().enumerate() {
            write!(f, "{}{neighbor}", if at == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}
