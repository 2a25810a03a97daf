//! Wallets that sign by DKLS23: their pairs, and who was caught cheating in them.

use super::*;
use quorate_request::{AuxiliaryResponse, ErrorCode};
use quorate_session::SessionId;
use quorate_sharing::PartyIndex;

use crate::frame::{Decline, Reason};
use crate::store::Table;

impl Cluster {
    async fn keygen_dkls23(
        &self,
        at: usize,
        wallet: &str,
        threshold: u16,
        parties: &[usize],
    ) -> KeygenResponse {
        let names: Vec<_> = parties.iter().map(|place| format!("\"node{place}\"")).collect();
        let body = format!(
            r#"{{"threshold":{threshold},"total":{},"curve":"secp256k1","protocol":"dkls23","wallet_id":"{wallet}","parties":[{}]}}"#,
            parties.len(),
            names.join(",")
        );
        let request = self.request(Operation::Keygen, &format!("k-{wallet}"), &body);
        let made = keygen_of(self.engine(at).submit(&request).await).unwrap();
        eventually("known", || (0..self.members.len()).all(|place| self.knows(place, wallet) == 1)).await;
        made
    }

    fn identities(&self, places: &[usize]) -> BTreeSet<Identity> {
        places.iter().map(|place| self.identity(*place)).collect()
    }

    fn session_of(&self, wallet: &str) -> SessionId {
        self.engine(0).wallets.named(&wallet.parse().unwrap())[0].session()
    }

    async fn have_pairs(&self, wallet: &str, places: &[usize]) -> SessionId {
        let session = self.session_of(wallet);
        let active = |place: &usize| self.engine(*place).pairings.active(&session);
        eventually("pairs", || places.iter().all(|place| active(place).is_some())).await;
        let pairs = active(&places[0]).unwrap();
        assert!(places.iter().all(|place| active(place) == Some(pairs)));
        pairs
    }

