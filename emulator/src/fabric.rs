//! Switches, links and hosts as one machine.

use crate::probe::{ProbeId, ProbeKind, ProbeLoss};
use crate::spec::{FabricSpec, HostIndex, LinkIndex};
use bytes::Bytes;
use net::{DatapathId, PortId, Time};
use openflow::switch::Switch;
use std::collections::BTreeMap;
use std::time::Duration;

/// Hosts that announce themselves do so within this time of the start, each at a moment of its own.
pub const ANNOUNCE_SPREAD: Duration = Duration::from_millis(200);

/// How a link is cut.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CutKind {
    /// Both ends see their port go down.
    PortDown,
    /// Frames vanish and nobody is told.
    Silent,
}

/// What the fabric tells its owner.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FabricEvent {
    /// A probe reached its end for the first time.
    ProbeDelivered {
        /// Which.
        id: ProbeId,
        /// Who sent it.
        source: HostIndex,
        /// Whom to.
        target: HostIndex,
        /// From the call of `send_probe` to the delivery, with address resolution.
        latency: Duration,
    },
    /// A probe was given up.
    ProbeLost {
        /// Which.
        id: ProbeId,
        /// Who sent it.
        source: HostIndex,
        /// Whom to.
        target: HostIndex,
        /// Why.
        reason: ProbeLoss,
    },
    /// A probe reached its end once more.
    ProbeDuplicated {
        /// Which.
        id: ProbeId,
    },
    /// A switch has ended its connection to the controller. Octets of it that are still to be sent come first.
    Closed {
        /// Which switch.
        datapath_id: DatapathId,
        /// Why, in words.
        reason: String,
    },
}

/// Totals over the whole fabric. Every counter only grows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FabricStats {
    /// Probes handed in.
    pub probes_sent: u64,
    /// Probes that arrived.
    pub probes_delivered: u64,
    /// Probes given up.
    pub probes_lost: u64,
    /// Arrivals of probes that had arrived before.
    pub probes_duplicated: u64,
    /// Arrivals of probes that had been given up.
    pub probes_late: u64,
    /// Frames that reached the other end of a link.
    pub frames_delivered: u64,
    /// Frames that were lost on a link that was cut.
    pub frames_cut: u64,
    /// Frames dropped because they had made more hops than a loop-free path has.
    pub looped_frames: u64,
    /// Frames dropped because too many were in flight.
    pub frames_overflowed: u64,
    /// Frames that a switch sent to a port with nothing plugged in.
    pub frames_unplugged: u64,
}

/// Counters of a link, per direction: `[a to b, b to a]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LinkStats {
    /// Frames that reached the other end.
    pub frames: [u64; 2],
    /// Octets in them.
    pub octets: [u64; 2],
    /// Frames lost because the link was cut.
    pub cut: [u64; 2],
}

/// Counters of a host.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct HostStats {
    /// Frames that reached it, also those for others.
    pub received: u64,
    /// Frames for its own MAC address or a group address that it listens to.
    pub accepted: u64,
    /// Frames that it sent.
    pub sent: u64,
    /// Frames of its own that came back to it.
    pub echoed: u64,
}

/// Switches, links and hosts on one clock and one seed; see the crate's description.
pub struct Fabric {
    spec: FabricSpec,
    switches: BTreeMap<DatapathId, Switch>,
    stats: FabricStats,
}

impl Fabric {
    /// A fabric with all ports up and no switch connected. Entries of the spec that contradict others (see
    /// [`FabricSpec::problems`]) are left out.
    pub fn new(seed: u64, spec: &FabricSpec, now: Time) -> Fabric {
        let _ = (seed, now);
        Fabric { spec: spec.clone(), switches: BTreeMap::new(), stats: FabricStats::default() }
    }

    /// What it was made from.
    pub fn spec(&self) -> &FabricSpec {
        &self.spec
    }

