//! How long a client tries.

use std::time::Duration;

use quorate_request::Operation;
use rand_core::{OsRng, RngCore};

/// How long and how often a client tries before it gives up.
///
/// Only what can be repeated without harm is repeated: the identical signed request, after a failed
/// connection, silence, an answer of 503, or one of 429 that says when to ask again (`Retry-After`), which is waited for besides
/// the pause. After 503 from every node the last of these answers is final.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How long a call takes at most, all attempts together, but for long work.
    pub deadline: Duration,
    /// How long one node may work on a key generation or a signature.
    pub work_timeout: Duration,
    /// How long one node may work on presignatures or auxiliary information; longer than `deadline`, such a call takes as long
    /// as this at most. A presignature takes a processor of each signer a second.
    pub long_work_timeout: Duration,
    /// How long one node may take to answer a read.
    pub read_timeout: Duration,
    /// How often nodes are asked at most; every endpoint at least once.
    pub attempts: u32,
    /// The pause after the first attempt; each further one is twice as long.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(120),
            work_timeout: Duration::from_secs(60),
            long_work_timeout: Duration::from_secs(30 * 60),
            read_timeout: Duration::from_secs(10),
            attempts: 6,
            first_pause: Duration::from_millis(50),
            longest_pause: Duration::from_secs(2),
        }
    }
}

impl RetryPolicy {
    /// How long one node may work on this, and all of them together.
    pub(crate) fn patience(&self, operation: &Operation) -> (Duration, Duration) {
        match operation {
            Operation::Presign | Operation::Auxiliary => {
                (self.long_work_timeout, self.deadline.max(self.long_work_timeout))
            }
            _ => (self.work_timeout, self.deadline),
        }
    }

    /// How often nodes are asked when there are so many of them.
    pub(crate) fn attempts_over(&self, endpoints: usize) -> u32 {
        self.attempts.max(u32::try_from(endpoints).unwrap_or(u32::MAX))
    }

    /// The pause after an attempt (counted from 0): exponential, and between half and all of it at random,
    /// so that clients that failed together don't come back together.
    pub(crate) fn pause(&self, attempt: u32) -> Duration {
        let factor = 1_u32.checked_shl(attempt).unwrap_or(u32::MAX);
        let whole = self.first_pause.saturating_mul(factor).min(self.longest_pause);
        let half = whole / 2;
        half + half.mul_f64(f64::from(OsRng.next_u32()) / f64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_vary() {
        let policy = RetryPolicy::default();
        for (attempt, whole) in
            [(0, 50), (1, 100), (3, 400), (6, 2000), (31, 2000), (32, 2000), (u32::MAX, 2000)]
        {
            let whole = Duration::from_millis(whole);
            for _ in 0..50 {
                let pause = policy.pause(attempt);
                assert!(pause >= whole / 2 && pause <= whole, "attempt {attempt}: {pause:?}");
            }
        }
    }

    #[test]
    fn long_work_is_waited_for_longer_than_other_work() {
        let policy = RetryPolicy::default();
        let usual = (policy.work_timeout, policy.deadline);
        assert_eq!([Operation::Keygen, Operation::Sign].map(|asked| policy.patience(&asked)), [usual; 2]);
        let long = (policy.long_work_timeout, policy.long_work_timeout);
        assert_eq!(
            [Operation::Presign, Operation::Auxiliary].map(|asked| policy.patience(&asked)),
            [long; 2]
        );
        // One who has more patience with everything has it with this, too.
        let hour = Duration::from_secs(3600);
        let patient = RetryPolicy { deadline: hour, ..policy };
        assert_eq!(patient.patience(&Operation::Presign), (patient.long_work_timeout, hour));
    }

    #[test]
    fn every_endpoint_is_asked_at_least_once() {
        let policy = RetryPolicy { attempts: 2, ..RetryPolicy::default() };
        assert_eq!(policy.attempts_over(1), 2);
        assert_eq!(policy.attempts_over(5), 5);
    }
}
