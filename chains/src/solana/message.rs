//! The wire format, and the rules that a message must keep to be taken by a validator.

use std::collections::BTreeSet;

use crate::error::PrepareError;

/// The most bytes of a transaction: what fits in one packet.
pub(super) const MAX_BYTES: usize = 1232;

/// The most accounts that a message can point at: indices are bytes.
const MAX_ACCOUNTS: usize = 256;

/// An account's address.
pub(super) type Key = [u8; 32];

/// A transaction as it goes over the wire.
pub(super) struct Transaction<'a> {
    /// One for every required signer, in the order of the keys.
    pub(super) signatures: Vec<[u8; 64]>,
    pub(super) message: Message<'a>,
}

/// A message of either version.
pub(super) struct Message<'a> {
    /// The bytes that are signed.
    pub(super) bytes: &'a [u8],
    /// How many of the keys must sign: the first ones.
    pub(super) signers: usize,
    readonly_signers: usize,
    readonly_others: usize,
    /// The accounts that stand in the message itself.
    pub(super) keys: Vec<Key>,
    pub(super) blockhash: Key,
    pub(super) instructions: Vec<Instruction<'a>>,
    lookups: Vec<Lookup<'a>>,
}

/// An instruction to a program.
pub(super) struct Instruction<'a> {
    program: u8,
    /// Indices of accounts.
    pub(super) accounts: &'a [u8],
    pub(super) data: &'a [u8],
}

/// Accounts taken from a table that is kept on the chain.
struct Lookup<'a> {
    table: Key,
    writable: &'a [u8],
    readonly: &'a [u8],
}

/// An account of an instruction.
#[derive(Clone, Copy)]
pub(super) enum Place {
    /// It stands in the message.
    Known { key: Key, signer: bool, writable: bool },
    /// It is this entry of this table on the chain.
    InTable { table: Key, entry: u8 },
}

impl<'a> Transaction<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, PrepareError> {
        if bytes.len() > MAX_BYTES {
            let (what, got) = ("the transaction", bytes.len());
            return Err(PrepareError::TooLarge { what, got, limit: MAX_BYTES });
        }
        let mut reader = Reader { rest: bytes, total: bytes.len() };
        let count = reader.length("the number of signatures")?;
        let mut signatures = Vec::new();
        for _ in 0..count {
            signatures.push(reader.array("a signature")?);
        }
        let message = Message::read(reader)?;
        if signatures.len() != message.signers {
            return Err(PrepareError::malformed(format!(
                "{} places for signatures, but {} signers",
                signatures.len(),
                message.signers
            )));
        }
        Ok(Self { signatures, message })
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(MAX_BYTES);
        write_length(&mut bytes, self.signatures.len());
        bytes.extend(self.signatures.iter().flatten());
        bytes.extend(self.message.bytes);
        bytes
    }
}

impl<'a> Message<'a> {
    fn read(mut reader: Reader<'a>) -> Result<Self, PrepareError> {
        let bytes = reader.rest;
        let first = reader.byte("the message header")?;
        let versioned = first & 0x80 != 0;
        if versioned && first != 0x80 {
            return Err(PrepareError::unsupported(format!("message version {}", first & 0x7F)));
        }
        let signers = if versioned { reader.byte("the message header")? } else { first };
        let readonly_signers = reader.byte("the message header")?;
        let readonly_others = reader.byte("the message header")?;
        let count = reader.length("the number of accounts")?;
        let mut keys = Vec::new();
        for _ in 0..count {
            keys.push(reader.array("an account")?);
        }
        let blockhash = reader.array("the blockhash")?;
        let mut instructions = Vec::new();
        for _ in 0..reader.length("the number of instructions")? {
            instructions.push(Instruction {
                program: reader.byte("an instruction")?,
                accounts: reader.list("the accounts of an instruction")?,
                data: reader.list("the data of an instruction")?,
            });
        }
        let mut lookups = Vec::new();
        if versioned {
            for _ in 0..reader.length("the number of lookup tables")? {
                lookups.push(Lookup {
                    table: reader.array("a lookup table")?,
                    writable: reader.list("the entries of a lookup table")?,
                    readonly: reader.list("the entries of a lookup table")?,
                });
            }
        }
        if !reader.rest.is_empty() {
            return Err(PrepareError::Trailing { bytes: reader.rest.len() });
        }
        let message = Self {
            bytes,
            signers: signers.into(),
            readonly_signers: readonly_signers.into(),
            readonly_others: readonly_others.into(),
            keys,
            blockhash,
            instructions,
            lookups,
        };
        message.check().map_err(PrepareError::malformed)?;
        Ok(message)
    }

