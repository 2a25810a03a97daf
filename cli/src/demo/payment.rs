//! Transactions for the demonstration, made by hand: nothing of them comes from the adapters that read them.

use anyhow::Context;
use bitcoin::bip32::{ChildNumber, Fingerprint};
use bitcoin::hashes::Hash;
use bitcoin::key::XOnlyPublicKey;
use bitcoin::psbt::Psbt;
use bitcoin::secp256k1::Secp256k1;
use bitcoin::{Amount, OutPoint, ScriptBuf, Sequence, TxIn, TxOut, Txid, Witness};
use quorate_keys::{DerivationPath, Scheme};
use quorate_request::WalletView;

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
    let context = Secp256k1::verification_only();
    let child = |path: &[u32]| -> anyhow::Result<XOnlyPublicKey> {
        let path = DerivationPath::new(path.to_vec()).context("the path")?;
        Ok(XOnlyPublicKey::from_slice(address::key(wallet, &path)?.as_bytes())?)
    };
    let (own, derived) = (child(&[])?, child(&[0, 1])?);
    let out = |key: XOnlyPublicKey, satoshis: u64| TxOut {
        value: Amount::from_sat(satoshis),
        script_pubkey: ScriptBuf::new_p2tr(&context, key, None),
    };
    let prevouts = vec![out(own, 70_000), out(derived, 40_000)];
    let input = |number: u32| TxIn {
        previous_output: OutPoint { txid: Txid::from_byte_array([0x21; 32]), vout: number },
        script_sig: ScriptBuf::new(),
        sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
        witness: Witness::new(),
    };
    let to = ScriptBuf::new_p2wpkh(&bitcoin::WPubkeyHash::from_byte_array([7; 20]));
    let mut psbt = Psbt::from_unsigned_tx(bitcoin::Transaction {
        version: bitcoin::transaction::Version::TWO,
        lock_time: bitcoin::absolute::LockTime::ZERO,
        input: vec![input(0), input(1)],
        output: vec![TxOut { value: Amount::from_sat(99_000), script_pubkey: to }, out(own, 10_500)],
    })?;
    for (input, prevout) in psbt.inputs.iter_mut().zip(&prevouts) {
        input.witness_utxo = Some(prevout.clone());
    }
    // The second input is found by the path that it names.
    if let Some(input) = psbt.inputs.get_mut(1) {
        let path = [0, 1].map(ChildNumber::from).into_iter().collect();
        input.tap_internal_key = Some(derived);
        input.tap_key_origins.insert(derived, (Vec::new(), (Fingerprint::default(), path)));
    }
    Ok(Payment { chain: "bitcoin", transaction: psbt.serialize(), prevouts })
}
