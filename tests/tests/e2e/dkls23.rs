//! ECDSA by DKLS23 on a running cluster: pairs, signatures, and a node that guesses at the secrets of others.

use std::time::Duration;

use quorate_client::{Client, RetryPolicy};
use quorate_keys::{ChainCode, Curve, GroupKey, Scheme, derive};
use quorate_node::barrier::Step;
use quorate_request::{ErrorCode, KeygenRequest, SignRequest, WalletId};
use quorate_tests::barrier::{Fate, Order};
use quorate_tests::{Cluster, Program, Setup, judge, report};

use crate::commands::operate_at;
use crate::disk::with_a_small_disk;
use crate::payment::pay;
use crate::{cluster, observed as noted, program};

const SECTION: &str = "ECDSA by DKLS23 (3 nodes, 2 of 3)";
const COLUMNS: &[&str] = &["what", "observed"];

fn observed(cells: &[&str]) {
    report::columns(SECTION, COLUMNS);
    noted(SECTION, cells);
}

/// A client of some nodes that takes their first word.
fn client(cluster: &Cluster, nodes: &[usize]) -> Client {
    let policy = RetryPolicy { attempts: 1, deadline: Duration::from_secs(60), ..RetryPolicy::default() };
    cluster.client_with(nodes, policy)
}

async fn wallet(cluster: &Cluster, name: &str, curve: &str) -> WalletId {
    let request = KeygenRequest {
        session_id: None,
        threshold: 2,
        total: 3,
        curve: curve.to_owned(),
        protocol: Some("dkls23".to_owned()),
        wallet_id: Some(name.parse().unwrap()),
        parties: None,
    };
    let made = client(cluster, &[1]).keygen(request).await.unwrap();
    cluster.known_everywhere(&made.wallet_id).await;
    made.wallet_id
}

fn digest(wallet: &WalletId, number: u8, signers: &[usize]) -> SignRequest {
    let signers = signers.iter().map(|node| format!("node{node}")).collect();
    SignRequest { signers: Some(signers), ..SignRequest::digest(wallet.clone(), [number; 32]) }
}

#[tokio::test]
async fn wallets_of_both_curves_sign_at_once_and_ethers_accepts_what_they_sign() {
    let cluster = cluster(3).start().await;
    for (name, curve) in [("k1", "secp256k1"), ("r1", "p256")] {
        let made = wallet(&cluster, name, curve).await;
        // Whoever is asked, also who is no signer.
        for (number, node) in (1..).zip([1, 2, 3]) {
            let signed = client(&cluster, &[node]).sign(digest(&made, number, &[2, 3])).await.unwrap();
            judge::check(curve, &[number; 32], &signed);
            assert!(signed.recovery_id.is_some_and(|id| id < 2), "{signed:?}");
            assert_eq!(signed.committee, ["node2", "node3"]);
        }
    }
    observed(&[
        "wallets on secp256k1 and p256",
        "sign wherever they are asked; judged by libsecp256k1 and AWS-LC",
    ]);
    let k1 = "k1".parse().unwrap();
    let view = client(&cluster, &[1]).wallet(&k1).await.unwrap();
    assert_eq!((view.protocol.as_str(), view.presignatures), ("dkls23", None));
    let path = "m/44/60/0/0/7";
    let child = SignRequest { derivation_path: Some(path.into()), ..digest(&k1, 9, &[1, 3]) };
    let signed = client(&cluster, &[1]).sign(child).await.unwrap();
    judge::check("secp256k1", &[9; 32], &signed);
    let group = GroupKey::from_bytes(Curve::Secp256k1, view.group_key.as_bytes()).unwrap();
    let derived =
        derive(&group, &ChainCode::new(*view.chain_code.as_bytes()), &path.parse().unwrap()).unwrap();
    let expected = derived.key.public_key(Scheme::EcdsaSecp256k1).unwrap();
    assert_eq!(signed.public_key.as_bytes(), expected.as_bytes());
    for name in pay(&client(&cluster, &[1]), &view).await {
        observed(&[
            &format!("a transfer on Ethereum ({name})"),
            "accepted by ethers, and with no bit changed",
        ]);
    }
    // What is stored is enough to go on.
    for node in 1..=3 {
        cluster.restart(node).await;
    }
    cluster.ready().await;
    let signed = client(&cluster, &[2]).sign(digest(&k1, 10, &[1, 2])).await.unwrap();
    judge::check("secp256k1", &[10; 32], &signed);
    observed(&["all nodes are killed and started again", "the wallets sign with the pairs that they had"]);
}

