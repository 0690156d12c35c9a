//! The neighbours of the daemon that is measured: senders and receivers on one thread and one epoll, each from an address of its own.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use net::Time;

use super::feed::Feed;
use super::floor;
use super::heard::{HEADER, Heard, Index, Rules};
use super::table::{Family, Table};
use crate::io::clock::Clock;

/// Octets asked from the kernel at once, on one buffer for all.
const READ_SIZE: usize = 256 * 1024;
/// Octets that one write offers.
const WRITE_SIZE: usize = 256 * 1024;
/// Longest message that a neighbour may send: none of ours offers extended messages (RFC 8654).
const MESSAGE_LIMIT: usize = 4_096;
/// How long the daemon may take until all sessions are up. OpenBGPD holds a neighbour off for up to a minute after a first failure.
const SESSION_LIMIT: Duration = Duration::from_secs(90);
/// Who was refused comes back after this.
const RETRY_PAUSE: Duration = Duration::from_millis(250);
/// Offered hold time in seconds, and how often a KEEPALIVE goes out.
const HOLD_TIME: u16 = 240;
const KEEPALIVE_PAUSE: Duration = Duration::from_secs(20);
/// Longest sleep, so that Ctrl-C is noticed.
const NAP: Duration = Duration::from_millis(50);

const KEEPALIVE: [u8; HEADER] = {
    let mut octets = [0xff; HEADER];
    octets[16] = 0;
    octets[17] = HEADER as u8;
    octets[18] = 4;
    octets
};

/// What a neighbour is there for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Role {
    Sender,
    Receiver,
}

/// A neighbour as the daemon's configuration knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Neighbor {
    pub(super) role: Role,
    pub(super) asn: u32,
    pub(super) address: Ipv4Addr,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Connects again at this time.
    Waiting(Time),
    /// OPEN was sent.
    Greeting,
    Up,
    /// On purpose.
    Closed,
}

struct Peer {
    neighbor: Neighbor,
    state: State,
    stream: Option<TcpStream>,
    readable: bool,
    writable: bool,
    /// The beginning of a message whose end has not come.
    tail: Vec<u8>,
    /// Octets outside of the feed that the kernel has not taken.
    pending: Vec<u8>,
    feed: Option<(Arc<Feed>, Range<usize>)>,
    heard: Option<Heard>,
    octets_in: u64,
    said_at: Time,
    /// The last thing that went wrong.
    trouble: String,
}

/// All neighbours of one daemon, or of the floor.
pub(super) struct Load<'a> {
    poll: Poll,
    events: Events,
    clock: Clock,
    interrupted: &'a AtomicBool,
    address: SocketAddr,
    family: Family,
    floor: bool,
    index: &'a Index,
    peers: Vec<Peer>,
    buffer: Vec<u8>,
    /// When a receiver last heard something of routes.
    last_heard: Time,
}

