//! What switches do not say in OpenFlow: the MTUs of their ports.

use net::PortId;

use super::Core;

impl Core {
    /// MTUs of ports as somebody knows them; none where it is not known any more. Those of unknown ports are passed over.
    pub fn handle_port_mtus(&mut self, mtus: Vec<(PortId, Option<u32>)>) {
        for (port, mtu) in mtus {
            self.discovery.handle_port_mtu(port, mtu);
        }
    }
}
