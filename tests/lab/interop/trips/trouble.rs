//! Sessions that end, in every way.

use std::time::{Duration, Instant};

use super::{OUR_V4, THEIR_V4, config, exchanged, section};
use crate::interop::cell::{OUR_AS, OURS_V6, ROUTES_LIMIT, THEIR_AS, THEIRS, UP_LIMIT, World};
use crate::peer::ours::{number, text};
use crate::peer::{Action, Family, Peer, RESTARTED, Session};
use crate::process::Daemon;
use crate::report::{Fail, Outcome};
use crate::wait;

/// What is left of a hold time of three seconds, with what a loaded machine takes.
const HOLD_LIMIT: Duration = Duration::from_secs(12);

/// Their routes are there and best.
fn theirs_best(world: &World) -> Result<(), Fail> {
    let best = world.ours.best(Family::V4)?;
    wait::ensure(best.iter().any(|route| route.prefix == THEIR_V4.prefix), || format!("{} is gone", THEIR_V4.prefix))
}

/// The daemon is killed without a word and started again.
pub(super) fn restart(world: &mut World) -> Result<(), Fail> {
    let mut peer = world.start_peer(world.wish(|session| session.graceful_restart = true))?;
    let _ours = world.start_ours(&config(", graceful_restart: help"))?;
    world.wait_up(&peer)?;
    exchanged(world, &peer)?;
    let address = THEIRS.to_string();
    let outcome = (|| {
        peer.kill()?;
        wait::until(ROUTES_LIMIT, || {
            theirs_best(world)?;
            let neighbor = world.ours.neighbor(&address)?;
            wait::ensure(text(&neighbor, "retained") == "true", || "we do not say that we keep their routes".into())
        })?;
        let away = Instant::now();
        // What it takes to see a restart for what it is.
        std::fs::write(peer.place.run.join(RESTARTED), "").map_err(|error| error.to_string())?;
        peer = {
            let (adapter, logs, wish) = (peer.adapter, peer.place.logs.clone(), peer.wish.clone());
            Peer::start(adapter, &logs, wish)?
        };
        wait::until(UP_LIMIT + UP_LIMIT, || {
            theirs_best(world).map_or_else(|gone| Ok(Err(gone)), |()| world.ours.ensure_established(&address).map(Ok))
        })??;
        // End-of-RIB ends it: nothing old is left.
        wait::until(UP_LIMIT + UP_LIMIT, || {
            theirs_best(world).map_or_else(
                |gone| Ok(Err(gone)),
                |()| {
                    let neighbor = world.ours.neighbor(&address)?;
                    wait::ensure(text(&neighbor, "retained") == "false", || "their old routes are still kept".into())
                        .map(Ok)
                },
            )
        })??;
        exchanged(world, &peer)?;
        Ok(format!("away for {:.1} s, {} never missing", away.elapsed().as_secs_f64(), THEIR_V4.prefix))
    })();
    world.check("graceful restart of theirs", outcome);
    Ok(())
}

/// We are killed without a word and started again.
pub(super) fn restart_ours(world: &mut World) -> Result<(), Fail> {
    // They wait: BIRD drops what it keeps when the connection that loses a collision is closed by a NOTIFICATION.
    let waits = |session: &mut Session| {
        session.graceful_restart = true;
        session.passive = true;
    };
    let peer = world.start_peer(world.wish(waits))?;
    let mut ours = world.start_ours(&config(", graceful_restart: restart, restart_time: 60s"))?;
    world.wait_up(&peer)?;
    exchanged(world, &peer)?;
    let kept = || -> Result<(), Fail> {
        let routes = peer.routes(Family::V4)?;
        wait::ensure(routes.iter().any(|route| route.prefix == OUR_V4), || format!("{OUR_V4} is gone from them"))
    };
    let outcome = (|| {
        ours.kill();
        wait::until(ROUTES_LIMIT, || {
            kept().map_or_else(
                |gone| Ok(Err(gone)),
                |()| match peer.ensure_established(peer.session(0)) {
                    Ok(()) => Err("they have not noticed that we are gone".to_owned()),
                    Err(_) => Ok(Ok(())),
                },
            )
        })??;
        let away = Instant::now();
        ours.start_again()?;
        wait::until(UP_LIMIT + UP_LIMIT, || {
            kept().map_or_else(|gone| Ok(Err(gone)), |()| world.ours.ensure_established(&THEIRS.to_string()).map(Ok))
        })??;
        let away = away.elapsed().as_secs_f64();
        kept()?;
        exchanged(world, &peer)?;
        Ok(format!("away for {away:.1} s, {OUR_V4} never missing"))
    })();
    world.check("graceful restart of ours", outcome);
    Ok(())
}

