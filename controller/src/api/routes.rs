//! Routes between two hosts or switches under constraints: one, several, or two that share nothing.

use net::{DatapathId, PortId, PortNo};
use serde_json::{Value, json};

use super::find::Look;
use super::way::End;
use super::{Failure, Page, Question, beside};
use crate::path::route::{
    Constraints, Disjoint, DisjointPair, MAX_ROUTES, Part, Route, TrafficDatabase, bandwidth_text, latency_text,
    parse_kbps, parse_latency,
};
use crate::reservations::Admitted;

pub(super) fn routes(look: Look<'_>, question: &Question, admitted: &Admitted) -> Result<Value, Failure> {
    let from = End::find(look, question.text("from").unwrap_or_default())?;
    let to = End::find(look, question.text("to").unwrap_or_default())?;
    let constraints = constraints(look, question)?;
    let count = question.number("count").and_then(|count| usize::try_from(count).ok());
    let database = TrafficDatabase::new(&look.snapshot.network, &look.snapshot.weights);
    let reserved = admitted.reserved();
    let database = database.with_load(|port| look.load_kbps(port).unwrap_or(0));
    let database = database.with_reserved(|port| reserved.get(&port).copied().unwrap_or(0));
    let (a, b) = (from.switch(), to.switch());
    let mut cheapest = true;
    let found = match question.word("disjoint", ["node", "link", "srlg"].into_iter())? {
        Some(_) if count.is_some() => return Err(Failure::bad("`count` and `disjoint` do not go together")),
        Some(_) if !constraints.include.is_empty() => {
            return Err(Failure::bad("`include` and `disjoint` do not go together"));
        }
        Some(word) => {
            let kind = match word {
                "node" => Disjoint::Switches,
                "link" => Disjoint::Links,
                _ => Disjoint::Risks,
            };
            database.disjoint(a, b, kind, &constraints).map(|DisjointPair { routes, is_cheapest }| {
                cheapest = is_cheapest;
                routes.to_vec()
            })
        }
        None => database.k_shortest(a, b, count.unwrap_or(1).min(MAX_ROUTES), &constraints),
    };
    let reason = found.as_ref().err().map(|reason| look.reason(reason));
    let rows = (1..).zip(found.unwrap_or_default()).map(|(number, route)| row(look, a, number, &route));
    let page = Page { rows: rows.collect(), next: None };
    Ok(page.answer(beside([
        ("at", json!(look.now())),
        ("from", json!(from.text(look))),
        ("to", json!(to.text(look))),
        ("reachable", json!(reason.is_none())),
        ("reason", json!(reason)),
        ("cheapest", json!(cheapest)),
    ])))
}

fn row(look: Look<'_>, from: DatapathId, number: usize, route: &Route) -> Value {
    let hops = route.links.iter().map(|(source, target)| format!("{} to {}", look.port(*source), look.port(*target)));
    let mut switches = vec![look.switch(from)];
    switches.extend(route.links.iter().map(|(_, target)| look.switch(target.datapath_id)));
    json!({
        "route": number,
        "hops": route.links.len(),
        "cost": route.cost,
        "latency_us": route.latency.map(|latency| latency.as_micros() as u64),
        "latency": route.latency.map(latency_text),
        "free_kbps": route.free_kbps,
        "bandwidth": route.free_kbps.map(bandwidth_text),
        "switches": switches,
        "links": hops.collect::<Vec<_>>(),
    })
}

fn constraints(look: Look<'_>, question: &Question) -> Result<Constraints, Failure> {
    let value = |name| question.text(name).filter(|text: &&str| !text.is_empty());
    let min_bandwidth_kbps = value("min_bandwidth")
        .map(|text| parse_kbps(text).ok_or_else(|| not_one("min_bandwidth", text, "a bit rate like 100M or 2.5G")));
    let max_latency = value("max_latency").map(|text| {
        parse_latency(text).ok_or_else(|| not_one("max_latency", text, "a latency like 5ms, 0.8ms or 300us"))
    });
    let mut constraints = Constraints {
        min_bandwidth_kbps: min_bandwidth_kbps.transpose()?,
        max_latency: max_latency.transpose()?,
        ..Constraints::default()
    };
    let parts = |name| {
        let listed = value(name).unwrap_or_default().split(',').map(str::trim).filter(|text| !text.is_empty());
        listed.map(|text| part(look, text)).collect::<Result<Vec<Part>, Failure>>()
    };
    for avoided in parts("avoid")? {
        match avoided {
            Part::Switch(id) => drop(constraints.avoid_switches.insert(id)),
            Part::Link(port) => drop(constraints.avoid_links.insert(port)),
            Part::Risk(risk) => drop(constraints.avoid_risks.insert(risk)),
        }
    }
    constraints.include = parts("include")?;
    Ok(constraints)
}

fn not_one(name: &str, text: &str, form: &str) -> Failure {
    Failure::bad(format!("{name}: `{text}` is not {form}"))
}

/// A switch, a link by one of its ports (`s1:2`), or a risk group (`srlg:conduit-7`).
fn part(look: Look<'_>, text: &str) -> Result<Part, Failure> {
    if let Some(risk) = text.strip_prefix("srlg:") {
        return match look.snapshot.weights.risk(risk) {
            Some(number) => Ok(Part::Risk(number)),
            None => Err(not_one("a risk group", risk, "one that a link of `links` has by `srlg`, nor a number")),
        };
    }
    let failure = match look.find_switch(text) {
        Ok(id) => return Ok(Part::Switch(id)),
        Err(failure) => failure,
    };
    let Some((switch, number)) = text.rsplit_once(':') else { return Err(failure) };
    let number = number.parse().map_err(|_| not_one("a link", text, "a switch and a port's number, like s1:2"))?;
    Ok(Part::Link(PortId::new(look.find_switch(switch)?, PortNo(number))))
}
