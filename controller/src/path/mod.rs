//! Pure path computation: a `Network` in, next hops and a loop-free flood tree out.
//!
//! [`Paths`] holds, for each pair of switches, the distance and the ports of all equal-cost next hops: six octets a pair, the sets of ports
//! once per switch. A change recomputes only what it touches, and the result always equals a recompute from nothing (a property test says
//! so); ways round links may be put off, and then that holds when they have been looked for. petgraph stays inside this module.

mod alternate;
pub mod bypass;
mod flood;
mod graph;
mod next_hops;
pub mod reference;
pub mod route;
mod table;
#[cfg(test)]
mod tests;
mod weights;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use net::{DatapathId, PortId, PortNo};
use topology::{Change, Network};

use bypass::{Bypass, Bypasses};
use flood::Flood;
use graph::{Graph, Node, UNREACHABLE};
use table::Table;

pub use graph::MAX_SWITCHES;
pub use weights::{DRAINED_COST, LinkAttributes, MAX_COST, Metric, UTILISATION_HYSTERESIS, Weights};

/// The way from one switch towards a destination switch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hop<'a> {
    /// What the way to the destination costs; at least 1. With [`Metric::Hops`] its links.
    pub distance: u32,
    /// Place in the order in which switches learn a new way to the destination, at least 1: each next hop comes earlier, and no alternate later. The
    /// distance, where every link costs 1; never more than there are switches.
    pub rank: u16,
    /// Ports of all equal-cost next hops, ascending; at least one.
    pub ports: &'a [PortNo],
    /// Where a packet goes while the only one of them is dead, so that it never goes round: see decision 0016.
    pub alternate: Option<PortNo>,
}

/// What an update changed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PathChanges {
    /// Per destination, the switches whose hop towards it, its alternate included, changed, appeared or vanished, ascending.
    pub hops: BTreeMap<DatapathId, Vec<DatapathId>>,
    /// Switches whose set of flood-tree ports changed, ascending.
    pub flood: Vec<DatapathId>,
    /// Ports round whose link frames go another way than before while it is dead, ascending.
    pub bypasses: Vec<PortId>,
}

impl PathChanges {
    /// Nothing changed.
    pub fn is_empty(&self) -> bool {
        self.hops.is_empty() && self.flood.is_empty() && self.bypasses.is_empty()
    }

    /// Changed hops over all destinations.
    pub fn hop_count(&self) -> usize {
        self.hops.values().map(Vec::len).sum()
    }
}

/// Next hops between all pairs of switches, and the flood tree.
///
/// Switches and links are changed one by one; [`Paths::settle`] then brings everything up to date at once. [`Paths::follow`] and
/// [`Paths::update`] are both steps in one. In between, what is asked is answered as of the last time.
#[derive(Clone, Default)]
pub struct Paths {
    graph: Graph,
    table: Table,
    flood: Flood,
    bypasses: Bypasses,
    weights: Arc<Weights>,
    /// Ways round links that new links make shorter are left to [`Paths::look_at_bypasses`].
    puts_off: bool,
    /// Switches that are gone since the last time.
    leaving: Vec<Node>,
}

impl Paths {
    /// No switches, no paths.
    pub fn new() -> Paths {
        Paths::default()
    }

    /// No switches; links that cost what `weights` says.
    pub fn with_weights(weights: impl Into<Arc<Weights>>) -> Paths {
        Paths { weights: weights.into(), ..Paths::new() }
    }

    /// The same with ways round links that are looked for when [`Paths::look_at_bypasses`] says so, as far as they are not lost: a network that is being found
    /// brings links one by one, and each makes hundreds of ways shorter.
    pub(crate) fn putting_off(self) -> Paths {
        Paths { puts_off: true, ..self }
    }

    /// Everything from nothing: what any sequence of changes has to equal.
    pub fn compute(network: &Network) -> Paths {
        Paths::compute_with(network, Weights::default())
    }

    /// The same with links that cost what `weights` says.
    pub fn compute_with(network: &Network, weights: impl Into<Arc<Weights>>) -> Paths {
        let mut paths = Paths::with_weights(weights);
        paths.update(network);
        paths
    }

    /// Follow changes that `network` shows already: only what they name is looked at.
    pub fn follow(&mut self, changes: &[Change], network: &Network) -> PathChanges {
        for change in changes {
            match change {
                Change::SwitchUp(id) if network.switches.contains_key(id) => self.add_switch(*id),
                Change::SwitchGone(id) if !network.switches.contains_key(id) => self.remove_switch(*id),
                Change::LinkUp(link) | Change::LinkDown { link, .. } => {
                    self.follow_port(link.source, network);
                    self.follow_port(link.target, network);
                }
                // The bit rate may be another one.
                Change::PortChanged(port) if matches!(self.weights.metric, Metric::Bandwidth { .. }) => {
                    self.follow_port(*port, network);
                }
                _ => {}
            }
        }
        self.settle()
    }

