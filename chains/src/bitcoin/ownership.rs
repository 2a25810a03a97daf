//! Which inputs and outputs are the wallet's.

use std::cell::Cell;
use std::collections::BTreeMap;

use ::bitcoin::hashes::Hash;
use ::bitcoin::key::XOnlyPublicKey;
use ::bitcoin::psbt::{Input, Output};
use ::bitcoin::taproot::TapLeafHash;
use ::bitcoin::{ScriptBuf, TxOut, bip32};
use quorate_keys::{DerivationPath, Scheme};

use super::taproot_script;
use crate::context::{Context, WalletKey, WalletRoot};
use crate::error::PrepareError;

/// The most derivations that one PSBT causes.
const MAX_DERIVATIONS: usize = 2 * 1000;

/// Whether the key at a path that a stranger chose could be found again by searching. Otherwise change could be hidden
/// where nobody finds it without the stranger's help.
fn searchable(path: &[u32]) -> bool {
    const BRANCHES: u32 = 100;
    const INDICES: u32 = 1_000_000;
    match path {
        [index] => *index < INDICES,
        [branch, index] => *branch < BRANCHES && *index < INDICES,
        [account, branch, index] => *account < BRANCHES && *branch < BRANCHES && *index < INDICES,
        _ => false,
    }
}

/// A key of the wallet that signs an input.
pub(super) struct Own {
    pub(super) key: WalletKey,
    pub(super) merkle_root: Option<[u8; 32]>,
}

/// What the wallet's side knows.
pub(super) struct Ownership {
    keys: Vec<WalletKey>,
    root: Option<WalletRoot>,
    /// The keys' scripts without script trees.
    scripts: BTreeMap<ScriptBuf, WalletKey>,
    derivations: Cell<usize>,
}

type Origins = BTreeMap<XOnlyPublicKey, (Vec<TapLeafHash>, bip32::KeySource)>;

impl Ownership {
    pub(super) fn new(context: &Context) -> Self {
        let scripts =
            context.keys.iter().filter_map(|key| Some((taproot_script(&key.key, None)?, key.clone())));
        Self {
            scripts: scripts.collect(),
            keys: context.keys.clone(),
            root: context.root,
            derivations: Cell::new(0),
        }
    }

    /// The wallet's key for this input, if it is one of the wallet's.
    pub(super) fn of_input(
        &self,
        index: usize,
        input: &Input,
        prevout: &TxOut,
    ) -> Result<Option<Own>, PrepareError> {
        let script = &prevout.script_pubkey;
        let merkle_root = input.tap_merkle_root.map(|root| root.to_byte_array());
        let named = self.named(input.tap_internal_key.as_ref(), &input.tap_key_origins);
        let key = match (merkle_root, named) {
            // A key that the PSBT names as the internal one must lead to the script.
            (root, Some(key)) if taproot_script(&key.key, root.as_ref()).as_ref() == Some(script) => {
                Some(key)
            }
            (_, Some(_)) => {
                let what = "it names a key of the wallet, whose script is another";
                return Err(PrepareError::PrevoutMismatch { input: index, what });
            }
            (None, None) => self.scripts.get(script).cloned(),
            (Some(_), None) => None,
        };
        if let (Some(key), Some(internal)) = (&key, &input.tap_internal_key)
            && key.key.as_bytes() != internal.serialize()
        {
            let what = "it names another internal key than the script has";
            return Err(PrepareError::PrevoutMismatch { input: index, what });
        }
        Ok(key.map(|key| Own { key, merkle_root }))
    }

    /// Whether what goes to this output stays in the wallet.
    pub(super) fn of_output(&self, output: &Output, to: &TxOut) -> bool {
        let script = &to.script_pubkey;
        if self.scripts.contains_key(script) {
            return true;
        }
        let named = self.named(output.tap_internal_key.as_ref(), &output.tap_key_origins);
        named.and_then(|key| taproot_script(&key.key, None)).as_ref() == Some(script)
    }

    /// Whether this is a script of the wallet, without looking at any derivation path.
    pub(super) fn of_script(&self, script: &ScriptBuf) -> bool {
        self.scripts.contains_key(script)
    }

    /// The wallet's key that is this internal key: one of the context, or the child at the path that is named.
    fn named(&self, internal: Option<&XOnlyPublicKey>, origins: &Origins) -> Option<WalletKey> {
        let internal = internal?;
        let bytes = internal.serialize();
        if let Some(key) = self.keys.iter().find(|key| key.key.as_bytes() == bytes) {
            return Some(key.clone());
        }
        let (root, (_, (_, path))) = (self.root?, origins.get(internal)?);
        let indices: Vec<u32> = path.into_iter().map(|step| u32::from(*step)).collect();
        if !searchable(&indices) || self.derivations.get() >= MAX_DERIVATIONS {
            return None;
        }
        self.derivations.set(self.derivations.get() + 1);
        let path = DerivationPath::new(indices).ok()?;
        root.child(&path, Scheme::Bip340).filter(|child| child.key.as_bytes() == bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::searchable;

    #[test]
    fn only_paths_that_can_be_searched_are_followed() {
        for good in [&[0][..], &[999_999], &[99, 999_999], &[99, 99, 999_999]] {
            assert!(searchable(good), "{good:?}");
        }
        for bad in [
            &[][..],
            &[1_000_000],
            &[100, 0],
            &[0, 1_000_000],
            &[0, 100, 0],
            &[100, 0, 0],
            &[0, 0, 0, 0],
            &[1 << 31],
        ] {
            assert!(!searchable(bad), "{bad:?}");
        }
    }
}
