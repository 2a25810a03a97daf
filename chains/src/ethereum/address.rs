//! Addresses, and the hash that they and everything else are made with.

use std::fmt;

use quorate_keys::PublicKey;
use sha3::{Digest, Keccak256};

use super::rlp::Writer;

/// Keccak-256, which is older than SHA-3 and pads otherwise.
pub(super) fn keccak(bytes: &[u8]) -> [u8; 32] {
    Keccak256::digest(bytes).into()
}

/// An account or contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Address(pub(super) [u8; 20]);

/// Why a text is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AddressFault {
    /// It is not `0x` and forty hexadecimal digits.
    Form,
    /// Capital letters do not stand where EIP-55 has them.
    Checksum,
}

impl Address {
    /// Whose secret nobody has: what goes here is lost.
    pub(super) const ZERO: Self = Self([0; 20]);

    /// The address of a key: the end of the hash of both coordinates.
    pub(super) fn of_key(key: &PublicKey) -> Option<Self> {
        let (prefix, coordinates) = key.as_bytes().split_first()?;
        if *prefix != 4 || coordinates.len() != 64 {
            return None;
        }
        Some(Self::of_hash(keccak(coordinates)))
    }

    /// The address of the contract that a transaction of `sender` with this number creates.
    pub(super) fn created(sender: Self, nonce: u64) -> Self {
        let mut origin = Writer::default();
        origin.string(&sender.0).u64(nonce);
        Self::of_hash(keccak(&origin.into_list(&[])))
    }

    fn of_hash(hash: [u8; 32]) -> Self {
        let [_, _, _, _, _, _, _, _, _, _, _, _, address @ ..] = hash;
        Self(address)
    }

    /// Reads an address. In capital letters alone or small letters alone it has no checksum; in both it must have the right one.
    pub(super) fn parse(text: &str) -> Result<Self, AddressFault> {
        let digits = text.strip_prefix("0x").ok_or(AddressFault::Form)?;
        let mut bytes = [0; 20];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| AddressFault::Form)?;
        let address = Self(bytes);
        let mixed = digits.contains(|digit: char| digit.is_ascii_uppercase())
            && digits.contains(|digit: char| digit.is_ascii_lowercase());
        if mixed && address.to_string() != text { Err(AddressFault::Checksum) } else { Ok(address) }
    }
}

impl fmt::Display for Address {
    /// As EIP-55 has it: a letter is a capital where the hash of the small letters has a high half byte.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = hex::encode(self.0);
        let marks = hex::encode(keccak(digits.as_bytes()));
        let marked = |(digit, mark): (char, char)| match mark {
            '0'..='7' => digit,
            _ => digit.to_ascii_uppercase(),
        };
        let digits: String = digits.chars().zip(marks.chars()).map(marked).collect();
        write!(f, "0x{digits}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_eip_55() {
        // EIP-55, "Test Cases": all capitals, all small, and four mixed.
        for address in [
            "0x52908400098527886E0F7030069857D2E4169EE7",
            "0xde709f2102306220921060314715629080e2fb77",
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
            "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
            "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
        ] {
            let read = Address::parse(address).unwrap();
            assert_eq!(read.to_string(), address);
            for unmarked in [address.to_lowercase(), format!("0x{}", address[2..].to_uppercase())] {
                assert_eq!(Address::parse(&unmarked), Ok(read));
            }
        }
    }

    #[test]
    fn one_letter_of_the_wrong_size_is_a_wrong_checksum() {
        let address = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
        for (at, letter) in address.char_indices().skip(2).filter(|(_, letter)| letter.is_alphabetic()) {
            let other =
                if letter.is_lowercase() { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() };
            let wrong = format!("{}{other}{}", &address[..at], &address[at + 1..]);
            assert_eq!(Address::parse(&wrong), Err(AddressFault::Checksum), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_address_is_told() {
        let digits = "5aaeb6053f3e94c9b9a09f33669435e7ef1beaed";
        for bad in [
            "",
            "0x",
            digits,
            &format!("0X{digits}"),
            &format!("0x{digits}0"),
            &format!("0x{digits}00"),
            &format!("0x{}", &digits[2..]),
            &format!("0x{}g", &digits[1..]),
            &format!(" 0x{digits}"),
            "vitalik.eth",
        ] {
            assert_eq!(Address::parse(bad), Err(AddressFault::Form), "{bad}");
        }
    }

    #[test]
    fn contracts_are_created_where_the_reference_library_expects_them() {
        // go-ethereum, crypto/crypto_test.go, TestNewContractAddress.
        let sender = Address::parse("0x970e8128ab834e8eac17ab8e3812f010678cf791").unwrap();
        for (nonce, address) in [
            (0, "0x333c3310824b7c685133f2bedb2ca4b8b4df633d"),
            (1, "0x8bda78331c916a08481428e4b07c96d3e916d165"),
            (2, "0xc9ddedf451bc62ce88bf9292afb13df35b670699"),
        ] {
            assert_eq!(Address::created(sender, nonce), Address::parse(address).unwrap());
        }
    }
}
