//! What this node keeps to sign by DKLS23: of each wallet its pairs with the other holders, and whom it has caught cheating in them.
//!
//! Pairs are pending until all holders have stored them. A node proposes signatures only with what is active for it, and takes part with
//! what it has stored at all: who proposes knows that everybody has it, and who does not have it declines.

use std::collections::{BTreeMap, HashMap, VecDeque};
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

/// Who was caught, in the store by the session that made the pairs, and the party.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Caught {
    /// The wallet.
    pub(crate) wallet: SessionId,
    pub(crate) party: PartyIndex,
    /// Milliseconds since 1970.
    pub(crate) since: u64,
    pub(crate) reason: String,
}

impl Wire for Caught {
    const MAX_BYTES: usize = 4096;
}

/// Pairs without their secrets.
#[derive(Debug, Clone)]
struct Known {
    number: u64,
    active: bool,
    caught: BTreeMap<PartyIndex, Caught>,
}

/// Why there are none to work with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PairsFault {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("this node has no such pairs")]
    Absent,
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
            let known = Known { number: stored.number, active: stored.active, caught: BTreeMap::new() };
            memory.known.entry(wallet).or_default().insert(session, known);
        }
        let scan = store.scan(Table::Caught, "")?;
        for damaged in scan.damaged {
            // Whom it is about is not known: nobody is trusted with any pairs any more.
            tracing::error!(record = %damaged, "who was caught cheating can't be read: let all pairs be made anew");
            memory.known.clear();
        }
        for (key, record) in scan.records {
            let session =
                key.first_chunk::<32>().and_then(|session| borsh::from_slice::<SessionId>(session).ok());
            match session.zip(Caught::from_wire(record.value.expose()).ok()) {
                Some((session, caught)) => {
                    let of_wallet = memory.known.get_mut(&caught.wallet);
                    if let Some(known) = of_wallet.and_then(|sessions| sessions.get_mut(&session)) {
                        known.caught.insert(caught.party, caught);
                    }
                }
                None => memory.known.clear(),
            }
        }
        Ok(Self { store, memory: Mutex::new(memory), deciding: tokio::sync::Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pairs with which a wallet signs: those that are active here, or those of which the others have told.
    pub(crate) fn current(&self, wallet: &SessionId) -> Option<SessionId> {
        let memory = self.lock();
        memory.active(wallet).or_else(|| memory.told.get(wallet).copied())
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

    /// The first of these parties that was caught in these pairs.
    pub(crate) fn caught_among(
        &self,
        wallet: &SessionId,
        session: &SessionId,
        parties: impl Iterator<Item = PartyIndex>,
    ) -> Option<PartyIndex> {
        let memory = self.lock();
        let caught = &memory.of(wallet, session)?.caught;
        let mut parties = parties;
        parties.find(|party| caught.contains_key(party))
    }

    /// All who were caught, in pairs that have not been replaced.
    pub(crate) fn caught(&self) -> Vec<Caught> {
        let memory = self.lock();
        let known = memory.known.values().flat_map(BTreeMap::values);
        known.flat_map(|known| known.caught.values().cloned()).collect()
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
        let caught: Vec<_> = match memory.of(wallet, session) {
            Some(known) => known.caught.keys().copied().collect(),
            None => return Err(PairsFault::Absent),
        };
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
        self.put(wallet, session, &Stored { pairs, number, active: false }, &[]).await
    }

    /// All holders have stored them: from now on they are used, and those before them are erased, with whom they caught. What is newer
    /// stays.
    ///
    /// # Errors
    /// The store's; or they are not there.
    pub(crate) async fn activate(&self, wallet: SessionId, session: SessionId) -> Result<(), PairsFault> {
        let _one_at_a_time = self.deciding.lock().await;
        let mut stored = wiping_stack(|| self.stored(&wallet, &session))?;
        stored.active = true;
        let older: Vec<_> = {
            let memory = self.lock();
            let of_wallet = memory.known.get(&wallet).into_iter().flatten();
            of_wallet
                .filter(|(other, known)| (known.number, **other) < (stored.number, session))
                .map(|(other, known)| (*other, known.caught.keys().copied().collect::<Vec<_>>()))
                .collect()
        };
        self.put(wallet, session, &stored, &older).await
    }

    /// Stores pairs in place of others.
    async fn put(
        &self,
        wallet: SessionId,
        session: SessionId,
        stored: &Stored,
        others: &[(SessionId, Vec<PartyIndex>)],
    ) -> Result<(), PairsFault> {
        let value = stored.to_wire().map_err(|error| PairsFault::Unreadable(error.to_string()))?;
        let mut batch = Batch::new().put(Table::Pairs, row(&wallet, &session), 0, Secret::new(value));
        for (other, caught) in others {
            batch = batch.delete(Table::Pairs, row(&wallet, other));
            batch = caught
                .iter()
                .fold(batch, |batch, party| batch.delete(Table::Caught, caught_row(other, *party)));
        }
        self.store.commit(batch).await?;
        let mut memory = self.lock();
        let of_wallet = memory.known.entry(wallet).or_default();
        of_wallet.retain(|known, _| others.iter().all(|(other, _)| other != known));
        let known = of_wallet.entry(session).or_insert_with(|| Known {
            number: stored.number,
            active: false,
            caught: BTreeMap::new(),
        });
        known.active |= stored.active;
        Ok(())
    }

    /// Notes whom this node has caught: from now on nothing is done with them, and when this returns, also not after a restart.
    ///
    /// # Errors
    /// The store's: then it is noted until a restart.
    pub(crate) async fn catch(
        &self,
        wallet: SessionId,
        session: SessionId,
        parties: &[PartyIndex],
        reason: &str,
    ) -> Result<(), PairsFault> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let since = u64::try_from(since).unwrap_or(u64::MAX);
        let reason: String = reason.chars().take(512).collect();
        let mut batch = Batch::new();
        for party in parties {
            let caught = Caught { wallet, party: *party, since, reason: reason.clone() };
            let value = caught.to_wire().map_err(|error| PairsFault::Unreadable(error.to_string()))?;
            batch = batch.put(Table::Caught, caught_row(&session, *party), 0, Secret::new(value));
            let mut memory = self.lock();
            if let Some(known) = memory.known.get_mut(&wallet).and_then(|known| known.get_mut(&session)) {
                known.caught.insert(*party, caught);
            }
        }
        Ok(self.store.commit(batch).await?)
    }
}

fn row(wallet: &SessionId, session: &SessionId) -> Vec<u8> {
    [wallet.as_bytes().as_slice(), session.as_bytes()].concat()
}

fn caught_row(session: &SessionId, party: PartyIndex) -> Vec<u8> {
    [session.as_bytes().as_slice(), &party.get().to_le_bytes()].concat()
}
