//! libsecp256k1 and AWS-LC as second judges of ECDSA signatures and keys.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, UnparsedPublicKey,
};
use p256::elliptic_curve::sec1::ToEncodedPoint;
use proptest::prelude::*;
use quorate_keys::{Curve, GroupKey, PublicKey, Scheme, Signature, ecdsa};
use secp256k1::ecdsa::{RecoverableSignature, RecoveryId, Signature as Theirs};
use secp256k1::{Message, Secp256k1, SecretKey};
use sha2::{Digest, Sha256};

fn secp256k1_keys(secret: &[u8; 32]) -> (SecretKey, secp256k1::PublicKey, PublicKey) {
    let private = SecretKey::from_slice(secret).unwrap();
    let public = private.public_key(&Secp256k1::new());
    let ours = PublicKey::from_bytes(Scheme::EcdsaSecp256k1, &public.serialize_uncompressed()).unwrap();
    (private, public, ours)
}

proptest! {
    #[test]
    fn a_signature_of_libsecp256k1_is_valid_and_has_its_recovery_id(
        secret in prop::array::uniform32(1_u8..255),
        digest: [u8; 32],
    ) {
        let (private, _, key) = secp256k1_keys(&secret);
        let message = Message::from_digest(digest);
        let signed = Secp256k1::new().sign_ecdsa_recoverable(&message, &private);
        let (id, bytes) = signed.serialize_compact();
        let signature = Signature::from_bytes(bytes);
        prop_assert_eq!(key.verify(&digest, &signature), Ok(()));
        prop_assert_eq!(ecdsa::low_s(Scheme::EcdsaSecp256k1, &signature), Some(signature));
        prop_assert_eq!(ecdsa::recovery_id(&key, &digest, &signature).map(i32::from), Ok(id.to_i32()));
    }

    #[test]
    fn libsecp256k1_judges_and_recovers_as_we_do(
        secret in prop::array::uniform32(1_u8..255),
        nonce in prop::array::uniform32(1_u8..255),
        digest: [u8; 32],
        changed in prop::option::of(0_usize..64 * 8),
    ) {
        use k256::elliptic_curve::ops::{MulByGenerator, Reduce};
        use k256::elliptic_curve::point::AffineCoordinates;
        use k256::{ProjectivePoint, Scalar, U256};

        // Made by hand, so with a high s half of the time, and changed in one bit half of the time.
        let reduce = |bytes: &[u8; 32]| <Scalar as Reduce<U256>>::reduce_bytes(bytes.into());
        let point = ProjectivePoint::mul_by_generator(&reduce(&nonce)).to_affine();
        let r = reduce(&point.x().into());
        let s = (reduce(&digest) + r * reduce(&secret)) * reduce(&nonce).invert().unwrap();
        let mut bytes = <[u8; 64]>::try_from([r.to_bytes(), s.to_bytes()].concat()).unwrap();
        if let Some(bit) = changed {
            bytes[bit / 8] ^= 1 << (bit % 8);
        }

        let (_, public, key) = secp256k1_keys(&secret);
        let message = Message::from_digest(digest);
        let judge = Secp256k1::verification_only();
        let theirs = Theirs::from_compact(&bytes);
        let signature = Signature::from_bytes(bytes);
        let valid = theirs.is_ok_and(|theirs| judge.verify_ecdsa(&message, &theirs, &public).is_ok());
        prop_assert_eq!(key.verify(&digest, &signature).is_ok(), valid);
        // As they normalise it.
        let low = ecdsa::low_s(Scheme::EcdsaSecp256k1, &signature);
        let normalised = theirs.ok().map(|mut theirs| {
            theirs.normalize_s();
            theirs.serialize_compact()
        });
        prop_assert_eq!(low.map(|low| *low.as_bytes()), normalised);
        prop_assert!(changed.is_some() || low.is_some_and(|low| key.verify(&digest, &low).is_ok()));
        // The recovery id leads back to the key.
        if let Some((low, Ok(id))) = low.map(|low| (low, ecdsa::recovery_id(&key, &digest, &low))) {
            let id = RecoveryId::from_i32(i32::from(id)).unwrap();
            let recoverable = RecoverableSignature::from_compact(low.as_bytes(), id).unwrap();
            prop_assert_eq!(Secp256k1::new().recover_ecdsa(&message, &recoverable).unwrap(), public);
        }
    }

    #[test]
    fn libsecp256k1_reads_and_writes_the_same_keys(
        secret in prop::array::uniform32(1_u8..255),
        place in 0_usize..65,
        value: u8,
    ) {
        let (_, public, key) = secp256k1_keys(&secret);
        prop_assert_eq!(key.compressed(), Some(public.serialize()));
        let group = GroupKey::from_bytes(Curve::Secp256k1, &public.serialize()).unwrap();
        prop_assert_eq!(group.public_key(Scheme::EcdsaSecp256k1), Ok(key));
        let mut changed = public.serialize_uncompressed();
        changed[place] = value;
        // They also read the hybrid form, whose tag repeats the parity of y.
        let theirs = secp256k1::PublicKey::from_slice(&changed).is_ok() && changed[0] == 4;
        prop_assert_eq!(PublicKey::from_bytes(Scheme::EcdsaSecp256k1, &changed).is_ok(), theirs);
    }

    #[test]
    fn aws_lc_judges_p256_as_we_do(secret in prop::array::uniform32(1_u8..255), message: Vec<u8>, bit in 0_usize..64 * 8) {
        let public = p256::SecretKey::from_slice(&secret).unwrap().public_key();
        let (public, compressed) = (public.to_encoded_point(false), public.to_encoded_point(true));
        let key = PublicKey::from_bytes(Scheme::EcdsaP256, public.as_bytes()).unwrap();
        prop_assert_eq!(key.compressed().unwrap(), compressed.as_bytes());
        let group = GroupKey::from_bytes(Curve::P256, compressed.as_bytes()).unwrap();
        prop_assert_eq!(group.public_key(Scheme::EcdsaP256), Ok(key));

        let pair = EcdsaKeyPair::from_private_key_and_public_key(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            &secret,
            public.as_bytes(),
        )
        .unwrap();
        let signed = pair.sign(&SystemRandom::new(), &message).unwrap();
        let theirs = Signature::from_bytes(signed.as_ref().try_into().unwrap());
        let low = ecdsa::low_s(Scheme::EcdsaP256, &theirs).unwrap();
        let digest: [u8; 32] = Sha256::digest(&message).into();
        prop_assert_eq!(key.verify(&digest, &low), Ok(()));
        prop_assert_eq!(key.verify(&digest, &theirs).is_ok(), theirs == low);

        let judge = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public.as_bytes());
        prop_assert!(judge.verify(&message, low.as_bytes()).is_ok());
        let mut changed = *low.as_bytes();
        changed[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(judge.verify(&message, &changed).is_err());
        prop_assert!(key.verify(&digest, &Signature::from_bytes(changed)).is_err());
    }
}
