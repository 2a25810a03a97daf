//! What the node counts, and how Prometheus reads it. No wallet's name, request's id or secret ever becomes a label: all
//! labels are from closed lists, or names of nodes.

mod process;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use quorate_request::ErrorCode;
use quorate_session::ProtocolId;

use crate::engine::{Engine, OUTCOMES};
use crate::ledger::Ending;
use crate::presignatures::Counts;
use crate::protocols::ROUNDS;
use process::Process;

/// The media type of [`Engine::metrics_text`].
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Upper bounds of a request's time, in seconds: from a signature on an idle machine to the longest time-out that is usual.
const REQUEST_SECONDS: [f64; 14] =
    [0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.25, 2.5, 5.0, 15.0, 30.0];

/// Upper bounds of an attempt's time, likewise: one with a silent node takes a round's time-out.
const ATTEMPT_SECONDS: [f64; 12] = [0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 2.5, 10.0, 30.0];

/// Upper bounds of a round's time: from nodes of one rack to a round's usual time-out.
const ROUND_SECONDS: [f64; 12] =
    [0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.125, 0.25, 0.5, 2.5, 10.0];

/// How rounds are called; a later one by the last of these.
const ROUND: [&str; 8] = ["1", "2", "3", "4", "5", "6", "7", "8"];

/// Outcomes that are shown before they happen.
const USUAL_FAILURES: [ErrorCode; 5] = [
    ErrorCode::Aborted,
    ErrorCode::Internal,
    ErrorCode::NotEnoughSigners,
    ErrorCode::TimedOut,
    ErrorCode::TooManySessions,
];

type Label<V> = [(&'static str, V); 1];
/// Two of them, of which no part is ever made anew.
type Labels = [(&'static str, &'static str); 2];
type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// What the node counts while it runs.
pub(crate) struct Metrics {
    /// By operation and outcome.
    sessions: Family<Labels, Counter>,
    attempts: Family<Label<&'static str>, Counter>,
    latency: Histograms<Label<&'static str>>,
    /// By operation and outcome.
    attempt_seconds: Histograms<Labels>,
    /// By protocol and round.
    round_seconds: Histograms<Labels>,
    running: Family<Label<&'static str>, Gauge>,
    /// By whose limit it was.
    limited: Family<Label<&'static str>, Counter>,
    unauthenticated: Counter,
    pub(crate) frames: Frames,
}

/// Frames since the start. A frame for a peer that can't be queued is dropped, and one that comes and can't be used.
#[derive(Default)]
pub(crate) struct Frames {
    pub(crate) sent: AtomicU64,
    pub(crate) received: AtomicU64,
    pub(crate) dropped_sending: AtomicU64,
    pub(crate) dropped_receiving: AtomicU64,
}

/// Counts one more.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            sessions: Family::default(),
            attempts: Family::default(),
            latency: Family::new_with_constructor(|| Histogram::new(REQUEST_SECONDS)),
            attempt_seconds: Family::new_with_constructor(|| Histogram::new(ATTEMPT_SECONDS)),
            round_seconds: Family::new_with_constructor(|| Histogram::new(ROUND_SECONDS)),
            running: Family::default(),
            limited: Family::default(),
            unauthenticated: Counter::default(),
            frames: Frames::default(),
        };
        // From the start, so that the first event is seen as an increase.
        for by in ["client", "address"] {
            drop(metrics.limited.get_or_create(&[("by", by)]));
        }
        for operation in ["keygen", "sign", "presign", "auxiliary"] {
            let label = [("operation", operation)];
            drop(metrics.attempts.get_or_create(&label));
            drop(metrics.latency.get_or_create(&label));
            drop(metrics.running.get_or_create(&label));
            for outcome in ["completed"].into_iter().chain(USUAL_FAILURES.map(|code| code.as_str())) {
                drop(metrics.sessions.get_or_create(&[("operation", operation), ("outcome", outcome)]));
            }
            for outcome in OUTCOMES {
                drop(
                    metrics.attempt_seconds.get_or_create(&[("operation", operation), ("outcome", outcome)]),
                );
            }
        }
        for (protocol, rounds) in ROUNDS {
            for round in ROUND.into_iter().take(rounds.into()) {
                drop(metrics.round_seconds.get_or_create(&[("protocol", protocol), ("round", round)]));
            }
        }
        metrics
    }
}

impl Metrics {
    /// A request is worked on from now on, until its [`Working`] is dropped.
    pub(crate) fn working(&self, operation: &'static str) -> Working {
        let running = self.running.get_or_create_owned(&[("operation", operation)]);
        running.inc();
        Working { operation, running, since: Instant::now() }
    }

    /// A request that was worked on has its ending.
    pub(crate) fn ended(&self, work: &Working, ending: &Ending) {
        let outcome = ending.as_ref().map_or_else(|error| error.code.as_str(), |_| "completed");
        self.sessions.get_or_create(&[("operation", work.operation), ("outcome", outcome)]).inc();
        let took = work.since.elapsed().as_secs_f64();
        self.latency.get_or_create(&[("operation", work.operation)]).observe(took);
    }

