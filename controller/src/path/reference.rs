//! The same answers from another program, slowly: petgraph's Dijkstra for each destination. Tests and benchmarks hold [`super::Paths`]
//! against it.

use std::collections::{BTreeMap, BTreeSet};

use net::{DatapathId, PortNo};
use petgraph::data::Element;
use petgraph::graph::{DiGraph, NodeIndex, UnGraph};
use petgraph::visit::EdgeRef;

use super::Paths;

/// The links of some [`Paths`] as petgraph has them.
pub struct Reference {
    /// Each direction of a link from where it leads to where it begins: searches start at the destination.
    graph: DiGraph<DatapathId, (PortNo, u32)>,
    nodes: BTreeMap<DatapathId, NodeIndex>,
}

impl Reference {
    /// Over the switches and links that `paths` knows.
    pub fn new(paths: &Paths) -> Reference {
        let mut graph = DiGraph::new();
        let nodes: BTreeMap<DatapathId, NodeIndex> = paths.switches().map(|id| (id, graph.add_node(id))).collect();
        for (_, link) in paths.graph.links() {
            let ends = [link.low, link.high].map(|end| nodes.get(&end.datapath_id).copied());
            let [Some(low), Some(high)] = ends else { continue };
            graph.add_edge(high, low, (link.low.port_no, link.costs[0]));
            graph.add_edge(low, high, (link.high.port_no, link.costs[1]));
        }
        Reference { graph, nodes }
    }

    /// Switches with a way to `to`, itself among them: one search, nothing kept. For measuring.
    pub fn count(&self, to: DatapathId) -> usize {
        self.search(to).len()
    }

    /// One search from switch to switch that ends at the second, and what the way costs: what who asks pair by pair has to do. For measuring.
    pub fn distance(&self, from: DatapathId, to: DatapathId) -> Option<u64> {
        let (&from, &to) = (self.nodes.get(&to)?, self.nodes.get(&from)?);
        let found = petgraph::algo::dijkstra(&self.graph, from, Some(to), |edge| u64::from(edge.weight().1));
        found.get(&to).copied()
    }

    /// Hops towards one destination: distance and ports, ascending.
    pub fn hops(&self, to: DatapathId) -> BTreeMap<DatapathId, (u64, Vec<PortNo>)> {
        let found: BTreeMap<NodeIndex, u64> = self.search(to).into_iter().collect();
        let mut hops = BTreeMap::new();
        for (&near, &distance) in &found {
            for edge in self.graph.edges(near) {
                let (port, cost) = *edge.weight();
                let at = edge.target();
                if found.get(&at) == Some(&(distance + u64::from(cost)))
                    && let Some(&id) = self.graph.node_weight(at)
                {
                    hops.entry(id).or_insert((distance + u64::from(cost), Vec::new())).1.push(port);
                }
            }
        }
        hops.values_mut().for_each(|(_, ports)| ports.sort_unstable());
        hops
    }

    fn search(&self, to: DatapathId) -> Vec<(NodeIndex, u64)> {
        let Some(&root) = self.nodes.get(&to) else { return Vec::new() };
        petgraph::algo::dijkstra(&self.graph, root, None, |edge| u64::from(edge.weight().1)).into_iter().collect()
    }

    /// Ports of a minimum spanning forest, by the order that the flood tree has.
    pub fn flood(paths: &Paths) -> BTreeSet<(DatapathId, PortNo)> {
        let mut graph = UnGraph::new_undirected();
        let nodes: BTreeMap<DatapathId, NodeIndex> = paths.switches().map(|id| (id, graph.add_node(()))).collect();
        for (_, link) in paths.graph.links() {
            let ends = [link.low, link.high].map(|end| nodes.get(&end.datapath_id).copied());
            let [Some(low), Some(high)] = ends else { continue };
            graph.add_edge(low, high, (paths.graph.flood_order(link), [link.low, link.high]));
        }
        let elements = petgraph::algo::min_spanning_tree(&graph);
        let ends = elements.filter_map(|element| match element {
            Element::Edge { weight, .. } => Some(weight.1),
            Element::Node { .. } => None,
        });
        ends.flatten().map(|end| (end.datapath_id, end.port_no)).collect()
    }
}
