//! A request that has been verified.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use quorate_keys::Principal;
use sha2::{Digest, Sha256};

use super::{MAX_BODY_BYTES, SignedRequest};
use crate::body::{Body, BodyError};
use crate::error::RequestError;
use crate::id::RequestId;
use crate::operation::Operation;

/// A request whose signature, cluster, initiator, body and times have been found right.
///
/// There is no other way to get one than [`SignedRequest::verify`] or, with the body last, [`VerifiedHead`], and no other
/// way to the typed body than through one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    request: SignedRequest,
    skew: Duration,
}

/// A request of which all has been found right but the body.
#[derive(Clone, Debug)]
pub struct VerifiedHead {
    request: SignedRequest,
    skew: Duration,
}

impl VerifiedHead {
    pub(super) fn new(request: SignedRequest, skew: Duration) -> Self {
        Self { request, skew }
    }

    /// Who asks.
    pub fn initiator(&self) -> &Principal {
        self.request.initiator()
    }

    /// The whole request, if this is the body that was signed, and its time is not over by `now`: a body may take a while
    /// to arrive.
    ///
    /// # Errors
    /// A body that is too large, another one, or one that came too late.
    pub fn with_body(self, body: Bytes, now: SystemTime) -> Result<Verified, RequestError> {
        let Self { mut request, skew } = self;
        request.parameters.check_times(now, skew)?;
        if body.len() > MAX_BODY_BYTES {
            return Err(RequestError::BodyTooLarge { got: body.len(), limit: MAX_BODY_BYTES });
        }
        if request.content_digest != <[u8; 32]>::from(Sha256::digest(&body)) {
            return Err(RequestError::DigestMismatch);
        }
        request.body = body;
        Ok(Verified { request, skew })
    }
}

impl Verified {
    /// The request as it was signed, to be forwarded unchanged.
    pub fn request(&self) -> &SignedRequest {
        &self.request
    }

    /// The request by value.
    pub fn into_request(self) -> SignedRequest {
        self.request
    }

    /// Who asks.
    pub fn initiator(&self) -> &Principal {
        self.request.initiator()
    }

    /// What is asked for.
    pub fn operation(&self) -> &Operation {
        self.request.operation()
    }

    /// The client's name for the request.
    pub fn request_id(&self) -> &RequestId {
        self.request.request_id()
    }

    /// Until when the request would be accepted again: its id must be remembered at least as long.
    pub fn remember_until(&self) -> SystemTime {
        self.request.expires() + self.skew
    }

    /// Is the request signed for this operation?
    ///
    /// # Errors
    /// The sender's fault: it was signed for another one.
    pub fn require(&self, wanted: &Operation) -> Result<(), RequestError> {
        if self.operation() == wanted {
            return Ok(());
        }
        Err(RequestError::OtherOperation { signed: self.operation().clone(), wanted: wanted.clone() })
    }

    /// The body.
    ///
    /// # Errors
    /// The initiator's fault: the request is for another operation, or the body is not as it must be.
    pub fn body<T: Body>(&self) -> Result<T, BodyError> {
        if *self.operation() != T::OPERATION {
            return Err(BodyError::OtherOperation(self.operation().clone()));
        }
        T::from_json(self.request.body(), self.request_id())
    }
}
