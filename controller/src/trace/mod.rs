//! What becomes of a packet: through the desired and the installed tables of every switch that it comes to, over known links, until it leaves at an
//! edge port, goes to the controller or is dropped. Pure: who walks supplies the switches' tables as they are needed.
//!
//! ```text
//! Walk::new ──► needs() ── a switch ──► supply(its tables) ──► needs() … none ──► rows()
//! ```
//! Both sides are followed at once. Where they do the same there is one row for both, elsewhere one for each; a packet that only one side sends on is
//! followed on that side alone. All buckets of a select group are followed, for a real packet may take any of them.

pub mod model;
pub mod packet;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use net::{DatapathId, MacAddr, PortId, PortNo};
use openflow::switch::pipeline::{Output, Step};
use openflow::{Match, MeterId, PacketInReason, TableId};
use topology::Network;

pub use model::{Entry, Side, SwitchModel, Way, flow_text};

/// Switches that a packet is followed to, each of its ways counted. A flood over a thousand switches comes to as many.
pub const HOPS_MAX: usize = 4_096;
/// Rules of all switches that a packet is followed through, looked up on both sides: some 500 MiB. A flood in a large network stops there.
pub const RULES_MAX: usize = 400_000;

/// On which side something is so.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Sides {
    /// Desired and installed are the same.
    Both,
    /// One of them.
    Only(Side),
}

impl Sides {
    /// As commands print it.
    pub const fn name(self) -> &'static str {
        match self {
            Sides::Both => "both",
            Sides::Only(Side::Desired) => "desired",
            Sides::Only(Side::Installed) => "installed",
        }
    }

    /// Whether this side is one of them.
    pub fn has(self, side: Side) -> bool {
        self == Sides::Both || self == Sides::Only(side)
    }

    fn of(desired: bool, installed: bool) -> Option<Sides> {
        match (desired, installed) {
            (true, true) => Some(Sides::Both),
            (true, false) => Some(Sides::Only(Side::Desired)),
            (false, true) => Some(Sides::Only(Side::Installed)),
            (false, false) => None,
        }
    }
}

/// What follows a link or ends the packet's way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum To {
    /// Another switch, by this port of it.
    Switch(PortId),
    /// Whoever is behind an edge port: hosts that are known there.
    Edge(Vec<MacAddr>),
    /// A port that leads to another switch, which is not known at the moment.
    Nowhere,
}

/// A rule that a packet has met.
#[derive(Clone, Debug)]
pub struct Met {
    /// Its table.
    pub table: TableId,
    /// The rule as `ovs-ofctl add-flow` takes it.
    pub text: String,
    /// Its priority.
    pub priority: u16,
    /// What it matches.
    pub match_: Match,
    /// What it does, in ovs-ofctl's words.
    pub actions: String,
    /// What else is known of it.
    pub entry: Option<Entry>,
}

impl PartialEq for Met {
    fn eq(&self, other: &Met) -> bool {
        self.text == other.text
    }
}

/// One thing that happens to a packet at a switch.
#[derive(Clone, PartialEq, Debug)]
pub enum Happening {
    /// It comes in.
    Arrives {
        /// What it looks like then.
        packet: Match,
    },
    /// It is looked up in a table; without a rule, none matches.
    Table(TableId, Option<Met>),
    /// It goes through a group.
    Group(String),
    /// A bucket of it gets a copy. Of a select group, one of those that there are rows of.
    Bucket(usize, String),
    /// It goes through a meter, or not.
    Meter(MeterId, bool),
    /// It leaves by a port, as it looks then if it has been rewritten.
    Leaves(PortNo, To, Option<Match>),
    /// The controller gets it.
    Controller(PacketInReason),
    /// By this port it should have left, but it is down.
    Blocked(PortNo),
    /// Nothing becomes of it at this switch, and why.
    Dropped(String),
    /// It has been here before, at this hop, as the same packet: it goes around for ever.
    Loop(usize),
    /// It comes here by another way too, since this hop.
    Again(usize),
    /// It is not followed any further, and why.
    Stops(String),
}

/// A row of a trace.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    /// Which visit to a switch, from 1 on.
    pub hop: usize,
    /// The visit that it comes from.
    pub from: Option<usize>,
    /// The switch, and the port where the packet came in.
    pub at: PortId,
    /// Where it is so.
    pub sides: Sides,
    /// What it is.
    pub what: Happening,
}

/// A visit to a switch, before the packet is looked up.
#[derive(Clone, Debug)]
struct Visit {
    from: Option<usize>,
    at: PortId,
    frame: Bytes,
    sides: Sides,
}

