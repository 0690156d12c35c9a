//! The entries of multipart answers and the arguments of multipart questions (OpenFlow 1.3.5 §7.3.5.1 to §7.3.5.14).

use bytes::{BufMut, BytesMut};
use net::{DecodeError, PortNo};

use super::flow_entries::FlowStatsEntry;
use crate::flow::FlowModFlags;
use crate::flow_match::Match;
use crate::group::{Bucket, GroupType};
use crate::identifier::{GroupId, MeterId, QueueId, TableId};
use crate::instruction::Instruction;
use crate::meter::{MeterBand, MeterFlags};
use crate::number::numbers;
use crate::text::FixedText;
use crate::wire::{self, Block, Reader};

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
pub struct PortStats {
    /// Which port.
    pub port_no: PortNo,
    /// Packets received.
    pub rx_packets: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Octets received.
    pub rx_bytes: u64,
    /// Octets sent.
    pub tx_bytes: u64,
    /// Packets dropped on receipt.
    pub rx_dropped: u64,
    /// Packets dropped instead of sent.
    pub tx_dropped: u64,
    /// Receive errors: at least the sum of the three kinds below.
    pub rx_errors: u64,
    /// Send errors.
    pub tx_errors: u64,
    /// Frame alignment errors.
    pub rx_frame_err: u64,
    /// Packets lost by overrun.
    pub rx_over_err: u64,
    /// Checksum errors.
    pub rx_crc_err: u64,
    /// Collisions.
    pub collisions: u64,
    /// Whole seconds that it has been up.
    pub duration_sec: u32,
    /// Nanoseconds beyond them.
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

/// Octets of a description but the serial number.
const DESC_STR_LEN: usize = 256;
/// Octets of a serial number.
const SERIAL_NUM_LEN: usize = 32;

impl SwitchDesc {
    pub(crate) fn parse(mut reader: Reader<'_>) -> Result<SwitchDesc, DecodeError> {
        let mut text = |size, field| reader.bytes(size, field).map(FixedText::from_octets);
        let desc = SwitchDesc {
            mfr_desc: text(DESC_STR_LEN, "desc.mfr_desc")?,
            hw_desc: text(DESC_STR_LEN, "desc.hw_desc")?,
            sw_desc: text(DESC_STR_LEN, "desc.sw_desc")?,
            serial_num: text(SERIAL_NUM_LEN, "desc.serial_num")?,
            dp_desc: text(DESC_STR_LEN, "desc.dp_desc")?,
        };
        reader.finish("desc")?;
        Ok(desc)
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        wire::put_text(out, self.mfr_desc.as_octets(), DESC_STR_LEN);
        wire::put_text(out, self.hw_desc.as_octets(), DESC_STR_LEN);
        wire::put_text(out, self.sw_desc.as_octets(), DESC_STR_LEN);
        wire::put_text(out, self.serial_num.as_octets(), SERIAL_NUM_LEN);
        wire::put_text(out, self.dp_desc.as_octets(), DESC_STR_LEN);
    }
}

impl FlowStatsRequest {
    pub(crate) fn parse(mut reader: Reader<'_>) -> Result<FlowStatsRequest, DecodeError> {
        let table_id = TableId(reader.u8("flow_stats_request.table_id")?);
        reader.skip(3, "flow_stats_request.pad")?;
        let out_port = PortNo(reader.u32("flow_stats_request.out_port")?);
        let out_group = GroupId(reader.u32("flow_stats_request.out_group")?);
        reader.skip(4, "flow_stats_request.pad2")?;
        let cookie = reader.u64("flow_stats_request.cookie")?;
        let cookie_mask = reader.u64("flow_stats_request.cookie_mask")?;
        let match_ = Match::parse(&mut reader)?;
        reader.finish("flow_stats_request")?;
        Ok(FlowStatsRequest { table_id, out_port, out_group, cookie, cookie_mask, match_ })
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        out.put_u8(self.table_id.0);
        wire::put_zeros(out, 3);
        out.put_u32(self.out_port.0);
        out.put_u32(self.out_group.0);
        wire::put_zeros(out, 4);
        out.put_u64(self.cookie);
        out.put_u64(self.cookie_mask);
        self.match_.encode(out);
    }
}

/// Octets of a flow's entry with an empty match and no instructions.
const MIN_FLOW_STATS_LEN: usize = 56;

impl FlowStats {
    /// Entries up to the end of the message, of which there can be many: room for all is made at once.
    pub(crate) fn parse_list(mut reader: Reader<'_>) -> Result<Vec<FlowStats>, DecodeError> {
        let mut flows = Vec::with_capacity(wire::count_elements(reader.as_slice(), 0, MIN_FLOW_STATS_LEN));
        while !reader.is_empty() {
            flows.push(FlowStatsEntry::parse(&mut reader)?.to_stats()?);
        }
        Ok(flows)
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        let start = out.len();
        Block::<48>::new()
            .zeros(2)
            .u8(self.table_id.0)
            .zeros(1)
            .u32(self.duration_sec)
            .u32(self.duration_nsec)
            .u16(self.priority)
            .u16(self.idle_timeout)
            .u16(self.hard_timeout)
            .u16(self.flags.0)
            .zeros(4)
            .u64(self.cookie)
            .u64(self.packet_count)
            .u64(self.byte_count)
            .put(out);
        self.match_.encode(out);
        Instruction::encode_list(&self.instructions, out);
        wire::patch_length(out, start, 0);
    }
}

impl AggregateStats {
    pub(crate) fn parse(mut reader: Reader<'_>) -> Result<AggregateStats, DecodeError> {
        let packet_count = reader.u64("aggregate_stats.packet_count")?;
        let byte_count = reader.u64("aggregate_stats.byte_count")?;
        let flow_count = reader.u32("aggregate_stats.flow_count")?;
        reader.skip(4, "aggregate_stats.pad")?;
        reader.finish("aggregate_stats")?;
        Ok(AggregateStats { packet_count, byte_count, flow_count })
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        out.put_u64(self.packet_count);
        out.put_u64(self.byte_count);
        out.put_u32(self.flow_count);
        wire::put_zeros(out, 4);
    }
}

impl TableStats {
    pub(crate) fn parse(reader: &mut Reader<'_>) -> Result<TableStats, DecodeError> {
        let table_id = TableId(reader.u8("table_stats.table_id")?);
        reader.skip(3, "table_stats.pad")?;
        Ok(TableStats {
            table_id,
            active_count: reader.u32("table_stats.active_count")?,
            lookup_count: reader.u64("table_stats.lookup_count")?,
            matched_count: reader.u64("table_stats.matched_count")?,
        })
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        out.put_u8(self.table_id.0);
        wire::put_zeros(out, 3);
        out.put_u32(self.active_count);
        out.put_u64(self.lookup_count);
        out.put_u64(self.matched_count);
    }
}

impl PortStats {
    pub(crate) fn parse(reader: &mut Reader<'_>) -> Result<PortStats, DecodeError> {
        let port_no = PortNo(reader.u32("port_stats.port_no")?);
        reader.skip(4, "port_stats.pad")?;
        Ok(PortStats {
            port_no,
            rx_packets: reader.u64("port_stats.rx_packets")?,
            tx_packets: reader.u64("port_stats.tx_packets")?,
            rx_bytes: reader.u64("port_stats.rx_bytes")?,
            tx_bytes: reader.u64("port_stats.tx_bytes")?,
            rx_dropped: reader.u64("port_stats.rx_dropped")?,
            tx_dropped: reader.u64("port_stats.tx_dropped")?,
            rx_errors: reader.u64("port_stats.rx_errors")?,
            tx_errors: reader.u64("port_stats.tx_errors")?,
            rx_frame_err: reader.u64("port_stats.rx_frame_err")?,
            rx_over_err: reader.u64("port_stats.rx_over_err")?,
            rx_crc_err: reader.u64("port_stats.rx_crc_err")?,
            collisions: reader.u64("port_stats.collisions")?,
            duration_sec: reader.u32("port_stats.duration_sec")?,
            duration_nsec: reader.u32("port_stats.duration_nsec")?,
        })
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        out.put_u32(self.port_no.0);
        wire::put_zeros(out, 4);
        out.put_u64(self.rx_packets);
        out.put_u64(self.tx_packets);
        out.put_u64(self.rx_bytes);
        out.put_u64(self.tx_bytes);
        out.put_u64(self.rx_dropped);
        out.put_u64(self.tx_dropped);
        out.put_u64(self.rx_errors);
        out.put_u64(self.tx_errors);
        out.put_u64(self.rx_frame_err);
        out.put_u64(self.rx_over_err);
        out.put_u64(self.rx_crc_err);
        out.put_u64(self.collisions);
        out.put_u32(self.duration_sec);
        out.put_u32(self.duration_nsec);
    }
}

impl QueueStatsRequest {
    pub(crate) fn parse(mut reader: Reader<'_>) -> Result<QueueStatsRequest, DecodeError> {
        let port_no = PortNo(reader.u32("queue_stats_request.port_no")?);
        let queue_id = QueueId(reader.u32("queue_stats_request.queue_id")?);
        reader.finish("queue_stats_request")?;
        Ok(QueueStatsRequest { port_no, queue_id })
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        out.put_u32(self.port_no.0);
        out.put_u32(self.queue_id.0);
    }
}

impl QueueStats {
    pub(crate) fn parse(reader: &mut Reader<'_>) -> Result<QueueStats, DecodeError> {
        Ok(QueueStats {
            port_no: PortNo(reader.u32("queue_stats.port_no")?),
            queue_id: QueueId(reader.u32("queue_stats.queue_id")?),
            tx_bytes: reader.u64("queue_stats.tx_bytes")?,
            tx_packets: reader.u64("queue_stats.tx_packets")?,
            tx_errors: reader.u64("queue_stats.tx_errors")?,
            duration_sec: reader.u32("queue_stats.duration_sec")?,
            duration_nsec: reader.u32("queue_stats.duration_nsec")?,
        })
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        out.put_u32(self.port_no.0);
        out.put_u32(self.queue_id.0);
        out.put_u64(self.tx_bytes);
        out.put_u64(self.tx_packets);
        out.put_u64(self.tx_errors);
        out.put_u32(self.duration_sec);
        out.put_u32(self.duration_nsec);
    }
}

impl GroupStats {
    pub(crate) fn parse(reader: &mut Reader<'_>) -> Result<GroupStats, DecodeError> {
        let length = reader.u16("group_stats.length")?;
        let mut body = reader.body(length, 2, "group_stats.length")?;
        body.skip(2, "group_stats.pad")?;
        let group_id = GroupId(body.u32("group_stats.group_id")?);
        let ref_count = body.u32("group_stats.ref_count")?;
        body.skip(4, "group_stats.pad2")?;
        let packet_count = body.u64("group_stats.packet_count")?;
        let byte_count = body.u64("group_stats.byte_count")?;
        let duration_sec = body.u32("group_stats.duration_sec")?;
        let duration_nsec = body.u32("group_stats.duration_nsec")?;
        let mut bucket_stats = Vec::new();
        while !body.is_empty() {
            bucket_stats.push(BucketCounter {
                packet_count: body.u64("bucket_counter.packet_count")?,
                byte_count: body.u64("bucket_counter.byte_count")?,
            });
        }
        Ok(GroupStats { group_id, ref_count, packet_count, byte_count, duration_sec, duration_nsec, bucket_stats })
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        let start = out.len();
        wire::put_zeros(out, 4);
        out.put_u32(self.group_id.0);
        out.put_u32(self.ref_count);
        wire::put_zeros(out, 4);
        out.put_u64(self.packet_count);
        out.put_u64(self.byte_count);
        out.put_u32(self.duration_sec);
        out.put_u32(self.duration_nsec);
        for counter in &self.bucket_stats {
            out.put_u64(counter.packet_count);
            out.put_u64(counter.byte_count);
        }
        wire::patch_length(out, start, 0);
    }
}

impl GroupDesc {
    pub(crate) fn parse(reader: &mut Reader<'_>) -> Result<GroupDesc, DecodeError> {
        let length = reader.u16("group_desc.length")?;
        let mut body = reader.body(length, 2, "group_desc.length")?;
        let group_type = GroupType(body.u8("group_desc.type")?);
        body.skip(1, "group_desc.pad")?;
        let group_id = GroupId(body.u32("group_desc.group_id")?);
        Ok(GroupDesc { group_type, group_id, buckets: Bucket::parse_list(body)? })
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        let start = out.len();
        out.put_u16(0);
        out.put_u8(self.group_type.0);
        wire::put_zeros(out, 1);
        out.put_u32(self.group_id.0);
        Bucket::encode_list(&self.buckets, out);
        wire::patch_length(out, start, 0);
    }
}

impl GroupFeatures {
    pub(crate) fn parse(mut reader: Reader<'_>) -> Result<GroupFeatures, DecodeError> {
        let mut features = GroupFeatures {
            types: reader.u32("group_features.types")?,
            capabilities: GroupCapabilities(reader.u32("group_features.capabilities")?),
            ..GroupFeatures::default()
        };
        for number in &mut features.max_groups {
            *number = reader.u32("group_features.max_groups")?;
        }
        for actions in &mut features.actions {
            *actions = reader.u32("group_features.actions")?;
        }
        reader.finish("group_features")?;
        Ok(features)
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        out.put_u32(self.types);
        out.put_u32(self.capabilities.0);
        for number in self.max_groups.iter().chain(&self.actions) {
            out.put_u32(*number);
        }
    }
}

impl MeterStats {
    pub(crate) fn parse(reader: &mut Reader<'_>) -> Result<MeterStats, DecodeError> {
        let meter_id = MeterId(reader.u32("meter_stats.meter_id")?);
        // The length counts the meter id, too.
        let length = reader.u16("meter_stats.len")?;
        let mut body = reader.body(length, 6, "meter_stats.len")?;
        body.skip(6, "meter_stats.pad")?;
        let flow_count = body.u32("meter_stats.flow_count")?;
        let packet_in_count = body.u64("meter_stats.packet_in_count")?;
        let byte_in_count = body.u64("meter_stats.byte_in_count")?;
        let duration_sec = body.u32("meter_stats.duration_sec")?;
        let duration_nsec = body.u32("meter_stats.duration_nsec")?;
        let mut band_stats = Vec::new();
        while !body.is_empty() {
            band_stats.push(MeterBandStats {
                packet_band_count: body.u64("meter_band_stats.packet_band_count")?,
                byte_band_count: body.u64("meter_band_stats.byte_band_count")?,
            });
        }
        Ok(MeterStats { meter_id, flow_count, packet_in_count, byte_in_count, duration_sec, duration_nsec, band_stats })
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        let start = out.len();
        out.put_u32(self.meter_id.0);
        wire::put_zeros(out, 8);
        out.put_u32(self.flow_count);
        out.put_u64(self.packet_in_count);
        out.put_u64(self.byte_in_count);
        out.put_u32(self.duration_sec);
        out.put_u32(self.duration_nsec);
        for stats in &self.band_stats {
            out.put_u64(stats.packet_band_count);
            out.put_u64(stats.byte_band_count);
        }
        wire::patch_length(out, start, 4);
    }
}

impl MeterConfig {
    pub(crate) fn parse(reader: &mut Reader<'_>) -> Result<MeterConfig, DecodeError> {
        let length = reader.u16("meter_config.length")?;
        let mut body = reader.body(length, 2, "meter_config.length")?;
        let flags = MeterFlags(body.u16("meter_config.flags")?);
        let meter_id = MeterId(body.u32("meter_config.meter_id")?);
        Ok(MeterConfig { flags, meter_id, bands: MeterBand::parse_list(body)? })
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        let start = out.len();
        out.put_u16(0);
        out.put_u16(self.flags.0);
        out.put_u32(self.meter_id.0);
        MeterBand::encode_list(&self.bands, out);
        wire::patch_length(out, start, 0);
    }
}

impl MeterFeatures {
    pub(crate) fn parse(mut reader: Reader<'_>) -> Result<MeterFeatures, DecodeError> {
        let features = MeterFeatures {
            max_meter: reader.u32("meter_features.max_meter")?,
            band_types: reader.u32("meter_features.band_types")?,
            capabilities: reader.u32("meter_features.capabilities")?,
            max_bands: reader.u8("meter_features.max_bands")?,
            max_color: reader.u8("meter_features.max_color")?,
        };
        reader.skip(2, "meter_features.pad")?;
        reader.finish("meter_features")?;
        Ok(features)
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        out.put_u32(self.max_meter);
        out.put_u32(self.band_types);
        out.put_u32(self.capabilities);
        out.put_u8(self.max_bands);
        out.put_u8(self.max_color);
        wire::put_zeros(out, 2);
    }
}
