//! Libraries that we did not write, and what they say of an ECDSA signature.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P256K1_SHA256_FIXED, UnparsedPublicKey};
use quorate_keys::{PublicKey, Scheme, Signature};

/// Checks that all libraries accept a signature.
///
/// # Panics
/// When one does not.
pub fn agree(key: &PublicKey, digest: &[u8; 32], signature: &Signature) {
    for (judge, accepts) in verdicts(key, digest, signature) {
        assert!(accepts, "{judge} refuses a signature by {key:?}");
    }
}

/// What each library says.
///
/// # Panics
/// On other schemes than those of ECDSA.
#[must_use]
pub fn verdicts(key: &PublicKey, digest: &[u8; 32], signature: &Signature) -> Vec<(&'static str, bool)> {
    let aws = match key.scheme() {
        Scheme::EcdsaSecp256k1 => &ECDSA_P256K1_SHA256_FIXED,
        Scheme::EcdsaP256 => &ECDSA_P256_SHA256_FIXED,
        other => panic!("{other}"),
    };
    let imported = aws_lc_rs::digest::Digest::import_less_safe(digest, &aws_lc_rs::digest::SHA256)
        .expect("what they can read");
    let aws = UnparsedPublicKey::new(aws, key.as_bytes()).verify_digest(&imported, signature.as_bytes());
    let mut verdicts = vec![("AWS-LC", aws.is_ok())];
    if key.scheme() == Scheme::EcdsaSecp256k1 {
        let key = secp256k1::PublicKey::from_slice(key.as_bytes()).expect("what they can read");
        let signature =
            secp256k1::ecdsa::Signature::from_compact(signature.as_bytes()).expect("what they can read");
        let digest = secp256k1::Message::from_digest(*digest);
        // Refuses high s, too.
        let verdict = secp256k1::Secp256k1::verification_only().verify_ecdsa(&digest, &signature, &key);
        verdicts.push(("libsecp256k1", verdict.is_ok()));
    }
    verdicts
}
