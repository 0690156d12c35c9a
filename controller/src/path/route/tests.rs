//! Routes against a list of all ways that come by no switch twice, and against networkx.

use std::collections::BTreeSet;
use std::time::Duration;

use net::{DatapathId, PortId, PortNo, Time};
use proptest::prelude::*;
use topology::{Link, Network, Switch};

use super::super::{LinkAttributes, Metric, Weights};
use super::*;

mod networkx;

/// Ends, cost, milliseconds, kbit/s, risk. The last three are not known where they are 0.
type Spec = (u64, u64, u32, u64, u64, u32);

const FROM: DatapathId = DatapathId(1);
const TO: DatapathId = DatapathId(2);

fn port(id: u64, n: u32) -> PortId {
    PortId::new(DatapathId(id), PortNo(n))
}

/// Link `n` of the list is at port `n`, from 1, of both its switches.
fn database(switches: u64, links: &[Spec], drained: u64) -> TrafficDatabase {
    let (mut network, mut weights) = (Network::default(), Weights::new(Metric::Cost));
    (1..=switches).for_each(|id| drop(network.switches.insert(DatapathId(id), Switch::default())));
    for (n, &(a, b, cost, ms, kbps, risk)) in (1..).zip(links) {
        for (source, target) in [(port(a, n), port(b, n)), (port(b, n), port(a, n))] {
            network.links.insert(source, Link { source, target, since: Time::ZERO });
            let known = LinkAttributes {
                to: None,
                cost: Some(cost),
                latency: (ms > 0).then(|| Duration::from_millis(ms)),
                bandwidth_kbps: (kbps > 0).then_some(kbps),
                risks: (risk > 0).then_some(risk).into_iter().collect(),
                drained: false,
            };
            weights.links.insert(source, known);
        }
    }
    weights.drained.insert(DatapathId(drained));
    TrafficDatabase::new(&network, &weights)
}

/// Every way that comes by no switch twice, as edges.
fn all(database: &TrafficDatabase) -> Vec<Vec<usize>> {
    let (from, to) = (database.number(FROM).unwrap(), database.number(TO).unwrap());
    let (mut found, mut open) = (Vec::new(), vec![(from, Vec::<usize>::new())]);
    while let Some((at, way)) = open.pop() {
        if at == to {
            found.push(way);
            continue;
        }
        if at != from && database.is_drained(at) {
            continue;
        }
        for (number, edge) in database.out(at) {
            if edge.to != from && !way.iter().any(|&by| database.edges[by].to == edge.to) {
                open.push((edge.to, [way.clone(), vec![number]].concat()));
            }
        }
    }
    found
}

/// Whether a way passes what is to be passed, one after the other.
fn passes(database: &TrafficDatabase, way: &[usize], include: &[Part]) -> bool {
    let mut seen = vec![Part::Switch(FROM)];
    for &by in way {
        let edge = &database.edges[by];
        seen.extend([Part::Link(edge.source), Part::Switch(edge.target.datapath_id)]);
    }
    let mut at = seen.iter();
    include.iter().all(|part| {
        at.any(|seen| match (part, seen) {
            (Part::Link(port), Part::Link(source)) => {
                port == source || database.edge(*source).is_some_and(|edge| edge.target == *port)
            }
            _ => part == seen,
        })
    })
}

fn keeps(database: &TrafficDatabase, way: &[usize], constraints: &Constraints) -> bool {
    let Constraints { avoid_switches, avoid_links, avoid_risks, .. } = constraints;
    let edges = || way.iter().map(|&by| &database.edges[by]);
    let latency = edges().map(|edge| edge.latency).sum::<Option<Duration>>();
    edges().all(|edge| {
        constraints.min_bandwidth_kbps.is_none_or(|least| edge.free_kbps().is_some_and(|free| free >= least))
            && !avoid_switches.contains(&edge.target.datapath_id)
            && !avoid_links.contains(&edge.source)
            && !avoid_links.contains(&edge.target)
            && edge.risks.is_disjoint(avoid_risks)
    }) && constraints.max_latency.is_none_or(|most| latency.is_some_and(|latency| latency <= most))
        && passes(database, way, &constraints.include)
}

fn specs() -> impl Strategy<Value = Vec<Spec>> {
    let spec = (1..7u64, 1..7u64, 1..6u32, 0..6u64, 0..5u64, 0..5u32);
    proptest::collection::vec(spec.prop_filter("a link joins two switches", |spec| spec.0 != spec.1), 1..12)
}

