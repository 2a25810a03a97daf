//! What makes a node act: a request signed by an initiator, for this cluster, at this time, within the initiator's scope,
//! approved by as many authorizers as the policy asks for, and for a signature one that the policy allows.
//!
//! Every node checks it for itself, whatever proposer or gateway the request came through.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use quorate_keys::Principal;
use quorate_policy::ScopedOperation;
use quorate_policy::{
    Approvals, CountedSpends, Initiator, Judgement, OutOfScope, Policy, Question, SpendingBefore, Subject,
};
use quorate_request::{
    ApprovalRequest, ClusterId, Decision, ErrorBody, ErrorCode, InitiatorView, InitiatorsRequest, Operation,
    RequestError, SignedRequest, Verified, VerifiedHead, WalletId,
};

use crate::approvals::{Wanted, Word};
use crate::clock::seconds;
use crate::config::{Config, ConfigError};
use crate::initiators::{Change, Initiators, Proof, check_body};
use crate::job::{Job, SignJob};
use quorate_identity::peers::Peers;

/// How far the clocks of client and node may be apart.
pub(crate) const CLOCK_SKEW: Duration = Duration::from_secs(30);

/// Who may ask this node for what.
#[derive(Debug)]
pub(crate) struct Authority {
    cluster: ClusterId,
    /// As the policy or the configuration has them.
    named: Vec<Initiator>,
    /// What changes have made of them.
    initiators: RwLock<Arc<Initiators>>,
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
            Some(policy) => Ok(Self::new(cluster, policy.initiators().to_vec(), Some(policy))),
            None => Ok(Self::without_policy(cluster, &config.initiators)),
        }
    }

    /// Whatever these initiators ask for.
    pub(crate) fn without_policy(cluster: ClusterId, initiators: &[Principal]) -> Self {
        Self::new(cluster, initiators.iter().copied().map(Initiator::unlimited).collect(), None)
    }

    fn new(cluster: ClusterId, named: Vec<Initiator>, policy: Option<Policy>) -> Self {
        let this = Self { cluster, named, initiators: RwLock::default(), policy };
        this.change_initiators(Vec::new);
        this
    }

    /// Goes by these changes of initiators, and no others. They are read while nobody else goes by any: who reads fewer must not
    /// be the last to write.
    pub(crate) fn change_initiators(&self, changes: impl FnOnce() -> Vec<Arc<Change>>) {
        let is_authorizer = |key: &Principal| self.authorizer(key).is_some();
        let mut initiators = self.initiators.write().unwrap_or_else(PoisonError::into_inner);
        let changes = changes();
        *initiators =
            Arc::new(Initiators::after(&self.named, is_authorizer, changes.iter().map(Arc::as_ref)));
    }

    fn initiators(&self) -> Arc<Initiators> {
        Arc::clone(&self.initiators.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// All keys that may ask, or might once.
    pub(crate) fn initiator_views(&self) -> Vec<InitiatorView> {
        self.initiators().views()
    }

    /// The initiator whose key this is, or was.
    pub(crate) fn initiator_of(&self, key: &Principal) -> Option<Arc<Initiator>> {
        self.initiators().get(key).map(|known| Arc::clone(&known.initiator))
    }

    /// Whether the key that signed a request may still ask.
    ///
    /// # Errors
    /// It was revoked, or never might.
    pub(crate) fn check_active(&self, verified: &Verified) -> Result<(), ErrorBody> {
        let key = verified.initiator();
        if self.is_active(key) {
            return Ok(());
        }
        Err(refusal(&self.of_an_initiator(RequestError::UnknownInitiator(*key))))
    }

    /// Whether this key is one of an initiator that may ask, or of an authorizer.
    pub(crate) fn may_be_heard(&self, key: &Principal) -> bool {
        self.is_active(key) || self.authorizer(key).is_some()
    }

    fn is_active(&self, key: &Principal) -> bool {
        self.initiators().get(key).is_some_and(crate::initiators::Known::is_active)
    }

    /// Says of a key that is none of an initiator whether it was one.
    fn of_an_initiator(&self, error: RequestError) -> RequestError {
        match error {
            RequestError::UnknownInitiator(key) if self.initiator_of(&key).is_some() => {
                RequestError::RevokedInitiator(key)
            }
            error => error,
        }
    }

    /// Checks a request's signature, initiator, cluster and times.
    ///
    /// # Errors
    /// The sender's fault.
    pub(crate) fn verify(&self, request: &SignedRequest) -> Result<Verified, RequestError> {
        let verified =
            request.verify(&self.cluster, |key| self.is_active(key), SystemTime::now(), CLOCK_SKEW);
        verified.map_err(|error| self.of_an_initiator(error))
    }

    /// Checks what [`Authority::verify`] does, but for the body.
    ///
    /// # Errors
    /// The sender's fault.
    pub(crate) fn verify_head(&self, request: &SignedRequest) -> Result<VerifiedHead, RequestError> {
        let verified =
            request.verify_head(&self.cluster, |key| self.is_active(key), SystemTime::now(), CLOCK_SKEW);
        verified.map_err(|error| self.of_an_initiator(error))
    }

    /// Checks what [`Authority::verify_head`] does, of a request to read: authorizers may, too.
    ///
    /// # Errors
    /// The sender's fault.
    pub(crate) fn verify_reading_head(&self, request: &SignedRequest) -> Result<VerifiedHead, RequestError> {
        let known = |key: &Principal| self.may_be_heard(key);
        let verified = request.verify_head(&self.cluster, known, SystemTime::now(), CLOCK_SKEW);
        verified.map_err(|error| self.of_an_initiator(error))
    }

    /// Checks what [`Authority::verify_head`] does, of what an authorizer says or asks for now.
    ///
    /// # Errors
    /// The sender's fault.
    pub(crate) fn verify_head_of_authorizer(
        &self,
        request: &SignedRequest,
    ) -> Result<VerifiedHead, RequestError> {
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

    /// Whether there is anybody who can approve something.
    pub(crate) fn has_authorizers(&self) -> bool {
        self.policy.as_ref().is_some_and(|policy| !policy.authorizers().is_empty())
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
                Err(Wanted::always(approvals).missing(approved_by))
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
            return Some(Wanted::always(approvals));
        }
        let initiator = self.scoped(verified, job.map(|job| &job.wallet.id)).ok()?;
        match policy.judge(&question(&initiator, job?, now, &BTreeSet::new(), &())) {
            Judgement::Unapproved { rule, threshold, of, .. } => {
                Some(Wanted { rule: Some(rule), threshold, of })
            }
            _ => None,
        }
    }

    /// Whether an authorizer may ask for this change of initiators now, whoever has approved it.
    ///
    /// # Errors
    /// Why nobody may, or not this one, or what is asked for means nothing.
    pub(crate) fn check_change(&self, verified: &Verified) -> Result<(), ErrorBody> {
        self.approvals_of_changes(verified.initiator())?;
        check_body(verified.request())?;
        let asked: InitiatorsRequest = verified.body().map_err(|error| ErrorBody::from(&error))?;
        let as_whom = asked.admitted_as().map_err(|error| ErrorBody::from(&error))?;
        let wrong = |message: String| Err(ErrorBody::new(ErrorCode::MalformedRequest, message));
        let (key, initiators) = (&asked.key, self.initiators());
        match (as_whom, initiators.get(key)) {
            (Some(name), _) if !self.named.iter().any(|initiator| initiator.name() == name) => {
                wrong(format!("the policy has no initiator {name:?}"))
            }
            (Some(name), _)
                if self.named.iter().any(|initiator| initiator.name() == name && initiator.is_retired()) =>
            {
                wrong(format!("initiator {name:?} is retired: none of its keys may ask"))
            }
            (Some(_), None) if initiators.is_revoked(key) => {
                wrong(format!("{key} was revoked, for good: admit a new one"))
            }
            (Some(_), _) if self.authorizer(key).is_some() => {
                wrong(format!("{key} is the key of an authorizer"))
            }
            (Some(_), Some(known)) => {
                let state = if known.is_active() { "is" } else { "was" };
                wrong(format!("{key} {state} a key of {}: admit a new one", known.initiator.name()))
            }
            (None, None) => wrong(format!("{key} is the key of no initiator")),
            (None, Some(known)) if known.is_revoked() => {
                wrong(format!("{key} of {} is revoked already", known.initiator.name()))
            }
            _ => Ok(()),
        }
    }

    /// What the policy asks for before initiators are changed, if this authorizer is among those who can approve.
    fn approvals_of_changes(&self, asker: &Principal) -> Result<(&Approvals, &str), ErrorBody> {
        let forbidden = |message: String| ErrorBody::new(ErrorCode::Forbidden, message);
        let approvals = self.policy.as_ref().and_then(|policy| policy.approvals(ScopedOperation::Initiators));
        let approvals = approvals.ok_or_else(|| {
            forbidden(
                "the policy does not say who approves changes of initiators (approvals: initiators)".into(),
            )
        })?;
        let name = self.authorizer(asker).unwrap_or_default();
        if !self.approves_changes(name) {
            let message = format!("{name:?} is not among those who can approve changes of initiators");
            return Err(forbidden(message));
        }
        Ok((approvals, name))
    }

    /// Who asks for this as an authorizer, and so approves it: a change of initiators is.
    pub(crate) fn approving_asker(&self, operation: &Operation, asker: &Principal) -> Option<&str> {
        let name = (*operation == Operation::Initiators).then(|| self.authorizer(asker)).flatten();
        name.filter(|name| self.approves_changes(name))
    }

    /// Whether the authorizer of this name is among those who can approve changes of initiators.
    pub(crate) fn approves_changes(&self, name: &str) -> bool {
        let approvals = self.policy.as_ref().and_then(|policy| policy.approvals(ScopedOperation::Initiators));
        approvals.is_some_and(|approvals| approvals.of().iter().any(|known| known == name))
    }

    /// A change of initiators, as its proof shows it, whenever that was: at some time at which the request might be made, as many
    /// authorizers as the policy asks for had approved it, the one who asked among them.
    ///
    /// # Errors
    /// Why it is none.
    pub(crate) fn change(&self, proof: &Proof) -> Result<Change, ErrorBody> {
        let malformed = |message: String| ErrorBody::new(ErrorCode::MalformedRequest, message);
        let request = SignedRequest::decode(&proof.request).map_err(|error| malformed(error.to_string()))?;
        let verified = self.verify_past(&request, &Operation::Initiators).map_err(|error| refusal(&error))?;
        if request.created() > SystemTime::now() + CLOCK_SKEW {
            return Err(ErrorBody::new(ErrorCode::NotYetValid, "the change was signed in the future"));
        }
        let (approvals, asker) = self.approvals_of_changes(verified.initiator())?;
        // One of each, as a node passes them on that has made the change.
        let mut words = BTreeMap::new();
        for encoded in proof.words.iter().take(approvals.of().len()) {
            let word = SignedRequest::decode(encoded).map_err(|error| malformed(error.to_string()))?;
            let word = self.word(&word)?;
            if word.key == request.fingerprint() && word.decision == Decision::Approve {
                words.insert(word.authorizer.clone(), word);
            }
        }
        let (from, to) = (seconds(request.created()), seconds(request.expires()));
        // Whoever had approved it at some time had done so at the beginning, or when the last of them spoke.
        let times = words.values().map(Word::signed).filter(|time| (from..=to).contains(time)).chain([from]);
        let approved_at = |time: u64| {
            let by = words.values().filter(|word| word.held_at(time)).map(|word| word.authorizer.clone());
            (by.chain([asker.to_owned()]).collect::<BTreeSet<String>>(), time)
        };
        let best = times.map(approved_at).max_by_key(|(by, _)| approvals.given_by(by).count());
        let (approved_by, time) = best.unwrap_or_default();
        if !approvals.suffice(&approved_by) {
            return Err(Wanted::always(approvals).missing(&approved_by));
        }
        // What does not count is not passed on, nor more than a policy can ask for.
        let counting = approvals.given_by(&approved_by).filter_map(|name| words.get(name));
        let counting: Vec<&Word> =
            counting.filter(|word| word.held_at(time)).take(Proof::MAX_WORDS).collect();
        let names = counting.iter().map(|word| word.authorizer.clone()).chain([asker.to_owned()]).collect();
        let words = counting.iter().map(|word| word.encoded.to_vec()).collect();
        Change::new(&request, names, Proof { request: proof.request.clone(), words })
    }

    /// Checks a request that a node is said to have acted on: all but its times, and whether its initiator might still ask.
    ///
    /// # Errors
    /// Why no node should have.
    pub(crate) fn verify_past(
        &self,
        request: &SignedRequest,
        operation: &Operation,
    ) -> Result<Verified, RequestError> {
        let known = |key: &Principal| match operation {
            Operation::Initiators => self.authorizer(key).is_some(),
            _ => self.initiator_of(key).is_some(),
        };
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
    pub(crate) fn initiator(&self, verified: &Verified) -> Result<Arc<Initiator>, ErrorBody> {
        self.scoped(verified, None)
    }

    fn scoped(&self, verified: &Verified, wallet: Option<&WalletId>) -> Result<Arc<Initiator>, ErrorBody> {
        // It was there a moment ago, when the signature was verified.
        let initiator = self.initiator_of(verified.initiator()).ok_or_else(|| {
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
        match policy.judge(&question(&initiator, sign, now, approved_by, spent)) {
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
        at: seconds(now),
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

pub(crate) fn out_of_scope(error: &OutOfScope) -> ErrorBody {
    ErrorBody::new(ErrorCode::OutOfScope, error.to_string())
}

/// A refused request as the API shows it.
pub(crate) fn refusal(error: &RequestError) -> ErrorBody {
    ErrorBody::new(error.code(), error.to_string())
}
