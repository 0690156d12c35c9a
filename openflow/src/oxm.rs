//! OXM match fields: which there are, and a field as it stands in a TLV (OpenFlow 1.3.5 §7.2.3).
//!
//! `table` is THE table of those that we know: OpenFlow 1.3's and Open vSwitch's. Any other field is data: its octets are kept.

pub(crate) mod names;
pub(crate) mod table;
pub(crate) mod text;

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use net::{DecodeError, DecodeErrorKind, MacAddr};
use smallvec::SmallVec;

/// `OFPXMC_OPENFLOW_BASIC`: the class of the fields in the table below (OpenFlow 1.3.5 §7.2.3.3).
pub const CLASS_OPENFLOW_BASIC: u16 = 0x8000;
/// `OFPXMC_NXM_0`: Nicira's numbers for the fields of OpenFlow 1.0 (`NXM_OF_*`, ovs-fields(7)).
pub const CLASS_NXM_0: u16 = 0x0000;
/// `OFPXMC_NXM_1`: Nicira's own fields (`NXM_NX_*`, ovs-fields(7)).
pub const CLASS_NXM_1: u16 = 0x0001;
/// Ericsson's class (`ERICOXM_OF_*`, ovs-fields(7)).
pub const CLASS_ERICSSON: u16 = 0x1000;
/// `OFPXMC_PACKET_REGS`: packet registers (OpenFlow 1.5.1 §7.2.3.3); Open vSwitch has them on 1.3, too.
pub const CLASS_PACKET_REGISTERS: u16 = 0x8001;
/// `OFPXMC_EXPERIMENTER`: the value starts with an experimenter id (OpenFlow 1.3.5 §7.2.3.9).
pub const CLASS_EXPERIMENTER: u16 = 0xffff;
/// The ONF as an experimenter: extensions of OpenFlow 1.3 that later versions have built in.
pub const EXPERIMENTER_ONF: u32 = 0x4f4e_4600;
/// Nicira as an experimenter, which is Open vSwitch.
pub const EXPERIMENTER_NICIRA: u32 = 0x0000_2320;
/// The experimenter of the network service header's fields.
pub const EXPERIMENTER_NSH: u32 = 0x005a_d650;
/// `OFPVID_PRESENT`: set in `vlan_vid` if the packet has a VLAN tag (OpenFlow 1.3.5 §7.2.3.7).
pub const VID_PRESENT: u16 = 0x1000;
/// `OFPVID_NONE`: a `vlan_vid` for packets without a VLAN tag (OpenFlow 1.3.5 §7.2.3.7).
pub const VID_NONE: u16 = 0;

/// Which field: class and number, and the experimenter's id in class 0xffff (otherwise 0).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OxmKind {
    /// `oxm_class`.
    pub class: u16,
    /// `oxm_field`, 7 bits.
    pub field: u8,
    /// The experimenter id; 0 unless the class is [`CLASS_EXPERIMENTER`].
    pub experimenter: u32,
}

