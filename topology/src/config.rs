//! What an operator may set, and the limits that are not settings.

use std::time::Duration;

/// How long a switch whose control connection was lost stays in the network. Its data plane goes on forwarding, so its links and
/// hosts are frozen, not forgotten; 90 s covers a controller's or a switch's restart. After it the switch is gone.
pub const SWITCH_GRACE: Duration = Duration::from_secs(90);

/// How long a port that is expected to be a link may stay [`Unknown`](crate::PortState::Unknown) before it counts as an edge. Open
/// vSwitch waits 1, 2, 4, then 8 s between connection attempts: 20 s let the far end connect too. Also how long a port whose link fell
/// silent while the port stayed up is kept from being an edge: flooding into a link whose probes were lost makes a loop.
pub const EXPECTED_LINK_LIMIT: Duration = Duration::from_secs(20);

/// How long the links of a switch that connected again may go without an answered probe, instead of the usual misses: the rule
/// that brings probes to the controller may have to be installed again first.
pub const RECONNECTED_LINK_LIMIT: Duration = Duration::from_secs(5);

/// Probes that have to leave by a port before it may become an edge, however short the dwell: one lost frame must not make a link
/// look like an edge. With an exhausted probe budget this makes the dwell longer.
pub const MIN_DWELL_PROBES: u32 = 3;

/// Ports of one switch. Further ones are left out of the network and are counted; the largest chassis have under a thousand.
pub const MAX_PORTS_PER_SWITCH: usize = 8_192;

/// Probes of one port that are on their way. An older one that comes in after this many newer ones were sent is stale.
pub const MAX_OUTSTANDING_PROBES: usize = 8;

/// How old a probe may be. The way out of one switch and in by the next takes milliseconds; this leaves room for a busy controller.
pub const PROBE_MAX_AGE: Duration = Duration::from_secs(3);

/// Probes in a row that have to come too late for a condition to tell of it.
pub const LATE_PROBES_TOLD: u32 = 3;

/// How far back the least latency of a link and the least round trip of a control channel go: half of it at least. A way that has become longer shows
/// within it.
pub const LATENCY_WINDOW: Duration = Duration::from_secs(60);

/// From how many foreign or replayed probes on a condition tells of them: a few are under way when a controller starts again, and where cables are moved.
pub const ODD_PROBES_TOLD: u64 = 5;
/// A probe older than this has not waited in a switch: its connection would have ended by then, for it answers no echo.
pub const REPLAYED_PROBE_AGE: Duration = Duration::from_secs(30);
/// How long a condition tells of a foreign or replayed probe, and how long after the one before it another one adds to it.
pub const ODD_PROBES_HOLD: Duration = Duration::from_secs(10);
/// The same of a forged probe, of which one is enough: who sends one now and then is a line of the log per minute at the most.
pub const FORGED_PROBES_HOLD: Duration = Duration::from_secs(60);

/// LLDP neighbours that are not ours at one port. Further ones are not shown until the time to live of one is over, and are counted. More
/// than one means that something forwards LLDP which should not.
pub const MAX_LLDP_NEIGHBORS_PER_PORT: usize = 8;

/// LLDP neighbours that are not ours in all, of about 2 KiB each at the most. Further ones are not shown, and are counted.
pub const MAX_LLDP_NEIGHBORS: usize = 16_384;

/// How often what a foreign LLDP neighbour says of itself may change the network: a host that sends another name in every frame
/// must not cause a change with every frame. Frames in between are counted and left.
pub const NEIGHBOR_CHANGE_INTERVAL: Duration = Duration::from_secs(1);

/// Hosts on one port by default. Further ones are not learned and are counted: one port cannot fill the table.
pub const MAX_HOSTS_PER_PORT: usize = 1_024;

/// Hosts in all by default. Further ones are not learned and are counted.
pub const MAX_HOSTS: usize = 65_536;

/// IP addresses of one host. A further one takes the place of that not seen for longest, which is counted; IPv6 privacy addresses need about eight.
pub const MAX_ADDRESSES_PER_HOST: usize = 16;

/// A host of which nothing was seen for this many host time-outs is forgotten even if no switch said that it is idle. The switch
/// measures idleness, because only it sees all packets; this is for an idle report that was lost. A live host shows
/// itself sooner: its ARP or Neighbour Discovery cache runs out within minutes.
pub const HOST_SILENCE_FACTOR: u32 = 12;

/// Probes waiting in [`Discovery::poll_transmit`](crate::Discovery::poll_transmit). An owner that falls behind this far loses probes,
/// which are counted; a probe that was not sent is not a miss.
pub const MAX_QUEUED_PROBES: usize = 4_096;

