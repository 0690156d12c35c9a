//! OpenFlow out of capture files: our own recordings, and what tcpdump and Wireshark write.
//!
//! Which TCP connections are OpenFlow: those with a port that OpenFlow uses, and those whose first octets are a HELLO. Who is the switch:
//! who said what only a switch says; else who does not have OpenFlow's port; else who connected.

mod file;
mod stream;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use net::packet::TcpFlags;
use openflow::MessageType;

use crate::io::record::pcapng::RunFacts;
use file::Item;
use stream::{Direction, Piece, Segment, looks_like_messages};

pub use file::{is_capture, is_pcapng};

/// Ports of OpenFlow controllers: IANA's, and the one from before.
const PORTS: [u16; 2] = [6_653, 6_633];
/// Connections of one file; packets of more are passed over and counted.
const CONNECTIONS_MAX: usize = 65_536;

/// What a capture file tells of OpenFlow.
#[derive(Debug, Default)]
pub struct Capture {
    /// Of the run that was recorded, if it is a recording of ours.
    pub(crate) facts: Option<RunFacts>,
    /// The connections, numbered from 0 as they came up.
    pub connections: Vec<Connection>,
    /// Everything in the order of the file.
    pub entries: Vec<Entry>,
    /// Messages that the recorder left out.
    pub dropped: u64,
    /// Why reading ended before the file did.
    pub error: Option<String>,
}

/// The two ends of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Connection {
    /// The switch's end.
    pub switch: SocketAddr,
    /// The controller's.
    pub controller: SocketAddr,
    /// The file holds its beginning.
    pub from_the_start: bool,
}

/// Something that happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// When, since 1970.
    pub at: Duration,
    /// What.
    pub event: Event,
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A connection began.
    Opened {
        /// Which one.
        connection: usize,
    },
    /// A message, or the header of one whose length is impossible.
    Message {
        /// On which connection.
        connection: usize,
        /// Whether the switch sent it.
        from_switch: bool,
        /// The whole of it.
        octets: Bytes,
    },
    /// Octets that are not in the file, or are no message.
    Gap {
        /// On which connection.
        connection: usize,
        /// Whether they are the switch's.
        from_switch: bool,
        /// How many.
        octets: usize,
    },
    /// A connection ended.
    Closed {
        /// Which one.
        connection: usize,
    },
    /// A recording's mark: the core had a turn because of a timer.
    Timer,
    /// A recording's mark: the controller ended, and the core was told to finish.
    Finish,
}

impl Capture {
    /// Reads a capture file. What is wrong with it ends the reading and stands in [`Capture::error`].
    pub fn read(octets: &[u8]) -> Capture {
        let mut reader = Reader::default();
        let result = file::read(octets, &mut |item| reader.item(item));
        let mut capture = reader.finish();
        capture.error = result.err();
        capture
    }
}

/// A connection while it is being read. The end that sent the first packet is the first one.
struct Flow {
    /// Its number, once it is known to be OpenFlow.
    number: Option<usize>,
    directions: [Direction; 2],
    /// It is something else.
    foreign: bool,
    closed: bool,
}

#[derive(Default)]
struct Reader {
    capture: Capture,
    /// By the addresses of both ends, the first packet's sender first.
    flows: HashMap<(SocketAddr, SocketAddr), Flow>,
    /// Per connection: whether its first end is the switch, as far as messages have said.
    first_is_switch: Vec<Option<bool>>,
    last: Duration,
}

impl Reader {
    fn item(&mut self, item: Item<'_>) {
        match item {
            Item::Comment(comment) => {
                self.capture.facts = self.capture.facts.or_else(|| RunFacts::from_comment(comment))
            }
            Item::Dropped(count) => self.capture.dropped += count,
            Item::Timer { at } => self.capture.entries.push(Entry { at, event: Event::Timer }),
            Item::Finish { at } => self.capture.entries.push(Entry { at, event: Event::Finish }),
            Item::Packet { at, link, octets } => {
                if let Some(segment) = stream::segment(link, octets) {
                    self.last = at;
                    self.segment(at, &segment);
                }
            }
        }
    }

