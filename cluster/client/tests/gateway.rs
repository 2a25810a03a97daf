//! The gateway as an unsigned caller sees it, in front of nodes that really verify.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::expect_used)]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quorate_client::{Client, RetryPolicy, gateway};
use quorate_request::MAX_BODY_BYTES;
use support::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

struct Gateway {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Gateway {
    async fn start(client: Client) -> Self {
        Self::with(client, gateway::Access::default()).await
    }

    async fn with(client: Client, access: gateway::Access) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(gateway::serve(listener, client, access, async {
            let _ = stopped.await;
        }));
        Self { address, stop: Some(stop), task }
    }
}

const KEYGEN: &str = r#"{"threshold": 2, "total": 3, "curve": "ed25519"}"#;

#[tokio::test]
async fn the_documented_unsigned_lines_work() {
    let shared = Arc::new(Shared::default());
    let node = Node::start("node1", &shared, &[]).await;
    let gateway = Gateway::start(client(&[&node.uri])).await;

    let (status, made) = curl_post(gateway.address, "/api/v1/keygen", KEYGEN).await;
    assert_eq!((status, made["status"].as_str()), (200, Some("completed")));
    let key = made["public_key"].as_str().unwrap();
    let hash = "ab".repeat(32);
    let sign =
        format!(r#"{{"public_key": "{key}", "message_hash": "0x{hash}", "signers": ["node1", "node2"]}}"#);
    let (status, signed) = curl_post(gateway.address, "/api/v1/sign", &sign).await;
    assert_eq!(status, 200, "{signed}");
    assert_eq!(signed["committee"], serde_json::json!(["node1", "node2"]));
    assert_eq!(signed["signature"].as_str().unwrap().len(), 2 + 128);
    assert_eq!(signed["recovery_id"], serde_json::Value::Null);
    assert_eq!(shared.bodies.lock().unwrap()[1], sign, "the body is signed as it came");

    let session = format!("/api/v1/sessions/{}", made["session_id"].as_str().unwrap());
    for (path, pointer, expected) in [
        ("/api/v1/wallets", "/0/wallet_id", "w1"),
        ("/api/v1/wallets/w1", "/wallet_id", "w1"),
        (session.as_str(), "/result/keygen/wallet_id", "w1"),
        ("/api/v1/nodes", "/0/name", "node1"),
        ("/health", "/status", "ok"),
        ("/api/v1/health", "/status", "ok"),
    ] {
        let (status, body) = curl_get(gateway.address, path).await;
        assert_eq!((status, body.pointer(pointer).unwrap().as_str()), (200, Some(expected)), "{path}");
    }
    let (status, document) = curl_get(gateway.address, "/api/openapi.json").await;
    assert_eq!((status, document["openapi"].as_str()), (200, Some("3.1.0")));
    for path in ["/ready", "/api/v1/ready"] {
        let (status, body) = curl_get(gateway.address, path).await;
        assert_eq!((status, body["ready"].as_bool()), (200, Some(true)), "{path}");
    }
}

/// What `curl -N -H 'Accept: text/event-stream'` reads, as it comes.
async fn events(address: SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

async fn read_until(stream: &mut TcpStream, wanted: &str) -> String {
    let mut read = Vec::new();
    let reading = async {
        while !String::from_utf8_lossy(&read).contains(wanted) {
            assert_ne!(stream.read_buf(&mut read).await.unwrap(), 0, "{}", String::from_utf8_lossy(&read));
        }
    };
    tokio::time::timeout(Duration::from_secs(10), reading).await.expect("in time");
    String::from_utf8(read).unwrap()
}

#[tokio::test]
async fn events_pass_through_as_they_come() {
    let shared = Arc::new(Shared::default());
    let node = Node::start("node1", &shared, &[]).await;
    let mut gateway = Gateway::start(client(&[&node.uri])).await;
    let named = KEYGEN.replace('{', r#"{"session_id": "order-1", "#);
    let (status, taken) = curl_post(gateway.address, "/api/v1/keygen?wait=false", &named).await;
    assert_eq!((status, taken["status"].as_str()), (202, Some("running")));
    let (status, refused) = curl_post(gateway.address, "/api/v1/keygen?now=1", &named).await;
    assert_eq!((status, refused["code"].as_str()), (400, Some("malformed_request")));

    let path = "/api/v1/sessions/order-1";
    let mut followed = events(gateway.address, path).await;
    // The node holds back the last one.
    let head = read_until(&mut followed, "event: session").await;
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("content-type: text/event-stream"), "{head}");
    read_until(&mut followed, "\n:").await;
    shared.gate.notify_one();
    read_until(&mut followed, r#""status":"completed""#).await;
    let mut unknown = events(gateway.address, "/api/v1/sessions/order-2").await;
    assert!(read_until(&mut unknown, "unknown_session").await.starts_with("HTTP/1.1 404"));

    // One that would go on ends with the gateway.
    let mut followed = events(gateway.address, path).await;
    read_until(&mut followed, "event: session").await;
    drop(gateway.stop.take());
    tokio::time::timeout(Duration::from_secs(5), gateway.task).await.unwrap().unwrap().unwrap();
    let mut rest = String::new();
    followed.read_to_string(&mut rest).await.ok();
    assert!(!rest.contains("completed"));
}

#[tokio::test]
async fn the_page_of_the_api_is_served_under_a_strict_policy() {
    let node = Node::start("node1", &Arc::new(Shared::default()), &[]).await;
    let gateway = Gateway::start(client(&[&node.uri])).await;
    let mut docs = events(gateway.address, "/api/docs").await;
    let page = read_until(&mut docs, "</html>").await;
    assert!(page.contains("content-security-policy: default-src 'none'") && page.contains("unknown_wallet"));
}

#[tokio::test]
async fn a_callers_request_id_is_kept_and_a_repetition_gives_the_first_result() {
    let shared = Arc::new(Shared::default());
    let node = Node::start("node1", &shared, &[]).await;
    let gateway = Gateway::start(client(&[&node.uri])).await;
    let named = KEYGEN.replace('{', r#"{"session_id": "order-1", "#);
    let (_, first) = curl_post(gateway.address, "/api/v1/keygen", &named).await;
    assert_eq!(first["session_id"], "order-1");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let (status, again) = curl_post(gateway.address, "/api/v1/keygen", &named).await;
    assert_eq!((status, again), (200, first));
    assert_eq!(*shared.executed.lock().unwrap(), 1);
    let changed = named.replace(": 2", ": 3");
    let (status, conflict) = curl_post(gateway.address, "/api/v1/keygen", &changed).await;
    assert_eq!((status, conflict["code"].as_str()), (409, Some("request_conflict")));
    // Without an id, every request is a new one.
    curl_post(gateway.address, "/api/v1/keygen", KEYGEN).await;
    curl_post(gateway.address, "/api/v1/keygen", KEYGEN).await;
    assert_eq!(*shared.executed.lock().unwrap(), 3);
}

#[tokio::test]
async fn refusals_of_the_nodes_pass_through_unchanged() {
    let shared = Arc::new(Shared::default());
    let node = Node::start("node1", &shared, &[]).await;
    let gateway = Gateway::start(client(&[&node.uri])).await;
    let low = KEYGEN.replace(": 2", ": 1");
    let (status, body) = curl_post(gateway.address, "/api/v1/keygen", &low).await;
    assert_eq!((status, body["code"].as_str()), (400, Some("invalid_threshold")));
    assert!(body["session_id"].is_string() && body["message"].as_str().unwrap().contains("at least 2"));
    let short = r#"{"wallet_id": "w1", "message_hash": "0xab"}"#;
    let (status, body) = curl_post(gateway.address, "/api/v1/sign", short).await;
    assert_eq!((status, body["code"].as_str()), (400, Some("invalid_message")));
    let (status, body) = curl_post(gateway.address, "/api/v1/sign", r#"{"wallet": "w1"}"#).await;
    assert_eq!((status, body["code"].as_str()), (400, Some("malformed_request")));
    let (status, body) = curl_get(gateway.address, "/api/v1/wallets/nobody").await;
    assert_eq!((status, body["code"].as_str()), (404, Some("unknown_wallet")));
    node.faults.lock().unwrap().push_back(Fault::Unavailable);
    let (status, body) = curl_post(gateway.address, "/api/v1/keygen", KEYGEN).await;
    assert_eq!((status, body["code"].as_str()), (503, Some("not_enough_signers")));
}

#[tokio::test]
async fn what_is_no_request_is_refused_without_being_signed() {
    let shared = Arc::new(Shared::default());
    let node = Node::start("node1", &shared, &[]).await;
    let gateway = Gateway::start(client(&[&node.uri])).await;
    for bad in ["", "null", "[1]", "{", r#"{"session_id": "two words"}"#] {
        let (status, body) = curl_post(gateway.address, "/api/v1/sign", bad).await;
        assert_eq!((status, body["code"].as_str()), (400, Some("malformed_request")), "{bad}");
    }
    let (status, body) = curl_get(gateway.address, "/api/v1/nothing").await;
    assert_eq!((status, body["code"].as_str()), (404, Some("not_found")));
    let (status, body) = curl_get(gateway.address, "/api/v1/sign").await;
    assert_eq!((status, body["code"].as_str()), (405, Some("method_not_allowed")));
    let (status, body) = curl_get(gateway.address, &format!("/api/v1/wallets/{}", "x".repeat(600))).await;
    assert_eq!((status, body["code"].as_str()), (400, Some("malformed_request")));
    assert_eq!(*node.asked.lock().unwrap(), 0);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let shared = Arc::new(Shared::default());
    let node = Node::start("node1", &shared, &[]).await;
    let gateway = Gateway::start(client(&[&node.uri])).await;
    // As curl does: it asks before it sends that much.
    for length in [MAX_BODY_BYTES + 1, 10 * 1024 * 1024] {
        let address = gateway.address;
        let head = format!(
            "POST /api/v1/sign HTTP/1.1\r\nHost: {address}\r\nContent-Length: {length}\r\n\
             Expect: 100-continue\r\nConnection: close\r\n\r\n"
        );
        let (status, body) = raw(address, &head).await;
        assert_eq!((status, body["code"].as_str()), (413, Some("body_too_large")));
    }
    // Without announcing its length.
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let head = format!(
        "POST /api/v1/sign HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
        gateway.address
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("{:x}\r\n{}\r\n", 1 << 16, "x".repeat(1 << 16));
    for _ in 0..16 {
        stream.write_all(chunk.as_bytes()).await.unwrap();
    }
    let mut answer = vec![0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 413");
    // Exactly as much as is allowed goes through (and is no sign request).
    let fits = format!("{{\"x\":\"{}\"}}", "x".repeat(MAX_BODY_BYTES - 8));
    assert_eq!(fits.len(), MAX_BODY_BYTES);
    let (status, body) = curl_post(gateway.address, "/api/v1/sign", &fits).await;
    assert_eq!((status, body["code"].as_str()), (400, Some("malformed_request")));
    assert_eq!(*node.asked.lock().unwrap(), 1);
}

#[tokio::test]
async fn web_pages_can_not_sign() {
    let shared = Arc::new(Shared::default());
    let node = Node::start("node1", &shared, &[]).await;
    let gateway = Gateway::start(client(&[&node.uri])).await;
    let address = gateway.address;
    for (host, origin) in [
        (address.to_string(), "Origin: https://evil.example\r\n"),
        (address.to_string(), "Origin: null\r\n"),
        ("evil.example".to_owned(), ""),
    ] {
        let length = KEYGEN.len();
        let request = format!(
            "POST /api/v1/keygen HTTP/1.1\r\nHost: {host}\r\n{origin}Content-Type: text/plain\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n{KEYGEN}"
        );
        let (status, body) = raw(address, &request).await;
        assert_eq!((status, body["code"].as_str()), (403, Some("forbidden")), "{host} {origin}");
    }
    assert_eq!(*node.asked.lock().unwrap(), 0);
}

#[tokio::test]
async fn an_unreachable_cluster_is_a_502_that_names_the_request() {
    let dead = dead_end().await;
    let gateway = Gateway::start(client_with(&[&dead], RetryPolicy { attempts: 2, ..quick() })).await;
    let named = KEYGEN.replace('{', r#"{"session_id": "s1", "#);
    let (status, body) = curl_post(gateway.address, "/api/v1/keygen", &named).await;
    assert_eq!((status, body["code"].as_str()), (502, Some("cluster_unreachable")));
    assert_eq!(body["session_id"], "s1");
    let (status, body) = curl_get(gateway.address, "/health").await;
    assert_eq!((status, body["code"].as_str()), (502, Some("cluster_unreachable")));
}

#[tokio::test]
async fn garbage_on_the_port_is_harmless() {
    let shared = Arc::new(Shared::default());
    let node = Node::start("node1", &shared, &[]).await;
    let gateway = Gateway::start(client(&[&node.uri])).await;
    for garbage in [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc".as_slice(), &[0xff; 5000], b"GET\r\n\r\n"] {
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        let _ = stream.write_all(garbage).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
    }
    let (status, _) = curl_get(gateway.address, "/api/v1/wallets").await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn shutdown_lets_a_running_request_finish_and_closes_idle_connections() {
    let shared = Arc::new(Shared::default());
    let dying = Node::start("node1", &shared, &[Fault::Silent]).await;
    let node = Node::start("node2", &shared, &[]).await;
    let policy = RetryPolicy { work_timeout: Duration::from_millis(500), ..quick() };
    let mut gateway = Gateway::start(client_with(&[&dying.uri, &node.uri], policy)).await;
    let address = gateway.address;
    let _idle = TcpStream::connect(address).await.unwrap();
    let running = tokio::spawn(async move { curl_post(address, "/api/v1/keygen", KEYGEN).await });
    while *dying.asked.lock().unwrap() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    gateway.stop.take().unwrap().send(()).unwrap();
    assert_eq!(running.await.unwrap().0, 200);
    tokio::time::timeout(Duration::from_secs(5), gateway.task).await.unwrap().unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_gateway_serves_the_network_only_when_told_to() {
    let uri = "http://127.0.0.1:1".parse().unwrap();
    let listen = async || TcpListener::bind("0.0.0.0:0").await.unwrap();
    let error = gateway::serve(listen().await, client(&[&uri]), gateway::Access::default(), async {})
        .await
        .unwrap_err();
    assert!(error.to_string().contains("not a loopback address"), "{error}");
    let anybody = gateway::Access { networks: gateway::Networks::Any, ..gateway::Access::default() };
    gateway::serve(listen().await, client(&[&uri]), anybody, async {}).await.unwrap();
}

/// The status line and the header fields of an answer, in lower case, and its body.
async fn exchange(address: SocketAddr, headers: &str, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_lowercase(), body.to_owned())
}

#[tokio::test]
async fn a_gateway_with_tokens_serves_those_who_show_one() {
    use std::os::unix::fs::PermissionsExt as _;
    let node = Node::start("node1", &Arc::new(Shared::default()), &[]).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens");
    std::fs::write(&file, "the-token-of-the-back-end\nthe-token-of-the-front-end\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let tokens = Some(gateway::Tokens::from_file(&file).unwrap());
    let access = gateway::Access { tokens, ..gateway::Access::default() };
    let gateway = Gateway::with(client(&[&node.uri]), access).await;
    for (headers, path, status) in [
        ("", "/api/v1/wallets", "401"),
        ("Authorization: Bearer the-token-of-somebody\r\n", "/api/v1/wallets", "401"),
        ("Authorization: Basic dTpw\r\n", "/api/v1/wallets", "401"),
        ("Authorization: Bearer the-token-of-the-back-end\r\n", "/api/v1/wallets", "200"),
        ("Authorization: Bearer the-token-of-the-front-end\r\n", "/api/v1/wallets", "200"),
        (
            "Authorization: Bearer the-token-of-the-back-end\r\nOrigin: https://x\r\n",
            "/api/v1/wallets",
            "403",
        ),
        ("", "/api/v1/nothing", "401"),
        ("", "/health", "200"),
        ("", "/api/v1/ready", "200"),
        ("", "/api/openapi.json", "200"),
    ] {
        let (head, body) = exchange(gateway.address, headers, path).await;
        assert!(head.starts_with(&format!("http/1.1 {status}")), "{headers} {path}: {head}\n{body}");
        assert_eq!(body.contains(r#""code":"unsigned""#), status == "401", "{body}");
    }
    // The library shows one.
    let endpoint: quorate_client::Uri = format!("http://{}", gateway.address).parse().unwrap();
    let without = Client::builder(vec![endpoint.clone()]).gateway().unwrap();
    assert_eq!(without.wallets().await.unwrap_err().api().unwrap().code.as_str(), "unsigned");
    let token = quorate_client::BearerToken::new("the-token-of-the-front-end").unwrap();
    let with = Client::builder(vec![endpoint]).token(token).gateway().unwrap();
    assert_eq!(with.wallets().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_caller_that_asks_too_often_is_told_when_to_ask_again() {
    let node = Node::start("node1", &Arc::new(Shared::default()), &[]).await;
    // So slow that nothing is added while the test runs.
    let rate = gateway::Rate::new(1, Duration::from_secs(600), 2);
    let access = gateway::Access { rate, ..gateway::Access::default() };
    let gateway = Gateway::with(client(&[&node.uri]), access).await;
    for _ in 0..2 {
        assert!(exchange(gateway.address, "", "/api/v1/wallets").await.0.starts_with("http/1.1 200"));
    }
    let (head, body) = exchange(gateway.address, "", "/api/v1/wallets").await;
    assert!(head.starts_with("http/1.1 429") && body.contains("rate_limited"), "{head}\n{body}");
    let wait = head.lines().find_map(|line| line.strip_prefix("retry-after: ")).unwrap();
    assert!((500..=600).contains(&wait.parse::<u64>().unwrap()), "{wait}");
}

#[tokio::test]
async fn callers_from_other_networks_than_the_named_are_refused() {
    let node = Node::start("node1", &Arc::new(Shared::default()), &[]).await;
    for (networks, status) in [("10.0.0.0/8", "403"), ("10.0.0.0/8,127.0.0.1", "200"), ("any", "200")] {
        let access = gateway::Access { networks: networks.parse().unwrap(), ..gateway::Access::default() };
        let gateway = Gateway::with(client(&[&node.uri]), access).await;
        let (head, body) = exchange(gateway.address, "", "/api/v1/wallets").await;
        assert!(head.starts_with(&format!("http/1.1 {status}")), "{networks}: {head}\n{body}");
        assert_eq!(body.contains("forbidden"), status == "403", "{body}");
    }
}

#[tokio::test]
async fn a_node_that_asks_for_patience_is_asked_again_and_the_last_word_is_passed_on() {
    let shared = Arc::new(Shared::default());
    let node = Node::start("node1", &shared, &[Fault::Limited]).await;
    let gateway = Gateway::start(client(&[&node.uri])).await;
    let asked = std::time::Instant::now();
    assert!(exchange(gateway.address, "", "/api/v1/wallets").await.0.starts_with("http/1.1 200"));
    assert!(asked.elapsed() >= Duration::from_secs(1), "the time to wait was not waited for");
    assert_eq!(*node.asked.lock().unwrap(), 2);

    let busy = Node::start("node2", &shared, &[Fault::Limited]).await;
    let impatient = RetryPolicy { deadline: Duration::from_millis(500), ..quick() };
    let gateway = Gateway::start(client_with(&[&busy.uri], impatient)).await;
    let (head, body) = exchange(gateway.address, "", "/api/v1/wallets").await;
    assert!(head.starts_with("http/1.1 429") && head.contains("retry-after: 1"), "{head}");
    assert!(body.contains("rate_limited"), "{body}");
}
