//! Core images of running nodes.

use std::path::{Path, PathBuf};

use quorate_tests::Cluster;
use tokio::process::Command;

/// Writes an image of every node's memory.
///
/// # Errors
/// Why that is not possible here.
pub(super) async fn core_images(cluster: &Cluster, folder: &Path) -> Result<Vec<PathBuf>, String> {
    let mut images = Vec::new();
    for node in cluster.nodes() {
        let pid = node.pid().expect("a running node").to_string();
        let prefix = folder.join(&node.name);
        let output = Command::new("gcore").arg("-o").arg(&prefix).arg(&pid).output().await;
        let output = output.map_err(|error| format!("gcore (package gdb): {error}"))?;
        let image = PathBuf::from(format!("{}.{pid}", prefix.display()));
        if !image.exists() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("gcore: {}", said.lines().last().unwrap_or_default()));
        }
        images.push(image);
    }
    Ok(images)
}
