//! From the policy as it is written to one that can be asked. Whatever means nothing is refused here, with its place.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use quorate_chains::{Chain, Parameters};
use sha2::{Digest as _, Sha256};

use crate::amount::{Counted, NamedAsset, coin_of};
use crate::bounds::{self, MAX_LISTED};
use crate::calls::{Function, Functions};
use crate::document::{
    ApprovalsEntry, AssetEntry, CallEntry, Document, HoursEntry, InitiatorEntry, Named, OneOrMany,
    PolicyError, RuleEntry, WindowEntry,
};
use crate::hours::{self, Hours};
use crate::pattern::Pattern;
use crate::policy::{Approvals, Policy, borderless_test};
use crate::rule::{AddressList, Limit, Rule, Window};
use crate::scope::{Initiator, ScopedOperation};
use crate::spending::Place;

/// The longest window.
const MAX_WINDOW: u64 = 31 * 24 * 3600;
/// The shortest: less is a matter of clocks.
const MIN_WINDOW: u64 = 60;

type Result<T> = std::result::Result<T, PolicyError>;

fn wrong<T>(place: impl Into<String>, reason: impl Into<String>) -> Result<T> {
    Err(PolicyError::Meaning { place: place.into(), reason: bounds::shortened(&reason.into()) })
}

/// Names the place of what is wrong.
trait At<T> {
    fn at(self, place: impl FnOnce() -> String) -> Result<T>;
}

impl<T> At<T> for std::result::Result<T, String> {
    fn at(self, place: impl FnOnce() -> String) -> Result<T> {
        self.or_else(|reason| wrong(place(), reason))
    }
}

pub(crate) fn read(yaml: &[u8]) -> Result<Policy> {
    let (got, limit) = (yaml.len(), Policy::MAX_BYTES);
    if got > limit {
        return Err(PolicyError::TooLarge { got, limit });
    }
    let document: Document = serde_norway::from_str(bounds::text(yaml)?)
        .map_err(|error| PolicyError::Form(explained(&error.to_string())))?;
    for (place, name) in named_chains(&document) {
        judged_chain(name, document.test_networks).at(|| place)?;
    }
    let reading = Reading::begin(&document)?;
    let mut rules: Vec<Rule> = Vec::new();
    for entry in document.rules {
        let name = entry.name.clone();
        if rules.iter().any(|rule| rule.name == name) {
            return wrong(format!("rules: {name}"), "another rule has this name");
        }
        rules.push(reading.rule(entry)?);
    }
    let Reading { names, assets, addresses } = reading;
    let mut approvals = BTreeMap::new();
    for (operation, entry) in document.approvals.0 {
        let place = || format!("approvals: {operation}");
        if operation == ScopedOperation::Sign.name() {
            return wrong(place(), "who must approve what is signed, rules say");
        }
        let scoped = ScopedOperation::parse(&operation, &ScopedOperation::OF_APPROVALS).at(place)?;
        approvals.insert(scoped, names.approvals(entry).at(place)?);
    }
    // Who holds a wallet's shares is not for its initiators alone.
    if let Some(majority) = names.majority() {
        // Back goes as forth, unless it says otherwise.
        let forth = approvals.entry(ScopedOperation::Reshare).or_insert(majority).clone();
        approvals.entry(ScopedOperation::Rollback).or_insert(forth);
    }
    let ahead = document.utc_offset.as_deref().map_or(Ok(0), hours::offset).at(|| "utc_offset".to_owned())?;
    Ok(Policy {
        version: document.version,
        digest: Sha256::digest(yaml).into(),
        cluster: document.cluster,
        ahead,
        test_networks: document.test_networks,
        initiators: names.initiators,
        authorizers: document.authorizers.0,
        approvals,
        assets,
        addresses,
        rules,
    })
}

/// What the reader of YAML says, and what to do about it where that is not plain.
fn explained(text: &str) -> String {
    let text = bounds::shortened(text);
    if text.contains("unknown anchor") {
        return format!("{text}: what begins with * stands in quotes, such as \"*-hot\"");
    }
    text
}

