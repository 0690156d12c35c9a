//! JSON: field names as the specification has them, octets as lower-case hex, addresses as their usual text. Bodies whose shape
//! depends on a type carry that type's name as `type`.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::ser::{Serialize, SerializeMap, Serializer};

mod action;
mod nicira;

use crate::action::ActionType;
use crate::configuration::ExperimenterMessage;
use crate::error::{ErrorCode, ErrorMessage, ErrorType};
use crate::flow_match::Match;
use crate::hello::HelloElement;
use crate::instruction::InstructionType;
use crate::message::Message;
use crate::meter::MeterBand;
use crate::multipart::{
    ExperimenterMultipart, FeatureId, MultipartReply, MultipartReplyBody, MultipartRequest, MultipartRequestBody,
    OxmId, TableFeatureProperty,
};
use crate::oxm::{OxmField, OxmKind};
use crate::queue::QueueProperty;

/// Octets as lower-case hex.
pub(crate) struct Hex<'a>(pub &'a [u8]);

impl Serialize for Hex<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.iter().map(|octet| format!("{octet:02x}")).collect::<String>())
    }
}

/// For `serialize_with`.
pub(crate) fn hex<S: Serializer>(octets: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    Hex(octets).serialize(serializer)
}

struct FieldValue<'a>(OxmField<'a>);

impl Serialize for FieldValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_decimal() {
            Some(number) => serializer.serialize_u64(number),
            None => serializer.collect_str(&self.0.value_text()),
        }
    }
}

impl Serialize for Match {
    /// `{"in_port": 1, "ipv4_dst": "10.0.0.0/255.0.0.0"}`. A field that stands twice gets `#2` behind its name.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let mut seen: BTreeMap<OxmKind, usize> = BTreeMap::new();
        for field in self.fields() {
            let count = seen.entry(field.kind).or_default();
            *count += 1;
            match *count {
                1 => map.serialize_entry(&field.kind.to_string(), &FieldValue(field))?,
                count => map.serialize_entry(&format!("{}#{count}", field.kind), &FieldValue(field))?,
            }
        }
        map.end()
    }
}

impl Serialize for OxmKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for ErrorMessage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", &self.error_type)?;
        if let (ErrorType::EXPERIMENTER, Some((experimenter, data))) = (self.error_type, self.data.split_first_chunk())
        {
            match self.name() {
                Some(name) => map.serialize_entry("exp_type", name)?,
                None => map.serialize_entry("exp_type", &self.code)?,
            }
            map.serialize_entry("experimenter", &u32::from_be_bytes(*experimenter))?;
            map.serialize_entry("data", &Hex(data))?;
            return map.end();
        }
        match self.name() {
            Some(name) => map.serialize_entry("code", name)?,
            None => map.serialize_entry("code", &self.code)?,
        }
        map.serialize_entry("data", &Hex(&self.data))?;
        map.end()
    }
}

impl Serialize for ExperimenterMessage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("experimenter", &self.experimenter)?;
        map.serialize_entry("exp_type", &self.exp_type)?;
        map.serialize_entry("body", &Hex(&self.body))?;
        map.end()
    }
}

impl Serialize for ExperimenterMultipart {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("experimenter", &self.experimenter)?;
        map.serialize_entry("exp_type", &self.exp_type)?;
        map.serialize_entry("body", &Hex(&self.body))?;
        map.end()
    }
}

impl Serialize for HelloElement {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self {
            HelloElement::VersionBitmap(bitmaps) => {
                map.serialize_entry("type", &crate::hello::HelloElementType::VERSIONBITMAP)?;
                map.serialize_entry("bitmaps", bitmaps)?;
            }
            HelloElement::Unknown { element_type, body } => {
                map.serialize_entry("type", element_type)?;
                map.serialize_entry("body", &Hex(body))?;
            }
        }
        map.end()
    }
}

impl Serialize for MeterBand {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (rate, burst_size) = self.rate_and_burst();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", &self.band_type())?;
        map.serialize_entry("rate", &rate)?;
        map.serialize_entry("burst_size", &burst_size)?;
        match self {
            MeterBand::Drop { .. } => {}
            MeterBand::DscpRemark { prec_level, .. } => map.serialize_entry("prec_level", prec_level)?,
            MeterBand::Experimenter { experimenter, body, .. } => {
                map.serialize_entry("experimenter", experimenter)?;
                map.serialize_entry("body", &Hex(body))?;
            }
            MeterBand::Unknown { body, .. } => map.serialize_entry("body", &Hex(body))?,
        }
        map.end()
    }
}

