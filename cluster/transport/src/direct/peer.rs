//! What the tasks that serve one peer share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quorate_keys::Identity;
use tokio::sync::{Notify, watch};

use crate::heard::Heard;
use crate::outbox::Outbox;
use crate::transport::{Direction, LinkFailure, PeerState};

/// One configured peer.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) identity: Identity,
    pub(super) address: String,
    /// Its lane in the inbox.
    pub(super) lane: usize,
    pub(super) outbox: Arc<Outbox>,
    pub(super) heard: Heard,
    /// The peer has just dialled us: it is up, so that waiting to dial it again is over.
    pub(super) awake: Notify,
    /// Held by whoever reads the peer's frames, so that a later connection's frames follow an earlier one's.
    pub(super) reading: tokio::sync::Mutex<()>,
    /// The number of the peer's latest connection to us.
    arrivals: watch::Sender<u64>,
    status: Mutex<Status>,
}

#[derive(Debug, Default)]
struct Status {
    outgoing: Direction,
    incoming: Direction,
    /// The arrival that is being read.
    reading: Option<u64>,
}

impl Peer {
    pub(super) fn new(identity: Identity, address: String, lane: usize, outbox: Arc<Outbox>) -> Self {
        Self {
            identity,
            address,
            lane,
            outbox,
            heard: Heard::never(),
            awake: Notify::new(),
            reading: tokio::sync::Mutex::new(()),
            arrivals: watch::Sender::new(0),
            status: Mutex::default(),
        }
    }

    /// Registers a connection from the peer, which replaces any earlier one: an authenticated peer dials
    /// anew only when its earlier connection is gone, whether or not we have noticed.
    pub(super) fn arrive(&self) -> u64 {
        let mut number = 0;
        self.arrivals.send_modify(|latest| {
            *latest = latest.wrapping_add(1);
            number = *latest;
        });
        self.awake.notify_one();
        number
    }

    /// Resolves when a later connection has replaced arrival `number`.
    pub(super) async fn replaced(&self, number: u64) {
        let mut arrivals = self.arrivals.subscribe();
        // The sender lives in `self`.
        let _latest = arrivals.wait_for(|latest| *latest != number).await;
    }

    pub(super) fn set_sending(&self, sending: bool) {
        self.status().outgoing.open = sending;
    }

    /// Marks arrival `number` as being read until the guard is dropped.
    pub(super) fn receive(self: &Arc<Self>, number: u64) -> Receiving {
        let mut status = self.status();
        status.reading = Some(number);
        status.incoming.open = true;
        drop(status);
        Receiving { peer: Arc::clone(self), number }
    }

    /// Records the failure of a connection to the peer.
    pub(super) fn outgoing_failed(&self, failure: LinkFailure) {
        self.status().outgoing.fail(&self.identity, failure);
    }

    /// Records the failure of a connection from the peer.
    pub(super) fn incoming_failed(&self, failure: LinkFailure) {
        self.status().incoming.fail(&self.identity, failure);
    }

    pub(super) fn state(&self) -> PeerState {
        let depth = self.outbox.depth();
        let status = self.status();
        PeerState {
            identity: self.identity,
            address: Some(self.address.clone()),
            outgoing: status.outgoing.clone(),
            incoming: status.incoming.clone(),
            last_heard: self.heard.last(),
            queued_frames: depth.frames,
            queued_bytes: depth.bytes,
            expired_frames: depth.expired,
        }
    }

    fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The peer's frames are being read.
pub(super) struct Receiving {
    peer: Arc<Peer>,
    number: u64,
}

impl Drop for Receiving {
    fn drop(&mut self) {
        let mut status = self.peer.status();
        if status.reading == Some(self.number) {
            status.reading = None;
            status.incoming.open = false;
        }
    }
}
