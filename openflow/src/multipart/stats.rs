//! The entries of multipart answers and the arguments of multipart questions (OpenFlow 1.3.5 §7.3.5.1 to §7.3.5.14).

use net::PortNo;

use crate::flow::FlowModFlags;
use crate::flow_match::Match;
use crate::group::{Bucket, GroupType};
use crate::identifier::{GroupId, MeterId, QueueId, TableId};
use crate::instruction::Instruction;
use crate::meter::{MeterBand, MeterFlags};
use crate::number::numbers;
use crate::text::FixedText;

numbers! {
    /// What groups can do (OpenFlow 1.3.5 §7.3.5.11, `ofp_group_capabilities`).
    bits GroupCapabilities(u32) {
        SELECT_WEIGHT = 1, "OFPGFC_SELECT_WEIGHT";
        SELECT_LIVENESS = 1 << 1, "OFPGFC_SELECT_LIVENESS";
        CHAINING = 1 << 2, "OFPGFC_CHAINING";
        CHAINING_CHECKS = 1 << 3, "OFPGFC_CHAINING_CHECKS";
    }
}

/// What the switch is (OpenFlow 1.3.5 §7.3.5.1, `ofp_desc`).
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct SwitchDesc {
    /// Who made it, at most 255 octets.
    pub mfr_desc: FixedText,
    /// The hardware, at most 255 octets.
    pub hw_desc: FixedText,
    /// The software, at most 255 octets.
    pub sw_desc: FixedText,
    /// The serial number, at most 31 octets.
    pub serial_num: FixedText,
    /// The datapath, at most 255 octets.
    pub dp_desc: FixedText,
}

/// Which flows (OpenFlow 1.3.5 §7.3.5.2, §7.3.5.3, `ofp_flow_stats_request`, `ofp_aggregate_stats_request`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct FlowStatsRequest {
    /// Of which table; ALL for every one.
    pub table_id: TableId,
    /// With an output to this port; ANY for all.
    pub out_port: PortNo,
    /// With this group; ANY for all.
    pub out_group: GroupId,
    /// With a cookie that has the bits of the mask as this has them.
    pub cookie: u64,
    /// Which bits of the cookie; 0 for all flows.
    pub cookie_mask: u64,
    /// Covered by this match.
    #[cfg_attr(feature = "serde", serde(rename = "match"))]
    pub match_: Match,
}

impl Default for FlowStatsRequest {
    /// All flows of all tables.
    fn default() -> FlowStatsRequest {
        FlowStatsRequest {
            table_id: TableId::ALL,
            out_port: PortNo::ANY,
            out_group: GroupId::ANY,
            cookie: 0,
            cookie_mask: 0,
            match_: Match::default(),
        }
    }
}

/// A flow and its counters (OpenFlow 1.3.5 §7.3.5.2, `ofp_flow_stats`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct FlowStats {
    /// The table it is in.
    pub table_id: TableId,
    /// Whole seconds that it has lived.
    pub duration_sec: u32,
    /// Nanoseconds beyond them.
    pub duration_nsec: u32,
    /// Its priority.
    pub priority: u16,
    /// Its idle timeout in seconds.
    pub idle_timeout: u16,
    /// Its hard timeout in seconds.
    pub hard_timeout: u16,
    /// Its flags.
    pub flags: FlowModFlags,
    /// Its cookie.
    pub cookie: u64,
    /// Packets that it matched.
    pub packet_count: u64,
    /// Octets in those packets.
    pub byte_count: u64,
    /// Its match.
    #[cfg_attr(feature = "serde", serde(rename = "match"))]
    pub match_: Match,
    /// Its instructions.
    pub instructions: Vec<Instruction>,
}

/// Sums over flows (OpenFlow 1.3.5 §7.3.5.3, `ofp_aggregate_stats_reply`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct AggregateStats {
    /// Packets.
    pub packet_count: u64,
    /// Octets.
    pub byte_count: u64,
    /// Flows.
    pub flow_count: u32,
}

/// Counters of a table (OpenFlow 1.3.5 §7.3.5.4, `ofp_table_stats`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct TableStats {
    /// Which table.
    pub table_id: TableId,
    /// Flows in it.
    pub active_count: u32,
    /// Packets looked up in it.
    pub lookup_count: u64,
    /// Packets that hit a flow.
    pub matched_count: u64,
}

