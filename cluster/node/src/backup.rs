//! Backups of a node: files encrypted to recipients, of what the store held in one moment while the node worked on.
//!
//! A backup holds the rows of the store, sealed under the store's own key as they are on disk, and the file of the node's identity, under
//! its passphrase; all that in the age format for the recipients, and signed by the node. So whoever restores needs an age identity *and*
//! the node's passphrase, and neither who finds the file nor who keeps it can read it, nor make another.
//!
//! Presignatures are in no store, and the seeds of pairs stay out: what is used up may not come back. A wallet that signs with pairs makes others when it is
//! [refreshed](crate::backup#after-a-restore).
//!
//! # After a restore
//! The node finds out from its peers that it was put back: it refuses requests that were signed before, and learns what was spent since. Wallets that
//! were made or reshared since the backup it does not hold: they are dealt to it by a resharing.

mod drill;
pub(crate) mod file;
mod folder;
mod keeping;

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use drill::{Proven, Unproven};
pub use file::Head;
pub use folder::{Kept, list};
pub(crate) use keeping::Backups;
pub use keeping::{ask, is_asked, of_stopped};
use quorate_age::{AgeError, Recipient};
use quorate_identity::files;
use quorate_identity::peers::Peers;
use rand_core::{OsRng, RngCore as _};

use crate::store::{Passphrase, Store, StoreError};

/// Where a node keeps its backups, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The folder.
    pub folder: PathBuf,
    /// Whom they are encrypted to: at least one.
    pub recipients: Vec<Recipient>,
    /// How often one is made, if anything has changed.
    pub period: Duration,
    /// How many of the newest are kept, beside the last one of each of as many days.
    pub keep: usize,
}

/// Why a backup can't be made, read or restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The encryption of the file.
    #[error("{}: {source}", .path.display())]
    Age {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: AgeError,
    },
    /// The file, or its folder.
    #[error("{}: {source}", .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// The operating system's answer, or what is wrong with what was read.
        source: Arc<io::Error>,
    },
    /// What is inside is no backup, or one of a newer release.
    #[error("{}: {detail}", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// What was read back is not what was written.
    #[error("{}: what was read back is not what was written; check the disk", .path.display())]
    Unlike {
        /// The file.
        path: PathBuf,
    },
    /// There is something already where it would be restored to.
    #[error("{} is there already: a backup is restored to a node that has nothing", .path.display())]
    Taken {
        /// What is there.
        path: PathBuf,
    },
}

impl BackupError {
    fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_path_buf(), source: Arc::new(source) }
    }

    fn malformed(path: &Path, detail: impl Into<String>) -> Self {
        Self::Malformed { path: path.to_path_buf(), detail: detail.into() }
    }
}

/// A backup that was opened with an age identity, of which all was read and its signature checked.
#[derive(Debug)]
pub struct Verified {
    /// What it is of.
    pub head: Head,
    /// How many rows it has.
    pub rows: u64,
}

/// Reads a backup to its end, and checks that it is whole and signed by the identity in it; and by `peers`, that this is the one of the node and
/// the cluster that it says it is of. Without, anybody who knows a recipient can have made it. It holds no secret that this could open: what is in
/// the rows a [drill] proves.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn verify(
    path: &Path,
    identities: &[quorate_age::Identity],
    peers: Option<&Peers>,
) -> Result<Verified, BackupError> {
    read(path, identities, peers).map(|(verified, _)| verified)
}

/// The same, and a hash of what was read.
fn read(
    path: &Path,
    identities: &[quorate_age::Identity],
    peers: Option<&Peers>,
) -> Result<(Verified, Option<[u8; 32]>), BackupError> {
    let mut reader = file::Reader::open(path, identities)?;
    while reader.next()?.is_some() {}
    let (rows, signed) = (reader.rows(), reader.signed());
    let head = reader.into_head();
    if let Some(peers) = peers {
        let listed = peers.by_name(&head.node).map(|peer| peer.identity);
        if head.cluster != *peers.cluster().as_bytes() {
            return Err(BackupError::malformed(path, "it is of another cluster than the peers file"));
        }
        if listed != Some(head.identity) {
            let detail = format!(
                "{} has signed it, which the peers file does not list as node {}",
                head.identity, head.node
            );
            return Err(BackupError::malformed(path, detail));
        }
    }
    Ok((Verified { head, rows }, signed))
}

