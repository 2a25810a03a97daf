//! A wallet as its owner remembers it.

use std::collections::BTreeSet;

use quorate_keys::{ChainCode, Curve, DerivationPath, GroupKey, PublicKey, Scheme, derive, taproot};
use quorate_request::{
    Hex, HexArray, KeygenResponse, PresignRequest, SignRequest, TransactionBytes, Tweak, WalletView,
};
use serde::{Deserialize, Serialize};

use super::{Expectation, InvalidWallet, Unexpectable};

/// A wallet as its owner remembers it: its public key, and what the keys of its children follow from.
///
/// Made once, when the wallet is ([`Client::pin`](crate::Client::pin)), and kept where nobody changes it: whatever
/// verifies under it is a signature of this wallet, whoever answers. It holds no secret. Its JSON is stable:
///
/// ```json
/// {"scheme": "bip340", "public_key": "0x…", "group_key": "0x…", "chain_code": "0x…"}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct PinnedWallet {
    public_key: PublicKey,
    root: Option<Root>,
}

/// Where derivation starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Root {
    group_key: GroupKey,
    chain_code: ChainCode,
}

impl PinnedWallet {
    /// A wallet of which only the public key is known. Answers of its children's keys can't be verified, nor transactions.
    #[must_use]
    pub const fn of_key(public_key: PublicKey) -> Self {
        Self { public_key, root: None }
    }

    /// The wallet that somebody describes.
    ///
    /// # Errors
    /// The description contradicts itself or is not understood.
    ///
    /// # Security
    /// Nothing vouches for the description but whoever gave it: it should be that of the wallet's making, or of several
    /// nodes. From then on nobody is trusted with it.
    pub fn of_view(view: &WalletView) -> Result<Self, InvalidWallet> {
        let curve: Curve = view.curve.parse().map_err(field("curve"))?;
        let scheme: Scheme = view.scheme.parse().map_err(field("scheme"))?;
        let root = (&view.group_key, &view.chain_code);
        Self::new(curve, scheme, &view.public_key, Some(root))
    }

    /// The wallet that a node describes, if it is the one that was made.
    pub(crate) fn as_made(view: &WalletView, made: &KeygenResponse) -> Result<Self, InvalidWallet> {
        let parties = |names: &[String]| names.iter().cloned().collect::<BTreeSet<_>>();
        if view.public_key != made.public_key {
            let (found, expected) = (view.public_key.clone(), made.public_key.clone());
            return Err(InvalidWallet::OtherWallet { found, expected });
        }
        if view.threshold != made.threshold {
            return Err(field("threshold")(format!("{}, not {}", view.threshold, made.threshold)));
        }
        if parties(&view.parties) != parties(&made.parties) {
            let (found, expected) = (view.parties.join(", "), made.parties.join(", "));
            return Err(field("parties")(format!("{found}, not {expected}")));
        }
        Self::of_view(view)
    }

    fn new(
        curve: Curve,
        scheme: Scheme,
        public_key: &Hex,
        root: Option<(&Hex, &HexArray<32>)>,
    ) -> Result<Self, InvalidWallet> {
        let public_key = PublicKey::from_bytes(scheme, public_key.as_bytes()).map_err(field("public_key"))?;
        let Some((group_key, chain_code)) = root else { return Ok(Self::of_key(public_key)) };
        let group_key = GroupKey::from_bytes(curve, group_key.as_bytes()).map_err(field("group_key"))?;
        if group_key.public_key(scheme).map_err(field("scheme"))? != public_key {
            return Err(InvalidWallet::GroupKey);
        }
        let chain_code = ChainCode::new(*chain_code.as_bytes());
        Ok(Self { public_key, root: Some(Root { group_key, chain_code }) })
    }

    /// The public key under which the wallet's own signatures verify: not derived, not tweaked.
    #[must_use]
    pub const fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// The wallet's key on its curve and its chain code, where they are known.
    #[must_use]
    pub fn root(&self) -> Option<(GroupKey, ChainCode)> {
        self.root.map(|root| (root.group_key, root.chain_code))
    }

