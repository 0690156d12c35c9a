//! Where a switch with a single next hop sends a packet while that link is dead, so that no packet ever goes round, whatever else is dead.
//!
//! Frames have no hop count, and each switch looks at its own ports alone: several may use their alternates at once. An alternate leads to a switch that is
//! nearer to the destination (RFC 5286 §3.5, downstream paths), or, where no neighbour is, to one that is as far. Of the links to those the switch
//! takes the one whose lower end is lowest, as all of them do: along a circle of such choices each link would be at most the one before, so that it
//! is one link, there and back, and no switch sends a frame out of the port by which it came (OpenFlow 1.3.5 §5.10). The distance never grows on any
//! way of the packet, so that there are no other circles.

use net::PortNo;

use super::graph::{Graph, Node};

/// The port besides `primary`, the only next hop of `node`; `None` where every other way begins with a step back.
pub(super) fn alternate(graph: &Graph, to: Node, distance: &[u32], node: Node, primary: PortNo) -> Option<PortNo> {
    let here = distance[node as usize];
    let others = || graph.arcs(node).iter().filter(move |arc| arc.port != primary && (arc.transit || arc.to == to));
    let nearer = others().filter(|arc| distance[arc.to as usize] < here);
    let nearest = nearer.min_by_key(|arc| (arc.cost.saturating_add(distance[arc.to as usize]), arc.port));
    let beside = || {
        let beside = others().filter(|arc| distance[arc.to as usize] == here);
        beside.min_by_key(|arc| graph.link(arc.link).map(|link| link.low))
    };
    nearest.or_else(beside).map(|arc| arc.port)
}

#[cfg(test)]
mod tests;
