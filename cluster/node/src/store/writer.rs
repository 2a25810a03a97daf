//! The one writer: takes every batch that waits, commits them as one transaction, then answers each caller.

use super::engine::{Engine, Fault};
use super::error::{Found, RecordName, StoreError};
use super::record::{Place, RecordCipher, RecordFault};
use super::{Precondition, Record, Table};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use prometheus_client::metrics::histogram::Histogram;
use rand_core::OsRng;
use redb::{Database, Durability, ReadableTable, TableDefinition, WriteTransaction};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Bounds of one transaction, so that no caller waits for an endless group.
const MAX_GROUP: usize = 1024;
const MAX_GROUP_BYTES: usize = 16 * 1024 * 1024;

/// How long the writer waits for more when several have waited for it: under load a commit shared costs less than it delays.
const GATHERING: Duration = Duration::from_millis(2);

/// The store's own rows: not encrypted records, except the sequence.
pub(super) const HEADER_TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("header");
pub(super) const KEY_ROW: &[u8] = b"key";
pub(super) const FORMAT_ROW: &[u8] = b"format";
pub(super) const SEQUENCE_ROW: &[u8] = b"sequence";

pub(super) fn definition(table: Table) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
    TableDefinition::new(table.name())
}

/// One sealed put, or a delete.
pub(super) struct Write {
    pub(super) table: Table,
    pub(super) key: Vec<u8>,
    pub(super) record: Option<Vec<u8>>,
}

pub(super) enum Work {
    Batch {
        conditions: Vec<(Table, Vec<u8>, Precondition)>,
        writes: Vec<Write>,
    },
    /// Replaces the wrapped data key, if it still is the one that was unwrapped.
    Rewrap {
        expected: Vec<u8>,
        wrapped: Vec<u8>,
    },
}

impl Work {
    fn bytes(&self) -> usize {
        match self {
            Self::Batch { writes, .. } => {
                writes.iter().map(|write| write.key.len() + write.record.as_ref().map_or(0, Vec::len)).sum()
            }
            Self::Rewrap { wrapped, .. } => wrapped.len(),
        }
    }
}

pub(super) struct Job {
    pub(super) work: Work,
    pub(super) answer: oneshot::Sender<Result<(), StoreError>>,
}

/// What comes through the writer's queue.
pub(super) enum Order {
    /// Commit this, with what else waits.
    Now(Job),
    /// Commit the patient jobs.
    Flush,
}

/// Jobs that wait for another one's transaction, and their bytes; none any more when the writer has ended.
pub(super) struct Patient(Mutex<Option<(Vec<Job>, usize)>>);

impl Default for Patient {
    fn default() -> Self {
        Self(Mutex::new(Some((Vec::new(), 0))))
    }
}

impl Patient {
    /// # Errors
    /// The job itself when as many wait as fit into one transaction, or the writer has ended.
    pub(super) fn push(&self, job: Job) -> Result<(), Job> {
        let mut waiting = self.lock();
        let Some((jobs, bytes)) = &mut *waiting else { return Err(job) };
        let after = bytes.saturating_add(job.work.bytes());
        if jobs.len() >= MAX_GROUP || after > MAX_GROUP_BYTES {
            return Err(job);
        }
        *bytes = after;
        jobs.push(job);
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.lock().as_ref().is_none_or(|(jobs, _)| jobs.is_empty())
    }

    fn take(&self) -> (Vec<Job>, usize) {
        self.lock().as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The last ones.
    fn close(&self) -> Vec<Job> {
        self.lock().take().unwrap_or_default().0
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Vec<Job>, usize)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts for the metrics.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) commits: AtomicU64,
    pub(super) batches: AtomicU64,
    pub(super) failed_commits: AtomicU64,
    pub(super) largest_group: AtomicU64,
    pub(super) sequence: AtomicU64,
    pub(super) commit_seconds: CommitSeconds,
}

/// How long commits took, in seconds.
#[derive(Debug, Clone)]
pub(super) struct CommitSeconds(pub(super) Histogram);

impl Default for CommitSeconds {
    fn default() -> Self {
        Self(Histogram::new([0.00025, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.064, 0.25, 1.0, 5.0]))
    }
}

pub(super) struct Writer {
    pub(super) engine: Arc<Engine>,
    pub(super) cipher: Arc<RecordCipher>,
    pub(super) counters: Arc<Counters>,
    pub(super) patient: Arc<Patient>,
}

impl Drop for Writer {
    fn drop(&mut self) {
        // After a panic: who waits must hear that nobody comes.
        drop(self.patient.close());
    }
}

