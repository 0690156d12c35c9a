//! GoBGP. Its own routes are added by its command line.

use std::fmt::Write;

use serde_json::Value;

use super::{Action, Adapter, Announced, Family, Place, RESTARTED, RICH, Route, Session, Wish, inside, json};
use crate::report::Fail;
use crate::wait;

pub struct Gobgp;

fn gobgp(command: &str) -> Result<String, Fail> {
    let mut arguments = vec!["gobgp"];
    arguments.extend(command.split(' '));
    inside(&arguments)
}

/// `add` or `del`, with what the route is.
fn own_route(verb: &str, route: &Announced, next_hop: &str) -> String {
    let family = Family::of(route.prefix).word();
    let mut text = format!("global rib {verb} -a {family} {}", route.prefix);
    if verb == "add" && route.rich {
        let (high, low) = RICH.community;
        let (a, b, c) = RICH.large;
        let (asn, value) = RICH.target;
        let _ = write!(
            text,
            " origin {} med {} community {high}:{low} large-community {a}:{b}:{c} rt {asn}:{value}",
            RICH.origin, RICH.med
        );
    } else if verb == "add" {
        text += " origin igp";
    }
    if !next_hop.is_empty() && verb == "add" {
        let _ = write!(text, " nexthop {next_hop}");
    }
    text
}

/// IPv6 routes need a next hop by name where the session is an IPv4 one; IPv4 routes where it is an IPv6 one.
fn next_hop(wish: &Wish, prefix: &str) -> String {
    let first = wish.sessions.first();
    match Family::of(prefix) {
        Family::V6 => first.and_then(|session| session.next_hop_v6).map(|hop| hop.to_string()).unwrap_or_default(),
        Family::V4 => String::new(),
    }
}

impl Adapter for Gobgp {
    fn name(&self) -> &'static str {
        "GoBGP"
    }

    fn prepare(&self, place: &Place, wish: &Wish) -> Result<Vec<String>, Fail> {
        let mut text =
            format!("[global.config]\n  as = {}\n  router-id = \"{}\"\n  port = 179\n", wish.asn, wish.router_id);
        if let Some((identifier, members)) = &wish.confederation {
            let _ = writeln!(
                text,
                "[global.confederation.config]\n  enabled = true\n  identifier = {identifier}\n  member-as-list = {members:?}"
            );
        }
        for session in &wish.sessions {
            session_text(&mut text, session);
        }
        place.write("gobgpd.toml", &text)?;
        // What it says by gRPC stays in the namespace.
        let words = format!("gobgpd -f {} --api-hosts 127.0.0.1:50051 --pprof-disable", place.file("gobgpd.toml"));
        // Without the flag it says that it has lost its routes.
        let restarted =
            wish.sessions.iter().any(|session| session.graceful_restart) && place.run.join(RESTARTED).exists();
        let words = if restarted { format!("{words} -r") } else { words };
        Ok(words.split(' ').map(str::to_owned).collect())
    }

    fn ready(&self, _: &Place, wish: &Wish) -> Result<(), Fail> {
        gobgp("global")?;
        for route in &wish.routes {
            gobgp(&own_route("add", route, &next_hop(wish, route.prefix)))?;
        }
        Ok(())
    }

    fn state(&self, _: &Place, session: &Session) -> Result<String, Fail> {
        let neighbor = json(&gobgp(&format!("neighbor {} -j", session.remote))?)?;
        let state = neighbor.get("state").and_then(|state| state.get("session_state")).and_then(Value::as_u64);
        Ok(if state == Some(6) { "Established".into() } else { format!("state {state:?}") })
    }

    fn routes(&self, _: &Place, session: &Session, family: Family) -> Result<Vec<Route>, Fail> {
        let said = gobgp(&format!("global rib -a {} -j", family.word()))?;
        let all = json(&said)?;
        let mut routes = Vec::new();
        let remote = session.remote.to_string();
        for (prefix, paths) in all.as_object().into_iter().flatten() {
            for path in paths.as_array().into_iter().flatten() {
                if path.get("neighbor-ip").and_then(Value::as_str) == Some(&remote) {
                    routes.push(route(prefix, path));
                }
            }
        }
        Ok(routes)
    }

    fn best(&self, _: &Place, prefix: &str) -> Result<String, Fail> {
        let all = json(&gobgp(&format!("global rib {prefix} -a {} -j", Family::of(prefix).word()))?)?;
        let paths = all.get(prefix).and_then(Value::as_array);
        let best = paths.into_iter().flatten().find(|path| path.get("best") == Some(&Value::Bool(true)));
        let from = best.and_then(|path| path.get("neighbor-ip")?.as_str());
        from.map(str::to_owned).ok_or_else(|| format!("no best route to {prefix}"))
    }

    fn act(&self, _: &Place, session: &Session, action: Action<'_>) -> Result<(), Fail> {
        let remote = session.remote;
        match action {
            // `disable`, which is said to be the newer word, loses the reason.
            Action::Shutdown(text) => {
                inside(&["gobgp", "neighbor", &remote.to_string(), "shutdown", "--reason", text]).map(drop)
            }
            Action::Enable => gobgp(&format!("neighbor {remote} enable")).map(drop),
            // `reset` is followed by a pause of thirty seconds that no configuration changes.
            Action::Reset => {
                gobgp(&format!("neighbor {remote} disable"))?;
                gobgp(&format!("neighbor {remote} enable")).map(drop)
            }
            Action::Refresh => gobgp(&format!("neighbor {remote} softresetin")).map(drop),
            Action::Withdraw(route) => gobgp(&own_route("del", route, "")).map(drop),
            Action::Announce(route) => {
                let hop = if Family::of(route.prefix) == Family::V6 { session.next_hop_v6 } else { None };
                gobgp(&own_route("add", route, &hop.map(|hop| hop.to_string()).unwrap_or_default())).map(drop)
            }
        }
    }

    fn cease_seen(&self, _: &Place, _: &Session, log: &str) -> Result<String, Fail> {
        let line = log
            .lines()
            .rev()
            .find(|line| line.contains("received notification"))
            .unwrap_or("no notification in its log");
        wait::ensure(line.contains("\"Code\":6") && line.contains("\"Subcode\":2"), || line.to_owned())?;
        Ok("code 6, subcode 2".into())
    }
}

