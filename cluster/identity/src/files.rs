//! Files of a node or a client: whole or not there at all, never overwritten, and private (mode 0600) where they hold secrets.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// The folder that holds `path`.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Its owner.
    Private,
    /// Everybody.
    Public,
}

/// Opens a new file, writable by this user alone.
///
/// # Errors
/// When there is a file already, or it cannot be made.
pub fn create(path: &Path, access: Access) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(match access {
            Access::Private => 0o600,
            Access::Public => 0o644,
        });
    }
    options.open(path)
}

/// Takes away what others may do with the file; says whether there was anything to take.
///
/// # Errors
/// The operating system's.
pub fn make_private(file: &File) -> io::Result<bool> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mut permissions = file.metadata()?.permissions();
        if permissions.mode() & 0o077 != 0 {
            permissions.set_mode(0o600);
            file.set_permissions(permissions)?;
            return Ok(true);
        }
    }
    Ok(false)
}

/// Reads a file that holds secrets. One that others may read is refused: its owner alone may, and its group where the
/// owner is root, as packages of the operating system have it.
///
/// # Errors
/// The operating system's; a file that others may read, or one of more than `most` bytes.
pub fn read_private(path: &Path, most: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let forbidden = if metadata.uid() == 0 { 0o037 } else { 0o077 };
        if metadata.mode() & forbidden != 0 {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "others may read or change it, and it holds a secret: set it to mode 0600",
            ));
        }
    }
    let mut content = Zeroizing::new(Vec::new());
    file.take(most.saturating_add(1)).read_to_end(&mut content)?;
    if content.len() as u64 > most {
        return Err(io::Error::other(format!("it has more than {most} bytes")));
    }
    Ok(content)
}

/// Where the file is made before it appears under its own name.
pub fn draft_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".new");
    path.with_file_name(name)
}

/// Gives a finished and synced draft its name. Fails with `AlreadyExists` rather than replace a file.
///
/// # Errors
/// When the name is taken, or the operating system refuses.
pub fn publish(draft: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(draft, path) {
        Ok(()) => fs::remove_file(draft)?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
        // A file system without links: rename would replace, so look first.
        Err(_) if !path.try_exists()? => fs::rename(draft, path)?,
        Err(_) => return Err(io::ErrorKind::AlreadyExists.into()),
    }
    File::open(folder_of(path))?.sync_all()
}

/// Writes a whole file under a name that is still free.
///
/// # Errors
/// When the name is taken, or the operating system refuses.
pub fn write_new(path: &Path, content: &[u8], access: Access) -> io::Result<()> {
    if path.try_exists()? {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let draft = draft_of(path);
    // Of an earlier attempt that was cut short.
    match fs::remove_file(&draft) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let written = create(&draft, access).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    let published = written.and_then(|()| publish(&draft, path));
    if published.is_err() {
        let _ = fs::remove_file(&draft);
    }
    published
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_private_file_is_readable_by_its_owner_only_and_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(draft_of(&path), b"left over").unwrap();
        write_new(&path, b"one", Access::Private).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(
            write_new(&path, b"two", Access::Private).unwrap_err().kind(),
            io::ErrorKind::AlreadyExists
        );
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(make_private(&File::open(&path).unwrap()).unwrap());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_secret_that_others_may_read_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        write_new(&path, b"secret", Access::Private).unwrap();
        assert_eq!(*read_private(&path, 6).unwrap(), b"secret");
        assert!(read_private(&path, 5).unwrap_err().to_string().contains("more than 5 bytes"));
        for mode in [0o604, 0o644, 0o620, 0o602, 0o601] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let refused = read_private(&path, 6).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied, "{mode:o}");
            assert!(refused.to_string().contains("0600"), "{refused}");
        }
        assert!(read_private(folder.path(), 6).is_err());
    }
}
