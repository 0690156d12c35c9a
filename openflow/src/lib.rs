//! OpenFlow 1.3.5: codec, sans-IO channel and a software switch.
//!
//! A message is decoded by [`Message::decode`] from one whole frame and encoded by [`Message::encode`]. Structure decides what
//! is malformed; what is well-formed but means nothing (a missing prerequisite, a bad mask) is a problem ([`Message::problems`]),
//! not a decode error. [`Channel`] is a connection without the connection: negotiation, liveness, barriers, questions, error replies.
//!
//! What is decoded is encoded again octet for octet, with what this version doesn't know inside it, but for these octets, which
//! say nothing and are written as zero: padding, what stands behind the first NUL of a text, and the 15 reserved flags of a
//! multipart reply. A HELLO element without its padding at the end of the message gets it, and one of Nicira's actions loses octets
//! behind its last element that Open vSwitch doesn't look at.
//!
//! ```
//! use bytes::BytesMut;
//! use net::PortNo;
//! use openflow::{Action, FlowMod, Instruction, Match, Message, TableId};
//!
//! let mut flow_mod = FlowMod::add(TableId(0), 10, Match::new().with_in_port(PortNo(1)));
//! flow_mod.instructions.push(Instruction::ApplyActions(vec![Action::output(PortNo(2))]));
//! let message = Message::FlowMod(flow_mod);
//! assert_eq!(message.to_string(), "OFPT_FLOW_MOD: ADD priority=10,in_port=1 actions=output:2");
//!
//! let mut out = BytesMut::new();
//! message.encode(7, &mut out)?;
//! assert_eq!(Message::decode(&out.freeze())?, (7, message));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod action;
mod bundle;
pub mod channel;
mod configuration;
pub mod display;
mod error;
mod flow;
mod flow_match;
mod framing;
mod group;
mod hello;
mod identifier;
mod instruction;
#[cfg(feature = "serde")]
mod json;
mod message;
mod meter;
mod multipart;
pub mod nicira;
mod number;
pub mod oxm;
mod packet;
mod packet_in2;
pub mod port;
mod problem;
mod queue;
mod reply;
mod report;
mod role;
pub mod switch;
pub mod syntax;
mod text;
mod tlv_table;
mod wire;
mod written;

pub use action::{Action, ActionType, CONTROLLER_MAX_LEN_MAX, CONTROLLER_NO_BUFFER};
pub use bundle::{
    BundleAdd, BundleControl, BundleControlType, BundleFlags, BundleProperty, BundlePropertyType,
    EXP_TYPE_BUNDLE_ADD_MESSAGE, EXP_TYPE_BUNDLE_CONTROL,
};
pub use channel::{Channel, ChannelConfig, ChannelCounters, ChannelEvent, CloseReason, RequestFailure};
pub use configuration::{Capabilities, ConfigFlags, ExperimenterMessage, FeaturesReply, SwitchConfig, TableMod};
pub use error::{ErrorCode, ErrorMessage, ErrorType};
pub use flow::{DEFAULT_PRIORITY, FlowMod, FlowModCommand, FlowModFlags, FlowRemoved, FlowRemovedReason};
pub use flow_match::{Fields, INLINE_MATCH_LEN, Match};
#[cfg(feature = "codec")]
pub use framing::{FrameCodec, StreamError};
pub use framing::{FrameError, HEADER_LEN, Header, MAX_FRAME_LEN, VERSION, frame_length};
pub use group::{Bucket, GroupMod, GroupModCommand, GroupType};
pub use hello::{Hello, HelloElement, HelloElementType};
pub use identifier::{BufferId, GroupId, MeterId, QueueId, TableId};
pub use instruction::{Instruction, InstructionType};
pub use message::{Message, MessageType, TooLong};
pub use meter::{MeterBand, MeterBandType, MeterFlags, MeterMod, MeterModCommand};
pub use multipart::{
    AggregateStats, BucketCounter, ExperimenterMultipart, FeatureId, FlowStats, FlowStatsEntries, FlowStatsEntry,
    FlowStatsRequest, GroupCapabilities, GroupDesc, GroupFeatures, GroupStats, MeterBandStats, MeterConfig,
    MeterFeatures, MeterStats, MultipartReply, MultipartReplyBody, MultipartRequest, MultipartRequestBody,
    MultipartRequestFlags, MultipartType, OxmId, PortStats, QueueStats, QueueStatsRequest, SwitchDesc,
    TableFeatureProperty, TableFeaturePropertyType, TableFeatures, TableStats,
};
pub use oxm::{OxmField, OxmFieldOwned, OxmKind};
pub use packet::{PacketIn, PacketInReason, PacketInRef, PacketOut};
pub use packet_in2::{PacketIn2, PacketIn2Property, PacketIn2PropertyType, PacketInFormat};
pub use port::{Port, PortConfig, PortFeatures, PortLinkState, PortMod, PortName, PortReason, PortStatus};
pub use problem::{MAX_PROBLEMS, Problem};
pub use queue::{PacketQueue, QueueGetConfigReply, QueueGetConfigRequest, QueueProperty, QueuePropertyType};
pub use reply::{ERROR_DATA_LEN, error_code, error_for};
pub use report::{DecodeReport, decode_for_display};
pub use role::{AsyncConfig, ControllerRole, GenerationId, RoleMessage};
pub use text::FixedText;
pub use tlv_table::{TLV_FIELDS, TLV_OPTION_LEN_MAX, TlvMap, TlvTableMod, TlvTableModCommand, TlvTableReply};
pub use written::{
    BUNDLE_ADD_HEAD, FlowModHead, read_flow_body, write_bundle_add_head, write_flow_body, write_packet_out,
};
