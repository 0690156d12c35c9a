//! Probes: packets that one host sends to another and that the fabric keeps account of.

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
