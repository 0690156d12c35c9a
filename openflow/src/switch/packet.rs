//! A packet on its way through the pipeline: the frame, its match fields, and the rewrites that actions ask for, with checksums kept
//! right. A frame that nobody rewrites is never copied.
//!
//! As in Open vSwitch, actions change match fields, and the frame follows ([`Packet::commit`]) when somebody is to see it. So a rewrite
//! of a header that the frame only seems to have shows in later tables and not in the frame.

use super::checksum::{self, crc32c};
use super::extract::{
    ENTRY_LEN, ETH_ARP, ETH_HEADER_LEN, ETH_IPV4, ETH_IPV6, ETH_NSH, ETH_VLAN, IP_ICMP, IP_ICMPV6, IP_SCTP, IP_TCP,
    IP_UDP, Layout, MAX_LABELS, NSH_MD1, VLAN_PRESENT, extract, is_mpls,
};
use super::field;
use super::flow_key::{FRAGMENT_ANY, FlowKey, Slot};
use super::headers::ETHERNET;
use super::label_stack;
use super::tunnel_options::{self, Bits, TunnelOptions};
use crate::flow_match::Match;
use crate::nicira::Subfield;
use crate::oxm::{OxmField, OxmFieldOwned, OxmKind};
use bytes::{Bytes, BytesMut};
use net::PortNo;
use std::sync::Arc;

/// A frame and what it looks like to the flow tables.
#[derive(Clone, Debug)]
pub struct Packet {
    frame: Frame,
    pub(super) key: FlowKey,
    pub(super) layout: Layout,
    /// The label stack as the match fields have it, from the outermost entry on; the true outermost one is in `key`. The frame's own may differ.
    pub(super) stack: [u32; MAX_LABELS],
    /// Whether a match field may differ from the frame.
    pub(super) dirty: bool,
    /// Octets that pushes and pops have added since somebody last saw the frame.
    pub(super) grown: isize,
    /// Octets at its beginning that the datapath's packet hasn't.
    hidden: usize,
    /// How often somebody has seen the frame.
    seen: u32,
    /// Which tunnel options are mapped, if some are.
    options: Option<Arc<TunnelOptions>>,
    /// Octets that rewrites have copied, or read all over for a checksum.
    copied: usize,
}

/// The octets as they came or were last handed out, and a copy once something is rewritten.
#[derive(Clone, Debug)]
struct Frame {
    shared: Bytes,
    edited: Option<BytesMut>,
}

/// A TTL that can't be decremented any more (OpenFlow 1.3.5 §5.12: checked and reported as OFPR_INVALID_TTL).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InvalidTtl;

/// Largest frame that a push may make: a packet-in's `total_len` has 16 bits.
pub const FRAME_LEN_MAX: usize = 65_535;

/// Octets of neighbour discovery before its options.
const ND_OPTIONS: usize = 24;

/// Tags that are known of at most, as in Open vSwitch: a further push makes the innermost of them vanish.
const MAX_TAGS: usize = 2;

impl Packet {
    /// A frame that came in by `in_port`. Any octets are a packet: fields that can't be read are zero.
    pub fn new(in_port: PortNo, frame: Bytes) -> Packet {
        let (key, layout) = extract(&frame, in_port);
        let stack = if layout.labels > 0 { label_stack::entries(&frame, layout.payload) } else { [0; MAX_LABELS] };
        Packet {
            frame: Frame { shared: frame, edited: None },
            key,
            layout,
            stack,
            dirty: false,
            grown: 0,
            hidden: 0,
            seen: 0,
            options: None,
            copied: 0,
        }
    }

    /// The match fields.
    pub fn key(&self) -> &FlowKey {
        &self.key
    }

    /// Whether it is a fragment of an IP packet.
    pub fn is_fragment(&self) -> bool {
        self.key.get(Slot::IP_FRAGMENT) & FRAGMENT_ANY != 0
    }

    /// The frame as it was when it was last committed.
    pub fn octets(&self) -> &[u8] {
        self.frame.edited.as_deref().unwrap_or(&self.frame.shared)
    }

