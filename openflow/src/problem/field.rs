//! Problems of single fields: duplicates, masks, values and prerequisites, of a match and of a set-field action.

use std::collections::BTreeSet;

use super::Problems;
use crate::error::ErrorCode;
use crate::flow_match::Match;
use crate::oxm::{CLASS_NXM_1, CLASS_OPENFLOW_BASIC, OxmField, OxmKind, Prerequisite, VID_NONE, VID_PRESENT, to_u64};

pub(super) fn check_match(match_: &Match, to: &mut Problems) {
    let mut seen = BTreeSet::new();
    let mut registers = Registers::default();
    for (index, field) in match_.fields().enumerate() {
        if to.is_full() {
            return;
        }
        let name = || format!("match.{}", field.kind);
        if !seen.insert(field.kind.same_field()) {
            to.add(name(), ErrorCode::MATCH_DUP_FIELD, "stands twice");
        } else if registers.overlap(&field) {
            to.add(name(), ErrorCode::MATCH_DUP_FIELD, "is part of a register that is matched already");
        } else if shares_tag(&seen, field.kind.same_field()) {
            to.add(name(), ErrorCode::MATCH_DUP_FIELD, "is part of a VLAN tag that is matched already");
        }
        let Some(row) = field.kind.row() else {
            if field.kind.class == CLASS_OPENFLOW_BASIC {
                to.add(name(), ErrorCode::MATCH_BAD_FIELD, "OpenFlow 1.3 has no such field");
            }
            continue;
        };
        if field.mask.is_some() && !row.maskable {
            to.add(name(), ErrorCode::MATCH_BAD_MASK, "can't be masked");
        }
        if let Some(mask) = field.mask
            && field.value.iter().zip(mask).any(|(value, mask)| value & !mask != 0)
        {
            to.add(name(), ErrorCode::MATCH_BAD_WILDCARDS, "bits are set in the value that are not in the mask");
        }
        if has_bits_above(&field, row.bits) {
            to.add(name(), ErrorCode::MATCH_BAD_VALUE, format!("has more than {} bits", row.bits));
        }
        if let Some(reason) = impossible(&field) {
            to.add(name(), ErrorCode::MATCH_BAD_VALUE, reason);
        }
        if let Some(missing) = missing_prerequisite(match_, index, row.prerequisite) {
            to.add(name(), ErrorCode::MATCH_BAD_PREREQ, missing);
        }
    }
}

/// The addresses of a connection belong to packets of their own version of IP: Open vSwitch says so of the actions, whatever they are.
pub(super) fn check_connection_addresses(match_: &Match, to: &mut Problems) {
    for (kinds, eth_type) in
        [([OxmKind::CT_NW_SRC, OxmKind::CT_NW_DST], 0x0800), ([OxmKind::CT_IPV6_SRC, OxmKind::CT_IPV6_DST], 0x86dd)]
    {
        let matched = |kind: &OxmKind| match_.find(*kind).is_some_and(|field| !is_wild(&field));
        let Some(kind) = kinds.into_iter().find(matched) else { continue };
        let number = |kind| match_.find(kind).and_then(|field| field.to_u64());
        let bare = number(OxmKind::PACKET_TYPE).filter(|value| value >> 16 == 1).map(|value| value & 0xffff);
        let found = bare.or_else(|| number(OxmKind::ETH_TYPE));
        let fine = found == Some(eth_type);
        let reason = format_args!("needs eth_type={eth_type:#x}");
        to.check(fine, &format!("match.{kind}"), ErrorCode::ACTION_MATCH_INCONSISTENT, reason);
    }
}

/// Whether a mask leaves nothing of the field.
fn is_wild(field: &OxmField<'_>) -> bool {
    field.mask.is_some_and(|mask| mask.iter().all(|octet| *octet == 0))
}

