//! Every message of OpenFlow 1.3.5 (§7.1.1, `ofp_type`). This module only dispatches.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use net::{DecodeError, DecodeErrorKind};

use crate::bundle::{self, BundleAdd, BundleControl};
use crate::configuration::{ExperimenterMessage, FeaturesReply, SwitchConfig, TableMod};
use crate::error::ErrorMessage;
use crate::flow::{FlowMod, FlowRemoved};
use crate::framing::{HEADER_LEN, Header, MAX_FRAME_LEN, VERSION};
use crate::group::GroupMod;
use crate::hello::Hello;
use crate::meter::MeterMod;
use crate::multipart::{MultipartReply, MultipartRequest};
use crate::number::numbers;
use crate::oxm::{EXPERIMENTER_NICIRA, EXPERIMENTER_ONF};
use crate::packet::{PacketIn, PacketOut};
use crate::packet_in2::{self, PacketIn2, PacketInFormat};
use crate::port::{PortMod, PortStatus};
use crate::queue::{QueueGetConfigReply, QueueGetConfigRequest};
use crate::role::{AsyncConfig, RoleMessage};
use crate::tlv_table::{self, TlvTableMod, TlvTableReply};
use crate::wire::{self, Block, Reader};

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
    /// `OFPT_EXPERIMENTER` of an experimenter or type that none of the variants below is, as data.
    Experimenter(ExperimenterMessage),
    /// `OFPT_EXPERIMENTER`, `ONF_ET_BUNDLE_CONTROL`.
    BundleControl(BundleControl),
    /// `OFPT_EXPERIMENTER`, `ONF_ET_BUNDLE_ADD_MESSAGE`.
    BundleAdd(BundleAdd),
    /// `OFPT_EXPERIMENTER`, `NXT_SET_PACKET_IN_FORMAT`.
    SetPacketInFormat(PacketInFormat),
    /// `OFPT_EXPERIMENTER`, `NXT_SET_CONTROLLER_ID`: the number by which a `controller` action names this controller.
    SetControllerId(u16),
    /// `OFPT_EXPERIMENTER`, `NXT_PACKET_IN2`.
    PacketIn2(PacketIn2),
    /// `OFPT_EXPERIMENTER`, `NXT_RESUME`.
    Resume(PacketIn2),
    /// `OFPT_EXPERIMENTER`, `NXT_TLV_TABLE_MOD`.
    TlvTableMod(TlvTableMod),
    /// `OFPT_EXPERIMENTER`, `NXT_TLV_TABLE_REQUEST`.
    TlvTableRequest,
    /// `OFPT_EXPERIMENTER`, `NXT_TLV_TABLE_REPLY`.
    TlvTableReply(TlvTableReply),
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
            Message::Experimenter(_)
            | Message::BundleControl(_)
            | Message::BundleAdd(_)
            | Message::SetPacketInFormat(_)
            | Message::SetControllerId(_)
            | Message::PacketIn2(_)
            | Message::Resume(_)
            | Message::TlvTableMod(_)
            | Message::TlvTableRequest
            | Message::TlvTableReply(_) => MessageType::EXPERIMENTER,
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

/// A message that is longer than the 65,535 octets that its header can say, and so can't be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooLong {
    /// Octets that it would have had.
    pub length: usize,
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message of {} octets is longer than {MAX_FRAME_LEN}", self.length)
    }
}

impl std::error::Error for TooLong {}

impl Message {
    /// Decodes one whole frame, header included. Payloads are slices of it.
    ///
    /// A HELLO or an ERROR decodes in any version, because the rules of negotiation need them; anything else has to be
    /// version 4. What the message says may still make no sense: see [`Message::problems`].
    pub fn decode(frame: &Bytes) -> Result<(u32, Message), DecodeError> {
        let header = Header::parse(frame)?;
        let mut reader = Reader::new(frame);
        reader.skip(HEADER_LEN, "header")?;
        let message = match header.message_type {
            MessageType::HELLO => Message::Hello(Hello::parse(header.version, reader)?),
            MessageType::ERROR => Message::Error(ErrorMessage::parse(reader)?),
            _ if header.version != VERSION => {
                let kind = DecodeErrorKind::BadVersion { version: header.version };
                return Err(DecodeError::new(0, "header.version", kind));
            }
            message_type => Message::parse(message_type, header.xid, reader)?,
        };
        Ok((header.xid, message))
    }

