//! Problems: what is well-formed and makes no sense. Each has the error code that a switch would answer with.
//!
//! These are the checks that need no switch: prerequisites, masks, reserved numbers, unknown commands and flags. Whether a
//! table, port or group exists is the switch's own business.

use std::fmt;

use net::PortNo;

use crate::bundle::BundleFlags;
use crate::configuration::ConfigFlags;
use crate::error::ErrorCode;
use crate::flow::{FlowMod, FlowModCommand};
use crate::flow_match::Match;
use crate::group::{Bucket, GroupMod, GroupModCommand, GroupType};
use crate::identifier::{GroupId, MeterId, TableId};
use crate::instruction::Instruction;
use crate::message::{Message, MessageType};
use crate::meter::{MeterBand, MeterFlags, MeterMod, MeterModCommand};
use crate::multipart::{MultipartReplyBody, MultipartRequestBody, TableFeatureProperty, TableFeatures};
use crate::oxm::{EXPERIMENTER_NICIRA, EXPERIMENTER_ONF};
use crate::role::ControllerRole;
use crate::switch::follow_through;
use crate::tlv_table::{TLV_FIELDS, TLV_OPTION_LEN_MAX, TlvMap, TlvTableMod};

mod action;
mod field;
mod nicira;

use action::{Place, check_actions};
use field::{check_connection_addresses, check_match};

/// Something in a well-formed message that makes no sense.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Problem {
    /// Where: a field in the specification's nouns.
    pub field: String,
    /// What is wrong.
    pub reason: String,
    /// What a switch would answer.
    pub code: ErrorCode,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.field, self.reason, self.code)
    }
}

/// Problems that are listed of one message. The rest is not looked for: nobody reads more, and a message of 64 KiB can be made of
/// nothing else.
pub const MAX_PROBLEMS: usize = 100;

/// Collects problems.
struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, field: impl Into<String>, code: ErrorCode, reason: impl Into<String>) {
        if !self.is_full() {
            self.0.push(Problem { field: field.into(), reason: reason.into(), code });
        }
    }

    fn is_full(&self) -> bool {
        self.0.len() >= MAX_PROBLEMS
    }

    fn check(&mut self, fine: bool, field: &str, code: ErrorCode, reason: impl fmt::Display) {
        if !fine {
            self.add(field, code, reason.to_string());
        }
    }
}

/// Experimenters whose messages mean something to a common switch: Nicira (Open vSwitch) and the ONF.
const KNOWN_EXPERIMENTERS: [u32; 2] = [EXPERIMENTER_NICIRA, EXPERIMENTER_ONF];

impl Match {
    /// Missing prerequisites, duplicates, masks and values that the fields can't have.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Problems(Vec::new());
        check_match(self, &mut problems);
        problems.0
    }
}

