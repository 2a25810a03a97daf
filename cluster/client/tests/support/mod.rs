//! A node for tests: it serves the paths of the API and really verifies what it gets.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::expect_used)]
#![allow(dead_code, unreachable_pub)]

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, StatusCode, Uri};
use quorate_client::{Client, RetryPolicy};
use quorate_keys::{KeyType, Principal, Secret, SigningIdentity, SigningPrincipal};
use quorate_request::{
    AuxiliaryRequest, AuxiliaryResponse, Body, ClusterId, ErrorBody, ErrorCode, Health, Hex, KeygenRequest,
    KeygenResponse, MAX_BODY_BYTES, NodeView, Operation, Phase, PresignRequest, PresignResponse, Progress,
    Readiness, RequestId, RequestStatus, SessionResult, SessionView, SignRequest, SignResponse,
    SignedRequest, Subject, Taken, Verified, WalletStatus, WalletView, paths,
};
use serde::Serialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The cluster of all tests.
pub const CLUSTER: ClusterId = ClusterId::from_bytes([0xc1; 32]);

/// The initiator that the node knows.
pub fn initiator() -> SigningIdentity {
    SigningIdentity::from_seed(&Secret::new([7; 32]))
}

/// Another initiator of the cluster.
pub fn initiator_on_p256() -> SigningPrincipal {
    SigningPrincipal::from_secret(KeyType::P256, &Secret::new([7; 32])).unwrap()
}

/// The wallet's key: this cluster is made for tests.
pub fn wallet_key() -> SigningIdentity {
    SigningIdentity::from_seed(&Secret::new([5; 32]))
}

fn public_key() -> Hex {
    wallet_key().identity().as_bytes().as_slice().into()
}

/// The name of a node that lies about the wallet, and signs with a key of its own.
pub const LIAR: &str = "liar";

/// The name of a node that invents a wallet with a key of its own, and says it was made.
pub const INVENTOR: &str = "inventor";

/// The name of a node that has heard of no wallet.
pub const IGNORANT: &str = "ignorant";

/// What a node does instead of answering properly.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// Answers 503.
    Unavailable,
    /// Answers 429, and when to ask again: in a second.
    Limited,
    /// Closes the connection after the work is done, without an answer.
    DiesAfterwards,
    /// Never answers.
    Silent,
    /// Answers something that is no answer of the API.
    Nonsense,
}

/// What the nodes of a cluster have in common.
#[derive(Default)]
pub struct Shared {
    /// Results by request id, with the fingerprint of the request.
    results: Mutex<BTreeMap<RequestId, ([u8; 32], serde_json::Value)>>,
    /// Digests of all requests that were verified, in order.
    pub seen: Mutex<Vec<[u8; 32]>>,
    /// Bodies of all requests that were verified, in order.
    pub bodies: Mutex<Vec<Bytes>>,
    /// What the last event of a session waits for.
    pub gate: tokio::sync::Notify,
    /// How often something was really done.
    pub executed: Mutex<u32>,
}

#[derive(Clone)]
struct NodeState {
    name: String,
    shared: Arc<Shared>,
    faults: Arc<Mutex<VecDeque<Fault>>>,
    ready: bool,
}

/// A running node.
pub struct Node {
    pub uri: Uri,
    pub address: SocketAddr,
    pub faults: Arc<Mutex<VecDeque<Fault>>>,
    pub asked: Arc<Mutex<u32>>,
    task: JoinHandle<()>,
}

impl Node {
    pub async fn start(name: &str, shared: &Arc<Shared>, faults: &[Fault]) -> Self {
        Self::start_with(name, shared, faults, true).await
    }

