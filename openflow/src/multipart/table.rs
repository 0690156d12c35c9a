//! Table features and their properties (OpenFlow 1.3.5 §7.3.5.5).

use bytes::Bytes;

use crate::identifier::TableId;
use crate::number::numbers;
use crate::oxm::OxmKind;
use crate::text::FixedText;

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
