//! What becomes of a packet, out of pictures of the switches that it comes to.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use net::{DatapathId, PortId};
use openflow::syntax::Names;
use openflow::{FlowStats, Match, OxmKind, TableId};
use serde_json::{Value, json};
use tokio::time::Instant;
use topology::Host;

use super::find::Look;
use super::{Failure, Page, Question, beside};
use crate::flow::{Again, owner_of_cookie};
use crate::io::fabric::{Counters, EntryCounts, NoCounters, Ordered, Pictures, Snapshot};
use crate::trace::packet::{flow_of, frame, parse_flow, with_addresses};
use crate::trace::{Happening, Met, Row, Side, Sides, SwitchModel, To, Walk, flow_text};

/// Rules of a trace that switches are asked for: a way through thirty switches. A flood over a thousand of them has more, and these go without.
const COUNTED_MAX: usize = 256;
/// How long a trace waits for what switches count, all of them together.
const COUNTING_LIMIT: Duration = Duration::from_secs(6);

/// Where a packet begins, and what is odd about it.
struct Start {
    at: PortId,
    flow: Match,
    note: Option<String>,
}

pub(super) async fn trace(pictures: &Pictures, snapshot: Arc<Snapshot>, question: Question) -> Result<Value, Failure> {
    let look = Look { snapshot: &snapshot };
    let Start { at, flow, note } = start(look, &question)?;
    let octets = frame(at.port_no, &flow).map_err(|error| Failure::bad(format!("flow: {error}")))?;
    let whole = flow_of(at.port_no, &octets).to_string();
    let mut walk = Walk::new(snapshot.network.clone(), at, octets);
    let mut seen: Vec<Arc<Ordered>> = Vec::new();
    loop {
        // Looking up is quick for one packet at one switch, and not for a flood over all of them.
        let looked = tokio::task::spawn_blocking(move || {
            let needed = walk.needs();
            (walk, needed)
        });
        let (looked, needed) = looked.await.map_err(|_| Failure::busy("the answer could not be made"))?;
        walk = looked;
        let Some(id) = needed else { break };
        let ordered = pictures.picture(id, false).await?;
        seen.push(ordered.clone());
        let network = snapshot.network.clone();
        let made = tokio::task::spawn_blocking(move || SwitchModel::of_picture(&network, &ordered.picture));
        walk.supply(id, made.await.map_err(|_| Failure::busy("the answer could not be made"))?);
    }
    let told = told(look, pictures.counters(), walk.rows()).await;
    let rows = walk.rows().iter().map(|row| row_json(look, &seen, &told, row)).collect();
    let ends: Vec<String> = walk.rows().iter().filter_map(|row| end(look, row)).collect();
    Ok(Page { rows, next: None }.answer(beside([
        ("at", json!(look.now())),
        ("flow", json!(whole)),
        ("same", json!(walk.is_same())),
        ("ends", json!(ends)),
        ("note", json!(note)),
        ("counters_note", json!(told.note)),
    ])))
}

/// What the switches say about the rules that a packet meets.
#[derive(Default)]
struct Told {
    /// By switch, table and cookie.
    flows: BTreeMap<(DatapathId, TableId, u64), Vec<FlowStats>>,
    /// Why something is missing.
    note: Option<String>,
}

/// Of a row that is about a rule on a switch: where it is.
fn place(row: &Row) -> Option<(DatapathId, TableId, u64)> {
    let Happening::Table(_, Some(met)) = &row.what else { return None };
    let entry = met.entry.as_ref().filter(|_| row.sides.has(Side::Installed))?;
    Some((row.at.datapath_id, met.table, entry.cookie))
}

async fn told(look: Look<'_>, counters: &Counters, rows: &[Row]) -> Told {
    let wanted: BTreeSet<_> = rows.iter().filter_map(place).collect();
    let (begun, mut told) = (Instant::now(), Told::default());
    let (mut notes, mut silent): (Vec<String>, BTreeSet<DatapathId>) = Default::default();
    let mut left = wanted.len();
    for place @ (id, table, cookie) in wanted {
        if told.flows.len() >= COUNTED_MAX || begun.elapsed() > COUNTING_LIMIT {
            notes.push(format!("{left} rules more were not asked for"));
            break;
        }
        left -= 1;
        if silent.contains(&id) {
            continue;
        }
        match counters.flows_of(id, table, cookie).await {
            Ok(flows) => drop(told.flows.insert(place, flows)),
            Err(NoCounters(why)) => {
                notes.push(format!("{}: {why}: counters are missing", look.switch(id)));
                silent.insert(id);
            }
        }
    }
    told.note = Some(notes.join("; ")).filter(|note| !note.is_empty());
    told
}

