//! A member's side: decide on an invitation, keep the promise until the start, take the outcome.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use quorate_keys::Identity;
use quorate_request::{ErrorCode, HexArray, SessionResult, SignResponse, SignedRequest, Verified};
use quorate_session::{Acceptance, Accepted, Start};
use rand_core::OsRng;
use tokio::sync::watch;

use super::attempt::Answer;
use super::pairing::renewal_of;
use super::provisions::Anew;
use super::{Engine, lock};
use crate::barrier::Step;
use crate::cause::{Cause, NewAuxiliary, NewPairs, Order, Provision};
use crate::clock::millis;
use crate::frame::{Decline, Frame, Invite, Reason, Signed};
use crate::job::{AuxiliaryJob, Job, PairsJob, PresignJob, ReshareJob};
use crate::pairings::Renewal;
use crate::presignatures::Reservation;
use crate::spendings::Reserved;

/// How far in the future a proposal may expire.
pub(super) const LONGEST_PROPOSAL: Duration = Duration::from_secs(600);
/// How long an attempt is remembered after it ended, to take its outcome.
const REMEMBERED: Duration = Duration::from_secs(120);
/// How long a start may be under way.
const START_MARGIN: Duration = Duration::from_secs(1);
/// How long it is a waiting proposer's turn: a little longer than proposers pause at the most.
const TURN: Duration = Duration::from_secs(2);
/// Promises and sessions of this node at a time, for each that it may propose itself.
const MEMBER_FACTOR: usize = 4;

/// A proposal that this node accepted.
pub(super) struct Promise {
    pub(super) accepted: Accepted,
    pub(super) cause: Arc<Cause>,
    pub(super) job: Arc<Job>,
    pub(super) setup: Vec<u8>,
    /// The presignatures that it will use up.
    pub(super) reserved: Option<Reservation>,
    /// What it spends, of what windows of the policy count.
    pub(super) spending: Option<Reserved>,
    pub(super) cancelled: watch::Receiver<bool>,
}

/// What a promise is made of.
struct Promised {
    accepted: Accepted,
    cause: Cause,
    job: Job,
    setup: Vec<u8>,
    reserved: Option<Reservation>,
    spending: Option<Reserved>,
}

/// The latest attempt at a request that this node takes part in.
pub(super) struct TakenPart {
    pub(super) fingerprint: [u8; 32],
    pub(super) proposal: [u8; 32],
    proposer: Identity,
    attempt: u32,
    pub(super) cause: Arc<Cause>,
    pub(super) job: Arc<Job>,
    pub(super) committee: BTreeSet<Identity>,
    since: Instant,
    /// Whether it still has a promise or a session.
    pub(super) live: bool,
    /// Proposers that were told to wait, in the order in which they came, and since when it is the first one's turn.
    waiting: VecDeque<Identity>,
    turn_since: Option<Instant>,
    cancel: watch::Sender<bool>,
}

/// Takes over who deals, as an invitation says.
fn appointed(reshare: &mut ReshareJob, invite: &Invite) -> Result<(), Reason> {
    let refused = |message: String| refused("aborted", message);
    let resharing = invite.resharing.clone().ok_or_else(|| refused("nobody is to deal".into()))?;
    reshare.appointed(resharing.dealers, invite.proposal.proposal.epoch).map_err(refused)?;
    reshare.overtakes = resharing.overtakes;
    Ok(())
}

/// A start that is being looked at.
struct Starting<'a> {
    engine: &'a Engine,
    fresh: [u8; 32],
}

impl<'a> Starting<'a> {
    fn new(engine: &'a Engine, fresh: [u8; 32]) -> Self {
        lock(&engine.doubts).starting.insert(fresh);
        Self { engine, fresh }
    }
}

impl Drop for Starting<'_> {
    fn drop(&mut self) {
        lock(&self.engine.doubts).starting.remove(&self.fresh);
    }
}

