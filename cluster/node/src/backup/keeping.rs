//! A node makes its backups: one each period, if anything has changed, and one when it is asked for by a file.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quorate_age::Identity;
use quorate_identity::files;
use rand_core::OsRng;
use tokio::time::Instant;

use super::file::{self, Source};
use super::{BackupError, Kept, Plan, folder, list};
use crate::clock::{millis, now_millis};
use crate::engine::Engine;

/// How often the node looks whether it was asked for a backup.
const LOOK: Duration = Duration::from_secs(1);
/// A file of this name in the folder asks for a backup now; it is removed when that is made.
const ASKED: &str = "make-one-now";

/// What is known of the backups of a running node.
#[derive(Debug, Default)]
pub(crate) struct Backups {
    /// When the newest state was backed up that was seen, in unix milliseconds; 0 before any.
    fresh_ms: AtomicU64,
    made: AtomicU64,
    failed: AtomicU64,
    bytes: AtomicU64,
    /// The store's sequence in the newest.
    sequence: AtomicU64,
}

impl Backups {
    /// Unix seconds of the moment up to which everything is in a backup; 0 before any.
    pub(crate) fn fresh_seconds(&self) -> u64 {
        self.fresh_ms.load(Ordering::Relaxed) / 1000
    }

    pub(crate) fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    pub(crate) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// Asks a running node for a backup now, by its folder. How to see that it is made: a newer one is there.
///
/// # Errors
/// The folder's.
pub fn ask(folder: &Path) -> Result<(), BackupError> {
    let asked = folder.join(ASKED);
    fs::write(&asked, []).map_err(|error| BackupError::io(&asked, error))
}

/// Makes a backup in the plan's folder and reads it back: with a key that is made for this moment, kept nowhere, and one recipient more. Removes those that are
/// kept no longer.
pub(crate) fn make(source: &Source<'_>, plan: &Plan) -> Result<Kept, BackupError> {
    fs::create_dir_all(&plan.folder).map_err(|error| BackupError::io(&plan.folder, error))?;
    let before = list(&plan.folder)?.into_iter().map(|kept| kept.created_ms).max().unwrap_or_default();
    // Also where the clock was put back.
    let created_ms = now_millis().max(before.saturating_add(1));
    let path = plan.folder.join(folder::name(&source.node, created_ms));
    let kept = write_to(source, created_ms, &plan.recipients, &path)?;
    for outdated in folder::outdated(&list(&plan.folder)?, &source.node, plan.keep) {
        fs::remove_file(&outdated).map_err(|error| BackupError::io(&outdated, error))?;
    }
    Ok(kept)
}

/// The same, to a file of this name.
pub(crate) fn write_to(
    source: &Source<'_>,
    created_ms: u64,
    recipients: &[quorate_age::Recipient],
    path: &Path,
) -> Result<Kept, BackupError> {
    let draft = files::draft_of(path);
    let written = (|| {
        fs::remove_file(&draft).ok();
        let file =
            files::create(&draft, files::Access::Private).map_err(|error| BackupError::io(&draft, error))?;
        let own = Identity::generate(&mut OsRng);
        let recipients = [recipients, &[own.recipient()]].concat();
        let (_, signed) = file::write(source, created_ms, &recipients, file, &draft)?;
        let mut reader = file::Reader::open(&draft, std::slice::from_ref(&own))?;
        while reader.next()?.is_some() {}
        if reader.signed() != Some(signed) {
            return Err(BackupError::Unlike { path: path.to_path_buf() });
        }
        files::publish(&draft, path).map_err(|error| BackupError::io(path, error))?;
        let bytes = fs::metadata(path).map_err(|error| BackupError::io(path, error))?.len();
        Ok(Kept { path: path.to_path_buf(), node: source.node.clone(), created_ms, bytes })
    })();
    if written.is_err() {
        fs::remove_file(&draft).ok();
    }
    written
}

impl Engine {
    /// Keeps backups until the node stops.
    pub(crate) async fn keep_backups(self: Arc<Self>) {
        let Some(plan) = self.config.backups.clone() else { return };
        let asked = plan.folder.join(ASKED);
        let mut due = Instant::now();
        loop {
            let is_asked = asked.try_exists().unwrap_or(false);
            if is_asked || Instant::now() >= due {
                // Of what is written from now on nobody says that it is in it.
                let (since, sequence) = (now_millis(), self.store.sequence());
                let unchanged = self.backups.sequence.load(Ordering::Relaxed) == sequence;
                if is_asked || !unchanged || self.backups.made() == 0 {
                    self.back_up(&plan, since, sequence).await;
                } else {
                    self.backups.fresh_ms.store(since, Ordering::Relaxed);
                }
                if is_asked {
                    fs::remove_file(&asked).ok();
                }
                due = Instant::now() + plan.period;
            }
            tokio::time::sleep(LOOK.min(plan.period)).await;
        }
    }

