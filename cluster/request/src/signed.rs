//! A request with its signature: made, checked, digested.

pub mod fields;
mod forward;
mod parameters;
mod unsigned;
mod verified;

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::HeaderMap;
use quorate_keys::{Principal, SigningPrincipal, Transcript};

use crate::error::{DecodeError, RequestError, SignError};
use crate::id::{ClusterId, RequestId};
use crate::operation::Operation;
use parameters::Parameters;

pub use fields::LABEL;
pub use unsigned::UnsignedRequest;
pub use verified::{Verified, VerifiedHead};

/// The largest body of a request. Leaves room for fields and envelope within a frame of 1 MiB.
pub const MAX_BODY_BYTES: usize = (1024 - 64) * 1024;

/// The longest time between creation and expiry: request ids are remembered durably for that long.
pub const MAX_LIFETIME: Duration = Duration::from_secs(3600);

/// A request with the signature of its initiator, the body byte for byte as it was signed.
///
/// It is well-formed but not necessarily true: only [`SignedRequest::verify`] says that.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedRequest {
    cluster: ClusterId,
    operation: Operation,
    parameters: Parameters,
    content_digest: [u8; 32],
    signature: [u8; 64],
    body: Bytes,
}

impl SignedRequest {
    /// Signs a request. The times are cut to whole seconds. For a key that is held elsewhere: [`UnsignedRequest`].
    ///
    /// # Errors
    /// The caller's misuse: see [`UnsignedRequest::new`].
    pub fn sign(
        initiator: &SigningPrincipal,
        cluster: ClusterId,
        operation: Operation,
        request_id: RequestId,
        created: SystemTime,
        expires: SystemTime,
        body: impl Into<Bytes>,
    ) -> Result<Self, SignError> {
        let principal = initiator.principal();
        let unsigned =
            UnsignedRequest::new(principal, cluster, operation, request_id, created, expires, body)?;
        let signature = initiator.sign(unsigned.signature_base());
        Ok(unsigned.with_signature(signature))
    }

    /// Reads a request from the header fields and the body of an HTTP request.
    ///
    /// # Errors
    /// The sender's fault: unsigned, a body that is too large, or fields that are not exactly as
    /// [`SignedRequest::to_http`] writes them. Nothing is verified yet.
    pub fn from_http(headers: &HeaderMap, body: impl Into<Bytes>) -> Result<Self, RequestError> {
        let body = body.into();
        if body.len() > MAX_BODY_BYTES {
            return Err(RequestError::BodyTooLarge { got: body.len(), limit: MAX_BODY_BYTES });
        }
        fields::read(headers, body)
    }

    /// Whether header fields hold a signature, right or wrong.
    pub fn is_in(headers: &HeaderMap) -> bool {
        fields::are_in(headers)
    }

    /// The header fields of the request; the same names and values serve as NATS headers or gRPC metadata.
    pub fn to_http(&self) -> HeaderMap {
        fields::write(self)
    }

    /// The compact form in which nodes forward a request to each other, unchanged.
    pub fn encode(&self) -> Vec<u8> {
        forward::encode(self)
    }

    /// Reads the compact form. Nothing is verified yet.
    ///
    /// # Errors
    /// The fault of the node that sent it: these are not exactly the bytes of one request.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        forward::decode(bytes)
    }

    /// Checks everything that can be checked without memory: cluster, initiator, body, signature, times.
    ///
    /// `initiators` says whether a key may ask this cluster for anything. `skew` is how far the clocks of
    /// client and node may be apart. Whether the request id was used before, and whether the initiator may do
    /// this, is for the caller to check.
    ///
    /// # Errors
    /// The sender's fault; see [`RequestError`].
    pub fn verify(
        &self,
        cluster: &ClusterId,
        initiators: impl Fn(&Principal) -> bool,
        now: SystemTime,
        skew: Duration,
    ) -> Result<Verified, RequestError> {
        self.verify_head(cluster, initiators, now, skew)?.with_body(self.body.clone(), now)
    }

    /// Checks what [`SignedRequest::verify`] does, but for the body: to learn from the header fields alone, read with
    /// an empty body, whether it is worth to wait for one.
    ///
    /// # Errors
    /// The sender's fault; see [`RequestError`].
    pub fn verify_head(
        &self,
        cluster: &ClusterId,
        initiators: impl Fn(&Principal) -> bool,
        now: SystemTime,
        skew: Duration,
    ) -> Result<VerifiedHead, RequestError> {
        if self.cluster != *cluster {
            return Err(RequestError::WrongCluster { asked: self.cluster, this: *cluster });
        }
        let initiator = self.parameters.initiator();
        if !initiators(initiator) {
            return Err(RequestError::UnknownInitiator(*initiator));
        }
        if !initiator.verify(self.signature_base().as_bytes(), &self.signature) {
            return Err(RequestError::BadSignature);
        }
        self.parameters.check_times(now, skew)?;
        Ok(VerifiedHead::new(self.clone(), skew))
    }

    /// The cluster that is asked.
    pub fn cluster(&self) -> &ClusterId {
        &self.cluster
    }

    /// What is asked for.
    pub fn operation(&self) -> &Operation {
        &self.operation
    }

    /// The key that the request names as its initiator.
    pub fn initiator(&self) -> &Principal {
        self.parameters.initiator()
    }

    /// The client's name for the request.
    pub fn request_id(&self) -> &RequestId {
        self.parameters.request_id()
    }

    /// When the request was made, in whole seconds.
    pub fn created(&self) -> SystemTime {
        self.parameters.created()
    }

    /// When the request ends to be valid, in whole seconds.
    pub fn expires(&self) -> SystemTime {
        self.parameters.expires()
    }

    /// The body, byte for byte.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// A digest of this very request with its times and signature base: two requests with the same digest
    /// are the same request. Use it to bind a protocol run to the request that caused it.
    pub fn digest(&self) -> [u8; 32] {
        Transcript::new(b"quorate/request/digest/v1")
            .field("signature base", self.signature_base().as_bytes())
            .field("body", &self.body)
            .digest()
    }

    /// A digest of what is asked: initiator, cluster, operation, request id and body, but not the times. A
    /// client that repeats a request signs it anew; this is what stays, and what a table of remembered
    /// request ids compares.
    pub fn fingerprint(&self) -> [u8; 32] {
        Transcript::new(b"quorate/request/fingerprint/v1")
            .field("initiator", self.initiator().as_bytes())
            .field("cluster", self.cluster.as_bytes())
            .field("operation", self.operation.to_string().as_bytes())
            .field("request id", self.request_id().as_str().as_bytes())
            .field("body", &self.body)
            .digest()
    }

    fn signature_base(&self) -> String {
        fields::signature_base(&self.content_digest, &self.cluster, &self.operation, &self.parameters)
    }
}

impl fmt::Debug for SignedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedRequest")
            .field("cluster", &self.cluster)
            .field("operation", &self.operation)
            .field("initiator", self.initiator())
            .field("request_id", self.request_id())
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

fn unix_seconds(time: SystemTime) -> Option<u64> {
    time.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
}

#[cfg(test)]
mod tests;
