//! How many requests of one kind a node works on, and how many wait for that.

use tokio::sync::{Semaphore, SemaphorePermit, TryAcquireError};
use tokio::time::{Instant, timeout_at};

/// The places of one kind of request.
pub(super) struct Places {
    /// To be worked on.
    working: Semaphore,
    /// To be here at all, at work or waiting.
    admitted: Semaphore,
}

/// A place to work, given back when dropped.
pub(super) struct Place<'a> {
    _working: SemaphorePermit<'a>,
    _admitted: SemaphorePermit<'a>,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoPlace {
    /// As many as allowed wait already.
    #[error("as many are in progress and waiting as allowed")]
    Full,
    /// None became free in time.
    #[error("as many as allowed are in progress, and none has ended in time")]
    TooLate,
}

impl Places {
    pub(super) fn new(working: usize, waiting: usize) -> Self {
        Self { working: Semaphore::new(working), admitted: Semaphore::new(working.saturating_add(waiting)) }
    }

    /// Waits for a place, unless too many do.
    pub(super) async fn take(&self, deadline: Instant) -> Result<Place<'_>, NoPlace> {
        let admitted = self.admitted.try_acquire().map_err(|error| match error {
            TryAcquireError::NoPermits | TryAcquireError::Closed => NoPlace::Full,
        })?;
        match timeout_at(deadline, self.working.acquire()).await {
            Ok(Ok(working)) => Ok(Place { _working: working, _admitted: admitted }),
            Ok(Err(_)) | Err(_) => Err(NoPlace::TooLate),
        }
    }

    /// How many more requests would be admitted.
    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        self.admitted.available_permits()
    }
}
