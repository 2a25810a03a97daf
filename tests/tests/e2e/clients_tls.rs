//! Callers of nodes and gateways: through TLS, by tokens, and not too often.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::HeaderMap;
use quorate_request::paths;
use quorate_tests::raw::{Draft, Reply};
use quorate_tests::{Cluster, report};
use serde_json::Value;
use tempfile::TempDir;

use crate::gateway::{keyed, start};
use crate::tls_proxy::Authority;
use crate::{cluster, observed as noted, program};

const SECTION: &str = "TLS, tokens and rates of callers";
const COLUMNS: &[&str] = &["what", "observed"];

fn observed(cells: &[&str]) {
    report::columns(SECTION, COLUMNS);
    noted(SECTION, cells);
}

/// A file that others may not read.
fn private(path: &Path, content: &str) {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// A certificate for this name and its key, as files.
struct Certificate {
    folder: TempDir,
}

impl Certificate {
    fn new(authority: &Authority, name: &str) -> Self {
        let this = Self { folder: tempfile::tempdir().unwrap() };
        this.renew(authority, name);
        this
    }

    fn renew(&self, authority: &Authority, name: &str) {
        let (certificate, key) = authority.certify(name);
        fs::write(self.certificate(), certificate).unwrap();
        private(&self.key(), &key);
    }

    fn certificate(&self) -> PathBuf {
        self.folder.path().join("cert.pem")
    }

    fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// A command with what every one has that asks these nodes.
fn asking(cluster: &Cluster, words: &[&str], options: &[&str]) -> Vec<String> {
    let nodes: Vec<_> = cluster.nodes().iter().map(|node| format!("https://{}", node.api)).collect();
    let nodes = nodes.join(",");
    let options = [&["--api", &nodes], options].concat();
    let words = words.iter().chain(&options).map(|word| (*word).to_owned());
    words.chain(keyed(cluster)).collect()
}

const CREATE: [&str; 8] = ["wallet", "create", "--threshold", "2", "--total", "3", "--id", "w"];
const SIGN: [&str; 5] = ["sign", "--wallet", "w", "--message", "hello"];

#[tokio::test]
async fn nodes_with_a_certificate_are_asked_through_tls_and_read_a_renewed_one() {
    let (authority, next) = (Authority::new(), Authority::new());
    let certificate = Certificate::new(&authority, "127.0.0.1");
    let cluster = cluster(3)
        .setting("api_tls_cert", &text(&certificate.certificate()))
        .setting("api_tls_key", &text(&certificate.key()))
        .make()
        .await;
    cluster.nodes().iter().for_each(quorate_tests::node::NodeProcess::start);
    let ca = text(&authority.file());
    // A node says that it runs, and which nodes it reaches, through TLS as well.
    let up = asking(&cluster, &["wallet", "list"], &["--api-ca", &ca]);
    crate::eventually(async || program().run(&up).await.code == Some(0)).await;
    crate::eventually(async || {
        program().run(asking(&cluster, &CREATE, &["--api-ca", &ca])).await.code == Some(0)
    })
    .await;
    program().succeed(asking(&cluster, &SIGN, &["--api-ca", &ca])).await;
    observed(&["nodes serve TLS themselves: a wallet is made and signs", "done"]);

    let plain = cluster.nodes()[0].api.clone();
    let words = ["wallet", "list", "--api", &format!("http://{plain}")].map(str::to_owned);
    let refused = program().run(words.into_iter().chain(keyed(&cluster))).await;
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(5), ""), "{}", refused.stderr);
    observed(&["the same node in plain HTTP", "exit 5"]);

    certificate.renew(&next, "127.0.0.1");
    let renewed = asking(&cluster, &["wallet", "list"], &["--api-ca", &text(&next.file())]);
    crate::eventually(async || program().run(&renewed).await.code == Some(0)).await;
    fs::write(certificate.certificate(), "broken").unwrap();
    tokio::time::sleep(Duration::from_secs(6)).await;
    program().succeed(&renewed).await;
    program().succeed(&renewed).await;
    let log = || cluster.nodes().iter().map(quorate_tests::node::NodeProcess::log).collect::<String>();
    crate::eventually(async || {
        drop(program().run(&renewed).await);
        log().contains("the changed files of TLS are not used")
    })
    .await;
    observed(&["a renewed certificate; then a broken one", "used without a restart; the renewed one stays"]);
}