    fn segment(&mut self, at: Duration, segment: &Segment<'_>) {
        let (forward, backward) = ((segment.source, segment.target), (segment.target, segment.source));
        let syn = segment.flags.contains(TcpFlags::SYN);
        let begins = syn && !segment.flags.contains(TcpFlags::ACK);
        // The same addresses again are another connection.
        if begins {
            for key in [forward, backward] {
                self.end(at, key);
                self.flows.remove(&key);
            }
        }
        let (key, end) = if self.flows.contains_key(&backward) { (backward, 1) } else { (forward, 0) };
        if self.flows.len() >= CONNECTIONS_MAX && !self.flows.contains_key(&key) {
            return;
        }
        let flow = self.flows.entry(key).or_insert_with(|| Flow {
            number: None,
            directions: Default::default(),
            foreign: false,
            closed: false,
        });
        if flow.foreign || flow.closed {
            return;
        }
        if syn {
            flow.directions[end].begin(segment.sequence);
        }
        if flow.number.is_none() {
            let usual = PORTS.iter().any(|port| [key.0.port(), key.1.port()].contains(port));
            if !usual && !segment.payload.is_empty() {
                // HELLO comes first, whoever begins.
                flow.foreign = segment.payload.get(1) != Some(&0) || !looks_like_messages(segment.payload);
                if flow.foreign {
                    return;
                }
            }
            if usual || !segment.payload.is_empty() {
                let number = self.capture.connections.len();
                flow.number = Some(number);
                // Which end is which is settled at the end; until then the first one stands for the switch.
                self.capture.connections.push(Connection { switch: key.0, controller: key.1, from_the_start: begins });
                self.first_is_switch.push(None);
                self.capture.entries.push(Entry { at, event: Event::Opened { connection: number } });
            }
        }
        let mut pieces = VecDeque::new();
        flow.directions[end].take(segment, &mut pieces);
        if segment.flags.contains(TcpFlags::FIN) {
            flow.directions[end].finish(&mut pieces);
        }
        let over = segment.flags.contains(TcpFlags::RST) || flow.directions.iter().all(|direction| direction.closed);
        if let Some(number) = flow.number {
            self.pieces(at, number, end == 0, pieces);
        }
        if over {
            self.end(at, key);
        }
    }

    fn pieces(&mut self, at: Duration, connection: usize, from_switch: bool, pieces: VecDeque<Piece>) {
        for piece in pieces {
            let event = match piece {
                Piece::Gap(octets) => Event::Gap { connection, from_switch, octets },
                Piece::Message(octets) => {
                    let told = octets.get(1).and_then(|kind| sent_by_switch(MessageType(*kind)));
                    if let (Some(by_switch), Some(known @ None)) = (told, self.first_is_switch.get_mut(connection)) {
                        *known = Some(by_switch == from_switch);
                    }
                    Event::Message { connection, from_switch, octets }
                }
            };
            self.capture.entries.push(Entry { at, event });
        }
    }

    fn end(&mut self, at: Duration, key: (SocketAddr, SocketAddr)) {
        let Some(flow) = self.flows.get_mut(&key) else { return };
        let Some(connection) = flow.number else { return };
        if std::mem::replace(&mut flow.closed, true) {
            return;
        }
        for end in [0, 1] {
            let mut pieces = VecDeque::new();
            if let Some(flow) = self.flows.get_mut(&key) {
                flow.directions[end].finish(&mut pieces);
            }
            self.pieces(at, connection, end == 0, pieces);
        }
        self.capture.entries.push(Entry { at, event: Event::Closed { connection } });
    }

    fn finish(mut self) -> Capture {
        // What was waited for does not come any more.
        let mut open: Vec<_> = self.flows.iter().filter_map(|(key, flow)| Some((flow.number?, *key))).collect();
        open.sort_unstable_by_key(|(number, _)| *number);
        for (number, key) in open {
            for end in [0, 1] {
                let mut pieces = VecDeque::new();
                if let Some(flow) = self.flows.get_mut(&key).filter(|flow| !flow.closed) {
                    flow.directions[end].finish(&mut pieces);
                }
                self.pieces(self.last, number, end == 0, pieces);
            }
        }
        // Whoever turned out to be the switch.
        let swapped: Vec<bool> = self
            .capture
            .connections
            .iter_mut()
            .zip(&self.first_is_switch)
            .map(|(connection, told)| {
                let [first, second] = [connection.switch, connection.controller].map(|end| PORTS.contains(&end.port()));
                let first_is_switch = told.unwrap_or(second || !first);
                if !first_is_switch {
                    std::mem::swap(&mut connection.switch, &mut connection.controller);
                }
                !first_is_switch
            })
            .collect();
        for entry in &mut self.capture.entries {
            if let Event::Message { connection, from_switch, .. } | Event::Gap { connection, from_switch, .. } =
                &mut entry.event
            {
                *from_switch ^= swapped.get(*connection).copied().unwrap_or(false);
            }
        }
        self.capture
    }
}

/// Whether only a switch sends messages of this type, or only a controller; `None`: both do, or nobody. The numbers are the same in all
/// versions up to here.
fn sent_by_switch(message_type: MessageType) -> Option<bool> {
    match message_type {
        MessageType::FEATURES_REPLY
        | MessageType::GET_CONFIG_REPLY
        | MessageType::PACKET_IN
        | MessageType::FLOW_REMOVED
        | MessageType::PORT_STATUS => Some(true),
        MessageType::FEATURES_REQUEST
        | MessageType::GET_CONFIG_REQUEST
        | MessageType::SET_CONFIG
        | MessageType::PACKET_OUT
        | MessageType::FLOW_MOD => Some(false),
        _ => None,
    }
}
