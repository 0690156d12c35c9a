//! What a packet looks like to a flow table: every field that can be matched on, extracted once into a fixed array of words.
//!
//! Fields that can never stand in one packet share their place (an ARP packet has no IPv6 addresses): a match names the field's
//! prerequisites (OpenFlow 1.3.5 §7.2.3.8), so a shared place is never read with the wrong meaning. The words of the headers come
//! first, registers and what else a packet carries beside its frame after them. A lookup reads only the words that a match masks.

use net::PortNo;

/// Words in a [`FlowKey`].
pub const WORDS: usize = 73;

/// Places of four octets for tunnel options (`tun_metadata`), which have 256 octets in all.
pub(crate) const OPTION_CELLS: usize = 64;

/// The first word that does not come from the frame, but for [`Slot::METADATA`] and [`Slot::TUNNEL_ID`]; [`Slot::ND_RESERVED`] does come from it.
const FIRST_PIPELINE_WORD: usize = 14;

/// A place inside a [`FlowKey`]: `bits` bits whose lowest stands `shift` bits up in word `word`. Places of 128 bits take two words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slot {
    pub(crate) word: usize,
    pub(crate) shift: u32,
    pub(crate) bits: u32,
}

impl Slot {
    pub(crate) const fn new(word: usize, shift: u32, bits: u32) -> Slot {
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
    /// The IP protocol, or the operation of ARP as far as it has 8 bits.
    pub(crate) const IP_PROTO: Slot = Slot::new(3, 0, 8);
    pub(crate) const ETH_SRC: Slot = Slot::new(4, 16, 48);
    pub(crate) const IP_TTL: Slot = Slot::new(4, 8, 8);
    /// DSCP and ECN.
    pub(crate) const IP_TOS: Slot = Slot::new(4, 0, 8);
    pub(crate) const IP_DSCP: Slot = Slot::new(4, 2, 6);
    pub(crate) const IP_ECN: Slot = Slot::new(4, 0, 2);
    pub(crate) const L4_SRC: Slot = Slot::new(5, 48, 16);
    pub(crate) const ICMP_TYPE: Slot = Slot::new(5, 48, 8);
    pub(crate) const L4_DST: Slot = Slot::new(5, 32, 16);
    pub(crate) const ICMP_CODE: Slot = Slot::new(5, 32, 8);
    /// Both ports.
    pub(crate) const L4_PORTS: Slot = Slot::new(5, 32, 32);
    pub(crate) const IPV6_FLABEL: Slot = Slot::new(5, 0, 20);
    /// The outermost entry of the label stack.
    pub(crate) const MPLS_ENTRY: Slot = Slot::new(5, 0, 32);
    pub(crate) const MPLS_LABEL: Slot = Slot::new(5, 12, 20);
    pub(crate) const MPLS_TC: Slot = Slot::new(5, 9, 3);
    pub(crate) const MPLS_BOS: Slot = Slot::new(5, 8, 1);
    pub(crate) const MPLS_TTL: Slot = Slot::new(5, 0, 8);
    pub(crate) const IPV4_SRC: Slot = Slot::new(6, 32, 32);
    pub(crate) const IPV4_DST: Slot = Slot::new(6, 0, 32);
    pub(crate) const IPV6_SRC: Slot = Slot::new(6, 0, 128);
    pub(crate) const IPV6_DST: Slot = Slot::new(8, 0, 128);
    // The network service header, in the place of the addresses.
    pub(crate) const NSH_FLAGS: Slot = Slot::new(6, 56, 8);
    pub(crate) const NSH_TTL: Slot = Slot::new(6, 48, 8);
    pub(crate) const NSH_MDTYPE: Slot = Slot::new(6, 40, 8);
    pub(crate) const NSH_NP: Slot = Slot::new(6, 32, 8);
    pub(crate) const NSH_SPI: Slot = Slot::new(6, 8, 24);
    pub(crate) const NSH_SI: Slot = Slot::new(6, 0, 8);
    /// The service path header: the path's number and the index on it.
    pub(crate) const NSH_PATH: Slot = Slot::new(6, 0, 32);
    pub(crate) const NSH_C1: Slot = Slot::new(7, 32, 32);
    pub(crate) const NSH_C2: Slot = Slot::new(7, 0, 32);
    pub(crate) const NSH_C3: Slot = Slot::new(8, 32, 32);
    pub(crate) const NSH_C4: Slot = Slot::new(8, 0, 32);
    /// The context of a header of MD type 1.
    pub(crate) const NSH_CONTEXT: Slot = Slot::new(7, 0, 128);
    pub(crate) const ND_TARGET: Slot = Slot::new(10, 0, 128);
    /// `arp_sha` or `ipv6_nd_sll`.
    pub(crate) const LINK_SRC: Slot = Slot::new(12, 16, 48);
    pub(crate) const TCP_FLAGS: Slot = Slot::new(12, 0, 12);
    /// The type of the first link-layer address option.
    pub(crate) const ND_OPTIONS_TYPE: Slot = Slot::new(12, 0, 8);
    /// `arp_tha` or `ipv6_nd_tll`.
    pub(crate) const LINK_DST: Slot = Slot::new(13, 16, 48);
    /// [`FRAGMENT_ANY`] and [`FRAGMENT_LATER`].
    pub(crate) const IP_FRAGMENT: Slot = Slot::new(13, 0, 2);

    // Words 14 to 21: 16 registers, two to a word, so that a 64-bit register is one word and a 128-bit one two.
    pub(crate) const REGISTERS: Slot = Slot::new(FIRST_PIPELINE_WORD, 0, 64);
    pub(crate) const PKT_MARK: Slot = Slot::new(22, 32, 32);
    pub(crate) const CONJ_ID: Slot = Slot::new(22, 0, 32);
    pub(crate) const CT_MARK: Slot = Slot::new(23, 32, 32);
    pub(crate) const CT_ZONE: Slot = Slot::new(23, 16, 16);
    pub(crate) const CT_NW_PROTO: Slot = Slot::new(23, 8, 8);
    pub(crate) const CT_STATE: Slot = Slot::new(23, 0, 8);
    pub(crate) const CT_LABEL: Slot = Slot::new(24, 0, 128);
    pub(crate) const CT_IPV6_SRC: Slot = Slot::new(26, 0, 128);
    pub(crate) const CT_NW_SRC: Slot = Slot::new(26, 32, 32);
    pub(crate) const CT_NW_DST: Slot = Slot::new(26, 0, 32);
    pub(crate) const CT_IPV6_DST: Slot = Slot::new(28, 0, 128);
    pub(crate) const CT_TP_SRC: Slot = Slot::new(30, 48, 16);
    pub(crate) const CT_TP_DST: Slot = Slot::new(30, 32, 16);
    pub(crate) const RECIRC_ID: Slot = Slot::new(30, 0, 32);
    pub(crate) const TUN_SRC: Slot = Slot::new(31, 32, 32);
    pub(crate) const TUN_DST: Slot = Slot::new(31, 0, 32);
    pub(crate) const TUN_IPV6_SRC: Slot = Slot::new(32, 0, 128);
    pub(crate) const TUN_IPV6_DST: Slot = Slot::new(34, 0, 128);
    pub(crate) const TUN_GBP_ID: Slot = Slot::new(36, 48, 16);
    pub(crate) const TUN_GBP_FLAGS: Slot = Slot::new(36, 40, 8);
    pub(crate) const TUN_FLAGS: Slot = Slot::new(36, 32, 1);
    pub(crate) const TUN_ERSPAN_VER: Slot = Slot::new(36, 24, 4);
    pub(crate) const TUN_ERSPAN_DIR: Slot = Slot::new(36, 16, 1);
    pub(crate) const TUN_ERSPAN_HWID: Slot = Slot::new(36, 8, 6);
    pub(crate) const TUN_ERSPAN_IDX: Slot = Slot::new(37, 32, 20);
    pub(crate) const TUN_GTPU_FLAGS: Slot = Slot::new(37, 8, 8);
    pub(crate) const TUN_GTPU_MSGTYPE: Slot = Slot::new(37, 0, 8);
    pub(crate) const DP_HASH: Slot = Slot::new(38, 32, 32);
    /// [`ACTSET_OUTPUT_UNSET`] beside the port, so that a packet starts with zero: the port's bits are turned over.
    pub(crate) const ACTSET_OUTPUT: Slot = Slot::new(38, 0, 32);
    /// The word before the target of neighbour discovery. From the frame, though it stands behind what isn't.
    pub(crate) const ND_RESERVED: Slot = Slot::new(39, 0, 32);
    /// Zero for an Ethernet frame.
    pub(crate) const PACKET_TYPE: Slot = Slot::new(39, 32, 32);
    /// One bit for each `tun_metadata` field. Behind it, in words 41 to 72, stand the octets of the options, two cells to a word.
    pub(crate) const OPTIONS_PRESENT: Slot = Slot::new(40, 0, 64);

    /// Register `number` of 32 bits.
    pub(crate) const fn register(number: usize) -> Slot {
        Slot::new(Slot::REGISTERS.word + number / 2, if number.is_multiple_of(2) { 32 } else { 0 }, 32)
    }

    /// Register `number` of 64 bits: two of 32.
    pub(crate) const fn wide_register(number: usize) -> Slot {
        Slot::new(Slot::REGISTERS.word + number, 0, 64)
    }

    /// Register `number` of 128 bits: four of 32.
    pub(crate) const fn widest_register(number: usize) -> Slot {
        Slot::new(Slot::REGISTERS.word + 2 * number, 0, 128)
    }

    /// All ones in this place.
    pub(crate) const fn full(self) -> u128 {
        if self.bits >= 128 { u128::MAX } else { (1 << self.bits) - 1 }
    }
}

/// Set in [`Slot::IP_FRAGMENT`] for each fragment.
pub(crate) const FRAGMENT_ANY: u128 = 1;
/// Set in [`Slot::IP_FRAGMENT`] for fragments that are not the first.
pub(crate) const FRAGMENT_LATER: u128 = 2;
/// `OFPP_UNSET`: what `actset_output` is while the action set has no output.
pub(crate) const ACTSET_OUTPUT_UNSET: u32 = 0xffff_fff7;

/// A packet's match fields, or the value or the mask half of a [`super::FlowMatch`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlowKey {
    pub(crate) words: [u64; WORDS],
}

