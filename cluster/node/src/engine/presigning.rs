//! Presignatures at their owner: claimed for a request, made when there are none, compared with the signers.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use quorate_cggmp21::presign::PresignSetup;
use quorate_cggmp21::{PresignatureId, Presignatures, PublicPresignature};
use quorate_keys::{Identity, Secret};
use quorate_session::Wire;
use rand_core::OsRng;
use tokio::time::{Instant, timeout_at};

use super::attempt::{Answer, Attempted};
use super::member::{Promise, refused};
use super::proposer::Trouble;
use super::run::Part;
use super::{Engine, lock};
use crate::cause::{Cause, NewPresignatures, Provision, Upkeep};
use crate::frame::{Frame, Invite, Reason};
use crate::job::{Job, PresignJob, SignJob, aggregator};
use crate::presignatures::{Claim, Half, Reservation, Unpromised};
use crate::wallets::Wallet;

/// How long a signer may be busy before others are asked: when a client waits, and when nobody does.
const URGENT_PATIENCE: Duration = Duration::from_millis(500);
const BACKGROUND_PATIENCE: Duration = Duration::from_secs(5);
/// Presignatures made in one session: if it fails, so many are lost.
const AT_ONCE: usize = 8;
/// More than this are not compared: they would not fit into a frame.
const COMPARED: usize = 30_000;
/// How often, and after how long, to look for presignatures that are about to be ready.
const MOMENTS: u32 = 200;
const MOMENT: Duration = Duration::from_millis(5);

impl Engine {
    /// Claims presignatures for a request: of signers that are up, that it allows, and that have made least trouble.
    pub(super) fn claim(&self, job: &SignJob, trouble: &Trouble) -> Option<Claim> {
        if !job.is_presigned() {
            return None;
        }
        let up: BTreeSet<_> = self.reachable().into_iter().collect();
        let committee = &job.wallet.public.committee;
        let named = job.signers.as_ref().map(|named| {
            let members = named.iter().filter_map(|index| committee.member(*index));
            members.map(|member| member.identity).collect::<BTreeSet<_>>()
        });
        let cost = |signers: &BTreeSet<Identity>| {
            let fit = self.are_fit(signers, &up)
                && named.as_ref().is_none_or(|named| named == signers)
                && !signers.iter().any(|signer| trouble.has_refused(signer));
            let strikes = |signer| trouble.strikes_of(signer) + u32::from(self.demand.is_shunned(signer));
            fit.then(|| signers.iter().map(strikes).sum())
        };
        self.presignatures.claim(&self.me, &job.wallet.generation(), job.tasks.len(), cost)
    }

    /// Whether all of these can sign now.
    pub(super) fn are_fit(&self, signers: &BTreeSet<Identity>, up: &BTreeSet<Identity>) -> bool {
        signers.is_subset(up) && !signers.iter().any(|signer| self.is_excluded(signer))
    }

    /// The presignatures that an attempt of a request uses up, made now if there are none.
    ///
    /// # Errors
    /// How the attempt has failed before it began.
    pub(super) async fn presigned(
        self: &Arc<Self>,
        job: &Job,
        chosen: &BTreeSet<Identity>,
        claim: Option<Claim>,
        deadline: Instant,
    ) -> Result<Option<Claim>, Attempted> {
        let Job::Sign(sign) = job else { return Ok(None) };
        if claim.is_some() || !sign.is_presigned() {
            return Ok(claim);
        }
        let (wallet, needed) = (sign.wallet.generation(), sign.tasks.len());
        let of_these = |signers: &BTreeSet<Identity>| (signers == chosen).then_some(0);
        let claim = || self.presignatures.claim(&self.me, &wallet, needed, of_these);
        let late = || {
            Attempted::NotReady("there are no presignatures, and as many are being made as allowed".into())
        };
        // Others that wait may have left some over meanwhile.
        let Ok(Ok(_place)) = timeout_at(deadline, self.demand.urgent.acquire()).await else {
            return Err(late());
        };
        loop {
            if let Some(claim) = claim() {
                return Ok(Some(claim));
            }
            let ready = self.presignatures.ready(&self.me, &wallet, |signers| signers == chosen);
            let count = needed.saturating_sub(ready).max(1);
            self.presign(&sign.wallet, chosen, count, true, deadline).await?;
        }
    }

