//! A node is killed at every step of key generation and signing, and comes back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use quorate_client::RetryPolicy;
use quorate_node::config::PassphraseSource;
use quorate_node::store::{Store, Table};
use quorate_request::{
    ErrorBody, ErrorCode, KeygenRequest, KeygenResponse, SignRequest, SignResponse, WalletId,
};
use quorate_session::Wire;
use quorate_sharing::KeyShare;
use quorate_tests::barrier::{Fate, Order};
use quorate_tests::cluster::{keygen, sign};
use quorate_tests::node::NodeProcess;
use quorate_tests::observed::Commitments;
use quorate_tests::{Cluster, judge, report};

use crate::{cluster, observed, slow};

const SECTION: &str = "SIGKILL at a protocol step, restart";
const COLUMNS: &[&str] =
    &["cluster", "node", "step", "its store when it was killed", "the client got", "after the restart"];

/// A cluster whose wallets all nodes hold, with a majority as threshold.
#[derive(Clone, Copy)]
struct Size {
    count: usize,
    curve: &'static str,
}

const THREE: Size = Size { count: 3, curve: "ed25519" };
const THREE_BIP340: Size = Size { count: 3, curve: "secp256k1" };
const FIVE: Size = Size { count: 5, curve: "ed25519" };

impl Size {
    fn threshold(self) -> usize {
        self.count / 2 + 1
    }

    fn nodes(self) -> Vec<usize> {
        (1..=self.count).collect()
    }

    fn describe(self) -> String {
        let scheme = if self.curve == "secp256k1" { ", BIP-340" } else { "" };
        format!("{} of {}{scheme}", self.threshold(), self.count)
    }

    fn keygen(self, name: &str) -> KeygenRequest {
        let count = |nodes: usize| u16::try_from(nodes).unwrap();
        keygen(name, count(self.threshold()), count(self.count), self.curve)
    }
}

/// The steps of a key generation: the proposer's, then what every member goes through.
const KEYGEN: &[&str] = &[
    "proposed", "accepted", "started", "round-1", "round-2", "storing", "stored", "round-3", "finished",
    "settled",
];
/// The steps of a signature at the proposer, which aggregates.
const SIGN_PROPOSER: &[&str] =
    &["proposed", "accepted", "started", "round-1", "storing", "stored", "finished", "settled"];
/// At another signer.
const SIGN_MEMBER: &[&str] = &["accepted", "started", "round-1", "storing", "stored", "round-2", "finished"];

/// Around what is stored.
const STORED: &[&str] = &["accepted", "storing", "stored", "settled"];

/// A client that does not give up while a node comes back.
fn patient() -> RetryPolicy {
    RetryPolicy {
        attempts: 60,
        deadline: Duration::from_secs(40),
        work_timeout: Duration::from_secs(15),
        longest_pause: Duration::from_millis(500),
        ..RetryPolicy::default()
    }
}

/// What the store of a node that does not run says. A copy is opened: the node itself has to find what it left.
struct Left {
    request: bool,
    result: bool,
    pending: usize,
    set_aside: usize,
    /// The public side of every share, by the key generation that made it.
    shares: BTreeMap<Vec<u8>, Vec<u8>>,
    wallets: BTreeSet<Vec<u8>>,
    /// The key generation that has the request's name.
    named: Option<Vec<u8>>,
}

impl Left {
    fn read(node: &NodeProcess, request: &str, scratch: &Path) -> Self {
        let copy = scratch.join(format!("{}-copy.redb", node.name));
        std::fs::copy(node.store(), &copy).unwrap();
        let passphrase = PassphraseSource::File(node.passphrase_file()).read().unwrap();
        let store = Store::open(&copy, &passphrase).unwrap();
        let scan = store.scan(Table::Shares, "").unwrap();
        assert!(scan.damaged.is_empty(), "{}: {:?}", node.name, scan.damaged);
        let shares = scan.records.into_iter().map(|(key, record)| {
            let share = KeyShare::from_wire(record.value.expose()).unwrap();
            (key, share.public().to_wire().unwrap())
        });
        let left = Self {
            request: store.contains(Table::Requests, request).unwrap(),
            result: store.contains(Table::Results, request).unwrap(),
            pending: store.keys(Table::Pending, "").unwrap().len(),
            set_aside: store.keys(Table::Meta, "refusal/").unwrap().len(),
            shares: shares.collect(),
            wallets: store.keys(Table::Wallets, "").unwrap().into_iter().collect(),
            named: store
                .get(Table::Meta, format!("name/{request}"))
                .unwrap()
                .map(|record| record.value.expose().clone()),
        };
        drop(store);
        std::fs::remove_file(copy).unwrap();
        left
    }

