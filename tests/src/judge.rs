//! Libraries that had no part in making a signature judge it.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use quorate_request::SignResponse;
use secp256k1::schnorr::Signature;
use secp256k1::{Secp256k1, XOnlyPublicKey};

/// AWS-LC on Ed25519, libsecp256k1 on BIP-340.
#[must_use]
pub fn accepts(curve: &str, key: &[u8], message: &[u8], signature: &[u8; 64]) -> bool {
    match curve {
        "ed25519" => UnparsedPublicKey::new(&ED25519, key).verify(message, signature).is_ok(),
        "secp256k1" => {
            let key = <[u8; 32]>::try_from(key).ok().map(XOnlyPublicKey::from_byte_array);
            let Some(Ok(key)) = key else { return false };
            let signature = Signature::from_byte_array(*signature);
            Secp256k1::verification_only().verify_schnorr(&signature, message, &key).is_ok()
        }
        _ => false,
    }
}

/// Judges a signature under the key that the answer names.
///
/// # Panics
/// When it is refused.
pub fn check(curve: &str, message: &[u8], signed: &SignResponse) {
    let key = signed.public_key.as_bytes();
    assert!(accepts(curve, key, message, signed.signature.as_bytes()), "refused: {signed:?}");
}
