//! A policy on a running cluster: what it allows is signed, what it denies is refused by every node for itself, and nodes
//! with different policies don't sign together.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use quorate_client::ClientError;
use quorate_identity::key_file::{self, IdentityKind};
use quorate_keys::Principal;
use quorate_node::config::PassphraseSource;
use quorate_request::{ErrorCode, KeygenRequest, SignRequest, SignResponse, WalletId, WalletView};
use quorate_tests::node::NodeProcess;
use quorate_tests::{Cluster, judge, report};
use serde_json::json;

use crate::library::{assert_accepted, run, solana_element};
use crate::{cluster, observed as noted};

const SECTION: &str = "Policy (3 nodes, 2 of 3)";
const COLUMNS: &[&str] = &["asked", "observed", "message"];
/// Who gets the payments, and who must not.
pub(crate) const PAYEE: [u8; 32] = [9; 32];
const STRANGER: [u8; 32] = [8; 32];

fn observed(cells: &[&str]) {
    report::columns(SECTION, COLUMNS);
    // Of what succeeds there is no message.
    let cells: Vec<_> = cells.iter().copied().chain(["-"]).take(COLUMNS.len()).collect();
    noted(SECTION, &cells);
}

pub(crate) fn solana_address(key: &[u8]) -> String {
    run::<String>("make.js", &[json!({ "make": "solana-address", "key": hex::encode(key) })]).remove(0)
}

/// What the nodes are given. `second`: an initiator that may sign with wallet `other` alone.
fn policy(cluster: &Cluster, second: &Principal, limit: &str) -> String {
    let first = cluster.initiator().principal();
    let payee = solana_address(&PAYEE);
    format!(
        "version: 1\ncluster: \"{}\"\ninitiators:\n  backend: {{key: \"{first}\", operations: [keygen, sign, read]}}\n  \
         limited: {{key: \"{second}\", operations: [sign], wallets: [other-*]}}\nassets:\n  SOL: {{chain: solana}}\n\
         addresses:\n  payees: {{solana: [{payee}]}}\nrules:\n  - name: payments\n    wallets: [sol]\n    chains: [solana]\n    \
         destinations: [payees]\n    at_most: [{limit} SOL]\n    fee_at_most: [0.001 SOL]\n  - {{name: oracle, wallets: [oracle], raw: true}}\n",
        cluster.id
    )
}

/// Gives a node this policy, in place of what it had.
pub(crate) fn give(node: &NodeProcess, yaml: &str) {
    fs::write(node.folder.join("policy.yaml"), yaml).unwrap();
    let config = fs::read_to_string(node.config()).unwrap();
    let mut kept: Vec<&str> = Vec::new();
    let mut in_initiators = false;
    for line in config.lines() {
        in_initiators = line.starts_with("initiators:") || (in_initiators && line.starts_with('-'));
        if !in_initiators && !line.starts_with("policy_path:") {
            kept.push(line);
        }
    }
    fs::write(node.config(), format!("{}\npolicy_path: policy.yaml\n", kept.join("\n"))).unwrap();
}

/// A transfer as @solana/web3.js makes it.
pub(crate) fn payment(wallet: &WalletView, to: &[u8], lamports: u64) -> SignRequest {
    let element = json!({
        "make": "solana", "version": 0, "payer": hex::encode(wallet.public_key.as_bytes()), "lamports": lamports,
        "to": hex::encode(to),
    });
    let transaction = STANDARD.decode(run::<String>("make.js", &[element]).remove(0)).unwrap();
    SignRequest::transaction(wallet.wallet_id.clone(), "solana", transaction)
}

pub(crate) async fn wallet(cluster: &Cluster, name: &str) -> WalletView {
    let request = KeygenRequest {
        wallet_id: Some(name.parse().unwrap()),
        ..KeygenRequest::new(2, 3, quorate_keys::Curve::Ed25519)
    };
    let made = cluster.client(&[1]).keygen(request).await.unwrap();
    cluster.known_everywhere(&made.wallet_id).await;
    cluster.client(&[1]).wallet(&made.wallet_id).await.unwrap()
}

#[track_caller]
fn refused(what: &str, answer: Result<SignResponse, ClientError>, code: ErrorCode, words: &str) {
    let error = answer.unwrap_err();
    let body = error.api().unwrap_or_else(|| panic!("{what}: {error}"));
    assert_eq!(body.code, code, "{what}: {body:?}");
    assert!(body.message.contains(words), "{what}: {body:?}");
    observed(&[what, &format!("{} {code}", code.status().as_u16()), &body.message]);
}

fn second_initiator(folder: &Path) -> quorate_keys::SigningPrincipal {
    let passphrase = folder.join("initiator.passphrase");
    let passphrase = PassphraseSource::File(passphrase).read().unwrap();
    let file = folder.join("second.json");
    key_file::load(&file, IdentityKind::Initiator, &passphrase).unwrap()
}

