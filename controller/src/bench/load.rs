//! The load: many emulated switches on one thread and one epoll, against a controller or against the floor.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use net::{DatapathId, Time};

use super::switch::{Heard, Switch};
use super::traffic::Traffic;
use crate::io::clock::Clock;

/// Octets asked from the kernel at once, on one buffer for all switches.
const READ_SIZE: usize = 256 * 1024;
/// Without an answer for this long, what is outstanding is lost.
const ANSWER_LIMIT: Duration = Duration::from_secs(3);
/// Warming up: a port becomes an edge after half a second of silence, and hundreds of ports share a probe budget.
const WARM_UP_LIMIT: Duration = Duration::from_secs(60);
/// What has not been answered while warming up is said again after this long.
const WARM_UP_PAUSE: Duration = Duration::from_millis(100);
/// Nothing for this long: the controller has finished.
const QUIET: Duration = Duration::from_millis(30);
/// How long finishing may take.
const QUIET_LIMIT: Duration = Duration::from_secs(20);
/// Longest sleep, so that Ctrl-C is noticed.
const NAP: Duration = Duration::from_millis(100);

/// Who is on the other side.
#[derive(Clone, Debug)]
pub(super) enum Other {
    /// A controller.
    Controller(Traffic),
    /// The floor: `ask` octets are a question, `answer` octets its answer.
    Floor { ask: usize, answer: usize },
}

/// What has been counted since the load began.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Totals {
    /// Questions sent.
    pub(super) sent: u64,
    /// Answers received.
    pub(super) answers: u64,
    /// Questions whose answer did not come.
    pub(super) lost: u64,
    /// FLOW_MODs received.
    pub(super) flow_mods: u64,
    /// Octets sent and received.
    pub(super) octets_out: u64,
    pub(super) octets_in: u64,
}

/// Emulated switches and what they are about to say.
pub(super) struct Load<'a> {
    poll: Poll,
    events: Events,
    clock: Clock,
    interrupted: &'a AtomicBool,
    address: SocketAddr,
    other: Other,
    connections: Vec<Connection>,
    buffer: Vec<u8>,
    replies: BytesMut,
    scratch: Vec<u8>,
    totals: Totals,
    /// Questions that each switch may have open; 0 asks nothing.
    window: u64,
    /// Questions that each switch may still ask.
    quota: u64,
    /// Nanoseconds from question to answer, if they are wanted.
    latencies: Option<Vec<u32>>,
    /// When something that counts came last.
    last_heard: Time,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Connecting,
    Greeting,
    Up,
    Closed,
}

struct Connection {
    stream: TcpStream,
    state: State,
    switch: Switch,
    /// The beginning of a message whose end has not come.
    tail: Vec<u8>,
    /// Octets that the kernel has not taken.
    pending: Vec<u8>,
    asked: u64,
    open: u64,
    asked_at: Time,
    /// Octets of an answer of the floor that have come.
    part: usize,
    /// Addresses that answers were about; while warming up only.
    learned: Vec<[u8; 6]>,
}

/// How connecting went.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Connected {
    /// From the first connection attempt to the last switch let in.
    pub(super) took: Duration,
    /// Connections that were refused or closed before.
    pub(super) refused: u32,
}

