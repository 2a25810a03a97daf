//! `quorate gateway`, for callers who can't sign.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use quorate_request::{Operation, SignRequest, paths};
use quorate_tests::barrier::{Fate, Order};
use quorate_tests::cluster::sign;
use quorate_tests::raw::{Draft, Reply};
use quorate_tests::{Cluster, judge, report};
use serde_json::{Value, json};

use crate::local::Dev;
use crate::{cluster, observed, program};

const SECTION: &str = "A gateway (3 nodes)";
const COLUMNS: &[&str] = &["what", "observed"];

/// The options that every gateway of a cluster has.
fn options(cluster: &Cluster) -> Vec<String> {
    let api: Vec<_> = cluster.nodes().iter().map(|node| format!("http://{}", node.api)).collect();
    [vec!["--api".to_owned(), api.join(",")], keyed(cluster)].concat()
}

/// The options of who signs his requests.
pub(crate) fn keyed(cluster: &Cluster) -> Vec<String> {
    let file = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let options = [
        "--initiator",
        &file(&cluster.initiator_file),
        "--peers",
        &file(&cluster.peers_file),
        "--passphrase-file",
        &file(&cluster.folder().join("initiator.passphrase")),
    ];
    options.map(str::to_owned).into()
}

pub(crate) fn start(cluster: &Cluster, arguments: &[&str]) -> (Dev, Value) {
    let mut command = program().command();
    command.arg("gateway").args(options(cluster)).args(arguments).arg("--json");
    let mut gateway = Dev::spawn(command);
    let served = serde_json::from_str(&gateway.read_to("\n")).unwrap();
    (gateway, served)
}