#[tokio::test]
async fn nodes_sign_what_their_common_policy_allows_and_nothing_else() {
    let cluster = cluster(3).make().await;
    let passphrase = cluster.folder().join("initiator.passphrase");
    let second = cluster.folder().join("second.json");
    let generate = ["initiator", "generate", "--key-type", "p256", "--out", second.to_str().unwrap()];
    cluster
        .node(1)
        .program
        .succeed([&generate[..], &["--passphrase-file", passphrase.to_str().unwrap()]].concat())
        .await;
    let second = second_initiator(cluster.folder());
    let yaml = policy(&cluster, &second.principal(), "0.01");
    for node in cluster.nodes() {
        give(node, &yaml);
        node.start();
    }
    cluster.ready().await;
    let (sol, oracle) = (wallet(&cluster, "sol").await, wallet(&cluster, "oracle").await);

    for node in 1..=3 {
        let signed =
            cluster.client(&[node]).sign(payment(&sol, &PAYEE, 9_000_000 + node as u64)).await.unwrap();
        let bytes = signed.signed_transaction.as_ref().unwrap().as_bytes();
        assert_accepted(&["a payment".to_owned()], &[solana_element(bytes)]);
    }
    observed(&["a payment within the limits, of each node", "signed, accepted by @solana/web3.js"]);
    let client = cluster.client(&[2]);
    let denied = ErrorCode::PolicyDenied;
    refused(
        "a payment beyond the limit",
        client.sign(payment(&sol, &PAYEE, 10_000_000)).await,
        denied,
        "payments: 0.010005 SOL are more than 0.01 SOL at once, fee included",
    );
    refused(
        "a payment to a stranger",
        client.sign(payment(&sol, &STRANGER, 1)).await,
        denied,
        "is not among payees",
    );
    refused(
        "a payment of another wallet",
        client.sign(payment(&oracle, &PAYEE, 1)).await,
        denied,
        "it is about digests and messages",
    );
    let message = |wallet: &WalletId| SignRequest::message(wallet.clone(), b"an attestation".to_vec());
    refused(
        "a message of that wallet",
        client.sign(message(&sol.wallet_id)).await,
        denied,
        "this is a digest or message",
    );
    let signed = client.sign(message(&oracle.wallet_id)).await.unwrap();
    judge::check("ed25519", b"an attestation", &signed);
    observed(&["a message, where a rule allows it", "signed"]);

    // An initiator with a narrow scope, whose key is of P-256.
    let limited = |node: usize| {
        let endpoint = format!("http://{}", cluster.node(node).api).parse().unwrap();
        let key = second_initiator(cluster.folder());
        quorate_client::Client::new(vec![endpoint], cluster.id, key).unwrap()
    };
    let out = ErrorCode::OutOfScope;
    refused(
        "a wallet beyond the initiator's scope",
        limited(1).sign(payment(&sol, &PAYEE, 1)).await,
        out,
        "initiator limited may not ask for wallet sol",
    );
    let error = limited(2).wallets().await.unwrap_err();
    assert_eq!(error.api().unwrap().code, out);
    let error = limited(3).keygen(KeygenRequest::new(2, 3, quorate_keys::Curve::Ed25519)).await.unwrap_err();
    assert_eq!(error.api().unwrap().code, out);
    observed(&["a wallet made, and wallets read, beyond the initiator's scope", "403 out_of_scope"]);

    // Another policy at one node.
    let wider = policy(&cluster, &second.principal(), "1000");
    let odd = cluster.node(3);
    odd.terminate();
    assert!(odd.ended().await.success());
    give(odd, &wider);
    odd.start();
    cluster.ready().await;
    let by = |nodes: &[&str]| Some(nodes.iter().map(|node| (*node).to_owned()).collect::<Vec<_>>());
    let large = SignRequest { signers: by(&["node1", "node3"]), ..payment(&sol, &PAYEE, 500_000_000) };
    refused(
        "two policies: the node with the wider one is asked",
        cluster.client_once(3).sign(large).await,
        ErrorCode::NotEnoughSigners,
        "node1: signs under another policy",
    );
    let small = |lamports| SignRequest { signers: None, ..payment(&sol, &PAYEE, lamports) };
    for lamports in 1..=3 {
        let signed = cluster.client(&[1]).sign(small(lamports)).await.unwrap();
        assert_eq!(signed.committee, ["node1", "node2"]);
    }
    observed(&["two policies: a payment that both allow", "signed by the nodes that have the same"]);

    // A policy that is none, and one of another cluster.
    odd.terminate();
    assert!(odd.ended().await.success());
    for (what, yaml, words) in [
        ("unknown key", wider.replace("destinations", "destinatons"), "unknown field `destinatons`"),
        ("wrong unit", wider.replace("1000 SOL]", "1000 LAMPORT]"), "there is no asset \"LAMPORT\""),
        (
            "another cluster's",
            wider.replace(&cluster.id.to_string(), &format!("0x{}", "07".repeat(32))),
            "is the policy of cluster",
        ),
    ] {
        give(odd, &yaml);
        odd.start();
        let status = odd.ended().await;
        assert_eq!(status.code(), Some(3), "{what}");
        assert!(odd.log().contains(words), "{what}: {}", odd.log());
        observed(&[&format!("a node with a policy that is not accepted: {what}"), "exit 3", words]);
    }
}
