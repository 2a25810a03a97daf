//! Frames that arrived, handed out fairly.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_util::Stream;
use quorate_keys::Identity;

use crate::outbox::FRAME_OVERHEAD;

/// The frames that arrive at a node, each with the peer it came from.
///
/// Every peer has a bounded queue of its own and they are served in turn, one frame each, so a peer that
/// floods delays the others by at most one frame per turn. When a peer's queue is full, its connection is
/// read no further until there is room (back-pressure), and nothing of it is dropped.
///
/// Also a [`Stream`]. Ends (`None`) after the transport was closed and everything that had arrived was taken.
/// Dropping it makes the transport refuse the frames of its peers.
#[derive(Debug)]
pub struct Incoming {
    inbox: Arc<Inbox>,
}

impl Incoming {
    /// The next frame, and the peer that sent it.
    pub async fn next(&mut self) -> Option<(Identity, Bytes)> {
        std::future::poll_fn(|cx| self.inbox.poll_take(cx)).await
    }
}

impl Stream for Incoming {
    type Item = (Identity, Bytes);

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.inbox.poll_take(cx)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.inbox.close();
    }
}

/// The inbox takes no more frames: the transport is closed or its [`Incoming`] was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InboxClosed;

/// The writing side of [`Incoming`]: one lane per peer.
#[derive(Debug)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    limit: usize,
}

#[derive(Debug)]
struct State {
    lanes: Vec<Lane>,
    /// The lanes that hold frames, in the order they are served; each at most once.
    turns: VecDeque<usize>,
    reader: Option<Waker>,
    closed: bool,
}

#[derive(Debug)]
struct Lane {
    from: Identity,
    frames: VecDeque<Bytes>,
    charged: usize,
    writer: Option<Waker>,
}

impl Inbox {
    /// One lane for each of `peers`, of at most `limit` bytes ([`FRAME_OVERHEAD`] per frame included).
    pub(crate) fn new(peers: impl IntoIterator<Item = Identity>, limit: usize) -> (Arc<Self>, Incoming) {
        let lanes = peers
            .into_iter()
            .map(|from| Lane { from, frames: VecDeque::new(), charged: 0, writer: None })
            .collect();
        let state = State { lanes, turns: VecDeque::new(), reader: None, closed: false };
        let inbox = Arc::new(Self { state: Mutex::new(state), limit });
        (Arc::clone(&inbox), Incoming { inbox })
    }

    /// Puts a frame into a lane (its position among the peers given to [`Inbox::new`]), waiting for room.
    ///
    /// A lane has one writer at a time: whoever reads that peer's connection.
    pub(crate) async fn put(&self, lane: usize, frame: Bytes) -> Result<(), InboxClosed> {
        let mut frame = Some(frame);
        std::future::poll_fn(|cx| self.poll_put(cx, lane, &mut frame)).await
    }

