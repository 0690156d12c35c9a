//! Problems of actions: those of OpenFlow 1.3, and where an action may stand.

use net::PortNo;

use super::field::check_set_field;
use super::nicira::{check_nicira, check_unread};
use super::{KNOWN_EXPERIMENTERS, Problems};
use crate::action::Action;
use crate::error::ErrorCode;
use crate::identifier::GroupId;
use crate::nicira::{NICIRA_EXPERIMENTER, NiciraAction, Subfield};
use crate::oxm::OxmKind;

/// Where a list of actions stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In a packet-out.
    PacketOut,
    /// In an apply-actions instruction.
    List,
    /// In a write-actions instruction.
    ActionSet,
    /// In a group's bucket.
    Bucket,
    /// In a `clone` of Nicira's.
    Clone,
    /// In a `ct` of Nicira's.
    Ct,
}

pub(super) fn check_actions(actions: &[Action], place: Place, to: &mut Problems) {
    for action in actions {
        if to.is_full() {
            return;
        }
        check_action(action, place, to);
    }
    // Open vSwitch takes it for the instruction of that name, which comes after all that is applied.
    let write_metadata = |action: &Action| matches!(action, Action::Nicira(NiciraAction::WriteMetadata { .. }));
    if let Some(first) = actions.iter().position(write_metadata)
        && first + 1 < actions.len()
    {
        let reason = "stands before other actions";
        to.add("action.write_metadata", ErrorCode::ACTION_UNSUPPORTED_ORDER, reason);
    }
    let conjunction = |action: &Action| matches!(action, Action::Nicira(NiciraAction::Conjunction { .. }));
    let beside =
        |action: &Action| !matches!(action, Action::Nicira(NiciraAction::Conjunction { .. } | NiciraAction::Note(_)));
    if actions.iter().any(conjunction) && actions.iter().any(beside) {
        let reason = "stands with other actions than notes";
        to.add("action.conjunction", ErrorCode::NX_BAD_CONJUNCTION, reason);
    }
}

fn check_action(action: &Action, place: Place, to: &mut Problems) {
    let argument = |fine, to: &mut Problems| {
        to.check(fine, "action", ErrorCode::ACTION_BAD_ARGUMENT, format_args!("{action:?}: no such ethertype"));
    };
    if place == Place::Ct {
        check_inside_ct(action, to);
    } else if written(action).is_some_and(belongs_to_ct) {
        to.add("action", ErrorCode::ACTION_BAD_SET_ARGUMENT, "ct_mark and ct_label are set inside of ct() alone");
    }
    match action {
        Action::Output { port, .. } => check_output(*port, place == Place::PacketOut, "action.output.port", to),
        Action::Group(group_id) => {
            let fine = group_id.0 <= GroupId::MAX.0;
            let reason = format_args!("{group_id} is no group");
            to.check(fine, "action.group.group_id", ErrorCode::ACTION_BAD_OUT_GROUP, reason);
        }
        Action::PushVlan(ethertype) => argument(matches!(ethertype, 0x8100 | 0x88a8), to),
        Action::PushMpls(ethertype) => argument(matches!(ethertype, 0x8847 | 0x8848), to),
        Action::PushPbb(ethertype) => argument(*ethertype == 0x88e7, to),
        Action::SetField(field) => check_set_field(&field.as_field(), to),
        Action::Nicira(action) => check_nicira(action, place, to),
        Action::CopyField { source, destination } => {
            check_move(*source, *destination, "action.copy_field", to);
        }
        Action::Experimenter { experimenter: NICIRA_EXPERIMENTER, body } => check_unread(body, to),
        Action::Experimenter { experimenter, .. } => {
            let (code, reason) = if KNOWN_EXPERIMENTERS.contains(experimenter) {
                (ErrorCode::ACTION_BAD_EXP_TYPE, "has no such action that could be read")
            } else {
                (ErrorCode::ACTION_BAD_EXPERIMENTER, "is not known")
            };
            to.add("action.experimenter", code, format!("{experimenter:#x} {reason}"));
        }
        Action::Unknown { action_type, .. } => {
            to.add("action.type", ErrorCode::ACTION_BAD_TYPE, format!("{action_type} is no OpenFlow 1.3 action"));
        }
        Action::CopyTtlOut
        | Action::CopyTtlIn
        | Action::SetMplsTtl(_)
        | Action::DecMplsTtl
        | Action::PopVlan
        | Action::PopMpls(_)
        | Action::SetQueue(_)
        | Action::SetNwTtl(_)
        | Action::DecNwTtl
        | Action::PopPbb => {}
    }
}

/// The field that an action sets or copies to.
fn written(action: &Action) -> Option<OxmKind> {
    match action {
        Action::SetField(field) | Action::Nicira(NiciraAction::RegLoad2(field)) => Some(field.kind()),
        Action::CopyField { destination, .. }
        | Action::Nicira(NiciraAction::RegMove { destination, .. } | NiciraAction::RegLoad { destination, .. }) => {
            Some(destination.kind)
        }
        _ => None,
    }
}

fn belongs_to_ct(kind: OxmKind) -> bool {
    matches!(kind, OxmKind::CT_MARK | OxmKind::CT_LABEL)
}

/// Inside of `ct` there is `nat`, and what sets `ct_mark` and `ct_label`.
fn check_inside_ct(action: &Action, to: &mut Problems) {
    let fine = matches!(action, Action::Nicira(NiciraAction::Nat(_))) || written(action).is_some_and(belongs_to_ct);
    to.check(
        fine,
        "action.ct.actions",
        ErrorCode::ACTION_BAD_ARGUMENT,
        "ct() takes nat() and sets ct_mark and ct_label",
    );
}

/// `table`: whether an output to TABLE means something, which it does in packet-outs only.
pub(super) fn check_output(port: PortNo, table: bool, field: &str, to: &mut Problems) {
    let reserved = port.0 >= PortNo::IN_PORT.0 && port != PortNo::ANY && (table || port != PortNo::TABLE);
    let fine = port.is_physical() || reserved;
    to.check(fine, field, ErrorCode::ACTION_BAD_OUT_PORT, format_args!("{port} is no output"));
}

/// Bits of a field that are read.
pub(super) fn check_source(subfield: Subfield, field: &str, to: &mut Problems) {
    let Subfield { kind, offset, bits } = subfield;
    let Some(width) = kind.subfield_bits() else {
        to.add(field, ErrorCode::ACTION_BAD_SET_TYPE, format!("{kind} is no field that is known"));
        return;
    };
    let fine = bits > 0 && offset < width && bits <= width - offset;
    let reason = format_args!("{bits} bits from bit {offset}: {kind} has {width}");
    to.check(fine, field, ErrorCode::ACTION_BAD_SET_LEN, reason);
}

/// Bits of a field that are written.
pub(super) fn check_destination(subfield: Subfield, field: &str, to: &mut Problems) {
    check_source(subfield, field, to);
    let fine = subfield.kind.writable() != Some(false);
    to.check(fine, field, ErrorCode::ACTION_BAD_SET_ARGUMENT, format_args!("{} can't be set", subfield.kind));
}

/// Bits of a field that are copied to another.
pub(super) fn check_move(source: Subfield, destination: Subfield, field: &str, to: &mut Problems) {
    check_source(source, field, to);
    check_destination(destination, field, to);
    let fine = source.bits == destination.bits;
    to.check(fine, field, ErrorCode::ACTION_BAD_ARGUMENT, "source and destination have not the same number of bits");
}
