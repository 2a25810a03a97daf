//! What wallets have spent, for the windows of the policy: each spending with the client's request that it was signed for.
//!
//! A node remembers what it helped to sign, durably before its share of the signature leaves, and learns the rest from
//! the others. Any two committees of `threshold` signers have members in common, 2 · threshold − n at the least. So who
//! hears every member of a committee out, after all of them have set aside what they are about to spend, has heard of
//! all that was spent before: nobody gets around a window by asking other signers, or several at a time.
//!
//! - A spending is *reserved* from the moment a member promises to take part in it. That lasts as long as the promise.
//! - It is *settled* once it is durable, which it is before a share leaves. It counts from then on, whatever becomes of
//!   the signature, for as long as any window reaches back.
//!
//! Attempts at one request, and its repetitions, spend once.

mod line;
#[cfg(test)]
mod tests;
mod told;

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap, HashSet, hash_map};
use std::iter;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_keys::{Identity, Secret};
use quorate_policy::{Place, Spend, SpendingBefore};
use quorate_request::{ErrorBody, Verified, WalletId};
use quorate_session::Wire;

use crate::authority::CLOCK_SKEW;
use crate::clock::seconds;
use crate::store::{Batch, Precondition, Store, StoreError, Table};
use line::Line;
use told::Peer;
pub(crate) use told::{Held, MAX_REQUEST, Told};

/// A request's fingerprint.
pub(crate) type Key = [u8; 32];

/// How much longer than its length a window reaches back, in seconds: clocks differ.
const MARGIN: u64 = 2 * CLOCK_SKEW.as_secs();
/// Rows that are forgotten at a time.
const AT_ONCE: usize = 256;

/// What a request spends, of that which some window counts.
#[derive(Debug, Clone)]
pub(crate) struct Spending {
    pub(crate) key: Key,
    pub(crate) wallet: WalletId,
    pub(crate) spends: Vec<Spend>,
    /// The client's request as it was signed.
    request: Arc<[u8]>,
    /// Unix seconds between which it can have been signed, by what the client says.
    between: (u64, u64),
}

impl Spending {
    pub(crate) fn new(verified: &Verified, wallet: WalletId, spends: Vec<Spend>) -> Self {
        let request = verified.request();
        let skew = CLOCK_SKEW;
        Self {
            key: request.fingerprint(),
            wallet,
            spends,
            request: request.encode().into(),
            between: (seconds(request.created() - skew), seconds(request.expires() + skew)),
        }
    }

    /// A time at which others say that it was settled, as far as that can be.
    fn clamped(&self, at: u64) -> u64 {
        let (from, until) = self.between;
        at.clamp(from, until.max(from))
    }

    /// Whether the client's request can be used no more: nobody has reason to hold it.
    pub(crate) fn is_over(&self, now: SystemTime) -> bool {
        self.between.1.saturating_add(MARGIN) < seconds(now)
    }

    /// Bytes of the client's request.
    pub(crate) fn size(&self) -> usize {
        self.request.len()
    }
}

/// A spending in the store.
#[derive(Debug, BorshSerialize, BorshDeserialize)]
struct Row {
    wallet: String,
    /// Chain, token if it is one, and units.
    spends: Vec<(String, Option<String>, u128)>,
    request: Vec<u8>,
    between: (u64, u64),
    at: u64,
}

impl Wire for Row {
    const MAX_BYTES: usize = 4 * 1024 * 1024;
}

/// What this node knows of one request.
struct Entry {
    spending: Spending,
    /// How many promises and sessions hold it.
    reserved: usize,
    /// When it was settled, in Unix seconds: the last time, if several attempts came so far.
    settled: Option<u64>,
    /// The latest of these times that is durable here.
    kept: Option<u64>,
    /// Whether this node is the one of its signers that tells the others.
    speaks: bool,
}

#[derive(Default)]
struct State {
    entries: HashMap<Key, Entry>,
    /// Those that somebody holds here, settled before or not.
    reserved: HashSet<Key>,
    /// The settled ones, by what they spend, who, and when.
    lines: HashMap<Place, HashMap<WalletId, Line>>,
    /// What each peer says that it has.
    peers: HashMap<Identity, Peer>,
    /// Those that were made durable since the others were last told which are kept here.
    fresh: Vec<Held>,
}

/// All spendings that this node knows of.
pub(crate) struct Spendings {
    store: Arc<Store>,
    /// For how many seconds a spending counts at the most; none where no window counts anything.
    horizon: Option<u64>,
    state: Mutex<State>,
    /// Rows that can't be read any more.
    unreadable: Vec<Vec<u8>>,
}

