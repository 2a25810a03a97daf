//! What this node knows of requests: which ids are used, for what, and how far each has come.
//!
//! A request id is durable before anything that depends on it leaves the node, and its result before the node that made it
//! tells anybody.
//! So the identical request gets its first result, and another one under the same id is refused, across restarts.

mod memory;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use borsh::{BorshDeserialize, BorshSerialize};
use futures_util::{StreamExt as _, stream};
use quorate_keys::{Principal, Secret};
use quorate_request::{
    ApprovalRequest, ErrorBody, ErrorCode, MAX_LIFETIME, RequestId, RequestStatus, SessionResult,
    SessionView, Verified,
};
use quorate_session::Wire;
use tokio::sync::watch;

use memory::{Live, Memory};

use crate::approvals::Approvals;
use crate::authority::CLOCK_SKEW;
use crate::clock::seconds;
use crate::job;
use crate::store::{Batch, Precondition, Record, Store, StoreError, Table};

/// Rows by their keys.
type Rows = Vec<(Vec<u8>, Record)>;

/// Rows that are deleted at a time: the store does it with few commits.
const FORGOTTEN_AT_ONCE: usize = 256;

/// How a request ended here: its result, or why there is none.
pub(crate) type Ending = Result<SessionResult, ErrorBody>;

/// A request in the store.
#[derive(Debug, Clone, BorshSerialize, BorshDeserialize)]
struct Entry {
    fingerprint: [u8; 32],
    operation: String,
    /// Unix seconds until which the id must be remembered.
    until: u64,
}

impl Wire for Entry {
    const MAX_BYTES: usize = 256;
}

/// All requests this node has seen.
pub(crate) struct Ledger {
    store: Arc<Store>,
    approvals: Arc<Approvals>,
    live: Mutex<Memory>,
}

/// What to do with a request that has arrived.
pub(crate) enum Admission {
    /// It is new here, or an earlier try failed: work on it.
    New,
    /// It is being worked on: wait for this.
    Running(watch::Receiver<Option<Ending>>),
    /// It has its result.
    Done(Box<SessionResult>),
}

