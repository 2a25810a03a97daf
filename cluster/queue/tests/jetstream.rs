//! Requests and results over a real server, that goes, repeats and lies.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::HashMap;
use std::future::pending;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_nats::jetstream;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::StatusCode;
use quorate_broker::{Broker, Options};
use quorate_identity::peers::{Peer, Peers};
use quorate_keys::{KeyType, Secret, SigningIdentity, SigningPrincipal};
use quorate_queue::sealing::{Asked, Resulted};
use quorate_queue::{Answer, Answers, Counts, Failure, Requester, sealing_identity, serve};
use quorate_request::{ClusterId, ErrorBody, ErrorCode, Operation, RequestId, SignedRequest};
use quorate_servers::Nats as Server;
use rand_core::OsRng;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

const CLUSTER: [u8; 32] = [7; 32];

fn signer(n: u8) -> SigningIdentity {
    SigningIdentity::from_seed(&Secret::new([n; 32]))
}

fn peers() -> Peers {
    let peer = |n: u8| Peer {
        name: format!("node{n}").parse().unwrap(),
        identity: signer(n).identity(),
        address: format!("127.0.0.1:{}", 7000 + u16::from(n)).parse().unwrap(),
    };
    Peers::new(ClusterId::from_bytes(CLUSTER), vec![peer(1), peer(2)]).unwrap()
}

async fn broker(server: &Server, name: &str) -> Broker {
    let options = Options { servers: server.url().parse().unwrap(), ..Options::default() };
    Broker::connect(&options, name).await.unwrap()
}

/// How a node of these tests answers.
#[derive(Clone, Copy)]
enum Way {
    /// With the body that it was sent.
    Echo,
    /// With it, but after longer than a node may say nothing.
    Slow,
    /// Never.
    Silent,
    /// That it can't, so many times for each request, and then with the body.
    LaterThan(usize),
}

/// What nodes were asked, by request id, and how they answer.
#[derive(Clone)]
struct Echo {
    way: Way,
    asked: Arc<Mutex<HashMap<String, usize>>>,
}

impl Answers for Echo {
    async fn answer(&self, request: SignedRequest) -> Answer {
        let times = {
            let mut asked = self.asked.lock().unwrap();
            let times = asked.entry(request.request_id().as_str().to_owned()).or_default();
            *times += 1;
            *times
        };
        match self.way {
            Way::Silent => pending().await,
            Way::Slow => {
                tokio::time::sleep(Duration::from_secs(7)).await;
                Answer { status: StatusCode::OK, body: request.body().clone(), again: None }
            }
            Way::LaterThan(most) if times <= most => {
                let error = ErrorBody::new(ErrorCode::NotEnoughSigners, "they are asleep");
                let body = serde_json::to_vec(&error).unwrap().into();
                Answer { status: error.code.status(), body, again: Some(Duration::ZERO) }
            }
            _ => Answer { status: StatusCode::OK, body: request.body().clone(), again: None },
        }
    }
}

