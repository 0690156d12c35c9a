//! Who connects: they, we, or both; and many pairs that do so at the same moment.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::section;
use crate::interop::cell::{OUR_AS, ROUTES_LIMIT, THEIR_AS, UP_LIMIT, World};
use crate::peer::ours::number;
use crate::peer::{Family, NAMESPACE, Peer, Session};
use crate::process;
use crate::report::{Fail, Outcome};
use crate::wait;

/// Pairs of addresses: the first is for “they connect”, the second for “we connect”, the others for “both”.
const PAIRS: u8 = 10;

/// Time for segments that got lost to be sent again: 1 s, 2 s, 4 s.
const RESEND_LIMIT: Duration = Duration::from_secs(12);

fn ours(pair: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, 101 + pair)
}

fn theirs(pair: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, 201 + pair)
}

/// While blocked, packets go out to an address that nobody has: connections hang in their first segment on both sides. It takes a moment when
/// both sides have open connections to provoke collisions, and the daemon is stopped for it.
fn block(on: bool) -> Result<(), Fail> {
    for pair in 0..PAIRS {
        for (to, inside) in [(theirs(pair), false), (ours(pair), true)] {
            let to = to.to_string();
            let mut arguments: Vec<&str> = if inside { vec!["-n", NAMESPACE] } else { vec![] };
            arguments.extend(["neigh", if on { "replace" } else { "del" }, &to, "dev", "veth0"]);
            if on {
                arguments.extend(["lladdr", "02:00:00:00:00:99", "nud", "permanent"]);
            }
            process::run("ip", &arguments)?;
        }
    }
    Ok(())
}

/// Connections of ours with remote port 179 (`true`) or theirs with ours, in a state.
fn connections(state: &str, inside: bool) -> Result<usize, Fail> {
    let words = ["ss", "-Htn", "state", state, "( dport = :179 )"];
    let said = if inside { crate::peer::inside(&words)? } else { process::run(words[0], &words[1..])? };
    Ok(said.lines().count())
}

pub(super) fn run(world: &mut World) -> Result<(), Fail> {
    let mut text = section(OUR_AS, "0.0.0.0:179") + "  neighbors:\n";
    let mut wish = world.wish(|_| {});
    wish.sessions.clear();
    for pair in 0..PAIRS {
        world.add_our_address(ours(pair))?;
        world.add_their_address(theirs(pair))?;
        let mode = match pair {
            0 => ", passive: true",
            1 => ", active: true",
            _ => "",
        };
        let _ = writeln!(
            text,
            "    - {{ address: {}, local_address: {}, asn: {THEIR_AS}, import: accept, export: out, families: [ipv4-unicast]{mode} }}",
            theirs(pair),
            ours(pair)
        );
        let mut session = Session::new(IpAddr::V4(theirs(pair)), IpAddr::V4(ours(pair)), OUR_AS);
        session.families = &[Family::V4];
        session.passive = pair == 1;
        wish.sessions.push(session);
    }
    block(true)?;
    let peer = world.start_peer(wish)?;
    let _ours = world.start_ours(&text)?;
    // All of ours have called, but the passive one. Theirs make pauses between short calls: some are enough.
    let called = usize::from(PAIRS) - 1;
    wait::until(UP_LIMIT, || {
        let (mine, others) = (connections("syn-sent", false)?, connections("syn-sent", true)?);
        wait::ensure(mine >= called && others >= called / 2, || {
            format!("{mine} calls of ours and {others} of theirs are under way")
        })
    })?;
    peer.signal_all("STOP")?;
    let both_open = block(false).and_then(|()| {
        wait::until(RESEND_LIMIT, || {
            let (mine, others) = (connections("established", false)?, connections("established", true)?);
            wait::ensure(mine >= called && others >= called / 2, || {
                format!("{mine} connections of ours and {others} of theirs are open")
            })?;
            Ok((mine, others))
        })
    });
    peer.signal_all("CONT")?;
    for (feature, pair) in [("they connect", 0), ("we connect", 1), ("both connect", 2)] {
        let outcome = up(world, &peer, pair);
        world.check(feature, outcome);
    }
    let outcome = both_open.and_then(|open| collisions(world, &peer, open));
    world.check("collisions", outcome);
    Ok(())
}

fn up(world: &World, peer: &Peer, pair: u8) -> Outcome {
    world.wait_session_up(peer, usize::from(pair))?;
    wait::until(ROUTES_LIMIT, || {
        // A daemon may show those, too, which have come back to it from us and are of no use to it.
        let got = peer.adapter.routes(&peer.place, peer.session(usize::from(pair)), Family::V4)?;
        let own = got.iter().filter(|route| route.path == OUR_AS.to_string()).count();
        wait::ensure(own == 2, || format!("they have {own} routes of ours, not two"))?;
        let from = theirs(pair).to_string();
        let got = world.ours.received(&from, Family::V4)?;
        let own = got.iter().filter(|route| route.path == THEIR_AS.to_string()).count();
        wait::ensure(own == 2, || format!("we have {own} routes of theirs, not two"))
    })?;
    Ok(String::new())
}

/// Each pair is up on one connection, and has come up once.
fn collisions(world: &World, peer: &Peer, (mine, others): (usize, usize)) -> Outcome {
    let mut lost = 0;
    // One side may be Established a moment before the other looks at the second connection: then each closes another one (RFC 4271 §6.8 says
    // so), and the second attempt is it. FRR 8.4 may also lose the address families on the way, and starts again by itself.
    const MOST: u64 = 2;
    for pair in 2..PAIRS {
        up(world, peer, pair)?;
        let neighbor = world.ours.neighbor(&theirs(pair).to_string())?;
        let established = number(&neighbor, "established_count");
        wait::ensure((1..=MOST).contains(&established), || {
            format!("{} has come up {established} times", theirs(pair))
        })?;
        lost += number(&neighbor, "collisions");
    }
    wait::until(ROUTES_LIMIT, || {
        let left = connections("established", false)? + connections("established", true)?;
        wait::ensure(left == usize::from(PAIRS), || format!("{left} connections are left for {PAIRS} sessions"))
    })?;
    Ok(format!("{mine} + {others} connections for {PAIRS} sessions, {lost} lost by us"))
}
