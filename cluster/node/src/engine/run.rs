//! A session on this node: its messages, its deadlines, what it stores, and what becomes of its end.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use quorate_cggmp21::Presignatures;
use quorate_cggmp21::auxiliary::Auxiliary;
use quorate_dkls23::pairs::Pairs;
use quorate_keygen::{ACKNOWLEDGE, Certificate};
use quorate_keys::{Identity, Secret, wiping_stack};
use quorate_request::{SessionResult, Verified};
use quorate_reshare::{Pending as Renewal, Renewed, Setup};
use quorate_session::{Abort, Envelope, ErasedAction, Output, SessionContext, SessionId, Start, Wire};
use quorate_sharing::KeyShare;
use rand_core::OsRng;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::attempt::Answer;
use super::machine::Machine;
use super::pace::Pace;
use super::{Busy, Engine, lock};
use crate::audit;
use crate::barrier::Step;
use crate::cause::Cause;
use crate::frame::{Decline, Frame, GivenUp, Reason, Signed};
use crate::job::{Job, SignJob, aggregator};
use crate::spendings::Reserved;
use crate::store::{Batch, StoreError};
use crate::wallets::{PendingShare, Proof, WalletError};

/// A silent session repeats its messages this often: a connection may have broken under them.
const RETRANSMIT: Duration = Duration::from_millis(1000);

/// Envelopes of one member that may wait for a session.
pub(super) const WAITING: usize = 64;

/// Where a session's envelopes go. Each member has its own places, so that none can take those of another.
pub(super) struct Inbox {
    sender: mpsc::Sender<Delivery>,
    places: HashMap<Identity, Arc<Semaphore>>,
    running: Arc<AtomicBool>,
}

/// An envelope, its sender, and the place that it takes until it is dealt with.
type Delivery = (Identity, Vec<u8>, OwnedSemaphorePermit);

impl Inbox {
    /// Queues an envelope.
    ///
    /// # Errors
    /// Why it was not queued.
    pub(super) fn deliver(&self, from: Identity, envelope: Vec<u8>) -> Result<(), &'static str> {
        let places = self.places.get(&from).ok_or("its sender is no member of the session")?;
        let place = Arc::clone(places).try_acquire_owned().map_err(|_| "too many of this member's wait")?;
        self.sender.try_send((from, envelope, place)).map_err(|_| "the session is over")
    }

    pub(super) fn is_running(&self) -> bool {
        self.running.load(Ordering::Acquire)
    }
}

/// Clears up after a session, however it ends.
struct Clearing {
    engine: Arc<Engine>,
    session: SessionId,
    request: String,
    proposal: [u8; 32],
    running: Arc<AtomicBool>,
}

impl Clearing {
    /// The session takes no more part in anything; its inbox stays until its end is dealt with.
    fn over(&self) {
        self.running.store(false, Ordering::Release);
        self.engine.part_over(&self.request, &self.proposal);
    }
}

impl Drop for Clearing {
    fn drop(&mut self) {
        self.over();
        let mut sessions = lock(&self.engine.sessions);
        sessions.remove(&self.session);
        lock(&self.engine.lingering).note_over(self.session);
    }
}

/// This node's part in one attempt.
#[derive(Clone)]
pub(super) struct Part {
    pub(super) context: Arc<SessionContext>,
    /// Digest of the proposal.
    pub(super) digest: [u8; 32],
    /// What all have signed to begin it.
    pub(super) start: Start,
    pub(super) cause: Arc<Cause>,
    pub(super) job: Arc<Job>,
    pub(super) setup: Vec<u8>,
    /// What it spends, of what windows of the policy count.
    pub(super) spending: Option<Arc<Reserved>>,
    pub(super) cancelled: watch::Receiver<bool>,
}

/// A request that is being made durable, unless that is not waited for any more.
struct Remembering(tokio::task::JoinHandle<Result<(), Unstored>>);

impl Remembering {
    async fn done(&mut self) -> Result<(), Unstored> {
        (&mut self.0).await.unwrap_or_else(|error| Err(Unstored::Fault(error.to_string())))
    }
}

