//! What NATS brings with it: a broker that goes, holds still, lies and reads, and who may connect to it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use quorate_broker::{Access, Broker, Options as BrokerOptions};
use quorate_keys::{Identity, Secret, SigningIdentity};
use quorate_servers::{Authority, Nats as Server, Relay, Treatment, Usage, write_private};
use quorate_tls::{Authorities, ClientCertificate};
use quorate_transport::nats::{Nats, Options, StartError};
use quorate_transport::{Incoming, LinkFailure, PeerState, SendError, Transport};

type Node = (Arc<Nats>, Incoming);

const CLUSTER: [u8; 32] = [7; 32];

fn signer(n: u8) -> SigningIdentity {
    SigningIdentity::from_seed(&Secret::new([n; 32]))
}

fn identity(n: u8) -> Identity {
    signer(n).identity()
}

fn at(server: &Server) -> BrokerOptions {
    BrokerOptions { servers: server.url().parse().unwrap(), ..BrokerOptions::default() }
}

async fn start(n: u8, broker: BrokerOptions) -> Node {
    let broker = Broker::connect(&broker, &format!("node{n}")).await.unwrap();
    let peers = [1, 2].map(identity);
    Nats::start(Arc::new(signer(n)), CLUSTER, broker, peers, Options::default()).await.unwrap()
}

async fn pair(brokers: [BrokerOptions; 2]) -> [Node; 2] {
    let [first, second] = brokers;
    let nodes = [start(1, first).await, start(2, second).await];
    connected(&nodes).await;
    nodes
}

async fn connected(nodes: &[Node; 2]) {
    until(|| nodes.iter().all(|node| node.0.peers().iter().all(PeerState::is_connected))).await;
}

async fn until(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait).await.expect("within 30 s");
}

