//! The tokio driver: sockets and the clock around a [`Speaker`].
//!
//! ```text
//!  sockets ×N ──octets──► speaker task ──octets──► sockets ×N
//!                            ▲  │ what a socket does not take at once (bounded by the speaker's window)
//!  [`Handle`] ──requests─────┘  └──────► connection task ×N ──octets──► its socket
//! ```
//!
//! The speaker task reads and writes all sockets and calls the five verbs: a route passes no other task on its way. A
//! connection's own task opens it, writes what has to wait, and ends it. One speaker is one task on the caller's runtime;
//! a process may hold many. A neighbour that doesn't read fills its window and then costs nothing until it reads on.

// Sockets and the clock live here and nowhere else in the crate.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

mod arrivals;
mod connection;
mod handle;
mod recorder;
mod socket_option;

pub use handle::{Handle, Operation, PAGE_LIMIT, Stopped};
pub use recorder::{Tap, Tapped};

use crate::speaker::{ConnectionId, Event, Password, Speaker, SpeakerConfig, Transmit};
use crate::wire::AttributeError;
use arrivals::Arrivals;
use connection::{Link, Open};
use handle::Request;
use net::{Prefix, Time};
use recorder::Recorder;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::io::ReadBuf;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

/// What connection tasks tell the speaker task.
#[derive(Debug)]
enum Input {
    Connected { id: ConnectionId, local: SocketAddr, open: Open },
    ConnectFailed { id: ConnectionId, error: io::Error },
    Sent { id: ConnectionId, octets: usize },
    Closed { id: ConnectionId, error: Option<io::Error> },
}

/// Inputs that may wait for the speaker. Each connection has at most one report of octets written among them, so none can
/// crowd the others out.
const INPUT_LIMIT: usize = 64;

/// Requests that may wait for the speaker; who asks more waits.
const REQUEST_LIMIT: usize = 16;

/// Octets per read: many messages at once. One read at a time in the speaker's hands: TCP holds a neighbour back that
/// sends more, and its input is in nobody else's way.
const READ_SIZE: usize = 64 * 1024;

/// Connections that are read, and inputs handled, before what they cause is sent, as long as none of them is more than the speaker does at one time:
/// bounds how long a neighbour that sends much delays what the others get.
const INPUTS_PER_TURN: usize = 16;

/// Turns of reading in a row after which everything else is asked first, once.
const ARRIVALS_FIRST: usize = 8;

/// Turns of anything else in a row after which what waits in the speaker has a turn.
const TURNS_WITHOUT_WORK: usize = 2;

/// Octets written in one turn up to which their being written counts at once, and not in the next turn: some single
/// routes, not a table on its way.
const WRITTEN_AT_ONCE: usize = 16 * 1024;

/// How long [`Handle::stop`] waits for the last octets to go out.
const STOP_LIMIT: Duration = Duration::from_secs(3);

/// Pause after a connection that could not be accepted: when the system is out of file descriptors, asking again at
/// once only burns time.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A neighbour that sends nothing but errors must not fill the disk.
const WARN_INTERVAL: Duration = Duration::from_secs(10);

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 128;

/// Why a driver did not start.
#[derive(Debug)]
pub enum DriverError {
    /// An address cannot be listened on.
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
    /// A neighbour's configuration is impossible.
    Neighbor(crate::speaker::NeighborError),
}

