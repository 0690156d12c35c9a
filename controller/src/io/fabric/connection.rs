//! One connection: octets in, frames to the core, output out. One task does both, so that the answers to what was read leave in the same
//! poll, without a second task being woken.
//!
//! Fairness: one read is at most [`READ_SIZE`] octets, and what is whole in it is one core turn. Where such a turn takes long, the next reads of
//! that connection are smaller. A poll reads until it had that many together, so less than twice as many, in small pieces if they come so. Who
//! has more to say waits until everybody else who is ready had the same.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use net::Time;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Sleep;
use tokio_util::io::poll_read_buf;

use super::accept::{Peer, Place};
use super::frames::{Frames, Unfinished};
use super::{FLUSH_LIMIT, Fabric, Outlet};
use crate::core::ConnectionId;
use crate::io::record::Tap;

/// Octets of one switch per core turn: then the others get theirs. A turn over 16 KiB of packet-ins takes about a tenth of a millisecond.
pub(super) const READ_SIZE: usize = 16 * 1024;
/// Reads become smaller down to this.
const READ_SIZE_MIN: usize = 1024;
/// A core turn that is longer is long for the others who wait.
const LONG_TURN: Duration = Duration::from_micros(50);
/// Octets for nothing, malformed or asked for by nobody, that a connection may bring at once. An answer that is late is one.
const DROPPED_BURST: u64 = 1 << 20;
/// Octets for nothing that a connection may bring in a second. Who brings more is read less often, and TCP makes it wait: it must not take the
/// processor from the others by what nobody wants.
const DROPPED_RATE: u64 = 16 << 20;
/// What a message for nothing counts besides its octets: to look at the smallest one costs about as much as to read so many. So 32,000 of
/// them a second may come.
const DROPPED_MESSAGE: u64 = 512;

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

    let stream = pin!(stream);
    let mut connection = Connection {
        fabric: &fabric,
        id,
        outlet: &outlet,
        tap: tap.as_ref(),
        stream,
        unfinished: Unfinished::default(),
        output: Bytes::new(),
        unflushed: false,
        dropped: Dropped::default(),
        share: READ_SIZE,
        pause: None,
        end: None,
    };
    poll_fn(|cx| connection.poll(cx)).await;
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

struct Connection<'c, S> {
    fabric: &'c Fabric,
    id: ConnectionId,
    outlet: &'c Outlet,
    tap: Option<&'c Tap>,
    stream: Pin<&'c mut S>,
    unfinished: Unfinished,
    /// What the core has said and the kernel has not taken.
    output: Bytes,
    /// TLS may hold back what it has taken.
    unflushed: bool,
    dropped: Dropped,
    /// Octets of its next read.
    share: usize,
    /// It brings too much for nothing: it is read again after that.
    pause: Option<Pin<Box<Sleep>>>,
    /// It is closing: the last octets leave until then, or never.
    end: Option<Pin<Box<Sleep>>>,
}

impl<S: AsyncRead + AsyncWrite> Connection<'_, S> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.outlet.sleeps(cx.waker());
        let mut read = 0;
        while !self.outlet.close.get() && !self.pauses(cx) {
            match self.poll_read(cx) {
                // What the core has said on the way out, an error for instance, still leaves: the peer may have closed its direction only.
                Poll::Ready(None) => self.outlet.close.set(true),
                Poll::Ready(Some(count)) => read += count,
                Poll::Pending => break,
            }
            if read >= self.share {
                wake_after_the_others(cx);
                break;
            }
        }
        match self.poll_write(cx) {
            Poll::Ready(Ok(())) if !self.outlet.close.get() => return Poll::Pending,
            Poll::Ready(Ok(())) => {
                if self.stream.as_mut().poll_shutdown(cx).is_ready() {
                    return Poll::Ready(());
                }
            }
            Poll::Ready(Err(error)) => {
                tracing::debug!(connection = self.id.0, %error, "cannot write");
                return Poll::Ready(());
            }
            Poll::Pending if !self.outlet.close.get() => return Poll::Pending,
            Poll::Pending => {}
        }
        let end = self.end.get_or_insert_with(|| Box::pin(tokio::time::sleep(FLUSH_LIMIT)));
        ready!(end.as_mut().poll(cx));
        tracing::debug!(connection = self.id.0, "the peer did not take its last octets");
        Poll::Ready(())
    }

    /// Whether it is not to be read now.
    fn pauses(&mut self, cx: &mut Context<'_>) -> bool {
        if self.pause.as_mut().is_some_and(|pause| pause.as_mut().poll(cx).is_ready()) {
            self.pause = None;
        }
        self.pause.is_some()
    }

    /// Reads once, and lets the core have what is whole. How many octets that were; nothing at the end.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Option<usize>> {
        // Nobody else reads until the turn is over.
        let mut input = self.fabric.input.borrow_mut();
        input.clear();
        let count = match ready!(poll_read_buf(self.stream.as_mut(), cx, &mut (&mut *input).limit(self.share))) {
            Ok(0) => return Poll::Ready(None),
            Ok(count) => count,
            Err(error) => {
                tracing::debug!(connection = self.id.0, %error, "cannot read");
                return Poll::Ready(None);
            }
        };
        self.deliver(&input);
        Poll::Ready(Some(count))
    }

    fn deliver(&mut self, octets: &[u8]) {
        let (mut packet_ins, mut dropped) = (0, 0);
        let started = self.fabric.turn_of(Some(self.id), |core, now| {
            let mut frames = Frames::new(&mut self.unfinished, octets, self.tap.map(|tap| (tap, now)));
            core.handle_frames(self.id, &mut frames, now);
            packet_ins = frames.packet_ins();
            let (messages, octets) = core.dropped(self.id);
            dropped = octets + messages * DROPPED_MESSAGE;
            if let Some(error) = frames.finish() {
                core.handle_frame_error(self.id, error, now);
                // The rest of the stream means nothing.
                self.outlet.close.set(true);
            }
        });
        let took = self.fabric.clock.now().since(started);
        self.fabric.report.borrow_mut().turn(packet_ins, took);
        self.share = share_after(self.share, took);
        if let Some(pause) = self.dropped.pause(dropped, started) {
            self.fabric.report.borrow_mut().slowed(self.id, started);
            self.pause = Some(Box::pin(tokio::time::sleep(pause)));
        }
    }

    /// Writes what the core has said until the kernel takes no more.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        loop {
            if self.output.is_empty() {
                // The core must not stay borrowed while the kernel is slow.
                let output = self.fabric.core.borrow_mut().take_output(self.id);
                match output {
                    None => break,
                    Some(output) => {
                        if let Some(tap) = self.tap {
                            tap.sent(self.fabric.clock.now(), &output);
                        }
                        self.output = output;
                    }
                }
            }
            let count = ready!(self.stream.as_mut().poll_write(cx, &self.output))?;
            if count == 0 {
                return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into()));
            }
            self.output.advance(count);
            self.unflushed = true;
        }
        if self.unflushed {
            ready!(self.stream.as_mut().poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }
}

