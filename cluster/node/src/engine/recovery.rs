//! What became of a share that this node acknowledged, when the session ended before it knew.
//!
//! A pending share is kept until there is a certificate (all members acknowledged: the share is active) or a refusal
//! (a member promised durably never to acknowledge: nobody waits for the share any more). No time-out ever decides. A
//! refusal can be a lie, so even then the share is only set aside: should the certificate come after all, it counts.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use quorate_keygen::Certificate;
use quorate_keys::Identity;
use quorate_session::{Envelope, IdentityVerifier, SessionId};
use quorate_sharing::PartyIndex;

use super::attempt::Answer;
use super::{Engine, lock};
use crate::frame::{Certified, Frame, Refusal};
use crate::wallets::{PendingShare, Wallet};

/// How often a node asks about its pending shares.
const ASK_EVERY: Duration = Duration::from_secs(2);

/// Acknowledgements gathered for pending shares.
pub(super) type Inquiries = HashMap<SessionId, BTreeMap<PartyIndex, Arc<Envelope>>>;

impl Engine {
    /// Asks about pending shares until the node stops.
    pub(crate) async fn recover(self: Arc<Self>) {
        loop {
            match self.wallets.pending() {
                Ok(pending) => {
                    let idle = |pending: &&PendingShare| {
                        !lock(&self.sessions).contains_key(&pending.agreement.session())
                    };
                    pending.iter().filter(idle).for_each(|pending| self.inquire(pending));
                }
                Err(error) => tracing::error!(%error, "pending shares can't be read"),
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }

    /// Asks the other members about a pending share.
    pub(super) fn inquire(&self, pending: &PendingShare) {
        let frame = Frame::Inquire(pending.agreement.session());
        for member in pending.agreement.committee().members() {
            if member.identity != self.me {
                self.send(&member.identity, &frame);
            }
        }
    }

    /// Answers a member: with the certificate, with this node's acknowledgement, or with the promise never to give one.
    pub(super) async fn inquired(&self, from: Identity, session: SessionId) {
        if let Some(wallet) = self.wallets.of_session(&session) {
            return self.send(&from, &Frame::Certified(Box::new(wallet.certified())));
        }
        match self.wallets.pending_of(&session) {
            Ok(Some(pending)) => {
                return self.send(&from, &Frame::Acknowledged(Box::new(pending.acknowledgement)));
            }
            Ok(None) => {}
            Err(error) => return tracing::error!(%error, "pending shares can't be read"),
        }
        // A session that still runs here may yet acknowledge.
        if lock(&self.sessions).contains_key(&session) {
            return;
        }
        match self.wallets.refuse(&session).await {
            Ok(()) => self.send(&from, &Frame::Refused(Refusal::sign(session, &self.identity))),
            Err(error) => tracing::warn!(%session, %error, "could not refuse"),
        }
    }

    /// Takes another member's acknowledgement; with those of all, the share becomes active.
    pub(super) async fn acknowledged(self: &Arc<Self>, from: Identity, envelope: Envelope) {
        let session = envelope.header.session;
        let Ok(Some(pending)) = self.wallets.pending_of(&session) else { return };
        let member = pending.agreement.committee().member(envelope.header.sender);
        let genuine = member.is_some_and(|member| member.identity == from)
            && envelope.is_signed_in(&pending.agreement, &IdentityVerifier);
        if !genuine {
            return tracing::warn!(peer = %self.name(&from), %session, "refused an acknowledgement");
        }
        let gathered: Vec<_> = {
            let mut inquiries = lock(&self.recovery);
            let gathered = inquiries.entry(session).or_default();
            gathered.insert(envelope.header.sender, Arc::new(envelope));
            let own = Arc::new(pending.acknowledgement.clone());
            gathered.insert(own.header.sender, own);
            gathered.values().cloned().collect()
        };
        if gathered.len() < pending.agreement.committee().len() {
            return;
        }
        lock(&self.recovery).remove(&session);
        match Certificate::new(pending.agreement.clone(), &gathered) {
            Ok(certificate) => {
                let certified = pending.certified(certificate);
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
        let proposal = certified.certificate.agreement().proposal();
        let members = certified.public.committee.members();
        let ours = proposal.cluster == *self.authority.cluster().as_bytes()
            && members.iter().all(|member| self.peers.by_identity(&member.identity).is_some());
        if !ours {
            return tracing::warn!(peer = %self.name(&from), "refused the wallet of another cluster");
        }
        // A member whose session is about to end activates the share itself.
        if lock(&self.sessions).contains_key(&certified.certificate.session())
            && self
                .wallets
                .pending_of(&certified.certificate.session())
                .is_ok_and(|pending| pending.is_none())
        {
            return;
        }
        let request = Wallet::request_id(&certified).unwrap_or_default();
        match self.wallets.activate(certified, &self.me).await {
            Ok(wallet) => self.answer_by_request(from, &request, Answer::Active(wallet)),
            Err(error) => tracing::warn!(peer = %self.name(&from), %error, "refused a certificate"),
        }
    }

    /// Takes proof that a pending share can never become active.
    pub(super) async fn refused(&self, from: Identity, refusal: &Refusal) {
        let Ok(Some(pending)) = self.wallets.pending_of(&refusal.session) else { return };
        let member = pending.agreement.committee().index_of(&refusal.party).is_some();
        if !member || !refusal.is_genuine() {
            return tracing::warn!(peer = %self.name(&from), session = %refusal.session, "refused a refusal");
        }
        match self.wallets.set_aside(&refusal.session).await {
            Ok(()) => tracing::info!(
                wallet = pending.wallet,
                session = %refusal.session,
                "set aside the share of a key generation that node {} says it never acknowledged",
                self.name(&refusal.party)
            ),
            Err(error) => tracing::error!(%error, "a share could not be set aside"),
        }
    }
}
