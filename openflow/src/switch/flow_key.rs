//! What a packet looks like to a flow table: every field that OpenFlow 1.3 can match on, extracted once into a fixed array of words.
//!
//! Fields that can never stand in one packet share their place (an ARP packet has no IPv6 addresses): a match names the field's
//! prerequisites (OpenFlow 1.3.5 §7.2.3.8), so a shared place is never read with the wrong meaning.

use net::PortNo;

/// Words in a [`FlowKey`].
pub const WORDS: usize = 14;

/// A place inside a [`FlowKey`]: `bits` bits whose lowest stands `shift` bits up in word `word`. Places of 128 bits take two words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slot {
    pub(crate) word: usize,
    pub(crate) shift: u32,
    pub(crate) bits: u32,
}

impl Slot {
    const fn new(word: usize, shift: u32, bits: u32) -> Slot {
        Slot { word, shift, bits }
    }

    pub(crate) const IN_PORT: Slot = Slot::new(0, 32, 32);
    pub(crate) const ETH_TYPE: Slot = Slot::new(0, 16, 16);
    /// PCP, the presence bit (`OFPVID_PRESENT`, where the wire has DEI) and the VLAN id. Zero is "no tag".
    pub(crate) const VLAN_TCI: Slot = Slot::new(0, 0, 16);
    pub(crate) const VLAN_VID: Slot = Slot::new(0, 0, 13);
    pub(crate) const VLAN_PCP: Slot = Slot::new(0, 13, 3);
    pub(crate) const METADATA: Slot = Slot::new(1, 0, 64);
    pub(crate) const TUNNEL_ID: Slot = Slot::new(2, 0, 64);
    pub(crate) const ETH_DST: Slot = Slot::new(3, 16, 48);
    pub(crate) const IP_PROTO: Slot = Slot::new(3, 0, 8);
    pub(crate) const ARP_OP: Slot = Slot::new(3, 0, 16);
    pub(crate) const ETH_SRC: Slot = Slot::new(4, 16, 48);
    pub(crate) const IP_DSCP: Slot = Slot::new(4, 2, 6);
    pub(crate) const IP_ECN: Slot = Slot::new(4, 0, 2);
    pub(crate) const L4_SRC: Slot = Slot::new(5, 48, 16);
    pub(crate) const ICMP_TYPE: Slot = Slot::new(5, 48, 8);
    pub(crate) const L4_DST: Slot = Slot::new(5, 32, 16);
    pub(crate) const ICMP_CODE: Slot = Slot::new(5, 32, 8);
    pub(crate) const IPV6_FLABEL: Slot = Slot::new(5, 0, 20);
    pub(crate) const MPLS_LABEL: Slot = Slot::new(5, 12, 20);
    pub(crate) const MPLS_TC: Slot = Slot::new(5, 9, 3);
    pub(crate) const MPLS_BOS: Slot = Slot::new(5, 8, 1);
    pub(crate) const IPV4_SRC: Slot = Slot::new(6, 32, 32);
    pub(crate) const IPV4_DST: Slot = Slot::new(6, 0, 32);
    pub(crate) const IPV6_SRC: Slot = Slot::new(6, 0, 128);
    pub(crate) const IPV6_DST: Slot = Slot::new(8, 0, 128);
    pub(crate) const ND_TARGET: Slot = Slot::new(10, 0, 128);
    /// `arp_sha` or `ipv6_nd_sll`.
    pub(crate) const LINK_SRC: Slot = Slot::new(12, 16, 48);
    /// `arp_tha` or `ipv6_nd_tll`.
    pub(crate) const LINK_DST: Slot = Slot::new(13, 16, 48);

    /// All ones in this place.
    pub(crate) const fn full(self) -> u128 {
        if self.bits >= 128 { u128::MAX } else { (1 << self.bits) - 1 }
    }
}

/// A packet's match fields, or the value or the mask half of a [`super::FlowMatch`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct FlowKey {
    pub(crate) words: [u64; WORDS],
}

