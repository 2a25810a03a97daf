//! The fields of a transaction, their encodings, and the rules that every node checks before it takes one.

use super::address::{Address, keccak};
use super::rlp::{Items, Writer};
use super::word::Word;
use crate::error::PrepareError;

/// The most bytes of a signed transaction that nodes pass on.
const MAX_SIGNED: usize = 128 * 1024;
/// What a signature, and the longer lengths around it, add at most.
const SIGNATURE: usize = 80;
/// The most bytes of an unsigned transaction.
pub(super) const MAX_BYTES: usize = MAX_SIGNED - SIGNATURE;

/// The first byte of a transaction with a fee market (EIP-1559).
const FEE_MARKET: u8 = 2;
/// Below this the first byte of a transaction is its type (EIP-2718); above stands the list of a legacy one.
const TYPES: u8 = 0x80;

/// What a transaction says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Transaction {
    pub(super) chain_id: u64,
    pub(super) nonce: u64,
    pub(super) price: Price,
    /// The most gas that it can use.
    pub(super) gas: u64,
    /// None creates a contract.
    pub(super) to: Option<Address>,
    pub(super) value: Word,
    pub(super) data: Vec<u8>,
}

/// What it pays for gas, which is the difference between the types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Price {
    /// Legacy, with the chain id in the signature (EIP-155).
    Legacy { gas: Word },
    /// With a fee market (EIP-1559).
    FeeMarket { priority: Word, max: Word, access_list: Vec<Access> },
}

/// Storage that the transaction says it will use (EIP-2930). It changes nothing but the price of using it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Access {
    pub(super) address: Address,
    pub(super) keys: Vec<[u8; 32]>,
}

/// A signature in the form that transactions carry.
pub(super) struct Recoverable {
    /// Whether the y coordinate of the nonce's point is odd.
    pub(super) odd: bool,
    pub(super) r: Word,
    pub(super) s: Word,
}