impl TakenPart {
    /// Whether it is a live attempt of another proposer.
    pub(super) fn is_live_by_another(&self, proposer: &Identity) -> bool {
        self.live && self.proposer != *proposer
    }

    /// Whether a proposer has to wait: while another one's attempt is live, and after it as long as others came before
    /// it. Otherwise a node that keeps proposing, and never starts, could keep all others from it.
    fn must_wait(&mut self, proposer: Identity, attempt: u32) -> bool {
        let newer = self.proposer == proposer && self.attempt < attempt;
        let wait = (self.live && !newer) || self.turn().is_some_and(|first| first != proposer);
        if wait && !self.waiting.contains(&proposer) {
            self.waiting.push_back(proposer);
        }
        wait
    }

    /// Whose turn it is. Who does not take it in time loses it.
    fn turn(&mut self) -> Option<Identity> {
        while let Some(first) = self.waiting.front() {
            if self.live || self.turn_since.get_or_insert_with(Instant::now).elapsed() < TURN {
                return Some(*first);
            }
            self.waiting.pop_front();
            self.turn_since = None;
        }
        None
    }
}

impl Engine {
    /// Decides on an invitation.
    pub(super) fn invited(self: &Arc<Self>, from: Identity, invite: Invite) -> Frame {
        let digest = quorate_session::Proposing::new(&invite.proposal.proposal);
        let proposal = digest.as_ref().map_or([0; 32], |proposing| *proposing.digest());
        let (request, fingerprint) = match &invite.order {
            // Of what can't be read there is no name.
            Order::Request(request) => {
                let request = SignedRequest::decode(request).ok();
                let fingerprint = request.as_ref().map(SignedRequest::fingerprint);
                (request, fingerprint)
            }
            Order::Upkeep(provision, unique) => {
                (None, Some(Cause::upkeep(&from, provision.clone(), *unique).fingerprint()))
            }
        };
        match self.accept(from, invite) {
            Ok(acceptance) => Frame::Accept(acceptance),
            Err(reason) => {
                if let Some(request) = request.filter(|_| reason.is_refusal()) {
                    self.audit.declined(request.request_id().as_str(), &self.name(&from), &reason);
                }
                tracing::info!(proposer = %self.name(&from), "declined a proposal: {reason}");
                let of = fingerprint.as_ref().map(|fingerprint| (self.peers.cluster(), fingerprint));
                Frame::Decline(Decline::new(proposal, reason, of, &self.identity))
            }
        }
    }

    fn accept(self: &Arc<Self>, from: Identity, invite: Invite) -> Result<Acceptance, Reason> {
        let (cause, job) = match &invite.order {
            Order::Request(request) => {
                let verified = self.verified(request)?;
                let policy = self.authority.policy_digest();
                if invite.policy.as_ref() != policy {
                    return Err(Reason::OtherPolicy { digest: policy.copied() });
                }
                let mut job = Job::new(&verified, &self.wallets, &self.peers, &self.config)
                    .map_err(|error| refused(error.code.as_str(), error.message))?;
                self.check_epoch(&from, &invite, &job)?;
                if let Job::Reshare(reshare) = &mut job {
                    appointed(reshare, &invite)?;
                }
                if let Job::Sign(sign) = &mut job
                    && sign.uses_pairs()
                {
                    let signers = &invite.proposal.proposal.committee;
                    sign.pairs = Some(self.pairs_proposed(&sign.wallet, invite.pairs, signers)?);
                }
                (Cause::request(&verified, policy), job)
            }
            Order::Upkeep(provision, unique) => {
                let mut job = self.provision(from, provision)?;
                if matches!(job, Job::Reshare(_)) {
                    self.check_epoch(&from, &invite, &job)?;
                }
                if let Job::Reshare(reshare) = &mut job {
                    self.check_due(&reshare.wallet)?;
                    appointed(reshare, &invite)?;
                }
                (Cause::upkeep(&from, provision.clone(), *unique), job)
            }
        };
        self.accept_checked(from, invite, cause, job)
    }