/// Restores a backup to a node that has neither store nor identity. The store appears last, whole or not at all; the identity of a restore that was cut short
/// is not in the way of the next one. `node`: the one that it must be of, in these peers.
///
/// # Errors
/// There is one of them already; it is of another node; or what is wrong with the backup, or the disk.
pub fn restore(
    path: &Path,
    identities: &[quorate_age::Identity],
    (node, peers): (&str, &Peers),
    store: &Path,
    identity: &Path,
) -> Result<Verified, BackupError> {
    // To its end, signature and all, before anything appears.
    let checked = |verified: &Verified| match verified.head.node == node {
        true => Ok(()),
        false => Err(format!("it is of node {}, and this is to be {node}", verified.head.node)),
    };
    unpack(path, identities, Some(peers), checked, store, identity)
}

fn unpack(
    path: &Path,
    identities: &[quorate_age::Identity],
    peers: Option<&Peers>,
    checked: impl FnOnce(&Verified) -> Result<(), String>,
    store: &Path,
    identity: &Path,
) -> Result<Verified, BackupError> {
    let is_there = |path: &Path| path.try_exists().map_err(|error| BackupError::io(path, error));
    let taken = |path: &Path| BackupError::Taken { path: path.to_path_buf() };
    if is_there(store)? {
        return Err(taken(store));
    }
    let (verified, signed) = read(path, identities, peers)?;
    checked(&verified).map_err(|detail| BackupError::malformed(path, detail))?;
    let begun = is_there(identity)?;
    if begun {
        let found = std::fs::read(identity).map_err(|error| BackupError::io(identity, error))?;
        if found != verified.head.key_file() {
            return Err(taken(identity));
        }
    }
    for folder in [store, identity].map(files::folder_of) {
        std::fs::create_dir_all(folder).map_err(|error| BackupError::io(folder, error))?;
    }
    if !begun {
        files::write_new(identity, verified.head.key_file(), files::Access::Private)
            .map_err(|error| BackupError::io(identity, error))?;
    }
    let mut reader = file::Reader::open(path, identities)?;
    let restored = Store::of_rows(store, || {
        let row = reader.next()?;
        match row.is_none() && reader.signed() != signed {
            true => Err(BackupError::malformed(path, "it has changed while it was read")),
            false => Ok(row),
        }
    });
    if let Err(error) = restored.map_err(BackupError::from).flatten() {
        if !begun {
            std::fs::remove_file(identity).ok();
        }
        return Err(error);
    }
    Ok(verified)
}

