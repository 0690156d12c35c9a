//! One TCP connection: octets in, octets out, nothing else.

use super::{Input, socket_option};
use crate::speaker::{ConnectionId, TransportOptions};
use bytes::{Buf, Bytes, BytesMut};
use net::Prefix;
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

/// The speaker task's end of a connection. It reads what there is and writes what the socket takes; the rest is queued for the
/// connection task, and as long as anything is, all that follows is too.
#[derive(Debug)]
pub(super) struct Link {
    /// Ends the connection task: at once, or with a half to read on from until the neighbour has closed too.
    closing: oneshot::Sender<OwnedReadHalf>,
    queue: mpsc::Sender<Bytes>,
    open: Option<Open>,
    /// Woken when there is something to read.
    waker: Waker,
    /// What went wrong with writing: reading then finds an end and no reason.
    error: Option<io::Error>,
    /// Handed in and not written.
    pieces: VecDeque<Bytes>,
    /// Octets in the queue that have not been reported as written.
    queued: usize,
}

/// Both directions of an open connection: one to read, one that two tasks write to, one at a time.
#[derive(Debug)]
pub(super) struct Open {
    reader: OwnedReadHalf,
    writer: Arc<OwnedWriteHalf>,
}

impl Open {
    fn new(stream: TcpStream) -> Open {
        // Messages are written whole; waiting for more only delays them.
        let _ = stream.set_nodelay(true);
        let (reader, writer) = stream.into_split();
        Open { reader, writer: Arc::new(writer) }
    }
}

/// The neighbour takes nothing and the session has not noticed: the queue is full.
#[derive(Debug)]
pub(super) struct QueueFull;

impl Link {
    /// The connection is open.
    pub(super) fn open(&mut self, open: Open) {
        self.open = Some(open);
    }

    /// Reads what there is, as much as there is room for. Nothing: the neighbour has closed.
    pub(super) fn poll_read(&mut self, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Some(open) = &mut self.open else { return Poll::Pending };
        Pin::new(&mut open.reader).poll_read(&mut Context::from_waker(&self.waker), buffer)
    }

    /// One more piece for the next [`Link::write`]; `true` if it is the first one.
    pub(super) fn push(&mut self, octets: Bytes) -> bool {
        if octets.is_empty() {
            return false;
        }
        self.pieces.push_back(octets);
        self.pieces.len() == 1
    }

    /// Writes what the socket takes, and queues the rest. How many octets have been written; those of the queue are reported by
    /// the connection task.
    ///
    /// # Errors
    /// The queue has no room.
    pub(super) fn write(&mut self) -> Result<usize, QueueFull> {
        let mut written = 0;
        if let (Some(open), 0) = (&self.open, self.queued) {
            while !self.pieces.is_empty() {
                let wrote = {
                    let pieces = self.pieces.iter().take(BATCH).map(|piece| IoSlice::new(piece));
                    open.writer.try_write_vectored(&pieces.collect::<SmallVec<[_; 4]>>())
                };
                match wrote {
                    Ok(0) => break,
                    Ok(octets) => {
                        written += octets;
                        take(&mut self.pieces, octets);
                    }
                    Err(error) => {
                        if error.kind() != io::ErrorKind::WouldBlock {
                            self.error.get_or_insert(error);
                        }
                        break;
                    }
                }
            }
        }
        for piece in self.pieces.drain(..) {
            self.queued += piece.len();
            // A task that has ended has said so: it is on its way.
            if let Err(TrySendError::Full(_)) = self.queue.try_send(piece) {
                return Err(QueueFull);
            }
        }
        Ok(written)
    }

    /// The connection task has written so many octets of the queue.
    pub(super) fn written(&mut self, octets: usize) {
        self.queued = self.queued.saturating_sub(octets);
    }

    /// What went wrong with writing, if anything did.
    pub(super) fn into_error(self) -> Option<io::Error> {
        self.error
    }

