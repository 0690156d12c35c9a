//! Cutting what was read into frames. A frame is a slice of the shared read buffer, unless it began in an earlier read.

use bytes::{Buf, Bytes, BytesMut};
use net::Time;
use openflow::{FrameError, HEADER_LEN, MessageType, frame_length};

use crate::io::record::Tap;

/// The beginning of a frame whose end has not been read: at most the longest message of OpenFlow. Empty, it holds no memory.
#[derive(Default, Debug)]
pub(super) struct Unfinished(BytesMut);

/// The frames of one read.
pub(super) struct Frames<'f> {
    unfinished: &'f mut Unfinished,
    octets: Bytes,
    tap: Option<(&'f Tap, Time)>,
    packet_ins: u64,
    error: Option<FrameError>,
}

impl<'f> Frames<'f> {
    pub(super) fn new(unfinished: &'f mut Unfinished, octets: Bytes, tap: Option<(&'f Tap, Time)>) -> Frames<'f> {
        Frames { unfinished, octets, tap, packet_ins: 0, error: None }
    }

    /// Packet-ins so far.
    pub(super) fn packet_ins(&self) -> u64 {
        self.packet_ins
    }

    /// Keeps the beginning of a frame for the next read; or says that the stream is out of step.
    pub(super) fn finish(self) -> Option<FrameError> {
        if self.error.is_none() && !self.octets.is_empty() {
            let begun = &mut self.unfinished.0;
            if begun.is_empty() {
                // All the room that it takes at once, if a good part of it is there: to grow from read to read would copy it each time, and
                // who dribbles gets no memory for what it only promises.
                let length = frame_length(&self.octets).ok().flatten().unwrap_or(HEADER_LEN);
                begun.reserve(if self.octets.len() >= length / 8 { length } else { self.octets.len() });
            }
            begun.extend_from_slice(&self.octets);
        }
        self.error
    }

    /// The next whole frame, and whether it has its octets for itself.
    fn cut(&mut self) -> Result<Option<(Bytes, bool)>, FrameError> {
        let begun = &mut self.unfinished.0;
        if begun.is_empty() {
            return Ok(match frame_length(&self.octets)? {
                Some(length) if length < self.octets.len() => Some((self.octets.split_to(length), false)),
                Some(length) if length == self.octets.len() => Some((std::mem::take(&mut self.octets), false)),
                _ => None,
            });
        }
        let mut take = |begun: &mut BytesMut, length: usize| {
            let missing = length.saturating_sub(begun.len()).min(self.octets.len());
            begun.extend_from_slice(&self.octets[..missing]);
            self.octets.advance(missing);
        };
        take(begun, HEADER_LEN);
        let Some(length) = frame_length(begun)? else { return Ok(None) };
        take(begun, length);
        Ok((begun.len() == length).then(|| (std::mem::take(begun).freeze(), true)))
    }
}

impl Iterator for Frames<'_> {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.error.is_some() {
            return None;
        }
        let (frame, is_own) = match self.cut() {
            Ok(frame) => frame?,
            Err(error) => {
                if let Some((tap, now)) = self.tap {
                    tap.received(now, Bytes::copy_from_slice(&error.header));
                }
                self.error = Some(error);
                return None;
            }
        };
        if let Some((tap, now)) = self.tap {
            // A copy: what waits for the disk must not keep the whole read buffer.
            tap.received(now, Bytes::copy_from_slice(&frame));
        }
        match message_type(&frame) {
            MessageType::PACKET_IN => {
                self.packet_ins += 1;
                Some(frame)
            }
            MessageType::BARRIER_REPLY
            | MessageType::ECHO_REQUEST
            | MessageType::ECHO_REPLY
            | MessageType::FLOW_REMOVED => Some(frame),
            _ if is_own => Some(frame),
            // Parts of these may be kept, and a slice that is kept keeps the whole read buffer.
            _ => Some(Bytes::copy_from_slice(&frame)),
        }
    }
}

/// OpenFlow 1.3.5 §7.1: the second octet.
fn message_type(frame: &Bytes) -> MessageType {
    MessageType(frame.get(1).copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An echo request, a packet-in, and a BARRIER_REPLY, not well-formed inside: nobody looks here.
    const STREAM: [u8; 30] =
        [4, 2, 0, 10, 0, 0, 0, 1, 0xab, 0xcd, 4, 10, 0, 12, 0, 0, 0, 2, 1, 2, 3, 4, 4, 21, 0, 8, 0, 0, 0, 3];

    fn cut(unfinished: &mut Unfinished, octets: &[u8]) -> (Vec<Bytes>, u64, Option<FrameError>) {
        let mut frames = Frames::new(unfinished, Bytes::copy_from_slice(octets), None);
        let cut = frames.by_ref().collect();
        (cut, frames.packet_ins(), frames.finish())
    }

    #[test]
    fn a_stream_gives_the_same_frames_however_it_arrives() {
        for size in 1..=STREAM.len() {
            let mut unfinished = Unfinished::default();
            let (mut frames, mut packet_ins) = (Vec::new(), 0);
            for octets in STREAM.chunks(size) {
                let (more, count, error) = cut(&mut unfinished, octets);
                frames.extend(more);
                packet_ins += count;
                assert_eq!(error, None);
            }
            assert_eq!(frames, [&STREAM[..10], &STREAM[10..22], &STREAM[22..]], "in pieces of {size}");
            assert_eq!((packet_ins, unfinished.0.capacity()), (1, 0));
        }
    }

    #[test]
    fn a_length_below_the_header_ends_the_stream_after_the_frames_before_it() {
        for size in 1..=20 {
            let mut stream = STREAM[..10].to_vec();
            stream.extend([4, 10, 0, 7, 0, 0, 0, 9, 4, 2, 0, 8]);
            let mut unfinished = Unfinished::default();
            let (mut frames, mut lost) = (Vec::new(), None);
            for octets in stream.chunks(size) {
                if lost.is_none() {
                    let (more, _, error) = cut(&mut unfinished, octets);
                    frames.extend(more);
                    lost = error;
                }
            }
            assert_eq!(frames, [&STREAM[..10]], "in pieces of {size}");
            assert_eq!(lost.map(|error| error.header), Some([4, 10, 0, 7, 0, 0, 0, 9]));
        }
    }

    #[test]
    fn what_may_be_kept_does_not_keep_the_read_buffer() {
        // An error message (1) is copied; a packet-in is a slice.
        let octets = Bytes::from(vec![4, 1, 0, 12, 0, 0, 0, 1, 0, 1, 0, 2, 4, 10, 0, 8, 0, 0, 0, 1]);
        let (start, end) = (octets.as_ptr(), octets.as_ptr().wrapping_add(octets.len()));
        let mut unfinished = Unfinished::default();
        let frames: Vec<Bytes> = Frames::new(&mut unfinished, octets.clone(), None).collect();
        let inside = |frame: &Bytes| (start..end).contains(&frame.as_ptr());
        assert_eq!(frames.iter().map(inside).collect::<Vec<_>>(), [false, true]);
    }
}
