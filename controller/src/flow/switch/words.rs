//! Steps, rules, groups and meters in words.

use openflow::{FlowModFlags, FlowStats, TableId};

use super::{Op, Sent, SwitchFlows};
use crate::flow::body::FlowBody;
use crate::flow::reconciler::RefusedStep;
use crate::flow::refusal::Item;
use crate::flow::rule::RuleId;

impl SwitchFlows {
    /// A step that was refused, in words, and whose rule it was about.
    pub(in crate::flow) fn describe(&self, sent: &Sent) -> RefusedStep {
        let nothing = |what: String| RefusedStep { what, key: None, table: None };
        match (sent.op, &sent.deleted) {
            (_, Some(deleted)) => {
                let RuleId { table, priority, match_ } = &deleted.id;
                let what = format!("delete flow table={table}, priority={priority},{match_}");
                RefusedStep { what, key: None, table: Some(*table) }
            }
            (Op::PutRule(at), None) => self.describe_item(Item::Rule(at)),
            (Op::PutGroup(id) | Op::PutDetour(id) | Op::ShrinkGroup(id), None) => self.describe_item(Item::Group(id)),
            (Op::PutMeter(id), None) => self.describe_item(Item::Meter(id)),
            (Op::DeleteGroup(id), None) => nothing(format!("delete group {}", id.0)),
            (Op::DeleteMeter(id), None) => nothing(format!("delete meter {}", id.0)),
            (Op::DeleteRule(_) | Op::Nothing, None) => nothing("nothing".to_owned()),
        }
    }

    /// A rule, a group or a meter that is wanted, in words.
    pub(super) fn describe_item(&self, item: Item) -> RefusedStep {
        match item {
            Item::Rule(at) => match self.slots.get(at) {
                Some(slot) => {
                    let what = format!("flow {}", flow_words(slot.table, slot.priority, &slot.body));
                    RefusedStep { what, key: slot.desired.then_some(slot.key), table: Some(slot.table) }
                }
                None => RefusedStep { what: "a flow that nobody wants any more".to_owned(), key: None, table: None },
            },
            Item::Group(id) => {
                let key = self.desired_groups.get(&id).map(|group| group.key);
                RefusedStep { what: format!("group {}", id.0), key, table: None }
            }
            Item::Meter(id) => RefusedStep { what: format!("meter {}", id.0), key: self.meter_key(id), table: None },
        }
    }
}

/// Longest text of a flow in an event: a log line carries it.
const FLOW_WORDS: usize = 512;

/// A flow as `ovs-ofctl` prints it, cut if it is very long.
pub(in crate::flow) fn flow_words(table_id: TableId, priority: u16, body: &FlowBody) -> String {
    let stats = FlowStats {
        table_id,
        duration_sec: 0,
        duration_nsec: 0,
        priority,
        idle_timeout: 0,
        hard_timeout: 0,
        flags: FlowModFlags::NONE,
        cookie: 0,
        packet_count: 0,
        byte_count: 0,
        match_: body.match_(),
        instructions: body.instructions(),
    };
    let mut text = stats.entry().to_string();
    if let Some(rest) = text.strip_prefix("cookie=0x0, ") {
        text = rest.to_owned();
    }
    if text.len() > FLOW_WORDS {
        let end = (0..=FLOW_WORDS).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}
