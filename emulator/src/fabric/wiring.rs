//! Links, cables and hosts: what is plugged in where, and what is cut.

use super::{CutKind, Fabric, Link, Plug};
use crate::spec::{HostIndex, LinkIndex};
use bytes::Bytes;
use net::{DatapathId, PortId, Time};

impl Fabric {
    /// Cuts a link. Frames under way on it are lost. A link that is cut already changes to this kind of cut.
    pub fn cut_link(&mut self, link: LinkIndex, kind: CutKind, now: Time) {
        self.set_cut(link, Some(kind), now);
    }

    /// Mends a link.
    pub fn mend_link(&mut self, link: LinkIndex, now: Time) {
        self.set_cut(link, None, now);
    }

    fn set_cut(&mut self, index: LinkIndex, cut: Option<CutKind>, now: Time) {
        self.advance(now);
        let Some(link) = self.links.get_mut(index.0) else { return };
        link.epoch += u32::from(cut.is_some());
        link.cut = cut;
        let ends = link.ends;
        for (end, port) in ends.into_iter().enumerate() {
            if self.plugs.get(&port) == Some(&(Plug::Link { link: index.0, end })) {
                self.set_port_up(port, cut != Some(CutKind::PortDown), now);
            }
        }
    }

    fn set_port_up(&mut self, port: PortId, up: bool, now: Time) {
        if !up {
            self.bridge_port_down(port);
        }
        let Some(&index) = self.index.get(&port.datapath_id) else { return };
        if let Some(node) = self.nodes.get_mut(index) {
            node.switch.set_port_up(port.port_no, up, now);
        }
        self.after_switch(index, now, 0);
    }

    /// How a link is cut now, if it is.
    pub fn link_cut(&self, link: LinkIndex) -> Option<CutKind> {
        self.links.get(link.0)?.cut
    }

    /// The link between two switches, in either direction; of several that with the lowest index.
    pub fn find_link(&self, a: DatapathId, b: DatapathId) -> Option<LinkIndex> {
        let joins = |link: &Link| {
            let [one, two] = link.ends.map(|end| end.datapath_id);
            (one, two) == (a, b) || (one, two) == (b, a)
        };
        self.links.iter().position(joins).map(LinkIndex)
    }

    /// Pulls or plugs the cable of a host; its switch port goes down or up. Frames under way on it are lost. A host that is plugged in again
    /// does not announce itself: see [`Fabric::announce`].
    pub fn set_host_up(&mut self, host: HostIndex, up: bool, now: Time) {
        self.advance(now);
        let Some(slot) = self.hosts.get_mut(host.0) else { return };
        let port = slot.port;
        if slot.plugged == up || self.plugs.get(&port) != Some(&Plug::Host(host.0)) {
            return;
        }
        slot.plugged = up;
        slot.epoch += 1;
        self.set_port_up(port, up, now);
    }

    /// Unplugs a host and plugs it into another port, where it announces itself. A port that its switch doesn't have yet appears. The
    /// port must be free or the host stays where it is: then the answer is false.
    pub fn move_host(&mut self, host: HostIndex, port: PortId, now: Time) -> bool {
        self.advance(now);
        let old = match self.hosts.get(host.0) {
            Some(slot) if self.is_free(port) => slot.port,
            _ => return false,
        };
        self.set_host_up(host, false, now);
        if self.plugs.get(&old) == Some(&Plug::Host(host.0)) {
            self.plugs.remove(&old);
        }
        self.plugs.insert(port, Plug::Host(host.0));
        self.add_port(port, now);
        if let Some(slot) = self.hosts.get_mut(host.0) {
            slot.port = port;
        }
        self.set_host_up(host, true, now);
        self.set_port_up(port, true, now);
        self.announce_now(host.0, now);
        true
    }

    /// Where a host is plugged in, or was last.
    pub fn host_port(&self, host: HostIndex) -> Option<PortId> {
        self.hosts.get(host.0).map(|slot| slot.port)
    }

    /// A host tells everybody its addresses: gratuitous ARP and unsolicited neighbour advertisement.
    pub fn announce(&mut self, host: HostIndex, now: Time) {
        self.advance(now);
        self.announce_now(host.0, now);
    }

    pub(super) fn announce_now(&mut self, host: usize, now: Time) {
        if let Some(slot) = self.hosts.get_mut(host) {
            slot.host.announce();
        }
        self.after_host(host, now);
    }

    /// A frame of any kind leaves a host.
    pub fn send_frame(&mut self, host: HostIndex, frame: Bytes, now: Time) {
        self.advance(now);
        if let Some(slot) = self.hosts.get_mut(host.0) {
            slot.host.send_frame(frame);
        }
        self.after_host(host.0, now);
    }
}
