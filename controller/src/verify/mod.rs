//! The verifier: do rules of several switches, taken together, loop, lose packets, or let somebody reach whom they must not?
//!
//! Pure: rules in, answers out. In the manner of VeriFlow (Khurshid et al., NSDI 2013) and Delta-net (Horn et al., NSDI 2017) a change is answered for the
//! packets that it can touch and no others: those of the changed rule's match. First comes a quick look at all of them together, from the rule on: where
//! nothing can be wrong with any of what they may meet, nothing is wrong. Packets to one destination are looked at along its tree (`glance`), packets to all
//! of them as atoms, destinations that are forwarded alike (`atoms`), all in one pass (`sweep`). What that has found clean from a port on is
//! known until packets may meet more behind it: a tree that has been verified is not walked again. Only where nothing is said so the packets are followed from every
//! edge port (`walk`), and divided into classes that are forwarded alike, by the fields that a table on the way really tells apart.
//!
//! Headers are followed unchanged. Rules that change headers, or ask connection tracking, are not followed: what they match is told as
//! [`Problem::NotProven`]. So is what depends on something that is no [`Field`].

mod atoms;
mod bits;
mod fields;
mod glance;
mod index;
mod members;
mod sweep;
#[cfg(test)]
mod tests;
mod walk;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use net::{DatapathId, PortId, PortNo};

pub use fields::{FIELDS, Field, Header, Ternary};
pub use members::{Members, Membership};

use atoms::Atoms;
use bits::Bits;
use fields::Constraints;
use glance::{Care, Glance};
use index::{At, Table};
use sweep::{Certificates, Sweep};

/// Classes of all rules together that are looked at; more are told as [`Problem::NotProven`].
pub const CLASSES_MAX: usize = 100_000;
/// Classes of one change that are looked at one by one; more are told as [`Problem::NotProven`]. What takes tens of microseconds ends long before it: it
/// is there for a change that goes wrong in a thousand ways.
pub const CLASSES_OF_CHANGE_MAX: usize = 1_024;
/// Rules of one change beyond which all packets are looked at once, before those that each rule touches.
const LARGE_CHANGE: usize = 1_000;
/// Problems of one kind that are told of one change.
pub const PROBLEMS_MAX: usize = 16;
/// Classes that go wrong as others have that are told already; after that the rest of the change is not looked at, which is told too.
const AGAIN_MAX: usize = 2_048;
/// The same of one change.
const AGAIN_OF_CHANGE_MAX: usize = 64;
/// Why a look has come to no end.
pub const CUT_SHORT: &str =
    "too many classes of packets, too many that go wrong, or too little time: the rest was not looked at";
/// Links that one packet is followed over; a longer way is told as [`Problem::NotProven`]. Each takes some of the thread's stack.
pub const WAY_MAX: usize = 500;
/// Octets of stack for a thread that looks: a way of [`WAY_MAX`] is followed by recursion.
pub const STACK: usize = 32 << 20;

/// A rule, by its number: its owner's business.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RuleNumber(pub u32);

/// What a rule does, as far as it says where packets go.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Effect {
    /// Ports where the packet leaves, or may leave: all buckets of a group. The controller is none of them. `IN_PORT` is where it came from.
    pub outputs: BTreeSet<PortNo>,
    /// The table where it goes on.
    pub goto: Option<u8>,
    /// What is written into the metadata: value and mask.
    pub metadata: (u64, u64),
    /// Headers are changed, or connections tracked: what happens then is not known here.
    pub unknown: bool,
}

/// A rule of one switch. Of two rules of a table that match a packet, the first by [`VerifiedRule::order`] counts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifiedRule {
    /// Its number, which no other rule has.
    pub number: RuleNumber,
    /// Its switch.
    pub datapath_id: DatapathId,
    /// Its table.
    pub table: u8,
    /// Its priority.
    pub priority: u16,
    /// The port where the packet has to come in.
    pub in_port: Option<PortNo>,
    /// The header fields that it matches.
    pub header: Ternary,
    /// What of the metadata it matches: value and mask.
    pub metadata: (u64, u64),
    /// It asks for something else as well, so that it may match or not.
    pub partial: bool,
    /// What it does.
    pub effect: Effect,
}

