//! What one dealer contributes: a polynomial, commitments to it, a proof of knowledge, and an encrypted share for each
//! other party. And the checks of it, as plain functions that parties and judges share.

use std::collections::BTreeMap;

use quorate_keys::Transcript;
use quorate_session::{Agreement, SessionContext, SessionId};
use quorate_sharing::{Commitment, Curve, FacingKeys, KnowledgeProof, PartyIndex, Polynomial, SecretShare};
use rand_core::CryptoRngCore;

use crate::message::{Commit, Fault, Open};

/// Bytes of an encrypted share: a scalar and the tag.
const SEALED_SHARE_BYTES: usize = 32 + 16;

/// One dealer's secrets and what it publishes of them.
pub(crate) struct Dealing<C: Curve> {
    pub(crate) polynomial: Polynomial<C>,
    pub(crate) commitment: Commitment<C>,
    pub(crate) open: Open,
    pub(crate) facing: FacingKeys,
}

impl<C: Curve> Dealing<C> {
    pub(crate) fn new(context: &SessionContext, rng: &mut dyn CryptoRngCore) -> Self {
        let polynomial = Polynomial::<C>::random(context.agreement().threshold(), rng);
        Self::of(context, polynomial, rng)
    }

    /// A dealing of a given polynomial.
    pub(crate) fn of(
        context: &SessionContext,
        polynomial: Polynomial<C>,
        rng: &mut dyn CryptoRngCore,
    ) -> Self {
        let commitment = Commitment::of(&polynomial);
        let binding = proof_binding(&context.session(), context.me());
        let proof = KnowledgeProof::prove(&binding, &polynomial, &commitment, rng);
        let mut chain_code = [0; 32];
        rng.fill_bytes(&mut chain_code);
        let open = Open { coefficients: commitment.to_bytes(), chain_code, proof: proof.to_bytes() };
        let facing = FacingKeys::generate(context.me(), &context.others(), rng);
        Self { polynomial, commitment, open, facing }
    }

    pub(crate) fn commit(&self, context: &SessionContext) -> Commit {
        Commit {
            opening: opening_digest(&context.session(), context.me(), &self.open),
            facing: self.facing.public().into_iter().map(|(_, key)| key).collect(),
        }
    }
}

/// What the proof of knowledge of a dealer is bound to.
fn proof_binding(session: &SessionId, dealer: PartyIndex) -> [u8; 32] {
    Transcript::new(b"quorate/keygen/proof/v1")
        .field("session", session.as_bytes())
        .field("dealer", &dealer.get().to_le_bytes())
        .digest()
}

/// What a dealer commits to in round 1 and opens in round 2.
pub(crate) fn opening_digest(session: &SessionId, dealer: PartyIndex, open: &Open) -> [u8; 32] {
    Transcript::new(b"quorate/keygen/opening/v1")
        .field("session", session.as_bytes())
        .field("dealer", &dealer.get().to_le_bytes())
        .field("coefficients", &open.coefficients)
        .field("chain code", &open.chain_code)
        .field("proof", &open.proof)
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
    let proof = KnowledgeProof::from_bytes(&open.proof).map_err(|_| Fault::KnowledgeProof)?;
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

/// Checks all proofs of knowledge in one batch, and one by one only to name who can't prove.
pub(crate) fn check_proofs<C: Curve>(
    session: &SessionId,
    opened: &BTreeMap<PartyIndex, Opened<C>>,
    rng: &mut dyn CryptoRngCore,
) -> Result<(), Vec<PartyIndex>> {
    let bindings: Vec<_> = opened.keys().map(|dealer| proof_binding(session, *dealer)).collect();
    let items: Vec<_> = bindings
        .iter()
        .zip(opened.values())
        .map(|(binding, dealing)| (binding.as_slice(), &dealing.commitment, &dealing.proof))
        .collect();
    if KnowledgeProof::verify_batch(&items, rng) {
        return Ok(());
    }
    Err(opened
        .iter()
        .filter(|(dealer, dealing)| !proof_holds(session, **dealer, &dealing.commitment, &dealing.proof))
        .map(|(dealer, _)| *dealer)
        .collect())
}

/// Checks one proof of knowledge.
pub(crate) fn proof_holds<C: Curve>(
    session: &SessionId,
    dealer: PartyIndex,
    commitment: &Commitment<C>,
    proof: &KnowledgeProof<C>,
) -> bool {
    proof.verify(&proof_binding(session, dealer), commitment)
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

#[cfg(test)]
mod tests {
    use quorate_session::ProtocolId;
    use quorate_sharing::{Ed25519, Secp256k1};
    use quorate_simulator::Cast;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    /// A session judges each charge once more, so there only the numbers would tell.
    fn who_cannot_prove_is_named_and_nobody_else<C: Curve>() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let cast = Cast::new(2, 4, 1);
        let contexts = cast.agree(cast.committee(), ProtocolId::new("test", "", 1), [0; 32], 0, &mut rng);
        let dealings: BTreeMap<_, _> = (contexts.iter())
            .map(|(party, context)| (*party, Dealing::<C>::new(context, &mut rng)))
            .collect();
        let context = contexts.values().next().unwrap();
        let culprits = |cheaters: &[u16]| {
            let mut opened = BTreeMap::new();
            for (party, dealing) in &dealings {
                let mut open = dealing.open.clone();
                if cheaters.contains(&party.get()) {
                    // The lowest bit of the response, in either byte order.
                    let lowest = if C::NAME == "ed25519" { C::POINT_BYTES } else { open.proof.len() - 1 };
                    open.proof[lowest] ^= 1;
                }
                let digest = opening_digest(&context.session(), *party, &open);
                let commit = Commit { opening: digest, facing: Vec::new() };
                opened.insert(*party, check_open(context.agreement(), *party, &commit, &open).unwrap());
            }
            let culprits = check_proofs::<C>(&context.session(), &opened, &mut ChaCha20Rng::seed_from_u64(2));
            culprits.err().map(|culprits| culprits.into_iter().map(PartyIndex::get).collect::<Vec<_>>())
        };
        assert_eq!(culprits(&[]), None);
        for cheaters in [&[1][..], &[4], &[2, 3], &[1, 2, 3, 4]] {
            assert_eq!(culprits(cheaters).as_deref(), Some(cheaters));
        }
    }

    #[test]
    fn who_cannot_prove_is_named_on_every_curve() {
        who_cannot_prove_is_named_and_nobody_else::<Ed25519>();
        who_cannot_prove_is_named_and_nobody_else::<Secp256k1>();
    }
}
