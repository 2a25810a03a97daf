//! What nodes and gateways answer alike: JSON, refusals, the document of the API, and that there is nothing at a path.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use quorate_request::{ErrorBody, ErrorCode, openapi, paths};
use serde::Serialize;

use crate::rate::whole_seconds;

const JSON: &str = "application/json";

/// An answer in JSON.
pub fn json(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => json_bytes(status, body),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// An answer that is JSON already.
pub fn json_bytes(status: StatusCode, body: impl Into<Body>) -> Response {
    (status, [(header::CONTENT_TYPE, JSON)], body.into()).into_response()
}

/// An error as an answer.
pub fn refuse(error: &ErrorBody) -> Response {
    let mut response = json(error.code.status(), error);
    response.extensions_mut().insert(error.code);
    response
}

/// An error that passes with time, as an answer: when to ask again.
pub fn refuse_for(error: &ErrorBody, wait: Duration) -> Response {
    let mut response = refuse(error);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(whole_seconds(wait)));
    response
}

/// The API as a document for programs.
pub async fn document() -> Response {
    json_bytes(StatusCode::OK, openapi::DOCUMENT)
}

/// The same for people.
pub async fn docs() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (header::CONTENT_SECURITY_POLICY, openapi::policy()),
    ];
    (headers, openapi::page()).into_response()
}

/// There is nothing at this path.
pub async fn not_found(uri: Uri) -> Response {
    refuse(&ErrorBody::new(ErrorCode::NotFound, format!("there is nothing at {}", uri.path())))
}

/// The path is not for this method.
pub async fn method_not_allowed(uri: Uri) -> Response {
    let message = format!("{} is not for this method", uri.path());
    refuse(&ErrorBody::new(ErrorCode::MethodNotAllowed, message))
}

/// Whether a request asks for events rather than for one answer.
pub fn wants_events(headers: &HeaderMap) -> bool {
    paths::accepts_events(headers.get_all(header::ACCEPT).into_iter().filter_map(|value| value.to_str().ok()))
}

/// These routes; in builds with debug assertions, those that refuse with a code that the document does not list for the
/// operation fail.
pub fn as_documented(routes: Router) -> Router {
    if cfg!(debug_assertions) { routes.layer(from_fn(compare)) } else { routes }
}

async fn compare(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().as_str().to_lowercase(), request.uri().path().to_owned());
    let response = next.run(request).await;
    if let Some(code) = response.extensions().get::<ErrorCode>() {
        let listed = openapi::refusals(&method, &path).is_none_or(|codes| codes.contains(code));
        debug_assert!(
            listed,
            "{method} {path} answers {code}, which cluster/request/openapi.json does not list"
        );
    }
    response
}
