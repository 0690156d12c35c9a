//! `NORMAL`: the switch as a learning bridge with VLANs, as Open vSwitch is one whose ports are all trunks (OpenFlow 1.3.5 §4.5 leaves
//! it to the switch).

use super::run::Run;
use crate::oxm::OxmKind;
use crate::switch::extract::{ETH_QINQ, ETH_VLAN, VLAN_PRESENT};
use crate::switch::flow_key::Slot;
use crate::switch::packet::Packet;
use net::{MacAddr, PortNo};

impl Run<'_> {
    pub(super) fn normal(&mut self, packet: &mut Packet) {
        let key = *packet.key();
        let in_port = key.in_port();
        let tci = key.get(Slot::VLAN_TCI) as u16;
        let vid = if tci & VLAN_PRESENT != 0 { tci & 0x0fff } else { 0 };
        let [source, target] = [Slot::ETH_SRC, Slot::ETH_DST].map(|slot| MacAddr::from_u64(key.get(slot) as u64));
        let from_nowhere = matches!(in_port, PortNo::CONTROLLER | PortNo::ANY);
        let half_a_tag = matches!(key.eth_type(), ETH_VLAN | ETH_QINQ) && tci & VLAN_PRESENT == 0;
        if half_a_tag || (!from_nowhere && self.view.ports.get(in_port).is_none()) {
            return;
        }
        if !from_nowhere {
            if is_reserved(target) {
                return;
            }
            if !source.is_multicast() {
                self.trace.addresses.push((source, vid, in_port));
            }
        }
        // A tag without id and priority says nothing, and goes.
        let tagged = tci & !VLAN_PRESENT != 0;
        let mut packet = packet.clone();
        if tci & VLAN_PRESENT != 0 && !tagged {
            packet.set_field(OxmKind::VLAN_TCI, 0, u128::MAX);
        }
        // What a packet from the wire teaches counts for itself, what a packet-out teaches only for those after it.
        let seen = if source == target && !from_nowhere && !self.in_packet_out {
            Some(in_port)
        } else {
            self.view.addresses.find(target, vid, self.view.now)
        };
        match seen {
            Some(port_no) if port_no == in_port => {}
            Some(port_no) => self.emit(&mut packet, port_no),
            None => self.flood(&mut packet),
        }
        self.charge_octets(packet.take_copied());
    }
}

/// Addresses that a bridge keeps to itself (IEEE 802.1Q §8.6.3), and those of Cisco's and Extreme's protocols of the same kind, which
/// Open vSwitch doesn't forward either.
fn is_reserved(address: MacAddr) -> bool {
    matches!(
        address.to_u64(),
        0x0180_c200_0000..=0x0180_c200_000f
            | 0x00e0_2b00_0000
            | 0x00e0_2b00_0004
            | 0x00e0_2b00_0006
            | 0x0100_0c00_0000
            | 0x0100_0ccd_cdcd
            | 0x0100_0ccc_ccc0..=0x0100_0ccc_cccd
    )
}
