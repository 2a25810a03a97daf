//! Who may ask for what, and what a repeated request gets.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use quorate_keys::{KeyType, SigningPrincipal};
use quorate_request::{ClusterId, Operation, SignedRequest, paths};
use quorate_tests::raw::{Draft, Reply};
use quorate_tests::{Cluster, report};
use rand_core::OsRng;
use serde_json::json;

use crate::{cluster, observed};

const SECTION: &str = "Requests that nobody may make, or makes again (3 nodes)";
const COLUMNS: &[&str] = &["request", "sent to", "observed"];

fn draft(id: &str, wallet: &str, message: &str) -> Draft {
    let body = json!({ "wallet_id": wallet, "message": message }).to_string();
    Draft::new(Operation::Sign, id, body)
}

/// The fields of a request that is valid for a second more, signed as another program would sign it: ours does not sign what
/// no node takes.
fn prolonged(request: &SignedRequest, initiator: &SigningPrincipal) -> HeaderMap {
    let mut fields = request.to_http();
    let text = |fields: &HeaderMap, name: &str| fields[name].to_str().unwrap().to_owned();
    let input = text(&fields, "signature-input");
    let expires = input.split("expires=").nth(1).unwrap().split(';').next().unwrap().to_owned();
    let later = (expires.parse::<u64>().unwrap() + 1).to_string();
    let input = input.replace(&format!("expires={expires}"), &format!("expires={later}"));
    let covered = ["content-digest", "quorate-cluster", "quorate-operation"];
    let lines: String = covered.iter().map(|name| format!("\"{name}\": {}\n", text(&fields, name))).collect();
    let parameters = input.strip_prefix("initiator=").unwrap();
    let signature = initiator.sign(format!("{lines}\"@signature-params\": {parameters}").as_bytes());
    fields.insert("signature", format!("initiator=:{}:", STANDARD.encode(signature)).parse().unwrap());
    fields.insert("signature-input", input.parse().unwrap());
    fields
}

async fn refused(cluster: &Cluster, what: &str, request: &SignedRequest, wanted: &str) {
    for node in 1..=3 {
        let reply = cluster.raw(node).send_signed(request).await;
        assert_eq!(reply.refusal(), wanted, "{what} at node{node}: {}", reply.message());
    }
    observed(SECTION, &[what, "every node", wanted]);
}

