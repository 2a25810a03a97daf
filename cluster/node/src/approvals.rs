//! Requests that wait for authorizers, and what authorizers have said of requests.
//!
//! A word is signed by its authorizer, for the request of one fingerprint. It ends by itself, and a later word of the same
//! authorizer takes its place, for good: it is remembered for longer than any earlier one can hold. So nodes may hear of words
//! in any order, and more than once. Every node that takes part in a request counts the words for itself; the proposer sends
//! along those that it knows.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_keys::{Identity, Principal, Secret};
use quorate_request::{
    ApprovalRequest, ApprovalResponse, Decision, ErrorBody, ErrorCode, Operation, RequestId, SignedRequest,
    Verified, WaitingView, WalletId,
};
use quorate_session::Wire;

use crate::authority::{Authority, CLOCK_SKEW};
use crate::clock::{millis, seconds};
use crate::store::{Batch, Store, StoreError, Table};

/// A request's fingerprint.
pub(crate) type Key = [u8; 32];

/// The longest word, in bytes as nodes forward it.
pub(crate) const MAX_WORD: usize = 768;
/// For how long a request waits after its client has asked last: as long as the longest word holds.
const WAITS: Duration = ApprovalRequest::LONGEST;
/// Requests of one initiator that wait: the one that was asked for the longest time ago gives way.
const WAITING: usize = 256;
/// Bytes of them.
const WAITING_BYTES: usize = 4 * 1024 * 1024;
/// How much later a repetition is news, in milliseconds.
const AGAIN: u64 = 60_000;
/// Requests of which one authorizer may have said something that is remembered.
const WORDS: usize = 4096;
/// For how long a word is remembered after it was signed, over or not: until no earlier word of its authorizer can hold.
const REMEMBERED: Duration = ApprovalRequest::LONGEST;
/// Words that go along with an invitation: as many as a policy can ask for, and some rejections.
const SENT: usize = 48;

/// Whose approval a request needs.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Wanted {
    /// The rule that asks for it; none where all requests of the operation need it.
    pub(crate) rule: Option<String>,
    pub(crate) threshold: u16,
    pub(crate) of: Vec<String>,
}

impl Wanted {
    /// What the policy asks for, whatever an operation does.
    pub(crate) fn always(approvals: &quorate_policy::Approvals) -> Self {
        Self { rule: None, threshold: approvals.threshold(), of: approvals.of().to_vec() }
    }

    /// What a client is told when only these have approved.
    pub(crate) fn missing(&self, approved_by: &BTreeSet<String>) -> ErrorBody {
        let Self { rule, threshold, of } = self;
        let what = match rule {
            Some(rule) => format!("rule {rule:?} allows it"),
            None => "the policy allows it".to_owned(),
        };
        let given: Vec<_> =
            of.iter().filter(|name| approved_by.contains(*name)).map(String::as_str).collect();
        let so_far = if given.is_empty() {
            "nobody has so far".to_owned()
        } else {
            format!("so far: {}", given.join(", "))
        };
        let message = format!(
            "{what} once {threshold} of {} have approved: {so_far}; repeat the request then",
            of.join(", ")
        );
        ErrorBody::new(ErrorCode::ApprovalsMissing, message)
    }
}

/// What an authorizer has said of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) key: Key,
    pub(crate) authorizer: String,
    pub(crate) decision: Decision,
    /// Unix seconds.
    pub(crate) until: u64,
    signed: u64,
    by: Principal,
    id: RequestId,
    /// As nodes forward it.
    pub(crate) encoded: Arc<[u8]>,
}

impl Word {
    /// A word by the authorizer of this name, which has been verified.
    ///
    /// # Errors
    /// It is longer than any has to be.
    pub(crate) fn new(
        request: &SignedRequest,
        said: &ApprovalRequest,
        authorizer: String,
        until: SystemTime,
    ) -> Result<Self, ErrorBody> {
        let encoded = request.encode();
        if encoded.len() > MAX_WORD {
            let message = format!("an approval has at most {MAX_WORD} bytes");
            return Err(ErrorBody::new(ErrorCode::BodyTooLarge, message));
        }
        Ok(Self {
            key: *said.fingerprint.as_bytes(),
            authorizer,
            decision: said.decision,
            until: seconds(until),
            signed: seconds(request.created()),
            by: *request.initiator(),
            id: request.request_id().clone(),
            encoded: encoded.into(),
        })
    }

    fn holds(&self, now: u64) -> bool {
        now < self.until
    }

    /// Whether it held at a time, in Unix seconds, if there was no later one.
    pub(crate) fn held_at(&self, time: u64) -> bool {
        (self.signed..self.until).contains(&time)
    }

