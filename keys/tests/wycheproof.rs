//! Wycheproof's vectors: for Ed25519 through public keys and through identities, for ECDSA through public keys, on P-256
//! through principals, too.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use der::{Decode, Reader, SliceReader, asn1::UintRef};
use quorate_keys::{Identity, Principal, PublicKey, Scheme, Signature, ecdsa};
use serde_json::Value;
use sha2::{Digest, Sha256};

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

#[test]
fn every_vector_of_wycheproof_is_judged_as_it_says() {
    let vectors: Value = serde_json::from_str(include_str!("data/wycheproof-ed25519.json")).unwrap();
    let mut judged = 0;
    for group in vectors["testGroups"].as_array().unwrap() {
        let key = bytes(&group["publicKey"]["pk"]);
        let public_key = PublicKey::from_bytes(Scheme::Ed25519, &key).unwrap();
        let identity = Identity::from_bytes(key.try_into().unwrap()).unwrap();
        for test in group["tests"].as_array().unwrap() {
            let message = bytes(&test["msg"]);
            // A signature of another length than 64 has no type here: it is refused before it is verified.
            let signature = <[u8; 64]>::try_from(bytes(&test["sig"]));
            let valid = test["result"] == "valid";
            let by_key = signature
                .as_ref()
                .is_ok_and(|s| public_key.verify(&message, &Signature::from_bytes(*s)).is_ok());
            let by_identity = signature.as_ref().is_ok_and(|s| identity.verify(&message, s));
            assert_eq!((by_key, by_identity), (valid, valid), "test {}: {}", test["tcId"], test["comment"]);
            judged += 1;
        }
    }
    assert_eq!(judged, vectors["numberOfTests"]);
    assert_eq!(judged, 151);
}

/// r and s of a signature in DER, strictly read; nothing when one of them has more than 32 bytes.
fn from_der(signature: &[u8]) -> Option<Signature> {
    let mut reader = SliceReader::new(signature).ok()?;
    let read = reader.sequence(|inner| Ok((UintRef::decode(inner)?, UintRef::decode(inner)?)));
    let (r, s) = reader.finish(read.ok()?).ok()?;
    let mut bytes = [0; 64];
    for (half, number) in bytes.chunks_exact_mut(32).zip([r, s]) {
        let start = half.len().checked_sub(number.as_bytes().len())?;
        half[start..].copy_from_slice(number.as_bytes());
    }
    Some(Signature::from_bytes(bytes))
}

/// What the vectors of one curve came to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    judged: u64,
    valid: u64,
    /// Of the valid ones.
    high_s: u64,
    /// Of the valid ones.
    no_recovery_id: u64,
}

/// Judges every vector: a valid one is valid with low s, and an invalid one is invalid with either.
fn judge(scheme: Scheme, vectors: &str) -> Count {
    let vectors: Value = serde_json::from_str(vectors).unwrap();
    let mut count = Count::default();
    for group in vectors["testGroups"].as_array().unwrap() {
        assert_eq!(group["sha"], "SHA-256");
        let key = PublicKey::from_bytes(scheme, &bytes(&group["publicKey"]["uncompressed"])).unwrap();
        for test in group["tests"].as_array().unwrap() {
            let told = format!("test {}: {}", test["tcId"], test["comment"]);
            let digest: [u8; 32] = Sha256::digest(bytes(&test["msg"])).into();
            let given = from_der(&bytes(&test["sig"]));
            let low = given.and_then(|signature| ecdsa::low_s(scheme, &signature));
            let accepted = |signature: Option<Signature>| {
                signature.is_some_and(|signature| key.verify(&digest, &signature).is_ok())
            };
            let valid = test["result"] == "valid";
            assert!(valid || test["result"] == "invalid", "{told}");
            let is_low = given == low;
            assert_eq!(accepted(low), valid, "{told}");
            assert_eq!(accepted(given), valid && is_low, "{told}");
            if scheme == Scheme::EcdsaP256 {
                let principal = Principal::from_bytes(&key.compressed().unwrap()).unwrap();
                let given = ecdsa::p256_from_der(&bytes(&test["sig"]));
                let accepted = given
                    .is_some_and(|signature| principal.verify(&bytes(&test["msg"]), signature.as_bytes()));
                assert_eq!(accepted, valid, "{told}");
            }
            count.judged += 1;
            count.valid += u64::from(valid);
            count.high_s += u64::from(valid && !is_low);
            if let Some(low) = low {
                let id = ecdsa::recovery_id(&key, &digest, &low);
                assert_eq!(matches!(id, Ok(0 | 1) | Err(ecdsa::NoRecoveryId::Overflow)), valid, "{told}");
                count.no_recovery_id += u64::from(id == Err(ecdsa::NoRecoveryId::Overflow));
            }
        }
    }
    assert_eq!(count.judged, vectors["numberOfTests"]);
    count
}

#[test]
fn every_vector_of_wycheproof_for_ecdsa_on_secp256k1_is_judged_as_it_says() {
    let vectors = include_str!("data/wycheproof-ecdsa-secp256k1.json");
    let expected = Count { judged: 476, valid: 168, high_s: 72, no_recovery_id: 2 };
    assert_eq!(judge(Scheme::EcdsaSecp256k1, vectors), expected);
}

#[test]
fn every_vector_of_wycheproof_for_ecdsa_on_p256_is_judged_as_it_says() {
    let vectors = include_str!("data/wycheproof-ecdsa-p256.json");
    let expected = Count { judged: 484, valid: 174, high_s: 71, no_recovery_id: 2 };
    assert_eq!(judge(Scheme::EcdsaP256, vectors), expected);
}
