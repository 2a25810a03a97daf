//! What this node keeps to sign by DKLS23: of each wallet its pairs with the other holders, and whom it has caught cheating in them.
//!
//! A set of pairs is made by all holders, or, where some of them are not to be had, by the others, if so many can sign. It waits until all of these
//! have stored it; then it is active. It replaces those before it of the same holders, and all of fewer of them: these are erased when everybody of
//! the set says that it is active for it, and nothing else that was active ever is, unless sets of too many different groups came together. So
//! honest holders always have some in common, whatever others say or withhold. A node proposes signatures with what is active for it and covers
//! enough holders that are there, and takes part with what it has stored at all: who lacks them declines, and says which ones it has.

mod records;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_dkls23::pairs::{Pairs, SharedPairs};
use quorate_keys::{Identity, Secret};
use quorate_session::{SessionId, Wire};
use quorate_sharing::PartyIndex;

use crate::clock::now_millis;
use crate::store::{Batch, Store, StoreError, Table};
pub(crate) use records::{Caught, Known, Renewal};
use records::{Sets, Stored, party_row, row};

/// Pairs that are kept in memory although no session uses them.
const IN_MEMORY: usize = 64;
/// Wallets held elsewhere of whose pairs a node was told.
const TOLD: usize = 4096;
/// Sets of a wallet that may wait to be active: so many runs in a row must have broken off at their end before one is given up.
const WAITING: usize = 8;
/// Active sets of a wallet that were made without some holder: as many groups as come and go at a time.
const WITHOUT_SOME: usize = 16;
/// How far clocks may be apart by which sets are numbered, in milliseconds.
const SKEW: u64 = 30_000;

/// Why there are none to work with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PairsFault {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("this node has no such pairs")]
    Absent,
    #[error("other pairs are active meanwhile")]
    Replaced,
    #[error("the stored pairs can't be read: {0}")]
    Unreadable(String),
}

/// All of a node.
pub(crate) struct Pairings {
    store: Arc<Store>,
    memory: Mutex<Memory>,
    /// Held while it is written down what replaces what, and who was caught.
    deciding: tokio::sync::Mutex<()>,
}

/// Where sessions find one set: there is never a second one of the same pairs. Locked before [`Memory`].
type Place = Arc<Mutex<Weak<SharedPairs>>>;

/// A set, and the session that made it.
type Set = (SessionId, Known);

#[derive(Default)]
struct Memory {
    known: HashMap<SessionId, Sets>,
    /// Who was caught, by wallet.
    caught: HashMap<SessionId, BTreeMap<PartyIndex, Caught>>,
    /// Who was caught, which is not on disk: nobody is to notice.
    unsaved: BTreeMap<(SessionId, PartyIndex), Caught>,
    /// What sessions use.
    shared: HashMap<SessionId, Place>,
    /// The last ones used.
    recent: VecDeque<Arc<SharedPairs>>,
    /// What holders have said of wallets with whose pairs this node could not propose.
    told: HashMap<SessionId, Made>,
    /// What others say of the sets that they have made with this node.
    words: HashMap<SessionId, Words>,
    /// Sets that were read, or written, since the start: they are more than a name in a list.
    readable: BTreeSet<SessionId>,
}

/// Who says that it has a set, and for whom it is active.
#[derive(Debug, Default)]
struct Words {
    held: BTreeSet<Identity>,
    active: BTreeSet<Identity>,
}

/// Pairs to sign with, and who has them.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Made {
    /// The session that made them.
    pub(crate) session: SessionId,
    /// Each of these has a pair with each other one.
    pub(crate) parties: BTreeSet<PartyIndex>,
}

impl From<Set> for Made {
    fn from((session, Known { parties, .. }): Set) -> Self {
        Self { session, parties }
    }
}

/// What the words of all others who have made a set amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settled {
    /// Nothing yet.
    Open,
    /// All have a set that waits here.
    Held,
    /// The set is active for all: those before it are of no use any more.
    Active,
}

