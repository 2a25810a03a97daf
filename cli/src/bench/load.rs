//! Asking, as fast or as often as told, and noting how long each answer takes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use quorate_client::{Client, ClientError};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};

use crate::progress;

/// Requests of an open loop that may wait for their answers.
const MAX_WAITING: usize = 16 * 1024;

/// How requests follow each other.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pace {
    /// So many clients, each asking as soon as it has its answer.
    Closed { clients: u16 },
    /// So many requests a second, on the beat. Latency counts from the beat: a request that had to wait for its turn waited.
    Open { rate: u32 },
}

pub(super) struct Load {
    pub(super) pace: Pace,
    pub(super) warm_up: Duration,
    pub(super) duration: Duration,
    /// How long answers are waited for that have not come when the time is over.
    pub(super) patience: Duration,
}

/// What came of it.
pub(super) struct Measured<S> {
    /// In microseconds.
    pub(super) latencies: Histogram<u64>,
    /// Answers that came while it was measured.
    pub(super) in_time: u64,
    /// How often which failure came.
    pub(super) failures: BTreeMap<String, u64>,
    /// Beats of an open loop on which nothing was asked, because too much was waiting.
    pub(super) skipped: u64,
    /// Requests that were answered after the time was over, whenever they were asked; and those that failed then.
    pub(super) late: u64,
    pub(super) late_failures: u64,
    /// Requests that neither were answered nor failed, as long as anybody waited. They are in no other figure.
    pub(super) abandoned: u64,
    pub(super) elapsed: Duration,
    /// Of the beginning and the end of the time that was measured.
    pub(super) samples: (S, S),
}

impl<S> Measured<S> {
    /// Requests that had no answer when the time was over.
    pub(super) fn unanswered(&self) -> u64 {
        self.late + self.late_failures + self.abandoned
    }
}

/// What has been asked and answered so far, for all who ask.
pub(super) struct Tally {
    started: Instant,
    from: Instant,
    until: Instant,
    counts: Mutex<Counts>,
}

struct Counts {
    asked: u64,
    ended: u64,
    failed: u64,
    in_time: u64,
    late: u64,
    late_failures: u64,
    latencies: Histogram<u64>,
    failures: BTreeMap<String, u64>,
}

impl Tally {
    fn new(load: &Load) -> Self {
        // Two figures after the point are more than a machine repeats.
        let mut latencies = Histogram::new(3).unwrap_or_else(|_| unreachable!("three digits are allowed"));
        latencies.auto(true);
        let counts = Counts {
            asked: 0,
            ended: 0,
            failed: 0,
            in_time: 0,
            late: 0,
            late_failures: 0,
            latencies,
            failures: BTreeMap::new(),
        };
        let started = Instant::now();
        let from = started + load.warm_up;
        Self { started, from, until: from + load.duration, counts: Mutex::new(counts) }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // Nothing that is done under it can panic.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unanswered(&self) -> u64 {
        let counts = self.counts();
        counts.asked - counts.ended
    }

    /// Asks, and notes how that ended. A request that is dropped before has been asked and never ended.
    async fn note(&self, due: Instant, asked: impl Future<Output = Result<(), ClientError>>) {
        self.counts().asked += 1;
        let result = asked.await;
        self.end(due, Instant::now(), result.err().map(name));
    }

    fn end(&self, due: Instant, at: Instant, failure: Option<String>) {
        let measured = self.from..self.until;
        let mut counts = self.counts();
        counts.ended += 1;
        counts.failed += u64::from(failure.is_some());
        // Latency is that of all requests that were due in time, however late the answer; what counts for the rate is
        // when the answer came.
        let due_in_time = measured.contains(&due);
        match failure {
            None => {
                counts.in_time += u64::from(measured.contains(&at));
                counts.late += u64::from(at >= self.until);
                if due_in_time {
                    // Its range grows as needed.
                    counts.latencies.record(micros(at - due)).ok();
                }
            }
            Some(failure) => {
                counts.late_failures += u64::from(at >= self.until);
                if due_in_time {
                    *counts.failures.entry(failure).or_default() += 1;
                }
            }
        }
    }

    /// How far it is, in a line.
    pub(super) fn progress(&self) -> String {
        let now = Instant::now();
        let (ended, failed) = {
            let counts = self.counts();
            (counts.ended, counts.failed)
        };
        let so_far = match failed {
            0 => format!("{ended} answers"),
            _ => format!("{} answers, {failed} failures", ended - failed),
        };
        if now < self.from {
            let whole = (self.from - self.started).as_secs();
            return format!("warming up for {whole} s: {so_far}");
        }
        if now >= self.until {
            return format!("waiting for the last {} answers", self.unanswered());
        }
        let (gone, whole) = (now - self.from, self.until - self.from);
        let bar = progress::bar(gone.as_secs_f64() / whole.as_secs_f64());
        format!("measuring {bar} {} of {} s: {so_far}", gone.as_secs(), whole.as_secs())
    }
}

