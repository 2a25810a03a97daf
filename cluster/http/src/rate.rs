//! How often one caller may ask: a token bucket each, in memory that is bounded.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So many at once, and then so many in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// From one to the next.
    interval: Duration,
    burst: u32,
}

impl Rate {
    /// `count` in each `period`, and up to `burst` of them at once; none without a limit: when `count` is 0.
    #[must_use]
    pub fn new(count: u32, period: Duration, burst: u32) -> Option<Self> {
        let interval = period.checked_div(count)?;
        Some(Self { interval, burst: burst.max(1) })
    }

    /// How far ahead of its time the last of a burst is.
    fn tolerance(&self) -> Duration {
        self.interval.saturating_mul(self.burst.saturating_sub(1))
    }
}

/// A bucket for each of several callers. Of a full one nothing is kept.
#[derive(Debug)]
pub struct Buckets<K> {
    rate: Rate,
    most: usize,
    /// When each is full again.
    full_at: Mutex<HashMap<K, Instant>>,
}

impl<K: Eq + Hash + Clone> Buckets<K> {
    /// Buckets that all fill at the same rate. Beyond `most` that are not full, those that are nearest to it are forgotten.
    #[must_use]
    pub fn new(rate: Rate, most: usize) -> Self {
        Self { rate, most: most.max(1), full_at: Mutex::default() }
    }

    /// Takes one from a caller's bucket.
    ///
    /// # Errors
    /// It is empty: how long until there is one in it.
    pub fn take(&self, caller: &K, now: Instant) -> Result<(), Duration> {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let known = full_at.get(caller).copied();
        let full = known.filter(|full| *full > now).unwrap_or(now);
        let ahead = full.saturating_duration_since(now);
        if let Some(wait) = ahead.checked_sub(self.rate.tolerance()).filter(|wait| !wait.is_zero()) {
            return Err(wait);
        }
        if known.is_none() && full_at.len() >= self.most {
            make_room(&mut full_at, now);
        }
        // A time beyond what the clock can tell is none that anybody lives to see.
        let next = full.checked_add(self.rate.interval).unwrap_or(full);
        full_at.insert(caller.clone(), next);
        Ok(())
    }
}

/// Forgets the buckets that are full, or else the one that is nearest to it: who asks most is remembered.
fn make_room<K: Eq + Hash + Clone>(full_at: &mut HashMap<K, Instant>, now: Instant) {
    let before = full_at.len();
    full_at.retain(|_, full| *full > now);
    if full_at.len() < before {
        return;
    }
    let nearest = full_at.iter().min_by_key(|(_, full)| **full).map(|(caller, _)| caller.clone());
    if let Some(nearest) = nearest {
        full_at.remove(&nearest);
    }
}

/// What counts as one caller: an address; of IPv6 the network of 64 bits, of which a host has all addresses.
#[must_use]
pub fn caller_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(network))
        }
        address => address,
    }
}

/// A wait as `Retry-After` says it: in whole seconds, at least one.
#[must_use]
pub fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn buckets(count: u32, burst: u32, most: usize) -> Buckets<u32> {
        Buckets::new(Rate::new(count, SECOND, burst).unwrap(), most)
    }

    #[test]
    fn a_burst_is_served_at_once_and_then_the_rate_holds() {
        let buckets = buckets(10, 5, 100);
        let start = Instant::now();
        for _ in 0..5 {
            buckets.take(&1, start).unwrap();
        }
        assert_eq!(buckets.take(&1, start), Err(Duration::from_millis(100)));
        // Who is refused loses nothing by asking.
        assert_eq!(buckets.take(&1, start + Duration::from_millis(60)), Err(Duration::from_millis(40)));
        buckets.take(&1, start + Duration::from_millis(100)).unwrap();
        assert!(buckets.take(&1, start + Duration::from_millis(100)).is_err());
        // In a time of ten seconds no more than the rate and the burst.
        let served =
            (0..10_000).filter(|step| buckets.take(&2, start + Duration::from_millis(*step)).is_ok()).count();
        assert!((100..=105).contains(&served), "{served}");
    }

    #[test]
    fn one_caller_takes_nothing_from_another_and_rest_fills_the_bucket() {
        let buckets = buckets(1, 2, 100);
        let start = Instant::now();
        for caller in [1, 2] {
            buckets.take(&caller, start).unwrap();
            buckets.take(&caller, start).unwrap();
            assert!(buckets.take(&caller, start).is_err());
        }
        let later = start + 60 * SECOND;
        buckets.take(&1, later).unwrap();
        buckets.take(&1, later).unwrap();
        assert_eq!(buckets.take(&1, later), Err(SECOND));
    }

    #[test]
    fn memory_is_bounded_and_who_asks_most_is_not_forgotten() {
        let buckets = buckets(1, 3, 10);
        let start = Instant::now();
        for _ in 0..3 {
            buckets.take(&0, start).unwrap();
        }
        for caller in 1..1000 {
            buckets.take(&caller, start).unwrap();
            assert!(buckets.full_at.lock().unwrap().len() <= 10);
        }
        assert!(buckets.take(&0, start).is_err(), "strangers made it forgotten");
        buckets.take(&1000, start + 60 * SECOND).unwrap();
        assert_eq!(buckets.full_at.lock().unwrap().len(), 1, "full buckets are not kept");
    }

    #[test]
    fn without_a_count_there_is_no_limit() {
        assert_eq!(Rate::new(0, SECOND, 5), None);
        let smallest = Buckets::new(Rate::new(u32::MAX, SECOND, 0).unwrap(), 0);
        smallest.take(&1, Instant::now()).unwrap();
    }

    #[test]
    fn a_host_of_ipv6_is_one_caller_and_a_mapped_address_is_of_ipv4() {
        let of = |text: &str| caller_of(text.parse().unwrap()).to_string();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(of("::ffff:10.0.0.1"), "10.0.0.1");
        assert_eq!(of("10.0.0.1"), "10.0.0.1");
    }

    #[test]
    fn a_wait_is_rounded_up() {
        let waits = [0, 1, 999, 1000, 1001].map(Duration::from_millis).map(whole_seconds);
        assert_eq!(waits, [1, 1, 1, 1, 2]);
    }
}
