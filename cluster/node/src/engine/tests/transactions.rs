//! Whose transaction is signed: the client's, whatever a proposer or an aggregator makes of it.

use super::*;
use quorate_keys::Signature;
use quorate_request::{HexArray, RequestStatus};

use super::super::lock;
use super::play::job;
use crate::frame::{Reason, Signed};
use crate::store::Table;

/// Lamports from the wallet to somebody, on Solana: unsigned, and what is to be signed of it.
fn transfer(wallet: &[u8], lamports: u64) -> (Vec<u8>, Vec<u8>) {
    let mut message = vec![1, 0, 1, 3];
    for account in [wallet, &[2; 32], &[0; 32]] {
        message.extend(account);
    }
    message.extend([9; 32]);
    message.extend([1, 2, 2, 0, 1, 12, 2, 0, 0, 0]);
    message.extend(lamports.to_le_bytes());
    ([&[1][..], &[0; 64], &message].concat(), message)
}

impl Cluster {
    /// A request to sign a transfer, and the bytes that its signature is for.
    pub(super) fn payment(&self, id: &str, lamports: u64, extra: &str) -> (SignedRequest, Vec<u8>) {
        let wallet = &self.engine(0).wallets.named(&"w".parse().unwrap())[0];
        let (transaction, message) = transfer(wallet.public_key.as_bytes(), lamports);
        let transaction = hex::encode(transaction);
        let body = format!(r#"{{"wallet_id":"w","chain":"solana","transaction":"0x{transaction}"{extra}}}"#);
        (self.request(Operation::Sign, id, &body), message)
    }

    /// Holders of the wallet, the one of the lowest index first.
    fn holders(&self) -> [usize; 3] {
        let mut holders = [0, 1, 2];
        holders.sort_by_key(|place| self.identity(*place));
        holders
    }

    fn is_signed(&self, message: &[u8], signature: &HexArray<64>) -> bool {
        let wallet = &self.engine(0).wallets.named(&"w".parse().unwrap())[0];
        wallet.public_key.verify(message, &Signature::from_bytes(*signature.as_bytes())).is_ok()
    }

    fn nobody_is_convicted(&self, places: &[usize]) -> bool {
        places.iter().all(|place| self.engine(*place).culprits_excluded() == 0)
    }
}

/// Four nodes, of which three hold a wallet.
async fn with_a_wallet() -> Cluster {
    let cluster = Cluster::new(4, Settings::default()).await;
    cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap();
    eventually("known", || (0..4).all(|place| cluster.knows(place, "w") == 1)).await;
    cluster
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proposal_to_sign_another_transaction_is_declined_by_every_member() {
    let cluster = with_a_wallet().await;
    let mut hand = cluster.hand(2).await;
    let (asked, _) = cluster.payment("asked", 49, "");
    let (other, _) = cluster.payment("asked", 4_900_000, "");
    for place in [0, 1] {
        let engine = cluster.engine(place);
        eventually("connected", || engine.reachable().len() == 4).await;
        let chosen = [engine.me, hand.identity()];
        let genuine = hand.invitation(engine, &asked, &chosen, 1);
        let of_other = hand.invitation(engine, &other, &chosen, 1);
        // What is to be signed is the other's; and that the request is the other's, too.
        let mut tasks = genuine.proposal.proposal.clone();
        tasks.setup = of_other.proposal.proposal.setup;
        let rows = [(tasks, "inputs differ"), (of_other.proposal.proposal, "request, operation")];
        for (proposal, says) in rows {
            let proposal = SignedProposal::sign(proposal, &*hand.identity).unwrap();
            let invite = Invite {
                proposal,
                order: Order::Request(asked.encode()),
                policy: None,
                presignatures: Vec::new(),
                resharing: None,
                pairs: None,
                approvals: Vec::new(),
            };
            hand.send(&engine.me, &Frame::Invite(Box::new(invite)));
            let reason = hand
                .next(|_, frame| match frame {
                    Frame::Accept(_) => Some(None),
                    Frame::Decline(decline) => Some(Some(decline.reason)),
                    _ => None,
                })
                .await;
            let Some(Reason::Refused { code, message }) = reason else { panic!("{says}: {reason:?}") };
            assert_eq!(code, "aborted");
            assert!(message.contains("not what the request says") && message.contains(says), "{message}");
        }
        // What the client asked for is accepted.
        hand.gather(&genuine).await;
        assert_eq!(lock(&engine.promises).len(), 1);
    }
    // A proposal that nobody takes proves nothing.
    assert!(cluster.nobody_is_convicted(&[0, 1, 3]));
}

/// A node that answers every invitation as an aggregator that is done, with signatures of another transaction.
async fn aggregate_falsely(mut hand: Hand, of: Signed) {
    loop {
        let (from, invite) = hand.invited().await;
        hand.accept(&from, &invite);
        hand.next(|_, frame| matches!(frame, Frame::Start(_)).then_some(())).await;
        let members = invite.proposal.proposal.committee.members();
        for node in members.iter().map(|member| member.identity).chain([from]) {
            if node != hand.identity() {
                hand.send(&node, &Frame::Signed(of.clone()));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signatures_of_another_transaction_are_nobodys_result() {
    let cluster = with_a_wallet().await;
    let [liar, first, second] = cluster.holders();
    let names = [first, second].map(|place| format!("node{place}"));
    let signers = format!(r#","signers":["{}","{}"]"#, names[0], names[1]);
    // Signatures of the wallet, each right for what the client asked for under another id.
    let (other, other_message) = cluster.payment("other", 4_900_000, &signers);
    let genuine = sign_of(cluster.engine(first).submit(&other).await).unwrap();
    assert!(cluster.is_signed(&other_message, &genuine.signature));

    let mut hand = cluster.hand(liar).await;
    let everybody = || [first, second, 3].iter().all(|place| cluster.engine(*place).reachable().len() == 4);
    eventually("connected", everybody).await;
    let (asked, message) = (0..)
        .map(|n| cluster.payment(&format!("r{n}"), 49, ""))
        .find(|(request, _)| {
            let rank = |place: usize| rank(&request.fingerprint(), &cluster.identity(place));
            rank(liar) < rank(second) && rank(first) < rank(second)
        })
        .unwrap();
    let signed = Signed {
        request_id: asked.request_id().to_string(),
        fingerprint: asked.fingerprint(),
        signatures: vec![Signature::from_bytes(*genuine.signature.as_bytes())],
        committee: vec![cluster.identity(liar), cluster.identity(first)],
        attempt: 1,
    };

    // A member that waits for the aggregator's word.
    let engine = cluster.engine(first);
    let invite = hand.invitation(engine, &asked, &[engine.me, hand.identity()], 1);
    let start = hand.gather(&invite).await;
    hand.send(&engine.me, &Frame::Start(start));
    let (verified, _) = job(engine, &asked);
    engine.signed(hand.identity(), signed.clone()).await;
    assert_eq!(engine.ledger.finished(verified.request_id(), &asked.fingerprint()).unwrap(), None);
    assert!(!engine.store.contains(Table::Results, asked.request_id().as_str()).unwrap());

    // A proposer that is no member has nothing but the aggregator's word.
    let lying = tokio::spawn(aggregate_falsely(hand, signed));
    let paid = sign_of(cluster.engine(3).submit(&asked).await).unwrap();
    let mut expected = names.to_vec();
    expected.sort();
    assert_eq!((paid.committee, paid.status), (expected, RequestStatus::Completed));
    assert_eq!(paid.absent, [format!("node{liar}")]);
    assert!(cluster.is_signed(&message, &paid.signature) && paid.signature != genuine.signature);
    for place in [first, second, 3] {
        let stored = || cluster.engine(place).ledger.known(verified.request_id(), &asked.fingerprint());
        eventually("stored", || stored().unwrap().is_some()).await;
        let stored = sign_of(Ok(stored().unwrap().unwrap())).unwrap();
        assert_eq!(stored.signature, paid.signature, "at node{place}");
    }
    // A false word is no proof for others: it is left out of this request, not for good.
    assert!(cluster.nobody_is_convicted(&[first, second, 3]));
    lying.abort();
}
