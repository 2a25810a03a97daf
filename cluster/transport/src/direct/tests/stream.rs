//! Peers who are authenticated and misbehave.

use futures_util::StreamExt;
use http::{Method, Request, Response};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tonic::body::Body;
use tower::Service;

use super::super::http2::{Driver, Http2};
use super::super::proto::peer_client::PeerClient;
use super::super::proto::{Acknowledgement, Frame};
use super::*;

/// A hand-held connection of 2 to 1.
async fn connect(first: &Node) -> (Http2, Driver) {
    let stream = dial(2, &first.0, 1).await.unwrap();
    Http2::connect(stream, &options()).await.unwrap()
}

/// A hand-held stream of 2 to 1, which the returned sender feeds.
async fn open(
    first: &Node,
) -> (mpsc::UnboundedSender<Frame>, tonic::Streaming<Acknowledgement>, (PeerClient<Http2>, Driver)) {
    let (connection, driver) = connect(first).await;
    let mut client = PeerClient::with_origin(connection, http::Uri::from_static("https://x.invalid"));
    let (sender, mut frames) = mpsc::unbounded_channel();
    let frames = futures_util::stream::poll_fn(move |cx| frames.poll_recv(cx));
    let answer = client.frames(frames).await.unwrap().into_inner();
    (sender, answer, (client, driver))
}

/// The node has hung up.
async fn ended(driver: &mut Driver) {
    tokio::time::timeout(Duration::from_secs(20), driver.end()).await.expect("within 20 s");
}

fn frame(bytes: &'static [u8]) -> Frame {
    Frame { body: Bytes::from_static(bytes) }
}

#[tokio::test]
async fn an_oversized_frame_is_refused_and_ends_the_connection() {
    let mut small = options();
    small.limits.max_frame = 1000;
    let mut first = start(1, [at(2, NOWHERE)], small).await;
    let (frames, mut answer, (_client, mut driver)) = open(&first).await;
    frames.send(Frame { body: Bytes::from(vec![1; 1000]) }).unwrap();
    assert_eq!(first.1.next().await.unwrap().1.len(), 1000);
    frames.send(Frame { body: Bytes::from(vec![1; 5000]) }).unwrap();
    let status = tokio::time::timeout(Duration::from_secs(20), answer.message()).await.unwrap();
    assert_eq!(status.unwrap_err().code(), tonic::Code::OutOfRange);
    let failure = incoming_failure(&first.0, 2).await;
    assert!(matches!(&failure, LinkFailure::Misbehaved { .. }), "{failure}");
    ended(&mut driver).await;
    serves_on(&mut first).await;
}

