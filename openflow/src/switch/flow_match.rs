//! A [`Match`] made ready for lookup: values and masks of those words of a [`FlowKey`] that it looks at, and the set algebra on them.

use super::field::{self, number, place, prerequisites_hold};
use super::flow_key::{FlowKey, Slot};
use super::headers;
use super::tunnel_options::{self, Bits, TunnelOptions, to_number};
use crate::error::ErrorCode;
use crate::flow_match::Match;
use crate::oxm::{OxmField, OxmFieldOwned, OxmKind, TUNNEL_METADATA_MAX};
use smallvec::SmallVec;

/// One word of a match.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct MatchWord {
    /// Which word of the key.
    pub(crate) index: u8,
    /// Not zero.
    pub(crate) mask: u64,
    /// Without bits that the mask leaves out.
    pub(crate) value: u64,
}

/// The words that a match looks at and their masks: what flows of one tuple have in common.
pub(crate) type Mask = SmallVec<[(u8, u64); 6]>;

/// Which packets a flow matches: those whose key has these values where the masks say.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct FlowMatch {
    /// By index.
    words: SmallVec<[MatchWord; 5]>,
}

impl FlowMatch {
    /// Matches every packet.
    pub fn any() -> FlowMatch {
        FlowMatch::default()
    }

    /// Checks and translates an OXM match, field by field in the order in which they stand, as Open vSwitch does.
    ///
    /// # Errors
    /// The OFPBMC code of the first field at fault: a field that this switch doesn't know (also `in_phy_port`, `pbb_isid` and
    /// `ipv6_exthdr`), a mask that isn't allowed or doesn't cover the value, a value out of range, a prerequisite that doesn't stand before
    /// its field, a field that stands twice. Tunnel options are not mapped.
    pub fn compile(match_: &Match) -> Result<FlowMatch, ErrorCode> {
        FlowMatch::compile_with(match_, &TunnelOptions::default())
    }

    /// The same where tunnel options are mapped.
    ///
    /// # Errors
    /// Those of [`FlowMatch::compile`], and NXFMFC_INVALID_TLV_FIELD for an option that isn't mapped.
    pub fn compile_with(match_: &Match, options: &TunnelOptions) -> Result<FlowMatch, ErrorCode> {
        Ok(Known::compile(match_, options)?.flow_match())
    }

    /// Whether a tunnel option has to be there.
    pub(crate) fn matches_option(&self, index: u8) -> bool {
        let present = Slot::OPTIONS_PRESENT.word;
        self.words.iter().any(|word| usize::from(word.index) == present && word.mask >> index & 1 != 0)
    }

    /// The masked words alone.
    pub(crate) fn mask(&self) -> Mask {
        self.words.iter().map(|word| (word.index, word.mask)).collect()
    }

    /// The values alone, in the order of [`FlowMatch::mask`].
    pub(crate) fn values(&self) -> impl Iterator<Item = u64> {
        self.words.iter().map(|word| word.value)
    }

    /// Whether a packet is matched. What matches a field of a packet means Ethernet frames, unless it names another packet type.
    pub fn matches(&self, key: &FlowKey) -> bool {
        if key.get(Slot::PACKET_TYPE) != 0 && means_ethernet(self.words.iter().map(|word| (word.index, word.mask))) {
            return false;
        }
        let at = |index: u8| key.words.get(usize::from(index)).copied().unwrap_or(0);
        self.words.iter().all(|word| at(word.index) & word.mask == word.value)
    }

    /// Whether every packet that `other` matches is matched by this one too (what non-strict modify and delete go by,
    /// OpenFlow 1.3.5 §6.4).
    pub fn covers(&self, other: &FlowMatch) -> bool {
        // Of a flow that matches a field of a packet the type is understood.
        let said = self.said_packet_type();
        if said.is_some() && other.packet_type() != said {
            return false;
        }
        let mut others = other.words.iter();
        self.words.iter().all(|word| {
            let is_type = said.is_some() && usize::from(word.index) == Slot::PACKET_TYPE.word;
            let word = MatchWord { mask: if is_type { word.mask & u64::from(u32::MAX) } else { word.mask }, ..*word };
            if word.mask == 0 {
                return true;
            }
            let word = MatchWord { value: word.value & word.mask, ..word };
            let same = others.find(|other| other.index >= word.index).filter(|other| other.index == word.index);
            same.is_some_and(|other| other.mask & word.mask == word.mask && other.value & word.mask == word.value)
        })
    }

