//! What a node's files and its peers' certificates can be wrong in.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use quorate_identity::peers::Peers;
use quorate_node::config::PassphraseSource;
use quorate_node::store::{Store, Table};
use quorate_request::{ErrorCode, KeygenRequest, SignRequest, WalletId, paths};
use quorate_tests::cluster::{keygen, sign};
use quorate_tests::node::NodeProcess;
use quorate_tests::{Cluster, judge, report};
use redb::{Database, ReadableDatabase, TableDefinition};

use crate::disk::{Disk, skipped, with_a_small_disk};
use crate::{cluster, program};

const SECTION: &str = "Files and certificates";
const COLUMNS: &[&str] = &["fault", "observed"];
const PATIENCE: Duration = Duration::from_secs(20);

/// Adds a row to the fault table.
fn observed(section: &str, cells: &[&str]) {
    report::columns(section, COLUMNS);
    crate::observed(section, cells);
}

/// A request for a signature by these nodes.
fn by(cluster: &Cluster, wallet: &WalletId, nodes: &[usize], message: &str) -> SignRequest {
    let signers = Some(nodes.iter().map(|node| cluster.node(*node).name.clone()).collect());
    SignRequest { signers, ..sign(wallet, message.as_bytes()) }
}

/// Signs with these nodes, all of them.
async fn signs(cluster: &Cluster, wallet: &WalletId, nodes: &[usize], message: &str) {
    let signed = cluster.client(nodes).sign(by(cluster, wallet, nodes, message)).await.unwrap();
    judge::check("ed25519", message.as_bytes(), &signed);
}

/// Starts a node that must not start: what it says.
async fn refuses_to_start(node: &NodeProcess) -> String {
    let before = node.log().len();
    node.start();
    let status = node.ended().await;
    let log = node.log().split_off(before);
    assert_eq!(status.code(), Some(3), "{log}");
    log.lines()
        .find(|line| line.starts_with("error:"))
        .unwrap_or_else(|| panic!("no error in {log}"))
        .to_owned()
}

async fn stop(node: &NodeProcess) {
    node.terminate();
    assert!(node.ended().await.success(), "{}", node.log());
}

