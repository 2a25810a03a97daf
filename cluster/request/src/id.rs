//! Identifiers: of the cluster, of a request, of a wallet.

use std::fmt;
use std::str::FromStr;

use rand_core::{CryptoRng, RngCore};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::hex_bytes::{HexArray, InvalidHex};

/// Which cluster is asked. Made once, when the peers file is generated; a request for one cluster is
/// worth nothing at another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClusterId([u8; 32]);

/// The client's name for one request: 1 to 128 visible ASCII characters.
///
/// It is the `session_id` of the JSON API and the `nonce` of the request signature. Repeating a request
/// under its id returns the first result; another body under the same id is a conflict.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(String);

/// The name of a wallet: 1 to 64 characters out of `A-Z a-z 0-9 . _ -`, the first a letter or a digit.
///
/// It appears in paths, logs and file names; hence the narrow alphabet.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WalletId(String);

/// Why a text is not an identifier of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidId {
    /// A cluster id is not 0x and 64 hexadecimal digits.
    #[error("a cluster id is 0x and 64 hexadecimal digits: {0}")]
    Cluster(InvalidHex),
    /// A request id has the wrong length or alphabet.
    #[error("a request id (session_id) has 1 to {max} visible ASCII characters", max = RequestId::MAX_LEN)]
    Request,
    /// A wallet id has the wrong length or alphabet.
    #[error(
        "a wallet id has 1 to {max} characters out of A-Z a-z 0-9 . _ - and begins with a letter or a digit",
        max = WalletId::MAX_LEN
    )]
    Wallet,
}

impl ClusterId {
    /// Makes the id of a new cluster.
    pub fn generate(rng: &mut (impl RngCore + CryptoRng)) -> Self {
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// The id with these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes of the id.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl RequestId {
    /// The longest id, in characters.
    pub const MAX_LEN: usize = 128;

    /// Makes a fresh id of 128 random bits, for callers that bring none.
    pub fn generate(rng: &mut (impl RngCore + CryptoRng)) -> Self {
        let mut bytes = [0; 16];
        rng.fill_bytes(&mut bytes);
        Self(hex::encode(bytes))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl WalletId {
    /// The longest id, in characters.
    pub const MAX_LEN: usize = 64;

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ClusterId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        text.parse::<HexArray<32>>().map(|bytes| Self(bytes.into_bytes())).map_err(InvalidId::Cluster)
    }
}

impl TryFrom<String> for RequestId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if visible && (1..=Self::MAX_LEN).contains(&text.len()) {
            Ok(Self(text))
        } else {
            Err(InvalidId::Request)
        }
    }
}

impl TryFrom<String> for WalletId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        let rest = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if begins && rest && text.len() <= Self::MAX_LEN { Ok(Self(text)) } else { Err(InvalidId::Wallet) }
    }
}

impl FromStr for RequestId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        text.to_owned().try_into()
    }
}

impl FromStr for WalletId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        text.to_owned().try_into()
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        HexArray::from(self.0).fmt(f)
    }
}

impl fmt::Debug for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClusterId({self})")
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestId({self})")
    }
}

impl fmt::Display for WalletId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for WalletId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WalletId({self})")
    }
}

impl Serialize for ClusterId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for RequestId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl Serialize for WalletId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ClusterId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for RequestId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.try_into().map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for WalletId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.try_into().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::OsRng;

    #[test]
    fn a_request_id_is_visible_ascii_of_bounded_length() {
        for good in ["a", "~!\"\\%/?", &"x".repeat(128)] {
            assert_eq!(good.parse::<RequestId>().unwrap().as_str(), good);
        }
        for bad in ["", " ", "a b", "a\n", "é", "a\u{7f}", &"x".repeat(129)] {
            assert_eq!(bad.parse::<RequestId>(), Err(InvalidId::Request), "{bad:?}");
        }
    }

    #[test]
    fn a_wallet_id_fits_into_a_path_and_a_file_name() {
        for good in ["w", "Treasury-1.main_x", "0", &"x".repeat(64)] {
            assert_eq!(good.parse::<WalletId>().unwrap().as_str(), good);
        }
        for bad in ["", ".", "..", "-x", "a/b", "a b", "é", "a%", &"x".repeat(65)] {
            assert_eq!(bad.parse::<WalletId>(), Err(InvalidId::Wallet), "{bad:?}");
        }
    }

    #[test]
    fn a_cluster_id_is_written_as_it_is_read() {
        let id = ClusterId::generate(&mut OsRng);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(serde_json::from_str::<ClusterId>(&serde_json::to_string(&id).unwrap()).unwrap(), id);
        assert!(matches!("0x00".parse::<ClusterId>(), Err(InvalidId::Cluster(InvalidHex::Length { .. }))));
    }

    #[test]
    fn identifiers_are_checked_when_they_come_as_json() {
        assert!(serde_json::from_str::<RequestId>("\"a b\"").is_err());
        assert!(serde_json::from_str::<WalletId>("\"a/b\"").is_err());
        assert!(serde_json::from_str::<ClusterId>("\"0x\"").is_err());
        let fresh = RequestId::generate(&mut OsRng);
        assert_eq!(fresh.as_str().parse(), Ok(fresh.clone()));
        assert_ne!(fresh, RequestId::generate(&mut OsRng));
    }
}