    /// The rules by which a validator refuses a message before looking at any account.
    fn check(&self) -> Result<(), &'static str> {
        if self.readonly_signers >= self.signers {
            return Err("no signer whose account can pay");
        }
        if self.signers.saturating_add(self.readonly_others) > self.keys.len() {
            return Err("the header counts more accounts than there are");
        }
        if self.lookups.iter().any(|lookup| lookup.writable.is_empty() && lookup.readonly.is_empty()) {
            return Err("a lookup table of which nothing is used");
        }
        let accounts = self.accounts();
        if accounts > MAX_ACCOUNTS {
            return Err("more than 256 accounts");
        }
        if self.keys.iter().collect::<BTreeSet<_>>().len() != self.keys.len() {
            return Err("an account stands in it twice");
        }
        for instruction in &self.instructions {
            // Program 0 would be who pays.
            if instruction.program == 0 || usize::from(instruction.program) >= self.keys.len() {
                return Err("an instruction to a program that is not among the accounts");
            }
            if instruction.accounts.iter().any(|index| usize::from(*index) >= accounts) {
                return Err("an instruction with an account that is not there");
            }
        }
        Ok(())
    }

    fn accounts(&self) -> usize {
        let looked_up = self.lookups.iter().map(|lookup| lookup.writable.len() + lookup.readonly.len());
        looked_up.fold(self.keys.len(), usize::saturating_add)
    }

    /// The program of an instruction.
    pub(super) fn program(&self, instruction: &Instruction<'_>) -> Option<&Key> {
        self.keys.get(usize::from(instruction.program))
    }

    /// The account that an instruction lists at this position.
    pub(super) fn account(&self, instruction: &Instruction<'_>, position: usize) -> Option<Place> {
        let index = usize::from(*instruction.accounts.get(position)?);
        if let Some(key) = self.keys.get(index) {
            let signer = index < self.signers;
            let writable = if signer {
                index < self.signers.saturating_sub(self.readonly_signers)
            } else {
                index < self.keys.len().saturating_sub(self.readonly_others)
            };
            return Some(Place::Known { key: *key, signer, writable });
        }
        // First what all tables give to write, then what they give to read.
        let writable =
            self.lookups.iter().flat_map(|lookup| lookup.writable.iter().map(move |entry| (lookup, entry)));
        let readonly =
            self.lookups.iter().flat_map(|lookup| lookup.readonly.iter().map(move |entry| (lookup, entry)));
        let (lookup, entry) = writable.chain(readonly).nth(index.checked_sub(self.keys.len())?)?;
        Some(Place::InTable { table: lookup.table, entry: *entry })
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    total: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize, what: &'static str) -> Result<&'a [u8], PrepareError> {
        let truncated = PrepareError::Truncated { at: self.total, what };
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self, what: &'static str) -> Result<u8, PrepareError> {
        self.array::<1>(what).map(|[byte]| byte)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], PrepareError> {
        let truncated = PrepareError::Truncated { at: self.total, what };
        let (array, rest) = self.rest.split_first_chunk().ok_or(truncated)?;
        self.rest = rest;
        Ok(*array)
    }

    fn list(&mut self, what: &'static str) -> Result<&'a [u8], PrepareError> {
        let length = self.length(what)?;
        self.take(length, what)
    }

    /// A length in seven-bit groups, little end first, in at most three bytes and 16 bits.
    fn length(&mut self, what: &'static str) -> Result<usize, PrepareError> {
        let mut value = 0_usize;
        for (position, shift) in [0, 7, 14].into_iter().enumerate() {
            let byte = self.byte(what)?;
            value |= usize::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                if (position > 0 && byte == 0) || value > 0xFFFF {
                    break;
                }
                return Ok(value);
            }
        }
        Err(PrepareError::malformed(format!("{what}: a length not written in its one form")))
    }
}

fn write_length(bytes: &mut Vec<u8>, mut length: usize) {
    while length > 0x7F {
        bytes.push((length & 0x7F) as u8 | 0x80);
        length >>= 7;
    }
    bytes.push((length & 0x7F) as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<usize, PrepareError> {
        Reader { rest: bytes, total: bytes.len() }.length("a number")
    }

    #[test]
    fn lengths_have_one_form() {
        for length in 0..=0xFFFF_usize {
            let mut bytes = Vec::new();
            write_length(&mut bytes, length);
            assert_eq!(read(&bytes), Ok(length));
        }
        // The cases of the Rust SDK's own test of aliases: each is a longer form of another number, or too large.
        for alias in [
            &[0x80, 0x00][..],
            &[0x80, 0x80, 0x00],
            &[0xFF, 0x00],
            &[0xFF, 0x80, 0x00],
            &[0x80, 0x81, 0x00],
            &[0xFF, 0x81, 0x00],
            &[0x80, 0x82, 0x00],
            &[0x80, 0x80, 0x04],
            &[0x80, 0x80, 0x06],
            &[0xFF, 0xFF, 0x04],
            &[0x80, 0x80, 0x80, 0x00],
        ] {
            assert_eq!(read(alias).unwrap_err().code(), "malformed_transaction", "{alias:02x?}");
        }
        assert_eq!(read(&[0x80]).unwrap_err().code(), "transaction_truncated");
    }
}