/// What has to be matched before a field has a meaning (OpenFlow 1.3.5 §7.2.3.8, table 12).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Prerequisite {
    /// Nothing.
    None,
    /// `in_port` is present.
    InPort,
    /// `vlan_vid` is present and is not [`VID_NONE`].
    VlanTag,
    /// `eth_type` is one of these.
    EthType(&'static [u16]),
    /// `ip_proto` is this.
    IpProto(u8),
    /// `icmpv6_type` is one of these.
    Icmpv6Type(&'static [u8]),
    /// `ct_state` is of a connection that is tracked and valid: one of `new`, `est`, `rel`, `rpl`, `snat`, `dnat` is set, or `trk` is
    /// set and `inv` is matched as not set (ovs-fields(7), ct_nw_proto).
    Tracked,
}

impl OxmKind {
    /// Field `field` of the class [`CLASS_OPENFLOW_BASIC`].
    pub const fn basic(field: u8) -> OxmKind {
        OxmKind { class: CLASS_OPENFLOW_BASIC, field, experimenter: 0 }
    }

    /// Field `field` of the class [`CLASS_NXM_0`].
    pub const fn nxm_0(field: u8) -> OxmKind {
        OxmKind { class: CLASS_NXM_0, field, experimenter: 0 }
    }

    /// Field `field` of the class [`CLASS_NXM_1`].
    pub const fn nxm_1(field: u8) -> OxmKind {
        OxmKind { class: CLASS_NXM_1, field, experimenter: 0 }
    }

    /// Field `field` of the class [`CLASS_ERICSSON`].
    pub const fn ericsson(field: u8) -> OxmKind {
        OxmKind { class: CLASS_ERICSSON, field, experimenter: 0 }
    }

    /// Field `field` of the class [`CLASS_PACKET_REGISTERS`].
    pub const fn packet_register(field: u8) -> OxmKind {
        OxmKind { class: CLASS_PACKET_REGISTERS, field, experimenter: 0 }
    }

    /// Field `field` of an experimenter.
    pub const fn experimenter(experimenter: u32, field: u8) -> OxmKind {
        OxmKind { class: CLASS_EXPERIMENTER, field, experimenter }
    }

    /// Field `field` of [`EXPERIMENTER_ONF`].
    pub const fn onf(field: u8) -> OxmKind {
        OxmKind::experimenter(EXPERIMENTER_ONF, field)
    }

    /// Field `field` of [`EXPERIMENTER_NICIRA`].
    pub const fn nicira(field: u8) -> OxmKind {
        OxmKind::experimenter(EXPERIMENTER_NICIRA, field)
    }

    /// Field `field` of [`EXPERIMENTER_NSH`].
    pub const fn nsh(field: u8) -> OxmKind {
        OxmKind::experimenter(EXPERIMENTER_NSH, field)
    }

    /// `reg0` to `reg15`: Nicira's registers of 32 bits.
    pub const fn register(number: u8) -> Option<OxmKind> {
        if number < 16 { Some(OxmKind::nxm_1(number)) } else { None }
    }

    /// `tun_metadata0` to `tun_metadata63`: options of a Geneve tunnel, of variable length.
    pub const fn tunnel_metadata(number: u8) -> Option<OxmKind> {
        if number < 64 { Some(OxmKind::nxm_1(OxmKind::TUN_METADATA0.field + number)) } else { None }
    }

    /// The one name that no other field has: the specification's in lower case (`eth_dst`), Open vSwitch's for a field that it alone
    /// has (`ct_state`), the header's for a second number of the same field (`nxm_of_eth_dst`). `None` if the table has no such field.
    pub fn name(self) -> Option<&'static str> {
        self.row().map(|row| row.name)
    }

    /// The name of the header: `OXM_OF_ETH_DST`, `NXM_NX_REG0`.
    pub fn header_name(self) -> Option<&'static str> {
        self.row().map(|row| row.header)
    }

    /// ovs-ofctl's name of the field in actions: `eth_dst`, `ip_dst`, `nw_ttl`.
    pub fn ovs_name(self) -> Option<&'static str> {
        self.row().map(|row| row.ovs)
    }

    /// ovs-ofctl's name of the field in a match: `dl_dst`, `nw_dst`, `tp_dst`.
    pub fn flow_name(self) -> Option<&'static str> {
        self.row().map(|row| row.flow)
    }

    /// Octets of the value, without the mask; `None` if the field is not in the table or its length is variable.
    pub fn value_len(self) -> Option<usize> {
        self.row().filter(|_| !self.is_variable()).map(|row| usize::from(row.value_len))
    }

    /// Whether values of this field may have any length up to [`TUNNEL_METADATA_MAX`].
    pub const fn is_variable(self) -> bool {
        self.class == CLASS_NXM_1
            && self.field >= OxmKind::TUN_METADATA0.field
            && self.field <= OxmKind::TUN_METADATA63.field
    }

    /// Bits of the value that have a meaning, if the table has this field.
    pub fn bits(self) -> Option<u16> {
        self.row().map(|row| row.bits)
    }

    /// Bits that Open vSwitch counts when the field is part of a move or load: `NXM_OF_VLAN_TCI[]` has 16. Differs from
    /// [`OxmKind::bits`] in `vlan_vid` (12, without [`VID_PRESENT`]) and `ct_state` (32).
    pub fn subfield_bits(self) -> Option<u16> {
        match self.canonical() {
            OxmKind::VLAN_VID => Some(12),
            OxmKind::CT_STATE => Some(32),
            other => other.bits(),
        }
    }

    /// Whether a mask may follow the value, if the table has this field. Tolerant where OpenFlow 1.3 and Open vSwitch differ.
    pub fn maskable(self) -> Option<bool> {
        self.row().map(|row| row.maskable)
    }

    /// Whether Open vSwitch lets an action set it, if the table has this field.
    pub fn writable(self) -> Option<bool> {
        self.row().map(|row| row.writable)
    }

    /// What has to be matched before this field, if the table has this field.
    pub fn prerequisite(self) -> Option<Prerequisite> {
        self.row().map(|row| row.prerequisite)
    }

    /// Where the field belongs in a match: after its prerequisites. OpenFlow 1.3's fields stand in the order of their numbers, which
    /// does that; all others need none of each other but `ct_state`, which has the lowest number of those that need it.
    pub(crate) fn order(self) -> (u8, OxmKind, OxmKind) {
        let same = self.same_field();
        match same {
            OxmKind::PACKET_TYPE => (0, same, same),
            OxmKind::VLAN_TCI => (1, OxmKind::VLAN_VID, same),
            _ if same.class == CLASS_OPENFLOW_BASIC => (1, same, same),
            _ => (2, same, same),
        }
    }

    /// One kind for all numbers of a field, also of those that write its value in another way: `NXM_OF_IN_PORT` has 16 bits,
    /// `NXM_OF_IP_TOS` two more than `ip_dscp`. Otherwise [`OxmKind::canonical`].
    pub fn same_field(self) -> OxmKind {
        match self.canonical() {
            OxmKind::NXM_OF_IN_PORT => OxmKind::IN_PORT,
            OxmKind::NXM_OF_IP_TOS => OxmKind::IP_DSCP,
            other => other,
        }
    }

    /// The first register of 32 bits that `xreg0` or `xxreg0` is made of (ovs-fields(7)).
    pub(crate) const fn first_register(self) -> Option<u8> {
        match self.class {
            CLASS_PACKET_REGISTERS if self.field <= OxmKind::XREG7.field => Some(2 * self.field),
            CLASS_NXM_1 if self.field >= OxmKind::XXREG0.field && self.field <= OxmKind::XXREG3.field => {
                Some(4 * (self.field - OxmKind::XXREG0.field))
            }
            _ => None,
        }
    }

    /// The same field with the same octets in its usual class: `NXM_OF_ETH_SRC` is `eth_src`. Itself if there is no such thing.
    pub fn canonical(self) -> OxmKind {
        self.row().map_or(self, |row| row.canonical)
    }
}

