//! DHCP servers: those that may give addresses to hosts, and others.

use std::collections::{BTreeMap, BTreeSet};

use net::{MacAddr, PortId, Time};

use super::Discovery;
use crate::{Change, Condition, Conditions, DhcpAnswer, ROGUE_DHCP_SERVER_HOLD};

/// Who may answer as a DHCP server.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DhcpServer {
    /// Where.
    pub port: PortId,
    /// With which MAC address; with any, if there is none.
    pub mac: Option<MacAddr>,
}

#[derive(Debug, Default)]
pub(super) struct DhcpServers {
    stated: BTreeSet<DhcpServer>,
    /// Who answers and may not: the last one at a port.
    rogue: BTreeMap<PortId, Rogue>,
}

#[derive(Clone, Copy, Debug)]
struct Rogue {
    mac: MacAddr,
    last: Time,
    /// Since it began.
    answers: u64,
}

impl DhcpServers {
    fn has(&self, port: PortId, mac: MacAddr) -> bool {
        [None, Some(mac)].into_iter().any(|mac| self.stated.contains(&DhcpServer { port, mac }))
    }

    pub(super) fn forget(&mut self, port: PortId) {
        self.rogue.remove(&port);
    }
}

impl Discovery {
    /// Those that may answer as DHCP servers. If there is none, nobody's answers are looked at.
    pub fn set_dhcp_servers(&mut self, servers: impl IntoIterator<Item = DhcpServer>) {
        self.dhcp_servers.stated = servers.into_iter().collect();
        let mut rogue = std::mem::take(&mut self.dhcp_servers.rogue);
        rogue.retain(|port, it| !self.dhcp_servers.stated.is_empty() && !self.dhcp_servers.has(*port, it.mac));
        self.dhcp_servers.rogue = rogue;
    }

    /// A DHCP server's message ([`dhcp_answer`](crate::dhcp_answer)) came in from `mac`, at the edge port where it entered. The addresses that it gives are those of
    /// hosts that are known, at once, if it may give any; if not, it is a condition.
    pub fn handle_dhcp_answer(&mut self, port: PortId, mac: MacAddr, answer: &DhcpAnswer, now: Time) {
        if self.dhcp_servers.stated.is_empty() || !self.network.takes_hosts(port) {
            return;
        }
        if !self.dhcp_servers.has(port, mac) {
            self.counters.dhcp_answers_refused += 1;
            let rogue = self.dhcp_servers.rogue.entry(port).or_insert(Rogue { mac, last: now, answers: 0 });
            let before = if now.since(rogue.last) > ROGUE_DHCP_SERVER_HOLD { 0 } else { rogue.answers };
            *rogue = Rogue { mac, last: now, answers: before.saturating_add(1) };
            return;
        }
        for &(client, address) in &answer.leases {
            if let Some(at) = self.network.hosts.find(client)
                && !self.moves.is_anothers(address, client)
                && self.take_address(at, address, now)
            {
                self.counters.leases_learned += 1;
                self.emit(Change::HostAddressed(client));
            }
        }
    }

    pub(super) fn rogue_dhcp_servers(&self, now: Time, found: &mut Conditions) {
        for (&port, &Rogue { mac, last, answers }) in &self.dhcp_servers.rogue {
            if now.since(last) <= ROGUE_DHCP_SERVER_HOLD {
                found.add(Condition::RogueDhcpServer { port, mac, answers });
            }
        }
    }
}