    /// The frame with all rewrites, shared: further ones copy first.
    pub fn share(&mut self) -> Bytes {
        self.show();
        self.settle();
        self.frame.shared.clone()
    }

    /// The frame gets all rewrites, and somebody sees it.
    pub(crate) fn show(&mut self) {
        self.commit();
        self.grown = 0;
        self.hidden = if self.packet_type() == ETHERNET { 0 } else { ETH_HEADER_LEN };
        self.seen = self.seen.wrapping_add(1);
    }

    /// After a copy was sent that shares the datapath's packet with this one: the match fields stay, and the frame is what somebody has last
    /// seen of the copy. Tags behind the outermost one are in the frame alone, so that of a packet that had some the frame stays too.
    pub(crate) fn take_frame_of(&mut self, copy: Packet) {
        let tags = self.layout.tags;
        if copy.seen != self.seen && copy.grown == 0 && (tags == 0 || tags == copy.layout.tags) {
            (self.frame, self.layout, self.grown) = (copy.frame, copy.layout, 0);
            (self.seen, self.hidden) = (copy.seen, copy.hidden);
            self.dirty = true;
        }
    }

    /// Makes copies cheap, without the rewrites that nobody has seen yet: only further ones copy octets.
    pub(crate) fn settle(&mut self) {
        if let Some(edited) = self.frame.edited.take() {
            self.frame.shared = edited.freeze();
        }
    }

    /// Octets that rewrites have copied since this was asked last.
    pub(crate) fn take_copied(&mut self) -> usize {
        std::mem::take(&mut self.copied)
    }

    /// Octets of the frame as somebody last saw it, without the pushes and pops since.
    pub(crate) fn seen_len(&self) -> usize {
        self.octets().len().saturating_add_signed(-self.grown).saturating_sub(self.hidden)
    }

    pub(super) fn hidden(&self) -> usize {
        self.hidden
    }

    /// The octets without an Ethernet header that the packet hasn't; a packet-in has them so.
    pub(crate) fn share_content(&mut self) -> Bytes {
        let mut frame = self.share();
        frame.split_off(self.hidden.min(frame.len()))
    }

    pub(super) fn replace_frame(&mut self, frame: BytesMut) {
        self.copied += frame.len();
        self.frame.edited = Some(frame);
        self.dirty = false;
    }

    /// The `masked` bits of the metadata register become those of `metadata` (OpenFlow 1.3.5 §5.9, Write-Metadata).
    pub(crate) fn write_metadata(&mut self, metadata: u64, mask: u64) {
        let value = (self.key.metadata() & !mask) | (metadata & mask);
        self.key.set(Slot::METADATA, u128::from(value));
    }

    /// Set-field (OpenFlow 1.3.5 §7.2.5.7) of the bits in `mask`. A packet that hasn't the field is left alone.
    pub(crate) fn set_field(&mut self, kind: OxmKind, value: u128, mask: u128) {
        if field::prerequisites_hold(kind, &self.key, None) {
            self.assign(kind, (field::value(&self.key, kind) & !mask) | (value & mask));
        }
    }

    /// Tells the packet which tunnel options there are.
    pub(crate) fn map_options(&mut self, options: &Arc<TunnelOptions>) {
        self.options = (!options.is_empty()).then(|| options.clone());
    }

    /// The same of a field that may be a tunnel option.
    pub(crate) fn set_field_of(&mut self, field: OxmField<'_>) {
        if !field.kind.is_variable() {
            let mask = field.mask.map_or(u128::MAX, field::number);
            self.set_field(field.kind, field::number(field.value), mask);
        } else if let Some(options) = &self.options {
            options.write_octets(&mut self.key, field.kind, field.value, field.mask);
        }
    }

    /// Some bits of a field.
    pub(crate) fn read(&self, subfield: Subfield) -> Bits {
        match &self.options {
            Some(options) if subfield.kind.is_variable() => options.read(&self.key, subfield),
            _ => tunnel_options::from_number(field::read(&self.key, subfield)),
        }
    }

