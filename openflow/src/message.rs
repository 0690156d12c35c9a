//! Every message of OpenFlow 1.3.5 (§7.1.1, `ofp_type`). This module only dispatches.

use bytes::Bytes;

use crate::configuration::{ExperimenterMessage, FeaturesReply, SwitchConfig, TableMod};
use crate::error::ErrorMessage;
use crate::flow::{FlowMod, FlowRemoved};
use crate::group::GroupMod;
use crate::hello::Hello;
use crate::meter::MeterMod;
use crate::multipart::{MultipartReply, MultipartRequest};
use crate::number::numbers;
use crate::packet::{PacketIn, PacketOut};
use crate::port::{PortMod, PortStatus};
use crate::queue::{QueueGetConfigReply, QueueGetConfigRequest};
use crate::role::{AsyncConfig, RoleMessage};

numbers! {
    /// The type of a message (OpenFlow 1.3.5 §7.1.1, `ofp_type`).
    values MessageType(u8) {
        HELLO = 0, "OFPT_HELLO";
        ERROR = 1, "OFPT_ERROR";
        ECHO_REQUEST = 2, "OFPT_ECHO_REQUEST";
        ECHO_REPLY = 3, "OFPT_ECHO_REPLY";
        EXPERIMENTER = 4, "OFPT_EXPERIMENTER";
        FEATURES_REQUEST = 5, "OFPT_FEATURES_REQUEST";
        FEATURES_REPLY = 6, "OFPT_FEATURES_REPLY";
        GET_CONFIG_REQUEST = 7, "OFPT_GET_CONFIG_REQUEST";
        GET_CONFIG_REPLY = 8, "OFPT_GET_CONFIG_REPLY";
        SET_CONFIG = 9, "OFPT_SET_CONFIG";
        PACKET_IN = 10, "OFPT_PACKET_IN";
        FLOW_REMOVED = 11, "OFPT_FLOW_REMOVED";
        PORT_STATUS = 12, "OFPT_PORT_STATUS";
        PACKET_OUT = 13, "OFPT_PACKET_OUT";
        FLOW_MOD = 14, "OFPT_FLOW_MOD";
        GROUP_MOD = 15, "OFPT_GROUP_MOD";
        PORT_MOD = 16, "OFPT_PORT_MOD";
        TABLE_MOD = 17, "OFPT_TABLE_MOD";
        MULTIPART_REQUEST = 18, "OFPT_MULTIPART_REQUEST";
        MULTIPART_REPLY = 19, "OFPT_MULTIPART_REPLY";
        BARRIER_REQUEST = 20, "OFPT_BARRIER_REQUEST";
        BARRIER_REPLY = 21, "OFPT_BARRIER_REPLY";
        QUEUE_GET_CONFIG_REQUEST = 22, "OFPT_QUEUE_GET_CONFIG_REQUEST";
        QUEUE_GET_CONFIG_REPLY = 23, "OFPT_QUEUE_GET_CONFIG_REPLY";
        ROLE_REQUEST = 24, "OFPT_ROLE_REQUEST";
        ROLE_REPLY = 25, "OFPT_ROLE_REPLY";
        GET_ASYNC_REQUEST = 26, "OFPT_GET_ASYNC_REQUEST";
        GET_ASYNC_REPLY = 27, "OFPT_GET_ASYNC_REPLY";
        SET_ASYNC = 28, "OFPT_SET_ASYNC";
        METER_MOD = 29, "OFPT_METER_MOD";
    }
}

