//! The pairs with which wallets sign by DKLS23: made when a wallet is, or when one is to sign and has none; and whom this node has caught
//! cheating in them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use quorate_keys::Identity;
use quorate_request::{CaughtView, Verified};
use quorate_session::SessionId;
use quorate_sharing::{Committee, PartyIndex};
use rand_core::OsRng;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::attempt::{Answer, Attempted};
use super::proposer::Trouble;
use super::run::Part;
use super::upkeep::Pause;
use super::{Engine, lock};
use crate::authority::CLOCK_SKEW;
use crate::barrier::Step;
use crate::cause::{Cause, NewPairs, Provision, Upkeep};
use crate::clock::{millis, now_millis};
use crate::frame::{Frame, Reason};
use crate::job::{Job, PairsJob, SignJob};
use crate::pairings::{Made, PairsFault, Renewal, Settled, Unsettled, is_due, next_number};
use crate::protocols::Method;
use crate::wallets::Wallet;

/// How long a holder may not know the wallet yet, or be busy.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a node looks whether pairs are to be made.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often to look whether pairs that another node makes are there.
const LOOK: Duration = Duration::from_millis(20);
/// How long a request leaves it to the first holder to make them, and a wallet without any waits for holders that are down.
const FIRST_HOLDER: Duration = Duration::from_secs(5);
/// How often a request has pairs made, if that fails.
const TRIES: u32 = 4;
/// How long it waits before the second time; each time twice as long.
const AGAIN: Duration = Duration::from_millis(200);

/// A client's word that pairs be made anew, as this node hears it now: whom it caught before is meant to be taken back, unless the client
/// signed it earlier.
pub(super) fn renewal_of(verified: &Verified) -> Renewal {
    let created = verified.request().created();
    let pardons = millis(created + CLOCK_SKEW).min(now_millis());
    Renewal { request: verified.request().fingerprint(), created: millis(created), pardons }
}

impl Engine {
    /// Has the pairs made that a wallet lacks, if it signs with some.
    pub(super) fn want_pairs(&self, wallet: &Wallet) {
        if self.lacks_pairs(wallet) {
            self.demand.want_pairs(wallet.generation());
        }
    }

    /// Whether this node holds a share of a wallet, and lacks pairs of some holders.
    fn lacks_pairs(&self, wallet: &Wallet) -> bool {
        let is_holder = wallet.public.committee.index_of(&self.me).is_some();
        wallet.method == Method::Dkls23 && is_holder && !self.has_all_pairs(wallet)
    }

    /// How many wallets there are of that kind.
    pub(crate) fn lacking_pairs(&self) -> usize {
        self.wallets.all().iter().filter(|wallet| self.lacks_pairs(wallet)).count()
    }

    /// Whether all holders of a wallet can sign with each other.
    fn has_all_pairs(&self, wallet: &Wallet) -> bool {
        let all = wallet.public.committee.indices().collect();
        self.pairings.active_for(&wallet.generation(), &all).is_some()
    }

    /// Sees to it that wallets have the pairs that they need, until the node stops.
    pub(crate) async fn keep_pairs(self: Arc<Self>) {
        self.want_missing_pairs();
        while !self.is_draining() {
            timeout(LOOK_EVERY, self.demand.pairs_wake.notified()).await.ok();
            self.prepare_pairs().await;
        }
    }

    /// Sees to it that holders come to know what they have, and that who was caught is noted, until the node stops.
    pub(crate) async fn settle_pairs(self: Arc<Self>) {
        let mut asked: BTreeMap<SessionId, Pause> = BTreeMap::new();
        let mut erasing = Pause::default();
        while !self.is_draining() {
            if erasing.is_over() && self.erase_dead_pairs().await.is_err() {
                erasing.failed();
            }
            if let Err(error) = self.pairings.save().await {
                tracing::error!(%error, "who was caught cheating can't be noted yet: free the disk");
            }
            self.ask_for_pairs(&mut asked);
            sleep(LOOK_EVERY).await;
        }
    }