impl fmt::Display for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DriverError::Listen { address, error } => write!(f, "cannot listen on {address} for BGP: {error}"),
            DriverError::Neighbor(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for DriverError {}

/// Starts a speaker on the current runtime. With `listen` empty it only opens connections. Port 0 picks a free one;
/// [`Handle::listening`] says which.
///
/// # Errors
/// An address that cannot be listened on, a neighbour that cannot be. Nothing runs then.
pub fn spawn(config: SpeakerConfig, listen: &[SocketAddr]) -> Result<Handle, DriverError> {
    let speaker = Speaker::new(config, Time::ZERO).map_err(DriverError::Neighbor)?;
    spawn_speaker(speaker, listen)
}

/// The same for a speaker that was made, and perhaps given routes, at [`Time::ZERO`].
///
/// # Errors
/// An address that cannot be listened on. Nothing runs then.
pub fn spawn_speaker(speaker: Speaker, listen: &[SocketAddr]) -> Result<Handle, DriverError> {
    spawn_tapped(speaker, listen, None)
}

/// The same with somebody who sees what comes in.
///
/// # Errors
/// An address that cannot be listened on. Nothing runs then.
pub fn spawn_tapped(speaker: Speaker, listen: &[SocketAddr], tap: Option<Tap>) -> Result<Handle, DriverError> {
    let passwords = speaker.passwords();
    let accepted_ttl = [speaker.accepted_ttl(true), speaker.accepted_ttl(false)];
    let mut unsigned = BTreeSet::new();
    let mut listeners = Vec::new();
    let mut listening = Vec::new();
    for address in listen {
        let refused = |error| DriverError::Listen { address: *address, error };
        let listener = bind(*address, &passwords, &mut unsigned, accepted_ttl).map_err(refused)?;
        listening.push(listener.local_addr().map_err(refused)?);
        listeners.push(listener);
    }
    let (requests, incoming) = mpsc::channel(REQUEST_LIMIT);
    let (inputs, from_connections) = mpsc::channel(INPUT_LIMIT);
    let driver = Driver {
        speaker,
        passwords,
        unsigned,
        accepted_ttl,
        origin: Instant::now(),
        connections: BTreeMap::new(),
        arrivals: Arc::default(),
        buffer: vec![0; READ_SIZE].into(),
        arrivals_in_a_row: 0,
        turns_without_work: 0,
        has_news: false,
        unhandled: Vec::new(),
        unwritten: Vec::new(),
        written: Vec::new(),
        tasks: JoinSet::new(),
        inputs,
        stopping: Vec::new(),
        warned: BTreeMap::new(),
        tap: Recorder(tap),
    };
    let task = tokio::spawn(driver.run(listeners, from_connections, incoming));
    Ok(Handle::new(requests, listening.into(), Arc::new(task.abort_handle())))
}

/// A listening socket that knows all passwords, and whose packets to drop, before anybody can connect; of which neighbours the system took none goes
/// to `unsigned`.
fn bind(
    address: SocketAddr,
    passwords: &BTreeMap<Prefix, Password>,
    unsigned: &mut BTreeSet<Prefix>,
    accepted_ttl: [Option<u8>; 2],
) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restart must not wait for the old connections to time out.
    socket.set_reuseaddr(true)?;
    // Neighbours with TTL security (RFC 5082) drop an answer that could come from further away; others don't look.
    socket_option::set_ttl(socket.as_fd(), address.ip(), u8::MAX)?;
    if address.is_ipv6() {
        // Of IPv4 neighbours on the same socket. One that takes IPv6 only has no such option.
        let _ = socket_option::set_ttl(socket.as_fd(), IpAddr::V4(Ipv4Addr::UNSPECIFIED), u8::MAX);
    }
    socket.bind(address)?;
    for (peers, password) in passwords {
        if !set_password(socket.as_fd(), address.is_ipv6(), *peers, Some(password)) {
            unsigned.insert(*peers);
        }
    }
    limit_ttl(socket.as_fd(), address.is_ipv6(), accepted_ttl);
    socket.listen(BACKLOG)
}

/// Has a listening socket drop what comes with a lower TTL than this, of IPv4 and IPv6.
fn limit_ttl(socket: BorrowedFd<'_>, is_ipv6: bool, [ipv4, ipv6]: [Option<u8>; 2]) {
    let mut told = socket_option::set_minimum_ttl(socket, Ipv4Addr::UNSPECIFIED.into(), ipv4);
    if is_ipv6 {
        // One that takes IPv6 only has no such option for IPv4.
        told = socket_option::set_minimum_ttl(socket, Ipv6Addr::UNSPECIFIED.into(), ipv6);
    }
    if let Err(error) = told {
        warn!(%error, "TTL security counts from the moment that a connection is taken, not before");
    }
}

