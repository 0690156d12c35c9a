//! One line of text per message, in the vocabulary of ovs-ofctl, for logs and for people who know it.

use std::fmt::{self, Display, Formatter};

use net::PortNo;

use crate::action::Action;
use crate::flow::{DEFAULT_PRIORITY, FlowMod, FlowModCommand, FlowModFlags, FlowRemoved, FlowRemovedReason};
use crate::flow_match::Match;
use crate::group::{Bucket, GroupMod, GroupModCommand, GroupType};
use crate::identifier::{BufferId, GroupId, TableId};
use crate::instruction::Instruction;
use crate::message::Message;
use crate::multipart::FlowStats;
use crate::oxm::{OxmField, OxmKind, VID_PRESENT, to_u64};
use crate::packet::{PacketIn, PacketInReason, PacketOut};

/// Parts of a line with one separator between them.
struct Parts<'a, 'b> {
    f: &'a mut Formatter<'b>,
    separator: &'static str,
    started: bool,
}

impl<'a, 'b> Parts<'a, 'b> {
    fn new(f: &'a mut Formatter<'b>, separator: &'static str) -> Parts<'a, 'b> {
        Parts { f, separator, started: false }
    }

    fn put(&mut self, part: fmt::Arguments<'_>) -> fmt::Result {
        if self.started {
            self.f.write_str(self.separator)?;
        }
        self.started = true;
        self.f.write_fmt(part)
    }

    fn put_if(&mut self, wanted: bool, part: fmt::Arguments<'_>) -> fmt::Result {
        if wanted { self.put(part) } else { Ok(()) }
    }
}

/// The order in which ovs-ofctl prints fields, after the protocol's name.
const ORDER: &[OxmKind] = &[
    OxmKind::TUNNEL_ID,
    OxmKind::METADATA,
    OxmKind::IN_PORT,
    OxmKind::IN_PHY_PORT,
    OxmKind::VLAN_VID,
    OxmKind::VLAN_PCP,
    OxmKind::ETH_SRC,
    OxmKind::ETH_DST,
    OxmKind::ETH_TYPE,
    OxmKind::IPV4_SRC,
    OxmKind::IPV4_DST,
    OxmKind::IPV6_SRC,
    OxmKind::IPV6_DST,
    OxmKind::ARP_SPA,
    OxmKind::ARP_TPA,
    OxmKind::IPV6_FLABEL,
    OxmKind::IP_PROTO,
    OxmKind::ARP_OP,
    OxmKind::ARP_SHA,
    OxmKind::ARP_THA,
    OxmKind::IP_DSCP,
    OxmKind::IP_ECN,
    OxmKind::MPLS_LABEL,
    OxmKind::MPLS_TC,
    OxmKind::MPLS_BOS,
    OxmKind::TCP_SRC,
    OxmKind::TCP_DST,
    OxmKind::UDP_SRC,
    OxmKind::UDP_DST,
    OxmKind::SCTP_SRC,
    OxmKind::SCTP_DST,
    OxmKind::ICMPV4_TYPE,
    OxmKind::ICMPV4_CODE,
    OxmKind::ICMPV6_TYPE,
    OxmKind::ICMPV6_CODE,
    OxmKind::IPV6_ND_TARGET,
    OxmKind::IPV6_ND_SLL,
    OxmKind::IPV6_ND_TLL,
    OxmKind::PBB_ISID,
    OxmKind::IPV6_EXTHDR,
];

/// The word for an ethertype and IP protocol, and whether it says the IP protocol, too.
fn protocol(match_: &Match) -> Option<(&'static str, bool)> {
    Some(match (match_.eth_type()?, match_.ip_proto()) {
        (0x0800, Some(1)) => ("icmp", true),
        (0x0800, Some(6)) => ("tcp", true),
        (0x0800, Some(17)) => ("udp", true),
        (0x0800, Some(132)) => ("sctp", true),
        (0x0800, _) => ("ip", false),
        (0x86dd, Some(6)) => ("tcp6", true),
        (0x86dd, Some(17)) => ("udp6", true),
        (0x86dd, Some(58)) => ("icmp6", true),
        (0x86dd, Some(132)) => ("sctp6", true),
        (0x86dd, _) => ("ipv6", false),
        (0x0806, _) => ("arp", false),
        (0x8035, _) => ("rarp", false),
        (0x8847, _) => ("mpls", false),
        (0x8848, _) => ("mplsm", false),
        _ => return None,
    })
}

