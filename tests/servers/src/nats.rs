//! `nats-server`, with JetStream.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::process::{Process, free_port};

/// A NATS server, on a port of its own that it keeps when it is started again.
#[derive(Debug)]
pub struct Nats {
    folder: TempDir,
    port: u16,
    process: Option<Process>,
}

impl Nats {
    /// One that lets anybody in, without TLS.
    #[must_use]
    pub fn start() -> Self {
        Self::configured("")
    }

    /// One with more in its configuration: who may connect, TLS.
    #[must_use]
    pub fn configured(more: &str) -> Self {
        let folder = TempDir::with_prefix("nats").unwrap();
        let port = free_port();
        let mut config = format!("host: 127.0.0.1\nport: {port}\nserver_name: tests\n");
        write!(config, "jetstream {{ store_dir: {:?} }}\n{more}\n", folder.path().join("jetstream")).unwrap();
        std::fs::write(folder.path().join("nats.conf"), config).unwrap();
        let mut nats = Self { folder, port, process: None };
        nats.resume();
        nats
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// A folder that goes with the server, for files that its configuration names.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A client of it, as anybody may have one.
    pub async fn client(&self) -> async_nats::Client {
        let options = async_nats::ConnectOptions::new().subscription_capacity(1 << 20);
        options.connect(self.url()).await.unwrap()
    }

    /// As `kill -9`. What JetStream has kept stays.
    pub fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill();
        }
    }

    /// Starts again after [`kill`](Self::kill), on the same port and with the same files.
    pub fn resume(&mut self) {
        let mut command = Command::new(program());
        command.arg("-c").arg(self.folder.path().join("nats.conf"));
        self.process = Some(Process::start(&mut command, self.port, &self.folder.path().join("log")));
    }

    /// It holds still: connections stay, and nothing passes, until [`go_on`](Self::go_on).
    pub fn hold(&self) {
        self.process.as_ref().unwrap().signal("STOP");
    }

    /// After [`hold`](Self::hold).
    pub fn go_on(&self) {
        self.process.as_ref().unwrap().signal("CONT");
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Debian has it in a folder that not everybody looks in.
fn program() -> PathBuf {
    let installed = PathBuf::from("/usr/sbin/nats-server");
    if installed.exists() { installed } else { PathBuf::from("nats-server") }
}