    /// Has presignatures made by these signers, in one session: as many as asked for, or as one session makes. Gives how many.
    ///
    /// # Errors
    /// How it failed.
    pub(super) async fn presign(
        self: &Arc<Self>,
        wallet: &Arc<Wallet>,
        signers: &BTreeSet<Identity>,
        count: usize,
        urgent: bool,
        deadline: Instant,
    ) -> Result<usize, Attempted> {
        let count = count.min(PresignSetup::limit(signers.len())).min(AT_ONCE);
        let patience = if urgent { URGENT_PATIENCE } else { BACKGROUND_PATIENCE };
        let mut again = true;
        let (origin, publics) = loop {
            let auxiliary = self.auxiliary_for(wallet, signers, deadline).await?;
            let new = NewPresignatures {
                wallet: wallet.generation(),
                signers: signers.clone(),
                auxiliary: auxiliary.session,
                count: u16::try_from(count).unwrap_or(1),
                urgent,
            };
            // Replaced since.
            let refused = |reason: Reason| Attempted::Again(reason.to_string());
            let job = PresignJob::new(&new, self.me, &self.wallets, &self.auxiliaries).map_err(refused)?;
            let origin = Arc::clone(&job.origin);
            let upkeep = Upkeep::new(&self.me, Provision::Presignatures(new), &mut OsRng);
            let (cause, job) = (Cause::Upkeep(Box::new(upkeep)), Job::Presign(Box::new(job)));
            match self.provide(&cause, &job, signers, patience, deadline).await {
                Attempted::Presigned(publics) => break (origin, publics),
                // This node has what the signer uses, too: it has not heard that all have stored it, or has heard it only now.
                Attempted::Refused(_, Reason::Replaced { session })
                    if again && self.auxiliaries.find(&session).is_some() =>
                {
                    again = false;
                    if self.auxiliaries.is_pending(&session) {
                        let activated = self.auxiliaries.activate(session).await;
                        activated.map_err(|error| Attempted::Again(error.to_string()))?;
                    }
                }
                failed => return Err(failed),
            }
        };
        if !signers.contains(&self.me) {
            let is_of_these = |public: &PublicPresignature| {
                let members = wallet.public.committee.members().iter();
                let signing = members.filter(|member| signers.contains(&member.identity));
                public.signers().eq(signing.map(|member| member.index))
            };
            let distinct: BTreeSet<_> = publics.iter().map(|public| public.id).collect();
            if distinct.len() != count || publics.len() != count || !publics.iter().all(is_of_these) {
                let why = "a signer told of other presignatures than were asked for";
                return Err(Attempted::Doubtful(signers.clone(), why.into()));
            }
            self.presignatures.add(&origin, publics.into_iter().map(Half::Owner));
        }
        Ok(count)
    }

    /// Keeps the presignatures for their owner; one of the signers tells an owner that is none.
    pub(super) fn finish_presigning(
        &self,
        part: &Part,
        job: &PresignJob,
        output: &Secret<Vec<u8>>,
    ) -> Result<(), String> {
        let Presignatures(made) =
            Presignatures::from_wire(output.expose()).map_err(|error| error.to_string())?;
        let publics: Vec<_> = made.iter().map(|presignature| presignature.public().clone()).collect();
        // Replaced while they were made.
        if self.auxiliaries.find(&job.origin.auxiliary).is_none() {
            return Err("the auxiliary information has been replaced".into());
        }
        self.presignatures.add(&job.origin, made.into_iter().map(Half::Signer));
        let agreement = part.context.agreement();
        let owner = agreement.proposal().proposer;
        if owner == self.me {
            self.answer_by_request(self.me, part.cause.id(), Answer::Presigned(publics));
        } else if agreement.committee().index_of(&owner).is_none()
            && aggregator(agreement.committee(), &owner) == Some(part.context.me())
        {
            self.send(&owner, &Frame::Presigned { proposal: part.digest, publics });
        }
        Ok(())
    }

