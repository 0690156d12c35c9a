//! The read API: what switches, ports, links, hosts, paths, rules, groups and events there are, as JSON.
//!
//! `table` has every route. Answers are made of snapshots, of pictures that the fabric thread copies in pieces, and of the ring of events: nothing here
//! waits for the core. Lists come in pages; the cursor of a page names its last row, so that a list goes on whatever has changed meanwhile.

mod audit;
mod events;
mod find;
mod history;
mod network;
mod odd;
mod openapi;
mod ovsdb;
mod reservations;
mod routes;
mod rules;
pub mod table;
#[cfg(test)]
mod tests;
mod trace;
mod way;

use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bgp::session::SessionState;
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use crate::apply::Remembered;
use crate::flow::EntryState;
use crate::io::clock;
use crate::io::fabric::{Auditor, Happenings, NoPicture, Pictures, Snapshot};
use crate::io::ovsdb::OvsdbStatus;
use crate::reservations::Admitted;
use find::{Look, time_text};
use table::{PAGE_ROWS, Route, Takes, What};

pub use audit::DRIFT_FIELDS;
pub use openapi::document;

/// How long the BGP speaker may take to tell its status.
const STATUS_LIMIT: Duration = Duration::from_secs(1);

/// What answers are made of.
#[derive(Clone)]
pub struct Api {
    /// The newest picture of the network.
    pub snapshots: watch::Receiver<Arc<Snapshot>>,
    /// What the switches should have and have.
    pub pictures: Pictures,
    /// Audits the switches.
    pub auditor: Auditor,
    /// What happened.
    pub happenings: Arc<Happenings>,
    /// The BGP speaker, if there is one.
    pub bgp: Option<bgp::io::Handle>,
    /// What is known of the databases of Open vSwitches.
    pub ovsdb: watch::Receiver<Arc<OvsdbStatus>>,
    /// Reservations and the answers to them.
    pub admitted: watch::Receiver<Arc<Admitted>>,
    /// When the program started, since 1970.
    pub started: Duration,
    /// Configurations that were taken on.
    pub remembered: watch::Receiver<Arc<Remembered>>,
}

/// What people call a switch: its name, or its datapath id.
pub(crate) fn switch_name(snapshot: &Snapshot, at: net::DatapathId) -> String {
    Look { snapshot }.switch(at)
}

/// Why there is no answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// As HTTP has it: 400, 404 or 503.
    pub status: u16,
    /// What is wrong, as a sentence.
    pub message: String,
}

impl Failure {
    fn bad(message: impl Into<String>) -> Failure {
        Failure { status: 400, message: message.into() }
    }

    fn unknown(message: impl Into<String>) -> Failure {
        Failure { status: 404, message: message.into() }
    }

    fn busy(message: impl Into<String>) -> Failure {
        Failure { status: 503, message: message.into() }
    }
}

impl From<NoPicture> for Failure {
    fn from(_: NoPicture) -> Failure {
        Failure::busy("the fabric thread does not answer: it has ended, or has too much to do")
    }
}

/// The parameters of a question, checked against its route.
#[derive(Clone, Debug)]
pub struct Question {
    /// What is asked.
    pub route: &'static Route,
    pairs: Vec<(String, String)>,
}

