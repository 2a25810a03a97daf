//! Before anyone is authenticated.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

#[tokio::test]
async fn a_stranger_is_refused_named_and_told_so() {
    let mut first = start(1, [at(2, NOWHERE)], options()).await;
    let stranger = start(9, [at(1, first.0.local_address())], options()).await;
    stranger.0.send(&identity(1), Bytes::from_static(b"let me in")).unwrap();
    let refusal = refused(&first.0, |reason| *reason == RefusalReason::Stranger(identity(9))).await;
    assert!(refusal.from.ip().is_loopback());
    let told = failure(&stranger.0, 1, |_| true).await;
    assert!(matches!(&told, LinkFailure::Refused { .. }), "{told}");
    assert!(told.to_string().contains(&first.0.local_address().to_string()), "{told}");
    assert!(!state(&stranger.0, 1).outgoing.open);
    assert_eq!(state(&stranger.0, 1).queued_frames, 1, "a refused connection loses no frame");
    serves_on(&mut first).await;
}

#[tokio::test]
async fn another_node_at_a_dialled_address_is_named_and_gets_nothing() {
    let mut other = start(3, [at(1, NOWHERE)], options()).await;
    let address = other.0.local_address();
    let first = start(1, [at(2, address)], options()).await;
    first.0.send(&identity(2), Bytes::from_static(b"for 2 only")).unwrap();
    let expected = LinkFailure::WrongIdentity {
        address: address.to_string(),
        expected: identity(2),
        presented: identity(3),
    };
    assert_eq!(failure(&first.0, 2, |_| true).await, expected);
    assert!(expected.to_string().contains(&identity(3).to_string()));
    assert!(tokio::time::timeout(Duration::from_millis(300), other.1.next()).await.is_err());
    assert_eq!(state(&first.0, 2).queued_frames, 1);
    assert!(!state(&other.0, 1).incoming.open);
}

/// The reply to a client hello that offers TLS 1.2 and nothing newer.
async fn offer_tls12(node: &Direct) -> Vec<u8> {
    let mut hello = vec![0x03, 0x03];
    hello.extend([7; 32]);
    // No session; ECDHE-ECDSA and ECDHE-RSA with AES-128-GCM; no compression.
    hello.extend([0, 0, 4, 0xc0, 0x2b, 0xc0, 0x2f, 1, 0]);
    // x25519, and Ed25519 and ECDSA signatures.
    hello.extend([0, 20, 0, 10, 0, 4, 0, 2, 0, 29, 0, 13, 0, 8, 0, 6, 8, 7, 4, 3, 4, 1]);
    let length = u8::try_from(hello.len()).unwrap();
    let handshake = [&[1, 0, 0, length][..], &hello].concat();
    let record = [&[0x16, 3, 1, 0, length + 4][..], &handshake].concat();
    let mut stream = TcpStream::connect(node.local_address()).await.unwrap();
    // More than the node reads of a handshake it refuses: its reason must arrive all the same, not a reset.
    stream.write_all(&[&record[..], &[0; 32 << 10]].concat()).await.unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).await.unwrap();
    reply
}

#[tokio::test]
async fn tls_1_2_is_refused() {
    let mut first = start(1, [at(2, NOWHERE)], options()).await;
    // A fatal alert: protocol_version.
    assert_eq!(offer_tls12(&first.0).await, [0x15, 3, 3, 0, 2, 2, 70]);
    refused(&first.0, |reason| matches!(reason, RefusalReason::Handshake(_))).await;
    serves_on(&mut first).await;
}

/// Answers the first connection with the given bytes, and holds it.
async fn impostor(answer: &'static [u8]) -> SocketAddr {
    let listener = listener().await;
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut hello = [0; 512];
            let _read = stream.read(&mut hello).await;
            let _sent = stream.write_all(answer).await;
            held.push(stream);
        }
    });
    address
}