    /// Erases what belongs to shares that no wallet is at any more: of a run that ended after the next epoch had begun, and where this node was stopped right
    /// then, or the disk was full.
    async fn erase_dead_pairs(&self) -> Result<(), ()> {
        let mut ended = Ok(());
        for generation in self.pairings.generations() {
            if self.wallets.of_generation(&generation).is_none()
                && let Err(error) = self.pairings.erase_all(generation).await
            {
                tracing::warn!(%error, "what was made for earlier shares could not be erased yet");
                ended = Err(());
            }
        }
        ended
    }

    /// Asks the other holders for what this node does not know of its pairs: a run may have ended without its hearing so.
    fn ask_for_pairs(&self, asked: &mut BTreeMap<SessionId, Pause>) {
        let unsettled = self.pairings.unsettled();
        asked.retain(|session, _| unsettled.iter().any(|set| set.session == *session));
        for Unsettled { wallet, session, active, parties, said } in unsettled {
            let running = lock(&self.sessions).contains_key(&session);
            let Some(of) = self.wallets.of_generation(&wallet).filter(|_| !running) else { continue };
            let pause = asked.entry(session).or_default();
            if pause.is_over() {
                pause.failed();
                let members = of.members(&parties).into_iter();
                let silent = members.filter(|member| *member != self.me && !said.contains(member));
                silent.for_each(|holder| self.send(&holder, &Frame::PairsWait { wallet, session, active }));
            }
        }
    }

    /// Another one of those who have made these pairs has them, active or not, and asks for them if it does not know that all have.
    pub(super) async fn pairs_elsewhere(
        &self,
        from: Identity,
        (wallet, session): (SessionId, SessionId),
        active: bool,
        is_question: bool,
    ) {
        let Some(of) = self.wallets.of_generation(&wallet) else { return };
        let Some(parties) = self.pairings.parties(&wallet, &session) else { return };
        let mut others = of.members(&parties);
        others.remove(&self.me);
        if !others.contains(&from) || self.pairings.holds(&wallet, &session).is_none() {
            return;
        }
        let settled = self.pairings.vouch(&wallet, &session, (from, active), &others);
        // While the session runs, it is the one to say that all have them.
        let running = lock(&self.sessions).contains_key(&session);
        let done = match settled {
            Settled::Held if !running => self.pairings.activate(wallet, session).await.map(|()| {
                tracing::info!(wallet = %of.id, %session, "its pairs are active: all say that they have them");
            }),
            Settled::Active => self.pairings.erase_before(wallet, session).await,
            Settled::Held | Settled::Open => Ok(()),
        };
        if let Err(error) = done {
            tracing::warn!(wallet = %of.id, %session, %error, "its pairs stay as they are");
        }
        if is_question && let Some(active) = self.pairings.holds(&wallet, &session) {
            self.send(&from, &Frame::PairsHeld { wallet, session, active });
        }
    }

    /// Has the pairs made that were missing when this node stopped.
    fn want_missing_pairs(&self) {
        self.wallets.all().iter().for_each(|wallet| self.want_pairs(wallet));
    }

    /// Makes pairs that are wanted, of the wallets of which this is the first of those who are to make them.
    async fn prepare_pairs(self: &Arc<Self>) {
        for (session, wanted_for) in self.demand.wanted_pairs() {
            let wallet = self.wallets.of_generation(&session);
            let Some(wallet) = wallet.filter(|wallet| !self.has_all_pairs(wallet)) else {
                self.demand.has_pairs(&session);
                continue;
            };
            let is_new =
                |parties: &BTreeSet<PartyIndex>| self.pairings.active_for(&session, parties).is_none();
            let Some(parties) = self.pairing(&wallet, is_new) else { continue };
            let is_whole = parties.len() == wallet.public.committee.len();
            // Who is down may just be starting.
            if parties.first() == Some(&self.me) && (is_whole || wanted_for >= FIRST_HOLDER) {
                match self.make_pairs(&wallet, &parties, None, Instant::now() + PATIENCE).await {
                    Ok(_) if is_whole => self.demand.has_pairs(&session),
                    Ok(_) => {}
                    Err(failed) => {
                        self.demand.shun(&failed);
                        self.demand.failed_pairs(&session);
                        let outcome = failed.outcome();
                        tracing::warn!(wallet = %wallet.id, outcome, "its pairs could not be made yet");
                    }
                }
            }
        }
    }