    /// The key that signs at `path` with `tweak`.
    ///
    /// # Errors
    /// When there is no such key, or it can't be known.
    pub fn key(&self, path: &DerivationPath, tweak: Option<&Tweak>) -> Result<PublicKey, Unexpectable> {
        let none = |error: &dyn ToString| Unexpectable::Key(error.to_string());
        let key = if path.is_empty() {
            self.public_key
        } else {
            let root = self.root.ok_or(Unexpectable::NoRoot)?;
            let derived = derive(&root.group_key, &root.chain_code, path).map_err(|error| none(&error))?;
            derived.key.public_key(self.public_key.scheme()).map_err(|error| none(&error))?
        };
        match tweak {
            None => Ok(key),
            Some(Tweak::Taproot(root)) => {
                let tweaked = taproot::tweak(&key, root.as_ref().map(HexArray::as_bytes));
                tweaked.map(|(_, output)| output).map_err(|error| none(&error))
            }
            Some(_) => Err(none(&"a tweak that is not known here")),
        }
    }

    /// A request that has this wallet sign a message. Not for ECDSA: see [`PinnedWallet::digest`].
    #[must_use]
    pub fn message(&self, message: impl Into<Vec<u8>>) -> SignRequest {
        self.request(SignRequest { message: Some(message.into().into()), ..SignRequest::default() })
    }

    /// A request that has this wallet sign a digest as it is: what ECDSA wallets sign.
    #[must_use]
    pub fn digest(&self, digest: [u8; 32]) -> SignRequest {
        self.request(SignRequest { message_hash: Some(digest.into()), ..SignRequest::default() })
    }

    /// A request that has so many presignatures of this wallet made.
    #[must_use]
    pub fn presign(&self, count: u16) -> PresignRequest {
        let public_key = Some(self.public_key.as_bytes().into());
        PresignRequest { public_key, count, ..PresignRequest::default() }
    }

    /// A request that has this wallet sign a transaction of a chain.
    #[must_use]
    pub fn transaction(
        &self,
        chain: impl Into<String>,
        transaction: impl Into<TransactionBytes>,
    ) -> SignRequest {
        let (chain, transaction) = (Some(chain.into()), Some(transaction.into()));
        self.request(SignRequest { chain, transaction, ..SignRequest::default() })
    }

    /// The request, for this wallet.
    fn request(&self, request: SignRequest) -> SignRequest {
        SignRequest { public_key: Some(self.public_key.as_bytes().into()), ..request }
    }

    /// What the answer to a request must be.
    ///
    /// # Errors
    /// The request can't be made with this wallet.
    pub fn expect(&self, request: &SignRequest) -> Result<Expectation, Unexpectable> {
        Expectation::new(self, request)
    }
}

fn field<E: std::fmt::Display>(field: &'static str) -> impl Fn(E) -> InvalidWallet {
    move |error| InvalidWallet::Field { field, reason: error.to_string() }
}

/// As it is kept.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    scheme: String,
    public_key: Hex,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group_key: Option<Hex>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    chain_code: Option<HexArray<32>>,
}

impl From<PinnedWallet> for Written {
    fn from(wallet: PinnedWallet) -> Self {
        Self {
            scheme: wallet.public_key.scheme().to_string(),
            public_key: wallet.public_key.as_bytes().into(),
            group_key: wallet.root.map(|root| root.group_key.as_bytes().into()),
            chain_code: wallet.root.map(|root| (*root.chain_code.as_bytes()).into()),
        }
    }
}

impl TryFrom<Written> for PinnedWallet {
    type Error = InvalidWallet;

    fn try_from(written: Written) -> Result<Self, InvalidWallet> {
        let scheme: Scheme = written.scheme.parse().map_err(field("scheme"))?;
        let root = match (&written.group_key, &written.chain_code) {
            (Some(group_key), Some(chain_code)) => Some((group_key, chain_code)),
            (None, None) => None,
            _ => return Err(field("group_key")("it goes with the chain code: both or neither")),
        };
        Self::new(scheme.curve(), scheme, &written.public_key, root)
    }
}
