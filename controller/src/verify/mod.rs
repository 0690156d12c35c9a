//! The verifier: do rules of several switches, taken together, loop, lose packets, or let somebody reach whom they must not?
//!
//! Pure: rules in, answers out. In the manner of VeriFlow (Khurshid et al., NSDI 2013) and Delta-net (Horn et al., NSDI 2017) a change is answered for the
//! packets that it can touch and no others: those of the changed rule's match. First comes a quick look (`glance`) at all of them together: where
//! nothing can be wrong with any of what they may meet from the rule on, nothing is wrong. Only where that does not say so they are followed from every
//! edge port (`walk`), and divided into classes of packets that are forwarded alike, by the fields that a table on the way really tells apart.
//!
//! Headers are followed unchanged. Rules that change headers, or ask connection tracking, are not followed: what they match is told as
//! [`Problem::NotProven`]. So is what depends on something that is no [`Field`].

mod fields;
mod glance;
mod index;
mod members;
#[cfg(test)]
mod tests;
mod walk;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use net::{DatapathId, PortId, PortNo};

pub use fields::{FIELDS, Field, Header, Ternary};
pub use members::{Members, Membership};

use fields::Constraints;
use glance::{Care, Glance};
use index::{At, Table};

/// Classes of one change that are looked at; more are told as [`Problem::NotProven`].
pub const CLASSES_MAX: usize = 100_000;
/// Problems of one kind that are told of one change.
pub const PROBLEMS_MAX: usize = 16;
/// Classes that go wrong as others have that are told already; after that the rest of the change is not looked at, which is told too.
const AGAIN_MAX: usize = 2_048;
/// Why a look has come to no end.
pub const CUT_SHORT: &str =
    "too many classes of packets, too many that go wrong, or too little time: the rest was not looked at";
/// Links that one packet is followed over; a longer way is told as [`Problem::NotProven`]. Each takes some of the thread's stack.
pub const WAY_MAX: usize = 500;

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

/// A rule of one switch. Of two rules of a table that match a packet, the one with the higher priority counts, and the smaller number among equals.
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
    members: Members,
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
        verifier.members.constrain(&mut verifier.constraints);
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
            if let Some(table) = self.table_mut(old.datapath_id, old.table) {
                table.remove(&old);
            }
        }
        if let RuleChange::Put(rule) = change {
            let rule: Arc<VerifiedRule> = Arc::from(rule);
            self.constraints.add(&rule.header);
            if let Some(table) = self.table_mut(rule.datapath_id, rule.table) {
                table.add(&rule);
            }
            self.rules.insert(number, rule);
        }
    }

    /// Make a change, and say what is wrong with packets that it can touch. What was wrong before with others is not looked for.
    pub fn change(&mut self, change: RuleChange) -> Vec<Problem> {
        self.change_all([change])
    }

    /// The same with several changes that are one: what is between them does not count.
    pub fn change_all(&mut self, changes: impl IntoIterator<Item = RuleChange>) -> Vec<Problem> {
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
        for rule in &touched {
            self.look_at(&rule.header, Some(rule), &|| true, &mut problems);
        }
        problems
    }

    /// What is wrong with any packet.
    pub fn all(&self) -> Vec<Problem> {
        self.all_while(&|| true)
    }

    /// The same as long as `go_on` says so; a look that is cut short says that it was.
    pub fn all_while(&self, go_on: &dyn Fn() -> bool) -> Vec<Problem> {
        let mut problems = Vec::new();
        self.look_at(&Ternary::default(), None, go_on, &mut problems);
        problems
    }

    /// Every class of packets with such a header that `touched` may match.
    fn look_at(
        &self,
        header: &Ternary,
        touched: Option<&VerifiedRule>,
        go_on: &dyn Fn() -> bool,
        problems: &mut Vec<Problem>,
    ) {
        let mut waiting = vec![*header];
        let (mut seen, mut again) = (0, 0);
        while let Some(class) = waiting.pop() {
            seen += 1;
            if seen > CLASSES_MAX || again > AGAIN_MAX || !go_on() {
                problems.push(Problem::NotProven { why: CUT_SHORT, example: None, rules: Vec::new() });
                return;
            }
            if self.is_clean(&class, touched) || touched.is_some_and(|rule| self.is_beaten(rule, &class)) {
                continue;
            }
            match self.follow(&class) {
                Ok(found) => {
                    for problem in found {
                        let of_kind = problems.iter().filter(|told| told.is_kind(&problem)).count();
                        if of_kind < PROBLEMS_MAX && !problems.iter().any(|told| told.is_like(&problem)) {
                            problems.push(problem);
                        } else {
                            again += 1;
                        }
                    }
                }
                Err(field) => waiting.extend(self.constraints.divide(&class, field)),
            }
        }
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
