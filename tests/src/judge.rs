//! Libraries that had no part in making a signature judge it.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use k256::schnorr;
use quorate_request::SignResponse;
use secp256k1::schnorr::Signature;
use secp256k1::{Message, Secp256k1, XOnlyPublicKey};

/// AWS-LC on Ed25519; on BIP-340 libsecp256k1, and k256 where it takes no message of that length.
#[must_use]
pub fn accepts(curve: &str, key: &[u8], message: &[u8], signature: &[u8; 64]) -> bool {
    match curve {
        "ed25519" => UnparsedPublicKey::new(&ED25519, key).verify(message, signature).is_ok(),
        "secp256k1" => {
            let Ok(digest) = Message::from_digest_slice(message) else {
                return k256_accepts(key, message, signature);
            };
            let (Ok(key), Ok(signature)) =
                (XOnlyPublicKey::from_slice(key), Signature::from_slice(signature))
            else {
                return false;
            };
            Secp256k1::verification_only().verify_schnorr(&signature, &digest, &key).is_ok()
        }
        _ => false,
    }
}

fn k256_accepts(key: &[u8], message: &[u8], signature: &[u8; 64]) -> bool {
    // `from_bytes` panics at any other length.
    key.len() == 32
        && schnorr::VerifyingKey::from_bytes(key).is_ok_and(|key| {
            schnorr::Signature::try_from(signature.as_slice())
                .is_ok_and(|signature| key.verify_raw(message, &signature).is_ok())
        })
}

/// Judges a signature under the key that the answer names.
///
/// # Panics
/// When it is refused.
pub fn check(curve: &str, message: &[u8], signed: &SignResponse) {
    let key = signed.public_key.as_bytes();
    assert!(accepts(curve, key, message, signed.signature.as_bytes()), "refused: {signed:?}");
}
