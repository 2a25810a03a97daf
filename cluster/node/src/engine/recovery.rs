//! What became of a share that a node acknowledged, when the session ended before everybody knew.
//!
//! A pending share is kept until there is a certificate (all members acknowledged: the share is active) or a refusal
//! (a member complained, or promised never to acknowledge: nobody waits for the share any more). No time-out ever decides. A refusal can
//! be a lie, so even then the share is only set aside: should the certificate come after all, it counts.
//!
//! A refusal need not be durable to be kept: a session ends with the process that runs it, and a node can't enter one
//! again, because its own fresh bytes are in the session's name. So memory decides between the two.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use quorate_keygen::{Certificate, Refusal, is_complaint};
use quorate_keys::Identity;
use quorate_session::{Agreement, Envelope, IdentityVerifier, SessionId};
use quorate_sharing::{Member, PartyIndex};
use tokio::sync::watch;
use tokio::time::Instant;

use super::attempt::Answer;
use super::member::Promise;
use super::{Engine, lock};
use crate::frame::{Certified, Frame};
use crate::job::Job;
use crate::wallets::{Waiting, Wallet};

/// How often a node asks about its pending shares.
const ASK_EVERY: Duration = Duration::from_secs(2);
/// How often a proposer asks about a key generation that failed for it.
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// Refusals remembered.
const REFUSALS: usize = 4096;

/// What this node knows about key generations in doubt.
#[derive(Default)]
pub(super) struct Doubts {
    /// Acknowledgements gathered for pending shares.
    gathered: HashMap<SessionId, BTreeMap<PartyIndex, Arc<Envelope>>>,
    /// Sessions that this node has acknowledged, or is about to.
    acknowledged: HashSet<SessionId>,
    /// Sessions that it has promised never to acknowledge. Old ones may go: nothing runs under their names.
    refused: VecDeque<SessionId>,
    /// Attempts of this node as a proposer that wait for a refusal.
    unresolved: HashMap<SessionId, (Agreement, watch::Sender<bool>)>,
}

impl Doubts {
    /// Whether this node may acknowledge the session: from now on it can't refuse.
    pub(super) fn acknowledge(&mut self, session: SessionId) -> bool {
        !self.refused.contains(&session) && {
            self.acknowledged.insert(session);
            true
        }
    }

    /// The acknowledgement could not be stored, and will not be given.
    pub(super) fn retract(&mut self, session: &SessionId) {
        self.acknowledged.remove(session);
        self.refuse(*session);
    }

