//! The command line against a real cluster: what it prints, and how it ends.

use quorate_tests::node::{NodeProcess, write_private};
use quorate_tests::program::Ended;
use quorate_tests::{Cluster, report};
use serde_json::Value;
use tempfile::TempDir;

use crate::{cluster, observed, program};

const SECTION: &str = "The command line";
const COLUMNS: &[&str] = &["command", "exit code", "observed"];

/// Runs a command as an operator of the cluster would.
pub(crate) async fn operate(cluster: &Cluster, arguments: &[&str]) -> Ended {
    operate_at(cluster, cluster.nodes(), arguments).await
}

/// The same, asking some of its nodes only.
pub(crate) async fn operate_at(cluster: &Cluster, nodes: &[NodeProcess], arguments: &[&str]) -> Ended {
    let api: Vec<_> = nodes.iter().map(|node| format!("http://{}", node.api)).collect();
    let environment = [
        ("QUORATE_API", api.join(",")),
        ("QUORATE_INITIATOR", cluster.initiator_file.display().to_string()),
        ("QUORATE_PEERS", cluster.peers_file.display().to_string()),
        ("QUORATE_PASSPHRASE", "of the initiator".to_owned()),
    ];
    let environment: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    program().run_with(&environment, arguments).await
}

pub(crate) async fn succeed(cluster: &Cluster, arguments: &[&str]) -> String {
    let ended = operate(cluster, arguments).await;
    assert_eq!(ended.code, Some(0), "{arguments:?}: {}", ended.stderr);
    ended.stdout
}

