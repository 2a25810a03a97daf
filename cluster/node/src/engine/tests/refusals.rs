//! Who refuses a key generation, and who may not.

use std::collections::BTreeMap;

use super::*;
use quorate_keygen::{ACKNOWLEDGE, Refusal};
use quorate_keys::Secret;
use quorate_request::ErrorCode;
use quorate_session::{Agreement, Envelope, SessionId};
use quorate_sharing::PartyIndex;

use super::super::doubts::{BURST, Search};
use super::super::lock;
use crate::store::{Batch, Table};
use crate::wallets::{Inquiry, PendingShare};

/// An agreement on a proposal that nobody has accepted.
fn invented(proposal: &Proposal, fresh: u64) -> Agreement {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&fresh.to_le_bytes());
    let fresh: Vec<(PartyIndex, [u8; 32])> =
        proposal.committee.indices().map(|index| (index, bytes)).collect();
    borsh::from_slice(&borsh::to_vec(&(proposal, fresh)).unwrap()).unwrap()
}

/// What a node answers a hand that asks about a session.
async fn word(engine: &Engine, hand: &mut Hand, agreement: &Agreement) -> Option<Frame> {
    engine.inquired(hand.identity(), &Inquiry::of_new(agreement.clone())).await;
    // Frames keep their order: behind this one there is no answer.
    engine.send(&hand.identity(), &Frame::Here([42; 32]));
    let session = agreement.session();
    hand.next(|from, frame| match frame {
        _ if from != engine.me => None,
        Frame::Here([42, ..]) => Some(None),
        Frame::Refused(ref refusal) if refusal.session() == session => Some(Some(frame)),
        Frame::Certified(ref certified) if certified.certificate.session() == session => Some(Some(frame)),
        Frame::Acknowledged(ref envelope) if envelope.header.session == session => Some(Some(frame)),
        _ => None,
    })
    .await
}

/// Blocks the step of one node until all these have stored a pending share.
pub(super) fn all_have_stored(stores: &[Arc<Store>]) {
    let since = std::time::Instant::now();
    while !stores.iter().all(|store| store.count(Table::Pending).unwrap() > 0) {
        // A runtime waits for its threads: for one that waits for ever, for ever.
        assert!(since.elapsed() < Duration::from_secs(20), "the others never store a share");
        std::thread::sleep(Duration::from_millis(1));
    }
}

pub(super) fn quick() -> Settings {
    Settings { round: Duration::from_millis(500), request: Duration::from_secs(4), ..Settings::default() }
}