    /// Whether the proposer goes by the same epoch of the wallet as this node.
    ///
    /// # Errors
    /// The one that this node goes by.
    fn check_epoch(&self, from: &Identity, invite: &Invite, job: &Job) -> Result<(), Reason> {
        let Some(wallet) = job.wallet() else { return Ok(()) };
        let theirs = match &invite.resharing {
            Some(resharing) => resharing.old,
            None => invite.proposal.proposal.epoch,
        };
        if theirs == wallet.public.epoch { Ok(()) } else { Err(self.at_another_epoch(from, wallet, theirs)) }
    }

    fn verified(&self, request: &[u8]) -> Result<Verified, Reason> {
        let request = SignedRequest::decode(request)
            .map_err(|error| refused("malformed_request", error.to_string()))?;
        self.authority.verify(&request).map_err(|error| refused(error.code().as_str(), error.to_string()))
    }

    /// The job of what nodes make ahead.
    pub(super) fn provision(&self, from: Identity, provision: &Provision) -> Result<Job, Reason> {
        match provision {
            Provision::Auxiliary(new) => {
                let request =
                    new.request.as_deref().map(|request| self.request_for(request, new)).transpose()?;
                AuxiliaryJob::new(new, request, &self.auxiliaries, &self.peers).map(Job::Auxiliary)
            }
            Provision::Presignatures(new) => {
                let job = PresignJob::new(new, from, &self.wallets, &self.auxiliaries)?;
                Ok(Job::Presign(Box::new(job)))
            }
            Provision::Pairs(new) => {
                let renewal =
                    new.request.as_deref().map(|request| self.renewal_for(request, new)).transpose()?;
                PairsJob::new(new, renewal, &self.wallets, &self.pairings).map(Job::Pairs)
            }
            Provision::Refresh(new) => self.refreshing(new).map(|job| Job::Reshare(Box::new(job))),
        }
    }

    /// The client's request that something is made anew for, and what that is.
    fn wanted_by(&self, request: &[u8]) -> Result<(Verified, Anew), Reason> {
        let verified = self.verified(request)?;
        self.check_approved(&verified).map_err(|error| refused(error.code.as_str(), error.message))?;
        let anew = self.wanted_anew(&verified).map_err(|error| match error.code {
            // It may be so new that its certificate has not come.
            ErrorCode::UnknownWallet => Reason::Busy(error.message),
            code => refused(code.as_str(), error.message),
        });
        Ok((verified, anew?))
    }

    /// Digest of the client's request that new auxiliary information is made for, which must name just these parties.
    fn request_for(&self, request: &[u8], new: &NewAuxiliary) -> Result<[u8; 32], Reason> {
        match self.wanted_by(request)? {
            (verified, Anew::Auxiliary(parties)) if parties == new.parties => Ok(verified.request().digest()),
            _ => Err(refused("invalid_parties", "the request is for other nodes".into())),
        }
    }

    /// The word of the client whose request new pairs are made for, which must name just this wallet.
    fn renewal_for(&self, request: &[u8], new: &NewPairs) -> Result<Renewal, Reason> {
        match self.wanted_by(request)? {
            (verified, Anew::Pairs(wallet)) if wallet.generation() == new.wallet => Ok(renewal_of(&verified)),
            _ => Err(refused("unknown_wallet", "the request is for another wallet".into())),
        }
    }

    /// [`Engine::invited`], for this node's own proposal.
    pub(super) fn invited_by_me(
        self: &Arc<Self>,
        invite: Invite,
        cause: &Cause,
        job: &Job,
    ) -> Result<Acceptance, Reason> {
        self.accept_checked(self.me, invite, cause.clone(), job.clone())
    }

