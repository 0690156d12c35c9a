//! Paths: from each switch to each other one, and one of them hop by hop.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use net::{DatapathId, PortId, PortNo};
use serde_json::{Value, json};
use topology::{Host, Network};

use super::find::Look;
use super::{Failure, Page, Question, beside};
use crate::path::{Tree, Ways};

/// A pair of switches as a page's cursor has it, the destination first: all ways to one of them are one computation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Pair {
    to: DatapathId,
    from: DatapathId,
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.to, self.from)
    }
}

impl FromStr for Pair {
    type Err = ();

    fn from_str(text: &str) -> Result<Pair, ()> {
        let (to, from) = text.split_once('-').ok_or(())?;
        Ok(Pair { to: to.parse().map_err(|_| ())?, from: from.parse().map_err(|_| ())? })
    }
}

pub(super) fn paths(look: Look<'_>, question: &Question) -> Result<Page, Failure> {
    let (from, to) = (question.switch("from", look)?, question.switch("to", look)?);
    let after = question.after::<Pair>()?;
    let network = &look.snapshot.network;
    let ways = Ways::new(network, look.snapshot.weights.clone());
    let is = |wanted: Option<DatapathId>, id: DatapathId| wanted.is_none_or(|wanted| wanted == id);
    let destinations = network.switches.keys().copied().filter(|id| is(to, *id));
    // Each tree is computed when its first row is looked at.
    let destinations = destinations.skip_while(|id| after.is_some_and(|after| *id < after.to));
    let rows = destinations.flat_map(|to| {
        let tree = ways.tree(to);
        let sources = network.switches.keys().copied().filter(move |id| *id != to && is(from, *id));
        sources
            .map(move |from| {
                let hop = tree.hop(from).map(|hop| (hop.distance, links_on(network, &tree, from), hop.ports.to_vec()));
                (Pair { to, from }, hop)
            })
            .collect::<Vec<_>>()
    });
    Ok(Page::of(rows, after, question.limit(), |pair, hop| {
        let ports = hop.iter().flat_map(|(_, _, ports)| ports.iter().map(PortNo::to_string));
        json!({
            "from": look.switch(pair.from),
            "from_datapath_id": pair.from,
            "to": look.switch(pair.to),
            "to_datapath_id": pair.to,
            "cost": hop.as_ref().map(|(distance, _, _)| *distance),
            "hops": hop.as_ref().map(|(_, links, _)| *links),
            "ports": ports.collect::<Vec<_>>(),
        })
    }))
}

/// The links of a way, the first port taken at each switch.
fn links_on(network: &Network, tree: &Tree, from: DatapathId) -> usize {
    let next = |at: &DatapathId| {
        let port_no = *tree.hop(*at)?.ports.first()?;
        network.links.get(&PortId::new(*at, port_no)).map(|link| link.target.datapath_id)
    };
    // Each switch on it is nearer to the end.
    std::iter::successors(next(&from), next).count()
}

/// Where a path begins or ends.
#[derive(Clone, Copy)]
pub(super) enum End<'s> {
    Host(&'s Host),
    Switch(DatapathId),
}

impl End<'_> {
    pub(super) fn find<'s>(look: Look<'s>, text: &str) -> Result<End<'s>, Failure> {
        match look.find_host(text) {
            Some(host) => host.map(End::Host),
            None => look.find_switch(text).map(End::Switch).map_err(|failure| Failure {
                message: format!("`{text}` is no host's address, and {}", failure.message),
                ..failure
            }),
        }
    }

    pub(super) fn switch(&self) -> DatapathId {
        match self {
            End::Host(host) => host.port.datapath_id,
            End::Switch(id) => *id,
        }
    }

    fn port(&self) -> Option<PortNo> {
        match self {
            End::Host(host) => Some(host.port.port_no),
            End::Switch(_) => None,
        }
    }

    pub(super) fn text(&self, look: Look<'_>) -> String {
        match self {
            End::Host(host) => {
                let addresses: Vec<String> = host.addresses.iter().map(|address| address.to_string()).collect();
                let addresses =
                    if addresses.is_empty() { String::new() } else { format!(" ({})", addresses.join(", ")) };
                format!("{}{addresses} at {}", host.mac, look.port(host.port))
            }
            End::Switch(id) => look.switch(*id),
        }
    }
}

