//! redb behind a guard: opened with care, reopened after a failure, never able to take the process down.
//!
//! redb latches the first failed operation and refuses everything until the database is opened again; that is done
//! here, under a lock that keeps readers out for the moment. redb also trusts pages of a cleanly closed file without
//! checking their sums, and decodes them with assertions: on a file that was altered it can panic. Each call into it
//! is therefore fenced, and a panic becomes [`StoreError::Damaged`].

use super::error::StoreError;
use super::volume::{HEADER, Health, Volume};
use quorate_identity::files;
use redb::{Builder, Database, DatabaseError, ReadTransaction, ReadableDatabase as _, StorageError};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

#[cfg(not(panic = "unwind"))]
compile_error!("the store's fence against panics of redb needs panic = \"unwind\"");

/// redb's own page cache. The records of a node are small and few are hot.
const CACHE_BYTES: usize = 8 * 1024 * 1024;
const REDB_MAGIC: &[u8; 9] = b"redb\x1A\x0A\xA9\x0D\x0A";
const PAGE: u64 = 4096;

/// What a piece of work on the database ended with, other than success.
pub(super) enum Fault {
    /// An answer for the caller; the database is fine.
    Answer(StoreError),
    /// redb failed; it has to be reopened.
    Database(redb::Error),
    /// redb panicked.
    Panic(String),
}

impl<E: Into<redb::Error>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self::Database(error.into())
    }
}

struct Slot {
    database: Option<Database>,
    /// Counts reopenings, so that of several who saw a failure one reopens.
    generation: u64,
    closed: bool,
}

/// Which opening of the database somebody saw fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Generation(u64);

pub(super) struct Engine {
    path: PathBuf,
    slot: RwLock<Slot>,
    health: Arc<Health>,
    reopened: AtomicU64,
}

impl Engine {
    /// Opens the database at `path`, which must be there.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let health = Arc::new(Health::default());
        let database = open_existing(path, &health)?;
        Ok(Self::over(path, database, health))
    }

    /// Makes a database in `file`, which must be empty. `path` is where it is.
    pub(super) fn create(path: &Path, file: File) -> Result<Self, StoreError> {
        let health = Arc::new(Health::default());
        let database = open_file(path, file, &health)?;
        Ok(Self::over(path, database, health))
    }

    fn over(path: &Path, database: Database, health: Arc<Health>) -> Self {
        Self {
            path: path.to_path_buf(),
            slot: RwLock::new(Slot { database: Some(database), generation: 0, closed: false }),
            health,
            reopened: AtomicU64::new(0),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn health(&self) -> &Health {
        &self.health
    }

    pub(super) fn times_reopened(&self) -> u64 {
        self.reopened.load(Ordering::Relaxed)
    }

    /// Reads; after a failure of the database reopens it and reads once more.
    pub(super) fn read<T>(&self, work: impl Fn(&Database) -> Result<T, Fault>) -> Result<T, StoreError> {
        let (generation, fault) = match self.run(&work) {
            Ok(value) => return Ok(value),
            Err((_, Fault::Answer(error))) => return Err(error),
            Err(failed) => failed,
        };
        let error = self.explain("reading", fault);
        if matches!(error, StoreError::Closed { .. }) {
            return Err(error);
        }
        self.reopen(generation)?;
        match self.run(&work) {
            Ok(value) => Ok(value),
            Err((_, Fault::Answer(error))) => Err(error),
            Err((_, fault)) => Err(self.explain("reading", fault)),
        }
    }

    /// Runs `work` on the database as it is, once.
    pub(super) fn run<T>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, Fault>,
    ) -> Result<T, (Generation, Fault)> {
        let slot = self.shared();
        let generation = Generation(slot.generation);
        if slot.closed {
            return Err((generation, Fault::Answer(StoreError::Closed { path: self.path.clone() })));
        }
        // Not reopened after an earlier failure: for the caller the same as a latched failure.
        let Some(database) = slot.database.as_ref() else {
            return Err((generation, Fault::Database(redb::Error::PreviousIo)));
        };
        fenced(|| work(database)).map_err(|fault| (generation, fault))
    }

    /// Reads what there is at one moment, however long that takes: nobody waits for it. When the database is closed or reopened meanwhile, it fails.
    pub(super) fn read_moment<T>(
        &self,
        work: impl FnOnce(&ReadTransaction) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let moment = self.run(|database| Ok(database.begin_read()?)).map_err(|(_, fault)| fault);
        moment.and_then(|moment| fenced(|| work(&moment))).map_err(|fault| self.explain("reading", fault))
    }

    /// Opens the database again, unless somebody has since `failed`. Readers wait meanwhile.
    pub(super) fn reopen(&self, failed: Generation) -> Result<(), StoreError> {
        let mut slot = self.exclusive();
        if slot.closed {
            return Err(StoreError::Closed { path: self.path.clone() });
        }
        if slot.generation != failed.0 && slot.database.is_some() {
            return Ok(());
        }
        drop_fenced(slot.database.take());
        if self.health.unsafe_to_write() {
            return Err(StoreError::Io {
                path: self.path.clone(),
                operation: "syncing",
                source: Arc::new(io::Error::other(
                    "the disk did not take a sync nor its undoing; check the disk, then restart the node",
                )),
            });
        }
        slot.database = Some(open_existing(&self.path, &self.health)?);
        slot.generation = slot.generation.wrapping_add(1);
        self.reopened.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(path = %self.path.display(), "store reopened after a failure");
        Ok(())
    }

    /// Closes the file for good and releases its lock.
    pub(super) fn close(&self) {
        let mut slot = self.exclusive();
        slot.closed = true;
        drop_fenced(slot.database.take());
    }

    /// What to tell the caller about a fault of the database.
    pub(super) fn explain(&self, operation: &'static str, fault: Fault) -> StoreError {
        match fault {
            Fault::Answer(error) => error,
            Fault::Panic(text) => StoreError::damaged(&self.path, text),
            Fault::Database(error) => {
                let cause = self.health.take_failure();
                match (error, cause) {
                    (redb::Error::Corrupted(detail), None) => StoreError::damaged(&self.path, detail),
                    // A database, but not one of ours, or no longer.
                    (
                        error @ (redb::Error::TableDoesNotExist(_)
                        | redb::Error::TableTypeMismatch { .. }
                        | redb::Error::TypeDefinitionChanged { .. }
                        | redb::Error::TableIsMultimap(_)),
                        None,
                    ) => StoreError::damaged(&self.path, error.to_string()),
                    (redb::Error::Io(error), None) => StoreError::io(&self.path, operation, error),
                    (_, Some(cause)) => StoreError::io(&self.path, operation, cause),
                    (error, None) => {
                        StoreError::io(&self.path, operation, io::Error::other(error.to_string()))
                    }
                }
            }
        }
    }

    fn shared(&self) -> RwLockReadGuard<'_, Slot> {
        self.slot.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn exclusive(&self) -> RwLockWriteGuard<'_, Slot> {
        self.slot.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open_existing(path: &Path, health: &Arc<Health>) -> Result<Database, StoreError> {
    let file = OpenOptions::new().read(true).write(true).open(path).map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            match files::folder_of(path).is_dir() {
                true => StoreError::NotFound { path: path.to_path_buf() },
                false => StoreError::MissingDirectory { path: files::folder_of(path).to_path_buf() },
            }
        } else {
            StoreError::io(path, "opening", error)
        }
    })?;
    refuse_what_is_no_database(path, &file)?;
    match files::make_private(&file) {
        Ok(false) => {}
        Ok(true) => {
            tracing::warn!(path = %path.display(), "store was accessible to others: set to mode 0600");
        }
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "cannot set mode 0600 on the store");
        }
    }
    open_file(path, file, health)
}