/// Octets that a value of `tun_metadata` has at most (ovs-fields(7)).
pub const TUNNEL_METADATA_MAX: usize = 124;

impl fmt::Display for OxmKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None if self.class == CLASS_EXPERIMENTER => {
                write!(f, "experimenter_{:#x}_{}", self.experimenter, self.field)
            }
            None => write!(f, "class_{:#x}_{}", self.class, self.field),
        }
    }
}

impl fmt::Debug for OxmKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One field of a match, borrowed from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OxmField<'a> {
    /// Which field.
    pub kind: OxmKind,
    /// The value in network order.
    pub value: &'a [u8],
    /// The mask, as long as the value; 1 bits have to match. `None`: all bits.
    pub mask: Option<&'a [u8]>,
}

impl OxmField<'_> {
    /// The value as a number, if it has at most 8 octets.
    pub fn to_u64(self) -> Option<u64> {
        to_u64(self.value)
    }

    /// The field as a value of its own.
    pub fn to_owned(self) -> OxmFieldOwned {
        let mut tlv = SmallVec::new();
        put_tlv(&mut tlv, self.kind, self.value, self.mask);
        OxmFieldOwned { tlv }
    }

    /// Whether the mask, if there is one, covers every bit that has a meaning.
    pub fn is_exact(self) -> bool {
        let Some(mask) = self.mask else { return true };
        let Some(bits) = self.kind.bits() else { return mask.iter().all(|octet| *octet == 0xff) };
        let octets = mask.len();
        (0..octets).all(|index| {
            let needed = meaningful_bits(usize::from(bits), octets, index);
            mask.get(index).is_some_and(|octet| octet & needed == needed)
        })
    }
}

/// Which bits of octet `index` have a meaning in a value of `octets` octets with `bits` bits.
fn meaningful_bits(bits: usize, octets: usize, index: usize) -> u8 {
    let above = bits.saturating_sub(8 * (octets - 1 - index));
    if above >= 8 { 0xff } else { (1u16 << above).wrapping_sub(1) as u8 }
}

pub(crate) fn to_u64(octets: &[u8]) -> Option<u64> {
    if octets.len() > 8 {
        return None;
    }
    Some(octets.iter().fold(0, |value, octet| value << 8 | u64::from(*octet)))
}

