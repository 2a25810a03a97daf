//! Nothing is done without the approvals that the policy asks for, whoever proposes and whatever he shows.

use super::*;
use quorate_request::{ApprovalRequest, Decision, ErrorCode};

use crate::frame::Reason;

pub(super) fn authorizer(number: u8) -> SigningPrincipal {
    // As different as a security key and a file.
    let kind = if number == 2 { KeyType::P256 } else { KeyType::Ed25519 };
    SigningPrincipal::from_secret(kind, &quorate_keys::Secret::new([number; 32])).unwrap()
}

/// Two of alice, bob and carol approve what is signed, and one of dave and erin what is made anew.
fn settings() -> Settings {
    settings_with("careful, raw: true, approvals: {threshold: 2, of: [alice, bob, carol]}")
}

/// The same with another rule for what is signed.
fn settings_with(rule: &str) -> Settings {
    let names = ["alice", "bob", "carol", "dave", "erin"];
    let keys: Vec<_> = names
        .iter()
        .zip(1..)
        .map(|(name, number)| format!("{name}: '{}'", authorizer(number).principal()))
        .collect();
    let rules = format!(
        "authorizers: {{{}}}\napprovals: {{auxiliary: {{threshold: 1, of: [dave, erin]}}}}\nrules:\n  \
         - {{name: {rule}}}\n",
        keys.join(", ")
    );
    Settings { rules: Some(Box::leak(rules.into_boxed_str())), ..Settings::default() }
}

async fn cluster() -> Cluster {
    let cluster = Cluster::new(3, settings()).await;
    cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap();
    eventually("known", || (0..3).all(|place| cluster.knows(place, "w") == 1)).await;
    cluster
}

const DAY: u64 = 24 * 3600;

/// A word, as it may be.
pub(super) struct Saying {
    pub(super) by: SigningPrincipal,
    pub(super) fingerprint: [u8; 32],
    pub(super) decision: Decision,
    pub(super) created: SystemTime,
    pub(super) until: SystemTime,
    pub(super) cluster: ClusterId,
    pub(super) operation: Operation,
}

impl Saying {
    pub(super) fn signed(self) -> SignedRequest {
        let until = self.until.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let body = ApprovalRequest {
            session_id: None,
            fingerprint: self.fingerprint.into(),
            decision: self.decision,
            valid_until: until.as_secs(),
        };
        let (id, body) =
            (quorate_request::RequestId::generate(&mut OsRng), serde_json::to_vec(&body).unwrap());
        let expires = self.created + Duration::from_secs(60);
        SignedRequest::sign(&self.by, self.cluster, self.operation, id, self.created, expires, body).unwrap()
    }
}

impl Cluster {
    pub(super) fn saying(&self, number: u8, request: &SignedRequest) -> Saying {
        let now = SystemTime::now();
        Saying {
            by: authorizer(number),
            fingerprint: request.fingerprint(),
            decision: Decision::Approve,
            created: now,
            until: now + Duration::from_secs(DAY),
            cluster: *self.peers.cluster(),
            operation: Operation::Approve,
        }
    }

    pub(super) async fn approves(&self, place: usize, number: u8, request: &SignedRequest) {
        self.engine(place).approve(&self.saying(number, request).signed()).await.unwrap();
    }

    pub(super) fn waiting(&self, place: usize) -> Vec<quorate_request::WaitingView> {
        self.engine(place).waiting(None, |_| true)
    }

    async fn everybody_knows(&self, request: &SignedRequest, names: &[&str]) {
        let names: BTreeSet<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = request.fingerprint();
        eventually("everybody knows", || {
            (0..3).all(|place| self.engine(place).approvals.approved_by(&key, None) == names)
        })
        .await;
    }
}

