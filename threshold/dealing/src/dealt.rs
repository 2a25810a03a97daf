//! What one dealer contributes: a polynomial, commitments to it, its part of the proof of knowledge, and an encrypted
//! share for each receiver. And the checks of it, as plain functions that parties and judges share.

use quorate_session::{Agreement, SessionContext, SessionId};
use quorate_sharing::{Commitment, Curve, KnowledgeProof, PartyIndex, Polynomial, ProofNonce, SecretShare};
use rand_core::CryptoRngCore;

use crate::message::{Commit, Fault, Open};
use crate::plan::{Plan, Purpose, transcript};

/// Bytes of an encrypted share: a scalar and the tag.
const SEALED_SHARE_BYTES: usize = 32 + 16;

/// One dealer's secrets and what it publishes of them.
pub(crate) struct Dealt<C: Curve> {
    pub(crate) polynomial: Polynomial<C>,
    pub(crate) commitment: Commitment<C>,
    /// The encoding of `commitment`.
    pub(crate) coefficients: Vec<u8>,
    pub(crate) chain_code: [u8; 32],
    pub(crate) nonce: ProofNonce<C>,
}

impl<C: Curve> Dealt<C> {
    pub(crate) fn new(polynomial: Polynomial<C>, rng: &mut dyn CryptoRngCore) -> Self {
        let commitment = Commitment::of(&polynomial);
        let coefficients = commitment.to_bytes();
        let nonce = ProofNonce::generate(rng);
        let mut chain_code = [0; 32];
        rng.fill_bytes(&mut chain_code);
        Self { polynomial, commitment, coefficients, chain_code, nonce }
    }

    /// What is committed to in round 1.
    pub(crate) fn digest<P: Purpose<C>>(&self, context: &SessionContext) -> [u8; 32] {
        let Self { coefficients, chain_code, nonce, .. } = self;
        digest::<C, P>(&context.session(), context.me(), coefficients, chain_code, nonce.point())
    }
}

/// What a dealer commits to in round 1 and opens in round 2. The response of the proof is not part of it: it answers a
/// challenge that is made of the commitments.
pub(crate) fn opening_digest<C: Curve, P: Purpose<C>>(
    session: &SessionId,
    dealer: PartyIndex,
    open: &Open,
) -> [u8; 32] {
    digest::<C, P>(session, dealer, &open.coefficients, &open.chain_code, &open.nonce)
}

fn digest<C: Curve, P: Purpose<C>>(
    session: &SessionId,
    dealer: PartyIndex,
    coefficients: &[u8],
    chain_code: &[u8; 32],
    nonce: &[u8],
) -> [u8; 32] {
    transcript::<C, P>("opening")
        .field("session", session.as_bytes())
        .field("dealer", &dealer.get().to_le_bytes())
        .field("coefficients", coefficients)
        .field("chain code", chain_code)
        .field("nonce", nonce)
        .digest()
}

/// The context of the encrypted delivery in one session.
pub(crate) fn delivery_context<C: Curve, P: Purpose<C>>(session: &SessionId) -> [u8; 32] {
    transcript::<C, P>("delivery").field("session", session.as_bytes()).digest()
}

/// The key with which `owner` faces `peer`: facing keys stand in the order of those whom it faces.
pub(crate) fn facing_key(
    plan: &Plan,
    commit: &Commit,
    owner: PartyIndex,
    peer: PartyIndex,
) -> Option<[u8; 32]> {
    let faced = plan.faced_by(owner).into_iter();
    faced.zip(&commit.facing).find(|(index, _)| *index == peer).map(|(_, key)| *key)
}

/// Whether a commitment of round 1 holds one facing key for each party that its author faces.
///
/// Whether a key is valid, is for the party to find out that it faces: it decodes that key anyway, and its evidence
/// reaches all others. That each decodes each would be a sixth of the work of key generation.
pub(crate) fn check_commit(plan: &Plan, author: PartyIndex, commit: &Commit) -> Result<(), Fault> {
    if commit.facing.len() == plan.faced_by(author).len() { Ok(()) } else { Err(Fault::FacingKeys) }
}

/// An opened and decoded dealing. The proof of knowledge is not yet checked.
pub(crate) struct Opened<C: Curve> {
    pub(crate) commitment: Commitment<C>,
    pub(crate) chain_code: [u8; 32],
    pub(crate) proof: KnowledgeProof<C>,
}

/// Checks what `dealer` opened against what it committed to.
pub(crate) fn check_open<C: Curve, P: Purpose<C>>(
    agreement: &Agreement,
    plan: &Plan,
    dealer: PartyIndex,
    commit: &Commit,
    open: &Open,
) -> Result<Opened<C>, Fault> {
    if opening_digest::<C, P>(&agreement.session(), dealer, open) != commit.opening {
        return Err(Fault::Opening);
    }
    let commitment = decode_coefficients(plan, open)?;
    let proof = decode_proof(open)?;
    Ok(Opened { commitment, chain_code: open.chain_code, proof })
}

/// Decodes exactly threshold many coefficients, of which the constant is not the identity.
pub(crate) fn decode_coefficients<C: Curve>(plan: &Plan, open: &Open) -> Result<Commitment<C>, Fault> {
    let commitment = Commitment::<C>::from_bytes(&open.coefficients, plan.receivers().threshold())
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