/// Why something may not be spent now.
#[derive(Debug)]
pub(crate) enum Unaffordable {
    /// The policy denies it.
    Denied(ErrorBody),
    /// It would be allowed if what is reserved for other requests were not: some of it may be released.
    Held(ErrorBody),
}

/// A judgement that took windows into account, or did not have to.
#[derive(Debug)]
pub(crate) struct Weighed {
    /// The rule that allows it.
    pub(crate) rule: Option<String>,
    /// Whether that depends on what was spent before.
    pub(crate) limited: bool,
}

/// A request's place among the spendings, from the promise to the end of the session.
pub(crate) struct Reserved {
    spendings: Arc<Spendings>,
    key: Key,
    /// Whether the policy lets it be signed on account of what was spent before.
    pub(crate) limited: bool,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let mut state = self.spendings.lock();
        let Some(entry) = state.entries.get_mut(&self.key) else { return };
        entry.reserved = entry.reserved.saturating_sub(1);
        if entry.reserved > 0 {
            return;
        }
        let is_settled = entry.settled.is_some();
        state.reserved.remove(&self.key);
        if !is_settled {
            state.entries.remove(&self.key);
        }
    }
}

impl std::fmt::Debug for Reserved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reserved").field("limited", &self.limited).finish_non_exhaustive()
    }
}

/// What was spent before a request, as the policy asks. What is reserved is about to be spent: it counts once, and now, also
/// if it was settled before, in an attempt that no window reaches back to any more.
struct Before<'a> {
    state: &'a State,
    /// The request itself, which is not counted.
    but: Key,
    /// What is reserved, here and by others; nothing, to see whether that is in the way.
    reserved: BTreeMap<Key, &'a Spending>,
    asked: Cell<bool>,
}

impl<'a> Before<'a> {
    fn new(state: &'a State, but: Key, heard: &'a [Spending], with_reserved: bool) -> Self {
        let own = state.reserved.iter().filter_map(|key| state.entries.get(key)).map(|entry| &entry.spending);
        let all = heard.iter().chain(own).filter(|spending| with_reserved && spending.key != but);
        let reserved = all.map(|spending| (spending.key, spending)).collect();
        Self { state, but, reserved, asked: Cell::default() }
    }
}

impl Before<'_> {
    /// Units of a request that are in the line of its wallet, if that is one of these.
    fn settled_of(
        &self,
        key: &Key,
        wallets: &dyn Fn(&WalletId) -> bool,
        place: &Place,
        since: u64,
    ) -> Option<u128> {
        let entry = self.state.entries.get(key)?;
        let (at, wallet) = (entry.settled.filter(|at| *at >= since)?, &entry.spending.wallet);
        let line = self.state.lines.get(place)?.get(wallet).filter(|_| wallets(wallet))?;
        line.get(at, key)
    }
}

impl SpendingBefore for Before<'_> {
    fn spent(&self, wallets: &dyn Fn(&WalletId) -> bool, place: &Place, since: u64) -> u128 {
        self.asked.set(true);
        let since = since.saturating_sub(MARGIN);
        let lines = self.state.lines.get(place).into_iter().flatten();
        let settled = lines.filter(|(wallet, _)| wallets(wallet)).map(|(_, line)| line.since(since));
        let settled = settled.fold(0, u128::saturating_add);
        let reserved = self
            .reserved
            .values()
            .filter(|spending| wallets(&spending.wallet))
            .flat_map(|spending| &spending.spends)
            .filter(|spend| spend.place == *place)
            .map(|spend| spend.units);
        let reserved = reserved.fold(0, u128::saturating_add);
        if settled == u128::MAX {
            return settled;
        }
        // What is in a line, though it is not counted, or counted as reserved.
        let keys = iter::once(&self.but).chain(self.reserved.keys());
        let twice = keys.filter_map(|key| self.settled_of(key, wallets, place, since));
        settled.saturating_sub(twice.fold(0, u128::saturating_add)).saturating_add(reserved)
    }
}

impl Spendings {
    /// Those in the store. `horizon`: how far back the policy's windows reach, in seconds; none if it has none.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn load(store: Arc<Store>, horizon: Option<u64>) -> Result<Self, StoreError> {
        let horizon = horizon.map(|seconds| seconds.saturating_add(2 * MARGIN));
        let mut state = State::default();
        let mut unreadable = Vec::new();
        if horizon.is_some() {
            let scan = store.scan(Table::Spendings, "")?;
            unreadable.extend(scan.damaged.into_iter().map(|name| name.key));
            for (row, record) in scan.records {
                match Key::try_from(row.as_slice()).ok().zip(read(record.value.expose())) {
                    Some((key, (spending, at))) => {
                        state.settle(Spending { key, ..spending }, at, false);
                        state.kept(&[(key, at)]);
                    }
                    None => unreadable.push(row),
                }
            }
            state.fresh.clear();
        }
        for row in &unreadable {
            tracing::error!(
                row = hex::encode(row),
                "what was spent can't be read: it is learned from the others"
            );
        }
        Ok(Self { store, horizon, state: Mutex::new(state), unreadable })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether some window counts anything.
    pub(crate) fn counts(&self) -> bool {
        self.horizon.is_some()
    }

