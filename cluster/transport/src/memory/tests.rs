//! What the hub adds to the promises: cut links, loss and delay.

use super::*;
use crate::testing::identities;

type Node = (Arc<Memory>, Incoming);

fn nodes(count: u8, seed: u64) -> (Hub, Vec<Identity>, Vec<Node>) {
    let ids = identities(count);
    let hub = Hub::new(ids.clone(), Limits::default(), seed).unwrap();
    let nodes = ids.iter().map(|id| hub.join(*id).unwrap()).collect();
    (hub, ids, nodes)
}

fn numbered(n: u32) -> Bytes {
    Bytes::copy_from_slice(&n.to_le_bytes())
}

#[tokio::test(start_paused = true)]
async fn a_cut_link_holds_frames_until_it_is_healed_and_other_links_work_on() {
    let (hub, ids, mut nodes) = nodes(3, 0);
    hub.partition(&ids[0], &ids[1]);
    nodes[0].0.send(&ids[1], numbered(1)).unwrap();
    nodes[0].0.send(&ids[2], numbered(2)).unwrap();
    assert_eq!(nodes[2].1.next().await.unwrap().1, numbered(2));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let state = nodes[0].0.peers().into_iter().find(|peer| peer.identity == ids[1]).unwrap();
    assert_eq!((state.outgoing.open, state.incoming.open, state.queued_frames), (false, false, 1));
    hub.heal(&ids[1], &ids[0]);
    assert_eq!(nodes[1].1.next().await, Some((ids[0], numbered(1))));
}

#[tokio::test(start_paused = true)]
async fn a_frame_too_old_when_the_link_is_healed_is_dropped_and_counted() {
    let (hub, ids, mut nodes) = nodes(2, 0);
    hub.isolate(&ids[0]);
    nodes[0].0.send(&ids[1], numbered(1)).unwrap();
    tokio::time::sleep(Limits::default().queue_age * 2).await;
    hub.heal_all();
    nodes[0].0.send(&ids[1], numbered(2)).unwrap();
    assert_eq!(nodes[1].1.next().await.unwrap().1, numbered(2));
    assert_eq!(nodes[0].0.peers()[0].expired_frames, 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_when_a_link_is_cut_is_lost() {
    let (hub, ids, mut nodes) = nodes(2, 0);
    hub.set_delay(Duration::from_millis(100)..Duration::from_millis(100));
    nodes[0].0.send(&ids[1], numbered(1)).unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    hub.partition(&ids[0], &ids[1]);
    tokio::time::sleep(Duration::from_millis(100)).await;
    hub.heal_all();
    nodes[0].0.send(&ids[1], numbered(2)).unwrap();
    assert_eq!(nodes[1].1.next().await.unwrap().1, numbered(2));
}

async fn survivors(seed: u64) -> Vec<u32> {
    let (hub, ids, mut nodes) = nodes(2, seed);
    hub.set_loss(0.5);
    for n in 0..200 {
        nodes[0].0.send(&ids[1], numbered(n)).unwrap();
    }
    nodes[0].0.close().await;
    nodes[1].0.close().await;
    let mut survivors = Vec::new();
    while let Some((_, frame)) = nodes[1].1.next().await {
        survivors.push(u32::from_le_bytes(frame.as_ref().try_into().unwrap()));
    }
    survivors
}

#[tokio::test(start_paused = true)]
async fn the_seed_decides_which_frames_are_lost() {
    let first = survivors(7).await;
    assert!((60..140).contains(&first.len()), "{} of 200", first.len());
    assert!(first.is_sorted());
    assert_eq!(first, survivors(7).await);
    assert_ne!(first, survivors(8).await);
}

#[tokio::test(start_paused = true)]
async fn delays_add_up_along_no_queue_and_keep_the_order() {
    let (hub, ids, mut nodes) = nodes(2, 3);
    hub.set_delay(Duration::from_millis(10)..Duration::from_millis(50));
    let start = Instant::now();
    for n in 0..100 {
        nodes[0].0.send(&ids[1], numbered(n)).unwrap();
    }
    for n in 0..100 {
        assert_eq!(nodes[1].1.next().await.unwrap().1, numbered(n));
    }
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(10) && took <= Duration::from_millis(60), "{took:?}");
}

#[tokio::test]
async fn only_members_join_and_each_once_at_a_time() {
    let (hub, ids, mut nodes) = nodes(2, 0);
    let stranger = identities(3)[2];
    assert_eq!(hub.join(stranger).unwrap_err(), JoinError::Stranger(stranger));
    assert_eq!(hub.join(ids[0]).unwrap_err(), JoinError::Present(ids[0]));
    // A crash, and a restart.
    drop(nodes.remove(0));
    let restarted = hub.join(ids[0]).unwrap();
    restarted.0.send(&ids[1], numbered(5)).unwrap();
    assert_eq!(nodes[0].1.next().await, Some((ids[0], numbered(5))));
}