impl Drop for Remembering {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Why a checkpoint is not durable.
enum Unstored {
    /// This node can't.
    Fault(String),
    /// It is not to be any more, for what was decided meanwhile.
    TooLate(String),
    /// This node does not go on, for what it has heard from the others.
    Declined(Reason),
}

impl From<WalletError> for Unstored {
    fn from(error: WalletError) -> Self {
        match error {
            WalletError::TooLate { .. } => Self::TooLate(error.to_string()),
            error => Self::Fault(error.to_string()),
        }
    }
}

impl From<Unstored> for Ended {
    fn from(unstored: Unstored) -> Self {
        match unstored {
            Unstored::Fault(reason) => Self::Abort(Abort::Local { reason }),
            Unstored::TooLate(why) => Self::SteppedBack(Reason::Busy(why)),
            Unstored::Declined(reason) => Self::SteppedBack(reason),
        }
    }
}

/// How a session ended.
enum Ended {
    Done(Secret<Vec<u8>>),
    Abort(Abort),
    /// This node does not go on: nobody's fault.
    SteppedBack(Reason),
    Cancelled,
}

impl Part {
    pub(super) fn session(&self) -> SessionId {
        self.context.session()
    }

    /// Whether this node makes the signature.
    fn is_aggregated_here(&self) -> bool {
        let proposer = &self.context.agreement().proposal().proposer;
        matches!(*self.job, Job::Sign(_))
            && aggregator(self.context.committee(), proposer) == Some(self.context.me())
    }

    fn identity_of(&self, party: quorate_sharing::PartyIndex) -> Option<Identity> {
        self.context.committee().member(party).map(|member| member.identity)
    }
}

impl Engine {
    /// Runs a session in a task of its own. `halves`: this node's, of the presignatures that it uses up.
    pub(super) fn run(self: &Arc<Self>, part: Part, halves: Option<Presignatures>) {
        let members = part.context.committee().members();
        let (sender, inbound) = mpsc::channel(WAITING.saturating_mul(members.len()));
        let places =
            members.iter().map(|member| (member.identity, Arc::new(Semaphore::new(WAITING)))).collect();
        let running = Arc::new(AtomicBool::new(true));
        let inbox = Inbox { sender, places, running: Arc::clone(&running) };
        {
            let mut sessions = lock(&self.sessions);
            for (from, envelope) in lock(&self.early).take(&part.session()) {
                inbox.deliver(from, envelope).ok();
            }
            sessions.insert(part.session(), inbox);
        }
        let clearing = Clearing {
            engine: Arc::clone(self),
            session: part.session(),
            request: part.cause.id().to_owned(),
            proposal: part.digest,
            running,
        };
        let busy = Busy::new(self);
        tokio::spawn(async move {
            let engine = &clearing.engine;
            let remembering = engine.begin_to_remember(&part);
            match engine.open(&part, halves).await {
                Ok(machine) => engine.drive(&part, machine, inbound, remembering, busy, &clearing).await,
                Err(error) => {
                    clearing.over();
                    engine.give_up(&part, Abort::Local { reason: error.to_string() }).await;
                }
            }
        });
    }

    /// Makes a request for a signature durable, in the store and in the audit log, while round one is under way: it must be
    /// before the share leaves, in the round after. A key generation's goes with what it stores itself.
    fn begin_to_remember(self: &Arc<Self>, part: &Part) -> Option<Remembering> {
        part.cause.verified().filter(|_| matches!(*part.job, Job::Sign(_)))?;
        let (engine, part) = (Arc::clone(self), part.clone());
        Some(Remembering(tokio::spawn(async move { engine.remember_signing(&part).await })))
    }

