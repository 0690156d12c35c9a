//! A match from text: protocols, fields under any of their names, VLAN tags in their three forms.

use super::SyntaxError;
use super::field::{FieldValue, field_named, field_value, port_of_number, subfield};
use super::text::{Pair, Piece, cut};
use crate::display::field::{Form, form};
use crate::flow_match::{Match, port_from_10};
use crate::oxm::{OxmFieldOwned, OxmKind, Prerequisite, VID_PRESENT};

/// Protocols: name, ethertype, IP protocol.
const PROTOCOLS: [(&str, u16, Option<u8>); 17] = [
    ("ip", 0x0800, None),
    ("ipv4", 0x0800, None),
    ("ip4", 0x0800, None),
    ("arp", 0x0806, None),
    ("icmp", 0x0800, Some(1)),
    ("tcp", 0x0800, Some(6)),
    ("udp", 0x0800, Some(17)),
    ("sctp", 0x0800, Some(132)),
    ("ipv6", 0x86dd, None),
    ("ip6", 0x86dd, None),
    ("icmp6", 0x86dd, Some(58)),
    ("tcp6", 0x86dd, Some(6)),
    ("udp6", 0x86dd, Some(17)),
    ("sctp6", 0x86dd, Some(132)),
    ("rarp", 0x8035, None),
    ("mpls", 0x8847, None),
    ("mplsm", 0x8848, None),
];

/// Names of protocols, for suggestions.
pub(super) fn protocol_names() -> impl Iterator<Item = &'static str> {
    PROTOCOLS.iter().map(|(name, ..)| *name)
}

/// The order in which Open vSwitch sends fields: what is required comes before what requires it. Fields that it doesn't send
/// follow by class and number.
#[rustfmt::skip]
const ORDER: &[&str] = &[
    "packet_type", "dp_hash", "recirc_id", "conj_id", "in_port", "in_phy_port", "actset_output", "dl_src", "dl_dst", "dl_type",
    "dl_vlan", "dl_vlan_pcp", "vlan_tci", "mpls_tc", "mpls_bos", "mpls_ttl", "mpls_label", "nw_src", "nw_dst", "ipv6_src", "ipv6_dst",
    "nw_frag", "nw_tos", "nw_ecn", "nw_ttl", "ipv6_label", "nw_proto", "tp_src", "tp_dst", "tcp_flags", "icmp_type", "icmp_code",
    "nd_reserved", "nd_target", "nd_options_type", "nd_sll", "nd_tll", "arp_op", "arp_spa", "arp_tpa", "arp_sha", "arp_tha",
    "tun_id", "tun_flags", "tun_src", "tun_dst", "tun_ipv6_src", "tun_ipv6_dst", "tun_gbp_id", "tun_gbp_flags", "tun_erspan_idx",
    "tun_erspan_ver", "tun_erspan_dir", "tun_erspan_hwid", "tun_gtpu_flags", "tun_gtpu_msgtype", "nsh_flags", "nsh_ttl", "nsh_mdtype",
    "nsh_np", "nsh_spi", "nsh_si", "nsh_c1", "nsh_c2", "nsh_c3", "nsh_c4", "reg0", "reg1", "reg2", "reg3", "reg4", "reg5", "reg6",
    "reg7", "reg8", "reg9", "reg10", "reg11", "reg12", "reg13", "reg14", "reg15", "xreg0", "xreg1", "xreg2", "xreg3", "xreg4",
    "xreg5", "xreg6", "xreg7", "xxreg0", "xxreg1", "xxreg2", "xxreg3", "pkt_mark", "ct_state", "ct_zone", "ct_mark", "ct_label",
    "ct_nw_src", "ct_ipv6_src", "ct_nw_dst", "ct_ipv6_dst", "ct_nw_proto", "ct_tp_src", "ct_tp_dst", "metadata",
];

/// Where tunnel options stand: before `tun_erspan_idx`.
const TUNNEL_OPTIONS_PLACE: usize = 50;

fn place(kind: OxmKind) -> usize {
    if kind.is_variable() {
        return TUNNEL_OPTIONS_PLACE;
    }
    kind.flow_name().and_then(|name| ORDER.iter().position(|other| *other == name)).unwrap_or(usize::MAX)
}

