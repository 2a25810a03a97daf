//! The HTTP API: signed requests in, JSON out. It checks form and authority; what a request means is the engine's.

mod events;
mod limits;
mod listing;
mod reading;
mod views;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::{Path, Request, State};
use axum::http::{Extensions, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use quorate_http::api::{self, json};
use quorate_http::rate::whole_seconds;
use quorate_http::tls::Tls;
use quorate_http::{Caller, Parameters, bearer};
use quorate_request::{
    ErrorBody, ErrorCode, Hex, HexArray, MAX_BODY_BYTES, Operation, RequestError, RequestStatus,
    SessionResult, SignedRequest, Taken, Verified, WalletId, WalletRef, paths,
};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::authority::refusal;
use crate::config::Config;
use crate::engine::Engine;
use crate::frame::Sought;
use crate::readers::Readers;
use limits::{Client, Exceeded, Limits};
use reading::Reader;

/// How long a client may take to send a body.
const BODY_TIME: Duration = Duration::from_secs(10);

/// What the API is made of.
pub(crate) struct Api {
    engine: Arc<Engine>,
    readers: Readers,
    limits: Limits,
    metrics_need_token: bool,
}

impl Api {
    pub(crate) fn new(engine: Arc<Engine>, readers: Readers, config: &Config) -> Arc<Self> {
        let metrics_need_token = config.metrics_need_token;
        Arc::new(Self { engine, readers, limits: Limits::new(config), metrics_need_token })
    }

    /// Somebody at this address could not prove who it is.
    fn refused(&self, address: Option<IpAddr>, error: ErrorBody) -> Refusal {
        if error.code.status() != StatusCode::UNAUTHORIZED {
            return error.into();
        }
        match self.limits.failed(address, &self.engine.metrics) {
            Ok(()) => error.into(),
            Err(exceeded) => exceeded.into(),
        }
    }

    /// The reader that showed this token.
    fn reader_of(&self, token: Shown<'_>, address: Option<IpAddr>) -> Result<Reader, Refusal> {
        let found = token.and_then(|token| self.readers.of(token).ok_or("no reader has this token"));
        let reader =
            found.map_err(|reason| self.refused(address, ErrorBody::new(ErrorCode::Unsigned, reason)))?;
        let client = Client::Reader(reader.name().to_owned());
        self.limits.asked(&client, &self.engine.metrics)?;
        Ok(Reader::Token(reader.clone()))
    }
}

/// A token that was shown, or why it can't be read.
type Shown<'a> = Result<&'a str, &'static str>;

/// The routes of a node.
#[cfg(test)]
pub(crate) fn router(engine: Arc<Engine>) -> Router {
    let config = &Arc::clone(&engine).config;
    routes(Api::new(engine, Readers::default(), config))
}

/// The routes of a node.
pub(crate) fn routes(api: Arc<Api>) -> Router {
    let routes = Router::new()
        .route(paths::KEYGEN, post(keygen))
        .route(paths::SIGN, post(sign))
        .route(paths::REFRESH, post(refresh))
        .route(paths::ROLLBACK, post(rollback))
        .route(paths::RESHARE, post(reshare))
        .route(paths::PRESIGN, post(presign))
        .route(paths::AUXILIARY, post(auxiliary))
        .route(paths::APPROVALS, get(waiting).post(approve))
        .route(paths::INITIATORS, get(initiators).post(change_initiators))
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
        .with_state(api);
    api::as_documented(routes)
}

/// An error as an answer, and when to ask again where that is known.
struct Refusal {
    body: ErrorBody,
    wait: Option<Duration>,
}

impl From<ErrorBody> for Refusal {
    fn from(body: ErrorBody) -> Self {
        Self { body, wait: None }
    }
}

impl From<RequestError> for Refusal {
    fn from(error: RequestError) -> Self {
        refusal(&error).into()
    }
}

impl From<Exceeded> for Refusal {
    fn from(exceeded: Exceeded) -> Self {
        let Exceeded { of, wait } = exceeded;
        let message = format!("too many {of}; ask again in {} s", whole_seconds(wait));
        Self { body: ErrorBody::new(ErrorCode::RateLimited, message), wait: Some(wait) }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self.wait {
            Some(wait) => api::refuse_for(&self.body, wait),
            None => api::refuse(&self.body),
        }
    }
}

type Answer = Result<Response, Refusal>;

fn error(code: ErrorCode, message: impl Into<String>) -> Refusal {
    ErrorBody::new(code, message).into()
}

/// Where a request comes from, if it came through a socket.
fn address_of(extensions: &Extensions) -> Option<IpAddr> {
    extensions.get::<Caller>().map(Caller::address)
}

/// Who must have signed what is read off the wire.
#[derive(Clone, Copy)]
enum By {
    Initiator,
    Authorizer,
    /// One or the other: to read.
    Either,
}

/// Reads a signed request off the wire, and verifies it. Strangers are told so before they can send a body, and so are
/// those who ask too often.
async fn read(api: &Api, by: By, request: Request) -> Result<Verified, Refusal> {
    let (parts, body) = request.into_parts();
    if body.size_hint().lower() > MAX_BODY_BYTES as u64 {
        return Err(too_large());
    }
    let head = SignedRequest::from_http(&parts.headers, bytes::Bytes::new())
        .and_then(|head| match by {
            By::Initiator => api.engine.authority.verify_head(&head),
            By::Authorizer => api.engine.authority.verify_head_of_authorizer(&head),
            By::Either => api.engine.authority.verify_reading_head(&head),
        })
        .map_err(|error| api.refused(address_of(&parts.extensions), refusal(&error)))?;
    api.limits.asked(&Client::Initiator(*head.initiator()), &api.engine.metrics)?;
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

async fn submit(api: &Api, wanted: &Operation, uri: &Uri, request: Request) -> Answer {
    // No part of what is signed: it changes nothing of what is done.
    let mut query = Parameters::of(uri)?;
    let wait = query.take("wait")?.unwrap_or(true);
    query.end()?;
    let verified = read(api, By::Initiator, request).await?;
    let engine = &api.engine;
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
        Some(SessionResult::Reshare(response))
            if matches!(wanted, Operation::Refresh | Operation::Reshare | Operation::Rollback) =>
        {
            Ok(json(StatusCode::OK, &response))
        }
        Some(_) => Err(error(ErrorCode::Internal, "a result of another operation")),
    }
}

async fn keygen(State(api): State<Arc<Api>>, uri: Uri, request: Request) -> Answer {
    submit(&api, &Operation::Keygen, &uri, request).await
}

async fn sign(State(api): State<Arc<Api>>, uri: Uri, request: Request) -> Answer {
    submit(&api, &Operation::Sign, &uri, request).await
}

async fn refresh(State(api): State<Arc<Api>>, uri: Uri, request: Request) -> Answer {
    submit(&api, &Operation::Refresh, &uri, request).await
}

async fn reshare(State(api): State<Arc<Api>>, uri: Uri, request: Request) -> Answer {
    submit(&api, &Operation::Reshare, &uri, request).await
}

async fn rollback(State(api): State<Arc<Api>>, uri: Uri, request: Request) -> Answer {
    submit(&api, &Operation::Rollback, &uri, request).await
}

async fn presign(State(api): State<Arc<Api>>, uri: Uri, request: Request) -> Answer {
    submit(&api, &Operation::Presign, &uri, request).await
}

async fn auxiliary(State(api): State<Arc<Api>>, uri: Uri, request: Request) -> Answer {
    submit(&api, &Operation::Auxiliary, &uri, request).await
}

/// Who may read this path: an initiator in whose scope it is or an authorizer, that signed for it, or a reader that shows its
/// token.
async fn may_read(api: &Api, uri: &Uri, request: Request) -> Result<Reader, Refusal> {
    let headers = request.headers();
    if !api.readers.is_empty() && !SignedRequest::is_in(headers) {
        let address = address_of(request.extensions());
        if let Some(token) = bearer::shown(headers).transpose() {
            return api.reader_of(token, address);
        }
    }
    let verified = read(api, By::Either, request).await?;
    let path = Operation::read_target(uri)
        .map_err(|_| error(ErrorCode::MalformedRequest, "a path that can't be signed for"))?;
    verified.require(&path)?;
    let authority = &api.engine.authority;
    if authority.authorizer(verified.initiator()).is_some() {
        return Ok(Reader::Authorizer);
    }
    Ok(Reader::Initiator(authority.initiator(&verified)?))
}

async fn wallets(State(api): State<Arc<Api>>, uri: Uri, request: Request) -> Answer {
    let reader = may_read(&api, &uri, request).await?;
    let mut query = Parameters::of(&uri)?;
    // Only that of this key, and only those whose names come after this one.
    let (public_key, after) = (query.take::<Hex>("public_key")?, query.take::<WalletId>("after")?);
    query.end()?;
    let mut wallets = api.engine.wallets.all();
    wallets.retain(|wallet| reader.check_wallet(&wallet.id).is_ok());
    if let Some(key) = public_key {
        wallets.retain(|wallet| wallet.public_key.as_bytes() == key.as_bytes());
    }
    let page = listing::page(wallets, |wallet| &wallet.id, after.as_ref(), paths::WALLETS_PAGE);
    let views: Vec<_> = page.iter().map(|wallet| api.engine.wallet_view(wallet)).collect();
    Ok(json(StatusCode::OK, &views))
}

async fn wallet(State(api): State<Arc<Api>>, Path(id): Path<String>, uri: Uri, request: Request) -> Answer {
    let reader = may_read(&api, &uri, request).await?;
    Parameters::of(&uri)?.end()?;
    let unknown = || error(ErrorCode::UnknownWallet, "this node knows no such wallet");
    let id: WalletId = id.parse().map_err(|_| unknown())?;
    reader.check_wallet(&id)?;
    let engine = &api.engine;
    if engine.wallets.named(&id).is_empty() {
        engine.seek(&Sought::Name(id.to_string())).await;
    }
    let wallet = engine.wallets.find(WalletRef::Id(&id)).map_err(ErrorBody::from)?.ok_or_else(unknown)?;
    Ok(json(StatusCode::OK, &engine.wallet_view(&wallet)))
}

async fn session(State(api): State<Arc<Api>>, Path(id): Path<String>, uri: Uri, request: Request) -> Answer {
    let streamed = api::wants_events(request.headers());
    let reader = may_read(&api, &uri, request).await?;
    Parameters::of(&uri)?.end()?;
    let unknown = || {
        let message = "this node knows no such session, or not how it ended; to learn that, repeat the request under its id";
        error(ErrorCode::UnknownSession, message)
    };
    let id = id.parse().map_err(|_| unknown())?;
    let engine = &api.engine;
    if streamed && let Some((changes, asked)) = engine.ledger.watch_view(&id) {
        return events::follow(engine, changes, reader, asked);
    }
    let seen = engine.ledger.seen(&id).map_err(|failed| error(ErrorCode::Internal, failed.to_string()))?;
    let (view, asked) = seen.ok_or_else(unknown)?;
    reader.check_session(&view, asked.as_ref())?;
    Ok(if streamed { events::once(&view) } else { json(StatusCode::OK, &view) })
}

/// The requests that wait for approvals.
async fn waiting(State(api): State<Arc<Api>>, uri: Uri, request: Request) -> Answer {
    let reader = may_read(&api, &uri, request).await?;
    let mut query = Parameters::of(&uri)?;
    // Only that one, whole.
    let only = query.take::<HexArray<32>>("fingerprint")?.map(HexArray::into_bytes);
    query.end()?;
    let views = api.engine.waiting(only.as_ref(), |waiting| reader.may_see(waiting));
    Ok(json(StatusCode::OK, &views))
}

/// An authorizer approves a request, or rejects it.
async fn approve(State(api): State<Arc<Api>>, uri: Uri, request: Request) -> Answer {
    Parameters::of(&uri)?.end()?;
    let verified = read(&api, By::Authorizer, request).await?;
    verified.require(&Operation::Approve)?;
    Ok(json(StatusCode::OK, &api.engine.approve(verified.request()).await?))
}

/// The keys that may ask, or might once.
async fn initiators(State(api): State<Arc<Api>>, uri: Uri, request: Request) -> Answer {
    let reader = may_read(&api, &uri, request).await?;
    Parameters::of(&uri)?.end()?;
    let mut views = api.engine.initiators();
    views.retain(|view| reader.may_see_initiator(&view.name));
    Ok(json(StatusCode::OK, &views))
}

/// An authorizer asks for a key to be admitted or revoked.
async fn change_initiators(State(api): State<Arc<Api>>, uri: Uri, request: Request) -> Answer {
    Parameters::of(&uri)?.end()?;
    let verified = read(&api, By::Authorizer, request).await?;
    verified.require(&Operation::Initiators)?;
    Ok(json(StatusCode::OK, &api.engine.change_initiators(&verified).await?))
}

async fn nodes(State(api): State<Arc<Api>>, uri: Uri, request: Request) -> Answer {
    let reader = may_read(&api, &uri, request).await?;
    Parameters::of(&uri)?.end()?;
    let views: Vec<_> = api.engine.node_views().into_iter().map(|view| reader.of_node(view)).collect();
    Ok(json(StatusCode::OK, &views))
}

async fn health(State(api): State<Arc<Api>>) -> Response {
    json(StatusCode::OK, &api.engine.health())
}

async fn ready(State(api): State<Arc<Api>>) -> Response {
    let readiness = api.engine.readiness().await;
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json(status, &readiness)
}

async fn metrics(State(api): State<Arc<Api>>, request: Request) -> Answer {
    if api.metrics_need_token {
        let without = Err("the metrics are for readers: show a token, as Authorization: Bearer");
        let token = bearer::shown(request.headers()).transpose().unwrap_or(without);
        api.reader_of(token, address_of(request.extensions()))?;
    }
    let text = api
        .engine
        .metrics_text()
        .map_err(|failed| error(ErrorCode::Internal, format!("metrics: {failed}")))?;
    Ok(([(header::CONTENT_TYPE, crate::metrics::CONTENT_TYPE)], text).into_response())
}

/// Serves the API until told to stop; connections in progress may end first.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    api: Arc<Api>,
    mut stopped: watch::Receiver<bool>,
) {
    let stop = async move {
        // An error means that the node itself is gone.
        stopped.wait_for(|stopped| *stopped).await.ok();
    };
    quorate_http::serve(listener, tls, routes(api), quorate_http::Limits::default(), stop).await;
}