/// ovs-ofctl's name of a field.
fn name(kind: OxmKind) -> Option<&'static str> {
    Some(match kind {
        OxmKind::TUNNEL_ID => "tun_id",
        OxmKind::VLAN_PCP => "dl_vlan_pcp",
        OxmKind::ETH_SRC => "dl_src",
        OxmKind::ETH_DST => "dl_dst",
        OxmKind::ETH_TYPE => "dl_type",
        OxmKind::IPV4_SRC => "nw_src",
        OxmKind::IPV4_DST => "nw_dst",
        OxmKind::IPV6_FLABEL => "ipv6_label",
        OxmKind::IP_PROTO => "nw_proto",
        OxmKind::IP_DSCP => "nw_tos",
        OxmKind::IP_ECN => "nw_ecn",
        OxmKind::TCP_SRC | OxmKind::UDP_SRC | OxmKind::SCTP_SRC => "tp_src",
        OxmKind::TCP_DST | OxmKind::UDP_DST | OxmKind::SCTP_DST => "tp_dst",
        OxmKind::ICMPV4_TYPE | OxmKind::ICMPV6_TYPE => "icmp_type",
        OxmKind::ICMPV4_CODE | OxmKind::ICMPV6_CODE => "icmp_code",
        OxmKind::IPV6_ND_TARGET => "nd_target",
        OxmKind::IPV6_ND_SLL => "nd_sll",
        OxmKind::IPV6_ND_TLL => "nd_tll",
        kind => return kind.name(),
    })
}

/// Bits of a mask that is all ones up to there and all zeros after.
fn prefix_len(mask: &[u8]) -> Option<u32> {
    let bits = mask.iter().fold(0u128, |bits, octet| bits << 8 | u128::from(*octet));
    let length = bits.count_ones();
    let aligned = bits << ((128 - 8 * mask.len().min(16)) % 128);
    (aligned.leading_ones() == length).then_some(length)
}

fn put_field(field: &OxmField<'_>, parts: &mut Parts<'_, '_>) -> fmt::Result {
    let Some(name) = name(field.kind) else { return parts.put(format_args!("{field}")) };
    let text = field.value_text();
    let number = to_u64(field.value).unwrap_or_default();
    let mask = field.mask.filter(|_| !field.is_exact());
    match (field.kind, mask) {
        (OxmKind::IN_PORT, _) => parts.put(format_args!("in_port={}", PortNo(number as u32))),
        (OxmKind::VLAN_VID, None) if number & u64::from(VID_PRESENT) != 0 => {
            parts.put(format_args!("dl_vlan={}", number & 0xfff))
        }
        (OxmKind::VLAN_VID, mask) => {
            let mask = mask.and_then(to_u64).unwrap_or(0x1fff);
            parts.put(format_args!("vlan_tci={number:#06x}/{mask:#06x}"))
        }
        (OxmKind::IP_DSCP, None) => parts.put(format_args!("nw_tos={}", number << 2)),
        (OxmKind::ETH_TYPE, None) => parts.put(format_args!("dl_type={text}")),
        (
            OxmKind::IPV4_SRC
            | OxmKind::IPV4_DST
            | OxmKind::ARP_SPA
            | OxmKind::ARP_TPA
            | OxmKind::IPV6_SRC
            | OxmKind::IPV6_DST,
            Some(mask),
        ) => match prefix_len(mask) {
            Some(length) => {
                let address = text.split('/').next().unwrap_or_default();
                parts.put(format_args!("{name}={address}/{length}"))
            }
            None => parts.put(format_args!("{name}={text}")),
        },
        (OxmKind::TUNNEL_ID | OxmKind::METADATA | OxmKind::IPV6_FLABEL, None) => {
            if number == 0 {
                parts.put(format_args!("{name}=0"))
            } else {
                parts.put(format_args!("{name}={number:#x}"))
            }
        }
        (_, Some(mask)) if field.value.len() <= 8 && !text.contains(':') => {
            let mask = to_u64(mask).unwrap_or_default();
            parts.put(format_args!("{name}={number:#x}/{mask:#x}"))
        }
        (_, None) => parts.put(format_args!("{name}={}", text.split('/').next().unwrap_or_default())),
        (_, Some(_)) => parts.put(format_args!("{name}={text}")),
    }
}