    /// Whether a packet can exist that both match (what CHECK_OVERLAP goes by, OpenFlow 1.3.5 §6.4).
    pub fn overlaps(&self, other: &FlowMatch) -> bool {
        if let (Some(one), Some(two)) = (self.packet_type(), other.packet_type())
            && one != two
        {
            return false;
        }
        self.words.iter().all(|word| {
            let same = other.words.iter().find(|other| other.index == word.index);
            same.is_none_or(|other| (other.value ^ word.value) & other.mask & word.mask == 0)
        })
    }

    /// Of which type the packets are: with a word about a field of a packet alone, Ethernet frames. `None` for any.
    fn packet_type(&self) -> Option<u64> {
        let implied = || means_ethernet(self.words.iter().map(|word| (word.index, word.mask))).then_some(0);
        self.said_packet_type().or_else(implied)
    }

    fn said_packet_type(&self) -> Option<u64> {
        let slot = Slot::PACKET_TYPE;
        let part = |word: &&MatchWord| usize::from(word.index) == slot.word && word.mask >> slot.shift != 0;
        self.words.iter().find(part).map(|word| word.value >> slot.shift)
    }

    /// The packets that both match; `None` if there are none.
    pub fn intersection(&self, other: &FlowMatch) -> Option<FlowMatch> {
        if !self.overlaps(other) {
            return None;
        }
        let mut words = self.words.clone();
        for other in &other.words {
            match words.iter_mut().find(|word| word.index == other.index) {
                Some(word) => {
                    word.mask |= other.mask;
                    word.value |= other.value;
                }
                None => words.push(*other),
            }
        }
        words.sort();
        Some(FlowMatch { words })
    }

    /// Matches every packet: with priority 0, the table-miss flow entry (OpenFlow 1.3.5 §5.4).
    pub fn is_any(&self) -> bool {
        self.words.is_empty()
    }
}

/// Whether a mask is about fields of a packet, without a word about its type: that means Ethernet frames.
pub(super) fn means_ethernet(mut mask: impl Iterator<Item = (u8, u64)>) -> bool {
    let (low, high) = (u64::from(u32::MAX), !u64::from(u32::MAX));
    let mut is_about_packet = false;
    let said = mask.any(|(index, mask)| {
        is_about_packet |= match usize::from(index) {
            0 | ND_RESERVED_WORD => mask & low != 0,
            index => (3..14).contains(&index),
        };
        usize::from(index) == Slot::PACKET_TYPE.word && mask & high != 0
    });
    is_about_packet && !said
}

/// The word of [`Slot::ND_RESERVED`].
const ND_RESERVED_WORD: usize = Slot::ND_RESERVED.word;

/// What is known of the packets that a flow matches: all words, for building a match and for following what actions do to it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    pub(crate) value: FlowKey,
    pub(crate) mask: FlowKey,
    /// Whether addresses of a connection are matched: of IPv4, of IPv6.
    connection: [bool; 2],
}

impl Known {
    /// All of one packet.
    pub(crate) fn of_packet(key: &FlowKey) -> Known {
        Known { value: *key, mask: FlowKey { words: [u64::MAX; super::flow_key::WORDS] }, connection: [false; 2] }
    }

    pub(crate) fn compile(match_: &Match, options: &TunnelOptions) -> Result<Known, ErrorCode> {
        let mut known = Known::default();
        for field in match_.fields() {
            match tunnel_options::index(field.kind) {
                Some(index) => known.add_option(field, index, options)?,
                None => known.add(field)?,
            }
        }
        // Whoever matches a field of a packet means Ethernet frames anyway.
        let implied = match_.fields().any(|field| headers::implies_ethernet(field.kind));
        if implied && known.value.get(Slot::PACKET_TYPE) == 0 {
            known.mask.set(Slot::PACKET_TYPE, 0);
        }
        Ok(known)
    }

