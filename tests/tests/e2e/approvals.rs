//! Approvals on a running cluster: what needs them is signed once enough authorizers have looked at it and approved it, by the
//! commands that they have, and by nothing else.

use std::fs;

use http::HeaderMap;
use quorate_identity::key_file::{self, IdentityKind};
use quorate_keys::SigningPrincipal;
use quorate_node::config::PassphraseSource;
use quorate_request::{Operation, paths};
use quorate_tests::node::NodeProcess;
use quorate_tests::raw::{Draft, Reply};
use quorate_tests::{Cluster, report};
use serde_json::{Value, json};

use crate::gateway::{keyed, start};
use crate::policy::{PAYEE, give, payment, solana_address};
use crate::{cluster, eventually, observed as noted, program};

const SECTION: &str = "Approvals (3 nodes, 2 of 3)";
const COLUMNS: &[&str] = &["what", "observed"];

fn observed(what: &str, observed: &str) {
    report::columns(SECTION, COLUMNS);
    noted(SECTION, &[what, observed]);
}

/// Authorizers with keys in files, made by the command for it.
pub(crate) struct Authorizers {
    folder: tempfile::TempDir,
}

impl Authorizers {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        quorate_tests::node::write_private(&folder.path().join("passphrase"), "authorizers\n");
        let this = Self { folder };
        for (name, kind) in [("alice", "ed25519"), ("bob", "p256"), ("carol", "ed25519")] {
            let (file, passphrase) = (this.file(name), this.passphrase());
            let words = [
                "authorizer",
                "generate",
                "--out",
                &file,
                "--key-type",
                kind,
                "--passphrase-file",
                &passphrase,
            ];
            program().succeed(words).await;
        }
        this
    }

    pub(crate) fn file(&self, name: &str) -> String {
        self.folder.path().join(format!("{name}.json")).to_str().unwrap().to_owned()
    }

    pub(crate) fn passphrase(&self) -> String {
        self.folder.path().join("passphrase").to_str().unwrap().to_owned()
    }

    pub(crate) fn key(&self, name: &str) -> SigningPrincipal {
        let passphrase = PassphraseSource::File(self.passphrase().into()).read().unwrap();
        key_file::load(self.file(name).as_ref(), IdentityKind::Authorizer, &passphrase).unwrap()
    }

    pub(crate) fn policy(&self, cluster: &Cluster) -> String {
        let key = |name| self.key(name).principal();
        format!(
            "version: 1\ncluster: \"{}\"\ninitiators:\n  backend: {{key: \"{}\", operations: [keygen, sign, read]}}\n\
             authorizers: {{alice: \"{}\", bob: \"{}\", carol: \"{}\"}}\n\
             approvals:\n  keygen: {{threshold: 1, of: [carol]}}\n  initiators: {{threshold: 2, of: [alice, bob, carol]}}\nassets:\n  SOL: {{chain: solana}}\n\
             addresses:\n  payees: {{solana: [{}]}}\nrules:\n  - name: large\n    destinations: [payees]\n    at_most: [5 SOL]\n    \
             fee_at_most: [0.001 SOL]\n    approvals: {{threshold: 2, of: [alice, bob, carol]}}\n",
            cluster.id,
            cluster.initiator().principal(),
            key("alice"),
            key("bob"),
            key("carol"),
            solana_address(&PAYEE)
        )
    }

    /// A command `authorizer`.
    fn words(&self, cluster: &Cluster, name: &str, words: &[&str], node: usize) -> Vec<String> {
        let words: Vec<_> = ["authorizer"].iter().chain(words).copied().collect();
        self.words_of(cluster, name, &words, node)
    }

    /// A command of an authorizer.
    pub(crate) fn words_of(&self, cluster: &Cluster, name: &str, words: &[&str], node: usize) -> Vec<String> {
        let (file, passphrase) = (self.file(name), self.passphrase());
        let peers = cluster.peers_file.to_str().unwrap();
        let api = format!("http://{}", cluster.node(node).api);
        let options = [
            "--authorizer",
            &file,
            "--peers",
            peers,
            "--passphrase-file",
            &passphrase,
            "--api",
            &api,
            "--json",
        ];
        words.iter().chain(&options).map(|word| (*word).to_owned()).collect()
    }

    pub(crate) async fn waiting(&self, cluster: &Cluster, node: usize) -> Vec<Value> {
        let listed = program().succeed(self.words(cluster, "alice", &["list"], node)).await;
        serde_json::from_str(&listed).unwrap()
    }

    pub(crate) async fn approve(&self, cluster: &Cluster, name: &str, id: &str, node: usize) -> Value {
        let words = self.words(cluster, name, &["approve", id, "--yes"], node);
        serde_json::from_str(&program().succeed(words).await).unwrap()
    }
}