impl<'a> Load<'a> {
    /// No switch yet.
    pub(super) fn new(address: SocketAddr, other: Other, interrupted: &'a AtomicBool) -> Result<Load<'a>, String> {
        let clock = Clock::start();
        Ok(Load {
            poll: Poll::new().map_err(|error| format!("cannot poll: {error}"))?,
            events: Events::with_capacity(1_024),
            clock,
            interrupted,
            address,
            other,
            connections: Vec::new(),
            buffer: vec![0; READ_SIZE],
            replies: BytesMut::new(),
            scratch: Vec::new(),
            totals: Totals::default(),
            window: 0,
            quota: 0,
            latencies: None,
            last_heard: clock.now(),
        })
    }

    pub(super) fn totals(&self) -> Totals {
        self.totals
    }

    pub(super) fn now(&self) -> Time {
        self.clock.now()
    }

    /// Switches that are in.
    pub(super) fn up(&self) -> usize {
        self.connections.iter().filter(|connection| connection.state == State::Up).count()
    }

    /// Connects `count` switches, at most `at_once` of them unfinished at a time, and waits until each is in or refused.
    pub(super) fn connect(&mut self, count: u32, at_once: u32, limit: Duration) -> Result<Connected, String> {
        let started = self.clock.now();
        let first = self.connections.len();
        let target = first + count as usize;
        loop {
            let unfinished = self.connections[first..]
                .iter()
                .filter(|connection| matches!(connection.state, State::Connecting | State::Greeting))
                .count();
            let room = (at_once as usize).saturating_sub(unfinished).min(target - self.connections.len());
            for _ in 0..room {
                self.open()?;
            }
            if unfinished == 0 && self.connections.len() == target && room == 0 {
                break;
            }
            if self.clock.now().since(started) > limit {
                return Err(format!(
                    "{unfinished} of {count} switches got no further than HELLO at {} within {limit:?}: is this an OpenFlow 1.3 controller?",
                    self.address
                ));
            }
            self.turn(NAP)?;
        }
        let refused = self.connections[first..].iter().filter(|connection| connection.state == State::Closed).count();
        Ok(Connected { took: self.clock.now().since(started), refused: refused as u32 })
    }

    fn open(&mut self) -> Result<(), String> {
        let mut stream = TcpStream::connect(self.address).map_err(|error| match error.raw_os_error() {
            // EMFILE
            Some(24) => "too many open files: raise the limit with `ulimit -n 20000`".to_owned(),
            _ => format!("cannot connect to {}: {error}", self.address),
        })?;
        let _ = stream.set_nodelay(true);
        let number = self.connections.len();
        self.poll
            .registry()
            .register(&mut stream, Token(number), Interest::READABLE | Interest::WRITABLE)
            .map_err(|error| format!("cannot poll a connection: {error}"))?;
        let ports = match &self.other {
            Other::Controller(traffic) => traffic.ports(),
            Other::Floor { .. } => 0,
        };
        self.connections.push(Connection {
            stream,
            state: State::Connecting,
            switch: Switch::new(DatapathId(number as u64 + 1), ports),
            tail: Vec::new(),
            pending: Vec::new(),
            asked: 0,
            open: 0,
            asked_at: Time::ZERO,
            part: 0,
            learned: Vec::new(),
        });
        Ok(())
    }

    /// Says what makes every host and port known, again and again until each was answered once.
    pub(super) fn warm_up(&mut self) -> Result<(), String> {
        let Other::Controller(traffic) = self.other.clone() else { return Ok(()) };
        let started = self.clock.now();
        let mut missing: Vec<Vec<(Vec<u8>, net::MacAddr)>> =
            (0..self.connections.len()).map(|number| traffic.warm_up(number as u32)).collect();
        loop {
            let mut octets = Vec::new();
            let mut left = 0;
            for (number, rows) in missing.iter_mut().enumerate() {
                let learned = std::mem::take(&mut self.connections[number].learned);
                rows.retain(|(_, mac)| !learned.contains(&mac.0));
                left += rows.len();
                octets.clear();
                if rows.is_empty() {
                    continue;
                }
                // All again, the owner first: who asked before it was known has no answer yet.
                for (message, _) in &traffic.warm_up(number as u32)[..2] {
                    octets.extend_from_slice(message);
                }
                for (message, _) in rows.iter() {
                    octets.extend_from_slice(message);
                }
                self.write(number, &octets);
            }
            if left == 0 {
                self.settle()?;
                self.last_heard = self.clock.now();
                return Ok(());
            }
            if self.clock.now().since(started) > WARM_UP_LIMIT {
                return Err(format!(
                    "no answers: {left} packet-ins are unanswered after {WARM_UP_LIMIT:?}. Is the controller a learning switch (--frame udp) or does it answer ARP \
                     (--frame arp)? Does it take OpenFlow 1.3?"
                ));
            }
            let until = self.clock.now() + WARM_UP_PAUSE;
            while self.clock.now() < until {
                self.turn(WARM_UP_PAUSE)?;
            }
        }
    }

    /// Waits until nothing that counts has come for a while, and says when the last one came.
    pub(super) fn settle(&mut self) -> Result<Time, String> {
        let limit = self.clock.now() + QUIET_LIMIT;
        let mut since = self.clock.now();
        loop {
            let before = self.totals;
            self.turn(QUIET)?;
            let now = self.clock.now();
            if self.totals.answers != before.answers || self.totals.flow_mods != before.flow_mods {
                since = now;
            }
            if now.since(since) >= QUIET || now > limit {
                return Ok(self.last_heard);
            }
        }
    }

    /// Takes what comes, for this long, and asks nothing.
    pub(super) fn idle(&mut self, time: Duration) -> Result<(), String> {
        let until = self.clock.now() + time;
        while self.clock.now() < until {
            self.turn(until.since(self.clock.now()).min(NAP))?;
        }
        Ok(())
    }

    /// Asks for `time`, each switch with `window` questions open; returns how long it took until the last answer.
    pub(super) fn ask_for(&mut self, time: Duration, window: u64) -> Result<Duration, String> {
        let started = self.start(window, u64::MAX);
        let until = started + time;
        while self.clock.now() < until {
            self.turn(NAP)?;
            self.check_answers()?;
        }
        let took = self.clock.now().since(started);
        self.stop()?;
        Ok(took)
    }

    /// Each switch asks `quota` questions, `window` of them open at a time; returns when all were answered.
    pub(super) fn ask_all(&mut self, quota: u64, window: u64) -> Result<Duration, String> {
        let started = self.start(window, quota);
        let target = self.totals.answers + quota * self.connections.len() as u64;
        while self.totals.answers < target {
            self.turn(NAP)?;
            self.check_answers()?;
        }
        self.stop()?;
        Ok(self.last_heard.since(started))
    }

    /// Latencies are collected from now on; the ones so far are returned.
    pub(super) fn take_latencies(&mut self) -> Vec<u32> {
        self.latencies.replace(Vec::with_capacity(1 << 20)).unwrap_or_default()
    }

    fn start(&mut self, window: u64, quota: u64) -> Time {
        self.window = window;
        self.quota = quota;
        let started = self.clock.now();
        self.last_heard = started;
        for number in 0..self.connections.len() {
            self.connections[number].asked_at = started;
            self.ask(number, window);
        }
        started
    }

    /// No more questions; the open ones are waited for.
    fn stop(&mut self) -> Result<(), String> {
        self.window = 0;
        let limit = self.clock.now() + ANSWER_LIMIT;
        while self.connections.iter().any(|connection| connection.open > 0) && self.clock.now() < limit {
            self.turn(QUIET)?;
        }
        for connection in &mut self.connections {
            self.totals.lost += connection.open;
            connection.open = 0;
            connection.part = 0;
        }
        Ok(())
    }

    fn check_answers(&self) -> Result<(), String> {
        if self.clock.now().since(self.last_heard) < ANSWER_LIMIT {
            return Ok(());
        }
        let open: u64 = self.connections.iter().map(|connection| connection.open).sum();
        Err(format!(
            "no answers for {ANSWER_LIMIT:?}, with {open} packet-ins open: does the controller still run, and is --window too large for it?"
        ))
    }

    fn ask(&mut self, number: usize, count: u64) {
        let connection = &mut self.connections[number];
        let count = count.min(self.quota.saturating_sub(connection.asked));
        if count == 0 || connection.state != State::Up {
            return;
        }
        self.scratch.clear();
        match &self.other {
            Other::Controller(traffic) => traffic.put(number as u32, connection.asked, count, &mut self.scratch),
            Other::Floor { ask, .. } => self.scratch.resize(ask * count as usize, 0),
        }
        connection.asked += count;
        connection.open += count;
        self.totals.sent += count;
        let scratch = std::mem::take(&mut self.scratch);
        self.write(number, &scratch);
        self.scratch = scratch;
    }

    /// One wait, and everything that is ready.
    pub(super) fn turn(&mut self, wait: Duration) -> Result<(), String> {
        if self.interrupted.load(Ordering::Relaxed) {
            return Err("interrupted".to_owned());
        }
        match self.poll.poll(&mut self.events, Some(wait)) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(format!("cannot poll: {error}")),
        }
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        let mut result = Ok(());
        for event in &events {
            let number = event.token().0;
            if event.is_writable() {
                self.writable(number);
            }
            if event.is_readable() {
                result = result.and(self.readable(number));
            }
        }
        self.events = events;
        result
    }

