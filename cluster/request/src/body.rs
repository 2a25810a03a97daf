//! The typed bodies of requests.

mod approval;
mod auxiliary;
mod initiators;
mod presign;
mod reshare;

use quorate_keys::{Curve, Scheme};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::error_body::ErrorCode;
use crate::hex_bytes::{Hex, HexArray, TransactionBytes};
use crate::id::{RequestId, WalletId};
use crate::operation::Operation;

pub use approval::{ApprovalRequest, Decision};
pub use auxiliary::AuxiliaryRequest;
pub use initiators::{InitiatorChange, InitiatorsRequest};
pub use presign::PresignRequest;
pub use reshare::{RefreshRequest, ReshareRequest, RollbackRequest};

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
    /// `ed25519`, `secp256k1` or `p256`.
    pub curve: String,
    /// The signing protocol. If absent the curve's default: `cggmp21` (ECDSA) on `secp256k1` and `p256`, `frost` on `ed25519`.
    /// With `frost`, `secp256k1` makes a BIP-340 wallet.
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
/// Exactly one of `public_key` and `wallet_id`, and exactly one of `message_hash`, `message` and `transaction`.
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
    /// What to sign, 32 bytes. For ECDSA this is the digest, and the only way to give it; for Ed25519 and BIP-340 it is the
    /// message itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_hash: Option<Hex>,
    /// What to sign, of any length. Not for ECDSA, which signs digests: nobody hashes for the caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Hex>,
    /// The names of the nodes that shall sign; chosen among the healthy ones if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signers: Option<Vec<String>>,
    /// Sign with the key derived along this non-hardened path, e.g. `m/0/1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub derivation_path: Option<String>,
    /// Sign with the tweaked key. Absent: the key as it is. A transaction says itself how keys are tweaked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tweak: Option<Tweak>,
    /// The chain of the transaction: its CAIP-2 id, an alias, or its SLIP-44 number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<String>,
    /// A transaction to sign, in the chain's usual form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<TransactionBytes>,
    /// What the transaction may contain beyond the usual.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<Allowance>,
}

/// What is refused in a transaction unless the request allows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Allowance {
    /// Inputs of others, which are left for them to sign.
    ForeignInputs,
    /// Kinds of Bitcoin signature that leave parts of the transaction open to change by others.
    WeakSighashes,
    /// Parts that no node can explain: unknown programs, accounts in lookup tables, scripts without an address.
    Opaque,
}

/// What a request asks to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Subject<'a> {
    /// Bytes as they are.
    Message(&'a [u8]),
    /// A transaction of a chain: the adapter knows what must be signed for it.
    Transaction {
        /// The chain, as the request names it.
        chain: &'a str,
        /// The transaction.
        transaction: &'a [u8],
    },
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
    #[error("give exactly one of message_hash (32 bytes), message, and transaction with chain")]
    Subject,
    /// A field that says more of a transaction, without one.
    #[error("chain and allow are for transactions")]
    WithoutTransaction,
    /// A tweak beside a transaction.
    #[error("a transaction says itself how keys are tweaked: leave tweak out")]
    TweakedTransaction,
    /// The digest has the wrong length.
    #[error("message_hash has 32 bytes, got {0}; use message for what is longer or shorter")]
    HashLength(usize),
    /// A message, for a wallet that signs digests.
    #[error("a wallet of {0} signs digests: give the 32 bytes of one as message_hash, instead of message")]
    NoDigest(Scheme),
    /// So many presignatures are not made by one request.
    #[error("count is from 1 to {max}, got {0}", max = PresignRequest::MAX_COUNT)]
    Count(u16),
    /// An authorizer's word that ends before it begins, or too late.
    #[error(
        "valid_until is a Unix time in seconds, after the word was signed and within {days} days of it; got {0}",
        days = ApprovalRequest::LONGEST.as_secs() / 86_400
    )]
    ValidUntil(u64),
    /// A change of initiators that does not say whose key is admitted, or says whose key is revoked.
    #[error(
        "initiator is the name, of 1 to 64 characters, of whose key is admitted; it is left out where a key is revoked"
    )]
    InitiatorName,
}

impl BodyError {
    /// The code under which the API reports this.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Json(_)
            | Self::SessionId
            | Self::WalletRef
            | Self::WithoutTransaction
            | Self::Count(_)
            | Self::ValidUntil(_)
            | Self::InitiatorName => ErrorCode::MalformedRequest,
            Self::OtherOperation(_) => ErrorCode::OtherOperation,
            Self::TweakedTransaction => ErrorCode::InvalidTweak,
            Self::Subject | Self::HashLength(_) | Self::NoDigest(_) => ErrorCode::InvalidMessage,
        }
    }
}

