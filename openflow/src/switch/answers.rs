//! Answers to MULTIPART_REQUEST (OpenFlow 1.3.5 §7.3.5). Long ones come in parts.

use super::check;
use super::features;
use super::flow_match::FlowMatch;
use super::groups::{Group, MAX_GROUPS};
use super::meters::{MAX_BANDS, MAX_METERS, Meter};
use super::switch::{Switch, SwitchConfig};
use super::tables::{FlowEntry, FlowFilter};
use crate::error::ErrorCode;
use crate::group::Bucket;
use crate::identifier::{GroupId, MeterId, QueueId, TableId};
use crate::instruction::Instruction;
use crate::message::Message;
use crate::meter::MeterFlags;
use crate::multipart::{
    AggregateStats, BucketCounter, FlowStats, FlowStatsRequest, GroupCapabilities, GroupDesc, GroupFeatures,
    GroupStats, MeterBandStats, MeterConfig, MeterFeatures, MeterStats, MultipartReply, MultipartReplyBody,
    MultipartRequest, MultipartRequestBody, MultipartRequestFlags, SwitchDesc, TableStats,
};
use crate::text::FixedText;
use net::{PortNo, Time};
use std::collections::BTreeMap;

/// Octets of entries in one part of a reply, at most, by a count that is rather too high than too low. A message ends at 65,535.
const PART_LEN: usize = 60_000;

impl Switch {
    pub(super) fn multipart(&mut self, xid: u32, request: &MultipartRequest, now: Time) -> Result<(), ErrorCode> {
        if request.flags.contains(MultipartRequestFlags::MORE) {
            // Questions that are longer than a message don't exist here: nothing is collected.
            return Err(ErrorCode::REQUEST_MULTIPART_BUFFER_OVERFLOW);
        }
        match &request.body {
            MultipartRequestBody::Desc => self.part(xid, MultipartReplyBody::Desc(self.desc()), false),
            MultipartRequestBody::Flow(request) => {
                let flows = self.flow_stats(request, now)?;
                self.parts(xid, flows, flow_len, MultipartReplyBody::Flow);
            }
            MultipartRequestBody::Aggregate(request) => {
                let sums = self.aggregate(request)?;
                self.part(xid, MultipartReplyBody::Aggregate(sums), false);
            }
            MultipartRequestBody::Table => {
                let tables = (0..self.config.n_tables).map(|table| self.table_stats(TableId(table))).collect();
                self.parts(xid, tables, |_| 24, MultipartReplyBody::Table);
            }
            MultipartRequestBody::PortStats(port_no) => {
                // Of a port that isn't there Open vSwitch says nothing.
                let ports = self.ports.iter().filter(|record| [PortNo::ANY, record.port.port_no].contains(port_no));
                let ports = ports.map(|record| record.stats(now)).collect();
                self.parts(xid, ports, |_| 112, MultipartReplyBody::PortStats);
            }
            MultipartRequestBody::Queue(request) => {
                if request.port_no != PortNo::ANY && self.ports.get(request.port_no).is_none() {
                    return Err(ErrorCode::QUEUE_OP_BAD_PORT);
                }
                if request.queue_id != QueueId::ALL {
                    return Err(ErrorCode::QUEUE_OP_BAD_QUEUE);
                }
                self.part(xid, MultipartReplyBody::Queue(Vec::new()), false);
            }
            MultipartRequestBody::Group(group_id) => {
                let groups = self.group_stats(*group_id, now);
                self.parts(xid, groups, |stats| 40 + 16 * stats.bucket_stats.len(), MultipartReplyBody::Group);
            }
            MultipartRequestBody::GroupDesc => {
                let groups = self.groups.iter().map(|(group_id, group)| group_desc(group_id, group)).collect();
                self.parts(xid, groups, group_len, MultipartReplyBody::GroupDesc);
            }
            MultipartRequestBody::GroupFeatures => {
                self.part(xid, MultipartReplyBody::GroupFeatures(group_features()), false);
            }
            MultipartRequestBody::Meter(meter_id) => {
                let meters =
                    self.each_meter(*meter_id, |meter_id, meter, flows| meter_stats(meter_id, meter, flows, now))?;
                self.parts(xid, meters, |stats| 40 + 16 * stats.band_stats.len(), MultipartReplyBody::Meter);
            }
            MultipartRequestBody::MeterConfig(meter_id) => {
                let meters = self.each_meter(*meter_id, |meter_id, meter, _| MeterConfig {
                    flags: meter.flags,
                    meter_id,
                    bands: meter.bands.iter().map(|state| state.band.clone()).collect(),
                })?;
                self.parts(xid, meters, |config| 8 + 16 * config.bands.len(), MultipartReplyBody::MeterConfig);
            }
            MultipartRequestBody::MeterFeatures => {
                self.part(xid, MultipartReplyBody::MeterFeatures(meter_features()), false);
            }
            MultipartRequestBody::TableFeatures(wanted) => {
                if !wanted.is_empty() {
                    return Err(ErrorCode::TABLE_FEATURES_EPERM);
                }
                let SwitchConfig { n_tables, max_flows, .. } = self.config;
                let tables = (0..n_tables).map(|table| features::of_table(table, n_tables, max_flows)).collect();
                self.parts(xid, tables, features::entry_len, MultipartReplyBody::TableFeatures);
            }
            MultipartRequestBody::PortDesc => {
                let ports = self.ports.iter().map(|record| record.port.clone()).collect();
                self.parts(xid, ports, |_| 64, MultipartReplyBody::PortDesc);
            }
            MultipartRequestBody::Experimenter(_) => return Err(ErrorCode::REQUEST_BAD_EXPERIMENTER),
            MultipartRequestBody::Unknown { .. } => return Err(ErrorCode::REQUEST_BAD_MULTIPART),
        }
        Ok(())
    }

