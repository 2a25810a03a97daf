//! Who is let in, and how a link comes up again.

use super::*;

#[test]
fn both_sides_prove_who_they_are_and_a_hello_of_either_start_is_enough() {
    for late in [0, 1] {
        let mut world = World::new(20);
        // One of them is alone for a while.
        world.weather.lost = 1.0;
        world.run(Duration::from_secs(20));
        world.weather.lost = 0.0;
        world.restart(late, 11);
        let start = world.now;
        let world = world.connected();
        assert!(world.now - start < 1000 * MS, "{late} was late, and {:?} passed", world.now - start);
    }
}

#[test]
fn a_later_start_of_a_peer_is_known_at_once_and_gets_nothing_of_what_was_said_before() {
    for end in [0, 1] {
        let mut world = World::new(21 + end as u64).connected();
        world.weather.delay = 50..51;
        world.push(1 - end, frame(100, 1));
        world.run(10 * MS);
        world.restart(end, 11);
        world.weather.delay = 1..2;
        let start = world.now;
        world.until(|world| world.events[1 - end].len() == 2 && world.links.iter().all(Link::is_up));
        assert!(world.now - start < 1000 * MS, "{:?}", world.now - start);
        world.push(1 - end, frame(100, 2));
        world.until(|world| !world.taken[end].is_empty());
        world.run(Duration::from_secs(3));
        assert!(world.taken[end] == [frame(100, 2)]);
    }
}

#[test]
fn a_start_by_a_clock_that_went_back_is_known_by_silence() {
    let mut world = World::new(23).connected();
    world.restart(1, 5);
    world.until(|world| !world.links[0].is_up());
    let mut world = world.connected();
    world.push(0, frame(100, 2));
    world.until(|world| world.taken[1].len() == 1);
}

#[test]
fn who_is_not_the_peer_or_of_another_cluster_is_never_let_in() {
    let [a, b] = signers();
    let honest = || local(a, CLUSTER, 10);
    // The name of b, and a key of one's own: what a peer, or a broker, can make.
    let stranger = (1..=9).find(|n| ![a, b].contains(n) && signer(*n).identity() > signer(a).identity());
    let impostor = local(stranger.unwrap(), CLUSTER, 10);
    for other in [impostor, local(b, [4; 32], 10)] {
        let mut world = World::of(24, Settings::default(), [(honest(), b), (other, a)]);
        world.run(Duration::from_secs(30));
        assert!(world.links.iter().all(|link| !link.is_up()));
        assert_eq!(world.events, [vec![], vec![]]);
    }
}

#[test]
fn a_certificate_is_worth_nothing_in_another_handshake() {
    use crate::handshake::Handshake;
    let [a, b] = signers();
    let (first, second) = (local(a, CLUSTER, 10), local(b, CLUSTER, 10));
    let (peer_of_first, peer_of_second) = (signer(b).identity(), signer(a).identity());
    let answered = |seed| {
        let [one, other] = [seed, seed + 100].map(|byte| Secret::new([byte; 32]));
        let mut initiator = Handshake::initiator(&first, peer_of_first, &one).unwrap();
        let mut responder = Handshake::responder(&second, peer_of_second, &other).unwrap();
        responder.read_first(&initiator.write(false).unwrap()).unwrap();
        (initiator, responder)
    };
    let (mut initiator, mut responder) = answered(1);
    let stolen = responder.certificate();
    initiator.read_certified(&responder.write(true).unwrap()).unwrap();

    // The very same key, certified a moment before.
    let (mut initiator, mut responder) = answered(2);
    let message = responder.write_with(&stolen).unwrap();
    assert!(initiator.read_certified(&message).is_err());
    // One that was never made.
    let (mut initiator, mut responder) = answered(3);
    assert!(initiator.read_certified(&responder.write(false).unwrap()).is_err());
    // Of the initiator, the same.
    let (mut initiator, mut responder) = answered(4);
    initiator.read_certified(&responder.write(true).unwrap()).unwrap();
    assert!(responder.read_certified(&initiator.write_with(&stolen).unwrap()).is_err());
    let (mut initiator, mut responder) = answered(5);
    initiator.read_certified(&responder.write(true).unwrap()).unwrap();
    responder.read_certified(&initiator.write(true).unwrap()).unwrap();
    assert!(initiator.finish().is_ok() && responder.finish().is_ok());
}
