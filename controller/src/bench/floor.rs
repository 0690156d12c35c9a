//! The floor: what the machine's kernel and one `epoll` cost for the same octets when nobody looks at them.
//!
//! For every N octets that a connection has sent it gets M octets back, as fast as one thread can. No decoder, no table, no clock.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

/// Octets asked from the kernel at once, on one buffer for all connections.
const READ_SIZE: usize = 256 * 1024;
/// Octets of answers that one write offers.
const ANSWER_SIZE: usize = 256 * 1024;
const LISTENER: Token = Token(usize::MAX);
const BACKLOG: i32 = 4_096;

/// Octets of a question and of its answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::Args)]
pub struct FloorArgs {
    /// The port to listen at, on 127.0.0.1.
    #[arg(long)]
    pub port: u16,
    /// Octets that are one question.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub ask: u32,
    /// Octets that answer it.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub answer: u32,
}

struct Connection {
    stream: TcpStream,
    /// Octets of a question whose end has not come.
    part: usize,
    /// Octets of answers that the kernel has not taken.
    pending: usize,
}

/// Serves until it is killed.
///
/// # Errors
/// What keeps it from starting.
pub fn floor(arguments: FloorArgs) -> Result<(), String> {
    let text = |what: &'static str| move |error: std::io::Error| format!("the floor cannot {what}: {error}");
    let (ask, answer) = (arguments.ask as usize, arguments.answer as usize);
    let mut poll = Poll::new().map_err(text("poll"))?;
    let mut listener = listen(arguments.port).map_err(text("listen"))?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE).map_err(text("poll"))?;
    let mut events = Events::with_capacity(1_024);
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let mut free: Vec<usize> = Vec::new();
    let mut buffer = vec![0; READ_SIZE];
    let answers = vec![0; ANSWER_SIZE];
    loop {
        match poll.poll(&mut events, None) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(text("poll")(error)),
        }
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    let _ = stream.set_nodelay(true);
                    let number = free.pop().unwrap_or_else(|| {
                        connections.push(None);
                        connections.len() - 1
                    });
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    if poll.registry().register(&mut stream, Token(number), interest).is_ok() {
                        connections[number] = Some(Connection { stream, part: 0, pending: 0 });
                    }
                }
                continue;
            }
            let number = event.token().0;
            let Some(connection) = connections.get_mut(number).and_then(Option::as_mut) else { continue };
            if !serve(connection, ask, answer, &mut buffer, &answers) {
                connections[number] = None;
                free.push(number);
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

/// Reads what is there and answers it; false if the connection has ended.
fn serve(connection: &mut Connection, ask: usize, answer: usize, buffer: &mut [u8], answers: &[u8]) -> bool {
    loop {
        // Who does not read is not read from.
        if connection.pending > 0 && !flush(connection, answers) {
            return false;
        }
        if connection.pending > 0 {
            return true;
        }
        match connection.stream.read(buffer) {
            Ok(0) => return false,
            Ok(count) => {
                connection.part += count;
                connection.pending = connection.part / ask * answer;
                connection.part %= ask;
                if !flush(connection, answers) {
                    return false;
                }
                if count < buffer.len() {
                    return true;
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
    }
}

fn flush(connection: &mut Connection, answers: &[u8]) -> bool {
    while connection.pending > 0 {
        match connection.stream.write(&answers[..connection.pending.min(answers.len())]) {
            Ok(count) => connection.pending -= count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
    }
    true
}
