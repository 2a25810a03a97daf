//! Bad input, of every kind, on every port. The node says what is wrong and goes on.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use quorate_request::{Operation, WalletId, paths};
use quorate_tests::cluster::sign;
use quorate_tests::node::NodeProcess;
use quorate_tests::raw::Draft;
use quorate_tests::{Cluster, judge, report};
use serde_json::{Value, json};

use crate::{cluster, gateway, observed};

const SECTION: &str = "Bad input (3 nodes)";
const COLUMNS: &[&str] = &["input", "observed", "message"];

struct Asker {
    cluster: Cluster,
    count: usize,
}

impl Asker {
    /// Sends a body as `operation`; it must be refused thus, with a message that says this.
    async fn refused(&mut self, what: &str, operation: Operation, body: &Value, wanted: &str, says: &str) {
        self.count += 1;
        let draft = Draft::new(operation, &format!("bad-{}", self.count), body.to_string());
        let reply = self.cluster.raw(self.count % 3 + 1).send(&draft).await;
        assert_eq!(reply.refusal(), wanted, "{what}: {}", reply.message());
        assert!(reply.message().contains(says), "{what}: {}", reply.message());
        observed(SECTION, &[what, wanted, reply.message()]);
    }

    async fn keygen(&mut self, what: &str, body: Value, wanted: &str, says: &str) {
        self.refused(what, Operation::Keygen, &body, wanted, says).await;
    }

    async fn sign(&mut self, what: &str, body: Value, wanted: &str, says: &str) {
        self.refused(what, Operation::Sign, &body, wanted, says).await;
    }

    async fn still_signs(&self, wallet: &WalletId) {
        for node in 1..=3 {
            let signed = self.cluster.client(&[node]).sign(sign(wallet, b"still here")).await.unwrap();
            judge::check("ed25519", b"still here", &signed);
        }
    }
}

