//! OpenBGPD, the portable one.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use super::{Action, Adapter, Announced, Family, Place, RICH, Route, Session, Wish, json};
use crate::process;
use crate::report::Fail;
use crate::wait;

pub struct Openbgpd;

fn bgpctl(place: &Place, words: &[&str]) -> Result<String, Fail> {
    let socket = place.file("bgpd.sock");
    let mut arguments = vec!["-s", socket.as_str()];
    arguments.extend(words);
    process::run("bgpctl", &arguments)
}

/// The attributes of a rich route, as `network` takes them on both sides.
fn own_route(route: &Announced) -> String {
    if !route.rich {
        return format!("network {}", route.prefix);
    }
    let (high, low) = RICH.community;
    let (a, b, c) = RICH.large;
    let (asn, value) = RICH.target;
    format!(
        "network {} set {{ community {high}:{low} large-community {a}:{b}:{c} ext-community rt {asn}:{value} med {} origin {} }}",
        route.prefix, RICH.med, RICH.origin
    )
}

impl Adapter for Openbgpd {
    fn name(&self) -> &'static str {
        "OpenBGPD"
    }

    /// The portable version announces IPv6 routes of an IPv4 session with the next hop ::1.
    fn families_over_ipv4(&self) -> &'static [Family] {
        &[Family::V4]
    }

    fn prepare(&self, place: &Place, wish: &Wish) -> Result<Vec<String>, Fail> {
        let mut text = format!(
            "AS {}\nrouter-id {}\nfib-update no\nsocket \"{}\"\nnexthop qualify via default\n",
            wish.asn,
            wish.router_id,
            place.file("bgpd.sock")
        );
        let mut addresses: Vec<_> = wish.sessions.iter().map(|session| session.local).collect();
        addresses.sort();
        addresses.dedup();
        for address in addresses {
            let _ = writeln!(text, "listen on {address}");
        }
        for route in &wish.routes {
            let _ = writeln!(text, "{}", own_route(route));
        }
        for session in &wish.sessions {
            session_text(&mut text, session);
        }
        text += "allow from any\nallow to any\n";
        for session in &wish.sessions {
            if let Some(next_hop) = session.next_hop_v6 {
                let _ = writeln!(text, "match to {} inet6 set nexthop {next_hop}", session.remote);
            }
        }
        place.write("bgpd.conf", &text)?;
        let file = place.file("bgpd.conf");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).map_err(|error| format!("{file}: {error}"))?;
        // Its processes give up what is outside of this folder.
        fs::create_dir_all("/run/openbgpd").map_err(|error| format!("/run/openbgpd: {error}"))?;
        Ok(["bgpd", "-d", "-f", &file].map(str::to_owned).to_vec())
    }

    fn ready(&self, place: &Place, _: &Wish) -> Result<(), Fail> {
        bgpctl(place, &["show"]).map(drop)
    }

    fn state(&self, place: &Place, session: &Session) -> Result<String, Fail> {
        let said = json(&bgpctl(place, &["-j", "show", "neighbor", &session.remote.to_string()])?)?;
        let neighbor = said.get("neighbors").and_then(|all| all.get(0)).ok_or_else(|| said.to_string())?;
        let text = |name: &str| neighbor.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(if text("state") == "Established" {
            text("state")
        } else {
            format!("{} {}", text("state"), text("last_error"))
        })
    }

    fn routes(&self, place: &Place, session: &Session, family: Family) -> Result<Vec<Route>, Fail> {
        let said = json(&bgpctl(place, &["-j", "show", "rib", "detail"])?)?;
        let remote = session.remote.to_string();
        let rows = said.get("rib").and_then(Value::as_array).into_iter().flatten();
        let theirs = rows.filter(|row| {
            let from = row.get("neighbor").and_then(|one| one.get("remote_addr")).and_then(Value::as_str);
            from == Some(&remote)
        });
        let routes = theirs.map(route).filter(|route| Family::of(&route.prefix) == family);
        Ok(routes.collect())
    }

    fn best(&self, place: &Place, prefix: &str) -> Result<String, Fail> {
        let said = json(&bgpctl(place, &["-j", "show", "rib", prefix])?)?;
        let rows = said.get("rib").and_then(Value::as_array);
        let best = rows.into_iter().flatten().find(|row| row.get("best") == Some(&Value::Bool(true)));
        let from = best.and_then(|row| row.get("neighbor")?.get("remote_addr")?.as_str());
        from.map(str::to_owned).ok_or_else(|| format!("no best route to {prefix}"))
    }

    fn act(&self, place: &Place, session: &Session, action: Action<'_>) -> Result<(), Fail> {
        let remote = session.remote.to_string();
        let neighbor = |words: &[&str]| {
            let mut all = vec!["neighbor", remote.as_str()];
            all.extend(words);
            bgpctl(place, &all).map(drop)
        };
        match action {
            Action::Shutdown(text) => neighbor(&["down", text]),
            Action::Enable => neighbor(&["up"]),
            Action::Reset => neighbor(&["clear"]),
            Action::Refresh => neighbor(&["refresh"]),
            Action::Withdraw(route) | Action::Announce(route) => {
                let file = place.file("bgpd.conf");
                let text = fs::read_to_string(&file).map_err(|error| format!("{file}: {error}"))?;
                let line = own_route(route);
                let off = format!("#{line}");
                let text = if matches!(action, Action::Withdraw(_)) {
                    text.replace(&line, &off)
                } else {
                    text.replace(&off, &line)
                };
                place.write("bgpd.conf", &text)?;
                bgpctl(place, &["reload"]).map(drop)
            }
        }
    }

    fn cease_seen(&self, _: &Place, session: &Session, log: &str) -> Result<String, Fail> {
        let words = format!("neighbor {}: received notification: Cease, administratively down", session.remote);
        wait::ensure(log.contains(&words), || {
            log.lines()
                .rev()
                .find(|line| line.contains("notification"))
                .unwrap_or("no notification in its log")
                .to_owned()
        })?;
        Ok("Cease, administratively down".into())
    }
}