    fn accept_checked(
        self: &Arc<Self>,
        from: Identity,
        invite: Invite,
        cause: Cause,
        mut job: Job,
    ) -> Result<Acceptance, Reason> {
        if self.is_draining() {
            return Err(Reason::Unable("is shutting down".into()));
        }
        let operation = job.operation();
        let reserved = self.reserve(from, &invite, &job)?;
        let setup = self.check_proposal(from, &invite, &cause, &job).map_err(|message| {
            refused("aborted", format!("the proposal is not what the request says: {message}"))
        })?;
        match (&cause, &job) {
            (Cause::Request { verified, .. }, job) => {
                self.check_approved(verified).map_err(|error| refused(error.code.as_str(), error.message))?;
                self.check_request(from, verified, job)?;
                self.check_remembers(verified.request()).map_err(|error| Reason::Unable(error.message))?;
            }
            (Cause::Upkeep(_), Job::Reshare(reshare)) => self.check_renewing(&from, reshare)?,
            (Cause::Upkeep(_), _) => {}
        }
        // Last of all, as it takes from what others may spend.
        self.check_ability(from, &invite, &job)?;
        let spending = match &cause {
            Cause::Request { verified, .. } => {
                let members = &invite.proposal.proposal.committee;
                self.judge_and_reserve(verified, &mut job, members)?
            }
            Cause::Upkeep(_) => None,
        };

        let (accepted, acceptance) =
            Accepted::accept(invite.proposal, &self.me, &self.own(), &self.signatures, &mut OsRng)
                .map_err(|error| refused("aborted", error.to_string()))?;
        let promise = Promised { accepted, cause, job, setup, reserved, spending };
        self.promise(from, promise)?;
        self.barrier.reached(operation, Step::Accepted);
        Ok(acceptance)
    }

    /// Whether the proposal is exactly what this node would make of the request.
    fn check_proposal(
        &self,
        from: Identity,
        invite: &Invite,
        cause: &Cause,
        job: &Job,
    ) -> Result<Vec<u8>, String> {
        let proposal = &invite.proposal.proposal;
        let now = SystemTime::now();
        let expected = proposal.cluster == *self.authority.cluster().as_bytes()
            && proposal.request == cause.digest()
            && proposal.operation == job.operation()
            && proposal.protocol == *job.protocol()
            && proposal.epoch == job.epoch();
        if !expected {
            return Err("cluster, request, operation, protocol or epoch differ".into());
        }
        if proposal.proposer != from {
            return Err("it was made by another node than the one that sent it".into());
        }
        // A little skew between clocks must not keep nodes from signing.
        let skew = crate::authority::CLOCK_SKEW;
        if proposal.expires < millis(now - skew) || proposal.expires > millis(now + LONGEST_PROPOSAL) {
            return Err("it has expired, or expires too late: check the clocks".into());
        }
        job.check_committee(&proposal.committee, &self.peers)?;
        let presignatures = self.presignatures.publics(&invite.presignatures);
        let setup = job.setup(&proposal.committee, &proposal.proposer, &presignatures)?;
        if quorate_session::setup_digest(&setup) != proposal.setup {
            return Err("the protocol's inputs differ".into());
        }
        Ok(setup)
    }

