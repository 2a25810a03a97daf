//! Which keys may ask is changed by as many authorizers as the policy asks for, at every node and for good, and by nobody else.

use super::approving::{Saying, authorizer};
use super::*;
use quorate_request::{Decision, ErrorCode, InitiatorStatus, InitiatorsRequest, InitiatorsResponse};

use crate::frame::Reason;
use crate::initiators::Proof;

/// Two of alice, bob and carol change initiators; dave approves other things.
fn settings() -> Settings {
    let names = ["alice", "bob", "carol", "dave"];
    let keys =
        names.iter().zip(1..).map(|(name, number)| format!("{name}: '{}'", authorizer(number).principal()));
    let rules = format!(
        "  spare: {{key: '{}', operations: [read], retired: true}}\nauthorizers: {{{}}}\napprovals:\n  \
         initiators: {{threshold: 2, of: [alice, bob, carol]}}\n  auxiliary: {{threshold: 1, of: [dave]}}\nrules:\n  - \
         {{name: any, raw: true}}\n",
        key(99).principal(),
        keys.collect::<Vec<_>>().join(", ")
    );
    Settings { rules: Some(Box::leak(rules.into_boxed_str())), ..Settings::default() }
}

async fn cluster() -> Cluster {
    let cluster = Cluster::new(3, settings()).await;
    cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap();
    eventually("known", || (0..3).all(|place| cluster.knows(place, "w") == 1)).await;
    cluster
}

/// A key that no policy names.
fn key(number: u8) -> SigningPrincipal {
    SigningPrincipal::from_secret(KeyType::P256, &quorate_keys::Secret::new([number; 32])).unwrap()
}

/// A change that somebody asks for, as it may be.
struct Asking {
    by: SigningPrincipal,
    operation: Operation,
    cluster: ClusterId,
    created: SystemTime,
    id: &'static str,
    body: String,
}

impl Asking {
    fn signed(self) -> SignedRequest {
        let Self { by, operation, cluster, created, id, body } = self;
        let expires = created + Duration::from_secs(60);
        SignedRequest::sign(&by, cluster, operation, id.parse().unwrap(), created, expires, body).unwrap()
    }
}

impl Cluster {
    fn asking(&self, number: u8, id: &'static str, change: &InitiatorsRequest) -> Asking {
        Asking {
            by: authorizer(number),
            operation: Operation::Initiators,
            cluster: *self.peers.cluster(),
            created: SystemTime::now(),
            id,
            body: serde_json::to_string(change).unwrap(),
        }
    }

    async fn change(&self, place: usize, request: &SignedRequest) -> Result<InitiatorsResponse, ErrorBody> {
        let engine = self.engine(place);
        let head = engine.authority.verify_head_of_authorizer(request);
        let verified = head.and_then(|head| head.with_body(request.body().clone(), SystemTime::now()));
        engine.change_initiators(&verified.map_err(|error| crate::authority::refusal(&error))?).await
    }

    /// Alice asks, bob approves.
    async fn changed(
        &self,
        place: usize,
        id: &'static str,
        change: &InitiatorsRequest,
    ) -> InitiatorsResponse {
        let request = self.asking(1, id, change).signed();
        self.approves(place, 2, &request).await;
        self.change(place, &request).await.unwrap()
    }

    fn signed_by(&self, by: &SigningPrincipal, id: &str) -> SignedRequest {
        let (now, mine) = (SystemTime::now(), self.sign_request(id, "w", ""));
        let (id, expires) = (id.parse().unwrap(), now + Duration::from_secs(300));
        SignedRequest::sign(by, *self.peers.cluster(), Operation::Sign, id, now, expires, mine.body().clone())
            .unwrap()
    }

    fn client(&self) -> SigningPrincipal {
        SigningPrincipal::from_secret(KeyType::Ed25519, &self.initiator.secret()).unwrap()
    }

    fn status(&self, place: usize, key: &Principal) -> Option<InitiatorStatus> {
        let views = self.engine(place).initiators();
        views.into_iter().find(|view| view.key == *key).map(|view| view.status)
    }