/// One field as a value of its own: the argument of a set-field action, or something to build a match from.
///
/// Holds the TLV as it stands on the wire, which is whole and of a length that fits its field by construction.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OxmFieldOwned {
    tlv: SmallVec<[u8; INLINE_FIELD_LEN]>,
}

/// Octets of a TLV that an [`OxmFieldOwned`] holds without an allocation: an IPv6 address with its header.
const INLINE_FIELD_LEN: usize = 20;

impl OxmFieldOwned {
    /// A field of any kind. `None` if the value or the mask has not the length that the field has, or if both with the
    /// experimenter id don't fit in the 255 octets that a TLV can hold.
    pub fn new(kind: OxmKind, value: &[u8], mask: Option<&[u8]>) -> Option<OxmFieldOwned> {
        let payload = value.len() + mask.map_or(0, <[u8]>::len) + kind.experimenter_len();
        let fits = payload <= 255
            && mask.is_none_or(|mask| mask.len() == value.len())
            && kind.field < 0x80
            && (kind.class == CLASS_EXPERIMENTER || kind.experimenter == 0)
            && kind.fits(value.len());
        fits.then(|| OxmField { kind, value, mask }.to_owned())
    }

    /// A field that is a number, without a mask. `None` if the field is no number of at most 8 octets or the value is too big for it.
    pub fn number(kind: OxmKind, value: u64) -> Option<OxmFieldOwned> {
        let length = kind.value_len().filter(|length| *length <= 8)?;
        let octets = value.to_be_bytes();
        let (above, octets) = octets.split_at_checked(8 - length)?;
        if above.iter().any(|octet| *octet != 0) {
            return None;
        }
        OxmFieldOwned::new(kind, octets, None)
    }

    /// `eth_dst`.
    pub fn eth_dst(address: MacAddr) -> OxmFieldOwned {
        OxmField { kind: OxmKind::ETH_DST, value: &address.0, mask: None }.to_owned()
    }

    /// `eth_src`.
    pub fn eth_src(address: MacAddr) -> OxmFieldOwned {
        OxmField { kind: OxmKind::ETH_SRC, value: &address.0, mask: None }.to_owned()
    }

    /// `vlan_vid`, with [`VID_PRESENT`] already in it.
    pub fn vlan_vid(vid: u16) -> OxmFieldOwned {
        OxmField { kind: OxmKind::VLAN_VID, value: &vid.to_be_bytes(), mask: None }.to_owned()
    }

    /// `ipv4_src`.
    pub fn ipv4_src(address: Ipv4Addr) -> OxmFieldOwned {
        OxmField { kind: OxmKind::IPV4_SRC, value: &address.octets(), mask: None }.to_owned()
    }

    /// `ipv4_dst`.
    pub fn ipv4_dst(address: Ipv4Addr) -> OxmFieldOwned {
        OxmField { kind: OxmKind::IPV4_DST, value: &address.octets(), mask: None }.to_owned()
    }

    /// `ipv6_src`.
    pub fn ipv6_src(address: Ipv6Addr) -> OxmFieldOwned {
        OxmField { kind: OxmKind::IPV6_SRC, value: &address.octets(), mask: None }.to_owned()
    }

    /// `ipv6_dst`.
    pub fn ipv6_dst(address: Ipv6Addr) -> OxmFieldOwned {
        OxmField { kind: OxmKind::IPV6_DST, value: &address.octets(), mask: None }.to_owned()
    }

    /// From a TLV that [`first_tlv`] has accepted.
    pub(crate) fn from_valid_tlv(tlv: &[u8]) -> OxmFieldOwned {
        OxmFieldOwned { tlv: SmallVec::from_slice(tlv) }
    }

    /// The octets of the TLV, header first.
    pub fn as_tlv(&self) -> &[u8] {
        &self.tlv
    }

    /// Borrowed.
    pub fn as_field(&self) -> OxmField<'_> {
        split_tlv(&self.tlv).map_or(OxmField { kind: OxmKind::basic(0), value: &[], mask: None }, |(_, field, _)| field)
    }

    /// Which field.
    pub fn kind(&self) -> OxmKind {
        self.as_field().kind
    }
}

impl fmt::Debug for OxmFieldOwned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.as_field(), f)
    }
}

impl fmt::Display for OxmField<'_> {
    /// `eth_dst=02:00:00:00:00:01`, with `/mask` where there is one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.kind, self.value_text())
    }
}

/// Octets of a TLV's header (OpenFlow 1.3.5 §7.2.3.2).
pub(crate) const HEADER_LEN: usize = 4;

