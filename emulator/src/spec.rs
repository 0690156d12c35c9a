//! What a [`crate::Fabric`] is made of: switches, links and hosts, and the usual shapes ready-made.

use net::{DatapathId, MacAddr, PortId, PortNo};
use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use crate::Shape;

/// A link's latency when nobody says otherwise: a few metres of fibre and two store-and-forward hops.
pub const DEFAULT_LINK_LATENCY: Duration = Duration::from_micros(20);
/// How long a probe may take before it counts as lost: longer than address resolution with one retry.
pub const DEFAULT_PROBE_DEADLINE: Duration = Duration::from_secs(3);
/// Flow tables per switch, as Open vSwitch announces.
pub const DEFAULT_TABLES: u8 = 254;
/// Hosts that the addresses of a spec have room for: 10.0.0.0/16 without its ends.
pub const MAX_HOSTS: usize = 65_534;

/// A link of a [`FabricSpec`], by its place in [`FabricSpec::links`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LinkIndex(pub usize);

/// A host of a [`FabricSpec`], by its place in [`FabricSpec::hosts`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct HostIndex(pub usize);

impl fmt::Display for LinkIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "link {}", self.0)
    }
}

impl fmt::Display for HostIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "host {}", self.0)
    }
}

/// A switch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SwitchSpec {
    /// Its datapath id.
    pub datapath_id: DatapathId,
    /// What people call it, such as `core-1` or `edge-2-1`; the description's `dp_desc`.
    pub name: String,
}

/// A cable between two switch ports.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkSpec {
    /// One end.
    pub a: PortId,
    /// The other end.
    pub b: PortId,
    /// How long a frame is under way, in either direction.
    pub latency: Duration,
}

/// A host and where it is plugged in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HostSpec {
    /// What people call it, such as `h1`.
    pub name: String,
    /// Its MAC address.
    pub mac: MacAddr,
    /// Its IPv4 address; all hosts are on one network.
    pub ipv4: Ipv4Addr,
    /// Its IPv6 address.
    pub ipv6: Ipv6Addr,
    /// The switch port.
    pub port: PortId,
    /// How long a frame is under way, in either direction.
    pub latency: Duration,
}

/// A whole network. Ports have the numbers 1, 2, 3 … of each switch, in the order in which links and hosts were added.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FabricSpec {
    /// Switches, each datapath id once.
    pub switches: Vec<SwitchSpec>,
    /// Learning bridges of somebody else's, which speak no OpenFlow: they flood what they do not know and let nothing through that is for the nearest
    /// bridge. They have their numbers from the switches' datapath ids, so that their ports have names; nobody is told of them.
    pub bridges: Vec<SwitchSpec>,
    /// Links between switches.
    pub links: Vec<LinkSpec>,
    /// Hosts.
    pub hosts: Vec<HostSpec>,
    /// Flow tables per switch.
    pub n_tables: u8,
    /// Whether hosts announce themselves (gratuitous ARP, unsolicited neighbour advertisement) when their port comes up, each within
    /// [`crate::fabric::ANNOUNCE_SPREAD`] of the start.
    pub announce: bool,
    /// How long a probe may take before it counts as lost.
    pub probe_deadline: Duration,
    /// Hops after which a frame counts as looping and is dropped. `None`: one more than there are switches, because a frame on a
    /// loop-free path visits each switch once at most.
    pub hop_limit: Option<u32>,
}

impl Default for FabricSpec {
    fn default() -> FabricSpec {
        FabricSpec::new()
    }
}

impl FabricSpec {
    /// Nothing yet.
    pub const fn new() -> FabricSpec {
        FabricSpec {
            switches: Vec::new(),
            bridges: Vec::new(),
            links: Vec::new(),
            hosts: Vec::new(),
            n_tables: DEFAULT_TABLES,
            announce: false,
            probe_deadline: DEFAULT_PROBE_DEADLINE,
            hop_limit: None,
        }
    }

    /// The switches and links of a shape, without hosts.
    pub fn of(shape: &Shape) -> FabricSpec {
        let switches = shape.switches.iter();
        let links = shape.links.iter().map(|&(a, b)| LinkSpec { a, b, latency: DEFAULT_LINK_LATENCY });
        FabricSpec {
            switches: switches.map(|(id, name)| SwitchSpec { datapath_id: *id, name: name.clone() }).collect(),
            links: links.collect(),
            ..FabricSpec::new()
        }
    }