    /// Whether the owner of new presignatures has not filled its part of this node's pool.
    pub(super) fn check_room(&self, owner: &Identity, job: &PresignJob) -> Result<(), Reason> {
        let kept = self.presignatures.kept_for(owner, &job.origin.wallet);
        let most = self.config.max_presignatures;
        if kept.saturating_add(job.count.into()) > most {
            return Err(Reason::Unable(format!(
                "keeps {kept} presignatures of this wallet already, at most {most}"
            )));
        }
        Ok(())
    }

    /// Sets the presignatures aside that a signature uses up.
    pub(super) fn reserve(
        &self,
        owner: Identity,
        invite: &Invite,
        job: &Job,
    ) -> Result<Option<Reservation>, Reason> {
        let ids = &invite.presignatures;
        if ids.len() != job.presignatures() {
            let message = format!("{} presignatures for {} signatures", ids.len(), job.presignatures());
            return Err(refused("aborted", message));
        }
        let Job::Sign(sign) = job else { return Ok(None) };
        if ids.is_empty() {
            return Ok(None);
        }
        let wallet = sign.wallet.generation();
        let members = invite.proposal.proposal.committee.members();
        let signers = members.iter().map(|member| member.identity).collect();
        let mut reserved = self.presignatures.reserve(&owner, &wallet, &signers, ids);
        if matches!(reserved, Err(Unpromised::Reserved)) {
            // The owner uses them for something else now: the word that the earlier proposal is void may be behind this one.
            self.void_promises(&owner, ids);
            reserved = self.presignatures.reserve(&owner, &wallet, &signers, ids);
        }
        match reserved {
            Ok(reservation) => Ok(Some(reservation)),
            Err(Unpromised::Lacking(ids)) => Err(Reason::Lacking(ids)),
            Err(Unpromised::Reserved) => Err(Reason::Busy("has promised the presignatures already".into())),
            Err(Unpromised::Foreign) => Err(refused("aborted", "the presignatures are not for this".into())),
        }
    }

    /// Takes back promises to an owner to sign with any of these presignatures. None of them has started.
    fn void_promises(&self, owner: &Identity, ids: &[PresignatureId]) {
        let holds = |promise: &Promise| {
            let reserved = promise.reserved.as_ref();
            promise.accepted.proposal().proposer == *owner
                && reserved.is_some_and(|reserved| reserved.has_any(ids))
        };
        let held = lock(&self.promises);
        let void: Vec<_> =
            held.iter().filter(|(_, promise)| holds(promise)).map(|(proposal, _)| *proposal).collect();
        drop(held);
        for proposal in void {
            self.withdrawn(*owner, &proposal);
        }
    }

    /// Waits for presignatures that are being made: the owner's session may have ended a moment before this node's.
    pub(super) async fn await_presignatures(&self, owner: &Identity, ids: &[PresignatureId]) {
        for _ in 0..MOMENTS {
            if ids.is_empty() || self.presignatures.has_all(ids) {
                return;
            }
            let is_presigning = self.is_presigning_for(owner);
            // A moment longer than the session: it ends before what it has made is in the pool.
            tokio::time::sleep(MOMENT).await;
            if !is_presigning {
                return;
            }
        }
    }

    fn is_presigning_for(&self, owner: &Identity) -> bool {
        let makes = |job: &Job| matches!(job, Job::Presign(job) if job.origin.owner == *owner);
        lock(&self.taken).values().any(|part| part.live && makes(&part.job))
    }

    /// Tells a peer which presignatures of this node it must have halves of.
    pub(super) fn tell_presignatures(&self, peer: &Identity) {
        let shared = self.presignatures.shared_with(&self.me, peer);
        if shared.len() <= COMPARED {
            self.send(peer, &Frame::Presignatures(shared));
        }
    }

    /// Takes an owner's word on its presignatures: drops those that it does not have any more.
    pub(super) fn told_presignatures(&self, from: &Identity, theirs: &[PresignatureId]) {
        let lacking = self.presignatures.compare(from, theirs);
        if !lacking.is_empty() {
            self.send(from, &Frame::LacksPresignatures(lacking));
        }
    }

    /// Takes a signer's word that it has no halves of these.
    pub(super) fn lacks_presignatures(&self, from: &Identity, ids: &[PresignatureId]) {
        let dropped = self.presignatures.lacking(&self.me, from, ids);
        if dropped > 0 {
            tracing::info!(peer = %self.name(from), dropped, "dropped presignatures of which a signer has no halves");
        }
    }
}
