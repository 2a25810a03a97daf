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
use serde::de::IgnoredAny;
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
    let (id, changes) = match named(&body) {
        Ok(Named { session_id, changes }) => (session_id.unwrap_or_else(fresh_id), changes),
        Err(error) => return refuse(&error),
    };
    let (operation, target) = match operation {
        Operation::Refresh if changes.any() => (Operation::Reshare, target_at(paths::RESHARE, &head.uri)),
        operation => (operation, target(&head.uri).to_owned()),
    };
    let result = client.post(&target, operation.clone(), id.clone(), body).await;
    match &result {
        Ok(answer) => info!(session = %id, %operation, status = answer.status.as_u16(), "answered"),
        Err(error) => warn!(session = %id, %operation, %error, "not answered"),
    }
    respond(result, Some(id))
}

/// What a gateway has to know of a body. Everything else is for the nodes to judge.
#[derive(Deserialize)]
struct Named {
    /// The caller's request id, if it gave one.
    #[serde(default)]
    session_id: Option<RequestId>,
    #[serde(flatten)]
    changes: Changes,
}

/// What makes a resharing of a refresh.
#[derive(Deserialize)]
struct Changes {
    new_threshold: Option<IgnoredAny>,
    new_total: Option<IgnoredAny>,
    new_parties: Option<IgnoredAny>,
}

impl Changes {
    const fn any(&self) -> bool {
        self.new_threshold.is_some() || self.new_total.is_some() || self.new_parties.is_some()
    }
}

fn named(body: &[u8]) -> Result<Named, ErrorBody> {
    let malformed = |message: String| ErrorBody::new(ErrorCode::MalformedRequest, message);
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(malformed("the body can't be read: expected a JSON object".to_owned()));
    }
    serde_json::from_slice(body).map_err(|error| malformed(format!("the body can't be read: {error}")))
}

/// The target at another path.
fn target_at(path: &str, uri: &Uri) -> String {
    uri.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"))
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
    fn a_callers_request_id_is_kept() {
        let kept = named(br#" {"session_id": "s1", "other": 1}"#).unwrap().session_id;
        assert_eq!(kept.unwrap().as_str(), "s1");
        for without in [&b"{}"[..], br#"{"session_id": null}"#] {
            assert_eq!(named(without).unwrap().session_id, None);
        }
    }

    #[test]
    fn a_body_without_readable_request_id_is_not_signed() {
        for bad in ["", "[]", "\"s1\"", "{", r#"{"session_id": "a b"}"#, r#"{"session_id": 1}"#, "{} x"] {
            let error = named(bad.as_bytes()).map(|_| ()).unwrap_err();
            assert_eq!(error.code, ErrorCode::MalformedRequest, "{bad}");
        }
        assert!(named(br#"{"session_id": "a", "session_id": "b"}"#).is_err());
    }

    #[test]
    fn a_refresh_that_changes_who_holds_shares_is_a_resharing() {
        for (body, changes) in [
            (r#"{"wallet_id": "w"}"#, false),
            (r#"{"wallet_id": "w", "new_threshold": null, "new_total": null}"#, false),
            (r#"{"wallet_id": "w", "new_threshold": 3}"#, true),
            (r#"{"wallet_id": "w", "new_total": 5}"#, true),
            (r#"{"wallet_id": "w", "new_parties": ["node1"]}"#, true),
        ] {
            assert_eq!(named(body.as_bytes()).unwrap().changes.any(), changes, "{body}");
        }
        let uri = "/api/v1/refresh?wait=false".parse().unwrap();
        assert_eq!(target_at(paths::RESHARE, &uri), "/api/v1/reshare?wait=false");
        assert_eq!(target_at(paths::RESHARE, &"/api/v1/refresh".parse().unwrap()), paths::RESHARE);
    }
}
