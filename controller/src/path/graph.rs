//! The graph of switches and bidirectional links, on petgraph.

use std::collections::BTreeMap;

use net::{DatapathId, PortId};
use petgraph::graph::{NodeIndex, UnGraph};
use topology::Network;

use super::{Hop, Tree};

/// A link that carries traffic both ways. `low` is the smaller of its two ends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Edge {
    pub(super) low: PortId,
    pub(super) high: PortId,
}

impl Edge {
    fn port_at(&self, at: DatapathId) -> PortId {
        if self.low.datapath_id == at { self.low } else { self.high }
    }
}

pub(super) struct Graph {
    graph: UnGraph<DatapathId, Edge>,
    nodes: BTreeMap<DatapathId, NodeIndex>,
}

impl Graph {
    /// Links with only one direction seen carry nothing, and neither does a link from a switch to itself.
    pub(super) fn new(network: &Network) -> Graph {
        let mut graph = UnGraph::default();
        let nodes: BTreeMap<_, _> = network.switches.keys().map(|&id| (id, graph.add_node(id))).collect();
        for link in network.bidirectional_links() {
            let (low, high) = (link.source.min(link.target), link.source.max(link.target));
            if low.datapath_id == high.datapath_id {
                continue;
            }
            if let (Some(&a), Some(&b)) = (nodes.get(&low.datapath_id), nodes.get(&high.datapath_id)) {
                graph.add_edge(a, b, Edge { low, high });
            }
        }
        Graph { graph, nodes }
    }

    pub(super) fn contains(&self, id: DatapathId) -> bool {
        self.nodes.contains_key(&id)
    }

    pub(super) fn switch_count(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn switches(&self) -> impl Iterator<Item = DatapathId> + '_ {
        self.nodes.keys().copied()
    }

    pub(super) fn edges(&self) -> impl Iterator<Item = Edge> + '_ {
        self.graph.edge_weights().copied()
    }

    pub(super) fn petgraph(&self) -> &UnGraph<DatapathId, Edge> {
        &self.graph
    }

    /// All shortest paths to `destination`, every link at cost 1.
    pub(super) fn tree(&self, destination: DatapathId) -> Tree {
        let Some(&root) = self.nodes.get(&destination) else { return Tree::default() };
        let distances = petgraph::algo::dijkstra(&self.graph, root, None, |_| 1u16);
        let mut hops = BTreeMap::new();
        for (&at, &node) in &self.nodes {
            let Some(&distance) = distances.get(&node) else { continue };
            if distance == 0 {
                continue;
            }
            let mut ports = Vec::new();
            for edge in self.graph.edges(node) {
                use petgraph::visit::EdgeRef;
                let neighbor = if edge.source() == node { edge.target() } else { edge.source() };
                if distances.get(&neighbor).is_some_and(|&near| near + 1 == distance) {
                    ports.push(edge.weight().port_at(at).port_no);
                }
            }
            ports.sort_unstable();
            hops.insert(at, Hop { distance, ports });
        }
        Tree { hops }
    }
}