    /// The body of a message of version 4. `xid` is the number in its header.
    #[inline(always)]
    pub(crate) fn parse(message_type: MessageType, xid: u32, reader: Reader<'_>) -> Result<Message, DecodeError> {
        let empty = match message_type {
            MessageType::FEATURES_REQUEST => Some(Message::FeaturesRequest),
            MessageType::GET_CONFIG_REQUEST => Some(Message::GetConfigRequest),
            MessageType::BARRIER_REQUEST => Some(Message::BarrierRequest),
            MessageType::BARRIER_REPLY => Some(Message::BarrierReply),
            MessageType::GET_ASYNC_REQUEST => Some(Message::GetAsyncRequest),
            _ => None,
        };
        if let Some(message) = empty {
            reader.finish("body")?;
            return Ok(message);
        }
        Ok(match message_type {
            MessageType::HELLO => Message::Hello(Hello::parse(VERSION, reader)?),
            MessageType::ERROR => Message::Error(ErrorMessage::parse(reader)?),
            MessageType::ECHO_REQUEST => Message::EchoRequest(reader.into_bytes()),
            MessageType::ECHO_REPLY => Message::EchoReply(reader.into_bytes()),
            MessageType::EXPERIMENTER => Message::parse_experimenter(xid, reader)?,
            MessageType::FEATURES_REPLY => Message::FeaturesReply(FeaturesReply::parse(reader)?),
            MessageType::GET_CONFIG_REPLY => Message::GetConfigReply(SwitchConfig::parse(reader)?),
            MessageType::SET_CONFIG => Message::SetConfig(SwitchConfig::parse(reader)?),
            MessageType::PACKET_IN => Message::PacketIn(PacketIn::parse(reader)?),
            MessageType::FLOW_REMOVED => Message::FlowRemoved(FlowRemoved::parse(reader)?),
            MessageType::PORT_STATUS => Message::PortStatus(PortStatus::parse(reader)?),
            MessageType::PACKET_OUT => Message::PacketOut(PacketOut::parse(reader)?),
            MessageType::FLOW_MOD => Message::FlowMod(FlowMod::parse(reader)?),
            MessageType::GROUP_MOD => Message::GroupMod(GroupMod::parse(reader)?),
            MessageType::PORT_MOD => Message::PortMod(PortMod::parse(reader)?),
            MessageType::TABLE_MOD => Message::TableMod(TableMod::parse(reader)?),
            MessageType::MULTIPART_REQUEST => Message::MultipartRequest(MultipartRequest::parse(reader)?),
            MessageType::MULTIPART_REPLY => Message::MultipartReply(MultipartReply::parse(reader)?),
            MessageType::QUEUE_GET_CONFIG_REQUEST => {
                Message::QueueGetConfigRequest(QueueGetConfigRequest::parse(reader)?)
            }
            MessageType::QUEUE_GET_CONFIG_REPLY => Message::QueueGetConfigReply(QueueGetConfigReply::parse(reader)?),
            MessageType::ROLE_REQUEST => Message::RoleRequest(RoleMessage::parse(reader)?),
            MessageType::ROLE_REPLY => Message::RoleReply(RoleMessage::parse(reader)?),
            MessageType::GET_ASYNC_REPLY => Message::GetAsyncReply(AsyncConfig::parse(reader)?),
            MessageType::SET_ASYNC => Message::SetAsync(AsyncConfig::parse(reader)?),
            MessageType::METER_MOD => Message::MeterMod(MeterMod::parse(reader)?),
            _ => Message::Unknown { message_type, body: reader.into_bytes() },
        })
    }

    fn parse_experimenter(xid: u32, reader: Reader<'_>) -> Result<Message, DecodeError> {
        let mut body = reader.clone();
        let experimenter = body.u32("experimenter.experimenter")?;
        let exp_type = body.u32("experimenter.exp_type")?;
        Ok(match (experimenter, exp_type) {
            (EXPERIMENTER_ONF, bundle::EXP_TYPE_BUNDLE_CONTROL) => Message::BundleControl(BundleControl::parse(body)?),
            (EXPERIMENTER_ONF, bundle::EXP_TYPE_BUNDLE_ADD_MESSAGE) => Message::BundleAdd(BundleAdd::parse(xid, body)?),
            (EXPERIMENTER_NICIRA, packet_in2::EXP_TYPE_SET_PACKET_IN_FORMAT) => {
                Message::SetPacketInFormat(packet_in2::parse_format(body)?)
            }
            (EXPERIMENTER_NICIRA, packet_in2::EXP_TYPE_SET_CONTROLLER_ID) => {
                Message::SetControllerId(packet_in2::parse_controller_id(body)?)
            }
            (EXPERIMENTER_NICIRA, packet_in2::EXP_TYPE_PACKET_IN2) => Message::PacketIn2(PacketIn2::parse(body)?),
            (EXPERIMENTER_NICIRA, packet_in2::EXP_TYPE_RESUME) => Message::Resume(PacketIn2::parse(body)?),
            (EXPERIMENTER_NICIRA, tlv_table::EXP_TYPE_TLV_TABLE_MOD) => Message::TlvTableMod(TlvTableMod::parse(body)?),
            (EXPERIMENTER_NICIRA, tlv_table::EXP_TYPE_TLV_TABLE_REQUEST) => {
                body.finish("tlv_table_request")?;
                Message::TlvTableRequest
            }
            (EXPERIMENTER_NICIRA, tlv_table::EXP_TYPE_TLV_TABLE_REPLY) => {
                Message::TlvTableReply(TlvTableReply::parse(body)?)
            }
            _ => Message::Experimenter(ExperimenterMessage::parse(reader)?),
        })
    }

