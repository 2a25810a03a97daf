//! Authorizers: who has approved a client's request, which requests wait for them, and how nodes tell each other of both.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use quorate_keys::Identity;
use quorate_request::{
    ApprovalResponse, ErrorBody, ErrorCode, Operation, SignedRequest, Verified, WaitingView, WalletId,
};

use super::Engine;
use super::member::refused;
use crate::approvals::{Heard, Key, Waiting, Wanted, Word};
use crate::authority::CLOCK_SKEW;
use crate::cause::Order;
use crate::frame::{Frame, Invite, Reason};
use crate::job::{self, Job};

/// How often nodes look for peers that have just connected.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How often nodes compare which changes of initiators they keep.
const COMPARE_EVERY: Duration = Duration::from_secs(60);
/// Words in one frame, and in one invitation: more than a policy asks for.
const WORDS: usize = 128;

impl Engine {
    /// Who has approved a request.
    pub(super) fn approved_by(&self, verified: &Verified) -> BTreeSet<String> {
        let asker = self.authority.approving_asker(verified.operation(), verified.initiator());
        self.approvals.approved_by(&verified.request().fingerprint(), asker)
    }

    /// Whether a request has the approvals that the policy asks for whatever the operation does.
    ///
    /// # Errors
    /// It has not.
    pub(super) fn check_approved(&self, verified: &Verified) -> Result<(), ErrorBody> {
        if matches!(verified.operation(), Operation::Reshare | Operation::Rollback)
            && !self.config.reshare_without_authorizers
            && !self.authority.has_authorizers()
        {
            let message = "who holds a wallet's shares is changed with approvals of authorizers, and there are none: name some in the policy, or set reshare_without_authorizers";
            return Err(ErrorBody::new(ErrorCode::PolicyDenied, message));
        }
        self.authority.check_approved(verified, &self.approved_by(verified))
    }

    /// Who has approved what this node is about to sign, if that is still enough and its initiator may still ask: what it went by
    /// when it promised to take part may have ended since, or have been taken back or revoked.
    ///
    /// # Errors
    /// It is not.
    pub(super) fn still_approved_by(
        &self,
        verified: &Verified,
        job: &Job,
    ) -> Result<BTreeSet<String>, Reason> {
        let (approved_by, now) = (self.approved_by(verified), SystemTime::now());
        self.authority.check_active(verified).map_err(|error| refused(error.code.as_str(), error.message))?;
        if let Job::Sign(sign) = job
            && self.authority.wanted(verified, Some(sign), now).is_some()
        {
            // Of what was spent before others are heard out.
            let judged = self.authority.judge(verified, job, now, &approved_by, &());
            judged.map_err(|error| refused(error.code.as_str(), error.message))?;
        }
        Ok(approved_by)
    }

    /// Takes the words that come with an invitation, as far as they are about its request: they count at once, whenever they
    /// become durable.
    pub(super) fn hear_invited(self: &Arc<Self>, from: &Identity, invite: &Invite) {
        let key = match &invite.order {
            Order::Request(request) => {
                SignedRequest::decode(request).ok().map(|request| request.fingerprint())
            }
            Order::Upkeep(provision, _) => provision.asked_for(),
        };
        let Some(key) = key else { return };
        for encoded in invite.approvals.iter().take(WORDS) {
            if self.approvals.knows_word(&key, encoded) {
                continue;
            }
            let heard = match self.read_word(encoded) {
                Ok(word) if word.key == key => self.hear(word),
                Ok(_) => Err(ErrorBody::new(ErrorCode::MalformedRequest, "it is about another request")),
                Err(error) => Err(error),
            };
            if let Err(error) = heard {
                self.unheard_of(from, &error);
            }
        }
    }

    pub(super) fn read_word(&self, encoded: &[u8]) -> Result<Word, ErrorBody> {
        let request = SignedRequest::decode(encoded)
            .map_err(|error| ErrorBody::new(ErrorCode::MalformedRequest, error.to_string()))?;
        self.authority.word(&request)
    }

    fn unheard_of(&self, from: &Identity, error: &ErrorBody) {
        tracing::warn!(peer = %self.name(from), "refused an approval: {}", error.message);
    }