struct Node {
    echo: Echo,
    counts: Arc<Counts>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn node(server: &Server, n: u8, way: Way) -> Node {
    let (echo, counts) = (Echo { way, asked: Arc::default() }, Arc::<Counts>::default());
    let broker = broker(server, &format!("node{n}")).await;
    let cluster = ClusterId::from_bytes(CLUSTER);
    let (stop, stopped) = watch::channel(false);
    let served = serve(broker, cluster, Arc::new(signer(n)), 1, echo.clone(), Arc::clone(&counts), stopped);
    Node { echo, counts, stop, task: tokio::spawn(served) }
}

async fn client(server: &Server) -> Requester {
    Requester::new(&broker(server, "client").await, peers())
}

fn request_for(id: &str, lifetime: Duration, body: &'static [u8]) -> SignedRequest {
    let initiator = SigningPrincipal::generate(KeyType::Ed25519, &mut OsRng);
    let (cluster, now) = (ClusterId::from_bytes(CLUSTER), SystemTime::now());
    let id: RequestId = id.parse().unwrap();
    SignedRequest::sign(&initiator, cluster, Operation::Sign, id, now, now + lifetime, body).unwrap()
}

fn request(id: &str, body: &'static [u8]) -> SignedRequest {
    request_for(id, Duration::from_secs(60), body)
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

fn error_of(result: &Resulted) -> ErrorBody {
    serde_json::from_slice(&result.body).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn results_go_to_the_client_that_asked() {
    let server = Server::start();
    let nodes = [node(&server, 1, Way::Echo).await, node(&server, 2, Way::Echo).await];
    let clients = [client(&server).await, client(&server).await];
    for round in 0..20 {
        // The same id from both: each gets what it asked for.
        let asked = [(&clients[0], &b"one"[..]), (&clients[1], b"two")];
        for (client, body) in asked {
            let request = request(&format!("order-{round}"), body);
            let result = client.ask(&request, soon()).await.unwrap();
            assert_eq!((result.status, &result.body[..]), (StatusCode::OK, body));
            assert_eq!(result.request, request.digest());
        }
    }
    // Nothing is left of them.
    let context = jetstream::new(server.client().await);
    for stream in [quorate_queue::streams::REQUESTS, quorate_queue::streams::RESULTS] {
        let mut left = u64::MAX;
        for _ in 0..50 {
            left = context.get_stream(stream).await.unwrap().info().await.unwrap().state.messages;
            if left == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(left, 0, "{stream}");
    }
    let answered: u64 = nodes.iter().map(|node| node.counts.answered.load(Relaxed)).sum();
    assert_eq!(answered, 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_twice_at_a_time_has_a_result_for_both() {
    let server = Server::start();
    let _node = node(&server, 1, Way::Echo).await;
    let (client, request) = (client(&server).await, request("twice", b"body"));
    let both = tokio::join!(client.ask(&request, soon()), client.ask(&request, soon()));
    assert_eq!(both.0.unwrap().body, both.1.unwrap().body);
    assert_eq!(client.ask(&request, soon()).await.unwrap().body, Bytes::from_static(b"body"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_that_died_was_given_another_answers() {
    let server = Server::start();
    let dying = node(&server, 1, Way::Silent).await;
    let client = client(&server).await;
    let (request, asked) = (request("left-behind", b"body"), dying.echo.asked.clone());
    let death = async {
        while asked.lock().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        drop(dying);
        // It knows nothing of the client's request, and the client nothing of it.
        node(&server, 1, Way::Echo).await
    };
    let (result, _other) = tokio::join!(client.ask(&request, soon()), death);
    assert_eq!(result.unwrap().body, Bytes::from_static(b"body"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_leaves_ends_what_it_has_begun() {
    let server = Server::start();
    let mut node = node(&server, 1, Way::Slow).await;
    let client = client(&server).await;
    let (request, asked) = (request("last", b"body"), node.echo.asked.clone());
    let leaving = async {
        while asked.lock().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        node.stop.send_replace(true);
        (&mut node.task).await.unwrap();
    };
    let (result, ()) = tokio::join!(client.ask(&request, soon()), leaving);
    assert_eq!((result.unwrap().status, asked.lock().unwrap()["last"]), (StatusCode::OK, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_answered_yet_is_answered_later_or_given_up_in_time() {
    let server = Server::start();
    let node = node(&server, 1, Way::LaterThan(5)).await;
    let client = client(&server).await;
    let result = client.ask(&request("later", b"body"), soon()).await.unwrap();
    assert_eq!((result.status, node.echo.asked.lock().unwrap()["later"]), (StatusCode::OK, 6));
    // Its time is over before that.
    let short = request_for("too-late", Duration::from_secs(1), b"body");
    let result = client.ask(&short, soon()).await.unwrap();
    let error = error_of(&result);
    assert_eq!((error.code, result.status), (ErrorCode::TimedOut, ErrorCode::TimedOut.status()));
    assert!(error.message.contains("they are asleep"), "{}", error.message);
    assert_eq!(node.counts.given_up.load(Relaxed), 1);
    assert_eq!(
        node.counts.returned.load(Relaxed) as usize,
        5 + node.echo.asked.lock().unwrap()["too-late"] - 1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_loses_nothing_that_it_has_kept() {
    let mut server = Server::start();
    let client = client(&server).await;
    // The streams and what to encrypt to are of an earlier life.
    let first = node(&server, 1, Way::Echo).await;
    client.ask(&request("before", b"body"), soon()).await.unwrap();
    drop(first);
    let request = request("kept", b"body");
    let asking = client.ask(&request, Instant::now() + Duration::from_secs(40));
    let weather = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        server.kill();
        tokio::time::sleep(Duration::from_secs(1)).await;
        server.resume();
        node(&server, 1, Way::Echo).await
    };
    let (result, _node) = tokio::join!(asking, weather);
    let result = result.unwrap();
    assert_eq!((result.node, &result.body[..]), (signer(1).identity(), &b"body"[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_can_speak_as_a_node_or_be_encrypted_to_as_one() {
    let server = Server::start();
    let client = client(&server).await;
    // Somebody announces a key of his own for both nodes before they are there.
    let (context, robber) = (jetstream::new(server.client().await), signer(9));
    quorate_queue::streams::ensure(&context, 1).await.unwrap();
    for n in [1, 2] {
        let subject = quorate_queue::subjects::node(&signer(n).identity());
        let lie = borsh::to_vec(&(sealing_identity(&robber).recipient().to_string(), [0_u8; 64])).unwrap();
        context.publish(subject, lie.into()).await.unwrap().await.unwrap();
    }
    let in_time = Instant::now() + Duration::from_secs(2);
    let refused = client.ask(&request("unheard", b"body"), in_time).await.unwrap_err();
    assert!(matches!(refused, Failure::NoNodes(_)), "{refused}");
    // A node that is there is believed of itself; what comes as a result is told from what a node has signed.
    let silent = node(&server, 1, Way::Silent).await;
    let mut seen = server.client().await.subscribe("mpc.*.request").await.unwrap();
    let request = request("forged", b"body");
    let asking = client.ask(&request, Instant::now() + Duration::from_secs(6));
    let forging = async {
        let sealed = seen.next().await.unwrap();
        assert!(Asked::open(&sealed.payload, &sealing_identity(&robber)).is_err());
        // A traitor among the nodes has told the robber where the result goes.
        let asked = Asked::open(&sealed.payload, &sealing_identity(&signer(1))).unwrap();
        let subject = quorate_queue::subjects::result(&Operation::Sign, &asked.client, request.request_id());
        let result = |node: &SigningIdentity, request| Resulted {
            node: node.identity(),
            request,
            status: StatusCode::OK,
            body: Bytes::from_static(b"forged"),
        };
        let mine = result(&robber, request.digest()).seal(&robber, asked.reply).unwrap();
        let pretended = result(&signer(1), request.digest()).seal(&robber, asked.reply).unwrap();
        let of_another = result(&signer(1), [0; 32]).seal(&signer(1), asked.reply).unwrap();
        for lie in [mine, pretended, of_another, b"garbage".to_vec(), Vec::new()] {
            context.publish(subject.clone(), lie.into()).await.unwrap().await.unwrap();
        }
    };
    let (result, ()) = tokio::join!(asking, forging);
    assert!(matches!(result, Err(Failure::NoResult)), "{result:?}");
    drop(silent);
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_is_dropped_and_hinders_nobody() {
    let server = Server::start();
    let node = node(&server, 1, Way::Echo).await;
    let client = client(&server).await;
    client.ask(&request("first", b"body"), soon()).await.unwrap();
    let context = jetstream::new(server.client().await);
    for n in 0..40_u8 {
        context.publish("mpc.sign.request", vec![n; usize::from(n)].into()).await.unwrap().await.unwrap();
    }
    let begun = Instant::now();
    client.ask(&request("second", b"body"), soon()).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let dropped = async {
        while node.counts.dropped.load(Relaxed) < 40 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(40), dropped).await.unwrap();
}
