//! What the task of one peer and the transport share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quorate_broker::Connection;
use quorate_keys::Identity;

use crate::heard::Heard;
use crate::outbox::Outbox;
use crate::transport::{Direction, LinkFailure, PeerState};

/// One configured peer.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) identity: Identity,
    pub(super) outbox: Arc<Outbox>,
    pub(super) heard: Heard,
    /// A link is one for both directions.
    status: Mutex<Direction>,
}

impl Peer {
    pub(super) fn new(identity: Identity, outbox: Arc<Outbox>) -> Self {
        Self { identity, outbox, heard: Heard::never(), status: Mutex::default() }
    }

    pub(super) fn set_up(&self, up: bool) {
        self.status().open = up;
    }

    pub(super) fn failed(&self, failure: LinkFailure) {
        self.status().fail(&self.identity, failure);
    }

    pub(super) fn state(&self, connection: &Connection, servers: &str) -> PeerState {
        let depth = self.outbox.depth();
        let mut direction = self.status().clone();
        if !connection.open {
            let reason = connection.last_failure.clone();
            direction.open = false;
            direction.last_failure = Some(LinkFailure::Unreachable {
                address: servers.to_owned(),
                reason: reason.unwrap_or_else(|| "there is no connection yet".to_owned()),
            });
        }
        PeerState {
            identity: self.identity,
            address: None,
            outgoing: direction.clone(),
            incoming: direction,
            last_heard: self.heard.last(),
            queued_frames: depth.frames,
            queued_bytes: depth.bytes,
            expired_frames: depth.expired,
        }
    }

    fn status(&self) -> MutexGuard<'_, Direction> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
