//! The rules of one table of one switch, found by what a class of packets has.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use net::PortNo;

use super::fields::{FIELDS, Field, Shape, Ternary};
use super::glance::Care;
use super::{Effect, RuleNumber, VerifiedRule};

/// The place in its table of a rule that matches every packet, as [`VerifiedRule::order`] has it.
type Rank = (Reverse<u16>, (u64, u64), Option<PortNo>, RuleNumber);

fn rank(rule: &VerifiedRule) -> Rank {
    (Reverse(rule.priority), rule.metadata, rule.in_port, rule.number)
}

/// What packets of a class meet in a table.
#[derive(Debug)]
pub(super) enum Lookup<'t> {
    /// This, all of them.
    Found(&'t VerifiedRule),
    /// No rule.
    Miss,
    /// Not all of them the same: this field tells them apart.
    Divided(Field),
    /// Not all of them the same, by something that is no field here.
    Unclear,
}

/// What rules do and what they ask of the metadata, without the rules: how many of each priority do so.
#[derive(Clone, Debug, Default)]
struct Summary(BTreeMap<Done, Counted>);

/// What a rule does, and what it asks of the metadata.
type Done = (Effect, (u64, u64));
/// By priority, the highest first: how many.
type Counted = BTreeMap<Reverse<u16>, usize>;

impl Summary {
    /// Whether more may be met now.
    fn add(&mut self, rule: &VerifiedRule, does: &Effect) -> bool {
        let priorities = self.0.entry((does.clone(), rule.metadata)).or_default();
        let grows = priorities.keys().next().is_none_or(|Reverse(highest)| rule.priority > *highest);
        *priorities.entry(Reverse(rule.priority)).or_insert(0) += 1;
        grows
    }

    fn remove(&mut self, rule: &VerifiedRule, does: &Effect) {
        let key = (does.clone(), rule.metadata);
        let Some(priorities) = self.0.get_mut(&key) else { return };
        if let Some(count) = priorities.get_mut(&Reverse(rule.priority)) {
            *count -= 1;
            if *count == 0 {
                priorities.remove(&Reverse(rule.priority));
            }
        }
        if priorities.is_empty() {
            self.0.remove(&key);
        }
    }

    /// What rules do, with the highest priority of those that do it.
    fn rows(&self, metadata: u64) -> impl Iterator<Item = (u16, &Effect)> {
        let rows = self.0.iter().filter(move |((_, (value, mask)), _)| metadata & mask == *value);
        rows.filter_map(|((effect, _), priorities)| Some((priorities.keys().next()?.0, effect)))
    }

    /// What some of the rules do that may be looked at before a rule of priority `below`.
    fn before(&self, below: Option<u16>, metadata: u64) -> impl Iterator<Item = &Effect> {
        let rows = self.rows(metadata).filter(move |(highest, _)| below.is_none_or(|below| *highest >= below));
        rows.map(|(_, effect)| effect)
    }
}

/// Rules by what they ask for: those that match the same bits stand together, by the values of these.
#[derive(Clone, Debug, Default)]
struct Shapes(BTreeMap<Shape, HashMap<[u64; FIELDS], Vec<Arc<VerifiedRule>>>>);

impl Shapes {
    fn add(&mut self, rule: &Arc<VerifiedRule>) {
        let shape = rule.header.shape();
        if let Some(values) = rule.header.under(&shape) {
            self.0.entry(shape).or_default().entry(values).or_default().push(rule.clone());
        }
    }

    fn remove(&mut self, rule: &VerifiedRule) {
        let shape = rule.header.shape();
        let Some(of_shape) = self.0.get_mut(&shape) else { return };
        let Some(values) = rule.header.under(&shape) else { return };
        if let Some(rules) = of_shape.get_mut(&values) {
            rules.retain(|other| other.number != rule.number);
            if rules.is_empty() {
                of_shape.remove(&values);
            }
        }
        if of_shape.is_empty() {
            self.0.remove(&shape);
        }
    }

