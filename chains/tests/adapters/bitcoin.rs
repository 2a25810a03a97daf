//! Bitcoin transactions: Taproot by key.

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
fn sighash_all_is_signed_with_its_byte() {
    let mut psbt = payment();
    psbt.inputs[1].sighash_type = Some(PsbtSighashType::from(TapSighashType::All));
    let (transaction, _) =
        complete(wallet().through(chain("bitcoin"), &psbt.serialize(), &wallet().context()));
    assert!(bitcoin_accepts(&transaction, &prevouts()));
    let transaction: Transaction = bitcoin::consensus::deserialize(&transaction).unwrap();
    let lengths: Vec<usize> = transaction.input.iter().map(|input| input.witness.to_vec()[0].len()).collect();
    assert_eq!(lengths, [64, 65]);
}

#[test]
fn other_sighashes_are_refused_unless_the_context_allows_them() {
    for kind in [0x02, 0x03, 0x81, 0x82, 0x83] {
        let mut psbt = payment();
        psbt.inputs[0].sighash_type = Some(PsbtSighashType::from_u32(kind));
        assert_eq!(code(prepare(&psbt)), "sighash_refused", "{kind:02x}");
        let mut context = wallet().context();
        context.sighashes = Sighashes::Any;
        let prepared = chain("bitcoin").prepare(&psbt.serialize(), &context).unwrap();
        let kinds: Vec<_> = prepared.explain().warnings.iter().map(|warning| warning.kind).collect();
        assert_eq!(kinds, [WarningKind::WeakSighash], "{kind:02x}");
    }
    // Numbers that are no kind at all are refused in any case.
    for kind in [0x04, 0x80, 0x84, 0xFF, 0x100, 0x101, u32::MAX] {
        let mut psbt = payment();
        psbt.inputs[0].sighash_type = Some(PsbtSighashType::from_u32(kind));
        let mut context = wallet().context();
        context.sighashes = Sighashes::Any;
        let refused = chain("bitcoin").prepare(&psbt.serialize(), &context);
        assert_eq!(code(refused), "sighash_refused", "{kind:02x}");
    }
    // SINGLE in the place of no output.
    let mut psbt = payment();
    psbt.unsigned_tx.output.pop();
    psbt.outputs.pop();
    psbt.inputs[1].sighash_type = Some(PsbtSighashType::from(TapSighashType::Single));
    let mut context = wallet().context();
    context.sighashes = Sighashes::Any;
    assert_eq!(code(chain("bitcoin").prepare(&psbt.serialize(), &context)), "sighash_refused");
}

#[test]
fn a_fee_that_others_can_change_is_not_called_fixed() {
    let (inputs, outputs) = ("add inputs and leave others out", "change all outputs");
    for (kind, bound, told) in [
        (0x00, Bound::Exact, vec![]),
        (0x01, Bound::Exact, vec![]),
        (0x02, Bound::Open, vec![outputs]),
        (0x03, Bound::Open, vec!["change all outputs but output 1"]),
        (0x81, Bound::Open, vec![inputs]),
        (0x82, Bound::Open, vec![outputs, inputs]),
        (0x83, Bound::Open, vec!["change all outputs but output 1", inputs]),
    ] {
        let mut psbt = payment();
        // The other input's signature is over everything; this one can be taken elsewhere all the same.
        psbt.inputs[1].sighash_type = Some(PsbtSighashType::from_u32(kind));
        let mut context = wallet().context();
        context.sighashes = Sighashes::Any;
        let prepared = chain("bitcoin").prepare(&psbt.serialize(), &context).unwrap();
        let explain = prepared.explain();
        let fee = explain.fee.as_ref().unwrap();
        assert_eq!((fee.bound, fee.amount), (bound, Units(1000)), "{kind:02x}");
        let line = explain.lines().into_iter().find(|line| line.starts_with("fee")).unwrap();
        assert_eq!(line.contains("not fixed, 0.00001 BTC"), bound == Bound::Open, "{kind:02x}: {line}");
        let warning = explain.warnings.first().map_or("", |warning| &warning.text);
        assert!(told.iter().all(|told| warning.contains(told)), "{kind:02x}: {warning}");
    }
}

