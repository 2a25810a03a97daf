//! What a node has made ahead, so that requests need not wait for it: auxiliary information, and presignatures of the wallets for which
//! it is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quorate_keys::Identity;
use quorate_session::SessionId;
use rand_core::{OsRng, RngCore};
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::attempt::{Answer, Attempted};
use super::run::Part;
use super::{Engine, lock};
use crate::auxiliary::Known;
use crate::barrier::Step;
use crate::cause::{Cause, NewAuxiliary, Provision, Upkeep};
use crate::frame::Reason;
use crate::job::{AuxiliaryJob, Job, may_follow};
use crate::presignatures::Origin;
use crate::wallets::Wallet;

/// How often a node looks whether something is to be made.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a run that nobody waits for may take, all tries included.
const PATIENCE: Duration = Duration::from_secs(600);
/// How long to wait after a run that failed; twice as long after the next, up to the longest.
const AFTER_FAILURE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How long a request leaves it to the first node of the cluster to make auxiliary information.
const FIRST_NODE: Duration = Duration::from_secs(20);
/// How long a node comes last for which a run failed.
const SHUNNED: Duration = Duration::from_secs(60);
/// How long members may search primes before auxiliary information is made without them.
const PRIMES: Duration = Duration::from_secs(60);
/// Groups of nodes that may be wanted to have auxiliary information.
const GROUPS: usize = 64;
/// How long to wait for a member that is busy.
const BUSY: Duration = Duration::from_millis(200);

/// For what this node is asked.
pub(super) struct Demand {
    /// The wallets, and how long to let each be after runs that failed.
    wallets: Mutex<BTreeMap<SessionId, Pause>>,
    wake: Notify,
    /// Nodes for which runs failed, and until when others are asked first.
    shunned: Mutex<BTreeMap<Identity, Instant>>,
    /// Groups of nodes that are to have auxiliary information, before they hold a wallet's shares.
    groups: Mutex<BTreeSet<BTreeSet<Identity>>>,
    /// One run of making auxiliary information at a time.
    making: tokio::sync::Mutex<()>,
    /// Generations of wallets whose pairs are to be made, since when, and how long to let each be after runs that failed.
    pairs: Mutex<BTreeMap<SessionId, (Instant, Pause)>>,
    pub(super) pairs_wake: Notify,
    /// One run of making pairs at a time.
    pub(super) pairing: tokio::sync::Mutex<()>,
    /// Runs of presigning for which a client waits.
    pub(super) urgent: Semaphore,
}

/// How long something is let be that was tried in vain.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pause {
    until: Option<Instant>,
    last: Duration,
}

impl Pause {
    pub(super) fn failed(&mut self) {
        self.last = self.last.saturating_mul(2).clamp(AFTER_FAILURE, LONGEST_PAUSE);
        self.until = Some(Instant::now() + self.last);
    }

    pub(super) fn is_over(&self) -> bool {
        self.until.is_none_or(|until| until <= Instant::now())
    }
}

impl Demand {
    pub(super) fn new(urgent: usize) -> Self {
        Self {
            wallets: Mutex::default(),
            shunned: Mutex::default(),
            wake: Notify::new(),
            groups: Mutex::default(),
            making: tokio::sync::Mutex::default(),
            pairs: Mutex::default(),
            pairs_wake: Notify::new(),
            pairing: tokio::sync::Mutex::default(),
            urgent: Semaphore::new(urgent),
        }
    }

    /// A client asks for signatures of this wallet.
    pub(super) fn note(&self, wallet: &Wallet) {
        lock(&self.wallets).entry(wallet.session()).or_default();
        self.wake.notify_one();
    }

    /// These nodes are to have auxiliary information.
    pub(super) fn want_auxiliary(&self, group: BTreeSet<Identity>) {
        let mut groups = lock(&self.groups);
        // Those of earlier requests that nobody repeats.
        if groups.len() >= GROUPS {
            groups.clear();
        }
        groups.insert(group);
        self.wake.notify_one();
    }

    /// A wallet is to have pairs.
    pub(super) fn want_pairs(&self, wallet: SessionId) {
        lock(&self.pairs).entry(wallet).or_insert_with(|| (Instant::now(), Pause::default()));
        self.pairs_wake.notify_one();
    }

