//! One attempt at a request: a committee, its promises, one session, and how it ended.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use quorate_cggmp21::PublicPresignature;
use quorate_keys::Identity;
use quorate_request::{ErrorCode, SignResponse};
use quorate_session::{
    Abort, Acceptance, Agreement, Proposal, Proposing, SessionId, SignedProposal, Start, Wire,
};
use quorate_sharing::{Committee, PartyIndex};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::proposer::OVERTAKE;
use super::recovery::Resolved;
use super::{Engine, lock};
use crate::barrier::Step;
use crate::cause::Cause;
use crate::clock::millis;
use crate::frame::{Begun, Decline, Frame, Invite, Reason, Signed};
use crate::job::{Job, aggregator};
use crate::presignatures::Claim;
use crate::wallets::{Inquiry, Wallet};

/// Answers that may wait for one proposer.
const ANSWERS: usize = 512;
/// How long a member that others call silent has to show that it is not.
const PRESENCE: Duration = Duration::from_secs(1);

/// What comes back to the proposer of an attempt.
pub(super) enum Answer {
    Accepted(Acceptance),
    Declined(Reason),
    /// A member's session failed; these were silent, it says.
    GivenUp(Vec<Identity>, String),
    /// A member that is said to be silent is not.
    Here,
    /// This node's own session failed.
    Aborted(Box<(Agreement, Abort)>),
    /// Signatures; with the client's answer if they were checked already.
    Signed(Box<(Signed, Option<SignResponse>)>),
    /// The wallet is active.
    Active(Arc<Wallet>),
    /// The wallet of this session is active, and this node can't keep it: why.
    NotKept(SessionId, String),
    /// Presignatures were made: their public side.
    Presigned(Vec<PublicPresignature>),
    /// The auxiliary information of this session, or its pairs, are active.
    Provided(SessionId),
}

/// Signatures that were found to be those of the request, and the client's answer made of them.
pub(super) struct CheckedResult {
    pub(super) signed: Signed,
    pub(super) response: SignResponse,
}

/// How an attempt ended.
pub(super) enum Attempted {
    Signed(Box<CheckedResult>),
    Active(Arc<Wallet>),
    /// Presignatures were made.
    Presigned(Vec<PublicPresignature>),
    /// Auxiliary information or pairs were made, by this session.
    Provided(SessionId),
    /// The request was refused, for a reason that another attempt does not change.
    Refused(Identity, Reason),
    /// Nodes did not answer, or can't sign.
    Absent(BTreeSet<Identity>, String),
    /// One of these is at fault, and it is not known which: members said of each other that they were silent.
    Doubtful(BTreeSet<Identity>, String),
    /// Nodes are proven to have cheated.
    Cheated(BTreeSet<Identity>, String),
    /// A node asks to be tried later.
    Busy(Identity, String),
    /// A node has acknowledged this resharing, and waits to hear what became of it.
    Locked(Identity, Box<Begun>, String),
    /// One of these does not sign with the other.
    Apart([Identity; 2], String),
    /// One of these could not be sure of what was spent, on account of the other.
    Waits([Identity; 2], String),
    /// A member can't go on with what it had begun, and is not to blame.
    SteppedBack(Identity, String),
    /// It may work the next time.
    Again(String),
    /// It is not known whether it has succeeded.
    Unresolved(String),
    /// The same, of a resharing that ended so for its proposer, and can be overtaken.
    InDoubt(Box<Attempted>),
    /// It has succeeded, and this node can't keep what it led to.
    NotKept(String),
    /// What it needs is not there yet.
    NotReady(String),
}

/// How attempts end, as metrics name it.
pub(crate) const OUTCOMES: [&str; 11] = [
    "completed",
    "refused",
    "absent",
    "doubtful",
    "cheated",
    "busy",
    "stepped_back",
    "failed",
    "unresolved",
    "not_kept",
    "not_ready",
];

