//! MULTIPART_REQUEST and MULTIPART_REPLY (OpenFlow 1.3.5 §7.3.5).

mod flow_entries;
mod stats;
mod table;

use bytes::{BufMut, Bytes, BytesMut};
use net::{DecodeError, PortNo};

use crate::identifier::{GroupId, MeterId};
use crate::number::numbers;
use crate::port::Port;
use crate::wire::{self, Reader};

pub use flow_entries::{FlowStatsEntries, FlowStatsEntry};
pub use stats::{
    AggregateStats, BucketCounter, FlowStats, FlowStatsRequest, GroupCapabilities, GroupDesc, GroupFeatures,
    GroupStats, MeterBandStats, MeterConfig, MeterFeatures, MeterStats, PortStats, QueueStats, QueueStatsRequest,
    SwitchDesc, TableStats,
};
pub use table::{FeatureId, OxmId, TableFeatureProperty, TableFeaturePropertyType, TableFeatures};

numbers! {
    /// What a multipart message is about (OpenFlow 1.3.5 §7.3.5, `ofp_multipart_type`).
    values MultipartType(u16) {
        DESC = 0, "OFPMP_DESC";
        FLOW = 1, "OFPMP_FLOW";
        AGGREGATE = 2, "OFPMP_AGGREGATE";
        TABLE = 3, "OFPMP_TABLE";
        PORT_STATS = 4, "OFPMP_PORT_STATS";
        QUEUE = 5, "OFPMP_QUEUE";
        GROUP = 6, "OFPMP_GROUP";
        GROUP_DESC = 7, "OFPMP_GROUP_DESC";
        GROUP_FEATURES = 8, "OFPMP_GROUP_FEATURES";
        METER = 9, "OFPMP_METER";
        METER_CONFIG = 10, "OFPMP_METER_CONFIG";
        METER_FEATURES = 11, "OFPMP_METER_FEATURES";
        TABLE_FEATURES = 12, "OFPMP_TABLE_FEATURES";
        PORT_DESC = 13, "OFPMP_PORT_DESC";
        EXPERIMENTER = 0xffff, "OFPMP_EXPERIMENTER";
    }
}

numbers! {
    /// Flags of a request (OpenFlow 1.3.5 §7.3.5, `ofp_multipart_request_flags`).
    bits MultipartRequestFlags(u16) {
        MORE = 1, "OFPMPF_REQ_MORE";
    }
}

/// A question to the switch (OpenFlow 1.3.5 §7.3.5, `ofp_multipart_request`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct MultipartRequest {
    /// Whether more parts of the question follow.
    pub flags: MultipartRequestFlags,
    /// The question.
    pub body: MultipartRequestBody,
}

impl MultipartRequest {
    /// A question in one part.
    pub const fn new(body: MultipartRequestBody) -> MultipartRequest {
        MultipartRequest { flags: MultipartRequestFlags::NONE, body }
    }
}

/// The question of a multipart request (OpenFlow 1.3.5 §7.3.5).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum MultipartRequestBody {
    /// What is this switch?
    Desc,
    /// Which flows are there?
    Flow(FlowStatsRequest),
    /// How much do these flows count together?
    Aggregate(FlowStatsRequest),
    /// How full are the tables?
    Table,
    /// What does this port count? ANY for all.
    PortStats(PortNo),
    /// What do these queues count?
    Queue(QueueStatsRequest),
    /// What does this group count? ALL for all.
    Group(GroupId),
    /// Which groups are there?
    GroupDesc,
    /// What can groups do?
    GroupFeatures,
    /// What does this meter count? ALL for all.
    Meter(MeterId),
    /// How is this meter made? ALL for all.
    MeterConfig(MeterId),
    /// What can meters do?
    MeterFeatures,
    /// Without tables: what can tables do? With tables: make them so.
    TableFeatures(Vec<TableFeatures>),
    /// Which ports are there?
    PortDesc,
    /// An experimenter's question, as data.
    Experimenter(ExperimenterMultipart),
    /// A question of a type that the specification doesn't have, as data.
    Unknown {
        /// The type.
        multipart_type: MultipartType,
        /// What follows the multipart header.
        body: Bytes,
    },
}

/// An answer of the switch, or a part of it (OpenFlow 1.3.5 §7.3.5, `ofp_multipart_reply`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct MultipartReply {
    /// Whether more parts follow (`OFPMPF_REPLY_MORE`). The other 15 flags are reserved and written as zero.
    pub more: bool,
    /// The answer.
    pub body: MultipartReplyBody,
}