    /// Whether this node knows the request, or an attempt at it that is still live.
    fn check_request(self: &Arc<Self>, from: Identity, verified: &Verified, job: &Job) -> Result<(), Reason> {
        let id = verified.request_id();
        let fingerprint = verified.request().fingerprint();
        match self.ledger.finished(id, &fingerprint) {
            Err(error) if error.code == ErrorCode::RequestConflict => return Err(Reason::Conflict),
            Err(error) => return Err(Reason::Unable(error.message)),
            Ok(Some(SessionResult::Sign(response))) => {
                return Err(Reason::Done(Box::new(self.signed_of(&response, fingerprint))));
            }
            Ok(_) => {}
        }
        if let Job::Reshare(reshare) = job {
            self.check_renewing(&from, reshare)?;
        }
        if let Job::Keygen(keygen) = job {
            if let Some(wallet) =
                self.wallets.named(&keygen.wallet).iter().find(|wallet| wallet.fingerprint == fingerprint)
            {
                self.tell_wallet(&from, wallet);
                return Err(Reason::Done(Box::new(None)));
            }
            let is_lost = self.wallets.is_lost(&keygen.wallet).map_err(|error| {
                tracing::error!(%error, "the store can't be read");
                Reason::Unable("can't read its store; its log says why".into())
            })?;
            if is_lost {
                let name = &keygen.wallet;
                tracing::error!(
                    wallet = %name,
                    "a pending share of this name can't be read, or who holds it: restore this node from a backup"
                );
                return Err(Reason::Unable(format!(
                    "can't read what it keeps under the name {name}; its log says more"
                )));
            }
            if let Some(waiting) = self.wallets.waiting_for(&keygen.wallet) {
                self.inquire(&waiting.inquiry());
                let silent = self.unheard(&waiting);
                return Err(Reason::Busy(format!(
                    "the name {} is held by an earlier key generation until {} says what became of it; start that node, or choose another name",
                    waiting.wallet,
                    silent.join(" or ")
                )));
            }
        }
        Ok(())
    }

    /// Whether this node can do it now.
    fn check_ability(&self, from: Identity, invite: &Invite, job: &Job) -> Result<(), Reason> {
        let members = invite.proposal.proposal.committee.members();
        if let Some(convicted) = members.iter().find(|member| self.exclusions.contains(&member.identity)) {
            // Not absent: with the evidence, which it may have missed, the proposer chooses others.
            if let Some(evidence) = self.exclusions.evidence_against(&convicted.identity) {
                self.send(&from, &Frame::Evidence(Box::new(evidence)));
            }
            return Err(Reason::Busy(format!(
                "does not work with {}, a convicted node",
                self.name(&convicted.identity)
            )));
        }
        if let Some((wallet, epoch)) = job.uses_share_of(&self.me)
            && let Err(error) = self.wallets.share_at(wallet, epoch)
        {
            tracing::error!(wallet = %wallet.id, %error, "this node can't sign");
            if matches!(job, Job::Reshare(_)) {
                return Err(Reason::NoShare);
            }
            // Where what is damaged lies is for this node's operator to know.
            return Err(Reason::Unable(format!(
                "can't use its share of wallet {}; its log says why",
                wallet.id
            )));
        }
        match job {
            Job::Auxiliary(_) if !self.primes.has_one() => {
                Err(Reason::Busy("is searching primes for its modulus".into()))
            }
            Job::Presign(job) => self.check_room(&from, job),
            Job::Pairs(job) => self.check_pairing(&from, job),
            Job::Sign(job) if job.uses_pairs() => self.check_pairs(job, &invite.proposal.proposal.committee),
            _ => Ok(()),
        }
    }

    /// How many attempts of this operation may be live here.
    fn most_live(&self, job: &Job) -> usize {
        let allowed = match job {
            Job::Keygen(_) | Job::Reshare(_) => self.config.max_concurrent_keygen,
            Job::Sign(_) => self.config.max_concurrent_signing,
            Job::Auxiliary(_) | Job::Presign(_) | Job::Pairs(_) => self.config.max_concurrent_presign,
        };
        allowed.saturating_mul(MEMBER_FACTOR)
    }