/// Counters of a port (OpenFlow 1.3.5 §7.3.5.6, `ofp_port_stats`). All ones: the port doesn't count this.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[expect(
    missing_docs,
    reason = "the counters are named as in the specification and in every switch's own documentation"
)]
pub struct PortStats {
    pub port_no: PortNo,
    pub rx_packets: u64,
    pub tx_packets: u64,
    pub rx_bytes: u64,
    pub tx_bytes: u64,
    pub rx_dropped: u64,
    pub tx_dropped: u64,
    pub rx_errors: u64,
    pub tx_errors: u64,
    pub rx_frame_err: u64,
    pub rx_over_err: u64,
    pub rx_crc_err: u64,
    pub collisions: u64,
    pub duration_sec: u32,
    pub duration_nsec: u32,
}

/// Which queues (OpenFlow 1.3.5 §7.3.5.8, `ofp_queue_stats_request`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct QueueStatsRequest {
    /// Of which port; ANY for all.
    pub port_no: PortNo,
    /// Which queue; ALL for all.
    pub queue_id: QueueId,
}

/// Counters of a queue (OpenFlow 1.3.5 §7.3.5.8, `ofp_queue_stats`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct QueueStats {
    /// Of which port.
    pub port_no: PortNo,
    /// Which queue.
    pub queue_id: QueueId,
    /// Octets sent.
    pub tx_bytes: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Packets dropped because the queue was full.
    pub tx_errors: u64,
    /// Whole seconds that it has lived.
    pub duration_sec: u32,
    /// Nanoseconds beyond them.
    pub duration_nsec: u32,
}

/// Counters of a group (OpenFlow 1.3.5 §7.3.5.9, `ofp_group_stats`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct GroupStats {
    /// Which group.
    pub group_id: GroupId,
    /// Flows and groups that use it.
    pub ref_count: u32,
    /// Packets that it processed.
    pub packet_count: u64,
    /// Octets in those packets.
    pub byte_count: u64,
    /// Whole seconds that it has lived.
    pub duration_sec: u32,
    /// Nanoseconds beyond them.
    pub duration_nsec: u32,
    /// Counters of its buckets.
    pub bucket_stats: Vec<BucketCounter>,
}

/// Counters of a bucket (OpenFlow 1.3.5 §7.3.5.9, `ofp_bucket_counter`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct BucketCounter {
    /// Packets that it processed.
    pub packet_count: u64,
    /// Octets in those packets.
    pub byte_count: u64,
}

/// A group (OpenFlow 1.3.5 §7.3.5.10, `ofp_group_desc`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct GroupDesc {
    /// How it uses its buckets.
    #[cfg_attr(feature = "serde", serde(rename = "type"))]
    pub group_type: GroupType,
    /// Which group.
    pub group_id: GroupId,
    /// Its buckets.
    pub buckets: Vec<Bucket>,
}

/// What groups can do (OpenFlow 1.3.5 §7.3.5.11, `ofp_group_features`). The arrays go by group type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct GroupFeatures {
    /// Bit `n`: groups of type `n` are there.
    pub types: u32,
    /// What they can do.
    pub capabilities: GroupCapabilities,
    /// How many of each type.
    pub max_groups: [u32; 4],
    /// For each type, bit `n`: actions of type `n` are there.
    pub actions: [u32; 4],
}

/// Counters of a meter (OpenFlow 1.3.5 §7.3.5.12, `ofp_meter_stats`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct MeterStats {
    /// Which meter.
    pub meter_id: MeterId,
    /// Flows that use it.
    pub flow_count: u32,
    /// Packets that went in.
    pub packet_in_count: u64,
    /// Octets that went in.
    pub byte_in_count: u64,
    /// Whole seconds that it has lived.
    pub duration_sec: u32,
    /// Nanoseconds beyond them.
    pub duration_nsec: u32,
    /// Counters of its bands.
    pub band_stats: Vec<MeterBandStats>,
}

/// Counters of a band (OpenFlow 1.3.5 §7.3.5.12, `ofp_meter_band_stats`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct MeterBandStats {
    /// Packets that it was applied to.
    pub packet_band_count: u64,
    /// Octets in those packets.
    pub byte_band_count: u64,
}

/// A meter (OpenFlow 1.3.5 §7.3.5.13, `ofp_meter_config`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct MeterConfig {
    /// Its flags.
    pub flags: MeterFlags,
    /// Which meter.
    pub meter_id: MeterId,
    /// Its bands.
    pub bands: Vec<MeterBand>,
}

/// What meters can do (OpenFlow 1.3.5 §7.3.5.14, `ofp_meter_features`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct MeterFeatures {
    /// How many meters.
    pub max_meter: u32,
    /// Bit `n`: bands of type `n` are there.
    pub band_types: u32,
    /// The flags that a meter can have.
    pub capabilities: u32,
    /// Bands of a meter.
    pub max_bands: u8,
    /// Colours.
    pub max_color: u8,
}