/// What `quorate node status` says on a node of whom it has caught.
async fn status(cluster: &Cluster, node: usize) -> (String, Vec<(String, Vec<String>)>) {
    let node = std::slice::from_ref(cluster.node(node));
    let mut said = Vec::new();
    for arguments in [&["node", "status"][..], &["node", "status", "--json"]] {
        let ended = operate_at(cluster, node, arguments).await;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        said.push(ended.stdout);
    }
    let report: serde_json::Value = serde_json::from_str(&said[1]).unwrap();
    let nodes = report["nodes"].as_array().unwrap().iter().filter_map(|node| {
        let caught = node.get("caught")?.as_array()?.iter();
        let caught = caught.map(|caught| caught["wallet_id"].as_str().unwrap().to_owned());
        Some((node["name"].as_str().unwrap().to_owned(), caught.collect()))
    });
    (said.swap_remove(0), nodes.collect())
}

/// node3 guesses at the seeds that others keep from it.
fn guessing() -> Setup {
    let byzantine = Program::at(env!("CARGO_BIN_EXE_byzantine"));
    Setup::new(&program(), 3).node_program(3, &byzantine).node_env(3, "QUORATE_TEST_CHEAT", "guess:sign")
}

/// Has node1 sign with node3, which guesses at its seeds; it is killed at this step, and started again.
async fn killed_at(cluster: &Cluster, wallet: &WalletId, step: Step) {
    let victim = cluster.node(1);
    victim.order(&Order::new(Fate::Kill, &format!("sign:{step}")));
    let (asking, request) = (client(cluster, &[1]), digest(wallet, 1, &[1, 3]));
    let signing = tokio::spawn(async move { asking.sign(request).await });
    victim.killed_by_order().await;
    assert!(signing.await.unwrap().is_err());
    cluster.restart(1).await;
    cluster.ready().await;
}

#[tokio::test]
async fn a_guess_at_the_seeds_of_another_is_caught_and_never_forgotten() {
    let cluster = guessing().setting("request_timeout", "6s").start().await;
    let made = wallet(&cluster, "w", "secp256k1").await;
    let refused = |error: quorate_client::ClientError, told: &str| {
        let error = error.api().unwrap_or_else(|| panic!("{error}")).clone();
        assert_eq!(error.code, ErrorCode::NotEnoughSigners, "{error:?}");
        assert!(error.message.contains(told), "{error:?}");
        assert!(error.culprits.is_empty(), "nothing is proven: {error:?}");
    };
    // Killed when the ban is on disk and nobody knows of it.
    killed_at(&cluster, &made, Step::Banned).await;
    let told = "does not sign with node3, which it has caught cheating";
    refused(client(&cluster, &[1]).sign(digest(&made, 2, &[1, 3])).await.unwrap_err(), told);
    let (text, caught) = status(&cluster, 1).await;
    assert_eq!(caught, [("node3".to_owned(), vec!["w".to_owned()])]);
    assert!(
        text.contains("node3 was caught cheating in the signing of wallet w: node1 does not sign"),
        "{text}"
    );
    observed(&[
        "a guess at the seeds of another, who is killed when that is noted and before anybody knows",
        "refused for good after the restart, and shown by `quorate node status`",
    ]);
    // Who has seen nothing of it believes nobody, until it sees for itself.
    assert!(status(&cluster, 2).await.1.is_empty());
    let asked = client(&cluster, &[2]).sign(digest(&made, 3, &[2, 3])).await.unwrap_err();
    assert_eq!(asked.api().unwrap().code, ErrorCode::NotEnoughSigners, "{asked}");
    assert_eq!(status(&cluster, 2).await.1, [("node3".to_owned(), vec!["w".to_owned()])]);
    // The honest ones sign on, whoever chooses.
    for (number, node) in (4..).zip([1, 2]) {
        let request = SignRequest::digest(made.clone(), [number; 32]);
        let signed = client(&cluster, &[node]).sign(request).await.unwrap();
        judge::check("secp256k1", &[number; 32], &signed);
        assert_eq!(signed.committee, ["node1", "node2"], "{signed:?}");
    }
    for node in [1, 2] {
        let views = client(&cluster, &[node]).nodes().await.unwrap();
        assert!(views.iter().all(|view| !view.excluded), "there is nothing to convict it with");
    }
    observed(&[
        "a guess at the seeds of two others, one after the other",
        "each names it, nobody else is named; the two sign on",
    ]);
}

