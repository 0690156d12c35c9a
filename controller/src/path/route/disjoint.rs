//! Two routes that have nothing in common.
//!
//! Without links or switches in common the cheapest pair is two units of flow of the least cost (J. W. Suurballe, "Disjoint Paths in a
//! Network", Networks 4, 1974, in R. Bhandari's form: the second search may take the first route back, at its cost returned). Without risks in
//! common, or with a bound on latency, that is NP-hard: first routes are taken in the order of their cost, each with the cheapest second one
//! that goes with it, until twice the first one's cost is no less than the best pair's.

use std::collections::{BTreeSet, VecDeque};

use net::{DatapathId, PortId};

use super::database::{Asked, Edge, TrafficDatabase};
use super::search::Query;
use super::yen::Routes;
use super::{Constraints, NoRoute, Part, Route};

/// First routes that are tried where no pair can be computed directly. Beyond it the best pair until then is the answer, said not to be
/// proven the cheapest.
pub const MAX_FIRST_ROUTES: usize = 128;

/// What two routes must not have in common.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Disjoint {
    /// No link.
    Links,
    /// No switch but their ends, and no link.
    Switches,
    /// No risk group, and no link. A link without risk groups shares none.
    Risks,
}

/// Two routes, the cheaper one first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DisjointPair {
    /// Both.
    pub routes: [Route; 2],
    /// There is no pair with a lesser sum of costs. Not known beyond [`MAX_FIRST_ROUTES`].
    pub is_cheapest: bool,
}

impl TrafficDatabase {
    /// The two routes of the least sum of costs that both keep to the constraints. Parts to pass are not taken here.
    ///
    /// # Errors
    /// Why there are no two.
    pub fn disjoint(
        &self,
        from: DatapathId,
        to: DatapathId,
        kind: Disjoint,
        constraints: &Constraints,
    ) -> Result<DisjointPair, NoRoute> {
        let asked = Asked::new(self, from, to, constraints)?;
        if let Some(part) = constraints.include.first() {
            return Err(NoRoute::Include(*part));
        }
        let first = self.route(from, to, constraints)?;
        if from == to {
            return Ok(DisjointPair { routes: [first.clone(), first], is_cheapest: true });
        }
        let (pair, is_cheapest) = if kind == Disjoint::Risks || constraints.max_latency.is_some() {
            self.one_by_one(&asked, kind)?
        } else {
            (Flow::new(self, &asked, kind).two(), true)
        };
        match pair {
            Some([one, other]) => {
                let mut routes = [self.sum(&one), self.sum(&other)];
                routes.sort();
                Ok(DisjointPair { routes, is_cheapest })
            }
            None if is_cheapest => Err(NoRoute::NotDisjoint(self.shared(&asked, kind, &first)?)),
            None => Err(NoRoute::Undecided),
        }
    }

    /// The best pair, and whether it is proven to be.
    #[expect(clippy::type_complexity, reason = "two lists of edges")]
    fn one_by_one(&self, asked: &Asked<'_>, kind: Disjoint) -> Result<(Option<[Vec<usize>; 2]>, bool), NoRoute> {
        let mut best: Option<(u64, [Vec<usize>; 2])> = None;
        let mut routes = Routes::new(self, asked);
        for _ in 0..MAX_FIRST_ROUTES {
            let next = routes.next()?;
            let best_cost = best.as_ref().map(|(cost, _)| *cost);
            let Some((cost, first)) = next.filter(|(cost, _)| best_cost.is_none_or(|best| 2 * cost < best)) else {
                return Ok((best.map(|(_, pair)| pair), true));
            };
            let apart = self.apart_from(&first, kind);
            let may = |edge: &Edge| asked.fits(edge) && apart(edge);
            let max_latency = asked.constraints.max_latency;
            if let Some(second) = (Query { max_latency, ..Query::new(self, asked.from, asked.to, &may) }).run()? {
                let sum = cost + self.sum(&second).cost;
                if best_cost.is_none_or(|best| sum < best) {
                    best = Some((sum, [first, second]));
                }
            }
        }
        Ok((best.map(|(_, pair)| pair), false))
    }

    /// Whether an edge has nothing in common with a route.
    fn apart_from(&self, route: &[usize], kind: Disjoint) -> impl Fn(&Edge) -> bool + use<> {
        let edges: Vec<&Edge> = route.iter().filter_map(|&number| self.edges.get(number)).collect();
        let ports: BTreeSet<PortId> = edges.iter().flat_map(|edge| [edge.source, edge.target]).collect();
        let risks: BTreeSet<u32> = edges.iter().flat_map(|edge| edge.risks.iter().copied()).collect();
        let inner: BTreeSet<usize> = edges.iter().skip(1).map(|edge| edge.from).collect();
        move |edge| {
            !ports.contains(&edge.source)
                && match kind {
                    Disjoint::Links => true,
                    Disjoint::Switches => !inner.contains(&edge.to),
                    Disjoint::Risks => edge.risks.is_disjoint(&risks),
                }
        }
    }