/// The status of an answer to a request with these headers.
fn status(address: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(stream, "GET /api/v1/wallets HTTP/1.1\r\n{headers}connection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().to_owned()
}

/// The answer to a body that is posted.
fn posted(address: &str, path: &str, body: &Value) -> Value {
    let body = body.to_string();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let length = body.len();
    let head = format!("host: {address}\r\ncontent-type: application/json\r\ncontent-length: {length}");
    write!(stream, "POST {path} HTTP/1.1\r\n{head}\r\nconnection: close\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[tokio::test]
async fn a_gateway_signs_for_those_who_can_reach_it_and_ends_gracefully() {
    report::columns(SECTION, COLUMNS);
    let cluster = cluster(3).setting("reshare_without_authorizers", "true").start().await;
    let (gateway, served) = start(&cluster, &["--listen", "127.0.0.1:0"]);
    assert_eq!(served["callers"], "loopback", "{served}");
    assert_eq!(served["cluster"], cluster.id.to_string());
    assert_eq!(served["initiator"], cluster.initiator().principal().to_string());
    assert_eq!(served["nodes"].as_array().unwrap().len(), 3);
    let url = served["gateway"].as_str().unwrap();
    let create = ["wallet", "create", "--threshold", "2", "--total", "3", "--id", "w", "--api", url];
    program().succeed(create).await;
    program().succeed(["sign", "--wallet", "w", "--message", "hello", "--api", url]).await;
    observed(SECTION, &["a caller without a key makes a wallet and signs", "done"]);

    let address = url.trim_start_matches("http://");
    assert_eq!(status(address, &format!("host: {address}\r\n")), "200");
    assert_eq!(status(address, &format!("host: {address}\r\norigin: http://{address}\r\n")), "403");
    assert_eq!(status(address, "host: rebound.example\r\n"), "403");
    observed(SECTION, &["a web page asks, or a foreign name leads there", "403"]);

    // The first node is gone: the others are asked.
    cluster.node(1).kill();
    let signed = program().succeed(["sign", "--wallet", "w", "--message", "x", "--api", url, "--json"]).await;
    assert_eq!(serde_json::from_str::<Value>(&signed).unwrap()["status"], "completed");
    observed(SECTION, &["the first of its nodes is killed", "the next one is asked"]);
    cluster.restart(1).await;
    cluster.ready().await;

    let refreshed = posted(address, paths::REFRESH, &json!({"wallet_id": "w"}));
    assert_eq!((&refreshed["epoch"], &refreshed["threshold"]), (&json!(1), &json!(2)), "{refreshed}");
    let changed = posted(address, paths::REFRESH, &json!({"wallet_id": "w", "new_threshold": 3}));
    assert_eq!((&changed["epoch"], &changed["threshold"]), (&json!(2), &json!(3)), "{changed}");
    let parties = json!({"wallet_id": "w", "new_threshold": 2, "new_parties": ["node1", "node2", "node3"]});
    let changed = posted(address, paths::REFRESH, &parties);
    assert_eq!((&changed["epoch"], &changed["threshold"]), (&json!(3), &json!(2)), "{changed}");
    observed(SECTION, &["a refresh that says how many sign afterwards", "a resharing"]);

    // A signature that takes a while, since a signer that was named is silent at first.
    cluster.node(3).pause().await;
    let asked = SignRequest {
        signers: Some(vec!["node2".into(), "node3".into()]),
        ..sign(&"w".parse().unwrap(), b"last")
    };
    let client =
        quorate_client::Client::new(vec![url.parse().unwrap()], cluster.id, cluster.initiator()).unwrap();
    let asking = tokio::spawn(async move { client.sign(asked).await });
    tokio::time::sleep(Duration::from_millis(400)).await;
    let ending = tokio::spawn(gateway.interrupt());
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert!(!asking.is_finished(), "it was to wait for node3");
    assert!(TcpStream::connect(address).is_err(), "nobody new is let in");
    cluster.node(3).resume();
    let signed = asking.await.unwrap().unwrap();
    judge::check("ed25519", b"last", &signed);
    assert_eq!(ending.await.unwrap(), Some(0));
    observed(SECTION, &["SIGINT while it waits for a signature", "the signature is delivered, then exit 0"]);
}

/// A session whose node is gone: the next one does not know how it ended, and says what tells.
#[tokio::test]
async fn a_session_is_looked_for_through_a_gateway_after_its_node_has_died() {
    report::columns(SECTION, COLUMNS);
    let cluster = cluster(3).start().await;
    let wallet = cluster.wallet("w", 2, 3, "ed25519").await.wallet_id;
    cluster.known_everywhere(&wallet).await;
    let (_gateway, served) = start(&cluster, &["--listen", "127.0.0.1:0"]);
    let through = cluster.raw_at(served["gateway"].as_str().unwrap().trim_start_matches("http://"));
    let body =
        json!({ "session_id": "order", "wallet_id": "w", "message": "0x01", "signers": ["node2", "node3"] });
    let (body, nothing) = (body.to_string(), http::HeaderMap::new());
    let path = format!("{}/order", paths::SESSIONS);
    let look = async || through.http("GET", &path, &nothing, b"").await;
    let unknown = |reply: Reply| {
        assert_eq!(reply.refusal(), "404 unknown_session");
        assert!(reply.message().contains("repeat the request under its id"), "{}", reply.message());
    };

    // The first node is asked, and both signers begin; then one that was named falls silent.
    cluster.node(3).order(&Order::new(Fate::Stop, "sign:started"));
    let begin = paths::without_waiting(paths::SIGN);
    let taken = through.http("POST", &begin, &nothing, body.as_bytes()).await;
    assert_eq!((taken.status, &taken.body["status"]), (202, &json!("running")), "{}", taken.body);
    let asked = Instant::now();
    while !cluster.node(3).is_order_done() {
        assert!(asked.elapsed() < Duration::from_secs(20), "it does not begin");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // The other one makes the request durable as it begins.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let running = look().await;
    assert_eq!((running.status, &running.body["status"]), (200, &json!("running")), "{}", running.body);
    cluster.node(1).kill();
    unknown(look().await);
    observed(
        SECTION,
        &["a session, after the node that took it was killed", "404, told to repeat the request"],
    );

    // It is as it was told.
    cluster.node(3).resume();
    let signed = through.http("POST", paths::SIGN, &nothing, body.as_bytes()).await;
    assert_eq!((signed.status, &signed.body["status"]), (200, &json!("completed")), "{}", signed.body);
    let ended = look().await;
    assert_eq!((ended.status, &ended.body["status"]), (200, &json!("completed")), "{}", ended.body);
    assert_eq!(ended.body["result"]["sign"]["signature"], signed.body["signature"]);
    // The node that took it has forgotten it, and says the same as any other that does not know.
    cluster.restart(1).await;
    let view = Draft::new(Operation::read(&path).unwrap(), "view", "");
    unknown(cluster.raw(1).send(&view).await);
    let repeated = Draft::new(Operation::Sign, "order", body.as_str());
    let repeated = cluster.raw(1).send(&repeated).await;
    assert_eq!(repeated.body["signature"], signed.body["signature"], "{}", repeated.body);
    assert_eq!(cluster.raw(1).send(&view).await.body["status"], "completed");
    observed(
        SECTION,
        &["the request, repeated there and at the node that forgot it", "one signature, shown by both"],
    );
}

#[tokio::test]
async fn a_gateway_is_for_this_machine_unless_told_otherwise() {
    report::columns(SECTION, COLUMNS);
    let cluster = cluster(3).start().await;
    let gateway = |arguments: &[&str]| {
        let arguments: Vec<_> = arguments.iter().map(|word| (*word).to_owned()).collect();
        [vec!["gateway".to_owned()], options(&cluster), arguments].concat()
    };
    for listen in ["0.0.0.0:0", "[::]:0", "10.1.2.3:8080"] {
        let refused = program().run(gateway(&["--listen", listen])).await;
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""), "{}", refused.stderr);
        assert!(refused.stderr.contains("--allow-from"), "{}", refused.stderr);
        let refused = program().run(gateway(&["--listen", listen, "--allow-from", "10.0.0.0/8"])).await;
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""), "{}", refused.stderr);
        assert!(refused.stderr.contains("--token-file"), "{}", refused.stderr);
    }
    observed(
        SECTION,
        &["an address that is not this machine's alone", "exit 2, names --allow-from and --token-file"],
    );
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().map(|address| (taken, address.to_string())).unwrap();
    let refused = program().run(gateway(&["--listen", &taken.1])).await;
    assert_eq!(refused.code, Some(3), "{}", refused.stderr);
    assert!(refused.stderr.contains(&taken.1) && refused.stderr.contains("--listen"), "{}", refused.stderr);

    let (gateway, served) = start(&cluster, &["--listen", "0.0.0.0:0", "--allow-from", "any", "--no-token"]);
    assert_eq!(served["callers"], "any", "{served}");
    let port = served["gateway"].as_str().unwrap().rsplit(':').next().unwrap();
    assert_eq!(status(&format!("127.0.0.1:{port}"), "host: gateway.internal\r\n"), "200");
    assert_eq!(gateway.interrupt().await, Some(0));
    observed(SECTION, &["--allow-from any --no-token", "serves under any name"]);
}
