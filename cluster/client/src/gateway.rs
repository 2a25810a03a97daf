//! The plain HTTP API for callers who can't sign.
//!
//! A gateway is client software: it holds an initiator key, signs what its callers ask for, and passes it on
//! to the nodes. It is no part of the cluster and not trusted by it beyond what its key may ask for. Paths and
//! bodies are those of a node, so a caller sees the same API with and without one; bodies are signed as they
//! came, and answers, refusals included, are passed on as they came.
//!
//! # Security
//! Whoever reaches the gateway can ask for whatever its key may ask for. It therefore ([`Access`])
//! - serves loopback addresses and callers of this machine only, unless networks are named ([`Networks`]);
//! - asks its callers for a token ([`Tokens`]), where it is told which;
//! - refuses what comes from a web page: with an `Origin`, or (on loopback) under a name that is not the local
//!   host, as happens when a page has its own name resolve to 127.0.0.1;
//! - speaks TLS with its callers, where it has a certificate.

mod body;
mod events;
mod guard;
mod networks;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRef, Request, State};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{get, post};
use guard::Guard;
use http::{HeaderMap, HeaderValue, Uri, header};
pub use networks::{InvalidNetwork, Network, Networks};
use quorate_http::api::{self, refuse};
pub use quorate_http::rate::Rate;
use quorate_http::rate::whole_seconds;
pub use quorate_http::tls::{Tls, TlsError, TlsFiles};
use quorate_request::{ErrorBody, ErrorCode, Operation, RequestId, paths};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::{info, warn};

use crate::client::{Client, fresh_id};
use crate::error::ClientError;
use crate::exchange::{Answer, Opened};
pub use crate::token::{TokenError, Tokens};

/// Where a gateway listens unless told otherwise.
pub const DEFAULT_ADDRESS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);

/// Below this the paths of the API are, and health as well.
const BELOW: &str = "/api/v1";

/// Who may ask a gateway, and how.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// From where.
    pub networks: Networks,
    /// By one of these tokens; by none if there are none.
    pub tokens: Option<Tokens>,
    /// How often, from one address.
    pub rate: Option<Rate>,
    /// Through TLS.
    pub tls: Option<Arc<Tls>>,
}

/// Serves the API until `shutdown` is done; then finishes the requests that are running, for a limited time.
///
/// # Errors
/// The address is not a loopback address although callers of this machine alone may ask ([`Networks::Loopback`]), or it
/// can't be told.
pub async fn serve(
    listener: TcpListener,
    client: Client,
    access: Access,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    if access.networks == Networks::Loopback && !address.ip().is_loopback() {
        let reason = format!("{address} is not a loopback address; a gateway signs for whoever reaches it");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
    }
    let initiator = client.initiator().map(tracing::field::display);
    let (tls, tokens) = (access.tls.is_some(), access.tokens.is_some());
    info!(%address, initiator, callers = %access.networks, tls, tokens, "gateway serves");
    let closing = watch::Sender::new(false);
    let router = routes(Gateway { client, closing: closing.subscribe() }, &access);
    // Events would go on for as long as somebody listens.
    let shutdown = async {
        shutdown.await;
        closing.send_replace(true);
    };
    quorate_http::serve(listener, access.tls, router, quorate_http::Limits::default(), shutdown).await;
    Ok(())
}

/// The routes of a gateway, to be served or extended by the caller, who sees to TLS. Where a request comes from is known by
/// its extension [`quorate_http::Caller`]: without one, named networks let nobody in, and no rate holds.
pub fn router(client: Client, access: &Access) -> Router {
    routes(Gateway { client, closing: watch::Sender::new(false).subscribe() }, access)
}

/// What the routes share.
#[derive(Clone)]
struct Gateway {
    client: Client,
    /// Becomes true when the gateway stops; its sender may be gone, and then it never does.
    closing: watch::Receiver<bool>,
}

impl FromRef<Gateway> for Client {
    fn from_ref(gateway: &Gateway) -> Self {
        gateway.client.clone()
    }
}

fn routes(gateway: Gateway, access: &Access) -> Router {
    // Health is served below the API as well, since its other paths are.
    let health = |path| format!("{BELOW}{path}");
    let routes = Router::new()
        .route(paths::KEYGEN, post(keygen))
        .route(paths::SIGN, post(sign))
        .route(paths::REFRESH, post(refresh))
        .route(paths::ROLLBACK, post(rollback))
        .route(paths::RESHARE, post(reshare))
        .route(paths::PRESIGN, post(presign))
        .route(paths::AUXILIARY, post(auxiliary))
        .route(paths::APPROVALS, get(read).post(for_authorizers))
        .route(paths::INITIATORS, get(read).post(for_authorizers))
        .route(paths::WALLETS, get(read))
        .route(&paths::each(paths::WALLETS), get(read))
        .route(&paths::each(paths::SESSIONS), get(session))
        .route(paths::NODES, get(read))
        .route(paths::OPENAPI, get(api::document))
        .route(paths::DOCS, get(api::docs))
        .route(paths::HEALTH, get(node_health))
        .route(paths::READY, get(node_ready))
        .route(&health(paths::HEALTH), get(node_health))
        .route(&health(paths::READY), get(node_ready))
        .fallback(api::not_found)
        .method_not_allowed_fallback(api::method_not_allowed)
        .layer(from_fn_with_state(Guard::new(access), guard::guard))
        .with_state(gateway);
    api::as_documented(routes)
}