prop_compose! {
    fn constraints()(
        least in proptest::option::of(1..5u64), most in proptest::option::of(0..14u64), switch in proptest::option::of(3..7u64),
        avoided in proptest::option::of(1..12u32), risk in proptest::option::of(1..5u32),
        include in proptest::collection::vec((any::<bool>(), 1..7u64), 0..3),
    ) -> (Constraints, Option<u32>, Vec<(bool, u64)>) {
        let constraints = Constraints {
            min_bandwidth_kbps: least,
            max_latency: most.map(Duration::from_millis),
            avoid_switches: switch.map(DatapathId).into_iter().collect(),
            avoid_risks: risk.into_iter().collect(),
            ..Constraints::default()
        };
        (constraints, avoided, include)
    }
}

/// With the links that are meant by their numbers.
fn filled(drawn: (Constraints, Option<u32>, Vec<(bool, u64)>), links: &[Spec]) -> Constraints {
    let (constraints, avoided, include) = drawn;
    let link = |n: u32| links.get(n as usize - 1).map(|link| port(link.0, n));
    let include = include.into_iter().filter_map(|(is_link, n)| match is_link {
        true => Some(Part::Link(link(n as u32)?)),
        false => Some(Part::Switch(DatapathId(n))),
    });
    let mut include: Vec<Part> = include.collect();
    include.dedup();
    Constraints { avoid_links: avoided.and_then(link).into_iter().collect(), include, ..constraints }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// The cheapest of all ways that keep to the constraints; and where there is none, the reason is true.
    #[test]
    fn a_constrained_route_is_the_cheapest_of_all_that_fit(links in specs(), drained in 0..8u64, drawn in constraints()) {
        let database = database(6, &links, drained);
        let constraints = filled(drawn, &links);
        let ways = all(&database);
        let fitting = ways.iter().filter(|way| keeps(&database, way, &constraints));
        let best = fitting.map(|way| database.sum(way).cost).min();
        match database.route(FROM, TO, &constraints) {
            Ok(route) => {
                prop_assert_eq!(Some(route.cost), best);
                let mine = ways.iter().find(|way| database.sum(way) == route);
                prop_assert!(mine.is_some_and(|way| keeps(&database, way, &constraints)), "{:?}", route);
            }
            Err(reason) => {
                prop_assert_eq!(best, None, "{}", &reason);
                let with = |change: &dyn Fn(&mut Constraints)| {
                    let mut other = constraints.clone();
                    change(&mut other);
                    ways.iter().any(|way| keeps(&database, way, &other))
                };
                let none = Constraints::default;
                match reason {
                    NoRoute::Parted { .. } | NoRoute::Drained(_) if constraints.include.is_empty() => prop_assert!(ways.is_empty()),
                    NoRoute::Parted { .. } => prop_assert!(ways.is_empty()),
                    NoRoute::Drained(_) | NoRoute::Avoided(_) => {}
                    NoRoute::Bandwidth { free_kbps, .. } => {
                        let fits = |kbps| with(&|other| {
                            (other.min_bandwidth_kbps, other.max_latency) = (Some(kbps), None);
                            other.include = none().include;
                        });
                        prop_assert!(!fits(free_kbps.unwrap_or(0) + 1), "no more than that");
                        prop_assert!(free_kbps.is_none_or(fits), "and that much");
                    }
                    NoRoute::Include(_) | NoRoute::LatencyUnknown(_) => {
                        prop_assert!(with(&|other| (other.include, other.max_latency) = (none().include, None)));
                    }
                    NoRoute::Latency { fastest, .. } => {
                        prop_assert!(with(&|other| other.max_latency = Some(fastest)));
                        let faster = fastest.checked_sub(Duration::from_nanos(1));
                        prop_assert!(faster.is_none_or(|faster| !with(&|other| other.max_latency = Some(faster))));
                    }
                    other => prop_assert!(false, "{other:?}"),
                }
            }
        }
    }

    #[test]
    fn the_k_shortest_are_the_cheapest_of_all_ways_that_fit(
        links in specs(), drained in 0..8u64, k in 1..12usize, drawn in constraints(),
    ) {
        let database = database(6, &links, drained);
        let constraints = filled(drawn, &links);
        let mut ways: Vec<Route> =
            all(&database).iter().filter(|way| keeps(&database, way, &constraints)).map(|way| database.sum(way)).collect();
        ways.sort();
        match database.k_shortest(FROM, TO, k, &constraints) {
            Ok(routes) => {
                let costs = |routes: &[Route]| routes.iter().map(|route| route.cost).collect::<Vec<_>>();
                prop_assert_eq!(costs(&routes), costs(&ways[..k.min(ways.len())]));
                prop_assert_eq!(routes.iter().collect::<BTreeSet<_>>().len(), routes.len(), "each once");
                prop_assert!(routes.iter().all(|route| ways.contains(route)));
            }
            Err(_) => prop_assert!(ways.is_empty()),
        }
    }

    #[test]
    fn two_disjoint_routes_are_the_cheapest_such_pair(
        links in specs(), drained in 0..8u64, kind in 0..3usize, drawn in constraints(),
    ) {
        let kind = [Disjoint::Links, Disjoint::Switches, Disjoint::Risks][kind];
        let database = database(6, &links, drained);
        let constraints = Constraints { include: Vec::new(), ..filled(drawn, &links) };
        let apart = |one: &[usize], other: &[usize]| {
            let edges = |way: &[usize]| way.iter().map(|&by| database.edges[by].clone()).collect::<Vec<_>>();
            let ports = |way| edges(way).iter().flat_map(|edge| [edge.source, edge.target]).collect::<BTreeSet<_>>();
            let inner = |way| edges(way).iter().map(|edge| edge.target.datapath_id).filter(|id| *id != TO).collect::<BTreeSet<_>>();
            let risks = |way| edges(way).iter().flat_map(|edge| edge.risks.clone()).collect::<BTreeSet<_>>();
            ports(one).is_disjoint(&ports(other))
                && (kind != Disjoint::Switches || inner(one).is_disjoint(&inner(other)))
                && (kind != Disjoint::Risks || risks(one).is_disjoint(&risks(other)))
        };
        let ways: Vec<_> = all(&database).into_iter().filter(|way| keeps(&database, way, &constraints)).collect();
        let pairs = ways.iter().flat_map(|one| ways.iter().map(move |other| (one, other))).filter(|(one, other)| apart(one, other));
        let best = pairs.map(|(one, other)| database.sum(one).cost + database.sum(other).cost).min();
        match database.disjoint(FROM, TO, kind, &constraints) {
            Ok(DisjointPair { routes: [one, other], is_cheapest }) => {
                prop_assert_eq!(Some(one.cost + other.cost), best);
                prop_assert!(is_cheapest);
                let found = |route: &Route| ways.iter().find(|way| database.sum(way) == *route).cloned();
                prop_assert!(apart(&found(&one).unwrap(), &found(&other).unwrap()));
            }
            Err(reason) => {
                prop_assert_eq!(best, None);
                prop_assert_ne!(reason, NoRoute::Undecided);
            }
        }
    }

    /// Whatever is asked for and lost: no link has more set aside than it has, what is set aside is what the routes say, and what follows is what is admitted
    /// anew.
    #[test]
    fn nothing_is_ever_set_aside_twice_and_a_ledger_that_follows_is_one_made_anew(
        links in specs(), asked in proptest::collection::vec((1..7u64, 1..7u64, 1..5u64, 0..6u8, 0..8u64), 0..10),
        steps in proptest::collection::vec((any::<u16>(), 0..7u64, 0..3usize), 1..8),
    ) {
        let requests: Vec<Request> = asked
            .iter()
            .map(|&(from, to, bandwidth_kbps, kind, ms)| Request {
                from: DatapathId(from),
                to: DatapathId(to),
                bandwidth_kbps,
                constraints: Constraints { max_latency: (ms > 2).then(|| Duration::from_millis(ms)), ..Constraints::default() },
                disjoint: [Disjoint::Links, Disjoint::Switches, Disjoint::Risks].get(usize::from(kind)).copied(),
            })
            .collect();
        let mut ledger = Ledger::admit(database(6, &links, 0), requests.clone());
        for (lost, drained, fewer) in steps {
            // Numbers of ports go by places in the list: a link that is gone leads nowhere.
            let left = |n: usize| lost >> n & 1 == 0;
            let specs: Vec<Spec> = links.iter().enumerate().map(|(n, link)| if left(n) { *link } else { (7, 8, 1, 1, 1, 0) }).collect();
            let requests = requests[..requests.len() - fewer.min(requests.len())].to_vec();
            let network = || database(6, &specs, drained);
            ledger.follow(network(), requests.clone());
            let anew = Ledger::admit(network(), requests);
            prop_assert_eq!(ledger.answers().collect::<Vec<_>>(), anew.answers().collect::<Vec<_>>());
            for (port, reserved, bandwidth) in ledger.load() {
                let on = |routes: &Vec<Route>| routes.iter().flat_map(|route| &route.links).filter(|link| link.0 == port).count() as u64;
                let sum: u64 =
                    ledger.answers().map(|(request, found)| found.as_ref().map_or(0, on) * request.bandwidth_kbps).sum();
                prop_assert_eq!(sum, reserved, "{}", port);
                prop_assert!(reserved <= bandwidth.unwrap_or(0), "{}", port);
            }
        }
    }
}