#[tokio::test]
async fn a_dialled_address_that_answers_in_another_language_is_named() {
    // A server hello of TLS 1.2, a web server, a shell.
    let mut hello12 = vec![0x16, 3, 3, 0, 42, 2, 0, 0, 38, 3, 3];
    hello12.extend([7; 32]);
    hello12.extend([0, 0xc0, 0x2b, 0]);
    let answers: [&'static [u8]; 3] =
        [hello12.leak(), b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-OpenSSH_9.9\r\n"];
    for answer in answers {
        let address = impostor(answer).await;
        let first = start(1, [at(2, address)], options()).await;
        let failure = failure(&first.0, 2, |_| true).await;
        assert!(matches!(&failure, LinkFailure::NotANode { .. }), "{failure}");
        assert!(failure.to_string().contains(&address.to_string()));
    }
}

#[tokio::test]
async fn a_dialled_address_that_stays_silent_times_out() {
    let address = impostor(b"").await;
    let short = Options { handshake_timeout: Duration::from_millis(200), ..options() };
    let first = start(1, [at(2, address)], short).await;
    let expected = LinkFailure::TimedOut { address: address.to_string() };
    assert_eq!(failure(&first.0, 2, |_| true).await, expected);
}

#[tokio::test]
async fn a_dialled_address_where_nobody_listens_is_named() {
    let first = start(1, [at(2, NOWHERE)], options()).await;
    let failure = failure(&first.0, 2, |_| true).await;
    assert!(matches!(&failure, LinkFailure::Unreachable { address, .. } if address == NOWHERE), "{failure}");
}

#[tokio::test]
async fn garbage_on_the_port_is_refused_and_harmless() {
    let mut first = start(1, [at(2, NOWHERE)], options()).await;
    let pseudo_random: Vec<u8> =
        (0..100_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let huge_record = [&[0x16, 3, 1, 0xff, 0xff][..], &[1; 5000]].concat();
    let garbage: [&[u8]; 6] = [
        b"",
        b"GET / HTTP/1.1\r\nHost: node\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        &[0; 4096],
        &pseudo_random,
        &huge_record,
    ];
    for bytes in garbage {
        let mut stream = TcpStream::connect(first.0.local_address()).await.unwrap();
        // The node may hang up while we still speak.
        let _sent = stream.write_all(bytes).await;
        let _ended = stream.shutdown().await;
        let _reply = stream.read_to_end(&mut Vec::new()).await;
    }
    until(|| (first.0.refusals().total >= 6).then_some(())).await;
    assert_eq!(state(&first.0, 2).incoming.failures, 0, "no peer is blamed");
    serves_on(&mut first).await;
}

#[tokio::test]
async fn a_handshake_cut_anywhere_is_harmless() {
    let mut first = start(1, [at(2, NOWHERE)], options()).await;
    // What an honest client sends first, recorded.
    let recorder = listener().await;
    let client = start(2, [at(1, recorder.local_addr().unwrap())], options()).await;
    let mut hello = vec![0; 4096];
    let length = recorder.accept().await.unwrap().0.read(&mut hello).await.unwrap();
    drop(client);
    for cut in (0..length).step_by(37) {
        let mut stream = TcpStream::connect(first.0.local_address()).await.unwrap();
        stream.write_all(&hello[..cut]).await.unwrap();
    }
    until(|| (first.0.refusals().total >= length.div_ceil(37) as u64).then_some(())).await;
    serves_on(&mut first).await;
}

/// The node has hung up, without a word.
async fn hung_up(stream: &mut TcpStream) {
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_u8()).await;
    assert!(read.expect("within 20 s").is_err());
}

#[tokio::test]
async fn half_open_handshakes_are_capped_and_do_not_keep_a_peer_out() {
    const CAP: usize = 4;
    let patient =
        Options { max_handshakes: CAP, handshake_timeout: Duration::from_secs(600), ..Options::default() };
    let mut first = start(1, [at(2, NOWHERE)], patient).await;
    let mut silent = Vec::new();
    for _ in 0..3 * CAP {
        silent.push(TcpStream::connect(first.0.local_address()).await.unwrap());
    }
    // The oldest were ended for the newest.
    for stream in &mut silent[..2 * CAP] {
        hung_up(stream).await;
    }
    refused(&first.0, |reason| *reason == RefusalReason::Crowded).await;
    assert_eq!(first.0.refusals().total, 2 * CAP as u64);
    serves_on(&mut first).await;
}

#[tokio::test]
async fn a_handshake_that_takes_too_long_is_ended() {
    let hasty = Options { handshake_timeout: Duration::from_millis(200), ..Options::default() };
    let first = start(1, [at(2, NOWHERE)], hasty).await;
    let mut silent = TcpStream::connect(first.0.local_address()).await.unwrap();
    hung_up(&mut silent).await;
    let refusal = refused(&first.0, |reason| *reason == RefusalReason::TimedOut).await;
    assert_eq!(refusal.from, silent.local_addr().unwrap());
}