impl Writer {
    /// Until every sender is gone; then closes the database.
    pub(super) fn run(self, mut queue: mpsc::Receiver<Order>) {
        let mut crowded = false;
        while let Some(order) = queue.blocking_recv() {
            if crowded {
                std::thread::sleep(GATHERING);
            }
            let (mut group, mut bytes) = self.patient.take();
            let mut next = Some(order);
            let mut impatient = 0_usize;
            while let Some(order) = next {
                if let Order::Now(job) = order {
                    impatient = impatient.saturating_add(1);
                    bytes = bytes.saturating_add(job.work.bytes());
                    group.push(job);
                }
                let is_full = group.len() >= MAX_GROUP || bytes >= MAX_GROUP_BYTES;
                next = if is_full { None } else { queue.try_recv().ok() };
            }
            crowded = impatient > 1;
            self.commit(group);
        }
        self.commit(self.patient.close());
        self.engine.close();
    }

    fn commit(&self, group: Vec<Job>) {
        if group.is_empty() {
            return;
        }
        let before = self.counters.sequence.load(Ordering::Acquire);
        let next = before.saturating_add(1);
        let begun = Instant::now();
        let mut verdicts = Vec::with_capacity(group.len());
        let mut retried = false;
        let error = loop {
            let (generation, fault) = match self.transact(&group, next, &mut verdicts) {
                Ok(applied) => {
                    if applied > 0 {
                        self.landed(next, applied, begun);
                    }
                    return answer(group, verdicts);
                }
                Err(failed) => failed,
            };
            if let Fault::Answer(error) = fault {
                break error;
            }
            self.counters.failed_commits.fetch_add(1, Ordering::Relaxed);
            // redb refuses because of an earlier failure, not because of this transaction.
            let not_ours = matches!(fault, Fault::Database(redb::Error::PreviousIo));
            let error = self.engine.explain("writing", fault);
            tracing::error!(%error, batches = group.len(), "commit failed");
            // Whether a commit that failed late is in the file is decided by reopening it: what is there then has
            // been verified and synced again, and the sequence tells which commit it is.
            if let Err(error) = self.engine.reopen(generation) {
                tracing::error!(%error, "store not reopened");
                break error;
            }
            match self.stored_sequence() {
                Ok(sequence) if sequence == next => {
                    let applied = verdicts.iter().filter(|verdict| verdict.is_ok()).count();
                    self.landed(next, applied as u64, begun);
                    return answer(group, verdicts);
                }
                Ok(_) if not_ours && !retried => retried = true,
                Ok(_) => break error,
                Err(error) => break error,
            }
        };
        let failures = group.iter().map(|_| Err(error.clone())).collect();
        answer(group, failures);
    }

    fn landed(&self, sequence: u64, batches: u64, begun: Instant) {
        self.counters.commit_seconds.0.observe(begun.elapsed().as_secs_f64());
        self.counters.sequence.store(sequence, Ordering::Release);
        self.counters.commits.fetch_add(1, Ordering::Relaxed);
        self.counters.batches.fetch_add(batches, Ordering::Relaxed);
        self.counters.largest_group.fetch_max(batches, Ordering::Relaxed);
    }

    /// One transaction over the group; how many batches it holds. `verdicts` has an entry per job.
    fn transact(
        &self,
        group: &[Job],
        sequence: u64,
        verdicts: &mut Vec<Result<(), StoreError>>,
    ) -> Result<u64, (super::engine::Generation, Fault)> {
        self.engine.run(|database| {
            verdicts.clear();
            let mut transaction = database.begin_write()?;
            transaction.set_durability(Durability::Immediate)?;
            let mut applied = 0;
            for job in group {
                let verdict = self.apply(&transaction, &job.work)?;
                applied += u64::from(verdict.is_ok());
                verdicts.push(verdict);
            }
            if applied == 0 {
                transaction.abort()?;
                return Ok(0);
            }
            let record = self
                .cipher
                .seal(Place::Header, SEQUENCE_ROW, 0, &sequence.to_le_bytes(), &mut OsRng)
                .ok_or_else(|| self.no_randomness())?;
            transaction.open_table(HEADER_TABLE)?.insert(SEQUENCE_ROW, record.as_slice())?;
            transaction.commit()?;
            Ok(applied)
        })
    }