    fn writable(&mut self, number: usize) {
        let connection = &mut self.connections[number];
        if connection.state == State::Connecting {
            if connection.stream.peer_addr().is_err() {
                return;
            }
            connection.state = State::Greeting;
            let first = match &self.other {
                Other::Controller(_) => Switch::hello(),
                Other::Floor { ask, .. } => vec![0; *ask],
            };
            self.write(number, &first);
            return;
        }
        if !connection.pending.is_empty() {
            let pending = std::mem::take(&mut connection.pending);
            self.write(number, &pending);
        }
    }

    fn write(&mut self, number: usize, octets: &[u8]) {
        let connection = &mut self.connections[number];
        let mut rest = octets;
        if connection.pending.is_empty() {
            while !rest.is_empty() {
                match connection.stream.write(rest) {
                    Ok(count) => {
                        self.totals.octets_out += count as u64;
                        rest = &rest[count..];
                    }
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(_) => return self.closed(number),
                }
            }
        }
        self.connections[number].pending.extend_from_slice(rest);
    }

    fn closed(&mut self, number: usize) {
        let connection = &mut self.connections[number];
        if connection.state != State::Closed {
            connection.state = State::Closed;
            let _ = self.poll.registry().deregister(&mut connection.stream);
            let _ = connection.stream.shutdown(std::net::Shutdown::Both);
        }
    }