/// The fields that were named until now.
#[derive(Debug, Default)]
pub(super) struct MatchBuilder<'a> {
    fields: Vec<Named<'a>>,
    vlan: Option<(Piece<'a>, u16, u16)>,
    eth_type: Option<u16>,
    ip_proto: Option<u8>,
}

#[derive(Debug)]
struct Named<'a> {
    name: Piece<'a>,
    kind: OxmKind,
    value: FieldValue,
}

impl<'a> MatchBuilder<'a> {
    /// Takes one name with its value. `false` if it is no field of a match.
    pub fn take(&mut self, pair: Pair<'a>) -> Result<bool, SyntaxError> {
        let name = pair.name();
        if let Some((_, eth_type, ip_proto)) = PROTOCOLS.iter().find(|(known, ..)| *known == name) {
            self.set_eth_type(pair.key, *eth_type);
            if let Some(ip_proto) = ip_proto {
                self.set_ip_proto(pair.key, *ip_proto);
            }
            return Ok(true);
        }
        match name {
            "dl_vlan" => self.dl_vlan(pair)?,
            "dl_vlan_pcp" | "vlan_pcp" => {
                let pcp = pair.some_value()?.number(7)? as u16;
                self.set_vlan(pair.key, pcp << 13 | VID_PRESENT, 0xe000 | VID_PRESENT);
            }
            "vlan_vid" if pair.value.vlan_named().is_some() => self.dl_vlan(pair)?,
            "vlan_vid" => {
                let (value, mask) = masked_u16(pair.some_value()?, 0x1fff)?;
                self.set_vlan(pair.key, value, mask);
            }
            "vlan_tci" => self.vlan_tci(pair)?,
            "nw_tos" => {
                let tos = pair.some_value()?.u8()?;
                self.set_tos(pair, tos)?;
            }
            "dl_type" | "eth_type" => self.set_eth_type(pair.key, pair.some_value()?.u16()?),
            "nw_proto" | "ip_proto" => self.set_ip_proto(pair.key, pair.some_value()?.u8()?),
            // An older name of arp_op in a match of ARP is nw_proto, which is read when the ethertype is known.
            "in_port" => self.set(pair.key, OxmKind::IN_PORT, field_value(OxmKind::IN_PORT, pair.some_value()?)?),
            _ if name.contains('[') => self.part(pair)?,
            _ => {
                let Some(kind) = field_named(name) else { return Ok(false) };
                let value = field_value(kind, pair.some_value()?)?;
                self.set_of_13(pair, kind, value)?;
            }
        }
        Ok(true)
    }

    /// What only NXM writes in another way goes as OpenFlow 1.3 writes it, as ovs-ofctl does it.
    fn set_of_13(&mut self, pair: Pair<'a>, kind: OxmKind, value: FieldValue) -> Result<(), SyntaxError> {
        let whole = value.mask.as_ref().is_none_or(|mask| mask.iter().all(|octet| *octet == 0xff));
        match (kind, value.value.as_slice()) {
            (OxmKind::NXM_OF_IN_PORT, &[high, low]) if whole => {
                let port = port_from_10(u16::from_be_bytes([high, low]));
                self.set(pair.key, OxmKind::IN_PORT, FieldValue::number(OxmKind::IN_PORT, u64::from(port.0)));
            }
            (OxmKind::NXM_OF_IP_TOS, &[tos]) if whole => self.set_tos(pair, tos)?,
            (_, &[0, 0, high, low]) if whole && form(kind) == Some(Form::Port) => {
                let port = port_of_number(u32::from(u16::from_be_bytes([high, low])));
                self.set(pair.key, kind, FieldValue::number(kind, u64::from(port.0)));
            }
            _ => self.set(pair.key, kind, value),
        }
        Ok(())
    }

    /// The type of service as it stands in a packet.
    fn set_tos(&mut self, pair: Pair<'a>, tos: u8) -> Result<(), SyntaxError> {
        if tos & 3 != 0 {
            return Err(pair.value.error("a type of service whose two low bits are 0 (see nw_ecn)"));
        }
        self.set(pair.key, OxmKind::IP_DSCP, FieldValue::number(OxmKind::IP_DSCP, u64::from(tos >> 2)));
        Ok(())
    }

