//! A node is told to stop while it signs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use quorate_request::{Operation, SignRequest, SignResponse, paths};
use quorate_tests::cluster::sign;
use quorate_tests::raw::Draft;
use quorate_tests::{judge, report};
use serde_json::json;

use crate::{cluster, observed};

const SECTION: &str = "SIGTERM during signing (3 nodes, 2 of 3)";
const COLUMNS: &[&str] = &["load", "exit code", "observed"];

/// How many signatures of each kind of client there are to be before the node is told to stop, and of those that go on after.
const LOAD: usize = 12;
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) type Answered = Vec<(SignRequest, SignResponse)>;

pub(crate) async fn reaches(count: &AtomicUsize, wanted: usize) {
    let started = Instant::now();
    while count.load(Ordering::Relaxed) < wanted {
        assert!(started.elapsed() < PATIENCE, "{} signatures, not {wanted}", count.load(Ordering::Relaxed));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Signs one message after the other until told to stop, or refused; counts the signatures.
async fn keep_signing(
    client: quorate_client::Client,
    wallet: quorate_request::WalletId,
    name: String,
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
) -> (Answered, Option<String>) {
    let mut answered = Vec::new();
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let id = format!("{name}-{number}");
        let request = SignRequest { session_id: Some(id.parse().unwrap()), ..sign(&wallet, id.as_bytes()) };
        match client.sign(request.clone()).await {
            Ok(signed) => {
                answered.push((request, signed));
                count.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => return (answered, Some(error.to_string())),
        }
    }
    (answered, None)
}

#[tokio::test]
async fn no_acknowledged_signature_is_lost_when_a_node_is_told_to_stop() {
    report::columns(SECTION, COLUMNS);
    let cluster = cluster(3).start().await;
    let wallet = cluster.wallet("w", 2, 3, "ed25519").await.wallet_id;
    let stop = Arc::new(AtomicBool::new(false));
    let [count_at_it, count_anywhere] = [(); 2].map(|()| Arc::<AtomicUsize>::default());
    let load = |client, name: String, count: &Arc<AtomicUsize>| {
        tokio::spawn(keep_signing(client, wallet.clone(), name, Arc::clone(&stop), Arc::clone(count)))
    };
    let at_it: Vec<_> =
        (0..4).map(|number| load(cluster.client_once(1), format!("one-{number}"), &count_at_it)).collect();
    let anywhere: Vec<_> = (0..4)
        .map(|number| load(cluster.client(&[1, 2, 3]), format!("any-{number}"), &count_anywhere))
        .collect();
    reaches(&count_at_it, LOAD).await;
    reaches(&count_anywhere, LOAD).await;
    cluster.node(1).terminate();
    let status = cluster.node(1).ended().await;
    assert_eq!(status.code(), Some(0), "{status}; {}", cluster.node(1).log());
    let before = count_anywhere.load(Ordering::Relaxed);
    reaches(&count_anywhere, before + LOAD).await;
    stop.store(true, Ordering::Relaxed);

    let (mut own, mut all) = (Vec::new(), Vec::new());
    for task in at_it {
        own.extend(task.await.unwrap().0);
    }
    for task in anywhere {
        let (answered, failed) = task.await.unwrap();
        assert_eq!(failed, None, "a client with three nodes to ask was let down");
        all.extend(answered);
    }
    cluster.restart(1).await;
    for (request, first) in &own {
        let again = cluster.client(&[1]).sign(request.clone()).await.unwrap();
        assert_eq!(again.signature, first.signature, "an acknowledged result is lost");
    }
    for (request, first) in &all {
        let message = request.message.clone().unwrap();
        judge::check("ed25519", message.as_bytes(), first);
        let again = cluster.client(&[2]).sign(request.clone()).await.unwrap();
        assert_eq!(again.signature, first.signature, "an acknowledged result is lost");
    }
    let seen =
        format!("{} acknowledged signatures, all found again after the restart", own.len() + all.len());
    observed(SECTION, &["8 clients, 4 of them with other nodes to ask", "0", &seen]);
}

#[tokio::test]
async fn a_node_that_was_told_to_stop_sends_new_requests_elsewhere() {
    report::columns(SECTION, COLUMNS);
    let cluster = cluster(3).start().await;
    let wallet = cluster.wallet("w", 2, 3, "ed25519").await.wallet_id;
    cluster.known_everywhere(&wallet).await;
    // A signature that takes a while, since a signer that was named is silent at first.
    cluster.node(3).pause().await;
    let signers = Some(vec!["node1".to_owned(), "node3".to_owned()]);
    let slow = SignRequest { signers, ..sign(&wallet, b"slow") };
    let asking = tokio::spawn({
        let client = cluster.client_once(1);
        async move { client.sign(slow).await }
    });
    tokio::time::sleep(Duration::from_millis(400)).await;
    cluster.node(1).terminate();
    let started = Instant::now();
    let nothing = http::HeaderMap::new();
    loop {
        let ready = cluster.raw(1).http("GET", paths::READY, &nothing, b"").await;
        if ready.body.to_string().contains("shutting down") {
            assert_eq!(ready.status, 503, "{}", ready.body);
            break;
        }
        assert!(started.elapsed() < PATIENCE, "it never says that it stops");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for (operation, body) in [
        (Operation::Sign, json!({ "wallet_id": "w", "message": "0x01" })),
        (Operation::Keygen, json!({ "threshold": 2, "total": 2, "curve": "ed25519" })),
    ] {
        let id = format!("late-{operation}");
        let draft = Draft::new(operation, &id, body.to_string());
        let refused = cluster.raw(1).send(&draft).await;
        assert_eq!(refused.refusal(), "503 shutting_down", "{}", refused.message());
    }
    assert!(!asking.is_finished(), "it was to wait for node3");
    // A client with another node to ask does not notice, and its id is not used up.
    cluster.node(3).resume();
    let late = SignRequest { session_id: Some("passed-on".parse().unwrap()), ..sign(&wallet, b"passed on") };
    let signed = cluster.client(&[1, 2]).sign(late).await.unwrap();
    judge::check("ed25519", b"passed on", &signed);
    let slow = asking.await.unwrap().unwrap();
    judge::check("ed25519", b"slow", &slow);
    let status = cluster.node(1).ended().await;
    assert_eq!(status.code(), Some(0), "{status}; {}", cluster.node(1).log());
    let seen =
        "new requests there: 503 shutting_down, and another node signs; the one in progress is answered";
    observed(SECTION, &["a signature in progress, and new requests", "0", seen]);
}
