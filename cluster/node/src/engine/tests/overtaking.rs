//! Resharings of which nobody knows the end, and those that lead further.

use std::cell::RefCell;

use super::*;
use quorate_keygen::Refusal;
use quorate_reshare::Setup;
use quorate_session::{Envelope, Part, Proposal, setup_digest};
use quorate_sharing::{Committee, KeyShare, Member, PartyIndex};

use super::play::{self, Played, Playing};
use super::refusals::quick;

use crate::frame::{Begun, Reason};

impl Cluster {
    /// Asks for a resharing among nodes 0 to 4, the last of which is a hand: it has stored what it was dealt, as all others have, and never says so.
    async fn left_in_doubt(&self, hand: &mut Hand, request: &SignedRequest) -> Playing {
        let engine = self.engine(0);
        eventually("connected", || engine.reachable().len() == 5).await;
        let play = async {
            let (mut promised, early) = (None, RefCell::new(Vec::new()));
            // One that the others decline is proposed anew.
            let (accepted, start, job) = loop {
                let said = hand.next(|from, frame| match frame {
                    Frame::Invite(invite) => Some(Ok((from, invite))),
                    Frame::Start(start) => Some(Err(start)),
                    // Of those who have the start already.
                    Frame::Session { session, envelope } => {
                        early.borrow_mut().push((from, session, envelope));
                        None
                    }
                    _ => None,
                });
                let (from, invite) = match said.await {
                    Ok(invited) => invited,
                    Err(start) => {
                        let (accepted, job) = promised.take().unwrap();
                        break (accepted, start, job);
                    }
                };
                let (_, mut job) = play::job(engine, request);
                let Job::Reshare(reshare) = &mut job else { panic!("another job") };
                let dealers = invite.resharing.clone().unwrap().dealers;
                reshare.appointed(dealers, invite.proposal.proposal.epoch).unwrap();
                let (accepted, acceptance) = Accepted::accept(
                    invite.proposal.clone(),
                    &hand.identity(),
                    &*hand.identity,
                    &IdentityVerifier,
                    &mut OsRng,
                )
                .unwrap();
                hand.send(&from, &Frame::Accept(acceptance));
                promised = Some((accepted, job));
            };
            let nothing: Option<KeyShare> = None;
            let mut playing = hand.enter_with(accepted, &start, &job, Box::new(nothing));
            playing.stores = false;
            for (from, session, envelope) in early.into_inner() {
                if session == playing.context.session() {
                    let party = playing.context.committee().index_of(&from).unwrap();
                    playing.session.receive(party, &envelope, &mut OsRng);
                }
            }
            let played = hand.play(&mut playing, |_, _| None::<()>).await;
            assert!(matches!(played, Played::Storing), "{played:?}");
            playing
        };
        let (asked, playing) = tokio::join!(self.renew_by(0, request), play);
        let asked = asked.unwrap_err();
        assert!(asked.message.contains("may yet be certified"), "{asked:?}");
        playing
    }
}

/// A node has stored what it was dealt, as all others have, and never says so: they sign on, and the next resharing overtakes that one.
#[tokio::test(flavor = "multi_thread")]
async fn a_resharing_that_one_node_leaves_in_doubt_is_overtaken() {
    let cluster = Cluster::new(5, Settings::default()).await;
    cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap();
    cluster.at_epoch("w", 0).await;
    let mut hand = cluster.hand(4).await;
    let request = cluster.reshare_request("stuck", "w", 2, &[0, 1, 4]);
    let mut playing = cluster.left_in_doubt(&mut hand, &request).await;
    let waiting = || (0..3).map(|place| cluster.engine(place).wallets.waiting().len()).sum::<usize>();
    assert!(waiting() >= 2);
    cluster.sign(1, "meanwhile", "w").await.unwrap();
    let next = cluster.reshare_request("next", "w", 2, &[0, 2, 3]);
    assert_eq!(cluster.renew_by(1, &next).await.unwrap().epoch, 2);
    let all_at = |epoch| (0..4).all(|place| cluster.epoch(place, "w") == epoch);
    eventually("all are at the epoch", || all_at(2)).await;
    eventually("nobody waits", || waiting() == 0).await;
    // Now it says so, to all: nobody goes back.
    playing.session.persisted(&mut OsRng);
    playing.stores = true;
    let played = hand.play(&mut playing, |_, frame| matches!(frame, Frame::Renewed(_)).then_some(())).await;
    let acknowledged = playing.said.values().next().unwrap().clone();
    for place in 0..4 {
        hand.send(&cluster.identity(place), &Frame::Acknowledged(Box::new(acknowledged.clone())));
    }
    drop(played);
    cluster.sign(3, "after", "w").await.unwrap();
    assert!(all_at(2));
}

