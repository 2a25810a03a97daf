//! Times as they are stored and sent: since the beginning of 1970, and that for all before.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(crate) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

pub(crate) fn millis(time: SystemTime) -> u64 {
    millis_of(time.duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// Of a span of time.
pub(crate) fn millis_of(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

pub(crate) fn now_millis() -> u64 {
    millis(SystemTime::now())
}