/// Loads a cluster, samples it at both ends of the time that is measured, and lets somebody watch.
pub(super) async fn run<F, A, S, W>(
    load: &Load,
    clients: &[Client],
    ask: F,
    sample: impl AsyncFn() -> S,
    watch: impl FnOnce(Arc<Tally>) -> W,
) -> Measured<S>
where
    F: Fn(Client, u64) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Result<(), ClientError>> + Send + 'static,
{
    let tally = Arc::new(Tally::new(load));
    let watching = watch(Arc::clone(&tally));
    let mut asking = JoinSet::new();
    let loading = async {
        match load.pace {
            Pace::Closed { clients: count } => {
                let clients = clients.iter().cycle().take(count.into()).cloned().collect();
                closed(&mut asking, &tally, clients, ask);
                0
            }
            Pace::Open { rate } => open(&mut asking, &tally, clients, rate, ask).await,
        }
    };
    let sampling = async {
        sleep_until(tally.from.into()).await;
        let before = sample().await;
        sleep_until(tally.until.into()).await;
        (before, sample().await)
    };
    let (skipped, samples) = tokio::join!(loading, sampling);
    let last = async { while asking.join_next().await.is_some() {} };
    // What has not ended by then is counted, and dropped.
    timeout(load.patience, last).await.ok();
    asking.shutdown().await;
    drop(watching);
    let abandoned = tally.unanswered();
    let counts = tally.counts();
    Measured {
        latencies: counts.latencies.clone(),
        in_time: counts.in_time,
        failures: counts.failures.clone(),
        skipped,
        late: counts.late,
        late_failures: counts.late_failures,
        abandoned,
        elapsed: load.duration,
        samples,
    }
}

fn closed<F, A>(asking: &mut JoinSet<()>, tally: &Arc<Tally>, clients: Vec<Client>, ask: F)
where
    F: Fn(Client, u64) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Result<(), ClientError>> + Send + 'static,
{
    let number = Arc::new(AtomicU64::new(0));
    for client in clients {
        let (ask, number, tally) = (ask.clone(), Arc::clone(&number), Arc::clone(tally));
        asking.spawn(async move {
            while Instant::now() < tally.until {
                let asked = ask(client.clone(), number.fetch_add(1, Ordering::Relaxed));
                tally.note(Instant::now(), asked).await;
            }
        });
    }
}

/// Gives the beats that were due while it was measured and left out.
async fn open<F, A>(
    asking: &mut JoinSet<()>,
    tally: &Arc<Tally>,
    clients: &[Client],
    rate: u32,
    ask: F,
) -> u64
where
    F: Fn(Client, u64) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Result<(), ClientError>> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(MAX_WAITING));
    let mut skipped = 0;
    let beats = clients.iter().cycle().zip(0_u64..);
    for (client, number) in beats {
        let due = tally.started + Duration::from_secs(1).mul_f64(number as f64 / f64::from(rate));
        if due >= tally.until {
            break;
        }
        sleep_until(due.into()).await;
        while asking.try_join_next().is_some() {}
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            skipped += u64::from(due >= tally.from);
            continue;
        };
        let (asked, tally) = (ask(client.clone(), number), Arc::clone(tally));
        asking.spawn(async move {
            tally.note(due, asked).await;
            drop(place);
        });
    }
    skipped
}

/// A failure, without what is different each time.
#[allow(clippy::needless_pass_by_value, reason = "it is what `map` hands over")]
fn name(error: ClientError) -> String {
    match error.api() {
        Some(body) => body.code.to_string(),
        None => error.to_string(),
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn clients() -> Vec<Client> {
        vec![Client::gateway(http::Uri::from_static("http://127.0.0.1:1")).unwrap()]
    }

    /// Requests that take a few milliseconds, but for one that hangs, one that is slow to answer and one that is slow to
    /// fail.
    async fn answer(_: Client, number: u64) -> Result<(), ClientError> {
        match number {
            3 => std::future::pending().await,
            4 => tokio::time::sleep(Duration::from_millis(700)).await,
            5 => {
                tokio::time::sleep(Duration::from_millis(700)).await;
                return Err(ClientError::InvalidRequest("wrong".into()));
            }
            _ => tokio::time::sleep(Duration::from_millis(5)).await,
        }
        Ok(())
    }

    async fn measure(pace: Pace, warm_up: u64) -> (Measured<Instant>, Instant) {
        let load = Load {
            pace,
            warm_up: Duration::from_millis(warm_up),
            duration: Duration::from_millis(500),
            patience: Duration::from_millis(1500),
        };
        let started = Instant::now();
        (run(&load, &clients(), answer, async || Instant::now(), |_| ()).await, started)
    }

    #[tokio::test]
    async fn requests_without_an_answer_at_the_end_are_counted() {
        // All clients but one meet one of the three.
        let (measured, _) = measure(Pace::Closed { clients: 4 }, 0).await;
        assert!((3..=4).contains(&measured.unanswered()), "{}", measured.unanswered());
        assert_eq!((measured.abandoned, measured.late_failures), (1, 1));
        assert_eq!(measured.failures.values().sum::<u64>(), 1);
        // What was answered in time, and then; never what was not answered.
        assert_eq!(measured.latencies.len(), measured.in_time + measured.late);
        assert!(measured.latencies.max() >= 700_000);

        let (measured, _) = measure(Pace::Open { rate: 50 }, 0).await;
        assert_eq!((measured.abandoned, measured.late_failures, measured.skipped), (1, 1, 0));
        // The beats of half a second.
        assert_eq!(measured.latencies.len() + 2, 25);
    }

    #[tokio::test]
    async fn a_request_that_hangs_since_the_warm_up_is_counted_too() {
        let (measured, _) = measure(Pace::Closed { clients: 4 }, 200).await;
        assert_eq!(measured.abandoned, 1);
        // Those that were due before are in no other figure.
        assert_eq!(measured.failures.len(), 0);
        assert!(measured.latencies.max() < 700_000);
    }

    #[tokio::test]
    async fn samples_are_of_the_ends_of_what_is_measured() {
        let (measured, started) = measure(Pace::Closed { clients: 1 }, 100).await;
        let (before, after) = measured.samples;
        assert!(before - started >= Duration::from_millis(100));
        assert!(after - started >= Duration::from_millis(600));
        // Not after the wait for the last answers.
        assert!(after - started < Duration::from_millis(600 + 1500));
    }
}
