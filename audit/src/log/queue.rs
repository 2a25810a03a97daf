//! What waits for the writer.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, oneshot};

use super::Position;
use crate::error::AuditError;
use crate::event::Event;
use crate::time::Timestamp;

/// How many entries may wait, so that memory is bounded.
const WAITING: usize = 8192;
/// Bytes of one group, so that no caller waits for an endless one.
const GROUP_BYTES: usize = 8 << 20;
/// How long an entry that nobody waits for may stay unwritten.
const SOON: Duration = Duration::from_millis(50);

/// An event to write, and who waits for it.
pub(super) struct Job {
    pub(super) event: Event,
    pub(super) time: Timestamp,
    pub(super) answer: Option<oneshot::Sender<Result<Position, AuditError>>>,
    pub(super) room: OwnedSemaphorePermit,
}

/// Events that nobody waited for and that could not be written.
struct Lost {
    entries: u64,
    cause: AuditError,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// Jobs that somebody waits for.
    urgent: usize,
    /// When the jobs that nobody waits for are to be written.
    flush_at: Option<Instant>,
    is_closed: bool,
    /// To be told by the next append.
    lost: Option<Lost>,
    /// Events that nobody waits for and that found no room, to be counted in the log.
    refused: u64,
}

pub(super) struct Queue {
    state: Mutex<State>,
    arrived: Condvar,
    room: Arc<Semaphore>,
}

impl Default for Queue {
    fn default() -> Self {
        Self { state: Mutex::default(), arrived: Condvar::new(), room: Arc::new(Semaphore::new(WAITING)) }
    }
}

impl Queue {
    pub(super) async fn wait_for_room(&self) -> Result<OwnedSemaphorePermit, AuditError> {
        Arc::clone(&self.room).acquire_owned().await.map_err(|_| AuditError::Closed)
    }

    pub(super) fn room_now(&self) -> Result<OwnedSemaphorePermit, AuditError> {
        Arc::clone(&self.room).try_acquire_owned().map_err(|error| match error {
            TryAcquireError::Closed => AuditError::Closed,
            TryAcquireError::NoPermits => AuditError::Busy,
        })
    }

    pub(super) fn push(&self, job: Job) -> Result<(), AuditError> {
        let mut state = self.lock();
        if state.is_closed {
            return Err(AuditError::Closed);
        }
        if job.answer.is_some() {
            if let Some(Lost { entries, cause }) = state.lost.take() {
                return Err(AuditError::Lost { entries, cause: Box::new(cause) });
            }
            state.urgent = state.urgent.saturating_add(1);
        } else if state.flush_at.is_none() {
            state.flush_at = Instant::now().checked_add(SOON);
        }
        state.jobs.push_back(job);
        drop(state);
        self.arrived.notify_one();
        Ok(())
    }

    /// Waits for the next group; none when the queue is closed and empty.
    pub(super) fn next_group(&self) -> Option<Vec<Job>> {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            let is_due = state.urgent > 0
                || state.flush_at.is_some_and(|at| at <= now)
                || state.jobs.len() >= WAITING / 2
                || state.is_closed;
            if is_due && !state.jobs.is_empty() {
                return Some(state.take());
            }
            if state.is_closed {
                return None;
            }
            state = match state.flush_at {
                None => self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(at) => {
                    let wait = at.saturating_duration_since(now);
                    let woken = self.arrived.wait_timeout(state, wait);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Notes events that nobody waited for, to be told by the next append.
    pub(super) fn lose(&self, entries: u64, cause: &AuditError) {
        let mut state = self.lock();
        let before = state.lost.as_ref().map_or(0, |lost| lost.entries);
        state.lost = Some(Lost { entries: before.saturating_add(entries), cause: cause.clone() });
    }

    /// Notes an event that found no room. Its caller knows.
    pub(super) fn refuse(&self) {
        let mut state = self.lock();
        state.refused = state.refused.saturating_add(1);
    }

    /// How many found no room since this was asked last.
    pub(super) fn take_refused(&self) -> u64 {
        std::mem::take(&mut self.lock().refused)
    }

    /// Nothing comes in any more; what waits will be written.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.room.close();
        self.arrived.notify_all();
    }

    /// Drops what waits, so that who waits for it hears that nobody comes.
    pub(super) fn abandon(&self) {
        self.close();
        let jobs = std::mem::take(&mut self.lock().jobs);
        drop(jobs);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// All that waits, or as much as one group holds.
    fn take(&mut self) -> Vec<Job> {
        let mut bytes = 0_usize;
        let fits = |job: &&Job| {
            bytes = bytes.saturating_add(job.event.bytes());
            bytes <= GROUP_BYTES
        };
        let count = self.jobs.iter().take_while(fits).count().max(1);
        let group: Vec<Job> = self.jobs.drain(..count.min(self.jobs.len())).collect();
        let urgent = group.iter().filter(|job| job.answer.is_some()).count();
        self.urgent = self.urgent.saturating_sub(urgent);
        if self.jobs.len() == self.urgent {
            self.flush_at = None;
        }
        group
    }
}