/// Posts a raw body to the service of node 1 as peer 2.
async fn post(first: &Node, path: &str, body: String) -> (Response<hyper::body::Incoming>, Driver) {
    let (mut connection, driver) = connect(first).await;
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("https://x.invalid{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Body::new(body))
        .unwrap();
    std::future::poll_fn(|cx| connection.poll_ready(cx)).await.unwrap();
    (connection.call(request).await.unwrap(), driver)
}

#[tokio::test]
async fn bytes_that_are_no_frame_are_refused_and_the_peer_is_blamed() {
    let mut first = start(1, [at(2, NOWHERE)], options()).await;
    let path = "/quorate.transport.v1.Peer/Frames";
    let bad = [
        // Announces 2 GB.
        "\0\x7f\x7f\x7f\x7fa little",
        // Claims to be compressed.
        "\x01\0\0\0\x02ab",
        // Neither compressed nor not.
        "\x07\0\0\0\x02ab",
        // A field that ends too early.
        "\0\0\0\0\x02\x0a\x09",
        // Not even a header.
        "\0\0",
    ];
    for (count, body) in (1..).zip(bad) {
        let _answer = post(&first, path, body.to_owned()).await;
        until(|| (state(&first.0, 2).incoming.failures >= count).then_some(())).await;
        let failure = state(&first.0, 2).incoming.last_failure.unwrap();
        assert!(matches!(&failure, LinkFailure::Misbehaved { .. }), "{body:?}: {failure}");
        assert!(!state(&first.0, 2).incoming.open);
    }
    let (answer, _driver) = post(&first, "/quorate.transport.v9.Other/Method", String::new()).await;
    assert_eq!(answer.headers()["grpc-status"], "12", "unimplemented");
    serves_on(&mut first).await;
}

#[tokio::test]
async fn garbage_after_the_handshake_ends_that_connection_only() {
    let mut first = start(1, [at(2, NOWHERE)], options()).await;
    let mut stream = dial(2, &first.0, 1).await.unwrap();
    stream.write_all(&[0xee; 4096]).await.unwrap();
    let failure = incoming_failure(&first.0, 2).await;
    assert!(matches!(&failure, LinkFailure::Lost { .. }), "{failure}");
    serves_on(&mut first).await;
}

#[tokio::test]
async fn a_later_connection_of_a_peer_replaces_the_earlier() {
    let mut first = start(1, [at(2, NOWHERE)], options()).await;
    let (earlier, mut answer, (_client, mut driver)) = open(&first).await;
    earlier.send(frame(b"earlier")).unwrap();
    assert_eq!(first.1.next().await.unwrap().1, "earlier");
    let (later, _answer, _connection) = open(&first).await;
    assert_eq!(answer.message().await.unwrap_err().code(), tonic::Code::Aborted);
    ended(&mut driver).await;
    let _refused = earlier.send(frame(b"too late"));
    later.send(frame(b"later")).unwrap();
    assert_eq!(first.1.next().await.unwrap(), (identity(2), Bytes::from_static(b"later")));
    assert!(state(&first.0, 2).incoming.open);
}

#[tokio::test]
async fn a_later_connection_replaces_one_that_never_opened_a_stream() {
    let mut first = start(1, [at(2, NOWHERE)], options()).await;
    let (_idle, mut driver) = connect(&first).await;
    let (later, _answer, _connection) = open(&first).await;
    ended(&mut driver).await;
    later.send(frame(b"later")).unwrap();
    assert_eq!(first.1.next().await.unwrap().1, "later");
}

#[tokio::test]
async fn a_peer_whose_frames_nobody_takes_any_more_is_told() {
    let (first, incoming) = start(1, [at(2, NOWHERE)], options()).await;
    drop(incoming);
    let first = (first, Inbox::new([], 1000).1);
    let (frames, mut answer, _connection) = open(&first).await;
    frames.send(frame(b"hello?")).unwrap();
    assert_eq!(answer.message().await.unwrap_err().code(), tonic::Code::Unavailable);
}

#[tokio::test]
async fn a_peer_that_acknowledges_without_end_is_ignored() {
    // A node whose service floods the answering direction, with the right identity.
    use super::super::proto::peer_server::{Peer as Service, PeerServer};
    struct Chatterbox;
    #[tonic::async_trait]
    impl Service for Chatterbox {
        type FramesStream = futures_util::stream::BoxStream<'static, Result<Acknowledgement, tonic::Status>>;
        async fn frames(
            &self,
            _frames: tonic::Request<tonic::Streaming<Frame>>,
        ) -> Result<tonic::Response<Self::FramesStream>, tonic::Status> {
            let flood = futures_util::stream::repeat_with(|| Ok(Acknowledgement {}));
            Ok(tonic::Response::new(flood.take(100_000).chain(futures_util::stream::pending()).boxed()))
        }
    }
    let listener = listener().await;
    let first = start(1, [at(2, listener.local_addr().unwrap())], options()).await;
    let credentials = Credentials::new(Arc::new(signer(2)), None).unwrap();
    let acceptor = TlsAcceptor::from(credentials.server([identity(1)]).unwrap());
    let stream = acceptor.accept(listener.accept().await.unwrap().0).await.unwrap();
    let service = hyper_util::service::TowerToHyperService::new(PeerServer::new(Chatterbox));
    let server = hyper::server::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new())
        .serve_connection(hyper_util::rt::TokioIo::new(stream), service);
    tokio::spawn(server);
    sending(&first.0, 2).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(state(&first.0, 2).outgoing.open);
    assert_eq!(state(&first.0, 2).outgoing.failures, 0);
}
