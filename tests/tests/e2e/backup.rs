//! Backups of node processes: made while they sign, verified, tried, and restored.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use quorate_client::RetryPolicy;
use quorate_request::{KeygenResponse, RefreshRequest, SignRequest, WalletId};
use quorate_tests::cluster::{keygen, sign};
use quorate_tests::node::NodeProcess;
use quorate_tests::{Cluster, judge, report};
use serde_json::Value;

use crate::disk::{self, Disk};
use crate::events::metrics;
use crate::storage::{corrupt, keygen_of};
use crate::{cluster, program};

const SECTION: &str = "Backup and recovery (3 nodes, 2 of 3)";

fn observed(fault: &str, what: &str) {
    report::columns(SECTION, &["fault", "observed"]);
    crate::observed(SECTION, &[fault, what]);
}

/// A cluster whose nodes back up every second, and the file of the key to that.
async fn backed_up() -> (Cluster, PathBuf) {
    let scratch = tempfile::tempdir().unwrap();
    let key = scratch.path().join("key.txt");
    let made = json(&["backup", "generate-key", "--out", key.to_str().unwrap()]).await;
    let cluster = cluster(3)
        .setting("backup_recipients", made["recipient"].as_str().unwrap())
        .setting("backup_period_seconds", "1")
        .setting("reshare_without_authorizers", "true")
        .start()
        .await;
    let kept = cluster.folder().join("backup-key.txt");
    fs::copy(&key, &kept).unwrap();
    (cluster, kept)
}

async fn json(arguments: &[&str]) -> Value {
    let ended = program().run(arguments.iter().copied().chain(["--json"])).await;
    assert_eq!(ended.code, Some(0), "{arguments:?}: {}", ended.stderr);
    serde_json::from_str(&ended.stdout).unwrap()
}

/// The exit code and the last line of what is said.
async fn refused(arguments: &[&str]) -> (i32, String) {
    let ended = program().run(arguments.iter().copied().chain(["--json"])).await;
    let said = ended.stderr.lines().last().unwrap_or_default().to_owned();
    (ended.code.unwrap(), said)
}

/// A backup of a running node, as it is now.
async fn backup_of(node: &NodeProcess) -> PathBuf {
    let made = json(&["backup", "create", "--config", node.config().to_str().unwrap()]).await;
    PathBuf::from(made["file"].as_str().unwrap())
}

async fn drilled(file: &Path, key: &Path, node: &NodeProcess) -> Value {
    let (file, key, passphrase) = (file.to_str().unwrap(), key.to_str().unwrap(), node.passphrase_file());
    json(&["backup", "drill", file, "--identity", key, "--passphrase-file", passphrase.to_str().unwrap()])
        .await
}

/// The machine is gone; another one gets the configuration and the passphrase, and the backup.
async fn restored(node: &NodeProcess, file: &Path, key: &Path) -> Value {
    let (file, key, config) = (file.to_str().unwrap(), key.to_str().unwrap(), node.config());
    json(&["restore", "--backup", file, "--identity", key, "--config", config.to_str().unwrap()]).await
}

fn lose(node: &NodeProcess) {
    node.kill();
    for file in ["store.redb", "identity.json"] {
        fs::remove_file(node.folder.join(file)).unwrap();
    }
    fs::remove_dir_all(node.folder.join("audit")).unwrap();
}

fn patient() -> RetryPolicy {
    RetryPolicy { attempts: 60, deadline: Duration::from_secs(60), ..RetryPolicy::default() }
}

async fn signs_by(cluster: &Cluster, wallet: &KeygenResponse, curve: &str, with: usize) {
    let message = [with as u8; 32];
    let signers = Some(vec!["node1".to_owned(), format!("node{with}")]);
    let request = SignRequest { signers, ..SignRequest::digest(wallet.wallet_id.clone(), message) };
    let began = Instant::now();
    loop {
        // A node that was put back takes what was signed since: each time it is signed anew.
        match cluster.client_with(&[1], patient()).sign(request.clone()).await {
            Ok(signed) => return judge::check(curve, &message, &signed),
            Err(error) => assert!(began.elapsed() < Duration::from_secs(30), "{error}"),
        }
    }
}