impl Default for FlowKey {
    fn default() -> FlowKey {
        FlowKey::ZERO
    }
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

    fn option_slot(cell: u8) -> Slot {
        let cell = usize::from(cell);
        let shift = if cell.is_multiple_of(2) { 32 } else { 0 };
        Slot::new(Slot::OPTIONS_PRESENT.word + 1 + cell / 2, shift, 32)
    }

    /// Four octets of a tunnel option.
    pub(crate) fn option_cell(&self, cell: u8) -> u32 {
        self.get(FlowKey::option_slot(cell)) as u32
    }

    pub(crate) fn set_option_cell(&mut self, cell: u8, octets: u32) {
        self.set(FlowKey::option_slot(cell), u128::from(octets));
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

    /// Takes over what `other` carries beside its frame: the ingress port, metadata, tunnel, registers, marks.
    pub(crate) fn keep_pipeline_of(&mut self, other: &FlowKey) {
        for slot in [Slot::IN_PORT, Slot::METADATA, Slot::TUNNEL_ID] {
            self.set(slot, other.get(slot));
        }
        let nd_reserved = self.get(Slot::ND_RESERVED);
        for (word, other) in self.words.iter_mut().zip(other.words).skip(FIRST_PIPELINE_WORD) {
            *word = other;
        }
        self.set(Slot::ND_RESERVED, nd_reserved);
    }

    /// Forgets everything behind the EtherType: behind a label nothing is known.
    pub(crate) fn clear_network_layers(&mut self) {
        for slot in [Slot::IP_PROTO, Slot::IP_TTL, Slot::IP_TOS, Slot::ND_RESERVED] {
            self.set(slot, 0);
        }
        for word in self.words.iter_mut().take(FIRST_PIPELINE_WORD).skip(Slot::L4_SRC.word) {
            *word = 0;
        }
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
    /// and ports; not the ingress port, the metadata, or the DSCP, ECN and TTL bits. The same on every machine and in every run.
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
    fn registers_of_all_widths_lie_upon_each_other() {
        let mut key = FlowKey::ZERO;
        key.set(Slot::register(4), 0xaaaa_aaaa);
        key.set(Slot::register(5), 0xbbbb_bbbb);
        key.set(Slot::register(7), 0xcccc_cccc);
        assert_eq!(key.get(Slot::wide_register(2)), 0xaaaa_aaaa_bbbb_bbbb);
        assert_eq!(key.get(Slot::widest_register(1)), 0xaaaa_aaaa_bbbb_bbbb_0000_0000_cccc_cccc);
        key.set(Slot::register(15), 0xdddd_dddd);
        assert_eq!(key.get(Slot::widest_register(3)), 0xdddd_dddd);
        assert_eq!(key.get(Slot::PKT_MARK), 0);
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
