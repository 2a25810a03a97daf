//! Transactions as JavaScript libraries write them: one JSON object.
//!
//! Every field is known, given once and under one name. Numbers are text, in hexadecimal digits behind `0x` or in decimal ones;
//! JSON's own are taken as far as JavaScript counts exactly.

use std::fmt;

use serde::de::{Error, IgnoredAny, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use super::address::{Address, AddressFault};
use super::transaction::{Access, MAX_BYTES, Price, Transaction, signed, unsupported_type};
use super::word::{Word, WordFault};
use crate::error::PrepareError;
use crate::explain::printable;

/// The most bytes: data takes two digits for each of its bytes, and access lists more.
const MAX_JSON: usize = 4 * 128 * 1024;
/// The largest whole number that JavaScript tells from the next one.
const EXACT: u64 = (1 << 53) - 1;
/// More of an error is not quoted.
const QUOTED: usize = 200;

/// A transaction, and whom it says it is from.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) transaction: Transaction,
    pub(super) from: Option<Address>,
}

/// Whether these bytes are meant to be JSON: encoded transactions begin otherwise.
pub(super) fn is_json(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().first() == Some(&b'{')
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Fields {
    r#type: Option<Quantity>,
    chain_id: Option<Quantity>,
    nonce: Option<Quantity>,
    #[serde(alias = "gas")]
    gas_limit: Option<Quantity>,
    gas_price: Option<Quantity>,
    max_priority_fee_per_gas: Option<Quantity>,
    max_fee_per_gas: Option<Quantity>,
    from: Option<Address>,
    to: Option<Address>,
    value: Option<Quantity>,
    #[serde(alias = "input")]
    data: Option<Data>,
    access_list: Option<Vec<Entry>>,

    // Of signed transactions.
    v: Option<IgnoredAny>,
    r: Option<IgnoredAny>,
    s: Option<IgnoredAny>,
    y_parity: Option<IgnoredAny>,
    sig: Option<IgnoredAny>,
    signature: Option<IgnoredAny>,
    hash: Option<IgnoredAny>,

    // Of types that are not supported.
    max_fee_per_blob_gas: Option<IgnoredAny>,
    blob_versioned_hashes: Option<IgnoredAny>,
    blobs: Option<IgnoredAny>,
    authorization_list: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry {
    address: Address,
    storage_keys: Vec<StorageKey>,
}

/// Reads a transaction.
pub(super) fn read(bytes: &[u8]) -> Result<Given, PrepareError> {
    if bytes.len() > MAX_JSON {
        let what = "the transaction as JSON";
        return Err(PrepareError::TooLarge { what, got: bytes.len(), limit: MAX_JSON });
    }
    let fields: Fields = serde_json::from_slice(bytes).map_err(|error| {
        let text: String = error.to_string().chars().take(QUOTED).collect();
        PrepareError::malformed(printable(&text))
    })?;
    fields.read()
}

impl Fields {
    fn read(self) -> Result<Given, PrepareError> {
        let signature = [&self.v, &self.r, &self.s, &self.y_parity, &self.sig, &self.signature, &self.hash];
        if signature.iter().any(|field| field.is_some()) {
            return Err(signed());
        }
        if self.authorization_list.is_some() {
            return Err(unsupported_type(4));
        }
        if self.max_fee_per_blob_gas.is_some() || self.blob_versioned_hashes.is_some() || self.blobs.is_some()
        {
            return Err(unsupported_type(3));
        }
        let chain_id = self.chain_id.needed("chainId")?.u64("chainId")?;
        let nonce = self.nonce.needed("nonce")?.u64("nonce")?;
        let gas = self.gas_limit.needed("gasLimit")?.u64("gasLimit")?;
        let kind = match self.r#type {
            Some(kind) => kind.u64("type")?,
            // By the fields that only one type has.
            None if self.max_fee_per_gas.is_some() || self.max_priority_fee_per_gas.is_some() => 2,
            None if self.gas_price.is_some() && self.access_list.is_some() => 1,
            None if self.gas_price.is_some() => 0,
            None => return Err(PrepareError::malformed("type, gasPrice or maxFeePerGas is missing")),
        };
        let price = match kind {
            0 => {
                let other = [
                    ("maxFeePerGas", self.max_fee_per_gas.is_some()),
                    ("maxPriorityFeePerGas", self.max_priority_fee_per_gas.is_some()),
                    ("accessList", self.access_list.is_some()),
                ];
                none_of("legacy transactions", &other)?;
                Price::Legacy { gas: self.gas_price.needed("gasPrice")?.0 }
            }
            2 => {
                none_of("transactions of type 2 (EIP-1559)", &[("gasPrice", self.gas_price.is_some())])?;
                let access_list = self.access_list.unwrap_or_default().into_iter().map(Entry::read);
                Price::FeeMarket {
                    priority: self.max_priority_fee_per_gas.needed("maxPriorityFeePerGas")?.0,
                    max: self.max_fee_per_gas.needed("maxFeePerGas")?.0,
                    access_list: access_list.collect(),
                }
            }
            other => {
                let number = u8::try_from(other);
                return Err(
                    number.map_or_else(|_| PrepareError::malformed("type is above 255"), unsupported_type)
                );
            }
        };
        let transaction = Transaction {
            chain_id,
            nonce,
            price,
            gas,
            to: self.to,
            value: self.value.map_or_else(Word::default, |value| value.0),
            data: self.data.map_or_else(Vec::new, |data| data.0),
        };
        let got = transaction.unsigned().len();
        if got > MAX_BYTES {
            return Err(PrepareError::TooLarge { what: "the transaction", got, limit: MAX_BYTES });
        }
        Ok(Given { transaction, from: self.from })
    }
}

impl Entry {
    fn read(self) -> Access {
        Access { address: self.address, keys: self.storage_keys.into_iter().map(|key| key.0).collect() }
    }
}

fn none_of(what: &str, fields: &[(&str, bool)]) -> Result<(), PrepareError> {
    match fields.iter().find(|(_, given)| *given) {
        Some((name, _)) => Err(PrepareError::malformed(format!("{what} have no {name}"))),
        None => Ok(()),
    }
}

trait Needed<T> {
    fn needed(self, name: &str) -> Result<T, PrepareError>;
}

impl<T> Needed<T> for Option<T> {
    fn needed(self, name: &str) -> Result<T, PrepareError> {
        self.ok_or_else(|| PrepareError::malformed(format!("{name} is missing")))
    }
}

/// A number.
struct Quantity(Word);

impl Quantity {
    fn u64(&self, name: &str) -> Result<u64, PrepareError> {
        self.0.to_u64().ok_or_else(|| PrepareError::malformed(format!("{name} is above 2^64-1")))
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Number).map(Self)
    }
}

