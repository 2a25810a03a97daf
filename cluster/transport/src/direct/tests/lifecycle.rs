//! Connections that come, go silent, and return.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::*;

/// Copies one direction for as long as it is not frozen.
async fn copy(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, frozen: Arc<AtomicBool>) {
    let mut buffer = vec![0; 4096];
    loop {
        let Ok(length @ 1..) = from.read(&mut buffer).await else { return };
        while frozen.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

/// A relay whose connections stop to move bytes, without a word, while it is frozen.
async fn relay(to: SocketAddr) -> (SocketAddr, Arc<AtomicBool>) {
    let listener = listener().await;
    let address = listener.local_addr().unwrap();
    let frozen = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&frozen);
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let Ok(far) = TcpStream::connect(to).await else { continue };
            let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
            tokio::spawn(copy(near_in, far_out, Arc::clone(&frozen)));
            tokio::spawn(copy(far_in, near_out, Arc::clone(&frozen)));
        }
    });
    (address, switch)
}

#[tokio::test]
async fn a_connection_that_goes_silent_is_noticed_and_made_anew() {
    let brisk = Options {
        keepalive_interval: Duration::from_millis(200),
        keepalive_timeout: Duration::from_millis(300),
        handshake_timeout: Duration::from_millis(500),
        backoff_max: Duration::from_millis(200),
        ..Options::default()
    };
    let mut first = start(1, [at(2, NOWHERE)], brisk.clone()).await;
    let (address, frozen) = relay(first.0.local_address()).await;
    let second = start(2, [at(1, address)], brisk).await;
    sending(&second.0, 1).await;
    until(|| state(&first.0, 2).incoming.open.then_some(())).await;
    let heard = state(&second.0, 1).last_heard;
    until(|| (state(&second.0, 1).last_heard > heard).then_some(())).await;

    frozen.store(true, Ordering::Relaxed);
    let lost = failure(&second.0, 1, |failure| matches!(failure, LinkFailure::Lost { .. })).await;
    assert!(lost.to_string().contains(&address.to_string()), "{lost}");
    until(|| (!state(&first.0, 2).incoming.open).then_some(())).await;
    frozen.store(false, Ordering::Relaxed);
    sending(&second.0, 1).await;
    second.0.send(&identity(1), Bytes::from_static(b"back")).unwrap();
    assert_eq!(first.1.next().await.unwrap().1, "back");
}

#[tokio::test]
async fn a_peer_that_dials_us_is_dialled_back_at_once() {
    // Left to itself, 1 would not try again within the hour.
    let hour = Duration::from_secs(3600);
    let sleepy = Options { backoff_min: hour, backoff_max: hour, ..options() };
    let reserved = listener().await;
    let address = reserved.local_addr().unwrap();
    drop(reserved);
    let first = start(1, [at(2, address)], sleepy).await;
    failure(&first.0, 2, |_| true).await;
    let listener = TcpListener::bind(address).await.unwrap();
    let peers = [at(1, first.0.local_address())];
    let _second = Direct::start(Arc::new(signer(2)), listener, peers, options()).unwrap();
    sending(&first.0, 2).await;
}

#[tokio::test]
async fn closing_gives_up_on_a_peer_that_does_not_read() {
    let mut small = options();
    small.limits.close_timeout = Duration::from_millis(300);
    small.limits.inbox_bytes = 2 << 20;
    let (_first, second) = pair(small).await;
    sending(&second.0, 1).await;
    while second.0.send(&identity(1), Bytes::from(vec![0; 1 << 20])).is_ok() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let start = std::time::Instant::now();
    second.0.close().await;
    assert!(start.elapsed() >= Duration::from_millis(300), "it tried");
    assert!(start.elapsed() < Duration::from_secs(10), "it gave up");
}

