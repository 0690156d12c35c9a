//! `switches`, `vlans` and `flows`: names, and the operator's rules in ovs-ofctl's syntax; `numbered` has the groups and meters that they name.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use net::{DatapathId, VlanId};
use openflow::nicira::NiciraAction;
use openflow::syntax::{Names, SyntaxError, parse_flow_with};
use openflow::{Action, BufferId, FlowMod, FlowModCommand, FlowModFlags, GroupId, Instruction, Message, TableId};

use super::numbered::{self, Lists};
use super::tree::{Content, Mark, Node};
use super::types::{PortConfig, SwitchConfig, VlanConfig};
use super::walk::{Field, Walk, shorten};
use super::words;
use crate::app::static_rules::{Numbered, OperatorRules, RuleList, StaticGroup, StaticMeter, StaticRule};
use crate::flow::pipeline::{CLASSIFY, OPERATOR, STATIC, operator};
use crate::flow::{KEPT_BESIDES, STATED_OCTETS_MAX};

/// The key of `flows`, `groups` and `meters` whose entries every switch has. No switch can have this name.
pub(super) const ALL: &str = "all";

/// `vlans`. What has a problem has a number all the same, so that rules that name it have none because of that.
pub(super) fn vlans(walk: &mut Walk<'_>, field: &Field<'_>) -> Option<BTreeMap<String, VlanConfig>> {
    let mut vlans = BTreeMap::new();
    let mut names: HashMap<VlanId, &str> = HashMap::new();
    for (name, field) in walk.named(field)? {
        let (mark, path) = (field.node.mark, field.path.clone());
        let field = field.either();
        let (id, description) = match field.is_section() {
            false => (walk.integer::<u16>(&field), None),
            true => match walk.section(&field) {
                Some(section) => (
                    walk.read(&section, "id", |walk, field| walk.integer::<u16>(field)),
                    walk.read(&section, "description", Walk::text),
                ),
                None => (None, None),
            },
        };
        match id.and_then(VlanId::new) {
            Some(id) => {
                if let Some(other) = names.insert(id, name) {
                    walk.warn(mark, &path, format!("{} is {other} too", id.get()));
                }
                vlans.insert(name.to_owned(), VlanConfig { id, description });
            }
            None => {
                vlans.extend(VlanId::new(1).map(|id| (name.to_owned(), VlanConfig { id, description })));
            }
        }
    }
    Some(vlans)
}

/// `switches`.
pub(super) fn switches(walk: &mut Walk<'_>, field: &Field<'_>) -> Option<BTreeMap<String, SwitchConfig>> {
    let mut switches = BTreeMap::new();
    let mut names: HashMap<DatapathId, &str> = HashMap::new();
    for (name, field) in walk.named(field)? {
        if name == ALL {
            let message = "a switch cannot have this name: in flows it means every switch";
            walk.refuse(field.node.mark, &field.path, message);
        }
        let Some(section) = walk.section(&field) else { continue };
        let datapath_id = walk.read(&section, "datapath_id", Walk::datapath_id);
        if let Some(other) = datapath_id.and_then(|id| names.insert(id, name)) {
            walk.refuse(section.mark, &section.path_of("datapath_id"), format!("{other} has the same"));
        }
        let description = walk.read(&section, "description", Walk::text);
        let ports = walk.read(&section, "ports", ports).unwrap_or_default();
        // Of a switch without one the rules are read for what is wrong with them.
        let datapath_id = datapath_id.unwrap_or(DatapathId(0));
        let drain = walk.read(&section, "drain", Walk::boolean).unwrap_or(false);
        switches.insert(name.to_owned(), SwitchConfig { datapath_id, description, drain, ports });
    }
    Some(switches)
}

