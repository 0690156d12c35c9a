//! The MPLS label stack of a packet under way. As in Open vSwitch, pushes and pops change what the flow tables see, and the frame's own stack is
//! made the same with as few changes as possible when somebody is to see it ([`Packet::commit`]): a label that is pushed and popped in between
//! leaves no trace, not even an EtherType.

use super::extract::{
    BOTTOM, ENTRY_LEN, ETH_HEADER_LEN, ETH_IPV4, ETH_IPV6, ETH_MPLS, Layout, MAX_LABELS, extract, is_mpls,
};
use super::flow_key::Slot;
use super::packet::{FRAME_LEN_MAX, Packet, Sums};

/// A label stack deeper than the three entries that Open vSwitch follows: the packet is dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooManyLabels;

impl Packet {
    /// Pushes a label stack entry behind the VLAN tag: a copy of the outermost one, or explicit null with what the IP header has as TTL
    /// and traffic class (OpenFlow 1.3.5 §7.2.5.6 leaves the fields of new entries to the switch).
    ///
    /// # Errors
    /// If there are three already.
    pub(crate) fn push_mpls(&mut self, ethertype: u16) -> Result<(), TooManyLabels> {
        let labels = self.labels();
        if labels >= MAX_LABELS {
            return Err(TooManyLabels);
        }
        let room = FRAME_LEN_MAX - ENTRY_LEN * MAX_LABELS;
        if self.octets().len() < ETH_HEADER_LEN || self.octets().len() > room {
            return Ok(());
        }
        let outermost = self.key.get(Slot::MPLS_ENTRY) as u32;
        let entry = if labels > 0 {
            outermost & !BOTTOM
        } else {
            self.commit();
            self.grown = 0;
            self.null_entry()
        };
        if labels == 0 {
            self.key.clear_network_layers();
            self.key.set(Slot::DP_HASH, 0);
            self.stack = [0; MAX_LABELS];
        } else {
            self.stack = [entry, outermost, self.stack[1]];
        }
        self.key.set(Slot::MPLS_ENTRY, u128::from(entry));
        self.key.set(Slot::ETH_TYPE, u128::from(ethertype));
        self.dirty = true;
        Ok(())
    }

    /// Pops the outermost label stack entry; what remains is of this EtherType. Says whether what is behind the labels is
    /// to be looked at.
    ///
    /// # Errors
    /// If the bottom of the stack is deeper than three entries.
    pub(crate) fn pop_mpls(&mut self, ethertype: u16) -> Result<bool, TooManyLabels> {
        let labels = self.labels();
        if labels == 0 {
            return Ok(false);
        }
        if labels == MAX_LABELS && self.entry(MAX_LABELS - 1) & BOTTOM == 0 {
            return Err(TooManyLabels);
        }
        // Behind the last entry that counts there is none, whatever stood there.
        let mut rest = [0; MAX_LABELS];
        for (index, entry) in rest.iter_mut().enumerate().take(labels - 1) {
            *entry = self.entry(index + 1);
        }
        self.stack = rest;
        self.key.set(Slot::MPLS_ENTRY, u128::from(self.stack[0]));
        self.key.set(Slot::ETH_TYPE, u128::from(ethertype));
        self.dirty = true;
        Ok(!is_mpls(ethertype))
    }

    /// An entry for a packet that had none.
    fn null_entry(&self) -> u32 {
        let (label, is_ip) = match self.key.eth_type() {
            ETH_IPV6 => (2, true),
            eth_type => (0, eth_type == ETH_IPV4),
        };
        let ttl = if is_ip { self.key.get(Slot::IP_TTL) as u32 } else { 0 };
        let class = if is_ip { (self.key.get(Slot::IP_DSCP) & 7) as u32 } else { 0 };
        (label << 12) | (class << 9) | BOTTOM | if ttl == 0 { 64 } else { ttl }
    }

    fn entry(&self, index: usize) -> u32 {
        match index {
            0 => self.key.get(Slot::MPLS_ENTRY) as u32,
            _ => self.stack.get(index).copied().unwrap_or(0),
        }
    }

    /// Entries that the flow tables see.
    fn labels(&self) -> usize {
        if is_mpls(self.key.eth_type()) { count([self.entry(0), self.entry(1), self.entry(2)]) } else { 0 }
    }

    /// Makes the frame's stack that of the flow tables: what both have at the bottom stays.
    pub(super) fn commit_labels(&mut self) {
        let at = self.layout.payload;
        let ethertype = self.key.eth_type();
        let wanted = self.labels();
        let mut there = self.layout.labels;
        let held_nothing = there == 0;
        if wanted == 0 && there == 0 {
            return;
        }
        let held = entries(self.octets(), at);
        let same = |from_bottom: usize| {
            held.get(there - 1 - from_bottom).copied() == Some(self.entry(wanted - 1 - from_bottom))
        };
        let mut common = (0..wanted.min(there)).take_while(|from_bottom| same(*from_bottom)).count();
        while there > common {
            if there - 1 == common && wanted > common {
                let entry = self.entry(wanted - there);
                self.write(at, &entry.to_be_bytes(), Sums::None);
                common += 1;
            } else {
                let inner = if !is_mpls(ethertype) && there > 1 { ETH_MPLS } else { ethertype };
                self.set_frame_ethertype(inner);
                self.cut(at, ENTRY_LEN);
                self.layout.payload = at;
                there -= 1;
            }
        }
        if there == 0 && wanted > 0 {
            // What was known of the headers is inside now.
            self.layout = Layout { tags: self.layout.tags, payload: at, ..Layout::default() };
        }
        while there < wanted {
            let entry = self.entry(wanted - there - 1);
            self.set_frame_ethertype(ethertype);
            self.put(at, &entry.to_be_bytes());
            // The new entry is part of the payload.
            self.layout.payload = at;
            there += 1;
        }
        self.layout.labels = there;
        let key = &self.key;
        let known = [Slot::IP_PROTO, Slot::NSH_PATH, Slot::NSH_TTL].iter().any(|slot| key.get(*slot) != 0);
        if there == 0 && !held_nothing && known {
            // Labels that a copy of the packet had: what is behind them is known.
            self.layout = extract(self.octets(), key.in_port()).1;
        }
    }

    /// Where the EtherType behind all tags stands.
    fn ethertype_place(&self) -> usize {
        if self.layout.tags == 0 { 12 } else { self.layout.payload.saturating_sub(2) }
    }

    fn set_frame_ethertype(&mut self, ethertype: u16) {
        self.write(self.ethertype_place(), &ethertype.to_be_bytes(), Sums::None);
    }
}

/// Up to three entries of a stack; zero where the frame ends, and behind the bottom.
pub(super) fn entries(frame: &[u8], at: usize) -> [u32; MAX_LABELS] {
    let mut entries = [0; MAX_LABELS];
    let octets = frame.get(at..).unwrap_or_default().chunks_exact(ENTRY_LEN);
    for (entry, octets) in entries.iter_mut().zip(octets) {
        *entry = octets.first_chunk::<4>().map_or(0, |octets| u32::from_be_bytes(*octets));
        if *entry & BOTTOM != 0 {
            break;
        }
    }
    entries
}

/// Entries that Open vSwitch counts: up to the bottom, and of three that don't end there those that aren't zero.
pub(super) fn count(entries: [u32; MAX_LABELS]) -> usize {
    match entries.iter().position(|entry| entry & BOTTOM != 0) {
        Some(bottom) => bottom + 1,
        None => entries.iter().filter(|entry| **entry != 0).count(),
    }
}
