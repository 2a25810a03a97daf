//! The HTTP API: signed requests in, JSON out. It checks form and authority; what a request means is the engine's.

mod events;
mod listing;
mod views;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use quorate_http::Parameters;
use quorate_http::api::{self, json};
use quorate_request::{
    ErrorBody, ErrorCode, Hex, MAX_BODY_BYTES, Operation, RequestError, RequestStatus, SessionResult,
    SessionView, SignedRequest, Taken, Verified, WalletId, WalletRef, paths,
};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::authority::refusal;
use crate::engine::Engine;
use crate::frame::Sought;

/// How long a client may take to send a body.
const BODY_TIME: Duration = Duration::from_secs(10);

/// The routes of a node.
pub(crate) fn router(engine: Arc<Engine>) -> Router {
    let routes = Router::new()
        .route(paths::KEYGEN, post(keygen))
        .route(paths::SIGN, post(sign))
        .route(paths::PRESIGN, post(presign))
        .route(paths::AUXILIARY, post(auxiliary))
        .route(paths::WALLETS, get(wallets))
        .route(&paths::each(paths::WALLETS), get(wallet))
        .route(&paths::each(paths::SESSIONS), get(session))
        .route(paths::NODES, get(nodes))
        .route(paths::HEALTH, get(health))
        .route(paths::READY, get(ready))
        .route(paths::METRICS, get(metrics))
        .route(paths::OPENAPI, get(api::document))
        .route(paths::DOCS, get(api::docs))
        .fallback(api::not_found)
        .method_not_allowed_fallback(api::method_not_allowed)
        .with_state(engine);
    api::as_documented(routes)
}

/// An error as an answer.
struct Refusal(ErrorBody);

impl From<ErrorBody> for Refusal {
    fn from(body: ErrorBody) -> Self {
        Self(body)
    }
}

impl From<RequestError> for Refusal {
    fn from(error: RequestError) -> Self {
        Self(refusal(&error))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        api::refuse(&self.0)
    }
}

type Answer = Result<Response, Refusal>;

fn error(code: ErrorCode, message: impl Into<String>) -> Refusal {
    Refusal(ErrorBody::new(code, message))
}

/// Reads a signed request off the wire, and verifies it. Strangers are told so before they can send a body.
async fn read(engine: &Engine, request: Request) -> Result<Verified, Refusal> {
    let (parts, body) = request.into_parts();
    if body.size_hint().lower() > MAX_BODY_BYTES as u64 {
        return Err(too_large());
    }
    let head = SignedRequest::from_http(&parts.headers, bytes::Bytes::new())?;
    let head = engine.authority.verify_head(&head)?;
    let body = tokio::time::timeout(BODY_TIME, collect(body))
        .await
        .map_err(|_| error(ErrorCode::MalformedRequest, "the body did not arrive in time"))??;
    Ok(head.with_body(body, SystemTime::now())?)
}

fn too_large() -> Refusal {
    error(ErrorCode::BodyTooLarge, format!("a body has at most {MAX_BODY_BYTES} bytes"))
}

async fn collect(body: Body) -> Result<bytes::Bytes, Refusal> {
    match Limited::new(body, MAX_BODY_BYTES).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(failed) if failed.downcast_ref::<LengthLimitError>().is_some() => Err(too_large()),
        Err(failed) => {
            Err(error(ErrorCode::MalformedRequest, format!("the body could not be read: {failed}")))
        }
    }
}

async fn submit(engine: &Arc<Engine>, wanted: &Operation, uri: &Uri, request: Request) -> Answer {
    // No part of what is signed: it changes nothing of what is done.
    let mut query = Parameters::of(uri)?;
    let wait = query.take("wait")?.unwrap_or(true);
    query.end()?;
    let verified = read(engine, request).await?;
    verified.require(wanted)?;
    engine.authority.check_scope(&verified, None)?;
    let session_id = verified.request_id().clone();
    let result = if wait {
        Some(engine.submit_verified(verified).await?)
    } else {
        engine.submit_unwaited(verified)?
    };
    match result {
        None => Ok(json(StatusCode::ACCEPTED, &Taken { session_id, status: RequestStatus::Running })),
        Some(SessionResult::Keygen(response)) if *wanted == Operation::Keygen => {
            Ok(json(StatusCode::OK, &response))
        }
        Some(SessionResult::Sign(response)) if *wanted == Operation::Sign => {
            Ok(json(StatusCode::OK, &response))
        }
        Some(SessionResult::Presign(response)) if *wanted == Operation::Presign => {
            Ok(json(StatusCode::OK, &response))
        }
        Some(SessionResult::Auxiliary(response)) if *wanted == Operation::Auxiliary => {
            Ok(json(StatusCode::OK, &response))
        }
        Some(_) => Err(error(ErrorCode::Internal, "a result of another operation")),
    }
}

async fn keygen(State(engine): State<Arc<Engine>>, uri: Uri, request: Request) -> Answer {
    submit(&engine, &Operation::Keygen, &uri, request).await
}

async fn sign(State(engine): State<Arc<Engine>>, uri: Uri, request: Request) -> Answer {
    submit(&engine, &Operation::Sign, &uri, request).await
}

