//! The one message that comes by the million, past the queue of events.

use net::Time;

use super::{Channel, Side, State};
use crate::message::MessageType;
use crate::packet::PacketInRef;

impl Channel {
    /// The same as [`Channel::handle_frame`] followed by [`Channel::poll_event`], for a well-formed packet-in that comes while nothing else
    /// is to be told: a message is as large as the largest one, and is moved several times on its way through the queue. `None` if it
    /// is anything else; then nothing has happened, and the frame is for [`Channel::handle_frame`].
    #[inline]
    pub fn take_packet_in<'f>(&mut self, frame: &'f [u8], now: Time) -> Option<PacketInRef<'f>> {
        let State::Up(up) = &mut self.state else { return None };
        if self.side != Side::Controller || !self.events.is_empty() {
            return None;
        }
        let packet_in = PacketInRef::read(frame)?;
        up.last_received = now;
        self.now = now;
        self.counters.bytes_received += frame.len() as u64;
        self.counters.received.add(MessageType::PACKET_IN);
        self.stamp();
        Some(packet_in)
    }
}

#[cfg(test)]
mod tests {
    use bytes::{Bytes, BytesMut};
    use net::PortNo;

    use super::*;
    use crate::channel::{ChannelConfig, ChannelEvent};
    use crate::configuration::FeaturesReply;
    use crate::flow_match::Match;
    use crate::hello::Hello;
    use crate::identifier::{BufferId, TableId};
    use crate::message::Message;
    use crate::packet::{PacketIn, PacketInReason};

    fn encoded(xid: u32, message: &Message) -> Bytes {
        let mut out = BytesMut::new();
        message.encode(xid, &mut out).unwrap();
        out.freeze()
    }

    fn packet_in() -> PacketIn {
        PacketIn {
            buffer_id: BufferId::NO_BUFFER,
            total_len: 3,
            reason: PacketInReason::ACTION,
            table_id: TableId(0),
            cookie: 7,
            match_: Match::new().with_in_port(PortNo(1)),
            data: Bytes::from_static(b"abc"),
        }
    }

    #[test]
    fn a_packet_in_that_is_taken_is_the_one_that_the_queue_would_have_told() {
        let now = Time::from_secs(1);
        let (mut one, mut other) =
            (Channel::controller(ChannelConfig::default(), now), Channel::controller(ChannelConfig::default(), now));
        let frame = encoded(0, &Message::PacketIn(packet_in()));
        assert_eq!(one.take_packet_in(&frame, now), None, "nothing before the handshake");
        for channel in [&mut one, &mut other] {
            for message in [Message::Hello(Hello::new()), Message::FeaturesReply(FeaturesReply::default())] {
                channel.handle_frame(encoded(1, &message), now);
            }
        }
        assert_eq!(one.take_packet_in(&frame, now), None, "the end of the handshake is told first");
        for channel in [&mut one, &mut other] {
            while channel.poll_event().is_some() {}
            channel.poll_transmit();
        }
        let later = Time::from_secs(3);
        let barrier = encoded(9, &Message::BarrierReply);
        let mut cut = encoded(0, &Message::PacketIn(packet_in())).to_vec();
        cut[27] = 0xff;
        for frame in [barrier, Bytes::from(cut)] {
            assert_eq!(one.take_packet_in(&frame, later), None, "not a packet-in that can be read");
        }
        assert_eq!(one.take_packet_in(&frame, later), Some(PacketInRef::from(&packet_in())));
        other.handle_frame(frame, later);
        let event = other.poll_event();
        assert_eq!(event, Some(ChannelEvent::Message { xid: 0, message: Message::PacketIn(packet_in()) }));
        assert_eq!(one.poll_timeout(), other.poll_timeout());
        assert_eq!(format!("{:?}", one.counters()), format!("{:?}", other.counters()));
        assert_eq!((one.poll_event(), one.poll_transmit()), (None, None));
    }
}
