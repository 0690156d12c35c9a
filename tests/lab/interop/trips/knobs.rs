//! What operators turn, seen from the other side: one session, and our configuration changed under it by SIGHUP.

use super::topology::{BEHIND_THEM, BEHIND_US, listen, raw_line, raw_session};
use super::{OUR_PLAIN, THEIR_PLAIN, section};
use crate::controller::Controller;
use crate::interop::cell::{OUR_AS, OURS, OURS_V6, ROUTES_LIMIT, THEIR_AS, THEIRS, UP_LIMIT, World};
use crate::peer::ours::{number, text};
use crate::peer::raw::{Attributes, Identity};
use crate::peer::{Family, Peer, Route};
use crate::process;
use crate::report::{Fail, Outcome};
use crate::wait;
use std::net::IpAddr;
use std::time::Duration;

/// Of the router behind us: a path through private ASes with a public one between, and one through the daemon's AS.
const PRIVATE: &str = "100.64.3.0/24";
const LOOPED: &str = "100.64.7.0/24";
/// With the community BLACKHOLE.
const BLACK: &str = "100.64.9.9/32";
/// All of these are inside.
const AGGREGATE: &str = "100.64.0.0/16";
/// Of the router behind them: a path through our AS.
const BACK: &str = "100.65.4.0/24";
const PUBLIC_AS: u32 = 3356;
const DEFAULT: &str = "0.0.0.0/0";

/// They answer a refresh this soon: FRR holds what it sends back for up to 30 s (MinRouteAdvertisementInterval).
const REFRESH_LIMIT: Duration = Duration::from_secs(45);

/// What the daemons call the communities, if they don't show numbers.
const SHUTDOWN: [&str; 4] = ["65535:0", "graceful-shutdown", "gracefulShutdown", "GRACEFUL_SHUTDOWN"];
const BLACKHOLE: [&str; 3] = ["65535:666", "blackhole", "BLACKHOLE"];

