//! Readers: a token for a program, and what a node knows of it.

use quorate_node::readers::{Readers, token_sha256};
use serde_json::Value;
use tempfile::TempDir;

use crate::run;

fn made(arguments: &[&str]) -> Value {
    let made = run(&[&["reader", "generate", "--json"], arguments].concat());
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    serde_json::from_str(&made.stdout).unwrap()
}

#[test]
fn a_token_is_new_each_time_and_the_entry_is_what_a_node_reads() {
    let (first, second) = (made(&["grafana"]), made(&["desk", "--wallets", "hot-*,till"]));
    let text = |made: &Value, field: &str| made[field].as_str().unwrap().to_owned();
    let token = text(&first, "token");
    assert_ne!(token, text(&second, "token"));
    assert_eq!(text(&first, "token_sha256"), token_sha256(&token));
    let file = format!("{}\n{}\n", text(&first, "entry"), text(&second, "entry"));
    let readers = Readers::read(file.as_bytes()).unwrap();
    let named = |token: &str| readers.of(token).map(|reader| reader.name().to_owned());
    assert!(!file.contains(&token), "{file}");
    assert_eq!(named(&token).as_deref(), Some("grafana"));
    assert_eq!(named(&text(&second, "token")).as_deref(), Some("desk"));
    assert_eq!(named("quorate_reader_0"), None);
    let desk = readers.of(&text(&second, "token")).unwrap();
    assert!(desk.may_read(&"hot-1".parse().unwrap()) && !desk.may_read(&"cold".parse().unwrap()));

    for wrong in [&["a b"][..], &["desk", "--wallets", "a b"], &["desk", "--wallets", ""]] {
        let refused = run(&[&["reader", "generate"], wrong].concat());
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""), "{wrong:?}: {}", refused.stderr);
    }
}

#[test]
fn a_configuration_is_checked_with_its_certificate_and_its_readers() {
    let folder = TempDir::new().unwrap();
    let config = folder.path().join("node.yaml");
    let check = |settings: &str| {
        std::fs::write(&config, format!("node_id: node1\n{settings}")).unwrap();
        let report = run(&["node", "check-config", "--json", "--config", config.to_str().unwrap()]);
        let report: Value = serde_json::from_str(&report.stdout).unwrap();
        let checks = report["checks"].as_array().unwrap().clone();
        move |what: &str| {
            let found = checks.iter().find(|check| check["what"] == what);
            found.map(|check| {
                (check["state"].as_str().unwrap().to_owned(), check["detail"].as_str().unwrap().to_owned())
            })
        }
    };
    assert_eq!(check("")("API"), None);
    let (state, detail) = check("api_listen: 0.0.0.0:8080")("API").unwrap();
    assert!(state == "warning" && detail.contains("api_tls_cert"), "{state} {detail}");
    let (state, detail) = check("api_tls_cert: none.pem\napi_tls_key: none.key")("API").unwrap();
    assert!(state == "error" && detail.contains("none.pem"), "{state} {detail}");

    std::fs::write(folder.path().join("readers.yaml"), made(&["desk"])["entry"].as_str().unwrap()).unwrap();
    let (state, detail) = check("api_readers_path: readers.yaml")("readers").unwrap();
    assert!(state == "ok" && detail.contains("1 may read"), "{state} {detail}");
    std::fs::write(folder.path().join("readers.yaml"), "desk: {token_sha256: the-token-itself}").unwrap();
    let (state, detail) = check("api_readers_path: readers.yaml")("readers").unwrap();
    assert!(state == "error" && detail.contains("desk") && !detail.contains("the-token-itself"), "{detail}");
}
