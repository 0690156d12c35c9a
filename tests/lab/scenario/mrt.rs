//! MRT files: what the speaker writes is read by bgpdump and by our own decoder alike, and what is replayed from them arrives as it was.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::Lab;
use crate::controller::{Controller, HTTP};
use crate::peer::ours::Ours;
use crate::peer::raw::{Attributes, Identity, Listener, Router};
use crate::peer::route::{Unseen, ensure_all};
use crate::peer::{Family, Route};
use crate::process::{self, Daemon};
use crate::report::{Fail, Outcome, Report};
use crate::wait;

/// Our addresses are all on loopback's device, but no loopback addresses: those are no next hops.
const OURS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const ROUTERS: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 0, 2, 11), Ipv4Addr::new(192, 0, 2, 12)];
/// Whom the recorded is replayed to: a second speaker of ours, at this address.
const SECOND: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const SECOND_HTTP: &str = "127.0.0.1:9654";

/// Sessions and routes are there after this.
const LIMIT: Duration = Duration::from_secs(20);

/// Routes of each router.
const ROUTES: u8 = 50;

/// The interval of the schedule and the pause of the flush, with what a loaded machine takes.
const SCHEDULE_LIMIT: Duration = Duration::from_secs(15);

pub fn run(lab: &Lab, report: &mut Report) -> Result<(), Fail> {
    for address in [OURS, SECOND, ROUTERS[0], ROUTERS[1]] {
        process::run("ip", &["addr", "add", &format!("{address}/32"), "dev", "lo"])?;
    }
    let updates = lab.directory.join("updates.%Y.mrt");
    let tables = lab.directory.join("tables.mrt");
    let ours = Ours { binary: lab.binary.display().to_string() };
    let mut listeners = Vec::new();
    let mut text = format!(
        "http: {{ listen: \"{HTTP}\" }}\nbgp:\n  asn: 4200000001\n  router_id: {OURS}\n  listen: \"{OURS}:179\"\n  originate: [203.0.113.0/24, \"2001:db8:a::/48\"]\n  \
         mrt: {{ updates: \"{}\", tables: \"{}\", interval: 2s }}\n  neighbors:\n",
        updates.display(),
        tables.display()
    );
    for (at, address) in ROUTERS.iter().enumerate() {
        // The second one is an old router: two octets (RFC 6793).
        let identity = Identity { four_octet: at == 0, ..Identity::new(*address, 65011 + at as u32) };
        listeners.push(Listener::new(identity)?);
        text += &format!(
            "    - {{ address: {address}, local_address: {OURS}, asn: {}, import: accept, export: accept, families: [ipv4-unicast] }}\n",
            identity.asn
        );
    }
    let mut controller = Controller::start(&lab.directory, &lab.binary, Some(&text))?;
    let mut routers: Vec<Router> =
        listeners.iter().map(|listener| listener.accept(IpAddr::V4(OURS), LIMIT)).collect::<Result<_, Fail>>()?;
    announce(&mut routers)?;
    for address in ROUTERS {
        wait::until(LIMIT, || {
            let count = ours.received(&address.to_string(), Family::V4)?.len();
            wait::ensure(count == usize::from(ROUTES), || format!("{count} routes of {address}"))
        })?;
    }

    let asked = lab.directory.join("asked.mrt");
    let outcome = process::run(&ours.binary, &["bgp", "dump", &asked.display().to_string()])
        .and_then(|_| same_routes(&ours, &asked, usize::from(ROUTES) * 2 + 2));
    report.check("a table on demand reads the same by bgpdump and by us, and has every route", outcome);
    let outcome = wait::until(SCHEDULE_LIMIT, || same_routes(&ours, &tables, usize::from(ROUTES) * 2 + 2));
    report.check("so does a table on schedule", outcome);
    let trace = newest(lab, "updates.")?;
    let outcome = wait::until(SCHEDULE_LIMIT, || same_messages(&ours, &trace, usize::from(ROUTES) * 2));
    report.check("messages as they came read the same by bgpdump and by us", outcome);

    let mut second = second(lab)?;
    for (what, file) in [("table", &asked), ("trace", &trace)] {
        let outcome = replayed(lab, &ours, file, what);
        report.check(&format!("a {what} that is replayed arrives as it was"), outcome);
    }
    let outcome =
        match process::run(&ours.binary, &["bgp", "replay", &asked.display().to_string(), "--to", "192.0.2.2"]) {
            Ok(_) => Err("it did not ask for a choice".to_owned()),
            Err(said) => wait::ensure(said.contains("--peer-index 1 or --neighbor 192.0.2.11"), || said.clone())
                .map(|()| "several peers: it lists them".to_owned()),
        };
    report.check("without a choice of the peer nothing is replayed", outcome);
    second.signal("TERM")?;
    second.wait(process::STOP_LIMIT)?;
    report.check("SIGTERM ends the controller in good order", super::fabric::terminate(&mut controller));
    Ok(())
}

