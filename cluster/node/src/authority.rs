//! What makes a node act: a request signed by an initiator, for this cluster, at this time, within the initiator's scope,
//! approved by as many authorizers as the policy asks for, and for a signature one that the policy allows.
//!
//! Every node checks it for itself, whatever proposer or gateway the request came through.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use quorate_keys::Principal;
use quorate_policy::ScopedOperation;
use quorate_policy::{
    CountedSpends, Initiator, Judgement, OutOfScope, Policy, Question, SpendingBefore, Subject,
};
use quorate_request::{
    ApprovalRequest, ClusterId, ErrorBody, ErrorCode, Operation, RequestError, SignedRequest, Verified,
    VerifiedHead, WalletId,
};

use crate::approvals::{Wanted, Word};
use crate::config::{Config, ConfigError};
use crate::job::{Job, SignJob};
use quorate_identity::peers::Peers;

/// How far the clocks of client and node may be apart.
pub(crate) const CLOCK_SKEW: Duration = Duration::from_secs(30);

/// Who may ask this node for what.
#[derive(Debug)]
pub(crate) struct Authority {
    cluster: ClusterId,
    initiators: HashMap<Principal, Initiator>,
    policy: Option<Policy>,
}

impl Authority {
    /// As the configuration has it: by the policy that it names, or else for its initiators without limits.
    ///
    /// # Errors
    /// A policy that is not accepted.
    pub(crate) fn load(config: &Config, peers: &Peers) -> Result<Self, ConfigError> {
        let cluster = *peers.cluster();
        match config.read_policy(peers)? {
            Some(policy) => {
                let initiators = by_key(policy.initiators().iter().cloned());
                Ok(Self { cluster, initiators, policy: Some(policy) })
            }
            None => Ok(Self::without_policy(cluster, &config.initiators)),
        }
    }

    /// Whatever these initiators ask for.
    pub(crate) fn without_policy(cluster: ClusterId, initiators: &[Principal]) -> Self {
        let initiators = by_key(initiators.iter().copied().map(Initiator::unlimited));
        Self { cluster, initiators, policy: None }
    }

    /// Checks a request's signature, initiator, cluster and times.
    ///
    /// # Errors
    /// The sender's fault.
    pub(crate) fn verify(&self, request: &SignedRequest) -> Result<Verified, RequestError> {
        let known = |initiator: &Principal| self.initiators.contains_key(initiator);
        request.verify(&self.cluster, known, SystemTime::now(), CLOCK_SKEW)
    }

    /// Checks what [`Authority::verify`] does, but for the body.
    ///
    /// # Errors
    /// The sender's fault.
    pub(crate) fn verify_head(&self, request: &SignedRequest) -> Result<VerifiedHead, RequestError> {
        let known = |initiator: &Principal| self.initiators.contains_key(initiator);
        request.verify_head(&self.cluster, known, SystemTime::now(), CLOCK_SKEW)
    }

    /// Checks what [`Authority::verify_head`] does, of a request to read: authorizers may, too.
    ///
    /// # Errors
    /// The sender's fault.
    pub(crate) fn verify_reading_head(&self, request: &SignedRequest) -> Result<VerifiedHead, RequestError> {
        let known = |key: &Principal| self.initiators.contains_key(key) || self.authorizer(key).is_some();
        request.verify_head(&self.cluster, known, SystemTime::now(), CLOCK_SKEW)
    }

    /// Checks what [`Authority::verify_head`] does, of a word that an authorizer says now.
    ///
    /// # Errors
    /// The sender's fault.
    pub(crate) fn verify_word_head(&self, request: &SignedRequest) -> Result<VerifiedHead, RequestError> {
        let known = |key: &Principal| self.authorizer(key).is_some();
        let verified = request.verify_head(&self.cluster, known, SystemTime::now(), CLOCK_SKEW);
        verified.map_err(of_an_authorizer)
    }

