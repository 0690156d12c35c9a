//! Why there is no route, with what comes nearest.

use std::fmt;
use std::time::Duration;

use net::{DatapathId, PortId};

use super::units::{bandwidth_text, latency_text};

/// A part of a network that a route passes, or has to, or must not.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Part {
    /// A switch.
    Switch(DatapathId),
    /// A link, by either end.
    Link(PortId),
    /// A shared risk link group (RFC 4202 §2.3).
    Risk(u32),
}

/// Why there is no route. Constraints are looked at in the order of this list: the one that is named cuts what those before it had left.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NoRoute {
    /// Not in the network.
    NoSwitch(DatapathId),
    /// No link that carries traffic in both directions is at this port.
    NoLink(PortId),
    /// More than [`MAX_INCLUDE`](super::MAX_INCLUDE) parts to pass.
    TooMany(usize),
    /// As many reservations as a ledger holds.
    LedgerFull(usize),
    /// No links lead there, constraints or not.
    Parted {
        /// From where.
        from: DatapathId,
        /// To where.
        to: DatapathId,
        /// Switches that `from` is linked with, itself among them.
        near: usize,
        /// Switches that `to` is linked with, itself among them.
        far: usize,
    },
    /// Each way passes a drained switch: the first one on the cheapest such way.
    Drained(DatapathId),
    /// Each way passes something that is to be avoided: the first on the cheapest such way.
    Avoided(Part),
    /// The way with the most free bandwidth has this much.
    Bandwidth {
        /// Its narrowest link, where it leaves.
        port: PortId,
        /// Free there, kbit/s; `None` if nobody knows.
        free_kbps: Option<u64>,
        /// Asked for.
        asked_kbps: u64,
    },
    /// No way that passes what is to be passed before this, and then this, comes by each switch at most once.
    Include(Part),
    /// Ways are left only over links whose latency is not known: one of them, where it leaves.
    LatencyUnknown(PortId),
    /// The fastest way takes this long.
    Latency {
        /// At least.
        fastest: Duration,
        /// Asked for.
        asked: Duration,
    },
    /// There are routes, but not two without anything in common; where each of them passes one part, that one.
    NotDisjoint(Option<Part>),
    /// [`MAX_LABELS`](super::MAX_LABELS) ways, or for two routes [`MAX_FIRST_ROUTES`](super::MAX_FIRST_ROUTES) first ones, were looked at
    /// without an answer: there may be one.
    Undecided,
}

impl NoRoute {
    /// For people, with the names that switches, ports and risks go by.
    pub fn text(
        &self,
        switch: &dyn Fn(DatapathId) -> String,
        port: &dyn Fn(PortId) -> String,
        risk: &dyn Fn(u32) -> String,
    ) -> String {
        let part = |part: &Part| match part {
            Part::Switch(id) => format!("switch {}", switch(*id)),
            Part::Link(at) => format!("the link at {}", port(*at)),
            Part::Risk(number) => format!("risk group {}", risk(*number)),
        };
        match self {
            NoRoute::NoSwitch(id) => format!("switch {} is not in the network", switch(*id)),
            NoRoute::NoLink(at) => format!("there is no link at {}", port(*at)),
            NoRoute::TooMany(most) => format!("at most {most} switches and links to pass can be asked for"),
            NoRoute::LedgerFull(most) => format!("{most} reservations are held, and no more are"),
            NoRoute::Parted { from, to, near, far } => format!(
                "{from} and {to} are in different parts of the network: {from}'s part has {}, {to}'s has {}",
                switches(*near),
                switches(*far),
                from = switch(*from),
                to = switch(*to),
            ),
            NoRoute::Drained(id) => {
                format!("switch {} is drained, and no way leads around drained switches", switch(*id))
            }
            NoRoute::Avoided(what) => format!("each way passes what is to be avoided; the cheapest one {}", part(what)),
            NoRoute::Bandwidth { port: at, free_kbps: Some(free), asked_kbps } => format!(
                "the most that a way has free is {} (at {}), under the {} asked",
                bandwidth_text(*free),
                port(*at),
                bandwidth_text(*asked_kbps)
            ),
            NoRoute::Bandwidth { port: at, free_kbps: None, asked_kbps } => format!(
                "no way is known to have the {} asked: the bandwidth at {} is not known",
                bandwidth_text(*asked_kbps),
                port(*at)
            ),
            NoRoute::Include(what) => {
                format!("no way passes {} in the order asked without coming by a switch twice", part(what))
            }
            NoRoute::LatencyUnknown(at) => {
                format!("the latency of the link at {} is not known, and no way leads around such links", port(*at))
            }
            NoRoute::Latency { fastest, asked } => {
                format!("best latency is {}, over the {} asked", latency_text(*fastest), latency_text(*asked))
            }
            NoRoute::NotDisjoint(Some(what)) => format!("each way passes {}", part(what)),
            NoRoute::NotDisjoint(None) => {
                "every two ways have something in common, not all of them the same".to_owned()
            }
            NoRoute::Undecided => "not decided: too many ways would have to be looked at".to_owned(),
        }
    }
}

impl fmt::Display for NoRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(&|id| id.to_string(), &|port| port.to_string(), &|risk| risk.to_string()))
    }
}

impl std::error::Error for NoRoute {}

fn switches(count: usize) -> String {
    if count == 1 { "1 switch".to_owned() } else { format!("{count} switches") }
}
