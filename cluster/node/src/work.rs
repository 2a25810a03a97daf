//! Threads for work that takes long: the sessions of signatures must not wait for it.

use std::sync::Arc;

use rayon::{ThreadPool, ThreadPoolBuilder};
use tokio::sync::oneshot;

/// How much the threads for what nobody waits for give way to others (nice value).
const BACKGROUND_NICE: i32 = 15;

/// Threads of one node.
#[derive(Clone)]
pub(crate) struct Workers(Arc<ThreadPool>);

/// A thread ended before its work.
#[derive(Debug, thiserror::Error)]
#[error("the work broke off")]
pub(crate) struct BrokenOff;

impl Workers {
    /// Threads for what somebody waits for.
    ///
    /// # Errors
    /// The operating system gives no threads.
    pub(crate) fn foreground(threads: usize) -> std::io::Result<Self> {
        Self::new(threads, "work", || {})
    }

    /// Threads that give way to all others.
    ///
    /// # Errors
    /// The operating system gives no threads.
    pub(crate) fn background(threads: usize) -> std::io::Result<Self> {
        Self::new(threads, "background", give_way)
    }

    fn new(threads: usize, name: &'static str, at_start: fn()) -> std::io::Result<Self> {
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(move |number| format!("{name}-{number}"))
            .start_handler(move |_| at_start())
            .build()
            .map_err(std::io::Error::other)?;
        Ok(Self(Arc::new(pool)))
    }

    /// Does this on the threads. What it does in parallel is spread over them.
    ///
    /// # Errors
    /// It panicked.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, BrokenOff> {
        let (answer, result) = oneshot::channel();
        self.0.spawn(move || {
            // A panic would end the process.
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            if let Ok(done) = done {
                answer.send(done).ok();
            }
        });
        result.await.map_err(|_| BrokenOff)
    }
}

/// Lowers the priority of the calling thread, where the operating system has one for each.
pub(crate) fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, BACKGROUND_NICE) {
        tracing::debug!(%error, "a thread keeps its priority");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_that_panics_breaks_off_and_the_threads_go_on() {
        let workers = Workers::background(1).unwrap();
        assert!(workers.run(|| panic!("on purpose")).await.is_err());
        assert_eq!(workers.run(|| 7).await.unwrap(), 7);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn only_background_work_gives_way() {
        let nice = || rustix::process::getpriority_process(None).unwrap();
        let before = nice();
        let background = Workers::background(1).unwrap().run(nice).await.unwrap();
        assert_eq!(background, BACKGROUND_NICE);
        assert_eq!(Workers::foreground(1).unwrap().run(nice).await.unwrap(), before);
    }
}