    /// Rules that match all packets of a class: one search for each shape.
    fn covering<'t>(&'t self, class: &Ternary) -> impl Iterator<Item = &'t VerifiedRule> {
        let rules = self.0.iter().filter_map(|(shape, of_shape)| of_shape.get(&class.under(shape)?));
        rules.flatten().map(|rule| &**rule)
    }

    /// Rules that match some packets of a class.
    fn meeting<'t>(&'t self, class: &Ternary) -> impl Iterator<Item = &'t VerifiedRule> {
        let rules = self.0.iter().flat_map(|(shape, of_shape)| {
            let found = class.under(shape).map(|values| of_shape.get(&values));
            let rest = found.is_none().then(|| of_shape.values()).into_iter().flatten();
            found.flatten().into_iter().chain(rest).flatten()
        });
        rules.map(|rule| &**rule).filter(|rule| class.meets(&rule.header))
    }
}

/// Rules, and what they do taken together.
#[derive(Clone, Debug, Default)]
struct Rules {
    shapes: Shapes,
    /// Those that match every packet.
    everything: BTreeMap<Rank, Arc<VerifiedRule>>,
    summary: Summary,
    count: usize,
}

impl Rules {
    fn add(&mut self, rule: &Arc<VerifiedRule>, does: &Effect) -> bool {
        self.count += 1;
        if rule.header.is_everything() {
            self.everything.insert(rank(rule), rule.clone());
        }
        self.shapes.add(rule);
        self.summary.add(rule, does)
    }

    fn remove(&mut self, rule: &VerifiedRule, does: &Effect) -> bool {
        self.count = self.count.saturating_sub(1);
        self.shapes.remove(rule);
        self.summary.remove(rule, does);
        self.everything.remove(&rank(rule)).is_some()
    }
}

/// Rules by where they are looked for: each is in one of the three.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    /// Those of one port.
    by_in_port: BTreeMap<PortNo, Rules>,
    in_ports: Summary,
    /// Of the others those that match the whole of eth_dst.
    by_destination: HashMap<u64, Vec<Arc<VerifiedRule>>>,
    destinations: Summary,
    others: Rules,
}

/// At which ports of a switch packets come in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum At {
    /// At this one.
    Port(PortNo),
    /// At any of them.
    Any,
}

impl At {
    fn is(self, in_port: Option<PortNo>) -> bool {
        in_port.is_none_or(|in_port| self == At::Port(in_port))
    }
}

impl Table {
    /// A rule comes that `does` this, with one edge port for all that are alike. Whether packets may meet more now, of destinations that it does not name.
    pub(super) fn add(&mut self, rule: &Arc<VerifiedRule>, does: &Effect) -> bool {
        match (rule.header.exact(Field::EthDst), rule.in_port) {
            (Some(destination), None) => {
                self.destinations.add(rule, does);
                let rules = self.by_destination.entry(destination).or_default();
                let at = rules.partition_point(|other| other.order(rule).is_lt());
                rules.insert(at, rule.clone());
                false
            }
            (_, Some(in_port)) => {
                let grows = self.in_ports.add(rule, does);
                self.by_in_port.entry(in_port).or_default().add(rule, does) || grows
            }
            (None, None) => self.others.add(rule, does),
        }
    }

    /// A rule goes: the same.
    pub(super) fn remove(&mut self, rule: &VerifiedRule, does: &Effect) -> bool {
        match (rule.header.exact(Field::EthDst), rule.in_port) {
            (Some(destination), None) => {
                self.destinations.remove(rule, does);
                if let Some(rules) = self.by_destination.get_mut(&destination) {
                    rules.retain(|other| other.number != rule.number);
                    if rules.is_empty() {
                        self.by_destination.remove(&destination);
                    }
                }
                false
            }
            (_, Some(in_port)) => {
                self.in_ports.remove(rule, does);
                let Some(rules) = self.by_in_port.get_mut(&in_port) else { return false };
                let grows = rules.remove(rule, does);
                if rules.count == 0 {
                    self.by_in_port.remove(&in_port);
                }
                grows
            }
            (None, None) => self.others.remove(rule, does),
        }
    }

