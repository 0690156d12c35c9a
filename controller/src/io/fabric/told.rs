//! Log lines about connections that are refused or slowed: one per source, topic and minute, however many come. No peer fills the disk.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use net::Time;

/// A source is named this often for the same thing; what lies between is counted.
const PAUSE: Duration = Duration::from_secs(60);
/// Sources and topics that are remembered. When there are more, those whose pause is over are forgotten, with what was not told of them;
/// if there are none, nothing more is told. All are in the metrics.
const ROWS_MAX: usize = 8_192;

/// What a connection was refused or slowed for, as far as the log tells it apart: the first line about one must not hide another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Topic {
    /// Too many from there.
    Crowd,
    /// Not OpenFlow.
    Foreign,
    /// TCP without TLS.
    Plain,
    /// TLS did not come about.
    Tls,
    /// Another version of OpenFlow.
    Version,
    /// A datapath id that somebody else has.
    Duplicate,
    /// A certificate of another switch.
    Certificate,
    /// Much that nobody wants.
    Useless,
    /// It did not say who it is in time: what every port scanner does.
    Silent,
    /// OpenFlow, and otherwise not a switch that is taken.
    Handshake,
    /// A rule or a group that a switch does not take.
    Refused,
}

#[derive(Debug)]
struct Row {
    told: Time,
    untold: u64,
}

/// What has been told.
#[derive(Default, Debug)]
pub(super) struct Told {
    rows: HashMap<(String, Topic), Row>,
    /// Before this no row can go: nobody looks for one.
    next_room: Time,
}

impl Told {
    /// Whether the log should say it now, and how many times it was not said since it last was.
    pub(super) fn tell(&mut self, source: String, topic: Topic, now: Time) -> Option<u64> {
        let key = (source, topic);
        if let Some(row) = self.rows.get_mut(&key) {
            if now.since(row.told) < PAUSE {
                row.untold += 1;
                return None;
            }
            row.told = now;
            return Some(std::mem::take(&mut row.untold));
        }
        if self.rows.len() >= ROWS_MAX {
            if now < self.next_room {
                return None;
            }
            self.rows.retain(|_, row| now.since(row.told) < PAUSE);
            if self.rows.len() >= ROWS_MAX {
                self.next_room = self.rows.values().map(|row| row.told + PAUSE).min().unwrap_or(now);
                return None;
            }
        }
        self.rows.insert(key, Row { told: now, untold: 0 });
        Some(0)
    }
}

/// Whose share of everything it is: hosts have an IPv4 address, and all of an IPv6 /64 (RFC 6177 §2).
pub(super) fn source(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

/// The source in a peer's name, which is an address with a port, or the whole name.
pub(super) fn source_of(peer: &str) -> String {
    peer.parse().map_or_else(|_| peer.to_owned(), |address: SocketAddr| source(address.ip()).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_named_once_a_minute_for_each_thing_with_what_lay_between() {
        let mut told = Told::default();
        let mut tell = |source: &str, topic, second| told.tell(source_of(source), topic, Time::from_secs(second));
        assert_eq!(tell("192.0.2.1:1", Topic::Tls, 0), Some(0));
        assert_eq!((tell("192.0.2.1:2", Topic::Tls, 1), tell("192.0.2.1:3", Topic::Tls, 59)), (None, None));
        assert_eq!((tell("192.0.2.1:4", Topic::Plain, 2), tell("192.0.2.2:5", Topic::Tls, 3)), (Some(0), Some(0)));
        assert_eq!((tell("192.0.2.1:6", Topic::Tls, 60), tell("192.0.2.1:7", Topic::Tls, 61)), (Some(2), None));
        assert_eq!((tell("unix", Topic::Foreign, 61), tell("unix", Topic::Foreign, 62)), (Some(0), None));
    }

    #[test]
    fn sources_without_number_fill_neither_the_memory_nor_the_log() {
        let mut told = Told::default();
        let mut tell = |number: u32, second| {
            told.tell(std::net::Ipv4Addr::from(number).to_string(), Topic::Crowd, Time::from_secs(second)).is_some()
        };
        let all = 3 * ROWS_MAX as u32;
        assert_eq!((0..all).filter(|number| tell(*number, 0)).count(), ROWS_MAX);
        assert!(tell(all, 60), "when the pause of the others is over");
        assert_eq!(told.rows.len(), 1);
    }

    #[test]
    fn an_ipv6_network_is_one_source() {
        assert_eq!(source_of("[2001:db8::1]:1"), source_of("[2001:db8::ffff:0:0:2]:2"));
        assert_ne!(source_of("[2001:db8::1]:1"), source_of("[2001:db8:0:1::1]:1"));
    }
}
