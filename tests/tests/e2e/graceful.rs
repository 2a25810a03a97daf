//! A node is told to stop while it signs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use quorate_request::{SignRequest, SignResponse};
use quorate_tests::cluster::sign;
use quorate_tests::{judge, report};

use crate::{cluster, observed};

const SECTION: &str = "SIGTERM during signing (3 nodes, 2 of 3)";
const COLUMNS: &[&str] = &["load", "exit code", "observed"];

type Answered = Vec<(SignRequest, SignResponse)>;

/// Signs one message after the other until told to stop, or refused; counts what went wrong.
async fn keep_signing(
    client: quorate_client::Client,
    wallet: quorate_request::WalletId,
    name: String,
    stop: Arc<AtomicBool>,
) -> (Answered, Option<String>) {
    let mut answered = Vec::new();
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let id = format!("{name}-{number}");
        let request = SignRequest { session_id: Some(id.parse().unwrap()), ..sign(&wallet, id.as_bytes()) };
        match client.sign(request.clone()).await {
            Ok(signed) => answered.push((request, signed)),
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
    let load =
        |client, name: String| tokio::spawn(keep_signing(client, wallet.clone(), name, Arc::clone(&stop)));
    let at_it: Vec<_> = (0..4).map(|number| load(cluster.client_once(1), format!("one-{number}"))).collect();
    let anywhere: Vec<_> =
        (0..4).map(|number| load(cluster.client(&[1, 2, 3]), format!("any-{number}"))).collect();
    tokio::time::sleep(Duration::from_millis(700)).await;
    cluster.node(1).terminate();
    let status = cluster.node(1).ended().await;
    assert_eq!(status.code(), Some(0), "{status}; {}", cluster.node(1).log());
    tokio::time::sleep(Duration::from_millis(700)).await;
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
    assert!(own.len() > 10 && all.len() > 10, "{} and {} signatures are no load", own.len(), all.len());
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
