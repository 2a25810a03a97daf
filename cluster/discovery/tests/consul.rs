//! Nodes that find each other by a real Consul, which goes, forgets and lies.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use quorate_discovery::{Announcement, ConsulError, Discovery, Health, Options, Record};
use quorate_keys::{Identity, Secret, SigningIdentity};
use quorate_servers::{Authority, Consul, Usage, free_port, write_private};
use quorate_tls::{Authorities, ClientCertificate};
use tokio::sync::watch;

const CLUSTER: [u8; 32] = [7; 32];

fn signer(n: u8) -> SigningIdentity {
    SigningIdentity::from_seed(&Secret::new([n; 32]))
}

fn identity(n: u8) -> Identity {
    signer(n).identity()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn options(url: &str) -> Options {
    let mut options = Options::new(url.parse().unwrap());
    options.wait = Duration::from_secs(5);
    options.ttl = Duration::from_secs(3);
    options
}

/// A node that is announced, and what it has found.
struct Node {
    discovery: Discovery,
    health: watch::Sender<Health>,
    found: Arc<Mutex<BTreeMap<Identity, Vec<String>>>>,
}

fn start(n: u8, address: &str, options: &Options) -> Node {
    let announcement = Announcement {
        signer: Arc::new(signer(n)),
        cluster: CLUSTER,
        name: format!("node{n}"),
        address: address.to_owned(),
        version: "0.1.0".to_owned(),
    };
    let found = Arc::new(Mutex::new(BTreeMap::<Identity, Vec<String>>::new()));
    let told = Arc::clone(&found);
    let health = watch::Sender::new(Health::Ready);
    let peers: BTreeSet<Identity> = (1..=3).map(identity).collect();
    let discovery =
        Discovery::start(options, &announcement, peers, health.subscribe(), move |peer, address| {
            told.lock().unwrap().entry(*peer).or_default().push(address.to_owned());
        });
    Node { discovery: discovery.unwrap(), health, found }
}

impl Node {
    fn found(&self, n: u8) -> Vec<String> {
        self.found.lock().unwrap().get(&identity(n)).cloned().unwrap_or_default()
    }

    fn is_registered(&self) -> bool {
        self.discovery.status().borrow().registered
    }

    fn lies(&self) -> u64 {
        self.discovery.status().borrow().lies
    }
}

#[track_caller]
fn until(what: &str, condition: impl Fn() -> bool) -> impl Future<Output = ()> {
    let what = what.to_owned();
    async move {
        let start = Instant::now();
        while !condition() {
            assert!(start.elapsed() < Duration::from_secs(30), "not within 30 s: {what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// The status of a node's check, as Consul tells it to whoever asks.
fn check(consul: &Consul, n: u8) -> String {
    let id = format!("service:quorate-node{n}-{}", &hex(&CLUSTER)[..16]);
    let checks: serde_json::Value = serde_json::from_str(&consul.get("/v1/agent/checks")).unwrap();
    checks[&id]["Status"].as_str().unwrap_or("none").to_owned()
}

fn key(n: u8) -> String {
    format!("quorate/{}/nodes/{}", hex(&CLUSTER), hex(identity(n).as_bytes()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_register_keep_their_checks_up_and_find_each_other() {
    let consul = Consul::start();
    let options = options(&consul.url());
    let first = start(1, "10.0.0.1:7000", &options);
    let second = start(2, "[fd00::2]:7001", &options);
    until("found", || first.found(2) == ["[fd00::2]:7001"] && second.found(1) == ["10.0.0.1:7000"]).await;
    until("passing", || check(&consul, 1) == "passing" && check(&consul, 2) == "passing").await;
    assert!(first.found(1).is_empty(), "itself is nobody to be found");

    first.health.send_replace(Health::Unready("2 of 3 nodes are away".to_owned()));
    until("warning", || check(&consul, 1) == "warning").await;
    first.health.send_replace(Health::Ready);
    until("passing again", || check(&consul, 1) == "passing").await;

    // It moves.
    first.discovery.leave().await;
    assert_eq!(check(&consul, 1), "none");
    let first = start(1, "10.0.0.9:7000", &options);
    until("moved", || second.found(1) == ["10.0.0.1:7000", "10.0.0.9:7000"]).await;

    // It crashes.
    until("registered", || first.is_registered()).await;
    drop(first);
    until("critical", || check(&consul, 1) == "critical").await;
    assert_eq!(check(&consul, 2), "passing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_goes_or_forgets_or_holds_still_is_told_again_and_nothing_known_is_lost() {
    let mut consul = Consul::start();
    let options = options(&consul.url());
    let (first, second) = (start(1, "10.0.0.1:7000", &options), start(2, "10.0.0.2:7000", &options));
    until("found", || first.found(2).len() == 1 && second.found(1).len() == 1).await;
    consul.kill();
    until("noticed", || !first.is_registered() && !second.is_registered()).await;
    let failure = first.discovery.status().borrow().last_failure.clone().unwrap();
    assert!(failure.contains("can't be reached"), "{failure}");
    tokio::task::block_in_place(|| consul.resume());
    until("registered again", || first.is_registered() && second.is_registered()).await;
    until("passing", || check(&consul, 1) == "passing").await;

    // Somebody takes the service away.
    let id = format!("quorate-node1-{}", &hex(&CLUSTER)[..16]);
    consul.command(&["services", "deregister", &format!("-id={id}")]);
    until("back", || check(&consul, 1) == "passing").await;
    // Then their records, and one is changed.
    consul.command(&["kv", "delete", "-recurse", "quorate/"]);
    let is_back = |n: u8| {
        consul.command_with(&["kv", "get", &key(n)], None).is_ok_and(|record| record.contains("10.0.0."))
    };
    until("back", || is_back(1) && is_back(2)).await;
    consul.command(&["kv", "put", &key(1), "6.6.6.6:7000"]);
    until("put right", || is_back(1)).await;

    consul.hold();
    tokio::time::sleep(Duration::from_secs(2)).await;
    consul.go_on();
    until("passing", || check(&consul, 1) == "passing").await;
    assert_eq!((first.found(2).len(), second.found(1).len()), (1, 1), "nothing is news");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_found_is_known_at_the_next_start_without_consul() {
    let mut consul = Consul::start();
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("addresses.json");
    let options = Options { kept: Some(kept.clone()), ..options(&consul.url()) };
    let second = start(2, "10.0.0.2:7000", &Options { kept: None, ..options.clone() });
    let first = start(1, "10.0.0.1:7000", &options);
    until("found", || first.found(2).len() == 1).await;
    until("kept", || kept.exists()).await;
    drop((first, second));
    consul.kill();
    let first = start(1, "10.0.0.1:7000", &options);
    until("known", || first.found(2) == ["10.0.0.2:7000"]).await;

    // It is believed no more than Consul is.
    let text = std::fs::read_to_string(&kept).unwrap();
    for (written, lies) in [(text.replace("10.0.0.2", "6.6.6.6"), 1), ("garbage".to_owned(), 0)] {
        std::fs::write(&kept, written).unwrap();
        let first = start(1, "10.0.0.1:7000", &options);
        until("read", || first.lies() == lies).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(first.found(2).is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lies_about_where_a_node_is_are_passed_over() {
    let consul = Consul::start();
    let options = options(&consul.url());
    let put = |n: u8, value: &[u8]| {
        let file = consul.folder().join("value");
        std::fs::write(&file, value).unwrap();
        consul.command(&["kv", "put", &key(n), &format!("@{}", file.display())]);
    };
    let now = u64::MAX / 2;
    let record =
        |n: u8, address: &str, sequence: u64| Record::sign(&signer(n), &CLUSTER, address, sequence).to_json();
    let node = start(1, "10.0.0.1:7000", &options);
    put(2, &record(2, "10.0.0.2:7000", now));
    until("found", || node.found(2).len() == 1).await;

    let mut lies = 0;
    for (n, lie) in [
        (2, record(3, "6.6.6.6:7000", now + 1)),
        (3, record(2, "6.6.6.6:7000", now + 1)),
        (2, Record::sign(&signer(2), &[8; 32], "6.6.6.6:7000", now + 1).to_json()),
        (
            2,
            String::from_utf8(record(2, "10.0.0.2:7000", now))
                .unwrap()
                .replace("10.0.0.2", "6.6.6.6")
                .into_bytes(),
        ),
        (2, b"{}".to_vec()),
        (2, vec![0xff; 300]),
        (2, vec![b'x'; 400_000]),
        (2, Vec::new()),
    ] {
        put(n, &lie);
        lies += 1;
        until("noticed", || node.lies() >= lies).await;
        lies = node.lies();
    }
    // An old one, and one of nobody.
    put(2, &record(2, "6.6.6.6:7000", now - 1));
    put(9, &record(9, "6.6.6.6:7000", now + 9));
    put(2, &record(2, "10.0.0.22:7000", now + 2));
    until("moved", || node.found(2) == ["10.0.0.2:7000", "10.0.0.22:7000"]).await;
    assert!(node.found(3).is_empty() && node.found(9).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_asks_for_a_token_gets_it_and_says_what_a_token_may_not() {
    let consul = Consul::configured(
        r#"{"acl": {"enabled": true, "default_policy": "deny",
            "tokens": {"initial_management": "11111111-2222-3333-4444-555555555555"}}}"#,
    );
    let folder = tempfile::tempdir().unwrap();
    let management = Some("11111111-2222-3333-4444-555555555555");
    // What the documents say that a node needs.
    let rules = r#"service "quorate" { policy = "write" } key_prefix "quorate/" { policy = "write" }"#;
    let ask = |arguments: &[&str]| {
        let start = Instant::now();
        loop {
            match consul.command_with(arguments, management) {
                Ok(said) => return said,
                // It makes its first tokens a moment after it leads itself.
                Err(said) => assert!(start.elapsed() < Duration::from_secs(10), "{said}"),
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    ask(&["acl", "policy", "create", "-name", "node", "-rules", rules]);
    let made = ask(&["acl", "token", "create", "-policy-name", "node", "-format", "json"]);
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    let token = write_private(folder.path(), "token", made["SecretID"].as_str().unwrap());
    let with = Options { token: Some(token), ..options(&consul.url()) };
    let (first, second) = (start(1, "10.0.0.1:7000", &with), start(2, "10.0.0.2:7000", &with));
    until("found", || first.found(2).len() == 1 && second.found(1).len() == 1).await;
    until("registered", || first.is_registered()).await;
    first.discovery.leave().await;

    let nobody = start(3, "10.0.0.3:7000", &options(&consul.url()));
    let failure = || nobody.discovery.status().borrow().last_failure.clone();
    until("refused", || failure().is_some_and(|failure| failure.contains("403"))).await;
    assert!(!nobody.is_registered());

    let shared = write_private(folder.path(), "shared", "x");
    std::fs::set_permissions(&shared, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    for file in [shared, folder.path().join("none"), write_private(folder.path(), "empty", "\n")] {
        let unusable = Options { token: Some(file), ..options(&consul.url()) };
        let announcement = Announcement {
            signer: Arc::new(signer(1)),
            cluster: CLUSTER,
            name: "node1".to_owned(),
            address: "10.0.0.1:7000".to_owned(),
            version: String::new(),
        };
        let health = watch::Sender::new(Health::Ready).subscribe();
        let error =
            Discovery::start(&unusable, &announcement, BTreeSet::new(), health, |_, _| ()).unwrap_err();
        assert!(matches!(error, ConsulError::Token { .. }), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_behind_tls_is_known_by_its_authority_and_asks_for_a_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let (own, other) = (Authority::new("own"), Authority::new("other"));
    let (ca, stranger) = (own.write(folder.path(), "ca"), other.write(folder.path(), "other"));
    let [certificate, certificate_key] = own.issue(folder.path(), &["127.0.0.1"], Usage::Server);
    let [shown, shown_key] = own.issue(folder.path(), &["node"], Usage::Client);
    let port = free_port();
    let _consul = Consul::configured(&format!(
        r#"{{"ports": {{"https": {port}}}, "tls": {{"defaults": {{"verify_incoming": true,
            "ca_file": {ca:?}, "cert_file": {certificate:?}, "key_file": {certificate_key:?}}}}}}}"#
    ));
    let with = |ca: &std::path::Path| Options {
        authorities: Some(Authorities::from_file(ca).unwrap()),
        certificate: Some(ClientCertificate::from_files(&shown, &shown_key).unwrap()),
        ..options(&format!("https://127.0.0.1:{port}"))
    };
    let node = start(1, "10.0.0.1:7000", &with(&ca));
    until("registered", || node.is_registered()).await;
    for refused in [with(&stranger), Options { certificate: None, ..with(&ca) }] {
        let node = start(2, "10.0.0.2:7000", &refused);
        let failure = || node.discovery.status().borrow().last_failure.clone();
        until("refused", || failure().is_some_and(|failure| failure.contains("certificate"))).await;
        assert!(!node.is_registered());
    }
}
