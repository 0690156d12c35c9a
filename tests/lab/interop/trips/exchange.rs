//! One plain session with everything that needs nothing special.

use super::{THEIR_PLAIN, config, exchanged, of_family, our_routes, ours_right, their_routes, theirs_right};
use crate::interop::cell::{ROUTES_LIMIT, THEIRS, World};
use crate::peer::ours::{number, text};
use crate::peer::{Action, Family, Peer};
use crate::process::STOP_LIMIT;
use crate::report::{Fail, Outcome};
use crate::wait;

/// Their words at the end.
const WORDS: &str = "maintenance-until-noon";

pub(super) fn run(world: &mut World) -> Result<(), Fail> {
    let peer = world.start_peer(world.wish(|_| {}))?;
    let mut ours = world.start_ours(&config(""))?;
    world.wait_up(&peer)?;
    let address = THEIRS.to_string();
    for (feature, family) in [("IPv4 routes both ways", Family::V4), ("IPv6 routes over IPv4", Family::V6)] {
        if !world.wants(feature) {
            continue;
        }
        let outcome = ours_right(world, &address, family, &of_family(their_routes(), family))
            .and_then(|_| theirs_right(world, &peer, family, &of_family(our_routes(), family)));
        world.check(feature, outcome);
    }
    let outcome = four_octet(world, &peer);
    world.check("4-octet AS numbers", outcome);
    for (feature, large) in [("communities", false), ("large communities", true)] {
        let outcome = communities(world, &peer, large);
        world.check(feature, outcome);
    }
    let outcome = withdrawal(world, &peer);
    world.check("withdrawal", outcome);
    if world.wants("route refresh") {
        let outcome = refresh(world, &peer);
        world.check("route refresh", outcome);
    }
    let outcome = shutdown_by_them(world, &peer);
    world.check("shutdown by them, with text", outcome);
    let outcome = (|| {
        ours.terminate()
            .and_then(|(status, _)| wait::ensure(status.success(), || format!("we ended with {status}")))?;
        wait::until(STOP_LIMIT, || peer.adapter.cease_seen(&peer.place, peer.session(0), &peer.daemon.output()))
    })();
    world.check("shutdown by us", outcome);
    Ok(())
}

/// Nobody was taken for AS_TRANS.
fn four_octet(world: &World, peer: &Peer) -> Outcome {
    let neighbor = world.ours.neighbor(&THEIRS.to_string())?;
    let asn = text(&neighbor, "asn");
    wait::ensure(asn == crate::interop::cell::THEIR_AS.to_string(), || format!("they are AS {asn}"))?;
    let routes = peer.routes(Family::V4)?;
    let paths: Vec<&str> = routes.iter().map(|route| route.path.as_str()).collect();
    wait::ensure(paths.iter().all(|path| path.starts_with("4200000001") && !path.contains("23456")), || {
        paths.join(", ")
    })?;
    Ok(format!("AS {asn}, paths {}", paths.join(", ")))
}

/// Those of rich routes have crossed, and the plain route has none.
fn communities(world: &World, peer: &Peer, large: bool) -> Outcome {
    let pick = |route: &crate::peer::Route| {
        if large { route.large.clone() } else { [route.communities.clone(), route.extended.clone()].concat() }
    };
    for (seen, expected) in [
        (world.ours.received(&THEIRS.to_string(), Family::V4)?, their_routes()),
        (peer.routes(Family::V4)?, our_routes()),
    ] {
        for route in expected.iter().filter(|route| Family::of(&route.prefix) == Family::V4) {
            let found =
                seen.iter().find(|other| other.prefix == route.prefix).ok_or_else(|| format!("no {}", route.prefix))?;
            wait::ensure(pick(found) == pick(route), || {
                format!("{}: {:?} and not {:?}", route.prefix, pick(found), pick(route))
            })?;
        }
    }
    Ok(String::new())
}

fn withdrawal(world: &World, peer: &Peer) -> Outcome {
    let has = || -> Result<bool, Fail> {
        Ok(world.ours.received(&THEIRS.to_string(), Family::V4)?.iter().any(|route| route.prefix == THEIR_PLAIN.prefix))
    };
    peer.act(Action::Withdraw(&THEIR_PLAIN))?;
    wait::until(ROUTES_LIMIT, || wait::ensure(!has()?, || "we still have it".into()))?;
    peer.act(Action::Announce(&THEIR_PLAIN))?;
    wait::until(ROUTES_LIMIT, || wait::ensure(has()?, || "we have not got it again".into()))?;
    exchanged(world, peer)
}

/// They ask, we count the question and send everything once more.
fn refresh(world: &World, peer: &Peer) -> Outcome {
    let address = THEIRS.to_string();
    let count = |direction: &str, kind: &str| -> Result<u64, Fail> {
        let neighbor = world.ours.neighbor(&address)?;
        Ok(number(neighbor.get(direction).unwrap_or(&serde_json::Value::Null), kind))
    };
    let (asked, sent) = (count("messages_received", "route_refresh")?, count("messages_sent", "update")?);
    peer.act(Action::Refresh)?;
    wait::until(ROUTES_LIMIT, || {
        let (asked_now, sent_now) = (count("messages_received", "route_refresh")?, count("messages_sent", "update")?);
        wait::ensure(asked_now > asked, || "no ROUTE-REFRESH came".into())?;
        wait::ensure(sent_now > sent, || "we have sent nothing again".into())
    })?;
    exchanged(world, peer)?;
    world.ours.ensure_established(&address)?;
    Ok(format!("{} question(s)", count("messages_received", "route_refresh")? - asked))
}

fn shutdown_by_them(world: &World, peer: &Peer) -> Outcome {
    let address = THEIRS.to_string();
    peer.act(Action::Shutdown(WORDS))?;
    let said = wait::until(ROUTES_LIMIT, || {
        let neighbor = world.ours.neighbor(&address)?;
        let said = text(&neighbor, "last_reset");
        wait::ensure(said.contains(WORDS), || format!("we say: {said}"))?;
        let left = world.ours.best(Family::V4)?.len();
        wait::ensure(left == 2, || format!("we have {left} routes, not our own two"))?;
        Ok(said)
    })?;
    peer.act(Action::Enable)?;
    world.wait_up(peer)?;
    exchanged(world, peer)?;
    Ok(said)
}
