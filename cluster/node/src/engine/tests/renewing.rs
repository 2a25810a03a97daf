//! Wallets whose shares are dealt anew.

use super::*;
use crate::store::{Batch, Table};
use crate::wallets::Wallet;
use quorate_request::{ErrorCode, ReshareResponse};

use super::refusals::quick;

fn reshare_of(ending: Result<SessionResult, ErrorBody>) -> Result<ReshareResponse, ErrorBody> {
    ending.map(|result| match result {
        SessionResult::Reshare(response) => response,
        other => panic!("not a resharing: {other:?}"),
    })
}

impl Cluster {
    pub(super) fn refresh_request(&self, id: &str, wallet: &str) -> SignedRequest {
        self.request(Operation::Refresh, id, &format!(r#"{{"wallet_id":"{wallet}"}}"#))
    }

    pub(super) fn reshare_request(
        &self,
        id: &str,
        wallet: &str,
        threshold: u16,
        parties: &[usize],
    ) -> SignedRequest {
        let names: Vec<_> = parties.iter().map(|place| format!("\"node{place}\"")).collect();
        let names = names.join(",");
        let body =
            format!(r#"{{"wallet_id":"{wallet}","new_threshold":{threshold},"new_parties":[{names}]}}"#);
        self.request(Operation::Reshare, id, &body)
    }

    pub(super) async fn renew_by(
        &self,
        at: usize,
        request: &SignedRequest,
    ) -> Result<ReshareResponse, ErrorBody> {
        reshare_of(self.engine(at).submit(request).await)
    }

    pub(super) fn wallet(&self, place: usize, wallet: &str) -> Arc<Wallet> {
        let mut named = self.engine(place).wallets.named(&wallet.parse().unwrap());
        assert_eq!(named.len(), 1);
        named.remove(0)
    }

    pub(super) fn epoch(&self, place: usize, wallet: &str) -> u64 {
        self.wallet(place, wallet).public.epoch
    }

    /// Waits until all nodes go by an epoch.
    pub(super) async fn at_epoch(&self, wallet: &str, epoch: u64) {
        let named = wallet.parse().unwrap();
        let at_epoch = |place| {
            let known = self.engine(place).wallets.named(&named);
            known.first().is_some_and(|known| known.public.epoch == epoch)
        };
        let all = || (0..self.members.len()).all(at_epoch);
        eventually("all are at the epoch", all).await;
        let public = &self.wallet(0, wallet).public;
        for place in 0..self.members.len() {
            assert_eq!(&self.wallet(place, wallet).public, public);
            let holds = public.committee.index_of(&self.identity(place)).is_some();
            let held = self
                .engine(place)
                .store
                .contains(Table::Shares, self.wallet(place, wallet).session().as_bytes());
            assert_eq!(held.unwrap(), holds, "node {place}");
        }
        // Among the wallets before it stops to wait.
        let waits = |place: usize| !self.engine(place).wallets.waiting().is_empty();
        eventually("nobody waits", || !(0..self.members.len()).any(waits)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn committees_and_thresholds_change_and_the_key_does_not() {
    let mut cluster = Cluster::new(5, Settings::default()).await;
    let made = cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap();
    let key = cluster.wallet(0, "w").public_key;
    let changes: [(u16, &[usize]); 5] =
        [(3, &[0, 1, 2, 3, 4]), (2, &[0, 3, 4]), (2, &[0, 3, 4]), (2, &[1, 2, 4]), (2, &[0, 3])];
    for (epoch, (threshold, parties)) in (1..).zip(changes) {
        // By whoever: also a node that holds no share before, or after.
        let at = usize::try_from(epoch).unwrap() % 5;
        let request = cluster.reshare_request(&format!("r{epoch}"), "w", threshold, parties);
        let reshared = cluster.renew_by(at, &request).await.unwrap();
        assert_eq!((reshared.epoch, reshared.threshold), (epoch, threshold));
        assert_eq!(reshared.public_key, made.public_key);
        let names: Vec<_> = parties.iter().map(|place| format!("node{place}")).collect();
        assert_eq!(reshared.parties, names);
        cluster.at_epoch("w", epoch).await;
        for at in 0..5 {
            let signed = cluster.sign(at, &format!("s{epoch}-{at}"), "w").await.unwrap();
            assert!(signed.committee.iter().all(|signer| names.contains(signer)), "{:?}", signed.committee);
        }
        let written = || cluster.entries(0, "epoch").len() == usize::try_from(epoch).unwrap();
        eventually("it is in the audit log", written).await;
    }
    assert_eq!(cluster.wallet(4, "w").public_key, key);
    // It is all on disk.
    for place in 0..5 {
        cluster.restart(place, Settings::default(), None).await;
    }
    eventually("connected", || (0..5).all(|place| cluster.engine(place).reachable().len() == 5)).await;
    cluster.at_epoch("w", 5).await;
    cluster.sign(1, "again", "w").await.unwrap();
    // What has no sense is refused, and changes nothing.
    for (request, code) in [
        (cluster.reshare_request("b1", "w", 4, &[0, 1, 2]), ErrorCode::InvalidThreshold),
        (cluster.reshare_request("b2", "w", 1, &[0, 1, 2]), ErrorCode::InvalidThreshold),
        (cluster.reshare_request("b3", "w", 2, &[0, 1, 9]), ErrorCode::InvalidParties),
        (cluster.reshare_request("b4", "w", 2, &[0, 1, 1]), ErrorCode::InvalidParties),
        (cluster.reshare_request("b5", "nobody", 2, &[0, 1]), ErrorCode::UnknownWallet),
    ] {
        assert_eq!(cluster.renew_by(0, &request).await.unwrap_err().code, code);
    }
    cluster.at_epoch("w", 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_repeated_anywhere_renews_once() {
    let cluster = Cluster::new(3, Settings::default()).await;
    cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap();
    let request = cluster.refresh_request("r", "w");
    for at in [0, 0, 1, 2] {
        let renewed = cluster.renew_by(at, &request).await.unwrap();
        assert_eq!(renewed.epoch, 1);
    }
    cluster.at_epoch("w", 1).await;
    // A client that repeats it later signs it anew.
    let later = SystemTime::now() + Duration::from_secs(10);
    let anew =
        cluster.request_of(later, Operation::Refresh, "r", std::str::from_utf8(request.body()).unwrap());
    assert_ne!(anew.digest(), request.digest());
    for at in [2, 1, 0] {
        assert_eq!(cluster.renew_by(at, &anew).await.unwrap().epoch, 1);
    }
    let again = cluster.renew_by(1, &cluster.refresh_request("r2", "w")).await.unwrap();
    assert_eq!(again.epoch, 2);
    cluster.at_epoch("w", 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_before_the_last_resharing_comes_back_with_fresh_shares() {
    let cluster = Cluster::new(5, Settings::default()).await;
    cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap();
    let back = |id: &str| cluster.request(Operation::Rollback, id, r#"{"wallet_id":"w"}"#);
    let refused = cluster.renew_by(0, &back("b0")).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::InvalidParties);
    assert!(refused.message.contains("nothing to go back to"), "{}", refused.message);
    let first = cluster.wallet(0, "w").public.clone();
    cluster.renew_by(0, &cluster.reshare_request("r", "w", 3, &[2, 3, 4])).await.unwrap();
    cluster.at_epoch("w", 1).await;
    // By a node that holds no share now.
    let renewed = cluster.renew_by(0, &back("b1")).await.unwrap();
    assert_eq!((renewed.epoch, renewed.threshold), (2, 2));
    assert_eq!(renewed.parties, ["node0", "node1", "node2"]);
    cluster.at_epoch("w", 2).await;
    let again = cluster.wallet(0, "w").public.clone();
    assert_eq!((&again.group_key, &again.committee), (&first.group_key, &first.committee));
    assert_ne!(again.verifying_shares, first.verifying_shares);
    cluster.sign(0, "s", "w").await.unwrap();
    // Fresh shares for the same nodes are nothing to go back to.
    cluster.renew_by(2, &cluster.refresh_request("f1", "w")).await.unwrap();
    cluster.renew_by(1, &cluster.refresh_request("f2", "w")).await.unwrap();
    cluster.at_epoch("w", 4).await;
    let renewed = cluster.renew_by(2, &back("b2")).await.unwrap();
    assert_eq!((renewed.epoch, renewed.threshold), (5, 3));
    assert_eq!(renewed.parties, ["node2", "node3", "node4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_once_and_undone_is_not_done_again_by_the_same_request() {
    let mut cluster = Cluster::new(4, Settings::default()).await;
    cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap();
    let there = |cluster: &Cluster| cluster.reshare_request("there", "w", 2, &[1, 2, 3]);
    cluster.renew_by(0, &there(&cluster)).await.unwrap();
    cluster.at_epoch("w", 1).await;
    let back = cluster.request(Operation::Rollback, "back", r#"{"wallet_id":"w"}"#);
    cluster.renew_by(1, &back).await.unwrap();
    cluster.at_epoch("w", 2).await;
    cluster.renew_by(1, &cluster.refresh_request("fresh", "w")).await.unwrap();
    cluster.at_epoch("w", 3).await;
    cluster.restart(2, Settings::default(), None).await;
    eventually("all are up", || (0..4).all(|place| cluster.engine(place).reachable().len() == 4)).await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    // Signed anew, it is the same request; so is the rollback.
    let back = cluster.request(Operation::Rollback, "back", r#"{"wallet_id":"w"}"#);
    for at in 1..4 {
        for request in [there(&cluster), back.clone()] {
            match cluster.renew_by(at, &request).await {
                Err(refused) => {
                    assert_eq!(refused.code, ErrorCode::Expired, "{refused:?}");
                    assert!(refused.message.contains("by another one since"), "{}", refused.message);
                }
                // What became of it then.
                Ok(told) => assert!(told.epoch < 3 && at == 1, "{told:?}"),
            }
        }
    }
    cluster.at_epoch("w", 3).await;
    // Another one of the same words is another one.
    let again = cluster.reshare_request("again", "w", 2, &[1, 2, 3]);
    assert_eq!(cluster.renew_by(3, &again).await.unwrap().epoch, 4);
}

impl Cluster {
    fn back_by_kept(&self, id: &str) -> SignedRequest {
        self.request(Operation::Rollback, id, r#"{"wallet_id":"w","kept_shares":true}"#)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_epoch_whose_holders_are_gone_is_given_up_for_kept_shares() {
    let settings = Settings { keeps: true, ..quick() };
    let mut cluster = Cluster::new(5, settings).await;
    cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap();
    let refused = cluster.renew_by(0, &cluster.back_by_kept("b0")).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::InvalidParties);
    let first = cluster.wallet(0, "w").public.clone();
    cluster.renew_by(0, &cluster.reshare_request("r", "w", 3, &[2, 3, 4])).await.unwrap();
    cluster.at_epoch("w", 1).await;
    let given_up = cluster.wallet(0, "w").public.clone();
    for gone in [3, 4] {
        cluster.hub.isolate(&cluster.identity(gone));
    }
    cluster.sign(2, "s0", "w").await.unwrap_err();
    let forward = cluster.request(Operation::Rollback, "forward", r#"{"wallet_id":"w"}"#);
    assert_eq!(cluster.renew_by(2, &forward).await.unwrap_err().code, ErrorCode::NotEnoughSigners);
    // Also after a restart, and by who holds none now.
    cluster.restart(1, settings, None).await;
    eventually("it is back", || cluster.engine(0).reachable().len() == 3).await;
    let renewed = cluster.renew_by(1, &cluster.back_by_kept("b1")).await.unwrap();
    assert_eq!((renewed.epoch, renewed.threshold), (2, 2));
    assert_eq!(renewed.parties, ["node0", "node1", "node2"]);
    eventually("all who are up are at it", || (0..3).all(|place| cluster.epoch(place, "w") == 2)).await;
    cluster.sign(0, "s1", "w").await.unwrap();
    let noted = || cluster.entries(0, "epoch").iter().any(|entry| entry.contains("kept shares"));
    eventually("it is in the audit log", noted).await;
    // Those who come back learn of it, and have nothing of what was given up.
    cluster.hub.heal_all();
    cluster.at_epoch("w", 2).await;
    let again = cluster.wallet(0, "w").public.clone();
    assert_eq!((&again.group_key, &again.committee), (&first.group_key, &first.committee));
    assert_ne!(again.verifying_shares, first.verifying_shares);
    for place in 0..5 {
        let wallet = cluster.wallet(place, "w");
        assert!(cluster.engine(place).wallets.share_at(&wallet, &given_up).is_err(), "node {place}");
        assert_eq!(cluster.engine(place).wallets.share_at(&wallet, &first).is_ok(), place < 3);
    }
    // One that has lost what it kept gets a share all the same.
    cluster.engine(1).wallets.lose_kept("w").await;
    let renewed = cluster.renew_by(0, &cluster.back_by_kept("b2")).await.unwrap();
    assert_eq!(renewed.epoch, 3);
    cluster.at_epoch("w", 3).await;
    let request = r#"{"wallet_id":"w","message_hash":"0x11","signers":["node1","node2"]}"#;
    let request = request.replace("0x11", &format!("0x{}", "11".repeat(32)));
    let request = cluster.request(Operation::Sign, "s2", &request);
    sign_of(cluster.engine(0).submit(&request).await).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn shares_are_kept_where_that_is_wanted_and_erased_when_it_no_longer_is() {
    let keeping = Settings { keeps: true, ..quick() };
    let mut cluster = Cluster::new(3, keeping).await;
    cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap();
    let first = cluster.wallet(0, "w").public.clone();
    cluster.renew_by(0, &cluster.refresh_request("r1", "w")).await.unwrap();
    cluster.at_epoch("w", 1).await;
    let keeps = |cluster: &Cluster, place: usize, epoch: &quorate_sharing::PublicShares| {
        cluster.engine(place).wallets.share_at(&cluster.wallet(place, "w"), epoch).is_ok()
    };
    assert!((0..3).all(|place| keeps(&cluster, place, &first)));
    let second = cluster.wallet(0, "w").public.clone();
    cluster.renew_by(0, &cluster.refresh_request("r2", "w")).await.unwrap();
    cluster.at_epoch("w", 2).await;
    assert!((0..3).all(|place| !keeps(&cluster, place, &first) && keeps(&cluster, place, &second)));
    for place in [0, 1] {
        cluster.restart(place, quick(), None).await;
    }
    eventually("they are erased", || (0..2).all(|place| !keeps(&cluster, place, &second))).await;
    assert!(keeps(&cluster, 2, &second));
    eventually("all are up", || (0..3).all(|place| cluster.engine(place).reachable().len() == 3)).await;
    let refused = cluster.renew_by(2, &cluster.back_by_kept("b")).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::NotEnoughSigners);
    assert!(
        refused.message.contains("2 of 3 former holders must deal the shares that they kept, and 1 can"),
        "{}",
        refused.message
    );
    assert_eq!(cluster.epoch(0, "w"), 2);
    cluster.sign(0, "s", "w").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_before_does_not_undo_what_was_asked_since() {
    let cluster = Cluster::new(4, Settings::default()).await;
    cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap();
    let before = SystemTime::now() - Duration::from_secs(10);
    let body = r#"{"wallet_id":"w","new_threshold":2,"new_parties":["node0","node1","node3"]}"#;
    let old = cluster.request_of(before, Operation::Reshare, "old", body);
    let fresh = cluster.request_of(before, Operation::Refresh, "fresh", r#"{"wallet_id":"w"}"#);
    cluster.renew_by(0, &cluster.reshare_request("new", "w", 2, &[0, 1])).await.unwrap();
    cluster.at_epoch("w", 1).await;
    for at in 0..4 {
        let refused = cluster.renew_by(at, &old).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::Expired, "{refused:?}");
        assert!(refused.message.contains("a later request"), "{}", refused.message);
    }
    assert_eq!(cluster.epoch(3, "w"), 1);
    // Fresh shares undo nothing, and are nothing that is undone.
    assert_eq!(cluster.renew_by(1, &fresh).await.unwrap().epoch, 2);
    // Requests count in seconds.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let created = SystemTime::now();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    cluster.renew_by(0, &cluster.refresh_request("fresher", "w")).await.unwrap();
    cluster.at_epoch("w", 3).await;
    let between = cluster.request_of(created, Operation::Reshare, "between", &body.replace("node3", "node2"));
    assert_eq!(cluster.renew_by(0, &between).await.unwrap().epoch, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_at_once_each_makes_one_epoch_or_none() {
    let cluster = Cluster::new(5, Settings::default()).await;
    cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap();
    for round in 0..4_u64 {
        let before = cluster.epoch(0, "w");
        let (one, other) = (
            cluster.reshare_request(&format!("a{round}"), "w", 2, &[0, 1, 2]),
            cluster.reshare_request(&format!("b{round}"), "w", 2, &[2, 3, 4]),
        );
        let (one, other) = tokio::join!(cluster.renew_by(1, &one), cluster.renew_by(3, &other));
        let made = u64::from(one.is_ok()) + u64::from(other.is_ok());
        assert!(made > 0, "{one:?} {other:?}");
        if let (Ok(one), Ok(other)) = (&one, &other) {
            assert_ne!(one.epoch, other.epoch);
        }
        cluster.at_epoch("w", before + made).await;
        cluster.sign(0, &format!("s{round}"), "w").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_away_learns_of_the_epoch_when_it_is_back() {
    let cluster = Cluster::new(4, Settings::default()).await;
    cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap();
    cluster.at_epoch("w", 0).await;
    cluster.hub.isolate(&cluster.identity(2));
    for epoch in 1..=3 {
        let request = cluster.reshare_request(&format!("r{epoch}"), "w", 2, &[0, 1, 3]);
        assert_eq!(cluster.renew_by(0, &request).await.unwrap().epoch, epoch);
    }
    assert_eq!(cluster.epoch(2, "w"), 0);
    cluster.hub.heal_all();
    // It proposes by what it knows, and is told.
    let signed = cluster.sign(2, "s", "w").await.unwrap();
    assert!(!signed.committee.contains(&"node2".to_owned()));
    cluster.at_epoch("w", 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_without_its_share_is_dealt_another() {
    let cluster = Cluster::new(5, Settings::default()).await;
    cluster.keygen(0, "k", "w", &[0, 1, 2, 3, 4]).await.unwrap();
    let session = cluster.wallet(0, "w").session();
    for place in [1, 3] {
        let lost = Batch::new().delete(Table::Shares, session.as_bytes());
        cluster.engine(place).store.commit(lost).await.unwrap();
    }
    cluster.renew_by(1, &cluster.refresh_request("r", "w")).await.unwrap();
    cluster.at_epoch("w", 1).await;
    for place in [0, 1, 2] {
        let lost = Batch::new().delete(Table::Shares, session.as_bytes());
        cluster.engine(place).store.commit(lost).await.unwrap();
    }
    let refused = cluster.renew_by(4, &cluster.refresh_request("r2", "w")).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::NotEnoughSigners);
    assert!(refused.message.contains("3 of 5 holders must deal"), "{}", refused.message);
    assert!(refused.message.contains("node0, node1, node2"), "{}", refused.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn pairs_are_made_anew_with_the_shares() {
    let cluster = Cluster::new(4, Settings::default()).await;
    let body = r#"{"threshold":2,"total":3,"curve":"secp256k1","protocol":"dkls23","wallet_id":"w","parties":["node0","node1","node2"]}"#;
    cluster.engine(0).submit(&cluster.request(Operation::Keygen, "k", body)).await.unwrap();
    cluster.sign(0, "s0", "w").await.unwrap();
    let before = cluster.wallet(0, "w");
    let pairs = cluster.engine(0).pairings.active(&before.generation()).unwrap();
    cluster.renew_by(1, &cluster.reshare_request("r", "w", 2, &[0, 2, 3])).await.unwrap();
    cluster.at_epoch("w", 1).await;
    for at in [0, 1, 3] {
        cluster.sign(at, &format!("s1-{at}"), "w").await.unwrap();
    }
    let after = cluster.wallet(0, "w");
    assert_eq!(after.public_key, before.public_key);
    for place in 0..3 {
        let engine = cluster.engine(place);
        assert!(!engine.pairings.has(&before.generation(), &pairs), "node {place}");
        assert_eq!(engine.store.keys(Table::Pairs, before.generation().as_bytes()).unwrap().len(), 0);
    }
}