    /// Ends the connection after what is queued is written; pieces that were only pushed are not. One that is simply dropped ends at once.
    pub(super) fn close(self) {
        if let Some(Open { reader, .. }) = self.open {
            let _ = self.closing.send(reader);
        }
    }
}

/// So many octets of the pieces are written.
fn take(pieces: &mut VecDeque<Bytes>, mut octets: usize) {
    while let Some(piece) = pieces.front_mut() {
        if octets < piece.len() {
            piece.advance(octets);
            break;
        }
        octets -= piece.len();
        pieces.pop_front();
    }
}

/// The connection task's end.
pub(super) struct Inside {
    queue: mpsc::Receiver<Bytes>,
    closing: oneshot::Receiver<OwnedReadHalf>,
}

/// Pieces that may wait to be written. UPDATEs are held back by the speaker's window well before this; the rest is a
/// few messages a minute. A connection that gets here is broken.
const QUEUE_LIMIT: usize = 1024;

/// Pieces per write.
const BATCH: usize = 64;

/// Octets that small pieces are joined up to, for one system call.
const JOINED_OCTETS: usize = 64 * 1024;

/// How long a closed connection may take to get rid of its last octets, a NOTIFICATION usually.
const LINGER: Duration = Duration::from_secs(2);

/// `waker` is woken when there is something to read.
pub(super) fn channel(waker: Waker) -> (Link, Inside) {
    let (queue, waiting) = mpsc::channel(QUEUE_LIMIT);
    let (closing, closed) = oneshot::channel();
    let link = Link { closing, queue, open: None, waker, error: None, pieces: VecDeque::new(), queued: 0 };
    (link, Inside { queue: waiting, closing: closed })
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
            let open = Open::new(stream);
            let writer = Arc::clone(&open.writer);
            if inputs.send(Input::Connected { id, local, open }).await.is_ok() {
                run(id, writer, inside, inputs).await;
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

/// Takes up a connection that the neighbour has opened.
pub(super) fn accept(
    id: ConnectionId,
    stream: TcpStream,
    waker: Waker,
    inputs: mpsc::Sender<Input>,
) -> (Link, impl Future<Output = ()>) {
    let (mut link, inside) = channel(waker);
    let open = Open::new(stream);
    let writer = Arc::clone(&open.writer);
    link.open(open);
    (link, run(id, writer, inside, inputs))
}

/// Writes what the socket would not take at once, until the speaker lets go.
async fn run(id: ConnectionId, writer: Arc<OwnedWriteHalf>, inside: Inside, inputs: mpsc::Sender<Input>) {
    let Inside { mut queue, mut closing } = inside;
    let reader = {
        let write = write(id, &writer, &mut queue, &inputs);
        tokio::pin!(write);
        tokio::select! {
            biased;
            closed = &mut closing => {
                // The neighbour has closed, or something broke: nobody reads what is left.
                let Ok(reader) = closed else { return };
                let _ = tokio::time::timeout(LINGER, &mut write).await;
                Some(reader)
            }
            error = &mut write => {
                // A neighbour that closes while we write may have said why first: its last octets still wait to be read, and
                // behind them the end.
                match tokio::time::timeout(LINGER, &mut closing).await {
                    Ok(closed) => closed.ok(),
                    Err(_) => {
                        let _ = inputs.send(Input::Closed { id, error: error.err() }).await;
                        None
                    }
                }
            }
        }
    };
    // The speaker's half is gone, and with ours the direction ends. Closing with unread octets would reset the connection and
    // could destroy our last message on its way: read on until the neighbour has closed too.
    drop(writer);
    if let Some(mut reader) = reader {
        let _ = tokio::time::timeout(LINGER, drain(&mut reader)).await;
    }
}

async fn write(
    id: ConnectionId,
    writer: &OwnedWriteHalf,
    queue: &mut mpsc::Receiver<Bytes>,
    inputs: &mpsc::Sender<Input>,
) -> io::Result<()> {
    let mut pieces = Vec::with_capacity(BATCH);
    let mut joined = BytesMut::new();
    while queue.recv_many(&mut pieces, BATCH).await > 0 {
        let octets = pieces.iter().map(Bytes::len).sum();
        match pieces.as_slice() {
            // The usual big piece goes out as it is.
            [piece] => write_all(writer, piece).await?,
            // Many small ones in one system call.
            _ if octets <= JOINED_OCTETS => {
                joined.clear();
                pieces.iter().for_each(|piece| joined.extend_from_slice(piece));
                write_all(writer, &joined).await?;
            }
            _ => {
                for piece in &pieces {
                    write_all(writer, piece).await?;
                }
            }
        }
        pieces.clear();
        // An error means that the speaker is gone; what it queued still goes out.
        let _ = inputs.send(Input::Sent { id, octets }).await;
    }
    Ok(())
}

async fn write_all(writer: &OwnedWriteHalf, mut octets: &[u8]) -> io::Result<()> {
    while !octets.is_empty() {
        match writer.try_write(octets) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => octets = octets.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => writer.writable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn drain(reader: &mut OwnedReadHalf) {
    let mut scratch = [0; 4096];
    while let Ok(1..) = reader.read(&mut scratch).await {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    /// Octets that say where they belong: no two stretches are alike.
    fn octets(from: usize, to: usize) -> Bytes {
        (from..to).map(|at| (at / 251 % 256) as u8 ^ (at % 251) as u8).collect()
    }

    async fn pair() -> (TcpStream, TcpStream) {
        let listening = TcpSocket::new_v4().unwrap();
        listening.set_recv_buffer_size(4096).unwrap();
        listening.bind(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0)).unwrap();
        let listener = listening.listen(1).unwrap();
        let ours = TcpSocket::new_v4().unwrap();
        ours.set_send_buffer_size(4096).unwrap();
        let ours = ours.connect(listener.local_addr().unwrap()).await.unwrap();
        (ours, listener.accept().await.unwrap().0)
    }

    #[tokio::test]
    async fn octets_arrive_in_order_whether_they_are_written_at_once_or_wait() {
        const PIECE: usize = 3_000;
        const ALL: usize = 400 * PIECE;
        let (ours, mut theirs) = pair().await;
        let (inputs, mut told) = mpsc::channel(8);
        let (mut link, task) = accept(ConnectionId(1), ours, Waker::noop().clone(), inputs);
        let task = tokio::spawn(task);
        let (mut pushed, mut reported, mut at_once, mut queued) = (0, 0, 0, 0);
        let mut received = Vec::new();
        while received.len() < ALL {
            // A few pieces, then what the other end takes: some are written at once, some in part, some wait.
            for _ in 0..5 {
                if pushed < ALL && pushed - reported < 100 * PIECE {
                    link.push(octets(pushed, pushed + PIECE));
                    pushed += PIECE;
                }
            }
            let written = link.write().unwrap();
            (at_once, reported) = (at_once + written, reported + written);
            let mut part = vec![0; 40_000];
            let read = theirs.read(&mut part).await.unwrap();
            received.extend_from_slice(&part[..read]);
            while let Ok(Input::Sent { octets, .. }) = told.try_recv() {
                link.written(octets);
                (queued, reported) = (queued + octets, reported + octets);
            }
        }
        assert!(received == octets(0, ALL), "in order and whole");
        assert!(at_once > 0 && queued > 0, "{at_once} at once, {queued} later");
        link.push(octets(0, 10));
        assert_eq!(link.write().unwrap() + link.queued, 10);
        link.close();
        let mut last = Vec::new();
        theirs.read_to_end(&mut last).await.unwrap();
        assert_eq!(last, octets(0, 10));
        drop(theirs);
        task.await.unwrap();
    }
}
