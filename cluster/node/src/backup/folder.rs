//! The folder of backups: their names, and which are kept.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use quorate_identity::files;

use super::BackupError;

const EXTENSION: &str = "age";
pub(super) const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// A backup in a folder, as its name tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The file.
    pub path: PathBuf,
    /// The node's name.
    pub node: String,
    /// When it was made, in unix milliseconds.
    pub created_ms: u64,
    /// Its size in bytes.
    pub bytes: u64,
}

/// The name of a node's backup.
pub(super) fn name(node: &str, created_ms: u64) -> String {
    format!("{node}-{created_ms:013}.{EXTENSION}")
}

/// The backups in a folder, the newest first. A folder that is not there has none.
///
/// # Errors
/// The operating system's.
pub fn list(folder: &Path) -> Result<Vec<Kept>, BackupError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(BackupError::io(folder, error)),
    };
    let mut kept = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| BackupError::io(folder, error))?;
        let path = entry.path();
        let Some((node, created_ms)) = parsed(&path) else { continue };
        // Unless it was removed this moment.
        if let Ok(metadata) = entry.metadata()
            && metadata.is_file()
        {
            kept.push(Kept { path, node, created_ms, bytes: metadata.len() });
        }
    }
    kept.sort_by(|one, other| other.created_ms.cmp(&one.created_ms).then_with(|| one.path.cmp(&other.path)));
    Ok(kept)
}

/// What a node left behind that was stopped while it made a backup.
///
/// # Errors
/// The operating system's.
pub(super) fn drafts(folder: &Path, node: &str) -> Result<Vec<PathBuf>, BackupError> {
    let entries = fs::read_dir(folder).map_err(|error| BackupError::io(folder, error))?;
    let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let is_mine = |path: &PathBuf| {
        let of = Path::new(path.file_stem()?);
        let made = parsed(of).filter(|_| files::draft_of(&path.with_file_name(of)) == *path)?;
        (made.0 == node).then_some(())
    };
    Ok(paths.filter(|path| is_mine(path).is_some()).collect())
}

fn parsed(path: &Path) -> Option<(String, u64)> {
    let stem = path.file_stem().filter(|_| path.extension().is_some_and(|found| found == EXTENSION))?;
    let (node, created_ms) = stem.to_str()?.rsplit_once('-')?;
    let digits = created_ms.bytes().all(|byte| byte.is_ascii_digit());
    Some((node.to_owned(), created_ms.parse().ok().filter(|_| digits && !node.is_empty())?))
}

/// Of a node's backups, the newest first, those that are kept no longer: of the newest as many as there are to be, and of as many days the last.
pub(super) fn outdated(kept: &[Kept], node: &str, keep: usize) -> Vec<PathBuf> {
    let mut days = BTreeSet::new();
    let mine = kept.iter().filter(|kept| kept.node == node).enumerate();
    let outdated = mine.filter(|(place, kept)| {
        let is_last = days.insert(kept.created_ms / DAY_MS) && days.len() <= keep;
        *place >= keep && !is_last
    });
    outdated.map(|(_, kept)| kept.path.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(node: &str, created_ms: u64) -> Kept {
        Kept { path: PathBuf::from(name(node, created_ms)), node: node.into(), created_ms, bytes: 1 }
    }

    #[test]
    fn names_tell_whose_and_of_when() {
        let path = PathBuf::from(name("node-3", 1_764_000_000_123));
        assert_eq!(path.to_str(), Some("node-3-1764000000123.age"));
        assert_eq!(parsed(&path), Some(("node-3".into(), 1_764_000_000_123)));
        for other in
            ["node3.age", "-12.age", "node3-12.txt", "node3-1x.age", "node3-+1.age", "node3-12.age.new"]
        {
            assert_eq!(parsed(Path::new(other)), None, "{other}");
        }
    }

    #[test]
    fn the_newest_are_kept_and_the_last_of_each_day() {
        // Three a day for ten days.
        let mut kept: Vec<_> = (0..30).map(|third| at("a", 1 + third * DAY_MS / 3)).collect();
        kept.reverse();
        kept.insert(5, at("b", 7));
        let outdated = outdated(&kept, "a", 4);
        let left: Vec<_> = kept.iter().filter(|kept| !outdated.contains(&kept.path)).collect();
        let times: Vec<_> = left
            .iter()
            .filter(|kept| kept.node == "a")
            .map(|kept| (kept.created_ms - 1) * 3 / DAY_MS)
            .collect();
        // The four newest, and of the four newest days the last.
        assert_eq!(times, [29, 28, 27, 26, 23, 20]);
        assert!(left.iter().any(|kept| kept.node == "b"));
        assert!(super::outdated(&left.into_iter().cloned().collect::<Vec<_>>(), "a", 4).is_empty());
    }
}
