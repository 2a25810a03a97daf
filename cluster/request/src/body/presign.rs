//! The body that asks for presignatures.

use serde::{Deserialize, Serialize};

use super::{Body, BodyError, WalletRef, named};
use crate::hex_bytes::Hex;
use crate::id::{RequestId, WalletId};
use crate::operation::Operation;

/// Asks for presignatures ahead of messages: `POST /api/v1/presign`.
///
/// Each is for one signature of the wallet, whatever is signed then. They are kept by the signers, and used by the node that
/// answers. Exactly one of `public_key` and `wallet_id`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PresignRequest {
    /// The request id, if the body repeats it; it must be the signed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<RequestId>,
    /// The wallet, by its public key as key generation returned it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<Hex>,
    /// The wallet, by its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wallet_id: Option<WalletId>,
    /// How many to make, 1 to [`PresignRequest::MAX_COUNT`]; read it by [`PresignRequest::count`].
    pub count: u16,
    /// The names of the nodes whose halves they shall be, and which then sign; chosen among the healthy ones if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signers: Option<Vec<String>>,
}

impl PresignRequest {
    /// The most presignatures that one request makes.
    pub const MAX_COUNT: u16 = 1024;

    /// So many presignatures of a wallet, by its name.
    #[must_use]
    pub fn new(wallet: WalletId, count: u16) -> Self {
        Self { wallet_id: Some(wallet), count, ..Self::default() }
    }

    /// Which wallet they are for.
    ///
    /// # Errors
    /// The caller named it twice or not at all.
    pub fn wallet(&self) -> Result<WalletRef<'_>, BodyError> {
        named(self.wallet_id.as_ref(), self.public_key.as_ref())
    }

    /// How many to make.
    ///
    /// # Errors
    /// The caller asked for none, or for more than one request makes.
    pub fn count(&self) -> Result<u16, BodyError> {
        match self.count {
            count @ 1..=Self::MAX_COUNT => Ok(count),
            count => Err(BodyError::Count(count)),
        }
    }
}

impl Body for PresignRequest {
    const OPERATION: Operation = Operation::Presign;

    fn session_id(&self) -> Option<&RequestId> {
        self.session_id.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error_body::ErrorCode;

    fn read(json: &str) -> Result<PresignRequest, BodyError> {
        PresignRequest::from_json(json.as_bytes(), &"s1".parse().unwrap())
    }

    #[test]
    fn the_documented_body_is_read_and_made() {
        let json = r#"{"wallet_id":"till","count":100}"#;
        let request = read(json).unwrap();
        let wallet = "till".parse().unwrap();
        assert_eq!(request.wallet(), Ok(WalletRef::Id(&wallet)));
        assert_eq!(request.count(), Ok(100));
        let made = PresignRequest::new(wallet, 100);
        assert_eq!(request, made);
        assert_eq!(serde_json::to_string(&made).unwrap(), json);
        let request = read(r#"{"session_id": "s1", "public_key": "0x04", "count": 1, "signers": ["node1"]}"#);
        assert_eq!(request.unwrap().wallet(), Ok(WalletRef::PublicKey(&[4])));
    }

    #[test]
    fn a_wallet_is_named_once_and_a_count_is_within_bounds() {
        for none in [r#"{"count": 1}"#, r#"{"count": 1, "wallet_id": "w", "public_key": "0x04"}"#] {
            assert_eq!(read(none).unwrap().wallet(), Err(BodyError::WalletRef));
        }
        for (count, fits) in [(0, false), (1, true), (1024, true), (1025, false), (65_535, false)] {
            let counted = read(&format!(r#"{{"wallet_id": "w", "count": {count}}}"#)).unwrap().count();
            assert_eq!(counted, if fits { Ok(count) } else { Err(BodyError::Count(count)) });
        }
        assert_eq!(BodyError::Count(0).to_string(), "count is from 1 to 1024, got 0");
        assert_eq!(BodyError::Count(0).code(), ErrorCode::MalformedRequest);
        for bad in
            [r#"{"wallet_id": "w"}"#, r#"{"wallet_id": "w", "count": 65536}"#, r#"{"count": 1, "n": 1}"#]
        {
            assert!(matches!(read(bad), Err(BodyError::Json(_))), "{bad}");
        }
        let other = r#"{"session_id": "s2", "wallet_id": "w", "count": 1}"#;
        assert_eq!(read(other), Err(BodyError::SessionId));
    }
}
