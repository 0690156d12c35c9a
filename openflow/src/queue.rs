//! Queues and QUEUE_GET_CONFIG (OpenFlow 1.3.5 §7.2.2, §7.3.6).

use bytes::{BufMut, Bytes, BytesMut};
use net::{DecodeError, DecodeErrorKind, PortNo};

use crate::identifier::QueueId;
use crate::number::numbers;
use crate::wire::{self, Reader};

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

impl QueueGetConfigRequest {
    pub(crate) fn parse(mut reader: Reader<'_>) -> Result<QueueGetConfigRequest, DecodeError> {
        let port = PortNo(reader.u32("queue_get_config_request.port")?);
        reader.skip(4, "queue_get_config_request.pad")?;
        reader.finish("queue_get_config_request")?;
        Ok(QueueGetConfigRequest { port })
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        out.put_u32(self.port.0);
        wire::put_zeros(out, 4);
    }
}

impl QueueGetConfigReply {
    pub(crate) fn parse(mut reader: Reader<'_>) -> Result<QueueGetConfigReply, DecodeError> {
        let port = PortNo(reader.u32("queue_get_config_reply.port")?);
        reader.skip(4, "queue_get_config_reply.pad")?;
        let mut queues = Vec::new();
        while !reader.is_empty() {
            queues.push(PacketQueue::parse(&mut reader)?);
        }
        Ok(QueueGetConfigReply { port, queues })
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        out.put_u32(self.port.0);
        wire::put_zeros(out, 4);
        for queue in &self.queues {
            queue.encode(out);
        }
    }
}

impl PacketQueue {
    fn parse(reader: &mut Reader<'_>) -> Result<PacketQueue, DecodeError> {
        let queue_id = QueueId(reader.u32("queue.queue_id")?);
        let port = PortNo(reader.u32("queue.port")?);
        // The length counts the queue's 16 octets.
        let length = reader.u16("queue.len")?;
        let mut body = reader.body(length, 10, "queue.len")?;
        body.skip(6, "queue.pad")?;
        let mut properties = Vec::new();
        while !body.is_empty() {
            properties.push(QueueProperty::parse(&mut body)?);
        }
        Ok(PacketQueue { queue_id, port, properties })
    }

    fn encode(&self, out: &mut BytesMut) {
        let start = out.len();
        out.put_u32(self.queue_id.0);
        out.put_u32(self.port.0);
        wire::put_zeros(out, 8);
        for property in &self.properties {
            property.encode(out);
        }
        wire::patch_length(out, start, 8);
    }
}

impl QueueProperty {
    /// The type number that stands on the wire.
    pub const fn property_type(&self) -> QueuePropertyType {
        match self {
            QueueProperty::MinRate(_) => QueuePropertyType::MIN_RATE,
            QueueProperty::MaxRate(_) => QueuePropertyType::MAX_RATE,
            QueueProperty::Experimenter { .. } => QueuePropertyType::EXPERIMENTER,
            QueueProperty::Unknown { property_type, .. } => *property_type,
        }
    }

    fn parse(reader: &mut Reader<'_>) -> Result<QueueProperty, DecodeError> {
        let property_type = QueuePropertyType(reader.u16("queue_property.property")?);
        let at = reader.offset();
        let length = reader.u16("queue_property.len")?;
        let fixed = matches!(property_type, QueuePropertyType::MIN_RATE | QueuePropertyType::MAX_RATE);
        if length < 8 || (fixed && length != 16) {
            let kind = DecodeErrorKind::BadLength { length: usize::from(length) };
            return Err(DecodeError::new(at, "queue_property.len", kind));
        }
        let mut body = reader.body(length, 4, "queue_property.len")?;
        body.skip(4, "queue_property.pad")?;
        Ok(match property_type {
            QueuePropertyType::MIN_RATE => QueueProperty::MinRate(body.u16("queue_property.rate")?),
            QueuePropertyType::MAX_RATE => QueueProperty::MaxRate(body.u16("queue_property.rate")?),
            QueuePropertyType::EXPERIMENTER => {
                let experimenter = body.u32("queue_property.experimenter")?;
                body.skip(4, "queue_property.pad2")?;
                QueueProperty::Experimenter { experimenter, body: body.into_bytes() }
            }
            _ => QueueProperty::Unknown { property_type, body: body.into_bytes() },
        })
    }

    fn encode(&self, out: &mut BytesMut) {
        let start = out.len();
        out.put_u16(self.property_type().0);
        wire::put_zeros(out, 6);
        match self {
            QueueProperty::MinRate(rate) | QueueProperty::MaxRate(rate) => {
                out.put_u16(*rate);
                wire::put_zeros(out, 6);
            }
            QueueProperty::Experimenter { experimenter, body } => {
                out.put_u32(*experimenter);
                wire::put_zeros(out, 4);
                out.put_slice(body);
            }
            QueueProperty::Unknown { body, .. } => out.put_slice(body),
        }
        wire::patch_length(out, start, 2);
    }
}