/// Every chain that is named, and where.
fn named_chains(document: &Document) -> Vec<(String, &String)> {
    let mut named = Vec::new();
    for (name, entry) in &document.initiators.0 {
        named.extend(
            entry.chains.iter().flatten().map(|chain| (format!("initiators: {name}: chains"), chain)),
        );
    }
    for (name, entry) in &document.assets.0 {
        let entries = match entry {
            OneOrMany::One(entry) => std::slice::from_ref(entry),
            OneOrMany::Many(entries) => entries.as_slice(),
        };
        named.extend(entries.iter().map(|entry| (format!("assets: {name}"), &entry.chain)));
    }
    for (name, by_chain) in &document.addresses.0 {
        named.extend(by_chain.0.iter().map(|(chain, _)| (format!("addresses: {name}"), chain)));
    }
    for entry in &document.rules {
        let place = |part: &str| format!("rules: {}: {part}", entry.name);
        named.extend(entry.chains.iter().flatten().map(|chain| (place("chains"), chain)));
        named.extend(entry.calls.iter().map(|call| (place("calls"), &call.chain)));
    }
    named
}

/// Who there is.
struct Names {
    initiators: Vec<Initiator>,
    authorizers: BTreeSet<String>,
}

/// What rules refer to.
struct Reading {
    names: Names,
    assets: Vec<NamedAsset>,
    addresses: Vec<AddressList>,
}

fn chain(name: &str) -> std::result::Result<Chain, String> {
    quorate_chains::find(name).map_err(|error| error.to_string())
}

/// A chain that a policy may name.
fn judged_chain(name: &str, test_networks: bool) -> std::result::Result<Chain, String> {
    let chain = chain(name)?;
    match borderless_test(chain.net().id) {
        Some(reason) if !test_networks => Err(reason),
        _ => Ok(chain),
    }
}

fn chains(names: &[String]) -> std::result::Result<BTreeSet<&'static str>, String> {
    names.iter().map(|name| chain(name).map(|chain| chain.net().id)).collect()
}

fn patterns(texts: &[String]) -> std::result::Result<Vec<Pattern>, String> {
    texts.iter().map(|text| Pattern::parse(text)).collect()
}

/// The one spelling of an address of a chain.
fn address(chain: Chain, text: &str) -> std::result::Result<String, String> {
    chain.canonical_address(text).map_err(|error| format!("{text:?}: {error}"))
}

impl Names {
    fn read(document: &Document) -> Result<Self> {
        let mut keys = BTreeMap::new();
        let mut initiators = Vec::new();
        for (name, entry) in &document.initiators.0 {
            let place = || format!("initiators: {name}");
            if let Some(before) = keys.insert(entry.key, name) {
                return wrong(place(), format!("{before} has the same key"));
            }
            initiators.push(initiator(name, entry).at(place)?);
        }
        for (name, key) in &document.authorizers.0 {
            // One key in two places would be one person where two are asked for.
            if let Some(before) = keys.insert(*key, name) {
                return wrong(format!("authorizers: {name}"), format!("{before} has the same key"));
            }
        }
        let authorizers = document.authorizers.0.iter().map(|(name, _)| name.clone()).collect();
        Ok(Self { initiators, authorizers })
    }

    /// More than half of all authorizers, or as many as can be asked for; none if there are none.
    fn majority(&self) -> Option<Approvals> {
        let of: Vec<_> = self.authorizers.iter().cloned().collect();
        let majority = u16::try_from(of.len() / 2 + 1).unwrap_or(u16::MAX);
        (!of.is_empty()).then_some(Approvals { threshold: majority.min(bounds::MAX_APPROVALS), of })
    }

    fn approvals(&self, entry: ApprovalsEntry) -> std::result::Result<Approvals, String> {
        let ApprovalsEntry { threshold, of } = entry;
        let distinct: BTreeSet<&String> = of.iter().collect();
        if let Some(stranger) = of.iter().find(|name| !self.authorizers.contains(*name)) {
            return Err(format!("there is no authorizer {stranger:?}"));
        }
        if distinct.len() != of.len() {
            return Err("an authorizer is named twice".to_owned());
        }
        if threshold > bounds::MAX_APPROVALS {
            return Err(format!("threshold is at most {}, not {threshold}", bounds::MAX_APPROVALS));
        }
        if threshold == 0 || usize::from(threshold) > of.len() {
            return Err(format!(
                "threshold is 1 to {}, the number of authorizers named, not {threshold}",
                of.len()
            ));
        }
        Ok(Approvals { threshold, of })
    }
}

