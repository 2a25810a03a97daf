//! What a transaction does, in words.

mod calls;

use std::collections::BTreeMap;

use super::address::Address;
use super::data_fee;
use super::transaction::Transaction;
use super::word::Word;
use crate::context::Context;
use crate::error::PrepareError;
use crate::explain::{
    Account, Asset, Bound, Call, Explain, Fee, Lifetime, Opaque, Transfer, Units, WarningKind,
};
use crate::names;
use crate::net::Net;
use calls::TokenCall;

/// Where everything of a transaction stands that it does besides paying.
const PLACE: &str = "data";
/// The largest allowance of tokens that count in 96 bits.
const MAX_96_BITS: u128 = (1 << 96) - 1;

/// What `transaction` does when `signer` sends it.
///
/// # Errors
/// When amounts are larger than any chain has, which its own rules refuse before.
pub(super) fn explain(
    net: &Net,
    transaction: &Transaction,
    signer: Address,
    context: &Context,
) -> Result<Explain, PrepareError> {
    let view = View { net, transaction, signer, context };
    let lifetime = Lifetime::Nonce { account: view.account(signer), nonce: transaction.nonce.to_string() };
    let mut explain = Explain::new(net.id, lifetime);
    match transaction.to {
        None => view.creation(&mut explain)?,
        Some(to) => view.call(to, &mut explain)?,
    }
    view.fee(&mut explain)?;
    Ok(explain)
}

struct View<'a> {
    net: &'a Net,
    transaction: &'a Transaction,
    signer: Address,
    context: &'a Context,
}

impl View<'_> {
    fn account(&self, address: Address) -> Account {
        let own =
            self.context.keys.iter().any(|own| Address::of_key(&own.key).is_some_and(|own| own == address));
        Account { address: address.to_string(), own }
    }

    fn coin(&self) -> Asset {
        Asset::Coin { symbol: self.net.symbol.to_owned(), decimals: self.net.decimals }
    }

    fn token(&self, contract: Address) -> Asset {
        // How many decimal places it has only the contract says.
        Asset::Token { standard: names::ERC_20.to_owned(), mint: Some(contract.to_string()), decimals: None }
    }

    fn pay(&self, to: Address, explain: &mut Explain) -> Result<(), PrepareError> {
        let (asset, amount) = (self.coin(), Units(self.transaction.value()?));
        let (from, to) = (vec![self.account(self.signer)], self.account(to));
        explain.transfers.push(Transfer { asset, amount, from, to, authority: None });
        Ok(())
    }

    fn opaque(&self, reason: impl Into<String>, program: Address) -> Opaque {
        Opaque {
            place: PLACE.to_owned(),
            reason: reason.into(),
            program: Some(program.to_string()),
            data: hex::encode(&self.transaction.data),
        }
    }

    fn creation(&self, explain: &mut Explain) -> Result<(), PrepareError> {
        let contract = Address::created(self.signer, self.transaction.nonce);
        if !self.transaction.value.is_zero() {
            self.pay(contract, explain)?;
        }
        explain.opaque.push(self.opaque("the code of a new contract", contract));
        explain.warn(WarningKind::ContractCreation, format!("it creates the contract {contract}"));
        Ok(())
    }

    fn call(&self, to: Address, explain: &mut Explain) -> Result<(), PrepareError> {
        let Transaction { data, value, .. } = self.transaction;
        if data.is_empty() || !value.is_zero() {
            self.pay(to, explain)?;
        }
        if to == Address::ZERO && !value.is_zero() {
            explain
                .warn(WarningKind::Burned, "nobody has the key of the zero address: what goes there is lost");
        }
        if data.is_empty() {
            return Ok(());
        }
        match TokenCall::read(data) {
            Some(call) => self.token_call(to, &call, explain),
            None => explain.opaque.push(self.opaque(unknown(data), to)),
        }
        Ok(())
    }

    fn token_call(&self, contract: Address, call: &TokenCall, explain: &mut Explain) {
        match call {
            TokenCall::Transfer { to, amount } => {
                self.give(contract, (self.signer, None), *to, amount, explain);
            }
            TokenCall::TransferFrom { from, to, amount } => {
                // Also of tokens of the signer's own: it is another call, and needs an allowance all the same.
                self.give(contract, (*from, Some(self.signer)), *to, amount, explain);
                self.may_be_one_token("transferred", amount, explain);
            }
            TokenCall::Approve { spender, amount } => {
                let arguments = [(names::AMOUNT, amount.to_string()), (names::SPENDER, spender.to_string())];
                let arguments: BTreeMap<String, String> =
                    arguments.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
                let (place, program) = (PLACE.to_owned(), contract.to_string());
                explain.calls.push(Call { place, program, name: names::APPROVE.to_owned(), arguments });
                // Some contracts count in 96 bits, and read the largest number of them like that of 256 bits.
                if amount.to_u128().is_none_or(|amount| amount == u128::MAX || amount == MAX_96_BITS) {
                    explain.warn(
                        WarningKind::UnlimitedApproval,
                        format!(
                            "{spender} may take all tokens of {contract}, now and later, without asking again"
                        ),
                    );
                }
                self.may_be_one_token("meant", amount, explain);
            }
        }
    }

    /// Tokens of somebody, perhaps on the word of another, go to somebody.
    fn give(
        &self,
        contract: Address,
        (from, authority): (Address, Option<Address>),
        to: Address,
        amount: &Word,
        explain: &mut Explain,
    ) {
        let Some(units) = amount.to_u128() else {
            let reason = format!("{amount} tokens, more than is counted here");
            explain.opaque.push(self.opaque(reason, contract));
            return;
        };
        if to == Address::ZERO || to == contract {
            explain.warn(
                WarningKind::Burned,
                format!("tokens that go to {to} are lost, or refused by their contract"),
            );
        }
        explain.transfers.push(Transfer {
            asset: self.token(contract),
            amount: Units(units),
            from: vec![self.account(from)],
            to: self.account(to),
            authority: authority.map(|authority| self.account(authority)),
        });
    }

    /// The data alone does not say whether a number is an amount or the name of a single token (ERC-721).
    fn may_be_one_token(&self, verb: &str, amount: &Word, explain: &mut Explain) {
        explain.warn(
            WarningKind::AmbiguousToken,
            format!("if the contract keeps single tokens (ERC-721), token number {amount} is {verb}, not an amount"),
        );
    }

    fn fee(&self, explain: &mut Explain) -> Result<(), PrepareError> {
        let amount = Units(self.transaction.fee()?);
        let mut bound = Bound::AtMost;
        if data_fee(self.net) {
            bound = Bound::Open;
            explain.warn(
                WarningKind::UnboundedFee,
                format!(
                    "{} takes a fee for data on Ethereum besides, which no transaction limits",
                    self.net.name
                ),
            );
        }
        // One coin: the busiest hours asked for a small part of it.
        if amount > Units(10_u128.saturating_pow(self.net.decimals.into())) {
            explain.warn(WarningKind::AbsurdFee, format!("the fee can be {amount} wei"));
        }
        explain.fee = Some(Fee { amount, bound, payer: vec![self.account(self.signer)] });
        Ok(())
    }
}

/// What is said of data that is no known call.
fn unknown(data: &[u8]) -> String {
    match data.split_first_chunk::<4>() {
        Some((selector, _)) => format!("a call of the unknown function 0x{}", hex::encode(selector)),
        None => "data that calls no function".to_owned(),
    }
}