#[tokio::test]
async fn closing_goes_on_when_nobody_waits_for_it() {
    let (mut first, second) = pair(options()).await;
    second.0.send(&identity(1), Bytes::from_static(b"last words")).unwrap();
    sending(&second.0, 1).await;
    drop(second.0.close());
    drop(second);
    assert_eq!(first.1.next().await.unwrap().1, "last words");
    until(|| (!state(&first.0, 2).incoming.open).then_some(())).await;
}

#[tokio::test]
async fn a_dropped_transport_frees_its_port_and_ends_its_incoming() {
    let (first, mut incoming) = start(1, [at(2, NOWHERE)], options()).await;
    let address = first.local_address();
    drop(first);
    assert_eq!(incoming.next().await, None);
    let again = async {
        while TcpListener::bind(address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), again).await.unwrap();
}

#[tokio::test]
async fn tls_secrets_are_logged_on_request_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.log");
    let logging = Options { key_log: Some(path.clone()), ..options() };
    let first = start(1, [at(2, NOWHERE)], logging).await;
    let second = start(2, [at(1, first.0.local_address())], options()).await;
    sending(&second.0, 1).await;
    let log = std::fs::read_to_string(&path).unwrap();
    for label in ["CLIENT_TRAFFIC_SECRET_0 ", "SERVER_TRAFFIC_SECRET_0 "] {
        let line = log.lines().find(|line| line.starts_with(label)).unwrap();
        assert_eq!(line.split(' ').map(str::len).skip(1).collect::<Vec<_>>(), [64, 96]);
    }
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }
    assert!(Options::default().key_log.is_none());
}

#[tokio::test]
async fn a_start_that_cannot_work_says_why() {
    let peers = [at(2, NOWHERE), at(3, NOWHERE), at(2, "127.0.0.1:2")];
    let signer = || Arc::new(signer(1));
    let error = Direct::start(signer(), listener().await, peers, options()).unwrap_err();
    assert!(matches!(error, StartError::DuplicatePeer(twice) if twice == identity(2)));
    let unwritable = Options { key_log: Some("/nowhere/keys.log".into()), ..options() };
    let error = Direct::start(signer(), listener().await, [], unwritable).unwrap_err();
    assert!(error.to_string().contains("/nowhere/keys.log"), "{error}");
    let mut tiny = options();
    tiny.limits.queue_bytes = 10;
    let error = Direct::start(signer(), listener().await, [], tiny).unwrap_err();
    assert!(matches!(error, StartError::Limits(_)));
}

#[tokio::test]
async fn a_nodes_own_entry_among_the_peers_is_passed_over() {
    let node = start(1, [at(1, NOWHERE), at(2, NOWHERE)], options()).await;
    assert_eq!(node.0.peers().len(), 1);
}

#[tokio::test]
async fn a_peer_that_has_moved_is_dialled_where_it_was_found_and_where_it_was() {
    let options = Options { backoff_max: Duration::from_millis(200), ..options() };
    let first = start(1, [at(2, NOWHERE)], options.clone()).await;
    let second = start(2, [at(1, first.0.local_address())], options.clone()).await;
    failure(&first.0, 2, |failure| matches!(failure, LinkFailure::Unreachable { .. })).await;
    assert!(!state(&first.0, 2).outgoing.open);
    first.0.redirect(&identity(2), &second.0.local_address().to_string());
    sending(&first.0, 2).await;
    assert_eq!(state(&first.0, 2).address, Some(second.0.local_address().to_string()));

    let elsewhere = start(5, [at(1, NOWHERE)], options.clone()).await;
    first.0.redirect(&identity(2), &elsewhere.0.local_address().to_string());
    first.0.redirect(&identity(9), NOWHERE);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(state(&first.0, 2).outgoing.open, "a connection that stands stays");
    drop(first);

    // Somebody else is where it was found: it is looked for where it was configured to be.
    let third = start(1, [at(2, second.0.local_address())], options).await;
    third.0.redirect(&identity(2), &elsewhere.0.local_address().to_string());
    sending(&third.0, 2).await;
}
