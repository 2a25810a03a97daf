//! What this node writes into its audit log: who asked for what, what was decided about it and by which rule, which
//! sessions it signed in, what came of them, and who cheated. Never a secret.
//!
//! That this node takes part in a signature is durable in the log before its share of the signature leaves. Everything
//! else follows as soon as can be, and what could not be written is counted there once it can.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use quorate_audit::{AuditError, Countersignature, Event, Log, Metrics, Options, Scope, SignedHead};
use quorate_chains::Explain;
use quorate_keys::{Signature, SigningIdentity};
use quorate_request::{ClusterId, Decision, ErrorBody, SessionResult, Verified};
use quorate_session::SessionId;
use rand_core::OsRng;

use crate::approvals::Word;
use crate::frame::Decline;
use crate::initiators::Change;
use crate::job::{Job, SignJob};

/// The log's folder in the node's.
const FOLDER: &str = "audit";
/// The most transfers that an entry lists; beyond, their number is told.
const TRANSFERS: usize = 64;

/// Refusals of one proposer's invitations that are written in [`DECLINES_FOR`]: nobody fills the log of others.
const DECLINES: u32 = 64;
const DECLINES_FOR: Duration = Duration::from_secs(60);

/// The node's audit log.
pub(crate) struct Audit {
    log: Log,
    /// By proposer.
    declines: Mutex<HashMap<String, Declines>>,
}

/// Refusals of one proposer's invitations.
struct Declines {
    since: Instant,
    count: u32,
}

impl Declines {
    /// Counts one. Whether it is written, and how many were not since the last one that was.
    fn one_more(&mut self) -> Option<u32> {
        if self.since.elapsed() >= DECLINES_FOR {
            let unwritten = self.count.saturating_sub(DECLINES);
            *self = Self { since: Instant::now(), count: 1 };
            return Some(unwritten);
        }
        self.count = self.count.saturating_add(1);
        (self.count <= DECLINES).then_some(0)
    }
}

impl Audit {
    /// Opens the log in a node's folder, or begins it.
    ///
    /// # Errors
    /// What is wrong with the log's files, or with where they are.
    pub(crate) fn open(
        data_dir: &Path,
        identity: Arc<SigningIdentity>,
        cluster: &ClusterId,
    ) -> Result<Self, AuditError> {
        let scope = Scope(*cluster.as_bytes());
        let log = Log::open(&data_dir.join(FOLDER), identity, scope, Options::default(), &mut OsRng)?;
        Ok(Self { log, declines: Mutex::default() })
    }

    /// Writes an entry, and returns when it is durable.
    async fn durable(&self, event: Event) -> Result<(), String> {
        self.log.append(event).await.map(drop).map_err(|error| error.to_string())
    }

    /// Writes an entry for which nobody waits.
    fn soon(&self, event: Event) {
        let name = event.name().to_owned();
        if let Err(error) = self.log.append_soon(event) {
            tracing::error!(event = name, %error, "not written into the audit log");
        }
    }

    /// The node has started.
    pub(crate) fn started(&self, node: &str, policy: Option<&[u8; 32]>) {
        let event = Event::new("started").text("node", node).text("version", env!("CARGO_PKG_VERSION"));
        self.soon(under(event, policy));
    }

    /// The node stops.
    pub(crate) fn stopped(&self) {
        self.soon(Event::new("stopped"));
    }

    /// A client's request was taken that this node had not seen.
    pub(crate) fn requested(&self, verified: &Verified) {
        let event = about(Event::new("request"), verified);
        self.soon(event.text("operation", verified.operation()).text("initiator", verified.initiator()));
    }

    /// A client's request ended here.
    pub(crate) fn ended(&self, verified: &Verified, ending: &Result<SessionResult, ErrorBody>) {
        let event = match ending {
            Ok(result) => {
                let event = about(Event::new("completed"), verified);
                let event = match result.wallet_id() {
                    Some(wallet) => event.text("wallet", wallet),
                    None => event,
                };
                match result {
                    SessionResult::Keygen(made) => event.text("public_key", &made.public_key),
                    SessionResult::Sign(signed) => {
                        let event =
                            event.list("signers", &signed.committee).integer("attempt", signed.attempt);
                        let event = event.list("absent", &signed.absent).list("culprits", &signed.culprits);
                        match &signed.tx_id {
                            Some(id) => event.text("tx_id", id),
                            None => event,
                        }
                    }
                    _ => event,
                }
            }
            Err(error) => about(Event::new("failed"), verified)
                .text("code", error.code)
                .text("reason", &error.message)
                .list("culprits", &error.culprits),
        };
        self.soon(event);
    }

    /// An authorizer has said something of a request: kept as it was signed, so that anybody can verify it later.
    pub(crate) fn approval(&self, word: &Word) {
        let decision = match word.decision {
            Decision::Approve => "approve",
            _ => "reject",
        };
        let event = Event::new("approval").text("fingerprint", hex::encode(word.key));
        let event = event.text("authorizer", &word.authorizer).text("decision", decision);
        self.soon(event.integer("until", word.until).text("signed", hex::encode(&word.encoded)));
    }