/// The answer of a multipart reply (OpenFlow 1.3.5 §7.3.5).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum MultipartReplyBody {
    /// What the switch is.
    Desc(SwitchDesc),
    /// Flows.
    Flow(Vec<FlowStats>),
    /// Sums over flows.
    Aggregate(AggregateStats),
    /// Tables.
    Table(Vec<TableStats>),
    /// Counters of ports.
    PortStats(Vec<PortStats>),
    /// Counters of queues.
    Queue(Vec<QueueStats>),
    /// Counters of groups.
    Group(Vec<GroupStats>),
    /// Groups.
    GroupDesc(Vec<GroupDesc>),
    /// What groups can do.
    GroupFeatures(GroupFeatures),
    /// Counters of meters.
    Meter(Vec<MeterStats>),
    /// Meters.
    MeterConfig(Vec<MeterConfig>),
    /// What meters can do.
    MeterFeatures(MeterFeatures),
    /// What tables can do.
    TableFeatures(Vec<TableFeatures>),
    /// Ports.
    PortDesc(Vec<Port>),
    /// An experimenter's answer, as data.
    Experimenter(ExperimenterMultipart),
    /// An answer of a type that the specification doesn't have, as data.
    Unknown {
        /// The type.
        multipart_type: MultipartType,
        /// What follows the multipart header.
        body: Bytes,
    },
}

/// An experimenter's question or answer, as data (OpenFlow 1.3.5 §7.3.5.15).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ExperimenterMultipart {
    /// The experimenter id.
    pub experimenter: u32,
    /// The experimenter's own type number.
    pub exp_type: u32,
    /// What follows.
    pub body: Bytes,
}

impl MultipartRequestBody {
    /// The type number that stands on the wire.
    pub const fn multipart_type(&self) -> MultipartType {
        match self {
            MultipartRequestBody::Desc => MultipartType::DESC,
            MultipartRequestBody::Flow(_) => MultipartType::FLOW,
            MultipartRequestBody::Aggregate(_) => MultipartType::AGGREGATE,
            MultipartRequestBody::Table => MultipartType::TABLE,
            MultipartRequestBody::PortStats(_) => MultipartType::PORT_STATS,
            MultipartRequestBody::Queue(_) => MultipartType::QUEUE,
            MultipartRequestBody::Group(_) => MultipartType::GROUP,
            MultipartRequestBody::GroupDesc => MultipartType::GROUP_DESC,
            MultipartRequestBody::GroupFeatures => MultipartType::GROUP_FEATURES,
            MultipartRequestBody::Meter(_) => MultipartType::METER,
            MultipartRequestBody::MeterConfig(_) => MultipartType::METER_CONFIG,
            MultipartRequestBody::MeterFeatures => MultipartType::METER_FEATURES,
            MultipartRequestBody::TableFeatures(_) => MultipartType::TABLE_FEATURES,
            MultipartRequestBody::PortDesc => MultipartType::PORT_DESC,
            MultipartRequestBody::Experimenter(_) => MultipartType::EXPERIMENTER,
            MultipartRequestBody::Unknown { multipart_type, .. } => *multipart_type,
        }
    }
}

impl MultipartReplyBody {
    /// The type number that stands on the wire.
    pub const fn multipart_type(&self) -> MultipartType {
        match self {
            MultipartReplyBody::Desc(_) => MultipartType::DESC,
            MultipartReplyBody::Flow(_) => MultipartType::FLOW,
            MultipartReplyBody::Aggregate(_) => MultipartType::AGGREGATE,
            MultipartReplyBody::Table(_) => MultipartType::TABLE,
            MultipartReplyBody::PortStats(_) => MultipartType::PORT_STATS,
            MultipartReplyBody::Queue(_) => MultipartType::QUEUE,
            MultipartReplyBody::Group(_) => MultipartType::GROUP,
            MultipartReplyBody::GroupDesc(_) => MultipartType::GROUP_DESC,
            MultipartReplyBody::GroupFeatures(_) => MultipartType::GROUP_FEATURES,
            MultipartReplyBody::Meter(_) => MultipartType::METER,
            MultipartReplyBody::MeterConfig(_) => MultipartType::METER_CONFIG,
            MultipartReplyBody::MeterFeatures(_) => MultipartType::METER_FEATURES,
            MultipartReplyBody::TableFeatures(_) => MultipartType::TABLE_FEATURES,
            MultipartReplyBody::PortDesc(_) => MultipartType::PORT_DESC,
            MultipartReplyBody::Experimenter(_) => MultipartType::EXPERIMENTER,
            MultipartReplyBody::Unknown { multipart_type, .. } => *multipart_type,
        }
    }
}

/// `OFPMPF_REPLY_MORE`: more parts of the answer follow (OpenFlow 1.3.5 §7.3.5, `ofp_multipart_reply_flags`).
const REPLY_MORE: u16 = 1;