    pub async fn start_with(name: &str, shared: &Arc<Shared>, faults: &[Fault], ready: bool) -> Self {
        let faults = Arc::new(Mutex::new(faults.iter().copied().collect::<VecDeque<_>>()));
        let state = NodeState { name: name.into(), shared: shared.clone(), faults: faults.clone(), ready };
        let asked = Arc::new(Mutex::new(0));
        let counter = asked.clone();
        let router = Router::new()
            .route("/api/v1/keygen", post(keygen))
            .route("/api/v1/sign", post(sign))
            .route("/api/v1/presign", post(presign))
            .route("/api/v1/auxiliary", post(auxiliary))
            .route("/api/v1/wallets", get(wallets))
            .route("/api/v1/wallets/{id}", get(wallet))
            .route("/api/v1/sessions/{id}", get(session))
            .route("/api/v1/nodes", get(nodes))
            .route("/health", get(health))
            .route("/ready", get(readiness))
            .layer(DefaultBodyLimit::max(2 * MAX_BODY_BYTES))
            .layer(axum::middleware::from_fn(move |request, next: axum::middleware::Next| {
                *counter.lock().unwrap() += 1;
                next.run(request)
            }))
            .with_state(state);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { uri: format!("http://{address}").parse().unwrap(), address, faults, asked, task }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An address where nothing listens.
pub async fn dead_end() -> Uri {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap()).parse().unwrap()
}

/// A policy without long waits.
pub fn quick() -> RetryPolicy {
    RetryPolicy {
        deadline: Duration::from_secs(20),
        work_timeout: Duration::from_secs(5),
        read_timeout: Duration::from_secs(5),
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(10),
        ..RetryPolicy::default()
    }
}

/// A client of these endpoints.
pub fn client(endpoints: &[&Uri]) -> Client {
    client_with(endpoints, quick())
}

/// A client of these endpoints.
pub fn client_with(endpoints: &[&Uri], policy: RetryPolicy) -> Client {
    let endpoints = endpoints.iter().map(|&uri| uri.clone()).collect();
    Client::builder(endpoints).policy(policy).signing(CLUSTER, initiator()).unwrap()
}

/// Sends text as it is and reads all of the answer: (status, body).
pub async fn raw(address: SocketAddr, request: &str) -> (u16, serde_json::Value) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer.split(' ').nth(1).unwrap_or_else(|| panic!("no answer: {answer:?}")).parse().unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    (status, serde_json::from_str(body).unwrap_or_else(|_| panic!("no JSON: {answer}")))
}

/// What `curl -d BODY http://address/path` sends.
pub async fn curl_post(address: SocketAddr, path: &str, body: &str) -> (u16, serde_json::Value) {
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\
         Content-Length: {length}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Connection: close\r\n\r\n{body}"
    );
    raw(address, &request).await
}

/// What `curl http://address/path` sends.
pub async fn curl_get(address: SocketAddr, path: &str) -> (u16, serde_json::Value) {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\
         Connection: close\r\n\r\n"
    );
    raw(address, &request).await
}

type Refusal = Box<Response>;

fn refuse(error: &ErrorBody) -> Refusal {
    let body = serde_json::to_vec(error).unwrap();
    Box::new((error.code.status(), body).into_response())
}

fn ok(value: &impl Serialize) -> Response {
    (StatusCode::OK, serde_json::to_vec(value).unwrap()).into_response()
}

impl NodeState {
    /// Verifies a request as a node does.
    fn admit(&self, headers: &HeaderMap, body: Bytes, wanted: &Operation) -> Result<Verified, Refusal> {
        let known = [Principal::from(initiator().identity()), initiator_on_p256().principal()];
        let verified = SignedRequest::from_http(headers, body)
            .and_then(|request| {
                request.verify(&CLUSTER, |id| known.contains(id), SystemTime::now(), Duration::from_secs(30))
            })
            .and_then(|verified| verified.require(wanted).map(|()| verified))
            .map_err(|error| refuse(&ErrorBody::from(&error)))?;
        // What is verified survives being forwarded to another node.
        let request = verified.request();
        assert_eq!(SignedRequest::decode(&request.encode()).as_ref(), Ok(request));
        self.shared.seen.lock().unwrap().push(request.digest());
        self.shared.bodies.lock().unwrap().push(request.body().clone());
        Ok(verified)
    }

