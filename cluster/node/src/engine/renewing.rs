//! Wallets whose shares are dealt anew: what hinders a node from taking part, and what follows from a new epoch.

use std::collections::BTreeMap;
use std::sync::Arc;

use quorate_keygen::Certificate;
use quorate_keys::Identity;
use quorate_request::{ErrorBody, ErrorCode, Phase, RequestStatus, ReshareResponse, Verified};
use quorate_reshare::Link;
use quorate_session::{Envelope, IdentityVerifier, Proposing};
use tokio::time::Instant;

use super::attempt::Answer;
use super::proposer::{Trouble, rank};
use super::run::Part;
use super::{Engine, lock};
use crate::barrier::Step;
use crate::frame::{Begun, Frame, Reason};
use crate::job::{Job, ReshareJob, aggregator};
use crate::protocols::Method;
use crate::wallets::{Epoch, Proof, Wallet, WalletError};

/// So often a party may refuse resharings of one epoch that this node has acknowledged.
const MOST_REFUSED: usize = 16;

fn superseded(message: &str) -> Reason {
    Reason::Refused { code: ErrorCode::Expired.as_str().into(), message: message.into() }
}

impl Engine {
    /// Chooses who deals: of holders that leave those that are up, in the order of the request.
    ///
    /// # Errors
    /// How many could deal, and how many must.
    fn appoint(&self, job: &mut ReshareJob, trouble: &Trouble) -> Result<(), (usize, usize)> {
        let reachable = self.reachable();
        let fit = |node: &Identity| {
            reachable.contains(node) && !self.is_excluded(node) && !trouble.has_refused(node)
        };
        let mut leaving: Vec<_> = job.holders().into_iter().filter(fit).collect();
        leaving.sort_by_key(|node| (trouble.strikes_of(node), rank(&job.occasion.id, node)));
        job.appoint(trouble.without_share(), leaving)
    }

    /// Sees to what must be there before a wallet's shares are dealt anew, and chooses who deals.
    ///
    /// # Errors
    /// What the client is told.
    pub(super) async fn prepare_renewing(
        self: &Arc<Self>,
        verified: Option<&Verified>,
        job: &mut ReshareJob,
        trouble: &Trouble,
        deadline: Instant,
    ) -> Result<(), ErrorBody> {
        let receives = job.receivers.contains(&self.me);
        if receives
            && job.wallet.method == Method::Cggmp21
            && self.auxiliaries.covering(&job.receivers).is_none()
        {
            if let Some(verified) = verified {
                self.progressed(verified, Phase::Auxiliary, 0, 1);
            }
            let made = self.auxiliary_for(&job.wallet, &job.receivers, deadline).await;
            made.map_err(|failed| self.failed(failed))?;
        }
        job.overtake(trouble.overtaking());
        self.appoint(job, trouble).map_err(|(found, fewest)| {
            let lost = self.names(trouble.without_share());
            let whose = if job.from_kept {
                "former holders must deal the shares that they kept"
            } else {
                "holders must deal their shares"
            };
            let mut message = format!("{fewest} of {} {whose}, and {found} can", job.old.committee.len());
            if !lost.is_empty() {
                message.push_str(&format!("; without a share: {}", lost.join(", ")));
            }
            ErrorBody::new(ErrorCode::NotEnoughSigners, message)
        })
    }