fn missing(ending: Result<SessionResult, ErrorBody>) -> String {
    let error = ending.unwrap_err();
    assert_eq!(error.code, ErrorCode::ApprovalsMissing, "{error:?}");
    error.message
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_shown_as_the_policy_is_after_a_restart() {
    let mut cluster = cluster().await;
    missing(cluster.engine(0).submit(&cluster.sign_request("s", "w", "")).await);
    eventually("shown", || (0..3).all(|place| cluster.waiting(place).len() == 1)).await;
    let other = "other, raw: true, approvals: {threshold: 1, of: [erin, dave]}";
    for (rule, shown) in [(other, 1), ("none, raw: true", 0)] {
        for place in 0..3 {
            cluster.restart(place, settings_with(rule), None).await;
        }
        let as_policy = |view: &quorate_request::WaitingView| {
            (view.rule.as_deref(), view.threshold, view.of.len()) == (Some("other"), 1, 2)
        };
        eventually("as the policy is", || {
            let shown_at = |place| cluster.waiting(place).iter().filter(|view| as_policy(view)).count();
            (0..3).all(|place| cluster.waiting(place).len() == shown && shown_at(place) == shown)
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_approvals_waits_and_is_signed_once_enough_have_approved() {
    let cluster = cluster().await;
    let request = cluster.sign_request("s", "w", "");
    let said = missing(cluster.engine(0).submit(&request).await);
    assert!(said.contains("2 of alice, bob, carol have approved: nobody has so far"), "{said}");
    // Wherever an authorizer looks, it sees what it approves, byte for byte.
    eventually("shown", || (0..3).all(|place| cluster.waiting(place).len() == 1)).await;
    for place in 0..3 {
        let key = request.fingerprint();
        let view = cluster.engine(place).waiting(Some(&key), |_| true).remove(0);
        assert_eq!(view.request.unwrap().as_bytes(), request.encode());
        assert_eq!((view.rule.as_deref(), view.threshold), (Some("careful"), 2));
        assert_eq!((view.initiator.as_str(), view.wallet_id), ("client", Some("w".parse().unwrap())));
    }
    cluster.approves(2, 1, &request).await;
    cluster.everybody_knows(&request, &["alice"]).await;
    // One that may approve other things counts for nothing here, nor does one twice.
    cluster.approves(1, 4, &request).await;
    cluster.approves(1, 1, &request).await;
    cluster.everybody_knows(&request, &["alice", "dave"]).await;
    let said = missing(cluster.engine(1).submit(&request).await);
    assert!(said.contains("so far: alice;"), "{said}");
    cluster.approves(1, 2, &request).await;
    cluster.everybody_knows(&request, &["alice", "bob", "dave"]).await;
    // The same request, signed anew by its client and asked of any node.
    let signed = sign_of(cluster.engine(2).submit(&cluster.sign_request("s", "w", "")).await).unwrap();
    let again = sign_of(cluster.engine(2).submit(&request).await).unwrap();
    assert_eq!(signed, again);
    eventually("shown no more", || (0..3).all(|place| cluster.waiting(place).is_empty())).await;
    // What others have approved is nothing for another request, and nothing for the same one under another id.
    let other = cluster.sign_request("other", "w", "");
    missing(cluster.engine(0).submit(&other).await);
    // Everybody has noted who approved, and everybody who signed, on whose approval.
    let count = |member: &Member, event: &str, text: &str| {
        let filter =
            quorate_audit::Filter { events: vec![event.to_owned()], ..quorate_audit::Filter::default() };
        let entries = quorate_audit::read(&member.data_dir.join("audit"), filter).unwrap();
        entries.filter(|entry| entry.as_ref().unwrap().as_str().contains(text)).count()
    };
    for member in &cluster.members {
        eventually("noted", || count(member, "approval", r#""authorizer":"bob""#) == 1).await;
    }
    let by = r#""approved_by":["alice","bob","dave"]"#;
    let signers: usize = cluster.members.iter().map(|member| count(member, "signing", by)).sum();
    assert_eq!(signers, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_approved_is_done_once_as_long_as_any_approval_may_hold() {
    let cluster = cluster().await;
    let request = cluster.sign_request("s", "w", "");
    for number in [1, 2] {
        cluster.approves(0, number, &request).await;
    }
    cluster.everybody_knows(&request, &["alice", "bob"]).await;
    sign_of(cluster.engine(0).submit(&request).await).unwrap();
    let ledger = &cluster.engine(0).ledger;
    let later = |days: u64| SystemTime::now() + Duration::from_secs(days * DAY);
    ledger.forget_expired(later(13)).await.unwrap();
    assert!(ledger.known(request.request_id(), &request.fingerprint()).unwrap().is_some());
    ledger.forget_expired(later(15)).await.unwrap();
    assert!(ledger.known(request.request_id(), &request.fingerprint()).unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn words_that_are_none_count_for_nothing() {
    let cluster = cluster().await;
    let request = cluster.sign_request("s", "w", "");
    cluster.approves(0, 1, &request).await;
    cluster.everybody_knows(&request, &["alice"]).await;
    let (now, hour) = (SystemTime::now(), Duration::from_secs(3600));
    let bob = || cluster.saying(2, &request);
    let initiator = || SigningPrincipal::from_secret(KeyType::Ed25519, &cluster.initiator.secret()).unwrap();
    let week = 8 * 24 * hour;
    let mut tampered = cluster.saying(2, &cluster.sign_request("t", "w", "")).signed().encode();
    let fingerprint = hex::encode(cluster.sign_request("t", "w", "").fingerprint());
    let place = tampered.windows(64).position(|bytes| bytes == fingerprint.as_bytes()).unwrap();
    tampered[place..place + 64].copy_from_slice(hex::encode(request.fingerprint()).as_bytes());
    let rows = [
        ("a stranger", Saying { by: authorizer(9), ..bob() }.signed(), ErrorCode::UnknownInitiator),
        ("the initiator", Saying { by: initiator(), ..bob() }.signed(), ErrorCode::UnknownInitiator),
        (
            "of another cluster",
            Saying { cluster: ClusterId::generate(&mut OsRng), ..bob() }.signed(),
            ErrorCode::WrongCluster,
        ),
        (
            "for another operation",
            Saying { operation: Operation::Sign, ..bob() }.signed(),
            ErrorCode::OtherOperation,
        ),
        ("over", Saying { created: now - 2 * hour, until: now - hour, ..bob() }.signed(), ErrorCode::Expired),
        (
            "over before it begins",
            Saying { until: now - hour, ..bob() }.signed(),
            ErrorCode::MalformedRequest,
        ),
        ("for too long", Saying { until: now + week, ..bob() }.signed(), ErrorCode::MalformedRequest),
        (
            "of tomorrow",
            Saying { created: now + 24 * hour, until: now + 25 * hour, ..bob() }.signed(),
            ErrorCode::NotYetValid,
        ),
        (
            "for another request, altered",
            SignedRequest::decode(&tampered).unwrap(),
            ErrorCode::DigestMismatch,
        ),
    ];
    for (what, word, code) in &rows {
        let error = cluster.engine(1).approve(word).await.unwrap_err();
        assert_eq!(error.code, *code, "{what}: {error:?}");
    }
    // Nor do they when a node passes them on, in an invitation or by themselves.
    let words: Vec<_> = rows.iter().map(|(_, word, _)| word.encode()).collect();
    let mut hand = cluster.hand(2).await;
    let engine = cluster.engine(0);
    eventually("connected", || engine.reachable().len() == 3).await;
    // The last of them is one: when it is known, the others were looked at.
    let last = cluster.sign_request("last", "w", "");
    let told = words.iter().cloned().chain([cluster.saying(3, &last).signed().encode()]).collect();
    hand.send(&engine.me, &Frame::Words(told));
    eventually("all are heard", || !engine.approvals.approved_by(&last.fingerprint(), None).is_empty()).await;
    assert_eq!(
        engine.approvals.approved_by(&request.fingerprint(), None),
        BTreeSet::from(["alice".to_owned()])
    );
    let invite =
        Invite { approvals: words, ..hand.invitation(engine, &request, &[engine.me, hand.identity()], 1) };
    let refused = declined(&mut hand, engine.me, &invite).await;
    assert!(
        matches!(&refused, Some(Reason::Refused { code, .. }) if code == "approvals_missing"),
        "{refused:?}"
    );
    assert_eq!(
        engine.approvals.approved_by(&request.fingerprint(), None),
        BTreeSet::from(["alice".to_owned()])
    );
    // With a word that is one it takes part, at once.
    let approvals = vec![bob().signed().encode()];
    let invite = Invite { approvals, ..hand.invitation(engine, &request, &[engine.me, hand.identity()], 2) };
    assert_eq!(declined(&mut hand, engine.me, &invite).await, None);
}

/// Why a node declines; nothing if it accepts.
async fn declined(hand: &mut Hand, to: Identity, invite: &Invite) -> Option<Reason> {
    hand.send(&to, &Frame::Invite(Box::new(invite.clone())));
    let answer = hand.next(|_, frame| match frame {
        Frame::Accept(_) => Some(None),
        Frame::Decline(decline) => Some(Some(decline.reason)),
        _ => None,
    });
    answer.await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_that_was_taken_back_counts_no_more_whoever_repeats_it() {
    let cluster = cluster().await;
    let request = cluster.sign_request("s", "w", "");
    let second = Duration::from_secs(1);
    let early = Saying { created: SystemTime::now() - 5 * second, ..cluster.saying(2, &request) }.signed();
    cluster.approves(0, 1, &request).await;
    cluster.engine(0).approve(&early).await.unwrap();
    cluster.everybody_knows(&request, &["alice", "bob"]).await;
    let rejected = Saying { decision: Decision::Reject, ..cluster.saying(2, &request) }.signed();
    cluster.engine(1).approve(&rejected).await.unwrap();
    cluster.everybody_knows(&request, &["alice"]).await;
    // Told again: by its author's mistake, and by whoever has kept it.
    cluster.engine(0).approve(&early).await.unwrap();
    let said = missing(cluster.engine(0).submit(&request).await);
    assert!(said.contains("so far: alice;"), "{said}");
    eventually("shown", || (0..3).all(|place| cluster.waiting(place).len() == 1)).await;
    assert_eq!(cluster.waiting(2)[0].rejected_by, ["bob"]);
    let mut hand = cluster.hand(2).await;
    let engine = cluster.engine(0);
    eventually("connected", || engine.reachable().len() == 3).await;
    let approvals = vec![early.encode()];
    let invite = Invite { approvals, ..hand.invitation(engine, &request, &[engine.me, hand.identity()], 1) };
    let refused = declined(&mut hand, engine.me, &invite).await;
    assert!(
        matches!(&refused, Some(Reason::Refused { code, .. }) if code == "approvals_missing"),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_and_what_was_said_outlives_a_restart_and_reaches_who_was_away() {
    let mut cluster = cluster().await;
    let request = cluster.sign_request("s", "w", "");
    // Node 2 is away when all is said.
    cluster.members[2].tasks.iter().for_each(JoinHandle::abort);
    cluster.engine(2).transport.close().await;
    eventually("away", || cluster.engine(0).reachable().len() == 2).await;
    missing(cluster.engine(0).submit(&request).await);
    eventually("shown", || cluster.waiting(1).len() == 1).await;
    for number in [1, 3] {
        cluster.approves(0, number, &request).await;
    }
    for place in 0..3 {
        cluster.restart(place, settings(), None).await;
    }
    cluster.everybody_knows(&request, &["alice", "carol"]).await;
    eventually("shown", || (0..3).all(|place| cluster.waiting(place).len() == 1)).await;
    sign_of(cluster.engine(2).submit(&request).await).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_made_anew_needs_the_approvals_of_its_operation() {
    let cluster = cluster().await;
    let request = cluster.request(Operation::Auxiliary, "a", r#"{"parties":["node0","node1"]}"#);
    let said = missing(cluster.engine(0).submit(&request).await);
    assert!(said.contains("the policy allows it once 1 of dave, erin have approved"), "{said}");
    eventually("shown", || (0..3).all(|place| cluster.waiting(place).len() == 1)).await;
    // Who proposes without asking anybody is refused by the others.
    let verified = cluster.engine(1).authority.verify(&request).unwrap();
    let refused = cluster.engine(1).check_approved(&verified).unwrap_err();
    assert_eq!(refused.code, ErrorCode::ApprovalsMissing);
    let new = crate::cause::NewAuxiliary {
        parties: [0, 1].map(|place| cluster.identity(place)).into(),
        epoch: 1,
        request: Some(request.encode()),
    };
    let provision = crate::cause::Provision::Auxiliary(new);
    let from = cluster.identity(0);
    let refused = cluster.engine(1).provision(from, &provision).unwrap_err();
    assert!(matches!(&refused, Reason::Refused { code, .. } if code == "approvals_missing"), "{refused:?}");
    cluster.approves(2, 5, &request).await;
    cluster.everybody_knows(&request, &["erin"]).await;
    cluster.engine(1).provision(from, &provision).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authorizer_may_ask_for_nothing() {
    let cluster = cluster().await;
    for (operation, body) in [
        (Operation::Sign, r#"{"wallet_id":"w","message":"0x00"}"#),
        (Operation::Keygen, r#"{"threshold":2,"total":3,"curve":"ed25519"}"#),
        (Operation::Auxiliary, "{}"),
    ] {
        let (now, id) = (SystemTime::now(), "x".parse().unwrap());
        let expires = now + Duration::from_secs(60);
        let request =
            SignedRequest::sign(&authorizer(1), *cluster.peers.cluster(), operation, id, now, expires, body)
                .unwrap();
        let error = cluster.engine(0).submit(&request).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::UnknownInitiator, "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_that_is_taken_back_after_the_promise_is_seen_before_anything_is_signed() {
    let cluster = cluster().await;
    let request = cluster.sign_request("s", "w", "");
    for number in [1, 2] {
        cluster.approves(0, number, &request).await;
    }
    let mut hand = cluster.hand(2).await;
    let engine = cluster.engine(0);
    eventually("connected", || engine.reachable().len() == 3).await;
    let invite = hand.invitation(engine, &request, &[engine.me, hand.identity()], 1);
    let start = hand.gather(&invite).await;
    let rejected = Saying {
        decision: Decision::Reject,
        created: SystemTime::now() + Duration::from_secs(2),
        ..cluster.saying(2, &request)
    };
    engine.approve(&rejected.signed()).await.unwrap();
    hand.send(&engine.me, &Frame::Start(start));
    // It ends its part, and says why.
    let reason = hand.next(|_, frame| match frame {
        Frame::Decline(decline) => Some(decline.reason),
        Frame::GivenUp(given_up) => Some(Reason::Unable(given_up.reason)),
        _ => None,
    });
    let reason = reason.await.to_string();
    assert!(reason.contains("have approved"), "{reason}");
    let filter = quorate_audit::Filter { events: vec!["signing".into()], ..quorate_audit::Filter::default() };
    assert_eq!(quorate_audit::read(&cluster.members[0].data_dir.join("audit"), filter).unwrap().count(), 0);
}
