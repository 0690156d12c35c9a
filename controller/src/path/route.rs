//! Single ways through a network: the cheapest under constraints, the k cheapest, two that share nothing, and bandwidth set aside on them; and
//! why there is none.
//!
//! [`TrafficDatabase`] is what is known of each direction of each link at one moment (RFC 4655 §2). Answers are routes that come by no switch
//! twice, of the least cost by its [`Weights`](super::Weights); of several equally cheap ones always the same one.

mod database;
mod disjoint;
mod ledger;
mod reason;
mod search;
#[cfg(test)]
mod tests;
mod units;
mod yen;

use std::collections::BTreeSet;
use std::time::Duration;

use net::{DatapathId, PortId};

pub use database::TrafficDatabase;
pub use disjoint::{Disjoint, DisjointPair, MAX_FIRST_ROUTES};
pub use ledger::{Ledger, MAX_RESERVATIONS, NamedRequest, Request};
pub use reason::{NoRoute, Part};
pub use search::MAX_LABELS;
pub use units::{bandwidth_text, latency_text, parse_kbps, parse_latency};
pub use yen::MAX_ROUTES;

/// Switches and links to pass that are taken at most: a search has as many layers.
pub const MAX_INCLUDE: usize = 16;

/// A way, link by link. Ordered by cost, then by its ports.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Route {
    /// Sum of the costs.
    pub cost: u64,
    /// Each link in the direction it is taken: where it leaves, where it arrives. None from a switch to itself.
    pub links: Vec<(PortId, PortId)>,
    /// Sum of the latencies; `None` where one of them is not known.
    pub latency: Option<Duration>,
    /// What is free of the narrowest link, kbit/s; `None` where one is not known, and without links.
    pub free_kbps: Option<u64>,
}

/// What a route has to keep to. The default asks for nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Constraints {
    /// Free on each link, kbit/s. A link whose bandwidth is not known is not taken.
    pub min_bandwidth_kbps: Option<u64>,
    /// Over all links. One whose latency is not known is not taken.
    pub max_latency: Option<Duration>,
    /// Switches not to touch.
    pub avoid_switches: BTreeSet<DatapathId>,
    /// Links not to take in either direction, by either end.
    pub avoid_links: BTreeSet<PortId>,
    /// No link that shares one of these risks.
    pub avoid_risks: BTreeSet<u32>,
    /// What to pass, in this order: switches, and links in either direction. At most [`MAX_INCLUDE`].
    pub include: Vec<Part>,
}