impl VerifiedRule {
    /// Which of two rules of a table counts: the one with the higher priority. Which one of equals it is, a switch decides (OpenFlow 1.3.5 §5.3); here it
    /// is the one that names the destination, and then what is asked of the packet decides and not the rules' numbers, so
    /// that it is the same for all destinations that are forwarded alike.
    pub fn order(&self, other: &VerifiedRule) -> std::cmp::Ordering {
        let priority = other.priority.cmp(&self.priority);
        priority.then_with(|| {
            let names = |rule: &VerifiedRule| rule.header.exact(Field::EthDst).is_some();
            let asks = |rule: &VerifiedRule| (!names(rule), rule.header, rule.metadata, rule.in_port, rule.number);
            asks(self).cmp(&asks(other))
        })
    }
}

/// A change of one rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RuleChange {
    /// A rule is added, or becomes another one of the same number.
    Put(Box<VerifiedRule>),
    /// A rule goes.
    Remove(RuleNumber),
}

/// A packet, and where it enters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Example {
    /// The edge port.
    pub enters: PortId,
    /// Its header.
    pub header: Header,
}

/// What is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Problem {
    /// The packet comes again to a port where it has been.
    Loop {
        /// Such a packet.
        example: Example,
        /// The rules that it matches, in order, the last of them for the second time.
        rules: Vec<RuleNumber>,
    },
    /// The packet comes over a link to a switch whose tables have no rule for it, or is sent to a port where nothing is.
    BlackHole {
        /// Such a packet.
        example: Example,
        /// Where it ends.
        at: DatapathId,
        /// The rules that it matches on its way there.
        rules: Vec<RuleNumber>,
    },
    /// The packet leaves where it must not.
    Isolation {
        /// Such a packet.
        example: Example,
        /// Where it leaves.
        leaves: PortId,
        /// The rules that it matches on its way.
        rules: Vec<RuleNumber>,
    },
    /// A rule that cannot be followed matches, or there are too many classes.
    NotProven {
        /// Why.
        why: &'static str,
        /// Such a packet, if there is one.
        example: Option<Example>,
        /// The rules that it matches on its way.
        rules: Vec<RuleNumber>,
    },
}

impl Problem {
    /// The rules at fault.
    pub fn rules(&self) -> &[RuleNumber] {
        match self {
            Problem::Loop { rules, .. }
            | Problem::BlackHole { rules, .. }
            | Problem::Isolation { rules, .. }
            | Problem::NotProven { rules, .. } => rules,
        }
    }

    /// The same kind by the same rules; for packets that are lost the last one counts.
    fn is_like(&self, other: &Problem) -> bool {
        if let (Problem::BlackHole { at, rules, .. }, Problem::BlackHole { at: there, rules: others, .. }) =
            (self, other)
        {
            return at == there && rules.last() == others.last();
        }
        let rules = |problem: &Problem| problem.rules().iter().copied().collect::<BTreeSet<_>>();
        self.is_kind(other) && rules(self) == rules(other)
    }

