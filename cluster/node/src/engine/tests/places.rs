//! More requests than a node works on at a time.

use super::*;
use quorate_request::ErrorCode;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn requests_beyond_those_that_run_and_wait_are_refused_at_once() {
    let settings = Settings {
        round: Duration::from_secs(15),
        request: Duration::from_secs(60),
        keygens: 1,
        waiting: 2,
        ..Settings::default()
    };
    let cluster = Arc::new(Cluster::new(2, settings).await);
    // Who may refuse is node 0 alone: its peer takes part in as many as it is asked to.
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = Mutex::new(released);
    cluster.deed(0, move |operation, step| {
        if (operation, step) == ("keygen", Step::Storing) {
            // An error once the test lets go.
            released.lock().unwrap().recv().ok();
        }
    });
    let submitted: Vec<_> = (0..3)
        .map(|n| {
            let cluster = Arc::clone(&cluster);
            tokio::spawn(async move { cluster.keygen(0, &format!("k{n}"), &format!("w{n}"), &[0, 1]).await })
        })
        .collect();
    eventually("one runs and two wait", || cluster.engine(0).keygens.free() == 0).await;

    for n in [3, 4] {
        let error = cluster.keygen(0, &format!("k{n}"), &format!("w{n}"), &[0, 1]).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::TooManySessions, "{error:?}");
        assert!(error.message.contains("waiting"), "{error:?}");
        assert!(submitted.iter().all(|request| !request.is_finished()), "it waited for another to end");
    }
    // The other kind has its own places.
    let error = cluster.sign(0, "s", "unknown").await.unwrap_err();
    assert_eq!(error.code, ErrorCode::UnknownWallet, "{error:?}");

    drop(release);
    for request in submitted {
        request.await.unwrap().unwrap();
    }
    // There is room again, and what was refused may be repeated.
    cluster.keygen(0, "k3", "w3", &[0, 1]).await.unwrap();
    eventually("all places are free", || cluster.engine(0).keygens.free() == 3).await;
}

#[tokio::test]
async fn who_waits_too_long_is_told_so() {
    let places = super::super::places::Places::new(1, 1);
    let soon = || tokio::time::Instant::now() + Duration::from_millis(20);
    let first = places.take(soon()).await.unwrap();
    let late = places.take(soon()).await.err().unwrap();
    assert_eq!(late, super::super::places::NoPlace::TooLate);
    // And waits no more.
    assert_eq!(places.free(), 1);
    drop(first);
    places.take(soon()).await.unwrap();
}
