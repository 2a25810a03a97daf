//! Wycheproof's vectors for Ed25519, through public keys and through identities.

use quorate_keys::{Identity, PublicKey, Scheme, Signature};
use serde_json::Value;

#[test]
fn every_vector_of_wycheproof_is_judged_as_it_says() {
    let vectors: Value = serde_json::from_str(include_str!("data/wycheproof-ed25519.json")).unwrap();
    let bytes = |value: &Value| hex::decode(value.as_str().unwrap()).unwrap();
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
}
