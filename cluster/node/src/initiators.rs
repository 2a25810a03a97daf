//! The keys that may ask: those that the policy or the configuration names, and what authorizers have changed of them since.
//!
//! A change is a request that an authorizer has signed, with as many approvals as the policy asks for: proof enough for every node,
//! whoever passes it on and whenever it arrives. It is never unmade, and which keys may ask follows from the set of changes alone, in
//! whatever order they have come: a key that was ever revoked may not.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_keys::{Identity, Principal, Secret};
use quorate_policy::Initiator;
use quorate_request::{
    Body, ErrorBody, ErrorCode, InitiatorChange, InitiatorStatus, InitiatorView, InitiatorsRequest,
    InitiatorsResponse, RequestId, SignedRequest,
};
use quorate_session::Wire;

use crate::approvals::Key;
use crate::clock::seconds;
use crate::store::{Batch, Store, StoreError, Table};

/// Changes that a node keeps. Who needs more writes them into the policy, and begins again.
pub(crate) const MAX_CHANGES: usize = 4096;
/// Changes that a peer is told at a time: the next ones once it has answered.
const TOLD: usize = 16;

/// The longest body of a change, in bytes: what it may say has half of it, and an entry of the audit log has room for it.
const MAX_BODY: usize = 1024;

/// A change as nodes pass it on: an authorizer's request, and the words of those who have approved it.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Proof {
    pub(crate) request: Vec<u8>,
    pub(crate) words: Vec<Vec<u8>>,
}

impl Proof {
    /// The most words of one that has been verified: more than a policy can ask for.
    pub(crate) const MAX_WORDS: usize = 48;
}

impl Wire for Proof {
    const MAX_BYTES: usize = 48 * 1024;
}

/// Whether the body of a request for a change is as short as it has to be.
///
/// # Errors
/// It is longer.
pub(crate) fn check_body(request: &SignedRequest) -> Result<(), ErrorBody> {
    if request.body().len() <= MAX_BODY {
        return Ok(());
    }
    let message = format!("the body of a change of initiators has at most {MAX_BODY} bytes");
    Err(ErrorBody::new(ErrorCode::BodyTooLarge, message))
}

/// A change that has been proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    /// The fingerprint of the request.
    pub(crate) fingerprint: Key,
    pub(crate) id: RequestId,
    pub(crate) key: Principal,
    /// Whose key it becomes; none if it is revoked.
    pub(crate) admitted_as: Option<String>,
    pub(crate) approved_by: BTreeSet<String>,
    /// When the request was signed, in Unix seconds.
    pub(crate) signed: u64,
    pub(crate) proof: Proof,
}

impl Change {
    /// What a request asks for, on the approval of these authorizers, both of which have been verified.
    ///
    /// # Errors
    /// The request means nothing.
    pub(crate) fn new(
        request: &SignedRequest,
        approved_by: BTreeSet<String>,
        proof: Proof,
    ) -> Result<Self, ErrorBody> {
        check_body(request)?;
        let asked = InitiatorsRequest::from_json(request.body(), request.request_id());
        let asked = asked.map_err(|error| ErrorBody::from(&error))?;
        let admitted_as = asked.admitted_as().map_err(|error| ErrorBody::from(&error))?;
        Ok(Self {
            fingerprint: request.fingerprint(),
            id: request.request_id().clone(),
            key: asked.key,
            admitted_as: admitted_as.map(ToOwned::to_owned),
            approved_by,
            signed: seconds(request.created()),
            proof,
        })
    }

    /// What it has done, for the log.
    pub(crate) fn told(&self) -> String {
        match &self.admitted_as {
            Some(name) => format!("a key of initiator {name} was admitted"),
            None => "a key was revoked: it may ask for nothing any more".to_owned(),
        }
    }

    /// What it does.
    pub(crate) const fn kind(&self) -> InitiatorChange {
        if self.admitted_as.is_some() { InitiatorChange::Admit } else { InitiatorChange::Revoke }
    }

