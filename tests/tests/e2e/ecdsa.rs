//! ECDSA by CGGMP21 on a running cluster, with keys of full size: auxiliary information, presignatures, and what happens to them when nodes
//! die, come back with older disks, or are asked for more than there is.

use std::fs;
use std::time::{Duration, Instant};

use quorate_client::{Begun, Client, ClientError, RetryPolicy};
use quorate_keys::{ChainCode, Curve, GroupKey, Scheme, derive};
use quorate_node::barrier::Step;
use quorate_request::{
    AuxiliaryRequest, AuxiliaryResponse, ErrorCode, KeygenRequest, PresignRequest, SignRequest, SignResponse,
    WalletId,
};
use quorate_tests::barrier::{Fate, Order};
use quorate_tests::{Cluster, judge, report};

use crate::events::metrics;
use crate::payment::pay;
use crate::{cluster, eventually, observed as noted, slow};

const SECTION: &str = "ECDSA (3 nodes, 2 of 3)";
const COLUMNS: &[&str] = &["what", "observed"];
/// Primes, proofs and presignatures of full size, with other tests beside them.
const PATIENCE: Duration = Duration::from_secs(240);

fn observed(cells: &[&str]) {
    report::columns(SECTION, COLUMNS);
    noted(SECTION, cells);
}

/// A client of some nodes that waits as long as this takes.
fn client(cluster: &Cluster, nodes: &[usize]) -> Client {
    let policy = RetryPolicy { deadline: PATIENCE, work_timeout: PATIENCE, ..RetryPolicy::default() };
    cluster.client_with(nodes, policy)
}

async fn started() -> Cluster {
    let setup = cluster(3).setting("round_timeout", "10s").setting("request_timeout", "200s");
    // So that the others know of what a node has lost that is put back.
    setup.setting("standing_period", "500ms").start().await
}

async fn wallet(cluster: &Cluster, name: &str, curve: &str) -> WalletId {
    let request = KeygenRequest {
        session_id: None,
        threshold: 2,
        total: 3,
        curve: curve.to_owned(),
        protocol: None,
        wallet_id: Some(name.parse().unwrap()),
        parties: None,
    };
    let made = client(cluster, &[1, 2, 3]).keygen(request).await.unwrap();
    cluster.known_everywhere(&made.wallet_id).await;
    made.wallet_id
}

fn digest(wallet: &WalletId, number: u8) -> SignRequest {
    SignRequest::digest(wallet.clone(), [number; 32])
}

fn by(nodes: &[usize]) -> Option<Vec<String>> {
    Some(nodes.iter().map(|node| format!("node{node}")).collect())
}

async fn presign(cluster: &Cluster, node: usize, wallet: &WalletId, count: u16, signers: &[usize]) -> u32 {
    let request = PresignRequest { signers: by(signers), ..PresignRequest::new(wallet.clone(), count) };
    client(cluster, &[node]).presign(request).await.unwrap().available
}

/// How many presignatures of the wallet this node may use.
async fn ready(cluster: &Cluster, node: usize, wallet: &WalletId) -> u32 {
    client(cluster, &[node]).wallet(wallet).await.unwrap().presignatures.unwrap()
}

/// A number among the metrics of a node.
async fn counted(cluster: &Cluster, node: usize, name: &str) -> u64 {
    let text = metrics(&cluster.node(node).api).await;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} in {text}")).parse().unwrap()
}

/// A node that was put back to an older disk finds out, and then takes requests that are signed in a later second.
async fn found_out(cluster: &Cluster, node: usize) {
    eventually(async || counted(cluster, node, "quorate_restored").await == 1).await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
}

/// Has auxiliary information made anew: asked again while a node searches primes, which takes as long as luck, and other tests beside it, will have it.
async fn rotate(client: &Client) -> Result<AuxiliaryResponse, ClientError> {
    loop {
        match client.rotate_auxiliary(AuxiliaryRequest::default()).await {
            Err(error) if error.to_string().contains("searching primes") => {}
            rotated => return rotated,
        }
    }
}

fn check(curve: &str, number: u8, signed: &SignResponse) {
    judge::check(curve, &[number; 32], signed);
    assert!(signed.recovery_id.is_some_and(|id| id < 2), "{signed:?}");
}

