//! Key generation when nodes are cut off, fast, slow, or lie about it.

use super::*;
use quorate_keygen::Certificate;
use quorate_request::ErrorCode;

use crate::frame::Certified;

#[tokio::test(flavor = "multi_thread")]
async fn of_two_key_generations_under_one_name_one_makes_the_wallet() {
    let cluster = Cluster::new(3, Settings::default()).await;
    for round in 0..4 {
        let name = format!("w{round}");
        let (first, second) = (format!("a{round}"), format!("b{round}"));
        let (left, right) = tokio::join!(
            cluster.keygen(0, &first, &name, &[0, 1, 2]),
            cluster.keygen(1, &second, &name, &[0, 1, 2])
        );
        let (won, lost) = match (left, right) {
            (Ok(won), Err(lost)) | (Err(lost), Ok(won)) => (won, lost),
            other => panic!("one of the two: {other:?}"),
        };
        assert_eq!(lost.code, ErrorCode::WalletExists, "{lost:?}");
        eventually("everybody knows it", || (0..3).all(|place| cluster.knows(place, &name) == 1)).await;
        let signed = cluster.sign(2, &format!("s{round}"), &name).await.unwrap();
        assert_eq!(signed.public_key, won.public_key);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_may_have_succeeded_is_not_followed_by_another() {
    let settings = Settings {
        round: Duration::from_millis(500),
        request: Duration::from_secs(6),
        ..Settings::default()
    };
    let cluster = Cluster::new(5, settings).await;
    // Two of the five hold the wallet; the proposer is none of them. One stores its share and is cut off before it
    // can say so.
    let body = r#"{"threshold":2,"total":2,"curve":"ed25519","wallet_id":"w"}"#;
    let request = (0..)
        .map(|n| cluster.request(Operation::Keygen, &format!("k{n}"), body))
        .find(|request| {
            let mut order: Vec<_> = (0..5).collect();
            order.sort_by_key(|place| rank(&request.fingerprint(), &cluster.identity(*place)));
            order[..2] == [1, 2] || order[..2] == [2, 1]
        })
        .unwrap();
    let (hub, cut_off) = (cluster.hub.clone(), cluster.identity(1));
    cluster.deed(1, move |operation, step| {
        if (operation, step) == ("keygen", Step::Stored) {
            hub.isolate(&cut_off);
        }
    });
    let error = cluster.engine(0).submit(&request).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::TimedOut, "{error:?}");
    assert!([0, 2, 3, 4].iter().all(|place| cluster.knows(*place, "w") == 0));

    // It comes back: the first attempt has succeeded, and a repeat of the request says so.
    cluster.deed(1, |_, _| {});
    cluster.hub.heal_all();
    eventually("the wallet is known", || (0..5).all(|place| cluster.knows(place, "w") == 1)).await;
    let made = keygen_of(cluster.engine(0).submit(&request).await).unwrap();
    assert_eq!(made.parties, ["node1", "node2"]);
    cluster.sign(4, "s", "w").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_a_member_never_acknowledged_is_followed_by_another() {
    let cluster =
        Cluster::new(3, Settings { round: Duration::from_millis(500), ..Settings::default() }).await;
    // The first time, node 2 breaks off before it stores anything. Asked about it, it refuses.
    let once = std::sync::atomic::AtomicBool::new(true);
    cluster.deed(2, move |operation, step| {
        let first = (operation, step) == ("keygen", Step::Storing)
            && once.swap(false, std::sync::atomic::Ordering::SeqCst);
        assert!(!first, "a fault planted by the test");
    });
    let made = cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap();
    eventually("all know it", || (0..3).all(|place| cluster.knows(place, "w") == 1)).await;
    assert_eq!(cluster.sign(1, "s", "w").await.unwrap().public_key, made.public_key);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_certified_wallets_of_one_name_are_both_kept_and_the_name_means_neither() {
    let mut cluster = Cluster::new(4, Settings::default()).await;
    for left in [0, 1] {
        for right in [2, 3] {
            cluster.hub.partition(&cluster.identity(left), &cluster.identity(right));
        }
    }
    let left = cluster.keygen(0, "left", "w", &[0, 1]).await.unwrap();
    let right = cluster.keygen(2, "right", "w", &[2, 3]).await.unwrap();
    assert_ne!(left.public_key, right.public_key);
    cluster.hub.heal_all();
    eventually("both are known", || (0..4).all(|place| cluster.knows(place, "w") == 2)).await;

    let sign = |id: &str, key: &str| {
        let body = format!(r#"{{"public_key":"{key}","message_hash":"0x{}"}}"#, "cd".repeat(32));
        cluster.request(Operation::Sign, id, &body)
    };
    let error = cluster.sign(1, "by-name", "w").await.unwrap_err();
    assert_eq!(error.code, ErrorCode::AmbiguousWallet);
    assert!(error.message.contains(&left.public_key.to_string()), "{error:?}");
    for (n, made) in [&left, &right].into_iter().enumerate() {
        for place in 0..4 {
            let request = sign(&format!("{n}-{place}"), &made.public_key.to_string());
            let signed = sign_of(cluster.engine(place).submit(&request).await).unwrap();
            assert_eq!(signed.public_key, made.public_key);
        }
    }
    // And all that survives a restart.
    cluster.restart(0, Settings::default(), None).await;
    assert_eq!(cluster.knows(0, "w"), 2);
    for (n, made) in [&left, &right].into_iter().enumerate() {
        let body =
            format!(r#"{{"public_key":"{}","message_hash":"0x{}"}}"#, made.public_key, "ef".repeat(32));
        let request = cluster.request(Operation::Sign, &format!("again-{n}"), &body);
        eventually("peers are back", || cluster.engine(0).reachable().len() == 4).await;
        assert_eq!(sign_of(cluster.engine(0).submit(&request).await).unwrap().public_key, made.public_key);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_missed_a_certificate_learns_of_the_wallet() {
    let cluster = Cluster::new(3, Settings::default()).await;
    cluster.hub.isolate(&cluster.identity(2));
    cluster.keygen(0, "k", "w", &[0, 1]).await.unwrap();
    assert_eq!(cluster.knows(2, "w"), 0);
    cluster.hub.heal_all();
    // Nobody uses it: the census tells.
    eventually("it is known", || cluster.knows(2, "w") == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_for_a_wallet_made_elsewhere_a_moment_ago_finds_it() {
    let cluster = Cluster::new(3, Settings::default()).await;
    cluster.hub.isolate(&cluster.identity(2));
    cluster.keygen(0, "k", "w", &[0, 1]).await.unwrap();
    cluster.hub.heal_all();
    eventually("connected", || cluster.engine(2).reachable().len() == 3).await;
    cluster.sign(2, "s", "w").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_initiator_with_a_key_on_p256_has_wallets_made_and_used() {
    let cluster = Cluster::asked_by(KeyType::P256, 3, Settings::default()).await;
    cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap();
    eventually("all know it", || (0..3).all(|place| cluster.knows(place, "w") == 1)).await;
    cluster.sign(1, "s", "w").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_that_no_initiator_of_this_node_asked_for_is_refused() {
    let mut cluster = Cluster::new(3, Settings::default()).await;
    let stranger = SigningPrincipal::generate(KeyType::P256, &mut OsRng).principal();
    cluster.restart(2, Settings::default(), Some(stranger)).await;
    eventually("connected", || cluster.engine(2).reachable().len() == 3).await;
    cluster.keygen(0, "k", "w", &[0, 1]).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(cluster.knows(2, "w"), 0);
    assert_eq!(cluster.knows(1, "w"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_becomes_active_even_if_its_initiator_has_gone_since() {
    let mut cluster = Cluster::new(3, Settings::default()).await;
    let (hub, cut_off) = (cluster.hub.clone(), cluster.identity(1));
    // One has stored its share, and is cut off and stopped before anybody hears of it.
    cluster.deed(1, move |operation, step| {
        if (operation, step) == ("keygen", Step::Stored) {
            hub.isolate(&cut_off);
            panic!("a fault planted by the test");
        }
    });
    let request = cluster.keygen_request("k", "w", 2, &[0, 1, 2]);
    let asked = tokio::spawn({
        let engine = Arc::clone(cluster.engine(0));
        async move { engine.submit(&request).await }
    });
    eventually("a share waits", || !cluster.engine(1).wallets.waiting().is_empty()).await;
    let stranger = SigningPrincipal::generate(KeyType::P256, &mut OsRng).principal();
    cluster.restart(1, Settings::default(), Some(stranger)).await;
    assert_eq!(cluster.engine(1).wallets.waiting().len(), 1);
    cluster.hub.heal_all();
    eventually("all know it", || (0..3).all(|place| cluster.knows(place, "w") == 1)).await;
    assert!(cluster.engine(1).wallets.waiting().is_empty());
    keygen_of(asked.await.unwrap()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_does_not_pass_for_another_request_or_key() {
    let cluster = Cluster::new(4, Settings::default()).await;
    cluster.hub.isolate(&cluster.identity(3));
    cluster.keygen(0, "k1", "w1", &[0, 1]).await.unwrap();
    cluster.keygen(0, "k2", "w2", &[0, 1]).await.unwrap();
    let of = |name: &str| cluster.engine(0).wallets.named(&name.parse().unwrap())[0].certified();
    let (one, two) = (of("w1"), of("w2"));
    let certificate = |certified: &Certified| Certificate::clone(&certified.certificate);
    let forgeries = [
        Certified {
            request: two.request.clone(),
            public: one.public.clone(),
            certificate: certificate(&one),
        },
        Certified {
            request: one.request.clone(),
            public: two.public.clone(),
            certificate: certificate(&one),
        },
        Certified {
            request: one.request.clone(),
            public: one.public.clone(),
            certificate: certificate(&two),
        },
        Certified { request: vec![1, 2, 3], public: one.public.clone(), certificate: certificate(&one) },
    ];
    let engine = cluster.engine(3);
    for forged in forgeries {
        engine.certified(cluster.identity(0), forged).await;
    }
    assert!(engine.wallets.all().is_empty());
    engine.certified(cluster.identity(0), one).await;
    assert_eq!(cluster.knows(3, "w1"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_a_key_generation_is_small() {
    let cluster = Cluster::new(2, Settings::default()).await;
    let body = format!(r#"{{"threshold":2,"total":2,"curve":"ed25519"{}}}"#, " ".repeat(16 * 1024));
    let request = cluster.request(Operation::Keygen, "k", &body);
    let error = cluster.engine(0).submit(&request).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::BodyTooLarge);
    assert!(cluster.engine(0).wallets.find(WalletRef::PublicKey(&[])).unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_repeated_the_moment_it_has_failed_is_worked_on_again() {
    let cluster = Cluster::new(2, Settings::default()).await;
    for _ in 0..500 {
        let error = cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidThreshold, "{error:?}");
    }
}
