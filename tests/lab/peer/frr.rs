//! FRR's bgpd, alone: no zebra.

use std::fmt::Write;

use serde_json::Value;

use super::{Action, Adapter, Announced, Family, Place, RICH, Route, Session, Wish, json};
use crate::process;
use crate::report::Fail;
use crate::wait;

pub struct Frr;

const BINARY: &str = "/usr/lib/frr/bgpd";

/// One `vtysh` with these commands.
fn vtysh(place: &Place, commands: &[String]) -> Result<String, Fail> {
    let socket = place.run.display().to_string();
    let mut arguments = vec!["--vty_socket", socket.as_str()];
    for command in commands {
        arguments.extend(["-c", command]);
    }
    process::run("vtysh", &arguments)
}

fn ask(place: &Place, command: &str) -> Result<Value, Fail> {
    json(&vtysh(place, &[command.to_owned()])?)
}

fn network(route: &Announced) -> String {
    format!("network {}{}", route.prefix, if route.rich { " route-map RICH" } else { "" })
}

/// Its own AS, which every configuring command names.
fn own_asn(place: &Place) -> Result<String, Fail> {
    let text = std::fs::read_to_string(place.run.join("bgpd.conf")).map_err(|error| error.to_string())?;
    let asn = text.lines().find_map(|line| line.strip_prefix("router bgp "));
    asn.map(str::to_owned).ok_or_else(|| "bgpd.conf has no router".into())
}

