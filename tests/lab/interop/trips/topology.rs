//! Trips with a third router: what crosses the daemon and us, paths side by side, reflection, confederations.

use std::net::{IpAddr, Ipv4Addr};

use super::{config, ours_right, section, their_routes, theirs_right};
use crate::interop::cell::{OUR_AS, OURS, OURS_V6, ROUTES_LIMIT, THEIR_AS, THEIRS, UP_LIMIT, World};
use crate::peer::raw::{Attributes, Identity, Listener, Router};
use crate::peer::route::{Unseen, ensure_all};
use crate::peer::{Family, Peer, REFLECTOR_CLUSTER, Route, Session};
use crate::report::{Fail, Outcome};
use crate::wait;

/// The raw router behind us and the one behind the daemon.
pub(super) const BEHIND_US: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 3);
pub(super) const BEHIND_THEM: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 4);
const BESIDE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 5);
/// Another one behind us.
const BESIDE_US: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 6);

/// What each announces.
const CROSSING_US: &str = "100.64.3.0/24";
const CROSSING_THEM: &str = "100.64.4.0/24";
/// An AS behind an old router whose number has four octets.
const FAR_AS: u32 = 4_200_000_099;
/// An attribute that nobody knows: optional, transitive.
const ODD: (u8, u8, [u8; 3]) = (0xc0, 99, [1, 2, 3]);

/// A neighbour line of ours for a raw router.
pub(super) fn raw_line(identity: &Identity, more: &str) -> String {
    format!(
        "    - {{ address: {}, asn: {}, import: accept, export: accept, families: [ipv4-unicast]{more} }}\n",
        identity.address, identity.asn
    )
}

/// The daemon's session with a raw router.
pub(super) fn raw_session(identity: &Identity) -> Session {
    let mut session = Session::new(IpAddr::V4(THEIRS), IpAddr::V4(identity.address), identity.asn);
    session.families = &[Family::V4];
    session
}

pub(super) fn listen(world: &World, identity: Identity) -> Result<Listener, Fail> {
    world.add_our_address(identity.address)?;
    Listener::new(identity)
}

/// An old router behind us and one behind the daemon; their routes cross both.
pub(super) fn transit(world: &mut World) -> Result<(), Fail> {
    let old = |address, asn| Identity { four_octet: false, ..Identity::new(address, asn) };
    let (near, far) = (old(BEHIND_US, 65003), old(BEHIND_THEM, 65004));
    let (near_listener, far_listener) = (listen(world, near)?, listen(world, far)?);
    let mut wish = world.wish(|_| {});
    wish.sessions.push(raw_session(&far));
    let peer = world.start_peer(wish)?;
    let _ours = world.start_ours(&format!("{}{}", config(""), raw_line(&near, "")))?;
    let mut behind_them = far_listener.accept(IpAddr::V4(THEIRS), UP_LIMIT)?;
    let mut behind_us = near_listener.accept(IpAddr::V4(OURS), UP_LIMIT)?;
    world.wait_up(&peer)?;
    let attributes = |identity: &Identity| {
        let mut attributes = Attributes::new(&[identity.asn, FAR_AS, 64999], identity.address);
        attributes.communities = vec![(65003, 3)];
        attributes.large = vec![(FAR_AS, 7, 8)];
        attributes.others = vec![(ODD.0, ODD.1, ODD.2.to_vec())];
        attributes
    };
    behind_us.announce(CROSSING_US, &attributes(&near))?;
    behind_them.announce(CROSSING_THEM, &attributes(&far))?;
    let expected = |prefix: &str, first: u32, through: u32, next_hop: Ipv4Addr| Route {
        prefix: prefix.into(),
        path: format!("{through} {first} {FAR_AS} 64999"),
        origin: "igp".into(),
        next_hop: next_hop.to_string(),
        communities: vec!["65003:3".into()],
        large: vec![format!("{FAR_AS}:7:8")],
        ..Route::default()
    };
    // On one link a daemon may leave the next hop as it came (RFC 4271 §5.1.3, third party).
    let ours_of = |next_hop| [expected(CROSSING_THEM, far.asn, THEIR_AS, next_hop)];
    let outcome = theirs_right(world, &peer, Family::V4, &[expected(CROSSING_US, near.asn, OUR_AS, OURS)])
        .or_else(|reason| {
            let third = [expected(CROSSING_US, near.asn, OUR_AS, BEHIND_US)];
            theirs_right(world, &peer, Family::V4, &third).map_err(|_| reason)
        })
        .and_then(|_| {
            ours_right(world, &THEIRS.to_string(), Family::V4, &ours_of(BEHIND_THEM))
                .or_else(|_| ours_right(world, &THEIRS.to_string(), Family::V4, &ours_of(THEIRS)))
        });
    world.check("AS4_PATH of an old router", outcome.map(|_| format!("{FAR_AS} is whole on both sides")));
    let outcome = unknown(world);
    world.check("unknown attributes forwarded", outcome);
    Ok(())
}

