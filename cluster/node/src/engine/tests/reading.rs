//! Who reads what: by a token, and within a scope.

use super::*;
use axum::body::Body;
use axum::response::Response;
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use quorate_http::Caller;
use quorate_request::{ErrorCode, NodeView, SessionView, WalletView, paths};
use serde::de::DeserializeOwned;
use tower::ServiceExt as _;

use crate::api::{Api, routes};
use crate::readers::{Readers, token_sha256};

/// `watch` reads of everything, `desk` of what is called hot.
fn readers() -> Readers {
    let entry = |name: &str, more: &str| {
        let hash = token_sha256(&format!("token-of-{name}"));
        format!("{name}: {{token_sha256: {hash}{more}}}\n")
    };
    let yaml = entry("watch", "") + &entry("desk", ", wallets: [hot-*]");
    Readers::read(yaml.as_bytes()).unwrap()
}

fn config(settings: &[(&str, &str)]) -> Config {
    let overrides = Overrides::new().set("node_id", "node0").set("api_readers_path", "readers.yaml");
    let overrides = settings.iter().fold(overrides, |all, (key, value)| all.set(key, value));
    Config::load(None, Vec::new(), &overrides).unwrap()
}

impl Cluster {
    fn api(&self, settings: &[(&str, &str)]) -> axum::Router {
        routes(Api::new(Arc::clone(self.engine(0)), readers(), &config(settings)))
    }
}

async fn send(
    api: &axum::Router,
    method: Method,
    target: &str,
    token: Option<&str>,
    accept: &str,
) -> Response {
    let mut request = Request::builder().method(method).uri(target).header(header::ACCEPT, accept);
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let mut request = request.body(Body::empty()).unwrap();
    request.extensions_mut().insert(Caller("10.0.0.1:1000".parse().unwrap()));
    api.clone().oneshot(request).await.unwrap()
}

async fn get(api: &axum::Router, target: &str, token: &str) -> Response {
    send(api, Method::GET, target, Some(token), "*/*").await
}

async fn read<T: DeserializeOwned>(response: Response) -> T {
    assert_eq!(response.status(), StatusCode::OK);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&body).unwrap()
}

async fn refused(response: Response) -> (u16, ErrorCode) {
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice::<ErrorBody>(&body).unwrap().code)
}

