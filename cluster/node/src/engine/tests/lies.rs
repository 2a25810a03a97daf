//! A member that refuses a key generation that it has acknowledged.

use super::*;
use quorate_keygen::Refusal;
use quorate_request::ErrorCode;

use super::refusals::{all_have_stored, quick};
use crate::store::Table;

#[tokio::test(flavor = "multi_thread")]
async fn a_false_refusal_loses_no_wallet() {
    let settings = quick();
    let cluster = Cluster::new(3, settings).await;
    let (hub, cut_off) = (cluster.hub.clone(), cluster.identity(1));
    let stores = [0, 2].map(|place| Arc::clone(&cluster.engine(place).store));
    cluster.deed(1, move |operation, step| {
        if (operation, step) == ("keygen", Step::Stored) {
            all_have_stored(&stores);
            hub.isolate(&cut_off);
        }
    });
    cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap_err();
    let waiting = cluster.engine(0).wallets.waiting();
    let session = waiting[0].agreement.session();
    // Node 2 has acknowledged, and signs that it never will.
    let lie = Refusal::promise(session, &cluster.members[2].identity);
    cluster.engine(0).refused(cluster.identity(2), &lie).await;
    assert!(cluster.engine(0).wallets.waiting().is_empty());
    // Forged, and by no member: neither counts for anything.
    let stranger = SigningIdentity::generate(&mut OsRng);
    cluster.engine(2).refused(cluster.identity(0), &Refusal::promise(session, &stranger)).await;
    assert_eq!(cluster.engine(2).wallets.waiting().len(), 1);

    cluster.deed(1, |_, _| {});
    cluster.hub.heal_all();
    eventually("the certificate counts", || (0..3).all(|place| cluster.knows(place, "w") == 1)).await;
    assert!(cluster.engine(0).wallets.waiting_of(&session).is_none());
    // Who signed both is convicted, and nobody else. The others suffice.
    let convicted = |place: usize, of| cluster.engine(place).exclusions.contains(&cluster.identity(of));
    eventually("all convict node 2", || (0..3).all(|place| convicted(place, 2))).await;
    assert!((0..3).all(|place| !convicted(place, 0) && !convicted(place, 1)));
    for place in 0..3 {
        let signed = cluster.sign(place, &format!("s{place}"), "w").await.unwrap();
        assert_eq!(signed.committee, ["node0", "node1"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_that_was_falsely_refused_does_not_contest_the_name_that_it_lost() {
    let settings = quick();
    let mut cluster = Cluster::new(4, settings).await;
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
    // As long as node 1 is not heard of, the name is held, and the client learns by whom.
    let held = cluster.keygen(0, "k-2", "w", &[0, 3]).await.unwrap_err();
    assert_eq!(held.code, ErrorCode::NotEnoughSigners);
    assert!(held.message.contains("the name w is held") && held.message.contains("node1"), "{held:?}");
    // Node 2 lies, and its lie frees the name at node 0.
    let lie = Refusal::promise(session, &cluster.members[2].identity);
    cluster.engine(0).refused(cluster.identity(2), &lie).await;
    let second = cluster.keygen(0, "k-3", "w", &[0, 3]).await.unwrap();

    cluster.deed(1, |_, _| {});
    // Before node 1 hears of the lie: then nobody would ask for its word any more.
    cluster.hub.heal(&cluster.identity(1), &cluster.identity(2));
    let certified = || cluster.engine(1).wallets.of_session(&session).is_some();
    eventually("the first wallet is certified all the same", certified).await;
    cluster.hub.heal_all();
    let arrived = || (0..4).all(|place| cluster.engine(place).wallets.of_session(&session).is_some());
    eventually("all learn of it", arrived).await;
    let liar = cluster.identity(2);
    let convicted = || (0..4).all(|place| cluster.engine(place).exclusions.contains(&liar));
    eventually("the liar is convicted", convicted).await;
    let first = cluster.engine(0).wallets.of_session(&session).unwrap().public_key.to_string();
    let second = second.public_key.to_string();
    assert_ne!(first, second);
    // Whoever knows the lie, from the liar or from the evidence, means the second wallet by the name, before and after a
    // restart.
    let knows_second = |place: usize| {
        let named = cluster.engine(place).wallets.named(&"w".parse().unwrap());
        matches!(named.as_slice(), [wallet] if wallet.public_key.to_string() == second)
    };
    eventually("all mean the second", || (0..4).all(knows_second)).await;
    for restarted in [false, true] {
        if restarted {
            cluster.restart(0, settings, None).await;
            cluster.restart(3, settings, None).await;
            eventually("peers are back", || cluster.engine(0).reachable().len() == 4).await;
        }
        for place in [0, 3] {
            let named = cluster.engine(place).wallets.named(&"w".parse().unwrap());
            assert_eq!(named.len(), 1);
            assert_eq!(named[0].public_key.to_string(), second);
        }
        for key in [&first, &second] {
            let body = format!(r#"{{"public_key":"{key}","message_hash":"0x{}"}}"#, "ab".repeat(32));
            let request = cluster.request(Operation::Sign, &format!("s-{restarted}-{key}"), &body);
            let signed = sign_of(cluster.engine(0).submit(&request).await).unwrap();
            assert_eq!(signed.public_key.to_string(), *key);
        }
    }
}

/// A newcomer to an epoch acknowledges it, and signs that it never will.
#[tokio::test(flavor = "multi_thread")]
async fn who_refuses_a_resharing_that_it_has_acknowledged_is_convicted_and_loses_no_share() {
    let cluster = Cluster::new(4, quick()).await;
    cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap();
    let (hub, cut_off) = (cluster.hub.clone(), cluster.identity(1));
    let stores = [0, 2].map(|place| Arc::clone(&cluster.engine(place).store));
    cluster.deed(1, move |operation, step| {
        if (operation, step) == ("reshare", Step::Stored) {
            let since = std::time::Instant::now();
            while stores.iter().any(|store| store.count(Table::Epochs).unwrap() == 0) {
                assert!(since.elapsed() < Duration::from_secs(20), "the others never store a share");
                std::thread::sleep(Duration::from_millis(1));
            }
            hub.isolate(&cut_off);
        }
    });
    cluster.renew_by(0, &cluster.refresh_request("r", "w")).await.unwrap_err();
    let session = cluster.engine(0).wallets.waiting()[0].agreement.session();
    let lie = Refusal::promise(session, &cluster.members[2].identity);
    // By whom it is, and of what, is not for others to say.
    let stranger = Refusal::promise(session, &SigningIdentity::generate(&mut OsRng));
    cluster.engine(0).refused(cluster.identity(2), &stranger).await;
    assert_eq!(cluster.engine(0).wallets.waiting().len(), 1);
    cluster.engine(0).refused(cluster.identity(3), &lie).await;
    assert!(cluster.engine(0).wallets.waiting().is_empty());
    assert_eq!(cluster.epoch(0, "w"), 0);

    cluster.deed(1, |_, _| {});
    // Before node 1 hears of the lie: then nobody would ask for its word any more.
    cluster.hub.heal(&cluster.identity(1), &cluster.identity(2));
    eventually("the epoch is certified all the same", || cluster.epoch(1, "w") == 1).await;
    cluster.hub.heal_all();
    cluster.at_epoch("w", 1).await;
    assert_eq!(cluster.engine(0).wallets.of_generation(&session).unwrap().public.epoch, 1);
    let convicted = |place: usize, of| cluster.engine(place).exclusions.contains(&cluster.identity(of));
    eventually("all convict node 2", || (0..4).all(|place| convicted(place, 2))).await;
    assert!((0..4).all(|place| [0, 1, 3].iter().all(|honest| !convicted(place, *honest))));
    let signed = cluster.sign(3, "s", "w").await.unwrap();
    assert_eq!(signed.committee, ["node0", "node1"]);
}