impl Ledger {
    pub(crate) fn new(store: Arc<Store>, approvals: Arc<Approvals>) -> Self {
        Self { store, approvals, live: Mutex::default() }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a request from a client.
    ///
    /// # Errors
    /// [`ErrorCode::RequestConflict`] when its id was used for another request.
    pub(crate) fn admit(&self, verified: &Verified) -> Result<Admission, ErrorBody> {
        let id = verified.request_id();
        let fingerprint = verified.request().fingerprint();
        let wallet_id = job::wallet_of(verified);
        let mut live = self.lock();
        if let Some(request) = live.get(id.as_str()) {
            if request.fingerprint != fingerprint {
                return Err(conflict(id));
            }
            match &*request.done.borrow() {
                None => return Ok(Admission::Running(request.done.subscribe())),
                Some(Ok(result)) => return Ok(Admission::Done(Box::new(result.clone()))),
                // Another node may have led it to a result since.
                Some(Err(_)) => {}
            }
        }
        if let Some(result) = self.known(id, &fingerprint)? {
            return Ok(Admission::Done(Box::new(result)));
        }
        let view = SessionView::new(id.clone(), verified.operation().to_string(), RequestStatus::Running);
        // Before anybody can see it: who may read of certain wallets alone is judged by it.
        let view = SessionView { wallet_id, ..view };
        let (view, done) = (watch::Sender::new(view), watch::Sender::new(None));
        live.insert(id.as_str(), Live { fingerprint, initiator: *verified.initiator(), view, done });
        Ok(Admission::New)
    }

    /// Where the ending of a request appears.
    pub(crate) fn watch(&self, id: &RequestId) -> Option<watch::Receiver<Option<Ending>>> {
        self.lock().get(id.as_str()).map(|request| request.done.subscribe())
    }

    /// The stored result of a request that was seen before.
    ///
    /// # Errors
    /// [`ErrorCode::RequestConflict`] when the id was used for another request; the store's.
    pub(crate) fn known(
        &self,
        id: &RequestId,
        fingerprint: &[u8; 32],
    ) -> Result<Option<SessionResult>, ErrorBody> {
        let Some(record) = self.store.get(Table::Requests, id.as_str()).map_err(|error| internal(&error))?
        else {
            return Ok(None);
        };
        let entry = Entry::from_wire(record.value.expose()).map_err(|error| internal(&error))?;
        if entry.fingerprint != *fingerprint {
            return Err(conflict(id));
        }
        let result = self.store.get(Table::Results, id.as_str()).map_err(|error| internal(&error))?;
        let Some(result) = result else { return Ok(None) };
        serde_json::from_slice(result.value.expose()).map(Some).map_err(|error| internal(&error))
    }

    /// The result of a request, from memory or the store.
    ///
    /// # Errors
    /// As for [`Ledger::known`].
    pub(crate) fn finished(
        &self,
        id: &RequestId,
        fingerprint: &[u8; 32],
    ) -> Result<Option<SessionResult>, ErrorBody> {
        if let Some(request) = self.lock().get(id.as_str()) {
            if request.fingerprint != *fingerprint {
                return Err(conflict(id));
            }
            if let Some(Ok(result)) = &*request.done.borrow() {
                return Ok(Some(result.clone()));
            }
        }
        self.known(id, fingerprint)
    }

    /// Whether a request's result is in memory.
    pub(crate) fn has_result(&self, id: &RequestId) -> bool {
        self.lock().get(id.as_str()).is_some_and(|request| matches!(&*request.done.borrow(), Some(Ok(_))))
    }

    /// Notes the result of a request that another node proposed, for whoever asks while this one runs. On disk it is only
    /// what was [settled](Self::settle), as the aggregator does before it tells anybody, and the other members do after.
    /// Whether it is in memory now: not if this node was asked for it, too, and has no ending or another one.
    pub(crate) fn learn(&self, verified: &Verified, result: &SessionResult) -> bool {
        let id = verified.request_id();
        if self.lock().get(id.as_str()).is_none()
            && let Ok(Admission::New) = self.admit(verified)
        {
            self.end(id, Ok(result.clone()));
        }
        self.has_result(id)
    }

    /// The changes that make a request durable.
    pub(crate) fn remember(&self, batch: Batch, verified: &Verified) -> Result<Batch, ErrorBody> {
        // As long as any signing of this request may be valid, not only this one: a client may sign it anew.
        let now = SystemTime::now();
        let until = verified.remember_until().max(now + MAX_LIFETIME + 2 * CLOCK_SKEW);
        let request = verified.request();
        // What authorizers have approved is done once: not again while any word that they may have said of it holds.
        let until = match self.approvals.concern(&request.fingerprint()) {
            true => until.max(now + 2 * ApprovalRequest::LONGEST + 2 * CLOCK_SKEW),
            false => until,
        };
        let entry = Entry {
            fingerprint: request.fingerprint(),
            operation: request.operation().to_string(),
            until: seconds(until),
        };
        let bytes =
            entry.to_wire().map_err(|error| ErrorBody::new(ErrorCode::Internal, error.to_string()))?;
        Ok(batch.put(Table::Requests, request.request_id().as_str(), 0, Secret::new(bytes)))
    }

    /// Makes a request durable, and its result with it.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn settle(&self, verified: &Verified, result: &SessionResult) -> Result<(), ErrorBody> {
        let batch = self.settled(verified, result)?;
        self.store.commit(batch).await.map_err(|error| not_ready(&error))
    }