fn ports(walk: &mut Walk<'_>, field: &Field<'_>) -> Option<BTreeMap<net::PortNo, PortConfig>> {
    let mut ports = BTreeMap::new();
    let mut names: HashMap<String, net::PortNo> = HashMap::new();
    for (port_no, field) in walk.ports(field)? {
        let Some(section) = walk.section(&field) else { continue };
        let name = walk.read(&section, "name", Walk::name);
        if let Some(name) = &name {
            let path = section.path_of("name");
            if Names::is_reserved_port(name) {
                walk.refuse(section.mark, &path, format!("`{name}` is a port that every switch has"));
            }
            if let Some(other) = names.insert(name.clone(), port_no) {
                walk.refuse(section.mark, &path, format!("port {other} has the same name"));
            }
        }
        ports.insert(port_no, PortConfig { name, description: walk.read(&section, "description", Walk::text) });
    }
    Some(ports)
}

/// What may stand for numbers in the rules and groups of one switch, or of all.
pub(super) fn names_of(switch: Option<&SwitchConfig>, vlans: &BTreeMap<String, VlanConfig>) -> Names {
    let named = |(port_no, port): (&net::PortNo, &PortConfig)| Some((port.name.clone()?, *port_no));
    Names {
        ports: switch.into_iter().flat_map(|switch| switch.ports.iter().filter_map(named)).collect(),
        vlans: vlans.iter().map(|(name, vlan)| (name.clone(), vlan.id)).collect(),
    }
}

/// The switch that a key is the name of.
pub(super) fn by_switch<'s>(
    walk: &mut Walk<'_>,
    name: &str,
    field: &Field<'_>,
    switches: &'s BTreeMap<String, SwitchConfig>,
) -> Option<&'s SwitchConfig> {
    let switch = switches.get(name);
    if switch.is_none() {
        let known = switches.keys().map(String::as_str).chain([ALL]);
        let hint = match words::nearest(name, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known are those of switches, and `{ALL}`"),
        };
        walk.refuse(field.node.mark, &field.path, format!("there is no switch of this name: {hint}"));
    }
    switch
}

/// The operator's groups and meters, for [`OperatorRules`].
pub(super) fn numbered(
    groups: &Lists<StaticGroup>,
    meters: &Lists<StaticMeter>,
) -> (Arc<Numbered>, BTreeMap<DatapathId, Arc<Numbered>>) {
    let of = |id| Arc::new(Numbered::new(meters.of(id).to_vec(), groups.of(id).to_vec()));
    let own = groups.own.keys().chain(meters.own.keys()).map(|&id| (id, of(Some(id)))).collect();
    (of(None), own)
}

/// `flows`.
pub(super) fn flows(
    walk: &mut Walk<'_>,
    field: &Field<'_>,
    switches: &BTreeMap<String, SwitchConfig>,
    vlans: &BTreeMap<String, VlanConfig>,
    groups: &Lists<StaticGroup>,
    meters: &Lists<StaticMeter>,
) -> Option<OperatorRules> {
    let entries = walk.named(field)?;
    let mut all = Vec::new();
    if let Some((_, field)) = entries.iter().find(|(name, _)| *name == ALL) {
        let known = (groups.of(None), meters.of(None));
        all = rules(walk, field, &names_of(None, vlans), false, known);
        let list = listed(walk, field, all.clone());
        all = list.rules().to_vec();
    }
    let mut own = BTreeMap::new();
    for (name, field) in entries.iter().filter(|(name, _)| *name != ALL) {
        let Some(switch) = by_switch(walk, name, field, switches) else { continue };
        let id = Some(switch.datapath_id);
        let mut list = all.clone();
        list.extend(rules(walk, field, &names_of(Some(switch), vlans), true, (groups.of(id), meters.of(id))));
        own.insert(switch.datapath_id, listed(walk, field, list));
    }
    // They are in order, and each identity is there once.
    let all = RuleList::new(all).unwrap_or_else(|(list, _)| list);
    Some(OperatorRules::new(all, own))
}