#[tokio::test]
async fn bad_requests_are_refused_with_code_and_message() {
    report::columns(SECTION, COLUMNS);
    let cluster = cluster(3).start().await;
    let wallet = cluster.wallet("w", 2, 3, "ed25519").await.wallet_id;
    let mut ask = Asker { cluster, count: 0 };
    let pair = json!({ "threshold": 2, "total": 2, "curve": "ed25519", "wallet_id": "pair",
        "parties": ["node1", "node2"] });
    let made = ask.cluster.raw(1).send(&Draft::new(Operation::Keygen, "pair", pair.to_string())).await;
    assert_eq!(made.status, 200, "{}", made.body);

    let key =
        |threshold: u32, total: u32| json!({ "threshold": threshold, "total": total, "curve": "ed25519" });
    let threshold = "400 invalid_threshold";
    ask.keygen("t = 0", key(0, 3), threshold, "at least 2").await;
    ask.keygen("t = 1", key(1, 3), threshold, "at least 2").await;
    ask.keygen("t > n", key(4, 3), threshold, "4 of 3").await;
    ask.keygen("t below the majority", key(2, 5), threshold, "allow_minority_threshold").await;
    ask.keygen("n = 101", key(51, 101), threshold, "101").await;
    ask.keygen("t = n = 101", key(101, 101), threshold, "101").await;
    ask.keygen("n = 70000", key(2, 70_000), "400 malformed_request", "").await;
    ask.keygen("more holders than nodes", key(3, 4), threshold, "3 nodes").await;
    let with = |curve: &str, protocol: Value| json!({ "threshold": 2, "total": 3, "curve": curve, "protocol": protocol });
    ask.keygen("unknown curve", with("p999", Value::Null), "400 unsupported_curve", "p999").await;
    ask.keygen("unknown protocol", with("ed25519", json!("gg99")), "400 unsupported_protocol", "gg99").await;
    ask.keygen("planned protocol", with("secp256k1", json!("gg20")), "400 unsupported_protocol", "gg20")
        .await;
    ask.keygen(
        "protocol of other curves",
        with("ed25519", json!("cggmp21")),
        "400 unsupported_protocol",
        "not on ed25519",
    )
    .await;
    let named =
        |parties: Value| json!({ "threshold": 2, "total": 3, "curve": "ed25519", "parties": parties });
    ask.keygen("unknown holder", named(json!(["node1", "node2", "node9"])), "400 invalid_parties", "node9")
        .await;
    ask.keygen("repeated holder", named(json!(["node1", "node2", "node2"])), "400 invalid_parties", "2")
        .await;
    let mut taken = key(2, 3);
    taken["wallet_id"] = json!("w");
    ask.keygen("name of another wallet", taken, "409 wallet_exists", "w").await;
    let mut misspelt = key(2, 3);
    misspelt["treshold"] = json!(2);
    ask.keygen("unknown field", misspelt, "400 malformed_request", "treshold").await;
    ask.keygen("no object", json!([2, 3]), "400 malformed_request", "object").await;
    let mut other_id = key(2, 3);
    other_id["session_id"] = json!("another");
    ask.keygen("another id inside than outside", other_id, "400 malformed_request", "session_id").await;

    let hash =
        |length: usize| json!({ "wallet_id": "w", "message_hash": format!("0x{}", "11".repeat(length)) });
    for length in [0, 31, 33, 64] {
        let what = format!("hash of {length} bytes");
        ask.sign(&what, hash(length), "400 invalid_message", "32 bytes").await;
    }
    let with = |field: &str, value: Value| {
        let mut body = json!({ "wallet_id": "w", "message": "0x01" });
        body[field] = value;
        body
    };
    ask.sign(
        "unknown field of a signature",
        with("mesage", json!("0x01")),
        "400 malformed_request",
        "mesage",
    )
    .await;
    let tweak = json!({ "taprot": null });
    ask.sign("unknown field in a field", with("tweak", tweak), "400 malformed_request", "taprot").await;
    let long = Draft::new(Operation::Sign, "long", with(&"x".repeat(900_000), json!(1)).to_string());
    let reply = ask.cluster.raw(1).send(&long).await;
    assert_eq!(reply.refusal(), "400 malformed_request");
    assert!(reply.message().contains("unknown field `xxx") && reply.message().len() < 4096);
    observed(
        SECTION,
        &["unknown field of 900 kB", "400 malformed_request", "quoted by its beginning and its end"],
    );
    ask.sign("no 0x", with("message", json!("01")), "400 malformed_request", "0x").await;
    ask.sign(
        "hash and message",
        with("message_hash", hash(32)["message_hash"].clone()),
        "400 invalid_message",
        "one of",
    )
    .await;
    ask.sign("unknown wallet", with("wallet_id", json!("nobody")), "404 unknown_wallet", "").await;
    ask.sign("wallet named twice", with("public_key", json!("0x01")), "400 malformed_request", "one of")
        .await;
    let pair = json!({ "wallet_id": "pair", "message": "0x01", "signers": ["node1", "node3"] });
    ask.sign("signer outside the committee", pair, "400 invalid_signers", "node3").await;
    ask.sign("unknown signer", with("signers", json!(["node1", "node9"])), "400 invalid_signers", "node9")
        .await;
    ask.sign("repeated signer", with("signers", json!(["node1", "node1"])), "400 invalid_signers", "twice")
        .await;
    ask.sign("too few signers", with("signers", json!(["node1"])), "400 invalid_signers", "needs 2").await;
    ask.sign("hardened path", with("derivation_path", json!("m/0'")), "400 invalid_derivation_path", "")
        .await;
    ask.sign("no path", with("derivation_path", json!("m/x")), "400 invalid_derivation_path", "").await;
    ask.sign("Taproot tweak of Ed25519", with("tweak", json!({ "taproot": null })), "400 invalid_tweak", "")
        .await;

    let raw = ask.cluster.raw(1);
    let nothing = HeaderMap::new();
    // Queries: a node's, signed with it, and a gateway's, which signs what it is given and passes the refusal on.
    let (_gateway, served) = gateway::start(&ask.cluster, &["--listen", "127.0.0.1:0"]);
    let through = ask.cluster.raw_at(served["gateway"].as_str().unwrap().trim_start_matches("http://"));
    let body = with("wallet_id", json!("w")).to_string();
    for (target, says) in [
        ("/api/v1/sign?waitt=false", "`waitt`"),
        ("/api/v1/keygen?wait=false&x=1", "`x`"),
        ("/api/v1/wallets?afterr=w", "`afterr`"),
        ("/api/v1/wallets/w?x=1", "`x`"),
        ("/api/v1/sessions/pair?waitt=1", "`waitt`"),
        ("/api/v1/nodes?x", "`x`"),
    ] {
        let path = target.split('?').next().unwrap();
        let operation = match path {
            paths::SIGN => Operation::Sign,
            paths::KEYGEN => Operation::Keygen,
            _ => Operation::read(target).unwrap(),
        };
        let (method, body) = match operation {
            Operation::Read(_) => ("GET", ""),
            _ => ("POST", body.as_str()),
        };
        let signed = Draft::new(operation, "query", body).sign(&ask.cluster.initiator(), ask.cluster.id);
        let direct = raw.http(method, target, &signed.to_http(), body.as_bytes()).await;
        let passed = through.http(method, target, &nothing, body.as_bytes()).await;
        for reply in [&direct, &passed] {
            assert_eq!(reply.refusal(), "400 malformed_request", "{target}");
            assert!(reply.message().contains(says), "{target}: {}", reply.message());
        }
        assert_eq!(direct.message(), passed.message());
        let what = format!("{target}, at a node and a gateway");
        observed(SECTION, &[&what, "400 malformed_request", direct.message()]);
    }
    let misspelt = json!({ "threshold": 2, "total": 3, "curve": "ed25519", "treshold": 2 }).to_string();
    let reply = through.http("POST", paths::KEYGEN, &nothing, misspelt.as_bytes()).await;
    assert_eq!(reply.refusal(), "400 malformed_request");
    assert!(reply.message().contains("`treshold`"), "{}", reply.message());
    observed(SECTION, &["unknown field, at a gateway", "400 malformed_request", reply.message()]);
    let place = |what: &str, reply: quorate_tests::raw::Reply, wanted: &str| {
        assert_eq!(reply.refusal(), wanted, "{what}");
        observed(SECTION, &[what, wanted, reply.message()]);
    };
    place("unknown path", raw.http("GET", "/nowhere", &nothing, b"").await, "404 not_found");
    place("wrong method", raw.http("DELETE", paths::SIGN, &nothing, b"").await, "405 method_not_allowed");
    let huge = vec![b' '; 10 * 1024 * 1024];
    place("body of 10 MiB", raw.http("POST", paths::SIGN, &nothing, &huge).await, "413 body_too_large");
    place(
        "body of 10 MiB at a view",
        raw.http("GET", paths::NODES, &nothing, &huge).await,
        "413 body_too_large",
    );
    ask.still_signs(&wallet).await;
    observed(SECTION, &["after all of the above", "the nodes go on", "a signature through every node"]);

    for node in [2, 3] {
        ask.cluster.node(node).kill();
    }
    let reply = ask
        .cluster
        .raw(1)
        .send(&Draft::new(Operation::Sign, "few", with("wallet_id", json!("w")).to_string()))
        .await;
    assert_eq!(reply.refusal(), "503 not_enough_signers", "{}", reply.body);
    observed(SECTION, &["too few signers up", "503 not_enough_signers", reply.message()]);
    let ready = ask.cluster.raw(1).http("GET", paths::READY, &nothing, b"").await;
    assert_eq!((ready.status, &ready.body["ready"]), (503, &json!(false)), "{}", ready.body);
    for node in [2, 3] {
        ask.cluster.node(node).start();
    }
    ask.cluster.ready().await;
    ask.still_signs(&wallet).await;
}

