//! Actions and instructions from text.

use bytes::Bytes;
use net::PortNo;

use super::field::{FieldValue, field_named, field_value, meaning, port, reserved_port, subfield};
use super::text::{Pair, Pairs, Piece, cut};
use super::{MAX_NESTING, SyntaxError, nicira};
use crate::action::{Action, ActionType, CONTROLLER_NO_BUFFER};
use crate::identifier::{GroupId, MeterId, TableId};
use crate::instruction::{Instruction, InstructionType};
use crate::nicira::{NiciraAction, Subfield};
use crate::oxm::{OxmFieldOwned, OxmKind, VID_PRESENT};

/// What an action's meaning depends on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Context {
    /// The IP protocol that the match names: which ports `mod_tp_dst` sets.
    pub ip_proto: Option<u8>,
    /// Whether the packet has a VLAN tag here: else `mod_vlan_vid` pushes one.
    pub has_vlan: bool,
    /// How many actions this one is inside of.
    pub depth: usize,
}

impl Context {
    /// Inside of another action.
    pub fn inner(self, place: Piece<'_>) -> Result<Context, SyntaxError> {
        if self.depth >= MAX_NESTING {
            return Err(place.error(format!("at most {MAX_NESTING} actions inside of each other")));
        }
        Ok(Context { depth: self.depth + 1, ..self })
    }
}

/// A list of actions.
pub(super) fn actions(text: Piece<'_>, context: Context) -> Result<Vec<Action>, SyntaxError> {
    let mut list = List { actions: Vec::new(), context, dropped: None };
    for pair in Pairs(text) {
        let pair = pair?;
        if let Some(instruction) = INSTRUCTIONS.iter().find(|name| **name == pair.name()) {
            return Err(pair.key.error(format!("an action, and {instruction} is an instruction of a flow,")));
        }
        list.take(pair)?;
    }
    list.finish()
}

/// Actions as they are read.
pub(super) struct List<'a> {
    pub actions: Vec<Action>,
    context: Context,
    dropped: Option<Piece<'a>>,
}

impl<'a> List<'a> {
    pub fn new(context: Context) -> List<'a> {
        List { actions: Vec::new(), context, dropped: None }
    }

    pub fn take(&mut self, pair: Pair<'a>) -> Result<(), SyntaxError> {
        if pair.name().eq_ignore_ascii_case("drop") {
            self.dropped = Some(pair.key);
            return Ok(());
        }
        action(pair, &mut self.context, &mut self.actions)
    }

    pub fn finish(self) -> Result<Vec<Action>, SyntaxError> {
        match self.dropped {
            Some(place) if !self.actions.is_empty() => Err(place.error("no drop beside other actions")),
            _ => Ok(self.actions),
        }
    }
}

/// Names of instructions; any other name is an action's.
const INSTRUCTIONS: [&str; 7] = [
    "meter",
    "clear_actions",
    "write_actions",
    "write_metadata",
    "goto_table",
    "experimenter_instruction",
    "unknown_instruction",
];

/// Names of actions, for suggestions.
const ACTIONS: [&str; 60] = [
    "output",
    "group",
    "controller",
    "enqueue",
    "bundle",
    "bundle_load",
    "set_field",
    "set_vlan_vid",
    "set_vlan_pcp",
    "mod_vlan_vid",
    "mod_vlan_pcp",
    "strip_vlan",
    "pop_vlan",
    "push_vlan",
    "mod_dl_src",
    "mod_dl_dst",
    "mod_nw_src",
    "mod_nw_dst",
    "mod_nw_tos",
    "mod_nw_ecn",
    "mod_nw_ttl",
    "set_nw_ttl",
    "mod_tp_src",
    "mod_tp_dst",
    "move",
    "load",
    "push",
    "pop",
    "dec_ttl",
    "set_mpls_label",
    "set_mpls_tc",
    "set_mpls_ttl",
    "dec_mpls_ttl",
    "push_mpls",
    "pop_mpls",
    "dec_nsh_ttl",
    "delete_field",
    "encap",
    "decap",
    "set_tunnel",
    "set_tunnel64",
    "set_queue",
    "pop_queue",
    "fin_timeout",
    "resubmit",
    "learn",
    "conjunction",
    "multipath",
    "note",
    "exit",
    "sample",
    "ct",
    "ct_clear",
    "nat",
    "clone",
    "check_pkt_larger",
    "drop",
    "copy_ttl_out",
    "copy_ttl_in",
    "push_pbb",
];