    /// Whether this node may take part in dealing a wallet's shares anew, and the wallet has not got them for just this request.
    ///
    /// # Errors
    /// Why not, or that it has.
    pub(super) fn check_renewing(&self, from: &Identity, job: &ReshareJob) -> Result<(), Reason> {
        let wallet = &job.wallet;
        if wallet.is_renewed_by(&job.occasion.id) {
            self.tell_epoch(from, wallet);
            return Err(Reason::Done(Box::new(None)));
        }
        let changes = self.wallets.changes(wallet, &job.occasion.id).map_err(|error| {
            tracing::error!(wallet = %wallet.id, %error, "what this node knows of its epochs can't be read");
            Reason::Unable("can't read its store; its log says why".into())
        })?;
        // Its approvals were for once, however often it is signed anew.
        if changes.has_been_made {
            return Err(superseded(
                "the wallet was reshared by this request before, and by another one since",
            ));
        }
        // Otherwise whoever keeps a request could undo by it what was asked for after it.
        if job.changes() && changes.last_ms.is_some_and(|last_ms| last_ms > job.occasion.asked_ms) {
            return Err(superseded(
                "the wallet was reshared by a later request; sign this one anew if it still holds",
            ));
        }
        self.check_refusers(job)?;
        if let Some(waiting) = self.wallets.waiting_renewal(&wallet.session())
            && waiting.agreement.epoch() >= job.epoch
        {
            self.inquire(&waiting.inquiry());
            let silent = self.unheard(&waiting).join(" or ");
            let why = format!(
                "has acknowledged another resharing of wallet {}, of which {silent} has yet to say what became",
                wallet.id
            );
            return Err(match waiting.begun() {
                Some(begun) => Reason::Locked { begun: Box::new(begun), why },
                None => Reason::Busy(why),
            });
        }
        // Otherwise a proposer could use up the numbers of epochs.
        let next = wallet.public.epoch.saturating_add(1);
        let is_next = |begun: &Begun| begun.epoch().saturating_add(1) == job.epoch;
        if job.epoch != next
            && !job.overtakes.as_ref().is_some_and(|begun| is_next(begun) && self.was_begun(wallet, begun))
        {
            let message = format!("epoch {} leaves out others, and nobody waits for them", job.epoch);
            return Err(Reason::Refused { code: ErrorCode::Aborted.as_str().into(), message });
        }
        let session = wallet.session();
        let is_same = |other: &Job| matches!(other, Job::Reshare(other) if other.wallet.session() == session);
        if lock(&self.taken).values().any(|part| part.is_live_by_another(from) && is_same(&part.job)) {
            return Err(Reason::Busy(format!("takes part in another resharing of wallet {}", wallet.id)));
        }
        // Otherwise the new committee could not sign at once.
        let receives = job.receivers.contains(&self.me);
        if receives && wallet.method == Method::Cggmp21 && self.auxiliaries.covering(&job.receivers).is_none()
        {
            self.demand.want_auxiliary(job.receivers.clone());
            return Err(Reason::Busy("waits for the auxiliary information of the new committee".into()));
        }
        Ok(())
    }

    /// Whether a resharing of the epoch that a wallet is at, or of kept shares of the one before, was begun by all its parties: so many of the holders
    /// that an honest one is among them, which saw to it that its epoch left out none without need.
    pub(super) fn was_begun(&self, wallet: &Wallet, begun: &Begun) -> bool {
        let Begun { proposal, setup, start } = begun;
        let is_known = if setup.from_kept {
            matches!(self.wallets.link(wallet), Ok(Some(link)) if link.setup.old == setup.old)
        } else {
            setup.old == wallet.public
        };
        is_known
            && setup.origin == wallet.session()
            && proposal.cluster == *self.authority.cluster().as_bytes()
            && start.shown(proposal, &IdentityVerifier).is_ok_and(|agreement| setup.is_sound(&agreement))
    }

    /// Whether none of the parties makes a habit of refusing resharings when all others have stored their shares: each of these is kept.
    fn check_refusers(&self, job: &ReshareJob) -> Result<(), Reason> {
        let mut times: BTreeMap<Identity, usize> = BTreeMap::new();
        for acknowledged in self.wallets.acknowledged_renewals(&job.wallet.session()) {
            let refusal = acknowledged.set_aside.as_ref();
            if let Some(author) = refusal.and_then(|refusal| refusal.author(&acknowledged.agreement)) {
                *times.entry(author).or_default() += 1;
            }
        }
        let parties = job.parties();
        match times.into_iter().find(|(node, times)| *times >= MOST_REFUSED && parties.contains(node)) {
            None => Ok(()),
            Some((node, times)) => {
                let why =
                    format!("which has refused {times} resharings of wallet {} at their end", job.wallet.id);
                Err(Reason::NotWith { node, why })
            }
        }
    }

    /// The other node goes by another epoch of a wallet than this one.
    pub(super) fn at_another_epoch(&self, from: &Identity, wallet: &Wallet, theirs: u64) -> Reason {
        if theirs < wallet.public.epoch {
            self.tell_epoch(from, wallet);
        }
        Reason::OtherEpoch { epoch: wallet.public.epoch }
    }

