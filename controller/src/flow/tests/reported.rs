//! What Open vSwitch reports in other words than it was told: read back, it is what was asked for.

use bytes::Bytes;
use openflow::FlowStats;
use openflow::syntax::parse_flow;

use topology::SeededState;

use super::super::audit::FlowSettings;
use super::super::pipeline::Lane;
use super::super::rule::RULE_FLAGS;
use super::super::switch::{Permit, SwitchFlows};
use super::*;
use crate::app::static_rules::StaticRule;

/// A reply with one entry, as the entry stands in the file.
fn reported(hex: &str) -> FlowStats {
    let octets = |hex: &str| -> Vec<u8> {
        (0..hex.len() / 2).map(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).expect("hex")).collect()
    };
    let entry = octets(hex);
    let length = u16::try_from(16 + entry.len()).expect("a short message").to_be_bytes();
    let mut frame = vec![4, 19, length[0], length[1], 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0];
    frame.extend(entry);
    let (_, message) = Message::decode(&Bytes::from(frame)).expect("a reply");
    let Message::MultipartReply(MultipartReply { body: MultipartReplyBody::Flow(mut flows), .. }) = message else {
        panic!("a list of flows")
    };
    flows.pop().expect("an entry")
}

#[test]
fn a_rule_that_open_vswitch_words_otherwise_is_taken_for_installed() {
    let mut others = Vec::new();
    for line in include_str!("../../../testdata/flows_reported.txt").lines().filter(|line| !line.starts_with('#')) {
        let (text, hex) = line.split_once(" | ").expect("text and hex");
        let flow = match parse_flow(text) {
            Ok(flow) => flow,
            Err(error) => {
                others.push(format!("{text}: {error}"));
                continue;
            }
        };
        let rule = StaticRule::new(flow.table_id, flow.priority, &flow.match_, &flow.instructions, 1).expect("short");
        let mut flows = SwitchFlows::new(SeededState::new(1));
        let of_us = FlowStats { cookie: rule.rule.key.cookie(), flags: RULE_FLAGS, ..reported(hex) };
        flows.read_rule(&of_us, &FlowSettings::default());
        flows.set_rule(&rule.rule);
        let mut steps = Vec::new();
        flows.take_steps(Lane::Unicast, Permit::All, S1, &mut steps);
        if !steps.is_empty() {
            others.push(format!("{text}: wants {:?}, has {:?} {:?}", rule.rule, of_us.match_, of_us.instructions));
        }
    }
    assert!(others.is_empty(), "{}", others.join("\n"));
}