impl KeygenRequest {
    /// A wallet on `curve`, of which any `threshold` of `total` nodes sign. The nodes choose the rest: without a `protocol`,
    /// secp256k1 and P-256 make ECDSA wallets. With `frost`, secp256k1 makes a BIP-340 wallet.
    #[must_use]
    pub fn new(threshold: u16, total: u16, curve: Curve) -> Self {
        let curve = curve.name().to_owned();
        Self { session_id: None, threshold, total, curve, protocol: None, wallet_id: None, parties: None }
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
    /// A wallet, by its name, signs a message. Not for ECDSA: see [`SignRequest::digest`].
    #[must_use]
    pub fn message(wallet: WalletId, message: impl Into<Vec<u8>>) -> Self {
        let message = Some(message.into().into());
        Self { wallet_id: Some(wallet), message, ..Self::default() }
    }

    /// A wallet, by its name, signs a digest as it is: what ECDSA wallets sign. For others it is a message of 32 bytes.
    #[must_use]
    pub fn digest(wallet: WalletId, digest: [u8; 32]) -> Self {
        Self { wallet_id: Some(wallet), message_hash: Some(digest.into()), ..Self::default() }
    }

    /// A wallet, by its name, signs a transaction of a chain.
    #[must_use]
    pub fn transaction(
        wallet: WalletId,
        chain: impl Into<String>,
        transaction: impl Into<TransactionBytes>,
    ) -> Self {
        let (chain, transaction) = (Some(chain.into()), Some(transaction.into()));
        Self { wallet_id: Some(wallet), chain, transaction, ..Self::default() }
    }

    /// Which wallet shall sign.
    ///
    /// # Errors
    /// The caller named it twice or not at all.
    pub fn wallet(&self) -> Result<WalletRef<'_>, BodyError> {
        named(self.wallet_id.as_ref(), self.public_key.as_ref())
    }

    /// What to sign, by a wallet of this scheme.
    ///
    /// # Errors
    /// As [`SignRequest::subject`]; a message, where the wallet signs digests.
    pub fn subject_for(&self, scheme: Scheme) -> Result<Subject<'_>, BodyError> {
        match self.subject()? {
            // 32 bytes of a message would be taken for a digest that somebody made.
            Subject::Message(_) if scheme.signs_digests() && self.message_hash.is_none() => {
                Err(BodyError::NoDigest(scheme))
            }
            subject => Ok(subject),
        }
    }

    /// What to sign, whatever the wallet's scheme: [`SignRequest::subject_for`] asks whether the wallet can sign it.
    ///
    /// # Errors
    /// The caller gave several things or none, a digest that has not 32 bytes, or fields that don't go together.
    pub fn subject(&self) -> Result<Subject<'_>, BodyError> {
        let message = match (&self.message_hash, &self.message, &self.transaction) {
            (Some(hash), None, None) if hash.as_bytes().len() == 32 => hash.as_bytes(),
            (Some(hash), None, None) => return Err(BodyError::HashLength(hash.as_bytes().len())),
            (None, Some(message), None) => message.as_bytes(),
            (None, None, Some(_)) if self.tweak.is_some() => return Err(BodyError::TweakedTransaction),
            (None, None, Some(transaction)) => {
                let chain = self.chain.as_deref().ok_or(BodyError::Subject)?;
                return Ok(Subject::Transaction { chain, transaction: transaction.as_bytes() });
            }
            _ => return Err(BodyError::Subject),
        };
        if self.chain.is_some() || !self.allow.is_empty() {
            return Err(BodyError::WithoutTransaction);
        }
        Ok(Subject::Message(message))
    }
}

