//! What the store keeps of pairs: each set under its wallet and the session that made it, and of each wallet a list of its sets, small enough
//! to be read and written often.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_dkls23::pairs::Pairs;
use quorate_keys::{Secret, wiping_stack};
use quorate_session::{SessionId, Wire};
use quorate_sharing::PartyIndex;

use super::PairsFault;
use crate::store::{Batch, Store, StoreError, Table};

/// A set of pairs, written once.
#[derive(Debug, BorshSerialize, BorshDeserialize)]
pub(super) struct Stored {
    pub(super) number: u64,
    pub(super) renewal: Option<Renewal>,
    pub(super) pairs: Pairs,
}

impl Wire for Stored {
    const MAX_BYTES: usize = Pairs::MAX_BYTES + 64;
}

/// A client's word that pairs be made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Renewal {
    /// Digest of the request.
    pub(crate) request: [u8; 32],
    /// When the client signed it, in milliseconds since 1970, to the second. The pairs before it are of an earlier word, or of none.
    pub(crate) created: u64,
    /// Whom this node caught before is taken back into the wallet; in milliseconds since 1970 by its own clock.
    pub(crate) pardons: u64,
}

/// A set of pairs without its secrets.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Known {
    /// Greater than that of all sets before.
    pub(crate) number: u64,
    pub(crate) renewal: Option<Renewal>,
    /// Whether all who have made it have it.
    pub(crate) active: bool,
    /// Who has made it: all holders, or those that were there.
    pub(crate) parties: BTreeSet<PartyIndex>,
}

/// The sets of one wallet, by the session that made them.
pub(super) type Sets = BTreeMap<SessionId, Known>;

#[derive(Debug, BorshSerialize, BorshDeserialize)]
struct List(Sets);

impl Wire for List {
    const MAX_BYTES: usize = 16 * 1024;
}

/// Who was caught, in the store by the wallet and the party: whatever pairs it was in, this node does nothing with it in this wallet any more, until a
/// client has pairs made anew.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Caught {
    /// Milliseconds since 1970.
    pub(crate) since: u64,
    pub(crate) reason: String,
}

impl Wire for Caught {
    const MAX_BYTES: usize = 4096;
}

pub(super) fn row(wallet: &SessionId, session: &SessionId) -> Vec<u8> {
    [wallet.as_bytes().as_slice(), session.as_bytes()].concat()
}

pub(super) fn party_row(wallet: &SessionId, party: PartyIndex) -> Vec<u8> {
    [wallet.as_bytes().as_slice(), &party.get().to_le_bytes()].concat()
}

/// Reads a set with its secrets.
///
/// # Errors
/// It is not there, or can't be read.
pub(super) fn stored(store: &Store, wallet: &SessionId, session: &SessionId) -> Result<Stored, PairsFault> {
    let record = store.get(Table::Pairs, row(wallet, session))?.ok_or(PairsFault::Absent)?;
    let read = wiping_stack(|| Stored::from_wire(record.value.expose()));
    read.map_err(|error| PairsFault::Unreadable(error.to_string()))
}

/// Writes the list of a wallet's sets.
///
/// # Errors
/// They are too many.
pub(super) fn put_list(batch: Batch, wallet: &SessionId, sets: Sets) -> Result<Batch, PairsFault> {
    let list = List(sets).to_wire().map_err(|error| PairsFault::Unreadable(error.to_string()))?;
    Ok(batch.put(Table::Pairs, wallet.as_bytes(), 0, Secret::new(list)))
}

/// Erases the list of a wallet's sets.
pub(super) fn delete_list(batch: Batch, wallet: &SessionId) -> Batch {
    batch.delete(Table::Pairs, wallet.as_bytes())
}

/// The sets of all wallets. One that no list names is as good as one that waits: the list is lost, and its holders know more.
///
/// # Errors
/// The store's; what is damaged is left out and logged.
pub(super) fn load(store: &Store) -> Result<HashMap<SessionId, Sets>, StoreError> {
    let (mut lists, mut rows) = (HashMap::new(), Vec::new());
    for key in store.keys(Table::Pairs, "")? {
        if let Ok(pair) = borsh::from_slice::<[SessionId; 2]>(&key) {
            rows.push(pair);
        } else if let Ok(wallet) = borsh::from_slice::<SessionId>(&key) {
            let record = store.get(Table::Pairs, &key).ok().flatten();
            match record.and_then(|record| List::from_wire(record.value.expose()).ok()) {
                Some(List(sets)) => {
                    lists.insert(wallet, sets);
                }
                None => tracing::error!(%wallet, "the list of a wallet's pairs is damaged"),
            }
        }
    }
    let mut known: HashMap<_, Sets> = HashMap::new();
    for [wallet, session] in rows {
        let listed = lists.get(&wallet).and_then(|sets| sets.get(&session)).cloned();
        let unlisted = || {
            let read = stored(store, &wallet, &session).inspect_err(|error| {
                tracing::error!(%wallet, %session, %error, "pairs of a wallet can't be read: have them made anew");
            });
            read.ok().map(|Stored { number, renewal, pairs }| {
                let parties = pairs.peers().chain([pairs.party()]).collect();
                Known { number, renewal, active: false, parties }
            })
        };
        if let Some(found) = listed.or_else(unlisted) {
            known.entry(wallet).or_default().insert(session, found);
        }
    }
    Ok(known)
}

/// Who was caught, in all wallets.
///
/// # Errors
/// The store's. What someone was caught at may be damaged: that it was still counts.
pub(super) fn load_caught(
    store: &Store,
) -> Result<HashMap<SessionId, BTreeMap<PartyIndex, Caught>>, StoreError> {
    let mut all: HashMap<_, BTreeMap<_, _>> = HashMap::new();
    for key in store.keys(Table::Caught, "")? {
        let Ok((wallet, party)) = borsh::from_slice::<(SessionId, PartyIndex)>(&key) else {
            tracing::error!(key = hex::encode(&key), "it can't be read who was caught cheating");
            continue;
        };
        let record = store.get(Table::Caught, &key).ok().flatten();
        let read = record.and_then(|record| Caught::from_wire(record.value.expose()).ok());
        let caught = read.unwrap_or_else(|| {
            tracing::error!(%wallet, %party, "what a node was caught at can't be read; that it was still counts");
            Caught { since: crate::clock::now_millis(), reason: "the record is damaged".into() }
        });
        all.entry(wallet).or_default().insert(party, caught);
    }
    Ok(all)
}
