//! The floor: a process that passes whole messages from senders to receivers and looks at nothing but their lengths.
//!
//! What the kernel and one `epoll` loop cost for the same octets. A connection's first octet says which side it is on.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

/// A connection that sends.
pub(super) const SENDER: u8 = b'S';
/// A connection that receives what every sender sends.
pub(super) const RECEIVER: u8 = b'R';

/// Octets asked from the kernel at once.
const READ_SIZE: usize = 256 * 1024;
/// Octets that may wait for one receiver; then no sender is read from.
const QUEUE_LIMIT: usize = 4 << 20;
/// Octets of a header (RFC 4271 §4.1).
const HEADER: usize = 19;
const LISTENER: Token = Token(usize::MAX);
const BACKLOG: i32 = 1_024;

/// The arguments of the hidden `trunkline bench bgp-floor`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::Args)]
pub struct BgpFloorArgs {
    /// The port to listen at, on 127.0.0.1.
    #[arg(long)]
    pub port: u16,
}

struct Connection {
    stream: TcpStream,
    role: Option<u8>,
    readable: bool,
    writable: bool,
    /// The beginning of a message whose end has not come.
    tail: BytesMut,
    queue: VecDeque<Bytes>,
    queued: usize,
}

/// Serves until it is killed.
///
/// # Errors
/// What keeps it from starting.
pub(super) fn floor(arguments: BgpFloorArgs) -> Result<(), String> {
    let text = |what: &'static str| move |error: std::io::Error| format!("the floor cannot {what}: {error}");
    let mut poll = Poll::new().map_err(text("poll"))?;
    let mut listener = listen(arguments.port).map_err(text("listen"))?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE).map_err(text("poll"))?;
    let mut events = Events::with_capacity(1_024);
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let mut buffer = vec![0; READ_SIZE];
    loop {
        let room = connections.iter().flatten().all(|connection| connection.queued < QUEUE_LIMIT);
        let more = connections.iter().flatten().any(|connection| {
            connection.readable && (room || connection.role != Some(SENDER))
                || connection.writable && connection.queued > 0
        });
        match poll.poll(&mut events, more.then_some(Duration::ZERO)) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(text("poll")(error)),
        }
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    let _ = stream.set_nodelay(true);
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    if poll.registry().register(&mut stream, Token(connections.len()), interest).is_ok() {
                        connections.push(Some(Connection::new(stream)));
                    }
                }
            } else if let Some(Some(connection)) = connections.get_mut(event.token().0) {
                connection.readable |= event.is_readable();
                connection.writable |= event.is_writable();
            }
        }
        for number in 0..connections.len() {
            let room = connections.iter().flatten().all(|connection| connection.queued < QUEUE_LIMIT);
            let Some(Some(connection)) = connections.get_mut(number) else { continue };
            if !connection.readable || (connection.role == Some(SENDER) && !room) {
                continue;
            }
            match connection.read(&mut buffer) {
                Ok(None) => {}
                Ok(Some(messages)) => {
                    let receivers = connections.iter_mut().flatten();
                    for receiver in receivers.filter(|connection| connection.role == Some(RECEIVER)) {
                        receiver.queued += messages.len();
                        receiver.queue.push_back(messages.clone());
                    }
                }
                Err(_) => connections[number] = None,
            }
        }
        for place in &mut connections {
            if place.as_mut().is_some_and(|connection| connection.flush().is_err()) {
                *place = None;
            }
        }
    }
}

fn listen(port: u16) -> std::io::Result<TcpListener> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(TcpListener::from_std(socket.into()))
}

impl Connection {
    fn new(stream: TcpStream) -> Connection {
        Connection {
            stream,
            role: None,
            readable: true,
            writable: true,
            tail: BytesMut::new(),
            queue: VecDeque::new(),
            queued: 0,
        }
    }

    /// One read; gives the whole messages that it has completed.
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<Option<Bytes>> {
        match self.stream.read(buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => self.tail.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(None),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.readable = false;
                return Ok(None);
            }
            Err(error) => return Err(error),
        }
        if self.role.is_none() {
            self.role = self.tail.first().copied();
            self.tail.advance(1);
        }
        let mut end = 0;
        while let Some(header) = self.tail.get(end..end + HEADER) {
            let length = usize::from(u16::from_be_bytes([header[16], header[17]])).max(HEADER);
            if end + length > self.tail.len() {
                break;
            }
            end += length;
        }
        Ok((end > 0).then(|| self.tail.split_to(end).freeze()))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        while self.writable
            && let Some(first) = self.queue.front_mut()
        {
            match self.stream.write(first) {
                Ok(count) => {
                    self.queued -= count;
                    first.advance(count);
                    if first.is_empty() {
                        self.queue.pop_front();
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.writable = false,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