fn initiator(name: &str, entry: &InitiatorEntry) -> std::result::Result<Initiator, String> {
    let parse = |text: &String| ScopedOperation::parse(text, &ScopedOperation::OF_INITIATORS);
    let operations = entry.operations.iter().map(parse);
    let operations: BTreeSet<_> = operations.collect::<std::result::Result<_, _>>()?;
    if operations.is_empty() {
        return Err("operations is empty: name at least one".to_owned());
    }
    Ok(Initiator {
        name: name.to_owned(),
        key: entry.key,
        operations,
        wallets: entry.wallets.as_deref().map(patterns).transpose()?,
        chains: entry.chains.as_deref().map(chains).transpose()?,
        retired: entry.retired,
    })
}

impl Reading {
    fn begin(document: &Document) -> Result<Self> {
        let names = Names::read(document)?;
        let mut assets = Vec::new();
        let mut places: BTreeMap<Place, &String> = BTreeMap::new();
        for (name, entry) in &document.assets.0 {
            let place = || format!("assets: {name}");
            let asset = asset(name, entry).at(place)?;
            for counted in &asset.places {
                if let Some(before) = places.insert(counted.place.clone(), name) {
                    return wrong(place(), format!("it is {before} under another name, or twice the same"));
                }
            }
            assets.push(asset);
        }
        let mut addresses = Vec::new();
        for (name, by_chain) in &document.addresses.0 {
            addresses.push(address_list(name, by_chain)?);
        }
        Ok(Self { names, assets, addresses })
    }

    fn limit(&self, text: &str) -> std::result::Result<Limit, String> {
        let (number, unit) = text.trim().split_once(' ').ok_or_else(|| {
            format!("{text:?} is no amount: expected a number and an asset, such as 0.5 ETH")
        })?;
        let unit = unit.trim();
        let found = self.assets.iter().enumerate().find(|(_, asset)| asset.name == unit);
        let (place, asset) = found.ok_or_else(|| {
            let known: Vec<_> = self.assets.iter().map(|asset| asset.name.as_str()).collect();
            format!("there is no asset {unit:?}; under assets are: {}", known.join(", "))
        })?;
        Ok(Limit { asset: place, amount: asset.parse(number)? })
    }

    /// Limits, each asset once.
    fn limits(&self, texts: &[String]) -> std::result::Result<Vec<Limit>, String> {
        let mut limits: Vec<Limit> = Vec::new();
        for text in texts {
            let limit = self.limit(text)?;
            if limits.iter().any(|before| before.asset == limit.asset) {
                return Err(format!("{text:?}: the same asset is limited twice"));
            }
            limits.push(limit);
        }
        Ok(limits)
    }

    fn window(&self, entry: &WindowEntry) -> std::result::Result<Window, String> {
        let limit = self.limit(&entry.at_most)?;
        let seconds = seconds(&entry.length)?;
        Ok(Window { limit, seconds, length: entry.length.clone(), of: entry.of })
    }

