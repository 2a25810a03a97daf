//! What releases have written keeps its meaning.
//!
//! A folder of `tests/data/` holds what one release wrote, under the passphrase of these tests: a node's identity file, the
//! peers file of its cluster, its store with a wallet, a pending share, and results of requests; and a proposal with the
//! start of its session.

use std::fs;
use std::path::Path;

use super::*;
use crate::store::Table;
use quorate_identity::key_file::{self, IdentityKind};

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

fn passphrase() -> Passphrase {
    Passphrase::new(b"open sesame".to_vec()).unwrap()
}

fn read<T: Wire>(file: &Path) -> T {
    let bytes = fs::read(file).unwrap();
    let value = T::from_wire(&bytes).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    assert_eq!(value.to_wire().unwrap(), bytes, "{}", file.display());
    value
}

#[tokio::test]
async fn what_every_release_wrote_is_read() {
    let releases: Vec<_> = fs::read_dir(data()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(releases.iter().any(|release| release.ends_with("0.1.0")));
    for release in releases {
        let own = key_file::load_node(&release.join("identity.json"), &passphrase()).unwrap();
        let peers = Peers::load(&release.join("peers.yaml")).unwrap();
        assert_eq!(peers.len(), 3);
        assert_eq!(peers.by_name("node0").unwrap().identity, own.identity());

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.redb");
        fs::copy(release.join("store.redb"), &path).unwrap();
        let store = Arc::new(Store::open(&path, &passphrase()).unwrap());
        let wallets = Wallets::load(Arc::clone(&store)).unwrap();
        let named = wallets.named(&"active".parse().unwrap());
        let [wallet] = named.as_slice() else { panic!("{} wallets", named.len()) };
        let share = wallets.share(wallet).unwrap();
        assert_eq!(*share.public(), wallet.record.public);
        quorate_keygen::certifies(&wallet.record.certificate, share.public()).unwrap();
        let waiting = wallets.waiting();
        assert_eq!(waiting.iter().map(|waiting| &*waiting.wallet).collect::<Vec<_>>(), ["pending"]);
        let pending = waiting[0].agreement.session();
        assert!(store.get(Table::Pending, pending.as_bytes()).unwrap().is_some());

        let authority = Authority::without_policy(ClusterId::from_bytes([0; 32]), &[]);
        let approvals = Arc::new(Approvals::load(Arc::clone(&store), &authority).unwrap());
        let ledger = crate::ledger::Ledger::new(Arc::clone(&store), approvals);
        let made = ledger.known(&"made".parse().unwrap(), &wallet.fingerprint).unwrap().unwrap();
        let made = keygen_of(Ok(made)).unwrap();
        assert_eq!(made.public_key.to_string(), format!("0x{}", hex::encode(wallet.public_key.as_bytes())));
        let signed = store.get(Table::Results, "signed").unwrap().unwrap();
        let signed = sign_of(Ok(serde_json::from_slice(signed.value.expose()).unwrap())).unwrap();
        let signature = quorate_keys::Signature::from_bytes(*signed.signature.as_bytes());
        wallet.public_key.verify(&[0xab; 32], &signature).unwrap();

        let proposal = read::<SignedProposal>(&release.join("proposal.bin"));
        let start = read::<Start>(&release.join("start.bin"));
        let agreement = start.agreement(&proposal.proposal).unwrap();
        assert_eq!(agreement.proposal().proposer, own.identity());
        let session = fs::read_to_string(release.join("session")).unwrap();
        assert_eq!(hex::encode(agreement.session().as_bytes()), session.trim());
    }
}

/// Makes the samples of this release: `cargo test -p quorate-node --lib -- --ignored samples`. Those of earlier releases stay
/// as they are.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes into tests/data"]
async fn the_samples_of_this_release_are_written() {
    let release = data().join(env!("CARGO_PKG_VERSION"));
    fs::create_dir_all(&release).unwrap();
    for file in ["identity.json", "peers.yaml"] {
        fs::remove_file(release.join(file)).ok();
    }
    let settings = Settings {
        round: Duration::from_millis(500),
        request: Duration::from_secs(4),
        ..Settings::default()
    };
    let cluster = Cluster::new(3, settings).await;
    key_file::save_new(
        &release.join("identity.json"),
        IdentityKind::Node,
        &SigningIdentity::from_seed(&cluster.members[0].identity.seed()).into(),
        &passphrase(),
        KdfParams::FLOOR,
        &mut OsRng,
    )
    .unwrap();
    cluster.peers.save_new(&release.join("peers.yaml")).unwrap();

    cluster.keygen(0, "made", "active", &[0, 1, 2]).await.unwrap();
    cluster.sign(0, "signed", "active").await.unwrap();
    let (hub, cut_off) = (cluster.hub.clone(), cluster.identity(0));
    cluster.deed(0, move |operation, step| {
        if (operation, step) == ("keygen", Step::Stored) {
            hub.isolate(&cut_off);
        }
    });
    cluster.keygen(1, "half-made", "pending", &[0, 1, 2]).await.unwrap_err();
    let member = &cluster.members[0];
    assert_eq!(member.engine.wallets.waiting().len(), 1);
    member.tasks.iter().for_each(JoinHandle::abort);
    member.engine.transport.close().await;
    member.engine.store.close().await;
    let store = release.join("store.redb");
    fs::copy(member.data_dir.join("node.db"), &store).unwrap();
    // Closed, it gives back the room that it does not need.
    drop(Store::open(&store, &passphrase()).unwrap());

    cluster.hub.heal_all();
    let mut hand = cluster.hand(0).await;
    eventually("it is back", || cluster.engine(1).reachable().len() == 3).await;
    let request = cluster.sign_request("proposed", "active", "");
    let chosen = [cluster.identity(0), cluster.identity(1)];
    let invite = hand.invitation(cluster.engine(1), &request, &chosen, 1);
    let start = hand.gather(&invite).await;
    let session = start.agreement(&invite.proposal.proposal).unwrap().session();
    fs::write(release.join("proposal.bin"), invite.proposal.to_wire().unwrap()).unwrap();
    fs::write(release.join("start.bin"), start.to_wire().unwrap()).unwrap();
    fs::write(release.join("session"), hex::encode(session.as_bytes()) + "\n").unwrap();
}