#[tokio::test]
async fn a_node_that_asks_for_certificates_serves_nobody_without_one() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let certificate = Certificate::new(&authority, "127.0.0.1");
    let own = Certificate::new(&clients, "back-end");
    let foreign = Certificate::new(&authority, "somebody");
    let cluster = cluster(3)
        .setting("api_tls_cert", &text(&certificate.certificate()))
        .setting("api_tls_key", &text(&certificate.key()))
        .setting("api_client_ca", &text(&clients.file()))
        .make()
        .await;
    cluster.nodes().iter().for_each(quorate_tests::node::NodeProcess::start);
    let ca = text(&authority.file());
    let showing = |certificate: &Certificate, words: &[&str]| {
        let (shown, key) = (text(&certificate.certificate()), text(&certificate.key()));
        asking(&cluster, words, &["--api-ca", &ca, "--api-cert", &shown, "--api-key", &key])
    };
    crate::eventually(async || program().run(showing(&own, &CREATE)).await.code == Some(0)).await;
    program().succeed(showing(&own, &SIGN)).await;
    observed(&["mutual TLS: a caller with a certificate by the authority", "done"]);

    // The node closes the connection when it has said why; who writes on it just then may hear the end of it first.
    crate::eventually(async || {
        let refused = program().run(asking(&cluster, &["wallet", "list"], &["--api-ca", &ca])).await;
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(5), ""), "{}", refused.stderr);
        refused.stderr.contains("--api-cert")
    })
    .await;
    observed(&["mutual TLS: a caller without a certificate", "exit 5, names --api-cert"]);
    let refused = program().run(showing(&foreign, &["wallet", "list"])).await;
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(5), ""), "{}", refused.stderr);
    observed(&["mutual TLS: a certificate by another authority", "exit 5"]);
}

/// Gives all nodes these readers and settings, and starts them anew.
async fn give(cluster: &Cluster, readers: &str, settings: &str) {
    for (number, node) in (1..).zip(cluster.nodes()) {
        fs::write(node.folder.join("readers.yaml"), readers).unwrap();
        let config = fs::read_to_string(node.config()).unwrap();
        fs::write(node.config(), format!("{config}\napi_readers_path: readers.yaml\n{settings}")).unwrap();
        cluster.restart(number).await;
    }
    cluster.ready().await;
}

async fn reader(name: &str, options: &[&str]) -> (String, String) {
    let words = [&["reader", "generate", name, "--json"], options].concat();
    let made: Value = serde_json::from_str(&program().succeed(words).await).unwrap();
    let of = |field: &str| made[field].as_str().unwrap().to_owned();
    (of("token"), of("entry"))
}

async fn get(cluster: &Cluster, path: &str, token: &str) -> Reply {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
    cluster.raw(1).http("GET", path, &headers, b"").await
}