const OUT_OF_SCOPE: (u16, ErrorCode) = (403, ErrorCode::OutOfScope);
const UNSIGNED: (u16, ErrorCode) = (401, ErrorCode::Unsigned);

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_of_certain_wallets_sees_those_and_their_sessions() {
    let cluster = Cluster::new(3, Settings::default()).await;
    for name in ["hot-1", "cold"] {
        cluster.keygen(0, &format!("make-{name}"), name, &[0, 1, 2]).await.unwrap();
        cluster.sign(0, &format!("sign-{name}"), name).await.unwrap();
    }
    let api = cluster.api(&[]);
    let names = async |token| {
        let wallets: Vec<WalletView> = read(get(&api, paths::WALLETS, token).await).await;
        wallets.into_iter().map(|wallet| wallet.wallet_id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names("token-of-watch").await, ["cold", "hot-1"]);
    assert_eq!(names("token-of-desk").await, ["hot-1"]);
    for (token, sees) in [("token-of-watch", true), ("token-of-desk", false)] {
        for target in ["/api/v1/wallets/cold", "/api/v1/sessions/make-cold", "/api/v1/sessions/sign-cold"] {
            let response = get(&api, target, token).await;
            if sees {
                assert_eq!(response.status(), StatusCode::OK, "{target}");
            } else {
                assert_eq!(refused(response).await, OUT_OF_SCOPE, "{target}");
            }
        }
        let view: SessionView = read(get(&api, "/api/v1/sessions/sign-hot-1", token).await).await;
        assert_eq!(view.wallet_id.unwrap().as_str(), "hot-1");
        let nodes: Vec<NodeView> = read(get(&api, paths::NODES, token).await).await;
        assert_eq!(nodes.len(), 3);
    }
    // A wallet that does not exist is no different from one that is not theirs.
    assert_eq!(refused(get(&api, "/api/v1/wallets/none", "token-of-desk").await).await, OUT_OF_SCOPE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_judged_by_its_wallet_from_its_beginning() {
    let cluster = Cluster::new(3, Settings::patient()).await;
    // Its name is known before a job is made of it, and when none can be.
    for (id, wallet) in [("of-hot", "hot-unknown"), ("of-cold", "cold-unknown")] {
        cluster.engine(0).submit(&cluster.sign_request(id, wallet, "")).await.unwrap_err();
        let view = cluster.engine(0).ledger.view(&id.parse().unwrap()).unwrap().unwrap();
        assert_eq!(view.wallet_id.unwrap().as_str(), wallet);
    }
    // One that names its wallet by a key that nobody knows.
    let body = format!(r#"{{"public_key":"0x{}","message_hash":"0x{}"}}"#, "02".repeat(32), "01".repeat(32));
    let of_nobody = cluster.request(Operation::Sign, "of-nobody", &body);
    cluster.engine(0).submit(&of_nobody).await.unwrap_err();
    let api = cluster.api(&[]);
    for accept in ["*/*", paths::EVENTS] {
        let ask = async |id: &str, token: &str| {
            let path = paths::session(&id.parse().unwrap());
            send(&api, Method::GET, &path, Some(token), accept).await
        };
        assert_eq!(ask("of-hot", "token-of-desk").await.status(), StatusCode::OK);
        assert_eq!(refused(ask("of-cold", "token-of-desk").await).await, OUT_OF_SCOPE);
        assert_eq!(refused(ask("of-nobody", "token-of-desk").await).await, OUT_OF_SCOPE);
        for id in ["of-hot", "of-cold", "of-nobody"] {
            assert_eq!(ask(id, "token-of-watch").await.status(), StatusCode::OK);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_reads_and_does_nothing_else() {
    let cluster = Cluster::new(2, Settings::default()).await;
    let api = cluster.api(&[]);
    for target in [paths::KEYGEN, paths::SIGN, paths::PRESIGN, paths::AUXILIARY] {
        let answer = send(&api, Method::POST, target, Some("token-of-watch"), "*/*").await;
        assert_eq!(refused(answer).await, UNSIGNED, "{target}");
    }
    for target in [paths::WALLETS, paths::NODES, "/api/v1/wallets/w", "/api/v1/sessions/s"] {
        assert_eq!(refused(get(&api, target, "token-of-nobody").await).await, UNSIGNED, "{target}");
        assert_eq!(refused(send(&api, Method::GET, target, None, "*/*").await).await, UNSIGNED, "{target}");
    }
    // A node without readers knows no tokens.
    let without = crate::api::router(Arc::clone(cluster.engine(0)));
    assert_eq!(refused(get(&without, paths::NODES, "token-of-watch").await).await, UNSIGNED);
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_for_readers_where_the_node_is_told_so() {
    let cluster = Cluster::new(2, Settings::default()).await;
    let open = cluster.api(&[]);
    assert_eq!(send(&open, Method::GET, paths::METRICS, None, "*/*").await.status(), StatusCode::OK);
    let closed = cluster.api(&[("metrics_need_token", "true")]);
    assert_eq!(refused(send(&closed, Method::GET, paths::METRICS, None, "*/*").await).await, UNSIGNED);
    assert_eq!(refused(get(&closed, paths::METRICS, "token-of-nobody").await).await, UNSIGNED);
    assert_eq!(get(&closed, paths::METRICS, "token-of-desk").await.status(), StatusCode::OK);
    assert_eq!(send(&closed, Method::GET, paths::HEALTH, None, "*/*").await.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_too_often_is_told_when_to_ask_again() {
    let cluster = Cluster::new(2, Settings::default()).await;
    // One in a long time: what is left of a burst is not filled up while the test runs.
    let api = cluster.api(&[("client_rate", "1"), ("client_burst", "3"), ("auth_failures_per_minute", "1")]);
    let mut limited = None;
    for _ in 0..50 {
        let response = get(&api, paths::NODES, "token-of-watch").await;
        if response.status() == StatusCode::TOO_MANY_REQUESTS {
            limited = Some(response);
            break;
        }
    }
    let limited = limited.expect("more than three at once");
    assert_eq!(limited.headers()[header::RETRY_AFTER], "1");
    assert_eq!(refused(limited).await, (429, ErrorCode::RateLimited));
    // That is nobody else's business.
    assert_eq!(get(&api, paths::NODES, "token-of-desk").await.status(), StatusCode::OK);

    // Those who prove nothing are told so once, and then to wait; who proves something is served from the same address.
    assert_eq!(refused(get(&api, paths::NODES, "token-of-nobody").await).await, UNSIGNED);
    let response = get(&api, paths::NODES, "token-of-nobody").await;
    let wait: u64 = response.headers()[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(refused(response).await, (429, ErrorCode::RateLimited));
    assert_eq!(get(&api, paths::NODES, "token-of-desk").await.status(), StatusCode::OK);
    let text = cluster.engine(0).metrics_text().unwrap();
    for line in [
        r#"quorate_requests_limited_total{by="client"} 1"#,
        r#"quorate_requests_limited_total{by="address"} 1"#,
        "quorate_requests_unauthenticated_total 2",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is missing:\n{text}");
    }
}