impl OxmKind {
    /// Octets of the experimenter id that stands before the value.
    pub(crate) const fn experimenter_len(self) -> usize {
        if self.class == CLASS_EXPERIMENTER { 4 } else { 0 }
    }

    /// Whether a value of so many octets can be one of this field.
    fn fits(self, octets: usize) -> bool {
        match self.row() {
            None => true,
            // Open vSwitch leaves leading zeros out, of zero all of them.
            Some(_) if self.is_variable() => octets <= TUNNEL_METADATA_MAX,
            Some(row) => octets == usize::from(row.value_len),
        }
    }

    pub(crate) fn header(self, has_mask: bool, payload: u8) -> u32 {
        u32::from(self.class) << 16 | u32::from(self.field) << 9 | u32::from(has_mask) << 8 | u32::from(payload)
    }
}

/// Appends a TLV whose lengths are known to fit.
pub(crate) fn put_tlv<A: smallvec::Array<Item = u8>>(
    out: &mut SmallVec<A>,
    kind: OxmKind,
    value: &[u8],
    mask: Option<&[u8]>,
) {
    let payload = value.len() + mask.map_or(0, <[u8]>::len) + kind.experimenter_len();
    out.extend_from_slice(&kind.header(mask.is_some(), payload as u8).to_be_bytes());
    if kind.class == CLASS_EXPERIMENTER {
        out.extend_from_slice(&kind.experimenter.to_be_bytes());
    }
    out.extend_from_slice(value);
    out.extend_from_slice(mask.unwrap_or_default());
}

/// Checks the first TLV in `octets` and returns its length with the header. Field names and offsets are those of the error.
#[inline]
pub(crate) fn first_tlv(octets: &[u8], offset: usize) -> Result<usize, DecodeError> {
    let Some((header, rest)) = octets.split_first_chunk::<HEADER_LEN>() else {
        return Err(DecodeError::truncated(offset, "oxm.header", HEADER_LEN, octets.len()));
    };
    let [class_high, class_low, field, length] = *header;
    let class = u16::from_be_bytes([class_high, class_low]);
    let (field, has_mask, length) = (field >> 1, field & 1 != 0, usize::from(length));
    // Nearly all fields are OpenFlow's own, of whose rows nothing is needed but a length.
    let fits = if class == CLASS_OPENFLOW_BASIC {
        table::basic_len(field).is_none_or(|octets| length == usize::from(octets) << u8::from(has_mask))
    } else {
        extension_fits(OxmKind { class, field, experimenter: 0 }, has_mask, length, rest)
    };
    if fits && rest.len() >= length { Ok(HEADER_LEN + length) } else { Err(bad_tlv(fits, length, offset, rest.len())) }
}

/// Whether the payload of a field that OpenFlow doesn't have has a length that it can have.
fn extension_fits(mut kind: OxmKind, has_mask: bool, length: usize, rest: &[u8]) -> bool {
    if kind.class == CLASS_EXPERIMENTER
        && let Some(experimenter) = rest.first_chunk()
    {
        kind.experimenter = u32::from_be_bytes(*experimenter);
    }
    // The length counts the experimenter id; half of what is left is the mask.
    length.checked_sub(kind.experimenter_len()).is_some_and(|payload| match kind.row() {
        None => true,
        Some(_) if has_mask => payload % 2 == 0 && kind.fits(payload / 2),
        Some(_) => kind.fits(payload),
    })
}

#[cold]
fn bad_tlv(fits: bool, length: usize, offset: usize, available: usize) -> DecodeError {
    if fits {
        DecodeError::truncated(offset + HEADER_LEN, "oxm.value", length, available)
    } else {
        DecodeError::new(offset + 3, "oxm.length", DecodeErrorKind::BadLength { length })
    }
}

