//! What one dealer contributes: a polynomial, commitments to it, its part of the proof of knowledge, and an encrypted
//! share for each other party. And the checks of it, as plain functions that parties and judges share.

use quorate_keys::Transcript;
use quorate_session::{Agreement, SessionContext, SessionId};
use quorate_sharing::{
    Commitment, Curve, FacingKeys, KnowledgeProof, PartyIndex, Polynomial, ProofNonce, SecretShare,
};
use rand_core::CryptoRngCore;

use crate::message::{Commit, Fault, Open};

/// Bytes of an encrypted share: a scalar and the tag.
const SEALED_SHARE_BYTES: usize = 32 + 16;

/// One dealer's secrets and what it publishes of them.
pub(crate) struct Dealing<C: Curve> {
    pub(crate) polynomial: Polynomial<C>,
    pub(crate) commitment: Commitment<C>,
    /// The encoding of `commitment`.
    pub(crate) coefficients: Vec<u8>,
    pub(crate) chain_code: [u8; 32],
    pub(crate) nonce: ProofNonce<C>,
    pub(crate) facing: FacingKeys,
    pub(crate) commit: Commit,
}

impl<C: Curve> Dealing<C> {
    pub(crate) fn new(context: &SessionContext, rng: &mut dyn CryptoRngCore) -> Self {
        let me = context.me();
        let polynomial = Polynomial::<C>::random(context.agreement().threshold(), rng);
        let commitment = Commitment::of(&polynomial);
        let coefficients = commitment.to_bytes();
        let nonce = ProofNonce::generate(rng);
        let mut chain_code = [0; 32];
        rng.fill_bytes(&mut chain_code);
        let facing = FacingKeys::generate(me, &context.others(), rng);
        let commit = Commit {
            opening: digest(&context.session(), me, &coefficients, &chain_code, nonce.point()),
            facing: facing.public().into_iter().map(|(_, key)| key).collect(),
        };
        Self { polynomial, commitment, coefficients, chain_code, nonce, facing, commit }
    }
}

/// What a dealer commits to in round 1 and opens in round 2. The response of the proof is not part of it: it answers a
/// challenge that is made of the commitments.
pub(crate) fn opening_digest(session: &SessionId, dealer: PartyIndex, open: &Open) -> [u8; 32] {
    digest(session, dealer, &open.coefficients, &open.chain_code, &open.nonce)
}

fn digest(
    session: &SessionId,
    dealer: PartyIndex,
    coefficients: &[u8],
    chain_code: &[u8; 32],
    nonce: &[u8],
) -> [u8; 32] {
    Transcript::new(b"quorate/keygen/opening/v1")
        .field("session", session.as_bytes())
        .field("dealer", &dealer.get().to_le_bytes())
        .field("coefficients", coefficients)
        .field("chain code", chain_code)
        .field("nonce", nonce)
        .digest()
}

/// The context of the encrypted delivery in one session.
pub(crate) fn delivery_context(session: &SessionId) -> [u8; 32] {
    Transcript::new(b"quorate/keygen/delivery/v1").field("session", session.as_bytes()).digest()
}

/// The key with which `owner` faces `peer`: facing keys stand in the order of the other parties.
pub(crate) fn facing_key(
    agreement: &Agreement,
    commit: &Commit,
    owner: PartyIndex,
    peer: PartyIndex,
) -> Option<[u8; 32]> {
    let others = agreement.committee().indices().filter(|index| *index != owner);
    others.zip(&commit.facing).find(|(index, _)| *index == peer).map(|(_, key)| *key)
}

/// Whether a commitment of round 1 holds one facing key for each other party.
///
/// Whether a key is valid, is for the party to find out that it faces: it decodes that key anyway, and its evidence
/// reaches all others. That each decodes each would be a sixth of the work of key generation.
pub(crate) fn check_commit(agreement: &Agreement, commit: &Commit) -> Result<(), Fault> {
    let others = agreement.committee().len().saturating_sub(1);
    if commit.facing.len() == others { Ok(()) } else { Err(Fault::FacingKeys) }
}

/// An opened and decoded dealing. The proof of knowledge is not yet checked.
pub(crate) struct Opened<C: Curve> {
    pub(crate) commitment: Commitment<C>,
    pub(crate) chain_code: [u8; 32],
    pub(crate) proof: KnowledgeProof<C>,
}

/// Checks what `dealer` opened against what it committed to.
pub(crate) fn check_open<C: Curve>(
    agreement: &Agreement,
    dealer: PartyIndex,
    commit: &Commit,
    open: &Open,
) -> Result<Opened<C>, Fault> {
    if opening_digest(&agreement.session(), dealer, open) != commit.opening {
        return Err(Fault::Opening);
    }
    let commitment = decode_coefficients(agreement, open)?;
    let proof = decode_proof(open)?;
    Ok(Opened { commitment, chain_code: open.chain_code, proof })
}

/// Decodes exactly threshold many coefficients, of which the constant is not the identity.
pub(crate) fn decode_coefficients<C: Curve>(
    agreement: &Agreement,
    open: &Open,
) -> Result<Commitment<C>, Fault> {
    let commitment = Commitment::<C>::from_bytes(&open.coefficients, agreement.threshold())
        .map_err(|_| Fault::Coefficients)?;
    if C::is_identity(&commitment.constant()) { Err(Fault::Coefficients) } else { Ok(commitment) }
}

/// Decodes a proof of knowledge. Whether it holds, shows only against all commitments.
pub(crate) fn decode_proof<C: Curve>(open: &Open) -> Result<KnowledgeProof<C>, Fault> {
    KnowledgeProof::from_bytes(&open.nonce, &open.response).map_err(|_| Fault::KnowledgeProof)
}

/// Whether a decrypted share fits the dealer's coefficients.
pub(crate) fn share_fits<C: Curve>(plaintext: &[u8], to: PartyIndex, commitment: &Commitment<C>) -> bool {
    SecretShare::<C>::from_bytes(to, plaintext).is_ok_and(|share| share.verify(commitment))
}

/// Whether this can be an encrypted share. What is larger might not fit into a complaint, and so would keep the party
/// that received it from making one.
pub(crate) fn is_sealed_share(sealed: &[u8]) -> bool {
    sealed.len() == SEALED_SHARE_BYTES
}
