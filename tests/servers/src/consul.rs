//! `consul`, as an agent that is a cluster of its own and keeps nothing.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::process::{Process, free_port};

/// How long an agent may take to lead itself.
const PATIENCE: Duration = Duration::from_secs(30);

/// An agent of Consul in its development mode, on ports of its own that it keeps when it is started again.
#[derive(Debug)]
pub struct Consul {
    folder: TempDir,
    port: u16,
    process: Option<Process>,
}

impl Consul {
    /// One that lets anybody do anything, without TLS.
    #[must_use]
    pub fn start() -> Self {
        Self::configured("{}")
    }

    /// One with more in its configuration, in JSON: tokens, TLS.
    #[must_use]
    pub fn configured(more: &str) -> Self {
        let folder = TempDir::with_prefix("consul").unwrap();
        let port = free_port();
        let ports = format!(
            r#"{{"ports": {{"http": {port}, "https": -1, "dns": -1, "grpc": -1, "grpc_tls": -1,
                "server": {}, "serf_lan": {}, "serf_wan": -1}}}}"#,
            free_port(),
            free_port()
        );
        std::fs::write(folder.path().join("1-ports.json"), ports).unwrap();
        std::fs::write(folder.path().join("2-more.json"), more).unwrap();
        let mut consul = Self { folder, port, process: None };
        consul.resume();
        consul
    }

    /// Where it is, in plain HTTP.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A folder that goes with the agent, for files that its configuration names.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What its HTTP API answers to whoever asks.
    #[must_use]
    pub fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        // Of this version answers come in one piece.
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
    }

    /// What an operator asks of it on the command line.
    ///
    /// # Panics
    /// When it refuses.
    pub fn command(&self, arguments: &[&str]) -> String {
        self.command_with(arguments, None).unwrap_or_else(|said| panic!("consul {arguments:?}: {said}"))
    }

    /// The same with a token. An error is what it says when it refuses.
    pub fn command_with(&self, arguments: &[&str], token: Option<&str>) -> Result<String, String> {
        let mut command = Command::new(program());
        command.args(arguments).env("CONSUL_HTTP_ADDR", self.url());
        if let Some(token) = token {
            command.env("CONSUL_HTTP_TOKEN", token);
        }
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() { Ok(text) } else { Err(text + &String::from_utf8_lossy(&output.stderr)) }
    }

    /// As `kill -9`. It forgets everything.
    pub fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill();
        }
    }

    /// Starts again after [`kill`](Self::kill), on the same ports.
    pub fn resume(&mut self) {
        let mut command = Command::new(program());
        command.args(["agent", "-dev", "-bind", "127.0.0.1", "-client", "127.0.0.1", "-log-level", "warn"]);
        command.arg("-config-dir").arg(self.folder.path());
        let log = self.folder.path().join("log");
        self.process = Some(Process::start(&mut command, self.port, &log));
        let start = Instant::now();
        while self
            .command_with(&["operator", "raft", "list-peers"], None)
            .is_err_and(|said| !said.contains("403"))
        {
            assert!(start.elapsed() < PATIENCE, "{}", std::fs::read_to_string(&log).unwrap_or_default());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// It holds still: connections stay, and nothing is answered, until [`go_on`](Self::go_on).
    pub fn hold(&self) {
        self.process.as_ref().unwrap().signal("STOP");
    }

    /// After [`hold`](Self::hold).
    pub fn go_on(&self) {
        self.process.as_ref().unwrap().signal("CONT");
    }
}

impl Drop for Consul {
    fn drop(&mut self) {
        self.kill();
    }
}

/// An installed one, or the one that `./check` has built.
fn program() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    let built = cache.map(|cache| cache.join("quorate/tools/bin/consul"));
    built.filter(|built| built.exists()).unwrap_or_else(|| PathBuf::from("consul"))
}