#[test]
fn every_input_must_show_what_it_spends() {
    let missing = changed(|psbt| psbt.inputs[1].witness_utxo = None);
    assert_eq!(missing, Err(PrepareError::PrevoutMissing { input: 1 }));
}

/// A transaction whose output `index` is what input `index` of the payment spends.
fn previous(index: usize) -> Transaction {
    let mut transaction = payment().unsigned_tx;
    transaction.output = vec![out(ScriptBuf::new(), 5); index + 1];
    transaction.output[index] = prevouts()[index].clone();
    transaction
}

#[test]
fn a_previous_transaction_is_proof_of_what_is_spent() {
    let with = |change: fn(&mut Psbt)| {
        changed(|psbt| {
            let previous = previous(1);
            let vout = psbt.unsigned_tx.input[1].previous_output.vout;
            psbt.unsigned_tx.input[1].previous_output = OutPoint { txid: previous.compute_txid(), vout };
            psbt.inputs[1].non_witness_utxo = Some(previous);
            change(psbt);
        })
    };
    assert!(with(|_| ()).is_ok());
    // It may stand alone.
    assert!(with(|psbt| psbt.inputs[1].witness_utxo = None).is_ok());
    let lies: [Change<Psbt>; 5] = [
        ("another transaction", |psbt| psbt.inputs[1].non_witness_utxo = Some(previous(0))),
        ("no such output", |psbt| psbt.unsigned_tx.input[1].previous_output.vout = 2),
        ("largest number", |psbt| psbt.unsigned_tx.input[1].previous_output.vout = u32::MAX),
        ("another amount", |psbt| {
            psbt.inputs[1].witness_utxo.as_mut().unwrap().value = Amount::from_sat(50_001);
        }),
        ("another script", |psbt| {
            psbt.inputs[1].witness_utxo.as_mut().unwrap().script_pubkey = taproot(&other(), None);
        }),
    ];
    for (what, change) in lies {
        assert_eq!(code(with(change)), "prevout_mismatch", "{what}");
    }
}

#[test]
fn a_lie_about_what_is_spent_makes_signatures_that_are_worth_nothing() {
    let lies: [fn(&mut TxOut); 2] =
        [|utxo| utxo.value = Amount::from_sat(60_000), |utxo| utxo.script_pubkey = taproot(&other(), None)];
    for change in lies {
        let mut lie = payment();
        change(lie.inputs[1].witness_utxo.as_mut().unwrap());
        let mut context = wallet().context();
        context.foreign_inputs = ForeignInputs::Leave;
        let honest = prepare(&payment()).unwrap();
        let lied = chain("bitcoin").prepare(&lie.serialize(), &context).unwrap();
        // Also that of the input about which nothing was lied.
        assert_ne!(honest.requests()[0].payload, lied.requests()[0].payload);
    }
}

#[test]
fn inputs_of_others_are_refused_or_left() {
    let shared = |psbt: &mut Psbt| psbt.inputs[1].witness_utxo = Some(out(taproot(&other(), None), 50_000));
    assert_eq!(changed(shared), Err(PrepareError::ForeignInput { input: 1 }));
    let mut psbt = payment();
    shared(&mut psbt);
    let prevouts = [prevouts()[0].clone(), out(taproot(&other(), None), 50_000)];
    let leave = |wallet: &Wallet| {
        let mut context = wallet.context();
        context.foreign_inputs = ForeignInputs::Leave;
        context
    };
    let half = partial(wallet().through(chain("bitcoin"), &psbt.serialize(), &leave(&wallet())));
    let read = Psbt::deserialize(&half).unwrap();
    assert!(read.inputs[0].tap_key_sig.is_some() && read.inputs[1].tap_key_sig.is_none());
    let (transaction, _) = complete(other().through(chain("bitcoin"), &half, &leave(&other())));
    assert!(bitcoin_accepts(&transaction, &prevouts));
    // The first signature is checked before the second is made.
    let mut bad = read.clone();
    let signature = bad.inputs[0].tap_key_sig.as_mut().unwrap();
    let mut bytes = signature.signature.serialize();
    bytes[63] ^= 1;
    signature.signature = secp256k1::schnorr::Signature::from_slice(&bytes).unwrap();
    let refused = chain("bitcoin").prepare(&bad.serialize(), &leave(&other()));
    assert_eq!(refused, Err(PrepareError::PresentSignature { slot: 0 }));
    let refused = chain("bitcoin").prepare(&bad.serialize(), &wallet().context());
    assert_eq!(refused, Err(PrepareError::PresentSignature { slot: 0 }));
    // A witness that is final is checked as well.
    let mut last = read.clone();
    last.inputs[0].final_script_witness = Some(bitcoin::Witness::from_slice(&[bytes]));
    let refused = chain("bitcoin").prepare(&last.serialize(), &leave(&other()));
    assert_eq!(refused, Err(PrepareError::PresentSignature { slot: 0 }));
    // A Taproot signature on what is no Taproot output.
    let mut odd = read;
    odd.inputs[0].witness_utxo.as_mut().unwrap().script_pubkey = ScriptBuf::from_bytes(vec![0x51]);
    let refused = chain("bitcoin").prepare(&odd.serialize(), &leave(&other()));
    assert_eq!(refused, Err(PrepareError::PresentSignature { slot: 0 }));
}

