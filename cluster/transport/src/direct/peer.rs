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
    addresses: Mutex<Addresses>,
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

/// Where a peer may be.
#[derive(Debug)]
struct Addresses {
    configured: String,
    found: Option<String>,
    /// Whether it is dialled where it was found.
    tries_found: bool,
}

impl Addresses {
    fn now(&self) -> &str {
        self.found.as_ref().filter(|_| self.tries_found).unwrap_or(&self.configured)
    }
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
            addresses: Mutex::new(Addresses { configured: address, found: None, tries_found: false }),
            lane,
            outbox,
            heard: Heard::never(),
            awake: Notify::new(),
            reading: tokio::sync::Mutex::new(()),
            arrivals: watch::Sender::new(0),
            status: Mutex::default(),
        }
    }

    /// Where to dial now.
    pub(super) fn address(&self) -> String {
        self.addresses().now().to_owned()
    }

    /// It could not be reached there: next time it is tried at the other address, if there is one.
    pub(super) fn try_other_address(&self) {
        let mut addresses = self.addresses();
        addresses.tries_found = !addresses.tries_found;
    }

    /// It may be here now.
    pub(super) fn redirect(&self, address: &str) {
        let mut addresses = self.addresses();
        if addresses.found.as_deref() != Some(address) {
            addresses.found = Some(address.to_owned());
            addresses.tries_found = true;
            drop(addresses);
            self.awake.notify_one();
        }
    }

    fn addresses(&self) -> MutexGuard<'_, Addresses> {
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner)
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
            address: Some(self.address()),
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
