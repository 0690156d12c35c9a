//! The quick look at all destinations at once: whether anything can be wrong with packets of a class that names no destination.
//!
//! As `glance`, with a set of atoms that is followed from port to port and loses those that go another way: each packet is followed along the
//! rules for its destination, and along all others taken together. What has been found clean from a port on is kept as a certificate, as long as no
//! switch that was met on the way lets packets meet more than then.

use std::collections::HashMap;

use net::{DatapathId, PortId, PortNo};
use smallvec::SmallVec;

use super::atoms::Label;
use super::bits::Bits;
use super::fields::{Field, Ternary};
use super::glance::{Care, State};
use super::index::At;
use super::members::{End, Members};
use super::{Effect, VerifiedRule, Verifier, WAY_MAX, written};

/// Atoms with which nothing is wrong from a port on, whatever else their packets are, and the switches that they may come to.
#[derive(Clone, Debug, Default)]
struct Certificate {
    atoms: Bits,
    reach: Bits,
}

/// By the port where packets come in, and the groups that they must not reach.
#[derive(Clone, Debug, Default)]
pub(super) struct Certificates(HashMap<(PortId, u64), Certificate>);

impl Certificates {
    /// Packets may meet more at a switch than before.
    pub(super) fn forget_switch(&mut self, switch: usize) {
        self.0.retain(|_, certificate| !certificate.reach.contains(switch));
    }

    /// Atoms are others than before.
    pub(super) fn forget_atoms(&mut self, atoms: &Bits) {
        if !atoms.is_empty() {
            self.0.values_mut().for_each(|certificate| certificate.atoms.subtract(atoms));
        }
    }
}

/// A look at one class.
pub(super) struct Sweep<'v> {
    verifier: &'v Verifier,
    certificates: &'v mut Certificates,
    class: &'v Ternary,
    care: Care,
    /// Packets of this sort that must not reach `never`; atoms whose packets may name groups.
    never: u64,
    named: Vec<(u64, Bits)>,
    /// By port: atoms that are on the way from it, and those that have been found clean or not.
    on_way: HashMap<PortId, Bits>,
    clean: HashMap<PortId, Bits>,
    wrong: HashMap<PortId, Bits>,
    /// Switches met since the last port.
    reach: Bits,
    depth: usize,
}

