//! Whether a wallet can afford what it is to sign: the windows of the policy, over all that the signers know was spent.
//!
//! A member reserves what a request spends when it accepts a proposal. When all have accepted, each asks every other one for
//! what that one knows to be reserved and spent, and judges again, before its share may leave. Whatever else two
//! requests were signed by, some member of both then knows of the one when it speaks about the other. Only when all can
//! afford it, each settles what it spends.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
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

/// Sessions of which this node remembers that it could afford them.
const REMEMBERED: usize = 4096;

/// What a member of a session says.
enum Said {
    /// What it knows to be reserved and spent, and whether that is all.
    Told(Vec<Told>, bool),
    /// Whether it goes on, by what all have told.
    Affords(bool),
}

/// A session that hears its members out: each says each thing once.
pub(super) struct Hearing {
    untold: BTreeSet<Identity>,
    undecided: BTreeSet<Identity>,
    said: mpsc::Sender<(Identity, Said)>,
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
        others: &BTreeSet<Identity>,
    ) -> (Self, mpsc::Receiver<(Identity, Said)>) {
        let (said, heard) = mpsc::channel(others.len().saturating_mul(2).max(1));
        let hearing = Hearing { untold: others.clone(), undecided: others.clone(), said };
        lock(&engine.hearings).insert(session, hearing);
        (Self { engine, session }, heard)
    }
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        lock(&self.engine.hearings).remove(&self.session);
    }
}

/// The sessions that this node could afford, as far as it remembers: others may not have heard of it.
#[derive(Default)]
pub(super) struct Afforded {
    sessions: BTreeSet<SessionId>,
    order: VecDeque<SessionId>,
}

