//! Messages that are encoded already: one copy into the output.

use super::{Barrier, Channel, CloseReason, MAX_WATCHED_BARRIERS, State};
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
            let State::Up(up) = &mut self.state else {
                self.counters.unsent += 1;
                whole += length;
                continue;
            };
            let [_, message_type, _, _, xid @ ..] = *header;
            let message_type = MessageType(message_type);
            let mut xid = u32::from_be_bytes(xid);
            self.output.extend_from_slice(&rest[..length]);
            if xid == 0 {
                xid = self.next_xid;
                self.next_xid = xid.checked_add(1).unwrap_or(1);
                if let Some(place) = self.output.get_mut(start + whole + 4..start + whole + 8) {
                    place.copy_from_slice(&xid.to_be_bytes());
                }
            }
            if message_type == MessageType::BARRIER_REQUEST && up.barriers.len() < MAX_WATCHED_BARRIERS {
                up.barriers.push_back(Barrier { xid, deadline: None });
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
