//! A switch's error is led back to the application and the configuration line.

use openflow::Instruction;

use super::*;
use crate::app::static_rules::{RuleList, StaticRule};

fn sending(ports: &[(u32, u32)]) -> FabricSettings {
    let rule = |(port, line): &(u32, u32)| {
        let does = [Instruction::ApplyActions(vec![Action::output(PortNo(9))])];
        StaticRule::new(TableId(0), 7, &Match::new().with_in_port(PortNo(*port)), &does, *line).unwrap()
    };
    let rules = Arc::new(OperatorRules::new(RuleList::new(ports.iter().map(rule).collect()).unwrap(), BTreeMap::new()));
    settings(rules)
}

#[test]
fn an_error_about_a_rule_of_the_operator_names_its_line() {
    let mut world = World::equal();
    world.connect(MAIN, 0, T0);
    world.core.handle_config(sending(&[(1, 10), (2, 20)]), T0);
    while let Some((at, _)) = world.core.poll_timeout().filter(|(at, _)| *at < after(1)) {
        world.core.handle_timeout(at);
        if let Some(output) = world.core.take_output(MAIN) {
            let mut output = output;
            while let Some(length) = openflow::frame_length(&output).unwrap() {
                let (xid, message) = Message::decode(&output.split_to(length)).unwrap();
                let answer = match message {
                    Message::FlowMod(flow_mod) if flow_mod.match_.in_port() == Some(PortNo(2)) => {
                        Message::Error(ErrorMessage::new(ErrorCode::ACTION_BAD_ARGUMENT, Bytes::new()))
                    }
                    Message::BarrierRequest => Message::BarrierReply,
                    _ => continue,
                };
                world.say(MAIN, xid, &answer, at);
            }
        }
    }
    let events = world.events();
    let told = events.iter().find_map(|event| match event {
        CoreEvent::Refused { datapath_id, what, error, owner, line, again } => {
            Some((*datapath_id, what.as_str(), error.as_str(), *owner, *line, *again))
        }
        _ => None,
    });
    let what = "flow priority=7,in_port=2 actions=output:9";
    let error = "OFPBAC_BAD_ARGUMENT";
    assert_eq!(told, Some((SWITCH, what, error, Some(Owner::StaticRules), Some(20), Again::WhenDifferent)));
}
