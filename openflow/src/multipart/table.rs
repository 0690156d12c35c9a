//! Table features and their properties (OpenFlow 1.3.5 §7.3.5.5).

use bytes::{BufMut, Bytes, BytesMut};
use net::{DecodeError, DecodeErrorKind};

use crate::identifier::TableId;
use crate::number::numbers;
use crate::oxm::{self, OxmKind};
use crate::text::FixedText;
use crate::wire::{self, Reader};

numbers! {
    /// The type of a table-feature property (OpenFlow 1.3.5 §7.3.5.5.2, `ofp_table_feature_prop_type`).
    values TableFeaturePropertyType(u16) {
        INSTRUCTIONS = 0, "OFPTFPT_INSTRUCTIONS";
        INSTRUCTIONS_MISS = 1, "OFPTFPT_INSTRUCTIONS_MISS";
        NEXT_TABLES = 2, "OFPTFPT_NEXT_TABLES";
        NEXT_TABLES_MISS = 3, "OFPTFPT_NEXT_TABLES_MISS";
        WRITE_ACTIONS = 4, "OFPTFPT_WRITE_ACTIONS";
        WRITE_ACTIONS_MISS = 5, "OFPTFPT_WRITE_ACTIONS_MISS";
        APPLY_ACTIONS = 6, "OFPTFPT_APPLY_ACTIONS";
        APPLY_ACTIONS_MISS = 7, "OFPTFPT_APPLY_ACTIONS_MISS";
        MATCH = 8, "OFPTFPT_MATCH";
        WILDCARDS = 10, "OFPTFPT_WILDCARDS";
        WRITE_SETFIELD = 12, "OFPTFPT_WRITE_SETFIELD";
        WRITE_SETFIELD_MISS = 13, "OFPTFPT_WRITE_SETFIELD_MISS";
        APPLY_SETFIELD = 14, "OFPTFPT_APPLY_SETFIELD";
        APPLY_SETFIELD_MISS = 15, "OFPTFPT_APPLY_SETFIELD_MISS";
        EXPERIMENTER = 0xfffe, "OFPTFPT_EXPERIMENTER";
        EXPERIMENTER_MISS = 0xffff, "OFPTFPT_EXPERIMENTER_MISS";
    }
}

/// What one table can do (OpenFlow 1.3.5 §7.3.5.5.1, `ofp_table_features`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct TableFeatures {
    /// Which table.
    pub table_id: TableId,
    /// Its name, at most 31 octets.
    pub name: FixedText,
    /// Metadata bits that it can match.
    pub metadata_match: u64,
    /// Metadata bits that it can write.
    pub metadata_write: u64,
    /// Its configuration.
    pub config: u32,
    /// Flows that it can hold.
    pub max_entries: u32,
    /// The rest.
    pub properties: Vec<TableFeatureProperty>,
}

/// A property of a table (OpenFlow 1.3.5 §7.3.5.5.2). `miss`: it speaks of the table-miss flow.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum TableFeatureProperty {
    /// Instructions that flows can have.
    Instructions {
        /// Of the table-miss flow.
        miss: bool,
        /// Their headers.
        ids: Vec<FeatureId>,
    },
    /// Tables that goto-table can name.
    NextTables {
        /// Of the table-miss flow.
        miss: bool,
        /// The tables.
        table_ids: Vec<TableId>,
    },
    /// Actions that write-actions can have.
    WriteActions {
        /// Of the table-miss flow.
        miss: bool,
        /// Their headers.
        ids: Vec<FeatureId>,
    },
    /// Actions that apply-actions can have.
    ApplyActions {
        /// Of the table-miss flow.
        miss: bool,
        /// Their headers.
        ids: Vec<FeatureId>,
    },
    /// Fields that can be matched.
    Match(Vec<OxmId>),
    /// Fields that can be left out.
    Wildcards(Vec<OxmId>),
    /// Fields that set-field can set in write-actions.
    WriteSetField {
        /// Of the table-miss flow.
        miss: bool,
        /// The fields.
        ids: Vec<OxmId>,
    },
    /// Fields that set-field can set in apply-actions.
    ApplySetField {
        /// Of the table-miss flow.
        miss: bool,
        /// The fields.
        ids: Vec<OxmId>,
    },
    /// An experimenter's property, as data.
    Experimenter {
        /// Of the table-miss flow.
        miss: bool,
        /// The experimenter id.
        experimenter: u32,
        /// The experimenter's own type number.
        exp_type: u32,
        /// What follows.
        body: Bytes,
    },
    /// A property of a type that the specification doesn't have, as data.
    Unknown {
        /// The type.
        property_type: TableFeaturePropertyType,
        /// What follows the 4-octet header, without padding.
        body: Bytes,
    },
}

/// The header of an instruction or action, in a list of those that a table can have (OpenFlow 1.3.5 §7.3.5.5.2).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct FeatureId {
    /// The type number of the instruction or action.
    pub id: u16,
    /// What follows the 4-octet header: nothing, or an experimenter id and the experimenter's own data.
    pub body: Bytes,
}