    fn rule(&self, entry: RuleEntry) -> Result<Rule> {
        let name = entry.name.clone();
        let place = |part: &str| format!("rules: {name}: {part}");
        let at_most = self.limits(&entry.at_most).at(|| place("at_most"))?;
        let windows = entry.windows.iter().map(|window| self.window(window));
        let windows: Vec<Window> = windows.collect::<std::result::Result<_, _>>().at(|| place("windows"))?;
        apart(&windows, &self.assets).at(|| place("windows"))?;
        let limited =
            at_most.iter().map(|limit| limit.asset).chain(windows.iter().map(|window| window.limit.asset));
        let mut assets: BTreeSet<usize> = limited.collect();
        for text in entry.assets.iter().flatten() {
            let found = self.assets.iter().position(|asset| asset.name == *text);
            let asset = found.ok_or_else(|| format!("there is no asset {text:?}")).at(|| place("assets"))?;
            assets.insert(asset);
        }
        let is_limited = entry.assets.is_some() || !assets.is_empty();
        let rule = Rule {
            name: entry.name.clone(),
            deny: entry.deny,
            wallets: entry.wallets.as_deref().map(patterns).transpose().at(|| place("wallets"))?,
            initiators: self.known_initiators(&entry).at(|| place("initiators"))?,
            chains: entry.chains.as_deref().map(chains).transpose().at(|| place("chains"))?,
            raw: entry.raw,
            assets: is_limited.then_some(assets),
            destinations: self.lists(&entry).at(|| place("destinations"))?,
            calls: entry
                .calls
                .iter()
                .map(functions)
                .collect::<std::result::Result<_, _>>()
                .at(|| place("calls"))?,
            data: entry.data,
            at_most,
            windows,
            fee_at_most: self.limits(&entry.fee_at_most).at(|| place("fee_at_most"))?,
            open_fees: entry.open_fees,
            weak_sighashes: entry.weak_sighashes,
            hours: all_hours(&entry.hours).at(|| place("hours"))?,
            approvals: None,
        };
        check(&rule, &entry).at(|| format!("rules: {name}"))?;
        let approvals = entry.approvals.map(|entry| self.names.approvals(entry)).transpose();
        let approvals = approvals.at(|| place("approvals"))?;
        Ok(Rule { approvals, ..rule })
    }

    fn known_initiators(&self, entry: &RuleEntry) -> std::result::Result<Option<BTreeSet<String>>, String> {
        let Some(names) = &entry.initiators else { return Ok(None) };
        let known = |name: &String| self.names.initiators.iter().any(|initiator| initiator.name == *name);
        match names.iter().find(|name| !known(name)) {
            Some(stranger) => Err(format!("there is no initiator {stranger:?}")),
            None => Ok(Some(names.iter().cloned().collect())),
        }
    }

    fn lists(&self, entry: &RuleEntry) -> std::result::Result<Option<Vec<usize>>, String> {
        let Some(names) = &entry.destinations else { return Ok(None) };
        let places = names.iter().map(|name| {
            let found = self.addresses.iter().position(|list| list.name == *name);
            found.ok_or_else(|| format!("there is no list {name:?} under addresses"))
        });
        places.collect::<std::result::Result<_, _>>().map(Some)
    }
}

/// What contradicts itself in a rule, or has no effect.
fn check(rule: &Rule, entry: &RuleEntry) -> std::result::Result<(), String> {
    let limits = !rule.at_most.is_empty() || !rule.windows.is_empty();
    let decodes = rule.chains.is_some() || rule.assets.is_some() || rule.destinations.is_some();
    let does = !rule.calls.is_empty() || rule.data;
    let more = does || !rule.fee_at_most.is_empty() || rule.open_fees || rule.weak_sighashes;
    if rule.raw && (decodes || more) {
        return Err(
            "raw: of a digest nobody can tell chain, asset, destination, amount, calls, data or fee: leave them out"
                .into(),
        );
    }
    let allowing = limits
        || !rule.fee_at_most.is_empty()
        || rule.open_fees
        || rule.weak_sighashes
        || entry.approvals.is_some();
    if rule.deny && allowing {
        return Err("deny: a rule that denies has no limits, fees or approvals".into());
    }
    if !rule.deny && !rule.raw && rule.fee_at_most.is_empty() {
        return Err("a fee can be all that there is: add fee_at_most, such as [0.01 ETH]".into());
    }
    if rule.weak_sighashes && (rule.assets.is_some() || rule.destinations.is_some()) {
        return Err(
            "weak_sighashes: others could change recipients and amounts, so leave out what limits them"
                .into(),
        );
    }
    Ok(())
}

