//! Distances and next hops between all pairs, and their repair after a change.
//!
//! One row per destination. A changed arc matters to a row only if it was on a shortest path or is to be on one; from there the repair goes as
//! far as distances change and no further (G. Ramalingam and T. Reps, "An Incremental Algorithm for a Generalization of the Shortest-Path
//! Problem", Journal of Algorithms 21, 1996: DynamicSWSF-FP, any number of changes at once, cheaper and dearer ones mixed). A distance is
//! consistent if it is the least over the arcs of cost plus the next switch's distance. All costs are at least 1, so that distances that are
//! consistent everywhere are the only ones.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use net::PortNo;

use super::alternate::{beside, nearer};
use super::graph::{Graph, Node, Touched, UNREACHABLE};
use super::next_hops::{NONE, Sets};

/// All ways to one destination, by switch.
#[derive(Clone, Debug, Default)]
struct Row {
    distance: Vec<u32>,
    /// Empty where each is the distance, as where every link costs 1.
    rank: Vec<u16>,
    hops: Vec<u16>,
    /// Switches other than the destination with a way to it.
    reaching: u32,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    rows: Vec<Row>,
    sets: Vec<Sets>,
    work: Work,
}

/// What a repair needs besides the row; kept so that its memory is.
#[derive(Clone, Debug, Default)]
struct Work {
    heap: BinaryHeap<Reverse<(u32, Node)>>,
    /// By switch: the distance before this repair, valid where `seen` is this repair's number.
    old: Vec<u32>,
    seen: Vec<u32>,
    listed: Vec<u32>,
    repair: u32,
    changed: Vec<Node>,
    candidates: Vec<Node>,
    seeds: Vec<Node>,
    /// Switches whose rank may be another one, by distance.
    unranked: BinaryHeap<Reverse<(u32, Node)>>,
    /// Switches with a changed arc to one that is as far as they are, or nearer: it may be their alternate.
    beside: Vec<Node>,
    ports: Vec<PortNo>,
}

impl Work {
    fn begin(&mut self, nodes: usize) {
        self.old.resize(nodes, UNREACHABLE);
        self.seen.resize(nodes, 0);
        self.listed.resize(nodes, 0);
        self.repair = self.repair.wrapping_add(1);
        if self.repair == 0 {
            self.seen.fill(0);
            self.listed.fill(0);
            self.repair = 1;
        }
        self.changed.clear();
        self.candidates.clear();
        self.heap.clear();
    }

    /// Before a distance is changed: what it was.
    fn remember(&mut self, node: Node, distance: u32) {
        if self.seen[node as usize] != self.repair {
            self.seen[node as usize] = self.repair;
            self.old[node as usize] = distance;
            self.changed.push(node);
        }
    }

    /// The next hops of a switch may be others.
    fn list(&mut self, node: Node) {
        if self.listed[node as usize] != self.repair {
            self.listed[node as usize] = self.repair;
            self.candidates.push(node);
        }
    }
}

impl Table {
    pub(super) fn distance(&self, at: Node, to: Node) -> u32 {
        let row = self.rows.get(to as usize);
        row.and_then(|row| row.distance.get(at as usize)).copied().unwrap_or(UNREACHABLE)
    }

    /// The place in the order in which switches learn a new way: see [`super::Hop::rank`].
    pub(super) fn rank(&self, at: Node, to: Node) -> u16 {
        self.rows.get(to as usize).map_or(0, |row| Ways { distance: &row.distance, rank: &row.rank }.rank(at))
    }

    /// Next hops, and the alternate to the only one.
    pub(super) fn hops(&self, at: Node, to: Node) -> (&[PortNo], Option<PortNo>) {
        let number = self.rows.get(to as usize).and_then(|row| row.hops.get(at as usize)).copied().unwrap_or(NONE);
        self.sets.get(at as usize).map_or((&[], None), |sets| sets.hops(number))
    }

    /// Ordered pairs of different switches with a way.
    pub(super) fn pair_count(&self) -> usize {
        self.rows.iter().map(|row| row.reaching as usize).sum()
    }

