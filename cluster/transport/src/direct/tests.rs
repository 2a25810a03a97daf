//! Those who misbehave, before and after the handshake.

mod handshake;
mod lifecycle;
mod stream;

use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::client::TlsStream;

use super::*;
use crate::testing::signer;
use crate::transport::LinkFailure;

type Node = (Arc<Direct>, Incoming);

/// An address where nobody listens.
const NOWHERE: &str = "127.0.0.1:1";

fn options() -> Options {
    Options { handshake_timeout: Duration::from_secs(2), ..Options::default() }
}

fn identity(n: u8) -> Identity {
    signer(n).identity()
}

#[allow(clippy::needless_pass_by_value, reason = "reads better where it is called")]
fn at(n: u8, address: impl ToString) -> PeerAddress {
    PeerAddress { identity: identity(n), address: address.to_string() }
}

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

async fn start(n: u8, peers: impl IntoIterator<Item = PeerAddress>, options: Options) -> Node {
    Direct::start(Arc::new(signer(n)), listener().await, peers, options).unwrap()
}

/// Two nodes, 1 and 2, of which 2 knows where 1 listens; 1 awaits 2.
async fn pair(options: Options) -> (Node, Node) {
    let first = start(1, [at(2, NOWHERE)], options.clone()).await;
    let second = start(2, [at(1, first.0.local_address())], options).await;
    (first, second)
}

/// A handshake with `node` as `n`, as far as this side can tell.
async fn dial(n: u8, node: &Direct, expected: u8) -> io::Result<TlsStream<TcpStream>> {
    let credentials = Credentials::new(Arc::new(signer(n)), None).unwrap();
    let connector = TlsConnector::from(credentials.client(identity(expected)).unwrap());
    let stream = TcpStream::connect(node.local_address()).await?;
    connector.connect(tls::server_name().unwrap(), stream).await
}

async fn until<T>(mut condition: impl FnMut() -> Option<T>) -> T {
    let wait = async {
        loop {
            match condition() {
                Some(value) => return value,
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.expect("within 20 s")
}

/// The first refusal that is like this one.
async fn refused(node: &Direct, like: impl Fn(&RefusalReason) -> bool) -> Refusal {
    until(|| node.refusals().recent.into_iter().find(|refusal| like(&refusal.reason))).await
}

/// The last failure of what the peer `n` sends to `node`, once there is one.
async fn incoming_failure(node: &Direct, n: u8) -> LinkFailure {
    until(|| state(node, n).incoming.last_failure).await
}

/// The last failure of `node` to reach its peer `n`, once it is like this one.
async fn failure(node: &Direct, n: u8, like: impl Fn(&LinkFailure) -> bool) -> LinkFailure {
    until(|| state(node, n).outgoing.last_failure.filter(&like)).await
}

fn state(node: &Direct, n: u8) -> PeerState {
    node.peers().into_iter().find(|peer| peer.identity == identity(n)).unwrap()
}

async fn sending(node: &Direct, n: u8) {
    until(|| state(node, n).outgoing.open.then_some(())).await;
}

/// The node still serves an honest peer: 2 reaches 1.
async fn serves_on(first: &mut Node) {
    let second = start(2, [at(1, first.0.local_address())], options()).await;
    second.0.send(&identity(1), Bytes::from_static(b"still there?")).unwrap();
    assert_eq!(first.1.next().await, Some((identity(2), Bytes::from_static(b"still there?"))));
    second.0.close().await;
}