    fn add_option(&mut self, field: OxmField<'_>, index: u8, options: &TunnelOptions) -> Result<(), ErrorCode> {
        let kind = field.kind;
        if options.octets(kind).is_none() {
            return Err(ErrorCode::NX_FLOW_MOD_INVALID_TLV_FIELD);
        }
        if field.mask.is_some_and(|mask| field.value.iter().zip(mask).any(|(value, mask)| value & !mask != 0)) {
            return Err(ErrorCode::MATCH_BAD_WILDCARDS);
        }
        if self.mask.get(Slot::OPTIONS_PRESENT) >> index & 1 != 0 {
            return Err(ErrorCode::MATCH_DUP_FIELD);
        }
        let fit = |octets| options.fit(kind, octets);
        options.write_octets(&mut self.value, kind, fit(field.value), None);
        match field.mask {
            Some(mask) => options.write_octets(&mut self.mask, kind, fit(mask), None),
            None => options.write_octets(&mut self.mask, kind, &[0xff; TUNNEL_METADATA_MAX], None),
        }
        Ok(())
    }

    pub(crate) fn flow_match(&self) -> FlowMatch {
        let words = self.value.words.iter().zip(self.mask.words).enumerate();
        let masked = words.filter(|(_, (_, mask))| *mask != 0);
        FlowMatch {
            words: masked
                .map(|(index, (value, mask))| MatchWord { index: index as u8, mask, value: value & mask })
                .collect(),
        }
    }

    fn add(&mut self, field: OxmField<'_>) -> Result<(), ErrorCode> {
        let kind = field.kind;
        if field.mask.is_some_and(|mask| field.value.iter().zip(mask).any(|(value, mask)| value & !mask != 0)) {
            return Err(ErrorCode::MATCH_BAD_WILDCARDS);
        }
        let place = place(kind).ok_or(ErrorCode::MATCH_BAD_FIELD)?;
        let value = number(field.value);
        if let Some(mask) = field.mask {
            let partial = !mask.iter().all(|octet| *octet == 0) && !mask.iter().all(|octet| *octet == 0xff);
            if partial && !kind.maskable().unwrap_or(false) {
                return Err(ErrorCode::MATCH_BAD_MASK);
            }
        }
        if !field::is_valid(kind, value) {
            return Err(ErrorCode::MATCH_BAD_VALUE);
        }
        if !self.prerequisites_hold(kind) {
            return Err(ErrorCode::MATCH_BAD_PREREQ);
        }
        let version = match kind {
            OxmKind::CT_NW_SRC | OxmKind::CT_NW_DST => Some(0),
            OxmKind::CT_IPV6_SRC | OxmKind::CT_IPV6_DST => Some(1),
            _ => None,
        };
        if version.is_some_and(|version| self.connection.get(1 - version) == Some(&true)) {
            // The two have one place; a flow of both is refused as soon as the whole match is known.
            self.connection = [true; 2];
            return Ok(());
        }
        if self.mask.get(place.slot) != 0 {
            return Err(ErrorCode::MATCH_DUP_FIELD);
        }
        if let Some(connection) = version.and_then(|version| self.connection.get_mut(version)) {
            *connection |= field.mask.is_none_or(|mask| mask.iter().any(|octet| *octet != 0));
        }
        let mask = place.stored_mask(field.mask.map_or(u128::MAX, number));
        self.mask.set(place.slot, mask);
        self.value.set(place.slot, if mask == 0 { 0 } else { place.stored(value) });
        if kind == OxmKind::PACKET_TYPE && value >> 16 == 1 {
            // What else is matched depends on it.
            self.value.set(Slot::ETH_TYPE, value & 0xffff);
        }
        Ok(())
    }

    /// Whether every packet has the headers that `kind` is a field of.
    pub(crate) fn prerequisites_hold(&self, kind: OxmKind) -> bool {
        prerequisites_hold(kind, &self.value, Some(&self.mask))
    }

