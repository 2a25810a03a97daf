//! Nodes that reach each other through NATS, and what becomes of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use quorate_client::Client;
use quorate_request::{ErrorCode, KeygenRequest, RefreshRequest, SignRequest, WalletId};
use quorate_servers::{Nats, Relay, Treatment};
use quorate_tests::cluster::{keygen, sign};
use quorate_tests::{Cluster, Setup, judge, report};

use crate::graceful::{Answered, reaches};
use crate::{cluster, observed};

const SECTION: &str = "NATS (5 nodes, 3 of 5)";
const COLUMNS: &[&str] = &["the broker", "meanwhile", "observed"];

fn over(server: &Nats, count: usize) -> Setup {
    cluster(count).setting("transport", "nats").setting("nats.url", &server.url())
}

fn dkls23(id: &str) -> KeygenRequest {
    KeygenRequest { protocol: Some("dkls23".to_owned()), ..keygen(id, 3, 5, "secp256k1") }
}

/// Four clients that sign all the time, each through all nodes.
struct Signing {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
    clients: Vec<tokio::task::JoinHandle<Answered>>,
}

/// Signs one message after the other. Where too few nodes are there, the very same request is made again.
async fn keep_signing(
    client: Client,
    wallet: WalletId,
    name: String,
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
) -> Answered {
    let mut answered = Vec::new();
    for number in 0.. {
        let id = format!("{name}-{number}");
        let request = SignRequest { session_id: Some(id.parse().unwrap()), ..sign(&wallet, id.as_bytes()) };
        let signed = loop {
            match client.sign(request.clone()).await {
                Ok(signed) => break signed,
                Err(error) => {
                    let code = error.api().map(|body| body.code);
                    assert_eq!(code, Some(ErrorCode::NotEnoughSigners), "{id}: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        };
        answered.push((request, signed));
        count.fetch_add(1, Ordering::Relaxed);
        if stop.load(Ordering::Relaxed) {
            break;
        }
    }
    answered
}

impl Signing {
    fn start(cluster: &Cluster, wallet: &WalletId, name: &str) -> Self {
        let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::<AtomicUsize>::default());
        let clients = (0..4_usize).map(|number| {
            let nodes: Vec<_> = (0..5).map(|node| 1 + (number + node) % 5).collect();
            let client = cluster.client(&nodes);
            let (stop, count) = (Arc::clone(&stop), Arc::clone(&count));
            tokio::spawn(keep_signing(client, wallet.clone(), format!("{name}-{number}"), stop, count))
        });
        Self { clients: clients.collect(), stop, count }
    }

    /// Until as many more signatures have been made.
    async fn makes(&self, more: usize) {
        reaches(&self.count, self.count.load(Ordering::Relaxed) + more).await;
    }

    fn made(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Ends it. All that was answered is right, and stays what it was.
    async fn end(self, cluster: &Cluster) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        let mut count = 0;
        for client in self.clients {
            for (request, signed) in client.await.unwrap() {
                let message = request.message.as_ref().unwrap().as_bytes().to_vec();
                judge::check("ed25519", &message, &signed);
                if count % 10 == 0 {
                    let again = cluster.client(&[1 + count % 5]).sign(request).await.unwrap();
                    assert_eq!(again.signature, signed.signature, "one request, one signature");
                }
                count += 1;
            }
        }
        count
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wallets_are_made_sign_and_are_refreshed_through_a_broker_that_reads_nothing() {
    report::columns(SECTION, COLUMNS);
    let server = Nats::start();
    let tap = server.client().await;
    let mut heard = tap.subscribe(">").await.unwrap();
    tap.flush().await.unwrap();
    let cluster = over(&server, 5).start().await;
    let client = cluster.client(&[1, 2, 3, 4, 5]);
    let message = b"seven million to the treasury, and nobody else may know";
    for curve in ["ed25519", "secp256k1"] {
        let wallet = cluster.wallet(&format!("wallet-of-{curve}"), 3, 5, curve).await.wallet_id;
        let signed = client.sign(sign(&wallet, message)).await.unwrap();
        judge::check(curve, message, &signed);
        let refresh = RefreshRequest { wallet_id: Some(wallet.clone()), ..RefreshRequest::default() };
        assert_eq!(client.refresh(refresh).await.unwrap().epoch, 1);
        let signed = client.sign(sign(&wallet, message)).await.unwrap();
        judge::check(curve, message, &signed);
    }
    let wallet = client.keygen(dkls23("wallet-of-dkls23")).await.unwrap().wallet_id;
    let digest = SignRequest { message: None, message_hash: Some(vec![7; 32].into()), ..sign(&wallet, b"") };
    let signed = client.sign(digest).await.unwrap();
    assert_eq!(signed.committee.len(), 3);
    let views = client.nodes().await.unwrap();
    assert!(views.iter().all(|view| view.connected), "{views:?}");
    observed(
        SECTION,
        &[
            "carries",
            "wallets made, signatures, refreshes: FROST on two curves, DKLS23",
            "as over direct connections",
        ],
    );

    // All that went over the wire, in clear as the broker has it.
    let secrets: [&[u8]; 4] = [&message[..20], b"wallet-of-", b"content-digest", signed.signature.as_bytes()];
    let (mut messages, mut bytes) = (0, 0);
    while let Ok(Some(message)) = tokio::time::timeout(Duration::from_millis(100), heard.next()).await {
        let subject = message.subject.as_str();
        assert!(subject.starts_with("mpc.rounds.") || subject.starts_with("$SYS"), "{subject}");
        for secret in secrets {
            let shown = message.payload.windows(secret.len()).any(|window| window == secret);
            assert!(!shown, "{}", String::from_utf8_lossy(secret));
        }
        messages += 1;
        bytes += message.payload.len();
    }
    assert!(messages > 500, "{messages}");
    let seen = format!("{messages} messages, {bytes} bytes: no request, no wallet, no signature in them");
    observed(SECTION, &["reads all that it carries", "the same", &seen]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_killed_or_holds_still_while_nodes_sign_loses_and_repeats_nothing() {
    report::columns(SECTION, COLUMNS);
    let mut server = Nats::start();
    let cluster = over(&server, 5).start().await;
    let wallet = cluster.wallet("w", 3, 5, "ed25519").await.wallet_id;
    cluster.known_everywhere(&wallet).await;

    let signing = Signing::start(&cluster, &wallet, "killed");
    for _ in 0..3 {
        signing.makes(15).await;
        server.kill();
        tokio::time::sleep(Duration::from_millis(500)).await;
        tokio::task::block_in_place(|| server.resume());
    }
    signing.makes(15).await;
    let count = signing.end(&cluster).await;
    observed(
        SECTION,
        &[
            "killed three times, half a second each",
            "four clients sign",
            &format!("{count} signatures, none lost or made twice"),
        ],
    );

    let signing = Signing::start(&cluster, &wallet, "still");
    signing.makes(10).await;
    server.hold();
    tokio::time::sleep(Duration::from_secs(4)).await;
    server.go_on();
    signing.makes(15).await;
    let count = signing.end(&cluster).await;
    observed(
        SECTION,
        &[
            "holds still for 4 s (SIGSTOP)",
            "four clients sign",
            &format!("{count} signatures, none lost or made twice"),
        ],
    );

    let signing = Signing::start(&cluster, &wallet, "away");
    signing.makes(10).await;
    server.kill();
    let ready = || async { cluster.raw(1).http("GET", "/ready", &http::HeaderMap::new(), b"").await.status };
    let started = Instant::now();
    while ready().await != 503 {
        assert!(started.elapsed() < Duration::from_secs(5), "still ready without a broker");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let noticed = started.elapsed();
    tokio::time::sleep(Duration::from_secs(12)).await;
    let before = signing.made();
    tokio::task::block_in_place(|| server.resume());
    let started = Instant::now();
    signing.makes(10).await;
    let back = started.elapsed();
    assert!(signing.made() > before);
    let count = signing.end(&cluster).await;
    let seen = format!(
        "not ready after {} ms, signs again {} ms after it is back; {count} signatures, none lost or made twice",
        noticed.as_millis(),
        back.as_millis()
    );
    observed(SECTION, &["away for 12 s", "four clients sign", &seen]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_killed_comes_back_through_the_broker() {
    report::columns(SECTION, COLUMNS);
    let server = Nats::start();
    let cluster = over(&server, 5).start().await;
    let wallet = cluster.wallet("w", 3, 5, "ed25519").await.wallet_id;
    cluster.known_everywhere(&wallet).await;
    let signing = Signing::start(&cluster, &wallet, "node");
    for node in [2, 4] {
        signing.makes(15).await;
        cluster.node(node).kill();
        signing.makes(15).await;
        cluster.node(node).start();
        cluster.ready().await;
    }
    signing.makes(15).await;
    let count = signing.end(&cluster).await;
    observed(
        SECTION,
        &[
            "carries",
            "two nodes are killed and come back",
            &format!("{count} signatures, none lost or made twice"),
        ],
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_forges_replays_and_reorders_makes_nobody_sign_what_nobody_asked_for() {
    report::columns(SECTION, COLUMNS);
    let servers = [Nats::start(), Nats::start()];
    let relay = Relay::between([&servers[0], &servers[1]], "mpc.rounds.>", Treatment::hostile(), 7).await;
    // Three nodes at one broker, two at the other: no three sign without what is between.
    let cluster = over(&servers[0], 5).make().await;
    for node in [4, 5] {
        let config = cluster.node(node).config();
        let text = std::fs::read_to_string(&config).unwrap();
        std::fs::write(&config, text.replace(&servers[0].url(), &servers[1].url())).unwrap();
    }
    cluster.nodes().iter().for_each(quorate_tests::node::NodeProcess::start);
    cluster.ready().await;
    let wallet = cluster.wallet("w", 3, 5, "ed25519").await.wallet_id;
    cluster.known_everywhere(&wallet).await;
    let signing = Signing::start(&cluster, &wallet, "hostile");
    signing.makes(60).await;
    // A node that starts anew is told all that was ever said to it.
    cluster.node(4).kill();
    cluster.node(4).start();
    let says = servers[1].client().await;
    let recorded = relay.seen();
    for message in &recorded {
        says.publish(message.subject.clone(), message.payload.clone()).await.unwrap();
    }
    cluster.ready().await;
    signing.makes(40).await;
    let count = signing.end(&cluster).await;
    for node in cluster.nodes() {
        let log = node.log();
        assert!(!log.contains("convicted") && !log.contains("culprit"), "{}: {log}", node.name);
    }
    let seen = format!(
        "{count} signatures, none lost or made twice; {} messages recorded and said again to a new start, nobody blamed",
        recorded.len()
    );
    observed(SECTION, &["repeats, reorders, changes, replays, misleads", "four clients sign", &seen]);
}