    /// Whether some rules are about this port and no other one.
    pub(super) fn tells_apart(&self, port: PortNo) -> bool {
        self.by_in_port.contains_key(&port)
    }

    /// Rules of no port, and those of this one or of any.
    fn of_ports(&self, at: At) -> impl Iterator<Item = &Rules> {
        let (port, ports) = match at {
            At::Port(port) => (self.by_in_port.get(&port), None),
            At::Any => (None, Some(&self.by_in_port)),
        };
        port.into_iter().chain(ports.into_iter().flat_map(BTreeMap::values)).chain([&self.others])
    }

    /// The rules that packets of a class may match; in no order.
    fn candidates<'t>(&'t self, at: At, class: &Ternary, metadata: u64) -> impl Iterator<Item = &'t VerifiedRule> {
        let one = class.exact(Field::EthDst);
        let of_one = one.and_then(|destination| self.by_destination.get(&destination)).into_iter().flatten();
        let of_all = one.is_none().then_some(&self.by_destination).into_iter().flat_map(HashMap::values).flatten();
        let named = of_one.chain(of_all).map(|rule| &**rule).filter(|rule| class.meets(&rule.header));
        let all = named.chain(self.of_ports(at).flat_map(|rules| rules.shapes.meeting(class)));
        all.filter(move |rule| metadata & rule.metadata.1 == rule.metadata.0)
    }

    /// The first rule that all packets of a class match.
    fn certain<'t>(&'t self, at: At, class: &Ternary, metadata: u64) -> Option<&'t VerifiedRule> {
        let one = class.exact(Field::EthDst).and_then(|destination| self.by_destination.get(&destination));
        let named = one.into_iter().flatten().map(|rule| &**rule).filter(|rule| class.is_inside(&rule.header));
        let in_port = if let At::Port(port) = at { self.by_in_port.get(&port) } else { None };
        let others = in_port.into_iter().chain([&self.others]).flat_map(|rules| rules.shapes.covering(class));
        named.chain(others).filter(|rule| covers(rule, at, metadata)).min_by(|one, other| one.order(other))
    }

    /// The first rule that one packet matches.
    pub(super) fn first(&self, in_port: PortNo, packet: &Ternary, metadata: u64) -> Option<&VerifiedRule> {
        self.candidates(At::Port(in_port), packet, metadata).min_by(|one, other| one.order(other))
    }

    /// What packets of a class meet.
    pub(super) fn look_up(&self, in_port: PortNo, class: &Ternary, metadata: u64) -> Lookup<'_> {
        let at = At::Port(in_port);
        let mut unclear = false;
        // The first rule that matches all of them: nothing behind it counts.
        let certain = self.certain(at, class, metadata);
        for rule in self.candidates(at, class, metadata) {
            let counts = certain.is_none_or(|first| rule.order(first).is_lt() && first.effect != rule.effect);
            match class.open_field(&rule.header) {
                Some(field) if counts => return Lookup::Divided(field),
                None if counts && rule.partial => unclear = true,
                _ => {}
            }
        }
        if unclear { Lookup::Unclear } else { certain.map_or(Lookup::Miss, Lookup::Found) }
    }

    /// What packets of a class may meet, and perhaps more, with a look at few rules; `None` is no rule.
    pub(super) fn roughly<'t>(
        &'t self,
        at: At,
        class: &Ternary,
        metadata: u64,
        mut meet: impl FnMut(Option<&'t Effect>),
    ) {
        let of_one = class.exact(Field::EthDst).map(|destination| self.by_destination.get(&destination));
        let rules = of_one.flatten().into_iter().flatten().map(|rule| &**rule);
        let in_port = if let At::Port(port) = at { self.by_in_port.get(&port) } else { None };
        let everything = in_port.into_iter().chain([&self.others]).flat_map(|rules| rules.everything.values());
        let named = rules.clone().filter(|rule| class.is_inside(&rule.header));
        let covering = named.chain(everything.map(|rule| &**rule)).filter(|rule| covers(rule, at, metadata));
        let certain = covering.min_by(|one, other| one.order(other));
        let below = certain.map(|rule| rule.priority);
        let counts = |rule: &&VerifiedRule| {
            let first = certain.is_none_or(|first| rule.order(first).is_lt());
            first && metadata & rule.metadata.1 == rule.metadata.0 && class.meets(&rule.header)
        };
        rules.filter(counts).for_each(|rule| meet(Some(&rule.effect)));
        if of_one.is_none() {
            self.destinations.before(below, metadata).for_each(|effect| meet(Some(effect)));
        }
        let of_ports = if at == At::Any { Some(&self.in_ports) } else { in_port.map(|rules| &rules.summary) };
        if let Some(summary) = of_ports {
            summary.before(below, metadata).for_each(|effect| meet(Some(effect)));
        }
        self.others.summary.before(below, metadata).for_each(|effect| meet(Some(effect)));
        meet(certain.map(|rule| &rule.effect));
    }

    /// The same with a look at every rule, and no more than what they may meet.
    pub(super) fn closely<'t>(
        &'t self,
        at: At,
        class: &Ternary,
        metadata: u64,
        mut meet: impl FnMut(Option<&'t Effect>),
    ) {
        let certain = self.certain(at, class, metadata);
        for rule in self.candidates(at, class, metadata) {
            if certain.is_none_or(|first| rule.order(first).is_lt()) {
                meet(Some(&rule.effect));
            }
        }
        meet(certain.map(|rule| &rule.effect));
    }

    /// What packets of a class may meet whose destinations no rule here names, and perhaps more: in the order of priorities, and whether all of them meet it.
    /// Rules that name destinations and no port are not among it.
    pub(super) fn unnamed<'t>(
        &'t self,
        at: At,
        class: &Ternary,
        metadata: u64,
        care: Care,
        mut meet: impl FnMut(u16, &'t Effect, bool),
    ) {
        if care == Care::Close {
            let rules = self.of_ports(at).flat_map(|rules| rules.shapes.meeting(class));
            for rule in rules.filter(|rule| metadata & rule.metadata.1 == rule.metadata.0) {
                meet(rule.priority, &rule.effect, covers(rule, at, metadata) && class.is_inside(&rule.header));
            }
            return;
        }
        let everything = self.of_ports(at).flat_map(|rules| rules.everything.values());
        for rule in everything.filter(|rule| metadata & rule.metadata.1 == rule.metadata.0) {
            meet(rule.priority, &rule.effect, covers(rule, at, metadata));
        }
        if care == Care::Plain {
            return;
        }
        let of_ports = match at {
            At::Any => Some(&self.in_ports),
            At::Port(port) => self.by_in_port.get(&port).map(|rules| &rules.summary),
        };
        let rows = of_ports.into_iter().chain([&self.others.summary]).flat_map(|summary| summary.rows(metadata));
        rows.for_each(|(priority, effect)| meet(priority, effect, false));
    }

    /// Whether a more important rule takes all packets of the class that `rule` would match.
    pub(super) fn beats(&self, rule: &VerifiedRule, class: &Ternary) -> bool {
        let at = rule.in_port.map_or(At::Any, At::Port);
        let of_one = class.exact(Field::EthDst).and_then(|destination| self.by_destination.get(&destination));
        let named = of_one.into_iter().flatten().map(|rule| &**rule).filter(|other| class.is_inside(&other.header));
        let in_port = rule.in_port.and_then(|port| self.by_in_port.get(&port));
        let others = in_port.into_iter().chain([&self.others]).flat_map(|rules| rules.shapes.covering(class));
        named.chain(others).filter(|other| other.order(rule).is_lt()).any(|other| {
            !other.partial
                && at.is(other.in_port)
                && other.metadata.1 & !rule.metadata.1 == 0
                && (other.metadata.0 ^ rule.metadata.0) & other.metadata.1 == 0
        })
    }
}

/// Whether a rule matches all packets with its header that come there.
fn covers(rule: &VerifiedRule, at: At, metadata: u64) -> bool {
    !rule.partial && at.is(rule.in_port) && metadata & rule.metadata.1 == rule.metadata.0
}
