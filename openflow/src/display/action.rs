//! Actions and instructions in ovs-ofctl's words.

use std::fmt::{self, Display, Formatter};

use net::PortNo;

use super::field::{Set, nicira_kind};
use super::text::{Hex, Parts};
use crate::action::Action;
use crate::instruction::Instruction;
use crate::oxm::OxmFieldOwned;

/// `set_field:VALUE->NAME`.
pub(super) fn write_set_field(f: &mut Formatter<'_>, field: &OxmFieldOwned) -> fmt::Result {
    let field = field.as_field();
    match field.kind.ovs_name() {
        Some(name) => write!(f, "set_field:{}->{name}", Set(field)),
        None => write!(f, "set_field:{}->{}", field.value_text(), field.kind),
    }
}

impl Display for Action {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Action::Output { port: PortNo::CONTROLLER, max_len } => write!(f, "CONTROLLER:{max_len}"),
            Action::Output { port, .. } if is_reserved(*port) => write!(f, "{port}"),
            Action::Output { port, .. } => write!(f, "output:{port}"),
            Action::CopyTtlOut => f.write_str("copy_ttl_out"),
            Action::CopyTtlIn => f.write_str("copy_ttl_in"),
            Action::SetMplsTtl(ttl) => write!(f, "set_mpls_ttl({ttl})"),
            Action::DecMplsTtl => f.write_str("dec_mpls_ttl"),
            Action::PushVlan(ethertype) => write!(f, "push_vlan:{}", Hex(u64::from(*ethertype))),
            Action::PopVlan => f.write_str("pop_vlan"),
            Action::PushMpls(ethertype) => write!(f, "push_mpls:{ethertype:#06x}"),
            Action::PopMpls(ethertype) => write!(f, "pop_mpls:{ethertype:#06x}"),
            Action::SetQueue(queue_id) => write!(f, "set_queue:{queue_id}"),
            Action::Group(group_id) => write!(f, "group:{}", group_id.0),
            Action::SetNwTtl(ttl) => write!(f, "mod_nw_ttl:{ttl}"),
            Action::DecNwTtl => f.write_str("dec_ttl"),
            Action::SetField(field) => write_set_field(f, field),
            Action::PushPbb(ethertype) => write!(f, "push_pbb:{ethertype:#06x}"),
            Action::PopPbb => f.write_str("pop_pbb"),
            Action::Nicira(action) => action.fmt(f),
            Action::CopyField { source, destination } => write!(f, "move:{source}->{destination}"),
            Action::Experimenter { experimenter, body } => write!(f, "experimenter({experimenter:#x},{body:x})"),
            Action::Unknown { action_type, body } => write!(f, "unknown({},{body:x})", action_type.0),
        }
    }
}

/// Whether a port has a name, which then says all: `output:` stands before numbers.
pub(super) fn is_reserved(port: PortNo) -> bool {
    matches!(
        port,
        PortNo::IN_PORT
            | PortNo::TABLE
            | PortNo::NORMAL
            | PortNo::FLOOD
            | PortNo::ALL
            | PortNo::CONTROLLER
            | PortNo::LOCAL
            | PortNo::ANY
    )
}

/// A list of actions; `drop` if there are none.
pub(super) struct Actions<'a>(pub &'a [Action]);

impl Display for Actions<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut parts = Parts::new(f, ",");
        self.0.iter().try_for_each(|action| parts.put(format_args!("{action}")))?;
        if self.0.is_empty() { f.write_str("drop") } else { Ok(()) }
    }
}

/// Instructions, with the actions of apply-actions as they are; `drop` if there are none.
pub(super) struct Instructions<'a>(pub &'a [Instruction]);

impl Display for Instructions<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut parts = Parts::new(f, ",");
        for instruction in self.0 {
            match instruction {
                Instruction::ApplyActions(actions) => {
                    actions.iter().try_for_each(|action| parts.put(format_args!("{action}")))?;
                }
                other => parts.put(format_args!("{other}"))?,
            }
        }
        if parts.started { Ok(()) } else { f.write_str("drop") }
    }
}

impl Display for Instruction {
    /// `goto_table:1`; apply-actions as the list of its actions.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Instruction::GotoTable(table_id) => write!(f, "goto_table:{}", table_id.0),
            Instruction::WriteMetadata { metadata, mask } => write_metadata(f, *metadata, *mask),
            Instruction::WriteActions(actions) => write!(f, "write_actions({})", Actions(actions)),
            Instruction::ApplyActions(actions) => Actions(actions).fmt(f),
            Instruction::ClearActions => f.write_str("clear_actions"),
            Instruction::Meter(meter_id) => write!(f, "meter:{}", meter_id.0),
            Instruction::Experimenter { experimenter, body } => {
                write!(f, "experimenter_instruction({experimenter:#x},{body:x})")
            }
            Instruction::Unknown { instruction_type, body } => {
                write!(f, "unknown_instruction({},{body:x})", instruction_type.0)
            }
        }
    }
}

/// `write_metadata:0x1/0xff`, without the mask if that is whole.
pub(super) fn write_metadata(f: &mut Formatter<'_>, metadata: u64, mask: u64) -> fmt::Result {
    write!(f, "write_metadata:{}", Hex(metadata))?;
    if mask == u64::MAX { Ok(()) } else { write!(f, "/{}", Hex(mask)) }
}

/// ovs-ofctl's name of a field in `delete_field`.
pub(super) fn delete_field(f: &mut Formatter<'_>, kind: crate::oxm::OxmKind) -> fmt::Result {
    match nicira_kind(kind).ovs_name() {
        Some(name) => write!(f, "delete_field:{name}"),
        None => write!(f, "delete_field:{kind}"),
    }
}
