//! Bitcoin transactions: Taproot by key.

mod damage;
mod inputs;
mod keys;
mod sighashes;

use bitcoin::hashes::Hash;
use bitcoin::psbt::raw::{Key, ProprietaryKey};
use bitcoin::psbt::{Psbt, PsbtSighashType};
use bitcoin::{Amount, OutPoint, ScriptBuf, TapNodeHash, TapSighashType, Transaction, TxOut, XOnlyPublicKey};
use proptest::prelude::*;
use quorate_chains::{
    AddressKind, AssembleError, Bound, Context, ForeignInputs, PrepareError, Prepared, Sighashes, Tweak,
    Units, WalletKey, WalletRoot, WarningKind,
};
use quorate_keys::{ChainCode, Curve, DerivationPath, GroupKey, PublicKey, Scheme, Signature};

use crate::support::{
    Change, Wallet, bitcoin_accepts, chain, code, complete, flips, out, partial, psbt, taproot,
};

pub(crate) fn wallet() -> Wallet {
    Wallet::bitcoin([7; 32])
}

pub(crate) fn other() -> Wallet {
    Wallet::bitcoin([9; 32])
}

/// Two inputs of the wallet, a payment, and change.
fn prevouts() -> Vec<TxOut> {
    let script = taproot(&wallet(), None);
    vec![out(script.clone(), 100_000), out(script, 50_000)]
}

fn payment() -> Psbt {
    psbt(&prevouts(), &[out(taproot(&other(), None), 120_000), out(taproot(&wallet(), None), 29_000)])
}

fn prepare(psbt: &Psbt) -> Result<Prepared, PrepareError> {
    chain("bitcoin").prepare(&psbt.serialize(), &wallet().context())
}

/// A payment of which something is changed first.
fn changed(change: impl FnOnce(&mut Psbt)) -> Result<Prepared, PrepareError> {
    let mut psbt = payment();
    change(&mut psbt);
    prepare(&psbt)
}

fn internal(wallet: &Wallet) -> XOnlyPublicKey {
    XOnlyPublicKey::from_slice(wallet.key().as_bytes()).unwrap()
}

/// A transaction whose output `index` is what input `index` of the payment spends.
fn previous(index: usize) -> Transaction {
    let mut transaction = payment().unsigned_tx;
    transaction.output = vec![out(ScriptBuf::new(), 5); index + 1];
    transaction.output[index] = prevouts()[index].clone();
    transaction
}

/// A wallet with a chain code, its child at a path and what a PSBT says about that.
fn derived(
    path: &str,
) -> (WalletRoot, DerivationPath, Wallet, (Vec<bitcoin::TapLeafHash>, bitcoin::bip32::KeySource)) {
    let secret = secp256k1::SecretKey::from_slice(&[7; 32]).unwrap();
    let key = secret.public_key(&secp256k1::Secp256k1::new()).serialize();
    let key = GroupKey::from_bytes(Curve::Secp256k1, &key).unwrap();
    let root = WalletRoot { key, chain_code: ChainCode::new([3; 32]) };
    let path: DerivationPath = path.parse().unwrap();
    let tweak = quorate_keys::derive(&key, &root.chain_code, &path).unwrap().tweak;
    let child = secret.add_tweak(&secp256k1::Scalar::from_be_bytes(tweak).unwrap()).unwrap();
    let child = Wallet::bitcoin(child.secret_bytes());
    let origin = (vec![], (Default::default(), path.to_string().parse().unwrap()));
    (root, path, child, origin)
}

#[test]
fn a_payment_is_signed_and_holds_for_a_validator() {
    for network in ["bitcoin", "testnet3", "testnet4", "signet", "regtest"] {
        let signed = wallet().through(chain(network), &payment().serialize(), &wallet().context());
        let (transaction, id) = complete(signed);
        assert!(bitcoin_accepts(&transaction, &prevouts()));
        assert_eq!(id, payment().unsigned_tx.compute_txid().to_string());
    }
}

#[test]
fn what_is_paid_to_whom_and_what_comes_back_is_told_apart() {
    let prepared = prepare(&payment()).unwrap();
    let explain = prepared.explain();
    let address = |wallet: &Wallet| chain("bitcoin").address(&wallet.key(), AddressKind::Default).unwrap();
    let told: Vec<_> =
        explain.transfers.iter().map(|to| (to.to.address.clone(), to.amount, to.to.own)).collect();
    assert_eq!(told, [(address(&other()), Units(120_000), false), (address(&wallet()), Units(29_000), true)]);
    assert_eq!(explain.fee.as_ref().unwrap().amount, Units(1000));
    assert!(explain.is_complete() && explain.warnings.is_empty());
}