    /// Whether this node may refuse the session: from now on it can't acknowledge.
    fn refuse(&mut self, session: SessionId) -> bool {
        if self.acknowledged.contains(&session) {
            return false;
        }
        if !self.refused.contains(&session) {
            if self.refused.len() == REFUSALS {
                self.refused.pop_front();
            }
            self.refused.push_back(session);
        }
        true
    }
}

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
        loop {
            for waiting in self.wallets.waiting() {
                if !self.is_running(&waiting.agreement.session()) {
                    self.inquire(&waiting.agreement);
                }
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }

    /// Asks the members of a key generation what became of it.
    pub(super) fn inquire(&self, agreement: &Agreement) {
        let frame = Frame::Inquire(agreement.session());
        for member in agreement.committee().members() {
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

    /// Answers: with the certificate, with this node's acknowledgement, or with the promise never to give one.
    pub(super) fn inquired(&self, from: Identity, session: SessionId) {
        if let Some(wallet) = self.wallets.of_session(&session) {
            return self.send(&from, &Frame::Certified(Box::new(wallet.certified())));
        }
        if let Some(waiting) = self.wallets.waiting_of(&session) {
            return match &waiting.set_aside {
                Some(refusal) => self.send(&from, &Frame::Refused(refusal.clone())),
                None => self.send(&from, &Frame::Acknowledged(Box::new(waiting.acknowledgement.clone()))),
            };
        }
        // What runs here, or is about to start, may yet acknowledge.
        let with_it = |promise: &Promise| {
            let committee = &promise.accepted.proposal().committee;
            matches!(*promise.job, Job::Keygen(_)) && committee.index_of(&from).is_some()
        };
        let promised = lock(&self.promises).values().any(with_it);
        // A pending share that can't be read was acknowledged all the same.
        let pending = !self.wallets.is_not_pending(&session);
        if pending || promised || self.is_running(&session) || !lock(&self.doubts).refuse(session) {
            return;
        }
        self.send(&from, &Frame::Refused(Refusal::promise(session, &self.identity)));
    }

    /// Takes another member's acknowledgement; with those of all, the share becomes active.
    pub(super) async fn acknowledged(self: &Arc<Self>, from: Identity, envelope: Envelope) {
        let session = envelope.header.session;
        let Some(waiting) = self.wallets.waiting_of(&session) else { return };
        let member = waiting.agreement.committee().member(envelope.header.sender);
        let genuine = member.is_some_and(|member| member.identity == from)
            && envelope.is_signed_in(&waiting.agreement, &IdentityVerifier);
        if !genuine {
            return tracing::warn!(peer = %self.name(&from), %session, "refused an acknowledgement");
        }
        let gathered: Vec<_> = {
            let mut doubts = lock(&self.doubts);
            let gathered = doubts.gathered.entry(session).or_default();
            gathered.insert(envelope.header.sender, Arc::new(envelope));
            let own = Arc::new(waiting.acknowledgement.clone());
            gathered.insert(own.header.sender, own);
            gathered.values().cloned().collect()
        };
        if gathered.len() < waiting.agreement.committee().len() {
            return;
        }
        lock(&self.doubts).gathered.remove(&session);
        match Certificate::new(waiting.agreement.clone(), &gathered) {
            Ok(certificate) => {
                let certified = waiting.certified(certificate);
                self.send_all(&Frame::Certified(Box::new(certified.clone())));
                self.certified(self.me, certified).await;
            }
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
        let members = certified.public.committee.members();
        let ours = proposal.cluster == *self.authority.cluster().as_bytes()
            && members.iter().all(|member| self.peers.by_identity(&member.identity).is_some());
        if !ours {
            return tracing::warn!(peer = %self.name(&from), "refused the wallet of another cluster");
        }
        // This node checked the request of a share that it holds before it took part: the initiator may have gone since.
        let waiting = self.wallets.waiting_of(&session);
        let verified = match waiting.is_some_and(|waiting| waiting.is_for(&certified.request)) {
            true => Ok(()),
            false => self.authority.verify_made(&certified.request),
        };
        let activated = match verified {
            Ok(()) => self.wallets.activate(certified, &self.me).await.map_err(|error| error.to_string()),
            Err(error) => Err(error),
        };
        match activated {
            Ok(_) => {
                self.settle_doubts(&session).await;
                self.tell_active(from, &session);
            }
            Err(error) => tracing::warn!(peer = %self.name(&from), error, "refused a certificate"),
        }
    }

    /// The wallet is active: nobody asks about its key generation any more. Who refused it, and acknowledged it all the
    /// same, is convicted.
    pub(super) async fn settle_doubts(&self, session: &SessionId) {
        {
            let mut doubts = lock(&self.doubts);
            doubts.gathered.remove(session);
            doubts.acknowledged.remove(session);
        }
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
        if let Some(wallet) = self.wallets.of_session(&session) {
            if let Some(evidence) = refusal.contradiction(&wallet.record.certificate) {
                self.accused(self.me, evidence).await;
            }
            return;
        }
        let waiting = self.wallets.waiting_of(&session);
        let doubted = lock(&self.doubts).unresolved.get(&session).map(|(agreement, _)| agreement.clone());
        let Some(agreement) = doubted.or_else(|| waiting.as_ref().map(|waiting| waiting.agreement.clone()))
        else {
            return;
        };
        let Some(author) = refusal.author(&agreement) else {
            return tracing::warn!(peer = %self.name(&from), %session, "refused a refusal");
        };
        // Durable first: should the certificate come all the same, this is what convicts the party, and why the wallet is
        // not the one of its name.
        if let Err(error) = self.wallets.set_aside(refusal).await {
            return tracing::error!(%error, "a refusal could not be stored");
        }
        if let Some((_, void)) = lock(&self.doubts).unresolved.get(&session) {
            void.send_replace(true);
        }
        if let Some(waiting) = waiting.filter(|waiting| waiting.set_aside.is_none()) {
            tracing::info!(
                wallet = waiting.wallet,
                %session,
                "set aside the share of a key generation that node {} did not acknowledge, as it says",
                self.name(&author)
            );
        }
    }

    /// A key generation failed here: whoever complained in place of acknowledging has shown that it failed for all.
    pub(super) async fn note_complaints(&self, envelopes: Vec<Arc<Envelope>>) {
        for envelope in envelopes {
            if let Some(waiting) = self.wallets.waiting_of(&envelope.header.session)
                && is_complaint(&waiting.agreement, &envelope)
            {
                self.refused(self.me, &Refusal::Complaint(Box::new(Envelope::clone(&envelope)))).await;
            }
        }
    }

    /// Finds out whether a started key generation that failed for this proposer can still succeed. Until it can't, the
    /// same request must not be proposed to another committee: it could lead to a second wallet.
    pub(super) async fn resolve(&self, agreement: &Agreement, until: Instant) -> Resolved {
        let session = agreement.session();
        let (sender, mut void) = watch::channel(false);
        lock(&self.doubts).unresolved.insert(session, (agreement.clone(), sender));
        let resolved = loop {
            if let Some(wallet) = self.wallets.of_session(&session) {
                break Resolved::Active(wallet);
            }
            if self.abstains(agreement) {
                break Resolved::Void;
            }
            self.inquire(agreement);
            let ask_again = until.min(Instant::now() + ASK_AGAIN);
            match tokio::time::timeout_at(ask_again, void.wait_for(|void| *void)).await {
                Ok(Ok(_)) => break Resolved::Void,
                Ok(Err(_)) => break Resolved::Unknown,
                Err(_) if Instant::now() >= until => break Resolved::Unknown,
                Err(_) => {}
            }
        };
        lock(&self.doubts).unresolved.remove(&session);
        resolved
    }

    /// Whether this node is a member itself and refuses, or knows a member's refusal.
    fn abstains(&self, agreement: &Agreement) -> bool {
        let session = agreement.session();
        if let Some(waiting) = self.wallets.waiting_of(&session) {
            return waiting.set_aside.is_some();
        }
        agreement.committee().index_of(&self.me).is_some()
            && !self.is_running(&session)
            && lock(&self.doubts).refuse(session)
    }
}
