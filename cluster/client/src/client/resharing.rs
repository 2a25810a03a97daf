//! Fresh shares of a wallet, for its holders or for other nodes.

use std::collections::BTreeSet;

use http::StatusCode;
use quorate_request::{Operation, RefreshRequest, ReshareRequest, ReshareResponse, RollbackRequest, paths};

use super::{Begun, Client, begun, first_other, fresh_id, to_json, typed};
use crate::error::ClientError;

impl Client {
    /// Has a wallet's shares dealt anew to the nodes that hold them. Without `session_id` the request gets a fresh one. The answer is held
    /// against the request; that the shares before are erased, nobody can verify.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn refresh(&self, mut request: RefreshRequest) -> Result<ReshareResponse, ClientError> {
        let id = request.session_id.get_or_insert_with(fresh_id).clone();
        let body = to_json(&request)?;
        let asked = named(request.into())?;
        let answer = self.post(paths::REFRESH, Operation::Refresh, id, body).await?;
        let made = typed(&answer)?;
        reshared(&asked, &made, answer.status)?;
        Ok(made)
    }

    /// Undoes a wallet's last resharing: it is reshared to those who held its shares before. Without `session_id` the request gets a fresh one.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn rollback(&self, mut request: RollbackRequest) -> Result<ReshareResponse, ClientError> {
        let id = request.session_id.get_or_insert_with(fresh_id).clone();
        let body = to_json(&request)?;
        let asked = named(request.into())?;
        let answer = self.post(paths::ROLLBACK, Operation::Rollback, id, body).await?;
        let made = typed(&answer)?;
        reshared(&asked, &made, answer.status)?;
        Ok(made)
    }

    /// Has a wallet's shares dealt anew, to other nodes or so that another number of them sign. Without `session_id` the request gets a
    /// fresh one. The answer is held against the request.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn reshare(&self, request: ReshareRequest) -> Result<ReshareResponse, ClientError> {
        let mut request = named(request)?;
        let id = request.session_id.get_or_insert_with(fresh_id).clone();
        let answer = self.post(paths::RESHARE, Operation::Reshare, id, to_json(&request)?).await?;
        let made = typed(&answer)?;
        reshared(&request, &made, answer.status)?;
        Ok(made)
    }

    /// Begins what [`Client::reshare`] does, and does not wait for it, as [`Client::begin_keygen`] does not.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn begin_reshare(
        &self,
        request: ReshareRequest,
    ) -> Result<Begun<ReshareResponse>, ClientError> {
        let mut request = named(request)?;
        let id = request.session_id.get_or_insert_with(fresh_id).clone();
        let target = paths::without_waiting(paths::RESHARE);
        let answer = self.post(&target, Operation::Reshare, id, to_json(&request)?).await?;
        let begun = begun(&answer)?;
        if let Begun::Completed(made) = &begun {
            reshared(&request, made, answer.status)?;
        }
        Ok(begun)
    }
}

/// Whether the request is one that a node would read: it must not cost a round trip to hear otherwise.
fn named(request: ReshareRequest) -> Result<ReshareRequest, ClientError> {
    request.wallet().map_err(|error| ClientError::InvalidRequest(error.to_string()))?;
    Ok(request)
}

/// Whether the wallet is shared as was asked for, as far as the request says.
fn reshared(request: &ReshareRequest, made: &ReshareResponse, status: StatusCode) -> Result<(), ClientError> {
    let parties: BTreeSet<_> = made.parties.iter().collect();
    let others =
        request.new_parties.as_ref().is_some_and(|asked| asked.iter().collect::<BTreeSet<_>>() != parties);
    let total = request.new_total.is_some_and(|total| usize::from(total) != parties.len());
    first_other(
        "resharing",
        status,
        &[
            ("session_id", request.session_id.as_ref().is_some_and(|id| *id != made.session_id)),
            ("wallet_id", request.wallet_id.as_ref().is_some_and(|id| *id != made.wallet_id)),
            ("public_key", request.public_key.as_ref().is_some_and(|key| *key != made.public_key)),
            ("threshold", request.new_threshold.is_some_and(|threshold| threshold != made.threshold)),
            ("parties", others || total || parties.len() != made.parties.len()),
            ("epoch", made.epoch == 0),
        ],
    )
}
