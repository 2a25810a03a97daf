//! The few calls of Consul's HTTP API that are needed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use quorate_identity::files;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::options::Options;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(3);
/// How long an answer may take, besides what Consul was asked to wait.
const ANSWER: Duration = Duration::from_secs(10);
/// The longest answer: a hundred records in base64 are a tenth of it.
const MOST_BYTES: usize = 4 << 20;
const TOKEN_BYTES: u64 = 4096;

/// Why Consul could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConsulError {
    /// The file with the token.
    #[error("{}: {detail}", .path.display())]
    Token {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// Certificates.
    #[error(transparent)]
    Tls(#[from] quorate_tls::AuthoritiesError),
    /// No connection, or it broke.
    #[error("Consul at {url} can't be reached: {reason}")]
    Unreachable {
        /// Where.
        url: String,
        /// Why.
        reason: String,
    },
    /// An answer that says no.
    #[error("Consul at {url} refused {what} with {status}: {said}")]
    Refused {
        /// Where.
        url: String,
        /// What was asked.
        what: String,
        /// The status.
        status: StatusCode,
        /// What it said.
        said: String,
    },
    /// An answer that is none of Consul's.
    #[error("what answers at {url} is not Consul: {reason}")]
    NotConsul {
        /// Where.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl ConsulError {
    /// Whether what was asked for is not there.
    pub(crate) fn is_missing(&self) -> bool {
        // An agent that knows no such check says 404, and older ones 500.
        matches!(self, Self::Refused { status, said, .. }
            if *status == StatusCode::NOT_FOUND || said.contains("Unknown check") || said.contains("does not have associated TTL"))
    }
}

/// An agent of Consul.
#[derive(Debug)]
pub(crate) struct Consul {
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    url: Uri,
    shown: String,
    token: Option<HeaderValue>,
}

/// A service, as agents take it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Service {
    #[serde(rename = "ID")]
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) port: u16,
    pub(crate) tags: Vec<String>,
    pub(crate) meta: std::collections::BTreeMap<String, String>,
    pub(crate) check: Check,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Check {
    pub(crate) name: String,
    #[serde(rename = "TTL")]
    pub(crate) ttl: String,
    pub(crate) status: String,
    pub(crate) notes: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Update<'a> {
    status: &'a str,
    output: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    key: String,
    value: Option<String>,
}

impl Consul {
    pub(crate) fn new(options: &Options) -> Result<Self, ConsulError> {
        let url = options.url.uri().clone();
        let secure = url.scheme_str() == Some("https");
        let tls = if secure {
            let authorities = options.authorities.clone().unwrap_or_default();
            authorities.config(options.certificate.as_ref())?
        } else {
            quorate_tls::nobody()?
        };
        let mut tcp = HttpConnector::new();
        tcp.set_connect_timeout(Some(CONNECT));
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
        let connector = connector.enable_http1().wrap_connector(tcp);
        let http = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
        let token = options.token.as_deref().map(token).transpose()?;
        Ok(Self { http, url, shown: options.url.to_string(), token })
    }

    pub(crate) async fn register(&self, service: &Service) -> Result<(), ConsulError> {
        self.put("v1/agent/service/register", json(service)).await
    }

    pub(crate) async fn deregister(&self, id: &str) -> Result<(), ConsulError> {
        self.put(&format!("v1/agent/service/deregister/{id}"), Bytes::new()).await
    }

    /// Says how a service is: `passing`, `warning` or `critical`.
    pub(crate) async fn update(&self, service: &str, status: &str, output: &str) -> Result<(), ConsulError> {
        let update = json(&Update { status, output });
        self.put(&format!("v1/agent/check/update/service:{service}"), update).await
    }

    pub(crate) async fn put_key(&self, key: &str, value: Vec<u8>) -> Result<(), ConsulError> {
        let path = format!("v1/kv/{key}");
        let (_, answer) = self.ask(Method::PUT, &path, value.into(), ANSWER).await?;
        if answer.trim_ascii() == b"true" {
            Ok(())
        } else {
            Err(self.not_consul(format!("it answered {path} with {:.80}", String::from_utf8_lossy(&answer))))
        }
    }

    /// The values under a prefix, by their keys without it, once there is something else than at `index`; and the index
    /// of that.
    pub(crate) async fn keys(
        &self,
        prefix: &str,
        index: u64,
        wait: Duration,
    ) -> Result<(u64, Vec<(String, Vec<u8>)>), ConsulError> {
        let path = format!("v1/kv/{prefix}?recurse=true&index={index}&wait={}ms", wait.as_millis());
        // Consul adds up to a sixteenth of the time.
        let patience = wait.saturating_add(wait / 8).saturating_add(ANSWER);
        let (index, answer) = match self.ask(Method::GET, &path, Bytes::new(), patience).await {
            Ok(answer) => answer,
            Err(error) if error.is_missing() => return Ok((0, Vec::new())),
            Err(error) => return Err(error),
        };
        let entries: Vec<Entry> =
            serde_json::from_slice(&answer).map_err(|error| self.not_consul(error.to_string()))?;
        let value = |entry: Entry| {
            let name = entry.key.strip_prefix(prefix)?.to_owned();
            Some((name, STANDARD.decode(entry.value?).ok()?))
        };
        Ok((index, entries.into_iter().filter_map(value).collect()))
    }

    async fn put(&self, path: &str, body: Bytes) -> Result<(), ConsulError> {
        self.ask(Method::PUT, path, body, ANSWER).await.map(|_| ())
    }

    /// Asks, and returns the answer with the index it is of.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        patience: Duration,
    ) -> Result<(u64, Bytes), ConsulError> {
        match tokio::time::timeout(patience, self.answer(method, path, body)).await {
            Ok(answer) => answer,
            Err(_) => Err(self.unreachable(format!("no answer within {} s", patience.as_secs()))),
        }
    }

    async fn answer(&self, method: Method, path: &str, body: Bytes) -> Result<(u64, Bytes), ConsulError> {
        let base = self.url.to_string();
        let mut request =
            Request::builder().method(method).uri(format!("{}/{path}", base.trim_end_matches('/')));
        if let Some(token) = &self.token {
            request = request.header("x-consul-token", token);
        }
        let request = request.body(Full::new(body)).map_err(|error| self.unreachable(error.to_string()))?;
        let response = self.http.request(request).await.map_err(|error| {
            let reason = quorate_tls::reason(&error).unwrap_or_else(|| with_causes(&error));
            self.unreachable(reason)
        })?;
        let status = response.status();
        let index = response.headers().get("x-consul-index");
        let index = index.and_then(|index| index.to_str().ok()?.parse().ok()).unwrap_or(0);
        let body = Limited::new(response.into_body(), MOST_BYTES).collect().await;
        let body = body.map_err(|error| self.unreachable(error.to_string()))?.to_bytes();
        if status.is_success() {
            return Ok((index, body));
        }
        let what = path.split('?').next().unwrap_or_default().to_owned();
        let said: String = String::from_utf8_lossy(&body).trim().chars().take(200).collect();
        Err(ConsulError::Refused { url: self.shown.clone(), what, status, said })
    }

    fn unreachable(&self, reason: String) -> ConsulError {
        ConsulError::Unreachable { url: self.shown.clone(), reason }
    }

    fn not_consul(&self, reason: String) -> ConsulError {
        ConsulError::NotConsul { url: self.shown.clone(), reason }
    }
}

fn json(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).unwrap_or_default().into()
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}

fn token(path: &Path) -> Result<HeaderValue, ConsulError> {
    let refused = |detail: String| ConsulError::Token { path: path.to_path_buf(), detail };
    let bytes = files::read_private(path, TOKEN_BYTES).map_err(|error| refused(error.to_string()))?;
    let line = Zeroizing::new(bytes.trim_ascii().to_vec());
    let mut token =
        HeaderValue::from_bytes(&line).map_err(|_| refused("it is not a token of Consul".to_owned()))?;
    if token.is_empty() {
        return Err(refused("there is no token in it".to_owned()));
    }
    token.set_sensitive(true);
    Ok(token)
}
