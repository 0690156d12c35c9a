//! The search behind every single route: labels of cost and latency, nearest to the end first (A*, with exact distances without the
//! constraints as the bound).
//!
//! Without parts to pass, a label that another one at the same switch is no worse than in cost and latency is not followed: costs are at
//! least 1, so that the cheapest way comes by no switch twice by itself. With parts to pass it may, so that every label is kept and each
//! looks back along its own way; the bound counts the parts still to pass, and where the cheapest way over them repeats no switch it is found
//! at once.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use net::PortId;

use super::NoRoute;
use super::database::{Edge, TrafficDatabase};

/// Labels that one search keeps over all switches: about 22 MB. Beyond it the answer is [`NoRoute::Undecided`].
pub const MAX_LABELS: usize = 200_000;

/// What is to be little.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Objective {
    Cost,
    /// Links whose latency is not known are not taken.
    Latency,
}

/// What is to be passed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Waypoint {
    Switch(usize),
    /// In either direction.
    Link([PortId; 2]),
}

#[derive(Clone, Copy)]
pub(super) struct Query<'q> {
    pub(super) database: &'q TrafficDatabase,
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) may: &'q dyn Fn(&Edge) -> bool,
    pub(super) include: &'q [Waypoint],
    /// Of which so many have been passed before.
    pub(super) passed: usize,
    /// From another query that may take all that this one may, and more.
    pub(super) bounds: Option<&'q Bounds>,
    pub(super) max_latency: Option<Duration>,
    pub(super) objective: Objective,
    /// Drained switches let others' traffic through.
    pub(super) through_drained: bool,
}

/// The least that the rest of the way takes, by layer and switch; `None` where nothing leads on.
#[derive(Debug)]
pub(super) struct Bounds {
    objective: Vec<Option<u64>>,
    /// Nanoseconds; where there is a bound on latency.
    latency: Option<Vec<Option<u64>>>,
}

struct Label {
    at: usize,
    /// How many parts have been passed.
    layer: usize,
    by: Option<(usize, usize)>,
    cost: u64,
    latency: Duration,
}

