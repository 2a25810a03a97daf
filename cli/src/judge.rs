//! Independent judges of signatures: libraries that had no part in making them.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use quorate_keys::Scheme;
use secp256k1::schnorr::Signature;
use secp256k1::{Message, Secp256k1, XOnlyPublicKey};

/// What the judge of a scheme is called.
pub(crate) fn name(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Ed25519 => "AWS-LC",
        Scheme::Bip340 => "libsecp256k1",
        _ => "nobody",
    }
}

/// Whether the judge of the scheme accepts a signature. That of BIP-340 takes messages of 32 bytes only.
pub(crate) fn accepts(scheme: Scheme, public_key: &[u8], message: &[u8], signature: &[u8; 64]) -> bool {
    match scheme {
        Scheme::Ed25519 => UnparsedPublicKey::new(&ED25519, public_key).verify(message, signature).is_ok(),
        Scheme::Bip340 => {
            let (Ok(key), Ok(message), Ok(signature)) = (
                XOnlyPublicKey::from_slice(public_key),
                Message::from_digest_slice(message),
                Signature::from_slice(signature),
            ) else {
                return false;
            };
            Secp256k1::verification_only().verify_schnorr(&signature, &message, &key).is_ok()
        }
        _ => false,
    }
}