impl Message {
    /// What makes no sense in this message, in the order of its fields; at most [`MAX_PROBLEMS`].
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Problems(Vec::new());
        let to = &mut problems;
        match self {
            Message::Experimenter(message) => check_experimenter(message.experimenter, "experimenter", to),
            Message::BundleControl(control) => {
                let fine = control.control_type.name().is_some();
                let reason = format_args!("{} is none", control.control_type);
                to.check(fine, "type", ErrorCode::BUNDLE_BAD_TYPE, reason);
                check_bundle_flags(control.flags, to);
            }
            Message::BundleAdd(add) => {
                check_bundle_flags(add.flags, to);
                let message_type = add.message.message_type();
                let fine = BUNDLED.contains(&message_type);
                to.check(fine, "message", ErrorCode::BUNDLE_MSG_UNSUP, format_args!("{message_type} in a bundle"));
                for problem in add.message.problems() {
                    to.add(format!("message.{}", problem.field), problem.code, problem.reason);
                }
            }
            Message::SetPacketInFormat(format) => {
                let reason = format_args!("{format} is none");
                to.check(format.name().is_some(), "packet_in_format", ErrorCode::REQUEST_EPERM, reason);
            }
            Message::TlvTableMod(table_mod) => check_tlv_table_mod(table_mod, to),
            Message::TlvTableReply(reply) => check_tlv_mappings(&reply.mappings, reply.max_fields, to),
            Message::SetConfig(config) | Message::GetConfigReply(config) => {
                let fine = config.flags.0 & !ConfigFlags::FRAG_MASK.0 == 0 && config.flags != ConfigFlags::FRAG_MASK;
                to.check(fine, "flags", ErrorCode::SWITCH_CONFIG_BAD_FLAGS, "no way to handle fragments");
            }
            Message::PacketIn(packet_in) => check_match(&packet_in.match_, to),
            Message::FlowRemoved(flow_removed) => check_match(&flow_removed.match_, to),
            Message::PacketOut(packet_out) => {
                let from = packet_out.in_port;
                let fine = from.is_physical() || from == PortNo::CONTROLLER || from == PortNo::LOCAL;
                to.check(fine, "in_port", ErrorCode::REQUEST_BAD_PORT, format_args!("{from} is no port to come in by"));
                check_actions(&packet_out.actions, Place::PacketOut, to);
            }
            Message::FlowMod(flow_mod) => check_flow_mod(flow_mod, to),
            Message::GroupMod(group_mod) => check_group_mod(group_mod, to),
            Message::PortMod(port_mod) => {
                let fine = port_mod.port_no.is_physical() || port_mod.port_no == PortNo::LOCAL;
                to.check(
                    fine,
                    "port_no",
                    ErrorCode::PORT_MOD_BAD_PORT,
                    format_args!("{} is no port", port_mod.port_no),
                );
                let fine = !port_mod.config.has_unknown() && !port_mod.mask.has_unknown();
                to.check(fine, "config", ErrorCode::PORT_MOD_BAD_CONFIG, "unknown bits");
                let fine = !port_mod.advertise.has_unknown();
                to.check(fine, "advertise", ErrorCode::PORT_MOD_BAD_ADVERTISE, "unknown bits");
            }
            Message::TableMod(table_mod) => {
                // OFPTC_DEPRECATED_MASK is all that there is.
                to.check(table_mod.config & !3 == 0, "config", ErrorCode::TABLE_MOD_BAD_CONFIG, "unknown bits");
            }
            Message::MultipartRequest(request) => check_request(&request.body, to),
            Message::MultipartReply(reply) => check_reply(&reply.body, to),
            Message::RoleRequest(role) | Message::RoleReply(role) => {
                let fine = role.role.0 <= ControllerRole::SLAVE.0;
                to.check(fine, "role", ErrorCode::ROLE_REQUEST_BAD_ROLE, format_args!("{} is no role", role.role));
            }
            Message::MeterMod(meter_mod) => check_meter_mod(meter_mod, to),
            Message::Unknown { message_type, .. } => {
                to.add(
                    "header.type",
                    ErrorCode::REQUEST_BAD_TYPE,
                    format!("{message_type} is no OpenFlow 1.3 message"),
                );
            }
            Message::Hello(_)
            | Message::Error(_)
            | Message::EchoRequest(_)
            | Message::EchoReply(_)
            | Message::FeaturesRequest
            | Message::FeaturesReply(_)
            | Message::GetConfigRequest
            | Message::PortStatus(_)
            | Message::BarrierRequest
            | Message::BarrierReply
            | Message::QueueGetConfigRequest(_)
            | Message::QueueGetConfigReply(_)
            | Message::GetAsyncRequest
            | Message::GetAsyncReply(_)
            | Message::SetAsync(_)
            | Message::SetControllerId(_)
            | Message::PacketIn2(_)
            | Message::TlvTableRequest
            | Message::Resume(_) => {}
        }
        problems.0
    }
}

/// Messages that a bundle can hold: what modifies the switch (OpenFlow 1.4.0 §7.3.9.6), and packets, which Open vSwitch takes.
const BUNDLED: [MessageType; 6] = [
    MessageType::FLOW_MOD,
    MessageType::GROUP_MOD,
    MessageType::PORT_MOD,
    MessageType::PACKET_OUT,
    MessageType::TABLE_MOD,
    MessageType::METER_MOD,
];

fn check_bundle_flags(flags: BundleFlags, to: &mut Problems) {
    to.check(!flags.has_unknown(), "flags", ErrorCode::BUNDLE_BAD_FLAGS, format_args!("{flags}"));
}