/// Tells a listening socket; `false` if the system does not take it.
fn set_password(socket: BorrowedFd<'_>, ipv6: bool, peers: Prefix, password: Option<&Password>) -> bool {
    if !ipv6 && !peers.addr().is_ipv4() {
        return true;
    }
    match socket_option::set_password(socket, peers, password, ipv6) {
        Ok(()) => true,
        Err(error) => {
            error!(%peers, %error, "TCP MD5: the system takes no password: these neighbours are refused");
            false
        }
    }
}

struct Driver {
    speaker: Speaker,
    /// What the listening sockets have been told.
    passwords: BTreeMap<Prefix, Password>,
    /// Of these they could not be told: whoever connects from there is not signed, and refused.
    unsigned: BTreeSet<Prefix>,
    /// The lowest TTL that listening sockets take, of IPv4 and IPv6.
    accepted_ttl: [Option<u8>; 2],
    origin: Instant,
    connections: BTreeMap<ConnectionId, Link>,
    arrivals: Arc<Arrivals>,
    buffer: Box<[u8]>,
    /// Turns since anything else was asked first.
    arrivals_in_a_row: usize,
    /// Turns since what waits in the speaker had one.
    turns_without_work: usize,
    /// Something has come in, or an end, since the last time that what it causes was carried out.
    has_news: bool,
    /// Whose last octets the speaker has not handled yet.
    unhandled: Vec<ConnectionId>,
    /// Who has been given something to write since the last time that it was written.
    unwritten: Vec<ConnectionId>,
    /// What has been written that the speaker has not been told of.
    written: Vec<(ConnectionId, usize)>,
    tasks: JoinSet<()>,
    inputs: mpsc::Sender<Input>,
    stopping: Vec<tokio::sync::oneshot::Sender<()>>,
    /// When a malformed UPDATE of a neighbour was last logged; as many as there are neighbours.
    warned: BTreeMap<IpAddr, Instant>,
    tap: Recorder,
}

impl Driver {
    async fn run(
        mut self,
        listeners: Vec<TcpListener>,
        mut inputs: mpsc::Receiver<Input>,
        mut requests: mpsc::Receiver<Request>,
    ) {
        for listener in &listeners {
            if let Ok(address) = listener.local_addr() {
                info!(%address, "listening for BGP");
            }
        }
        self.flush();
        let sleep = tokio::time::sleep_until(self.deadline());
        tokio::pin!(sleep);
        loop {
            let busy = self.speaker.is_busy() || self.has_news || !self.written.is_empty();
            let (deadline, arrivals) = (self.deadline(), Arc::clone(&self.arrivals));
            // Deadlines move away with every message. A sleep that ends too early once in a while costs less than
            // setting it anew each time.
            if !busy && deadline < sleep.deadline() {
                sleep.as_mut().reset(deadline);
            }
            let any = || poll_fn(|context| arrivals.poll_any(context));
            let in_a_row = std::mem::take(&mut self.arrivals_in_a_row);
            // What has been begun goes on, however much comes in.
            let goes_on = busy && self.turns_without_work >= TURNS_WITHOUT_WORK;
            self.turns_without_work = if busy { self.turns_without_work + 1 } else { 0 };
            tokio::select! {
                biased;
                // What neighbours say comes first: nobody waits for the rest within microseconds.
                () = any(), if !goes_on && in_a_row < ARRIVALS_FIRST => {
                    self.arrivals_in_a_row = in_a_row + 1;
                    self.read_arrivals();
                }
                () = &mut sleep, if !busy => {
                    if deadline <= Instant::now() {
                        self.speaker.handle_timeout(self.now());
                    }
                    sleep.as_mut().reset(self.deadline());
                }
                Some(input) = inputs.recv(), if !goes_on => {
                    self.handle_input(input);
                    for _ in 1..INPUTS_PER_TURN {
                        if self.speaker.is_busy() {
                            break;
                        }
                        let Ok(input) = inputs.try_recv() else { break };
                        self.handle_input(input);
                    }
                }
                request = requests.recv(), if !goes_on => match request {
                    Some(Request::Stop { done }) => {
                        self.stopping.push(done);
                        break;
                    }
                    Some(request) => {
                        self.handle_request(request);
                        self.tell_passwords(&listeners);
                        self.tell_accepted_ttl(&listeners);
                    }
                    // Every handle is gone: nobody can stop this speaker any more.
                    None => break,
                },
                (stream, remote) = accept(&listeners), if !goes_on => self.handle_accepted(stream, remote),
                // Between two turns the runtime looks at the sockets: somebody's one route may have come.
                () = tokio::task::yield_now(), if busy => {
                    self.turns_without_work = 0;
                    if self.speaker.is_busy() || deadline <= Instant::now() {
                        self.speaker.handle_timeout(self.now());
                    }
                }
                Some(_) = self.tasks.join_next(), if !self.tasks.is_empty() => {}
                () = any(), if !goes_on && in_a_row >= ARRIVALS_FIRST => self.read_arrivals(),
            }
            self.tell_written();
            self.flush();
            self.read_on();
        }
        drop(listeners);
        self.stop(inputs).await;
    }

