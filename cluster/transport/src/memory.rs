//! A transport inside one process, for tests: the promises of [`Transport`] and, on demand, bad weather.
//!
//! Members of a [`Hub`] exchange frames through it. Links can be cut ([`Hub::partition`]), lose frames with a
//! given probability (from a seeded generator, so that the same frames of a link are lost in every run), and
//! take time. A cut link behaves as a broken connection does: what is in flight is lost, what is queued waits
//! until the link is back or the frame has become too old.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use quorate_keys::Identity;
use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::heard::Heard;
use crate::incoming::{Inbox, Incoming};
use crate::limits::{Limits, LimitsError};
use crate::outbox::{Lease, Outbox};
use crate::phase::Phase;
use crate::transport::{Direction, PeerState, SendError, Transport};

/// What the members of one in-memory cluster are joined by.
#[derive(Clone, Debug)]
pub struct Hub {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    everyone: BTreeSet<Identity>,
    limits: Limits,
    seed: u64,
    state: Mutex<State>,
    /// Counts the changes of what is joined and cut, to wake who waits for one.
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    members: BTreeMap<Identity, Presence>,
    cut: BTreeSet<(Identity, Identity)>,
    loss: f64,
    delay: Range<Duration>,
    joins: u64,
}

/// A member that is there.
#[derive(Clone, Debug)]
struct Presence {
    join: u64,
    inbox: Arc<Inbox>,
    heard: Arc<BTreeMap<Identity, Heard>>,
}

/// Why an identity did not join a [`Hub`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The identity is not one of those the hub was made for.
    #[error("{0} is not a member of this hub")]
    Stranger(Identity),
    /// The identity has joined and not left.
    #[error("{0} has already joined this hub")]
    Present(Identity),
}

