//! Fields in ovs-ofctl's words: the name and the form of each, in the order in which a match prints them.

use std::fmt::{self, Display, Formatter};
use std::net::{Ipv4Addr, Ipv6Addr};

use net::{MacAddr, PortNo};

use super::text::Hex;
use crate::nicira::Subfield;
use crate::oxm::text::{FRAGMENT_WORDS, Notation};
use crate::oxm::{CLASS_NXM_0, CLASS_NXM_1, OxmField, OxmKind, to_u64};

/// The names of fields in the order in which a match prints them, but for `tun_metadata0` to `tun_metadata63`, which come after
/// `tun_flags`. The protocol's name stands before `reg0`.
#[rustfmt::skip]
const ORDER: &[&str] = &[
    "pkt_mark", "recirc_id", "dp_hash", "conj_id", "actset_output", "ct_state", "ct_zone", "ct_mark", "ct_label", "ct_nw_src",
    "ct_ipv6_src", "ct_nw_dst", "ct_ipv6_dst", "ct_nw_proto", "ct_tp_src", "ct_tp_dst", "packet_type",
    "reg0", "reg1", "reg2", "reg3", "reg4", "reg5", "reg6", "reg7", "reg8", "reg9", "reg10", "reg11", "reg12", "reg13", "reg14",
    "reg15", "xreg0", "xreg1", "xreg2", "xreg3", "xreg4", "xreg5", "xreg6", "xreg7", "xxreg0", "xxreg1", "xxreg2", "xxreg3",
    "tun_id", "tun_src", "tun_dst", "tun_ipv6_src", "tun_ipv6_dst", "tun_gbp_id", "tun_gbp_flags", "tun_erspan_ver",
    "tun_erspan_idx", "tun_erspan_dir", "tun_erspan_hwid", "tun_gtpu_flags", "tun_gtpu_msgtype", "tun_flags", "metadata",
    "in_port", "in_phy_port", "dl_vlan", "dl_vlan_pcp", "vlan_tci", "dl_src", "dl_dst", "dl_type", "ipv6_src", "ipv6_dst",
    "ipv6_label", "arp_spa", "arp_tpa", "nw_src", "nw_dst", "nsh_flags", "nsh_ttl", "nsh_mdtype", "nsh_np", "nsh_spi", "nsh_si",
    "nsh_c1", "nsh_c2", "nsh_c3", "nsh_c4", "arp_op", "nw_proto", "arp_sha", "arp_tha", "nw_tos", "nw_ecn", "nw_ttl",
    "mpls_label", "mpls_tc", "mpls_ttl", "mpls_bos", "nw_frag", "tp_src", "tp_dst", "icmp_type", "icmp_code", "nd_target",
    "nd_sll", "nd_tll", "nd_reserved", "nd_options_type", "tcp_flags", "pbb_isid", "ipv6_exthdr",
];

/// Where the fields of connection tracking end and the protocol's name stands.
pub(super) const PROTOCOL_PLACE: usize = 17;
/// Where `tun_flags` stands.
const TUNNEL_FLAGS_PLACE: usize = 58;

/// Where a field stands in a match. `None` if ovs-ofctl has no word for it.
pub(super) fn place(kind: OxmKind) -> Option<usize> {
    let name = kind.flow_name()?;
    if kind.is_variable() {
        return Some(TUNNEL_FLAGS_PLACE);
    }
    ORDER.iter().position(|other| *other == name)
}

/// How ovs-ofctl writes the value of a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    /// A port number or a reserved port's name.
    Port,
    /// `80`, `0x50/0xf0`.
    Decimal,
    /// `0x10`, `0x10/0xf0`.
    Hex,
    /// An IPv6 flow label: five hex digits.
    Label,
    /// Four hex digits.
    EthType,
    /// `02:00:00:00:00:01`, with `/mask`.
    Mac,
    /// `10.0.0.0/8`.
    Ipv4,
    /// `2001:db8::/32`.
    Ipv6,
    /// The DSCP, which a match prints shifted to its place in the type of service.
    Dscp,
    /// Names of bits: `+trk-new` under a mask, `trk|est` without. The number is the mask of all bits.
    Flags(&'static [&'static str], u64),
    /// `yes`, `no`, `first`, `later`, `not_later`.
    Fragment,
    /// Hex of any length.
    Wide,
    /// `(namespace,type)`.
    PacketType,
}