    fn is_kind(&self, other: &Problem) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

/// Rules of several switches, and the network that they are in.
#[derive(Clone, Debug, Default)]
pub struct Verifier {
    rules: HashMap<RuleNumber, Arc<VerifiedRule>>,
    /// By switch: its tables, by number.
    tables: HashMap<DatapathId, Vec<(u8, Table)>>,
    constraints: Constraints,
    links: HashMap<PortId, PortId>,
    /// By switch: its ports with a link, and where packets come from there.
    link_ports: HashMap<DatapathId, Vec<(PortNo, PortId)>>,
    edges: HashSet<PortId>,
    edge_switches: BTreeMap<DatapathId, BTreeSet<PortNo>>,
    /// For an edge port the first one of its switch with the same members.
    stand_ins: HashMap<PortId, PortNo>,
    members: Members,
    /// Edge ports of a switch with the same members, and whom these must not reach.
    entrances: Vec<(u64, DatapathId, Vec<PortNo>)>,
    /// Ports that rules are about, and how many rules.
    told_apart: HashMap<DatapathId, BTreeMap<PortNo, usize>>,
    /// Numbers of the switches.
    switches: HashMap<DatapathId, usize>,
    atoms: Atoms,
    certificates: Certificates,
}

/// How much is looked at.
struct Budget<'b> {
    /// Classes.
    classes: usize,
    /// Classes that go wrong as others have that are told.
    again: usize,
    go_on: &'b dyn Fn() -> bool,
}

/// The metadata after a rule has written to it.
fn written(metadata: u64, (value, mask): (u64, u64)) -> u64 {
    metadata & !mask | value & mask
}

impl Verifier {
    /// No rules. `links` in both directions; `edges` are ports where packets enter and leave; `members` are those who must not reach each other.
    pub fn new(
        links: impl IntoIterator<Item = (PortId, PortId)>,
        edges: impl IntoIterator<Item = PortId>,
        members: Members,
    ) -> Verifier {
        let mut verifier = Verifier { links: links.into_iter().collect(), members, ..Verifier::default() };
        for (&from, to) in &verifier.links {
            verifier.link_ports.entry(to.datapath_id).or_default().push((to.port_no, from));
        }
        verifier.link_ports.values_mut().for_each(|ports| ports.sort_unstable());
        for edge in edges {
            verifier.edges.insert(edge);
            verifier.edge_switches.entry(edge.datapath_id).or_default().insert(edge.port_no);
        }
        for (&datapath_id, ports) in &verifier.edge_switches {
            let mut alike: BTreeMap<(u64, u64, bool), Vec<PortNo>> = BTreeMap::new();
            for &port_no in ports {
                let port = PortId::new(datapath_id, port_no);
                let of = verifier.members.port(port);
                let alike = alike.entry((of.never, of.of, verifier.members.is_unsure(port))).or_default();
                alike.push(port_no);
                verifier.stand_ins.insert(port, alike.first().copied().unwrap_or(port_no));
            }
            verifier.entrances.extend(alike.into_iter().map(|((never, _, _), ports)| (never, datapath_id, ports)));
        }
        for at in verifier.edge_switches.keys().chain(verifier.link_ports.keys()) {
            let number = verifier.switches.len();
            verifier.switches.entry(*at).or_insert(number);
        }
        verifier.members.constrain(&mut verifier.constraints);
        verifier.members.headers().for_each(|header| verifier.atoms.name(header));
        verifier
    }

    fn table(&self, datapath_id: DatapathId, table: u8) -> Option<&Table> {
        let tables = self.tables.get(&datapath_id)?;
        tables.iter().find(|(number, _)| *number == table).map(|(_, table)| table)
    }

    fn table_mut(&mut self, datapath_id: DatapathId, table: u8) -> Option<&mut Table> {
        let tables = self.tables.entry(datapath_id).or_default();
        if !tables.iter().any(|(number, _)| *number == table) {
            tables.push((table, Table::default()));
        }
        tables.iter_mut().find(|(number, _)| *number == table).map(|(_, table)| table)
    }