/// The daemon has forwarded the odd attribute to us; what we send on is checked by what we say to have sent.
fn unknown(world: &World) -> Outcome {
    let all = |routes: Vec<Route>, prefix: &str| -> Result<Vec<String>, Fail> {
        routes
            .into_iter()
            .find(|route| route.prefix == prefix)
            .map(|route| route.unknown)
            .ok_or_else(|| format!("no {prefix}"))
    };
    // Flags optional, transitive, partial.
    let wanted = vec!["99:224:010203".to_owned()];
    let came = wait::until(ROUTES_LIMIT, || all(world.ours.received(&THEIRS.to_string(), Family::V4)?, CROSSING_THEM))?;
    wait::ensure(came == wanted, || format!("from them: {came:?}"))?;
    let went = all(world.ours.advertised(&THEIRS.to_string(), Family::V4)?, CROSSING_US)?;
    wait::ensure(went == wanted, || format!("to them: {went:?}"))?;
    Ok("99, flags 0xe0, three octets".into())
}

/// Two routers behind the daemon announce the same prefix, and two behind us another one.
pub(super) fn add_path(world: &mut World) -> Result<(), Fail> {
    let identities = [Identity::new(BEHIND_THEM, 65004), Identity::new(BESIDE, 65005)];
    let listeners = [listen(world, identities[0])?, listen(world, identities[1])?];
    let near = [Identity::new(BEHIND_US, 65003), Identity::new(BESIDE_US, 65006)];
    let near_listeners = [listen(world, near[0])?, listen(world, near[1])?];
    let mut wish = world.wish(|session| (session.add_path_send, session.add_path_receive) = (true, true));
    wish.sessions.extend(identities.iter().map(raw_session));
    let peer = world.start_peer(wish)?;
    let lines = near.iter().map(|identity| raw_line(identity, "")).collect::<String>();
    let _ours = world.start_ours(&format!("{}{lines}", config(", add_path_receive: true, add_path_send: all")))?;
    let mut routers: Vec<Router> =
        listeners.iter().map(|listener| listener.accept(IpAddr::V4(THEIRS), UP_LIMIT)).collect::<Result<_, Fail>>()?;
    let mut near_routers: Vec<Router> = near_listeners
        .iter()
        .map(|listener| listener.accept(IpAddr::V4(OURS), UP_LIMIT))
        .collect::<Result<_, Fail>>()?;
    world.wait_up(&peer)?;
    let outcome = add_path_to_them(world, &peer, &mut near_routers);
    world.check("add-path to them", outcome);
    for router in &mut routers {
        let Identity { address, asn, .. } = router.identity;
        router.announce(CROSSING_THEM, &Attributes::new(&[asn, 64999], address))?;
    }
    let paths = || -> Result<Vec<Route>, Fail> {
        let routes = world.ours.received(&THEIRS.to_string(), Family::V4)?;
        Ok(routes.into_iter().filter(|route| route.prefix == CROSSING_THEM).collect())
    };
    let outcome = (|| {
        let both = wait::until(ROUTES_LIMIT, || {
            let mut both = paths()?;
            both.sort_by(|one, two| one.path.cmp(&two.path));
            let seen: Vec<&str> = both.iter().map(|route| route.path.as_str()).collect();
            let wanted: Vec<String> =
                identities.iter().map(|identity| format!("{THEIR_AS} {} 64999", identity.asn)).collect();
            wait::ensure(seen == wanted, || format!("paths {seen:?}, not {wanted:?}"))?;
            Ok(both)
        })?;
        wait::ensure(both[0].path_id != both[1].path_id, || format!("both have the identifier {:?}", both[0].path_id))?;
        // One of them goes, the other stays.
        routers[0].withdraw(CROSSING_THEM)?;
        wait::until(ROUTES_LIMIT, || {
            let left = paths()?;
            wait::ensure(left.len() == 1 && left[0].path == both[1].path, || format!("{} paths are left", left.len()))
        })?;
        let ids: Vec<String> = both.iter().map(|route| route.path_id.unwrap_or(0).to_string()).collect();
        Ok(format!("identifiers {}", ids.join(", ")))
    })();
    world.check("add-path from them", outcome);
    Ok(())
}

