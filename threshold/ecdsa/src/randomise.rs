//! A presignature, tied to one digest and one key.

use ff::Field;
use quorate_keys::{DerivationPath, PublicKey, Signature, Transcript, derive, ecdsa};
use quorate_session::{Agreement, Made, SetupError};
use quorate_sharing::PublicShares;

use crate::presignature::PresignatureId;
use crate::suite::{Suite, x_coordinate};

/// What is signed, and with what.
#[derive(Debug, Clone, Copy)]
pub struct Signing<'a> {
    /// Its place in the session.
    pub place: usize,
    /// The digest to sign.
    pub digest: [u8; 32],
    /// Leads from the wallet's key to the child that signs.
    pub path: &'a DerivationPath,
    /// The presignature to use.
    pub presignature: PresignatureId,
    /// Its R, encoded.
    pub nonce: &'a [u8],
}

/// What is public of one signature before any share of it: its nonce is ρ·R, with ρ a hash of everything that is signed and of fresh bytes of
/// every signer.
///
/// # Security
/// Presignatures are never used as they are: who knows R beforehand and chooses a digest or a child to sign forges a signature of another one
/// (Groth and Shoup, ePrint 2021/1330). The fresh bytes are drawn after each signer has seen what is to be signed.
#[derive(Debug, Clone)]
pub struct Randomised<C: Suite> {
    /// The key that signs.
    pub public_key: PublicKey,
    /// ρ·R.
    pub nonce: C::Point,
    /// 1 / ρ.
    pub inverse: C::Scalar,
    /// r.
    pub r: C::Scalar,
    /// m + r·τ, where τ leads from the wallet's key to the child that signs.
    pub factor: C::Scalar,
    digest: [u8; 32],
}

impl<C: Suite> Randomised<C> {
    /// Ties a presignature to a digest and a key, in this session.
    ///
    /// # Errors
    /// When there is no such key or the presignature is none, or by a chance that nobody will see.
    pub fn new(agreement: &Agreement, key: &PublicShares, signing: &Signing<'_>) -> Result<Self, SetupError> {
        let derived = derive(&key.group_key, &key.chain_code, signing.path).map_err(SetupError::because)?;
        let public_key = derived.key.public_key(C::SCHEME).map_err(SetupError::because)?;
        let tweak = C::scalar_from_bytes(&derived.tweak)
            .ok_or_else(|| SetupError::because("the tweak is no scalar"))?;
        let mut transcript = Transcript::new(b"quorate/ecdsa/randomise/v1")
            // Made of fresh bytes of every signer, after the presignature and the digest were fixed.
            .field("session", agreement.session().as_bytes())
            .field("place", &(signing.place as u64).to_le_bytes())
            .field("curve", C::NAME.as_bytes())
            .field("presignature", &signing.presignature.0)
            .field("nonce", signing.nonce)
            .field("key", public_key.as_bytes())
            .field("tweak", &derived.tweak)
            .field("digest", &signing.digest);
        for member in agreement.committee().members() {
            transcript = transcript
                .field("signer", &member.index.get().to_le_bytes())
                .field("identity", member.identity.as_bytes());
        }
        let rho = C::scalar_from_wide(&transcript.wide());
        let nonce = C::decode(signing.nonce).ok_or_else(|| SetupError::because("the nonce is no point"))?;
        let nonce = C::multi_exponentiate_vartime(&[(rho, nonce)]);
        let inverse =
            Option::<C::Scalar>::from(rho.invert()).ok_or_else(|| SetupError::because("a factor of zero"))?;
        let r = x_coordinate::<C>(&nonce);
        if C::is_identity(&nonce) || bool::from(r.is_zero()) {
            return Err(SetupError::because("a nonce without an x-coordinate"));
        }
        // Of the digest, the leftmost 256 bits: all.
        let factor = C::scalar_reduced(&signing.digest) + r * tweak;
        Ok(Self { public_key, nonce, inverse, r, factor, digest: signing.digest })
    }

    /// The signature with this s, with a low one, if it verifies.
    #[must_use]
    pub fn signature(&self, s: &C::Scalar) -> Option<Made> {
        let mut bytes = [0; 64];
        let halves = [C::scalar_to_bytes(&self.r), C::scalar_to_bytes(s)];
        bytes.iter_mut().zip(halves.iter().flatten()).for_each(|(to, from)| *to = *from);
        let signature = ecdsa::low_s(C::SCHEME, &Signature::from_bytes(bytes))?;
        self.public_key.verify(&self.digest, &signature).ok()?;
        Some(Made { signature, public_key: self.public_key })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use std::collections::{BTreeMap, BTreeSet};

    use quorate_keys::{ChainCode, GroupKey};
    use quorate_session::ProtocolId;
    use quorate_sharing::{Curve, Secp256k1};
    use quorate_simulator::Cast;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

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
        let key = |factor| PublicShares {
            group_key: GroupKey::from_bytes(C::ID, &point(factor)).unwrap(),
            chain_code: ChainCode::new([6; 32]),
            epoch: 0,
            committee: cast.committee().clone(),
            verifying_shares: BTreeMap::new(),
        };
        let [root, child, other] = ["m", "m/1", "m/2"].map(|path| path.parse::<DerivationPath>().unwrap());
        let [nonce, other_nonce] = [point(3), point(4)];
        let presignature = PresignatureId([1; 32]);
        let usual = Signing { place: 0, digest: [4; 32], path: &child, presignature, nonce: &nonce };
        let factor = |agreement: &Agreement, key_factor, signing: Signing<'_>| {
            C::scalar_to_bytes(&Randomised::<C>::new(agreement, &key(key_factor), &signing).unwrap().inverse)
        };
        let of = |signing| factor(&session, 5, signing);
        assert_eq!(of(usual), of(usual), "nothing else goes into it");
        let factors = [
            of(usual),
            of(Signing { digest: [5; 32], ..usual }),
            of(Signing { presignature: PresignatureId([9; 32]), ..usual }),
            of(Signing { nonce: &other_nonce, ..usual }),
            of(Signing { path: &other, ..usual }),
            of(Signing { path: &root, ..usual }),
            // Of both, the tweak is zero: only the keys differ.
            factor(&session, 7, Signing { path: &root, ..usual }),
            of(Signing { place: 1, ..usual }),
            // Other fresh bytes, and other signers.
            factor(&agreement(&cast, &[1, 2], 2), 5, usual),
            factor(&agreement(&cast, &[1, 3], 1), 5, usual),
        ];
        let distinct: BTreeSet<_> = factors.iter().collect();
        assert_eq!(distinct.len(), factors.len());
    }
}
