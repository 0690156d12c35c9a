//! What policy costs: the documentation's policy of twenty statements per attribute set and per prefix, beside a policy that accepts
//! everything and beside a copy of the attributes; and its parts alone.
//!
//! Prints nanoseconds, the median of many rounds. Compare within a run, not between machines.
#![allow(clippy::disallowed_methods)]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use bgp::policy::{AsPathPattern, Evaluation, Policy, PolicyRoute, PolicySession, PrefixPattern, PrefixSet};
use bgp::rib::SourceKind;
use bgp::wire::{AsPath, Asn, Community, Family, NextHop, Origin, PathAttributes};
use controller::config::{Config, TWENTY_STATEMENTS};
use net::Prefix;

const ROUNDS: usize = 201;
/// Different attribute sets, each with [`PREFIXES`] prefixes: about what a full table has.
const SETS: u32 = 2000;
const PREFIXES: u32 = 5;

fn main() {
    let config = Config::parse(TWENTY_STATEMENTS).unwrap_or_else(|problems| panic!("{problems}"));
    let neighbor = config.bgp.and_then(|bgp| bgp.neighbors.into_iter().next()).unwrap_or_else(|| panic!("a neighbour"));
    let session = PolicySession { neighbor: Some(neighbor.address), ..PolicySession::new(Asn(65000), Asn(65001)) };
    let twenty = neighbor.import.bind(&session);
    let routes: Vec<PolicyRoute> = (0..SETS).map(route).collect();
    let sets = routes.len() as f64;

    println!("per attribute set ({SETS} different ones), ns");
    let copied = median(|| routes.iter().for_each(|route| drop(black_box(PathAttributes::clone(&route.attributes)))));
    println!("  a copy of the attributes (floor)   {:8.1}", copied / sets);
    for (name, policy) in [("accept", &Policy::Accept), ("twenty statements", &twenty)] {
        let time = median(|| {
            routes.iter().for_each(|route| drop(black_box(policy.evaluate(SourceKind::External, route.clone()))));
        });
        println!("  {name:34} {:8.1}", time / sets);
    }

    println!("per prefix, ns");
    for (name, policy) in [("accept", &Policy::Accept), ("twenty statements", &twenty)] {
        let evaluations: Vec<Evaluation> =
            routes.iter().map(|route| policy.evaluate(SourceKind::External, route.clone())).collect();
        let time = median(|| {
            for (set, evaluation) in (0..).zip(&evaluations) {
                for number in 0..PREFIXES {
                    black_box(evaluation.verdict(prefix(set * PREFIXES + number)));
                }
            }
        });
        println!("  {name:34} {:8.1}", time / (sets * f64::from(PREFIXES)));
    }

    println!("a prefix in a set, ns");
    for size in [100, 1000, 50_000] {
        let set = PrefixSet::new((0..size).map(|number| PrefixPattern::exact(prefix(number * 3))));
        let time = median(|| {
            for number in 0..10_000 {
                black_box(set.contains(prefix(number * 7 % (size * 3))));
            }
        });
        println!("  of {size:6} prefixes                 {:8.1}", time / 10_000.0);
    }

    println!("an AS-path expression, ns");
    for text in ["^65001_", "_(174|1299|3356)_.+$", "^. .* [64512-65534]"] {
        let pattern: AsPathPattern = text.parse().unwrap_or_else(|error| panic!("{error}"));
        let time = median(|| {
            for route in &routes {
                black_box(pattern.matches(&route.attributes.as_path));
            }
        });
        println!("  {text:34} {:8.1}", time / sets);
    }
}

/// A /24 of public addresses.
fn prefix(number: u32) -> Prefix {
    let bits = 0x0100_0000u32.wrapping_add(number.wrapping_mul(256 * 37));
    Prefix::new(IpAddr::V4(Ipv4Addr::from_bits(bits)), 24).unwrap_or_else(|| panic!("24 is a length"))
}

/// Three to six ASes and up to four communities, different for each number.
fn route(number: u32) -> PolicyRoute {
    let length = 3 + number % 4;
    let path: Vec<Asn> = (0..length).map(|at| if at == 0 { Asn(65001) } else { Asn(2000 + number * 7 + at) }).collect();
    let mut attributes = PathAttributes::new(Origin::Igp, AsPath::sequence(&path));
    attributes.communities = (0..number % 5).map(|at| Community::new(3000 + at as u16, number as u16)).collect();
    attributes.med = Some(number % 3);
    PolicyRoute {
        family: Family::IPV4_UNICAST,
        source: SourceKind::External,
        attributes: Arc::new(attributes),
        next_hop: NextHop::V4(Ipv4Addr::new(192, 0, 2, 2)),
    }
}

/// Nanoseconds that one call takes.
fn median(mut work: impl FnMut()) -> f64 {
    let mut times: Vec<u128> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_nanos()
        })
        .collect();
    times.sort_unstable();
    times.get(ROUNDS / 2).copied().unwrap_or_default() as f64
}
