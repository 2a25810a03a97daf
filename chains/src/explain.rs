//! What a transaction does, for people and policies.

mod text;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a transaction does. As JSON it is what the API gives, as [`lines`](Self::lines) what people read.
///
/// Everything the transaction does is in `transfers`, `fee`, `calls` or `opaque`. Texts of strangers are escaped: no
/// control characters are in them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explain {
    /// CAIP-2 id of the network.
    pub chain: String,
    /// What changes hands, in the transaction's order.
    pub transfers: Vec<Transfer>,
    /// What the network takes.
    pub fee: Option<Fee>,
    /// How long the signed transaction can be used.
    pub lifetime: Lifetime,
    /// Decoded actions that are no transfers.
    pub calls: Vec<Call>,
    /// What is not decoded. A policy that doesn't know better denies it.
    pub opaque: Vec<Opaque>,
    /// What a person should know before signing.
    pub warnings: Vec<Warning>,
}

/// An amount of one asset that goes from somebody to somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transfer {
    /// What is transferred.
    pub asset: Asset,
    /// How much, in the asset's smallest unit.
    pub amount: Units,
    /// Whose it was. Bitcoin's inputs are not assigned to outputs: all of them.
    pub from: Vec<Account>,
    /// Whose it becomes. One's own is change.
    pub to: Account,
    /// Who has it taken by a call of their own, where it is not simply given by who it is of. On Ethereum it is there
    /// of every `transferFrom`, and of nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<Account>,
}

/// Someone on the chain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// The address, or, for what has none, a word, a colon and what is known of it.
    pub address: String,
    /// Whether it is known to be the wallet's.
    pub own: bool,
}

/// What is transferred.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", deny_unknown_fields)]
#[non_exhaustive]
pub enum Asset {
    /// The chain's own coin.
    Coin {
        /// Its symbol.
        symbol: String,
        /// One coin is `10^decimals` units.
        decimals: u8,
    },
    /// A token.
    Token {
        /// The program or standard that keeps it.
        standard: String,
        /// Which token; none if the transaction doesn't say.
        mint: Option<String>,
        /// One token is `10^decimals` units, as the transaction states and the network checks.
        decimals: Option<u8>,
    },
}

/// An amount in the smallest unit. Text in JSON, where large numbers lose digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Units(pub u128);

impl fmt::Display for Units {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Units {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // `parse` would take a sign.
        if text.starts_with('+') {
            return "".parse().map(Self);
        }
        text.parse().map(Self)
    }
}

impl From<u64> for Units {
    fn from(units: u64) -> Self {
        Self(units.into())
    }
}

impl Serialize for Units {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Units {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What the network takes for the transaction, in the chain's own coin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fee {
    /// How much.
    pub amount: Units,
    /// How sure that is.
    pub bound: Bound,
    /// Who pays.
    pub payer: Vec<Account>,
}

/// What an amount says about what it will be on the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Bound {
    /// It is just that.
    Exact,
    /// It is that, or less.
    AtMost,
    /// It is that as the transaction stands, but the signatures leave it to others to make it more or less, or the network
    /// takes more besides.
    Open,
}

/// How long a signed transaction can be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", deny_unknown_fields)]
#[non_exhaustive]
pub enum Lifetime {
    /// Until what it spends is spent otherwise.
    Unlimited,
    /// From this height of the chain on.
    FromHeight {
        /// The height.
        height: u32,
    },
    /// From this time on.
    FromTime {
        /// Seconds since 1970.
        time: u32,
    },
    /// About a minute from when the block with this hash was made.
    Blockhash {
        /// The hash.
        blockhash: String,
    },
    /// Until the nonce is advanced.
    DurableNonce {
        /// The account that keeps the nonce.
        account: String,
        /// Who can advance it.
        authority: Account,
        /// The nonce.
        nonce: String,
    },
    /// Once all transactions of the account with lower numbers are in, until another one has this number.
    Nonce {
        /// Whose transactions are numbered.
        account: Account,
        /// The number, in decimal digits.
        nonce: String,
    },
}

/// A decoded action that is no transfer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// Where in the transaction.
    pub place: String,
    /// The program or contract.
    pub program: String,
    /// What is asked of it.
    pub name: String,
    /// Its arguments, by name.
    pub arguments: BTreeMap<String, String>,
}

/// A part that is not decoded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opaque {
    /// Where in the transaction.
    pub place: String,
    /// Why it is not decoded.
    pub reason: String,
    /// The program or contract, where there is one.
    pub program: Option<String>,
    /// Its bytes, hexadecimal.
    pub data: String,
}

/// What a person should know before signing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Warning {
    /// What about.
    pub kind: WarningKind,
    /// In words.
    pub text: String,
}

/// What a warning is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum WarningKind {
    /// The transaction is only good for about a minute.
    ShortLived,
    /// The fee is out of all proportion.
    AbsurdFee,
    /// Somebody else must sign as well.
    OtherSigners,
    /// An input of somebody else, whose signature is not checked here.
    ForeignInput,
    /// The signature leaves something open to change by others.
    WeakSighash,
    /// The token's own program can take more, or do more, than is said here.
    TokenExtensions,
    /// The transaction doesn't say which token is transferred.
    UnknownToken,
    /// A number can be an amount of a token, or name a single token; which it is only the contract says.
    AmbiguousToken,
    /// Somebody gets leave to take all of a token, now and later.
    UnlimitedApproval,
    /// A contract is created.
    ContractCreation,
    /// The network takes a fee besides, which the transaction doesn't limit.
    UnboundedFee,
    /// Coins are destroyed, or left to whoever comes first.
    Burned,
}

impl Explain {
    pub(crate) fn new(chain: &str, lifetime: Lifetime) -> Self {
        Self {
            chain: chain.to_owned(),
            transfers: Vec::new(),
            fee: None,
            lifetime,
            calls: Vec::new(),
            opaque: Vec::new(),
            warnings: Vec::new(),
        }
    }

    pub(crate) fn warn(&mut self, kind: WarningKind, text: impl Into<String>) {
        self.warnings.push(Warning { kind, text: text.into() });
    }

    /// Whether every part is decoded.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.opaque.is_empty()
    }

    /// What leaves for others: all transfers but change.
    pub fn outgoing(&self) -> impl Iterator<Item = &Transfer> {
        self.transfers.iter().filter(|transfer| !transfer.to.own)
    }
}

/// Whether a character moves a cursor, hides or reorders what follows, or joins with what is before.
fn unprintable(character: char) -> bool {
    !matches!(character, '"' | '\'' | '\\') && character.escape_debug().len() > 1
}

/// A stranger's text without anything that moves a cursor or hides what follows.
pub(crate) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' | '\'' => out.push(character),
            _ => out.extend(character.escape_debug()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_strangers_keep_no_control_characters() {
        assert_eq!(printable("it's \"fine\", 好"), "it's \"fine\", 好");
        assert_eq!(printable("a\u{1b}[2Jb\n\u{202e}"), "a\\u{1b}[2Jb\\n\\u{202e}");
    }

    #[test]
    fn units_are_text_without_a_sign() {
        let units = Units(u128::MAX);
        let json = serde_json::to_string(&units).unwrap();
        assert_eq!(json, format!("\"{}\"", u128::MAX));
        assert_eq!(serde_json::from_str::<Units>(&json).unwrap(), units);
        for bad in ["\"\"", "\"+1\"", "\"-1\"", "1", "\"1.0\"", "\" 1\""] {
            assert!(serde_json::from_str::<Units>(bad).is_err(), "{bad}");
        }
    }
}
