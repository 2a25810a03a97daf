//! No secret leaves a node, nor stays readable in it.
//!
//! The cluster runs behind recording proxies, with its TLS secrets and the randomness of its sessions noted. Afterwards
//! this test, which knows all passphrases, rebuilds what nobody may know: the private keys, every share, the parts of
//! shares that dealers sent, and the nonces. Then it searches for them.

mod memory;
mod needles;
mod proxy;
mod secrets;
mod tls;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use quorate_node::config::PassphraseSource;
use quorate_node::store::{Store, Table};
use quorate_request::WalletId;
use quorate_session::Wire;
use quorate_sharing::{Ed25519, KeyShare, Secp256k1};
use quorate_tests::cluster::sign;
use quorate_tests::node::NodeProcess;
use quorate_tests::{Cluster, Program, judge, report};
use rand_core::{OsRng, RngCore};

use crate::{cluster, observed};
use memory::core_images;
use needles::Needles;
use proxy::Proxy;
use secrets::Secrets;

const SECTION: &str = "Secrecy";
const COLUMNS: &[&str] = &["where", "observed"];

fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    OsRng.fill_bytes(&mut bytes);
    bytes
}

/// A node's share of a wallet. The node must not run.
fn share(cluster: &Cluster, node: usize, wallet: &WalletId) -> KeyShare {
    let node = cluster.node(node);
    let passphrase = PassphraseSource::File(node.passphrase_file()).read().unwrap();
    let store = Store::open(&node.store(), &passphrase).unwrap();
    let session = store.get(Table::Meta, format!("name/{wallet}")).unwrap().expect("a wallet");
    let record = store.get(Table::Shares, session.value.expose()).unwrap().expect("a share");
    KeyShare::from_wire(record.value.expose()).unwrap()
}

