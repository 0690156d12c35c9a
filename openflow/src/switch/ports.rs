//! The ports of a switch: description, liveness and counters (OpenFlow 1.3.5 §4.3, §7.2.1).

use crate::multipart::PortStats;
use crate::port::{Port, PortConfig, PortLinkState};
use net::{PortNo, Time};
use std::collections::BTreeMap;

/// A port and what it has counted.
#[derive(Clone, Debug)]
pub struct PortRecord {
    /// Its description.
    pub port: Port,
    /// Whether its link is up, whatever the administrator says.
    link: bool,
    /// When it was added.
    pub created: Time,
    /// Frames that came in.
    pub rx_packets: u64,
    /// Octets in them.
    pub rx_bytes: u64,
    /// Frames that came in and were dropped because the port is down or may not receive.
    pub rx_dropped: u64,
    /// Frames that went out.
    pub tx_packets: u64,
    /// Octets in them.
    pub tx_bytes: u64,
    /// Frames that should have gone out and were dropped because the port is down or may not forward.
    pub tx_dropped: u64,
}

/// All ports of a switch.
#[derive(Clone, Debug, Default)]
pub struct Ports {
    ports: BTreeMap<PortNo, PortRecord>,
}

impl Ports {
    /// No ports.
    pub fn new() -> Ports {
        Ports::default()
    }

    /// Adds a port; says whether it took the place of another one.
    pub(crate) fn insert(&mut self, port: Port, created: Time) -> bool {
        let link = !port.state.contains(PortLinkState::LINK_DOWN);
        let mut record = PortRecord {
            port,
            link,
            created,
            rx_packets: 0,
            rx_bytes: 0,
            rx_dropped: 0,
            tx_packets: 0,
            tx_bytes: 0,
            tx_dropped: 0,
        };
        record.settle();
        self.ports.insert(record.port.port_no, record).is_some()
    }

    pub(crate) fn remove(&mut self, port_no: PortNo) -> Option<PortRecord> {
        self.ports.remove(&port_no)
    }

    /// A port.
    pub fn get(&self, port_no: PortNo) -> Option<&PortRecord> {
        self.ports.get(&port_no)
    }

    pub(crate) fn get_mut(&mut self, port_no: PortNo) -> Option<&mut PortRecord> {
        self.ports.get_mut(&port_no)
    }

    /// Every port, by number.
    pub fn iter(&self) -> impl Iterator<Item = &PortRecord> {
        self.ports.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ports.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ports.is_empty()
    }

    /// Whether a fast-failover bucket that watches this port may be used: neither link nor administrator has it down.
    pub fn is_live(&self, port_no: PortNo) -> bool {
        self.ports.get(&port_no).is_some_and(|record| record.port.is_up())
    }

    /// Whether frames can leave by this port.
    pub fn forwards(&self, port_no: PortNo) -> bool {
        let record = self.ports.get(&port_no);
        record.is_some_and(|record| record.port.is_up() && !record.port.config.contains(PortConfig::NO_FWD))
    }

    /// The link of a port comes up or goes down; says whether that is news.
    pub(crate) fn set_link(&mut self, port_no: PortNo, up: bool) -> bool {
        let Some(record) = self.ports.get_mut(&port_no) else { return false };
        record.link = up;
        record.settle()
    }

    /// The administrator changes some bits of a port's configuration; says whether that changes the port's state.
    pub(crate) fn configure(&mut self, port_no: PortNo, config: PortConfig) -> bool {
        let Some(record) = self.ports.get_mut(&port_no) else { return false };
        record.port.config = config;
        record.settle()
    }
}

impl PortRecord {
    /// A port that is switched off has no link, and one without a link isn't live. Says whether that is news.
    fn settle(&mut self) -> bool {
        let up = self.link && !self.port.config.contains(PortConfig::PORT_DOWN);
        let others = PortLinkState(self.port.state.0 & !(PortLinkState::LINK_DOWN.0 | PortLinkState::LIVE.0));
        let state = others | if up { PortLinkState::LIVE } else { PortLinkState::LINK_DOWN };
        std::mem::replace(&mut self.port.state, state) != state
    }

    /// Its entry in an answer to OFPMP_PORT_STATS. What a software port can't have (framing errors, collisions) is zero.
    pub(crate) fn stats(&self, now: Time) -> PortStats {
        let age = now.since(self.created);
        PortStats {
            port_no: self.port.port_no,
            rx_packets: self.rx_packets,
            tx_packets: self.tx_packets,
            rx_bytes: self.rx_bytes,
            tx_bytes: self.tx_bytes,
            rx_dropped: self.rx_dropped,
            tx_dropped: self.tx_dropped,
            rx_errors: 0,
            tx_errors: 0,
            rx_frame_err: 0,
            rx_over_err: 0,
            rx_crc_err: 0,
            collisions: 0,
            duration_sec: super::seconds(age),
            duration_nsec: age.subsec_nanos(),
        }
    }
}
