//! Independent judges of signatures: libraries that had no part in making them.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use bitcoin::hashes::Hash;
use bitcoin::sighash::{Prevouts, SighashCache, TapSighashType};
use bitcoin::{Transaction, TxOut};
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
