//! The flood tree: a minimum spanning forest over the links.
//!
//! A link's cost is its own identity, so that one link more or less exchanges at most one link of the tree: broadcast is
//! disturbed as little as a change allows.

use std::collections::{BTreeMap, BTreeSet};

use net::{DatapathId, PortNo};
use petgraph::algo::min_spanning_tree;
use petgraph::data::Element;

use super::graph::Graph;

/// Per switch (every switch has an entry) the ports that are on the tree.
pub(super) fn flood_tree(graph: &Graph) -> BTreeMap<DatapathId, BTreeSet<PortNo>> {
    let mut ports: BTreeMap<DatapathId, BTreeSet<PortNo>> = graph.switches().map(|id| (id, BTreeSet::new())).collect();
    for element in min_spanning_tree(graph.petgraph()) {
        if let Element::Edge { weight, .. } = element {
            for end in [weight.low, weight.high] {
                ports.entry(end.datapath_id).or_default().insert(end.port_no);
            }
        }
    }
    ports
}
