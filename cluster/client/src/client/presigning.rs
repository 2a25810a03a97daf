//! What wallets that sign with presignatures need ahead: presignatures, and the auxiliary information that those need.

use std::collections::BTreeSet;

use http::StatusCode;
use quorate_request::{
    AuxiliaryRequest, AuxiliaryResponse, Operation, PresignRequest, PresignResponse, paths,
};

use super::{Begun, Client, begun, first_other, fresh_id, to_json, typed};
use crate::error::ClientError;

impl Client {
    /// Has presignatures of a wallet made. Without `session_id` the request gets a fresh one. They are used by the node that
    /// answers: ask it for the signatures, too. The answer is held against the request; that there are any, nobody can verify.
    ///
    /// This takes seconds for each, and is waited for as long as [`RetryPolicy::long_work_timeout`] says;
    /// [`Client::begin_presign`] and [`Client::watch`] tell how far it is.
    ///
    /// [`RetryPolicy::long_work_timeout`]: crate::RetryPolicy::long_work_timeout
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn presign(&self, mut request: PresignRequest) -> Result<PresignResponse, ClientError> {
        countable(&request)?;
        let id = request.session_id.get_or_insert_with(fresh_id).clone();
        let answer = self.post(paths::PRESIGN, Operation::Presign, id, to_json(&request)?).await?;
        let made = typed(&answer)?;
        presigned(&request, &made, answer.status)?;
        Ok(made)
    }

    /// Has presignatures of a wallet made, and does not wait for them, as [`Client::begin_keygen`] does not.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn begin_presign(
        &self,
        mut request: PresignRequest,
    ) -> Result<Begun<PresignResponse>, ClientError> {
        countable(&request)?;
        let id = request.session_id.get_or_insert_with(fresh_id).clone();
        let target = paths::without_waiting(paths::PRESIGN);
        let answer = self.post(&target, Operation::Presign, id, to_json(&request)?).await?;
        let begun = begun(&answer)?;
        if let Begun::Completed(made) = &begun {
            presigned(&request, made, answer.status)?;
        }
        Ok(begun)
    }

    /// Has auxiliary information of nodes made anew, or the pairs of a wallet ([`AuxiliaryRequest::of_wallet`]). Without `session_id` the
    /// request gets a fresh one. Presignatures that were made with the old auxiliary information are dropped; key shares stay as they are: this
    /// is no refresh of them. The answer is held against the request.
    ///
    /// This takes tens of seconds, and is waited for as [`Client::presign`] is.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn rotate_auxiliary(
        &self,
        mut request: AuxiliaryRequest,
    ) -> Result<AuxiliaryResponse, ClientError> {
        let id = request.session_id.get_or_insert_with(fresh_id).clone();
        let answer = self.post(paths::AUXILIARY, Operation::Auxiliary, id, to_json(&request)?).await?;
        let made = typed(&answer)?;
        rotated(&request, &made, answer.status)?;
        Ok(made)
    }

    /// Has auxiliary information of nodes made anew, and does not wait for it, as [`Client::begin_keygen`] does not.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn begin_rotate_auxiliary(
        &self,
        mut request: AuxiliaryRequest,
    ) -> Result<Begun<AuxiliaryResponse>, ClientError> {
        let id = request.session_id.get_or_insert_with(fresh_id).clone();
        let target = paths::without_waiting(paths::AUXILIARY);
        let answer = self.post(&target, Operation::Auxiliary, id, to_json(&request)?).await?;
        let begun = begun(&answer)?;
        if let Begun::Completed(made) = &begun {
            rotated(&request, made, answer.status)?;
        }
        Ok(begun)
    }
}

/// Whether the request is one that a node would read: it must not cost a round trip to hear otherwise.
fn countable(request: &PresignRequest) -> Result<(), ClientError> {
    let refused = |error: quorate_request::BodyError| ClientError::InvalidRequest(error.to_string());
    request.wallet().map_err(refused)?;
    request.count().map_err(refused)?;
    Ok(())
}

/// Whether the presignatures are those that were asked for, as far as the request says.
fn presigned(
    request: &PresignRequest,
    made: &PresignResponse,
    status: StatusCode,
) -> Result<(), ClientError> {
    let signers: BTreeSet<_> = made.signers.iter().collect();
    let uninvited =
        request.signers.as_ref().is_some_and(|asked| !signers.iter().all(|name| asked.contains(name)));
    first_other(
        "presignatures",
        status,
        &[
            ("session_id", request.session_id.as_ref().is_some_and(|id| *id != made.session_id)),
            ("wallet_id", request.wallet_id.as_ref().is_some_and(|id| *id != made.wallet_id)),
            ("count", !(1..=request.count).contains(&made.made)),
            ("signers", uninvited || signers.is_empty() || signers.len() != made.signers.len()),
        ],
    )
}

/// Whether the auxiliary information is that of the nodes that were asked for.
fn rotated(
    request: &AuxiliaryRequest,
    made: &AuxiliaryResponse,
    status: StatusCode,
) -> Result<(), ClientError> {
    let parties: BTreeSet<_> = made.parties.iter().collect();
    let other_wallet = match &request.wallet_id {
        Some(asked) => made.wallet_id.as_ref() != Some(asked),
        None => made.wallet_id.is_some() != request.public_key.is_some(),
    };
    let others =
        request.parties.as_ref().is_some_and(|asked| asked.iter().collect::<BTreeSet<_>>() != parties);
    first_other(
        "auxiliary information",
        status,
        &[
            ("session_id", request.session_id.as_ref().is_some_and(|id| *id != made.session_id)),
            ("wallet_id", other_wallet),
            ("parties", others || parties.is_empty() || parties.len() != made.parties.len()),
        ],
    )
}