/// The checks that redb makes with a vague answer, or not at all.
fn refuse_what_is_no_database(path: &Path, file: &File) -> Result<(), StoreError> {
    let metadata = file.metadata().map_err(|error| StoreError::io(path, "opening", error))?;
    if !metadata.is_file() {
        return Err(StoreError::damaged(path, "not a regular file"));
    }
    let length = metadata.len();
    let mut head = [0; HEADER];
    if length == 0 {
        return Err(StoreError::damaged(path, "the file is empty"));
    }
    if length < PAGE || file.read_exact_at(&mut head, 0).is_err() {
        return Err(StoreError::damaged(path, format!("truncated to {length} bytes")));
    }
    if !head.starts_with(REDB_MAGIC) {
        return Err(StoreError::damaged(path, "not a database file"));
    }
    if length % PAGE != 0 {
        return Err(StoreError::damaged(path, format!("truncated: {length} bytes are no whole pages")));
    }
    Ok(())
}

fn open_file(path: &Path, file: File, health: &Arc<Health>) -> Result<Database, StoreError> {
    let opened = catch_unwind(AssertUnwindSafe(|| {
        let volume = Volume::new(file, Arc::clone(health))?;
        Builder::new().set_cache_size(CACHE_BYTES).create_with_backend(volume)
    }));
    let error = match opened {
        Ok(Ok(database)) => return Ok(database),
        Ok(Err(error)) => error,
        Err(panic) => return Err(StoreError::damaged(path, panic_text(panic.as_ref()))),
    };
    let cause = health.take_failure();
    Err(match (error, cause) {
        (DatabaseError::DatabaseAlreadyOpen, _) => StoreError::Locked { path: path.to_path_buf() },
        (DatabaseError::Storage(StorageError::Corrupted(detail)), _) => StoreError::damaged(path, detail),
        (DatabaseError::UpgradeRequired(version), _) => {
            StoreError::damaged(path, format!("database file version {version} was never in use"))
        }
        // Reading past the end of a shortened file.
        (_, Some(cause)) if cause.kind() == io::ErrorKind::UnexpectedEof => {
            StoreError::damaged(path, "truncated")
        }
        (_, Some(cause)) => StoreError::io(path, "opening", cause),
        (DatabaseError::Storage(StorageError::Io(error)), None) => StoreError::io(path, "opening", error),
        (error, None) => StoreError::damaged(path, error.to_string()),
    })
}

fn fenced<T>(work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(Fault::Panic(panic_text(panic.as_ref()))))
}

/// Closing a damaged database can panic like reading it.
fn drop_fenced(database: Option<Database>) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(database)));
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    format!("its structure is broken: {text}")
}
