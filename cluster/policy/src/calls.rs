//! Which functions of which contracts and programs a rule is about.

use std::borrow::Cow;

use quorate_chains::{Asset, Call, Explain, Opaque, Transfer, names};

/// The first bytes, in hexadecimal digits, of Solana's instructions that transfer tokens: with the token named and its decimal
/// places stated, or without.
const CHECKED_TRANSFER: &str = "0c";
const UNCHECKED_TRANSFER: &str = "03";

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
    Token(&'a Transfer),
}

/// The call of a token's contract on Ethereum that data begins like.
fn token_call(chain: &str, data: &str) -> Option<&'static str> {
    if !chain.starts_with(names::ETHEREUM) {
        return None;
    }
    let mut begin = [0; 4];
    hex::decode_to_slice(data.get(..8)?, &mut begin).ok()?;
    names::TOKEN_CALLS.iter().find(|(_, selector)| *selector == begin).map(|(name, _)| *name)
}

/// The selector of a call of a token's contract on Ethereum, in hexadecimal digits.
fn selector(chain: &str, name: &str) -> String {
    let known = names::TOKEN_CALLS.iter().find(|(known, _)| *known == name);
    known
        .filter(|_| chain.starts_with(names::ETHEREUM))
        .map(|(_, bytes)| hex::encode(bytes))
        .unwrap_or_default()
}

impl Doing<'_> {
    /// Whether it moves nothing, so that no rule need allow it.
    pub(crate) fn is_neutral(&self) -> bool {
        match self {
            // Fees are counted elsewhere.
            Self::Call(call) => {
                let program = call.program.as_str();
                program == names::COMPUTE_BUDGET
                    || names::MEMOS.contains(&program)
                    || call.name == names::ADVANCE_NONCE
            }
            Self::Opaque(_) => false,
            // What it does is in the transfer, all of it.
            Self::Token(_) => true,
        }
    }

    /// Whether it is an output of Bitcoin that carries data. If it holds coins, too, they are a transfer to nobody.
    pub(crate) fn is_data(&self) -> bool {
        matches!(self, Self::Call(call) if call.program == names::OP_RETURN)
    }

    /// Whether nobody can tell what it does.
    pub(crate) const fn is_opaque(&self) -> bool {
        matches!(self, Self::Opaque(_))
    }

    /// Whether it looks like something that is always explained, and is not explained: it was made to look like something else,
    /// since contracts read over bytes at its end.
    pub(crate) fn is_disguised(&self, chain: &str) -> bool {
        matches!(self, Self::Opaque(part) if token_call(chain, &part.data).is_some())
    }

    /// The name by which it can be named, and the bytes with which its data begins.
    fn function(&self, chain: &str) -> (&str, Cow<'_, str>) {
        match self {
            Self::Call(call) => (&call.name, selector(chain, &call.name).into()),
            Self::Opaque(part) => (token_call(chain, &part.data).unwrap_or_default(), (&part.data).into()),
            Self::Token(transfer) if chain.starts_with(names::ETHEREUM) => {
                let name = if transfer.authority.is_some() { names::TRANSFER_FROM } else { names::TRANSFER };
                (name, selector(chain, name).into())
            }
            Self::Token(transfer) => {
                let checked = matches!(transfer.asset, Asset::Token { decimals: Some(_), .. });
                let begin = if checked { CHECKED_TRANSFER } else { UNCHECKED_TRANSFER };
                (names::TRANSFER, begin.into())
            }
        }
    }

    /// The contracts and programs that are called: of a transfer on Solana the token, and the program that keeps it.
    pub(crate) fn contracts(&self) -> impl Iterator<Item = &str> {
        let (first, second) = match self {
            Self::Call(call) => (Some(call.program.as_str()), None),
            Self::Opaque(part) => (part.program.as_deref(), None),
            Self::Token(transfer) => match &transfer.asset {
                Asset::Token { mint, standard, .. } => {
                    let keepers = [names::SPL_TOKEN, names::TOKEN_2022];
                    let keeper = keepers.iter().find(|(known, _)| known == standard);
                    (mint.as_deref(), keeper.map(|(_, program)| *program))
                }
                _ => (None, None),
            },
        };
        first.into_iter().chain(second)
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
            Self::Token(_) => {
                format!("a transfer of {}", self.contracts().next().unwrap_or("a token that is not named"))
            }
        }
    }
}

/// The calls of token contracts that a transaction makes to transfer tokens.
pub(crate) fn token_transfers(explain: &Explain) -> impl Iterator<Item = Doing<'_>> {
    let of_tokens = |transfer: &&Transfer| matches!(transfer.asset, Asset::Token { .. });
    explain.transfers.iter().filter(of_tokens).map(Doing::Token)
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
        if !doing.contracts().any(|contract| contract == self.contract) {
            return false;
        }
        let (known_as, data) = doing.function(chain);
        let is = |function: &Function| match function {
            Function::Any => true,
            Function::Named(name) => name == known_as,
            Function::Selector(selector) => data.starts_with(selector.as_str()),
        };
        self.functions.iter().any(is)
    }
}
