//! The network as it is known now, and the changes that led there.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use net::{DatapathId, MacAddr, PortId, PortNo, Time};
use smallvec::SmallVec;

use crate::{Hosts, LldpNeighbor, LldpNeighbors, SeededMap};

/// A port as its switch describes it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct PortInfo {
    /// Its number on the switch.
    pub port_no: PortNo,
    /// Its own MAC address.
    pub hw_addr: MacAddr,
    /// Its name on the switch.
    pub name: String,
    /// Not switched off by configuration, and the link layer is up.
    pub up: bool,
    /// The switch says that it may be used for forwarding (OFPPS_LIVE, OpenFlow 1.3.5 §7.2.1). Many switches never say so of any port; of one that has
    /// been live once it counts: with BFD on it, the other end does not answer.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub live: bool,
    /// Current bit rate in kbit/s; 0 if the switch does not say.
    pub curr_speed_kbps: u32,
}

/// What is at the other end of a port.
///
/// ```text
///          dwell without a probe           probe seen
/// Unknown ───────────────────────► Edge ───────────────► Link
///    ▲ └───────────────────────────────────────────────► ▲ │
///    └──────── port down (any state), link lost ───────────┘
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum PortState {
    /// Not known yet, or the port is down: no flooding, no learning.
    Unknown,
    /// Hosts.
    Edge,
    /// Another port of this network's switches.
    Link,
}

/// A port of a switch in the network.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Port {
    /// As the switch describes it.
    pub info: PortInfo,
    /// What is at the other end. Always [`PortState::Unknown`] when the port is down.
    pub state: PortState,
    /// Who says by LLDP that it is at the other end; `None` if nobody does.
    pub lldp_neighbor: Option<Box<LldpNeighbors>>,
}

/// A switch in the network.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Switch {
    /// Whether its control connection is up. If not, what is known of it is frozen.
    pub connected: bool,
    /// It has not said that it is an Open vSwitch, and is spoken to in OpenFlow's own words alone.
    pub plain_openflow: bool,
    /// Its ports.
    pub ports: BTreeMap<PortNo, Port>,
}

impl Switch {
    /// Whether each port that is up is known to be an edge or a link.
    pub fn is_settled(&self) -> bool {
        self.ports.values().all(|port| !port.info.up || port.state != PortState::Unknown)
    }
}

/// One direction of a link: probes that left by `source` came in by `target`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Link {
    /// Where frames leave.
    pub source: PortId,
    /// Where they arrive.
    pub target: PortId,
    /// Since when it is known.
    pub since: Time,
}

/// How long frames take through one direction of a link, as its probes measured it: from the controller out of the one switch
/// and in by the other, less half of the round trip of either control channel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct LinkLatency {
    /// The last probe's.
    pub last: Duration,
    /// Smoothed: each new one counts an eighth, as a round trip does in RFC 6298 §2.3.
    pub smoothed: Duration,
    /// The least of the last half to whole minute ([`LATENCY_WINDOW`](crate::LATENCY_WINDOW)): what is nearest to the wire's own.
    pub min: Duration,
    /// Probes measured.
    pub samples: u64,
    #[cfg_attr(feature = "serde", serde(skip))]
    window: MinWindow,
}

impl LinkLatency {
    /// The first measurement, at `now`.
    pub const fn first(sample: Duration, now: Time) -> LinkLatency {
        LinkLatency { last: sample, smoothed: sample, min: sample, samples: 1, window: MinWindow::new(sample, now) }
    }

    pub(crate) fn add(&mut self, sample: Duration, now: Time) {
        self.last = sample;
        self.smoothed = (self.smoothed * 7 + sample) / 8;
        self.min = self.window.add(sample, now);
        self.samples += 1;
    }
}

/// The least of what came in the last [`LATENCY_WINDOW`](crate::LATENCY_WINDOW), kept in two halves: what is there is half a window to a whole one old.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct MinWindow {
    before: Duration,
    now: Duration,
    /// When the second half began.
    since: Time,
}

impl MinWindow {
    pub(crate) const fn new(sample: Duration, now: Time) -> MinWindow {
        MinWindow { before: sample, now: sample, since: now }
    }

    /// The least, with this one.
    pub(crate) fn add(&mut self, sample: Duration, now: Time) -> Duration {
        let (half, elapsed) = (crate::LATENCY_WINDOW / 2, now.since(self.since));
        if elapsed >= half {
            let before = if elapsed >= 2 * half { sample } else { self.now };
            *self = MinWindow { before, now: sample, since: now };
        }
        self.now = self.now.min(sample);
        self.min()
    }

    pub(crate) fn min(&self) -> Duration {
        self.before.min(self.now)
    }
}

/// The IP addresses of one host, ascending, and when each was seen last, to the second. Most hosts have one, which takes no memory of its own.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    sorted: SmallVec<[(IpAddr, u32); 1]>,
}