    /// Sets some bits of a field, of a packet that has it.
    pub(crate) fn write_bits(&mut self, subfield: Subfield, bits: &Bits) {
        match &self.options {
            Some(options) if subfield.kind.is_variable() => options.write(&mut self.key, subfield, bits),
            None if subfield.kind.is_variable() => {}
            _ => self.set_subfield(subfield, tunnel_options::to_number(bits)),
        }
    }

    /// A tunnel option is not there any more.
    pub(crate) fn delete_field(&mut self, kind: OxmKind) {
        TunnelOptions::delete(&mut self.key, kind);
    }

    /// The tunnel options that are there.
    pub(crate) fn options(&self) -> Match {
        let Some(options) = &self.options else { return Match::new() };
        let field = |kind| OxmFieldOwned::new(kind, &options.read_octets(&self.key, kind), None);
        options.present(&self.key).filter_map(field).collect()
    }

    /// Sets some bits of a field, of a packet that has it.
    pub(crate) fn set_subfield(&mut self, subfield: Subfield, bits: u128) {
        if subfield.kind.is_variable() {
            return self.write_bits(subfield, &tunnel_options::from_number(bits));
        }
        let shift = u32::from(subfield.offset).min(127);
        let ones = field::ones(subfield.bits);
        self.set_field(subfield.kind, (bits & ones) << shift, ones << shift);
    }

    /// `move`: nothing is done if the packet lacks one of the two fields.
    pub(crate) fn move_bits(&mut self, source: Subfield, destination: Subfield) {
        if field::prerequisites_hold(source.kind, &self.key, None) {
            let bits = self.read(source);
            self.write_bits(destination, &bits);
        }
    }

    fn assign(&mut self, kind: OxmKind, value: u128) {
        let Some(place) = field::place(kind) else { return };
        if kind == OxmKind::VLAN_PCP {
            // A priority comes with a tag.
            self.key.set(Slot::VLAN_TCI, self.key.get(Slot::VLAN_TCI) | u128::from(VLAN_PRESENT));
        }
        self.key.set(place.slot, place.stored(value));
        self.dirty = true;
    }

    pub(super) fn octets_mut(&mut self) -> &mut BytesMut {
        let Frame { shared, edited } = &mut self.frame;
        if edited.is_none() {
            self.copied += shared.len();
        }
        edited.get_or_insert_with(|| BytesMut::from(&shared[..]))
    }

    /// Reads the frame again, as a datapath does with a packet that comes around once more; what isn't in the frame is kept.
    pub(crate) fn recirculate(&mut self) {
        self.show();
        let (mut key, layout) = extract(self.octets(), self.key.in_port());
        key.keep_pipeline_of(&self.key);
        (self.key, self.layout) = (key, layout);
        self.stack = label_stack::entries(self.octets(), layout.payload);
    }

    /// The packet has been hashed, with whatever result: that isn't Open vSwitch's. `false`: there is no hash of a packet without an Ethernet
    /// header that isn't IP.
    pub(crate) fn set_dp_hash(&mut self) -> bool {
        let is_ip = matches!(self.key.eth_type(), ETH_IPV4 | ETH_IPV6);
        if !is_ip && self.key.get(Slot::PACKET_TYPE) != u128::from(ETHERNET) {
            return false;
        }
        self.key.set(Slot::DP_HASH, u128::from(self.key.flow_hash(0) as u32 | 1));
        true
    }

    /// Puts the match fields into the frame.
    pub(crate) fn commit(&mut self) {
        if std::mem::take(&mut self.dirty) && self.octets().len() >= ETH_HEADER_LEN {
            self.commit_labels();
            self.commit_fields();
        }
    }

