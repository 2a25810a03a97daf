//! The bounded queue of frames to one peer.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use quorate_keys::Identity;
use tokio::time::Instant;

use crate::transport::SendError;

/// What a queued frame is charged beyond its length, so that empty frames do not queue without bound.
pub(crate) const FRAME_OVERHEAD: usize = 64;

/// Why a frame was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rejected {
    Full,
    Closed,
}

/// The depth of an outbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Depth {
    pub(crate) frames: usize,
    pub(crate) bytes: usize,
    pub(crate) expired: u64,
}

/// Frames waiting for one peer: filled without blocking, drained by whoever holds the current [`Lease`].
///
/// Frames stay while the peer is away, up to `limit` bytes and `max_age`; an older one helps nobody and is
/// dropped, rather than delivered to a peer that has long moved on.
#[derive(Debug)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    limit: usize,
    max_age: Duration,
}

#[derive(Debug, Default)]
struct State {
    frames: VecDeque<Queued>,
    charged: usize,
    bytes: usize,
    expired: u64,
    closed: bool,
    lease: u64,
    reader: Option<Waker>,
}

/// A frame with the time it was queued.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) at: Instant,
    pub(crate) frame: Bytes,
}

impl Outbox {
    /// An empty outbox of at most `limit` bytes ([`FRAME_OVERHEAD`] per frame included).
    pub(crate) fn new(limit: usize, max_age: Duration) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), limit, max_age })
    }

    /// Queues a frame, unless there is no room for it.
    fn push(&self, frame: Bytes) -> Result<(), Rejected> {
        let mut state = self.lock();
        if state.closed {
            return Err(Rejected::Closed);
        }
        let now = Instant::now();
        let charge = frame.len().saturating_add(FRAME_OVERHEAD);
        if state.charged.saturating_add(charge) > self.limit {
            state.expire(now, self.max_age);
            if state.charged.saturating_add(charge) > self.limit {
                return Err(Rejected::Full);
            }
        }
        state.charged = state.charged.saturating_add(charge);
        state.bytes = state.bytes.saturating_add(frame.len());
        state.frames.push_back(Queued { at: now, frame });
        let reader = state.reader.take();
        drop(state);
        wake(reader);
        Ok(())
    }

    /// Queues a frame that a caller wants sent to `to`.
    pub(crate) fn queue(&self, to: &Identity, frame: Bytes, max_frame: usize) -> Result<(), SendError> {
        if frame.len() > max_frame {
            return Err(SendError::TooLarge { length: frame.len(), limit: max_frame });
        }
        self.push(frame).map_err(|rejected| match rejected {
            Rejected::Full => SendError::Full(*to),
            Rejected::Closed => SendError::Closed,
        })
    }

    /// Takes over reading: earlier leases end. The new one yields nothing until it is opened.
    pub(crate) fn lease(self: &Arc<Self>) -> Lease {
        let mut state = self.lock();
        state.lease = state.lease.wrapping_add(1);
        let id = state.lease;
        let reader = state.reader.take();
        drop(state);
        wake(reader);
        Lease { outbox: Arc::clone(self), id, gate: Arc::default() }
    }

    /// Refuses further frames; a lease still drains what is queued and then ends.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let reader = state.reader.take();
        drop(state);
        wake(reader);
    }

    /// How much waits, after dropping what has waited too long.
    pub(crate) fn depth(&self) -> Depth {
        let mut state = self.lock();
        state.expire(Instant::now(), self.max_age);
        Depth { frames: state.frames.len(), bytes: state.bytes, expired: state.expired }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn expire(&mut self, now: Instant, max_age: Duration) {
        while self.frames.front().is_some_and(|oldest| now.duration_since(oldest.at) > max_age) {
            self.pop();
            self.expired = self.expired.saturating_add(1);
        }
    }

    fn pop(&mut self) -> Option<Queued> {
        let queued = self.frames.pop_front()?;
        self.charged = self.charged.saturating_sub(queued.frame.len().saturating_add(FRAME_OVERHEAD));
        self.bytes = self.bytes.saturating_sub(queued.frame.len());
        Some(queued)
    }
}

/// The right to drain an [`Outbox`], held by one connection at a time: a stream of its frames, which ends
/// when the outbox is closed and empty, or when a later lease has taken over.
#[derive(Debug)]
pub(crate) struct Lease {
    outbox: Arc<Outbox>,
    id: u64,
    gate: Arc<AtomicBool>,
}

/// Opens a [`Lease`] once the peer is known to take frames; until then they stay in the outbox, so that a
/// connection that is refused loses none.
#[derive(Debug)]
pub(crate) struct LeaseOpener {
    outbox: Arc<Outbox>,
    gate: Arc<AtomicBool>,
}