    fn part(&mut self, xid: u32, body: MultipartReplyBody, more: bool) {
        self.reply(xid, Message::MultipartReply(MultipartReply { more, body }));
    }

    /// Entries in as many parts as they need; an empty answer is one part.
    fn parts<T>(
        &mut self,
        xid: u32,
        entries: Vec<T>,
        len: impl Fn(&T) -> usize,
        body: fn(Vec<T>) -> MultipartReplyBody,
    ) {
        let mut part = Vec::new();
        let mut used = 0;
        for entry in entries {
            let len = len(&entry);
            if used + len > PART_LEN && !part.is_empty() {
                self.part(xid, body(std::mem::take(&mut part)), true);
                used = 0;
            }
            used += len;
            part.push(entry);
        }
        self.part(xid, body(part), false);
    }

    fn desc(&self) -> SwitchDesc {
        SwitchDesc {
            mfr_desc: FixedText::from("Trunkline"),
            hw_desc: FixedText::from("Software switch"),
            sw_desc: FixedText::from(env!("CARGO_PKG_VERSION")),
            serial_num: FixedText::from("None"),
            // 255 octets and a NUL: what the field has room for.
            dp_desc: FixedText::from_octets(self.config.name.bytes().take(255).collect()),
        }
    }

    fn filter(&self, request: &FlowStatsRequest) -> Result<FlowFilter, ErrorCode> {
        let flow_match = FlowMatch::compile_with(&request.match_, &self.options)?;
        // Open vSwitch has one table more than it says, where it keeps flows of its own; this switch has nothing there.
        let tables =
            if self.config.n_tables == check::ALL_TABLES { check::ALL_TABLES + 1 } else { self.config.n_tables };
        if request.table_id != TableId::ALL && request.table_id.0 >= tables {
            return Err(ErrorCode::REQUEST_BAD_TABLE_ID);
        }
        Ok(FlowFilter::of_request(request, flow_match))
    }

    fn flow_stats(&self, request: &FlowStatsRequest, now: Time) -> Result<Vec<FlowStats>, ErrorCode> {
        let filter = self.filter(request)?;
        let flows = self.tables.iter().map(|(_, flow)| flow).filter(|flow| filter.selects(flow));
        Ok(flows.map(|flow| stats_of(flow, now)).collect())
    }

    fn aggregate(&self, request: &FlowStatsRequest) -> Result<AggregateStats, ErrorCode> {
        let filter = self.filter(request)?;
        let mut sums = AggregateStats::default();
        for (_, flow) in self.tables.iter().filter(|(_, flow)| filter.selects(flow)) {
            sums.packet_count += flow.packet_count;
            sums.byte_count += flow.byte_count;
            sums.flow_count += 1;
        }
        Ok(sums)
    }

    fn table_stats(&self, table_id: TableId) -> TableStats {
        let (lookup_count, matched_count) = self.tables.lookups(table_id);
        TableStats { table_id, active_count: self.tables.len(table_id) as u32, lookup_count, matched_count }
    }