    /// The holders of a wallet that are up, and work with others.
    pub(super) fn fit_holders(&self, wallet: &Wallet) -> BTreeSet<Identity> {
        let up = self.reachable();
        let is_fit = |holder: &Identity| up.contains(holder) && !self.is_excluded(holder);
        wallet.holders().into_iter().filter(is_fit).collect()
    }

    /// Those who make pairs of a wallet together, if so many are there that they can sign, and it is of use: all that are up but those who hindered it
    /// lately, or else with these.
    fn pairing(
        &self,
        wallet: &Wallet,
        is_of_use: impl Fn(&BTreeSet<PartyIndex>) -> bool,
    ) -> Option<BTreeSet<Identity>> {
        let fit = self.fit_holders(wallet);
        let is_able = |holder: &&Identity| **holder == self.me || !self.demand.is_shunned(holder);
        let able = fit.iter().filter(is_able).copied().collect();
        let least = usize::from(wallet.public.committee.threshold().get()).max(2);
        [able, fit].into_iter().find(|group| {
            group.len() >= least && group.contains(&self.me) && is_of_use(&wallet.indices(group))
        })
    }

    /// The pairs with which to propose that a wallet signs, made now if there are none: by all holders, or by those who are there. A node that holds
    /// no share of it learns from the holders which ones they have.
    ///
    /// # Errors
    /// How that failed.
    pub(super) async fn pairs_to_sign(
        self: &Arc<Self>,
        job: &SignJob,
        trouble: &Trouble,
        deadline: Instant,
    ) -> Result<Made, Attempted> {
        let wallet = &job.wallet;
        let (session, committee) = (wallet.generation(), &wallet.public.committee);
        let is_holder = committee.index_of(&self.me).is_some();
        // Nobody has any of this name.
        let unknown = Made { session, parties: committee.indices().collect() };
        let threshold = usize::from(committee.threshold().get());
        let begun = Instant::now();
        let mut tries: u32 = 0;
        loop {
            let mut fit = self.fit_holders(wallet);
            fit.retain(|holder| !trouble.has_refused(holder));
            let fit = wallet.indices(&fit);
            let suits = |parties: &BTreeSet<PartyIndex>| match &job.signers {
                Some(signers) => parties.is_superset(signers),
                None => parties.intersection(&fit).count() >= threshold,
            };
            if let Some(current) = self.pairings.current(&session, is_holder, suits) {
                return Ok(current);
            }
            // Who has others says which; and if they can't sign at all, that is said where they are chosen.
            if !is_holder || !suits(&fit) {
                return Ok(unknown);
            }
            self.want_pairs(wallet);
            let waits = || Attempted::NotReady("the wallet's pairs are still being made".into());
            let Some(parties) = self.pairing(wallet, suits) else { return Err(waits()) };
            let is_whole = parties.len() == committee.len();
            let is_mine = !is_whole || parties.first() == Some(&self.me) || begun.elapsed() >= FIRST_HOLDER;
            let mut pause = LOOK;
            if is_mine {
                match self.make_pairs(wallet, &parties, None, deadline).await {
                    Ok(session) => return Ok(Made { session, parties: wallet.indices(&parties) }),
                    Err(failed) if tries.saturating_add(1) >= TRIES => return Err(failed),
                    Err(failed) => {
                        self.demand.shun(&failed);
                        pause = AGAIN.saturating_mul(2_u32.saturating_pow(tries));
                        tries = tries.saturating_add(1);
                    }
                }
            }
            if Instant::now() + pause >= deadline {
                return Err(waits());
            }
            sleep(pause).await;
        }
    }

