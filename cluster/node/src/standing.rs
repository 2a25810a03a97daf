//! How far this node has come, as it tells its peers, and how far they have: so that a node which was put back to an older
//! state, by a restored disk or a copied one, finds out from those who remember.
//!
//! A [`Standing`] is signed: the number of commits of the node's store, and the head of its audit log, now and when this run of
//! the node began. Peers keep the newest of each node, and show it to a node that asks. One that is ahead of where
//! the node began, and not of this run, means that the node has lost what it did in between. It then begins another *life*, which it
//! tells everybody, takes no requests that were signed before, and spends nothing that windows count until the others have told it what was
//! spent.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_audit::{NotObserved, Observed, Scope, SignedHead, Witness};
use quorate_keys::{Identity, Secret, Signature, SigningIdentity, Transcript};
use quorate_request::MAX_LIFETIME;
use quorate_session::Wire;
use rand_core::{CryptoRng, RngCore};

use crate::authority::CLOCK_SKEW;
use crate::clock::now_millis;
use crate::store::{Batch, Store, StoreError, Table};

/// How long a life lasts at the least.
const LIFE: Duration = Duration::from_secs(30);
/// Where the node's own life is kept.
const LIFE_ROW: &str = "life";

/// How far a node has come, by its own signed word.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Standing {
    /// How often the node has found itself put back.
    pub(crate) life: u64,
    /// Random for each run of the node.
    pub(crate) run: [u8; 16],
    /// Commits of its store, and entries of its audit log, when this run began.
    began: (u64, u64),
    /// Commits of its store.
    pub(crate) sequence: u64,
    /// Where its audit log stands.
    pub(crate) head: SignedHead,
    signature: Signature,
}

impl Wire for Standing {
    const MAX_BYTES: usize = 512;
}

impl Standing {
    fn digest(&self) -> [u8; 32] {
        let (store, log) = self.began;
        let head = &self.head.head;
        Transcript::new(b"quorate/standing/v1")
            .field("cluster", &head.scope.0)
            .field("node", head.owner.as_bytes())
            .field("life", &self.life.to_le_bytes())
            .field("run", &self.run)
            .field("began-store", &store.to_le_bytes())
            .field("began-log", &log.to_le_bytes())
            .field("sequence", &self.sequence.to_le_bytes())
            .field("log", &head.seq.to_le_bytes())
            .field("hash", &head.hash.0)
            .digest()
    }

    fn sign(
        life: u64,
        run: [u8; 16],
        began: (u64, u64),
        sequence: u64,
        head: SignedHead,
        signer: &SigningIdentity,
    ) -> Self {
        let signature = Signature::from_bytes([0; 64]);
        let unsigned = Self { life, run, began, sequence, head, signature };
        let signature = Signature::from_bytes(signer.sign(&unsigned.digest()));
        Self { signature, ..unsigned }
    }

    /// Whether the owner of the head signed it, in this cluster.
    fn verify(&self, scope: Scope) -> bool {
        let owner = &self.head.head.owner;
        self.head.head.scope == scope
            && owner.verify(&self.digest(), self.signature.as_bytes())
            && self.head.verify()
    }
}

/// What the node keeps of its own lives.
#[derive(Debug, Clone, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Life {
    number: u64,
    /// When it found itself put back, in Unix milliseconds.
    began: u64,
    /// The peers from which it has learned since what was spent.
    learned: BTreeSet<Identity>,
}

impl Life {
    /// The one that begins now, after another.
    fn after(number: u64) -> Self {
        // Rounded up, so that nothing signed until now counts as signed since.
        let began = now_millis().saturating_add(1);
        Self { number: number.saturating_add(1), began, learned: BTreeSet::new() }
    }
}

impl Wire for Life {
    const MAX_BYTES: usize = 64 * 1024;
}

struct State {
    life: Life,
    witness: Witness,
    known: BTreeMap<Identity, Standing>,
    /// Peers that have shown since the start of this run what they remember of this node.
    confirmed: BTreeSet<Identity>,
    /// The run of each peer before the one that is known.
    previous: BTreeMap<Identity, [u8; 16]>,
    /// When this life began, if it did in this run.
    since: Option<Instant>,
}