/// Has the pairs of a wallet made anew, as an operator does.
async fn renew(cluster: &Cluster, node: usize, arguments: &[&str]) -> quorate_tests::program::Ended {
    let node = std::slice::from_ref(cluster.node(node));
    operate_at(cluster, node, &[&["auxiliary", "rotate", "--wallet", "w", "--json"], arguments].concat())
        .await
}

#[tokio::test]
async fn who_was_caught_is_taken_back_with_new_pairs_and_caught_again() {
    let cluster = guessing().setting("request_timeout", "6s").start().await;
    let made = wallet(&cluster, "w", "secp256k1").await;
    // Killed when it has noticed, and has not noted it.
    killed_at(&cluster, &made, Step::Caught).await;
    assert!(status(&cluster, 1).await.1.is_empty());
    // Many at once: none gets a signature, and those without the cheater do.
    let requests = (2..10).map(|number| digest(&made, number, &[1, if number % 2 == 0 { 3 } else { 2 }]));
    let asked = requests.map(|request| {
        let client = client(&cluster, &[1]);
        tokio::spawn(async move { client.sign(request).await })
    });
    for (number, asked) in (2..).zip(asked.collect::<Vec<_>>()) {
        let ended = asked.await.unwrap();
        match number % 2 {
            0 => assert_eq!(ended.unwrap_err().api().unwrap().code, ErrorCode::NotEnoughSigners),
            _ => judge::check("secp256k1", &[number; 32], &ended.unwrap()),
        }
    }
    let node3_in_w = [("node3".to_owned(), vec!["w".to_owned()])];
    assert_eq!(status(&cluster, 1).await.1, node3_in_w);
    observed(&[
        "the victim is killed when it has noticed and not noted a guess; then eight requests at once",
        "the next guess is noted; none of the four with the cheater is signed, the four without are",
    ]);
    for _ in 0..2 {
        let ended = renew(&cluster, 2, &[]).await;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let told: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!((told["wallet_id"].as_str(), told["parties"].as_array().unwrap().len()), (Some("w"), 3));
        let begun = tokio::time::Instant::now();
        while !status(&cluster, 1).await.1.is_empty() {
            assert!(begun.elapsed() < Duration::from_secs(20), "node3 was not taken back");
        }
        // It has a chance, and does not take it.
        client(&cluster, &[1]).sign(digest(&made, 10, &[1, 3])).await.unwrap_err();
        assert_eq!(status(&cluster, 1).await.1, node3_in_w);
    }
    observed(&[
        "`auxiliary rotate --wallet`, twice",
        "who was caught is taken back with the new pairs, guesses again, and is caught again",
    ]);
}

