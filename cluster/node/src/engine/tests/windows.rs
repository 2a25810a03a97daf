//! Limits over time hold, whoever signs, proposes, restarts or lies.

use super::*;
use quorate_request::ErrorCode;

use crate::frame::Reason;
use crate::spendings::Told;

/// Ten payments of [`PAID`] fit, fees included.
const RULES: &str = concat!(
    "assets:\n  SOL: {chain: solana}\n",
    "rules:\n",
    "  - name: hourly\n    fee_at_most: [0.0001 SOL]\n    windows: [{at_most: 0.001 SOL, in: 1h}]\n",
);
/// With its fee of 5000 lamports the tenth part of what fits.
const PAID: u64 = 95_000;
const FIT: usize = 10;

fn settings() -> Settings {
    Settings { rules: Some(RULES), ..Settings::default() }
}

async fn cluster_of(nodes: usize) -> Cluster {
    let cluster = Cluster::new(nodes, settings()).await;
    let holders: Vec<_> = (0..nodes).collect();
    cluster.keygen(0, "k", "w", &holders).await.unwrap();
    eventually("known", || (0..nodes).all(|place| cluster.knows(place, "w") == 1)).await;
    cluster
}

fn by(signers: &[usize]) -> String {
    let names: Vec<_> = signers.iter().map(|place| format!("\"node{place}\"")).collect();
    format!(r#","signers":[{}]"#, names.join(","))
}

impl Cluster {
    async fn pay(&self, at: usize, id: &str, signers: &[usize]) -> Result<SignResponse, ErrorBody> {
        // Each is another payment.
        let (request, _) = self.payment(id, PAID, &by(signers));
        sign_of(self.engine(at).submit(&request).await)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rotating_signers_and_proposers_do_not_get_around_a_window() {
    let cluster = cluster_of(5).await;
    let committees: Vec<[usize; 3]> =
        (0..5).flat_map(|a| (a + 1..5).flat_map(move |b| (b + 1..5).map(move |c| [a, b, c]))).collect();
    for (number, committee) in committees.iter().enumerate() {
        cluster.pay(number % 5, &format!("fits-{number}"), committee).await.unwrap();
    }
    assert_eq!(committees.len(), FIT);
    for (number, committee) in committees.iter().enumerate() {
        let error = cluster.pay((number + 2) % 5, &format!("more-{number}"), committee).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::PolicyDenied, "{error:?}");
        assert!(error.message.contains("the 0 SOL that are left of 0.001 SOL in 1h"), "{error:?}");
    }
    // What was signed stays signed.
    let (first, _) = cluster.payment("fits-0", PAID, &by(&committees[0]));
    assert!(cluster.engine(4).submit(&first).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn all_at_once_do_not_get_around_a_window_either() {
    let cluster = Arc::new(cluster_of(5).await);
    let tasks: Vec<_> = (0..30)
        .map(|number| {
            let cluster = Arc::clone(&cluster);
            let committee = [[0, 1, 2], [2, 3, 4], [0, 2, 4], [1, 3, 4], [0, 1, 3]][number % 5];
            tokio::spawn(async move { cluster.pay(number % 5, &format!("p-{number}"), &committee).await })
        })
        .collect();
    let mut signed = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => signed += 1,
            Err(error) => assert!(
                matches!(error.code, ErrorCode::PolicyDenied | ErrorCode::NotEnoughSigners),
                "{error:?}"
            ),
        }
    }
    assert!((1..=FIT).contains(&signed), "{signed} were signed");
    // What collided has let go of what it held, and nothing more can be spent than the rest of the window.
    for number in 0..FIT {
        let signers = [number % 3, 3, 4];
        match cluster.pay(number % 5, &format!("rest-{number}"), &signers).await {
            Ok(_) => signed += 1,
            Err(error) => assert_eq!(error.code, ErrorCode::PolicyDenied, "{error:?}"),
        }
    }
    // What one signer had settled before another stepped back is used up.
    assert!((1..=FIT).contains(&signed), "{signed} were signed");
    assert!(cluster.engine(0).culprits_excluded() == 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_forgets_nothing_and_who_was_no_signer_learns_it() {
    let mut cluster = cluster_of(3).await;
    for number in 0..FIT {
        cluster.pay(0, &format!("fits-{number}"), &[0, 1]).await.unwrap();
    }
    eventually("told", || (0..3).all(|place| cluster.engine(place).spendings.held().len() == FIT)).await;
    for place in 0..3 {
        cluster.restart(place, settings(), None).await;
    }
    eventually("connected", || (0..3).all(|place| cluster.engine(place).reachable().len() == 3)).await;
    assert!((0..3).all(|place| cluster.engine(place).spendings.held().len() == FIT));
    for (at, committee) in [(0, [0, 1]), (1, [1, 2]), (2, [0, 2])] {
        let error = cluster.pay(at, &format!("more-{at}"), &committee).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::PolicyDenied, "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_payment_asked_for_again_and_again_counts_once() {
    let cluster = cluster_of(3).await;
    for time in 0..FIT + 5 {
        // Signed anew each time, with other times.
        cluster.pay(time % 3, "same", &[0, 1]).await.unwrap();
    }
    for number in 1..FIT {
        cluster.pay(0, &format!("other-{number}"), &[1, 2]).await.unwrap();
    }
    assert_eq!(cluster.pay(0, "more", &[1, 2]).await.unwrap_err().code, ErrorCode::PolicyDenied);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_missed_a_spending_hear_of_it_before_they_sign() {
    let cluster = cluster_of(5).await;
    // Nobody tells what was spent but when asked in a session.
    for number in 0..FIT {
        cluster.pay(0, &format!("fits-{number}"), &[0, 1, 2]).await.unwrap();
    }
    // Two of these were asked for nothing yet, and may have heard of nothing.
    let error = cluster.pay(3, "more", &[2, 3, 4]).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::PolicyDenied, "{error:?}");
}

impl Hand {
    /// Tells a node that it remembers nothing of it, and waits until the node has heard that.
    async fn remembers_nothing(&self, engine: &Engine) {
        eventually("connected", || engine.reachable().contains(&self.identity())).await;
        self.send(&engine.me, &Frame::Remembered(None));
        let me = || std::iter::once(self.identity());
        eventually("heard", || engine.standings.unconfirmed(me()).is_empty()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lies_about_spending_change_nothing_and_silence_ends_the_attempt() {
    let cluster = cluster_of(3).await;
    cluster.pay(0, "before", &[0, 2]).await.unwrap();
    let mut hand = cluster.hand(2).await;
    let engine = cluster.engine(0);
    hand.remembers_nothing(engine).await;
    let (request, _) = cluster.payment("lied", PAID, &by(&[0, 2]));

    // It accepts, starts, and is asked. What no client has signed, and what is no transaction, counts for nothing.
    let stranger = SigningPrincipal::generate(KeyType::Ed25519, &mut OsRng);
    let now = SystemTime::now();
    let body = String::from_utf8(cluster.payment("forged", 900_000, "").0.body().to_vec()).unwrap();
    let id = "forged".parse().unwrap();
    let expires = now + Duration::from_secs(300);
    let forged =
        SignedRequest::sign(&stranger, *cluster.peers.cluster(), Operation::Sign, id, now, expires, body)
            .unwrap();
    let raw = cluster.sign_request("raw", "w", "");
    let keygen = cluster.keygen_request("k2", "w2", 2, &[0, 1, 2]);
    let settled = Some(crate::clock::seconds(now));
    let lies: Vec<_> = [forged.encode(), raw.encode(), keygen.encode(), vec![0; 7], Vec::new()]
        .into_iter()
        .flat_map(|request| {
            [settled, None].map(|settled| Told {
                request: request.clone(),
                settled,
                reserved: settled.is_none(),
            })
        })
        .collect();
    for _ in 0..3 {
        hand.send(&engine.me, &Frame::Spendings { session: None, told: lies.clone(), complete: false });
    }
    let invite = hand.invitation(engine, &request, &[engine.me, hand.identity()], 1);
    let start = hand.gather(&invite).await;
    hand.send(&engine.me, &Frame::Start(start));
    let session = hand
        .next(|_, frame| match frame {
            Frame::AskSpendings { session, .. } => Some(session),
            _ => None,
        })
        .await;
    hand.send(&engine.me, &Frame::Spendings { session: Some(session), told: lies, complete: true });
    hand.send(&engine.me, &Frame::Affords { session, affords: true, ask: false });
    // It has heard everybody out, and counts what is true.
    eventually("settled", || engine.spendings.held().len() == 2).await;

    // The next time it says nothing.
    let (request, _) = cluster.payment("silent", PAID, &by(&[0, 2]));
    let invite = hand.invitation(engine, &request, &[engine.me, hand.identity()], 1);
    let start = hand.gather(&invite).await;
    hand.send(&engine.me, &Frame::Start(start));
    let reason = hand
        .next(|_, frame| match frame {
            Frame::Decline(decline) => Some(decline.reason),
            _ => None,
        })
        .await;
    assert!(
        matches!(&reason, Reason::NotWith { node, why } if *node == hand.identity() && why.contains("has not told")),
        "{reason:?}"
    );
    assert_eq!(engine.spendings.held().len(), 2);
    eventually("released", || engine.spendings.count() == 2).await;
    assert_eq!(engine.culprits_excluded(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_member_tells_of_others_payments_counts() {
    let cluster = cluster_of(3).await;
    let mut hand = cluster.hand(2).await;
    let engine = cluster.engine(0);
    hand.remembers_nothing(engine).await;
    // All but a tenth was spent, says the hand, by payments that the client has asked for.
    let told: Vec<_> = (0..FIT)
        .map(|number| cluster.payment(&format!("spent-{number}"), PAID, "").0.encode())
        .map(|request| Told { request, settled: None, reserved: true })
        .collect();
    let (request, _) = cluster.payment("more", PAID, &by(&[0, 2]));
    let invite = hand.invitation(engine, &request, &[engine.me, hand.identity()], 1);
    let start = hand.gather(&invite).await;
    hand.send(&engine.me, &Frame::Start(start));
    let session = hand
        .next(|_, frame| match frame {
            Frame::AskSpendings { session, .. } => Some(session),
            _ => None,
        })
        .await;
    hand.send(&engine.me, &Frame::Spendings { session: Some(session), told, complete: true });
    let reason = hand
        .next(|_, frame| match frame {
            Frame::Decline(decline) => Some(decline.reason),
            _ => None,
        })
        .await;
    assert!(
        matches!(&reason, Reason::Waits { on, why } if *on == hand.identity() && why.contains("for requests under way")),
        "{reason:?}"
    );
    // What is reserved elsewhere is for that moment only.
    assert_eq!(engine.spendings.held().len(), 0);
    assert!(cluster.pay(0, "other", &[0, 1]).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_whose_committees_need_not_meet_spends_nothing_that_windows_count() {
    let cluster = Cluster::new(4, Settings { minority: true, ..settings() }).await;
    let keygen = cluster.keygen_request("k", "w", 2, &[0, 1, 2, 3]);
    cluster.engine(0).submit(&keygen).await.unwrap();
    let error = cluster.pay(0, "p", &[0, 1]).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::PolicyDenied);
    assert!(error.message.contains("threshold of 2 is not more than half of the 4 holders"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_all_wallets_spend_together_is_counted_where_all_committees_meet() {
    let rules = concat!(
        "assets:\n  SOL: {chain: solana}\n",
        "rules:\n",
        "  - name: hourly\n    fee_at_most: [0.0001 SOL]\n",
        "    windows: [{at_most: 0.001 SOL, in: 1h, of: all_wallets}]\n",
    );
    let cluster = Cluster::new(4, Settings { rules: Some(rules), ..Settings::default() }).await;
    // Two of three are half of the four nodes: a wallet of the other ones need not have a signer in common with it.
    cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap();
    let error = cluster.pay(0, "p", &[0, 1]).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::PolicyDenied);
    assert!(error.message.contains("not more than half of the 4 nodes of the cluster"), "{error:?}");
}
