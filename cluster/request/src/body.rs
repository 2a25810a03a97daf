//! The typed bodies of requests.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::error_body::ErrorCode;
use crate::hex_bytes::{Hex, HexArray};
use crate::id::{RequestId, WalletId};
use crate::operation::Operation;

/// The body of one operation.
pub trait Body: Serialize + DeserializeOwned {
    /// The operation that this is the body of.
    const OPERATION: Operation;

    /// The request id inside the body, when there is one.
    fn session_id(&self) -> Option<&RequestId>;

    /// Reads the body of a request with the given id.
    ///
    /// # Errors
    /// The caller's fault: no JSON, unknown or repeated or wrongly typed fields, or another `session_id`
    /// than the signed one.
    fn from_json(body: &[u8], request_id: &RequestId) -> Result<Self, BodyError> {
        // The JSON reader would take an array of the values for an object too: a second spelling.
        if body.trim_ascii_start().first() != Some(&b'{') {
            return Err(BodyError::Json("expected an object".to_owned()));
        }
        let parsed: Self = serde_json::from_slice(body).map_err(|e| BodyError::Json(e.to_string()))?;
        match parsed.session_id() {
            Some(inner) if inner != request_id => Err(BodyError::SessionId),
            _ => Ok(parsed),
        }
    }
}

/// Asks for a new wallet: `POST /api/v1/keygen`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeygenRequest {
    /// The request id, if the body repeats it; it must be the signed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<RequestId>,
    /// The minimum number of signers.
    pub threshold: u16,
    /// The number of nodes that get a share.
    pub total: u16,
    /// `ed25519` or `secp256k1`.
    pub curve: String,
    /// The signing protocol; the curve's default if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// The name of the new wallet; made if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wallet_id: Option<WalletId>,
    /// The names of the nodes that get a share, `total` of them; chosen if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parties: Option<Vec<String>>,
}

/// Asks for a signature: `POST /api/v1/sign`.
///
/// Exactly one of `public_key` and `wallet_id`, and exactly one of `message_hash` and `message`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignRequest {
    /// The request id, if the body repeats it; it must be the signed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<RequestId>,
    /// The wallet, by its public key as key generation returned it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<Hex>,
    /// The wallet, by its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wallet_id: Option<WalletId>,
    /// What to sign, 32 bytes. For Ed25519 and BIP-340 this is the message itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_hash: Option<Hex>,
    /// What to sign, of any length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Hex>,
    /// The names of the nodes that shall sign; chosen among the healthy ones if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signers: Option<Vec<String>>,
    /// Sign with the key derived along this non-hardened path, e.g. `m/0/1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub derivation_path: Option<String>,
    /// Sign with the tweaked key. Absent: the key as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tweak: Option<Tweak>,
}

/// How the key is tweaked before it signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Tweak {
    /// The output key of BIP-341: `{"taproot": null}` commits to no script, `{"taproot": "0x…"}` to the
    /// script tree with this Merkle root.
    Taproot(Option<HexArray<32>>),
}

/// How a request names its wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WalletRef<'a> {
    /// By its name.
    Id(&'a WalletId),
    /// By its public key.
    PublicKey(&'a [u8]),
}

/// Why a correctly signed body is refused: the caller's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// The body is not the JSON object of this operation.
    #[error("the body can't be read: {0}")]
    Json(String),
    /// The body names another request than the signature.
    #[error("session_id in the body differs from the nonce of the request signature")]
    SessionId,
    /// The request is for another operation than this body's.
    #[error("the request is signed for \"{0}\"")]
    OtherOperation(Operation),
    /// The wallet is named twice or not at all.
    #[error("name the wallet by exactly one of public_key and wallet_id")]
    WalletRef,
    /// What to sign is given twice or not at all.
    #[error("give exactly one of message_hash (32 bytes) and message")]
    Message,
    /// The digest has the wrong length.
    #[error("message_hash has 32 bytes, got {0}; use message for what is longer or shorter")]
    HashLength(usize),
}

impl BodyError {
    /// The code under which the API reports this.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Json(_) | Self::SessionId | Self::WalletRef => ErrorCode::MalformedRequest,
            Self::OtherOperation(_) => ErrorCode::OtherOperation,
            Self::Message | Self::HashLength(_) => ErrorCode::InvalidMessage,
        }
    }
}

impl Body for KeygenRequest {
    const OPERATION: Operation = Operation::Keygen;

    fn session_id(&self) -> Option<&RequestId> {
        self.session_id.as_ref()
    }
}

impl Body for SignRequest {
    const OPERATION: Operation = Operation::Sign;

    fn session_id(&self) -> Option<&RequestId> {
        self.session_id.as_ref()
    }
}

