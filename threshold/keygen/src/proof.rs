//! One proof of knowledge for all dealers.
//!
//! Round 1 fixes every dealer's coefficients and the point of its nonce, hidden in a digest. The digests of all make one
//! challenge, which every dealer answers when it opens. So the answers may be added, and one equation on the sums shows
//! that whoever dealt wrongly knows the *sum* of what it dealt, which is all that becomes of it. `DEVIATIONS.md` in
//! `quorate-sharing` has the argument, and what is not claimed.

use std::collections::BTreeMap;

use quorate_keys::Transcript;
use quorate_session::SessionId;
use quorate_sharing::{Challenge, Commitment, Curve, KnowledgeProof, PartyIndex};

use crate::dealing::Opened;
use crate::message::Commit;

/// What all dealers answer: a hash of the commitments of the whole committee.
///
/// Dealers that saw different commitments answer different challenges. Their digests of round 1 differ too, so none
/// gets as far as checking the other's answer, and no judge takes it for an answer to this challenge.
pub(crate) fn challenge<C: Curve>(
    session: &SessionId,
    commits: &BTreeMap<PartyIndex, Commit>,
) -> Challenge<C> {
    let start = Transcript::new(b"quorate/keygen/challenge/v1")
        .field("session", session.as_bytes())
        .field("curve", C::NAME.as_bytes());
    let transcript = commits.iter().fold(start, |transcript, (dealer, commit)| {
        transcript.field("dealer", &dealer.get().to_le_bytes()).field("opening", &commit.opening)
    });
    Challenge::from_wide(&transcript.wide())
}

/// Checks that the dealers know the sum of what they opened; when they don't, names all who can't prove their own part.
///
/// Gives the sum of their commitments.
pub(crate) fn check_proofs<C: Curve>(
    challenge: &Challenge<C>,
    opened: &BTreeMap<PartyIndex, Opened<C>>,
) -> Result<Commitment<C>, ProofError> {
    let sum = Commitment::sum(opened.values().map(|dealing| &dealing.commitment))
        .map_err(|error| ProofError::Sum(error.to_string()))?;
    if KnowledgeProof::sum(opened.values().map(|dealing| &dealing.proof)).verify(challenge, &sum) {
        return Ok(sum);
    }
    let wrong = |dealing: &Opened<C>| !dealing.proof.verify(challenge, &dealing.commitment);
    Err(ProofError::Unproven(
        opened.iter().filter(|(_, dealing)| wrong(dealing)).map(|(dealer, _)| *dealer).collect(),
    ))
}

/// Why there is no sum whose polynomial is known.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ProofError {
    /// These dealers can't prove that they know what they opened.
    Unproven(Vec<PartyIndex>),
    /// What was decoded can't be added: a bug here.
    Sum(String),
}

#[cfg(test)]
mod tests {
    use quorate_session::ProtocolId;
    use quorate_sharing::{Ed25519, P256, Secp256k1};
    use quorate_simulator::Cast;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;
    use crate::dealing::{Dealing, check_open};
    use crate::message::Open;

    /// A session judges each charge once more, so there only the numbers would tell.
    fn who_cannot_prove_is_named_and_nobody_else<C: Curve>() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let cast = Cast::new(2, 4, 1);
        let contexts = cast.agree(cast.committee(), ProtocolId::new("test", "", 1), [0; 32], 0, &mut rng);
        let dealings: BTreeMap<_, _> = (contexts.iter())
            .map(|(party, context)| (*party, Dealing::<C>::new(context, &mut rng)))
            .collect();
        let agreement = contexts.values().next().unwrap().agreement();
        let commits = dealings.iter().map(|(party, dealing)| (*party, dealing.commit.clone())).collect();
        let challenge = challenge::<C>(&agreement.session(), &commits);
        let opens: BTreeMap<_, _> = (dealings.into_iter())
            .map(|(party, dealing)| {
                let open = Open {
                    coefficients: dealing.coefficients,
                    chain_code: dealing.chain_code,
                    nonce: dealing.nonce.point().to_vec(),
                    response: dealing.nonce.prove(&challenge, &dealing.polynomial),
                };
                (party, open)
            })
            .collect();
        let checked = |cheaters: &[u16]| {
            let mut opened = BTreeMap::new();
            for (party, open) in &opens {
                let mut open = open.clone();
                if cheaters.contains(&party.get()) {
                    // The lowest bit, in either byte order.
                    let lowest = if C::NAME == "ed25519" { 0 } else { 31 };
                    open.response[lowest] ^= 1;
                }
                opened.insert(*party, check_open(agreement, *party, &commits[party], &open).unwrap());
            }
            check_proofs::<C>(&challenge, &opened).map(|sum| sum.to_bytes())
        };
        let sum =
            |coefficients: &[u8]| Commitment::<C>::from_bytes(coefficients, agreement.threshold()).unwrap();
        let parts: Vec<_> = opens.values().map(|open| sum(&open.coefficients)).collect();
        assert_eq!(checked(&[]), Ok(Commitment::sum(&parts).unwrap().to_bytes()));
        for cheaters in [&[1][..], &[4], &[2, 3, 4], &[1, 2, 3]] {
            let named = cheaters.iter().map(|index| PartyIndex::new(*index).unwrap()).collect();
            assert_eq!(checked(cheaters), Err(ProofError::Unproven(named)));
        }
    }

    #[test]
    fn who_cannot_prove_is_named_on_every_curve() {
        who_cannot_prove_is_named_and_nobody_else::<Ed25519>();
        who_cannot_prove_is_named_and_nobody_else::<Secp256k1>();
        who_cannot_prove_is_named_and_nobody_else::<P256>();
    }
}