    /// Misbehaves if that is what comes next. The work is done by then.
    async fn misbehave(&self) -> Result<(), Refusal> {
        let fault = self.faults.lock().unwrap().pop_front();
        match fault {
            None => Ok(()),
            Some(Fault::Unavailable) => {
                let message = format!("{} is short of signers", self.name);
                Err(refuse(&ErrorBody::new(ErrorCode::NotEnoughSigners, message)))
            }
            Some(Fault::Limited) => {
                let error = ErrorBody::new(ErrorCode::RateLimited, "too many requests of this client");
                let mut answer = refuse(&error);
                answer.headers_mut().insert("retry-after", "1".parse().unwrap());
                Err(answer)
            }
            Some(Fault::DiesAfterwards) => panic!("this connection dies (on purpose)"),
            Some(Fault::Silent) => std::future::pending().await,
            Some(Fault::Nonsense) => Err(Box::new((StatusCode::OK, "<html>").into_response())),
        }
    }

    /// Does something once per request id.
    fn once<T: Body, R: Serialize>(
        &self,
        verified: &Verified,
        work: impl FnOnce(T) -> Result<R, ErrorBody>,
    ) -> Result<serde_json::Value, Refusal> {
        let id = verified.request_id().clone();
        let fingerprint = verified.request().fingerprint();
        if let Some((first, result)) = self.shared.results.lock().unwrap().get(&id) {
            let conflict = ErrorBody::new(ErrorCode::RequestConflict, "used before").with_session(id);
            return if *first == fingerprint { Ok(result.clone()) } else { Err(refuse(&conflict)) };
        }
        let body = verified.body::<T>().map_err(|error| refuse(&ErrorBody::from(&error)))?;
        let result = work(body).map_err(|error| refuse(&error))?;
        let result = serde_json::to_value(&result).unwrap();
        *self.shared.executed.lock().unwrap() += 1;
        self.shared.results.lock().unwrap().insert(id, (fingerprint, result.clone()));
        Ok(result)
    }
}

fn either(result: Result<Response, Refusal>) -> Response {
    result.unwrap_or_else(|refusal| *refusal)
}

fn parties() -> Vec<String> {
    ["node1", "node2", "node3"].map(String::from).to_vec()
}

async fn keygen(State(node): State<NodeState>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let work = async {
        let verified = node.admit(&headers, body, &Operation::Keygen)?;
        let session_id = verified.request_id().clone();
        let result = node.once(&verified, |request: KeygenRequest| {
            if request.threshold < 2 {
                let message = "threshold is the minimum number of signers, at least 2";
                return Err(
                    ErrorBody::new(ErrorCode::InvalidThreshold, message).with_session(session_id.clone())
                );
            }
            let fresh = || "w1".parse().unwrap();
            Ok(KeygenResponse {
                session_id: session_id.clone(),
                wallet_id: request.wallet_id.unwrap_or_else(fresh),
                public_key: node.view("w1").public_key,
                address: None,
                status: RequestStatus::Completed,
                threshold: request.threshold,
                parties: parties(),
            })
        })?;
        node.misbehave().await?;
        waited_for(&uri, &verified, &result)
    };
    either(work.await)
}

/// The result, or that the request was taken if nobody waits.
fn waited_for(uri: &Uri, verified: &Verified, result: &serde_json::Value) -> Result<Response, Refusal> {
    match uri.query() {
        None => Ok(ok(result)),
        Some("wait=false") => {
            let session_id = verified.request_id().clone();
            let taken = serde_json::to_vec(&Taken { session_id, status: RequestStatus::Running }).unwrap();
            Ok((StatusCode::ACCEPTED, taken).into_response())
        }
        Some(_) => Err(refuse(&ErrorBody::new(ErrorCode::MalformedRequest, "the query"))),
    }
}

