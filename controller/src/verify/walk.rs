//! The long look: packets of one class that are forwarded alike, followed from every edge port.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use net::{DatapathId, PortId, PortNo};
use smallvec::SmallVec;

use super::fields::{Field, Header, Ternary};
use super::index::Lookup;
use super::members::End;
use super::{Example, Problem, RuleNumber, Verifier, WAY_MAX, written};

/// What becomes of packets at one switch.
#[derive(Clone, Debug, Default)]
struct Step {
    outputs: SmallVec<[PortNo; 4]>,
    missed: bool,
    unknown: bool,
}

#[derive(Clone, Copy, Debug)]
enum Wrong {
    Loop(PortId),
    BlackHole(DatapathId),
    Isolation(PortId),
    Unknown(&'static str),
}

/// Walks of packets of one class, from one edge port after the other.
struct Walk<'v> {
    verifier: &'v Verifier,
    class: &'v Ternary,
    steps: HashMap<PortId, Rc<Step>>,
    /// By switch: what becomes of packets where no rule is about their port, and the tables that they came to.
    alike: HashMap<DatapathId, (Rc<Step>, SmallVec<[u8; 8]>)>,
    /// From the edge to here.
    way: Vec<PortId>,
    /// Nothing is wrong from here on, for packets that must not reach `never`.
    done: HashSet<PortId>,
    never: u64,
    /// Groups that the header names as destination.
    named: u64,
    /// Where something could not be followed, and the way there.
    unknown: Option<(&'static str, Vec<PortId>)>,
    /// The first loop or black hole, and the way there.
    lost: Option<(Wrong, Vec<PortId>)>,
}

const CHANGES: &str = "a rule changes headers or tracks connections";
const UNCLEAR: &str = "a rule asks for something that is not followed";
const TOO_LONG: &str = "the way is too long";

impl Verifier {
    /// What is wrong with packets of a class, from whatever edge port they enter, at most one thing of each sort: who reaches whom it must not, and
    /// what goes round or is lost; or the field by which it has to be divided first.
    pub(super) fn follow(&self, class: &Ternary) -> Result<Vec<Problem>, Field> {
        let source = self.members.header(class, End::Source)?;
        let named = if self.members.is_empty() { 0 } else { self.members.header(class, End::Destination)? };
        let mut entrances: Vec<(u64, DatapathId, &[PortNo])> =
            self.entrances.iter().map(|(never, at, ports)| (never | source, *at, &ports[..])).collect();
        entrances.sort_unstable();
        let mut walk = Walk {
            verifier: self,
            class,
            steps: HashMap::new(),
            alike: HashMap::new(),
            way: Vec::new(),
            done: HashSet::new(),
            never: 0,
            named,
            unknown: None,
            lost: None,
        };
        let mut problems = Vec::new();
        'all: for (never, at, ports) in entrances {
            if never != walk.never {
                walk.done.clear();
                walk.never = never;
            }
            for edge in walk.different(at, ports)? {
                walk.way.clear();
                if let Some(wrong) = walk.go(edge, edge)? {
                    problems.push(self.problem(wrong, class.example(), &walk.way));
                    break 'all;
                }
            }
        }
        problems.extend(walk.lost.take().map(|(wrong, way)| self.problem(wrong, class.example(), &way)));
        if problems.is_empty() {
            let unknown = walk.unknown.take();
            problems.extend(unknown.map(|(why, way)| self.problem(Wrong::Unknown(why), class.example(), &way)));
        }
        Ok(problems)
    }

    /// A problem with the rules at fault: those that the example matches on its way, from port to port.
    fn problem(&self, wrong: Wrong, header: Header, way: &[PortId]) -> Problem {
        let mut rules: Vec<RuleNumber> = way.iter().flat_map(|at| self.matched(*at, &header)).collect();
        let Some(&enters) = way.first() else {
            return Problem::NotProven { why: "no packet", example: None, rules };
        };
        let example = Example { enters, header };
        match wrong {
            Wrong::Unknown(why) => Problem::NotProven { why, example: Some(example), rules },
            Wrong::Loop(at) => {
                rules.extend(self.matched(at, &header));
                Problem::Loop { example, rules }
            }
            Wrong::BlackHole(at) => Problem::BlackHole { example, at, rules },
            Wrong::Isolation(leaves) => Problem::Isolation { example, leaves, rules },
        }
    }

    /// The rules that one packet matches at one switch.
    fn matched(&self, at: PortId, header: &Header) -> Vec<RuleNumber> {
        let packet = Ternary::of(header);
        let (mut rules, mut table, mut metadata) = (Vec::new(), 0, 0);
        loop {
            let found = self.table(at.datapath_id, table).and_then(|table| table.first(at.port_no, &packet, metadata));
            let Some(rule) = found else { return rules };
            rules.push(rule.number);
            metadata = written(metadata, rule.effect.metadata);
            match rule.effect.goto {
                Some(next) if next > table => table = next,
                _ => return rules,
            }
        }
    }
}

