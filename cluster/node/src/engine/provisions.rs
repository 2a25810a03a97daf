//! What clients ask to have made ahead: presignatures, and new auxiliary information.

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
use crate::protocols;

/// What a request may take, whatever it asks for.
const LEAST_TIME: Duration = Duration::from_secs(600);
/// What it may take for each presignature beyond.
const EACH: Duration = Duration::from_secs(10);

fn refuse(code: ErrorCode, message: impl Into<String>) -> ErrorBody {
    ErrorBody::new(code, message)
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
        if protocols::presigning(wallet.scheme, wallet.method).is_none() {
            let message = format!("a wallet that signs by {} needs no presignatures", wallet.method.name());
            return Err(refuse(ErrorCode::UnsupportedProtocol, message));
        }
        self.ledger.update(verified.request_id(), |view| view.wallet_id = Some(wallet.id.clone()));
        let session = wallet.session();
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
        let committee = &wallet.record.public.committee;
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

    /// Makes new auxiliary information for a client.
    ///
    /// # Errors
    /// What the client is told.
    pub(super) async fn auxiliary_for_client(self: &Arc<Self>, verified: &Verified) -> Ending {
        let parties = self.parties_of(verified)?;
        if !parties.contains(&self.me) {
            let message = "this node has no part in it: ask one of the parties";
            return Err(refuse(ErrorCode::InvalidParties, message));
        }
        let deadline = Instant::now() + LEAST_TIME;
        let _place = self.provisions.take(deadline).await.map_err(|why| {
            refuse(ErrorCode::TooManySessions, format!("of requests to make something ahead, {why}"))
        })?;
        let up: BTreeSet<_> = self.reachable().into_iter().collect();
        if !self.are_fit(&parties, &up) {
            let down = self.names(parties.difference(&up)).join(", ");
            let message = format!("every party must take part; not up, or convicted: {down}");
            return Err(refuse(ErrorCode::NotEnoughSigners, message));
        }
        self.progressed(verified, Phase::Auxiliary, 0, 1);
        self.ledger.update(verified.request_id(), |view| view.committee = self.names(&parties));
        let request = (verified.request().encode(), verified.request().digest());
        let known = self
            .make_auxiliary(&parties, Some(request), deadline)
            .await
            .map_err(|failed| self.failed(failed))?;
        let result = SessionResult::Auxiliary(AuxiliaryResponse {
            session_id: verified.request_id().clone(),
            status: RequestStatus::Completed,
            parties: self.names(&parties),
            epoch: known.public.epoch,
            digest: known.public.digest().into(),
        });
        self.ledger.settle(verified, &result).await?;
        Ok(result)
    }

    /// The nodes for which a client asks for new auxiliary information.
    ///
    /// # Errors
    /// What is wrong with the request.
    pub(super) fn parties_of(&self, verified: &Verified) -> Result<BTreeSet<Identity>, ErrorBody> {
        if *verified.operation() != Operation::Auxiliary {
            return Err(refuse(ErrorCode::OtherOperation, "the request is for something else"));
        }
        let body: AuxiliaryRequest =
            verified.body().map_err(|error| refuse(error.code(), error.to_string()))?;
        let Some(names) = &body.parties else { return Ok(self.in_good_standing()) };
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
            Attempted::Busy(_, why) | Attempted::Apart(_, why) => missing(why),
            Attempted::SteppedBack(node, why) => missing(format!("node {}: {why}", self.name(&node))),
            Attempted::NotReady(why) | Attempted::NotKept(why) => refuse(ErrorCode::NotReady, why),
            Attempted::Again(why) | Attempted::Unresolved(why) => missing(why),
            Attempted::Signed(_)
            | Attempted::Active(_)
            | Attempted::Presigned(_)
            | Attempted::Provided(_) => refuse(ErrorCode::Internal, "something else was made"),
        }
    }
}
