//! A BGP router: a [`bgp::speaker::Speaker`] with a table of made-up routes that look like those of the Internet.
//!
//! The routes come in by an upstream neighbour that exists in the tables only, so that they have AS paths of their own; what the router
//! announces is what any router would: its AS in front, itself as next hop, the rest as it came.

use crate::random::Random;
use bgp::policy::Policy;
use bgp::rib::{ImportRules, Source, SourceId, SourceKind};
use bgp::session::{Announcement, RouteUpdate};
use bgp::speaker::{ConnectionId, Event, NeighborConfig, NeighborError, Speaker, SpeakerConfig, Transmit};
use bgp::wire::{AsPath, Asn, Family, NextHop, Nlri, Origin, PathAttributes, RouterId};
use net::{Ipv4Prefix, Ipv6Prefix, Prefix, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

/// Routes that one router makes up at most: about today's Internet, and well inside the prefixes there are.
pub const MAX_ROUTES: usize = 1_000_000;

/// What a router is made from.
#[derive(Clone, PartialEq, Debug)]
pub struct RouterConfig {
    /// Its AS.
    pub asn: Asn,
    /// Its BGP identifier.
    pub router_id: RouterId,
    /// Its neighbours.
    pub neighbors: Vec<NeighborConfig>,
    /// IPv4 routes to make up, up to [`MAX_ROUTES`].
    pub ipv4_routes: usize,
    /// IPv6 routes to make up, up to [`MAX_ROUTES`].
    pub ipv6_routes: usize,
    /// Decides the routes: two routers with one seed announce the same prefixes by different paths.
    pub seed: u64,
}

/// A route that somebody made up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GeneratedRoute {
    /// Where to.
    pub prefix: Prefix,
    /// The ASes on the way, the nearest first.
    pub as_path: Vec<Asn>,
    /// Where the route came from.
    pub origin: Origin,
    /// The multi-exit discriminator, if there is one.
    pub med: Option<u32>,
}

/// An emulated BGP router on the five verbs of its speaker.
#[derive(Debug)]
pub struct Router {
    speaker: Speaker,
    upstream: SourceId,
    routes: Vec<GeneratedRoute>,
    withdrawn: BTreeSet<usize>,
}

impl Router {
    /// A router with its routes in place; the sessions start at once.
    ///
    /// # Errors
    /// The first neighbour that can't be.
    pub fn new(config: RouterConfig, now: Time) -> Result<Router, NeighborError> {
        let upstream_asn = upstream_of(config.asn);
        let mut routes = generate(config.seed, Family::IPV4_UNICAST, config.ipv4_routes, upstream_asn);
        routes.extend(generate(config.seed, Family::IPV6_UNICAST, config.ipv6_routes, upstream_asn));
        let mut speaker = Speaker::new(
            SpeakerConfig {
                neighbors: config.neighbors,
                seed: config.seed,
                ..SpeakerConfig::new(config.asn, config.router_id)
            },
            now,
        )?;
        let upstream = speaker.rib_mut().add_source(Source {
            confederation: false,
            client: false,
            rules: ImportRules::default(),
            kind: SourceKind::External,
            asn: upstream_asn,
            router_id: RouterId(UPSTREAM_V4),
            address: Some(IpAddr::V4(UPSTREAM_V4)),
            local_address: None,
            import: Policy::Accept,
            enforce_first_as: true,
        });
        let mut router = Router { speaker, upstream, routes, withdrawn: BTreeSet::new() };
        router.announce(0..router.routes.len(), now);
        Ok(router)
    }

    /// The routes that it made up, withdrawn ones too.
    pub fn routes(&self) -> &[GeneratedRoute] {
        &self.routes
    }

    /// How many of them it announces now.
    pub fn announced(&self) -> usize {
        self.routes.len() - self.withdrawn.len()
    }

    /// Takes back the routes with these places in [`Router::routes`].
    pub fn withdraw(&mut self, places: impl IntoIterator<Item = usize>, now: Time) {
        let mut gone: BTreeMap<Family, Vec<Nlri>> = BTreeMap::new();
        for place in places {
            if let Some(route) = self.routes.get(place).filter(|_| !self.withdrawn.contains(&place)) {
                gone.entry(family_of(route.prefix)).or_default().push(nlri(route.prefix));
                self.withdrawn.insert(place);
            }
        }
        for (family, withdrawn) in gone {
            let update = RouteUpdate { family, withdrawn, announced: None };
            self.speaker.rib_mut().handle_routes(self.upstream, &update, now);
        }
        self.speaker.handle_timeout(now);
    }

