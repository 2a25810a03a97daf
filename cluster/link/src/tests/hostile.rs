//! A network that lies, and a peer that does.

use super::*;
use crate::packet::{Content, Flags, Segment};

/// The kinds of all packets that were sent.
fn kinds(world: &World) -> Vec<u8> {
    let mut kinds: Vec<u8> = world.wire.iter().map(|(_, packet)| packet[0]).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

#[test]
fn a_packet_with_any_byte_changed_is_refused_and_the_link_is_none_the_worse() {
    (0..80).step_by(5).for_each(changes);
}

fn changes(seed: usize) {
    let mut world = World::new(30);
    world.weather.delay = 2..3;
    let (mut refused, mut given) = (0, [false; 2]);
    for step in 0.. {
        assert!(step < 20_000, "nothing comes of it");
        // Before each packet comes, changed ones do: of what costs no signature, one for each of its bytes.
        let coming = world.on_the_way.clone();
        for (_, to, packet) in coming {
            let costs = packet[0] < 2;
            let all = (0..packet.len()).map(|at| (at + seed) % packet.len());
            for at in all.take(if costs { 1 } else { packet.len() }) {
                let mut changed = packet.to_vec();
                changed[at] ^= 1 << (step % 8);
                let event = world.deliver(to, &changed);
                assert!(!matches!(event, Event::Up | Event::Down(_)), "byte {at} of {packet:?}");
                refused += u32::from(event == Event::Refused);
            }
            if !costs {
                world.deliver(to, &packet[..packet.len() - 1]);
                world.deliver(to, &[&packet[..], &[0]].concat());
            }
        }
        for end in [0, 1] {
            if world.links[end].has_room() && !std::mem::replace(&mut given[end], true) {
                world.links[end].push(frame(500, end as u8));
            }
        }
        if world.taken.iter().all(|taken| taken.len() == 1) {
            break;
        }
        world.step();
    }
    assert!(world.taken[1] == [frame(500, 0)] && world.taken[0] == [frame(500, 1)]);
    assert_eq!(world.events, [vec![Event::Up], vec![Event::Up]]);
    assert_eq!(kinds(&world), [0, 1, 2, 3, 4]);
    assert!(refused > 500, "{refused}");
}

#[test]
fn packets_that_come_again_deliver_nothing_to_the_same_or_any_later_start() {
    let mut world = World::new(31).connected();
    for n in 0..30 {
        world.push(0, frame(300, n));
        world.push(1, frame(300, n));
    }
    world.until(|world| world.taken.iter().all(|taken| taken.len() == 30));
    let recorded = world.wire.clone();
    let again = |world: &mut World| {
        for (to, packet) in &recorded {
            world.deliver(*to, packet);
            world.step();
        }
        world.run(Duration::from_secs(2));
    };
    again(&mut world);
    assert_eq!(world.events, [vec![Event::Up], vec![Event::Up]], "nor is the link made anew");
    world.restart(1, 11);
    again(&mut world);
    world.restart(0, 12);
    again(&mut world);
    let world = world.connected();
    assert_eq!(world.taken.map(|taken| taken.len()), [30, 30]);
}

#[test]
fn a_flood_of_begun_handshakes_is_held_within_bounds_and_ends_with_itself() {
    let mut world = World::new(32).connected();
    let first = world.wire.iter().find(|(_, packet)| packet[0] == 1).unwrap().1.clone();
    let before = world.wire.len();
    for n in 0..3000_u64 {
        let mut forged = first.to_vec();
        forged[1..9].copy_from_slice(&n.to_le_bytes());
        world.deliver(1, &forged);
        if n % 3 == 0 {
            world.step();
        }
    }
    // Each answer costs a signature: no more than 20 of them in a second, though 3000 were asked for.
    let answers = world.wire[before..].iter().filter(|(_, packet)| packet[0] == 2).count();
    assert!(answers <= 25, "{answers} answers in a second");
    world.push(0, frame(100, 1));
    world.until(|world| world.taken[1].len() == 1);
    assert_eq!(world.events, [vec![Event::Up], vec![Event::Up]]);
    world.restart(0, 11);
    world.run(Duration::from_secs(1));
    assert!(world.links.iter().all(Link::is_up));
}

#[test]
fn a_hello_that_is_forged_or_old_moves_nobody() {
    let mut world = World::new(33).connected();
    let hello = world.wire.iter().find(|(_, packet)| packet[0] == 0).unwrap().1.clone();
    let Some(Packet::Hello { signature, .. }) = Packet::read(&hello) else { panic!("a hello") };
    let forged = packet::hello(99, signature);
    for _ in 0..20 {
        assert_eq!(world.deliver(0, &hello), Event::Refused);
        assert_eq!(world.deliver(0, &forged), Event::Refused);
        world.run(100 * MS);
    }
    assert_eq!(world.events, [vec![Event::Up], vec![Event::Up]]);
}

/// Sends content of its own making from node 0, authentic as it is.
fn cheat(content: &Content) -> (World, Event) {
    let settings = Settings { max_frame: 1000, window: 5000, ..Settings::default() };
    let mut world = World::with(34, settings).connected();
    world.run(Duration::from_secs(1));
    let packet = world.links[0].forge(&content.write());
    let event = world.deliver(1, &packet);
    (world, event)
}

fn segments(lengths: &[(usize, bool)]) -> Vec<Segment> {
    lengths.iter().map(|(length, more)| Segment { bytes: frame(*length, 0), more: *more }).collect()
}

const HONEST: Content = Content {
    flags: Flags { answer: false, goodbye: false },
    received: 0,
    taken: 0,
    first: 0,
    segments: vec![],
};

#[test]
fn a_peer_that_breaks_the_rules_ends_its_link_and_nothing_else() {
    let (mut world, event) = cheat(&Content { segments: segments(&[(10, false)]), ..HONEST });
    assert_eq!(event, Event::Quiet);
    world.run(10 * MS);
    assert_eq!(world.taken[1].len(), 1, "what follows the rules passes");

    let ends = |content: Content| match cheat(&content).1 {
        Event::Down(Down::Misbehaved(what)) => what,
        event => panic!("{event:?}"),
    };
    assert_eq!(
        ends(Content { segments: segments(&[(600, true), (401, false)]), ..HONEST }),
        Misbehaviour::FrameTooLarge(1000)
    );
    assert_eq!(
        ends(Content { segments: segments(&[(1001, false)]), ..HONEST }),
        Misbehaviour::FrameTooLarge(1000)
    );
    assert_eq!(ends(Content { received: 1, ..HONEST }), Misbehaviour::Acknowledgement);
    assert_eq!(ends(Content { taken: 1, ..HONEST }), Misbehaviour::Acknowledgement);
    assert_eq!(
        ends(Content { received: u64::MAX, taken: u64::MAX, ..HONEST }),
        Misbehaviour::Acknowledgement
    );
    // All of it early, so that nothing of it can be taken.
    let early = Content { first: 1, segments: segments(&[(900, false); 8]), ..HONEST };
    assert_eq!(ends(early), Misbehaviour::Window);
    assert_eq!(
        ends(Content { first: u64::MAX, segments: segments(&[(9, false)]), ..HONEST }),
        Misbehaviour::Window
    );
}

#[test]
fn malformed_content_of_a_peer_ends_its_link() {
    for content in [&b""[..], &[0; 24], &[4; 25], &[0; 26], &[&[0; 25][..], &[9, 0, 0, 0, 1]].concat()] {
        let mut world = World::new(35).connected();
        let packet = world.links[0].forge(content);
        let event = world.deliver(1, &packet);
        assert_eq!(event, Event::Down(Down::Misbehaved(Misbehaviour::Malformed)), "{content:?}");
        // It may come back.
        let world = world.connected();
        assert!(world.links[1].is_up());
    }
}

#[test]
fn nothing_of_a_frame_can_be_read_on_the_way() {
    let mut world = World::new(36).connected();
    let secret = b"a share of a nonce, thirty-two b";
    for end in [0, 1] {
        world.push(end, Bytes::from_static(secret));
    }
    world.until(|world| world.taken.iter().all(|taken| taken.len() == 1));
    for (_, packet) in &world.wire {
        assert!(!packet.windows(8).any(|window| secret.windows(8).any(|part| part == window)));
    }
}

#[test]
fn any_bytes_are_refused() {
    let mut world = World::new(37).connected();
    let mut bytes = rng(9);
    for n in 0..20_000 {
        let mut packet = vec![0; n % 200];
        bytes.fill_bytes(&mut packet);
        if let Some(kind) = packet.first_mut() {
            *kind %= 6;
        }
        assert!(matches!(world.deliver(n % 2, &packet), Event::Refused | Event::Quiet));
    }
    world.push(0, frame(10, 1));
    world.until(|world| world.taken[1].len() == 1);
}