fn check_tlv_table_mod(table_mod: &TlvTableMod, to: &mut Problems) {
    let command = table_mod.command;
    let reason = format_args!("{command} is none");
    to.check(command.name().is_some(), "command", ErrorCode::NX_TLV_TABLE_BAD_COMMAND, reason);
    check_tlv_mappings(&table_mod.mappings, TLV_FIELDS, to);
}

fn check_tlv_mappings(mappings: &[TlvMap], fields: u16, to: &mut Problems) {
    for (number, map) in mappings.iter().enumerate() {
        let TlvMap { option_len, index, .. } = map;
        let fine = option_len % 4 == 0 && *option_len <= TLV_OPTION_LEN_MAX;
        let field = format!("mappings[{number}].option_len");
        to.check(fine, &field, ErrorCode::NX_TLV_TABLE_BAD_OPT_LEN, format_args!("{option_len} octets"));
        let field = format!("mappings[{number}].index");
        let reason = format_args!("there is no tun_metadata{index}");
        to.check(*index < fields, &field, ErrorCode::NX_TLV_TABLE_BAD_FIELD_IDX, reason);
    }
}

fn check_experimenter(experimenter: u32, field: &str, to: &mut Problems) {
    let fine = KNOWN_EXPERIMENTERS.contains(&experimenter);
    to.check(fine, field, ErrorCode::REQUEST_BAD_EXPERIMENTER, format_args!("{experimenter:#x} is not known"));
}

/// `table_id`: the table they are in, where that is known.
fn check_instructions(instructions: &[Instruction], table_id: Option<TableId>, to: &mut Problems) {
    for (index, instruction) in instructions.iter().enumerate() {
        if to.is_full() {
            return;
        }
        let instruction_type = instruction.instruction_type();
        if instructions.iter().take(index).any(|earlier| earlier.instruction_type() == instruction_type) {
            to.add("instruction.type", ErrorCode::INSTRUCTION_DUP_INST, format!("{instruction_type} stands twice"));
        }
        match instruction {
            Instruction::GotoTable(next) => {
                let later = table_id.is_none_or(|table_id| next.0 > table_id.0);
                let fine = *next != TableId::ALL && later;
                let reason = format_args!("{next} is no later table");
                to.check(fine, "instruction.goto_table.table_id", ErrorCode::INSTRUCTION_BAD_TABLE_ID, reason);
            }
            Instruction::WriteActions(actions) => check_actions(actions, Place::ActionSet, to),
            Instruction::ApplyActions(actions) => check_actions(actions, Place::List, to),
            Instruction::Meter(meter_id) => {
                let fine = meter_id.0 >= 1 && meter_id.0 <= MeterId::MAX.0;
                let reason = format_args!("{meter_id} is no meter");
                to.check(fine, "instruction.meter.meter_id", ErrorCode::METER_MOD_INVALID_METER, reason);
            }
            Instruction::Experimenter { experimenter, .. } => {
                // Neither Nicira nor the ONF has instructions.
                let reason = format!("{experimenter:#x} is not known");
                to.add("instruction.experimenter", ErrorCode::INSTRUCTION_BAD_EXPERIMENTER, reason);
            }
            Instruction::Unknown { .. } => {
                let reason = format!("{instruction_type} is no OpenFlow 1.3 instruction");
                to.add("instruction.type", ErrorCode::INSTRUCTION_UNKNOWN_INST, reason);
            }
            Instruction::WriteMetadata { .. } | Instruction::ClearActions => {}
        }
    }
}

fn check_flow_mod(flow_mod: &FlowMod, to: &mut Problems) {
    let command = flow_mod.command;
    to.check(command.name().is_some(), "command", ErrorCode::FLOW_MOD_BAD_COMMAND, format_args!("{command} is none"));
    let delete = matches!(command, FlowModCommand::DELETE | FlowModCommand::DELETE_STRICT);
    let fine = delete || flow_mod.table_id != TableId::ALL;
    to.check(fine, "table_id", ErrorCode::FLOW_MOD_BAD_TABLE_ID, "only deletes go to all tables");
    let fine = !flow_mod.flags.has_unknown();
    to.check(fine, "flags", ErrorCode::FLOW_MOD_BAD_FLAGS, format_args!("{}", flow_mod.flags));
    check_match(&flow_mod.match_, to);
    check_instructions(&flow_mod.instructions, (!delete).then_some(flow_mod.table_id), to);
    check_connection_addresses(&flow_mod.match_, to);
    if let Err(code) = follow_through(flow_mod) {
        let reason = match code {
            ErrorCode::ACTION_BAD_TAG => "push more VLAN tags than a packet can have",
            _ => "need what the match doesn't promise of the packets",
        };
        to.add("instruction.actions", code, reason);
    }
}

