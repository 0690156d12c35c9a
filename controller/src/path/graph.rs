//! The switches that there are and the links that carry traffic, as dense arrays: a switch is a number, its arcs are a list.
//!
//! What is changed here is written down as [`Touched`] arcs, so that whoever keeps something computed from the graph knows where to look.

use std::collections::BTreeMap;

use net::{DatapathId, PortId, PortNo};

use super::weights::DRAINED_COST;

/// A switch's number. Numbers of switches that are gone are given out again.
pub(super) type Node = u32;
/// No path, no arc: more than any distance.
pub(super) const UNREACHABLE: u32 = u32::MAX;
/// Switches that paths are computed between. Numbers of sets of next hops fit in two octets then; the table of distances between as many
/// switches takes 25 GB, so that memory ends before. Further switches have no paths.
pub const MAX_SWITCHES: usize = 65_535;

/// One direction of a link, at the switch where it begins. `back` is the cost of the other direction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arc {
    pub(super) to: Node,
    pub(super) port: PortNo,
    pub(super) cost: u32,
    pub(super) back: u32,
    pub(super) link: u32,
}

impl Arc {
    /// Whether one direction of the link costs what maintenance costs.
    pub(super) fn is_drained(&self) -> bool {
        self.cost.max(self.back) >= DRAINED_COST
    }
}

/// A link that carries traffic both ways. `low` is the smaller of its two ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Link {
    pub(super) low: PortId,
    pub(super) high: PortId,
    /// The switches of `low` and `high`.
    pub(super) nodes: [Node; 2],
    /// Out of `low`, out of `high`.
    pub(super) costs: [u32; 2],
    /// What it counts for the flood tree.
    pub(super) flood_cost: u32,
}

/// An arc that was changed: what it cost before and what it costs since, [`UNREACHABLE`] where it is not there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Touched {
    pub(super) from: Node,
    pub(super) to: Node,
    pub(super) old: u32,
    pub(super) new: u32,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Graph {
    pub(super) arcs: Vec<Vec<Arc>>,
    pub(super) ids: Vec<Option<DatapathId>>,
    nodes: BTreeMap<DatapathId, Node>,
    free_nodes: Vec<Node>,
    links: Vec<Option<Link>>,
    free_links: Vec<u32>,
    ends: BTreeMap<PortId, u32>,
    /// Arcs that cost more than 1.
    dear: usize,
    pub(super) touched: Vec<Touched>,
    /// Links that came, went or changed their cost, as they were and as they are: for the flood tree.
    pub(super) gone: Vec<u32>,
    pub(super) come: Vec<u32>,
}

impl Graph {
    /// One more than the highest number of a switch.
    pub(super) fn len(&self) -> usize {
        self.arcs.len()
    }

    pub(super) fn node(&self, id: DatapathId) -> Option<Node> {
        self.nodes.get(&id).copied()
    }

