//! Who comes in: plain TCP from where it is allowed, TLS by its first octet, Unix sockets. What is no OpenFlow ends at its first octets.
//!
//! A handshake needs one of [`AcceptLimits::unfinished`] places; who finds none waits in the kernel's backlog. One source address has a share
//! of the places. Beyond its share, or faster than its rate, its connections are taken and wait: others are not held up by it.

mod places;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use openflow::HEADER_LEN;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::time::Instant;

use super::told::Topic;
use super::{Fabric, connection};
use crate::core::{Admission, AllowedDatapathIds};
use crate::io::listen::Listener;

pub use places::AcceptLimits;
use places::{Entry, Waiting};
pub(super) use places::{Place, Places};

/// First octet of a TLS handshake record (RFC 8446 §5.1); an OpenFlow message begins with its version.
const TLS_HANDSHAKE: u8 = 0x16;
/// The newest version of OpenFlow that there is: 1.5.
const NEWEST_VERSION: u8 = 6;
/// `OFPT_HELLO`, which is 0 in every version, comes first (OpenFlow 1.3.5 §6.3.1).
const HELLO: u8 = 0;
/// A peer that says nothing gets our HELLO after this long: only TLS has to begin by itself.
const FIRST_OCTET_WAIT: Duration = Duration::from_secs(1);
/// After an error of `accept` (out of descriptors, say) wait before the next try instead of spinning.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Connections taken from the backlog before the switches get their turn.
const ACCEPTS_PER_TURN: usize = 32;

/// Whom a connection is with.
pub(super) struct Peer {
    /// For people: the address, or `unix`.
    pub(super) name: String,
    /// On what terms it was taken.
    pub(super) admission: Admission,
    /// Our address and the peer's, where there are such.
    pub(super) addresses: Option<(SocketAddr, SocketAddr)>,
}

pub(super) async fn accept(fabric: Rc<Fabric>, listener: Listener) {
    match listener {
        Listener::Tcp(listener) => accept_tcp(fabric, listener, false).await,
        Listener::Ssl(listener) => accept_tcp(fabric, listener, true).await,
        Listener::Unix(listener, path) => {
            let _path = Removed(path);
            accept_unix(fabric, listener).await;
        }
    }
}

/// A file that goes with its owner: the task that accepts is never done, it is dropped when the fabric thread stops.
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