/// How long after a switch connected its ports may still become links though a host was learned at the other end: the rules
/// that bring probes to the controller may have to be installed first, and frames of hosts be faster.
pub const NEW_SWITCH_LIMIT: Duration = Duration::from_secs(5);

/// How long a refused probe keeps the other port from being an edge: the next one comes sooner.
pub const REFUSED_LINK_HOLD: Duration = Duration::from_secs(20);

/// Hosts that seem to have moved and whose old place is being asked, and addresses whose owners are. Further sightings of that kind are left until
/// one is decided, and counted.
pub const MAX_PENDING_MOVES: usize = 1_024;

/// As many of them may seem to be at one port: nobody there can keep the moves of others from being seen. The guests of a machine that move together
/// are fewer, or come by and by.
pub const MAX_PENDING_MOVES_PER_PORT: usize = 64;

/// Addresses of a host that are asked for before it has moved, the newest first: the oldest may be given up.
pub const MAX_INQUIRIES_PER_HOST: usize = 4;

/// How long somebody who used a host's address elsewhere is not listened to again, and how long a condition tells of it times ten.
pub const CONTESTED_HOST_PAUSE: Duration = Duration::from_secs(1);

/// How long a condition tells of a DHCP server that may not be one, after its last answer: clients ask seldom.
pub const ROGUE_DHCP_SERVER_HOLD: Duration = Duration::from_secs(600);
/// DHCP servers of one port that are told at the same time. While there are more, those that were heard first are.
pub const ROGUE_DHCP_SERVERS_PER_PORT: usize = 4;

/// What an operator may set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DiscoveryConfig {
    /// Time between two probes out of a link's port.
    pub probe_interval: Duration,
    /// Probes in a row that have to go unanswered for a link to be down.
    pub probe_misses: u32,
    /// How long a port that came up has to be silent to be an edge.
    pub dwell: Duration,
    /// Time between two probes out of an edge port: they find a switch that was plugged in behind the port's back.
    pub edge_probe_interval: Duration,
    /// Whether broadcast probes (BDDP) are sent, too: they find links across switches that are not ours. Edge ports and such links then
    /// cost two frames a probe. The owner has to bring frames with ethertype 0x8942 from all ports to [`Discovery::handle_frame`](crate::Discovery::handle_frame).
    pub broadcast_probes: bool,
    /// Whether a port at which a host was seen is kept from becoming a link until it has been down.
    pub protect_host_ports: bool,
    /// How long a probe may be on its way beyond what the control channels take. A slower one was relayed, or the controller
    /// is overloaded: it makes no link, and keeps one that is there, as frames come through. Zero takes all that are younger than [`PROBE_MAX_AGE`].
    pub max_link_latency: Duration,
    /// Time in which half of what is held against a flapping link is forgotten; zero keeps no link down.
    pub flap_half_life: Duration,
    /// How long the old place of a host that seems to have moved has to answer before the move is believed; zero believes it at once. The
    /// owner has to send what [`Discovery::poll_host_inquiry`](crate::Discovery::poll_host_inquiry) gives. A host of which no IP address is
    /// known can't be asked: its moves are believed.
    pub move_confirmation: Duration,
    /// Probes per second over all ports. When the intervals ask for more, those of ports that are no links are stretched first.
    pub probe_budget_per_second: u32,
    /// How long a host may be silent. The switch measures it; see [`HOST_SILENCE_FACTOR`].
    pub host_timeout: Duration,
    /// Hosts on one port.
    pub max_hosts_per_port: usize,
    /// Hosts in all.
    pub max_hosts: usize,
}

impl Default for DiscoveryConfig {
    fn default() -> DiscoveryConfig {
        DiscoveryConfig {
            probe_interval: Duration::from_millis(300),
            probe_misses: 3,
            dwell: Duration::from_millis(500),
            edge_probe_interval: Duration::from_secs(1),
            broadcast_probes: false,
            protect_host_ports: true,
            // In fibre, light takes as long once around the earth.
            max_link_latency: Duration::from_millis(200),
            flap_half_life: Duration::from_secs(10),
            move_confirmation: Duration::ZERO,
            // A probe costs about 10 µs from timer to packet-in on one core: 4,000 are 4 % of it.
            probe_budget_per_second: 4_000,
            host_timeout: Duration::from_secs(300),
            max_hosts_per_port: MAX_HOSTS_PER_PORT,
            max_hosts: MAX_HOSTS,
        }
    }
}