impl Attempted {
    /// The nodes on account of which it failed.
    pub(super) fn nodes(&self) -> Vec<Identity> {
        match self {
            Self::Refused(node, _) | Self::Busy(node, _) | Self::SteppedBack(node, _) => vec![*node],
            Self::Absent(nodes, _) | Self::Doubtful(nodes, _) | Self::Cheated(nodes, _) => {
                nodes.iter().copied().collect()
            }
            _ => Vec::new(),
        }
    }

    /// Why it failed, as far as that was said.
    pub(super) fn why(&self) -> &str {
        match self {
            Self::Absent(_, why)
            | Self::Doubtful(_, why)
            | Self::Cheated(_, why)
            | Self::Busy(_, why)
            | Self::Locked(_, _, why)
            | Self::Apart(_, why)
            | Self::Waits(_, why)
            | Self::SteppedBack(_, why)
            | Self::Again(why)
            | Self::Unresolved(why)
            | Self::NotKept(why)
            | Self::NotReady(why) => why,
            Self::InDoubt(ended) => ended.why(),
            Self::Signed(_)
            | Self::Active(_)
            | Self::Presigned(_)
            | Self::Provided(_)
            | Self::Refused(..) => self.outcome(),
        }
    }

    /// Which of the [`OUTCOMES`] this is.
    pub(super) const fn outcome(&self) -> &'static str {
        match self {
            Self::Signed(_) | Self::Active(_) | Self::Presigned(_) | Self::Provided(_) => "completed",
            Self::Refused(..) => "refused",
            Self::Absent(..) => "absent",
            Self::Doubtful(..) => "doubtful",
            Self::Cheated(..) => "cheated",
            Self::Busy(..) | Self::Locked(..) | Self::Apart(..) | Self::Waits(..) => "busy",
            Self::Again(_) => "failed",
            Self::Unresolved(_) | Self::InDoubt(_) => "unresolved",
            Self::SteppedBack(..) => "stepped_back",
            Self::NotKept(_) => "not_kept",
            Self::NotReady(_) => "not_ready",
        }
    }
}

/// What members told a proposer that is none of them. Their word alone convicts nobody of silence: who is accused of it
/// is asked, and who then answers is in doubt together with the accuser.
#[derive(Default)]
struct Reports {
    reporters: BTreeSet<Identity>,
    accused: BTreeSet<Identity>,
    /// Those that have shown that they are there.
    present: BTreeSet<Identity>,
    reason: String,
}

impl Reports {
    /// Adds a member's report; gives those that are accused for the first time.
    fn add(
        &mut self,
        from: Identity,
        accused: impl Iterator<Item = Identity>,
        reason: String,
    ) -> Vec<Identity> {
        self.reporters.insert(from);
        self.present.insert(from);
        self.reason = reason;
        accused.filter(|node| self.accused.insert(*node)).collect()
    }

    /// Whether all that are accused have answered.
    fn is_complete(&self) -> bool {
        !self.reporters.is_empty() && self.accused.is_subset(&self.present)
    }

    /// What they amount to; none without any.
    fn judged(&self) -> Option<Attempted> {
        if self.reporters.is_empty() {
            return None;
        }
        let absent: BTreeSet<_> = self.accused.difference(&self.present).copied().collect();
        Some(if absent.is_empty() {
            let doubtful = self.accused.union(&self.reporters).copied().collect();
            Attempted::Doubtful(doubtful, self.reason.clone())
        } else {
            Attempted::Absent(absent, self.reason.clone())
        })
    }
}

/// The attempt's place in [`Engine::proposals`], given back when it ends.
struct Seat<'a> {
    engine: &'a Engine,
    request: &'a str,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        lock(&self.engine.proposals).remove(self.request);
    }
}

