//! Which functions of which contracts and programs a rule is about.

use quorate_chains::{Asset, Call, Explain, Opaque, Transfer};

use crate::spending::ALLOWANCE;

/// Programs of Solana whose instructions move nothing that a policy counts: fees are counted elsewhere.
const NEUTRAL: [&str; 3] = [
    "ComputeBudget111111111111111111111111111111",
    "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr",
    "Memo1UhkJRfHyvLMcVucJwxXeuD728EqVDDwQDxFMNo",
];
/// The instruction that makes a durable nonce: without an effect besides.
const ADVANCE_NONCE: &str = "advance nonce";

/// Functions of Ethereum's tokens that the adapter explains, by their names and selectors. Data that begins with such a selector and
/// is not explained was made to look like something else: contracts read over bytes at its end.
const EXPLAINED: [(&str, &str); 3] =
    [("transfer", "a9059cbb"), ("transferFrom", "23b872dd"), (ALLOWANCE, "095ea7b3")];
/// The prefix of Ethereum's networks.
const ETHEREUM: &str = "eip155:";

/// Functions of one contract or program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Functions {
    /// CAIP-2 id of the network.
    pub(crate) chain: &'static str,
    pub(crate) contract: String,
    pub(crate) functions: Vec<Function>,
}

/// A function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Function {
    Any,
    /// By the name that the chain adapter gives it.
    Named(String),
    /// By the bytes with which its data begins, in hexadecimal digits.
    Selector(String),
}

impl Function {
    /// From `*`, `0x` and hexadecimal digits, or a name.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::Any);
        }
        match text.strip_prefix("0x") {
            Some(digits) => match hex::decode(digits) {
                Ok(bytes) if (1..=32).contains(&bytes.len()) => Ok(Self::Selector(hex::encode(bytes))),
                _ => Err(format!("{text:?} is no selector: expected 0x and the digits of 1 to 32 bytes")),
            },
            None if text.is_empty() || text.len() > 64 => {
                Err("a function is named by its selector (0x…), the adapter's name for it, or *".to_owned())
            }
            None => Ok(Self::Named(text.to_owned())),
        }
    }
}

/// Something that a transaction does besides transfers.
#[derive(Clone, Copy)]
pub(crate) enum Doing<'a> {
    Call(&'a Call),
    Opaque(&'a Opaque),
    /// A transfer of a token, which calls the token's contract.
    Token(&'a Transfer, &'a str),
}

impl Doing<'_> {
    /// Whether it moves nothing, so that no rule need allow it.
    pub(crate) fn is_neutral(&self) -> bool {
        match self {
            Self::Call(call) => NEUTRAL.contains(&call.program.as_str()) || call.name == ADVANCE_NONCE,
            Self::Opaque(_) => false,
            // What it does is in the transfer, all of it.
            Self::Token(..) => true,
        }
    }

    /// Whether it looks like something that is always explained, and is not explained.
    pub(crate) fn is_disguised(&self, chain: &str) -> bool {
        let Self::Opaque(part) = self else { return false };
        chain.starts_with(ETHEREUM) && EXPLAINED.iter().any(|(_, selector)| part.data.starts_with(selector))
    }

    /// The name and the selector by which it can be named.
    fn function(&self) -> (&str, &str) {
        let selector = |name: &str| {
            EXPLAINED.iter().find(|(known, _)| *known == name).map_or("", |(_, selector)| *selector)
        };
        match self {
            Self::Call(call) => (&call.name, selector(&call.name)),
            Self::Opaque(part) => ("", &part.data),
            Self::Token(transfer, _) => {
                let name = if transfer.authority.is_some() { "transferFrom" } else { "transfer" };
                (name, selector(name))
            }
        }
    }

    pub(crate) fn is_among(&self, chain: &str, allowed: &[Functions]) -> bool {
        allowed.iter().any(|functions| functions.has(chain, *self))
    }

    /// In words, for a refusal.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Call(call) => format!("a call of {:?} of {}", call.name, call.program),
            Self::Opaque(part) => match &part.program {
                Some(program) => format!("{} ({program}: {})", part.place, part.reason),
                None => format!("{} ({})", part.place, part.reason),
            },
            Self::Token(_, token) => format!("a transfer of {token}"),
        }
    }
}

/// The calls of token contracts that a transaction makes to transfer tokens.
pub(crate) fn token_transfers(explain: &Explain) -> impl Iterator<Item = Doing<'_>> {
    explain.transfers.iter().filter_map(|transfer| match &transfer.asset {
        Asset::Token { mint: Some(token), .. } => Some(Doing::Token(transfer, token)),
        _ => None,
    })
}

/// All that a transaction does besides transfers.
pub(crate) fn doings(explain: &Explain) -> impl Iterator<Item = Doing<'_>> {
    explain.calls.iter().map(Doing::Call).chain(explain.opaque.iter().map(Doing::Opaque))
}

impl Functions {
    fn has(&self, chain: &str, doing: Doing<'_>) -> bool {
        if self.chain != chain {
            return false;
        }
        let (known_as, data) = doing.function();
        let is = |function: &Function| match function {
            Function::Any => true,
            Function::Named(name) => name == known_as,
            Function::Selector(selector) => data.starts_with(selector.as_str()),
        };
        let contract = match doing {
            Doing::Call(call) => Some(call.program.as_str()),
            Doing::Opaque(part) => part.program.as_deref(),
            Doing::Token(_, token) => Some(token),
        };
        contract == Some(self.contract.as_str()) && self.functions.iter().any(is)
    }
}
