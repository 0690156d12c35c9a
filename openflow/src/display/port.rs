//! Ports and queues in ovs-ofctl's words.

use std::fmt::{self, Display, Formatter};

use super::text::{Escaped, Flags, Octets, Parts, Seconds};
use crate::identifier::QueueId;
use crate::multipart::{PortStats, QueueStats, QueueStatsRequest};
use crate::port::{Port, PortConfig, PortFeatures, PortLinkState, PortMod, PortReason, PortStatus};
use crate::queue::{PacketQueue, QueueGetConfigReply, QueueGetConfigRequest, QueueProperty};

const CONFIG: [(u32, &str); 4] = [
    (PortConfig::PORT_DOWN.0, "PORT_DOWN"),
    (PortConfig::NO_RECV.0, "NO_RECV"),
    (PortConfig::NO_FWD.0, "NO_FWD"),
    (PortConfig::NO_PACKET_IN.0, "NO_PACKET_IN"),
];

const STATE: [(u32, &str); 3] =
    [(PortLinkState::LINK_DOWN.0, "LINK_DOWN"), (PortLinkState::BLOCKED.0, "BLOCKED"), (PortLinkState::LIVE.0, "LIVE")];

const FEATURES: [(u32, &str); 16] = [
    (PortFeatures::RATE_10MB_HD.0, "10MB-HD"),
    (PortFeatures::RATE_10MB_FD.0, "10MB-FD"),
    (PortFeatures::RATE_100MB_HD.0, "100MB-HD"),
    (PortFeatures::RATE_100MB_FD.0, "100MB-FD"),
    (PortFeatures::RATE_1GB_HD.0, "1GB-HD"),
    (PortFeatures::RATE_1GB_FD.0, "1GB-FD"),
    (PortFeatures::RATE_10GB_FD.0, "10GB-FD"),
    (PortFeatures::RATE_40GB_FD.0, "40GB-FD"),
    (PortFeatures::RATE_100GB_FD.0, "100GB-FD"),
    (PortFeatures::RATE_1TB_FD.0, "1TB-FD"),
    (PortFeatures::OTHER.0, "OTHER"),
    (PortFeatures::COPPER.0, "COPPER"),
    (PortFeatures::FIBER.0, "FIBER"),
    (PortFeatures::AUTONEG.0, "AUTO_NEG"),
    (PortFeatures::PAUSE.0, "AUTO_PAUSE"),
    (PortFeatures::PAUSE_ASYM.0, "AUTO_PAUSE_ASYM"),
];

fn config(config: PortConfig) -> Flags<'static> {
    Flags { bits: config.0, names: &CONFIG, none: "0" }
}

fn features(features: PortFeatures, none: &'static str) -> Flags<'static> {
    Flags { bits: features.0, names: &FEATURES, none }
}

impl Display for Port {
    /// `1(s1-eth1): addr:02:00:00:00:00:01 config: 0 state: LIVE speed: 0 Mbps now, 0 Mbps max`.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let name = self.name.0.split(|octet| *octet == 0).next().unwrap_or_default();
        let state = Flags { bits: self.state.0, names: &STATE, none: "0" };
        write!(f, "{}({}): addr:{}", self.port_no, Escaped(name), self.hw_addr)?;
        write!(f, " config: {} state: {state}", config(self.config))?;
        for (label, of) in [
            ("current", self.curr),
            ("advertised", self.advertised),
            ("supported", self.supported),
            ("peer", self.peer),
        ] {
            if of != PortFeatures::NONE {
                write!(f, " {label}: {}", features(of, "0"))?;
            }
        }
        write!(f, " speed: {} Mbps now, {} Mbps max", self.curr_speed / 1000, self.max_speed / 1000)
    }
}

impl Display for PortStatus {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.reason {
            PortReason::ADD => f.write_str("ADD: ")?,
            PortReason::DELETE => f.write_str("DEL: ")?,
            PortReason::MODIFY => f.write_str("MOD: ")?,
            PortReason(other) => write!(f, "reason={other}: ")?,
        }
        self.port.fmt(f)
    }
}

impl Display for PortMod {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "port: {}: addr:{}", self.port_no, self.hw_addr)?;
        write!(f, " config: {} mask: {}", config(self.config), config(self.mask))?;
        write!(f, " advertise: {}", features(self.advertise, "UNCHANGED"))
    }
}

/// A counter, or `?` if the switch doesn't count this.
struct Count(u64);

impl Display for Count {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.0 == u64::MAX { f.write_str("?") } else { self.0.fmt(f) }
    }
}

impl Display for PortStats {
    /// As `ovs-ofctl dump-ports` prints it, on one line.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "port {}: rx pkts={}, bytes={}", self.port_no, Count(self.rx_packets), Count(self.rx_bytes))?;
        write!(f, ", drop={}, errs={}", Count(self.rx_dropped), Count(self.rx_errors))?;
        write!(f, ", frame={}, over={}", Count(self.rx_frame_err), Count(self.rx_over_err))?;
        write!(f, ", crc={} tx pkts={}", Count(self.rx_crc_err), Count(self.tx_packets))?;
        write!(f, ", bytes={}, drop={}", Count(self.tx_bytes), Count(self.tx_dropped))?;
        write!(f, ", errs={}, coll={}", Count(self.tx_errors), Count(self.collisions))?;
        if self.duration_sec == u32::MAX {
            return Ok(());
        }
        write!(f, " duration={}", Seconds(self.duration_sec, self.duration_nsec))
    }
}

struct QueueName(QueueId);

impl Display for QueueName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.0 == QueueId::ALL { f.write_str("ALL") } else { self.0.0.fmt(f) }
    }
}

impl Display for QueueStatsRequest {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "port={} queue={}", self.port_no, QueueName(self.queue_id))
    }
}

impl Display for QueueStats {
    /// As `ovs-ofctl queue-stats` prints it.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "port {} queue {}: ", self.port_no, QueueName(self.queue_id))?;
        let (bytes, packets, errors) = (Count(self.tx_bytes), Count(self.tx_packets), Count(self.tx_errors));
        write!(f, "bytes={bytes}, pkts={packets}, errors={errors}, duration=")?;
        match self.duration_sec {
            u32::MAX => f.write_str("?"),
            seconds => Seconds(seconds, self.duration_nsec).fmt(f),
        }
    }
}

impl Display for QueueGetConfigRequest {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "port={}", self.port)
    }
}

impl Display for QueueGetConfigReply {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "port={}", self.port)?;
        self.queues.iter().try_for_each(|queue| write!(f, " {queue}"))
    }
}

impl Display for PacketQueue {
    /// `queue 1: min_rate:50.0%`.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "queue {}:", self.queue_id.0)?;
        let mut parts = Parts { f, separator: " ", started: true };
        for property in &self.properties {
            match property {
                QueueProperty::MinRate(rate) => parts.put(format_args!("min_rate:{}", Rate(*rate)))?,
                QueueProperty::MaxRate(rate) => parts.put(format_args!("max_rate:{}", Rate(*rate)))?,
                QueueProperty::Experimenter { experimenter, body } => {
                    parts.put(format_args!("experimenter({experimenter:#x},{})", Octets(body)))?;
                }
                QueueProperty::Unknown { property_type, body } => {
                    parts.put(format_args!("property({},{})", property_type.0, Octets(body)))?;
                }
            }
        }
        Ok(())
    }
}

/// Tenths of a percent; more than 100 % is off.
struct Rate(u16);

impl Display for Rate {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            rate @ 0..=1000 => write!(f, "{}.{}%", rate / 10, rate % 10),
            _ => f.write_str("(disabled)"),
        }
    }
}