/// The rule as the switch has it, or what it has instead, if it has said.
fn told_of(told: &Told, row: &Row, met: &Met) -> Option<(Option<EntryCounts>, Option<String>)> {
    let flows = told.flows.get(&place(row)?)?;
    let is_it =
        |stats: &&FlowStats| stats.priority == met.priority && stats.match_.canonical() == met.match_.canonical();
    let Some(stats) = flows.iter().find(is_it) else { return Some((None, Some("nothing".to_owned()))) };
    let text = flow_text(stats.table_id, stats.priority, 0, &stats.match_, &stats.instructions);
    let actions = text.split_once("actions=").map_or("", |(_, actions)| actions);
    let other = (actions != met.actions).then(|| format!("actions={actions}"));
    Some((Some(EntryCounts::of_flow(stats)), other))
}

/// A packet's fields; ports of the switch may have their names in the configuration.
pub(super) fn flow_at(look: Look<'_>, switch: Option<DatapathId>, text: &str) -> Result<Match, Failure> {
    let named = switch.and_then(|id| look.snapshot.names.switch(id)).into_iter().flat_map(|named| &named.ports);
    let ports = named.filter_map(|(port_no, port)| Some((port.name.clone()?, *port_no))).collect();
    let names = Names { ports, ..Names::default() };
    parse_flow(text, &names).map_err(|error| Failure::bad(format!("flow: {error}")))
}

/// The packet and where it comes in, with what the text leaves out and the network knows.
fn start(look: Look<'_>, question: &Question) -> Result<Start, Failure> {
    let switch = question.switch("switch", look)?;
    let mut flow = flow_at(look, switch, question.text("flow").unwrap_or_default())?;
    let hosts = &look.snapshot.network.hosts;
    let of_address = |kinds: [OxmKind; 2]| -> (Option<IpAddr>, Option<&Host>) {
        let mut addresses =
            kinds.into_iter().filter_map(|kind| flow.find(kind)).filter_map(|field| address(field.value));
        let address = addresses.next();
        (address, address.and_then(|address| hosts.at(address)))
    };
    let (_, source) = of_address([OxmKind::IPV4_SRC, OxmKind::IPV6_SRC]);
    let (to_address, destination) = of_address([OxmKind::IPV4_DST, OxmKind::IPV6_DST]);
    let source = flow.eth_src().map_or(source, |mac| hosts.get(&mac));
    let at = match (flow.in_port(), switch, source) {
        (Some(port_no), Some(id), _) => PortId::new(id, port_no),
        (Some(port_no), None, Some(host)) if host.port.port_no == port_no => host.port,
        (None, None, Some(host)) => host.port,
        (None, Some(id), Some(host)) if host.port.datapath_id == id => host.port,
        (Some(_), None, _) => {
            return Err(Failure::bad("`switch` is missing: at which switch does the packet come in?"));
        }
        (None, ..) => {
            let message = "flow: in_port=… is missing: by which port does the packet come in? (The port of a host that is known by its address is taken \
                           without it.)";
            return Err(Failure::bad(message));
        }
    };
    if look.snapshot.network.port(at).is_none() {
        let known = look.snapshot.network.switches.get(&at.datapath_id);
        let ports: Vec<String> =
            known.into_iter().flat_map(|switch| switch.ports.keys()).map(ToString::to_string).collect();
        let (switch, port, ports) = (look.switch(at.datapath_id), at.port_no, ports.join(", "));
        return Err(Failure::unknown(format!("{switch} has no port {port} (it has {ports})")));
    }
    let unknown = to_address.filter(|address| {
        destination.is_none() && flow.eth_dst().is_none() && !address.is_multicast() && !address.is_unspecified()
    });
    let note = unknown.map(|address| {
        format!("no host is known with {address}, so that dl_dst is zero: name it, or the packet goes where frames to an unknown address go")
    });
    flow = with_addresses(flow, source.map(|host| host.mac), destination.map(|host| host.mac));
    flow = flow.with_in_port(at.port_no);
    Ok(Start { at, flow, note })
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    let of_4 = || <[u8; 4]>::try_from(octets).ok().map(IpAddr::from);
    let of_6 = || <[u8; 16]>::try_from(octets).ok().map(IpAddr::from);
    of_4().or_else(of_6)
}

fn reason(reason: openflow::PacketInReason) -> String {
    match reason {
        openflow::PacketInReason::NO_MATCH => "the table-miss rule sends it there".to_owned(),
        openflow::PacketInReason::ACTION => "a rule sends it there".to_owned(),
        openflow::PacketInReason::INVALID_TTL => "its TTL has run out".to_owned(),
        other => other.to_string(),
    }
}

/// What is behind a port, in words.
fn behind(look: Look<'_>, to: &To) -> String {
    match to {
        To::Switch(port) => look.port(*port),
        To::Edge(hosts) if hosts.is_empty() => "an edge port, no host known".to_owned(),
        To::Edge(hosts) => hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        To::Nowhere => "a link whose other end is not known now".to_owned(),
    }
}

