//! PSBTs that spend what a wallet's keys have, made by rust-bitcoin alone. The end-to-end tests make theirs with it, too.

use bitcoin::bip32::{ChildNumber, Fingerprint};
use bitcoin::hashes::Hash;
use bitcoin::key::XOnlyPublicKey;
use bitcoin::psbt::{Error, Psbt};
use bitcoin::secp256k1::Secp256k1;
use bitcoin::{Amount, OutPoint, ScriptBuf, Sequence, TapNodeHash, TxIn, TxOut, Txid, Witness};

/// What one of the wallet's keys has.
pub(crate) struct Coin {
    /// The key.
    pub(crate) key: XOnlyPublicKey,
    /// Where it is found, if that must be said.
    pub(crate) path: Vec<u32>,
    /// The script tree beside it.
    pub(crate) root: Option<TapNodeHash>,
    pub(crate) satoshis: u64,
}

impl Coin {
    /// The output that it is.
    pub(crate) fn output(&self) -> TxOut {
        taproot(self.key, self.root, self.satoshis)
    }
}

/// An output for a key, behind a script tree or none.
pub(crate) fn taproot(key: XOnlyPublicKey, root: Option<TapNodeHash>, satoshis: u64) -> TxOut {
    let script_pubkey = ScriptBuf::new_p2tr(&Secp256k1::verification_only(), key, root);
    TxOut { value: Amount::from_sat(satoshis), script_pubkey }
}

/// An output for somebody else.
pub(crate) fn elsewhere(satoshis: u64) -> TxOut {
    let script_pubkey = ScriptBuf::new_p2wpkh(&bitcoin::WPubkeyHash::from_byte_array([7; 20]));
    TxOut { value: Amount::from_sat(satoshis), script_pubkey }
}

/// Spends all of these coins, from one transaction that nobody has seen.
pub(crate) fn spend(coins: &[Coin], output: Vec<TxOut>) -> Result<Psbt, Error> {
    let input = |number: u32| TxIn {
        previous_output: OutPoint { txid: Txid::from_byte_array([0x21; 32]), vout: number },
        script_sig: ScriptBuf::new(),
        sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
        witness: Witness::new(),
    };
    let mut psbt = Psbt::from_unsigned_tx(bitcoin::Transaction {
        version: bitcoin::transaction::Version::TWO,
        lock_time: bitcoin::absolute::LockTime::ZERO,
        input: (0_u32..).take(coins.len()).map(input).collect(),
        output,
    })?;
    for (input, coin) in psbt.inputs.iter_mut().zip(coins) {
        input.witness_utxo = Some(coin.output());
        input.tap_merkle_root = coin.root;
        if !coin.path.is_empty() {
            let path = coin.path.iter().copied().map(ChildNumber::from).collect();
            input.tap_internal_key = Some(coin.key);
            input.tap_key_origins.insert(coin.key, (Vec::new(), (Fingerprint::default(), path)));
        }
    }
    Ok(psbt)
}
