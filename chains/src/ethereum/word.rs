//! Numbers of 256 bits, as the chain has them. They are read, compared and written; nothing here calculates with them.

use std::fmt;

/// A number below 2^256, big end first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Word([u8; 32]);

/// Why a text is no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WordFault {
    /// It is something else.
    NotANumber,
    /// It is 2^256 or more.
    TooLarge,
}

impl Word {
    /// The number with these bytes, at most 32, big end first.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut word = [0; 32];
        let zeros = word.len().checked_sub(bytes.len())?;
        word.get_mut(zeros..)?.copy_from_slice(bytes);
        Some(Self(word))
    }

    /// The number that is written as `0x` with hexadecimal digits, or with decimal digits and no needless zero.
    pub(super) fn parse(text: &str) -> Result<Self, WordFault> {
        let (digits, base) = match text.strip_prefix("0x") {
            Some(digits) => (digits, 16),
            None if text.len() > 1 && text.starts_with('0') => return Err(WordFault::NotANumber),
            None => (text, 10),
        };
        if digits.is_empty() {
            return Err(WordFault::NotANumber);
        }
        let mut word = [0_u8; 32];
        let mut large = false;
        for digit in digits.chars() {
            let mut carry = digit.to_digit(base).ok_or(WordFault::NotANumber)?;
            if large {
                // Only whether it is a number at all is left to see.
                continue;
            }
            for byte in word.iter_mut().rev() {
                let sum = u32::from(*byte) * base + carry;
                [_, _, _, *byte] = sum.to_be_bytes();
                carry = sum >> 8;
            }
            large = carry != 0;
        }
        if large { Err(WordFault::TooLarge) } else { Ok(Self(word)) }
    }

    /// The bytes from the first that is not zero.
    pub(super) fn significant(&self) -> &[u8] {
        let zeros = self.0.iter().take_while(|byte| **byte == 0).count();
        self.0.get(zeros..).unwrap_or_default()
    }

    pub(super) fn is_zero(&self) -> bool {
        self.0 == [0; 32]
    }

    pub(super) fn to_u128(self) -> Option<u128> {
        match self.0.split_first_chunk::<16>() {
            Some(([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], low)) => {
                Some(u128::from_be_bytes(low.try_into().ok()?))
            }
            _ => None,
        }
    }

    pub(super) fn to_u64(self) -> Option<u64> {
        self.to_u128()?.try_into().ok()
    }
}

impl From<u64> for Word {
    fn from(number: u64) -> Self {
        Self::from_bytes(&number.to_be_bytes()).unwrap_or_default()
    }
}

impl From<[u8; 32]> for Word {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Word {
    /// In decimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        let mut digits = Vec::new();
        while rest != [0; 32] {
            let mut carry = 0_u32;
            for byte in &mut rest {
                let part = (carry << 8) | u32::from(*byte);
                [_, _, _, *byte] = (part / 10).to_be_bytes();
                carry = part % 10;
            }
            digits.push(char::from_digit(carry, 10).unwrap_or_default());
        }
        match digits.as_slice() {
            [] => f.write_str("0"),
            digits => f.write_str(&digits.iter().rev().collect::<String>()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: &str = "115792089237316195423570985008687907853269984665640564039457584007913129639935";

    #[test]
    fn the_largest_number_is_one_below_2_to_the_256() {
        let largest = Word::from([0xFF; 32]);
        assert_eq!(largest.to_string(), MAX);
        assert_eq!(Word::parse(MAX), Ok(largest));
        assert_eq!(Word::parse(&format!("0x{}", "f".repeat(64))), Ok(largest));
        let next = MAX.replace("935", "936");
        for large in [next, format!("0x1{}", "0".repeat(64)), "9".repeat(100_000)] {
            assert_eq!(Word::parse(&large), Err(WordFault::TooLarge));
        }
    }

    #[test]
    fn what_is_no_number_is_told() {
        for bad in
            ["", "0x", "0X1", "x", "-1", "+1", "1.0", "1e3", " 1", "1 ", "01", "00", "0xg", "1_000", "٣"]
        {
            assert_eq!(Word::parse(bad), Err(WordFault::NotANumber), "{bad}");
        }
        let long = format!("{}x", "9".repeat(1000));
        assert_eq!(Word::parse(&long), Err(WordFault::NotANumber));
        for (zero, text) in [("0", "0"), ("0x0", "0"), ("0x00", "0"), ("0x0a", "10"), ("0XA", "")] {
            match Word::parse(zero) {
                Ok(word) => assert_eq!(word.to_string(), text),
                Err(fault) => assert_eq!((fault, text), (WordFault::NotANumber, "")),
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn texts_in_both_bases_are_the_number(number: u128) {
            let decimal = Word::parse(&number.to_string()).unwrap();
            proptest::prop_assert_eq!(decimal.to_u128(), Some(number));
            proptest::prop_assert_eq!(Word::parse(&format!("{number:#x}")), Ok(decimal));
            proptest::prop_assert_eq!(decimal.to_string(), number.to_string());
            proptest::prop_assert_eq!(Word::from_bytes(decimal.significant()), Some(decimal));
            proptest::prop_assert_eq!(decimal.to_u64(), u64::try_from(number).ok());
        }

        #[test]
        fn every_number_is_read_from_what_it_writes(bytes: [u8; 32]) {
            let word = Word::from(bytes);
            proptest::prop_assert_eq!(Word::parse(&word.to_string()), Ok(word));
        }
    }
}