    async fn remember_signing(&self, part: &Part) -> Result<(), Unstored> {
        let fault = |error: &dyn std::fmt::Display| Unstored::Fault(error.to_string());
        let (Some(verified), Job::Sign(job)) = (part.cause.verified(), &*part.job) else { return Ok(()) };
        let mut rule = job.rule.clone();
        // Some of it may be over, or have been taken back, since this node promised to take part.
        let approved_by = self.still_approved_by(verified, &part.job).map_err(Unstored::Declined)?;
        let mut batch =
            self.ledger.remember(Batch::new(), verified).map_err(|error| fault(&error.message))?;
        let mut settling = None;
        if let Some(spending) = &part.spending {
            if spending.limited {
                let heard = self.hear_out(part, verified.request().fingerprint()).await;
                rule = heard.map_err(Unstored::Declined)?;
            }
            let (with, at) = self.spendings.settling(batch, spending);
            (batch, settling) = (with, Some((Arc::clone(spending), at)));
        }
        let entry = self.signing_entry(part, verified, rule.as_deref(), approved_by);
        let members = part.context.committee().members().iter();
        let speaks = members.clone().all(|member| self.me <= member.identity);
        let (store, spendings) = (Arc::clone(&self.store), Arc::clone(&self.spendings));
        // Whatever becomes of this task: what is durable is known.
        let storing = tokio::spawn(async move {
            store.commit(batch).await?;
            if let Some((spending, at)) = settling {
                spendings.settled(&spending, at, speaks);
            }
            Ok::<_, StoreError>(())
        });
        let stored = async {
            let stored = storing.await.map_err(|error| fault(&error))?;
            stored.map_err(|error| fault(&error))
        };
        let logged = async { self.audit.signing(entry).await.map_err(Unstored::Fault) };
        tokio::try_join!(stored, logged).map(drop)
    }

    /// What the audit log says of this node's part in a signature.
    fn signing_entry(
        &self,
        part: &Part,
        verified: &Verified,
        rule: Option<&str>,
        approved_by: BTreeSet<String>,
    ) -> quorate_audit::Event {
        let signers = self.names(part.context.committee().members().iter().map(|member| &member.identity));
        let attempt = part.context.agreement().proposal().attempt;
        let policy = self.authority.policy_digest();
        let decided = audit::Decided { rule, policy, approved_by };
        audit::signing(verified, &part.job, &decided, &part.session(), attempt, &signers)
    }

    /// Sees a session through, then lets it linger for the sake of the others.
    async fn drive(
        self: &Arc<Self>,
        part: &Part,
        mut machine: Machine,
        mut inbound: mpsc::Receiver<Delivery>,
        remembering: Option<Remembering>,
        busy: Busy,
        clearing: &Clearing,
    ) {
        let ended = self.advance(part, &mut machine, &mut inbound, remembering).await;
        clearing.over();
        let Some(mut session) = machine.session else {
            return self.give_up(part, Abort::Local { reason: "its work broke off".into() }).await;
        };
        let is_done = matches!(ended, Ended::Done(_));
        match ended {
            Ended::Done(output) => {
                self.barrier.reached(part.job.operation(), Step::Finished);
                self.finish(part, session.envelopes(ACKNOWLEDGE), &output).await;
            }
            Ended::Abort(abort) => {
                if matches!(*part.job, Job::Keygen(_) | Job::Reshare(_)) {
                    self.note_complaints(session.envelopes(ACKNOWLEDGE)).await;
                }
                if let Abort::Witnessed { reason, lasting, .. } = &abort
                    && !lasting.is_empty()
                    && let Err(error) = self.note_caught(part, lasting, reason).await
                {
                    // Nobody is to notice what a restart would forget.
                    return tracing::error!(session = %part.session(), %error, "who cheated could not be noted: free the disk");
                }
                // What it has to say about its end.
                while let Some(action) = session.next_action() {
                    if let ErasedAction::Send { to, bytes } = action {
                        self.pass_on(part, to, &bytes);
                    }
                }
                self.give_up(part, abort).await;
            }
            Ended::SteppedBack(reason) => self.step_back(part, reason),
            Ended::Cancelled => {
                return tracing::debug!(session = %part.session(), "cancelled by a newer attempt");
            }
        }
        drop(busy);
        if is_done && part.is_aggregated_here() {
            // Who put a signature together has heard everything from everybody, and so have they.
            return;
        }
        session.retire();
        // What has come in since the end; then nothing more comes into the inbox.
        let mut rest = Vec::new();
        {
            let mut sessions = lock(&self.sessions);
            sessions.remove(&part.session());
            // The same is true when the signature is heard of.
            let verified = part.cause.verified().filter(|_| is_done && matches!(*part.job, Job::Sign(_)));
            self.linger(&part.context, session, verified.map(Verified::request_id));
            while let Ok((from, envelope, _)) = inbound.try_recv() {
                rest.push((from, envelope));
            }
        }
        for (from, envelope) in rest {
            self.answer_late(&from, part.session(), &envelope);
        }
    }

