//! Switches, ports, links, hosts and paths, out of a snapshot.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use net::{DatapathId, MacAddr, PortId, PortNo, Time};
use serde_json::{Value, json};
use topology::{Condition, Host, Link, Network, Port, PortState, Switch};

use super::find::Look;
use super::table::What;
use super::{Failure, Page, Question, beside, odd, way};
use crate::io::fabric::{Alarm, PORT_COUNTERS, Snapshot};
use crate::path::DRAINED_COST;

pub(super) fn answer(snapshot: &Snapshot, question: &Question) -> Result<Value, Failure> {
    let look = Look { snapshot };
    let page = match question.route.what {
        What::Switches => switches(look, question)?,
        What::Ports => ports(look, question)?,
        What::Links => links(look, question)?,
        What::Hosts => hosts(look, question)?,
        What::Neighbors => odd::neighbors(look, question)?,
        What::Conditions => odd::conditions(look, question)?,
        What::Paths => way::paths(look, question)?,
        What::Path => return way::path(look, question),
        What::Status
        | What::Flows
        | What::Groups
        | What::Meters
        | What::Events
        | What::Trace
        | What::History
        | What::Ovsdb
        | What::Routes
        | What::Reservations
        | What::Bfd => {
            return Err(Failure::bad("not of the network"));
        }
    };
    Ok(page.answer(beside([("at", json!(look.now()))])))
}

/// A switch as a page's cursor has it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct ById(DatapathId);

impl fmt::Display for ById {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for ById {
    type Err = net::ParseAddrError;

    fn from_str(text: &str) -> Result<ById, net::ParseAddrError> {
        text.parse().map(ById)
    }
}

/// A port as a page's cursor has it: its number is told as a number, whatever it is called.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ByPort(pub(super) PortId);

impl fmt::Display for ByPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0.datapath_id, self.0.port_no.0)
    }
}

impl FromStr for ByPort {
    type Err = ();

    fn from_str(text: &str) -> Result<ByPort, ()> {
        let (switch, port) = text.split_once('-').ok_or(())?;
        let port = PortNo(port.parse().map_err(|_| ())?);
        Ok(ByPort(PortId::new(switch.parse().map_err(|_| ())?, port)))
    }
}

/// A link as a page's cursor has it: one that is there by its port, one that is missing by both, for the port may lead elsewhere.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct LinkKey(ByPort, Option<ByPort>);

impl fmt::Display for LinkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LinkKey(source, None) => source.fmt(f),
            LinkKey(source, Some(target)) => write!(f, "{source}_{target}"),
        }
    }
}

impl FromStr for LinkKey {
    type Err = ();

    fn from_str(text: &str) -> Result<LinkKey, ()> {
        Ok(match text.split_once('_') {
            None => LinkKey(text.parse()?, None),
            Some((source, target)) => LinkKey(source.parse()?, Some(target.parse()?)),
        })
    }
}

/// How a row came among the links.
#[derive(Clone, Copy)]
enum LinkState {
    /// Its probes come through, one way at least.
    Known,
    /// It is kept down.
    Damped,
    /// The configuration speaks of it.
    Missing(Option<Time>),
}

fn switches(look: Look<'_>, question: &Question) -> Result<Page, Failure> {
    let wanted = question.switch("switch", look)?;
    let rows = look.snapshot.network.switches.iter().filter(|(id, _)| wanted.is_none_or(|wanted| wanted == **id));
    let rows = rows.map(|(id, switch)| (ById(*id), switch));
    Ok(Page::of(rows, question.after()?, question.limit(), |id, switch| switch_row(look, id.0, switch)))
}

fn switch_row(look: Look<'_>, id: DatapathId, switch: &Switch) -> Value {
    let Look { snapshot } = look;
    let facts = snapshot.switches.get(&id);
    let description = facts.and_then(|facts| facts.description.as_deref());
    let [installed, desired, groups, refused] = snapshot.flows.get(&id).copied().unwrap_or_default();
    let said = |text: Option<&String>| text.filter(|text| !text.is_empty()).cloned();
    json!({
        "switch": look.switch(id),
        "datapath_id": id,
        "state": if switch.connected { "connected" } else { "lost" },
        "drained": snapshot.weights.drained.contains(&id),
        "address": said(facts.map(|facts| &facts.peer)),
        "since": facts.map(|facts| look.time(facts.since)),
        "ports": switch.ports.len(),
        "ports_up": switch.ports.values().filter(|port| port.info.up).count(),
        "hosts": snapshot.network.hosts.on_switch(id).count(),
        "rules_installed": installed,
        "rules_desired": desired,
        "groups_installed": groups,
        "refused": refused,
        "round_trip_us": snapshot.round_trip_times.get(&id).map(|time| time.as_micros() as u64),
        "manufacturer": said(description.map(|said| &said.manufacturer)),
        "hardware": said(description.map(|said| &said.hardware)),
        "software": said(description.map(|said| &said.software)),
        "serial_number": said(description.map(|said| &said.serial_number)),
        "description": snapshot.names.switch(id).and_then(|named| named.description.clone()),
    })
}

