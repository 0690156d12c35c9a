//! What waits to be taken from a channel. A controller holds thousands of channels, nearly all of them at rest: nothing here keeps memory
//! for what is over.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::event::ChannelEvent;

/// Output is small again after this: a buffer of at most this size is used again and again, a larger one goes with what it holds.
const KEPT: usize = 1024;
/// Output of this size comes of a connection that is busy: the next will be as long, and gets its room at once.
const BUSY: usize = 4096;

/// Whole messages that wait to be sent.
#[derive(Default, Debug)]
pub(super) struct Output {
    buffer: BytesMut,
    /// How long the last output was, while the connection is busy.
    expected: usize,
}

impl Output {
    pub fn len(&self) -> usize {
        self.buffer.len()
    }

    pub fn clear(&mut self) {
        *self = Output::default();
    }

    /// Where messages are appended.
    pub fn buffer(&mut self) -> &mut BytesMut {
        if self.expected > 0 && self.buffer.is_empty() {
            self.buffer.reserve(self.expected);
        }
        &mut self.buffer
    }

    pub fn take(&mut self) -> Option<Bytes> {
        let length = self.buffer.len();
        if length == 0 {
            return None;
        }
        self.expected = if length >= BUSY { length } else { 0 };
        let is_large = self.buffer.capacity() > KEPT;
        Some(if is_large { std::mem::take(&mut self.buffer) } else { self.buffer.split() }.freeze())
    }
}

/// Events in their order. Nearly always there is one at most, which takes no memory of its own.
#[derive(Default, Debug)]
pub(super) struct Events {
    first: Option<ChannelEvent>,
    rest: VecDeque<ChannelEvent>,
}

impl Events {
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub fn push_back(&mut self, event: ChannelEvent) {
        match &self.first {
            None => self.first = Some(event),
            Some(_) => self.rest.push_back(event),
        }
    }

    pub fn pop_front(&mut self) -> Option<ChannelEvent> {
        let event = self.first.take()?;
        if self.rest.capacity() > 0 {
            self.first = self.rest.pop_front();
            if self.rest.is_empty() {
                self.rest = VecDeque::new();
            }
        }
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_comes_out_as_it_went_in_and_keeps_no_large_buffer() {
        let mut output = Output::default();
        assert_eq!(output.take(), None);
        for length in [1, KEPT, KEPT + 1, 3 * BUSY, 3 * BUSY, 7] {
            let octets = vec![length as u8; length];
            output.buffer().extend_from_slice(&octets);
            assert_eq!((output.len(), output.take().as_deref(), output.len()), (length, Some(&octets[..]), 0));
            assert!(output.buffer.capacity() <= KEPT);
        }
    }

    #[test]
    fn events_come_in_order_and_leave_nothing_behind() {
        let mut events = Events::default();
        let event = |xid| ChannelEvent::RequestTimedOut { xid };
        let (mut pushed, mut popped) = (0, 0);
        for count in [1, 3, 2, 7] {
            for _ in 0..count {
                events.push_back(event(pushed));
                pushed += 1;
            }
            for _ in 0..count - 1 {
                assert_eq!(events.pop_front(), Some(event(popped)));
                popped += 1;
            }
        }
        while let Some(next) = events.pop_front() {
            assert_eq!(next, event(popped));
            popped += 1;
        }
        assert_eq!((popped, events.rest.capacity()), (pushed, 0));
    }
}
