//! Bandwidth set aside along routes. What is set aside of a direction of a link is never more than it has.

use std::collections::BTreeMap;

use net::DatapathId;

use super::{Constraints, NoRoute, Route, TrafficDatabase};

/// Reservations that a ledger holds; a further one is refused. Each is looked at after each change of the network.
pub const MAX_RESERVATIONS: usize = 65_536;

/// A reservation's number, in the order in which they were made.
pub type ReservationId = u64;

/// What is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// From this switch.
    pub from: DatapathId,
    /// To this one; the way back is a reservation of its own.
    pub to: DatapathId,
    /// On each link of the route.
    pub bandwidth_kbps: u64,
    /// What else the route has to keep to. Its bandwidth is overwritten.
    pub constraints: Constraints,
}

/// A request that was admitted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reservation {
    /// What was asked for.
    pub request: Request,
    /// Where it lies, or why it lies nowhere at present; it is tried again with each [`Ledger::follow`].
    pub route: Result<Route, NoRoute>,
}

/// What a change of the network did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Readmission {
    /// They lie elsewhere now, or lie somewhere again.
    pub moved: Vec<ReservationId>,
    /// They lie nowhere any more.
    pub lost: Vec<ReservationId>,
}

/// Reservations and the network that they lie in.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    database: TrafficDatabase,
    reservations: BTreeMap<ReservationId, Reservation>,
    next: ReservationId,
}

impl Ledger {
    /// Nothing set aside in this network.
    pub fn new(database: TrafficDatabase) -> Ledger {
        Ledger { database, ..Ledger::default() }
    }

    /// The network with what is set aside: routes with a minimum bandwidth are computed in what is left.
    pub fn database(&self) -> &TrafficDatabase {
        &self.database
    }

    /// All of them, oldest first.
    pub fn reservations(&self) -> impl Iterator<Item = (ReservationId, &Reservation)> {
        self.reservations.iter().map(|(&id, reservation)| (id, reservation))
    }

    /// Admit a request on the cheapest route that has room for it.
    ///
    /// # Errors
    /// Why it is not admitted; nothing has changed then.
    pub fn reserve(&mut self, mut request: Request) -> Result<ReservationId, NoRoute> {
        if self.reservations.len() >= MAX_RESERVATIONS {
            return Err(NoRoute::LedgerFull(MAX_RESERVATIONS));
        }
        request.constraints.min_bandwidth_kbps = Some(request.bandwidth_kbps);
        let route = self.database.route(request.from, request.to, &request.constraints)?;
        self.take(&route, request.bandwidth_kbps);
        let id = self.next;
        self.next += 1;
        self.reservations.insert(id, Reservation { request, route: Ok(route) });
        Ok(id)
    }

    /// Give back what is set aside. `None` if there is no such reservation.
    pub fn release(&mut self, id: ReservationId) -> Option<Reservation> {
        let reservation = self.reservations.remove(&id)?;
        if let Ok(route) = &reservation.route {
            for (source, _) in &route.links {
                if let Some(edge) = self.database.edge_mut(*source) {
                    edge.reserved_kbps = edge.reserved_kbps.saturating_sub(reservation.request.bandwidth_kbps);
                }
            }
        }
        Some(reservation)
    }

    /// The network is another one. Reservations whose links are all there, with room, stay where they are, the oldest first; then the others
    /// are admitted anew, the oldest first.
    pub fn follow(&mut self, database: TrafficDatabase) -> Readmission {
        self.database = database;
        let mut homeless = Vec::new();
        let mut reservations = std::mem::take(&mut self.reservations);
        for (&id, reservation) in &mut reservations {
            let kbps = reservation.request.bandwidth_kbps;
            let stays = reservation.route.as_ref().is_ok_and(|route| self.has_room(route, &reservation.request));
            match &mut reservation.route {
                Ok(route) if stays => {
                    // Costs and what is free may be others.
                    self.take(route, kbps);
                }
                _ => homeless.push(id),
            }
        }
        let mut readmission = Readmission::default();
        for id in homeless {
            let Some(Reservation { request, route }) = reservations.get_mut(&id) else { continue };
            let was_there = route.is_ok();
            *route = self.database.route(request.from, request.to, &request.constraints);
            match route {
                Ok(route) => {
                    self.take(route, request.bandwidth_kbps);
                    readmission.moved.push(id);
                }
                Err(_) if was_there => readmission.lost.push(id),
                Err(_) => {}
            }
        }
        self.reservations = reservations;
        readmission
    }

    /// What is set aside and what there is, by the port where a direction begins: kbit/s.
    pub fn load(&self) -> impl Iterator<Item = (net::PortId, u64, Option<u64>)> + '_ {
        self.database.edges.iter().map(|edge| (edge.source, edge.reserved_kbps, edge.bandwidth_kbps))
    }

    fn take(&mut self, route: &Route, kbps: u64) {
        for (source, _) in &route.links {
            if let Some(edge) = self.database.edge_mut(*source) {
                edge.reserved_kbps = edge.reserved_kbps.saturating_add(kbps);
            }
        }
    }

    /// Whether a route still leads where it led and keeps to what was asked.
    fn has_room(&self, route: &Route, request: &Request) -> bool {
        let Ok(asked) = super::database::Asked::new(&self.database, request.from, request.to, &request.constraints)
        else {
            return false;
        };
        let mut latency = Some(std::time::Duration::ZERO);
        for (hop, (source, target)) in route.links.iter().enumerate() {
            let Some(edge) = self.database.edge(*source) else { return false };
            if edge.target != *target || !asked.fits(edge) || (hop > 0 && self.database.is_drained(edge.from)) {
                return false;
            }
            latency = latency.zip(edge.latency).and_then(|(sum, more)| sum.checked_add(more));
        }
        request.constraints.max_latency.is_none_or(|most| latency.is_some_and(|latency| latency <= most))
    }
}