/// The inventor says that it made more than was asked for, by nodes of its own.
async fn presign(State(node): State<NodeState>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let work = async {
        let verified = node.admit(&headers, body, &Operation::Presign)?;
        let session_id = verified.request_id().clone();
        let result = node.once(&verified, |request: PresignRequest| {
            request.wallet().map_err(|error| ErrorBody::from(&error))?;
            let count = request.count().map_err(|error| ErrorBody::from(&error))?;
            let signers = request.signers.unwrap_or_else(|| parties()[..2].to_vec());
            let invented = node.name == INVENTOR;
            Ok(PresignResponse {
                session_id,
                wallet_id: "w1".parse().unwrap(),
                status: RequestStatus::Completed,
                signers: if invented { vec!["node9".into()] } else { signers },
                made: if invented { count + 1 } else { count },
                available: u32::from(count) + 40,
            })
        })?;
        node.misbehave().await?;
        waited_for(&uri, &verified, &result)
    };
    either(work.await)
}

/// The inventor names nodes of its own.
async fn auxiliary(State(node): State<NodeState>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let work = async {
        let verified = node.admit(&headers, body, &Operation::Auxiliary)?;
        let session_id = verified.request_id().clone();
        let result = node.once(&verified, |request: AuxiliaryRequest| {
            let asked = request.parties.unwrap_or_else(parties);
            Ok(AuxiliaryResponse {
                session_id,
                status: RequestStatus::Completed,
                wallet_id: if node.name == INVENTOR { None } else { request.wallet_id },
                parties: if node.name == INVENTOR { vec!["node9".into()] } else { asked },
                epoch: 2,
                digest: [6; 32].into(),
            })
        })?;
        node.misbehave().await?;
        waited_for(&uri, &verified, &result)
    };
    either(work.await)
}

async fn sign(State(node): State<NodeState>, headers: HeaderMap, body: Bytes) -> Response {
    let work = async {
        let verified = node.admit(&headers, body, &Operation::Sign)?;
        let session_id = verified.request_id().clone();
        let result = node.once(&verified, |request: SignRequest| {
            request.wallet().map_err(|error| ErrorBody::from(&error))?;
            let subject = request.subject().map_err(|error| ErrorBody::from(&error))?;
            let Subject::Message(message) = subject else { panic!("no test signs anything else") };
            let key = if node.name == LIAR { initiator() } else { wallet_key() };
            let (signature, signer) = (key.sign(message).into(), key.identity());
            Ok(SignResponse {
                session_id,
                wallet_id: "w1".parse().unwrap(),
                signature,
                recovery_id: None,
                public_key: signer.as_bytes().as_slice().into(),
                status: RequestStatus::Completed,
                committee: request.signers.unwrap_or_else(parties),
                attempt: 1,
                absent: vec![],
                culprits: vec![],
                signatures: vec![],
                signed_transaction: None,
                tx_id: None,
            })
        })?;
        node.misbehave().await?;
        Ok(ok(&result))
    };
    either(work.await)
}

impl NodeState {
    fn view(&self, id: &str) -> WalletView {
        let view = view(id);
        match self.name.as_str() {
            LIAR => WalletView { chain_code: [4; 32].into(), ..view },
            INVENTOR => {
                let public_key: Hex = initiator().identity().as_bytes().as_slice().into();
                WalletView { group_key: public_key.clone(), public_key, ..view }
            }
            _ => view,
        }
    }
}

fn view(id: &str) -> WalletView {
    WalletView {
        wallet_id: id.parse().unwrap(),
        curve: "ed25519".into(),
        scheme: "ed25519".into(),
        protocol: "frost".into(),
        public_key: public_key(),
        group_key: public_key(),
        chain_code: [3; 32].into(),
        addresses: vec![],
        threshold: 2,
        total: 3,
        parties: parties(),
        epoch: 0,
        status: WalletStatus::Active,
        presignatures: None,
    }
}