/// Everything that the first router says; the second says the same of its own prefixes.
fn announce(routers: &mut [Router]) -> Result<(), Fail> {
    for (at, router) in routers.iter_mut().enumerate() {
        let Identity { asn, address, .. } = router.identity;
        for number in 0..ROUTES {
            let mut attributes = Attributes::new(&[asn, 4_200_000_099, 64999], address);
            attributes.origin = number % 3;
            attributes.med = Some(u32::from(number / 5));
            attributes.communities = vec![(65011, u16::from(number / 5))];
            attributes.large = vec![(4_200_000_099, 1, u32::from(number / 10))];
            router.announce(&prefix(at, number), &attributes)?;
        }
    }
    Ok(())
}

fn prefix(router: usize, number: u8) -> String {
    format!("100.{}.{number}.0/24", 66 + router)
}

/// The newest file whose name begins so.
fn newest(lab: &Lab, start: &str) -> Result<PathBuf, Fail> {
    let entries = fs::read_dir(&lab.directory).map_err(|error| error.to_string())?;
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(start)))
        .collect();
    found.sort();
    found.pop().ok_or_else(|| format!("no file {start}*"))
}

/// The routes of a table by both readers: (peer, prefix, path, next hop, origin, MED, communities).
fn same_routes(ours: &Ours, file: &Path, count: usize) -> Outcome {
    let name = file.display().to_string();
    let theirs: BTreeSet<String> =
        process::run("bgpdump", &["-m", "-v", &name])?.lines().filter_map(bgpdump_line).collect();
    let mut mine = BTreeSet::new();
    let mut peers: Vec<String> = Vec::new();
    for line in process::run(&ours.binary, &["decode", "mrt", &name])?.lines() {
        let record: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
        for peer in list(record.get("peers")) {
            peers.push(peer.get("address").and_then(Value::as_str).unwrap_or_default().to_owned());
        }
        let prefix = record.get("prefix").and_then(Value::as_str).unwrap_or_default();
        for entry in list(record.get("entries")) {
            mine.insert(our_line(prefix, &entry));
        }
    }
    wait::ensure(peers.len() == 3, || format!("peers {peers:?}"))?;
    wait::ensure(mine.len() == count, || format!("{} routes, not {count}", mine.len()))?;
    equal(&mine, &theirs)?;
    Ok(format!("{} routes", mine.len()))
}

/// The UPDATEs of a trace by both readers.
fn same_messages(ours: &Ours, file: &Path, count: usize) -> Outcome {
    let name = file.display().to_string();
    let theirs: BTreeSet<String> =
        process::run("bgpdump", &["-m", "-v", &name])?.lines().filter_map(bgpdump_line).collect();
    let mut mine = BTreeSet::new();
    for line in process::run(&ours.binary, &["decode", "mrt", &name])?.lines() {
        let record: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let message = record.get("message").unwrap_or(&Value::Null);
        for nlri in message.get("nlri").and_then(Value::as_array).into_iter().flatten() {
            let prefix = nlri.get("prefix").and_then(Value::as_str).unwrap_or_default();
            let mut entry = record.clone();
            if let Some(object) = entry.as_object_mut() {
                object.insert("path_attributes".into(), message.get("path_attributes").cloned().unwrap_or_default());
            }
            mine.insert(our_line(prefix, &entry));
        }
    }
    wait::ensure(mine.len() == count, || format!("{} announcements, not {count}", mine.len()))?;
    equal(&mine, &theirs)?;
    Ok(format!("{} announcements", mine.len()))
}

fn equal(mine: &BTreeSet<String>, theirs: &BTreeSet<String>) -> Result<(), Fail> {
    let only: Vec<&String> = mine.symmetric_difference(theirs).take(4).collect();
    wait::ensure(only.is_empty(), || format!("only one of both has: {only:?}"))
}