/// What the daemon has of two paths that we pass on, as it says and as we do.
fn add_path_to_them(world: &World, peer: &Peer, routers: &mut [Router]) -> Outcome {
    let from = peer.session(0).local.to_string();
    let attributes = |router: &Router| {
        let Identity { address, asn, .. } = router.identity;
        let mut attributes = Attributes::new(&[asn, 64999], address);
        attributes.communities = vec![(u16::try_from(asn).unwrap_or_default(), 1)];
        attributes
    };
    let expected = |router: &Router| Route {
        prefix: CROSSING_US.into(),
        path: format!("{OUR_AS} {} 64999", router.identity.asn),
        origin: "igp".into(),
        next_hop: OURS.to_string(),
        communities: vec![format!("{}:1", router.identity.asn)],
        ..Route::default()
    };
    let exactly = |wanted: &[Route]| {
        wait::until(ROUTES_LIMIT, || {
            let unseen = Unseen { local_pref: true, unknown: true, ..Unseen::default() };
            let (theirs, ours) = (peer.routes(Family::V4)?, world.ours.advertised(&from, Family::V4)?);
            for (who, routes) in [("they have", theirs), ("we say that they have", ours)] {
                let mut seen: Vec<Route> = routes.into_iter().filter(|route| route.prefix == CROSSING_US).collect();
                seen.sort_by(|one, two| one.path.cmp(&two.path));
                wait::ensure(seen.len() == wanted.len(), || format!("{who} {} paths: {seen:?}", seen.len()))?;
                for (route, wanted) in seen.iter().zip(wanted) {
                    route.difference(wanted, unseen).map_or(Ok(()), |difference| Err(format!("{who} {difference}")))?;
                }
            }
            Ok(())
        })
    };
    let both: Vec<Route> = routers.iter().map(expected).collect();
    for router in routers.iter_mut() {
        let attributes = attributes(router);
        router.announce(CROSSING_US, &attributes)?;
    }
    exactly(&both)?;
    let first = attributes(&routers[0]);
    routers[0].withdraw(CROSSING_US)?;
    exactly(&both[1..])?;
    routers[0].announce(CROSSING_US, &first)?;
    exactly(&both)?;
    let ids: Vec<String> = world
        .ours
        .advertised(&from, Family::V4)?
        .into_iter()
        .filter(|route| route.prefix == CROSSING_US)
        .map(|route| route.path_id.unwrap_or(0).to_string())
        .collect();
    Ok(format!("identifiers {}", ids.join(", ")))
}