#[test]
fn a_lost_link_moves_those_that_lie_on_it_and_leaves_those_before_them() {
    let links = [(1, 2, 1, 1, 10, 0), (1, 3, 1, 1, 10, 0), (3, 2, 1, 1, 10, 0)];
    let request = |from, to, bandwidth_kbps| Request {
        from: DatapathId(from),
        to: DatapathId(to),
        bandwidth_kbps,
        constraints: Constraints::default(),
        disjoint: None,
    };
    let requests = vec![request(1, 3, 4), request(1, 2, 6), request(1, 2, 5), request(1, 2, 4)];
    let mut ledger = Ledger::admit(database(3, &links, 0), requests.clone());
    let hops = |ledger: &Ledger| -> Vec<Option<usize>> {
        ledger.answers().map(|(_, found)| found.as_ref().ok().map(|routes| routes[0].links.len())).collect()
    };
    assert_eq!(hops(&ledger), [Some(1), Some(1), Some(2), Some(1)]);
    let kept = ledger.follow(database(3, &[(4, 5, 1, 1, 1, 0), links[1], links[2]], 0), requests.clone());
    assert_eq!((kept, hops(&ledger)), (1, vec![Some(1), Some(2), None, None]));
    assert_eq!(ledger.follow(database(3, &links, 0), requests.clone()), 0, "one that is new may be better for all");
    assert_eq!(ledger.follow(database(3, &links, 0), requests.clone()), 4);
    let disjoint = Request { disjoint: Some(Disjoint::Links), ..request(1, 2, 1) };
    assert_eq!(ledger.follow(database(3, &links, 0), [requests, vec![disjoint]].concat()), 4);
    let (_, pair) = ledger.answers().last().unwrap();
    assert_eq!(pair, &Err(NoRoute::NotDisjoint(Some(Part::Link(port(1, 2))))), "the direct link is full");
}

