//! Asking, as fast or as often as told, and noting how long each answer takes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use quorate_client::{Client, ClientError};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

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
    pub(super) started: Instant,
}

/// What came of it.
pub(super) struct Measured {
    /// In microseconds.
    pub(super) latencies: Histogram<u64>,
    /// Answers that came while it was measured.
    pub(super) in_time: u64,
    /// How often which failure came.
    pub(super) failures: BTreeMap<String, u64>,
    /// Beats of an open loop on which nothing was asked, because too much was waiting.
    pub(super) skipped: u64,
    pub(super) elapsed: Duration,
}

/// A request's number, when it was due, when it was answered, and why it failed if it did.
struct Answered {
    due: Instant,
    at: Instant,
    failure: Option<String>,
}

/// An answer that does not verify.
pub(super) fn wrong() -> ClientError {
    ClientError::InvalidRequest("the cluster answered with a wrong signature".into())
}

pub(super) async fn run<F, A>(load: &Load, clients: &[Client], ask: F) -> Measured
where
    F: Fn(Client, u64) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Result<(), ClientError>> + Send + 'static,
{
    let from = load.started + load.warm_up;
    let until = from + load.duration;
    let (answered, skipped) = match load.pace {
        Pace::Closed { clients: count } => {
            let clients: Vec<_> = clients.iter().cycle().take(count.into()).cloned().collect();
            (closed(&clients, until, ask).await, 0)
        }
        Pace::Open { rate } => open(clients, (load.started, from, until), rate, ask).await,
    };
    // Two figures after the point are more than a machine repeats.
    let mut latencies = Histogram::new(3).unwrap_or_else(|_| unreachable!("three digits are allowed"));
    latencies.auto(true);
    let mut failures: BTreeMap<String, u64> = BTreeMap::new();
    let mut in_time = 0_u64;
    for Answered { due, at, failure } in answered {
        // Latency is that of all requests that were due in time, however late the answer; what counts for the rate is
        // when the answer came.
        if failure.is_none() && (from..until).contains(&at) {
            in_time += 1;
        }
        match failure {
            _ if !(from..until).contains(&due) => {}
            // Its range grows as needed.
            None => drop(latencies.record(micros(at - due))),
            Some(failure) => *failures.entry(failure).or_default() += 1,
        }
    }
    Measured { latencies, in_time, failures, skipped, elapsed: load.duration }
}

async fn closed<F, A>(clients: &[Client], until: Instant, ask: F) -> Vec<Answered>
where
    F: Fn(Client, u64) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Result<(), ClientError>> + Send + 'static,
{
    let number = Arc::new(AtomicU64::new(0));
    let mut asking = JoinSet::new();
    for client in clients {
        let (client, ask, number) = (client.clone(), ask.clone(), Arc::clone(&number));
        asking.spawn(async move {
            let mut answered = Vec::new();
            while Instant::now() < until {
                let due = Instant::now();
                let result = ask(client.clone(), number.fetch_add(1, Ordering::Relaxed)).await;
                answered.push(Answered { due, at: Instant::now(), failure: result.err().map(name) });
            }
            answered
        });
    }
    asking.join_all().await.into_iter().flatten().collect()
}

async fn open<F, A>(
    clients: &[Client],
    (started, from, until): (Instant, Instant, Instant),
    rate: u32,
    ask: F,
) -> (Vec<Answered>, u64)
where
    F: Fn(Client, u64) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Result<(), ClientError>> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(MAX_WAITING));
    let mut asking = JoinSet::new();
    let mut answered = Vec::new();
    let mut skipped = 0;
    let beats = clients.iter().cycle().zip(0_u64..);
    for (client, number) in beats {
        let due = started + Duration::from_secs(1).mul_f64(number as f64 / f64::from(rate));
        if due >= until {
            break;
        }
        tokio::time::sleep_until(due.into()).await;
        while let Some(done) = asking.try_join_next() {
            answered.extend(done.ok());
        }
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            if due >= from {
                skipped += 1;
            }
            continue;
        };
        let asked = ask(client.clone(), number);
        asking.spawn(async move {
            let result = asked.await;
            drop(place);
            Answered { due, at: Instant::now(), failure: result.err().map(name) }
        });
    }
    answered.extend(asking.join_all().await);
    (answered, skipped)
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