impl Transaction {
    /// Reads an unsigned transaction.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, PrepareError> {
        if bytes.len() > MAX_BYTES {
            let (what, got) = ("the transaction", bytes.len());
            return Err(PrepareError::TooLarge { what, got, limit: MAX_BYTES });
        }
        let read = match bytes.split_first() {
            None => return Err(PrepareError::Truncated { at: 0, what: "its type" }),
            Some((&FEE_MARKET, list)) => Self::read_fee_market(Items::of_transaction(list, bytes.len())?)?,
            Some((&other, _)) if other < TYPES => return Err(unsupported_type(other)),
            Some(_) => Self::read_legacy(Items::of_transaction(bytes, bytes.len())?)?,
        };
        // Nothing that was read has a second form; this says so for all of it at once.
        if read.unsigned() != bytes {
            return Err(PrepareError::malformed("it is not written in its one form"));
        }
        Ok(read)
    }

    fn read_legacy(mut items: Items<'_>) -> Result<Self, PrepareError> {
        match items.count("a field")? {
            9 => {}
            6 => {
                return Err(PrepareError::unsupported(
                    "a legacy transaction without chain id, which would be good on every chain (EIP-155)",
                ));
            }
            fields => {
                return Err(PrepareError::malformed(format!(
                    "a legacy transaction of {fields} fields, not 9"
                )));
            }
        }
        let nonce = items.u64("the nonce")?;
        let gas_price = items.word("the gas price")?;
        let gas = items.u64("the gas limit")?;
        let to = recipient(&mut items)?;
        let value = items.word("the value")?;
        let data = items.string("the data")?.to_vec();
        let chain_id = items.word("the chain id")?;
        if !items.string("the place of r")?.is_empty() || !items.string("the place of s")?.is_empty() {
            return Err(signed());
        }
        let chain_id =
            chain_id.to_u64().ok_or_else(|| PrepareError::malformed("the chain id is above 2^64-1"))?;
        Ok(Self { chain_id, nonce, price: Price::Legacy { gas: gas_price }, gas, to, value, data })
    }

    fn read_fee_market(mut items: Items<'_>) -> Result<Self, PrepareError> {
        match items.count("a field")? {
            9 => {}
            12 => return Err(signed()),
            fields => {
                return Err(PrepareError::malformed(format!(
                    "a transaction of type 0x02 (EIP-1559) with {fields} fields, not 9"
                )));
            }
        }
        let chain_id = items.u64("the chain id")?;
        let nonce = items.u64("the nonce")?;
        let priority = items.word("the priority fee")?;
        let max = items.word("the maximal fee")?;
        let gas = items.u64("the gas limit")?;
        let to = recipient(&mut items)?;
        let value = items.word("the value")?;
        let data = items.string("the data")?.to_vec();
        let access_list = access_list(items.list("the access list")?)?;
        Ok(Self {
            chain_id,
            nonce,
            price: Price::FeeMarket { priority, max, access_list },
            gas,
            to,
            value,
            data,
        })
    }

    /// The bytes whose hash is signed.
    pub(super) fn unsigned(&self) -> Vec<u8> {
        let mut fields = self.fields();
        match self.price {
            Price::Legacy { .. } => {
                fields.u64(self.chain_id).string(&[]).string(&[]);
                fields.into_list(&[])
            }
            Price::FeeMarket { .. } => fields.into_list(&[FEE_MARKET]),
        }
    }

    /// The bytes as the network takes them, none if the chain id leaves no room for the signature.
    pub(super) fn signed(&self, signature: &Recoverable) -> Option<Vec<u8>> {
        let mut fields = self.fields();
        let parity = u64::from(signature.odd);
        let (v, prefix) = match self.price {
            Price::Legacy { .. } => {
                (self.chain_id.checked_mul(2)?.checked_add(35)?.checked_add(parity)?, &[][..])
            }
            Price::FeeMarket { .. } => (parity, &[FEE_MARKET][..]),
        };
        fields.u64(v).word(&signature.r).word(&signature.s);
        Some(fields.into_list(prefix))
    }

    /// The hash that is signed.
    pub(super) fn digest(&self) -> [u8; 32] {
        keccak(&self.unsigned())
    }

    /// All fields before those of the signature.
    fn fields(&self) -> Writer {
        let mut fields = Writer::default();
        match &self.price {
            Price::Legacy { gas } => fields.u64(self.nonce).word(gas),
            Price::FeeMarket { priority, max, .. } => {
                fields.u64(self.chain_id).u64(self.nonce).word(priority).word(max)
            }
        };
        fields.u64(self.gas);
        fields.string(self.to.as_ref().map_or(&[], |to| &to.0)).word(&self.value).string(&self.data);
        if let Price::FeeMarket { access_list, .. } = &self.price {
            let mut list = Writer::default();
            for Access { address, keys } in access_list {
                let (mut access, mut storage) = (Writer::default(), Writer::default());
                keys.iter().for_each(|key| {
                    storage.string(key);
                });
                list.list(access.string(&address.0).list(&storage));
            }
            fields.list(&list);
        }
        fields
    }

    /// The most that is paid for a unit of gas.
    pub(super) const fn gas_price(&self) -> &Word {
        match &self.price {
            Price::Legacy { gas } => gas,
            Price::FeeMarket { max, .. } => max,
        }
    }

    /// The most that is paid for gas.
    ///
    /// # Errors
    /// When it is more coins than any chain has.
    pub(super) fn fee(&self) -> Result<u128, PrepareError> {
        let fee = self.gas_price().to_u128().and_then(|price| price.checked_mul(self.gas.into()));
        fee.ok_or_else(|| PrepareError::unsupported("a fee of 2^128 units or more, which nobody has"))
    }

    /// What is transferred.
    ///
    /// # Errors
    /// When it is more coins than any chain has.
    pub(super) fn value(&self) -> Result<u128, PrepareError> {
        let value = self.value.to_u128();
        value.ok_or_else(|| PrepareError::unsupported("a value of 2^128 units or more, which nobody has"))
    }

    /// The rules by which every node refuses a transaction whatever else is on its chain.
    pub(super) fn check(&self) -> Result<(), PrepareError> {
        if self.nonce == u64::MAX {
            // EIP-2681.
            return Err(PrepareError::malformed("the nonce is 2^64-1, which no account can reach"));
        }
        if let Price::FeeMarket { priority, max, .. } = &self.price
            && priority > max
        {
            let text = format!("the priority fee is {priority}, more than the maximal fee {max}");
            return Err(PrepareError::malformed(text));
        }
        if self.to.is_none() && self.data.is_empty() {
            return Err(PrepareError::malformed("it creates a contract without code: 'to' is missing"));
        }
        let needed = self.intrinsic_gas();
        if self.gas < needed {
            let text = format!("its gas limit is {}, but {needed} is used before it does anything", self.gas);
            return Err(PrepareError::malformed(text));
        }
        self.value()?;
        self.fee().map(drop)
    }

    /// The gas that is paid before anything is run, by the lowest of the rules in force (EIP-2028, 2930, 3860): some chains take
    /// more for data (EIP-7623).
    fn intrinsic_gas(&self) -> u64 {
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let zeros = count(self.data.iter().filter(|byte| **byte == 0).count());
        let others = count(self.data.len()).saturating_sub(zeros);
        // At most 128 KiB of everything: no sum comes near the limit.
        let mut gas =
            zeros.saturating_mul(4).saturating_add(others.saturating_mul(16)).saturating_add(21_000);
        if self.to.is_none() {
            let words = count(self.data.len().div_ceil(32));
            gas = gas.saturating_add(32_000).saturating_add(words.saturating_mul(2));
        }
        if let Price::FeeMarket { access_list, .. } = &self.price {
            for access in access_list {
                gas = gas.saturating_add(2400).saturating_add(count(access.keys.len()).saturating_mul(1900));
            }
        }
        gas
    }
}

