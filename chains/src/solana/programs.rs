//! What instructions to well-known programs mean. Whatever is not recognised to the last byte is opaque.

use std::collections::BTreeMap;

use super::message::{Instruction, Key, Message, Place};
use super::{Names, base58};
use crate::error::PrepareError;
use crate::explain::{
    Account, Asset, Call, Explain, Lifetime, Opaque, Transfer, Units, WarningKind, printable,
};
use crate::names;
use crate::net::Net;

/// The most compute units that a transaction can use.
const MAX_COMPUTE_UNITS: u32 = 1_400_000;
/// The compute units that an instruction gets if the transaction doesn't say.
const DEFAULT_COMPUTE_UNITS: u32 = 200_000;

/// What an account must hold for every byte of it, so that it stays.
const RENT_PER_BYTE: u64 = 6960;
/// Bytes that are counted for every account besides its own.
const ACCOUNT_OVERHEAD: u64 = 128;
/// Bytes of an account in which a wallet keeps a token.
const TOKEN_ACCOUNT: u64 = 165;
/// The most bytes of a new one of a token with extensions: with the mark of its type, and all that a token's extensions can
/// ask of it: an owner that does not change, fees that were kept, no transfers, a program that is called, and a halt.
const TOKEN_2022_ACCOUNT: u64 = TOKEN_ACCOUNT + 1 + 4 + (4 + 8) + 4 + (4 + 1) + 4;

/// What a new account of so many bytes must hold.
const fn rent(bytes: u64) -> u64 {
    (ACCOUNT_OVERHEAD + bytes) * RENT_PER_BYTE
}

/// What the compute-budget program is told, and what else matters for the fee.
#[derive(Default)]
pub(super) struct Budget {
    /// The limit of compute units.
    pub(super) units: Option<u32>,
    /// Micro-lamports for each of them.
    pub(super) price: u64,
    /// Signatures that programs check, for each of which a base fee is taken.
    pub(super) signatures: u64,
    told: u8,
}

impl Budget {
    /// The most compute units that are paid for.
    pub(super) fn limit(&self, instructions: usize) -> u32 {
        let each = u32::try_from(instructions).unwrap_or(u32::MAX).saturating_mul(DEFAULT_COMPUTE_UNITS);
        self.units.unwrap_or(each).min(MAX_COMPUTE_UNITS)
    }
}

/// Programs and their names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Program {
    System,
    Token,
    Token2022,
    AssociatedToken,
    ComputeBudget,
    Memo,
    /// Checks signatures, whose number is its first byte.
    Precompile,
    Other,
}

#[rustfmt::skip]
const PROGRAMS: &[(&str, Program)] = &[
    ("11111111111111111111111111111111",             Program::System),
    (names::SPL_TOKEN.1,                             Program::Token),
    (names::TOKEN_2022.1,                            Program::Token2022),
    ("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL", Program::AssociatedToken),
    (names::COMPUTE_BUDGET,                          Program::ComputeBudget),
    (names::MEMOS[0],                                Program::Memo),
    (names::MEMOS[1],                                Program::Memo),
    ("Ed25519SigVerify111111111111111111111111111",  Program::Precompile),
    ("KeccakSecp256k11111111111111111111111111111",  Program::Precompile),
    ("Secp256r1SigVerify1111111111111111111111111",  Program::Precompile),
];

fn program(address: &str) -> Program {
    PROGRAMS.iter().find(|(known, _)| *known == address).map_or(Program::Other, |(_, program)| *program)
}

/// Where nonces' hashes came from; still listed in the instruction that advances one.
const RECENT_BLOCKHASHES: &str = "SysvarRecentB1ockHashes11111111111111111111";