    async fn has(&self, places: &[usize], key: &Principal, status: InitiatorStatus) {
        eventually("changed", || places.iter().all(|&place| self.status(place, key) == Some(status))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_rotated_by_as_many_authorizers_as_the_policy_asks_for() {
    let mut cluster = cluster().await;
    let (old, new) = (cluster.client(), key(7));
    let admit = InitiatorsRequest::admit("client", new.principal());
    let asked = cluster.asking(1, "admit", &admit);
    let request = asked.signed();
    let missing = cluster.change(0, &request).await.unwrap_err();
    assert_eq!(missing.code, ErrorCode::ApprovalsMissing, "{missing:?}");
    assert!(missing.message.contains("2 of alice, bob, carol have approved: so far: alice"), "{missing:?}");
    eventually("shown", || (0..3).all(|place| cluster.waiting(place).len() == 1)).await;
    let view = cluster.waiting(2).remove(0);
    assert_eq!((view.initiator.as_str(), view.operation.as_str()), ("alice", "initiators"));
    assert_eq!(view.approved_by, ["alice"]);
    // Nobody may ask by it yet, and who approves other things counts for nothing.
    assert_eq!(
        cluster.engine(1).submit(&cluster.signed_by(&new, "s0")).await.unwrap_err().code,
        ErrorCode::UnknownInitiator
    );
    cluster.approves(0, 4, &request).await;
    assert_eq!(cluster.change(0, &request).await.unwrap_err().code, ErrorCode::ApprovalsMissing);
    cluster.approves(2, 2, &request).await;
    let fingerprint = request.fingerprint();
    eventually("heard", || cluster.engine(1).approvals.approved_by(&fingerprint, None).contains("bob")).await;
    // The same request, signed anew, at any node.
    let made = cluster.change(1, &cluster.asking(1, "admit", &admit).signed()).await.unwrap();
    assert_eq!(
        (made.initiator.as_deref(), made.approved_by.as_slice()),
        (Some("client"), &["alice".to_owned(), "bob".to_owned()][..])
    );
    assert_eq!((made.known_by.len(), made.not_yet_known_by.len()), (3, 0));
    assert_eq!(cluster.change(2, &request).await.unwrap(), made);
    eventually("shown no more", || (0..3).all(|place| cluster.waiting(place).is_empty())).await;
    for (place, by) in [(0, &old), (1, &new), (2, &new)] {
        sign_of(cluster.engine(place).submit(&cluster.signed_by(by, &format!("s{place}"))).await).unwrap();
    }
    // The old one may ask for nothing any more, at no node, also after a restart; and is not admitted again.
    cluster.changed(0, "revoke", &InitiatorsRequest::revoke(old.principal())).await;
    cluster.has(&[0, 1, 2], &old.principal(), InitiatorStatus::Revoked).await;
    for place in 0..3 {
        cluster.restart(place, settings(), None).await;
    }
    for place in 0..3 {
        let refused =
            cluster.engine(place).submit(&cluster.signed_by(&old, &format!("r{place}"))).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::UnknownInitiator);
        assert!(refused.message.contains("was revoked"), "{refused:?}");
        // Nor is what it had signed before shown to it.
        assert!(cluster.engine(place).submit(&cluster.signed_by(&old, "s0")).await.is_err());
    }
    eventually("connected", || cluster.engine(2).reachable().len() == 3).await;
    sign_of(cluster.engine(2).submit(&cluster.signed_by(&new, "s4")).await).unwrap();
    let again = cluster.asking(1, "again", &InitiatorsRequest::admit("client", old.principal())).signed();
    let refused = cluster.change(0, &again).await.unwrap_err();
    assert!(refused.message.contains("was a key of client"), "{refused:?}");
    for place in 0..3 {
        let entries = cluster.entries(place, "initiators");
        assert_eq!(entries.len(), 2, "{entries:?}");
        assert!(entries[0].contains(r#""change":"admit""#) && entries[1].contains(r#""change":"revoke""#));
        assert!(entries[1].contains(r#""approved_by":["alice","bob"]"#), "{entries:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_away_hears_of_a_change_and_believes_what_a_revoked_key_has_made() {
    let mut cluster = cluster().await;
    let old = cluster.client();
    cluster.members[2].tasks.iter().for_each(JoinHandle::abort);
    cluster.engine(2).transport.close().await;
    eventually("away", || cluster.engine(0).reachable().len() == 2).await;
    cluster.keygen(0, "k2", "w2", &[0, 1]).await.unwrap();
    let made = cluster.changed(0, "revoke", &InitiatorsRequest::revoke(old.principal())).await;
    assert_eq!(
        (made.known_by, made.not_yet_known_by),
        (vec!["node0".to_owned(), "node1".to_owned()], vec!["node2".to_owned()])
    );
    cluster.restart(2, settings(), None).await;
    cluster.has(&[2], &old.principal(), InitiatorStatus::Revoked).await;
    eventually("known", || cluster.knows(2, "w2") == 1).await;
    // Who asks again hears that everybody keeps it now.
    let request = cluster.asking(1, "revoke", &InitiatorsRequest::revoke(old.principal())).signed();
    eventually("connected", || cluster.engine(0).reachable().len() == 3).await;
    assert_eq!(cluster.change(0, &request).await.unwrap().known_by.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_retired_asks_for_nothing_and_may_be_revoked_for_good() {
    let cluster = cluster().await;
    let retired = key(99);
    let refused = cluster.engine(0).submit(&cluster.signed_by(&retired, "s")).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::UnknownInitiator, "{refused:?}");
    cluster.has(&[0], &retired.principal(), InitiatorStatus::Retired).await;
    let revoke = InitiatorsRequest::revoke(retired.principal());
    cluster.changed(0, "revoke", &revoke).await;
    cluster.has(&[0, 1, 2], &retired.principal(), InitiatorStatus::Revoked).await;
    let again = cluster.asking(1, "again", &revoke).signed();
    let refused = cluster.change(0, &again).await.unwrap_err();
    assert!(refused.message.contains("is revoked already"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_change_is_asked_for_in_vain() {
    let cluster = cluster().await;
    let (old, new) = (cluster.client(), key(7).principal());
    let admit = |name: &str, key| InitiatorsRequest::admit(name, key);
    let ask = |number, change: &InitiatorsRequest| cluster.asking(number, "c", change);
    let revoke = InitiatorsRequest::revoke(old.principal());
    let rows = [
        ("by an authorizer of other things", ask(4, &revoke), ErrorCode::Forbidden),
        ("by an initiator", Asking { by: cluster.client(), ..ask(1, &revoke) }, ErrorCode::UnknownInitiator),
        ("by a stranger", Asking { by: key(8), ..ask(1, &revoke) }, ErrorCode::UnknownInitiator),
        ("as a name that nobody has", ask(1, &admit("nobody", new)), ErrorCode::MalformedRequest),
        ("as one that is retired", ask(1, &admit("spare", new)), ErrorCode::MalformedRequest),
        (
            "of an authorizer's key",
            ask(1, &admit("client", authorizer(4).principal())),
            ErrorCode::MalformedRequest,
        ),
        (
            "of a key that may ask already",
            ask(1, &admit("client", old.principal())),
            ErrorCode::MalformedRequest,
        ),
        ("of a key that nobody has", ask(1, &InitiatorsRequest::revoke(new)), ErrorCode::MalformedRequest),
        (
            "without a name",
            ask(1, &InitiatorsRequest { initiator: None, ..admit("x", new) }),
            ErrorCode::MalformedRequest,
        ),
        (
            "with a name",
            ask(1, &InitiatorsRequest { initiator: Some("client".into()), ..revoke.clone() }),
            ErrorCode::MalformedRequest,
        ),
        (
            "with a body of many spaces",
            Asking { body: format!("{}{}", ask(1, &revoke).body, " ".repeat(1024)), ..ask(1, &revoke) },
            ErrorCode::BodyTooLarge,
        ),
        ("that is no JSON", Asking { body: "{".into(), ..ask(1, &revoke) }, ErrorCode::MalformedRequest),
        (
            "of another cluster",
            Asking { cluster: ClusterId::generate(&mut OsRng), ..ask(1, &revoke) },
            ErrorCode::WrongCluster,
        ),
        (
            "that is over",
            Asking { created: SystemTime::now() - Duration::from_secs(600), ..ask(1, &revoke) },
            ErrorCode::Expired,
        ),
    ];
    for (what, asking, code) in rows {
        let request = asking.signed();
        // It would be approved by enough.
        for number in [1, 2, 3] {
            cluster.approves(0, number, &request).await;
        }
        let refused = cluster.change(0, &request).await.unwrap_err();
        assert_eq!(refused.code, code, "{what}: {refused:?}");
    }
    assert!(cluster.engine(0).changes.keys().is_empty());
    assert!(cluster.waiting(0).is_empty());
    // Where the policy does not say who approves it, nobody changes anything.
    let rules = format!("authorizers: {{alice: '{}'}}\nrules: []\n", authorizer(1).principal());
    let lone =
        Cluster::new(1, Settings { rules: Some(Box::leak(rules.into_boxed_str())), ..settings() }).await;
    let request = lone.asking(1, "c", &InitiatorsRequest::revoke(lone.client().principal())).signed();
    let refused = lone.change(0, &request).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Forbidden);
    assert!(refused.message.contains("does not say who approves"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_lies_changes_nothing_without_proof() {
    let cluster = cluster().await;
    let old = cluster.client();
    let revoke = InitiatorsRequest::revoke(old.principal());
    let (now, hour) = (SystemTime::now(), Duration::from_secs(3600));
    let request = cluster.asking(1, "c", &revoke).signed();
    let other = cluster.asking(1, "d", &revoke).signed();
    let word = |number, request: &SignedRequest| cluster.saying(number, request);
    let proof = |request: &SignedRequest, words: Vec<Saying>| Proof {
        request: request.encode(),
        words: words.into_iter().map(|word| word.signed().encode()).collect(),
    };
    let bob = || word(2, &request);
    let stranger = Saying { by: key(8), ..bob() };
    let by_initiator = Asking { by: cluster.client(), ..cluster.asking(1, "c", &revoke) }.signed();
    let to_sign = Asking { operation: Operation::Sign, ..cluster.asking(1, "c", &revoke) }.signed();
    let tomorrow = Asking { created: now + 24 * hour, ..cluster.asking(1, "c", &revoke) }.signed();
    let by_dave = cluster.asking(4, "c", &revoke).signed();
    let long_ago = Asking { created: now - 100 * hour, ..cluster.asking(1, "c", &revoke) }.signed();
    let mut altered = proof(&request, vec![bob()]);
    let place = altered.request.windows(6).position(|bytes| bytes == b"revoke").unwrap();
    altered.request[place] = b'R';
    let rows = [
        ("no words", proof(&request, vec![])),
        ("who asked, once more", proof(&request, vec![word(1, &request)])),
        ("one of other things", proof(&request, vec![word(4, &request)])),
        ("a stranger", proof(&request, vec![stranger])),
        ("a rejection", proof(&request, vec![Saying { decision: Decision::Reject, ..bob() }])),
        ("of another request", proof(&request, vec![word(2, &other)])),
        (
            "a word that was over before",
            proof(&request, vec![Saying { created: now - 5 * hour, until: now - hour, ..bob() }]),
        ),
        ("a word from when it could not be made any more", proof(&long_ago, vec![word(2, &long_ago)])),
        (
            "asked by the initiator",
            proof(&by_initiator, vec![word(2, &by_initiator), word(3, &by_initiator)]),
        ),
        ("for another operation", proof(&to_sign, vec![word(2, &to_sign), word(3, &to_sign)])),
        ("of tomorrow", proof(&tomorrow, vec![Saying { until: now + 48 * hour, ..word(2, &tomorrow) }])),
        ("asked by one of other things", proof(&by_dave, vec![word(2, &by_dave), word(3, &by_dave)])),
        ("altered", altered),
        ("nothing", Proof { request: vec![], words: vec![] }),
        ("one word that is none", Proof { words: vec![vec![1, 2, 3]], ..proof(&request, vec![]) }),
    ];
    let authority = &cluster.engine(0).authority;
    for (what, proof) in &rows {
        assert!(authority.change(proof).is_err(), "{what}");
    }
    // Nor from a peer; from which a real one is taken, whoever that is. Words of yesterday count where all held at one time.
    let yesterday = Asking {
        created: now - 24 * hour,
        ..cluster.asking(3, "e", &InitiatorsRequest::admit("client", key(7).principal()))
    }
    .signed();
    let then = Saying { created: now - 25 * hour, until: now - hour, ..word(2, &yesterday) };
    let true_one = proof(&yesterday, vec![then]);
    let mut hand = cluster.hand(2).await;
    let engine = cluster.engine(0);
    eventually("connected", || engine.reachable().len() == 3).await;
    for (_, proof) in rows {
        hand.send(&engine.me, &Frame::Changed(Box::new(proof)));
    }
    hand.send(&engine.me, &Frame::Changed(Box::new(true_one.clone())));
    cluster.has(&[0, 1], &key(7).principal(), InitiatorStatus::Active).await;
    assert_eq!(cluster.status(0, &old.principal()), Some(InitiatorStatus::Active));
    assert_eq!(engine.changes.keys(), [yesterday.fingerprint()]);
    // Who says that it lacks it is told; once more for each time that it says so.
    hand.send(&engine.me, &Frame::Changes { keys: vec![], ask: true });
    let told = hand.next(|_, frame| match frame {
        Frame::Changed(proof) => Some(*proof),
        _ => None,
    });
    assert_eq!(told.await, true_one);
    // Who has taken nothing is told nothing again before it says so again.
    let heard = |kept| engine.changes.heard(&cluster.identity(2), &yesterday.fingerprint(), kept);
    assert!(heard(false).is_empty() && heard(true).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_and_takes_it_back_is_not_counted() {
    let cluster = cluster().await;
    let revoke = InitiatorsRequest::revoke(cluster.client().principal());
    let request = cluster.asking(1, "c", &revoke).signed();
    cluster.approves(0, 2, &request).await;
    let rejected = Saying { decision: Decision::Reject, ..cluster.saying(1, &request) };
    cluster.engine(0).approve(&rejected.signed()).await.unwrap();
    let missing = cluster.change(0, &request).await.unwrap_err();
    assert!(missing.message.contains("so far: bob"), "{missing:?}");
    eventually("shown", || cluster.waiting(1).len() == 1).await;
    assert_eq!(cluster.waiting(0)[0].rejected_by, ["alice"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_revoked_before_the_share_leaves_signs_nothing() {
    let cluster = cluster().await;
    let request = cluster.sign_request("s", "w", "");
    let mut hand = cluster.hand(2).await;
    let engine = cluster.engine(0);
    eventually("connected", || engine.reachable().len() == 3).await;
    let invite = hand.invitation(engine, &request, &[engine.me, hand.identity()], 1);
    let start = hand.gather(&invite).await;
    let revoke = InitiatorsRequest::revoke(cluster.client().principal());
    let asked = cluster.asking(1, "revoke", &revoke).signed();
    cluster.approves(1, 2, &asked).await;
    cluster.change(1, &asked).await.unwrap();
    cluster.has(&[0], &cluster.client().principal(), InitiatorStatus::Revoked).await;
    hand.send(&engine.me, &Frame::Start(start));
    let reason = hand.next(|_, frame| match frame {
        Frame::Decline(decline) => Some(decline.reason),
        Frame::GivenUp(given_up) => Some(Reason::Unable(given_up.reason)),
        _ => None,
    });
    let reason = reason.await.to_string();
    assert!(reason.contains("was revoked"), "{reason}");
    assert!(cluster.entries(0, "signing").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_holds_where_the_disk_is_full_and_no_change_is_missing_from_the_log() {
    let mut cluster = cluster().await;
    let (old, new) = (cluster.client(), key(7));
    let revoke = InitiatorsRequest::revoke(old.principal());
    let request = cluster.asking(1, "revoke", &revoke).signed();
    cluster.approves(0, 2, &request).await;
    let signed_by_old = |id| cluster.signed_by(&old, id);
    let engine = cluster.engine(0);
    engine.store.fill_disk(true);
    assert_eq!(cluster.change(0, &request).await.unwrap_err().code, ErrorCode::NotReady);
    let refused = engine.submit(&signed_by_old("s")).await.unwrap_err();
    assert!(refused.message.contains("was revoked"), "{refused:?}");
    assert!(engine.changes.keys().is_empty() && cluster.entries(0, "initiators").is_empty());
    // Whoever asks for it otherwise hears that it holds.
    let again = cluster.asking(1, "again", &revoke).signed();
    cluster.approves(1, 2, &again).await;
    let refused = cluster.change(0, &again).await.unwrap_err();
    assert!(refused.message.contains("is revoked already"), "{refused:?}");
    assert!(cluster.change(0, &request).await.is_err());
    engine.write_changes().await;
    assert_eq!(cluster.status(1, &old.principal()), Some(InitiatorStatus::Active));
    engine.store.fill_disk(false);
    engine.write_changes().await;
    cluster.change(0, &request).await.unwrap();
    cluster.has(&[0, 1, 2], &old.principal(), InitiatorStatus::Revoked).await;
    assert_eq!(cluster.entries(0, "initiators").len(), 1);

    // Stopped between store and log.
    let admit = cluster.asking(1, "admit", &InitiatorsRequest::admit("client", new.principal())).signed();
    let words = vec![cluster.saying(2, &admit).signed().encode()];
    let change = engine.authority.change(&Proof { request: admit.encode(), words }).unwrap();
    assert!(engine.changes.keep(change).await.unwrap());
    for _ in 0..2 {
        cluster.restart(0, settings(), None).await;
        eventually("logged", || cluster.entries(0, "initiators").len() == 2).await;
        let engine = cluster.engine(0);
        eventually("noted", || engine.changes.unlogged().is_empty()).await;
    }
    cluster.has(&[0, 1, 2], &new.principal(), InitiatorStatus::Active).await;
    // Who never heard bob but by the proof has his word in its log, too.
    eventually("logged", || cluster.entries(2, "approval").len() == 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_changes_that_are_made_at_once_none_is_lost() {
    let cluster = Arc::new(cluster().await);
    let keys: Vec<_> = (20..28).map(|number| key(number).principal()).collect();
    let ids = ["c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7"];
    let mut tasks = Vec::new();
    for (number, (key, id)) in keys.iter().zip(ids).enumerate() {
        let request = cluster.asking(1, id, &InitiatorsRequest::admit("client", *key)).signed();
        for place in 0..3 {
            cluster.engine(place).approve(&cluster.saying(2, &request).signed()).await.unwrap();
        }
        let cluster = Arc::clone(&cluster);
        tasks.push(tokio::spawn(async move { cluster.change(number % 3, &request).await }));
    }
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    for key in &keys {
        cluster.has(&[0, 1, 2], key, InitiatorStatus::Active).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_is_passed_on_without_what_does_not_count() {
    let cluster = cluster().await;
    let request = cluster.asking(1, "c", &InitiatorsRequest::revoke(cluster.client().principal())).signed();
    let other = cluster.asking(1, "d", &InitiatorsRequest::revoke(cluster.client().principal())).signed();
    let bob = cluster.saying(2, &request).signed().encode();
    let of_another = cluster.saying(3, &other).signed().encode();
    let change = |words: &[&Vec<u8>]| {
        let words = words.iter().map(|word| (*word).clone()).collect();
        cluster.engine(0).authority.change(&Proof { request: request.encode(), words })
    };
    let once = change(&[&bob]).unwrap();
    assert_eq!(once.proof.words, std::slice::from_ref(&bob));
    assert_eq!(change(&[&bob, &bob, &of_another]).unwrap(), once);
    // Nor is more read than there are authorizers.
    assert!(change(&[&of_another, &of_another, &of_another, &bob]).is_err());
    assert_eq!(cluster.engine(1).authority.change(&once.proof).unwrap(), once);
}