    /// Notes the attempt as the only live one of its request, and keeps the promise until it starts or expires.
    fn promise(self: &Arc<Self>, from: Identity, promised: Promised) -> Result<(), Reason> {
        let Promised { accepted, cause, job, setup, reserved, spending } = promised;
        let id = cause.id().to_owned();
        let digest = *accepted.digest();
        let proposal = accepted.proposal();
        let (cause, job) = (Arc::new(cause), Arc::new(job));
        let (cancel, cancelled) = watch::channel(false);
        let mut part = TakenPart {
            fingerprint: cause.fingerprint(),
            proposal: *accepted.digest(),
            proposer: from,
            attempt: proposal.attempt,
            cause: Arc::clone(&cause),
            job: Arc::clone(&job),
            committee: proposal.committee.members().iter().map(|member| member.identity).collect(),
            since: Instant::now(),
            live: true,
            waiting: VecDeque::new(),
            turn_since: None,
            cancel,
        };
        {
            let mut taken = lock(&self.taken);
            taken.retain(|_, part| part.live || part.since.elapsed() < REMEMBERED);
            let operation = part.job.operation();
            // What nodes do of their own accord is counted for each that proposes it: none takes the places of others.
            let alike = |other: &TakenPart| {
                other.job.operation() == operation
                    && (part.cause.verified().is_some() || other.proposer == from)
            };
            let live = taken.iter().filter(|(other, part)| part.live && alike(part) && **other != id).count();
            if live >= self.most_live(&part.job) {
                return Err(Reason::Busy("has too many sessions".into()));
            }
            if let Some(before) = taken.get_mut(&id) {
                if before.fingerprint != part.fingerprint {
                    return Err(Reason::Conflict);
                }
                if before.must_wait(from, part.attempt) {
                    return Err(Reason::Busy(
                        "another attempt at the request is live, or comes first".into(),
                    ));
                }
                part.waiting = std::mem::take(&mut before.waiting);
                part.waiting.retain(|proposer| *proposer != from);
                before.cancel.send_replace(true);
                lock(&self.promises).remove(&before.proposal);
            }
            taken.insert(id.clone(), part);
            if matches!(*job, Job::Keygen(_) | Job::Reshare(_)) {
                lock(&self.doubts).accepted(*accepted.fresh());
            }
            // While the attempt can't be replaced: a promise without its attempt would have nobody to end it.
            let promise = Promise { accepted, cause, job, setup, reserved, spending, cancelled };
            lock(&self.promises).insert(digest, promise);
        }
        let engine = Arc::clone(self);
        tokio::spawn(async move {
            // The proposer gathers for one round's time; then its start is on its way or never comes.
            tokio::time::sleep(engine.config.round_timeout.saturating_add(START_MARGIN)).await;
            if lock(&engine.promises).remove(&digest).is_some() {
                engine.part_over(&id, &digest);
            }
        });
        Ok(())
    }

    /// The request has its result: nothing more of the attempt need be known.
    pub(super) fn outcome_known(&self, request: &str) {
        lock(&self.taken).remove(request);
    }

    /// Takes the proposer's word that a proposal is void. One that has started is not: its session decides.
    pub(super) fn withdrawn(&self, from: Identity, proposal: &[u8; 32]) {
        let mut promises = lock(&self.promises);
        if promises.get(proposal).is_none_or(|promise| promise.accepted.proposal().proposer != from) {
            return;
        }
        let promise = promises.remove(proposal);
        drop(promises);
        if let Some(promise) = promise {
            self.part_over(promise.cause.id(), proposal);
        }
    }

    /// The attempt has neither promise nor session any more.
    pub(super) fn part_over(&self, request: &str, proposal: &[u8; 32]) {
        let mut taken = lock(&self.taken);
        let Some(part) = taken.get_mut(request).filter(|part| part.proposal == *proposal) else { return };
        part.live = false;
        part.turn_since = None;
        // Nobody comes back to what nodes do of their own accord.
        if part.cause.verified().is_none() {
            taken.remove(request);
        }
    }

