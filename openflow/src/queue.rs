//! Queues and QUEUE_GET_CONFIG (OpenFlow 1.3.5 §7.2.2, §7.3.6).

use bytes::Bytes;
use net::PortNo;

use crate::identifier::QueueId;
use crate::number::numbers;

numbers! {
    /// The type of a queue property (OpenFlow 1.3.5 §7.2.2, `ofp_queue_properties`).
    values QueuePropertyType(u16) {
        MIN_RATE = 1, "OFPQT_MIN_RATE";
        MAX_RATE = 2, "OFPQT_MAX_RATE";
        EXPERIMENTER = 0xffff, "OFPQT_EXPERIMENTER";
    }
}

/// Which queues does a port have? (OpenFlow 1.3.5 §7.3.6, `ofp_queue_get_config_request`)
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct QueueGetConfigRequest {
    /// The port; ANY for all.
    pub port: PortNo,
}

/// The queues of a port (OpenFlow 1.3.5 §7.3.6, `ofp_queue_get_config_reply`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct QueueGetConfigReply {
    /// The port that was asked for.
    pub port: PortNo,
    /// Its queues.
    pub queues: Vec<PacketQueue>,
}

/// One queue (OpenFlow 1.3.5 §7.2.2, `ofp_packet_queue`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct PacketQueue {
    /// Its number.
    pub queue_id: QueueId,
    /// The port it belongs to.
    pub port: PortNo,
    /// Its properties.
    pub properties: Vec<QueueProperty>,
}

/// A property of a queue (OpenFlow 1.3.5 §7.2.2, `ofp_queue_prop_header`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum QueueProperty {
    /// Guaranteed rate in 1/10 of a percent; over 1000 is off.
    MinRate(u16),
    /// Highest rate in 1/10 of a percent; over 1000 is off.
    MaxRate(u16),
    /// An experimenter's property, as data.
    Experimenter {
        /// The experimenter id.
        experimenter: u32,
        /// What follows the id and its padding.
        body: Bytes,
    },
    /// A property of a type that the specification doesn't have, as data.
    Unknown {
        /// The type.
        property_type: QueuePropertyType,
        /// What follows the 8-octet header.
        body: Bytes,
    },
}
