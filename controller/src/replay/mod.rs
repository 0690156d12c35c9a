//! Replay: what switches sent in a recording goes into a core again, at the times of the recording, and what the core sends comes out.
//!
//! The core is a function of its seeds, its input and the time, and a recording holds all three: the same core gives the same messages. So a
//! replay shows what a changed controller would do with traffic of a network that is far away, and `diff` shows where it does something else.
//! Of a capture that is not ours only the messages and their times are known: timers then have their turn when they are due, and seeds are
//! those of a fresh core.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::time::Duration;

use bytes::Bytes;
use net::Time;
use openflow::{ControllerRole, Message};

use crate::capture::{Capture, Event};
use crate::core::{ConnectionId, Core, CoreConfig, CoreEvent};
use crate::io::record::pcapng::messages;

/// Turns of timers between two entries of a capture; a clock that jumps by years must not keep us busy for as long.
const TURNS_MAX: usize = 1_000_000;

/// What is sent so shortly before the end of a connection may not have left: as long as a connection that ends waits for its last octets.
const LAST_MOMENT: Duration = Duration::from_millis(500);

/// A message that the core has sent in a replay.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sent {
    /// When, since 1970.
    pub at: Duration,
    /// On which connection of the capture.
    pub connection: usize,
    /// The whole message.
    pub octets: Bytes,
}

/// Something else that a replay tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Note {
    /// When, since 1970.
    pub at: Duration,
    /// What the core has said, or what could not be replayed.
    pub text: String,
}

/// What a replay has given.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Outcome {
    /// What the core has sent, in order.
    pub sent: Vec<Sent>,
    /// Switches that came and went, connections that the core has closed, and what is missing in the recording.
    pub notes: Vec<Note>,
    /// Packets and messages of connections whose beginning is not in the capture: they are left out.
    pub without_beginning: usize,
}

/// Replays a capture. `config` is used as it is, but for what the recording itself says of its run: seeds and intervals.
pub fn replay(capture: &Capture, config: CoreConfig) -> Outcome {
    Replay::new(capture, config).run(capture)
}

/// The core's parameters as the recording has them, where it has them.
fn parameters(capture: &Capture, mut config: CoreConfig) -> CoreConfig {
    if let Some(facts) = capture.facts {
        config.seed = facts.seed;
        config.probe_key = facts.probe_key;
        config.discovery.probe_interval = facts.probe_interval;
        config.discovery.host_timeout = facts.host_timeout;
        config.flows.audit_interval = facts.audit_interval;
        config.flows.bundles = facts.bundles;
        config.role = ControllerRole(facts.role);
        config.generation_id = facts.generation_id;
    }
    config
}

struct Replay {
    core: Core,
    /// The core's time zero, since 1970.
    began: Duration,
    /// Timers had their turns where the recording says so.
    marked: bool,
    outcome: Outcome,
}

impl Replay {
    fn new(capture: &Capture, config: CoreConfig) -> Replay {
        let first = capture.entries.first().map_or(Duration::ZERO, |entry| entry.at);
        Replay {
            core: Core::new(parameters(capture, config), Time::ZERO),
            began: capture.facts.map_or(first, |facts| facts.began),
            marked: capture.facts.is_some(),
            outcome: Outcome::default(),
        }
    }

    fn run(mut self, capture: &Capture) -> Outcome {
        let mut entries = capture.entries.iter().peekable();
        let mut gaps: BTreeMap<(usize, bool), (Duration, usize, usize)> = BTreeMap::new();
        let whole = |connection: usize| capture.connections.get(connection).is_some_and(|ends| ends.from_the_start);
        while let Some(entry) = entries.next() {
            let now = self.now(entry.at);
            if !self.marked {
                self.due_before(now);
            }
            match &entry.event {
                Event::Timer => self.core.handle_timeout(now),
                Event::Finish => self.core.finish(now),
                Event::Opened { connection } if whole(*connection) => {
                    self.core.handle_connect(id(*connection), now);
                }
                Event::Closed { connection } if whole(*connection) => {
                    self.core.handle_closed(id(*connection), now);
                }
                Event::Message { connection, from_switch: true, octets } if whole(*connection) => {
                    // What was read at once had one turn then, and has one now.
                    let mut batch = vec![octets.clone()];
                    while let Some(next) = entries.next_if(|next| {
                        next.at == entry.at
                            && matches!(next.event, Event::Message { connection: c, from_switch: true, .. } if c == *connection)
                    }) {
                        if let Event::Message { octets, .. } = &next.event {
                            batch.push(octets.clone());
                        }
                    }
                    self.frames(id(*connection), batch, now);
                }
                Event::Gap { connection, from_switch, octets } => {
                    let (first, places, missing) = gaps.entry((*connection, *from_switch)).or_insert((entry.at, 0, 0));
                    *first = entry.at.min(*first);
                    *places += 1;
                    *missing += octets;
                }
                Event::Message { from_switch: false, .. } => {}
                Event::Opened { .. } => {}
                Event::Message { .. } | Event::Closed { .. } => self.outcome.without_beginning += 1,
            }
            self.drain(entry.at);
        }
        for ((connection, from_switch), (first, places, missing)) in gaps {
            let who = if from_switch { "the switch" } else { "the controller" };
            let gaps = if places == 1 { "here".to_owned() } else { format!("in {places} places from here on") };
            self.note(first, format!("connection {}: {missing} octets of {who} are missing {gaps}", connection + 1));
        }
        self.outcome
    }

