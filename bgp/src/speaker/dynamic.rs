//! Neighbours that are known by a range of addresses only. Whoever connects from the range becomes a neighbour by the
//! range's template, as long as there are not too many, and is forgotten with its session.

use super::{NeighborConfig, NeighborError, Speaker};
use crate::session::{ConnectMode, SessionState};
use crate::wire::Asn;
use net::{Prefix, Time};
use std::net::IpAddr;

/// Most neighbours that one range may have at a time. A neighbour costs some kilobytes and a file descriptor.
pub const DYNAMIC_LIMIT: usize = 10_000;

/// A range of addresses that neighbours may connect from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DynamicNeighbors {
    /// The range. Of several that hold an address the longest counts.
    pub prefix: Prefix,
    /// Most neighbours at a time, 1 to [`DYNAMIC_LIMIT`]; further ones are refused.
    pub limit: usize,
    /// How each of them is set up; the address in it means nothing. [`Asn::ZERO`] takes any AS.
    pub template: NeighborConfig,
}

impl DynamicNeighbors {
    pub(super) fn check(&self) -> Result<(), NeighborError> {
        if !(1..=DYNAMIC_LIMIT).contains(&self.limit) {
            return Err(NeighborError::DynamicLimit(self.prefix));
        }
        let address = self.prefix.addr();
        NeighborConfig { address, ..self.template.clone() }.check(true)
    }

    /// The neighbour that somebody at `address` becomes.
    pub(super) fn neighbor(&self, address: IpAddr) -> NeighborConfig {
        NeighborConfig { address, mode: ConnectMode::Passive, ..self.template.clone() }
    }
}

impl Speaker {
    /// Makes a neighbour of a stranger in a range.
    pub(super) fn add_dynamic(&mut self, address: IpAddr, now: Time) {
        if self.neighbors.contains_key(&address) {
            return;
        }
        let Some(range) = self.range_of(address) else { return };
        let prefix = range.prefix;
        let taken = self.neighbors.values().filter(|neighbor| neighbor.range == Some(prefix)).count();
        if taken >= range.limit {
            return;
        }
        let config = range.neighbor(address);
        // Checked with the range.
        let _ = self.add(config, Some(prefix), now);
    }

    /// The longest range that an address is in.
    pub(super) fn range_of(&self, address: IpAddr) -> Option<&DynamicNeighbors> {
        let ranges = self.config.dynamic.iter().filter(|range| range.prefix.contains(address));
        ranges.max_by_key(|range| range.prefix.len())
    }

    /// Forgets dynamic neighbours that have no connection left.
    pub(super) fn drop_idle_dynamic(&mut self, now: Time) {
        if self.config.dynamic.is_empty() {
            return;
        }
        let idle = self.neighbors.iter().filter(|(_, neighbor)| {
            let waiting = matches!(neighbor.peer.state(), SessionState::Idle | SessionState::Active);
            let kept = neighbor.retained.is_some() || neighbor.held.is_some();
            neighbor.range.is_some()
                && neighbor.connections.is_empty()
                && waiting
                && !kept
                && !neighbor.peer.is_damped()
        });
        for address in idle.map(|(address, _)| *address).collect::<Vec<_>>() {
            self.remove_neighbor(address, now);
        }
    }

    /// The AS of a neighbour as far as it is known: a dynamic one may say it itself.
    pub(super) fn neighbor_asn(&self, address: IpAddr) -> Asn {
        let Some(neighbor) = self.neighbors.get(&address) else { return Asn::ZERO };
        neighbor.peer.negotiated().map_or(neighbor.config.asn, |negotiated| negotiated.peer_asn)
    }
}
