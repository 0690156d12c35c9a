//! What is known of each direction of each link, as dense arrays.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use net::{DatapathId, PortId};
use topology::{Link, Network};

use super::super::Weights;
use super::search::{Objective, Query, Waypoint};
use super::{Constraints, MAX_INCLUDE, NoRoute, Part, Route};

/// One direction of a link.
#[derive(Clone, Debug)]
pub(super) struct Edge {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) source: PortId,
    pub(super) target: PortId,
    pub(super) cost: u64,
    pub(super) latency: Option<Duration>,
    pub(super) bandwidth_kbps: Option<u64>,
    pub(super) reserved_kbps: u64,
    /// What is measured to go over it.
    pub(super) used_kbps: u64,
    pub(super) risks: BTreeSet<u32>,
}

impl Edge {
    pub(super) fn free_kbps(&self) -> Option<u64> {
        // What goes over it may be what it is set aside for.
        self.bandwidth_kbps.map(|kbps| kbps.saturating_sub(self.reserved_kbps.max(self.used_kbps)))
    }
}

/// The directions of all links that carry traffic both ways, with what is known of them at one moment.
#[derive(Clone, Debug, Default)]
pub struct TrafficDatabase {
    pub(super) ids: Vec<DatapathId>,
    numbers: BTreeMap<DatapathId, usize>,
    drained: Vec<bool>,
    pub(super) edges: Vec<Edge>,
    out: Vec<Vec<usize>>,
    into: Vec<Vec<usize>>,
    ports: BTreeMap<PortId, usize>,
}

impl TrafficDatabase {
    /// Of a network, its links as `weights` says; nothing is reserved.
    pub fn new(network: &Network, weights: &Weights) -> TrafficDatabase {
        let ids: Vec<DatapathId> = network.switches.keys().copied().collect();
        let mut database = TrafficDatabase {
            numbers: ids.iter().copied().zip(0..).collect(),
            drained: ids.iter().map(|id| weights.drained.contains(id)).collect(),
            out: vec![Vec::new(); ids.len()],
            into: vec![Vec::new(); ids.len()],
            ids,
            ..TrafficDatabase::default()
        };
        let leads = |link: &&Link| network.is_bidirectional(link.source) && !weights.withheld().contains(&link.source);
        for link in network.links.values().filter(leads) {
            let (source, target) = (link.source, link.target);
            let ends = [source, target].map(|end| database.number(end.datapath_id));
            let [Some(from), Some(to)] = ends else { continue };
            if from == to {
                continue;
            }
            let number = database.edges.len();
            database.edges.push(Edge {
                from,
                to,
                source,
                target,
                cost: u64::from(weights.cost(source, network)),
                latency: weights.latency(source, network),
                bandwidth_kbps: weights.bandwidth_kbps(source, network),
                reserved_kbps: 0,
                used_kbps: 0,
                risks: weights.risks(source, target, network),
            });
            database.out[from].push(number);
            database.into[to].push(number);
            database.ports.insert(source, number);
        }
        database
    }

    /// The same with what goes over links: that is not free.
    pub fn with_load(mut self, kbps: impl Fn(PortId) -> u64) -> TrafficDatabase {
        self.edges.iter_mut().for_each(|edge| edge.used_kbps = kbps(edge.source));
        self
    }

    /// The same with what is set aside: that is not free either. What goes over a link is taken for the same traffic, as far as it goes.
    pub fn with_reserved(mut self, kbps: impl Fn(PortId) -> u64) -> TrafficDatabase {
        self.edges.iter_mut().for_each(|edge| edge.reserved_kbps = kbps(edge.source));
        self
    }

    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(super) fn number(&self, id: DatapathId) -> Option<usize> {
        self.numbers.get(&id).copied()
    }

    pub(super) fn id(&self, node: usize) -> DatapathId {
        self.ids.get(node).copied().unwrap_or(DatapathId(0))
    }

    pub(super) fn is_drained(&self, node: usize) -> bool {
        self.drained.get(node).copied().unwrap_or(false)
    }

    pub(super) fn out(&self, node: usize) -> impl Iterator<Item = (usize, &Edge)> {
        self.out.get(node).into_iter().flatten().filter_map(|&number| Some((number, self.edges.get(number)?)))
    }

    pub(super) fn into(&self, node: usize) -> impl Iterator<Item = (usize, &Edge)> {
        self.into.get(node).into_iter().flatten().filter_map(|&number| Some((number, self.edges.get(number)?)))
    }

