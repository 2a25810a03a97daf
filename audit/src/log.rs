//! The log that is written: one owner, one folder, one writer.

mod queue;
mod recover;
mod segment;
#[cfg(test)]
mod tests;
mod writer;

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::SystemTime;

use quorate_keys::SigningIdentity;
use rand_core::CryptoRngCore;
use tokio::sync::{oneshot, watch};

use crate::error::AuditError;
use crate::event::Event;
use crate::head::{Countersignature, Head, SignedHead, checkpoint};
use crate::text::{EntryHash, Scope};
use crate::time::Timestamp;
use queue::{Job, Queue};
use writer::Writer;

/// How a log is written.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Options {
    /// Size in bytes at which a new segment is begun.
    pub segment_bytes: u64,
    /// What time it is.
    pub clock: fn() -> SystemTime,
}

impl Default for Options {
    fn default() -> Self {
        Self { segment_bytes: 256 << 20, clock: SystemTime::now }
    }
}

impl Options {
    /// With segments of about so many bytes.
    #[must_use]
    pub const fn segment_bytes(self, segment_bytes: u64) -> Self {
        Self { segment_bytes, ..self }
    }

    /// With another clock.
    #[must_use]
    pub const fn clock(self, clock: fn() -> SystemTime) -> Self {
        Self { clock, ..self }
    }
}

/// Where an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Its number; the first is 1.
    pub seq: u64,
    /// Its hash.
    pub hash: EntryHash,
    /// When it was appended.
    pub time: Timestamp,
}

/// What a log has done since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// Entries that became durable.
    pub entries: u64,
    /// Groups that were synced, each with one sync.
    pub syncs: u64,
    /// Entries in the largest group.
    pub largest_group: u64,
    /// Groups that could not be written.
    pub failures: u64,
}

/// What the writer tells.
#[derive(Debug)]
struct Shared {
    head: Mutex<Position>,
    entries: AtomicU64,
    syncs: AtomicU64,
    largest_group: AtomicU64,
    failures: AtomicU64,
    #[cfg(test)]
    faults: Arc<tests::Faults>,
}

impl Shared {
    fn new(head: Position) -> Self {
        Self {
            head: Mutex::new(head),
            entries: AtomicU64::new(0),
            syncs: AtomicU64::new(0),
            largest_group: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            #[cfg(test)]
            faults: Arc::default(),
        }
    }

    fn landed(&self, head: Position, entries: u64) {
        *self.head.lock().unwrap_or_else(PoisonError::into_inner) = head;
        self.entries.fetch_add(entries, Ordering::Relaxed);
        self.syncs.fetch_add(1, Ordering::Relaxed);
        self.largest_group.fetch_max(entries, Ordering::Relaxed);
    }

