//! What one member can do to the attempts and sessions of others.

use super::*;
use quorate_session::SessionId;

use super::super::lock;
use super::super::run::WAITING;

#[tokio::test(flavor = "multi_thread")]
async fn who_proposes_and_never_starts_keeps_nobody_from_signing() {
    let settings = Settings::default();
    let cluster = Cluster::new(3, settings).await;
    cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap();
    let hand = cluster.hand(2).await;
    eventually("connected", || cluster.engine(0).reachable().len() == 3).await;
    eventually("known", || cluster.knows(1, "w") == 1).await;
    let request = cluster.sign_request_led_by("w", 3, &[0, 1]);
    // It invites one of the two again and again, before the client's own node and all the time after.
    let (squatted, asked) = (cluster.identity(1), Arc::clone(cluster.engine(1)));
    let asked_for = request.clone();
    let squatting = tokio::spawn(async move {
        for attempt in 1.. {
            let invite = hand.invitation(&asked, &asked_for, &[squatted, hand.identity()], attempt);
            hand.send(&squatted, &Frame::Invite(Box::new(invite)));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    eventually("it squats", || !lock(&cluster.engine(1).promises).is_empty()).await;
    let named = r#","signers":["node0","node1"]"#;
    let request_named = cluster.sign_request(request.request_id().as_str(), "w", named);
    assert_ne!(request_named.fingerprint(), request.fingerprint());
    let signed = sign_of(cluster.engine(0).submit(&request).await).unwrap();
    assert_eq!(signed.committee, ["node0", "node1"]);
    squatting.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_false_start_ends_the_attempt_of_who_made_it() {
    let cluster = Cluster::new(2, Settings::default()).await;
    cluster.keygen(0, "k", "w", &[0, 1]).await.unwrap();
    let mut hand = cluster.hand(1).await;
    let engine = cluster.engine(0);
    eventually("connected", || engine.reachable().len() == 2).await;
    let request = cluster.sign_request("s", "w", "");
    let (me, other) = (engine.me, hand.identity());
    let invite = hand.invitation(engine, &request, &[me, other], 1);
    let start = hand.gather(&invite).await;
    // The acceptances of another proposal under this one's name.
    let second = hand.invitation(engine, &request, &[me, other], 2);
    let mut bytes = borsh::to_vec(&start).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let forged: Start = borsh::from_slice(&bytes).unwrap();
    hand.send(&me, &Frame::Start(forged));
    eventually("the promise is gone", || lock(&engine.promises).is_empty()).await;
    assert!(lock(&engine.taken).values().all(|part| !part.live));
    // The true start comes too late; the next attempt is welcome.
    hand.send(&me, &Frame::Start(start));
    let start = hand.gather(&second).await;
    hand.send(&me, &Frame::Start(start.clone()));
    let session = hand.next(|_, frame| match frame {
        Frame::Session { session, .. } => Some(session),
        _ => None,
    });
    let session = session.await;
    // Replayed, it starts nothing: not beside the session, and not after it.
    hand.send(&me, &Frame::Start(start.clone()));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(lock(&engine.sessions).keys().collect::<Vec<_>>(), [&session]);
    let third = hand.invitation(engine, &request, &[me, other], 3);
    hand.gather(&third).await;
    eventually("it is over", || lock(&engine.sessions).is_empty()).await;
    hand.send(&me, &Frame::Start(start));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(lock(&engine.sessions).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_takes_so_much_of_each_member_and_nothing_of_strangers() {
    let cluster = Cluster::new(3, Settings { round: Duration::from_secs(5), ..Settings::default() }).await;
    cluster.keygen(0, "k", "w", &[0, 1]).await.unwrap();
    let mut hand = cluster.hand(1).await;
    let engine = cluster.engine(0);
    eventually("connected", || engine.reachable().len() == 3).await;
    let request = cluster.sign_request("s", "w", "");
    let invite = hand.invitation(engine, &request, &[engine.me, hand.identity()], 1);
    let start = hand.gather(&invite).await;
    let session: SessionId = start.agreement(&invite.proposal.proposal).unwrap().session();
    hand.send(&engine.me, &Frame::Start(start));
    eventually("it runs", || engine.is_running(&session)).await;
    let sessions = lock(&engine.sessions);
    let inbox = sessions.get(&session).unwrap();
    inbox.deliver(cluster.identity(2), vec![1]).unwrap_err();
    // The session's task may take some while they come in; it can't take as fast as this puts in for long.
    let refused = (0..100 * WAITING).filter(|_| inbox.deliver(hand.identity(), vec![0; 64]).is_err()).count();
    assert!(refused > 0);
    inbox.deliver(engine.me, vec![1]).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_whose_work_breaks_off_has_an_ending() {
    let cluster = Cluster::new(2, Settings::default()).await;
    cluster.keygen(0, "k", "w", &[0, 1]).await.unwrap();
    // The step is reached on the task that works on the request: its panic takes that task down.
    cluster.deed(0, |operation, step| {
        assert!((operation, step) != ("sign", Step::Proposed), "a fault planted by the test");
    });
    let error = cluster.sign(0, "s", "w").await.unwrap_err();
    assert_eq!(error.code, quorate_request::ErrorCode::Internal);
    cluster.deed(0, |_, _| {});
    let repeated = cluster.sign(0, "s", "w").await;
    assert!(repeated.is_ok(), "{repeated:?}");
}

/// A member that closes a round late may still dispute what a finished one has said in it.
#[tokio::test(flavor = "multi_thread")]
async fn a_finished_session_can_be_asked_for_two_more_rounds() {
    let settings = Settings { round: Duration::from_millis(1500), ..Settings::default() };
    let cluster = Cluster::new(2, settings).await;
    cluster.keygen(0, "k", "w", &[0, 1]).await.unwrap();
    let lingering = |place: usize| lock(&cluster.engine(place).lingering).len();
    tokio::time::sleep(2 * settings.round).await;
    assert!((0..2).all(|place| lingering(place) == 1));
    assert!((0..2).all(|place| lock(&cluster.engine(place).sessions).is_empty()));
    eventually("they are gone", || (0..2).all(|place| lingering(place) == 0)).await;
}
