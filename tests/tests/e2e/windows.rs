//! A limit over time on a running cluster: whoever signs, proposes, dies or comes back with an old disk, no more is spent.

use std::fs;
use std::path::Path;
use std::time::Duration;

use quorate_client::{ClientError, RetryPolicy};
use quorate_request::{ErrorCode, KeygenRequest, SignRequest, SignResponse, WalletView};
use quorate_tests::barrier::{Fate, Order};
use quorate_tests::{Cluster, report};

use crate::policy::{PAYEE, give, payment, solana_address};
use crate::{cluster, observed as noted};

const SECTION: &str = "Limits over time (5 nodes, 3 of 5)";
const COLUMNS: &[&str] = &["what", "observed"];
/// With its fee, so many fit into the window.
const PAID: u64 = 95_000;
const FIT: usize = 14;

fn observed(what: &str, observed: &str) {
    report::columns(SECTION, COLUMNS);
    noted(SECTION, &[what, observed]);
}

fn policy(cluster: &Cluster) -> String {
    format!(
        "version: 1\ncluster: \"{}\"\ninitiators:\n  backend: {{key: \"{}\", operations: [keygen, sign, read]}}\n\
         assets:\n  SOL: {{chain: solana}}\naddresses:\n  payees: {{solana: [{}]}}\n\
         rules:\n  - name: hourly\n    destinations: [payees]\n    fee_at_most: [0.001 SOL]\n    \
         windows: [{{at_most: 0.0014 SOL, in: 1h}}]\n",
        cluster.id,
        cluster.initiator().principal(),
        solana_address(&PAYEE)
    )
}

struct Payer<'a> {
    cluster: &'a Cluster,
    wallet: WalletView,
    /// How many were signed, of those that are no repetitions.
    signed: usize,
    number: u64,
}

impl Payer<'_> {
    fn next(&mut self, signers: &[usize]) -> SignRequest {
        self.number += 1;
        // Each is another payment: the last digits differ.
        let request = payment(&self.wallet, &PAYEE, PAID - self.number);
        let signers = signers.iter().map(|node| format!("node{node}")).collect();
        SignRequest { signers: Some(signers), ..request }
    }

    async fn pay(&mut self, at: usize, signers: &[usize]) -> Result<SignResponse, ClientError> {
        let request = self.next(signers);
        let answer = self.cluster.client(&[at]).sign(request).await;
        self.signed += usize::from(answer.is_ok());
        answer
    }

    /// Every committee is refused, whichever node is asked.
    async fn nothing_more(&mut self, what: &str) {
        for (number, committee) in committees().into_iter().enumerate() {
            let error = self.pay(number % 5 + 1, &committee).await.unwrap_err();
            let body = error.api().unwrap_or_else(|| panic!("{what}: {error}"));
            assert_eq!(body.code, ErrorCode::PolicyDenied, "{what}: {body:?}");
            assert!(body.message.contains("are left of 0.0014 SOL in 1h"), "{what}: {body:?}");
        }
        observed(what, "refused by all ten committees, 403 policy_denied");
    }
}

