//! Whether a wallet can afford what it is to sign: the windows of the policy, over all that the signers know was spent.
//!
//! A member reserves what a request spends when it accepts a proposal. When all have accepted, each asks every other one for
//! what that one knows to be reserved and spent, and judges again, before its share may leave. Whatever else two
//! requests were signed by, some member of both then knows of the one when it speaks about the other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use quorate_keys::Identity;
use quorate_policy::SpendingBefore;
use quorate_request::{ErrorBody, ErrorCode, Operation, SignedRequest, Verified};
use quorate_session::SessionId;
use quorate_sharing::Committee;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::member::refused;
use super::run::Part;
use super::{Engine, lock};
use crate::frame::{Frame, Reason};
use crate::job::{Job, SignJob, sought};
use crate::spendings::{Held, Key, MAX_REQUEST, Reserved, Spending, Told, Unaffordable};

/// How often a member is asked again that has not told what it knows.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// How often nodes tell each other what was spent, outside of sessions.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// Spendings that one frame says are kept.
const HELD: usize = 8192;

/// Where the answers of a session's members go, until it has heard each of them once.
pub(super) struct Hearing {
    awaited: BTreeSet<Identity>,
    answers: mpsc::Sender<(Identity, Vec<Told>, bool)>,
}

/// A session's place among those that listen.
struct Listening<'a> {
    engine: &'a Engine,
    session: SessionId,
}

impl<'a> Listening<'a> {
    fn new(
        engine: &'a Engine,
        session: SessionId,
        awaited: BTreeSet<Identity>,
    ) -> (Self, mpsc::Receiver<(Identity, Vec<Told>, bool)>) {
        let (answers, heard) = mpsc::channel(awaited.len().max(1));
        lock(&engine.hearings).insert(session, Hearing { awaited, answers });
        (Self { engine, session }, heard)
    }
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        lock(&self.engine.hearings).remove(&self.session);
    }
}

/// What another node has told, as far as a client has signed it and nodes could have.
#[derive(Default)]
struct Believed {
    reserved: Vec<Spending>,
    settled: Vec<(Spending, u64)>,
}

impl Engine {
    /// Judges a request before anything is done about it: so that its client learns at once what can't be signed. What is held
    /// by other requests may be there a moment later.
    ///
    /// # Errors
    /// Why it is not signed.
    pub(super) fn judge_first(&self, verified: &Verified, job: &Job) -> Result<(), ErrorBody> {
        let key = verified.request().fingerprint();
        match self
            .spendings
            .weigh(key, &[], |before| self.authority.judge(verified, job, SystemTime::now(), before))
        {
            Ok(_) | Err(Unaffordable::Held(_)) => Ok(()),
            Err(Unaffordable::Denied(error)) => Err(error),
        }
    }

    /// Judges a request that this node is about to promise to take part in: notes the rule in the job, and reserves what it
    /// spends.
    ///
    /// # Errors
    /// Why this node does not take part.
    pub(super) fn judge_and_reserve(
        &self,
        verified: &Verified,
        job: &mut Job,
        members: &Committee,
    ) -> Result<Option<Reserved>, Reason> {
        let judge =
            |before: &dyn SpendingBefore| self.authority.judge(verified, job, SystemTime::now(), before);
        let counted = match &*job {
            Job::Sign(sign) if self.spendings.counts() => Some((sign, self.authority.counted(sign))),
            _ => None,
        };
        let (rule, reserved) = match counted.filter(|(_, counted)| !counted.spends.is_empty()) {
            Some((sign, counted)) => {
                self.check_overlap(sign, counted.with_others)?;
                let spending = Spending::new(verified, sign.wallet.id.clone(), counted.spends);
                if spending.size() > MAX_REQUEST {
                    let message =
                        format!("windows count it, and its request has more than {MAX_REQUEST} bytes");
                    return Err(refused(ErrorCode::PolicyDenied.as_str(), message));
                }
                let (rule, reserved) = self.spendings.reserve(spending, judge).map_err(unaffordable)?;
                if reserved.limited {
                    let members = members.members().iter().map(|member| member.identity);
                    self.check_knows_spending(sign, counted.with_others, members)?;
                }
                (rule, Some(reserved))
            }
            None => {
                let key = verified.request().fingerprint();
                (self.spendings.weigh(key, &[], judge).map_err(unaffordable)?.rule, None)
            }
        };
        if let Job::Sign(sign) = job {
            sign.rule = rule;
        }
        Ok(reserved)
    }

