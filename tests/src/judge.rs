//! Libraries that had no part in making a signature judge it.

use aws_lc_rs::digest::{Digest, SHA256};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey};
use k256::schnorr;
use quorate_request::SignResponse;
use secp256k1::schnorr::Signature;
use secp256k1::{Message, PublicKey, Secp256k1, XOnlyPublicKey, ecdsa};

/// How many bytes a public key of ECDSA has, and one of BIP-340 has not.
const ECDSA_KEY: usize = 65;
/// (n − 1)/2 of P-256.
const HALF_P256: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0x80, 0x00, 0x00, 0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xde,
    0x73, 0x7d, 0x56, 0xd3, 0x8b, 0xcf, 0x42, 0x79, 0xdc, 0xe5, 0x61, 0x7e, 0x31, 0x92, 0xa8,
];

/// AWS-LC on Ed25519 and P-256; on ECDSA libsecp256k1; on BIP-340 libsecp256k1, and k256 where it takes no message of that
/// length. The message of ECDSA is the digest, and s must be low.
#[must_use]
pub fn accepts(curve: &str, key: &[u8], message: &[u8], signature: &[u8; 64]) -> bool {
    match curve {
        "ed25519" => UnparsedPublicKey::new(&ED25519, key).verify(message, signature).is_ok(),
        "p256" => {
            let Ok(digest) = Digest::import_less_safe(message, &SHA256) else { return false };
            let is_low = signature.get(32..).is_some_and(|s| s <= HALF_P256.as_slice());
            let judge = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key);
            is_low && judge.verify_digest(&digest, signature).is_ok()
        }
        "secp256k1" if key.len() == ECDSA_KEY => {
            let (Ok(key), Ok(digest), Ok(signature)) = (
                PublicKey::from_slice(key),
                Message::from_digest_slice(message),
                ecdsa::Signature::from_compact(signature),
            ) else {
                return false;
            };
            // It takes no high s.
            Secp256k1::verification_only().verify_ecdsa(&digest, &signature, &key).is_ok()
        }
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

#[cfg(test)]
mod tests {
    use secp256k1::SecretKey;

    use super::*;

    #[test]
    fn ecdsa_is_judged_over_the_digest_and_with_low_s_only() {
        let (secp, secret) = (Secp256k1::new(), SecretKey::from_slice(&[7; 32]).unwrap());
        let key = secret.public_key(&secp).serialize_uncompressed();
        let low = secp.sign_ecdsa(&Message::from_digest([9; 32]), &secret).serialize_compact();
        let s = SecretKey::from_slice(&low[32..]).unwrap().negate();
        let high = [&low[..32], &s.secret_bytes()].concat().try_into().unwrap();
        assert!(accepts("secp256k1", &key, &[9; 32], &low));
        assert!(!accepts("secp256k1", &key, &[9; 32], &high));
        assert!(!accepts("secp256k1", &key, &[8; 32], &low) && !accepts("secp256k1", &key, b"9", &low));

        // A vector of Wycheproof.
        let bytes = |text: &str| hex::decode(text).unwrap();
        let key = bytes(
            "042927b10512bae3eddcfe467828128bad2903269919f7086069c8c4df6c732838\
             c7787964eaac00e5921fb1498a60f4606766b3d9685001558d1a974e7341513e",
        );
        let digest = bytes("bb5a52f42f9c9261ed4361f59422a1e30036e7c32b270c8807a419feca605023");
        let r = "2ba3a8be6b94d5ec80a6d9d1190a436effe50d85a1eee859b8cc6af9bd5c2e18";
        let with = |s: &str| bytes(&format!("{r}{s}")).try_into().unwrap();
        let low = with("4cd60b855d442f5b3c7b11eb6c4e0ae7525fe710fab9aa7c77a67f79e6fadd76");
        let high = with("b329f479a2bbd0a5c384ee1493b1f5186a87139cac5df4087c134b49156847db");
        assert!(accepts("p256", &key, &digest, &low));
        assert!(!accepts("p256", &key, &digest, &high));
        assert!(!accepts("p256", &key, &[9; 32], &low) && !accepts("p256", &key, b"9", &low));
    }
}
