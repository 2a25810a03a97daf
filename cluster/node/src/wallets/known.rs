//! The wallets in memory, by everything that they are looked up by.
//!
//! A certificate says that all members of a committee acknowledged a key; if none of them is honest, they can acknowledge the
//! key of another wallet, of which they hold nothing. An honest member is proof that it was made here, as its part of the key can't be
//! foreseen. So of two wallets of one key the one is meant that this node holds a share of; else the one with the
//! higher threshold: a committee of corrupted nodes alone is no larger than their number, which is below the
//! threshold of the wallet that they want to replace. In whatever order they come, every node decides alike.

use std::collections::HashMap;
use std::sync::Arc;

use quorate_request::WalletId;
use quorate_session::SessionId;

use super::{Census, Wallet};

#[derive(Default)]
pub(super) struct Known {
    by_id: HashMap<String, Vec<Named>>,
    /// The wallet that a key means, and whether this node holds a share of it.
    by_key: HashMap<Vec<u8>, (Arc<Wallet>, bool)>,
    by_session: HashMap<SessionId, Arc<Wallet>>,
    /// Those whose shares a resharing made: the key generation of the wallet.
    by_renewal: HashMap<SessionId, SessionId>,
    by_bucket: HashMap<u8, Vec<Arc<Wallet>>>,
    /// How many wallets a request made.
    by_request: HashMap<[u8; 32], usize>,
    census: Census,
}

/// A wallet among those of its name.
struct Named {
    wallet: Arc<Wallet>,
    /// Whether a refusal of it is known.
    refused: bool,
}

impl Named {
    /// Whether the name means the other one alone. One corrupted member can refuse a wallet at any time, long after it came
    /// to be: so only a committee that is too large to be corrupted as a whole takes its name for that.
    fn gives_way_to(&self, other: &Self) -> bool {
        let threshold = self.wallet.record.public.committee.threshold().get();
        self.refused && !other.refused && other.wallet.record.public.committee.len() >= usize::from(threshold)
    }
}

impl Known {
    /// Adds a wallet; gives another one of the same key, if there is one.
    pub(super) fn insert(&mut self, wallet: Arc<Wallet>, held: bool, refused: bool) -> Option<Arc<Wallet>> {
        let session = wallet.session();
        self.by_session.insert(session, Arc::clone(&wallet));
        if let Some(renewed) = &wallet.renewed {
            self.by_renewal.insert(renewed.session, session);
        }
        self.by_bucket.entry(Census::bucket_of(&session)).or_default().push(Arc::clone(&wallet));
        self.census.toggle(&wallet);
        let made = self.by_request.entry(wallet.fingerprint).or_default();
        *made = made.saturating_add(1);
        let named = Named { wallet: Arc::clone(&wallet), refused };
        self.by_id.entry(wallet.id.as_str().to_owned()).or_default().push(named);

        let key = wallet.public_key.as_bytes().to_vec();
        let rival = self.by_key.get(&key).cloned();
        if rival
            .as_ref()
            .is_none_or(|(rival, held_rival)| precedence(&wallet, held) > precedence(rival, *held_rival))
        {
            self.by_key.insert(key, (wallet, held));
        }
        rival.map(|(rival, _)| rival)
    }

    /// Puts a wallet in the place of itself at another epoch. `held`: whether this node holds a share of that.
    pub(super) fn replace(&mut self, wallet: &Arc<Wallet>, held: bool) {
        let session = wallet.session();
        let Some(before) = self.by_session.insert(session, Arc::clone(wallet)) else { return };
        self.by_renewal.remove(&before.generation());
        self.by_renewal.insert(wallet.generation(), session);
        self.census.toggle(&before);
        self.census.toggle(wallet);
        let named =
            self.by_id.get_mut(wallet.id.as_str()).into_iter().flatten().map(|named| &mut named.wallet);
        let in_bucket = self.by_bucket.get_mut(&Census::bucket_of(&session)).into_iter().flatten();
        for place in named.chain(in_bucket) {
            if place.session() == session {
                *place = Arc::clone(wallet);
            }
        }
        if let Some(of_key) = self.by_key.get_mut(wallet.public_key.as_bytes())
            && of_key.0.session() == session
        {
            *of_key = (Arc::clone(wallet), held);
        }
    }

    /// Notes that a refusal of a wallet is known.
    pub(super) fn refuse(&mut self, session: &SessionId) {
        let Some(wallet) = self.by_session.get(session) else { return };
        let named = self.by_id.get_mut(wallet.id.as_str()).into_iter().flatten();
        for named in named.filter(|named| named.wallet.session() == *session) {
            named.refused = true;
        }
    }

    /// The wallets that a name means: one, except after a fault of others.
    pub(super) fn named(&self, id: &WalletId) -> Vec<Arc<Wallet>> {
        let named = self.by_id.get(id.as_str()).map(Vec::as_slice).unwrap_or_default();
        let meant = named.iter().filter(|one| !named.iter().any(|other| one.gives_way_to(other)));
        meant.map(|named| Arc::clone(&named.wallet)).collect()
    }

    pub(super) fn of_key(&self, key: &[u8]) -> Option<&Arc<Wallet>> {
        self.by_key.get(key).map(|(wallet, _)| wallet)
    }

    pub(super) fn of_session(&self, session: &SessionId) -> Option<&Arc<Wallet>> {
        self.by_session.get(session)
    }

    pub(super) fn of_generation(&self, session: &SessionId) -> Option<&Arc<Wallet>> {
        match self.by_renewal.get(session) {
            Some(origin) => self.by_session.get(origin),
            None => self.by_session.get(session).filter(|wallet| wallet.renewed.is_none()),
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Wallet>> {
        self.by_session.values()
    }

    pub(super) fn bucket(&self, bucket: u8) -> &[Arc<Wallet>] {
        self.by_bucket.get(&bucket).map(Vec::as_slice).unwrap_or_default()
    }

    /// How many wallets a request made.
    pub(super) fn made_by(&self, fingerprint: &[u8; 32]) -> usize {
        self.by_request.get(fingerprint).copied().unwrap_or_default()
    }

    pub(super) fn census(&self) -> &Census {
        &self.census
    }
}

/// Which of two wallets of one key is meant: the greater one.
fn precedence(wallet: &Wallet, held: bool) -> (bool, u16, usize, SessionId) {
    let committee = &wallet.record.public.committee;
    (held, committee.threshold().get(), committee.len(), wallet.session())
}