    /// Announces the routes with these places in [`Router::routes`], again if they are announced already.
    pub fn announce(&mut self, places: impl IntoIterator<Item = usize>, now: Time) {
        for place in places {
            let Some(route) = self.routes.get(place) else { continue };
            self.withdrawn.remove(&place);
            let next_hop = match route.prefix {
                Prefix::V4(_) => NextHop::V4(UPSTREAM_V4),
                Prefix::V6(_) => NextHop::V6 { address: UPSTREAM_V6, link_local: None },
            };
            let mut attributes = PathAttributes::new(route.origin, AsPath::sequence(&route.as_path));
            attributes.next_hop = matches!(route.prefix, Prefix::V4(_)).then_some(UPSTREAM_V4);
            attributes.med = route.med;
            let announced = Announcement { nlri: vec![nlri(route.prefix)], attributes: Arc::new(attributes), next_hop };
            let update =
                RouteUpdate { family: family_of(route.prefix), withdrawn: Vec::new(), announced: Some(announced) };
            self.speaker.rib_mut().handle_routes(self.upstream, &update, now);
        }
        self.speaker.handle_timeout(now);
    }

    /// The speaker: status, tables, and everything that [`Router`] doesn't repeat.
    pub fn speaker(&self) -> &Speaker {
        &self.speaker
    }

    /// The speaker, to change.
    pub fn speaker_mut(&mut self) -> &mut Speaker {
        &mut self.speaker
    }

    /// The speaker alone, with all routes in it, for a driver that takes one.
    pub fn into_speaker(self) -> Speaker {
        self.speaker
    }

    /// See [`Speaker::handle_accepted`].
    pub fn handle_accepted(&mut self, remote: SocketAddr, local: SocketAddr, now: Time) -> Option<ConnectionId> {
        self.speaker.handle_accepted(remote, local, now)
    }

    /// See [`Speaker::handle_connected`].
    pub fn handle_connected(&mut self, connection: ConnectionId, local: SocketAddr, now: Time) {
        self.speaker.handle_connected(connection, local, now);
    }

    /// See [`Speaker::handle_connect_failed`].
    pub fn handle_connect_failed(&mut self, connection: ConnectionId, now: Time) {
        self.speaker.handle_connect_failed(connection, now);
    }

    /// See [`Speaker::handle_closed`].
    pub fn handle_closed(&mut self, connection: ConnectionId, now: Time) {
        self.speaker.handle_closed(connection, now);
    }

    /// See [`Speaker::handle_octets`].
    pub fn handle_octets(&mut self, connection: ConnectionId, octets: &[u8], now: Time) {
        self.speaker.handle_octets(connection, octets, now);
    }

    /// See [`Speaker::handle_sent`].
    pub fn handle_sent(&mut self, connection: ConnectionId, octets: usize, now: Time) {
        self.speaker.handle_sent(connection, octets, now);
    }

    /// See [`Speaker::handle_timeout`].
    pub fn handle_timeout(&mut self, now: Time) {
        self.speaker.handle_timeout(now);
    }

    /// See [`Speaker::poll_transmit`].
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.speaker.poll_transmit()
    }

    /// See [`Speaker::poll_event`].
    pub fn poll_event(&mut self) -> Option<Event> {
        self.speaker.poll_event()
    }

    /// See [`Speaker::poll_timeout`].
    pub fn poll_timeout(&self) -> Option<(Time, &'static str)> {
        self.speaker.poll_timeout()
    }
}

/// Next hop and identifier of the upstream neighbour that isn't there (RFC 5737, RFC 3849).
const UPSTREAM_V4: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
const UPSTREAM_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 1);

/// A transit AS that isn't the router's own.
fn upstream_of(asn: Asn) -> Asn {
    let index = asn.0 as usize % TRANSIT.len();
    let other = |offset: usize| TRANSIT.iter().cycle().nth(index + offset).copied();
    [other(0), other(1)].into_iter().flatten().map(Asn).find(|other| *other != asn).unwrap_or(Asn(64_496))
}

/// Networks that everybody's paths go through.
const TRANSIT: [u32; 12] = [174, 701, 1299, 2914, 3257, 3320, 3356, 3491, 5511, 6453, 6762, 6939];

/// Prefix lengths and how many of a thousand routes have them, roughly as in the tables of 2020 and later.
const IPV4_LENGTHS: [(u8, u64); 13] = [
    (24, 590),
    (23, 95),
    (22, 110),
    (21, 45),
    (20, 45),
    (19, 30),
    (18, 18),
    (17, 12),
    (16, 30),
    (15, 6),
    (14, 5),
    (13, 3),
    (12, 11),
];
const IPV6_LENGTHS: [(u8, u64); 8] =
    [(48, 480), (32, 150), (44, 110), (40, 90), (36, 50), (29, 50), (33, 30), (46, 40)];

/// How many of a thousand paths have so many ASes behind the upstream.
const PATH_LENGTHS: [(u8, u64); 7] = [(0, 5), (1, 130), (2, 330), (3, 300), (4, 150), (5, 60), (6, 25)];

