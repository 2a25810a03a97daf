//! What leaves a wallet.

use quorate_chains::{Account, Asset, Explain, Transfer, names};
use quorate_request::WalletId;
use serde::{Deserialize, Serialize};

use crate::amount::place_of;

/// A coin or token: the chain, and the token if it is one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// CAIP-2 id of the network.
    pub chain: String,
    /// The token's address, in the chain's usual spelling; none for the coin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

impl Place {
    /// The coin of a chain, by its CAIP-2 id.
    #[must_use]
    pub fn coin(chain: &str) -> Self {
        Self { chain: chain.to_owned(), token: None }
    }

    /// A token of a chain.
    #[must_use]
    pub fn token(chain: &str, token: &str) -> Self {
        Self { chain: chain.to_owned(), token: Some(token.to_owned()) }
    }
}

/// What a transaction takes out of a wallet, of one coin or token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spend {
    /// Of what.
    pub place: Place,
    /// In the smallest units. Too large a number is the largest.
    pub units: u128,
}

/// What a transaction spends that windows count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CountedSpends {
    /// Each coin and token once.
    pub spends: Vec<Spend>,
    /// Whether some of it counts together with what other wallets spend.
    pub with_others: bool,
}

/// What was spent before, as the node knows it that asks.
pub trait SpendingBefore {
    /// How many of the smallest units of a coin or token have left those wallets since a time, in seconds since 1970.
    fn spent(&self, wallets: &dyn Fn(&WalletId) -> bool, place: &Place, since: u64) -> u128;
}

/// Nothing was.
impl SpendingBefore for () {
    fn spent(&self, _: &dyn Fn(&WalletId) -> bool, _: &Place, _: u64) -> u128 {
        0
    }
}

/// What a transaction moves: worked out once, for all rules.
#[derive(Default)]
pub(crate) struct Moved<'a> {
    /// What goes to others.
    pub(crate) outgoing: Vec<Outgoing<'a>>,
    /// What leaves the wallet, fee included.
    pub(crate) spends: Vec<Spend>,
    /// What is transferred, each coin and token once with somebody who gets it, be it the wallet itself; none of a token that is
    /// not named. Coins that others pay are no concern of the wallet's.
    pub(crate) assets: Vec<(&'a str, Option<Place>)>,
    /// The same of what goes to others, with the decimal places that the transaction says it has.
    pub(crate) decimals: Vec<(Place, u8)>,
}

impl<'a> Moved<'a> {
    pub(crate) fn by(explain: &'a Explain) -> Self {
        let mut transferred: Vec<&Transfer> = Vec::new();
        for transfer in explain.transfers.iter().filter(|transfer| !is_others_coin(transfer)) {
            if !transferred.iter().any(|before| before.asset == transfer.asset) {
                transferred.push(transfer);
            }
        }
        let assets = transferred.iter().map(|transfer| {
            let place = place_of(&explain.chain, &transfer.asset).map(|(place, _)| place);
            (transfer.to.address.as_str(), place)
        });
        let assets = assets.collect();
        let outgoing = outgoing(explain);
        let mut decimals: Vec<(Place, u8)> = Vec::new();
        for out in &outgoing {
            let Some((place, said)) = out.place.as_ref().zip(out.decimals) else { continue };
            if !decimals.iter().any(|(before, same)| before == place && *same == said) {
                decimals.push((place.clone(), said));
            }
        }
        Self { spends: spent(explain, &outgoing), assets, decimals, outgoing }
    }
}

/// What goes to others by a transaction: each recipient with what it gets, or is allowed to take.
pub(crate) struct Outgoing<'a> {
    pub(crate) to: &'a str,
    /// None of a token that the transaction does not name.
    pub(crate) place: Option<Place>,
    /// The decimal places that the transaction says the asset has.
    pub(crate) decimals: Option<u8>,
    pub(crate) units: u128,
}

/// Whether others alone pay it, in the chain's coin.
fn is_others_coin(transfer: &Transfer) -> bool {
    let from = &transfer.from;
    matches!(transfer.asset, Asset::Coin { .. }) && !from.is_empty() && !from.iter().any(is_own)
}

/// Whether a transfer takes something out of the wallet, or out of another one that lets it: tokens of others are not change.
fn goes_out(transfer: &Transfer) -> bool {
    let of_others = matches!(transfer.asset, Asset::Token { .. }) && !transfer.from.iter().all(is_own);
    !transfer.to.own || of_others
}

/// All that goes to others, and tokens that are taken from others.
pub(crate) fn outgoing(explain: &Explain) -> Vec<Outgoing<'_>> {
    let transfers = explain.transfers.iter().filter(|transfer| goes_out(transfer)).map(|transfer| {
        let place = place_of(&explain.chain, &transfer.asset);
        let (place, decimals) = place.map_or((None, None), |(place, decimals)| (Some(place), decimals));
        let units = if is_others_coin(transfer) { 0 } else { transfer.amount.0 };
        Outgoing { to: &transfer.to.address, place, decimals, units }
    });
    // An allowance is as good as a transfer to whom it is given.
    let allowances = explain.calls.iter().filter(|call| call.name == names::APPROVE).map(|call| {
        let argument = |name: &str| call.arguments.get(name).map(String::as_str);
        Outgoing {
            to: argument(names::SPENDER).unwrap_or_default(),
            place: Some(Place::token(&explain.chain, &call.program)),
            decimals: None,
            // An allowance without limit is larger than any number here.
            units: argument(names::AMOUNT).and_then(|amount| amount.parse().ok()).unwrap_or(u128::MAX),
        }
    });
    transfers.chain(allowances).collect()
}

/// The most that the wallet pays as a fee.
pub(crate) fn fee(explain: &Explain) -> u128 {
    match &explain.fee {
        Some(fee) if fee.payer.is_empty() || fee.payer.iter().any(is_own) => fee.amount.0,
        _ => 0,
    }
}

fn is_own(account: &Account) -> bool {
    account.own
}

/// What leaves the wallet, fee included, each coin and token once.
pub(crate) fn spends(explain: &Explain) -> Vec<Spend> {
    spent(explain, &outgoing(explain))
}

fn spent(explain: &Explain, outgoing: &[Outgoing<'_>]) -> Vec<Spend> {
    let mut spends: Vec<Spend> = Vec::new();
    let mut add = |place: &Place, units: u128| match spends.iter_mut().find(|spend| spend.place == *place) {
        Some(spend) => spend.units = spend.units.saturating_add(units),
        None => spends.push(Spend { place: place.clone(), units }),
    };
    for out in outgoing {
        if let Some(place) = &out.place {
            add(place, out.units);
        }
    }
    let fee = fee(explain);
    if fee > 0 {
        add(&Place::coin(&explain.chain), fee);
    }
    spends
}