    /// A rule by its number.
    pub fn rule(&self, number: RuleNumber) -> Option<&VerifiedRule> {
        self.rules.get(&number).map(|rule| &**rule)
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Make a change without looking at what it means.
    pub fn apply(&mut self, change: RuleChange) {
        let number = match &change {
            RuleChange::Put(rule) => rule.number,
            RuleChange::Remove(number) => *number,
        };
        if let Some(old) = self.rules.remove(&number) {
            self.constraints.remove(&old.header);
            self.atoms.remove(&old);
            if let (Some(port), Some(ports)) = (old.in_port, self.told_apart.get_mut(&old.datapath_id))
                && let Some(rules) = ports.get_mut(&port)
            {
                *rules -= 1;
                if *rules == 0 {
                    ports.remove(&port);
                }
            }
            let does = self.alike(&old);
            let grows = self.table_mut(old.datapath_id, old.table).is_some_and(|table| table.remove(&old, &does));
            if grows {
                self.meets_more(old.datapath_id);
            }
        }
        if let RuleChange::Put(rule) = change {
            self.put(Arc::from(rule));
        }
    }

    /// A rule whose number nobody has.
    fn put(&mut self, rule: Arc<VerifiedRule>) {
        self.constraints.add(&rule.header);
        self.atoms.put(&rule);
        if let Some(port) = rule.in_port {
            *self.told_apart.entry(rule.datapath_id).or_default().entry(port).or_insert(0) += 1;
        }
        let does = self.alike(&rule);
        let grows = self.table_mut(rule.datapath_id, rule.table).is_some_and(|table| table.add(&rule, &does));
        if grows && !self.is_harmless(rule.datapath_id, &does) {
            self.meets_more(rule.datapath_id);
        }
        self.rules.insert(rule.number, rule);
    }

    /// The same rules among other links, edges and members.
    #[must_use]
    pub fn elsewhere(
        self,
        links: impl IntoIterator<Item = (PortId, PortId)>,
        edges: impl IntoIterator<Item = PortId>,
        members: Members,
    ) -> Verifier {
        let mut verifier = Verifier::new(links, edges, members);
        let mut rules: Vec<Arc<VerifiedRule>> = self.rules.into_values().collect();
        rules.sort_unstable_by_key(|rule| rule.number);
        rules.into_iter().for_each(|rule| verifier.put(rule));
        verifier
    }

    fn meets_more(&mut self, datapath_id: DatapathId) {
        if let Some(switch) = self.switches.get(&datapath_id) {
            self.certificates.forget_switch(*switch);
        }
    }

    /// What a rule does, with one edge port of its switch for all that have the same members.
    fn alike(&self, rule: &VerifiedRule) -> Effect {
        let mut effect = rule.effect.clone();
        let is_edge = |port: &PortNo| self.edges.contains(&PortId::new(rule.datapath_id, *port));
        if effect.outputs.iter().any(is_edge) {
            let outputs = std::mem::take(&mut effect.outputs);
            effect.outputs = outputs
                .into_iter()
                .map(|port| self.stand_ins.get(&PortId::new(rule.datapath_id, port)).copied().unwrap_or(port))
                .collect();
        }
        effect
    }

    /// Whether packets that meet this and did not before end there, where nobody is whom they must not reach.
    fn is_harmless(&self, datapath_id: DatapathId, effect: &Effect) -> bool {
        let ends = |port: &PortNo| {
            let port = PortId::new(datapath_id, *port);
            let is_nobody = self.members.port(port).of == 0;
            self.edges.contains(&port) && is_nobody && (!self.members.by_header() || self.members.is_unsure(port))
        };
        !effect.unknown && effect.goto.is_none() && effect.outputs.iter().all(ends)
    }

    /// Make a change, and say what is wrong with packets that it can touch. What was wrong before with others is not looked for.
    pub fn change(&mut self, change: RuleChange) -> Vec<Problem> {
        self.change_all([change])
    }

    /// The same with several changes that are one: what is between them does not count.
    pub fn change_all(&mut self, changes: impl IntoIterator<Item = RuleChange>) -> Vec<Problem> {
        let budget = Budget { classes: CLASSES_OF_CHANGE_MAX, again: AGAIN_OF_CHANGE_MAX, go_on: &|| true };
        self.change_within(changes, budget)
    }

    /// The same of a change that may be as large as all rules together, as long as `go_on` says so; a look that is cut short says that it was.
    pub fn change_all_while(
        &mut self,
        changes: impl IntoIterator<Item = RuleChange>,
        go_on: &dyn Fn() -> bool,
    ) -> Vec<Problem> {
        self.change_within(changes, Budget { classes: CLASSES_MAX, again: AGAIN_MAX, go_on })
    }

    fn change_within(&mut self, changes: impl IntoIterator<Item = RuleChange>, mut budget: Budget<'_>) -> Vec<Problem> {
        let mut touched: Vec<Arc<VerifiedRule>> = Vec::new();
        for change in changes {
            let number = match &change {
                RuleChange::Put(rule) => rule.number,
                RuleChange::Remove(number) => *number,
            };
            let old = self.rules.get(&number).cloned();
            self.apply(change);
            let new = self.rules.get(&number);
            if old.as_ref() == new {
                continue;
            }
            // What a rule drops and no other one has to do with is not wrong.
            touched.extend(new.filter(|new| new.effect != Effect::default() || new.partial).cloned());
            touched.extend(old);
        }
        let mut problems = Vec::new();
        // One look at everything costs less than a thousand at what each rule touches.
        if touched.len() > LARGE_CHANGE && self.is_clean_at_once() {
            return problems;
        }
        for rule in &touched {
            if !self.look_at(&rule.header, Some(rule), &mut budget, &mut problems) {
                break;
            }
        }
        problems
    }

    /// What is wrong with any packet.
    pub fn all(&mut self) -> Vec<Problem> {
        self.all_while(&|| true)
    }

    /// The same as long as `go_on` says so; a look that is cut short says that it was.
    pub fn all_while(&mut self, go_on: &dyn Fn() -> bool) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut budget = Budget { classes: CLASSES_MAX, again: AGAIN_MAX, go_on };
        if let Some(rules) = self.doubtful() {
            for rule in rules {
                if !self.look_at(&rule.header, Some(&rule), &mut budget, &mut problems) {
                    break;
                }
            }
        } else {
            self.look_at(&Ternary::default(), None, &mut budget, &mut problems);
        }
        problems
    }