/// A command with what every one has that asks these nodes.
fn asking(cluster: &Cluster, words: &[&str]) -> Vec<String> {
    let nodes: Vec<_> = cluster.nodes().iter().map(|node| format!("http://{}", node.api)).collect();
    let words = words.iter().chain(&["--json", "--api"]).map(|word| (*word).to_owned());
    words.chain([nodes.join(",")]).chain(keyed(cluster)).collect()
}

#[tokio::test]
async fn what_needs_approvals_is_signed_once_enough_authorizers_have_looked_at_it() {
    let authorizers = Authorizers::new().await;
    let cluster = cluster(3).make().await;
    let yaml = authorizers.policy(&cluster);
    for node in cluster.nodes() {
        give(node, &yaml);
        node.start();
    }
    cluster.ready().await;

    // A wallet, once carol has approved it. Who asks is told which command approves it, and how to ask again.
    let create =
        ["wallet", "create", "--threshold", "2", "--total", "3", "--id", "w", "--session-id", "make-w"];
    let refused = program().run(asking(&cluster, &create)).await;
    assert_eq!(refused.code, Some(5), "{}", refused.stderr);
    let error: Value = serde_json::from_str(&refused.stderr).unwrap();
    assert_eq!(error["code"], "approvals_missing", "{error}");
    assert!(error["tip"].as_str().unwrap().contains("quorate authorizer approve make-w"), "{error}");
    let taken = authorizers.approve(&cluster, "carol", "make-w", 2).await;
    assert_eq!((&taken["authorizer"], &taken["known"]), (&json!("carol"), &json!(true)), "{taken}");
    eventually(async || program().run(asking(&cluster, &create)).await.code == Some(0)).await;
    observed(
        "a wallet that one must approve",
        "exit 5 and a tip; made after one approval, by the same command",
    );

    // A payment.
    cluster.known_everywhere(&"w".parse().unwrap()).await;
    let wallet = cluster.client(&[1]).wallet(&"w".parse().unwrap()).await.unwrap();
    let request = payment(&wallet, &PAYEE, 1_500_000_000);
    let transaction = cluster.folder().join("transaction");
    fs::write(&transaction, request.transaction.as_ref().unwrap().as_bytes()).unwrap();
    let transaction = transaction.to_str().unwrap();
    let pay =
        ["sign", "--wallet", "w", "--chain", "solana", "--tx", transaction, "--yes", "--session-id", "pay-1"];
    assert_eq!(program().run(asking(&cluster, &pay)).await.code, Some(5));
    for node in 1..=3 {
        eventually(async || {
            authorizers.waiting(&cluster, node).await.iter().any(|view| view["session_id"] == "pay-1")
        })
        .await;
    }
    observed("who is asked for approval", "every node shows what waits");
    // What an authorizer sees is the transaction, as its own machine has read it; without a yes nothing is said.
    let words = authorizers.words(&cluster, "alice", &["approve", "pay-1"], 3);
    let unsaid = program().run(words).await;
    assert_eq!(unsaid.code, Some(2), "{}", unsaid.stderr);
    let payee = solana_address(&PAYEE);
    assert!(unsaid.stderr.contains(&payee) && unsaid.stderr.contains("1.5 SOL"), "{}", unsaid.stderr);
    authorizers.approve(&cluster, "alice", "pay-1", 3).await;
    let error = program().run(asking(&cluster, &pay)).await;
    assert!(error.code == Some(5) && error.stderr.contains("so far: alice"), "{}", error.stderr);
    // All nodes die, and remember.
    cluster.nodes().iter().for_each(NodeProcess::kill);
    cluster.nodes().iter().for_each(NodeProcess::start);
    cluster.ready().await;
    let view = authorizers
        .waiting(&cluster, 1)
        .await
        .into_iter()
        .find(|view| view["session_id"] == "pay-1")
        .unwrap();
    assert_eq!(view["approved_by"], json!(["alice"]), "{view}");
    observed("SIGKILL of all nodes between two approvals", "what waits and who has approved is remembered");
    authorizers.approve(&cluster, "bob", "pay-1", 1).await;
    let signed = program().succeed(asking(&cluster, &pay)).await;
    let signed: Value = serde_json::from_str(&signed).unwrap();
    assert_eq!(signed["session_id"], "pay-1");
    observed("two of three authorizers, by Ed25519 and P-256", "signed");
    let again: Value = serde_json::from_str(&program().succeed(asking(&cluster, &pay)).await).unwrap();
    assert_eq!(again["signature"], signed["signature"]);
    eventually(async || authorizers.waiting(&cluster, 1).await.is_empty()).await;

    attacks(&cluster, &authorizers).await;
}