#[test]
fn assembling_takes_exactly_the_valid_signatures_in_order() {
    let prepared = prepare(&payment()).unwrap();
    let [first, second] = prepared.requests() else { panic!("not two requests") };
    let signatures = [wallet().sign(first), wallet().sign(second)];
    let assemble = |signatures: &[Signature]| chain("bitcoin").assemble(&prepared, signatures);
    assert_eq!(assemble(&signatures[..1]), Err(AssembleError::Count { needed: 2, got: 1 }));
    let swapped = assemble(&[signatures[1], signatures[0]]);
    assert_eq!(swapped, Err(AssembleError::Signature { index: 0 }));
    for (bit, bad) in flips(signatures[1].as_bytes()).step_by(7) {
        let bad = Signature::from_bytes(bad.try_into().unwrap());
        assert_eq!(assemble(&[signatures[0], bad]), Err(AssembleError::Signature { index: 1 }), "bit {bit}");
    }
    let elsewhere = chain("signet").assemble(&prepared, &signatures).unwrap_err();
    assert_eq!(elsewhere.code(), "wrong_network");
    assert!(assemble(&signatures).is_ok());
}

#[test]
fn a_signed_transaction_holds_with_no_bit_changed() {
    let signed = wallet().through(chain("bitcoin"), &payment().serialize(), &wallet().context());
    let (transaction, _) = complete(signed);
    for (bit, changed) in flips(&transaction) {
        assert!(!bitcoin_accepts(&changed, &prevouts()), "bit {bit}");
    }
}

proptest! {
    #[test]
    fn any_wallet_can_spend_what_was_sent_to_its_address(
        secret in prop::array::uniform32(1_u8..),
        root in prop::option::of(any::<[u8; 32]>()),
        all: bool,
    ) {
        let wallet = Wallet::bitcoin(secret);
        let key = PublicKey::from_bytes(Scheme::Bip340, wallet.key().as_bytes()).unwrap();
        let kind = root.map_or(AddressKind::Default, |merkle_root| AddressKind::Taproot { merkle_root });
        let address = chain("bitcoin").address(&key, kind).unwrap();
        let script = address.parse::<bitcoin::Address<_>>().unwrap().assume_checked().script_pubkey();
        prop_assert_eq!(&script, &taproot(&wallet, root));
        let spent = [out(script, 10_000)];
        let mut psbt = psbt(&spent, &[out(taproot(&other(), None), 9_000)]);
        psbt.inputs[0].tap_internal_key = Some(internal(&wallet));
        psbt.inputs[0].tap_merkle_root = root.map(TapNodeHash::from_byte_array);
        psbt.inputs[0].sighash_type = all.then(|| TapSighashType::All.into());
        let (transaction, _) = complete(wallet.through(chain("bitcoin"), &psbt.serialize(), &wallet.context()));
        prop_assert!(bitcoin_accepts(&transaction, &spent));
    }
}

#[test]
fn absurd_fees_are_pointed_out() {
    let warned = |fee: u64| {
        let prepared =
            changed(|psbt| psbt.unsigned_tx.output[0].value = Amount::from_sat(121_000 - fee)).unwrap();
        prepared.explain().warnings.iter().any(|warning| warning.kind == WarningKind::AbsurdFee)
    };
    assert!(!warned(30_000) && !warned(50_000));
    assert!(warned(60_000) && warned(121_000));
}

#[test]
fn addresses_differ_by_network_and_other_schemes_have_none() {
    let key = wallet().key();
    let starts = [
        ("bitcoin", "bc1p"),
        ("testnet3", "tb1p"),
        ("testnet4", "tb1p"),
        ("signet", "tb1p"),
        ("regtest", "bcrt1p"),
    ];
    for (network, start) in starts {
        let address = chain(network).address(&key, AddressKind::Default).unwrap();
        assert!(address.starts_with(start), "{address}");
        assert_eq!(chain(network).check_address(&address), Ok(()));
    }
    let solana = Wallet::solana(8).key();
    assert_eq!(chain("bitcoin").address(&solana, AddressKind::Default).unwrap_err().code(), "wrong_scheme");
    let refused = chain("bitcoin").prepare(&payment().serialize(), &Context::new(solana));
    assert_eq!(code(refused), "wrong_scheme");
}
