//! What one member says of the request, of itself or of others ends nothing by itself.

use super::*;
use quorate_request::ErrorCode;
use quorate_session::{Claim, Evidence, ProtocolId};

use super::super::exclusion::FALSE_EVIDENCE;
use crate::frame::{GivenUp, Signed};
use crate::store::Table;

/// Answers every invitation with a refusal, until told to stop.
async fn refuse(mut hand: Hand, reason: Reason) {
    loop {
        let (from, invite) = hand.invited().await;
        // However often: it is heard once.
        for _ in 0..10 {
            hand.send(&from, &Frame::Decline(hand.decline(&invite, reason.clone())));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_refuses_speaks_for_itself_alone() {
    for reason in [
        Reason::Refused { code: "forbidden".into(), message: "not on a Saturday".into() },
        Reason::Conflict,
        Reason::Refused { code: "no such code".into(), message: String::new() },
        // Of another operation.
        Reason::Refused { code: ErrorCode::UnknownSession.as_str().into(), message: String::new() },
    ] {
        let cluster = Cluster::new(3, Settings::default()).await;
        cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap();
        let hand = cluster.hand(2).await;
        eventually("connected", || cluster.engine(0).reachable().len() == 3).await;
        let refusing = tokio::spawn(refuse(hand, reason.clone()));
        let request = cluster.sign_request_led_by("w", 3, &[0, 2]);
        let signed = sign_of(cluster.engine(0).submit(&request).await).unwrap();
        assert_eq!(signed.committee, ["node0", "node1"]);
        // Where there is no other, its word is the answer.
        let request = cluster.sign_request("only", "w", r#","signers":["node0","node2"]"#);
        let error = cluster.engine(0).submit(&request).await.unwrap_err();
        let expected = match &reason {
            Reason::Conflict => ErrorCode::RequestConflict,
            Reason::Refused { code, .. } if code == "forbidden" => ErrorCode::Forbidden,
            _ => ErrorCode::Aborted,
        };
        assert_eq!(error.code, expected);
        assert!(error.message.contains("node2"), "{error:?}");
        refusing.abort();
        // It can't say later that it was another one.
        let refused = |line: &str| line.contains(r#""request":"only""#) && line.contains(r#""node":"node2""#);
        let written = || cluster.entries(0, "refused").iter().filter(|line| refused(line)).count();
        eventually("written", || written() > 0).await;
        assert_eq!(written(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_is_not_signed_by_who_refuses_is_none() {
    let long = Reason::Refused { code: "forbidden".into(), message: "no ".repeat(1000) };
    let short = Reason::Refused { code: "forbidden".into(), message: "no".into() };
    let stranger = SigningIdentity::generate(&mut OsRng);
    let cluster = Cluster::new(2, Settings::default()).await;
    cluster.keygen(0, "k", "w", &[0, 1]).await.unwrap();
    let mut hand = cluster.hand(1).await;
    eventually("connected", || cluster.engine(0).reachable().len() == 2).await;
    let cluster_id = *cluster.peers.cluster();
    let digest = |invite: &Invite| *Proposing::new(&invite.proposal.proposal).unwrap().digest();
    let fingerprint = |invite: &Invite| match &invite.order {
        Order::Request(request) => SignedRequest::decode(request).unwrap().fingerprint(),
        Order::Upkeep(..) => panic!("a request"),
    };
    let altered = |mut decline: Decline, alter: &dyn Fn(&mut Decline)| {
        alter(&mut decline);
        decline
    };
    type Refusing<'a> = Box<dyn Fn(&Hand, &Invite) -> Decline + 'a>;
    let bad: [(&str, Refusing<'_>); 6] = [
        (
            "not signed",
            Box::new(|hand, invite| Decline::new(digest(invite), short.clone(), None, &hand.identity)),
        ),
        (
            "of another request",
            Box::new(|hand, invite| {
                Decline::new(digest(invite), short.clone(), Some((&cluster_id, &[2; 32])), &hand.identity)
            }),
        ),
        (
            "of another proposal",
            Box::new(|hand, invite| {
                let signed = Decline::new(
                    [7; 32],
                    short.clone(),
                    Some((&cluster_id, &fingerprint(invite))),
                    &hand.identity,
                );
                altered(signed, &|decline| decline.proposal = digest(invite))
            }),
        ),
        (
            "for another reason",
            Box::new(|hand, invite| {
                altered(hand.decline(invite, short.clone()), &|decline| decline.reason = Reason::Conflict)
            }),
        ),
        (
            "of too many words",
            Box::new(|hand, invite| {
                altered(hand.decline(invite, long.clone()), &|decline| decline.reason = long.clone())
            }),
        ),
        (
            "by somebody else",
            Box::new(|_, invite| {
                Decline::new(
                    digest(invite),
                    short.clone(),
                    Some((&cluster_id, &fingerprint(invite))),
                    &stranger,
                )
            }),
        ),
    ];
    for (number, (what, bad)) in bad.iter().enumerate() {
        let request = cluster.sign_request(&format!("s{number}"), "w", "");
        let refusing = async {
            loop {
                let (from, invite) = hand.invited().await;
                let decline = bad(&hand, &invite);
                hand.send(&from, &Frame::Decline(decline));
            }
        };
        let error = tokio::select! {
            signed = cluster.engine(0).submit(&request) => signed.unwrap_err(),
            () = refusing => unreachable!(),
        };
        assert_eq!(error.code, ErrorCode::NotEnoughSigners, "{what}: {error:?}");
    }
    assert!(cluster.entries(0, "refused").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_always_asks_for_patience_is_passed_over() {
    for reason in [
        Reason::Refused { code: ErrorCode::UnknownWallet.as_str().into(), message: String::new() },
        Reason::Done(Box::new(None)),
    ] {
        let cluster = Cluster::new(3, Settings::default()).await;
        cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap();
        let hand = cluster.hand(2).await;
        eventually("connected", || cluster.engine(0).reachable().len() == 3).await;
        let stalling = tokio::spawn(refuse(hand, reason));
        let request = cluster.sign_request_led_by("w", 3, &[0, 2]);
        let signed = sign_of(cluster.engine(0).submit(&request).await).unwrap();
        assert_eq!(signed.committee, ["node0", "node1"]);
        assert!(signed.absent.is_empty());
        stalling.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_called_silent_and_answers_is_not_absent() {
    let cluster = Cluster::new(4, Settings::default()).await;
    cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap();
    let mut hand = cluster.hand(2).await;
    eventually("connected", || cluster.engine(3).reachable().len() == 4).await;
    eventually("known", || cluster.knows(3, "w") == 1).await;
    let slander = cluster.identity(0);
    let lying = tokio::spawn(async move {
        loop {
            let (from, invite) = hand.invited().await;
            let proposal = hand.accept(&from, &invite);
            hand.next(|_, frame| matches!(frame, Frame::Start(_)).then_some(())).await;
            let report = GivenUp { proposal, silent: vec![slander], reason: "they are silent".into() };
            hand.send(&from, &Frame::GivenUp(report));
        }
    });
    // The proposer holds no share: it has only the members' words.
    let request = cluster.sign_request_led_by("w", 3, &[0, 2]);
    let signed = sign_of(cluster.engine(3).submit(&request).await).unwrap();
    assert_eq!(signed.committee, ["node0", "node1"]);
    assert!(signed.absent.is_empty() && signed.culprits.is_empty(), "{signed:?}");
    lying.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_that_it_cant_go_on_is_replaced_at_once() {
    // A member of the committee, and a node that has only the members' words.
    for proposer in [0, 3] {
        let cluster = Cluster::new(4, Settings::patient()).await;
        cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap();
        let mut hand = cluster.hand(2).await;
        let engine = cluster.engine(proposer);
        eventually("connected", || engine.reachable().len() == 4).await;
        eventually("known", || cluster.knows(proposer, "w") == 1).await;
        let failing = cluster.identity(2);
        let failing = tokio::spawn(async move {
            loop {
                let (from, invite) = hand.invited().await;
                let proposal = hand.accept(&from, &invite);
                hand.next(|_, frame| matches!(frame, Frame::Start(_)).then_some(())).await;
                let report = GivenUp { proposal, silent: vec![failing], reason: "the disk is full".into() };
                hand.send(&from, &Frame::GivenUp(report));
            }
        });
        let request = cluster.sign_request_led_by("w", 3, &[0, 2]);
        let signed = tokio::time::timeout(Duration::from_secs(60), engine.submit(&request)).await;
        let signed = sign_of(signed.expect("without waiting for a round's time")).unwrap();
        assert_eq!((signed.committee, signed.attempt), (vec!["node0".into(), "node1".into()], 2));
        assert_eq!(signed.absent, ["node2"]);
        assert!(signed.culprits.is_empty());
        failing.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_silent_to_everybody_is_absent() {
    let cluster = Cluster::new(4, Settings::default()).await;
    cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap();
    let mut hand = cluster.hand(2).await;
    eventually("connected", || cluster.engine(3).reachable().len() == 4).await;
    eventually("known", || cluster.knows(3, "w") == 1).await;
    let silent = tokio::spawn(async move {
        loop {
            let (from, invite) = hand.invited().await;
            hand.accept(&from, &invite);
        }
    });
    let request = cluster.sign_request_led_by("w", 3, &[0, 2]);
    let signed = sign_of(cluster.engine(3).submit(&request).await).unwrap();
    assert_eq!(signed.committee, ["node0", "node1"]);
    assert_eq!(signed.absent, ["node2"]);
    assert_eq!(signed.attempt, 2);
    silent.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_false_signature_is_nobodys_result() {
    let cluster = Cluster::new(3, Settings::default()).await;
    cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap();
    let mut hand = cluster.hand(2).await;
    eventually("connected", || cluster.engine(0).reachable().len() == 3).await;
    let request = cluster.sign_request_led_by("w", 3, &[0, 2]);
    let (id, fingerprint) = (request.request_id().to_string(), request.fingerprint());
    let lying = tokio::spawn(async move {
        loop {
            let (from, invite) = hand.invited().await;
            hand.accept(&from, &invite);
            let signed = Signed {
                request_id: id.clone(),
                fingerprint,
                signatures: vec![quorate_keys::Signature::from_bytes([7; 64])],
                committee: vec![from],
                attempt: 1,
            };
            hand.send(&from, &Frame::Signed(signed));
        }
    });
    let signed = sign_of(cluster.engine(0).submit(&request).await).unwrap();
    assert_eq!(signed.committee, ["node0", "node1"]);
    lying.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_is_kept_by_every_member_across_restarts() {
    let mut cluster = Cluster::new(3, Settings::default()).await;
    cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap();
    let request = cluster.sign_request_led_by("w", 3, &[0, 1]);
    let first = sign_of(cluster.engine(0).submit(&request).await).unwrap();
    let id = request.request_id().to_string();
    // On a slow machine another committee than the first may have signed.
    let member = if first.committee.contains(&"node1".to_owned()) { 1 } else { 2 };
    eventually("stored", || cluster.engine(member).store.contains(Table::Results, &id).unwrap()).await;
    cluster.restart(member, Settings::default(), None).await;
    cluster.hub.isolate(&cluster.identity(member));
    let again = sign_of(cluster.engine(member).submit(&request).await).unwrap();
    assert_eq!(again.signature, first.signature);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_shows_false_evidence_again_and_again_is_not_listened_to() {
    let cluster = Cluster::new(3, Settings::default()).await;
    cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap();
    let engine = cluster.engine(0);
    let wallet = engine.wallets.all().remove(0);
    let agreement = wallet.record.certificate.agreement().clone();
    let accused = agreement.committee().index_of(&cluster.identity(1)).unwrap();
    let from = cluster.identity(2);
    let nothing = |n: u32, protocol: &ProtocolId| {
        let claim = Claim::Undecodable { round: u8::try_from(n).unwrap() };
        let mut evidence = Evidence::gathered(&agreement, &[], accused, claim, Vec::new());
        evidence.protocol = protocol.clone();
        evidence
    };
    // How it reads where an attempt that ended with it is told of.
    let proven = |count| {
        let evidence = (0..count).map(|n| nothing(n, &agreement.proposal().protocol)).collect();
        quorate_session::Abort::Proven { evidence }.to_string()
    };
    let one = |n| format!("party {accused} ({})", Claim::Undecodable { round: n });
    assert_eq!(proven(1), format!("proven: {}", one(0)));
    assert_eq!(proven(2), format!("proven: {}, {}", one(0), one(1)));
    // What this node can't judge speaks against nobody.
    for n in 0..2 * FALSE_EVIDENCE {
        engine.accused(from, nothing(n, &ProtocolId::new("keygen", "ed25519", 99))).await;
    }
    assert_eq!(engine.exclusions.refused_of(&from), 0);
    for n in 0..2 * FALSE_EVIDENCE {
        engine.accused(from, nothing(n, &agreement.proposal().protocol)).await;
    }
    assert_eq!(engine.exclusions.refused_of(&from), FALSE_EVIDENCE);
    assert!(!engine.exclusions.contains(&cluster.identity(1)));
    cluster.sign(0, "s", "w").await.unwrap();
}
