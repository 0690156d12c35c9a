//! Bandwidth set aside: the requests of the configuration, admitted in the network as it is.
//!
//! It is admission and accounting. No rule hangs on it, so it is worked out beside the core, from its snapshots; the answer is that of the file's order in
//! the network of one moment, whatever was before ([`Ledger`]).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use net::{DatapathId, PortId};
use tokio::sync::watch;
use topology::Network;

use crate::io::fabric::Snapshot;
use crate::path::Weights;
use crate::path::route::{Ledger, NamedRequest, NoRoute, TrafficDatabase};

/// After a look that took so long as many times longer until the next one: a tenth of one core at the most.
const PAUSE_SHARE: u32 = 9;

/// Reservations, and the answers to them.
#[derive(Clone, Debug, Default)]
pub struct Admitted {
    /// The time of day of the network that the answers are of, since 1970.
    pub at: Duration,
    /// What is asked for, in the order of the file.
    pub requests: Arc<[NamedRequest]>,
    /// The answers, in the same order.
    pub ledger: Ledger,
}

impl Admitted {
    /// For the network and the configuration of this snapshot.
    pub fn followed(mut self, snapshot: &Snapshot) -> Admitted {
        self.at = snapshot.wall;
        self.requests = snapshot.reservations.clone();
        let database = TrafficDatabase::new(&snapshot.network, &snapshot.weights);
        self.ledger.follow(database, self.requests.iter().map(|named| named.request.clone()).collect());
        self
    }

    /// What is set aside, by the port where a direction of a link begins, in kbit/s; nothing where nothing is.
    pub fn reserved(&self) -> BTreeMap<PortId, u64> {
        let load = self.ledger.load().map(|(port, kbps, _)| (port, kbps));
        load.filter(|(_, kbps)| *kbps > 0).collect()
    }

    /// Each name with why it has no path, if it has none.
    fn refusals(&self) -> impl Iterator<Item = (&str, Option<&NoRoute>)> {
        let answers = self.ledger.answers().map(|(_, answer)| answer.as_ref().err());
        self.requests.iter().map(|named| named.name.as_str()).zip(answers)
    }

    /// Says in the log what has come to be refused and what has a path again.
    fn tell(&self, before: &Admitted, snapshot: &Snapshot) {
        let had: BTreeMap<&str, bool> = before.refusals().map(|(name, refusal)| (name, refusal.is_none())).collect();
        let switch = |id| crate::api::switch_name(snapshot, id);
        for (name, refusal) in self.refusals() {
            match (had.get(name), refusal) {
                (Some(true), Some(reason)) => {
                    let reason = text(reason, &snapshot.weights, &switch);
                    tracing::warn!(reservation = name, reason, "a reservation has no path any more");
                }
                (Some(false), None) => tracing::info!(reservation = name, "a reservation has a path now"),
                _ => {}
            }
        }
    }
}

fn text(reason: &NoRoute, weights: &Weights, switch: &dyn Fn(DatapathId) -> String) -> String {
    let port = |port: PortId| format!("{}:{}", switch(port.datapath_id), port.port_no);
    reason.text(switch, &port, &|risk| weights.risk_name(risk))
}

/// A line for each reservation that would have no path in this network; none if nothing is known of a network.
pub(crate) fn refused(
    network: &Network,
    weights: &Weights,
    requests: &[NamedRequest],
    switch: &dyn Fn(DatapathId) -> String,
) -> Vec<String> {
    if network.switches.is_empty() {
        return Vec::new();
    }
    let asked = requests.iter().map(|named| named.request.clone()).collect();
    let ledger = Ledger::admit(TrafficDatabase::new(network, weights), asked);
    let answers = requests.iter().zip(ledger.answers());
    let refused = answers.filter_map(|(named, (_, answer))| Some((&named.name, answer.as_ref().err()?)));
    refused.map(|(name, reason)| format!("reservations: {name}: no path: {}", text(reason, weights, switch))).collect()
}

/// Follows the network and the configuration until it is stopped.
pub(crate) async fn run(
    mut snapshots: watch::Receiver<Arc<Snapshot>>,
    admitted: watch::Sender<Arc<Admitted>>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut seen: Option<Arc<Snapshot>> = None;
    loop {
        tokio::select! {
            changed = snapshots.changed() => if changed.is_err() { return },
            _ = stopped.changed() => return,
        }
        let snapshot = snapshots.borrow_and_update().clone();
        let before = admitted.borrow().clone();
        let nothing = snapshot.reservations.is_empty() && before.requests.is_empty();
        if nothing || seen.as_ref().is_some_and(|seen| is_same(seen, &snapshot)) {
            continue;
        }
        let start = Instant::now();
        let looked = (before.clone(), snapshot.clone());
        let after = tokio::task::spawn_blocking(move || Admitted::clone(&looked.0).followed(&looked.1)).await;
        let Ok(after) = after else { return };
        after.tell(&before, &snapshot);
        admitted.send_replace(Arc::new(after));
        seen = Some(snapshot);
        tokio::select! {
            () = tokio::time::sleep(start.elapsed() * PAUSE_SHARE) => {}
            _ = stopped.changed() => return,
        }
    }
}

/// Whether nothing that answers hang on is another one.
fn is_same(old: &Snapshot, new: &Snapshot) -> bool {
    Arc::ptr_eq(&old.network, &new.network)
        && old.weights == new.weights
        && Arc::ptr_eq(&old.reservations, &new.reservations)
}