/// Each line with something in it: its path, text and place.
/// Each of them says `word` somewhere.
pub(super) fn each_line(
    walk: &mut Walk<'_>,
    field: &Field<'_>,
    word: &str,
    take: &mut dyn FnMut(&mut Walk<'_>, &str, &str, Mark),
) {
    let items = walk.items(field).unwrap_or_default();
    if let Some(parted) = parted(&items, word) {
        let message = "in `[…]` a comma begins another entry, and this is a part of one: put each entry in quotes, or in a line of its own behind `- `";
        return walk.refuse(parted.node.mark, &parted.path, message);
    }
    for item in items {
        let what = "a text, or a block of text with one in each line";
        let Some((text, plain)) = walk.scalar(&item, what) else { continue };
        let place = Place::new(item.node, text, plain);
        if !text.contains('\n') {
            take(walk, &item.path, text, place.line(0));
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            if !line.trim_start().is_empty() && !line.trim_start().starts_with('#') {
                take(walk, &item.path, line, place.line(number));
            }
        }
    }
}

/// The first entry that is a part of what was meant to be one: it lacks the word that each has, and another one stands beside it in its line, which is so
/// in `[…]` alone.
fn parted<'f, 'n>(items: &'f [Field<'n>], word: &str) -> Option<&'f Field<'n>> {
    let plain = |item: &Field<'_>| match &item.node.content {
        Content::Scalar { text, plain: true } => Some(text.contains(word)),
        _ => None,
    };
    items.windows(2).find_map(|pair| match pair {
        [one, next] if one.node.mark.line == next.node.mark.line => match (plain(one)?, plain(next)?) {
            (true, true) => None,
            (false, _) => Some(one),
            (true, false) => Some(next),
        },
        _ => None,
    })
}

/// The rules of one switch, `of_one`, or of all.
fn rules(
    walk: &mut Walk<'_>,
    field: &Field<'_>,
    names: &Names,
    of_one: bool,
    (groups, meters): (&[StaticGroup], &[StaticMeter]),
) -> Vec<StaticRule> {
    let mut rules = Vec::new();
    each_line(walk, field, "actions=", &mut |walk, path, text, start| {
        let line = u32::try_from(start.line).unwrap_or(u32::MAX);
        let read = rule(text, names, line, |does| numbered::needs(text, does, groups, meters, of_one));
        match read {
            Ok(rule) => rules.push(rule),
            Err(wrong) => refuse_line(walk, path, text, start, names, of_one, wrong),
        }
    });
    rules
}

/// Where the lines of an item stand in the file.
struct Place {
    /// Of the first one.
    first: Mark,
    block: bool,
}

impl Place {
    fn new(node: &Node, text: &str, plain: bool) -> Place {
        let mut first = node.mark;
        if node.block {
            // The mark is that of the first line with something in it.
            let empty = text.lines().take_while(|line| line.trim_start().is_empty()).count();
            let blanks = text.lines().nth(empty).map_or(0, |line| line.len() - line.trim_start().len());
            first = Mark { line: first.line.saturating_sub(empty), column: first.column.saturating_sub(blanks).max(1) };
        } else if !plain {
            first.column += 1;
        }
        Place { first, block: node.block }
    }

    /// Where a line starts. Texts that YAML has put together out of several lines have one place.
    fn line(&self, number: usize) -> Mark {
        let below = if self.block { number } else { 0 };
        Mark { line: self.first.line + below, ..self.first }
    }
}

/// Says what is wrong with a line.
pub(super) fn refuse_line(
    walk: &mut Walk<'_>,
    path: &str,
    text: &str,
    start: Mark,
    names: &Names,
    of_one: bool,
    wrong: Wrong,
) {
    let at = |offset: usize| {
        let before = text.get(..offset).map_or(0, |before| before.chars().count());
        Mark { column: start.column + before, ..start }
    };
    match wrong {
        Wrong::Syntax(error) => walk.refuse(at(error.offset), path, syntax_message(&error, names, of_one)),
        Wrong::At(offset, message) => walk.refuse(at(offset), path, message),
        Wrong::Rule(message) => walk.refuse(start, path, format!("{message}: `{}`", shorten(text.trim()))),
    }
}

