//! What is odd about the network, and neighbours that are not of it.

use std::fmt;
use std::str::FromStr;

use net::{MacAddr, PortId};
use serde_json::{Value, json};
use topology::{Condition, LldpNeighbor, Subject};

use super::find::Look;
use super::network::ByPort;
use super::{Failure, Page, Question};
use crate::io::fabric::Alarm;

/// A neighbour as a page's cursor has it: its port, and which one there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct ByPlace(ByPort, usize);

impl fmt::Display for ByPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0, self.1)
    }
}

impl FromStr for ByPlace {
    type Err = ();

    fn from_str(text: &str) -> Result<ByPlace, ()> {
        let (port, at) = text.rsplit_once('-').ok_or(())?;
        Ok(ByPlace(port.parse()?, at.parse().map_err(|_| ())?))
    }
}

pub(super) fn neighbors(look: Look<'_>, question: &Question) -> Result<Page, Failure> {
    let wanted = question.switch("switch", look)?;
    let network = &look.snapshot.network;
    let ports = network.ports().filter(|(id, _)| wanted.is_none_or(|wanted| wanted == id.datapath_id));
    let rows = ports.flat_map(|(id, port)| {
        let neighbors = port.lldp_neighbor.as_deref().into_iter().flat_map(|neighbors| neighbors.iter()).enumerate();
        neighbors.map(move |(at, neighbor)| (ByPlace(ByPort(id), at), (port.info.name.as_str(), neighbor)))
    });
    Ok(Page::of(rows, question.after()?, question.limit(), |place, (name, neighbor)| {
        neighbor_row(look, place.0.0, name, neighbor)
    }))
}

fn neighbor_row(look: Look<'_>, id: PortId, name: &str, neighbor: &LldpNeighbor) -> Value {
    json!({
        "switch": look.switch(id.datapath_id),
        "datapath_id": id.datapath_id,
        "port": id.port_no.to_string(),
        "port_name": name,
        "system_name": neighbor.system_name,
        "chassis_id": neighbor.chassis_id,
        "far_port": neighbor.port_id,
        "far_port_description": neighbor.port_description,
        "system_description": neighbor.system_description,
        "capabilities": neighbor.capabilities,
        "management_addresses": neighbor.management_addresses,
        "vlan": neighbor.port_vlan_id,
        "max_frame_size": neighbor.max_frame_size,
        "since": look.time(neighbor.since),
        "age_seconds": look.snapshot.at.since(neighbor.since).as_secs(),
    })
}

/// A condition as a page's cursor has it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct BySubject {
    kind: String,
    port: ByPort,
    other: Option<ByPort>,
    mac: Option<MacAddr>,
}

impl From<Subject> for BySubject {
    fn from(subject: Subject) -> BySubject {
        let Subject { kind, port, other, mac } = subject;
        BySubject { kind: kind.to_owned(), port: ByPort(port), other: other.map(ByPort), mac }
    }
}

impl fmt::Display for BySubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/", self.kind, self.port)?;
        self.other.iter().try_for_each(|other| write!(f, "{other}"))?;
        write!(f, "/")?;
        self.mac.iter().try_for_each(|mac| write!(f, "{mac}"))
    }
}

impl FromStr for BySubject {
    type Err = ();

    fn from_str(text: &str) -> Result<BySubject, ()> {
        let parts: Vec<&str> = text.split('/').collect();
        let [kind, port, other, mac] = parts[..] else { return Err(()) };
        let other = (!other.is_empty()).then(|| other.parse()).transpose()?;
        let mac = (!mac.is_empty()).then(|| mac.parse()).transpose().map_err(|_| ())?;
        Ok(BySubject { kind: kind.to_owned(), port: port.parse()?, other, mac })
    }
}

pub(super) fn conditions(look: Look<'_>, question: &Question) -> Result<Page, Failure> {
    let wanted = question.switch("switch", look)?;
    let kind = question.word("kind", Condition::KINDS.into_iter())?;
    let of = |subject: &Subject| {
        let ports = [Some(subject.port), subject.other];
        kind.is_none_or(|kind| kind == subject.kind)
            && wanted.is_none_or(|wanted| ports.iter().flatten().any(|port| port.datapath_id == wanted))
    };
    let alarms = look.snapshot.looked.alarms.iter().map(|alarm| (alarm.condition.subject(), alarm));
    let rows = alarms.filter(|(subject, _)| of(subject)).map(|(subject, alarm)| (BySubject::from(subject), alarm));
    Ok(Page::of(rows, question.after()?, question.limit(), |_, alarm| condition_row(look, alarm)))
}

fn condition_row(look: Look<'_>, alarm: &Alarm) -> Value {
    let Alarm { condition, since } = alarm;
    let Subject { kind, port, mac, .. } = condition.subject();
    let until = match condition {
        Condition::Flapping { until, .. } => Some(look.time(*until)),
        _ => None,
    };
    json!({
        "kind": kind,
        "switch": look.switch(port.datapath_id),
        "datapath_id": port.datapath_id,
        "port": port.port_no.to_string(),
        "host": mac.map(|mac| mac.to_string()),
        "since": look.time(*since),
        "until": until,
        "what": condition.words(&|port| look.port(port)),
        "advice": condition.advice(),
    })
}
