//! One request, one answer: over several nodes, with patience.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::uri::Scheme;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use quorate_request::paths;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::debug;

use crate::error::{ClientError, InvalidEndpoint, SetupError};
use crate::retry::RetryPolicy;
use crate::token::BearerToken;
use quorate_tls::{self as tls, Authorities, ClientCertificate};

/// The largest answer that is read.
pub(crate) const MAX_ANSWER_BYTES: usize = 8 * 1024 * 1024;
/// How long a connection may take to come up. Nodes are near; a dead one must not cost a minute.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// What is said of a node that says nothing.
const SILENT: &str = "no answer in time";

/// What a node answered, as it answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The body, JSON.
    pub body: Bytes,
    /// After how long to ask again, if it says so.
    pub retry_after: Option<Duration>,
}

impl Answer {
    /// Whether another node, or the same one later, may answer otherwise.
    fn is_temporary(&self) -> bool {
        match self.status {
            StatusCode::SERVICE_UNAVAILABLE => true,
            StatusCode::TOO_MANY_REQUESTS => self.retry_after.is_some(),
            _ => false,
        }
    }
}

/// How nodes are connected to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Connecting {
    pub(crate) authorities: Authorities,
    pub(crate) certificate: Option<ClientCertificate>,
    pub(crate) token: Option<BearerToken>,
}

/// What a node answered: in full, or events as they come.
#[derive(Debug)]
pub(crate) enum Opened {
    Answer(Answer),
    Events(Incoming),
}

/// A request that can be repeated without harm.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// How long one node may take.
    pub(crate) timeout: Duration,
    /// How long all of them may.
    pub(crate) deadline: Duration,
}

/// The nodes of a cluster.
#[derive(Debug)]
pub(crate) struct Exchange {
    http: HttpClient<HttpsConnector<HttpConnector>, Full<Bytes>>,
    endpoints: Vec<Uri>,
    /// Where the last answer came from: asked first next time.
    preferred: AtomicUsize,
    policy: RetryPolicy,
    connecting: Connecting,
}

impl Exchange {
    pub(crate) fn new(
        endpoints: Vec<Uri>,
        policy: RetryPolicy,
        connecting: Connecting,
    ) -> Result<Self, SetupError> {
        if endpoints.is_empty() {
            return Err(InvalidEndpoint::None.into());
        }
        if let Some(wrong) = endpoints.iter().find(|endpoint| !is_endpoint(endpoint)) {
            return Err(InvalidEndpoint::Form(wrong.clone()).into());
        }
        let mut tcp = HttpConnector::new();
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        // Whoever asks in plain needs no authorities: a container may have none.
        let secure = endpoints.iter().any(|endpoint| endpoint.scheme() == Some(&Scheme::HTTPS));
        let Connecting { authorities, certificate, .. } = &connecting;
        let tls = if secure { authorities.config(certificate.as_ref())? } else { tls::nobody()? };
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
        let connector = connector.enable_http1().wrap_connector(tcp);
        let http = HttpClient::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
        Ok(Self { http, endpoints, preferred: AtomicUsize::new(0), policy, connecting })
    }

    /// The same for other endpoints.
    pub(crate) fn with_endpoints(&self, endpoints: Vec<Uri>) -> Result<Self, SetupError> {
        Self::new(endpoints, self.policy.clone(), self.connecting.clone())
    }

    pub(crate) fn policy(&self) -> &RetryPolicy {
        &self.policy
    }

    /// Asks one node after the other until one answers with something else than 503, or than 429 with a time to wait.
    pub(crate) async fn ask(&self, request: &Outgoing) -> Result<Answer, ClientError> {
        answer(self.open(request).await?)
    }

    /// [`Exchange::ask`], for what can be answered by events. The time-out is that of the answer's head then.
    pub(crate) async fn open(&self, request: &Outgoing) -> Result<Opened, ClientError> {
        let deadline = Instant::now() + request.deadline;
        let count = self.endpoints.len();
        let first = self.preferred.load(Ordering::Relaxed);
        let attempts = self.policy.attempts_over(count);
        let mut unavailable = BTreeSet::new();
        let mut unavailable_answer = None;
        let mut failure: Option<(&Uri, Failed)> = None;
        let mut made = 0;

        for attempt in 0..attempts {
            let index = first.wrapping_add(attempt as usize) % count;
            let Some(endpoint) = self.endpoints.get(index) else { break };
            made = attempt + 1;
            let until = deadline.min(Instant::now() + request.timeout);
            let mut told_to_wait = Duration::ZERO;
            match timeout_at(until, self.ask_one(endpoint, request)).await {
                Ok(Ok(Opened::Answer(answer))) if answer.is_temporary() => {
                    debug!(%endpoint, target = request.target, status = %answer.status, "node is unavailable");
                    told_to_wait = answer.retry_after.unwrap_or_default();
                    // One that is asked too often will answer when it is not.
                    if answer.status == StatusCode::SERVICE_UNAVAILABLE {
                        unavailable.insert(index);
                    }
                    unavailable_answer = Some(answer);
                    if unavailable.len() == count {
                        break;
                    }
                }
                Ok(Ok(answer)) => {
                    self.preferred.store(index, Ordering::Relaxed);
                    return Ok(answer);
                }
                Ok(Err(failed)) => {
                    debug!(%endpoint, target = request.target, reason = failed.reason, "node can't be asked");
                    failure = Some(worse(failure, (endpoint, failed)));
                }
                Err(_) => {
                    debug!(%endpoint, target = request.target, "node is silent");
                    failure = Some(worse(failure, (endpoint, Failed::silent())));
                }
            }
            // Besides: those that were told the same don't come back together.
            let pause = self.policy.pause(attempt).saturating_add(told_to_wait);
            if made == attempts || Instant::now() + pause >= deadline {
                break;
            }
            tokio::time::sleep(pause).await;
        }

        // A node that says why it can't says more than a node that says nothing, but not what became of work that another
        // one may have begun.
        let may_have_begun = |failed: &Failed| failed.was_asked && request.method == Method::POST;
        match (unavailable_answer, failure) {
            (Some(answer), None) => Ok(Opened::Answer(answer)),
            (Some(answer), Some((_, failed))) if !may_have_begun(&failed) => Ok(Opened::Answer(answer)),
            (_, Some((endpoint, failed))) => Err(failed.at(endpoint, made)),
            (None, None) => Err(ClientError::InvalidRequest("no attempt was allowed".to_owned())),
        }
    }

