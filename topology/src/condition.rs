//! What is wrong with the network, or looks so: findings for an operator, of which nothing else depends.

use std::collections::BTreeMap;
use std::fmt;

use net::{MacAddr, PortId, Time};

use crate::LinkDownReason;

/// Conditions that are told one by one. Further ones are counted.
pub const MAX_CONDITIONS: usize = 1_024;

/// A link that the operator says there is, without a direction.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ExpectedLink {
    /// Its ends.
    pub ends: [PortId; 2],
}

/// Something that should be otherwise.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(tag = "kind", rename_all = "snake_case"))]
pub enum Condition {
    /// Probes arrive in this direction alone.
    OneWay {
        /// Where they leave.
        source: PortId,
        /// Where they arrive.
        target: PortId,
    },
    /// Both ends are on the same switch, or are the same port.
    Loopback {
        /// Where probes leave.
        source: PortId,
        /// Where they arrive.
        target: PortId,
    },
    /// Several ports are at the other end of one: two cables in one port's place (one receiving, one sending), or a hub between.
    Miswired {
        /// The port.
        port: PortId,
        /// What it hears and who hears it, at most 8.
        far_ends: Vec<PortId>,
    },
    /// The link went down so often that it is kept down.
    Flapping {
        /// Where its probes leave.
        source: PortId,
        /// Where they arrived last.
        target: PortId,
        /// How often it went down since it began.
        flaps: u32,
        /// Why it went down last.
        last: LinkDownReason,
        /// When it is taken back if it stays up.
        until: Time,
    },
    /// The ends of a link have different bit rates.
    SpeedMismatch {
        /// The ends.
        ends: [PortId; 2],
        /// Their bit rates in kbit/s.
        kbps: [u32; 2],
    },
    /// The ends of a link take packets of different size.
    MtuMismatch {
        /// The ends.
        ends: [PortId; 2],
        /// Their MTUs in octets.
        mtus: [u32; 2],
    },
    /// The LLDP neighbour takes shorter frames than the port sends.
    ShortFrames {
        /// The port.
        port: PortId,
        /// The MTU of the port in octets, which needs frames of 18 octets more.
        mtu: u32,
        /// The longest frame that the neighbour takes, in octets with header and FCS.
        max_frame_size: u16,
    },
    /// Probes arrive, but a host was seen at one of the ports: no link is made of them until it was down.
    LinkAtHostPort {
        /// Where they leave.
        source: PortId,
        /// Where they arrive.
        target: PortId,
    },
    /// Probes arrive later than a link takes: somebody relays them, or the controller is overloaded.
    LateProbes {
        /// Where they leave.
        source: PortId,
        /// Where they arrive.
        target: PortId,
    },
    /// An expected link is not there, in one direction at least.
    LinkMissing(ExpectedLink),
    /// An expected link leads elsewhere.
    LinkElsewhere {
        /// What is expected.
        expected: ExpectedLink,
        /// Which of its ends leads elsewhere.
        from: PortId,
        /// Where to.
        to: PortId,
    },
    /// There is a link that is not expected.
    LinkUnexpected {
        /// Its ends.
        ends: [PortId; 2],
    },
    /// Somebody uses the address of a host that is at another port and still answers there, or is said to be there.
    HostContested {
        /// Whose address.
        mac: MacAddr,
        /// Where the host is.
        port: PortId,
        /// Where somebody else is.
        at: PortId,
    },
}

impl Condition {
    /// The names of all kinds.
    pub const KINDS: [&'static str; 13] = [
        "one_way",
        "loopback",
        "miswired",
        "flapping",
        "speed_mismatch",
        "mtu_mismatch",
        "short_frames",
        "link_at_host_port",
        "late_probes",
        "link_missing",
        "link_elsewhere",
        "link_unexpected",
        "host_contested",
    ];

    /// One of [`Condition::KINDS`].
    pub const fn kind(&self) -> &'static str {
        match self {
            Condition::OneWay { .. } => "one_way",
            Condition::Loopback { .. } => "loopback",
            Condition::Miswired { .. } => "miswired",
            Condition::Flapping { .. } => "flapping",
            Condition::SpeedMismatch { .. } => "speed_mismatch",
            Condition::MtuMismatch { .. } => "mtu_mismatch",
            Condition::ShortFrames { .. } => "short_frames",
            Condition::LinkAtHostPort { .. } => "link_at_host_port",
            Condition::LateProbes { .. } => "late_probes",
            Condition::LinkMissing(_) => "link_missing",
            Condition::LinkElsewhere { .. } => "link_elsewhere",
            Condition::LinkUnexpected { .. } => "link_unexpected",
            Condition::HostContested { .. } => "host_contested",
        }
    }
}

/// For people, with switches by their datapath ids.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Condition::OneWay { source, target } => write!(f, "{source} -> {target}: nothing comes back"),
            Condition::Loopback { source, target } if source == target => {
                write!(f, "{source}: leads back to itself")
            }
            Condition::Loopback { source, target } => write!(f, "{source} -> {target}: the same switch"),
            Condition::Miswired { port, far_ends } => {
                write!(f, "{port}: several ports at the other end:")?;
                far_ends.iter().try_for_each(|end| write!(f, " {end}"))
            }
            Condition::Flapping { source, target, flaps, last, until } => {
                write!(f, "{source} -> {target}: went down {flaps} times, last by {last:?}, kept down until {until}")
            }
            Condition::SpeedMismatch { ends: [a, b], kbps: [one, other] } => {
                write!(f, "{a} - {b}: {one} kbit/s at one end, {other} kbit/s at the other")
            }
            Condition::MtuMismatch { ends: [a, b], mtus: [one, other] } => {
                write!(f, "{a} - {b}: MTU {one} at one end, {other} at the other")
            }
            Condition::ShortFrames { port, mtu, max_frame_size } => {
                write!(f, "{port}: MTU {mtu}, yet the neighbour takes frames of {max_frame_size} octets only")
            }
            Condition::LinkAtHostPort { source, target } => {
                write!(f, "{source} -> {target}: a host was seen there, no link until the port was down")
            }
            Condition::LateProbes { source, target } => {
                write!(f, "{source} -> {target}: probes arrive too late, relayed or delayed")
            }
            Condition::LinkMissing(ExpectedLink { ends: [a, b] }) => write!(f, "{a} - {b}: expected, not there"),
            Condition::LinkElsewhere { expected: ExpectedLink { ends: [a, b] }, from, to } => {
                write!(f, "{a} - {b}: expected, yet {from} leads to {to}")
            }
            Condition::LinkUnexpected { ends: [a, b] } => write!(f, "{a} - {b}: not expected"),
            Condition::HostContested { mac, port, at } => write!(f, "{mac}: is at {port}, somebody uses it at {at}"),
        }
    }
}

/// All conditions at one time.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Conditions {
    /// The first [`MAX_CONDITIONS`], by kind and port.
    pub shown: Vec<Condition>,
    /// How many there are of each kind, shown or not; kinds of which there are none are left out.
    pub counts: BTreeMap<&'static str, usize>,
}

impl Conditions {
    pub(crate) fn add(&mut self, condition: Condition) {
        *self.counts.entry(condition.kind()).or_default() += 1;
        if self.shown.len() < MAX_CONDITIONS {
            self.shown.push(condition);
        }
    }
}
