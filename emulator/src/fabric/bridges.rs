//! Learning bridges of somebody else's between the switches: they speak no OpenFlow, and no controller sees them.

use super::{Fabric, Plug};
use bytes::Bytes;
use net::packet::EthernetHeader;
use net::{DatapathId, MacAddr, PortId, PortNo, Time};
use std::collections::BTreeMap;

/// Where addresses were seen last.
#[derive(Debug, Default)]
pub(super) struct Bridge {
    learned: BTreeMap<MacAddr, PortNo>,
}

/// Addresses that a bridge remembers. Of further ones it floods the frames, as hardware does whose table is full.
const MAX_LEARNED: usize = 8_192;

impl Fabric {
    /// Whether this is a bridge and no switch. If so, the frame goes where a bridge sends it.
    pub(super) fn bridged(&mut self, from: PortId, frame: &Bytes, hops: u32, now: Time) -> bool {
        let Some(bridge) = self.bridges.get_mut(&from.datapath_id) else { return false };
        let Ok((ethernet, _)) = EthernetHeader::parse(frame) else { return true };
        if ethernet.source.is_unicast()
            && (bridge.learned.len() < MAX_LEARNED || bridge.learned.contains_key(&ethernet.source))
        {
            bridge.learned.insert(ethernet.source, from.port_no);
        }
        // LLDP to the nearest bridge ends here, whosesoever it is.
        if ethernet.destination.is_link_local() {
            return true;
        }
        let known = bridge.learned.get(&ethernet.destination).copied();
        let out: Vec<PortId> = match known {
            Some(port_no) => vec![PortId::new(from.datapath_id, port_no)],
            None => self.bridge_ports(from.datapath_id).collect(),
        };
        for port in out.into_iter().filter(|port| *port != from) {
            self.out_of_port(port, frame.clone(), hops + 1, now);
        }
        true
    }

    fn bridge_ports(&self, id: DatapathId) -> impl Iterator<Item = PortId> + '_ {
        let all = PortId::new(id, PortNo(0))..=PortId::new(id, PortNo(u32::MAX));
        self.plugs.range::<PortId, _>(all).map(|(port, _): (&PortId, &Plug)| *port)
    }

    /// A bridge forgets what it learned by a port that goes down.
    pub(super) fn bridge_port_down(&mut self, port: PortId) {
        if let Some(bridge) = self.bridges.get_mut(&port.datapath_id) {
            bridge.learned.retain(|_, learned| *learned != port.port_no);
        }
    }
}