impl Hub {
    /// A hub for the given nodes, each of which has all the others as its peers.
    ///
    /// `seed` determines which frames are lost, and how long each takes, once [`Hub::set_loss`] and
    /// [`Hub::set_delay`] ask for it.
    ///
    /// # Errors
    /// When the limits contradict each other.
    pub fn new(
        everyone: impl IntoIterator<Item = Identity>,
        limits: Limits,
        seed: u64,
    ) -> Result<Self, LimitsError> {
        limits.check()?;
        let shared = Shared {
            everyone: everyone.into_iter().collect(),
            limits,
            seed,
            state: Mutex::default(),
            changes: watch::Sender::new(0),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Connects a node; after it has closed or was dropped it may join again, as after a restart.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the identity does not belong here, or is already there.
    pub fn join(&self, identity: Identity) -> Result<(Arc<Memory>, Incoming), JoinError> {
        let shared = &self.shared;
        if !shared.everyone.contains(&identity) {
            return Err(JoinError::Stranger(identity));
        }
        let peers: Vec<Identity> = shared.everyone.iter().copied().filter(|peer| *peer != identity).collect();
        let (inbox, incoming) = Inbox::new(peers.iter().copied(), shared.limits.inbox_bytes);
        let heard: Arc<BTreeMap<_, _>> = Arc::new(peers.iter().map(|peer| (*peer, Heard::never())).collect());
        let join = {
            let mut state = shared.lock();
            if state.members.contains_key(&identity) {
                return Err(JoinError::Present(identity));
            }
            state.joins = state.joins.wrapping_add(1);
            let join = state.joins;
            let presence = Presence { join, inbox: Arc::clone(&inbox), heard: Arc::clone(&heard) };
            state.members.insert(identity, presence);
            join
        };
        let phase = watch::Sender::new(Phase::Running);
        let mut outboxes = BTreeMap::new();
        let mut links = Vec::new();
        for peer in peers {
            let outbox = Outbox::new(shared.limits.queue_bytes, shared.limits.queue_age);
            let lease = outbox.lease();
            lease.opener().open();
            let link =
                Link { shared: Arc::clone(shared), from: identity, to: peer, phase: phase.subscribe() };
            links.push(tokio::spawn(link.run(lease)));
            outboxes.insert(peer, outbox);
        }
        shared.changed();
        let memory = Memory {
            membership: Arc::new(Membership { shared: Arc::clone(shared), identity, join, inbox }),
            outboxes,
            heard,
            phase: Arc::new(phase),
            links: Mutex::new(links),
            runtime: tokio::runtime::Handle::current(),
        };
        Ok((Arc::new(memory), incoming))
    }

    /// Cuts the link between two nodes, in both directions.
    pub fn partition(&self, a: &Identity, b: &Identity) {
        self.shared.lock().cut.insert(pair(a, b));
        self.shared.changed();
    }

    /// Cuts a node off from all others.
    pub fn isolate(&self, node: &Identity) {
        for other in self.shared.everyone.iter().filter(|other| *other != node) {
            self.partition(node, other);
        }
    }

    /// Mends the link between two nodes.
    pub fn heal(&self, a: &Identity, b: &Identity) {
        self.shared.lock().cut.remove(&pair(a, b));
        self.shared.changed();
    }

    /// Mends every link.
    pub fn heal_all(&self) {
        self.shared.lock().cut.clear();
        self.shared.changed();
    }

    /// Makes every link lose frames with this probability, from 0 to 1.
    pub fn set_loss(&self, probability: f64) {
        self.shared.lock().loss = probability.clamp(0.0, 1.0);
    }

    /// Makes every frame take a time from this range; order within a link is kept.
    pub fn set_delay(&self, delay: Range<Duration>) {
        self.shared.lock().delay = delay;
    }
}

fn pair(a: &Identity, b: &Identity) -> (Identity, Identity) {
    (*a.min(b), *a.max(b))
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// The other end of a link, while the link is up.
    fn destination(&self, from: &Identity, to: &Identity) -> Option<Presence> {
        let state = self.lock();
        if state.cut.contains(&pair(from, to)) || !state.members.contains_key(from) {
            return None;
        }
        state.members.get(to).cloned()
    }
}

/// One node's presence in the hub; ends when dropped.
#[derive(Debug)]
struct Membership {
    shared: Arc<Shared>,
    identity: Identity,
    join: u64,
    inbox: Arc<Inbox>,
}

impl Membership {
    fn leave(&self) {
        self.inbox.close();
        let mut state = self.shared.lock();
        if state.members.get(&self.identity).is_some_and(|member| member.join == self.join) {
            state.members.remove(&self.identity);
        }
        drop(state);
        self.shared.changed();
    }
}

/// One node's end of a [`Hub`].
///
/// Dropping it without [`close`](Transport::close) is a crash: what is queued is lost.
#[derive(Debug)]
pub struct Memory {
    membership: Arc<Membership>,
    outboxes: BTreeMap<Identity, Arc<Outbox>>,
    heard: Arc<BTreeMap<Identity, Heard>>,
    phase: Arc<watch::Sender<Phase>>,
    links: Mutex<Vec<JoinHandle<()>>>,
    runtime: tokio::runtime::Handle,
}

impl Transport for Memory {
    fn send(&self, to: &Identity, frame: Bytes) -> Result<(), SendError> {
        let outbox = self.outboxes.get(to).ok_or(SendError::UnknownPeer(*to))?;
        outbox.queue(to, frame, self.membership.shared.limits.max_frame)
    }

    fn peers(&self) -> Vec<PeerState> {
        let Membership { shared, identity, .. } = &*self.membership;
        let state = |(peer, outbox): (&Identity, &Arc<Outbox>)| {
            let up = shared.destination(identity, peer).is_some();
            let depth = outbox.depth();
            PeerState {
                identity: *peer,
                address: None,
                outgoing: Direction { open: up, ..Direction::default() },
                incoming: Direction { open: up, ..Direction::default() },
                last_heard: self.heard.get(peer).and_then(Heard::last),
                queued_frames: depth.frames,
                queued_bytes: depth.bytes,
                expired_frames: depth.expired,
            }
        };
        self.outboxes.iter().map(state).collect()
    }

    fn close(&self) -> BoxFuture<'static, ()> {
        let links = std::mem::take(&mut *self.links.lock().unwrap_or_else(PoisonError::into_inner));
        if Phase::advance(&self.phase, Phase::Draining) {
            self.outboxes.values().for_each(|outbox| outbox.close());
            let membership = Arc::clone(&self.membership);
            let phase = Arc::clone(&self.phase);
            self.runtime.spawn(async move {
                let aborts: Vec<_> = links.iter().map(JoinHandle::abort_handle).collect();
                let all = futures_util::future::join_all(links);
                if tokio::time::timeout(membership.shared.limits.close_timeout, all).await.is_err() {
                    aborts.iter().for_each(tokio::task::AbortHandle::abort);
                }
                membership.leave();
                Phase::advance(&phase, Phase::Closed);
            });
        }
        Box::pin(Phase::reached(self.phase.subscribe(), Phase::Closed))
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // While a close is under way it owns the links and finishes by itself.
        if *self.phase.borrow() == Phase::Running {
            let links = self.links.get_mut().unwrap_or_else(PoisonError::into_inner);
            links.iter().for_each(JoinHandle::abort);
            self.membership.leave();
        }
    }
}

/// Carries the frames from one node to another.
struct Link {
    shared: Arc<Shared>,
    from: Identity,
    to: Identity,
    phase: watch::Receiver<Phase>,
}

impl Link {
    async fn run(self, mut lease: Lease) {
        let mut rng = ChaCha8Rng::from_seed(self.seed());
        let mut changes = self.shared.changes.subscribe();
        let mut due = Instant::now();
        loop {
            changes.mark_unchanged();
            if self.shared.destination(&self.from, &self.to).is_none() {
                tokio::select! {
                    _ = changes.changed() => continue,
                    // What cannot leave now is not waited for.
                    () = Phase::reached(self.phase.clone(), Phase::Draining) => return,
                }
            }
            let queued = tokio::select! {
                biased;
                _ = changes.changed() => continue,
                queued = lease.next() => queued,
            };
            let Some(queued) = queued else { return };
            let (lost, takes) = self.weather(&mut rng);
            due = due.max(queued.at + takes);
            // Even a sleep of no length would cost a tick of the timer, a millisecond.
            if due > Instant::now() {
                tokio::time::sleep_until(due).await;
            }
            let Some(destination) = self.shared.destination(&self.from, &self.to) else { continue };
            let Some(lane) = self.lane() else { return };
            if !lost && destination.inbox.put(lane, queued.frame).await.is_ok() {
                destination.heard.get(&self.from).inspect(|heard| heard.now());
            }
        }
    }

