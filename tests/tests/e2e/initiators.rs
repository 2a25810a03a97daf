//! Keys of initiators on a running cluster: rotated and revoked by authorizers, for good, on every node, and by nobody else.

use std::fs;

use http::HeaderMap;
use quorate_identity::key_file::{self, IdentityKind};
use quorate_keys::SigningPrincipal;
use quorate_node::config::PassphraseSource;
use quorate_request::{InitiatorsRequest, Operation, paths};
use quorate_tests::node::NodeProcess;
use quorate_tests::raw::{Draft, Reply};
use quorate_tests::{Cluster, report};
use serde_json::{Value, json};

use crate::approvals::Authorizers;
use crate::gateway::start;
use crate::policy::give;
use crate::{cluster, eventually, observed as noted, program};

const SECTION: &str = "Keys of initiators (3 nodes, 2 of 3)";
const COLUMNS: &[&str] = &["what", "observed"];

fn observed(what: &str, observed: &str) {
    report::columns(SECTION, COLUMNS);
    noted(SECTION, &[what, observed]);
}

/// A read that an initiator's key may ask for, or may not any more.
async fn reads(cluster: &Cluster, node: usize, key: &SigningPrincipal) -> Reply {
    let id = quorate_request::RequestId::generate(&mut rand_core::OsRng);
    let draft = Draft::new(Operation::read(paths::NODES).unwrap(), id.as_str(), "");
    let signed = draft.sign(key, cluster.id);
    cluster.raw(node).http("GET", paths::NODES, &signed.to_http(), b"").await
}

fn refused(reply: &Reply, code: &str) {
    assert!(reply.refusal().contains(code), "{}", reply.refusal());
}

