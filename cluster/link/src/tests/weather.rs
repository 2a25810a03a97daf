//! Networks that lose, repeat, reorder and stop, but do not lie.

use super::*;

#[test]
fn frames_of_every_size_arrive_whole_in_both_directions() {
    let mut world = World::new(1).connected();
    let limit = Settings::default().max_frame;
    let sizes = [0, 1, 300, packet::MAX_SEGMENT, packet::MAX_SEGMENT + 1, 200_000, limit];
    for (n, size) in (0..).zip(sizes) {
        world.push(0, frame(size, n));
        world.push(1, frame(size, n + 100));
    }
    world.until(|world| world.taken.iter().all(|taken| taken.len() == sizes.len()));
    for (n, size) in (0..).zip(sizes) {
        assert!(world.taken[1][n as usize] == frame(size, n), "{size} bytes");
        assert!(world.taken[0][n as usize] == frame(size, n + 100), "{size} bytes");
    }
    world.links[0].push(Bytes::from(vec![0; limit + 1]));
    world.run(Duration::from_secs(3));
    assert_eq!(world.taken[1].len(), sizes.len(), "a frame that is too large is dropped");
    assert!(world.links.iter().all(Link::is_flushed));
}

#[test]
fn whatever_the_weather_frames_arrive_in_order_and_once() {
    for seed in 0..60 {
        let mut world = World::new(seed);
        world.weather = Weather {
            lost: f64::from(seed as u32 % 4) * 0.1,
            twice: f64::from(seed as u32 % 3) * 0.3,
            delay: 1..[2, 40, 150][seed as usize % 3],
        };
        let mut world = world.connected();
        let mut sent = [Vec::new(), Vec::new()];
        for n in 0..120_u32 {
            for end in [0, 1] {
                let size = world.rng.next_u32() as usize % [50, 5000, 90_000][n as usize % 3];
                let frame = frame(size, n as u8);
                world.push(end, frame.clone());
                sent[end].push(frame);
            }
        }
        world.until(|world| world.taken[0].len() >= 120 && world.taken[1].len() >= 120);
        world.run(Duration::from_secs(5));
        assert!(world.taken[1] == sent[0] && world.taken[0] == sent[1], "seed {seed}");
        for events in &world.events {
            assert_eq!(events, &[Event::Up], "seed {seed}: one handshake is enough");
        }
    }
}

#[test]
fn a_network_that_stops_for_a_while_costs_time_only() {
    let mut world = World::new(5).connected();
    world.weather.lost = 1.0;
    for n in 0..20 {
        world.push(0, frame(1000, n));
    }
    world.run(Duration::from_secs(4));
    assert!(world.taken[1].is_empty());
    world.weather.lost = 0.0;
    world.until(|world| world.taken[1].len() == 20);
    assert_eq!(world.events, [vec![Event::Up], vec![Event::Up]]);
}

#[test]
fn after_a_long_silence_the_link_is_down_and_what_was_on_the_way_lost() {
    let mut world = World::new(6).connected();
    world.weather.lost = 1.0;
    world.push(0, frame(1000, 1));
    world.run(Duration::from_secs(8));
    let down = Event::Down(Down::Silent(Settings::default().silence));
    assert_eq!(world.events, [vec![Event::Up, down], vec![Event::Up, down]]);
    assert!(world.links.iter().all(|link| !link.is_up() && !link.has_room() && link.is_flushed()));
    world.weather.lost = 0.0;
    let mut world = world.connected();
    world.push(0, frame(1000, 2));
    world.until(|world| world.taken[1].len() == 1);
    assert!(world.taken[1][0] == frame(1000, 2));
}

#[test]
fn a_link_with_nothing_to_say_stays_up_at_a_packet_a_second() {
    let mut world = World::new(7).connected();
    world.run(Duration::from_secs(2));
    let before = world.wire.len();
    world.run(Duration::from_secs(60));
    assert_eq!(world.events, [vec![Event::Up], vec![Event::Up]]);
    let packets = world.wire.len() - before;
    assert!((110..=130).contains(&packets), "{packets} packets in a minute, both ends together");
}

#[test]
fn a_peer_that_takes_nothing_is_sent_the_window_and_no_more() {
    let mut world = World::new(8).connected();
    world.takes[1] = false;
    let mut sent = 0_u8;
    for _ in 0..3000 {
        if world.links[0].has_room() {
            world.links[0].push(frame(64 << 10, sent));
            sent += 1;
        }
        world.step();
    }
    assert_eq!(usize::from(sent), (1 << 20) / (64 << 10), "the window");
    world.push(1, frame(10, 0));
    world.until(|world| world.taken[0].len() == 1);
    world.takes[1] = true;
    world.until(|world| world.taken[1].len() == usize::from(sent));
    world.push(0, frame(1, 1));
    world.until(|world| world.taken[1].len() == usize::from(sent) + 1);
    assert_eq!(world.events, [vec![Event::Up], vec![Event::Up]]);
}

#[test]
fn many_small_frames_share_packets() {
    let mut world = World::new(9).connected();
    world.run(Duration::from_secs(1));
    let before = world.wire.len();
    for n in 0..1000_u32 {
        world.push(0, n.to_le_bytes().to_vec());
    }
    world.until(|world| world.taken[1].len() == 1000);
    assert!(world.wire.len() - before < 20, "{} packets", world.wire.len() - before);
}

#[test]
fn who_leaves_says_so_and_hands_over_what_it_was_given() {
    let mut world = World::new(10).connected();
    for n in 0..50 {
        world.push(0, frame(5000, n));
    }
    world.links[0].hurry();
    let start = world.now;
    world.until(|world| world.links[0].is_flushed());
    assert!(world.now - start < 10 * MS, "acknowledged at once");
    let now = world.now;
    world.links[0].leave(now);
    world.run(10 * MS);
    assert_eq!(world.events[1], [Event::Up, Event::Down(Down::Left)]);
    assert_eq!(world.taken[1].len(), 50);
    world.run(Duration::from_secs(20));
    assert!(world.links.iter().all(|link| !link.is_up()), "nothing comes of a link that was left");
}

#[test]
fn what_has_arrived_can_be_taken_after_the_link_has_ended() {
    for ends in ["leaves", "starts anew", "is silent"] {
        let mut world = World::new(11).connected();
        world.takes[1] = false;
        for n in 0..5 {
            world.push(0, frame(5000, n));
        }
        world.until(|world| world.links[0].is_flushed());
        let now = world.now;
        match ends {
            "leaves" => world.links[0].leave(now),
            "starts anew" => world.restart(0, 11),
            _ => world.weather.lost = 1.0,
        }
        world.until(|world| world.events[1].len() >= 2);
        world.weather.lost = 0.0;
        if ends != "leaves" {
            world = world.connected();
            world.push(0, frame(5000, 5));
        }
        world.takes[1] = true;
        let wanted = if ends == "leaves" { 5 } else { 6 };
        world.until(|world| world.taken[1].len() == wanted);
        for (n, taken) in (0..).zip(&world.taken[1]) {
            assert!(*taken == frame(5000, n), "{ends}: frame {n}");
        }
    }
}
