//! BIRD 2.

use std::fmt::Write;

use super::{Action, Adapter, Announced, Family, Place, RESTARTED, RICH, Route, Session, Wish};
use crate::process;
use crate::report::Fail;
use crate::wait;

pub struct Bird;

/// Our own routes are one static protocol each, so that each can be taken back.
fn protocol_of(prefix: &str) -> String {
    format!("own_{}", prefix.replace(['.', ':', '/'], "_"))
}

fn birdc(place: &Place, command: &str) -> Result<String, Fail> {
    process::run("birdc", &["-s", &place.file("bird.ctl"), command])
}

fn own_route(text: &mut String, route: &Announced) {
    let mut attributes = String::new();
    if route.rich {
        let (high, low) = RICH.community;
        let (a, b, c) = RICH.large;
        let (asn, value) = RICH.target;
        attributes = format!(
            " {{ bgp_origin = ORIGIN_{}; bgp_community.add(({high},{low})); bgp_large_community.add(({a},{b},{c})); \
             bgp_ext_community.add((rt,{asn},{value})); }}",
            RICH.origin.to_uppercase()
        );
    }
    let (name, family, prefix) = (protocol_of(route.prefix), Family::of(route.prefix).word(), route.prefix);
    let _ = writeln!(text, "protocol static {name} {{ {family}; route {prefix} blackhole{attributes}; }}");
}

fn session(text: &mut String, wish: &Wish, session: &Session) {
    let Session { name, local, remote, remote_asn, .. } = session;
    let _ = writeln!(
        text,
        "protocol bgp {name} {{ local {local} as {}; neighbor {remote} as {remote_asn}; hold time {}; connect delay time 0; connect retry time 1; \
         error wait time 1, 2; error forget time 1;",
        wish.asn, session.hold_time
    );
    let mut flag = |wanted: bool, line: &str| {
        if wanted {
            let _ = writeln!(text, "  {line};");
        }
    };
    flag(session.passive, "passive on");
    flag(session.ttl_security, "ttl security on");
    flag(session.graceful_restart, "graceful restart on");
    flag(session.reflector_client, "rr client");
    if let Some(password) = session.password {
        flag(true, &format!("password \"{password}\""));
    }
    if let Some(role) = session.role {
        flag(true, &format!("local role {}", role.replace('-', "_")));
    }
    if let Some((identifier, members)) = &wish.confederation {
        flag(true, &format!("confederation {identifier}"));
        flag(members.contains(remote_asn), "confederation member on");
    }
    for family in session.families {
        let mut options = String::from("import all; export filter to_neighbors; ");
        match (session.add_path_send, session.add_path_receive) {
            (true, true) => options += "add paths on; ",
            (true, false) => options += "add paths tx; ",
            (false, true) => options += "add paths rx; ",
            (false, false) => {}
        }
        if session.extended_next_hop && *family == Family::V4 {
            options += "extended next hop on; ";
        }
        if session.next_hop_unchanged {
            options += "next hop keep; ";
        }
        if let (Some(next_hop), Family::V6) = (session.next_hop_v6, family) {
            let _ = write!(options, "next hop address {next_hop}; ");
        }
        if let Some(limit) = session.max_prefixes {
            let _ = write!(options, "import limit {limit} action disable; ");
        }
        let _ = writeln!(text, "  {} {{ {options}}};", family.word());
    }
    *text += "}\n";
}

