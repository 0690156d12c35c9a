//! The hosts of a network: each is kept once, and found by its MAC address, by its IP addresses, by its port and by its switch.
//!
//! A host that is learned is written in one place and entered in two tables of eight octets per entry: many are learned at a time when a
//! network starts or somebody floods it with made-up sources, and then it is the memory that is touched which costs. The hosts of a port
//! and those of a switch are linked to each other.

use std::hash::{BuildHasher, Hash};
use std::net::IpAddr;
use std::ops::Index;

use net::{DatapathId, MacAddr, PortId, Time};

use crate::{Addresses, Host, Index as HashIndex, SeededMap, SeededState, Slab};

/// A host, by its place in the list. Good until the host is forgotten.
pub(crate) type HostAt = u32;

const NOBODY: u32 = u32::MAX;

/// Neighbours in a list of hosts.
#[derive(Clone, Copy, Debug)]
struct Links {
    before: u32,
    after: u32,
}

const ALONE: Links = Links { before: NOBODY, after: NOBODY };

/// A list of hosts: the newest first.
#[derive(Clone, Copy, Debug)]
struct List {
    first: u32,
    len: u32,
}

impl Default for List {
    fn default() -> List {
        List { first: NOBODY, len: 0 }
    }
}

#[derive(Clone, Debug)]
struct Entry {
    host: Host,
    used: bool,
    on_port: Links,
    on_switch: Links,
}

/// All hosts.
#[derive(Clone, Debug, Default)]
pub struct Hosts {
    entries: Slab<Entry>,
    free: Vec<u32>,
    by_mac: HashIndex,
    by_address: HashIndex,
    /// No port and no switch without hosts is in here.
    ports: SeededMap<PortId, List>,
    switches: SeededMap<DatapathId, List>,
    state: SeededState,
}

/// Equal if the hosts are, wherever they are kept.
impl PartialEq for Hosts {
    fn eq(&self, other: &Hosts) -> bool {
        self.len() == other.len() && self.used().all(|host| other.get(&host.mac) == Some(host))
    }
}

impl Eq for Hosts {}

impl Hosts {
    /// None. `seed` keys the hash tables.
    pub(crate) fn with_seed(seed: u64) -> Hosts {
        let (ports, switches) = (SeededMap::with_seed(seed), SeededMap::with_seed(seed));
        Hosts { ports, switches, state: SeededState::new(seed), ..Hosts::default() }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.by_mac.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_mac.is_empty()
    }

    /// A host.
    pub fn get(&self, mac: &MacAddr) -> Option<&Host> {
        self.host(self.find(*mac)?)
    }

    /// Whether there is such a host.
    pub fn contains_key(&self, mac: &MacAddr) -> bool {
        self.find(*mac).is_some()
    }

    /// The host that used an IP address last.
    pub fn at(&self, address: IpAddr) -> Option<&Host> {
        self.host(self.find_address(address, self.hash(address))?)
    }

    /// IP addresses of all hosts.
    pub fn address_count(&self) -> usize {
        self.by_address.len()
    }