    /// Puts what is in `frame` as [`put`](Self::put) does; it stays there until there is room.
    pub(crate) fn poll_put(
        &self,
        cx: &Context<'_>,
        index: usize,
        frame: &mut Option<Bytes>,
    ) -> Poll<Result<(), InboxClosed>> {
        let mut guard = self.lock();
        let state = &mut *guard;
        if state.closed {
            return Poll::Ready(Err(InboxClosed));
        }
        let Some(lane) = state.lanes.get_mut(index) else { return Poll::Ready(Err(InboxClosed)) };
        let charge = frame.as_ref().map_or(0, Bytes::len).saturating_add(FRAME_OVERHEAD);
        // An empty lane takes any frame: the largest one is bounded where it is decoded.
        if !lane.frames.is_empty() && lane.charged.saturating_add(charge) > self.limit {
            lane.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let Some(frame) = frame.take() else { return Poll::Ready(Ok(())) };
        if lane.frames.is_empty() {
            state.turns.push_back(index);
        }
        lane.charged = lane.charged.saturating_add(charge);
        lane.frames.push_back(frame);
        let reader = state.reader.take();
        drop(guard);
        if let Some(reader) = reader {
            reader.wake();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_take(&self, cx: &Context<'_>) -> Poll<Option<(Identity, Bytes)>> {
        let mut guard = self.lock();
        let state = &mut *guard;
        while let Some(index) = state.turns.pop_front() {
            let Some(lane) = state.lanes.get_mut(index) else { continue };
            let Some(frame) = lane.frames.pop_front() else { continue };
            lane.charged = lane.charged.saturating_sub(frame.len().saturating_add(FRAME_OVERHEAD));
            if !lane.frames.is_empty() {
                state.turns.push_back(index);
            }
            let from = lane.from;
            let writer = lane.writer.take();
            drop(guard);
            if let Some(writer) = writer {
                writer.wake();
            }
            return Poll::Ready(Some((from, frame)));
        }
        if state.closed {
            return Poll::Ready(None);
        }
        state.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Takes no more frames; what is there can still be taken.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let waiting: Vec<Waker> = state
            .lanes
            .iter_mut()
            .filter_map(|lane| lane.writer.take())
            .collect::<Vec<_>>()
            .into_iter()
            .chain(state.reader.take())
            .collect();
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::testing::identities;

    #[tokio::test]
    async fn a_flooding_peer_delays_another_by_one_frame_only() {
        let peers = identities(3);
        let (inbox, mut incoming) = Inbox::new(peers.clone(), 1 << 20);
        for _ in 0..1000 {
            inbox.put(0, Bytes::from_static(b"flood")).await.unwrap();
        }
        inbox.put(1, Bytes::from_static(b"one")).await.unwrap();
        inbox.put(2, Bytes::from_static(b"two")).await.unwrap();
        let mut order = Vec::new();
        for _ in 0..4 {
            order.push(incoming.next().await.unwrap().0);
        }
        assert_eq!(order, [peers[0], peers[1], peers[2], peers[0]]);
    }

    #[tokio::test]
    async fn a_full_lane_holds_its_writer_back_and_no_other() {
        let (inbox, mut incoming) = Inbox::new(identities(2), 2 * FRAME_OVERHEAD);
        inbox.put(0, Bytes::new()).await.unwrap();
        inbox.put(0, Bytes::new()).await.unwrap();
        let third = tokio::spawn({
            let inbox = Arc::clone(&inbox);
            async move { inbox.put(0, Bytes::from_static(b"third")).await }
        });
        tokio::task::yield_now().await;
        assert!(!third.is_finished());
        inbox.put(1, Bytes::new()).await.unwrap();
        incoming.next().await.unwrap();
        tokio::task::yield_now().await;
        assert!(!third.is_finished(), "five bytes more than the room of one empty frame");
        incoming.next().await.unwrap();
        incoming.next().await.unwrap();
        third.await.unwrap().unwrap();
        assert_eq!(incoming.next().await.unwrap().1, "third");
    }

    #[tokio::test]
    async fn a_frame_larger_than_the_limit_still_passes_an_empty_lane() {
        let (inbox, mut incoming) = Inbox::new(identities(1), FRAME_OVERHEAD);
        inbox.put(0, Bytes::from(vec![0; 1000])).await.unwrap();
        assert_eq!(incoming.next().await.unwrap().1.len(), 1000);
    }

    #[tokio::test]
    async fn closing_lets_what_arrived_be_taken_and_releases_everyone() {
        let (inbox, mut incoming) = Inbox::new(identities(1), FRAME_OVERHEAD);
        inbox.put(0, Bytes::from_static(b"last")).await.unwrap();
        let waiting = tokio::spawn({
            let inbox = Arc::clone(&inbox);
            async move { inbox.put(0, Bytes::new()).await }
        });
        tokio::task::yield_now().await;
        inbox.close();
        assert_eq!(waiting.await.unwrap(), Err(InboxClosed));
        assert_eq!(incoming.next().await.unwrap().1, "last");
        assert_eq!(incoming.next().await, None);
        let (inbox, mut incoming) = Inbox::new(identities(1), FRAME_OVERHEAD);
        assert_eq!(incoming.next().now_or_never(), None);
        drop(incoming);
        assert_eq!(inbox.put(0, Bytes::new()).await, Err(InboxClosed));
    }
}
