//! What became of a share that a node acknowledged, when the session ended before everybody knew: of a new key, or of one
//! that was reshared.
//!
//! A pending share is kept until there is a certificate (all members acknowledged: the share is active) or a refusal
//! (a member complained, or promised never to acknowledge: nobody waits for the share any more). No time-out ever decides. A refusal can
//! be a lie, so even then the share is only set aside: should the certificate come after all, it counts.
//!
//! # Why no honest node signs both
//! What can acknowledge a session here moves one way: a promise with this node's fresh bytes (`promises`), a start that is
//! being looked at (`starting`), a running session (`sessions`), the pending share in the store, the wallet in the store. Each
//! place is entered before the one behind is left, and whoever wants to refuse looks into them in that order, into the store
//! behind all writes that were handed to it ([`Engine::never_acknowledges`]). What is in none of them can't come to be there: a
//! promise that is made later has other fresh bytes, and so leads to another session. So nothing about a refusal needs to be
//! remembered, here or on disk, and nobody can make this node forget it.
//!
//! The rows say it across restarts, damaged ones as well as others. What they can't say is that one has vanished: when an older
//! store was put back, or a torn commit was rolled back. So a node that has not itself accepted the proposal since its start
//! first seeks the certificate from the others, and refuses when a majority was there to be asked and none was shown. Where
//! the only memory of an acknowledgement vanishes before there is a certificate, nothing helps: `SECURITY.md` says so.
//!
//! Of resharings a node remembers what it acknowledged and what leads further than where it is, in the row of the wallet. Asked about one that
//! does not, it shows the proof of its own epoch.

use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Duration;

use quorate_keygen::{Certificate, Refusal, acknowledged_key, is_complaint};
use quorate_keys::Identity;
use quorate_request::{Operation, SignedRequest};
use quorate_session::{Envelope, Proposing, SessionId};
use quorate_sharing::Member;
use tokio::sync::watch;
use tokio::time::Instant;

use super::attempt::Answer;
use super::doubts::Search;
use super::{Engine, lock};
use crate::frame::{Certified, Frame, Sought};
use crate::wallets::{Inquiry, Proof, Waiting, Wallet, WalletError};

/// How often a node asks about its pending shares.
const ASK_EVERY: Duration = Duration::from_secs(2);
/// How often a proposer asks about a session that failed for it.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// What became of an attempt that failed for its proposer.
pub(super) enum Resolved {
    /// It succeeded all the same.
    Active(Arc<Wallet>),
    /// It can never succeed: a member refused.
    Void,
    /// Nobody who knows has said.
    Unknown,
}

