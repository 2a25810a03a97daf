//! The proposer's side of a request: choose a committee, attempt, and choose again when it fails.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use quorate_frost::Task;
use quorate_keys::{Identity, PublicKey, Signature, Transcript, ecdsa};
use quorate_request::{
    ErrorBody, ErrorCode, KeygenResponse, Operation, Phase, RequestStatus, SessionResult, SignResponse,
    SignatureView, Verified, openapi, paths,
};
use rand_core::{OsRng, RngCore};
use tokio::time::Instant;

use super::Engine;
use super::attempt::{Attempted, CheckedResult};
use crate::cause::Cause;
use crate::frame::{Begun, Reason, Signed};
use crate::job::{self, Job, SignJob};
use crate::ledger::Ending;
use crate::wallets::{Contested, Wallet};

/// What went wrong in the attempts so far.
#[derive(Default)]
pub(super) struct Trouble {
    /// Silent nodes, and those that can't sign.
    absent: BTreeSet<Identity>,
    culprits: BTreeSet<Identity>,
    /// How much speaks against choosing a node again. Those with the least are asked first: nobody is given up, as it may
    /// have been this node that slept, and nobody can keep itself in the committee by asking for patience.
    strikes: BTreeMap<Identity, u32>,
    /// Nodes that refuse the request. They are not asked again; each speaks for itself alone.
    refusals: BTreeMap<Identity, Reason>,
    /// Holders that have lost their shares.
    without_share: BTreeSet<Identity>,
    /// Whether an attempt was left in doubt.
    in_doubt: bool,
    /// Since when nodes show that they wait for what became of a resharing, and the one of these that leads furthest.
    locked: Option<(Instant, Box<Begun>)>,
    /// The members of attempts that failed.
    tried: BTreeSet<Identity>,
    last: String,
}

/// How long a request may wait for what has to be made before it.
const PREPARATION: Duration = Duration::from_secs(300);
/// How long a resharing whose end is not known hinders another one: most are known once who was down is up.
pub(super) const OVERTAKE: Duration = Duration::from_secs(5);
/// What an absence weighs: it costs a round's time to find out.
const ABSENCE: u32 = 8;
/// What a doubt weighs: it costs an attempt.
const DOUBT: u32 = 4;
/// What it weighs that a node asks to be tried later: it costs next to nothing, once.
const PATIENCE: u32 = 1;

impl Trouble {
    /// How much speaks against choosing a node.
    pub(super) fn strikes_of(&self, node: &Identity) -> u32 {
        self.strikes.get(node).copied().unwrap_or_default()
    }

    /// Holders that have lost their shares.
    pub(super) const fn without_share(&self) -> &BTreeSet<Identity> {
        &self.without_share
    }

    /// The resharing that is to be overtaken, as nobody knew its end for long enough.
    pub(super) fn overtaking(&self) -> Option<&Begun> {
        let (since, furthest) = self.locked.as_ref()?;
        (since.elapsed() >= OVERTAKE).then_some(furthest)
    }

    /// A node waits for what became of a resharing.
    pub(super) fn is_locked(&mut self, begun: Box<Begun>) {
        match &mut self.locked {
            None => self.locked = Some((Instant::now(), begun)),
            Some((_, furthest)) if furthest.epoch() < begun.epoch() => *furthest = begun,
            Some(_) => {}
        }
    }

    /// A holder has lost its share; whether that is news.
    pub(super) fn lacks_share(&mut self, node: Identity) -> bool {
        self.without_share.insert(node)
    }

    /// Whether a node refuses the request.
    pub(super) fn has_refused(&self, node: &Identity) -> bool {
        self.refusals.contains_key(node)
    }

    fn strike(&mut self, nodes: &BTreeSet<Identity>, weight: u32) {
        for node in nodes {
            let strikes = self.strikes.entry(*node).or_default();
            *strikes = strikes.saturating_add(weight);
        }
    }
}