impl MultipartRequest {
    pub(crate) fn parse(mut reader: Reader<'_>) -> Result<MultipartRequest, DecodeError> {
        let multipart_type = MultipartType(reader.u16("multipart_request.type")?);
        let flags = MultipartRequestFlags(reader.u16("multipart_request.flags")?);
        reader.skip(4, "multipart_request.pad")?;
        Ok(MultipartRequest { flags, body: MultipartRequestBody::parse(multipart_type, reader)? })
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        out.put_u16(self.body.multipart_type().0);
        out.put_u16(self.flags.0);
        wire::put_zeros(out, 4);
        self.body.encode(out);
    }
}

/// A request whose body is one number and four octets of padding.
fn parse_number(mut reader: Reader<'_>, field: &'static str) -> Result<u32, DecodeError> {
    let number = reader.u32(field)?;
    reader.skip(4, "multipart_request.body.pad")?;
    reader.finish("multipart_request.body")?;
    Ok(number)
}

impl MultipartRequestBody {
    fn parse(multipart_type: MultipartType, mut reader: Reader<'_>) -> Result<MultipartRequestBody, DecodeError> {
        let empty = match multipart_type {
            MultipartType::DESC => Some(MultipartRequestBody::Desc),
            MultipartType::TABLE => Some(MultipartRequestBody::Table),
            MultipartType::GROUP_DESC => Some(MultipartRequestBody::GroupDesc),
            MultipartType::GROUP_FEATURES => Some(MultipartRequestBody::GroupFeatures),
            MultipartType::METER_FEATURES => Some(MultipartRequestBody::MeterFeatures),
            MultipartType::PORT_DESC => Some(MultipartRequestBody::PortDesc),
            _ => None,
        };
        if let Some(body) = empty {
            reader.finish("multipart_request.body")?;
            return Ok(body);
        }
        Ok(match multipart_type {
            MultipartType::FLOW => MultipartRequestBody::Flow(FlowStatsRequest::parse(reader)?),
            MultipartType::AGGREGATE => MultipartRequestBody::Aggregate(FlowStatsRequest::parse(reader)?),
            MultipartType::PORT_STATS => {
                MultipartRequestBody::PortStats(PortNo(parse_number(reader, "port_stats_request.port_no")?))
            }
            MultipartType::QUEUE => MultipartRequestBody::Queue(QueueStatsRequest::parse(reader)?),
            MultipartType::GROUP => {
                MultipartRequestBody::Group(GroupId(parse_number(reader, "group_stats_request.group_id")?))
            }
            MultipartType::METER => {
                MultipartRequestBody::Meter(MeterId(parse_number(reader, "meter_multipart_request.meter_id")?))
            }
            MultipartType::METER_CONFIG => {
                MultipartRequestBody::MeterConfig(MeterId(parse_number(reader, "meter_multipart_request.meter_id")?))
            }
            MultipartType::TABLE_FEATURES => {
                MultipartRequestBody::TableFeatures(parse_all(&mut reader, TableFeatures::parse)?)
            }
            MultipartType::EXPERIMENTER => MultipartRequestBody::Experimenter(ExperimenterMultipart::parse(reader)?),
            _ => MultipartRequestBody::Unknown { multipart_type, body: reader.into_bytes() },
        })
    }

    fn encode(&self, out: &mut BytesMut) {
        match self {
            MultipartRequestBody::Desc
            | MultipartRequestBody::Table
            | MultipartRequestBody::GroupDesc
            | MultipartRequestBody::GroupFeatures
            | MultipartRequestBody::MeterFeatures
            | MultipartRequestBody::PortDesc => {}
            MultipartRequestBody::Flow(request) | MultipartRequestBody::Aggregate(request) => request.encode(out),
            MultipartRequestBody::PortStats(PortNo(number))
            | MultipartRequestBody::Group(GroupId(number))
            | MultipartRequestBody::Meter(MeterId(number))
            | MultipartRequestBody::MeterConfig(MeterId(number)) => {
                out.put_u32(*number);
                wire::put_zeros(out, 4);
            }
            MultipartRequestBody::Queue(request) => request.encode(out),
            MultipartRequestBody::TableFeatures(tables) => tables.iter().for_each(|table| table.encode(out)),
            MultipartRequestBody::Experimenter(experimenter) => experimenter.encode(out),
            MultipartRequestBody::Unknown { body, .. } => out.put_slice(body),
        }
    }
}

impl MultipartReply {
    pub(crate) fn parse(mut reader: Reader<'_>) -> Result<MultipartReply, DecodeError> {
        let multipart_type = MultipartType(reader.u16("multipart_reply.type")?);
        let flags = reader.u16("multipart_reply.flags")?;
        reader.skip(4, "multipart_reply.pad")?;
        Ok(MultipartReply { more: flags & REPLY_MORE != 0, body: MultipartReplyBody::parse(multipart_type, reader)? })
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        out.put_u16(self.body.multipart_type().0);
        out.put_u16(if self.more { REPLY_MORE } else { 0 });
        wire::put_zeros(out, 4);
        self.body.encode(out);
    }
}

