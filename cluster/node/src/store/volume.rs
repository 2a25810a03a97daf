//! The database file underneath redb: counts what reaches the disk and remembers what failed.
//!
//! redb's own file backend does the work. Around it:
//! - every sync is counted, for the metrics;
//! - the reason of a failed operation is kept, because redb afterwards only says that *something* had failed;
//! - a failed sync is undone. After a failed fsync the kernel may have dropped dirty pages and yet serve them from its
//!   cache, so that the commit looks complete until the machine reboots. redb never overwrites a page of the last
//!   durable commit, except the header page; writing back the header as it was at the last good sync, and syncing
//!   that, returns the file to exactly that commit. If even that fails, the file is not to be written again by this
//!   process.

use redb::backends::FileBackend;
use redb::{BackendError, DatabaseError, StorageBackend};
use std::fs::File;
use std::io;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// redb's header: 64 bytes and two commit slots of 128.
pub(super) const HEADER: usize = 320;
type Header = [u8; HEADER];

/// Outlives the volumes of one store, which are replaced when the file is reopened.
#[derive(Debug, Default)]
pub(super) struct Health {
    syncs: AtomicU64,
    /// Set when a failed sync could not be undone.
    unsafe_to_write: AtomicBool,
    failure: Mutex<Option<io::Error>>,
    #[cfg(test)]
    pub(super) faults: super::tests::Faults,
}

impl Health {
    pub(super) fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }

    pub(super) fn unsafe_to_write(&self) -> bool {
        self.unsafe_to_write.load(Ordering::Acquire)
    }

    /// The operating system's answer to the operation that failed, once.
    pub(super) fn take_failure(&self) -> Option<io::Error> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn note(&self, error: io::Error) -> io::Error {
        let copy = match error.raw_os_error() {
            Some(code) => io::Error::from_raw_os_error(code),
            None => io::Error::new(error.kind(), error.to_string()),
        };
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(copy);
        error
    }
}

/// The header as last written, and as it was at the last good sync.
#[derive(Debug, Default)]
struct Headers {
    written: Option<Header>,
    durable: Option<Header>,
}

#[derive(Debug)]
pub(super) struct Volume {
    file: FileBackend,
    headers: Mutex<Headers>,
    health: Arc<Health>,
}

impl Volume {
    pub(super) fn new(file: File, health: Arc<Health>) -> Result<Self, DatabaseError> {
        let file = FileBackend::new(file)?;
        let mut header = [0; HEADER];
        // A file too short to hold one is new, or redb will refuse it.
        let durable = file.read(0, &mut header).is_ok().then_some(header);
        Ok(Self { file, headers: Mutex::new(Headers { written: durable, durable }), health })
    }

    fn checked<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| self.health.note(error))
    }

    fn headers(&self) -> std::sync::MutexGuard<'_, Headers> {
        self.headers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sync(&self) -> io::Result<()> {
        #[cfg(test)]
        self.health.faults.before_sync()?;
        self.file.sync_data()
    }

    fn return_to_durable_header(&self) -> io::Result<()> {
        let durable = self.headers().durable;
        if let Some(header) = durable {
            self.file.write(0, &header)?;
            self.sync()?;
            self.headers().written = Some(header);
        }
        Ok(())
    }
}

impl StorageBackend for Volume {
    fn len(&self) -> io::Result<u64> {
        self.checked(self.file.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.checked(self.file.read(offset, out))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        #[cfg(test)]
        self.checked(self.health.faults.before_set_len())?;
        self.checked(self.file.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        match self.sync() {
            Ok(()) => {
                self.health.syncs.fetch_add(1, Ordering::Relaxed);
                let mut headers = self.headers();
                headers.durable = headers.written;
                Ok(())
            }
            Err(error) => {
                if self.return_to_durable_header().is_err() {
                    self.health.unsafe_to_write.store(true, Ordering::Release);
                }
                Err(self.health.note(error))
            }
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        #[cfg(test)]
        self.checked(self.health.faults.before_write())?;
        self.checked(self.file.write(offset, data))?;
        if offset == 0
            && let Some(header) = data.first_chunk::<HEADER>()
        {
            self.headers().written = Some(*header);
        }
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}
