//! Requests that nobody waits for, followed while they are worked on.

use std::time::Duration;

use quorate_client::Begun;
use quorate_request::{RequestStatus, SessionResult, SignRequest};
use quorate_tests::cluster::{keygen, sign};
use quorate_tests::{judge, report};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::commands::{json, operate, succeed};
use crate::{cluster, observed};

const SECTION: &str = "Nobody waits for the answer (3 nodes, 2 of 3)";
const COLUMNS: &[&str] = &["asked", "observed"];

/// What a scraper reads.
pub(crate) async fn metrics(address: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /metrics HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn a_request_is_begun_followed_and_found_done() {
    report::columns(SECTION, COLUMNS);
    let cluster = cluster(3).start().await;
    let client = cluster.client(&[1]);
    let Begun::Running(id) = client.begin_keygen(keygen("w", 2, 3, "ed25519")).await.unwrap() else {
        panic!("done before it was begun");
    };
    let mut events = client.watch(&id).await.unwrap();
    let mut last = None;
    while let Some(view) = events.next().await.unwrap() {
        last = Some(view);
    }
    let Some(SessionResult::Keygen(wallet)) = last.unwrap().result else { panic!("no wallet") };
    assert_eq!(client.session(&id).await.unwrap().result, Some(SessionResult::Keygen(wallet.clone())));
    observed(SECTION, &["keygen", "202, then events up to the wallet"]);

    // A node that is stopped, not ended: the attempt with it takes a round's time.
    cluster.known_everywhere(&wallet.wallet_id).await;
    cluster.node(3).pause().await;
    let request =
        SignRequest { session_id: Some("s".parse().unwrap()), ..sign(&wallet.wallet_id, b"message") };
    assert_eq!(client.begin_sign(request.clone()).await.unwrap(), Begun::Running("s".parse().unwrap()));
    let mut events = client.watch(&"s".parse().unwrap()).await.unwrap();
    let mut seen = Vec::new();
    while let Some(view) = events.next().await.unwrap() {
        seen.push(view);
    }
    cluster.node(3).resume();
    let (last, before) = seen.split_last().unwrap();
    assert!(before.iter().all(|view| view.status == RequestStatus::Running));
    let Some(SessionResult::Sign(signed)) = &last.result else { panic!("no signature: {last:?}") };
    judge::check("ed25519", b"message", signed);
    assert_eq!(client.begin_sign(request).await.unwrap(), Begun::Completed(signed.clone()));
    observed(SECTION, &["sign, one node suspended", "202, then events up to the signature; a repeat: 200"]);

    let metrics = metrics(&cluster.node(1).api).await;
    for line in [
        r#"quorate_sessions_total{operation="keygen",outcome="completed"} 1"#,
        r#"quorate_sessions_total{operation="sign",outcome="completed"} 1"#,
        r#"quorate_peer_up{peer="node2"} 1"#,
        "quorate_wallets 1",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} is missing:\n{metrics}");
    }
    assert!(metrics.starts_with("HTTP/1.1 200") && metrics.contains("text/plain; version=0.0.4"));
    observed(SECTION, &["/metrics", "both requests, peers, wallets, store, process"]);

    // Events do not hold up a node that is told to stop.
    cluster.node(3).pause().await;
    cluster.node(2).pause().await;
    let request = SignRequest { session_id: Some("t".parse().unwrap()), ..sign(&wallet.wallet_id, b"more") };
    client.begin_sign(request).await.unwrap();
    let mut events = client.watch(&"t".parse().unwrap()).await.unwrap();
    assert_eq!(events.next().await.unwrap().unwrap().status, RequestStatus::Running);
    cluster.node(1).terminate();
    let ended = tokio::time::timeout(Duration::from_secs(25), cluster.node(1).ended()).await;
    assert_eq!(ended.expect("in time").code(), Some(0));
    observed(SECTION, &["SIGTERM, with events open", "exit code 0"]);
}

