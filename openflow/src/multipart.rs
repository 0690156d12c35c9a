//! MULTIPART_REQUEST and MULTIPART_REPLY (OpenFlow 1.3.5 §7.3.5).

mod stats;
mod table;

use bytes::Bytes;
use net::PortNo;

use crate::identifier::{GroupId, MeterId};
use crate::number::numbers;
use crate::port::Port;

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
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
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
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
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