#[tokio::test]
async fn wallets_of_both_curves_sign_and_ethers_accepts_what_they_sign() {
    let cluster = started().await;
    let (k1, r1) = (wallet(&cluster, "k1", "secp256k1").await, wallet(&cluster, "r1", "p256").await);

    // Nothing was made ahead: the request waits for auxiliary information and for a presignature, and says so.
    let Begun::Running(id) = client(&cluster, &[1]).begin_sign(digest(&k1, 1)).await.unwrap() else {
        panic!("done before it was begun");
    };
    let mut events = client(&cluster, &[1]).watch(&id).await.unwrap();
    let mut phases = Vec::new();
    while let Some(view) = events.next().await.unwrap() {
        phases.extend(view.progress.map(|progress| format!("{:?}", progress.phase)));
    }
    phases.dedup();
    assert_eq!(phases.first().map(String::as_str), Some("Auxiliary"), "{phases:?}");
    let signed = client(&cluster, &[1]).sign(digest(&k1, 2)).await.unwrap();
    check("secp256k1", 2, &signed);
    let signed = client(&cluster, &[2]).sign(digest(&r1, 3)).await.unwrap();
    check("p256", 3, &signed);
    observed(&[
        "no presignature is ready",
        "made while the request waits, its progress shown; judged by libsecp256k1 and AWS-LC",
    ]);

    // A node that holds no half of what it had made: the proposer need not be a signer.
    let outside = SignRequest { signers: by(&[2, 3]), ..digest(&k1, 4) };
    let signed = client(&cluster, &[1]).sign(outside).await.unwrap();
    check("secp256k1", 4, &signed);
    assert_eq!(signed.committee, ["node2", "node3"]);
    observed(&["asked of a node that is none of the signers", "signed by them"]);

    // Made ahead, then used one by one, also by a child of the key.
    assert_eq!(presign(&cluster, 1, &k1, 3, &[1, 2]).await, 3);
    let used = counted(&cluster, 1, "quorate_presignatures_used_total").await;
    let view = client(&cluster, &[1]).wallet(&k1).await.unwrap();
    let child = SignRequest { derivation_path: Some("m/44/60/0/0/7".into()), ..digest(&k1, 5) };
    let signed = client(&cluster, &[1]).sign(child).await.unwrap();
    check("secp256k1", 5, &signed);
    let group = GroupKey::from_bytes(Curve::Secp256k1, view.group_key.as_bytes()).unwrap();
    let chain_code = ChainCode::new(*view.chain_code.as_bytes());
    let derived = derive(&group, &chain_code, &"m/44/60/0/0/7".parse().unwrap()).unwrap().key;
    let expected = derived.public_key(Scheme::EcdsaSecp256k1).unwrap();
    assert_eq!(signed.public_key.as_bytes(), expected.as_bytes());
    assert_eq!(ready(&cluster, 1, &k1).await, 2);
    assert_eq!(counted(&cluster, 1, "quorate_presignatures_used_total").await, used + 1);
    observed(&["presignatures made ahead", "each used once, by the wallet's key or a child"]);

    for name in pay(&client(&cluster, &[1]), &view).await {
        observed(&[
            &format!("a transfer on Ethereum ({name})"),
            "accepted by ethers, and with no bit changed",
        ]);
    }

    // What these keys do not sign.
    let message = SignRequest::message(k1.clone(), b"a text".to_vec());
    let refused = client(&cluster, &[1]).sign(message).await.unwrap_err();
    let refused = refused.api().unwrap();
    assert_eq!(refused.code, ErrorCode::InvalidMessage);
    assert!(refused.message.contains("message_hash"), "{refused:?}");
    let none = PresignRequest::new(cluster.wallet("ed", 2, 3, "ed25519").await.wallet_id, 1);
    let refused = client(&cluster, &[1]).presign(none).await.unwrap_err();
    assert_eq!(refused.api().unwrap().code, ErrorCode::UnsupportedProtocol);
    let many = PresignRequest::new(k1.clone(), 1024);
    let refused =
        client(&cluster, &[1]).presign(PresignRequest { signers: by(&[1]), ..many }).await.unwrap_err();
    assert_eq!(refused.api().unwrap().code, ErrorCode::InvalidSigners);
    observed(&[
        "a message instead of a digest; presignatures for Ed25519, or of too few",
        "refused, with the reason",
    ]);
}