impl<'v> Sweep<'v> {
    /// Of packets that are looked at closely nothing is kept.
    pub(super) fn new(
        verifier: &'v Verifier,
        certificates: &'v mut Certificates,
        class: &'v Ternary,
        care: Care,
    ) -> Sweep<'v> {
        Sweep {
            verifier,
            certificates,
            class,
            care,
            never: 0,
            named: Vec::new(),
            on_way: HashMap::new(),
            clean: HashMap::new(),
            wrong: HashMap::new(),
            reach: Bits::default(),
            depth: 0,
        }
    }

    /// Which of the atoms something may be wrong with, from a rule on or from every edge.
    pub(super) fn suspects(&mut self, touched: Option<&VerifiedRule>, atoms: &Bits) -> Bits {
        let verifier = self.verifier;
        let mut wrong = match touched {
            Some(rule) => self.comes_to(rule.datapath_id, rule.in_port, atoms),
            None => {
                let mut wrong = Bits::default();
                for &at in verifier.edge_switches.keys() {
                    wrong.add(&self.enters(at, At::Any, true, atoms));
                }
                wrong
            }
        };
        if !verifier.members.is_empty() {
            let mut rest = atoms.clone();
            rest.subtract(&wrong);
            wrong.add(&self.reaches(&verifier.members, &rest));
        }
        wrong
    }

    fn comes_to(&mut self, datapath_id: DatapathId, in_port: Option<PortNo>, atoms: &Bits) -> Bits {
        let verifier = self.verifier;
        let mut wrong = match in_port {
            Some(port) if verifier.edges.contains(&PortId::new(datapath_id, port)) => {
                self.enters(datapath_id, At::Port(port), true, atoms)
            }
            None if verifier.edge_switches.contains_key(&datapath_id) => self.enters(datapath_id, At::Any, true, atoms),
            _ => Bits::default(),
        };
        let links = verifier.link_ports.get(&datapath_id).into_iter().flatten();
        for &(port, from) in links.filter(|(port, _)| in_port.is_none_or(|in_port| in_port == *port)) {
            let over = self.arrives(PortId::new(datapath_id, port), false, atoms);
            if !over.is_empty() {
                // Only what the other end sends there.
                wrong.add(&self.sent_by(from, over));
            }
        }
        wrong
    }

    /// Which of these a switch may send over a link, wherever they come in there.
    fn sent_by(&self, from: PortId, atoms: Bits) -> Bits {
        let mut sent = Bits::default();
        let mut states: SmallVec<[(State, Bits); 8]> = SmallVec::new();
        states.push((State { table: 0, metadata: 0, sent: false }, atoms));
        let mut done = 0;
        while let Some((state, atoms)) = states.get(done).cloned() {
            done += 1;
            for (effect, met) in self.meet(from.datapath_id, At::Any, state, &atoms) {
                let Some(effect) = effect else { continue };
                let back = effect.outputs.contains(&PortNo::IN_PORT);
                if effect.unknown || back || effect.outputs.contains(&from.port_no) {
                    sent.add(&met);
                }
                if let Some(table) = effect.goto.filter(|next| *next > state.table) {
                    let next = State { table, metadata: written(state.metadata, effect.metadata), sent: false };
                    let mut rest = met;
                    states.iter().filter(|(state, _)| *state == next).for_each(|(_, of)| rest.subtract(of));
                    if !rest.is_empty() {
                        states.push((next, rest));
                    }
                }
            }
        }
        sent
    }

    /// Which of these may reach a group that they must not.
    fn reaches(&mut self, members: &'v Members, atoms: &Bits) -> Bits {
        let verifier = self.verifier;
        let source = members.may(self.class, End::Source);
        self.named = members
            .destinations(self.class)
            .filter_map(|(header, of)| match header.exact(Field::EthDst) {
                Some(destination) => Some((of, std::iter::once(verifier.atoms.of(destination)?).collect())),
                None => Some((of, atoms.clone())),
            })
            .collect();
        let is_edge = |(port, _): &(PortId, _)| verifier.edges.contains(port);
        let ports = members.ports().filter(is_edge);
        let mut starts: Vec<(u64, PortId)> = ports
            .map(|(port, membership)| (membership.never | source, port))
            .filter(|(never, _)| *never != 0)
            .collect();
        starts.sort_unstable();
        let mut wrong = Bits::default();
        let begin = |sweep: &mut Sweep<'v>, never: u64| {
            if sweep.never != never {
                sweep.never = never;
                sweep.clean.clear();
                sweep.wrong.clear();
            }
        };
        for (never, port) in starts {
            begin(self, never);
            wrong.add(&self.arrives(port, true, atoms));
        }
        if source != 0 {
            begin(self, source);
            for &at in verifier.edge_switches.keys() {
                wrong.add(&self.enters(at, At::Any, true, atoms));
            }
        }
        wrong
    }

    /// Which of these something may be wrong with from a port on.
    fn arrives(&mut self, at: PortId, is_edge: bool, atoms: &Bits) -> Bits {
        let mut open = atoms.clone();
        if let Some(certificate) = self.certificates.0.get(&(at, self.never)) {
            if open.meets(&certificate.atoms) {
                self.reach.add(&certificate.reach);
            }
            open.subtract(&certificate.atoms);
        }
        if let Some(clean) = self.clean.get(&at) {
            open.subtract(clean);
        }
        let mut wrong = Bits::default();
        for of in [self.on_way.get(&at), self.wrong.get(&at)].into_iter().flatten() {
            wrong.add(&open.and(of));
            open.subtract(of);
        }
        if open.is_empty() {
            return wrong;
        }
        if self.depth >= WAY_MAX {
            wrong.add(&open);
            return wrong;
        }
        let before = std::mem::take(&mut self.reach);
        self.on_way.entry(at).or_default().add(&open);
        self.depth += 1;
        let found = self.enters(at.datapath_id, At::Port(at.port_no), is_edge, &open);
        self.depth -= 1;
        if let Some(on_way) = self.on_way.get_mut(&at) {
            on_way.subtract(&open);
        }
        let reach = std::mem::replace(&mut self.reach, before);
        self.reach.add(&reach);
        open.subtract(&found);
        if !found.is_empty() {
            self.wrong.entry(at).or_default().add(&found);
            wrong.add(&found);
        }
        if !open.is_empty() && self.care == Care::Rough {
            let certificate = self.certificates.0.entry((at, self.never)).or_default();
            certificate.atoms.add(&open);
            certificate.reach.add(&reach);
        } else if !open.is_empty() {
            self.clean.entry(at).or_default().add(&open);
        }
        wrong
    }

    fn enters(&mut self, datapath_id: DatapathId, at: At, is_edge: bool, atoms: &Bits) -> Bits {
        if let Some(switch) = self.verifier.switches.get(&datapath_id) {
            self.reach.insert(*switch);
        }
        let mut visited = SmallVec::new();
        self.table(datapath_id, at, State { table: 0, metadata: 0, sent: is_edge }, atoms, &mut visited)
    }

    fn table(
        &mut self,
        datapath_id: DatapathId,
        at: At,
        state: State,
        atoms: &Bits,
        visited: &mut SmallVec<[(State, Bits); 8]>,
    ) -> Bits {
        let mut open = atoms.clone();
        visited.iter().filter(|(of, _)| *of == state).for_each(|(_, done)| open.subtract(done));
        let mut wrong = Bits::default();
        if open.is_empty() {
            return wrong;
        }
        visited.push((state, open.clone()));
        for (effect, mut met) in self.meet(datapath_id, at, state, &open) {
            let Some(effect) = effect else {
                if !state.sent {
                    wrong.add(&met);
                }
                continue;
            };
            met.subtract(&wrong);
            if effect.unknown {
                wrong.add(&met);
                continue;
            }
            for out in &effect.outputs {
                wrong.add(&self.leaves(datapath_id, at, *out, &met));
            }
            if let Some(table) = effect.goto.filter(|next| *next > state.table) {
                let sent = state.sent || effect.outputs.iter().any(|out| at != At::Port(*out));
                let next = State { table, metadata: written(state.metadata, effect.metadata), sent };
                wrong.add(&self.table(datapath_id, at, next, &met, visited));
            }
        }
        wrong
    }

    /// What packets of these atoms may meet in a table, and which of them; `None` is no rule.
    fn meet(
        &self,
        datapath_id: DatapathId,
        at: At,
        state: State,
        atoms: &Bits,
    ) -> SmallVec<[(Option<&'v Effect>, Bits); 8]> {
        let verifier = self.verifier;
        let mut rows: SmallVec<[Row<'v>; 16]> = SmallVec::new();
        let asked = |label: &&Label| {
            let (value, mask) = label.does.metadata;
            state.metadata & mask == value && label.does.header.meets(self.class)
        };
        for label in verifier.atoms.labels(datapath_id, state.table).filter(asked) {
            let met = atoms.and(&label.atoms);
            if !met.is_empty() {
                let covers = !label.does.partial && self.class.is_inside(&label.does.header);
                rows.push(Row { priority: label.does.priority, effect: &label.does.effect, covers, of: Some(met) });
            }
        }
        if let Some(table) = verifier.table(datapath_id, state.table) {
            table.unnamed(at, self.class, state.metadata, self.care, |priority, effect, covers| {
                rows.push(Row { priority, effect, covers, of: None });
            });
        }
        rows.sort_unstable_by_key(|row| std::cmp::Reverse(row.priority));
        let mut met: SmallVec<[(Option<&'v Effect>, Bits); 8]> = SmallVec::new();
        let mut open = atoms.clone();
        // Of the same priority the one or the other may count.
        for same in rows.chunk_by(|one, other| one.priority == other.priority) {
            let mut covered = Bits::default();
            for row in same {
                let of = row.of.as_ref().map_or_else(|| open.clone(), |of| of.and(&open));
                if of.is_empty() {
                    continue;
                }
                if row.covers {
                    covered.add(&of);
                }
                match met.iter_mut().find(|(effect, _)| *effect == Some(row.effect)) {
                    Some((_, atoms)) => atoms.add(&of),
                    None => met.push((Some(row.effect), of)),
                }
            }
            open.subtract(&covered);
            if open.is_empty() {
                return met;
            }
        }
        met.push((None, open));
        met
    }

    fn leaves(&mut self, datapath_id: DatapathId, at: At, out: PortNo, atoms: &Bits) -> Bits {
        let verifier = self.verifier;
        let port_no = match (out, at) {
            (PortNo::IN_PORT, At::Port(port)) => port,
            (PortNo::IN_PORT, At::Any) => return atoms.clone(),
            (out, _) => out,
        };
        let is_back = at == At::Port(out);
        let out = PortId::new(datapath_id, port_no);
        if let Some(&next) = verifier.links.get(&out) {
            // OpenFlow 1.3.5 §5.1: a packet is never sent back by a plain output to where it came from.
            return if is_back { Bits::default() } else { self.arrives(next, false, atoms) };
        }
        if !verifier.edges.contains(&out) || verifier.members.port(out).of & self.never != 0 {
            return atoms.clone();
        }
        let mut reached = Bits::default();
        for (of, named) in &self.named {
            if verifier.members.reached(out, *of) & self.never != 0 {
                reached.add(&atoms.and(named));
            }
        }
        reached
    }
}

/// What some packets may meet.
struct Row<'v> {
    priority: u16,
    effect: &'v Effect,
    /// Whether all of them do, and what comes behind does not count.
    covers: bool,
    /// Atoms, if not all.
    of: Option<Bits>,
}