    /// The wallets that are to have pairs, and whose turn it is; with how long they have waited for them.
    pub(super) fn wanted_pairs(&self) -> Vec<(SessionId, Duration)> {
        let wallets = lock(&self.pairs);
        let wanted = wallets.iter().filter(|(_, (_, pause))| pause.is_over());
        wanted.map(|(session, (since, _))| (*session, since.elapsed())).collect()
    }

    /// A wallet has its pairs.
    pub(super) fn has_pairs(&self, wallet: &SessionId) {
        lock(&self.pairs).remove(wallet);
    }

    /// The pairs of a wallet could not be made.
    pub(super) fn failed_pairs(&self, wallet: &SessionId) {
        if let Some((_, pause)) = lock(&self.pairs).get_mut(wallet) {
            pause.failed();
        }
    }

    /// Notes for whom something failed.
    pub(super) fn shun(&self, failed: &Attempted) {
        let until = Instant::now() + SHUNNED;
        let mut shunned = lock(&self.shunned);
        shunned.retain(|_, until| *until > Instant::now());
        shunned.extend(failed.nodes().into_iter().map(|node| (node, until)));
    }

    /// Whether others are asked before this node.
    pub(super) fn is_shunned(&self, node: &Identity) -> bool {
        lock(&self.shunned).get(node).is_some_and(|until| *until > Instant::now())
    }

    fn wanted(&self) -> Vec<SessionId> {
        let wallets = lock(&self.wallets);
        wallets.iter().filter(|(_, pause)| pause.is_over()).map(|(session, _)| *session).collect()
    }
}

impl Engine {
    /// Sees to it that what requests need is there, until the node stops.
    pub(crate) async fn prepare(self: Arc<Self>) {
        let mut pause = Pause::default();
        loop {
            timeout(LOOK_EVERY, self.demand.wake.notified()).await.ok();
            if self.is_draining() {
                return;
            }
            if pause.is_over() && self.prepare_auxiliary().await.is_err() {
                pause.failed();
            }
            if pause.is_over() && self.prepare_groups().await.is_err() {
                pause.failed();
            }
            while self.fill_pools().await {}
        }
    }

    /// The nodes that work together: all that are not convicted.
    pub(super) fn in_good_standing(&self) -> BTreeSet<Identity> {
        let peers = self.peers.all().iter().map(|peer| peer.identity);
        peers.filter(|peer| !self.is_excluded(peer)).collect()
    }

    /// Has the cluster's auxiliary information made when all of its nodes are up, if this is the node to propose it.
    async fn prepare_auxiliary(self: &Arc<Self>) -> Result<(), ()> {
        let all = self.in_good_standing();
        if !self.config.auxiliary_at_start || all.len() < 2 || self.auxiliaries.covering(&all).is_some() {
            return Ok(());
        }
        let ready = self.primes.has_one();
        let up: BTreeSet<_> = self.reachable().into_iter().collect();
        if !ready || all.first() != Some(&self.me) || !all.is_subset(&up) {
            return Ok(());
        }
        match self.make_auxiliary(&all, None, Instant::now() + PATIENCE).await {
            Ok(_) => Ok(()),
            Err(failed) => {
                tracing::warn!(
                    outcome = failed.outcome(),
                    "the cluster's auxiliary information could not be made yet"
                );
                Err(())
            }
        }
    }

    /// Has auxiliary information made of the groups for which it was wanted, and whose first node this is.
    async fn prepare_groups(self: &Arc<Self>) -> Result<(), ()> {
        let groups = std::mem::take(&mut *lock(&self.demand.groups));
        let up: BTreeSet<_> = self.reachable().into_iter().collect();
        let mut ended = Ok(());
        for group in groups {
            if self.auxiliaries.covering(&group).is_some() {
                continue;
            }
            let all = self.in_good_standing();
            // For as many as can be, so that it serves other committees, too.
            let group = if all.is_subset(&up) && group.is_subset(&all) { all } else { group };
            if group.first() != Some(&self.me) || !self.are_fit(&group, &up) {
                continue;
            }
            if let Err(failed) = self.make_auxiliary(&group, None, Instant::now() + PATIENCE).await {
                tracing::warn!(
                    outcome = failed.outcome(),
                    "auxiliary information of a new committee could not be made yet"
                );
                ended = Err(());
            }
        }
        ended
    }