/// The header of an OXM field, in a list of those that a table can have (OpenFlow 1.3.5 §7.3.5.5.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct OxmId {
    /// Which field.
    pub kind: OxmKind,
    /// Whether it can be masked.
    pub has_mask: bool,
    /// The length octet of the header.
    pub length: u8,
}

/// Octets of a table's entry before its properties.
const TABLE_FEATURES_LEN: u16 = 64;
/// Octets of a table's name.
const TABLE_NAME_LEN: usize = 32;

impl TableFeatures {
    pub(crate) fn parse(reader: &mut Reader<'_>) -> Result<TableFeatures, DecodeError> {
        let at = reader.offset();
        let length = reader.u16("table_features.length")?;
        if length < TABLE_FEATURES_LEN || length % 8 != 0 {
            let kind = DecodeErrorKind::BadLength { length: usize::from(length) };
            return Err(DecodeError::new(at, "table_features.length", kind));
        }
        let mut body = reader.body(length, 2, "table_features.length")?;
        let table_id = TableId(body.u8("table_features.table_id")?);
        body.skip(5, "table_features.pad")?;
        let name = FixedText::from_octets(body.bytes(TABLE_NAME_LEN, "table_features.name")?);
        let metadata_match = body.u64("table_features.metadata_match")?;
        let metadata_write = body.u64("table_features.metadata_write")?;
        let config = body.u32("table_features.config")?;
        let max_entries = body.u32("table_features.max_entries")?;
        let mut properties = Vec::new();
        while !body.is_empty() {
            properties.push(TableFeatureProperty::parse(&mut body)?);
        }
        Ok(TableFeatures { table_id, name, metadata_match, metadata_write, config, max_entries, properties })
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        let start = out.len();
        out.put_u16(0);
        out.put_u8(self.table_id.0);
        wire::put_zeros(out, 5);
        wire::put_text(out, self.name.as_octets(), TABLE_NAME_LEN);
        out.put_u64(self.metadata_match);
        out.put_u64(self.metadata_write);
        out.put_u32(self.config);
        out.put_u32(self.max_entries);
        for property in &self.properties {
            property.encode(out);
        }
        wire::patch_length(out, start, 0);
    }
}

impl TableFeatureProperty {
    /// The type number that stands on the wire.
    pub const fn property_type(&self) -> TableFeaturePropertyType {
        use TableFeaturePropertyType as Type;
        match self {
            TableFeatureProperty::Instructions { miss: false, .. } => Type::INSTRUCTIONS,
            TableFeatureProperty::Instructions { miss: true, .. } => Type::INSTRUCTIONS_MISS,
            TableFeatureProperty::NextTables { miss: false, .. } => Type::NEXT_TABLES,
            TableFeatureProperty::NextTables { miss: true, .. } => Type::NEXT_TABLES_MISS,
            TableFeatureProperty::WriteActions { miss: false, .. } => Type::WRITE_ACTIONS,
            TableFeatureProperty::WriteActions { miss: true, .. } => Type::WRITE_ACTIONS_MISS,
            TableFeatureProperty::ApplyActions { miss: false, .. } => Type::APPLY_ACTIONS,
            TableFeatureProperty::ApplyActions { miss: true, .. } => Type::APPLY_ACTIONS_MISS,
            TableFeatureProperty::Match(_) => Type::MATCH,
            TableFeatureProperty::Wildcards(_) => Type::WILDCARDS,
            TableFeatureProperty::WriteSetField { miss: false, .. } => Type::WRITE_SETFIELD,
            TableFeatureProperty::WriteSetField { miss: true, .. } => Type::WRITE_SETFIELD_MISS,
            TableFeatureProperty::ApplySetField { miss: false, .. } => Type::APPLY_SETFIELD,
            TableFeatureProperty::ApplySetField { miss: true, .. } => Type::APPLY_SETFIELD_MISS,
            TableFeatureProperty::Experimenter { miss: false, .. } => Type::EXPERIMENTER,
            TableFeatureProperty::Experimenter { miss: true, .. } => Type::EXPERIMENTER_MISS,
            TableFeatureProperty::Unknown { property_type, .. } => *property_type,
        }
    }

