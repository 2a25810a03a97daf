//! What this node keeps to sign by DKLS23: of each wallet its pairs with the other holders, and whom it has caught cheating in them.
//!
//! Pairs are pending until all holders have stored them. A node proposes signatures only with what is active for it, and takes part with
//! what it has stored at all: who proposes knows that everybody has it, and who does not have it declines.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{SystemTime, UNIX_EPOCH};

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_dkls23::pairs::{Pairs, SharedPairs};
use quorate_keys::{Secret, wiping_stack};
use quorate_session::{SessionId, Wire};
use quorate_sharing::PartyIndex;

use crate::store::{Batch, Store, StoreError, Table};

/// Pairs that are kept in memory although no session uses them.
const IN_MEMORY: usize = 64;
/// Wallets held elsewhere of whose pairs a node was told.
const TOLD: usize = 4096;

/// In the store, by wallet and session.
#[derive(Debug, BorshSerialize, BorshDeserialize)]
struct Stored {
    pairs: Pairs,
    number: u64,
    active: bool,
}

impl Wire for Stored {
    const MAX_BYTES: usize = Pairs::MAX_BYTES + 16;
}

/// Who was caught, in the store by the wallet and the party: whatever pairs it was in, this node does nothing with it in this wallet any more.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Caught {
    /// Milliseconds since 1970.
    pub(crate) since: u64,
    pub(crate) reason: String,
}

impl Wire for Caught {
    const MAX_BYTES: usize = 4096;
}

/// Pairs without their secrets.
#[derive(Debug, Clone, Copy)]
struct Known {
    number: u64,
    active: bool,
}

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
    /// Held while it is written down what replaces what.
    deciding: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Memory {
    /// By wallet, and by the session that made them.
    known: HashMap<SessionId, BTreeMap<SessionId, Known>>,
    /// Who was caught, by wallet.
    caught: HashMap<SessionId, BTreeMap<PartyIndex, Caught>>,
    /// Who was caught, which is not on disk: nobody is to notice.
    unsaved: BTreeSet<(SessionId, PartyIndex)>,
    /// What sessions use. There is never a second one of the same pairs.
    shared: HashMap<SessionId, Weak<SharedPairs>>,
    /// The last ones used.
    recent: VecDeque<Arc<SharedPairs>>,
    /// Of wallets that others hold, as they say.
    told: HashMap<SessionId, SessionId>,
}

impl Memory {
    fn of(&self, wallet: &SessionId, session: &SessionId) -> Option<&Known> {
        self.known.get(wallet)?.get(session)
    }

    /// The latest active ones.
    fn active(&self, wallet: &SessionId) -> Option<SessionId> {
        let of_wallet = self.known.get(wallet)?.iter().filter(|(_, known)| known.active);
        of_wallet.max_by_key(|(session, known)| (known.number, **session)).map(|(session, _)| *session)
    }
}