async fn presign(State(engine): State<Arc<Engine>>, uri: Uri, request: Request) -> Answer {
    submit(&engine, &Operation::Presign, &uri, request).await
}

async fn auxiliary(State(engine): State<Arc<Engine>>, uri: Uri, request: Request) -> Answer {
    submit(&engine, &Operation::Auxiliary, &uri, request).await
}

/// Checks that an initiator that may read signed for reading this path.
async fn may_read(engine: &Engine, uri: &Uri, request: Request) -> Result<Verified, Refusal> {
    let verified = read(engine, request).await?;
    let path = Operation::read_target(uri)
        .map_err(|_| error(ErrorCode::MalformedRequest, "a path that can't be signed for"))?;
    verified.require(&path)?;
    engine.authority.check_scope(&verified, None)?;
    Ok(verified)
}

async fn wallets(State(engine): State<Arc<Engine>>, uri: Uri, request: Request) -> Answer {
    let reader = may_read(&engine, &uri, request).await?;
    let mut query = Parameters::of(&uri)?;
    // Only that of this key, and only those whose names come after this one.
    let (public_key, after) = (query.take::<Hex>("public_key")?, query.take::<WalletId>("after")?);
    query.end()?;
    let mut wallets = engine.wallets.all();
    wallets.retain(|wallet| engine.authority.check_scope(&reader, Some(&wallet.id)).is_ok());
    if let Some(key) = public_key {
        wallets.retain(|wallet| wallet.public_key.as_bytes() == key.as_bytes());
    }
    let page = listing::page(wallets, |wallet| &wallet.id, after.as_ref(), paths::WALLETS_PAGE);
    let views: Vec<_> = page.iter().map(|wallet| engine.wallet_view(wallet)).collect();
    Ok(json(StatusCode::OK, &views))
}

async fn wallet(
    State(engine): State<Arc<Engine>>,
    Path(id): Path<String>,
    uri: Uri,
    request: Request,
) -> Answer {
    let reader = may_read(&engine, &uri, request).await?;
    Parameters::of(&uri)?.end()?;
    let unknown = || error(ErrorCode::UnknownWallet, "this node knows no such wallet");
    let id: WalletId = id.parse().map_err(|_| unknown())?;
    engine.authority.check_scope(&reader, Some(&id))?;
    if engine.wallets.named(&id).is_empty() {
        engine.seek(&Sought::Name(id.to_string())).await;
    }
    let wallet = engine.wallets.find(WalletRef::Id(&id)).map_err(ErrorBody::from)?.ok_or_else(unknown)?;
    Ok(json(StatusCode::OK, &engine.wallet_view(&wallet)))
}

async fn session(
    State(engine): State<Arc<Engine>>,
    Path(id): Path<String>,
    uri: Uri,
    request: Request,
) -> Answer {
    let streamed = api::wants_events(request.headers());
    let reader = may_read(&engine, &uri, request).await?;
    Parameters::of(&uri)?.end()?;
    let unknown = || {
        let message = "this node knows no such session, or not how it ended; to learn that, repeat the request under its id";
        error(ErrorCode::UnknownSession, message)
    };
    let id = id.parse().map_err(|_| unknown())?;
    let in_scope = |view: &SessionView| engine.authority.check_scope(&reader, view.wallet_id.as_ref());
    if streamed && let Some(changes) = engine.ledger.watch_view(&id) {
        in_scope(&changes.borrow())?;
        return events::follow(&engine, changes);
    }
    let view = engine.ledger.view(&id).map_err(|failed| error(ErrorCode::Internal, failed.to_string()))?;
    let view = view.ok_or_else(unknown)?;
    in_scope(&view)?;
    Ok(if streamed { events::once(&view) } else { json(StatusCode::OK, &view) })
}

async fn nodes(State(engine): State<Arc<Engine>>, uri: Uri, request: Request) -> Answer {
    may_read(&engine, &uri, request).await?;
    Parameters::of(&uri)?.end()?;
    Ok(json(StatusCode::OK, &engine.node_views()))
}

async fn health(State(engine): State<Arc<Engine>>) -> Response {
    json(StatusCode::OK, &engine.health())
}

async fn ready(State(engine): State<Arc<Engine>>) -> Response {
    let readiness = engine.readiness().await;
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json(status, &readiness)
}

async fn metrics(State(engine): State<Arc<Engine>>) -> Answer {
    let text =
        engine.metrics_text().map_err(|failed| error(ErrorCode::Internal, format!("metrics: {failed}")))?;
    Ok(([(header::CONTENT_TYPE, crate::metrics::CONTENT_TYPE)], text).into_response())
}

/// Serves the API until told to stop; connections in progress may end first.
pub(crate) async fn serve(listener: TcpListener, engine: Arc<Engine>, mut stopped: watch::Receiver<bool>) {
    let stop = async move {
        // An error means that the node itself is gone.
        stopped.wait_for(|stopped| *stopped).await.ok();
    };
    quorate_http::serve(listener, None, router(engine), quorate_http::Limits::default(), stop).await;
}
