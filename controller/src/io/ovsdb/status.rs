//! What of databases is shown and counted.

use std::collections::BTreeMap;

use net::{DatapathId, PortId};
use ovsdb::bfd::LinkEnds;
use telemetry::{Metric, Sample};

/// All of it at one moment.
#[derive(Clone, Debug, Default)]
pub struct OvsdbStatus {
    /// Databases, in the order of the configuration.
    pub connections: Vec<ConnectionStatus>,
    /// Links between switches that may have BFD.
    pub sessions: Vec<SessionStatus>,
    /// What databases say of ports.
    pub ports: BTreeMap<PortId, PortRow>,
    /// Transactions that a database has refused.
    pub transactions_failed: u64,
}

/// One database.
#[derive(Clone, Debug)]
pub struct ConnectionStatus {
    /// Where it is, in the words of the configuration.
    pub target: String,
    /// Connected, and everything is known.
    pub up: bool,
    /// Why it is not.
    pub error: Option<String>,
    /// The schema's version.
    pub version: Option<String>,
    /// The switch's version.
    pub ovs_version: Option<String>,
    /// Its bridges: name, and datapath id once the switch runs.
    pub bridges: Vec<(String, Option<DatapathId>)>,
    /// Switches that another bridge claims to be, too: what is said of them does not count.
    pub contested: Vec<DatapathId>,
    /// How many interfaces it has.
    pub interfaces: usize,
    /// How many of them have BFD from us.
    pub bfd_interfaces: usize,
}

/// BFD on one link.
#[derive(Clone, Copy, Debug)]
pub struct SessionStatus {
    /// Both ends.
    pub ends: LinkEnds,
    /// How far it is: `waiting`, `starting`, `up`, `down`, `failed`.
    pub state: &'static str,
}

/// What a database says of a port.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PortRow {
    /// The interface's name.
    pub name: String,
    /// For others' use.
    pub external_ids: BTreeMap<String, String>,
    /// Octets of the longest packet.
    pub mtu: Option<u16>,
    /// BFD's state at this end, where there is BFD.
    pub bfd_state: Option<String>,
}

/// States of a link's BFD that are counted.
const STATES: [&str; 5] = ["waiting", "starting", "up", "down", "failed"];

impl OvsdbStatus {
    /// For telemetry.
    pub(crate) fn samples(&self) -> Vec<Sample> {
        let up = self.connections.iter().filter(|connection| connection.up).count();
        let mut samples = vec![
            Sample::gauge(Metric::OvsdbConnections, up as f64).label("up"),
            Sample::gauge(Metric::OvsdbConnections, (self.connections.len() - up) as f64).label("down"),
            Sample::total(Metric::OvsdbTransactionsFailed, self.transactions_failed),
        ];
        for state in STATES {
            let count = self.sessions.iter().filter(|session| session.state == state).count();
            samples.push(Sample::gauge(Metric::BfdSessions, count as f64).label(state));
        }
        samples
    }
}