    /// What the authorizer is told who has asked for it: by how many of the other nodes it is kept.
    pub(crate) fn response(
        &self,
        initiator: Option<String>,
        known_by: Vec<String>,
        not_yet_known_by: Vec<String>,
    ) -> InitiatorsResponse {
        InitiatorsResponse {
            session_id: self.id.clone(),
            change: self.kind(),
            key: self.key,
            initiator,
            approved_by: self.approved_by.iter().cloned().collect(),
            known_by,
            not_yet_known_by,
        }
    }
}

/// A key that may ask, or might once.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) initiator: Arc<Initiator>,
    status: InitiatorStatus,
    admitted: bool,
    changed: Option<u64>,
}

impl Known {
    pub(crate) fn is_active(&self) -> bool {
        self.status == InitiatorStatus::Active
    }

    /// Whether it was revoked: nothing makes it active again.
    pub(crate) fn is_revoked(&self) -> bool {
        self.status == InitiatorStatus::Revoked
    }

    fn view(&self) -> InitiatorView {
        let initiator = &self.initiator;
        InitiatorView {
            name: initiator.name().to_owned(),
            key: *initiator.key(),
            status: self.status,
            admitted: self.admitted,
            changed: self.changed,
            operations: initiator.operations().map(|operation| operation.name().to_owned()).collect(),
            wallets: initiator.wallets(),
            chains: initiator.chains(),
        }
    }
}

/// All keys that may ask, or might once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Initiators {
    known: HashMap<Principal, Known>,
    /// Also those that were taken out of the policy since.
    revoked: HashSet<Principal>,
}

impl Initiators {
    /// Those that are named, after these changes. `is_other`: keys that are none of an initiator, whatever is changed.
    pub(crate) fn after<'a>(
        named: &[Initiator],
        is_other: impl Fn(&Principal) -> bool,
        changes: impl IntoIterator<Item = &'a Change>,
    ) -> Self {
        let mut known: HashMap<Principal, Known> = HashMap::new();
        for initiator in named {
            let status =
                if initiator.is_retired() { InitiatorStatus::Retired } else { InitiatorStatus::Active };
            let initiator = Arc::new(initiator.clone());
            known.insert(*initiator.key(), Known { initiator, status, admitted: false, changed: None });
        }
        // Of two admissions of one key the same one counts at every node, which may keep one change as it was signed at different times.
        let mut changes: Vec<_> = changes.into_iter().collect();
        changes.sort_by_key(|change| change.fingerprint);
        for change in &changes {
            let Some(name) = &change.admitted_as else { continue };
            let as_whom = named.iter().find(|initiator| initiator.name() == name);
            let Some(as_whom) = as_whom.filter(|_| !is_other(&change.key)) else { continue };
            known.entry(change.key).or_insert_with(|| Known {
                initiator: Arc::new(as_whom.with_key(change.key)),
                status: if as_whom.is_retired() { InitiatorStatus::Retired } else { InitiatorStatus::Active },
                admitted: true,
                changed: Some(change.signed),
            });
        }
        let mut revoked = HashSet::new();
        for change in changes.iter().filter(|change| change.admitted_as.is_none()) {
            revoked.insert(change.key);
            if let Some(known) = known.get_mut(&change.key)
                && known.status != InitiatorStatus::Revoked
            {
                known.status = InitiatorStatus::Revoked;
                known.changed = Some(change.signed);
            }
        }
        Self { known, revoked }
    }

    /// Whether a key was ever revoked.
    pub(crate) fn is_revoked(&self, key: &Principal) -> bool {
        self.revoked.contains(key)
    }

    /// What is known of a key.
    pub(crate) fn get(&self, key: &Principal) -> Option<&Known> {
        self.known.get(key)
    }

    /// All of them, by name.
    pub(crate) fn views(&self) -> Vec<InitiatorView> {
        let mut views: Vec<_> = self.known.values().map(Known::view).collect();
        views.sort_by(|one, other| (&one.name, one.key.as_bytes()).cmp(&(&other.name, other.key.as_bytes())));
        views
    }
}

/// A change in the store, under its fingerprint: who had approved it is not looked up again, as the policy may be another one.
#[derive(Debug, BorshSerialize, BorshDeserialize)]
struct Row {
    proof: Proof,
    approved_by: BTreeSet<String>,
    /// Whether the audit log has it: not yet, if the node was stopped in between.
    logged: bool,
}