/// What an instruction turned out to be.
enum Meaning {
    Transfer(Transfer),
    Call(&'static str, BTreeMap<String, String>),
    /// A call that pays for the account that it makes.
    Creation(&'static str, BTreeMap<String, String>, Transfer),
    /// An account that is paid for, and in which another program may do what it wants.
    Given(Transfer),
    Nonce {
        account: String,
        authority: Account,
    },
}

/// Adds what the instruction does to `explain`.
pub(super) fn explain(
    net: &Net,
    message: &Message<'_>,
    index: usize,
    instruction: &Instruction<'_>,
    names: &Names<'_>,
    budget: &mut Budget,
    explain: &mut Explain,
) -> Result<(), PrepareError> {
    let place = format!("instruction {}", index + 1);
    let address = message.program(instruction).map(base58).unwrap_or_default();
    let program = program(&address);
    if program == Program::ComputeBudget {
        tell(budget, instruction)?;
    }
    if program == Program::Precompile {
        budget.signatures =
            budget.signatures.saturating_add(instruction.data.first().copied().unwrap_or(0).into());
    }
    let view = View { net, message, instruction, names };
    let meaning = match program {
        Program::System => view.system(),
        Program::Token => view.token(names::SPL_TOKEN.0),
        Program::Token2022 => view.token(names::TOKEN_2022.0),
        Program::AssociatedToken => view.associated_token(),
        Program::ComputeBudget => view.compute_budget(),
        Program::Memo => view.memo(),
        Program::Precompile | Program::Other => None,
    };
    let call = |name: &str, arguments| Call {
        place: place.clone(),
        program: address.clone(),
        name: name.to_owned(),
        arguments,
    };
    let opaque = |reason: &str| Opaque {
        place: place.clone(),
        reason: reason.to_owned(),
        program: Some(address.clone()),
        data: hex::encode(instruction.data),
    };
    match meaning {
        None => {
            let reason = if program == Program::Other { "unknown program" } else { "unknown instruction" };
            explain.opaque.push(opaque(reason));
        }
        Some(Meaning::Transfer(transfer)) => {
            token_warnings(&transfer, &place, explain);
            explain.transfers.push(transfer);
        }
        Some(Meaning::Call(name, arguments)) => explain.calls.push(call(name, arguments)),
        Some(Meaning::Creation(name, arguments, rent)) => {
            explain.transfers.push(rent);
            explain.calls.push(call(name, arguments));
        }
        Some(Meaning::Given(coins)) => {
            explain.transfers.push(coins);
            explain.opaque.push(opaque("an account for another program, which decides about it"));
        }
        Some(Meaning::Nonce { account, authority }) => {
            let arguments = [("account", &account), ("authority", &authority.address)];
            explain.calls.push(call(names::ADVANCE_NONCE, named(arguments)));
            // Only in front does the nonce stand for the blockhash.
            if index == 0 {
                let nonce = base58(&message.blockhash);
                explain.lifetime = Lifetime::DurableNonce { account, authority, nonce };
            }
        }
    }
    let in_table = (0..instruction.accounts.len())
        .any(|position| matches!(message.account(instruction, position), Some(Place::InTable { .. })));
    if in_table && explain.opaque.last().is_none_or(|last| last.place != place) {
        explain.opaque.push(opaque("accounts in an address lookup table"));
    }
    Ok(())
}

fn named<const N: usize>(arguments: [(&str, &String); N]) -> BTreeMap<String, String> {
    arguments.into_iter().map(|(name, value)| (name.to_owned(), value.clone())).collect()
}

fn token_warnings(transfer: &Transfer, place: &str, explain: &mut Explain) {
    let Asset::Token { standard, mint, .. } = &transfer.asset else { return };
    if mint.is_none() {
        explain.warn(
            WarningKind::UnknownToken,
            format!("{place} doesn't say which token it transfers: ask for a checked transfer"),
        );
    }
    if standard == names::TOKEN_2022.0 {
        explain.warn(
            WarningKind::TokenExtensions,
            format!("{place}: the token's mint may keep a fee, or call a program of its own"),
        );
    }
}

/// Whether validators may take the transaction for one with a durable nonce: they look for the first instruction to be
/// the system program's, and at the first four bytes of its data.
pub(super) fn may_advance_nonce(message: &Message<'_>) -> bool {
    message.instructions.first().is_some_and(|first| {
        let address = message.program(first).map(base58).unwrap_or_default();
        program(&address) == Program::System && first.data.starts_with(&[4, 0, 0, 0])
    })
}

/// Takes what the compute-budget program is told. Validators refuse a transaction that tells it one thing twice, and
/// read over bytes that follow: nobody's software writes any, so they are refused here, lest the fee be another one.
fn tell(budget: &mut Budget, instruction: &Instruction<'_>) -> Result<(), PrepareError> {
    let malformed = || PrepareError::malformed("a compute budget of another length than it has");
    let told = match instruction.data {
        [1, _, _, _, _] => 1,
        [2, units @ ..] => {
            budget.units = Some(u32::from_le_bytes(units.try_into().map_err(|_| malformed())?));
            2
        }
        [3, price @ ..] => {
            budget.price = u64::from_le_bytes(price.try_into().map_err(|_| malformed())?);
            4
        }
        [4, _, _, _, _] => 8,
        _ => return Err(malformed()),
    };
    if budget.told & told != 0 {
        return Err(PrepareError::malformed("it sets one and the same compute budget twice"));
    }
    budget.told |= told;
    Ok(())
}

/// One instruction, and what it takes to read it.
struct View<'a> {
    net: &'a Net,
    message: &'a Message<'a>,
    instruction: &'a Instruction<'a>,
    names: &'a Names<'a>,
}

impl View<'_> {
    fn place(&self, position: usize) -> Option<Place> {
        self.message.account(self.instruction, position)
    }

