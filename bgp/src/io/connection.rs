//! One TCP connection: octets in, octets out, nothing else.

use super::{Input, socket_option};
use crate::speaker::{ConnectionId, TransportOptions};
use bytes::{Bytes, BytesMut};
use net::Prefix;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Notify, mpsc, oneshot};

/// The speaker task's end of a connection. Dropping it ends the connection after what is queued is written.
#[derive(Debug)]
pub(super) struct Outbox {
    // Before the queue: the connection task hears of the end before it sees the queue end.
    _closing: oneshot::Sender<()>,
    queue: mpsc::Sender<Bytes>,
    handled: Arc<Notify>,
}

impl Outbox {
    /// `false` if the queue is full: the neighbour takes nothing and the session has not noticed.
    pub(super) fn send(&self, octets: Bytes) -> bool {
        self.queue.try_send(octets).is_ok()
    }

    /// What came in last has been handled: the connection may read on.
    pub(super) fn read_on(&self) {
        self.handled.notify_one();
    }
}

/// The connection task's end.
pub(super) struct Inside {
    queue: mpsc::Receiver<Bytes>,
    closing: oneshot::Receiver<()>,
    handled: Arc<Notify>,
}

/// Pieces that may wait to be written. UPDATEs are held back by the speaker's window well before this; the rest is a
/// few messages a minute. A connection that gets here is broken.
const QUEUE_LIMIT: usize = 1024;

/// Pieces per write.
const BATCH: usize = 64;

/// Octets per read: many messages at once, and no more memory per idle connection than this.
const READ_SIZE: usize = 64 * 1024;

/// How long a closed connection may take to get rid of its last octets, a NOTIFICATION usually.
const LINGER: Duration = Duration::from_secs(2);

pub(super) fn channel() -> (Outbox, Inside) {
    let (queue, waiting) = mpsc::channel(QUEUE_LIMIT);
    let (closing, closed) = oneshot::channel();
    let handled = Arc::new(Notify::new());
    let inside = Inside { queue: waiting, closing: closed, handled: Arc::clone(&handled) };
    (Outbox { queue, _closing: closing, handled }, inside)
}

/// Opens a connection and runs it.
pub(super) async fn connect(
    id: ConnectionId,
    local: Option<IpAddr>,
    remote: SocketAddr,
    options: TransportOptions,
    mut inside: Inside,
    inputs: mpsc::Sender<Input>,
) {
    let opened = tokio::select! {
        // Closed before it was open: nobody is interested any more.
        _ = &mut inside.closing => return,
        opened = open(local, remote, &options) => opened,
    };
    match opened.and_then(|stream| stream.local_addr().map(|local| (stream, local))) {
        Ok((stream, local)) => {
            if inputs.send(Input::Connected { id, local }).await.is_ok() {
                run(id, stream, inside, inputs).await;
            }
        }
        Err(error) => {
            let _ = inputs.send(Input::ConnectFailed { id, error }).await;
        }
    }
}

async fn open(local: Option<IpAddr>, remote: SocketAddr, options: &TransportOptions) -> io::Result<TcpStream> {
    let socket = if remote.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket_option::apply(socket.as_fd(), remote.ip(), options)?;
    if let Some(password) = &options.password {
        let host =
            Prefix::new(remote.ip(), if remote.is_ipv4() { 32 } else { 128 }).ok_or(io::ErrorKind::InvalidInput)?;
        socket_option::set_password(socket.as_fd(), host, Some(password), remote.is_ipv6())?;
    }
    if let Some(local) = local {
        socket.bind(SocketAddr::new(local, 0))?;
    }
    socket.connect(remote).await
}

/// Carries octets until the neighbour closes, something breaks, or the speaker lets go.
pub(super) async fn run(id: ConnectionId, stream: TcpStream, inside: Inside, inputs: mpsc::Sender<Input>) {
    // Messages are written whole; waiting for more only delays them.
    let _ = stream.set_nodelay(true);
    let (mut reader, mut writer) = stream.into_split();
    let Inside { mut queue, mut closing, handled } = inside;
    let end = {
        let write = write(id, &mut writer, &mut queue, &inputs);
        tokio::pin!(write);
        let end = tokio::select! {
            biased;
            _ = &mut closing => End::LetGo { written: false },
            result = &mut write => match result {
                // The queue ends only when the speaker lets go.
                Ok(()) => End::LetGo { written: true },
                // A neighbour that closes while we write may have said why first: its last octets still wait to be read.
                Err(error) => {
                    let _ = tokio::time::timeout(LINGER, read(id, &mut reader, &inputs, &handled)).await;
                    End::Broken(Some(error))
                }
            },
            result = read(id, &mut reader, &inputs, &handled) => End::Broken(result.err()),
        };
        if let End::LetGo { written: false } = end {
            let _ = tokio::time::timeout(LINGER, &mut write).await;
        }
        end
    };
    match end {
        End::Broken(error) => {
            let _ = inputs.send(Input::Closed { id, error }).await;
        }
        End::LetGo { .. } => {
            // Closing with unread octets would reset the connection and could destroy our last message on its way: read
            // on until the neighbour has closed too.
            let _ = writer.shutdown().await;
            let _ = tokio::time::timeout(LINGER, drain(&mut reader)).await;
        }
    }
}

enum End {
    /// The neighbour closed, or something broke.
    Broken(Option<io::Error>),
    /// The speaker wants no more of it.
    LetGo { written: bool },
}

async fn read(
    id: ConnectionId,
    reader: &mut OwnedReadHalf,
    inputs: &mpsc::Sender<Input>,
    handled: &Notify,
) -> io::Result<()> {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(READ_SIZE);
        if reader.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
        if inputs.send(Input::Octets { id, octets: buffer.split().freeze() }).await.is_err() {
            return Ok(());
        }
        // One read at a time in the speaker's hands: TCP holds a neighbour back that sends more, its input is in nobody
        // else's way, and the buffer is free again.
        handled.notified().await;
    }
}

async fn write(
    id: ConnectionId,
    writer: &mut OwnedWriteHalf,
    queue: &mut mpsc::Receiver<Bytes>,
    inputs: &mpsc::Sender<Input>,
) -> io::Result<()> {
    let mut pieces = Vec::with_capacity(BATCH);
    let mut joined = BytesMut::new();
    while queue.recv_many(&mut pieces, BATCH).await > 0 {
        let octets = pieces.iter().map(Bytes::len).sum();
        match pieces.as_slice() {
            // The usual big piece goes out as it is.
            [piece] => writer.write_all(piece).await?,
            // Many small ones in one system call.
            _ if octets <= READ_SIZE => {
                joined.clear();
                pieces.iter().for_each(|piece| joined.extend_from_slice(piece));
                writer.write_all(&joined).await?;
            }
            _ => {
                for piece in &pieces {
                    writer.write_all(piece).await?;
                }
            }
        }
        pieces.clear();
        // An error means that the speaker is gone; what it queued still goes out.
        let _ = inputs.send(Input::Sent { id, octets }).await;
    }
    writer.flush().await
}

async fn drain(reader: &mut OwnedReadHalf) {
    let mut scratch = [0; 4096];
    while let Ok(1..) = reader.read(&mut scratch).await {}
}