/// Equal if the addresses are, whenever they were seen.
impl PartialEq for Addresses {
    fn eq(&self, other: &Addresses) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Addresses {}

impl Addresses {
    /// How many.
    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    /// Whether the host has this address.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.find(address).is_ok()
    }

    /// All of them, ascending.
    pub fn iter(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.sorted.iter().map(|(address, _)| *address)
    }

    /// The host used this address. Whether it is new.
    pub fn insert(&mut self, address: IpAddr, now: Time) -> bool {
        match self.find(address) {
            Ok(at) => {
                self.sorted[at].1 = seconds(now);
                false
            }
            Err(at) => {
                self.sorted.insert(at, (address, seconds(now)));
                true
            }
        }
    }

    /// Whether it was there.
    pub fn remove(&mut self, address: IpAddr) -> bool {
        match self.find(address) {
            Ok(at) => {
                self.sorted.remove(at);
                true
            }
            Err(_) => false,
        }
    }

    /// All of them, that seen last first.
    pub fn newest_first(&self) -> impl DoubleEndedIterator<Item = IpAddr> + use<> {
        let mut newest = self.sorted.clone();
        newest.sort_by_key(|(_, seen)| std::cmp::Reverse(*seen));
        newest.into_iter().map(|(address, _)| address)
    }

    /// Those that were not seen since `then`, while another of their family was.
    pub fn given_up(&self, then: Time) -> impl Iterator<Item = IpAddr> + '_ {
        let then = seconds(then);
        let in_use = move |family: bool| self.sorted.iter().any(|it| it.0.is_ipv4() == family && it.1 >= then);
        let in_use = [in_use(false), in_use(true)];
        let is_given_up = move |it: &&(IpAddr, u32)| it.1 < then && in_use[usize::from(it.0.is_ipv4())];
        self.sorted.iter().filter(is_given_up).map(|(address, _)| *address)
    }

    fn find(&self, address: IpAddr) -> Result<usize, usize> {
        self.sorted.binary_search_by_key(&address, |(address, _)| *address)
    }
}

fn seconds(now: Time) -> u32 {
    u32::try_from(now.as_nanos() / 1_000_000_000).unwrap_or(u32::MAX)
}

#[cfg(feature = "serde")]
impl serde::Serialize for Addresses {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

/// A station on an edge port.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Host {
    /// Its MAC address.
    pub mac: MacAddr,
    /// Where it is.
    pub port: PortId,
    /// IP addresses that it used, at most [`MAX_ADDRESSES_PER_HOST`](crate::MAX_ADDRESSES_PER_HOST).
    pub addresses: Addresses,
    /// Since when it is there.
    pub since: Time,
    /// When the controller last saw a packet of it. Packets that the switch forwards by itself do not count.
    pub last_seen: Time,
}

/// Everything that is known of the network.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Network {
    /// Grows by one with each [`Change`].
    pub generation: u64,
    /// Switches, connected or frozen.
    pub switches: BTreeMap<DatapathId, Switch>,
    /// Directions of links by the port where frames leave.
    #[cfg_attr(feature = "serde", serde(serialize_with = "values"))]
    pub links: BTreeMap<PortId, Link>,
    /// Sources of the links that pass through switches that are not ours.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) crossing: BTreeSet<PortId>,
    /// By source, of links both of whose switches have a known round trip. Another measurement alone is no [`Change`].
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) latencies: BTreeMap<PortId, LinkLatency>,
    /// Hosts.
    pub hosts: Hosts,
    /// Where the operator says that hosts are. Shared: copies of the network are made often, and this changes with the configuration alone.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) static_ports: Arc<BTreeMap<MacAddr, PortId>>,
    /// Ports in state Edge of connected switches: what is asked for each packet.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) edges: SeededMap<PortId, ()>,
}

impl Network {
    /// Nothing known. `seed` keys the hash maps.
    pub fn new(seed: u64) -> Network {
        Network { hosts: Hosts::with_seed(seed), edges: SeededMap::with_seed(seed), ..Network::default() }
    }

    /// A port.
    pub fn port(&self, port: PortId) -> Option<&Port> {
        self.switches.get(&port.datapath_id)?.ports.get(&port.port_no)
    }

    /// Whether this is an Edge port of a connected switch, so that hosts are behind it. One look, however many switches and ports there are.
    pub fn takes_hosts(&self, port: PortId) -> bool {
        self.edges.contains_key(&port)
    }

    /// The host that used `address` last.
    pub fn host_at(&self, address: IpAddr) -> Option<&Host> {
        self.hosts.at(address)
    }

    /// Where the operator says that this host is, if he does: there it never ages. Whether it is there at all is in [`Network::hosts`].
    pub fn static_port(&self, mac: MacAddr) -> Option<PortId> {
        self.static_ports.get(&mac).copied()
    }

    /// Whether the link out of `source` passes through switches that are not ours: only broadcast probes come through. What
    /// else is there, and what it does with frames, is unknown.
    pub fn crosses_others(&self, source: PortId) -> bool {
        self.crossing.contains(&source)
    }