impl Engine {
    /// Proposes a committee and sees the attempt through. `claim`: the presignatures that it uses up, if it needs some.
    pub(super) async fn attempt(
        self: &Arc<Self>,
        cause: &Cause,
        job: &Job,
        chosen: &BTreeSet<Identity>,
        claim: Option<&Claim>,
        attempt: u32,
        deadline: Instant,
    ) -> Attempted {
        let invite = match self.invitation(cause, job, chosen, claim, attempt) {
            Ok(invite) => invite,
            Err(error) => return Attempted::Again(error),
        };
        let proposal = &invite.proposal.proposal;
        let mut proposing = match Proposing::new(proposal) {
            Ok(proposing) => proposing,
            Err(error) => return Attempted::Again(error.to_string()),
        };
        let request = cause.id();
        let (sender, mut answers) = mpsc::channel(ANSWERS);
        let fingerprint = cause.fingerprint();
        lock(&self.proposals).insert(
            request.to_owned(),
            super::Proposed { digest: *proposing.digest(), fingerprint, refused: BTreeSet::new(), sender },
        );
        let _seat = Seat { engine: self, request };

        self.invite(&invite, cause, job, chosen);
        self.barrier.reached(job.operation(), Step::Proposed);
        let accept_by = deadline.min(Instant::now() + self.config.round_timeout);
        let start =
            match self.gather(cause, job, &mut proposing, &proposal.committee, &mut answers, accept_by).await
            {
                Ok(start) => start,
                Err(ended) => {
                    self.withdraw(*proposing.digest(), chosen);
                    return ended;
                }
            };
        let agreement = match start.agreement(proposal) {
            Ok(agreement) => agreement,
            Err(error) => return Attempted::Again(error.to_string()),
        };
        let frame = Frame::Start(start.clone());
        for member in chosen.iter().filter(|member| **member != self.me) {
            self.send(member, &frame);
        }
        if chosen.contains(&self.me) {
            self.started(self.me, &start);
        }
        if let Some(claim) = claim {
            claim.burn();
        }
        // Members expire silent rounds on their own; a proposer outside the committee adds a margin for their word.
        let rounds = job.round_timeout(&self.config).saturating_mul(4);
        let rounds_by = deadline.min(Instant::now() + rounds);
        let ended =
            self.await_end(cause, job, &agreement, *proposing.digest(), &mut answers, rounds_by).await;
        match (job, ended) {
            (_, ended @ (Attempted::Signed(_) | Attempted::Active(_) | Attempted::NotKept(_))) => ended,
            (Job::Sign(_) | Job::Presign(_) | Job::Auxiliary(_) | Job::Pairs(_), ended) => ended,
            // What is left in doubt is overtaken.
            (Job::Reshare(job), ended) => {
                let inquiry = Inquiry { setup: job.agreed(&agreement), agreement };
                match self.resolve(&inquiry, deadline.min(Instant::now() + OVERTAKE)).await {
                    Resolved::Active(wallet) => Attempted::Active(wallet),
                    Resolved::Void => ended,
                    Resolved::Unknown => Attempted::InDoubt(Box::new(ended)),
                }
            }
            (Job::Keygen(_), ended) => {
                match self.resolve(&Inquiry { agreement, setup: None }, deadline).await {
                    Resolved::Active(wallet) => Attempted::Active(wallet),
                    Resolved::Void => ended,
                    Resolved::Unknown => Attempted::Unresolved(
                        "some nodes may hold a share and don't answer; repeat the request to learn what became of it"
                            .into(),
                    ),
                }
            }
        }
    }

    pub(super) fn invitation(
        &self,
        cause: &Cause,
        job: &Job,
        chosen: &BTreeSet<Identity>,
        claim: Option<&Claim>,
        attempt: u32,
    ) -> Result<Invite, String> {
        let committee = job.committee(chosen)?;
        let presignatures = claim.map(Claim::publics).unwrap_or_default();
        let setup = job.setup(&committee, &self.me, presignatures)?;
        let proposal = Proposal {
            cluster: *self.authority.cluster().as_bytes(),
            request: cause.digest(),
            operation: job.operation().into(),
            protocol: job.protocol().clone(),
            setup: quorate_session::setup_digest(&setup),
            epoch: job.epoch(),
            committee,
            proposer: self.me,
            attempt,
            expires: millis(SystemTime::now() + self.config.round_timeout),
        };
        let proposal = SignedProposal::sign(proposal, &self.own()).map_err(|error| error.to_string())?;
        let presignatures = presignatures.iter().map(|public| public.id).collect();
        let policy = self.authority.policy_digest().copied();
        let approvals = cause.asked_for().map(|key| self.approvals.words(&key)).unwrap_or_default();
        let (order, resharing, pairs) = (cause.order(), job.resharing(), job.pairs());
        Ok(Invite { proposal, order, policy, presignatures, resharing, pairs, approvals })
    }