/// Our section with further keys of `bgp`, and of the daemon as a neighbour.
fn knobs(more: &str, export: &str, neighbor: &str, near: &Identity) -> String {
    let black = "    out:\n";
    let section = section(OUR_AS, "192.0.2.1:179").replace(
        black,
        &format!("    black:\n      - {{ set: {{ communities: {{ add: blackhole }} }}, action: accept }}\n{black}"),
    );
    format!(
        "{section}{more}  neighbors:
    - {{ address: {THEIRS}, asn: {THEIR_AS}, import: accept, export: {export}, next_hop_v6: \"{OURS_V6}\"{neighbor} }}
{}",
        raw_line(near, "")
    )
}

/// The daemon's route to a prefix, once it is what it has to be.
fn theirs(peer: &Peer, prefix: &str, right: impl Fn(Option<&Route>) -> bool) -> Outcome {
    wait::until(ROUTES_LIMIT, || {
        let routes = peer.routes(Family::V4)?;
        let found = routes.iter().find(|route| route.prefix == prefix);
        let seen = found.map_or_else(
            || format!("no {prefix}"),
            |route| {
                format!(
                    "{prefix} path {} next hop {} communities {}",
                    route.path,
                    route.next_hop,
                    route.communities.join(" ")
                )
            },
        );
        if right(found) { Ok(seen) } else { Err(format!("they have {seen}")) }
    })
}

fn path_is(path: String) -> impl Fn(Option<&Route>) -> bool {
    move |route| route.is_some_and(|route| route.path == path)
}

fn has_any<'a>(names: &'a [&'a str]) -> impl Fn(Option<&Route>) -> bool + 'a {
    move |route| route.is_some_and(|route| route.communities.iter().any(|name| names.contains(&name.as_str())))
}

struct Knobs<'w> {
    world: &'w World,
    peer: &'w Peer,
    ours: &'w Controller,
    near: Identity,
}

impl Knobs<'_> {
    /// Another configuration of ours.
    fn turn(&self, more: &str, export: &str, neighbor: &str) -> Result<(), Fail> {
        self.world.hang_up(self.ours, &knobs(more, export, neighbor, &self.near))
    }

    fn neighbor(&self, keys: &str) -> Result<(), Fail> {
        self.turn("", "out", keys)
    }

    fn refresh(&self) -> Outcome {
        let address = THEIRS.to_string();
        let count = |of: &str| -> Result<u64, Fail> {
            let neighbor = self.world.ours.neighbor(&address)?;
            Ok(number(neighbor.get("messages_received").ok_or("no counters")?, of))
        };
        let best = || -> Result<usize, Fail> { Ok(self.world.ours.best(Family::V4)?.len()) };
        let (updates, routes) = (count("update")?, best()?);
        process::run(&self.world.ours.binary, &["bgp", "reset", &address, "--soft", "in"])?;
        let more = wait::until(REFRESH_LIMIT, || {
            let more = count("update")? - updates;
            wait::ensure(more > 0, || "no UPDATE came".to_owned())?;
            Ok(more)
        })?;
        let left = best()?;
        wait::ensure(left == routes, || format!("{left} best routes, not {routes}"))?;
        Ok(format!("{more} UPDATEs"))
    }

    fn private_as(&self) -> Outcome {
        let first = self.near.asn;
        theirs(self.peer, PRIVATE, path_is(format!("{OUR_AS} {first} {PUBLIC_AS} 64999")))?;
        self.neighbor(", private_as: remove")?;
        let removed = theirs(self.peer, PRIVATE, path_is(format!("{OUR_AS} {PUBLIC_AS}")))?;
        self.neighbor(", private_as: replace")?;
        theirs(self.peer, PRIVATE, path_is(format!("{OUR_AS} {OUR_AS} {PUBLIC_AS} {OUR_AS}")))?;
        Ok(removed)
    }

    fn as_override(&self) -> Outcome {
        let looped = format!("{OUR_AS} {} {THEIR_AS}", self.near.asn);
        self.neighbor("")?;
        // Whoever shows what it has refused shows it with the path as it came.
        theirs(self.peer, LOOPED, |route| route.is_none_or(|route| route.path == looped))?;
        self.neighbor(", as_override: true")?;
        theirs(self.peer, LOOPED, path_is(format!("{OUR_AS} {} {OUR_AS}", self.near.asn)))
    }

    fn own_as(&self) -> Outcome {
        let best = |there: bool| {
            wait::until(ROUTES_LIMIT, || {
                let routes = self.world.ours.best(Family::V4)?;
                let found = routes.iter().find(|route| route.prefix == BACK);
                wait::ensure(found.is_some() == there, || format!("{BACK} among the best: {}", found.is_some()))?;
                Ok(found.map_or_else(String::new, |route| route.path.clone()))
            })
        };
        self.neighbor("")?;
        best(false)?;
        self.neighbor(", allow_own_as: 1")?;
        let path = best(true)?;
        self.neighbor("")?;
        best(false)?;
        Ok(format!("path {path}"))
    }

    fn next_hop(&self) -> Outcome {
        let is = |address: String| move |route: Option<&Route>| route.is_some_and(|route| route.next_hop == address);
        theirs(self.peer, PRIVATE, is(OURS.to_string()))?;
        self.neighbor(", next_hop: unchanged")?;
        let seen = theirs(self.peer, PRIVATE, is(BEHIND_US.to_string()))?;
        self.neighbor(", next_hop: self")?;
        theirs(self.peer, PRIVATE, is(OURS.to_string()))?;
        Ok(seen)
    }

    fn default_route(&self) -> Outcome {
        self.neighbor(", default_originate: accept")?;
        let seen = theirs(self.peer, DEFAULT, path_is(OUR_AS.to_string()))?;
        self.neighbor("")?;
        theirs(self.peer, DEFAULT, |route| route.is_none())?;
        Ok(seen)
    }

    fn graceful_shutdown(&self) -> Outcome {
        self.neighbor(", graceful_shutdown: true")?;
        let seen = theirs(self.peer, PRIVATE, has_any(&SHUTDOWN))?;
        theirs(self.peer, OUR_PLAIN, has_any(&SHUTDOWN))?;
        self.neighbor("")?;
        theirs(self.peer, PRIVATE, |route| route.is_some() && !has_any(&SHUTDOWN)(route))?;
        Ok(seen)
    }

    fn blackhole(&self) -> Outcome {
        // It came before the others did, and is best here.
        let best = self.world.ours.best(Family::V4)?;
        wait::ensure(best.iter().any(|route| route.prefix == BLACK), || format!("{BLACK} is not among the best"))?;
        theirs(self.peer, BLACK, |route| route.is_none())?;
        self.turn("", "black", "")?;
        let seen = theirs(self.peer, OUR_PLAIN, has_any(&BLACKHOLE))?;
        theirs(self.peer, BLACK, |route| route.is_none())?;
        self.neighbor("")?;
        theirs(self.peer, OUR_PLAIN, |route| route.is_some() && !has_any(&BLACKHOLE)(route))?;
        Ok(seen)
    }

    fn aggregate(&self) -> Outcome {
        let of = |suppress: bool| format!("  aggregates: [{{ prefix: {AGGREGATE}, suppress: {suppress} }}]\n");
        self.turn(&of(false), "out", "")?;
        let seen = theirs(self.peer, AGGREGATE, path_is(OUR_AS.to_string()))?;
        theirs(self.peer, PRIVATE, |route| route.is_some())?;
        self.turn(&of(true), "out", "")?;
        theirs(self.peer, PRIVATE, |route| route.is_none())?;
        theirs(self.peer, AGGREGATE, path_is(OUR_AS.to_string()))?;
        self.neighbor("")?;
        theirs(self.peer, AGGREGATE, |route| route.is_none())?;
        theirs(self.peer, PRIVATE, |route| route.is_some())?;
        Ok(seen)
    }

    /// The last one: after it the session is down.
    fn limit(&self) -> Outcome {
        let address = THEIRS.to_string();
        let established = number(&self.world.ours.neighbor(&address)?, "established_count");
        wait::ensure(established == 1, || format!("the session came up {established} times: it was to stand"))?;
        self.neighbor(", max_prefixes_sent: 1, max_prefixes_action: drop")?;
        let held = wait::until(ROUTES_LIMIT, || {
            let held = text(&self.world.ours.neighbor(&address)?, "held");
            wait::ensure(held.contains("sent"), || format!("held: {held}"))?;
            Ok(held)
        })?;
        wait::until(UP_LIMIT, || match self.peer.ensure_established(self.peer.session(0)) {
            Ok(()) => Err("they say that the session is up".to_owned()),
            Err(_) => Ok(()),
        })?;
        Ok(held)
    }
}

/// What is turned, and how it is tried.
type Knob = (&'static str, fn(&Knobs<'_>) -> Outcome);