/// Sends frames both ways, all numbered, and sees them arrive in order and once.
async fn exchange(nodes: &mut [Node; 2], frames: u32, pause: Duration) {
    let mut senders = Vec::new();
    for (from, to) in [(0, 2), (1, 1)] {
        let transport = Arc::clone(&nodes[from].0);
        senders.push(tokio::spawn(async move {
            for n in 0..frames {
                let frame = Bytes::from([&n.to_le_bytes()[..], &vec![n as u8; n as usize % 900]].concat());
                while let Err(error) = transport.send(&identity(to), frame.clone()) {
                    assert!(matches!(error, SendError::Full(_)), "{error}");
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                tokio::time::sleep(pause).await;
            }
        }));
    }
    let [first, second] = nodes;
    let heard = async {
        for n in 0..frames {
            for (node, from) in [(&mut *first, 2), (&mut *second, 1)] {
                let (sender, frame) = node.1.next().await.unwrap();
                assert_eq!((sender, &frame[..4]), (identity(from), &n.to_le_bytes()[..]), "frame {n}");
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), heard).await.expect("all frames within a minute");
    for sender in senders {
        sender.await.unwrap();
    }
    let nothing = tokio::time::timeout(Duration::from_millis(300), nodes[0].1.next()).await;
    assert!(nothing.is_err(), "{nothing:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_dies_and_comes_back_loses_nothing_and_repeats_nothing() {
    let mut server = Server::start();
    let mut nodes = pair([at(&server), at(&server)]).await;
    let killer = async {
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_millis(400)).await;
            server.kill();
            tokio::time::sleep(Duration::from_millis(300)).await;
            tokio::task::block_in_place(|| server.resume());
        }
    };
    tokio::join!(exchange(&mut nodes, 600, Duration::from_millis(4)), killer);
    connected(&nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_holds_still_costs_time_only() {
    let server = Server::start();
    let mut nodes = pair([at(&server), at(&server)]).await;
    let holder = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        server.hold();
        tokio::time::sleep(Duration::from_secs(3)).await;
        server.go_on();
    };
    tokio::join!(exchange(&mut nodes, 300, Duration::from_millis(2)), holder);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_broker_is_away_no_peer_is_connected_and_the_reason_is_told() {
    let mut server = Server::start();
    let nodes = pair([at(&server), at(&server)]).await;
    server.kill();
    until(|| nodes.iter().all(|node| !node.0.peers()[0].is_connected())).await;
    let failure = nodes[0].0.peers()[0].outgoing.last_failure.clone().unwrap();
    let url = server.url();
    assert!(matches!(&failure, LinkFailure::Unreachable { address, .. } if *address == url), "{failure}");
    server.resume();
    connected(&nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_repeats_reorders_changes_replays_and_misleads_changes_nothing() {
    let servers = [Server::start(), Server::start()];
    let relay = Relay::between([&servers[0], &servers[1]], "mpc.rounds.>", Treatment::hostile(), 1).await;
    let mut nodes = pair([at(&servers[0]), at(&servers[1])]).await;
    exchange(&mut nodes, 500, Duration::from_millis(2)).await;
    // Those who start anew are told everything that was ever said.
    let recorded = relay.seen();
    nodes[1] = start(2, at(&servers[1])).await;
    let says = servers[1].client().await;
    for message in recorded {
        says.publish(message.subject, message.payload).await.unwrap();
    }
    connected(&nodes).await;
    exchange(&mut nodes, 100, Duration::from_millis(2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_loses_a_tenth_of_all_loses_nothing() {
    let servers = [Server::start(), Server::start()];
    let treatment = Treatment { lost: 0.1, ..Treatment::default() };
    let _relay = Relay::between([&servers[0], &servers[1]], "mpc.rounds.>", treatment, 2).await;
    let mut nodes = pair([at(&servers[0]), at(&servers[1])]).await;
    exchange(&mut nodes, 200, Duration::from_millis(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_listens_at_the_broker_reads_nothing() {
    let server = Server::start();
    let listener = server.client().await;
    let mut heard = listener.subscribe(">").await.unwrap();
    listener.flush().await.unwrap();
    let mut nodes = pair([at(&server), at(&server)]).await;
    let secret = b"a share of a nonce that nobody may read";
    for _ in 0..50 {
        nodes[0].0.send(&identity(2), Bytes::from_static(secret)).unwrap();
        nodes[1].1.next().await.unwrap();
    }
    let subjects = [(1, 2), (2, 1)].map(|(to, from)| {
        let hex = |identity: Identity| identity.to_string().trim_start_matches("0x").to_owned();
        format!("mpc.rounds.{}.{}.{}", "07".repeat(32), hex(identity(to)), hex(identity(from)))
    });
    let mut packets = 0;
    while let Ok(Some(message)) = tokio::time::timeout(Duration::from_millis(200), heard.next()).await {
        assert!(subjects.contains(&message.subject.to_string()), "{}", message.subject);
        let shown = secret.windows(6).any(|part| message.payload.windows(6).any(|window| window == part));
        assert!(!shown, "{:?}", message.payload);
        packets += 1;
    }
    assert!(packets > 50, "{packets}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_a_packet_and_what_is_too_large_is_passed_over() {
    let server = Server::start();
    let mut nodes = pair([at(&server), at(&server)]).await;
    let subject = format!(
        "mpc.rounds.{}.{}.{}",
        "07".repeat(32),
        identity(2).to_string().trim_start_matches("0x"),
        identity(1).to_string().trim_start_matches("0x")
    );
    let says = server.client().await;
    for n in 0..5000_usize {
        let payload = vec![(n % 7) as u8; if n % 100 == 0 { 900_000 } else { n % 300 }];
        says.publish(subject.clone(), payload.into()).await.unwrap();
    }
    exchange(&mut nodes, 50, Duration::from_millis(2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_asks_for_a_password_a_token_or_credentials_gets_it() {
    let folder = tempfile::tempdir().unwrap();
    let password = write_private(folder.path(), "password", "correct horse\n");
    let wrong = write_private(folder.path(), "wrong", "battery staple");
    let server =
        Server::configured(r#"authorization { users: [{ user: "node", password: "correct horse" }] }"#);
    let with = |path: &Path| {
        let access = Access::Password { user: "node".to_owned(), file: path.to_path_buf() };
        BrokerOptions { access, ..at(&server) }
    };
    let nodes = pair([with(&password), with(&password)]).await;
    let refused = start(1, with(&wrong)).await;
    let reason = |node: &Node| match node.0.peers()[0].outgoing.last_failure.clone() {
        Some(LinkFailure::Unreachable { reason, .. }) => reason.to_lowercase(),
        other => format!("{other:?}"),
    };
    until(|| reason(&refused).contains("authorization")).await;
    drop(nodes);

    let server = Server::configured(r#"authorization { token: "s3cret-t0ken" }"#);
    let token = write_private(folder.path(), "token", "s3cret-t0ken");
    let with = || BrokerOptions { access: Access::Token(token.clone()), ..at(&server) };
    pair([with(), with()]).await;

    // Who may say what: a node in no other's name.
    let [to, from] = [1, 2].map(|n| identity(n).to_string().trim_start_matches("0x").to_owned());
    let cluster = "07".repeat(32);
    let server = Server::configured(&format!(
        r#"authorization {{ users: [
            {{ user: "one", password: "correct horse", permissions: {{
                publish: "mpc.rounds.{cluster}.*.{to}", subscribe: "mpc.rounds.{cluster}.{to}.*" }} }}
            {{ user: "two", password: "correct horse", permissions: {{
                publish: "mpc.rounds.{cluster}.*.{from}", subscribe: "mpc.rounds.{cluster}.{from}.*" }} }}
        ] }}"#
    ));
    let with = |user: &str| {
        let access = Access::Password { user: user.to_owned(), file: password.clone() };
        BrokerOptions { access, ..at(&server) }
    };
    let mut nodes = pair([with("one"), with("two")]).await;
    exchange(&mut nodes, 20, Duration::from_millis(1)).await;

    let shown = format!("{:?}", with("one"));
    assert!(!shown.contains("horse"), "{shown}");
    let missing = BrokerOptions { access: Access::Token(folder.path().join("none")), ..at(&server) };
    assert!(Broker::connect(&missing, "x").await.is_err());
    let nonsense = BrokerOptions { access: Access::Credentials(password), ..at(&server) };
    let error = Broker::connect(&nonsense, "x").await.unwrap_err().to_string();
    assert!(error.contains("not a file of NATS credentials"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_behind_tls_is_known_by_its_authority_and_asks_for_a_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let (own, other) = (Authority::new("own"), Authority::new("other"));
    let (ca, stranger) = (own.write(folder.path(), "ca"), other.write(folder.path(), "other"));
    let [certificate, key] = own.issue(folder.path(), &["127.0.0.1"], Usage::Server);
    let [shown, shown_key] = own.issue(folder.path(), &["node"], Usage::Client);
    let server = Server::configured(&format!(
        "tls {{ cert_file: {certificate:?}, key_file: {key:?}, ca_file: {ca:?}, verify: true }}"
    ));
    let with = |ca: &Path| BrokerOptions {
        authorities: Some(Authorities::from_file(ca).unwrap()),
        certificate: Some(ClientCertificate::from_files(&shown, &shown_key).unwrap()),
        ..at(&server)
    };
    let mut nodes = pair([with(&ca), with(&ca)]).await;
    exchange(&mut nodes, 20, Duration::from_millis(1)).await;
    drop(nodes);
    let nobody = BrokerOptions { certificate: None, ..with(&ca) };
    for refused in [with(&stranger), nobody] {
        let node = start(1, refused).await;
        until(|| {
            let failure = node.0.peers()[0].outgoing.last_failure.clone();
            matches!(failure, Some(LinkFailure::Unreachable { reason, .. }) if !reason.contains("no connection yet"))
        })
        .await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(!node.0.peers()[0].is_connected());
    }
}

#[tokio::test]
async fn what_can_not_be_started_says_why() {
    let server = Server::start();
    let broker = Broker::connect(&at(&server), "x").await.unwrap();
    let me = Arc::new(signer(1));
    let twice = [2, 2].map(identity);
    let error = Nats::start(Arc::clone(&me), CLUSTER, broker.clone(), twice, Options::default()).await;
    assert!(matches!(error, Err(StartError::DuplicatePeer(peer)) if peer == identity(2)));
    for prefix in ["", "a..b", "a b", "a.>", "*"] {
        let mut options = Options::default();
        options.prefix = prefix.to_owned();
        let error = Nats::start(Arc::clone(&me), CLUSTER, broker.clone(), [identity(2)], options).await;
        assert!(matches!(error, Err(StartError::Prefix(_))), "{prefix:?}");
    }
}
