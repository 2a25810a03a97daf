//! A result that another proposer's attempt has reached, at a node that was asked for it itself.

use super::*;
use quorate_frost::Output;
use quorate_request::Verified;

use super::super::lock;
use super::play::{Played, job};
use crate::frame::{Reason, Signed};
use crate::store::Table;

/// Three nodes that hold a wallet, one of which is a hand. Nobody's silence is noticed before a test is over.
struct Scene {
    cluster: Cluster,
    hand: Hand,
    request: SignedRequest,
    verified: Verified,
}

impl Scene {
    async fn new() -> Self {
        let settings = Settings {
            round: Duration::from_secs(60),
            request: Duration::from_secs(120),
            ..Settings::default()
        };
        let cluster = Cluster::new(3, settings).await;
        cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap();
        eventually("known", || (0..3).all(|place| cluster.knows(place, "w") == 1)).await;
        let hand = cluster.hand(2).await;
        eventually("connected", || (0..2).all(|place| cluster.engine(place).reachable().len() == 3)).await;
        // Node 1 would choose the two others.
        let request = cluster.sign_request_led_by("w", 3, &[0, 2]);
        let (verified, _) = job(cluster.engine(1), &request);
        Self { cluster, hand, request, verified }
    }

    /// The hand proposes to sign with node 1, and does so: what it then owes.
    async fn signed_with_node_1(&mut self) -> Signed {
        let (engine, hand) = (self.cluster.engine(1), &mut self.hand);
        let invite = hand.invitation(engine, &self.request, &[engine.me, hand.identity()], 1);
        let (start, accepted) = hand.agree(&invite).await;
        let share = self.cluster.share(2, "w");
        let mut playing = hand.enter(accepted.unwrap(), &start, &job(engine, &self.request).1, &share);
        hand.send(&engine.me, &Frame::Start(start));
        let Played::Done(output) = hand.play(&mut playing, |_, _| None::<()>).await else {
            panic!("no output")
        };
        let Output::Signatures(made) = Output::from_wire(output.expose()).unwrap() else {
            panic!("no signature")
        };
        Signed {
            request_id: self.request.request_id().to_string(),
            fingerprint: self.request.fingerprint(),
            signatures: made.iter().map(|made| made.signature).collect(),
            committee: vec![engine.me, hand.identity()],
            attempt: 1,
        }
    }

    fn is_stored(&self) -> bool {
        self.cluster.engine(1).store.contains(Table::Results, self.request.request_id().as_str()).unwrap()
    }

    /// Asks node 1 as a client would.
    fn ask(&self) -> JoinHandle<Result<SessionResult, ErrorBody>> {
        let (engine, request) = (Arc::clone(self.cluster.engine(1)), self.request.clone());
        tokio::spawn(async move { engine.submit(&request).await })
    }

    /// What node 1 answers to another invitation to sign the same.
    async fn answered(&mut self) -> Option<Reason> {
        let engine = self.cluster.engine(1);
        let invite = self.hand.invitation(engine, &self.request, &[engine.me, self.hand.identity()], 2);
        self.hand.send(&engine.me, &Frame::Invite(Box::new(invite)));
        self.hand
            .next(|_, frame| match frame {
                Frame::Accept(_) => Some(None),
                Frame::Decline(decline) => Some(Some(decline.reason)),
                _ => None,
            })
            .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_told_while_the_request_waits_here_is_settled_at_once() {
    let mut scene = Scene::new().await;
    let engine = Arc::clone(scene.cluster.engine(1));
    // As many requests as it works on are at work.
    let soon = || tokio::time::Instant::now() + Duration::from_secs(10);
    let mut places = Vec::new();
    for _ in 0..engine.config.max_concurrent_signing {
        places.push(engine.signings.take(soon()).await.unwrap());
    }
    let asked = scene.ask();
    eventually("it was asked", || engine.ledger.watch(scene.verified.request_id()).is_some()).await;
    let signed = scene.signed_with_node_1().await;
    assert!(!scene.is_stored());
    engine.signed(scene.hand.identity(), signed.clone()).await;
    // Not in memory, where its own request stands without an ending: so it is on disk, and whoever comes next is told.
    assert!(!asked.is_finished() && !engine.ledger.has_result(scene.verified.request_id()));
    assert!(scene.is_stored());
    let declined = scene.answered().await;
    let Some(Reason::Done(told)) = declined else { panic!("{declined:?}") };
    assert_eq!(told.unwrap().signatures, signed.signatures);
    // Its client gets the same.
    drop(places);
    let answer = tokio::time::timeout(Duration::from_secs(20), asked).await;
    let answer = sign_of(answer.expect("without an attempt of its own").unwrap()).unwrap();
    assert_eq!(answer.signature.as_bytes(), signed.signatures[0].as_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_told_ends_the_attempt_that_a_node_makes_itself() {
    let mut scene = Scene::new().await;
    let engine = Arc::clone(scene.cluster.engine(1));
    let asked = scene.ask();
    // Its own attempt, with a member that does not answer.
    let (from, _) = scene.hand.invited().await;
    assert_eq!(from, engine.me);
    let id = scene.request.request_id().to_string();
    assert!(lock(&engine.proposals).contains_key(&id));
    let signed = scene.signed_with_node_1().await;
    assert!(lock(&engine.proposals).contains_key(&id) && !asked.is_finished());
    scene.hand.send(&engine.me, &Frame::Signed(signed.clone()));
    let answer = tokio::time::timeout(Duration::from_secs(20), asked).await;
    let answer = sign_of(answer.expect("without waiting for its own attempt").unwrap()).unwrap();
    assert_eq!(answer.signature.as_bytes(), signed.signatures[0].as_bytes());
    assert!(scene.is_stored());
    let declined = scene.answered().await;
    assert!(matches!(declined, Some(Reason::Done(_))), "{declined:?}");
}
