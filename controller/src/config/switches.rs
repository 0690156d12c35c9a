//! `switches`, `vlans` and `flows`: names, and the operator's rules in ovs-ofctl's syntax.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use net::{DatapathId, VlanId};
use openflow::nicira::NiciraAction;
use openflow::syntax::{Names, SyntaxError, parse_flow_with};
use openflow::{Action, BufferId, FlowMod, FlowModCommand, FlowModFlags, GroupId, Instruction, Message, TableId};

use super::tree::{Mark, Node};
use super::types::{PortConfig, SwitchConfig, VlanConfig};
use super::walk::{Field, Walk, shorten};
use super::words;
use crate::app::static_rules::{OperatorRules, RuleList, StaticRule};
use crate::flow::pipeline::{CLASSIFY, OPERATOR, STATIC, operator};
use crate::flow::{KEPT_BESIDES, STATED_OCTETS_MAX};

/// The key of `flows` whose rules every switch has. No switch can have this name.
const ALL: &str = "all";

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
        switches.insert(name.to_owned(), SwitchConfig { datapath_id, description, ports });
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

/// `flows`.
pub(super) fn flows(
    walk: &mut Walk<'_>,
    field: &Field<'_>,
    switches: &BTreeMap<String, SwitchConfig>,
    vlans: &BTreeMap<String, VlanConfig>,
) -> Option<Arc<OperatorRules>> {
    let vlans: BTreeMap<String, VlanId> = vlans.iter().map(|(name, vlan)| (name.clone(), vlan.id)).collect();
    let entries = walk.named(field)?;
    let mut all = Vec::new();
    if let Some((_, field)) = entries.iter().find(|(name, _)| *name == ALL) {
        all = rules(walk, field, &Names { vlans: vlans.clone(), ..Names::default() }, false);
        let list = listed(walk, field, all.clone());
        all = list.rules().to_vec();
    }
    let mut own = BTreeMap::new();
    for (name, field) in entries.iter().filter(|(name, _)| *name != ALL) {
        let Some(switch) = switches.get(*name) else {
            let known = switches.keys().map(String::as_str).chain([ALL]);
            let hint = match words::nearest(name, known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known are those of switches, and `{ALL}`"),
            };
            walk.refuse(field.node.mark, &field.path, format!("there is no switch of this name: {hint}"));
            continue;
        };
        let named = |(port_no, port): (&net::PortNo, &PortConfig)| Some((port.name.clone()?, *port_no));
        let names = Names { ports: switch.ports.iter().filter_map(named).collect(), vlans: vlans.clone() };
        let mut list = all.clone();
        list.extend(rules(walk, field, &names, true));
        own.insert(switch.datapath_id, listed(walk, field, list));
    }
    // They are in order, and each identity is there once.
    let all = RuleList::new(all).unwrap_or_else(|(list, _)| list);
    Some(Arc::new(OperatorRules::new(all, own)))
}

/// The rules of one switch, `of_one`, or of all.
fn rules(walk: &mut Walk<'_>, field: &Field<'_>, names: &Names, of_one: bool) -> Vec<StaticRule> {
    let mut rules = Vec::new();
    for item in walk.items(field).unwrap_or_default() {
        let Some((text, plain)) = walk.scalar(&item, "a rule, or a block with a rule in each line") else { continue };
        let place = Place::new(item.node, text, plain, of_one);
        if !text.contains('\n') {
            take(walk, &item.path, text, place.line(0), names, &place, &mut rules);
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            if !line.trim_start().is_empty() && !line.trim_start().starts_with('#') {
                take(walk, &item.path, line, place.line(number), names, &place, &mut rules);
            }
        }
    }
    rules
}

/// Where the lines of an item stand in the file.
struct Place {
    /// Of the first one.
    first: Mark,
    block: bool,
    of_one: bool,
}

impl Place {
    fn new(node: &Node, text: &str, plain: bool, of_one: bool) -> Place {
        let mut first = node.mark;
        if node.block {
            // The mark is that of the first line with something in it.
            let empty = text.lines().take_while(|line| line.trim_start().is_empty()).count();
            let blanks = text.lines().nth(empty).map_or(0, |line| line.len() - line.trim_start().len());
            first = Mark { line: first.line.saturating_sub(empty), column: first.column.saturating_sub(blanks).max(1) };
        } else if !plain {
            first.column += 1;
        }
        Place { first, block: node.block, of_one }
    }

    /// Where a line starts. Texts that YAML has put together out of several lines have one place.
    fn line(&self, number: usize) -> Mark {
        let below = if self.block { number } else { 0 };
        Mark { line: self.first.line + below, ..self.first }
    }
}

fn take(
    walk: &mut Walk<'_>,
    path: &str,
    text: &str,
    start: Mark,
    names: &Names,
    place: &Place,
    rules: &mut Vec<StaticRule>,
) {
    let line = u32::try_from(start.line).unwrap_or(u32::MAX);
    match rule(text, names, line) {
        Ok(rule) => rules.push(rule),
        Err(Wrong::Syntax(error)) => {
            let before = text.get(..error.offset).map_or(0, |before| before.chars().count());
            let message = syntax_message(&error, names, place.of_one);
            walk.refuse(Mark { column: start.column + before, ..start }, path, message);
        }
        Err(Wrong::Rule(message)) => walk.refuse(start, path, format!("{message}: `{}`", shorten(text.trim()))),
    }
}

/// What is wrong with a rule.
enum Wrong {
    /// It cannot be read.
    Syntax(SyntaxError),
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

fn rule(text: &str, names: &Names, line: u32) -> Result<StaticRule, Wrong> {
    let flow_mod = parse_flow_with(names, text).map_err(Wrong::Syntax)?;
    stated(&flow_mod).map_err(Wrong::Rule)?;
    placed(&flow_mod).map_err(Wrong::Rule)?;
    let table = flow_mod.table_id;
    flow_mod.instructions.iter().try_for_each(|does| instruction(does, table)).map_err(Wrong::Rule)?;
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
        Instruction::Meter(_) => Err("meter: the configuration cannot state meters yet".to_owned()),
        Instruction::ApplyActions(actions) | Instruction::WriteActions(actions) => {
            actions.iter().try_for_each(|does| action(does, table))
        }
        Instruction::WriteMetadata { .. }
        | Instruction::ClearActions
        | Instruction::Experimenter { .. }
        | Instruction::Unknown { .. } => Ok(()),
    }
}

fn action(does: &Action, table: TableId) -> Result<(), String> {
    let Action::Nicira(nicira) = does else {
        return match does {
            Action::Group(_) => Err("group: the configuration cannot state groups yet".to_owned()),
            _ => Ok(()),
        };
    };
    match nicira {
        NiciraAction::Group(_) => Err("group: the configuration cannot state groups yet".to_owned()),
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