impl Question {
    /// These parameters of this route.
    ///
    /// # Errors
    /// One that it doesn't know, one twice, one that is missing, or a value that is none.
    pub fn new(route: &'static Route, pairs: Vec<(String, String)>) -> Result<Question, Failure> {
        for (at, (name, value)) in pairs.iter().enumerate() {
            let Some(parameter) = route.parameters.iter().find(|parameter| parameter.name == name) else {
                let known: Vec<&str> = route.parameters.iter().map(|parameter| parameter.name).collect();
                let near = crate::config::nearest(name, known.iter().copied());
                let meant = near.map_or_else(String::new, |near| format!(": did you mean `{near}`?"));
                let there = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                return Err(Failure::bad(format!("`{name}` is not a parameter here{meant} (known: {there})")));
            };
            if pairs.iter().take(at).any(|(other, _)| other == name) {
                return Err(Failure::bad(format!("`{name}` stands twice")));
            }
            if let Takes::Number(min, max) = parameter.takes
                && !value.parse::<u64>().is_ok_and(|number| (min..=max).contains(&number))
            {
                return Err(Failure::bad(format!("{name}: `{value}` is not a number from {min} to {max}")));
            }
        }
        let question = Question { route, pairs };
        for parameter in route.parameters {
            if parameter.required && question.text(parameter.name).is_none() {
                return Err(Failure::bad(format!("`{}` is missing", parameter.name)));
            }
        }
        Ok(question)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }

    fn limit(&self) -> usize {
        self.number("limit").and_then(|limit| usize::try_from(limit).ok()).unwrap_or(PAGE_ROWS)
    }

    /// Whether switches are asked for it: then it may take seconds.
    pub fn asks_switches(&self) -> bool {
        let found = self.text("owner") == Some(table::FOREIGN) || self.text("state") == Some(EntryState::Found.name());
        self.route.what == What::Trace || self.number("counters") == Some(1) || found
    }

    /// The switch that a parameter names, if it is there.
    fn switch(&self, name: &str, look: Look<'_>) -> Result<Option<net::DatapathId>, Failure> {
        self.text(name).map(|text| look.find_switch(text)).transpose()
    }

    /// One of these words.
    fn word(&self, name: &str, known: impl Iterator<Item = &'static str>) -> Result<Option<&str>, Failure> {
        let Some(word) = self.text(name) else { return Ok(None) };
        let known: Vec<&str> = known.collect();
        if known.contains(&word) {
            return Ok(Some(word));
        }
        let near = crate::config::nearest(word, known.iter().copied());
        let meant = near.map_or_else(String::new, |near| format!(": did you mean `{near}`?"));
        Err(Failure::bad(format!("{name}: `{word}` is none of {}{meant}", known.join(", "))))
    }

    /// Where to go on.
    fn after<K: FromStr>(&self) -> Result<Option<K>, Failure> {
        let bad = |_| Failure::bad("after: not the `next` of another page");
        self.text("after").map(|text| text.parse().map_err(bad)).transpose()
    }
}

/// Rows, and where the next ones begin.
#[derive(Debug, Default)]
struct Page {
    rows: Vec<Value>,
    next: Option<String>,
}

impl Page {
    /// Of rows by ascending keys those after a key, at most `limit`.
    fn of<K: Ord + Display, T>(
        rows: impl Iterator<Item = (K, T)>,
        after: Option<K>,
        limit: usize,
        mut row: impl FnMut(&K, T) -> Value,
    ) -> Page {
        let mut rows = rows.skip_while(|(key, _)| after.as_ref().is_some_and(|after| key <= after));
        let mut page = Page::default();
        let mut last = None;
        for (key, of) in rows.by_ref().take(limit) {
            page.rows.push(row(&key, of));
            last = Some(key);
        }
        if rows.next().is_some() {
            page.next = last.map(|key| key.to_string());
        }
        page
    }

    fn answer(self, mut beside: Map<String, Value>) -> Value {
        beside.insert("rows".to_owned(), Value::Array(self.rows));
        if let Some(next) = self.next {
            beside.insert("next".to_owned(), Value::String(next));
        }
        Value::Object(beside)
    }
}

fn beside<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