fn check_group_mod(group_mod: &GroupMod, to: &mut Problems) {
    let command = group_mod.command;
    to.check(command.name().is_some(), "command", ErrorCode::GROUP_MOD_BAD_COMMAND, format_args!("{command} is none"));
    let fine = group_mod.group_type.name().is_some();
    to.check(fine, "type", ErrorCode::GROUP_MOD_BAD_TYPE, format_args!("{} is none", group_mod.group_type));
    let delete = command == GroupModCommand::DELETE;
    let fine = group_mod.group_id.0 <= GroupId::MAX.0 || (delete && group_mod.group_id == GroupId::ALL);
    to.check(fine, "group_id", ErrorCode::GROUP_MOD_INVALID_GROUP, format_args!("{} is none", group_mod.group_id));
    if !delete {
        check_buckets(group_mod.group_type, &group_mod.buckets, to);
    }
}

fn check_buckets(group_type: GroupType, buckets: &[Bucket], to: &mut Problems) {
    let fine = group_type != GroupType::INDIRECT || buckets.len() == 1;
    to.check(fine, "buckets", ErrorCode::GROUP_MOD_INVALID_GROUP, "an indirect group has one bucket");
    for bucket in buckets {
        let fine = group_type == GroupType::SELECT || bucket.weight == 0;
        to.check(fine, "bucket.weight", ErrorCode::GROUP_MOD_INVALID_GROUP, "only select groups have weights");
        let watched = bucket.watch_port != PortNo::ANY || bucket.watch_group != GroupId::ANY;
        let fine = group_type != GroupType::FF || watched;
        to.check(fine, "bucket", ErrorCode::GROUP_MOD_BAD_WATCH, "a fast-failover bucket watches a port or a group");
        check_actions(&bucket.actions, Place::Bucket, to);
    }
}

fn check_meter_mod(meter_mod: &MeterMod, to: &mut Problems) {
    let command = meter_mod.command;
    to.check(command.name().is_some(), "command", ErrorCode::METER_MOD_BAD_COMMAND, format_args!("{command} is none"));
    let rate = MeterFlags::KBPS | MeterFlags::PKTPS;
    // A rate is one of the two; a meter that goes has none.
    let unit = meter_mod.flags.0 & rate.0;
    let fine = !meter_mod.flags.has_unknown() && unit != rate.0 && (unit != 0 || command == MeterModCommand::DELETE);
    to.check(fine, "flags", ErrorCode::METER_MOD_BAD_FLAGS, format_args!("{}: kbps or pktps", meter_mod.flags));
    let id = meter_mod.meter_id;
    let fine = (id.0 >= 1 && id.0 <= MeterId::MAX.0)
        || matches!(id, MeterId::SLOWPATH | MeterId::CONTROLLER)
        || (id == MeterId::ALL && command == MeterModCommand::DELETE);
    to.check(fine, "meter_id", ErrorCode::METER_MOD_INVALID_METER, format_args!("{id} is none"));
    if command != MeterModCommand::DELETE {
        check_bands(&meter_mod.bands, to);
    }
}

fn check_bands(bands: &[MeterBand], to: &mut Problems) {
    for band in bands {
        let (rate, _) = band.rate_and_burst();
        to.check(rate != 0, "meter_band.rate", ErrorCode::METER_MOD_BAD_RATE, "is zero");
        match band {
            MeterBand::Drop { .. } | MeterBand::DscpRemark { .. } => {}
            MeterBand::Experimenter { experimenter, .. } => {
                let reason = format!("experimenter {experimenter:#x} is not known");
                to.add("meter_band.experimenter", ErrorCode::METER_MOD_BAD_BAND, reason);
            }
            MeterBand::Unknown { band_type, .. } => {
                let reason = format!("{band_type} is no OpenFlow 1.3 band");
                to.add("meter_band.type", ErrorCode::METER_MOD_BAD_BAND, reason);
            }
        }
    }
}

