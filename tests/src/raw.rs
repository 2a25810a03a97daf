//! Requests made by hand: everything that an honest client would not send.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use quorate_keys::SigningPrincipal;
use quorate_request::{ClusterId, ErrorBody, Operation, RequestId, SignedRequest};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// One node's API.
#[derive(Debug)]
pub struct Raw {
    address: String,
    cluster: ClusterId,
    initiator: SigningPrincipal,
}

/// What a node answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The body, JSON.
    pub body: Value,
}

impl Reply {
    /// Status and error code, such as `"401 expired"`; the code is checked to have a message.
    ///
    /// # Panics
    /// When the body is no error body.
    #[must_use]
    pub fn refusal(&self) -> String {
        let error: ErrorBody = serde_json::from_value(self.body.clone())
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.body));
        assert!(!error.message.is_empty(), "no message: {error:?}");
        format!("{} {}", self.status, error.code)
    }

    /// The error's message.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or_else(|| panic!("no message: {}", self.body))
    }
}

/// A request to be signed with parameters that an honest client would not choose.
#[derive(Debug, Clone)]
pub struct Draft {
    /// What it is signed for.
    pub operation: Operation,
    /// Its id.
    pub id: RequestId,
    /// Its body.
    pub body: Vec<u8>,
    /// Seconds from now to its creation.
    pub created: i64,
    /// Seconds from now to its expiry.
    pub expires: i64,
}

impl Draft {
    /// A request that is valid for five minutes.
    ///
    /// # Panics
    /// When the id can't be one.
    #[must_use]
    pub fn new(operation: Operation, id: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { operation, id: id.parse().unwrap(), body: body.into(), created: 0, expires: 300 }
    }

    /// At another time.
    #[must_use]
    pub fn at(mut self, created: i64, expires: i64) -> Self {
        (self.created, self.expires) = (created, expires);
        self
    }

    /// Signed.
    ///
    /// # Panics
    /// When nobody could sign it.
    #[must_use]
    pub fn sign(&self, initiator: &SigningPrincipal, cluster: ClusterId) -> SignedRequest {
        let time = |seconds: i64| {
            let span = Duration::from_secs(seconds.unsigned_abs());
            let now = SystemTime::now();
            if seconds < 0 { now - span } else { now + span }
        };
        let (created, expires) = (time(self.created), time(self.expires));
        let (operation, id) = (self.operation.clone(), self.id.clone());
        SignedRequest::sign(initiator, cluster, operation, id, created, expires, self.body.clone()).unwrap()
    }
}

/// The path at which an operation is served.
#[must_use]
pub fn path_of(operation: &Operation) -> String {
    match operation {
        Operation::Keygen => quorate_request::paths::KEYGEN.to_owned(),
        Operation::Sign => quorate_request::paths::SIGN.to_owned(),
        Operation::Presign => quorate_request::paths::PRESIGN.to_owned(),
        Operation::Auxiliary => quorate_request::paths::AUXILIARY.to_owned(),
        Operation::Approve => quorate_request::paths::APPROVALS.to_owned(),
        Operation::Initiators => quorate_request::paths::INITIATORS.to_owned(),
        other => other.to_string().trim_start_matches("read:").to_owned(),
    }
}

impl Raw {
    pub(crate) fn new(address: &str, cluster: ClusterId, initiator: SigningPrincipal) -> Self {
        Self { address: address.to_owned(), cluster, initiator }
    }

    /// Signs honestly and sends to where it belongs.
    pub async fn send(&self, draft: &Draft) -> Reply {
        self.send_signed(&draft.sign(&self.initiator, self.cluster)).await
    }

    /// Sends a signed request to where it belongs.
    pub async fn send_signed(&self, request: &SignedRequest) -> Reply {
        let path = path_of(request.operation());
        let method = if matches!(request.operation(), Operation::Read(_)) { "GET" } else { "POST" };
        self.http(method, &path, &request.to_http(), request.body()).await
    }

    /// Sends anything anywhere.
    ///
    /// # Panics
    /// When there is no HTTP answer with JSON.
    pub async fn http(&self, method: &str, path: &str, headers: &HeaderMap, body: &[u8]) -> Reply {
        let exchange = self.exchange(method, path, headers, body);
        let answer = tokio::time::timeout(PATIENCE, exchange).await.expect("an answer in time").unwrap();
        let text = String::from_utf8_lossy(&answer);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no HTTP answer: {text:?}"));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no HTTP status: {head:?}"));
        let body = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {head:?} {body:?}"));
        Reply { status, body }
    }

    async fn exchange(
        &self,
        method: &str,
        path: &str,
        headers: &HeaderMap,
        body: &[u8],
    ) -> std::io::Result<Vec<u8>> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", self.address);
        for (name, value) in headers {
            head.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
        }
        head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
        let (mut reading, mut writing) = TcpStream::connect(&self.address).await?.into_split();
        let mut answer = Vec::new();
        let write = async {
            // A node that has heard enough does not read to the end.
            writing.write_all(head.as_bytes()).await.ok();
            writing.write_all(body).await.ok();
        };
        let read = async {
            let ended = reading.read_to_end(&mut answer).await;
            if answer.is_empty() { ended.map(drop) } else { Ok(()) }
        };
        let ((), read) = tokio::join!(write, read);
        read.map(|()| answer)
    }
}