    /// Takes a word from its authorizer, and tells the others.
    ///
    /// # Errors
    /// What the authorizer is told.
    pub(crate) async fn approve(&self, request: &SignedRequest) -> Result<ApprovalResponse, ErrorBody> {
        let word = self.authority.word(request)?;
        if !word.holds_now() {
            return Err(ErrorBody::new(ErrorCode::Expired, "the approval is over: its valid_until is past"));
        }
        let response = word.response(self.approvals.is_waiting(&word.key));
        if self.approvals.hear(&word)? == Heard::New {
            self.keep_word(&word).await?;
            self.tell_all(&Frame::Words(vec![word.encoded.to_vec()]));
        }
        Ok(response)
    }

    /// Makes a word that was heard durable, and writes it into the audit log.
    async fn keep_word(&self, word: &Word) -> Result<(), ErrorBody> {
        if self.approvals.keep(word).await? {
            self.audit.approval(word);
        }
        Ok(())
    }

    /// Takes a word that a peer has passed on: it counts at once, and is made durable meanwhile.
    fn hear(self: &Arc<Self>, word: Word) -> Result<(), ErrorBody> {
        if self.approvals.hear(&word)? == Heard::New {
            let engine = Arc::clone(self);
            tokio::spawn(async move {
                if let Err(error) = engine.keep_word(&word).await {
                    tracing::warn!("an approval could not be stored: {}", error.message);
                }
            });
        }
        Ok(())
    }

    /// The requests that wait, as far as a reader may see them; or only that of this fingerprint, with what its client has signed.
    pub(crate) fn waiting(&self, only: Option<&Key>, may_see: impl Fn(&Waiting) -> bool) -> Vec<WaitingView> {
        let mut waiting = self.approvals.waiting();
        waiting.retain(|waiting| only.is_none_or(|key| waiting.key == *key) && may_see(waiting));
        waiting.retain(|waiting| self.authority.may_be_heard(waiting.asked_by()));
        let view = |waiting: &Waiting| {
            let asker = self.authority.approving_asker(waiting.operation(), waiting.asked_by());
            self.approvals.view(waiting, asker, only.is_some())
        };
        waiting.iter().map(view).collect()
    }

    /// A request could not be done for want of approvals: notes that it waits, and tells the others.
    pub(super) async fn await_approvals(&self, verified: &Verified) {
        match self.wait(verified, None).await {
            Ok(true) => self.tell_all(&Frame::Waits(verified.request().encode())),
            Ok(false) => {}
            Err(why) => {
                tracing::warn!(
                    request = verified.request_id().as_str(),
                    "is not shown to authorizers: {why}"
                );
            }
        }
    }

    /// A request has its result.
    pub(super) async fn wait_no_more(&self, verified: &Verified) {
        let key = verified.request().fingerprint();
        if !self.approvals.is_waiting(&key) {
            return;
        }
        if let Err(error) = self.approvals.over(&key, None).await {
            tracing::warn!(%error, "a request that waits no more could not be removed");
        }
        self.tell_all(&Frame::WaitsNoMore(key));
    }

    async fn wait(&self, verified: &Verified, told_by: Option<Identity>) -> Result<bool, String> {
        let (wallet, wanted) = self.wanted(verified).await.map_err(|error| error.message)?;
        let initiator = match verified.operation() {
            Operation::Initiators => {
                self.authority.authorizer(verified.initiator()).unwrap_or_default().to_owned()
            }
            _ => self.authority.initiator(verified).map_err(|error| error.message)?.name().to_owned(),
        };
        let wanted = wanted.ok_or_else(|| "it needs no approval".to_owned())?;
        let waiting = Waiting::new(verified, initiator, wallet, wanted, told_by);
        self.approvals.wait(waiting).await.map_err(|error| error.to_string())
    }

    /// The wallet that a request is about, and whose approval it needs.
    async fn wanted(&self, verified: &Verified) -> Result<(Option<WalletId>, Option<Wanted>), ErrorBody> {
        match self.wanted_as_known(verified) {
            Err(error) if error.code == ErrorCode::UnknownWallet => {
                if let Some(sought) = job::sought(verified) {
                    self.seek(&sought).await;
                }
                self.wanted_as_known(verified)
            }
            wanted => wanted,
        }
    }

    fn wanted_as_known(&self, verified: &Verified) -> Result<(Option<WalletId>, Option<Wanted>), ErrorBody> {
        let now = SystemTime::now();
        if *verified.operation() != Operation::Sign {
            return Ok((job::wallet_of(verified), self.authority.wanted(verified, None, now)));
        }
        let job = Job::new(verified, &self.wallets, &self.peers, &self.config)?;
        let Job::Sign(sign) = &job else { return Ok((None, None)) };
        Ok((Some(sign.wallet.id.clone()), self.authority.wanted(verified, Some(sign), now)))
    }

