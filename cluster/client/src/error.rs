//! Why a call did not give what was asked for.

use http::{StatusCode, Uri};
use quorate_identity::key_file::IdentityError;
use quorate_identity::peers::PeersError;
use quorate_request::{ErrorBody, SignError, WalletId};

use crate::signer::SignerError;
use crate::verification::{InvalidWallet, Unverified};
use quorate_tls::AuthoritiesError;

/// Why a call did not give what was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The cluster refused, and said why.
    #[error("{} ({})", error.message, error.code)]
    Api {
        /// The HTTP status.
        status: StatusCode,
        /// What the cluster said.
        error: Box<ErrorBody>,
    },
    /// No node answered. If one was asked, the request may nevertheless have been executed: repeat it under the same
    /// `session_id` to learn its result.
    #[error("no node answered in {attempts} attempts; {endpoint}: {reason}")]
    Unreachable {
        /// How often nodes were asked.
        attempts: u32,
        /// The node that was asked last; the last one that may have got the request, if any may.
        endpoint: Uri,
        /// What went wrong there.
        reason: String,
        /// Whether it may have got the request.
        was_asked: bool,
    },
    /// Something answered that does not speak this API.
    #[error("unexpected answer with status {status}: {reason}")]
    UnexpectedAnswer {
        /// The HTTP status.
        status: StatusCode,
        /// What is wrong with the answer.
        reason: String,
    },
    /// The answer is not what the caller's wallet would have answered. What was asked for may have been done all the same.
    #[error("the cluster's answer is wrong: {0}")]
    Unverified(#[from] Unverified),
    /// What was answered about a wallet contradicts itself, what was made, or what another node answers.
    #[error("the answer about wallet {wallet} is wrong: {reason}")]
    InvalidWallet {
        /// The wallet.
        wallet: WalletId,
        /// What is wrong with it.
        reason: InvalidWallet,
    },
    /// The request was not signed, and not sent.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The request can't be made: misuse by the caller.
    #[error("the request can't be made: {0}")]
    InvalidRequest(String),
}

impl ClientError {
    /// What the cluster said, if it is the cluster that refused.
    pub fn api(&self) -> Option<&ErrorBody> {
        match self {
            Self::Api { error, .. } => Some(error),
            _ => None,
        }
    }
}

impl From<SignError> for ClientError {
    fn from(error: SignError) -> Self {
        Self::InvalidRequest(error.to_string())
    }
}

/// Why a client can't be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The endpoints: misuse by the caller.
    #[error(transparent)]
    Endpoint(#[from] InvalidEndpoint),
    /// The file with the initiator key, or its passphrase.
    #[error(transparent)]
    Initiator(#[from] IdentityError),
    /// The peers file.
    #[error(transparent)]
    Peers(#[from] PeersError),
    /// The authorities that vouch for `https://` endpoints.
    #[error(transparent)]
    Authorities(#[from] AuthoritiesError),
}

/// Why a client can't be made for these endpoints: misuse by the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidEndpoint {
    /// There is none.
    #[error("at least one endpoint is needed")]
    None,
    /// It is not of the form `http://host:port` or `https://host:port`.
    #[error("endpoint {0}: expected http://host:port or https://host:port")]
    Form(Uri),
}