impl Adapter for Bird {
    fn name(&self) -> &'static str {
        "BIRD"
    }

    fn prepare(&self, place: &Place, wish: &Wish) -> Result<Vec<String>, Fail> {
        let mut text = format!("log stderr all;\nrouter id {};\nprotocol device {{}}\n", wish.router_id);
        // A route is only sent over a session if its next hop is known.
        text += "protocol direct { ipv4; ipv6; interface \"veth*\"; }\n";
        // The links themselves are nobody's business. A MED that is not set here does not go to another AS.
        let (high, low) = RICH.community;
        let _ = writeln!(
            text,
            "filter to_neighbors {{ if source = RTS_DEVICE then reject; if source = RTS_STATIC && ({high},{low}) ~ bgp_community then bgp_med = {}; accept; }}",
            RICH.med
        );
        for route in &wish.routes {
            own_route(&mut text, route);
        }
        for (at, cost) in &wish.costs {
            let name = format!("cost_{}", at.to_string().replace('.', "_"));
            let route = format!("route {at}/32 via \"veth0\" {{ igp_metric = {cost}; }}");
            let _ = writeln!(text, "protocol static {name} {{ ipv4; {route}; }}");
        }
        for one in &wish.sessions {
            session(&mut text, wish, one);
        }
        place.write("bird.conf", &text)?;
        let mut words =
            ["bird", "-f", "-c", &place.file("bird.conf"), "-s", &place.file("bird.ctl")].map(str::to_owned).to_vec();
        // Without the flag it says that it has lost its routes.
        if place.run.join(RESTARTED).exists() {
            words.push("-R".to_owned());
        }
        Ok(words)
    }

    fn ready(&self, place: &Place, _: &Wish) -> Result<(), Fail> {
        let said = birdc(place, "show status")?;
        wait::ensure(said.contains("Daemon is up"), || said)
    }

    fn state(&self, place: &Place, session: &Session) -> Result<String, Fail> {
        let said = birdc(place, &format!("show protocols {}", session.name))?;
        if said.contains("Established") {
            Ok("Established".into())
        } else {
            Ok(said.lines().last().unwrap_or_default().to_owned())
        }
    }

    fn routes(&self, place: &Place, session: &Session, family: Family) -> Result<Vec<Route>, Fail> {
        let table = if family == Family::V4 { "master4" } else { "master6" };
        let said = birdc(place, &format!("show route all table {table} protocol {}", session.name))?;
        Ok(parse(&said))
    }

    fn best(&self, place: &Place, prefix: &str) -> Result<String, Fail> {
        let said = birdc(place, &format!("show route {prefix} primary"))?;
        // Protocols are called after their neighbours.
        let name = said.split("[to_").nth(1).and_then(|rest| rest.split(' ').next());
        name.map(|name| name.replace('_', ".")).ok_or_else(|| format!("no best route: {}", said.trim()))
    }

    fn act(&self, place: &Place, session: &Session, action: Action<'_>) -> Result<(), Fail> {
        let name = &session.name;
        let command = match action {
            Action::Shutdown(text) => format!("disable {name} \"{text}\""),
            Action::Enable => format!("enable {name}"),
            Action::Reset => format!("restart {name}"),
            Action::Refresh => format!("reload in {name}"),
            Action::Withdraw(route) => format!("disable {}", protocol_of(route.prefix)),
            Action::Announce(route) => format!("enable {}", protocol_of(route.prefix)),
        };
        birdc(place, &command).map(drop)
    }

    fn cease_seen(&self, place: &Place, session: &Session, _: &str) -> Result<String, Fail> {
        let said = birdc(place, &format!("show protocols all {}", session.name))?;
        let last = said.lines().find(|line| line.contains("Last error")).unwrap_or("no last error").trim().to_owned();
        wait::ensure(last.contains("Received: Administrative shutdown"), || last.clone())?;
        Ok(last)
    }
}

/// What `show route all` prints.
fn parse(said: &str) -> Vec<Route> {
    let mut routes: Vec<Route> = Vec::new();
    let mut prefix = String::new();
    for line in said.lines() {
        if line.contains(" [") && !line.starts_with('\t') {
            let first = line.split_whitespace().next().unwrap_or_default();
            // Further paths of a prefix come without it.
            if first.contains('/') {
                prefix = first.to_owned();
            }
            routes.push(Route { prefix: prefix.clone(), ..Route::default() });
        }
        let (Some(route), Some((name, value))) = (routes.last_mut(), line.trim().split_once(": ")) else { continue };
        attribute(route, name, value.trim());
    }
    routes.into_iter().map(Route::sorted).collect()
}

fn attribute(route: &mut Route, name: &str, value: &str) {
    let tuples = || -> Vec<String> {
        let inner = value.trim_start_matches('(').trim_end_matches(')');
        inner.split(") (").map(|tuple| tuple.replace(", ", ":").replace(',', ":")).collect()
    };
    match name {
        "BGP.origin" => route.origin = value.to_lowercase(),
        // Members of sets and confederation segments stand apart from their brackets.
        "BGP.as_path" => route.path = value.replace("{ ", "{").replace(" }", "}").replace("( ", "(").replace(" )", ")"),
        // The link-local one comes second.
        "BGP.next_hop" => route.next_hop = value.split(' ').next().unwrap_or_default().to_owned(),
        "BGP.med" => route.med = value.parse().ok(),
        "BGP.local_pref" => route.local_pref = value.parse().ok(),
        "BGP.community" => route.communities = tuples(),
        "BGP.large_community" => route.large = tuples(),
        "BGP.ext_community" => route.extended = tuples(),
        "BGP.originator_id" => route.originator = Some(value.to_owned()),
        "BGP.cluster_list" => route.clusters = value.split(' ').map(str::to_owned).collect(),
        "BGP.otc" => route.otc = value.parse().ok(),
        _ => {}
    }
    // An attribute that it does not know is shown as `BGP.63 [t]: 01 02`.
    if let Some(kind) = name.strip_prefix("BGP.").and_then(|rest| rest.split(' ').next())
        && let Ok(kind) = u8::from_str_radix(kind, 16)
        && name.contains('[')
    {
        route.unknown.push(format!("{kind}:{}", value.replace(' ', "")));
    }
}