    fn set(&mut self, name: Piece<'a>, kind: OxmKind, value: FieldValue) {
        // The last of several holds, as with ovs-ofctl.
        self.fields.retain(|field| field.kind != kind);
        self.fields.push(Named { name, kind, value });
    }

    fn set_eth_type(&mut self, name: Piece<'a>, eth_type: u16) {
        self.eth_type = Some(eth_type);
        self.set(name, OxmKind::ETH_TYPE, FieldValue::number(OxmKind::ETH_TYPE, u64::from(eth_type)));
    }

    fn set_ip_proto(&mut self, name: Piece<'a>, ip_proto: u8) {
        self.ip_proto = Some(ip_proto);
        self.set(name, OxmKind::IP_PROTO, FieldValue::number(OxmKind::IP_PROTO, u64::from(ip_proto)));
    }

    fn set_vlan(&mut self, name: Piece<'a>, value: u16, mask: u16) {
        let (_, before, before_mask) = self.vlan.unwrap_or((name, 0, 0));
        self.vlan = Some((name, before & !mask | value & mask, before_mask | mask));
    }

    /// `dl_vlan=0xffff` is a packet without a tag.
    fn dl_vlan(&mut self, pair: Pair<'a>) -> Result<(), SyntaxError> {
        let text = pair.some_value()?;
        if let Some(vid) = text.vlan_named() {
            self.set_vlan(pair.key, vid | VID_PRESENT, 0x1fff);
            return Ok(());
        }
        match text.u16()? {
            0xffff => self.vlan = Some((pair.key, 0, 0xffff)),
            vid @ 0..=0xfff => self.set_vlan(pair.key, vid | VID_PRESENT, 0x1fff),
            _ => return Err(text.error("a VLAN identifier from 0 to 4095, or 0xffff for no tag")),
        }
        Ok(())
    }

    fn vlan_tci(&mut self, pair: Pair<'a>) -> Result<(), SyntaxError> {
        let text = pair.some_value()?;
        let (value, mask) = masked_u16(text, 0xffff)?;
        check_tci_mask(text, mask)?;
        self.vlan = Some((pair.key, value, mask));
        Ok(())
    }

    /// `NXM_NX_REG0[0..3]=5` adds bits to a field.
    fn part(&mut self, pair: Pair<'a>) -> Result<(), SyntaxError> {
        let part = subfield(pair.key)?;
        let kind = part.kind.canonical();
        let Some(length) = kind.value_len() else { return Err(pair.key.error("a field of fixed length")) };
        let text = pair.some_value()?;
        let bits = text.octets(length)?;
        let (offset, last) = (usize::from(part.offset), usize::from(part.offset + part.bits));
        let bit = |octets: &[u8], bit: usize| {
            octets.get(length - 1 - bit / 8).is_some_and(|octet| octet >> (bit % 8) & 1 != 0)
        };
        if (last - offset..length * 8).any(|index| bit(&bits, index)) {
            return Err(text.error(format!("a value of at most {} bits", part.bits)));
        }
        if let Some(shift) = tag_shift(kind) {
            // All names of a tag's parts are about one field, of which the last word counts.
            let mask = (0xffff_u32 >> (16 - (last - offset)) << (offset + shift)) as u16;
            let value = bits.iter().fold(0, |number, &octet| number << 8 | u32::from(octet)) << (offset + shift);
            self.set_vlan(pair.key, value as u16, mask);
            return Ok(());
        }
        let before = self.fields.iter().find(|field| field.kind == kind);
        let (mut value, mut mask) = before.map_or((vec![0; length], vec![0; length]), |field| {
            (field.value.value.clone(), field.value.mask.clone().unwrap_or_else(|| vec![0xff; length]))
        });
        for index in offset..last {
            let at = length - 1 - index / 8;
            if let (Some(value), Some(mask)) = (value.get_mut(at), mask.get_mut(at)) {
                *mask |= 1 << (index % 8);
                *value &= !(1 << (index % 8));
                *value |= u8::from(bit(&bits, index - offset)) << (index % 8);
            }
        }
        self.set_of_13(pair, kind, FieldValue { value, mask: Some(mask) })
    }