fn put_match(match_: &Match, parts: &mut Parts<'_, '_>) -> fmt::Result {
    let protocol = protocol(match_);
    if let Some((word, _)) = protocol {
        parts.put(format_args!("{word}"))?;
    }
    for kind in ORDER {
        let said = match *kind {
            OxmKind::ETH_TYPE => protocol.is_some(),
            OxmKind::IP_PROTO => protocol.is_some_and(|(_, transport)| transport),
            _ => false,
        };
        if let Some(field) = match_.get(*kind).filter(|_| !said) {
            put_field(&field, parts)?;
        }
    }
    for field in match_.fields().filter(|field| !ORDER.contains(&field.kind)) {
        parts.put(format_args!("{field}"))?;
    }
    Ok(())
}

impl Display for Match {
    /// `tcp,in_port=1,nw_dst=10.0.0.0/8,tp_dst=80`; nothing for a match that every packet fits.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        put_match(self, &mut Parts::new(f, ","))
    }
}

/// A match with the priority before it, unless that is the default.
struct Rule<'a>(u16, &'a Match);

impl Display for Rule<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut parts = Parts::new(f, ",");
        parts.put_if(self.0 != DEFAULT_PRIORITY, format_args!("priority={}", self.0))?;
        put_match(self.1, &mut parts)
    }
}

impl Display for Action {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Action::Output { port: PortNo::CONTROLLER, max_len } => write!(f, "CONTROLLER:{max_len}"),
            Action::Output { port, .. } if port.0 >= PortNo::IN_PORT.0 => write!(f, "{port}"),
            Action::Output { port, .. } => write!(f, "output:{port}"),
            Action::CopyTtlOut => f.write_str("copy_ttl_out"),
            Action::CopyTtlIn => f.write_str("copy_ttl_in"),
            Action::SetMplsTtl(ttl) => write!(f, "set_mpls_ttl({ttl})"),
            Action::DecMplsTtl => f.write_str("dec_mpls_ttl"),
            Action::PushVlan(ethertype) => write!(f, "push_vlan:{ethertype:#06x}"),
            Action::PopVlan => f.write_str("pop_vlan"),
            Action::PushMpls(ethertype) => write!(f, "push_mpls:{ethertype:#06x}"),
            Action::PopMpls(ethertype) => write!(f, "pop_mpls:{ethertype:#06x}"),
            Action::SetQueue(queue_id) => write!(f, "set_queue:{queue_id}"),
            Action::Group(group_id) => write!(f, "group:{}", group_id.0),
            Action::SetNwTtl(ttl) => write!(f, "mod_nw_ttl:{ttl}"),
            Action::DecNwTtl => f.write_str("dec_ttl"),
            Action::SetField(field) => {
                let field = field.as_field();
                let name = match field.kind {
                    OxmKind::IPV4_SRC => "ip_src".into(),
                    OxmKind::IPV4_DST => "ip_dst".into(),
                    OxmKind::TUNNEL_ID => "tun_id".into(),
                    kind => kind.to_string(),
                };
                match field.to_u64().filter(|_| field.kind == OxmKind::VLAN_VID) {
                    Some(vid) => write!(f, "set_field:{vid}->{name}"),
                    None => write!(f, "set_field:{}->{name}", field.value_text()),
                }
            }
            Action::PushPbb(ethertype) => write!(f, "push_pbb:{ethertype:#06x}"),
            Action::PopPbb => f.write_str("pop_pbb"),
            Action::Nicira(action) => write!(f, "{action:?}"),
            Action::CopyField { source, destination } => write!(f, "move:{source:?}->{destination:?}"),
            Action::Experimenter { experimenter, body } => write!(f, "experimenter({experimenter:#x},{body:x})"),
            Action::Unknown { action_type, body } => write!(f, "unknown({action_type},{body:x})"),
        }
    }
}

struct Actions<'a>(&'a [Action]);

impl Display for Actions<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut parts = Parts::new(f, ",");
        self.0.iter().try_for_each(|action| parts.put(format_args!("{action}")))?;
        if self.0.is_empty() { f.write_str("drop") } else { Ok(()) }
    }
}

struct Instructions<'a>(&'a [Instruction]);

