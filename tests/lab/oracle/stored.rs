//! A flow in the form in which Open vSwitch keeps it: the rewritings that are its own and change no meaning.

use openflow::nicira::NiciraAction;
use openflow::{Action, FlowStats, GroupDesc, Instruction, Match, OxmField, OxmFieldOwned, OxmKind};

/// Fields that Open vSwitch 3.1 takes and then forgets, wholly or in part: for those of ERSPAN and GTP-U the value is kept as the mask,
/// and `vlan_tci` and the ports and protocol of a connection have no form on OpenFlow 1.3 by themselves.
const FORGOTTEN: &[OxmKind] = &[
    OxmKind::TUN_ERSPAN_IDX,
    OxmKind::TUN_ERSPAN_VER,
    OxmKind::TUN_ERSPAN_DIR,
    OxmKind::TUN_ERSPAN_HWID,
    OxmKind::TUN_GTPU_FLAGS,
    OxmKind::TUN_GTPU_MSGTYPE,
    OxmKind::VLAN_TCI,
    OxmKind::CT_NW_PROTO,
    OxmKind::CT_TP_SRC,
    OxmKind::CT_TP_DST,
];

/// Fields that ovs-ofctl does not print, or under a name that it does not read.
const NOT_PRINTED: &[OxmKind] = &[
    // Without its mask.
    OxmKind::TUN_GBP_FLAGS,
    OxmKind::TUN_ERSPAN_IDX,
    OxmKind::TUN_ERSPAN_VER,
    OxmKind::TUN_ERSPAN_DIR,
    OxmKind::TUN_ERSPAN_HWID,
    OxmKind::TUN_GTPU_FLAGS,
    OxmKind::TUN_GTPU_MSGTYPE,
    OxmKind::NSH_C1,
    OxmKind::NSH_C2,
    OxmKind::NSH_C3,
    OxmKind::NSH_C4,
];

/// Whether what comes back can't be what was sent, and nobody but Open vSwitch is to blame.
pub fn is_forgotten(match_: &Match) -> bool {
    match_.fields().any(|field| FORGOTTEN.contains(&field.kind))
}

/// Whether ovs-ofctl prints less than there is, or something else.
pub fn is_not_printed(match_: &Match) -> bool {
    match_.fields().any(|field| NOT_PRINTED.contains(&field.kind))
}

/// The flow as it is kept.
pub fn flow(flow: &FlowStats) -> FlowStats {
    let mut instructions: Vec<Instruction> = flow.instructions.iter().map(instruction).collect();
    // In the order in which they are done; write-actions of nothing are nothing.
    instructions.sort_by_key(order);
    instructions.retain(|instruction| match instruction {
        Instruction::WriteActions(actions) | Instruction::ApplyActions(actions) => !actions.is_empty(),
        _ => true,
    });
    FlowStats { match_: match_(&flow.match_), instructions, ..flow.clone() }
}

/// The group as it is kept.
pub fn group(group: &GroupDesc) -> GroupDesc {
    let mut group = group.clone();
    for bucket in &mut group.buckets {
        bucket.actions = bucket.actions.iter().map(action).collect();
    }
    group
}

fn order(instruction: &Instruction) -> u8 {
    match instruction {
        Instruction::Meter(_) => 0,
        Instruction::ApplyActions(_) => 1,
        Instruction::ClearActions => 2,
        Instruction::WriteActions(_) => 3,
        Instruction::WriteMetadata { .. } => 4,
        Instruction::GotoTable(_) => 5,
        Instruction::Experimenter { .. } | Instruction::Unknown { .. } => 6,
    }
}

fn instruction(instruction: &Instruction) -> Instruction {
    match instruction {
        Instruction::ApplyActions(actions) => Instruction::ApplyActions(actions.iter().map(action).collect()),
        Instruction::WriteActions(actions) => Instruction::WriteActions(actions.iter().map(action).collect()),
        other => other.clone(),
    }
}

/// Setting the tunnel is setting a field; `actset_output` has the ONF's number on 1.3.
fn action(action: &Action) -> Action {
    let tunnel = |id: u64| OxmFieldOwned::number(OxmKind::TUNNEL_ID, id).map(Action::SetField);
    let rewritten = match action {
        Action::Nicira(NiciraAction::SetTunnel(id)) => tunnel(u64::from(*id)),
        Action::Nicira(NiciraAction::SetTunnel64(id)) => tunnel(*id),
        Action::Nicira(NiciraAction::RegMove { source, destination }) => {
            let mut source = *source;
            source.kind = kind(source.kind);
            Some(Action::Nicira(NiciraAction::RegMove { source, destination: *destination }))
        }
        Action::Nicira(NiciraAction::StackPush(source)) => {
            let mut source = *source;
            source.kind = kind(source.kind);
            Some(Action::Nicira(NiciraAction::StackPush(source)))
        }
        Action::Nicira(NiciraAction::OutputReg { source, max_len } | NiciraAction::OutputReg2 { source, max_len }) => {
            let mut source = *source;
            source.kind = kind(source.kind);
            Some(Action::Nicira(NiciraAction::OutputReg { source, max_len: *max_len }))
        }
        _ => None,
    };
    rewritten.unwrap_or_else(|| action.clone())
}

fn kind(kind: OxmKind) -> OxmKind {
    if kind == OxmKind::OXM_OF_ACTSET_OUTPUT { OxmKind::ACTSET_OUTPUT } else { kind }
}

/// Registers of 64 and 128 bits are those of 32 that they are made of; a packet type that says “Ethernet” says nothing.
pub fn match_(match_: &Match) -> Match {
    let mut kept = Match::new();
    for field in match_.canonical().fields() {
        match registers(&field) {
            Some(parts) => kept = parts.iter().fold(kept, |kept, part| kept.with(part)),
            None if field.kind == OxmKind::PACKET_TYPE && field.value.iter().all(|octet| *octet == 0) => {}
            None => kept = kept.with(&field.to_owned()),
        }
    }
    kept.canonical()
}

/// The registers of 32 bits that a longer one is made of, if it is one.
fn registers(field: &OxmField<'_>) -> Option<Vec<OxmFieldOwned>> {
    let wide = [OxmKind::XXREG0, OxmKind::XXREG1, OxmKind::XXREG2, OxmKind::XXREG3];
    let first = match wide.iter().position(|wide| *wide == field.kind) {
        Some(number) => 4 * number,
        None if field.kind.class == OxmKind::XREG0.class => 2 * usize::from(field.kind.field),
        None => return None,
    };
    let parts = field.value.chunks(4).enumerate().filter_map(|(index, value)| {
        let register = OxmKind::register((first + index) as u8)?;
        let mask = field.mask.and_then(|mask| mask.get(4 * index..4 * index + 4));
        OxmFieldOwned::new(register, value, mask)
    });
    Some(parts.collect())
}