/// Entries up to the end of the message. Each of them reads at least its own fixed part, so there is progress.
fn parse_all<'a, T>(
    reader: &mut Reader<'a>,
    parse: impl Fn(&mut Reader<'a>) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    let mut entries = Vec::new();
    while !reader.is_empty() {
        entries.push(parse(reader)?);
    }
    Ok(entries)
}

impl MultipartReplyBody {
    fn parse(multipart_type: MultipartType, mut reader: Reader<'_>) -> Result<MultipartReplyBody, DecodeError> {
        Ok(match multipart_type {
            MultipartType::DESC => MultipartReplyBody::Desc(SwitchDesc::parse(reader)?),
            MultipartType::FLOW => MultipartReplyBody::Flow(FlowStats::parse_list(reader)?),
            MultipartType::AGGREGATE => MultipartReplyBody::Aggregate(AggregateStats::parse(reader)?),
            MultipartType::TABLE => MultipartReplyBody::Table(parse_all(&mut reader, TableStats::parse)?),
            MultipartType::PORT_STATS => MultipartReplyBody::PortStats(parse_all(&mut reader, PortStats::parse)?),
            MultipartType::QUEUE => MultipartReplyBody::Queue(parse_all(&mut reader, QueueStats::parse)?),
            MultipartType::GROUP => MultipartReplyBody::Group(parse_all(&mut reader, GroupStats::parse)?),
            MultipartType::GROUP_DESC => MultipartReplyBody::GroupDesc(parse_all(&mut reader, GroupDesc::parse)?),
            MultipartType::GROUP_FEATURES => MultipartReplyBody::GroupFeatures(GroupFeatures::parse(reader)?),
            MultipartType::METER => MultipartReplyBody::Meter(parse_all(&mut reader, MeterStats::parse)?),
            MultipartType::METER_CONFIG => MultipartReplyBody::MeterConfig(parse_all(&mut reader, MeterConfig::parse)?),
            MultipartType::METER_FEATURES => MultipartReplyBody::MeterFeatures(MeterFeatures::parse(reader)?),
            MultipartType::TABLE_FEATURES => {
                MultipartReplyBody::TableFeatures(parse_all(&mut reader, TableFeatures::parse)?)
            }
            MultipartType::PORT_DESC => MultipartReplyBody::PortDesc(parse_all(&mut reader, Port::parse)?),
            MultipartType::EXPERIMENTER => MultipartReplyBody::Experimenter(ExperimenterMultipart::parse(reader)?),
            _ => MultipartReplyBody::Unknown { multipart_type, body: reader.into_bytes() },
        })
    }

    fn encode(&self, out: &mut BytesMut) {
        match self {
            MultipartReplyBody::Desc(desc) => desc.encode(out),
            MultipartReplyBody::Flow(flows) => flows.iter().for_each(|flow| flow.encode(out)),
            MultipartReplyBody::Aggregate(stats) => stats.encode(out),
            MultipartReplyBody::Table(tables) => tables.iter().for_each(|table| table.encode(out)),
            MultipartReplyBody::PortStats(ports) => ports.iter().for_each(|port| port.encode(out)),
            MultipartReplyBody::Queue(queues) => queues.iter().for_each(|queue| queue.encode(out)),
            MultipartReplyBody::Group(groups) => groups.iter().for_each(|group| group.encode(out)),
            MultipartReplyBody::GroupDesc(groups) => groups.iter().for_each(|group| group.encode(out)),
            MultipartReplyBody::GroupFeatures(features) => features.encode(out),
            MultipartReplyBody::Meter(meters) => meters.iter().for_each(|meter| meter.encode(out)),
            MultipartReplyBody::MeterConfig(meters) => meters.iter().for_each(|meter| meter.encode(out)),
            MultipartReplyBody::MeterFeatures(features) => features.encode(out),
            MultipartReplyBody::TableFeatures(tables) => tables.iter().for_each(|table| table.encode(out)),
            MultipartReplyBody::PortDesc(ports) => ports.iter().for_each(|port| port.encode(out)),
            MultipartReplyBody::Experimenter(experimenter) => experimenter.encode(out),
            MultipartReplyBody::Unknown { body, .. } => out.put_slice(body),
        }
    }
}

impl ExperimenterMultipart {
    fn parse(mut reader: Reader<'_>) -> Result<ExperimenterMultipart, DecodeError> {
        let experimenter = reader.u32("experimenter_multipart.experimenter")?;
        let exp_type = reader.u32("experimenter_multipart.exp_type")?;
        Ok(ExperimenterMultipart { experimenter, exp_type, body: reader.into_bytes() })
    }

    fn encode(&self, out: &mut BytesMut) {
        out.put_u32(self.experimenter);
        out.put_u32(self.exp_type);
        out.put_slice(&self.body);
    }
}