    /// What an authorizer has said, whenever that was.
    ///
    /// # Errors
    /// Why it has said nothing that counts, now or ever.
    pub(crate) fn word(&self, request: &SignedRequest) -> Result<Word, ErrorBody> {
        let known = |key: &Principal| self.authorizer(key).is_some();
        let verified = request
            .verify(&self.cluster, known, request.created(), CLOCK_SKEW)
            .map_err(|error| refusal(&of_an_authorizer(error)))?;
        let said: ApprovalRequest = verified.body().map_err(|error| ErrorBody::from(&error))?;
        let until = said.ends(request.created()).map_err(|error| ErrorBody::from(&error))?;
        let authorizer = self.authorizer(request.initiator()).unwrap_or_default().to_owned();
        Word::new(request, &said, authorizer, until)
    }

    /// The name of the authorizer with this key.
    pub(crate) fn authorizer(&self, key: &Principal) -> Option<&str> {
        self.policy.as_ref().and_then(|policy| policy.authorizer(key))
    }

    /// Whether so many authorizers have approved a request as the policy asks for whatever the operation does. What is signed, its
    /// rules say.
    ///
    /// # Errors
    /// They have not.
    pub(crate) fn check_approved(
        &self,
        verified: &Verified,
        approved_by: &BTreeSet<String>,
    ) -> Result<(), ErrorBody> {
        let asked = self.policy.as_ref().zip(ScopedOperation::of(verified.operation()));
        match asked.and_then(|(policy, operation)| policy.approvals(operation)) {
            Some(approvals) if !approvals.suffice(approved_by) => {
                let wanted =
                    Wanted { rule: None, threshold: approvals.threshold(), of: approvals.of().to_vec() };
                Err(wanted.missing(approved_by))
            }
            _ => Ok(()),
        }
    }

    /// Whose approval a request needs, whether they have given it or not; none if nobody's. `job`: what it asks to sign, if it does.
    pub(crate) fn wanted(
        &self,
        verified: &Verified,
        job: Option<&SignJob>,
        now: SystemTime,
    ) -> Option<Wanted> {
        let policy = self.policy.as_ref().filter(|policy| policy.asks_for_approvals())?;
        if let Some(approvals) = policy.approvals(ScopedOperation::of(verified.operation())?) {
            let of = approvals.of().to_vec();
            return Some(Wanted { rule: None, threshold: approvals.threshold(), of });
        }
        let initiator = self.scoped(verified, job.map(|job| &job.wallet.id)).ok()?;
        match policy.judge(&question(initiator, job?, now, &BTreeSet::new(), &())) {
            Judgement::Unapproved { rule, threshold, of, .. } => {
                Some(Wanted { rule: Some(rule), threshold, of })
            }
            _ => None,
        }
    }

    /// Checks a request that a node is said to have acted on: all but its times.
    ///
    /// # Errors
    /// Why no node should have.
    pub(crate) fn verify_past(
        &self,
        request: &SignedRequest,
        operation: &Operation,
    ) -> Result<Verified, RequestError> {
        let known = |initiator: &Principal| self.initiators.contains_key(initiator);
        let verified = request.verify(&self.cluster, known, request.created(), CLOCK_SKEW)?;
        verified.require(operation)?;
        Ok(verified)
    }

    /// The cluster.
    pub(crate) fn cluster(&self) -> &ClusterId {
        &self.cluster
    }

    /// The hash of the policy, if there is one.
    pub(crate) fn policy_digest(&self) -> Option<&[u8; 32]> {
        self.policy.as_ref().map(Policy::digest)
    }

    /// Whether nodes could have signed what another one says was, or is about to be, signed at a time: without what was spent
    /// before, and whoever approved it.
    pub(crate) fn could_allow(&self, verified: &Verified, job: &Job, at: SystemTime) -> bool {
        let authorizers = self.policy.iter().flat_map(|policy| policy.authorizers());
        let approved_by = authorizers.map(|(name, _)| name.clone()).collect();
        self.judge(verified, job, at, &approved_by, &()).is_ok()
    }

    /// For how many seconds what is spent counts at the most; none if the policy has no windows.
    pub(crate) fn horizon(&self) -> Option<u64> {
        self.policy.as_ref().and_then(Policy::longest_window)
    }

    /// What a job spends that windows of the policy count.
    pub(crate) fn counted(&self, job: &SignJob) -> CountedSpends {
        let explain = job.transaction.as_ref().map(|transaction| transaction.explain());
        let counted = self.policy.as_ref().zip(explain);
        counted.map(|(policy, explain)| policy.counted(&job.wallet.id, explain)).unwrap_or_default()
    }