/// What a peer's standing is, beside the one that was known.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// It has gone on. It may be countersigned.
    Further,
    /// It comes late: of no use any more.
    Late,
    /// The node says that it was put back. Before, it was known to have come so far.
    Restored(Box<Standing>),
    /// It is behind what it was, or has written another history, and does not know.
    Behind(Box<Standing>, &'static str),
}

/// Where this node stands, and its peers.
pub(crate) struct Standings {
    store: Arc<Store>,
    me: Identity,
    scope: Scope,
    run: [u8; 16],
    /// Where this run began: the store, and the audit log.
    began: (u64, u64),
    state: Mutex<State>,
}

impl Standings {
    /// What the store knows. `head`: where the audit log stands as this run begins. `lost`: what was in the store of what
    /// was spent can't be read, so that the node has to learn it from the others.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn load(
        store: Arc<Store>,
        head: SignedHead,
        lost: bool,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<Self, StoreError> {
        let scope = head.head.scope;
        let me = head.head.owner;
        let mut witness = Witness::new(scope);
        let mut known = BTreeMap::new();
        let scan = store.scan(Table::Standings, "")?;
        for name in scan.damaged {
            tracing::warn!(%name, "what was known of a peer can't be read");
        }
        for (_, record) in scan.records {
            match Standing::from_wire(record.value.expose()) {
                Ok(standing) if standing.verify(scope) => {
                    witness.observe(standing.head).ok();
                    known.insert(standing.head.head.owner, standing);
                }
                _ => tracing::warn!("what was known of a peer makes no sense"),
            }
        }
        let life = match store.get(Table::Meta, LIFE_ROW) {
            Ok(None) => Life::default(),
            Ok(Some(record)) => Life::from_wire(record.value.expose()).unwrap_or_else(|_| Life::after(0)),
            // What it has lost it can't tell.
            Err(StoreError::DamagedRecord { .. }) => Life::after(0),
            Err(error) => return Err(error),
        };
        let life = if lost { Life::after(life.number) } else { life };
        let mut run = [0; 16];
        rng.fill_bytes(&mut run);
        let began = (store.sequence(), head.head.seq);
        let state = Mutex::new(State {
            life,
            witness,
            known,
            confirmed: BTreeSet::new(),
            previous: BTreeMap::new(),
            since: None,
        });
        Ok(Self { store, me, scope, run, began, state })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where this node stands now.
    pub(crate) fn mine(&self, head: SignedHead, signer: &SigningIdentity) -> Standing {
        let life = self.lock().life.number;
        Standing::sign(life, self.run, self.began, self.store.sequence(), head, signer)
    }

    /// What is known of a peer.
    pub(crate) fn known(&self, peer: &Identity) -> Option<Standing> {
        self.lock().known.get(peer).cloned()
    }

    /// Takes a peer's word of where it stands.
    ///
    /// # Errors
    /// It is not the peer's, or of another cluster.
    pub(crate) fn see(&self, peer: &Identity, seen: &Standing) -> Result<Seen, &'static str> {
        if seen.head.head.owner != *peer || !seen.verify(self.scope) {
            return Err("it is not signed by that node for this cluster");
        }
        let mut state = self.lock();
        let known = state.known.get(peer).cloned();
        let Some(known) = known else {
            state.witness.observe(seen.head).ok();
            state.known.insert(*peer, seen.clone());
            return Ok(Seen::Further);
        };
        if seen.life > known.life {
            state.previous.remove(peer);
            state.witness.forget(peer);
            state.witness.observe(seen.head).ok();
            state.known.insert(*peer, seen.clone());
            return Ok(Seen::Restored(Box::new(known)));
        }
        let behind = |why| Ok(Seen::Behind(Box::new(known.clone()), why));
        if seen.life < known.life {
            return behind("it does not know that it was put back once");
        }
        if state.previous.get(peer) == Some(&seen.run)
            || (seen.run == known.run && seen.sequence < known.sequence)
        {
            return Ok(Seen::Late);
        }
        let (store, log) = seen.began;
        if seen.run != known.run && (store < known.sequence || log < known.head.head.seq) {
            return behind("it was started on an older copy of its files");
        }
        match state.witness.observe(seen.head) {
            Err(NotObserved::Signature | NotObserved::Scope) => Err("its head is not signed"),
            Err(_) => Err("its head is refused"),
            Ok(Observed::Late { .. }) => Ok(Seen::Late),
            Ok(Observed::Older { .. }) => behind("its audit log was cut, or an older copy was put back"),
            Ok(Observed::Fork(_)) => behind("it has written two histories into its audit log"),

            Ok(Observed::New | Observed::Same) => {
                if seen.run != known.run {
                    state.previous.insert(*peer, known.run);
                }
                state.known.insert(*peer, seen.clone());
                Ok(Seen::Further)
            }
        }
    }