/// The form of a field that the table has.
pub(crate) fn form(kind: OxmKind) -> Option<Form> {
    let row = kind.row()?;
    Some(match row.flow {
        "in_port" | "in_phy_port" | "actset_output" => Form::Port,
        "dl_type" => Form::EthType,
        "ipv6_label" => Form::Label,
        "ct_zone" | "dl_vlan" => Form::Decimal,
        "recirc_id" => Form::Hex,
        _ if kind == OxmKind::IP_DSCP => Form::Dscp,
        // Open vSwitch has more tunnel flags inside than can be matched: a match always prints signs.
        "tun_flags" => Form::Flags(row.notation.flag_names().unwrap_or_default(), 0xf),
        _ => match row.notation {
            Notation::Decimal => Form::Decimal,
            Notation::Hex if row.value_len > 8 => Form::Wide,
            Notation::Hex => Form::Hex,
            Notation::Mac => Form::Mac,
            Notation::Ipv4 => Form::Ipv4,
            Notation::Ipv6 => Form::Ipv6,
            Notation::Fragment => Form::Fragment,
            Notation::PacketType => Form::PacketType,
            Notation::CtState | Notation::TcpFlags | Notation::TunnelFlags => {
                let all = 1u64.checked_shl(u32::from(row.bits)).unwrap_or_default().wrapping_sub(1);
                Form::Flags(row.notation.flag_names().unwrap_or_default(), all)
            }
        },
    })
}

/// Bits of a mask that is all ones up to there and all zeros after.
pub(super) fn prefix_len(mask: &[u8]) -> Option<u32> {
    let bits = mask.iter().fold(0u128, |bits, octet| bits << 8 | u128::from(*octet));
    let length = bits.count_ones();
    let aligned = bits << ((128 - 8 * mask.len().min(16)) % 128);
    (aligned.leading_ones() == length).then_some(length)
}

/// The value of a field as a match writes it, with its mask where that is not whole.
pub(super) struct Matched<'a>(pub OxmField<'a>);

impl Display for Matched<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let field = self.0;
        let mask = field.mask.filter(|_| !field.is_exact());
        let number = to_u64(field.value);
        match (form(field.kind), number, mask.map(to_u64)) {
            (Some(Form::Dscp), Some(dscp), None) => write!(f, "{}", dscp << 2),
            (Some(Form::EthType), Some(number), None) => write!(f, "{number:#06x}"),
            (Some(Form::Label), Some(label), None) => write!(f, "{label:#07x}"),
            (Some(Form::Label), Some(label), Some(Some(mask))) => write!(f, "{label:#07x}/{mask:#07x}"),
            (Some(Form::Hex), Some(0), None) if field.kind == OxmKind::NSH_SPI => f.write_str("0x0"),
            (Some(Form::Hex), Some(number), None) => write!(f, "{}", Hex(number)),
            (Some(Form::Wide), _, None) if field.value.iter().all(|octet| *octet == 0) => f.write_str("0"),
            (Some(Form::Hex), Some(number), Some(Some(mask))) => write!(f, "{}/{}", Hex(number), Hex(mask)),
            (Some(Form::Decimal), Some(number), Some(Some(mask))) if field.value.len() == 1 => {
                write!(f, "{number:#04x}/{mask:#04x}")
            }
            (Some(Form::Decimal), Some(number), Some(Some(mask))) => write!(f, "{number:#x}/{mask:#x}"),
            (Some(Form::Flags(names, all)), Some(bits), mask) => {
                let known = field.kind.bits().map_or(0, |bits| (1u64 << bits.min(63)) - 1);
                write_flags(f, names, bits, mask.flatten().unwrap_or(known), all)
            }
            (form, _, _) => write_value(f, field.value, mask, form),
        }
    }
}

/// The value of a field as an action writes it.
pub(super) struct Set<'a>(pub OxmField<'a>);

impl Display for Set<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        // A mask is whole that covers the longest value there can be: for a tunnel option that is more than it has.
        let longest = self.0.kind.row().map_or(0, |row| usize::from(row.value_len));
        let whole = |mask: &[u8]| mask.len() >= longest && mask.iter().all(|octet| *octet == 0xff);
        let mask = self.0.mask.filter(|mask| !whole(mask));
        if mask.is_some_and(|mask| !mask.is_empty() && mask.iter().all(|octet| *octet == 0)) {
            return f.write_str("ANY");
        }
        write_value(f, self.0.value, mask, form(self.0.kind))
    }
}