    /// Names that stand for one of several fields, by what the match says of the packet.
    fn resolve(&self, kind: OxmKind, name: &str) -> OxmKind {
        let arp = matches!(self.eth_type, Some(0x0806 | 0x8035));
        match (name, kind) {
            ("nw_src" | "ip_src", _) if arp => OxmKind::ARP_SPA,
            ("nw_dst" | "ip_dst", _) if arp => OxmKind::ARP_TPA,
            ("nw_proto", _) if arp => OxmKind::ARP_OP,
            ("tp_src", _) => match self.ip_proto {
                Some(17) => OxmKind::UDP_SRC,
                Some(132) => OxmKind::SCTP_SRC,
                Some(1) => OxmKind::ICMPV4_TYPE,
                Some(58) => OxmKind::ICMPV6_TYPE,
                _ => OxmKind::TCP_SRC,
            },
            ("tp_dst", _) => match self.ip_proto {
                Some(17) => OxmKind::UDP_DST,
                Some(132) => OxmKind::SCTP_DST,
                Some(1) => OxmKind::ICMPV4_CODE,
                Some(58) => OxmKind::ICMPV6_CODE,
                _ => OxmKind::TCP_DST,
            },
            ("icmp_type", _) if self.ip_proto == Some(58) => OxmKind::ICMPV6_TYPE,
            ("icmp_code", _) if self.ip_proto == Some(58) => OxmKind::ICMPV6_CODE,
            (_, kind) => kind,
        }
    }

    /// Whether the match is of packets with a VLAN tag.
    pub fn has_vlan(&self) -> bool {
        self.vlan.is_some_and(|(_, value, mask)| value & mask & VID_PRESENT != 0)
    }

    /// The IP protocol that the match names.
    pub fn ip_proto(&self) -> Option<u8> {
        self.ip_proto
    }