/// A set of which this node does not know all that it needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unsettled {
    pub(crate) wallet: SessionId,
    pub(crate) session: SessionId,
    pub(crate) active: bool,
    /// Who has made it.
    pub(crate) parties: BTreeSet<PartyIndex>,
    /// Who has said it.
    pub(crate) said: BTreeSet<Identity>,
}

impl Memory {
    fn of(&self, wallet: &SessionId, session: &SessionId) -> Option<&Known> {
        self.known.get(wallet)?.get(session)
    }

    /// The sets of a wallet, in the order in which they are made.
    fn in_order(&self, wallet: &SessionId) -> Vec<Set> {
        let of_wallet = self.known.get(wallet).into_iter().flatten();
        let mut sets: Vec<_> = of_wallet.map(|(session, known)| (*session, known.clone())).collect();
        sets.sort_by_key(|(session, known)| (known.number, *session));
        sets
    }

    /// The sets that are active, and have not been replaced by others.
    fn in_use(&self, wallet: &SessionId) -> Vec<Set> {
        let mut active = self.in_order(wallet);
        active.retain(|(_, known)| known.active);
        let is_last = |set: &&Set| !active.iter().any(|other| replaces(other, set));
        active.iter().filter(is_last).cloned().collect()
    }

    /// Of the sets that are active and for such parties, the one of most of them, and of these the latest.
    fn active(&self, wallet: &SessionId, suits: impl Fn(&BTreeSet<PartyIndex>) -> bool) -> Option<Set> {
        let active =
            self.in_order(wallet).into_iter().filter(|(_, known)| known.active && suits(&known.parties));
        active.max_by_key(|(_, known)| known.parties.len())
    }

    /// The latest client's word by which some were made that are active.
    fn renewal(&self, wallet: &SessionId) -> Option<Renewal> {
        let active = self.known.get(wallet)?.values().filter(|known| known.active);
        active.filter_map(|known| known.renewal).max_by_key(|word| word.created)
    }

    /// Forgets sets that are erased.
    fn forget(&mut self, wallet: &SessionId, erased: &[SessionId]) {
        if let Some(sets) = self.known.get_mut(wallet) {
            sets.retain(|session, _| !erased.contains(session));
        }
        for session in erased {
            self.shared.remove(session);
            self.words.remove(session);
            self.readable.remove(session);
            self.recent.retain(|shared| shared.public().session != *session.as_bytes());
        }
    }

    /// When a party was caught, if that counts in a set: not where it was before a client's word by which the set was made.
    fn caught_in(&self, wallet: &SessionId, session: &SessionId, party: PartyIndex) -> bool {
        let pardons = self.of(wallet, session).and_then(|known| known.renewal).map_or(0, |word| word.pardons);
        let noted = self.caught.get(wallet).and_then(|caught| caught.get(&party));
        let unsaved = self.unsaved.get(&(*wallet, party));
        noted.into_iter().chain(unsaved).any(|caught| caught.since >= pardons)
    }
}

