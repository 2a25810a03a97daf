//! A barrier that a test arms from outside, by a file, while the node runs.
//!
//! The file holds one [`Order`], such as `kill sign:stored`. A node that reaches the step consumes the file by
//! renaming it, so that the order is carried out once, and so that the test sees that it was.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use quorate_node::barrier::{Barrier, Step};
use rustix::process::{Signal, getpid, kill_process};

/// Names the file of orders.
pub const VARIABLE: &str = "QUORATE_TEST_BARRIER";

/// What happens to the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// SIGKILL, at once.
    Kill,
    /// SIGSTOP; goes on after SIGCONT.
    Stop,
}

/// What a node is to do at which step of which operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    fate: Fate,
    place: String,
}

impl Order {
    /// `place` is an operation and a step, such as `keygen:round-2`.
    #[must_use]
    pub fn new(fate: Fate, place: &str) -> Self {
        Self { fate, place: place.to_owned() }
    }

    fn read(text: &str) -> Option<Self> {
        let (fate, place) = text.trim().split_once(' ')?;
        let fate = match fate {
            "kill" => Fate::Kill,
            "stop" => Fate::Stop,
            _ => return None,
        };
        Some(Self::new(fate, place))
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fate = match self.fate {
            Fate::Kill => "kill",
            Fate::Stop => "stop",
        };
        write!(f, "{fate} {}", self.place)
    }
}

/// Where the order file goes when it has been carried out.
#[must_use]
pub fn consumed(file: &Path) -> PathBuf {
    file.with_extension("reached")
}

/// The barrier of a node under test.
#[derive(Debug)]
pub struct Ordered {
    file: PathBuf,
    carrying_out: Mutex<()>,
}

impl Ordered {
    /// The barrier that the environment asks for.
    #[must_use]
    pub fn from_environment() -> Option<Self> {
        let file = PathBuf::from(std::env::var_os(VARIABLE)?);
        Some(Self { file, carrying_out: Mutex::new(()) })
    }
}

impl Barrier for Ordered {
    fn reached(&self, operation: &str, step: Step) {
        let Ok(_one_at_a_time) = self.carrying_out.lock() else { return };
        let Ok(text) = fs::read_to_string(&self.file) else { return };
        let Some(order) = Order::read(&text) else { return };
        if order.place != format!("{operation}:{step}")
            || fs::rename(&self.file, consumed(&self.file)).is_err()
        {
            return;
        }
        match order.fate {
            Fate::Kill => {
                kill_process(getpid(), Signal::KILL).ok();
                std::thread::sleep(Duration::from_secs(3600));
            }
            Fate::Stop => {
                kill_process(getpid(), Signal::STOP).ok();
                // Another thread may take the signal, on a busy machine a good while later. Once it has, this one does
                // not come back from the kernel before SIGCONT.
                while is_stop_pending() {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        }
    }
}

/// Whether no thread of this process has taken a SIGSTOP yet.
fn is_stop_pending() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let pending = status.lines().find_map(|line| line.strip_prefix("ShdPnd:"));
    let pending = pending.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    pending.is_some_and(|mask| mask >> (Signal::STOP.as_raw() - 1) & 1 == 1)
}
