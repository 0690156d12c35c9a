//! Where a switch with a single next hop sends a packet while that link is dead, so that no packet ever goes round, whatever else is dead.
//!
//! Frames have no hop count, and each switch looks at its own ports alone: several may use their alternates at once. An alternate leads to a switch that is
//! nearer to the destination (RFC 5286 §3.5, downstream paths), or, where no neighbour is, to one that is as far. Of the links to those the switch
//! takes the one whose lower end is lowest, as all of them do: along a circle of such choices each link would be at most the one before, so that it
//! is one link, there and back, and no switch sends a frame out of the port by which it came (OpenFlow 1.3.5 §5.10). The distance never grows on any
//! way of the packet, so that there are no other circles.
//!
//! The rank never grows on it either: while switches learn a new way in the order of ranks, a packet at one that has learned it meets only such
//! ones, by an alternate that has not changed as well.

use net::PortNo;

use super::graph::{Arc, Graph, Node};
use super::table::Ways;

/// The link, besides `primary`, to a switch that is nearer: the shortest way there is. None where maintenance is going on.
pub(super) fn nearer<'g>(graph: &'g Graph, distance: &[u32], node: Node, primary: PortNo) -> Option<&'g Arc> {
    let here = distance[node as usize];
    let nearer = others(graph, node, primary).filter(|arc| distance[arc.to as usize] < here);
    nearer.min_by_key(|arc| (arc.cost.saturating_add(distance[arc.to as usize]), arc.port))
}

/// The link to a switch that is as far and does not come later: the lowest of them.
pub(super) fn beside<'g>(graph: &'g Graph, ways: Ways<'_>, node: Node, primary: PortNo) -> Option<&'g Arc> {
    let (here, rank) = (ways.distance[node as usize], ways.rank(node));
    let beside =
        others(graph, node, primary).filter(|arc| ways.distance[arc.to as usize] == here && ways.rank(arc.to) <= rank);
    beside.min_by_key(|arc| graph.link(arc.link).map(|link| link.low))
}

fn others(graph: &Graph, node: Node, primary: PortNo) -> impl Iterator<Item = &Arc> {
    graph.arcs(node).iter().filter(move |arc| arc.port != primary && !arc.is_drained())
}

#[cfg(test)]
mod tests;