/// Restores a backup to a temporary folder, and proves every record and every share in it; the folder is removed again.
///
/// # Errors
/// What is wrong with the backup, or with the passphrase; a record or a share that is not as it should be is named in the answer.
pub fn drill(
    path: &Path,
    identities: &[quorate_age::Identity],
    peers: Option<&Peers>,
    passphrase: &Passphrase,
    scratch: &Path,
) -> Result<(Head, Proven), BackupError> {
    let folder = scratch.join(format!("quorate-drill-{:016x}", OsRng.next_u64()));
    let created = DirBuilder::new().mode(0o700).create(&folder);
    created.map_err(|error| BackupError::io(&folder, error))?;
    let proven = (|| {
        let (store, identity) = (folder.join("store.redb"), folder.join("identity.json"));
        let head = unpack(path, identities, peers, |_| Ok(()), &store, &identity)?.head;
        let opened = quorate_identity::key_file::load_node(&identity, passphrase);
        let opened = opened.map_err(|error| BackupError::malformed(path, error.to_string()))?;
        if opened.identity() != head.identity {
            return Err(BackupError::malformed(path, "the identity in it is another node's"));
        }
        let store = Store::open(&store, passphrase)?;
        let proven = drill::prove(&store, &head.identity)?;
        Ok((head, proven))
    })();
    std::fs::remove_dir_all(&folder).map_err(|error| BackupError::io(&folder, error))?;
    proven
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use quorate_age::Identity;
    use quorate_identity::peers::Peer;
    use quorate_keys::{Secret, SigningIdentity};
    use rand_core::OsRng;

    use super::file::Source;
    use super::*;
    use crate::store::{Batch, KdfParams, Table};

    fn passphrase() -> Passphrase {
        Passphrase::new(b"of a test".to_vec()).unwrap()
    }

    /// A store with so many records, and a plan to back it up.
    async fn store_of(folder: &Path, records: u32) -> (Store, Plan, Identity) {
        let store = Store::create(&folder.join("store.redb"), &passphrase(), KdfParams::FLOOR).unwrap();
        for number in 0..records {
            let batch = Batch::new().put(Table::Shares, number.to_be_bytes(), 0, Secret::new(vec![7; 600]));
            let batch = batch.put(Table::Pairs, number.to_be_bytes(), 0, Secret::new(vec![8; 60]));
            store.commit(batch).await.unwrap();
        }
        let identity = Identity::generate(&mut OsRng);
        let recipients = vec![identity.recipient()];
        let folder = folder.join("backups");
        (store, Plan { folder, recipients, period: Duration::from_secs(1), keep: 2 }, identity)
    }

    fn source<'a>(store: &'a Store, signer: &'a SigningIdentity) -> Source<'a> {
        Source { store, signer, key_file: b"a key file".to_vec(), cluster: [1; 32], node: "node1".into() }
    }

    fn cluster(byte: u8) -> quorate_request::ClusterId {
        format!("0x{}", hex::encode([byte; 32])).parse().unwrap()
    }

    /// In which it is the first node.
    fn peers(signer: &SigningIdentity) -> Peers {
        let names = ["node1", "node2", "node3"].into_iter().zip(7000..);
        let peers = names.map(|(name, port)| Peer {
            name: name.parse().unwrap(),
            identity: match name {
                "node1" => signer.identity(),
                _ => SigningIdentity::generate(&mut OsRng).identity(),
            },
            address: format!("127.0.0.1:{port}").parse().unwrap(),
        });
        Peers::new(cluster(1), peers.collect()).unwrap()
    }

    #[tokio::test]
    async fn a_backup_has_all_rows_of_one_moment_but_the_seeds_of_pairs() {
        let folder = tempfile::tempdir().unwrap();
        let (store, plan, identity) = store_of(folder.path(), 20).await;
        let signer = SigningIdentity::generate(&mut OsRng);
        let made: Vec<_> =
            (0..3).map(|_| keeping::make(&source(&store, &signer), &plan).unwrap().path).collect();
        // The oldest has given way, unless it is the last of its day.
        let kept: Vec<_> = list(&plan.folder).unwrap().into_iter().map(|kept| kept.path).collect();
        assert!(kept.starts_with(&[made[2].clone(), made[1].clone()]) && kept.len() <= 3, "{kept:?}");
        let drafts = std::fs::read_dir(&plan.folder).unwrap().count();
        assert_eq!(drafts, kept.len());

        let (copy, key) = (folder.path().join("copy.redb"), folder.path().join("identity.json"));
        let identities = [identity];
        let restored = restore(&made[2], &identities, ("node1", &peers(&signer)), &copy, &key).unwrap();
        assert_eq!((restored.head.node.as_str(), restored.head.identity), ("node1", signer.identity()));
        assert_eq!(std::fs::read(&key).unwrap(), b"a key file");
        let again = Store::open(&copy, &passphrase()).unwrap();
        assert_eq!(again.sequence(), store.sequence());
        assert_eq!((again.count(Table::Shares).unwrap(), again.count(Table::Pairs).unwrap()), (20, 0));
        assert!(again.damaged().unwrap().is_empty());
        let again =
            |node, peers: &Peers| restore(&made[2], &identities, (node, peers), &copy, &key).unwrap_err();
        assert!(matches!(again("node1", &peers(&signer)), BackupError::Taken { .. }));
        // Of a restore that was cut short there is the identity, and no store. Another one is in the way.
        std::fs::remove_file(&copy).unwrap();
        let other = again("node2", &peers(&signer)).to_string();
        assert!(other.contains("it is of node node1, and this is to be node2"), "{other}");
        assert!(key.exists() && !copy.exists());
        restore(&made[2], &identities, ("node1", &peers(&signer)), &copy, &key).unwrap();
        std::fs::remove_file(&copy).unwrap();
        std::fs::write(&key, b"another key file").unwrap();
        assert!(matches!(again("node1", &peers(&signer)), BackupError::Taken { path } if path == key));
        assert_eq!(std::fs::read(&key).unwrap(), b"another key file");
        assert!(!copy.exists());
    }

    #[tokio::test]
    async fn a_backup_that_another_has_signed_is_none_of_this_node() {
        let folder = tempfile::tempdir().unwrap();
        let (store, plan, identity) = store_of(folder.path(), 1).await;
        let signer = SigningIdentity::generate(&mut OsRng);
        let path = keeping::make(&source(&store, &signer), &plan).unwrap().path;
        // What is inside, with one byte of a row changed, encrypted to the same recipient again.
        let mut content = Vec::new();
        let file = std::fs::File::open(&path).unwrap();
        let mut opened = quorate_age::decrypt(std::slice::from_ref(&identity), file).unwrap();
        io::Read::read_to_end(&mut opened, &mut content).unwrap();
        let forged = |content: &[u8]| {
            let path = folder.path().join("forged.age");
            let file = std::fs::File::create(&path).unwrap();
            let mut encryptor = quorate_age::encrypt(&plan.recipients, file, &mut OsRng).unwrap();
            io::Write::write_all(&mut encryptor, content).unwrap();
            encryptor.finish().unwrap();
            verify(&path, std::slice::from_ref(&identity), Some(&peers(&signer)))
        };
        assert!(forged(&content).is_ok());
        let rows = content.len() - 300;
        for place in [20, 60, rows, content.len() - 1] {
            let mut changed = content.clone();
            changed[place] ^= 1;
            assert!(forged(&changed).is_err(), "byte {place}");
        }
        for cut in [0, 10, 18, 100, rows, content.len() - 1] {
            assert!(forged(&content[..cut]).is_err(), "cut at {cut}");
        }
        assert!(forged(&[&content[..], b"x"].concat()).is_err());

        // Who knows a recipient can make one and sign it; not as the node that the peers know.
        let stranger = SigningIdentity::generate(&mut OsRng);
        let folder = folder.path().join("strange");
        let path = keeping::make(&source(&store, &stranger), &Plan { folder, ..plan }).unwrap().path;
        let identities = [identity];
        assert_eq!(verify(&path, &identities, None).unwrap().head.identity, stranger.identity());
        let refused =
            |path: &Path, peers: &Peers| verify(path, &identities, Some(peers)).unwrap_err().to_string();
        assert!(refused(&path, &peers(&signer)).contains("does not list as node node1"));
        let other = Peers::new(cluster(2), peers(&stranger).all().to_vec()).unwrap();
        assert!(refused(&path, &other).contains("another cluster"));
        let (copy, key) = (path.with_file_name("copy.redb"), path.with_file_name("identity.json"));
        restore(&path, &identities, ("node1", &peers(&signer)), &copy, &key).unwrap_err();
        assert!(!copy.exists() && !key.exists());
    }

    #[tokio::test]
    async fn what_is_left_of_interrupted_backups_and_strange_names_are_not_in_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let (store, plan, _) = store_of(folder.path(), 1).await;
        let signer = SigningIdentity::generate(&mut OsRng);
        std::fs::create_dir(&plan.folder).unwrap();
        let names = ["node1-1764000000123.age", "node2-1764000000123.age"].map(|name| plan.folder.join(name));
        let drafts = names.map(|name| files::draft_of(&name));
        let far = plan.folder.join(format!("node1-{}.age", u64::MAX));
        for file in drafts.iter().chain([&far]) {
            std::fs::write(file, b"").unwrap();
        }
        for _ in 0..4 {
            let made = keeping::make(&source(&store, &signer), &plan).unwrap();
            assert!(made.created_ms < 1 << 60);
        }
        assert_eq!(drafts.map(|draft| draft.exists()), [false, true]);
        assert!(list(&plan.folder).unwrap().len() >= plan.keep);
    }

    #[tokio::test]
    async fn a_folder_that_takes_nothing_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let (store, plan, _) = store_of(folder.path(), 1).await;
        std::fs::write(&plan.folder, b"a file").unwrap();
        let signer = SigningIdentity::generate(&mut OsRng);
        let error = keeping::make(&source(&store, &signer), &plan).unwrap_err();
        assert!(error.to_string().contains("backups"), "{error}");
    }

    #[tokio::test]
    #[ignore = "measures, and tests nothing"]
    async fn how_long_a_backup_and_a_restore_take() {
        for records in [1, 1000] {
            let folder = tempfile::tempdir_in(".").unwrap();
            let (store, plan, identity) = store_of(folder.path(), records).await;
            let signer = SigningIdentity::generate(&mut OsRng);
            let identities = [identity];
            let (mut backups, mut restores) = (Vec::new(), Vec::new());
            for number in 0..20 {
                let began = Instant::now();
                let path = keeping::make(&source(&store, &signer), &plan).unwrap().path;
                backups.push(began.elapsed());
                let copy = folder.path().join(format!("{number}.redb"));
                let key = folder.path().join(format!("{number}.json"));
                let began = Instant::now();
                restore(&path, &identities, ("node1", &peers(&signer)), &copy, &key).unwrap();
                restores.push(began.elapsed());
            }
            backups.sort();
            restores.sort();
            println!(
                "{records} wallets: backup {:?}, restore {:?} (medians of 20)",
                backups[10], restores[10]
            );
        }
    }
}