    async fn advance(
        &self,
        part: &Part,
        machine: &mut Machine,
        inbound: &mut mpsc::Receiver<Delivery>,
        mut remembering: Option<Remembering>,
    ) -> Ended {
        let mut cancelled = part.cancelled.clone();
        let mut cancellable = true;
        let mut pace = Pace::new(self, part);
        let mut repeat = Instant::now() + RETRANSMIT;
        let mut remembered = None;
        loop {
            let Some(session) = machine.session.as_deref_mut() else {
                return Ended::Abort(Abort::Local { reason: "its work broke off".into() });
            };
            while let Some(action) = session.next_action() {
                match action {
                    ErasedAction::Send { to, bytes } => {
                        pace.at(session.round());
                        self.pass_on(part, to, &bytes);
                    }
                    ErasedAction::Persist(checkpoint) => {
                        self.barrier.reached(part.job.operation(), Step::Storing);
                        let stored = match (remembered.take(), remembering.take()) {
                            (Some(outcome), _) => outcome,
                            (None, Some(mut remembering)) => remembering.done().await,
                            (None, None) => {
                                self.persist(part, session.envelopes(ACKNOWLEDGE), &checkpoint).await
                            }
                        };
                        if let Err(unstored) = stored {
                            return unstored.into();
                        }
                        self.barrier.reached(part.job.operation(), Step::Stored);
                        session.persisted(&mut OsRng);
                    }
                    ErasedAction::Done(output) => {
                        pace.finished();
                        return Ended::Done(output);
                    }
                    ErasedAction::Abort(abort) => return Ended::Abort(abort),
                }
            }
            // A round in which this party sends nothing has its time too.
            pace.at(session.round());
            tokio::select! {
                changed = async { cancelled.wait_for(|cancelled| *cancelled).await.is_ok() }, if cancellable => {
                    if changed { return Ended::Cancelled; }
                    // The attempt's entry is gone: nothing can cancel it any more.
                    cancellable = false;
                }
                // What waits comes first: a long computation may have kept it from being heard in time.
                () = sleep_until(pace.deadline), if inbound.is_empty() => {
                    session.expire();
                    pace.extend();
                }
                () = sleep_until(repeat) => {
                    session.retransmit();
                    repeat = Instant::now() + RETRANSMIT;
                }
                // Who does not go on says so at once; who can't goes on for as long as it can, and may see who cheats.
                outcome = async {
                    match &mut remembering {
                        Some(remembering) => remembering.done().await,
                        None => std::future::pending().await,
                    }
                } => {
                    remembering = None;
                    match outcome {
                        Err(declined @ Unstored::Declined(_)) => return declined.into(),
                        outcome => remembered = Some(outcome),
                    }
                }
                message = inbound.recv() => match message {
                    Some((from, envelope, _)) => machine.receive(part, &from, envelope).await,
                    None => return Ended::Cancelled,
                },
            }
        }
    }

    fn pass_on(&self, part: &Part, to: quorate_sharing::PartyIndex, bytes: &[u8]) {
        if let Some(identity) = part.identity_of(to) {
            self.send(&identity, &Frame::Session { session: part.session(), envelope: bytes.to_vec() });
        }
    }

