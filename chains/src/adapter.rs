//! What every chain family implements.

use quorate_keys::{DerivationPath, InvalidSignature, PublicKey, Scheme, Signature, taproot};

use crate::context::Context;
use crate::error::{AddressError, AssembleError, PrepareError};
use crate::explain::Explain;
use crate::net::Net;

/// One chain family: the extension joint of this crate.
///
/// Everything is a function of its arguments, so that all signers agree. Callers use [`Chain`](crate::Chain), which has
/// checked that adapter and network belong together.
pub trait Adapter: Send + Sync {
    /// The address of `key`, which is not tweaked yet.
    ///
    /// # Errors
    /// When the chain has no address of this kind for this key.
    fn address(&self, net: &Net, key: &PublicKey, kind: AddressKind) -> Result<String, AddressError>;

    /// `address` in the one spelling in which this crate writes it.
    ///
    /// # Errors
    /// When it is none of this network, or another network's.
    fn canonical_address(&self, net: &Net, address: &str) -> Result<String, AddressError>;

    /// What a transaction says, and what must be signed for it.
    ///
    /// # Errors
    /// When the transaction is not wholly understood in form, is not the wallet's to sign, or lies.
    fn prepare(&self, net: &Net, tx: &[u8], context: &Context) -> Result<Prepared, PrepareError>;

    /// The signed transaction: `signatures` in the order of [`Prepared::requests`]. Verifies every one again.
    ///
    /// # Errors
    /// When one is missing, too many, or not valid.
    fn assemble(
        &self,
        net: &Net,
        prepared: &Prepared,
        signatures: &[Signature],
    ) -> Result<Signed, AssembleError>;
}

/// Which of a key's addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum AddressKind {
    /// The chain's usual one. Bitcoin: BIP-86, Taproot without scripts.
    #[default]
    Default,
    /// Taproot with a script tree of this merkle root, which this crate never spends by script.
    Taproot {
        /// The root of the script tree.
        merkle_root: [u8; 32],
    },
}

/// A transaction that was read, checked and explained, and waits for signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    pub(crate) net: &'static str,
    pub(crate) explain: Explain,
    pub(crate) requests: Vec<SigningRequest>,
    /// The transaction as it was given.
    pub(crate) body: Vec<u8>,
}

impl Prepared {
    /// What the transaction does.
    #[must_use]
    pub const fn explain(&self) -> &Explain {
        &self.explain
    }

    /// What must be signed, at least one thing.
    #[must_use]
    pub fn requests(&self) -> &[SigningRequest] {
        &self.requests
    }

    /// The CAIP-2 id of the network it was prepared for.
    #[must_use]
    pub const fn net(&self) -> &'static str {
        self.net
    }

    /// Verifies that these are the signatures of all requests, in order.
    pub(crate) fn verify(&self, net: &Net, signatures: &[Signature]) -> Result<(), AssembleError> {
        if self.net != net.id {
            return Err(AssembleError::OtherNetwork { prepared: self.net, asked: net.id });
        }
        if signatures.len() != self.requests.len() {
            return Err(AssembleError::Count { needed: self.requests.len(), got: signatures.len() });
        }
        for (index, (request, signature)) in self.requests.iter().zip(signatures).enumerate() {
            request.verify(signature).map_err(|_| AssembleError::Signature { index })?;
        }
        Ok(())
    }
}

/// One signature that a transaction needs of the wallet.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SigningRequest {
    /// The scheme, which picks the protocol.
    pub scheme: Scheme,
    /// What is signed.
    pub payload: Payload,
    /// The path from the wallet's key to the one that signs.
    pub path: DerivationPath,
    /// The key at that path, before any tweak.
    pub key: PublicKey,
    /// How that key is tweaked before it signs.
    pub tweak: Option<Tweak>,
    /// Where the signature goes: number of the input, or of the signer.
    pub slot: usize,
}

impl SigningRequest {
    /// The key under which the signature verifies: with the tweak.
    ///
    /// # Errors
    /// When the key and its tweak don't fit together, which `prepare` never makes.
    pub fn verifying_key(&self) -> Result<PublicKey, taproot::TaprootError> {
        match &self.tweak {
            None => Ok(self.key),
            Some(Tweak::Taproot(root)) => taproot::tweak(&self.key, root.as_ref()).map(|(_, key)| key),
        }
    }

    /// Verifies a signature for this request.
    ///
    /// # Errors
    /// When it is not valid.
    pub fn verify(&self, signature: &Signature) -> Result<(), InvalidSignature> {
        let key = self.verifying_key().map_err(|_| InvalidSignature)?;
        key.verify(self.payload.as_bytes(), signature)
    }
}

/// What is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// A hash that the chain defines.
    Digest([u8; 32]),
    /// The bytes themselves.
    Message(Vec<u8>),
}

impl Payload {
    /// The bytes that go into the signature scheme.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Digest(digest) => digest,
            Self::Message(message) => message,
        }
    }
}

/// How a key is tweaked before it signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tweak {
    /// BIP-341, with the merkle root of the script tree if there is one.
    Taproot(Option<[u8; 32]>),
}

/// A transaction with the wallet's signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signed {
    /// Ready for the network.
    Complete {
        /// Bytes as the network takes them.
        transaction: Vec<u8>,
        /// The name under which the network knows it.
        id: String,
    },
    /// Somebody else must sign as well.
    Partial {
        /// Bytes in the form in which the transaction came, for the next signer.
        transaction: Vec<u8>,
    },
}

impl Signed {
    /// The bytes, complete or not.
    #[must_use]
    pub fn transaction(&self) -> &[u8] {
        match self {
            Self::Complete { transaction, .. } | Self::Partial { transaction } => transaction,
        }
    }
}