    async fn back_up(self: &Arc<Self>, plan: &Plan, since: u64, sequence: u64) {
        let (engine, with) = (Arc::clone(self), plan.clone());
        let made = tokio::task::spawn_blocking(move || engine.make_backup(&with)).await;
        match made {
            Ok(Ok(kept)) => {
                self.backups.made.fetch_add(1, Ordering::Relaxed);
                self.backups.fresh_ms.store(since, Ordering::Relaxed);
                self.backups.bytes.store(kept.bytes, Ordering::Relaxed);
                self.backups.sequence.store(sequence, Ordering::Relaxed);
                tracing::info!(path = %kept.path.display(), bytes = kept.bytes, "backed up");
            }
            failed => {
                self.backups.failed.fetch_add(1, Ordering::Relaxed);
                let error = match failed {
                    Ok(Err(error)) => error.to_string(),
                    Err(error) => error.to_string(),
                    Ok(Ok(_)) => return,
                };
                tracing::error!(%error, "NO BACKUP WAS MADE");
            }
        }
    }

    fn make_backup(&self, plan: &Plan) -> Result<Kept, BackupError> {
        let key_path: &PathBuf = &self.config.identity_path;
        let key_file = fs::read(key_path).map_err(|error| BackupError::io(key_path, error))?;
        let source = Source {
            store: &self.store,
            signer: &self.identity,
            key_file,
            cluster: *self.authority.cluster().as_bytes(),
            node: self.config.node_id.to_string(),
        };
        make(&source, plan)
    }
}

/// Makes a backup of a node that does not run.
///
/// # Errors
/// The store's; one that is [locked](crate::store::StoreError::Locked) belongs to a node that runs, which can be [asked](ask).
pub fn of_stopped(
    config: &crate::config::Config,
    cluster: [u8; 32],
    passphrase: &crate::store::Passphrase,
    recipients: &[quorate_age::Recipient],
    out: Option<&Path>,
) -> Result<Kept, BackupError> {
    let store = crate::store::Store::open(&config.db_path, passphrase)?;
    let path = &config.identity_path;
    let signer = quorate_identity::key_file::load_node(path, passphrase)
        .map_err(|error| BackupError::malformed(path, error.to_string()))?;
    let key_file = fs::read(path).map_err(|error| BackupError::io(path, error))?;
    let node = config.node_id.to_string();
    let source = Source { store: &store, signer: &signer, key_file, cluster, node };
    match (out, &config.backups) {
        (Some(out), _) => {
            if out.try_exists().map_err(|error| BackupError::io(out, error))? {
                return Err(BackupError::Taken { path: out.to_path_buf() });
            }
            write_to(&source, millis(std::time::SystemTime::now()), recipients, out)
        }
        (None, Some(plan)) => make(&source, &Plan { recipients: recipients.to_vec(), ..plan.clone() }),
        (None, None) => {
            Err(BackupError::malformed(path, "the node has no folder for backups: say where to write"))
        }
    }
}