    /// Datapath ids of all switches, in order.
    pub fn datapath_ids(&self) -> impl Iterator<Item = DatapathId> + '_ {
        self.switches.keys().copied()
    }

    /// A new connection of a switch to its controller: a fresh channel, which at once has a HELLO to send. An older connection is dropped.
    /// The switch's tables are kept.
    pub fn connect(&mut self, datapath_id: DatapathId, now: Time) {
        let _ = (datapath_id, now);
    }

    /// Every switch connects.
    pub fn connect_all(&mut self, now: Time) {
        let _ = now;
    }

    /// The connection of a switch is gone, as when the controller dies. The switch goes on forwarding by its tables.
    pub fn disconnect(&mut self, datapath_id: DatapathId, now: Time) {
        let _ = (datapath_id, now);
    }

    /// Every connection is gone.
    pub fn disconnect_all(&mut self, now: Time) {
        let _ = now;
    }

    /// Whether a switch has a connection.
    pub fn is_connected(&self, datapath_id: DatapathId) -> bool {
        let _ = datapath_id;
        false
    }

    /// Octets from the controller, cut anywhere.
    pub fn handle_bytes(&mut self, datapath_id: DatapathId, octets: &[u8], now: Time) {
        let _ = (datapath_id, octets, now);
    }

    /// Everything that is due by `now` happens.
    pub fn handle_timeout(&mut self, now: Time) {
        let _ = now;
    }

    /// Octets for the controller of one switch.
    pub fn poll_transmit(&mut self) -> Option<(DatapathId, Bytes)> {
        None
    }

    /// What happened.
    pub fn poll_event(&mut self) -> Option<FabricEvent> {
        None
    }

    /// When `handle_timeout` has something to do next.
    pub fn poll_timeout(&self) -> Option<(Time, &'static str)> {
        None
    }

    /// Cuts a link. Frames under way on it are lost. A link that is cut already changes to this kind of cut.
    pub fn cut_link(&mut self, link: LinkIndex, kind: CutKind, now: Time) {
        let _ = (link, kind, now);
    }

    /// Mends a link.
    pub fn mend_link(&mut self, link: LinkIndex, now: Time) {
        let _ = (link, now);
    }

    /// How a link is cut now, if it is.
    pub fn link_cut(&self, link: LinkIndex) -> Option<CutKind> {
        let _ = link;
        None
    }

    /// The link between two switches with the lowest index.
    pub fn find_link(&self, a: DatapathId, b: DatapathId) -> Option<LinkIndex> {
        let _ = (a, b);
        None
    }

    /// Cuts or mends the cable of a host; its switch port goes down or up.
    pub fn set_host_up(&mut self, host: HostIndex, up: bool, now: Time) {
        let _ = (host, up, now);
    }

    /// Unplugs a host and plugs it into another port, where it announces itself. The port must be free or it stays where it is:
    /// then the answer is false.
    pub fn move_host(&mut self, host: HostIndex, port: PortId, now: Time) -> bool {
        let _ = (host, port, now);
        false
    }

    /// A host tells everybody its addresses: gratuitous ARP and unsolicited neighbour advertisement.
    pub fn announce(&mut self, host: HostIndex, now: Time) {
        let _ = (host, now);
    }

    /// An ICMP echo from one host to another; [`Fabric::send_probe_of`] with [`ProbeKind::Echo`].
    pub fn send_probe(&mut self, source: HostIndex, target: HostIndex, now: Time) -> ProbeId {
        self.send_probe_of(ProbeKind::Echo, source, target, now)
    }

    /// A probe from one host to another. Its fate is an event: delivered, or lost at the deadline of the spec.
    pub fn send_probe_of(&mut self, kind: ProbeKind, source: HostIndex, target: HostIndex, now: Time) -> ProbeId {
        let _ = (kind, source, target, now);
        self.stats.probes_sent += 1;
        ProbeId(self.stats.probes_sent)
    }

    /// A frame of any kind leaves a host.
    pub fn send_frame(&mut self, host: HostIndex, frame: Bytes, now: Time) {
        let _ = (host, frame, now);
    }

    /// A switch, to look at its tables, groups and ports.
    pub fn switch(&self, datapath_id: DatapathId) -> Option<&Switch> {
        self.switches.get(&datapath_id)
    }

    /// Totals.
    pub fn stats(&self) -> FabricStats {
        self.stats
    }

    /// Counters of a link.
    pub fn link_stats(&self, link: LinkIndex) -> LinkStats {
        let _ = link;
        LinkStats::default()
    }

    /// Counters of a host.
    pub fn host_stats(&self, host: HostIndex) -> HostStats {
        let _ = host;
        HostStats::default()
    }

    /// Frames on links now.
    pub fn frames_in_flight(&self) -> usize {
        0
    }

    /// Flow entries in all switches now.
    pub fn flow_count(&self) -> usize {
        self.switches.values().map(Switch::flow_count).sum()
    }
}
