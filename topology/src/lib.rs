//! What the network is: LLDP, link discovery, hosts, and the [`Network`] snapshot with its stream of [`Change`]s.
//!
//! [`Discovery`] is a machine without clock or socket: it is told what switches and ports there are and which LLDP frames came in,
//! and says which probes to send, which ports lead to other switches and which hosts hang off the others. Nothing in here knows
//! OpenFlow: the owner turns packet-ins and port descriptions into calls and probes into packet-outs.
#![forbid(unsafe_code)]

mod condition;
mod config;
mod dhcp;
mod discovery;
mod hosts;
mod index;
pub mod lldp;
mod neighbor;
mod network;
pub mod probe;
mod seeded_map;
mod sighting;
mod slab;

pub use condition::{Condition, Conditions, ExpectedLink, MAX_CONDITIONS, Subject};
pub use config::{
    CONTESTED_HOST_PAUSE, DiscoveryConfig, EXPECTED_LINK_LIMIT, FORGED_PROBES_HOLD, HOST_SILENCE_FACTOR,
    LATE_PROBES_TOLD, LATENCY_WINDOW, MAX_ADDRESSES_PER_HOST, MAX_HOSTS, MAX_HOSTS_PER_PORT, MAX_INQUIRIES_PER_HOST,
    MAX_LLDP_NEIGHBORS, MAX_LLDP_NEIGHBORS_PER_PORT, MAX_OUTSTANDING_PROBES, MAX_PENDING_MOVES,
    MAX_PENDING_MOVES_PER_PORT, MAX_PORTS_PER_SWITCH, MAX_QUEUED_PROBES, MIN_DWELL_PROBES, NEIGHBOR_CHANGE_INTERVAL,
    NEW_SWITCH_LIMIT, ODD_PROBES_HOLD, ODD_PROBES_TOLD, PROBE_MAX_AGE, RECONNECTED_LINK_LIMIT, REFUSED_LINK_HOLD,
    REPLAYED_PROBE_AGE, ROGUE_DHCP_SERVER_HOLD, ROGUE_DHCP_SERVERS_PER_PORT, SWITCH_GRACE,
};
pub use dhcp::{DhcpAnswer, dhcp_answer};
pub use discovery::{
    DhcpServer, Discovery, DiscoveryCounters, HostInquiry, HostSighting, ProbePace, ProbeTransmit, StaticHost,
};
pub use hosts::Hosts;
pub use index::Index;
pub use neighbor::{LldpNeighbor, LldpNeighbors, MAX_MANAGEMENT_ADDRESSES};
pub use network::{
    Addresses, Change, Host, HostForgottenReason, Link, LinkDownReason, LinkLatency, Network, Port, PortInfo,
    PortState, Switch,
};
pub use seeded_map::{SeededHasher, SeededMap, SeededState};
pub use sighting::sender_address;
pub use slab::Slab;
