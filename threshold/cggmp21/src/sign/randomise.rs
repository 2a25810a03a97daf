//! A presignature, tied to one digest and one key.

use ff::Field;
use quorate_keys::{PublicKey, Transcript, derive};
use quorate_session::{Agreement, SetupError};
use quorate_sharing::PartyIndex;

use super::setup::{SignSetup, SignTask};
use crate::presign::refuse;
use crate::presignature::Presignature;
use crate::suite::{Suite, x_coordinate};

/// What is public of one signature before any share of it.
#[derive(Debug, Clone)]
pub(crate) struct Randomised<C: Suite> {
    /// The key that signs.
    pub(crate) public_key: PublicKey,
    /// ρ·R.
    nonce: C::Point,
    /// 1 / ρ.
    inverse: C::Scalar,
    /// r.
    r: C::Scalar,
    /// m + r·τ.
    factor: C::Scalar,
}

impl<C: Suite> Randomised<C> {
    /// Ties the presignature of a task to its digest and key, in this session.
    /// Refuses when there is no such key or the presignature is none, or by a chance that nobody will see.
    pub(crate) fn new(
        agreement: &Agreement,
        setup: &SignSetup,
        task: &SignTask,
        place: usize,
    ) -> Result<Self, SetupError> {
        let derived = derive(&setup.key.group_key, &setup.key.chain_code, &task.path).map_err(refuse)?;
        let public_key = derived.key.public_key(C::SCHEME).map_err(refuse)?;
        let tweak = C::scalar_from_bytes(&derived.tweak).ok_or_else(|| refuse("the tweak is no scalar"))?;
        let presignature = &task.presignature;
        let mut transcript = Transcript::new(b"quorate/cggmp21/randomise/v1")
            // Made of fresh bytes of every signer, after the presignature and the digest were fixed.
            .field("session", agreement.session().as_bytes())
            .field("place", &(place as u64).to_le_bytes())
            .field("curve", C::NAME.as_bytes())
            .field("presignature", &presignature.id.0)
            .field("nonce", &presignature.nonce)
            .field("key", public_key.as_bytes())
            .field("tweak", &derived.tweak)
            .field("digest", &task.digest);
        for member in agreement.committee().members() {
            transcript = transcript
                .field("signer", &member.index.get().to_le_bytes())
                .field("identity", member.identity.as_bytes());
        }
        let rho = C::scalar_from_wide(&transcript.wide());
        let nonce = C::decode(&presignature.nonce).ok_or_else(|| refuse("the nonce is no point"))?;
        let nonce = C::multi_exponentiate_vartime(&[(rho, nonce)]);
        let inverse = Option::<C::Scalar>::from(rho.invert()).ok_or_else(|| refuse("a factor of zero"))?;
        let r = x_coordinate::<C>(&nonce);
        if C::is_identity(&nonce) || bool::from(r.is_zero()) {
            return Err(refuse("a nonce without an x-coordinate"));
        }
        // Of the digest, the leftmost 256 bits: all.
        let factor = C::scalar_reduced(&task.digest) + r * tweak;
        Ok(Self { public_key, nonce, inverse, r, factor })
    }

    /// This signer's share σᵢ. Uses the presignature up.
    #[allow(clippy::needless_pass_by_value, reason = "a presignature is used once")]
    pub(crate) fn sign(&self, presignature: Presignature) -> Result<C::Scalar, SetupError> {
        let scalars = presignature.scalars::<C>().ok_or_else(|| refuse("a presignature is no scalars"))?;
        let [k, chi] = &*scalars;
        Ok(self.inverse * (*k * self.factor + self.r * chi))
    }

    /// Whether a share is right: σᵢ·ρ·R = (m + r·τ)·Δ̃ᵢ + r·S̃ᵢ. Nothing when the presignature has no such signer.
    pub(crate) fn is_right(&self, task: &SignTask, signer: PartyIndex, share: &C::Scalar) -> Option<bool> {
        let check = task.presignature.checks.get(&signer)?;
        let (nonce, key) = (C::decode(&check.nonce)?, C::decode(&check.key)?);
        let terms = [(self.factor, nonce), (self.r, key), (-*share, self.nonce)];
        Some(C::is_identity(&C::multi_exponentiate_vartime(&terms)))
    }