    /// Puts all of them but the label stack into the frame: that is left until somebody sees the frame, and what is pushed and popped in between
    /// leaves no trace.
    fn commit_fields(&mut self) {
        if self.octets().len() < ETH_HEADER_LEN {
            return;
        }
        let key = self.key;
        self.write(0, &octets::<6>(key.get(Slot::ETH_DST)), Sums::None);
        self.write(6, &octets::<6>(key.get(Slot::ETH_SRC)), Sums::None);
        let has_protocol = key.get(Slot::IP_PROTO) != 0;
        match (key.eth_type(), self.layout.l3) {
            (ETH_IPV4, Some(at)) if has_protocol => self.commit_ipv4(&key, at),
            (ETH_IPV6, Some(at)) if has_protocol => self.commit_ipv6(&key, at),
            (ETH_ARP, Some(at)) if has_protocol => self.commit_arp(&key, at),
            (ETH_NSH, Some(at)) => self.commit_nsh(&key, at),
            _ => {}
        }
        self.commit_vlan(key.get(Slot::VLAN_TCI) as u16);
    }

    fn commit_ipv4(&mut self, key: &FlowKey, at: usize) {
        self.write(at + 1, &octets::<1>(key.get(Slot::IP_TOS)), Sums::Ipv4);
        self.write(at + 8, &octets::<1>(key.get(Slot::IP_TTL)), Sums::Ipv4);
        self.write(at + 12, &octets::<4>(key.get(Slot::IPV4_SRC)), Sums::Ipv4Address);
        self.write(at + 16, &octets::<4>(key.get(Slot::IPV4_DST)), Sums::Ipv4Address);
        self.commit_transport(key);
    }

    fn commit_ipv6(&mut self, key: &FlowKey, at: usize) {
        // Version, traffic class and flow label; no checksum covers them.
        let word = 0x6000_0000 | (key.get(Slot::IP_TOS) << 20) | key.get(Slot::IPV6_FLABEL);
        let version = self.octets().get(at).map_or(0x60, |first| first & 0xf0);
        let [first, rest @ ..] = octets::<4>(word);
        let [second, third, fourth] = rest;
        self.write(at, &[(first & 0x0f) | version, second, third, fourth], Sums::None);
        self.write(at + 7, &octets::<1>(key.get(Slot::IP_TTL)), Sums::None);
        self.write(at + 8, &octets::<16>(key.get(Slot::IPV6_SRC)), Sums::Ipv6Address);
        self.write(at + 24, &octets::<16>(key.get(Slot::IPV6_DST)), Sums::Ipv6Address);
        self.commit_nd_extensions(key);
        if let (Some(l4), IP_ICMPV6) = (self.layout.l4, self.layout.l4_proto)
            && (self.layout.nd_sll.is_some() || self.layout.nd_tll.is_some() || key.get(Slot::ND_TARGET) != 0)
        {
            self.write(l4 + 8, &octets::<16>(key.get(Slot::ND_TARGET)), Sums::L4);
            for (place, slot) in [(self.layout.nd_sll, Slot::LINK_SRC), (self.layout.nd_tll, Slot::LINK_DST)] {
                if let Some(place) = place {
                    self.write(place, &octets::<6>(key.get(slot)), Sums::L4);
                }
            }
        }
        self.commit_transport(key);
    }

    /// Open vSwitch writes both as soon as one has changed, the type into whichever option comes first.
    fn commit_nd_extensions(&mut self, key: &FlowKey) {
        let (Some(l4), true) = (self.layout.l4, self.layout.is_nd) else { return };
        let (reserved, option) = (octets::<4>(key.get(Slot::ND_RESERVED)), key.get(Slot::ND_OPTIONS_TYPE) as u8);
        let changed =
            self.octets().get(l4 + 4..l4 + 8).is_some_and(|old| old != reserved) || option != self.layout.nd_option;
        if changed {
            self.write(l4 + 4, &reserved, Sums::L4);
            if l4 + ND_OPTIONS < self.layout.l4_end {
                self.write(l4 + ND_OPTIONS, &[option], Sums::L4);
            }
            self.layout.nd_option = option;
        }
    }

