//! A disk that is full.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use quorate_tests::Cluster;
use quorate_tests::node::NodeProcess;

/// Set to 1 where tests may not mount a file system: a full disk is not tested there.
const NO_MOUNT: &str = "QUORATE_NO_MOUNT";

/// A mounted file system, unmounted when dropped.
pub(crate) struct Disk(PathBuf);

impl Disk {
    /// A megabyte; nothing when this process can't mount and was told that this is no fault.
    ///
    /// # Panics
    /// When it can't mount and was not told so.
    pub(crate) fn mount(folder: &Path) -> Option<Self> {
        fs::create_dir(folder).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs"])
            .arg(folder)
            .output();
        let reason = match mounted {
            Ok(output) if output.status.success() => return Some(Self(folder.to_owned())),
            Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            Err(error) => error.to_string(),
        };
        let told = std::env::var_os(NO_MOUNT).is_some_and(|value| value == "1");
        assert!(told, "no tmpfs can be mounted here ({reason}): set {NO_MOUNT}=1 to go without a full disk");
        None
    }

    /// Where a node's store is on it.
    pub(crate) fn store(&self) -> PathBuf {
        self.0.join("store.redb")
    }

    /// The rest of the disk, but for so many bytes, is somebody else's.
    pub(crate) fn fill_but_for(&self, left: u64) {
        let mut filler = fs::File::create(self.0.join("filler")).unwrap();
        while std::io::Write::write_all(&mut filler, &[1; 4096]).is_ok() {}
        let length = filler.metadata().unwrap().len();
        filler.set_len(length.saturating_sub(left)).unwrap();
    }

    pub(crate) fn make_room(&self) {
        fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(&self.0).status().ok();
    }
}

/// What the fault table says where no disk can be full.
pub(crate) fn skipped() -> String {
    format!("SKIPPED: {NO_MOUNT}=1, no tmpfs can be mounted")
}

/// Starts a cluster in which this node has its store on a small disk.
///
/// # Errors
/// That none can be mounted here, as the fault table says it.
pub(crate) async fn with_a_small_disk(cluster: Cluster, number: usize) -> Result<(Cluster, Disk), String> {
    let node = cluster.node(number);
    let Some(disk) = Disk::mount(&node.folder.join("disk")) else {
        return Err(skipped());
    };
    let store = disk.store();
    let copied = Command::new("cp").arg("--sparse=always").arg(node.store()).arg(&store).status().unwrap();
    assert!(copied.success());
    let config = fs::read_to_string(node.config()).unwrap();
    fs::write(node.config(), config.replace(node.store().to_str().unwrap(), store.to_str().unwrap()))
        .unwrap();
    cluster.nodes().iter().for_each(NodeProcess::start);
    cluster.ready().await;
    Ok((cluster, disk))
}