    /// A key of an initiator was admitted or revoked: with the request as it was signed, so that anybody can verify it later. Returns
    /// when that is durable.
    ///
    /// # Errors
    /// Why it could not be written: the change holds all the same.
    pub(crate) async fn initiators_changed(&self, change: &Change) -> Result<(), String> {
        let event = Event::new("initiators").text("request", &change.id);
        let event = event.text("fingerprint", hex::encode(change.fingerprint)).text("key", change.key);
        let event = match &change.admitted_as {
            Some(name) => event.text("change", "admit").text("initiator", name),
            None => event.text("change", "revoke"),
        };
        let event = event.list("approved_by", &change.approved_by);
        self.durable(event.text("signed", hex::encode(&change.proof.request))).await
    }

    /// This node declines to take part in what another proposes for a client. Of very many in a minute the number is written.
    pub(crate) fn declined(&self, request: &str, proposer: &str, reason: &dyn std::fmt::Display) {
        let unwritten = {
            let mut declines = self.declines.lock().unwrap_or_else(PoisonError::into_inner);
            let new = || Declines { since: Instant::now(), count: 0 };
            declines.entry(proposer.to_owned()).or_insert_with(new).one_more()
        };
        let Some(unwritten) = unwritten else { return };
        let event = Event::new("declined").text("request", request);
        let event = event.text("proposer", proposer).text("reason", reason);
        self.soon(if unwritten > 0 { event.integer("unwritten", unwritten) } else { event });
    }

    /// A member refuses to take part in what this node proposes: with the digest of the proposal, and the member's signature of all
    /// that.
    pub(crate) fn refused(
        &self,
        request: &str,
        fingerprint: &[u8; 32],
        member: &str,
        decline: &Decline,
        signature: &Signature,
    ) {
        let event =
            Event::new("refused").text("request", request).text("fingerprint", hex::encode(fingerprint));
        let event = event.text("node", member).text("reason", &decline.reason);
        let event = event.text("proposal", hex::encode(decline.proposal));
        self.soon(event.text("signature", hex::encode(signature.as_bytes())));
    }

    /// This node is about to release its share of a signature. Returns when that is durable.
    ///
    /// # Errors
    /// Why it could not be written: nothing may be released.
    pub(crate) async fn signing(&self, event: Event) -> Result<(), String> {
        self.durable(event).await
    }

    /// A wallet is active at this node.
    pub(crate) fn wallet(&self, wallet: &crate::wallets::Wallet, holders: &[String]) {
        let event = Event::new("wallet")
            .text("wallet", &wallet.id)
            .text("session", wallet.session())
            .text("scheme", wallet.scheme)
            .text("public_key", format_args!("0x{}", hex::encode(wallet.public_key.as_bytes())))
            .integer("threshold", wallet.public.committee.threshold().get());
        self.soon(event.list("holders", holders));
    }

    /// A wallet is at its next epoch at this node.
    pub(crate) fn epoch(&self, wallet: &crate::wallets::Wallet, holders: &[String]) {
        let event = Event::new("epoch")
            .text("wallet", &wallet.id)
            .text("session", wallet.generation())
            .integer("epoch", wallet.public.epoch)
            .integer("threshold", wallet.public.committee.threshold().get());
        let from_kept = wallet.renewed.is_some_and(|renewed| renewed.from_kept);
        let event = if from_kept { event.text("dealt", "kept shares") } else { event };
        self.soon(event.list("holders", holders));
    }

    /// This node has made a backup of itself.
    pub(crate) fn backed_up(&self, kept: &crate::backup::Kept) {
        let name = kept.path.file_name().unwrap_or_default().to_string_lossy();
        self.soon(Event::new("backup").text("file", name).integer("bytes", kept.bytes));
    }

    /// A node was convicted of cheating. `evidence`: where the proof is.
    pub(crate) fn convicted(&self, culprit: &str, session: &SessionId, finding: &dyn std::fmt::Display) {
        let event = Event::new("convicted").text("culprit", culprit).text("session", session);
        self.soon(event.text("finding", finding));
    }

    /// A node was caught cheating, in a way that this one can't prove.
    pub(crate) fn caught(&self, culprit: &str, session: &SessionId, reason: &str) {
        let event = Event::new("caught").text("culprit", culprit).text("session", session);
        self.soon(event.text("reason", reason));
    }

    /// Where the log stands.
    pub(crate) fn signed_head(&self) -> SignedHead {
        self.log.signed_head()
    }

    /// Peers have countersigned a head of this log.
    pub(crate) async fn checkpoint(&self, head: &SignedHead, by: Vec<Countersignature>) {
        if let Err(error) = self.log.append_checkpoint(head, &by).await {
            tracing::error!(%error, "a checkpoint was not written into the audit log");
        }
    }