/// Three IPv4 and IPv6 routes come and go; the limits are below that.
pub(super) fn limits(world: &mut World) -> Result<(), Fail> {
    let mut peer = world.start_peer(world.wish(|_| {}))?;
    let mut ours = world.start_ours(&config(", max_prefixes: 1, max_prefixes_action: drop"))?;
    let address = THEIRS.to_string();
    let outcome = wait::until(UP_LIMIT, || {
        let neighbor = world.ours.neighbor(&address)?;
        let held = text(&neighbor, "held");
        wait::ensure(!held.is_empty() && held != "null", || {
            format!("{}: {}", text(&neighbor, "state"), text(&neighbor, "last_error"))
        })?;
        let left = world.ours.best(Family::V4)?.len();
        wait::ensure(left == 2, || format!("{left} routes, not our own two"))?;
        Ok(held)
    });
    world.check("prefix limit of ours", outcome);
    ours.kill();
    peer.kill()?;
    peer = world.start_peer(world.wish(|session| session.max_prefixes = Some(1)))?;
    // FRR looks at the count when the next UPDATE comes: more than two of them.
    let many = config("").replace("originate: [", "originate: [\"203.0.115.0/24\", \"203.0.116.0/24\", ");
    let _ours = world.start_ours(&many)?;
    let outcome = wait::until(UP_LIMIT, || {
        let neighbor = world.ours.neighbor(&address)?;
        let said = format!("{} {}", text(&neighbor, "last_reset"), text(&neighbor, "last_error"));
        let cease =
            said.contains("received") && (said.contains("aximum") || said.contains("refix") || said.contains("ease"));
        wait::ensure(cease, || format!("we say: {said}"))?;
        Ok(text(&neighbor, "last_reset"))
    });
    world.check("prefix limit of theirs", outcome);
    drop(peer);
    Ok(())
}

/// Each side in turn is stopped for longer than the hold time.
pub(super) fn hold(world: &mut World) -> Result<(), Fail> {
    let peer = world.start_peer(world.wish(|session| session.hold_time = 3))?;
    let text_of = format!(
        "http: {{ listen: \"{}\" }}\n{}  neighbors:\n    - {{ address: {THEIRS}, asn: {THEIR_AS}, import: accept, export: out, hold_time: 3s, next_hop_v6: \"{OURS_V6}\" }}\n",
        crate::controller::HTTP,
        section(OUR_AS, "192.0.2.1:179")
    );
    let file = peer.place.logs.join("hold.yaml");
    std::fs::write(&file, text_of).map_err(|error| error.to_string())?;
    let ours = Daemon::start(&peer.place.logs, "trunkline", &[&world.ours.binary, "run", &file.display().to_string()])?;
    let outcome = hold_checks(world, &peer, &ours);
    world.check("hold timer", outcome);
    Ok(())
}

fn hold_checks(world: &World, peer: &Peer, ours: &Daemon) -> Outcome {
    let address = THEIRS.to_string();
    world.wait_up(peer)?;
    exchanged(world, peer)?;
    peer.signal_all("STOP")?;
    let stopped = Instant::now();
    let seen = wait::until(HOLD_LIMIT, || {
        let neighbor = world.ours.neighbor(&address)?;
        let said = text(&neighbor, "last_reset");
        wait::ensure(said.to_lowercase().contains("hold timer"), || {
            format!("we say: {} ({said})", text(&neighbor, "state"))
        })?;
        let left = world.ours.best(Family::V4)?.len();
        wait::ensure(left == 2, || format!("{left} routes, not our own two"))
    });
    let after = stopped.elapsed().as_secs_f64();
    peer.signal_all("CONT")?;
    seen?;
    world.wait_up(peer)?;
    exchanged(world, peer)?;
    ours.signal("STOP")?;
    let seen = wait::until(HOLD_LIMIT, || match peer.ensure_established(peer.session(0)) {
        Ok(()) => Err("they have not noticed that we are stopped".to_owned()),
        Err(state) => Ok(state),
    });
    ours.signal("CONT")?;
    let state = seen?;
    world.wait_up(peer)?;
    exchanged(world, peer)?;
    Ok(format!("we noticed after {after:.1} s; {state}"))
}

/// They reset the session many times.
pub(super) fn flaps(world: &mut World) -> Result<(), Fail> {
    let count = world.mode.pick(3, 30);
    let peer = world.start_peer(world.wish(|_| {}))?;
    // Many in a row would have us wait for minutes, as it should be.
    let _ours = world.start_ours(&config(world.mode.pick("", ", damp_oscillations: false")))?;
    let address = THEIRS.to_string();
    let outcome = (|| {
        world.wait_up(&peer)?;
        for flap in 1..=count {
            let established = number(&world.ours.neighbor(&address)?, "established_count");
            peer.act(Action::Reset)?;
            wait::until(UP_LIMIT + UP_LIMIT, || {
                let now = number(&world.ours.neighbor(&address)?, "established_count");
                wait::ensure(now > established, || format!("after reset {flap} the session is not back"))?;
                world.ours.ensure_established(&address)
            })?;
        }
        exchanged(world, &peer)?;
        Ok(format!("{count} resets"))
    })();
    world.check("session flaps", outcome);
    Ok(())
}