fn committees() -> Vec<Vec<usize>> {
    let some = |mask: u32| (1..=5).filter(move |node| mask >> node & 1 == 1);
    (0..64_u32)
        .filter(|mask| mask & 1 == 0 && mask.count_ones() == 3)
        .map(|mask| some(mask).collect())
        .collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[tokio::test]
async fn nothing_gets_around_a_limit_over_time() {
    let cluster = cluster(5).setting("standing_period", "300ms").make().await;
    let yaml = policy(&cluster);
    for node in cluster.nodes() {
        give(node, &yaml);
        node.start();
    }
    cluster.ready().await;
    let keygen = KeygenRequest {
        wallet_id: Some("w".parse().unwrap()),
        ..KeygenRequest::new(3, 5, quorate_keys::Curve::Ed25519)
    };
    let made = cluster.client(&[1]).keygen(keygen).await.unwrap();
    cluster.known_everywhere(&made.wallet_id).await;
    let wallet = cluster.client(&[1]).wallet(&made.wallet_id).await.unwrap();
    let mut payer = Payer { cluster: &cluster, wallet, signed: 0, number: 0 };

    // The disk of node 3 as it was before anything was spent.
    let old = tempfile::tempdir().unwrap();
    let third = cluster.node(3);
    third.terminate();
    assert!(third.ended().await.success());
    copy(&third.folder, old.path());
    third.start();
    cluster.ready().await;
    cluster.connected(&[1, 2, 3, 4, 5]).await;

    for (number, committee) in committees().into_iter().enumerate() {
        payer.pay((number + 2) % 5 + 1, &committee).await.unwrap();
    }
    assert_eq!(payer.signed, 10);
    observed("a payment by each of the ten committees, through all nodes", "signed");

    // A signer is killed when what it spends is durable and its share has not left, and one that proposes before it is.
    for (node, step, committee) in [(2, "stored", [1, 2, 3]), (4, "storing", [3, 4, 5])] {
        let killed = cluster.node(node);
        killed.order(&Order::new(Fate::Kill, &format!("sign:{step}")));
        let request = payer.next(&committee);
        let asked = if step == "stored" { 1 } else { node };
        let once = RetryPolicy { attempts: 1, ..RetryPolicy::default() };
        let client = cluster.client_with(&[asked], once);
        let (answer, ()) = tokio::join!(client.sign(request.clone()), killed.killed_by_order());
        assert!(answer.is_err());
        killed.start();
        cluster.ready().await;
        cluster.connected(&[1, 2, 3, 4, 5]).await;
        observed(
            &format!("node {node} is killed with SIGKILL when a payment is {step}"),
            "no signature; whether it counts, the node knows after the restart",
        );
    }
    // What is left is spent, and no more.
    for number in 0..6 {
        let answer = payer.pay(number % 5 + 1, &[1, 3, 5]).await;
        if let Err(error) = answer {
            assert_eq!(error.api().map(|body| body.code), Some(ErrorCode::PolicyDenied), "{error}");
        }
    }
    assert!((FIT - 2..=FIT).contains(&payer.signed), "{} were signed", payer.signed);
    payer.nothing_more("more than fits, asked of every node").await;

    for node in cluster.nodes() {
        node.kill();
    }
    for node in cluster.nodes() {
        node.start();
    }
    cluster.ready().await;
    cluster.connected(&[1, 2, 3, 4, 5]).await;
    payer.nothing_more("the same after SIGKILL of all nodes").await;

    // Node 3 comes back with its old disk.
    let log = third.folder.join("audit");
    let kept_log = tempfile::tempdir().unwrap();
    third.terminate();
    assert!(third.ended().await.success());
    copy(&log, kept_log.path());
    for name in ["audit", "store.redb"] {
        let file = third.folder.join(name);
        if file.is_dir() {
            fs::remove_dir_all(&file).unwrap();
            copy(&old.path().join(name), &file);
        } else {
            fs::copy(old.path().join(name), &file).unwrap();
        }
    }
    third.start();
    let found_out = async {
        while !third.log().contains("PUT BACK TO AN OLDER STATE") {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), found_out).await.unwrap();
    observed("node 3 gets back its disk of before", "it finds out from the others, and says so");
    let lines = || fs::read_to_string(third.log_file()).unwrap().matches("learned what was spent").count();
    let learned = async {
        while lines() < 4 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), learned).await.unwrap();
    cluster.ready().await;
    cluster.connected(&[1, 2, 3, 4, 5]).await;
    payer.nothing_more("more, with the node that has lost what it knew among the signers").await;

    // Its log went back with it, and the others have kept what shows it.
    let program = &cluster.node(1).program;
    let heads = cluster.folder().join("heads.jsonl");
    let witness = cluster.node(1).folder.join("audit");
    let arguments = ["audit", "heads", witness.to_str().unwrap(), "--of", "node3"];
    fs::write(&heads, program.succeed(arguments).await).unwrap();
    let verify = |log: &Path, with_heads: bool| {
        let mut command = program.command();
        command.args(["audit", "verify"]).arg(log);
        command.arg("--peers").arg(cluster.folder().join("peers.yaml")).args(["--node", "node3"]);
        if with_heads {
            command.arg("--heads").arg(&heads);
        }
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    assert_eq!(verify(&log, false).0, Some(0));
    let (code, said) = verify(&log, true);
    assert_ne!(code, Some(0), "{said}");
    observed(
        "the audit log that came with the old disk",
        "sound by itself, found out by the heads that node 1 has kept",
    );
    // The log that it had before is sound with those of that life.
    let (code, said) = verify(kept_log.path(), false);
    assert_eq!(code, Some(0), "{said}");
    observed("the audit log that it had before", "sound");
}
