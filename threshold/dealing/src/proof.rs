//! One proof of knowledge for all dealers.
//!
//! Round 1 fixes every dealer's coefficients and the point of its nonce, hidden in a digest. The digests of all make one
//! challenge, which every dealer answers when it opens. So the answers may be added, and one equation on the sums shows
//! that whoever dealt wrongly knows the *sum* of what it dealt, which is all that becomes of it. `DEVIATIONS.md` in
//! `quorate-sharing` has the argument, and what is not claimed.

use std::collections::BTreeMap;

use quorate_session::SessionId;
use quorate_sharing::{Challenge, Commitment, Curve, KnowledgeProof, PartyIndex, ProofNonce, SecretShare};
use rand_core::CryptoRngCore;

use crate::dealt::Opened;
use crate::message::{Commit, Known};
use crate::plan::{Purpose, transcript};

/// What all dealers answer: a hash of the commitments of the whole committee.
///
/// Dealers that saw different commitments answer different challenges. Their digests of round 1 differ too, so none
/// gets as far as checking the other's answer, and no judge takes it for an answer to this challenge.
pub(crate) fn challenge<C: Curve, P: Purpose<C>>(
    session: &SessionId,
    commits: &BTreeMap<PartyIndex, Commit>,
) -> Challenge<C> {
    let start = transcript::<C, P>("challenge")
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

/// Acknowledges a key with proof that this party knows its share of it. Constant time in the share.
pub(crate) fn prove_share<C: Curve, P: Purpose<C>>(
    session: &SessionId,
    key: [u8; 32],
    share: &SecretShare<C>,
    rng: &mut dyn CryptoRngCore,
) -> Known {
    let nonce = ProofNonce::generate(rng);
    let point = nonce.point().to_vec();
    let challenge = share_challenge::<C, P>(session, share.index(), &key, &point);
    Known { key, response: nonce.prove_share(&challenge, share), nonce: point }
}

/// Whether a party knows its share, of which this is the public side.
pub(crate) fn knows_share<C: Curve, P: Purpose<C>>(
    session: &SessionId,
    party: PartyIndex,
    known: &Known,
    public: &C::Point,
) -> bool {
    let challenge = share_challenge::<C, P>(session, party, &known.key, &known.nonce);
    KnowledgeProof::<C>::from_bytes(&known.nonce, &known.response)
        .is_ok_and(|proof| proof.verify_share(&challenge, public))
}

fn share_challenge<C: Curve, P: Purpose<C>>(
    session: &SessionId,
    party: PartyIndex,
    key: &[u8; 32],
    nonce: &[u8],
) -> Challenge<C> {
    let transcript = transcript::<C, P>("share-proof")
        .field("session", session.as_bytes())
        .field("curve", C::NAME.as_bytes())
        .field("party", &party.get().to_le_bytes())
        .field("key", key)
        .field("nonce", nonce);
    Challenge::from_wide(&transcript.wide())
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
    use quorate_keys::Secret;
    use quorate_session::{Agreement, ProtocolId, SessionContext, SetupError};
    use quorate_sharing::{Ed25519, P256, Polynomial, PublicShares, Secp256k1};
    use quorate_simulator::Cast;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;
    use crate::dealt::{Dealt, check_open};
    use crate::message::Open;
    use crate::plan::Plan;

    /// Everybody deals and receives.
    struct Test;

    impl<C: Curve> Purpose<C> for Test {
        const NAME: &'static str = "test";
        const VERSION: u16 = 1;
        type Setup = ();
        type Secret = ();
        type Held = ();

        fn plan(agreement: &Agreement, (): &()) -> Result<Plan, SetupError> {
            Ok(Plan::of_a_new_key(agreement))
        }

        fn polynomial(
            plan: &Plan,
            _: &SessionContext,
            (): &(),
            (): (),
            rng: &mut dyn CryptoRngCore,
        ) -> Result<Option<Polynomial<C>>, SetupError> {
            Ok(Some(Polynomial::random(plan.receivers().threshold(), rng)))
        }

        fn held(_: PublicShares, _: Option<(PartyIndex, Secret<[u8; 32]>)>) -> Option<()> {
            Some(())
        }
    }

    fn contexts(rng: &mut ChaCha20Rng) -> BTreeMap<PartyIndex, std::sync::Arc<SessionContext>> {
        let cast = Cast::new(2, 4, 1);
        cast.agree(cast.committee(), ProtocolId::new("test", "", 1), [0; 32], 0, rng)
    }

    /// A session judges each charge once more, so there only the numbers would tell.
    fn who_cannot_prove_is_named_and_nobody_else<C: Curve>() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let contexts = contexts(&mut rng);
        let agreement = contexts.values().next().unwrap().agreement();
        let plan = Plan::of_a_new_key(agreement);
        let dealings: BTreeMap<_, _> = contexts
            .keys()
            .map(|party| {
                let polynomial = Polynomial::<C>::random(agreement.threshold(), &mut rng);
                (*party, Dealt::new(polynomial, &mut rng))
            })
            .collect();
        let commit = |(party, dealt): (&PartyIndex, &Dealt<C>)| {
            (*party, Commit { opening: dealt.digest::<Test>(&contexts[party]), facing: Vec::new() })
        };
        let commits: BTreeMap<_, _> = dealings.iter().map(commit).collect();
        let challenge = challenge::<C, Test>(&agreement.session(), &commits);
        let opens: BTreeMap<_, _> = (dealings.into_iter())
            .map(|(party, dealt)| {
                let open = Open {
                    coefficients: dealt.coefficients,
                    chain_code: dealt.chain_code,
                    nonce: dealt.nonce.point().to_vec(),
                    response: dealt.nonce.prove(&challenge, &dealt.polynomial),
                };
                (party, open)
            })
            .collect();
        let checked = |cheaters: &[u16]| {
            let mut opened = BTreeMap::new();
            for (party, open) in &opens {
                let mut open = open.clone();
                if cheaters.contains(&party.get()) {
                    open.response[lowest::<C>()] ^= 1;
                }
                let checked = check_open::<C, Test>(agreement, &plan, *party, &commits[party], &open);
                opened.insert(*party, checked.unwrap());
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

    /// Of the lowest bits, in either byte order.
    fn lowest<C: Curve>() -> usize {
        if C::NAME == "ed25519" { 0 } else { 31 }
    }

    fn a_share_is_known_to_its_party_for_its_key_and_session<C: Curve>() {
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        let session = contexts(&mut rng).values().next().unwrap().session();
        let other_session = contexts(&mut rng).values().next().unwrap().session();
        let party = |index| PartyIndex::new(index).unwrap();
        let polynomial = Polynomial::<C>::random(quorate_sharing::Threshold::new(2).unwrap(), &mut rng);
        let share = polynomial.share(party(3));
        let known = prove_share::<C, Test>(&session, [7; 32], &share, &mut rng);
        let holds =
            |session, party, known: &Known, public| knows_share::<C, Test>(session, party, known, &public);
        assert!(holds(&session, party(3), &known, share.public()));
        assert!(!holds(&other_session, party(3), &known, share.public()));
        assert!(!holds(&session, party(2), &known, share.public()));
        assert!(!holds(&session, party(3), &known, polynomial.share(party(2)).public()));
        let another = prove_share::<C, Test>(&session, [7; 32], &share, &mut rng);
        assert_ne!(another.nonce, known.nonce);
        let mut response = known.clone();
        response.response[lowest::<C>()] ^= 1;
        let changed = [
            Known { key: [8; 32], ..known.clone() },
            Known { nonce: another.nonce, ..known.clone() },
            Known { nonce: Vec::new(), ..known.clone() },
            Known { response: [0xFF; 32], ..known },
            response,
        ];
        for known in &changed {
            assert!(!holds(&session, party(3), known, share.public()));
        }
    }

    macro_rules! on_every_curve {
        ($($name:ident),*) => {
            $(mod $name {
                #[test] fn on_ed25519() { super::$name::<super::Ed25519>(); }
                #[test] fn on_secp256k1() { super::$name::<super::Secp256k1>(); }
                #[test] fn on_p256() { super::$name::<super::P256>(); }
            })*
        };
    }
    on_every_curve!(
        who_cannot_prove_is_named_and_nobody_else,
        a_share_is_known_to_its_party_for_its_key_and_session
    );
}