    /// Asks every node once, all at a time.
    pub(crate) async fn ask_each(&self, request: &Outgoing) -> Vec<Result<Answer, ClientError>> {
        let asked = self.endpoints.iter().map(|endpoint| async move {
            match timeout(request.timeout, self.ask_one(endpoint, request)).await {
                Ok(Ok(opened)) => answer(opened),
                Ok(Err(failed)) => Err(failed.at(endpoint, 1)),
                Err(_) => Err(Failed::silent().at(endpoint, 1)),
            }
        });
        join_all(asked).await
    }

    async fn ask_one(&self, endpoint: &Uri, outgoing: &Outgoing) -> Result<Opened, Failed> {
        let unasked = |error: &dyn std::fmt::Display| Failed { reason: error.to_string(), was_asked: false };
        let mut parts = endpoint.clone().into_parts();
        parts.path_and_query = Some(outgoing.target.parse().map_err(|error| unasked(&error))?);
        let uri = Uri::from_parts(parts).map_err(|error| unasked(&error))?;
        let mut request = Request::new(Full::new(outgoing.body.clone()));
        *request.method_mut() = outgoing.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = outgoing.headers.clone();
        if let Some(token) = &self.connecting.token {
            request.headers_mut().insert(header::AUTHORIZATION, token.header());
        }
        if outgoing.method == Method::POST {
            let json = HeaderValue::from_static("application/json");
            request.headers_mut().insert(header::CONTENT_TYPE, json);
        }
        let response = self.http.request(request).await.map_err(|error| {
            let reason = match tls::reason(&error) {
                Some(reason) => format!("{error}: {reason}"),
                None => with_causes(&error),
            };
            Failed { reason, was_asked: !error.is_connect() }
        })?;
        let status = response.status();
        if status == StatusCode::OK && is_events(response.headers()) {
            return Ok(Opened::Events(response.into_body()));
        }
        let retry_after = retry_after(response.headers());
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES);
        let cut = |error: &(dyn std::error::Error + 'static)| Failed {
            reason: with_causes(error),
            was_asked: true,
        };
        let body = body.collect().await.map_err(|error| cut(error.as_ref()))?.to_bytes();
        Ok(Opened::Answer(Answer { status, body, retry_after }))
    }
}

/// Why a node gave no answer.
#[derive(Debug)]
struct Failed {
    reason: String,
    /// Whether a connection to it came about, so that it may have got the request.
    was_asked: bool,
}

impl Failed {
    fn silent() -> Self {
        Self { reason: SILENT.to_owned(), was_asked: true }
    }

    fn at(self, endpoint: &Uri, attempts: u32) -> ClientError {
        let Self { reason, was_asked } = self;
        ClientError::Unreachable { attempts, endpoint: endpoint.clone(), reason, was_asked }
    }
}

/// The failure that says more of what became of a request: of a node that may have got it, else the later one.
fn worse<'a>(earlier: Option<(&'a Uri, Failed)>, later: (&'a Uri, Failed)) -> (&'a Uri, Failed) {
    match earlier {
        Some(earlier) if earlier.1.was_asked && !later.1.was_asked => earlier,
        _ => later,
    }
}

/// What was answered, where events were not asked for.
fn answer(opened: Opened) -> Result<Answer, ClientError> {
    match opened {
        Opened::Answer(answer) => Ok(answer),
        Opened::Events(_) => Err(ClientError::UnexpectedAnswer {
            status: StatusCode::OK,
            reason: "events, where one answer was asked for".to_owned(),
        }),
    }
}

/// Whether this is an address of a node, a gateway or a proxy in front of one: `http://host:port` or `https://host:port`.
pub fn is_endpoint(uri: &Uri) -> bool {
    let web = [Some("http"), Some("https")].contains(&uri.scheme_str()) && uri.authority().is_some();
    web && uri.path() == "/" && uri.query().is_none()
}

/// The seconds after which to ask again. A date, which is the other form, is not used by nodes.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u32 = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.into()))
}

fn is_events(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.split(';').next().unwrap_or_default().trim() == paths::EVENTS)
}

/// An error with all its causes: the reason stands at the end ("connection refused").
pub(crate) fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_an_address_of_the_web_without_a_path() {
        let make = |uris: &[&str]| {
            let uris = uris.iter().map(|uri| uri.parse().unwrap()).collect();
            Exchange::new(uris, RetryPolicy::default(), Connecting::default()).map(|_| ())
        };
        make(&["http://127.0.0.1:8080", "http://node2:8080/"]).unwrap();
        assert!(matches!(make(&[]), Err(SetupError::Endpoint(InvalidEndpoint::None))));
        for bad in ["ftp://node1", "node1:8080", "/api", "http://node1/prefix", "https://node1/?x"] {
            let Err(SetupError::Endpoint(InvalidEndpoint::Form(wrong))) = make(&[bad]) else {
                panic!("{bad}");
            };
            assert_eq!(wrong, bad.parse::<Uri>().unwrap());
        }
    }
}
