//! Requests that nobody waits for, followed while they are worked on.

use std::time::Duration;

use quorate_client::Begun;
use quorate_request::{RequestStatus, SessionResult, SignRequest};
use quorate_tests::cluster::{keygen, sign};
use quorate_tests::{judge, report};

use crate::{cluster, observed};

const SECTION: &str = "Nobody waits for the answer (3 nodes, 2 of 3)";
const COLUMNS: &[&str] = &["asked", "observed"];

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