    /// Whether any two committees that spend what a window counts have a member in common.
    fn check_overlap(&self, job: &SignJob, with_others: bool) -> Result<(), Reason> {
        let committee = &job.wallet.record.public.committee;
        let threshold = usize::from(committee.threshold().get());
        let (nodes, of) = match with_others {
            false => (committee.len(), "holders"),
            true => (self.peers.all().len(), "nodes of the cluster"),
        };
        if threshold.saturating_mul(2) > nodes {
            return Ok(());
        }
        let message = format!(
            "windows count what wallet {} spends, whose threshold of {threshold} is not more than half of the {nodes} {of}: signers could miss what others have signed",
            job.wallet.id
        );
        Err(refused(ErrorCode::PolicyDenied.as_str(), message))
    }

    /// Hears out the other members of a session, and judges its request by what all of them know. Gives the rule.
    ///
    /// # Errors
    /// Why this node does not go on.
    pub(super) async fn hear_out(&self, part: &Part, key: Key) -> Result<Option<String>, Reason> {
        let verified = part.cause.verified().ok_or_else(|| Reason::Unable("nobody asked for it".into()))?;
        let members = part.context.committee().members().iter().map(|member| member.identity);
        let mut awaited: BTreeSet<Identity> = members.filter(|member| *member != self.me).collect();
        let session = part.session();
        let ask = Frame::AskSpendings { session, run: *self.standings.run() };
        let (_listening, mut answers) = Listening::new(self, session, awaited.clone());
        // Before the round is over, so that it is known what a member has not done.
        let patience = self.config.round_timeout.mul_f64(0.75);
        let (mut ask_at, deadline) = (Instant::now(), Instant::now() + patience);
        // What others have reserved, and one that says so.
        let mut heard: BTreeMap<Key, (Spending, Identity)> = BTreeMap::new();
        while let Some(waiting) = awaited.first().copied() {
            tokio::select! {
                () = sleep_until(ask_at) => {
                    awaited.iter().for_each(|member| self.send(member, &ask));
                    ask_at = Instant::now() + ASK_AGAIN;
                }
                () = sleep_until(deadline) => {
                    let why = "which has not told what was spent".into();
                    return Err(Reason::NotWith { node: waiting, why });
                }
                Some((from, told, complete)) = answers.recv() => {
                    if !complete {
                        let why = format!("{} has more to tell of what was spent", self.name(&from));
                        return Err(Reason::Waits { on: from, why });
                    }
                    let Believed { reserved, settled } = self.believe(from, told).await?;
                    // It is durable elsewhere: nobody waits for that here.
                    let spendings = Arc::clone(&self.spendings);
                    tokio::spawn(async move { spendings.keep(&settled).await });
                    heard.extend(reserved.into_iter().map(|spending| (spending.key, (spending, from))));
                    awaited.remove(&from);
                }
            }
        }
        let reserved: Vec<_> = heard.values().map(|(spending, _)| spending.clone()).collect();
        let judge = |before: &dyn SpendingBefore| {
            self.authority.judge(verified, &part.job, SystemTime::now(), before)
        };
        match self.spendings.weigh(key, &reserved, judge) {
            Ok(weighed) => Ok(weighed.rule),
            // What others say that they hold is in the way, and nothing that is held here.
            Err(Unaffordable::Held(error)) if self.spendings.weigh(key, &[], judge).is_ok() => {
                let on = heard.values().map(|(_, by)| *by).next().unwrap_or(self.me);
                let why =
                    format!("{}; {} holds some of it for requests under way", error.message, self.name(&on));
                Err(Reason::Waits { on, why })
            }
            Err(why) => Err(unaffordable(why)),
        }
    }

    /// Takes what another node has told, and counts what is settled. What no client has signed, or no node could have signed, is
    /// left out.
    ///
    /// # Errors
    /// It is about a wallet of which this node can't learn.
    async fn believe(&self, from: Identity, told: Vec<Told>) -> Result<Believed, Reason> {
        let mut believed = Believed::default();
        for told in told {
            match self.read_told(&told).await {
                Ok(None) => {}
                Ok(Some(spending)) => {
                    if let Some(at) = told.settled {
                        believed.settled.push((spending.clone(), at));
                    }
                    if told.reserved && !spending.is_over(SystemTime::now()) {
                        believed.reserved.push(spending);
                    }
                }
                Err(NotRead::UnknownWallet) => {
                    let why = "which has told of a wallet that it does not show".into();
                    return Err(Reason::NotWith { node: from, why });
                }
                Err(NotRead::Faulty(why)) => {
                    tracing::warn!(peer = %self.name(&from), "told of a spending that is none: {why}");
                }
            }
        }
        self.spendings.count_settled(&mut believed.settled);
        Ok(believed)
    }