fn write_value(f: &mut Formatter<'_>, value: &[u8], mask: Option<&[u8]>, form: Option<Form>) -> fmt::Result {
    let number = to_u64(value);
    match (form, number, mask.map(to_u64)) {
        (Some(Form::Port), Some(number), None) => write!(f, "{}", port(value.len(), number)),
        (Some(Form::Decimal | Form::Dscp), Some(number), None) => write!(f, "{number}"),
        (Some(Form::Decimal | Form::Dscp | Form::Port), Some(number), Some(Some(mask))) => {
            write!(f, "{number}/{mask:#x}")
        }
        (Some(Form::Flags(names, _)), Some(bits), mask) => {
            let all = (1 << names.len()) - 1;
            write_flags(f, names, bits, mask.flatten().unwrap_or(all), all)
        }
        (Some(Form::Fragment), Some(bits), mask) => f.write_str(fragment(bits, mask.flatten().unwrap_or(3))),
        (Some(Form::PacketType), Some(number), None) => {
            let part = |number: u64| if number < 10 { number.to_string() } else { format!("{number:#x}") };
            write!(f, "({},{})", part(number >> 16), part(number & 0xffff))
        }
        (Some(Form::Mac), _, _) => write_address(f, value, mask, mac_text),
        (Some(Form::Ipv4), _, _) => write_prefix(f, value, mask, ipv4_text),
        (Some(Form::Ipv6), _, _) => write_prefix(f, value, mask, ipv6_text),
        _ => {
            // Zero has no prefix.
            if value.iter().all(|octet| *octet == 0) {
                f.write_str("0")?
            } else {
                write_hex(f, value)?
            }
            let Some(mask) = mask else { return Ok(()) };
            f.write_str("/")?;
            write_hex(f, mask)
        }
    }
}

/// A port number of 16 bits stands for the port of OpenFlow 1.3 with the same low bits.
fn port(octets: usize, number: u64) -> PortNo {
    if octets == 2 && number >= 0xff00 { PortNo(number as u32 | 0xffff_0000) } else { PortNo(number as u32) }
}

type Text = fn(&[u8]) -> Option<String>;

fn mac_text(octets: &[u8]) -> Option<String> {
    <[u8; 6]>::try_from(octets).ok().map(|octets| MacAddr(octets).to_string())
}

fn ipv4_text(octets: &[u8]) -> Option<String> {
    <[u8; 4]>::try_from(octets).ok().map(|octets| Ipv4Addr::from(octets).to_string())
}

fn ipv6_text(octets: &[u8]) -> Option<String> {
    <[u8; 16]>::try_from(octets).ok().map(|octets| Ipv6Addr::from(octets).to_string())
}

fn write_address(f: &mut Formatter<'_>, value: &[u8], mask: Option<&[u8]>, text: Text) -> fmt::Result {
    f.write_str(&text(value).unwrap_or_default())?;
    match mask.and_then(text) {
        Some(mask) => write!(f, "/{mask}"),
        None => Ok(()),
    }
}

fn write_prefix(f: &mut Formatter<'_>, value: &[u8], mask: Option<&[u8]>, text: Text) -> fmt::Result {
    match mask.and_then(prefix_len) {
        Some(length) => write!(f, "{}/{length}", text(value).unwrap_or_default()),
        None => write_address(f, value, mask, text),
    }
}

/// `0x` and the octets without leading zeros.
pub(super) fn write_hex(f: &mut Formatter<'_>, octets: &[u8]) -> fmt::Result {
    let zeros = octets.iter().take_while(|octet| **octet == 0).count();
    match octets.get(zeros..).and_then(<[u8]>::split_first) {
        None => f.write_str("0x0"),
        Some((first, rest)) => {
            write!(f, "{first:#x}")?;
            rest.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
        }
    }
}

/// Names with signs under a mask, names with bars when the mask covers `all`.
fn write_flags(f: &mut Formatter<'_>, names: &[&str], bits: u64, mask: u64, all: u64) -> fmt::Result {
    if mask & all == all {
        let mut separator = "";
        let mut rest = bits;
        for (bit, name) in names.iter().enumerate().filter(|(bit, _)| bits >> bit & 1 != 0) {
            write!(f, "{separator}{name}")?;
            separator = "|";
            rest &= !(1 << bit);
        }
        return match rest {
            0 if separator.is_empty() => f.write_str("0"),
            0 => Ok(()),
            rest => write!(f, "{separator}{rest:#x}"),
        };
    }
    // Bits without a name can't be written with a sign.
    if mask >> names.len() != 0 || bits & !mask != 0 || mask == 0 {
        return write!(f, "{}/{}", Hex(bits), Hex(mask));
    }
    for (bit, name) in names.iter().enumerate().filter(|(bit, _)| mask >> bit & 1 != 0) {
        let sign = if bits >> bit & 1 != 0 { '+' } else { '-' };
        write!(f, "{sign}{name}")?;
    }
    Ok(())
}

fn fragment(bits: u64, mask: u64) -> &'static str {
    let mask = mask & 3;
    let found = FRAGMENT_WORDS.iter().find(|(_, value, of)| u64::from(*of) == mask && u64::from(*value) == bits & mask);
    found.map_or("<error>", |(name, ..)| *name)
}

/// The header that Open vSwitch writes for a field in its own actions: Nicira's, if the field has one.
pub(crate) fn nicira_kind(kind: OxmKind) -> OxmKind {
    let canonical = kind.canonical();
    let same = |other: &&OxmKind| matches!(other.class, CLASS_NXM_0 | CLASS_NXM_1) && other.canonical() == canonical;
    OxmKind::KNOWN.iter().find(same).copied().unwrap_or(kind)
}

