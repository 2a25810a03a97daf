//! What can go wrong with a log.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quorate_keys::Identity;

use crate::event::EventError;
use crate::text::Scope;

/// Why a log could not be opened, written or read.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The event can't be written; the caller's mistake.
    #[error("event not written: {0}")]
    Event(#[from] EventError),
    /// A checkpoint that is not for this log; the caller's mistake.
    #[error("checkpoint not written: {0}")]
    Checkpoint(&'static str),
    /// No space, or a quota is used up. Appends go on as soon as there is room.
    #[error("{}: no space left on the disk; make room, and appends go on", path.display())]
    DiskFull {
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused something else.
    #[error("{}: {doing} it failed: {reason}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was done with it.
        doing: &'static str,
        /// What the operating system says.
        reason: Arc<io::Error>,
    },
    /// Another process, or another part of this one, has the log open.
    #[error("{}: the audit log is in use; end the other process that writes it", folder.display())]
    Locked {
        /// The log's folder.
        folder: PathBuf,
    },
    /// The log is damaged. Nothing was changed.
    #[error(
        "{} line {line}: {reason}; verify the log, keep it as it is, and begin a new one in another folder",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line in it; the first is 1.
        line: u64,
        /// What is wrong.
        reason: String,
    },
    /// The log belongs to another.
    #[error("{}: the log belongs to {found}", path.display())]
    OtherOwner {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        found: Identity,
    },
    /// The log is about something else.
    #[error("{}: the log is about {found}", path.display())]
    OtherScope {
        /// The file.
        path: PathBuf,
        /// What it is about.
        found: Scope,
    },
    /// Events that nobody waited for were not written before this one, and this one was not either. It is told once.
    #[error("{entries} earlier events were not written, and neither is this one: {cause}")]
    Lost {
        /// How many.
        entries: u64,
        /// Why the last of them was not.
        cause: Box<Self>,
    },
    /// Too many entries wait to be written.
    #[error("too many audit entries wait to be written")]
    Busy,
    /// The log is closed.
    #[error("the audit log is closed")]
    Closed,
}

impl AuditError {
    pub(crate) fn io(path: &Path, doing: &'static str, error: io::Error) -> Self {
        let path = path.to_path_buf();
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { path },
            _ => Self::Io { path, doing, reason: Arc::new(error) },
        }
    }

    pub(crate) fn damaged(path: &Path, line: u64, reason: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_path_buf(), line, reason: reason.into() }
    }
}
