//! A node makes its backups: one each period, if anything has changed, and one when it is asked for by a file.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quorate_age::Identity;
use quorate_identity::files;
use rand_core::OsRng;
use tokio::time::Instant;

use super::file::{self, Source};
use super::folder::{self, DAY_MS};
use super::{BackupError, Kept, Plan, list};
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
    newest: Mutex<Option<PathBuf>>,
}

impl Backups {
    /// Unix seconds of the moment up to which everything is in a backup; 0 before any.
    pub(crate) fn fresh_seconds(&self) -> u64 {
        self.fresh_ms.load(Ordering::Relaxed) / 1000
    }

    /// The file that was made last.
    fn newest(&self) -> Option<PathBuf> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone()
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

/// Asks a running node for a backup now, by its folder. It is done with it when it is [asked](is_asked) no more; made, if there is a newer one then.
///
/// # Errors
/// The folder's.
pub fn ask(folder: &Path) -> Result<(), BackupError> {
    let asked = folder.join(ASKED);
    match fs::File::create_new(&asked) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(BackupError::io(&asked, error)),
        _ => Ok(()),
    }
}

/// Whether a running node was [asked](ask) for a backup that it has not done with.
///
/// # Errors
/// The folder's.
pub fn is_asked(folder: &Path) -> Result<bool, BackupError> {
    let asked = folder.join(ASKED);
    asked.try_exists().map_err(|error| BackupError::io(&asked, error))
}

/// Makes a backup in the plan's folder and reads it back: with a key that is made for this moment, kept nowhere, and one recipient more. Removes those that are
/// kept no longer.
pub(crate) fn make(source: &Source<'_>, plan: &Plan) -> Result<Kept, BackupError> {
    fs::create_dir_all(&plan.folder).map_err(|error| BackupError::io(&plan.folder, error))?;
    let now = now_millis();
    let mine = list(&plan.folder)?.into_iter().filter(|kept| kept.node == source.node);
    // Also where the clock was put back, but not for names that no clock has made.
    let before = mine.map(|kept| kept.created_ms).filter(|made| *made <= now.saturating_add(DAY_MS)).max();
    let created_ms = now.max(before.unwrap_or_default().saturating_add(1));
    for draft in folder::drafts(&plan.folder, &source.node)? {
        fs::remove_file(draft).ok();
    }
    let path = plan.folder.join(folder::name(&source.node, created_ms));
    let kept = write_to(source, created_ms, &plan.recipients, &path)?;
    for outdated in folder::outdated(&list(&plan.folder)?, &source.node, plan.keep) {
        // It is made all the same; whoever copies backups away may have removed it.
        match fs::remove_file(&outdated) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                tracing::warn!(path = %outdated.display(), %error, "an old backup can't be removed");
            }
            _ => {}
        }
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
                let is_there = self.backups.newest().is_some_and(|newest| newest.is_file());
                if is_asked || !unchanged || !is_there {
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
                *self.backups.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept.path.clone());
                self.audit.backed_up(&kept);
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