struct Number;

impl Visitor<'_> for Number {
    type Value = Word;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number below 2^53, or one as text: decimal digits, or 0x and hexadecimal ones")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Word, E> {
        if number > EXACT {
            return Err(E::invalid_value(Unexpected::Unsigned(number), &self));
        }
        Ok(Word::from(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Word, E> {
        Word::parse(text).map_err(|fault| match fault {
            WordFault::NotANumber => E::invalid_value(Unexpected::Str(text), &self),
            WordFault::TooLarge => E::custom("a number above 2^256-1"),
        })
    }
}

/// What a text of a certain kind stands for.
struct Text<T>(&'static str, fn(&str) -> Result<T, &'static str>);

impl<T> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.1)(text).map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text("an address", |text| {
            Self::parse(text).map_err(|fault| match fault {
                AddressFault::Form => "an address is 0x and 40 hexadecimal digits",
                AddressFault::Checksum => "an address whose checksum (EIP-55) is wrong: it may be mistyped",
            })
        }))
    }
}

/// Bytes.
struct Data(Vec<u8>);

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text("bytes", |text| {
            let bytes = text.strip_prefix("0x").and_then(|digits| hex::decode(digits).ok());
            bytes.map(Self).ok_or("bytes are 0x and pairs of hexadecimal digits")
        }))
    }
}

struct StorageKey([u8; 32]);

impl<'de> Deserialize<'de> for StorageKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text("a storage key", |text| {
            let mut key = [0; 32];
            let digits = text.strip_prefix("0x").unwrap_or_default();
            hex::decode_to_slice(digits, &mut key)
                .map_err(|_| "a storage key is 0x and 64 hexadecimal digits")?;
            Ok(Self(key))
        }))
    }
}