async fn logs(node: &NodeProcess, what: &str) {
    let started = Instant::now();
    while !node.log().contains(what) {
        assert!(started.elapsed() < PATIENCE, "{} never logged {what:?}:\n{}", node.name, node.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_node_with_a_strangers_identity_is_refused() {
    let cluster = cluster(3).start().await;
    let wallet = cluster.wallet("all", 2, 3, "ed25519").await.wallet_id;
    let node = cluster.node(3);
    stop(node).await;

    // The identity file of a stranger in place of its own.
    let (identity, kept) = (node.folder.join("identity.json"), node.folder.join("kept.json"));
    fs::rename(&identity, &kept).unwrap();
    let passphrase = node.passphrase_file();
    let generate = ["identity", "generate", "--out", identity.to_str().unwrap(), "--passphrase-file"];
    program().succeed(generate.iter().copied().chain([passphrase.to_str().unwrap()])).await;
    let error = refuses_to_start(node).await;
    for named in [&identity, &cluster.peers_file] {
        assert!(error.contains(named.to_str().unwrap()), "{error}");
    }

    // A peers file of its own makes it start; its peers know better.
    let peers = Peers::load(&cluster.peers_file).unwrap();
    let shown = program().succeed(["identity", "show", identity.to_str().unwrap(), "--json"]).await;
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let stranger = shown["identity"].as_str().unwrap();
    let text = fs::read_to_string(&cluster.peers_file).unwrap();
    let listed = peers.by_name("node3").unwrap().identity.to_string();
    assert!(text.contains(&listed));
    let own_peers = node.folder.join("own-peers.yaml");
    fs::write(&own_peers, text.replace(&listed, stranger)).unwrap();
    let config = fs::read_to_string(node.config()).unwrap();
    fs::write(
        node.config(),
        config.replace(cluster.peers_file.to_str().unwrap(), own_peers.to_str().unwrap()),
    )
    .unwrap();
    // The audit log is somebody else's, too: it begins one of its own.
    let (log, kept_log) = (node.folder.join("audit"), node.folder.join("kept-audit"));
    fs::rename(&log, &kept_log).unwrap();
    node.start();
    for number in [1, 2] {
        logs(cluster.node(number), &format!("{stranger} is not a configured peer")).await;
        let line = cluster.node(number).log();
        let line = line.lines().find(|line| line.contains("is not a configured peer")).unwrap().to_owned();
        assert!(line.contains("refused a connection") && line.contains("from=127.0.0.1:"), "{line}");
    }
    // And they won't speak to it where they expect node3: its certificate is another.
    logs(cluster.node(1), &format!("it presents the identity {stranger}")).await;
    let refused = cluster.client_once(3).sign(sign(&wallet, b"as a stranger")).await.unwrap_err();
    let refused = refused.api().unwrap_or_else(|| panic!("{refused}"));
    assert_eq!(refused.code.status().as_u16(), 503, "{refused:?}");
    signs(&cluster, &wallet, &[1, 2], "meanwhile").await;

    // Back to its own: nothing was lost.
    node.kill();
    fs::rename(&kept, &identity).unwrap();
    fs::remove_dir_all(&log).unwrap();
    fs::rename(&kept_log, &log).unwrap();
    fs::write(node.config(), config).unwrap();
    node.start();
    cluster.ready().await;
    signs(&cluster, &wallet, &[2, 3], "again").await;
    observed(
        SECTION,
        &[
            "a stranger's identity and certificate",
            "exit 3 naming identity and peers file; peers refuse it naming address and identity; the others sign; its own identity signs again",
        ],
    );
}

#[tokio::test]
async fn a_wrong_passphrase_and_a_truncated_store_are_named() {
    let cluster = cluster(3).start().await;
    let wallet = cluster.wallet("all", 2, 3, "ed25519").await.wallet_id;
    let node = cluster.node(3);
    stop(node).await;

    let kept = fs::read(node.passphrase_file()).unwrap();
    fs::write(node.passphrase_file(), "of somebody else").unwrap();
    let error = refuses_to_start(node).await;
    assert!(error.contains("wrong passphrase") && error.contains(node.folder.to_str().unwrap()), "{error}");
    fs::write(node.passphrase_file(), &kept).unwrap();

    // The identity opens, the store is another's: the store is named.
    let store = fs::read(node.store()).unwrap();
    stop(cluster.node(2)).await;
    fs::copy(cluster.node(2).store(), node.store()).unwrap();
    cluster.node(2).start();
    let error = refuses_to_start(node).await;
    assert!(error.contains("wrong passphrase") && error.contains(node.store().to_str().unwrap()), "{error}");
    observed(
        SECTION,
        &["wrong passphrase", "exit 3 naming the identity file, or the store; the right one opens both"],
    );

    for length in [store.len() / 2, store.len() / 2 + 17, 100, 0] {
        fs::write(node.store(), &store[..length]).unwrap();
        let error = refuses_to_start(node).await;
        assert!(
            error.contains("damaged") && error.contains(node.store().to_str().unwrap()),
            "{length}: {error}"
        );
        assert_eq!(fs::read(node.store()).unwrap(), &store[..length], "the file was touched");
    }
    fs::remove_file(node.store()).unwrap();
    let error = refuses_to_start(node).await;
    assert!(error.contains("there is no store") && error.contains(node.store().to_str().unwrap()), "{error}");
    cluster.connected(&[1, 2]).await;
    signs(&cluster, &wallet, &[1, 2], "meanwhile").await;
    fs::write(node.store(), &store).unwrap();
    node.start();
    cluster.ready().await;
    signs(&cluster, &wallet, &[1, 3], "again").await;
    observed(
        SECTION,
        &[
            "truncated and missing database",
            "exit 3 naming the file, which is left as it is; the others sign; the whole file signs again",
        ],
    );
}

/// The session of the key generation that made the wallet: its rows are named after it. The node must not run.
pub(crate) fn keygen_of(node: &NodeProcess, wallet: &WalletId) -> Vec<u8> {
    let passphrase = PassphraseSource::File(node.passphrase_file()).read().unwrap();
    let store = Store::open(&node.store(), &passphrase).unwrap();
    store.get(Table::Meta, format!("name/{wallet}")).unwrap().expect("a wallet").value.expose().clone()
}

/// Flips a bit in every copy of a record in the file.
pub(crate) fn corrupt(store: &Path, table: &str, key: &[u8]) {
    let record = {
        let database = Database::open(store).unwrap();
        let table =
            database.begin_read().unwrap().open_table(TableDefinition::<&[u8], &[u8]>::new(table)).unwrap();
        table.get(key).unwrap().unwrap().value().to_vec()
    };
    let mut bytes = fs::read(store).unwrap();
    let places: Vec<_> =
        (0..bytes.len() - record.len()).filter(|at| bytes[*at..].starts_with(&record)).collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at + record.len() / 2] ^= 1;
    }
    fs::write(store, bytes).unwrap();
}

#[tokio::test]
async fn a_corrupted_share_is_named_and_the_others_sign() {
    let cluster = cluster(3).start().await;
    let broken = cluster.wallet("broken", 2, 3, "ed25519").await.wallet_id;
    let whole = cluster.wallet("whole", 2, 3, "ed25519").await.wallet_id;
    let node = cluster.node(3);
    stop(node).await;
    let kept = fs::read(node.store()).unwrap();
    let key = keygen_of(node, &broken);
    corrupt(&node.store(), "shares", &key);
    node.start();
    cluster.ready().await;

    // It goes on with what is not damaged.
    signs(&cluster, &whole, &[1, 3], "with another wallet").await;
    // Of the damaged one it says what it is; the others sign.
    let signers = Some(vec!["node1".to_owned(), "node3".to_owned()]);
    let request = SignRequest { signers, ..sign(&broken, b"with the damaged share") };
    let refused = cluster.client_once(1).sign(request).await.unwrap_err();
    let refused = refused.api().unwrap_or_else(|| panic!("{refused}"));
    assert_eq!(refused.code.status().as_u16(), 503, "{refused:?}");
    assert!(refused.message.contains("node3"), "{refused:?}");
    let record = format!("shares/0x{}", hex::encode(&key));
    logs(node, &record).await;
    let log = node.log();
    let line = log.lines().find(|line| line.contains(&record)).unwrap();
    for named in ["wallet=broken", node.store().to_str().unwrap(), "restore it from a backup"] {
        assert!(line.contains(named), "{named}: {line}");
    }
    for number in 0..8 {
        let message = format!("without the damaged share {number}");
        let signed = cluster.client(&[number % 3 + 1]).sign(sign(&broken, message.as_bytes())).await.unwrap();
        judge::check("ed25519", message.as_bytes(), &signed);
        assert_eq!(signed.committee, ["node1", "node2"], "{signed:?}");
    }
    stop(node).await;
    fs::write(node.store(), kept).unwrap();
    node.start();
    cluster.ready().await;
    signs(&cluster, &broken, &[2, 3], "restored").await;
    observed(
        SECTION,
        &[
            "corrupted record",
            "the node names the wallet, the record and the file, and signs with its other wallets; the other nodes sign; a restored file signs again",
        ],
    );
}

#[tokio::test]
async fn a_full_disk_is_named_and_nothing_is_lost() {
    let made = with_a_small_disk(cluster(3).make().await, 3).await;
    let skipped = |skipped: &String| observed(SECTION, &["disk full", skipped]);
    let Ok((cluster, disk)) = made.inspect_err(skipped) else { return };
    let node = cluster.node(3);
    let mut wallets = Vec::new();
    let refused = loop {
        let id = format!("wallet-{}", wallets.len());
        match cluster.client_once(1).keygen(keygen(&id, 2, 3, "ed25519")).await {
            Ok(made) => wallets.push(made.wallet_id),
            Err(error) => break error,
        }
        assert!(wallets.len() < 2000, "a megabyte does not hold this");
        if wallets.len() == 3 {
            disk.fill_but_for(64 * 1024);
        }
    };
    let refused = refused.api().unwrap_or_else(|| panic!("{refused}"));
    assert_eq!(refused.code.status().as_u16(), 503, "{refused:?}");
    assert!(refused.message.contains("node3"), "{refused:?}");
    logs(node, &format!("no space left for {}", disk.store().display())).await;
    assert!(node.is_running());
    signs(&cluster, &wallets[0], &[1, 2], "meanwhile").await;

    disk.make_room();
    let made = cluster.client(&[1]).keygen(keygen("room-again", 2, 3, "ed25519")).await.unwrap();
    wallets.push(made.wallet_id);
    for wallet in &wallets {
        signs(&cluster, wallet, &[1, 3], &format!("with {wallet}")).await;
    }
    stop(node).await;
    node.start();
    cluster.ready().await;
    for wallet in &wallets {
        signs(&cluster, wallet, &[2, 3], &format!("after a restart with {wallet}")).await;
    }
    let made = format!("{} wallets made before and after", wallets.len());
    observed(
        SECTION,
        &[
            "disk full",
            &format!(
                "503 naming the node, whose log names the file; the others sign; with room again all goes on; {made} sign"
            ),
        ],
    );
    cluster.node(3).kill();
    drop(disk);
}

#[tokio::test]
async fn a_node_that_can_not_write_its_audit_log_signs_nothing() {
    const FAULT: &str = "disk full where the audit log is";
    let cluster = cluster(3).setting("request_timeout", "5s").make().await;
    let node = cluster.node(3);
    let log = node.folder.join("audit");
    let Some(disk) = Disk::mount(&log) else { return observed(SECTION, &[FAULT, &skipped()]) };
    cluster.nodes().iter().for_each(NodeProcess::start);
    cluster.ready().await;
    let wallet = cluster.wallet("all", 2, 3, "ed25519").await.wallet_id;
    signs(&cluster, &wallet, &[1, 3], "before").await;
    disk.fill_but_for(0);
    let ask =
        async |message: String| cluster.client_once(1).sign(by(&cluster, &wallet, &[1, 3], &message)).await;
    let mut signed = 1;
    while ask(format!("on the last page {signed}")).await.is_ok() {
        signed += 1;
        assert!(signed < 40, "more than the page of memory that the file had begun");
    }
    for number in 0..5 {
        let refused = ask(format!("unwritten {number}")).await.unwrap_err();
        let refused = refused.api().unwrap_or_else(|| panic!("{refused}"));
        assert_eq!(refused.code.status().as_u16(), 503, "{refused:?}");
        assert!(refused.message.contains("node3"), "{refused:?}");
    }
    assert!(node.is_running());
    signs(&cluster, &wallet, &[1, 2], "meanwhile").await;
    disk.make_room();
    let began = Instant::now();
    while cluster.client(&[2]).sign(by(&cluster, &wallet, &[2, 3], "afterwards")).await.is_err() {
        assert!(began.elapsed() < PATIENCE, "it does not sign again:\n{}", node.log());
    }
    stop(node).await;
    let (log, peers) = (log.to_str().unwrap(), cluster.peers_file.to_str().unwrap());
    program().succeed(["audit", "verify", log, "--peers", peers, "--node", "node3"]).await;
    let shown = program().succeed(["audit", "show", log, "--event", "signing", "--json"]).await;
    assert_eq!(shown.lines().count(), signed + 1, "what was signed before and afterwards: {shown}");
    observed(
        SECTION,
        &[
            FAULT,
            "503 naming the node, which signs nothing; the others sign; with room again it does, and its log is sound",
        ],
    );
    drop(disk);
}

#[tokio::test]
async fn a_client_passes_on_from_a_node_whose_disk_is_full() {
    let made = with_a_small_disk(cluster(3).make().await, 1).await;
    let skipped = |skipped: &String| observed(SECTION, &["disk full at the node that is asked", skipped]);
    let Ok((cluster, disk)) = made.inspect_err(skipped) else { return };
    let node = cluster.node(1);
    let wallet = cluster.wallet("w", 2, 3, "ed25519").await.wallet_id;
    cluster.known_everywhere(&wallet).await;
    disk.fill_but_for(0);
    let others = || Some(vec!["node2".to_owned(), "node3".to_owned()]);
    let request = |id: &str, signers: Option<Vec<String>>| SignRequest {
        session_id: Some(id.parse().unwrap()),
        signers,
        ..sign(&wallet, id.as_bytes())
    };
    // The files themselves have room for a few more, of short ones when there is none for long ones.
    let (mut number, mut in_a_row, mut last) = (0, 0, None);
    while in_a_row < 8 {
        let named = number % 2 == 0;
        let signed =
            cluster.client_once(1).sign(request(&format!("f{number}"), others().filter(|_| named))).await;
        in_a_row = if signed.is_err() { in_a_row + 1 } else { 0 };
        // Who is to sign with others has more to say of why it can't.
        last = signed.err().filter(|_| named).or(last);
        number += 1;
        assert!(number < 5000, "a full disk does not hold this");
    }
    let refused = last.unwrap();
    let refused = refused.api().unwrap_or_else(|| panic!("{refused}")).clone();
    assert_eq!((refused.code, refused.code.status().as_u16()), (ErrorCode::NotReady, 503), "{refused:?}");
    assert!(refused.message.contains("no space left"), "{refused:?}");

    // Asked first, and with another to pass on to: with the signers named, with itself among those that may sign, and for
    // a wallet.
    let client = || cluster.client(&[1, 2]);
    for number in 0..4 {
        let (named, free) = (format!("named-{number}"), format!("free-{number}"));
        for (id, signers) in [(&named, others()), (&free, None)] {
            let signed = client().sign(request(id, signers)).await.unwrap();
            judge::check("ed25519", id.as_bytes(), &signed);
            assert_eq!(signed.committee, ["node2", "node3"]);
            let asked = |line: &str| {
                line.contains(&format!("request=\"{id}\"")) || line.contains(&format!("request={id} "))
            };
            assert!(node.log().lines().any(asked), "node1 was not asked for {id}:\n{}", node.log());
            // What the client was told is found again where it was told it.
            let again =
                cluster.client_once(2).sign(request(id, if id == &named { others() } else { None })).await;
            assert_eq!(again.unwrap().signature, signed.signature);
        }
    }
    let request = KeygenRequest {
        session_id: Some("pair".parse().unwrap()),
        parties: others(),
        ..keygen("pair", 2, 2, "ed25519")
    };
    let refused = cluster.client_once(1).keygen(request.clone()).await.unwrap_err();
    assert_eq!(refused.api().unwrap_or_else(|| panic!("{refused}")).code, ErrorCode::NotReady);
    let made = client().keygen(request).await.unwrap();
    assert_eq!(made.wallet_id.as_str(), "pair");
    let ready = cluster.raw(1).http("GET", paths::READY, &http::HeaderMap::new(), b"").await;
    assert_eq!(
        (ready.status, &ready.body["store_writable"]),
        (503, &serde_json::json!(false)),
        "{}",
        ready.body
    );

    disk.make_room();
    signs(&cluster, &wallet, &[1, 2], "with room again").await;
    observed(
        SECTION,
        &[
            "disk full at the node that is asked",
            "503 not_ready there; a client with another node to ask gets its signature or wallet from that one, once; with room again it signs",
        ],
    );
    node.kill();
    drop(disk);
}
