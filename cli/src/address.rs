//! Addresses of a wallet, computed here from its group key and chain code, so that they fit the wallet that was described. That
//! it is the right one, is the word of whoever described it.

use quorate_chains::{AddressKind, Chain};
use quorate_client::{ClientError, PinnedWallet};
use quorate_keys::{DerivationPath, PublicKey};
use quorate_request::{AddressView, WalletView};

use crate::failure::Failure;

/// The key of a wallet at a path.
///
/// # Errors
/// When the answer about the wallet contradicts itself, or there is no such key.
pub(crate) fn key(wallet: &WalletView, path: &DerivationPath) -> anyhow::Result<PublicKey> {
    let none = |_| Failure::Usage(format!("the wallet has no key at {path}"));
    Ok(pinned(wallet)?.key(path, None).map_err(none)?)
}

/// A wallet to hold answers against, as the cluster describes it.
///
/// # Errors
/// When the description contradicts itself.
pub(crate) fn pinned(wallet: &WalletView) -> Result<PinnedWallet, ClientError> {
    let invalid = |reason| ClientError::InvalidWallet { wallet: wallet.wallet_id.clone(), reason };
    PinnedWallet::of_view(wallet).map_err(invalid)
}

/// The address of a key on a chain.
pub(crate) fn on(chain: &Chain, key: &PublicKey) -> anyhow::Result<AddressView> {
    let address =
        chain.address(key, AddressKind::Default).map_err(|error| Failure::Usage(error.to_string()))?;
    Ok(AddressView { chain: chain.net().id.into(), name: chain.net().name.into(), address })
}

/// The addresses of a key on all networks that take its signatures, or on the main ones only.
pub(crate) fn all(key: &PublicKey, test: bool) -> Vec<AddressView> {
    let chains = quorate_chains::chains().filter(|chain| test || !chain.net().test);
    chains.filter_map(|chain| on(&chain, key).ok()).collect()
}
