//! Changes of initiators: asked for by authorizers, made once enough of them have approved, and told to every node for good.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use quorate_keys::Identity;
use quorate_request::{ErrorBody, ErrorCode, InitiatorView, InitiatorsResponse, SignedRequest, Verified};

use super::{Busy, Engine};
use crate::approvals::Key;
use crate::frame::Frame;
use crate::initiators::{Change, Proof};

/// How long the others may take to say that they keep a change, before whoever asked for it hears who does.
const HEARD_OUT: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(20);

impl Engine {
    /// Makes a change of initiators that an authorizer asks for, if enough have approved it; if not, it waits for them. Once made, it
    /// is answered the same, with who keeps it by then.
    ///
    /// # Errors
    /// What the authorizer is told.
    pub(crate) async fn change_initiators(
        self: &Arc<Self>,
        verified: &Verified,
    ) -> Result<InitiatorsResponse, ErrorBody> {
        let result = self.make_change(verified).await;
        match &result {
            Ok(_) => self.wait_no_more(verified).await,
            Err(error) if error.code == ErrorCode::ApprovalsMissing => self.await_approvals(verified).await,
            Err(_) => {}
        }
        result.map_err(|error| error.with_session(verified.request_id().clone()))
    }

    async fn make_change(self: &Arc<Self>, verified: &Verified) -> Result<InitiatorsResponse, ErrorBody> {
        let fingerprint = verified.request().fingerprint();
        if let Some(change) = self.changes.get(&fingerprint) {
            return Ok(self.answer_with(&change).await);
        }
        if self.is_draining() {
            return Err(ErrorBody::new(ErrorCode::ShuttingDown, "this node is shutting down; ask another"));
        }
        let _busy = Busy::new(self);
        // What holds, and could not be stored, is no news.
        if !self.changes.is_unkept(&fingerprint) {
            self.authority.check_change(verified)?;
        }
        self.check_approved(verified)?;
        let proof = Proof {
            request: verified.request().encode(),
            words: self.approvals.approvals(&fingerprint, |name| self.authority.approves_changes(name)),
        };
        let change = self.authority.change(&proof)?;
        self.make(change.clone(), None).await?;
        Ok(self.answer_with(&change).await)
    }

    /// Keeps a change, goes by it, and tells the others. `told_by`: the peer from whom it is.
    async fn make(&self, change: Change, told_by: Option<&Identity>) -> Result<(), ErrorBody> {
        let told = Frame::Changed(Box::new(change.proof.clone()));
        let kept = self.changes.keep(change.clone()).await;
        // Also of one that another task has just kept, and of a revocation that could not be: when this returns, it holds.
        self.authority.change_initiators(|| self.changes.all());
        if !kept? {
            return Ok(());
        }
        tracing::warn!(key = %change.key, approved_by = ?change.approved_by, "{}", change.told());
        for word in change.proof.words.iter().filter(|_| told_by.is_some()) {
            if !self.approvals.knows_word(&change.fingerprint, word)
                && let Ok(word) = self.read_word(word)
            {
                self.audit.approval(&word);
            }
        }
        self.log_change(&change).await;
        let others = self.others();
        others.iter().filter(|node| told_by != Some(*node)).for_each(|node| self.send(node, &told));
        Ok(())
    }

    async fn log_change(&self, change: &Change) {
        let logged = self.audit.initiators_changed(change).await;
        if let Err(error) = &logged {
            tracing::error!(key = %change.key, error, "a change of initiators is not in the audit log: it is written there as soon as that can be");
        }
        self.changes.logged(change, logged.is_ok()).await;
    }

    /// Makes up for what could not be written: revocations that are not durable, and changes that the audit log does not have.
    pub(super) async fn write_changes(&self) {
        for change in self.changes.unkept() {
            if let Err(error) = self.make((*change).clone(), None).await {
                let error = error.message;
                tracing::error!(key = %change.key, error, "a revocation holds until this node stops: it could not be stored");
            }
        }
        for change in self.changes.unlogged() {
            self.log_change(&change).await;
        }
    }

    /// The answer to who has asked for a change, once the others had some time to hear of it.
    async fn answer_with(&self, change: &Change) -> InitiatorsResponse {
        let all = self.peers.all().iter().map(|peer| peer.identity);
        let all: BTreeSet<Identity> = all.chain([self.me]).collect();
        let keeps = |node: &Identity| *node == self.me || self.changes.is_known_by(node, &change.fingerprint);
        let everybody = async {
            while !self.reachable().iter().all(keeps) {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        // Who has not said so by then is named.
        tokio::time::timeout(HEARD_OUT, everybody).await.ok();
        let (known_by, not_yet): (Vec<Identity>, _) = all.iter().partition(|node| keeps(node));
        let initiator = self.authority.initiator_of(&change.key).map(|initiator| initiator.name().to_owned());
        change.response(initiator, self.names(&known_by), self.names(&not_yet))
    }

    /// All keys that may ask, or might once.
    pub(crate) fn initiators(&self) -> Vec<InitiatorView> {
        self.authority.initiator_views()
    }

    /// Tells a peer which changes this node keeps. `ask`: and which does the other?
    pub(super) fn tell_changes_kept(&self, to: &Identity, ask: bool) {
        self.send(to, &Frame::Changes { keys: self.changes.keys(), ask });
    }

    /// Takes a peer's word of which changes it keeps: it is told the others.
    pub(super) fn told_changes_kept(&self, from: &Identity, keys: Vec<Key>, ask: bool) {
        self.tell_changes(from, self.changes.told(from, keys));
        if ask {
            self.tell_changes_kept(from, false);
        }
    }

    /// Takes a peer's word of whether it keeps a change that it was told: it is told the next ones.
    pub(super) fn heard_of_change(&self, from: &Identity, key: &Key, kept: bool) {
        self.tell_changes(from, self.changes.heard(from, key, kept));
    }

    fn tell_changes(&self, to: &Identity, proofs: Vec<Proof>) {
        proofs.into_iter().for_each(|proof| self.send(to, &Frame::Changed(Box::new(proof))));
    }

    /// Takes a change from a peer, on its proof.
    pub(super) async fn told_change(&self, from: &Identity, proof: &Proof) {
        let Ok(request) = SignedRequest::decode(&proof.request) else { return };
        let fingerprint = request.fingerprint();
        let made = match self.changes.get(&fingerprint) {
            Some(_) => Ok(()),
            None => match self.authority.change(proof) {
                Ok(change) => self.make(change, Some(from)).await,
                Err(error) => Err(error),
            },
        };
        self.send(from, &Frame::ChangeHeard { key: fingerprint, kept: made.is_ok() });
        match made {
            Ok(()) => {
                self.changes.is_kept_by(from, &fingerprint);
                if let Err(error) = self.approvals.over(&fingerprint, None).await {
                    tracing::warn!(%error, "a change that waits no more could not be removed");
                }
            }
            Err(error) if self.changes.refuse(fingerprint) => {
                tracing::warn!(peer = %self.name(from), "a change of initiators is not made here: {}", error.message);
            }
            Err(_) => {}
        }
    }

    fn others(&self) -> Vec<Identity> {
        self.reachable().into_iter().filter(|node| *node != self.me).collect()
    }
}