    /// Keeps what is known of a peer.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn keep(&self, peer: &Identity) -> Result<(), StoreError> {
        let Some(Ok(bytes)) = self.known(peer).map(|standing| standing.to_wire()) else { return Ok(()) };
        let batch = Batch::new().put(Table::Standings, peer.as_bytes(), 0, Secret::new(bytes));
        self.store.commit_soon(batch).await
    }

    /// Takes what a peer remembers of this node. Gives it if this node has been put back behind it: once in a run for what
    /// was known before.
    ///
    /// # Errors
    /// It is not this node's own word.
    pub(crate) fn shown(
        &self,
        peer: Identity,
        mine: Option<&Standing>,
    ) -> Result<Option<Standing>, &'static str> {
        let mut state = self.lock();
        if let Some(mine) = mine {
            if mine.head.head.owner != self.me || !mine.verify(self.scope) {
                return Err("this node has not signed it");
            }
            let of_this_run = mine.run == self.run;
            let (store, log) = self.began;
            let ahead = mine.sequence > store || mine.head.head.seq > log;
            let lost = mine.life > state.life.number || (mine.life == state.life.number && ahead);
            if !of_this_run && lost {
                // One that runs twice would have one life after another.
                if state.since.is_some_and(|since| since.elapsed() < LIFE) {
                    return Err("this node has just begun another life");
                }
                state.since = Some(Instant::now());
                state.life = Life::after(mine.life);
                state.confirmed.insert(peer);
                return Ok(Some(mine.clone()));
            }
        }
        state.confirmed.insert(peer);
        Ok(None)
    }

    /// Makes this node's life durable.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn keep_life(&self) -> Result<(), StoreError> {
        let life = self.lock().life.to_wire();
        // A hundred nodes have four kilobytes.
        let Ok(bytes) = life else { return Ok(()) };
        self.store.commit(Batch::new().put(Table::Meta, LIFE_ROW, 0, Secret::new(bytes))).await
    }

    /// Whether this node was put back, and has not learned from all others since: until nothing that it has lost counts any more, which
    /// is after so many seconds.
    pub(crate) fn is_restored(&self, others: usize, horizon: u64) -> bool {
        let state = self.lock();
        let forgotten = UNIX_EPOCH + Duration::from_millis(state.life.began) + Duration::from_secs(horizon);
        state.life.number > 0 && state.life.learned.len() < others && SystemTime::now() < forgotten
    }

    /// The name of this run of the node.
    pub(crate) const fn run(&self) -> &[u8; 16] {
        &self.run
    }

    /// How often this node has found itself put back.
    pub(crate) fn life(&self) -> u64 {
        self.lock().life.number
    }

    /// Those of some peers that have not shown yet what they remember of this node.
    pub(crate) fn unconfirmed(&self, peers: impl Iterator<Item = Identity>) -> Vec<Identity> {
        let state = self.lock();
        peers.filter(|peer| *peer != self.me && !state.confirmed.contains(peer)).collect()
    }

    /// This node has learned from a peer all that was spent. Whether that is news.
    pub(crate) fn learned_from(&self, peer: Identity) -> bool {
        self.lock().life.learned.insert(peer)
    }

    /// From which peers it has learned in this life.
    pub(crate) fn learned(&self) -> BTreeSet<Identity> {
        self.lock().life.learned.clone()
    }

    /// Whether this node knows of all requests that it has acted on and that were signed at that time: not if it was put back
    /// since then.
    pub(crate) fn knows_requests_of(&self, created: SystemTime) -> bool {
        self.put_back_lately().is_none_or(|began| created >= began)
    }

    /// When this node found itself put back, for as long as requests that were signed before can be valid.
    pub(crate) fn put_back_lately(&self) -> Option<SystemTime> {
        let state = self.lock();
        let began = UNIX_EPOCH + Duration::from_millis(state.life.began);
        let is_over = SystemTime::now() > began + MAX_LIFETIME + 2 * CLOCK_SKEW;
        (state.life.number > 0 && !is_over).then_some(began)
    }
}