impl Pairings {
    /// Loads what there is, without secrets.
    ///
    /// # Errors
    /// The store's; damaged records are left out and logged.
    pub(crate) fn load(store: Arc<Store>) -> Result<Self, StoreError> {
        let memory = Memory {
            known: records::load(&store)?,
            caught: records::load_caught(&store)?,
            ..Memory::default()
        };
        Ok(Self { store, memory: Mutex::new(memory), deciding: tokio::sync::Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pairs with which to propose that a wallet signs, of those that are for such parties: once those that another node has named, else those
    /// that are active here. None of a wallet held elsewhere of which nobody was told.
    pub(crate) fn current(
        &self,
        wallet: &SessionId,
        is_holder: bool,
        suits: impl Fn(&BTreeSet<PartyIndex>) -> bool,
    ) -> Option<Made> {
        let mut memory = self.lock();
        if !is_holder {
            return memory.told.get(wallet).filter(|told| suits(&told.parties)).cloned();
        }
        let active = memory.active(wallet, &suits).map(Made::from);
        // Somebody's word is good for one attempt.
        let told = memory.told.remove(wallet).filter(|told| suits(&told.parties));
        told.filter(|told| active.is_none() || memory.of(wallet, &told.session).is_some()).or(active)
    }

    /// The shares for which something is kept, by the session that made them.
    pub(crate) fn generations(&self) -> BTreeSet<SessionId> {
        let memory = self.lock();
        memory.known.keys().chain(memory.caught.keys()).copied().collect()
    }

    /// Those that are active here, of most holders.
    #[cfg(test)]
    pub(crate) fn active(&self, wallet: &SessionId) -> Option<SessionId> {
        self.lock().active(wallet, |_| true).map(|(session, _)| session)
    }

    /// Those that are active here, and with which all of these can sign.
    pub(crate) fn active_for(&self, wallet: &SessionId, parties: &BTreeSet<PartyIndex>) -> Option<SessionId> {
        self.lock().active(wallet, |made| made.is_superset(parties)).map(|(session, _)| session)
    }

    /// Those that are active here, and for such parties.
    pub(crate) fn active_where(
        &self,
        wallet: &SessionId,
        suits: impl Fn(&BTreeSet<PartyIndex>) -> bool,
    ) -> Option<Made> {
        self.lock().active(wallet, suits).map(Made::from)
    }

    /// The latest client's word by which some were made that are active here.
    pub(crate) fn renewal(&self, wallet: &SessionId) -> Option<Renewal> {
        self.lock().renewal(wallet)
    }

    /// Who has made these, if they are stored here, active or not.
    pub(crate) fn parties(&self, wallet: &SessionId, session: &SessionId) -> Option<BTreeSet<PartyIndex>> {
        self.lock().of(wallet, session).map(|known| known.parties.clone())
    }

    /// Whether these are stored, active or not.
    pub(crate) fn has(&self, wallet: &SessionId, session: &SessionId) -> bool {
        self.lock().of(wallet, session).is_some()
    }

    /// The number of a set that is stored.
    pub(crate) fn number(&self, wallet: &SessionId, session: &SessionId) -> Option<u64> {
        self.lock().of(wallet, session).map(|known| known.number)
    }

    /// The number of the latest, active or not.
    pub(crate) fn latest(&self, wallet: &SessionId) -> Option<u64> {
        self.lock().known.get(wallet)?.values().map(|known| known.number).max()
    }

    /// The client's word by which a set was made that is stored here.
    pub(crate) fn renewal_of(&self, wallet: &SessionId, session: &SessionId) -> Option<Renewal> {
        self.lock().of(wallet, session)?.renewal
    }

    /// The sets that wait, of which all who have made them have to say that they have them; and active ones that have others beside them which they
    /// replace, until they are active for all.
    pub(crate) fn unsettled(&self) -> Vec<Unsettled> {
        let memory = self.lock();
        let of_wallet = |wallet: &SessionId| {
            let (sets, in_use) = (memory.in_order(wallet), memory.in_use(wallet));
            let is_open = |set: &Set| match set.1.active {
                true => in_use.contains(set) && sets.iter().any(|other| replaces(set, other)),
                false => !in_use.iter().any(|other| replaces(other, set)),
            };
            sets.iter().filter(|set| is_open(set)).cloned().collect::<Vec<_>>()
        };
        let unsettled = |(wallet, (session, known)): (SessionId, Set)| {
            let words = memory.words.get(&session);
            let said = words.map(|words| if known.active { &words.active } else { &words.held });
            let said = said.cloned().unwrap_or_default();
            Unsettled { wallet, session, active: known.active, parties: known.parties, said }
        };
        let wallets = memory.known.keys();
        wallets
            .flat_map(|wallet| of_wallet(wallet).into_iter().map(|set| (*wallet, set)))
            .map(unsettled)
            .collect()
    }

    /// Whether a set is stored here and can be read, and whether it is active.
    pub(crate) fn holds(&self, wallet: &SessionId, session: &SessionId) -> Option<bool> {
        let (active, is_readable) = {
            let memory = self.lock();
            (memory.of(wallet, session)?.active, memory.readable.contains(session))
        };
        if !is_readable {
            self.read(wallet, session).ok()?;
        }
        Some(active)
    }

    /// Another one of those who have made a set that is stored here says that it has it, and whether it is active there.
    pub(crate) fn vouch(
        &self,
        wallet: &SessionId,
        session: &SessionId,
        (by, active): (Identity, bool),
        others: &BTreeSet<Identity>,
    ) -> Settled {
        let mut memory = self.lock();
        let known = memory.of(wallet, session).filter(|_| others.contains(&by));
        let Some(is_active) = known.map(|known| known.active) else { return Settled::Open };
        let words = memory.words.entry(*session).or_default();
        words.held.insert(by);
        if active {
            words.active.insert(by);
        }
        match is_active {
            false if words.held.is_superset(others) => Settled::Held,
            true if words.active.is_superset(others) => Settled::Active,
            _ => Settled::Open,
        }
    }

    /// Another node says which ones are active.
    pub(crate) fn tell(&self, wallet: SessionId, made: Made) {
        let mut memory = self.lock();
        if memory.told.len() >= TOLD {
            memory.told.clear();
        }
        memory.told.insert(wallet, made);
    }

    /// The first of these parties that was caught in this wallet before these pairs were made anew, if they were, and whether that is on disk.
    pub(crate) fn caught_among(
        &self,
        wallet: &SessionId,
        session: &SessionId,
        mut parties: impl Iterator<Item = PartyIndex>,
    ) -> Option<(PartyIndex, bool)> {
        let memory = self.lock();
        parties.find_map(|party| {
            let is_unsaved = memory.unsaved.contains_key(&(*wallet, party));
            memory.caught_in(wallet, session, party).then_some((party, !is_unsaved))
        })
    }

    /// All who were caught, by wallet, as far as that counts with the pairs that are active.
    pub(crate) fn caught(&self) -> Vec<(SessionId, PartyIndex, Caught)> {
        let memory = self.lock();
        let wallets = memory.caught.iter();
        let all = wallets
            .flat_map(|(wallet, caught)| caught.iter().map(move |(party, caught)| (wallet, party, caught)));
        let counts = |wallet: &SessionId, party: &PartyIndex| {
            let active = memory.in_use(wallet);
            active.is_empty() || active.iter().any(|(set, _)| memory.caught_in(wallet, set, *party))
        };
        let all = all.filter(|(wallet, party, _)| counts(wallet, party));
        all.map(|(wallet, party, caught)| (*wallet, *party, caught.clone())).collect()
    }

    /// The pairs, for a session: the same for all.
    ///
    /// # Errors
    /// They are not there, or can't be read: then this node does without them from now on.
    pub(crate) fn secret(
        &self,
        wallet: &SessionId,
        session: &SessionId,
    ) -> Result<Arc<SharedPairs>, PairsFault> {
        let place = {
            let mut memory = self.lock();
            memory.of(wallet, session).ok_or(PairsFault::Absent)?;
            memory.shared.retain(|_, place| {
                // One that is locked is just being filled.
                Arc::strong_count(place) > 1 || place.try_lock().is_ok_and(|shared| shared.strong_count() > 0)
            });
            Arc::clone(memory.shared.entry(*session).or_default())
        };
        // Nobody else reads them at the same time; other pairs don't wait for it.
        let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = place.upgrade() {
            return Ok(shared);
        }
        let pairs = self.read(wallet, session)?;
        // Who is caught from now on finds them at their place.
        let mut memory = self.lock();
        let caught: Vec<_> = pairs.peers().filter(|peer| memory.caught_in(wallet, session, *peer)).collect();
        let shared = Arc::new(SharedPairs::new(pairs, caught));
        *place = Arc::downgrade(&shared);
        // Unless they were erased meanwhile.
        if memory.of(wallet, session).is_some() {
            memory.recent.push_back(Arc::clone(&shared));
            if memory.recent.len() > IN_MEMORY {
                memory.recent.pop_front();
            }
        }
        Ok(shared)
    }

    /// Reads a set. One that can't be read is none.
    fn read(&self, wallet: &SessionId, session: &SessionId) -> Result<Pairs, PairsFault> {
        match records::stored(&self.store, wallet, session) {
            Ok(stored) => {
                self.lock().readable.insert(*session);
                Ok(stored.pairs)
            }
            Err(fault) => {
                if matches!(
                    fault,
                    PairsFault::Unreadable(_) | PairsFault::Store(StoreError::DamagedRecord { .. })
                ) {
                    tracing::error!(%wallet, %session, %fault, "have the wallet's pairs made anew");
                    self.lock().forget(wallet, &[*session]);
                }
                Err(fault)
            }
        }
    }

    /// Stores new pairs before this node acknowledges them. `renewal`: the client's word to replace what there is. `holders`: how many the wallet has.
    ///
    /// # Errors
    /// The store's; or what they should replace was replaced meanwhile.
    pub(crate) async fn store_waiting(
        &self,
        wallet: SessionId,
        session: SessionId,
        number: u64,
        renewal: Option<Renewal>,
        pairs: Pairs,
        holders: usize,
    ) -> Result<(), PairsFault> {
        let _one_at_a_time = self.deciding.lock().await;
        let parties: BTreeSet<_> = pairs.peers().chain([pairs.party()]).collect();
        let (mut sets, erased) = {
            let memory = self.lock();
            let may_follow = |active: &Known| may_replace(active.renewal, renewal) && number > active.number;
            let active = memory.active(&wallet, |made| made.is_superset(&parties));
            if !active.is_none_or(|(_, active)| may_follow(&active)) {
                return Err(PairsFault::Replaced);
            }
            let sets = memory.in_order(&wallet);
            let oldest = |is_one: &dyn Fn(&Known) -> bool, kept: usize| {
                let found: Vec<_> = sets.iter().filter(|(_, known)| is_one(known)).collect();
                let erased = found.len().saturating_sub(kept);
                found.into_iter().take(erased).map(|(session, _)| *session).collect::<Vec<_>>()
            };
            let mut erased = oldest(&|known| !known.active, WAITING - 1);
            erased.extend(oldest(&|known| known.active && known.parties.len() < holders, WITHOUT_SOME - 1));
            (memory.known.get(&wallet).cloned().unwrap_or_default(), erased)
        };
        sets.retain(|session, _| !erased.contains(session));
        sets.insert(session, Known { number, renewal, active: false, parties });
        let value = Stored { number, renewal, pairs }.to_wire();
        let value = Secret::new(value.map_err(|error| PairsFault::Unreadable(error.to_string()))?);
        let batch = Batch::new().put(Table::Pairs, row(&wallet, &session), 0, value);
        self.replace(batch, wallet, sets, &erased).await?;
        self.lock().readable.insert(session);
        Ok(())
    }

    /// All who have made them have stored them: from now on they are used.
    ///
    /// # Errors
    /// The store's; they are not there; or later ones are active.
    pub(crate) async fn activate(&self, wallet: SessionId, session: SessionId) -> Result<(), PairsFault> {
        let _one_at_a_time = self.deciding.lock().await;
        let mut sets = self.lock().known.get(&wallet).cloned().unwrap_or_default();
        let this = sets.get(&session).cloned().ok_or(PairsFault::Absent)?;
        let this = (session, this);
        let mut active = sets.iter().filter(|(_, known)| known.active);
        if active.any(|(session, known)| replaces(&(*session, known.clone()), &this)) {
            return Err(PairsFault::Replaced);
        }
        if this.1.active {
            return Ok(());
        }
        sets.insert(session, Known { active: true, ..this.1 });
        self.replace(Batch::new(), wallet, sets, &[]).await?;
        let memory = self.lock();
        for (party, caught) in memory.caught.get(&wallet).into_iter().flatten() {
            match memory.caught_in(&wallet, &session, *party) {
                true => {
                    tracing::warn!(%wallet, %party, since = caught.since, "it was caught cheating later than these pairs were asked for");
                }
                false => {
                    tracing::warn!(%wallet, %party, "it was caught cheating, and is taken back with pairs made anew");
                }
            }
        }
        Ok(())
    }

    /// These pairs are active for all who have made them: erases those that they replace, and forgets whom nothing that is left knows as caught.
    ///
    /// # Errors
    /// The store's; or they are not active here.
    pub(crate) async fn erase_before(&self, wallet: SessionId, session: SessionId) -> Result<(), PairsFault> {
        let _one_at_a_time = self.deciding.lock().await;
        let (mut sets, erased, pardoned) = {
            let memory = self.lock();
            let in_order = memory.in_order(&wallet);
            let this = in_order.iter().find(|(other, known)| *other == session && known.active);
            let this = this.cloned().ok_or(PairsFault::Absent)?;
            let (earlier, rest): (Vec<_>, Vec<_>) =
                in_order.into_iter().partition(|set| replaces(&this, set));
            let is_over =
                |party: &PartyIndex| !rest.iter().any(|(set, _)| memory.caught_in(&wallet, set, *party));
            let caught = memory.caught.get(&wallet).into_iter().flat_map(BTreeMap::keys).copied();
            let pardoned: Vec<_> = caught.filter(is_over).collect();
            let erased: Vec<_> = earlier.iter().map(|(session, _)| *session).collect();
            (memory.known.get(&wallet).cloned().unwrap_or_default(), erased, pardoned)
        };
        if erased.is_empty() {
            return Ok(());
        }
        sets.retain(|session, _| !erased.contains(session));
        let batch = pardoned
            .iter()
            .fold(Batch::new(), |batch, party| batch.delete(Table::Caught, party_row(&wallet, *party)));
        self.replace(batch, wallet, sets, &erased).await?;
        let mut memory = self.lock();
        for party in pardoned {
            memory.caught.entry(wallet).or_default().remove(&party);
        }
        Ok(())
    }

    /// These shares of a wallet are of no use any more: erases all that was made for them, and forgets whom it has caught.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn erase_all(&self, wallet: SessionId) -> Result<(), PairsFault> {
        let _one_at_a_time = self.deciding.lock().await;
        let (sets, caught) = {
            let mut memory = self.lock();
            memory.told.remove(&wallet);
            let sets: Vec<_> =
                memory.known.get(&wallet).into_iter().flat_map(BTreeMap::keys).copied().collect();
            let caught = memory.caught.get(&wallet).into_iter().flat_map(BTreeMap::keys).copied();
            let unsaved = memory.unsaved.keys().filter(|(of, _)| *of == wallet).map(|(_, party)| *party);
            let caught: BTreeSet<_> = caught.chain(unsaved).collect();
            (sets, caught)
        };
        if sets.is_empty() && caught.is_empty() {
            return Ok(());
        }
        let batch = records::delete_list(Batch::new(), &wallet);
        let batch = sets.iter().fold(batch, |batch, set| batch.delete(Table::Pairs, row(&wallet, set)));
        let batch =
            caught.iter().fold(batch, |batch, party| batch.delete(Table::Caught, party_row(&wallet, *party)));
        self.store.commit(batch).await?;
        let mut memory = self.lock();
        memory.forget(&wallet, &sets);
        memory.known.remove(&wallet);
        memory.caught.remove(&wallet);
        memory.unsaved.retain(|(of, _), _| *of != wallet);
        Ok(())
    }

    /// Writes which sets a wallet has, and erases others.
    async fn replace(
        &self,
        batch: Batch,
        wallet: SessionId,
        sets: Sets,
        erased: &[SessionId],
    ) -> Result<(), PairsFault> {
        let batch = records::put_list(batch, &wallet, sets.clone())?;
        let batch = erased.iter().fold(batch, |batch, other| batch.delete(Table::Pairs, row(&wallet, other)));
        self.store.commit(batch).await?;
        let mut memory = self.lock();
        memory.forget(&wallet, erased);
        memory.known.insert(wallet, sets);
        Ok(())
    }

    /// Notes whom this node has caught: from now on nothing is done with them in this wallet, and when this returns, also not after a restart. Before,
    /// nobody is told of it.
    ///
    /// # Errors
    /// The store's: then it is known until a restart, nobody is told, and [`Pairings::save`] tries again.
    pub(crate) async fn catch(
        &self,
        wallet: SessionId,
        session: SessionId,
        parties: &[PartyIndex],
        reason: &str,
    ) -> Result<(), PairsFault> {
        let caught = Caught { since: now_millis(), reason: reason.chars().take(512).collect() };
        let places: Vec<_> = {
            let mut memory = self.lock();
            memory.unsaved.extend(parties.iter().map(|party| ((wallet, *party), caught.clone())));
            let sets = memory.known.get(&wallet).into_iter().flat_map(BTreeMap::keys).chain([&session]);
            sets.filter_map(|set| memory.shared.get(set).cloned()).collect()
        };
        for place in places {
            let shared = place.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
            shared.iter().for_each(|shared| parties.iter().for_each(|party| shared.catch(*party)));
        }
        self.save().await
    }

    /// Writes down who was caught, of whom that is not on disk.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn save(&self) -> Result<(), PairsFault> {
        let _one_at_a_time = self.deciding.lock().await;
        let unsaved = self.lock().unsaved.clone();
        if unsaved.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::new();
        for ((wallet, party), caught) in &unsaved {
            let value = caught.to_wire().map_err(|error| PairsFault::Unreadable(error.to_string()))?;
            batch = batch.put(Table::Caught, party_row(wallet, *party), 0, Secret::new(value));
        }
        self.store.commit(batch).await?;
        let mut memory = self.lock();
        for (key @ (wallet, party), caught) in unsaved {
            // It may have been caught again meanwhile.
            if memory.unsaved.get(&key) == Some(&caught) {
                memory.unsaved.remove(&key);
            }
            memory.caught.entry(wallet).or_default().insert(party, caught);
        }
        Ok(())
    }
}

/// Whether a set takes the place of another one when it is active: if that is of no more parties, and came before.
fn replaces((session, set): &Set, (other_session, other): &Set) -> bool {
    set.parties.is_superset(&other.parties)
        && (set.parties.len() > other.parties.len() || (set.number, session) > (other.number, other_session))
}

/// A number for new pairs, after those that a node knows: the time, so that no number is ever out of reach.
pub(crate) fn next_number(latest: Option<u64>) -> u64 {
    latest.map_or(0, |latest| latest.saturating_add(1)).max(now_millis())
}

/// Whether a number is one that another node may have chosen by now.
pub(crate) fn is_due(number: u64) -> bool {
    number <= now_millis().saturating_add(SKEW)
}

/// Whether pairs may replace active ones: by a client's later word alone.
pub(crate) fn may_replace(active: Option<Renewal>, new: Option<Renewal>) -> bool {
    new.is_some_and(|new| active.is_none_or(|active| active.created < new.created))
}
