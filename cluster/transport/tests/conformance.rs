//! What every transport promises, run over each of them: a new transport adds a [`Kind`] and one line below.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use quorate_broker::Broker;
use quorate_keys::{Identity, Secret, SigningIdentity};
use quorate_transport::direct::{Direct, Options, PeerAddress};
use quorate_transport::memory::Hub;
use quorate_transport::nats::{Nats, Options as NatsOptions};
use quorate_transport::{Incoming, Limits, PeerState, SendError, Transport};
use tokio::net::TcpListener;
use tokio::time::timeout;

/// Every promise, as one test each for a kind of transport.
macro_rules! conformance {
    ($name:ident, $kind:ident) => {
        mod $name {
            conformance!(@tests $kind:
                frames_arrive_whole_and_named,
                the_order_of_a_peer_is_kept_and_nothing_comes_twice,
                misuse_is_refused,
                a_peer_that_never_reads_fills_its_own_queue_only,
                a_flooding_peer_does_not_starve_another,
                a_frame_waits_for_a_peer_that_is_not_there_yet,
                a_restarted_peer_is_found_again,
                the_state_follows_the_peer,
                closing_hands_over_what_is_queued,
                closing_does_not_wait_for_a_peer_that_is_away,
                after_closing_nothing_passes,
            );
        }
    };
    (@tests $kind:ident: $($test:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::timeout(super::PATIENCE, super::$test::<super::$kind>()).await.expect("in time");
            }
        )*
    };
}

conformance!(memory, InMemory);
conformance!(direct, OverTls);
conformance!(over_nats, OverNats);

const PATIENCE: Duration = Duration::from_secs(60);

/// A way to run a cluster over one transport.
trait Kind: Sized {
    /// Prepares a cluster in which nobody is started.
    fn prepare(identities: usize, limits: Limits) -> impl Future<Output = Self> + Send;
    fn identity(&self, node: usize) -> Identity;
    fn start(&self, node: usize) -> impl Future<Output = (Arc<dyn Transport>, Incoming)> + Send;
}

fn signer(node: usize) -> SigningIdentity {
    SigningIdentity::from_seed(&Secret::new([u8::try_from(node).unwrap() + 1; 32]))
}

struct InMemory(Hub);

impl Kind for InMemory {
    async fn prepare(identities: usize, limits: Limits) -> Self {
        Self(Hub::new((0..identities).map(|node| signer(node).identity()), limits, 1).unwrap())
    }

    fn identity(&self, node: usize) -> Identity {
        signer(node).identity()
    }

    async fn start(&self, node: usize) -> (Arc<dyn Transport>, Incoming) {
        let (memory, incoming) = self.0.join(self.identity(node)).unwrap();
        (memory, incoming)
    }
}

struct OverTls {
    peers: Vec<PeerAddress>,
    limits: Limits,
}

impl Kind for OverTls {
    async fn prepare(identities: usize, limits: Limits) -> Self {
        let mut peers = Vec::new();
        // All at once, so that no two get the same port.
        let mut listeners = Vec::new();
        for node in 0..identities {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap().to_string();
            peers.push(PeerAddress { identity: signer(node).identity(), address });
            listeners.push(listener);
        }
        Self { peers, limits }
    }

    fn identity(&self, node: usize) -> Identity {
        self.peers[node].identity
    }

