//! Emulated routers that peer with each other under virtual time.

use bgp::policy::Policy;
use bgp::session::ConnectMode;
use bgp::speaker::{ConnectionId, Event, NeighborConfig, Transmit};
use bgp::wire::{Asn, Family, RouterId};
use emulator::{Router, RouterConfig};
use net::Time;
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// Two routers, and connections between them that take no time.
struct Wire {
    routers: [Router; 2],
    /// The other end of each connection.
    ends: BTreeMap<(usize, ConnectionId), ConnectionId>,
    events: [Vec<Event>; 2],
    now: Time,
}

fn address(router: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, router as u8 + 1))
}

fn router(index: usize, routes: usize, passive: bool) -> Router {
    let other = 1 - index;
    let neighbor = NeighborConfig {
        mode: if passive { ConnectMode::Passive } else { ConnectMode::Both },
        local_address: Some(address(index)),
        import: Policy::Accept,
        export: Policy::Accept,
        next_hop_v6: Some("2001:db8::1".parse().expect("an address")),
        ..NeighborConfig::new(address(other), Asn(65_001 + other as u32))
    };
    let config = RouterConfig {
        asn: Asn(65_001 + index as u32),
        router_id: RouterId(Ipv4Addr::new(192, 0, 2, index as u8 + 1)),
        neighbors: vec![neighbor],
        ipv4_routes: routes,
        ipv6_routes: routes / 4,
        seed: 10 + index as u64,
    };
    Router::new(config, Time::ZERO).expect("neighbours that can be")
}

impl Wire {
    fn new(routes: usize) -> Wire {
        let routers = [router(0, routes, false), router(1, routes, true)];
        Wire { routers, ends: BTreeMap::new(), events: Default::default(), now: Time::ZERO }
    }

    fn settle(&mut self) {
        let mut work: VecDeque<(usize, Transmit)> = VecDeque::new();
        loop {
            for (index, router) in self.routers.iter_mut().enumerate() {
                work.extend(std::iter::from_fn(|| router.poll_transmit()).map(|transmit| (index, transmit)));
                self.events[index].extend(std::iter::from_fn(|| router.poll_event()));
            }
            let Some((index, transmit)) = work.pop_front() else { return };
            let (other, now) = (1 - index, self.now);
            match transmit {
                Transmit::Connect { connection, .. } => {
                    let from = SocketAddr::new(address(index), 40_000);
                    let to = SocketAddr::new(address(other), 179);
                    match self.routers[other].handle_accepted(from, to, now) {
                        Some(accepted) => {
                            self.ends.insert((index, connection), accepted);
                            self.ends.insert((other, accepted), connection);
                            self.routers[index].handle_connected(connection, from, now);
                        }
                        None => self.routers[index].handle_connect_failed(connection, now),
                    }
                }
                Transmit::Send { connection, octets } => {
                    if let Some(end) = self.ends.get(&(index, connection)).copied() {
                        self.routers[other].handle_octets(end, &octets, now);
                        self.routers[index].handle_sent(connection, octets.len(), now);
                    }
                }
                Transmit::Close { connection } => {
                    if let Some(end) = self.ends.remove(&(index, connection)) {
                        self.ends.remove(&(other, end));
                        self.routers[other].handle_closed(end, now);
                    }
                }
            }
        }
    }

    fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        self.settle();
        while let Some((at, _)) =
            self.routers.iter().filter_map(Router::poll_timeout).min().filter(|(at, _)| *at <= end)
        {
            self.now = at.max(self.now);
            let now = self.now;
            self.routers.iter_mut().for_each(|router| router.handle_timeout(now));
            self.settle();
        }
        self.now = end;
    }

    fn received(&self, router: usize, family: Family) -> u64 {
        let status = self.routers[router].speaker().status(self.now);
        let families = status.neighbors.iter().flat_map(|neighbor| &neighbor.families);
        families.filter(|counts| counts.family == family).map(|counts| counts.accepted).sum()
    }
}

#[test]
fn two_routers_exchange_all_their_routes() {
    let mut wire = Wire::new(1_000);
    wire.run(Duration::from_secs(60));
    for (router, events) in wire.events.iter().enumerate() {
        assert!(events.iter().any(|event| matches!(event, Event::Up { .. })), "router {router}: {events:?}");
        assert_eq!(wire.received(router, Family::IPV4_UNICAST), 1_000);
        assert_eq!(wire.received(router, Family::IPV6_UNICAST), 250);
    }
    let route = wire.routers[0].routes()[0].clone();
    let page = wire.routers[1].speaker().adj_rib_in(address(0), Family::IPV4_UNICAST, None, 10_000);
    let learned = page.routes.iter().find(|learned| learned.prefix == route.prefix).expect("the first route");
    let path: Vec<Asn> = learned.attributes.attributes.as_path.asns().collect();
    assert_eq!(path, [vec![Asn(65_001)], route.as_path].concat());
}

#[test]
fn routes_are_withdrawn_and_announced_again() {
    let mut wire = Wire::new(200);
    wire.run(Duration::from_secs(60));
    let now = wire.now;
    wire.routers[0].withdraw(0..50, now);
    wire.run(Duration::from_secs(60));
    assert_eq!((wire.received(1, Family::IPV4_UNICAST), wire.routers[0].announced()), (150, 200));
    let now = wire.now;
    wire.routers[0].announce(0..25, now);
    wire.run(Duration::from_secs(60));
    assert_eq!(wire.received(1, Family::IPV4_UNICAST), 175);
}