    /// The rules of which each has to be looked at by itself, if it is enough to do that: without those that match only some packets of a destination nothing is
    /// wrong, so that a packet with which something is meets one of them. None are doubtful where they are well all together, or only end the way of packets.
    fn doubtful(&mut self) -> Option<Vec<Arc<VerifiedRule>>> {
        if self.is_clean_at_once() {
            return Some(Vec::new());
        }
        let everything = Ternary::default();
        if !self.suspects_with(|sweep, atoms| sweep.suspects(None, atoms), &everything, Care::Plain, None).is_empty() {
            return None;
        }
        let is_plain = |rule: &VerifiedRule| match rule.in_port {
            None if rule.header.exact(Field::EthDst).is_some() => true,
            _ => rule.header.is_everything() && !rule.partial,
        };
        let is_doubtful =
            |rule: &&Arc<VerifiedRule>| !is_plain(rule) && !self.is_harmless(rule.datapath_id, &rule.effect);
        let mut rules: Vec<Arc<VerifiedRule>> = self.rules.values().filter(is_doubtful).cloned().collect();
        rules.sort_unstable_by_key(|rule| rule.number);
        Some(rules)
    }

    /// Whether the quick look at everything finds nothing that may be wrong.
    fn is_clean_at_once(&mut self) -> bool {
        let look = |sweep: &mut Sweep<'_>, atoms: &Bits| sweep.suspects(None, atoms);
        self.suspects_with(look, &Ternary::default(), Care::Rough, None).is_empty()
    }

    /// What is wrong with one packet, from whatever edge port it enters: at most one thing of each sort.
    pub fn about(&self, header: &Header) -> Vec<Problem> {
        self.follow(&Ternary::of(header)).unwrap_or_default()
    }

