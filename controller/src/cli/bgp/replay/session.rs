//! One session over a blocking socket: a thread reads, the caller's writes.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use bgp::session::{CloseReason, Event, Negotiated, Session, SessionConfig, Transmit};
use bgp::wire::notification::subcode::cease;
use bgp::wire::{ErrorCode, Notification};
use bytes::Bytes;
use socket2::{Domain, Socket, Type};

use super::since;
use crate::bench::notice_signals;

/// How long the router may take to answer the connection and to establish the session.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
const ESTABLISH_LIMIT: Duration = Duration::from_secs(30);
/// How long it may take nothing of what is sent.
const WRITE_LIMIT: Duration = Duration::from_secs(120);
/// How often it is looked at whether the session is established, at least.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Octets read at once.
const READ_SIZE: usize = 64 * 1024;
/// What it has said and nobody has looked at: TCP holds it back past this.
const WAITING: usize = 16;

/// An established session.
pub(super) struct Speaking {
    session: Session,
    stream: TcpStream,
    input: Receiver<Vec<u8>>,
    started: Instant,
    negotiated: Option<Arc<Negotiated>>,
    closed: Option<String>,
    remote: SocketAddr,
    interrupted: Arc<AtomicBool>,
}

impl Speaking {
    /// Connects and waits until the session is established.
    pub(super) fn connect(
        remote: SocketAddr,
        local: Option<IpAddr>,
        config: SessionConfig,
    ) -> Result<(Speaking, Arc<Negotiated>), String> {
        let stream = open(remote, local).map_err(|error| format!("cannot connect to {remote}: {error}"))?;
        let broken = |error: std::io::Error| format!("{remote}: {error}");
        stream.set_nodelay(true).map_err(broken)?;
        stream.set_write_timeout(Some(WRITE_LIMIT)).map_err(broken)?;
        let mut reader = stream.try_clone().map_err(broken)?;
        let (told, input) = mpsc::sync_channel(WAITING);
        std::thread::spawn(move || {
            let mut buffer = vec![0; READ_SIZE];
            loop {
                match reader.read(&mut buffer) {
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    // The end of the channel says that it is over.
                    Ok(0) | Err(_) => return,
                    Ok(count) => {
                        if told.send(buffer.get(..count).unwrap_or_default().to_vec()).is_err() {
                            return;
                        }
                    }
                }
            }
        });
        let started = Instant::now();
        let mut speaking = Speaking {
            session: Session::new(Arc::new(config), 1),
            stream,
            input,
            started,
            negotiated: None,
            closed: None,
            remote,
            interrupted: Arc::new(AtomicBool::new(false)),
        };
        notice_signals(Arc::clone(&speaking.interrupted))?;
        speaking.session.handle_start(since(started));
        speaking.session.handle_connected(since(started));
        loop {
            if let Some(negotiated) = speaking.negotiated.clone() {
                return Ok((speaking, negotiated));
            }
            if started.elapsed() > ESTABLISH_LIMIT {
                let limit = ESTABLISH_LIMIT.as_secs();
                return Err(format!(
                    "{remote}: the session is not established after {limit} s: is our AS what it expects?"
                ));
            }
            speaking.turn(Instant::now() + LOOK_EVERY)?;
        }
    }

    /// Sends whole messages, and what has become due meanwhile.
    pub(super) fn send(&mut self, octets: Bytes) -> Result<(), String> {
        if self.is_interrupted() {
            self.say_goodbye();
            return Err("interrupted: not everything was sent, and the session is ended".to_owned());
        }
        if !octets.is_empty() {
            self.session.handle_send(octets, since(self.started));
        }
        self.turn(Instant::now())
    }

    /// Keeps the session alive until then, or until Ctrl-C.
    pub(super) fn wait_until(&mut self, until: Instant) -> Result<(), String> {
        while Instant::now() < until && !self.is_interrupted() {
            self.turn(until.min(Instant::now() + LOOK_EVERY))?;
        }
        Ok(())
    }

    fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// Says goodbye: Cease, administrative shutdown (RFC 4486).
    pub(super) fn end(mut self) {
        self.say_goodbye();
    }

    fn say_goodbye(&mut self) {
        let goodbye = Notification::new(ErrorCode::CEASE, cease::ADMINISTRATIVE_SHUTDOWN);
        self.session.handle_stop(goodbye, since(self.started));
        let _ = self.write();
        let _ = self.stream.shutdown(std::net::Shutdown::Write);
    }

    /// Takes what came, waits for more until `until` if nothing did, and writes what is to be written.
    fn turn(&mut self, until: Instant) -> Result<(), String> {
        self.write()?;
        let deadline = self.session.poll_timeout().map_or(until, |(at, _)| {
            let wait = at.since(since(self.started));
            until.min(Instant::now() + wait)
        });
        match self.input.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(octets) => self.session.handle_bytes(&octets, since(self.started)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => self.session.handle_closed(since(self.started)),
        }
        self.session.handle_timeout(since(self.started));
        self.write()
    }

    fn write(&mut self) -> Result<(), String> {
        while let Some(event) = self.session.poll_event() {
            match event {
                Event::Established(negotiated) => self.negotiated = Some(negotiated),
                Event::Closed(reason) => self.closed = Some(words(&reason)),
                _ => {}
            }
        }
        while let Some(transmit) = self.session.poll_transmit() {
            if let Transmit::Send(octets) = transmit {
                let remote = self.remote;
                self.stream.write_all(&octets).map_err(|error| {
                    let hint = if error.kind() == ErrorKind::WouldBlock {
                        "it takes nothing any more"
                    } else {
                        "the connection broke"
                    };
                    format!("{remote}: {hint}: {error}")
                })?;
            }
        }
        self.closed.as_ref().map_or(Ok(()), |reason| Err(format!("{}: the session is over: {reason}", self.remote)))
    }
}

fn open(remote: SocketAddr, local: Option<IpAddr>) -> std::io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(remote), Type::STREAM, None)?;
    if let Some(local) = local {
        socket.bind(&SocketAddr::new(local, 0).into())?;
    }
    socket.connect_timeout(&remote.into(), CONNECT_LIMIT)?;
    Ok(socket.into())
}

fn words(reason: &CloseReason) -> String {
    match reason {
        CloseReason::Received(notification) => format!("it sent {notification}"),
        CloseReason::Sent(notification) => format!("we sent {notification}"),
        CloseReason::ConnectionLost | CloseReason::ConnectFailed => "it closed the connection".to_owned(),
        CloseReason::AdminStop | CloseReason::Collision | CloseReason::SendHoldTimerExpired => "ended here".to_owned(),
    }
}