pub(super) fn signed() -> PrepareError {
    PrepareError::unsupported("a transaction that is signed already: give it without signature")
}

/// The refusal of a type of transaction, by its name where it has one.
pub(super) fn unsupported_type(number: u8) -> PrepareError {
    PrepareError::unsupported(match number {
        0 => "a transaction of type 0x00: a legacy one begins with its list".to_owned(),
        1 => "a transaction of type 0x01 (EIP-2930, legacy with access list)".to_owned(),
        3 => "a transaction of type 0x03 (EIP-4844, with blobs)".to_owned(),
        4 => "a transaction of type 0x04 (EIP-7702, which gives accounts code)".to_owned(),
        other => format!("a transaction of type 0x{other:02x}"),
    })
}

fn recipient(items: &mut Items<'_>) -> Result<Option<Address>, PrepareError> {
    let bytes = items.string("the recipient")?;
    if bytes.is_empty() {
        return Ok(None);
    }
    let length = |_| PrepareError::malformed(format!("the recipient has {} bytes, not 20", bytes.len()));
    bytes.try_into().map(|address| Some(Address(address))).map_err(length)
}

fn access_list(mut items: Items<'_>) -> Result<Vec<Access>, PrepareError> {
    let mut list = Vec::new();
    while !items.is_empty() {
        let mut entry = items.list("an entry of the access list")?;
        let address = Address(entry.array("an address of the access list")?);
        let mut storage = entry.list("the storage keys of the access list")?;
        let mut keys = Vec::new();
        while !storage.is_empty() {
            keys.push(storage.array("a storage key of the access list")?);
        }
        if !entry.is_empty() {
            return Err(PrepareError::malformed("an entry of the access list has more than two parts"));
        }
        list.push(Access { address, keys });
    }
    Ok(list)
}
