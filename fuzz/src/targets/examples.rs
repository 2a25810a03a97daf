//! Values that several targets start from.
//!
//! Each is `None` when it can't be made any more; a target without seeds fails the tests.

use quorate_keys::{Secret, SigningIdentity};
use quorate_request::{ClusterId, Operation, SignedRequest};
use quorate_session::{Proposal, ProtocolId, SessionId, setup_digest};
use quorate_sharing::{Committee, Member, PartyIndex, Threshold};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(super) fn identity(seed: u8) -> SigningIdentity {
    SigningIdentity::from_seed(&Secret::new([seed; 32]))
}

pub(super) fn committee(threshold: u16, size: u8) -> Option<Committee> {
    let member = |index: u8| {
        let identity = identity(index).identity();
        PartyIndex::new(index.into()).ok().map(|index| Member { index, identity })
    };
    let members: Option<Vec<_>> = (1..=size).map(member).collect();
    Committee::new(Threshold::new(threshold).ok()?, members?).ok()
}

pub(super) fn proposal() -> Option<Proposal> {
    Some(Proposal {
        cluster: [1; 32],
        request: [2; 32],
        operation: "sign".to_owned(),
        protocol: ProtocolId::new("frost", "ed25519", 1),
        setup: setup_digest(b"setup"),
        epoch: 3,
        committee: committee(2, 3)?,
        proposer: identity(9).identity(),
        attempt: 1,
        expires: 1_800_000_000_000,
    })
}

pub(super) fn session() -> Option<SessionId> {
    borsh::from_slice(&[7; 32]).ok()
}

pub(super) fn cluster() -> ClusterId {
    ClusterId::from_bytes([5; 32])
}

/// The moment at which the requests are made.
pub(super) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

pub(super) fn request(operation: Operation, body: &'static str) -> Option<SignedRequest> {
    let id = "payment-17".parse().ok()?;
    let expires = now() + Duration::from_secs(60);
    SignedRequest::sign(&identity(8), cluster(), operation, id, now(), expires, body).ok()
}

pub(super) const KEYGEN_BODY: &str = r#"{"threshold": 2, "total": 3, "curve": "ed25519"}"#;

pub(super) const SIGN_BODY: &str = concat!(
    r#"{"wallet_id": "treasury", "message": "0x68656c6c6f", "signers": ["node1", "node2"], "#,
    r#""derivation_path": "m/0/7", "tweak": {"taproot": null}}"#
);