impl Display for Instructions<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut parts = Parts::new(f, ",");
        for instruction in self.0 {
            match instruction {
                Instruction::GotoTable(table_id) => parts.put(format_args!("goto_table:{}", table_id.0))?,
                Instruction::WriteMetadata { metadata, mask: u64::MAX } => {
                    parts.put(format_args!("write_metadata:{metadata:#x}"))?;
                }
                Instruction::WriteMetadata { metadata, mask } => {
                    parts.put(format_args!("write_metadata:{metadata:#x}/{mask:#x}"))?;
                }
                Instruction::WriteActions(actions) => {
                    parts.put(format_args!("write_actions({})", Actions(actions)))?;
                }
                Instruction::ApplyActions(actions) => {
                    actions.iter().try_for_each(|action| parts.put(format_args!("{action}")))?;
                }
                Instruction::ClearActions => parts.put(format_args!("clear_actions"))?,
                Instruction::Meter(meter_id) => parts.put(format_args!("meter:{}", meter_id.0))?,
                Instruction::Experimenter { experimenter, body } => {
                    parts.put(format_args!("experimenter({experimenter:#x},{body:x})"))?;
                }
                Instruction::Unknown { instruction_type, body } => {
                    parts.put(format_args!("unknown({instruction_type},{body:x})"))?;
                }
            }
        }
        if parts.started { Ok(()) } else { f.write_str("drop") }
    }
}

/// ovs-ofctl's words for flags, in its order.
const FLAG_WORDS: [(FlowModFlags, &str); 5] = [
    (FlowModFlags::SEND_FLOW_REM, "send_flow_rem"),
    (FlowModFlags::CHECK_OVERLAP, "check_overlap"),
    (FlowModFlags::RESET_COUNTS, "reset_counts"),
    (FlowModFlags::NO_PKT_COUNTS, "no_packet_counts"),
    (FlowModFlags::NO_BYT_COUNTS, "no_byte_counts"),
];

impl Display for FlowMod {
    /// `ADD table:1 priority=10,ip,nw_dst=10.0.0.0/8 actions=output:2`.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut parts = Parts::new(f, " ");
        match self.command {
            FlowModCommand::ADD => parts.put(format_args!("ADD"))?,
            FlowModCommand::MODIFY => parts.put(format_args!("MOD"))?,
            FlowModCommand::MODIFY_STRICT => parts.put(format_args!("MOD_STRICT"))?,
            FlowModCommand::DELETE => parts.put(format_args!("DEL"))?,
            FlowModCommand::DELETE_STRICT => parts.put(format_args!("DEL_STRICT"))?,
            other => parts.put(format_args!("cmd:{other}"))?,
        }
        parts.put_if(self.table_id != TableId(0), format_args!("table:{}", self.table_id.0))?;
        let rule = Rule(self.priority, &self.match_);
        let empty = self.match_.is_empty() && self.priority == DEFAULT_PRIORITY;
        parts.put_if(!empty, format_args!("{rule}"))?;
        match (self.cookie, self.cookie_mask) {
            (0, 0) => {}
            (cookie, 0) => parts.put(format_args!("cookie:{cookie:#x}"))?,
            (cookie, mask) => parts.put(format_args!("cookie:{cookie:#x}/{mask:#x}"))?,
        }
        parts.put_if(self.idle_timeout != 0, format_args!("idle:{}", self.idle_timeout))?;
        parts.put_if(self.hard_timeout != 0, format_args!("hard:{}", self.hard_timeout))?;
        parts.put_if(self.buffer_id != BufferId::NO_BUFFER, format_args!("buf:{:#x}", self.buffer_id.0))?;
        parts.put_if(self.out_port != PortNo::ANY, format_args!("out_port:{}", self.out_port))?;
        parts.put_if(self.out_group != GroupId::ANY, format_args!("out_group:{}", self.out_group))?;
        for (flag, word) in FLAG_WORDS {
            parts.put_if(self.flags.contains(flag), format_args!("{word}"))?;
        }
        parts.put_if(self.flags.has_unknown(), format_args!("flags:{:#x}", self.flags.0))?;
        parts.put(format_args!("actions={}", Instructions(&self.instructions)))
    }
}

/// Seconds with as many groups of three decimals as are needed.
struct Seconds(u32, u32);

impl Display for Seconds {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Seconds(seconds, nanos) = *self;
        match nanos {
            0 => write!(f, "{seconds}s"),
            _ if nanos % 1_000_000 == 0 => write!(f, "{seconds}.{:03}s", nanos / 1_000_000),
            _ if nanos % 1_000 == 0 => write!(f, "{seconds}.{:06}s", nanos / 1_000),
            _ => write!(f, "{seconds}.{nanos:09}s"),
        }
    }
}