    /// Follow `network` as a whole: everything in it is compared with what is known.
    pub fn update(&mut self, network: &Network) -> PathChanges {
        let gone: Vec<DatapathId> =
            self.graph.nodes().map(|(id, _)| id).filter(|id| !network.switches.contains_key(id)).collect();
        gone.into_iter().for_each(|id| self.remove_switch(id));
        network.switches.keys().for_each(|&id| self.add_switch(id));
        let known: Vec<PortId> = self.graph.links().map(|(_, link)| link.low).collect();
        known.into_iter().for_each(|port| self.follow_port(port, network));
        for link in network.bidirectional_links() {
            self.follow_port(link.source, network);
        }
        self.settle()
    }

    /// Links cost something else from now on.
    pub fn set_weights(&mut self, weights: impl Into<Arc<Weights>>, network: &Network) -> PathChanges {
        self.weights = weights.into();
        self.update(network)
    }

    /// What links cost.
    pub fn weights(&self) -> &Arc<Weights> {
        &self.weights
    }

    /// A direction's utilisation in parts of a thousand; see [`Metric::Utilisation`].
    pub fn note_utilisation(&mut self, port: PortId, permille: u16, network: &Network) {
        if Arc::make_mut(&mut self.weights).note_utilisation(port, permille) {
            self.follow_port(port, network);
        }
    }

    /// Nothing leads over the links with these ends, from the next [`Paths::settle`] on, and over those that were withheld before it may.
    pub(crate) fn withhold(&mut self, ends: BTreeSet<PortId>, network: &Network) {
        let before = self.weights.withheld().clone();
        if before == ends {
            return;
        }
        let other: Vec<PortId> = before.symmetric_difference(&ends).copied().collect();
        Arc::make_mut(&mut self.weights).set_withheld(ends);
        other.into_iter().for_each(|port| self.follow_port(port, network));
    }

    /// Latencies that are measured now: see [`Weights::measured_latency`].
    pub(crate) fn note_latencies(&mut self, measured: BTreeMap<PortId, Duration>, network: &Network) {
        for (port, us) in self.weights.latency_changes(&measured) {
            Arc::make_mut(&mut self.weights).set_measured_latency(port, us);
            self.follow_port(port, network);
        }
    }

    /// A switch without links, unless it is known already.
    pub fn add_switch(&mut self, id: DatapathId) {
        self.graph.add_switch(id);
    }

    /// A switch and its links are gone.
    pub fn remove_switch(&mut self, id: DatapathId) {
        self.leaving.extend(self.graph.remove_switch(id));
    }

    /// A link that carries traffic both ways, between ports of different known switches, and what it costs out of `a` and out of `b`: at
    /// least 1 each. A link that is there already costs that from now on.
    pub fn set_link(&mut self, a: PortId, b: PortId, costs: [u32; 2]) {
        self.graph.set_link(a, b, costs, costs[0].max(costs[1]));
    }

    /// The link at a port is no more.
    pub fn remove_link(&mut self, port: PortId) {
        if let Some(link) = self.graph.link_at(port) {
            self.graph.remove_link(link);
        }
    }

    /// What `network` says is plugged in at a port. Links with only one direction seen carry nothing, and neither does a link from a switch
    /// to itself.
    fn follow_port(&mut self, port: PortId, network: &Network) {
        let known = |port: PortId| network.switches.contains_key(&port.datapath_id);
        let link = network.links.get(&port).filter(|link| {
            network.is_bidirectional(port)
                && link.target.datapath_id != port.datapath_id
                && !self.weights.withheld().contains(&port)
                && known(port)
                && known(link.target)
        });
        match link {
            Some(link) => {
                self.add_switch(port.datapath_id);
                self.add_switch(link.target.datapath_id);
                let costs = [self.weights.cost(port, network), self.weights.cost(link.target, network)];
                // Broadcasts do not follow what is measured: each change of their tree may cost one.
                let steady = [port, link.target].map(|end| self.weights.stated_cost(end, network));
                self.graph.set_link(port, link.target, costs, steady[0].max(steady[1]));
            }
            None => self.remove_link(port),
        }
    }

