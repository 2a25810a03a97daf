//! A name under which shares are being stored.

use super::*;
use crate::store::{Batch, Table};
use crate::wallets::PendingShare;
use quorate_request::ErrorCode;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use super::refusals::in_doubt;

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_not_lost_while_a_share_is_stored_under_it() {
    let (cluster, session) = in_doubt(3).await;
    let record = cluster.engine(0).store.get(Table::Pending, session.as_bytes()).unwrap().unwrap();
    let share = PendingShare::from_wire(record.value.expose()).unwrap();
    let name = "w".parse().unwrap();

    let folder = tempfile::tempdir().unwrap();
    let passphrase = Passphrase::new(b"open sesame".to_vec()).unwrap();
    let store = Store::create(&folder.path().join("node.db"), &passphrase, KdfParams::FLOOR).unwrap();
    let store = Arc::new(store);
    let wallets = Wallets::load(Arc::clone(&store)).unwrap();
    assert!(!wallets.is_lost(&name).unwrap());
    {
        // It is on disk, and whoever stores it has not come to note it in memory.
        let mut storing = Box::pin(wallets.store_pending(Batch::new(), &share));
        let first = std::future::poll_fn(|context| Poll::Ready(storing.as_mut().poll(context))).await;
        assert!(first.is_pending());
        eventually("on disk", || store.contains(Table::Meta, "name/w").unwrap()).await;
        assert!(wallets.waiting_for(&name).is_none());
        assert!(!wallets.is_lost(&name).unwrap());
        storing.await.unwrap();
    }
    assert!(wallets.waiting_for(&name).is_some());
    assert!(!wallets.is_lost(&name).unwrap());
    // One that is on disk alone, and nobody is at it, is lost.
    let taken = Batch::new().put(Table::Meta, "name/v", 0, quorate_keys::Secret::new(vec![7; 32]));
    store.commit(taken).await.unwrap();
    assert!(wallets.is_lost(&"v".parse().unwrap()).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 6)]
async fn of_two_key_generations_that_race_for_a_name_the_loser_calls_nobody_absent() {
    let settings = Settings { round: Duration::from_secs(20), ..Settings::default() };
    let cluster = Cluster::new(3, settings).await;
    // Node 1 has promised to take part in both before it stores a share of either.
    let storing = AtomicUsize::new(0);
    cluster.deed(1, move |operation, step| {
        if (operation, step) == ("keygen", Step::Storing) {
            storing.fetch_add(1, Ordering::SeqCst);
            let since = std::time::Instant::now();
            while storing.load(Ordering::SeqCst) < 2 && since.elapsed() < Duration::from_secs(10) {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    });
    let (left, right) =
        tokio::join!(cluster.keygen(0, "left", "w", &[0, 1]), cluster.keygen(2, "right", "w", &[1, 2]));
    let (loser, id, error) = match (left, right) {
        (Ok(_), Err(error)) => (2, "right", error),
        (Err(error), Ok(_)) => (0, "left", error),
        other => panic!("one of the two: {other:?}"),
    };
    assert_eq!(error.code, ErrorCode::WalletExists, "{error:?}");
    let view = cluster.engine(loser).ledger.view(&id.parse().unwrap()).unwrap().unwrap();
    assert!(view.attempt > 1, "they did not race: {view:?}");
    assert!(view.absent.is_empty() && view.culprits.is_empty(), "{view:?}");
}