fn ports(look: Look<'_>, question: &Question) -> Result<Page, Failure> {
    let wanted = question.switch("switch", look)?;
    let rows = look.snapshot.network.ports().filter(|(id, _)| wanted.is_none_or(|wanted| wanted == id.datapath_id));
    let rows = rows.map(|(id, port)| (ByPort(id), port));
    Ok(Page::of(rows, question.after()?, question.limit(), |id, port| port_row(look, id.0, port)))
}

fn port_row(look: Look<'_>, id: PortId, port: &Port) -> Value {
    let Look { snapshot } = look;
    let state = match port.state {
        PortState::Unknown => "unknown",
        PortState::Edge => "edge",
        PortState::Link => "link",
    };
    let link = snapshot.network.links.get(&id).map(|link| look.port(link.target));
    let foreign = || port.lldp_neighbor.as_ref().map(|neighbors| format!("{neighbors} (LLDP)"));
    let named = snapshot.names.port(id.datapath_id, id.port_no);
    let mut row = json!({
        "switch": look.switch(id.datapath_id),
        "datapath_id": id.datapath_id,
        "port": id.port_no.to_string(),
        "name": port.info.name,
        "called": named.and_then(|named| named.name.clone()),
        "description": named.and_then(|named| named.description.clone()),
        "up": port.info.up,
        "state": state,
        "speed_mbps": port.info.curr_speed_kbps / 1_000,
        "mac": port.info.hw_addr.to_string(),
        "peer": link.or_else(foreign),
        "hosts": snapshot.network.hosts.count_on_port(id),
    });
    let counts = snapshot.port_counts.get(&id.datapath_id).and_then(|counts| counts.get(&id.port_no));
    if let Value::Object(row) = &mut row {
        for (at, name) in PORT_COUNTERS.iter().enumerate() {
            row.insert((*name).to_owned(), json!(counts.and_then(|counts| counts.get(at))));
        }
    }
    row
}

/// Each link once, and directions without their other one.
pub(super) fn shown_links(network: &Network) -> impl Iterator<Item = &Link> {
    network.links.values().filter(|link| link.source < link.target || !network.is_bidirectional(link.source))
}

fn links(look: Look<'_>, question: &Question) -> Result<Page, Failure> {
    let wanted = question.switch("switch", look)?;
    let network = &look.snapshot.network;
    let of = |link: &Link| {
        wanted.is_none_or(|wanted| wanted == link.source.datapath_id || wanted == link.target.datapath_id)
    };
    let damped = damped(look.snapshot);
    let damped_rows = damped.iter().filter(|(source, link)| {
        !network.links.contains_key(source)
            && (link.source < link.target || damped.get(&link.target).is_none_or(|back| back.target != **source))
    });
    let known = shown_links(network).map(|link| (LinkKey(ByPort(link.source), None), (*link, LinkState::Known)));
    let damped_rows = damped_rows.map(|(source, link)| (LinkKey(ByPort(*source), None), (*link, LinkState::Damped)));
    let mut all: BTreeMap<LinkKey, (Link, LinkState)> = known.chain(damped_rows).collect();
    for (ends, since) in missing(look.snapshot, &damped) {
        let [source, target] = ends;
        let row = (Link { source, target, since: Time::ZERO }, LinkState::Missing(since));
        all.insert(LinkKey(ByPort(source), Some(ByPort(target))), row);
    }
    let rows = all.into_iter().filter(|(_, (link, _))| of(link));
    Ok(Page::of(rows, question.after()?, question.limit(), |_, (link, state)| {
        let link = &link;
        let (name, since) = match state {
            LinkState::Known if look.snapshot.weights.withheld().contains(&link.source) => {
                ("withheld", Some(link.since))
            }
            LinkState::Known if network.is_bidirectional(link.source) => ("both", Some(link.since)),
            LinkState::Known => ("one-way", Some(link.since)),
            LinkState::Damped => ("damped", Some(link.since)),
            LinkState::Missing(since) => ("missing", since),
        };
        let is_known = matches!(state, LinkState::Known);
        let latency = look.snapshot.looked.latencies.get(&link.source).filter(|_| is_known);
        // What a port carries that leads elsewhere is not this link's.
        let is_there = !matches!(state, LinkState::Missing(_));
        json!({
            "switch": look.switch(link.source.datapath_id),
            "datapath_id": link.source.datapath_id,
            "port": link.source.port_no.to_string(),
            "to_switch": look.switch(link.target.datapath_id),
            "to_datapath_id": link.target.datapath_id,
            "to_port": link.target.port_no.to_string(),
            "state": name,
            "cost": cost(look, link),
            "drained": is_drained(look, link),
            "srlg": risks(look, link),
            "bandwidth_kbps": look.snapshot.weights.bandwidth_kbps(link.source, network),
            "load_kbps": look.load_kbps(link.source).filter(|_| is_there),
            "utilisation_percent": utilisation_percent(look, link).filter(|_| is_there),
            "latency_us": latency.map(|latency| latency.smoothed.as_micros() as u64),
            "via_others": is_known && network.crosses_others(link.source),
            "since": since.map(|since| look.time(since)),
        })
    }))
}

