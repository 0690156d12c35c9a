//! The flood tree: a minimum spanning forest over the links.
//!
//! Links have an order without equals (cost, then ports), so that there is one such forest and one link more or less exchanges at most one
//! link of it: broadcast is disturbed as little as a change allows.

use std::collections::BTreeMap;

use net::PortNo;

use super::graph::{Graph, Node};

/// More changed links than this at once, and the forest is made from nothing: each of them costs a walk over a part of it, that costs a
/// sort of all links.
const FEW: usize = 16;

#[derive(Clone, Debug, Default)]
pub(super) struct Flood {
    /// Links of the forest by switch, each with its port there, ascending.
    tree: Vec<Vec<(PortNo, u32)>>,
}

/// Switches at which the forest was changed, with the ports that were on it before.
type Before = BTreeMap<Node, Vec<PortNo>>;

impl Flood {
    /// Ascending.
    pub(super) fn ports(&self, node: Node) -> impl Iterator<Item = PortNo> + '_ {
        self.tree.get(node as usize).into_iter().flatten().map(|&(port, _)| port)
    }

    /// Follow the graph; the switches at which other ports are on the forest than before.
    pub(super) fn follow(&mut self, graph: &Graph, gone: &[u32], come: &[u32]) -> Vec<Node> {
        self.tree.resize_with(graph.len(), Vec::new);
        let mut before = Before::new();
        if gone.len() + come.len() > FEW {
            self.compute_anew(graph, &mut before);
        } else {
            self.step(graph, gone, come, &mut before);
        }
        let changed = before.into_iter().filter(|(node, ports)| !self.ports(*node).eq(ports.iter().copied()));
        changed.map(|(node, _)| node).collect()
    }

    fn step(&mut self, graph: &Graph, gone: &[u32], come: &[u32], before: &mut Before) {
        // All that are gone first: a number may have been given out again.
        let mut lost = Vec::new();
        for &link in gone {
            let has = |links: &[(PortNo, u32)]| links.iter().any(|&(_, other)| other == link);
            let ends: Vec<Node> = (0..).zip(&self.tree).filter(|(_, links)| has(links)).map(|(node, _)| node).collect();
            for &node in &ends {
                self.take_out(node, link, before);
            }
            if let [a, b] = ends[..] {
                lost.push((a, b));
            }
        }
        if lost.len() > 2 {
            return self.compute_anew(graph, before);
        }
        let mut come: Vec<u32> = come.iter().copied().filter(|&link| graph.link(link).is_some()).collect();
        come.sort_unstable();
        come.dedup();
        // A part may be joined with a third one first: until nothing can be joined any more.
        while lost.iter().any(|&(a, b)| self.rejoin(graph, a, b, &come, before)) {}
        for link in come {
            self.offer(graph, link, before);
        }
    }

    fn remember(&self, node: Node, before: &mut Before) {
        before.entry(node).or_insert_with(|| self.ports(node).collect());
    }

    fn take_out(&mut self, node: Node, link: u32, before: &mut Before) {
        self.remember(node, before);
        self.tree[node as usize].retain(|&(_, other)| other != link);
    }

    fn put(&mut self, graph: &Graph, link: u32, before: &mut Before) {
        let Some(found) = graph.link(link) else { return };
        for (node, end) in found.nodes.into_iter().zip([found.low, found.high]) {
            self.remember(node, before);
            let ports = &mut self.tree[node as usize];
            ports.insert(ports.partition_point(|&(port, _)| port < end.port_no), (end.port_no, link));
        }
    }

    /// The part of the forest around a switch.
    fn part(&self, graph: &Graph, from: Node) -> Part {
        let mut part =
            Part { inside: vec![false; self.tree.len()], nodes: vec![from], by: vec![None; self.tree.len()] };
        part.inside[from as usize] = true;
        let mut at = 0;
        while let Some(&node) = part.nodes.get(at) {
            at += 1;
            for &(_, link) in &self.tree[node as usize] {
                let Some(found) = graph.link(link) else { continue };
                let other = if found.nodes[0] == node { found.nodes[1] } else { found.nodes[0] };
                if !part.inside[other as usize] {
                    part.inside[other as usize] = true;
                    part.by[other as usize] = Some((node, link));
                    part.nodes.push(other);
                }
            }
        }
        part
    }

    /// Put in the first link in the order that leads out of one of two parts, the smaller one if it has any; of links that are new, each is
    /// offered later.
    fn rejoin(&mut self, graph: &Graph, a: Node, b: Node, new: &[u32], before: &mut Before) -> bool {
        let one = self.part(graph, a);
        if one.inside[b as usize] {
            return false;
        }
        let other = self.part(graph, b);
        let parts = if one.nodes.len() <= other.nodes.len() { [one, other] } else { [other, one] };
        let first = parts.iter().find_map(|part| {
            let leaving = part.nodes.iter().flat_map(|&node| graph.arcs(node));
            let leaving = leaving.filter(|arc| !part.inside[arc.to as usize] && new.binary_search(&arc.link).is_err());
            leaving.min_by_key(|arc| graph.link(arc.link).map(|link| graph.flood_order(link)))
        });
        if let Some(arc) = first {
            self.put(graph, arc.link, before);
        }
        first.is_some()
    }

    /// A new link: it joins two parts, or takes the place of the last one in the order of the circle that it would close.
    fn offer(&mut self, graph: &Graph, link: u32, before: &mut Before) {
        let Some(found) = graph.link(link) else { return };
        let [a, b] = found.nodes;
        let part = self.part(graph, a);
        if part.inside[b as usize] {
            let mut last = (graph.flood_order(found), link);
            let mut at = b;
            while let Some((from, by)) = part.by[at as usize] {
                if let Some(other) = graph.link(by) {
                    last = last.max((graph.flood_order(other), by));
                }
                at = from;
            }
            let Some(out) = graph.link(last.1).filter(|_| last.1 != link) else { return };
            out.nodes.into_iter().for_each(|node| self.take_out(node, last.1, before));
        }
        self.put(graph, link, before);
    }

    /// All of it again (Kruskal).
    fn compute_anew(&mut self, graph: &Graph, before: &mut Before) {
        let nodes = 0..self.tree.len() as Node;
        for node in nodes.clone() {
            self.remember(node, before);
            self.tree[node as usize].clear();
        }
        let mut links: Vec<_> = graph.links().map(|(number, link)| (graph.flood_order(link), number)).collect();
        links.sort_unstable();
        let mut parents: Vec<Node> = nodes.collect();
        for (_, number) in links {
            let Some(link) = graph.link(number) else { continue };
            let [a, b] = link.nodes.map(|node| root(&mut parents, node));
            if a != b {
                parents[a as usize] = b;
                self.put(graph, number, before);
            }
        }
    }
}

struct Part {
    inside: Vec<bool>,
    nodes: Vec<Node>,
    /// From where, and over which link.
    by: Vec<Option<(Node, u32)>>,
}

fn root(parents: &mut [Node], mut node: Node) -> Node {
    while parents[node as usize] != node {
        parents[node as usize] = parents[parents[node as usize] as usize];
        node = parents[node as usize];
    }
    node
}
