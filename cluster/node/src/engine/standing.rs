//! Nodes tell each other where they stand: heads of audit logs are countersigned, and who was put back to an older state is
//! found out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use quorate_audit::{Countersignature, Head, SignedHead};
use quorate_keys::Identity;
use quorate_request::{ErrorBody, ErrorCode, SignedRequest};

use super::{Engine, lock};
use crate::frame::{Frame, Reason};
use crate::job::SignJob;
use crate::standing::{Seen, Standing};

/// How often nodes look for peers that have just connected.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// What is noted of a peer's standing, each by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Noted {
    Witnessed,
    Restored,
    Behind,
}

/// How often a node that was put back asks the others what was spent.
const LEARN_EVERY: Duration = Duration::from_secs(1);

impl Engine {
    /// Tells peers where this node stands: when they connect, until they have answered what they remember of it, and then every
    /// `standing_period`, until the node stops.
    pub(crate) async fn tell_standing(self: Arc<Self>) {
        let mut greeted: BTreeSet<Identity> = BTreeSet::new();
        let mut told = tokio::time::Instant::now();
        loop {
            let reachable: BTreeSet<_> =
                self.reachable().into_iter().filter(|node| *node != self.me).collect();
            let due = told.elapsed() >= self.config.standing_period;
            // Until it has answered once, what it remembers of this node.
            let unanswered: BTreeSet<_> =
                self.standings.unconfirmed(reachable.iter().copied()).into_iter().collect();
            let new = |peer: &Identity| !greeted.contains(peer) || unanswered.contains(peer);
            let to: Vec<_> = reachable.iter().filter(|peer| due || new(peer)).collect();
            if !to.is_empty() {
                let standing = self.where_i_stand();
                if due {
                    self.begin_checkpoint(standing.head);
                    told = tokio::time::Instant::now();
                }
                self.tell_standing_to(to, standing);
            }
            greeted = reachable;
            tokio::time::sleep(LOOK_EVERY.min(self.config.standing_period)).await;
        }
    }

    fn where_i_stand(&self) -> Standing {
        self.standings.mine(self.audit.signed_head(), &self.identity)
    }

