//! The read API over HTTP: the routes of [`crate::api::table`], and the document that describes them.

use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::query;
use crate::api::table::{ROUTES, Route, What};
use crate::api::{Api, Failure, Question, document};

/// Questions that wait for events at the same time: half of the connections, so that others are still served.
const MAX_WAITING: usize = 32;
/// Lists that switches are asked for and that are made at the same time, and as many traces: a silent switch keeps those waiting who ask switches, and
/// nobody who does not.
const MAX_COUNTING: usize = 2;
/// Answers that are made at the same time, so that many clients cost no more memory than a few. The others wait.
const MAX_ANSWERS: usize = 4;

#[derive(Clone)]
struct Served {
    api: Api,
    waiting: Arc<Semaphore>,
    answers: Arc<Semaphore>,
    counting: Arc<Semaphore>,
    traces: Arc<Semaphore>,
}

/// `/api/…` and `/openapi.json`.
pub(super) fn router(api: Api) -> Router {
    let mut router = Router::new().route("/openapi.json", get(openapi));
    for route in ROUTES {
        router = router.route(route.path, get(move |state, query| answer(route, state, query)));
    }
    let (waiting, answers) = (Arc::new(Semaphore::new(MAX_WAITING)), Arc::new(Semaphore::new(MAX_ANSWERS)));
    let counting = Arc::new(Semaphore::new(MAX_COUNTING));
    let traces = Arc::new(Semaphore::new(MAX_COUNTING));
    router.with_state(Served { api, waiting, answers, counting, traces })
}

async fn openapi() -> Response {
    json_response(StatusCode::OK, &document())
}

async fn answer(route: &'static Route, State(served): State<Served>, RawQuery(query): RawQuery) -> Response {
    match found(route, &served, query.as_deref().unwrap_or_default()).await {
        Ok(answer) => json_response(StatusCode::OK, &answer),
        Err(Failure { status, message }) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            json_response(status, &json!({ "error": message }))
        }
    }
}

async fn found(route: &'static Route, served: &Served, query: &str) -> Result<Value, Failure> {
    let question = Question::new(route, query::pairs(query))?;
    if route.what == What::Events {
        let Ok(_slot) = served.waiting.try_acquire() else {
            let message = format!("{MAX_WAITING} others wait for events already: try again later");
            return Err(Failure { status: 503, message });
        };
        return served.api.answer(question).await;
    }
    let slots = match route.what {
        What::Trace => &served.traces,
        _ if question.asks_switches() => &served.counting,
        _ => &served.answers,
    };
    // The semaphore is never closed, so this only waits.
    let _slot = slots.acquire().await.ok();
    served.api.answer(question).await
}

fn json_response(status: StatusCode, value: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], format!("{value}\n")).into_response()
}