    /// A request was refused for being one too many: of a client, or of those from an address that nobody is proved to
    /// have made.
    pub(crate) fn limited(&self, by: &'static str) {
        self.limited.get_or_create(&[("by", by)]).inc();
    }

    /// A request was refused because nobody is proved to have made it.
    pub(crate) fn unauthenticated(&self) {
        self.unauthenticated.inc();
    }

    /// A committee is tried.
    pub(crate) fn attempted(&self, operation: &'static str) {
        self.attempts.get_or_create(&[("operation", operation)]).inc();
    }

    /// A committee was tried.
    pub(crate) fn attempt_took(&self, operation: &'static str, outcome: &'static str, time: Duration) {
        let labels = [("operation", operation), ("outcome", outcome)];
        self.attempt_seconds.get_or_create(&labels).observe(time.as_secs_f64());
    }

    /// A round of a protocol that this node takes part in was completed.
    pub(crate) fn round_took(&self, protocol: &ProtocolId, round: u8, time: Duration) {
        let known = ROUNDS.iter().find(|(name, _)| *name == protocol.name());
        let protocol = known.map_or("other", |(name, _)| name);
        let round =
            ROUND.get(usize::from(round).saturating_sub(1)).or(ROUND.last()).copied().unwrap_or_default();
        let labels = [("protocol", protocol), ("round", round)];
        self.round_seconds.get_or_create(&labels).observe(time.as_secs_f64());
    }
}

/// A request that is worked on.
pub(crate) struct Working {
    operation: &'static str,
    running: Gauge,
    since: Instant,
}

impl Drop for Working {
    fn drop(&mut self) {
        self.running.dec();
    }
}