    /// For how many seconds a spending counts at the most.
    pub(crate) fn horizon(&self) -> u64 {
        self.horizon.unwrap_or_default()
    }

    /// Whether this node has lost some of what it knew: it can't tell then what may be spent.
    pub(crate) fn is_incomplete(&self) -> bool {
        !self.unreadable.is_empty()
    }

    /// Removes what can't be read, once it is durable that it has to be learned anew.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn remove_unreadable(&self) -> Result<(), StoreError> {
        let delete = |batch: Batch, row: &Vec<u8>| batch.delete(Table::Spendings, row);
        self.store.commit(self.unreadable.iter().fold(Batch::new(), delete)).await
    }

    /// Judges what would be spent. `heard`: what others have reserved.
    ///
    /// # Errors
    /// It may not be spent now.
    pub(crate) fn weigh(
        &self,
        key: Key,
        heard: &[Spending],
        judge: impl Fn(&dyn SpendingBefore) -> Result<Option<String>, ErrorBody>,
    ) -> Result<Weighed, Unaffordable> {
        self.lock().weigh(key, heard, judge)
    }

    /// Judges what would be spent, and sets it aside if it may be. In one step: of two requests that don't fit together
    /// one is denied.
    ///
    /// # Errors
    /// It may not be spent now.
    pub(crate) fn reserve(
        self: &Arc<Self>,
        spending: Spending,
        judge: impl Fn(&dyn SpendingBefore) -> Result<Option<String>, ErrorBody>,
    ) -> Result<(Option<String>, Reserved), Unaffordable> {
        let mut state = self.lock();
        let key = spending.key;
        let Weighed { rule, limited } = state.weigh(key, &[], judge)?;
        let entry = state.entered(spending);
        entry.reserved = entry.reserved.saturating_add(1);
        state.reserved.insert(key);
        drop(state);
        Ok((rule, Reserved { spendings: Arc::clone(self), key, limited }))
    }

    /// Adds to a batch that a reserved spending is settled now. Gives the time for [`Spendings::settled`].
    pub(crate) fn settling(&self, batch: Batch, reserved: &Reserved) -> (Batch, u64) {
        let state = self.lock();
        let now = seconds(SystemTime::now());
        // It is there for as long as it is reserved.
        match state.entries.get(&reserved.key) {
            None => (batch, now),
            Some(entry) => {
                let at = now.max(entry.settled.unwrap_or_default());
                (written(batch, &entry.spending, at), at)
            }
        }
    }

    /// The batch is durable. `speaks`: whether this node is the one of the signers that tells the others.
    pub(crate) fn settled(&self, reserved: &Reserved, at: u64, speaks: bool) {
        let mut state = self.lock();
        let Some(spending) = state.entries.get(&reserved.key).map(|entry| entry.spending.clone()) else {
            return;
        };
        state.settle(spending, at, speaks);
        state.kept(&[(reserved.key, at)]);
    }

    /// Forgets what no window reaches back to.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn forget(&self, now: SystemTime) -> Result<usize, StoreError> {
        let Some(horizon) = self.horizon else { return Ok(0) };
        let before = seconds(now).saturating_sub(horizon);
        let mut count = 0_usize;
        loop {
            // Out of memory first: what is reserved from now on is another entry, and writes another row.
            let rows = self.lock().take_over(before);
            if rows.is_empty() {
                return Ok(count);
            }
            for (key, row) in rows {
                let unchanged = Precondition::Equals(Secret::new(row));
                let batch = Batch::new().require(Table::Spendings, key, unchanged);
                match self.store.commit_soon(batch.delete(Table::Spendings, key)).await {
                    Ok(()) | Err(StoreError::Precondition { .. }) => count = count.saturating_add(1),
                    Err(error) => return Err(error),
                }
            }
        }
    }

    /// How many are known.
    pub(crate) fn count(&self) -> usize {
        self.lock().entries.len()
    }
}