async fn accept_tcp(fabric: Rc<Fabric>, listener: std::net::TcpListener, tls_only: bool) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "cannot use the listening socket");
            return;
        }
    };
    loop {
        for _ in 0..ACCEPTS_PER_TURN {
            let permit = fabric.places.free().await;
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
                    let plain = !tls_only && allowed(&fabric, peer.ip());
                    if !plain && fabric.tls.is_none() {
                        refuse_plain(&fabric, peer, tls_only);
                        continue;
                    }
                    let _ = stream.set_nodelay(true);
                    let newcomer = Newcomer { stream, peer, plain, tls_only };
                    match fabric.places.enter(peer.ip(), permit, Instant::now()) {
                        Entry::Place(place) => {
                            drop(tokio::task::spawn_local(identify(fabric.clone(), newcomer, place)))
                        }
                        Entry::Wait(waiting) => drop(tokio::task::spawn_local(wait(fabric.clone(), newcomer, waiting))),
                        Entry::Full => {
                            refuse(&fabric, peer, Topic::Crowd, "too many connections from one address wait already")
                        }
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        tokio::task::yield_now().await;
    }
}

fn allowed(fabric: &Fabric, peer: IpAddr) -> bool {
    fabric.plain_from.iter().any(|prefix| prefix.contains(peer))
}

/// A connection of which nothing has been read.
struct Newcomer {
    stream: TcpStream,
    peer: SocketAddr,
    /// Plain TCP is allowed.
    plain: bool,
    tls_only: bool,
}

/// Its source has more than its share: its turn comes when one of its others is done.
async fn wait(fabric: Rc<Fabric>, newcomer: Newcomer, waiting: Waiting) {
    let place = waiting.place().await;
    identify(fabric, newcomer, place).await;
}

async fn identify(fabric: Rc<Fabric>, newcomer: Newcomer, place: Place) {
    let Newcomer { stream, peer, plain, tls_only } = newcomer;
    // The whole handshake, from here to the features reply, has one limit.
    let by = fabric.clock.now() + fabric.places.limits.handshake;
    let addresses = stream.local_addr().ok().map(|local| (local, peer));
    let is_tls = match opening(&stream).await {
        Opening::Gone => return,
        Opening::Tls => true,
        Opening::Silent => tls_only,
        Opening::Openflow => false,
        Opening::Foreign(what) if plain => return refuse(&fabric, peer, Topic::Foreign, what),
        Opening::Foreign(_) => return refuse_plain(&fabric, peer, tls_only),
    };
    if !is_tls {
        if !plain {
            return refuse_plain(&fabric, peer, tls_only);
        }
        return serve(&fabric, stream, peer.to_string(), addresses, by, AllowedDatapathIds::Any, place).await;
    }
    // On the heap: the state of TLS would make the task of every plain connection as large as that of a TLS one.
    Box::pin(serve_tls(&fabric, stream, peer, addresses, by, place)).await;
}

async fn serve_tls(
    fabric: &Rc<Fabric>,
    stream: TcpStream,
    peer: SocketAddr,
    addresses: Option<(SocketAddr, SocketAddr)>,
    by: net::Time,
    place: Place,
) {
    let Some(tls) = &fabric.tls else {
        return refuse(fabric, peer, Topic::Tls, "TLS connection refused: openflow.tls is not configured");
    };
    let until = fabric.clock.instant(by);
    match tokio::time::timeout_at(until, tls.accept(stream)).await {
        Ok(Ok((stream, holder))) => serve(fabric, stream, peer.to_string(), addresses, by, holder, place).await,
        Ok(Err(why)) => refuse(fabric, peer, Topic::Tls, &why),
        Err(_) => refuse(fabric, peer, Topic::Tls, "TLS handshake took too long"),
    }
}

/// Hands a stream to the connection that serves it.
pub(super) async fn serve<S: AsyncRead + AsyncWrite>(
    fabric: &Rc<Fabric>,
    stream: S,
    name: String,
    addresses: Option<(SocketAddr, SocketAddr)>,
    handshake_by: net::Time,
    datapath_ids: AllowedDatapathIds,
    place: Place,
) {
    let admission = Admission { datapath_ids, handshake_by: Some(handshake_by) };
    connection::serve(fabric.clone(), stream, Peer { name, admission, addresses }, place).await;
}

/// What a connection begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Opening {
    /// Nothing has come yet.
    Silent,
    /// The peer has gone.
    Gone,
    Tls,
    /// As far as one can see.
    Openflow,
    /// Neither, and why.
    Foreign(&'static str),
}

/// Looks at the first octets without taking them: what is there after the first ones have come. A message in pieces is judged by the
/// channel, within the handshake's limit.
async fn opening(stream: &TcpStream) -> Opening {
    let mut header = [0; HEADER_LEN];
    match tokio::time::timeout(FIRST_OCTET_WAIT, stream.peek(&mut header)).await {
        Ok(Ok(0)) | Ok(Err(_)) => Opening::Gone,
        Ok(Ok(count)) => judge(header.get(..count).unwrap_or_default()),
        Err(_) => Opening::Silent,
    }
}

fn judge(octets: &[u8]) -> Opening {
    match *octets {
        [TLS_HANDSHAKE, ..] => Opening::Tls,
        [0, ..] => Opening::Foreign("not OpenFlow: it begins with version 0"),
        // A newer version may come with a HELLO: which ones the peer speaks besides, its bitmap says, and the channel looks (§6.3.1).
        [version] if version > NEWEST_VERSION => Opening::Foreign("not OpenFlow: no version begins so"),
        [_, kind, ..] if kind != HELLO => Opening::Foreign("not OpenFlow: the first message is no HELLO"),
        [_, _, high, low, ..] if usize::from(u16::from_be_bytes([high, low])) < HEADER_LEN => {
            Opening::Foreign("not OpenFlow: a HELLO shorter than its header")
        }
        _ => Opening::Openflow,
    }
}

/// Ends a connection that never was one of the core's.
fn refuse(fabric: &Fabric, peer: SocketAddr, topic: Topic, why: &str) {
    match fabric.report.borrow_mut().refused(peer.ip(), topic, fabric.clock.now()) {
        Some(0) => tracing::warn!(%peer, "{why}"),
        Some(others) => tracing::warn!(%peer, others_before = others, "{why}"),
        None => tracing::debug!(%peer, "{why}"),
    }
}

fn refuse_plain(fabric: &Fabric, peer: SocketAddr, tls_only: bool) {
    if tls_only {
        return refuse(fabric, peer, Topic::Plain, "plain OpenFlow refused: this port takes TLS only");
    }
    let ip = peer.ip();
    let len = if ip.is_ipv4() { 32 } else { 128 };
    let why = format_args!(
        "plain TCP refused: add \"{ip}/{len}\" (or a wider prefix) to openflow.plain_from, or start with --plain-from {ip}/{len}"
    );
    refuse(fabric, peer, Topic::Plain, &why.to_string());
}

async fn accept_unix(fabric: Rc<Fabric>, listener: std::os::unix::net::UnixListener) {
    let listener = match UnixListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "cannot use the listening socket");
            return;
        }
    };
    loop {
        let permit = fabric.places.free().await;
        match listener.accept().await {
            Ok((stream, _)) => {
                let fabric = fabric.clone();
                tokio::task::spawn_local(async move {
                    let by = fabric.clock.now() + fabric.places.limits.handshake;
                    let place = Place::local(permit);
                    serve(&fabric, stream, "unix".to_owned(), None, by, AllowedDatapathIds::Any, place).await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