    /// When it was signed, in Unix seconds.
    pub(crate) const fn signed(&self) -> u64 {
        self.signed
    }

    /// Whether it counts now, if there is no later one.
    pub(crate) fn holds_now(&self) -> bool {
        self.holds(seconds(SystemTime::now()))
    }

    /// Whether it keeps nothing from counting any more.
    fn is_spent(&self, now: u64) -> bool {
        self.signed.saturating_add((REMEMBERED + CLOCK_SKEW).as_secs()) < now
    }

    /// Which of an authorizer's words counts: the later; of two that were signed in one second the rejection, and then any, but the
    /// same everywhere.
    fn rank(&self) -> (u64, bool, &[u8]) {
        (self.signed, self.decision == Decision::Reject, &self.encoded)
    }

    fn row(&self) -> Vec<u8> {
        [self.key.as_slice(), self.by.as_bytes()].concat()
    }

    /// What the authorizer is told.
    pub(crate) fn response(&self, known: bool) -> ApprovalResponse {
        ApprovalResponse {
            session_id: self.id.clone(),
            fingerprint: self.key.into(),
            authorizer: self.authorizer.clone(),
            decision: self.decision,
            valid_until: self.until,
            known,
        }
    }
}

/// A request that waits.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    pub(crate) key: Key,
    pub(crate) request: Arc<[u8]>,
    id: RequestId,
    operation: Operation,
    by: Principal,
    initiator: String,
    wallet: Option<WalletId>,
    wanted: Wanted,
    /// Unix milliseconds.
    asked: u64,
    /// The node that said so; none if it is this one.
    told_by: Option<Identity>,
}

impl Waiting {
    pub(crate) fn new(
        verified: &Verified,
        initiator: String,
        wallet: Option<WalletId>,
        wanted: Wanted,
        told_by: Option<Identity>,
    ) -> Self {
        let request = verified.request();
        Self {
            key: request.fingerprint(),
            request: request.encode().into(),
            id: request.request_id().clone(),
            operation: request.operation().clone(),
            by: *request.initiator(),
            initiator,
            wallet,
            wanted,
            asked: millis(request.created()),
            told_by,
        }
    }

    fn is_over(&self, now: u64) -> bool {
        self.asked / 1000 + WAITS.as_secs() < now
    }

    /// The wallet that it is about, if that is known.
    pub(crate) const fn wallet(&self) -> Option<&WalletId> {
        self.wallet.as_ref()
    }

    /// Who asked for it.
    pub(crate) const fn asked_by(&self) -> &Principal {
        &self.by
    }

    /// What they asked for.
    pub(crate) const fn operation(&self) -> &Operation {
        &self.operation
    }
}

/// A row of the store: a request that waits, under its fingerprint, or a word, under that and its authorizer.
#[derive(Debug, BorshSerialize, BorshDeserialize)]
enum Row {
    Waiting { request: Vec<u8>, initiator: String, wallet: Option<String>, wanted: Wanted },
    Word(Vec<u8>),
}

impl Wire for Row {
    const MAX_BYTES: usize = 2 * 1024 * 1024;
}

#[derive(Default)]
struct State {
    waiting: HashMap<Key, Waiting>,
    words: HashMap<Key, BTreeMap<String, Word>>,
    /// Words that are in memory alone, so far.
    unkept: HashSet<(Key, String)>,
    /// Rows that are nothing any more.
    stale: Vec<Vec<u8>>,
}

/// What became of a word that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It counts from now on.
    New,
    /// It, or a later one of its authorizer, was known.
    Known,
}

/// All that waits, and all that authorizers have said.
pub(crate) struct Approvals {
    store: Arc<Store>,
    state: Mutex<State>,
    /// Held while rows are written: each as memory has it then.
    writing: tokio::sync::Mutex<()>,
}

