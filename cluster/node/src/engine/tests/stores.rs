//! A store that takes no write while its node takes part in an attempt.

use super::*;
use quorate_request::ErrorCode;

use crate::frame::GivenUp;
use crate::store::Table;

use super::play::{Played, job};

impl Cluster {
    /// From its promise to sign on, a node's disk is full.
    fn fill_disk_when_accepted(&self, place: usize) {
        let store = Arc::clone(&self.engine(place).store);
        self.deed(place, move |operation, step| {
            if (operation, step) == ("sign", Step::Accepted) {
                store.fill_disk(true);
            }
        });
    }

    fn empty_disk(&self, place: usize) {
        self.deed(place, |_, _| {});
        self.engine(place).store.fill_disk(false);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_share_leaves_a_node_whose_store_fails_while_the_session_runs() {
    let cluster = Cluster::new(2, Settings::default()).await;
    cluster.keygen(0, "k", "w", &[0, 1]).await.unwrap();
    eventually("known", || cluster.knows(1, "w") == 1).await;
    let share = cluster.share(1, "w");
    let mut hand = cluster.hand(1).await;
    let engine = cluster.engine(0);
    eventually("connected", || engine.reachable().len() == 2).await;
    let request = cluster.sign_request("s", "w", "");
    let id = request.request_id().as_str();
    for (attempt, full) in [(1, true), (2, false)] {
        if full {
            cluster.fill_disk_when_accepted(0);
        } else {
            cluster.empty_disk(0);
            assert!(!engine.store.contains(Table::Requests, id).unwrap());
        }
        let invite = hand.invitation(engine, &request, &[engine.me, hand.identity()], attempt);
        let (start, accepted) = hand.agree(&invite).await;
        let mut playing = hand.enter(accepted.unwrap(), &start, &job(engine, &request).1, &share);
        hand.send(&engine.me, &Frame::Start(start));
        let given_up = |_, frame| match frame {
            Frame::GivenUp(given_up) => Some(given_up),
            _ => None,
        };
        let played = hand.play(&mut playing, given_up).await;
        let rounds: Vec<_> = playing.heard.iter().map(|envelope| envelope.header.round).collect();
        if full {
            // It gives itself up, not the one who asked it, and says no more than it must.
            let Played::Met(GivenUp { silent, reason, .. }) = played else { panic!("{played:?}") };
            assert_eq!(silent, [engine.me]);
            assert!(!reason.contains("node.db"), "{reason}");
            assert!(rounds.iter().all(|round| *round == 1), "{rounds:?}");
        } else {
            // It was the store: with room again, the same request gets its share, and is on disk by then.
            assert!(matches!(played, Played::Done(_)), "{played:?}");
            assert!(rounds.contains(&2), "{rounds:?}");
            assert!(engine.store.contains(Table::Requests, id).unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_committee_signs_when_the_store_of_a_member_fails() {
    // A member of the committee, and a node that has only the members' words.
    for proposer in [0, 3] {
        let cluster = Cluster::new(4, Settings::patient()).await;
        cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap();
        eventually("known", || (0..4).all(|place| cluster.knows(place, "w") == 1)).await;
        cluster.fill_disk_when_accepted(1);
        let request = cluster.sign_request_led_by("w", 3, &[0, 1]);
        let signing = cluster.engine(proposer).submit(&request);
        let signed = tokio::time::timeout(Duration::from_secs(60), signing).await;
        let signed = sign_of(signed.expect("without waiting for a round's time")).unwrap();
        assert_eq!((signed.committee, signed.attempt), (vec!["node0".into(), "node2".into()], 2));
        assert_eq!(signed.absent, ["node1"]);
        assert!(signed.culprits.is_empty());
        // With room again, it is a signer as any other.
        cluster.empty_disk(1);
        let request = cluster.sign_request("again", "w", r#","signers":["node0","node1"]"#);
        sign_of(cluster.engine(proposer).submit(&request).await).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_can_not_keep_the_wallet_that_it_was_asked_for_says_so_at_once() {
    let cluster = Cluster::new(3, Settings::patient()).await;
    cluster.engine(0).store.fill_disk(true);
    let asked = tokio::time::timeout(Duration::from_secs(60), cluster.keygen(0, "k", "w", &[1, 2])).await;
    let error = asked.expect("without waiting for a round's time").unwrap_err();
    assert_eq!(error.code, ErrorCode::NotReady, "{error:?}");
    // Who is asked next has the wallet.
    let made = cluster.keygen(1, "k", "w", &[1, 2]).await.unwrap();
    cluster.engine(0).store.fill_disk(false);
    assert_eq!(cluster.keygen(0, "k", "w", &[1, 2]).await.unwrap().public_key, made.public_key);
}