fn session_text(text: &mut String, session: &Session) {
    let keepalive = (session.hold_time / 3).max(1);
    let _ = writeln!(
        text,
        "[[neighbors]]\n  [neighbors.config]\n    neighbor-address = \"{}\"\n    peer-as = {}{}\n  \
         [neighbors.timers.config]\n    connect-retry = 1\n    hold-time = {}\n    keepalive-interval = {keepalive}\n  \
         [neighbors.transport.config]\n    local-address = \"{}\"\n    passive-mode = {}",
        session.remote,
        session.remote_asn,
        session.password.map(|password| format!("\n    auth-password = \"{password}\"")).unwrap_or_default(),
        session.hold_time,
        session.local,
        session.passive
    );
    if session.ttl_security {
        *text += "  [neighbors.ttl-security.config]\n    enabled = true\n    ttl-min = 255\n";
    }
    if session.graceful_restart {
        *text += "  [neighbors.graceful-restart.config]\n    enabled = true\n    restart-time = 60\n";
    }
    if session.reflector_client {
        let _ = writeln!(
            text,
            "  [neighbors.route-reflector.config]\n    route-reflector-client = true\n    route-reflector-cluster-id = \"{}\"",
            super::REFLECTOR_CLUSTER
        );
    }
    for family in session.families {
        let _ = writeln!(
            text,
            "  [[neighbors.afi-safis]]\n    [neighbors.afi-safis.config]\n      afi-safi-name = \"{}-unicast\"",
            family.word()
        );
        if session.graceful_restart {
            *text += "    [neighbors.afi-safis.mp-graceful-restart.config]\n      enabled = true\n";
        }
        if session.add_path_send || session.add_path_receive {
            let most = if session.add_path_send { 8 } else { 0 };
            let _ = writeln!(
                text,
                "    [neighbors.afi-safis.add-paths.config]\n      send-max = {most}\n      receive = {}",
                session.add_path_receive
            );
        }
        if let Some(limit) = session.max_prefixes {
            let _ = writeln!(
                text,
                "    [neighbors.afi-safis.prefix-limit.config]\n      max-prefixes = {limit}\n      shutdown-threshold-pct = 80"
            );
        }
    }
}

fn route(prefix: &str, path: &Value) -> Route {
    let mut route = Route { prefix: prefix.to_owned(), ..Route::default() };
    let attributes = path.get("attrs").and_then(Value::as_array);
    for attribute in attributes.into_iter().flatten() {
        let number = |name: &str| attribute.get(name).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
        let string = |name: &str| attribute.get(name).and_then(Value::as_str).map(str::to_owned);
        let list = |name: &str| attribute.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        match attribute.get("type").and_then(Value::as_u64).unwrap_or_default() {
            1 => {
                route.origin = ["igp", "egp", "incomplete"]
                    .get(number("value").unwrap_or(9) as usize)
                    .copied()
                    .unwrap_or_default()
                    .into()
            }
            2 => route.path = list("as_paths").iter().map(segment).collect::<Vec<_>>().join(" "),
            3 | 14 => route.next_hop = string("nexthop").unwrap_or_default(),
            4 => route.med = number("metric"),
            5 => route.local_pref = number("value"),
            8 => {
                let communities = list("communities").into_iter().filter_map(|value| value.as_u64());
                route.communities = communities.map(|value| format!("{}:{}", value >> 16, value & 0xffff)).collect();
            }
            9 => route.originator = string("value"),
            10 => route.clusters = list("value").iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            16 => {
                let targets = list("value");
                let targets = targets
                    .iter()
                    .filter(|one| one.get("type") == Some(&0.into()) && one.get("subtype") == Some(&2.into()));
                route.extended =
                    targets.filter_map(|one| Some(format!("rt:{}", one.get("value")?.as_str()?))).collect();
            }
            32 => {
                let text = |one: &Value, name: &str| one.get(name).map(Value::to_string).unwrap_or_default();
                let large = list("value");
                let large = large
                    .iter()
                    .map(|one| format!("{}:{}:{}", text(one, "ASN"), text(one, "LocalData1"), text(one, "LocalData2")));
                route.large = large.collect();
            }
            _ => {}
        }
    }
    route.sorted()
}

fn segment(segment: &Value) -> String {
    let numbers = segment.get("asns").and_then(Value::as_array).into_iter().flatten();
    let numbers = numbers.map(Value::to_string).collect::<Vec<_>>().join(" ");
    match segment.get("segment_type").and_then(Value::as_u64) {
        Some(1) => format!("{{{numbers}}}"),
        Some(3) => format!("({numbers})"),
        Some(4) => format!("[{numbers}]"),
        _ => numbers,
    }
}