/// What a node says of a key.
async fn status(cluster: &Cluster, authorizers: &Authorizers, node: usize, key: &str) -> Option<String> {
    let words = authorizers.words_of(cluster, "alice", &["initiator", "list"], node);
    let listed: Vec<Value> = serde_json::from_str(&program().succeed(words).await).unwrap();
    let view = listed.into_iter().find(|view| view["key"] == key)?;
    Some(view["status"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn keys_of_initiators_are_rotated_and_revoked_by_authorizers_for_good() {
    let authorizers = Authorizers::new().await;
    let cluster = cluster(3).make().await;
    let yaml = authorizers.policy(&cluster);
    for node in cluster.nodes() {
        give(node, &yaml);
        node.start();
    }
    cluster.ready().await;
    let old = cluster.initiator();
    let (file, passphrase) = (authorizers.file("new"), authorizers.passphrase());
    let made =
        ["initiator", "generate", "--out", &file, "--key-type", "p256", "--passphrase-file", &passphrase];
    let key = program().succeed(made).await.trim().to_owned();
    let opened = PassphraseSource::File(passphrase.clone().into()).read().unwrap();
    let new = key_file::load(file.as_ref(), IdentityKind::Initiator, &opened).unwrap();
    assert_eq!(new.principal().to_string(), key);
    refused(&reads(&cluster, 1, &new).await, "unknown_initiator");

    // One node is down while its key is changed.
    cluster.node(3).kill();
    let admit = ["initiator", "admit", "backend", &key, "--session-id", "rotate", "--yes"];
    let admit = |node| authorizers.words_of(&cluster, "alice", &admit, node);
    let asked = program().run(admit(1)).await;
    assert_eq!(asked.code, Some(5), "{}", asked.stderr);
    let error: Value = serde_json::from_str(asked.stderr.lines().last().unwrap()).unwrap();
    assert_eq!(error["code"], "approvals_missing", "{error}");
    assert!(error["message"].as_str().unwrap().contains("so far: alice"), "{error}");
    assert!(error["tip"].as_str().unwrap().contains("quorate authorizer approve rotate"), "{error}");
    observed("one of three authorizers admits a key", "exit 5: another must approve it");
    eventually(async || !authorizers.waiting(&cluster, 2).await.is_empty()).await;
    authorizers.approve(&cluster, "bob", "rotate", 2).await;
    eventually(async || program().run(admit(1)).await.code == Some(0)).await;
    let done: Value = serde_json::from_str(&program().succeed(admit(2)).await).unwrap();
    assert_eq!(done["approved_by"], json!(["alice", "bob"]), "{done}");
    assert_eq!(
        (&done["known_by"], &done["not_yet_known_by"]),
        (&json!(["node1", "node2"]), &json!(["node3"])),
        "{done}"
    );
    assert_eq!(reads(&cluster, 1, &new).await.status, 200);
    assert_eq!(reads(&cluster, 2, &old).await.status, 200);
    observed(
        "two of three admit it, one node is down",
        "the others take requests by it, and it is said who does not yet",
    );
    cluster.node(3).start();
    cluster.ready().await;
    eventually(async || reads(&cluster, 3, &new).await.status == 200).await;
    observed("the node that was down comes back", "it hears of the key");

    // The old one is revoked; a node whose disk is of before hears of that again.
    cluster.node(3).terminate();
    cluster.node(3).ended().await;
    let before = fs::read(cluster.node(3).store()).unwrap();
    cluster.node(3).start();
    cluster.ready().await;
    let revoke = old.principal().to_string();
    let revoke = ["initiator", "revoke", &revoke, "--session-id", "revoke", "--yes"];
    let words = authorizers.words_of(&cluster, "carol", &revoke, 3);
    assert_eq!(program().run(words.clone()).await.code, Some(5));
    authorizers.approve(&cluster, "bob", "revoke", 3).await;
    let done: Value = serde_json::from_str(&program().succeed(words).await).unwrap();
    assert_eq!(done["known_by"], json!(["node1", "node2", "node3"]), "{done}");
    for node in 1..=3 {
        let reply = reads(&cluster, node, &old).await;
        refused(&reply, "unknown_initiator");
        assert!(reply.message().contains("was revoked"), "{}", reply.message());
        assert_eq!(reads(&cluster, node, &new).await.status, 200);
    }
    observed("a key is revoked", "401 unknown_initiator at every node, at once");
    cluster.nodes().iter().for_each(NodeProcess::kill);
    fs::write(cluster.node(3).store(), before).unwrap();
    cluster.nodes().iter().for_each(NodeProcess::start);
    // The cluster's own key may not ask any more whether they are ready.
    for node in 1..=3 {
        let words = authorizers.words_of(&cluster, "bob", &["initiator", "list"], node);
        eventually(async || program().run(words.clone()).await.code == Some(0)).await;
    }
    for node in 1..=2 {
        refused(&reads(&cluster, node, &old).await, "unknown_initiator");
    }
    observed("SIGKILL of all nodes, restart", "it stays revoked");
    let old_key = old.principal().to_string();
    eventually(async || status(&cluster, &authorizers, 3, &old_key).await.as_deref() == Some("revoked"))
        .await;
    refused(&reads(&cluster, 3, &old).await, "unknown_initiator");
    observed("a node is put back to before the revocation", "it hears of it again from the others");
    let again = ["initiator", "admit", "backend", &old_key, "--session-id", "again", "--yes"];
    let asked = program().run(authorizers.words_of(&cluster, "alice", &again, 1)).await;
    assert!(asked.code == Some(4) && asked.stderr.contains("was a key of backend"), "{}", asked.stderr);
    observed("a revoked key is admitted again", "400 malformed_request");

    attacks(&cluster, &authorizers, &new).await;
}

/// Who asks for what changes nothing.
async fn attacks(cluster: &Cluster, authorizers: &Authorizers, client: &SigningPrincipal) {
    let thief = SigningPrincipal::generate(quorate_keys::KeyType::Ed25519, &mut rand_core::OsRng);
    let body = serde_json::to_string(&InitiatorsRequest::admit("backend", thief.principal())).unwrap();
    let asking = |id: &str| Draft::new(Operation::Initiators, id, body.clone());
    let alice = authorizers.key("alice");
    let other = quorate_request::ClusterId::from_bytes([9; 32]);
    let rows = [
        ("an initiator admits a key", asking("t1").sign(client, cluster.id), "unknown_initiator"),
        ("who is admitted admits itself", asking("t2").sign(&thief, cluster.id), "unknown_initiator"),
        ("a change for another cluster", asking("t3").sign(&alice, other), "wrong_cluster"),
        (
            "a change that was signed an hour ago",
            asking("t4").at(-3600, -3000).sign(&alice, cluster.id),
            "expired",
        ),
    ];
    for (what, request, code) in &rows {
        let reply = cluster.raw(2).send_signed(request).await;
        refused(&reply, code);
        observed(what, &reply.refusal());
    }
    // Altered on its way: whose key is revoked.
    let revoke = serde_json::to_string(&InitiatorsRequest::revoke(thief.principal())).unwrap();
    let signed = Draft::new(Operation::Initiators, "t5", revoke.clone()).sign(&alice, cluster.id);
    let altered = revoke.replace(&thief.principal().to_string(), &client.principal().to_string());
    let reply = cluster.raw(1).http("POST", paths::INITIATORS, &signed.to_http(), altered.as_bytes()).await;
    refused(&reply, "digest_mismatch");
    observed("a revocation that a proxy turns on another key", &reply.refusal());
    // A gateway shows who may ask, and changes nothing.
    let (gateway, served) = start(cluster, &["--listen", "127.0.0.1:0"]);
    let address = served["gateway"].as_str().unwrap().strip_prefix("http://").unwrap().to_owned();
    let reply =
        cluster.raw_at(&address).http("POST", paths::INITIATORS, &HeaderMap::new(), body.as_bytes()).await;
    refused(&reply, "forbidden");
    observed("a gateway is asked to admit a key", &reply.refusal());
    gateway.interrupt().await;
    for node in 1..=3 {
        assert_eq!(status(cluster, authorizers, node, &thief.principal().to_string()).await, None);
    }
}
