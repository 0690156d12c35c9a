//! Where Ethernet addresses were seen, per VLAN: what NORMAL forwards by. As Open vSwitch's in numbers.

use net::{MacAddr, PortNo, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Addresses that are known at most; a further one takes the place of that seen least recently. Open vSwitch's default.
pub const MAX_ADDRESSES: usize = 8_192;
/// An address that isn't seen for so long is forgotten. Open vSwitch's default.
pub const ADDRESS_LIFETIME: Duration = Duration::from_secs(300);

/// A learning bridge's table of addresses.
#[derive(Clone, Debug, Default)]
pub struct MacTable {
    addresses: BTreeMap<(u16, MacAddr), (PortNo, Time)>,
    /// The same by age.
    by_age: BTreeSet<(Time, u16, MacAddr)>,
}

impl MacTable {
    /// Behind which port an address is, if it was seen lately.
    pub fn find(&self, address: MacAddr, vid: u16, now: Time) -> Option<PortNo> {
        let (port_no, seen) = self.addresses.get(&(vid, address))?;
        (now.since(*seen) < ADDRESS_LIFETIME).then_some(*port_no)
    }

    /// An address is seen behind a port.
    pub(crate) fn learn(&mut self, address: MacAddr, vid: u16, port_no: PortNo, now: Time) {
        if let Some((_, seen)) = self.addresses.insert((vid, address), (port_no, now)) {
            self.by_age.remove(&(seen, vid, address));
        }
        self.by_age.insert((now, vid, address));
        if self.addresses.len() > MAX_ADDRESSES
            && let Some((_, vid, address)) = self.by_age.pop_first()
        {
            self.addresses.remove(&(vid, address));
        }
    }

    /// A port is gone, and what was behind it.
    pub(crate) fn forget_port(&mut self, port_no: PortNo) {
        self.addresses.retain(|_, (port, _)| *port != port_no);
        let addresses = &self.addresses;
        self.by_age.retain(|(_, vid, address)| addresses.contains_key(&(*vid, *address)));
    }

    /// Addresses that are held, those that are too old to count included.
    pub fn len(&self) -> usize {
        self.addresses.len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.addresses.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_moves_ages_and_makes_room() {
        let mut table = MacTable::default();
        let address = MacAddr::from_u64;
        table.learn(address(1), 0, PortNo(1), Time::ZERO);
        table.learn(address(1), 0, PortNo(2), Time::from_secs(100));
        table.learn(address(1), 7, PortNo(3), Time::from_secs(100));
        assert_eq!(table.find(address(1), 0, Time::from_secs(399)), Some(PortNo(2)));
        assert_eq!(table.find(address(1), 0, Time::from_secs(400)), None);
        assert_eq!(table.find(address(1), 7, Time::from_secs(150)), Some(PortNo(3)));
        for number in 0..MAX_ADDRESSES as u64 {
            table.learn(address(number + 100), 1, PortNo(4), Time::from_secs(200));
        }
        assert_eq!((table.len(), table.by_age.len()), (MAX_ADDRESSES, MAX_ADDRESSES));
        assert_eq!(table.find(address(1), 7, Time::from_secs(200)), None);
        table.forget_port(PortNo(4));
        assert!(table.is_empty() && table.by_age.is_empty());
    }
}