    /// Appends the message with its header. Padding is zero.
    ///
    /// A message that is too long for its header leaves `out` as it was. Decoding never yields one.
    pub fn encode(&self, xid: u32, out: &mut BytesMut) -> Result<(), TooLong> {
        let version = if let Message::Hello(hello) = self { hello.version } else { VERSION };
        self.encode_as(version, xid, out)
    }

    /// The same under another version in the header: for an ERROR that a peer of another version has to understand.
    pub(crate) fn encode_as(&self, version: u8, xid: u32, out: &mut BytesMut) -> Result<(), TooLong> {
        let start = out.len();
        self.put(version, xid, out);
        let length = out.len() - start;
        if length > MAX_FRAME_LEN {
            out.truncate(start);
            return Err(TooLong { length });
        }
        Ok(())
    }

    /// The same without a look at the length: for a message inside another one, which is longer still.
    pub(crate) fn put(&self, version: u8, xid: u32, out: &mut BytesMut) {
        let start = out.len();
        Block::<HEADER_LEN>::new().u8(version).u8(self.message_type().0).zeros(2).u32(xid).put(out);
        self.encode_body(xid, out);
        wire::patch_length(out, start, 2);
    }

    fn encode_body(&self, xid: u32, out: &mut BytesMut) {
        let experimenter = |experimenter: u32, exp_type: u32, out: &mut BytesMut| {
            out.put_u32(experimenter);
            out.put_u32(exp_type);
        };
        match self {
            Message::FeaturesRequest
            | Message::GetConfigRequest
            | Message::BarrierRequest
            | Message::BarrierReply
            | Message::GetAsyncRequest => {}
            Message::Hello(hello) => hello.encode(out),
            Message::Error(error) => error.encode(out),
            Message::EchoRequest(data) | Message::EchoReply(data) => out.put_slice(data),
            Message::Experimenter(experimenter) => experimenter.encode(out),
            Message::BundleControl(control) => {
                experimenter(EXPERIMENTER_ONF, bundle::EXP_TYPE_BUNDLE_CONTROL, out);
                control.encode(out);
            }
            Message::BundleAdd(add) => {
                experimenter(EXPERIMENTER_ONF, bundle::EXP_TYPE_BUNDLE_ADD_MESSAGE, out);
                add.encode(xid, out);
            }
            Message::SetPacketInFormat(format) => {
                experimenter(EXPERIMENTER_NICIRA, packet_in2::EXP_TYPE_SET_PACKET_IN_FORMAT, out);
                out.put_u32(format.0);
            }
            Message::SetControllerId(controller_id) => {
                experimenter(EXPERIMENTER_NICIRA, packet_in2::EXP_TYPE_SET_CONTROLLER_ID, out);
                packet_in2::encode_controller_id(*controller_id, out);
            }
            Message::PacketIn2(packet_in) => {
                experimenter(EXPERIMENTER_NICIRA, packet_in2::EXP_TYPE_PACKET_IN2, out);
                packet_in.encode(out);
            }
            Message::Resume(packet_in) => {
                experimenter(EXPERIMENTER_NICIRA, packet_in2::EXP_TYPE_RESUME, out);
                packet_in.encode(out);
            }
            Message::TlvTableMod(table_mod) => {
                experimenter(EXPERIMENTER_NICIRA, tlv_table::EXP_TYPE_TLV_TABLE_MOD, out);
                table_mod.encode(out);
            }
            Message::TlvTableRequest => experimenter(EXPERIMENTER_NICIRA, tlv_table::EXP_TYPE_TLV_TABLE_REQUEST, out),
            Message::TlvTableReply(reply) => {
                experimenter(EXPERIMENTER_NICIRA, tlv_table::EXP_TYPE_TLV_TABLE_REPLY, out);
                reply.encode(out);
            }
            Message::FeaturesReply(features) => features.encode(out),
            Message::GetConfigReply(config) | Message::SetConfig(config) => config.encode(out),
            Message::PacketIn(packet_in) => packet_in.encode(out),
            Message::FlowRemoved(flow_removed) => flow_removed.encode(out),
            Message::PortStatus(port_status) => port_status.encode(out),
            Message::PacketOut(packet_out) => packet_out.encode(out),
            Message::FlowMod(flow_mod) => flow_mod.encode(out),
            Message::GroupMod(group_mod) => group_mod.encode(out),
            Message::PortMod(port_mod) => port_mod.encode(out),
            Message::TableMod(table_mod) => table_mod.encode(out),
            Message::MultipartRequest(request) => request.encode(out),
            Message::MultipartReply(reply) => reply.encode(out),
            Message::QueueGetConfigRequest(request) => request.encode(out),
            Message::QueueGetConfigReply(reply) => reply.encode(out),
            Message::RoleRequest(role) | Message::RoleReply(role) => role.encode(out),
            Message::GetAsyncReply(config) | Message::SetAsync(config) => config.encode(out),
            Message::MeterMod(meter_mod) => meter_mod.encode(out),
            Message::Unknown { body, .. } => out.put_slice(body),
        }
    }
}
