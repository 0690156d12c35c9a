//! The cases of [`super::decision`], run: raw routers have a session with us and one with the daemon, and announce to both the same in the same
//! order.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::cell::{OURS, THEIRS, UP_LIMIT, World};
use super::decision::{CASES, COSTS, Candidate, Case, ROUTERS};
use crate::peer::raw::{Attributes, Identity, Listener, Router};
use crate::peer::{Family, Peer, Session, Wish};
use crate::report::{Fail, Outcome};
use crate::wait;

/// What the cell is called.
pub const NAME: &str = "Decision";

/// The AS of the daemon and of us.
const ASN: u32 = 65000;

/// A route is chosen this soon after it is announced.
const CHOICE_LIMIT: Duration = Duration::from_secs(10);

/// The two sessions of a router: with us, with the daemon.
type Pair = [Router; 2];

fn address(text: &str) -> Result<Ipv4Addr, Fail> {
    text.parse().map_err(|_| format!("{text} is no address"))
}

pub fn run(daemon: usize, world: &mut World) -> Result<(), Fail> {
    let mut listeners = Vec::new();
    let mut wish = Wish {
        asn: ASN,
        router_id: THEIRS,
        sessions: Vec::new(),
        routes: Vec::new(),
        costs: Vec::new(),
        confederation: None,
    };
    let mut config = format!("bgp:\n  asn: {ASN}\n  router_id: {OURS}\n  listen: \"{OURS}:179\"\n  next_hops:\n");
    for (at, cost) in COSTS {
        wish.costs.push((address(at)?, cost));
        config += &format!("    - {{ prefix: {at}/32, cost: {cost} }}\n");
    }
    config += "  neighbors:\n";
    for router in ROUTERS {
        let (at, router_id) = (address(router.address)?, address(router.router_id)?);
        world.add_our_address(at)?;
        listeners.push(Listener::new(Identity { router_id, ..Identity::new(at, router.asn) })?);
        let mut session = Session::new(IpAddr::V4(THEIRS), IpAddr::V4(at), router.asn);
        session.families = &[Family::V4];
        // Nothing comes back to the routers, which would only read it.
        wish.sessions.push(session);
        config += &format!(
            "    - {{ address: {at}, local_address: {OURS}, asn: {}, import: accept, export: reject, families: [ipv4-unicast] }}\n",
            router.asn
        );
    }
    let peer = world.start_peer(wish)?;
    let _ours = world.start_ours(&config)?;
    let mut routers: Vec<Pair> = Vec::new();
    for listener in &listeners {
        routers.push(listener.accept_all([IpAddr::V4(OURS), IpAddr::V4(THEIRS)], UP_LIMIT)?);
    }
    wait::until(UP_LIMIT, || wish_up(&peer, world))?;
    for case in CASES {
        let outcome = choose(world, &peer, &mut routers, case, case.theirs[daemon]);
        world.write(&format!("{}: {}", case.prefix, case.about), outcome);
    }
    Ok(())
}

fn wish_up(peer: &Peer, world: &World) -> Result<(), Fail> {
    for session in &peer.wish.sessions {
        peer.ensure_established(session)?;
        world.ours.ensure_established(&session.remote.to_string())?;
    }
    Ok(())
}

/// Announces the candidates one after the other, each after the one before it has arrived on both sides, and asks who won.
fn choose(world: &World, peer: &Peer, routers: &mut [Pair], case: &Case, theirs: &str) -> Outcome {
    for (count, candidate) in case.candidates.iter().enumerate() {
        let at = ROUTERS.iter().position(|router| router.name == candidate.router).ok_or("no such router")?;
        let attributes = attributes(candidate, address(ROUTERS[at].address)?)?;
        for router in &mut routers[at] {
            router.announce(case.prefix, &attributes)?;
        }
        wait::until(CHOICE_LIMIT, || {
            let ours = world.ours.why(case.prefix).unwrap_or_default().len();
            wait::ensure(ours == count + 1, || format!("we have {ours} of {} candidates", count + 1))?;
            let session = &peer.wish.sessions[at];
            let routes = peer.adapter.routes(&peer.place, session, Family::V4)?;
            let there = routes.iter().any(|route| route.prefix == case.prefix);
            wait::ensure(there, || format!("{} has not got the route of {}", peer.adapter.name(), candidate.router))
        })?;
    }
    let name =
        |address: &str| ROUTERS.iter().find(|router| router.address == address).map_or("nobody", |router| router.name);
    let why = world.ours.why(case.prefix)?;
    let ours = why.iter().find(|(_, reason)| reason == "best").map_or("nobody", |(from, _)| name(from));
    wait::ensure(ours == case.ours, || format!("we choose {ours}, not {}: {why:?}", case.ours))?;
    // A daemon may take its time.
    let seen = wait::until(CHOICE_LIMIT, || {
        let best = peer.adapter.best(&peer.place, case.prefix)?;
        let seen = name(&best);
        wait::ensure(theirs.split(" or ").any(|one| one == seen), || {
            format!("{} chooses {seen}, not {theirs}", peer.adapter.name())
        })?;
        Ok(seen)
    })?;
    let lost: Vec<String> = why
        .iter()
        .filter(|(_, reason)| reason != "best")
        .map(|(from, reason)| format!("{} {reason}", name(from)))
        .collect();
    Ok(format!("ours {ours}, theirs {seen}; {}", lost.join(", ")))
}

fn attributes(candidate: &Candidate, next_hop: Ipv4Addr) -> Result<Attributes, Fail> {
    let mut attributes = Attributes::new(candidate.path, next_hop);
    attributes.origin = candidate.origin;
    attributes.med = candidate.med;
    attributes.local_pref = candidate.local_pref;
    attributes.communities = candidate.communities.to_vec();
    attributes.originator = candidate.originator.map(address).transpose()?;
    attributes.clusters = candidate.clusters.iter().map(|id| address(id)).collect::<Result<_, Fail>>()?;
    Ok(attributes)
}