    /// The ports whose links pass through switches that are not ours, ascending.
    pub fn crossing_links(&self) -> impl Iterator<Item = PortId> + '_ {
        self.crossing.iter().copied()
    }

    /// Whether this port is on a segment of switches that are not ours with more than two of ours, and is none of the two between which the
    /// segment is a link: the port that its probes reach hears those of another one.
    pub fn is_left_over(&self, port: PortId) -> bool {
        let back = || self.links.get(&self.links.get(&port)?.target);
        self.crosses_others(port) && back().is_some_and(|back| back.target != port)
    }

    /// How long frames take through the link out of `source`; `None` until the round trips of both switches are known.
    pub fn latency(&self, source: PortId) -> Option<&LinkLatency> {
        self.latencies.get(&source)
    }

    /// The same of all links of which it is known, by their sources.
    pub fn latencies(&self) -> impl ExactSizeIterator<Item = (PortId, &LinkLatency)> {
        self.latencies.iter().map(|(source, latency)| (*source, latency))
    }

    /// Whether the link out of `source` is known in both directions, so that it may carry traffic. A plug that leads a port back to
    /// itself is no such link.
    pub fn is_bidirectional(&self, source: PortId) -> bool {
        let Some(link) = self.links.get(&source) else { return false };
        link.target != source && self.links.get(&link.target).is_some_and(|back| back.target == source)
    }

    /// Each link that is known in both directions once: the direction whose source is the smaller port.
    pub fn bidirectional_links(&self) -> impl Iterator<Item = &Link> {
        self.links.values().filter(|link| link.source < link.target && self.is_bidirectional(link.source))
    }

    /// All ports with their ids.
    pub fn ports(&self) -> impl Iterator<Item = (PortId, &Port)> {
        self.switches.iter().flat_map(|(datapath_id, switch)| {
            switch.ports.iter().map(|(port_no, port)| (PortId::new(*datapath_id, *port_no), port))
        })
    }

    /// All LLDP neighbours with the ports that they are at.
    pub fn lldp_neighbors(&self) -> impl Iterator<Item = (PortId, &LldpNeighbor)> {
        self.ports()
            .filter_map(move |(id, port)| Some((id, port.lldp_neighbor.as_deref()?)))
            .flat_map(|(id, neighbors)| neighbors.iter().map(move |neighbor| (id, neighbor)))
    }

    pub(crate) fn port_mut(&mut self, port: PortId) -> Option<&mut Port> {
        self.switches.get_mut(&port.datapath_id)?.ports.get_mut(&port.port_no)
    }
}

/// JSON objects want text keys, which a port is not; links say themselves where they belong.
#[cfg(feature = "serde")]
fn values<K, V: serde::Serialize, S: serde::Serializer>(
    map: &BTreeMap<K, V>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(map.values())
}

/// Why a direction of a link is no more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum LinkDownReason {
    /// One of its ports went down.
    PortDown,
    /// One of its ports is no more.
    PortRemoved,
    /// Its probes went unanswered.
    ProbesMissed,
    /// Its probes arrive at another port now.
    FarEndChanged,
    /// One of its switches is gone.
    SwitchGone,
}

/// Why a host was forgotten.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum HostForgottenReason {
    /// Its port went down.
    PortDown,
    /// Its port is no more.
    PortRemoved,
    /// Its port leads to another switch, or is expected to.
    PortBecameLink,
    /// The switch said that it is silent.
    Idle,
    /// Nothing was seen of it for too long.
    Silent,
    /// Its switch is gone.
    SwitchGone,
}

/// One change of the [`Network`]. It is told after the network shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// A switch connected, for the first time or again.
    SwitchUp(DatapathId),
    /// A switch's control connection was lost. It stays in the network, frozen.
    SwitchDown(DatapathId),
    /// A switch stayed away too long and is no more in the network.
    SwitchGone(DatapathId),
    /// A port appeared, vanished, went up or down, changed its state, its description or its LLDP neighbour.
    PortChanged(PortId),
    /// A direction of a link appeared.
    LinkUp(Link),
    /// A direction of a link is no more.
    LinkDown {
        /// As it was.
        link: Link,
        /// Why.
        reason: LinkDownReason,
    },
    /// A host appeared.
    HostLearned(MacAddr),
    /// A host is on another port.
    HostMoved {
        /// Which.
        mac: MacAddr,
        /// Where it was.
        from: PortId,
    },
    /// The addresses of a host changed: it used a new one, or another host took one over.
    HostAddressed(MacAddr),
    /// The operator says from now on that a host is always where it is, or says so no more: see [`Network::static_port`].
    HostFixed(MacAddr),
    /// A host is no more.
    HostForgotten {
        /// As it was. Elsewhere: every change would be as large.
        host: Box<Host>,
        /// Why.
        reason: HostForgottenReason,
    },
}
