//! What the policy allows is signed, and every member judges for itself.

use super::*;
use quorate_request::ErrorCode;

use crate::frame::Reason;

/// The account in the list is the one that gets the payments of these tests.
const RULES: &str = concat!(
    "assets:\n  SOL: {chain: solana}\n",
    "addresses:\n  payees: {solana: [8qbHbw2BbbTHBW1sbeqakYXVKRQM8Ne7pLK7m6CVfeR]}\n",
    "rules:\n  - {name: small, wallets: [w], destinations: [payees], at_most: [0.001 SOL], fee_at_most: [0.0001 SOL]}\n",
);
/// The same, but for a comment.
const OTHER_RULES: &str = concat!(
    "assets:\n  SOL: {chain: solana}\n",
    "addresses:\n  payees: {solana: [8qbHbw2BbbTHBW1sbeqakYXVKRQM8Ne7pLK7m6CVfeR]}\n",
    "rules:\n  - {name: small, wallets: [w], destinations: [payees], at_most: [0.001 SOL], fee_at_most: [0.0001 SOL]} # one\n",
);

fn with(rules: &'static str) -> Settings {
    Settings { rules: Some(rules), ..Settings::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_within_the_policy_is_signed_and_one_beyond_it_by_nobody() {
    let cluster = Cluster::new(3, with(RULES)).await;
    cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap();
    eventually("known", || (0..3).all(|place| cluster.knows(place, "w") == 1)).await;
    let (small, _) = cluster.payment("small", 900_000, "");
    assert!(cluster.engine(0).submit(&small).await.is_ok());
    let (large, _) = cluster.payment("large", 1_000_000, "");
    let error = cluster.engine(1).submit(&large).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::PolicyDenied);
    let reason = "no rule allows it; small: 0.001005 SOL are more than 0.001 SOL at once, fee included";
    assert_eq!(error.message, reason);
    let raw = cluster.sign_request("raw", "w", "");
    let error = cluster.engine(2).submit(&raw).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::PolicyDenied);
    assert!(error.message.contains("this is a digest or message"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proposer_that_judges_nothing_finds_no_other_signer() {
    let cluster = Cluster::new(3, with(RULES)).await;
    cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap();
    eventually("known", || (0..3).all(|place| cluster.knows(place, "w") == 1)).await;
    let mut hand = cluster.hand(2).await;
    let (large, _) = cluster.payment("large", 1_000_000, "");
    for place in [0, 1] {
        let engine = cluster.engine(place);
        eventually("connected", || engine.reachable().len() == 3).await;
        // It says that it has the same policy.
        let invite = hand.invitation(engine, &large, &[engine.me, hand.identity()], 1);
        hand.send(&engine.me, &Frame::Invite(Box::new(invite)));
        let reason = hand
            .next(|_, frame| match frame {
                Frame::Accept(_) => Some(None),
                Frame::Decline(decline) => Some(Some(decline.reason)),
                _ => None,
            })
            .await;
        let Some(Reason::Refused { code, message }) = reason else { panic!("{reason:?}") };
        assert_eq!(code, ErrorCode::PolicyDenied.as_str());
        assert!(message.contains("small: 0.001005 SOL"), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_with_different_policies_do_not_sign_together() {
    let mut cluster = Cluster::new(3, with(RULES)).await;
    cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap();
    eventually("known", || (0..3).all(|place| cluster.knows(place, "w") == 1)).await;
    cluster.restart(2, with(OTHER_RULES), None).await;
    eventually("connected", || cluster.engine(0).reachable().len() == 3).await;
    let (pair, _) = cluster.payment("pair", 1, r#","signers":["node0","node2"]"#);
    let error = cluster.engine(0).submit(&pair).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::NotEnoughSigners);
    let digest = hex::encode(cluster.engine(2).authority.policy_digest().unwrap());
    assert!(
        error.message.contains("node2: signs under another policy") && error.message.contains(&digest),
        "{error:?}"
    );
    // Those that agree sign, whichever is asked first.
    for number in 0..4 {
        let (any, _) = cluster.payment(&format!("any-{number}"), 1, "");
        let signed = sign_of(cluster.engine(0).submit(&any).await).unwrap();
        assert_eq!(signed.committee, ["node0", "node1"]);
    }
}