    fn group_stats(&self, wanted: GroupId, now: Time) -> Vec<GroupStats> {
        let mut references: BTreeMap<GroupId, u32> = BTreeMap::new();
        for (_, flow) in self.tables.iter() {
            for group_id in flow.groups() {
                *references.entry(group_id).or_default() += 1;
            }
        }
        let groups = self.groups.iter().filter(|(group_id, _)| [GroupId::ALL, *group_id].contains(&wanted));
        let stats = |(group_id, group): (GroupId, &Group)| {
            let age = now.since(group.created);
            GroupStats {
                group_id,
                ref_count: references.get(&group_id).copied().unwrap_or(0),
                packet_count: group.packet_count,
                byte_count: group.byte_count,
                duration_sec: super::seconds(age),
                duration_nsec: age.subsec_nanos(),
                bucket_stats: group
                    .buckets
                    .iter()
                    .map(|state| BucketCounter { packet_count: state.packet_count, byte_count: state.byte_count })
                    .collect(),
            }
        };
        groups.map(stats).collect()
    }

    /// One meter, or all; with the number of flows that use each.
    fn each_meter<T>(&self, wanted: MeterId, entry: impl Fn(MeterId, &Meter, u32) -> T) -> Result<Vec<T>, ErrorCode> {
        if wanted != MeterId::ALL && self.meters.get(wanted).is_none() {
            return Err(ErrorCode::METER_MOD_UNKNOWN_METER);
        }
        let mut users: BTreeMap<MeterId, u32> = BTreeMap::new();
        for instruction in self.tables.iter().flat_map(|(_, flow)| &flow.instructions) {
            if let Instruction::Meter(meter_id) = instruction {
                *users.entry(*meter_id).or_default() += 1;
            }
        }
        let meters = self.meters.iter().filter(|(meter_id, _)| [MeterId::ALL, *meter_id].contains(&wanted));
        let entries =
            meters.map(|(meter_id, meter)| entry(meter_id, meter, users.get(&meter_id).copied().unwrap_or(0)));
        Ok(entries.collect())
    }
}

fn stats_of(flow: &FlowEntry, now: Time) -> FlowStats {
    let age = now.since(flow.created);
    FlowStats {
        table_id: flow.table_id,
        duration_sec: super::seconds(age),
        duration_nsec: age.subsec_nanos(),
        priority: flow.priority,
        idle_timeout: flow.idle_timeout,
        hard_timeout: flow.hard_timeout,
        flags: flow.flags,
        cookie: flow.cookie,
        packet_count: flow.packet_count,
        byte_count: flow.byte_count,
        match_: flow.match_.clone(),
        instructions: flow.instructions.clone(),
    }
}

fn group_desc(group_id: GroupId, group: &Group) -> GroupDesc {
    let buckets = group.buckets.iter().map(|state| state.bucket.clone()).collect();
    GroupDesc { group_type: group.group_type, group_id, buckets }
}

fn group_features() -> GroupFeatures {
    // Output, set and decrement the TTL of MPLS, push and pop VLAN and MPLS, set-queue, group, set and decrement TTL, set-field: the
    // bits are the action types.
    let actions =
        [0, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25].iter().fold(0, |bits, action| bits | (1u32 << action));
    GroupFeatures {
        types: 0b1111,
        capabilities: GroupCapabilities::SELECT_WEIGHT
            | GroupCapabilities::SELECT_LIVENESS
            | GroupCapabilities::CHAINING,
        max_groups: [MAX_GROUPS as u32; 4],
        actions: [actions; 4],
    }
}

fn meter_features() -> MeterFeatures {
    MeterFeatures {
        max_meter: MAX_METERS as u32,
        band_types: 1 << 1,
        capabilities: u32::from(MeterFlags::KNOWN.0),
        max_bands: MAX_BANDS as u8,
        max_color: 0,
    }
}

fn meter_stats(meter_id: MeterId, meter: &Meter, flow_count: u32, now: Time) -> MeterStats {
    let age = now.since(meter.created);
    let bands = meter.bands.iter();
    MeterStats {
        meter_id,
        flow_count,
        packet_in_count: meter.packet_in_count,
        byte_in_count: meter.byte_in_count,
        duration_sec: super::seconds(age),
        duration_nsec: age.subsec_nanos(),
        band_stats: bands
            .map(|band| MeterBandStats { packet_band_count: band.packet_count, byte_band_count: band.byte_count })
            .collect(),
    }
}

fn flow_len(flow: &FlowStats) -> usize {
    let instructions = flow.instructions.iter().map(|instruction| match instruction {
        Instruction::ApplyActions(actions) | Instruction::WriteActions(actions) => {
            8 + actions.iter().map(check::action_len).sum::<usize>()
        }
        _ => 24,
    });
    64 + flow.match_.as_tlvs().len() + instructions.sum::<usize>()
}

fn group_len(group: &GroupDesc) -> usize {
    let bucket = |bucket: &Bucket| 16 + bucket.actions.iter().map(check::action_len).sum::<usize>();
    8 + group.buckets.iter().map(bucket).sum::<usize>()
}