    /// r and s, for the sum s of all shares: not yet normalised or verified.
    pub(crate) fn signature(&self, sum: &C::Scalar) -> [u8; 64] {
        let mut bytes = [0; 64];
        let halves = [C::scalar_to_bytes(&self.r), C::scalar_to_bytes(sum)];
        bytes.iter_mut().zip(halves.iter().flatten()).for_each(|(to, from)| *to = *from);
        bytes
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use std::collections::BTreeMap;

    use quorate_keys::{ChainCode, GroupKey};
    use quorate_session::ProtocolId;
    use quorate_sharing::{Curve, PublicShares, Secp256k1};
    use quorate_simulator::Cast;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;
    use crate::presignature::{PresignatureId, PublicPresignature};

    type C = Secp256k1;

    /// Of the same setup digest, whatever the setup is: so only what goes into ρ by itself shows.
    fn agreement(cast: &Cast, signers: &[u16], seed: u64) -> Agreement {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let committee = cast.subset(signers);
        let id = ProtocolId::new("test", "test", 1);
        let contexts = cast.agree(&committee, id, [1; 32], 0, &mut rng);
        contexts.values().next().unwrap().agreement().clone()
    }

    fn point(factor: u64) -> Vec<u8> {
        C::encode(&C::mul_base(&factor.into()))
    }

    #[test]
    fn whatever_is_signed_changes_the_factor_of_the_nonce() {
        let cast = Cast::new(2, 3, 1);
        let session = agreement(&cast, &[1, 2], 1);
        let presignature = PublicPresignature {
            id: PresignatureId([1; 32]),
            key: [2; 32],
            nonce: point(3),
            checks: BTreeMap::new(),
        };
        let task = SignTask { digest: [4; 32], path: "m/1".parse().unwrap(), presignature };
        let key = |factor| PublicShares {
            group_key: GroupKey::from_bytes(C::ID, &point(factor)).unwrap(),
            chain_code: ChainCode::new([6; 32]),
            epoch: 0,
            committee: cast.committee().clone(),
            verifying_shares: BTreeMap::new(),
        };
        let setup = |factor| SignSetup {
            key: key(factor),
            aggregator: PartyIndex::new(1).unwrap(),
            tasks: vec![task.clone()],
        };
        let usual = setup(5);
        let factor = |agreement: &Agreement, setup: &SignSetup, task: &SignTask, place| {
            C::scalar_to_bytes(&Randomised::<C>::new(agreement, setup, task, place).unwrap().inverse)
        };
        let changed = |change: &dyn Fn(&mut SignTask)| {
            let mut task = task.clone();
            change(&mut task);
            factor(&session, &usual, &task, 0)
        };
        let usual_factor = factor(&session, &usual, &task, 0);
        assert_eq!(factor(&session, &usual, &task, 0), usual_factor, "nothing else goes into it");
        let root = |task: &mut SignTask| task.path = "m".parse().unwrap();
        let mut other_root = task.clone();
        root(&mut other_root);
        let factors = [
            usual_factor,
            changed(&|task| task.digest[31] ^= 1),
            changed(&|task| task.presignature.id = PresignatureId([9; 32])),
            changed(&|task| task.presignature.nonce = point(4)),
            changed(&|task| task.path = "m/2".parse().unwrap()),
            changed(&root),
            // Of both, the tweak is zero: only the keys differ.
            factor(&session, &setup(7), &other_root, 0),
            factor(&session, &usual, &task, 1),
            // Other fresh bytes, and other signers.
            factor(&agreement(&cast, &[1, 2], 2), &usual, &task, 0),
            factor(&agreement(&cast, &[1, 3], 1), &usual, &task, 0),
        ];
        let distinct: std::collections::BTreeSet<_> = factors.iter().collect();
        assert_eq!(distinct.len(), factors.len());
    }
}