    /// [`Ledger::settle`], when nobody waits for it: the result is durable elsewhere.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn settle_soon(
        &self,
        verified: &Verified,
        result: &SessionResult,
    ) -> Result<(), ErrorBody> {
        let batch = self.settled(verified, result)?;
        self.store.commit_soon(batch).await.map_err(|error| not_ready(&error))
    }

    fn settled(&self, verified: &Verified, result: &SessionResult) -> Result<Batch, ErrorBody> {
        let bytes = serde_json::to_vec(result).map_err(|error| internal(&error))?;
        let id = verified.request_id();
        Ok(self.remember(Batch::new(), verified)?.put(Table::Results, id.as_str(), 0, Secret::new(bytes)))
    }

    /// Tells everybody who waits how a request ended.
    pub(crate) fn end(&self, id: &RequestId, ending: Ending) {
        let mut live = self.lock();
        live.ended(id.as_str(), &ending);
        let Some(request) = live.get(id.as_str()) else { return };
        request.view.send_modify(|view| match &ending {
            Ok(result) => {
                view.status = RequestStatus::Completed;
                view.result = Some(result.clone());
            }
            Err(error) => {
                view.status = RequestStatus::Failed;
                view.error = Some(error.clone());
            }
        });
        request.done.send_replace(Some(ending));
    }

    /// Ends a request that nobody works on any more, if it has no ending.
    pub(crate) fn break_off(&self, id: &RequestId) {
        let without = self.lock().get(id.as_str()).is_some_and(|request| request.done.borrow().is_none());
        if without {
            let message = "the work on this request broke off; repeat it";
            self.end(id, Err(ErrorBody::new(ErrorCode::Internal, message)));
        }
    }

    /// Changes what is shown of a running request.
    pub(crate) fn update(&self, id: &RequestId, change: impl FnOnce(&mut SessionView)) {
        if let Some(request) = self.lock().get(id.as_str()) {
            request.view.send_modify(change);
        }
    }

    /// What is shown of a request, and every change of it, with who asked: only of one in memory, where all are that run.
    pub(crate) fn watch_view(&self, id: &RequestId) -> Option<(watch::Receiver<SessionView>, Principal)> {
        self.lock().get(id.as_str()).map(|request| (request.view.subscribe(), request.initiator))
    }

    /// What is shown of a request: of one that was asked of this node since its start, or whose result it has.
    ///
    /// # Errors
    /// The store's.
    #[cfg(test)]
    pub(crate) fn view(&self, id: &RequestId) -> Result<Option<SessionView>, StoreError> {
        Ok(self.seen(id)?.map(|(view, _)| view))
    }

    /// The same, and who asked, of one in memory.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn seen(
        &self,
        id: &RequestId,
    ) -> Result<Option<(SessionView, Option<Principal>)>, StoreError> {
        if let Some(request) = self.lock().get(id.as_str()) {
            return Ok(Some((request.view.borrow().clone(), Some(request.initiator))));
        }
        let Some(record) = self.store.get(Table::Requests, id.as_str())? else { return Ok(None) };
        let operation =
            Entry::from_wire(record.value.expose()).map_or_else(|_| String::new(), |entry| entry.operation);
        // Of a request without a result this node has taken part in an attempt, or was asked for it in an earlier life. It
        // may be running elsewhere, or have its result there: nothing to be called failed.
        let Some(result) = self.store.get(Table::Results, id.as_str())? else { return Ok(None) };
        let Ok(result) = serde_json::from_slice::<SessionResult>(result.value.expose()) else {
            return Ok(None);
        };
        let view = SessionView::new(id.clone(), operation, RequestStatus::Completed);
        let view = SessionView { wallet_id: result.wallet_id().cloned(), result: Some(result), ..view };
        Ok(Some((view, None)))
    }

    /// Forgets requests whose time is over. Their results go with them.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn forget_expired(&self, now: SystemTime) -> Result<usize, StoreError> {
        let (mut count, mut after) = (0_usize, None);
        loop {
            let (expired, next) = self.expired(now, after.as_deref())?;
            count = count.saturating_add(self.forget(expired).await?);
            let Some(next) = next else { return Ok(count) };
            after = Some(next);
            // There can be a million rows: requests that wait go first.
            tokio::task::yield_now().await;
        }
    }

    /// Of a page of requests those whose time is over, and where the next page begins.
    fn expired(&self, now: SystemTime, after: Option<&[u8]>) -> Result<(Rows, Option<Vec<u8>>), StoreError> {
        let now = seconds(now);
        let mut page = self.store.scan_after(Table::Requests, "", after, FORGOTTEN_AT_ONCE)?;
        page.records.retain(|(_, record)| {
            Entry::from_wire(record.value.expose()).is_ok_and(|entry| entry.until < now)
        });
        Ok((page.records, page.next))
    }

    /// Deletes rows and their results, but for those that have changed since they were read: a client has repeated the
    /// request, and it is to be remembered for longer.
    async fn forget(&self, rows: Rows) -> Result<usize, StoreError> {
        let forget = |(key, record): (Vec<u8>, Record)| {
            let unchanged = Precondition::Equals(record.value);
            let batch = Batch::new().require(Table::Requests, &key, unchanged);
            self.store.commit(batch.delete(Table::Requests, &key).delete(Table::Results, &key))
        };
        let mut forgotten = stream::iter(rows.into_iter().map(forget)).buffer_unordered(FORGOTTEN_AT_ONCE);
        let mut count = 0_usize;
        while let Some(done) = forgotten.next().await {
            match done {
                Ok(()) => count = count.saturating_add(1),
                Err(StoreError::Precondition { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(count)
    }
}

fn internal(error: &dyn std::fmt::Display) -> ErrorBody {
    ErrorBody::new(ErrorCode::Internal, error.to_string())
}

/// The store takes no write: another node may be asked for the same.
fn not_ready(error: &StoreError) -> ErrorBody {
    ErrorBody::new(ErrorCode::NotReady, error.to_string())
}

fn conflict(id: &RequestId) -> ErrorBody {
    let message = "this request id was used for another request; choose a new one";
    ErrorBody::new(ErrorCode::RequestConflict, message).with_session(id.clone())
}
