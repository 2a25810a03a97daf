//! One node of the cluster is the binary `byzantine`, which runs the protocols and cheats in them.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use quorate_client::{Client, RetryPolicy};
use quorate_identity::peers::Peers;
use quorate_keys::Identity;
use quorate_request::{ErrorCode, KeygenRequest, ReshareRequest, SignRequest, WalletId};
use quorate_session::{Claim, Evidence, Wire};
use quorate_tests::cluster::{keygen, sign};
use quorate_tests::node::NodeProcess;
use quorate_tests::{Cluster, Program, judge, report};

use crate::{cluster, program};

const SECTION: &str = "A Byzantine node";
const COLUMNS: &[&str] = &["cheat", "cluster", "observed"];
const FALSE_COMPLAINT: &str = "complained about a share that is right";
/// How long evidence may take to reach everybody.
const SPREADS: Duration = Duration::from_secs(10);
/// How long a cheater may go unnoticed.
const SHOWS: Duration = Duration::from_secs(120);

/// Adds a row to the fault table.
fn observed(section: &str, cells: &[&str]) {
    report::columns(section, COLUMNS);
    crate::observed(section, cells);
}

/// The cluster's last node cheats.
async fn cluster_with(cheat: &str, count: usize) -> Cluster {
    let byzantine = Program::at(env!("CARGO_BIN_EXE_byzantine"));
    cluster(count).node_program(count, &byzantine).node_env(count, "QUORATE_TEST_CHEAT", cheat).start().await
}

fn cheater(cluster: &Cluster) -> &NodeProcess {
    cluster.nodes().last().unwrap()
}

fn honest(cluster: &Cluster) -> &[NodeProcess] {
    cluster.nodes().split_last().unwrap().1
}

pub(crate) fn identity_of(cluster: &Cluster, node: &NodeProcess) -> Identity {
    Peers::load(&cluster.peers_file).unwrap().by_name(&node.name).unwrap().identity
}

fn evidence_of(node: &NodeProcess) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(node.folder.join("evidence")) else { return Vec::new() };
    let files = entries.map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "evidence")).collect()
}

/// A client that proposes at this node and takes its first word.
fn asking(cluster: &Cluster, node: usize) -> Client {
    let policy = RetryPolicy { attempts: 1, deadline: Duration::from_secs(60), ..RetryPolicy::default() };
    cluster.client_with(&[node], policy)
}

