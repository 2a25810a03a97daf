//! The keys that may ask, and changes of them.

use quorate_request::{InitiatorView, InitiatorsRequest, InitiatorsResponse, Operation, paths};

use super::{Client, fresh_id, to_json, typed};
use crate::error::ClientError;

impl Client {
    /// The keys that may ask, or might once, as the answering node has them.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn initiators(&self) -> Result<Vec<InitiatorView>, ClientError> {
        typed(&self.read(paths::INITIATORS).await?)
    }

    /// Has a key admitted or revoked: the key of this client must be an authorizer's. It counts as approved by this one; as long as others must
    /// approve it, too, it is refused ([`ApprovalsMissing`](quorate_request::ErrorCode::ApprovalsMissing)) and waits for them: repeat it under
    /// its `session_id` then. Without one it gets a fresh one. The answer says which nodes keep the change; that they do, nobody can verify.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn change_initiators(
        &self,
        mut request: InitiatorsRequest,
    ) -> Result<InitiatorsResponse, ClientError> {
        let id = request.session_id.get_or_insert_with(fresh_id).clone();
        let answer = self.post(paths::INITIATORS, Operation::Initiators, id, to_json(&request)?).await?;
        let made: InitiatorsResponse = typed(&answer)?;
        if made.key != request.key || made.change != request.change {
            let reason = "another change, or one of another key".to_owned();
            return Err(ClientError::UnexpectedAnswer { status: answer.status, reason });
        }
        Ok(made)
    }
}