    /// Octets in use, about.
    pub(super) fn octets(&self) -> usize {
        let rows =
            self.rows.iter().map(|row| row.distance.capacity() * 4 + (row.hops.capacity() + row.rank.capacity()) * 2);
        rows.sum::<usize>() + self.sets.iter().map(Sets::octets).sum::<usize>()
    }

    /// Room for every switch of the graph.
    pub(super) fn fit(&mut self, graph: &Graph) {
        let nodes = graph.len();
        if self.rows.len() == nodes {
            return;
        }
        self.rows.resize_with(nodes, Row::default);
        self.sets.resize_with(nodes, Sets::default);
        for (at, row) in self.rows.iter_mut().enumerate() {
            // A sixteenth in reserve, as there are as many rows as columns: doubling would cost more than the copies.
            let more = nodes - row.distance.len();
            if row.distance.capacity() < nodes {
                row.distance.reserve_exact(more + nodes / 16);
                row.hops.reserve_exact(more + nodes / 16);
            }
            row.distance.resize(nodes, UNREACHABLE);
            row.hops.resize(nodes, NONE);
            if !row.rank.is_empty() {
                row.rank.resize(nodes, 0);
            }
            row.distance[at] = 0;
        }
    }

    /// A destination that is gone: its row is emptied, `changed` gets the switches that had a way to it.
    pub(super) fn clear_row(&mut self, to: Node, changed: &mut Vec<Node>) {
        let Some(row) = self.rows.get_mut(to as usize) else { return };
        for (at, number) in row.hops.iter_mut().enumerate() {
            if *number != NONE {
                self.sets[at].give_back(*number);
                *number = NONE;
                changed.push(at as Node);
            }
        }
        row.distance.fill(UNREACHABLE);
        row.rank = Vec::new();
        row.distance[to as usize] = 0;
        row.reaching = 0;
    }

    /// Repair the row of `to` after the arcs `touched` have changed; `changed` gets the switches whose distance or next hops did.
    pub(super) fn repair(&mut self, graph: &Graph, to: Node, touched: &[Touched], changed: &mut Vec<Node>) {
        let Some(row) = self.rows.get_mut(to as usize) else { return };
        let (distance, rank) = (&mut row.distance, &mut row.rank);
        self.work.seeds.clear();
        self.work.beside.clear();
        let many = touched.len() > distance.len();
        for arc in touched {
            let (here, there) = (distance[arc.from as usize], distance[arc.to as usize]);
            let (old, new) = (there.saturating_add(arc.old), there.saturating_add(arc.new));
            let (was_used, is_used) = (old != UNREACHABLE && old == here, new != UNREACHABLE && new <= here);
            if arc.from != to && (was_used || is_used) {
                self.work.seeds.push(arc.from);
                if many {
                    break;
                }
            } else if arc.from != to && there <= here && here != UNREACHABLE {
                self.work.beside.push(arc.from);
            }
        }
        if self.work.seeds.is_empty() && self.work.beside.is_empty() {
            if graph.is_uniform() {
                *rank = Vec::new();
            }
            return;
        }
        if rank.is_empty() && !graph.is_uniform() {
            rank.extend(distance.iter().map(|&distance| as_rank(distance)));
        }
        let work = &mut self.work;
        work.begin(distance.len());
        for at in 0..work.beside.len() {
            work.list(work.beside[at]);
        }
        if work.seeds.is_empty() {
            // No distance changes.
        } else if many || work.seeds.len() > distance.len() / 4 {
            from_nothing(graph, to, distance, work);
        } else {
            mend(graph, to, distance, work);
        }
        for at in 0..work.changed.len() {
            let node = work.changed[at];
            let (old, new) = (work.old[node as usize], distance[node as usize]);
            if old == new {
                continue;
            }
            row.reaching = match (old == UNREACHABLE, new == UNREACHABLE) {
                (true, false) => row.reaching + 1,
                (false, true) => row.reaching.saturating_sub(1),
                _ => row.reaching,
            };
            work.list(node);
            for arc in &graph.arcs[node as usize] {
                let near = distance[arc.to as usize];
                // It was or is a next hop of theirs, or their alternate.
                if near != UNREACHABLE && near >= old.min(new) {
                    work.list(arc.to);
                }
            }
        }
        if !rank.is_empty() {
            mend_ranks(graph, to, distance, rank, work, changed);
        }
        let ways = Ways { distance, rank };
        for &node in &work.candidates {
            let now = ways.distance[node as usize];
            let alternate = next_hops(graph, to, ways, node, &mut work.ports);
            let (sets, number) = (&mut self.sets[node as usize], &mut row.hops[node as usize]);
            let same = sets.hops(*number) == (work.ports.as_slice(), alternate);
            if !same {
                let old = std::mem::replace(number, sets.take(&work.ports, alternate));
                sets.give_back(old);
            }
            if !same || (work.seen[node as usize] == work.repair && work.old[node as usize] != now) {
                changed.push(node);
            }
        }
        if graph.is_uniform() {
            row.rank = Vec::new();
        }
    }
}

