//! DHCP servers: those that may give addresses to hosts, and others.

use std::collections::{BTreeMap, BTreeSet};

use net::{MacAddr, PortId, Time};

use super::Discovery;
use crate::{Change, Condition, Conditions, DhcpAnswer, ROGUE_DHCP_SERVER_HOLD, ROGUE_DHCP_SERVERS_PER_PORT};

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
    /// Who answers and may not, at most [`ROGUE_DHCP_SERVERS_PER_PORT`] of each port.
    rogue: BTreeMap<(PortId, MacAddr), Rogue>,
}

#[derive(Clone, Copy, Debug)]
struct Rogue {
    last: Time,
    /// Since it began.
    answers: u64,
}

impl DhcpServers {
    fn has(&self, port: PortId, mac: MacAddr) -> bool {
        [None, Some(mac)].into_iter().any(|mac| self.stated.contains(&DhcpServer { port, mac }))
    }

    /// Somebody has answered who may not.
    fn refuse(&mut self, port: PortId, mac: MacAddr, now: Time) {
        let is_over = |rogue: &Rogue| now.since(rogue.last) > ROGUE_DHCP_SERVER_HOLD;
        if let Some(rogue) = self.rogue.get_mut(&(port, mac)).filter(|rogue| !is_over(rogue)) {
            rogue.last = now;
            rogue.answers = rogue.answers.saturating_add(1);
            return;
        }
        self.rogue.retain(|(at, _), rogue| *at != port || !is_over(rogue));
        if self.at(port).count() < ROGUE_DHCP_SERVERS_PER_PORT {
            self.rogue.insert((port, mac), Rogue { last: now, answers: 1 });
        }
    }

    fn at(&self, port: PortId) -> impl Iterator<Item = MacAddr> {
        let all = (port, MacAddr([0; 6]))..=(port, MacAddr([0xff; 6]));
        self.rogue.range(all).map(|(&(_, mac), _)| mac)
    }

    pub(super) fn forget(&mut self, port: PortId) {
        for mac in self.at(port).collect::<Vec<_>>() {
            self.rogue.remove(&(port, mac));
        }
    }
}

impl Discovery {
    /// Those that may answer as DHCP servers. If there is none, nobody's answers are looked at.
    pub fn set_dhcp_servers(&mut self, servers: impl IntoIterator<Item = DhcpServer>) {
        self.dhcp_servers.stated = servers.into_iter().collect();
        let mut rogue = std::mem::take(&mut self.dhcp_servers.rogue);
        rogue.retain(|&(port, mac), _| !self.dhcp_servers.stated.is_empty() && !self.dhcp_servers.has(port, mac));
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
            self.dhcp_servers.refuse(port, mac, now);
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
        for (&(port, mac), &Rogue { last, answers }) in &self.dhcp_servers.rogue {
            if now.since(last) <= ROGUE_DHCP_SERVER_HOLD {
                found.add(Condition::RogueDhcpServer { port, mac, answers });
            }
        }
    }
}
