//! Presignatures in a lying owner's hands: no half is used for two signatures, and nobody uses another's.

use super::*;
use crate::engine::lock;
use crate::frame::Reason;
use crate::presignatures::{Half, Origin};
use quorate_cggmp21::PresignatureId;
use std::collections::BTreeMap;

/// A node, and a test in the place of the other holder of an ECDSA wallet, who owns presignatures with it.
struct Owned {
    cluster: Cluster,
    hand: Hand,
    signers: [Identity; 2],
}

fn public(number: u8) -> PublicPresignature {
    let id = PresignatureId([number; 32]);
    PublicPresignature { id, key: [0; 32], nonce: vec![2; 33], checks: BTreeMap::default() }
}

/// This is no presignature, but nobody sees that before it signs.
fn half(number: u8) -> Half {
    let public = borsh::to_vec(&public(number)).unwrap();
    // The party, k̃, χ̃ and a checksum, which nobody looks at before it signs.
    let rest = (1_u16, [[7_u8; 32]; 3]);
    Half::Signer(borsh::from_slice(&[public, borsh::to_vec(&rest).unwrap()].concat()).unwrap())
}

impl Owned {
    /// With presignatures of these numbers, and of `others`, which belong to the node.
    async fn new(numbers: &[u8], others: &[u8]) -> Self {
        let cluster = Cluster::new(2, Settings::default()).await;
        let body =
            r#"{"threshold":2,"total":2,"curve":"secp256k1","wallet_id":"e","parties":["node0","node1"]}"#;
        let request = cluster.request(Operation::Keygen, "k", body);
        keygen_of(cluster.engine(0).submit(&request).await).unwrap();
        eventually("known", || cluster.knows(0, "e") == 1).await;
        let hand = cluster.hand(1).await;
        let engine = cluster.engine(0);
        eventually("connected", || engine.reachable().len() == 2).await;
        let signers = [engine.me, hand.identity()];
        let wallet = engine.wallets.named(&"e".parse().unwrap())[0].session();
        for (owner, numbers) in [(hand.identity(), numbers), (engine.me, others)] {
            let origin = Origin { wallet, owner, signers: signers.into(), auxiliary: wallet };
            engine.presignatures.add(&Arc::new(origin), numbers.iter().map(|number| half(*number)));
        }
        Self { cluster, hand, signers }
    }

    fn invitation(&self, request: &SignedRequest, attempt: u32, numbers: &[u8]) -> Invite {
        let publics: Vec<_> = numbers.iter().map(|number| public(*number)).collect();
        self.hand.invitation_with(self.cluster.engine(0), request, &self.signers, attempt, &publics)
    }

    /// Why the node declines.
    async fn declined(&mut self, invite: &Invite) -> Reason {
        let node = self.cluster.engine(0).me;
        self.hand.send(&node, &Frame::Invite(Box::new(invite.clone())));
        let declined = self.hand.next(|_, frame| match frame {
            Frame::Decline(decline) => Some(decline.reason),
            Frame::Accept(_) => panic!("accepted"),
            _ => None,
        });
        declined.await
    }

    fn promises(&self) -> usize {
        lock(&self.cluster.engine(0).promises).len()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_that_is_promised_twice_is_held_by_the_later_promise_alone() {
    let mut owned = Owned::new(&[1, 2], &[]).await;
    let [first, second] = ["s1", "s2"].map(|id| owned.cluster.sign_request(id, "e", ""));
    let before = owned.invitation(&first, 1, &[1]);
    let (start, _) = owned.hand.agree(&before).await;
    assert_eq!(owned.promises(), 1);
    // Without a word that the first is void.
    let after = owned.invitation(&second, 1, &[1]);
    owned.hand.agree(&after).await;
    assert_eq!(owned.promises(), 1, "the first is void");
    // Its start begins nothing, and takes nothing away.
    let engine = Arc::clone(owned.cluster.engine(0));
    owned.hand.send(&engine.me, &Frame::Start(start));
    let third = owned.cluster.sign_request("s3", "e", "");
    let other = owned.invitation(&third, 1, &[2]);
    owned.hand.agree(&other).await;
    assert_eq!(owned.promises(), 2);
    assert!(lock(&engine.sessions).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_is_gone_when_the_session_starts_whatever_becomes_of_it() {
    let mut owned = Owned::new(&[1], &[]).await;
    let engine = Arc::clone(owned.cluster.engine(0));
    let [first, second] = ["s1", "s2"].map(|id| owned.cluster.sign_request(id, "e", ""));
    let invite = owned.invitation(&first, 1, &[1]);
    let (start, _) = owned.hand.agree(&invite).await;
    owned.hand.send(&engine.me, &Frame::Start(start));
    // It is no presignature of this wallet: no share is made of it.
    owned.hand.next(|_, frame| matches!(frame, Frame::GivenUp(_)).then_some(())).await;
    for (request, attempt) in [(&first, 2), (&second, 1)] {
        let invite = owned.invitation(request, attempt, &[1]);
        let reason = owned.declined(&invite).await;
        assert!(matches!(&reason, Reason::Lacking(ids) if *ids == [public(1).id]), "{reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_uses_what_belongs_to_another_or_is_not_there() {
    let mut owned = Owned::new(&[1, 2], &[8]).await;
    let request = owned.cluster.sign_request("s", "e", "");
    let refused = |reason: &Reason| matches!(reason, Reason::Refused { .. });
    let of_another = owned.invitation(&request, 1, &[8]);
    let reason = owned.declined(&of_another).await;
    assert!(refused(&reason), "{reason}");
    let lacking = owned.invitation(&request, 1, &[9]);
    let reason = owned.declined(&lacking).await;
    assert!(matches!(&reason, Reason::Lacking(ids) if *ids == [public(9).id]), "{reason}");
    for wrong in [&[][..], &[1, 2], &[1, 1]] {
        let mut invite = owned.invitation(&request, 1, &[1]);
        invite.presignatures = wrong.iter().map(|number| public(*number).id).collect();
        let reason = owned.declined(&invite).await;
        assert!(refused(&reason), "{wrong:?}: {reason}");
    }
    // Others than the setup says.
    let mut swapped = owned.invitation(&request, 1, &[1]);
    swapped.presignatures = vec![public(2).id];
    let reason = owned.declined(&swapped).await;
    assert!(refused(&reason), "{reason}");
    // Nothing of that has used anything up.
    for (id, number) in [("a", 1), ("b", 2)] {
        let request = owned.cluster.sign_request(id, "e", "");
        let invite = owned.invitation(&request, 1, &[number]);
        owned.hand.agree(&invite).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_is_told_which_halves_a_signer_lacks() {
    let mut owned = Owned::new(&[1, 2], &[7]).await;
    let engine = Arc::clone(owned.cluster.engine(0));
    // It says nothing of 1, and names one that is not there.
    owned.hand.send(&engine.me, &Frame::Presignatures(vec![public(2).id, public(3).id]));
    let lacking = owned.hand.next(|_, frame| match frame {
        Frame::LacksPresignatures(ids) => Some(ids),
        _ => None,
    });
    assert_eq!(lacking.await, [public(3).id]);
    // What is new may be on its way: nothing of it is dropped, whatever is said.
    owned.hand.send(&engine.me, &Frame::LacksPresignatures(vec![public(7).id]));
    owned.hand.send(&engine.me, &Frame::Presignatures(vec![public(4).id]));
    let answered = owned.hand.next(|_, frame| matches!(frame, Frame::LacksPresignatures(_)).then_some(()));
    answered.await;
    assert!(engine.presignatures.has_all(&[1, 2, 7].map(|number| public(number).id)));
}
