//! One rule: its conditions, and whether they hold.

use std::cell::OnceCell;
use std::collections::{BTreeSet, HashMap, HashSet};

use quorate_chains::{Bound, Explain, WarningKind};
use quorate_request::WalletId;

use crate::amount::NamedAsset;
use crate::calls::{Doing, Functions, doings, token_transfers};
use crate::document::WindowOf;
use crate::hours::Hours;
use crate::judgement::{Question, Subject};
use crate::pattern::Pattern;
use crate::policy::Approvals;
use crate::spending::{Moved, Outgoing, Place, Spend, fee};

/// A rule. Absent conditions hold.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) deny: bool,
    pub(crate) wallets: Option<Vec<Pattern>>,
    pub(crate) initiators: Option<BTreeSet<String>>,
    /// CAIP-2 ids.
    pub(crate) chains: Option<BTreeSet<&'static str>>,
    /// Whether it is about digests and messages, and not about transactions.
    pub(crate) raw: bool,
    /// Places in the list of assets.
    pub(crate) assets: Option<BTreeSet<usize>>,
    /// Places in the list of address lists.
    pub(crate) destinations: Option<Vec<usize>>,
    pub(crate) calls: Vec<Functions>,
    /// Whether it is about outputs of Bitcoin that carry data.
    pub(crate) data: bool,
    pub(crate) at_most: Vec<Limit>,
    pub(crate) windows: Vec<Window>,
    pub(crate) fee_at_most: Vec<Limit>,
    pub(crate) open_fees: bool,
    pub(crate) weak_sighashes: bool,
    pub(crate) hours: Vec<Hours>,
    pub(crate) approvals: Option<Approvals>,
}

/// An amount of an asset: its place in the list of assets, and how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit {
    pub(crate) asset: usize,
    pub(crate) amount: u128,
}

/// What may be spent in a length of time.
#[derive(Debug)]
pub(crate) struct Window {
    pub(crate) limit: Limit,
    pub(crate) seconds: u64,
    /// The length as it is written.
    pub(crate) length: String,
    pub(crate) of: WindowOf,
}

/// Addresses with a name, by the CAIP-2 id of their network.
#[derive(Debug)]
pub(crate) struct AddressList {
    pub(crate) name: String,
    pub(crate) addresses: HashMap<&'static str, HashSet<String>>,
}

/// What rules refer to by its place.
pub(crate) struct Lists<'a> {
    pub(crate) assets: &'a [NamedAsset],
    pub(crate) addresses: &'a [AddressList],
    /// Seconds that the policy's clocks are ahead of UTC.
    pub(crate) ahead: i32,
    /// For each list which of what goes to others by the transaction in question is in it: looked up once, for all rules.
    pub(crate) listed: Vec<OnceCell<Vec<bool>>>,
}

/// Why a rule does not decide.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unmet {
    /// It is about something else.
    Elsewhere,
    /// A condition fails.
    Condition(String),
}

