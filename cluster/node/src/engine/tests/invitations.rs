//! A member believes neither the proposer nor whoever the request came through: it checks both for itself.

use super::*;
use quorate_session::ProtocolId;
use quorate_sharing::{Committee, Member, Threshold};

use crate::clock::millis;
use crate::frame::Reason;

/// A wallet of three of four nodes, one of which is a hand that invites node 0 to sign with it.
struct Scene {
    cluster: Cluster,
    hand: Hand,
    request: SignedRequest,
    invite: Invite,
}

impl Scene {
    async fn new() -> Self {
        let cluster = Cluster::new(4, Settings::default()).await;
        cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap();
        let hand = cluster.hand(2).await;
        let engine = cluster.engine(0);
        eventually("connected", || engine.reachable().len() == 4).await;
        let request = cluster.sign_request("s", "w", "");
        let invite = hand.invitation(engine, &request, &[engine.me, hand.identity()], 1);
        Self { cluster, hand, request, invite }
    }

    /// The invitation with another proposal, signed by the hand.
    fn proposing(&self, change: impl FnOnce(&mut Proposal)) -> Invite {
        let mut proposal = self.invite.proposal.proposal.clone();
        change(&mut proposal);
        let proposal = SignedProposal::sign(proposal, &*self.hand.identity).unwrap();
        Invite { proposal, ..self.invite.clone() }
    }

    /// The invitation with another request, and the proposal that is true to it.
    fn for_request(&self, request: &SignedRequest) -> Invite {
        let digest = request.digest();
        Invite {
            order: Order::Request(request.encode()),
            ..self.proposing(|proposal| proposal.request = digest)
        }
    }

    /// A request like the right one, but for who signed it for which cluster, and when.
    fn signed(
        &self,
        initiator: &SigningPrincipal,
        cluster: ClusterId,
        created: SystemTime,
        life: u64,
    ) -> SignedRequest {
        let (operation, id) = (self.request.operation().clone(), self.request.request_id().clone());
        let (expires, body) = (created + Duration::from_secs(life), self.request.body().clone());
        SignedRequest::sign(initiator, cluster, operation, id, created, expires, body).unwrap()
    }

