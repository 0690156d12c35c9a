//! Who comes in: plain TCP from where it is allowed, TLS by its first octet, Unix sockets.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UnixListener};

use super::{Fabric, connection};
use crate::core;
use crate::io::listen::Listener;

/// First octet of a TLS handshake record (RFC 8446 §5.1); an OpenFlow message begins with its version, at most 6.
const TLS_HANDSHAKE: u8 = 0x16;
/// A peer that says nothing gets our HELLO after this long: only TLS has to begin by itself.
const FIRST_OCTET_WAIT: Duration = Duration::from_secs(1);
/// A TLS handshake takes at most this long.
const TLS_HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// After an error of `accept` (out of descriptors, say) wait before the next try instead of spinning.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Addresses that were told once that plain TCP is not allowed; when it is full, it starts anew.
const TOLD_MAX: usize = 1_024;

/// Whom a connection is with.
pub(super) struct Peer {
    /// For people: the address, or `unix`.
    pub(super) name: String,
    /// On what terms it was taken.
    pub(super) admission: core::Admission,
    /// Our address and the peer's, where there are such.
    pub(super) addresses: Option<(SocketAddr, SocketAddr)>,
}

/// A place among the unfinished handshakes; free again when it is dropped.
pub(super) struct Place {
    _permit: tokio::sync::OwnedSemaphorePermit,
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
    let mut told = BTreeMap::new();
    loop {
        let Ok(permit) = fabric.unfinished.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, peer)) => {
                let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
                let plain = !tls_only && allowed(&fabric, peer.ip());
                if !plain && !tls_only && told.len() >= TOLD_MAX {
                    told.clear();
                }
                let tell = !plain && told.insert(peer.ip(), ()).is_none();
                let _ = stream.set_nodelay(true);
                tokio::task::spawn_local(identify(
                    fabric.clone(),
                    stream,
                    peer,
                    Admission { plain, tls_only, tell },
                    permit,
                ));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn allowed(fabric: &Fabric, peer: IpAddr) -> bool {
    fabric.plain_from.iter().any(|prefix| prefix.contains(peer))
}

struct Admission {
    plain: bool,
    tls_only: bool,
    tell: bool,
}

async fn identify(
    fabric: Rc<Fabric>,
    stream: TcpStream,
    peer: SocketAddr,
    admission: Admission,
    permit: tokio::sync::OwnedSemaphorePermit,
) {
    let addresses = stream.local_addr().ok().map(|local| (local, peer));
    let mut first = [0];
    let peeked = tokio::time::timeout(FIRST_OCTET_WAIT, stream.peek(&mut first)).await;
    let is_tls = match peeked {
        Ok(Ok(0)) | Ok(Err(_)) => return,
        Ok(Ok(_)) => first[0] == TLS_HANDSHAKE,
        Err(_) => admission.tls_only,
    };
    if is_tls {
        let Some(acceptor) = &fabric.tls else {
            tracing::warn!(%peer, "TLS connection refused: openflow.tls is not configured");
            fabric.report.borrow_mut().refused();
            return;
        };
        match tokio::time::timeout(TLS_HANDSHAKE_LIMIT, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => {
                let peer = Peer { name: peer.to_string(), admission: core::Admission::default(), addresses };
                connection::serve(fabric, stream, peer, Place { _permit: permit }).await;
            }
            Ok(Err(error)) => {
                fabric.report.borrow_mut().refused();
                tracing::warn!(%peer, %error, "TLS handshake failed");
            }
            Err(_) => {
                fabric.report.borrow_mut().refused();
                tracing::warn!(%peer, "TLS handshake took too long");
            }
        }
    } else if admission.plain {
        let peer = Peer { name: peer.to_string(), admission: core::Admission::default(), addresses };
        connection::serve(fabric, stream, peer, Place { _permit: permit }).await;
    } else if admission.tls_only {
        fabric.report.borrow_mut().refused();
        tracing::warn!(%peer, "plain OpenFlow refused: this port takes TLS only");
    } else {
        fabric.report.borrow_mut().refused();
        if !admission.tell {
            return;
        }
        let ip = peer.ip();
        let len = if ip.is_ipv4() { 32 } else { 128 };
        tracing::warn!(
            %peer,
            "plain TCP refused: add \"{ip}/{len}\" (or a wider prefix) to openflow.plain_from, or start with --plain-from {ip}/{len}"
        );
    }
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
        let Ok(permit) = fabric.unfinished.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let peer = Peer { name: "unix".to_owned(), admission: core::Admission::default(), addresses: None };
                let place = Place { _permit: permit };
                tokio::task::spawn_local(connection::serve(fabric.clone(), stream, peer, place));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
