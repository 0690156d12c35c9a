//! Flows, groups and meters from text in the syntax of ovs-ofctl (ovs-ofctl(8), ovs-fields(7), ovs-actions(7) of Open vSwitch 3.1).
//!
//! What [`crate::display`] prints of a flow, group or meter, a line of `ovs-ofctl dump-flows` and what a person types are read by the
//! same functions. The fields of a match stand in the order in which Open vSwitch sends them, so that the message is the same octet
//! for octet; compare [`Match::canonical`] forms to compare meanings.
//!
//! Stricter than ovs-ofctl, which leaves out what can't be: a field without the protocol that gives it a meaning, a value with bits
//! that its field hasn't, and an argument that an action doesn't have are errors. Ports have numbers or reserved names, not the names
//! of one switch, unless [`Names`] are given. `cookie` without a mask is kept in a modification, though OpenFlow 1.3 has no way to change a cookie.
//!
//! Reading takes time linear in the text and in how deep actions stand inside of each other, and never fails otherwise than by an
//! error.

mod action;
mod error;
mod field;
mod flow;
mod flow_match;
mod group;
mod learn;
mod names;
mod nicira;
mod text;

pub use error::SyntaxError;
pub use names::Names;

use crate::action::Action;
use crate::flow::{FlowMod, FlowModCommand};
use crate::flow_match::Match;
use crate::group::{GroupMod, GroupModCommand};
use crate::instruction::Instruction;
use crate::meter::{MeterMod, MeterModCommand};
use crate::nicira::MAX_ACTION_DEPTH;

use text::Piece;

/// Octets of a text that is read. A message of 64 KiB prints as at most a few hundred; what is longer can't become a message.
pub const MAX_TEXT_LEN: usize = 1024 * 1024;

/// How deep actions may stand inside of each other (`clone(clone(...))`): as deep as the decoder reads them. Deeper ones are refused.
pub const MAX_NESTING: usize = MAX_ACTION_DEPTH as usize;

fn piece(text: &str) -> Result<Piece<'_>, SyntaxError> {
    if text.len() > MAX_TEXT_LEN {
        return Err(SyntaxError::new(MAX_TEXT_LEN, format!("at most {MAX_TEXT_LEN} octets of text"), ""));
    }
    Ok(Piece::new(text))
}

/// A flow: an addition, or what `add`, `modify`, `modify_strict`, `delete` or `delete_strict` before it says.
///
/// ```
/// let flow = openflow::syntax::parse_flow("priority=10,ip,nw_dst=10.0.0.0/8,actions=output:2")?;
/// assert_eq!(flow.to_string(), "ADD priority=10,ip,nw_dst=10.0.0.0/8 actions=output:2");
/// let error = openflow::syntax::parse_flow("ip,nw_dts=10.0.0.0/8,actions=output:2").unwrap_err();
/// assert_eq!(error.suggestion, Some("nw_dst"));
/// # Ok::<(), openflow::syntax::SyntaxError>(())
/// ```
pub fn parse_flow(text: &str) -> Result<FlowMod, SyntaxError> {
    flow::flow(piece(text)?, None)
}

/// A flow for a command that is known: `ovs-ofctl mod-flows` is [`FlowModCommand::MODIFY`], `del-flows` is
/// [`FlowModCommand::DELETE`]. A deletion needs no actions, and is one from all tables unless it names one.
pub fn parse_flow_as(command: FlowModCommand, text: &str) -> Result<FlowMod, SyntaxError> {
    flow::flow(piece(text)?, Some(command))
}

/// The same as [`parse_flow`], where names of ports and VLANs may stand for their numbers.
///
/// ```
/// let mut names = openflow::syntax::Names::default();
/// names.ports.insert("uplink".to_owned(), net::PortNo(3));
/// let flow = openflow::syntax::parse_flow_with(&names, "in_port=uplink,actions=drop")?;
/// assert_eq!(flow, openflow::syntax::parse_flow("in_port=3,actions=drop")?);
/// # Ok::<(), openflow::syntax::SyntaxError>(())
/// ```
pub fn parse_flow_with(names: &Names, text: &str) -> Result<FlowMod, SyntaxError> {
    flow::flow(Piece { names: Some(names), ..piece(text)? }, None)
}

/// A match alone: `tcp,in_port=1,tp_dst=80`. An empty text is a match that every packet fits.
pub fn parse_match(text: &str) -> Result<Match, SyntaxError> {
    flow::match_of(piece(text)?)
}

/// The same as [`parse_match`], where names of ports and VLANs may stand for their numbers.
pub fn parse_match_with(names: &Names, text: &str) -> Result<Match, SyntaxError> {
    flow::match_of(Piece { names: Some(names), ..piece(text)? })
}

/// A list of actions: `set_field:10.0.0.1->ip_dst,output:2`. `drop` or nothing is an empty list.
pub fn parse_actions(text: &str) -> Result<Vec<Action>, SyntaxError> {
    action::actions(piece(text)?, action::Context::default())
}

/// What stands behind `actions=` in a flow: actions, which are applied, and instructions in the order of their execution.
pub fn parse_instructions(text: &str) -> Result<Vec<Instruction>, SyntaxError> {
    action::instructions(piece(text)?, action::Context::default())
}

/// A group: an addition, or what `add`, `modify` or `delete` before it says.
pub fn parse_group(text: &str) -> Result<GroupMod, SyntaxError> {
    group::group(piece(text)?, None)
}

/// The same as [`parse_group`], where names of ports and VLANs may stand for their numbers.
///
/// ```
/// let mut names = openflow::syntax::Names::default();
/// names.ports.insert("uplink".to_owned(), net::PortNo(3));
/// let text = "group_id=1,type=ff,bucket=watch_port:uplink,output:uplink";
/// let group = openflow::syntax::parse_group_with(&names, text)?;
/// assert_eq!(group, openflow::syntax::parse_group("group_id=1,type=ff,bucket=watch_port:3,output:3")?);
/// # Ok::<(), openflow::syntax::SyntaxError>(())
/// ```
pub fn parse_group_with(names: &Names, text: &str) -> Result<GroupMod, SyntaxError> {
    group::group(Piece { names: Some(names), ..piece(text)? }, None)
}

/// A group for a command that is known.
pub fn parse_group_as(command: GroupModCommand, text: &str) -> Result<GroupMod, SyntaxError> {
    group::group(piece(text)?, Some(command))
}

/// A meter: an addition, or what `add`, `modify` or `delete` before it says.
pub fn parse_meter(text: &str) -> Result<MeterMod, SyntaxError> {
    group::meter(piece(text)?, None)
}

/// A meter for a command that is known.
pub fn parse_meter_as(command: MeterModCommand, text: &str) -> Result<MeterMod, SyntaxError> {
    group::meter(piece(text)?, Some(command))
}