    /// Makes out what a request spends of which another node has told; none if nothing that counts.
    async fn read_told(&self, told: &Told) -> Result<Option<Spending>, NotRead> {
        let faulty = |error: &dyn std::fmt::Display| NotRead::Faulty(error.to_string());
        let request = SignedRequest::decode(&told.request).map_err(|error| faulty(&error))?;
        if let Some(spending) = self.spendings.recall(&request.fingerprint(), told.settled) {
            return Ok(Some(spending));
        }
        let verified =
            self.authority.verify_past(&request, &Operation::Sign).map_err(|error| faulty(&error))?;
        let make = || Job::new(&verified, &self.wallets, &self.peers, &self.config);
        let job = match make() {
            Err(error) if error.code == ErrorCode::UnknownWallet => {
                if let Some(sought) = sought(&verified) {
                    self.seek(&sought).await;
                }
                make()
            }
            job => job,
        };
        let job = job.map_err(|error| match error.code {
            ErrorCode::UnknownWallet => NotRead::UnknownWallet,
            _ => NotRead::Faulty(error.message),
        })?;
        let at = told.settled.map_or_else(SystemTime::now, |at| UNIX_EPOCH + Duration::from_secs(at));
        if !self.authority.could_allow(&verified, &job, at) {
            return Err(NotRead::Faulty("the policy would have denied it".into()));
        }
        let Job::Sign(job) = job else { return Ok(None) };
        let counted = self.authority.counted(&job);
        if counted.spends.is_empty() {
            return Ok(None);
        }
        Ok(Some(Spending::new(&verified, job.wallet.id.clone(), counted.spends)))
    }

    /// Tells another node what this one knows to be reserved and spent.
    pub(super) fn asked_spendings(&self, from: &Identity, session: Option<SessionId>, run: &[u8; 16]) {
        let (told, complete) = self.spendings.unknown_to(from, run);
        self.send(from, &Frame::Spendings { session, told, complete });
    }

    /// Takes what a peer has told: as an answer in a session, or as it comes.
    pub(super) async fn told_spendings(
        &self,
        from: Identity,
        session: Option<SessionId>,
        told: Vec<Told>,
        complete: bool,
    ) {
        if !self.spendings.counts() {
            return;
        }
        let Some(session) = session else {
            let is_kept = match self.believe(from, told).await {
                Ok(believed) => self.spendings.keep(&believed.settled).await,
                Err(reason) => {
                    tracing::warn!(peer = %self.name(&from), "could not take what was spent: {reason}");
                    false
                }
            };
            if is_kept && complete {
                self.learned_from(from).await;
            }
            return;
        };
        let mut hearings = lock(&self.hearings);
        if let Some(hearing) = hearings.get_mut(&session)
            && hearing.awaited.remove(&from)
        {
            hearing.answers.try_send((from, told, complete)).ok();
        }
    }

    /// Tells the others what was spent, until the node stops: each that connects which spendings are kept here, and then
    /// each what it lacks.
    pub(crate) async fn tell_spendings(self: Arc<Self>) {
        if !self.spendings.counts() {
            return;
        }
        let mut greeted: BTreeSet<Identity> = BTreeSet::new();
        loop {
            tokio::time::sleep(TELL_EVERY).await;
            let reachable: BTreeSet<_> =
                self.reachable().into_iter().filter(|node| *node != self.me).collect();
            let fresh = self.spendings.newly_kept();
            for peer in &reachable {
                match greeted.contains(peer) {
                    true => self.tell_held(peer, &fresh),
                    false => self.tell_held(peer, &self.spendings.held()),
                }
                let told = self.spendings.due_for(peer, SystemTime::now());
                if !told.is_empty() {
                    self.send(peer, &Frame::Spendings { session: None, told, complete: false });
                }
            }
            if !fresh.is_empty() {
                // So that others know that this node has come so far.
                self.tell_where_i_stand(&reachable);
            }
            greeted = reachable;
        }
    }

    /// Tells a peer what is kept here.
    pub(super) fn tell_held(&self, peer: &Identity, held: &[Held]) {
        for held in held.chunks(HELD) {
            self.send(peer, &Frame::SpendingsHeld { run: *self.standings.run(), held: held.to_vec() });
        }
    }
}

/// Why a spending could not be made out.
enum NotRead {
    UnknownWallet,
    Faulty(String),
}

fn unaffordable(why: Unaffordable) -> Reason {
    match why {
        Unaffordable::Denied(error) => refused(error.code.as_str(), error.message),
        Unaffordable::Held(error) => {
            Reason::Busy(format!("{}; some of it is held for requests under way", error.message))
        }
    }
}
