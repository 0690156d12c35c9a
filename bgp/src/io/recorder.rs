//! The way out for a recording of what neighbours send.

use crate::mrt::RecordedEnds;
use crate::speaker::{ConnectionId, Event, Speaker};
use bytes::Bytes;
use std::fmt;

/// What a [`Tap`] is told.
#[derive(Debug)]
pub enum Tapped<'a> {
    /// A neighbour has sent these octets on a connection.
    Octets {
        /// The connection's number.
        connection: u64,
        /// Between whom.
        ends: RecordedEnds,
        /// As they came.
        octets: &'a Bytes,
    },
    /// A connection is gone.
    Closed {
        /// The connection's number.
        connection: u64,
    },
    /// A session came up, or an established one went down.
    Session {
        /// Between whom.
        ends: RecordedEnds,
        /// Which of the two.
        up: bool,
    },
}

/// Sees what comes in, for a recording. It runs on the speaker's task and must not wait.
pub type Tap = Box<dyn FnMut(Tapped<'_>) + Send>;

/// A tap, or none: then nothing of this costs anything.
pub(super) struct Recorder(pub(super) Option<Tap>);

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Recorder").field(&self.0.is_some()).finish()
    }
}

impl Recorder {
    pub(super) fn octets(&mut self, speaker: &Speaker, id: ConnectionId, octets: &[u8]) {
        if let Some(tap) = &mut self.0
            && let Some(ends) = speaker.connection_ends(id)
        {
            tap(Tapped::Octets { connection: id.number(), ends, octets: &Bytes::copy_from_slice(octets) });
        }
    }

    pub(super) fn closed(&mut self, id: ConnectionId) {
        if let Some(tap) = &mut self.0 {
            tap(Tapped::Closed { connection: id.number() });
        }
    }

    pub(super) fn event(&mut self, speaker: &Speaker, event: &Event) {
        let Some(tap) = &mut self.0 else { return };
        let (neighbor, up) = match event {
            Event::Up { neighbor, .. } => (*neighbor, true),
            Event::Down { neighbor, was_up: true, .. } => (*neighbor, false),
            _ => return,
        };
        if let Some(ends) = speaker.neighbor_ends(neighbor) {
            tap(Tapped::Session { ends, up });
        }
    }
}