    /// Brings the listening sockets' TCP MD5 keys up to date.
    fn tell_passwords(&mut self, listeners: &[TcpListener]) {
        let wanted = self.speaker.passwords();
        if wanted == self.passwords {
            return;
        }
        let unsigned = std::mem::take(&mut self.unsigned);
        let gone = self.passwords.keys().filter(|peers| !wanted.contains_key(peers) && !unsigned.contains(peers));
        // Those that the system did not take before are tried again: others may have gone.
        let new = wanted
            .iter()
            .filter(|(peers, password)| self.passwords.get(peers) != Some(*password) || unsigned.contains(peers));
        for (peers, password) in
            gone.map(|peers| (peers, None)).chain(new.map(|(peers, password)| (peers, Some(password))))
        {
            for listener in listeners {
                let ipv6 = listener.local_addr().is_ok_and(|address| address.is_ipv6());
                if !set_password(listener.as_fd(), ipv6, *peers, password) && password.is_some() {
                    self.unsigned.insert(*peers);
                }
            }
        }
        self.passwords = wanted;
    }

    /// Has the listening sockets drop what comes from too far away, where that holds for all neighbours (RFC 5082).
    /// Connections that were taken have their own limit.
    fn tell_accepted_ttl(&mut self, listeners: &[TcpListener]) {
        let wanted = [self.speaker.accepted_ttl(true), self.speaker.accepted_ttl(false)];
        if wanted == self.accepted_ttl {
            return;
        }
        self.accepted_ttl = wanted;
        for listener in listeners {
            let is_ipv6 = listener.local_addr().is_ok_and(|address| address.is_ipv6());
            limit_ttl(listener.as_fd(), is_ipv6, wanted);
        }
    }

    fn now(&self) -> Time {
        Time::ZERO + self.origin.elapsed()
    }

    fn deadline(&self) -> Instant {
        // A far deadline stands for none: the clock may not reach as far as `Time::MAX`.
        let far = self.origin.elapsed() + Duration::from_secs(3600);
        let wait = self.speaker.poll_timeout().map_or(far, |(time, _)| time.since(Time::ZERO).min(far));
        self.origin + wait
    }

    fn handle_input(&mut self, input: Input) {
        let now = self.now();
        match input {
            Input::Sent { id, octets } => {
                if let Some(link) = self.connections.get_mut(&id) {
                    link.written(octets);
                }
                self.speaker.handle_sent(id, octets, now);
            }
            Input::Connected { id, local, open } => {
                if let Some(link) = self.connections.get_mut(&id) {
                    link.open(open);
                }
                self.speaker.handle_connected(id, local, now);
                self.unhandled.push(id);
            }
            Input::ConnectFailed { id, error } => {
                debug!(%id, %error, "connection failed");
                self.connections.remove(&id);
                self.speaker.handle_connect_failed(id, now);
            }
            Input::Closed { id, error } => self.handle_closed(id, error),
        }
    }

    fn handle_closed(&mut self, id: ConnectionId, error: Option<io::Error>) {
        if let Some(link) = self.remove(id) {
            let error = error.or_else(|| link.into_error());
            debug!(%id, error = error.map(tracing::field::display), "connection closed");
            self.speaker.handle_closed(id, self.now());
            self.has_news = true;
        }
    }

