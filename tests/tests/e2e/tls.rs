//! Nodes behind proxies that terminate TLS.

use quorate_tests::report;
use serde_json::Value;

use crate::gateway::keyed;
use crate::local::Dev;
use crate::tls_proxy::Authority;
use crate::{cluster, observed, program};

const SECTION: &str = "TLS in front of nodes (3 nodes)";
const COLUMNS: &[&str] = &["what", "observed"];

#[tokio::test]
async fn nodes_behind_tls_are_asked_by_who_trusts_their_authority() {
    report::columns(SECTION, COLUMNS);
    let cluster = cluster(3).start().await;
    let (authority, stranger) = (Authority::new(), Authority::new());
    let mut proxies = Vec::new();
    for node in &cluster.nodes()[..2] {
        proxies.push(authority.proxy("127.0.0.1", node.api.parse().unwrap()).await);
    }
    let api = proxies.join(",");
    let options = |authority: &Authority| {
        let ca = authority.file().to_str().unwrap().to_owned();
        [vec!["--api".to_owned(), api.clone(), "--api-ca".to_owned(), ca], keyed(&cluster)].concat()
    };
    let command = |words: &[&str], authority: &Authority| {
        let words = words.iter().map(|word| (*word).to_owned());
        words.chain(options(authority)).collect::<Vec<_>>()
    };

    let create = ["wallet", "create", "--threshold", "2", "--total", "3", "--id", "w"];
    program().succeed(command(&create, &authority)).await;
    program().succeed(command(&["sign", "--wallet", "w", "--message", "hello"], &authority)).await;
    observed(SECTION, &["the command line makes a wallet and signs", "done"]);

    let refused = program().run(command(&["wallet", "list"], &stranger)).await;
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(5), ""), "{}", refused.stderr);
    assert!(refused.stderr.contains("no authority that is trusted here"), "{}", refused.stderr);
    assert!(refused.stderr.contains("--api-ca"), "{}", refused.stderr);
    observed(SECTION, &["an authority that the caller does not trust", "exit 5, names --api-ca"]);

    let mut gateway = program().command();
    gateway.arg("gateway").args(options(&authority)).args(["--listen", "127.0.0.1:0", "--json"]);
    let mut gateway = Dev::spawn(gateway);
    let served: Value = serde_json::from_str(&gateway.read_to("\n")).unwrap();
    let url = served["gateway"].as_str().unwrap();
    program().succeed(["sign", "--wallet", "w", "--message", "again", "--api", url]).await;
    assert_eq!(gateway.interrupt().await, Some(0));
    observed(SECTION, &["a gateway signs for its callers, through TLS", "done"]);
}
