//! ECDSA on secp256k1 and P-256: what a signature says besides being valid.
//!
//! Messages are digests of 32 bytes, which chains and callers make themselves. A signature is `r‖s`, both big-endian,
//! both from 1 to n − 1, and s not above half the order n: the signature (r, n − s) of the same key and digest, which
//! anybody can make of it, is refused. [`low_s`] turns the one into the other.

use k256::elliptic_curve::ops::{Invert, Reduce};
use k256::elliptic_curve::point::AffineCoordinates;
use k256::elliptic_curve::scalar::IsHigh;
use k256::elliptic_curve::{AffinePoint, Field, Group, PrimeField, ProjectivePoint, Scalar};

use crate::multi_exponentiation::multi_exponentiate_vartime;
use crate::public_key::{EcdsaKey, PublicKey};
use crate::scheme::Scheme;
use crate::signature::{InvalidSignature, Signature};
use crate::transcript::split;
use crate::weierstrass::{self, Weierstrass};

/// Why a signature has no recovery id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoRecoveryId {
    /// The key is of a scheme that has none.
    #[error("signatures of {0} have no recovery id")]
    Scheme(Scheme),
    /// The signature is not valid, or its s is high.
    #[error(transparent)]
    Invalid(#[from] InvalidSignature),
    /// The signature is valid, but x of its nonce point is not below the group order, so that r is not x itself. Verifiers
    /// that recover the key take no such signature: sign again. Chance: 2⁻¹²⁸ on secp256k1, 2⁻³² on P-256.
    #[error(
        "x of the nonce point is not below the group order, so the signature has no recovery id 0 or 1: sign again"
    )]
    Overflow,
}

/// The recovery id of a signature: 0 if y of its nonce point is even, 1 if it is odd.
///
/// With it, the key can be computed from digest and signature. Verifies the signature on the way.
///
/// # Errors
/// When the key is no ECDSA key, the signature is not valid for key and digest, or has no such id.
pub fn recovery_id(key: &PublicKey, digest: &[u8; 32], signature: &Signature) -> Result<u8, NoRecoveryId> {
    match key.ecdsa().ok_or(NoRecoveryId::Scheme(key.scheme()))? {
        EcdsaKey::Secp256k1(key) => parity::<k256::Secp256k1>(key, digest, signature),
        EcdsaKey::P256(key) => parity::<p256::NistP256>(key, digest, signature),
    }
}

/// The one of `signature` and its twin (r, n − s) that has the lower s.
///
/// Nothing when the scheme is not ECDSA, or r or s not from 1 to n − 1. Whether the signature is valid is not looked at.
#[must_use]
pub fn low_s(scheme: Scheme, signature: &Signature) -> Option<Signature> {
    match scheme {
        Scheme::EcdsaSecp256k1 => lower::<k256::Secp256k1>(signature),
        Scheme::EcdsaP256 => lower::<p256::NistP256>(signature),
        Scheme::Bip340 | Scheme::Ed25519 => None,
    }
}

/// The signature r‖s of one in DER (SEC 1, C.5), as key-management services and OpenSSL give it, on P-256.
///
/// Nothing when it is not in DER, or r or s not from 1 to n − 1. Whether s is low, and the signature valid, is not looked at.
#[must_use]
pub fn p256_from_der(der: &[u8]) -> Option<Signature> {
    let signature = p256::ecdsa::Signature::from_der(der).ok()?;
    Some(Signature::from_bytes(signature.to_bytes().into()))
}

/// Whether a signature is valid, with low s.
pub(crate) fn verify<C: Weierstrass>(key: &[u8; 65], digest: &[u8; 32], signature: &Signature) -> bool {
    nonce_point::<C>(key, digest, signature).is_some()
}

