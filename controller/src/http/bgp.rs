//! The BGP speaker over HTTP, as JSON: neighbours, routes by page, and why a route is or is not the best; and by POST
//! what operators do to sessions.
//!
//! POSTs are taken from loopback addresses only, and not from pages in a browser: those say where they come from
//! (`Origin`, RFC 6454 §7), which no program does.
//!
//! Routes come in pages of at most [`bgp::io::PAGE_LIMIT`] prefixes; `next` is the `after` of the next page. Each page is one short turn of
//! the speaker, so a client that reads millions of routes holds nobody up.

use std::net::IpAddr;
use std::pin::Pin;
use std::str::FromStr;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use bgp::io::{Handle, Operation, PAGE_LIMIT};
use bgp::rib::{Explanation, Verdict};
use bgp::wire::Family;
use bgp::wire::notification::SHUTDOWN_TEXT_LIMIT;
use bytes::Bytes;
use hyper::body::Frame;
use net::Prefix;
use serde::Serialize;

use super::{Peer, query};
use crate::service::table_octets;

/// Pages of a table that wait for a slow reader.
const PAGES_WAITING: usize = 2;

/// `/bgp/…`; without a speaker everything is 404.
pub(super) fn router(speaker: Option<Handle>) -> Router {
    Router::new()
        .route("/bgp/neighbors", get(neighbors))
        .route("/bgp/routes", get(routes))
        .route("/bgp/why", get(why))
        .route("/bgp/mrt", get(mrt))
        .route("/bgp/shutdown", post(shutdown))
        .route("/bgp/start", post(start))
        .route("/bgp/reset", post(reset))
        .with_state(speaker)
}

type Answer = Result<Response, (StatusCode, String)>;

fn speaker(speaker: Option<Handle>) -> Result<Handle, (StatusCode, String)> {
    speaker.ok_or_else(|| (StatusCode::NOT_FOUND, "there is no bgp section in the configuration\n".to_owned()))
}

fn stopped<T>(_: T) -> (StatusCode, String) {
    (StatusCode::SERVICE_UNAVAILABLE, "the BGP speaker has ended\n".to_owned())
}

fn json(value: &impl Serialize) -> Answer {
    let text =
        serde_json::to_string(value).map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], text + "\n").into_response())
}

/// The whole status: our AS, table sizes, neighbours.
async fn neighbors(State(handle): State<Option<Handle>>) -> Answer {
    json(&speaker(handle)?.status().await.map_err(stopped)?)
}

/// `family`, `after`, `limit`; with `neighbor` and `table` (`in` or `out`) what one neighbour has sent or been sent.
async fn routes(State(handle): State<Option<Handle>>, RawQuery(query): RawQuery) -> Answer {
    let handle = speaker(handle)?;
    let query = Query::parse(query.as_deref().unwrap_or_default(), &["family", "after", "limit", "neighbor", "table"])?;
    let family = query.get::<Family>("family")?.unwrap_or(Family::IPV4_UNICAST);
    let after = query.get::<Prefix>("after")?;
    let limit = query.get::<usize>("limit")?.unwrap_or(PAGE_LIMIT).clamp(1, PAGE_LIMIT);
    match (query.get::<IpAddr>("neighbor")?, query.text("table")) {
        (None, None) => json(&handle.routes(family, after, limit).await.map_err(stopped)?),
        (Some(neighbor), None | Some("in")) => {
            json(&handle.adj_rib_in(neighbor, family, after, limit).await.map_err(stopped)?)
        }
        (Some(neighbor), Some("out")) => {
            json(&handle.adj_rib_out(neighbor, family, after, limit).await.map_err(stopped)?)
        }
        _ => Err((StatusCode::BAD_REQUEST, "table is in or out, of a neighbor\n".to_owned())),
    }
}

/// All routes as they came, as an MRT file (TABLE_DUMP_V2), written while it is read.
async fn mrt(State(handle): State<Option<Handle>>) -> Answer {
    let handle = speaker(handle)?;
    let (pages, receiver) = tokio::sync::mpsc::channel(PAGES_WAITING);
    tokio::spawn(table_octets(handle, move |octets| {
        let pages = pages.clone();
        async move { pages.send(octets).await.is_ok() }
    }));
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], Body::new(Pages(receiver))).into_response())
}

/// An answer that is made while it is sent.
struct Pages(tokio::sync::mpsc::Receiver<Bytes>);

impl HttpBody for Pages {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(context).map(|octets| octets.map(|octets| Ok(Frame::data(octets))))
    }
}

/// Every route to exactly `prefix`, and the step of the decision at which it lost.
async fn why(State(handle): State<Option<Handle>>, RawQuery(query): RawQuery) -> Answer {
    let handle = speaker(handle)?;
    let query = Query::parse(query.as_deref().unwrap_or_default(), &["prefix"])?;
    let Some(prefix) = query.get::<Prefix>("prefix")? else {
        return Err((StatusCode::BAD_REQUEST, "prefix is missing\n".to_owned()));
    };
    let explanations = handle.why(prefix).await.map_err(stopped)?;
    json(&explanations.iter().map(Reasoned::new).collect::<Vec<_>>())
}

