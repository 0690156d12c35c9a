//! What changes how a session comes up.

use super::{config, exchanged, of_family, our_routes, ours_right, section, their_routes, theirs_right};
use crate::interop::cell::{OUR_AS, OURS_V6, ROUTES_LIMIT, THEIR_AS, THEIRS, THEIRS_V6, UP_LIMIT, World};
use crate::peer::ours::text;
use crate::peer::{Family, Route};
use crate::report::{Fail, Outcome};
use crate::wait;

const PASSWORD: &str = "not-a-secret";

/// IPv6 routes over IPv6; IPv4 routes with IPv6 next hops where the daemon can.
pub(super) fn over_ipv6(world: &mut World) -> Result<(), Fail> {
    let extended = world.wants("extended next hop");
    let wish = world.wish(|session| {
        session.local = THEIRS_V6.parse().unwrap_or(session.local);
        session.remote = OURS_V6.parse().unwrap_or(session.remote);
        session.name = "over_ipv6".into();
        session.next_hop_v6 = None;
        session.extended_next_hop = extended;
        session.families = if extended { Family::ALL } else { &[Family::V6] };
    });
    let peer = world.start_peer(wish)?;
    let families = if extended { "[ipv4-unicast, ipv6-unicast]" } else { "[ipv6-unicast]" };
    let _ours = world.start_ours(&format!(
        "{}  neighbors:\n    - {{ address: \"{THEIRS_V6}\", asn: {THEIR_AS}, import: accept, export: out, extended_next_hop: {extended}, families: {families} }}\n",
        section(OUR_AS, "[::]:179")
    ))?;
    world.wait_up(&peer)?;
    let v6 = |route: Route, next_hop: &str| Route { next_hop: next_hop.to_owned(), ..route };
    let exchange = |world: &World, family: Family| -> Outcome {
        let theirs: Vec<Route> =
            of_family(their_routes(), family).into_iter().map(|route| v6(route, THEIRS_V6)).collect();
        let ours: Vec<Route> = of_family(our_routes(), family).into_iter().map(|route| v6(route, OURS_V6)).collect();
        ours_right(world, THEIRS_V6, family, &theirs)?;
        theirs_right(world, &peer, family, &ours)
    };
    let outcome = exchange(world, Family::V6);
    world.check("sessions over IPv6", outcome);
    if extended {
        let outcome = exchange(world, Family::V4);
        world.check("extended next hop", outcome);
    }
    Ok(())
}

/// First with a wrong password, then with the right one.
pub(super) fn md5(world: &mut World) -> Result<(), Fail> {
    let peer = world.start_peer(world.wish(|session| session.password = Some(PASSWORD)))?;
    let mut ours = world.start_ours(&config(", password: another"))?;
    // Refused means that no segment is answered: nobody can say that it will not come up. It must not while the right one takes a moment.
    let down = wait::throughout(std::time::Duration::from_secs(2), || {
        match world.ours.ensure_established(&THEIRS.to_string()) {
            Ok(()) => Err("up with different passwords".to_owned()),
            Err(_) => Ok(()),
        }
    });
    ours.kill();
    let ours = world.start_ours(&config(&format!(", password: {PASSWORD}")))?;
    let outcome = down.and_then(|()| world.wait_up(&peer)).and_then(|()| exchanged(world, &peer));
    world.check("TCP MD5", outcome);
    drop(ours);
    Ok(())
}

pub(super) fn ttl(world: &mut World) -> Result<(), Fail> {
    let peer = world.start_peer(world.wish(|session| session.ttl_security = true))?;
    let _ours = world.start_ours(&config(", ttl_security: true"))?;
    let outcome = world.wait_up(&peer).and_then(|()| exchanged(world, &peer));
    world.check("TTL security", outcome);
    Ok(())
}

/// We are the provider, they are the customer; then both want to be provider.
pub(super) fn roles(world: &mut World) -> Result<(), Fail> {
    let peer = world.start_peer(world.wish(|session| session.role = Some("customer")))?;
    let mut ours = world.start_ours(&config(", role: provider, strict_role: true"))?;
    let outcome = (|| {
        world.wait_up(&peer)?;
        // What a provider sends to its customer is marked (RFC 9234 §5); what it gets from it is not.
        let marked = |route: Route| Route { otc: Some(OUR_AS), ..route };
        for family in peer.session(0).families {
            let expected: Vec<Route> = of_family(our_routes(), *family).into_iter().map(marked).collect();
            theirs_right(world, &peer, *family, &expected)?;
            ours_right(world, &THEIRS.to_string(), *family, &of_family(their_routes(), *family))?;
        }
        Ok(())
    })();
    ours.kill();
    drop(ours);
    // They say customer; a customer of a customer is nobody's.
    let _ours = world.start_ours(&config(", role: customer"))?;
    let outcome = outcome.and_then(|()| {
        wait::until(UP_LIMIT.max(ROUTES_LIMIT), || {
            let neighbor = world.ours.neighbor(&THEIRS.to_string())?;
            let said = text(&neighbor, "last_error");
            wait::ensure(said.to_lowercase().contains("role"), || {
                format!("two customers: {} ({said})", text(&neighbor, "state"))
            })?;
            Ok(said)
        })
    });
    world.check("roles", outcome);
    Ok(())
}