/// Distances and ranks towards one destination, by switch.
#[derive(Clone, Copy)]
pub(super) struct Ways<'a> {
    pub(super) distance: &'a [u32],
    /// Empty where each is the distance.
    pub(super) rank: &'a [u16],
}

impl Ways<'_> {
    pub(super) fn rank(&self, node: Node) -> u16 {
        match self.distance.get(node as usize) {
            None | Some(&UNREACHABLE) => 0,
            Some(&distance) => self.rank.get(node as usize).copied().unwrap_or(as_rank(distance)),
        }
    }
}

/// Where every link costs 1. No way has more links than there are switches.
fn as_rank(distance: u32) -> u16 {
    if distance == UNREACHABLE { 0 } else { u16::try_from(distance).unwrap_or(u16::MAX - 1) }
}

/// The ports of all arcs on shortest paths, ascending, and the alternate to the only one.
pub(super) fn next_hops(
    graph: &Graph,
    to: Node,
    ways: Ways<'_>,
    node: Node,
    ports: &mut Vec<PortNo>,
) -> Option<PortNo> {
    ports.clear();
    let now = ways.distance[node as usize];
    if node == to || now == UNREACHABLE {
        return None;
    }
    for arc in &graph.arcs[node as usize] {
        if ways.distance[arc.to as usize].saturating_add(arc.cost) == now {
            ports.push(arc.port);
        }
    }
    match ports[..] {
        [primary] => nearer(graph, ways.distance, node, primary).or_else(|| beside(graph, ways, node, primary)),
        _ => None,
    }
    .map(|arc| arc.port)
}

/// One more than the highest rank of the next hops, and of the alternate if that is nearer: it and all of them come before.
fn rank_of(graph: &Graph, to: Node, distance: &[u32], rank: &[u16], node: Node) -> u16 {
    let now = distance[node as usize];
    if node == to || now == UNREACHABLE {
        return 0;
    }
    let (mut highest, mut count, mut primary) = (0, 0, None);
    for arc in &graph.arcs[node as usize] {
        if distance[arc.to as usize].saturating_add(arc.cost) == now {
            highest = highest.max(rank[arc.to as usize]);
            count += 1;
            primary = Some(arc.port);
        }
    }
    if let (1, Some(primary)) = (count, primary)
        && let Some(alternate) = nearer(graph, distance, node, primary)
    {
        highest = highest.max(rank[alternate.to as usize]);
    }
    highest.saturating_add(1)
}

/// Ranks made right again, beginning at the switches whose next hops may be others and going on to those that are farther. Who is as far as one with
/// another rank, or farther, is listed: its alternate may be another one.
fn mend_ranks(graph: &Graph, to: Node, distance: &[u32], rank: &mut [u16], work: &mut Work, changed: &mut Vec<Node>) {
    work.unranked.clear();
    work.unranked.extend(work.candidates.iter().map(|&node| Reverse((distance[node as usize], node))));
    while let Some(Reverse((here, node))) = work.unranked.pop() {
        let now = rank_of(graph, to, distance, rank, node);
        if std::mem::replace(&mut rank[node as usize], now) == now {
            continue;
        }
        changed.push(node);
        for arc in &graph.arcs[node as usize] {
            let there = distance[arc.to as usize];
            if there >= here && there != UNREACHABLE {
                work.list(arc.to);
                if there > here {
                    work.unranked.push(Reverse((there, arc.to)));
                }
            }
        }
    }
}

