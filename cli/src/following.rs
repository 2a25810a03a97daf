//! How far a request is, as the node says that works on it, for whoever waits for its answer.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quorate_client::Client;
use quorate_request::{Phase, Progress, RequestId, SessionView};

use crate::progress::bar;

/// What is answered sooner is not asked about, and a node that tells nothing is not asked more often.
const PAUSE: Duration = Duration::from_secs(1);

/// What was told last.
#[derive(Clone, Default)]
pub(crate) struct Told(Arc<Mutex<Option<Progress>>>);

impl Told {
    /// Asks how far a request is, until nobody wants to know. Only the node that works on it knows: each client asks
    /// another one first.
    pub(crate) async fn follow(&self, clients: &[Client], id: &RequestId) -> Infallible {
        loop {
            for client in clients {
                tokio::time::sleep(PAUSE).await;
                let Ok(mut events) = client.watch(id).await else { continue };
                while let Ok(Some(view)) = events.next().await {
                    self.set(&view);
                }
            }
            if clients.is_empty() {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    fn set(&self, view: &SessionView) {
        // A value is never left half written.
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = view.progress;
    }

    /// What is being done, and how far that is if it was told.
    pub(crate) fn beside(&self, doing: &str) -> String {
        match *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            None => doing.to_owned(),
            Some(Progress { phase, done, total }) => {
                let part = f64::from(done) / f64::from(total.max(1));
                format!("{doing}: {} {} {done} of {total}", name(phase), bar(part))
            }
        }
    }
}

/// How far it is, in words.
pub(crate) fn words(progress: &Progress) -> String {
    format!("{} {} of {}", name(progress.phase), progress.done, progress.total)
}

const fn name(phase: Phase) -> &'static str {
    match phase {
        Phase::Auxiliary => "auxiliary information",
        Phase::Presigning => "presignatures",
        Phase::Signing => "signatures",
        // A newer node's.
        _ => "work",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use quorate_request::RequestStatus;

    #[test]
    fn what_was_told_last_stands_beside_what_is_being_done() {
        let told = Told::default();
        assert_eq!(told.beside("signing"), "signing");
        let mut view = SessionView::new("s1".parse().unwrap(), "presign".into(), RequestStatus::Running);
        for (phase, shown) in [
            (Phase::Auxiliary, "presigning: auxiliary information [============            ] 2 of 4"),
            (Phase::Presigning, "presigning: presignatures [============            ] 2 of 4"),
        ] {
            view.progress = Some(Progress { phase, done: 2, total: 4 });
            told.set(&view);
            assert_eq!(told.beside("presigning"), shown);
        }
        view.progress = Some(Progress { phase: Phase::Signing, done: 0, total: 0 });
        assert_eq!(words(&view.progress.unwrap()), "signatures 0 of 0");
        view.progress = None;
        told.set(&view);
        assert_eq!(told.beside("signing"), "signing");
    }
}