    fn commit_transport(&mut self, key: &FlowKey) {
        let Some(at) = self.layout.l4 else { return };
        match self.layout.l4_proto {
            IP_TCP | IP_UDP => self.write(at, &octets::<4>(key.get(Slot::L4_PORTS)), Sums::L4),
            IP_SCTP => self.commit_sctp(at, octets::<4>(key.get(Slot::L4_PORTS))),
            _ => {
                let (icmp_type, code) = (key.get(Slot::ICMP_TYPE), key.get(Slot::ICMP_CODE));
                self.write(at, &octets::<2>((icmp_type << 8) | code), Sums::L4);
            }
        }
    }

    /// SCTP's checksum (RFC 9260 §6.8) covers everything, itself as zero. It changes by what the correct one changes by, so that a wrong
    /// one stays wrong.
    fn commit_sctp(&mut self, at: usize, ports: [u8; 4]) {
        let end = self.layout.l4_end;
        let Some(packet) = self.octets().get(at..end) else { return };
        let (Some(old), Some(sum)) = (packet.get(..4), packet.get(8..12)) else { return };
        if old == ports {
            return;
        }
        let read = end.saturating_sub(at);
        let sum = u32::from_le_bytes([sum[0], sum[1], sum[2], sum[3]]);
        let body = packet.get(12..).unwrap_or_default();
        let verification = packet.get(4..8).unwrap_or_default();
        let correct = |ports: &[u8]| crc32c(&[ports, verification, &[0; 4], body]);
        let sum = sum ^ correct(old) ^ correct(&ports);
        self.copied += read;
        self.write(at, &ports, Sums::None);
        self.write(at + 8, &sum.to_le_bytes(), Sums::None);
    }

    fn commit_nsh(&mut self, key: &FlowKey, at: usize) {
        let Some([first, second, mdtype]) = self.octets().get(at..).and_then(<[u8]>::first_chunk::<3>).copied() else {
            return;
        };
        let kept = u16::from_be_bytes([first, second]) & !0x3fc0;
        let flags = (key.get(Slot::NSH_FLAGS) as u16 & 0x03) << 12;
        let ttl = (key.get(Slot::NSH_TTL) as u16 & 0x3f) << 6;
        self.write(at, &(kept | flags | ttl).to_be_bytes(), Sums::None);
        self.write(at + 4, &octets::<4>(key.get(Slot::NSH_PATH)), Sums::None);
        if mdtype & 0x0f == NSH_MD1 {
            self.write(at + 8, &octets::<16>(key.get(Slot::NSH_CONTEXT)), Sums::None);
        }
    }

    fn commit_arp(&mut self, key: &FlowKey, at: usize) {
        self.write(at + 6, &octets::<2>(key.get(Slot::IP_PROTO)), Sums::None);
        self.write(at + 8, &octets::<6>(key.get(Slot::LINK_SRC)), Sums::None);
        self.write(at + 14, &octets::<4>(key.get(Slot::IPV4_SRC)), Sums::None);
        self.write(at + 18, &octets::<6>(key.get(Slot::LINK_DST)), Sums::None);
        self.write(at + 24, &octets::<4>(key.get(Slot::IPV4_DST)), Sums::None);
    }

    /// A tag comes, goes or changes with its match field. One that changes loses its DEI bit, which Open vSwitch doesn't know of.
    fn commit_vlan(&mut self, tci: u16) {
        if tci & VLAN_PRESENT == 0 {
            while self.layout.tags > 0 {
                self.cut(12, ENTRY_LEN);
                self.layout.tags -= 1;
            }
        } else if self.layout.tags == 0 {
            self.put(12, [ETH_VLAN.to_be_bytes(), (tci & !VLAN_PRESENT).to_be_bytes()].as_flattened());
            self.layout.tags = 1;
        } else {
            let old =
                self.octets().get(14..).and_then(|rest| rest.first_chunk::<2>()).map(|tci| u16::from_be_bytes(*tci));
            if old.is_some_and(|old| old | VLAN_PRESENT != tci) {
                self.write(14, &(tci & !VLAN_PRESENT).to_be_bytes(), Sums::None);
            }
        }
    }