impl Engine {
    /// All metrics as text.
    ///
    /// # Errors
    /// Never for want of anything but memory.
    pub(crate) fn metrics_text(&self) -> Result<String, std::fmt::Error> {
        let mut registry = Registry::default();
        let all = &mut registry;
        let Metrics {
            sessions,
            attempts,
            latency,
            attempt_seconds,
            round_seconds,
            running,
            limited,
            unauthenticated,
            frames,
        } = &self.metrics;
        all.register(
            "quorate_sessions",
            "Requests that this node saw to their end, by outcome",
            sessions.clone(),
        );
        all.register("quorate_attempts", "Committees that this node tried", attempts.clone());
        all.register(
            "quorate_request_duration_seconds",
            "From the arrival of a request to its ending, all attempts included",
            latency.clone(),
        );
        all.register(
            "quorate_attempt_duration_seconds",
            "From the choice of a committee to what came of it, by outcome",
            attempt_seconds.clone(),
        );
        all.register(
            "quorate_round_duration_seconds",
            "How long completed rounds of protocols took at this node",
            round_seconds.clone(),
        );
        all.register("quorate_requests_running", "Requests that this node is working on", running.clone());
        all.register(
            "quorate_requests_limited",
            "Requests refused for being too many: of a client, or from an address that proves nobody to be behind them",
            limited.clone(),
        );
        all.register(
            "quorate_requests_unauthenticated",
            "Requests refused because nobody is proved to have made them",
            unauthenticated.clone(),
        );
        let counted = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let number = |count: usize| ConstGauge::new(u64::try_from(count).unwrap_or(u64::MAX));
        all.register(
            "quorate_protocol_sessions_running",
            "Protocol runs that this node takes part in",
            number(self.sessions_running()),
        );
        let (ready, kept) = self.presignatures.depth(&self.me);
        all.register(
            "quorate_presignatures_ready",
            "Presignatures that this node may use for signatures that it proposes",
            number(ready),
        );
        all.register(
            "quorate_presignatures_kept",
            "Presignatures of which this node has something, its own and those of other owners",
            number(kept),
        );
        all.register(
            "quorate_spendings",
            "Spendings that this node remembers for the windows of the policy",
            number(self.spendings.count()),
        );
        let Counts { added, used, dropped } = &self.presignatures.counts;
        all.register("quorate_presignatures_added", "Presignatures made", ConstCounter::new(counted(added)));
        all.register("quorate_presignatures_used", "Presignatures used up", ConstCounter::new(counted(used)));
        all.register(
            "quorate_presignatures_dropped",
            "Presignatures that could not be used any more",
            ConstCounter::new(counted(dropped)),
        );
        all.register(
            "quorate_prime_pairs_ready",
            "Pairs of safe primes kept for the next auxiliary information",
            number(self.primes.depth()),
        );
        all.register(
            "quorate_auxiliary_groups",
            "Groups of nodes whose auxiliary information this node can presign under",
            number(self.auxiliaries.count_active()),
        );
        let up: Family<Label<String>, Gauge> = Family::default();
        for peer in self.node_views().into_iter().filter(|view| !view.this_node) {
            up.get_or_create(&[("peer", peer.name)]).set(i64::from(peer.connected));
        }
        all.register("quorate_peer_up", "Whether frames can be exchanged with a peer", up);
        all.register(
            "quorate_frames_sent",
            "Frames queued for peers",
            ConstCounter::new(counted(&frames.sent)),
        );
        all.register(
            "quorate_frames_received",
            "Frames that came from peers",
            ConstCounter::new(counted(&frames.received)),
        );
        let dropped: Family<Label<&'static str>, Counter> = Family::default();
        dropped.get_or_create(&[("direction", "sent")]).inc_by(counted(&frames.dropped_sending));
        dropped.get_or_create(&[("direction", "received")]).inc_by(counted(&frames.dropped_receiving));
        all.register("quorate_frames_dropped", "Frames that could not be queued, or not be used", dropped);
        all.register(
            "quorate_culprits_excluded",
            "Nodes that are proven to have cheated and left out of committees",
            number(self.culprits_excluded()),
        );
        all.register(
            "quorate_nodes_caught",
            "Nodes with which this one does not sign in some wallet, as it has caught them cheating",
            number(self.caught_by_node().len()),
        );
        all.register(
            "quorate_restored",
            "1 for an hour after this node has found itself put back to an older state",
            number(self.standings.put_back_lately().into_iter().count()),
        );
        all.register("quorate_wallets", "Wallets that this node knows", number(self.wallets.all().len()));
        all.register(
            "quorate_wallets_lacking_pairs",
            "Wallets whose holders can't all sign with each other yet, of those that this node holds shares of",
            number(self.lacking_pairs()),
        );
        if self.config.refresh_schedule.shortest().is_some() {
            all.register(
                "quorate_wallets_due_for_refresh",
                "Wallets whose shares are older than the schedule says, of those that this node holds shares of",
                number(self.due_for_refresh().len()),
            );
        }
        let audit = self.audit.metrics();
        all.register("quorate_audit_entries", "Entries of the audit log", ConstCounter::new(audit.entries));
        all.register(
            "quorate_audit_failures",
            "Writes of the audit log that failed",
            ConstCounter::new(audit.failures),
        );
        all.register("quorate_audit_fsyncs", "fsyncs of the audit log", ConstCounter::new(audit.syncs));
        let store = self.store.metrics();
        all.register("quorate_store_commits", "Transactions made durable", ConstCounter::new(store.commits));
        all.register(
            "quorate_store_commits_failed",
            "Transactions that failed",
            ConstCounter::new(store.failed_commits),
        );
        all.register(
            "quorate_store_batches",
            "Changes in those transactions",
            ConstCounter::new(store.batches),
        );
        all.register(
            "quorate_store_fsyncs",
            "fsyncs, of commits and of opening",
            ConstCounter::new(store.syncs),
        );
        all.register(
            "quorate_store_commit_duration_seconds",
            "How long transactions took to be made durable",
            self.store.commit_seconds(),
        );
        if self.config.backups.is_some() {
            all.register(
                "quorate_backup_fresh_seconds",
                "Unix time up to which everything is in a backup; 0 before the first",
                ConstGauge::new(self.backups.fresh_seconds()),
            );
            all.register("quorate_backups", "Backups made", ConstCounter::new(self.backups.made()));
            all.register(
                "quorate_backups_failed",
                "Backups that could not be made",
                ConstCounter::new(self.backups.failed()),
            );
            all.register(
                "quorate_backup_bytes",
                "Size of the newest backup",
                ConstGauge::new(self.backups.bytes()),
            );
        }
        let build: Family<Label<&'static str>, Gauge> = Family::default();
        build.get_or_create(&[("version", env!("CARGO_PKG_VERSION"))]).set(1);
        all.register("quorate_build_info", "The version of the software", build);
        if let Some(process) = Process::read() {
            process.register(all);
        }
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(plain(&text))
    }
}

/// OpenMetrics, which the library writes, as the older text format, which every scraper reads: there a counter's
/// description has the whole name of its samples, and the end is not marked.
fn plain(openmetrics: &str) -> String {
    let counters: Vec<&str> = openmetrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    let mut text = String::with_capacity(openmetrics.len());
    for line in openmetrics.lines().filter(|line| *line != "# EOF") {
        let described = line.strip_prefix("# ").and_then(|rest| {
            let (kind, rest) = rest.split_once(' ')?;
            let (name, rest) = rest.split_once(' ')?;
            counters.contains(&name).then(|| format!("# {kind} {name}_total {rest}"))
        });
        text.push_str(described.as_deref().unwrap_or(line));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_described_under_the_name_of_their_samples() {
        let mut registry = Registry::default();
        registry.register("a", "First", ConstCounter::new(1_u64));
        registry.register("b", "Second", ConstGauge::new(2_u64));
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let expected = "# HELP a_total First.\n# TYPE a_total counter\na_total 1\n\
                        # HELP b Second.\n# TYPE b gauge\nb 2\n";
        assert_eq!(plain(&text), expected);
    }
}