    /// Makes presignatures for one of the wallets in demand that have too few. Gives whether there may be more to do.
    async fn fill_pools(self: &Arc<Self>) -> bool {
        self.presignatures.retain(|origin| {
            self.wallets.of_generation(&origin.wallet).is_some()
                && self.auxiliaries.find(&origin.auxiliary).is_some()
                && !origin.signers.iter().any(|signer| self.is_excluded(signer))
        });
        let up: BTreeSet<_> = self.reachable().into_iter().collect();
        for session in self.demand.wanted() {
            let Some(wallet) = self.wallets.of_session(&session) else { continue };
            let generation = wallet.generation();
            let ready = self.presignatures.ready(&self.me, &generation, |signers| self.are_fit(signers, &up));
            let lacking = self.config.presign_pool.saturating_sub(ready);
            let kept = self.presignatures.kept_for(&self.me, &generation);
            let room = self.config.max_presignatures.saturating_sub(kept);
            if lacking.min(room) == 0 {
                continue;
            }
            let Some(signers) = self.some_signers(&wallet, &up) else { continue };
            let deadline = Instant::now() + PATIENCE;
            let made = self.presign(&wallet, &signers, lacking.min(room), false, deadline).await;
            if let Some(pause) = lock(&self.demand.wallets).get_mut(&session) {
                match &made {
                    Ok(_) => *pause = Pause::default(),
                    Err(failed) => {
                        pause.failed();
                        self.demand.shun(failed);
                        tracing::debug!(wallet = %wallet.id, outcome = failed.outcome(), "the pool could not be filled");
                    }
                }
            }
            return made.is_ok() && !self.is_draining();
        }
        false
    }

    /// Where a node comes among those that can sign: this one first, those for which something has failed last.
    fn place_of(&self, node: &Identity) -> u8 {
        if *node == self.me { 0 } else { 1 + u8::from(self.demand.is_shunned(node)) }
    }

    /// As many holders of a wallet as must sign, of those that can: this node, and others by chance, so that no failure of a few makes all
    /// presignatures useless.
    pub(super) fn some_signers(
        &self,
        wallet: &Wallet,
        up: &BTreeSet<Identity>,
    ) -> Option<BTreeSet<Identity>> {
        let committee = &wallet.public.committee;
        let fit = |node: &Identity| up.contains(node) && !self.is_excluded(node);
        let holders = committee.members().iter().map(|member| member.identity);
        let mut order: Vec<_> =
            holders.filter(fit).map(|node| (self.place_of(&node), OsRng.next_u64(), node)).collect();
        order.sort_unstable();
        let threshold = usize::from(committee.threshold().get());
        (order.len() >= threshold).then(|| order.into_iter().take(threshold).map(|(.., node)| node).collect())
    }

    /// The auxiliary information under which these holders of a wallet presign, made now if there is none.
    ///
    /// # Errors
    /// How that failed.
    pub(super) async fn auxiliary_for(
        self: &Arc<Self>,
        wallet: &Wallet,
        signers: &BTreeSet<Identity>,
        deadline: Instant,
    ) -> Result<Arc<Known>, Attempted> {
        let begun = Instant::now();
        // For whom it failed: the next try is without them.
        let mut without = BTreeSet::new();
        loop {
            if let Some(known) = self.auxiliaries.covering(signers) {
                return Ok(known);
            }
            let up: BTreeSet<_> =
                self.reachable().into_iter().filter(|node| !without.contains(node)).collect();
            let all = self.in_good_standing();
            let left_to_first = self.config.auxiliary_at_start
                && all.is_subset(&up)
                && all.first() != Some(&self.me)
                && begun.elapsed() < FIRST_NODE;
            if !left_to_first {
                let holders = wallet.holders();
                // For as many as can be, so that it serves other committees, too.
                let groups = [all, holders, signers.clone()];
                let group = groups.into_iter().find(|group| {
                    group.contains(&self.me) && group.is_superset(signers) && group.is_subset(&up)
                });
                let Some(group) = group else {
                    let why =
                        "there is no auxiliary information of the signers: ask one of them for the signature";
                    return Err(Attempted::NotReady(why.into()));
                };
                match self.make_auxiliary(&group, None, deadline).await {
                    Ok(known) => return Ok(known),
                    Err(failed) => {
                        let outcome = failed.outcome();
                        tracing::warn!(outcome, "auxiliary information could not be made yet");
                        self.demand.shun(&failed);
                        without.extend(failed.nodes());
                        if !without.is_disjoint(signers) {
                            return Err(failed);
                        }
                    }
                }
            }
            if Instant::now() + BUSY >= deadline {
                let why = "the auxiliary information of the signers is still being made; repeat the request to wait on";
                return Err(Attempted::NotReady(why.into()));
            }
            sleep(BUSY).await;
        }
    }