    /// All hosts in the order of their MAC addresses. Sorts: not for each packet.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &Host> {
        let mut hosts: Vec<&Host> = self.used().collect();
        hosts.sort_unstable_by_key(|host| host.mac);
        hosts.into_iter()
    }

    /// The hosts behind a port, the newest first.
    pub fn on_port(&self, port: PortId) -> impl Iterator<Item = &Host> {
        self.listed(self.ports.get(&port), |entry| entry.on_port)
    }

    /// How many hosts are behind a port.
    pub fn count_on_port(&self, port: PortId) -> usize {
        self.ports.get(&port).map_or(0, |list| list.len as usize)
    }

    /// The hosts at all ports of a switch, the newest first.
    pub fn on_switch(&self, datapath_id: DatapathId) -> impl Iterator<Item = &Host> {
        self.listed(self.switches.get(&datapath_id), |entry| entry.on_switch)
    }

    /// Whether a host is at a port of this switch.
    pub fn any_on_switch(&self, datapath_id: DatapathId) -> bool {
        self.switches.contains_key(&datapath_id)
    }

    fn listed(&self, list: Option<&List>, links: fn(&Entry) -> Links) -> impl Iterator<Item = &Host> {
        let entry = |at: u32| self.entries.get(at as usize);
        let first = list.and_then(|list| entry(list.first));
        std::iter::successors(first, move |&before| entry(links(before).after)).map(|entry| &entry.host)
    }

    fn used(&self) -> impl Iterator<Item = &Host> {
        self.entries.iter().filter(|entry| entry.used).map(|entry| &entry.host)
    }

    pub(crate) fn find(&self, mac: MacAddr) -> Option<HostAt> {
        self.by_mac.find(self.hash(mac.to_u64()), |at| self.host(at).is_some_and(|host| host.mac == mac))
    }

    pub(crate) fn host(&self, at: HostAt) -> Option<&Host> {
        self.entries.get(at as usize).map(|entry| &entry.host)
    }

    /// A packet of the host was seen, perhaps with one of its addresses.
    pub(crate) fn seen(&mut self, at: HostAt, address: Option<IpAddr>, now: Time) {
        let Some(entry) = self.entries.get_mut(at as usize) else { return };
        entry.host.last_seen = now;
        if let Some(address) = address.filter(|address| entry.host.addresses.contains(*address)) {
            entry.host.addresses.insert(address, now);
        }
    }

    /// A host that is not known yet, without addresses.
    pub(crate) fn insert(&mut self, mac: MacAddr, port: PortId, now: Time) -> HostAt {
        let host = Host { mac, port, addresses: Addresses::default(), since: now, last_seen: now };
        let entry = Entry { host, used: true, on_port: ALONE, on_switch: ALONE };
        let at = match self.free.pop() {
            Some(at) => {
                if let Some(place) = self.entries.get_mut(at as usize) {
                    *place = entry;
                }
                at
            }
            None => self.entries.push(entry) as u32,
        };
        self.by_mac.insert(self.hash(mac.to_u64()), at);
        self.link(at, port);
        at
    }

    /// The host is at another port from now on; where it was.
    pub(crate) fn relocate(&mut self, at: HostAt, port: PortId, now: Time) -> Option<PortId> {
        self.unlink(at);
        let host = &mut self.entries.get_mut(at as usize)?.host;
        let from = std::mem::replace(&mut host.port, port);
        (host.since, host.last_seen) = (now, now);
        self.link(at, port);
        Some(from)
    }

    /// The host has one more address, which it did not have. The one that had it before, and has it no more.
    pub(crate) fn add_address(&mut self, at: HostAt, address: IpAddr, now: Time) -> Option<HostAt> {
        let hash = self.hash(address);
        let earlier = self.find_address(address, hash);
        if let Some(earlier) = earlier {
            self.by_address.remove(hash, earlier);
            if let Some(entry) = self.entries.get_mut(earlier as usize) {
                entry.host.addresses.remove(address);
            }
        }
        let entry = self.entries.get_mut(at as usize)?;
        entry.host.addresses.insert(address, now);
        self.by_address.insert(hash, at);
        earlier
    }

    /// The host has this address no more.
    pub(crate) fn remove_address(&mut self, at: HostAt, address: IpAddr) {
        let Some(entry) = self.entries.get_mut(at as usize) else { return };
        if entry.host.addresses.remove(address) {
            self.by_address.remove(self.hash(address), at);
        }
    }

    pub(crate) fn find_owner(&self, address: IpAddr) -> Option<HostAt> {
        self.find_address(address, self.hash(address))
    }

    /// The host is no more.
    pub(crate) fn remove(&mut self, mac: MacAddr) -> Option<Host> {
        let at = self.find(mac)?;
        self.unlink(at);
        self.by_mac.remove(self.hash(mac.to_u64()), at);
        let entry = self.entries.get_mut(at as usize)?;
        entry.used = false;
        let gone = Host { addresses: Addresses::default(), ..entry.host };
        let host = std::mem::replace(&mut entry.host, gone);
        for address in host.addresses.iter() {
            self.by_address.remove(self.hash(address), at);
        }
        self.free.push(at);
        if self.is_empty() {
            // What a flood has made grow is given back.
            self.entries.clear();
            self.free = Vec::new();
        }
        Some(host)
    }

    /// Puts a host into a network that is made up. One that is there stays where it is.
    pub fn add(&mut self, mac: MacAddr, port: PortId, now: Time) {
        if !self.contains_key(&mac) {
            self.insert(mac, port, now);
        }
    }

    /// Forgets those of a copy that `keep` does not name: for who looks at some of the hosts of a network alone.
    pub fn retain(&mut self, keep: impl Fn(&Host) -> bool) {
        let gone: Vec<MacAddr> = self.used().filter(|host| !keep(host)).map(|host| host.mac).collect();
        gone.into_iter().for_each(|mac| drop(self.remove(mac)));
    }

    fn find_address(&self, address: IpAddr, hash: u32) -> Option<HostAt> {
        self.by_address.find(hash, |at| self.host(at).is_some_and(|host| host.addresses.contains(address)))
    }

    fn hash(&self, key: impl Hash) -> u32 {
        (self.state.hash_one(key) >> 32) as u32
    }

    fn link(&mut self, at: HostAt, port: PortId) {
        let lists = [
            self.ports.or_insert_with(port, List::default),
            self.switches.or_insert_with(port.datapath_id, List::default),
        ];
        let [on_port, on_switch] = lists.map(|list| {
            list.len += 1;
            std::mem::replace(&mut list.first, at)
        });
        if let Some(entry) = self.entries.get_mut(at as usize) {
            entry.on_port = Links { before: NOBODY, after: on_port };
            entry.on_switch = Links { before: NOBODY, after: on_switch };
        }
        if let Some(next) = self.entries.get_mut(on_port as usize) {
            next.on_port.before = at;
        }
        if let Some(next) = self.entries.get_mut(on_switch as usize) {
            next.on_switch.before = at;
        }
    }

    fn unlink(&mut self, at: HostAt) {
        let Some(&Entry { on_port, on_switch, ref host, .. }) = self.entries.get(at as usize) else { return };
        let port = host.port;
        if let Some(before) = self.entries.get_mut(on_port.before as usize) {
            before.on_port.after = on_port.after;
        }
        if let Some(after) = self.entries.get_mut(on_port.after as usize) {
            after.on_port.before = on_port.before;
        }
        if let Some(before) = self.entries.get_mut(on_switch.before as usize) {
            before.on_switch.after = on_switch.after;
        }
        if let Some(after) = self.entries.get_mut(on_switch.after as usize) {
            after.on_switch.before = on_switch.before;
        }
        if let Some(list) = self.ports.get_mut(&port)
            && list.without(at, on_port.after)
        {
            self.ports.remove(&port);
        }
        if let Some(list) = self.switches.get_mut(&port.datapath_id)
            && list.without(at, on_switch.after)
        {
            self.switches.remove(&port.datapath_id);
        }
    }
}

