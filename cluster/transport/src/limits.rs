//! The bounds that every transport keeps.

use std::time::Duration;

use crate::outbox::FRAME_OVERHEAD;

/// What a transport holds for its peers at most, and for how long.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// The largest frame, in bytes, in either direction. All nodes of a cluster must agree. 1 MiB.
    pub max_frame: usize,
    /// How much may wait to be sent, per peer, in bytes (64 per frame included). 8 MiB.
    pub queue_bytes: usize,
    /// How much that arrived may wait to be taken, per peer, in bytes (64 per frame included). 8 MiB.
    pub inbox_bytes: usize,
    /// How long a frame may wait to be sent before it is dropped. 15 s.
    pub queue_age: Duration,
    /// How long closing may take to hand over what is queued. 3 s.
    pub close_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_frame: 1 << 20,
            queue_bytes: 8 << 20,
            inbox_bytes: 8 << 20,
            queue_age: Duration::from_secs(15),
            close_timeout: Duration::from_secs(3),
        }
    }
}

/// Limits that contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a queue of {queue} bytes cannot hold one frame of {frame} bytes (and {FRAME_OVERHEAD} of overhead)")]
pub struct LimitsError {
    queue: usize,
    frame: usize,
}

impl Limits {
    /// Refuses queues that could not hold a single frame.
    pub(crate) fn check(&self) -> Result<(), LimitsError> {
        let queue = self.queue_bytes.min(self.inbox_bytes);
        match self.max_frame.checked_add(FRAME_OVERHEAD) {
            Some(frame) if frame <= queue => Ok(()),
            _ => Err(LimitsError { queue, frame: self.max_frame }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_that_cannot_hold_a_frame_are_refused() {
        assert_eq!(Limits::default().check(), Ok(()));
        let small = Limits { queue_bytes: 1 << 20, ..Limits::default() };
        assert_eq!(small.check(), Err(LimitsError { queue: 1 << 20, frame: 1 << 20 }));
        assert!(Limits { inbox_bytes: 10, ..Limits::default() }.check().is_err());
        assert!(Limits { max_frame: usize::MAX, ..Limits::default() }.check().is_err());
    }
}
