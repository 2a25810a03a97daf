//! One node: its folder, its process, its log.

use std::fs::{self, OpenOptions};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::barrier::{self, Order};
use crate::observed;
use crate::program::Program;
use crate::tie;

/// How long a process may take to end, or to reach a step.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a node may work before it comes to the step at which it is to be killed: safe primes are found by luck,
/// and by machines that run other tests meanwhile.
const LONG_WORK: Duration = Duration::from_secs(600);

/// A node of a test cluster, running or not.
#[derive(Debug)]
pub struct NodeProcess {
    /// Its name in the peers file.
    pub name: String,
    /// Everything it owns: configuration, identity, store, evidence, passphrase file.
    pub folder: PathBuf,
    /// Where its API is served.
    pub api: String,
    /// Where peers connect.
    pub peers: String,
    /// The binary.
    pub program: Program,
    /// Environment of its process.
    pub environment: Vec<(String, String)>,
    pub(crate) process: Mutex<Option<Child>>,
}

impl NodeProcess {
    /// Its log, of all its processes so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read(self.log_file())
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// The file of its log.
    #[must_use]
    pub fn log_file(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// The file of what it broadcast.
    #[must_use]
    pub fn broadcasts(&self) -> PathBuf {
        self.folder.join("broadcasts")
    }

    /// Its configuration.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.folder.join("node.yaml")
    }

    /// Its store.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.folder.join("store.redb")
    }

    /// The file of its passphrase.
    #[must_use]
    pub fn passphrase_file(&self) -> PathBuf {
        self.folder.join("passphrase")
    }

    fn order_file(&self) -> PathBuf {
        self.folder.join("order")
    }

    /// Starts its process.
    ///
    /// # Panics
    /// When it runs already, or can't be started.
    pub fn start(&self) {
        let mut process = self.process.lock().unwrap();
        assert!(process.is_none(), "{} runs already", self.name);
        let log = OpenOptions::new().create(true).append(true).open(self.log_file()).expect("log file");
        let mut command = self.program.command();
        command
            .args(["node", "start", "--config"])
            .arg(self.config())
            .env(tie::VARIABLE, "1")
            .env(barrier::VARIABLE, self.order_file())
            .env(observed::VARIABLE, self.broadcasts())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("log file"))
            .stderr(log);
        *process = Some(command.spawn().expect("the node's process"));
    }

    /// Whether its process runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        let mut process = self.process.lock().unwrap();
        process.as_mut().is_some_and(|child| child.try_wait().is_ok_and(|ended| ended.is_none()))
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.lock().unwrap().as_ref().map(Child::id)
    }

    fn signal(&self, signal: Signal) {
        let process = self.process.lock().unwrap();
        let child = process.as_ref().unwrap_or_else(|| panic!("{} does not run", self.name));
        kill_process(Pid::from_child(child), signal).unwrap();
    }

    /// SIGKILL, and the end of the process.
    pub fn kill(&self) {
        if let Some(mut child) = self.process.lock().unwrap().take() {
            child.kill().ok();
            child.wait().ok();
        }
    }

    /// SIGSTOP, and the moment when all its threads have stopped: silent from now on.
    ///
    /// # Panics
    /// When they don't.
    pub async fn pause(&self) {
        self.signal(Signal::STOP);
        let tasks = format!("/proc/{}/task", self.pid().unwrap());
        let stopped = || {
            fs::read_dir(&tasks).unwrap().flatten().all(|task| {
                // pid (command) state …
                let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
                stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
            })
        };
        let started = Instant::now();
        while !stopped() {
            assert!(started.elapsed() < PATIENCE, "{} does not stop", self.name);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// SIGCONT.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    fn reap(&self) -> Option<ExitStatus> {
        let mut process = self.process.lock().unwrap();
        let child = process.as_mut().unwrap_or_else(|| panic!("{} was not started", self.name));
        let ended = child.try_wait().unwrap();
        if ended.is_some() {
            *process = None;
        }
        ended
    }

    /// Waits for the end of its process.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn ended(&self) -> ExitStatus {
        self.ended_within(PATIENCE).await
    }

    async fn ended_within(&self, patience: Duration) -> ExitStatus {
        let started = Instant::now();
        while started.elapsed() < patience {
            if let Some(status) = self.reap() {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("{} did not end; its log:\n{}", self.name, self.log());
    }

    /// Orders the node to be killed or stopped at a step.
    pub fn order(&self, order: &Order) {
        fs::remove_file(barrier::consumed(&self.order_file())).ok();
        // Written elsewhere first: the node never reads half an order.
        let draft = self.folder.join("order.draft");
        fs::write(&draft, order.to_string()).unwrap();
        fs::rename(draft, self.order_file()).unwrap();
    }

    /// Whether the order has been carried out.
    #[must_use]
    pub fn is_order_done(&self) -> bool {
        barrier::consumed(&self.order_file()).exists()
    }

    /// Takes back an order that was not carried out; `true` if there was one.
    pub fn withdraw(&self) -> bool {
        fs::remove_file(self.order_file()).is_ok()
    }

    /// Waits until the node was killed at the step of its order.
    ///
    /// # Panics
    /// When it ends otherwise.
    pub async fn killed_by_order(&self) {
        let status = self.ended_within(LONG_WORK).await;
        assert_eq!(status.signal(), Some(9), "{}: {status}; its log:\n{}", self.name, self.log());
        assert!(self.is_order_done(), "{} was killed by somebody else", self.name);
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Writes a file that only its owner may read.
///
/// # Panics
/// When that fails.
pub fn write_private(file: &Path, content: &str) {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(file).unwrap();
    file.write_all(content.as_bytes()).unwrap();
}
