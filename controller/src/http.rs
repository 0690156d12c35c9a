//! The HTTP server: `/metrics`, `/healthz`, `/api/…`, `/bgp/…`, `/audit`, `/reload` and an index. It asks snapshots and never waits for the core. What changes
//! something is a POST and taken from programs of this machine only.
//!
//! Served by hyper itself rather than by `axum::serve`, which offers no limits of time: a client that never finishes its header, or never reads
//! its answer, must not hold a connection for ever.

mod api;
mod audit;
mod bgp;
mod query;
mod reload;

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use telemetry::Exporter;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::api::Api;
use crate::reload::ReloadSender;

/// Most connections at once. Further ones wait in the system's backlog; a monitoring system needs one or two.
const MAX_CONNECTIONS: usize = 64;
/// Most scrapes rendered at once, so that many clients cost no more memory than a few. The others wait.
const MAX_RENDERS: usize = 2;
/// Time for a request's header to come in, also of the next one on an open connection. Then the connection is closed.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest life of a connection. Then it is closed after the answer in progress, so that slow readers cannot take all connections.
const CONNECTION_LIFETIME: Duration = Duration::from_secs(120);
/// Time that connections have to end in at their lifetime's end and at shutdown.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest header of a request: larger ones are answered with 431.
const MAX_HEADER_OCTETS: usize = 16 * 1024;
/// Pause after the system refused a connection (no file descriptors left, say), instead of asking again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where the answers come from. These functions are called for each request and must not block on the core.
#[derive(Clone)]
pub struct Sources {
    /// The metrics in the Prometheus text format. Called on a thread where it may take its time.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// Nothing if all is well, else what is wrong.
    pub health: Arc<dyn Fn() -> Result<(), String> + Send + Sync>,
    /// The BGP speaker, if there is one: `/bgp/…` asks it.
    pub bgp: Option<::bgp::io::Handle>,
    /// Who takes another configuration, if anybody does: `/reload` asks.
    pub reload: Option<ReloadSender>,
    /// What `/api/…` asks, if it is served.
    pub api: Option<Api>,
    /// Connected switches: datapath id and the address that the connection comes from.
    pub switches: Arc<dyn Fn() -> Vec<(String, String)> + Send + Sync>,
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").finish_non_exhaustive()
    }
}

/// The address to serve at could not be had.
#[derive(Debug)]
pub struct BindError {
    /// The address.
    pub address: SocketAddr,
    /// Why.
    pub error: io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BindError { address, error } = self;
        write!(f, "http: cannot listen at {address}: ")?;
        match error.kind() {
            io::ErrorKind::AddrInUse => write!(
                f,
                "port {} is in use by another program (another trunkline?); choose another one with http.listen",
                address.port()
            ),
            io::ErrorKind::AddrNotAvailable => {
                write!(f, "{} is not an address of this machine; choose another one with http.listen", address.ip())
            }
            io::ErrorKind::PermissionDenied => {
                write!(f, "port {} needs privileges; choose one from 1024 on with http.listen", address.port())
            }
            _ => error.fmt(f),
        }
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// Takes the address to serve at.
///
/// # Errors
/// The address cannot be had; the message says what to do.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).await.map_err(|error| BindError { address, error })
}

/// The same before there is a runtime.
///
/// # Errors
/// The address cannot be had; the message says what to do.
pub fn bind_blocking(address: SocketAddr) -> Result<std::net::TcpListener, BindError> {
    let bound = std::net::TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    bound.map_err(|error| BindError { address, error })
}

/// Where clients come in. Each has connections of its own number.
#[derive(Debug)]
pub enum Door {
    /// Over TCP.
    Tcp(TcpListener),
    /// Over a Unix socket: whoever may open it may do what programs of this machine may.
    Unix(UnixListener),
}