impl Approvals {
    /// Those in the store that still count under this policy.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn load(store: Arc<Store>, authority: &Authority) -> Result<Self, StoreError> {
        let (mut state, now) = (State::default(), seconds(SystemTime::now()));
        let scan = store.scan(Table::Approvals, "")?;
        for damaged in scan.damaged {
            let row = hex::encode(&damaged.key);
            tracing::error!(
                row,
                "a request that waits, or an approval, can't be read: let it be given again"
            );
            state.stale.push(damaged.key);
        }
        for (row, record) in scan.records {
            let read = Row::from_wire(record.value.expose()).map_err(|error| error.to_string());
            let taken = read.and_then(|read| match read {
                Row::Word(encoded) => {
                    let request = SignedRequest::decode(&encoded).map_err(|error| error.to_string())?;
                    let word = authority.word(&request).map_err(|error| error.message)?;
                    Ok(!word.is_spent(now) && state.hear(word))
                }
                Row::Waiting { request, initiator, wallet, wanted } => {
                    let request = SignedRequest::decode(&request).map_err(|error| error.to_string())?;
                    let operation = request.operation().clone();
                    let verified =
                        authority.verify_past(&request, &operation).map_err(|error| error.to_string())?;
                    let wallet = wallet.and_then(|wallet| wallet.parse().ok());
                    let (_, gone) = state.wait(Waiting::new(&verified, initiator, wallet, wanted, None), now);
                    state.stale.extend(gone.iter().map(|key| key.to_vec()));
                    Ok(state.waiting.contains_key(&request.fingerprint()))
                }
            });
            match taken {
                Ok(true) => {}
                Ok(false) => state.stale.push(row),
                Err(why) => {
                    tracing::warn!(
                        row = hex::encode(&row),
                        "a request that waits, or an approval, counts no more: {why}"
                    );
                    state.stale.push(row);
                }
            }
        }
        state.unkept.clear();
        Ok(Self { store, state: Mutex::new(state), writing: tokio::sync::Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a word in memory, where it counts at once. Whether it is to be [kept](Self::keep): it is news, or is not durable yet.
    ///
    /// # Errors
    /// It is long over, comes from the future, or its authorizer says too much.
    pub(crate) fn hear(&self, word: &Word) -> Result<Heard, ErrorBody> {
        let now = SystemTime::now();
        if word.is_spent(seconds(now)) {
            return Err(ErrorBody::new(ErrorCode::Expired, "the approval is over"));
        }
        if word.signed > seconds(now + CLOCK_SKEW) {
            return Err(ErrorBody::new(ErrorCode::NotYetValid, "the approval was signed in the future"));
        }
        let mut state = self.lock();
        let known = state.words.get(&word.key).and_then(|words| words.get(&word.authorizer));
        match known {
            Some(known) if known == word => {
                let is_kept = !state.unkept.contains(&(word.key, word.authorizer.clone()));
                return Ok(if is_kept { Heard::Known } else { Heard::New });
            }
            Some(known) if known.rank() >= word.rank() => return Ok(Heard::Known),
            // Who has said something of it may always say something else.
            Some(_) => {}
            None if state.words_of(&word.by) >= WORDS => {
                let message = format!("{} has spoken of {WORDS} requests within a week", word.authorizer);
                return Err(ErrorBody::new(ErrorCode::TooManySessions, message));
            }
            None => {}
        }
        state.hear(word.clone());
        Ok(Heard::New)
    }

    /// Makes a word durable that was heard, or the later one that has taken its place. Whether it was not before.
    ///
    /// # Errors
    /// The store's: it counts all the same, until this node stops, and is kept when it is heard again.
    pub(crate) async fn keep(&self, word: &Word) -> Result<bool, ErrorBody> {
        let _writing = self.writing.lock().await;
        let place = (word.key, word.authorizer.clone());
        let current = {
            let state = self.lock();
            let words = state.words.get(&word.key);
            words
                .and_then(|words| words.get(&word.authorizer))
                .filter(|_| state.unkept.contains(&place))
                .cloned()
        };
        let Some(current) = current else { return Ok(false) };
        let row = Row::Word(current.encoded.to_vec()).to_wire();
        let row = row.map_err(|error| ErrorBody::new(ErrorCode::Internal, error.to_string()))?;
        let batch = Batch::new().put(Table::Approvals, current.row(), 0, Secret::new(row));
        let stored = self.store.commit(batch).await;
        stored.map_err(|error| ErrorBody::new(ErrorCode::NotReady, error.to_string()))?;
        let mut state = self.lock();
        let is_same =
            state.words.get(&word.key).and_then(|words| words.get(&word.authorizer)) == Some(&current);
        if is_same {
            state.unkept.remove(&place);
        }
        Ok(true)
    }

    /// Whether exactly this word is known, of this request.
    pub(crate) fn knows_word(&self, key: &Key, encoded: &[u8]) -> bool {
        self.lock().words.get(key).is_some_and(|words| words.values().any(|word| *word.encoded == *encoded))
    }

    /// Who has approved a request, and not taken it back. `asker`: who asks for it as an authorizer, and so approves it.
    pub(crate) fn approved_by(&self, key: &Key, asker: Option<&str>) -> BTreeSet<String> {
        self.lock().approved_by(key, asker, seconds(SystemTime::now()))
    }

    /// What has been said of a request, as nodes forward it with an invitation: approvals first, as many as may be asked for.
    pub(crate) fn words(&self, key: &Key) -> Vec<Vec<u8>> {
        let now = seconds(SystemTime::now());
        let state = self.lock();
        let mut words: Vec<_> = state.words.get(key).into_iter().flat_map(BTreeMap::values).collect();
        words.sort_by_key(|word| (!word.holds(now), word.decision != Decision::Approve));
        words.into_iter().take(SENT).map(|word| word.encoded.to_vec()).collect()
    }

    /// The words that approve a request now, of authorizers of whom this holds, as nodes forward them.
    pub(crate) fn approvals(&self, key: &Key, by: impl Fn(&str) -> bool) -> Vec<Vec<u8>> {
        let now = seconds(SystemTime::now());
        let state = self.lock();
        let words = state.words.get(key).into_iter().flat_map(BTreeMap::values);
        let approve = words.filter(|word| word.decision == Decision::Approve && word.holds(now));
        approve.filter(|word| by(&word.authorizer)).map(|word| word.encoded.to_vec()).collect()
    }

    /// Whether anybody has said anything of a request.
    pub(crate) fn concern(&self, key: &Key) -> bool {
        self.lock().words.contains_key(key)
    }

    /// Whether this request waits.
    pub(crate) fn is_waiting(&self, key: &Key) -> bool {
        self.lock().waiting.contains_key(key)
    }

    /// Notes that a request waits. Whether that is news.
    ///
    /// # Errors
    /// The store's: it waits all the same, until this node stops.
    pub(crate) async fn wait(&self, waiting: Waiting) -> Result<bool, StoreError> {
        let _writing = self.writing.lock().await;
        let key = waiting.key;
        let row = Row::Waiting {
            request: waiting.request.to_vec(),
            initiator: waiting.initiator.clone(),
            wallet: waiting.wallet.as_ref().map(ToString::to_string),
            wanted: waiting.wanted.clone(),
        };
        let (is_new, gone) = self.lock().wait(waiting, seconds(SystemTime::now()));
        if !is_new {
            return Ok(false);
        }
        let mut batch = Batch::new();
        if let Ok(row) = row.to_wire() {
            batch = batch.put(Table::Approvals, key, 0, Secret::new(row));
        }
        for key in gone {
            batch = batch.delete(Table::Approvals, key);
        }
        self.store.commit(batch).await?;
        Ok(true)
    }

    /// This is what a request waits for, in memory: it is made out anew when the node starts.
    pub(crate) fn wants(&self, key: &Key, wanted: Wanted) {
        if let Some(waiting) = self.lock().waiting.get_mut(key) {
            waiting.wanted = wanted;
        }
    }

    /// A request waits no more. `by`: the node that says so, which is believed of what it has announced, or this node. Who lies
    /// hides it for as long as its client does not ask again.
    pub(crate) async fn over(&self, key: &Key, by: Option<&Identity>) -> Result<bool, StoreError> {
        let _writing = self.writing.lock().await;
        {
            let mut state = self.lock();
            let believed = |waiting: &Waiting| {
                by.is_none() || waiting.told_by.is_none() || waiting.told_by.as_ref() == by
            };
            if !state.waiting.get(key).is_some_and(believed) {
                return Ok(false);
            }
            state.waiting.remove(key);
        }
        self.store.commit(Batch::new().delete(Table::Approvals, key)).await?;
        Ok(true)
    }

    /// All that waits, the one that was asked for last at the end.
    pub(crate) fn waiting(&self) -> Vec<Waiting> {
        let mut all: Vec<_> = self.lock().waiting.values().cloned().collect();
        all.sort_by_key(|waiting| (waiting.asked, waiting.key));
        all
    }

    /// All words that were signed since a time, as nodes forward them: also those that are over, which keep earlier ones from
    /// counting.
    pub(crate) fn words_since(&self, time: SystemTime) -> Vec<Vec<u8>> {
        let (state, time) = (self.lock(), seconds(time));
        let words = state.words.values().flat_map(BTreeMap::values).filter(|word| word.signed >= time);
        words.map(|word| word.encoded.to_vec()).collect()
    }

    /// A request that waits, as the API shows it: with what its client has signed, or without. `asker`: who asks for it as an
    /// authorizer, and so approves it.
    pub(crate) fn view(&self, waiting: &Waiting, asker: Option<&str>, whole: bool) -> WaitingView {
        let state = self.lock();
        let now = seconds(SystemTime::now());
        let approved_by = state.approved_by(&waiting.key, asker, now);
        let rejected_by = state.by(&waiting.key, Decision::Reject, now);
        WaitingView {
            fingerprint: waiting.key.into(),
            session_id: waiting.id.clone(),
            operation: waiting.operation.to_string(),
            initiator: waiting.initiator.clone(),
            wallet_id: waiting.wallet.clone(),
            request: whole.then(|| waiting.request.to_vec().into()),
            rule: waiting.wanted.rule.clone(),
            threshold: waiting.wanted.threshold,
            of: waiting.wanted.of.clone(),
            approved_by: approved_by.into_iter().collect(),
            rejected_by: rejected_by.into_iter().collect(),
            asked_ms: waiting.asked,
        }
    }

    /// Forgets words that keep nothing from counting any more, and requests that have waited for too long.
    ///
    /// # Errors
    /// The store's: what is left is tried again.
    pub(crate) async fn forget(&self, now: SystemTime) -> Result<(), StoreError> {
        let _writing = self.writing.lock().await;
        let rows = {
            let mut state = self.lock();
            state.forget(seconds(now));
            state.stale.clone()
        };
        for row in rows {
            self.store.commit(Batch::new().delete(Table::Approvals, &row)).await?;
            self.lock().stale.retain(|stale| *stale != row);
        }
        Ok(())
    }
}

impl State {
    /// Whether it is the latest of its authorizer.
    fn hear(&mut self, word: Word) -> bool {
        let words = self.words.entry(word.key).or_default();
        if words.get(&word.authorizer).is_some_and(|known| known.rank() >= word.rank()) {
            return false;
        }
        self.unkept.insert((word.key, word.authorizer.clone()));
        let row = word.row();
        self.stale.retain(|stale| *stale != row);
        words.insert(word.authorizer.clone(), word);
        true
    }

    fn forget(&mut self, now: u64) {
        let Self { waiting, words, unkept, stale } = self;
        for words in words.values_mut() {
            words.retain(|authorizer, word| {
                let is_spent = word.is_spent(now);
                if is_spent {
                    unkept.remove(&(word.key, authorizer.clone()));
                    stale.push(word.row());
                }
                !is_spent
            });
        }
        words.retain(|_, words| !words.is_empty());
        waiting.retain(|key, waiting| {
            if waiting.is_over(now) {
                stale.push(key.to_vec());
            }
            !waiting.is_over(now)
        });
    }

    fn words_of(&self, by: &Principal) -> usize {
        self.words.values().flat_map(BTreeMap::values).filter(|word| word.by == *by).count()
    }

    fn approved_by(&self, key: &Key, asker: Option<&str>, now: u64) -> BTreeSet<String> {
        let mut by = self.by(key, Decision::Approve, now);
        // Until it takes that back.
        by.extend(
            asker.filter(|name| !self.by(key, Decision::Reject, now).contains(*name)).map(ToOwned::to_owned),
        );
        by
    }

    fn by(&self, key: &Key, decision: Decision, now: u64) -> BTreeSet<String> {
        let words = self.words.get(key).into_iter().flat_map(BTreeMap::values);
        let said = words.filter(|word| word.decision == decision && word.holds(now));
        said.map(|word| word.authorizer.clone()).collect()
    }

    /// Whether that is news, and which requests give way.
    fn wait(&mut self, waiting: Waiting, now: u64) -> (bool, Vec<Key>) {
        // Nor may it come from the future, where it would never be over.
        if waiting.is_over(now) || waiting.asked / 1000 > now.saturating_add(CLOCK_SKEW.as_secs()) {
            return (false, Vec::new());
        }
        let by = waiting.by;
        if let Some(known) = self.waiting.get_mut(&waiting.key) {
            if waiting.asked < known.asked.saturating_add(AGAIN) {
                return (false, Vec::new());
            }
            *known = waiting;
            return (true, Vec::new());
        }
        self.waiting.insert(waiting.key, waiting);
        let mut of_one: Vec<_> = self.waiting.values().filter(|waiting| waiting.by == by).collect();
        of_one.sort_by_key(|waiting| std::cmp::Reverse((waiting.asked, waiting.key)));
        let (mut bytes, mut gone) = (0_usize, Vec::new());
        for (number, waiting) in of_one.into_iter().enumerate() {
            bytes = bytes.saturating_add(waiting.request.len());
            if number >= WAITING || bytes > WAITING_BYTES {
                gone.push(waiting.key);
            }
        }
        gone.iter().for_each(|key| _ = self.waiting.remove(key));
        (true, gone)
    }
}