impl Api {
    /// The answer to a question, as its route describes it.
    ///
    /// # Errors
    /// What is asked about is not there, or cannot be told.
    pub async fn answer(&self, question: Question) -> Result<Value, Failure> {
        let snapshot = self.snapshots.borrow().clone();
        match question.route.what {
            What::Status => Ok(self.status(&snapshot).await),
            What::Flows => rules::flows(&self.pictures, snapshot, question).await,
            What::Groups => rules::groups(&self.pictures, snapshot, question).await,
            What::Meters => rules::meters(&self.pictures, snapshot, question).await,
            What::History => {
                let remembered = self.remembered.borrow().clone();
                history::history(&remembered, &snapshot, &question)
            }
            What::Trace => trace::trace(&self.pictures, snapshot, question).await,
            What::Events => events::events(&self.happenings, &self.snapshots, self.started, question).await,
            What::Ovsdb => Ok(ovsdb::connections(&self.ovsdb.borrow(), &snapshot)),
            What::Bfd => Ok(ovsdb::sessions(&self.ovsdb.borrow(), &snapshot)),
            What::Reservations => {
                Ok(reservations::reservations(Look { snapshot: &snapshot }, &self.admitted.borrow().clone()))
            }
            What::Routes => {
                let admitted = self.admitted.borrow().clone();
                let made = tokio::task::spawn_blocking(move || {
                    routes::routes(Look { snapshot: &snapshot }, &question, &admitted)
                });
                made.await.map_err(|_| Failure::busy("the answer could not be made"))?
            }
            What::Switches
            | What::Ports
            | What::Links
            | What::Neighbors
            | What::Conditions
            | What::Hosts
            | What::Paths
            | What::Path => {
                let known = self.ovsdb.borrow().clone();
                let made = tokio::task::spawn_blocking(move || {
                    let mut answer = network::answer(&snapshot, &question)?;
                    if question.route.what == What::Ports {
                        ovsdb::add_to_ports(&known, &mut answer);
                    }
                    Ok(answer)
                });
                made.await.map_err(|_| Failure::busy("the answer could not be made"))?
            }
        }
    }

    async fn status(&self, snapshot: &Snapshot) -> Value {
        let bgp = match &self.bgp {
            Some(bgp) => tokio::time::timeout(STATUS_LIMIT, bgp.status()).await.ok().and_then(Result::ok),
            None => None,
        };
        let established = bgp.as_ref().map(|status| {
            let up = status.neighbors.iter().filter(|neighbor| neighbor.state == SessionState::Established);
            up.count()
        });
        // The fabric thread's end closes the channel.
        let healthy = self.snapshots.has_changed().is_ok();
        let network = &snapshot.network;
        let switches = network.switches.len();
        let both = network.bidirectional_links().count();
        let one_way = network.links.keys().filter(|source| !network.is_bidirectional(**source)).count();
        let sum = |at: usize| snapshot.flows.values().filter_map(|sizes| sizes.get(at)).sum::<usize>();
        let look = Look { snapshot };
        json!({
            "at": look.now(),
            "version": env!("CARGO_PKG_VERSION"),
            "started": time_text(self.started),
            "uptime_seconds": clock::wall().saturating_sub(self.started).as_secs(),
            "healthy": healthy,
            "switches_connected": snapshot.switches_connected,
            "switches_known": switches,
            "switches_settling": snapshot.settling,
            "ports": network.ports().count(),
            "links": both,
            "links_one_way": one_way,
            "neighbors": network.lldp_neighbors().count(),
            "conditions": snapshot.looked.counts.values().sum::<usize>(),
            "probe_interval_ms": snapshot.pace.map(|pace| pace.link_interval.as_millis() as u64),
            "detection_ms": snapshot.pace.map(|pace| pace.detection.as_millis() as u64),
            "hosts": network.hosts.len(),
            "paths": snapshot.paths,
            "paths_missing": (switches * switches.saturating_sub(1)).saturating_sub(snapshot.paths),
            "rules_desired": sum(1),
            "rules_installed": sum(0),
            "groups_installed": sum(2),
            "refused": sum(3),
            "reroutes": snapshot.reroutes,
            "last_reroute_us": snapshot.last_reroute.map(|took| took.as_micros() as u64),
            "events": *self.happenings.newest().borrow(),
            "bgp_neighbors": bgp.as_ref().map(|status| status.neighbors.len()),
            "bgp_established": established,
        })
    }
}
