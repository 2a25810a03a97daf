//! The wallet vectors of BIP-341.

use bitcoin::hashes::Hash;
use bitcoin::psbt::{Psbt, PsbtSighashType};
use bitcoin::{Amount, ScriptBuf, TapNodeHash, Transaction, TxOut, XOnlyPublicKey};
use quorate_chains::{AddressKind, Context, ForeignInputs, Payload, Sighashes, Tweak, WalletKey};
use quorate_keys::{DerivationPath, PublicKey, Scheme, Signature};
use serde_json::Value;

use crate::support::{Wallet, chain, complete};

fn vectors() -> Value {
    serde_json::from_str(include_str!("../data/bip341.json")).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn array(value: &Value) -> Option<[u8; 32]> {
    (!value.is_null()).then(|| bytes(value).try_into().unwrap())
}

#[test]
fn addresses_are_those_of_the_vectors() {
    let vectors = vectors();
    let cases = vectors["scriptPubKey"].as_array().unwrap();
    assert_eq!(cases.len(), 7);
    for case in cases {
        let key = PublicKey::from_bytes(Scheme::Bip340, &bytes(&case["given"]["internalPubkey"])).unwrap();
        let kind = match array(&case["intermediary"]["merkleRoot"]) {
            None => AddressKind::Default,
            Some(merkle_root) => AddressKind::Taproot { merkle_root },
        };
        let expected = case["expected"]["bip350Address"].as_str().unwrap();
        assert_eq!(chain("bitcoin").address(&key, kind).unwrap(), expected);
        assert_eq!(chain("bitcoin").check_address(expected), Ok(()));
    }
}

/// The transaction of the vectors as a PSBT, with the two inputs that are no Taproot ones final already.
fn transaction(spending: &Value) -> Psbt {
    let unsigned: Transaction =
        bitcoin::consensus::deserialize(&bytes(&spending["given"]["rawUnsignedTx"])).unwrap();
    let signed: Transaction =
        bitcoin::consensus::deserialize(&bytes(&spending["auxiliary"]["fullySignedTx"])).unwrap();
    let mut psbt = Psbt::from_unsigned_tx(unsigned).unwrap();
    let prevouts = spending["given"]["utxosSpent"].as_array().unwrap();
    for (index, (input, prevout)) in psbt.inputs.iter_mut().zip(prevouts).enumerate() {
        let script_pubkey = ScriptBuf::from_bytes(bytes(&prevout["scriptPubKey"]));
        if !script_pubkey.is_p2tr() {
            let script = signed.input[index].script_sig.clone();
            let witness = signed.input[index].witness.clone();
            input.final_script_sig = (!script.is_empty()).then_some(script);
            input.final_script_witness = (!witness.is_empty()).then_some(witness);
        }
        let value = Amount::from_sat(prevout["amountSats"].as_u64().unwrap());
        input.witness_utxo = Some(TxOut { value, script_pubkey });
    }
    for case in spending["inputSpending"].as_array().unwrap() {
        let given = &case["given"];
        let input = &mut psbt.inputs[given["txinIndex"].as_u64().unwrap() as usize];
        let kind = u32::try_from(given["hashType"].as_u64().unwrap()).unwrap();
        input.sighash_type = Some(PsbtSighashType::from_u32(kind));
        let internal = XOnlyPublicKey::from_slice(&bytes(&case["intermediary"]["internalPubkey"])).unwrap();
        input.tap_internal_key = Some(internal);
        input.tap_merkle_root = array(&given["merkleRoot"]).map(TapNodeHash::from_byte_array);
    }
    psbt
}

#[test]
fn hashes_signatures_and_the_transaction_are_those_of_the_vectors() {
    let vectors = vectors();
    let spending = &vectors["keyPathSpending"][0];
    let cases = spending["inputSpending"].as_array().unwrap();
    assert_eq!(cases.len(), 7);
    let wallets: Vec<Wallet> =
        cases.iter().map(|case| Wallet::bitcoin(array(&case["given"]["internalPrivkey"]).unwrap())).collect();
    let keys = wallets.iter().map(|wallet| WalletKey { path: DerivationPath::default(), key: wallet.key() });
    let mut context = Context::with_keys(keys.collect());
    (context.foreign_inputs, context.sighashes) = (ForeignInputs::Leave, Sighashes::Any);

    let psbt = transaction(spending).serialize();
    let prepared = chain("bitcoin").prepare(&psbt, &context).unwrap();
    assert_eq!(prepared.requests().len(), cases.len());
    let mut signatures = Vec::new();
    for ((case, wallet), request) in cases.iter().zip(&wallets).zip(prepared.requests()) {
        assert_eq!(request.slot as u64, case["given"]["txinIndex"].as_u64().unwrap());
        let digest = array(&case["intermediary"]["sigHash"]).unwrap();
        assert_eq!(request.payload, Payload::Digest(digest));
        assert_eq!(request.tweak, Some(Tweak::Taproot(array(&case["given"]["merkleRoot"]))));
        let expected = bytes(&case["expected"]["witness"][0]);
        let signature = Signature::from_bytes(expected[..64].try_into().unwrap());
        assert_eq!(request.verify(&signature), Ok(()));
        assert_eq!(wallet.sign(request), signature);
        signatures.push(signature);
    }
    let signed = chain("bitcoin").assemble(&prepared, &signatures).unwrap();
    assert_eq!(complete(signed).0, bytes(&spending["auxiliary"]["fullySignedTx"]));
}

#[test]
fn without_leave_the_vectors_kinds_of_signature_and_foreign_inputs_are_refused() {
    let vectors = vectors();
    let spending = &vectors["keyPathSpending"][0];
    let first = Wallet::bitcoin(array(&spending["inputSpending"][0]["given"]["internalPrivkey"]).unwrap());
    let psbt = transaction(spending).serialize();
    let mut context = first.context();
    assert_eq!(chain("bitcoin").prepare(&psbt, &context).unwrap_err().code(), "sighash_refused");
    context.sighashes = Sighashes::Any;
    assert_eq!(chain("bitcoin").prepare(&psbt, &context).unwrap_err().code(), "foreign_input");
    context.foreign_inputs = ForeignInputs::Leave;
    assert_eq!(chain("bitcoin").prepare(&psbt, &context).unwrap().requests().len(), 1);
}