    /// Whether something may lead over the link at a port, as of the last change.
    pub(crate) fn has_link(&self, port: PortId) -> bool {
        self.graph.link_at(port).is_some()
    }

    /// Bring distances, next hops and flood tree up to date with all changes since the last time.
    pub fn settle(&mut self) -> PathChanges {
        let mut changes = PathChanges::default();
        self.table.fit(&self.graph);
        let touched = std::mem::take(&mut self.graph.touched);
        let (gone, come) = (std::mem::take(&mut self.graph.gone), std::mem::take(&mut self.graph.come));
        let leaving = std::mem::take(&mut self.leaving);
        let mut changed = Vec::new();
        let mut note = |graph: &Graph, to: Option<DatapathId>, changed: &mut Vec<Node>| {
            if let (Some(to), false) = (to, changed.is_empty()) {
                let ids = changes.hops.entry(to).or_default();
                ids.extend(changed.iter().filter_map(|&node| graph.id(node)));
                ids.sort_unstable();
                ids.dedup();
            }
            changed.clear();
        };
        if !touched.is_empty() {
            for (id, node) in self.graph.nodes() {
                self.table.repair(&self.graph, node, &touched, &mut changed);
                note(&self.graph, Some(id), &mut changed);
            }
        }
        for &node in &leaving {
            self.table.clear_row(node, &mut changed);
            note(&self.graph, self.graph.id(node), &mut changed);
        }
        if !gone.is_empty() || !come.is_empty() {
            let nodes = self.flood.follow(&self.graph, &gone, &come);
            changes.flood = nodes.into_iter().filter_map(|node| self.graph.id(node)).collect();
            changes.flood.sort_unstable();
        }
        let how = (self.weights.bypasses, self.puts_off);
        changes.bypasses = self.bypasses.follow(&self.graph, how, &touched, &gone, &come).into_iter().collect();
        leaving.into_iter().for_each(|node| self.graph.free(node));
        changes
    }

    /// Whether ways round links were put off: what there is leads there, and may be longer than it has to be, or missing.
    pub fn has_doubts(&self) -> bool {
        self.bypasses.has_doubts()
    }

    /// How often ways round links have been put off, and how often they had been when the last search began that has looked at all of it.
    pub(crate) fn put_off(&self) -> (u64, u64) {
        self.bypasses.put_off()
    }

    /// Go on with what was put off: ask of one link what it makes shorter, or look for ways round the links at so many ports.
    pub(crate) fn look_at_bypasses(&mut self, count: usize) -> PathChanges {
        let bypasses = self.bypasses.look(&self.graph, count).into_iter().collect();
        PathChanges { bypasses, ..PathChanges::default() }
    }

    /// The way from `at` to `to`; `None` if they are the same or no path exists.
    pub fn hop(&self, at: DatapathId, to: DatapathId) -> Option<Hop<'_>> {
        self.hop_of(self.graph.node(at)?, self.graph.node(to)?)
    }

    fn hop_of(&self, at: Node, to: Node) -> Option<Hop<'_>> {
        let (ports, alternate) = self.table.hops(at, to);
        let (distance, rank) = (self.table.distance(at, to), self.table.rank(at, to));
        (!ports.is_empty()).then_some(Hop { distance, rank, ports, alternate })
    }

    /// Place of `at` in the order in which switches learn a new way to `to`: 0 at the same switch, `None` where no path exists. See [`Hop::rank`].
    pub fn rank(&self, at: DatapathId, to: DatapathId) -> Option<u16> {
        let (at, to) = (self.graph.node(at)?, self.graph.node(to)?);
        (self.table.distance(at, to) != UNREACHABLE).then(|| self.table.rank(at, to))
    }

    /// What the way from `at` to `to` costs: 0 at the same switch, `None` where no path exists.
    pub fn distance(&self, at: DatapathId, to: DatapathId) -> Option<u32> {
        let distance = self.table.distance(self.graph.node(at)?, self.graph.node(to)?);
        (distance != UNREACHABLE).then_some(distance)
    }

    /// Every other switch that can reach a destination, ascending, with its hop.
    pub fn reaching(&self, to: DatapathId) -> impl Iterator<Item = (DatapathId, Hop<'_>)> {
        let to = self.graph.node(to);
        let hop = move |at| self.hop_of(at, to?);
        self.graph.nodes().filter_map(move |(id, at)| Some((id, hop(at)?)))
    }

    /// The way round a port's link; `None` if there is no link, no way, or another port that leads to the same switch.
    pub fn bypass(&self, port: PortId) -> Option<&Bypass> {
        self.bypasses.get(port)
    }

    /// Every way round a link, by the port that it is the way round of.
    pub fn bypasses(&self) -> impl Iterator<Item = (PortId, &Bypass)> {
        self.bypasses.all()
    }

    /// Those that need a rule on this switch.
    pub fn bypasses_through(&self, at: DatapathId) -> impl Iterator<Item = (PortId, &Bypass)> {
        self.graph.node(at).into_iter().flat_map(|node| self.bypasses.through(&self.graph, node))
    }

    /// Switches, ascending.
    pub fn switches(&self) -> impl Iterator<Item = DatapathId> + '_ {
        self.graph.nodes().map(|(id, _)| id)
    }

    /// Ports of `at` that are on the flood tree between switches, ascending; edge ports are not in here.
    pub fn flood_ports(&self, at: DatapathId) -> impl Iterator<Item = PortNo> + '_ {
        self.graph.node(at).into_iter().flat_map(|node| self.flood.ports(node))
    }

    /// Whether a port between switches is on the flood tree.
    pub fn is_flood_port(&self, at: DatapathId, port_no: PortNo) -> bool {
        self.flood_ports(at).any(|port| port == port_no)
    }

    /// Ordered pairs of different switches with a path between them.
    pub fn pair_count(&self) -> usize {
        self.table.pair_count()
    }

    /// Octets that distances, next hops and ways round links take, about.
    pub fn octets(&self) -> usize {
        self.table.octets() + self.bypasses.octets()
    }
}