/// What is wrong with a rule, a group or a meter.
pub(super) enum Wrong {
    /// It cannot be read.
    Syntax(SyntaxError),
    /// What stands at this octet cannot be.
    At(usize, String),
    /// It can be read, and cannot be.
    Rule(String),
}

fn syntax_message(error: &SyntaxError, names: &Names, of_one: bool) -> String {
    let found = if error.found.is_empty() { "nothing".to_owned() } else { format!("`{}`", error.found) };
    let own = || {
        let own = names.ports.keys().chain(names.vlans.keys()).map(String::as_str);
        words::nearest(&error.found, own)
    };
    let meant = error.suggestion.or_else(own).map(|name| format!(" (did you mean {name}?)")).unwrap_or_default();
    let ports = if !of_one && error.expected.starts_with("a port") {
        "; a port's name is one switch's, and `all` is every switch"
    } else {
        ""
    };
    format!("expected {}, found {found}{meant}{ports}", error.expected)
}

fn rule(
    text: &str,
    names: &Names,
    line: u32,
    needs: impl Fn(&[Instruction]) -> Result<(), Wrong>,
) -> Result<StaticRule, Wrong> {
    let flow_mod = parse_flow_with(names, text).map_err(Wrong::Syntax)?;
    stated(&flow_mod).map_err(Wrong::Rule)?;
    placed(&flow_mod).map_err(Wrong::Rule)?;
    let table = flow_mod.table_id;
    flow_mod.instructions.iter().try_for_each(|does| instruction(does, table)).map_err(Wrong::Rule)?;
    needs(&flow_mod.instructions)?;
    let message = Message::FlowMod(flow_mod);
    if let Some(problem) = message.problems().first() {
        return Err(Wrong::Rule(format!("a switch would refuse it: {}: {}", problem.field, problem.reason)));
    }
    let Message::FlowMod(FlowMod { priority, match_, instructions, .. }) = message else {
        return Err(Wrong::Rule("not a rule".to_owned()));
    };
    StaticRule::new(table, priority, &match_, &instructions, line)
        .map_err(|_| Wrong::Rule("longer than the 64 KiB of an OpenFlow message".to_owned()))
}

/// What a rule cannot have because it is stated, and not sent once.
fn stated(flow_mod: &FlowMod) -> Result<(), String> {
    let wrong = if flow_mod.command != FlowModCommand::ADD {
        "rules are stated: a rule that stands here is there, one that does not is not; leave out the command"
    } else if flow_mod.cookie != 0 || flow_mod.cookie_mask != 0 {
        "cookie: the controller marks its rules by cookies of its own"
    } else if flow_mod.idle_timeout != 0 {
        "idle_timeout: a stated rule stays; one that timed out would be put back"
    } else if flow_mod.hard_timeout != 0 {
        "hard_timeout: a stated rule stays; one that timed out would be put back"
    } else if flow_mod.flags != FlowModFlags::NONE {
        "flags such as send_flow_rem or check_overlap are the controller's own"
    } else if flow_mod.buffer_id != BufferId::NO_BUFFER {
        "buffer_id: a stated rule is about no packet that waits"
    } else if flow_mod.out_port != net::PortNo::ANY || flow_mod.out_group != GroupId::ANY {
        "out_port and out_group are for deletions"
    } else {
        return Ok(());
    };
    Err(wrong.to_owned())
}