impl Serialize for QueueProperty {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("property", &self.property_type())?;
        match self {
            QueueProperty::MinRate(rate) | QueueProperty::MaxRate(rate) => map.serialize_entry("rate", rate)?,
            QueueProperty::Experimenter { experimenter, body } => {
                map.serialize_entry("experimenter", experimenter)?;
                map.serialize_entry("body", &Hex(body))?;
            }
            QueueProperty::Unknown { body, .. } => map.serialize_entry("body", &Hex(body))?,
        }
        map.end()
    }
}

/// What a table can do, each with the name of its type.
struct Features<'a, T>(&'a [FeatureId], fn(u16) -> T);

impl<T: Serialize> Serialize for Features<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|feature| Feature { kind: (self.1)(feature.id), body: &feature.body }))
    }
}

struct Feature<'a, T> {
    kind: T,
    body: &'a Bytes,
}

impl<T: Serialize> Serialize for Feature<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", &self.kind)?;
        if !self.body.is_empty() {
            map.serialize_entry("body", &Hex(self.body))?;
        }
        map.end()
    }
}

impl Serialize for OxmId {
    /// The field's name, with `/` behind it if it can be masked.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}{}", self.kind, if self.has_mask { "/" } else { "" }))
    }
}

impl Serialize for TableFeatureProperty {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", &self.property_type())?;
        match self {
            TableFeatureProperty::Instructions { ids, .. } => {
                map.serialize_entry("instruction_ids", &Features(ids, InstructionType))?;
            }
            TableFeatureProperty::NextTables { table_ids, .. } => map.serialize_entry("next_table_ids", table_ids)?,
            TableFeatureProperty::WriteActions { ids, .. } | TableFeatureProperty::ApplyActions { ids, .. } => {
                map.serialize_entry("action_ids", &Features(ids, ActionType))?;
            }
            TableFeatureProperty::Match(ids)
            | TableFeatureProperty::Wildcards(ids)
            | TableFeatureProperty::WriteSetField { ids, .. }
            | TableFeatureProperty::ApplySetField { ids, .. } => map.serialize_entry("oxm_ids", ids)?,
            TableFeatureProperty::Experimenter { experimenter, exp_type, body, .. } => {
                map.serialize_entry("experimenter", experimenter)?;
                map.serialize_entry("exp_type", exp_type)?;
                map.serialize_entry("body", &Hex(body))?;
            }
            TableFeatureProperty::Unknown { body, .. } => map.serialize_entry("body", &Hex(body))?,
        }
        map.end()
    }
}

/// `{}`.
fn nothing<S: Serializer>(serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_map(Some(0))?.end()
}

/// A map of one entry.
fn one<S: Serializer>(serializer: S, name: &'static str, value: &impl Serialize) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(1))?;
    map.serialize_entry(name, value)?;
    map.end()
}

impl Serialize for MultipartRequest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", &self.body.multipart_type())?;
        map.serialize_entry("flags", &self.flags)?;
        map.serialize_entry("body", &self.body)?;
        map.end()
    }
}

impl Serialize for MultipartReply {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let flags: &[&str] = if self.more { &["OFPMPF_REPLY_MORE"] } else { &[] };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", &self.body.multipart_type())?;
        map.serialize_entry("flags", flags)?;
        map.serialize_entry("body", &self.body)?;
        map.end()
    }
}

impl Serialize for MultipartRequestBody {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            MultipartRequestBody::Desc
            | MultipartRequestBody::Table
            | MultipartRequestBody::GroupDesc
            | MultipartRequestBody::GroupFeatures
            | MultipartRequestBody::MeterFeatures
            | MultipartRequestBody::PortDesc => nothing(serializer),
            MultipartRequestBody::Flow(request) | MultipartRequestBody::Aggregate(request) => {
                request.serialize(serializer)
            }
            MultipartRequestBody::PortStats(port_no) => one(serializer, "port_no", port_no),
            MultipartRequestBody::Queue(request) => request.serialize(serializer),
            MultipartRequestBody::Group(group_id) => one(serializer, "group_id", group_id),
            MultipartRequestBody::Meter(meter_id) | MultipartRequestBody::MeterConfig(meter_id) => {
                one(serializer, "meter_id", meter_id)
            }
            MultipartRequestBody::TableFeatures(tables) => tables.serialize(serializer),
            MultipartRequestBody::Experimenter(request) => request.serialize(serializer),
            MultipartRequestBody::Unknown { body, .. } => Hex(body).serialize(serializer),
        }
    }
}