    fn now(&self, at: Duration) -> Time {
        Time::ZERO + at.saturating_sub(self.began)
    }

    /// Deadlines before this time, each at its own.
    fn due_before(&mut self, now: Time) {
        for _ in 0..TURNS_MAX {
            let Some((at, _)) = self.core.poll_timeout().filter(|(at, _)| *at <= now) else { return };
            self.core.handle_timeout(at);
            self.drain(self.began + at.since(Time::ZERO));
        }
    }

    fn frames(&mut self, connection: ConnectionId, batch: Vec<Bytes>, now: Time) {
        let mut frames = Vec::new();
        for octets in batch {
            match openflow::frame_length(&octets) {
                Ok(_) => frames.push(octets),
                Err(error) => {
                    self.core.handle_frames(connection, frames.drain(..), now);
                    self.core.handle_frame_error(connection, error, now);
                }
            }
        }
        if !frames.is_empty() {
            self.core.handle_frames(connection, frames, now);
        }
    }

    /// Takes what the core has to say and to send.
    fn drain(&mut self, at: Duration) {
        while let Some(connection) = self.core.poll_ready() {
            while let Some(octets) = self.core.take_output(connection) {
                let number = usize::try_from(connection.0).unwrap_or(usize::MAX);
                let mut rest = octets;
                let lengths: Vec<usize> = messages(&rest).map(<[u8]>::len).collect();
                for length in lengths {
                    self.outcome.sent.push(Sent { at, connection: number, octets: rest.split_to(length) });
                }
            }
        }
        while let Some(event) = self.core.poll_event() {
            let text = match event {
                CoreEvent::SwitchConnected { datapath_id, connection, rules, .. } => {
                    format!("connection {}: switch {datapath_id} connected with {rules} rules", connection.0 + 1)
                }
                CoreEvent::SwitchDisconnected { datapath_id, cause } => {
                    format!("switch {datapath_id} disconnected: {cause}")
                }
                CoreEvent::Close { connection, cause } => format!("connection {}: closed, {cause}", connection.0 + 1),
                CoreEvent::Malformed { connection, what } => format!("connection {}: {what}", connection.0 + 1),
                CoreEvent::Foreseen { datapath_id, what, why, .. } => {
                    format!("switch {datapath_id} says of {what}: {why}")
                }
                CoreEvent::TakenOver { datapath_id, taken, .. } => {
                    format!("switch {datapath_id} has {} rules of others where rules are stated", taken.count)
                }
                CoreEvent::Refused { datapath_id, what, error, .. } => {
                    format!("switch {datapath_id} refused {what}: {error}")
                }
                _ => continue,
            };
            self.note(at, text);
        }
    }

    fn note(&mut self, at: Duration, text: String) {
        self.outcome.notes.push(Note { at, text });
    }
}

fn id(connection: usize) -> ConnectionId {
    ConnectionId(connection as u64)
}

/// The first message of a connection that a replay does not have as the recording has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// Which connection.
    pub connection: usize,
    /// Which of the messages to its switch, from 0.
    pub number: usize,
    /// What the recording has there, if anything.
    pub recorded: Option<Bytes>,
    /// What the replay has there, if anything.
    pub replayed: Option<Bytes>,
}

/// Compares what was sent then with what was sent now, octet for octet, connection by connection. Connections that the capture does not
/// hold from their beginning are left out, and so is what the core had to say to a connection in its last moment: it may not have left.
pub fn diff(capture: &Capture, outcome: &Outcome) -> Vec<Difference> {
    let mut pairs: BTreeMap<usize, [Vec<&Bytes>; 2]> = BTreeMap::new();
    for entry in &capture.entries {
        if let Event::Message { connection, from_switch: false, octets } = &entry.event
            && capture.connections.get(*connection).is_some_and(|ends| ends.from_the_start)
        {
            pairs.entry(*connection).or_default()[0].push(octets);
        }
    }
    let end = capture.entries.last().map_or(Duration::ZERO, |entry| entry.at);
    let mut ends: BTreeMap<usize, Duration> = BTreeMap::new();
    for entry in &capture.entries {
        if let Event::Closed { connection } = entry.event {
            ends.insert(connection, entry.at);
        }
    }
    for sent in &outcome.sent {
        let [recorded, replayed] = pairs.entry(sent.connection).or_default();
        let end = ends.get(&sent.connection).copied().unwrap_or(end);
        if replayed.len() < recorded.len() || sent.at + LAST_MOMENT < end {
            replayed.push(&sent.octets);
        }
    }
    let mut differences = Vec::new();
    for (connection, [recorded, replayed]) in pairs {
        let length = recorded.len().max(replayed.len());
        let first = (0..length).find(|number| recorded.get(*number) != replayed.get(*number));
        differences.extend(first.map(|number| Difference {
            connection,
            number,
            recorded: recorded.get(number).map(|octets| Bytes::clone(octets)),
            replayed: replayed.get(number).map(|octets| Bytes::clone(octets)),
        }));
    }
    differences
}

/// A message on one line, in ovs-ofctl's words.
pub fn line(octets: &Bytes) -> impl Display {
    struct Line(Bytes);
    impl Display for Line {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            match Message::decode(&self.0) {
                Ok((xid, message)) => write!(f, "{message} (xid={xid:#x})"),
                Err(error) => write!(f, "unreadable: {error}"),
            }
        }
    }
    Line(octets.clone())
}
