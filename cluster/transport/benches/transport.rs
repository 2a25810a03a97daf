//! What a frame costs between two nodes on loopback: round trips and throughput, with and without TLS.
//!
//! `cargo bench -p quorate-transport`
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use quorate_keys::{Identity, Secret, SigningIdentity};
use quorate_transport::direct::{Direct, Options, PeerAddress};
use quorate_transport::memory::Hub;
use quorate_transport::{Incoming, Limits, PeerState, SendError, Transport};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

/// One end of a connected pair.
struct Node {
    transport: Arc<dyn Transport>,
    incoming: Incoming,
    peer: Identity,
}

impl Node {
    async fn send(&self, frame: &Bytes) {
        while let Err(error) = self.transport.send(&self.peer, frame.clone()) {
            assert!(matches!(error, SendError::Full(_)), "{error}");
            tokio::task::yield_now().await;
        }
    }

    async fn receive(&mut self) -> Bytes {
        self.incoming.next().await.unwrap().1
    }
}

fn signer(n: u8) -> SigningIdentity {
    SigningIdentity::from_seed(&Secret::new([n; 32]))
}

async fn in_memory() -> [Node; 2] {
    let ids = [signer(1).identity(), signer(2).identity()];
    let hub = Hub::new(ids, Limits::default(), 0).unwrap();
    [(0, 1), (1, 0)].map(|(me, peer): (usize, usize)| {
        let (transport, incoming) = hub.join(ids[me]).unwrap();
        Node { transport, incoming, peer: ids[peer] }
    })
}

async fn over_tls() -> [Node; 2] {
    let mut listeners = Vec::new();
    let mut peers = Vec::new();
    for n in [1, 2] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        peers.push(PeerAddress { identity: signer(n).identity(), address });
        listeners.push(listener);
    }
    let ids: Vec<Identity> = peers.iter().map(|peer| peer.identity).collect();
    let mut started = [1, 2].into_iter().zip(listeners).map(|(n, listener)| {
        Direct::start(Arc::new(signer(n)), listener, peers.clone(), Options::default()).unwrap()
    });
    let nodes = [ids[1], ids[0]].map(|peer| {
        let (transport, incoming) = started.next().unwrap();
        Node { transport, incoming, peer }
    });
    for node in &nodes {
        while !node.transport.peers().iter().all(PeerState::is_connected) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    nodes
}

fn pairs(runtime: &Runtime) -> [(&'static str, [Node; 2]); 2] {
    [("memory", runtime.block_on(in_memory())), ("direct", runtime.block_on(over_tls()))]
}

/// A frame there and one of the same size back.
fn round_trip(criterion: &mut Criterion) {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut group = criterion.benchmark_group("round trip");
    for (name, [mut near, mut far]) in pairs(&runtime) {
        // The far node echoes.
        runtime.spawn(async move {
            while let Some((_, frame)) = far.incoming.next().await {
                far.send(&frame).await;
            }
        });
        for size in [256, 64 << 10] {
            let frame = Bytes::from(vec![7; size]);
            group.bench_function(BenchmarkId::new(name, size), |bencher| {
                bencher.iter_custom(|rounds| {
                    runtime.block_on(async {
                        let start = Instant::now();
                        for _ in 0..rounds {
                            near.send(&frame).await;
                            black_box(near.receive().await);
                        }
                        start.elapsed()
                    })
                });
            });
        }
    }
    group.finish();
}

/// Frames in one direction, as fast as they go.
fn throughput(criterion: &mut Criterion) {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut group = criterion.benchmark_group("throughput");
    for (name, [near, mut far]) in pairs(&runtime) {
        let near = Arc::new(near);
        for size in [256, 64 << 10] {
            let frame = Bytes::from(vec![7; size]);
            group.throughput(Throughput::Bytes(size as u64));
            group.bench_function(BenchmarkId::new(name, size), |bencher| {
                bencher.iter_custom(|frames| {
                    let (near, frame) = (Arc::clone(&near), frame.clone());
                    runtime.block_on(async {
                        let start = Instant::now();
                        let sending = tokio::spawn(async move {
                            for _ in 0..frames {
                                near.send(&frame).await;
                            }
                        });
                        for _ in 0..frames {
                            black_box(far.receive().await);
                        }
                        sending.await.unwrap();
                        start.elapsed()
                    })
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, round_trip, throughput);
criterion_main!(benches);
