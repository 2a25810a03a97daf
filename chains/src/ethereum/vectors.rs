//! Transactions of the reference library's own tests, for chains that are not in the table as well: the encodings alone, which
//! know no table and no rules.

use quorate_keys::{PublicKey, Scheme, Signature, ecdsa};
use secp256k1::{Message, Secp256k1, SecretKey};
use serde_json::{Value, json};

use super::address::Address;
use super::transaction::{Recoverable, Transaction};
use super::word::Word;
use super::{json, read};

/// The cases of these parts of the file.
fn cases(parts: &[&str]) -> Vec<Value> {
    let file: Value = serde_json::from_str(include_str!("../../tests/data/ethereum.json")).unwrap();
    parts.iter().flat_map(|part| file[part].as_array().unwrap().clone()).collect()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap().trim_start_matches("0x")).unwrap()
}

#[test]
fn transactions_of_the_reference_library_are_read_and_signed_as_it_does() {
    let all = cases(&["legacy", "fee-market", "built"]);
    assert!(all.len() > 60);
    for case in all {
        let name = case["name"].as_str().unwrap();
        let transaction = Transaction::read(&bytes(&case["unsigned"])).unwrap();
        assert_eq!(transaction.unsigned(), bytes(&case["unsigned"]), "{name}");
        let secret = SecretKey::from_slice(&bytes(&case["key"])).unwrap();
        let key = secret.public_key(&Secp256k1::new()).serialize_uncompressed();
        let key = PublicKey::from_bytes(Scheme::EcdsaSecp256k1, &key).unwrap();
        let address = Address::parse(case["address"].as_str().unwrap()).unwrap();
        assert_eq!(Address::of_key(&key), Some(address), "{name}");
        // Both libraries choose nonces by RFC 6979.
        let digest = transaction.digest();
        let compact = Secp256k1::new().sign_ecdsa(&Message::from_digest(digest), &secret).serialize_compact();
        let id = ecdsa::recovery_id(&key, &digest, &Signature::from_bytes(compact)).unwrap();
        let [r, s] = [&compact[..32], &compact[32..]].map(|half| Word::from_bytes(half).unwrap());
        let signed = transaction.signed(&Recoverable { odd: id == 1, r, s }).unwrap();
        assert_eq!(signed, bytes(&case["signed"]), "{name}");
        let again = Transaction::read(&signed).unwrap_err().to_string();
        assert!(again.contains("signed already"), "{name}: {again}");
    }
}

#[test]
fn json_of_the_reference_library_is_the_same_transaction() {
    for case in cases(&["legacy", "fee-market", "built"]) {
        let mut fields = case["tx"].clone();
        // The tests of the library leave fields out that are zero, which nobody's transactions do.
        for name in ["nonce", "gasLimit", "gasPrice", "maxFeePerGas", "maxPriorityFeePerGas"] {
            let of_other_type =
                if fields["type"] == 0 { name.starts_with("max") } else { name == "gasPrice" };
            if fields.get(name).is_none() && !of_other_type {
                fields[name] = json!(0);
            }
        }
        let text = serde_json::to_vec_pretty(&fields).unwrap();
        assert!(json::is_json(&text));
        let given = read(&text).unwrap_or_else(|error| panic!("{error}: {fields}"));
        assert_eq!(given.transaction, Transaction::read(&bytes(&case["unsigned"])).unwrap());
        assert_eq!(given.from, None);
    }
}

#[test]
fn transactions_with_an_access_list_at_a_fixed_price_are_refused_by_name() {
    for case in cases(&["access-list"]) {
        for tx in [bytes(&case["unsigned"]), bytes(&case["signed"])] {
            let error = Transaction::read(&tx).unwrap_err();
            assert_eq!(error.code(), "unsupported_transaction");
            assert!(error.to_string().contains("0x01 (EIP-2930"), "{error}");
        }
    }
}

#[test]
fn a_chain_id_that_leaves_no_room_for_the_signature_makes_no_transaction() {
    let [case] = <[Value; 1]>::try_from(cases(&["built"]).drain(..1).collect::<Vec<_>>()).unwrap();
    let mut transaction = Transaction::read(&bytes(&case["unsigned"])).unwrap();
    let one = || Recoverable { odd: true, r: Word::from(1), s: Word::from(1) };
    for (chain_id, room) in [(u64::MAX, false), ((u64::MAX - 36) / 2, true), (u64::MAX / 2 - 17, false)] {
        transaction.chain_id = chain_id;
        assert_eq!(transaction.signed(&one()).is_some(), room, "{chain_id}");
    }
}