#[tokio::test]
async fn what_no_initiator_signed_is_refused_by_every_node() {
    report::columns(SECTION, COLUMNS);
    let cluster = cluster(3).start().await;
    let wallet = cluster.wallet("w", 2, 3, "ed25519").await.wallet_id;
    let (initiator, id) = (cluster.initiator(), cluster.id);
    let genuine = draft("genuine", wallet.as_str(), "0x01").sign(&initiator, id);
    let headers = genuine.to_http();

    for node in 1..=3 {
        let raw = cluster.raw(node);
        let unsigned = raw.http("POST", paths::SIGN, &HeaderMap::new(), genuine.body()).await;
        assert_eq!(unsigned.refusal(), "401 unsigned");
        let read = raw.http("GET", paths::WALLETS, &HeaderMap::new(), b"").await;
        assert_eq!(read.refusal(), "401 unsigned");

        let body = genuine.body().iter().map(|byte| if *byte == b'1' { b'2' } else { *byte });
        let tampered = raw.http("POST", paths::SIGN, &headers, &body.collect::<Vec<_>>()).await;
        assert_eq!(tampered.refusal(), "401 digest_mismatch");

        // A consistent forgery: another body with its own digest, under the old signature.
        let other = draft("genuine", wallet.as_str(), "0x02").sign(&initiator, id);
        let mut forged = headers.clone();
        forged.insert("content-digest", other.to_http()["content-digest"].clone());
        let reply = raw.http("POST", paths::SIGN, &forged, other.body()).await;
        assert_eq!(reply.refusal(), "401 bad_signature");

        for (field, value) in [("quorate-operation", "keygen"), ("quorate-operation", "read:/api/v1/wallets")]
        {
            let mut forged = headers.clone();
            forged.insert(field, HeaderValue::from_static(value));
            let path = if value == "keygen" { paths::KEYGEN } else { paths::WALLETS };
            let method = if value == "keygen" { "POST" } else { "GET" };
            assert_eq!(raw.http(method, path, &forged, genuine.body()).await.refusal(), "401 bad_signature");
        }
        let input = headers["signature-input"].to_str().unwrap().replace("genuine", "another");
        let mut forged = headers.clone();
        forged.insert("signature-input", input.parse().unwrap());
        assert_eq!(
            raw.http("POST", paths::SIGN, &forged, genuine.body()).await.refusal(),
            "401 bad_signature"
        );
    }
    observed(SECTION, &["unsigned", "every node", "401 unsigned"]);
    observed(SECTION, &["body changed", "every node", "401 digest_mismatch"]);
    observed(SECTION, &["body and digest, operation, or id changed", "every node", "401 bad_signature"]);
    altered_on_the_way(&cluster, wallet.as_str()).await;

    let stranger = SigningPrincipal::generate(KeyType::P256, &mut OsRng);
    let message = wallet.as_str();
    let sign_at =
        |name: &str, created, expires| draft(name, message, "0x01").at(created, expires).sign(&initiator, id);
    refused(&cluster, "expired", &sign_at("old", -600, -300), "401 expired").await;
    refused(&cluster, "not yet valid", &sign_at("early", 600, 900), "401 not_yet_valid").await;
    let lasting = draft("lasting", message, "0x01").at(0, 3600).sign(&initiator, id);
    for node in 1..=3 {
        let send =
            async |headers| cluster.raw(node).http("POST", paths::SIGN, &headers, lasting.body()).await;
        let longer = prolonged(&lasting, &initiator);
        assert_eq!(send(longer).await.refusal(), "401 lifetime_too_long", "node{node}");
    }
    observed(SECTION, &["valid for more than an hour", "every node", "401 lifetime_too_long"]);
    let strange = draft("strange", message, "0x01").sign(&stranger, id);
    refused(&cluster, "by an unknown initiator", &strange, "401 unknown_initiator").await;
    let elsewhere = draft("elsewhere", message, "0x01").sign(&initiator, ClusterId::generate(&mut OsRng));
    refused(&cluster, "for another cluster", &elsewhere, "401 wrong_cluster").await;

    for node in 1..=3 {
        let raw = cluster.raw(node);
        let sent = raw.http("POST", paths::KEYGEN, &headers, genuine.body()).await;
        assert_eq!(sent.refusal(), "401 other_operation");
        let read = Draft::new(Operation::read(paths::WALLETS).unwrap(), "read", "").sign(&initiator, id);
        let sent = raw.http("GET", paths::NODES, &read.to_http(), b"").await;
        assert_eq!(sent.refusal(), "401 other_operation");
        let sent = raw.http("GET", "/api/v1/wallets?all=1", &read.to_http(), b"").await;
        assert_eq!(sent.refusal(), "401 other_operation");
    }
    observed(SECTION, &["signed for another operation or path", "every node", "401 other_operation"]);

    // None of all this used up the id.
    let reply = cluster.raw(2).send_signed(&genuine).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
}

/// A gateway, a proxy or the node that is asked alters what a client has signed: in the body alone, and with a digest that fits.
async fn altered_on_the_way(cluster: &Cluster, wallet: &str) {
    let body = json!({
        "wallet_id": wallet, "chain": "solana", "transaction": "0x01", "derivation_path": "m/1", "signers": ["node1", "node2"],
    });
    let signed =
        Draft::new(Operation::Sign, "altered", body.to_string()).sign(&cluster.initiator(), cluster.id);
    let fields = signed.to_http();
    for (what, field, value) in [
        ("the transaction", "transaction", json!("0x02")),
        ("the path", "derivation_path", json!("m/2")),
        ("the signers", "signers", json!(["node2", "node3"])),
        ("the chain", "chain", json!("solana-devnet")),
    ] {
        let mut other = body.clone();
        other[field] = value;
        let other = other.to_string();
        let digest =
            Draft::new(Operation::Sign, "altered", other.clone()).sign(&cluster.initiator(), cluster.id);
        let mut fitting = fields.clone();
        fitting.insert("content-digest", digest.to_http()["content-digest"].clone());
        for node in 1..=3 {
            let raw = cluster.raw(node);
            let reply = raw.http("POST", paths::SIGN, &fields, other.as_bytes()).await;
            assert_eq!(reply.refusal(), "401 digest_mismatch", "{what} at node{node}");
            let reply = raw.http("POST", paths::SIGN, &fitting, other.as_bytes()).await;
            assert_eq!(reply.refusal(), "401 bad_signature", "{what} at node{node}");
        }
        let what = format!("{what} altered by a gateway, without and with its digest");
        observed(SECTION, &[&what, "every node", "401 digest_mismatch, bad_signature"]);
    }
    let input = fields["signature-input"].to_str().unwrap();
    let expires = input.split("expires=").nth(1).unwrap().split(';').next().unwrap();
    let later = (expires.parse::<u64>().unwrap() + 600).to_string();
    let mut prolonged = fields.clone();
    prolonged.insert("signature-input", input.replace(expires, &later).parse().unwrap());
    for node in 1..=3 {
        let reply = cluster.raw(node).http("POST", paths::SIGN, &prolonged, signed.body()).await;
        assert_eq!(reply.refusal(), "401 bad_signature", "the expiry at node{node}");
    }
    observed(SECTION, &["the expiry altered by a gateway", "every node", "401 bad_signature"]);
}