impl<'q> Query<'q> {
    pub(super) fn new(
        database: &'q TrafficDatabase,
        from: usize,
        to: usize,
        may: &'q dyn Fn(&Edge) -> bool,
    ) -> Query<'q> {
        let (include, objective): (&[Waypoint], _) = (&[], Objective::Cost);
        Query {
            database,
            from,
            to,
            may,
            include,
            passed: 0,
            bounds: None,
            max_latency: None,
            objective,
            through_drained: false,
        }
    }

    fn usable(&self, edge: &Edge) -> bool {
        let passes = self.through_drained || edge.from == self.from || !self.database.is_drained(edge.from);
        let known = edge.latency.is_some() || (self.max_latency.is_none() && self.objective == Objective::Cost);
        passes && known && edge.to != self.from && edge.from != self.to && (self.may)(edge)
    }

    fn layer(&self, layer: usize, edge: Option<&Edge>, at: usize) -> usize {
        let left = self.include.get(layer..).unwrap_or(&[]);
        self.include.len() - pass(left, edge, at).len()
    }

    pub(super) fn bounds(&self) -> Bounds {
        let latency = self.max_latency.map(|_| self.least(&nanoseconds));
        let cost = |edge: &Edge| edge.cost;
        let objective = match self.objective {
            Objective::Cost => self.least(&cost),
            Objective::Latency => self.least(&nanoseconds),
        };
        Bounds { objective, latency }
    }

    fn least(&self, weight: &dyn Fn(&Edge) -> u64) -> Vec<Option<u64>> {
        let nodes = self.database.len();
        let mut bounds = vec![None; nodes * (self.include.len() + 1)];
        let mut heap = BinaryHeap::from([Reverse((0_u64, self.include.len(), self.to))]);
        while let Some(Reverse((sum, layer, at))) = heap.pop() {
            let bound = &mut bounds[layer * nodes + at];
            if bound.is_some() {
                continue;
            }
            *bound = Some(sum);
            for (_, edge) in self.database.into(at).filter(|(_, edge)| self.usable(edge)) {
                for before in 0..=layer {
                    if bounds[before * nodes + edge.from].is_none() && self.layer(before, Some(edge), at) == layer {
                        heap.push(Reverse((sum.saturating_add(weight(edge)), before, edge.from)));
                    }
                }
            }
        }
        bounds
    }

    /// The best way as edges; `None` if there is none.
    pub(super) fn run(&self) -> Result<Option<Vec<usize>>, NoRoute> {
        let nodes = self.database.len();
        let by_cost = self.objective == Objective::Cost;
        let own = if self.bounds.is_none() { Some(self.bounds()) } else { None };
        let Some(bounds) = self.bounds.or(own.as_ref()) else {
            return Ok(None);
        };
        let bound = |layer: usize, at: usize| bounds.objective[layer * nodes + at];
        let in_time = |layer: usize, at: usize, latency: Duration| match (self.max_latency, &bounds.latency) {
            (Some(most), Some(fastest)) => fastest[layer * nodes + at]
                .is_some_and(|rest| latency.saturating_add(Duration::from_nanos(rest)) <= most),
            _ => true,
        };
        let start = self.layer(self.passed, None, self.from);
        let first = Label { at: self.from, layer: start, by: None, cost: 0, latency: Duration::ZERO };
        let Some(whole) = bound(start, self.from).filter(|_| in_time(start, self.from, Duration::ZERO)) else {
            return Ok(None);
        };
        let mut labels = vec![first];
        let mut heap = BinaryHeap::from([Reverse((whole, whole, Duration::ZERO, 0_usize))]);
        let mut least: Vec<Option<Duration>> = vec![None; nodes];
        while let Some(Reverse((_, _, _, number))) = heap.pop() {
            let Label { at, layer, cost, latency, .. } = labels[number];
            if self.include.is_empty() {
                // Labels of one switch come in the order of what is to be little: a later one is of use only if it is faster.
                match least[at] {
                    Some(before) if self.max_latency.is_none() || before <= latency => continue,
                    _ => least[at] = Some(latency),
                }
            }
            if at == self.to && layer == self.include.len() {
                return Ok(Some(way(&labels, number)));
            }
            for (by, edge) in self.database.out(at).filter(|(_, edge)| self.usable(edge)) {
                let (cost, latency) =
                    (cost.saturating_add(edge.cost), latency.saturating_add(edge.latency.unwrap_or_default()));
                let layer = self.layer(layer, Some(edge), edge.to);
                let Some(rest) = bound(layer, edge.to).filter(|_| in_time(layer, edge.to, latency)) else {
                    continue;
                };
                if !self.include.is_empty() && self.repeats(&labels, number, edge.to) {
                    continue;
                }
                if labels.len() >= MAX_LABELS {
                    return Err(NoRoute::Undecided);
                }
                let so_far = if by_cost { cost } else { u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX) };
                // Of labels that promise the same, the one with the least before it.
                heap.push(Reverse((so_far.saturating_add(rest), rest, latency, labels.len())));
                labels.push(Label { at: edge.to, layer, by: Some((number, by)), cost, latency });
            }
        }
        Ok(None)
    }

    fn repeats(&self, labels: &[Label], mut number: usize, at: usize) -> bool {
        loop {
            if labels[number].at == at {
                return true;
            }
            match labels[number].by {
                Some((before, _)) => number = before,
                None => return false,
            }
        }
    }
}

fn nanoseconds(edge: &Edge) -> u64 {
    u64::try_from(edge.latency.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX)
}

/// What is still to be passed after this edge and the switch where it ends, in this order.
pub(super) fn pass<'w>(mut left: &'w [Waypoint], mut edge: Option<&Edge>, at: usize) -> &'w [Waypoint] {
    while let Some((first, rest)) = left.split_first() {
        let passed = match first {
            Waypoint::Switch(node) => {
                let here = *node == at;
                if here {
                    edge = None;
                }
                here
            }
            Waypoint::Link(ends) => edge.is_some_and(|edge| ends.contains(&edge.source)),
        };
        if !passed {
            break;
        }
        left = rest;
    }
    left
}

fn way(labels: &[Label], mut number: usize) -> Vec<usize> {
    let mut edges = Vec::new();
    while let Some((before, edge)) = labels[number].by {
        edges.push(edge);
        number = before;
    }
    edges.reverse();
    edges
}
