//! Ethereum transactions: legacy with chain id, and with a fee market.

mod bytes;
mod json;
mod meaning;
mod signing;

use quorate_chains::{PrepareError, Prepared};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::{Wallet, chain, code, complete, flips};

/// A transaction that the reference library signed.
#[derive(Clone, Deserialize)]
pub(crate) struct Case {
    pub(crate) name: String,
    key: String,
    pub(crate) address: String,
    pub(crate) tx: Value,
    unsigned: String,
    signed: String,
}

impl Case {
    pub(crate) fn unsigned(&self) -> Vec<u8> {
        unhex(&self.unsigned)
    }

    fn signed(&self) -> Vec<u8> {
        unhex(&self.signed)
    }

    pub(crate) fn wallet(&self) -> Wallet {
        Wallet::ethereum(unhex(&self.key).try_into().unwrap())
    }

    /// The CAIP-2 id of its network.
    pub(crate) fn network(&self) -> String {
        let id = &self.tx["chainId"];
        format!("eip155:{}", id.as_str().map_or_else(|| id.to_string(), str::to_owned))
    }
}

/// The cases of one part of the file.
pub(crate) fn cases(part: &str) -> Vec<Case> {
    let file: Value = serde_json::from_str(include_str!("../data/ethereum.json")).unwrap();
    serde_json::from_value(file[part].clone()).unwrap()
}

pub(crate) fn case(name: &str) -> Case {
    cases("built").into_iter().find(|case| case.name == name).unwrap()
}

/// The key of the example in EIP-155.
pub(crate) fn wallet() -> Wallet {
    Wallet::ethereum([0x46; 32])
}

fn prepare(tx: &[u8]) -> Result<Prepared, PrepareError> {
    chain("ethereum").prepare(tx, &wallet().context())
}

fn unhex(text: &str) -> Vec<u8> {
    hex::decode(text.trim_start_matches("0x")).unwrap()
}

/// A string or list, or bytes as they are, right or wrong.
#[derive(Debug, Clone)]
enum Item {
    String(Vec<u8>),
    List(Vec<Item>),
    Raw(Vec<u8>),
}

impl Item {
    fn number(number: u128) -> Self {
        let zeros = number.leading_zeros() as usize / 8;
        Self::String(number.to_be_bytes()[zeros..].to_vec())
    }

    /// The encoding, written again from the yellow paper's appendix B.
    fn bytes(&self) -> Vec<u8> {
        let (base, content) = match self {
            Self::Raw(bytes) => return bytes.clone(),
            Self::String(bytes) if bytes.len() == 1 && bytes[0] < 0x80 => return bytes.clone(),
            Self::String(bytes) => (0x80, bytes.clone()),
            Self::List(items) => (0xC0, items.iter().flat_map(Self::bytes).collect()),
        };
        let mut out = Vec::new();
        if content.len() < 56 {
            out.push(base + content.len() as u8);
        } else {
            let length = content.len().to_be_bytes();
            let digits = &length[content.len().leading_zeros() as usize / 8..];
            out.push(base + 55 + digits.len() as u8);
            out.extend(digits);
        }
        out.extend(content);
        out
    }
}

const TO: [u8; 20] = [0x35; 20];

/// The fields of the transfer in EIP-155, as they are signed.
fn legacy() -> Vec<Item> {
    let mut fields: Vec<Item> = [9, 20_000_000_000, 21_000].map(Item::number).into();
    fields.push(Item::String(TO.to_vec()));
    fields.push(Item::number(10_u128.pow(18)));
    fields.push(Item::String(vec![]));
    fields.extend([1, 0, 0].map(Item::number));
    fields
}

/// The same with a fee market: chain id, nonce, priority fee, maximal fee, gas, to, value, data, access list.
fn market() -> Vec<Item> {
    let mut fields: Vec<Item> = [1, 9, 1_000_000_000, 30_000_000_000, 21_000].map(Item::number).into();
    fields.push(Item::String(TO.to_vec()));
    fields.push(Item::number(10_u128.pow(17)));
    fields.push(Item::String(vec![]));
    fields.push(Item::List(vec![]));
    fields
}

fn legacy_bytes(fields: Vec<Item>) -> Vec<u8> {
    Item::List(fields).bytes()
}

fn market_bytes(fields: Vec<Item>) -> Vec<u8> {
    [vec![2], Item::List(fields).bytes()].concat()
}

/// A legacy transfer of which something is changed first.
fn changed_legacy(change: impl FnOnce(&mut Vec<Item>)) -> Vec<u8> {
    let mut fields = legacy();
    change(&mut fields);
    legacy_bytes(fields)
}

/// The same with a fee market.
fn changed_market(change: impl FnOnce(&mut Vec<Item>)) -> Vec<u8> {
    let mut fields = market();
    change(&mut fields);
    market_bytes(fields)
}

/// The transfer with a fee market as JSON.
fn object() -> Value {
    json!({
        "type": 2, "chainId": 1, "nonce": 9, "maxPriorityFeePerGas": "1000000000", "maxFeePerGas": "0x6fc23ac00",
        "gasLimit": 21_000, "to": "0x3535353535353535353535353535353535353535", "value": "100000000000000000",
        "data": "0x", "accessList": [],
    })
}

fn prepare_json(object: &Value) -> Result<Prepared, PrepareError> {
    prepare(&serde_json::to_vec(object).unwrap())
}

#[test]
fn the_items_of_these_tests_are_the_examples() {
    assert_eq!(legacy_bytes(legacy()), case("legacy transfer").unsigned());
    assert_eq!(market_bytes(market()), case("transfer").unsigned());
    assert_eq!(
        prepare_json(&object()).unwrap().requests(),
        prepare(&market_bytes(market())).unwrap().requests()
    );
}