    /// All members have accepted: begins the session.
    pub(super) fn started(self: &Arc<Self>, from: Identity, start: &Start) {
        // Between promise and session it is among the starting ones: who asks about it never finds it in none of them.
        let (promise, starting) = {
            let mut promises = lock(&self.promises);
            match promises.get(&start.proposal) {
                None => return tracing::debug!(peer = %self.name(&from), "a start without a promise"),
                Some(promise) if promise.accepted.proposal().proposer != from => {
                    return tracing::warn!(peer = %self.name(&from), "a start that is not by the proposer");
                }
                Some(promise) => {
                    let starting = Starting::new(self, *promise.accepted.fresh());
                    (promises.remove(&start.proposal), starting)
                }
            }
        };
        let Some(Promise { accepted, cause, job, setup, reserved, spending, cancelled }) = promise else {
            return;
        };
        let digest = *accepted.digest();
        match accepted.start(start, &self.signatures) {
            Ok(context) => {
                let spending = spending.map(Arc::new);
                let start = start.clone();
                let part =
                    super::run::Part { context, digest, start, cause, job, setup, spending, cancelled };
                // At once, before they can be taken for anything else.
                let halves = reserved.and_then(Reservation::take);
                self.run(part, halves);
            }
            // The proposer gathered the acceptances: a faulty start is its own doing, and ends its attempt.
            Err((_, error)) => {
                tracing::warn!(peer = %self.name(&from), %error, "refused a start");
                // Before the next proposal can be accepted.
                drop(starting);
                self.part_over(cause.id(), &digest);
            }
        }
    }

    /// Takes signatures from the aggregator of a session, or from a member that knows the request's result.
    pub(super) async fn signed(&self, from: Identity, signed: Signed) {
        let part = lock(&self.taken)
            .get(&signed.request_id)
            .filter(|part| part.committee.contains(&from))
            .map(|part| (Arc::clone(&part.cause), Arc::clone(&part.job)));
        let request = signed.request_id.clone();
        if let Some((cause, job)) = part
            && let (Job::Sign(job), Some(verified)) = (&*job, cause.verified())
        {
            let response = match self.sign_response(verified, job, &signed) {
                Ok(response) => response,
                Err(error) => {
                    return tracing::warn!(peer = %self.name(&from), "refused a result: {}", error.message);
                }
            };
            let result = SessionResult::Sign(response.clone());
            let is_in_memory = self.ledger.learn(verified, &result);
            self.linger_no_more(verified.request_id());
            // The request's own proposer, if that is this node, adds to the result before it keeps it.
            let proposes = lock(&self.proposals)
                .get(&request)
                .is_some_and(|proposed| proposed.fingerprint == signed.fingerprint);
            self.answer_by_request(from, &request, Answer::Signed(Box::new((signed, Some(response)))));
            if !proposes {
                self.keep(verified, &result, is_in_memory).await;
            }
            // Not before it would be found by whoever invites this node to sign the same again.
            return self.outcome_known(&request);
        }
        self.answer_by_request(from, &request, Answer::Signed(Box::new((signed, None))));
    }

    /// Keeps a result that another node has reached: as soon as can be, if it is not to be found in memory meanwhile.
    async fn keep(&self, verified: &Verified, result: &SessionResult, is_in_memory: bool) {
        let kept = if is_in_memory {
            self.ledger.settle_soon(verified, result).await
        } else {
            self.ledger.settle(verified, result).await
        };
        if let Err(error) = kept {
            let request = verified.request_id().as_str();
            tracing::warn!(request, "a result could not be stored: {}", error.message);
        }
    }

    /// A result as nodes tell each other.
    fn signed_of(&self, response: &SignResponse, fingerprint: [u8; 32]) -> Option<Signed> {
        let names = &response.committee;
        let signature = |bytes: &HexArray<64>| quorate_keys::Signature::from_bytes(*bytes.as_bytes());
        let signatures = match response.signatures.as_slice() {
            [] => vec![signature(&response.signature)],
            several => several.iter().map(|made| signature(&made.signature)).collect(),
        };
        Some(Signed {
            request_id: response.session_id.as_str().to_owned(),
            fingerprint,
            signatures,
            committee: self.peers.identities(names).ok()?,
            attempt: response.attempt,
        })
    }
}

pub(super) fn refused(code: &str, message: String) -> Reason {
    Reason::Refused { code: code.into(), message }
}
