//! How direct connections are kept.

use std::path::PathBuf;
use std::time::Duration;

use crate::limits::Limits;

/// How direct connections are kept; the defaults suit a cluster in one region.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// What is held for the peers at most, and for how long.
    pub limits: Limits,
    /// How long a connection may take until it is authenticated and answered. 5 s.
    pub handshake_timeout: Duration,
    /// How many connections may be unauthenticated at a time; beyond it the oldest is ended. 64.
    pub max_handshakes: usize,
    /// How long a connection may be silent until its other side is asked for a sign of life. 3 s.
    pub keepalive_interval: Duration,
    /// How long that sign of life may take. 5 s.
    pub keepalive_timeout: Duration,
    /// The shortest pause before a peer is dialled again. 50 ms.
    pub backoff_min: Duration,
    /// The longest. 5 s.
    pub backoff_max: Duration,
    /// Where to append the TLS secrets of every connection, in the NSS key log format.
    ///
    /// # Security
    /// Whoever has this file can decrypt recorded traffic. It is for tests that inspect what crosses the wire.
    /// Nothing but this field turns it on.
    pub key_log: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            handshake_timeout: Duration::from_secs(5),
            max_handshakes: 64,
            keepalive_interval: Duration::from_secs(3),
            keepalive_timeout: Duration::from_secs(5),
            backoff_min: Duration::from_millis(50),
            backoff_max: Duration::from_secs(5),
            key_log: None,
        }
    }
}

impl Options {
    /// The HTTP/2 flow control window, per stream and connection: one frame of the largest size, or what keeps a
    /// fast link busy.
    pub(super) fn window(&self) -> u32 {
        u32::try_from(self.limits.max_frame).unwrap_or(u32::MAX).clamp(1 << 20, (1 << 31) - 1)
    }

    /// The largest encoded message: the frame with its tag and length.
    pub(super) fn max_message(&self) -> usize {
        self.limits.max_frame.saturating_add(16)
    }
}
