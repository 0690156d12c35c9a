//! Messages that are encoded already: one copy into the output.

use super::{Barrier, Channel, CloseReason, MAX_WATCHED_BARRIERS, State, asks_at_length};
use crate::framing::{HEADER_LEN, frame_length};
use crate::message::MessageType;

impl Channel {
    /// Says whole messages of this version, as they are; a message whose number is 0 gets a new one. The same rules as for
    /// [`Channel::send_with_xid`]. What follows the last whole message is not sent.
    pub fn send_frames(&mut self, frames: &[u8]) {
        let start = self.output.len();
        let mut whole = 0;
        while let Some(rest) = frames.get(whole..)
            && let Some((header, _)) = rest.split_first_chunk::<HEADER_LEN>()
            && let Ok(Some(length)) = frame_length(header)
            && length <= rest.len()
        {
            let up = match &mut self.state {
                State::Up(up) if up.farewell.is_none() => up,
                _ => {
                    self.counters.unsent += 1;
                    whole += length;
                    continue;
                }
            };
            let [_, message_type, _, _, xid @ ..] = *header;
            let message_type = MessageType(message_type);
            let mut xid = u32::from_be_bytes(xid);
            let output = self.output.buffer();
            output.extend_from_slice(&rest[..length]);
            if xid == 0 {
                xid = self.next_xid;
                self.next_xid = xid.checked_add(1).unwrap_or(1);
                if let Some(place) = output.get_mut(start + whole + 4..start + whole + 8) {
                    place.copy_from_slice(&xid.to_be_bytes());
                }
            }
            match message_type {
                MessageType::BARRIER_REQUEST if up.barriers.len() < MAX_WATCHED_BARRIERS => {
                    up.barriers.push_back(Barrier { xid, deadline: None });
                }
                message_type if asks_at_length(message_type) => up.requests.add_own(xid),
                _ => {}
            }
            self.counters.sent.add(message_type);
            whole += length;
        }
        self.counters.bytes_sent += (self.output.len() - start) as u64;
        if self.output.len() > self.config.max_queued_output {
            // Whoever doesn't read wouldn't read the rest either.
            self.output.clear();
            self.close(CloseReason::OutputOverflow);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::{Bytes, BytesMut};
    use net::Time;

    use super::*;
    use crate::channel::ChannelConfig;
    use crate::configuration::FeaturesReply;
    use crate::hello::Hello;
    use crate::message::Message;

    fn encoded(xid: u32, message: &Message) -> BytesMut {
        let mut out = BytesMut::new();
        message.encode(xid, &mut out).unwrap();
        out
    }

    #[test]
    fn frames_are_numbered_counted_and_their_barriers_watched() {
        let now = Time::from_secs(1);
        let mut channel = Channel::controller(ChannelConfig::default(), now);
        let mut frames = encoded(0, &Message::EchoRequest(Bytes::from_static(b"abc")));
        frames.unsplit(encoded(0x8000_0001, &Message::BarrierRequest));
        channel.poll_transmit();
        channel.send_frames(&frames);
        assert_eq!((channel.poll_transmit(), channel.counters().unsent), (None, 2), "nothing before the handshake");
        for message in [Message::Hello(Hello::new()), Message::FeaturesReply(FeaturesReply::default())] {
            channel.handle_frame(encoded(1, &message).freeze(), now);
        }
        channel.poll_transmit();
        let before = channel.counters().bytes_sent;
        // A piece of a third one stays behind.
        channel.send_frames(&[&frames[..], &[4, 20, 0, 8]].concat());
        let mut out = channel.poll_transmit().unwrap();
        let (xid, echo) = Message::decode(&out.split_to(11)).unwrap();
        assert_eq!(echo, Message::EchoRequest(Bytes::from_static(b"abc")));
        assert_ne!(xid, 0);
        assert_eq!(Message::decode(&out), Ok((0x8000_0001, Message::BarrierRequest)));
        assert_eq!(channel.counters().bytes_sent - before, 19);
        assert_eq!(channel.counters().sent.get(MessageType::BARRIER_REQUEST), 1);
        let State::Up(up) = &channel.state else { panic!("not up") };
        assert_eq!(up.barriers.back().map(|barrier| barrier.xid), Some(0x8000_0001));
    }
}
