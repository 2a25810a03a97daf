//! What waits for authorizers, and their words.

use quorate_request::{ApprovalRequest, ApprovalResponse, HexArray, Operation, WaitingView, paths};

use super::{Client, fresh_id, to_json, typed};
use crate::error::ClientError;

impl Client {
    /// The requests that wait for approvals, as the answering node knows and says: without what their clients have signed.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn waiting(&self) -> Result<Vec<WaitingView>, ClientError> {
        typed(&self.read(paths::APPROVALS).await?)
    }

    /// The request of this fingerprint that waits, with what its client has signed; none if the answering node knows none.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn waiting_request(
        &self,
        fingerprint: &HexArray<32>,
    ) -> Result<Option<WaitingView>, ClientError> {
        let found: Vec<WaitingView> = typed(&self.read(&paths::waiting(fingerprint.as_bytes())).await?)?;
        Ok(found.into_iter().next())
    }

    /// Approves a request, or rejects it: the key of this client must be an authorizer's. Without `session_id` the word gets a
    /// fresh one. Look first at what is approved: the fingerprint is that of
    /// [`WaitingView::request`], decoded and computed anew ([`SignedRequest::fingerprint`](quorate_request::SignedRequest::fingerprint)), and not what a
    /// node says.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn approve(&self, mut word: ApprovalRequest) -> Result<ApprovalResponse, ClientError> {
        let id = word.session_id.get_or_insert_with(fresh_id).clone();
        let answer = self.post(paths::APPROVALS, Operation::Approve, id, to_json(&word)?).await?;
        let taken: ApprovalResponse = typed(&answer)?;
        if taken.fingerprint != word.fingerprint || taken.decision != word.decision {
            let reason = "a word of another request, or another decision".to_owned();
            return Err(ClientError::UnexpectedAnswer { status: answer.status, reason });
        }
        Ok(taken)
    }
}
