//! `groups` and `meters`: the operator's own, in ovs-ofctl's syntax. Rules of `flows` name them by their numbers.

use std::collections::{BTreeMap, BTreeSet};

use net::DatapathId;
use openflow::nicira::NiciraAction;
use openflow::syntax::{Names, parse_group_with, parse_meter};
use openflow::{Action, GroupId, GroupMod, GroupModCommand, Instruction, Message, MeterId, MeterMod, MeterModCommand};

use super::switches::{ALL, Wrong, by_switch, each_line, names_of, refuse_line};
use super::tree::Mark;
use super::types::{SwitchConfig, VlanConfig};
use super::walk::{Field, Walk};
use crate::app::static_rules::{StaticGroup, StaticMeter};
use crate::flow::{Group, Key, Meter, Owner, STATED_OCTETS_MAX, is_for_operator};

/// Groups of one switch, and its meters: what is stated in one turn. More are refused.
const NUMBERED_MAX: usize = 1_024;
/// Octets of the groups of one switch: with its rules less than can be read back.
const GROUP_OCTETS_MAX: usize = STATED_OCTETS_MAX / 4;
/// `OFPG_MAX` (OpenFlow 1.3.5 §7.3.4.2).
const GROUP_LAST: u32 = 0xffff_ff00;
/// `OFPM_MAX` (OpenFlow 1.3.5 §7.3.4.4).
const METER_LAST: u32 = 0xffff_0000;

/// Groups or meters of all switches, each list with those of all in it.
#[derive(Debug)]
pub(super) struct Lists<T> {
    pub(super) all: Vec<T>,
    pub(super) own: BTreeMap<DatapathId, Vec<T>>,
}

impl<T> Default for Lists<T> {
    fn default() -> Lists<T> {
        Lists { all: Vec::new(), own: BTreeMap::new() }
    }
}

impl<T> Lists<T> {
    /// Those of one switch, or, of no switch, of all.
    pub(super) fn of(&self, datapath_id: Option<DatapathId>) -> &[T] {
        datapath_id.and_then(|id| self.own.get(&id)).unwrap_or(&self.all)
    }
}

/// One of them, as it is read.
trait Stated: Clone {
    const WHAT: &'static str;
    /// Each says this somewhere.
    const WORD: &'static str;

    fn number(&self) -> u32;
    fn line(&self) -> u32;
}

impl Stated for StaticGroup {
    const WHAT: &'static str = "group";
    const WORD: &'static str = "group_id=";

    fn number(&self) -> u32 {
        self.group.key.stated_group().map_or(0, |id| id.0)
    }

    fn line(&self) -> u32 {
        self.line
    }
}

impl Stated for StaticMeter {
    const WHAT: &'static str = "meter";
    const WORD: &'static str = "meter=";

    fn number(&self) -> u32 {
        self.meter.key.stated_meter().map_or(0, |id| id.0)
    }

    fn line(&self) -> u32 {
        self.line
    }
}

/// `groups`.
pub(super) fn groups(
    walk: &mut Walk<'_>,
    field: &Field<'_>,
    switches: &BTreeMap<String, SwitchConfig>,
    vlans: &BTreeMap<String, VlanConfig>,
) -> Option<Lists<StaticGroup>> {
    lists(walk, field, switches, vlans, group, |walk, found, with| {
        point(walk, found, with);
    })
}

/// `meters`.
pub(super) fn meters(
    walk: &mut Walk<'_>,
    field: &Field<'_>,
    switches: &BTreeMap<String, SwitchConfig>,
    vlans: &BTreeMap<String, VlanConfig>,
) -> Option<Lists<StaticMeter>> {
    lists(walk, field, switches, vlans, |text, _, line| meter(text, line), |_, _, _| {})
}

/// One that was read, with its place.
struct Found<T> {
    stated: T,
    text: String,
    path: String,
    start: Mark,
}