    /// By datapath id.
    pub(super) fn nodes(&self) -> impl Iterator<Item = (DatapathId, Node)> + '_ {
        self.nodes.iter().map(|(&id, &node)| (id, node))
    }

    pub(super) fn id(&self, node: Node) -> Option<DatapathId> {
        self.ids.get(node as usize).copied().flatten()
    }

    pub(super) fn arcs(&self, node: Node) -> &[Arc] {
        self.arcs.get(node as usize).map_or(&[], Vec::as_slice)
    }

    /// Whether every arc costs 1: then a way's cost is its links.
    pub(super) fn is_uniform(&self) -> bool {
        self.dear == 0
    }

    pub(super) fn link(&self, link: u32) -> Option<&Link> {
        self.links.get(link as usize)?.as_ref()
    }

    pub(super) fn link_at(&self, port: PortId) -> Option<u32> {
        self.ends.get(&port).copied()
    }

    /// Both ends of every link, ascending.
    pub(super) fn ports(&self) -> impl Iterator<Item = PortId> + '_ {
        self.ends.keys().copied()
    }

    pub(super) fn port_count(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn links(&self) -> impl Iterator<Item = (u32, &Link)> {
        (0..).zip(&self.links).filter_map(|(number, link)| Some((number, link.as_ref()?)))
    }

    /// Whether it is new. Beyond [`MAX_SWITCHES`] it is not taken in.
    pub(super) fn add_switch(&mut self, id: DatapathId) -> bool {
        if self.nodes.contains_key(&id) || self.arcs.len() - self.free_nodes.len() >= MAX_SWITCHES {
            return false;
        }
        let node = match self.free_nodes.pop() {
            Some(node) => node,
            None => {
                self.arcs.push(Vec::new());
                self.ids.push(None);
                (self.arcs.len() - 1) as Node
            }
        };
        self.ids[node as usize] = Some(id);
        self.nodes.insert(id, node);
        true
    }

    /// Take a switch out with its links. Its number stays taken, and its datapath id known, until [`Graph::free`].
    pub(super) fn remove_switch(&mut self, id: DatapathId) -> Option<Node> {
        let node = self.nodes.remove(&id)?;
        while let Some(arc) = self.arcs(node).first() {
            self.remove_link(arc.link);
        }
        Some(node)
    }

    pub(super) fn free(&mut self, node: Node) {
        if let Some(id) = self.ids.get_mut(node as usize) {
            *id = None;
            self.free_nodes.push(node);
        }
    }

    /// A link between two ports of different known switches, at these costs out of `a` and out of `b`, at least 1 each, and with what it counts for
    /// the flood tree. What else was plugged in there is no more.
    pub(super) fn set_link(&mut self, a: PortId, b: PortId, costs: [u32; 2], flood_cost: u32) {
        let (low, high, costs) = if a < b { (a, b, costs) } else { (b, a, [costs[1], costs[0]]) };
        let within = |cost: u32| cost.clamp(1, UNREACHABLE - 1);
        let (costs, flood_cost) = (costs.map(within), within(flood_cost));
        let (Some(from), Some(to)) = (self.node(low.datapath_id), self.node(high.datapath_id)) else { return };
        if from == to {
            return;
        }
        for port in [low, high] {
            let Some(link) = self.link_at(port) else { continue };
            if self.link(link).is_some_and(|found| found.low == low && found.high == high) {
                return self.set_costs(link, costs, flood_cost);
            }
            self.remove_link(link);
        }
        let link = Link { low, high, nodes: [from, to], costs, flood_cost };
        let number = match self.free_links.pop() {
            Some(number) => number,
            None => {
                self.links.push(None);
                (self.links.len() - 1) as u32
            }
        };
        self.links[number as usize] = Some(link);
        self.dear += dear(costs);
        for (side, port) in [low, high].into_iter().enumerate() {
            let [here, there] = [link.nodes[side], link.nodes[1 - side]];
            let arc = Arc { to: there, port: port.port_no, cost: costs[side], back: costs[1 - side], link: number };
            let arcs = &mut self.arcs[here as usize];
            let at = arcs.partition_point(|other| other.port < arc.port);
            arcs.insert(at, arc);
            self.ends.insert(port, number);
            self.touched.push(Touched { from: here, to: there, old: UNREACHABLE, new: arc.cost });
        }
        self.come.push(number);
    }

    fn set_costs(&mut self, number: u32, costs: [u32; 2], flood_cost: u32) {
        let Some(link) = self.links.get_mut(number as usize).and_then(Option::as_mut) else { return };
        let (old, nodes) = (std::mem::replace(&mut link.costs, costs), link.nodes);
        if std::mem::replace(&mut link.flood_cost, flood_cost) != flood_cost {
            self.gone.push(number);
            self.come.push(number);
        }
        if old == costs {
            return;
        }
        self.dear = self.dear + dear(costs) - dear(old);
        for side in 0..2 {
            let [here, there] = [nodes[side], nodes[1 - side]];
            if let Some(arc) = self.arcs[here as usize].iter_mut().find(|arc| arc.link == number) {
                (arc.cost, arc.back) = (costs[side], costs[1 - side]);
            }
            // Both: whether a link is drained is asked from either end.
            self.touched.push(Touched { from: here, to: there, old: old[side], new: costs[side] });
        }
    }

    pub(super) fn remove_link(&mut self, number: u32) {
        let Some(link) = self.links.get_mut(number as usize).and_then(Option::take) else { return };
        self.dear -= dear(link.costs);
        for (side, port) in [link.low, link.high].into_iter().enumerate() {
            let [here, there] = [link.nodes[side], link.nodes[1 - side]];
            self.arcs[here as usize].retain(|arc| arc.link != number);
            self.ends.remove(&port);
            self.touched.push(Touched { from: here, to: there, old: link.costs[side], new: UNREACHABLE });
        }
        self.free_links.push(number);
        self.gone.push(number);
    }

    /// The link's place in the order of the flood tree: what it counts there, then the ports. A drained link is the last choice, and so
    /// is every link of a drained switch, so that it is a leaf where it can be.
    pub(super) fn flood_order(&self, link: &Link) -> (u32, PortId) {
        (link.flood_cost, link.low)
    }
}

/// How many of them are more than 1.
fn dear(costs: [u32; 2]) -> usize {
    costs.iter().filter(|cost| **cost != 1).count()
}
