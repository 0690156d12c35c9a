//! What is wrong with the network, or looks so: findings for an operator, of which nothing else depends.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

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
    /// Frames come in that say they are probes of this run, and whose authentication code is wrong.
    ForgedProbes {
        /// Where.
        port: PortId,
        /// How many since it began.
        frames: u64,
    },
    /// Probes of another controller, or of another run of this one, come in.
    ForeignProbes {
        /// Where.
        port: PortId,
        /// How many since it began.
        frames: u64,
    },
    /// Probes of this run come in that have come in before, or left too long ago.
    ReplayedProbes {
        /// Where.
        port: PortId,
        /// How many since it began.
        frames: u64,
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
    /// Something is stated of a link that leads elsewhere: it counts for nothing.
    StatedElsewhere {
        /// What is spoken of.
        stated: ExpectedLink,
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
    /// Somebody says an IP address of another host, who still answers for it or is said to have it.
    AddressContested {
        /// The address.
        address: IpAddr,
        /// Whose it is.
        mac: MacAddr,
        /// Where that host is.
        port: PortId,
        /// Who says it, too.
        by: MacAddr,
        /// Where.
        at: PortId,
    },
    /// Somebody answers as a DHCP server who is not stated to be one.
    RogueDhcpServer {
        /// Where.
        port: PortId,
        /// Who.
        mac: MacAddr,
        /// How many messages since it began.
        answers: u64,
    },
}

impl Condition {
    /// The names of all kinds.
    pub const KINDS: [&'static str; 19] = [
        "one_way",
        "loopback",
        "miswired",
        "flapping",
        "speed_mismatch",
        "mtu_mismatch",
        "short_frames",
        "link_at_host_port",
        "late_probes",
        "forged_probes",
        "foreign_probes",
        "replayed_probes",
        "link_missing",
        "link_elsewhere",
        "stated_elsewhere",
        "link_unexpected",
        "host_contested",
        "address_contested",
        "rogue_dhcp_server",
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
            Condition::ForgedProbes { .. } => "forged_probes",
            Condition::ForeignProbes { .. } => "foreign_probes",
            Condition::ReplayedProbes { .. } => "replayed_probes",
            Condition::LinkMissing(_) => "link_missing",
            Condition::LinkElsewhere { .. } => "link_elsewhere",
            Condition::StatedElsewhere { .. } => "stated_elsewhere",
            Condition::LinkUnexpected { .. } => "link_unexpected",
            Condition::HostContested { .. } => "host_contested",
            Condition::AddressContested { .. } => "address_contested",
            Condition::RogueDhcpServer { .. } => "rogue_dhcp_server",
        }
    }
}

/// What stays the same of a condition while it lasts, however its details change.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Subject {
    /// One of [`Condition::KINDS`].
    pub kind: &'static str,
    /// The port that it is about.
    pub port: PortId,
    /// The other port, where two make it what it is.
    pub other: Option<PortId>,
    /// The host that it is about.
    pub mac: Option<MacAddr>,
}

impl Condition {
    /// What it is about: two looks at the network find the same condition if this is the same.
    pub fn subject(&self) -> Subject {
        let (port, other, mac) = match *self {
            Condition::OneWay { source, target }
            | Condition::Loopback { source, target }
            | Condition::LinkAtHostPort { source, target }
            | Condition::LateProbes { source, target } => (source, Some(target), None),
            Condition::Miswired { port, .. }
            | Condition::ShortFrames { port, .. }
            | Condition::ForgedProbes { port, .. }
            | Condition::ForeignProbes { port, .. }
            | Condition::ReplayedProbes { port, .. } => (port, None, None),
            Condition::Flapping { source, .. } => (source, None, None),
            Condition::SpeedMismatch { ends: [a, b], .. }
            | Condition::MtuMismatch { ends: [a, b], .. }
            | Condition::LinkMissing(ExpectedLink { ends: [a, b] })
            | Condition::LinkElsewhere { expected: ExpectedLink { ends: [a, b] }, .. }
            | Condition::StatedElsewhere { stated: ExpectedLink { ends: [a, b] }, .. }
            | Condition::LinkUnexpected { ends: [a, b] } => (a, Some(b), None),
            Condition::HostContested { mac, port, .. } => (port, None, Some(mac)),
            Condition::AddressContested { mac, port, at, .. } => (port, Some(at), Some(mac)),
            Condition::RogueDhcpServer { port, mac, .. } => (port, None, Some(mac)),
        };
        Subject { kind: self.kind(), port, other, mac }
    }

