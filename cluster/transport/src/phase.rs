//! How far the closing of a transport has come.

use tokio::sync::watch;

/// The life of a transport; only ever advances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Frames flow.
    Running,
    /// No frame is accepted any more; what is queued is being handed over.
    Draining,
    /// Connections are being ended.
    Stopping,
    /// All is done.
    Closed,
}

impl Phase {
    /// Advances to `to`; false when it was reached before.
    pub(crate) fn advance(phase: &watch::Sender<Self>, to: Self) -> bool {
        phase.send_if_modified(|now| {
            let forward = *now < to;
            if forward {
                *now = to;
            }
            forward
        })
    }

    /// Waits until `phase` is reached; a transport that is gone has reached every phase.
    pub(crate) async fn reached(mut receiver: watch::Receiver<Self>, phase: Self) {
        // An error is a dropped sender.
        let _gone = receiver.wait_for(|now| *now >= phase).await;
    }
}