#[test]
fn a_transaction_in_which_nothing_is_the_wallets_is_refused() {
    let refused = chain("bitcoin").prepare(&payment().serialize(), &other().context());
    assert_eq!(refused, Err(PrepareError::NotOurs));
    let refused = chain("bitcoin").prepare(&payment().serialize(), &Context::with_keys(vec![]));
    assert_eq!(refused, Err(PrepareError::NotOurs));
}

#[test]
fn an_input_that_names_the_wallets_key_must_spend_its_script() {
    let lies: [Change<Psbt>; 4] = [
        ("another script", |psbt| {
            psbt.inputs[1].witness_utxo = Some(out(taproot(&other(), None), 50_000));
            psbt.inputs[1].tap_internal_key = Some(internal(&wallet()));
        }),
        ("another kind of script", |psbt| {
            psbt.inputs[1].witness_utxo = Some(out(ScriptBuf::from_bytes(vec![0x51]), 50_000));
            psbt.inputs[1].tap_internal_key = Some(internal(&wallet()));
        }),
        ("another internal key", |psbt| psbt.inputs[1].tap_internal_key = Some(internal(&other()))),
        ("a root that is not there", |psbt| {
            psbt.inputs[1].tap_internal_key = Some(internal(&wallet()));
            psbt.inputs[1].tap_merkle_root = Some(TapNodeHash::from_byte_array([1; 32]));
        }),
    ];
    for (what, change) in lies {
        assert_eq!(code(changed(change)), "prevout_mismatch", "{what}");
    }
    let named = changed(|psbt| psbt.inputs[1].tap_internal_key = Some(internal(&wallet())));
    assert_eq!(named.unwrap().requests().len(), 2);
}