    /// An account, if need be by its place in a table.
    fn account(&self, position: usize) -> Option<Account> {
        Some(match self.place(position)? {
            Place::Known { key, .. } => self.names.account(&key),
            Place::InTable { table, entry } => {
                Account { address: format!("table:{}/{entry}", base58(&table)), own: false }
            }
        })
    }

    fn address(&self, position: usize) -> Option<String> {
        self.account(position).map(|account| account.address)
    }

    /// An account that must sign.
    fn signer(&self, position: usize) -> Option<Account> {
        match self.place(position)? {
            Place::Known { key, signer: true, .. } => Some(self.names.account(&key)),
            _ => None,
        }
    }

    fn coin(&self) -> Asset {
        Asset::Coin { symbol: self.net.symbol.to_owned(), decimals: self.net.decimals }
    }

    fn accounts(&self) -> usize {
        self.instruction.accounts.len()
    }

    fn system(&self) -> Option<Meaning> {
        let (tag, rest) = self.instruction.data.split_first_chunk::<4>()?;
        match (u32::from_le_bytes(*tag), rest.len()) {
            // Create an account: lamports, space, owner.
            (0, 48) => {
                let (lamports, rest) = rest.split_first_chunk::<8>()?;
                let (_, owner) = rest.split_first_chunk::<8>()?;
                // An account of the system's own holds coins as a wallet does; with any other owner, that
                // program decides about them.
                let owner = Key::try_from(owner).ok()?;
                let coins = self.lamports(u64::from_le_bytes(*lamports), 2)?;
                let is_systems = program(&base58(&owner)) == Program::System;
                Some(if is_systems { Meaning::Transfer(coins) } else { Meaning::Given(coins) })
            }
            // Transfer: lamports.
            (2, 8) => self.lamports(u64::from_le_bytes(rest.try_into().ok()?), 2).map(Meaning::Transfer),
            // Advance a nonce.
            (4, 0) if self.accounts() == 3 => {
                let Place::Known { key: account, writable: true, .. } = self.place(0)? else { return None };
                (self.address(1)? == RECENT_BLOCKHASHES).then_some(())?;
                Some(Meaning::Nonce { account: base58(&account), authority: self.signer(2)? })
            }
            _ => None,
        }
    }