    /// What node 0 declines it for; none if it accepts.
    async fn declined(&mut self, invite: Invite) -> Option<(String, String)> {
        let to = self.cluster.identity(0);
        self.hand.send(&to, &Frame::Invite(Box::new(invite)));
        let reason = self
            .hand
            .next(|_, frame| match frame {
                Frame::Accept(_) => Some(None),
                Frame::Decline(decline) => Some(Some(decline.reason)),
                _ => None,
            })
            .await?;
        match reason {
            Reason::Refused { code, message } => Some((code, message)),
            Reason::OtherEpoch { epoch } => Some(("other_epoch".into(), epoch.to_string())),
            other => panic!("declined for another reason: {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_checks_the_request_itself() {
    let mut scene = Scene::new().await;
    let (now, cluster) = (SystemTime::now(), *scene.cluster.peers.cluster());
    let minutes = |n: u64| Duration::from_secs(60 * n);
    let initiator = Arc::clone(&scene.cluster.initiator);
    let stranger = SigningPrincipal::generate(KeyType::P256, &mut OsRng);
    let encoded = scene.request.encode();
    let mut tampered = encoded.clone();
    let place = tampered.windows(4).position(|bytes| bytes == b"abab").unwrap();
    tampered[place] = b'c';
    let read = SignedRequest::decode(&tampered).unwrap();
    let tampered = scene.for_request(&read);
    let raw = |bytes: &[u8]| Invite { order: Order::Request(bytes.to_vec()), ..scene.invite.clone() };
    let (garbage, none) = (raw(&encoded[..40]), raw(&[]));
    let rows = [
        (
            "another initiator",
            scene.for_request(&scene.signed(&stranger, cluster, now, 60)),
            "unknown_initiator",
        ),
        (
            "another cluster",
            scene.for_request(&scene.signed(&initiator, ClusterId::generate(&mut OsRng), now, 60)),
            "wrong_cluster",
        ),
        ("expired", scene.for_request(&scene.signed(&initiator, cluster, now - minutes(9), 60)), "expired"),
        (
            "not yet valid",
            scene.for_request(&scene.signed(&initiator, cluster, now + minutes(9), 60)),
            "not_yet_valid",
        ),
        ("another body", tampered, "digest_mismatch"),
        ("cut off", garbage, "malformed_request"),
        ("none", none, "malformed_request"),
    ];
    for (what, invite, expected) in rows {
        let declined = scene.declined(invite).await;
        assert_eq!(declined.as_ref().map(|(code, _)| code.as_str()), Some(expected), "{what}: {declined:?}");
    }
    // The request as it was signed is accepted: nothing else was wrong with the others.
    let genuine = scene.invite.clone();
    assert_eq!(scene.declined(genuine).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_accepts_no_proposal_but_what_the_request_says() {
    let mut scene = Scene::new().await;
    let identities: Vec<_> = (0..4).map(|place| scene.cluster.identity(place)).collect();
    let right = scene.invite.proposal.proposal.clone();
    let committee = right.committee.clone();
    let with = |members: Vec<Member>| Committee::new(committee.threshold(), members).unwrap();
    let members = committee.members().to_vec();
    let wallet = scene.cluster.engine(0).wallets.named(&"w".parse().unwrap()).remove(0);
    let all = wallet.record.public.committee.clone();
    let absent = all.index_of(&identities[1]).unwrap();
    // Node 3 holds no share: it stands in the place of who does.
    let stranger = members.iter().map(|member| Member {
        identity: if member.identity == identities[2] { identities[3] } else { member.identity },
        index: member.index,
    });
    let swapped = [(0, 1), (1, 0)].map(|(index, identity)| Member {
        index: members[index].index,
        identity: members[identity].identity,
    });
    let moved = members.iter().map(|member| Member {
        index: if member.identity == identities[0] { absent } else { member.index },
        identity: member.identity,
    });
    let lower = Threshold::new(all.threshold().get() + 1).unwrap();
    let committees = [
        ("more signers than needed", all.clone()),
        ("a signer that holds no share", with(stranger.collect())),
        ("shares under each other's index", with(swapped.to_vec())),
        ("another's index", with(moved.collect())),
        ("another threshold", Committee::new(lower, all.members().to_vec()).unwrap()),
    ];
    let mut rows: Vec<_> = committees
        .into_iter()
        .map(|(what, committee)| {
            // Each with the setup that goes with it, so that the committee alone is wrong.
            let request = scene.cluster.engine(0).authority.verify(&scene.request).unwrap();
            let engine = scene.cluster.engine(0);
            let job = Job::new(&request, &engine.wallets, &engine.peers, &engine.config).unwrap();
            let setup = setup_digest(&job.setup(&committee, &identities[2], &[]).unwrap());
            let invite = scene.proposing(|proposal| {
                proposal.committee = committee;
                proposal.setup = setup;
            });
            (what, invite)
        })
        .collect();
    let digest = scene.cluster.sign_request("another", "w", "").digest();
    let now = millis(SystemTime::now());
    rows.extend([
        ("another cluster", scene.proposing(|proposal| proposal.cluster[0] ^= 1)),
        ("another request", scene.proposing(|proposal| proposal.request = digest)),
        ("another operation", scene.proposing(|proposal| proposal.operation = "keygen".into())),
        (
            "another protocol",
            scene.proposing(|proposal| proposal.protocol = ProtocolId::new("frost", "bip340", 1)),
        ),
        ("another setup", scene.proposing(|proposal| proposal.setup[0] ^= 1)),
        ("another proposer", scene.proposing(|proposal| proposal.proposer = identities[3])),
        ("expired", scene.proposing(|proposal| proposal.expires = now - 60_000)),
        ("for too long", scene.proposing(|proposal| proposal.expires = now + 3_600_000)),
    ]);
    let ahead = scene.proposing(|proposal| proposal.epoch += 1);
    assert_eq!(scene.declined(ahead).await, Some(("other_epoch".into(), "0".into())));
    let mut unsigned = scene.invite.clone();
    unsigned.proposal = SignedProposal::sign(right, &SigningIdentity::generate(&mut OsRng)).unwrap();
    rows.push(("signed by somebody else", unsigned));
    for (what, invite) in rows {
        let declined = scene.declined(invite).await;
        assert_eq!(declined.as_ref().map(|(code, _)| code.as_str()), Some("aborted"), "{what}: {declined:?}");
    }
    let genuine = scene.invite.clone();
    assert_eq!(scene.declined(genuine).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_signs_only_with_those_that_the_client_named() {
    let mut scene = Scene::new().await;
    let named = scene.cluster.sign_request("named", "w", r#","signers":["node0","node1"]"#);
    let invite = scene.for_request(&named);
    let (code, message) = scene.declined(invite).await.unwrap();
    assert_eq!(code, "aborted");
    assert!(message.contains("does not allow"), "{message}");
}