    /// Has auxiliary information made by these nodes, of which this must be one. `request`: the client's, to replace what there is.
    ///
    /// # Errors
    /// How it failed.
    pub(super) async fn make_auxiliary(
        self: &Arc<Self>,
        parties: &BTreeSet<Identity>,
        request: Option<(Vec<u8>, [u8; 32])>,
        deadline: Instant,
    ) -> Result<Arc<Known>, Attempted> {
        let late = || Attempted::NotReady("the auxiliary information is still being made".into());
        let making = timeout_at(deadline, self.demand.making.lock());
        let _one_at_a_time = making.await.map_err(|_| late())?;
        let (request, digest) = request.unzip();
        // Made while this waited.
        if request.is_none()
            && let Some(known) = self.auxiliaries.active(parties)
        {
            return Ok(known);
        }
        let mut epoch = self.auxiliaries.latest_epoch(parties).map_or(0, |latest| latest.saturating_add(1));
        // Each may know of a later one.
        for _ in 0..=parties.len() {
            let new = NewAuxiliary { parties: parties.clone(), epoch, request: request.clone() };
            let job = AuxiliaryJob::new(&new, digest, &self.auxiliaries, &self.peers)
                .map_err(|reason| Attempted::NotReady(reason.to_string()))?;
            let cause = Cause::Upkeep(Box::new(Upkeep::new(&self.me, Provision::Auxiliary(new), &mut OsRng)));
            match self.provide(&cause, &Job::Auxiliary(job), parties, PRIMES, deadline).await {
                Attempted::Provided(session) => {
                    return self.auxiliaries.find(&session).ok_or_else(late);
                }
                Attempted::Refused(_, Reason::Behind { epoch: latest }) if may_follow(epoch, latest) => {
                    epoch = latest.saturating_add(1);
                }
                // This node has stored it and has not heard that all have.
                Attempted::Refused(_, Reason::Replaced { session })
                    if self.auxiliaries.is_pending(&session) =>
                {
                    return self.auxiliaries.activate(session).await.map_err(|error| {
                        tracing::error!(%session, %error, "auxiliary information could not be activated");
                        late()
                    });
                }
                failed => return Err(failed),
            }
        }
        Err(Attempted::NotReady("the nodes don't agree how often auxiliary information was made".into()))
    }

    /// Every party has stored the auxiliary information.
    pub(super) async fn finish_auxiliary(&self, part: &Part, job: &AuxiliaryJob) -> Result<(), String> {
        let session = part.session();
        let known = self.auxiliaries.activate(session).await.map_err(|error| error.to_string())?;
        let parties = self.names(known.public.keys.keys());
        tracing::info!(%session, epoch = known.public.epoch, "auxiliary information of {} is active", parties.join(", "));
        // Those made under what it replaces, by any of the nodes that a client had make it anew.
        let is_rotated = |origin: &Origin| {
            job.request.is_some() && origin.auxiliary != session && !origin.signers.is_disjoint(&job.parties)
        };
        self.presignatures
            .retain(|origin| self.auxiliaries.find(&origin.auxiliary).is_some() && !is_rotated(origin));
        self.barrier.reached("auxiliary", Step::Settled);
        self.answer_by_request(self.me, part.cause.id(), Answer::Provided(session));
        Ok(())
    }

    /// Sees through what nodes make ahead. Members that are busy are asked again for a while.
    pub(super) async fn provide(
        self: &Arc<Self>,
        cause: &Cause,
        job: &Job,
        chosen: &BTreeSet<Identity>,
        patience: Duration,
        deadline: Instant,
    ) -> Attempted {
        let patient_until = deadline.min(Instant::now() + patience);
        for attempt in 1.. {
            self.metrics.attempted(job.operation());
            let begun = Instant::now();
            let attempted = self.attempt(cause, job, chosen, None, attempt, deadline).await;
            self.metrics.attempt_took(job.operation(), attempted.outcome(), begun.elapsed());
            match attempted {
                Attempted::Busy(..) if Instant::now() + BUSY < patient_until && !self.is_draining() => {
                    sleep(BUSY).await;
                }
                attempted => return attempted,
            }
        }
        Attempted::Again("it was tried too often".into())
    }
}
