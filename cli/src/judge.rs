//! Independent judges of signatures: libraries that had no part in making them.

mod ethereum;

use aws_lc_rs::digest::{Digest, SHA256};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey};
use bitcoin::hashes::Hash;
use bitcoin::sighash::{Prevouts, SighashCache, TapSighashType};
use bitcoin::{Transaction, TxOut};
use quorate_keys::Scheme;
use secp256k1::schnorr::Signature;
use secp256k1::{Message, PublicKey, Secp256k1, XOnlyPublicKey, ecdsa};

pub(crate) use ethereum::{accepts_ethereum, keccak};

/// What the judge of a scheme is called.
pub(crate) fn name(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Ed25519 | Scheme::EcdsaP256 => "AWS-LC",
        Scheme::Bip340 | Scheme::EcdsaSecp256k1 => "libsecp256k1",
        _ => "nobody",
    }
}

/// Whether the judge of the scheme accepts a signature. Those of BIP-340 and ECDSA take messages of 32 bytes only; libsecp256k1
/// takes no high s, AWS-LC does.
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
        Scheme::EcdsaSecp256k1 => {
            let (Ok(key), Ok(digest), Ok(signature)) = (
                PublicKey::from_slice(public_key),
                Message::from_digest_slice(message),
                ecdsa::Signature::from_compact(signature),
            ) else {
                return false;
            };
            Secp256k1::verification_only().verify_ecdsa(&digest, &signature, &key).is_ok()
        }
        Scheme::EcdsaP256 => {
            // Made elsewhere: that it is one of SHA-256 decides nothing but its length.
            let Ok(digest) = Digest::import_less_safe(message, &SHA256) else { return false };
            let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public_key);
            key.verify_digest(&digest, signature).is_ok()
        }
        _ => false,
    }
}

/// Whether the one signature of a version 0 transaction of Solana is its payer's.
pub(crate) fn accepts_solana(transaction: &[u8]) -> bool {
    let Some((signature, message)) = transaction.strip_prefix(&[1]).and_then(<[u8]>::split_first_chunk)
    else {
        return false;
    };
    // Version 0, three numbers, how many accounts; the payer is the first of them.
    let payer = message.strip_prefix(&[0x80]).and_then(|rest| rest.get(4..36));
    payer.is_some_and(|payer| accepts(Scheme::Ed25519, payer, message, signature))
}

/// Whether every input of a transaction carries a signature over all of it by the output that it spends.
pub(crate) fn accepts_taproot(transaction: &[u8], prevouts: &[TxOut]) -> bool {
    let Ok(transaction) = bitcoin::consensus::deserialize::<Transaction>(transaction) else { return false };
    let mut hashes = SighashCache::new(&transaction);
    let accepted = |(index, prevout): (usize, &TxOut)| {
        let all = Prevouts::All(prevouts);
        let hash = hashes.taproot_key_spend_signature_hash(index, &all, TapSighashType::Default).ok()?;
        let witness = transaction.input.get(index)?.witness.to_vec();
        let [signature] = witness.as_slice() else { return None };
        let key = prevout.script_pubkey.as_bytes().strip_prefix(&[0x51, 0x20])?;
        let signature = signature.as_slice().try_into().ok()?;
        accepts(Scheme::Bip340, key, hash.as_byte_array(), signature).then_some(())
    };
    let count = prevouts.iter().enumerate().map_while(accepted).count();
    count > 0 && count == transaction.input.len()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
    use secp256k1::SecretKey;

    #[test]
    fn a_judge_of_ecdsa_accepts_signatures_of_this_key_and_digest_alone() {
        let (secp, secret) = (Secp256k1::new(), SecretKey::from_slice(&[7; 32]).unwrap());
        let made = secp.sign_ecdsa(&Message::from_digest([9; 32]), &secret).serialize_compact();
        let key = secret.public_key(&secp).serialize_uncompressed();
        assert!(accepts(Scheme::EcdsaSecp256k1, &key, &[9; 32], &made));
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let digest = aws_lc_rs::digest::digest(&SHA256, b"pay Alice");
        let signed = pair.sign(&SystemRandom::new(), b"pay Alice").unwrap();
        let other: [u8; 64] = signed.as_ref().try_into().unwrap();
        assert!(accepts(Scheme::EcdsaP256, pair.public_key().as_ref(), digest.as_ref(), &other));
        for (scheme, key, digest, signature) in [
            (Scheme::EcdsaSecp256k1, &key[..], &[8; 32][..], &made),
            (Scheme::EcdsaSecp256k1, &key[..], b"pay Alice", &made),
            (Scheme::EcdsaSecp256k1, &key[..], &[9; 32], &other),
            (Scheme::EcdsaP256, &key[..], &[9; 32], &made),
            (Scheme::EcdsaP256, pair.public_key().as_ref(), &[9; 32], &other),
            (Scheme::EcdsaP256, pair.public_key().as_ref(), b"pay Alice", &other),
            (Scheme::Bip340, &key[1..33], &[9; 32], &made),
        ] {
            assert!(!accepts(scheme, key, digest, signature), "{scheme}");
        }
        // n − s: libsecp256k1 takes the lower one only.
        let s = SecretKey::from_slice(&made[32..]).unwrap().negate();
        let high: [u8; 64] = [&made[..32], &s.secret_bytes()].concat().try_into().unwrap();
        assert!(!accepts(Scheme::EcdsaSecp256k1, &key, &[9; 32], &high));
    }
}