/// The lists of all switches. `finish` looks at those of one list together with those of all.
fn lists<T: Stated>(
    walk: &mut Walk<'_>,
    field: &Field<'_>,
    switches: &BTreeMap<String, SwitchConfig>,
    vlans: &BTreeMap<String, VlanConfig>,
    read: impl Fn(&str, &Names, u32) -> Result<T, Wrong>,
    finish: impl Fn(&mut Walk<'_>, &mut [Found<T>], &[T]),
) -> Option<Lists<T>> {
    let entries = walk.named(field)?;
    let mut lists = Lists::default();
    let one = |walk: &mut Walk<'_>, field: &Field<'_>, names: &Names, of_one: bool, all: &[T]| {
        let mut found: Vec<Found<T>> = Vec::new();
        each_line(walk, field, T::WORD, &mut |walk, path, text, start| {
            let line = u32::try_from(start.line).unwrap_or(u32::MAX);
            match read(text, names, line) {
                Ok(stated) => found.push(Found { stated, text: text.to_owned(), path: path.to_owned(), start }),
                Err(wrong) => refuse_line(walk, path, text, start, names, of_one, wrong),
            }
        });
        let mut lines: BTreeMap<u32, u32> = all.iter().map(|stated| (stated.number(), stated.line())).collect();
        found.retain(|found| {
            let (number, line) = (found.stated.number(), found.stated.line());
            let first = *lines.entry(number).or_insert(line);
            if first != line {
                let message = format!("line {first} has a {} of the same number: one of them has to go", T::WHAT);
                walk.refuse(found.start, &found.path, message);
            }
            first == line
        });
        finish(walk, &mut found, all);
        let list: Vec<T> = all.iter().cloned().chain(found.into_iter().map(|found| found.stated)).collect();
        if list.len() > NUMBERED_MAX {
            let message = format!("{} {}s, {NUMBERED_MAX} of one switch at most", list.len(), T::WHAT);
            walk.refuse(field.node.mark, &field.path, message);
        }
        list
    };
    if let Some((_, field)) = entries.iter().find(|(name, _)| *name == ALL) {
        lists.all = one(walk, field, &names_of(None, vlans), false, &[]);
    }
    for (name, field) in entries.iter().filter(|(name, _)| *name != ALL) {
        let Some(switch) = by_switch(walk, name, field, switches) else { continue };
        let list = one(walk, field, &names_of(Some(switch), vlans), true, &lists.all);
        lists.own.insert(switch.datapath_id, list);
    }
    Some(lists)
}

fn number(what: &str, number: u32, last: u32) -> Result<(), Wrong> {
    if number > last {
        return Err(Wrong::Rule(format!("{what} {number}: the last number is {last}")));
    }
    if !is_for_operator(number) {
        let message = format!("{what} {number:#x}: numbers from 0x54000000 to 0x54ffffff are the controller's own");
        return Err(Wrong::Rule(message));
    }
    Ok(())
}

const STATED: &str = "are stated: one that stands here is there, one that does not is not; leave out the command";

fn group(text: &str, names: &Names, line: u32) -> Result<StaticGroup, Wrong> {
    let group_mod = parse_group_with(names, text).map_err(Wrong::Syntax)?;
    if group_mod.command != GroupModCommand::ADD {
        return Err(Wrong::Rule(format!("groups {STATED}")));
    }
    number("group", group_mod.group_id.0, GROUP_LAST)?;
    if group_mod.group_type.name().is_none() {
        return Err(Wrong::Rule(format!("type={}: OpenFlow 1.3 has none of this number", group_mod.group_type.0)));
    }
    let mut actions = group_mod.buckets.iter().flat_map(|bucket| &bucket.actions);
    actions.try_for_each(in_bucket).map_err(Wrong::Rule)?;
    let GroupMod { group_id, group_type, buckets, .. } =
        sound(Message::GroupMod(group_mod), |message| match message {
            Message::GroupMod(group_mod) => Some(group_mod),
            _ => None,
        })?;
    let key = Key::of_group(Owner::StaticRules, group_id);
    Ok(StaticGroup { group: Group { key, group_type, buckets, stage: 0 }, line })
}

fn meter(text: &str, line: u32) -> Result<StaticMeter, Wrong> {
    let meter_mod = parse_meter(text).map_err(Wrong::Syntax)?;
    if meter_mod.command != MeterModCommand::ADD {
        return Err(Wrong::Rule(format!("meters {STATED}")));
    }
    number("meter", meter_mod.meter_id.0, METER_LAST)?;
    if meter_mod.meter_id == MeterId(0) {
        return Err(Wrong::Rule("meter 0: the first number is 1 (OpenFlow 1.3.5 §7.3.4.4)".to_owned()));
    }
    let MeterMod { meter_id, flags, bands, .. } = sound(Message::MeterMod(meter_mod), |message| match message {
        Message::MeterMod(meter_mod) => Some(meter_mod),
        _ => None,
    })?;
    Ok(StaticMeter { meter: Meter { key: Key::of_meter(Owner::StaticRules, meter_id), flags, bands }, line })
}

/// A message that a switch can make sense of and that is not too long.
fn sound<T>(message: Message, back: impl Fn(Message) -> Option<T>) -> Result<T, Wrong> {
    if let Some(problem) = message.problems().first() {
        return Err(Wrong::Rule(format!("a switch would refuse it: {}: {}", problem.field, problem.reason)));
    }
    if message.encode(0, &mut bytes::BytesMut::new()).is_err() {
        return Err(Wrong::Rule("longer than the 64 KiB of an OpenFlow message".to_owned()));
    }
    back(message).ok_or_else(|| Wrong::Rule("not one".to_owned()))
}

/// What a bucket cannot do: whoever comes to a group comes from any of the operator's tables, so that another look at one might go round.
fn in_bucket(does: &Action) -> Result<(), String> {
    let Action::Nicira(nicira) = does else { return Ok(()) };
    match nicira {
        NiciraAction::Learn(_) => Err("learn: the switch would make rules that nobody states".to_owned()),
        NiciraAction::FinTimeout { .. } => Err("fin_timeout: a stated rule has no timeouts".to_owned()),
        NiciraAction::Resubmit { .. } | NiciraAction::ResubmitTable { .. } => {
            Err("resubmit: a bucket may not look a packet up again".to_owned())
        }
        NiciraAction::Ct(ct) if ct.table_id.is_some() => Err("ct: a bucket may not look a packet up again".to_owned()),
        NiciraAction::Ct(ct) => ct.actions.iter().try_for_each(in_bucket),
        NiciraAction::Clone(actions) => actions.iter().try_for_each(in_bucket),
        _ => Ok(()),
    }
}

/// What a rule or a bucket points to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Pointed {
    Group(u32),
    Meter(u32),
}