async fn at_epoch(cluster: &Cluster, wallet: &WalletId, epoch: u64) {
    let began = Instant::now();
    for node in 1..=3 {
        while cluster.client(&[node]).wallet(wallet).await.unwrap().epoch != epoch {
            assert!(began.elapsed() < Duration::from_secs(20), "{}", cluster.node(node).log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

#[tokio::test]
async fn backups_are_made_while_nodes_sign_and_bring_a_lost_node_back() {
    let (cluster, key) = backed_up().await;
    let edwards = cluster.wallet("edwards", 2, 3, "ed25519").await;
    let request = quorate_request::KeygenRequest {
        protocol: Some("dkls23".into()),
        ..keygen("oblivious", 2, 3, "p256")
    };
    let oblivious = cluster.client(&[1]).keygen(request).await.unwrap();
    signs_by(&cluster, &oblivious, "p256", 3).await;
    let began = Instant::now();
    let mut signed = 0_u32;
    while began.elapsed() < Duration::from_secs(3) {
        let message = signed.to_le_bytes();
        let made = cluster.client(&[1 + signed as usize % 3]).sign(sign(&edwards.wallet_id, &message)).await;
        judge::check("ed25519", &message, &made.unwrap());
        signed += 1;
    }
    let node = cluster.node(3);
    let config = node.config();
    let listed = json(&["backup", "list", "--config", config.to_str().unwrap()]).await;
    let all: Vec<_> = listed.as_array().unwrap().iter().map(|one| one["file"].as_str().unwrap()).collect();
    assert!(all.len() >= 2, "{listed}");
    // Each of them, whatever was being signed then.
    let peers = cluster.peers_file.to_str().unwrap();
    let verify = vec!["backup", "verify", "--identity", key.to_str().unwrap(), "--peers", peers];
    let verified = json(&[verify, all.clone()].concat()).await;
    assert_eq!(verified.as_array().unwrap().len(), all.len());
    assert!(verified.as_array().unwrap().iter().all(|one| one["signed_by_node"] == true), "{verified}");
    for file in all {
        let found = drilled(Path::new(file), &key, node).await;
        assert_eq!(found["unproven"].as_array().unwrap().len(), 0, "{found}");
    }
    observed(
        "periodic backups under load",
        "each is whole, signed, and every share in it fits its public side",
    );
    let newest = backup_of(node).await;
    let found = drilled(&newest, &key, node).await;
    assert_eq!((&found["wallets"], &found["shares"]), (&2.into(), &2.into()), "{found}");
    assert_eq!(found["node"], "node3");
    metric_is_fresh(&cluster).await;

    lose(node);
    restored(node, &newest, &key).await;
    node.start();
    cluster.ready().await;
    signs_by(&cluster, &edwards, "ed25519", 3).await;
    // Its seeds for pairs are in no backup: fresh shares bring fresh ones.
    let refresh = RefreshRequest::of(oblivious.wallet_id.clone());
    assert_eq!(cluster.client_with(&[1], patient()).refresh(refresh).await.unwrap().epoch, 1);
    at_epoch(&cluster, &oblivious.wallet_id, 1).await;
    signs_by(&cluster, &oblivious, "p256", 3).await;
    observed("a lost node, with a backup of a moment before", "restored on an empty machine, it signs");
}

async fn metric_is_fresh(cluster: &Cluster) {
    let text = metrics(&cluster.node(3).api).await;
    let line = text.lines().find_map(|line| line.strip_prefix("quorate_backup_fresh_seconds "));
    let fresh: u64 = line.unwrap_or_else(|| panic!("{text}")).parse().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!(now - fresh < 60, "{fresh}, and it is {now}");
}

#[tokio::test]
async fn an_old_backup_brings_a_node_back_and_no_old_share() {
    let (cluster, key) = backed_up().await;
    let before = cluster.wallet("before", 2, 3, "ed25519").await;
    let node = cluster.node(3);
    let old = backup_of(node).await;
    let kept = cluster.folder().join("old.age");
    fs::copy(&old, &kept).unwrap();
    let since = cluster.wallet("since", 2, 3, "ed25519").await;
    cluster.known_everywhere(&since.wallet_id).await;
    let refresh = |wallet: &KeygenResponse| RefreshRequest::of(wallet.wallet_id.clone());
    assert_eq!(cluster.client(&[1]).refresh(refresh(&before)).await.unwrap().epoch, 1);
    at_epoch(&cluster, &before.wallet_id, 1).await;

    lose(node);
    restored(node, &kept, &key).await;
    node.start();
    cluster.ready().await;
    // It learns of both, and holds neither.
    cluster.known_everywhere(&since.wallet_id).await;
    at_epoch(&cluster, &before.wallet_id, 1).await;
    let began = Instant::now();
    while !node.log().contains("THIS NODE WAS PUT BACK TO AN OLDER STATE") {
        assert!(began.elapsed() < Duration::from_secs(20), "{}", node.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // A backup of this says so, too.
    let now = backup_of(node).await;
    let (file, passphrase) = (now.to_str().unwrap(), node.passphrase_file());
    let drill = ["backup", "drill", file, "--identity", key.to_str().unwrap(), "--passphrase-file"];
    let drill = drill.into_iter().map(str::to_owned).chain([passphrase.to_str().unwrap().to_owned()]);
    let ended = program().run(drill).await;
    assert_eq!(ended.code, Some(6), "{ended:?}");
    assert_eq!(ended.stdout.matches("the node's share of it is missing").count(), 2, "{}", ended.stdout);
    for wallet in [&before, &since] {
        let signers = Some(vec!["node1".to_owned(), "node3".to_owned()]);
        let request = SignRequest { signers, ..sign(&wallet.wallet_id, b"without a share") };
        let error = cluster.client_once(1).sign(request).await.unwrap_err();
        assert!(error.api().unwrap().message.contains("node3"), "{error}");
        signs_by(&cluster, wallet, "ed25519", 2).await;
    }
    for (wallet, epoch) in [(&before, 2), (&since, 1)] {
        let made = cluster.client_with(&[2], patient()).refresh(refresh(wallet)).await.unwrap();
        assert_eq!(made.epoch, epoch);
        at_epoch(&cluster, &wallet.wallet_id, epoch).await;
        signs_by(&cluster, wallet, "ed25519", 3).await;
    }
    observed(
        "a lost node, with a backup from before a refresh and a new wallet",
        "it says that it was put back, signs for neither, and a drill of a new backup names both; a refresh deals it both; then it signs",
    );
}

#[tokio::test]
async fn what_is_no_whole_backup_restores_nothing() {
    let (cluster, key) = backed_up().await;
    cluster.wallet("w", 2, 3, "ed25519").await;
    let node = cluster.node(3);
    let good = backup_of(node).await;
    let good_bytes = fs::read(&good).unwrap();
    let bad = cluster.folder().join("bad.age");
    let (key, config) = (key.to_str().unwrap(), node.config());
    let config = config.to_str().unwrap();
    lose(node);
    let nothing_is_there = || {
        assert!(!node.store().exists() && !node.folder.join("identity.json").exists());
        assert!(drafts(&node.folder).is_empty(), "{:?}", drafts(&node.folder));
    };
    let length = good_bytes.len();
    for (fault, bytes) in [
        ("an empty file", Vec::new()),
        ("a backup cut short in its header", good_bytes[..100].to_vec()),
        ("a backup cut short", good_bytes[..length - 1].to_vec()),
        ("a backup with a byte changed", {
            let mut bytes = good_bytes.clone();
            bytes[length / 2] ^= 1;
            bytes
        }),
        ("a backup with a byte more", [&good_bytes[..], &[0]].concat()),
        ("another file", b"-----BEGIN PRIVATE KEY-----\n".repeat(40)),
    ] {
        fs::write(&bad, bytes).unwrap();
        let file = bad.to_str().unwrap();
        let (code, said) = refused(&["backup", "verify", file, "--identity", key]).await;
        assert_eq!(code, 6, "{fault}: {said}");
        let restore = ["restore", "--backup", file, "--identity", key, "--config", config];
        let (code, said) = refused(&restore).await;
        assert_eq!(code, 6, "{fault}: {said}");
        nothing_is_there();
        observed(fault, "refused with exit code 6; nothing is restored");
    }
    let other = cluster.folder().join("other-key.txt");
    json(&["backup", "generate-key", "--out", other.to_str().unwrap()]).await;
    let file = good.to_str().unwrap();
    let restore = ["restore", "--backup", file, "--identity", other.to_str().unwrap(), "--config", config];
    assert_eq!(refused(&restore).await.0, 6);
    nothing_is_there();
    observed("another key", "refused with exit code 6; nothing is restored");
    let theirs = backup_of(cluster.node(2)).await;
    let restore = ["restore", "--backup", theirs.to_str().unwrap(), "--identity", key, "--config", config];
    let (code, said) = refused(&restore).await;
    assert!(code == 6 && said.contains("it is of node node2"), "{said}");
    nothing_is_there();
    observed("another node's backup", "refused with exit code 6; nothing is restored");
    restored(node, &good, Path::new(key)).await;
    let restore = ["restore", "--backup", file, "--identity", key, "--config", config];
    let (code, said) = refused(&restore).await;
    assert!(code == 3 && said.contains("is there already"), "{said}");
    observed("a node that has a store", "refused with exit code 3; nothing is written over");
    node.start();
    cluster.ready().await;
}

/// What a cut-short restore or backup may leave behind.
fn drafts(folder: &Path) -> Vec<PathBuf> {
    let left = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    left.filter(|path| path.extension().is_some_and(|extension| extension == "new")).collect()
}

#[tokio::test]
async fn a_restore_that_is_killed_is_begun_anew() {
    let (cluster, key) = backed_up().await;
    let wallet = cluster.wallet("w", 2, 3, "ed25519").await;
    let node = cluster.node(3);
    let file = backup_of(node).await;
    lose(node);
    let (config, mut killed) = (node.config(), 0_u32);
    // Later from time to time, until one is faster.
    while !node.store().exists() {
        let mut restore = program().command();
        restore
            .args(["restore", "--backup"])
            .arg(&file)
            .arg("--identity")
            .arg(&key)
            .arg("--config")
            .arg(&config);
        let mut restore = restore.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(400) * killed);
        restore.kill().unwrap();
        restore.wait().unwrap();
        killed += 1;
    }
    assert!(killed > 5, "{killed}");
    if !node.folder.join("identity.json").exists() || !drafts(&node.folder).is_empty() {
        panic!("the store is there, and not the rest: {:?}", drafts(&node.folder));
    }
    node.start();
    cluster.ready().await;
    signs_by(&cluster, &wallet, "ed25519", 3).await;
    observed(
        "SIGKILL during a restore, again and again",
        "the store is there as a whole or not at all, and the next restore goes on",
    );
}

#[tokio::test]
async fn a_full_disk_takes_neither_backup_nor_restore_by_halves() {
    const FAULT: &str = "a full disk, for a backup and for a restore";
    let (cluster, key) = backed_up().await;
    let wallet = cluster.wallet("w", 2, 3, "ed25519").await;
    let node = cluster.node(3);
    let file = backup_of(node).await;
    node.kill();
    let folder = node.folder.join("disk");
    let Some(disk) = Disk::mount(&folder) else { return observed(FAULT, &disk::skipped()) };
    disk.fill_but_for(4096);
    let (config, out) = (node.config(), folder.join("backup.age"));
    let create = ["backup", "create", "--config", config.to_str().unwrap(), "--out", out.to_str().unwrap()];
    let (code, said) = refused(&create).await;
    assert!(code == 1 && said.contains("No space left"), "{code}: {said}");
    assert!(!out.exists() && drafts(&folder).is_empty());

    lose(node);
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace(node.store().to_str().unwrap(), disk.store().to_str().unwrap())).unwrap();
    let (file, key) = (file.to_str().unwrap(), key.to_str().unwrap());
    let restore = ["restore", "--backup", file, "--identity", key, "--config", config.to_str().unwrap()];
    let (code, said) = refused(&restore).await;
    assert!(code == 1 && said.contains("no space left"), "{code}: {said}");
    assert!(!disk.store().exists() && drafts(&folder).is_empty());
    assert!(!node.folder.join("identity.json").exists());
    disk.make_room();
    json(&restore).await;
    node.start();
    cluster.ready().await;
    signs_by(&cluster, &wallet, "ed25519", 3).await;
    observed(FAULT, "both say so and leave nothing; with room, the restored node signs");
}

#[tokio::test]
async fn a_drill_names_what_is_damaged_and_says_when_the_passphrase_is_wrong() {
    let (cluster, key) = backed_up().await;
    let wallet = cluster.wallet("w", 2, 3, "ed25519").await.wallet_id;
    let node = cluster.node(3);
    node.kill();
    let session = keygen_of(node, &wallet);
    corrupt(&node.store(), "shares", &session);
    let config = node.config();
    let out = cluster.folder().join("damaged.age");
    let create = ["backup", "create", "--config", config.to_str().unwrap(), "--out", out.to_str().unwrap()];
    json(&create).await;
    let (passphrase, key) = (node.passphrase_file(), key.to_str().unwrap());
    let drill = ["backup", "drill", out.to_str().unwrap(), "--identity", key, "--passphrase-file"];
    let with = |passphrase: &Path| {
        drill.into_iter().map(str::to_owned).chain([passphrase.to_str().unwrap().to_owned()])
    };
    let ended = program().run(with(&passphrase)).await;
    assert_eq!(ended.code, Some(6), "{ended:?}");
    assert!(ended.stdout.contains(&format!("shares/0x{}", hex::encode(&session))), "{}", ended.stdout);
    observed("a damaged share in the store", "backed up as it is; the drill names the record, exit code 6");
    let ended = program().run(with(&cluster.node(1).passphrase_file())).await;
    assert_eq!(ended.code, Some(6), "{ended:?}");
    assert!(ended.stderr.contains("passphrase"), "{}", ended.stderr);
    observed("another passphrase", "the drill says so, exit code 6");
}

/// The tool that the format is named for reads them, and not only this program.
#[tokio::test]
async fn age_itself_decrypts_them() {
    let (cluster, key) = backed_up().await;
    cluster.wallet("w", 2, 3, "ed25519").await;
    let file = backup_of(cluster.node(1)).await;
    let age =
        std::process::Command::new("age").args(["--decrypt", "--identity"]).arg(&key).arg(&file).output();
    let opened = age.expect("age is installed: ./check does that");
    assert!(opened.status.success(), "{}", String::from_utf8_lossy(&opened.stderr));
    assert!(opened.stdout.starts_with(b"quorate backup 1\n"));
    // And a key that it has made decrypts for us.
    let made = std::process::Command::new("age-keygen").output().unwrap();
    let theirs = cluster.folder().join("age-keygen.txt");
    quorate_tests::node::write_private(&theirs, std::str::from_utf8(&made.stdout).unwrap());
    let text = fs::read_to_string(&theirs).unwrap();
    let recipient = text.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap();
    cluster.node(1).kill();
    let (config, out) = (cluster.node(1).config(), cluster.folder().join("theirs.age"));
    let (config, out) = (config.to_str().unwrap(), out.to_str().unwrap());
    json(&["backup", "create", "--config", config, "--recipient", recipient, "--out", out]).await;
    json(&["backup", "verify", out, "--identity", theirs.to_str().unwrap()]).await;
    observed("age and age-keygen", "age decrypts our backups; we decrypt for keys of age-keygen");
}

/// Three people, two of whom by the tools of age alone.
#[tokio::test]
async fn people_bring_a_lost_passphrase_back() {
    let (cluster, key) = backed_up().await;
    let wallet = cluster.wallet("w", 2, 3, "ed25519").await;
    let node = cluster.node(3);
    let file = backup_of(node).await;
    let folder = cluster.folder();
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let mut recipients = Vec::new();
    for person in ["one.txt", "two.txt", "three.txt", "machine.txt"] {
        let made = json(&["backup", "generate-key", "--out", &path(person)]).await;
        recipients.push(made["recipient"].as_str().unwrap().to_owned());
    }
    let (config, out) = (node.config(), path("shares"));
    let config = config.to_str().unwrap();
    let mut split = vec!["recovery", "split", "--config", config, "--threshold", "2", "--out", &out];
    split.extend(recipients[..3].iter().flat_map(|recipient| ["--recipient", recipient.as_str()]));
    let dealt = json(&split).await;
    let files: Vec<_> =
        dealt["files"].as_array().unwrap().iter().map(|file| file.as_str().unwrap().to_owned()).collect();
    assert!(files[2].ends_with("node3-recovery-3-of-3.age"), "{dealt}");
    let (code, said) = refused(&split).await;
    assert!(code != 0 && said.contains("node3-recovery-1-of-3.age"), "{code}: {said}");
    let (code, said) = refused(&[&split[..], &["--recipient", &recipients[0]]].concat()).await;
    assert!(code == 2 && said.contains("is there twice"), "{code}: {said}");

    // The machine is gone, and so is who knew the passphrase.
    lose(node);
    restored(node, &file, &key).await;
    let passphrase = node.passphrase_file();
    fs::remove_file(&passphrase).unwrap();
    let back = passphrase.to_str().unwrap();
    let combine = |files: &[&str], config: &str| {
        let mut arguments = vec!["recovery".to_owned(), "combine".to_owned()];
        arguments.extend(files.iter().map(|file| (*file).to_owned()));
        for identity in ["one.txt", "machine.txt"] {
            arguments.extend(["--identity".to_owned(), path(identity)]);
        }
        arguments.extend(["--config", config, "--out", back].map(str::to_owned));
        arguments
    };
    let asked = |arguments: Vec<String>| async move {
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        refused(&arguments).await
    };
    let (code, said) = asked(combine(&[&files[0]], config)).await;
    assert!(code == 3 && said.contains("1 more is missing"), "{code}: {said}");
    let (code, said) = asked(combine(&[&files[0], &files[1]], config)).await;
    assert!(code == 3 && said.contains("encrypted to none of these identities"), "{code}: {said}");
    // The third person hands on what is in his file, and keeps his key.
    let handed = path("handed.age");
    let hand_on =
        format!("age --decrypt -i {} {} | age -r {} -o {handed}", path("three.txt"), files[2], recipients[3]);
    let handing = std::process::Command::new("sh").args(["-c", &hand_on]).status();
    assert!(handing.unwrap().success());
    let of_another = cluster.node(2).config();
    let (code, said) = asked(combine(&[&files[0], &handed], of_another.to_str().unwrap())).await;
    assert!(code == 6 && said.contains("what came back"), "{code}: {said}");
    assert!(!passphrase.exists());
    let arguments = combine(&[&files[0], &handed], config);
    let combined = json(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert_eq!(combined["opens_identity"], true, "{combined}");
    node.start();
    cluster.ready().await;
    signs_by(&cluster, &wallet, "ed25519", 3).await;
    observed(
        "a lost node and its lost passphrase, with shares of two of three people",
        "one share is not enough, exit code 3; two bring it back, and the restored node signs",
    );
}
