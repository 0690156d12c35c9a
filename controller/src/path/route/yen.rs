//! The k cheapest routes, one after the other (J. Y. Yen, "Finding the K Shortest Loopless Paths in a Network", Management Science 17, 1971):
//! each new one leaves one of those before it at some switch, the spur, over a link that none of them takes there.

use std::collections::BTreeSet;
use std::time::Duration;

use net::DatapathId;

use super::database::{Asked, Edge, TrafficDatabase};
use super::search::{Bounds, Query, pass};
use super::{Constraints, NoRoute, Route};

/// Routes that are asked for at once at most.
pub const MAX_ROUTES: usize = 64;

impl TrafficDatabase {
    /// Up to `k` (at most [`MAX_ROUTES`]) cheapest routes that keep to the constraints, cheapest first; all there are, if they are fewer.
    /// Over parallel links they are different routes.
    ///
    /// # Errors
    /// Why there is not one; [`NoRoute::Undecided`] if a search on the way to the k-th came to no end.
    pub fn k_shortest(
        &self,
        from: DatapathId,
        to: DatapathId,
        k: usize,
        constraints: &Constraints,
    ) -> Result<Vec<Route>, NoRoute> {
        let asked = Asked::new(self, from, to, constraints)?;
        let mut routes = Vec::new();
        let mut one_by_one = Routes::new(self, &asked);
        while routes.len() < k.min(MAX_ROUTES) {
            match one_by_one.next()? {
                Some((_, edges)) => routes.push(self.sum(&edges)),
                None => break,
            }
        }
        if routes.is_empty() && k > 0 { Err(asked.reason()?) } else { Ok(routes) }
    }
}

/// Routes in the order of their cost, each computed when it is asked for.
pub(super) struct Routes<'q> {
    database: &'q TrafficDatabase,
    asked: &'q Asked<'q>,
    found: Vec<Vec<usize>>,
    /// Cost, edges, and where the route leaves the one before: what leaves earlier has been looked at with that one (E. L. Lawler, 1972).
    candidates: BTreeSet<(u64, Vec<usize>, usize)>,
    leaves_at: usize,
    bounds: Bounds,
}

impl<'q> Routes<'q> {
    pub(super) fn new(database: &'q TrafficDatabase, asked: &'q Asked<'q>) -> Routes<'q> {
        let may = |edge: &Edge| asked.fits(edge);
        let (include, max_latency) = (&asked.include, asked.constraints.max_latency);
        let whole = Query { include, max_latency, ..Query::new(database, asked.from, asked.to, &may) };
        let bounds = whole.bounds();
        Routes { database, asked, found: Vec::new(), candidates: BTreeSet::new(), leaves_at: 0, bounds }
    }

    pub(super) fn next(&mut self) -> Result<Option<(u64, Vec<usize>)>, NoRoute> {
        match self.found.last().cloned() {
            None => self.leave(&[], &[])?,
            Some(last) => {
                for spur in self.leaves_at..last.len() {
                    let root = &last[..spur];
                    let alike = self.found.iter().filter(|route| route.starts_with(root));
                    let taken: Vec<usize> = alike.filter_map(|route| route.get(spur).copied()).collect();
                    self.leave(root, &taken)?;
                }
            }
        }
        let Some((cost, edges, leaves_at)) = self.candidates.pop_first() else {
            return Ok(None);
        };
        self.leaves_at = leaves_at;
        self.found.push(edges.clone());
        Ok(Some((cost, edges)))
    }

    /// The best way that begins with `root` and goes on over none of `taken`.
    fn leave(&mut self, root: &[usize], taken: &[usize]) -> Result<(), NoRoute> {
        let (database, asked) = (self.database, self.asked);
        let edges = || root.iter().filter_map(|&number| database.edges.get(number));
        let at = edges().next_back().map_or(asked.from, |edge| edge.to);
        // A drained switch may begin a route and not continue one.
        if at != asked.from && database.is_drained(at) {
            return Ok(());
        }
        let mut passed = vec![false; database.len()];
        edges().for_each(|edge| passed[edge.from] = true);
        let taken: Vec<_> = taken.iter().filter_map(|&number| Some(database.edges.get(number)?.source)).collect();
        let may =
            |edge: &Edge| asked.fits(edge) && !passed[edge.to] && !(edge.from == at && taken.contains(&edge.source));
        let spent: Duration = edges().filter_map(|edge| edge.latency).sum();
        let max_latency = match asked.constraints.max_latency {
            Some(most) => match most.checked_sub(spent) {
                Some(left) => Some(left),
                None => return Ok(()),
            },
            None => None,
        };
        let start = pass(&asked.include, None, asked.from);
        let left = edges().fold(start, |left, edge| pass(left, Some(edge), edge.to));
        let query = Query {
            include: &asked.include,
            passed: asked.include.len() - left.len(),
            bounds: Some(&self.bounds),
            max_latency,
            ..Query::new(database, at, asked.to, &may)
        };
        if let Some(rest) = query.run()? {
            let whole = [root, &rest].concat();
            let cost = whole.iter().filter_map(|&number| database.edges.get(number)).map(|edge| edge.cost).sum();
            self.candidates.insert((cost, whole, root.len()));
        }
        Ok(())
    }
}