    /// Every class of packets with such a header that `touched` may match. Whether there is something left of the budget.
    fn look_at(
        &mut self,
        header: &Ternary,
        touched: Option<&VerifiedRule>,
        budget: &mut Budget<'_>,
        problems: &mut Vec<Problem>,
    ) -> bool {
        let mut waiting = vec![*header];
        while let Some(class) = waiting.pop() {
            if budget.classes == 0 || budget.again == 0 || !(budget.go_on)() {
                problems.push(Problem::NotProven { why: CUT_SHORT, example: None, rules: Vec::new() });
                return false;
            }
            if class.field(Field::EthDst).1 == 0 {
                let suspects = self.suspects(&class, touched);
                let destinations = suspects.iter().filter_map(|atom| self.atoms.example(atom));
                waiting.extend(destinations.map(|destination| class.with_exact(Field::EthDst, destination)));
                continue;
            }
            if self.is_clean(&class, touched) || touched.is_some_and(|rule| self.is_beaten(rule, &class)) {
                continue;
            }
            budget.classes -= 1;
            match self.follow(&class) {
                Ok(found) => {
                    for problem in found {
                        let of_kind = problems.iter().filter(|told| told.is_kind(&problem)).count();
                        if of_kind < PROBLEMS_MAX && !problems.iter().any(|told| told.is_like(&problem)) {
                            problems.push(problem);
                        } else {
                            budget.again = budget.again.saturating_sub(1);
                        }
                    }
                }
                Err(field) => waiting.extend(self.constraints.divide(&class, field)),
            }
        }
        true
    }

    /// The atoms with which something may be wrong, for packets of a class that names no destination.
    fn suspects(&mut self, class: &Ternary, touched: Option<&VerifiedRule>) -> Bits {
        let look = |sweep: &mut Sweep<'_>, atoms: &Bits| sweep.suspects(touched, atoms);
        let mut wrong = self.suspects_with(look, &Ternary::default(), Care::Rough, None);
        if let Some(rule) = touched
            && !wrong.is_empty()
        {
            if self.is_beaten(rule, class) {
                return Bits::default();
            }
            wrong = self.suspects_with(look, class, Care::Close, Some(wrong));
        }
        wrong
    }

    fn suspects_with(
        &mut self,
        look: impl Fn(&mut Sweep<'_>, &Bits) -> Bits,
        class: &Ternary,
        care: Care,
        among: Option<Bits>,
    ) -> Bits {
        let mut atoms = std::mem::take(&mut self.atoms);
        let mut certificates = std::mem::take(&mut self.certificates);
        let fresh = atoms.refresh(&self.rules, &self.constraints, |rule| self.alike(rule));
        certificates.forget_atoms(&fresh);
        self.atoms = atoms;
        let among = among.as_ref().unwrap_or(self.atoms.all());
        let wrong = look(&mut Sweep::new(self, &mut certificates, class, care), among);
        self.certificates = certificates;
        wrong
    }

    /// Whether a quick look says that nothing is wrong with a class. Of a change it looks from the rule on: whoever does not come there is as before.
    fn is_clean(&self, class: &Ternary, touched: Option<&VerifiedRule>) -> bool {
        // A close look at all rules for packets of all kinds costs more than it tells.
        let worth = touched.is_some() || class.exact(Field::EthDst).is_some();
        [Care::Rough, Care::Close].into_iter().take(1 + usize::from(worth)).any(|care| {
            let mut glance = Glance::new(self, class, care);
            let is_clean = match touched {
                Some(rule) => glance.comes_to(rule.datapath_id, rule.in_port),
                None => self.edge_switches.keys().all(|&at| glance.enters(at, At::Any, true)),
            };
            is_clean && (self.members.is_empty() || Glance::new(self, class, care).keeps_apart(&self.members))
        })
    }

    /// Whether a more important rule takes all packets of the class that `rule` would match.
    fn is_beaten(&self, rule: &VerifiedRule, class: &Ternary) -> bool {
        self.table(rule.datapath_id, rule.table).is_some_and(|table| table.beats(rule, class))
    }
}