impl Engine {
    /// Sees a request through to its ending.
    ///
    /// # Errors
    /// What the client is told.
    pub(super) async fn see_through(self: &Arc<Self>, verified: &Verified) -> Ending {
        let ending = match (self.check_approved(verified), verified.operation()) {
            (Err(missing), _) => Err(missing),
            (Ok(()), Operation::Presign) => self.presign_for(verified).await,
            (Ok(()), Operation::Auxiliary) => self.anew_for(verified).await,
            (Ok(()), _) => self.propose(verified).await,
        };
        match &ending {
            Ok(_) => self.wait_no_more(verified).await,
            Err(error) if error.code == ErrorCode::ApprovalsMissing => self.await_approvals(verified).await,
            Err(_) => {}
        }
        ending
    }

    /// Sees a request through that nodes do together.
    ///
    /// # Errors
    /// What the client is told.
    async fn propose(self: &Arc<Self>, verified: &Verified) -> Ending {
        let mut job = match Job::new(verified, &self.wallets, &self.peers, &self.config) {
            Err(error) if error.code == ErrorCode::UnknownWallet => {
                if let Some(sought) = job::sought(verified) {
                    self.seek(&sought).await;
                }
                Job::new(verified, &self.wallets, &self.peers, &self.config)?
            }
            job => job?,
        };
        let mut deadline = Instant::now() + self.config.request_timeout;
        let prepare_by = Instant::now() + PREPARATION.max(self.config.request_timeout);
        let places = match &job {
            Job::Keygen(_) | Job::Reshare(_) => &self.keygens,
            Job::Sign(_) => &self.signings,
            Job::Auxiliary(_) | Job::Presign(_) | Job::Pairs(_) => &self.provisions,
        };
        let _place = places.take(deadline).await.map_err(|why| {
            let message = format!("of {} requests, {why}", job.operation());
            ErrorBody::new(ErrorCode::TooManySessions, message)
        })?;
        self.ledger.update(verified.request_id(), |view| view.wallet_id = job.wallet_id().cloned());
        self.judge_first(verified, &job)?;
        let cause = Cause::request(verified, self.authority.policy_digest());
        if let Job::Sign(sign) = &job
            && sign.is_presigned()
        {
            self.demand.note(&sign.wallet);
        }

        let mut trouble = Trouble::default();
        let mut pause = Duration::from_millis(25);
        let mut left = self.config.attempts;
        for attempt in 1.. {
            self.note_convictions(&mut trouble);
            // Another proposer's attempt, of which this node was told while it waited, or an earlier one of its own that a
            // member had refused and that succeeded all the same.
            if let Some(result) = self.made_before(&job, verified)? {
                return Ok(result);
            }
            // It has come to another epoch since.
            if job.wallet().is_some_and(|wallet| self.wallets.of_generation(&wallet.generation()).is_none()) {
                job = Job::new(verified, &self.wallets, &self.peers, &self.config)?;
            }
            if let Job::Reshare(reshare) = &mut job {
                self.prepare_renewing(Some(verified), reshare, &trouble, prepare_by).await?;
            }
            if let Job::Sign(sign) = &mut job
                && sign.uses_pairs()
            {
                let begun = Instant::now();
                let pairs = self.pairs_to_sign(sign, &trouble, prepare_by).await;
                // What has to be made first does not use up the request's own time.
                deadline = prepare_by.min(deadline + begun.elapsed()).max(deadline);
                sign.pairs = Some(pairs.map_err(|failed| self.failed(failed))?);
            }
            let claim = match &job {
                Job::Sign(sign) => self.claim(sign, &trouble),
                _ => None,
            };
            let chosen = match &claim {
                Some(claim) => claim.origin().signers.clone(),
                None => self.choose(&job, verified, &trouble)?,
            };
            self.ledger.update(verified.request_id(), |view| {
                view.attempt = attempt;
                view.committee = self.names(&chosen);
                view.absent = self.names(&trouble.absent);
                view.culprits = self.names(&trouble.culprits);
            });
            self.metrics.attempted(job.operation());
            let begun = Instant::now();
            if let Job::Sign(sign) = &job
                && sign.is_presigned()
            {
                let phase = match claim {
                    Some(_) => Phase::Signing,
                    None if self.auxiliaries.covering(&chosen).is_some() => Phase::Presigning,
                    None => Phase::Auxiliary,
                };
                self.progressed(
                    verified,
                    phase,
                    0,
                    if phase == Phase::Auxiliary { 1 } else { sign.tasks.len() },
                );
            }
            let begun_to_prepare = Instant::now();
            let prepared = self.presigned(&job, &chosen, claim, prepare_by).await;
            // What has to be made first does not use up the request's own time.
            deadline = prepare_by.min(deadline + begun_to_prepare.elapsed()).max(deadline);
            let attempted = match prepared {
                Ok(claim) => {
                    let attempted =
                        self.attempt(&cause, &job, &chosen, claim.as_ref(), attempt, deadline).await;
                    if let Some(claim) = &claim {
                        claim.put_back();
                        self.demand.shun(&attempted);
                    }
                    attempted
                }
                Err(failed) => {
                    self.demand.shun(&failed);
                    failed
                }
            };
            self.metrics.attempt_took(job.operation(), attempted.outcome(), begun.elapsed());
            self.note_convictions(&mut trouble);
            let attempted = match attempted {
                Attempted::InDoubt(ended) => {
                    trouble.in_doubt = true;
                    *ended
                }
                attempted => attempted,
            };
            match attempted {
                Attempted::Signed(result) => {
                    return self.signed_result(verified, *result, &trouble).await;
                }
                Attempted::Active(wallet) => return self.active_result(verified, &job, &wallet).await,
                // No ending of a request.
                Attempted::Presigned(_) | Attempted::Provided(_) | Attempted::InDoubt(_) => {
                    return Err(internal("something else was made than was asked for".into()));
                }
                Attempted::NotReady(why) => return Err(ErrorBody::new(ErrorCode::NotReady, why)),
                // The others have it: so has a client that asks one of them.
                Attempted::NotKept(why) => return Err(ErrorBody::new(ErrorCode::NotReady, why)),
                Attempted::Unresolved(why) => return Err(ErrorBody::new(ErrorCode::TimedOut, why)),
                // It can take part all the same, and others deal.
                Attempted::Refused(node, Reason::NoShare) if trouble.lacks_share(node) => continue,
                // As few refusals as there are nodes, and no reason to wait.
                Attempted::Refused(node, reason) => {
                    tracing::warn!(
                        request = verified.request_id().as_str(),
                        "node {} refuses: {reason}",
                        self.name(&node)
                    );
                    trouble.refusals.insert(node, reason);
                    continue;
                }
                Attempted::Absent(nodes, why) => {
                    trouble.last = format!("{}: {why}", self.names(&nodes).join(", "));
                    trouble.strike(&nodes, ABSENCE);
                    trouble.absent.extend(nodes);
                }
                Attempted::Doubtful(nodes, why) => {
                    trouble.last = format!("one of {}: {why}", self.names(&nodes).join(", "));
                    trouble.strike(&nodes, DOUBT);
                }
                Attempted::Cheated(nodes, why) => {
                    trouble.last = why;
                    trouble.culprits.extend(nodes);
                }
                // Nothing was tried. A member is freed at the latest when the session that it is in times out.
                Attempted::Busy(node, why) => {
                    trouble.last = why;
                    trouble.strike(&BTreeSet::from([node]), PATIENCE);
                    left = left.saturating_add(1);
                }
                Attempted::Locked(node, begun, why) => {
                    trouble.last = why;
                    trouble.strike(&BTreeSet::from([node]), PATIENCE);
                    trouble.is_locked(begun);
                    left = left.saturating_add(1);
                }
                // There are no others to choose.
                Attempted::Apart(_, why) if job.candidates(&self.peers).1 => {
                    return Err(ErrorBody::new(ErrorCode::NotEnoughSigners, why));
                }
                // Others are chosen, or the same again.
                Attempted::Waits(nodes, why) | Attempted::Apart(nodes, why) => {
                    trouble.last = why;
                    trouble.strike(&nodes.into(), PATIENCE);
                    left = left.saturating_add(1);
                }
                Attempted::SteppedBack(node, why) => {
                    trouble.last = format!("node {} stepped back: {why}", self.name(&node));
                    trouble.strike(&BTreeSet::from([node]), PATIENCE);
                }
                Attempted::Again(why) => trouble.last = why,
            }
            trouble.tried.extend(chosen);
            left = left.saturating_sub(1);
            tracing::warn!(
                request = verified.request_id().as_str(),
                attempt,
                "attempt failed: {}",
                trouble.last
            );
            let jitter = u64::from(OsRng.next_u32() % 1000);
            let jittered = pause.mul_f64(0.5 + jitter as f64 / 1000.0);
            if left == 0 || Instant::now() + jittered >= deadline {
                break;
            }
            tokio::time::sleep(jittered).await;
            pause = pause.saturating_mul(2).min(Duration::from_secs(1));
        }
        self.note_convictions(&mut trouble);
        // The last attempt, too, can have succeeded all the same.
        if let Some(result) = self.made_before(&job, verified)? {
            return Ok(result);
        }
        Err(self.exhausted(&trouble))
    }

