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
    judged_by: JudgedBy,
}

/// What the judge of the chain's signatures must know.
enum JudgedBy {
    /// The payer is in the transaction.
    Payer,
    /// What the transaction spends.
    Prevouts(Vec<TxOut>),
    /// The address that pays, which follows from the signature.
    Sender([u8; 20]),
}

impl Payment {
    /// A payment from a wallet that has nothing, on the chain for its scheme; none if there is no chain for it.
    pub(super) fn from(wallet: &WalletView, scheme: Scheme) -> anyhow::Result<Option<Self>> {
        match scheme {
            Scheme::Ed25519 => solana(wallet).map(Some),
            Scheme::Bip340 => taproot(wallet).map(Some),
            Scheme::EcdsaSecp256k1 => ethereum(wallet).map(Some),
            _ => Ok(None),
        }
    }

    /// Whether the independent judge of the chain's signatures accepts the signed transaction.
    pub(super) fn is_accepted(&self, signed: &[u8]) -> bool {
        match &self.judged_by {
            JudgedBy::Payer => judge::accepts_solana(signed),
            JudgedBy::Prevouts(prevouts) => judge::accepts_taproot(signed, prevouts),
            JudgedBy::Sender(sender) => judge::accepts_ethereum(signed, &self.transaction, sender),
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
    Ok(Payment { chain: "solana", transaction, judged_by: JudgedBy::Payer })
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
    Ok(Payment { chain: "bitcoin", transaction: psbt.serialize(), judged_by: JudgedBy::Prevouts(prevouts) })
}

/// A transfer with a fee market (EIP-1559): a twentieth of a coin to somebody.
fn ethereum(wallet: &WalletView) -> anyhow::Result<Payment> {
    let key = address::key(wallet, &DerivationPath::default())?;
    let hash = judge::keccak(key.as_bytes().get(1..).unwrap_or_default());
    let sender = hash.get(12..).and_then(|tail| tail.try_into().ok()).context("the address")?;
    const GWEI: u128 = 1_000_000_000;
    let fields = [
        // Chain id, nonce; priority fee and greatest fee for each gas; gas of a plain transfer.
        number(1),
        number(0),
        number(GWEI),
        number(30 * GWEI),
        number(21_000),
        string(&[9; 20]),
        number(50_000_000 * GWEI),
        // No data, no access list.
        string(&[]),
        vec![0xc0],
    ]
    .concat();
    let length = u8::try_from(fields.len()).ok().filter(|length| *length < 56).context("the length")?;
    let transaction = [vec![2, 0xc0 + length], fields].concat();
    Ok(Payment { chain: "ethereum", transaction, judged_by: JudgedBy::Sender(sender) })
}

/// A number as Ethereum writes it: without leading zeros.
fn number(value: u128) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    string(bytes.get(zeros..).unwrap_or_default())
}

/// A few bytes as Ethereum writes them.
fn string(bytes: &[u8]) -> Vec<u8> {
    match bytes {
        [byte @ 0..=0x7f] => vec![*byte],
        bytes => {
            let mut written = vec![0x80 | u8::try_from(bytes.len()).unwrap_or(u8::MAX)];
            written.extend(bytes);
            written
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use quorate_request::{SignRequest, SignResponse};
    use secp256k1::{Message, Secp256k1, SecretKey};

    /// A wallet whose private key this test has.
    fn wallet(secret: &SecretKey) -> WalletView {
        let key = secret.public_key(&Secp256k1::new());
        let hex = |bytes: &[u8]| format!("0x{}", hex::encode(bytes));
        serde_json::from_value(serde_json::json!({
            "wallet_id": "till", "curve": "secp256k1", "scheme": "ecdsa-secp256k1", "protocol": "cggmp21",
            "public_key": hex(&key.serialize_uncompressed()), "group_key": hex(&key.serialize()),
            "chain_code": hex(&[3; 32]), "threshold": 2, "total": 3, "parties": [], "epoch": 0, "status": "active",
        }))
        .unwrap()
    }

    #[test]
    fn the_transfer_on_ethereum_is_explained_signed_and_judged() {
        let secret = SecretKey::from_slice(&[0x46; 32]).unwrap();
        let wallet = wallet(&secret);
        let payment = Payment::from(&wallet, Scheme::EcdsaSecp256k1).unwrap().unwrap();
        let request =
            SignRequest::transaction(wallet.wallet_id.clone(), payment.chain, payment.transaction.clone());
        let pinned = address::pinned(&wallet).unwrap();
        let expected = pinned.expect(&request).unwrap();
        let explained = expected.explain().unwrap().to_string();
        for part in ["0.05 ETH", "0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F"] {
            assert!(explained.contains(part), "no {part}: {explained}");
        }

        let digest = Message::from_digest(judge::keccak(&payment.transaction));
        let (id, signature) = Secp256k1::new().sign_ecdsa_recoverable(&digest, &secret).serialize_compact();
        let chain = quorate_chains::find(payment.chain).unwrap();
        let (key, chain_code) = pinned.root().unwrap();
        let context = quorate_chains::Context::of_wallet(
            quorate_chains::WalletRoot { key, chain_code },
            Scheme::EcdsaSecp256k1,
            &DerivationPath::default(),
        );
        let prepared = chain.prepare(&payment.transaction, &context.unwrap()).unwrap();
        let assembled = chain.assemble(&prepared, &[quorate_keys::Signature::from_bytes(signature)]).unwrap();
        let quorate_chains::Signed::Complete { transaction, id: name } = assembled else { panic!() };
        assert!(payment.is_accepted(&transaction));
        assert!(!payment.is_accepted(&payment.transaction));
        let made = serde_json::json!({
            "signature": format!("0x{}", hex::encode(signature)), "recovery_id": id.to_i32(),
            "public_key": wallet.public_key,
        });
        let mut answer = serde_json::json!({
            "session_id": "s1", "wallet_id": "till", "status": "completed", "committee": [], "attempt": 1,
            "signatures": [made], "signed_transaction": format!("0x{}", hex::encode(&transaction)), "tx_id": name,
        });
        answer.as_object_mut().unwrap().extend(made.as_object().unwrap().clone());
        let answer: SignResponse = serde_json::from_value(answer).unwrap();
        expected.check(&answer).unwrap();
    }
}