/// A packet on its way through the network.
#[derive(Debug)]
pub struct Walk {
    network: Arc<Network>,
    models: BTreeMap<DatapathId, SwitchModel>,
    waiting: VecDeque<Visit>,
    visits: Vec<Visit>,
    rows: Vec<Row>,
    /// Rules of all models.
    rules: usize,
}

impl Walk {
    /// A frame that comes in by this port.
    pub fn new(network: Arc<Network>, at: PortId, frame: Bytes) -> Walk {
        let first = Visit { from: None, at, frame, sides: Sides::Both };
        Walk {
            network,
            models: BTreeMap::new(),
            waiting: VecDeque::from([first]),
            visits: Vec::new(),
            rows: Vec::new(),
            rules: 0,
        }
    }

    /// Goes on as far as it can: the switch whose tables are needed next, or none, and then the walk is over.
    pub fn needs(&mut self) -> Option<DatapathId> {
        loop {
            let visit = self.waiting.front()?;
            if !self.models.contains_key(&visit.at.datapath_id) {
                if self.rules <= RULES_MAX {
                    return Some(visit.at.datapath_id);
                }
                let what = Happening::Stops(format!("more than {RULES_MAX} rules of the switches before"));
                let (from, at, sides) = (visit.from, visit.at, visit.sides);
                self.rows.push(Row { hop: self.visits.len() + 1, from, at, sides, what });
                self.waiting.clear();
                return None;
            }
            let visit = self.waiting.pop_front()?;
            self.visit(visit);
        }
    }

    /// The tables of a switch.
    pub fn supply(&mut self, datapath_id: DatapathId, model: SwitchModel) {
        self.rules += model.rules();
        self.models.insert(datapath_id, model);
    }

    /// What has happened, by hop.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Whether desired and installed do the same everywhere.
    pub fn is_same(&self) -> bool {
        self.rows.iter().all(|row| row.sides == Sides::Both)
    }

    /// A packet that was here before: then it is not looked up again. What the ancestors were is a loop, what others were is another way here.
    fn known(&self, visit: &Visit) -> Option<Happening> {
        let is_same = |other: &Visit| {
            let covers = other.sides == Sides::Both || other.sides == visit.sides;
            other.at == visit.at && other.frame == visit.frame && covers
        };
        let mut ancestor = visit.from;
        while let Some(hop) = ancestor {
            let other = self.visits.get(hop.checked_sub(1)?)?;
            if is_same(other) {
                return Some(Happening::Loop(hop));
            }
            ancestor = other.from;
        }
        self.visits.iter().position(is_same).map(|at| Happening::Again(at + 1))
    }

    fn visit(&mut self, visit: Visit) {
        let hop = self.visits.len() + 1;
        let (from, at, sides) = (visit.from, visit.at, visit.sides);
        let mut rows = Vec::new();
        let mut row = |sides: Sides, what: Happening| rows.push(Row { hop, from, at, sides, what });
        row(sides, Happening::Arrives { packet: packet::flow_of(at.port_no, &visit.frame) });
        let known = self.known(&visit);
        if let Some(known) = known {
            row(sides, known);
        } else if hop > HOPS_MAX {
            row(sides, Happening::Stops(format!("more than {HOPS_MAX} hops")));
            self.waiting.clear();
        } else if let Some(model) = self.models.get(&at.datapath_id) {
            let mut next: Vec<(Output, bool, bool)> = Vec::new();
            let asked = |side: Side| sides.has(side) && (side == Side::Desired || !model.is_in_place());
            let look = |side: Side| {
                let way = model.evaluate(side, at.port_no, &visit.frame);
                let told = self.told(model, side, &visit, &way);
                (way, told)
            };
            let unknown = model.world(Side::Installed).is_none();
            let desired = (asked(Side::Desired) || model.is_in_place() || unknown).then(|| look(Side::Desired));
            let installed = (asked(Side::Installed) && !unknown).then(|| look(Side::Installed));
            let as_one = match (&desired, &installed) {
                (Some((_, one)), Some((_, other))) => one == other,
                _ => true,
            };
            if unknown {
                let what = "it is not connected: what it has is not known, and what it should have is followed";
                row(sides, Happening::Stops(what.to_owned()));
            }
            if let (true, Some((way, told))) = (as_one, desired.as_ref().or(installed.as_ref())) {
                told.iter().for_each(|what| row(sides, what.clone()));
                let both = |output: &Output| (output.clone(), sides.has(Side::Desired), sides.has(Side::Installed));
                next.extend(way.outputs.iter().map(both));
            } else {
                for (side, looked) in [(Side::Desired, &desired), (Side::Installed, &installed)] {
                    let Some((way, told)) = looked else { continue };
                    told.iter().for_each(|what| row(Sides::Only(side), what.clone()));
                    for output in &way.outputs {
                        match next.iter_mut().find(|(other, ..)| other == output) {
                            Some((_, _, installed)) => *installed = true,
                            None => next.push((output.clone(), side == Side::Desired, side == Side::Installed)),
                        }
                    }
                }
            }
            for (Output { port_no, frame }, desired, installed) in next {
                let target = self.network.links.get(&PortId::new(at.datapath_id, port_no)).map(|link| link.target);
                if let (Some(at), Some(sides)) = (target, Sides::of(desired, installed)) {
                    self.waiting.push_back(Visit { from: Some(hop), at, frame, sides });
                }
            }
        }
        self.rows.extend(rows);
        self.visits.push(visit);
    }

