//! What links cost: what is known of each, and a metric that makes whole numbers of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use net::{DatapathId, PortId};
use topology::{ExpectedLink, Network};

/// The dearest that a link gets by its metric: about a second, where latency in microseconds is the metric.
pub const MAX_COST: u32 = 1 << 20;
/// What a drained link costs on top, and every link out of a drained switch: more than 63 of the dearest links that are not drained, so that it is
/// used where nothing else leads (as a link at the maximum metric, RFC 5305 §3, or a stub router's, RFC 6987). A way of more than 63
/// of them counts as none.
pub const DRAINED_COST: u32 = 1 << 26;
/// Parts in a thousand that utilisation has to fall below a step's threshold before the step is left again.
pub const UTILISATION_HYSTERESIS: u16 = 100;

/// From so many parts in a thousand on a link costs so many times what it costs otherwise.
const UTILISATION_STEPS: [(u16, u32); 4] = [(0, 1), (500, 2), (750, 4), (900, 16)];

/// What is known of a link in one direction.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LinkAttributes {
    /// The other end that this is said of: while the link leads elsewhere, nothing of it counts. `None` for any.
    pub to: Option<PortId>,
    /// Administrative cost, 1 to [`MAX_COST`].
    pub cost: Option<u32>,
    /// How long a frame is under way.
    pub latency: Option<Duration>,
    /// Bit rate in kbit/s; without it the port's own is taken.
    pub bandwidth_kbps: Option<u64>,
    /// Numbers of risks that it shares with other links (SRLG, RFC 4202 §2.3): one conduit, one amplifier.
    pub risks: BTreeSet<u32>,
    /// Under maintenance: used where nothing else leads.
    pub drained: bool,
}

/// What makes a way short.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Metric {
    /// Every link costs 1.
    #[default]
    Hops,
    /// The administrative cost; 1 where none is stated.
    Cost,
    /// Microseconds, rounded up: as stated, or as measured if [`Weights::measured_latency`] says so; [`MAX_COST`] where it is not known.
    Latency,
    /// How often the bit rate goes into this one, in kbit/s, rounded up (RFC 2328 §C.3); [`MAX_COST`] where it is not known.
    Bandwidth {
        /// The rate of a link that costs 1.
        reference_kbps: u64,
    },
    /// The administrative cost times 1, 2, 4 or 16: from 50, 75 and 90 % of utilisation on, and back 10 points below each.
    Utilisation,
}

/// A metric and what it is applied to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Weights {
    /// What makes a way short.
    pub metric: Metric,
    /// What is known of links, by the port where frames leave. Both directions of a link are told apart.
    pub links: BTreeMap<PortId, LinkAttributes>,
    /// What people call risks, by number.
    pub risk_names: BTreeMap<u32, String>,
    /// Switches under maintenance: destinations as ever, and somebody else's way only where nothing else leads (RFC 6987).
    pub drained: BTreeSet<DatapathId>,
    /// Frames go round a dead link with a label: see [`bypass`](super::bypass).
    pub bypasses: bool,
    /// With [`Metric::Latency`]: what is measured counts where nothing is stated.
    pub measured_latency: bool,
    /// Index of [`UTILISATION_STEPS`]; a direction without an entry is at the first.
    steps: BTreeMap<PortId, usize>,
    /// Measured latencies that count, in microseconds.
    latencies: BTreeMap<PortId, u32>,
    /// Both ends of links over which nothing leads.
    withheld: BTreeSet<PortId>,
}

impl Weights {
    /// The links of which something is stated, each once, the lower end first.
    pub fn stated_links(&self) -> impl Iterator<Item = ExpectedLink> {
        let ends = self.links.iter().filter_map(|(here, link)| Some([*here, link.to?]));
        ends.filter(|[here, there]| here < there).map(|ends| ExpectedLink { ends })
    }

    /// The same without bypasses: where frames go while no link is dead that the controller knows nothing of.
    pub fn plain(&self) -> Weights {
        Weights { bypasses: false, ..self.clone() }
    }

    /// Both ends of links that are there and over which nothing leads, for what they would change has not been found to be well.
    pub fn withheld(&self) -> &BTreeSet<PortId> {
        &self.withheld
    }

    /// The same with other links over which nothing leads.
    pub fn withholding(&self, withheld: BTreeSet<PortId>) -> Weights {
        Weights { withheld, ..self.clone() }
    }

    pub(super) fn set_withheld(&mut self, withheld: BTreeSet<PortId>) {
        self.withheld = withheld;
    }

    /// Every link alike, and ways round all of them.
    pub fn with_bypasses() -> Weights {
        Weights { bypasses: true, ..Weights::default() }
    }

    /// Every link alike.
    pub fn new(metric: Metric) -> Weights {
        Weights { metric, ..Weights::default() }
    }

    /// How much of a link's bit rate is used in the direction out of `port`, in parts of a thousand. Whether it costs something else since.
    pub fn note_utilisation(&mut self, port: PortId, permille: u16) -> bool {
        let (now, next) = (self.step(port), self.step_at(port, permille));
        if next == 0 {
            self.steps.remove(&port);
        } else {
            self.steps.insert(port, next);
        }
        next != now && self.metric == Metric::Utilisation
    }

    /// Which step of utilisation the direction out of a port is at.
    pub(crate) fn step(&self, port: PortId) -> usize {
        self.steps.get(&port).copied().unwrap_or(0)
    }