fn asset(name: &str, entry: &OneOrMany<AssetEntry>) -> std::result::Result<NamedAsset, String> {
    if name.contains(char::is_whitespace) {
        return Err("the name of an asset has no spaces".to_owned());
    }
    let entries: Vec<&AssetEntry> = match entry {
        OneOrMany::One(entry) => vec![entry],
        OneOrMany::Many(entries) => entries.iter().collect(),
    };
    if entries.len() > MAX_LISTED {
        return Err(format!("it is in {} places, more than {MAX_LISTED}", entries.len()));
    }
    let places = entries.into_iter().map(|entry| {
        let chain = chain(&entry.chain)?;
        let coin = coin_of(chain);
        match (&entry.token, entry.decimals) {
            (None, None) => Ok(coin),
            (None, Some(decimals)) if decimals == coin.decimals => Ok(coin),
            (None, Some(decimals)) => Err(format!(
                "the coin of {} has {} decimal places, not {decimals}",
                chain.net().name,
                coin.decimals
            )),
            (Some(_), None) => {
                Err("a token's decimals must be given: its contract alone says them".to_owned())
            }
            (Some(token), Some(decimals)) => {
                let token = address(chain, token)?;
                Ok(Counted { place: Place::token(chain.net().id, &token), decimals })
            }
        }
    });
    NamedAsset::new(name, places.collect::<std::result::Result<_, _>>()?)
}

fn address_list(name: &str, by_chain: &Named<Vec<String>>) -> Result<AddressList> {
    let mut addresses: HashMap<&'static str, HashSet<String>> = HashMap::new();
    for (chain_name, texts) in &by_chain.0 {
        let place = || format!("addresses: {name}: {chain_name}");
        let chain = chain(chain_name).at(place)?;
        let list = addresses.entry(chain.net().id).or_default();
        for text in texts {
            list.insert(address(chain, text).at(place)?);
        }
    }
    Ok(AddressList { name: name.to_owned(), addresses })
}

fn functions(entry: &CallEntry) -> std::result::Result<Functions, String> {
    let chain = chain(&entry.chain)?;
    let functions: Vec<Function> =
        entry.functions.iter().map(|text| Function::parse(text)).collect::<std::result::Result<_, _>>()?;
    if functions.is_empty() {
        return Err("functions is empty: name them by selector or name, or all by \"*\"".to_owned());
    }
    let is_other = |function: &Function| matches!(function, Function::Selector(digits) if digits.len() != 8);
    if matches!(chain.net().parameters, Parameters::Ethereum { .. }) && functions.iter().any(is_other) {
        return Err("a selector of Ethereum has 4 bytes".to_owned());
    }
    Ok(Functions { chain: chain.net().id, contract: address(chain, &entry.contract)?, functions })
}

fn all_hours(entries: &[HoursEntry]) -> std::result::Result<Vec<Hours>, String> {
    let mut all: Vec<Hours> = Vec::new();
    for HoursEntry { days, from, to } in entries {
        let hours = Hours::parse(days, from.as_deref(), to.as_deref())?;
        if let Some(before) = all.iter().find(|before| before.overlap(&hours)) {
            return Err(format!("{hours} overlaps {before}"));
        }
        all.push(hours);
    }
    Ok(all)
}

/// Two windows of one asset say something only if the longer one allows more.
fn apart(windows: &[Window], assets: &[NamedAsset]) -> std::result::Result<(), String> {
    for (number, one) in windows.iter().enumerate() {
        for other in windows.iter().skip(number + 1) {
            if one.limit.asset != other.limit.asset || one.of != other.of {
                continue;
            }
            let (short, long) = if one.seconds <= other.seconds { (one, other) } else { (other, one) };
            let name = assets.get(short.limit.asset).map_or("", |asset| asset.name.as_str());
            if short.seconds == long.seconds {
                return Err(format!("two windows of {} limit {name}", long.length));
            }
            if long.limit.amount <= short.limit.amount {
                return Err(format!(
                    "the windows of {} and {} overlap: {name} never reaches the limit of the shorter",
                    short.length, long.length
                ));
            }
        }
    }
    Ok(())
}

/// The length of a window: `30m`, `24h`, `7d`.
fn seconds(text: &str) -> std::result::Result<u64, String> {
    let bad = || format!("{text:?} is no length of a window: expected 1m to 31d, such as 30m, 24h or 7d");
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(bad)?;
    let unit = match unit {
        "m" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        _ => return Err(bad()),
    };
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(bad());
    }
    let number: u64 = number.parse().map_err(|_| bad())?;
    number.checked_mul(unit).filter(|length| (MIN_WINDOW..=MAX_WINDOW).contains(length)).ok_or_else(bad)
}