    async fn start(&self, node: usize) -> (Arc<dyn Transport>, Incoming) {
        let listener = loop {
            match TcpListener::bind(&self.peers[node].address).await {
                Ok(listener) => break listener,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        let mut options = Options::default();
        options.limits = self.limits.clone();
        let started = Direct::start(Arc::new(signer(node)), listener, self.peers.clone(), options).unwrap();
        (started.0, started.1)
    }
}

struct OverNats {
    server: quorate_servers::Nats,
    nodes: usize,
    limits: Limits,
}

impl Kind for OverNats {
    async fn prepare(identities: usize, limits: Limits) -> Self {
        Self { server: quorate_servers::Nats::start(), nodes: identities, limits }
    }

    fn identity(&self, node: usize) -> Identity {
        signer(node).identity()
    }

    async fn start(&self, node: usize) -> (Arc<dyn Transport>, Incoming) {
        let servers = self.server.url().parse().unwrap();
        let broker = quorate_broker::Options { servers, ..quorate_broker::Options::default() };
        let broker = Broker::connect(&broker, &format!("node{node}")).await.unwrap();
        let mut options = NatsOptions::default();
        options.limits = self.limits.clone();
        let peers = (0..self.nodes).map(|node| self.identity(node));
        let started = Nats::start(Arc::new(signer(node)), [7; 32], broker, peers, options).await.unwrap();
        (started.0, started.1)
    }
}

type Node = (Arc<dyn Transport>, Incoming);

async fn cluster<K: Kind>(count: usize, limits: Limits) -> (K, Vec<Node>) {
    let kind = K::prepare(count, limits).await;
    let mut nodes = Vec::new();
    for node in 0..count {
        nodes.push(kind.start(node).await);
    }
    for (transport, _) in &nodes {
        until(|| transport.peers().iter().all(PeerState::is_connected)).await;
    }
    (kind, nodes)
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn state(transport: &Arc<dyn Transport>, of: Identity) -> PeerState {
    transport.peers().into_iter().find(|peer| peer.identity == of).unwrap()
}

/// Sends, waiting while the queue is full.
async fn send(transport: &Arc<dyn Transport>, to: Identity, frame: Bytes) {
    loop {
        match transport.send(&to, frame.clone()) {
            Ok(()) => return,
            Err(SendError::Full(_)) => tokio::time::sleep(Duration::from_millis(1)).await,
            Err(error) => panic!("{error}"),
        }
    }
}

fn numbered(number: u32) -> Bytes {
    Bytes::copy_from_slice(&number.to_le_bytes())
}

fn number(frame: &Bytes) -> u32 {
    u32::from_le_bytes(frame[..4].try_into().unwrap())
}

fn limits(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    change(&mut limits);
    limits
}

async fn frames_arrive_whole_and_named<K: Kind>() {
    let (kind, mut nodes) = cluster::<K>(3, Limits::default()).await;
    let largest: Vec<u8> = (0..Limits::default().max_frame).map(|at| (at * 7 + at / 251) as u8).collect();
    let frames =
        [Bytes::new(), Bytes::from_static(b"one"), Bytes::from(largest), Bytes::from(vec![0; 65_537])];
    for (from, to) in [(0, 1), (1, 0), (2, 0)] {
        for frame in &frames {
            send(&nodes[from].0, kind.identity(to), frame.clone()).await;
            let (sender, received) = nodes[to].1.next().await.unwrap();
            assert_eq!(sender, kind.identity(from));
            assert!(received == *frame, "a frame of {} bytes changed", frame.len());
        }
    }
}

async fn the_order_of_a_peer_is_kept_and_nothing_comes_twice<K: Kind>() {
    const FRAMES: u32 = 5000;
    let (kind, mut nodes) = cluster::<K>(3, Limits::default()).await;
    let mut senders = Vec::new();
    for from in [0, 1] {
        let (transport, to) = (Arc::clone(&nodes[from].0), kind.identity(2));
        senders.push(tokio::spawn(async move {
            for n in 0..FRAMES {
                send(&transport, to, numbered(n)).await;
            }
        }));
    }
    let mut expected = HashMap::new();
    for _ in 0..2 * FRAMES {
        let (from, frame) = nodes[2].1.next().await.unwrap();
        let next = expected.entry(from).or_insert(0);
        assert_eq!(number(&frame), *next);
        *next += 1;
    }
    assert_eq!(expected.into_values().collect::<Vec<_>>(), [FRAMES, FRAMES]);
    assert!(timeout(Duration::from_millis(100), nodes[2].1.next()).await.is_err());
}

async fn misuse_is_refused<K: Kind>() {
    let (kind, nodes) = cluster::<K>(2, Limits::default()).await;
    let limit = Limits::default().max_frame;
    let transport = &nodes[0].0;
    let stranger = signer(99).identity();
    assert_eq!(transport.send(&stranger, Bytes::new()), Err(SendError::UnknownPeer(stranger)));
    let me = kind.identity(0);
    assert_eq!(transport.send(&me, Bytes::new()), Err(SendError::UnknownPeer(me)));
    let large = Bytes::from(vec![0; limit + 1]);
    let too_large = SendError::TooLarge { length: limit + 1, limit };
    assert_eq!(transport.send(&kind.identity(1), large), Err(too_large));
    let listed: Vec<Identity> = transport.peers().iter().map(|peer| peer.identity).collect();
    assert_eq!(listed, [kind.identity(1)]);
}

async fn a_peer_that_never_reads_fills_its_own_queue_only<K: Kind>() {
    let small = limits(|limits| {
        limits.max_frame = 64 << 10;
        limits.queue_bytes = 256 << 10;
        limits.inbox_bytes = 256 << 10;
        limits.queue_age = PATIENCE;
    });
    let (kind, mut nodes) = cluster::<K>(3, small).await;
    let (deaf, other) = (kind.identity(1), kind.identity(2));
    let frame = Bytes::from(vec![1; 64 << 10]);
    // Full for a whole second: not just momentarily behind.
    let mut full_since = None;
    let mut sent = 0_u32;
    while full_since.is_none_or(|since: Instant| since.elapsed() < Duration::from_secs(1)) {
        match nodes[0].0.send(&deaf, frame.clone()) {
            Ok(()) => (full_since, sent) = (None, sent + 1),
            Err(SendError::Full(peer)) => {
                assert_eq!(peer, deaf);
                full_since.get_or_insert_with(Instant::now);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(sent < 1000, "{sent} frames of 64 KiB went nowhere");
    for n in 0..100 {
        nodes[0].0.send(&other, numbered(n)).unwrap();
        assert_eq!(number(&nodes[2].1.next().await.unwrap().1), n);
    }
    // Nothing was dropped: when the peer reads at last, it gets every frame.
    for _ in 0..sent {
        assert_eq!(nodes[1].1.next().await.unwrap().1.len(), frame.len());
    }
}

async fn a_flooding_peer_does_not_starve_another<K: Kind>() {
    let small = limits(|limits| {
        limits.max_frame = 1 << 10;
        limits.inbox_bytes = 256 << 10;
    });
    let (kind, mut nodes) = cluster::<K>(3, small).await;
    let victim = kind.identity(2);
    let flooder = Arc::clone(&nodes[0].0);
    let flood = tokio::spawn(async move {
        loop {
            match flooder.send(&victim, Bytes::from_static(&[0; 1000])) {
                Ok(()) => tokio::task::yield_now().await,
                Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        }
    });
    let backlog = |nodes: &[Node]| state(&nodes[0].0, victim).queued_frames;
    while backlog(&nodes) < 100 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for n in 0..20 {
        nodes[1].0.send(&victim, numbered(n)).unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        // It has arrived, and waits behind at most one frame of the flood.
        let mut turns = Vec::new();
        while !turns.contains(&kind.identity(1)) {
            turns.push(nodes[2].1.next().await.unwrap().0);
        }
        assert!(turns.len() <= 2, "waited behind {} frames", turns.len() - 1);
    }
    flood.abort();
}

async fn a_frame_waits_for_a_peer_that_is_not_there_yet<K: Kind>() {
    let kind = K::prepare(2, Limits::default()).await;
    let early = kind.start(0).await;
    assert!(!state(&early.0, kind.identity(1)).is_connected());
    early.0.send(&kind.identity(1), numbered(1)).unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(state(&early.0, kind.identity(1)).queued_frames, 1);
    let mut late = kind.start(1).await;
    assert_eq!(late.1.next().await, Some((kind.identity(0), numbered(1))));
}

async fn a_restarted_peer_is_found_again<K: Kind>() {
    let (kind, mut nodes) = cluster::<K>(2, Limits::default()).await;
    for round in 0..3_u32 {
        // A crash, not a close.
        drop(nodes.pop());
        until(|| !state(&nodes[0].0, kind.identity(1)).outgoing.open).await;
        nodes.push(kind.start(1).await);
        until(|| nodes.iter().all(|node| node.0.peers().iter().all(PeerState::is_connected))).await;
        nodes[0].0.send(&kind.identity(1), numbered(round)).unwrap();
        assert_eq!(nodes[1].1.next().await, Some((kind.identity(0), numbered(round))));
        nodes[1].0.send(&kind.identity(0), numbered(round)).unwrap();
        assert_eq!(nodes[0].1.next().await, Some((kind.identity(1), numbered(round))));
    }
}

async fn the_state_follows_the_peer<K: Kind>() {
    let (kind, mut nodes) = cluster::<K>(2, Limits::default()).await;
    let peer = kind.identity(1);
    let before = Instant::now();
    nodes[1].0.send(&kind.identity(0), numbered(1)).unwrap();
    nodes[0].1.next().await.unwrap();
    until(|| state(&nodes[0].0, peer).last_heard.is_some_and(|heard| heard >= before)).await;
    let left = nodes.pop().unwrap();
    left.0.close().await;
    until(|| !state(&nodes[0].0, peer).outgoing.open && !state(&nodes[0].0, peer).incoming.open).await;
    nodes[0].0.send(&peer, Bytes::from_static(b"12345")).unwrap();
    let waiting = state(&nodes[0].0, peer);
    assert_eq!((waiting.queued_frames, waiting.queued_bytes, waiting.expired_frames), (1, 5, 0));
}

async fn closing_hands_over_what_is_queued<K: Kind>() {
    const FRAMES: u32 = 500;
    let (kind, mut nodes) = cluster::<K>(3, Limits::default()).await;
    for n in 0..FRAMES {
        nodes[0].0.send(&kind.identity(1), numbered(n)).unwrap();
        nodes[0].0.send(&kind.identity(2), numbered(n)).unwrap();
    }
    nodes[0].0.close().await;
    for node in [1, 2] {
        for n in 0..FRAMES {
            assert_eq!(nodes[node].1.next().await, Some((kind.identity(0), numbered(n))));
        }
    }
}

async fn closing_does_not_wait_for_a_peer_that_is_away<K: Kind>() {
    let kind = K::prepare(2, limits(|limits| limits.close_timeout = PATIENCE)).await;
    let alone = kind.start(0).await;
    alone.0.send(&kind.identity(1), numbered(1)).unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let start = Instant::now();
    alone.0.close().await;
    assert!(start.elapsed() < PATIENCE / 4);
}

async fn after_closing_nothing_passes<K: Kind>() {
    let (kind, mut nodes) = cluster::<K>(2, Limits::default()).await;
    nodes[1].0.send(&kind.identity(0), numbered(1)).unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let closing = nodes[0].0.close();
    assert_eq!(nodes[0].0.send(&kind.identity(1), numbered(2)), Err(SendError::Closed));
    closing.await;
    nodes[0].0.close().await;
    assert_eq!(nodes[0].1.next().await, Some((kind.identity(1), numbered(1))), "what had arrived is kept");
    assert_eq!(nodes[0].1.next().await, None);
    assert_eq!(nodes[0].1.next().await, None);
}
