//! A node whose disk was put back to an older state finds out, and forgets nothing that counts.

use super::*;
use quorate_audit::{Expect, ProblemKind, Scope, SignedHead, verify_folder};
use quorate_request::ErrorCode;

/// Four payments fit.
const RULES: &str = concat!(
    "assets:\n  SOL: {chain: solana}\n",
    "rules:\n",
    "  - name: hourly\n    fee_at_most: [0.0001 SOL]\n    windows: [{at_most: 0.0004 SOL, in: 1h}]\n",
);
const PAID: u64 = 95_000;

fn settings() -> Settings {
    Settings { rules: Some(RULES), standing: Duration::from_millis(50), ..Settings::default() }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

impl Cluster {
    /// Stops a node, takes its files to or from a folder, and starts it again.
    async fn with_files(&mut self, place: usize, happens: impl FnOnce(&Path)) {
        self.restart_on(place, settings(), None, |db| happens(db.parent().unwrap())).await;
        eventually("connected", || self.engine(place).reachable().len() == self.members.len()).await;
    }

    fn pay_request(&self, id: &str, signers: &str) -> SignedRequest {
        self.payment(id, PAID, &format!(r#","signers":[{signers}]"#)).0
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_put_back_says_so_and_learns_what_it_had_spent() {
    let mut cluster = Cluster::new(3, settings()).await;
    cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap();
    eventually("known", || (0..3).all(|place| cluster.knows(place, "w") == 1)).await;
    let backup = tempfile::tempdir().unwrap();
    cluster.with_files(1, |files| copy(files, backup.path())).await;
    for number in 0..4 {
        let request = cluster.pay_request(&format!("fits-{number}"), r#""node1","node2""#);
        sign_of(cluster.engine(1).submit(&request).await).unwrap();
    }
    let before = cluster.pay_request("before", r#""node0","node1""#);
    let sequence = cluster.engine(1).store.sequence();
    let remembers = |cluster: &Cluster, place: usize| {
        let known = cluster.engine(place).standings.known(&cluster.identity(1));
        known.is_some_and(|known| known.sequence >= sequence)
    };
    eventually("remembered", || [0, 2].iter().all(|place| remembers(&cluster, *place))).await;

    cluster
        .with_files(1, |files| {
            std::fs::remove_dir_all(files).unwrap();
            copy(backup.path(), files);
        })
        .await;
    let engine = Arc::clone(cluster.engine(1));
    eventually("found out", || engine.standings.life() == 1).await;
    // What it may have acted on before it can't tell.
    let error = engine.submit(&before).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::NotReady, "{error:?}");
    assert!(error.message.contains("put back to an older state"), "{error:?}");
    eventually("learned", || !engine.standings.is_restored(2, 3600)).await;
    assert_eq!(engine.spendings.held().len(), 4);
    for (number, signers) in [r#""node0","node1""#, r#""node1","node2""#].into_iter().enumerate() {
        let request = cluster.pay_request(&format!("more-{number}"), signers);
        let error = engine.submit(&request).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::PolicyDenied, "{error:?}");
    }
    // Everybody has written it down, and nobody is accused of anything.
    for place in 0..3 {
        eventually("noted", || !cluster.entries(place, "restored").is_empty()).await;
        assert!(cluster.entries(place, "restored")[0].contains(r#""node":"node1""#));
        assert_eq!(cluster.engine(place).culprits_excluded(), 0);
    }
    // It goes on from here, also after the next start.
    cluster.with_files(1, |_| ()).await;
    let engine = cluster.engine(1);
    eventually("heard", || engine.standings.unconfirmed([cluster.identity(0)].into_iter()).is_empty()).await;
    assert_eq!(engine.standings.life(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_are_countersigned_and_what_others_kept_shows_a_log_that_was_cut() {
    let cluster = Cluster::new(3, settings()).await;
    let folder = cluster.members[0].data_dir.join("audit");
    eventually("countersigned by both", || {
        let checkpoints = cluster.entries(0, "checkpoint");
        checkpoints
            .iter()
            .any(|line| [1, 2].iter().all(|place| line.contains(&cluster.identity(*place).to_string())))
    })
    .await;
    let expect = Expect {
        owner: Some(cluster.identity(0)),
        scope: Some(Scope(*cluster.peers.cluster().as_bytes())),
        peers: Some([1, 2].map(|place| cluster.identity(place)).into_iter().collect()),
        ..Expect::default()
    };
    let kept = || -> Vec<SignedHead> {
        let lines = cluster.entries(1, "witnessed").into_iter();
        let of_node = lines.filter(|line| line.contains(r#""node":"node0""#));
        let heads = of_node.map(|line| {
            let line: serde_json::Value = serde_json::from_str(&line).unwrap();
            serde_json::from_str(line["heads"][0].as_str().unwrap()).unwrap()
        });
        heads.collect()
    };
    cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap();
    let length = cluster.engine(0).audit.signed_head().head.seq;
    eventually("kept", || kept().iter().any(|head| head.head.seq >= length)).await;
    let sound = verify_folder(&folder, &Expect { heads: kept(), ..expect.clone() }).unwrap();
    assert!(sound.is_sound(), "{:?}", sound.problems);

    // Its last entries are gone, whole lines, more than what others saw: it is sound by itself, and
    // not beside what they know.
    let scratch = tempfile::tempdir().unwrap();
    copy(&folder, scratch.path());
    let file = std::fs::read_dir(scratch.path()).unwrap().map(|entry| entry.unwrap().path());
    let file = file.filter(|path| path.extension().is_some_and(|kind| kind == "jsonl")).max().unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let rest = lines.iter().take(usize::try_from(length).unwrap() / 2).map(|line| format!("{line}\n"));
    std::fs::write(&file, rest.collect::<String>()).unwrap();
    let alone = verify_folder(scratch.path(), &expect).unwrap();
    assert!(alone.is_sound(), "{:?}", alone.problems);
    let beside = verify_folder(scratch.path(), &Expect { heads: kept(), ..expect }).unwrap();
    let is_cut = |kind: &ProblemKind| matches!(kind, ProblemKind::Truncated { .. });
    assert!(beside.problems.iter().any(|problem| is_cut(&problem.kind)), "{:?}", beside.problems);
}