    /// All of one batch, or nothing: the conditions are looked at before anything is written.
    fn apply(&self, transaction: &WriteTransaction, work: &Work) -> Result<Result<(), StoreError>, Fault> {
        match work {
            Work::Batch { conditions, writes } => {
                for (table, key, condition) in conditions {
                    if let Err(error) = self.check(transaction, *table, key, condition)? {
                        return Ok(Err(error));
                    }
                }
                for write in writes {
                    let mut table = transaction.open_table(definition(write.table))?;
                    match &write.record {
                        Some(record) => table.insert(write.key.as_slice(), record.as_slice())?,
                        None => table.remove(write.key.as_slice())?,
                    };
                }
            }
            Work::Rewrap { expected, wrapped } => {
                let mut table = transaction.open_table(HEADER_TABLE)?;
                let unchanged = table.get(KEY_ROW)?.is_some_and(|row| row.value() == expected.as_slice());
                if !unchanged {
                    // Somebody changed the passphrase in between, so the old one given is no longer right.
                    return Ok(Err(StoreError::WrongPassphrase { path: self.engine.path().to_path_buf() }));
                }
                table.insert(KEY_ROW, wrapped.as_slice())?;
            }
        }
        Ok(Ok(()))
    }

    fn check(
        &self,
        transaction: &WriteTransaction,
        table: Table,
        key: &[u8],
        condition: &Precondition,
    ) -> Result<Result<(), StoreError>, Fault> {
        let rows = transaction.open_table(definition(table))?;
        let row = rows.get(key)?;
        let found = match (condition, row) {
            (Precondition::Absent, None) | (Precondition::Present, Some(_)) => return Ok(Ok(())),
            (Precondition::Absent, Some(_)) => Found::Present,
            (_, None) => Found::Absent,
            (Precondition::Equals(expected), Some(row)) => {
                match opened(self.engine.path(), &self.cipher, table, key, row.value()) {
                    Ok(record) if equal(expected.expose(), record.value.expose()) => return Ok(Ok(())),
                    Ok(_) => Found::OtherValue,
                    Err(error) => return Ok(Err(error)),
                }
            }
            (Precondition::Epoch(expected), Some(row)) => {
                match opened(self.engine.path(), &self.cipher, table, key, row.value()) {
                    Ok(record) if record.epoch == *expected => return Ok(Ok(())),
                    Ok(record) => Found::OtherEpoch(record.epoch),
                    Err(error) => return Ok(Err(error)),
                }
            }
        };
        Ok(Err(StoreError::Precondition { record: RecordName::new(table, key), found }))
    }

    fn stored_sequence(&self) -> Result<u64, StoreError> {
        self.engine.read(|database| read_sequence(database, &self.cipher, self.engine.path()))
    }

    fn no_randomness(&self) -> Fault {
        Fault::Answer(no_randomness(self.engine.path()))
    }
}

pub(super) fn no_randomness(path: &Path) -> StoreError {
    StoreError::Crypto { path: path.to_path_buf(), detail: "the system gave no randomness" }
}

/// Opens a record, naming it when that fails.
pub(super) fn opened(
    path: &Path,
    cipher: &RecordCipher,
    table: Table,
    key: &[u8],
    record: &[u8],
) -> Result<Record, StoreError> {
    cipher.open(Place::Table(table), key, record).map_err(|fault| match fault {
        RecordFault::Damaged => {
            StoreError::DamagedRecord { path: path.to_path_buf(), record: RecordName::new(table, key) }
        }
        RecordFault::Newer(found) => StoreError::NewerFormat {
            path: path.to_path_buf(),
            found: found.into(),
            supported: super::record::VERSION.into(),
        },
    })
}

/// The number of the last commit, or why it cannot be told.
pub(super) fn read_sequence(database: &Database, cipher: &RecordCipher, path: &Path) -> Result<u64, Fault> {
    use redb::ReadableDatabase;
    let table = database.begin_read()?.open_table(HEADER_TABLE)?;
    let damaged =
        || Fault::Answer(StoreError::damaged(path, "the sequence row of its header fails authentication"));
    let row = table.get(SEQUENCE_ROW)?.ok_or_else(damaged)?;
    let record = cipher.open(Place::Header, SEQUENCE_ROW, row.value()).map_err(|_| damaged())?;
    let bytes: [u8; 8] = record.value.expose().as_slice().try_into().map_err(|_| damaged())?;
    Ok(u64::from_le_bytes(bytes))
}

fn equal(expected: &[u8], found: &[u8]) -> bool {
    verify_slices_are_equal(expected, found).is_ok()
}

fn answer(group: Vec<Job>, verdicts: Vec<Result<(), StoreError>>) {
    for (job, verdict) in group.into_iter().zip(verdicts) {
        // A caller that no longer waits has no use for the answer; the batch stands all the same.
        let _ = job.answer.send(verdict);
    }
}