impl State {
    fn weigh(
        &self,
        key: Key,
        heard: &[Spending],
        judge: impl Fn(&dyn SpendingBefore) -> Result<Option<String>, ErrorBody>,
    ) -> Result<Weighed, Unaffordable> {
        let all = Before::new(self, key, heard, true);
        match judge(&all) {
            Ok(rule) => Ok(Weighed { rule, limited: all.asked.get() }),
            Err(error) if all.asked.get() && judge(&Before::new(self, key, heard, false)).is_ok() => {
                Err(Unaffordable::Held(error))
            }
            Err(error) => Err(Unaffordable::Denied(error)),
        }
    }

    /// Takes down that a spending is settled; at the latest of the times that are said of it.
    fn settle(&mut self, spending: Spending, at: u64, speaks: bool) {
        let key = spending.key;
        let entry = self.entered(spending);
        entry.speaks |= speaks;
        let before = entry.settled;
        let at = at.max(before.unwrap_or_default());
        entry.settled = Some(at);
        let spending = entry.spending.clone();
        for spend in spending.spends {
            let line = self.lines.entry(spend.place).or_default().entry(spending.wallet.clone()).or_default();
            if let Some(before) = before {
                line.remove(before, &key);
            }
            line.insert(at, key, spend.units);
        }
        self.peers.values_mut().for_each(|peer| peer.settled(key, at));
    }

    /// These are durable.
    fn kept(&mut self, held: &[Held]) {
        for (key, at) in held {
            if let Some(entry) = self.entries.get_mut(key) {
                entry.kept = entry.kept.max(Some(*at));
                self.fresh.push((*key, *at));
            }
        }
    }

    /// The entry of a spending. What the client has signed last stands in it, as that can be used for longest.
    fn entered(&mut self, spending: Spending) -> &mut Entry {
        match self.entries.entry(spending.key) {
            hash_map::Entry::Occupied(entry) => {
                let entry = entry.into_mut();
                if entry.spending.between.1 < spending.between.1 {
                    let from = entry.spending.between.0.min(spending.between.0);
                    entry.spending = Spending { between: (from, spending.between.1), ..spending };
                }
                entry
            }
            hash_map::Entry::Vacant(entry) => {
                entry.insert(Entry { spending, reserved: 0, settled: None, kept: None, speaks: false })
            }
        }
    }

    /// Takes some out that were settled before a time, with their rows.
    fn take_over(&mut self, before: u64) -> Vec<(Key, Vec<u8>)> {
        let is_over = |entry: &Entry| entry.reserved == 0 && entry.settled.is_some_and(|at| at < before);
        let over = self.entries.iter().filter(|(_, entry)| is_over(entry)).take(AT_ONCE);
        let rows: Vec<_> =
            over.map(|(key, entry)| (*key, row(&entry.spending, entry.kept.unwrap_or_default()))).collect();
        for (key, _) in &rows {
            self.forget(key);
        }
        rows
    }

    fn forget(&mut self, key: &Key) {
        let Some(entry) = self.entries.remove(key) else { return };
        let at = entry.settled.unwrap_or_default();
        for spend in &entry.spending.spends {
            let Some(lines) = self.lines.get_mut(&spend.place) else { continue };
            if let Some(line) = lines.get_mut(&entry.spending.wallet) {
                line.remove(at, key);
                if line.is_empty() {
                    lines.remove(&entry.spending.wallet);
                }
            }
        }
        self.peers.values_mut().for_each(|peer| peer.forget(key));
    }
}

/// Adds a settled spending to a batch.
fn written(batch: Batch, spending: &Spending, at: u64) -> Batch {
    batch.put(Table::Spendings, spending.key, 0, Secret::new(row(spending, at)))
}

/// A settled spending as the store has it. It fits a row: requests that windows count are short.
fn row(spending: &Spending, at: u64) -> Vec<u8> {
    let spends = spending.spends.iter();
    let spends = spends.map(|spend| (spend.place.chain.clone(), spend.place.token.clone(), spend.units));
    let row = Row {
        wallet: spending.wallet.as_str().to_owned(),
        spends: spends.collect(),
        request: spending.request.to_vec(),
        between: spending.between,
        at,
    };
    row.to_wire().unwrap_or_default()
}

/// The settled spending that a row says, under no key yet, and when that was.
fn read(row: &[u8]) -> Option<(Spending, u64)> {
    let Row { wallet, spends, request, between, at } = Row::from_wire(row).ok()?;
    let spends =
        spends.into_iter().map(|(chain, token, units)| Spend { place: Place { chain, token }, units });
    let (wallet, spends) = (wallet.parse().ok()?, spends.collect());
    Some((Spending { key: [0; 32], wallet, spends, request: request.into(), between }, at))
}