    /// Makes durable what the session asks for: the request before a signature share leaves, a key share before it is
    /// acknowledged.
    async fn persist(
        &self,
        part: &Part,
        acknowledgements: Vec<Arc<Envelope>>,
        checkpoint: &Secret<Vec<u8>>,
    ) -> Result<(), Unstored> {
        let fault = |error: &dyn std::fmt::Display| Unstored::Fault(error.to_string());
        let remember = |verified: &Verified| {
            let remembered = self.ledger.remember(Batch::new(), verified);
            remembered.map_err(|error| Unstored::Fault(error.message))
        };
        let own = |acknowledgements: Vec<Arc<Envelope>>| {
            let mine = |envelope: &Arc<Envelope>| envelope.header.sender == part.context.me();
            let own = acknowledgements.into_iter().find(mine);
            own.map(|own| Envelope::clone(&own))
                .ok_or_else(|| fault(&"the session has no acknowledgement to send"))
        };
        match (&*part.job, &*part.cause) {
            (Job::Sign(_), Cause::Request { verified, .. }) => {
                self.store.commit(remember(verified)?).await.map_err(|error| fault(&error))
            }
            (Job::Auxiliary(job), _) => {
                let made = Auxiliary::from_wire(checkpoint.expose()).map_err(|error| fault(&error))?;
                let stored = self.auxiliaries.store_pending(part.session(), made, job.request).await;
                stored.map_err(|error| fault(&error))
            }
            (Job::Keygen(job), Cause::Request { verified, .. }) => {
                let share = wiping_stack(|| KeyShare::from_wire(checkpoint.expose()));
                let share = share.map_err(|error| fault(&error))?;
                let pending = PendingShare {
                    wallet: job.wallet.as_str().to_owned(),
                    request: verified.request().encode(),
                    agreement: part.context.agreement().clone(),
                    acknowledgement: own(acknowledgements)?,
                    share,
                };
                Ok(self.wallets.store_pending(remember(verified)?, &pending).await?)
            }
            (Job::Reshare(_), cause) => {
                let renewed = wiping_stack(|| Renewed::from_wire(checkpoint.expose()));
                let renewal = Renewal {
                    agreement: part.context.agreement().clone(),
                    setup: Setup::from_wire(&part.setup).map_err(|error| fault(&error))?,
                    start: part.start.clone(),
                    acknowledgement: own(acknowledgements)?,
                    renewed: renewed.map_err(|error| fault(&error))?,
                    set_aside: None,
                };
                let batch = cause.verified().map_or_else(|| Ok(Batch::new()), remember)?;
                Ok(self.wallets.store_renewal(batch, renewal).await?)
            }
            (Job::Pairs(job), _) => {
                let made =
                    wiping_stack(|| Pairs::from_wire(checkpoint.expose())).map_err(|error| fault(&error))?;
                let (wallet, session) = (job.wallet.generation(), part.session());
                let holders = job.wallet.public.committee.len();
                let stored = self
                    .pairings
                    .store_waiting(wallet, session, job.number, job.renewal, made, holders)
                    .await;
                stored.map_err(|error| fault(&error))
            }
            (Job::Presign(_) | Job::Sign(_) | Job::Keygen(_), _) => Err(fault(&"there is nothing to store")),
        }
    }

    async fn finish(
        self: &Arc<Self>,
        part: &Part,
        acknowledgements: Vec<Arc<Envelope>>,
        output: &Secret<Vec<u8>>,
    ) {
        let finished = match &*part.job {
            Job::Sign(job) => self.finish_signing(part, job, output).await,
            Job::Keygen(_) => self.finish_keygen(part, &acknowledgements).await,
            Job::Auxiliary(job) => self.finish_auxiliary(part, job).await,
            Job::Presign(job) => self.finish_presigning(part, job, output),
            Job::Pairs(job) => self.finish_pairs(part, job).await,
            Job::Reshare(_) => self.finish_renewing(part, &acknowledgements).await,
        };
        if let Err(reason) = finished {
            self.give_up(part, Abort::Local { reason }).await;
        }
    }

    /// The aggregator stores the signatures, then tells everybody concerned.
    async fn finish_signing(
        &self,
        part: &Part,
        job: &SignJob,
        output: &Secret<Vec<u8>>,
    ) -> Result<(), String> {
        let output = Output::from_wire(output.expose()).map_err(|error| error.to_string())?;
        let Output::Signatures(made) = output else { return Ok(()) };
        let verified = part.cause.verified().ok_or("nobody asked for the signatures")?;
        let committee: Vec<_> =
            part.context.committee().members().iter().map(|member| member.identity).collect();
        let signed = Signed {
            request_id: part.cause.id().to_owned(),
            fingerprint: part.cause.fingerprint(),
            signatures: made.iter().map(|made| made.signature).collect(),
            committee: committee.clone(),
            attempt: part.context.agreement().proposal().attempt,
        };
        // The session verified them, and says under which keys.
        if !made.iter().map(|made| &made.public_key).eq(&job.keys) {
            return Err("the session signed with other keys than the request asks for".into());
        }
        let response = self.sign_response_of_verified(verified, job, &signed);
        let response = response.map_err(|error| error.message)?;
        let result = SessionResult::Sign(response.clone());
        self.ledger.settle(verified, &result).await.map_err(|error| error.message)?;
        self.ledger.learn(verified, &result);
        self.outcome_known(part.cause.id());
        self.barrier.reached("sign", Step::Settled);
        let proposer = part.context.agreement().proposal().proposer;
        let frame = Frame::Signed(signed.clone());
        let concerned: BTreeSet<_> = committee.into_iter().chain([proposer]).collect();
        for node in concerned.iter().filter(|node| **node != self.me) {
            self.send(node, &frame);
        }
        self.answer_by_request(self.me, part.cause.id(), Answer::Signed(Box::new((signed, Some(response)))));
        Ok(())
    }

