//! What clients ask to have made ahead: presignatures, new auxiliary information, and new pairs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use quorate_keys::Identity;
use quorate_request::{
    AuxiliaryRequest, AuxiliaryResponse, ErrorBody, ErrorCode, Operation, Phase, PresignRequest,
    PresignResponse, Progress, RequestStatus, SessionResult, Verified,
};
use tokio::time::Instant;

use super::Engine;
use super::attempt::Attempted;
use crate::frame::{Reason, Sought};
use crate::job;
use crate::ledger::Ending;
use crate::protocols::{self, Method};
use crate::wallets::Wallet;

/// What a request may take, whatever it asks for.
const LEAST_TIME: Duration = Duration::from_secs(600);
/// What it may take for each presignature beyond.
const EACH: Duration = Duration::from_secs(10);

fn refuse(code: ErrorCode, message: impl Into<String>) -> ErrorBody {
    ErrorBody::new(code, message)
}

/// What a client asks to have made anew.
#[derive(Debug)]
pub(super) enum Anew {
    /// The auxiliary information of these nodes.
    Auxiliary(BTreeSet<Identity>),
    /// The pairs of a wallet's holders.
    Pairs(Arc<Wallet>),
}

impl Anew {
    /// Who makes it.
    fn parties(&self) -> BTreeSet<Identity> {
        match self {
            Self::Auxiliary(parties) => parties.clone(),
            Self::Pairs(wallet) => wallet.holders(),
        }
    }

    const fn wallet(&self) -> Option<&Arc<Wallet>> {
        match self {
            Self::Auxiliary(_) => None,
            Self::Pairs(wallet) => Some(wallet),
        }
    }
}

impl Engine {
    /// Shows how far a request has come.
    pub(super) fn progressed(&self, verified: &Verified, phase: Phase, done: usize, total: usize) {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let progress = Progress { phase, done: count(done), total: count(total) };
        self.ledger.update(verified.request_id(), |view| view.progress = Some(progress));
    }

    /// Makes presignatures for a client, all of the same signers.
    ///
    /// # Errors
    /// What the client is told.
    pub(super) async fn presign_for(self: &Arc<Self>, verified: &Verified) -> Ending {
        let body: PresignRequest =
            verified.body().map_err(|error| refuse(error.code(), error.to_string()))?;
        let reference = body.wallet().map_err(|error| refuse(error.code(), error.to_string()))?;
        let count = usize::from(body.count().map_err(|error| refuse(error.code(), error.to_string()))?);
        if self.wallets.find(reference)?.is_none() {
            self.seek(&Sought::of(reference)).await;
        }
        let wallet = self
            .wallets
            .find(reference)?
            .ok_or_else(|| refuse(ErrorCode::UnknownWallet, "this node knows no such wallet"))?;
        self.authority.check_scope(verified, Some(&wallet.id))?;
        if protocols::presigning(wallet.scheme, wallet.method).is_none() {
            let message = format!("a wallet that signs by {} needs no presignatures", wallet.method.name());
            return Err(refuse(ErrorCode::UnsupportedProtocol, message));
        }
        self.ledger.update(verified.request_id(), |view| view.wallet_id = Some(wallet.id.clone()));
        let session = wallet.generation();
        let kept = self.presignatures.kept_for(&self.me, &session);
        let most = self.config.max_presignatures;
        if kept.saturating_add(count) > most {
            let message =
                format!("this node has {kept} presignatures of this wallet, and keeps {most} at most");
            return Err(refuse(ErrorCode::MalformedRequest, message));
        }
        let named =
            body.signers.as_deref().map(|names| job::signers(names, &wallet, &self.peers)).transpose()?;
        let deadline = Instant::now() + LEAST_TIME.saturating_add(EACH.saturating_mul(body.count.into()));
        let _place = self.provisions.take(deadline).await.map_err(|why| {
            refuse(ErrorCode::TooManySessions, format!("of requests to make something ahead, {why}"))
        })?;
        let up: BTreeSet<_> = self.reachable().into_iter().collect();
        let committee = &wallet.public.committee;
        let signers = match named {
            Some(named) => {
                let members = named.iter().filter_map(|index| committee.member(*index));
                Some(members.map(|member| member.identity).collect())
            }
            None => self.some_signers(&wallet, &up),
        };
        let signers = signers.filter(|signers| self.are_fit(signers, &up)).ok_or_else(|| {
            let message = format!("{} signers are needed, and they are not up", committee.threshold());
            refuse(ErrorCode::NotEnoughSigners, message)
        })?;
        if self.auxiliaries.covering(&signers).is_none() {
            self.progressed(verified, Phase::Auxiliary, 0, 1);
            self.auxiliary_for(&wallet, &signers, deadline).await.map_err(|failed| self.failed(failed))?;
        }
        self.ledger.update(verified.request_id(), |view| view.committee = self.names(&signers));
        let mut made = 0;
        while made < count {
            self.progressed(verified, Phase::Presigning, made, count);
            match self.presign(&wallet, &signers, count - made, false, deadline).await {
                Ok(more) => made = made.saturating_add(more),
                Err(failed) => {
                    let mut error = self.failed(failed);
                    error.message = format!("{made} of {count} presignatures were made: {}", error.message);
                    return Err(error);
                }
            }
        }
        let available = self.ready_presignatures(&session);
        let result = SessionResult::Presign(PresignResponse {
            session_id: verified.request_id().clone(),
            wallet_id: wallet.id.clone(),
            status: RequestStatus::Completed,
            signers: self.names(&signers),
            made: body.count,
            available,
        });
        self.ledger.settle(verified, &result).await?;
        Ok(result)
    }

