//! Libraries that we did not write, as judges of signatures.

use quorate_keys::{PublicKey, Scheme, Signature};
use secp256k1_any_length as secp256k1;

/// Whether every judge accepts.
pub(crate) fn accepts(key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
    match key.scheme() {
        Scheme::Ed25519 => {
            let dalek = ed25519_dalek::VerifyingKey::from_bytes(key.as_bytes().try_into().unwrap()).unwrap();
            let strict =
                dalek.verify_strict(message, &ed25519_dalek::Signature::from_bytes(signature.as_bytes()));
            let aws =
                aws_lc_rs::signature::UnparsedPublicKey::new(&aws_lc_rs::signature::ED25519, key.as_bytes());
            let aws = aws.verify(message, signature.as_bytes());
            assert_eq!(strict.is_ok(), aws.is_ok(), "the judges disagree");
            strict.is_ok()
        }
        Scheme::Bip340 => {
            let key = secp256k1::XOnlyPublicKey::from_byte_array(key.as_bytes().try_into().unwrap()).unwrap();
            let signature = secp256k1::schnorr::Signature::from_byte_array(*signature.as_bytes());
            secp256k1::Secp256k1::verification_only().verify_schnorr(&signature, message, &key).is_ok()
        }
        scheme => panic!("no judge for {scheme}"),
    }
}

/// All judges accept the signature, and none another message.
pub(crate) fn verify(key: &PublicKey, message: &[u8], signature: &Signature) {
    assert!(key.verify(message, signature).is_ok());
    assert!(accepts(key, message, signature));
    assert!(!accepts(key, &[message, b"!"].concat(), signature));
}
