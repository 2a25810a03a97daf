//! How a link is kept.

use std::time::Duration;

/// How a link is kept. Both sides must agree on `max_frame` and `window`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The largest frame, in bytes. 1 MiB.
    pub max_frame: usize,
    /// How much may be on the way or not taken yet, in bytes (64 per segment included); the frame that exceeds it still passes. 1 MiB.
    pub window: usize,
    /// After how much time without a packet one is sent for its own sake. 1 s.
    pub keepalive: Duration,
    /// After how much time without a packet from the other side the link is given up. 6 s.
    pub silence: Duration,
    /// The shortest pause before a handshake is tried again. 100 ms.
    pub backoff_min: Duration,
    /// The longest. 5 s.
    pub backoff_max: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_frame: 1 << 20,
            window: 1 << 20,
            keepalive: Duration::from_secs(1),
            silence: Duration::from_secs(6),
            backoff_min: Duration::from_millis(100),
            backoff_max: Duration::from_secs(5),
        }
    }
}