#[tokio::test]
async fn no_half_is_used_twice_whatever_becomes_of_nodes_and_disks() {
    let cluster = started().await;
    let k1 = wallet(&cluster, "k1", "secp256k1").await;

    // The signer dies: with its half promised, with it taken, when that is durable and its share has not left.
    let victim = cluster.node(2);
    for (number, step) in (10..).zip([Step::Accepted, Step::Started, Step::Storing, Step::Stored]) {
        assert!(presign(&cluster, 1, &k1, 2, &[1, 2]).await >= 2);
        victim.order(&Order::new(Fate::Kill, &format!("sign:{step}")));
        let asking = client(&cluster, &[1]);
        let request = SignRequest { signers: by(&[1, 2]), ..digest(&k1, number) };
        let signing = tokio::spawn(async move { asking.sign(request).await });
        victim.killed_by_order().await;
        cluster.restart(2).await;
        // The request goes on with another half: of what it had, node2 has nothing any more.
        let signed = signing.await.unwrap().unwrap();
        check("secp256k1", number, &signed);
        both_keep_as_many(&cluster, &k1).await;
        observed(&[
            &format!("a signer is killed at sign:{step}"),
            "no half comes back; signed with new ones, as many kept by both",
        ]);
    }
    let log = cluster.node(1).log();
    assert!(!log.contains("panicked"), "{log}");

    // An older copy of a disk, taken while presignatures were ready, brings none of them back.
    assert!(presign(&cluster, 1, &k1, 2, &[1, 2]).await >= 2);
    victim.terminate();
    assert!(victim.ended().await.success());
    let copy = victim.folder.join("copied.redb");
    fs::copy(victim.store(), &copy).unwrap();
    victim.start();
    cluster.ready().await;
    let signed =
        client(&cluster, &[1]).sign(SignRequest { signers: by(&[1, 2]), ..digest(&k1, 2) }).await.unwrap();
    check("secp256k1", 2, &signed);
    victim.kill();
    fs::rename(&copy, victim.store()).unwrap();
    victim.start();
    cluster.ready().await;
    assert_eq!(counted(&cluster, 2, "quorate_presignatures_kept").await, 0);
    found_out(&cluster, 2).await;
    let signed =
        client(&cluster, &[1]).sign(SignRequest { signers: by(&[1, 2]), ..digest(&k1, 3) }).await.unwrap();
    check("secp256k1", 3, &signed);
    observed(&["an older copy of a signer's disk", "holds no presignature; signed with new ones"]);

    // The owner restarts: its signers drop what they had for it, and it starts with nothing.
    presign(&cluster, 1, &k1, 1, &[1, 3]).await;
    cluster.node(1).kill();
    cluster.restart(1).await;
    assert_eq!(ready(&cluster, 1, &k1).await, 0);
    let signed = client(&cluster, &[1]).sign(digest(&k1, 4)).await.unwrap();
    check("secp256k1", 4, &signed);
    observed(&["the owner restarts", "its pool is empty; signed with new ones"]);
}

