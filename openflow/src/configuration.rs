//! The switch as a whole: features, configuration, TABLE_MOD and experimenter messages (OpenFlow 1.3.5 §7.3.1 to §7.3.3, §7.5.5).

use bytes::{BufMut, Bytes, BytesMut};
use net::{DatapathId, DecodeError};

use crate::identifier::TableId;
use crate::number::numbers;
use crate::wire::{self, Reader};

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

impl FeaturesReply {
    pub(crate) fn parse(mut reader: Reader<'_>) -> Result<FeaturesReply, DecodeError> {
        let datapath_id = DatapathId(reader.u64("features_reply.datapath_id")?);
        let n_buffers = reader.u32("features_reply.n_buffers")?;
        let n_tables = reader.u8("features_reply.n_tables")?;
        let auxiliary_id = reader.u8("features_reply.auxiliary_id")?;
        reader.skip(2, "features_reply.pad")?;
        let capabilities = Capabilities(reader.u32("features_reply.capabilities")?);
        let reserved = reader.u32("features_reply.reserved")?;
        reader.finish("features_reply")?;
        Ok(FeaturesReply { datapath_id, n_buffers, n_tables, auxiliary_id, capabilities, reserved })
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        out.put_u64(self.datapath_id.0);
        out.put_u32(self.n_buffers);
        out.put_u8(self.n_tables);
        out.put_u8(self.auxiliary_id);
        wire::put_zeros(out, 2);
        out.put_u32(self.capabilities.0);
        out.put_u32(self.reserved);
    }
}

impl SwitchConfig {
    pub(crate) fn parse(mut reader: Reader<'_>) -> Result<SwitchConfig, DecodeError> {
        let flags = ConfigFlags(reader.u16("switch_config.flags")?);
        let miss_send_len = reader.u16("switch_config.miss_send_len")?;
        reader.finish("switch_config")?;
        Ok(SwitchConfig { flags, miss_send_len })
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        out.put_u16(self.flags.0);
        out.put_u16(self.miss_send_len);
    }
}

impl TableMod {
    pub(crate) fn parse(mut reader: Reader<'_>) -> Result<TableMod, DecodeError> {
        let table_id = TableId(reader.u8("table_mod.table_id")?);
        reader.skip(3, "table_mod.pad")?;
        let config = reader.u32("table_mod.config")?;
        reader.finish("table_mod")?;
        Ok(TableMod { table_id, config })
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        out.put_u8(self.table_id.0);
        wire::put_zeros(out, 3);
        out.put_u32(self.config);
    }
}

impl ExperimenterMessage {
    pub(crate) fn parse(mut reader: Reader<'_>) -> Result<ExperimenterMessage, DecodeError> {
        let experimenter = reader.u32("experimenter.experimenter")?;
        let exp_type = reader.u32("experimenter.exp_type")?;
        Ok(ExperimenterMessage { experimenter, exp_type, body: reader.into_bytes() })
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        out.put_u32(self.experimenter);
        out.put_u32(self.exp_type);
        out.put_slice(&self.body);
    }
}