    /// What each route has to pass: it is on the first one.
    fn shared(&self, asked: &Asked<'_>, kind: Disjoint, first: &Route) -> Result<Option<Part>, NoRoute> {
        let mut parts = Vec::new();
        for &(source, target) in &first.links {
            if kind == Disjoint::Risks {
                parts.extend(self.edge(source).into_iter().flat_map(|edge| &edge.risks).map(|&risk| Part::Risk(risk)));
            }
            parts.push(Part::Link(source));
            if kind == Disjoint::Switches && target.datapath_id != self.id(asked.to) {
                parts.push(Part::Switch(target.datapath_id));
            }
        }
        for part in parts {
            let without = |edge: &Edge| {
                asked.fits(edge)
                    && match part {
                        Part::Switch(id) => edge.target.datapath_id != id,
                        Part::Link(port) => edge.source != port && edge.target != port,
                        Part::Risk(risk) => !edge.risks.contains(&risk),
                    }
            };
            let max_latency = asked.constraints.max_latency;
            if (Query { max_latency, ..Query::new(self, asked.from, asked.to, &without) }).run()?.is_none() {
                return Ok(Some(part));
            }
        }
        Ok(None)
    }
}

/// A network of unit capacities. Each switch is an entrance `n` and an exit `n + switches`, with as many arcs between them as routes may
/// share it.
struct Flow {
    /// From, to, cost, the edge that it is; each is followed by its reverse.
    arcs: Vec<(usize, usize, i64, Option<usize>)>,
    out: Vec<Vec<usize>>,
    free: Vec<bool>,
    source: usize,
    sink: usize,
}

impl Flow {
    fn new(database: &TrafficDatabase, asked: &Asked<'_>, kind: Disjoint) -> Flow {
        let switches = database.len();
        let (arcs, free, out) = (Vec::new(), Vec::new(), vec![Vec::new(); 2 * switches]);
        let mut flow = Flow { arcs, out, free, source: asked.from + switches, sink: asked.to };
        for node in (0..switches).filter(|&node| node != asked.from && node != asked.to && !database.is_drained(node)) {
            let units = if kind == Disjoint::Switches { 1 } else { 2 };
            (0..units).for_each(|_| flow.arc(node, node + switches, 0, None));
        }
        for (number, edge) in (0..).zip(&database.edges).filter(|(_, edge)| asked.fits(edge)) {
            let cost = i64::try_from(edge.cost).unwrap_or(i64::MAX / 4);
            flow.arc(edge.from + switches, edge.to, cost, Some(number));
        }
        flow
    }

    fn arc(&mut self, from: usize, to: usize, cost: i64, edge: Option<usize>) {
        for (from, to, cost, free) in [(from, to, cost, true), (to, from, -cost, false)] {
            self.out[from].push(self.arcs.len());
            self.arcs.push((from, to, cost, edge));
            self.free.push(free);
        }
    }

    /// One unit more along the cheapest way that is left (Bellman and Ford: arcs taken back cost less than nothing). Whether there was one.
    fn push(&mut self) -> bool {
        let mut cheapest = vec![i64::MAX; self.out.len()];
        let mut by = vec![0; self.out.len()];
        let mut waits = vec![false; self.out.len()];
        cheapest[self.source] = 0;
        let mut queue = VecDeque::from([self.source]);
        while let Some(at) = queue.pop_front() {
            waits[at] = false;
            for &arc in self.out[at].iter().filter(|&&arc| self.free[arc]) {
                let (_, to, cost, _) = self.arcs[arc];
                let sum = cheapest[at].saturating_add(cost);
                if sum < cheapest[to] {
                    (cheapest[to], by[to]) = (sum, arc);
                    if !std::mem::replace(&mut waits[to], true) {
                        queue.push_back(to);
                    }
                }
            }
        }
        if cheapest[self.sink] == i64::MAX {
            return false;
        }
        let mut at = self.sink;
        while at != self.source {
            let arc = by[at];
            (self.free[arc], self.free[arc ^ 1]) = (false, true);
            at = self.arcs[arc].0;
        }
        true
    }

    /// Two units as edges. Both directions of one link are never taken: without them the flow costs less.
    fn two(mut self) -> Option<[Vec<usize>; 2]> {
        if !self.push() || !self.push() {
            return None;
        }
        let switches = self.out.len() / 2;
        let mut left: Vec<Vec<(usize, usize)>> = vec![Vec::new(); switches];
        for arc in (0..self.arcs.len()).step_by(2).filter(|&arc| !self.free[arc]) {
            if let (from, to, _, Some(edge)) = self.arcs[arc] {
                left[from - switches].push((to, edge));
            }
        }
        let mut route = || {
            let (mut at, mut edges) = (self.source - switches, Vec::new());
            while at != self.sink {
                let (next, edge) = left[at].pop()?;
                edges.push(edge);
                at = next;
            }
            Some(edges)
        };
        Some([route()?, route()?])
    }
}
