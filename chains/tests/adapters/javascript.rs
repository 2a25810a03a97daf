//! What the chains' own JavaScript libraries say to transactions that were assembled here.
//!
//! Without Node.js and the libraries these tests fail, and say how to get them.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::{Engine, engine::general_purpose::STANDARD};
use bitcoin::TxOut;
use bitcoin::psbt::PsbtSighashType;
use quorate_chains::{ForeignInputs, Sighashes};
use serde_json::{Value, json};

use crate::support::{chain, complete, flips, out, partial, psbt, taproot};
use crate::{bitcoin as taproot_tests, solana};

/// For every element none when its library accepts it, else why not.
fn judge(elements: &[Value]) -> Vec<Option<String>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/js");
    let lacking = |what: &str| -> String {
        let folder = folder.display();
        format!(
            "{what}: ./check installs it, or install Node.js 20.18 or newer and run `npm ci --ignore-scripts` in {folder}"
        )
    };
    assert!(
        folder.join("node_modules").exists(),
        "{}",
        lacking("the chains' JavaScript libraries are missing")
    );
    let mut node = Command::new("node")
        .arg("accept.js")
        .current_dir(&folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap_or_else(|error| panic!("{}", lacking(&format!("node does not start ({error})"))));
    let input = serde_json::to_vec(elements).unwrap();
    // Nothing comes out before everything is in.
    node.stdin.take().unwrap().write_all(&input).unwrap();
    let output = node.wait_with_output().unwrap();
    assert!(output.status.success(), "accept.js: {}", output.status);
    let verdicts: Vec<Option<String>> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(verdicts.len(), elements.len());
    verdicts
}

fn assert_accepted(names: &[String], elements: &[Value]) {
    for (name, verdict) in names.iter().zip(judge(elements)) {
        assert_eq!(verdict, None, "{name}");
    }
}

fn assert_none_accepted(elements: &[Value]) {
    for (number, verdict) in judge(elements).iter().enumerate() {
        assert!(verdict.is_some(), "change {number} is accepted");
    }
}

fn solana_element(transaction: &[u8]) -> Value {
    json!({ "chain": "solana", "transaction": STANDARD.encode(transaction) })
}

fn bitcoin_element(transaction: &[u8], prevouts: &[TxOut]) -> Value {
    let prevout = |out: &TxOut| json!({ "script": out.script_pubkey.to_hex_string(), "value": out.value.to_sat().to_string() });
    let prevouts: Vec<Value> = prevouts.iter().map(prevout).collect();
    json!({ "chain": "bitcoin", "transaction": hex::encode(transaction), "prevouts": prevouts })
}

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