/// iBGP: each side reflects the route of a client of its own to the other.
pub(super) fn reflection(world: &mut World) -> Result<(), Fail> {
    let (near, far) = (Identity::new(BEHIND_US, OUR_AS), Identity::new(BEHIND_THEM, OUR_AS));
    let (near_listener, far_listener) = (listen(world, near)?, listen(world, far)?);
    let mut wish = world.wish(|session| session.reflector_client = true);
    wish.asn = OUR_AS;
    let mut client = raw_session(&far);
    client.reflector_client = true;
    wish.sessions.push(client);
    let peer = world.start_peer(wish)?;
    let _ours = world.start_ours(&format!(
        "{}  cluster_id: 192.0.2.101\n  neighbors:\n    - {{ address: {THEIRS}, asn: {OUR_AS}, route_reflector_client: true, next_hop_v6: \"{OURS_V6}\" }}\n{}",
        section(OUR_AS, "192.0.2.1:179"),
        raw_line(&near, ", route_reflector_client: true")
    ))?;
    let mut behind_them = far_listener.accept(IpAddr::V4(THEIRS), UP_LIMIT)?;
    let mut behind_us = near_listener.accept(IpAddr::V4(OURS), UP_LIMIT)?;
    let outcome = (|| {
        world.wait_up(&peer)?;
        let attributes = |identity: &Identity| {
            let mut attributes = Attributes::new(&[64999], identity.address);
            attributes.local_pref = Some(150);
            attributes.med = Some(5);
            attributes
        };
        behind_us.announce(CROSSING_US, &attributes(&near))?;
        behind_them.announce(CROSSING_THEM, &attributes(&far))?;
        let expected = |prefix: &str, from: &Identity, cluster: &str| Route {
            prefix: prefix.into(),
            path: "64999".into(),
            origin: "igp".into(),
            next_hop: from.address.to_string(),
            med: Some(5),
            local_pref: Some(150),
            originator: Some(from.router_id.to_string()),
            clusters: vec![cluster.into()],
            ..Route::default()
        };
        let unseen = Unseen { unknown: true, ..Unseen::default() };
        let mut crossed = expected(CROSSING_US, &near, "192.0.2.101");
        // OpenBGPD adds its own cluster when the route comes in, the others when it goes out.
        if world.adapter.name() == "OpenBGPD" {
            crossed.clusters.insert(0, REFLECTOR_CLUSTER.into());
        }
        wait::until(ROUTES_LIMIT, || ensure_all(std::slice::from_ref(&crossed), &peer.routes(Family::V4)?, unseen))?;
        ours_right(world, &THEIRS.to_string(), Family::V4, &[expected(CROSSING_THEM, &far, REFLECTOR_CLUSTER)])?;
        Ok("originators and clusters are right on both sides".into())
    })();
    world.check("route reflection", outcome);
    Ok(())
}

/// Two members of the confederation 65000.
pub(super) fn confederation(world: &mut World) -> Result<(), Fail> {
    const MEMBERS: (u32, u32) = (65011, 65012);
    let mut wish = world.wish(|session| session.remote_asn = MEMBERS.0);
    wish.asn = MEMBERS.1;
    wish.confederation = Some((65000, vec![MEMBERS.0]));
    let peer = world.start_peer(wish)?;
    let _ours = world.start_ours(&format!(
        "{}  confederation: {{ identifier: 65000, members: [{}] }}\n  neighbors:\n    - {{ address: {THEIRS}, asn: {}, import: accept, export: out, next_hop: self, next_hop_v6: \"{OURS_V6}\" }}\n",
        section(MEMBERS.0, "192.0.2.1:179"),
        MEMBERS.1,
        MEMBERS.1
    ))?;
    let outcome = (|| {
        world.wait_up(&peer)?;
        let member = |asn: u32, routes: Vec<Route>| -> Vec<Route> {
            // GoBGP leaves LOCAL_PREF out toward other members, which RFC 5065 §4 allows and nobody else does.
            let local_pref = Some(100).filter(|_| asn != MEMBERS.1 || world.adapter.name() != "GoBGP");
            let change = |route: Route| Route { path: format!("({asn})"), local_pref, ..route };
            routes.into_iter().filter(|route| Family::of(&route.prefix) == Family::V4).map(change).collect()
        };
        ours_right(world, &THEIRS.to_string(), Family::V4, &member(MEMBERS.1, their_routes()))?;
        theirs_right(world, &peer, Family::V4, &member(MEMBERS.0, super::our_routes()))?;
        Ok("AS_CONFED_SEQUENCE on both sides".into())
    })();
    world.check("confederation", outcome);
    Ok(())
}
