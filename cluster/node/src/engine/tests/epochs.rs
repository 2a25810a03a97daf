//! Which epochs of a wallet a node takes that it is told of.

use super::*;
use quorate_reshare::Link;

use crate::store::Table;

impl Cluster {
    /// What shows the epoch that a node goes by.
    fn link(&self, place: usize, wallet: &str) -> Link {
        let wallets = &self.engine(place).wallets;
        wallets.link(&self.wallet(place, wallet)).unwrap().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_epoch_takes_no_share_from_a_node_whose_record_of_epochs_is_damaged() {
    let mut cluster = Cluster::new(3, Settings::default()).await;
    cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap();
    cluster.renew_by(0, &cluster.refresh_request("r1", "w")).await.unwrap();
    cluster.at_epoch("w", 1).await;
    let older = cluster.link(0, "w");
    cluster.renew_by(0, &cluster.refresh_request("r2", "w")).await.unwrap();
    cluster.at_epoch("w", 2).await;
    let session = cluster.wallet(1, "w").session();
    cluster.hub.isolate(&cluster.identity(1));
    let damage = |path: &Path| {
        crate::store::tests::damage::flip(path, Table::Epochs, session.as_bytes());
    };
    cluster.restart_on(1, Settings::default(), None, damage).await;
    let engine = Arc::clone(cluster.engine(1));
    assert_eq!(cluster.epoch(1, "w"), 0);
    engine.renewed(cluster.identity(0), older).await;
    assert_eq!(cluster.epoch(1, "w"), 0);
    assert!(engine.store.contains(Table::Shares, session.as_bytes()).unwrap());
    // Of what it may have forgotten it refuses nothing.
    engine.renewed(cluster.identity(0), cluster.link(0, "w")).await;
    let wallet = cluster.wallet(1, "w");
    assert_eq!(wallet.public.epoch, 2);
    let next = cluster.link(0, "w");
    assert!(!engine.wallets.has_no_renewal(&session, next.certificate.agreement()).await);
    cluster.hub.heal_all();
    cluster.at_epoch("w", 2).await;
    let body =
        format!(r#"{{"wallet_id":"w","message_hash":"0x{}","signers":["node1","node2"]}}"#, "11".repeat(32));
    let request = cluster.request(Operation::Sign, "s", &body);
    eventually("all are up", || cluster.engine(2).reachable().len() == 3).await;
    sign_of(cluster.engine(2).submit(&request).await).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_epoch_that_was_undone_is_not_taken_again() {
    let cluster = Cluster::new(5, Settings::default()).await;
    cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap();
    cluster.renew_by(0, &cluster.reshare_request("r", "w", 2, &[2, 3, 4])).await.unwrap();
    cluster.at_epoch("w", 1).await;
    let undone = cluster.link(0, "w");
    let back = cluster.request(Operation::Rollback, "b", r#"{"wallet_id":"w"}"#);
    assert_eq!(cluster.renew_by(0, &back).await.unwrap().epoch, 2);
    cluster.at_epoch("w", 2).await;
    for place in 0..5 {
        cluster.engine(place).renewed(cluster.identity(4), undone.clone()).await;
    }
    cluster.at_epoch("w", 2).await;
    cluster.sign(0, "s", "w").await.unwrap();
}

/// Of its holders, as many as must sign are: so many can't all be corrupted, and the others may have left the cluster since.
#[tokio::test(flavor = "multi_thread")]
async fn an_epoch_counts_though_one_of_its_holders_is_in_no_peers_file_any_more() {
    let mut cluster = Cluster::new(5, Settings::default()).await;
    cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap();
    cluster.at_epoch("w", 0).await;
    cluster.hub.isolate(&cluster.identity(3));
    cluster.renew_by(0, &cluster.reshare_request("r", "w", 2, &[0, 1, 4])).await.unwrap();
    let (link, teller) = (cluster.link(0, "w"), cluster.identity(0));
    let all = cluster.peers.all().to_vec();
    for (listed, epoch) in [([0, 2, 3].as_slice(), 0), (&[0, 1, 2, 3], 1)] {
        let listed = listed.iter().map(|place| all[*place].clone()).collect();
        cluster.peers = Peers::new(*cluster.peers.cluster(), listed).unwrap();
        cluster.restart(3, Settings::default(), None).await;
        cluster.engine(3).renewed(teller, link.clone()).await;
        assert_eq!(cluster.epoch(3, "w"), epoch);
    }
}