fn files_of(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_of(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_found_in_files_logs_memory_or_traffic() {
    report::columns(SECTION, COLUMNS);
    let notes = tempfile::tempdir().unwrap();
    let witness = Program::at(env!("CARGO_BIN_EXE_byzantine"));
    let key_log = notes.path().join("key-log");
    let randomness = notes.path().join("randomness");
    fs::create_dir(&randomness).unwrap();
    // Planted in every medium: what proves that the search finds things.
    let (in_memory, in_traffic, in_file) = (random(), random(), random());
    let cluster = (1..=5)
        .fold(cluster(5), |setup, node| {
            setup
                .node_program(node, &witness)
                .node_env(node, "QUORATE_TEST_RANDOMNESS", randomness.to_str().unwrap())
                .node_env(node, "QUORATE_TEST_KEY_LOG", key_log.to_str().unwrap())
                .node_env(node, "QUORATE_TEST_PLANT", &hex::encode(in_memory))
        })
        .make()
        .await;
    let mut proxies = Vec::new();
    let mut peers = fs::read_to_string(&cluster.peers_file).unwrap();
    for node in cluster.nodes() {
        let proxy = Proxy::start(&node.peers).await;
        peers = peers.replace(&node.peers, &proxy.address);
        proxies.push(proxy);
    }
    fs::write(&cluster.peers_file, peers).unwrap();
    cluster.nodes().iter().for_each(NodeProcess::start);
    cluster.ready().await;

    let edwards = cluster.wallet("edwards", 3, 5, "ed25519").await.wallet_id;
    let bitcoin = cluster.wallet("bitcoin", 3, 5, "secp256k1").await.wallet_id;
    let planted = [&b"pay "[..], &in_traffic].concat();
    for number in 0..12_usize {
        let (wallet, curve) = if number % 2 == 0 { (&edwards, "ed25519") } else { (&bitcoin, "secp256k1") };
        let message = if number < 2 { planted.clone() } else { format!("message {number}").into_bytes() };
        let signed = cluster.client(&[number % 5 + 1]).sign(sign(wallet, &message)).await.unwrap();
        judge::check(curve, &message, &signed);
    }
    // Finished sessions linger for two rounds of two seconds, and one more.
    tokio::time::sleep(std::time::Duration::from_secs(7)).await;
    let images = core_images(&cluster, notes.path()).await;

    // Two nodes, which hold t - 1 shares, do not sign.
    cluster.nodes()[2..].iter().for_each(NodeProcess::kill);
    for wallet in [&edwards, &bitcoin] {
        let refused = cluster.client_once(1).sign(sign(wallet, b"too few")).await.unwrap_err();
        let refused = refused.api().unwrap_or_else(|| panic!("{refused}"));
        assert_eq!(refused.code.status().as_u16(), 503, "{refused:?}");
    }
    cluster.nodes()[..2].iter().for_each(NodeProcess::kill);

    let mut secrets = Secrets::default();
    let shares = |wallet| [1, 2, 3, 4, 5].map(|node| share(&cluster, node, wallet));
    secrets.rebuild::<Ed25519>(&shares(&edwards), &randomness, "ed25519");
    secrets.rebuild::<Secp256k1>(&shares(&bitcoin), &randomness, "secp256k1");
    let mut needles = Needles::default();
    for (name, bytes) in &secrets.named {
        needles.add(name, bytes);
    }
    let controls = [
        ("planted in memory", in_memory),
        ("planted in traffic", in_traffic),
        ("planted in a file", in_file),
    ];
    controls.iter().for_each(|(name, bytes)| needles.add(name, bytes));
    let mut leaks = Vec::new();
    let mut media = |medium: &str, control: &str, found: Vec<(String, BTreeSet<String>)>| {
        assert!(found.iter().any(|(_, names)| names.contains(control)), "{medium}: {control} was not found");
        let before = leaks.len();
        for (place, names) in found {
            let names = names.into_iter().filter(|name| !name.starts_with("planted"));
            leaks.extend(names.map(|name| format!("{place}: {name}")));
        }
        let leaked = match leaks.len() - before {
            0 => "absent".to_owned(),
            count => format!("FOUND {count} times"),
        };
        let counted = format!("{} secrets in 10 writings: {leaked}; {control}: found", secrets.named.len());
        observed(SECTION, &[medium, &counted]);
    };

    // Every file of every node: the logs among them.
    fs::write(cluster.node(1).folder.join("planted"), in_file).unwrap();
    let mut files = Vec::new();
    files_of(cluster.folder(), &mut files);
    let found: Vec<_> = files
        .iter()
        .map(|file| (file.display().to_string(), needles.found_in(&fs::read(file).unwrap())))
        .collect();
    let (logs, files): (Vec<_>, Vec<_>) = found.into_iter().partition(|(place, _)| place.ends_with("/log"));
    media("files of the nodes", "planted in a file", files);
    media("logs", "planted in memory", logs);

    // What crossed the wire, deciphered. It holds the nonces' commitments, or it would not be what was said.
    let key_log = tls::KeyLog::read(&key_log);
    let mut traffic = Vec::new();
    let mut everything = Vec::new();
    for (number, proxy) in proxies.iter().enumerate() {
        for connection in proxy.connections() {
            let plain =
                connection.directions().map(|bytes| tls::decrypt(&key_log, &connection, bytes)).concat();
            traffic.push((format!("connection to node{}", number + 1), needles.found_in(&plain)));
            everything.extend(plain);
        }
    }
    for (name, commitment) in &secrets.commitments {
        let seen = everything.windows(commitment.len()).any(|window| window == commitment);
        assert!(
            seen,
            "{name} is not in the traffic: the nonces were not recomputed, or the traffic not deciphered"
        );
    }
    media("traffic between the nodes, deciphered with their TLS secrets", "planted in traffic", traffic);

    let found = images
        .iter()
        .map(|image| (image.display().to_string(), needles.found_in(&fs::read(image).unwrap())))
        .collect::<Vec<_>>();
    assert!(
        found.iter().all(|(_, names)| names.contains("planted in memory")),
        "an image is not of the whole memory"
    );
    media("core images of the idle nodes", "planted in memory", found);
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
    observed(SECTION, &["3 of 5 stores, and more", "all choices rebuild the private keys of the wallets"]);
    observed(
        SECTION,
        &["1 or 2 of 5 stores (t - 1)", "all choices interpolate to other keys; two nodes running: 503"],
    );
}
