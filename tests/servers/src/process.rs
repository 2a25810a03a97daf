//! Programs as children of a test.

use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a server may take to listen.
const PATIENCE: Duration = Duration::from_secs(30);

/// A port of the loopback interface where nobody listens now.
#[must_use]
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A running server, killed when dropped.
#[derive(Debug)]
pub(crate) struct Process(Child);

impl Process {
    /// Starts a program and waits until it listens. Its words go to `log`.
    pub(crate) fn start(command: &mut Command, port: u16, log: &Path) -> Self {
        let program = command.get_program().to_string_lossy().into_owned();
        let output = File::options().create(true).append(true).open(log).unwrap();
        command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{program} is needed: ./check installs it ({error})"));
        let mut process = Self(child);
        let start = Instant::now();
        while TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).is_err() {
            let ended = process.0.try_wait().unwrap();
            let said = || std::fs::read_to_string(log).unwrap_or_default();
            assert!(ended.is_none(), "{program} ended, {}:\n{}", ended.unwrap(), said());
            assert!(start.elapsed() < PATIENCE, "{program} does not listen on port {port}:\n{}", said());
            sleep(Duration::from_millis(10));
        }
        process
    }

    /// As `kill -9`.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    /// Another signal, by name: `STOP`, `CONT`, `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.0.id().to_string()).status();
        assert!(sent.unwrap().success());
    }

    fn end(&mut self) {
        // It may have ended by itself.
        let _dead = self.0.kill();
        let _reaped = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}