fn session_text(text: &mut String, session: &Session) {
    let _ = writeln!(
        text,
        "neighbor {} {{\n\tremote-as {}\n\tlocal-address {}\n\tholdtime {}",
        session.remote, session.remote_asn, session.local, session.hold_time
    );
    for family in Family::ALL {
        let name = if *family == Family::V4 { "IPv4" } else { "IPv6" };
        let _ = writeln!(text, "\tannounce {name} {}", if session.has(*family) { "unicast" } else { "none" });
    }
    let mut flag = |wanted: bool, line: &str| {
        if wanted {
            let _ = writeln!(text, "\t{line}");
        }
    };
    flag(session.passive, "passive");
    flag(session.ttl_security, "ttl-security yes");
    flag(session.add_path_send, "announce add-path send all");
    flag(session.add_path_receive, "announce add-path recv yes");
    flag(session.reflector_client, "route-reflector");
    if let Some(role) = session.role {
        flag(true, &format!("announce policy {role}"));
    }
    if let Some(limit) = session.max_prefixes {
        flag(true, &format!("max-prefix {limit}"));
    }
    *text += "}\n";
}

fn route(row: &Value) -> Route {
    let string = |name: &str| row.get(name).and_then(Value::as_str).map(str::to_owned);
    let number = |name: &str| row.get(name).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
    let list = |name: &str| -> Vec<String> {
        let list = row.get(name).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let attributes: Vec<&Value> = row.get("attributes").and_then(Value::as_array).into_iter().flatten().collect();
    // Attributes without a member of their own are told by what they hold.
    let attribute = |name: &str| attributes.iter().find_map(|one| one.get(name));
    let clusters = attribute("cluster_list").and_then(Value::as_array);
    let cluster = |one: &Value| one.as_str().or(one.get("cluster_id").and_then(Value::as_str)).map(str::to_owned);
    Route {
        prefix: string("prefix").unwrap_or_default(),
        path_id: None,
        path: string("aspath").unwrap_or_default().replace("{ ", "{").replace(" }", "}"),
        origin: string("origin").unwrap_or_default().to_lowercase(),
        next_hop: string("exit_nexthop").unwrap_or_default(),
        med: number("metric"),
        local_pref: number("localpref"),
        communities: list("communities"),
        large: list("large_communities"),
        extended: list("extended_communities").iter().map(|text| text.replace("rt ", "rt:")).collect(),
        originator: attribute("originator").and_then(Value::as_str).map(str::to_owned),
        clusters: clusters.into_iter().flatten().filter_map(cluster).collect(),
        otc: attribute("as").and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok()),
        unknown: Vec::new(),
    }
    .sorted()
}