impl Wire for Row {
    const MAX_BYTES: usize = 64 * 1024;
}

#[derive(Default)]
struct State {
    changes: BTreeMap<Key, Arc<Change>>,
    /// Revocations that are not durable: they hold all the same, until the node stops.
    unkept: BTreeMap<Key, Arc<Change>>,
    /// Those that the audit log does not have, as the node was stopped in between, or could not write it.
    unlogged: BTreeSet<Key>,
    /// Those of which a peer has said that it keeps them.
    known_by: HashMap<Identity, HashSet<Key>>,
    /// The last that each peer was told of those that it lacks, in their order: once it answers, it is told the next ones, whether
    /// it has taken these or not.
    told: HashMap<Identity, Key>,
    /// Those that peers have told and this node does not take.
    refused: HashSet<Key>,
}

/// All changes that this node keeps, and who else does.
pub(crate) struct Changes {
    store: Arc<Store>,
    state: Mutex<State>,
    /// Held while one is written.
    writing: tokio::sync::Mutex<()>,
}

impl Changes {
    /// Those in the store.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn load(store: Arc<Store>) -> Result<Self, StoreError> {
        let mut state = State::default();
        let scan = store.scan(Table::Initiators, "")?;
        for damaged in scan.damaged {
            let row = hex::encode(&damaged.key);
            // It stays, for whoever looks into it. The other nodes have it, too.
            tracing::error!(row, "a change of initiators can't be read; it holds again once a peer tells it");
        }
        for (row, record) in scan.records {
            match read(record.value.expose()) {
                Ok((change, logged)) => {
                    if !logged {
                        state.unlogged.insert(change.fingerprint);
                    }
                    state.changes.insert(change.fingerprint, Arc::new(change));
                }
                Err(why) => tracing::error!(
                    row = hex::encode(&row),
                    "a change of initiators can't be read; it holds again once a peer tells it: {why}"
                ),
            }
        }
        Ok(Self { store, state: Mutex::new(state), writing: tokio::sync::Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The change of this fingerprint.
    pub(crate) fn get(&self, fingerprint: &Key) -> Option<Arc<Change>> {
        self.lock().changes.get(fingerprint).map(Arc::clone)
    }

    /// All of them, and revocations that could not be made durable so far.
    pub(crate) fn all(&self) -> Vec<Arc<Change>> {
        let state = self.lock();
        state.changes.values().chain(state.unkept.values()).map(Arc::clone).collect()
    }

    /// Their fingerprints.
    pub(crate) fn keys(&self) -> Vec<Key> {
        self.lock().changes.keys().copied().collect()
    }

    /// Makes a change durable. Whether it was not before.
    ///
    /// # Errors
    /// The store's, or there is no room: it is no change then, but for a revocation, which holds until this node stops.
    pub(crate) async fn keep(&self, change: Change) -> Result<bool, ErrorBody> {
        let _writing = self.writing.lock().await;
        {
            let mut state = self.lock();
            if state.changes.contains_key(&change.fingerprint) {
                return Ok(false);
            }
            if change.admitted_as.is_none() && state.unkept.len() < MAX_CHANGES {
                state.unkept.insert(change.fingerprint, Arc::new(change.clone()));
            }
            // There is always room for a key that is stolen.
            if state.changes.len() >= MAX_CHANGES && change.admitted_as.is_some() {
                let message = format!(
                    "initiators were changed {MAX_CHANGES} times: write what came of it into a new policy"
                );
                return Err(ErrorBody::new(ErrorCode::TooManySessions, message));
            }
        }
        let stored = self.store.commit(written(&change, false)?).await;
        stored.map_err(|error| ErrorBody::new(ErrorCode::NotReady, error.to_string()))?;
        let mut state = self.lock();
        state.unkept.remove(&change.fingerprint);
        state.changes.insert(change.fingerprint, Arc::new(change));
        Ok(true)
    }

    /// Revocations that are not durable.
    pub(crate) fn unkept(&self) -> Vec<Arc<Change>> {
        self.lock().unkept.values().map(Arc::clone).collect()
    }

    /// Whether this one holds, and is not durable.
    pub(crate) fn is_unkept(&self, fingerprint: &Key) -> bool {
        self.lock().unkept.contains_key(fingerprint)
    }

    /// Those that the audit log does not have.
    pub(crate) fn unlogged(&self) -> Vec<Arc<Change>> {
        let state = self.lock();
        state.unlogged.iter().filter_map(|key| state.changes.get(key)).map(Arc::clone).collect()
    }

    /// Notes whether the audit log has this one, durably. If this gets lost, it is written once more.
    pub(crate) async fn logged(&self, change: &Change, is_logged: bool) {
        let key = &change.fingerprint;
        if !is_logged {
            self.lock().unlogged.insert(*key);
            return;
        }
        self.lock().unlogged.remove(key);
        let Ok(batch) = written(change, true) else { return };
        if let Err(error) = self.store.commit_soon(batch).await {
            tracing::warn!(%error, "that a change of initiators is in the audit log could not be noted");
        }
    }

    /// A peer says that it keeps just these. Gives the first of those that it lacks.
    pub(crate) fn told(&self, by: &Identity, keys: Vec<Key>) -> Vec<Proof> {
        let mut state = self.lock();
        let known = keys.into_iter().filter(|key| state.changes.contains_key(key)).collect();
        state.known_by.insert(*by, known);
        state.lacking(by, Bound::Unbounded)
    }

    /// A peer says whether it keeps the one that it was told. Gives the next ones that it lacks, if that was the last one.
    pub(crate) fn heard(&self, by: &Identity, key: &Key, kept: bool) -> Vec<Proof> {
        if kept {
            self.is_kept_by(by, key);
        }
        let mut state = self.lock();
        if state.told.get(by) != Some(key) {
            return Vec::new();
        }
        state.lacking(by, Bound::Excluded(*key))
    }

    /// A peer has shown that it keeps this one.
    pub(crate) fn is_kept_by(&self, by: &Identity, key: &Key) {
        let mut state = self.lock();
        if state.changes.contains_key(key) {
            state.known_by.entry(*by).or_default().insert(*key);
        }
    }

    /// Whether a peer has said that it keeps this one.
    pub(crate) fn is_known_by(&self, by: &Identity, fingerprint: &Key) -> bool {
        self.lock().known_by.get(by).is_some_and(|keys| keys.contains(fingerprint))
    }

    /// This node does not take what a peer has told. Whether that is news.
    pub(crate) fn refuse(&self, fingerprint: Key) -> bool {
        let mut state = self.lock();
        if state.refused.len() >= MAX_CHANGES {
            state.refused.clear();
        }
        state.refused.insert(fingerprint)
    }
}

impl State {
    /// The next changes, in their order, that a peer lacks, of which it is now told.
    fn lacking(&mut self, by: &Identity, after: Bound<Key>) -> Vec<Proof> {
        let known = self.known_by.entry(*by).or_default();
        let lacking: Vec<_> = self
            .changes
            .range((after, Bound::Unbounded))
            .filter(|(key, _)| !known.contains(*key))
            .take(TOLD)
            .map(|(key, change)| (*key, change.proof.clone()))
            .collect();
        match lacking.last() {
            Some((last, _)) => self.told.insert(*by, *last),
            None => self.told.remove(by),
        };
        lacking.into_iter().map(|(_, proof)| proof).collect()
    }
}

/// The batch that writes a change.
fn written(change: &Change, logged: bool) -> Result<Batch, ErrorBody> {
    let row = Row { proof: change.proof.clone(), approved_by: change.approved_by.clone(), logged }.to_wire();
    let row = row.map_err(|error| ErrorBody::new(ErrorCode::Internal, error.to_string()))?;
    Ok(Batch::new().put(Table::Initiators, change.fingerprint, 0, Secret::new(row)))
}

/// A change as it is in the store, and whether the audit log has it.
fn read(row: &[u8]) -> Result<(Change, bool), String> {
    let Row { proof, approved_by, logged } = Row::from_wire(row).map_err(|error| error.to_string())?;
    let request = SignedRequest::decode(&proof.request).map_err(|error| error.to_string())?;
    let change = Change::new(&request, approved_by, proof).map_err(|error| error.message)?;
    Ok((change, logged))
}