/// The wallet that a request names.
fn named<'a>(id: Option<&'a WalletId>, key: Option<&'a Hex>) -> Result<WalletRef<'a>, BodyError> {
    match (id, key) {
        (Some(id), None) => Ok(WalletRef::Id(id)),
        (None, Some(key)) => Ok(WalletRef::PublicKey(key.as_bytes())),
        _ => Err(BodyError::WalletRef),
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
        assert_eq!(request.subject(), Ok(Subject::Message(&[0x11; 32])));
        assert_eq!(request.signers.unwrap(), ["node1", "node2"]);
    }

    #[test]
    fn requests_are_made_as_they_are_documented() {
        let json = serde_json::to_string(&KeygenRequest::new(2, 3, Curve::Secp256k1)).unwrap();
        assert_eq!(json, r#"{"threshold":2,"total":3,"curve":"secp256k1"}"#);
        let wallet: WalletId = "w1".parse().unwrap();
        let json = serde_json::to_string(&SignRequest::message(wallet.clone(), b"pay")).unwrap();
        assert_eq!(json, r#"{"wallet_id":"w1","message":"0x706179"}"#);
        let request = SignRequest::transaction(wallet, "solana", vec![1, 2]);
        let transaction = Subject::Transaction { chain: "solana", transaction: &[1, 2] };
        assert_eq!(request.subject(), Ok(transaction));
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
        let message = |json: &str| {
            sign(json).unwrap().subject().map(|subject| match subject {
                Subject::Message(message) => message.to_vec(),
                Subject::Transaction { .. } => panic!("a transaction"),
            })
        };
        assert_eq!(message(r#"{"message": "0x0102"}"#), Ok(vec![1, 2]));
        assert_eq!(message(r#"{"message": "0x"}"#), Ok(vec![]));
        assert_eq!(message(r#"{}"#), Err(BodyError::Subject));
        assert_eq!(message(r#"{"message": "0x01", "message_hash": "0x02"}"#), Err(BodyError::Subject));
        for length in [0, 31, 33] {
            let json = format!(r#"{{"message_hash": "0x{}"}}"#, "00".repeat(length));
            assert_eq!(message(&json), Err(BodyError::HashLength(length)));
        }
    }

    #[test]
    fn a_wallet_that_signs_digests_takes_no_message() {
        let wallet: WalletId = "w1".parse().unwrap();
        let digest = SignRequest::digest(wallet.clone(), [7; 32]);
        let json = serde_json::to_string(&digest).unwrap();
        assert_eq!(json, format!(r#"{{"wallet_id":"w1","message_hash":"0x{}"}}"#, "07".repeat(32)));
        let message = SignRequest::message(wallet.clone(), [7; 32]);
        let transaction = SignRequest::transaction(wallet, "ethereum", vec![2]);
        for scheme in Scheme::ALL {
            assert_eq!(digest.subject_for(scheme), Ok(Subject::Message(&[7; 32])), "{scheme}");
            assert!(transaction.subject_for(scheme).is_ok(), "{scheme}");
            let refused = scheme.signs_digests().then_some(BodyError::NoDigest(scheme));
            assert_eq!(message.subject_for(scheme).err(), refused, "{scheme}");
        }
        let error = BodyError::NoDigest(Scheme::EcdsaP256);
        assert_eq!(error.code(), ErrorCode::InvalidMessage);
        assert!(error.to_string().contains("ecdsa-p256 signs digests"), "{error}");
    }

    #[test]
    fn a_transaction_comes_with_its_chain_and_in_either_encoding() {
        for text in ["0x70736274ff", "cHNidP8="] {
            let request = sign(&format!(r#"{{"chain": "bitcoin", "transaction": "{text}"}}"#)).unwrap();
            let transaction = b"psbt\xff".as_slice();
            assert_eq!(request.subject(), Ok(Subject::Transaction { chain: "bitcoin", transaction }));
            let json = serde_json::to_string(&request).unwrap();
            assert_eq!(json, r#"{"chain":"bitcoin","transaction":"0x70736274ff"}"#);
        }
        for bad in ["cHNidP8", "cHNidP9=", "0x7", "cHNi dP8=", "cHNidP8=\\n", "-", "_w=="] {
            let error = sign(&format!(r#"{{"chain": "bitcoin", "transaction": "{bad}"}}"#)).unwrap_err();
            assert!(error.to_string().contains("0x and hexadecimal digits, or Base64"), "{bad}: {error}");
        }
        let refused = |json: &str| sign(json).unwrap().subject().unwrap_err();
        assert_eq!(refused(r#"{"transaction": "0x01"}"#), BodyError::Subject);
        assert_eq!(refused(r#"{"chain": "x", "transaction": "0x01", "message": "0x"}"#), BodyError::Subject);
        assert_eq!(refused(r#"{"chain": "x", "message": "0x"}"#), BodyError::WithoutTransaction);
        let allowed = r#"{"message": "0x", "allow": ["foreign_inputs"]}"#;
        assert_eq!(refused(allowed), BodyError::WithoutTransaction);
        let tweaked = r#"{"chain": "x", "transaction": "0x01", "tweak": {"taproot": null}}"#;
        assert_eq!(refused(tweaked), BodyError::TweakedTransaction);
        assert!(sign(r#"{"chain": "x", "transaction": "0x01", "allow": ["anything"]}"#).is_err());
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
