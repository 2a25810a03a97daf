//! Server-sent events: a session's view each time it changes, until it has ended.
//!
//! A reader that is slow misses views in between and holds no more than the latest: a stream keeps nothing but its end
//! of a watch channel. At most [`crate::engine`]'s number of streams are open, and all end when the node stops.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use quorate_keys::Principal;
use quorate_request::{ErrorCode, RequestStatus, SessionView};
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::reading::Reader;
use super::{Refusal, error};
use crate::engine::Engine;

/// How often a stream without news says that it is there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

struct Following {
    changes: watch::Receiver<SessionView>,
    closing: watch::Receiver<bool>,
    reader: Reader,
    /// The initiator that asked for the session.
    asked: Principal,
    /// Whether the view of now was sent.
    begun: bool,
    ended: bool,
    /// Whether the reader's key was not revoked meanwhile.
    may_be_heard: Box<dyn Fn() -> bool + Send + Sync>,
    _place: OwnedSemaphorePermit,
}

impl Following {
    /// The next view to send.
    async fn next(&mut self) -> Option<SessionView> {
        if self.ended {
            return None;
        }
        if self.begun {
            let Self { changes, closing, .. } = self;
            tokio::select! {
                changed = changes.changed() => changed.ok()?,
                // An error means that the node itself is gone.
                _ = closing.wait_for(|closing| *closing) => return None,
            }
        }
        self.begun = true;
        let view = self.changes.borrow_and_update().clone();
        if !(self.may_be_heard)() {
            return None;
        }
        // What was nobody's wallet may have turned out to be one that this reader may not read of.
        self.reader.check_session(&view, Some(&self.asked)).ok()?;
        self.ended = view.status != RequestStatus::Running;
        Some(view)
    }
}

/// The views of a session, from that of now to its last, as far as the reader may see them.
pub(super) fn follow(
    engine: &Arc<Engine>,
    changes: watch::Receiver<SessionView>,
    reader: Reader,
    asked: Principal,
) -> Result<Response, Refusal> {
    reader.check_session(&changes.borrow(), Some(&asked))?;
    let place = engine.watchers.clone().try_acquire_owned().map_err(|_| {
        error(
            ErrorCode::TooManySessions,
            "as many event streams as allowed are open; read the session instead",
        )
    })?;
    let closing = engine.closing();
    let (engine, by) = (Arc::clone(engine), reader.key());
    let may_be_heard = Box::new(move || by.is_none_or(|key| engine.authority.may_be_heard(&key)));
    let following = Following {
        changes,
        closing,
        reader,
        asked,
        begun: false,
        ended: false,
        may_be_heard,
        _place: place,
    };
    let events = stream::unfold(following, |mut following| async {
        let view = following.next().await?;
        Some((event(&view), following))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

/// The only view of a session that has ended.
pub(super) fn once(view: &SessionView) -> Response {
    Sse::new(stream::iter([event(view)])).into_response()
}

fn event(view: &SessionView) -> Result<Event, Infallible> {
    // A view has no map with other keys than text, so it always becomes JSON.
    Ok(Event::default().event("session").json_data(view).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_keys::{KeyType, Secret, SigningPrincipal};
    use quorate_request::Operation;
    use std::sync::atomic::{AtomicBool, Ordering};
    use tokio::sync::Semaphore;

    fn view(wallet: Option<&str>) -> SessionView {
        let view =
            SessionView::new("s".parse().unwrap(), Operation::Sign.to_string(), RequestStatus::Running);
        SessionView { wallet_id: wallet.map(|wallet| wallet.parse().unwrap()), ..view }
    }

    #[tokio::test]
    async fn events_end_when_the_wallet_turns_out_to_be_beyond_the_readers_scope_or_the_key_is_revoked() {
        let signer = SigningPrincipal::from_secret(KeyType::Ed25519, &Secret::new([1; 32])).unwrap();
        let asked = signer.principal();
        let policy = format!(
            "version: 1\ninitiators: {{desk: {{key: '{asked}', operations: [read], wallets: [hot]}}}}\nrules: []\n"
        );
        let policy = quorate_policy::Policy::read(policy.as_bytes()).unwrap();
        let reader = Reader::Initiator(Arc::new(policy.initiators()[0].clone()));
        let events = async |last: &str, is_revoked: bool| {
            let (changes, closing) = (watch::Sender::new(view(None)), watch::Sender::new(false));
            let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
            let revoked = Arc::new(AtomicBool::new(false));
            let revoke = Arc::clone(&revoked);
            let mut following = Following {
                changes: changes.subscribe(),
                closing: closing.subscribe(),
                reader: reader.clone(),
                asked,
                begun: false,
                ended: false,
                may_be_heard: Box::new(move || !(is_revoked && revoked.load(Ordering::Relaxed))),
                _place: place,
            };
            // Its own session, of which nobody knows the wallet yet.
            assert_eq!(following.next().await, Some(view(None)));
            revoke.store(true, Ordering::Relaxed);
            changes.send_replace(view(Some(last)));
            following.next().await
        };
        assert_eq!(events("hot", false).await, Some(view(Some("hot"))));
        assert_eq!(events("cold", false).await, None);
        assert_eq!(events("hot", true).await, None);
    }
}
