//! The encrypted store of one node: wallets, shares, requests and what was decided about them.
//!
//! A redb file with one writer. Callers hand in a [`Batch`]; every batch that waits at the moment goes into one
//! transaction with one fsync, then each caller is answered. A batch is applied whole or not at all, and only when its
//! preconditions hold; one that fails answers its own caller alone. An acknowledged batch survives a kill and a power
//! cut; one whose future was dropped may still be applied.
//!
//! Records are AES-256-GCM under keys derived from a random data key, bound to their table, row, format version and
//! epoch (`store/record.rs`); the data key is wrapped under the passphrase ([`quorate_identity::envelope`]). A damaged record is named and
//! leaves the others readable. Row keys (wallet and request ids) and the size and epoch of records are not encrypted.
//!
//! # Security
//! Somebody who can write the file can put back an older copy of it, or of one row: each copy is authentic. What
//! betrays that is the [sequence](Store::sequence), which peers can remember. redb verifies its page sums only after a
//! crash; then a commit whose newest pages do not verify is taken for one that was torn, and is rolled back.

mod batch;
mod engine;
mod error;
mod header;
mod record;
mod rows;
mod volume;
mod writer;

#[cfg(test)]
pub(crate) mod tests;

pub use batch::{Batch, Precondition, Record, Scan, Table};
pub use error::{Found, RecordName, StoreError};
pub use quorate_identity::envelope::{EmptyPassphrase, EnvelopeError, KdfParams, Passphrase};
pub(crate) use rows::Row;

use batch::Change;
use engine::{Engine, Fault};
use header::DATA_KEY;
use quorate_identity::files;
use rand_core::{OsRng, RngCore};
use record::{Place, RecordCipher};
use redb::{Database, ReadableDatabase, ReadableTableMetadata};
use std::fmt;
use std::io;
use std::ops::Bound;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use writer::{Counters, Job, Order, Patient, Work, Write, Writer};
use zeroize::Zeroizing;

/// The most that one record holds. The largest that a node writes are far below.
pub const MAX_VALUE: usize = 16 * 1024 * 1024;
/// The longest row key.
pub const MAX_KEY: usize = 1024;
/// Batches that may wait for the writer; further callers wait for a place.
const QUEUE: usize = 4096;
/// How long a batch waits for another one's transaction before it gets its own.
const PATIENCE: Duration = Duration::from_millis(50);

/// Counts since the store was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreMetrics {
    /// Transactions made durable.
    pub commits: u64,
    /// Batches in them.
    pub batches: u64,
    /// The most batches in one transaction.
    pub largest_group: u64,
    /// Transactions that failed.
    pub failed_commits: u64,
    /// fsyncs, of commits and of opening.
    pub syncs: u64,
    /// How often the file was reopened after a failure.
    pub reopened: u64,
}

/// An open store. Shared by reference or in an [`Arc`]; the last one dropped closes the file.
pub struct Store {
    engine: Arc<Engine>,
    cipher: Arc<RecordCipher>,
    counters: Arc<Counters>,
    queue: Mutex<Option<mpsc::Sender<Order>>>,
    patient: Arc<Patient>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("path", &self.engine.path()).finish_non_exhaustive()
    }
}