impl Display for FlowRemoved {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut parts = Parts::new(f, " ");
        let rule = Rule(self.priority, &self.match_);
        parts.put_if(!self.match_.is_empty() || self.priority != DEFAULT_PRIORITY, format_args!("{rule}"))?;
        match self.reason {
            FlowRemovedReason::IDLE_TIMEOUT => parts.put(format_args!("reason=idle"))?,
            FlowRemovedReason::HARD_TIMEOUT => parts.put(format_args!("reason=hard"))?,
            FlowRemovedReason::DELETE => parts.put(format_args!("reason=delete"))?,
            FlowRemovedReason::GROUP_DELETE => parts.put(format_args!("reason=group_delete"))?,
            other => parts.put(format_args!("reason={other}"))?,
        }
        parts.put(format_args!("table_id={}", self.table_id.0))?;
        parts.put_if(self.cookie != 0, format_args!("cookie:{:#x}", self.cookie))?;
        parts.put(format_args!("duration{}", Seconds(self.duration_sec, self.duration_nsec)))?;
        parts.put(format_args!("idle{}", self.idle_timeout))?;
        parts.put_if(self.hard_timeout != 0, format_args!("hard{}", self.hard_timeout))?;
        parts.put(format_args!("pkts{} bytes{}", self.packet_count, self.byte_count))
    }
}

impl Display for FlowStats {
    /// As `ovs-ofctl dump-flows` prints it.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut parts = Parts::new(f, ", ");
        parts.put(format_args!("cookie={:#x}", self.cookie))?;
        parts.put(format_args!("duration={}", Seconds(self.duration_sec, self.duration_nsec)))?;
        parts.put(format_args!("table={}", self.table_id.0))?;
        parts.put(format_args!("n_packets={}, n_bytes={}", self.packet_count, self.byte_count))?;
        parts.put_if(self.idle_timeout != 0, format_args!("idle_timeout={}", self.idle_timeout))?;
        parts.put_if(self.hard_timeout != 0, format_args!("hard_timeout={}", self.hard_timeout))?;
        let mut words = Parts::new(parts.f, " ");
        words.started = true;
        for (flag, word) in FLAG_WORDS {
            words.put_if(self.flags.contains(flag), format_args!("{word}"))?;
        }
        let rule = Rule(self.priority, &self.match_).to_string();
        words.put_if(!rule.is_empty(), format_args!("{rule}"))?;
        words.put(format_args!("actions={}", Instructions(&self.instructions)))
    }
}

impl Display for PacketOut {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "in_port={} actions={}", self.in_port, Actions(&self.actions))?;
        match self.buffer_id {
            BufferId::NO_BUFFER => write!(f, " data_len={}", self.data.len()),
            BufferId(buffer) => write!(f, " buffer={buffer:#x}"),
        }
    }
}

impl Display for PacketIn {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut parts = Parts::new(f, " ");
        parts.put_if(self.table_id != TableId(0), format_args!("table_id={}", self.table_id.0))?;
        parts.put_if(self.cookie != u64::MAX, format_args!("cookie={:#x}", self.cookie))?;
        parts.put(format_args!("total_len={} {}", self.total_len, self.match_))?;
        match self.reason {
            PacketInReason::NO_MATCH => parts.put(format_args!("(via no_match)"))?,
            PacketInReason::ACTION => parts.put(format_args!("(via action)"))?,
            PacketInReason::INVALID_TTL => parts.put(format_args!("(via invalid_ttl)"))?,
            other => parts.put(format_args!("(via {other})"))?,
        }
        parts.put(format_args!("data_len={}", self.data.len()))?;
        match self.buffer_id {
            BufferId::NO_BUFFER => parts.put(format_args!("(unbuffered)")),
            BufferId(buffer) => parts.put(format_args!("buffer={buffer:#x}")),
        }
    }
}

impl Display for Bucket {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("bucket=")?;
        let mut parts = Parts::new(f, ",");
        parts.put_if(self.weight != 0, format_args!("weight:{}", self.weight))?;
        parts.put_if(self.watch_port != PortNo::ANY, format_args!("watch_port:{}", self.watch_port))?;
        parts.put_if(self.watch_group != GroupId::ANY, format_args!("watch_group:{}", self.watch_group.0))?;
        parts.put(format_args!("actions={}", Actions(&self.actions)))
    }
}