    /// Adds the members of failed attempts that were convicted meanwhile: when this node is not in the committee, others
    /// tell it of the session's end and show it the evidence, in no particular order.
    fn note_convictions(&self, trouble: &mut Trouble) {
        let convicted = trouble.tried.iter().filter(|node| self.exclusions.contains(node));
        trouble.culprits.extend(convicted.copied());
        // Nobody is both: it was left out for what it did.
        let Trouble { absent, culprits, .. } = trouble;
        absent.retain(|node| !culprits.contains(node));
    }

    /// The result that this very request has led to already.
    ///
    /// # Errors
    /// Proposers that were cut off from each other can have led it to two: then the client must choose.
    fn made_before(&self, job: &Job, verified: &Verified) -> Result<Option<SessionResult>, ErrorBody> {
        let fingerprint = verified.request().fingerprint();
        let job = match job {
            Job::Keygen(job) => job,
            Job::Reshare(job) => {
                let known = self.ledger.known(verified.request_id(), &fingerprint)?;
                let made = self.wallets.of_session(&job.wallet.session());
                let made = made.filter(|wallet| wallet.is_renewed_by(&fingerprint));
                let response =
                    |wallet: Arc<Wallet>| SessionResult::Reshare(self.reshare_response(verified, &wallet));
                return Ok(known.or_else(|| made.map(response)));
            }
            _ => return self.ledger.known(verified.request_id(), &fingerprint),
        };
        let mut made = self.wallets.named(&job.wallet);
        made.retain(|wallet| wallet.fingerprint == fingerprint);
        match made.as_slice() {
            [] => Ok(None),
            [wallet] => Ok(Some(SessionResult::Keygen(self.keygen_response(verified, wallet)))),
            several => Err(Contested::new(&job.wallet, several).into()),
        }
    }