impl Store {
    /// Makes a new store with a fresh data key. The file appears whole or not at all.
    ///
    /// Derives a key from the passphrase: a tenth of a second of one core, not for an async worker thread.
    ///
    /// # Errors
    /// The environment's: the folder is missing, the file is there, no space. Parameters below the floor.
    pub fn create(path: &Path, passphrase: &Passphrase, kdf: KdfParams) -> Result<Self, StoreError> {
        let folder = files::folder_of(path);
        if !folder.is_dir() {
            return Err(StoreError::MissingDirectory { path: folder.to_path_buf() });
        }
        let taken = || StoreError::AlreadyExists { path: path.to_path_buf() };
        if path.try_exists().map_err(|error| StoreError::io(path, "creating", error))? {
            return Err(taken());
        }
        let mut key = Zeroizing::new([0; DATA_KEY]);
        OsRng.try_fill_bytes(key.as_mut_slice()).map_err(|_| writer::no_randomness(path))?;
        let wrapped = header::wrap(path, passphrase, kdf, &key)?;

        let draft = files::draft_of(path);
        match std::fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::io(&draft, "removing", error));
            }
            _ => {}
        }
        let drafted = files::create(&draft, files::Access::Private)
            .map_err(|error| StoreError::io(&draft, "creating", error))
            .and_then(|file| {
                let engine = Engine::create(&draft, file)?;
                let cipher = RecordCipher::new(key.as_slice());
                let initialized = header::initialize(&engine, &cipher, &wrapped);
                engine.close();
                initialized
            })
            .and_then(|()| {
                files::publish(&draft, path).map_err(|error| match error.kind() {
                    io::ErrorKind::AlreadyExists => taken(),
                    _ => StoreError::io(path, "creating", error),
                })
            });
        if let Err(error) = drafted {
            let _ = std::fs::remove_file(&draft);
            // The caller knows the store by its own name.
            return Err(match error {
                StoreError::DiskFull { .. } => StoreError::DiskFull { path: path.to_path_buf() },
                error => error,
            });
        }
        Self::start(Engine::open(path)?, &key)
    }

    /// Opens the store at `path`.
    ///
    /// Derives a key from the passphrase: a tenth of a second of one core, not for an async worker thread. After an
    /// unclean end the file is verified and repaired first, which reads all of it.
    ///
    /// # Errors
    /// [`StoreError::WrongPassphrase`] only for a file whose header is sound; see there for the others.
    pub fn open(path: &Path, passphrase: &Passphrase) -> Result<Self, StoreError> {
        let engine = Engine::open(path)?;
        let (format, wrapped) = header::read(&engine)?;
        let key = header::unwrap(path, passphrase, &wrapped, format)?;
        header::complete(&engine)?;
        Self::start(engine, &key)
    }

    fn start(engine: Engine, key: &[u8; DATA_KEY]) -> Result<Self, StoreError> {
        let engine = Arc::new(engine);
        let path = engine.path();
        let cipher = Arc::new(RecordCipher::new(key));
        let counters = Arc::new(Counters::default());
        let sequence = engine.read(|database| writer::read_sequence(database, &cipher, path))?;
        counters.sequence.store(sequence, Ordering::Release);

        let (sender, receiver) = mpsc::channel(QUEUE);
        let patient = Arc::new(Patient::default());
        let writer = Writer {
            engine: Arc::clone(&engine),
            cipher: Arc::clone(&cipher),
            counters: Arc::clone(&counters),
            patient: Arc::clone(&patient),
        };
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || writer.run(receiver))
            .map_err(|error| StoreError::io(path, "starting the writer thread of", error))?;
        Ok(Self {
            engine,
            cipher,
            counters,
            queue: Mutex::new(Some(sender)),
            patient,
            writer: Mutex::new(Some(thread)),
        })
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.engine.path()
    }

    /// Applies `batch`, durably, and returns when it is on disk.
    ///
    /// # Errors
    /// [`StoreError::Precondition`] when what it requires does not hold. After any error nothing of it is in the store.
    pub async fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        self.submit(self.sealed(batch)?).await
    }

    /// Like [`commit`](Self::commit), for what nothing waits for: the batch goes into the next transaction that there is
    /// for another one's sake, or after 50 ms into one of its own. So it seldom costs a sync.
    ///
    /// # Errors
    /// As for [`commit`](Self::commit).
    pub async fn commit_soon(&self, batch: Batch) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        let (answer, mut outcome) = oneshot::channel();
        if let Err(job) = self.patient.push(Job { work: self.sealed(batch)?, answer }) {
            return self.submit(job.work).await;
        }
        let closed = || StoreError::Closed { path: self.path().to_path_buf() };
        if let Ok(outcome) = tokio::time::timeout(PATIENCE, &mut outcome).await {
            return outcome.map_err(|_| closed())?;
        }
        if let Some(sender) = self.sender() {
            sender.send(Order::Flush).await.ok();
        }
        // Without a sender the writer is about to end, and takes what waits with it.
        outcome.await.map_err(|_| closed())?
    }

    /// Reads one record.
    ///
    /// # Errors
    /// [`StoreError::DamagedRecord`] when it is there and fails authentication.
    pub fn get(&self, table: Table, key: impl AsRef<[u8]>) -> Result<Option<Record>, StoreError> {
        let key = key.as_ref();
        self.engine.read(|database| {
            let rows = database.begin_read()?.open_table(writer::definition(table))?;
            let Some(row) = rows.get(key)? else { return Ok(None) };
            self.opened(table, key, row.value()).map(Some).map_err(Fault::Answer)
        })
    }

    /// Whether there is a record, without reading it.
    ///
    /// # Errors
    /// The environment's.
    pub fn contains(&self, table: Table, key: impl AsRef<[u8]>) -> Result<bool, StoreError> {
        let key = key.as_ref();
        self.engine.read(|database| {
            let rows = database.begin_read()?.open_table(writer::definition(table))?;
            Ok(rows.get(key)?.is_some())
        })
    }

    /// How many records a table has.
    ///
    /// # Errors
    /// The environment's.
    pub fn count(&self, table: Table) -> Result<u64, StoreError> {
        self.engine
            .read(|database| Ok(database.begin_read()?.open_table(writer::definition(table))?.len()?))
    }

    /// Every record of a table whose key begins with `prefix`. Damaged ones are named beside the others.
    ///
    /// # Errors
    /// The environment's.
    pub fn scan(&self, table: Table, prefix: impl AsRef<[u8]>) -> Result<Scan, StoreError> {
        self.scan_after(table, prefix, None, usize::MAX)
    }

    /// Like [`scan`](Self::scan), a page of at most `limit` records with keys greater than `after`.
    ///
    /// # Errors
    /// The environment's.
    pub fn scan_after(
        &self,
        table: Table,
        prefix: impl AsRef<[u8]>,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Scan, StoreError> {
        let prefix = prefix.as_ref();
        self.engine.read(|database| {
            let mut scan = Scan::default();
            let mut seen = 0usize;
            for_each_row(database, table, prefix, after, |key, row| {
                if seen == limit {
                    return false;
                }
                seen += 1;
                scan.next = Some(key.to_vec());
                match self.opened(table, key, row) {
                    Ok(record) => scan.records.push((key.to_vec(), record)),
                    Err(_) => scan.damaged.push(RecordName::new(table, key)),
                }
                true
            })?;
            if seen < limit {
                scan.next = None;
            }
            Ok(scan)
        })
    }

    /// The keys of a table that begin with `prefix`.
    ///
    /// # Errors
    /// The environment's.
    pub fn keys(&self, table: Table, prefix: impl AsRef<[u8]>) -> Result<Vec<Vec<u8>>, StoreError> {
        self.engine.read(|database| {
            let mut keys = Vec::new();
            for_each_row(database, table, prefix.as_ref(), None, |key, _| {
                keys.push(key.to_vec());
                true
            })?;
            Ok(keys)
        })
    }

    /// Reads and authenticates everything, and names the records that do not stand it. For the start of a node.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when the file itself cannot be walked through.
    pub fn damaged(&self) -> Result<Vec<RecordName>, StoreError> {
        self.engine.read(|database| {
            let mut damaged = Vec::new();
            for table in Table::ALL {
                for_each_row(database, table, &[], None, |key, row| {
                    if self.opened(table, key, row).is_err() {
                        damaged.push(RecordName::new(table, key));
                    }
                    true
                })?;
            }
            Ok(damaged)
        })
    }

    /// The number of commits in the life of this store. It only grows: a smaller one than was seen before means that
    /// an older copy of the file was put back.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.counters.sequence.load(Ordering::Acquire)
    }

    /// Counts for the metrics.
    #[must_use]
    pub fn metrics(&self) -> StoreMetrics {
        StoreMetrics {
            commits: self.counters.commits.load(Ordering::Relaxed),
            batches: self.counters.batches.load(Ordering::Relaxed),
            largest_group: self.counters.largest_group.load(Ordering::Relaxed),
            failed_commits: self.counters.failed_commits.load(Ordering::Relaxed),
            syncs: self.engine.health().syncs(),
            reopened: self.engine.times_reopened(),
        }
    }

    /// How long commits took.
    pub(crate) fn commit_seconds(&self) -> prometheus_client::metrics::histogram::Histogram {
        self.counters.commit_seconds.0.clone()
    }

    /// Wraps the data key under another passphrase, with these parameters; no record is rewritten.
    ///
    /// # Security
    /// Whoever has an old copy of the file still opens that one with the old passphrase.
    ///
    /// # Errors
    /// [`StoreError::WrongPassphrase`] when `old` is not the present one.
    pub async fn change_passphrase(
        &self,
        old: &Passphrase,
        new: &Passphrase,
        kdf: KdfParams,
    ) -> Result<(), StoreError> {
        let path = self.path();
        let (format, expected) = header::read(&self.engine)?;
        let key = header::unwrap(path, old, &expected, format)?;
        let wrapped = header::wrap(path, new, kdf, &key)?;
        self.submit(Work::Rewrap { expected, wrapped }).await
    }

    /// Commits what waits, closes the file and releases its lock. Everything after that answers
    /// [`StoreError::Closed`].
    pub async fn close(&self) {
        if let Some(thread) = self.hang_up() {
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }

    fn hang_up(&self) -> Option<JoinHandle<()>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn sender(&self) -> Option<mpsc::Sender<Order>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn submit(&self, work: Work) -> Result<(), StoreError> {
        let closed = || StoreError::Closed { path: self.path().to_path_buf() };
        let (answer, outcome) = oneshot::channel();
        let sender = self.sender().ok_or_else(closed)?;
        sender.send(Order::Now(Job { work, answer })).await.map_err(|_| closed())?;
        outcome.await.map_err(|_| closed())?
    }

    fn sealed(&self, batch: Batch) -> Result<Work, StoreError> {
        let writes = batch.changes.into_iter().map(|change| self.seal(change)).collect::<Result<_, _>>()?;
        Ok(Work::Batch { conditions: batch.conditions, writes })
    }

    fn seal(&self, change: Change) -> Result<Write, StoreError> {
        let (table, key, epoch, value) = match change {
            Change::Delete { table, key } => return Ok(Write { table, key, record: None }),
            Change::Put { table, key, epoch, value } => (table, key, epoch, value),
        };
        for (size, limit) in [(value.expose().len(), MAX_VALUE), (key.len(), MAX_KEY)] {
            if size > limit {
                return Err(StoreError::TooLarge { record: RecordName::new(table, &key), size, limit });
            }
        }
        let record = self
            .cipher
            .seal(Place::Table(table), &key, epoch, value.expose(), &mut OsRng)
            .ok_or_else(|| writer::no_randomness(self.path()))?;
        Ok(Write { table, key, record: Some(record) })
    }

    fn opened(&self, table: Table, key: &[u8], row: &[u8]) -> Result<Record, StoreError> {
        writer::opened(self.path(), &self.cipher, table, key, row)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // Waits, so that the file can be opened again once the store is gone.
        if let Some(thread) = self.hang_up() {
            let _ = thread.join();
        }
    }
}

/// Walks the rows whose keys begin with `prefix` and are greater than `after`, until `visit` says no.
fn for_each_row(
    database: &Database,
    table: Table,
    prefix: &[u8],
    after: Option<&[u8]>,
    mut visit: impl FnMut(&[u8], &[u8]) -> bool,
) -> Result<(), Fault> {
    let rows = database.begin_read()?.open_table(writer::definition(table))?;
    let start = match after {
        Some(after) if after >= prefix => Bound::Excluded(after),
        _ => Bound::Included(prefix),
    };
    for row in rows.range::<&[u8]>((start, Bound::Unbounded))? {
        let (key, value) = row?;
        if !key.value().starts_with(prefix) || !visit(key.value(), value.value()) {
            break;
        }
    }
    Ok(())
}
