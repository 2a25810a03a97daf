//! What can go wrong with the store, split by who has to act.

use super::Table;
use quorate_identity::envelope::EnvelopeError;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A record, as an operator reads it: the table, and its key as text where it is text and as hex where not.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordName {
    /// The table that holds the record.
    pub table: Table,
    /// Its key.
    pub key: Vec<u8>,
}

impl RecordName {
    pub(crate) fn new(table: Table, key: &[u8]) -> Self {
        Self { table, key: key.to_vec() }
    }
}

impl fmt::Display for RecordName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match std::str::from_utf8(&self.key) {
            Ok(text) if !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic()) => {
                write!(f, "{}/{text}", self.table)
            }
            _ => write!(f, "{}/0x{}", self.table, hex::encode(&self.key)),
        }
    }
}

impl fmt::Debug for RecordName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a store operation did not succeed. Cloned to every caller whose batch shared the fate.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The folder that should hold the database is not there.
    #[error("the folder {} does not exist: create it (mode 0700), or correct data_dir / db_path", .path.display())]
    MissingDirectory {
        /// The missing folder.
        path: PathBuf,
    },
    /// There is no database at the path.
    #[error("there is no store at {}: run `quorate node init` first, or correct db_path", .path.display())]
    NotFound {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A database is there already, and is never overwritten.
    #[error("{} exists already and is never overwritten: open it, or move it away first", .path.display())]
    AlreadyExists {
        /// The file that is in the way.
        path: PathBuf,
    },
    /// Another process has the database open.
    #[error("the store {} is in use by another process: stop the other node, or give this one its own db_path", .path.display())]
    Locked {
        /// The locked file.
        path: PathBuf,
    },
    /// The file is sound, and the passphrase does not open it.
    #[error("wrong passphrase for {}: the file is sound, this passphrase does not open it", .path.display())]
    WrongPassphrase {
        /// The file that stayed shut.
        path: PathBuf,
    },
    /// Written by a later release.
    #[error("{} has format version {found}, this release reads up to {supported}: use the release that wrote it, or a newer one", .path.display())]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// The version found in it.
        found: u32,
        /// The newest version understood here.
        supported: u32,
    },
    /// The database as a whole cannot be used.
    #[error("the store {} is damaged ({detail}): leave the file as it is and restore the newest backup", .path.display())]
    Damaged {
        /// The damaged file.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// One record fails authentication. The others stay readable.
    #[error("the record {record} in {} is damaged: it fails authentication; other records are not affected; restore it from a backup", .path.display())]
    DamagedRecord {
        /// The file it is in.
        path: PathBuf,
        /// The record.
        record: RecordName,
    },
    /// No room for the commit. Nothing of it was written, and everything before it stands.
    #[error("no space left for {}: nothing was lost, this change was not made; free space on the file system and try again", .path.display())]
    DiskFull {
        /// The file that could not grow.
        path: PathBuf,
    },
    /// The operating system failed us in another way.
    #[error("{operation} {} failed: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was being done, as a gerund.
        operation: &'static str,
        /// The operating system's answer.
        source: Arc<io::Error>,
    },
    /// A precondition of the batch does not hold; nothing of this batch was written.
    #[error("the record {record} {found}; the change was not made")]
    Precondition {
        /// The record it is about.
        record: RecordName,
        /// What holds instead.
        found: Found,
    },
    /// A value is larger than a record may be.
    #[error("the record {record} would be {size} bytes, the limit is {limit}")]
    TooLarge {
        /// The record.
        record: RecordName,
        /// Its size.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// The key derivation parameters in the file are outside what this release accepts.
    #[error("{} asks for key derivation parameters that are not accepted: {detail}", .path.display())]
    Parameters {
        /// The file.
        path: PathBuf,
        /// Which, and the accepted range.
        detail: String,
    },
    /// The store was closed.
    #[error("the store {} is closed", .path.display())]
    Closed {
        /// The file.
        path: PathBuf,
    },
    /// The operating system gave no randomness, or a primitive refused well-formed input.
    #[error("cryptographic operation failed on {}: {detail}", .path.display())]
    Crypto {
        /// The file.
        path: PathBuf,
        /// Which operation.
        detail: &'static str,
    },
}

/// What a failed precondition met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Found {
    /// It should be absent.
    Present,
    /// It should be there.
    Absent,
    /// It is there with another value.
    OtherValue,
    /// It is there with another epoch.
    OtherEpoch(u64),
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Present => f.write_str("exists already"),
            Self::Absent => f.write_str("does not exist"),
            Self::OtherValue => f.write_str("has changed meanwhile"),
            Self::OtherEpoch(epoch) => write!(f, "is of epoch {epoch}"),
        }
    }
}

impl StoreError {
    pub(super) fn io(path: &Path, operation: &'static str, source: io::Error) -> Self {
        if out_of_space(&source) {
            return Self::DiskFull { path: path.to_path_buf() };
        }
        Self::Io { path: path.to_path_buf(), operation, source: Arc::new(source) }
    }

    pub(super) fn damaged(path: &Path, detail: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_path_buf(), detail: detail.into() }
    }

    pub(super) fn envelope(path: &Path, error: EnvelopeError) -> Self {
        let path = path.to_path_buf();
        match error {
            EnvelopeError::WrongPassphrase => Self::WrongPassphrase { path },
            EnvelopeError::NewerFormat { found, supported } => {
                Self::NewerFormat { path, found: found.into(), supported: supported.into() }
            }
            EnvelopeError::Parameters(detail) => Self::Parameters { path, detail },
            EnvelopeError::Damaged(detail) => Self::Damaged { path, detail: format!("key header: {detail}") },
            EnvelopeError::Crypto(detail) => Self::Crypto { path, detail },
        }
    }
}

/// Whether the operating system says that there is no room: the disk, the quota or the file size limit.
pub(crate) fn out_of_space(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}