    fn invite(self: &Arc<Self>, invite: &Invite, cause: &Cause, job: &Job, chosen: &BTreeSet<Identity>) {
        let frame = Frame::Invite(Box::new(invite.clone()));
        if let Ok(bytes) = frame.to_wire() {
            let bytes = bytes::Bytes::from(bytes);
            for member in chosen.iter().filter(|member| **member != self.me) {
                self.send_bytes(member, bytes.clone());
            }
        }
        if chosen.contains(&self.me) {
            let answer = match self.invited_by_me(invite.clone(), cause, job) {
                Ok(acceptance) => Answer::Accepted(acceptance),
                Err(reason) => Answer::Declined(reason),
            };
            self.answer_by_request(self.me, cause.id(), answer);
        }
    }

    /// Frees the members of an attempt that does not start. Otherwise each proposer in turn would find the other one
    /// bound by a promise to itself.
    fn withdraw(&self, proposal: [u8; 32], chosen: &BTreeSet<Identity>) {
        let frame = Frame::Withdrawn(proposal);
        for member in chosen.iter().filter(|member| **member != self.me) {
            self.send(member, &frame);
        }
        self.withdrawn(self.me, &proposal);
    }

    /// Waits until all members have accepted.
    async fn gather(
        &self,
        cause: &Cause,
        job: &Job,
        proposing: &mut Proposing,
        committee: &Committee,
        answers: &mut mpsc::Receiver<(Identity, Answer)>,
        until: Instant,
    ) -> Result<Start, Attempted> {
        loop {
            let Ok(Some((from, answer))) = timeout_at(until, answers.recv()).await else {
                let missing = self.members(committee, &proposing.missing());
                return Err(Attempted::Absent(missing, "did not answer a proposal".into()));
            };
            let is_member = committee.index_of(&from).is_some();
            match answer {
                // The result of an earlier attempt counts, whoever brings it.
                Answer::Signed(result) => match self.result(cause, job, *result, from) {
                    Attempted::Signed(result) => return Err(Attempted::Signed(result)),
                    failed if is_member => return Err(failed),
                    _ => {}
                },
                _ if !is_member => {}
                Answer::Accepted(acceptance) => match proposing.accept(acceptance, &self.signatures) {
                    Ok(None) => {}
                    Ok(Some(start)) => return Ok(start),
                    Err(error) => tracing::warn!(peer = %self.name(&from), %error, "refused an acceptance"),
                },
                Answer::Declined(reason) => return Err(self.declined(cause, job, from, reason)),
                Answer::Active(wallet) if made_by(cause, job, &wallet) => {
                    return Err(Attempted::Active(wallet));
                }
                Answer::Active(_)
                | Answer::NotKept(..)
                | Answer::GivenUp(..)
                | Answer::Here
                | Answer::Presigned(_)
                | Answer::Provided(_)
                | Answer::Aborted(..) => {}
            }
        }
    }

