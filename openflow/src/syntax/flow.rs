//! A flow from text.

use super::SyntaxError;
use super::action::{Context, instructions};
use super::field::port;
use super::flow_match::{MatchBuilder, protocol_names};
use super::text::{Pair, Pairs, Piece};
use crate::display::flow::{COMMAND_WORDS, FLAG_WORDS};
use crate::flow::{DEFAULT_PRIORITY, FlowMod, FlowModCommand, FlowModFlags};
use crate::flow_match::Match;
use crate::identifier::{BufferId, GroupId, TableId};

/// What stands before a flow that is no addition, as in a file of flows.
const COMMANDS: [(&str, FlowModCommand); 5] = [
    ("add", FlowModCommand::ADD),
    ("modify", FlowModCommand::MODIFY),
    ("modify_strict", FlowModCommand::MODIFY_STRICT),
    ("delete", FlowModCommand::DELETE),
    ("delete_strict", FlowModCommand::DELETE_STRICT),
];

/// Names beside fields.
const NAMES: [&str; 17] = [
    "table",
    "priority",
    "cookie",
    "idle_timeout",
    "hard_timeout",
    "send_flow_rem",
    "check_overlap",
    "reset_counts",
    "no_packet_counts",
    "no_byte_counts",
    "out_port",
    "out_group",
    "buffer_id",
    "actions",
    "duration",
    "n_packets",
    "n_bytes",
];

/// A flow of this command; `None` looks for one at the start of the text.
pub(super) fn flow(text: Piece<'_>, command: Option<FlowModCommand>) -> Result<FlowMod, SyntaxError> {
    let mut text = text.trim();
    let mut printed = false;
    let command = command.unwrap_or_else(|| {
        let end = text.text.find([',', ' ', '\t', '\r', '\n']).unwrap_or(text.text.len());
        let word = text.until(end).text;
        let typed = COMMANDS.iter().find(|(name, _)| *name == word).map(|(_, command)| *command);
        let logged = COMMAND_WORDS.iter().find(|(_, name)| *name == word).map(|(command, _)| *command);
        printed = logged.is_some();
        let found = typed.or(logged);
        text = text.from(if found.is_some() { end } else { 0 });
        found.unwrap_or(FlowModCommand::ADD)
    });
    let delete = matches!(command, FlowModCommand::DELETE | FlowModCommand::DELETE_STRICT);
    let (head, actions) = split_actions(text);
    if actions.is_none() && !delete {
        return Err(text.from(text.text.len()).error("actions=... (actions=drop drops packets)"));
    }
    // A deletion that is typed is one from all tables unless it names one. One that is printed names what is not table 0.
    let table_id = if delete && !printed { TableId::ALL } else { TableId(0) };
    let mut reader =
        Reader { flow_mod: FlowMod::add(table_id, DEFAULT_PRIORITY, Match::new()), match_: MatchBuilder::default() };
    reader.flow_mod.command = command;
    for pair in Pairs(head) {
        reader.take(pair?)?;
    }
    let Reader { mut flow_mod, match_ } = reader;
    let context = Context { ip_proto: match_.ip_proto(), has_vlan: match_.has_vlan(), depth: 0 };
    flow_mod.match_ = match_.finish()?;
    if let Some(actions) = actions {
        flow_mod.instructions = instructions(actions, context)?;
    }
    Ok(flow_mod)
}

/// What stands before and behind `actions=`.
fn split_actions(text: Piece<'_>) -> (Piece<'_>, Option<Piece<'_>>) {
    for (at, _) in text.text.match_indices("action") {
        let rest = text.from(at);
        let separate =
            at == 0 || text.text.get(..at).is_some_and(|before| before.ends_with([',', ' ', '\t', '\r', '\n']));
        if let Some(behind) = ["actions=", "action="].iter().find(|name| separate && rest.text.starts_with(**name)) {
            return (text.until(at), Some(rest.from(behind.len())));
        }
    }
    (text, None)
}

struct Reader<'a> {
    flow_mod: FlowMod,
    match_: MatchBuilder<'a>,
}

impl<'a> Reader<'a> {
    fn take(&mut self, pair: Pair<'a>) -> Result<(), SyntaxError> {
        let flow_mod = &mut self.flow_mod;
        if let Some((flag, _)) = FLAG_WORDS.iter().find(|(_, word)| *word == pair.name()) {
            flow_mod.flags = flow_mod.flags | *flag;
            return Ok(());
        }
        match pair.name() {
            "table" => flow_mod.table_id = TableId(pair.some_value()?.u8()?),
            "priority" => flow_mod.priority = pair.some_value()?.u16()?,
            "cookie" => self.cookie(pair)?,
            "idle_timeout" | "idle" => flow_mod.idle_timeout = pair.some_value()?.u16()?,
            "hard_timeout" | "hard" => flow_mod.hard_timeout = pair.some_value()?.u16()?,
            "out_port" => flow_mod.out_port = port(pair.some_value()?)?,
            "out_group" => {
                let group = pair.some_value()?;
                flow_mod.out_group = match group.text {
                    "any" | "ANY" => GroupId::ANY,
                    "all" | "ALL" => GroupId::ALL,
                    _ => GroupId(group.u32()?),
                };
            }
            "buf" | "buffer_id" => flow_mod.buffer_id = BufferId(pair.some_value()?.u32()?),
            "flags" => flow_mod.flags = flow_mod.flags | FlowModFlags(pair.some_value()?.u16()?),
            // What a dump says besides is no part of a flow: a line of a dump can be read as it is.
            "duration"
            | "n_packets"
            | "n_bytes"
            | "idle_age"
            | "hard_age"
            | "no_readonly_table"
            | "allow_hidden_fields" => {}
            _ => {
                if !self.match_.take(pair)? {
                    let names = NAMES.into_iter().chain(protocol_names());
                    return Err(pair.key.error("a field, a protocol or a word of a flow").suggest_field(names));
                }
            }
        }
        Ok(())
    }

    /// Under a mask it says which flows; without, it is the cookie of a new flow.
    fn cookie(&mut self, pair: Pair<'a>) -> Result<(), SyntaxError> {
        let value = pair.some_value()?;
        let flow_mod = &mut self.flow_mod;
        match value.split_once("/") {
            Some((_, mask)) if flow_mod.command == FlowModCommand::ADD => {
                return Err(mask.error("no mask (a new flow's cookie is whole)"));
            }
            Some((cookie, mask)) => {
                flow_mod.cookie_mask = mask.u64()?;
                flow_mod.cookie = cookie.u64()? & flow_mod.cookie_mask;
            }
            None => flow_mod.cookie = value.u64()?,
        }
        Ok(())
    }
}

/// A match alone.
pub(super) fn match_of(text: Piece<'_>) -> Result<Match, SyntaxError> {
    let mut builder = MatchBuilder::default();
    for pair in Pairs(text) {
        let pair = pair?;
        if !builder.take(pair)? {
            return Err(pair.key.error("a field or a protocol").suggest_field(protocol_names()));
        }
    }
    builder.finish()
}
