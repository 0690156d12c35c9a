//! OFPMP_TABLE_FEATURES: what each table can do (OpenFlow 1.3.5 §7.3.5.5). All tables are alike but for the tables behind them.

use super::field::place;
use crate::action::ActionType;
use crate::identifier::TableId;
use crate::instruction::InstructionType;
use crate::multipart::{FeatureId, OxmId, TableFeatureProperty, TableFeatures};
use crate::oxm::{CLASS_EXPERIMENTER, OxmKind, TUNNEL_METADATA_MAX};
use crate::text::FixedText;
use bytes::Bytes;

/// What one table of `n_tables` can do.
pub(super) fn of_table(table: u8, n_tables: u8, max_entries: u32) -> TableFeatures {
    let later: Vec<TableId> = (table + 1..n_tables).map(TableId).collect();
    let instructions = INSTRUCTIONS.iter().filter(|kind| **kind != InstructionType::GOTO_TABLE || !later.is_empty());
    let instructions: Vec<FeatureId> = instructions.map(|kind| feature(kind.0)).collect();
    let actions: Vec<FeatureId> = ACTIONS.iter().map(|kind| feature(kind.0)).collect();
    // Every tunnel option, mapped or not, and each field once, as in Open vSwitch.
    let has = |kind: &OxmKind| place(*kind).is_some() || kind.is_variable();
    let known = || OxmKind::KNOWN.iter().copied().filter(|kind| kind.canonical() == *kind && has(kind));
    let matches: Vec<OxmId> = known().map(|kind| oxm(kind, kind.maskable().unwrap_or(false))).collect();
    let wildcards: Vec<OxmId> = known().map(|kind| oxm(kind, false)).collect();
    let fields: Vec<OxmId> =
        known().filter(|kind| kind.writable().unwrap_or(false)).map(|kind| oxm(kind, false)).collect();
    // What is said without "miss" holds for the table-miss flow too (§7.3.5.5.2).
    let properties = vec![
        TableFeatureProperty::Instructions { miss: false, ids: instructions },
        TableFeatureProperty::NextTables { miss: false, table_ids: later },
        TableFeatureProperty::WriteActions { miss: false, ids: actions.clone() },
        TableFeatureProperty::ApplyActions { miss: false, ids: actions },
        TableFeatureProperty::Match(matches),
        TableFeatureProperty::Wildcards(wildcards),
        TableFeatureProperty::WriteSetField { miss: false, ids: fields.clone() },
        TableFeatureProperty::ApplySetField { miss: false, ids: fields },
    ];
    TableFeatures {
        table_id: TableId(table),
        name: FixedText::from(format!("table{table}").as_str()),
        metadata_match: u64::MAX,
        metadata_write: u64::MAX,
        config: 0,
        max_entries,
        properties,
    }
}

/// Octets of an entry, rather too many than too few: four lists of fields and two of actions, at 8 octets each, and the later tables.
pub(super) fn entry_len(features: &TableFeatures) -> usize {
    let lists = features.properties.iter().map(|property| match property {
        TableFeatureProperty::NextTables { table_ids, .. } => table_ids.len(),
        TableFeatureProperty::Match(ids) | TableFeatureProperty::Wildcards(ids) => 8 * ids.len(),
        TableFeatureProperty::WriteSetField { ids, .. } | TableFeatureProperty::ApplySetField { ids, .. } => {
            8 * ids.len()
        }
        TableFeatureProperty::Instructions { ids, .. }
        | TableFeatureProperty::WriteActions { ids, .. }
        | TableFeatureProperty::ApplyActions { ids, .. } => 4 * ids.len(),
        TableFeatureProperty::Experimenter { body, .. } | TableFeatureProperty::Unknown { body, .. } => body.len(),
    });
    64 + lists.map(|len| len + 16).sum::<usize>()
}

const INSTRUCTIONS: [InstructionType; 6] = [
    InstructionType::GOTO_TABLE,
    InstructionType::WRITE_METADATA,
    InstructionType::WRITE_ACTIONS,
    InstructionType::APPLY_ACTIONS,
    InstructionType::CLEAR_ACTIONS,
    InstructionType::METER,
];

const ACTIONS: [ActionType; 12] = [
    ActionType::OUTPUT,
    ActionType::SET_MPLS_TTL,
    ActionType::DEC_MPLS_TTL,
    ActionType::PUSH_VLAN,
    ActionType::POP_VLAN,
    ActionType::PUSH_MPLS,
    ActionType::POP_MPLS,
    ActionType::SET_QUEUE,
    ActionType::GROUP,
    ActionType::SET_NW_TTL,
    ActionType::DEC_NW_TTL,
    ActionType::SET_FIELD,
];

fn feature(id: u16) -> FeatureId {
    FeatureId { id, body: Bytes::new() }
}

/// The header of a field as it would stand in a match.
fn oxm(kind: OxmKind, has_mask: bool) -> OxmId {
    let len = if kind.is_variable() { TUNNEL_METADATA_MAX } else { kind.value_len().unwrap_or(0) } as u8;
    let experimenter = if kind.class == CLASS_EXPERIMENTER { 4 } else { 0 };
    OxmId { kind, has_mask, length: experimenter + if has_mask { 2 * len } else { len } }
}