    pub fn finish(mut self) -> Result<Match, SyntaxError> {
        let fields = std::mem::take(&mut self.fields);
        let mut owned: Vec<(usize, Piece<'a>, OxmFieldOwned)> = Vec::new();
        for Named { name, kind, value } in fields {
            let kind = self.resolve(kind, name.text);
            if kind == OxmKind::VLAN_TCI {
                let number = |octets: &[u8]| octets.iter().fold(0, |number, &octet| number << 8 | u16::from(octet));
                let mask = value.mask.as_deref().map_or(0xffff, number);
                check_tci_mask(name, mask)?;
                self.set_vlan(name, number(&value.value), mask);
            } else if !value.is_any() {
                // Two names may have come to one field only now (`tp_src`, `sctp_src`): the last word counts.
                owned.retain(|(_, _, field)| field.kind() != kind);
                owned.push((place(kind), name, build(name, kind, &value)?));
            }
        }
        if let Some((name, value, mask)) = self.vlan {
            check_tci_mask(name, mask)?;
            for (kind, value) in vlan_fields(value, mask) {
                owned.push((place(kind), name, build(name, kind, &value)?));
            }
        }
        owned.sort_by_key(|(place, _, field)| (*place, field.kind()));
        let match_ = Match::from_iter(owned.iter().map(|(_, _, field)| field.clone()));
        for (_, name, field) in &owned {
            check_prerequisite(*name, field.kind(), &match_)?;
        }
        Ok(match_)
    }
}

fn masked_u16(text: Piece<'_>, max: u16) -> Result<(u16, u16), SyntaxError> {
    match text.split_once("/") {
        Some((value, mask)) => {
            let (value, mask) = (value.number(u64::from(max))? as u16, mask.number(u64::from(u16::MAX))? as u16 & max);
            Ok((value & mask, mask))
        }
        None => Ok((text.number(u64::from(max))? as u16, max)),
    }
}

/// Where a field stands in `vlan_tci`, if it is a part of it.
fn tag_shift(kind: OxmKind) -> Option<usize> {
    match kind {
        OxmKind::VLAN_VID | OxmKind::VLAN_TCI => Some(0),
        OxmKind::VLAN_PCP => Some(13),
        _ => None,
    }
}

fn check_tci_mask(text: Piece<'_>, mask: u16) -> Result<(), SyntaxError> {
    if [0, 7].contains(&(mask >> 13)) {
        return Ok(());
    }
    Err(text.error("a mask with all three bits of the priority or none (OpenFlow 1.3 can't say more)"))
}

/// A VLAN tag as the two fields that OpenFlow 1.3 has for it.
fn vlan_fields(value: u16, mask: u16) -> Vec<(OxmKind, FieldValue)> {
    let (vid, vid_mask) = (value & mask & 0x1fff, mask & 0x1fff);
    let mut fields = Vec::new();
    let octets = |number: u16| number.to_be_bytes().to_vec();
    match vid_mask {
        0 => {}
        0x1fff => fields.push((OxmKind::VLAN_VID, FieldValue { value: octets(vid), mask: None })),
        _ => fields.push((OxmKind::VLAN_VID, FieldValue { value: octets(vid), mask: Some(octets(vid_mask)) })),
    }
    // A packet without a tag has no priority.
    if mask >> 13 != 0 && vid != 0 {
        fields.push((OxmKind::VLAN_PCP, FieldValue::number(OxmKind::VLAN_PCP, u64::from(value >> 13))));
    }
    fields
}

fn build(name: Piece<'_>, kind: OxmKind, value: &FieldValue) -> Result<OxmFieldOwned, SyntaxError> {
    // The value may have been read for a field of another name with the same meaning: ARP's operation for the IP protocol.
    let length = kind.value_len().unwrap_or(value.value.len());
    let fit = |octets: &[u8]| {
        let mut padded = vec![0; length.saturating_sub(octets.len())];
        padded.extend_from_slice(octets.get(octets.len().saturating_sub(length)..).unwrap_or_default());
        padded
    };
    let (octets, mask) = (fit(&value.value), value.mask.as_deref().map(fit));
    let field = OxmFieldOwned::new(kind, &octets, mask.as_deref());
    let Some(field) = field else { return Err(name.error("a field that fits into a match")) };
    // A mask that covers everything is none.
    if field.as_field().is_exact() && mask.is_some() {
        return OxmFieldOwned::new(kind, &octets, None).ok_or_else(|| name.error("a field that fits into a match"));
    }
    if mask.is_some() && kind.maskable() == Some(false) {
        return Err(name.error(format!("no mask: {} can only be matched whole", cut(name.text))));
    }
    Ok(field)
}

/// ovs-ofctl leaves a field out that the match gives no meaning to. We say what is missing.
fn check_prerequisite(name: Piece<'_>, kind: OxmKind, match_: &Match) -> Result<(), SyntaxError> {
    let missing = |what: &str| Err(name.error(format!("{what} beside {}", cut(name.text))));
    match kind.prerequisite().unwrap_or(Prerequisite::None) {
        Prerequisite::None | Prerequisite::Tracked => Ok(()),
        Prerequisite::InPort if match_.get(OxmKind::IN_PORT).is_some() => Ok(()),
        Prerequisite::InPort => missing("in_port"),
        Prerequisite::VlanTag if match_.get(OxmKind::VLAN_VID).is_some() => Ok(()),
        Prerequisite::VlanTag => missing("dl_vlan or vlan_tci"),
        Prerequisite::EthType(types) if match_.eth_type().is_some_and(|eth_type| types.contains(&eth_type)) => Ok(()),
        Prerequisite::EthType(types) => {
            let named =
                |eth_type: &u16| PROTOCOLS.iter().find(|(_, known, _)| known == eth_type).map(|(name, ..)| *name);
            let names: Vec<&str> = types.iter().filter_map(named).collect();
            match names.as_slice() {
                [] => missing(&format!("dl_type={:#06x}", types.first().copied().unwrap_or_default())),
                names => missing(&names.join(" or ")),
            }
        }
        Prerequisite::IpProto(protocol) if match_.ip_proto() == Some(protocol) => Ok(()),
        Prerequisite::IpProto(protocol) => {
            let names = PROTOCOLS.iter().filter(|(_, _, known)| *known == Some(protocol)).map(|(name, ..)| *name);
            missing(&names.collect::<Vec<&str>>().join(" or "))
        }
        Prerequisite::Icmpv6Type(types) if match_.icmpv6_type().is_some_and(|of| types.contains(&of)) => Ok(()),
        Prerequisite::Icmpv6Type(types) => {
            let types: Vec<String> = types.iter().map(|of| format!("icmp_type={of}")).collect();
            missing(&format!("icmp6,{}", types.join(" or ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_has_the_place_of_tunnel_options() {
        assert_eq!(ORDER[TUNNEL_OPTIONS_PLACE], "tun_erspan_idx");
    }
}