fn pointed(actions: &[Action], to: &mut BTreeSet<Pointed>) {
    for action in actions {
        match action {
            Action::Group(id) => drop(to.insert(Pointed::Group(id.0))),
            Action::Nicira(NiciraAction::Group(id)) => drop(to.insert(Pointed::Group(id.0))),
            Action::Nicira(NiciraAction::Clone(actions)) => pointed(actions, to),
            Action::Nicira(NiciraAction::Ct(ct)) => pointed(&ct.actions, to),
            _ => {}
        }
    }
}

/// The groups and meters that a rule needs, each of which has to be among those of its switch, or, for a rule of all, of all.
pub(super) fn needs(
    text: &str,
    does: &[Instruction],
    groups: &[StaticGroup],
    meters: &[StaticMeter],
    of_one: bool,
) -> Result<(), Wrong> {
    let mut to = BTreeSet::new();
    for does in does {
        match does {
            Instruction::Meter(id) => drop(to.insert(Pointed::Meter(id.0))),
            Instruction::ApplyActions(actions) | Instruction::WriteActions(actions) => pointed(actions, &mut to),
            _ => {}
        }
    }
    to.into_iter().try_for_each(|to| match to {
        Pointed::Group(id) if groups.iter().any(|group| group.number() == id) => Ok(()),
        Pointed::Meter(id) if meters.iter().any(|meter| meter.number() == id) => Ok(()),
        nowhere => Err(nowhere_to_be_found(text, nowhere, of_one)),
    })
}