/// A message without its header.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Message {
    /// `OFPT_HELLO`.
    Hello(Hello),
    /// `OFPT_ERROR`.
    Error(ErrorMessage),
    /// `OFPT_ECHO_REQUEST` and its data.
    EchoRequest(Bytes),
    /// `OFPT_ECHO_REPLY` and the data of the request.
    EchoReply(Bytes),
    /// `OFPT_EXPERIMENTER`.
    Experimenter(ExperimenterMessage),
    /// `OFPT_FEATURES_REQUEST`.
    FeaturesRequest,
    /// `OFPT_FEATURES_REPLY`.
    FeaturesReply(FeaturesReply),
    /// `OFPT_GET_CONFIG_REQUEST`.
    GetConfigRequest,
    /// `OFPT_GET_CONFIG_REPLY`.
    GetConfigReply(SwitchConfig),
    /// `OFPT_SET_CONFIG`.
    SetConfig(SwitchConfig),
    /// `OFPT_PACKET_IN`.
    PacketIn(PacketIn),
    /// `OFPT_FLOW_REMOVED`.
    FlowRemoved(FlowRemoved),
    /// `OFPT_PORT_STATUS`.
    PortStatus(PortStatus),
    /// `OFPT_PACKET_OUT`.
    PacketOut(PacketOut),
    /// `OFPT_FLOW_MOD`.
    FlowMod(FlowMod),
    /// `OFPT_GROUP_MOD`.
    GroupMod(GroupMod),
    /// `OFPT_PORT_MOD`.
    PortMod(PortMod),
    /// `OFPT_TABLE_MOD`.
    TableMod(TableMod),
    /// `OFPT_MULTIPART_REQUEST`.
    MultipartRequest(MultipartRequest),
    /// `OFPT_MULTIPART_REPLY`.
    MultipartReply(MultipartReply),
    /// `OFPT_BARRIER_REQUEST`.
    BarrierRequest,
    /// `OFPT_BARRIER_REPLY`.
    BarrierReply,
    /// `OFPT_QUEUE_GET_CONFIG_REQUEST`.
    QueueGetConfigRequest(QueueGetConfigRequest),
    /// `OFPT_QUEUE_GET_CONFIG_REPLY`.
    QueueGetConfigReply(QueueGetConfigReply),
    /// `OFPT_ROLE_REQUEST`.
    RoleRequest(RoleMessage),
    /// `OFPT_ROLE_REPLY`.
    RoleReply(RoleMessage),
    /// `OFPT_GET_ASYNC_REQUEST`.
    GetAsyncRequest,
    /// `OFPT_GET_ASYNC_REPLY`.
    GetAsyncReply(AsyncConfig),
    /// `OFPT_SET_ASYNC`.
    SetAsync(AsyncConfig),
    /// `OFPT_METER_MOD`.
    MeterMod(MeterMod),
    /// A message of a type that OpenFlow 1.3 doesn't have, as data.
    Unknown {
        /// The type number.
        message_type: MessageType,
        /// What follows the header.
        body: Bytes,
    },
}

impl Message {
    /// The type number that stands on the wire.
    pub const fn message_type(&self) -> MessageType {
        match self {
            Message::Hello(_) => MessageType::HELLO,
            Message::Error(_) => MessageType::ERROR,
            Message::EchoRequest(_) => MessageType::ECHO_REQUEST,
            Message::EchoReply(_) => MessageType::ECHO_REPLY,
            Message::Experimenter(_) => MessageType::EXPERIMENTER,
            Message::FeaturesRequest => MessageType::FEATURES_REQUEST,
            Message::FeaturesReply(_) => MessageType::FEATURES_REPLY,
            Message::GetConfigRequest => MessageType::GET_CONFIG_REQUEST,
            Message::GetConfigReply(_) => MessageType::GET_CONFIG_REPLY,
            Message::SetConfig(_) => MessageType::SET_CONFIG,
            Message::PacketIn(_) => MessageType::PACKET_IN,
            Message::FlowRemoved(_) => MessageType::FLOW_REMOVED,
            Message::PortStatus(_) => MessageType::PORT_STATUS,
            Message::PacketOut(_) => MessageType::PACKET_OUT,
            Message::FlowMod(_) => MessageType::FLOW_MOD,
            Message::GroupMod(_) => MessageType::GROUP_MOD,
            Message::PortMod(_) => MessageType::PORT_MOD,
            Message::TableMod(_) => MessageType::TABLE_MOD,
            Message::MultipartRequest(_) => MessageType::MULTIPART_REQUEST,
            Message::MultipartReply(_) => MessageType::MULTIPART_REPLY,
            Message::BarrierRequest => MessageType::BARRIER_REQUEST,
            Message::BarrierReply => MessageType::BARRIER_REPLY,
            Message::QueueGetConfigRequest(_) => MessageType::QUEUE_GET_CONFIG_REQUEST,
            Message::QueueGetConfigReply(_) => MessageType::QUEUE_GET_CONFIG_REPLY,
            Message::RoleRequest(_) => MessageType::ROLE_REQUEST,
            Message::RoleReply(_) => MessageType::ROLE_REPLY,
            Message::GetAsyncRequest => MessageType::GET_ASYNC_REQUEST,
            Message::GetAsyncReply(_) => MessageType::GET_ASYNC_REPLY,
            Message::SetAsync(_) => MessageType::SET_ASYNC,
            Message::MeterMod(_) => MessageType::METER_MOD,
            Message::Unknown { message_type, .. } => *message_type,
        }
    }
}