/// What can be asked is the same; numbers inside may differ.
impl PartialEq for Paths {
    fn eq(&self, other: &Paths) -> bool {
        self.switches().eq(other.switches())
            && self.bypasses().eq(other.bypasses())
            && self
                .switches()
                .all(|to| self.reaching(to).eq(other.reaching(to)) && self.flood_ports(to).eq(other.flood_ports(to)))
    }
}

impl Eq for Paths {}

impl fmt::Debug for Paths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |to| (to, self.reaching(to).collect::<Vec<_>>(), self.flood_ports(to).collect::<Vec<_>>());
        f.debug_list().entries(self.switches().map(row)).finish()
    }
}

/// All shortest paths to one destination switch, by themselves.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tree {
    hops: BTreeMap<DatapathId, TreeHop>,
}

/// A [`Hop`] with ports of its own.
#[derive(Clone, PartialEq, Eq, Debug)]
struct TreeHop {
    distance: u32,
    rank: u16,
    ports: Vec<PortNo>,
    alternate: Option<PortNo>,
}

impl Tree {
    /// How `at` reaches the destination; `None` at the destination itself and where no path exists.
    pub fn hop(&self, at: DatapathId) -> Option<Hop<'_>> {
        let hop = self.hops.get(&at);
        hop.map(|TreeHop { distance, rank, ports, alternate }| Hop {
            distance: *distance,
            rank: *rank,
            ports,
            alternate: *alternate,
        })
    }

    /// Every switch that can reach the destination, with its hop.
    pub fn hops(&self) -> impl Iterator<Item = (DatapathId, Hop<'_>)> {
        self.hops.keys().filter_map(|&at| Some((at, self.hop(at)?)))
    }
}

/// Shortest paths of a network, one destination at a time: for who asks about a few.
pub struct Ways(Graph);

impl Ways {
    /// Of this network, with links that cost what `weights` says.
    pub fn new(network: &Network, weights: impl Into<Arc<Weights>>) -> Ways {
        let mut paths = Paths::with_weights(weights);
        network.switches.keys().for_each(|&id| paths.add_switch(id));
        for link in network.bidirectional_links() {
            paths.follow_port(link.source, network);
        }
        Ways(paths.graph)
    }

    /// All shortest paths to a switch: what [`Paths`] has for it.
    pub fn tree(&self, to: DatapathId) -> Tree {
        let Some(node) = self.0.node(to) else { return Tree::default() };
        let row = table::row(&self.0, node);
        let rank = table::ranks(&self.0, node, &row);
        let ways = table::Ways { distance: &row, rank: &rank };
        let hops = self.0.nodes().filter(|(_, at)| *at != node).filter_map(|(id, at)| {
            let distance = row.get(at as usize).copied().filter(|&distance| distance != UNREACHABLE)?;
            let mut ports = Vec::new();
            let alternate = table::next_hops(&self.0, node, ways, at, &mut ports);
            Some((id, TreeHop { distance, rank: ways.rank(at), ports, alternate }))
        });
        Tree { hops: hops.collect() }
    }
}