impl Serialize for MultipartReplyBody {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            MultipartReplyBody::Desc(desc) => desc.serialize(serializer),
            MultipartReplyBody::Flow(flows) => flows.serialize(serializer),
            MultipartReplyBody::Aggregate(stats) => stats.serialize(serializer),
            MultipartReplyBody::Table(tables) => tables.serialize(serializer),
            MultipartReplyBody::PortStats(ports) => ports.serialize(serializer),
            MultipartReplyBody::Queue(queues) => queues.serialize(serializer),
            MultipartReplyBody::Group(groups) => groups.serialize(serializer),
            MultipartReplyBody::GroupDesc(groups) => groups.serialize(serializer),
            MultipartReplyBody::GroupFeatures(features) => features.serialize(serializer),
            MultipartReplyBody::Meter(meters) => meters.serialize(serializer),
            MultipartReplyBody::MeterConfig(meters) => meters.serialize(serializer),
            MultipartReplyBody::MeterFeatures(features) => features.serialize(serializer),
            MultipartReplyBody::TableFeatures(tables) => tables.serialize(serializer),
            MultipartReplyBody::PortDesc(ports) => ports.serialize(serializer),
            MultipartReplyBody::Experimenter(reply) => reply.serialize(serializer),
            MultipartReplyBody::Unknown { body, .. } => Hex(body).serialize(serializer),
        }
    }
}

impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Message::FeaturesRequest
            | Message::TlvTableRequest
            | Message::GetConfigRequest
            | Message::BarrierRequest
            | Message::BarrierReply
            | Message::GetAsyncRequest => nothing(serializer),
            Message::Hello(hello) => hello.serialize(serializer),
            Message::Error(error) => error.serialize(serializer),
            Message::EchoRequest(data) | Message::EchoReply(data) => one(serializer, "data", &Hex(data)),
            Message::Experimenter(experimenter) => experimenter.serialize(serializer),
            Message::BundleControl(control) => control.serialize(serializer),
            Message::BundleAdd(add) => add.serialize(serializer),
            Message::SetPacketInFormat(format) => one(serializer, "packet_in_format", format),
            Message::SetControllerId(controller_id) => one(serializer, "controller_id", controller_id),
            Message::PacketIn2(packet_in) | Message::Resume(packet_in) => packet_in.serialize(serializer),
            Message::TlvTableMod(table_mod) => table_mod.serialize(serializer),
            Message::TlvTableReply(reply) => reply.serialize(serializer),
            Message::FeaturesReply(features) => features.serialize(serializer),
            Message::GetConfigReply(config) | Message::SetConfig(config) => config.serialize(serializer),
            Message::PacketIn(packet_in) => packet_in.serialize(serializer),
            Message::FlowRemoved(flow_removed) => flow_removed.serialize(serializer),
            Message::PortStatus(port_status) => port_status.serialize(serializer),
            Message::PacketOut(packet_out) => packet_out.serialize(serializer),
            Message::FlowMod(flow_mod) => flow_mod.serialize(serializer),
            Message::GroupMod(group_mod) => group_mod.serialize(serializer),
            Message::PortMod(port_mod) => port_mod.serialize(serializer),
            Message::TableMod(table_mod) => table_mod.serialize(serializer),
            Message::MultipartRequest(request) => request.serialize(serializer),
            Message::MultipartReply(reply) => reply.serialize(serializer),
            Message::QueueGetConfigRequest(request) => request.serialize(serializer),
            Message::QueueGetConfigReply(reply) => reply.serialize(serializer),
            Message::RoleRequest(role) | Message::RoleReply(role) => role.serialize(serializer),
            Message::GetAsyncReply(config) | Message::SetAsync(config) => config.serialize(serializer),
            Message::MeterMod(meter_mod) => meter_mod.serialize(serializer),
            Message::Unknown { body, .. } => one(serializer, "body", &Hex(body)),
        }
    }
}