    /// Puts octets in before what stands at `at`, and moves on what is known of the rest.
    pub(super) fn put(&mut self, at: usize, new: &[u8]) {
        let octets = self.octets();
        let Some((before, after)) = octets.split_at_checked(at) else { return };
        let mut frame = BytesMut::with_capacity(octets.len() + new.len());
        for part in [before, new, after] {
            frame.extend_from_slice(part);
        }
        self.copied += frame.len();
        self.frame.edited = Some(frame);
        self.layout.shift(new.len() as isize);
        self.grown += new.len() as isize;
    }

    /// Takes `len` octets out at `at`.
    pub(super) fn cut(&mut self, at: usize, len: usize) {
        let octets = self.octets();
        let (Some(before), Some(after)) = (octets.get(..at), octets.get(at + len..)) else { return };
        let mut frame = BytesMut::with_capacity(octets.len());
        frame.extend_from_slice(before);
        frame.extend_from_slice(after);
        self.copied += frame.len();
        self.frame.edited = Some(frame);
        self.layout.shift(-(len as isize));
        self.grown -= len as isize;
    }

    /// Pushes an 802.1Q tag with VLAN id and priority zero, as Open vSwitch does (OpenFlow 1.3.5 §7.2.5.5).
    pub(crate) fn push_vlan(&mut self, ethertype: u16) {
        self.commit_fields();
        if self.octets().len() < ETH_HEADER_LEN || self.octets().len() + ENTRY_LEN > FRAME_LEN_MAX {
            return;
        }
        if self.layout.tags >= MAX_TAGS {
            self.cut(12 + ENTRY_LEN, ENTRY_LEN);
            self.layout.tags -= 1;
        }
        self.put(12, [ethertype.to_be_bytes(), [0, 0]].as_flattened());
        self.layout.tags += 1;
        self.key.set(Slot::VLAN_TCI, u128::from(VLAN_PRESENT));
    }

    /// Pops the outer tag; a packet without one is left alone. A tag behind it that nobody had looked at stays unseen.
    pub(crate) fn pop_vlan(&mut self) {
        self.commit_fields();
        if self.layout.tags == 0 {
            return;
        }
        self.cut(12, ENTRY_LEN);
        self.layout.tags -= 1;
        let inner = (self.layout.tags > 0).then(|| self.octets().get(14..16)).flatten();
        let tci = inner.map_or(0, |tci| field::number(tci) | u128::from(VLAN_PRESENT));
        self.key.set(Slot::VLAN_TCI, tci);
    }

    fn is_ip(&self) -> bool {
        matches!(self.key.eth_type(), ETH_IPV4 | ETH_IPV6)
    }

    /// Set the IP TTL or hop limit.
    pub(crate) fn set_nw_ttl(&mut self, ttl: u8) {
        if self.is_ip() {
            self.key.set(Slot::IP_TTL, u128::from(ttl));
            self.dirty = true;
        }
    }

    /// Decrement the IP TTL or hop limit; what isn't IP is left alone.
    ///
    /// # Errors
    /// When it is 0 or 1 already; the packet is not changed.
    pub(crate) fn dec_nw_ttl(&mut self) -> Result<(), InvalidTtl> {
        if self.is_ip() {
            self.decrement(Slot::IP_TTL)?;
        }
        Ok(())
    }

    /// Set the TTL of the outermost label.
    pub(crate) fn set_mpls_ttl(&mut self, ttl: u8) {
        if self.is_mpls() {
            self.key.set(Slot::MPLS_TTL, u128::from(ttl));
            self.dirty = true;
        }
    }

    /// Decrement the TTL of the outermost label.
    ///
    /// # Errors
    /// When it is 0 or 1 already; the packet is not changed.
    pub(crate) fn dec_mpls_ttl(&mut self) -> Result<(), InvalidTtl> {
        self.decrement(Slot::MPLS_TTL)
    }

    /// Decrement the TTL of a network service header.
    ///
    /// # Errors
    /// When it is 0 or 1 already; the packet is not changed.
    pub(crate) fn dec_nsh_ttl(&mut self) -> Result<(), InvalidTtl> {
        self.decrement(Slot::NSH_TTL)
    }

