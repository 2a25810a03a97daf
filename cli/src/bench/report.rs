//! What was measured, for people and programs.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use quorate_request::{KeygenRequest, WalletView};
use serde::Serialize;

use super::Common;
use super::load::{Measured, Pace};
use super::presigning::Presigned;
use crate::output;

#[derive(Debug, Serialize)]
pub(super) struct Report {
    operation: String,
    threshold: u16,
    total: u16,
    curve: String,
    /// The wallet's signature scheme; nothing of key generations.
    #[serde(skip_serializing_if = "Option::is_none")]
    scheme: Option<String>,
    /// What was made before anything was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    presigned: Option<Presigned>,
    /// Clients of a closed loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    clients: Option<u16>,
    /// Requests per second of an open loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<u32>,
    seconds: f64,
    warm_up_seconds: u64,
    /// Answers that came while it was measured: the rate is made of them.
    answered: u64,
    /// Requests that were due meanwhile and were answered, then or later: the latencies are theirs.
    timed: u64,
    per_second: f64,
    /// How often which error came.
    failures: BTreeMap<String, u64>,
    /// Requests of an open loop that were not sent, because too many waited.
    skipped: u64,
    /// Requests that had no answer when the time was over, whenever they were asked. A closed loop has one for each client.
    unanswered: u64,
    /// Those of them that were answered while they were waited for: in the latencies, if they were due in time.
    answered_late: u64,
    /// Those of them that failed then: among the failures, if they were due in time.
    failed_late: u64,
    /// Those of them that neither were answered nor failed: in no other figure.
    abandoned: u64,
    latency_ms: Latency,
    /// Bounds in milliseconds, and how many answers took at most so long but longer than the bound before.
    histogram: Vec<Bucket>,
    /// From the start of the first process until all nodes are ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    ready_after_ms: Option<u64>,
    /// What the processes that were started for this used meanwhile.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    nodes: Vec<NodeUsage>,
}

#[derive(Debug, Default, Serialize)]
struct Latency {
    min: f64,
    mean: f64,
    p50: f64,
    p90: f64,
    p99: f64,
    p999: f64,
    max: f64,
}

#[derive(Debug, Serialize)]
struct Bucket {
    up_to_ms: f64,
    count: u64,
}

/// What a process has used so far, as the kernel counts it.
#[derive(Debug, Clone)]
pub(super) struct Usage {
    name: String,
    memory_kib: u64,
    peak_kib: u64,
    cpu: Duration,
    /// What the node itself counts; it says nothing when it does not answer.
    fsyncs: Option<u64>,
}

#[derive(Debug, Serialize)]
struct NodeUsage {
    name: String,
    /// Resident memory at the end of what was measured.
    memory_mib: f64,
    /// The most that was ever resident.
    peak_mib: f64,
    /// Processor time that was used while it was measured, of all cores together, for each answer that came meanwhile.
    cpu_ms_per_answer: Option<f64>,
    /// fsyncs of its store meanwhile, for each of those answers.
    fsyncs_per_answer: Option<f64>,
}

impl Usage {
    /// Of a process; zeros where the kernel does not say.
    pub(super) fn of(name: &str, pid: u32) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let kib = |field: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(field));
            line.and_then(|value| value.split_whitespace().next()?.parse().ok()).unwrap_or_default()
        };
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The name in parentheses may hold anything; utime and stime are the 12th and 13th field after it.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks =
            |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or_default();
        let ticks = ticks(11).saturating_add(ticks(12));
        let per_second = rustix::param::clock_ticks_per_second().max(1);
        let cpu = Duration::from_secs_f64(ticks as f64 / per_second as f64);
        Self { name: name.to_owned(), memory_kib: kib("VmRSS:"), peak_kib: kib("VmHWM:"), cpu, fsyncs: None }
    }

    /// Adds what the node's metrics say.
    pub(super) fn metrics(&mut self, text: &str) {
        let line = text.lines().find_map(|line| line.strip_prefix("quorate_store_fsyncs_total "));
        self.fsyncs = line.and_then(|count| count.trim().parse().ok());
    }
}

impl Report {
    pub(super) fn new(common: &Common, keygen: &KeygenRequest, operation: &str) -> Self {
        let (clients, rate) = match common.pace() {
            Pace::Closed { clients } => (Some(clients), None),
            Pace::Open { rate } => (None, Some(rate)),
        };
        Self {
            operation: operation.to_owned(),
            threshold: keygen.threshold,
            total: keygen.total,
            curve: keygen.curve.clone(),
            scheme: None,
            presigned: None,
            clients,
            rate,
            seconds: 0.0,
            warm_up_seconds: common.warm_up,
            answered: 0,
            timed: 0,
            per_second: 0.0,
            failures: BTreeMap::new(),
            skipped: 0,
            unanswered: 0,
            answered_late: 0,
            failed_late: 0,
            abandoned: 0,
            latency_ms: Latency::default(),
            histogram: Vec::new(),
            ready_after_ms: None,
            nodes: Vec::new(),
        }
    }

    /// Says of the wallet that signed what it is.
    pub(super) fn wallet(&mut self, wallet: &WalletView) {
        self.threshold = wallet.threshold;
        self.total = wallet.total;
        self.curve.clone_from(&wallet.curve);
        self.scheme = Some(wallet.scheme.clone());
    }

    pub(super) fn presigned(&mut self, presigned: Presigned) {
        self.presigned = Some(presigned);
    }

