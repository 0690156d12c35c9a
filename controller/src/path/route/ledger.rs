//! Bandwidth set aside along routes. What is set aside of a direction of a link is never more than it has.
//!
//! Requests are admitted in their order, each on the cheapest route that those before it leave room for. The answer hangs on the requests and on the network
//! alone, and not on how the network came to be what it is: [`Ledger::follow`] is equal to admitting all of them anew.

use std::collections::BTreeSet;

use net::{DatapathId, PortId};

use super::database::Edge;
use super::{Constraints, Disjoint, NoRoute, Route, TrafficDatabase};

/// Requests that a ledger admits; further ones are refused. Each may cost a search through the whole network after each change of it.
pub const MAX_RESERVATIONS: usize = 1_024;

/// What is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// From this switch.
    pub from: DatapathId,
    /// To this one; the way back is a request of its own.
    pub to: DatapathId,
    /// On each link of the route, or of both routes.
    pub bandwidth_kbps: u64,
    /// What else the route has to keep to. Its bandwidth is not looked at.
    pub constraints: Constraints,
    /// Two routes that have this much apart, with the bandwidth on both.
    pub disjoint: Option<Disjoint>,
}

/// A request, and what it is called.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NamedRequest {
    /// Its name, of its own.
    pub name: String,
    /// What is asked for.
    pub request: Request,
}

/// Requests, and what is set aside for them.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    database: TrafficDatabase,
    requests: Vec<Request>,
    answers: Vec<Result<Vec<Route>, NoRoute>>,
}

impl Ledger {
    /// Admits these in this network.
    pub fn admit(database: TrafficDatabase, requests: Vec<Request>) -> Ledger {
        let mut ledger = Ledger { database, requests, answers: Vec::new() };
        ledger.go_on();
        ledger
    }

    /// The network or the requests are others. Where links have only gone or become worse, all requests before the first one that this touches stay as they are.
    /// How many those are.
    pub fn follow(&mut self, database: TrafficDatabase, requests: Vec<Request>) -> usize {
        let same = self.requests.iter().zip(&requests).take_while(|(old, new)| old == new).count();
        let kept = match self.database.worsened(&database) {
            None => 0,
            Some(worse) if worse.is_nothing() => same.min(self.answers.len()),
            Some(worse) => {
                self.answers.iter().zip(&self.requests).take(same).take_while(|it| worse.spares(it.0, it.1)).count()
            }
        };
        self.database = database;
        self.requests = requests;
        self.answers.truncate(kept);
        for (answer, request) in self.answers.iter_mut().zip(&self.requests) {
            for route in answer.iter_mut().flatten() {
                take(&mut self.database, route, request.bandwidth_kbps);
            }
        }
        self.go_on();
        kept
    }

    /// Each request with its routes, one or two, or why there are none.
    pub fn answers(&self) -> impl ExactSizeIterator<Item = (&Request, &Result<Vec<Route>, NoRoute>)> {
        self.requests.iter().zip(&self.answers)
    }

    /// What is set aside and what there is, by the port where a direction begins: kbit/s.
    pub fn load(&self) -> impl Iterator<Item = (PortId, u64, Option<u64>)> + '_ {
        self.database.edges.iter().map(|edge| (edge.source, edge.reserved_kbps, edge.bandwidth_kbps))
    }

    fn go_on(&mut self) {
        for request in self.requests.iter().skip(self.answers.len()) {
            let answer = match self.answers.len() {
                MAX_RESERVATIONS.. => Err(NoRoute::LedgerFull(MAX_RESERVATIONS)),
                _ => place(&self.database, request),
            };
            for route in answer.iter().flatten() {
                take(&mut self.database, route, request.bandwidth_kbps);
            }
            self.answers.push(answer);
        }
    }
}

fn place(database: &TrafficDatabase, request: &Request) -> Result<Vec<Route>, NoRoute> {
    let Request { from, to, bandwidth_kbps, disjoint, .. } = *request;
    let constraints = Constraints { min_bandwidth_kbps: Some(bandwidth_kbps), ..request.constraints.clone() };
    match disjoint {
        Some(kind) => database.disjoint(from, to, kind, &constraints).map(|pair| pair.routes.to_vec()),
        None => database.route(from, to, &constraints).map(|route| vec![route]),
    }
}

fn take(database: &mut TrafficDatabase, route: &Route, kbps: u64) {
    for (source, _) in &route.links {
        if let Some(edge) = database.edge_mut(*source) {
            edge.reserved_kbps = edge.reserved_kbps.saturating_add(kbps);
        }
    }
}

/// What has become worse since.
struct Worse {
    links: BTreeSet<PortId>,
    switches: BTreeSet<DatapathId>,
}

impl Worse {
    fn is_nothing(&self) -> bool {
        self.links.is_empty() && self.switches.is_empty()
    }

    /// Whether the answer is the same as before: the cheapest route still is where others have become worse. A refusal may have another reason now,
    /// and of pairs of routes that cost the same another may be found.
    fn spares(&self, answer: &Result<Vec<Route>, NoRoute>, request: &Request) -> bool {
        let touches = |(source, target): &(PortId, PortId)| {
            self.links.contains(source)
                || self.switches.contains(&source.datapath_id)
                || self.switches.contains(&target.datapath_id)
        };
        let ends_touched = [request.from, request.to].iter().any(|end| self.switches.contains(end));
        request.disjoint.is_none()
            && !ends_touched
            && answer.as_ref().is_ok_and(|routes| !routes.iter().flat_map(|route| &route.links).any(touches))
    }
}

impl TrafficDatabase {
    /// What is worse in another network, if nothing is better: nothing set aside is looked at. `None` if something is better or new.
    fn worsened(&self, other: &TrafficDatabase) -> Option<Worse> {
        let mut worse = Worse { links: BTreeSet::new(), switches: BTreeSet::new() };
        for (node, id) in (0..).zip(&other.ids) {
            let before = self.is_drained(self.number(*id)?);
            match (before, other.is_drained(node)) {
                (true, false) => return None,
                (false, true) => drop(worse.switches.insert(*id)),
                _ => {}
            }
        }
        worse.switches.extend(self.ids.iter().filter(|id| other.number(**id).is_none()));
        for edge in &other.edges {
            let before = self.edge(edge.source)?;
            if before.target != edge.target || is_better(before, edge) {
                return None;
            }
            if is_better(edge, before) {
                worse.links.insert(edge.source);
            }
        }
        worse.links.extend(self.edges.iter().map(|edge| edge.source).filter(|port| other.edge(*port).is_none()));
        Some(worse)
    }
}

/// Whether a link is better for somebody: cheaper, faster, wider, or of fewer risks.
fn is_better(than: &Edge, edge: &Edge) -> bool {
    let faster = match (than.latency, edge.latency) {
        (None, Some(_)) => true,
        (Some(old), Some(new)) => new < old,
        (_, None) => false,
    };
    // `None` is the least: not known is not enough.
    edge.cost < than.cost || faster || edge.bandwidth_kbps > than.bandwidth_kbps || !edge.risks.is_superset(&than.risks)
}