/// Node 2 has halves of what node 1 has with it, no more and no less, after a moment in which they compare.
async fn both_keep_as_many(cluster: &Cluster, wallet: &WalletId) {
    let started = Instant::now();
    loop {
        let kept = counted(cluster, 2, "quorate_presignatures_kept").await;
        let ready = ready(cluster, 1, wallet).await;
        if kept == u64::from(ready) {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "{kept} halves for {ready} presignatures");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_member_is_killed_while_auxiliary_information_or_presignatures_are_made() {
    let cluster = started().await;
    let k1 = wallet(&cluster, "k1", "secp256k1").await;
    assert_eq!(presign(&cluster, 1, &k1, 1, &[1, 2]).await, 1);
    let victim = cluster.node(2);

    let steps: &[_] =
        if slow() { &["accepted", "started", "round-2", "finished"] } else { &["round-2", "finished"] };
    for (number, step) in (1..).zip(steps) {
        victim.order(&Order::new(Fate::Kill, &format!("presign:{step}")));
        let asking = client(&cluster, &[1]);
        let request = PresignRequest { signers: by(&[1, 2]), ..PresignRequest::new(k1.clone(), 8) };
        let asked = tokio::spawn(async move { asking.presign(request).await });
        victim.killed_by_order().await;
        cluster.restart(2).await;
        // Made in a later attempt, or not: the same is asked for again.
        let answered =
            if asked.await.unwrap().is_ok() { "made, later" } else { "refused, made when asked again" };
        let available = presign(&cluster, 1, &k1, 2, &[1, 2]).await;
        assert!(available >= 2);
        // Those made before are still on node1's list, and found to be halves without a whole when they are tried.
        for round in 0..available {
            let number = number + 16 * u8::try_from(round).unwrap();
            let request = SignRequest { signers: by(&[1, 2]), ..digest(&k1, number) };
            check("secp256k1", number, &client(&cluster, &[1]).sign(request).await.unwrap());
        }
        both_keep_as_many(&cluster, &k1).await;
        observed(&[&format!("a signer is killed at presign:{step}"), answered]);
    }

    let mut before = 0;
    for (number, step) in (5..).zip(["stored", "settled"]) {
        victim.order(&Order::new(Fate::Kill, &format!("auxiliary:{step}")));
        let asking = client(&cluster, &[1]);
        let asked = tokio::spawn(async move { rotate(&asking).await });
        victim.killed_by_order().await;
        cluster.restart(2).await;
        let answered = match asked.await.unwrap() {
            Ok(made) => {
                assert!(made.epoch > before);
                before = made.epoch;
                "made, with it after its restart"
            }
            Err(_) => "refused; what was there before serves on",
        };
        // With what there is now, whichever it is.
        assert!(presign(&cluster, 1, &k1, 1, &[1, 2]).await >= 1);
        let request = SignRequest { signers: by(&[1, 2]), ..digest(&k1, number) };
        check("secp256k1", number, &client(&cluster, &[1]).sign(request).await.unwrap());
        let after = rotate(&client(&cluster, &[1])).await.unwrap().epoch;
        assert!(after > before, "no epoch is used twice");
        before = after;
        observed(&[&format!("a member is killed at auxiliary:{step}"), answered]);
    }
}

#[tokio::test]
async fn an_empty_pool_slows_signatures_down_and_stale_auxiliary_information_is_refused() {
    let cluster = started().await;
    let k1 = wallet(&cluster, "k1", "secp256k1").await;

    // More at once than there are presignatures for.
    presign(&cluster, 1, &k1, 2, &[1, 2]).await;
    let clients = (1..=6_u8).map(|number| {
        let (client, request) = (client(&cluster, &[1]), digest(&k1, number));
        tokio::spawn(async move { (number, client.sign(request).await) })
    });
    for signing in clients.collect::<Vec<_>>() {
        let (number, signed) = signing.await.unwrap();
        check("secp256k1", number, &signed.unwrap());
    }
    observed(&["six requests, two presignatures", "all signed: four wait for theirs"]);

    // Rotation: the pool goes with what it was made under.
    presign(&cluster, 1, &k1, 1, &[1, 3]).await;
    let stale = cluster.node(3);
    stale.terminate();
    assert!(stale.ended().await.success());
    let copy = stale.folder.join("copied.redb");
    fs::copy(stale.store(), &copy).unwrap();
    stale.start();
    cluster.ready().await;
    let rotated = client(&cluster, &[1]).rotate_auxiliary(AuxiliaryRequest::default()).await.unwrap();
    assert_eq!((rotated.epoch, rotated.parties.len()), (1, 3));
    assert_eq!(ready(&cluster, 1, &k1).await, 0);
    assert_eq!(counted(&cluster, 2, "quorate_presignatures_kept").await, 0);
    observed(&[
        "auxiliary information is rotated",
        "next epoch; presignatures made under the old are dropped",
    ]);

    // A signer whose disk is older than that.
    stale.kill();
    fs::rename(&copy, stale.store()).unwrap();
    stale.start();
    cluster.ready().await;
    found_out(&cluster, 3).await;
    let with_it = PresignRequest { signers: by(&[1, 3]), ..PresignRequest::new(k1.clone(), 1) };
    let refused = client(&cluster, &[1]).presign(with_it.clone()).await.unwrap_err();
    let refused = refused.api().unwrap();
    assert!(
        refused.message.contains("node3") && refused.message.contains("auxiliary information"),
        "{refused:?}"
    );
    let signed = client(&cluster, &[1]).sign(digest(&k1, 7)).await.unwrap();
    check("secp256k1", 7, &signed);
    assert_eq!(signed.committee, ["node1", "node2"]);
    let began = Instant::now();
    let rotated = client(&cluster, &[3]).rotate_auxiliary(AuxiliaryRequest::default()).await.unwrap();
    assert_eq!(rotated.epoch, 2, "beyond what the others know; took {:?}", began.elapsed());
    client(&cluster, &[1]).presign(with_it).await.unwrap();
    observed(&[
        "a signer with stale auxiliary information",
        "refuses and is passed over, until it is made anew",
    ]);
}