async fn keygen(State(client): State<Client>, request: Request) -> Response {
    forward(&client, Operation::Keygen, request).await
}

async fn sign(State(client): State<Client>, request: Request) -> Response {
    forward(&client, Operation::Sign, request).await
}

async fn refresh(State(client): State<Client>, request: Request) -> Response {
    forward(&client, Operation::Refresh, request).await
}

async fn reshare(State(client): State<Client>, request: Request) -> Response {
    forward(&client, Operation::Reshare, request).await
}

async fn rollback(State(client): State<Client>, request: Request) -> Response {
    forward(&client, Operation::Rollback, request).await
}

async fn presign(State(client): State<Client>, request: Request) -> Response {
    forward(&client, Operation::Presign, request).await
}

async fn auxiliary(State(client): State<Client>, request: Request) -> Response {
    forward(&client, Operation::Auxiliary, request).await
}

async fn read(State(client): State<Client>, uri: Uri) -> Response {
    respond(client.read(target(&uri)).await, None)
}

/// What an authorizer says and asks for is signed by its own key, which a gateway does not have.
async fn for_authorizers() -> Response {
    refuse(&ErrorBody::new(ErrorCode::Forbidden, "a gateway has no authorizer's key: ask a node"))
}

async fn session(State(gateway): State<Gateway>, uri: Uri, headers: HeaderMap) -> Response {
    if !api::wants_events(&headers) {
        return respond(gateway.client.read(target(&uri)).await, None);
    }
    match gateway.client.open(target(&uri)).await {
        Ok(Opened::Events(body)) => events::pass_on(body, gateway.closing),
        Ok(Opened::Answer(answer)) => respond(Ok(answer), None),
        Err(error) => respond(Err(error), None),
    }
}

async fn node_health(State(client): State<Client>) -> Response {
    respond(client.read_unsigned(paths::HEALTH).await, None)
}

async fn node_ready(State(client): State<Client>) -> Response {
    respond(client.read_unsigned(paths::READY).await, None)
}

/// Signs a body as it came and passes it on.
async fn forward(client: &Client, operation: Operation, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = match body::read(&head.headers, body).await {
        Ok(body) => body,
        Err(error) => return refuse(&error),
    };
    let id = match request_id(&body) {
        Ok(id) => id,
        Err(error) => return refuse(&error),
    };
    let result = client.post(target(&head.uri), operation.clone(), id.clone(), body).await;
    match &result {
        Ok(answer) => info!(session = %id, %operation, status = answer.status.as_u16(), "answered"),
        Err(error) => warn!(session = %id, %operation, %error, "not answered"),
    }
    respond(result, Some(id))
}

/// The caller's request id, or a fresh one. Everything else in the body is for the nodes to judge.
fn request_id(body: &[u8]) -> Result<RequestId, ErrorBody> {
    #[derive(Deserialize)]
    struct Named {
        #[serde(default)]
        session_id: Option<RequestId>,
    }
    let malformed = |message: String| ErrorBody::new(ErrorCode::MalformedRequest, message);
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(malformed("the body can't be read: expected a JSON object".to_owned()));
    }
    let named: Named = serde_json::from_slice(body)
        .map_err(|error| malformed(format!("the body can't be read: {error}")))?;
    Ok(named.session_id.unwrap_or_else(fresh_id))
}

/// The target of a request as the caller wrote it.
fn target(uri: &Uri) -> &str {
    uri.path_and_query().map_or("/", |target| target.as_str())
}

/// What a node answered, with when to ask again if it said so.
fn passed_on(answer: Answer) -> Response {
    let mut response = api::json_bytes(answer.status, answer.body);
    if let Some(wait) = answer.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(whole_seconds(wait)));
    }
    response
}

fn respond(result: Result<Answer, ClientError>, id: Option<RequestId>) -> Response {
    let error = match result {
        Ok(answer) => return passed_on(answer),
        Err(ClientError::InvalidRequest(reason)) => ErrorBody::new(ErrorCode::MalformedRequest, reason),
        Err(ClientError::Signer(error)) => {
            // What it is run with is no caller's business.
            tracing::error!(%error, "a request was not signed");
            let text = "the gateway could not sign the request with its initiator key: its log says why";
            ErrorBody::new(ErrorCode::ClusterUnreachable, text)
        }
        Err(error) => ErrorBody::new(ErrorCode::ClusterUnreachable, error.to_string()),
    };
    refuse(&match id {
        Some(id) => error.with_session(id),
        None => error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callers_request_id_is_kept_and_a_missing_one_is_made() {
        assert_eq!(request_id(br#" {"session_id": "s1", "other": 1}"#).unwrap().as_str(), "s1");
        let made = request_id(b"{}").unwrap();
        assert_ne!(made, request_id(br#"{"session_id": null}"#).unwrap());
    }

    #[test]
    fn a_body_without_readable_request_id_is_not_signed() {
        for bad in ["", "[]", "\"s1\"", "{", r#"{"session_id": "a b"}"#, r#"{"session_id": 1}"#, "{} x"] {
            let error = request_id(bad.as_bytes()).unwrap_err();
            assert_eq!(error.code, ErrorCode::MalformedRequest, "{bad}");
        }
        assert!(request_id(br#"{"session_id": "a", "session_id": "b"}"#).is_err());
    }
}