    /// A peer's log has come so far.
    pub(crate) fn witnessed(&self, peer: &str, head: &SignedHead) {
        self.soon(Event::new("witnessed").text("node", peer).list("heads", [kept(head)]));
    }

    /// A node, this one or a peer, was put back to an older state, and says so.
    pub(crate) fn restored(&self, node: &str, before: &SignedHead, now: &SignedHead) {
        self.soon(Event::new("restored").text("node", node).list("heads", [kept(before), kept(now)]));
    }

    /// A peer stands behind what it has said before.
    pub(crate) fn behind(&self, peer: &str, before: &SignedHead, now: &SignedHead, why: &str) {
        let event = Event::new("behind").text("node", peer).text("reason", why);
        self.soon(event.list("heads", [kept(before), kept(now)]));
    }

    /// Counts for the metrics.
    pub(crate) fn metrics(&self) -> Metrics {
        self.log.metrics()
    }

    /// Writes what waits, and closes the log.
    pub(crate) async fn close(&self) {
        self.log.close().await;
    }
}

/// A head as `quorate audit heads` gives it back.
fn kept(head: &SignedHead) -> String {
    serde_json::to_string(head).unwrap_or_default()
}

/// The request that an entry is about.
fn about(event: Event, verified: &Verified) -> Event {
    event.text("request", verified.request_id())
}

/// The policy under which something is done.
fn under(event: Event, policy: Option<&[u8; 32]>) -> Event {
    match policy {
        Some(policy) => event.text("policy", hex::encode(policy)),
        None => event,
    }
}

/// Why something is signed.
pub(crate) struct Decided<'a> {
    /// The rule that allows it, if there is a policy.
    pub(crate) rule: Option<&'a str>,
    /// The hash of the policy.
    pub(crate) policy: Option<&'a [u8; 32]>,
    /// Who has approved it.
    pub(crate) approved_by: BTreeSet<String>,
}

/// That this node takes part in a signature: for whom, by which rule, on whose approval, and what is signed.
pub(crate) fn signing(
    verified: &Verified,
    job: &Job,
    decided: &Decided<'_>,
    session: &SessionId,
    attempt: u32,
    signers: &[String],
) -> Event {
    let event = about(Event::new("signing"), verified)
        .text("fingerprint", hex::encode(verified.request().fingerprint()))
        .text("initiator", verified.initiator())
        .text("session", session)
        .integer("attempt", attempt)
        .list("signers", signers);
    let event = under(event, decided.policy);
    let event = match decided.approved_by.is_empty() {
        true => event,
        false => event.list("approved_by", &decided.approved_by),
    };
    let Job::Sign(job) = job else { return event };
    let event = event.text("wallet", &job.wallet.id);
    let event = match decided.rule {
        Some(rule) => event.text("rule", rule),
        None => event,
    };
    match &job.transaction {
        Some(transaction) => explained(event, transaction.explain()),
        None => raw(event, job),
    }
}

/// What a transaction does.
fn explained(event: Event, explain: &Explain) -> Event {
    let event = event.text("chain", &explain.chain);
    let transfers: Vec<String> = explain
        .outgoing()
        .take(TRANSFERS)
        .map(|transfer| {
            let token = match &transfer.asset {
                quorate_chains::Asset::Coin { symbol, .. } => symbol.clone(),
                quorate_chains::Asset::Token { mint, .. } => mint.clone().unwrap_or_else(|| "?".into()),
                _ => "?".into(),
            };
            format!("{} units of {token} to {}", transfer.amount, transfer.to.address)
        })
        .collect();
    let more = explain.outgoing().count().saturating_sub(TRANSFERS);
    let event = event.list("transfers", transfers);
    let event = match &explain.fee {
        Some(fee) => event.text("fee", fee.amount),
        None => event,
    };
    let calls = explain.calls.len().saturating_add(explain.opaque.len());
    let event = if calls > 0 { event.integer("calls", calls as u64) } else { event };
    if more > 0 { event.integer("more_transfers", more as u64) } else { event }
}

/// What is signed where nobody can tell what it does: its hash, as it may be long.
fn raw(event: Event, job: &SignJob) -> Event {
    let digests = job.tasks.iter().map(|task| hex::encode(digest(&SHA256, &task.message)));
    event.list("message_sha256", digests)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_very_many_refusals_in_a_minute_the_number_is_written() {
        let mut declines = Declines { since: Instant::now(), count: 0 };
        let written = (0..1000).filter(|_| declines.one_more() == Some(0)).count();
        assert_eq!(written, DECLINES as usize);
        declines.since = Instant::now().checked_sub(DECLINES_FOR).unwrap();
        assert_eq!(declines.one_more(), Some(1000 - DECLINES));
        assert_eq!(declines.one_more(), Some(0));
    }
}