    fn remove(&mut self, id: ConnectionId) -> Option<Link> {
        let link = self.connections.remove(&id)?;
        self.tap.closed(id);
        Some(link)
    }

    /// What has come in, of several connections as long as none of it is more than the speaker does at one time.
    fn read_arrivals(&mut self) {
        for _ in 0..INPUTS_PER_TURN {
            let Some(id) = self.arrivals.take() else { break };
            self.read(id);
            if self.speaker.is_busy() {
                break;
            }
        }
    }

    /// What has come in on a connection, at most a buffer of it. If there is nothing, its coming is heard of.
    fn read(&mut self, id: ConnectionId) {
        let Some(link) = self.connections.get_mut(&id) else { return };
        let mut buffer = ReadBuf::new(&mut self.buffer);
        match link.poll_read(&mut buffer) {
            Poll::Pending => {}
            Poll::Ready(Ok(())) if buffer.filled().is_empty() => {
                // It may read on: what is to be said to it goes first.
                self.carry_out_and_write();
                self.handle_closed(id, None);
            }
            Poll::Ready(Ok(())) => {
                let octets = buffer.filled();
                self.tap.octets(&self.speaker, id, octets);
                self.speaker.handle_octets(id, octets, Time::ZERO + self.origin.elapsed());
                self.unhandled.push(id);
                self.has_news = true;
            }
            Poll::Ready(Err(error)) => self.handle_closed(id, Some(error)),
        }
    }

    /// Connections whose octets have been handled are read on, as many as in [`Driver::read_arrivals`].
    fn read_on(&mut self) {
        let mut left = INPUTS_PER_TURN;
        for id in std::mem::take(&mut self.unhandled) {
            if self.speaker.has_input(id) {
                self.unhandled.push(id);
            } else if left == 0 || (self.has_news && self.speaker.is_busy()) {
                self.unhandled.push(id);
                self.has_news = true;
            } else {
                left -= 1;
                self.read(id);
            }
        }
    }

    fn handle_accepted(&mut self, stream: TcpStream, remote: SocketAddr) {
        let Ok(local) = stream.local_addr() else { return };
        let address = remote.ip().to_canonical();
        if self.unsigned.iter().any(|peers| peers.contains(address)) {
            warn!(%remote, "connection refused: it is to be signed, and the system has no password for it");
            return;
        }
        match self.speaker.handle_accepted(remote, local, self.now()) {
            Some(id) => {
                if let Err(error) =
                    socket_option::apply(stream.as_fd(), remote.ip(), &self.speaker.transport_options(id))
                {
                    warn!(%remote, %error, "connection closed: its socket cannot be set up");
                    self.speaker.handle_closed(id, self.now());
                    return;
                }
                let (link, task) = connection::accept(id, stream, self.arrivals.waker(id), self.inputs.clone());
                self.connections.insert(id, link);
                self.tasks.spawn(task);
                self.unhandled.push(id);
            }
            None => debug!(%remote, "connection refused: no such neighbour"),
        }
    }

    /// Carries out what the speaker wants.
    fn flush(&mut self) {
        self.has_news = false;
        self.carry_out_and_write();
        // Room that a route has left needs no turn of its own.
        if self.written.iter().map(|(_, octets)| octets).sum::<usize>() <= WRITTEN_AT_ONCE {
            self.tell_written();
            self.carry_out_and_write();
        }
    }

    /// All connections' new pieces are written, several of them in one system call.
    fn carry_out_and_write(&mut self) {
        self.carry_out();
        while !self.unwritten.is_empty() {
            for id in std::mem::take(&mut self.unwritten) {
                self.write_to(id);
            }
            // One that takes nothing has been closed.
            self.carry_out();
        }
    }

    fn write_to(&mut self, id: ConnectionId) {
        let Some(link) = self.connections.get_mut(&id) else { return };
        match link.write() {
            Ok(0) => {}
            Ok(octets) => self.written.push((id, octets)),
            Err(connection::QueueFull) => {
                warn!(%id, "the neighbour takes nothing: connection dropped");
                self.close(id);
                self.speaker.handle_closed(id, self.now());
            }
        }
    }