impl Adapter for Frr {
    fn name(&self) -> &'static str {
        "FRR"
    }

    fn prepare(&self, place: &Place, wish: &Wish) -> Result<Vec<String>, Fail> {
        let (high, low) = RICH.community;
        let (a, b, c) = RICH.large;
        let (asn, value) = RICH.target;
        let mut text = format!(
            "log stdout\nroute-map RICH permit 10\n set community {high}:{low}\n set large-community {a}:{b}:{c}\n \
             set extcommunity rt {asn}:{value}\n set origin {}\n set metric {}\nexit\n",
            RICH.origin, RICH.med
        );
        for session in &wish.sessions {
            if let Some(next_hop) = session.next_hop_v6 {
                let _ = writeln!(text, "route-map HOP permit 10\n set ipv6 next-hop global {next_hop}\nexit");
                break;
            }
        }
        let _ = writeln!(
            text,
            "router bgp {}\n bgp router-id {}\n no bgp ebgp-requires-policy\n no bgp default ipv4-unicast\n no bgp network import-check\n \
             bgp log-neighbor-changes",
            wish.asn, wish.router_id
        );
        if let Some((identifier, members)) = &wish.confederation {
            let members = members.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
            let _ = writeln!(text, " bgp confederation identifier {identifier}\n bgp confederation peers {members}");
        }
        if wish.sessions.iter().any(|session| session.graceful_restart) {
            text += " bgp graceful-restart\n bgp graceful-restart preserve-fw-state\n";
        }
        for session in &wish.sessions {
            let peer = format!(" neighbor {}", session.remote);
            let _ = writeln!(text, "{peer} remote-as {}\n{peer} update-source {}", session.remote_asn, session.local);
            let keepalive = (session.hold_time / 3).max(1);
            let _ = writeln!(
                text,
                "{peer} advertisement-interval 0\n{peer} timers {keepalive} {}\n{peer} timers connect 1",
                session.hold_time
            );
            let mut flag = |wanted: bool, words: &str| {
                if wanted {
                    let _ = writeln!(text, "{peer} {words}");
                }
            };
            flag(session.passive, "passive");
            flag(session.ttl_security, "ttl-security hops 1");
            flag(session.extended_next_hop, "capability extended-nexthop");
            if let Some(password) = session.password {
                flag(true, &format!("password {password}"));
            }
            if let Some(role) = session.role {
                flag(true, &format!("local-role {role}"));
            }
        }
        for family in Family::ALL {
            let _ = writeln!(text, " address-family {} unicast", family.word());
            for route in wish.routes.iter().filter(|route| Family::of(route.prefix) == *family) {
                let _ = writeln!(text, "  {}", network(route));
            }
            for session in wish.sessions.iter().filter(|session| session.has(*family)) {
                let peer = format!("  neighbor {}", session.remote);
                let _ = writeln!(text, "{peer} activate");
                let mut flag = |wanted: bool, words: &str| {
                    if wanted {
                        let _ = writeln!(text, "{peer} {words}");
                    }
                };
                flag(session.reflector_client, "route-reflector-client");
                // It takes several paths from anybody who sends them.
                flag(session.add_path_send, "addpath-tx-all-paths");
                flag(session.next_hop_v6.is_some() && *family == Family::V6, "route-map HOP out");
                flag(session.next_hop_unchanged, "attribute-unchanged next-hop");
                if let Some(limit) = session.max_prefixes {
                    flag(true, &format!("maximum-prefix {limit}"));
                }
            }
            text += " exit-address-family\n";
        }
        text += "exit\n";
        place.write("bgpd.conf", &text)?;
        let run = place.run.display().to_string();
        process::run("chown", &["-R", "frr:frr", &run])?;
        let words = format!(
            "{BINARY} -f {run}/bgpd.conf -i {run}/bgpd.pid -p 179 -n -Z --vty_socket {run} -P 0 -u frr -g frr --log stdout"
        );
        Ok(words.split(' ').map(str::to_owned).collect())
    }

    fn ready(&self, place: &Place, _: &Wish) -> Result<(), Fail> {
        ask(place, "show bgp summary json").map(drop)
    }

    fn state(&self, place: &Place, session: &Session) -> Result<String, Fail> {
        let all = ask(place, &format!("show bgp neighbors {} json", session.remote))?;
        let peer = all.get(session.remote.to_string()).ok_or_else(|| all.to_string())?;
        let state = peer.get("bgpState").and_then(Value::as_str).unwrap_or_default();
        let reset = peer.get("lastResetDueTo").and_then(Value::as_str).unwrap_or_default();
        Ok(if state == "Established" { state.to_owned() } else { format!("{state} ({reset})") })
    }

    fn routes(&self, place: &Place, session: &Session, family: Family) -> Result<Vec<Route>, Fail> {
        let all = ask(place, &format!("show bgp {} unicast json", family.word()))?;
        let prefixes: Vec<&String> =
            all.get("routes").and_then(Value::as_object).map(|routes| routes.keys().collect()).unwrap_or_default();
        if prefixes.is_empty() {
            return Ok(Vec::new());
        }
        let commands: Vec<String> =
            prefixes.iter().map(|prefix| format!("show bgp {} unicast {prefix} json", family.word())).collect();
        let said = vtysh(place, &commands)?;
        let mut routes = Vec::new();
        for document in serde_json::Deserializer::from_str(&said).into_iter::<Value>() {
            let document = document.map_err(|error| format!("vtysh: {error}"))?;
            let prefix = document.get("prefix").and_then(Value::as_str).unwrap_or_default();
            for path in document.get("paths").and_then(Value::as_array).into_iter().flatten() {
                let peer = path.get("peer").and_then(|peer| peer.get("peerId")).and_then(Value::as_str);
                if peer == Some(session.remote.to_string().as_str()) {
                    routes.push(route(prefix, path));
                }
            }
        }
        Ok(routes)
    }

    fn best(&self, place: &Place, prefix: &str) -> Result<String, Fail> {
        let said = ask(place, &format!("show bgp {} unicast {prefix} json", Family::of(prefix).word()))?;
        let paths = said.get("paths").and_then(Value::as_array);
        let best = paths
            .into_iter()
            .flatten()
            .find(|path| path.get("bestpath").and_then(|best| best.get("overall")) == Some(&Value::Bool(true)));
        let from = best.and_then(|path| path.get("peer")?.get("peerId")?.as_str());
        from.map(str::to_owned).ok_or_else(|| format!("no best route to {prefix}"))
    }

    fn act(&self, place: &Place, session: &Session, action: Action<'_>) -> Result<(), Fail> {
        let remote = session.remote;
        let configure = |lines: &[String]| -> Result<(), Fail> {
            let mut commands = vec!["configure terminal".to_owned(), format!("router bgp {}", own_asn(place)?)];
            commands.extend_from_slice(lines);
            vtysh(place, &commands).map(drop)
        };
        match action {
            Action::Shutdown(text) => configure(&[format!("neighbor {remote} shutdown message {text}")]),
            Action::Enable => configure(&[format!("no neighbor {remote} shutdown")]),
            Action::Reset => vtysh(place, &[format!("clear bgp {remote}")]).map(drop),
            Action::Refresh => vtysh(place, &[format!("clear bgp {remote} soft in")]).map(drop),
            Action::Withdraw(route) | Action::Announce(route) => {
                let no = if matches!(action, Action::Withdraw(_)) { "no " } else { "" };
                let family = Family::of(route.prefix).word();
                configure(&[format!("address-family {family} unicast"), format!("{no}{}", network(route))])
            }
        }
    }

    fn cease_seen(&self, place: &Place, session: &Session, _: &str) -> Result<String, Fail> {
        let all = ask(place, &format!("show bgp neighbors {} json", session.remote))?;
        let peer = all.get(session.remote.to_string()).unwrap_or(&Value::Null);
        let last = peer.get("lastNotificationReason").and_then(Value::as_str).unwrap_or("no notification").to_owned();
        wait::ensure(last.contains("Administrative Shutdown"), || last.clone())?;
        Ok(last)
    }
}

fn route(prefix: &str, path: &Value) -> Route {
    let string = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let number = |name: &str| path.get(name).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
    let list = |name: &str| -> Vec<String> {
        let list = path.get(name).and_then(|object| object.get("list")).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let hops = path.get("nexthops").and_then(Value::as_array);
    let global = hops.into_iter().flatten().find(|hop| hop.get("scope").and_then(Value::as_str) != Some("link-local"));
    let origin = string(path.get("origin")).unwrap_or_default().to_lowercase();
    let extended = string(path.get("extendedCommunity").and_then(|object| object.get("string"))).unwrap_or_default();
    Route {
        prefix: prefix.to_owned(),
        path_id: None,
        path: string(path.get("aspath").and_then(|object| object.get("string")))
            .unwrap_or_default()
            .replace("Local", ""),
        origin,
        next_hop: string(global.and_then(|hop| hop.get("ip"))).unwrap_or_default(),
        med: number("metric"),
        local_pref: number("locPrf"),
        communities: list("community"),
        large: list("largeCommunity"),
        extended: extended.split_whitespace().map(str::to_lowercase).collect(),
        originator: string(path.get("originatorId")),
        clusters: list("clusterList"),
        otc: number("otc"),
        unknown: Vec::new(),
    }
    .sorted()
}