impl Engine {
    /// Asks about pending shares until the node stops.
    pub(crate) async fn recover(self: Arc<Self>) {
        self.keep_or_erase().await;
        loop {
            for waiting in self.wallets.waiting() {
                if !self.is_running(&waiting.agreement.session()) {
                    self.inquire(&waiting.inquiry());
                }
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }

    /// Erases what was kept of epochs before, where that is no longer wanted.
    async fn keep_or_erase(&self) {
        if self.config.keep_epochs {
            tracing::warn!(
                "keep_epochs is 1: shares that were replaced stay on the disk until the wallet is reshared once more, and so are of use to who steals them"
            );
        }
        match self.wallets.erase_kept().await {
            Ok(0) => {}
            Ok(shares) => tracing::info!(shares, "erased the shares that were kept of epochs before"),
            Err(error) => {
                tracing::error!(%error, "the shares that were kept of epochs before can't be erased");
            }
        }
    }

    /// Asks the members of a session what became of it.
    pub(super) fn inquire(&self, inquiry: &Inquiry) {
        let frame = Frame::Inquire(Box::new(inquiry.clone()));
        for member in inquiry.agreement.committee().members() {
            if member.identity != self.me {
                self.send(&member.identity, &frame);
            }
        }
    }

    /// The members whose word on a pending share is missing.
    pub(super) fn unheard(&self, waiting: &Waiting) -> Vec<String> {
        let doubts = lock(&self.doubts);
        let gathered = doubts.gathered.get(&waiting.agreement.session());
        let heard = |member: &&Member| {
            member.identity != self.me && !gathered.is_some_and(|by| by.contains_key(&member.index))
        };
        let silent = waiting.agreement.committee().members().iter().filter(heard);
        self.names(silent.map(|member| &member.identity))
    }

    /// Answers a member or the proposer: with the certificate, with this node's acknowledgement, or with the promise never
    /// to give one.
    pub(super) async fn inquired(&self, from: Identity, inquiry: &Inquiry) {
        let agreement = &inquiry.agreement;
        let session = agreement.session();
        let committee = agreement.committee();
        let asks = agreement.proposal().proposer == from || committee.index_of(&from).is_some();
        // Nobody waits for the word of a node that was no member.
        let mine = committee.index_of(&self.me).and_then(|me| agreement.fresh_of(me));
        let Some(fresh) = mine.filter(|_| asks) else { return };
        if !inquiry.is_whole() || self.answered(&from, inquiry) {
            return;
        }
        let Ok(proposing) = Proposing::new(agreement.proposal()) else { return };
        let proposal = *proposing.digest();
        if self.may_yet_acknowledge(&proposal, fresh, &session) {
            return;
        }
        if !lock(&self.doubts).may_ask(from) {
            return tracing::debug!(peer = %self.name(&from), "ignored a question: it asks too many");
        }
        if !self.never_acknowledges(&proposal, fresh, inquiry).await {
            // It may have got there since.
            self.answered(&from, inquiry);
            return;
        }
        if self.has_sought(fresh, inquiry) {
            self.send(&from, &Frame::Refused(Refusal::promise(session, &self.identity)));
        }
    }

    /// Answers with what is known of a session here, if anything is.
    fn answered(&self, to: &Identity, inquiry: &Inquiry) -> bool {
        let session = inquiry.agreement.session();
        let waiting = self.wallets.waiting_of(&session);
        // In this order: a share that becomes active is among the wallets before it stops to wait.
        let known = match &inquiry.setup {
            None => self.wallets.of_session(&session),
            Some(setup) => self.wallets.of_session(&setup.origin).filter(|wallet| {
                match wallet.public.epoch.cmp(&inquiry.agreement.epoch()) {
                    Ordering::Less => false,
                    // What it waits for beside an epoch of the same number counts for more, if it is certified.
                    Ordering::Equal => wallet.generation() == session || waiting.is_none(),
                    Ordering::Greater => true,
                }
            }),
        };
        match (known, waiting) {
            (Some(wallet), _) if inquiry.setup.is_some() => self.tell_epoch(to, &wallet),
            (Some(wallet), _) => self.send(to, &Frame::Certified(Box::new(wallet.certified()))),
            (None, Some(waiting)) => match &waiting.set_aside {
                Some(refusal) => self.send(to, &Frame::Refused(refusal.clone())),
                None => self.send(to, &Frame::Acknowledged(Box::new(waiting.acknowledgement.clone()))),
            },
            (None, None) => return false,
        }
        true
    }

    /// Whether the session runs here, or can still begin. A promise is known by its proposal and this node's fresh bytes: its
    /// session has no name yet, and a proposal that is made again leads to another one.
    pub(super) fn may_yet_acknowledge(
        &self,
        proposal: &[u8; 32],
        fresh: &[u8; 32],
        session: &SessionId,
    ) -> bool {
        let promised =
            lock(&self.promises).get(proposal).is_some_and(|promise| promise.accepted.fresh() == fresh);
        promised || lock(&self.doubts).starting.contains(fresh) || self.is_running(session)
    }

    /// Whether this node has not acknowledged the session and never will; `false` also when the store can't tell.
    ///
    /// The order of the questions is what makes the answer true: see the head of this file.
    pub(super) async fn never_acknowledges(
        &self,
        proposal: &[u8; 32],
        fresh: &[u8; 32],
        inquiry: &Inquiry,
    ) -> bool {
        let session = inquiry.agreement.session();
        !self.may_yet_acknowledge(proposal, fresh, &session)
            && match &inquiry.setup {
                None => self.wallets.has_no_trace_of(&session).await,
                Some(setup) => self.wallets.has_no_renewal(&setup.origin, &inquiry.agreement).await,
            }
    }

    /// Whether this node took part since its start, or the others were asked for a certificate of the session and have
    /// none. If they were not, they are.
    fn has_sought(&self, fresh: &[u8; 32], inquiry: &Inquiry) -> bool {
        let session = inquiry.agreement.session();
        let majority = self.reachable().len().saturating_mul(2) > self.peers.len();
        {
            let mut doubts = lock(&self.doubts);
            match doubts.search(&session) {
                _ if doubts.has_accepted(fresh) => return true,
                Search::InVain => return true,
                Search::None if majority => doubts.seek(session),
                Search::None | Search::Open => return false,
            }
        }
        let wallet = inquiry.setup.as_ref().map_or(session, |setup| setup.origin);
        self.send_all(&Frame::Seek(Sought::Session(wallet)));
        false
    }

    /// Takes another member's acknowledgement; with those of all, the share becomes active.
    pub(super) async fn acknowledged(self: &Arc<Self>, from: Identity, envelope: Envelope) {
        let session = envelope.header.session;
        let Some(waiting) = self.wallets.waiting_of(&session) else { return };
        let agreement = &waiting.agreement;
        let member = agreement.committee().member(envelope.header.sender);
        let own = acknowledged_key(agreement, &waiting.acknowledgement);
        let genuine = member.is_some_and(|member| member.identity == from)
            && own.is_some()
            && acknowledged_key(agreement, &envelope) == own;
        if !genuine {
            return tracing::warn!(peer = %self.name(&from), %session, "refused an acknowledgement");
        }
        // As good as nothing, and not to be waited for.
        if !waiting.counts(&envelope) {
            return tracing::error!(peer = %self.name(&from), %session, "it has acknowledged a share, and does not show that it knows it: it cheats, or has a fault");
        }
        let gathered: Vec<_> = {
            let mut doubts = lock(&self.doubts);
            let gathered = doubts.gathered.entry(session).or_default();
            gathered.insert(envelope.header.sender, Arc::new(envelope));
            let own = Arc::new(waiting.acknowledgement.clone());
            gathered.insert(own.header.sender, own);
            gathered.values().cloned().collect()
        };
        if gathered.len() < agreement.committee().len() {
            return;
        }
        match Certificate::new(agreement.clone(), &gathered) {
            Ok(certificate) => match waiting.proof(certificate) {
                Proof::New(certified) => {
                    self.send_all(&Frame::Certified(certified.clone()));
                    self.certified(self.me, *certified).await;
                }
                Proof::Renewed(link) => {
                    self.send_all(&Frame::Renewed(link.clone()));
                    self.renewed(self.me, *link).await;
                }
            },
            Err(error) => {
                tracing::error!(%session, %error, "the gathered acknowledgements are no certificate");
            }
        }
    }

    /// Takes proof that a wallet is active.
    pub(super) async fn certified(self: &Arc<Self>, from: Identity, certified: Certified) {
        let session = certified.certificate.session();
        if self.wallets.of_session(&session).is_some() {
            return self.tell_active(from, &session);
        }
        let proposal = certified.certificate.agreement().proposal();
        let committee = &certified.public.committee;
        let known = committee.members().iter();
        let known = known.filter(|member| self.peers.by_identity(&member.identity).is_some()).count();
        // Others may have left the cluster since. So many can't all be corrupted.
        let ours = proposal.cluster == *self.authority.cluster().as_bytes()
            && known >= committee.threshold().count();
        if !ours {
            return tracing::warn!(peer = %self.name(&from), "refused the wallet of another cluster");
        }
        // Somebody has shown it, even if it is no wallet for this node.
        if certified.certificate.verify().is_ok() {
            lock(&self.doubts).found(&session);
        }
        // This node checked the request of a share that it holds before it took part: the initiator may have gone since.
        let waiting = self.wallets.waiting_of(&session);
        let is_known = waiting.is_some_and(|waiting| waiting.is_for(&certified.request));
        let refused = |error: &dyn std::fmt::Display| {
            tracing::warn!(peer = %self.name(&from), %error, "refused a certificate");
        };
        let request = match SignedRequest::decode(&certified.request) {
            Ok(request) => request,
            Err(error) => return refused(&error),
        };
        if !is_known && let Err(error) = self.authority.verify_past(&request, &Operation::Keygen) {
            return refused(&error);
        }
        match self.wallets.activate(certified, &self.me).await {
            Ok(wallet) => {
                self.settle_doubts(&session).await;
                self.want_pairs(&wallet);
                self.tell_active(from, &session);
            }
            Err(error @ WalletError::Store(_)) => {
                tracing::error!(%session, %error, "this node could not keep a wallet that others have certified");
                let answer = Answer::NotKept(session, error.to_string());
                self.answer_by_request(from, request.request_id().as_str(), answer);
            }
            Err(error) => refused(&error),
        }
    }

    /// The wallet is active: nobody asks about its key generation any more. Who refused it, and acknowledged it all the
    /// same, is convicted.
    pub(super) async fn settle_doubts(&self, session: &SessionId) {
        lock(&self.doubts).gathered.remove(session);
        if let Some(evidence) = self.wallets.contradiction(session) {
            self.accused(self.me, evidence).await;
        }
    }

    /// Tells the attempt that waits for this wallet, if there is one.
    fn tell_active(&self, from: Identity, session: &SessionId) {
        if let Some(wallet) = self.wallets.of_session(session)
            && let Some(request) = wallet.request_id()
        {
            self.answer_by_request(from, &request, Answer::Active(wallet));
        }
    }

    /// Takes proof that a session can never be certified.
    pub(super) async fn refused(&self, from: Identity, refusal: &Refusal) {
        let session = refusal.session();
        if let Some(wallet) = self.wallets.of_generation(&session) {
            // Not `settle_doubts`: this refusal is not in the store.
            let contradiction = match self.wallets.link(&wallet) {
                Ok(None) => refusal.contradiction(&wallet.record.certificate, &()),
                Ok(Some(link)) => refusal.contradiction(&link.certificate, &link.setup),
                Err(error) => return tracing::error!(%error, "the proof of a wallet's epoch can't be read"),
            };
            if let Some(evidence) = contradiction {
                self.accused(self.me, evidence).await;
            }
            return;
        }
        let waiting = self.wallets.waiting_of(&session);
        let doubted = lock(&self.doubts).unresolved.get(&session).map(|(inquiry, _)| inquiry.clone());
        let Some(inquiry) = doubted.or_else(|| waiting.as_ref().map(|waiting| waiting.inquiry())) else {
            return;
        };
        let Some(author) = refusal.author(&inquiry.agreement) else {
            return tracing::warn!(peer = %self.name(&from), %session, "refused a refusal");
        };
        // Durable first: should the certificate come all the same, this is what convicts the party, and why the wallet is
        // not the one of its name.
        // Of a resharing that it has not acknowledged a node has nothing to set aside.
        if inquiry.setup.is_none() || waiting.is_some() {
            match self.wallets.set_aside(refusal).await {
                Err(error) => return tracing::error!(%error, "a refusal could not be stored"),
                Ok(true) => {}
                // The certificate was faster.
                Ok(false) => return self.settle_doubts(&session).await,
            }
        }
        // Nobody asks about it any more, and nobody counts who has answered.
        lock(&self.doubts).gathered.remove(&session);
        if let Some((_, void)) = lock(&self.doubts).unresolved.get(&session) {
            void.send_replace(true);
        }
        if let Some(waiting) = waiting.filter(|waiting| waiting.set_aside.is_none()) {
            tracing::info!(
                wallet = waiting.wallet,
                %session,
                "set aside a share that node {} did not acknowledge, as it says",
                self.name(&author)
            );
        }
    }

    /// A session failed here: whoever complained in place of acknowledging has shown that it failed for all.
    pub(super) async fn note_complaints(&self, envelopes: Vec<Arc<Envelope>>) {
        for envelope in envelopes {
            if let Some(waiting) = self.wallets.waiting_of(&envelope.header.session)
                && is_complaint(&waiting.agreement, &envelope)
            {
                self.refused(self.me, &Refusal::Complaint(Box::new(Envelope::clone(&envelope)))).await;
            }
        }
    }

    /// Finds out whether a started session that failed for this proposer can still succeed. Until it can't, the
    /// same request must not be proposed to another committee: it could lead to a second wallet.
    pub(super) async fn resolve(&self, inquiry: &Inquiry, until: Instant) -> Resolved {
        let session = inquiry.agreement.session();
        let (sender, mut void) = watch::channel(false);
        lock(&self.doubts).unresolved.insert(session, (inquiry.clone(), sender));
        let resolved = loop {
            if let Some(wallet) = self.wallets.of_generation(&session) {
                break Resolved::Active(wallet);
            }
            if self.abstains(inquiry).await {
                break Resolved::Void;
            }
            self.inquire(inquiry);
            let ask_again = until.min(Instant::now() + ASK_AGAIN);
            match tokio::time::timeout_at(ask_again, void.wait_for(|void| *void)).await {
                Ok(Ok(_)) => break Resolved::Void,
                Ok(Err(_)) => break Resolved::Unknown,
                Err(_) if Instant::now() >= until => break Resolved::Unknown,
                Err(_) => {}
            }
        };
        lock(&self.doubts).unresolved.remove(&session);
        // A wallet is a wallet, whoever has refused it meanwhile.
        self.wallets.of_generation(&session).map_or(resolved, Resolved::Active)
    }

    /// Whether this node is a member itself and never acknowledges, or knows a member's refusal.
    async fn abstains(&self, inquiry: &Inquiry) -> bool {
        let agreement = &inquiry.agreement;
        let session = agreement.session();
        if let Some(waiting) = self.wallets.waiting_of(&session) {
            return waiting.set_aside.is_some();
        }
        let Ok(proposing) = Proposing::new(agreement.proposal()) else { return false };
        match agreement.committee().index_of(&self.me).and_then(|me| agreement.fresh_of(me)) {
            Some(fresh) => self.never_acknowledges(proposing.digest(), fresh, inquiry).await,
            None => false,
        }
    }
}