    async fn sign_by(
        &self,
        at: usize,
        id: &str,
        wallet: &str,
        signers: &[usize],
    ) -> Result<SignResponse, ErrorBody> {
        let names: Vec<_> = signers.iter().map(|place| format!("\"node{place}\"")).collect();
        let extra = format!(r#","signers":[{}]"#, names.join(","));
        sign_of(self.engine(at).submit(&self.sign_request(id, wallet, &extra)).await)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_has_pairs_soon_after_it_is_made_and_signs_wherever_it_is_asked() {
    let cluster = Cluster::new(4, Settings::default()).await;
    let made = cluster.keygen_dkls23(3, "w", 2, &[0, 1, 2]).await;
    cluster.have_pairs("w", &[0, 1, 2]).await;
    // By a holder, by one that is no signer, and by one that holds nothing and has to be told of the pairs.
    for (at, signers) in [(0, [0, 1]), (1, [0, 2]), (3, [1, 2])] {
        let signed = cluster.sign_by(at, &format!("s{at}"), "w", &signers).await.unwrap();
        assert_eq!(signed.public_key, made.public_key);
        assert_eq!(signed.committee, signers.map(|place| format!("node{place}")));
    }
    let child = cluster.sign_request("child", "w", r#","derivation_path":"m/0/7""#);
    let signed = sign_of(cluster.engine(2).submit(&child).await).unwrap();
    assert_ne!(signed.public_key, made.public_key);
}

#[tokio::test(flavor = "multi_thread")]
async fn pairs_are_kept_across_restarts_and_made_when_they_are_missing() {
    let mut cluster = Cluster::new(2, Settings::default()).await;
    cluster.keygen_dkls23(0, "w", 2, &[0, 1]).await;
    let pairs = cluster.have_pairs("w", &[0, 1]).await;
    cluster.restart(1, Settings::default(), None).await;
    assert_eq!(cluster.engine(1).pairings.active(&cluster.session_of("w")), Some(pairs));
    eventually("connected", || cluster.engine(1).reachable().len() == 2).await;
    cluster.sign_by(1, "s", "w", &[0, 1]).await.unwrap();
    // Nobody replaces what is there for a node's word.
    let wallet = cluster.engine(0).wallets.named(&"w".parse().unwrap())[0].clone();
    let new = crate::cause::NewPairs {
        wallet: wallet.session(),
        parties: wallet.holders(),
        number: crate::clock::now_millis(),
        request: None,
    };
    let provision = crate::cause::Provision::Pairs(new);
    let refused = cluster.engine(0).provision(cluster.identity(1), &provision).map(|_| ());
    assert_eq!(refused, Err(Reason::Replaced { session: pairs }));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_caught_is_not_signed_with_also_after_a_restart() {
    let settings = Settings { request: Duration::from_secs(3), ..Settings::default() };
    let mut cluster = Cluster::new(3, settings).await;
    cluster.keygen_dkls23(0, "w", 2, &[0, 1, 2]).await;
    let pairs = cluster.have_pairs("w", &[0, 1, 2]).await;
    let session = cluster.session_of("w");
    let wallet = cluster.engine(0).wallets.named(&"w".parse().unwrap())[0].clone();
    let index = |place: usize| -> PartyIndex {
        wallet.record.public.committee.index_of(&cluster.identity(place)).unwrap()
    };
    let caught = [index(1)];
    cluster.engine(0).pairings.catch(session, pairs, &caught, "a test says so").await.unwrap();
    for restarted in [false, true] {
        if restarted {
            cluster.restart(0, settings, None).await;
            eventually("connected", || cluster.engine(0).reachable().len() == 3).await;
        }
        // Of the two together nobody gets a signature; with others, both sign.
        let id = |name: &str| format!("{name}-{restarted}");
        let refused = cluster.sign_by(2, &id("both"), "w", &[0, 1]).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::NotEnoughSigners, "{refused:?}");
        assert!(refused.message.contains("caught cheating"), "{refused:?}");
        for signers in [[0, 2], [1, 2]] {
            cluster
                .sign_by(2, &id(&format!("{signers:?}").replace([' ', ',', '[', ']'], "")), "w", &signers)
                .await
                .unwrap();
        }
        // Left to choose, the nodes find such a committee.
        for at in 0..3 {
            cluster.sign(at, &id(&format!("any{at}")), "w").await.unwrap();
        }
        let shown = cluster.engine(0).pairings.caught();
        assert_eq!(shown.len(), 1);
        let (of, party, told) = &shown[0];
        assert_eq!((*of, *party, told.reason.as_str()), (session, caught[0], "a test says so"));
    }
}

impl Cluster {
    /// Who can sign with each other at a node, as the wallet is shared now.
    fn paired(&self, at: usize, wallet: &str, places: &[usize]) -> Option<SessionId> {
        let wallet = self.engine(at).wallets.named(&wallet.parse().unwrap())[0].clone();
        let parties = wallet.indices(&self.identities(places));
        self.engine(at).pairings.active_for(&wallet.generation(), &parties)
    }

    /// Waits until these all have one and the same set, and nothing else is kept.
    async fn have_one_set(&self, wallet: &str, places: &[usize]) {
        let set = |at: &usize| self.paired(*at, wallet, places);
        let same = || set(&places[0]).is_some() && places.iter().all(|at| set(at) == set(&places[0]));
        eventually("one set of all", same).await;
        let rows = |at: &usize| self.engine(*at).store.keys(Table::Pairs, "").unwrap().len();
        eventually("the others are erased", || places.iter().all(|at| rows(at) == 2)).await;
    }
}

/// It has acknowledged its new share, and vanishes before there are pairs for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_holder_that_is_gone_when_pairs_are_made_keeps_nobody_from_signing() {
    let cluster = Cluster::new(4, Settings::default()).await;
    cluster.keygen_dkls23(0, "w", 2, &[0, 1, 2]).await;
    cluster.have_pairs("w", &[0, 1, 2]).await;
    let (hub, gone) = (cluster.hub.clone(), cluster.identity(2));
    cluster.deed(2, move |operation, _| {
        if operation == "pairs" {
            hub.isolate(&gone);
        }
    });
    let refresh = cluster.request(Operation::Refresh, "r", r#"{"wallet_id":"w"}"#);
    cluster.engine(0).submit(&refresh).await.unwrap();
    cluster.at_epoch("w", 1).await;
    for at in [0, 1, 3] {
        let signed = cluster.sign(at, &format!("s{at}"), "w").await.unwrap();
        assert_eq!(signed.committee, ["node0", "node1"]);
    }
    assert_eq!(cluster.paired(0, "w", &[0, 1]), cluster.paired(1, "w", &[0, 1]));
    assert_eq!(cluster.paired(0, "w", &[0, 1, 2]), None);
    let refused = cluster.sign_by(0, "with-it", "w", &[0, 2]).await.unwrap_err();
    assert!(refused.message.contains("unavailable: node2"), "{refused:?}");
    // Back again, it is made pairs with, and what there was without it goes.
    cluster.deed(2, |_, _| {});
    cluster.hub.heal_all();
    cluster.have_one_set("w", &[0, 1, 2]).await;
    for (at, signers) in [(0, [0, 2]), (3, [1, 2]), (2, [0, 1])] {
        cluster.sign_by(at, &format!("after-{at}"), "w", &signers).await.unwrap();
    }
}

/// One after the other is away, and nobody ever has a set of all.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_there_has_pairs_made_and_signs() {
    let cluster = Cluster::new(4, Settings::default()).await;
    let (hub, away) = (cluster.hub.clone(), cluster.identity(2));
    // Before there are any.
    cluster.deed(0, move |operation, step| {
        if (operation, step) == ("keygen", Step::Settled) {
            hub.isolate(&away);
        }
    });
    let parties = r#""parties":["node0","node1","node2"]"#;
    let body = format!(
        r#"{{"threshold":2,"total":3,"curve":"secp256k1","protocol":"dkls23","wallet_id":"w",{parties}}}"#
    );
    cluster.engine(0).submit(&cluster.request(Operation::Keygen, "k", &body)).await.unwrap();
    let knows = |place| cluster.knows(place, "w") == 1;
    eventually("the others know the wallet", || [0, 1, 3].into_iter().all(knows)).await;
    // Without anybody's asking, after a while.
    eventually("those two", || cluster.paired(1, "w", &[0, 1]).is_some()).await;
    cluster.sign_by(3, "s01", "w", &[0, 1]).await.unwrap();
    for (away, there) in [(1, [0, 2]), (0, [1, 2]), (2, [0, 1])] {
        cluster.hub.heal_all();
        cluster.hub.isolate(&cluster.identity(away));
        let all = || there.into_iter().chain([3]).all(knows);
        eventually("the wallet is known", all).await;
        let reach = |place: usize| cluster.engine(place).reachable().len() == 3;
        eventually("connected", || reach(there[0]) && reach(there[1]) && reach(3)).await;
        for at in there.into_iter().chain([3]) {
            let id = format!("away-{away}-{at}");
            let signed = cluster.sign(at, &id, "w").await.unwrap();
            assert_eq!(signed.committee, there.map(|place| format!("node{place}")), "at {at}");
        }
    }
    cluster.hub.heal_all();
    cluster.have_one_set("w", &[0, 1, 2]).await;
}

/// Whatever a holder does while pairs are made, the others come to some.
#[tokio::test(flavor = "multi_thread")]
async fn a_holder_that_makes_no_pairs_is_left_out() {
    let settings = Settings { round: Duration::from_secs(1), ..Settings::default() };
    let cluster = Cluster::new(3, settings).await;
    cluster.keygen_dkls23(0, "w", 2, &[0, 1, 2]).await;
    cluster.have_pairs("w", &[0, 1, 2]).await;
    let session = cluster.session_of("w");
    let mut hand = cluster.hand(2).await;
    for (round, says) in [None, Some(Reason::Unable("does not want to".into()))].into_iter().enumerate() {
        for place in 0..2 {
            cluster.engine(place).pairings.erase_all(session).await.unwrap();
        }
        let playing = async {
            loop {
                let (from, invite) = hand.invited().await;
                if let Some(reason) = says.clone() {
                    let proposal = *Proposing::new(&invite.proposal.proposal).unwrap().digest();
                    let decline = Decline::new(proposal, reason, None, &hand.identity);
                    hand.send(&from, &Frame::Decline(decline));
                }
            }
        };
        let signing = async {
            for at in [0, 1] {
                let signed = cluster.sign_by(at, &format!("s-{round}-{at}"), "w", &[0, 1]).await.unwrap();
                assert_eq!(signed.committee, ["node0", "node1"]);
            }
        };
        tokio::select! {
            () = signing => {}
            () = playing => {}
        }
        assert_eq!(cluster.paired(0, "w", &[0, 1, 2]), None);
    }
}

impl Cluster {
    fn renewal(&self, id: &str, wallet: &str) -> SignedRequest {
        self.request(Operation::Auxiliary, id, &format!(r#"{{"wallet_id":"{wallet}"}}"#))
    }

    async fn renew(&self, at: usize, request: &SignedRequest) -> Result<AuxiliaryResponse, ErrorBody> {
        match self.engine(at).submit(request).await? {
            SessionResult::Auxiliary(made) => Ok(made),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_has_pairs_made_anew_and_who_was_caught_is_taken_back() {
    let mut cluster = Cluster::new(4, Settings::default()).await;
    cluster.keygen_dkls23(0, "w", 2, &[0, 1, 2]).await;
    let first = cluster.have_pairs("w", &[0, 1, 2]).await;
    let session = cluster.session_of("w");
    let wallet = cluster.engine(0).wallets.named(&"w".parse().unwrap())[0].clone();
    let caught = [wallet.record.public.committee.index_of(&cluster.identity(1)).unwrap()];
    cluster.engine(0).pairings.catch(session, first, &caught, "a test says so").await.unwrap();
    assert!(cluster.sign_by(0, "s1", "w", &[0, 1]).await.is_err());

    let request = cluster.renewal("r1", "w");
    let made = cluster.renew(1, &request).await.unwrap();
    assert_eq!(made.wallet_id, Some("w".parse().unwrap()));
    assert_eq!(made.parties, ["node0", "node1", "node2"]);
    let second = |place: usize| cluster.engine(place).pairings.active(&session);
    eventually("new pairs everywhere", || (0..3).all(|place| second(place) != Some(first))).await;
    let anew = cluster.have_pairs("w", &[0, 1, 2]).await;
    assert_eq!(made.digest.as_bytes(), anew.as_bytes());
    let is_erased = |place: usize| !cluster.engine(place).pairings.has(&session, &first);
    eventually("the old ones are erased", || (0..3).all(is_erased)).await;
    // Who knew of the old ones is told of the new ones, whether it holds any or not.
    for at in 0..4 {
        cluster.sign_by(at, &format!("s2-{at}"), "w", &[0, 1]).await.unwrap();
    }
    // Repeated, wherever: it is made once.
    for at in 0..3 {
        let again = cluster.renew(at, &request).await.unwrap();
        assert_eq!((again.epoch, again.digest), (made.epoch, made.digest), "{at}");
    }
    // So is one that the client has signed again.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let again = cluster.renew(2, &cluster.renewal("r1", "w")).await.unwrap();
    assert_eq!((again.epoch, again.digest), (made.epoch, made.digest));
    // A node can't show it again to have whom it caught since taken back.
    cluster.engine(0).pairings.catch(session, anew, &caught, "a test says so again").await.unwrap();
    let provision = crate::cause::Provision::Pairs(crate::cause::NewPairs {
        wallet: session,
        parties: cluster.identities(&[0, 1, 2]),
        number: crate::clock::now_millis(),
        request: Some(request.encode()),
    });
    let refused = cluster.engine(0).provision(cluster.identity(1), &provision).map(|_| ());
    assert_eq!(refused, Err(Reason::Replaced { session: anew }));
    cluster.restart(0, Settings::default(), None).await;
    eventually("connected", || cluster.engine(0).reachable().len() == 4).await;
    assert!(cluster.sign_by(0, "s3", "w", &[0, 1]).await.is_err());
    // Requests tell the second in which they were signed.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    cluster.renew(0, &cluster.renewal("r2", "w")).await.unwrap();
    cluster.sign_by(0, "s4", "w", &[0, 1]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn pairs_that_are_asked_for_at_two_nodes_at_once_are_the_same_everywhere() {
    let cluster = Cluster::new(3, Settings::default()).await;
    cluster.keygen_dkls23(0, "w", 2, &[0, 1, 2]).await;
    cluster.have_pairs("w", &[0, 1, 2]).await;
    for round in 0..3 {
        tokio::time::sleep(Duration::from_millis(1100)).await;
        let requests: Vec<_> =
            (0..3).map(|place| cluster.renewal(&format!("r{round}-{place}"), "w")).collect();
        let asked = (0..3).map(|place| cluster.renew(place, &requests[place]));
        let made = futures_util::future::join_all(asked).await;
        assert!(made.iter().any(Result::is_ok), "{made:?}");
        let digests: BTreeSet<_> = made.iter().flatten().map(|made| made.digest.to_string()).collect();
        assert_eq!(digests.len(), made.iter().flatten().count(), "each has its own");
        let same = || {
            let active = |place: usize| cluster.engine(place).pairings.active(&cluster.session_of("w"));
            active(0) == active(1) && active(1) == active(2)
        };
        eventually("the same pairs", same).await;
        for (at, signers) in [(0, [0, 1]), (1, [1, 2]), (2, [0, 2])] {
            cluster.sign_by(at, &format!("s{round}-{at}"), "w", &signers).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn new_pairs_are_made_for_who_may_ask_for_them_and_for_wallets_that_have_some() {
    let cluster = Cluster::new(3, Settings::default()).await;
    cluster.keygen_dkls23(0, "w", 2, &[0, 1]).await;
    cluster.keygen(0, "k-f", "f", &[0, 1, 2]).await.unwrap();
    let pairs = cluster.have_pairs("w", &[0, 1]).await;
    let with = |id: &str, body: &str| cluster.request(Operation::Auxiliary, id, body);
    for (id, at, request, code, told) in [
        ("no-such", 0, r#"{"wallet_id":"x"}"#, ErrorCode::UnknownWallet, "no such wallet"),
        ("frost", 0, r#"{"wallet_id":"f"}"#, ErrorCode::UnsupportedProtocol, "signs by frost has no pairs"),
        (
            "both",
            0,
            r#"{"wallet_id":"w","parties":["node0","node1"]}"#,
            ErrorCode::InvalidParties,
            "leave out parties",
        ),
        ("elsewhere", 2, r#"{"wallet_id":"w"}"#, ErrorCode::NotReady, "ask one that does"),
    ] {
        let refused = cluster.renew(at, &with(id, request)).await.unwrap_err();
        assert_eq!(refused.code, code, "{refused:?}");
        assert!(refused.message.contains(told), "{refused:?}");
    }
    // A proposer can't use one request for something else.
    let session = cluster.session_of("w");
    let propose = |request: &SignedRequest| {
        let request = Some(request.encode());
        let (parties, number) = (cluster.identities(&[0, 1]), crate::clock::now_millis());
        let new = crate::cause::NewPairs { wallet: session, parties, number, request };
        cluster.engine(0).provision(cluster.identity(1), &crate::cause::Provision::Pairs(new)).map(|_| ())
    };
    let stranger = SigningPrincipal::generate(KeyType::Ed25519, &mut OsRng);
    let now = SystemTime::now();
    let forged = SignedRequest::sign(
        &stranger,
        *cluster.peers.cluster(),
        Operation::Auxiliary,
        "forged".parse().unwrap(),
        now,
        now + Duration::from_secs(60),
        r#"{"wallet_id":"w"}"#.to_owned(),
    );
    for request in [
        with("nodes", "{}"),
        with("other", r#"{"wallet_id":"f"}"#),
        cluster.request(Operation::Sign, "sign", r#"{"wallet_id":"w"}"#),
        forged.unwrap(),
    ] {
        assert!(matches!(propose(&request), Err(Reason::Refused { .. })), "{request:?}");
    }
    assert_eq!(propose(&with("right", r#"{"wallet_id":"w"}"#)), Ok(()));
    assert_eq!(cluster.engine(0).pairings.active(&session), Some(pairs));
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_run_end_when_one_of_them_catches_a_signer() {
    const SESSIONS: usize = 3;
    let settings = Settings { request: Duration::from_secs(3), ..Settings::default() };
    let cluster = Cluster::new(3, settings).await;
    cluster.keygen_dkls23(0, "w", 2, &[0, 1, 2]).await;
    let pairs = cluster.have_pairs("w", &[0, 1, 2]).await;
    let wallet = cluster.engine(0).wallets.named(&"w".parse().unwrap())[0].clone();
    let session = wallet.session();
    let party = wallet.record.public.committee.index_of(&cluster.identity(1)).unwrap();
    // Their second messages are about to leave.
    let held = Arc::new((Mutex::new((0, false)), std::sync::Condvar::new()));
    let at_node = Arc::clone(&held);
    cluster.deed(0, move |operation, step| {
        if (operation, step) == ("sign", Step::Round(2)) {
            let (state, changed) = &*at_node;
            let mut state = state.lock().unwrap();
            state.0 += 1;
            // What this thread had taken to do next is left to others, and a test that fails here ends.
            let wait =
                || changed.wait_timeout_while(state, Duration::from_secs(30), |(_, released)| !*released);
            drop(tokio::task::block_in_place(wait).unwrap());
        }
    });
    let ids: Vec<_> = (0..SESSIONS).map(|number| format!("s{number}")).collect();
    let asked = futures_util::future::join_all(ids.iter().map(|id| cluster.sign_by(0, id, "w", &[0, 1])));
    let catching = async {
        eventually("all are held", || held.0.lock().unwrap().0 == SESSIONS).await;
        cluster.engine(0).pairings.catch(session, pairs, &[party], "a test says so").await.unwrap();
        held.0.lock().unwrap().1 = true;
        held.1.notify_all();
    };
    let (ended, ()) = tokio::join!(asked, catching);
    for ended in ended {
        let refused = ended.unwrap_err();
        assert_eq!(refused.code, ErrorCode::NotEnoughSigners, "{refused:?}");
        assert!(refused.culprits.is_empty(), "{refused:?}");
    }
    cluster.deed(0, |_, _| {});
    cluster.sign_by(0, "with-another", "w", &[0, 2]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_that_says_new_pairs_are_there_already_is_not_believed() {
    let settings = Settings { request: Duration::from_secs(3), ..Settings::default() };
    let cluster = Cluster::new(3, settings).await;
    cluster.keygen_dkls23(0, "w", 2, &[0, 1, 2]).await;
    let pairs = cluster.have_pairs("w", &[0, 1, 2]).await;
    let mut hand = cluster.hand(1).await;
    eventually("connected", || cluster.engine(0).reachable().len() == 3).await;
    let request = cluster.renewal("r", "w");
    let lying = async {
        for reason in [Reason::Replaced { session: pairs }, Reason::Behind { epoch: u64::MAX }] {
            let (from, invite) = hand.invited().await;
            let proposal = *Proposing::new(&invite.proposal.proposal).unwrap().digest();
            hand.send(&from, &Frame::Decline(Decline::new(proposal, reason, None, &hand.identity)));
        }
    };
    let asking = async {
        for _ in 0..2 {
            let refused = cluster.renew(0, &request).await.unwrap_err();
            assert_eq!(refused.code, ErrorCode::NotEnoughSigners, "{refused:?}");
        }
    };
    tokio::join!(asking, lying);
    let active = |place: usize| cluster.engine(place).pairings.active(&cluster.session_of("w"));
    assert_eq!((active(0), active(2)), (Some(pairs), Some(pairs)));
}

#[tokio::test(flavor = "multi_thread")]
async fn words_about_pairs_count_of_holders_alone_and_each_for_itself() {
    let cluster = Cluster::new(4, Settings::default()).await;
    cluster.keygen_dkls23(0, "w", 2, &[0, 1, 2]).await;
    let first = cluster.have_pairs("w", &[0, 1, 2]).await;
    let wallet = cluster.session_of("w");
    // Nodes 1 and 3 are hands: the one holds a share, the other does not.
    let (mut holder, mut stranger) = (cluster.hand(1).await, cluster.hand(3).await);
    let (engine, other) = (cluster.engine(0), cluster.engine(2));
    eventually("connected", || engine.reachable().len() == 4 && other.reachable().len() == 4).await;
    // A set that waits at nodes 0 and 2: in place of new pairs, a copy of those that there are.
    let copy = |at: &Engine| {
        let row = [wallet.as_bytes().as_slice(), first.as_bytes()].concat();
        let record = at.store.get(Table::Pairs, row).unwrap().unwrap();
        // Behind the version, the number, and no word of a client.
        let pairs = &record.value.expose()[1 + 8 + 1..];
        borsh::from_slice::<quorate_dkls23::pairs::Pairs>(pairs).unwrap()
    };
    let session: SessionId = borsh::from_slice(&[7; 32]).unwrap();
    let word = crate::pairings::Renewal { request: [1; 32], created: 1, pardons: 0 };
    for at in [engine, other] {
        let number = crate::clock::now_millis() + 1;
        at.pairings.store_waiting(wallet, session, number, Some(word), copy(at), 3).await.unwrap();
    }
    let question = |active| Frame::PairsWait { wallet, session, active };
    let answered = |_, frame| match frame {
        Frame::PairsHeld { session: about, active, .. } if about == session => Some(active),
        _ => None,
    };
    // The others have it, and say so to each other; that is not all.
    stranger.send(&engine.me, &question(true));
    holder.next(|_, frame| matches!(frame, Frame::PairsWait { .. }).then_some(())).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(engine.pairings.active(&wallet), Some(first));
    assert!(tokio::time::timeout(Duration::from_millis(200), stranger.next(answered)).await.is_err());
    // Of another set, nobody says that it has it.
    let unknown = Frame::PairsWait { wallet, session: wallet, active: true };
    holder.send(&engine.me, &unknown);
    holder.send(&engine.me, &question(false));
    holder.next(answered).await;
    eventually("active at node 0", || engine.pairings.active(&wallet) == Some(session)).await;
    holder.send(&other.me, &question(false));
    eventually("active at node 2", || other.pairings.active(&wallet) == Some(session)).await;
    // For the holder they are not: what was before is kept.
    tokio::time::sleep(Duration::from_millis(3000)).await;
    assert!(engine.pairings.has(&wallet, &first) && other.pairings.has(&wallet, &first));
    for at in [engine, other] {
        holder.send(&at.me, &question(true));
        eventually("erased", || !at.pairings.has(&wallet, &first)).await;
    }
}
