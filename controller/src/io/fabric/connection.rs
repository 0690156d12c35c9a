//! One connection: octets in, frames to the core; output out when the core has some. Two loops that share nothing but the core.

use std::pin::pin;
use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use net::Time;
use openflow::{FrameCodec, StreamError};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio_util::codec::Decoder;

use super::accept::{Peer, Place};
use super::{FLUSH_LIMIT, Fabric, Outlet};
use crate::core::ConnectionId;
use crate::io::record::Tap;

/// Frames of one switch per core turn: then the others get theirs. One flooding switch can't starve the rest.
const BATCH: usize = 32;
/// Octets asked from the kernel at once.
const READ_SIZE: usize = 16 * 1024;

/// From the first octet to the last. Whether it ever was a switch's: its handshake was done.
pub(super) async fn serve<S>(fabric: Rc<Fabric>, stream: S, peer: Peer, place: Place) -> bool
where
    S: AsyncRead + AsyncWrite,
{
    let id = ConnectionId(fabric.next_connection.get());
    fabric.next_connection.set(id.0 + 1);
    let outlet = Rc::new(Outlet::new(place));
    fabric.outlets.borrow_mut().insert(id, outlet.clone());
    let Peer { name, admission, addresses } = peer;
    tracing::debug!(connection = id.0, peer = name, "connection accepted");
    fabric.report.borrow_mut().opened(id, name);
    let mut tap = None;
    fabric.turn(|core, now| {
        tap = fabric.recorder.as_ref().map(|recorder| recorder.open(now, id.0, addresses));
        core.handle_admitted(id, admission, now);
    });

    let (reader, writer) = tokio::io::split(stream);
    let mut writing = pin!(write(&fabric, id, &outlet, tap.as_ref(), writer));
    tokio::select! {
        () = read(&fabric, id, tap.as_ref(), reader) => {
            // What the core has said on the way out, an error for instance, still leaves: the peer may have closed its direction only.
            outlet.close();
            let _ = tokio::time::timeout(FLUSH_LIMIT, &mut writing).await;
        }
        () = &mut writing => {}
        () = outlet.overdue() => tracing::debug!(connection = id.0, "the peer did not take its last octets"),
    }
    fabric.outlets.borrow_mut().remove(&id);
    fabric.turn(|core, now| {
        if let Some(tap) = &tap {
            tap.closed(now);
        }
        core.handle_closed(id, now);
    });
    fabric.report.borrow_mut().closed(id);
    outlet.place.borrow().is_none()
}

async fn read<S: AsyncRead>(fabric: &Rc<Fabric>, id: ConnectionId, tap: Option<&Tap>, mut reader: ReadHalf<S>) {
    let mut codec = FrameCodec;
    let mut buffer = BytesMut::with_capacity(READ_SIZE);
    let mut batch: Vec<Bytes> = Vec::with_capacity(BATCH);
    loop {
        loop {
            match codec.decode(&mut buffer) {
                Ok(Some(frame)) => batch.push(frame),
                Ok(None) => break,
                Err(StreamError::Io(error)) => {
                    tracing::debug!(connection = id.0, %error, "cannot read");
                    return;
                }
                Err(StreamError::Frame(error)) => {
                    fabric.turn(|core, now| {
                        record(tap, now, batch.iter().chain([&Bytes::copy_from_slice(&error.header)]));
                        core.handle_frames(id, batch.drain(..), now);
                        core.handle_frame_error(id, error, now);
                    });
                    // The core closes by way of the writer, after its error message.
                    std::future::pending::<()>().await;
                }
            }
            if batch.len() == BATCH {
                deliver(fabric, id, tap, &mut batch);
                tokio::task::yield_now().await;
            }
        }
        if !batch.is_empty() {
            deliver(fabric, id, tap, &mut batch);
        }
        buffer.reserve(READ_SIZE);
        match reader.read_buf(&mut buffer).await {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(connection = id.0, %error, "cannot read");
                return;
            }
        }
    }
}

fn record<'f>(tap: Option<&Tap>, now: Time, frames: impl Iterator<Item = &'f Bytes>) {
    if let Some(tap) = tap {
        frames.for_each(|frame| tap.received(now, frame.clone()));
    }
}

fn deliver(fabric: &Rc<Fabric>, id: ConnectionId, tap: Option<&Tap>, batch: &mut Vec<Bytes>) {
    // OpenFlow 1.3.5 §7.1: the second octet is the message's type; 10 is a packet-in.
    let packet_ins = batch.iter().filter(|frame| frame.get(1) == Some(&openflow::MessageType::PACKET_IN.0)).count();
    let started = fabric.clock.now();
    fabric.turn(|core, now| {
        record(tap, now, batch.iter());
        core.handle_frames(id, batch.drain(..), now);
    });
    fabric.report.borrow_mut().turn(packet_ins as u64, fabric.clock.now().since(started));
}

async fn write<S: AsyncWrite>(
    fabric: &Rc<Fabric>,
    id: ConnectionId,
    outlet: &Outlet,
    tap: Option<&Tap>,
    mut writer: WriteHalf<S>,
) {
    loop {
        loop {
            // Not in the loop's head: the core must not stay borrowed while the kernel is slow.
            let output = fabric.core.borrow_mut().take_output(id);
            let Some(octets) = output else { break };
            if let Some(tap) = tap {
                tap.sent(fabric.clock.now(), octets.clone());
            }
            if let Err(error) = writer.write_all(&octets).await {
                tracing::debug!(connection = id.0, %error, "cannot write");
                return;
            }
        }
        if outlet.close.get() {
            let _ = writer.shutdown().await;
            return;
        }
        outlet.wake.notified().await;
    }
}