    /// The nodes of the next attempt: those that the client named, or healthy ones in an order that depends on the
    /// request alone, so that every proposer would choose the same.
    fn choose(
        &self,
        job: &Job,
        verified: &Verified,
        trouble: &Trouble,
    ) -> Result<BTreeSet<Identity>, ErrorBody> {
        let (mut candidates, all) = job.candidates(&self.peers);
        let convicted: Vec<_> =
            candidates.iter().copied().filter(|node| self.exclusions.contains(node)).collect();
        if all && !convicted.is_empty() {
            let names = self.names(&convicted);
            let message = format!("proven to have cheated, and left out: {}", names.join(", "));
            return Err(ErrorBody::new(ErrorCode::NotEnoughSigners, message).with_culprits(names));
        }
        if all && let Some(refusal) = self.first_refusal(job, trouble) {
            return Err(refusal);
        }
        candidates.retain(|node| !trouble.refusals.contains_key(node));
        let reachable = self.reachable();
        let (up, down): (Vec<_>, Vec<_>) =
            candidates.drain(..).partition(|node| reachable.contains(node) && !convicted.contains(node));
        let wanted = job.size();
        if up.len() < wanted || (all && !down.is_empty()) {
            if let Some(refusal) = self.first_refusal(job, trouble) {
                return Err(refusal);
            }
            let mut message = format!("{wanted} nodes are needed, {} are up", up.len());
            let down: Vec<_> = down.into_iter().filter(|node| !convicted.contains(node)).collect();
            for (what, nodes) in [("unavailable", &down), ("proven to have cheated", &convicted)] {
                if !nodes.is_empty() {
                    message.push_str(&format!("; {what}: {}", self.names(nodes).join(", ")));
                }
            }
            return Err(
                ErrorBody::new(ErrorCode::NotEnoughSigners, message).with_culprits(self.names(&convicted))
            );
        }
        let fingerprint = verified.request().fingerprint();
        let mut ordered: Vec<_> =
            up.into_iter().map(|node| (trouble.strikes_of(&node), rank(&fingerprint, &node), node)).collect();
        ordered.sort_unstable();
        Ok(ordered.into_iter().take(wanted).map(|(.., node)| node).collect())
    }