    /// Every party has acknowledged: goes by the new shares, and shows the proof to whoever may lack it.
    pub(super) async fn finish_renewing(
        self: &Arc<Self>,
        part: &Part,
        acknowledgements: &[Arc<Envelope>],
    ) -> Result<(), String> {
        let agreement = part.context.agreement();
        let certificate =
            Certificate::new(agreement.clone(), acknowledgements).map_err(|error| error.to_string())?;
        // Unless another party was faster and has told this node.
        if let Some(waiting) = self.wallets.waiting_of(&part.session())
            && let Proof::Renewed(link) = waiting.proof(certificate)
        {
            let epoch =
                self.wallets.renew(Link::clone(&link), &self.me).await.map_err(|error| error.to_string())?;
            self.epoch_begun(epoch).await;
            let speaks = aggregator(agreement.committee(), &agreement.proposal().proposer);
            if speaks == Some(part.context.me()) {
                self.send_all(&Frame::Renewed(link));
            }
        }
        self.barrier.reached("reshare", Step::Settled);
        let wallet = self.wallets.of_generation(&part.session()).ok_or("a later epoch is there already")?;
        self.answer_by_digest(self.me, part.digest, Answer::Active(wallet));
        Ok(())
    }

    /// Takes proof of a wallet's epoch.
    pub(super) async fn renewed(self: &Arc<Self>, from: Identity, link: Link) {
        let (session, origin) = (link.session(), link.setup.origin);
        let agreement = link.certificate.agreement();
        let proposal = Proposing::new(agreement.proposal()).map(|proposing| *proposing.digest());
        let Ok(proposal) = proposal else { return };
        let Some(wallet) = self.wallets.of_session(&origin) else {
            return tracing::debug!(peer = %self.name(&from), wallet = %origin, "was told the epoch of an unknown wallet");
        };
        if wallet.generation() == session {
            return self.answer_by_digest(from, proposal, Answer::Active(wallet));
        }
        let holders = &link.public.committee;
        let known = holders.members().iter();
        let known = known.filter(|member| self.peers.by_identity(&member.identity).is_some()).count();
        // Others may have left the cluster since, and are yet to leave the wallet. So many can't all be corrupted.
        let ours = agreement.proposal().cluster == *self.authority.cluster().as_bytes()
            && known >= holders.threshold().count();
        if !ours {
            return tracing::warn!(peer = %self.name(&from), wallet = %wallet.id, "refused an epoch of whose holders too few are in the peers file");
        }
        match self.wallets.renew(link, &self.me).await {
            Ok(epoch) => {
                self.epoch_begun(epoch).await;
                if let Some(wallet) = self.wallets.of_generation(&session) {
                    self.answer_by_digest(from, proposal, Answer::Active(wallet));
                }
            }
            Err(error @ WalletError::Store(_)) => {
                tracing::error!(%session, %error, "this node could not keep an epoch that others have certified");
                lock(&self.doubts).found(&session);
                self.answer_by_digest(from, proposal, Answer::NotKept(session, error.to_string()));
            }
            Err(error) => tracing::warn!(peer = %self.name(&from), %error, "refused a wallet's epoch"),
        }
    }

    /// What follows from a wallet's new epoch: nothing that was made for the shares before is used any more.
    async fn epoch_begun(self: &Arc<Self>, Epoch { wallet, before, contradiction }: Epoch) {
        if let Some(evidence) = contradiction {
            self.accused(self.me, evidence).await;
        }
        let Some(before) = before else { return };
        lock(&self.doubts).gathered.retain(|session, _| self.wallets.waiting_of(session).is_some());
        self.presignatures.retain(|origin| origin.wallet != before);
        self.demand.has_pairs(&before);
        self.want_pairs(&wallet);
        if let Err(error) = self.pairings.erase_all(before).await {
            tracing::warn!(wallet = %wallet.id, %error, "what was made for its earlier shares could not be erased");
        }
        let holders = wallet.public.committee.members().iter().map(|member| &member.identity);
        self.audit.epoch(&wallet, &self.names(holders));
    }

    /// The client's answer.
    pub(super) fn reshare_response(&self, verified: &Verified, wallet: &Wallet) -> ReshareResponse {
        let committee = &wallet.public.committee;
        ReshareResponse {
            session_id: verified.request_id().clone(),
            wallet_id: wallet.id.clone(),
            public_key: wallet.public_key.as_bytes().to_vec().into(),
            status: RequestStatus::Completed,
            epoch: wallet.public.epoch,
            threshold: committee.threshold().get(),
            parties: self.names(committee.members().iter().map(|member| &member.identity)),
        }
    }
}
