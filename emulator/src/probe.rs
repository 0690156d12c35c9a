//! Probes: packets that one host sends to another and that the fabric keeps account of.

use crate::spec::HostIndex;
use net::Time;
use std::collections::BTreeMap;
use std::fmt;

/// The number of a probe, unique within a fabric, from 1 in the order of sending.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ProbeId(pub u64);

impl fmt::Display for ProbeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "probe {}", self.0)
    }
}

/// What a probe is on the wire, and when it counts as delivered.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum ProbeKind {
    /// An ICMP echo request (RFC 792): delivered when the reply is back.
    #[default]
    Echo,
    /// An ICMPv6 echo request (RFC 4443): delivered when the reply is back.
    EchoV6,
    /// A UDP datagram over IPv4: delivered when it arrives. Different source ports may take different paths.
    Datagram {
        /// The UDP source port.
        source_port: u16,
    },
    /// A UDP datagram over IPv6: delivered when it arrives.
    DatagramV6 {
        /// The UDP source port.
        source_port: u16,
    },
}

/// Why a probe is given up.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ProbeLoss {
    /// It was sent and did not arrive before its deadline.
    Deadline,
    /// The destination's MAC address could not be found out.
    Unresolved,
}

/// One probe in the book.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe {
    pub(crate) kind: ProbeKind,
    pub(crate) source: HostIndex,
    pub(crate) target: HostIndex,
    pub(crate) sent: Time,
    fate: Fate,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    Open,
    Delivered,
    Lost,
}

/// What the arrival of a probe means.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Arrival {
    /// It is delivered.
    First(Probe),
    /// It was delivered before.
    Again,
    /// It had been given up.
    Late,
    /// Not at this host, or so old that it is forgotten.
    Unknown,
}

/// The probes that are under way, and for a while those that were.
#[derive(Debug, Default)]
pub(crate) struct ProbeBook {
    probes: BTreeMap<ProbeId, Probe>,
    last: u64,
    open: usize,
}

impl ProbeBook {
    pub(crate) fn open(&mut self, kind: ProbeKind, source: HostIndex, target: HostIndex, sent: Time) -> ProbeId {
        self.last += 1;
        self.open += 1;
        self.probes.insert(ProbeId(self.last), Probe { kind, source, target, sent, fate: Fate::Open });
        ProbeId(self.last)
    }

    pub(crate) fn arrive(&mut self, id: ProbeId, at: HostIndex) -> Arrival {
        let Some(probe) = self.probes.get_mut(&id) else { return Arrival::Unknown };
        let end = match probe.kind {
            ProbeKind::Echo | ProbeKind::EchoV6 => probe.source,
            ProbeKind::Datagram { .. } | ProbeKind::DatagramV6 { .. } => probe.target,
        };
        if at != end {
            return Arrival::Unknown;
        }
        match probe.fate {
            Fate::Open => {
                probe.fate = Fate::Delivered;
                self.open -= 1;
                Arrival::First(*probe)
            }
            Fate::Delivered => Arrival::Again,
            Fate::Lost => Arrival::Late,
        }
    }

    /// Gives a probe up; `None` if its fate is known already.
    pub(crate) fn lose(&mut self, id: ProbeId) -> Option<Probe> {
        let probe = self.probes.get_mut(&id).filter(|probe| probe.fate == Fate::Open)?;
        probe.fate = Fate::Lost;
        self.open -= 1;
        Some(*probe)
    }

    pub(crate) fn forget(&mut self, id: ProbeId) {
        self.probes.remove(&id);
    }

    pub(crate) fn under_way(&self) -> usize {
        self.open
    }
}
