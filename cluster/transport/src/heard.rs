//! When something was last heard from a peer.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A time that is written on every read from a socket, so kept in one atomic.
#[derive(Debug)]
pub(crate) struct Heard {
    since: Instant,
    /// Microseconds after `since`, plus one; zero is never.
    last: AtomicU64,
}

impl Heard {
    pub(crate) fn never() -> Self {
        Self { since: Instant::now(), last: AtomicU64::new(0) }
    }

    pub(crate) fn now(&self) {
        let elapsed = u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX - 1);
        self.last.fetch_max(elapsed.saturating_add(1), Ordering::Relaxed);
    }

    pub(crate) fn last(&self) -> Option<Instant> {
        let elapsed = self.last.load(Ordering::Relaxed).checked_sub(1)?;
        self.since.checked_add(Duration::from_micros(elapsed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_time_is_remembered() {
        let heard = Heard::never();
        assert_eq!(heard.last(), None);
        let before = Instant::now();
        std::thread::sleep(Duration::from_millis(2));
        heard.now();
        assert!(heard.last().unwrap() > before && heard.last().unwrap() <= Instant::now());
    }
}
