//! What the chains' own JavaScript libraries say to transactions that were assembled here.

use base64::{Engine, engine::general_purpose::STANDARD};
use bitcoin::psbt::PsbtSighashType;
use quorate_chains::{AddressKind, ForeignInputs, Sighashes};
use serde_json::{Value, json};

use crate::library::{
    assert_accepted, assert_none_accepted, bitcoin_element, ethereum_element, run, solana_element,
};
use crate::support::{chain, complete, flips, out, partial, psbt, taproot};
use crate::{bitcoin as taproot_tests, ethereum, solana};

#[test]
fn solana_web3_js_accepts_what_is_signed_and_nothing_with_a_bit_changed() {
    let wallet = solana::wallet();
    let alone = solana::cases().into_iter().filter(|case| {
        let warnings =
            chain("solana").prepare(&case.unsigned(), &wallet.context()).unwrap().explain().warnings.clone();
        warnings.iter().all(|warning| warning.kind != quorate_chains::WarningKind::OtherSigners)
    });
    let sign = |case: &solana::Case| {
        complete(wallet.through(chain("solana"), &case.unsigned(), &wallet.context())).0
    };
    let cases: Vec<solana::Case> = alone.collect();
    assert!(cases.len() > 8);
    let names: Vec<String> = cases.iter().map(|case| case.name.clone()).collect();
    assert_accepted(&names, &cases.iter().map(|case| solana_element(&sign(case))).collect::<Vec<_>>());
    for name in ["legacy transfer", "v0 durable nonce with memo", "v0 transfer to a lookup table entry"] {
        let transaction = sign(&solana::case(name));
        let changed: Vec<Value> = flips(&transaction).map(|(_, changed)| solana_element(&changed)).collect();
        assert_none_accepted(&changed);
    }
}

#[test]
fn ethers_accepts_what_is_signed_and_nothing_with_a_bit_changed() {
    let wallet = ethereum::wallet();
    let key = hex::encode(wallet.key().as_bytes());
    let address = run::<String>("make.js", &[json!({ "make": "ethereum-address", "key": key })]).remove(0);
    assert_eq!(chain("ethereum").address(&wallet.key(), AddressKind::Default).unwrap(), address);
    let sign = |case: &ethereum::Case| {
        complete(wallet.through(chain(&case.network()), &case.unsigned(), &wallet.context()))
    };
    let cases = ethereum::cases("built");
    let names: Vec<String> = cases.iter().map(|case| case.name.clone()).collect();
    let accepted = cases.iter().map(|case| {
        let (transaction, id) = sign(case);
        ethereum_element(&transaction, &address, Some(&id))
    });
    assert_accepted(&names, &accepted.collect::<Vec<_>>());
    for name in ["legacy transfer", "transfer", "transfer with access list", "token transfer"] {
        let (transaction, _) = sign(&ethereum::case(name));
        let changed = flips(&transaction).map(|(_, changed)| ethereum_element(&changed, &address, None));
        assert_none_accepted(&changed.collect::<Vec<_>>());
    }
}

#[test]
fn json_and_bytes_that_ethers_makes_are_one_transaction() {
    let wallet = ethereum::wallet();
    for case in ethereum::cases("built") {
        let make = |form: &str| json!({ "make": "ethereum", "form": form, "fields": case.tx });
        let [bytes, text] = <[String; 2]>::try_from(run("make.js", &[make("bytes"), make("json")])).unwrap();
        let bytes = STANDARD.decode(bytes).unwrap();
        assert_eq!(bytes, case.unsigned(), "{}", case.name);
        let prepare = |tx: &[u8]| chain(&case.network()).prepare(tx, &wallet.context()).unwrap();
        assert_eq!(prepare(text.as_bytes()).requests(), prepare(&bytes).requests(), "{}", case.name);
        assert_eq!(prepare(text.as_bytes()).explain(), prepare(&bytes).explain(), "{}", case.name);
    }
}

#[test]
fn bitcoinjs_lib_accepts_what_is_signed_and_nothing_with_a_bit_changed() {
    let (wallet, other) = (taproot_tests::wallet(), taproot_tests::other());
    let spent = [out(taproot(&wallet, None), 100_000), out(taproot(&wallet, Some([5; 32])), 50_000)];
    let outputs = [out(taproot(&other, None), 120_000), out(taproot(&wallet, None), 29_000)];
    let mut base = psbt(&spent, &outputs);
    base.inputs[1].tap_internal_key =
        Some(bitcoin::XOnlyPublicKey::from_slice(wallet.key().as_bytes()).unwrap());
    base.inputs[1].tap_merkle_root = Some(bitcoin::hashes::Hash::from_byte_array([5; 32]));
    let (mut names, mut accepted) = (Vec::new(), Vec::new());
    for kind in [0x00, 0x01, 0x02, 0x03, 0x81, 0x82, 0x83] {
        let mut psbt = base.clone();
        psbt.inputs[1].sighash_type = (kind != 0).then(|| PsbtSighashType::from_u32(kind));
        let mut context = wallet.context();
        context.sighashes = Sighashes::Any;
        let (transaction, _) = complete(wallet.through(chain("bitcoin"), &psbt.serialize(), &context));
        names.push(format!("sighash {kind:02x}"));
        accepted.push(bitcoin_element(&transaction, &spent));
    }
    // One of two signers, in the form in which it goes to the other.
    let mut shared = psbt(&[spent[0].clone(), out(taproot(&other, None), 50_000)], &outputs);
    for (input, wallet) in shared.inputs.iter_mut().zip([&wallet, &other]) {
        input.tap_internal_key = Some(bitcoin::XOnlyPublicKey::from_slice(wallet.key().as_bytes()).unwrap());
    }
    let mut context = wallet.context();
    context.foreign_inputs = ForeignInputs::Leave;
    let half = partial(wallet.through(chain("bitcoin"), &shared.serialize(), &context));
    names.push("half signed".to_owned());
    accepted.push(json!({ "chain": "bitcoin-psbt", "psbt": STANDARD.encode(half), "inputs": [0] }));
    assert_accepted(&names, &accepted);

    let (transaction, _) = complete(wallet.through(chain("bitcoin"), &base.serialize(), &wallet.context()));
    let changed: Vec<Value> =
        flips(&transaction).map(|(_, changed)| bitcoin_element(&changed, &spent)).collect();
    assert_none_accepted(&changed);
}