    /// Whether the next frame is lost, and how long it takes: always the same draws per frame.
    fn weather(&self, rng: &mut ChaCha8Rng) -> (bool, Duration) {
        let (chance, fraction) = (unit(rng), unit(rng));
        let state = self.shared.lock();
        let spread = state.delay.end.saturating_sub(state.delay.start);
        (chance < state.loss, state.delay.start + spread.mul_f64(fraction))
    }

    /// The lane of the sender in the receiver's inbox: its position among all but the receiver.
    fn lane(&self) -> Option<usize> {
        self.shared.everyone.iter().filter(|peer| **peer != self.to).position(|peer| *peer == self.from)
    }

    /// A seed of the link's own, so that traffic on other links changes nothing here.
    fn seed(&self) -> [u8; 32] {
        let mut seed = [0; 32];
        let ends = self.from.as_bytes().iter().take(12).chain(self.to.as_bytes().iter().take(12));
        let bytes = self.shared.seed.to_le_bytes();
        for (slot, byte) in seed.iter_mut().zip(bytes.iter().chain(ends)) {
            *slot = *byte;
        }
        seed
    }
}

/// A number from 0 to 1, below 1.
fn unit(rng: &mut ChaCha8Rng) -> f64 {
    f64::from(rng.next_u32()) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests;