pub(super) fn path(look: Look<'_>, question: &Question) -> Result<Value, Failure> {
    let from = End::find(look, question.text("from").unwrap_or_default())?;
    let to = End::find(look, question.text("to").unwrap_or_default())?;
    let network = &look.snapshot.network;
    let ways = Ways::new(network, look.snapshot.weights.clone());
    let tree = ways.tree(to.switch());
    let reason = (from.switch() != to.switch() && tree.hop(from.switch()).is_none())
        .then(|| why_not(look, &ways, &tree, from.switch(), to.switch()));
    let rows = if reason.is_none() { hops(look, &tree, from, to) } else { Vec::new() };
    let count = if reason.is_none() { equal_cost_paths(network, &tree, from.switch(), to.switch()) } else { 0 };
    let page = Page { rows, next: None };
    Ok(page.answer(beside([
        ("at", json!(look.now())),
        ("from", json!(from.text(look))),
        ("to", json!(to.text(look))),
        ("reachable", json!(reason.is_none())),
        ("reason", json!(reason)),
        ("equal_cost_paths", json!(count)),
    ])))
}

fn hops(look: Look<'_>, tree: &Tree, from: End<'_>, to: End<'_>) -> Vec<Value> {
    let network = &look.snapshot.network;
    let (mut at, mut in_port) = (from.switch(), from.port());
    let mut rows = Vec::new();
    let mut row = |at, in_port: Option<PortNo>, out_port: Option<PortNo>, to: Option<String>, or: Vec<String>| {
        let hop = rows.len() + 1;
        rows.push(json!({
            "hop": hop,
            "switch": look.switch(at),
            "datapath_id": at,
            "in_port": in_port.map(|port| port.to_string()),
            "out_port": out_port.map(|port| port.to_string()),
            "to": to,
            "alternatives": or,
        }));
    };
    // Each hop is one nearer to the end.
    while let Some(hop) = tree.hop(at) {
        let target = |port: &PortNo| network.links.get(&PortId::new(at, *port)).map(|link| link.target);
        let Some((&out_port, next)) = hop.ports.iter().find_map(|port| Some((port, target(port)?))) else { break };
        let others = hop.ports.iter().filter(|port| **port != out_port);
        let others = others.map(|port| {
            let to = target(port).map_or_else(|| "?".to_owned(), |target| look.port(target));
            format!("{port} to {to}")
        });
        row(at, in_port, Some(out_port), Some(look.port(next)), others.collect());
        (at, in_port) = (next.datapath_id, Some(next.port_no));
    }
    let host = match to {
        End::Host(host) => Some(host.mac.to_string()),
        End::Switch(_) => None,
    };
    row(at, in_port, to.port(), host, Vec::new());
    rows
}

/// Ways over different links that are no longer than the shortest one.
fn equal_cost_paths(network: &Network, tree: &Tree, from: DatapathId, to: DatapathId) -> u64 {
    let mut near: Vec<_> = tree.hops().collect();
    near.sort_by_key(|(_, hop)| hop.distance);
    let mut ways: BTreeMap<DatapathId, u64> = BTreeMap::from([(to, 1)]);
    for (at, hop) in near {
        let next = hop.ports.iter().filter_map(|port| network.links.get(&PortId::new(at, *port)));
        let count = next.filter_map(|link| ways.get(&link.target.datapath_id));
        let count = count.fold(0_u64, |sum, count| sum.saturating_add(*count));
        ways.insert(at, count);
    }
    ways.get(&from).copied().unwrap_or(0)
}

fn why_not(look: Look<'_>, ways: &Ways, to_tree: &Tree, from: DatapathId, to: DatapathId) -> String {
    let from_tree = ways.tree(from);
    let others = |tree: &Tree| match tree.hops().count() {
        0 => "no other switch".to_owned(),
        1 => "1 other switch".to_owned(),
        count => format!("{count} other switches"),
    };
    let mut reason = format!(
        "no links lead from {} (linked with {}) to {} (linked with {})",
        look.switch(from),
        others(&from_tree),
        look.switch(to),
        others(to_tree)
    );
    let network = &look.snapshot.network;
    let is_on = |tree: &Tree, root: DatapathId, at: DatapathId| at == root || tree.hop(at).is_some();
    let half = network.links.values().find(|link| {
        let (a, b) = (link.source.datapath_id, link.target.datapath_id);
        let joins = (is_on(&from_tree, from, a) && is_on(to_tree, to, b))
            || (is_on(&from_tree, from, b) && is_on(to_tree, to, a));
        joins && !network.is_bidirectional(link.source)
    });
    if let Some(link) = half {
        let (source, target) = (look.port(link.source), look.port(link.target));
        reason.push_str(&format!(
            "; {source} to {target} would join them, but probes come through in that direction only"
        ));
    }
    reason
}
