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
mod file;
mod folder;
mod keeping;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use drill::{Proven, Unproven};
pub use file::Head;
pub use folder::{Kept, list};
pub(crate) use keeping::Backups;
pub use keeping::{ask, of_stopped};
use quorate_age::{AgeError, Recipient};
use quorate_identity::files;

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

/// Reads a backup to its end, and checks that it is whole and signed by the node that it says it is of. It holds no
/// secret that this could open: what is in the rows a [drill] proves.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn verify(path: &Path, identities: &[quorate_age::Identity]) -> Result<Verified, BackupError> {
    let mut reader = file::Reader::open(path, identities)?;
    while reader.next()?.is_some() {}
    Ok(Verified { rows: reader.rows(), head: reader.into_head() })
}

/// Restores a backup to a node that has neither store nor identity: both appear, or neither. `node`: the name that it must be of.
///
/// # Errors
/// There is one of them already; it is of another node; or what is wrong with the backup, or the disk.
pub fn restore(
    path: &Path,
    identities: &[quorate_age::Identity],
    node: Option<&str>,
    store: &Path,
    identity: &Path,
) -> Result<Verified, BackupError> {
    for taken in [store, identity] {
        if taken.try_exists().map_err(|error| BackupError::io(taken, error))? {
            return Err(BackupError::Taken { path: taken.to_path_buf() });
        }
    }
    for folder in [store, identity].map(files::folder_of) {
        std::fs::create_dir_all(folder).map_err(|error| BackupError::io(folder, error))?;
    }
    // To its end, signature and all, before anything appears.
    let verified = verify(path, identities)?;
    if let Some(other) = node.filter(|node| *node != verified.head.node) {
        let detail = format!("it is of node {}, and this is to be {other}", verified.head.node);
        return Err(BackupError::malformed(path, detail));
    }
    let mut reader = file::Reader::open(path, identities)?;
    Store::of_rows(store, || reader.next())??;
    let written = files::write_new(identity, verified.head.key_file(), files::Access::Private);
    if let Err(error) = written {
        std::fs::remove_file(store).ok();
        return Err(BackupError::io(identity, error));
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
    passphrase: &Passphrase,
    scratch: &Path,
) -> Result<(Head, Proven), BackupError> {
    let folder = scratch.join(format!("quorate-drill-{}", std::process::id()));
    std::fs::create_dir(&folder).map_err(|error| BackupError::io(&folder, error))?;
    let proven = (|| {
        let (store, identity) = (folder.join("store.redb"), folder.join("identity.json"));
        let head = restore(path, identities, None, &store, &identity)?.head;
        let opened = quorate_identity::key_file::load_node(&identity, passphrase);
        let opened = opened.map_err(|error| BackupError::malformed(path, error.to_string()))?;
        if opened.identity() != head.identity {
            return Err(BackupError::malformed(path, "the identity in it is another node's"));
        }
        let store = Store::open(&store, passphrase)?;
        Ok((head, drill::prove(&store)?))
    })();
    std::fs::remove_dir_all(&folder).map_err(|error| BackupError::io(&folder, error))?;
    proven
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use quorate_age::Identity;
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
        let restored = restore(&made[2], &identities, Some("node1"), &copy, &key).unwrap();
        assert_eq!((restored.head.node.as_str(), restored.head.identity), ("node1", signer.identity()));
        assert_eq!(std::fs::read(&key).unwrap(), b"a key file");
        let again = Store::open(&copy, &passphrase()).unwrap();
        assert_eq!(again.sequence(), store.sequence());
        assert_eq!((again.count(Table::Shares).unwrap(), again.count(Table::Pairs).unwrap()), (20, 0));
        assert!(again.damaged().unwrap().is_empty());
        let refused = restore(&made[2], &identities, None, &copy, &key).unwrap_err();
        assert!(matches!(refused, BackupError::Taken { .. }));
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
            verify(&path, std::slice::from_ref(&identity))
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
                restore(&path, &identities, None, &copy, &key).unwrap();
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