/// The first TLV in octets that have been checked: itself, its meaning, and what follows it.
pub(crate) fn split_tlv(octets: &[u8]) -> Option<(&[u8], OxmField<'_>, &[u8])> {
    let (header, _) = octets.split_first_chunk::<HEADER_LEN>()?;
    let header = u32::from_be_bytes(*header);
    let (tlv, rest) = octets.split_at_checked(HEADER_LEN + (header & 0xff) as usize)?;
    let mut payload = tlv.get(HEADER_LEN..)?;
    let mut kind = OxmKind { class: (header >> 16) as u16, field: (header >> 9 & 0x7f) as u8, experimenter: 0 };
    if kind.class == CLASS_EXPERIMENTER {
        let (experimenter, after) = payload.split_first_chunk::<4>()?;
        kind.experimenter = u32::from_be_bytes(*experimenter);
        payload = after;
    }
    let has_mask = header >> 8 & 1 != 0;
    // A field that we don't know may have a mask and an odd length: then it is all value.
    if has_mask && payload.len() % 2 == 0 {
        let (value, mask) = payload.split_at_checked(payload.len() / 2)?;
        return Some((tlv, OxmField { kind, value, mask: Some(mask) }, rest));
    }
    Some((tlv, OxmField { kind, value: payload, mask: None }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_the_40_fields_of_openflow_1_3() {
        assert_eq!(OxmKind::ALL.len(), 40);
        for (number, kind) in OxmKind::ALL.iter().enumerate() {
            assert_eq!(usize::from(kind.field), number);
            let (octets, bits) = (kind.value_len().unwrap(), usize::from(kind.bits().unwrap()));
            assert!(bits <= octets * 8, "{kind}");
        }
        assert_eq!(OxmKind::basic(40).name(), None);
    }

    #[test]
    fn a_field_has_the_length_of_the_table() {
        assert!(OxmFieldOwned::new(OxmKind::IN_PORT, &[0, 0, 1], None).is_none());
        assert!(OxmFieldOwned::new(OxmKind::ETH_DST, &[0; 6], Some(&[0; 5])).is_none());
        assert!(OxmFieldOwned::new(OxmKind { class: 7, field: 3, experimenter: 0 }, &[0; 256], None).is_none());
        assert!(OxmFieldOwned::new(OxmKind { class: 7, field: 0x80, experimenter: 0 }, &[], None).is_none());
        assert!(OxmFieldOwned::number(OxmKind::TCP_DST, 65_536).is_none());
        assert!(OxmFieldOwned::number(OxmKind::IPV6_DST, 1).is_none());
        assert_eq!(OxmFieldOwned::number(OxmKind::PBB_ISID, 7).unwrap().as_tlv(), [0x80, 0, 0x4a, 3, 0, 0, 7]);
    }

    #[test]
    fn an_experimenter_field_keeps_its_id_before_value_and_mask() {
        let kind = OxmKind { class: CLASS_EXPERIMENTER, field: 42, experimenter: 0x4f4e_4600 };
        let field = OxmFieldOwned::new(kind, &[0, 2], Some(&[0, 3])).unwrap();
        assert_eq!(field.as_tlv(), [0xff, 0xff, 0x55, 8, 0x4f, 0x4e, 0x46, 0, 0, 2, 0, 3]);
        assert_eq!(first_tlv(field.as_tlv(), 0), Ok(12));
        assert_eq!(field.as_field(), OxmField { kind, value: &[0, 2], mask: Some(&[0, 3]) });
    }

    #[test]
    fn a_mask_is_exact_when_it_covers_the_bits_that_mean_something() {
        let exact = |kind: OxmKind, value: &[u8], mask: &[u8]| {
            OxmFieldOwned::new(kind, value, Some(mask)).unwrap().as_field().is_exact()
        };
        assert!(exact(OxmKind::VLAN_VID, &[0, 5], &[0x1f, 0xff]));
        assert!(!exact(OxmKind::VLAN_VID, &[0, 5], &[0x0f, 0xff]));
        assert!(exact(OxmKind::IPV6_FLABEL, &[0; 4], &[0, 0x0f, 0xff, 0xff]));
        assert!(!exact(OxmKind::ETH_DST, &[0; 6], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xfe]));
    }

    #[test]
    fn values_are_written_in_their_usual_form() {
        let text = |kind, value: &[u8], mask: Option<&[u8]>| {
            OxmFieldOwned::new(kind, value, mask).unwrap().as_field().to_string()
        };
        assert_eq!(text(OxmKind::IN_PORT, &[0, 0, 0, 9], None), "in_port=9");
        assert_eq!(text(OxmKind::ETH_TYPE, &[8, 0], None), "eth_type=0x0800");
        assert_eq!(text(OxmKind::ETH_SRC, &[2, 0, 0, 0, 0, 1], None), "eth_src=02:00:00:00:00:01");
        assert_eq!(text(OxmKind::IPV4_DST, &[10, 0, 0, 0], Some(&[255, 0, 0, 0])), "ipv4_dst=10.0.0.0/255.0.0.0");
        let kind = OxmKind { class: 7, field: 3, experimenter: 0 };
        assert_eq!(text(kind, &[0xab, 1], None), "class_0x7_3=ab01");
    }
}
