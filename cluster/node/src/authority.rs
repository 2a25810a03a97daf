//! What makes a node act: a request signed by an initiator, for this cluster, at this time, within the initiator's scope, and
//! for a signature one that the policy allows.
//!
//! Every node checks it for itself, whatever proposer or gateway the request came through.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use quorate_keys::Principal;
use quorate_policy::{
    CountedSpends, Initiator, Judgement, OutOfScope, Policy, Question, SpendingBefore, Subject,
};
use quorate_request::{
    ClusterId, ErrorBody, ErrorCode, Operation, RequestError, SignedRequest, Verified, VerifiedHead, WalletId,
};

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

    /// Whether nodes could have signed what another one says was, or is about to be, signed at a time: without what was spent before.
    pub(crate) fn could_allow(&self, verified: &Verified, job: &Job, at: SystemTime) -> bool {
        self.judge(verified, job, at, &()).is_ok()
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

    /// Whether what a request asks for may be done: it is in its initiator's scope, and the policy lets it be signed. Gives the
    /// rule by which it does.
    ///
    /// # Errors
    /// It may not: why, for the client.
    pub(crate) fn judge(
        &self,
        verified: &Verified,
        job: &Job,
        now: SystemTime,
        spent: &dyn SpendingBefore,
    ) -> Result<Option<String>, ErrorBody> {
        let initiator = self.scoped(verified, job.wallet_id())?;
        let Job::Sign(sign) = job else { return Ok(None) };
        let explain = sign.transaction.as_ref().map(|transaction| transaction.explain());
        let chain = explain.map(|explain| explain.chain.as_str());
        initiator.may_sign_for(chain).map_err(|error| out_of_scope(&error))?;
        let Some(policy) = &self.policy else { return Ok(None) };
        let judgement = policy.judge(&Question {
            wallet: &sign.wallet.id,
            initiator: initiator.name(),
            subject: explain.map_or(Subject::Raw, Subject::Transaction),
            at: now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
            approved_by: &BTreeSet::new(),
            spent,
        });
        match judgement {
            Judgement::Allowed { rule } => Ok(Some(rule)),
            Judgement::Denied { reason, .. } => Err(ErrorBody::new(ErrorCode::PolicyDenied, reason)),
            other => {
                let rule = other.rule().unwrap_or_default();
                let message = format!("rule {rule:?} asks for approvals, which this release does not take");
                Err(ErrorBody::new(ErrorCode::PolicyDenied, message))
            }
        }
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