/// Every honest node has convicted the cheater of `finding`, with evidence that the command accepts with no node
/// involved, and has convicted nobody else.
async fn everybody_convicts_the_cheater(cluster: &Cluster, finding: &str) {
    let culprit = identity_of(cluster, cheater(cluster)).to_string();
    let started = Instant::now();
    for node in honest(cluster) {
        while evidence_of(node).is_empty() {
            assert!(started.elapsed() < SPREADS, "{} has no evidence; its log:\n{}", node.name, node.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for file in evidence_of(node) {
            let judged = program().run(["evidence", "verify", file.to_str().unwrap(), "--json"]).await;
            assert_eq!(judged.code, Some(0), "{}", judged.stderr);
            let verdict: serde_json::Value = serde_json::from_str(&judged.stdout).unwrap();
            assert_eq!(verdict["culprit"], culprit, "{verdict}");
            assert_eq!(verdict["proven"], true, "{verdict}");
            let found = verdict["finding"].as_str().unwrap();
            assert!(found.contains(finding), "{found}, expected {finding}");
        }
        assert_eq!(convicted_by(node), BTreeSet::from([cheater(cluster).name.clone()]), "{}", node.log());
    }
    for view in asking(cluster, 1).nodes().await.unwrap() {
        assert_eq!(view.excluded, view.name == cheater(cluster).name, "{view:?}");
    }
}

/// Whom a node's log says that it convicted.
fn convicted_by(node: &NodeProcess) -> BTreeSet<String> {
    let log = node.log();
    let lines = log.lines().filter(|line| line.contains("convicted:"));
    let names = lines.map(|line| line.split("culprit=").nth(1).unwrap_or_default());
    names
        .map(|rest| rest.split_whitespace().next().unwrap_or_default().trim_matches('"').to_owned())
        .collect()
}

fn nobody_is_convicted(cluster: &Cluster) {
    for node in honest(cluster) {
        assert!(evidence_of(node).is_empty() && convicted_by(node).is_empty(), "{}", node.log());
    }
}

/// In key generation a node cheats; all nodes are needed, so there is no wallet, and the answer says why.
async fn cheats_in_key_generation(cheat: &str, count: usize, curve: &str, finding: &str) -> Cluster {
    let cluster = cluster_with(&format!("{cheat}:keygen"), count).await;
    let of = |count: usize| (u16::try_from(count / 2 + 1).unwrap(), u16::try_from(count).unwrap());
    let (threshold, total) = of(count);
    let refused = asking(&cluster, 1).keygen(keygen("together", threshold, total, curve)).await.unwrap_err();
    let refused = refused.api().unwrap_or_else(|| panic!("{refused}"));
    assert_eq!(refused.culprits, [cheater(&cluster).name.clone()], "{refused:?}");
    everybody_convicts_the_cheater(&cluster, finding).await;
    // Without it, all goes on.
    let parties = Some(honest(&cluster).iter().map(|node| node.name.clone()).collect());
    let (threshold, total) = of(count - 1);
    let request = KeygenRequest { parties, ..keygen("without", threshold, total, curve) };
    let wallet = asking(&cluster, 2).keygen(request).await.unwrap();
    let signed = asking(&cluster, 1).sign(sign(&wallet.wallet_id, b"without")).await.unwrap();
    judge::check(curve, b"without", &signed);
    observed(
        SECTION,
        &[
            &format!("{cheat} in key generation"),
            &format!("{count} nodes"),
            "named by all, evidence verified offline; a key and a signature without it",
        ],
    );
    cluster
}

#[tokio::test]
async fn a_dealer_of_wrong_shares_is_convicted() {
    cheats_in_key_generation("wrong-share", 3, "ed25519", "a wrong share").await;
}

#[tokio::test]
async fn a_dealer_of_five_with_wrong_shares_is_convicted() {
    cheats_in_key_generation("wrong-share", 5, "ed25519", "a wrong share").await;
}

#[tokio::test]
async fn a_dealer_with_a_wrong_proof_is_convicted() {
    cheats_in_key_generation("wrong-proof", 3, "secp256k1", "does not know the polynomial").await;
}

#[tokio::test]
async fn a_dealer_with_a_long_vector_is_convicted() {
    cheats_in_key_generation("long-vector", 3, "ed25519", "an invalid vector of coefficients").await;
}

#[tokio::test]
async fn a_false_complaint_convicts_its_author() {
    cheats_in_key_generation("false-complaint", 3, "secp256k1", FALSE_COMPLAINT).await;
}

/// The lie that only arithmetic shows: everything in the complaint is genuine, and the share is right.
#[tokio::test]
async fn a_complaint_about_a_genuine_delivery_convicts_its_author() {
    cheats_in_key_generation("genuine-complaint", 3, "ed25519", FALSE_COMPLAINT).await;
}

#[tokio::test]
async fn a_complaint_of_one_of_five_about_a_genuine_delivery_convicts_its_author() {
    cheats_in_key_generation("genuine-complaint", 5, "secp256k1", FALSE_COMPLAINT).await;
}

#[tokio::test]
async fn a_dealer_that_says_different_things_is_convicted() {
    cheats_in_key_generation("equivocate", 3, "ed25519", "contradicting messages in round 1").await;
}

#[tokio::test]
async fn a_dealer_that_sends_garbage_is_convicted_and_mutated_evidence_is_refused() {
    let cluster = cheats_in_key_generation("garbage", 3, "ed25519", "undecodable message in round 1").await;
    let file = evidence_of(cluster.node(1)).remove(0);
    let bytes = std::fs::read(&file).unwrap();
    let registry = quorate_node::registry();
    assert!(registry.judge(&Evidence::from_wire(&bytes).unwrap()).is_ok());
    // Every byte counts, for this release of the rules and the command alike.
    for at in 0..bytes.len() {
        let mut mutated = bytes.clone();
        mutated[at] ^= 1 << (at % 8);
        let judged = Evidence::from_wire(&mutated).is_ok_and(|evidence| registry.judge(&evidence).is_ok());
        assert!(!judged, "byte {at} of {} does not matter", bytes.len());
    }
    let mut signature = bytes.clone();
    *signature.last_mut().unwrap() ^= 1;
    let longer = [&bytes[..], &[0]].concat();
    for mutated in [&signature[..], &longer, &bytes[..bytes.len() - 1], b"", b"evidence"] {
        let file = cluster.folder().join("mutated");
        std::fs::write(&file, mutated).unwrap();
        let judged = program().run(["evidence", "verify", file.to_str().unwrap()]).await;
        assert_eq!(judged.code, Some(6), "{judged:?}");
        assert!(judged.stderr.contains(file.to_str().unwrap()), "{judged:?}");
    }
    observed(
        SECTION,
        &["mutated evidence", "offline", "every flipped byte, cut and appended bytes: refused, exit 6"],
    );
}

/// Signatures are asked for until the cheater has been in a committee. Every one is made.
async fn cheats_in_signing(cheat: &str, count: usize, finding: &str) {
    let (threshold, total) = (u16::try_from(count / 2 + 1).unwrap(), u16::try_from(count).unwrap());
    let cluster = cluster_with(&format!("{cheat}:sign"), count).await;
    let wallet = cluster.wallet("all", threshold, total, "ed25519").await.wallet_id;
    let caught = sign_until_it_shows(&cluster, &wallet, |signed| !signed.culprits.is_empty()).await;
    assert_eq!(caught.culprits, [cheater(&cluster).name.clone()]);
    assert!(caught.attempt > 1 && !caught.committee.contains(&cheater(&cluster).name), "{caught:?}");
    everybody_convicts_the_cheater(&cluster, finding).await;
    // Who insists on the cheater is told why that does not work.
    let names = honest(&cluster).iter().take(usize::from(threshold) - 1).chain([cheater(&cluster)]);
    let signers = Some(names.map(|node| node.name.clone()).collect());
    let refused =
        asking(&cluster, 2).sign(SignRequest { signers, ..sign(&wallet, b"insist") }).await.unwrap_err();
    let refused = refused.api().unwrap_or_else(|| panic!("{refused}"));
    assert_eq!(refused.code, ErrorCode::NotEnoughSigners, "{refused:?}");
    assert_eq!(refused.culprits, [cheater(&cluster).name.clone()], "{refused:?}");
    for number in 1..count {
        let signed = asking(&cluster, number).sign(sign(&wallet, b"after")).await.unwrap();
        judge::check("ed25519", b"after", &signed);
        assert!(!signed.committee.contains(&cheater(&cluster).name), "{signed:?}");
    }
    let nodes = format!("{count} nodes");
    observed(
        SECTION,
        &[
            &format!("{cheat} in signing"),
            &nodes,
            "named by all and in the answer, evidence verified offline; signing goes on",
        ],
    );
}

/// Asks the honest nodes in turn for signatures until one shows what is looked for. A cheater that was found out is not chosen for a
/// while, also if the result was there all the same.
async fn sign_until_it_shows(
    cluster: &Cluster,
    wallet: &WalletId,
    shows: impl Fn(&quorate_request::SignResponse) -> bool,
) -> quorate_request::SignResponse {
    let (begun, mut number) = (Instant::now(), 0_usize);
    loop {
        assert!(
            begun.elapsed() < SHOWS,
            "the cheater was in no committee that mattered in {number} signatures"
        );
        let message = format!("message {number}");
        let proposer = number % honest(cluster).len() + 1;
        let signed = asking(cluster, proposer).sign(sign(wallet, message.as_bytes())).await.unwrap();
        judge::check("ed25519", message.as_bytes(), &signed);
        if shows(&signed) {
            return signed;
        }
        number += 1;
    }
}

#[tokio::test]
async fn a_signer_of_three_with_a_wrong_share_is_convicted() {
    cheats_in_signing("wrong-share", 3, "a wrong signature share").await;
}

#[tokio::test]
async fn a_signer_of_five_with_a_wrong_share_is_convicted() {
    cheats_in_signing("wrong-share", 5, "a wrong signature share").await;
}

#[tokio::test]
async fn a_signer_that_says_different_things_is_convicted() {
    cheats_in_signing("equivocate", 5, "contradicting messages in round 1").await;
}

#[tokio::test]
async fn a_signer_that_sends_garbage_is_convicted() {
    cheats_in_signing("garbage", 3, "undecodable message in round 1").await;
}

/// In a resharing a node cheats, that holds a share before or comes: there is no new epoch, the answer says why, and the old one signs.
/// Without it there is a new epoch.
async fn cheats_in_resharing(cheat: &str, before: &[usize; 3], after: &[usize; 3], finding: Option<&str>) {
    let byzantine = Program::at(env!("CARGO_BIN_EXE_byzantine"));
    let cluster = cluster(5)
        .setting("reshare_without_authorizers", "true")
        .node_program(5, &byzantine)
        .node_env(5, "QUORATE_TEST_CHEAT", &format!("{cheat}:reshare"))
        .start()
        .await;
    let names = |nodes: &[usize]| Some(nodes.iter().map(|node| format!("node{node}")).collect::<Vec<_>>());
    let request = KeygenRequest { parties: names(before), ..keygen("w", 2, 3, "ed25519") };
    let made = asking(&cluster, 1).keygen(request).await.unwrap();
    cluster.known_everywhere(&made.wallet_id).await;
    let reshare = |parties: &[usize]| ReshareRequest {
        new_parties: names(parties),
        ..ReshareRequest::of(made.wallet_id.clone())
    };
    let signs = |message: &'static [u8]| {
        let signers = names(&before[..2]);
        let request = SignRequest { signers, ..sign(&made.wallet_id, message) };
        let client = asking(&cluster, 1);
        async move { judge::check("ed25519", message, &client.sign(request).await.unwrap()) }
    };
    let refused = asking(&cluster, 1).reshare(reshare(after)).await.unwrap_err();
    let refused = refused.api().unwrap_or_else(|| panic!("{refused}"));
    let outcome = match finding {
        Some(finding) => {
            assert_eq!(refused.culprits, [cheater(&cluster).name.clone()], "{refused:?}");
            everybody_convicts_the_cheater(&cluster, finding).await;
            "named by all, evidence verified offline"
        }
        None => {
            assert!(refused.message.contains("node5"), "{refused:?}");
            nobody_is_convicted(&cluster);
            "named as absent, convicted by nobody"
        }
    };
    for node in 1..5 {
        assert_eq!(asking(&cluster, node).wallet(&made.wallet_id).await.unwrap().epoch, 0);
    }
    signs(b"at the old epoch").await;
    let renewed = asking(&cluster, 2).reshare(reshare(&[1, 2, 4])).await.unwrap();
    assert_eq!(renewed.public_key, made.public_key);
    signs(b"at the new epoch").await;
    let role = if before.contains(&5) { "a holder" } else { "a newcomer" };
    let rest = "the old epoch signs; a new one without it, with the same key";
    observed(
        SECTION,
        &[&format!("{cheat} in a resharing, {role}"), "5 nodes", &format!("{outcome}; {rest}")],
    );
}

const HOLDS: [usize; 3] = [1, 2, 5];
const ONE_LEAVES: [usize; 3] = [2, 3, 5];
const WITHOUT: [usize; 3] = [1, 2, 3];

#[tokio::test]
async fn a_holder_that_deals_something_else_than_its_share_is_convicted() {
    cheats_in_resharing("wrong-constant", &HOLDS, &ONE_LEAVES, Some("something else than its share")).await;
}

#[tokio::test]
async fn a_holder_that_deals_a_wrong_share_is_convicted() {
    cheats_in_resharing("wrong-share", &HOLDS, &ONE_LEAVES, Some("a wrong share")).await;
}

#[tokio::test]
async fn a_holder_that_deals_a_long_vector_is_convicted() {
    cheats_in_resharing("long-vector", &HOLDS, &ONE_LEAVES, Some("an invalid vector of coefficients")).await;
}

#[tokio::test]
async fn a_false_complaint_in_a_resharing_convicts_its_author() {
    cheats_in_resharing("false-complaint", &HOLDS, &ONE_LEAVES, Some(FALSE_COMPLAINT)).await;
}

#[tokio::test]
async fn a_holder_that_says_nothing_keeps_nobody_from_resharing_without_it() {
    cheats_in_resharing("silence", &HOLDS, &ONE_LEAVES, None).await;
}

#[tokio::test]
async fn a_newcomer_that_does_not_know_the_share_that_it_acknowledges_is_convicted() {
    let finding = "does not know the share that it acknowledged";
    cheats_in_resharing("false-acknowledgement", &WITHOUT, &HOLDS, Some(finding)).await;
}

#[tokio::test]
async fn a_newcomer_that_complains_about_nothing_is_convicted() {
    cheats_in_resharing("false-complaint", &WITHOUT, &HOLDS, Some(FALSE_COMPLAINT)).await;
}

/// What one node sees and can't prove to others is held against nobody for good.
async fn is_left_out(cheat: &str, operation: &str) {
    let cluster = cluster_with(&format!("{cheat}{operation}"), 3).await;
    let wallet = cluster.wallet("all", 2, 3, "ed25519").await.wallet_id;
    let name = &cheater(&cluster).name;
    let signed = sign_until_it_shows(&cluster, &wallet, |signed| signed.absent.contains(name)).await;
    assert_eq!(signed.absent, std::slice::from_ref(name), "{signed:?}");
    assert!(!signed.committee.contains(name), "{signed:?}");
    nobody_is_convicted(&cluster);
    observed(
        SECTION,
        &[
            &format!("{cheat} in signing"),
            "3 nodes",
            "replaced, named in the answer as absent; nobody convicted; every signature made",
        ],
    );
}

#[tokio::test]
async fn a_node_that_replays_is_replaced() {
    is_left_out("replay", "").await;
}

#[tokio::test]
async fn a_node_that_floods_is_replaced() {
    is_left_out("flood", ":sign").await;
}

#[tokio::test]
async fn a_node_that_says_nothing_is_replaced() {
    is_left_out("silence", ":sign").await;
}

#[tokio::test]
async fn forged_evidence_convinces_nobody() {
    let cluster = cluster_with("forge:sign", 3).await;
    let wallet = cluster.wallet("all", 2, 3, "ed25519").await.wallet_id;
    let forger = cheater(&cluster);
    for number in 0..12_usize {
        let message = format!("message {number}");
        let signed = asking(&cluster, number % 2 + 1).sign(sign(&wallet, message.as_bytes())).await.unwrap();
        judge::check("ed25519", message.as_bytes(), &signed);
        assert!(signed.culprits.is_empty(), "{signed:?}");
    }
    let spread: Vec<_> = evidence_of(forger);
    assert!(!spread.is_empty(), "nothing was forged:\n{}", forger.log());
    for file in spread {
        let judged = program().run(["evidence", "verify", file.to_str().unwrap()]).await;
        assert_eq!(judged.code, Some(6), "{judged:?}");
        let evidence = Evidence::from_wire(&std::fs::read(&file).unwrap()).unwrap();
        assert!(matches!(evidence.claim, Claim::Equivocation { .. } | Claim::Undecodable { .. }));
    }
    let started = Instant::now();
    for node in honest(&cluster) {
        while !node.log().contains("refused evidence that proves nothing") {
            assert!(started.elapsed() < SPREADS, "{} refused nothing; its log:\n{}", node.name, node.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    nobody_is_convicted(&cluster);
    observed(
        SECTION,
        &[
            "forged evidence",
            "3 nodes",
            "refused by every node and offline; nobody convicted; signing goes on",
        ],
    );
}
