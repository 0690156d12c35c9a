//! Flows in ovs-ofctl's words: changes of the table, what it holds, what went, and questions about it.

use std::fmt::{self, Display, Formatter};

use net::PortNo;

use super::action::{Actions, Instructions};
use super::flow_match::Rule;
use super::text::{Hex, Parts, Seconds};
use crate::flow::{DEFAULT_PRIORITY, FlowMod, FlowModCommand, FlowModFlags, FlowRemoved, FlowRemovedReason};
use crate::identifier::{BufferId, GroupId, TableId};
use crate::multipart::{FlowStats, FlowStatsRequest};
use crate::packet::{PacketIn, PacketOut};

/// ovs-ofctl's words for flags, in its order.
pub(crate) const FLAG_WORDS: [(FlowModFlags, &str); 5] = [
    (FlowModFlags::SEND_FLOW_REM, "send_flow_rem"),
    (FlowModFlags::CHECK_OVERLAP, "check_overlap"),
    (FlowModFlags::RESET_COUNTS, "reset_counts"),
    (FlowModFlags::NO_PKT_COUNTS, "no_packet_counts"),
    (FlowModFlags::NO_BYT_COUNTS, "no_byte_counts"),
];

fn put_flags(flags: FlowModFlags, parts: &mut Parts<'_, '_>) -> fmt::Result {
    for (flag, word) in FLAG_WORDS {
        parts.put_if(flags.contains(flag), format_args!("{word}"))?;
    }
    parts.put_if(flags.has_unknown(), format_args!("flags:{:#x}", flags.0 & !FlowModFlags::KNOWN.0))
}

/// ovs-ofctl's words for what a flow-mod does.
pub(crate) const COMMAND_WORDS: [(FlowModCommand, &str); 5] = [
    (FlowModCommand::ADD, "ADD"),
    (FlowModCommand::MODIFY, "MOD"),
    (FlowModCommand::MODIFY_STRICT, "MOD_STRICT"),
    (FlowModCommand::DELETE, "DEL"),
    (FlowModCommand::DELETE_STRICT, "DEL_STRICT"),
];

impl Display for FlowMod {
    /// `ADD table:1 priority=10,ip,nw_dst=10.0.0.0/8 actions=output:2`.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut parts = Parts::new(f, " ");
        match COMMAND_WORDS.iter().find(|(command, _)| *command == self.command) {
            Some((_, word)) => parts.put(format_args!("{word}"))?,
            None => parts.put(format_args!("cmd:{}", self.command.0))?,
        }
        parts.put_if(self.table_id != TableId(0), format_args!("table:{}", self.table_id.0))?;
        let rule = Rule(self.priority, &self.match_).to_string();
        parts.put_if(!rule.is_empty(), format_args!("{rule}"))?;
        match (self.cookie, self.cookie_mask) {
            (0, 0) => {}
            (cookie, 0) => parts.put(format_args!("cookie:{cookie:#x}"))?,
            (cookie, mask) => parts.put(format_args!("cookie:{cookie:#x}/{mask:#x}"))?,
        }
        parts.put_if(self.idle_timeout != 0, format_args!("idle:{}", self.idle_timeout))?;
        parts.put_if(self.hard_timeout != 0, format_args!("hard:{}", self.hard_timeout))?;
        parts.put_if(self.buffer_id != BufferId::NO_BUFFER, format_args!("buf:{:#x}", self.buffer_id.0))?;
        parts.put_if(self.out_port != PortNo::ANY, format_args!("out_port:{}", self.out_port))?;
        // ovs-ofctl reads this and does not print it. A deletion without it looks as if it were one of everything.
        parts.put_if(self.out_group != GroupId::ANY, format_args!("out_group:{}", self.out_group.0))?;
        put_flags(self.flags, &mut parts)?;
        parts.put(format_args!("actions={}", Instructions(&self.instructions)))
    }
}

impl Display for FlowRemoved {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut parts = Parts::new(f, " ");
        let rule = Rule(self.priority, &self.match_).to_string();
        parts.put_if(!rule.is_empty(), format_args!("{rule}"))?;
        match flow_removed_reason(self.reason) {
            Some(word) => parts.put(format_args!("reason={word}"))?,
            None => parts.put(format_args!("reason={}", self.reason.0))?,
        }
        parts.put_if(self.table_id != TableId::ALL, format_args!("table_id={}", self.table_id.0))?;
        parts.put_if(self.cookie != 0, format_args!("cookie:{:#x}", self.cookie))?;
        parts.put(format_args!("duration{}", Seconds(self.duration_sec, self.duration_nsec)))?;
        parts.put(format_args!("idle{}", self.idle_timeout))?;
        parts.put_if(self.hard_timeout != 0, format_args!("hard{}", self.hard_timeout))?;
        parts.put(format_args!("pkts{} bytes{}", self.packet_count, self.byte_count))
    }
}

