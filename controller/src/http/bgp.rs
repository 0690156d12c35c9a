//! The BGP speaker over HTTP, read-only, as JSON: neighbours, routes by page, and why a route is or is not the best.
//!
//! Routes come in pages of at most [`bgp::io::PAGE_LIMIT`] prefixes; `next` is the `after` of the next page. Each page is one short turn of
//! the speaker, so a client that reads millions of routes holds nobody up.

use std::net::IpAddr;
use std::pin::Pin;
use std::str::FromStr;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bgp::io::{Handle, PAGE_LIMIT};
use bgp::rib::{Explanation, Verdict};
use bgp::wire::Family;
use bytes::Bytes;
use hyper::body::Frame;
use net::Prefix;
use serde::Serialize;

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
            Verdict::Lost(step) => format!("lost: {step}"),
            Verdict::Ineligible(reason) => format!("left out: {reason}"),
        };
        Reasoned { explanation, reason }
    }
}

/// The part of an address behind the question mark.
struct Query(Vec<(String, String)>);

impl Query {
    fn parse(text: &str, known: &[&str]) -> Result<Query, (StatusCode, String)> {
        let mut pairs = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if !known.contains(&name) {
                return Err((StatusCode::BAD_REQUEST, format!("unknown: known are {}\n", known.join(", "))));
            }
            pairs.push((name.to_owned(), decoded(value)));
        }
        Ok(Query(pairs))
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    fn get<T: FromStr>(&self, name: &str) -> Result<Option<T>, (StatusCode, String)> {
        let bad = |_| (StatusCode::BAD_REQUEST, format!("{name}: not a value that it can have\n"));
        self.text(name).map(|text| text.parse().map_err(bad)).transpose()
    }
}

/// Percent-encoding taken back (RFC 3986 §2.1); what is not one stays.
fn decoded(text: &str) -> String {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let digits = tail.first_chunk::<2>().filter(|_| *first == b'%');
        let value = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        octets.push(value.unwrap_or(*first));
        rest = if value.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    String::from_utf8_lossy(&octets).into_owned()
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
        assert_eq!(decoded("100%"), "100%");
    }
}
