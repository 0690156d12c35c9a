//! Tests of the software switch as a whole.

mod behaviour;
mod bundles;
mod extensions;
mod frames;
mod headers;
mod learning;
mod limits;
mod oracle;
mod packets;
mod properties;
mod requests;
mod tunnel_options;
mod turns;

use super::{Switch, SwitchConfig, SwitchTransmit};
use crate::action::Action;
use crate::error::ErrorCode;
use crate::flow::FlowMod;
use crate::flow_match::Match;
use crate::identifier::TableId;
use crate::instruction::Instruction;
use crate::message::Message;
use crate::port::Port;
use bytes::Bytes;
use net::{DatapathId, MacAddr, PortNo, Time};

/// A switch with ports 1 to 4, whose own messages so far are taken away.
fn switch() -> Switch {
    let mut switch = Switch::new(SwitchConfig { seed: 1, ..SwitchConfig::new(DatapathId(1)) }, Time::ZERO);
    for number in 1..=4 {
        let hw_addr = MacAddr([2, 0, 0, 0, 1, number as u8]);
        switch.add_port(Port::new(PortNo(number), hw_addr, &format!("p{number}")), Time::ZERO);
    }
    drain(&mut switch);
    switch
}

fn drain(switch: &mut Switch) -> Vec<SwitchTransmit> {
    std::iter::from_fn(|| switch.poll_transmit()).collect()
}

/// The answers to one message.
fn ask(switch: &mut Switch, message: Message, now: Time) -> Vec<Message> {
    switch.handle_message(7, &message, now);
    let messages = drain(switch).into_iter().filter_map(|transmit| match transmit {
        SwitchTransmit::ToController { message, .. } => Some(message),
        SwitchTransmit::ToPort { .. } => None,
    });
    messages.collect()
}

/// The code of the error that is the only answer, or `None` if there is no answer at all.
fn error_of(switch: &mut Switch, message: Message) -> Option<ErrorCode> {
    match ask(switch, message, Time::ZERO).as_slice() {
        [] => None,
        [Message::Error(error)] => Some(error.code()),
        other => panic!("expected nothing or an error: {other:?}"),
    }
}

fn apply(actions: Vec<Action>) -> Vec<Instruction> {
    vec![Instruction::ApplyActions(actions)]
}

fn output(port: u32) -> Action {
    Action::output(PortNo(port))
}

fn flow(table: u8, priority: u16, match_: Match, instructions: Vec<Instruction>) -> FlowMod {
    FlowMod { instructions, ..FlowMod::add(TableId(table), priority, match_) }
}

fn add(switch: &mut Switch, flow_mod: FlowMod) {
    assert_eq!(error_of(switch, Message::FlowMod(flow_mod)), None);
}

/// The ports that a frame leaves by, in order, and the frames.
fn send(switch: &mut Switch, in_port: u32, frame: &Bytes, now: Time) -> Vec<(u32, Bytes)> {
    switch.handle_packet(PortNo(in_port), frame.clone(), now);
    let outputs = drain(switch).into_iter().filter_map(|transmit| match transmit {
        SwitchTransmit::ToPort { port_no, frame } => Some((port_no.0, frame)),
        SwitchTransmit::ToController { .. } => None,
    });
    outputs.collect()
}

fn ports_of(outputs: &[(u32, Bytes)]) -> Vec<u32> {
    outputs.iter().map(|(port, _)| *port).collect()
}

/// The one thing that is there.
fn only<T: std::fmt::Debug>(mut things: Vec<T>) -> T {
    assert_eq!(things.len(), 1, "{things:?}");
    things.remove(0)
}
