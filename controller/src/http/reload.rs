//! Another configuration for the running process, by POST: `/reload`, `/apply`, `/confirm`, `/rollback`; and `/plan`, which only says what one would
//! do. The configuration is the body; `/reload` without one has the process read its own file again.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Router};
use serde_json::json;
use tokio::sync::oneshot;

use super::Peer;
use super::bgp::{Query, allowed};
use crate::apply::CONFIRM_MAX;
use crate::config::MAX_FILE_OCTETS;
use crate::history::Source;
use crate::reload::{Outcome, Refusal, ReloadRequest, ReloadSender, Wish};

type Asked = State<Option<ReloadSender>>;
type Answer = Result<Response, (StatusCode, String)>;

/// Without somebody to ask all of them are 503.
pub(super) fn router(reload: Option<ReloadSender>) -> Router {
    Router::new()
        .route("/reload", post(reload_now))
        .route("/apply", post(apply))
        .route("/confirm", post(confirm))
        .route("/rollback", post(rollback))
        .route("/plan", post(plan))
        .with_state(reload)
}

/// `file` is what a text in the body is called in the answer. 422 and a line for each problem if the file is refused.
async fn reload_now(
    State(reload): Asked,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    body: Body,
) -> Answer {
    let query = allowed(peer, &headers, query.as_deref(), &["file"])?;
    change(reload, Wish::Reload(source(&query, body).await?)).await
}

/// The same, with `confirm`: so many seconds within which it has to be confirmed.
async fn apply(
    State(reload): Asked,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    body: Body,
) -> Answer {
    let query = allowed(peer, &headers, query.as_deref(), &["file", "confirm"])?;
    let confirm = query.get::<u64>("confirm")?.map(Duration::from_secs);
    if confirm.is_some_and(|time| time.is_zero() || time > CONFIRM_MAX) {
        let message = format!("confirm: from 1 to {} seconds\n", CONFIRM_MAX.as_secs());
        return Err((StatusCode::BAD_REQUEST, message));
    }
    change(reload, Wish::Apply(needed(source(&query, body).await?)?, confirm)).await
}

/// `number` is the configuration that is meant: 409 if another one waits.
async fn confirm(
    State(reload): Asked,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer {
    let query = allowed(peer, &headers, query.as_deref(), &["number"])?;
    change(reload, Wish::Confirm(query.get::<u64>("number")?)).await
}

/// `to` is the number of a configuration; without it the one before.
async fn rollback(
    State(reload): Asked,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer {
    let query = allowed(peer, &headers, query.as_deref(), &["to"])?;
    change(reload, Wish::Rollback(query.get::<u64>("to")?)).await
}

async fn plan(
    State(reload): Asked,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    body: Body,
) -> Answer {
    let query = allowed(peer, &headers, query.as_deref(), &["file"])?;
    let source = needed(source(&query, body).await?)?;
    let (answer, answered) = oneshot::channel();
    let reload = reload.ok_or_else(ended)?;
    reload.send(ReloadRequest::Plan { source, answer }).await.map_err(|_| ended())?;
    let plan = answered.await.map_err(|_| ended())?.map_err(refused)?;
    let text = tokio::task::spawn_blocking(move || serde_json::to_string(&plan)).await.map_err(|_| ended())?;
    let text = text.map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], text + "\n").into_response())
}

fn ended() -> (StatusCode, String) {
    (StatusCode::SERVICE_UNAVAILABLE, "this process takes no other configuration\n".to_owned())
}

fn refused(refusal: Refusal) -> (StatusCode, String) {
    match refusal {
        Refusal::File(lines) => (StatusCode::UNPROCESSABLE_ENTITY, lines + "\n"),
        Refusal::Process(reason) => (StatusCode::CONFLICT, reason + "\n"),
    }
}

fn needed(source: Option<Source>) -> Result<Source, (StatusCode, String)> {
    source.ok_or_else(|| (StatusCode::BAD_REQUEST, "the body has to be a configuration\n".to_owned()))
}

/// The configuration in a body; none if it is empty.
async fn source(query: &Query, body: Body) -> Result<Option<Source>, (StatusCode, String)> {
    let limit = usize::try_from(MAX_FILE_OCTETS).unwrap_or(usize::MAX);
    let octets = axum::body::to_bytes(body, limit)
        .await
        .map_err(|_| (StatusCode::PAYLOAD_TOO_LARGE, format!("longer than {limit} octets, or cut short\n")))?;
    if octets.is_empty() {
        return Ok(None);
    }
    let not_text = |_| (StatusCode::UNPROCESSABLE_ENTITY, "the file is not UTF-8\n".to_owned());
    let text = String::from_utf8(octets.into()).map_err(not_text)?;
    Ok(Some(Source { name: query.text("file").unwrap_or("<body>").to_owned(), text: text.into() }))
}

async fn change(reload: Option<ReloadSender>, wish: Wish) -> Answer {
    let (answer, answered) = oneshot::channel();
    let reload = reload.ok_or_else(ended)?;
    reload.send(ReloadRequest::Change { wish, answer }).await.map_err(|_| ended())?;
    let outcome: Outcome = answered.await.map_err(|_| ended())?.map_err(refused)?;
    let answer = json!({
        "changed": outcome.changed,
        "restart": outcome.restart,
        "warnings": outcome.warnings,
        "number": outcome.number,
        "confirm_within": outcome.confirm_within,
        "lines": outcome.lines(),
    });
    Ok(([(header::CONTENT_TYPE, "application/json")], format!("{answer}\n")).into_response())
}