impl SignRequest {
    /// Which wallet shall sign.
    ///
    /// # Errors
    /// The caller named it twice or not at all.
    pub fn wallet(&self) -> Result<WalletRef<'_>, BodyError> {
        match (&self.wallet_id, &self.public_key) {
            (Some(id), None) => Ok(WalletRef::Id(id)),
            (None, Some(key)) => Ok(WalletRef::PublicKey(key.as_bytes())),
            _ => Err(BodyError::WalletRef),
        }
    }

    /// The bytes to sign.
    ///
    /// # Errors
    /// The caller gave both fields or none, or a digest that has not 32 bytes.
    pub fn message(&self) -> Result<&[u8], BodyError> {
        match (&self.message_hash, &self.message) {
            (Some(hash), None) if hash.as_bytes().len() == 32 => Ok(hash.as_bytes()),
            (Some(hash), None) => Err(BodyError::HashLength(hash.as_bytes().len())),
            (None, Some(message)) => Ok(message.as_bytes()),
            _ => Err(BodyError::Message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> RequestId {
        text.parse().unwrap()
    }

    fn keygen(json: &str) -> Result<KeygenRequest, BodyError> {
        KeygenRequest::from_json(json.as_bytes(), &id("s1"))
    }

    fn sign(json: &str) -> Result<SignRequest, BodyError> {
        SignRequest::from_json(json.as_bytes(), &id("s1"))
    }

    #[test]
    fn the_documented_key_generation_body_is_read() {
        let request = keygen(r#"{"threshold": 2, "total": 3, "curve": "ed25519"}"#).unwrap();
        assert_eq!((request.threshold, request.total, request.curve.as_str()), (2, 3, "ed25519"));
        let json = serde_json::to_string(&request).unwrap();
        assert_eq!(json, r#"{"threshold":2,"total":3,"curve":"ed25519"}"#);
    }

    #[test]
    fn the_documented_signing_body_is_read() {
        let hash = "11".repeat(32);
        let json =
            format!(r#"{{"public_key": "0x0a", "message_hash": "0x{hash}", "signers": ["node1", "node2"]}}"#);
        let request = sign(&json).unwrap();
        assert_eq!(request.wallet(), Ok(WalletRef::PublicKey(&[0x0a])));
        assert_eq!(request.message(), Ok([0x11; 32].as_slice()));
        assert_eq!(request.signers.unwrap(), ["node1", "node2"]);
    }

    #[test]
    fn unknown_missing_repeated_and_wrongly_typed_fields_are_refused() {
        for bad in [
            "",
            "null",
            "[]",
            "{}",
            r#"[null, 2, 3, "ed25519", null, null, null]"#,
            r#"{"threshold": 2, "total": 3}"#,
            r#"{"threshold": 2, "total": 3, "curve": "ed25519", "treshold": 1}"#,
            r#"{"threshold": 2, "threshold": 1, "total": 3, "curve": "ed25519"}"#,
            r#"{"threshold": -1, "total": 3, "curve": "ed25519"}"#,
            r#"{"threshold": 70000, "total": 3, "curve": "ed25519"}"#,
            r#"{"threshold": 2.5, "total": 3, "curve": "ed25519"}"#,
            r#"{"threshold": "2", "total": 3, "curve": "ed25519"}"#,
            r#"{"threshold": 2, "total": 3, "curve": "ed25519"} x"#,
            r#"{"threshold": 2, "total": 3, "curve": "ed25519", "wallet_id": "../x"}"#,
        ] {
            let error = keygen(bad).unwrap_err();
            assert!(matches!(error, BodyError::Json(_)), "{bad}: {error:?}");
            assert_eq!(error.code(), ErrorCode::MalformedRequest);
        }
    }

    #[test]
    fn a_session_id_in_the_body_is_the_signed_one() {
        let with = |id: &str| {
            keygen(&format!(r#"{{"session_id": "{id}", "threshold": 2, "total": 3, "curve": "ed25519"}}"#))
        };
        assert!(with("s1").is_ok());
        assert_eq!(with("s2"), Err(BodyError::SessionId));
    }

    #[test]
    fn a_wallet_is_named_exactly_once() {
        let wallet = |json| sign(json).unwrap().wallet().map(|_| ());
        assert_eq!(wallet(r#"{"wallet_id": "w"}"#), Ok(()));
        assert_eq!(wallet(r#"{"public_key": "0x01"}"#), Ok(()));
        assert_eq!(wallet(r#"{}"#), Err(BodyError::WalletRef));
        assert_eq!(wallet(r#"{"wallet_id": "w", "public_key": "0x01"}"#), Err(BodyError::WalletRef));
    }

    #[test]
    fn a_message_is_given_exactly_once_and_a_digest_has_32_bytes() {
        let message = |json: &str| sign(json).unwrap().message().map(<[u8]>::to_vec);
        assert_eq!(message(r#"{"message": "0x0102"}"#), Ok(vec![1, 2]));
        assert_eq!(message(r#"{"message": "0x"}"#), Ok(vec![]));
        assert_eq!(message(r#"{}"#), Err(BodyError::Message));
        assert_eq!(message(r#"{"message": "0x01", "message_hash": "0x02"}"#), Err(BodyError::Message));
        for length in [0, 31, 33] {
            let json = format!(r#"{{"message_hash": "0x{}"}}"#, "00".repeat(length));
            assert_eq!(message(&json), Err(BodyError::HashLength(length)));
        }
    }

    #[test]
    fn a_taproot_tweak_has_a_merkle_root_or_none() {
        let tweak = |json: &str| sign(&format!(r#"{{"tweak": {json}}}"#)).map(|request| request.tweak);
        assert_eq!(tweak("null"), Ok(None));
        assert_eq!(tweak(r#"{"taproot": null}"#), Ok(Some(Tweak::Taproot(None))));
        let root = format!("0x{}", "07".repeat(32));
        assert_eq!(
            tweak(&format!(r#"{{"taproot": "{root}"}}"#)),
            Ok(Some(Tweak::Taproot(Some([7; 32].into()))))
        );
        for bad in [r#""taproot""#, r#"{}"#, r#"{"taproot": "0x01"}"#, r#"{"other": null}"#, "1"] {
            assert!(tweak(bad).is_err(), "{bad}");
        }
        let json = serde_json::to_string(&Tweak::Taproot(None)).unwrap();
        assert_eq!(json, r#"{"taproot":null}"#);
    }
}
