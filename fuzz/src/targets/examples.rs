//! Values that several targets start from.
//!
//! Each is `None` when it can't be made any more; a target without seeds fails the tests.

use quorate_keys::{ChainCode, GroupKey, KeyType, Secret, SigningIdentity, SigningPrincipal};
use quorate_request::{ClusterId, Operation, SignedRequest};
use quorate_session::{
    Acceptance, Accepted, Envelope, Header, IdentityVerifier, Kind, Part, Proposal, Proposing, ProtocolId,
    SessionId, SignedProposal, Start, setup_digest,
};
use quorate_sharing::{
    Commitment, Committee, Curve, Member, PartyIndex, Polynomial, PublicShares, Threshold,
};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
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

/// One with a recipient, one for all.
pub(super) fn envelopes() -> Option<[Envelope; 2]> {
    let direct = Header {
        session: session()?,
        epoch: 3,
        attempt: 1,
        sender: PartyIndex::new(1).ok()?,
        recipient: Some(PartyIndex::new(2).ok()?),
        kind: Kind::Round,
        round: 2,
        echo: Some([4; 32]),
    };
    let broadcast = Header { recipient: None, kind: Kind::Confirmation, echo: None, ..direct };
    let sender = identity(1);
    Some([
        Envelope::seal(direct, Part::Digest([6; 32]), Part::Whole(b"for you".to_vec()), &sender),
        Envelope::seal(broadcast, Part::Whole(b"for all".to_vec()), Part::Absent, &sender),
    ])
}

/// The acceptances of all members of the proposal's committee, and the start that they make.
pub(super) fn start() -> Option<(Vec<Acceptance>, Start)> {
    let proposal = proposal()?;
    let mut proposing = Proposing::new(&proposal).ok()?;
    let signed = SignedProposal::sign(proposal, &identity(9)).ok()?;
    let rng = &mut ChaCha8Rng::seed_from_u64(1);
    let mut acceptances = Vec::new();
    let mut start = None;
    for member in [1, 2, 3].map(identity) {
        let accepted = Accepted::accept(signed.clone(), &member.identity(), &member, &IdentityVerifier, rng);
        let (_, acceptance) = accepted.ok()?;
        start = proposing.accept(acceptance.clone(), &IdentityVerifier).ok()?;
        acceptances.push(acceptance);
    }
    Some((acceptances, start?))
}

/// A key that three parties share.
pub(super) fn public_shares<C: Curve>() -> Option<PublicShares> {
    let committee = committee(2, 3)?;
    let polynomial = Polynomial::<C>::random(committee.threshold(), &mut ChaCha8Rng::seed_from_u64(1));
    let commitment = Commitment::of(&polynomial);
    Some(PublicShares {
        group_key: GroupKey::from_bytes(C::ID, &C::encode(&commitment.constant())).ok()?,
        chain_code: ChainCode::new([7; 32]),
        epoch: 3,
        verifying_shares: commitment.verifying_shares(committee.indices()),
        committee,
    })
}

pub(super) fn cluster() -> ClusterId {
    ClusterId::from_bytes([5; 32])
}

/// The moment at which the requests are made.
pub(super) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

/// The one who signs the requests.
pub(super) fn initiator(key_type: KeyType) -> Option<SigningPrincipal> {
    SigningPrincipal::from_secret(key_type, &Secret::new([8; 32])).ok()
}

pub(super) fn request(key_type: KeyType, operation: Operation, body: &'static str) -> Option<SignedRequest> {
    let id = "payment-17".parse().ok()?;
    let expires = now() + Duration::from_secs(60);
    SignedRequest::sign(&initiator(key_type)?, cluster(), operation, id, now(), expires, body).ok()
}

pub(super) const KEYGEN_BODY: &str = r#"{"threshold": 2, "total": 3, "curve": "ed25519"}"#;

pub(super) const SIGN_BODY: &str = concat!(
    r#"{"wallet_id": "treasury", "message": "0x68656c6c6f", "signers": ["node1", "node2"], "#,
    r#""derivation_path": "m/0/7", "tweak": {"taproot": null}}"#
);