    pub(super) fn edge(&self, source: PortId) -> Option<&Edge> {
        self.edges.get(*self.ports.get(&source)?)
    }

    pub(super) fn edge_mut(&mut self, source: PortId) -> Option<&mut Edge> {
        self.edges.get_mut(*self.ports.get(&source)?)
    }

    /// A route along these edges.
    pub(super) fn sum(&self, edges: &[usize]) -> Route {
        let of = || edges.iter().filter_map(|&number| self.edges.get(number));
        Route {
            cost: of().map(|edge| edge.cost).sum(),
            links: of().map(|edge| (edge.source, edge.target)).collect(),
            latency: of().map(|edge| edge.latency).try_fold(Duration::ZERO, |sum, more| sum.checked_add(more?)),
            free_kbps: of().map(Edge::free_kbps).collect::<Option<Vec<_>>>().and_then(|all| all.into_iter().min()),
        }
    }

    /// The cheapest route that keeps to the constraints.
    ///
    /// # Errors
    /// Why there is none.
    pub fn route(&self, from: DatapathId, to: DatapathId, constraints: &Constraints) -> Result<Route, NoRoute> {
        let asked = Asked::new(self, from, to, constraints)?;
        match asked.search(&|edge| asked.fits(edge), &asked.include, constraints.max_latency, Objective::Cost)? {
            Some(edges) => Ok(self.sum(&edges)),
            None => Err(asked.reason()?),
        }
    }

    /// Switches that are linked with this one, itself among them, drained or not.
    fn part_of(&self, node: usize) -> usize {
        let (mut seen, mut open) = (vec![false; self.len()], vec![node]);
        seen[node] = true;
        while let Some(at) = open.pop() {
            for (_, edge) in self.out(at) {
                if !std::mem::replace(&mut seen[edge.to], true) {
                    open.push(edge.to);
                }
            }
        }
        seen.into_iter().filter(|&seen| seen).count()
    }
}

/// A question with its ends and parts found.
pub(super) struct Asked<'q> {
    database: &'q TrafficDatabase,
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) constraints: &'q Constraints,
    pub(super) include: Vec<Waypoint>,
}