pub(super) fn check_set_field(field: &OxmField<'_>, to: &mut Problems) {
    let name = || format!("action.set_field.{}", field.kind);
    if matches!(field.kind, OxmKind::IN_PORT | OxmKind::IN_PHY_PORT | OxmKind::METADATA) {
        to.add(name(), ErrorCode::ACTION_BAD_SET_TYPE, "can't be set");
    }
    if field.mask.is_some() {
        // The code that OpenFlow 1.5 has for it, which Open vSwitch sends on 1.3, too.
        to.add(name(), ErrorCode::ACTION_BAD_SET_MASK, "OpenFlow 1.3 sets whole fields, without a mask");
    }
    match field.kind.row() {
        Some(row) if has_bits_above(field, row.bits) => {
            to.add(name(), ErrorCode::ACTION_BAD_SET_ARGUMENT, format!("has more than {} bits", row.bits));
        }
        // What of OpenFlow 1.3's own fields can be set, the specification leaves to the switch.
        Some(row) if !row.writable && !OxmKind::ALL.contains(&field.kind.canonical()) => {
            to.add(name(), ErrorCode::ACTION_BAD_SET_ARGUMENT, "can't be set");
        }
        Some(_) => {
            if let Some(reason) = impossible(field) {
                to.add(name(), ErrorCode::ACTION_BAD_SET_ARGUMENT, reason);
            }
        }
        None if field.kind.class == CLASS_OPENFLOW_BASIC => {
            to.add(name(), ErrorCode::ACTION_BAD_SET_TYPE, "OpenFlow 1.3 has no such field");
        }
        None => {}
    }
}

/// `vlan_tci` is `vlan_vid` and `vlan_pcp` at once.
fn shares_tag(seen: &BTreeSet<OxmKind>, kind: OxmKind) -> bool {
    match kind {
        OxmKind::VLAN_TCI => seen.contains(&OxmKind::VLAN_VID) || seen.contains(&OxmKind::VLAN_PCP),
        OxmKind::VLAN_VID => seen.contains(&OxmKind::VLAN_TCI),
        _ => false,
    }
}

/// Which bits of the 16 registers are matched: `xreg0` is `reg0` and `reg1`, `xxreg0` is `reg0` to `reg3` (ovs-fields(7)).
#[derive(Default)]
struct Registers([u32; 16]);

impl Registers {
    /// Notes the field, and says whether a part of it was matched before under another name.
    fn overlap(&mut self, field: &OxmField<'_>) -> bool {
        let kind = field.kind;
        let single = (kind.class == CLASS_NXM_1 && kind.field < 16).then_some(kind.field);
        let Some(first) = kind.first_register().or(single).map(usize::from) else { return false };
        let mask = field.mask.map(|mask| mask.chunks_exact(4));
        let words = field.value.len() / 4;
        let mut masks = mask.into_iter().flatten().filter_map(|word| <[u8; 4]>::try_from(word).ok());
        let mut overlap = false;
        for register in self.0.iter_mut().skip(first).take(words) {
            let mask = masks.next().map_or(u32::MAX, u32::from_be_bytes);
            overlap |= *register != 0 && mask != 0;
            *register |= mask;
        }
        overlap
    }
}

fn has_bits_above(field: &OxmField<'_>, bits: u16) -> bool {
    bits < 64 && to_u64(field.value).is_some_and(|value| value >> bits != 0)
}