    fn head(&self) -> Position {
        *self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A log that is open for writing.
///
/// Entries are in the order in which [`Log::append`] and [`Log::append_soon`] were called. Dropping it writes what
/// waits, and waits for that; [`Log::close`] does so without blocking.
pub struct Log {
    queue: Arc<Queue>,
    shared: Arc<Shared>,
    owner: Arc<SigningIdentity>,
    scope: Scope,
    options: Options,
    ended: watch::Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("owner", &self.owner).field("scope", &self.scope).finish_non_exhaustive()
    }
}

impl Log {
    /// Opens the log in a folder, or begins one there. This reads the last segment, and blocks while it does.
    ///
    /// A last line without an end was being written when the process or the machine stopped, so nobody was told that it
    /// is there: it is cut off, and an entry `recovered` says so.
    ///
    /// # Errors
    /// When the folder is in use, belongs to another owner or scope, can't be read or written, or its last segment is
    /// damaged otherwise; nothing is changed then.
    pub fn open(
        folder: &Path,
        owner: Arc<SigningIdentity>,
        scope: Scope,
        options: Options,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Self, AuditError> {
        let mut log_id = [0; 32];
        rng.fill_bytes(&mut log_id);
        let identity = owner.identity();
        let (tail, head) =
            recover::open(folder, &identity, scope, EntryHash(log_id), (options.clock)().into())?;
        let queue = Arc::new(Queue::default());
        let shared = Arc::new(Shared::new(head));
        let (running, ended) = watch::channel(());
        let writer = Writer::new(folder, tail, options, Arc::clone(&queue), Arc::clone(&shared));
        let run = move || {
            writer.run();
            drop(running);
        };
        let thread = std::thread::Builder::new().name("audit".to_owned()).spawn(run);
        let thread = Some(thread.map_err(|error| AuditError::io(folder, "starting the writer of", error))?);
        Ok(Self { queue, shared, owner, scope, options, ended, thread })
    }

    /// Appends an event, and waits until it is durable. Whether it is written does not depend on somebody still waiting.
    ///
    /// # Errors
    /// When it was not written: the event can't be, the disk refuses, events before it were lost, or the log is closed.
    pub async fn append(&self, event: Event) -> Result<Position, AuditError> {
        event.check()?;
        let (answer, answered) = oneshot::channel();
        let room = self.queue.wait_for_room().await?;
        self.queue.push(Job { event, time: self.now(), answer: Some(answer), room })?;
        answered.await.map_err(|_| AuditError::Closed)?
    }

    /// Appends an event without waiting: it is written with the next one that somebody waits for, or some 50 ms later.
    /// If it can't be written then, that is logged, the next [`Log::append`] fails for it with [`AuditError::Lost`], and
    /// an entry `lost` counts it as soon as something can be written again.
    ///
    /// # Errors
    /// When it will not be written: the event can't be, too many wait (an entry `lost` counts that, too), or the log is closed.
    pub fn append_soon(&self, event: Event) -> Result<(), AuditError> {
        event.check()?;
        let room = self.queue.room_now().inspect_err(|error| {
            if matches!(error, AuditError::Busy) {
                self.queue.refuse();
            }
        })?;
        self.queue.push(Job { event, time: self.now(), answer: None, room })
    }

    /// Appends a checkpoint: a head of this log that its owner signed before, and who countersigned it.
    ///
    /// # Errors
    /// When head or countersignatures are wrong or not of this log, and as [`Log::append`].
    pub async fn append_checkpoint(
        &self,
        signed: &SignedHead,
        countersignatures: &[Countersignature],
    ) -> Result<Position, AuditError> {
        let head = &signed.head;
        if head.owner != self.owner.identity() || head.scope != self.scope || !signed.verify() {
            return Err(AuditError::Checkpoint("the head is not signed by this log's owner for its scope"));
        }
        if head.seq > self.shared.head().seq {
            return Err(AuditError::Checkpoint("the head is beyond the end of the log"));
        }
        if !countersignatures.iter().all(|by| by.verify(head)) {
            return Err(AuditError::Checkpoint("a countersignature is not of this head"));
        }
        self.append(checkpoint(signed, countersignatures)).await
    }

    /// Where the log stands now: its last durable entry.
    #[must_use]
    pub fn head(&self) -> Head {
        let Position { seq, hash, .. } = self.shared.head();
        Head { scope: self.scope, owner: self.owner.identity(), seq, hash, time: self.now() }
    }

    /// The same, signed by the owner.
    #[must_use]
    pub fn signed_head(&self) -> SignedHead {
        SignedHead::of(self.head(), &self.owner)
    }

    /// Counts since it was opened.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Metrics {
            entries: count(&self.shared.entries),
            syncs: count(&self.shared.syncs),
            largest_group: count(&self.shared.largest_group),
            failures: count(&self.shared.failures),
        }
    }

    /// Writes what waits, and closes the log for all who use it.
    pub async fn close(&self) {
        self.queue.close();
        let mut ended = self.ended.clone();
        while ended.changed().await.is_ok() {}
    }

    fn now(&self) -> Timestamp {
        (self.options.clock)().into()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take() {
            // It panicked if it can't be joined, and then has said so.
            let _ = thread.join();
        }
    }
}