impl List {
    /// One less; whether it was the last.
    fn without(&mut self, at: u32, after: u32) -> bool {
        if self.first == at {
            self.first = after;
        }
        self.len -= 1;
        self.len == 0
    }
}

impl Index<&MacAddr> for Hosts {
    type Output = Host;

    /// # Panics
    /// If there is no such host: for tests.
    fn index(&self, mac: &MacAddr) -> &Host {
        self.get(mac).expect("a host")
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Hosts {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.values())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::Ipv4Addr;

    use net::PortNo;
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        See { mac: u8, port: u8 },
        Address { mac: u8, address: u8 },
        Forget { mac: u8 },
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0..60u8, 0..9u8).prop_map(|(mac, port)| Step::See { mac, port }),
            3 => (0..60u8, 0..30u8).prop_map(|(mac, address)| Step::Address { mac, address }),
            2 => (0..60u8).prop_map(|mac| Step::Forget { mac }),
        ]
    }

    fn mac(number: u8) -> MacAddr {
        MacAddr([2, 0, 0, 0, 0, number])
    }

    /// Three ports on each of three switches.
    fn port(number: u8) -> PortId {
        PortId::new(DatapathId(u64::from(number / 3)), PortNo(u32::from(number % 3)))
    }

    fn macs<'h>(hosts: impl Iterator<Item = &'h Host>) -> Vec<MacAddr> {
        let mut macs: Vec<MacAddr> = hosts.map(|host| host.mac).collect();
        macs.sort_unstable();
        macs
    }

    proptest! {
        #[test]
        fn hosts_are_found_in_every_way_as_in_a_plain_list(steps in proptest::collection::vec(any_step(), 0..400)) {
            let mut hosts = Hosts::with_seed(7);
            let mut plain: BTreeMap<MacAddr, Host> = BTreeMap::new();
            for (at, step) in steps.into_iter().enumerate() {
                let now = Time::from_secs(at as u64);
                match step {
                    Step::See { mac: number, port: to } => match (hosts.find(mac(number)), plain.get_mut(&mac(number))) {
                        (None, None) => {
                            hosts.insert(mac(number), port(to), now);
                            let (mac, port, addresses) = (mac(number), port(to), Addresses::default());
                            plain.insert(mac, Host { mac, port, addresses, since: now, last_seen: now });
                        }
                        (Some(at), Some(host)) if host.port == port(to) => {
                            hosts.seen(at, None, now);
                            host.last_seen = now;
                        }
                        (Some(at), Some(host)) => {
                            prop_assert_eq!(hosts.relocate(at, port(to), now), Some(host.port));
                            (host.port, host.since, host.last_seen) = (port(to), now, now);
                        }
                        (found, host) => prop_assert!(false, "{:?} and {:?}", found, host),
                    },
                    Step::Address { mac: number, address } => {
                        let address = IpAddr::V4(Ipv4Addr::new(10, 0, 0, address));
                        let Some(at) = hosts.find(mac(number)) else { continue };
                        if plain[&mac(number)].addresses.contains(address) {
                            continue;
                        }
                        let earlier = plain.values_mut().find_map(|host| host.addresses.remove(address).then_some(host.mac));
                        let found = hosts.add_address(at, address, Time::ZERO).and_then(|at| hosts.host(at)).map(|host| host.mac);
                        prop_assert_eq!(found, earlier);
                        plain.get_mut(&mac(number)).expect("it is known").addresses.insert(address, Time::ZERO);
                    }
                    Step::Forget { mac: number } => {
                        prop_assert_eq!(hosts.remove(mac(number)), plain.remove(&mac(number)));
                    }
                }
            }
            prop_assert_eq!(hosts.values().collect::<Vec<_>>(), plain.values().collect::<Vec<_>>());
            prop_assert_eq!((hosts.len(), hosts.is_empty()), (plain.len(), plain.is_empty()));
            prop_assert_eq!(hosts.address_count(), plain.values().map(|host| host.addresses.len()).sum::<usize>());
            for number in 0..9 {
                let on_port = plain.values().filter(|host| host.port == port(number));
                prop_assert_eq!(hosts.count_on_port(port(number)), on_port.clone().count());
                prop_assert_eq!(macs(hosts.on_port(port(number))), macs(on_port));
                let at = port(number).datapath_id;
                let on_switch = macs(plain.values().filter(|host| host.port.datapath_id == at));
                prop_assert_eq!(hosts.any_on_switch(at), !on_switch.is_empty());
                prop_assert_eq!(macs(hosts.on_switch(at)), on_switch);
            }
            for number in 0..30 {
                let address = IpAddr::V4(Ipv4Addr::new(10, 0, 0, number));
                prop_assert_eq!(hosts.at(address), plain.values().find(|host| host.addresses.contains(address)));
            }
            prop_assert_eq!(&hosts.clone(), &hosts);
        }
    }
}
