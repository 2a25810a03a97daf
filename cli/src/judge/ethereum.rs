//! Whether Ethereum would take a signed transaction as its sender's, without the adapter that made it: the signer is recovered
//! by libsecp256k1.

use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use secp256k1::{Message, Secp256k1};
use sha3::{Digest, Keccak256};

/// The first byte of a transaction with a fee market (EIP-1559).
const FEE_MARKET: u8 = 2;

/// Ethereum's hash.
pub(crate) fn keccak(bytes: &[u8]) -> [u8; 32] {
    Keccak256::digest(bytes).into()
}

/// Whether a signed transaction with a fee market is the unsigned one, and signed by this sender: its fields are the unsigned
/// ones and then parity, r and s of a signature with low s, from which the sender's key follows.
pub(crate) fn accepts_ethereum(signed: &[u8], unsigned: &[u8], sender: &[u8; 20]) -> bool {
    signer(signed, unsigned).is_some_and(|signer| signer == *sender)
}

fn signer(signed: &[u8], unsigned: &[u8]) -> Option<[u8; 20]> {
    let rest = fields(signed)?.strip_prefix(fields(unsigned)?)?;
    let (parity, rest) = item(rest)?;
    let (r, rest) = item(rest)?;
    let (s, []) = item(rest)? else { return None };
    let parity = match parity {
        [] => 0,
        [1] => 1,
        _ => return None,
    };
    let compact = [word(r)?, word(s)?].concat();
    let id = RecoveryId::from_i32(parity).ok()?;
    let signature = RecoverableSignature::from_compact(&compact, id).ok()?;
    let (secp, digest) = (Secp256k1::verification_only(), Message::from_digest(keccak(unsigned)));
    let key = secp.recover_ecdsa(&digest, &signature).ok()?;
    // It refuses a high s, which recovering does not.
    secp.verify_ecdsa(&digest, &signature.to_standard(), &key).ok()?;
    let hash = keccak(key.serialize_uncompressed().get(1..)?);
    hash.get(12..)?.try_into().ok()
}

/// What is in the list of a transaction.
fn fields(transaction: &[u8]) -> Option<&[u8]> {
    let (first, rest) = transaction.strip_prefix(&[FEE_MARKET])?.split_first()?;
    let (length, fields) = match *first {
        short @ 0xc0..=0xf7 => (usize::from(short - 0xc0), rest),
        0xf8 => {
            let (length, rest) = rest.split_first()?;
            (usize::from(*length), rest)
        }
        0xf9 => {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        _ => return None,
    };
    (fields.len() == length).then_some(fields)
}

/// The first item, a string of at most 55 bytes, and what comes after it.
fn item(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    match *bytes.first()? {
        0..=0x7f => bytes.split_at_checked(1),
        length @ 0x80..=0xb7 => bytes.get(1..)?.split_at_checked(usize::from(length - 0x80)),
        _ => None,
    }
}

/// A number without leading zeros, with them.
fn word(number: &[u8]) -> Option<[u8; 32]> {
    let start = 32_usize.checked_sub(number.len())?;
    let mut word = [0; 32];
    word.get_mut(start..)?.copy_from_slice(number);
    Some(word)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;
    use secp256k1::SecretKey;

    /// Nine fields that nobody reads here, 60 bytes of them.
    fn unsigned() -> Vec<u8> {
        [&[2, 0xf8, 60][..], &[7; 60]].concat()
    }

    fn signed(secret: &SecretKey, high: bool) -> Vec<u8> {
        let digest = Message::from_digest(keccak(&unsigned()));
        let (id, compact) = Secp256k1::new().sign_ecdsa_recoverable(&digest, secret).serialize_compact();
        let (r, s) = compact.split_at(32);
        let s: [u8; 32] = s.try_into().unwrap();
        let s = if high { SecretKey::from_slice(&s).unwrap().negate().secret_bytes() } else { s };
        let odd = (id.to_i32() == 1) != high;
        let trimmed = |word: &[u8]| {
            let start = word.iter().position(|byte| *byte != 0).unwrap();
            let digits = word[start..].to_vec();
            [vec![0x80 + u8::try_from(digits.len()).unwrap()], digits].concat()
        };
        let parity = vec![if odd { 1 } else { 0x80 }];
        let fields = [vec![7; 60], parity, trimmed(r), trimmed(&s)].concat();
        [vec![2, 0xf8, u8::try_from(fields.len()).unwrap()], fields].concat()
    }

    #[test]
    fn the_senders_transaction_is_accepted_and_no_other() {
        let secret = SecretKey::from_slice(&[0x46; 32]).unwrap();
        // Of EIP-155's example, with the same key.
        let sender = hex::decode("9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f").unwrap().try_into().unwrap();
        let good = signed(&secret, false);
        assert!(accepts_ethereum(&good, &unsigned(), &sender));
        assert!(!accepts_ethereum(&good, &unsigned(), &[9; 20]));
        assert!(!accepts_ethereum(&signed(&secret, true), &unsigned(), &sender), "high s");
        let other = SecretKey::from_slice(&[7; 32]).unwrap();
        assert!(!accepts_ethereum(&signed(&other, false), &unsigned(), &sender));
        for place in 0..good.len() {
            let mut changed = good.clone();
            changed[place] ^= 1;
            assert!(!accepts_ethereum(&changed, &unsigned(), &sender), "byte {place}");
        }
        for end in 0..good.len() {
            assert!(!accepts_ethereum(&good[..end], &unsigned(), &sender), "{end} bytes");
        }
        assert!(!accepts_ethereum(&unsigned(), &unsigned(), &sender));
    }
}