    /// Whether the initiator of a request may ask for this, and about this wallet.
    ///
    /// # Errors
    /// It may not.
    pub(crate) fn check_scope(
        &self,
        verified: &Verified,
        wallet: Option<&WalletId>,
    ) -> Result<(), ErrorBody> {
        self.scoped(verified, wallet).map(drop)
    }

    /// The initiator of a request, which it may ask for.
    ///
    /// # Errors
    /// It may not.
    pub(crate) fn initiator(&self, verified: &Verified) -> Result<&Initiator, ErrorBody> {
        self.scoped(verified, None)
    }

    fn scoped(&self, verified: &Verified, wallet: Option<&WalletId>) -> Result<&Initiator, ErrorBody> {
        // It was there a moment ago, when the signature was verified.
        let initiator = self.initiators.get(verified.initiator()).ok_or_else(|| {
            ErrorBody::new(ErrorCode::UnknownInitiator, "the key that signed is no initiator")
        })?;
        initiator.may_ask(verified.operation()).map_err(|error| out_of_scope(&error))?;
        if let Some(wallet) = wallet {
            initiator.may_use(wallet).map_err(|error| out_of_scope(&error))?;
        }
        Ok(initiator)
    }

    /// Whether what a request asks for may be done: it is in its initiator's scope, and the policy lets it be signed, given who
    /// has approved it and what was spent before. Gives the rule by which it does.
    ///
    /// # Errors
    /// It may not: why, for the client.
    pub(crate) fn judge(
        &self,
        verified: &Verified,
        job: &Job,
        now: SystemTime,
        approved_by: &BTreeSet<String>,
        spent: &dyn SpendingBefore,
    ) -> Result<Option<String>, ErrorBody> {
        let initiator = self.scoped(verified, job.wallet_id())?;
        let Job::Sign(sign) = job else { return Ok(None) };
        let chain = sign.transaction.as_ref().map(|transaction| transaction.explain().chain.as_str());
        initiator.may_sign_for(chain).map_err(|error| out_of_scope(&error))?;
        let Some(policy) = &self.policy else { return Ok(None) };
        match policy.judge(&question(initiator, sign, now, approved_by, spent)) {
            Judgement::Allowed { rule } => Ok(Some(rule)),
            Judgement::Denied { reason, .. } => Err(ErrorBody::new(ErrorCode::PolicyDenied, reason)),
            Judgement::Unapproved { rule, threshold, of, .. } => {
                Err(Wanted { rule: Some(rule), threshold, of }.missing(approved_by))
            }
            _ => Err(ErrorBody::new(ErrorCode::PolicyDenied, "the policy answers what this node can't read")),
        }
    }
}

/// What a policy is asked about a job.
fn question<'a>(
    initiator: &'a Initiator,
    job: &'a SignJob,
    now: SystemTime,
    approved_by: &'a BTreeSet<String>,
    spent: &'a dyn SpendingBefore,
) -> Question<'a> {
    let explain = job.transaction.as_ref().map(|transaction| transaction.explain());
    Question {
        wallet: &job.wallet.id,
        initiator: initiator.name(),
        subject: explain.map_or(Subject::Raw, Subject::Transaction),
        at: now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
        approved_by,
        spent,
    }
}

/// Whoever signed was asked for as an authorizer.
fn of_an_authorizer(error: RequestError) -> RequestError {
    match error {
        RequestError::UnknownInitiator(key) => RequestError::UnknownAuthorizer(key),
        error => error,
    }
}

fn by_key(initiators: impl Iterator<Item = Initiator>) -> HashMap<Principal, Initiator> {
    initiators.map(|initiator| (*initiator.key(), initiator)).collect()
}

pub(crate) fn out_of_scope(error: &OutOfScope) -> ErrorBody {
    ErrorBody::new(ErrorCode::OutOfScope, error.to_string())
}

/// A refused request as the API shows it.
pub(crate) fn refusal(error: &RequestError) -> ErrorBody {
    ErrorBody::new(error.code(), error.to_string())
}