    /// Has pairs made by these holders of a wallet, of which this must be one. `request`: the client's, to replace what there is.
    ///
    /// # Errors
    /// How it failed.
    pub(super) async fn make_pairs(
        self: &Arc<Self>,
        wallet: &Arc<Wallet>,
        parties: &BTreeSet<Identity>,
        request: Option<&Verified>,
        deadline: Instant,
    ) -> Result<SessionId, Attempted> {
        let late = || Attempted::NotReady("the wallet's pairs are still being made".into());
        let session = wallet.generation();
        let _one_at_a_time = timeout_at(deadline, self.demand.pairing.lock()).await.map_err(|_| late())?;
        let mut number = next_number(self.pairings.latest(&session));
        // Each may know of later ones.
        for _ in 0..=parties.len() {
            // Made while this waited.
            let is_wanted = |made: Option<Renewal>| {
                request.is_none_or(|request| {
                    made.is_some_and(|made| made.request == request.request().fingerprint())
                })
            };
            if let Some(active) = self.pairings.active_for(&session, &wallet.indices(parties))
                && is_wanted(self.pairings.renewal(&session))
            {
                return Ok(active);
            }
            let request_encoded = request.map(|verified| verified.request().encode());
            let new =
                NewPairs { wallet: session, parties: parties.clone(), number, request: request_encoded };
            let job = PairsJob::new(&new, request.map(renewal_of), &self.wallets, &self.pairings)
                .map_err(|reason| Attempted::Refused(self.me, reason))?;
            let cause = Cause::Upkeep(Box::new(Upkeep::new(&self.me, Provision::Pairs(new), &mut OsRng)));
            match self.provide(&cause, &Job::Pairs(job), parties, PATIENCE, deadline).await {
                Attempted::Provided(made) => return Ok(made),
                Attempted::Refused(_, Reason::Behind { epoch: latest }) if is_due(latest) => {
                    number = next_number(Some(latest));
                }
                // One node's word does not make them active, but they are good for an attempt: whoever lacks them declines.
                Attempted::Refused(_, Reason::Replaced { session: made }) if request.is_none() => {
                    return Ok(made);
                }
                // They are, when all have said so.
                Attempted::Refused(_, Reason::Replaced { session: made })
                    if is_wanted(self.pairings.renewal_of(&session, &made)) =>
                {
                    let why =
                        "the holders are telling each other that they have the new pairs; repeat the request";
                    return Err(Attempted::NotReady(why.into()));
                }
                failed => return Err(failed),
            }
        }
        Err(Attempted::NotReady("the holders don't agree how often the wallet's pairs were made".into()))
    }

    /// The pairs to sign with, as a proposer names them: if this node has them, and all signers have made them.
    ///
    /// # Errors
    /// Which ones it has, or that it has none.
    pub(super) fn pairs_proposed(
        &self,
        wallet: &Wallet,
        proposed: Option<SessionId>,
        signers: &Committee,
    ) -> Result<Made, Reason> {
        let generation = wallet.generation();
        let signers: BTreeSet<_> = signers.indices().collect();
        if let Some(session) = proposed
            && let Some(parties) = self.pairings.parties(&generation, &session)
            && parties.is_superset(&signers)
        {
            return Ok(Made { session, parties });
        }
        let fit = wallet.indices(&self.fit_holders(wallet));
        let threshold = usize::from(wallet.public.committee.threshold().get());
        let can_sign = |parties: &BTreeSet<PartyIndex>| parties.intersection(&fit).count() >= threshold;
        let others = self.pairings.active_where(&generation, |parties| parties.is_superset(&signers));
        let others = others.or_else(|| self.pairings.active_where(&generation, can_sign));
        self.want_pairs(wallet);
        Err(match others {
            Some(others) => Reason::OtherPairs(others),
            None => Reason::Busy(format!("has no pairs yet of wallet {}", wallet.id)),
        })
    }