    /// Whether addresses of a connection, if there are some, are of the packet's version of IP.
    pub(crate) fn connection_fits_packet(&self) -> bool {
        let [ipv4, ipv6] = self.connection;
        let eth_type = self.value.eth_type();
        (!ipv4 || eth_type == 0x0800) && (!ipv6 || eth_type == 0x86dd)
    }

    /// The match as it would stand in a message: each field under its usual number, in their order.
    pub(crate) fn to_match(&self, options: &TunnelOptions) -> Match {
        let mut fields = self.options_of(options);
        for kind in OxmKind::KNOWN.iter().copied().filter(|kind| shown(*kind) && self.prerequisites_hold(*kind)) {
            let Some(place) = place(kind) else { continue };
            let mask = self.mask.get(place.slot);
            let (Some(octets), true) = (kind.value_len().filter(|octets| *octets <= 16), mask != 0) else { continue };
            let value = (field::value(&self.value, kind) & mask).to_be_bytes();
            let mask_octets = mask.to_be_bytes();
            let (Some(value), Some(masked)) = (value.get(16 - octets..), mask_octets.get(16 - octets..)) else {
                continue;
            };
            let masked = (mask != place.slot.full()).then_some(masked);
            if let Some(field) = OxmFieldOwned::new(kind, value, masked) {
                fields = fields.with(&field);
            }
        }
        fields.canonical()
    }

    /// The tunnel options that are matched, each as long as it is mapped.
    fn options_of(&self, options: &TunnelOptions) -> Match {
        let mut fields = Match::new();
        for kind in options.present(&self.mask) {
            let (value, mask) = (options.read_octets(&self.value, kind), options.read_octets(&self.mask, kind));
            let masked = mask.iter().any(|octet| *octet != 0xff).then_some(&mask[..]);
            if let Some(field) = OxmFieldOwned::new(kind, &value, masked) {
                fields = fields.with(&field);
            }
        }
        fields
    }

    /// A match as Open vSwitch keeps it: tunnel options in their whole length.
    pub(crate) fn kept(&self, match_: &Match, options: &TunnelOptions) -> Match {
        if options.is_empty() {
            return match_.canonical();
        }
        let plain = match_.fields().filter(|field| !field.kind.is_variable());
        plain.fold(self.options_of(options), |kept, field| kept.with(&field.to_owned())).canonical()
    }

    /// Matches some bits of a field on a value: what a learn action builds its match from.
    pub(crate) fn constrain(&mut self, subfield: crate::nicira::Subfield, bits: &Bits, options: &TunnelOptions) {
        if subfield.kind.is_variable() {
            options.write(&mut self.value, subfield, bits);
            let ones = Bits::from_elem(u64::MAX, usize::from(subfield.bits).div_ceil(64));
            options.write(&mut self.mask, subfield, &ones);
            return;
        }
        let bits = to_number(bits);
        let Some(place) = place(subfield.kind) else { return };
        let ones = field::ones(subfield.bits);
        let whole = (bits & ones) << u32::from(subfield.offset).min(127);
        let mask = ones << u32::from(subfield.offset).min(127);
        let (stored, mask) = (place.stored(whole), place.stored_mask(mask));
        self.value.set(place.slot, (self.value.get(place.slot) & !mask) | (stored & mask));
        self.mask.set(place.slot, self.mask.get(place.slot) | mask);
        if subfield.kind == OxmKind::VLAN_PCP {
            // Open vSwitch matches on the tag's presence with its id and priority.
            let present = u128::from(super::extract::VLAN_PRESENT);
            self.value.set(Slot::VLAN_TCI, self.value.get(Slot::VLAN_TCI) | present);
            self.mask.set(Slot::VLAN_TCI, self.mask.get(Slot::VLAN_TCI) | present);
        }
    }
}

/// Whether a field is shown under this number: no second numbers, and registers as those of 32 bits.
fn shown(kind: OxmKind) -> bool {
    let wide = kind.class == OxmKind::XREG0.class
        || matches!(kind, OxmKind::XXREG0 | OxmKind::XXREG1 | OxmKind::XXREG2 | OxmKind::XXREG3);
    field::meaning(kind) == kind && kind != OxmKind::VLAN_TCI && !wide
}