/// What it says is that it has stored its share, and the proof that it knows it is wrong: that is as good as nothing. With the right one, the epoch is there.
#[tokio::test(flavor = "multi_thread")]
async fn a_late_acknowledgement_with_a_wrong_proof_does_not_count() {
    let cluster = Cluster::new(5, Settings::default()).await;
    cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap();
    cluster.at_epoch("w", 0).await;
    let mut hand = cluster.hand(4).await;
    let request = cluster.reshare_request("stuck", "w", 2, &[0, 1, 4]);
    let mut playing = cluster.left_in_doubt(&mut hand, &request).await;
    playing.session.persisted(&mut OsRng);
    playing.stores = true;
    let played = hand.play(&mut playing, |_, frame| matches!(frame, Frame::Inquire(_)).then_some(())).await;
    drop(played);
    let genuine = playing.said.values().next().unwrap().clone();
    let Part::Whole(mut body) = genuine.broadcast.clone() else { panic!("no acknowledgement") };
    *body.last_mut().unwrap() ^= 1;
    let wrong =
        Envelope::seal(genuine.header.clone(), Part::Whole(body), genuine.direct.clone(), &*hand.identity);
    let engine = cluster.engine(1);
    let [waiting] = &engine.wallets.waiting()[..] else { panic!("one") };
    let unheard = || engine.unheard(waiting).contains(&"node4".to_owned());
    assert!(unheard());
    hand.send(&cluster.identity(1), &Frame::Acknowledged(Box::new(wrong)));
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(unheard());
    for place in 0..4 {
        hand.send(&cluster.identity(place), &Frame::Acknowledged(Box::new(genuine.clone())));
    }
    eventually("the epoch", || (0..4).all(|place| cluster.epoch(place, "w") == 1)).await;
}