    pub(super) fn measured<S>(&mut self, measured: &Measured<S>) {
        let Measured { latencies, in_time, failures, skipped, elapsed, .. } = measured;
        self.unanswered = measured.unanswered();
        self.answered_late = measured.late;
        self.failed_late = measured.late_failures;
        self.abandoned = measured.abandoned;
        self.seconds = elapsed.as_secs_f64();
        self.answered = *in_time;
        self.timed = latencies.len();
        self.per_second = *in_time as f64 / self.seconds;
        self.failures.clone_from(failures);
        self.skipped = *skipped;
        if latencies.is_empty() {
            return;
        }
        let quantile = |quantile| millis(latencies.value_at_quantile(quantile));
        self.latency_ms = Latency {
            min: millis(latencies.min()),
            mean: (latencies.mean() / 10.0).round() / 100.0,
            p50: quantile(0.5),
            p90: quantile(0.9),
            p99: quantile(0.99),
            p999: quantile(0.999),
            max: millis(latencies.max()),
        };
        // Ten buckets for each power of ten.
        let buckets = latencies.iter_log(100, 10_f64.powf(0.1));
        self.histogram = buckets
            .map(|bucket| Bucket {
                up_to_ms: millis(bucket.value_iterated_to()),
                count: bucket.count_since_last_iteration(),
            })
            .skip_while(|bucket| bucket.count == 0)
            .collect();
    }

    pub(super) fn nodes(&mut self, before: &[Usage], after: &[Usage]) {
        let mib = |kib: u64| (kib as f64 / 102.4).round() / 10.0;
        let per_answer = |amount: f64| {
            let answers = (self.answered > 0).then_some(self.answered as f64)?;
            Some((amount * 100.0 / answers).round() / 100.0)
        };
        let fsyncs = |before: &Usage, after: &Usage| Some(after.fsyncs?.saturating_sub(before.fsyncs?));
        let node = |(before, after): (&Usage, &Usage)| NodeUsage {
            name: after.name.clone(),
            memory_mib: mib(after.memory_kib),
            peak_mib: mib(after.peak_kib),
            cpu_ms_per_answer: per_answer(after.cpu.saturating_sub(before.cpu).as_secs_f64() * 1000.0),
            fsyncs_per_answer: fsyncs(before, after).and_then(|count| per_answer(count as f64)),
        };
        self.nodes = before.iter().zip(after).map(node).collect();
    }

    pub(super) fn started(&mut self, ready_after: Duration) {
        self.ready_after_ms = u64::try_from(ready_after.as_millis()).ok();
    }

    pub(super) fn title(&self) -> String {
        let Self { operation, threshold, total, .. } = self;
        // Two schemes share a curve.
        let curve = self.scheme.as_ref().unwrap_or(&self.curve);
        let pace = match (self.clients, self.rate) {
            (Some(1), _) => "1 client".to_owned(),
            (Some(clients), _) => format!("{clients} clients"),
            (None, rate) => format!("{} requests per second", rate.unwrap_or_default()),
        };
        format!("{operation}, {threshold} of {total}, {curve}, {pace}")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Latency { min, p50, p90, p99, p999, max, mean } = &self.latency_ms;
        writeln!(f, "{}", self.title())?;
        if let Some(Presigned { made, seconds, per_second }) = &self.presigned {
            writeln!(f, "  presigned  {made} in {seconds:.1} s before: {per_second:.2} per second")?;
        }
        writeln!(
            f,
            "  answered   {} in {:.0} s: {:.1} per second",
            self.answered, self.seconds, self.per_second
        )?;
        writeln!(f, "  latency    p50 {p50:.2}  p90 {p90:.2}  p99 {p99:.2}  p99.9 {p999:.2} ms")?;
        write!(f, "             least {min:.2}  mean {mean:.2}  most {max:.2} ms")?;
        for (failure, count) in &self.failures {
            write!(f, "\n  failed     {count} times: {failure}")?;
        }
        write!(f, "\n  unanswered {} when the time was over", self.unanswered)?;
        if self.answered_late > 0 {
            write!(f, "; {} answered later, and in the latencies if asked in time", self.answered_late)?;
        }
        if self.failed_late > 0 {
            write!(f, "; {} failed later", self.failed_late)?;
        }
        if self.abandoned > 0 {
            write!(f, "; {} never, and in no other figure", self.abandoned)?;
        }
        if self.skipped > 0 {
            write!(f, "\n  not sent   {} requests: too many were waiting", self.skipped)?;
        }
        if let Some(ready) = self.ready_after_ms {
            write!(f, "\n  ready      {ready} ms after the start")?;
        }
        if !self.nodes.is_empty() {
            let row = |node: &NodeUsage| {
                let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
                vec![
                    node.name.clone(),
                    format!("{:.1} MiB", node.memory_mib),
                    format!("{:.1} MiB", node.peak_mib),
                    or_dash(node.cpu_ms_per_answer.map(|cpu| format!("{cpu:.2} ms"))),
                    or_dash(node.fsyncs_per_answer.map(|count| format!("{count:.2}"))),
                ]
            };
            let rows: Vec<_> = self.nodes.iter().map(row).collect();
            let columns = ["NODE", "MEMORY", "PEAK", "CPU PER ANSWER", "FSYNCS PER ANSWER"];
            write!(f, "\n\n{}", output::table(&columns, &rows))?;
        }
        Ok(())
    }
}

/// Microseconds as milliseconds with two digits.
fn millis(micros: u64) -> f64 {
    (micros as f64 / 10.0).round() / 100.0
}