    /// Adds a switch. A datapath id that is already there is left as it is.
    pub fn add_switch(&mut self, datapath_id: DatapathId, name: &str) -> &mut FabricSpec {
        if !self.switches.iter().any(|switch| switch.datapath_id == datapath_id) {
            self.switches.push(SwitchSpec { datapath_id, name: name.to_owned() });
        }
        self
    }

    /// Adds a learning bridge under a number that neither a switch nor another bridge has.
    pub fn add_bridge(&mut self, datapath_id: DatapathId, name: &str) -> &mut FabricSpec {
        if !self.is_switch(datapath_id) && !self.is_bridge(datapath_id) {
            self.bridges.push(SwitchSpec { datapath_id, name: name.to_owned() });
        }
        self
    }

    pub(crate) fn is_switch(&self, id: DatapathId) -> bool {
        self.switches.iter().any(|switch| switch.datapath_id == id)
    }

    fn is_bridge(&self, id: DatapathId) -> bool {
        self.bridges.iter().any(|bridge| bridge.datapath_id == id)
    }

    /// The next port of a switch that neither a link nor a host has.
    pub fn next_port(&self, datapath_id: DatapathId) -> PortId {
        let linked = self.links.iter().flat_map(|link| [link.a, link.b]);
        let used = linked.chain(self.hosts.iter().map(|host| host.port));
        let highest = used.filter(|port| port.datapath_id == datapath_id).map(|port| port.port_no.0).max();
        PortId::new(datapath_id, PortNo(highest.unwrap_or(0) + 1))
    }

    /// A cable between the next free ports of two switches.
    pub fn add_link(&mut self, a: DatapathId, b: DatapathId) -> LinkIndex {
        let a = self.next_port(a);
        let mut b = self.next_port(b);
        if a == b {
            b.port_no.0 += 1;
        }
        self.links.push(LinkSpec { a, b, latency: DEFAULT_LINK_LATENCY });
        LinkIndex(self.links.len() - 1)
    }