/// The point R = (z/s)·G + (r/s)·Q, if its x is r modulo the group order: if the signature is valid.
fn nonce_point<C: Weierstrass>(
    key: &[u8; 65],
    digest: &[u8; 32],
    signature: &Signature,
) -> Option<AffinePoint<C>> {
    let key = ProjectivePoint::<C>::from(weierstrass::decode::<C>(key)?);
    let (r, s) = scalars::<C>(signature).filter(|(_, s)| !bool::from(s.is_high()))?;
    // As long as the order, so nothing is cut off; one that is not below the order is reduced.
    let digest = reduced::<C>(*digest);
    let inverse = Option::<Scalar<C>>::from(s.invert_vartime())?;
    let point = multi_exponentiate_vartime::<C>(&(digest * inverse), &[(r * inverse, key)]);
    if bool::from(point.is_identity()) {
        return None;
    }
    let point: AffinePoint<C> = point.into();
    (reduced::<C>(point.x().into()) == r).then_some(point)
}

fn parity<C: Weierstrass>(
    key: &[u8; 65],
    digest: &[u8; 32],
    signature: &Signature,
) -> Result<u8, NoRecoveryId> {
    let point = nonce_point::<C>(key, digest, signature).ok_or(InvalidSignature)?;
    let (r, _) = split(signature.as_bytes());
    if <[u8; 32]>::from(point.x()) != r {
        return Err(NoRecoveryId::Overflow);
    }
    Ok(point.y_is_odd().unwrap_u8())
}

fn lower<C: Weierstrass>(signature: &Signature) -> Option<Signature> {
    let (r, s) = scalars::<C>(signature)?;
    let low = if bool::from(s.is_high()) { -s } else { s };
    let mut bytes = [0; 64];
    for (half, scalar) in bytes.chunks_exact_mut(32).zip([r, low]) {
        half.copy_from_slice(&scalar.to_repr());
    }
    Some(Signature::from_bytes(bytes))
}

/// r and s, both from 1 to n − 1.
fn scalars<C: Weierstrass>(signature: &Signature) -> Option<(Scalar<C>, Scalar<C>)> {
    let scalar = |bytes: [u8; 32]| {
        let scalar = Option::<Scalar<C>>::from(Scalar::<C>::from_repr(bytes.into()))?;
        (!scalar.is_zero_vartime()).then_some(scalar)
    };
    let (r, s) = split(signature.as_bytes());
    Some((scalar(r)?, scalar(s)?))
}

fn reduced<C: Weierstrass>(bytes: [u8; 32]) -> Scalar<C> {
    <Scalar<C> as Reduce<C::Uint>>::reduce_bytes(&bytes.into())
}

#[cfg(test)]
mod tests {
    use k256::elliptic_curve::ops::MulByGenerator;

    use super::*;

    /// A curve with its scheme.
    trait Ecdsa: Weierstrass {
        const SCHEME: Scheme;
    }

    impl Ecdsa for k256::Secp256k1 {
        const SCHEME: Scheme = Scheme::EcdsaSecp256k1;
    }

    impl Ecdsa for p256::NistP256 {
        const SCHEME: Scheme = Scheme::EcdsaP256;
    }

