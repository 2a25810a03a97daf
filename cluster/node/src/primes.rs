//! Safe primes for the moduli of auxiliary information, searched while nothing else is to do: a pair takes seconds.
//!
//! # Security
//! In memory only. Auxiliary information is made anew when somebody may have read a node's disk: with primes from that disk it would be
//! read again.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quorate_cggmp21::auxiliary::Primes;
use quorate_paillier::{SafePrime, Sizes};
use rand_core::OsRng;
use tokio::sync::Notify;

use crate::work::Workers;

/// How long to let a search be that broke off.
const AFTER_FAILURE: Duration = Duration::from_secs(10);

/// Pairs of primes, each for one modulus.
pub(crate) struct PrimePool {
    workers: Workers,
    ready: Mutex<Vec<Primes>>,
    /// How many there are to be: what is configured, or one that somebody waits for.
    wanted: AtomicUsize,
    configured: usize,
    wake: Notify,
    stopped: Arc<AtomicBool>,
}

impl PrimePool {
    /// An empty pool, to be filled up to `configured` pairs by these threads.
    pub(crate) fn new(workers: Workers, configured: usize) -> Self {
        Self {
            workers,
            ready: Mutex::default(),
            wanted: AtomicUsize::new(configured),
            configured,
            wake: Notify::new(),
            stopped: Arc::default(),
        }
    }

    fn ready(&self) -> MutexGuard<'_, Vec<Primes>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many pairs there are.
    pub(crate) fn depth(&self) -> usize {
        self.ready().len()
    }

    /// Whether there is a pair. If there is none, one is searched.
    pub(crate) fn has_one(&self) -> bool {
        if self.depth() > 0 {
            return true;
        }
        self.wanted.fetch_max(1, Ordering::AcqRel);
        self.wake.notify_one();
        false
    }

    /// Takes a pair.
    pub(crate) fn take(&self) -> Option<Primes> {
        let taken = self.ready().pop();
        self.wake.notify_one();
        taken
    }

    /// Searches pairs as long as some are wanted, until [`PrimePool::stop`].
    pub(crate) async fn fill(self: Arc<Self>) {
        loop {
            while self.depth() < self.wanted.load(Ordering::Acquire) {
                let (p, q) = tokio::join!(self.search(), self.search());
                if self.stopped.load(Ordering::Acquire) {
                    return;
                }
                match p.zip(q) {
                    Some((p, q)) => self.ready().push(Primes::new(&p, &q)),
                    None => {
                        tracing::error!("the search for primes broke off");
                        tokio::time::sleep(AFTER_FAILURE).await;
                    }
                }
            }
            self.wanted.store(self.configured, Ordering::Release);
            self.wake.notified().await;
        }
    }

    async fn search(&self) -> Option<SafePrime> {
        let stopped = Arc::clone(&self.stopped);
        let stop = move || stopped.load(Ordering::Relaxed);
        self.workers
            .run(move || SafePrime::search(Sizes::STANDARD.prime(), &mut OsRng, &stop))
            .await
            .ok()?
            .ok()
    }

    /// Gives the search up.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.wake.notify_one();
    }
}