#[test]
fn reasons_name_what_would_have_to_change() {
    let links = [(1, 3, 1, 2, 1_000, 1), (3, 2, 1, 3, 4_000, 2), (4, 5, 1, 1, 9, 3)];
    let text = |drained, to, constraints: Constraints| {
        database(6, &links, drained).route(FROM, DatapathId(to), &constraints).unwrap_err().text(
            &|id| format!("s{}", id.0),
            &|port| format!("s{}:{}", port.datapath_id.0, port.port_no),
            &|risk| risk.to_string(),
        )
    };
    let none = Constraints::default;
    let avoid = Constraints { avoid_switches: BTreeSet::from([DatapathId(3)]), ..none() };
    let risk = Constraints { avoid_risks: BTreeSet::from([2]), ..none() };
    let wide = Constraints { min_bandwidth_kbps: Some(2_000), ..none() };
    let fast = Constraints { max_latency: Some(Duration::from_micros(4_500)), ..none() };
    let over = Constraints { include: vec![Part::Switch(DatapathId(4))], ..none() };
    assert_eq!(text(0, 9, none()), "switch s9 is not in the network");
    assert_eq!(
        text(0, 4, none()),
        "s1 and s4 are in different parts of the network: s1's part has 3 switches, s4's has 2 switches"
    );
    assert_eq!(text(3, 2, none()), "switch s3 is drained, and no way leads around drained switches");
    assert_eq!(text(0, 2, avoid), "each way passes what is to be avoided; the cheapest one switch s3");
    assert_eq!(text(0, 2, risk), "each way passes what is to be avoided; the cheapest one risk group 2");
    assert_eq!(text(0, 2, wide), "the most that a way has free is 1 Mbit/s (at s1:1), under the 2 Mbit/s asked");
    assert_eq!(text(0, 2, fast), "best latency is 5 ms, over the 4.5 ms asked");
    assert_eq!(text(0, 2, over), "no way passes switch s4 in the order asked without coming by a switch twice");
    let pair = database(6, &links, 0).disjoint(FROM, TO, Disjoint::Links, &none());
    assert_eq!(pair, Err(NoRoute::NotDisjoint(Some(Part::Link(port(1, 1))))));
}