/// Only the operator's tables and priorities: one table has one owner.
fn placed(flow_mod: &FlowMod) -> Result<(), String> {
    let (table, priority) = (flow_mod.table_id, flow_mod.priority);
    if table != STATIC && !OPERATOR.contains(&table.0) {
        let (first, last) = (OPERATOR.start(), OPERATOR.end());
        return Err(format!("table {}: rules may stand in table 0 and in {first} to {last}", table.0));
    }
    if table == STATIC && !operator::RULES.contains(&priority) {
        let (first, last) = (operator::RULES.start(), operator::RULES.end());
        return Err(format!("priority {priority}: in table 0 it is {first} to {last}; the rest is the controller's"));
    }
    Ok(())
}

fn instruction(does: &Instruction, table: TableId) -> Result<(), String> {
    match does {
        Instruction::GotoTable(to) => leads_to("goto_table", table, *to),
        Instruction::ApplyActions(actions) | Instruction::WriteActions(actions) => {
            actions.iter().try_for_each(|does| action(does, table))
        }
        Instruction::Meter(_)
        | Instruction::WriteMetadata { .. }
        | Instruction::ClearActions
        | Instruction::Experimenter { .. }
        | Instruction::Unknown { .. } => Ok(()),
    }
}

fn action(does: &Action, table: TableId) -> Result<(), String> {
    let Action::Nicira(nicira) = does else { return Ok(()) };
    match nicira {
        NiciraAction::Learn(_) => Err("learn: the switch would make rules that nobody states".to_owned()),
        NiciraAction::FinTimeout { .. } => Err("fin_timeout: a stated rule has no timeouts".to_owned()),
        NiciraAction::Resubmit { .. } => Err("resubmit: name a table, as in resubmit(,100)".to_owned()),
        NiciraAction::ResubmitTable { table_id, .. } => leads_to("resubmit", table, *table_id),
        NiciraAction::Clone(actions) => actions.iter().try_for_each(|does| action(does, table)),
        NiciraAction::Ct(ct) => {
            ct.table_id.map_or(Ok(()), |to| leads_to("ct", table, to))?;
            ct.actions.iter().try_for_each(|does| action(does, table))
        }
        _ => Ok(()),
    }
}

/// On to CLASSIFY, or to a table of the operator's own; upwards, so that nothing goes round.
fn leads_to(what: &str, from: TableId, to: TableId) -> Result<(), String> {
    let back = to == CLASSIFY && from != STATIC;
    // OpenFlow 1.3.5 §5.1: a goto leads to a higher table. A packet that is looked up again may come back to CLASSIFY.
    if OPERATOR.contains(&to.0) && to > from || to == CLASSIFY && (!back || what != "goto_table") {
        return Ok(());
    }
    let (first, last) = (OPERATOR.start(), OPERATOR.end());
    Err(match back {
        true => format!("{what}: {} is below the rule's own table {}", to.0, from.0),
        false => {
            let classify = CLASSIFY.0;
            format!(
                "{what}: table {} is not for this; {classify} (on to the controller's own tables) and a higher one of {first} to {last} are",
                to.0
            )
        }
    })
}

/// The rules as a list; each identity once, and not more than can be read back.
fn listed(walk: &mut Walk<'_>, field: &Field<'_>, rules: Vec<StaticRule>) -> RuleList {
    let list = match RuleList::new(rules) {
        Ok(list) => list,
        Err((list, twice)) => {
            for rule in &twice {
                let first = list.find(rule.rule.table, &rule.rule.key).map_or(0, |first| first.line);
                let message =
                    format!("line {first} has a rule of the same table, priority and match: one of them has to go");
                walk.refuse(Mark { line: rule.line as usize, column: 1 }, &field.path, message);
            }
            list
        }
    };
    let octets: usize = list.rules().iter().map(|rule| rule.rule.body.octets().all().len() + KEPT_BESIDES).sum();
    if octets > STATED_OCTETS_MAX {
        let message = format!(
            "{} rules take {octets} octets in memory, {STATED_OCTETS_MAX} at most can be read back from one switch",
            list.rules().len()
        );
        walk.refuse(field.node.mark, &field.path, message);
    }
    list
}