/// Serves until `shutdown` is done; then takes no more connections, and returns when the open ones have ended or their time is up.
pub async fn serve(door: Door, sources: Sources, shutdown: impl Future<Output = ()>) {
    let router = router(sources);
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let (stop, stopped) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accept = async {
            // The semaphore is never closed, so this only waits.
            let slot = Arc::clone(&slots).acquire_owned().await.ok();
            let accepted = match &door {
                Door::Tcp(listener) => {
                    listener.accept().await.map(|(stream, peer)| (Stream::Tcp(stream), Peer::At(peer.ip())))
                }
                Door::Unix(listener) => listener.accept().await.map(|(stream, _)| (Stream::Unix(stream), Peer::Socket)),
            };
            (accepted, slot)
        };
        let (accepted, slot) = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept => accepted,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, peer)) => {
                tracing::trace!(?peer, "http connection");
                let (router, stopped) = (router.clone(), stopped.clone());
                connections.spawn(async move {
                    // Whoever changes something is asked for it.
                    let router = router.layer(Extension(peer));
                    match stream {
                        Stream::Tcp(stream) => connection(stream, router, stopped).await,
                        Stream::Unix(stream) => connection(stream, router, stopped).await,
                    }
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "http: a connection was not accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(door);
    let _ = stop.send(true);
    let all = async { while connections.join_next().await.is_some() {} };
    if timeout(CLOSE_TIMEOUT, all).await.is_err() {
        tracing::debug!("http: connections were cut at shutdown");
    }
}

enum Stream {
    Tcp(tokio::net::TcpStream),
    Unix(tokio::net::UnixStream),
}

async fn connection<S: AsyncRead + AsyncWrite + Unpin>(stream: S, router: Router, mut stopped: watch::Receiver<bool>) {
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_header_size(MAX_HEADER_OCTETS)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut served = std::pin::pin!(served);
    let ended = tokio::select! {
        result = &mut served => Some(result),
        _ = stopped.wait_for(|stopped| *stopped) => None,
        () = sleep(CONNECTION_LIFETIME) => None,
    };
    let result = match ended {
        Some(result) => result,
        None => {
            served.as_mut().graceful_shutdown();
            timeout(CLOSE_TIMEOUT, served).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "http connection ended");
    }
}

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
enum Peer {
    /// An address.
    At(IpAddr),
    /// The Unix socket, which the system opens for its owner and group only.
    Socket,
}

impl Peer {
    /// It is a program of this machine.
    fn is_this_machine(self) -> bool {
        match self {
            Peer::At(address) => address.to_canonical().is_loopback(),
            Peer::Socket => true,
        }
    }
}

#[derive(Clone)]
struct Served {
    sources: Sources,
    renders: Arc<Semaphore>,
}

fn router(sources: Sources) -> Router {
    let (speaker, reload) = (sources.bgp.clone(), sources.reload.clone());
    let audit = sources.api.clone().map(self::audit::router).unwrap_or_default();
    let api = sources.api.clone().map(self::api::router).unwrap_or_default();
    let served = Served { sources, renders: Arc::new(Semaphore::new(MAX_RENDERS)) };
    Router::new()
        .route("/", get(index))
        .route("/metrics", get(metrics))
        .route("/healthz", get(health))
        .with_state(served)
        .merge(self::bgp::router(speaker))
        .merge(api)
        .merge(audit)
        .merge(self::reload::router(reload))
}

async fn index(State(served): State<Served>) -> Response {
    let mut page = String::from(
        "<!doctype html>\n<title>Trunkline</title>\n<h1>Trunkline</h1>\n<ul>\n\
        <li><a href=\"/metrics\">/metrics</a>: everything that is measured, for Prometheus</li>\n\
        <li><a href=\"/api/v1/status\">/api/v1/…</a>: switches, links, hosts, rules and more, as JSON: <a href=\"/openapi.json\">OpenAPI</a></li>\n\
        <li><a href=\"/bgp/neighbors\">/bgp/neighbors</a>, /bgp/routes, /bgp/why: the BGP speaker, as JSON</li>\n\
        <li><a href=\"/healthz\">/healthz</a>: 200 if all is well, else 503</li>\n</ul>\n",
    );
    let mut switches = (served.sources.switches)();
    switches.sort();
    page.push_str(&format!("<p>{} switches are connected.</p>\n<ul>\n", switches.len()));
    // A datapath id is hex digits and an address is an address: nothing in here needs escaping.
    for (datapath_id, peer) in switches {
        page.push_str(&format!("<li><code>{datapath_id}</code> from {peer}</li>\n"));
    }
    page.push_str("</ul>\n");
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response()
}

async fn metrics(State(served): State<Served>) -> Response {
    // The semaphore is never closed, so this only waits.
    let _slot = served.renders.acquire().await.ok();
    match tokio::task::spawn_blocking(move || (served.sources.metrics)()).await {
        Ok(text) => ([(header::CONTENT_TYPE, Exporter::CONTENT_TYPE)], text).into_response(),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be rendered\n").into_response(),
    }
}

async fn health(State(served): State<Served>) -> Response {
    match (served.sources.health)() {
        Ok(()) => "ok\n".into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

#[cfg(test)]
mod tests;