    /// Looks again at what each request waits for: the policy may be another one than when this node was stopped.
    async fn review_waiting(&self) {
        for waiting in self.approvals.waiting() {
            let wanted = SignedRequest::decode(&waiting.request).map_err(|_| ()).and_then(|request| {
                let verified = self.authority.verify_past(&request, waiting.operation()).map_err(|_| ())?;
                self.wanted_as_known(&verified).map_err(|_| ())
            });
            match wanted {
                Ok((_, Some(wanted))) => self.approvals.wants(&waiting.key, wanted),
                Ok((_, None)) => {
                    if let Err(error) = self.approvals.over(&waiting.key, None).await {
                        tracing::warn!(%error, "a request that waits no more could not be removed");
                    }
                }
                // It is shown as it was: its client may ask again, and is told why not.
                Err(()) => {}
            }
        }
    }

    fn tell_all(&self, frame: &Frame) {
        let others = self.reachable().into_iter().filter(|node| *node != self.me);
        others.for_each(|node| self.send(&node, frame));
    }

    /// Tells peers, when they connect, what waits, what authorizers have said, and which changes of initiators they have approved, until
    /// the node stops.
    pub(crate) async fn tell_approvals(self: Arc<Self>) {
        let mut greeted: BTreeSet<Identity> = BTreeSet::new();
        let mut compared = Instant::now();
        self.write_changes().await;
        self.review_waiting().await;
        loop {
            // A frame that got lost must not keep a change from anybody, nor a rejection.
            if compared.elapsed() >= COMPARE_EVERY {
                compared = Instant::now();
                self.write_changes().await;
                for peer in &greeted {
                    self.tell_changes_kept(peer, true);
                    self.tell_words(peer, SystemTime::now() - COMPARE_EVERY.saturating_mul(2) - CLOCK_SKEW);
                }
            }
            let reachable: BTreeSet<_> =
                self.reachable().into_iter().filter(|node| *node != self.me).collect();
            for peer in reachable.difference(&greeted) {
                self.tell_changes_kept(peer, true);
                // First what must not be lost: what waits is told again when a client asks again.
                self.tell_words(peer, SystemTime::UNIX_EPOCH);
                for waiting in self.approvals.waiting() {
                    self.send(peer, &Frame::Waits(waiting.request.to_vec()));
                }
            }
            greeted = reachable;
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Tells a peer what authorizers have said since a time.
    fn tell_words(&self, to: &Identity, since: SystemTime) {
        for words in self.approvals.words_since(since).chunks(WORDS) {
            self.send(to, &Frame::Words(words.to_vec()));
        }
    }

    /// Takes a peer's word that a request waits: what the client signed is shown, as this node reads it.
    pub(super) async fn told_waiting(&self, from: &Identity, encoded: &[u8]) {
        let waited = async {
            let request = SignedRequest::decode(encoded).map_err(|error| error.to_string())?;
            let operation = request.operation().clone();
            let verified =
                self.authority.verify_past(&request, &operation).map_err(|error| error.to_string())?;
            if self
                .ledger
                .finished(verified.request_id(), &request.fingerprint())
                .is_ok_and(|known| known.is_some())
            {
                self.send(from, &Frame::WaitsNoMore(request.fingerprint()));
                return Ok(false);
            }
            if self.changes.get(&request.fingerprint()).is_some() {
                self.send(from, &Frame::WaitsNoMore(request.fingerprint()));
                return Ok(false);
            }
            self.wait(&verified, Some(*from)).await
        };
        if let Err(why) = waited.await {
            tracing::debug!(peer = %self.name(from), "says that a request waits: {why}");
        }
    }

    /// Takes words that a peer has heard.
    pub(super) fn told_words(self: &Arc<Self>, from: &Identity, words: &[Vec<u8>]) {
        for encoded in words.iter().take(WORDS) {
            if let Err(error) = self.read_word(encoded).and_then(|word| self.hear(word)) {
                self.unheard_of(from, &error);
            }
        }
    }

    /// Takes a peer's word that a request has its result: those whom this node has told that it waits hear it from this one.
    pub(super) async fn told_no_more(&self, from: &Identity, key: &Key) {
        match self.approvals.over(key, Some(from)).await {
            Ok(true) => self.tell_all(&Frame::WaitsNoMore(*key)),
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "a request that waits no more could not be removed"),
        }
    }
}
