//! Nodes that announce themselves to Consul and find each other by it.

use std::time::{Duration, Instant};

use quorate_request::SignRequest;
use quorate_servers::Consul;
use quorate_tests::cluster::sign;
use quorate_tests::{Cluster, judge, ports, report};
use serde_json::Value;

use crate::{cluster, observed};

const SECTION: &str = "Consul (3 nodes, 2 of 3)";
const COLUMNS: &[&str] = &["what happens", "observed"];

/// The status of each node's check, by name, as anybody sees it.
fn checks(consul: &Consul) -> Vec<(String, String)> {
    let checks: Value = serde_json::from_str(&consul.get("/v1/health/checks/quorate")).unwrap();
    let text = |check: &Value, key: &str| check[key].as_str().unwrap().to_owned();
    let mut all: Vec<_> = checks.as_array().unwrap().iter().collect();
    all.sort_by_key(|check| text(check, "Name"));
    all.into_iter()
        .map(|check| (text(check, "Name").replace(" can sign", ""), text(check, "Status")))
        .collect()
}

async fn shows(consul: &Consul, wanted: &[(&str, &str)]) {
    let start = Instant::now();
    loop {
        let now = checks(consul);
        if now.iter().map(|(name, status)| (name.as_str(), status.as_str())).eq(wanted.iter().copied()) {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(40), "{now:?}, not {wanted:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A signature by these two nodes.
async fn signs(cluster: &Cluster, at: usize, signers: [usize; 2], name: &str) {
    let wallet = "w".parse().unwrap();
    let named = SignRequest {
        signers: Some(signers.map(|node| format!("node{node}")).to_vec()),
        ..sign(&wallet, name.as_bytes())
    };
    let signed = cluster.client(&[at]).sign(named).await.unwrap();
    judge::check("ed25519", name.as_bytes(), &signed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_are_shown_as_they_are_and_found_where_they_have_moved() {
    report::columns(SECTION, COLUMNS);
    let mut consul = Consul::start();
    let cluster = cluster(3).setting("consul.address", &consul.url()).start().await;
    cluster.wallet("w", 2, 3, "ed25519").await;
    let all = [("node1", "passing"), ("node2", "passing"), ("node3", "passing")];
    shows(&consul, &all).await;
    observed(SECTION, &["nodes start", "each registered, its check passing"]);

    // It moves to another port, which stands in nobody's peers file.
    cluster.node(3).kill();
    let moved = format!("127.0.0.1:{}", ports::free());
    let config = std::fs::read_to_string(cluster.node(3).config()).unwrap();
    let there = config.replace(&cluster.node(3).peers, &moved) + &format!("advertise: {moved}\n");
    assert_ne!(there, config);
    std::fs::write(cluster.node(3).config(), there).unwrap();
    cluster.node(3).start();
    let start = Instant::now();
    cluster.ready().await;
    signs(&cluster, 1, [1, 3], "moved").await;
    let seen = format!("found after {} ms, signs with it named", start.elapsed().as_millis());
    observed(SECTION, &["a node comes back at another address", &seen]);

    cluster.node(2).terminate();
    cluster.node(2).ended().await;
    shows(&consul, &[("node1", "passing"), ("node3", "passing")]).await;
    observed(SECTION, &["a node stops in good order", "it is taken out at once"]);
    cluster.node(3).kill();
    shows(&consul, &[("node1", "warning"), ("node3", "critical")]).await;
    observed(SECTION, &["another is killed", "critical; the one that is left: warning, it can't sign"]);
    cluster.node(2).start();
    cluster.node(3).start();
    cluster.ready().await;
    shows(&consul, &all).await;

    // A lie about each node: signed by nobody, and an old word of its own at its first address.
    let keys: Vec<String> =
        consul.command(&["kv", "get", "-recurse", "-keys", "quorate/"]).lines().map(str::to_owned).collect();
    for key in keys.iter().filter(|key| !key.ends_with('/')) {
        let record = consul.command(&["kv", "get", key]);
        let lie = record.replacen("127.0.0.1", "127.0.0.9", 1).replace("\"sequence\":", "\"sequence\":9");
        consul.command(&["kv", "put", key, lie.trim()]);
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    cluster.restart(1).await;
    signs(&cluster, 1, [1, 2], "lies").await;
    signs(&cluster, 2, [2, 3], "lies too").await;
    let doubts = cluster.nodes().iter().filter(|node| node.log().contains("is not believed")).count();
    assert!(doubts >= 2, "{doubts} nodes noticed");
    observed(SECTION, &["it lies about where all nodes are", "nobody believes it, and says so; they sign"]);

    consul.kill();
    tokio::time::sleep(Duration::from_secs(1)).await;
    signs(&cluster, 2, [1, 3], "gone").await;
    cluster.restart(2).await;
    signs(&cluster, 2, [2, 1], "gone and started").await;
    observed(SECTION, &["it is gone", "they sign, and a node can start"]);
    tokio::task::block_in_place(|| consul.resume());
    shows(&consul, &all).await;
    cluster.ready().await;
    signs(&cluster, 1, [1, 3], "back").await;
    observed(SECTION, &["it is back and has forgotten everything", "all are registered again"]);
}
