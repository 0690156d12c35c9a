//! Plain counters: the driver hands them to telemetry once per tick.

use std::collections::BTreeMap;

use openflow::{ChannelCounters, ErrorType, MessageType};

/// Counters of the core since its start.
#[derive(Clone, Debug, Default)]
pub struct CoreCounters {
    /// Transport connections accepted.
    pub connections_accepted: u64,
    /// Connections ended because another switch with the same datapath id is alive.
    pub duplicates_refused: u64,
    /// Connections ended because their certificate is not that of the switch they claimed to be.
    pub certificates_refused: u64,
    /// Connections refused because the peer doesn't speak OpenFlow 1.3, by the version in its HELLO.
    pub versions_refused: BTreeMap<u8, u64>,
    /// Packet-ins handled.
    pub packet_ins: u64,
    /// Packet-ins that were not understood down to the Ethernet header.
    pub packet_ins_malformed: u64,
    /// Packet-outs dropped because their switch reads too slowly.
    pub packet_outs_dropped: u64,
    /// Frames to all from members of isolated groups that were not sent on, for there were too many.
    pub floods_dropped: u64,
    /// Changes of paths handed to the applications.
    pub path_updates: u64,
    /// Errors that switches sent, by type; all those of types that OpenFlow 1.3 does not have are one.
    pub errors_received: BTreeMap<Option<ErrorType>, u64>,
    /// Messages that could not be decoded, by what was wrong.
    pub malformed: BTreeMap<&'static str, u64>,
    /// Messages received, by type, on all connections, ended ones included.
    pub received: BTreeMap<MessageType, u64>,
    /// Messages sent, by type, on all connections, ended ones included.
    pub sent: BTreeMap<MessageType, u64>,
}

impl CoreCounters {
    /// A switch has sent an error. The types that it may invent are 65,521, and these counters are copied at every tick.
    pub(super) fn add_error(&mut self, error_type: ErrorType) {
        let known = error_type.name().map(|_| error_type);
        *self.errors_received.entry(known).or_default() += 1;
    }

    pub(super) fn add_channel(&mut self, channel: &ChannelCounters) {
        for (message_type, count) in channel.received.iter() {
            *self.received.entry(message_type).or_default() += count;
        }
        for (message_type, count) in channel.sent.iter() {
            *self.sent.entry(message_type).or_default() += count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_types_that_a_peer_invents_are_one_row() {
        let mut counters = CoreCounters::default();
        (0..=u16::MAX).for_each(|number| counters.add_error(ErrorType(number)));
        assert_eq!(counters.errors_received.len(), 16, "15 types, and one row for the others");
        assert_eq!(counters.errors_received[&None], 65_536 - 15);
        assert_eq!(counters.errors_received[&Some(ErrorType::BAD_MATCH)], 1);
    }
}