    /// Coins that the first account pays to the second, of so many.
    fn lamports(&self, lamports: u64, accounts: usize) -> Option<Transfer> {
        if self.accounts() != accounts {
            return None;
        }
        Some(Transfer {
            asset: self.coin(),
            amount: Units::from(lamports),
            from: vec![self.signer(0)?],
            to: self.account(1)?,
            authority: None,
        })
    }

    fn token(&self, standard: &str) -> Option<Meaning> {
        let token = |mint, decimals| Asset::Token { standard: standard.to_owned(), mint, decimals };
        let (asset, amount, to, authority) = match self.instruction.data {
            // Transfer: from, to, authority.
            [3, amount @ ..] => (token(None, None), amount, 1, 2),
            // Checked transfer: from, mint, to, authority.
            [12, amount @ .., decimals] => (token(Some(self.address(1)?), Some(*decimals)), amount, 2, 3),
            _ => return None,
        };
        Some(Meaning::Transfer(Transfer {
            asset,
            amount: Units::from(u64::from_le_bytes(amount.try_into().ok()?)),
            from: vec![self.account(0)?],
            to: self.account(to)?,
            authority: Some(self.account(authority)?),
        }))
    }

    /// Creates the account in which a wallet keeps a token: payer, account, wallet, mint, system, token program. The payer
    /// gives the account what it must hold; less if it holds something already, and nothing if it may exist and does.
    fn associated_token(&self) -> Option<Meaning> {
        let name = match self.instruction.data {
            [] | [0] => "create token account",
            [1] => "create token account unless it exists",
            _ => return None,
        };
        let token_program = self.address(5)?;
        let rent = match program(&token_program) {
            Program::Token => rent(TOKEN_ACCOUNT),
            Program::Token2022 => rent(TOKEN_2022_ACCOUNT),
            // It would say how large the account is, and so what it costs.
            _ => return None,
        };
        let paid = self.lamports(rent, 6)?;
        let arguments = [
            ("payer", &self.address(0)?),
            ("account", &self.address(1)?),
            ("wallet", &self.address(2)?),
            ("mint", &self.address(3)?),
            ("token program", &token_program),
            ("rent", &format!("at most {rent} lamports")),
        ];
        Some(Meaning::Creation(name, named(arguments), paid))
    }

    fn compute_budget(&self) -> Option<Meaning> {
        let (tag, value) = self.instruction.data.split_first()?;
        let small = || <[u8; 4]>::try_from(value).ok().map(|value| u32::from_le_bytes(value).to_string());
        let large = || <[u8; 8]>::try_from(value).ok().map(|value| u64::from_le_bytes(value).to_string());
        let (name, argument, value) = match tag {
            1 => ("request heap", "bytes", small()?),
            2 => ("limit compute units", "units", small()?),
            3 => ("price compute units", "micro-lamports", large()?),
            4 => ("limit loaded data", "bytes", small()?),
            _ => return None,
        };
        Some(Meaning::Call(name, named([(argument, &value)])))
    }

    fn memo(&self) -> Option<Meaning> {
        let text = std::str::from_utf8(self.instruction.data).ok()?;
        Some(Meaning::Call("memo", named([("text", &printable(text))])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_accounts_for_tokens_cost_what_the_network_asks() {
        // The first by `solana rent 165`; 195 bytes at the same rate.
        assert_eq!(rent(TOKEN_ACCOUNT), 2_039_280);
        assert_eq!(rent(TOKEN_2022_ACCOUNT), 2_248_080);
    }

    #[test]
    fn every_known_program_has_an_address_of_32_bytes() {
        for (address, _) in PROGRAMS.iter().chain(&[(RECENT_BLOCKHASHES, Program::Other)]) {
            assert_eq!(bs58::decode(address).into_vec().unwrap().len(), 32, "{address}");
        }
    }
}