pub(crate) async fn json(cluster: &Cluster, arguments: &[&str]) -> Value {
    let arguments: Vec<_> = arguments.iter().chain(&["--json"]).copied().collect();
    let text = succeed(cluster, &arguments).await;
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn an_operator_runs_a_cluster_from_the_command_line() {
    report::columns(SECTION, COLUMNS);
    let cluster = cluster(3).start().await;
    let status = json(&cluster, &["node", "status"]).await;
    assert_eq!((&status["ready"], &status["reachable"]), (&true.into(), &3.into()), "{status}");
    assert!(succeed(&cluster, &["node", "status"]).await.contains("3 of 3 nodes"));

    let peers = cluster.peers_file.to_str().unwrap();
    let listed = json(&cluster, &["peers", "list", "--peers", peers]).await;
    assert_eq!(listed["cluster"], cluster.id.to_string());
    assert_eq!(listed["nodes"].as_array().unwrap().len(), 3);
    let file = cluster.node(1).folder.join("identity.json");
    let shown = json(&cluster, &["identity", "show", file.to_str().unwrap()]).await;
    assert_eq!(shown["identity"], listed["nodes"][0]["identity"]);
    let shown = json(&cluster, &["initiator", "show", cluster.initiator_file.to_str().unwrap()]).await;
    assert_eq!(shown["identity"], cluster.initiator().principal().to_string());

    let create = ["wallet", "create", "--threshold", "2", "--total", "3", "--id", "treasury"];
    let made = json(&cluster, &create).await;
    assert_eq!(made["wallet_id"], "treasury");
    let key = made["public_key"].as_str().unwrap();
    assert!(succeed(&cluster, &["wallet", "list"]).await.contains(key));
    let view = json(&cluster, &["wallet", "show", "treasury"]).await;
    assert_eq!(view["public_key"], key);
    assert!(succeed(&cluster, &["wallet", "show", "treasury"]).await.contains("2 of 3"));

    let sign = [
        "sign",
        "--wallet",
        "treasury",
        "--message",
        "pay",
        "--signers",
        "node1,node3",
        "--session-id",
        "s1",
    ];
    let signed = json(&cluster, &sign).await;
    assert_eq!(signed["committee"], serde_json::json!(["node1", "node3"]));
    assert_eq!(json(&cluster, &sign).await, signed, "a repeat under the same id");
    let signature = signed["signature"].as_str().unwrap();
    let by_key =
        json(&cluster, &["sign", "--public-key", key, "--message-hex", "0x706179", "--path", "m/7"]).await;
    assert_ne!(by_key["public_key"], key, "a child key");

    let verify =
        ["verify", "--scheme", "ed25519", "--public-key", key, "--signature", signature, "--message"];
    let good = program().run(verify.iter().chain(&["pay"])).await;
    assert_eq!(good.code, Some(0), "{}", good.stderr);
    observed(SECTION, &["verify, the right message", "0", good.stdout.trim()]);
    let bad = program().run(verify.iter().chain(&["pay more"])).await;
    assert_eq!(bad.code, Some(6), "{}", bad.stderr);
    observed(SECTION, &["verify, another message", "6", bad.stderr.trim()]);

    let make = [
        "wallet",
        "create",
        "--threshold",
        "2",
        "--total",
        "3",
        "--curve",
        "secp256k1",
        "--protocol",
        "frost",
        "--id",
        "taproot",
    ];
    json(&cluster, &make).await;
    let tweaked = json(
        &cluster,
        &[
            "sign",
            "--wallet",
            "taproot",
            "--message-hash",
            &format!("0x{}", "22".repeat(32)),
            "--taproot",
            "none",
        ],
    )
    .await;
    let verify = [
        "verify",
        "--scheme",
        "bip340",
        "--public-key",
        tweaked["public_key"].as_str().unwrap(),
        "--signature",
        tweaked["signature"].as_str().unwrap(),
        "--message-hex",
        &format!("0x{}", "22".repeat(32)),
    ];
    program().succeed(verify).await;

    let unknown = operate(&cluster, &["wallet", "show", "nobody"]).await;
    assert_eq!(unknown.code, Some(4), "{}", unknown.stderr);
    observed(SECTION, &["wallet show, unknown", "4", unknown.stderr.trim()]);
    let conflict =
        operate(&cluster, &["sign", "--wallet", "treasury", "--message", "other", "--session-id", "s1"])
            .await;
    assert_eq!(conflict.code, Some(4), "{}", conflict.stderr);
    observed(SECTION, &["sign, an id that was used", "4", conflict.stderr.trim()]);
    cluster.nodes().iter().for_each(NodeProcess::kill);
    let nobody = operate(&cluster, &["wallet", "list"]).await;
    assert_eq!(nobody.code, Some(5), "{}", nobody.stderr);
    observed(SECTION, &["wallet list, no node up", "5", "no node answered"]);
}

#[tokio::test]
async fn a_passphrase_is_never_taken_from_the_command_line_and_a_wrong_one_names_the_file() {
    report::columns(SECTION, COLUMNS);
    let cluster = cluster(2).make().await;
    let node = cluster.node(1);
    let config = node.config().display().to_string();
    let start = program().run(["node", "start", "--config", &config, "--set", "passphrase=of node1"]).await;
    assert_eq!(start.code, Some(3), "{}", start.stderr);
    assert!(start.stderr.contains("never taken from the command line"), "{}", start.stderr);
    observed(SECTION, &["node start --set passphrase=…", "3", start.stderr.trim()]);
    for flag in ["--passphrase", "--password"] {
        let ended = program().run(["identity", "generate", "--out", "x.json", flag, "secret"]).await;
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    }

    let wrong = cluster.folder().join("wrong");
    write_private(&wrong, "not this one");
    let wrong = format!("passphrase_file={}", wrong.display());
    let start = program().run(["node", "start", "--config", &config, "--set", &wrong]).await;
    assert_eq!(start.code, Some(3), "{}", start.stderr);
    assert!(start.stderr.contains("identity.json"), "{}", start.stderr);
    observed(SECTION, &["node start, wrong passphrase", "3", "names identity.json"]);

    let missing = cluster.folder().join("nothing.yaml");
    let start = program().run(["node", "start", "--config", missing.to_str().unwrap()]).await;
    assert_eq!(start.code, Some(3), "{}", start.stderr);
    assert!(start.stderr.contains("nothing.yaml"), "{}", start.stderr);
    let unknown = program().run(["node", "start", "--config", &config, "--set", "round_timeut=1s"]).await;
    assert_eq!(unknown.code, Some(3), "{}", unknown.stderr);
    assert!(unknown.stderr.contains("round_timeout"), "{}", unknown.stderr);
    observed(SECTION, &["node start --set round_timeut=1s", "3", unknown.stderr.trim()]);

    // What exists is never written over.
    let peers = cluster.peers_file.display().to_string();
    let identity = node.folder.join("identity.json").display().to_string();
    let before = std::fs::read(&identity).unwrap();
    let again = program()
        .run_with(&[("QUORATE_PASSPHRASE", "x")], ["identity", "generate", "--out", &identity])
        .await;
    assert_eq!(again.code, Some(3), "{}", again.stderr);
    assert!(again.stderr.contains("identity.json"), "{}", again.stderr);
    assert_eq!(std::fs::read(&identity).unwrap(), before);
    let entry = format!("n1={identity}@127.0.0.1:1");
    let again =
        program().run(["peers", "generate", "--node", &entry, "--node", &entry, "--out", &peers]).await;
    assert_ne!(again.code, Some(0));
}

#[tokio::test]
async fn every_command_has_help() {
    let commands = [
        "",
        "demo",
        "dev",
        "node init",
        "node start",
        "node status",
        "peers generate",
        "peers list",
        "identity generate",
        "identity show",
        "initiator generate",
        "initiator show",
        "authorizer generate",
        "authorizer show",
        "wallet create",
        "wallet list",
        "wallet show",
        "sign",
        "presign",
        "auxiliary rotate",
        "verify",
        "evidence verify",
    ];
    let scratch = TempDir::new().unwrap();
    for command in commands {
        let arguments = command.split(' ').filter(|word| !word.is_empty()).chain(["--help"]);
        let text = program().succeed(arguments).await;
        assert!(text.contains("Usage: quorate"), "{command}: {text}");
    }
    assert!(program().succeed(["--version"]).await.starts_with("quorate "));
    assert_eq!(program().run(["nonsense"]).await.code, Some(2));
    // Without a passphrase and without a terminal, a command says where one can come from.
    let out = scratch.path().join("i.json");
    let ended = program().run(["identity", "generate", "--out", out.to_str().unwrap()]).await;
    assert_ne!(ended.code, Some(0));
    assert!(
        ended.stderr.contains("--passphrase-file") && ended.stderr.contains("QUORATE_PASSPHRASE"),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn a_configuration_is_checked_without_starting_a_node() {
    report::columns(SECTION, COLUMNS);
    let cluster = cluster(2).make().await;
    let node = cluster.node(1);
    let config = node.config();
    let check = ["node", "check-config", "--json", "--config", config.to_str().unwrap()];
    let state = |report: &Value, what: &str| {
        let checks = report["checks"].as_array().unwrap();
        let check = checks.iter().find(|check| check["what"] == what).unwrap();
        check["state"].as_str().unwrap().to_owned()
    };
    // Without the passphrase of commands, which would win over the file's.
    let run = async |arguments: &[&str]| program().run_with(&[] as &[(&str, &str)], arguments).await;
    let ended = run(&check).await;
    assert_eq!(ended.code, Some(0), "{} {}", ended.stdout, ended.stderr);
    let good: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&good["ok"], &good["node_id"]), (&true.into(), &"node1".into()), "{good}");
    for what in ["settings", "peers", "identity", "passphrase", "store", "initiators"] {
        assert_eq!(state(&good, what), "ok", "{good}");
    }
    let initiator = cluster.initiator_file.to_str().unwrap();
    let other = cluster.node(2).folder.join("identity.json");
    for (setting, what) in [
        (format!("identity_path={initiator}"), "identity"),
        (format!("identity_path={}", other.display()), "identity"),
        ("peers_path=/nowhere/peers.yaml".to_owned(), "peers"),
        ("node_id=node9".to_owned(), "peers"),
        ("total_nodes=7".to_owned(), "peers"),
        ("db_path=/nowhere/store.redb".to_owned(), "store"),
        (format!("passphrase_file={}", cluster.node(2).passphrase_file().display()), "passphrase"),
    ] {
        let ended = run(&[&check[..], &["--set", &setting]].concat()).await;
        assert_eq!(ended.code, Some(3), "{setting}: {}", ended.stderr);
        let report: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!((&report["ok"], state(&report, what).as_str()), (&false.into(), "error"), "{report}");
    }
    let ended = run(&[&check[..], &["--set", "max_concurent_keygen=1"]].concat()).await;
    assert_eq!(ended.code, Some(3));
    assert!(ended.stderr.contains("did you mean"), "{}", ended.stderr);
    let ended = run(&check[..2]).await;
    assert_eq!(ended.code, Some(3), "no configuration at all: {}", ended.stdout);
    observed(SECTION, &["node check-config", "0; 3", "names the file or setting that is wrong"]);
}