impl Display for Subfield {
    /// `NXM_NX_REG0[0..15]`, `NXM_OF_ETH_DST[]`.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match nicira_kind(self.kind).header_name() {
            Some(name) => f.write_str(name)?,
            None => write!(f, "{}", self.kind)?,
        }
        let last = u32::from(self.offset) + u32::from(self.bits).saturating_sub(1);
        match (self.offset, self.bits) {
            (0, bits) if Some(bits) == self.kind.subfield_bits() => f.write_str("[]"),
            (offset, 1) => write!(f, "[{offset}]"),
            (offset, _) => write!(f, "[{offset}..{last}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_masks_without_a_gap() {
        assert_eq!(prefix_len(&[255, 128, 0, 0]), Some(9));
        assert_eq!(prefix_len(&[255, 0, 255, 0]), None);
        assert_eq!(prefix_len(&[0; 4]), Some(0));
        assert_eq!(prefix_len(&[255; 16]), Some(128));
        assert_eq!(prefix_len(&[127, 255, 255, 255]), None);
    }

    #[test]
    fn a_value_that_is_set_is_written_as_open_vswitch_writes_it() {
        // What "ovs-ofctl ofp-parse" of Open vSwitch 3.1 printed between "set_field:" and "->" of a Nicira action.
        let rows: [(OxmKind, &[u8], &[u8], &str); 21] = [
            (OxmKind::METADATA, &[0; 8], &[], "0"),
            (OxmKind::METADATA, &[0; 8], &[0, 0, 0, 0, 0, 0, 0, 0xff], "0/0xff"),
            (OxmKind::METADATA, &[0; 8], &[0; 8], "ANY"),
            (OxmKind::METADATA, &[0, 0, 0, 0, 0, 0, 1, 0x20], &[0xff; 8], "0x120"),
            (OxmKind::NXM_REG0, &[0; 4], &[], "0"),
            (OxmKind::NXM_REG0, &[0, 0, 0, 10], &[], "0xa"),
            (OxmKind::VLAN_TCI, &[0, 0], &[0, 0xff], "0/0xff"),
            (OxmKind::IPV6_FLABEL, &[0; 4], &[], "0"),
            (OxmKind::IPV6_FLABEL, &[0; 4], &[0, 0xf, 0xff, 0xff], "0/0xfffff"),
            (OxmKind::TUN_GBP_FLAGS, &[0], &[0xf], "0/0xf"),
            (OxmKind::TUN_ERSPAN_HWID, &[0], &[], "0"),
            (OxmKind::TUN_ERSPAN_HWID, &[1], &[], "0x1"),
            (OxmKind::TUN_FLAGS, &[0, 0], &[], "0"),
            (OxmKind::TUN_FLAGS, &[0, 1], &[], "oam"),
            (OxmKind::TUN_FLAGS, &[0, 1], &[0, 1], "oam"),
            (OxmKind::TUN_FLAGS, &[0, 0], &[0, 1], "0"),
            (OxmKind::TUN_METADATA0, &[0; 4], &[], "0"),
            (OxmKind::TUN_METADATA0, &[0, 0, 0, 10], &[0xff; 4], "0xa/0xffffffff"),
            (OxmKind::TUN_METADATA0, &[0; 4], &[0; 4], "ANY"),
            (OxmKind::TCP_DST, &[0, 0], &[], "0"),
            (OxmKind::ETH_DST, &[0; 6], &[], "00:00:00:00:00:00"),
        ];
        for (kind, value, mask, text) in rows {
            let mask = Some(mask).filter(|mask| !mask.is_empty());
            assert_eq!(Set(OxmField { kind, value, mask }).to_string(), text, "{kind}");
        }
    }

    #[test]
    fn a_packet_type_has_a_prefix_from_ten_on() {
        let text =
            |value: [u8; 4]| Matched(OxmField { kind: OxmKind::PACKET_TYPE, value: &value, mask: None }).to_string();
        assert_eq!((text([0, 0, 0, 9]), text([0, 1, 0, 10])), ("(0,9)".to_owned(), "(1,0xa)".to_owned()));
        assert_eq!(text([0, 1, 8, 0]), "(1,0x800)");
    }

    #[test]
    fn every_field_of_the_table_has_its_place_in_a_match() {
        for kind in OxmKind::KNOWN {
            assert!(place(*kind).is_some() && form(*kind).is_some(), "{kind}");
        }
        assert_eq!(ORDER[PROTOCOL_PLACE], "reg0");
        assert_eq!(ORDER[TUNNEL_FLAGS_PLACE], "tun_flags");
    }
}