    /// Whether it has a network service header.
    pub(crate) fn is_nsh(&self) -> bool {
        self.key.eth_type() == ETH_NSH
    }

    /// Whether it has a label stack.
    pub(crate) fn is_mpls(&self) -> bool {
        is_mpls(self.key.eth_type())
    }

    fn decrement(&mut self, slot: Slot) -> Result<(), InvalidTtl> {
        match self.key.get(slot) {
            0 | 1 => Err(InvalidTtl),
            ttl => {
                self.key.set(slot, ttl - 1);
                self.dirty = true;
                Ok(())
            }
        }
    }

    /// The match fields with another ingress port, for a lookup.
    pub(crate) fn key_as_from(&self, in_port: PortNo) -> FlowKey {
        let mut key = self.key;
        key.set(Slot::IN_PORT, u128::from(in_port.0));
        key
    }

    /// What the action set would output to (`actset_output`).
    pub(crate) fn set_actset_output(&mut self, port: PortNo) {
        if let Some(place) = field::place(OxmKind::ACTSET_OUTPUT) {
            self.key.set(place.slot, place.stored(u128::from(port.0)));
        }
    }

    /// Writes octets and keeps the checksums right that cover them.
    pub(super) fn write(&mut self, at: usize, new: &[u8], sums: Sums) {
        let Some(old) = self.octets().get(at..at + new.len()) else { return };
        if old == new {
            return;
        }
        let old: smallvec::SmallVec<[u8; 16]> = old.into();
        let layout = self.layout;
        let pseudo = matches!(layout.l4_proto, IP_TCP | IP_UDP) || (layout.l4_proto == IP_ICMPV6 && sums != Sums::Ipv4);
        let frame = self.octets_mut();
        if let Some(place) = frame.get_mut(at..at + new.len()) {
            place.copy_from_slice(new);
        }
        if let (Sums::Ipv4 | Sums::Ipv4Address, Some(l3)) = (sums, layout.l3) {
            update(frame, l3 + 10, at - l3, &old, new, false);
        }
        if sums == Sums::Ipv4 || sums == Sums::None {
            return;
        }
        let Some(l4) = layout.l4 else { return };
        let (position, start, is_udp) = match (layout.l4_proto, sums) {
            (IP_TCP, _) => (16, l4, false),
            (IP_UDP, _) => (6, l4, true),
            (IP_ICMPV6, Sums::L4 | Sums::Ipv6Address) => (2, l4, false),
            (IP_ICMP, Sums::L4) => (2, l4, false),
            _ => return,
        };
        // Address octets enter the sum by the pseudo-header, where they stand at even offsets, as they do in the IP header.
        let offset = match sums {
            Sums::L4 => at - start,
            _ if pseudo => at - layout.l3.unwrap_or(at),
            _ => return,
        };
        update(frame, l4 + position, offset, &old, new, is_udp);
    }
}

/// The last octets of a number, in network order.
fn octets<const LEN: usize>(value: u128) -> [u8; LEN] {
    let all = value.to_be_bytes();
    all.last_chunk::<LEN>().copied().unwrap_or([0; LEN])
}

/// Which checksums cover a rewritten field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sums {
    None,
    /// The IPv4 header's.
    Ipv4,
    /// The IPv4 header's, and by the pseudo-header that of TCP and UDP.
    Ipv4Address,
    /// By the pseudo-header that of TCP, UDP and ICMPv6.
    Ipv6Address,
    /// The transport header's.
    L4,
}

fn update(frame: &mut [u8], at: usize, offset: usize, old: &[u8], new: &[u8], is_udp: bool) {
    let Some(place) = frame.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<2>()) else { return };
    let before = u16::from_be_bytes(*place);
    // RFC 768: zero is "no checksum", and a computed zero is sent as all ones.
    if is_udp && before == 0 {
        return;
    }
    let after = checksum::updated(before, offset, old, new);
    *place = if is_udp && after == 0 { 0xffff } else { after }.to_be_bytes();
}