    fn readable(&mut self, number: usize) -> Result<(), String> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut result = Ok(());
        loop {
            match self.connections[number].stream.read(&mut buffer) {
                Ok(0) => {
                    self.closed(number);
                    break;
                }
                Ok(count) => {
                    result = self.heard(number, &buffer[..count]);
                    // Less than asked for: nothing is left, and the next octet wakes us again.
                    if count < buffer.len() || result.is_err() {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => {
                    self.closed(number);
                    break;
                }
            }
        }
        self.buffer = buffer;
        result
    }

    fn heard(&mut self, number: usize, octets: &[u8]) -> Result<(), String> {
        self.totals.octets_in += octets.len() as u64;
        let connection = &mut self.connections[number];
        let answers = match &self.other {
            Other::Floor { answer, .. } => {
                connection.part += octets.len();
                let answers = connection.part / answer;
                connection.part %= answer;
                if connection.state == State::Greeting && answers > 0 {
                    connection.state = State::Up;
                    return Ok(());
                }
                answers as u64
            }
            Other::Controller(_) => {
                let mut heard = Heard::default();
                let warming = self.window == 0;
                let learned = &mut connection.learned;
                let learn = |mac: &[u8]| {
                    if warming && let Ok(mac) = mac.try_into() {
                        learned.push(mac);
                    }
                };
                self.replies.clear();
                let scanned = if connection.tail.is_empty() {
                    let read = connection.switch.scan(octets, &mut self.replies, &mut heard, learn)?;
                    connection.tail.extend_from_slice(&octets[read..]);
                    read
                } else {
                    connection.tail.extend_from_slice(octets);
                    let read = connection.switch.scan(&connection.tail, &mut self.replies, &mut heard, learn)?;
                    connection.tail.drain(..read);
                    read
                };
                if scanned > 0 && heard.admitted && connection.state == State::Greeting {
                    connection.state = State::Up;
                }
                self.totals.flow_mods += heard.flow_mods;
                if heard.answers + heard.flow_mods > 0 {
                    self.last_heard = self.clock.now();
                }
                if !self.replies.is_empty() {
                    let replies = std::mem::take(&mut self.replies);
                    self.write(number, &replies);
                    self.replies = replies;
                }
                heard.answers
            }
        };
        if answers > 0 {
            self.answered(number, answers);
        }
        Ok(())
    }

    fn answered(&mut self, number: usize, answers: u64) {
        self.totals.answers += answers;
        let connection = &mut self.connections[number];
        if connection.open == 0 {
            return;
        }
        // A learning switch may flood beside its answer: more answers than questions are no reason to ask more.
        let answers = answers.min(connection.open);
        connection.open -= answers;
        let now = self.clock.now();
        self.last_heard = now;
        if let Some(latencies) = &mut self.latencies {
            let took = now.since(connection.asked_at).as_nanos();
            latencies.push(u32::try_from(took).unwrap_or(u32::MAX));
        }
        if self.window > 0 {
            connection.asked_at = now;
            self.ask(number, answers);
        }
    }
}
