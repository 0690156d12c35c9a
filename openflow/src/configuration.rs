//! The switch as a whole: features, configuration, TABLE_MOD and experimenter messages (OpenFlow 1.3.5 §7.3.1 to §7.3.3, §7.5.5).

use bytes::Bytes;
use net::DatapathId;

use crate::identifier::TableId;
use crate::number::numbers;

numbers! {
    /// What a datapath can do (OpenFlow 1.3.5 §7.3.1, `ofp_capabilities`).
    bits Capabilities(u32) {
        FLOW_STATS = 1, "OFPC_FLOW_STATS";
        TABLE_STATS = 1 << 1, "OFPC_TABLE_STATS";
        PORT_STATS = 1 << 2, "OFPC_PORT_STATS";
        GROUP_STATS = 1 << 3, "OFPC_GROUP_STATS";
        IP_REASM = 1 << 5, "OFPC_IP_REASM";
        QUEUE_STATS = 1 << 6, "OFPC_QUEUE_STATS";
        PORT_BLOCKED = 1 << 8, "OFPC_PORT_BLOCKED";
    }
}

numbers! {
    /// Handling of IP fragments, in the low two bits of the flags (OpenFlow 1.3.5 §7.3.2, `ofp_config_flags`).
    values ConfigFlags(u16) {
        FRAG_NORMAL = 0, "OFPC_FRAG_NORMAL";
        FRAG_DROP = 1, "OFPC_FRAG_DROP";
        FRAG_REASM = 2, "OFPC_FRAG_REASM";
        FRAG_MASK = 3, "OFPC_FRAG_MASK";
    }
}

/// Who the switch is (OpenFlow 1.3.5 §7.3.1, `ofp_switch_features`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct FeaturesReply {
    /// Its datapath id.
    pub datapath_id: DatapathId,
    /// Packets that it can keep.
    pub n_buffers: u32,
    /// Flow tables.
    pub n_tables: u8,
    /// 0 for the main connection.
    pub auxiliary_id: u8,
    /// What it can do.
    pub capabilities: Capabilities,
    /// Reserved.
    pub reserved: u32,
}

/// Fragment handling and the length of table-miss packet-ins (OpenFlow 1.3.5 §7.3.2, `ofp_switch_config`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct SwitchConfig {
    /// Handling of fragments.
    pub flags: ConfigFlags,
    /// Octets of a packet that go to the controller when the output action doesn't say.
    pub miss_send_len: u16,
}

/// Change a table (OpenFlow 1.3.5 §7.3.3, `ofp_table_mod`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct TableMod {
    /// Which table; ALL for every one.
    pub table_id: TableId,
    /// Bits 0 and 1 are deprecated, the others reserved.
    pub config: u32,
}

/// A message of an experimenter, as data (OpenFlow 1.3.5 §7.5.5, `ofp_experimenter_header`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ExperimenterMessage {
    /// The experimenter id.
    pub experimenter: u32,
    /// The experimenter's own type number.
    pub exp_type: u32,
    /// What follows.
    pub body: Bytes,
}