    fn declined(&self, cause: &Cause, job: &Job, from: Identity, reason: Reason) -> Attempted {
        match (reason, job) {
            // The wallet is so new that its certificate has not reached that node, or it was down then.
            (Reason::Refused { code, .. }, Job::Sign(_) | Job::Reshare(_))
                if code == ErrorCode::UnknownWallet.as_str() =>
            {
                job.wallet().iter().for_each(|wallet| self.tell_wallet(&from, wallet));
                let why = format!("node {} has just been told of the wallet", self.name(&from));
                Attempted::Busy(from, why)
            }
            // Either it is told of the epoch that it lacks, or it has just told this node.
            (Reason::OtherEpoch { epoch }, job) => {
                let behind = job.wallet().filter(|wallet| wallet.public.epoch > epoch);
                behind.iter().for_each(|wallet| self.tell_epoch(&from, wallet));
                let why = format!("node {} goes by epoch {epoch} of the wallet", self.name(&from));
                match job {
                    Job::Sign(_) | Job::Reshare(_) => Attempted::Busy(from, why),
                    _ => Attempted::Again(why),
                }
            }
            // Whoever says so without having been there would have numbers used up.
            (Reason::Locked { begun, why }, Job::Reshare(job)) if self.was_begun(&job.wallet, &begun) => {
                Attempted::Locked(from, begun, format!("node {}: {why}", self.name(&from)))
            }
            // Its pairs are others than this node knows of.
            (Reason::OtherPairs(mut made), Job::Sign(job)) if job.uses_pairs() => {
                made.parties.retain(|party| job.wallet.public.committee.member(*party).is_some());
                self.pairings.tell(job.wallet.generation(), made);
                Attempted::Busy(from, "it has just told which pairs it signs with".into())
            }
            (Reason::Done(signed), _) => match *signed {
                Some(signed) => self.result(cause, job, (signed, None), from),
                None => Attempted::Busy(from, "the result is on its way".into()),
            },
            (reason, _) => self.declined_for(from, reason),
        }
    }

    /// What it amounts to that a node gave these signatures for the request.
    fn result(
        &self,
        cause: &Cause,
        job: &Job,
        (signed, checked): (Signed, Option<SignResponse>),
        from: Identity,
    ) -> Attempted {
        // What was checked was checked against the request that it names.
        let ours = signed.fingerprint == cause.fingerprint();
        let response = match (checked, job, cause) {
            (Some(response), Job::Sign(_), _) if ours => Some(response),
            (None, Job::Sign(job), Cause::Request { verified, .. }) => {
                self.sign_response(verified, job, &signed).ok()
            }
            _ => None,
        };
        match response {
            Some(response) => Attempted::Signed(Box::new(CheckedResult { signed, response })),
            None => Attempted::Absent(BTreeSet::from([from]), "sent a false result".into()),
        }
    }

    fn declined_for(&self, from: Identity, reason: Reason) -> Attempted {
        match reason {
            Reason::Busy(why) => Attempted::Busy(from, format!("node {}: {why}", self.name(&from))),
            Reason::Locked { why, .. } => {
                let name = self.name(&from);
                Attempted::Busy(from, format!("node {name} shows no resharing that it would wait for: {why}"))
            }
            Reason::NotWith { node, why } => {
                let (name, other) = (self.name(&from), self.name(&node));
                let why = format!("node {name} does not sign with {other}, {why}");
                Attempted::Apart([from, node], why)
            }
            Reason::Waits { on, why } => {
                Attempted::Waits([from, on], format!("node {}: {why}", self.name(&from)))
            }
            Reason::Unable(why) => Attempted::Absent(BTreeSet::from([from]), why),
            Reason::Lacking(ids) => {
                let why = format!("node {} lacks presignatures", self.name(&from));
                match self.presignatures.forget(&self.me, &from, &ids) {
                    // None that it has a part in.
                    0 => Attempted::Absent(BTreeSet::from([from]), why),
                    _ => Attempted::Busy(from, why),
                }
            }
            reason => Attempted::Refused(from, reason),
        }
    }