/// One action, which can become several. Those that hold others have a function of their own: what is on the stack once for every
/// level is to be small.
fn action(pair: Pair<'_>, context: &mut Context, out: &mut Vec<Action>) -> Result<(), SyntaxError> {
    if pair.name().eq_ignore_ascii_case("clone") {
        out.push(Action::Nicira(NiciraAction::Clone(actions(pair.value, context.inner(pair.key)?)?)));
        return Ok(());
    }
    if pair.name().eq_ignore_ascii_case("ct") {
        out.push(nicira::ct(pair.value, context.inner(pair.key)?)?);
        return Ok(());
    }
    flat_action(pair, context, out)
}

fn flat_action(pair: Pair<'_>, context: &mut Context, out: &mut Vec<Action>) -> Result<(), SyntaxError> {
    let name = pair.name().to_ascii_lowercase();
    let value = pair.value;
    let set = |kind: OxmKind, number: u64| {
        let field = FieldValue::number(kind, number);
        OxmFieldOwned::new(kind, &field.value, None)
            .map(Action::SetField)
            .ok_or_else(|| value.error("a value that fits"))
    };
    let action = match name.as_str() {
        "output" => output(pair)?,
        "group" => Action::Group(GroupId(pair.some_value()?.u32()?)),
        "set_queue" => Action::SetQueue(pair.some_value()?.u32()?),
        "enqueue" => return enqueue(pair, out),
        "set_field" => return set_field(pair.some_value()?, out),
        "load" => return load(pair.some_value()?, out),
        "mod_vlan_vid" | "set_vlan_vid" => {
            let vid = match value.vlan_named() {
                Some(vid) => u64::from(vid),
                None => pair.some_value()?.number(0xfff)?,
            };
            push_vlan_if_needed(name == "mod_vlan_vid", context, out);
            set(OxmKind::VLAN_VID, vid | u64::from(VID_PRESENT))?
        }
        "mod_vlan_pcp" | "set_vlan_pcp" => {
            let pcp = pair.some_value()?.number(7)?;
            push_vlan_if_needed(name == "mod_vlan_pcp", context, out);
            set(OxmKind::VLAN_PCP, pcp)?
        }
        "pop_vlan" | "strip_vlan" => {
            context.has_vlan = false;
            Action::PopVlan
        }
        "push_vlan" => {
            let ethertype = pair.some_value()?.u16()?;
            if ![0x8100, 0x88a8].contains(&ethertype) {
                return Err(value.error("0x8100 or 0x88a8"));
            }
            context.has_vlan = true;
            Action::PushVlan(ethertype)
        }
        "mod_dl_src" => address(OxmKind::ETH_SRC, pair)?,
        "mod_dl_dst" => address(OxmKind::ETH_DST, pair)?,
        "mod_nw_src" => address(OxmKind::IPV4_SRC, pair)?,
        "mod_nw_dst" => address(OxmKind::IPV4_DST, pair)?,
        "mod_nw_tos" => {
            let tos = pair.some_value()?.u8()?;
            if tos & 3 != 0 {
                return Err(value.error("a type of service whose two low bits are 0"));
            }
            set(OxmKind::IP_DSCP, u64::from(tos >> 2))?
        }
        "mod_nw_ecn" => set(OxmKind::IP_ECN, pair.some_value()?.number(3)?)?,
        "mod_nw_ttl" | "set_nw_ttl" => Action::SetNwTtl(pair.some_value()?.u8()?),
        "mod_tp_src" | "mod_tp_dst" => {
            let (source, destination) = match context.ip_proto {
                Some(6) => (OxmKind::TCP_SRC, OxmKind::TCP_DST),
                Some(17) => (OxmKind::UDP_SRC, OxmKind::UDP_DST),
                Some(132) => (OxmKind::SCTP_SRC, OxmKind::SCTP_DST),
                _ => return Err(pair.key.error("a match of tcp, udp or sctp for this action, or set_field")),
            };
            let kind = if name == "mod_tp_src" { source } else { destination };
            set(kind, u64::from(pair.some_value()?.u16()?))?
        }
        "dec_ttl" if value.is_empty() => Action::DecNwTtl,
        "copy_ttl_out" => Action::CopyTtlOut,
        "copy_ttl_in" => Action::CopyTtlIn,
        "set_mpls_label" => set(OxmKind::MPLS_LABEL, pair.some_value()?.number(0xfffff)?)?,
        "set_mpls_tc" => set(OxmKind::MPLS_TC, pair.some_value()?.number(7)?)?,
        "set_mpls_ttl" => Action::SetMplsTtl(pair.some_value()?.u8()?),
        "dec_mpls_ttl" => Action::DecMplsTtl,
        "push_mpls" => Action::PushMpls(pair.some_value()?.u16()?),
        "pop_mpls" => Action::PopMpls(pair.some_value()?.u16()?),
        "push_pbb" => Action::PushPbb(pair.some_value()?.u16()?),
        "pop_pbb" => Action::PopPbb,
        "set_tunnel" | "set_tunnel64" => set(OxmKind::TUNNEL_ID, pair.some_value()?.number(u64::MAX)?)?,
        "experimenter" => {
            let (experimenter, body) = numbered(pair)?;
            Action::Experimenter { experimenter: experimenter.u32()?, body }
        }
        "unknown" => {
            let (action_type, body) = numbered(pair)?;
            Action::Unknown { action_type: ActionType(action_type.u16()?), body }
        }
        _ => match nicira::action(&name, pair)? {
            Some(action) => action,
            None => match reserved_port(&name)
                .map(Ok)
                .or_else(|| (!name.starts_with('-')).then(|| pair.key.u32().map(PortNo)))
            {
                Some(Ok(port)) if value.is_empty() => output_to(port, CONTROLLER_NO_BUFFER),
                _ => {
                    let names = ACTIONS.iter().chain(&INSTRUCTIONS).copied();
                    return Err(pair.key.error("an action").suggest(names));
                }
            },
        },
    };
    out.push(action);
    Ok(())
}

