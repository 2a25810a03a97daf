//! A request that is still to be signed, wherever the key is.

use std::fmt;
use std::time::SystemTime;

use bytes::Bytes;
use quorate_keys::Principal;
use sha2::{Digest, Sha256};

use super::parameters::Parameters;
use super::{MAX_BODY_BYTES, MAX_LIFETIME, SignedRequest, fields, unix_seconds};
use crate::error::SignError;
use crate::id::{ClusterId, RequestId};
use crate::operation::Operation;

/// A request that lacks nothing but its signature: for initiators whose key is in a key-management service, a security key
/// or another process.
pub struct UnsignedRequest {
    cluster: ClusterId,
    operation: Operation,
    parameters: Parameters,
    content_digest: [u8; 32],
    signature_base: String,
    body: Bytes,
}

impl UnsignedRequest {
    /// A request of the initiator with this key. The times are cut to whole seconds.
    ///
    /// # Errors
    /// The caller's misuse: the body is larger than [`MAX_BODY_BYTES`], or the times are before 1970, not in
    /// order, or more than [`MAX_LIFETIME`] apart.
    pub fn new(
        initiator: Principal,
        cluster: ClusterId,
        operation: Operation,
        request_id: RequestId,
        created: SystemTime,
        expires: SystemTime,
        body: impl Into<Bytes>,
    ) -> Result<Self, SignError> {
        let body = body.into();
        if body.len() > MAX_BODY_BYTES {
            return Err(SignError::BodyTooLarge { got: body.len(), limit: MAX_BODY_BYTES });
        }
        let times = SignError::Times { limit: MAX_LIFETIME.as_secs() };
        let (Some(created), Some(expires)) = (unix_seconds(created), unix_seconds(expires)) else {
            return Err(times);
        };
        if !expires.checked_sub(created).is_some_and(|life| (1..=MAX_LIFETIME.as_secs()).contains(&life)) {
            return Err(times);
        }
        let parameters = Parameters::new(created, expires, initiator, request_id);
        let content_digest = Sha256::digest(&body).into();
        let signature_base = fields::signature_base(&content_digest, &cluster, &operation, &parameters);
        Ok(Self { cluster, operation, parameters, content_digest, signature_base, body })
    }

    /// Whose signature is wanted.
    pub fn initiator(&self) -> &Principal {
        self.parameters.initiator()
    }

    /// What is to be signed, less than 2 KiB of text: by Ed25519 as it is, by ECDSA its SHA-256.
    pub fn signature_base(&self) -> &[u8] {
        self.signature_base.as_bytes()
    }

    /// The request with its signature, which is not verified: ask [`Principal::verify`] first whether it is one of
    /// [`signature_base`](Self::signature_base), if it is of somebody else's making.
    #[must_use]
    pub fn with_signature(self, signature: [u8; 64]) -> SignedRequest {
        let Self { cluster, operation, parameters, content_digest, body, .. } = self;
        SignedRequest { cluster, operation, parameters, content_digest, signature, body }
    }
}

impl fmt::Debug for UnsignedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnsignedRequest")
            .field("signature_base", &self.signature_base)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}
