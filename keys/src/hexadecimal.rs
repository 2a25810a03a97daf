//! Text form of bytes: hexadecimal behind `0x`, written in lower case, read in either.

/// Why a text is not the hexadecimal form of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HexError {
    /// The text does not begin with `0x`.
    #[error("hexadecimal values begin with 0x")]
    MissingPrefix,
    /// The text has a character that is no hexadecimal digit, or an odd number of them.
    #[error("not hexadecimal: expected an even number of digits 0-9 and a-f after 0x")]
    NotHex,
    /// The value has another size.
    #[error("wrong length: expected {expected} bytes after 0x, got {got}")]
    Length {
        /// Bytes that the type has.
        expected: usize,
        /// Bytes that the text has.
        got: usize,
    },
}

pub(crate) fn decode(text: &str) -> Result<Vec<u8>, HexError> {
    let digits = text.strip_prefix("0x").ok_or(HexError::MissingPrefix)?;
    hex::decode(digits).map_err(|_| HexError::NotHex)
}

pub(crate) fn decode_array<const N: usize>(text: &str) -> Result<[u8; N], HexError> {
    let bytes = decode(text)?;
    <[u8; N]>::try_from(bytes.as_slice()).map_err(|_| HexError::Length { expected: N, got: bytes.len() })
}

pub(crate) fn write(bytes: &[u8], f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
    f.write_str("0x")?;
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// serde as a string, by `Display` and `FromStr`.
macro_rules! serde_as_text {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text =
                    <std::borrow::Cow<'de, str> as serde::Deserialize<'de>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use serde_as_text;

/// `Display` and `Debug` as hexadecimal of `as_bytes`.
macro_rules! display_as_hex {
    ($type:ty) => {
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                crate::hexadecimal::write(self.as_bytes(), f)
            }
        }

        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }
    };
}
pub(crate) use display_as_hex;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wrong_text_is_refused_for_its_own_reason() {
        assert_eq!(decode_array::<2>("abcd"), Err(HexError::MissingPrefix));
        assert_eq!(decode_array::<2>("0Xabcd"), Err(HexError::MissingPrefix));
        assert_eq!(decode_array::<2>("0xabc"), Err(HexError::NotHex));
        assert_eq!(decode_array::<2>("0xabcg"), Err(HexError::NotHex));
        assert_eq!(decode_array::<2>("0xäbcd"), Err(HexError::NotHex));
        assert_eq!(decode_array::<2>("0x"), Err(HexError::Length { expected: 2, got: 0 }));
        assert_eq!(decode_array::<2>("0xabcdef"), Err(HexError::Length { expected: 2, got: 3 }));
        assert_eq!(decode_array::<2>("0xaBcD"), Ok([0xAB, 0xCD]));
    }
}
