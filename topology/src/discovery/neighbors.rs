//! The table of LLDP neighbours that are not ours, with its limits: anybody at a port can send what it likes.

use std::time::Duration;

use net::{PortId, Time};

use super::Discovery;
use super::timers::Timer;
use crate::lldp::{ChassisId, LldpFrame, LldpPortId, Lldpdu};
use crate::{
    Change, LldpNeighbor, LldpNeighbors, MAX_LLDP_NEIGHBORS, MAX_LLDP_NEIGHBORS_PER_PORT, NEIGHBOR_CHANGE_INTERVAL,
};

/// Changes at one port that may follow each other at once: as many as a table that fills.
const CHANGE_BURST: u32 = MAX_LLDP_NEIGHBORS_PER_PORT as u32;

/// What the machine keeps of a neighbour beside what the network shows of it.
#[derive(Debug)]
struct NeighborControl {
    /// Together the MSAP identifier, by which a sender is told from others (IEEE 802.1AB-2016 §8.3).
    chassis_id: ChassisId,
    port_id: LldpPortId,
    /// When its time to live is over.
    until: Time,
    changed_at: Time,
}

/// The neighbours of one port, in the order in which the network shows them.
#[derive(Debug, Default)]
pub(super) struct NeighborsControl {
    list: Vec<NeighborControl>,
    /// When the next change would come if all had kept their distance.
    next_change: Time,
}

impl NeighborsControl {
    fn find(&self, lldpdu: &Lldpdu) -> Option<usize> {
        self.list.iter().position(|known| known.chassis_id == lldpdu.chassis_id && known.port_id == lldpdu.port_id)
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// Takes the right to change what is shown now, if there is one.
    fn may_change(&mut self, now: Time) -> bool {
        if self.next_change > now + NEIGHBOR_CHANGE_INTERVAL * (CHANGE_BURST - 1) {
            return false;
        }
        self.next_change = self.next_change.max(now) + NEIGHBOR_CHANGE_INTERVAL;
        true
    }
}

impl Discovery {
    pub(super) fn receive_foreign(&mut self, port: PortId, frame: &[u8], now: Time) {
        let Ok(LldpFrame { lldpdu, .. }) = LldpFrame::parse(frame) else {
            self.counters.lldp_malformed += 1;
            return;
        };
        self.counters.lldp_foreign += 1;
        self.update_neighbor(port, &lldpdu, now);
        self.await_next_expiry(port);
    }

    fn update_neighbor(&mut self, port: PortId, lldpdu: &Lldpdu, now: Time) {
        let Some(control) = self.controls.get_mut(&port).map(|control| &mut control.neighbors) else { return };
        let Some(shown) = self.network.port_mut(port) else { return };
        let until = now + Duration::from_secs(lldpdu.ttl.into());
        let known = control.find(lldpdu);
        match known {
            // §8.5.4: a time to live of 0 takes back what was said.
            Some(at) if lldpdu.ttl == 0 => {
                if control.may_change(now) {
                    self.remove_neighbor(port, at);
                } else if let Some(known) = control.list.get_mut(at) {
                    // As soon as there may be a change again: it may have said so for the last time.
                    known.until = known.until.min(now + NEIGHBOR_CHANGE_INTERVAL);
                }
                return;
            }
            None if lldpdu.ttl == 0 => return,
            Some(at) => {
                let place = shown.lldp_neighbor.as_mut().and_then(|shown| shown.list.get_mut(at));
                let (Some(known), Some(place)) = (control.list.get(at), place) else { return };
                let neighbor = LldpNeighbor::of(lldpdu, place.since);
                let changed = *place != neighbor;
                if changed && (now.since(known.changed_at) < NEIGHBOR_CHANGE_INTERVAL || !control.may_change(now)) {
                    // It is there, whatever else it says now.
                    if let Some(known) = control.list.get_mut(at) {
                        known.until = until;
                    }
                    return;
                }
                if let Some(known) = control.list.get_mut(at) {
                    known.until = until;
                    known.changed_at = if changed { now } else { known.changed_at };
                }
                if !changed {
                    return;
                }
                *place = neighbor;
            }
            None => {
                let full = control.len() >= MAX_LLDP_NEIGHBORS_PER_PORT || self.lldp_neighbors >= MAX_LLDP_NEIGHBORS;
                if full || !control.may_change(now) {
                    self.counters.neighbors_refused += 1;
                    return;
                }
                let (chassis_id, port_id) = (lldpdu.chassis_id.clone(), lldpdu.port_id.clone());
                control.list.push(NeighborControl { chassis_id, port_id, until, changed_at: now });
                let empty = || Box::new(LldpNeighbors { list: Vec::new() });
                shown.lldp_neighbor.get_or_insert_with(empty).list.push(LldpNeighbor::of(lldpdu, now));
                self.lldp_neighbors += 1;
            }
        }
        self.emit(Change::PortChanged(port));
    }

    fn remove_neighbor(&mut self, port: PortId, at: usize) {
        let Some(control) = self.controls.get_mut(&port).filter(|control| at < control.neighbors.len()) else { return };
        control.neighbors.list.remove(at);
        self.lldp_neighbors = self.lldp_neighbors.saturating_sub(1);
        if let Some(shown) = self.network.port_mut(port).map(|port| &mut port.lldp_neighbor) {
            match shown {
                Some(neighbors) if neighbors.list.len() > 1 && at < neighbors.list.len() => {
                    neighbors.list.remove(at);
                }
                _ => *shown = None,
            }
        }
        self.emit(Change::PortChanged(port));
    }

    /// The port went down: the caller tells the change.
    pub(super) fn forget_neighbors(&mut self, port: PortId) {
        self.timers.clear(Timer::Neighbor(port));
        if let Some(control) = self.controls.get_mut(&port) {
            self.lldp_neighbors = self.lldp_neighbors.saturating_sub(control.neighbors.len());
            control.neighbors.list.clear();
        }
        if let Some(shown) = self.network.port_mut(port) {
            shown.lldp_neighbor = None;
        }
    }

    pub(super) fn neighbors_expired(&mut self, port: PortId, now: Time) {
        let expired = |discovery: &Discovery| {
            let control = discovery.controls.get(&port)?;
            control.neighbors.list.iter().position(|neighbor| neighbor.until <= now)
        };
        while let Some(at) = expired(self) {
            self.remove_neighbor(port, at);
        }
        self.await_next_expiry(port);
    }

    fn await_next_expiry(&mut self, port: PortId) {
        let Some(control) = self.controls.get(&port) else { return };
        match control.neighbors.list.iter().map(|neighbor| neighbor.until).min() {
            Some(until) => self.timers.set(Timer::Neighbor(port), until),
            None => self.timers.clear(Timer::Neighbor(port)),
        }
    }
}
