//! Problems of single fields: duplicates, masks, values and prerequisites, of a match and of a set-field action.

use std::collections::BTreeSet;

use super::Problems;
use crate::error::ErrorCode;
use crate::flow_match::Match;
use crate::oxm::{CLASS_OPENFLOW_BASIC, OxmField, OxmKind, Prerequisite, VID_NONE, VID_PRESENT, to_u64};

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

pub(super) fn check_set_field(field: &OxmField<'_>, to: &mut Problems) {
    let name = || format!("action.set_field.{}", field.kind);
    if matches!(field.kind, OxmKind::IN_PORT | OxmKind::IN_PHY_PORT | OxmKind::METADATA) {
        to.add(name(), ErrorCode::ACTION_BAD_SET_TYPE, "can't be set");
    }
    if field.mask.is_some() {
        to.add(name(), ErrorCode::ACTION_BAD_SET_TYPE, "OpenFlow 1.3 sets whole fields, without a mask");
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

/// Which bits of the 16 registers are matched: `xreg0` is `reg0` and `reg1`, `xxreg0` is `reg0` to `reg3` (ovs-fields(7)).
#[derive(Default)]
struct Registers([u32; 16]);

impl Registers {
    /// Notes the field, and says whether a part of it was matched before under another name.
    fn overlap(&mut self, field: &OxmField<'_>) -> bool {
        let kind = field.kind;
        let first = usize::from(match kind.class {
            crate::oxm::CLASS_PACKET_REGISTERS => kind.field.saturating_mul(2),
            crate::oxm::CLASS_NXM_1 if kind.field < 16 => kind.field,
            crate::oxm::CLASS_NXM_1 if (OxmKind::XXREG0.field..=OxmKind::XXREG3.field).contains(&kind.field) => {
                4 * (kind.field - OxmKind::XXREG0.field)
            }
            _ => return false,
        });
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
    match prerequisite {
        Prerequisite::None => None,
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
            // A packet of namespace 1 is one without an Ethernet header; its type is an ethertype (ovs-fields(7), packet_type).
            let bare = number(OxmKind::PACKET_TYPE).filter(|value| value >> 16 == 1).map(|value| value & 0xffff);
            one_of(OxmKind::ETH_TYPE, number(OxmKind::ETH_TYPE).or(bare), &types)
        }
        Prerequisite::IpProto(protocol) => one_of(OxmKind::IP_PROTO, number(OxmKind::IP_PROTO), &[u64::from(protocol)]),
        Prerequisite::Icmpv6Type(types) => {
            let types: Vec<u64> = types.iter().map(|icmp_type| u64::from(*icmp_type)).collect();
            one_of(OxmKind::ICMPV6_TYPE, number(OxmKind::ICMPV6_TYPE), &types)
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

/// Bits of `ct_state` (ovs-fields(7)): `inv`.
const CT_INVALID: u64 = 1 << 4;
/// `trk`.
const CT_TRACKED: u64 = 1 << 5;
/// `new`, `est`, `rel`, `rpl`, `snat`, `dnat`: each is of valid connections alone.
const VALID_CT_STATES: u64 = 0xcf;
