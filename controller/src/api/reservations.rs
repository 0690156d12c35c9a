//! Reservations of bandwidth and the paths that they are admitted on.

use serde_json::{Value, json};

use super::find::{Look, time_text};
use super::{Page, beside};
use crate::path::route::{Disjoint, Route, bandwidth_text};
use crate::reservations::Admitted;

pub(super) fn reservations(look: Look<'_>, admitted: &Admitted) -> Value {
    let answers = admitted.requests.iter().zip(admitted.ledger.answers());
    let rows = answers.map(|(named, (request, answer))| {
        let routes = answer.as_deref().unwrap_or_default();
        let route = |number: usize| routes.get(number);
        json!({
            "name": named.name,
            "from": look.switch(request.from),
            "to": look.switch(request.to),
            "bandwidth_kbps": request.bandwidth_kbps,
            "bandwidth": bandwidth_text(request.bandwidth_kbps),
            "disjoint": request.disjoint.map(|kind| match kind {
                Disjoint::Switches => "node",
                Disjoint::Links => "link",
                Disjoint::Risks => "srlg",
            }),
            "admitted": answer.is_ok(),
            "reason": answer.as_ref().err().map(|reason| look.reason(reason)),
            "cost": answer.is_ok().then(|| routes.iter().map(|route| route.cost).sum::<u64>()),
            "switches": switches(look, route(0)),
            "links": links(look, route(0)),
            "second_switches": switches(look, route(1)),
            "second_links": links(look, route(1)),
        })
    });
    let page = Page { rows: rows.collect(), next: None };
    page.answer(beside([("at", json!(time_text(admitted.at)))]))
}

fn switches(look: Look<'_>, route: Option<&Route>) -> Vec<String> {
    let links = route.map(|route| &route.links[..]).unwrap_or_default();
    let first = links.first().map(|(source, _)| source.datapath_id);
    first.into_iter().chain(links.iter().map(|(_, target)| target.datapath_id)).map(|id| look.switch(id)).collect()
}

fn links(look: Look<'_>, route: Option<&Route>) -> Vec<String> {
    let links = route.map(|route| &route.links[..]).unwrap_or_default();
    links.iter().map(|(source, target)| format!("{} to {}", look.port(*source), look.port(*target))).collect()
}