impl<'q> Asked<'q> {
    pub(super) fn new(
        database: &'q TrafficDatabase,
        from: DatapathId,
        to: DatapathId,
        constraints: &'q Constraints,
    ) -> Result<Asked<'q>, NoRoute> {
        let number = |id| database.number(id).ok_or(NoRoute::NoSwitch(id));
        let (from_node, to_node) = (number(from)?, number(to)?);
        if constraints.include.len() > MAX_INCLUDE {
            return Err(NoRoute::TooMany(MAX_INCLUDE));
        }
        let mut include = Vec::new();
        for part in &constraints.include {
            include.push(match part {
                Part::Switch(id) => Waypoint::Switch(number(*id)?),
                Part::Link(port) => {
                    let edge = database.edge(*port).ok_or(NoRoute::NoLink(*port))?;
                    Waypoint::Link([edge.source.min(edge.target), edge.source.max(edge.target)])
                }
                Part::Risk(_) => return Err(NoRoute::Include(*part)),
            });
        }
        for id in [from, to] {
            if constraints.avoid_switches.contains(&id) {
                return Err(NoRoute::Avoided(Part::Switch(id)));
            }
        }
        Ok(Asked { database, from: from_node, to: to_node, constraints, include })
    }

    /// What of this edge is to be avoided.
    fn avoided(&self, edge: &Edge) -> Option<Part> {
        let Constraints { avoid_switches, avoid_links, avoid_risks, .. } = self.constraints;
        let target = edge.target.datapath_id;
        if avoid_switches.contains(&target) {
            return Some(Part::Switch(target));
        }
        if avoid_links.contains(&edge.source) || avoid_links.contains(&edge.target) {
            return Some(Part::Link(edge.source));
        }
        edge.risks.intersection(avoid_risks).next().map(|&risk| Part::Risk(risk))
    }

    /// Nothing to be avoided, and wide enough.
    pub(super) fn fits(&self, edge: &Edge) -> bool {
        let wide = |least| edge.free_kbps().is_some_and(|free| free >= least);
        self.avoided(edge).is_none() && self.constraints.min_bandwidth_kbps.is_none_or(wide)
    }

    pub(super) fn search(
        &self,
        may: &dyn Fn(&Edge) -> bool,
        include: &[Waypoint],
        max_latency: Option<Duration>,
        objective: Objective,
    ) -> Result<Option<Vec<usize>>, NoRoute> {
        let query = Query { include, max_latency, objective, ..Query::new(self.database, self.from, self.to, may) };
        query.run()
    }

    /// The first constraint, in the order of [`NoRoute`], that leaves no way.
    pub(super) fn reason(&self) -> Result<NoRoute, NoRoute> {
        let database = self.database;
        let edge = |number: &usize| database.edges.get(*number);
        let any = |_: &Edge| true;
        let through = Query { through_drained: true, ..Query::new(database, self.from, self.to, &any) };
        let Some(way) = through.run()? else {
            let (near, far) = (database.part_of(self.from), database.part_of(self.to));
            return Ok(NoRoute::Parted { from: database.id(self.from), to: database.id(self.to), near, far });
        };
        let Some(around) = self.search(&any, &[], None, Objective::Cost)? else {
            let mut passed = way.iter().skip(1).filter_map(edge).map(|edge| edge.from);
            let drained = passed.find(|&node| database.is_drained(node));
            return Ok(drained.map_or(NoRoute::Undecided, |node| NoRoute::Drained(database.id(node))));
        };
        let open = |edge: &Edge| self.avoided(edge).is_none();
        if self.search(&open, &[], None, Objective::Cost)?.is_none() {
            let avoided = around.iter().filter_map(edge).find_map(|edge| self.avoided(edge));
            return Ok(avoided.map_or(NoRoute::Undecided, NoRoute::Avoided));
        }
        let fits = |edge: &Edge| self.fits(edge);
        if let Some(asked_kbps) = self.constraints.min_bandwidth_kbps
            && self.search(&fits, &[], None, Objective::Cost)?.is_none()
        {
            return Ok(self.widest(&open, asked_kbps).unwrap_or(NoRoute::Undecided));
        }
        for count in 1..=self.include.len() {
            if self.search(&fits, &self.include[..count], None, Objective::Cost)?.is_none() {
                let Some(&part) = self.constraints.include.get(count - 1) else { break };
                return Ok(match part {
                    Part::Switch(id) if self.constraints.avoid_switches.contains(&id) => NoRoute::Avoided(part),
                    Part::Switch(id) if database.number(id).is_some_and(|node| database.is_drained(node)) => {
                        NoRoute::Drained(id)
                    }
                    _ => NoRoute::Include(part),
                });
            }
        }
        let Some(asked) = self.constraints.max_latency else { return Ok(NoRoute::Undecided) };
        if let Some(way) = self.search(&fits, &self.include, None, Objective::Latency)? {
            let fastest = database.sum(&way).latency.unwrap_or(Duration::MAX);
            return Ok(NoRoute::Latency { fastest, asked });
        }
        let way = self.search(&fits, &self.include, None, Objective::Cost)?.unwrap_or_default();
        let unknown = way.iter().filter_map(edge).find(|edge| edge.latency.is_none());
        Ok(unknown.map_or(NoRoute::Undecided, |edge| NoRoute::LatencyUnknown(edge.source)))
    }

    /// The narrowest link of a way whose narrowest link is as wide as can be; one whose bandwidth is not known has none.
    fn widest(&self, may: &dyn Fn(&Edge) -> bool, asked_kbps: u64) -> Option<NoRoute> {
        let database = self.database;
        let mut found: Vec<Option<(u64, Option<usize>)>> = vec![None; database.len()];
        let mut heap = std::collections::BinaryHeap::from([(u64::MAX, self.from, None::<usize>)]);
        while let Some((width, at, narrowest)) = heap.pop() {
            if found[at].is_some() {
                continue;
            }
            found[at] = Some((width, narrowest));
            if at != self.from && database.is_drained(at) {
                continue;
            }
            for (number, edge) in database.out(at).filter(|(_, edge)| may(edge)) {
                let free = edge.free_kbps().unwrap_or(0);
                heap.push((width.min(free), edge.to, if free < width { Some(number) } else { narrowest }));
            }
        }
        let edge = database.edges.get(found[self.to]?.1?)?;
        Some(NoRoute::Bandwidth { port: edge.source, free_kbps: edge.free_kbps(), asked_kbps })
    }
}