    /// What an operator can do about it.
    pub const fn advice(&self) -> &'static str {
        match self {
            Condition::OneWay { .. } => {
                "check both fibres or pairs of the cable and the transceivers; until both directions are there the link carries nothing"
            }
            Condition::Loopback { .. } => "take the cable out, unless it is meant: nothing is flooded into it",
            Condition::Miswired { .. } => {
                "follow the cables of this port: a receiving and a sending fibre go to different places, or a hub is between"
            }
            Condition::Flapping { .. } => {
                "check cable, transceiver and the far end's port; the link is taken back when it has been quiet, and at once without `fabric.damping`"
            }
            Condition::SpeedMismatch { .. } => "set both ports to the same rate, or replace the slower transceiver",
            Condition::MtuMismatch { .. } => {
                "set both interfaces to the same MTU: larger packets are lost without a word"
            }
            Condition::ShortFrames { .. } => {
                "lower the interface's MTU or raise the neighbour's: larger packets are lost without a word"
            }
            Condition::LinkAtHostPort { .. } => {
                "if a switch was plugged in here, take the port down and up; if not, a host sends copies of probes"
            }
            Condition::LateProbes { .. } => {
                "look for something that relays or delays frames between the two ports, and at the load of the controller"
            }
            Condition::ForgedProbes { .. } => {
                "find who is at this port: somebody makes up links, and none of it is believed"
            }
            Condition::ForeignProbes { .. } => {
                "nothing, if another controller has the switch at the other end; if not, find who sends on what he has recorded: it makes no link"
            }
            Condition::ReplayedProbes { .. } => {
                "look for a loop behind this port, or for somebody who sends on what he has recorded: it makes no link"
            }
            Condition::LinkMissing(_) => {
                "check cable and ports at both ends, or take the link out of `fabric.expected_links`"
            }
            Condition::LinkElsewhere { .. } => "put the cable where it is expected, or change `fabric.expected_links`",
            Condition::StatedElsewhere { .. } => {
                "change `links` to the ports that the cable is in: what is said there, a `drain` too, counts for nothing now"
            }
            Condition::LinkUnexpected { .. } => "take the cable out, or add the link to `fabric.expected_links`",
            Condition::HostContested { .. } => {
                "find who is at the other port: a second device with the same address, or somebody who takes its place"
            }
            Condition::AddressContested { .. } => {
                "find who says the address too: one given twice, or somebody who wants what is sent to it"
            }
            Condition::RogueDhcpServer { .. } => {
                "take the device off the network, or add it to `fabric.dhcp_servers`: clients that believe it get the addresses, gateway and name servers that it says"
            }
        }
    }

    /// In one sentence, with each port as `name` calls it.
    pub fn words(&self, name: &dyn Fn(PortId) -> String) -> String {
        match self {
            Condition::OneWay { source, target } => {
                format!("probes get from {} to {}, and none come back", name(*source), name(*target))
            }
            Condition::Loopback { source, target } if source == target => {
                format!("{} leads back to itself", name(*source))
            }
            Condition::Loopback { source, target } => {
                format!("{} leads to {} of the same switch", name(*source), name(*target))
            }
            Condition::Miswired { port, far_ends } => {
                let far_ends: Vec<String> = far_ends.iter().map(|end| name(*end)).collect();
                format!("{} has several ports at its other end: {}", name(*port), far_ends.join(", "))
            }
            Condition::Flapping { source, target, flaps, last, until: _ } => {
                let last = match last {
                    LinkDownReason::PortDown => "its port went down",
                    LinkDownReason::PortRemoved => "its port was removed",
                    LinkDownReason::ProbesMissed => "its probes were lost",
                    LinkDownReason::FarEndChanged => "it led elsewhere",
                    LinkDownReason::SwitchGone => "its switch was gone",
                };
                let (source, target) = (name(*source), name(*target));
                format!(
                    "the link from {source} to {target} went down {flaps} times, at last because {last}: it is kept down"
                )
            }
            Condition::SpeedMismatch { ends: [a, b], kbps: [one, other] } => {
                format!("{} runs at {one} kbit/s and {} at {other} kbit/s", name(*a), name(*b))
            }
            Condition::MtuMismatch { ends: [a, b], mtus: [one, other] } => {
                format!("{} has an MTU of {one} octets and {} one of {other}", name(*a), name(*b))
            }
            Condition::ShortFrames { port, mtu, max_frame_size } => {
                format!(
                    "{} has an MTU of {mtu} octets, and its neighbour takes frames of {max_frame_size} only",
                    name(*port)
                )
            }
            Condition::LinkAtHostPort { source, target } => {
                format!(
                    "probes get from {} to {}, where a host was seen: no link until the port was down",
                    name(*source),
                    name(*target)
                )
            }
            Condition::LateProbes { source, target } => {
                format!("probes from {} to {} arrive too late: relayed, or delayed", name(*source), name(*target))
            }
            Condition::ForgedProbes { port, frames } => {
                format!("forged probes come in by {}: {frames} so far", name(*port))
            }
            Condition::ForeignProbes { port, frames } => {
                format!(
                    "probes of another controller, or of an earlier run, come in by {}: {frames} so far",
                    name(*port)
                )
            }
            Condition::ReplayedProbes { port, frames } => {
                format!("probes that have come in before or left long ago come in by {}: {frames} so far", name(*port))
            }
            Condition::LinkMissing(ExpectedLink { ends: [a, b] }) => {
                format!("the link between {} and {} is expected and not there", name(*a), name(*b))
            }
            Condition::LinkElsewhere { expected: ExpectedLink { ends: [a, b] }, from, to } => {
                let (a, b, from, to) = (name(*a), name(*b), name(*from), name(*to));
                format!("the link between {a} and {b} is expected, and {from} leads to {to}")
            }
            Condition::StatedElsewhere { stated: ExpectedLink { ends: [a, b] }, from, to } => {
                let (a, b, from, to) = (name(*a), name(*b), name(*from), name(*to));
                format!("`links` speaks of a link between {a} and {b}, and {from} leads to {to}")
            }
            Condition::LinkUnexpected { ends: [a, b] } => {
                format!("the link between {} and {} is not expected", name(*a), name(*b))
            }
            Condition::HostContested { mac, port, at } => {
                format!("{mac} is at {}, and somebody uses its address at {}", name(*port), name(*at))
            }
            Condition::AddressContested { address, mac, port, by, at } => {
                format!("{address} is {mac}'s at {}, and {by} at {} says it too", name(*port), name(*at))
            }
            Condition::RogueDhcpServer { port, mac, answers } => {
                format!("{mac} at {} answers as a DHCP server (messages so far: {answers})", name(*port))
            }
        }
    }
}

/// [`Condition::words`] with switches by their datapath ids.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words(&|port| port.to_string()))
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