    async fn signed_result(
        &self,
        verified: &Verified,
        CheckedResult { signed, mut response }: CheckedResult,
        trouble: &Trouble,
    ) -> Ending {
        let absent = trouble.absent.iter().filter(|node| !signed.committee.contains(node));
        response.absent = self.names(absent);
        response.culprits = self.names(&trouble.culprits);
        let result = SessionResult::Sign(response);
        // As the aggregator, this node has stored the result already, but for the trouble on the way to it.
        let stored = self.ledger.known(verified.request_id(), &signed.fingerprint)?;
        if stored.as_ref() != Some(&result) {
            self.ledger.settle(verified, &result).await?;
        }
        Ok(result)
    }

    /// Checks signatures against the request and makes the client's answer of them.
    ///
    /// # Errors
    /// When one does not verify, or they do not belong to the request.
    pub(super) fn sign_response(
        &self,
        verified: &Verified,
        job: &SignJob,
        signed: &Signed,
    ) -> Result<SignResponse, ErrorBody> {
        let each = job.tasks.iter().zip(&job.keys).zip(&signed.signatures);
        let ids = each.map(|((task, key), signature)| key.verify_recoverable(&task.message, signature));
        let ids: Result<Vec<_>, _> = ids.collect();
        let ids =
            ids.map_err(|_| internal("the signature does not verify against the wallet's key".into()))?;
        self.sign_response_with(verified, job, signed, &ids)
    }

    /// Makes the client's answer of signatures that are known to verify under the job's keys.
    ///
    /// # Errors
    /// When they do not belong to the request.
    pub(super) fn sign_response_of_verified(
        &self,
        verified: &Verified,
        job: &SignJob,
        signed: &Signed,
    ) -> Result<SignResponse, ErrorBody> {
        let each = job.tasks.iter().zip(&job.keys).zip(&signed.signatures);
        let ids = each.map(|((task, key), signature)| recovery_id(job, task, key, signature));
        self.sign_response_with(verified, job, signed, &ids.collect::<Vec<_>>())
    }

    /// The same, with their recovery ids.
    fn sign_response_with(
        &self,
        verified: &Verified,
        job: &SignJob,
        signed: &Signed,
        recovery_ids: &[Option<u8>],
    ) -> Result<SignResponse, ErrorBody> {
        if signed.fingerprint != verified.request().fingerprint() {
            return Err(internal("a signature for another request".into()));
        }
        if signed.signatures.len() != job.tasks.len() {
            return Err(internal("another number of signatures than the request needs".into()));
        }
        let mut views = Vec::with_capacity(job.tasks.len());
        for ((key, signature), recovery_id) in job.keys.iter().zip(&signed.signatures).zip(recovery_ids) {
            views.push(SignatureView {
                signature: (*signature.as_bytes()).into(),
                recovery_id: *recovery_id,
                public_key: key.as_bytes().to_vec().into(),
            });
        }
        let first = views.first().cloned().ok_or_else(|| internal("a request for no signature".into()))?;
        let assembled = match &job.transaction {
            None => {
                views.clear();
                None
            }
            Some(transaction) => Some(transaction.assemble(&signed.signatures).map_err(internal)?),
        };
        let tx_id = match &assembled {
            Some(quorate_chains::Signed::Complete { id, .. }) => Some(id.clone()),
            _ => None,
        };
        Ok(SignResponse {
            session_id: verified.request_id().clone(),
            wallet_id: job.wallet.id.clone(),
            signature: first.signature,
            recovery_id: first.recovery_id,
            public_key: first.public_key,
            status: RequestStatus::Completed,
            committee: self.names(&signed.committee),
            attempt: signed.attempt,
            absent: Vec::new(),
            culprits: Vec::new(),
            signatures: views,
            signed_transaction: assembled.map(|signed| signed.transaction().to_vec().into()),
            tx_id,
        })
    }

    async fn active_result(&self, verified: &Verified, job: &Job, wallet: &Wallet) -> Ending {
        let result = match job {
            Job::Reshare(_) => SessionResult::Reshare(self.reshare_response(verified, wallet)),
            _ => SessionResult::Keygen(self.keygen_response(verified, wallet)),
        };
        self.ledger.settle(verified, &result).await?;
        Ok(result)
    }