pub(super) fn flow_removed_reason(reason: FlowRemovedReason) -> Option<&'static str> {
    Some(match reason {
        FlowRemovedReason::IDLE_TIMEOUT => "idle",
        FlowRemovedReason::HARD_TIMEOUT => "hard",
        FlowRemovedReason::DELETE => "delete",
        FlowRemovedReason::GROUP_DELETE => "group_delete",
        _ => return None,
    })
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
        // The last part with a comma after it has one also when only words follow.
        parts.f.write_str(",")?;
        let mut words = Parts { f: parts.f, separator: " ", started: true };
        put_flags(self.flags, &mut words)?;
        let rule = Rule(self.priority, &self.match_).to_string();
        words.put_if(!rule.is_empty(), format_args!("{rule}"))?;
        words.put(format_args!("actions={}", Instructions(&self.instructions)))
    }
}

/// A flow entry without its counters and its age.
struct Entry<'a>(&'a FlowStats);

impl Display for Entry<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Entry(entry) = self;
        if entry.cookie != 0 {
            write!(f, "cookie={:#x}, ", entry.cookie)?;
        }
        if entry.table_id != TableId(0) {
            write!(f, "table={}, ", entry.table_id.0)?;
        }
        if entry.idle_timeout != 0 {
            write!(f, "idle_timeout={}, ", entry.idle_timeout)?;
        }
        if entry.hard_timeout != 0 {
            write!(f, "hard_timeout={}, ", entry.hard_timeout)?;
        }
        let mut words = Parts::new(f, " ");
        put_flags(entry.flags, &mut words)?;
        let rule = Rule(entry.priority, &entry.match_).to_string();
        words.put_if(!rule.is_empty(), format_args!("{rule}"))?;
        words.put(format_args!("actions={}", Instructions(&entry.instructions)))
    }
}

impl FlowStats {
    /// As `ovs-ofctl --no-stats dump-flows` prints it: without counters and age.
    pub fn entry(&self) -> impl Display + '_ {
        Entry(self)
    }
}

impl Display for FlowStatsRequest {
    /// As `ovs-ofctl snoop` prints it, but with the group and cookie that it leaves out.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut parts = Parts::new(f, " ");
        parts.put_if(self.table_id != TableId::ALL, format_args!("table={}", self.table_id.0))?;
        parts.put_if(self.out_port != PortNo::ANY, format_args!("out_port={}", self.out_port))?;
        parts.put_if(self.out_group != GroupId::ANY, format_args!("out_group={}", self.out_group.0))?;
        let cookie = format_args!("cookie={}/{}", Hex(self.cookie), Hex(self.cookie_mask));
        parts.put_if(self.cookie_mask != 0, cookie)?;
        let rule = Rule(DEFAULT_PRIORITY, &self.match_).to_string();
        parts.put_if(!rule.is_empty(), format_args!("{rule}"))
    }
}

impl Display for PacketOut {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "in_port={} actions={}", self.in_port, Actions(&self.actions))?;
        match self.buffer_id {
            BufferId::NO_BUFFER => write!(f, " data_len={}", self.data.len()),
            BufferId(buffer) => write!(f, " buffer={buffer:#010x}"),
        }
    }
}

impl Display for PacketIn {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut parts = Parts::new(f, " ");
        parts.put_if(self.table_id != TableId(0), format_args!("table_id={}", self.table_id.0))?;
        parts.put_if(self.cookie != u64::MAX, format_args!("cookie={:#x}", self.cookie))?;
        parts.put(format_args!("total_len={} {}", self.total_len, self.match_))?;
        match super::nicira::packet_in_reason(self.reason) {
            Some(word) => parts.put(format_args!("(via {word})"))?,
            None => parts.put(format_args!("(via {})", self.reason.0))?,
        }
        parts.put(format_args!("data_len={}", self.data.len()))?;
        let total_len = usize::from(self.total_len);
        match self.buffer_id {
            BufferId::NO_BUFFER => {
                parts.put(format_args!("(unbuffered)"))?;
                parts.put_if(total_len != self.data.len(), format_args!("(***total_len != data_len***)"))
            }
            BufferId(buffer) => {
                parts.put(format_args!("buffer={buffer:#010x}"))?;
                parts.put_if(total_len < self.data.len(), format_args!("(***total_len < data_len***)"))
            }
        }
    }
}