#[tokio::test]
async fn pairs_outlive_kills_at_the_steps_of_making_them() {
    let cluster = cluster(3).start().await;
    for (number, step) in [(1, Step::Stored), (2, Step::Stored), (3, Step::Finished), (2, Step::Settled)] {
        let name = format!("w{number}-{step}");
        let (victim, other) = (cluster.node(number), number % 3 + 1);
        victim.order(&Order::new(Fate::Kill, &format!("pairs:{step}")));
        let request = KeygenRequest {
            session_id: None,
            threshold: 2,
            total: 3,
            curve: "secp256k1".to_owned(),
            protocol: Some("dkls23".to_owned()),
            wallet_id: Some(name.parse().unwrap()),
            parties: None,
        };
        let made = client(&cluster, &[other]).keygen(request).await.unwrap().wallet_id;
        victim.killed_by_order().await;
        cluster.restart(number).await;
        cluster.ready().await;
        for (sign, asked) in (1..).zip([other, number]) {
            let signed =
                client(&cluster, &[asked]).sign(digest(&made, sign, &[number, other])).await.unwrap();
            judge::check("secp256k1", &[sign; 32], &signed);
        }
        // Each knows that all have them, whether it heard so in the session or asked for it.
        for node in cluster.nodes() {
            let begun = tokio::time::Instant::now();
            let is_active = |line: &str| line.contains("its pairs are active") && line.contains(&name);
            while !node.log().lines().any(is_active) {
                assert!(begun.elapsed() < Duration::from_secs(20), "{}: {}", node.name, node.log());
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        observed(&[
            &format!("node{number} is killed at pairs:{step}"),
            "restarted, it signs; every node comes to know that all have the pairs",
        ]);
    }
}

#[tokio::test]
async fn a_wallet_signs_on_when_new_pairs_could_not_be_made() {
    let cluster = cluster(3).start().await;
    let made = wallet(&cluster, "w", "p256").await;
    let signed = client(&cluster, &[1]).sign(digest(&made, 1, &[1, 2])).await.unwrap();
    judge::check("p256", &[1; 32], &signed);
    let victim = cluster.node(2);
    victim.order(&Order::new(Fate::Kill, &format!("pairs:{}", Step::Stored)));
    let failed = renew(&cluster, 1, &["--session-id", "new-pairs"]).await;
    assert_ne!(failed.code, Some(0), "{}", failed.stdout);
    victim.killed_by_order().await;
    // With the old ones, as whoever was killed has not said that it has the new ones.
    for (number, signers) in (2..).zip([[1, 3], [3, 1]]) {
        let signed = client(&cluster, &[signers[0]]).sign(digest(&made, number, &signers)).await.unwrap();
        judge::check("p256", &[number; 32], &signed);
    }
    let down = renew(&cluster, 3, &[]).await;
    assert!(
        down.stderr.contains("every party must take part") && down.stderr.contains("node2"),
        "{}",
        down.stderr
    );
    cluster.restart(2).await;
    cluster.ready().await;
    let repeated = renew(&cluster, 1, &["--session-id", "new-pairs"]).await;
    assert_eq!(repeated.code, Some(0), "{}", repeated.stderr);
    let again = renew(&cluster, 3, &["--session-id", "new-pairs"]).await;
    assert_eq!((again.code, again.stdout), (Some(0), repeated.stdout));
    for (number, signers) in (4..).zip([[1, 2], [2, 3], [3, 1]]) {
        let signed = client(&cluster, &[signers[0]]).sign(digest(&made, number, &signers)).await.unwrap();
        judge::check("p256", &[number; 32], &signed);
    }
    observed(&[
        "a holder is killed while pairs are made anew",
        "the wallet signs with the old ones; repeated with the holder back, the request is done, once",
    ]);
}

#[tokio::test]
async fn a_ban_that_a_full_disk_delays_is_kept_to_and_noted_later() {
    const WHAT: &str = "a guess at the seeds of a node whose disk is full";
    // What is free inside of the store's file is a matter of luck, and a ban is small.
    for _ in 0..6 {
        match delayed_ban().await {
            Delayed::HadRoom => {}
            Delayed::Skipped(why) => return observed(&[WHAT, &why]),
            Delayed::Noted => {
                return observed(&[
                    WHAT,
                    "it signs nothing with the cheater, says nothing, and notes it when there is room",
                ]);
            }
        }
    }
    panic!("a full disk has room for everything");
}

enum Delayed {
    Noted,
    /// The ban was noted at once.
    HadRoom,
    Skipped(String),
}

async fn delayed_ban() -> Delayed {
    let made = guessing().setting("request_timeout", "4s").make().await;
    let (cluster, disk) = match with_a_small_disk(made, 1).await {
        Ok(made) => made,
        Err(skipped) => return Delayed::Skipped(skipped),
    };
    let made = wallet(&cluster, "w", "secp256k1").await;
    client(&cluster, &[2]).sign(digest(&made, 1, &[1, 2])).await.unwrap();
    let others = cluster.wallet("f", 2, 3, "ed25519").await.wallet_id;
    disk.fill_but_for(0);
    // The file itself has room for a few more.
    let fill = |number: u32| quorate_tests::cluster::sign(&others, &number.to_le_bytes());
    let mut filled = 0;
    while client(&cluster, &[1]).sign(fill(filled)).await.is_ok() {
        filled += 1;
        assert!(filled < 5000, "a full disk does not hold this");
    }
    let victim = cluster.node(1);
    let mut number = 2;
    while !victim.log().contains("who cheated could not be noted") {
        client(&cluster, &[2]).sign(digest(&made, number, &[1, 3])).await.unwrap_err();
        number += 1;
        if !status(&cluster, 1).await.1.is_empty() {
            return Delayed::HadRoom;
        }
        assert!(number < 10, "{}", victim.log());
    }
    assert!(status(&cluster, 1).await.1.is_empty(), "nobody is to notice what a restart would forget");
    client(&cluster, &[2]).sign(digest(&made, 100, &[1, 3])).await.unwrap_err();
    disk.make_room();
    let begun = tokio::time::Instant::now();
    while status(&cluster, 1).await.1.is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{}", victim.log());
    }
    victim.kill();
    cluster.restart(1).await;
    cluster.ready().await;
    assert_eq!(status(&cluster, 1).await.1, [("node3".to_owned(), vec!["w".to_owned()])]);
    let signed = client(&cluster, &[2]).sign(digest(&made, 101, &[1, 2])).await.unwrap();
    judge::check("secp256k1", &[101; 32], &signed);
    cluster.node(1).kill();
    drop(disk);
    Delayed::Noted
}