    /// Whether this node signs with these signers.
    ///
    /// # Errors
    /// Why it does not.
    pub(super) fn check_pairs(&self, job: &SignJob, signers: &Committee) -> Result<(), Reason> {
        let (wallet, unable) =
            (&job.wallet, |why: &str| Reason::Unable(format!("{why} of wallet {}", job.wallet.id)));
        let session = job.pairs.as_ref().ok_or_else(|| unable("was told of no pairs"))?.session;
        if !self.pairings.has(&wallet.generation(), &session) {
            return Err(unable("lacks the pairs"));
        }
        match self.pairings.caught_among(&wallet.generation(), &session, signers.indices()) {
            None => Ok(()),
            // Nobody is told.
            Some((_, false)) => Err(unable("can't use the pairs")),
            // Not unable: it signs with others.
            Some((party, true)) => match signers.member(party) {
                Some(member) => {
                    let why = "which it has caught cheating".into();
                    Err(Reason::NotWith { node: member.identity, why })
                }
                None => Err(unable("can't use the pairs")),
            },
        }
    }

    /// Whether no other run makes pairs of this wallet here: then all holders come to the same ones.
    ///
    /// # Errors
    /// There is one.
    pub(super) fn check_pairing(&self, from: &Identity, job: &PairsJob) -> Result<(), Reason> {
        let session = job.wallet.generation();
        let is_same =
            |other: &Job| matches!(other, Job::Pairs(other) if other.wallet.generation() == session);
        let another =
            lock(&self.taken).values().any(|part| part.is_live_by_another(from) && is_same(&part.job));
        if another { Err(Reason::Busy("is making the wallet's pairs already".into())) } else { Ok(()) }
    }

    /// Everybody has stored the pairs.
    pub(super) async fn finish_pairs(&self, part: &Part, job: &PairsJob) -> Result<(), String> {
        let session = part.session();
        let wallet = job.wallet.generation();
        self.pairings.activate(wallet, session).await.map_err(|error| error.to_string())?;
        let parties = self.names(&job.parties).join(", ");
        tracing::info!(wallet = %job.wallet.id, %session, parties, "its pairs are active");
        self.want_pairs(&job.wallet);
        self.barrier.reached("pairs", Step::Settled);
        self.answer_by_request(self.me, part.cause.id(), Answer::Provided(session));
        Ok(())
    }

    /// Whom this node has caught, in the signing of which wallets.
    pub(crate) fn caught_by_node(&self) -> BTreeMap<Identity, Vec<CaughtView>> {
        let mut by_node: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (session, party, caught) in self.pairings.caught() {
            let Some(wallet) = self.wallets.of_generation(&session) else { continue };
            if let Some(member) = wallet.public.committee.member(party) {
                let (wallet_id, since_ms, reason) = (wallet.id.clone(), caught.since, caught.reason);
                by_node.entry(member.identity).or_default().push(CaughtView { wallet_id, since_ms, reason });
            }
        }
        let in_order = |left: &CaughtView, right: &CaughtView| left.wallet_id.cmp(&right.wallet_id);
        by_node.values_mut().for_each(|caught| caught.sort_by(in_order));
        by_node
    }

    /// Notes whom this node has caught, before anybody can notice.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn note_caught(
        &self,
        part: &Part,
        parties: &[PartyIndex],
        reason: &str,
    ) -> Result<(), PairsFault> {
        let culprits = self.names(&self.members(part.context.committee(), parties)).join(", ");
        tracing::error!(culprits, session = %part.session(), "caught cheating, which can't be shown to others: {reason}");
        self.audit.caught(&culprits, &part.session(), reason);
        let Job::Sign(job) = &*part.job else { return Ok(()) };
        let Some(Made { session, .. }) = job.pairs else { return Ok(()) };
        self.barrier.reached("sign", Step::Caught);
        self.pairings.catch(job.wallet.generation(), session, parties, reason).await?;
        self.barrier.reached("sign", Step::Banned);
        Ok(())
    }
}
