//! Core images of running nodes.

use std::path::{Path, PathBuf};

use quorate_tests::Cluster;
use tokio::process::Command;

/// Writes an image of every node's memory.
///
/// # Panics
/// When that is not possible: what was not searched does not count as clean.
pub(super) async fn core_images(cluster: &Cluster, folder: &Path) -> Vec<PathBuf> {
    let mut images = Vec::new();
    for node in cluster.nodes() {
        let pid = node.pid().expect("a running node").to_string();
        let prefix = folder.join(&node.name);
        let output = Command::new("gcore").arg("-o").arg(&prefix).arg(&pid).output().await;
        let output = output.unwrap_or_else(|error| panic!("gcore, of Debian's package gdb: {error}"));
        let image = PathBuf::from(format!("{}.{pid}", prefix.display()));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            image.exists(),
            "gcore can't read the memory of {} (is ptrace allowed here?): {said}",
            node.name
        );
        images.push(image);
    }
    images
}