    async fn await_end(
        &self,
        cause: &Cause,
        job: &Job,
        agreement: &Agreement,
        digest: [u8; 32],
        answers: &mut mpsc::Receiver<(Identity, Answer)>,
        until: Instant,
    ) -> Attempted {
        let (proposal, committee) = (agreement.proposal(), agreement.committee());
        let chosen: BTreeSet<_> = committee.members().iter().map(|member| member.identity).collect();
        // What members say of each other, when this node is none of them.
        let mut reports = Reports::default();
        let mut until = until;
        loop {
            let Ok(Some((from, answer))) = timeout_at(until, answers.recv()).await else {
                if let Some(ended) = reports.judged() {
                    return ended;
                }
                // The other members are done when the aggregator has what it needs: it owes the result.
                let owes = aggregator(committee, &self.me).map(|party| self.members(committee, &[party]));
                let late = "did not give the session's result in time";
                return match owes.filter(|owes| !owes.contains(&self.me)) {
                    Some(owes) => Attempted::Absent(owes, late.into()),
                    None => Attempted::Again(format!("this node {late}")),
                };
            };
            match answer {
                Answer::Signed(result) => {
                    match self.result(cause, job, *result, from) {
                        Attempted::Signed(mut result) => {
                            // What the aggregator of this attempt says of its committee is known here.
                            if result.signed.attempt == proposal.attempt && chosen.contains(&from) {
                                result.response.committee = self.names(&chosen);
                                result.signed.committee = chosen.into_iter().collect();
                            }
                            return Attempted::Signed(result);
                        }
                        failed if chosen.contains(&from) => return failed,
                        // Somebody else's word about this attempt.
                        _ => {}
                    }
                }
                // That of another attempt is not this one's end: this one may yet make a wallet, too.
                Answer::Active(wallet) if wallet.generation() == agreement.session() => {
                    return Attempted::Active(wallet);
                }
                Answer::NotKept(session, why) if session == agreement.session() => {
                    return Attempted::NotKept(why);
                }
                Answer::Active(_) | Answer::NotKept(..) => {}
                // Of its own session, or, when it is no signer, from the one that speaks for them.
                Answer::Presigned(publics)
                    if matches!(job, Job::Presign(_)) && self.speaker(committee) == Some(from) =>
                {
                    return Attempted::Presigned(publics);
                }
                Answer::Provided(session) if session == agreement.session() => {
                    return Attempted::Provided(session);
                }
                Answer::Aborted(aborted) => return self.aborted(&aborted.0, &aborted.1),
                // The name went to another key generation after that member had promised to take part in this one.
                Answer::Declined(Reason::Busy(why))
                    if matches!(job, Job::Keygen(_) | Job::Reshare(_)) && chosen.contains(&from) =>
                {
                    return Attempted::SteppedBack(from, why);
                }
                // What the signers have heard of each other leaves too little to spend, or too little was heard.
                Answer::Declined(reason) if matches!(job, Job::Sign(_)) && chosen.contains(&from) => {
                    return self.declined_for(from, reason);
                }
                // Who says so of itself is believed, and the attempt is over: it needs everybody.
                Answer::GivenUp(silent, reason) if chosen.contains(&from) && silent.contains(&from) => {
                    return Attempted::Absent(BTreeSet::from([from]), format!("can't go on: {reason}"));
                }
                Answer::GivenUp(silent, reason) if chosen.contains(&from) && !chosen.contains(&self.me) => {
                    let accused = silent.into_iter().filter(|node| chosen.contains(node));
                    if reports.reporters.is_empty() {
                        until = until.min(Instant::now() + PRESENCE);
                    }
                    for node in reports.add(from, accused, reason) {
                        self.send(&node, &Frame::AreYouThere(digest));
                    }
                }
                Answer::Here if chosen.contains(&from) => {
                    reports.present.insert(from);
                }
                Answer::GivenUp(..)
                | Answer::Here
                | Answer::Accepted(_)
                | Answer::Declined(_)
                | Answer::Presigned(_)
                | Answer::Provided(_) => {}
            }
            if reports.is_complete()
                && let Some(ended) = reports.judged()
            {
                return ended;
            }
        }
    }

    /// Whose word it is that presignatures were made: this node's, if it is one of the signers.
    fn speaker(&self, committee: &Committee) -> Option<Identity> {
        let party = aggregator(committee, &self.me)?;
        committee.member(party).map(|member| member.identity)
    }

