//! Two nodes, and whoever is between them.

mod handshakes;
mod hostile;
mod weather;

use super::*;
use crate::packet::Packet;
use bytes::Bytes;
use quorate_keys::{Secret, SigningIdentity};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use std::sync::Arc;
use std::time::Duration;

const CLUSTER: [u8; 32] = [3; 32];
const MS: Duration = Duration::from_millis(1);

fn signer(n: u8) -> SigningIdentity {
    SigningIdentity::from_seed(&Secret::new([n; 32]))
}

/// Signers of which the first has the smaller identity: it begins.
fn signers() -> [u8; 2] {
    if signer(1).identity() < signer(2).identity() { [1, 2] } else { [2, 1] }
}

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

fn local(n: u8, cluster: [u8; 32], boot: u64) -> Arc<Local> {
    // No two starts have a key in common.
    let mut rng = rng(u64::from(n) << 32 | boot);
    Arc::new(Local::new(Arc::new(signer(n)), cluster, boot, &mut rng))
}

/// How the network treats packets.
#[derive(Clone, Debug)]
struct Weather {
    lost: f64,
    twice: f64,
    delay: std::ops::Range<u64>,
}

impl Default for Weather {
    fn default() -> Self {
        Self { lost: 0.0, twice: 0.0, delay: 1..2 }
    }
}

/// Two links, 0 and 1, and a network.
struct World {
    links: [Link; 2],
    settings: Settings,
    now: Duration,
    weather: Weather,
    rng: ChaCha20Rng,
    /// When, to whom, what.
    on_the_way: Vec<(Duration, usize, Bytes)>,
    /// All that was ever sent, and to whom.
    wire: Vec<(usize, Bytes)>,
    /// Whether what arrives is taken.
    takes: [bool; 2],
    taken: [Vec<Bytes>; 2],
    events: [Vec<Event>; 2],
}

impl World {
    fn new(seed: u64) -> Self {
        Self::with(seed, Settings::default())
    }

    fn with(seed: u64, settings: Settings) -> Self {
        let [a, b] = signers();
        Self::of(seed, settings, [(local(a, CLUSTER, 10), b), (local(b, CLUSTER, 10), a)])
    }

    fn of(seed: u64, settings: Settings, ends: [(Arc<Local>, u8); 2]) -> Self {
        let mut rng = rng(seed);
        let links = ends.map(|(local, peer)| {
            Link::new(local, signer(peer).identity(), settings.clone(), Duration::ZERO, &mut rng)
        });
        Self {
            links,
            settings,
            now: Duration::ZERO,
            weather: Weather::default(),
            rng,
            on_the_way: Vec::new(),
            wire: Vec::new(),
            takes: [true; 2],
            taken: Default::default(),
            events: Default::default(),
        }
    }

    /// The node starts anew, as start `boot`.
    fn restart(&mut self, end: usize, boot: u64) {
        let n = signers();
        let (local, peer) = (local(n[end], CLUSTER, boot), signer(n[1 - end]).identity());
        self.links[end] = Link::new(local, peer, self.settings.clone(), self.now, &mut self.rng);
    }

    fn chance(&mut self, probability: f64) -> bool {
        f64::from(self.rng.next_u32()) < probability * f64::from(u32::MAX)
    }

    fn travel(&mut self, to: usize, packet: &Bytes) {
        let Weather { lost, twice, delay } = self.weather.clone();
        if self.chance(lost) {
            return;
        }
        let copies = 1 + usize::from(self.chance(twice));
        for _ in 0..copies {
            let takes = delay.start + self.rng.next_u64() % (delay.end - delay.start);
            self.on_the_way.push((self.now + Duration::from_millis(takes), to, packet.clone()));
        }
    }

    fn deliver(&mut self, to: usize, packet: &[u8]) -> Event {
        let event = self.links[to].receive(self.now, packet);
        self.note(to, event);
        event
    }

    fn note(&mut self, end: usize, event: Event) {
        if !matches!(event, Event::Quiet | Event::Refused) {
            self.events[end].push(event);
        }
    }

    /// One millisecond.
    fn step(&mut self) {
        self.now += MS;
        let (due, later) =
            std::mem::take(&mut self.on_the_way).into_iter().partition(|(at, ..)| *at <= self.now);
        self.on_the_way = later;
        let due: Vec<(Duration, usize, Bytes)> = due;
        for (_, to, packet) in due {
            self.deliver(to, &packet);
        }
        for end in [0, 1] {
            if self.links[end].deadline() <= self.now {
                let event = self.links[end].tick(self.now);
                self.note(end, event);
            }
            if self.takes[end] {
                while let Some(frame) = self.links[end].take(self.now) {
                    self.taken[end].push(frame);
                }
            }
            while let Some(packet) = self.links[end].next_packet(self.now) {
                assert!(packet.len() <= MAX_PACKET);
                self.wire.push((1 - end, packet.clone()));
                self.travel(1 - end, &packet);
            }
        }
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.step();
        }
    }

    #[track_caller]
    fn until(&mut self, what: impl Fn(&Self) -> bool) {
        let end = self.now + Duration::from_secs(120);
        while !what(self) {
            assert!(self.now < end, "nothing comes of it");
            self.step();
        }
    }

    /// With both ends up.
    fn connected(mut self) -> Self {
        self.until(|world| world.links.iter().all(Link::is_up));
        self
    }

    /// Gives a frame as soon as there is room.
    fn push(&mut self, end: usize, frame: impl Into<Bytes>) {
        self.until(|world| world.links[end].has_room());
        self.links[end].push(frame.into());
    }
}

fn frame(length: usize, n: u8) -> Bytes {
    (0..length).map(|at| (at * 7 + at / 251) as u8 ^ n).collect::<Vec<u8>>().into()
}