/// How much of a connection is read next, after a turn over `share` octets at most that took so long.
fn share_after(share: usize, took: Duration) -> usize {
    let next = if took > LONG_TURN { share / 2 } else { share * 2 };
    next.clamp(READ_SIZE_MIN, READ_SIZE)
}

/// How much a connection has brought for nothing, as a debt that time pays. In octets, [`DROPPED_MESSAGE`] of them for each message.
#[derive(Default)]
struct Dropped {
    /// So far.
    total: u64,
    /// What is not paid for.
    debt: u64,
    /// When that was so.
    at: Time,
}

impl Dropped {
    /// How long it is not read, now that so much was dropped since it began.
    fn pause(&mut self, total: u64, now: Time) -> Option<Duration> {
        // The core says nothing of a connection that it has forgotten.
        let new = total.saturating_sub(std::mem::replace(&mut self.total, total));
        if new == 0 {
            return None;
        }
        let paid = now.since(self.at).as_nanos() * u128::from(DROPPED_RATE) / 1_000_000_000;
        self.debt = self.debt.saturating_sub(u64::try_from(paid).unwrap_or(u64::MAX)) + new;
        self.at = now;
        let beyond = self.debt.checked_sub(DROPPED_BURST).filter(|beyond| *beyond > 0)?;
        Some(Duration::from_nanos(beyond * 1_000_000_000 / DROPPED_RATE))
    }
}

/// Wakes the task when everybody else who is ready, the sockets included, had a turn. A plain wake would come before the next look at the
/// sockets.
fn wake_after_the_others(cx: &mut Context<'_>) {
    let _ = pin!(tokio::task::yield_now()).poll(cx);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_brings_much_work_gets_smaller_turns_and_larger_ones_when_it_is_less() {
        let (long, short) = (LONG_TURN * 3, LONG_TURN / 2);
        assert_eq!(share_after(READ_SIZE, long), READ_SIZE / 2);
        assert_eq!((0..20).fold(READ_SIZE, |share, _| share_after(share, long)), READ_SIZE_MIN);
        assert_eq!((0..20).fold(READ_SIZE_MIN, |share, _| share_after(share, short)), READ_SIZE);
    }

    #[test]
    fn what_is_for_nothing_is_paid_for_in_time() {
        let mut dropped = Dropped::default();
        let second = Time::from_secs;
        assert_eq!(dropped.pause(DROPPED_BURST, second(1)), None, "at once");
        assert_eq!(dropped.pause(DROPPED_BURST, second(1)), None, "nothing new");
        let pause = dropped.pause(DROPPED_BURST + DROPPED_RATE, second(1));
        assert_eq!(pause, Some(Duration::from_secs(1)));
        let pause = dropped.pause(DROPPED_BURST + 2 * DROPPED_RATE, second(2));
        assert_eq!(pause, Some(Duration::from_secs(1)), "the first second is paid");
        assert_eq!(dropped.pause(DROPPED_BURST + 2 * DROPPED_RATE + 1, second(9)), None, "the debt is gone");
        assert_eq!(dropped.pause(0, second(9)), None, "nothing is known of it any more");
    }
}