/// An output: only the controller's has a length.
pub(super) fn output_to(port: PortNo, max_len: u16) -> Action {
    Action::Output { port, max_len: if port == PortNo::CONTROLLER { max_len } else { 0 } }
}

fn output(pair: Pair<'_>) -> Result<Action, SyntaxError> {
    let value = pair.some_value()?;
    if value.text.contains("max_len") {
        return nicira::output_truncated(value);
    }
    if value.text.contains('[') || field_named(value.text).is_some() {
        let source = subfield(value)?;
        let max_len = CONTROLLER_NO_BUFFER;
        let wide = source.kind.experimenter_len() > 0;
        return Ok(Action::Nicira(match wide {
            true => NiciraAction::OutputReg2 { source, max_len },
            false => NiciraAction::OutputReg { source, max_len },
        }));
    }
    Ok(output_to(port(value)?, CONTROLLER_NO_BUFFER))
}

/// `enqueue:PORT:QUEUE`: in OpenFlow 1.3 a queue, an output and back.
fn enqueue(pair: Pair<'_>, out: &mut Vec<Action>) -> Result<(), SyntaxError> {
    let value = pair.some_value()?;
    let split = value.split_once(":").or_else(|| value.split_once(","));
    let Some((port_text, queue)) = split else { return Err(value.error("a port and a queue, as in enqueue:1:2")) };
    let port = port(port_text.trim())?;
    out.push(Action::SetQueue(queue.trim().u32()?));
    out.push(Action::Output { port, max_len: CONTROLLER_NO_BUFFER });
    out.push(Action::Nicira(NiciraAction::PopQueue));
    Ok(())
}

fn push_vlan_if_needed(modify: bool, context: &mut Context, out: &mut Vec<Action>) {
    if modify && !context.has_vlan {
        out.push(Action::PushVlan(0x8100));
    }
    context.has_vlan = true;
}