pub(super) fn run(world: &mut World) -> Result<(), Fail> {
    let (near, far) = (Identity::new(BEHIND_US, 65003), Identity::new(BEHIND_THEM, 65004));
    let (near_listener, far_listener) = (listen(world, near)?, listen(world, far)?);
    let mut wish = world.wish(|_| {});
    wish.sessions.push(raw_session(&far));
    let peer = world.start_peer(wish)?;
    let ours = world.start_ours(&knobs("", "out", "", &near))?;
    let mut behind_them = far_listener.accept(IpAddr::V4(THEIRS), UP_LIMIT)?;
    let mut behind_us = near_listener.accept(IpAddr::V4(OURS), UP_LIMIT)?;
    world.wait_up(&peer)?;
    let mut black = Attributes::new(&[near.asn], near.address);
    black.communities = vec![(65535, 666)];
    behind_us.announce(BLACK, &black)?;
    behind_us.announce(LOOPED, &Attributes::new(&[near.asn, THEIR_AS], near.address))?;
    behind_us.announce(PRIVATE, &Attributes::new(&[near.asn, PUBLIC_AS, 64999], near.address))?;
    behind_them.announce(BACK, &Attributes::new(&[far.asn, OUR_AS], far.address))?;
    wait::until(ROUTES_LIMIT, || {
        let best = world.ours.best(Family::V4)?;
        wait::ensure(best.iter().any(|route| route.prefix == THEIR_PLAIN.prefix), || "their routes are not here".into())
    })?;
    let mut outcomes: Vec<(&'static str, Outcome)> = Vec::new();
    let bench = Knobs { world, peer: &peer, ours: &ours, near };
    let knobs: [Knob; 10] = [
        ("refresh of ours", |bench| bench.refresh()),
        // Before others have changed the path through their AS.
        ("AS override", |bench| bench.as_override()),
        ("private AS numbers removed", |bench| bench.private_as()),
        ("own AS allowed", |bench| bench.own_as()),
        ("next hop unchanged", |bench| bench.next_hop()),
        ("default route originated", |bench| bench.default_route()),
        ("graceful shutdown", |bench| bench.graceful_shutdown()),
        ("blackhole", |bench| bench.blackhole()),
        ("aggregation", |bench| bench.aggregate()),
        ("prefix limit on what we send", |bench| bench.limit()),
    ];
    for (feature, check) in knobs {
        if world.wants(feature) {
            outcomes.push((feature, check(&bench)));
        }
    }
    for (feature, outcome) in outcomes {
        world.check(feature, outcome);
    }
    Ok(())
}

/// Toward them we pose as AS 65050.
pub(super) fn local_as(world: &mut World) -> Result<(), Fail> {
    const POSED: u32 = 65050;
    let mut wish = world.wish(|session| {
        session.families = &[Family::V4];
        session.remote_asn = POSED;
    });
    wish.routes.retain(|route| Family::of(route.prefix) == Family::V4);
    let peer = world.start_peer(wish)?;
    let near = Identity::new(BEHIND_US, 65003);
    let config = |more: &str| knobs("", "out", &format!(", local_as: {POSED}{more}"), &near);
    let ours = world.start_ours(&config(""))?;
    let outcome = (|| {
        world.wait_up(&peer)?;
        let behind = theirs(&peer, OUR_PLAIN, path_is(format!("{POSED} {OUR_AS}")))?;
        // What comes from them does not lose it.
        wait::until(ROUTES_LIMIT, || {
            let best = world.ours.best(Family::V4)?;
            let found = best.iter().find(|route| route.prefix == THEIR_PLAIN.prefix);
            let path = found.map(|route| route.path.as_str()).unwrap_or_default();
            wait::ensure(path == format!("{POSED} {THEIR_AS}"), || format!("we have path {path}"))
        })?;
        world.hang_up(&ours, &config(", local_as_replace: true, local_as_prepend: false"))?;
        theirs(&peer, OUR_PLAIN, path_is(POSED.to_string()))?;
        Ok(behind)
    })();
    world.check("another AS toward them", outcome);
    Ok(())
}
