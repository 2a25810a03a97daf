//! Signatures of principals on P-256, judged by others: RFC 6979, OpenSSL, AWS-LC.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey,
};
use proptest::prelude::*;
use quorate_keys::{KeyType, Principal, Scheme, Secret, Signature, SigningPrincipal, ecdsa};

fn array<const N: usize>(text: &str) -> [u8; N] {
    hex::decode(text).unwrap().try_into().unwrap()
}

/// RFC 6979, A.2.5, with SHA-256.
#[test]
fn signatures_are_those_of_rfc_6979_with_low_s() {
    let secret = Secret::new(array("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721"));
    let key = SigningPrincipal::from_secret(KeyType::P256, &secret).unwrap();
    let principal = key.principal();
    // y of the vector ends in 99: odd.
    assert_eq!(principal.to_string(), "0x0360fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6");
    for (message, r, s, high) in [
        (
            "sample",
            "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716",
            "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
            true,
        ),
        (
            "test",
            "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367",
            "019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083",
            false,
        ),
    ] {
        let vector: [u8; 64] = array(&format!("{r}{s}"));
        let ours = key.sign(message.as_bytes());
        let low = ecdsa::low_s(Scheme::EcdsaP256, &Signature::from_bytes(vector)).unwrap();
        assert_eq!(&ours, low.as_bytes(), "{message}");
        assert_eq!(ours != vector, high, "{message}");
        assert!(principal.verify(message.as_bytes(), &ours));
        assert!(principal.verify(message.as_bytes(), &vector), "a high s is valid");
        assert!(!principal.verify(b"another", &vector));
    }
}

/// `openssl dgst -sha256 -sign`, of OpenSSL 3.0.
#[test]
fn signatures_of_openssl_are_valid_with_low_and_with_high_s() {
    let principal: Principal =
        "0x02605548c141f5be43f25decb5a12910d747e8a9febecea60bbd7d775bc284954a".parse().unwrap();
    let mut high = 0;
    for der in [
        "304502200454d9d04877cbd50ed9cce3b9fa3750b846b29412d2eca482333a6e5bf1df10\
         022100d71563b263cdb1cb3b3bd30dee9e5b459cdc09a519560820c1acaa1bcdbf842a",
        "304402206ad32a59864b5ed59327f391721e479883adc04f4e70794cfd3cfd0df33b0b2a\
         0220777085cff4c83ef6de2e92be2266e17de2898d20dedb6d738d1c0d09d0cb0356",
        "3046022100edd5f7c3ccd6cc805ea0ff618f8013002a13d28d751ed130420614e706d1847a\
         02210082aa04d19e72b213d08229d0a111a18e1962e88bf149cc762a216d84cac6595b",
    ] {
        let der = hex::decode(der).unwrap();
        let signature = ecdsa::p256_from_der(&der).unwrap();
        assert!(principal.verify(b"a request", signature.as_bytes()));
        assert!(!principal.verify(b"a Request", signature.as_bytes()));
        let low = ecdsa::low_s(Scheme::EcdsaP256, &signature).unwrap();
        assert!(principal.verify(b"a request", low.as_bytes()));
        high += u32::from(low != signature);
        for end in 0..der.len() {
            assert_eq!(ecdsa::p256_from_der(&der[..end]), None);
        }
        assert_eq!(ecdsa::p256_from_der(&[der.as_slice(), &[0]].concat()), None);
    }
    assert_eq!(high, 2);
    // `openssl pkeyutl -sign -rawin` with an Ed25519 key.
    let principal: Principal =
        "0x950d9349587f3ec0f51e25dee541bdfd13c3301f7b34ebcadb9e1ccd4bde6aee".parse().unwrap();
    let signature = array(
        "c26c17b66e8ab309ee7c35af20a9a4c22d0c49b92db26ac343d2a111db5b6fc2\
         40fc4a3977bcab569ade63f84cef6a7c7861de76101c4c35fdb9f18ec39fbc0d",
    );
    assert!(principal.verify(b"a request", &signature));
}

#[test]
fn r_and_s_are_from_one_to_the_order_minus_one() {
    let key = SigningPrincipal::from_secret(KeyType::P256, &Secret::new([7; 32])).unwrap();
    let signature = key.sign(b"message");
    let order = array::<32>("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    for outside in [[0; 32], order, [0xff; 32]] {
        for half in [0..32, 32..64] {
            let mut changed = signature;
            changed[half].copy_from_slice(&outside);
            assert!(!key.principal().verify(b"message", &changed));
        }
    }
}

proptest! {
    #[test]
    fn aws_lc_judges_as_we_do(
        secret in prop::array::uniform32(1_u8..255),
        message: Vec<u8>,
        high: bool,
        changed in prop::option::of(0_usize..64 * 8),
    ) {
        let key = SigningPrincipal::from_secret(KeyType::P256, &Secret::new(secret)).unwrap();
        let principal = key.principal();
        let mut signature = key.sign(&message);
        if high {
            signature = twin(&signature);
        }
        if let Some(bit) = changed {
            signature[bit / 8] ^= 1 << (bit % 8);
        }
        let theirs = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, principal.as_bytes());
        let valid = theirs.verify(&message, &signature).is_ok();
        prop_assert_eq!(principal.verify(&message, &signature), valid);
        prop_assert_eq!(valid, changed.is_none());
    }

    #[test]
    fn a_signature_of_aws_lc_is_valid(secret in prop::array::uniform32(1_u8..255), message: Vec<u8>) {
        let key = SigningPrincipal::from_secret(KeyType::P256, &Secret::new(secret)).unwrap();
        let theirs = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let public = theirs.public_key().as_ref();
        let mut compressed = [2 | (public[64] & 1); 33];
        compressed[1..].copy_from_slice(&public[1..33]);
        let principal = Principal::from_bytes(&compressed).unwrap();
        let signature = theirs.sign(&SystemRandom::new(), &message).unwrap();
        let signature = signature.as_ref().try_into().unwrap();
        prop_assert!(principal.verify(&message, &signature));
        prop_assert!(!key.principal().verify(&message, &signature));
    }
}

/// (r, n − s).
fn twin(signature: &[u8; 64]) -> [u8; 64] {
    use p256::elliptic_curve::PrimeField;
    let s = p256::Scalar::from_repr(<[u8; 32]>::try_from(&signature[32..]).unwrap().into()).unwrap();
    let mut twin = *signature;
    twin[32..].copy_from_slice(&(-s).to_repr());
    twin
}
