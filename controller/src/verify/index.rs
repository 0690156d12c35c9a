//! The rules of one table of one switch, found by what a class of packets has.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use net::PortNo;

use super::fields::{Field, Ternary};
use super::{Effect, RuleNumber, VerifiedRule};

/// A rule's place in its table: the first one that matches counts.
type Rank = (Reverse<u16>, RuleNumber);

fn rank(rule: &VerifiedRule) -> Rank {
    (Reverse(rule.priority), rule.number)
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
    fn add(&mut self, rule: &VerifiedRule) {
        let key = (rule.effect.clone(), rule.metadata);
        *self.0.entry(key).or_default().entry(Reverse(rule.priority)).or_insert(0) += 1;
    }

    fn remove(&mut self, rule: &VerifiedRule) {
        let key = (rule.effect.clone(), rule.metadata);
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

    /// What some of the rules do that may be looked at before a rule of priority `below`.
    fn before(&self, below: Option<u16>, metadata: u64) -> impl Iterator<Item = &Effect> {
        let counts = move |priorities: &Counted| {
            let highest = priorities.keys().next().map_or(0, |Reverse(priority)| *priority);
            below.is_none_or(|below| highest >= below)
        };
        let asked = move |(value, mask): &(u64, u64)| metadata & mask == *value;
        let rows = self.0.iter().filter(move |((_, metadata), priorities)| asked(metadata) && counts(priorities));
        rows.map(|((effect, _), _)| effect)
    }
}

/// Rules in their order, and what they do taken together.
#[derive(Clone, Debug, Default)]
struct Rules {
    rules: BTreeMap<Rank, Arc<VerifiedRule>>,
    /// Of these those that match every packet.
    everything: BTreeMap<Rank, Arc<VerifiedRule>>,
    summary: Summary,
}

impl Rules {
    fn add(&mut self, rule: &Arc<VerifiedRule>) {
        self.summary.add(rule);
        if rule.header.is_everything() {
            self.everything.insert(rank(rule), rule.clone());
        }
        self.rules.insert(rank(rule), rule.clone());
    }

    fn remove(&mut self, rule: &VerifiedRule) {
        self.summary.remove(rule);
        self.everything.remove(&rank(rule));
        self.rules.remove(&rank(rule));
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
    fn may_be(self, in_port: Option<PortNo>) -> bool {
        match (self, in_port) {
            (At::Port(port), Some(in_port)) => port == in_port,
            (At::Any, _) | (_, None) => true,
        }
    }

    fn is(self, in_port: Option<PortNo>) -> bool {
        in_port.is_none_or(|in_port| self == At::Port(in_port))
    }
}

impl Table {
    pub(super) fn add(&mut self, rule: &Arc<VerifiedRule>) {
        match (rule.header.exact(Field::EthDst), rule.in_port) {
            (Some(destination), None) => {
                self.destinations.add(rule);
                let rules = self.by_destination.entry(destination).or_default();
                let at = rules.partition_point(|other| rank(other) < rank(rule));
                rules.insert(at, rule.clone());
            }
            (_, Some(in_port)) => {
                self.in_ports.add(rule);
                self.by_in_port.entry(in_port).or_default().add(rule);
            }
            (None, None) => self.others.add(rule),
        }
    }

    pub(super) fn remove(&mut self, rule: &VerifiedRule) {
        match (rule.header.exact(Field::EthDst), rule.in_port) {
            (Some(destination), None) => {
                self.destinations.remove(rule);
                if let Some(rules) = self.by_destination.get_mut(&destination) {
                    rules.retain(|other| other.number != rule.number);
                    if rules.is_empty() {
                        self.by_destination.remove(&destination);
                    }
                }
            }
            (_, Some(in_port)) => {
                self.in_ports.remove(rule);
                if let Some(rules) = self.by_in_port.get_mut(&in_port) {
                    rules.remove(rule);
                    if rules.rules.is_empty() {
                        self.by_in_port.remove(&in_port);
                    }
                }
            }
            (None, None) => self.others.remove(rule),
        }
    }

    /// Whether some rules are about this port and no other one.
    pub(super) fn tells_apart(&self, port: PortNo) -> bool {
        self.by_in_port.contains_key(&port)
    }

    /// The rules that packets of a class may match; in no order.
    fn candidates<'t>(&'t self, at: At, class: &Ternary, metadata: u64) -> impl Iterator<Item = &'t VerifiedRule> {
        let one = class.exact(Field::EthDst);
        let of_one = one.and_then(|destination| self.by_destination.get(&destination)).into_iter().flatten();
        let of_all = one.is_none().then_some(&self.by_destination).into_iter().flat_map(HashMap::values).flatten();
        let (port, ports) = match at {
            At::Port(port) => (self.by_in_port.get(&port), None),
            At::Any => (None, Some(&self.by_in_port)),
        };
        let in_ports = port.into_iter().chain(ports.into_iter().flat_map(BTreeMap::values));
        let in_ports = in_ports.flat_map(|rules| rules.rules.values());
        let all = of_one.chain(of_all).chain(in_ports).chain(self.others.rules.values());
        all.map(|rule| &**rule).filter(move |rule| {
            at.may_be(rule.in_port) && metadata & rule.metadata.1 == rule.metadata.0 && class.meets(&rule.header)
        })
    }

    /// The first rule that one packet matches.
    pub(super) fn first(&self, in_port: PortNo, packet: &Ternary, metadata: u64) -> Option<&VerifiedRule> {
        self.candidates(At::Port(in_port), packet, metadata).min_by_key(|rule| rank(rule))
    }

    /// What packets of a class meet.
    pub(super) fn look_up(&self, in_port: PortNo, class: &Ternary, metadata: u64) -> Lookup<'_> {
        let at = At::Port(in_port);
        let mut unclear = false;
        // The first rule that matches all of them: nothing behind it counts.
        let certain = self.certain(at, class, metadata, self.candidates(at, class, metadata));
        for rule in self.candidates(at, class, metadata) {
            let counts = certain.is_none_or(|first| rank(rule) < rank(first) && first.effect != rule.effect);
            match class.open_field(&rule.header) {
                Some(field) if counts => return Lookup::Divided(field),
                None if counts && rule.partial => unclear = true,
                _ => {}
            }
        }
        if unclear { Lookup::Unclear } else { certain.map_or(Lookup::Miss, Lookup::Found) }
    }

    fn certain<'t>(
        &self,
        at: At,
        class: &Ternary,
        metadata: u64,
        among: impl Iterator<Item = &'t VerifiedRule>,
    ) -> Option<&'t VerifiedRule> {
        let covers = |rule: &&VerifiedRule| {
            let asked = at.is(rule.in_port) && metadata & rule.metadata.1 == rule.metadata.0;
            asked && !rule.partial && class.is_inside(&rule.header)
        };
        among.filter(covers).min_by_key(|rule| rank(rule))
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
        let covering = rules.clone().chain(everything.map(|rule| &**rule));
        let certain = self.certain(at, class, metadata, covering);
        let below = certain.map(|rule| rule.priority);
        let counts = |rule: &&VerifiedRule| {
            let first = certain.is_none_or(|first| rank(rule) < rank(first));
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
        let certain = self.certain(at, class, metadata, self.candidates(at, class, metadata));
        for rule in self.candidates(at, class, metadata) {
            if certain.is_none_or(|first| rank(rule) < rank(first)) {
                meet(Some(&rule.effect));
            }
        }
        meet(certain.map(|rule| &rule.effect));
    }

    /// Whether a more important rule takes all packets of the class that `rule` would match.
    pub(super) fn beats(&self, rule: &VerifiedRule, class: &Ternary) -> bool {
        let at = rule.in_port.map_or(At::Any, At::Port);
        let of_one = class.exact(Field::EthDst).and_then(|destination| self.by_destination.get(&destination));
        let in_port = rule.in_port.and_then(|port| self.by_in_port.get(&port));
        let ranked = in_port.into_iter().chain([&self.others]).flat_map(|rules| rules.rules.range(..rank(rule)));
        let more_important = of_one.into_iter().flatten().chain(ranked.map(|(_, rule)| rule));
        more_important.filter(|other| rank(other) < rank(rule)).any(|other| {
            !other.partial
                && at.is(other.in_port)
                && other.metadata.1 & !rule.metadata.1 == 0
                && (other.metadata.0 ^ rule.metadata.0) & other.metadata.1 == 0
                && class.is_inside(&other.header)
        })
    }
}