/// What forwarding counts for the direction, maintenance aside.
fn cost(look: Look<'_>, link: &Link) -> u32 {
    let cost = look.snapshot.weights.cost(link.source, &look.snapshot.network);
    if cost > DRAINED_COST { cost - DRAINED_COST } else { cost }
}

/// Whether the link is under maintenance, or a switch at one of its ends.
fn is_drained(look: Look<'_>, link: &Link) -> bool {
    [link.source, link.target].iter().any(|end| look.snapshot.weights.is_drained(*end, &look.snapshot.network))
}

fn utilisation_percent(look: Look<'_>, link: &Link) -> Option<f64> {
    let all = look.snapshot.weights.bandwidth_kbps(link.source, &look.snapshot.network)?;
    Some((look.load_kbps(link.source)? as f64 * 1_000.0 / all as f64).round() / 10.0)
}

fn risks(look: Look<'_>, link: &Link) -> Vec<String> {
    let weights = &look.snapshot.weights;
    let risks = weights.risks(link.source, link.target, &look.snapshot.network);
    risks.iter().map(|risk| weights.risk_name(*risk)).collect()
}

/// Links that the configuration speaks of, in `links` or `fabric.expected_links`, and of which neither direction is there nor kept down: the lower port
/// first, and since when they are looked for in vain, if that is told.
fn missing(snapshot: &Snapshot, damped: &BTreeMap<PortId, Link>) -> BTreeMap<[PortId; 2], Option<Time>> {
    let stated = snapshot.weights.stated_links().map(|link| (link.ends, None));
    let expected = snapshot.looked.alarms.iter().filter_map(|alarm| match alarm.condition {
        Condition::LinkMissing(link)
        | Condition::LinkElsewhere { expected: link, .. }
        | Condition::StatedElsewhere { stated: link, .. } => Some((link.ends, Some(alarm.since))),
        _ => None,
    });
    let leads = |[from, to]: [PortId; 2]| {
        [&snapshot.network.links, damped].iter().any(|links| links.get(&from).is_some_and(|link| link.target == to))
    };
    stated.chain(expected).filter(|([a, b], _)| !leads([*a, *b]) && !leads([*b, *a])).collect()
}

/// Links that are kept down because they went down too often, by their sources, and since when.
fn damped(snapshot: &Snapshot) -> BTreeMap<PortId, Link> {
    let link = |alarm: &Alarm| match alarm.condition {
        Condition::Flapping { source, target, .. } => Some((source, Link { source, target, since: alarm.since })),
        _ => None,
    };
    snapshot.looked.alarms.iter().filter_map(link).collect()
}

fn hosts(look: Look<'_>, question: &Question) -> Result<Page, Failure> {
    let switch = question.switch("switch", look)?;
    let wanted = match question.text("host") {
        None => None,
        Some(text) => match look.find_host(text) {
            Some(host) => Some(host?.mac),
            None => return Err(Failure::bad(format!("host: `{text}` is neither a MAC nor an IP address"))),
        },
    };
    let of = |host: &&Host| {
        switch.is_none_or(|switch| switch == host.port.datapath_id) && wanted.is_none_or(|wanted| wanted == host.mac)
    };
    let after = question.after::<MacAddr>()?;
    let rows = look.snapshot.network.hosts.values().filter(of).map(|host| (host.mac, host));
    Ok(Page::of(rows, after, question.limit(), |_, host| {
        let addresses: BTreeSet<IpAddr> = host.addresses.iter().collect();
        json!({
            "mac": host.mac.to_string(),
            "addresses": addresses,
            "switch": look.switch(host.port.datapath_id),
            "datapath_id": host.port.datapath_id,
            "port": host.port.port_no.to_string(),
            "since": look.time(host.since),
            "last_seen": look.time(host.last_seen),
        })
    }))
}