    fn keygen_response(&self, verified: &Verified, wallet: &Wallet) -> KeygenResponse {
        let committee = &wallet.public.committee;
        KeygenResponse {
            session_id: verified.request_id().clone(),
            wallet_id: wallet.id.clone(),
            public_key: wallet.public_key.as_bytes().to_vec().into(),
            address: wallet.addresses().into_iter().next().map(|view| view.address),
            status: RequestStatus::Completed,
            threshold: committee.threshold().get(),
            parties: self.names(committee.members().iter().map(|member| &member.identity)),
        }
    }

    fn first_refusal(&self, job: &Job, trouble: &Trouble) -> Option<ErrorBody> {
        trouble.refusals.first_key_value().map(|(node, reason)| self.refusal(job, node, reason))
    }

    fn refusal(&self, job: &Job, node: &Identity, reason: &Reason) -> ErrorBody {
        match reason {
            Reason::Conflict => {
                let message = format!("node {} knows this request id for another request", self.name(node));
                ErrorBody::new(ErrorCode::RequestConflict, message)
            }
            Reason::Refused { code, message } => {
                let path = match job {
                    Job::Keygen(_) => paths::KEYGEN,
                    Job::Reshare(_) => paths::RESHARE,
                    Job::Sign(_) | Job::Presign(_) | Job::Auxiliary(_) | Job::Pairs(_) => paths::SIGN,
                };
                // A member says what it likes: with what nobody is refused here, it has only ended its part.
                let mut usual = openapi::refusals("post", path).into_iter().flatten();
                let code = usual.find(|known| known.as_str() == code.as_str());
                let message = format!("node {} refuses: {message}", self.name(node));
                ErrorBody::new(code.copied().unwrap_or(ErrorCode::Aborted), message)
            }
            Reason::OtherPolicy { .. } => {
                let message = format!("node {}: {reason}", self.name(node));
                ErrorBody::new(ErrorCode::NotEnoughSigners, message)
            }
            Reason::NoShare | Reason::OtherEpoch { .. } => {
                ErrorBody::new(ErrorCode::NotEnoughSigners, format!("node {} {reason}", self.name(node)))
            }
            Reason::Busy(why)
            | Reason::Unable(why)
            | Reason::Waits { why, .. }
            | Reason::Locked { why, .. } => {
                ErrorBody::new(ErrorCode::NotEnoughSigners, format!("node {}: {why}", self.name(node)))
            }
            Reason::Done(_)
            | Reason::Lacking(_)
            | Reason::Behind { .. }
            | Reason::Replaced { .. }
            | Reason::OtherPairs(_)
            | Reason::NotWith { .. } => internal(format!("node {}: {reason}", self.name(node))),
        }
    }

    fn exhausted(&self, trouble: &Trouble) -> ErrorBody {
        let code = if trouble.culprits.is_empty() { ErrorCode::NotEnoughSigners } else { ErrorCode::Aborted };
        let mut message = format!("no attempt succeeded; the last: {}", trouble.last);
        if !trouble.absent.is_empty() {
            message.push_str(&format!(" (absent: {})", self.names(&trouble.absent).join(", ")));
        }
        if trouble.in_doubt {
            message.push_str(
                "; what an attempt has stored may yet be certified: repeat the request to learn what became of it",
            );
        }
        ErrorBody::new(code, message).with_culprits(self.names(&trouble.culprits))
    }
}

/// The recovery id of a signature that has one.
fn recovery_id(job: &SignJob, task: &Task, key: &PublicKey, signature: &Signature) -> Option<u8> {
    if !job.wallet.scheme.signs_digests() {
        return None;
    }
    ecdsa::recovery_id(key, task.message.as_slice().try_into().ok()?, signature).ok()
}

fn internal(message: String) -> ErrorBody {
    ErrorBody::new(ErrorCode::Internal, message)
}

/// A node's place in the order of a request.
pub(super) fn rank(fingerprint: &[u8; 32], node: &Identity) -> [u8; 32] {
    Transcript::new(b"quorate/rank/v1").field("request", fingerprint).field("node", node.as_bytes()).digest()
}