#[tokio::test]
async fn a_reader_sees_its_wallets_by_its_token_and_does_nothing_else() {
    let cluster = cluster(3).start().await;
    for name in ["hot-1", "cold"] {
        let made = cluster.wallet(name, 2, 3, "ed25519").await;
        cluster.known_everywhere(&made.wallet_id).await;
    }
    let (watch, first) = reader("watch", &[]).await;
    let (desk, second) = reader("desk", &["--wallets", "hot-*"]).await;
    give(&cluster, &format!("{first}\n{second}\n"), "metrics_need_token: true\n").await;

    let names = async |token: &str| {
        let reply = get(&cluster, paths::WALLETS, token).await;
        let wallets = reply.body.as_array().unwrap_or_else(|| panic!("{reply:?}")).clone();
        wallets.iter().map(|wallet| wallet["wallet_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&watch).await, ["cold", "hot-1"]);
    assert_eq!(names(&desk).await, ["hot-1"]);
    assert_eq!(get(&cluster, "/api/v1/wallets/cold", &desk).await.refusal(), "403 out_of_scope");
    assert_eq!(get(&cluster, "/api/v1/wallets/hot-1", &desk).await.status, 200);
    observed(&["a reader of hot-* lists wallets, asks for another", "its own; 403 out_of_scope"]);
    assert_eq!(get(&cluster, paths::NODES, "a-token-of-nobody").await.refusal(), "401 unsigned");
    observed(&["a token that nobody has", "401 unsigned"]);

    let mut headers = HeaderMap::new();
    headers.insert("authorization", format!("Bearer {watch}").parse().unwrap());
    let body = br#"{"wallet_id":"hot-1","message":"0x01"}"#;
    let refused = cluster.raw(1).http("POST", paths::SIGN, &headers, body).await;
    assert_eq!(refused.refusal(), "401 unsigned");
    observed(&["a reader asks for a signature", "401 unsigned"]);
    let metrics = cluster.raw(1).http("GET", paths::METRICS, &HeaderMap::new(), b"").await;
    assert_eq!(metrics.refusal(), "401 unsigned");
    observed(&["metrics without a token, where the node asks for one", "401 unsigned"]);

    // The command line shows one, too.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    private(&file, &desk);
    let (file, node) = (text(&file), format!("http://{}", cluster.nodes()[0].api));
    let listed =
        program().succeed(["wallet", "list", "--json", "--api", &node, "--api-token-file", &file]).await;
    assert!(listed.contains("hot-1") && !listed.contains("cold"), "{listed}");
    let sign = ["sign", "--wallet", "hot-1", "--message", "x", "--api", &node, "--api-token-file", &file];
    let refused = program().run(sign).await;
    assert_ne!(refused.code, Some(0), "{}", refused.stdout);
    assert!(refused.stderr.contains("unsigned"), "{}", refused.stderr);
}

#[tokio::test]
async fn who_asks_too_often_is_told_so_and_a_client_waits() {
    let cluster = cluster(3).setting("client_rate", "2").setting("client_burst", "2").start().await;
    let raw = cluster.raw(1);
    let operation = quorate_request::Operation::read(paths::NODES).unwrap();
    let drafts: Vec<_> =
        (0..12).map(|number| Draft::new(operation.clone(), &format!("r{number}"), "")).collect();
    let mut replies = Vec::new();
    for draft in &drafts {
        replies.push(raw.send(draft).await);
    }
    let limited: Vec<_> = replies.iter().filter(|reply| reply.status == 429).collect();
    assert!(!limited.is_empty(), "twelve at once are more than two a second");
    assert!(limited.iter().all(|reply| reply.refusal() == "429 rate_limited"));
    observed(&["more signed requests than the rate", "429 rate_limited"]);
    // A client that is told to wait does, and is served in the end.
    let client = cluster.client(&[1]);
    for _ in 0..6 {
        client.nodes().await.unwrap();
    }
    let log = cluster.client(&[2]).nodes().await;
    assert!(log.is_ok(), "another node has a limit of its own");
    observed(&["a client that asks faster than that", "waits, and is answered"]);
}

#[tokio::test]
async fn a_gateway_for_other_machines_wants_networks_and_a_token() {
    let cluster = cluster(3).start().await;
    let authority = Authority::new();
    let certificate = Certificate::new(&authority, "127.0.0.1");
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens");
    private(&tokens, "the-token-of-the-back-end\n");
    let (tokens, ca) = (text(&tokens), text(&authority.file()));
    let (cert, key) = (text(&certificate.certificate()), text(&certificate.key()));
    let (gateway, served) = start(
        &cluster,
        &[
            "--listen",
            "0.0.0.0:0",
            "--allow-from",
            "127.0.0.0/8",
            "--token-file",
            &tokens,
            "--tls-cert",
            &cert,
            "--tls-key",
            &key,
        ],
    );
    assert_eq!((served["callers"].as_str(), served["tokens"].as_u64()), (Some("127.0.0.0/8"), Some(1)));
    let port = served["gateway"].as_str().unwrap().rsplit(':').next().unwrap();
    let url = format!("https://127.0.0.1:{port}");
    let asked = |words: &[&str], options: &[&str]| {
        let there = ["--api", url.as_str(), "--api-ca", ca.as_str()];
        [words, &there, options].concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    program().succeed(asked(&CREATE, &["--api-token-file", &tokens])).await;
    program().succeed(asked(&SIGN, &["--api-token-file", &tokens])).await;
    observed(&["a gateway with TLS and tokens, a caller with one", "done"]);
    let refused = program().run(asked(&["wallet", "list"], &[])).await;
    assert_ne!(refused.code, Some(0));
    assert!(refused.stderr.contains("--api-token-file"), "{}", refused.stderr);
    observed(&["the same without a token", "401, names --api-token-file"]);
    assert_eq!(gateway.interrupt().await, Some(0));

    let (gateway, served) =
        start(&cluster, &["--listen", "0.0.0.0:0", "--allow-from", "10.0.0.0/8", "--no-token"]);
    let port = served["gateway"].as_str().unwrap().rsplit(':').next().unwrap();
    let reply = cluster
        .raw_at(&format!("127.0.0.1:{port}"))
        .http("GET", paths::WALLETS, &HeaderMap::new(), b"")
        .await;
    assert_eq!(reply.refusal(), "403 forbidden");
    observed(&["a caller from a network that is not named", "403 forbidden"]);
    assert_eq!(gateway.interrupt().await, Some(0));
}
