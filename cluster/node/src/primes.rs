//! Safe primes for the moduli of auxiliary information, searched while nothing else is to do: a pair takes seconds.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use quorate_cggmp21::auxiliary::Primes;
use quorate_keys::Secret;
use quorate_paillier::{SafePrime, Sizes};
use quorate_session::Wire;
use rand_core::{OsRng, RngCore};
use tokio::sync::Notify;

use crate::store::{Batch, Precondition, Store, StoreError, Table};
use crate::work::Workers;

/// Pairs of primes, each for one modulus, in the store until they are taken.
pub(crate) struct PrimePool {
    store: Arc<Store>,
    workers: Workers,
    /// The pairs that there are.
    ready: Mutex<Vec<Vec<u8>>>,
    /// How many there are to be: what is configured, or one that somebody waits for.
    wanted: AtomicUsize,
    configured: usize,
    wake: Notify,
    stopped: Arc<AtomicBool>,
}

impl PrimePool {
    /// What is in the store, to be filled up to `configured` pairs.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn load(store: Arc<Store>, workers: Workers, configured: usize) -> Result<Self, StoreError> {
        let ready = store.keys(Table::Primes, "")?;
        Ok(Self {
            store,
            workers,
            ready: Mutex::new(ready),
            wanted: AtomicUsize::new(configured),
            configured,
            wake: Notify::new(),
            stopped: Arc::default(),
        })
    }

    /// How many pairs there are.
    pub(crate) fn depth(&self) -> usize {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).len()
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

    /// Takes a pair. It is erased from the store before it is used.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn take(&self) -> Result<Option<Primes>, StoreError> {
        loop {
            let next = self.ready.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(key) = next else { return Ok(None) };
            self.wake.notify_one();
            let read = match self.store.get(Table::Primes, &key) {
                Ok(record) => record.and_then(|record| Primes::from_wire(record.value.expose()).ok()),
                Err(StoreError::DamagedRecord { .. }) => None,
                Err(error) => return Err(error),
            };
            self.store.commit(Batch::new().delete(Table::Primes, &key)).await?;
            match read {
                Some(primes) => return Ok(Some(primes)),
                None => tracing::warn!("a pair of primes was damaged; another is taken"),
            }
        }
    }

    /// Searches pairs as long as some are wanted, until [`PrimePool::stop`].
    pub(crate) async fn fill(self: Arc<Self>) {
        loop {
            while self.depth() < self.wanted.load(Ordering::Acquire) {
                if self.stopped.load(Ordering::Acquire) {
                    return;
                }
                if let Err(error) = self.add().await {
                    tracing::warn!(%error, "a pair of primes could not be made");
                    tokio::time::sleep(std::time::Duration::from_secs(10)).await;
                }
            }
            self.wanted.store(self.configured, Ordering::Release);
            self.wake.notified().await;
        }
    }

    async fn add(&self) -> Result<(), String> {
        let (p, q) = tokio::join!(self.search(), self.search());
        let (Some(p), Some(q)) = (p?, q?) else { return Ok(()) };
        let primes = Primes::new(&p, &q).to_wire().map_err(|error| error.to_string())?;
        let mut key = vec![0; 16];
        OsRng.fill_bytes(&mut key);
        let batch = Batch::new().require(Table::Primes, &key, Precondition::Absent).put(
            Table::Primes,
            &key,
            0,
            Secret::new(primes),
        );
        self.store.commit(batch).await.map_err(|error| error.to_string())?;
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).push(key);
        Ok(())
    }

    /// `None` when the node stops.
    async fn search(&self) -> Result<Option<SafePrime>, String> {
        let stopped = Arc::clone(&self.stopped);
        let search = move || {
            SafePrime::search(Sizes::STANDARD.prime(), &mut OsRng, &|| stopped.load(Ordering::Relaxed))
        };
        self.workers.run(search).await.map(Result::ok).map_err(|error| error.to_string())
    }

    /// Gives the search up.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.wake.notify_one();
    }
}