    /// What happens at a switch on one side.
    fn told(&self, model: &SwitchModel, side: Side, visit: &Visit, way: &Way) -> Vec<Happening> {
        let mut told: Vec<Happening> = Vec::new();
        for step in &way.steps {
            told.push(match *step {
                Step::Table { table_id, flow, .. } => {
                    Happening::Table(table_id, flow.and_then(|flow| met(model, side, flow)))
                }
                Step::Group { group_id, .. } => Happening::Group(model.group_text(side, group_id)),
                Step::Bucket { group_id, bucket, .. } => {
                    Happening::Bucket(bucket, model.bucket_text(side, group_id, bucket))
                }
                Step::Meter { meter_id, passed, .. } => Happening::Meter(meter_id, passed),
            });
        }
        for output in &way.outputs {
            let from = PortId::new(visit.at.datapath_id, output.port_no);
            let packet = (output.frame != visit.frame).then(|| packet::flow_of(visit.at.port_no, &output.frame));
            told.push(Happening::Leaves(output.port_no, self.behind(from), packet));
        }
        told.extend(way.to_controller.iter().map(|packet| Happening::Controller(packet.reason)));
        told.extend(way.blocked.iter().map(|port| Happening::Blocked(*port)));
        if way.is_drop() {
            told.push(Happening::Dropped(model.why_dropped(side, visit.at.port_no, way)));
        }
        if way.is_cut {
            told.push(Happening::Stops("its select groups have more buckets than are tried for one packet".to_owned()));
        }
        told
    }

    /// What is at the other end of a port.
    fn behind(&self, port: PortId) -> To {
        if let Some(link) = self.network.links.get(&port) {
            return To::Switch(link.target);
        }
        match self.network.port(port).map(|port| port.state) {
            Some(topology::PortState::Link) => To::Nowhere,
            _ => To::Edge(self.network.hosts.on_port(port).map(|host| host.mac).collect()),
        }
    }
}

fn met(model: &SwitchModel, side: Side, flow: openflow::switch::FlowId) -> Option<Met> {
    let world = model.world(side)?;
    let rule = world.rule(flow)?;
    let text = flow_text(rule.table_id, rule.priority, rule.idle_timeout, &rule.match_, &rule.instructions);
    let actions = text.split_once("actions=").map_or(String::new(), |(_, actions)| actions.to_owned());
    let entry = world.entry(flow).and_then(|at| model.entry(at)).cloned();
    let (table, priority, match_) = (rule.table_id, rule.priority, rule.match_.clone());
    Some(Met { table, text, priority, match_, actions, entry })
}

/// The edge ports that a frame comes out of, by one side's tables. What is not known of a switch leads nowhere.
pub fn reached(
    network: &Network,
    model: &impl Fn(DatapathId) -> Option<Arc<SwitchModel>>,
    side: Side,
    at: PortId,
    frame: Bytes,
) -> BTreeSet<PortId> {
    let mut reached = BTreeSet::new();
    let mut seen: BTreeSet<(PortId, Bytes)> = BTreeSet::from([(at, frame.clone())]);
    let mut waiting = VecDeque::from([(at, frame)]);
    while let Some((at, frame)) = waiting.pop_front() {
        let Some(model) = model(at.datapath_id) else { continue };
        for Output { port_no, frame } in model.evaluate(side, at.port_no, &frame).outputs {
            let from = PortId::new(at.datapath_id, port_no);
            match network.links.get(&from) {
                Some(link) if seen.len() < HOPS_MAX => {
                    if seen.insert((link.target, frame.clone())) {
                        waiting.push_back((link.target, frame));
                    }
                }
                Some(_) => {}
                None => {
                    reached.insert(from);
                }
            }
        }
    }
    reached
}
