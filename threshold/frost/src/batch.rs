//! Many signatures at once.

use frost_core::{Ciphersuite, Signature as Decoded, VerifyingKey};
use frost_secp256k1_tr::Secp256K1Sha256TR;
use quorate_keys::{PublicKey, Scheme, Signature};
use quorate_sharing::{Curve, Secp256k1};
use rand_core::CryptoRngCore;

type Bip340 = Secp256K1Sha256TR;
type Term = (<Secp256k1 as Curve>::Scalar, <Secp256k1 as Curve>::Point);

/// A signature with what it should be of.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// Whose.
    pub key: &'a PublicKey,
    /// Of what.
    pub message: &'a [u8],
    /// The signature.
    pub signature: &'a Signature,
}

/// Verifies signatures, of one or several schemes and keys.
///
/// # Protocol
/// Those of BIP-340 together, as its section "Batch Verification" says: the sum of all equations, each multiplied by a random
/// weight of 128 bits, so that no errors cancel. Only if the sum fails are they verified one by one. With n of them this is
/// one multi-exponentiation of 2n + 1 terms instead of n of two.
///
/// Others are verified one by one. A batch of Ed25519 signatures means something else than the strict rule by which they
/// are verified here: a point of small order in a signature's commitment passes it, always (with the cofactor in the
/// equation) or by chance (without).
///
/// No signatures at all are a batch that verifies.
///
/// # Security
/// Whoever made the signatures must not be able to predict the weights, or wrong ones can be made whose errors cancel: `rng`
/// is one for cryptography, whose seed was not known when the batch was chosen. One wrong BIP-340 signature has the whole
/// batch verified one by one, on top of the sum: who sends them makes each batch that it gets one into cost more than
/// single verification. Timing depends on the signatures, which are public.
///
/// # Errors
/// The places of the signatures that don't verify, in order.
pub fn verify_batch(signed: &[Signed<'_>], rng: &mut dyn CryptoRngCore) -> Result<(), Vec<usize>> {
    let (together, alone): (Vec<_>, Vec<_>) =
        signed.iter().enumerate().partition(|(_, signed)| signed.key.scheme() == Scheme::Bip340);
    let sum_holds = sum_holds(together.iter().map(|(_, signed)| *signed), rng).unwrap_or(false);
    let doubtful = if sum_holds { alone } else { signed.iter().enumerate().collect() };
    let wrong = doubtful
        .into_iter()
        .filter(|(_, signed)| signed.key.verify(signed.message, signed.signature).is_err())
        .map(|(place, _)| place)
        .collect::<Vec<_>>();
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

/// Whether the weighted sum of the equations s·G = R + e·P holds. None if a key or signature is none.
fn sum_holds<'a>(signed: impl Iterator<Item = &'a Signed<'a>>, rng: &mut dyn CryptoRngCore) -> Option<bool> {
    let mut terms: Vec<Term> = Vec::new();
    let mut sum = Secp256k1::scalar_from_wide(&[0; 64]);
    for Signed { key, message, signature } in signed {
        // Points by their x coordinate, with the even y.
        let key = VerifyingKey::<Bip340>::deserialize(&[&[2], key.as_bytes()].concat()).ok()?;
        let signature = Decoded::<Bip340>::deserialize(signature.as_bytes()).ok()?;
        let challenge = Bip340::challenge(signature.R(), &key, message).ok()?.to_scalar();
        let weight = weight(rng);
        sum += weight * signature.z();
        terms.push((-weight, *signature.R()));
        terms.push((-(weight * challenge), key.to_element()));
    }
    let all = Secp256k1::mul_base(&sum) + Secp256k1::multi_exponentiate_vartime(&terms);
    Some(Secp256k1::is_identity(&all))
}

/// A weight of 128 bits, and not zero.
fn weight(rng: &mut dyn CryptoRngCore) -> <Secp256k1 as Curve>::Scalar {
    let mut wide = [0; 64];
    if let Some(low) = wide.last_chunk_mut::<16>() {
        rng.fill_bytes(low);
    }
    wide[47] |= u8::from(wide.iter().all(|byte| *byte == 0));
    Secp256k1::scalar_from_wide(&wide)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;
    use secp256k1_any_length::{Keypair, SecretKey};

    #[test]
    fn no_signatures_verify() {
        assert_eq!(verify_batch(&[], &mut ChaCha20Rng::seed_from_u64(1)), Ok(()));
    }

    #[test]
    fn right_signatures_are_not_looked_at_one_by_one() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let context = secp256k1_any_length::Secp256k1::new();
        let signed: Vec<_> = (1..20)
            .map(|seed| {
                let pair =
                    Keypair::from_secret_key(&context, &SecretKey::from_byte_array([seed; 32]).unwrap());
                let key =
                    PublicKey::from_bytes(Scheme::Bip340, &pair.x_only_public_key().0.serialize()).unwrap();
                let signature = context.sign_schnorr_no_aux_rand(&[seed; 32], &pair).to_byte_array();
                (key, [seed; 32], Signature::from_bytes(signature))
            })
            .collect();
        let signed: Vec<_> =
            signed.iter().map(|(key, message, signature)| Signed { key, message, signature }).collect();
        assert_eq!(sum_holds(signed.iter(), &mut rng), Some(true));
        let swapped = [Signed { message: signed[1].message, ..signed[0] }];
        assert_eq!(sum_holds(signed[1..].iter().chain(&swapped), &mut rng), Some(false));
    }
}