impl FlowKey {
    /// All zero: matches nothing in particular, or (as a mask) everything.
    pub const ZERO: FlowKey = FlowKey { words: [0; WORDS] };

    pub(crate) fn get(&self, slot: Slot) -> u128 {
        let word = |index: usize| self.words.get(index).copied().unwrap_or(0);
        if slot.bits == 128 {
            (u128::from(word(slot.word)) << 64) | u128::from(word(slot.word + 1))
        } else {
            u128::from(word(slot.word) >> slot.shift) & slot.full()
        }
    }

    /// Puts the low bits of `value` into `slot`, in place of what was there.
    pub(crate) fn set(&mut self, slot: Slot, value: u128) {
        if slot.bits == 128 {
            if let Some([high, low]) = self.words.get_mut(slot.word..slot.word + 2) {
                (*high, *low) = ((value >> 64) as u64, value as u64);
            }
        } else if let Some(word) = self.words.get_mut(slot.word) {
            let full = slot.full() as u64;
            *word = (*word & !(full << slot.shift)) | ((value as u64 & full) << slot.shift);
        }
    }

    /// Each bit that is set in both.
    pub(crate) fn and(&self, other: &FlowKey) -> FlowKey {
        let mut words = self.words;
        for (word, other) in words.iter_mut().zip(other.words) {
            *word &= other;
        }
        FlowKey { words }
    }

    /// The port that the packet came in by.
    pub fn in_port(&self) -> PortNo {
        PortNo(self.get(Slot::IN_PORT) as u32)
    }

    /// The pipeline's metadata register.
    pub fn metadata(&self) -> u64 {
        self.get(Slot::METADATA) as u64
    }

    /// The EtherType behind at most one 802.1Q tag; 0x05ff for frames that have a length there (IEEE 802.3 LLC).
    pub fn eth_type(&self) -> u16 {
        self.get(Slot::ETH_TYPE) as u16
    }

    /// A hash over the fields that make packets one flow to their end points: Ethernet addresses, VLAN, IP addresses, protocol
    /// and ports; not the ingress port, the metadata, or the DSCP and ECN bits. The same on every machine and in every run.
    pub fn flow_hash(&self, basis: u64) -> u64 {
        let [w0, _, _, w3, w4, w5, w6, w7, w8, w9, ..] = self.words;
        let picked = [w0 & 0xffff_ffff, w3, w4 & !0xffff, w5, w6, w7, w8, w9];
        picked.iter().fold(mix(basis), |hash, word| mix(hash ^ word))
    }
}

/// The finaliser of SplitMix64: each input bit changes about half of the output bits.
pub(crate) const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_gives_back_what_was_put_in_and_leaves_its_neighbours_alone() {
        let mut key = FlowKey::ZERO;
        key.set(Slot::ETH_DST, 0x0102_0304_0506);
        key.set(Slot::IP_PROTO, 17);
        key.set(Slot::VLAN_VID, 0x1fff);
        key.set(Slot::VLAN_PCP, 5);
        key.set(Slot::IPV6_DST, u128::MAX - 5);
        key.set(Slot::ETH_DST, 0x0a0b_0c0d_0e0f);
        assert_eq!(key.get(Slot::ETH_DST), 0x0a0b_0c0d_0e0f);
        assert_eq!(key.get(Slot::IP_PROTO), 17);
        assert_eq!(key.get(Slot::VLAN_TCI), 0xbfff);
        assert_eq!(key.get(Slot::IPV6_DST), u128::MAX - 5);
        assert_eq!(key.get(Slot::ETH_TYPE), 0);
    }

    #[test]
    fn the_flow_hash_ignores_the_ingress_port_and_sees_the_l4_ports() {
        let mut one = FlowKey::ZERO;
        one.set(Slot::L4_SRC, 1000);
        let mut two = one;
        two.set(Slot::IN_PORT, 7);
        assert_eq!(one.flow_hash(1), two.flow_hash(1));
        two.set(Slot::L4_SRC, 1001);
        assert_ne!(one.flow_hash(1), two.flow_hash(1));
        assert_ne!(one.flow_hash(1), one.flow_hash(2));
    }
}