    fn aborted(&self, agreement: &Agreement, abort: &Abort) -> Attempted {
        let culprits = self.members(agreement.committee(), &abort.culprits());
        match abort {
            Abort::Proven { .. } => Attempted::Cheated(culprits, abort.to_string()),
            Abort::Attributed { reason, .. } => Attempted::Absent(culprits, reason.clone()),
            Abort::Witnessed { reason, .. } => Attempted::Doubtful(culprits, reason.clone()),
            Abort::Withdrawn { by, over } => {
                let doubtful = self.members(agreement.committee(), &[&[*by], over.as_slice()].concat());
                Attempted::Doubtful(doubtful, abort.to_string())
            }
            Abort::Unattributed { reason } => {
                let members = agreement.committee().members().iter().map(|member| member.identity);
                Attempted::Doubtful(members.filter(|member| *member != self.me).collect(), reason.clone())
            }
            _ => Attempted::Again(abort.to_string()),
        }
    }

    pub(super) fn members(&self, committee: &Committee, parties: &[PartyIndex]) -> BTreeSet<Identity> {
        let members = parties.iter().filter_map(|party| committee.member(*party));
        members.map(|member| member.identity).collect()
    }

    /// Hands an answer to the attempt whose proposal it names.
    pub(super) fn answer_by_digest(&self, from: Identity, proposal: [u8; 32], answer: Answer) {
        let sender = lock(&self.proposals)
            .values()
            .find(|proposed| proposed.digest == proposal)
            .map(|proposed| proposed.sender.clone());
        if let Some(sender) = sender {
            // A full queue belongs to a peer that answers hundreds of times.
            sender.try_send((from, answer)).ok();
        }
    }

    /// Takes a member's word that it does not take part. A refusal is written down with its signature: nobody can say later that
    /// it was another node's.
    pub(super) fn declined_by(&self, from: Identity, decline: Decline) {
        let proposed = lock(&self.proposals)
            .iter_mut()
            .find(|(_, proposed)| proposed.digest == decline.proposal)
            .and_then(|(id, proposed)| {
                // Once: nobody fills the log of others.
                let is_news = !decline.reason.is_refusal() || proposed.refused.insert(from);
                is_news.then(|| (id.clone(), proposed.fingerprint))
            });
        let Some((id, fingerprint)) = proposed else { return };
        let name = self.name(&from);
        let signature = decline.signed_by(&from, self.peers.cluster(), &fingerprint).copied();
        let reason = match signature {
            _ if !decline.reason.is_refusal() => decline.reason,
            Some(signature) => {
                self.audit.refused(&id, &fingerprint, &name, &decline, &signature);
                decline.reason
            }
            None => {
                tracing::warn!(peer = %name, request = id, "has not signed its refusal: {}", decline.reason);
                Reason::Unable("has not signed its refusal".into())
            }
        };
        self.answer_by_digest(from, decline.proposal, Answer::Declined(reason));
    }

    /// Hands an answer to the live attempt of a request, if this node proposes one.
    pub(super) fn answer_by_request(&self, from: Identity, request: &str, answer: Answer) {
        let of_another = |proposed: &super::Proposed| matches!(&answer, Answer::Signed(result) if result.0.fingerprint != proposed.fingerprint);
        let sender = lock(&self.proposals)
            .get(request)
            .filter(|proposed| !of_another(proposed))
            .map(|proposed| proposed.sender.clone());
        if let Some(sender) = sender {
            sender.try_send((from, answer)).ok();
        }
    }
}

/// Whether a wallet, or its epoch, was made by this very request.
fn made_by(cause: &Cause, job: &Job, wallet: &Wallet) -> bool {
    match job {
        Job::Keygen(_) => wallet.fingerprint == cause.fingerprint(),
        Job::Reshare(job) => wallet.is_renewed_by(&job.occasion.id),
        _ => false,
    }
}