    /// How many presignatures of a wallet this node may use now.
    pub(crate) fn ready_presignatures(&self, wallet: &quorate_session::SessionId) -> u32 {
        let up: BTreeSet<_> = self.reachable().into_iter().collect();
        let ready = self.presignatures.ready(&self.me, wallet, |signers| self.are_fit(signers, &up));
        u32::try_from(ready).unwrap_or(u32::MAX)
    }

    /// Makes new auxiliary information, or new pairs, for a client.
    ///
    /// # Errors
    /// What the client is told.
    pub(super) async fn anew_for(self: &Arc<Self>, verified: &Verified) -> Ending {
        let anew = match self.wanted_anew(verified) {
            Err(error) if error.code == ErrorCode::UnknownWallet => {
                let body: Option<AuxiliaryRequest> = verified.body().ok();
                if let Some(reference) = body.as_ref().and_then(|body| body.wallet().ok().flatten()) {
                    self.seek(&Sought::of(reference)).await;
                }
                self.wanted_anew(verified)?
            }
            anew => anew?,
        };
        let parties = anew.parties();
        if !parties.contains(&self.me) {
            return Err(match &anew {
                Anew::Auxiliary(_) => {
                    let message = "this node has no part in it: ask one of the parties";
                    refuse(ErrorCode::InvalidParties, message)
                }
                // Another one is asked then.
                Anew::Pairs(wallet) => {
                    let message =
                        format!("this node holds no share of wallet {}: ask one that does", wallet.id);
                    refuse(ErrorCode::NotReady, message)
                }
            });
        }
        let deadline = Instant::now() + LEAST_TIME;
        let _place = self.provisions.take(deadline).await.map_err(|why| {
            refuse(ErrorCode::TooManySessions, format!("of requests to make something ahead, {why}"))
        })?;
        let up: BTreeSet<_> = self.reachable().into_iter().collect();
        if !self.are_fit(&parties, &up) {
            let unfit = parties.iter().filter(|party| !up.contains(party) || self.is_excluded(party));
            let message =
                format!("every party must take part; not up, or convicted: {}", self.names(unfit).join(", "));
            return Err(refuse(ErrorCode::NotEnoughSigners, message));
        }
        self.progressed(verified, Phase::Auxiliary, 0, 1);
        let wallet_id = anew.wallet().map(|wallet| wallet.id.clone());
        self.ledger.update(verified.request_id(), |view| {
            view.committee = self.names(&parties);
            view.wallet_id.clone_from(&wallet_id);
        });
        let made = match &anew {
            Anew::Auxiliary(parties) => {
                let request = (verified.request().encode(), verified.request().digest());
                let known = self.make_auxiliary(parties, Some(request), deadline).await;
                known.map(|known| (known.public.epoch, known.public.digest()))
            }
            Anew::Pairs(wallet) => {
                let made = self.make_pairs(wallet, &parties, Some(verified), deadline).await;
                made.map(|made| {
                    (self.pairings.number(&wallet.generation(), &made).unwrap_or_default(), *made.as_bytes())
                })
            }
        };
        let (epoch, digest) = made.map_err(|failed| self.failed(failed))?;
        let result = SessionResult::Auxiliary(AuxiliaryResponse {
            session_id: verified.request_id().clone(),
            status: RequestStatus::Completed,
            wallet_id,
            parties: self.names(&parties),
            epoch,
            digest: digest.into(),
        });
        self.ledger.settle(verified, &result).await?;
        Ok(result)
    }

