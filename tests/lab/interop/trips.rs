//! The trips: what runs, and what both sides must say then.

mod connect;
mod exchange;
mod knobs;
mod session;
mod topology;
mod trouble;

use super::cell::{OUR_AS, OURS_V6, ROUTES_LIMIT, THEIR_AS, THEIRS, THEIRS_V6, World};
use super::table::Trip;
use crate::peer::route::{Unseen, ensure_all};
use crate::peer::{Announced, Family, Peer, RICH, Route};
use crate::report::Fail;
use crate::wait;

/// What the daemon announces: the first of each family with all attributes.
const THEIR_V4: Announced = Announced { prefix: "198.51.100.0/24", rich: true };
const THEIR_PLAIN: Announced = Announced { prefix: "198.51.101.0/25", rich: false };
const THEIR_V6: Announced = Announced { prefix: "2001:db8:b::/48", rich: true };

/// What we announce; the policy `out` makes the first and the third rich.
const OUR_V4: &str = "203.0.113.0/24";
const OUR_PLAIN: &str = "203.0.114.0/25";
const OUR_V6: &str = "2001:db8:a::/48";

pub fn run(trip: Trip, world: &mut World) -> Result<(), Fail> {
    match trip {
        Trip::Exchange => exchange::run(world),
        Trip::Transit => topology::transit(world),
        Trip::OverIpv6 => session::over_ipv6(world),
        Trip::Md5 => session::md5(world),
        Trip::Ttl => session::ttl(world),
        Trip::AddPath => topology::add_path(world),
        Trip::Restart => trouble::restart(world),
        Trip::RestartOurs => trouble::restart_ours(world),
        Trip::Roles => session::roles(world),
        Trip::Reflection => topology::reflection(world),
        Trip::Confederation => topology::confederation(world),
        Trip::Limits => trouble::limits(world),
        Trip::Connect => connect::run(world),
        Trip::Hold => trouble::hold(world),
        Trip::Flaps => trouble::flaps(world),
        Trip::Knobs => knobs::run(world),
        Trip::LocalAs => knobs::local_as(world),
    }
}

pub fn own_routes() -> Vec<Announced> {
    vec![THEIR_V4, THEIR_PLAIN, THEIR_V6]
}

/// Our `bgp:` section without neighbours: our routes, and the policy that gives them attributes.
fn section(asn: u32, listen: &str) -> String {
    format!(
        "bgp:
  asn: {asn}
  router_id: 192.0.2.1
  listen: \"{listen}\"
  originate: [\"{OUR_V4}\", \"{OUR_PLAIN}\", \"{OUR_V6}\"]
  policies:
    out:
      - match: {{ source: local, prefix: [\"{OUR_V4}\", \"{OUR_V6}\"] }}
        set: {{ med: 77, origin: egp, communities: {{ add: [\"65010:7\", \"4200000001:1:2\", \"rt:65010:9\"] }} }}
        action: accept
      - action: accept
"
    )
}

/// The same with the daemon as the neighbour; `more` are further keys.
fn config(more: &str) -> String {
    format!(
        "{}  neighbors:
    - {{ address: {THEIRS}, asn: {THEIR_AS}, import: accept, export: out, next_hop_v6: \"{OURS_V6}\"{more} }}
",
        section(OUR_AS, "192.0.2.1:179")
    )
}

/// The daemon's routes as they have to arrive over eBGP.
fn their_routes() -> Vec<Route> {
    let path = THEIR_AS.to_string();
    let plain = |prefix: &str, next_hop: String| Route {
        prefix: prefix.into(),
        path: path.clone(),
        origin: "igp".into(),
        next_hop,
        ..Route::default()
    };
    let rich = |prefix: &str, next_hop: String| {
        let (high, low) = RICH.community;
        let (a, b, c) = RICH.large;
        let (asn, value) = RICH.target;
        Route {
            origin: RICH.origin.into(),
            med: Some(RICH.med),
            communities: vec![format!("{high}:{low}")],
            large: vec![format!("{a}:{b}:{c}")],
            extended: vec![format!("rt:{asn}:{value}")],
            ..plain(prefix, next_hop)
        }
    };
    vec![
        rich(THEIR_V4.prefix, THEIRS.to_string()),
        plain(THEIR_PLAIN.prefix, THEIRS.to_string()),
        rich(THEIR_V6.prefix, THEIRS_V6.to_owned()),
    ]
}

/// Ours as they have to arrive over eBGP.
fn our_routes() -> Vec<Route> {
    let path = OUR_AS.to_string();
    let plain = |prefix: &str, next_hop: &str| Route {
        prefix: prefix.into(),
        path: path.clone(),
        origin: "igp".into(),
        next_hop: next_hop.into(),
        ..Route::default()
    };
    let rich = |prefix: &str, next_hop: &str| Route {
        origin: "egp".into(),
        med: Some(77),
        communities: vec!["65010:7".into()],
        large: vec!["4200000001:1:2".into()],
        extended: vec!["rt:65010:9".into()],
        ..plain(prefix, next_hop)
    };
    vec![rich(OUR_V4, "192.0.2.1"), plain(OUR_PLAIN, "192.0.2.1"), rich(OUR_V6, OURS_V6)]
}

fn of_family(routes: Vec<Route>, family: Family) -> Vec<Route> {
    routes.into_iter().filter(|route| Family::of(&route.prefix) == family).collect()
}

/// What we say of the daemon's routes is what they have to be.
fn ours_right(world: &World, from: &str, family: Family, expected: &[Route]) -> Result<String, Fail> {
    let unseen = Unseen { unknown: true, ..Unseen::default() };
    wait::until(ROUTES_LIMIT, || ensure_all(expected, &world.ours.received(from, family)?, unseen))?;
    Ok(format!("{} from them", expected.len()))
}

/// What the daemon says of our routes is what they have to be, and what we say that we have sent.
fn theirs_right(world: &World, peer: &Peer, family: Family, expected: &[Route]) -> Result<String, Fail> {
    let unseen = Unseen { local_pref: true, unknown: true, ..Unseen::default() };
    wait::until(ROUTES_LIMIT, || ensure_all(expected, &peer.routes(family)?, unseen))?;
    let advertised = world.ours.advertised(&peer.session(0).local.to_string(), family)?;
    ensure_all(expected, &advertised, unseen)
        .map_err(|reason| format!("we say to have sent something else: {reason}"))?;
    Ok(format!("{} to them", expected.len()))
}

/// Both ways, both families.
fn exchanged(world: &World, peer: &Peer) -> Result<String, Fail> {
    let from = peer.session(0).local.to_string();
    for family in peer.session(0).families {
        ours_right(world, &from, *family, &of_family(their_routes(), *family))?;
        theirs_right(world, peer, *family, &of_family(our_routes(), *family))?;
    }
    Ok("all routes each way".into())
}