/// The first bytes of a TLS connection.
fn client_hello() -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let mut connection =
        rustls::ClientConnection::new(Arc::new(config), "node1".try_into().unwrap()).unwrap();
    let mut hello = Vec::new();
    connection.write_tls(&mut hello).unwrap();
    hello
}

/// Sends bytes and reads what comes back, if anything does.
fn throw(address: &str, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(bytes).ok();
    stream.shutdown(std::net::Shutdown::Write).ok();
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        // Reset, when not all of it was read, is closed, too.
        Err(error) if error.kind() != std::io::ErrorKind::ConnectionReset => panic!("held open: {error}"),
        _ => answer,
    }
}

const CLOSED: &str = "closed";

/// What a port answered to garbage before it closed the connection.
fn answered(answer: &[u8]) -> String {
    match answer {
        [] => CLOSED.to_owned(),
        // The content type of a record, and the version of all records.
        [21, 3, ..] => "a TLS alert".to_owned(),
        [22, 3, ..] => "a TLS hello".to_owned(),
        _ => {
            let text = String::from_utf8_lossy(answer);
            let status = text.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.split(' ').next());
            status.map_or_else(|| text.clone().into_owned(), |status| format!("HTTP {status}"))
        }
    }
}

#[tokio::test]
async fn garbage_on_every_port_harms_nobody() {
    report::columns(SECTION, COLUMNS);
    let cluster = cluster(3).start().await;
    let wallet = cluster.wallet("w", 2, 3, "ed25519").await.wallet_id;
    let ask = Asker { cluster, count: 0 };
    let mut random = vec![0; 64 * 1024];
    rand_core::RngCore::fill_bytes(&mut rand_core::OsRng, &mut random);
    let get = b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n".as_slice();
    let hello = client_hello();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice();
    let api = [
        ("random bytes", random.as_slice()),
        ("a TLS hello", &hello),
        ("the start of HTTP/2", preface),
        ("nothing", b""),
        ("a zero byte", b"\0"),
        ("HTTP/9.9", b"POST / HTTP/9.9\r\n\r\n"),
    ];
    let peers = [
        ("random bytes", random.as_slice()),
        ("half a TLS hello", &hello[..hello.len() / 2]),
        ("a TLS hello", &hello),
        ("the start of HTTP/2", preface),
        ("HTTP/1.1", get),
        ("nothing", b""),
        ("a zero byte", b"\0"),
    ];
    for (port, address, all) in [
        ("API", (|node| &node.api) as fn(&NodeProcess) -> &String, &api[..]),
        ("peer", |node| &node.peers, &peers[..]),
    ] {
        for (what, garbage) in all {
            let nodes = ask.cluster.nodes().iter();
            let seen: BTreeSet<_> = nodes.map(|node| answered(&throw(address(node), garbage))).collect();
            let seen: Vec<_> = seen.into_iter().collect();
            let allowed: &[&str] = match port {
                "API" => &["HTTP 400", CLOSED],
                _ => &["a TLS alert", "a TLS hello", CLOSED],
            };
            assert!(seen.iter().all(|seen| allowed.contains(&seen.as_str())), "{what}: {seen:?}");
            let seen = seen.join(", or ");
            let seen = if seen == CLOSED { seen } else { format!("{seen}, then closed") };
            observed(SECTION, &[&format!("{what} on the {port} port"), &seen, "the node goes on"]);
        }
    }
    assert!(ask.cluster.nodes().iter().all(NodeProcess::is_running));
    ask.still_signs(&wallet).await;

    // A stranger is told so before it has sent its body.
    for node in ask.cluster.nodes() {
        let mut stream = TcpStream::connect(&node.api).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream.write_all(b"POST /api/v1/sign HTTP/1.1\r\nhost: x\r\ncontent-length: 900000\r\n\r\n").unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 401");
    }
    observed(SECTION, &["the head of an unsigned request, and no body", "401", "the body is not waited for"]);

    // Connections that are opened and say nothing, or half of something: at one API more than it takes at a time.
    let mut open = Vec::new();
    for (place, node) in ask.cluster.nodes().iter().enumerate() {
        let counts = [if place == 0 { 560 } else { 40 }, 40];
        for ((address, half), count) in
            [(&node.api, get), (&node.peers, hello.as_slice())].into_iter().zip(counts)
        {
            for number in 0..count {
                let mut stream = TcpStream::connect(address).unwrap();
                if number % 2 == 0 {
                    stream.write_all(&half[..half.len() / 2]).ok();
                }
                open.push(stream);
            }
        }
    }
    ask.still_signs(&wallet).await;
    // And nodes that have to find each other in the midst of it do.
    ask.cluster.restart(3).await;
    ask.still_signs(&wallet).await;
    drop(open);
    observed(
        SECTION,
        &[
            "40 half-open connections on every port, 560 on an API",
            "held, or closed to make room",
            "the nodes sign, and a restarted one comes back",
        ],
    );
}