impl Lists<'_> {
    /// Which of what goes to others goes to an address of a list.
    fn listed(&self, list: usize, chain: &str, outgoing: &[Outgoing<'_>]) -> &[bool] {
        let Some(kept) = self.listed.get(list) else { return &[] };
        kept.get_or_init(|| {
            let addresses = self.addresses.get(list).and_then(|list| list.addresses.get(chain));
            let is_listed = |out: &Outgoing<'_>| addresses.is_some_and(|list| list.contains(out.to));
            outgoing.iter().map(is_listed).collect()
        })
    }

    fn is_listed(&self, lists: &[usize], chain: &str, address: &str) -> bool {
        lists
            .iter()
            .filter_map(|list| self.addresses.get(*list))
            .any(|list| list.addresses.get(chain).is_some_and(|addresses| addresses.contains(address)))
    }

    /// Names of these assets.
    fn names(&self, assets: &BTreeSet<usize>) -> String {
        let names = assets.iter().filter_map(|asset| self.assets.get(*asset));
        names.map(|asset| asset.name.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// Which of these assets is kept at a place.
    fn asset_at(&self, assets: &BTreeSet<usize>, place: &Place) -> Option<&NamedAsset> {
        let named = assets.iter().filter_map(|asset| self.assets.get(*asset));
        named.into_iter().find(|asset| asset.amount_at(place, 0).is_some())
    }
}

fn unmet<T>(reason: impl Into<String>) -> Result<T, Unmet> {
    Err(Unmet::Condition(reason.into()))
}

impl Rule {
    /// Whether all conditions hold, but for approvals.
    ///
    /// # Errors
    /// Why it does not decide.
    pub(crate) fn holds(
        &self,
        question: &Question<'_>,
        moved: &Moved<'_>,
        lists: &Lists<'_>,
    ) -> Result<(), Unmet> {
        let asks = |names: &BTreeSet<String>| names.contains(question.initiator);
        if !self.concerns(question.wallet) || !self.initiators.as_ref().is_none_or(asks) {
            return Err(Unmet::Elsewhere);
        }
        if !self.hours.is_empty() && !self.hours.iter().any(|hours| hours.hold_at(question.at, lists.ahead)) {
            let hours: Vec<_> = self.hours.iter().map(ToString::to_string).collect();
            return unmet(format!("it holds at {}", hours.join(" and ")));
        }
        match question.subject {
            // One that denies, and says nothing of what is signed, is about everything.
            Subject::Raw if self.raw || self.denies_all() => Ok(()),
            Subject::Raw => unmet("it is about transactions, and this is a digest or message"),
            Subject::Transaction(_) if self.raw => unmet("it is about digests and messages"),
            Subject::Transaction(explain) => {
                if let Some(chains) = &self.chains
                    && !chains.contains(explain.chain.as_str())
                {
                    let chains: Vec<_> = chains.iter().copied().collect();
                    return unmet(format!("it is for {}", chains.join(", ")));
                }
                if self.deny {
                    self.applies(explain, moved, lists)
                } else {
                    self.covers(explain, moved, question, lists)
                }
            }
        }
    }

    /// Whether it is about a wallet.
    pub(crate) fn concerns(&self, wallet: &WalletId) -> bool {
        let patterns = self.wallets.as_ref();
        patterns.is_none_or(|patterns| patterns.iter().any(|one| one.matches(wallet.as_str())))
    }

    /// Whether it denies whatever is signed.
    fn denies_all(&self) -> bool {
        self.deny && !self.raw && self.chains.is_none() && !self.is_about_parts()
    }

    fn is_about_parts(&self) -> bool {
        self.is_about_assets() || !self.calls.is_empty() || self.data
    }

    fn is_about_assets(&self) -> bool {
        self.assets.is_some() || self.destinations.is_some()
    }

    /// Whether a rule that denies applies: to any part of the transaction.
    fn applies(&self, explain: &Explain, moved: &Moved<'_>, lists: &Lists<'_>) -> Result<(), Unmet> {
        let chain = explain.chain.as_str();
        let goes = |out: &Outgoing<'_>| {
            self.is_about_assets()
                && self.destinations.as_ref().is_none_or(|names| lists.is_listed(names, chain, out.to))
                && self.assets.as_ref().is_none_or(|assets| {
                    out.place.as_ref().is_some_and(|place| lists.asset_at(assets, place).is_some())
                })
        };
        let does = |doing: Doing<'_>| {
            doing.is_among(chain, &self.calls)
                || (self.data && doing.is_data())
                || (self.is_about_assets() && self.reaches(chain, doing, lists))
        };
        let applies = !self.is_about_parts()
            || moved.outgoing.iter().any(goes)
            || doings(explain).chain(token_transfers(explain)).any(does);
        if applies { Ok(()) } else { Err(Unmet::Elsewhere) }
    }

    /// Whether a call is of a contract among the destinations, and of an asset: calls of the contract of a token are about it,
    /// and what nobody can explain can be about any.
    fn reaches(&self, chain: &str, doing: Doing<'_>, lists: &Lists<'_>) -> bool {
        let listed = |names: &Vec<usize>| doing.contracts().any(|one| lists.is_listed(names, chain, one));
        let of_asset = |assets: &BTreeSet<usize>| {
            (self.destinations.is_some() && doing.is_opaque())
                || doing.contracts().any(|one| lists.asset_at(assets, &Place::token(chain, one)).is_some())
        };
        self.destinations.as_ref().is_none_or(listed) && self.assets.as_ref().is_none_or(of_asset)
    }

    /// Whether a rule that allows covers all of the transaction.
    fn covers(
        &self,
        explain: &Explain,
        moved: &Moved<'_>,
        question: &Question<'_>,
        lists: &Lists<'_>,
    ) -> Result<(), Unmet> {
        let chain = explain.chain.as_str();
        if let Some(doing) = doings(explain).find(|doing| doing.is_disguised(chain)) {
            return unmet(format!("{}: it looks like a token call, and is none", doing.describe()));
        }
        let is_covered = |doing: &Doing<'_>| {
            doing.is_neutral() || (self.data && doing.is_data()) || doing.is_among(chain, &self.calls)
        };
        if let Some(doing) = doings(explain).find(|doing| !is_covered(doing)) {
            let what = match doing {
                _ if doing.is_data() => "data is not set",
                Doing::Opaque(_) => "what can't be explained is refused",
                Doing::Call(_) | Doing::Token(_) => "no calls entry allows it",
            };
            return unmet(format!("{}: {what}", doing.describe()));
        }
        let mut called = doings(explain).chain(token_transfers(explain));
        if !self.calls.is_empty() && !called.any(|doing| doing.is_among(chain, &self.calls)) {
            return unmet("it is for certain calls, and the transaction makes none of them");
        }
        if !self.weak_sighashes
            && explain.warnings.iter().any(|warning| warning.kind == WarningKind::WeakSighash)
        {
            return unmet("others can change what is signed (weak_sighashes is not set)");
        }
        if let Some(names) = &self.destinations {
            self.covers_destinations(names, chain, &moved.outgoing, lists)?;
        }
        for (place, said) in &moved.decimals {
            self.covers_decimals(place, *said, lists)?;
        }
        // Also what goes to the wallet itself: it calls the token's contract.
        for (to, place) in &moved.assets {
            self.covers_asset(chain, to, place.as_ref(), lists)?;
        }
        self.covers_fee(explain, lists)?;
        for limit in &self.at_most {
            let Some(asset) = lists.assets.get(limit.asset) else { continue };
            let amount = amount_of(asset, &moved.spends);
            if amount > limit.amount {
                let (asked, most) = (asset.show(amount), asset.show(limit.amount));
                return unmet(format!("{asked} are more than {most} at once, fee included"));
            }
        }
        self.windows.iter().try_for_each(|window| self.within(window, question, &moved.spends, lists))
    }

    fn covers_destinations(
        &self,
        names: &[usize],
        chain: &str,
        outgoing: &[Outgoing<'_>],
        lists: &Lists<'_>,
    ) -> Result<(), Unmet> {
        let listed: Vec<_> = names.iter().map(|list| lists.listed(*list, chain, outgoing)).collect();
        let is_listed = |number: usize| listed.iter().any(|list| list.get(number) == Some(&true));
        match outgoing.iter().enumerate().find(|(number, _)| !is_listed(*number)) {
            None => Ok(()),
            Some((_, out)) => {
                let names = names.iter().filter_map(|list| lists.addresses.get(*list));
                let names: Vec<_> = names.map(|list| list.name.as_str()).collect();
                unmet(format!("{} is not among {}", out.to, names.join(", ")))
            }
        }
    }

    /// Whether an asset has as many decimal places as the transaction says.
    fn covers_decimals(&self, place: &Place, said: u8, lists: &Lists<'_>) -> Result<(), Unmet> {
        let asset = self.assets.as_ref().and_then(|assets| lists.asset_at(assets, place));
        let Some(asset) = asset else { return Ok(()) };
        match asset.places.iter().find(|counted| counted.place == *place) {
            Some(counted) if counted.decimals != said => {
                let (name, policy) = (&asset.name, counted.decimals);
                unmet(format!("{name} has {said} decimal places by the transaction, {policy} by the policy"))
            }
            _ => Ok(()),
        }
    }

    /// Whether an asset may be transferred: one that is named, or the coin where none is.
    fn covers_asset(
        &self,
        chain: &str,
        to: &str,
        place: Option<&Place>,
        lists: &Lists<'_>,
    ) -> Result<(), Unmet> {
        let Some(place) = place else {
            return unmet(format!("the transaction does not say which token goes to {to}"));
        };
        match (&self.assets, &place.token) {
            (Some(assets), _) if lists.asset_at(assets, place).is_some() => Ok(()),
            (None, None) => Ok(()),
            (Some(assets), None) => {
                unmet(format!("the coin of {chain} is not among {}", lists.names(assets)))
            }
            (Some(assets), Some(token)) => {
                unmet(format!("token {token} of {chain} is not among {}", lists.names(assets)))
            }
            (None, Some(token)) => unmet(format!("token {token} of {chain}: tokens must be named (assets)")),
        }
    }

    fn covers_fee(&self, explain: &Explain, lists: &Lists<'_>) -> Result<(), Unmet> {
        let is_open =
            explain.fee.as_ref().is_some_and(|fee| !matches!(fee.bound, Bound::Exact | Bound::AtMost));
        if is_open && !self.open_fees {
            return unmet("the transaction does not limit its fee (open_fees is not set)");
        }
        if explain.fee.is_none() {
            return unmet("nobody can tell its fee");
        }
        let coin = Place::coin(&explain.chain);
        let limit = self.fee_at_most.iter().find_map(|limit| {
            let asset = lists.assets.get(limit.asset)?;
            asset.amount_at(&coin, fee(explain)).map(|fee| (asset, fee, limit.amount))
        });
        match limit {
            None => unmet(format!("fee_at_most says nothing about the coin of {}", explain.chain)),
            Some((asset, fee, most)) if fee > most => {
                unmet(format!("a fee of {} is more than {}", asset.show(fee), asset.show(most)))
            }
            Some(_) => Ok(()),
        }
    }

    fn within(
        &self,
        window: &Window,
        question: &Question<'_>,
        spends: &[Spend],
        lists: &Lists<'_>,
    ) -> Result<(), Unmet> {
        let Some(asset) = lists.assets.get(window.limit.asset) else { return Ok(()) };
        let amount = amount_of(asset, spends);
        if amount == 0 {
            return Ok(());
        }
        let counts = |wallet: &WalletId| match window.of {
            WindowOf::EachWallet => wallet == question.wallet,
            WindowOf::AllWallets => self.concerns(wallet),
        };
        let since = question.at.saturating_sub(window.seconds);
        let before = asset.places.iter().map(|counted| {
            let units = question.spent.spent(&counts, &counted.place, since);
            asset.amount_at(&counted.place, units).unwrap_or(u128::MAX)
        });
        let before = before.fold(0_u128, u128::saturating_add);
        let most = window.limit.amount;
        if before.saturating_add(amount) <= most {
            return Ok(());
        }
        let left = asset.show(most.saturating_sub(before));
        let (asked, most, length) = (asset.show(amount), asset.show(most), &window.length);
        unmet(format!("{asked} are more than the {left} that are left of {most} in {length}, fee included"))
    }
}

/// How much of an asset is spent.
fn amount_of(asset: &NamedAsset, spends: &[Spend]) -> u128 {
    let amounts = spends.iter().filter_map(|spend| asset.amount_at(&spend.place, spend.units));
    amounts.fold(0, u128::saturating_add)
}
