//! The official wallet vectors of BIP-341, and libsecp256k1 as a second judge.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use proptest::prelude::*;
use quorate_keys::{Curve, GroupKey, PublicKey, Scheme, taproot};
use secp256k1::{Scalar, Secp256k1, SecretKey, XOnlyPublicKey};
use serde_json::Value;

fn bytes32(value: &Value) -> [u8; 32] {
    hex::decode(value.as_str().unwrap()).unwrap().try_into().unwrap()
}

fn merkle_root(value: &Value) -> Option<[u8; 32]> {
    (!value.is_null()).then(|| bytes32(value))
}

#[test]
fn every_output_key_of_bip341_is_found() {
    let vectors: Value = serde_json::from_str(include_str!("data/bip341.json")).unwrap();
    let outputs = vectors["scriptPubKey"].as_array().unwrap();
    assert_eq!(outputs.len(), 7);
    for vector in outputs {
        let internal = bytes32(&vector["given"]["internalPubkey"]);
        let internal = PublicKey::from_bytes(Scheme::Bip340, &internal).unwrap();
        let root = merkle_root(&vector["intermediary"]["merkleRoot"]);
        let (tweak, output) = taproot::tweak(&internal, root.as_ref()).unwrap();
        assert_eq!(tweak, bytes32(&vector["intermediary"]["tweak"]));
        assert_eq!(output.as_bytes(), bytes32(&vector["intermediary"]["tweakedPubkey"]));
        let script = format!("5120{}", hex::encode(output.as_bytes()));
        assert_eq!(vector["expected"]["scriptPubKey"], script);
    }
}

#[test]
fn every_key_path_spending_of_bip341_uses_the_same_tweak() {
    let vectors: Value = serde_json::from_str(include_str!("data/bip341.json")).unwrap();
    let mut judged = 0;
    for spending in vectors["keyPathSpending"].as_array().unwrap() {
        for input in spending["inputSpending"].as_array().unwrap() {
            let internal = bytes32(&input["intermediary"]["internalPubkey"]);
            let internal = PublicKey::from_bytes(Scheme::Bip340, &internal).unwrap();
            let root = merkle_root(&input["given"]["merkleRoot"]);
            let (tweak, output) = taproot::tweak(&internal, root.as_ref()).unwrap();
            assert_eq!(tweak, bytes32(&input["intermediary"]["tweak"]));
            // The output key is the public side of the tweaked private key.
            let private = SecretKey::from_slice(&bytes32(&input["intermediary"]["tweakedPrivkey"])).unwrap();
            let (expected, _) = private.x_only_public_key(&Secp256k1::new());
            assert_eq!(output.as_bytes(), expected.serialize());
            judged += 1;
        }
    }
    assert_eq!(judged, 7);
}

#[test]
fn a_key_of_another_scheme_has_no_output_key() {
    let base = "0x5866666666666666666666666666666666666666666666666666666666666666";
    let key = PublicKey::from_hex(Scheme::Ed25519, base).unwrap();
    assert_eq!(taproot::tweak(&key, None), Err(taproot::TaprootError::Scheme(Scheme::Ed25519)));
}

proptest! {
    #[test]
    fn libsecp256k1_finds_the_same_output_key(secret in prop::array::uniform32(1_u8..), root: Option<[u8; 32]>) {
        let secp = Secp256k1::new();
        let (internal, _) = SecretKey::from_slice(&secret).unwrap().x_only_public_key(&secp);
        let ours = PublicKey::from_bytes(Scheme::Bip340, &internal.serialize()).unwrap();
        let (tweak, output) = taproot::tweak(&ours, root.as_ref()).unwrap();
        let tweak = Scalar::from_be_bytes(tweak).unwrap();
        let (expected, parity) = internal.add_tweak(&secp, &tweak).unwrap();
        prop_assert_eq!(output.as_bytes(), expected.serialize());
        prop_assert!(internal.tweak_add_check(&secp, &expected, parity, tweak));
    }

    #[test]
    fn libsecp256k1_reads_the_same_keys(bytes: [u8; 32], tag: u8) {
        let x_only = XOnlyPublicKey::from_slice(&bytes).is_ok();
        prop_assert_eq!(PublicKey::from_bytes(Scheme::Bip340, &bytes).is_ok(), x_only);
        let tag = if tag < 128 { 2 + (tag & 1) } else { tag };
        let compressed = [&[tag][..], &bytes].concat();
        let expected = secp256k1::PublicKey::from_slice(&compressed).is_ok();
        prop_assert_eq!(GroupKey::from_bytes(Curve::Secp256k1, &compressed).is_ok(), expected);
    }
}