/// `TABLE_DUMP2|time|B|peer|AS|prefix|path|origin|next hop|local pref|MED|communities|…` to what is compared.
fn bgpdump_line(line: &str) -> Option<String> {
    let fields: Vec<&str> = line.split('|').collect();
    let [_, _, kind, peer, _, prefix, path, origin, next_hop, _, med, communities, ..] = fields.as_slice() else {
        return None;
    };
    if !matches!(*kind, "A" | "B") {
        return None;
    }
    Some(format!("{peer} {prefix} [{path}] {origin} {next_hop} {med} [{communities}]"))
}

/// The same of an entry of ours.
fn our_line(prefix: &str, entry: &Value) -> String {
    let peer = entry.get("peer").or(entry.get("peer_address")).and_then(Value::as_str).unwrap_or_default();
    let attributes = entry.get("path_attributes").or(entry.get("attributes")).unwrap_or(&Value::Null);
    let object = serde_json::json!({ "prefix": prefix, "attributes": attributes });
    let route = Route::from_ours(&object).unwrap_or_default();
    // Of a table beside the attributes, of a message in them.
    let next_hop = entry.get("next_hop").or(attributes.get("next_hop")).and_then(Value::as_str).unwrap_or_default();
    let origin = route.origin.to_uppercase();
    format!(
        "{peer} {prefix} [{}] {origin} {next_hop} {} [{}]",
        route.path,
        route.med.unwrap_or(0),
        route.communities.join(" ")
    )
}

/// A second speaker that takes what is replayed.
fn second(lab: &Lab) -> Result<Daemon, Fail> {
    let file = lab.directory.join("second.yaml");
    let text = format!(
        "http: {{ listen: \"{SECOND_HTTP}\" }}\nbgp:\n  asn: 4200000002\n  router_id: {SECOND}\n  listen: \"{SECOND}:179\"\n  neighbors:\n    \
         - {{ address: 192.0.2.11, asn: 65011, passive: true, import: accept, export: reject }}\n"
    );
    fs::write(&file, text).map_err(|error| error.to_string())?;
    let binary = lab.binary.display().to_string();
    let mut daemon = Daemon::start(&lab.directory, "second", &[&binary, "run", &file.display().to_string()])?;
    daemon.until(LIMIT, |_| crate::http::get(SECOND_HTTP, "/healthz").map(drop))?;
    Ok(daemon)
}

/// The first router's routes out of a file, to the second speaker, from the router's address.
fn replayed(lab: &Lab, ours: &Ours, file: &Path, what: &str) -> Outcome {
    let name = file.display().to_string();
    let mut arguments =
        vec![ours.binary.as_str(), "bgp", "replay", &name, "--to", "192.0.2.2", "--neighbor", "192.0.2.11"];
    arguments.extend(["--local-address", "192.0.2.11", "--speed", "1000"]);
    let expected = ours.received("192.0.2.11", Family::V4)?;
    let arrived = || {
        let said = process::run(
            &ours.binary,
            &["bgp", "show", "routes", "--received", "192.0.2.11", "-o", "json", "--at", SECOND_HTTP],
        )?;
        let routes: Vec<Route> = said
            .lines()
            .map(|line| {
                serde_json::from_str(line).map_err(|error| error.to_string()).and_then(|value| Route::from_ours(&value))
            })
            .collect::<Result<_, Fail>>()?;
        wait::ensure(routes.len() == expected.len(), || format!("{} of {} routes", routes.len(), expected.len()))?;
        ensure_all(&expected, &routes, Unseen::default())?;
        Ok(routes.len())
    };
    let begun = std::time::Instant::now();
    let (mut replay, seen) = loop {
        let mut replay = Daemon::start(&lab.directory, &format!("replay-{what}"), &arguments)?;
        match replay.until(LIMIT, |_| arrived()) {
            Ok(seen) => break (replay, seen),
            // Whose session has just ended is refused for a moment (RFC 4271 §8.1.1, IdleHoldTime).
            Err(reason) if reason.contains("closed the connection") && begun.elapsed() < LIMIT => {}
            Err(reason) => return Err(reason),
        }
    };
    replay.signal("INT")?;
    replay.wait(LIMIT)?;
    // With the session its routes are gone: the next replay begins with none.
    wait::until(LIMIT, || {
        let said = process::run(
            &ours.binary,
            &["bgp", "show", "routes", "--received", "192.0.2.11", "-o", "json", "--at", SECOND_HTTP],
        )?;
        wait::ensure(said.trim().is_empty(), || "routes are left after the end of the session".into())
    })?;
    Ok(format!("{seen} routes"))
}
