//! The program under test, and runs of its commands.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

/// What a command may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a process may inherit; the rest of this environment is not its business.
const INHERITED: &[&str] =
    &["PATH", "HOME", "TMPDIR", "QUORATE_CHECK_RUN", "LLVM_PROFILE_FILE", "RUST_BACKTRACE"];

/// A binary with the command line of `quorate`.
#[derive(Debug, Clone)]
pub struct Program(PathBuf);

/// How a command ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Exit code; `None` after a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Program {
    /// The binary at this path, `env!("CARGO_BIN_EXE_…")`.
    #[must_use]
    pub fn at(path: &str) -> Self {
        Self(PathBuf::from(path))
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A command in a clean environment.
    #[must_use]
    pub fn command(&self) -> std::process::Command {
        let mut command = std::process::Command::new(&self.0);
        command.env_clear();
        for name in INHERITED {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
    }

    /// Runs a command to its end.
    pub async fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Ended {
        self.run_with(&[], arguments).await
    }

    /// Runs a command with these environment variables.
    ///
    /// # Panics
    /// When it can't be started, or does not end in time.
    pub async fn run_with<S: AsRef<OsStr>>(
        &self,
        environment: &[(&str, &str)],
        arguments: impl IntoIterator<Item = S>,
    ) -> Ended {
        let mut command = self.command();
        command.args(arguments).envs(environment.iter().copied()).stdin(Stdio::null());
        end_of(command).await
    }

    /// Runs a command that must succeed, and gives its output.
    ///
    /// # Panics
    /// When it fails.
    pub async fn succeed<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> String {
        let arguments: Vec<_> = arguments.into_iter().map(|argument| argument.as_ref().to_owned()).collect();
        let ended = self.run(&arguments).await;
        assert_eq!(ended.code, Some(0), "{arguments:?}: {}", ended.stderr);
        ended.stdout
    }
}

/// Runs a command to its end; it is killed if that takes too long or the test ends first.
///
/// # Panics
/// When it can't be started, or does not end in time.
pub async fn end_of(command: std::process::Command) -> Ended {
    let shown = format!("{command:?}");
    let output = Command::from(command).kill_on_drop(true).output();
    let output = tokio::time::timeout(PATIENCE, output).await;
    let output = output
        .unwrap_or_else(|_| panic!("{shown} did not end"))
        .unwrap_or_else(|error| panic!("{shown}: {error}"));
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