    fn describe(&self, keygen: bool) -> String {
        let request = if self.request { "request known" } else { "nothing" };
        let pending = self.pending > self.set_aside;
        let active = self.named.as_ref().is_some_and(|session| self.shares.contains_key(session));
        let share = match (keygen, active) {
            (true, true) => ", share active",
            (true, false) if pending => ", share pending",
            _ => "",
        };
        let result = if self.result { ", result stored" } else { "" };
        format!("{request}{share}{result}")
    }
}

async fn generate(cluster: &Cluster, size: Size, request: &KeygenRequest) -> KeygenResponse {
    let started = Instant::now();
    loop {
        match cluster.client(&size.nodes()).keygen(request.clone()).await {
            Ok(made) => return made,
            Err(error) => assert!(started.elapsed() < Duration::from_secs(40), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// Waits until all nodes show the same wallet.
async fn consistent(cluster: &Cluster, size: Size, made: &KeygenResponse) {
    let started = Instant::now();
    loop {
        let mut views = Vec::new();
        for node in size.nodes() {
            views.push(cluster.client(&[node]).wallet(&made.wallet_id).await.ok());
        }
        let same = views.iter().all(|view| *view == views[0]);
        if same && views[0].as_ref().is_some_and(|view| view.public_key == made.public_key) {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "{} is seen as {views:#?}", made.wallet_id);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Signs with the node and every other one, proposed once by it, then by the others.
async fn signs_with_all(
    cluster: &Cluster,
    size: Size,
    node: usize,
    wallet: &WalletId,
    label: &str,
    signatures: &mut Signatures,
) {
    let mut proposes = true;
    let others: Vec<_> = size.nodes().into_iter().filter(|other| *other != node).collect();
    for (place, other) in others.iter().copied().enumerate() {
        let proposer = if proposes { node } else { other };
        proposes = false;
        let message = format!("{label} with {other}");
        let along = others.iter().cycle().skip(place).take(size.threshold() - 1);
        let signers = along.chain([&node]).map(|signer| cluster.node(*signer).name.clone()).collect();
        let request = SignRequest { signers: Some(signers), ..sign(wallet, message.as_bytes()) };
        let signed = cluster.client_with(&[proposer], patient()).sign(request).await.unwrap();
        signatures.take(message.as_bytes(), &signed);
    }
}

/// All signatures of a cluster: one nonce for one signature.
struct Signatures {
    curve: &'static str,
    by_nonce: BTreeMap<[u8; 32], [u8; 64]>,
}

impl Signatures {
    fn new(size: Size) -> Self {
        Self { curve: size.curve, by_nonce: BTreeMap::new() }
    }

    fn take(&mut self, message: &[u8], signed: &SignResponse) {
        judge::check(self.curve, message, signed);
        let signature = *signed.signature.as_bytes();
        let commitment = signature[..32].try_into().unwrap();
        let before = self.by_nonce.insert(commitment, signature);
        assert!(before.is_none_or(|before| before == signature), "a nonce was used for two signatures");
    }
}

/// Everything that must hold when all is over: the same wallets with shares that fit on all nodes, nothing pending
/// that anybody waits for, no nonce used twice.
async fn settled(cluster: &Cluster) -> usize {
    let started = Instant::now();
    let mut nonces = 0;
    loop {
        let mut all = Vec::new();
        for node in cluster.nodes() {
            all.push(Left::read(node, "-", cluster.folder()));
        }
        let waiting = all.iter().any(|left| left.pending > left.set_aside);
        if !waiting {
            for left in &all {
                assert_eq!(left.shares, all[0].shares, "active shares of different keys");
                assert_eq!(left.wallets, left.shares.keys().cloned().collect(), "wallets without shares");
            }
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "a share is still pending");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    for node in cluster.nodes() {
        let commitments = Commitments::read(&node.broadcasts());
        assert!(!commitments.is_empty(), "{} wrote down no commitment", node.name);
        nonces += commitments.len();
    }
    nonces
}

/// What a client may be told that asked while a node was killed: that it takes all nodes, or that there is no result yet.
fn refusal(body: &ErrorBody) -> String {
    let allowed = [ErrorCode::NotEnoughSigners, ErrorCode::TimedOut];
    assert!(allowed.contains(&body.code), "{body:?}");
    format!("{} {}", body.code.status().as_u16(), body.code)
}

async fn killed_in_key_generation(size: Size, role: &str, victim: usize, steps: &[&str]) {
    report::columns(SECTION, COLUMNS);
    let cluster = cluster(size.count).start().await;
    let mut signatures = Signatures::new(size);
    let mut rows = Vec::new();
    for step in steps {
        let id = format!("{role}-{step}");
        let request = KeygenRequest { session_id: Some(id.parse().unwrap()), ..size.keygen(&id) };
        cluster.node(victim).order(&Order::new(Fate::Kill, &format!("keygen:{step}")));
        let client = cluster.client_with(&size.nodes(), RetryPolicy { attempts: 3, ..patient() });
        let asking = tokio::spawn({
            let request = request.clone();
            async move { client.keygen(request).await }
        });
        cluster.node(victim).killed_by_order().await;
        let left = Left::read(cluster.node(victim), &id, cluster.folder()).describe(true);
        cluster.restart(victim).await;
        let first = asking.await.unwrap();
        let made = generate(&cluster, size, &request).await;
        let got = match &first {
            Ok(first) => {
                assert_eq!(first.public_key, made.public_key, "{id}: a repeat gave another wallet");
                "the wallet".to_owned()
            }
            Err(error) => error.api().map_or("no answer".to_owned(), refusal),
        };
        consistent(&cluster, size, &made).await;
        signs_with_all(&cluster, size, victim, &made.wallet_id, &id, &mut signatures).await;
        rows.push((format!("keygen:{step}"), left, got));
    }
    let nonces = settled(&cluster).await;
    assert!(nonces > 0);
    for (step, left, got) in rows {
        let after = "one wallet on all nodes, the repeat gives it, it signs with every other, no nonce twice";
        observed(SECTION, &[&size.describe(), role, &step, &left, &got, after]);
    }
}

async fn killed_in_signing(size: Size, role: &str, victim: usize, steps: &[&str]) {
    report::columns(SECTION, COLUMNS);
    let cluster = cluster(size.count).start().await;
    let wallet = cluster.client(&size.nodes()).keygen(size.keygen("w")).await.unwrap().wallet_id;
    let mut signatures = Signatures::new(size);
    let mut rows = Vec::new();
    let rounds = if slow() { 5 } else { 1 };
    for (round, step) in (0..rounds).flat_map(|round| steps.iter().map(move |step| (round, step))) {
        let (request, message, asked) =
            killed_while_signing(&cluster, size, role, victim, step, round, &wallet).await;
        let id = request.session_id.clone().unwrap();
        let left = Left::read(cluster.node(victim), id.as_str(), cluster.folder());
        if ["stored", "round-2", "finished", "settled"].contains(step) {
            assert!(left.request, "{id}: a share could leave, and the request is not stored");
        }
        // The others go on without it.
        let first = asked.await.unwrap().unwrap_or_else(|error| panic!("{id}: {error}"));
        signatures.take(&message, &first);
        let name = &cluster.node(victim).name;
        let gone_on = if first.committee.contains(name) { "with it" } else { "without it" };
        let got = format!("a signature {gone_on}, attempt {}", first.attempt);
        cluster.restart(victim).await;
        let repeat =
            async |node| cluster.client_with(&[node], patient()).sign(request.clone()).await.unwrap();
        let mut given = vec![first.signature];
        if left.result {
            // Nobody had been told of this one, which it has kept and tells from now on.
            let kept = repeat(victim).await;
            signatures.take(&message, &kept);
            given.push(kept.signature);
        }
        for node in size.nodes() {
            let again = repeat(node).await;
            assert!(given.contains(&again.signature), "{id}: another result at node{node}");
        }
        let after = if given.iter().any(|signature| *signature != first.signature) {
            "the repeat gives that, or the valid one that it had stored, and no third"
        } else {
            "the repeat gives the same everywhere"
        };
        signs_with_all(&cluster, size, victim, &wallet, id.as_str(), &mut signatures).await;
        rows.push((format!("sign:{step}"), left.describe(false), got, after));
    }
    settled(&cluster).await;
    for (step, left, got, after) in rows {
        let after = format!("{after}; it signs with every other, no nonce twice");
        observed(SECTION, &[&size.describe(), role, &step, &left, &got, &after]);
    }
}

type Asked = tokio::task::JoinHandle<Result<SignResponse, quorate_client::ClientError>>;

/// Asks for signatures until one leads the victim to the step, where it dies.
async fn killed_while_signing(
    cluster: &Cluster,
    size: Size,
    role: &str,
    victim: usize,
    step: &str,
    round: usize,
    wallet: &WalletId,
) -> (SignRequest, Vec<u8>, Asked) {
    let node = cluster.node(victim);
    for number in 0..60 {
        let id = format!("{role}-{step}-{round}-{number}");
        let message = id.clone().into_bytes();
        let request = SignRequest { session_id: Some(id.parse().unwrap()), ..sign(wallet, &message) };
        node.order(&Order::new(Fate::Kill, &format!("sign:{step}")));
        let client = cluster.client_with(&size.nodes(), patient());
        let asked: Asked = tokio::spawn({
            let request = request.clone();
            async move { client.sign(request).await }
        });
        while !node.is_order_done() && !asked.is_finished() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // The step may come a moment after the answer.
        if !node.is_order_done() {
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        if !node.withdraw() {
            node.killed_by_order().await;
            return (request, message, asked);
        }
        asked.await.unwrap().unwrap();
    }
    panic!("the {role} never came to sign:{step}");
}

#[tokio::test]
async fn the_proposer_of_a_key_generation_is_killed_at_every_step() {
    killed_in_key_generation(THREE, "proposer", 1, KEYGEN).await;
}

#[tokio::test]
async fn a_member_of_a_key_generation_is_killed_at_every_step() {
    killed_in_key_generation(THREE, "member", 2, &KEYGEN[1..]).await;
}

#[tokio::test]
async fn the_proposer_of_a_signature_is_killed_at_every_step() {
    killed_in_signing(THREE, "proposer", 1, SIGN_PROPOSER).await;
}

#[tokio::test]
async fn a_signer_is_killed_at_every_step() {
    killed_in_signing(THREE, "member", 2, SIGN_MEMBER).await;
}

#[tokio::test]
async fn a_signer_with_bip340_is_killed_where_something_is_stored() {
    killed_in_signing(THREE_BIP340, "member", 2, &["storing", "stored", "finished"]).await;
}

/// Of a larger committee: where something is stored, or about to be.
#[tokio::test]
async fn the_proposer_of_five_is_killed_in_key_generation() {
    let steps: &[&str] = if slow() { KEYGEN } else { STORED };
    killed_in_key_generation(FIVE, "proposer", 1, steps).await;
}

#[tokio::test]
async fn a_member_of_five_is_killed_in_key_generation() {
    let steps: &[&str] = if slow() { &KEYGEN[1..] } else { STORED };
    killed_in_key_generation(FIVE, "member", 2, steps).await;
}

#[tokio::test]
async fn the_proposer_of_five_is_killed_in_signing() {
    let steps: &[&str] = if slow() { SIGN_PROPOSER } else { STORED };
    killed_in_signing(FIVE, "proposer", 1, steps).await;
}

#[tokio::test]
async fn a_member_of_five_is_killed_in_signing() {
    let steps: &[&str] = if slow() { SIGN_MEMBER } else { &["round-1", "stored", "finished"] };
    killed_in_signing(FIVE, "member", 2, steps).await;
}
