//! Why a request is not made, not read, or not accepted.

use quorate_keys::Principal;

use crate::error_body::ErrorCode;
use crate::id::ClusterId;
use crate::operation::Operation;

/// Why a request from outside is refused. All of these are the fault of whoever sent it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// There is no signature at all.
    #[error("the request is not signed; use a client with an initiator key, or a gateway")]
    Unsigned,
    /// A field is missing, repeated, not in canonical form, or holds what is not expected there.
    #[error("malformed request, field {field}: {reason}")]
    Malformed {
        /// The field's name, in lower case.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The body is larger than any request needs.
    #[error("the body has {got} bytes, at most {limit} are accepted")]
    BodyTooLarge {
        /// Bytes that came.
        got: usize,
        /// Bytes that are accepted.
        limit: usize,
    },
    /// The request was made for another cluster.
    #[error("the request is for cluster {asked}, this is cluster {this}")]
    WrongCluster {
        /// The cluster that the request names.
        asked: ClusterId,
        /// The cluster that received it.
        this: ClusterId,
    },
    /// The key that signed is not known as an initiator.
    #[error("{0} is not an initiator of this cluster")]
    UnknownInitiator(Principal),
    /// The key that signed was an initiator's, and is no more.
    #[error("{0} was an initiator of this cluster, and was revoked or retired")]
    RevokedInitiator(Principal),
    /// The key that signed is not known as an authorizer.
    #[error("{0} is not an authorizer of this cluster's policy")]
    UnknownAuthorizer(Principal),
    /// The body is not the one that was signed.
    #[error("the body does not match its content-digest")]
    DigestMismatch,
    /// The signature is not by the key that it names over the fields that came.
    #[error("the request signature is not valid")]
    BadSignature,
    /// The request was made in the future, as far as this clock can tell.
    #[error("the request was created {ahead} s ahead of this node's clock")]
    NotYetValid {
        /// Seconds until the request would be valid.
        ahead: u64,
    },
    /// The time of the request is over.
    #[error("the request expired {ago} s ago")]
    Expired {
        /// Seconds since it expired.
        ago: u64,
    },
    /// The request would be valid for longer than request ids are remembered.
    #[error("the request is valid for {seconds} s, at most {limit} s are accepted")]
    LifetimeTooLong {
        /// Seconds between creation and expiry.
        seconds: u64,
        /// Seconds that are accepted.
        limit: u64,
    },
    /// The request asks for something else than the place where it was sent.
    #[error("the request is signed for \"{signed}\" but was sent as \"{wanted}\"")]
    OtherOperation {
        /// What the initiator signed.
        signed: Operation,
        /// What the receiving endpoint does.
        wanted: Operation,
    },
}

impl RequestError {
    /// The code under which the API reports this.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Unsigned => ErrorCode::Unsigned,
            Self::Malformed { .. } => ErrorCode::MalformedRequest,
            Self::BodyTooLarge { .. } => ErrorCode::BodyTooLarge,
            Self::WrongCluster { .. } => ErrorCode::WrongCluster,
            Self::UnknownInitiator(_) | Self::RevokedInitiator(_) | Self::UnknownAuthorizer(_) => {
                ErrorCode::UnknownInitiator
            }
            Self::DigestMismatch => ErrorCode::DigestMismatch,
            Self::BadSignature => ErrorCode::BadSignature,
            Self::NotYetValid { .. } => ErrorCode::NotYetValid,
            Self::Expired { .. } => ErrorCode::Expired,
            Self::LifetimeTooLong { .. } => ErrorCode::LifetimeTooLong,
            Self::OtherOperation { .. } => ErrorCode::OtherOperation,
        }
    }
}

/// Why a request cannot be made: misuse by the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// No node would accept a body of this size.
    #[error("the body has {got} bytes, at most {limit} are accepted")]
    BodyTooLarge {
        /// Bytes that were given.
        got: usize,
        /// Bytes that are accepted.
        limit: usize,
    },
    /// The times lie before 1970, are not in order, or too far from each other.
    #[error("a request expires after its creation, at most {limit} s later")]
    Times {
        /// Seconds that are accepted between creation and expiry.
        limit: u64,
    },
}

/// Why forwarded bytes are no request: the fault of the node that sent them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The form is of a version that this code does not know.
    #[error("unknown version {0} of the forwarded request")]
    Version(u8),
    /// The bytes end too early.
    #[error("the forwarded request is cut short")]
    Truncated,
    /// Bytes are left over.
    #[error("{0} bytes follow the forwarded request")]
    TrailingBytes(usize),
    /// The form claims or has more bytes than any request.
    #[error("the forwarded request is too large")]
    TooLarge,
    /// A field does not hold what belongs there.
    #[error("forwarded request: {0}")]
    Field(RequestError),
}