/// Why a value with no bit too many can't be one of this field (ovs-fields(7); RFC 8300 §2.2 for NSH).
fn impossible(field: &OxmField<'_>) -> Option<&'static str> {
    let value = to_u64(field.value)?;
    match field.kind {
        OxmKind::NXM_OF_IP_TOS if value & 3 != 0 => Some("the two bits of ECN are not part of it"),
        OxmKind::NSH_TTL if value > 63 => Some("has more than 6 bits"),
        OxmKind::NSH_MDTYPE if !matches!(value, 1 | 2) => Some("is 1 or 2"),
        _ => None,
    }
}

/// The prerequisite has to stand before the field (OpenFlow 1.3.5 §7.2.3.6), which is the one at `index`.
fn missing_prerequisite(match_: &Match, index: usize, prerequisite: Prerequisite) -> Option<String> {
    let earlier = || match_.fields().take(index);
    let find = |kind: OxmKind| earlier().find(|field| field.kind.same_field() == kind);
    let number = |kind| find(kind).filter(|field| field.is_exact()).and_then(|field| field.to_u64());
    let one_of = |kind: OxmKind, value: Option<u64>, values: &[u64]| {
        let fine = value.is_some_and(|value| values.contains(&value));
        (!fine).then(|| {
            let values: Vec<String> = values.iter().map(|value| format!("{value:#x}")).collect();
            let late = match_.fields().skip(index).any(|field| field.kind.same_field() == kind);
            format!("needs {kind}={}{}", values.join(" or "), if late { " before it" } else { "" })
        })
    };
    // A packet of namespace 1 is one without an Ethernet header; its type is an ethertype (ovs-fields(7), packet_type).
    let bare = number(OxmKind::PACKET_TYPE).filter(|value| value >> 16 == 1).map(|value| value & 0xffff);
    let eth_type = || bare.or_else(|| number(OxmKind::ETH_TYPE));
    match prerequisite {
        Prerequisite::None => {
            let kind = match_.fields().nth(index).map(|field| field.kind.same_field());
            let is_link = matches!(
                kind,
                Some(OxmKind::ETH_DST | OxmKind::ETH_SRC | OxmKind::ETH_TYPE | OxmKind::VLAN_VID | OxmKind::VLAN_TCI)
            );
            (is_link && bare.is_some()).then(|| "needs a packet_type with an Ethernet header".into())
        }
        Prerequisite::InPort => find(OxmKind::IN_PORT).is_none().then(|| "needs in_port".into()),
        Prerequisite::VlanTag => {
            let vid = find(OxmKind::VLAN_VID).and_then(|field| field.to_u64());
            let tci = find(OxmKind::VLAN_TCI).and_then(|field| field.to_u64());
            let tagged = vid.is_some_and(|vid| vid != u64::from(VID_NONE))
                || tci.is_some_and(|tci| tci & u64::from(VID_PRESENT) != 0);
            (!tagged).then(|| "needs vlan_vid of a tagged packet".into())
        }
        Prerequisite::EthType(types) => {
            let types: Vec<u64> = types.iter().map(|eth_type| u64::from(*eth_type)).collect();
            one_of(OxmKind::ETH_TYPE, eth_type(), &types)
        }
        Prerequisite::IpProto(protocol) => {
            // ICMP is IPv4's and ICMPv6 is IPv6's: the same number over the other is something else.
            let version = match protocol {
                1 => one_of(OxmKind::ETH_TYPE, eth_type(), &[0x0800]),
                58 => one_of(OxmKind::ETH_TYPE, eth_type(), &[0x86dd]),
                _ => None,
            };
            // A fragment that is not the first has no ports and no flags; ICMP is left to the switch, as Open vSwitch does.
            let later = matches!(protocol, 6 | 17 | 132)
                && find(OxmKind::NW_FRAG)
                    .is_some_and(|field| field.to_u64().is_some_and(|value| value & FRAGMENT_LATER != 0));
            one_of(OxmKind::IP_PROTO, number(OxmKind::IP_PROTO), &[u64::from(protocol)])
                .or(version)
                .or_else(|| later.then(|| "needs a packet that is no later fragment".into()))
        }
        Prerequisite::Icmpv6Type(types) => {
            let types: Vec<u64> = types.iter().map(|icmp_type| u64::from(*icmp_type)).collect();
            // Neighbour discovery has the code 0 alone (RFC 4861 §4.3, §4.4).
            let code = find(OxmKind::ICMPV6_CODE).map_or(Some(0), |field| field.to_u64());
            one_of(OxmKind::ICMPV6_TYPE, number(OxmKind::ICMPV6_TYPE), &types)
                .or_else(|| (code != Some(0)).then(|| "needs icmpv6_code=0".into()))
        }
        Prerequisite::Tracked => {
            let state = find(OxmKind::CT_STATE);
            let mask = state.and_then(|state| state.mask).map_or(Some(u64::MAX), to_u64).unwrap_or_default();
            let value = state.and_then(|state| state.to_u64()).unwrap_or_default() & mask;
            let valid = value & VALID_CT_STATES != 0
                || (value & CT_TRACKED != 0 && mask & CT_INVALID != 0 && value & CT_INVALID == 0);
            (!valid).then(|| "needs ct_state of a valid connection".into())
        }
    }
}

/// Bit of `nw_frag` (ovs-fields(7)): a fragment that is not the first.
const FRAGMENT_LATER: u64 = 2;
/// Bits of `ct_state` (ovs-fields(7)): `inv`.
const CT_INVALID: u64 = 1 << 4;
/// `trk`.
const CT_TRACKED: u64 = 1 << 5;
/// `new`, `est`, `rel`, `rpl`, `snat`, `dnat`: each is of valid connections alone.
const VALID_CT_STATES: u64 = 0xcf;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Action;
    use crate::flow::FlowMod;
    use crate::identifier::TableId;
    use crate::instruction::Instruction;
    use crate::message::Message;
    use crate::oxm::OxmFieldOwned;

    fn field(kind: OxmKind, value: &[u8], mask: Option<&[u8]>) -> OxmFieldOwned {
        OxmFieldOwned::new(kind, value, mask).unwrap()
    }

    fn number(kind: OxmKind, value: u64) -> OxmFieldOwned {
        OxmFieldOwned::number(kind, value).unwrap()
    }

    fn codes(fields: &[OxmFieldOwned]) -> Vec<ErrorCode> {
        let match_: Match = fields.iter().cloned().collect();
        match_.problems().into_iter().map(|problem| problem.code).collect()
    }

    #[test]
    fn a_prerequisite_holds_under_any_number_of_its_field() {
        let tcp = |eth_type: OxmKind, ip_proto: OxmKind| {
            codes(&[number(eth_type, 0x0800), number(ip_proto, 6), number(OxmKind::TCP_FLAGS, 2)])
        };
        assert_eq!(tcp(OxmKind::ETH_TYPE, OxmKind::IP_PROTO), []);
        assert_eq!(tcp(OxmKind::NXM_OF_ETH_TYPE, OxmKind::NXM_OF_IP_PROTO), []);
        assert_eq!(codes(&[number(OxmKind::TCP_FLAGS, 2)]), [ErrorCode::MATCH_BAD_PREREQ]);
        assert_eq!(codes(&[number(OxmKind::PACKET_TYPE, 0x1_0800), number(OxmKind::NW_TTL, 2)]), []);
        assert_eq!(codes(&[number(OxmKind::VLAN_TCI, 0x1005), number(OxmKind::VLAN_PCP, 2)]), []);
        assert_eq!(codes(&[number(OxmKind::VLAN_TCI, 5), number(OxmKind::VLAN_PCP, 2)]), [ErrorCode::MATCH_BAD_PREREQ]);
    }

    #[test]
    fn a_prerequisite_of_a_prerequisite_is_looked_at() {
        let bad = [ErrorCode::MATCH_BAD_PREREQ];
        let icmp = |eth_type, ip_proto, kind: OxmKind| {
            codes(&[number(OxmKind::ETH_TYPE, eth_type), number(OxmKind::IP_PROTO, ip_proto), number(kind, 3)])
        };
        assert_eq!(icmp(0x0800, 1, OxmKind::ICMPV4_TYPE), []);
        assert_eq!(icmp(0x86dd, 1, OxmKind::ICMPV4_TYPE), bad);
        assert_eq!(icmp(0x86dd, 58, OxmKind::ICMPV6_CODE), []);
        assert_eq!(icmp(0x0800, 58, OxmKind::ICMPV6_CODE), bad);
        let discovery = |code| {
            let head = [number(OxmKind::ETH_TYPE, 0x86dd), number(OxmKind::IP_PROTO, 58)];
            let icmp = [number(OxmKind::ICMPV6_TYPE, 135), number(OxmKind::ICMPV6_CODE, code)];
            let target = field(OxmKind::IPV6_ND_TARGET, &[1; 16], None);
            codes(&[&head[..], &icmp[..], &[target]].concat())
        };
        assert_eq!(discovery(0), []);
        assert_eq!(discovery(1), bad);
    }

    #[test]
    fn a_later_fragment_has_no_ports_and_a_tag_is_matched_once() {
        let tcp = |fragment| {
            let ip = [number(OxmKind::ETH_TYPE, 0x0800), number(OxmKind::IP_PROTO, 6)];
            codes(&[&ip[..], &[number(OxmKind::NW_FRAG, fragment), number(OxmKind::TCP_DST, 80)]].concat())
        };
        assert_eq!(tcp(1), []);
        assert_eq!(tcp(3), [ErrorCode::MATCH_BAD_PREREQ]);
        let tag = [number(OxmKind::VLAN_TCI, 0x1005), number(OxmKind::VLAN_VID, 0x1005)];
        assert_eq!(codes(&tag), [ErrorCode::MATCH_DUP_FIELD]);
    }

    #[test]
    fn a_packet_without_an_ethernet_header_has_none_of_its_fields() {
        let bare = number(OxmKind::PACKET_TYPE, 0x1_0800);
        assert_eq!(codes(&[bare.clone(), number(OxmKind::IP_PROTO, 6), number(OxmKind::TCP_DST, 80)]), []);
        for kind in [OxmKind::ETH_TYPE, OxmKind::VLAN_VID, OxmKind::NXM_OF_ETH_TYPE] {
            assert_eq!(codes(&[bare.clone(), number(kind, 0x1800)]), [ErrorCode::MATCH_BAD_PREREQ], "{kind}");
        }
        assert_eq!(codes(&[bare, field(OxmKind::ETH_SRC, &[2; 6], None)]), [ErrorCode::MATCH_BAD_PREREQ]);
    }

    #[test]
    fn a_prerequisite_stands_before_what_needs_it() {
        let late: Match = [number(OxmKind::NW_TTL, 2), number(OxmKind::ETH_TYPE, 0x0800)].into_iter().collect();
        let problems = late.problems();
        assert_eq!(
            problems[0].to_string(),
            "match.nw_ttl: needs eth_type=0x800 or 0x86dd before it (OFPBMC_BAD_PREREQ)"
        );
        assert_eq!(late.canonical().problems(), []);
    }

    #[test]
    fn original_tuples_need_a_valid_connection() {
        let state = |value: u8, mask: u8| {
            let state = field(OxmKind::CT_STATE, &[0, 0, 0, value], Some(&[0, 0, 0, mask]));
            codes(&[state, number(OxmKind::CT_NW_PROTO, 6)])
        };
        assert_eq!(state(0x21, 0x21), [], "+new+trk");
        assert_eq!(state(0x20, 0x30), [], "+trk-inv");
        assert_eq!(state(0x20, 0x20), [ErrorCode::MATCH_BAD_PREREQ], "+trk alone");
        assert_eq!(codes(&[number(OxmKind::CT_NW_PROTO, 6)]), [ErrorCode::MATCH_BAD_PREREQ]);
    }

    #[test]
    fn one_field_under_two_numbers_stands_twice() {
        for fields in [
            [number(OxmKind::ETH_TYPE, 0x0800), number(OxmKind::NXM_OF_ETH_TYPE, 0x0800)],
            [number(OxmKind::IN_PORT, 1), number(OxmKind::NXM_OF_IN_PORT, 1)],
            [number(OxmKind::NXM_REG1, 1), number(OxmKind::XREG0, 1)],
            [number(OxmKind::XREG1, 1), field(OxmKind::XXREG0, &[1; 16], None)],
        ] {
            assert_eq!(codes(&fields), [ErrorCode::MATCH_DUP_FIELD], "{fields:?}");
        }
        let low = field(OxmKind::XREG0, &[0, 0, 0, 0, 0, 0, 0, 1], Some(&[0, 0, 0, 0, 0, 0, 0, 1]));
        assert_eq!(codes(&[low, number(OxmKind::NXM_REG0, 1)]), [], "xreg0's low half is reg1");
    }

    #[test]
    fn values_that_a_field_of_open_vswitch_cannot_have_are_named() {
        let ip = number(OxmKind::ETH_TYPE, 0x0800);
        let nsh = number(OxmKind::ETH_TYPE, 0x894f);
        for fields in [
            vec![number(OxmKind::CT_STATE, 0x100)],
            vec![ip.clone(), number(OxmKind::NXM_OF_IP_TOS, 1)],
            vec![ip.clone(), number(OxmKind::NW_FRAG, 4)],
            vec![nsh.clone(), number(OxmKind::NSH_MDTYPE, 3)],
            vec![nsh, number(OxmKind::NSH_TTL, 64)],
        ] {
            assert_eq!(codes(&fields), [ErrorCode::MATCH_BAD_VALUE], "{fields:?}");
        }
        let masked = field(OxmKind::CONJ_ID, &[0, 0, 0, 1], Some(&[0, 0, 0, 1]));
        assert_eq!(codes(&[masked]), [ErrorCode::MATCH_BAD_MASK]);
    }

    #[test]
    fn what_open_vswitch_does_not_let_be_set_is_told() {
        let set = |kind| {
            let mut flow_mod = FlowMod::add(TableId(0), 1, Match::new());
            flow_mod.instructions = vec![Instruction::ApplyActions(vec![Action::SetField(number(kind, 1))])];
            Message::FlowMod(flow_mod).problems().into_iter().map(|problem| problem.code).collect::<Vec<_>>()
        };
        assert_eq!(set(OxmKind::CT_STATE), [ErrorCode::ACTION_BAD_SET_ARGUMENT]);
        assert_eq!(set(OxmKind::CONJ_ID), [ErrorCode::ACTION_BAD_SET_ARGUMENT]);
        // Only inside ct().
        assert_eq!(set(OxmKind::CT_MARK), [ErrorCode::ACTION_BAD_SET_ARGUMENT]);
        assert_eq!(set(OxmKind::NXM_REG7), []);
        assert_eq!(set(OxmKind::IN_PORT), [ErrorCode::ACTION_BAD_SET_TYPE]);
    }
}
