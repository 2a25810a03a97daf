//! The folder of a log: its segments, in order, and its lock.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::error::AuditError;

const LOCK: &str = "lock";
const ENDING: &str = ".jsonl";
const DIGITS: usize = 20;

/// A file of a log, and the number of its first entry as its name says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SegmentName {
    pub(crate) first: u64,
    pub(crate) path: PathBuf,
}

impl SegmentName {
    pub(crate) fn new(folder: &Path, first: u64) -> Self {
        Self { first, path: folder.join(format!("{first:020}{ENDING}")) }
    }
}

/// The number in the name of a segment.
pub(crate) fn first_of(path: &Path) -> Option<u64> {
    let digits = path.file_name()?.to_str()?.strip_suffix(ENDING)?;
    let is_number = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok())?
}

/// The segments of a log in order; other files are none of it.
pub(crate) fn segments(folder: &Path) -> Result<Vec<SegmentName>, AuditError> {
    let failed = |error| AuditError::io(folder, "listing", error);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if let Some(first) = first_of(&path) {
            found.push(SegmentName { first, path });
        }
    }
    found.sort();
    Ok(found)
}

/// Makes the folder if it isn't there, and takes its lock, which is held as long as the file is open.
pub(crate) fn lock(folder: &Path) -> Result<File, AuditError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| AuditError::io(folder, "making", error))?;
    let path = folder.join(LOCK);
    let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = opened.map_err(|error| AuditError::io(&path, "opening", error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(AuditError::Locked { folder: folder.to_path_buf() }),
        Err(TryLockError::Error(error)) => Err(AuditError::io(&path, "locking", error)),
    }
}

/// Has the names in a folder reach the disk.
pub(crate) fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_found_by_their_names_and_in_order() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "00000000000000000101.jsonl",
            "00000000000000000001.jsonl",
            "00000000000000000001.json",
            "1.jsonl",
            "+0000000000000000001.jsonl",
            "lock",
        ] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let found = segments(folder.path()).unwrap();
        assert_eq!(found, [1, 101].map(|first| SegmentName::new(folder.path(), first)));
        assert!(segments(&folder.path().join("none")).is_err());
    }
}
