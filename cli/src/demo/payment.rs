//! Transactions for the demonstration, made by hand: nothing of them comes from the adapters that read them.

use anyhow::Context;
use bitcoin::TxOut;
use bitcoin::key::XOnlyPublicKey;
use quorate_keys::{DerivationPath, Scheme};
use quorate_request::WalletView;

use super::spending::{self, Coin};
use crate::{address, judge};

/// A payment that waits for signatures.
pub(super) struct Payment {
    pub(super) chain: &'static str,
    pub(super) transaction: Vec<u8>,
    /// What a Bitcoin transaction spends.
    prevouts: Vec<TxOut>,
}

impl Payment {
    /// A payment from a wallet that has nothing, on the chain for its scheme.
    pub(super) fn from(wallet: &WalletView, scheme: Scheme) -> anyhow::Result<Self> {
        match scheme {
            Scheme::Ed25519 => solana(wallet),
            _ => taproot(wallet),
        }
    }

    /// Whether the independent judge of the chain's signatures accepts the signed transaction.
    pub(super) fn is_accepted(&self, signed: &[u8]) -> bool {
        match self.chain {
            "solana" => judge::accepts_solana(signed),
            _ => judge::accepts_taproot(signed, &self.prevouts),
        }
    }
}

/// A version 0 transaction: half a coin to somebody.
fn solana(wallet: &WalletView) -> anyhow::Result<Payment> {
    let payer = address::key(wallet, &DerivationPath::default())?;
    let lamports: u64 = 500_000_000;
    let mut transaction = vec![1];
    transaction.extend([0; 64]);
    // Version 0; one signer, who pays; the last of three accounts, the system program, is only read.
    transaction.extend([0x80, 1, 0, 1, 3]);
    transaction.extend(payer.as_bytes());
    transaction.extend([9; 32]);
    transaction.extend([0; 32]);
    // A blockhash.
    transaction.extend([7; 32]);
    // One instruction: account 2, transfer (2) from account 0 to account 1. No lookup tables.
    transaction.extend([1, 2, 2, 0, 1, 12, 2, 0, 0, 0]);
    transaction.extend(lamports.to_le_bytes());
    transaction.push(0);
    Ok(Payment { chain: "solana", transaction, prevouts: Vec::new() })
}

/// A PSBT that spends two outputs, each of another key of the wallet, to somebody and back to itself.
fn taproot(wallet: &WalletView) -> anyhow::Result<Payment> {
    let coin = |path: &[u32], satoshis: u64| -> anyhow::Result<Coin> {
        let derivation = DerivationPath::new(path.to_vec()).context("the path")?;
        let key = XOnlyPublicKey::from_slice(address::key(wallet, &derivation)?.as_bytes())?;
        Ok(Coin { key, path: path.to_vec(), root: None, satoshis })
    };
    // The second input is found by the path that it names.
    let coins = [coin(&[], 70_000)?, coin(&[0, 1], 40_000)?];
    let change = coin(&[], 10_500)?;
    let psbt = spending::spend(&coins, vec![spending::elsewhere(99_000), change.output()])?;
    let prevouts = coins.iter().map(Coin::output).collect();
    Ok(Payment { chain: "bitcoin", transaction: psbt.serialize(), prevouts })
}