impl Lease {
    /// The handle that opens this lease.
    pub(crate) fn opener(&self) -> LeaseOpener {
        LeaseOpener { outbox: Arc::clone(&self.outbox), gate: Arc::clone(&self.gate) }
    }
}

impl LeaseOpener {
    /// Lets the frames flow.
    pub(crate) fn open(self) {
        self.gate.store(true, Ordering::Release);
        let reader = self.outbox.lock().reader.take();
        wake(reader);
    }
}

impl Stream for Lease {
    type Item = Queued;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Queued>> {
        let mut state = self.outbox.lock();
        if state.lease != self.id {
            return Poll::Ready(None);
        }
        if self.gate.load(Ordering::Acquire) {
            state.expire(Instant::now(), self.outbox.max_age);
            if let Some(queued) = state.pop() {
                return Poll::Ready(Some(queued));
            }
            if state.closed {
                return Poll::Ready(None);
            }
        }
        state.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, StreamExt};

    use super::*;

    const AGE: Duration = Duration::from_secs(10);

    fn frame(length: usize) -> Bytes {
        Bytes::from(vec![7; length])
    }

    fn next(lease: &mut Lease) -> Option<Option<usize>> {
        lease.next().now_or_never().map(|queued| queued.map(|queued| queued.frame.len()))
    }

    #[tokio::test]
    async fn frames_leave_in_the_order_they_came() {
        let outbox = Outbox::new(1000, AGE);
        let mut lease = outbox.lease();
        lease.opener().open();
        for length in 1..4 {
            outbox.push(frame(length)).unwrap();
        }
        assert_eq!(outbox.depth(), Depth { frames: 3, bytes: 6, expired: 0 });
        assert_eq!((next(&mut lease), next(&mut lease)), (Some(Some(1)), Some(Some(2))));
        assert_eq!((next(&mut lease), next(&mut lease)), (Some(Some(3)), None));
    }

    #[tokio::test]
    async fn a_full_outbox_refuses_and_has_room_again_after_a_frame_left() {
        let outbox = Outbox::new(2 * (100 + FRAME_OVERHEAD), AGE);
        let mut lease = outbox.lease();
        lease.opener().open();
        outbox.push(frame(100)).unwrap();
        outbox.push(frame(100)).unwrap();
        assert_eq!(outbox.push(frame(100)), Err(Rejected::Full));
        assert_eq!(outbox.push(frame(0)), Err(Rejected::Full));
        assert_eq!(next(&mut lease), Some(Some(100)));
        outbox.push(frame(100)).unwrap();
    }

    #[tokio::test]
    async fn empty_frames_are_bounded_too() {
        let outbox = Outbox::new(10 * FRAME_OVERHEAD, AGE);
        for _ in 0..10 {
            outbox.push(frame(0)).unwrap();
        }
        assert_eq!(outbox.push(frame(0)), Err(Rejected::Full));
    }

    #[tokio::test(start_paused = true)]
    async fn a_frame_that_waited_too_long_is_dropped_and_makes_room() {
        let outbox = Outbox::new(100 + FRAME_OVERHEAD, AGE);
        outbox.push(frame(100)).unwrap();
        tokio::time::advance(AGE + Duration::from_millis(1)).await;
        outbox.push(frame(5)).unwrap();
        let mut lease = outbox.lease();
        lease.opener().open();
        assert_eq!(next(&mut lease), Some(Some(5)));
        assert_eq!(outbox.depth().expired, 1);
        outbox.push(frame(6)).unwrap();
        tokio::time::advance(AGE + Duration::from_millis(1)).await;
        assert_eq!(next(&mut lease), None);
        assert_eq!(outbox.depth(), Depth { frames: 0, bytes: 0, expired: 2 });
    }

    #[tokio::test]
    async fn a_closed_outbox_drains_and_then_ends() {
        let outbox = Outbox::new(1000, AGE);
        outbox.push(frame(1)).unwrap();
        outbox.close();
        assert_eq!(outbox.push(frame(1)), Err(Rejected::Closed));
        let mut lease = outbox.lease();
        assert_eq!(next(&mut lease), None, "not opened yet");
        lease.opener().open();
        assert_eq!((next(&mut lease), next(&mut lease)), (Some(Some(1)), Some(None)));
    }

    #[tokio::test]
    async fn a_later_lease_ends_the_earlier_and_wakes_it() {
        let outbox = Outbox::new(1000, AGE);
        let mut first = outbox.lease();
        first.opener().open();
        let waiting = tokio::spawn(async move { first.next().await.is_none() });
        tokio::task::yield_now().await;
        let mut second = outbox.lease();
        let ended = tokio::time::timeout(Duration::from_secs(20), waiting).await;
        assert!(ended.expect("within 20 s").unwrap());
        outbox.push(frame(9)).unwrap();
        second.opener().open();
        assert_eq!(next(&mut second), Some(Some(9)));
    }
}
