//! What becomes of sessions that have ended, and of what comes for them afterwards.

use super::*;
use quorate_session::{Envelope, Header, Kind, Part, SessionId};

use super::super::lingering::Known;
use super::super::lock;

/// Finished sessions linger longer than [`eventually`] waits.
fn long() -> Settings {
    Settings { round: Duration::from_secs(10), request: Duration::from_secs(20), ..Settings::default() }
}

/// Two nodes that hold a wallet, and the session that made it.
async fn with_a_wallet() -> (Cluster, SessionId) {
    let cluster = Cluster::new(2, long()).await;
    cluster.keygen(0, "k", "w", &[0, 1]).await.unwrap();
    let session = cluster.engine(0).wallets.named(&"w".parse().unwrap())[0].certified().certificate;
    let session = session.agreement().session();
    let known = |place: usize| lock(&cluster.engine(place).lingering).knows(&session);
    eventually("it lingers", || (0..2).all(|place| known(place) == Known::Lingers)).await;
    (cluster, session)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_signed_lingers_until_it_hears_of_the_signature() {
    let (cluster, _) = with_a_wallet().await;
    for round in 0..4 {
        cluster.sign(round % 2, &format!("s{round}"), "w").await.unwrap();
    }
    let all = |place: usize| {
        let engine = cluster.engine(place);
        (lock(&engine.sessions).len(), lock(&engine.lingering).len())
    };
    eventually("only the key generation lingers", || (0..2).all(|place| all(place) == (0, 1))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_for_a_session_that_is_over_is_not_kept() {
    let (cluster, _) = with_a_wallet().await;
    let mut hand = cluster.hand(1).await;
    let engine = cluster.engine(0);
    eventually("connected", || engine.reachable().len() == 2).await;
    let request = cluster.sign_request("s", "w", "");
    let invite = hand.invitation(engine, &request, &[engine.me, hand.identity()], 1);
    let start = hand.gather(&invite).await;
    let session = start.agreement(&invite.proposal.proposal).unwrap().session();
    assert!(engine.deliver(hand.identity(), session, vec![0]).unwrap().is_none());
    assert_eq!(lock(&engine.early).take(&session).len(), 1, "it may come before the start");
    hand.send(&engine.me, &Frame::Start(start));
    eventually("it runs", || engine.is_running(&session)).await;
    // Another attempt ends it, and it leaves nothing.
    let invite = hand.invitation(engine, &request, &[engine.me, hand.identity()], 2);
    hand.gather(&invite).await;
    eventually("it is over", || lock(&engine.lingering).knows(&session) == Known::Over).await;
    assert!(engine.deliver(hand.identity(), session, vec![0]).unwrap().is_none());
    assert!(lock(&engine.early).take(&session).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_session_says_nothing_until_it_is_asked() {
    let (cluster, session) = with_a_wallet().await;
    let mut hand = cluster.hand(1).await;
    let engine = cluster.engine(0);
    eventually("connected", || engine.reachable().len() == 2).await;
    let said = |_, frame| match frame {
        Frame::Session { session: about, .. } if about == session => Some(()),
        _ => None,
    };
    tokio::time::timeout(Duration::from_millis(2500), hand.next(said)).await.unwrap_err();
    // Node 1 repeats itself.
    let certified = engine.wallets.named(&"w".parse().unwrap())[0].certified();
    let agreement = certified.certificate.agreement();
    let header = Header {
        session,
        epoch: agreement.epoch(),
        attempt: agreement.proposal().attempt,
        sender: agreement.committee().index_of(&hand.identity()).unwrap(),
        recipient: None,
        kind: Kind::Round,
        round: 3,
        echo: None,
    };
    let again = Envelope::seal(header, Part::Whole(vec![0]), Part::Absent, &*hand.identity);
    let frame = Frame::Session { session, envelope: again.to_wire().unwrap() };
    hand.send(&engine.me, &frame);
    hand.next(said).await;
}
