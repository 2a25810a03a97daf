//! A file system that fills up.

use std::process::Command;

use super::*;

/// Set to 1 where tests may not mount a file system: a full disk is not tested there.
const NO_MOUNT: &str = "QUORATE_NO_MOUNT";

struct Disk(PathBuf);

impl Disk {
    /// So many kilobytes; nothing when this process can't mount and was told that this is no fault.
    fn mount(folder: &Path, kilobytes: u32) -> Option<Self> {
        let size = format!("size={kilobytes}k");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder).output();
        let reason = match mounted {
            Ok(output) if output.status.success() => return Some(Self(folder.to_owned())),
            Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            Err(error) => error.to_string(),
        };
        let told = std::env::var_os(NO_MOUNT).is_some_and(|value| value == "1");
        assert!(told, "no tmpfs can be mounted here ({reason}): set {NO_MOUNT}=1 to go without a full disk");
        None
    }

    fn resize(&self, kilobytes: u32) {
        let size = format!("remount,size={kilobytes}k");
        assert!(Command::new("mount").args(["-o", &size]).arg(&self.0).status().unwrap().success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(&self.0).status().ok();
    }
}

#[tokio::test]
async fn a_full_disk_is_told_loses_nothing_and_is_gone_on_from() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::mount(folder.path(), 256) else { return };
    let path = folder.path().join("audit");
    let options = Options::default().segment_bytes(50_000);
    let open = || Log::open(&path, Arc::new(identity(1)), SCOPE, options, &mut ChaCha8Rng::seed_from_u64(1));
    let log = open().unwrap();
    let mut written = 1;
    let big = |n: u64| event(n).text("memo", "x".repeat(6000));
    let error = loop {
        match log.append(big(written)).await {
            Ok(position) => written = position.seq,
            Err(error) => break error,
        }
        assert!(written < 1000, "this disk does not hold so much");
    };
    assert!(matches!(&error, AuditError::DiskFull { path: file } if file.starts_with(&path)), "{error}");
    let check = |entries: u64| {
        let report = verify_folder(&path, &Expect::default()).unwrap();
        assert!(report.is_sound(), "{:?}", report.problems);
        assert_eq!(report.entries, entries);
    };
    check(written);
    // It stays full.
    assert!(matches!(log.append(big(0)).await.unwrap_err(), AuditError::DiskFull { .. }));
    check(written);
    // There is room again.
    disk.resize(1024);
    for _ in 0..20 {
        written += 1;
        assert_eq!(log.append(big(0)).await.unwrap().seq, written);
    }
    check(written);
    log.close().await;
    let log = open().unwrap();
    assert_eq!(log.head().seq, written);
    assert_eq!(log.append(event(1)).await.unwrap().seq, written + 1);
}