fn address(kind: OxmKind, pair: Pair<'_>) -> Result<Action, SyntaxError> {
    let value = pair.some_value()?;
    let field = field_value(kind, value)?;
    let owned = OxmFieldOwned::new(kind, &field.value, None).filter(|_| field.mask.is_none());
    owned.map(Action::SetField).ok_or_else(|| value.error("an address without a mask"))
}

/// `VALUE[/MASK]->FIELD`. Under a mask it is a load of every run of bits.
fn set_field(text: Piece<'_>, out: &mut Vec<Action>) -> Result<(), SyntaxError> {
    let Some((value, name)) = text.split_once("->") else { return Err(text.error("VALUE->FIELD")) };
    let Some(kind) = field_named(name.text) else { return Err(name.error("a field").suggest_field([])) };
    if kind.writable() == Some(false) {
        return Err(name.error("a field that can be set"));
    }
    let field = match value.vlan_named().filter(|_| kind == OxmKind::VLAN_VID) {
        Some(vid) => FieldValue::number(kind, u64::from(vid | VID_PRESENT)),
        None => field_value(kind, value)?,
    };
    let whole = |mask: &Vec<u8>| {
        let bits = usize::from(kind.bits().unwrap_or(u16::MAX));
        mask.iter().enumerate().all(|(index, octet)| {
            let needed = meaning(bits, mask.len(), index);
            octet & needed == needed
        })
    };
    match field.mask.filter(|mask| !whole(mask)) {
        None => {
            let action = OxmFieldOwned::new(kind, &field.value, None).map(Action::SetField);
            out.push(action.ok_or_else(|| text.error("a field that can be set"))?);
        }
        Some(mask) => out.extend(load_runs(crate::display::field::nicira_kind(kind), &field.value, &mask)),
    }
    Ok(())
}

/// A load for every run of bits under a mask, lowest first; none is longer than 64 bits. Bits of the mask above the field's own say nothing, as
/// with ovs-ofctl.
fn load_runs(kind: OxmKind, value: &[u8], mask: &[u8]) -> Vec<Action> {
    let length = value.len();
    let bits = kind.subfield_bits().map_or(length * 8, |bits| usize::from(bits).min(length * 8));
    let bit =
        |octets: &[u8], bit: usize| octets.get(length - 1 - bit / 8).is_some_and(|octet| octet >> (bit % 8) & 1 != 0);
    let mut loads = Vec::new();
    let mut at = 0;
    while at < bits {
        if !bit(mask, at) {
            at += 1;
            continue;
        }
        let start = at;
        let mut number = 0u64;
        while at < bits && bit(mask, at) && at - start < 64 {
            number |= u64::from(bit(value, at)) << (at - start);
            at += 1;
        }
        let destination = Subfield { kind, offset: start as u16, bits: (at - start) as u16 };
        loads.push(Action::Nicira(NiciraAction::RegLoad { destination, value: number }));
    }
    loads
}

/// `load:VALUE->FIELD[BITS]`.
fn load(text: Piece<'_>, out: &mut Vec<Action>) -> Result<(), SyntaxError> {
    let Some((value, destination)) = text.split_once("->") else { return Err(text.error("VALUE->FIELD[]")) };
    let destination = subfield(destination)?;
    let length = destination.kind.value_len().unwrap_or(crate::oxm::TUNNEL_METADATA_MAX);
    let octets = value.octets(length)?;
    let (offset, bits) = (usize::from(destination.offset), usize::from(destination.bits));
    let bit = |bit: usize| octets.get(length - 1 - bit / 8).is_some_and(|octet| octet >> (bit % 8) & 1 != 0);
    if (bits..length * 8).any(bit) {
        return Err(value.error(format!("a value of at most {bits} bits")));
    }
    let mut done = 0;
    while done < bits {
        let run = (bits - done).min(64);
        let number = (0..run).fold(0u64, |number, index| number | u64::from(bit(done + index)) << index);
        let destination = Subfield { kind: destination.kind, offset: (offset + done) as u16, bits: run as u16 };
        out.push(Action::Nicira(NiciraAction::RegLoad { destination, value: number }));
        done += run;
    }
    Ok(())
}

