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

/// What is asked for.
#[derive(Clone, Copy)]
enum What {
    /// `file` is what a text in the body is called in the answer. 422 and a line for each problem if the file is refused.
    Reload,
    /// The same, with `confirm`: so many seconds within which it has to be confirmed.
    Apply,
    /// `number` is the configuration that is meant: 409 if another one waits.
    Confirm,
    /// `to` is the number of a configuration; without it the one before.
    Rollback,
    /// `file` as for [`What::Reload`].
    Plan,
}

/// Each with its path and what its query may have.
const ROUTES: [(&str, What, &[&str]); 5] = [
    ("/reload", What::Reload, &["file"]),
    ("/apply", What::Apply, &["file", "confirm"]),
    ("/confirm", What::Confirm, &["number"]),
    ("/rollback", What::Rollback, &["to"]),
    ("/plan", What::Plan, &["file"]),
];

/// Without somebody to ask all of them are 503.
pub(super) fn router(reload: Option<ReloadSender>) -> Router {
    let mut router = Router::new();
    for (path, what, known) in ROUTES {
        let handler = move |state: Asked,
                            Extension(peer): Extension<Peer>,
                            headers: HeaderMap,
                            RawQuery(query): RawQuery,
                            body: Body| async move {
            let query = allowed(peer, &headers, query.as_deref(), known)?;
            answer(what, state, &query, body).await
        };
        router = router.route(path, post(handler));
    }
    router.with_state(reload)
}

async fn answer(what: What, State(reload): Asked, query: &Query, body: Body) -> Answer {
    match what {
        What::Reload => change(reload, Wish::Reload(source(query, body).await?)).await,
        What::Apply => {
            let confirm = query.get::<u64>("confirm")?.map(Duration::from_secs);
            if confirm.is_some_and(|time| time.is_zero() || time > CONFIRM_MAX) {
                let message = format!("confirm: from 1 to {} seconds\n", CONFIRM_MAX.as_secs());
                return Err((StatusCode::BAD_REQUEST, message));
            }
            change(reload, Wish::Apply(needed(source(query, body).await?)?, confirm)).await
        }
        What::Confirm => change(reload, Wish::Confirm(query.get::<u64>("number")?)).await,
        What::Rollback => change(reload, Wish::Rollback(query.get::<u64>("to")?)).await,
        What::Plan => plan(reload, needed(source(query, body).await?)?).await,
    }
}

async fn plan(reload: Option<ReloadSender>, source: Source) -> Answer {
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