    fn tell_standing_to<'a>(&self, to: impl IntoIterator<Item = &'a Identity>, standing: Standing) {
        let standing = Box::new(standing);
        for peer in to {
            let ask = !self.standings.unconfirmed(std::iter::once(*peer)).is_empty();
            self.send(peer, &Frame::Standing { standing: standing.clone(), ask });
        }
    }

    /// Tells these peers where this node stands now.
    pub(super) fn tell_where_i_stand<'a>(&self, to: impl IntoIterator<Item = &'a Identity>) {
        self.tell_standing_to(to, self.where_i_stand());
    }

    /// Gathers countersignatures of a head that all were told; writes those of the one before into the log.
    fn begin_checkpoint(&self, head: SignedHead) {
        let before = lock(&self.countersigned).replace((head, BTreeMap::new()));
        if let Some((head, by)) = before.filter(|(_, by)| !by.is_empty()) {
            let audit = Arc::clone(&self.audit);
            tokio::spawn(async move { audit.checkpoint(&head, by.into_values().collect()).await });
        }
    }

    /// Takes a peer's word of where it stands: countersigns the head of its log, or shows it what is known of it. `ask`: it
    /// wants to know that in any case.
    pub(super) async fn stands(&self, from: Identity, standing: Standing, ask: bool) {
        let name = self.name(&from);
        let is_new_life = self.standings.known(&from).is_some_and(|known| known.life < standing.life);
        if is_new_life && !self.is_time_to_note(&from, Noted::Restored) {
            return tracing::debug!(peer = %name, "begins one life after another");
        }
        match self.standings.see(&from, &standing) {
            Err(why) => tracing::warn!(peer = %name, "refused where it says it stands: {why}"),
            Ok(Seen::Late) => {}
            Ok(Seen::Further) => {
                if self.is_time_to_note(&from, Noted::Witnessed) {
                    self.audit.witnessed(&name, &standing.head);
                    self.countersign(from, &standing.head.head);
                }
                self.keep_standing(&from).await;
            }
            Ok(Seen::Restored(before)) => {
                tracing::error!(peer = %name, life = standing.life, "this node was put back to an older state: it says so");
                self.audit.restored(&name, &before.head, &standing.head);
                self.countersign(from, &standing.head.head);
                self.keep_standing(&from).await;
            }
            Ok(Seen::Behind(before, why)) => {
                if self.is_time_to_note(&from, Noted::Behind) {
                    tracing::error!(peer = %name, "stands behind what it has said before: {why}");
                    self.audit.behind(&name, &before.head, &standing.head, why);
                }
                return self.send(&from, &Frame::Remembered(Some(before)));
            }
        }
        if ask {
            self.send(&from, &Frame::Remembered(self.standings.known(&from).map(Box::new)));
        }
    }

    /// Whether so much time has passed since the last entry about a peer that there may be another: no peer fills the log.
    fn is_time_to_note(&self, peer: &Identity, what: Noted) -> bool {
        let mut noted = lock(&self.noted);
        let period = self.config.standing_period / 2;
        if noted.get(&(*peer, what)).is_some_and(|last| last.elapsed() < period) {
            return false;
        }
        noted.insert((*peer, what), Instant::now());
        true
    }

    async fn keep_standing(&self, peer: &Identity) {
        if let Err(error) = self.standings.keep(peer).await {
            tracing::warn!(%error, peer = %self.name(peer), "where a peer stands could not be kept");
        }
    }

    fn countersign(&self, to: Identity, head: &Head) {
        let countersignature = Countersignature::sign(head, &self.identity);
        self.send(&to, &Frame::Countersigned { seq: head.seq, countersignature });
    }

    /// Takes a peer's countersignature of the head that this node has told last.
    pub(super) fn countersigned(&self, from: Identity, seq: u64, countersignature: Countersignature) {
        let mut countersigned = lock(&self.countersigned);
        if let Some((head, by)) = &mut *countersigned
            && head.head.seq == seq
            && countersignature.peer == from
            && countersignature.verify(&head.head)
        {
            by.insert(from, countersignature);
        }
    }

    /// Takes what a peer remembers of this node.
    pub(super) async fn remembered(&self, from: Identity, mine: Option<Standing>) {
        let name = self.name(&from);
        match self.standings.shown(from, mine.as_ref()) {
            Err(why) => tracing::warn!(peer = %name, "refused what it remembers of this node: {why}"),
            Ok(None) => {}
            Ok(Some(before)) => {
                let (life, lost) = (self.standings.life(), before.sequence);
                tracing::error!(
                    peer = %name, life, known = lost,
                    "THIS NODE WAS PUT BACK TO AN OLDER STATE: others remember what it has lost. It takes no requests that were signed until now, and spends nothing that windows count before the others have told it what was spent"
                );
                let me = self.name(&self.me);
                self.audit.restored(&me, &before.head, &self.audit.signed_head());
                self.keep_life().await;
                let all: Vec<_> = self.peers.all().iter().map(|peer| peer.identity).collect();
                self.tell_where_i_stand(all.iter().filter(|node| **node != self.me));
            }
        }
    }

    /// Whether this node can know if it has acted on a request before.
    ///
    /// # Errors
    /// Not if it was put back since the request was signed.
    pub(super) fn check_remembers(&self, request: &SignedRequest) -> Result<(), ErrorBody> {
        if self.standings.knows_requests_of(request.created()) {
            return Ok(());
        }
        let message = "this node was put back to an older state, and takes only requests that were signed since; sign it anew, or ask another node";
        Err(ErrorBody::new(ErrorCode::NotReady, message))
    }

    /// Whether this node can know what was spent, as far as it has to.
    ///
    /// # Errors
    /// It has yet to hear from others.
    pub(super) fn check_knows_spending(
        &self,
        job: &SignJob,
        with_others: bool,
        members: impl Iterator<Item = Identity>,
    ) -> Result<(), Reason> {
        if let Some(on) = self.standings.unconfirmed(members).first().copied() {
            let why = format!("has yet to hear from {} what it remembers of this node", self.name(&on));
            return Err(Reason::Waits { on, why });
        }
        let others = self.peers.all().len().saturating_sub(1);
        if !self.standings.is_restored(others, self.spendings.horizon()) {
            return Ok(());
        }
        // Of the signers of each spending that this node has lost one that does not lie is among these, as long as no
        // more lie than the windows bear.
        let learned = self.standings.learned();
        let committee = &job.wallet.public.committee;
        let (known, needed) = if with_others {
            (learned.len(), others)
        } else {
            let holders = committee.members().iter().filter(|member| learned.contains(&member.identity));
            let threshold = usize::from(committee.threshold().get());
            (holders.count(), threshold.min(committee.len().saturating_sub(1)))
        };
        if known >= needed {
            return Ok(());
        }
        Err(Reason::Busy(format!(
            "was put back to an older state, and has learned from {known} of {needed} nodes what was spent"
        )))
    }

    /// Asks the others what was spent, after this node was put back, until all have told it.
    pub(crate) async fn learn_spendings(self: Arc<Self>) {
        if !self.spendings.counts() {
            return;
        }
        let others: Vec<_> =
            self.peers.all().iter().map(|peer| peer.identity).filter(|node| *node != self.me).collect();
        let horizon = self.spendings.horizon();
        if self.standings.is_restored(others.len(), horizon) {
            tracing::warn!("was put back to an older state, and learns from the others what was spent");
            self.keep_life().await;
        }
        if self.spendings.is_incomplete()
            && let Err(error) = self.spendings.remove_unreadable().await
        {
            tracing::error!(%error, "what can't be read of what was spent could not be removed");
        }
        loop {
            tokio::time::sleep(LEARN_EVERY).await;
            if !self.standings.is_restored(others.len(), horizon) {
                continue;
            }
            let learned = self.standings.learned();
            for peer in others.iter().filter(|peer| !learned.contains(*peer)) {
                self.tell_held(peer, &self.spendings.held());
                self.send(peer, &Frame::LearnSpendings { run: *self.standings.run() });
            }
        }
    }

    /// A peer has told all that was spent of which this node had not said that it has it.
    pub(super) async fn learned_from(&self, peer: Identity) {
        if self.standings.learned_from(peer) {
            tracing::info!(peer = %self.name(&peer), "learned what was spent");
            self.keep_life().await;
        }
    }

    async fn keep_life(&self) {
        if let Err(error) = self.standings.keep_life().await {
            tracing::error!(%error, "that this node was put back could not be noted: free the disk");
        }
    }
}
