//! Drives the link with one peer.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{Subject, Subscriber};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use quorate_broker::{Broker, Connection};
use quorate_link::{Down, Event, Link};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::peer::Peer;
use crate::incoming::Inbox;
use crate::outbox::Lease;
use crate::phase::Phase;
use crate::transport::LinkFailure;

/// How long a packet may wait for the client library. What it does not take is lost, and sent again.
const PUBLISH: Duration = Duration::from_secs(1);
/// How long a peer may stay away until that counts as a failure.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many packets are taken, and frames given, before what came of it is sent.
const AT_ONCE: usize = 64;

pub(super) struct Task {
    pub(super) link: Link,
    pub(super) peer: Arc<Peer>,
    pub(super) lane: usize,
    pub(super) subscriber: Subscriber,
    pub(super) subject: Subject,
    pub(super) broker: Broker,
    pub(super) connection: watch::Receiver<Connection>,
    pub(super) inbox: Arc<Inbox>,
    pub(super) phase: watch::Receiver<Phase>,
    pub(super) start: Instant,
    /// Frames of the outbox, while the link is up.
    pub(super) lease: Option<Lease>,
    /// The next frame for the inbox, while that has no room.
    pub(super) arrived: Option<Bytes>,
}

/// What happened.
enum Turn {
    Packet(Option<Bytes>),
    Frame(Option<Bytes>),
    Delivered,
    Time,
    Broker,
    Closing,
}

impl Task {
    pub(super) async fn run(mut self) {
        let mut away_since = Some(Instant::now());
        let mut draining = false;
        loop {
            self.send_packets().await;
            if draining && (!self.link.is_up() || (self.lease.is_none() && self.link.is_flushed())) {
                return self.leave().await;
            }
            let turn = self.turn(draining).await;
            match turn {
                // The client is closed, and with it all that we could do.
                Turn::Packet(None) => return self.down(None),
                Turn::Packet(Some(packet)) => self.receive(packet),
                Turn::Frame(frame) => self.give(frame),
                Turn::Delivered => {}
                Turn::Time => {
                    let event = self.link.tick(self.now());
                    self.follow(event);
                }
                Turn::Broker => {
                    // What left while the broker was away, or leaving, is lost.
                    if self.connection.borrow_and_update().open {
                        self.link.hasten(self.now());
                    }
                }
                Turn::Closing => {
                    draining = true;
                    self.link.hurry();
                }
            }
            if self.link.is_up() || !self.broker.is_open() {
                away_since = None;
            } else {
                let since = *away_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= PATIENCE {
                    away_since = Some(Instant::now());
                    let reason = "it does not answer through the broker".to_owned();
                    self.peer.failed(LinkFailure::Unreachable { address: self.address(), reason });
                }
            }
        }
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn address(&self) -> String {
        self.broker.servers().to_owned()
    }

    async fn turn(&mut self, draining: bool) -> Turn {
        if self.arrived.is_none() {
            self.arrived = self.link.take(self.now());
        }
        let Self { link, lane, subscriber, connection, inbox, phase, lease, arrived, start, .. } = self;
        let deadline = start.checked_add(link.deadline()).unwrap_or_else(|| *start + PATIENCE);
        // Now and then we look how long the peer is away.
        let deadline = deadline.min(Instant::now() + PATIENCE);
        let lease = lease.as_mut().filter(|_| link.has_room());
        tokio::select! {
            packet = subscriber.next() => Turn::Packet(packet.map(|message| message.payload)),
            queued = async { match lease { Some(lease) => lease.next().await, None => std::future::pending().await } } => {
                Turn::Frame(queued.map(|queued| queued.frame))
            }
            // Nobody takes frames any more: then they go nowhere.
            _ = poll_fn(|cx| inbox.poll_put(cx, *lane, arrived)), if arrived.is_some() => {
                *arrived = None;
                Turn::Delivered
            }
            () = sleep_until(deadline) => Turn::Time,
            _ = connection.changed() => Turn::Broker,
            () = Phase::reached(phase.clone(), Phase::Draining), if !draining => Turn::Closing,
        }
    }

    /// Takes a packet, and those that have come with it.
    fn receive(&mut self, packet: Bytes) {
        let mut next = Some(packet);
        for _ in 0..AT_ONCE {
            let Some(packet) = next else { break };
            let event = self.link.receive(self.now(), &packet);
            if event != Event::Refused {
                self.peer.heard.now();
            }
            self.follow(event);
            next = self.subscriber.next().now_or_never().flatten().map(|message| message.payload);
        }
        if let Some(packet) = next {
            let event = self.link.receive(self.now(), &packet);
            self.follow(event);
        }
    }

    /// Gives a frame, and those that wait with it, so that small ones share packets.
    fn give(&mut self, frame: Option<Bytes>) {
        let mut next = Some(frame);
        for _ in 0..AT_ONCE {
            match next {
                None => return,
                Some(None) => {
                    // The outbox is closed and empty.
                    self.lease = None;
                    self.link.hurry();
                    return;
                }
                Some(Some(frame)) => self.link.push(frame),
            }
            let lease = self.lease.as_mut().filter(|_| self.link.has_room());
            next = lease
                .and_then(|lease| lease.next().now_or_never())
                .map(|queued| queued.map(|queued| queued.frame));
        }
        if let Some(Some(frame)) = next {
            self.link.push(frame);
        }
    }

    fn follow(&mut self, event: Event) {
        match event {
            Event::Up => {
                tracing::info!(peer = %self.peer.identity, "linked through the broker");
                let lease = self.peer.outbox.lease();
                lease.opener().open();
                self.lease = Some(lease);
                self.peer.set_up(true);
            }
            Event::Down(why) => self.down(Some(why)),
            _ => {}
        }
    }

    fn down(&mut self, why: Option<Down>) {
        self.lease = None;
        self.peer.set_up(false);
        let address = self.address();
        match why {
            Some(Down::Misbehaved(what)) => {
                self.peer.failed(LinkFailure::Misbehaved { address, reason: what.to_string() });
            }
            Some(why) => self.peer.failed(LinkFailure::Lost { address, reason: why.to_string() }),
            None => {}
        }
    }

    /// Sends what is due. While the broker is away it is lost at once, as it would be on the way.
    async fn send_packets(&mut self) {
        while let Some(packet) = self.link.next_packet(self.now()) {
            if self.broker.is_open() {
                let published = self.broker.client().publish(self.subject.clone(), packet);
                // What was not published is sent again.
                let _lost = timeout(PUBLISH, published).await;
            }
        }
    }

    async fn leave(&mut self) {
        self.link.leave(self.now());
        self.send_packets().await;
        self.peer.set_up(false);
        // What has arrived is handed over, as far as there is room for it.
        while let Some(frame) = self.arrived.take() {
            let mut slot = Some(frame);
            if poll_fn(|cx| self.inbox.poll_put(cx, self.lane, &mut slot)).now_or_never().is_none() {
                return;
            }
            self.arrived = self.link.take(self.now());
        }
    }
}