fn signature(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.body["signature"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_repeat_gets_the_first_result_and_another_body_a_conflict() {
    report::columns(SECTION, COLUMNS);
    let cluster = cluster(3).start().await;
    let wallet = cluster.wallet("w", 2, 3, "ed25519").await.wallet_id;
    let (initiator, id) = (cluster.initiator(), cluster.id);
    let mut signatures = Vec::new();
    for number in 0..8 {
        let request = draft(&format!("r{number}"), wallet.as_str(), &format!("0x{number:02x}"));
        let first = signature(&cluster.raw(number % 3 + 1).send(&request).await);
        signatures.push((request, first));
    }
    let body = json!({ "threshold": 2, "total": 3, "curve": "ed25519", "wallet_id": "second" }).to_string();
    let keygen = Draft::new(Operation::Keygen, "k", Bytes::from(body));
    let made = cluster.raw(1).send(&keygen).await;
    assert_eq!(made.status, 200, "{}", made.body);
    let other = json!({ "threshold": 2, "total": 3, "curve": "ed25519", "wallet_id": "third" }).to_string();
    let other_keygen = Draft { body: other.into_bytes(), ..keygen.clone() };

    for when in ["", " after a restart of all"] {
        for (number, (request, first)) in signatures.iter().enumerate() {
            for node in 1..=3 {
                let raw = cluster.raw(node);
                // Byte for byte, and signed anew at another time.
                let exact = request.sign(&initiator, id);
                assert_eq!(
                    &signature(&raw.send_signed(&exact).await),
                    first,
                    "r{number} at node{node}{when}"
                );
                assert_eq!(&signature(&raw.send(&request.clone().at(-5, 200)).await), first);
                let changed = draft(request.id.as_str(), wallet.as_str(), "0xffff");
                assert_eq!(raw.send(&changed).await.refusal(), "409 request_conflict", "node{node}{when}");
            }
        }
        for node in 1..=3 {
            let again = cluster.raw(node).send(&keygen).await;
            assert_eq!(again.body, made.body, "node{node}{when}");
            assert_eq!(cluster.raw(node).send(&other_keygen).await.refusal(), "409 request_conflict");
            let session = cluster.client(&[node]).session(&"k".parse().unwrap()).await;
            assert!(session.is_ok(), "{session:?}");
        }
        for at in ["the same node", "another node"] {
            observed(SECTION, &["identical repeat", &format!("{at}{when}"), "200, the first result"]);
            observed(SECTION, &["same id, another body", &format!("{at}{when}"), "409 request_conflict"]);
        }
        if when.is_empty() {
            for node in cluster.nodes() {
                node.kill();
                node.start();
            }
            cluster.ready().await;
        }
    }
    // Concurrent repeats, at all nodes at once, lead to one result.
    let request = draft("at-once", wallet.as_str(), "0xaa");
    let raws = [cluster.raw(1), cluster.raw(1), cluster.raw(1)];
    let (one, two, three) =
        tokio::join!(raws[0].send(&request), raws[1].send(&request), raws[2].send(&request));
    let one = signature(&one);
    assert_eq!((&signature(&two), &signature(&three)), (&one, &one));
    observed(SECTION, &["identical, three times at once", "the same node", "200, one result"]);
}