    /// A host at the next free port of a switch. Host `n` (from 1) is `h<n>`, 02:00:00:00:xx:xx, 10.0.x.x and 2001:db8::x.
    pub fn add_host(&mut self, datapath_id: DatapathId) -> HostIndex {
        let index = self.hosts.len();
        let number = (index + 1).min(MAX_HOSTS) as u16;
        let [high, low] = number.to_be_bytes();
        self.hosts.push(HostSpec {
            name: format!("h{number}"),
            mac: MacAddr([0x02, 0, 0, 0, high, low]),
            ipv4: Ipv4Addr::new(10, 0, high, low),
            ipv6: Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, number),
            port: self.next_port(datapath_id),
            latency: DEFAULT_LINK_LATENCY,
        });
        HostIndex(index)
    }

    /// A fat-tree of `k`-port switches (Al-Fares et al., SIGCOMM 2008): `k²/4` cores, `k` pods of `k/2` aggregation and `k/2` edge
    /// switches, `k/2` hosts at each edge switch. `k` is rounded up to an even number from 2 to 30. With k = 4: 20 switches, 32 links,
    /// 16 hosts.
    ///
    /// Datapath ids say what a switch is: `0xc000NN` core, `0xa0PPNN` aggregation NN of pod PP, `0xe0PPNN` edge NN of pod PP (each
    /// two hex digits from 1); names say it in words: `core-1`, `agg-1-2`, `edge-1-2`.
    pub fn fat_tree(k: usize) -> FabricSpec {
        let k = (k.clamp(2, 30)).next_multiple_of(2);
        let half = k / 2;
        let mut spec = FabricSpec::of(&Shape::fat_tree(k));
        for pod in 1..=k {
            for edge in 1..=half {
                for _ in 0..half {
                    spec.add_host(DatapathId(0xe0_0000 | ((pod as u64) << 8) | edge as u64));
                }
            }
        }
        spec
    }

    /// `n` switches (at least 2) in a row, one host at each. Datapath ids 1 to n, names `s1` to `s<n>`.
    pub fn linear(n: usize) -> FabricSpec {
        let mut spec = FabricSpec::row(n.max(2));
        for number in 1..n.max(2) {
            spec.add_link(DatapathId(number as u64), DatapathId(number as u64 + 1));
        }
        for number in 1..=n.max(2) {
            spec.add_host(DatapathId(number as u64));
        }
        spec
    }

    /// A ring of `n` switches (at least 3) with one chord across it (from 4 switches on), and `hosts` hosts spread over the switches in turn.
    /// The links `0..n` are the ring, from switch i+1 to its successor; the last one is the chord.
    pub fn ring_with_chord(n: usize, hosts: usize) -> FabricSpec {
        let n = n.max(3);
        let mut spec = FabricSpec::row(n);
        for number in 0..n {
            spec.add_link(DatapathId(number as u64 + 1), DatapathId(((number + 1) % n) as u64 + 1));
        }
        if n > 3 {
            spec.add_link(DatapathId(1), DatapathId((n / 2) as u64 + 1));
        }
        for host in 0..hosts {
            spec.add_host(DatapathId((host % n) as u64 + 1));
        }
        spec
    }

    fn row(n: usize) -> FabricSpec {
        let mut spec = FabricSpec::new();
        for number in 1..=n {
            spec.add_switch(DatapathId(number as u64), &format!("s{number}"));
        }
        spec
    }

    /// The name of a switch or a bridge.
    pub fn name(&self, datapath_id: DatapathId) -> Option<&str> {
        let switch = self.switches.iter().chain(&self.bridges).find(|switch| switch.datapath_id == datapath_id)?;
        Some(&switch.name)
    }

    /// What contradicts itself: an end at a switch that isn't there, two cables in one port, an address that two hosts have.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut owners: BTreeMap<PortId, String> = BTreeMap::new();
        let linked = self.links.iter().enumerate();
        let ends = linked.flat_map(|(index, link)| [(link.a, index), (link.b, index)]);
        let ends = ends.map(|(port, index)| (port, LinkIndex(index).to_string()));
        let hosts = self.hosts.iter().map(|host| (host.port, host.name.clone()));
        for (port, owner) in ends.chain(hosts) {
            if !self.is_switch(port.datapath_id) && !self.is_bridge(port.datapath_id) {
                problems.push(format!("{owner}: there is no switch {}", port.datapath_id));
            }
            if !port.port_no.is_physical() {
                problems.push(format!("{owner}: {} is no port for a cable", port.port_no));
            }
            if let Some(other) = owners.insert(port, owner.clone()) {
                problems.push(format!("{owner}: port {port} is taken by {other}"));
            }
        }
        for (index, host) in self.hosts.iter().enumerate() {
            for other in self.hosts.iter().skip(index + 1) {
                if host.mac == other.mac || host.ipv4 == other.ipv4 || host.ipv6 == other.ipv6 {
                    problems.push(format!("{} and {} share an address", host.name, other.name));
                }
            }
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fat_tree_of_four_port_switches_has_20_switches_32_links_and_16_hosts() {
        let spec = FabricSpec::fat_tree(4);
        assert_eq!((spec.switches.len(), spec.links.len(), spec.hosts.len()), (20, 32, 16));
        assert_eq!(spec.problems(), Vec::<String>::new());
        for switch in &spec.switches {
            assert_eq!(spec.next_port(switch.datapath_id).port_no, PortNo(5), "{} has four ports", switch.name);
        }
        assert_eq!(spec.name(DatapathId(0xe00201)), Some("edge-2-1"));
    }

    #[test]
    fn the_ready_made_shapes_do_not_contradict_themselves() {
        for spec in [
            FabricSpec::fat_tree(6),
            FabricSpec::linear(5),
            FabricSpec::ring_with_chord(4, 6),
            FabricSpec::ring_with_chord(3, 0),
        ] {
            assert_eq!(spec.problems(), Vec::<String>::new());
        }
        assert_eq!(FabricSpec::ring_with_chord(4, 6).links.len(), 5);
    }

    #[test]
    fn contradictions_are_all_named() {
        let mut spec = FabricSpec::linear(2);
        spec.hosts[1].mac = spec.hosts[0].mac;
        spec.hosts[1].port = spec.links[0].a;
        spec.links[0].b.datapath_id = DatapathId(9);
        assert_eq!(spec.problems().len(), 3);
    }
}