fn check_request(body: &MultipartRequestBody, to: &mut Problems) {
    match body {
        MultipartRequestBody::Flow(request) | MultipartRequestBody::Aggregate(request) => {
            check_match(&request.match_, to);
        }
        MultipartRequestBody::TableFeatures(tables) => check_tables(tables, to),
        MultipartRequestBody::Experimenter(request) => check_experimenter(request.experimenter, "experimenter", to),
        MultipartRequestBody::Unknown { multipart_type, .. } => {
            to.add("type", ErrorCode::REQUEST_BAD_MULTIPART, format!("{multipart_type} is no OpenFlow 1.3 request"));
        }
        MultipartRequestBody::Desc
        | MultipartRequestBody::Table
        | MultipartRequestBody::PortStats(_)
        | MultipartRequestBody::Queue(_)
        | MultipartRequestBody::Group(_)
        | MultipartRequestBody::GroupDesc
        | MultipartRequestBody::GroupFeatures
        | MultipartRequestBody::Meter(_)
        | MultipartRequestBody::MeterConfig(_)
        | MultipartRequestBody::MeterFeatures
        | MultipartRequestBody::PortDesc => {}
    }
}

fn check_reply(body: &MultipartReplyBody, to: &mut Problems) {
    match body {
        MultipartReplyBody::Flow(flows) => {
            for flow in flows {
                check_match(&flow.match_, to);
                check_instructions(&flow.instructions, Some(flow.table_id), to);
            }
        }
        MultipartReplyBody::GroupDesc(groups) => {
            groups.iter().for_each(|group| check_buckets(group.group_type, &group.buckets, to));
        }
        MultipartReplyBody::MeterConfig(meters) => meters.iter().for_each(|meter| check_bands(&meter.bands, to)),
        MultipartReplyBody::TableFeatures(tables) => check_tables(tables, to),
        MultipartReplyBody::Experimenter(reply) => check_experimenter(reply.experimenter, "experimenter", to),
        MultipartReplyBody::Unknown { multipart_type, .. } => {
            to.add("type", ErrorCode::REQUEST_BAD_MULTIPART, format!("{multipart_type} is no OpenFlow 1.3 reply"));
        }
        MultipartReplyBody::Desc(_)
        | MultipartReplyBody::Aggregate(_)
        | MultipartReplyBody::Table(_)
        | MultipartReplyBody::PortStats(_)
        | MultipartReplyBody::Queue(_)
        | MultipartReplyBody::Group(_)
        | MultipartReplyBody::GroupFeatures(_)
        | MultipartReplyBody::Meter(_)
        | MultipartReplyBody::MeterFeatures(_)
        | MultipartReplyBody::PortDesc(_) => {}
    }
}

