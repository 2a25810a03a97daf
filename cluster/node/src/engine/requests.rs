//! Clients' requests: taken once, worked on in a task of their own, and ended whatever becomes of it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

#[cfg(test)]
use quorate_request::SignedRequest;
use quorate_request::{ErrorBody, ErrorCode, Operation, RequestId, SessionResult, Verified};
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::{Busy, Engine};
use crate::ledger::{Admission, Ending};

/// How much longer a client waits than the request may take: for the reason why it failed.
const LAST_WORD: Duration = Duration::from_secs(1);
/// How long a client may wait for what nodes make ahead: a presignature takes a second.
const LONG_WORK: Duration = Duration::from_secs(1800);
/// How often expired requests are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(600);
/// What a request for which nobody waits takes of [`UNWAITED`] for each begun so many bytes of its body.
const UNWAITED_UNIT: usize = 16 * 1024;

/// A request that has been taken.
enum Begun {
    /// It has its result.
    Done(Box<SessionResult>),
    /// It is being worked on.
    Running(watch::Receiver<Option<Ending>>),
}

impl Engine {
    /// Answers a client's request: with its first result, however often it is repeated, where this node or one of those
    /// that it invites knows it.
    ///
    /// # Errors
    /// What the client is told.
    #[cfg(test)]
    pub(crate) async fn submit(self: &Arc<Self>, request: &SignedRequest) -> Ending {
        let verified = self.authority.verify(request).map_err(|error| crate::authority::refusal(&error))?;
        self.submit_verified(verified).await
    }

    /// [`Engine::submit`], for a request that has been verified.
    ///
    /// # Errors
    /// What the client is told.
    pub(crate) async fn submit_verified(self: &Arc<Self>, verified: Verified) -> Ending {
        let id = verified.request_id().clone();
        let patience = match verified.operation() {
            Operation::Presign | Operation::Auxiliary => LONG_WORK,
            _ => self.config.request_timeout.saturating_add(LAST_WORD),
        };
        let mut running = match self.begin(verified, None)? {
            Begun::Done(result) => return Ok(*result),
            Begun::Running(running) => running,
        };
        let ended = tokio::time::timeout(patience, running.wait_for(Option::is_some)).await;
        match ended {
            Ok(Ok(ending)) => match ending.clone() {
                Some(ending) => ending.map_err(|error| error.with_session(id)),
                None => Err(ErrorBody::new(ErrorCode::Internal, "the request was lost").with_session(id)),
            },
            Ok(Err(_)) => Err(ErrorBody::new(ErrorCode::Internal, "the request was lost").with_session(id)),
            Err(_) => Err(ErrorBody::new(
                ErrorCode::TimedOut,
                "there is no result yet; repeat the same request to learn it",
            )
            .with_session(id)),
        }
    }

    /// Takes a client's request without waiting for its result. Gives the result if it is there already.
    ///
    /// # Errors
    /// What the client is told: also that too many requests are in progress for which nobody waits.
    pub(crate) fn submit_unwaited(
        self: &Arc<Self>,
        verified: Verified,
    ) -> Result<Option<SessionResult>, ErrorBody> {
        let id = verified.request_id().clone();
        let size = verified.request().body().len().div_ceil(UNWAITED_UNIT).max(1);
        // A body that does not fit a u32 was refused long before.
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        let place = Arc::clone(&self.unwaited).try_acquire_many_owned(size).ok();
        let running = match self.begin(verified, Some(place))? {
            Begun::Done(result) => return Ok(Some(*result)),
            Begun::Running(running) => running,
        };
        let ending = running.borrow().clone();
        ending.transpose().map_err(|error| error.with_session(id))
    }

    /// Admits a request, and works on it if it is new. `unwaited`: nobody will wait for it; it needs a place then.
    fn begin(
        self: &Arc<Self>,
        verified: Verified,
        unwaited: Option<Option<OwnedSemaphorePermit>>,
    ) -> Result<Begun, ErrorBody> {
        let id = verified.request_id().clone();
        match self.ledger.admit(&verified)? {
            Admission::Done(result) => return Ok(Begun::Done(result)),
            Admission::Running(running) => return Ok(Begun::Running(running)),
            Admission::New => self.audit.requested(&verified),
        }
        let refused = if let Err(error) = self.check_remembers(verified.request()) {
            Some(error)
        } else if self.is_draining() {
            Some(ErrorBody::new(ErrorCode::ShuttingDown, "this node is shutting down; ask another"))
        } else if matches!(unwaited, Some(None)) {
            let message = "as many requests as allowed are in progress for which nobody waits";
            Some(ErrorBody::new(ErrorCode::TooManySessions, message))
        } else {
            None
        };
        if let Some(error) = refused {
            self.ledger.end(&id, Err(error.clone()));
            return Err(error.with_session(id));
        }
        self.work_on(verified, unwaited.flatten());
        match self.ledger.watch(&id) {
            Some(running) => Ok(Begun::Running(running)),
            None => Err(ErrorBody::new(ErrorCode::Internal, "the request was lost").with_session(id)),
        }
    }

    /// Works on a request in a task of its own: a client that goes away changes nothing.
    fn work_on(self: &Arc<Self>, verified: Verified, place: Option<OwnedSemaphorePermit>) {
        let engine = Arc::clone(self);
        let busy = Busy::new(self);
        let working = self.metrics.working(match verified.operation() {
            Operation::Keygen => "keygen",
            Operation::Sign => "sign",
            Operation::Refresh => "refresh",
            Operation::Reshare => "reshare",
            Operation::Rollback => "rollback",
            Operation::Presign => "presign",
            Operation::Auxiliary => "auxiliary",
            _ => "other",
        });
        let answered = Answered { engine: Arc::clone(self), id: Some(verified.request_id().clone()) };
        tokio::spawn(async move {
            let id = verified.request_id().clone();
            let ending: Result<SessionResult, ErrorBody> = engine.see_through(&verified).await;
            if let Err(error) = &ending {
                tracing::warn!(request = id.as_str(), code = %error.code, "{}", error.message);
            }
            engine.audit.ended(&verified, &ending);
            engine.metrics.ended(&working, &ending);
            drop(working);
            answered.with(ending);
            drop(busy);
            drop(place);
        });
    }

    /// Forgets requests whose time is over, until the node stops.
    pub(crate) async fn forget(self: Arc<Self>) {
        loop {
            tokio::time::sleep(FORGET_EVERY).await;
            match self.ledger.forget_expired(SystemTime::now()).await {
                Ok(0) => {}
                Ok(count) => tracing::debug!(count, "forgot expired requests"),
                Err(error) => tracing::warn!(%error, "expired requests could not be forgotten"),
            }
            if let Err(error) = self.approvals.forget(SystemTime::now()).await {
                tracing::warn!(%error, "approvals that are over could not be forgotten");
            }
            if let Err(error) = self.spendings.forget(SystemTime::now()).await {
                tracing::warn!(%error, "what was spent long ago could not be forgotten");
            }
        }
    }
}

/// Sees to it that a request has an ending even if the work on it breaks off.
struct Answered {
    engine: Arc<Engine>,
    /// None once it has its ending: from then on the same id may be that of a repetition, whose work goes on.
    id: Option<RequestId>,
}

impl Answered {
    fn with(mut self, ending: Ending) {
        if let Some(id) = self.id.take() {
            self.engine.ledger.end(&id, ending);
        }
    }
}

impl Drop for Answered {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            self.engine.ledger.break_off(&id);
        }
    }
}