#[test]
fn a_key_with_a_script_tree_signs_with_its_tweak() {
    let root = [5; 32];
    let prevouts = [out(taproot(&wallet(), Some(root)), 100_000), prevouts()[1].clone()];
    let address =
        chain("bitcoin").address(&wallet().key(), AddressKind::Taproot { merkle_root: root }).unwrap();
    let mut psbt = payment();
    psbt.inputs[0].witness_utxo = Some(prevouts[0].clone());
    assert_eq!(prepare(&psbt), Err(PrepareError::ForeignInput { input: 0 }));
    psbt.inputs[0].tap_internal_key = Some(internal(&wallet()));
    psbt.inputs[0].tap_merkle_root = Some(TapNodeHash::from_byte_array(root));
    let prepared = prepare(&psbt).unwrap();
    assert_eq!(prepared.requests()[0].tweak, Some(Tweak::Taproot(Some(root))));
    assert_eq!(prepared.explain().transfers[0].from.iter().filter(|from| from.address == address).count(), 1);
    let (transaction, _) =
        complete(wallet().through(chain("bitcoin"), &psbt.serialize(), &wallet().context()));
    assert!(bitcoin_accepts(&transaction, &prevouts));
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
fn children_that_the_psbt_names_are_found_and_believed_only_when_they_are_the_wallets() {
    let (root, path, child, origin) = derived("m/1/2");
    let spent = [out(taproot(&child, None), 100_000)];
    let mut psbt = psbt(&spent, &[out(taproot(&other(), None), 50_000), out(taproot(&child, None), 49_000)]);
    psbt.inputs[0].tap_internal_key = Some(internal(&child));
    psbt.inputs[0].tap_key_origins.insert(internal(&child), origin.clone());
    psbt.outputs[1].tap_internal_key = Some(internal(&child));
    psbt.outputs[1].tap_key_origins.insert(internal(&child), origin.clone());
    // Another's output that says that it is the wallet's.
    psbt.outputs[0].tap_internal_key = Some(internal(&child));
    psbt.outputs[0].tap_key_origins.insert(internal(&child), origin);
    let mut context = wallet().context();
    assert_eq!(chain("bitcoin").prepare(&psbt.serialize(), &context), Err(PrepareError::NotOurs));
    context.root = Some(root);
    let prepared = chain("bitcoin").prepare(&psbt.serialize(), &context).unwrap();
    assert_eq!(prepared.requests()[0].path, path);
    let own: Vec<bool> = prepared.explain().transfers.iter().map(|transfer| transfer.to.own).collect();
    assert_eq!(own, [false, true]);
    let (transaction, _) = complete(child.through(chain("bitcoin"), &psbt.serialize(), &context));
    assert!(bitcoin_accepts(&transaction, &spent));
    // The wrong path, a hardened one and one that is too long lead nowhere.
    for wrong in ["m/1/3", "m/1'/2", "m/1/2/3/4/5/6"] {
        let mut psbt = psbt.clone();
        psbt.inputs[0].tap_key_origins.get_mut(&internal(&child)).unwrap().1.1 = wrong.parse().unwrap();
        let refused = chain("bitcoin").prepare(&psbt.serialize(), &context);
        assert_eq!(refused, Err(PrepareError::NotOurs), "{wrong}");
    }
}

#[test]
fn change_is_not_followed_to_where_nobody_would_find_it() {
    for (at, found) in
        [("m/1/999999", true), ("m/1/1000000", false), ("m/100/1", false), ("m/1/1/1/1", false)]
    {
        let (root, _, child, origin) = derived(at);
        let prepared = |mut context: Context| {
            let mut psbt = payment();
            psbt.unsigned_tx.output[1].script_pubkey = taproot(&child, None);
            psbt.outputs[1].tap_internal_key = Some(internal(&child));
            psbt.outputs[1].tap_key_origins.insert(internal(&child), origin.clone());
            context.root = Some(root);
            let prepared = chain("bitcoin").prepare(&psbt.serialize(), &context).unwrap();
            prepared.explain().transfers[1].to.own
        };
        assert_eq!(prepared(wallet().context()), found, "{at}");
        // Whoever knows of it says so.
        let mut context = wallet().context();
        context.keys.push(WalletKey { path: at.parse().unwrap(), key: child.key() });
        assert!(prepared(context), "{at}");
    }
}

#[test]
fn the_key_that_signs_is_the_one_at_its_path() {
    let (_, path, child, _) = derived("m/1/2");
    let spent = [prevouts()[0].clone(), out(taproot(&child, None), 50_000)];
    let psbt = psbt(&spent, &[out(taproot(&other(), None), 149_000)]);
    let mut context = wallet().context();
    context.keys.push(WalletKey { path: path.clone(), key: child.key() });
    let prepared = chain("bitcoin").prepare(&psbt.serialize(), &context).unwrap();
    let asked: Vec<_> =
        prepared.requests().iter().map(|request| (request.slot, request.path.clone(), request.key)).collect();
    assert_eq!(asked, [(0, DerivationPath::default(), wallet().key()), (1, path, child.key())]);
}

#[test]
fn change_behind_a_script_tree_is_not_the_wallets() {
    let script = taproot(&wallet(), Some([5; 32]));
    let prepared = changed(|psbt| {
        psbt.unsigned_tx.output[1].script_pubkey = script;
        psbt.outputs[1].tap_internal_key = Some(internal(&wallet()));
    });
    assert_eq!(prepared.unwrap().explain().outgoing().count(), 2);
}

#[test]
fn a_psbt_that_lists_keys_of_another_network_is_refused() {
    // BIP-32, test vector 1, chain m.
    let main = "xpub661MyMwAqRbcFtXgS5sYJABqqG9YLmC4Q1Rdap9gSE8NqtwybGhePY2gZ29ESFjqJoCu1Rupje8YtGqsefD265TMg7usUDFdp6W1EGMcet8";
    let mut psbt = payment();
    psbt.xpub.insert(main.parse().unwrap(), Default::default());
    assert!(prepare(&psbt).is_ok());
    let refused = chain("signet").prepare(&psbt.serialize(), &wallet().context());
    assert_eq!(code(refused), "wrong_network");
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

#[test]
fn no_beginning_of_a_psbt_is_one_and_nothing_may_follow() {
    let bytes = payment().serialize();
    for end in 0..bytes.len() {
        let error = chain("bitcoin").prepare(&bytes[..end], &wallet().context()).unwrap_err();
        let expected = ["transaction_truncated", "malformed_transaction", "unsupported_transaction"];
        assert!(expected.contains(&error.code()), "{end}: {error}");
    }
    for more in [&[0][..], &[0xFF], &bytes] {
        let refused = chain("bitcoin").prepare(&[&bytes, more].concat(), &wallet().context());
        assert_eq!(refused, Err(PrepareError::Trailing { bytes: more.len() }));
    }
}

#[test]
fn sizes_and_counts_are_limited() {
    let refused = chain("bitcoin").prepare(&vec![0; 512 * 1024 + 1], &wallet().context());
    assert_eq!(code(refused), "transaction_too_large");
    let many = vec![prevouts()[0].clone(); 1001];
    let script = taproot(&other(), None);
    assert_eq!(code(prepare(&psbt(&many, &[out(script.clone(), 5)]))), "transaction_too_large");
    assert_eq!(
        code(prepare(&psbt(&prevouts(), &vec![out(script.clone(), 5); 1001]))),
        "transaction_too_large"
    );
    assert_eq!(code(prepare(&psbt(&prevouts(), &[]))), "malformed_transaction");
    assert_eq!(prepare(&psbt(&many[..1000], &[out(script, 5)])).unwrap().requests().len(), 1000);
}

#[test]
fn coins_come_from_somewhere_once() {
    let twice =
        changed(|psbt| psbt.unsigned_tx.input[1].previous_output = psbt.unsigned_tx.input[0].previous_output);
    assert_eq!(code(twice), "malformed_transaction");
    let nowhere = changed(|psbt| psbt.unsigned_tx.input[1].previous_output = OutPoint::null());
    assert_eq!(code(nowhere), "malformed_transaction");
    let more = changed(|psbt| psbt.unsigned_tx.output[0].value = Amount::from_sat(121_001));
    assert_eq!(more, Err(PrepareError::Overspent { inputs: 150_000, outputs: 150_001 }));
    for amount in [Amount::MAX_MONEY, Amount::MAX] {
        let absurd = changed(|psbt| psbt.unsigned_tx.output[0].value = amount);
        assert_eq!(code(absurd), "malformed_transaction");
        let absurd = changed(|psbt| psbt.inputs[0].witness_utxo.as_mut().unwrap().value = amount);
        assert_eq!(code(absurd), "malformed_transaction");
    }
}

#[test]
fn unknown_fields_and_versions_are_refused() {
    let key = || Key { type_value: 0xF0, key: vec![1] };
    let own = || ProprietaryKey { prefix: b"own".to_vec(), subtype: 1, key: vec![] };
    let additions: [fn(&mut Psbt, Key, ProprietaryKey); 6] = [
        |psbt, key, _| drop(psbt.unknown.insert(key, vec![2])),
        |psbt, key, _| drop(psbt.inputs[0].unknown.insert(key, vec![2])),
        |psbt, key, _| drop(psbt.outputs[1].unknown.insert(key, vec![2])),
        |psbt, _, own| drop(psbt.proprietary.insert(own, vec![2])),
        |psbt, _, own| drop(psbt.inputs[1].proprietary.insert(own, vec![2])),
        |psbt, _, own| drop(psbt.outputs[0].proprietary.insert(own, vec![2])),
    ];
    for add in additions {
        assert_eq!(code(changed(|psbt| add(psbt, key(), own()))), "unsupported_transaction");
    }
    let newer = changed(|psbt| psbt.version = 2).unwrap_err();
    assert!(["unsupported_transaction", "malformed_transaction"].contains(&newer.code()), "{newer}");
}

#[test]
fn what_is_final_or_wrongly_signed_already_is_refused() {
    let done =
        changed(|psbt| psbt.inputs[0].final_script_witness = Some(bitcoin::Witness::from_slice(&[[1; 64]])));
    assert_eq!(code(done), "unsupported_transaction");
    let prepared = prepare(&payment()).unwrap();
    let signature = wallet().sign(&prepared.requests()[0]);
    let present = |input: usize, sighash_type| {
        changed(|psbt| {
            let signature = secp256k1::schnorr::Signature::from_slice(signature.as_bytes()).unwrap();
            psbt.inputs[input].tap_key_sig = Some(bitcoin::taproot::Signature { signature, sighash_type });
        })
    };
    assert!(present(0, TapSighashType::Default).is_ok());
    assert_eq!(present(1, TapSighashType::Default), Err(PrepareError::PresentSignature { slot: 1 }));
    assert_eq!(present(0, TapSighashType::All), Err(PrepareError::PresentSignature { slot: 0 }));
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
fn whatever_bit_of_the_psbt_changes_the_payload_changes_or_it_is_refused() {
    let mut psbt = payment();
    for input in &mut psbt.inputs {
        input.tap_internal_key = Some(internal(&wallet()));
    }
    let bytes = psbt.serialize();
    let honest = prepare(&psbt).unwrap();
    for (bit, changed) in flips(&bytes) {
        if let Ok(prepared) = chain("bitcoin").prepare(&changed, &wallet().context()) {
            let differ = honest.requests().iter().zip(prepared.requests());
            assert!(
                differ.clone().count() == 2 && differ.clone().all(|(a, b)| a.payload != b.payload),
                "bit {bit}"
            );
        }
    }
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
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = chain("bitcoin").prepare(&bytes, &wallet().context());
        let _ = chain("bitcoin").prepare(&[b"psbt\xff", &bytes[..]].concat(), &wallet().context());
    }

    #[test]
    fn no_damage_panics(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let (root, _, child, origin) = derived("m/1/2");
        let mut psbt = payment();
        psbt.outputs[1].tap_key_origins.insert(internal(&child), origin);
        psbt.inputs[1].non_witness_utxo = Some(previous(1));
        let mut bytes = psbt.serialize();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let mut context = wallet().context();
        context.root = Some(root);
        let _ = chain("bitcoin").prepare(&bytes, &context);
        bytes.truncate(cut.index(bytes.len()));
        let _ = chain("bitcoin").prepare(&bytes, &context);
    }

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

/// Every transfer names all who pay, so a small transaction could have an explanation of gigabytes.
#[test]
fn an_explanation_stays_in_proportion_to_its_transaction() {
    let mut psbt = payment();
    let mut context = wallet().context();
    context.foreign_inputs = ForeignInputs::Leave;
    let (input, map) = (psbt.unsigned_tx.input[0].clone(), psbt.inputs[0].clone());
    for number in 0..200_u32 {
        let mut other = input.clone();
        other.previous_output.vout = 1000 + number;
        psbt.unsigned_tx.input.push(other);
        let mut foreign = map.clone();
        foreign.tap_internal_key = None;
        foreign.tap_key_origins.clear();
        let script = ScriptBuf::from_bytes([vec![0x51; 1000], number.to_le_bytes().to_vec()].concat());
        foreign.witness_utxo = Some(out(script, 50_000));
        psbt.inputs.push(foreign);
    }
    let explained = chain("bitcoin").prepare(&psbt.serialize(), &context).unwrap();
    let json = serde_json::to_string(explained.explain()).unwrap();
    assert!(json.len() < 200_000, "{} bytes", json.len());
    let (output, map) = (psbt.unsigned_tx.output[0].clone(), psbt.outputs[0].clone());
    for _ in 0..200 {
        psbt.unsigned_tx.output.push(TxOut { value: Amount::ZERO, ..output.clone() });
        psbt.outputs.push(map.clone());
    }
    let refused = chain("bitcoin").prepare(&psbt.serialize(), &context).unwrap_err();
    assert_eq!(refused.code(), "transaction_too_large");
    // Whose inputs are refused is not explained at all.
    let refused = chain("bitcoin").prepare(&psbt.serialize(), &wallet().context()).unwrap_err();
    assert_eq!(refused.code(), "foreign_input");
}