/// Who says what counts for nothing.
async fn attacks(cluster: &Cluster, authorizers: &Authorizers) {
    // What was approved is one request, and nothing for the same transaction under another id.
    let wallet = cluster.client(&[1]).wallet(&"w".parse().unwrap()).await.unwrap();
    let request = payment(&wallet, &PAYEE, 1_500_000_000);
    let other = Draft::new(Operation::Sign, "pay-2", serde_json::to_vec(&request).unwrap());
    let initiator = cluster.initiator();
    let asked = other.sign(&initiator, cluster.id);
    let refused = |reply: &Reply, code: &str| assert!(reply.refusal().contains(code), "{}", reply.refusal());
    refused(&cluster.raw(1).send_signed(&asked).await, "approvals_missing");
    observed("the approved transaction under another request id", "403 approvals_missing");
    let fingerprint = format!("0x{}", hex::encode(asked.fingerprint()));
    let until = |seconds: u64| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        now + seconds
    };
    let word = |decision: &str, seconds: u64| {
        json!({"fingerprint": fingerprint, "decision": decision, "valid_until": until(seconds)}).to_string()
    };
    let approving = |id: &str, body: String| Draft::new(Operation::Approve, id, body);
    let alice = authorizers.key("alice");
    let node = cluster.raw(2);
    let rows: [(&str, _, &str); 6] = [
        (
            "an approval signed by the initiator",
            approving("a1", word("approve", 60)).sign(&initiator, cluster.id),
            "unknown_initiator",
        ),
        (
            "one for another cluster",
            approving("a2", word("approve", 60))
                .sign(&alice, quorate_request::ClusterId::from_bytes([9; 32])),
            "wrong_cluster",
        ),
        (
            "one that was signed an hour ago",
            approving("a3", word("approve", 60)).at(-3600, -3000).sign(&alice, cluster.id),
            "expired",
        ),
        (
            "one that holds for a month",
            approving("a4", word("approve", 30 * 86_400)).sign(&alice, cluster.id),
            "malformed_request",
        ),
        (
            "one with a field that does not exist",
            approving("a5", word("approve", 60).replacen('{', "{\"all\":true,", 1)).sign(&alice, cluster.id),
            "malformed_request",
        ),
        ("a request to sign, by an authorizer", other.sign(&alice, cluster.id), "unknown_initiator"),
    ];
    for (what, request, code) in &rows {
        let reply = node.send_signed(request).await;
        refused(&reply, code);
        observed(what, &reply.refusal());
    }
    // Altered on its way: the decision, and the request that it is about.
    let rejected = approving("a6", word("reject", 60)).sign(&alice, cluster.id);
    let altered = String::from_utf8(rejected.body().to_vec()).unwrap().replace("reject", "approve");
    let reply = node.http("POST", paths::APPROVALS, &rejected.to_http(), altered.as_bytes()).await;
    refused(&reply, "digest_mismatch");
    observed("a rejection that a proxy turns into an approval", &reply.refusal());
    let reply = node.http("POST", paths::APPROVALS, &HeaderMap::new(), word("approve", 60).as_bytes()).await;
    refused(&reply, "unsigned");
    observed("an approval that nobody signed", &reply.refusal());
    // Of three one has taken it back: two are left, then one.
    for name in ["alice", "bob"] {
        authorizers.approve(cluster, name, "pay-2", 1).await;
    }
    let taken_back = authorizers.words(cluster, "bob", &["reject", "pay-2", "--yes"], 3);
    // In a later second than the approval: the rejection would count in the same one, too.
    program().succeed(taken_back).await;
    for place in 1..=3 {
        eventually(async || {
            let waiting = authorizers.waiting(cluster, place).await;
            waiting
                .iter()
                .any(|view| view["rejected_by"] == json!(["bob"]) && view["approved_by"] == json!(["alice"]))
        })
        .await;
        refused(
            &cluster.raw(place).send_signed(&other.sign(&initiator, cluster.id)).await,
            "approvals_missing",
        );
    }
    observed("an approval that its author takes back", "403 approvals_missing at every node");
    // A gateway shows what waits, and approves nothing.
    let (gateway, served) = start(cluster, &["--listen", "127.0.0.1:0"]);
    let address = served["gateway"].as_str().unwrap().strip_prefix("http://").unwrap().to_owned();
    let shown = cluster.raw_at(&address).http("GET", paths::APPROVALS, &HeaderMap::new(), b"").await;
    assert_eq!(shown.status, 200, "{}", shown.body);
    assert!(shown.body.to_string().contains("pay-2"), "{}", shown.body);
    let reply = cluster.raw_at(&address).http("POST", paths::APPROVALS, &HeaderMap::new(), b"{}").await;
    refused(&reply, "forbidden");
    observed("a gateway is asked to approve", &reply.refusal());
    gateway.interrupt().await;
}