    /// One test on both curves.
    macro_rules! on_both_curves {
        ($($name:ident),* $(,)?) => {
            mod on_secp256k1 {
                $(#[test] fn $name() { super::$name::<k256::Secp256k1>(); })*
            }

            mod on_p256 {
                $(#[test] fn $name() { super::$name::<p256::NistP256>(); })*
            }
        };
    }

    on_both_curves!(
        only_the_signature_with_low_s_is_valid,
        a_signature_is_for_one_key_and_digest,
        a_message_that_is_no_digest_is_refused,
        a_digest_that_is_not_below_the_order_is_reduced,
        r_and_s_are_from_one_to_the_order_minus_one,
        the_recovery_id_is_the_parity_of_the_nonce_point,
        a_signature_whose_x_is_not_below_the_order_is_valid_and_has_no_recovery_id,
        the_compressed_form_is_the_same_point,
        keys_have_one_encoding,
    );

    /// One more than the greatest scalar, which is even.
    fn order<C: Ecdsa>() -> [u8; 32] {
        let mut bytes: [u8; 32] = (-Scalar::<C>::ONE).to_repr().into();
        bytes[31] += 1;
        bytes
    }

    fn key<C: Ecdsa>(point: ProjectivePoint<C>) -> PublicKey {
        let bytes = weierstrass::uncompress::<C>(&point.into()).unwrap();
        PublicKey::from_bytes(C::SCHEME, &bytes).unwrap()
    }

    fn public<C: Ecdsa>(secret: u64) -> PublicKey {
        key::<C>(ProjectivePoint::<C>::mul_by_generator(&Scalar::<C>::from(secret)))
    }

    fn join<C: Ecdsa>(r: Scalar<C>, s: Scalar<C>) -> Signature {
        let halves: Vec<u8> = [r.to_repr(), s.to_repr()].concat();
        Signature::from_bytes(halves.try_into().unwrap())
    }

    /// The signature as it comes, with high or low s, and whether y of its nonce point is odd.
    fn sign<C: Ecdsa>(secret: u64, nonce: u64, digest: [u8; 32]) -> (Signature, bool) {
        let (secret, nonce) = (Scalar::<C>::from(secret), Scalar::<C>::from(nonce));
        let point: AffinePoint<C> = ProjectivePoint::<C>::mul_by_generator(&nonce).into();
        let r = reduced::<C>(point.x().into());
        let s = (reduced::<C>(digest) + r * secret) * nonce.invert_vartime().unwrap();
        (join::<C>(r, s), point.y_is_odd().into())
    }

    fn twin<C: Ecdsa>(signature: &Signature) -> Signature {
        let (r, s) = scalars::<C>(signature).unwrap();
        join::<C>(r, -s)
    }

    fn low<C: Ecdsa>(signature: &Signature) -> Signature {
        low_s(C::SCHEME, signature).unwrap()
    }

    fn only_the_signature_with_low_s_is_valid<C: Ecdsa>() {
        let (mut high, digest) = (0, [9; 32]);
        for nonce in 1..40 {
            let (signature, _) = sign::<C>(7, nonce, digest);
            let valid = low::<C>(&signature);
            let refused = twin::<C>(&valid);
            assert!(valid == signature || refused == signature);
            high += u32::from(refused == signature);
            assert_eq!(public::<C>(7).verify(&digest, &valid), Ok(()));
            assert_eq!(public::<C>(7).verify(&digest, &refused), Err(InvalidSignature));
            assert_eq!(
                recovery_id(&public::<C>(7), &digest, &refused),
                Err(NoRecoveryId::Invalid(InvalidSignature))
            );
            assert_eq!((low::<C>(&valid), low::<C>(&refused)), (valid, valid));
        }
        assert!((1..39).contains(&high));
        // (n − 1)/2 is low, and one more is high.
        let half = Scalar::<C>::from(2).invert_vartime().unwrap();
        let highest = join::<C>(Scalar::<C>::ONE, -half);
        assert_eq!(low::<C>(&highest), highest);
        assert_eq!(low::<C>(&join::<C>(Scalar::<C>::ONE, half)), highest);
    }

    fn a_signature_is_for_one_key_and_digest<C: Ecdsa>() {
        let signature = low::<C>(&sign::<C>(7, 11, [9; 32]).0);
        let valid = |key: PublicKey, digest: &[u8; 32], signature: &Signature| {
            let valid = key.verify(digest, signature).is_ok();
            assert_eq!(recovery_id(&key, digest, signature).is_ok(), valid);
            assert_eq!(key.verify_recoverable(digest, signature).is_ok(), valid);
            valid
        };
        assert!(valid(public::<C>(7), &[9; 32], &signature));
        assert!(!valid(public::<C>(8), &[9; 32], &signature));
        assert!(!valid(public::<C>(7), &[8; 32], &signature));
        for bit in 0..512 {
            let mut changed = *signature.as_bytes();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(!valid(public::<C>(7), &[9; 32], &Signature::from_bytes(changed)), "bit {bit}");
        }
        // With the nonce's point the identity: s·0 = z + r·x.
        let r = Scalar::<C>::from(5);
        let digest = -(r * Scalar::<C>::from(7));
        let digest: [u8; 32] = digest.to_repr().into();
        assert!(!valid(public::<C>(7), &digest, &join::<C>(r, Scalar::<C>::ONE)));
    }

    fn a_message_that_is_no_digest_is_refused<C: Ecdsa>() {
        let signature = low::<C>(&sign::<C>(7, 11, [9; 32]).0);
        for length in [0, 1, 20, 31, 33, 48, 64] {
            assert_eq!(public::<C>(7).verify(&vec![9; length], &signature), Err(InvalidSignature));
        }
    }

    fn a_digest_that_is_not_below_the_order_is_reduced<C: Ecdsa>() {
        let mut sum = order::<C>();
        sum[31] += 3;
        let mut three = [0; 32];
        three[31] = 3;
        for (digest, same) in [(sum, three), (three, sum), (order::<C>(), [0; 32])] {
            let signature = low::<C>(&sign::<C>(7, 11, digest).0);
            assert_eq!(public::<C>(7).verify(&digest, &signature), Ok(()));
            assert_eq!(public::<C>(7).verify(&same, &signature), Ok(()));
        }
        let greatest = low::<C>(&sign::<C>(7, 11, [0xFF; 32]).0);
        assert_eq!(public::<C>(7).verify(&[0xFF; 32], &greatest), Ok(()));
    }

    fn r_and_s_are_from_one_to_the_order_minus_one<C: Ecdsa>() {
        let signature = low::<C>(&sign::<C>(7, 11, [9; 32]).0);
        for outside in [[0; 32], order::<C>(), [0xFF; 32]] {
            for half in [0..32, 32..64] {
                let mut bytes = *signature.as_bytes();
                bytes[half].copy_from_slice(&outside);
                let changed = Signature::from_bytes(bytes);
                assert_eq!(public::<C>(7).verify(&[9; 32], &changed), Err(InvalidSignature));
                assert_eq!(low_s(C::SCHEME, &changed), None);
            }
        }
    }

    fn the_recovery_id_is_the_parity_of_the_nonce_point<C: Ecdsa>() {
        let mut seen = [0, 0];
        for nonce in 1..40 {
            let (signature, odd) = sign::<C>(7, nonce, [9; 32]);
            let valid = low::<C>(&signature);
            // With −s the nonce is −k, and its point the other of the two with this x.
            let id = recovery_id(&public::<C>(7), &[9; 32], &valid).unwrap();
            assert_eq!(public::<C>(7).verify_recoverable(&[9; 32], &valid).unwrap(), Some(id));
            assert_eq!(id, u8::from(odd != (valid != signature)));
            seen[usize::from(id)] += 1;
        }
        assert!(seen[0] > 0 && seen[1] > 0, "{seen:?}");
    }

    fn a_signature_whose_x_is_not_below_the_order_is_valid_and_has_no_recovery_id<C: Ecdsa>() {
        // Nobody knows the nonce of such a point, but a key for it can be computed: Q = (s·R − z·G)/r.
        let mut candidates = (1_u8..100).filter_map(|above| {
            let mut compressed = [2; 33];
            compressed[1..].copy_from_slice(&order::<C>());
            compressed[32] += above;
            Some((Scalar::<C>::from(u64::from(above)), weierstrass::decode::<C>(&compressed)?))
        });
        let (r, point) = candidates.next().unwrap();
        let (s, z) = (Scalar::<C>::from(12_345), reduced::<C>([9; 32]));
        let inverse = r.invert_vartime().unwrap();
        let public = ProjectivePoint::<C>::from(point) * (s * inverse)
            - ProjectivePoint::<C>::mul_by_generator(&(z * inverse));
        let (key, signature) = (key::<C>(public), join::<C>(r, s));
        assert_eq!(key.verify(&[9; 32], &signature), Ok(()));
        assert_eq!(recovery_id(&key, &[9; 32], &signature), Err(NoRecoveryId::Overflow));
        assert_eq!(key.verify_recoverable(&[9; 32], &signature).unwrap(), None);
    }

    fn the_compressed_form_is_the_same_point<C: Ecdsa>() {
        for secret in 1..20 {
            let key = public::<C>(secret);
            let point = weierstrass::decode::<C>(&key.compressed().unwrap()).unwrap();
            assert_eq!(weierstrass::uncompress::<C>(&point).unwrap(), key.as_bytes());
        }
    }

    fn keys_have_one_encoding<C: Ecdsa>() {
        use crate::public_key::InvalidPublicKey;

        let key = public::<C>(7);
        assert_eq!(PublicKey::from_hex(C::SCHEME, &key.to_string()), Ok(key));
        let bytes = borsh::to_vec(&key).unwrap();
        assert_eq!((bytes.len(), &bytes[1..]), (66, key.as_bytes()));
        assert_eq!(borsh::from_slice::<PublicKey>(&bytes).unwrap(), key);
        for end in 0..bytes.len() {
            assert!(borsh::from_slice::<PublicKey>(&bytes[..end]).is_err());
        }
        let refused = |change: &dyn Fn(&mut [u8; 65])| {
            let mut changed: [u8; 65] = key.as_bytes().try_into().unwrap();
            change(&mut changed);
            PublicKey::from_bytes(C::SCHEME, &changed).unwrap_err()
        };
        // 6 and 7 are the hybrid forms of old standards.
        for tag in (0..=255).filter(|tag| *tag != 4) {
            assert_eq!(refused(&|bytes| bytes[0] = tag), InvalidPublicKey::NotCanonical, "tag {tag}");
        }
        assert_eq!(refused(&|bytes| bytes[64] ^= 1), InvalidPublicKey::NotAPoint);
        assert_eq!(refused(&|bytes| bytes[1..].fill(0)), InvalidPublicKey::NotAPoint);
        assert_eq!(refused(&|bytes| bytes[1..33].fill(0xFF)), InvalidPublicKey::NotAPoint);
        assert_eq!(refused(&|bytes| bytes[33..].fill(0xFF)), InvalidPublicKey::NotAPoint);
        let compressed = key.compressed().unwrap();
        let length = InvalidPublicKey::Length { expected: 65, got: 33 };
        assert_eq!(PublicKey::from_bytes(C::SCHEME, &compressed), Err(length));
    }

    #[test]
    fn a_key_of_one_curve_is_none_of_the_other() {
        let (secp256k1, p256) = (public::<k256::Secp256k1>(7), public::<p256::NistP256>(7));
        assert!(PublicKey::from_bytes(Scheme::EcdsaP256, secp256k1.as_bytes()).is_err());
        assert!(PublicKey::from_bytes(Scheme::EcdsaSecp256k1, p256.as_bytes()).is_err());
    }

    #[test]
    fn other_schemes_have_neither_recovery_ids_nor_a_low_s() {
        let signature = Signature::from_bytes([1; 64]);
        for (scheme, generator) in [
            (Scheme::Bip340, "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"),
            (Scheme::Ed25519, "5866666666666666666666666666666666666666666666666666666666666666"),
        ] {
            let key = PublicKey::from_hex(scheme, &format!("0x{generator}")).unwrap();
            assert_eq!(recovery_id(&key, &[9; 32], &signature), Err(NoRecoveryId::Scheme(scheme)));
            assert_eq!((low_s(scheme, &signature), key.compressed()), (None, None));
        }
    }
}