impl Afforded {
    fn note(&mut self, session: SessionId) {
        if self.sessions.insert(session) {
            self.order.push_back(session);
        }
        while self.order.len() > REMEMBERED {
            if let Some(oldest) = self.order.pop_front() {
                self.sessions.remove(&oldest);
            }
        }
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
        let (key, approved_by) = (verified.request().fingerprint(), self.approved_by(verified));
        let judge = |before: &dyn SpendingBefore| {
            self.authority.judge(verified, job, SystemTime::now(), &approved_by, before)
        };
        match self.spendings.weigh(key, &[], judge) {
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
        let approved_by = self.approved_by(verified);
        let judge = |before: &dyn SpendingBefore| {
            self.authority.judge(verified, job, SystemTime::now(), &approved_by, before)
        };
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
        let committee = &job.wallet.public.committee;
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

    /// Hears out the other members of a session, and judges its request by what all of them know. Nobody goes on unless
    /// everybody does: otherwise what some had settled would be used up for nothing. Gives the rule.
    ///
    /// # Errors
    /// Why this node does not go on.
    pub(super) async fn hear_out(&self, part: &Part, key: Key) -> Result<Option<String>, Reason> {
        let members = part.context.committee().members().iter().map(|member| member.identity);
        let others: BTreeSet<Identity> = members.filter(|member| *member != self.me).collect();
        let session = part.session();
        let (_listening, mut said) = Listening::new(self, session, &others);
        // Before the round is over, so that it is known what a member has not done.
        let deadline = Instant::now() + self.config.round_timeout.mul_f64(0.75);
        let mut agreed = BTreeSet::new();
        let heard = self.all_told(session, &others, &mut said, &mut agreed, deadline).await;
        let rule = match heard.and_then(|heard| self.weigh_heard(part, key, &heard)) {
            Ok(rule) => rule,
            Err(reason) => {
                self.say_affords(session, &others, false, false);
                return Err(reason);
            }
        };
        lock(&self.afforded).note(session);
        let mut say_at = Instant::now();
        while let Some(waiting) = others.difference(&agreed).next().copied() {
            tokio::select! {
                () = sleep_until(say_at) => {
                    self.say_affords(session, others.difference(&agreed), true, true);
                    say_at = Instant::now() + ASK_AGAIN;
                }
                () = sleep_until(deadline) => {
                    let why = "which has not said whether it could be afforded".into();
                    return Err(Reason::NotWith { node: waiting, why });
                }
                Some((from, said)) = said.recv() => match said {
                    Said::Affords(true) => _ = agreed.insert(from),
                    Said::Affords(false) => return Err(self.waits_for(from)),
                    Said::Told(..) => {}
                },
            }
        }
        Ok(rule)
    }

    /// Asks the other members until each has told what it knows. Gives what they have reserved, and one that says so.
    async fn all_told(
        &self,
        session: SessionId,
        others: &BTreeSet<Identity>,
        said: &mut mpsc::Receiver<(Identity, Said)>,
        agreed: &mut BTreeSet<Identity>,
        deadline: Instant,
    ) -> Result<BTreeMap<Key, (Spending, Identity)>, Reason> {
        let ask = Frame::AskSpendings { session, run: *self.standings.run() };
        let (mut untold, mut heard, mut ask_at) = (others.clone(), BTreeMap::new(), Instant::now());
        while let Some(waiting) = untold.first().copied() {
            tokio::select! {
                () = sleep_until(ask_at) => {
                    untold.iter().for_each(|member| self.send(member, &ask));
                    ask_at = Instant::now() + ASK_AGAIN;
                }
                () = sleep_until(deadline) => {
                    let why = "which has not told what was spent".into();
                    return Err(Reason::NotWith { node: waiting, why });
                }
                Some((from, said)) = said.recv() => match said {
                    Said::Affords(true) => _ = agreed.insert(from),
                    Said::Affords(false) => return Err(self.waits_for(from)),
                    Said::Told(_, false) => {
                        let why = format!("{} has more to tell of what was spent", self.name(&from));
                        return Err(Reason::Waits { on: from, why });
                    }
                    Said::Told(told, true) => {
                        let Believed { reserved, settled } = self.believe(from, told).await?;
                        // It is durable elsewhere: nobody waits for that here.
                        let spendings = Arc::clone(&self.spendings);
                        tokio::spawn(async move { spendings.keep(&settled).await });
                        heard.extend(reserved.into_iter().map(|spending| (spending.key, (spending, from))));
                        untold.remove(&from);
                    }
                },
            }
        }
        Ok(heard)
    }

    /// Judges a request by what all its signers know. Gives the rule.
    fn weigh_heard(
        &self,
        part: &Part,
        key: Key,
        heard: &BTreeMap<Key, (Spending, Identity)>,
    ) -> Result<Option<String>, Reason> {
        let verified = part.cause.verified().ok_or_else(|| Reason::Unable("nobody asked for it".into()))?;
        let reserved: Vec<_> = heard.values().map(|(spending, _)| spending.clone()).collect();
        let approved_by = self.approved_by(verified);
        let judge = |before: &dyn SpendingBefore| {
            self.authority.judge(verified, &part.job, SystemTime::now(), &approved_by, before)
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

    fn waits_for(&self, on: Identity) -> Reason {
        Reason::Waits { on, why: format!("{} could not afford it", self.name(&on)) }
    }

    fn say_affords<'a>(
        &self,
        session: SessionId,
        to: impl IntoIterator<Item = &'a Identity>,
        affords: bool,
        ask: bool,
    ) {
        let frame = Frame::Affords { session, affords, ask };
        to.into_iter().for_each(|member| self.send(member, &frame));
    }

    /// Takes a member's word of whether it goes on. `ask`: it has not heard this node's.
    pub(super) fn said_affords(&self, from: Identity, session: SessionId, affords: bool, ask: bool) {
        self.heard(from, session, Said::Affords(affords));
        if ask && lock(&self.afforded).sessions.contains(&session) {
            self.say_affords(session, [&from], true, false);
        }
    }

    /// Hands what a member says to its session, each thing once.
    fn heard(&self, from: Identity, session: SessionId, said: Said) {
        let mut hearings = lock(&self.hearings);
        let Some(hearing) = hearings.get_mut(&session) else { return };
        let is_first = match &said {
            Said::Told(..) => hearing.untold.remove(&from),
            Said::Affords(_) => hearing.undecided.remove(&from),
        };
        if is_first {
            hearing.said.try_send((from, said)).ok();
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
        self.heard(from, session, Said::Told(told, complete));
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
