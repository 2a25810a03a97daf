//! What inputs show of the coins that they spend, and whose they are.

use super::*;

#[test]
fn every_input_must_show_what_it_spends() {
    let missing = changed(|psbt| psbt.inputs[1].witness_utxo = None);
    assert_eq!(missing, Err(PrepareError::PrevoutMissing { input: 1 }));
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
