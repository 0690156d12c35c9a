//! Headers in front of a packet: `encap`, `decap`, and the packet types that tables see of it.

use std::collections::BTreeMap;

use openflow::nicira::{Encap, EncapProperty, NiciraAction};
use openflow::{Action, OxmFieldOwned, OxmKind};

use super::packet;
use super::random::Random;

const ETHERNET: u32 = 0;
const NSH: u32 = 0x0001_894f;

/// Some actions that put headers on or take them off.
pub fn actions(random: &mut Random) -> Vec<Action> {
    let mut actions = match random.below(7) {
        0 => vec![nsh(random)],
        1 => vec![decap()],
        2 => vec![decap(), decap()],
        3 => vec![decap(), encap(ETHERNET, Vec::new())],
        4 => vec![encap(ETHERNET, Vec::new())],
        5 => vec![nsh(random), decap()],
        _ => vec![nsh(random), encap(ETHERNET, Vec::new())],
    };
    if random.one_in(2)
        && matches!(actions.last(), Some(Action::Nicira(NiciraAction::Encap(last))) if last.packet_type == NSH)
    {
        let kind =
            random.pick(&[OxmKind::NSH_FLAGS, OxmKind::NSH_TTL, OxmKind::NSH_SPI, OxmKind::NSH_SI, OxmKind::NSH_C1]);
        let octets = packet::value(random, kind).unwrap_or_default();
        actions.extend(OxmFieldOwned::new(kind, &octets, None).map(Action::SetField));
    }
    actions
}

/// A match on a packet type.
pub fn field(random: &mut Random) -> BTreeMap<OxmKind, OxmFieldOwned> {
    let packet_type = random.pick(&[ETHERNET, NSH, NSH, 0x0001_0800, 0x0001_86dd, 0x0001_0806]);
    let field = OxmFieldOwned::number(OxmKind::PACKET_TYPE, u64::from(packet_type));
    field.map(|field| (OxmKind::PACKET_TYPE, field)).into_iter().collect()
}

fn nsh(random: &mut Random) -> Action {
    let property = |property_type, body: &[u8]| EncapProperty { class: 4, property_type, body: body.to_vec().into() };
    let properties = match random.below(4) {
        0 => vec![property(1, &[1])],
        1 => vec![property(1, &[2]), property(2, &[0x10, 0, 3, 4, 1, 2, 3, 4, 0, 0, 0, 0])],
        2 => vec![property(1, &[2])],
        _ => Vec::new(),
    };
    encap(NSH, properties)
}

fn encap(packet_type: u32, properties: Vec<EncapProperty>) -> Action {
    Action::Nicira(NiciraAction::Encap(Box::new(Encap { header_size: 0, packet_type, properties })))
}

fn decap() -> Action {
    Action::Nicira(NiciraAction::Decap { packet_type: 0xfffe })
}