/// Where a packet's way ends, if it does in this row.
fn end(look: Look<'_>, row: &Row) -> Option<String> {
    let switch = look.switch(row.at.datapath_id);
    let what = match &row.what {
        Happening::Leaves(port, to @ (To::Edge(_) | To::Nowhere), _) => {
            format!("leaves {} to {}", look.port(PortId::new(row.at.datapath_id, *port)), behind(look, to))
        }
        Happening::Controller(why) => format!("goes to the controller from {switch}: {}", reason(*why)),
        Happening::Blocked(port) => format!("is lost at {switch}: port {port} is down or not there"),
        Happening::Dropped(why) => format!("is dropped at {switch}: {why}"),
        Happening::Loop(hop) => format!("goes around for ever: it was at {} before, as hop {hop}", look.port(row.at)),
        Happening::Stops(why) => format!("{switch}: {why}"),
        _ => return None,
    };
    Some(match row.sides {
        Sides::Both => what,
        Sides::Only(Side::Desired) => format!("{what} (by the desired rules only)"),
        Sides::Only(Side::Installed) => format!("{what} (by the installed rules only)"),
    })
}

fn row_json(look: Look<'_>, seen: &[Arc<Ordered>], told: &Told, row: &Row) -> Value {
    let mut answer = json!({
        "hop": row.hop,
        "from_hop": row.from,
        "switch": look.switch(row.at.datapath_id),
        "datapath_id": row.at.datapath_id,
        "in_port": row.at.port_no.to_string(),
        "side": row.sides.name(),
        "what": Value::Null,
        "table": Value::Null,
        "rule": Value::Null,
        "owner": Value::Null,
        "line": Value::Null,
        "state": Value::Null,
        "packets": Value::Null,
        "octets": Value::Null,
        "age_seconds": Value::Null,
        "on_switch": Value::Null,
        "error": Value::Null,
        "port": Value::Null,
        "to": Value::Null,
        "packet": Value::Null,
        "why": Value::Null,
    });
    let Value::Object(fields) = &mut answer else { return answer };
    let mut put = |name: &str, value: Value| {
        fields.insert(name.to_owned(), value);
    };
    let what = match &row.what {
        Happening::Arrives { packet } => {
            put("packet", json!(packet.to_string()));
            "arrives"
        }
        Happening::Table(table, met) => {
            put("table", json!(table.0));
            match met {
                Some(met) => {
                    rule(look, seen, row.at.datapath_id, met, &mut put);
                    if let Some((counts, other)) = told_of(told, row, met) {
                        put("packets", json!(counts.and_then(|counts| counts.packets)));
                        put("octets", json!(counts.and_then(|counts| counts.octets)));
                        put("age_seconds", json!(counts.map(|counts| counts.age.as_secs())));
                        put("on_switch", json!(other));
                    }
                }
                None => put("why", json!("no rule matches")),
            }
            "table"
        }
        Happening::Group(text) => {
            put("rule", json!(text));
            "group"
        }
        Happening::Bucket(number, text) => {
            put("rule", json!(text));
            put("why", json!(format!("bucket {number}")));
            "bucket"
        }
        Happening::Meter(id, passed) => {
            put("rule", json!(format!("meter:{}", id.0)));
            put("why", json!(if *passed { "it lets the packet pass" } else { "it drops the packet" }));
            "meter"
        }
        Happening::Leaves(port, to, packet) => {
            put("port", json!(port.to_string()));
            put("to", json!(behind(look, to)));
            put("packet", json!(packet.as_ref().map(ToString::to_string)));
            "out"
        }
        Happening::Controller(why) => {
            put("why", json!(reason(*why)));
            "controller"
        }
        Happening::Blocked(port) => {
            put("port", json!(port.to_string()));
            put("why", json!("the port is down, or there is none"));
            "down"
        }
        Happening::Dropped(why) => {
            put("why", json!(why));
            "dropped"
        }
        Happening::Loop(hop) => {
            put("why", json!(format!("the same packet was here as hop {hop}: it goes around for ever")));
            "loop"
        }
        Happening::Again(hop) => {
            put("why", json!(format!("the same packet comes here by another way too: hop {hop} tells how it goes on")));
            "again"
        }
        Happening::Stops(why) => {
            put("why", json!(why));
            "stops"
        }
    };
    put("what", json!(what));
    answer
}

fn rule(look: Look<'_>, seen: &[Arc<Ordered>], at: DatapathId, met: &Met, put: &mut impl FnMut(&str, Value)) {
    put("rule", json!(met.text));
    let Some(entry) = &met.entry else { return };
    let owner = entry.key.map(|key| key.owner).or_else(|| owner_of_cookie(entry.cookie));
    put("owner", json!(owner.map(|owner| owner.name())));
    let of = seen.iter().find(|ordered| ordered.picture.datapath_id == at);
    let line = of.zip(entry.key).and_then(|(of, key)| of.line_of(met.table, &key));
    put("line", json!(line));
    put("state", json!(entry.state.name()));
    let error = entry.refusal.map(|refusal| match refusal.again {
        Again::At(at) => format!("{}; sent again at {}", refusal.cause, look.time(at)),
        Again::Now | Again::WhenDifferent => refusal.cause.to_string(),
    });
    put("error", json!(error));
}