fn nowhere_to_be_found(text: &str, to: Pointed, of_one: bool) -> Wrong {
    let (what, number) = match to {
        Pointed::Group(number) => ("group", number),
        Pointed::Meter(number) => ("meter", number),
    };
    let of = if of_one { "of this switch or of all" } else { "of all, as the rule is" };
    Wrong::At(place_of(text, what, number), format!("there is no {what} {number}: `{what}s` has none {of}"))
}

/// Where a number stands behind a word such as `group:`.
fn place_of(text: &str, word: &str, number: u32) -> usize {
    let mut places = text.match_indices(word).filter_map(|(at, _)| {
        let at = at + word.len() + 1;
        let rest = text.get(at..)?;
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let digits = rest.get(..end)?;
        let value = match digits.strip_prefix("0x") {
            Some(digits) => u32::from_str_radix(digits, 16).ok(),
            None => digits.parse().ok(),
        };
        (value == Some(number)).then_some(at)
    });
    places.next().unwrap_or(0)
}

fn octets_of(group: &Group) -> usize {
    let Group { group_type, buckets, .. } = group.clone();
    let command = GroupModCommand::ADD;
    let mut octets = bytes::BytesMut::new();
    // One that is too long has been refused.
    let _ = Message::GroupMod(GroupMod { command, group_type, group_id: GroupId(0), buckets }).encode(0, &mut octets);
    octets.len()
}

/// What buckets point to is there, and never leads back; those that others point to come first.
fn point(walk: &mut Walk<'_>, found: &mut [Found<StaticGroup>], all: &[StaticGroup]) {
    let mut stages: BTreeMap<u32, u16> = all.iter().map(|group| (group.number(), group.group.stage)).collect();
    let own: BTreeSet<u32> = found.iter().map(|found| found.stated.number()).collect();
    let mut waiting: Vec<(usize, BTreeSet<u32>)> = Vec::new();
    let mut octets = 0;
    for (at, found) in found.iter().enumerate() {
        let mut to = BTreeSet::new();
        octets += octets_of(&found.stated.group);
        for bucket in &found.stated.group.buckets {
            pointed(&bucket.actions, &mut to);
            if bucket.watch_group != GroupId::ANY {
                to.insert(Pointed::Group(bucket.watch_group.0));
            }
        }
        let to = to.into_iter().filter_map(|to| if let Pointed::Group(id) = to { Some(id) } else { None });
        let to: BTreeSet<u32> = to.collect();
        match to.iter().find(|id| !stages.contains_key(id) && !own.contains(id)) {
            Some(&nowhere) => {
                let wrong = nowhere_to_be_found(&found.text, Pointed::Group(nowhere), true);
                refuse_line(walk, &found.path, &found.text, found.start, &Names::default(), true, wrong);
            }
            None => waiting.push((at, to)),
        }
    }
    if octets > GROUP_OCTETS_MAX
        && let Some(first) = found.first()
    {
        let message = format!("groups of {octets} octets, {GROUP_OCTETS_MAX} of one switch at most");
        walk.refuse(first.start, &first.path, message);
    }
    // Each round has those that point to none but known ones.
    loop {
        let before = waiting.len();
        waiting.retain(|(at, to)| {
            let deepest = to.iter().map(|id| stages.get(id).map(|stage| stage.saturating_add(1)));
            let Some(stage) = deepest.collect::<Option<Vec<u16>>>().map(|all| all.into_iter().max().unwrap_or(0))
            else {
                return true;
            };
            if let Some(found) = found.get_mut(*at) {
                found.stated.group.stage = stage;
                stages.insert(found.stated.number(), stage);
            }
            false
        });
        if waiting.len() == before {
            break;
        }
    }
    for (at, _) in waiting {
        if let Some(found) = found.get(at) {
            let message = format!("group {}: it leads back to itself", found.stated.number());
            walk.refuse(found.start, &found.path, message);
        }
    }
}