    /// Ends a connection after what is queued is written.
    fn close(&mut self, id: ConnectionId) {
        if let Some(link) = self.remove(id) {
            link.close();
        }
    }

    /// What has been written leaves room for more.
    fn tell_written(&mut self) {
        let now = self.now();
        for (id, octets) in std::mem::take(&mut self.written) {
            self.speaker.handle_sent(id, octets, now);
        }
    }

    /// Does what the speaker wants up to the writing, and logs what it tells.
    fn carry_out(&mut self) {
        loop {
            while let Some(transmit) = self.speaker.poll_transmit() {
                self.transmit(transmit);
            }
            // A full queue makes an input of its own, which may cause more.
            let Some(event) = self.speaker.poll_event() else { break };
            self.tap.event(&self.speaker, &event);
            match event {
                Event::Up { neighbor, kind } => info!(peer = %neighbor, ?kind, "session up"),
                Event::Down { neighbor, reason, was_up: true } => info!(peer = %neighbor, %reason, "session down"),
                Event::Down { neighbor, reason, was_up: false } => debug!(peer = %neighbor, %reason, "attempt failed"),
                Event::Retained { neighbor } => info!(peer = %neighbor, "its routes are kept until it is back"),
                Event::PrefixLimit { neighbor, family, count, limit, sent } => {
                    warn!(peer = %neighbor, %family, count, limit, sent, "prefix limit");
                }
                Event::AttributeLimit { neighbor, octets, limit } => {
                    warn!(peer = %neighbor, octets, limit, "limit of attribute octets");
                }
                Event::Malformed { neighbor, errors } => self.warn_malformed(neighbor, &errors),
            }
        }
    }

    /// The counters have every error; the log has one line per neighbour and [`WARN_INTERVAL`].
    fn warn_malformed(&mut self, neighbor: IpAddr, errors: &[AttributeError]) {
        let Some(error) = errors.first() else { return };
        let now = Instant::now();
        if self.warned.get(&neighbor).is_some_and(|last| now < *last + WARN_INTERVAL) {
            return;
        }
        self.warned.insert(neighbor, now);
        warn!(peer = %neighbor, attribute = %error.kind, outcome = ?error.outcome, at = %error.at, "malformed UPDATE");
    }

    fn transmit(&mut self, transmit: Transmit) {
        match transmit {
            Transmit::Connect { connection: id, local, remote, options } => {
                let (link, inside) = connection::channel(self.arrivals.waker(id));
                self.connections.insert(id, link);
                self.tasks.spawn(connection::connect(id, local, remote, options, inside, self.inputs.clone()));
            }
            Transmit::Send { connection: id, octets } => {
                if self.connections.get_mut(&id).is_some_and(|link| link.push(octets)) {
                    self.unwritten.push(id);
                }
            }
            Transmit::Close { connection: id } => {
                // Its last word first.
                self.write_to(id);
                self.close(id);
            }
        }
    }

    /// Cease to every neighbour, then the last octets.
    async fn stop(mut self, mut inputs: mpsc::Receiver<Input>) {
        self.speaker.stop(self.now());
        self.flush();
        while let Some(id) = self.connections.keys().next().copied() {
            self.close(id);
        }
        // Whatever still comes in is of no interest, but nobody must hang on handing it over.
        inputs.close();
        let tasks = &mut self.tasks;
        let finished = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_LIMIT, finished).await.is_err() {
            warn!("some neighbours did not take our last messages");
        }
        for done in self.stopping {
            let _ = done.send(());
        }
    }
}

/// The next connection on any of the listeners; never, without listeners.
async fn accept(listeners: &[TcpListener]) -> (TcpStream, SocketAddr) {
    loop {
        let accepted = std::future::poll_fn(|context| {
            for listener in listeners {
                if let Poll::Ready(accepted) = listener.poll_accept(context) {
                    return Poll::Ready(accepted);
                }
            }
            Poll::Pending
        });
        match accepted.await {
            Ok(accepted) => return accepted,
            // The one connection is gone already, or the system is out of something: the listener itself is fine.
            Err(error) => {
                debug!(%error, "accepting failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