impl<'a> Load<'a> {
    /// Connects all neighbours and waits until their sessions are up.
    pub(super) fn connect(
        address: SocketAddr,
        neighbors: &[Neighbor],
        table: &Table,
        index: &'a Index,
        daemon_asn: Option<u32>,
        interrupted: &'a AtomicBool,
    ) -> Result<Load<'a>, String> {
        let family = table.family;
        let next_hop = daemon_asn.and(match address.ip() {
            std::net::IpAddr::V4(address) => Some(address),
            std::net::IpAddr::V6(_) => None,
        });
        let rules = Rules { family, daemon_asn, next_hop };
        let clock = Clock::start();
        let peer = |neighbor: &Neighbor| Peer {
            neighbor: *neighbor,
            state: State::Waiting(clock.now()),
            stream: None,
            readable: false,
            writable: false,
            tail: Vec::new(),
            pending: Vec::new(),
            feed: None,
            heard: (neighbor.role == Role::Receiver).then(|| Heard::new(rules, table.routes.len())),
            octets_in: 0,
            said_at: clock.now(),
            trouble: "it does not answer".to_owned(),
        };
        let mut load = Load {
            poll: Poll::new().map_err(|error| format!("cannot poll: {error}"))?,
            events: Events::with_capacity(256),
            clock,
            interrupted,
            address,
            family,
            floor: daemon_asn.is_none(),
            index,
            peers: neighbors.iter().map(peer).collect(),
            buffer: vec![0; READ_SIZE],
            last_heard: clock.now(),
        };
        load.establish()?;
        Ok(load)
    }

    fn establish(&mut self) -> Result<(), String> {
        let limit = self.clock.now() + SESSION_LIMIT;
        while let Some(peer) = self.peers.iter().find(|peer| peer.state != State::Up) {
            if self.clock.now() > limit {
                let Neighbor { asn, address, .. } = peer.neighbor;
                let missing = self.peers.iter().filter(|peer| peer.state != State::Up).count();
                return Err(format!(
                    "{missing} of {} sessions are not up after {SESSION_LIMIT:?}; the first of them is AS {asn} from {address}: {}",
                    self.peers.len(),
                    peer.trouble
                ));
            }
            self.turn(NAP)?;
        }
        Ok(())
    }

    pub(super) fn now(&self) -> Time {
        self.clock.now()
    }

    /// When a receiver last heard something.
    pub(super) fn last_heard(&self) -> Time {
        self.last_heard
    }

    /// The receivers' tables.
    pub(super) fn heard(&self) -> impl Iterator<Item = &Heard> {
        self.peers.iter().filter_map(|peer| peer.heard.as_ref())
    }

    /// Octets that each receiver has been sent.
    pub(super) fn octets_in(&self) -> impl Iterator<Item = u64> {
        self.peers.iter().filter(|peer| peer.heard.is_some()).map(|peer| peer.octets_in)
    }

    /// From now on a sender says these octets of a feed, which are whole messages.
    pub(super) fn say(&mut self, sender: usize, feed: &Arc<Feed>, part: Range<usize>) {
        if let Some(peer) = self.peers.get_mut(sender) {
            peer.feed = Some((feed.clone(), part));
        }
        self.serve(sender);
    }

    /// Whether a sender's feed is all with the kernel.
    pub(super) fn has_said(&self, sender: usize) -> bool {
        self.peers.get(sender).is_none_or(|peer| peer.feed.is_none() && peer.pending.is_empty())
    }

    /// What a sender has not yet given to the kernel is cut off at the end of a group; returns where.
    pub(super) fn stop_saying(&mut self, sender: usize) -> usize {
        let Some((feed, part)) = self.peers.get_mut(sender).and_then(|peer| peer.feed.as_mut()) else { return 0 };
        let mark = feed.marks.partition_point(|mark| mark.end < part.start);
        part.end = feed.marks.get(mark).map_or(part.end, |mark| mark.end.min(part.end));
        part.end
    }

    /// A sender's connection ends without a word.
    pub(super) fn kill(&mut self, sender: usize) {
        if let Some(peer) = self.peers.get_mut(sender) {
            peer.state = State::Closed;
            peer.stream = None;
        }
    }

    /// One wait of at most `wait`, and a slice of everything that is ready.
    pub(super) fn turn(&mut self, wait: Duration) -> Result<(), String> {
        if self.interrupted.load(Ordering::Relaxed) {
            return Err("interrupted".to_owned());
        }
        let more = |peer: &Peer| peer.readable || (peer.writable && (peer.feed.is_some() || !peer.pending.is_empty()));
        let wait = if self.peers.iter().any(more) { Duration::ZERO } else { wait };
        match self.poll.poll(&mut self.events, Some(wait)) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(format!("cannot poll: {error}")),
        }
        for event in &self.events {
            if let Some(peer) = self.peers.get_mut(event.token().0) {
                peer.readable |= event.is_readable();
                peer.writable |= event.is_writable();
            }
        }
        let now = self.clock.now();
        for number in 0..self.peers.len() {
            if let State::Waiting(at) = self.peers[number].state
                && at <= now
            {
                self.open(number)?;
            }
            self.serve(number);
            if self.peers[number].readable {
                self.read(number)?;
            }
        }
        Ok(())
    }

    fn open(&mut self, number: usize) -> Result<(), String> {
        use socket2::{Domain, Protocol, Socket, Type};
        let connect = |from: Ipv4Addr| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
            // Ports of connections that have ended are free for another connection.
            socket.set_reuse_address(true)?;
            socket.bind(&SocketAddr::from((from, 0)).into())?;
            socket.connect_timeout(&self.address.into(), Duration::from_secs(5))?;
            socket.set_nonblocking(true)?;
            socket.set_tcp_nodelay(true)?;
            Ok::<Socket, std::io::Error>(socket)
        };
        let peer = &mut self.peers[number];
        match connect(peer.neighbor.address) {
            Ok(socket) => {
                let mut stream = TcpStream::from_std(socket.into());
                self.poll
                    .registry()
                    .register(&mut stream, Token(number), Interest::READABLE | Interest::WRITABLE)
                    .map_err(|error| format!("cannot poll a connection: {error}"))?;
                (peer.readable, peer.writable) = (false, true);
                peer.tail.clear();
                if self.floor {
                    let role = if peer.neighbor.role == Role::Sender { floor::SENDER } else { floor::RECEIVER };
                    peer.pending = vec![role];
                    peer.state = State::Up;
                } else {
                    peer.pending = open_message(peer.neighbor, self.family);
                    peer.state = State::Greeting;
                }
                peer.stream = Some(stream);
            }
            Err(error) if error.kind() == ErrorKind::AddrNotAvailable => {
                return Err(format!(
                    "no connection can start from {}: {error}. Are the addresses 127.0.0.0/8 all of this machine's own (Linux)?",
                    peer.neighbor.address
                ));
            }
            Err(error) => {
                peer.trouble = error.to_string();
                peer.state = State::Waiting(self.clock.now() + RETRY_PAUSE);
            }
        }
        Ok(())
    }

    /// Writes a slice of what a neighbour has to say.
    fn serve(&mut self, number: usize) {
        let now = self.clock.now();
        let Some(peer) = self.peers.get_mut(number) else { return };
        let Some(stream) = &mut peer.stream else { return };
        if peer.state == State::Up && peer.feed.is_none() && now.since(peer.said_at) > KEEPALIVE_PAUSE && !self.floor {
            peer.pending.extend(KEEPALIVE);
        }
        while peer.writable && (peer.feed.is_some() || !peer.pending.is_empty()) {
            let octets = match &peer.feed {
                _ if !peer.pending.is_empty() => peer.pending.as_slice(),
                Some((feed, part)) => {
                    let end = part.end.min(part.start + WRITE_SIZE);
                    feed.octets.get(part.start..end).unwrap_or_default()
                }
                None => break,
            };
            let was_pending = !peer.pending.is_empty();
            match stream.write(octets) {
                Ok(count) => {
                    peer.said_at = now;
                    if was_pending {
                        peer.pending.drain(..count);
                        continue;
                    }
                    let Some((_, part)) = &mut peer.feed else { break };
                    part.start += count;
                    if part.start >= part.end {
                        peer.feed = None;
                    }
                    // The others have their turn.
                    break;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    peer.writable = false;
                    if error.kind() != ErrorKind::WouldBlock {
                        // What is left to read may say why.
                        peer.readable = true;
                    }
                }
            }
        }
    }

    fn read(&mut self, number: usize) -> Result<(), String> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let result = self.read_into(number, &mut buffer);
        self.buffer = buffer;
        result
    }

    fn read_into(&mut self, number: usize, buffer: &mut [u8]) -> Result<(), String> {
        let now = self.clock.now();
        let peer = &mut self.peers[number];
        let Some(stream) = &mut peer.stream else {
            peer.readable = false;
            return Ok(());
        };
        // A message's beginning that is left over stands in front of what comes.
        let kept = peer.tail.len();
        buffer[..kept].copy_from_slice(&peer.tail);
        let count = match stream.read(&mut buffer[kept..]) {
            Ok(0) => return self.lost(number, "the daemon has closed the connection"),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                peer.readable = false;
                return Ok(());
            }
            Err(error) => return self.lost(number, &error.to_string()),
        };
        peer.octets_in += count as u64;
        let filled = &buffer[..kept + count];
        let mut at = 0;
        let mut heard_routes = false;
        while let Some(header) = filled.get(at..at + HEADER) {
            let length = usize::from(u16::from_be_bytes([header[16], header[17]]));
            if header[..16] != [0xff; 16] || !(HEADER..=MESSAGE_LIMIT).contains(&length) {
                return Err(format!("{} got octets that are no BGP message", peer.neighbor.address));
            }
            let Some(body) = filled.get(at + HEADER..at + length) else { break };
            at += length;
            match header[18] {
                1 => peer.pending.extend(KEEPALIVE),
                2 => {
                    if let Some(heard) = &mut peer.heard {
                        let from = peer.neighbor.address;
                        heard.update(body, self.index).map_err(|what| format!("the receiver {from} got {what}"))?;
                        heard_routes = true;
                    }
                }
                3 => {
                    let [code, subcode] = *body.first_chunk::<2>().unwrap_or(&[0, 0]);
                    return self.lost(number, &format!("NOTIFICATION {code}/{subcode}"));
                }
                4 if peer.state == State::Greeting => peer.state = State::Up,
                _ => {}
            }
        }
        peer.tail.clear();
        peer.tail.extend_from_slice(&filled[at..]);
        if heard_routes {
            self.last_heard = now;
        }
        self.serve(number);
        Ok(())
    }

    /// A connection that is no more: tried again while sessions come up, an error afterwards.
    fn lost(&mut self, number: usize, why: &str) -> Result<(), String> {
        let again = State::Waiting(self.clock.now() + RETRY_PAUSE);
        let peer = &mut self.peers[number];
        let up = peer.state == State::Up;
        peer.trouble = why.to_owned();
        peer.stream = None;
        peer.readable = false;
        peer.state = again;
        if up {
            return Err(format!("the session of {} has ended: {why}", peer.neighbor.address));
        }
        Ok(())
    }
}

/// OPEN (RFC 4271 §4.2) with one family and four-octet AS numbers.
fn open_message(neighbor: Neighbor, family: Family) -> Vec<u8> {
    let afi = match family {
        Family::V4 => 1,
        Family::V6 => 2,
    };
    let mut capabilities = vec![1, 4, 0, afi, 0, 1, 65, 4];
    capabilities.extend(neighbor.asn.to_be_bytes());
    let mut octets = vec![0xff; 16];
    let length = HEADER + 10 + 2 + capabilities.len();
    octets.extend((length as u16).to_be_bytes());
    octets.extend([1, 4]);
    octets.extend(u16::try_from(neighbor.asn).unwrap_or(23_456).to_be_bytes());
    octets.extend(HOLD_TIME.to_be_bytes());
    octets.extend(neighbor.address.octets());
    octets.extend([capabilities.len() as u8 + 2, 2, capabilities.len() as u8]);
    octets.extend(capabilities);
    octets
}