    /// Which one it would be at with so many parts in a thousand.
    pub(crate) fn step_at(&self, port: PortId, permille: u16) -> usize {
        let above = |(from, _): &(u16, u32)| permille >= *from;
        let up = UTILISATION_STEPS.iter().rposition(above).unwrap_or(0);
        let still = |(from, _): &(u16, u32)| permille.saturating_add(UTILISATION_HYSTERESIS) >= *from;
        let down = UTILISATION_STEPS.iter().rposition(still).unwrap_or(0);
        self.step(port).clamp(up, down)
    }

    /// What latencies that are measured now change, by port, in microseconds. One that is a quarter less than what counts so far counts from now on; so
    /// does one that is new; that of a link that is gone does no more.
    pub(crate) fn latency_changes(&self, measured: &BTreeMap<PortId, Duration>) -> Vec<(PortId, Option<u32>)> {
        let gone = self.latencies.keys().filter(|port| !measured.contains_key(port)).map(|port| (*port, None));
        let other = measured.iter().filter_map(|(port, latency)| {
            let us = u32::try_from(latency.as_nanos().div_ceil(1_000)).unwrap_or(MAX_COST);
            let counts = self.latencies.get(port);
            counts.is_none_or(|counts| us < counts - counts / 4).then_some((*port, Some(us)))
        });
        gone.chain(other).collect()
    }

    /// From now on this latency counts, or none.
    pub(crate) fn set_measured_latency(&mut self, port: PortId, us: Option<u32>) {
        match us {
            Some(us) => self.latencies.insert(port, us),
            None => self.latencies.remove(&port),
        };
    }

    /// What was measured so far counts as before, as far as the metric is still about it, and what was withheld is.
    pub(crate) fn go_on_from(&mut self, before: &Weights) {
        self.withheld.clone_from(&before.withheld);
        if self.metric == Metric::Utilisation {
            self.steps = before.steps.clone();
        }
        if self.metric == Metric::Latency && self.measured_latency {
            self.latencies = before.latencies.clone();
        }
    }

    /// What people call a risk.
    pub fn risk_name(&self, risk: u32) -> String {
        self.risk_names.get(&risk).cloned().unwrap_or_else(|| risk.to_string())
    }

    /// The risk that people call so, or that has this number.
    pub fn risk(&self, text: &str) -> Option<u32> {
        let named = self.risk_names.iter().find(|(_, name)| *name == text).map(|(number, _)| *number);
        named.or_else(|| text.parse().ok())
    }

    /// What is stated of the link at a port.
    pub fn stated(&self, port: PortId, network: &Network) -> Option<&LinkAttributes> {
        let leads_there = |to| network.links.get(&port).is_none_or(|link| link.target == to);
        self.links.get(&port).filter(|link| link.to.is_none_or(leads_there))
    }

    /// Whether the link at a port is under maintenance, or the switch that it leads out of.
    pub fn is_drained(&self, port: PortId, network: &Network) -> bool {
        self.drained.contains(&port.datapath_id) || self.stated(port, network).is_some_and(|link| link.drained)
    }

    /// Bit rate out of a port in kbit/s: as stated, else the port's own.
    pub fn bandwidth_kbps(&self, port: PortId, network: &Network) -> Option<u64> {
        let stated = self.stated(port, network).and_then(|link| link.bandwidth_kbps);
        stated.or_else(|| network.port(port).map(|port| u64::from(port.info.curr_speed_kbps))).filter(|&kbps| kbps > 0)
    }

    /// How long a frame is under way out of a port: as stated, else the least that probes have measured, which is nearest to the wire's own.
    pub fn latency(&self, port: PortId, network: &Network) -> Option<Duration> {
        let stated = self.stated(port, network).and_then(|link| link.latency);
        stated.or_else(|| network.latency(port).map(|measured| measured.min))
    }

    /// Numbers of risks that a link has, stated at either end.
    pub fn risks(&self, a: PortId, b: PortId, network: &Network) -> BTreeSet<u32> {
        let of = |port| self.stated(port, network).into_iter().flat_map(|link| link.risks.iter().copied());
        of(a).chain(of(b)).collect()
    }

    /// What the direction out of a port would cost if nothing were measured.
    pub fn stated_cost(&self, port: PortId, network: &Network) -> u32 {
        self.cost_by(port, network, false)
    }

    /// What the direction out of a port costs: 1 to [`MAX_COST`], and [`DRAINED_COST`] more if it is drained.
    pub fn cost(&self, port: PortId, network: &Network) -> u32 {
        self.cost_by(port, network, true)
    }

    fn cost_by(&self, port: PortId, network: &Network, as_measured: bool) -> u32 {
        let link = self.stated(port, network);
        let stated = link.and_then(|link| link.cost).unwrap_or(1).clamp(1, MAX_COST);
        let cost = match self.metric {
            Metric::Hops => 1,
            Metric::Cost => stated,
            Metric::Latency => match link.and_then(|link| link.latency) {
                Some(latency) => u32::try_from(latency.as_nanos().div_ceil(1_000)).unwrap_or(MAX_COST),
                None => self.latencies.get(&port).copied().filter(|_| as_measured).unwrap_or(MAX_COST),
            },
            Metric::Bandwidth { reference_kbps } => match self.bandwidth_kbps(port, network) {
                Some(kbps) => u32::try_from(reference_kbps.div_ceil(kbps)).unwrap_or(MAX_COST),
                None => MAX_COST,
            },
            Metric::Utilisation => {
                let step = if as_measured { self.step(port) } else { 0 };
                stated.saturating_mul(UTILISATION_STEPS.get(step).map_or(1, |(_, times)| *times))
            }
        };
        cost.clamp(1, MAX_COST) + if self.is_drained(port, network) { DRAINED_COST } else { 0 }
    }
}