    /// Every member has acknowledged: activates the share and shows the certificate to whoever may lack it.
    async fn finish_keygen(
        self: &Arc<Self>,
        part: &Part,
        acknowledgements: &[Arc<Envelope>],
    ) -> Result<(), String> {
        let agreement = part.context.agreement();
        let certificate =
            Certificate::new(agreement.clone(), acknowledgements).map_err(|error| error.to_string())?;
        let waiting = self.wallets.waiting_of(&part.session());
        let wallet = match waiting.map(|waiting| waiting.proof(certificate)) {
            Some(Proof::New(certified)) => {
                let activated = self.wallets.activate(*certified, &self.me).await;
                let wallet = activated.map_err(|error| error.to_string())?;
                self.settle_doubts(&part.session()).await;
                wallet
            }
            // Another member was faster and has told this node.
            _ => self.wallets.of_session(&part.session()).ok_or("the pending share is gone")?,
        };
        self.barrier.reached("keygen", Step::Settled);
        let holders = wallet.public.committee.members().iter().map(|member| &member.identity);
        self.audit.wallet(&wallet, &self.names(holders));
        self.want_pairs(&wallet);
        let speaks = aggregator(agreement.committee(), &agreement.proposal().proposer);
        if speaks == Some(part.context.me()) {
            self.send_all(&Frame::Certified(Box::new(wallet.certified())));
        }
        self.answer_by_request(self.me, part.cause.id(), Answer::Active(wallet));
        Ok(())
    }

    /// Tells the proposer that this node does not go on: nobody's fault.
    fn step_back(&self, part: &Part, reason: Reason) {
        let session = part.session();
        tracing::info!(%session, request = part.cause.id(), "stepped back, {reason}");
        let proposer = part.context.agreement().proposal().proposer;
        if reason.is_refusal() {
            self.audit.declined(part.cause.id(), &self.name(&proposer), &reason);
        }
        if proposer == self.me {
            self.answer_by_digest(self.me, part.digest, Answer::Declined(reason));
        } else {
            let of = (self.peers.cluster(), &part.cause.fingerprint());
            let decline = Decline::new(part.digest, reason, Some(of), &self.identity);
            self.send(&proposer, &Frame::Decline(decline));
        }
    }

    /// Tells the proposer, and with proof everybody, that the session failed here.
    async fn give_up(&self, part: &Part, abort: Abort) {
        let session = part.session();
        tracing::warn!(%session, request = part.cause.id(), "session aborted, {abort}");
        let agreement = part.context.agreement();
        if let Abort::Proven { evidence } = &abort {
            for evidence in evidence {
                self.accused(self.me, evidence.clone()).await;
            }
        }
        let proposer = agreement.proposal().proposer;
        if proposer == self.me {
            let answer = Answer::Aborted(Box::new((agreement.clone(), abort)));
            self.answer_by_digest(self.me, part.digest, answer);
        } else {
            let (silent, reason) = match &abort {
                // It is not known which of them is at fault.
                Abort::Withdrawn { by, over } => {
                    let parties = [&[*by], over.as_slice()].concat();
                    (self.members(agreement.committee(), &parties).into_iter().collect(), abort.to_string())
                }
                Abort::Attributed { parties, .. } | Abort::Witnessed { parties, .. } => {
                    (self.members(agreement.committee(), parties).into_iter().collect(), abort.to_string())
                }
                // This node's own word that it can't go on. What is wrong here is for its operator to know.
                Abort::Local { .. } => (vec![self.me], "a fault of its own; its log says which".into()),
                _ => (Vec::new(), abort.to_string()),
            };
            let given_up = GivenUp { proposal: part.digest, silent, reason };
            self.send(&proposer, &Frame::GivenUp(given_up));
        }
    }
}
