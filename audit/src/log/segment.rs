//! The file that is written.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::error::AuditError;
use crate::folder::{self, SegmentName};

/// A segment, of which so many bytes are durable entries.
#[derive(Debug)]
pub(super) struct Segment {
    path: PathBuf,
    file: File,
    len: u64,
    /// There may be more in the file than its entries.
    is_longer: bool,
    /// The file's name may not be on the disk yet.
    is_new: bool,
    #[cfg(test)]
    pub(super) faults: std::sync::Arc<super::tests::Faults>,
}

impl Segment {
    /// Begins a segment.
    pub(super) fn create(folder: &Path, first: u64) -> Result<Self, AuditError> {
        let path = SegmentName::new(folder, first).path;
        let created = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path);
        let file = created.map_err(|error| AuditError::io(&path, "creating", error))?;
        Ok(Self::of(path, file, 0, false, true))
    }

    /// Opens one that has so many bytes of entries.
    pub(super) fn open(path: PathBuf, len: u64) -> Result<Self, AuditError> {
        let failed = |error| AuditError::io(&path, "opening", error);
        let file = OpenOptions::new().read(true).write(true).open(&path).map_err(failed)?;
        let is_longer = file.metadata().map_err(failed)?.len() > len;
        // What a process left that was killed may be in the kernel's memory only.
        file.sync_all().map_err(failed)?;
        Ok(Self::of(path, file, len, is_longer, true))
    }

    fn of(path: PathBuf, file: File, len: u64, is_longer: bool, is_new: bool) -> Self {
        Self {
            path,
            file,
            len,
            is_longer,
            is_new,
            #[cfg(test)]
            faults: std::sync::Arc::default(),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    /// Writes entries and has them reach the disk, with one write and one sync. When that fails, the file is cut back to
    /// what it was.
    pub(super) fn append(&mut self, entries: &[u8]) -> Result<(), AuditError> {
        self.finish()?;
        self.write(entries).map_err(|error| {
            self.is_longer = true;
            if let Err(error) = self.cut() {
                tracing::error!(path = %self.path.display(), %error, "a failed write to the audit log is not undone yet");
            }
            AuditError::io(&self.path, "writing", error)
        })
    }

    /// Cuts off what a failed write left.
    pub(super) fn finish(&mut self) -> Result<(), AuditError> {
        if self.is_longer {
            self.cut().map_err(|error| AuditError::io(&self.path, "cutting a failed write off", error))?;
        }
        Ok(())
    }

    /// Replaces what is after the entries by others.
    pub(super) fn replace_rest(&mut self, entries: &[u8]) -> Result<(), AuditError> {
        let replaced = self.write(entries).and_then(|()| self.cut());
        replaced.map_err(|error| AuditError::io(&self.path, "writing", error))
    }

    fn write(&mut self, entries: &[u8]) -> io::Result<()> {
        #[cfg(test)]
        if let Err(error) = self.faults.writes.strike() {
            // Some of it is there when a write fails.
            self.file.write_all_at(entries.get(..entries.len() / 2).unwrap_or_default(), self.len)?;
            return Err(error);
        }
        self.file.write_all_at(entries, self.len)?;
        self.sync()?;
        if self.is_new {
            folder::sync(self.path.parent().unwrap_or(Path::new(".")))?;
            self.is_new = false;
        }
        self.len = self.len.saturating_add(entries.len() as u64);
        Ok(())
    }

    fn cut(&mut self) -> io::Result<()> {
        #[cfg(test)]
        self.faults.cuts.strike()?;
        self.file.set_len(self.len)?;
        self.sync()?;
        self.is_longer = false;
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        #[cfg(test)]
        self.faults.syncs.strike()?;
        self.file.sync_data()
    }
}
