//! Nodes that fall silent: alive for the operating system, dead for everybody else.

use std::time::Duration;

use quorate_client::RetryPolicy;
use quorate_request::{ErrorCode, SignRequest};
use quorate_tests::barrier::{Fate, Order};
use quorate_tests::cluster::sign;
use quorate_tests::{judge, report};

use crate::{cluster, observed};

const SECTION: &str = "A silent node (SIGSTOP, 5 nodes, 3 of 5)";
const COLUMNS: &[&str] = &["who is silent", "request", "observed"];

fn impatient() -> RetryPolicy {
    RetryPolicy {
        attempts: 30,
        work_timeout: Duration::from_secs(4),
        deadline: Duration::from_secs(40),
        ..RetryPolicy::default()
    }
}

#[tokio::test]
async fn another_signer_takes_over_from_a_silent_one() {
    report::columns(SECTION, COLUMNS);
    let cluster = cluster(5).start().await;
    let wallet = cluster.wallet("w", 3, 5, "ed25519").await.wallet_id;
    cluster.node(3).pause().await;
    let mut replaced = None;
    for number in 0..30 {
        let message = format!("message {number}").into_bytes();
        let signed = cluster.client_once(1).sign(sign(&wallet, &message)).await.unwrap();
        judge::check("ed25519", &message, &signed);
        assert!(!signed.committee.contains(&"node3".to_owned()), "a stopped node signed: {signed:?}");
        if !signed.absent.is_empty() {
            replaced = Some(signed);
            break;
        }
    }
    let signed = replaced.expect("node3 was never asked before it was noticed");
    assert_eq!(signed.absent, ["node3"]);
    assert_eq!(signed.attempt, 2);
    assert_eq!(signed.committee.len(), 3);
    assert!(signed.culprits.is_empty(), "silence proves nothing: {signed:?}");
    let seen = format!(
        "signed by {}, attempt {}, absent: {}",
        signed.committee.join(" "),
        signed.attempt,
        signed.absent.join(" ")
    );
    observed(SECTION, &["a signer", "signers left open", &seen]);

    let named = SignRequest {
        signers: Some(["node1", "node2", "node3"].map(str::to_owned).to_vec()),
        ..sign(&wallet, b"named")
    };
    let error = cluster.client_once(1).sign(named.clone()).await.unwrap_err();
    let body = error.api().unwrap_or_else(|| panic!("{error}"));
    assert_eq!(body.code, ErrorCode::NotEnoughSigners, "{error}");
    assert!(body.message.contains("node3"), "{error}");
    assert!(!body.message.contains("node2"), "an innocent is named: {error}");
    observed(
        SECTION,
        &["a signer", "it is named in signers", &format!("503 {}: {}", body.code, body.message)],
    );

    cluster.node(3).resume();
    cluster.ready().await;
    let signed = cluster.client(&[1]).sign(named).await.unwrap();
    judge::check("ed25519", b"named", &signed);
    observed(SECTION, &["nobody any more", "the same request again", "signed by those named"]);
}

#[tokio::test]
async fn the_client_goes_on_to_another_node_when_its_proposer_is_silent() {
    report::columns(SECTION, COLUMNS);
    let cluster = cluster(5).start().await;
    let wallet = cluster.wallet("w", 3, 5, "ed25519").await.wallet_id;
    for (step, when) in [("proposed", "after its proposal"), ("round-1", "in round 1")] {
        let mut done = false;
        for number in 0..40 {
            let id = format!("silent-{step}-{number}");
            let request =
                SignRequest { session_id: Some(id.parse().unwrap()), ..sign(&wallet, id.as_bytes()) };
            cluster.node(1).order(&Order::new(Fate::Stop, &format!("sign:{step}")));
            let signed =
                cluster.client_with(&[1, 2, 3, 4, 5], impatient()).sign(request.clone()).await.unwrap();
            judge::check("ed25519", id.as_bytes(), &signed);
            if cluster.node(1).withdraw() {
                continue;
            }
            assert!(!signed.committee.contains(&"node1".to_owned()), "{signed:?}");
            let seen = format!(
                "another node's answer: signed by {}, attempt {}",
                signed.committee.join(" "),
                signed.attempt
            );
            cluster.node(1).resume();
            cluster.ready().await;
            let again = cluster.client_with(&[1], impatient()).sign(request).await.unwrap();
            judge::check("ed25519", id.as_bytes(), &again);
            assert_eq!(again.signature, signed.signature, "the proposer has another result when it wakes up");
            observed(
                SECTION,
                &["the proposer", when, &format!("{seen}; the same at the proposer when it wakes up")],
            );
            done = true;
            break;
        }
        assert!(done, "node1 never came to sign:{step}");
    }
}