impl Pairings {
    /// Loads what there is, without secrets.
    ///
    /// # Errors
    /// The store's; damaged records are left out and logged: new pairs take their place.
    pub(crate) fn load(store: Arc<Store>) -> Result<Self, StoreError> {
        let mut memory = Memory::default();
        let scan = store.scan(Table::Pairs, "")?;
        for damaged in scan.damaged {
            tracing::error!(record = %damaged, "the pairs of a wallet are damaged: let them be made anew");
        }
        for (key, record) in scan.records {
            let read = borsh::from_slice::<[SessionId; 2]>(&key).ok();
            let stored = wiping_stack(|| Stored::from_wire(record.value.expose()).ok());
            let Some(([wallet, session], stored)) = read.zip(stored) else {
                tracing::error!("the pairs of a wallet can't be read: let them be made anew");
                continue;
            };
            let known = Known { number: stored.number, active: stored.active };
            memory.known.entry(wallet).or_default().insert(session, known);
        }
        for key in store.keys(Table::Caught, "")? {
            let Some((wallet, party)) = borsh::from_slice::<(SessionId, PartyIndex)>(&key).ok() else {
                continue;
            };
            let record = store.get(Table::Caught, &key).ok().flatten();
            let read = record.and_then(|record| Caught::from_wire(record.value.expose()).ok());
            // Who it was is what counts.
            let caught = read.unwrap_or_else(|| {
                tracing::error!(%wallet, %party, "what a node was caught at can't be read; that it was still counts");
                Caught { since: 0, reason: "the record is damaged".into() }
            });
            memory.caught.entry(wallet).or_default().insert(party, caught);
        }
        Ok(Self { store, memory: Mutex::new(memory), deciding: tokio::sync::Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pairs with which to propose that a wallet signs: once those that another node has named, if this node has them or holds no share, else
    /// those that are active here.
    pub(crate) fn current(&self, wallet: &SessionId, is_holder: bool) -> Option<SessionId> {
        let mut memory = self.lock();
        let told = memory.told.get(wallet).copied();
        if !is_holder {
            return told;
        }
        // Somebody's word is good for one attempt.
        memory.told.remove(wallet);
        told.filter(|told| memory.of(wallet, told).is_some()).or_else(|| memory.active(wallet))
    }

    /// Those that are active here.
    pub(crate) fn active(&self, wallet: &SessionId) -> Option<SessionId> {
        self.lock().active(wallet)
    }

    /// Whether these are stored, active or not.
    pub(crate) fn has(&self, wallet: &SessionId, session: &SessionId) -> bool {
        self.lock().of(wallet, session).is_some()
    }

    /// The number of the latest, active or not.
    pub(crate) fn latest(&self, wallet: &SessionId) -> Option<u64> {
        self.lock().known.get(wallet)?.values().map(|known| known.number).max()
    }

    /// Another node says which ones are active.
    pub(crate) fn tell(&self, wallet: SessionId, session: SessionId) {
        let mut memory = self.lock();
        if memory.told.len() >= TOLD {
            memory.told.clear();
        }
        memory.told.insert(wallet, session);
    }

    /// The first of these parties that was caught in this wallet, and whether that is on disk.
    pub(crate) fn caught_among(
        &self,
        wallet: &SessionId,
        mut parties: impl Iterator<Item = PartyIndex>,
    ) -> Option<(PartyIndex, bool)> {
        let memory = self.lock();
        let caught = memory.caught.get(wallet);
        parties.find_map(|party| {
            if caught.is_some_and(|caught| caught.contains_key(&party)) {
                return Some((party, true));
            }
            memory.unsaved.contains(&(*wallet, party)).then_some((party, false))
        })
    }

    /// All who were caught, by wallet.
    pub(crate) fn caught(&self) -> Vec<(SessionId, PartyIndex, Caught)> {
        let memory = self.lock();
        let wallets = memory.caught.iter();
        let all = wallets
            .flat_map(|(wallet, caught)| caught.iter().map(move |(party, caught)| (wallet, party, caught)));
        all.map(|(wallet, party, caught)| (*wallet, *party, caught.clone())).collect()
    }

    /// The pairs, for a session: the same for all.
    ///
    /// # Errors
    /// They are not there, or can't be read.
    pub(crate) fn secret(
        &self,
        wallet: &SessionId,
        session: &SessionId,
    ) -> Result<Arc<SharedPairs>, PairsFault> {
        // Held while they are read: nobody else may read them at the same time.
        let mut memory = self.lock();
        if memory.of(wallet, session).is_none() {
            return Err(PairsFault::Absent);
        }
        let noted = memory.caught.get(wallet).into_iter().flat_map(BTreeMap::keys).copied();
        let unsaved = memory.unsaved.iter().filter(|(of, _)| of == wallet).map(|(_, party)| *party);
        let caught: Vec<_> = noted.chain(unsaved).collect();
        if let Some(shared) = memory.shared.get(session).and_then(Weak::upgrade) {
            return Ok(shared);
        }
        let pairs = wiping_stack(|| self.stored(wallet, session).map(|stored| stored.pairs))?;
        let shared = Arc::new(SharedPairs::new(pairs, caught));
        memory.shared.retain(|_, shared| shared.strong_count() > 0);
        memory.shared.insert(*session, Arc::downgrade(&shared));
        memory.recent.push_back(Arc::clone(&shared));
        if memory.recent.len() > IN_MEMORY {
            memory.recent.pop_front();
        }
        Ok(shared)
    }

    fn stored(&self, wallet: &SessionId, session: &SessionId) -> Result<Stored, PairsFault> {
        let record = self.store.get(Table::Pairs, row(wallet, session))?.ok_or(PairsFault::Absent)?;
        Stored::from_wire(record.value.expose()).map_err(|error| PairsFault::Unreadable(error.to_string()))
    }

    /// Stores new pairs before this node acknowledges them.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn store_pending(
        &self,
        wallet: SessionId,
        session: SessionId,
        number: u64,
        pairs: Pairs,
    ) -> Result<(), PairsFault> {
        let _one_at_a_time = self.deciding.lock().await;
        let older: Vec<_> = {
            let memory = self.lock();
            if memory.active(&wallet).is_some() {
                return Err(PairsFault::Replaced);
            }
            // Of runs that failed: of one wallet there is one at a time.
            memory.known.get(&wallet).into_iter().flat_map(BTreeMap::keys).copied().collect()
        };
        self.put(wallet, session, &Stored { pairs, number, active: false }, &older).await
    }

    /// All holders have stored them: from now on they are used, and those before them are erased. What is newer stays.
    ///
    /// # Errors
    /// The store's; or they are not there.
    pub(crate) async fn activate(&self, wallet: SessionId, session: SessionId) -> Result<(), PairsFault> {
        let _one_at_a_time = self.deciding.lock().await;
        let mut stored = wiping_stack(|| self.stored(&wallet, &session))?;
        stored.active = true;
        let older: Vec<_> = {
            let memory = self.lock();
            let order = |session: &SessionId, known: &Known| (known.number, *session);
            let of_wallet = memory.known.get(&wallet).into_iter().flatten();
            let this = (stored.number, session);
            if of_wallet.clone().any(|(other, known)| known.active && order(other, known) > this) {
                return Ok(());
            }
            of_wallet.filter(|(other, known)| order(other, known) < this).map(|(other, _)| *other).collect()
        };
        self.put(wallet, session, &stored, &older).await
    }

    /// Stores pairs in place of others.
    async fn put(
        &self,
        wallet: SessionId,
        session: SessionId,
        stored: &Stored,
        others: &[SessionId],
    ) -> Result<(), PairsFault> {
        let value = stored.to_wire().map_err(|error| PairsFault::Unreadable(error.to_string()))?;
        let batch = Batch::new().put(Table::Pairs, row(&wallet, &session), 0, Secret::new(value));
        let batch = others.iter().fold(batch, |batch, other| batch.delete(Table::Pairs, row(&wallet, other)));
        self.store.commit(batch).await?;
        let mut memory = self.lock();
        let of_wallet = memory.known.entry(wallet).or_default();
        of_wallet.retain(|known, _| !others.contains(known));
        let known = of_wallet.entry(session).or_insert(Known { number: stored.number, active: false });
        known.active |= stored.active;
        for other in others {
            memory.shared.remove(other);
            memory.recent.retain(|shared| shared.public().session != *other.as_bytes());
        }
        Ok(())
    }

    /// Notes whom this node has caught: from now on nothing is done with them in this wallet, and when this returns, also not after a restart. Before,
    /// nobody is told of it.
    ///
    /// # Errors
    /// The store's: then it is known until a restart, and still nobody is told.
    pub(crate) async fn catch(
        &self,
        wallet: SessionId,
        session: SessionId,
        parties: &[PartyIndex],
        reason: &str,
    ) -> Result<(), PairsFault> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let since = u64::try_from(since).unwrap_or(u64::MAX);
        let caught = Caught { since, reason: reason.chars().take(512).collect() };
        let value = caught.to_wire().map_err(|error| PairsFault::Unreadable(error.to_string()))?;
        let mut batch = Batch::new();
        {
            let mut memory = self.lock();
            let shared = memory.shared.get(&session).and_then(Weak::upgrade);
            for party in parties {
                memory.unsaved.insert((wallet, *party));
                shared.iter().for_each(|shared| shared.catch(*party));
                let key = borsh::to_vec(&(wallet, *party)).unwrap_or_default();
                batch = batch.put(Table::Caught, key, 0, Secret::new(value.clone()));
            }
        }
        self.store.commit(batch).await?;
        let mut memory = self.lock();
        for party in parties {
            memory.unsaved.remove(&(wallet, *party));
            memory.caught.entry(wallet).or_default().entry(*party).or_insert_with(|| caught.clone());
        }
        Ok(())
    }
}

fn row(wallet: &SessionId, session: &SessionId) -> Vec<u8> {
    [wallet.as_bytes().as_slice(), session.as_bytes()].concat()
}
