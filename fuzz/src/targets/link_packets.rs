//! Packets to a node's end of a link: anybody who reaches the broker can write them.

use std::sync::Arc;
use std::time::Duration;

use quorate_keys::{Identity, Secret, SigningIdentity};
use quorate_link::{Event, Link, Local, Settings};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use crate::{Outcome, Target};

pub(super) const TARGET: Target = Target {
    name: "link_packets",
    seeds,
    words: &["\0", "\x01", "\x02", "\x03", "\x04", "\0\0\0\0\0\0\0\0"],
    run,
};

fn signer(n: u8) -> SigningIdentity {
    SigningIdentity::from_seed(&Secret::new([n; 32]))
}

/// Both ends, always the same: what one says in one run fits the other in any.
fn ends() -> [Link; 2] {
    let end = |me: u8, peer: u8| {
        let mut rng = ChaCha8Rng::seed_from_u64(u64::from(me));
        let peer: Identity = signer(peer).identity();
        let local = Arc::new(Local::new(Arc::new(signer(me)), [7; 32], 1, &mut rng));
        Link::new(local, peer, Settings::default(), Duration::ZERO, &mut rng)
    };
    [end(1, 2), end(2, 1)]
}

/// Packets with their lengths, and before each the end that it goes to.
fn encode(packets: &[(usize, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (to, packet) in packets {
        let length = u16::try_from(packet.len()).unwrap_or(u16::MAX);
        bytes.push(u8::from(*to == 1));
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(packet);
    }
    bytes
}

fn seeds() -> Vec<Vec<u8>> {
    let mut ends = ends();
    let (mut all, mut now) = (Vec::new(), Duration::ZERO);
    for to in [1, 0, 1, 0, 1, 0, 1, 0] {
        now += Duration::from_millis(1);
        let [first, second] = &mut ends;
        let (from, reader) = if to == 1 { (first, second) } else { (second, first) };
        if from.has_room() {
            from.push(vec![9; 100].into());
        }
        from.tick(now);
        while let Some(packet) = from.next_packet(now) {
            reader.receive(now, &packet);
            all.push((to, packet.to_vec()));
        }
    }
    vec![encode(&all), encode(all.get(..2).unwrap_or_default()), encode(all.get(1..4).unwrap_or_default())]
}

fn run(input: &[u8]) -> Outcome {
    let [mut first, mut second] = ends();
    let mut now = Duration::ZERO;
    let mut rest = input;
    let mut accepted = false;
    while let Some((to, after)) = rest.split_first() {
        let Some((length, after)) = after.split_first_chunk() else { break };
        let length = usize::from(u16::from_le_bytes(*length)).min(after.len());
        let (packet, after) = after.split_at(length);
        rest = after;
        now += Duration::from_millis(10);
        let link = if *to & 1 == 1 { &mut second } else { &mut first };
        link.tick(now);
        accepted |= link.receive(now, packet) != Event::Refused;
        while link.next_packet(now).is_some() {}
        assert!(link.take(now).is_none_or(|frame| frame.len() <= Settings::default().max_frame));
    }
    if accepted { Outcome::accepted() } else { Outcome::refused(&"no packet of the peer's") }
}
