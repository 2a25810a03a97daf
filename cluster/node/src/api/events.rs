//! Server-sent events: a session's view each time it changes, until it has ended.
//!
//! A reader that is slow misses views in between and holds no more than the latest: a stream keeps nothing but its end
//! of a watch channel. At most [`crate::engine`]'s number of streams are open, and all end when the node stops.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use quorate_request::{ErrorCode, RequestStatus, SessionView};
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::{Refusal, error};
use crate::engine::Engine;

/// How often a stream without news says that it is there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

struct Following {
    changes: watch::Receiver<SessionView>,
    closing: watch::Receiver<bool>,
    /// Whether the view of now was sent.
    begun: bool,
    ended: bool,
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
        self.ended = view.status != RequestStatus::Running;
        Some(view)
    }
}

/// The views of a session, from that of now to its last.
pub(super) fn follow(engine: &Engine, changes: watch::Receiver<SessionView>) -> Result<Response, Refusal> {
    let place = engine.watchers.clone().try_acquire_owned().map_err(|_| {
        error(
            ErrorCode::TooManySessions,
            "as many event streams as allowed are open; read the session instead",
        )
    })?;
    let following =
        Following { changes, closing: engine.closing(), begun: false, ended: false, _place: place };
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
