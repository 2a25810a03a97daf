//! Bytes that are no PSBT of this version, of any size, and whatever is changed in one.

use super::*;

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