/// The lines of JSON that a command printed.
fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_command_that_does_not_wait_is_followed_by_another() {
    report::columns(SECTION, COLUMNS);
    let cluster = cluster(3).start().await;
    let create = ["wallet", "create", "--threshold", "2", "--total", "3", "--id", "w", "--session-id", "k"];
    let taken = json(&cluster, &[&create[..], &["--no-wait"]].concat()).await;
    assert_eq!(taken, json!({ "session_id": "k", "status": "running" }));
    let states = lines(&succeed(&cluster, &["session", "watch", "k", "--json"]).await);
    let made = &states.last().unwrap()["result"]["keygen"];
    assert_eq!(&json(&cluster, &create).await, made, "a repeat that waits");
    assert_eq!(&json(&cluster, &[&create[..], &["--no-wait"]].concat()).await, made, "one that need not");
    assert!(
        succeed(&cluster, &["session", "show", "k"]).await.contains(made["public_key"].as_str().unwrap())
    );
    observed(SECTION, &["wallet create --no-wait, session watch", "the wallet, as a repeat gives it"]);

    // The node that takes the request is not the first that is asked what became of it.
    let second = format!("http://{}", cluster.node(2).api);
    cluster.node(3).pause().await;
    let sign = ["sign", "--wallet", "w", "--message", "pay", "--session-id", "s", "--signers", "node2,node1"];
    let taken = succeed(&cluster, &[&sign[..], &["--no-wait", "--api", &second]].concat()).await;
    assert!(taken.contains("session     s"), "{taken}");
    let states = lines(&succeed(&cluster, &["session", "watch", "s", "--json"]).await);
    cluster.node(3).resume();
    let (last, before) = states.split_last().unwrap();
    assert!(before.iter().all(|state| state["status"] == "running"), "{states:?}");
    // Verified, and not signed again.
    assert_eq!(json(&cluster, &sign).await["signature"], last["result"]["sign"]["signature"]);
    observed(
        SECTION,
        &["sign --no-wait at one node, session watch at all", "the signature, as a repeat gives it"],
    );

    // A transfer of one lamport to key 9. The repeat verifies it and writes it down.
    let key = made["public_key"].as_str().unwrap().trim_start_matches("0x");
    let (to, system, hash) = ("09".repeat(32), "00".repeat(32), "07".repeat(32));
    let head = format!("01{}8001000103", "00".repeat(64));
    let instruction = "01020200010c02000000010000000000000000";
    let file = |name: &str| cluster.folder().join(name).to_str().unwrap().to_owned();
    let (unsigned, out) = (file("unsigned"), file("signed"));
    std::fs::write(&unsigned, format!("{head}{key}{to}{system}{hash}{instruction}")).unwrap();
    let sign =
        ["sign", "--wallet", "w", "--chain", "solana", "--tx", &unsigned, "--session-id", "t", "--yes"];
    let taken = operate(&cluster, &[&sign[..], &["--no-wait"]].concat()).await;
    assert!(taken.stdout.contains("session     t") && taken.stderr.contains("pays"), "{}", taken.stderr);
    let states = lines(&succeed(&cluster, &["session", "watch", "t", "--json"]).await);
    let told = &states.last().unwrap()["result"]["sign"];
    let signed = json(&cluster, &[&sign[..], &["--out", &out]].concat()).await;
    assert_eq!(signed["signed_transaction"], told["signed_transaction"]);
    assert_eq!(format!("0x{}", hex::encode(std::fs::read(&out).unwrap())), signed["signed_transaction"]);
    observed(
        SECTION,
        &["a transaction, likewise", "explained, signed once, written and verified by the repeat"],
    );

    let sign = ["sign", "--wallet", "none", "--message", "pay", "--session-id", "f"];
    let waited = operate(&cluster, &[&sign[..], &["--json"]].concat()).await;
    succeed(&cluster, &[&sign[..], &["--no-wait"]].concat()).await;
    let watched = operate(&cluster, &["session", "watch", "f", "--json"]).await;
    assert_eq!((waited.code, watched.code), (Some(4), Some(4)), "{}", watched.stderr);
    assert_eq!(lines(&waited.stderr), lines(&watched.stderr));
    assert_eq!(lines(&watched.stdout).last().unwrap()["status"], "failed");
    observed(SECTION, &["the same of what fails", "exit code and error of the command that waits"]);
    let unknown = operate(&cluster, &["session", "watch", "nobody's"]).await;
    assert_eq!(unknown.code, Some(4), "{}", unknown.stderr);
    assert!(unknown.stderr.contains("unknown_session") && unknown.stderr.contains("--session-id"));
    observed(SECTION, &["session watch of an id that nobody knows", "exit code 4, and where to ask"]);
}