impl Display for GroupMod {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut parts = Parts::new(f, ",");
        match self.command {
            GroupModCommand::ADD => parts.put(format_args!("ADD group_id={}", self.group_id))?,
            GroupModCommand::MODIFY => parts.put(format_args!("MOD group_id={}", self.group_id))?,
            GroupModCommand::DELETE => parts.put(format_args!("DEL group_id={}", self.group_id))?,
            other => parts.put(format_args!("cmd:{other} group_id={}", self.group_id))?,
        }
        match self.group_type {
            GroupType::ALL => parts.put(format_args!("type=all"))?,
            GroupType::SELECT => parts.put(format_args!("type=select"))?,
            GroupType::INDIRECT => parts.put(format_args!("type=indirect"))?,
            GroupType::FF => parts.put(format_args!("type=ff"))?,
            other => parts.put(format_args!("type={other}"))?,
        }
        self.buckets.iter().try_for_each(|bucket| parts.put(format_args!("{bucket}")))
    }
}

impl Display for Message {
    /// The type's name and, for messages that have a short form, that form.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let message_type = self.message_type();
        match self {
            Message::FlowMod(flow_mod) => write!(f, "{message_type}: {flow_mod}"),
            Message::FlowRemoved(flow_removed) => write!(f, "{message_type}: {flow_removed}"),
            Message::PacketIn(packet_in) => write!(f, "{message_type}: {packet_in}"),
            Message::PacketOut(packet_out) => write!(f, "{message_type}: {packet_out}"),
            Message::GroupMod(group_mod) => write!(f, "{message_type}: {group_mod}"),
            Message::Error(error) => write!(f, "{message_type}: {} ({} octets)", error.code(), error.data.len()),
            Message::PortStatus(status) => {
                let port = &status.port;
                write!(f, "{message_type}: {} {}({}) {}", status.reason, port.port_no, port.name, port.hw_addr)?;
                write!(f, " config={} state={}", port.config, port.state)
            }
            Message::FeaturesReply(features) => write!(
                f,
                "{message_type}: dpid={} n_tables={} auxiliary_id={}",
                features.datapath_id, features.n_tables, features.auxiliary_id
            ),
            Message::MultipartRequest(request) => write!(f, "{message_type}: {}", request.body.multipart_type()),
            Message::MultipartReply(reply) => write!(f, "{message_type}: {}", reply.body.multipart_type()),
            _ => write!(f, "{message_type}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    #[test]
    fn prefixes_are_masks_without_a_gap() {
        assert_eq!(prefix_len(&[255, 128, 0, 0]), Some(9));
        assert_eq!(prefix_len(&[255, 0, 255, 0]), None);
        assert_eq!(prefix_len(&[0; 4]), Some(0));
        assert_eq!(prefix_len(&[255; 16]), Some(128));
        assert_eq!(prefix_len(&[127, 255, 255, 255]), None);
    }

    #[test]
    fn a_match_prints_in_the_order_of_ovs_ofctl() {
        let tcp = Match::new()
            .with_tcp_dst(80)
            .with_ip_proto(6)
            .with_eth_type(0x0800)
            .with_in_port(PortNo(1))
            .with_ipv4_dst_masked(Ipv4Addr::new(10, 0, 0, 0), Ipv4Addr::new(255, 0, 0, 0));
        assert_eq!(tcp.to_string(), "tcp,in_port=1,nw_dst=10.0.0.0/8,tp_dst=80");
        let ipv6 = Match::new().with_eth_type(0x86dd).with_ipv6_dst(Ipv6Addr::LOCALHOST).with_ip_proto(99);
        assert_eq!(ipv6.to_string(), "ipv6,ipv6_dst=::1,nw_proto=99");
        assert_eq!(Match::new().with_vlan_vid(0x1007).to_string(), "dl_vlan=7");
        assert_eq!(Match::new().with_vlan_vid(0).to_string(), "vlan_tci=0x0000/0x1fff");
        assert_eq!(Match::new().to_string(), "");
    }

    #[test]
    fn a_flow_mod_prints_on_one_line() {
        let mut flow_mod = FlowMod::add(TableId(1), 10, Match::new().with_eth_type(0x0806));
        flow_mod.instructions = vec![
            Instruction::ApplyActions(vec![Action::output(PortNo(2)), Action::output(PortNo::CONTROLLER)]),
            Instruction::GotoTable(TableId(2)),
        ];
        let line = "OFPT_FLOW_MOD: ADD table:1 priority=10,arp actions=output:2,CONTROLLER:65535,goto_table:2";
        assert_eq!(Message::FlowMod(flow_mod).to_string(), line);
    }
}
