//! Routes between two hosts or switches under constraints: one, several, or two that share nothing.

use std::time::Duration;

use net::{DatapathId, PortId, PortNo};
use serde_json::{Value, json};

use super::find::Look;
use super::way::End;
use super::{Failure, Page, Question, beside};
use crate::path::Weights;
use crate::path::route::{
    Constraints, Disjoint, DisjointPair, MAX_ROUTES, Part, Route, TrafficDatabase, bandwidth_text, latency_text,
};

pub(super) fn routes(look: Look<'_>, question: &Question) -> Result<Value, Failure> {
    let from = End::find(look, question.text("from").unwrap_or_default())?;
    let to = End::find(look, question.text("to").unwrap_or_default())?;
    let constraints = constraints(look, question)?;
    let count = question.number("count").and_then(|count| usize::try_from(count).ok());
    let database = TrafficDatabase::new(&look.snapshot.network, &Weights::default());
    let (a, b) = (from.switch(), to.switch());
    let mut cheapest = true;
    let found = match question.word("disjoint", ["node", "link"].into_iter())? {
        Some(_) if count.is_some() => return Err(Failure::bad("`count` and `disjoint` do not go together")),
        Some(_) if !constraints.include.is_empty() => {
            return Err(Failure::bad("`include` and `disjoint` do not go together"));
        }
        Some(word) => {
            let kind = if word == "node" { Disjoint::Switches } else { Disjoint::Links };
            database.disjoint(a, b, kind, &constraints).map(|DisjointPair { routes, is_cheapest }| {
                cheapest = is_cheapest;
                routes.to_vec()
            })
        }
        None => database.k_shortest(a, b, count.unwrap_or(1).min(MAX_ROUTES), &constraints),
    };
    let reason = found.as_ref().err().map(|reason| reason.text(&|id| look.switch(id), &|port| look.port(port)));
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
        .map(|text| kbps(text).ok_or_else(|| not_one("min_bandwidth", text, "a bit rate like 100M or 2.5G")));
    let max_latency = value("max_latency")
        .map(|text| latency(text).ok_or_else(|| not_one("max_latency", text, "a latency like 5ms, 0.8ms or 300us")));
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

/// A switch, or a link by one of its ports: `s1:2`.
fn part(look: Look<'_>, text: &str) -> Result<Part, Failure> {
    let failure = match look.find_switch(text) {
        Ok(id) => return Ok(Part::Switch(id)),
        Err(failure) => failure,
    };
    let Some((switch, number)) = text.rsplit_once(':') else { return Err(failure) };
    let number = number.parse().map_err(|_| not_one("a link", text, "a switch and a port's number, like s1:2"))?;
    Ok(Part::Link(PortId::new(look.find_switch(switch)?, PortNo(number))))
}

/// Bits a second with a suffix of `k`, `M`, `G` or `T`, in kbit/s, rounded up.
fn kbps(text: &str) -> Option<u64> {
    let (digits, factor) = match text.strip_suffix(['k', 'K', 'M', 'G', 'T']).zip(text.chars().last()) {
        Some((digits, 'k' | 'K')) => (digits, 1.0),
        Some((digits, 'M')) => (digits, 1e3),
        Some((digits, 'G')) => (digits, 1e6),
        Some((digits, _)) => (digits, 1e9),
        None => (text, 1e-3),
    };
    let kbps = number(digits)? * factor;
    (kbps <= u64::MAX as f64).then_some(kbps.ceil() as u64)
}

fn latency(text: &str) -> Option<Duration> {
    let units = [("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9)];
    let (digits, nanoseconds) = units.iter().find_map(|(unit, ns)| Some((text.strip_suffix(unit)?, ns)))?;
    let total = (number(digits)? * nanoseconds).round();
    (total <= u64::MAX as f64).then(|| Duration::from_nanos(total as u64))
}

/// A decimal number that is not negative: no signs, exponents, infinities.
fn number(text: &str) -> Option<f64> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_latencies_are_read_with_their_units() {
        assert_eq!(
            ["1500", "64k", "100M", "2.5G", "1T"].map(kbps),
            [2, 64, 100_000, 2_500_000, 1_000_000_000].map(Some)
        );
        assert_eq!(["", "M", "1e9G", "-1M", "infG", "1.2.3k", "µ"].map(kbps), [None; 7]);
        let read = ["300us", "35µs", "0.8ms", "2s"].map(latency);
        assert_eq!(read, [300, 35, 800, 2_000_000].map(|us| Some(Duration::from_micros(us))));
        assert_eq!(["5", "ms", "-1ms", "99999999999999999999s", "NaNs"].map(latency), [None; 5]);
    }
}