    /// What a client asks to have made anew, and may.
    ///
    /// # Errors
    /// What is wrong with the request.
    pub(super) fn wanted_anew(&self, verified: &Verified) -> Result<Anew, ErrorBody> {
        let anew = self.named_anew(verified)?;
        self.authority.check_scope(verified, anew.wallet().map(|wallet| &wallet.id))?;
        Ok(anew)
    }

    fn named_anew(&self, verified: &Verified) -> Result<Anew, ErrorBody> {
        if *verified.operation() != Operation::Auxiliary {
            return Err(refuse(ErrorCode::OtherOperation, "the request is for something else"));
        }
        let body: AuxiliaryRequest =
            verified.body().map_err(|error| refuse(error.code(), error.to_string()))?;
        let reference = body.wallet().map_err(|error| refuse(error.code(), error.to_string()))?;
        match (reference, &body.parties) {
            (None, None) => Ok(Anew::Auxiliary(self.in_good_standing())),
            (None, Some(names)) => self.named(names).map(Anew::Auxiliary),
            (Some(reference), None) => {
                let wallet = self.wallets.find(reference)?;
                let wallet = wallet
                    .ok_or_else(|| refuse(ErrorCode::UnknownWallet, "this node knows no such wallet"))?;
                if wallet.method != Method::Dkls23 {
                    let message = format!(
                        "a wallet that signs by {} has no pairs; what nodes need for cggmp21 is theirs, not a wallet's",
                        wallet.method.name()
                    );
                    return Err(refuse(ErrorCode::UnsupportedProtocol, message));
                }
                Ok(Anew::Pairs(wallet))
            }
            (Some(_), Some(_)) => {
                let message =
                    "a wallet's pairs are made by all its holders: leave out parties, or the wallet";
                Err(refuse(ErrorCode::InvalidParties, message))
            }
        }
    }

    /// The nodes that a client names to make auxiliary information.
    fn named(&self, names: &[String]) -> Result<BTreeSet<Identity>, ErrorBody> {
        let parties = self.peers.identities(names).map_err(|name| {
            refuse(ErrorCode::InvalidParties, format!("there is no node {name} in this cluster"))
        })?;
        let distinct: BTreeSet<_> = parties.iter().copied().collect();
        if distinct.len() < 2 || distinct.len() != parties.len() {
            let message = "auxiliary information is made by two different nodes or more";
            return Err(refuse(ErrorCode::InvalidParties, message));
        }
        Ok(distinct)
    }

    /// How something failed that is made ahead, as a client is told.
    pub(super) fn failed(&self, failed: Attempted) -> ErrorBody {
        let names = |nodes: &BTreeSet<Identity>| self.names(nodes).join(", ");
        let missing = |message: String| refuse(ErrorCode::NotEnoughSigners, message);
        match failed {
            Attempted::Cheated(nodes, why) => {
                refuse(ErrorCode::Aborted, why).with_culprits(self.names(&nodes))
            }
            Attempted::Absent(nodes, why) => missing(format!("{}: {why}", names(&nodes))),
            Attempted::Doubtful(nodes, why) => missing(format!("one of {}: {why}", names(&nodes))),
            Attempted::Refused(node, reason @ (Reason::Refused { .. } | Reason::Unable(_))) => {
                refuse(ErrorCode::Aborted, format!("node {} refuses: {reason}", self.name(&node)))
            }
            Attempted::Refused(node, reason) => missing(format!("node {}: {reason}", self.name(&node))),
            Attempted::Busy(_, why)
            | Attempted::Locked(_, _, why)
            | Attempted::Apart(_, why)
            | Attempted::Waits(_, why) => missing(why),
            Attempted::SteppedBack(node, why) => missing(format!("node {}: {why}", self.name(&node))),
            Attempted::NotReady(why) | Attempted::NotKept(why) => refuse(ErrorCode::NotReady, why),
            Attempted::Again(why) | Attempted::Unresolved(why) => missing(why),
            Attempted::InDoubt(ended) => self.failed(*ended),
            Attempted::Signed(_)
            | Attempted::Active(_)
            | Attempted::Presigned(_)
            | Attempted::Provided(_) => refuse(ErrorCode::Internal, "something else was made"),
        }
    }
}