/// A resharing to an epoch far off, as these alone have signed that it was begun.
fn begun_by(parties: &[&SigningIdentity], like: &Proposal, setup: Setup, epoch: u64) -> Begun {
    let members = (1..)
        .zip(parties)
        .map(|(index, party)| Member { index: PartyIndex::new(index).unwrap(), identity: party.identity() });
    let committee = Committee::new(like.committee.threshold(), members.collect()).unwrap();
    let (digest, proposer) = (setup_digest(&setup.to_wire().unwrap()), parties[0].identity());
    let proposal = Proposal { epoch, committee, setup: digest, proposer, ..like.clone() };
    let signed = SignedProposal::sign(proposal.clone(), parties[0]).unwrap();
    let (mut proposing, mut start) = (Proposing::new(&proposal).unwrap(), None);
    for party in parties {
        let (_, accepted) =
            Accepted::accept(signed.clone(), &party.identity(), *party, &IdentityVerifier, &mut OsRng)
                .unwrap();
        start = proposing.accept(accepted, &IdentityVerifier).unwrap();
    }
    Begun { proposal, setup, start: start.unwrap() }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_only_says_that_it_waits_has_no_number_left_out() {
    let settings = Settings { request: Duration::from_secs(9), ..quick() };
    let cluster = Cluster::new(4, settings).await;
    cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap();
    cluster.at_epoch("w", 0).await;
    let mut hand = cluster.hand(3).await;
    let engine = cluster.engine(0);
    eventually("connected", || engine.reachable().len() == 4).await;
    let request = cluster.reshare_request("r", "w", 2, &[0, 1, 3]);
    let lies = async {
        let mut seen = 0;
        loop {
            let (from, invite) = hand.invited().await;
            let like = &invite.proposal.proposal;
            assert_eq!(like.epoch, 1, "it was believed");
            let (_, mut job) = play::job(engine, &request);
            let Job::Reshare(reshare) = &mut job else { panic!("another job") };
            reshare.appointed(invite.resharing.clone().unwrap().dealers, 1).unwrap();
            let mut setup =
                Setup::from_wire(&job.setup(&like.committee, &like.proposer, &[]).unwrap()).unwrap();
            let friend = SigningIdentity::generate(&mut OsRng);
            // With the dealers that it should have had, or with none but itself.
            if seen % 2 == 1 {
                setup.dealers.truncate(1);
                setup.receivers.truncate(1);
            }
            let begun = begun_by(&[&hand.identity, &friend], like, setup, 1_000_000);
            let reason = Reason::Locked { begun: Box::new(begun), why: "waits".into() };
            let decline = hand.decline(&invite, reason);
            hand.send(&from, &Frame::Decline(decline));
            seen += 1;
        }
    };
    let asked = tokio::select! {
        asked = cluster.renew_by(0, &request) => asked.unwrap_err(),
        () = lies => panic!("it goes on for ever"),
    };
    assert!(asked.message.contains("shows no resharing that it would wait for"), "{asked:?}");
    // Without it all goes on.
    let without = cluster.reshare_request("without", "w", 2, &[0, 1, 2]);
    assert_eq!(cluster.renew_by(0, &without).await.unwrap().epoch, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proposer_leaves_no_number_out_that_it_does_not_show_to_be_taken() {
    let cluster = Cluster::new(4, Settings::default()).await;
    cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap();
    cluster.at_epoch("w", 0).await;
    let mut hand = cluster.hand(3).await;
    let engine = cluster.engine(0);
    eventually("connected", || engine.reachable().len() == 4).await;
    let holders = [0, 1, 2].map(|place| cluster.identity(place));
    let request = cluster.refresh_request("r", "w");
    for (attempt, epoch) in (1..).zip([2, 3, 1 << 20, 1]) {
        let (_, mut job) = play::job(engine, &request);
        let Job::Reshare(reshare) = &mut job else { panic!("another job") };
        reshare.appointed(holders.into_iter().collect(), epoch).unwrap();
        let invite = hand.invitation_to(engine, &request, &job, &holders, attempt, &[]);
        hand.send(&engine.me, &Frame::Invite(Box::new(invite)));
        let answer = hand.next(|_, frame| match frame {
            Frame::Accept(_) => Some(Ok(())),
            Frame::Decline(decline) => Some(Err(decline.reason.to_string())),
            _ => None,
        });
        match answer.await {
            Ok(()) => assert_eq!(epoch, 1),
            Err(refused) => assert!(epoch > 1 && refused.contains("leaves out others"), "{refused}"),
        }
    }
}

/// It leaves resharing after resharing in doubt, and at last refuses them all: each is kept, so the nodes refresh nothing on their own meanwhile, and
/// reshare nothing more with who does that.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes, and is of ./check slow: each resharing waits until its deadline"]
async fn who_leaves_resharings_in_doubt_fills_no_disk() {
    let settings = Settings { request: Duration::from_secs(20), ..quick() };
    let cluster = Cluster::new(5, settings).await;
    cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap();
    cluster.at_epoch("w", 0).await;
    let mut hand = cluster.hand(4).await;
    let engine = cluster.engine(0);
    let wallet = cluster.wallet(0, "w");
    let not_due = engine.check_due(&wallet).unwrap_err().to_string();
    assert!(not_due.contains("that is not due"), "{not_due}");
    let mut request = cluster.reshare_request("stuck0", "w", 2, &[0, 1, 4]);
    let mut left = 0;
    for attempt in 1..=16 {
        cluster.left_in_doubt(&mut hand, &request).await;
        let kept = engine.wallets.acknowledged_renewals(&wallet.session());
        assert_eq!(kept.len(), attempt);
        let open = engine.check_due(&wallet).unwrap_err().to_string();
        assert_eq!(open.contains("of which nobody knows the end"), attempt >= 8, "{open}");
        left = kept.len();
        request = cluster.reshare_request(&format!("stuck{attempt}"), "w", 2, &[0, 1, 4]);
    }
    for waiting in engine.wallets.acknowledged_renewals(&wallet.session()) {
        let refusal = Refusal::promise(waiting.agreement.session(), &hand.identity);
        for place in [0, 1] {
            hand.send(&cluster.identity(place), &Frame::Refused(refusal.clone()));
        }
    }
    eventually("nobody waits", || (0..2).all(|place| cluster.engine(place).wallets.waiting().is_empty()))
        .await;
    let refused = cluster.renew_by(0, &request).await.unwrap_err();
    assert!(refused.message.contains(&format!("node4, which has refused {left} resharings")), "{refused:?}");
    let without = cluster.reshare_request("without", "w", 2, &[0, 1, 3]);
    cluster.renew_by(0, &without).await.unwrap();
    cluster.sign(1, "s", "w").await.unwrap();
}