impl Walk<'_> {
    /// Of edge ports with the same members those where packets may fare otherwise than at the others: each that rules are about or that they leave by,
    /// and one of the rest.
    fn different(&mut self, at: DatapathId, ports: &[PortNo]) -> Result<SmallVec<[PortId; 4]>, Field> {
        let told_apart = self.verifier.told_apart.get(&at);
        let is_told = |port: &PortNo| told_apart.is_some_and(|told_apart| told_apart.contains_key(port));
        let Some(one) = ports.iter().find(|port| !is_told(port)) else {
            return Ok(ports.iter().map(|port| PortId::new(at, *port)).collect());
        };
        let step = self.step(PortId::new(at, *one))?;
        let mut has_one = false;
        let differs = |port: &&PortNo| {
            let alike = !is_told(port) && !step.outputs.contains(port);
            !(alike && std::mem::replace(&mut has_one, true))
        };
        Ok(ports.iter().filter(differs).map(|port| PortId::new(at, *port)).collect())
    }

    /// Depth first: a port that is met again on the way to itself is a loop. What is lost is noted, and the rest is looked at all the same.
    fn go(&mut self, at: PortId, edge: PortId) -> Result<Option<Wrong>, Field> {
        if self.done.contains(&at) {
            return Ok(None);
        }
        if self.way.contains(&at) {
            self.lost.get_or_insert_with(|| (Wrong::Loop(at), self.way.clone()));
            return Ok(None);
        }
        self.way.push(at);
        if self.way.len() > WAY_MAX {
            self.unknown.get_or_insert_with(|| (TOO_LONG, self.way.clone()));
            self.way.pop();
            return Ok(None);
        }
        let step = self.step(at)?;
        if step.unknown {
            let why = if step.missed { UNCLEAR } else { CHANGES };
            self.unknown.get_or_insert_with(|| (why, self.way.clone()));
        }
        // OpenFlow 1.3.5 §5.1: a packet is never sent back by a plain output to where it came from.
        let outputs = step.outputs.iter().filter(|out| **out != at.port_no);
        if step.missed && !step.unknown && outputs.clone().next().is_none() && at != edge {
            self.lost.get_or_insert_with(|| (Wrong::BlackHole(at.datapath_id), self.way.clone()));
        }
        for &port_no in outputs {
            let port_no = if port_no == PortNo::IN_PORT { at.port_no } else { port_no };
            let out = PortId::new(at.datapath_id, port_no);
            if let Some(&next) = self.verifier.links.get(&out) {
                if let Some(wrong) = self.go(next, edge)? {
                    return Ok(Some(wrong));
                }
            } else if self.verifier.edges.contains(&out) {
                let reached = self.verifier.members.reached(out, self.named);
                if reached & self.never != 0 {
                    return Ok(Some(Wrong::Isolation(out)));
                }
            } else {
                self.lost.get_or_insert_with(|| (Wrong::BlackHole(at.datapath_id), self.way.clone()));
            }
        }
        self.way.pop();
        self.done.insert(at);
        Ok(None)
    }

    /// What happens to packets that come in at a port: where they go, or why that is not known.
    fn step(&mut self, at: PortId) -> Result<Rc<Step>, Field> {
        if let Some(step) = self.steps.get(&at) {
            return Ok(step.clone());
        }
        let verifier = self.verifier;
        let alike = |tables: &[u8]| {
            let of = |table: &u8| verifier.table(at.datapath_id, *table);
            !tables.iter().filter_map(of).any(|table| table.tells_apart(at.port_no))
        };
        if let Some((step, tables)) = self.alike.get(&at.datapath_id)
            && alike(tables)
        {
            return Ok(step.clone());
        }
        let (mut step, mut table, mut metadata) = (Step::default(), 0, 0);
        let mut tables: SmallVec<[u8; 8]> = SmallVec::new();
        let mut of_port = false;
        loop {
            tables.push(table);
            let found = match verifier.table(at.datapath_id, table) {
                Some(rules) => rules.look_up(at.port_no, self.class, metadata),
                None => Lookup::Miss,
            };
            match found {
                Lookup::Divided(field) => return Err(field),
                Lookup::Miss => step.missed = true,
                Lookup::Unclear => (step.unknown, step.missed) = (true, true),
                Lookup::Found(rule) => {
                    of_port |= rule.in_port.is_some();
                    step.unknown |= rule.effect.unknown;
                    step.outputs.extend(rule.effect.outputs.iter().copied());
                    metadata = written(metadata, rule.effect.metadata);
                    match rule.effect.goto {
                        // Only to a later table (§5.1.1): anything else would not have been taken.
                        Some(next) if next > table => {
                            table = next;
                            continue;
                        }
                        _ => {}
                    }
                }
            }
            break;
        }
        step.outputs.sort_unstable();
        step.outputs.dedup();
        let step = Rc::new(step);
        if !of_port && alike(&tables) {
            self.alike.insert(at.datapath_id, (step.clone(), tables));
        }
        self.steps.insert(at, step.clone());
        Ok(step)
    }
}
