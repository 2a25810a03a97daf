//! What the wallet's side knows about a transaction before reading it.

use quorate_keys::{ChainCode, DerivationPath, GroupKey, PublicKey, Scheme, derive};

/// Whose transaction it should be, and what it may contain.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Context {
    /// Keys that sign: inputs and signers are the wallet's when they are of one of these. At most [`Self::MAX_KEYS`].
    pub keys: Vec<WalletKey>,
    /// Where children that the transaction itself names by their paths are looked for as well: up to three steps, the last
    /// below a million, the others below a hundred.
    pub root: Option<WalletRoot>,
    /// What to do with inputs of others.
    pub foreign_inputs: ForeignInputs,
    /// Which kinds of Bitcoin signature are made.
    pub sighashes: Sighashes,
}

impl Context {
    /// The most keys.
    pub const MAX_KEYS: usize = 256;

    /// A context that signs with this key alone, and is strict in everything.
    #[must_use]
    pub fn new(key: PublicKey) -> Self {
        Self::with_keys(vec![WalletKey { path: DerivationPath::default(), key }])
    }

    /// A context that signs with the wallet's key at `path`, and with those of its children that the transaction names.
    /// None where there is no such key.
    #[must_use]
    pub fn of_wallet(root: WalletRoot, scheme: Scheme, path: &DerivationPath) -> Option<Self> {
        let mut context = Self::with_keys(vec![root.child(path, scheme)?]);
        context.root = Some(root);
        Some(context)
    }

    /// A context that signs with these keys.
    #[must_use]
    pub const fn with_keys(keys: Vec<WalletKey>) -> Self {
        Self { keys, root: None, foreign_inputs: ForeignInputs::Refuse, sighashes: Sighashes::All }
    }
}

/// A key of the wallet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalletKey {
    /// The path from the wallet's own key.
    pub path: DerivationPath,
    /// The key there, not tweaked.
    pub key: PublicKey,
}

/// Where the wallet's derivation begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalletRoot {
    /// The wallet's key.
    pub key: GroupKey,
    /// The wallet's chain code.
    pub chain_code: ChainCode,
}

impl WalletRoot {
    /// The child at `path`, in `scheme`.
    #[must_use]
    pub fn child(&self, path: &DerivationPath, scheme: Scheme) -> Option<WalletKey> {
        let key = derive(&self.key, &self.chain_code, path).ok()?.key.public_key(scheme).ok()?;
        Some(WalletKey { path: path.clone(), key })
    }
}

/// What to do with inputs that are not the wallet's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ForeignInputs {
    /// Refuse the transaction.
    #[default]
    Refuse,
    /// Sign the wallet's and leave the others to others.
    Leave,
}

/// Which kinds of Bitcoin signature are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Sighashes {
    /// Those over the whole transaction: `DEFAULT` and `ALL`.
    #[default]
    All,
    /// Also those that leave parts open to change by others, with a warning.
    Any,
}