/// A key generation of nodes 0, 1 and 2 in which node 1 has stored its share and is cut off before it can say so.
pub(super) async fn in_doubt(nodes: usize) -> (Cluster, SessionId) {
    let cluster = Cluster::new(nodes, quick()).await;
    let (hub, cut_off) = (cluster.hub.clone(), cluster.identity(1));
    let stores = [0, 2].map(|place| Arc::clone(&cluster.engine(place).store));
    cluster.deed(1, move |operation, step| {
        if (operation, step) == ("keygen", Step::Stored) {
            all_have_stored(&stores);
            hub.isolate(&cut_off);
        }
    });
    cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap_err();
    let session = cluster.engine(0).wallets.waiting()[0].agreement.session();
    (cluster, session)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proposer_outside_its_committee_gets_no_refusal_of_what_it_is_about_to_start() {
    let cluster = Cluster::new(4, Settings::default()).await;
    let mut hand = cluster.hand(3).await;
    let engine = cluster.engine(0);
    eventually("connected", || engine.reachable().len() == 4).await;
    let request = cluster.keygen_request("k", "w", 2, &[0, 1, 2]);
    let chosen = [0, 1, 2].map(|place| cluster.identity(place));
    let invite = hand.invitation(engine, &request, &chosen, 1);
    let start = hand.gather(&invite).await;
    let proposal = &invite.proposal.proposal;
    let agreement = start.agreement(proposal).unwrap();
    // Asked often enough to push out whatever is kept of questions: the answer is none.
    assert!(word(engine, &mut hand, &agreement).await.is_none());
    for n in 0..5000 {
        engine.inquired(hand.identity(), &Inquiry::of_new(invented(proposal, n))).await;
    }
    assert!(word(engine, &mut hand, &agreement).await.is_none());
    for member in &chosen {
        hand.send(member, &Frame::Start(start.clone()));
    }
    eventually("it is made", || (0..3).all(|place| cluster.knows(place, "w") == 1)).await;
    let certified = word(engine, &mut hand, &agreement).await;
    assert!(matches!(certified, Some(Frame::Certified(_))), "{certified:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn between_promise_and_wallet_there_is_no_moment_in_which_a_session_could_be_refused() {
    let cluster = Cluster::new(3, Settings::default()).await;
    let mut hand = cluster.hand(2).await;
    let engine = cluster.engine(0);
    eventually("connected", || engine.reachable().len() == 3).await;
    for round in 0..5 {
        let request = cluster.keygen_request(&format!("k{round}"), &format!("w{round}"), 2, &[0, 1]);
        let chosen = [0, 1].map(|place| cluster.identity(place));
        let invite = hand.invitation(engine, &request, &chosen, 1);
        let start = hand.gather(&invite).await;
        let agreement = start.agreement(&invite.proposal.proposal).unwrap();
        let session = agreement.session();
        let digest = start.proposal;
        let mine = agreement.committee().index_of(&engine.me).unwrap();
        let fresh = *agreement.fresh_of(mine).unwrap();
        // One looks without a pause at the way to the session, the other one at all of it, by way of the store.
        let started = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let looking = std::thread::spawn({
            let (engine, started) = (Arc::clone(engine), Arc::clone(&started));
            move || {
                let relaxed = std::sync::atomic::Ordering::SeqCst;
                let mut seen = 0_u32;
                while !started.load(relaxed) {
                    assert!(engine.may_yet_acknowledge(&digest, &fresh, &session), "after {seen} looks");
                    seen += 1;
                }
            }
        });
        let asking = tokio::spawn({
            let (engine, inquiry) = (Arc::clone(engine), Inquiry::of_new(agreement.clone()));
            async move {
                let mut asked_of_the_wallet = 0;
                while asked_of_the_wallet < 10 {
                    assert!(!engine.never_acknowledges(&digest, &fresh, &inquiry).await);
                    asked_of_the_wallet += u32::from(engine.wallets.of_session(&session).is_some());
                }
            }
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
        engine.started(hand.identity(), &start);
        started.store(true, std::sync::atomic::Ordering::SeqCst);
        looking.join().unwrap();
        hand.send(&cluster.identity(1), &Frame::Start(start));
        tokio::time::timeout(Duration::from_secs(20), asking).await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_runs_is_not_refused_and_one_that_has_failed_is() {
    let cluster = Cluster::new(2, Settings { round: Duration::from_secs(4), ..Settings::default() }).await;
    let mut hand = cluster.hand(1).await;
    let engine = cluster.engine(0);
    eventually("connected", || engine.reachable().len() == 2).await;
    let request = cluster.keygen_request("k", "w", 2, &[0, 1]);
    let invite = hand.invitation(engine, &request, &[engine.me, hand.identity()], 1);
    let start = hand.gather(&invite).await;
    let agreement = start.agreement(&invite.proposal.proposal).unwrap();
    let session = agreement.session();
    assert!(word(engine, &mut hand, &agreement).await.is_none());
    hand.send(&engine.me, &Frame::Start(start));
    eventually("it runs", || engine.is_running(&session)).await;
    assert!(word(engine, &mut hand, &agreement).await.is_none());
    // It fails for want of this member's messages. This node knows what it did, and need not ask anybody.
    eventually("it ends", || !engine.is_running(&session)).await;
    let refused = word(engine, &mut hand, &agreement).await;
    assert!(matches!(refused, Some(Frame::Refused(_))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_can_not_know_it_refuses_when_nobody_has_a_certificate_and_keeps_nothing_of_it() {
    let cluster = Cluster::new(3, Settings::default()).await;
    let mut hand = cluster.hand(2).await;
    let engine = cluster.engine(0);
    eventually("connected", || engine.reachable().len() == 3).await;
    let request = cluster.keygen_request("k", "w", 2, &[0, 1]);
    let others = [0, 1].map(|place| cluster.identity(place));
    let invite = hand.invitation(engine, &request, &others, 1);
    let proposal = &invite.proposal.proposal;
    // Where the others stand comes by itself.
    let kept = || {
        let tables = Table::ALL.into_iter().filter(|table| *table != Table::Standings);
        tables.map(|table| engine.store.count(table).unwrap()).collect::<Vec<_>>()
    };
    let before = kept();
    let agreement = invented(proposal, 0);
    let session = agreement.session();
    assert!(word(engine, &mut hand, &agreement).await.is_none());
    eventually("all others were asked", || lock(&engine.doubts).search(&session) == Search::InVain).await;
    let refused = word(engine, &mut hand, &agreement).await;
    let Some(Frame::Refused(refused)) = refused else { panic!("{refused:?}") };
    assert_eq!(refused, Refusal::promise(session, &cluster.members[0].identity));
    assert_eq!(before, kept());
    // Who is no party to it is not answered, nor about sessions of others.
    let stranger = hand.invitation(
        engine,
        &cluster.keygen_request("l", "v", 2, &[1, 2]),
        &[others[1], hand.identity()],
        1,
    );
    assert!(word(engine, &mut hand, &invented(&stranger.proposal.proposal, 0)).await.is_none());
    engine.inquired(cluster.identity(2), &Inquiry::of_new(agreement.clone())).await;
    // Nor is who asks too much, for a while.
    let mut heard = 0;
    for n in 1..=u64::from(4 * BURST) {
        let agreement = invented(proposal, n);
        engine.inquired(hand.identity(), &Inquiry::of_new(agreement.clone())).await;
        heard += u32::from(lock(&engine.doubts).search(&agreement.session()) != Search::None);
    }
    assert!((1..2 * BURST).contains(&heard), "{heard}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_off_node_refuses_nothing_that_it_can_not_know() {
    let cluster = Cluster::new(4, Settings::default()).await;
    let mut hand = cluster.hand(3).await;
    let engine = cluster.engine(0);
    for place in [1, 2] {
        cluster.hub.partition(&cluster.identity(0), &cluster.identity(place));
    }
    eventually("only the hand is there", || engine.reachable().len() == 2).await;
    let request = cluster.keygen_request("k", "w", 2, &[0, 3]);
    let invite = hand.invitation(engine, &request, &[engine.me, hand.identity()], 1);
    let agreement = invented(&invite.proposal.proposal, 0);
    for _ in 0..3 {
        assert!(word(engine, &mut hand, &agreement).await.is_none());
        assert_eq!(lock(&engine.doubts).search(&agreement.session()), Search::None);
    }
}

/// A node that has acknowledged, and whose records of it are gone or spoilt, when a hand and one other node are there.
async fn forgetful(spoil: impl Fn(Batch, &SessionId) -> Batch) -> (Cluster, Hand, Agreement) {
    let mut cluster = Cluster::new(3, Settings::default()).await;
    cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap();
    eventually("all know it", || (0..3).all(|place| cluster.knows(place, "w") == 1)).await;
    let wallet = cluster.engine(0).wallets.all().remove(0);
    let agreement = wallet.record.certificate.agreement().clone();
    let hand = cluster.hand(2).await;
    cluster.engine(0).store.commit(spoil(Batch::new(), &agreement.session())).await.unwrap();
    cluster.restart(0, Settings::default(), None).await;
    let engine = cluster.engine(0);
    eventually("connected", || engine.reachable().len() == 3).await;
    (cluster, hand, agreement)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_record_of_a_wallet_is_spoilt_does_not_refuse_it() {
    let garbage = || Secret::new(b"garbage".to_vec());
    let (cluster, mut hand, agreement) =
        forgetful(|batch, session| batch.put(Table::Wallets, session.as_bytes(), 0, garbage())).await;
    let engine = cluster.engine(0);
    cluster.hub.partition(&cluster.identity(0), &cluster.identity(1));
    let proposal = *Proposing::new(agreement.proposal()).unwrap().digest();
    let fresh = agreement.fresh_of(agreement.committee().index_of(&engine.me).unwrap()).unwrap();
    assert!(!engine.never_acknowledges(&proposal, fresh, &Inquiry::of_new(agreement.clone())).await);
    let word = word(engine, &mut hand, &agreement).await;
    assert!(matches!(word, None | Some(Frame::Certified(_))), "{word:?}");
    // And the others bring it back.
    cluster.hub.heal_all();
    eventually("it is known again", || cluster.knows(0, "w") == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_has_forgotten_a_wallet_asks_before_it_refuses() {
    let (cluster, mut hand, agreement) = forgetful(|batch, session| {
        let batch = batch.delete(Table::Wallets, session.as_bytes());
        batch.delete(Table::Shares, session.as_bytes()).delete(Table::Meta, "name/w")
    })
    .await;
    let engine = cluster.engine(0);
    let session = agreement.session();
    loop {
        match word(engine, &mut hand, &agreement).await {
            None => tokio::time::sleep(Duration::from_millis(50)).await,
            Some(Frame::Certified(_)) => break,
            other => panic!("{other:?}"),
        }
    }
    // One that it does not take is a certificate all the same.
    let mut doubts = lock(&engine.doubts);
    doubts.seek(session);
    doubts.found(&session);
    assert_eq!(doubts.search(&session), Search::Open);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_was_refused_is_not_acknowledged_and_holds_no_name() {
    let (mut cluster, session) = in_doubt(4).await;
    let pending = |cluster: &Cluster| {
        let record = cluster.engine(0).store.get(Table::Pending, session.as_bytes()).unwrap().unwrap();
        PendingShare::from_wire(record.value.expose()).unwrap()
    };
    let share = pending(&cluster);
    let forget = Batch::new().delete(Table::Pending, session.as_bytes()).delete(Table::Meta, "name/w");
    cluster.engine(0).store.commit(forget).await.unwrap();
    cluster.restart(0, quick(), None).await;
    // The refusal is faster than the session's own end.
    let wallets = &cluster.engine(0).wallets;
    let refusal = Refusal::promise(session, &cluster.members[2].identity);
    assert!(wallets.set_aside(&refusal).await.unwrap());
    let error = wallets.store_pending(Batch::new(), &share).await.unwrap_err();
    assert!(error.to_string().contains("refused"), "{error}");
    assert!(wallets.waiting().is_empty());
    let store = &cluster.engine(0).store;
    assert!(!store.contains(Table::Pending, session.as_bytes()).unwrap());
    assert!(!store.contains(Table::Meta, "name/w").unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_frees_the_name_that_an_unreadable_share_holds() {
    let (mut cluster, session) = in_doubt(4).await;
    let garbage = Secret::new(b"garbage".to_vec());
    let spoil = Batch::new().put(Table::Pending, session.as_bytes(), 0, garbage);
    cluster.engine(0).store.commit(spoil).await.unwrap();
    cluster.restart(0, quick(), None).await;
    let store = &cluster.engine(0).store;
    assert!(store.contains(Table::Meta, "name/w").unwrap());
    // As long as it is held, this node says so instead of taking part and failing.
    let name = "w".parse().unwrap();
    assert!(cluster.engine(0).wallets.is_lost(&name).unwrap());
    let error = cluster.keygen(0, "k-2", "w", &[0, 3]).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::NotEnoughSigners);
    assert!(error.message.contains("can't read what it keeps under the name w"), "{error:?}");
    let refusal = Refusal::promise(session, &cluster.members[2].identity);
    assert!(cluster.engine(0).wallets.set_aside(&refusal).await.unwrap());
    assert!(!cluster.engine(0).wallets.is_lost(&name).unwrap());
    assert!(!store.contains(Table::Meta, "name/w").unwrap());
    assert!(store.contains(Table::Pending, session.as_bytes()).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_whose_pending_share_or_name_is_damaged_becomes_known_all_the_same() {
    let (mut cluster, session) = in_doubt(3).await;
    cluster
        .restart_on(0, quick(), None, |path| {
            crate::store::tests::damage::flip(path, Table::Pending, session.as_bytes());
            crate::store::tests::damage::flip(path, Table::Meta, b"name/w");
        })
        .await;
    cluster.deed(1, |_, _| {});
    cluster.hub.heal_all();
    eventually("all know it", || (0..3).all(|place| cluster.knows(place, "w") == 1)).await;
    let store = &cluster.engine(0).store;
    assert!(store.contains(Table::Pending, session.as_bytes()).unwrap());
    assert!(!store.contains(Table::Shares, session.as_bytes()).unwrap());
    let signed = cluster.sign(0, "s", "w").await.unwrap();
    assert_eq!(signed.committee, ["node1", "node2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_comes_behind_the_certificate_voids_nothing() {
    let cluster = Cluster::new(3, Settings::default()).await;
    cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap();
    let engine = cluster.engine(0);
    let session = engine.wallets.all().remove(0).session();
    let lie = Refusal::promise(session, &cluster.members[2].identity);
    assert!(!engine.wallets.set_aside(&lie).await.unwrap());
    assert_eq!(engine.store.keys(Table::Meta, "refusal/").unwrap().len(), 0);
    engine.refused(cluster.identity(2), &lie).await;
    assert!(engine.exclusions.contains(&cluster.identity(2)));
    assert_eq!(cluster.knows(0, "w"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_acknowledgement_of_the_key_spoils_none_that_is() {
    let (cluster, session) = in_doubt(3).await;
    let engine = cluster.engine(0);
    let own = engine.wallets.waiting()[0].acknowledgement.clone();
    let committee = engine.wallets.waiting()[0].agreement.committee().clone();
    let from = cluster.identity(2);
    let sender = committee.index_of(&from).unwrap();
    let signer = &*cluster.members[2].identity;
    let change = |round: u8, body: &[u8]| {
        let header = quorate_session::Header { sender, round, ..own.header.clone() };
        let body = quorate_session::Part::Whole(body.to_vec());
        Envelope::seal(header, body, quorate_session::Part::Absent, signer)
    };
    let ready = own.broadcast.whole().unwrap();
    let mut other_key = ready.to_vec();
    *other_key.last_mut().unwrap() ^= 1;
    let gathered = || lock(&engine.doubts).gathered.get(&session).map(BTreeMap::len);
    let before = gathered();
    for wrong in [change(1, ready), change(ACKNOWLEDGE, &other_key), change(ACKNOWLEDGE, b"nothing")] {
        // In place of the right one, had it come already.
        lock(&engine.doubts).gathered.remove(&session);
        engine.acknowledged(from, wrong).await;
        assert_eq!(gathered(), None, "before: {before:?}");
    }
    engine.acknowledged(from, change(ACKNOWLEDGE, ready)).await;
    assert_eq!(gathered(), Some(2));
    cluster.deed(1, |_, _| {});
    cluster.hub.heal_all();
    eventually("all know it", || (0..3).all(|place| cluster.knows(place, "w") == 1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_about_a_share_that_was_set_aside_are_not_kept() {
    let (cluster, session) = in_doubt(3).await;
    let engine = cluster.engine(0);
    let gathers = || lock(&engine.doubts).gathered.contains_key(&session);
    eventually("node 2 has answered", gathers).await;
    cluster.hub.isolate(&engine.me);
    eventually("cut off", || engine.reachable().len() == 1).await;
    let refusal = Refusal::promise(session, &cluster.members[1].identity);
    engine.refused(cluster.identity(1), &refusal).await;
    assert!(engine.wallets.waiting_of(&session).unwrap().set_aside.is_some());
    assert!(!gathers());
}
