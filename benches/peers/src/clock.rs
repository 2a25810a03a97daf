//! Processor time, and who had to wait for whom.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// What this thread has computed so far: what else runs on the machine is not in it.
fn now() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The time that `work` computes.
pub(crate) fn time<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = now();
    let made = work();
    (made, now().saturating_sub(start))
}

/// So many of what is over in microseconds, one after the other: as where signatures are made all the time.
pub(crate) const IN_A_ROW: usize = 8;

/// The mean time that `work` computes on each of these.
pub(crate) fn time_each<T, U>(inputs: Vec<T>, work: impl FnMut(T) -> U) -> (Vec<U>, Duration) {
    let count = u32::try_from(inputs.len()).unwrap_or(1);
    let (made, took) = time(|| inputs.into_iter().map(work).collect());
    (made, took / count)
}

/// What each of the simulated parties has computed, and when it would be where it is, were each on a machine of its own and the network
/// without delay.
pub(crate) struct Clocks {
    busy: Vec<Duration>,
    at: Vec<Duration>,
}

impl Clocks {
    pub(crate) fn new(parties: usize) -> Self {
        Self { busy: vec![Duration::ZERO; parties], at: vec![Duration::ZERO; parties] }
    }

    /// Lets a party work.
    pub(crate) fn run<T>(&mut self, party: usize, work: impl FnOnce() -> T) -> T {
        let (made, took) = time(work);
        self.busy[party] += took;
        self.at[party] += took;
        made
    }

    /// When a message leaves a party.
    pub(crate) fn at(&self, party: usize) -> Duration {
        self.at[party]
    }

    /// A party can't go on before it has what was sent then.
    pub(crate) fn wait(&mut self, party: usize, sent: Duration) {
        self.at[party] = self.at[party].max(sent);
    }

    /// All parties together.
    pub(crate) fn total(&self) -> Duration {
        self.busy.iter().sum()
    }

    /// All parties together, divided by their number.
    pub(crate) fn per_party(&self) -> Duration {
        self.total() / u32::try_from(self.busy.len()).unwrap_or(1)
    }

    /// From the start until the last party has ended.
    pub(crate) fn critical_path(&self) -> Duration {
        self.at.iter().max().copied().unwrap_or_default()
    }
}