/// Ranks towards one destination, by switch, from nothing.
pub(super) fn ranks(graph: &Graph, to: Node, distance: &[u32]) -> Vec<u16> {
    let mut rank = vec![0; distance.len()];
    let mut order: Vec<Node> = (0..distance.len() as Node).collect();
    order.sort_by_key(|&node| distance[node as usize]);
    for node in order {
        rank[node as usize] = rank_of(graph, to, distance, &rank, node);
    }
    rank
}

/// Distances to one destination, by switch, from nothing.
pub(super) fn row(graph: &Graph, to: Node) -> Vec<u32> {
    let mut distance = vec![UNREACHABLE; graph.len()];
    search(graph, to, &mut distance, &mut BinaryHeap::new());
    distance
}

/// What the distance has to be, from the neighbours' ones.
fn wanted(graph: &Graph, to: Node, distance: &[u32], node: Node) -> u32 {
    if node == to {
        return 0;
    }
    let by = graph.arcs[node as usize].iter().map(|arc| distance[arc.to as usize].saturating_add(arc.cost));
    by.min().unwrap_or(UNREACHABLE)
}

/// Distances made consistent again, beginning at the seeds.
///
/// Each inconsistent switch is in the heap, at the lesser of what its distance is and what it has to be, or at less than that: then it is
/// put back where it belongs when it is taken out.
fn mend(graph: &Graph, to: Node, distance: &mut [u32], work: &mut Work) {
    for at in 0..work.seeds.len() {
        let node = work.seeds[at];
        work.list(node);
        let (now, wanted) = (distance[node as usize], wanted(graph, to, distance, node));
        if now != wanted {
            work.heap.push(Reverse((now.min(wanted), node)));
        }
    }
    while let Some(Reverse((key, node))) = work.heap.pop() {
        let (now, wanted) = (distance[node as usize], wanted(graph, to, distance, node));
        if now == wanted {
            continue;
        }
        if key != now.min(wanted) {
            work.heap.push(Reverse((now.min(wanted), node)));
            continue;
        }
        work.remember(node, now);
        let next = if wanted < now { wanted } else { UNREACHABLE };
        distance[node as usize] = next;
        if next == UNREACHABLE && wanted != UNREACHABLE {
            work.heap.push(Reverse((wanted, node)));
        }
        for arc in &graph.arcs[node as usize] {
            let near = distance[arc.to as usize];
            if next != UNREACHABLE {
                let by_here = arc.back.saturating_add(next);
                if by_here < near {
                    work.heap.push(Reverse((by_here, arc.to)));
                }
            } else if near != UNREACHABLE && near == arc.back.saturating_add(now) {
                work.heap.push(Reverse((near, arc.to)));
            }
        }
    }
}

/// All distances again; every switch is looked at.
fn from_nothing(graph: &Graph, to: Node, distance: &mut [u32], work: &mut Work) {
    for (node, distance) in (0..).zip(distance.iter_mut()) {
        work.remember(node, *distance);
        work.list(node);
        *distance = UNREACHABLE;
    }
    search(graph, to, distance, &mut work.heap);
}

/// Dijkstra's algorithm, from the destination against the arcs.
fn search(graph: &Graph, to: Node, distance: &mut [u32], heap: &mut BinaryHeap<Reverse<(u32, Node)>>) {
    distance[to as usize] = 0;
    heap.push(Reverse((0, to)));
    while let Some(Reverse((key, node))) = heap.pop() {
        if key != distance[node as usize] {
            continue;
        }
        for arc in &graph.arcs[node as usize] {
            let by_here = arc.back.saturating_add(key);
            if by_here < distance[arc.to as usize] {
                distance[arc.to as usize] = by_here;
                heap.push(Reverse((by_here, arc.to)));
            }
        }
    }
}