fn check_tables(tables: &[TableFeatures], to: &mut Problems) {
    for table in tables {
        for (index, property) in table.properties.iter().enumerate() {
            let property_type = property.property_type();
            if let TableFeatureProperty::Unknown { .. } = property {
                let reason = format!("{property_type} is no OpenFlow 1.3 property");
                to.add("table_feature_property.type", ErrorCode::TABLE_FEATURES_BAD_TYPE, reason);
            }
            let experimenter = matches!(property, TableFeatureProperty::Experimenter { .. });
            let twice = table.properties.iter().take(index).any(|earlier| earlier.property_type() == property_type);
            if twice && !experimenter {
                let reason = format!("{property_type} stands twice");
                to.add("table_feature_property.type", ErrorCode::TABLE_FEATURES_BAD_TYPE, reason);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::nicira::NiciraAction;
    use crate::oxm::{OxmFieldOwned, OxmKind, VID_NONE};
    use crate::{Action, ActionType, BufferId, FlowModFlags};

    fn codes(message: &Message) -> Vec<ErrorCode> {
        message.problems().into_iter().map(|problem| problem.code).collect()
    }

    fn match_codes(match_: &Match) -> Vec<ErrorCode> {
        match_.problems().into_iter().map(|problem| problem.code).collect()
    }

    #[test]
    fn a_missing_prerequisite_is_named() {
        let problems = Match::new().with_eth_type(0x0800).with_tcp_dst(80).problems();
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].to_string(), "match.tcp_dst: needs ip_proto=0x6 (OFPBMC_BAD_PREREQ)");
        assert_eq!(match_codes(&Match::new().with_eth_type(0x0800).with_ip_proto(6).with_tcp_dst(80)), []);
        assert_eq!(match_codes(&Match::new().with_vlan_vid(VID_NONE).with_vlan_pcp(1)), [ErrorCode::MATCH_BAD_PREREQ]);
        assert_eq!(match_codes(&Match::new().with_vlan_vid(0x1001).with_vlan_pcp(1)), []);
    }

    #[test]
    fn values_masks_and_duplicates_are_checked() {
        let field = |kind, value: &[u8], mask: Option<&[u8]>| OxmFieldOwned::new(kind, value, mask).unwrap();
        let twice =
            Match::from_iter([field(OxmKind::ETH_TYPE, &[8, 0], None), field(OxmKind::ETH_TYPE, &[8, 0], None)]);
        assert_eq!(match_codes(&twice), [ErrorCode::MATCH_DUP_FIELD]);
        let masked = Match::new().with(&field(OxmKind::IN_PORT, &[0; 4], Some(&[0; 4])));
        assert_eq!(match_codes(&masked), [ErrorCode::MATCH_BAD_MASK]);
        let wild = Match::new().with_metadata_masked(3, 1);
        assert_eq!(match_codes(&wild), [ErrorCode::MATCH_BAD_WILDCARDS]);
        let big = Match::new().with_eth_type(0x86dd).with_ip_dscp(64);
        assert_eq!(match_codes(&big), [ErrorCode::MATCH_BAD_VALUE]);
        let unknown = Match::new().with(&field(OxmKind::basic(99), &[1], None));
        assert_eq!(match_codes(&unknown), [ErrorCode::MATCH_BAD_FIELD]);
        let other = Match::new().with(&field(OxmKind { class: 7, field: 0, experimenter: 0 }, &[0; 4], None));
        assert_eq!(match_codes(&other), [], "another class is another's business");
    }

    #[test]
    fn a_flow_mod_is_checked_in_all_its_parts() {
        let mut flow_mod = FlowMod::add(TableId(3), 1, Match::new());
        flow_mod.flags = FlowModFlags(0x8000);
        flow_mod.instructions = vec![
            Instruction::ApplyActions(vec![
                Action::output(PortNo(0)),
                Action::output(PortNo::TABLE),
                Action::PushVlan(0x0800),
                Action::SetField(OxmFieldOwned::number(OxmKind::IN_PORT, 1).unwrap()),
                Action::Unknown { action_type: ActionType(99), body: Bytes::new() },
            ]),
            Instruction::GotoTable(TableId(3)),
        ];
        let expected = [
            ErrorCode::FLOW_MOD_BAD_FLAGS,
            ErrorCode::ACTION_BAD_OUT_PORT,
            ErrorCode::ACTION_BAD_OUT_PORT,
            ErrorCode::ACTION_BAD_ARGUMENT,
            ErrorCode::ACTION_BAD_SET_TYPE,
            ErrorCode::ACTION_BAD_TYPE,
            ErrorCode::INSTRUCTION_BAD_TABLE_ID,
        ];
        assert_eq!(codes(&Message::FlowMod(flow_mod)), expected);
        assert_eq!(codes(&Message::FlowMod(FlowMod::delete(TableId::ALL, Match::new()))), []);
        let everywhere = FlowMod::add(TableId::ALL, 1, Match::new());
        assert_eq!(codes(&Message::FlowMod(everywhere)), [ErrorCode::FLOW_MOD_BAD_TABLE_ID]);
    }

    #[test]
    fn actions_that_need_more_than_is_matched_are_named() {
        let code = |text: &str| {
            let flow_mod = crate::syntax::parse_flow(text).unwrap();
            codes(&Message::FlowMod(flow_mod))
        };
        for text in [
            "actions=strip_vlan,1",
            "actions=mod_nw_src:1.2.3.4",
            "actions=ct(nat)",
            "actions=fin_timeout(idle_timeout=5)",
            "actions=dec_nsh_ttl",
            "actions=resubmit(,2,ct)",
            "arp,actions=dec_ttl",
            "ct_state=+trk+est,ct_nw_src=10.0.0.1,actions=1",
            "ipv6,ct_state=+trk+est,ct_nw_src=10.0.0.1,actions=1",
            "udp,actions=clone(fin_timeout(idle_timeout=5))",
        ] {
            assert!(code(text).contains(&ErrorCode::ACTION_MATCH_INCONSISTENT), "{text}: {:?}", code(text));
        }
        for text in [
            "dl_vlan=3,actions=strip_vlan,1",
            "actions=push_vlan:0x8100,strip_vlan",
            "ip,actions=mod_nw_src:1.2.3.4",
            "ip,actions=ct(nat)",
            "tcp,actions=fin_timeout(idle_timeout=5)",
            "dl_type=0x894f,actions=dec_nsh_ttl",
            "ip,ct_state=+trk+est,actions=resubmit(,2,ct)",
            "ip,ct_state=+trk+est,ct_nw_src=10.0.0.1,actions=1",
            "packet_type=(1,0x894f),actions=dec_nsh_ttl",
            "actions=encap(nsh),dec_nsh_ttl",
        ] {
            assert_eq!(code(text), [], "{text}");
        }
        let three = "actions=push_vlan:0x8100,push_vlan:0x8100,push_vlan:0x8100";
        assert_eq!(code(three), [ErrorCode::ACTION_BAD_TAG]);
    }

    #[test]
    fn groups_and_packet_outs_are_checked() {
        let mut group_mod = GroupMod {
            command: GroupModCommand::ADD,
            group_type: GroupType::FF,
            group_id: GroupId(1),
            buckets: vec![Bucket::new(vec![Action::output(PortNo(1))])],
        };
        assert_eq!(codes(&Message::GroupMod(group_mod.clone())), [ErrorCode::GROUP_MOD_BAD_WATCH]);
        group_mod.group_type = GroupType::INDIRECT;
        assert_eq!(codes(&Message::GroupMod(group_mod.clone())), []);
        group_mod.buckets.clear();
        assert_eq!(codes(&Message::GroupMod(group_mod)), [ErrorCode::GROUP_MOD_INVALID_GROUP]);
        let packet_out = crate::PacketOut {
            buffer_id: BufferId::NO_BUFFER,
            in_port: PortNo::CONTROLLER,
            actions: vec![Action::output(PortNo::TABLE)],
            data: Bytes::new(),
        };
        assert_eq!(codes(&Message::PacketOut(packet_out)), []);
    }

    #[test]
    fn a_meter_has_one_unit_and_write_metadata_comes_last() {
        let meter = |command, flags| {
            codes(&Message::MeterMod(MeterMod { command, flags, meter_id: MeterId(1), bands: Vec::new() }))
        };
        assert_eq!(meter(MeterModCommand::ADD, MeterFlags::KBPS), []);
        assert_eq!(meter(MeterModCommand::ADD, MeterFlags::NONE), [ErrorCode::METER_MOD_BAD_FLAGS]);
        let both = MeterFlags::KBPS | MeterFlags::PKTPS;
        assert_eq!(meter(MeterModCommand::ADD, both), [ErrorCode::METER_MOD_BAD_FLAGS]);
        assert_eq!(meter(MeterModCommand::DELETE, MeterFlags::NONE), []);
        let write = Action::Nicira(NiciraAction::WriteMetadata { metadata: 1, mask: 1 });
        let list = |actions| {
            let mut flow_mod = FlowMod::add(TableId(0), 1, Match::new());
            flow_mod.instructions = vec![Instruction::ApplyActions(actions)];
            codes(&Message::FlowMod(flow_mod))
        };
        assert_eq!(list(vec![Action::output(PortNo(1)), write.clone()]), []);
        assert_eq!(list(vec![write, Action::output(PortNo(1))]), [ErrorCode::ACTION_UNSUPPORTED_ORDER]);
    }

    #[test]
    fn problems_are_listed_up_to_a_limit() {
        let field = OxmFieldOwned::number(OxmKind::ETH_TYPE, 0x0800).unwrap();
        let many: Match = std::iter::repeat_n(field, 10_000).collect();
        assert_eq!(many.problems().len(), MAX_PROBLEMS);
    }
}