/// `name(NUMBER,HEX)`: what we don't know, as it is printed.
fn numbered(pair: Pair<'_>) -> Result<(Piece<'_>, Bytes), SyntaxError> {
    let Some((number, body)) = pair.value.split_once(",") else {
        return Err(pair.value.error("a number and octets in hex"));
    };
    Ok((number, Bytes::from(body.hex_octets()?)))
}

/// The instructions of a flow.
pub(super) fn instructions(text: Piece<'_>, mut context: Context) -> Result<Vec<Instruction>, SyntaxError> {
    let mut instructions: Vec<Instruction> = Vec::new();
    let mut dropped = None;
    let mut rank = 0;
    for pair in Pairs(text) {
        let pair = pair?;
        let name = pair.name();
        if name.eq_ignore_ascii_case("drop") {
            dropped = Some(pair.key);
            continue;
        }
        if name.eq_ignore_ascii_case("apply_actions") {
            return Err(pair.key.error("actions as they are: apply_actions is the default"));
        }
        let (next, instruction) = match instruction(pair, context)? {
            Some(instruction) => instruction,
            None => {
                let mut list = Vec::new();
                action(pair, &mut context, &mut list)?;
                if let Some(Instruction::ApplyActions(actions)) = instructions.last_mut() {
                    actions.append(&mut list);
                    continue;
                }
                (APPLY_ACTIONS_RANK, Instruction::ApplyActions(list))
            }
        };
        // The order in which a switch executes them, each once.
        if next <= rank && next != UNRANKED {
            let order = "instructions once and in the order meter, actions, clear_actions, write_actions, write_metadata, goto_table";
            return Err(pair.key.error(order));
        }
        rank = rank.max(next);
        instructions.push(instruction);
    }
    // Of a field of which no bit is set nothing is left to do.
    instructions.retain(|instruction| !matches!(instruction, Instruction::ApplyActions(actions) if actions.is_empty()));
    match dropped {
        Some(place) if !instructions.is_empty() => Err(place.error("no drop beside other actions or instructions")),
        _ => Ok(instructions),
    }
}

const APPLY_ACTIONS_RANK: u8 = 2;
/// An instruction that we don't know may stand anywhere.
const UNRANKED: u8 = 0;

/// An instruction with its place in the order of execution. `None` if the name is an action's.
fn instruction(pair: Pair<'_>, context: Context) -> Result<Option<(u8, Instruction)>, SyntaxError> {
    Ok(Some(match pair.name() {
        "meter" => (1, Instruction::Meter(MeterId(pair.some_value()?.u32()?))),
        "clear_actions" => (3, Instruction::ClearActions),
        "write_actions" => (4, Instruction::WriteActions(actions(pair.value, context.inner(pair.key)?)?)),
        "write_metadata" => {
            let value = pair.some_value()?;
            let (metadata, mask) = match value.split_once("/") {
                Some((metadata, mask)) => (metadata.u64()?, mask.u64()?),
                None => (value.u64()?, u64::MAX),
            };
            (5, Instruction::WriteMetadata { metadata, mask })
        }
        "goto_table" => (6, Instruction::GotoTable(TableId(pair.some_value()?.u8()?))),
        "experimenter_instruction" => {
            let (experimenter, body) = numbered(pair)?;
            (UNRANKED, Instruction::Experimenter { experimenter: experimenter.u32()?, body })
        }
        "unknown_instruction" => {
            let (number, body) = numbered(pair)?;
            (UNRANKED, Instruction::Unknown { instruction_type: InstructionType(number.u16()?), body })
        }
        _ => return Ok(None),
    }))
}

/// A value that has to be one of some words.
pub(super) fn one_of<T: Copy>(text: Piece<'_>, words: &[(&'static str, T)]) -> Result<T, SyntaxError> {
    let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text.text));
    let expected = || words.iter().map(|(word, _)| *word).collect::<Vec<&str>>().join(", ");
    match found {
        Some((_, meaning)) => Ok(*meaning),
        None => Err(text.error(format!("one of {}", expected())).suggest(words.iter().map(|(word, _)| *word))),
    }
}

/// An error about a name that an action doesn't take.
pub(super) fn unknown_argument(pair: Pair<'_>, action: &str, names: &'static [&'static str]) -> SyntaxError {
    pair.key.error(format!("an argument of {}", cut(action))).suggest(names.iter().copied())
}
