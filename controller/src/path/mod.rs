//! Pure path computation: a `Network` snapshot in, next hops and a loop-free flood tree out.
//!
//! One [`Tree`] per destination switch holds, for every switch that can reach it, the distance in hops and the ports of all
//! equal-cost next hops. A change recomputes only the trees that it can touch, and the result always equals a recompute from
//! nothing (a property test says so). petgraph stays inside this module.

mod flood;
mod graph;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use net::{DatapathId, PortNo};
use topology::Network;

use graph::Graph;

/// The way from one switch towards a destination switch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hop {
    /// Links to the destination; at least 1.
    pub distance: u16,
    /// Ports of all equal-cost next hops, ascending; at least one.
    pub ports: Vec<PortNo>,
}

/// All shortest paths to one destination switch.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tree {
    hops: BTreeMap<DatapathId, Hop>,
}

impl Tree {
    /// How `at` reaches the destination; `None` at the destination itself and where no path exists.
    pub fn hop(&self, at: DatapathId) -> Option<&Hop> {
        self.hops.get(&at)
    }

    /// Every switch that can reach the destination, with its hop.
    pub fn hops(&self) -> impl Iterator<Item = (DatapathId, &Hop)> {
        self.hops.iter().map(|(&at, hop)| (at, hop))
    }
}

/// What an update changed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PathChanges {
    /// Per destination, the switches whose hop towards it changed, appeared or vanished.
    pub hops: BTreeMap<DatapathId, BTreeSet<DatapathId>>,
    /// Switches whose set of flood-tree ports changed.
    pub flood: BTreeSet<DatapathId>,
}

impl PathChanges {
    /// Nothing changed.
    pub fn is_empty(&self) -> bool {
        self.hops.is_empty() && self.flood.is_empty()
    }
}

/// Next hops between all pairs of switches, and the flood tree.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Paths {
    trees: BTreeMap<DatapathId, Tree>,
    flood: BTreeMap<DatapathId, BTreeSet<PortNo>>,
    links: BTreeSet<graph::Edge>,
}

impl Paths {
    /// No switches, no paths.
    pub fn new() -> Paths {
        Paths::default()
    }

    /// Everything from nothing: what any sequence of [`Paths::update`] has to equal.
    pub fn compute(network: &Network) -> Paths {
        let mut paths = Paths::new();
        paths.update(network);
        paths
    }

    /// Follow `network`: recompute the trees that its changed switches and links can touch, and the flood tree.
    ///
    /// A changed link touches a tree only if its two ends stood at different distances from the destination, or will: a link
    /// between equals is on no shortest path.
    pub fn update(&mut self, network: &Network) -> PathChanges {
        let graph = Graph::new(network);
        let links: BTreeSet<graph::Edge> = graph.edges().collect();
        let changed_links: Vec<graph::Edge> = links.symmetric_difference(&self.links).copied().collect();
        let mut changes = PathChanges::default();

        let gone: Vec<DatapathId> = self.trees.keys().filter(|id| !graph.contains(**id)).copied().collect();
        for destination in gone {
            if let Some(old) = self.trees.remove(&destination) {
                note_tree_changes(&mut changes, destination, &old, &Tree::default());
            }
            self.flood.remove(&destination);
        }
        for destination in graph.switches() {
            let old = self.trees.get(&destination);
            let affected = match old {
                None => true,
                Some(tree) => changed_links.iter().any(|edge| touches(tree, destination, edge)),
            };
            if affected {
                let new = graph.tree(destination);
                let old = self.trees.insert(destination, new).unwrap_or_default();
                if let Some(new) = self.trees.get(&destination) {
                    note_tree_changes(&mut changes, destination, &old, new);
                }
            }
        }
        if !changed_links.is_empty() || self.flood.len() != graph.switch_count() {
            let flood = flood::flood_tree(&graph);
            for (&at, ports) in &flood {
                if self.flood.get(&at) != Some(ports) {
                    changes.flood.insert(at);
                }
            }
            self.flood = flood;
        }
        self.links = links;
        changes
    }

    /// A switch without links is in the network, perhaps since before: no path changes, and nothing else has to be looked at.
    pub fn add_isolated(&mut self, id: DatapathId) {
        self.trees.entry(id).or_default();
        self.flood.entry(id).or_default();
    }

    /// The way from `at` to `to`; `None` if they are the same or no path exists.
    pub fn hop(&self, at: DatapathId, to: DatapathId) -> Option<&Hop> {
        self.trees.get(&to)?.hop(at)
    }

    /// Links from `at` to `to`: 0 at the same switch, `None` where no path exists.
    pub fn distance(&self, at: DatapathId, to: DatapathId) -> Option<u16> {
        if at == to { Some(0) } else { self.hop(at, to).map(|hop| hop.distance) }
    }

    /// The tree towards a destination switch.
    pub fn tree(&self, to: DatapathId) -> Option<&Tree> {
        self.trees.get(&to)
    }

    /// All trees, by destination.
    pub fn trees(&self) -> impl Iterator<Item = (DatapathId, &Tree)> {
        self.trees.iter().map(|(&to, tree)| (to, tree))
    }

    /// Ports of `at` that are on the flood tree between switches; edge ports are not in here.
    pub fn flood_ports(&self, at: DatapathId) -> impl Iterator<Item = PortNo> + '_ {
        self.flood.get(&at).into_iter().flatten().copied()
    }

    /// Whether a port between switches is on the flood tree.
    pub fn is_flood_port(&self, at: DatapathId, port_no: PortNo) -> bool {
        self.flood.get(&at).is_some_and(|ports| ports.contains(&port_no))
    }

    /// Ordered pairs of different switches with a path between them.
    pub fn pair_count(&self) -> usize {
        self.trees.values().map(|tree| tree.hops.len()).sum()
    }
}

/// Shortest paths of a network, one destination at a time: for who asks about a few.
pub struct Ways(Graph);

impl Ways {
    /// Of this network.
    pub fn new(network: &Network) -> Ways {
        Ways(Graph::new(network))
    }

    /// All shortest paths to a switch: what [`Paths`] has for it.
    pub fn tree(&self, to: DatapathId) -> Tree {
        self.0.tree(to)
    }
}

fn touches(tree: &Tree, destination: DatapathId, edge: &graph::Edge) -> bool {
    let distance = |at| if at == destination { Some(0) } else { tree.hop(at).map(|hop| hop.distance) };
    distance(edge.low.datapath_id) != distance(edge.high.datapath_id)
}

fn note_tree_changes(changes: &mut PathChanges, destination: DatapathId, old: &Tree, new: &Tree) {
    let mut touched = BTreeSet::new();
    for (at, hop) in new.hops() {
        if old.hop(at) != Some(hop) {
            touched.insert(at);
        }
    }
    for (at, _) in old.hops() {
        if new.hop(at).is_none() {
            touched.insert(at);
        }
    }
    if !touched.is_empty() {
        changes.hops.insert(destination, touched);
    }
}
