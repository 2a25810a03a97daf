//! What makes a node act: a request signed by an initiator, for this cluster, at this time.
//!
//! Every node checks it for itself, whatever proposer or gateway the request came through.

use std::time::{Duration, SystemTime};

use quorate_keys::Principal;
use quorate_request::{ClusterId, ErrorBody, Operation, RequestError, SignedRequest, Verified, VerifiedHead};

/// How far the clocks of client and node may be apart.
pub(crate) const CLOCK_SKEW: Duration = Duration::from_secs(30);

/// Who may ask this node for what.
#[derive(Debug, Clone)]
pub(crate) struct Authority {
    cluster: ClusterId,
    initiators: Vec<Principal>,
}

impl Authority {
    pub(crate) fn new(cluster: ClusterId, initiators: Vec<Principal>) -> Self {
        Self { cluster, initiators }
    }

    /// Checks a request's signature, initiator, cluster and times.
    ///
    /// # Errors
    /// The sender's fault.
    pub(crate) fn verify(&self, request: &SignedRequest) -> Result<Verified, RequestError> {
        let known = |initiator: &Principal| self.initiators.contains(initiator);
        request.verify(&self.cluster, known, SystemTime::now(), CLOCK_SKEW)
    }

    /// Checks what [`Authority::verify`] does, but for the body.
    ///
    /// # Errors
    /// The sender's fault.
    pub(crate) fn verify_head(&self, request: &SignedRequest) -> Result<VerifiedHead, RequestError> {
        let known = |initiator: &Principal| self.initiators.contains(initiator);
        request.verify_head(&self.cluster, known, SystemTime::now(), CLOCK_SKEW)
    }

    /// Checks the request that a wallet is said to have been made by: all but its times.
    ///
    /// # Errors
    /// Why no node should have made it.
    pub(crate) fn verify_made(&self, request: &[u8]) -> Result<(), String> {
        let request = SignedRequest::decode(request).map_err(|error| error.to_string())?;
        let known = |initiator: &Principal| self.initiators.contains(initiator);
        let verified = request.verify(&self.cluster, known, request.created(), CLOCK_SKEW);
        let verified = verified.map_err(|error| error.to_string())?;
        verified.require(&Operation::Keygen).map_err(|error| error.to_string())
    }

    /// The cluster.
    pub(crate) fn cluster(&self) -> &ClusterId {
        &self.cluster
    }
}

/// A refused request as the API shows it.
pub(crate) fn refusal(error: &RequestError) -> ErrorBody {
    ErrorBody::new(error.code(), error.to_string())
}