    fn parse(reader: &mut Reader<'_>) -> Result<TableFeatureProperty, DecodeError> {
        use TableFeaturePropertyType as Type;
        let property_type = Type(reader.u16("table_feature_property.type")?);
        let length = reader.u16("table_feature_property.length")?;
        let mut body = reader.body(length, 4, "table_feature_property.length")?;
        reader.skip(wire::padding(usize::from(length)), "table_feature_property.pad")?;
        let miss = matches!(
            property_type,
            Type::INSTRUCTIONS_MISS
                | Type::NEXT_TABLES_MISS
                | Type::WRITE_ACTIONS_MISS
                | Type::APPLY_ACTIONS_MISS
                | Type::WRITE_SETFIELD_MISS
                | Type::APPLY_SETFIELD_MISS
                | Type::EXPERIMENTER_MISS
        );
        Ok(match property_type {
            Type::INSTRUCTIONS | Type::INSTRUCTIONS_MISS => {
                TableFeatureProperty::Instructions { miss, ids: FeatureId::parse_list(body)? }
            }
            Type::NEXT_TABLES | Type::NEXT_TABLES_MISS => TableFeatureProperty::NextTables {
                miss,
                table_ids: body.as_slice().iter().map(|table_id| TableId(*table_id)).collect(),
            },
            Type::WRITE_ACTIONS | Type::WRITE_ACTIONS_MISS => {
                TableFeatureProperty::WriteActions { miss, ids: FeatureId::parse_list(body)? }
            }
            Type::APPLY_ACTIONS | Type::APPLY_ACTIONS_MISS => {
                TableFeatureProperty::ApplyActions { miss, ids: FeatureId::parse_list(body)? }
            }
            Type::MATCH => TableFeatureProperty::Match(OxmId::parse_list(body)?),
            Type::WILDCARDS => TableFeatureProperty::Wildcards(OxmId::parse_list(body)?),
            Type::WRITE_SETFIELD | Type::WRITE_SETFIELD_MISS => {
                TableFeatureProperty::WriteSetField { miss, ids: OxmId::parse_list(body)? }
            }
            Type::APPLY_SETFIELD | Type::APPLY_SETFIELD_MISS => {
                TableFeatureProperty::ApplySetField { miss, ids: OxmId::parse_list(body)? }
            }
            Type::EXPERIMENTER | Type::EXPERIMENTER_MISS => TableFeatureProperty::Experimenter {
                miss,
                experimenter: body.u32("table_feature_property.experimenter")?,
                exp_type: body.u32("table_feature_property.exp_type")?,
                body: body.into_bytes(),
            },
            _ => TableFeatureProperty::Unknown { property_type, body: body.into_bytes() },
        })
    }

    fn encode(&self, out: &mut BytesMut) {
        let start = out.len();
        out.put_u16(self.property_type().0);
        out.put_u16(0);
        match self {
            TableFeatureProperty::Instructions { ids, .. }
            | TableFeatureProperty::WriteActions { ids, .. }
            | TableFeatureProperty::ApplyActions { ids, .. } => ids.iter().for_each(|id| id.encode(out)),
            TableFeatureProperty::NextTables { table_ids, .. } => {
                table_ids.iter().for_each(|table| out.put_u8(table.0))
            }
            TableFeatureProperty::Match(ids)
            | TableFeatureProperty::Wildcards(ids)
            | TableFeatureProperty::WriteSetField { ids, .. }
            | TableFeatureProperty::ApplySetField { ids, .. } => ids.iter().for_each(|id| id.encode(out)),
            TableFeatureProperty::Experimenter { experimenter, exp_type, body, .. } => {
                out.put_u32(*experimenter);
                out.put_u32(*exp_type);
                out.put_slice(body);
            }
            TableFeatureProperty::Unknown { body, .. } => out.put_slice(body),
        }
        wire::patch_length(out, start, 2);
        wire::pad_from(out, start);
    }
}

impl FeatureId {
    fn parse_list(mut reader: Reader<'_>) -> Result<Vec<FeatureId>, DecodeError> {
        let mut ids = Vec::new();
        while !reader.is_empty() {
            let id = reader.u16("table_feature_property.id.type")?;
            let length = reader.u16("table_feature_property.id.len")?;
            let body = reader.body(length, 4, "table_feature_property.id.len")?;
            ids.push(FeatureId { id, body: body.into_bytes() });
        }
        Ok(ids)
    }

    fn encode(&self, out: &mut BytesMut) {
        let start = out.len();
        out.put_u16(self.id);
        out.put_u16(0);
        out.put_slice(&self.body);
        wire::patch_length(out, start, 2);
    }
}

impl OxmId {
    fn parse_list(mut reader: Reader<'_>) -> Result<Vec<OxmId>, DecodeError> {
        let mut ids = Vec::new();
        while !reader.is_empty() {
            let header = reader.u32("table_feature_property.oxm_id")?;
            let class = (header >> 16) as u16;
            let experimenter = match class {
                oxm::CLASS_EXPERIMENTER => reader.u32("table_feature_property.oxm_id.experimenter")?,
                _ => 0,
            };
            let kind = OxmKind { class, field: (header >> 9 & 0x7f) as u8, experimenter };
            ids.push(OxmId { kind, has_mask: header >> 8 & 1 != 0, length: (header & 0xff) as u8 });
        }
        Ok(ids)
    }

    fn encode(&self, out: &mut BytesMut) {
        out.put_u32(self.kind.header(self.has_mask, self.length));
        if self.kind.class == oxm::CLASS_EXPERIMENTER {
            out.put_u32(self.kind.experimenter);
        }
    }
}