async fn read(
    node: &NodeState,
    uri: &Uri,
    headers: &HeaderMap,
    answer: impl FnOnce() -> Result<Response, Refusal>,
) -> Response {
    let work = async {
        node.admit(headers, Bytes::new(), &Operation::read_target(uri).unwrap())?;
        node.misbehave().await?;
        answer()
    };
    either(work.await)
}

async fn wallets(State(node): State<NodeState>, uri: Uri, headers: HeaderMap) -> Response {
    read(&node, &uri, &headers, || Ok(ok(&[node.view("w1")]))).await
}

async fn wallet(
    State(node): State<NodeState>,
    uri: Uri,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    read(&node, &uri, &headers, || match id.as_str() {
        "w1" if node.name != IGNORANT => Ok(ok(&node.view("w1"))),
        _ => Err(refuse(&ErrorBody::new(ErrorCode::UnknownWallet, format!("there is no wallet {id}")))),
    })
    .await
}

async fn session(
    State(node): State<NodeState>,
    uri: Uri,
    Path(id): Path<RequestId>,
    headers: HeaderMap,
) -> Response {
    let stored = node.shared.results.lock().unwrap().get(&id).map(|(_, result)| result.clone());
    read(&node, &uri, &headers, || {
        let unknown =
            || refuse(&ErrorBody::new(ErrorCode::UnknownSession, format!("there is no session {id}")));
        let stored = stored.ok_or_else(unknown)?;
        let (operation, result, progress) = if stored.get("made").is_some() {
            let result: PresignResponse = serde_json::from_value(stored).unwrap();
            let progress = Progress { phase: Phase::Presigning, done: 0, total: result.made.into() };
            ("presign", SessionResult::Presign(result), Some(progress))
        } else {
            ("keygen", SessionResult::Keygen(serde_json::from_value(stored).unwrap()), None)
        };
        let view = SessionView {
            session_id: id.clone(),
            operation: operation.into(),
            status: RequestStatus::Completed,
            progress: None,
            wallet_id: Some("w1".parse().unwrap()),
            attempt: 1,
            committee: parties(),
            absent: vec![],
            culprits: vec![],
            result: Some(result),
            error: None,
        };
        let accept = headers.get("accept").map_or("", |value| value.to_str().unwrap());
        if !paths::accepts_events([accept]) {
            return Ok(ok(&view));
        }
        let running = SessionView { status: RequestStatus::Running, progress, result: None, ..view.clone() };
        let event = |view| Ok::<_, Infallible>(Event::default().event("session").json_data(&view).unwrap());
        let shared = Arc::clone(&node.shared);
        let last = async move {
            shared.gate.notified().await;
            event(view)
        };
        let events = stream::iter([event(running)]).chain(stream::once(last));
        Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_millis(50))).into_response())
    })
    .await
}

async fn nodes(State(node): State<NodeState>, uri: Uri, headers: HeaderMap) -> Response {
    let name = node.name.clone();
    read(&node, &uri, &headers, || {
        Ok(ok(&[NodeView {
            name,
            identity: initiator().identity(),
            this_node: true,
            connected: true,
            last_heard_ms: None,
            queued_frames: 0,
            refused_connections: 0,
            excluded: false,
            caught: Vec::new(),
        }]))
    })
    .await
}

async fn health(State(node): State<NodeState>) -> Response {
    ok(&Health { status: "ok".into(), node: node.name, version: "0.1.0".into() })
}

async fn readiness(State(node): State<NodeState>) -> Response {
    let reasons = if node.ready { vec![] } else { vec!["2 of 3 nodes are unreachable".to_owned()] };
    let reachable = if node.ready { 3 } else { 1 };
    let body = Readiness { ready: node.ready, reachable, total: 3, store_writable: true, reasons };
    let status = if node.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, serde_json::to_vec(&body).unwrap()).into_response()
}
