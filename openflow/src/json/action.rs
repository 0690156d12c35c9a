//! JSON of actions and instructions.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::nicira::entries;
use super::{FieldValue, Hex};
use crate::action::Action;
use crate::instruction::Instruction;
use crate::oxm::{EXPERIMENTER_ONF, OxmField};

/// The one field of a set-field action as a map.
pub(super) struct SetField<'a>(pub OxmField<'a>);

impl Serialize for SetField<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(&self.0.kind.to_string(), &FieldValue(self.0))?;
        map.end()
    }
}

impl Serialize for Action {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", &self.action_type())?;
        match self {
            Action::Output { port, max_len } => {
                map.serialize_entry("port", port)?;
                map.serialize_entry("max_len", max_len)?;
            }
            Action::SetMplsTtl(ttl) => map.serialize_entry("mpls_ttl", ttl)?,
            Action::SetNwTtl(ttl) => map.serialize_entry("nw_ttl", ttl)?,
            Action::PushVlan(ethertype)
            | Action::PushMpls(ethertype)
            | Action::PopMpls(ethertype)
            | Action::PushPbb(ethertype) => map.serialize_entry("ethertype", &format!("{ethertype:#06x}"))?,
            Action::SetQueue(queue_id) => map.serialize_entry("queue_id", queue_id)?,
            Action::Group(group_id) => map.serialize_entry("group_id", group_id)?,
            Action::SetField(field) => map.serialize_entry("field", &SetField(field.as_field()))?,
            Action::Nicira(action) => entries(action, &mut map)?,
            Action::CopyField { source, destination } => {
                map.serialize_entry("experimenter", &EXPERIMENTER_ONF)?;
                map.serialize_entry("subtype", "ONFACT_COPY_FIELD")?;
                map.serialize_entry("src", source)?;
                map.serialize_entry("dst", destination)?;
            }
            Action::Experimenter { experimenter, body } => {
                map.serialize_entry("experimenter", experimenter)?;
                map.serialize_entry("body", &Hex(body))?;
            }
            Action::Unknown { body, .. } => map.serialize_entry("body", &Hex(body))?,
            Action::CopyTtlOut
            | Action::CopyTtlIn
            | Action::DecMplsTtl
            | Action::PopVlan
            | Action::DecNwTtl
            | Action::PopPbb => {}
        }
        map.end()
    }
}

impl Serialize for Instruction {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", &self.instruction_type())?;
        match self {
            Instruction::GotoTable(table_id) => map.serialize_entry("table_id", table_id)?,
            Instruction::WriteMetadata { metadata, mask } => {
                map.serialize_entry("metadata", metadata)?;
                map.serialize_entry("metadata_mask", mask)?;
            }
            Instruction::WriteActions(actions) | Instruction::ApplyActions(actions) => {
                map.serialize_entry("actions", actions)?;
            }
            Instruction::ClearActions => {}
            Instruction::Meter(meter_id) => map.serialize_entry("meter_id", meter_id)?,
            Instruction::Experimenter { experimenter, body } => {
                map.serialize_entry("experimenter", experimenter)?;
                map.serialize_entry("body", &Hex(body))?;
            }
            Instruction::Unknown { body, .. } => map.serialize_entry("body", &Hex(body))?,
        }
        map.end()
    }
}