/// Routes of one family, each prefix once. The prefixes depend on `seed` alone, the paths on `first` too.
fn generate(seed: u64, family: Family, count: usize, first: Asn) -> Vec<GeneratedRoute> {
    let is_v6 = family == Family::IPV6_UNICAST;
    let mut prefixes = Random::new(seed ^ if is_v6 { 6 } else { 4 });
    let mut paths = Random::new(seed ^ u64::from(first.0).rotate_left(32));
    let mut seen = BTreeSet::new();
    let mut routes = Vec::new();
    while routes.len() < count.min(MAX_ROUTES) {
        let prefix = if is_v6 { ipv6_prefix(&mut prefixes) } else { ipv4_prefix(&mut prefixes) };
        let Some(prefix) = prefix.filter(|prefix| seen.insert(*prefix)) else { continue };
        let mut as_path = vec![first];
        for hop in 0..weighted(&mut paths, &PATH_LENGTHS) {
            as_path.push(next_as(&mut paths, hop));
        }
        // Some originators prepend themselves to make a path less wanted.
        if let (0, Some(last)) = (paths.below(12), as_path.last().copied()) {
            as_path.extend(std::iter::repeat_n(last, 1 + paths.below(3) as usize));
        }
        let origin = if paths.below(10) == 0 { Origin::Incomplete } else { Origin::Igp };
        let med = (paths.below(8) == 0).then(|| paths.below(200) as u32);
        routes.push(GeneratedRoute { prefix, as_path, origin, med });
    }
    routes
}

/// Near the upstream mostly transit, farther out the 16-bit numbers of the first decades and the 32-bit ones since; no private or reserved
/// number (RFC 6996, RFC 5398).
fn next_as(random: &mut Random, hop: u8) -> Asn {
    let transit = |random: &mut Random| TRANSIT.get(random.below(TRANSIT.len() as u64) as usize).copied();
    Asn(match random.below(10) {
        0..5 if hop == 0 => transit(random).unwrap_or(174),
        0..6 => 1_000 + random.below(62_000) as u32,
        _ => 196_608 + random.below(204_000) as u32,
    })
}

fn weighted(random: &mut Random, table: &[(u8, u64)]) -> u8 {
    let total = table.iter().map(|(_, weight)| weight).sum();
    let mut left = random.below(total);
    for (value, weight) in table {
        match left.checked_sub(*weight) {
            Some(rest) => left = rest,
            None => return *value,
        }
    }
    0
}

/// In the unicast space, outside the blocks that are never routed or that labs use themselves.
fn ipv4_prefix(random: &mut Random) -> Option<Prefix> {
    let len = weighted(random, &IPV4_LENGTHS);
    let [first, second, ..] = (random.next() as u32).to_be_bytes();
    let rest = (random.next() as u32).to_be_bytes();
    let first = 1 + first % 223;
    let special = matches!((first, second), (10 | 100 | 127 | 169 | 192 | 198 | 203, _) | (172, 16..32));
    let address = Ipv4Addr::new(first, second, rest[2], rest[3]);
    Ipv4Prefix::new(address, len).filter(|_| !special).map(Prefix::V4)
}

/// In 2400::/6 and below, where the registries allocate from, but not 2001:db8::/32.
fn ipv6_prefix(random: &mut Random) -> Option<Prefix> {
    let len = weighted(random, &IPV6_LENGTHS);
    let tops: [u128; 5] = [0x2400, 0x2600, 0x2800, 0x2a00, 0x2c00];
    let top = tops.get(random.below(tops.len() as u64) as usize)? | u128::from(random.below(16));
    let bits = (top << 112) | (u128::from(random.next() & 0xffff_ffff_ffff) << 64);
    Ipv6Prefix::new(Ipv6Addr::from_bits(bits), len).map(Prefix::V6)
}

fn family_of(prefix: Prefix) -> Family {
    match prefix {
        Prefix::V4(_) => Family::IPV4_UNICAST,
        Prefix::V6(_) => Family::IPV6_UNICAST,
    }
}

fn nlri(prefix: Prefix) -> Nlri {
    Nlri { path_id: 0, prefix }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_distinct_plausible_and_decided_by_the_seed() {
        let routes = generate(1, Family::IPV4_UNICAST, 5_000, Asn(174));
        assert_eq!(routes.len(), 5_000);
        let prefixes: BTreeSet<Prefix> = routes.iter().map(|route| route.prefix).collect();
        assert_eq!(prefixes.len(), 5_000);
        let long = routes.iter().filter(|route| route.prefix.len() == 24).count();
        assert!((2_500..3_500).contains(&long), "more than half are /24: {long}");
        let hops: usize = routes.iter().map(|route| route.as_path.len()).sum();
        assert!((3 * 5_000..5 * 5_000).contains(&hops), "three to five ASes on average: {hops}");
        assert!(routes.iter().all(|route| route.as_path.first() == Some(&Asn(174))));
        assert_eq!(routes, generate(1, Family::IPV4_UNICAST, 5_000, Asn(174)));
        assert_ne!(routes, generate(2, Family::IPV4_UNICAST, 5_000, Asn(174)));
    }

    #[test]
    fn the_upstream_is_somebody_else() {
        for asn in TRANSIT.into_iter().chain([64_512, 65_001]) {
            assert_ne!(upstream_of(Asn(asn)), Asn(asn));
        }
    }
}
