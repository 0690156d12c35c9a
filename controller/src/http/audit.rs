//! `POST /audit`: a switch, or all, held against what the controller has put there, and put right.

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Router};

use super::Peer;
use super::bgp::allowed;
use crate::api::{Api, Failure};

/// `/audit`.
pub(super) fn router(api: Api) -> Router {
    Router::new().route("/audit", post(audit)).with_state(api)
}

/// `switch` is its name or its datapath id; without it all connected switches are audited. The answer comes when it is done.
async fn audit(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, (StatusCode, String)> {
    let query = allowed(peer, &headers, query.as_deref(), &["switch"])?;
    match api.audit(query.text("switch")).await {
        Ok(answer) => Ok(([(header::CONTENT_TYPE, "application/json")], format!("{answer}\n")).into_response()),
        Err(Failure { status, message }) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let body = serde_json::json!({ "error": message });
            Ok((status, [(header::CONTENT_TYPE, "application/json")], format!("{body}\n")).into_response())
        }
    }
}
