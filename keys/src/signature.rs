//! Signatures of every scheme: 64 bytes.

use std::str::FromStr;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::hexadecimal::{HexError, decode_array, display_as_hex, serde_as_text};

/// A signature: `R‖s` for Ed25519, `r‖s` for BIP-340.
///
/// Any 64 bytes can be one; what they are worth is said by [`PublicKey::verify`](crate::PublicKey::verify).
#[derive(Clone, Copy, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Signature([u8; 64]);

impl Signature {
    /// A signature of these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The 64 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

/// The signature was not made by this key over this message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature is not valid for this key and message")]
pub struct InvalidSignature;

impl FromStr for Signature {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        decode_array(text).map(Self)
    }
}

display_as_hex!(Signature);
serde_as_text!(Signature);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_reads_what_it_writes() {
        let signature = Signature::from_bytes(std::array::from_fn(|i| i as u8));
        let text = signature.to_string();
        assert!(text.starts_with("0x000102"));
        assert_eq!(text.parse(), Ok(signature));
        assert_eq!(serde_json::from_str::<Signature>(&format!("\"{text}\"")).unwrap(), signature);
        assert_eq!(borsh::to_vec(&signature).unwrap(), signature.as_bytes());
        assert_eq!(
            text[..text.len() - 2].parse::<Signature>(),
            Err(HexError::Length { expected: 64, got: 63 })
        );
    }
}