/// `neighbor`, `message`: ends the session with a word to the other side's operator (RFC 9003), and keeps it down.
async fn shutdown(
    State(handle): State<Option<Handle>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer {
    let query = allowed(peer, &headers, query.as_deref(), &["neighbor", "message"])?;
    let message = query.message()?;
    operate(handle, &query, Operation::ShutDown(message)).await
}

/// `neighbor`: starts the session.
async fn start(
    State(handle): State<Option<Handle>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer {
    let query = allowed(peer, &headers, query.as_deref(), &["neighbor"])?;
    operate(handle, &query, Operation::Start).await
}

/// `neighbor`, `message`: ends the session and starts it again; with `soft` (`in` or `out`) it goes on and the routes come again.
async fn reset(
    State(handle): State<Option<Handle>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer {
    let query = allowed(peer, &headers, query.as_deref(), &["neighbor", "message", "soft"])?;
    let operation = match query.text("soft") {
        None => Operation::Reset(query.message()?),
        Some("in") => Operation::SoftResetIn,
        Some("out") => Operation::SoftResetOut,
        Some(_) => return Err((StatusCode::BAD_REQUEST, "soft is in or out\n".to_owned())),
    };
    operate(handle, &query, operation).await
}

/// The query of a request that may change something.
pub(super) fn allowed(
    peer: Peer,
    headers: &HeaderMap,
    query: Option<&str>,
    known: &[&str],
) -> Result<Query, (StatusCode, String)> {
    if !peer.is_this_machine() || headers.contains_key(header::ORIGIN) {
        let reason = "changes are taken from programs of this machine only\n";
        return Err((StatusCode::FORBIDDEN, reason.to_owned()));
    }
    Query::parse(query.unwrap_or_default(), known)
}

async fn operate(handle: Option<Handle>, query: &Query, operation: Operation) -> Answer {
    let handle = speaker(handle)?;
    let Some(neighbor) = query.get::<IpAddr>("neighbor")? else {
        return Err((StatusCode::BAD_REQUEST, "neighbor is missing\n".to_owned()));
    };
    let soft = matches!(operation, Operation::SoftResetIn | Operation::SoftResetOut);
    tracing::info!(%neighbor, ?operation, "an operator asks for it");
    match handle.operate(neighbor, operation).await.map_err(stopped)? {
        true => json(&serde_json::json!({ "neighbor": neighbor, "done": true })),
        false if soft => Err((StatusCode::CONFLICT, format!("{neighbor} has no session that can be asked\n"))),
        false => Err((StatusCode::NOT_FOUND, format!("there is no neighbour {neighbor}\n"))),
    }
}

/// An explanation with its reason in words.
#[derive(Serialize)]
struct Reasoned<'a> {
    #[serde(flatten)]
    explanation: &'a Explanation,
    reason: String,
}

impl Reasoned<'_> {
    fn new(explanation: &Explanation) -> Reasoned<'_> {
        let reason = match explanation.verdict {
            Verdict::Best => "best".to_owned(),
            Verdict::Lost(step) if explanation.multipath => format!("used beside the best, which has {step}"),
            Verdict::Lost(step) => format!("lost: {step}"),
            Verdict::Ineligible(reason) => format!("left out: {reason}"),
        };
        Reasoned { explanation, reason }
    }
}

/// The part of an address behind the question mark.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    fn parse(text: &str, known: &[&str]) -> Result<Query, (StatusCode, String)> {
        let pairs = query::pairs(text);
        if pairs.iter().any(|(name, _)| !known.contains(&name.as_str())) {
            return Err((StatusCode::BAD_REQUEST, format!("unknown: known are {}\n", known.join(", "))));
        }
        Ok(Query(pairs))
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The text for the other side's operator: at most so long that it is not cut (RFC 9003 §2).
    fn message(&self) -> Result<String, (StatusCode, String)> {
        let text = self.text("message").unwrap_or_default();
        if text.len() > SHUTDOWN_TEXT_LIMIT {
            let reason = format!("message: longer than {SHUTDOWN_TEXT_LIMIT} octets (RFC 9003)\n");
            return Err((StatusCode::BAD_REQUEST, reason));
        }
        Ok(text.to_owned())
    }

    pub(super) fn get<T: FromStr>(&self, name: &str) -> Result<Option<T>, (StatusCode, String)> {
        let bad = |_| (StatusCode::BAD_REQUEST, format!("{name}: not a value that it can have\n"));
        self.text(name).map(|text| text.parse().map_err(bad)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_decoded_and_what_is_not_known_or_no_value_is_refused() {
        let query = Query::parse("prefix=2001:db8::%2F32", &["prefix"]).unwrap();
        assert_eq!(query.get::<Prefix>("prefix").unwrap().unwrap().to_string(), "2001:db8::/32");
        assert_eq!(Query::parse("prefx=1", &["prefix"]).err().unwrap().0, StatusCode::BAD_REQUEST);
        assert!(Query::parse("prefix=x", &["prefix"]).unwrap().get::<Prefix>("prefix").is_err());
    }
}
