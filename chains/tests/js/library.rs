//! The chains' own JavaScript libraries, for tests of this crate and for those with a real cluster, which include this file.
//!
//! Without Node.js and the libraries these tests fail, and say how to get them.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::{Engine, engine::general_purpose::STANDARD};
use bitcoin::TxOut;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Runs one of the scripts next to this file, which takes and gives a list.
pub(crate) fn run<T: DeserializeOwned>(script: &str, elements: &[Value]) -> Vec<T> {
    // Every crate is a folder, at some depth, of the one that has this file.
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let mut folders = crates.map(|folder| folder.join("chains/tests/js"));
    let folder = folders.find(|folder| folder.join(script).exists()).unwrap();
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
        .arg(script)
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
    assert!(output.status.success(), "{script}: {}", output.status);
    let answers: Vec<T> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answers.len(), elements.len());
    answers
}

/// For every element none when its library accepts it, else why not.
fn judge(elements: &[Value]) -> Vec<Option<String>> {
    run("accept.js", elements)
}

pub(crate) fn assert_accepted(names: &[String], elements: &[Value]) {
    for (name, verdict) in names.iter().zip(judge(elements)) {
        assert_eq!(verdict, None, "{name}");
    }
}

pub(crate) fn assert_none_accepted(elements: &[Value]) {
    for (number, verdict) in judge(elements).iter().enumerate() {
        assert!(verdict.is_some(), "change {number} is accepted");
    }
}

pub(crate) fn solana_element(transaction: &[u8]) -> Value {
    json!({ "chain": "solana", "transaction": STANDARD.encode(transaction) })
}

pub(crate) fn bitcoin_element(transaction: &[u8], prevouts: &[TxOut]) -> Value {
    let prevout = |out: &TxOut| json!({ "script": out.script_pubkey.to_hex_string(), "value": out.value.to_sat().to_string() });
    let prevouts: Vec<Value> = prevouts.iter().map(prevout).collect();
    json!({ "chain": "bitcoin", "transaction": hex::encode(transaction), "prevouts": prevouts })
}

pub(crate) fn ethereum_element(transaction: &[u8], from: &str, id: Option<&str>) -> Value {
    let mut element = json!({ "chain": "ethereum", "transaction": hex::encode(transaction), "from": from });
    if let Some(id) = id {
        element["id"] = id.into();
    }
    element
}

/// All changes of one bit.
pub(crate) fn flips(bytes: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> + '_ {
    (0..bytes.len() * 8).map(|bit| {
        let mut changed = bytes.to_vec();
        changed[bit / 8] ^= 1 << (bit % 8);
        (bit, changed)
    })
}
