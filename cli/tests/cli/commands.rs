//! Commands that need no cluster: how they end, what they say, what they leave behind.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::run;

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn wrong_arguments_are_usage_errors_and_missing_files_are_not() {
    let signature = format!("0x{}", "11".repeat(64));
    let usage: &[&[&str]] = &[
        &["sign", "--wallet", "w", "--message", "x", "--taproot", "xyz"],
        &["sign", "--wallet", "w", "--message", "x", "--path", "m/0'"],
        &["sign", "--wallet", "w", "--message-hash", "0x11"],
        &[
            "verify",
            "--scheme",
            "bip340",
            "--public-key",
            "0x11",
            "--message",
            "x",
            "--signature",
            &signature,
        ],
        &["peers", "generate", "--node", "node1=0x12@h:1"],
        &["peers", "generate", "--node", "Node_1=id.json@h:1"],
        &["peers", "generate", "--node", "node1=id.json@h"],
        &["demo", "--nodes", "1"],
        &["demo", "--threshold", "1"],
        &["demo", "--nodes", "3", "--threshold", "4"],
        &["demo", "--nodes", "5", "--threshold", "2"],
        &["dev", "--nodes", "101"],
        &["wallet", "create", "--threshold", "3", "--total", "2"],
        &["wallet", "list", "--peers", "peers.yaml"],
        &["wallet", "list", "--api", "https://node1"],
        &["node", "start", "--set", "listen"],
    ];
    for arguments in usage {
        let ended = run(arguments);
        assert_eq!(ended.code, Some(2), "{arguments:?}: {}", ended.stderr);
        assert!(
            ended.stdout.is_empty() && ended.stderr.starts_with("error: "),
            "{arguments:?}: {}",
            ended.stderr
        );
    }
    let missing: &[&[&str]] = &[
        &["evidence", "verify", "/missing/file"],
        &["peers", "list", "--peers", "/missing/file"],
        &["peers", "generate", "--node", "node1=/missing/file@h:1"],
        &["identity", "show", "/missing/file"],
        &["identity", "generate", "--out", "/missing/file"],
        &["identity", "generate", "--out", "x", "--passphrase-file", "/missing/file"],
        &["wallet", "list", "--initiator", "/missing/file", "--peers", "/missing/file"],
        &["node", "start", "--config", "/missing/file"],
    ];
    for arguments in missing {
        let ended = run(arguments);
        assert_eq!(ended.code, Some(3), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains("/missing/file"), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.matches("(os error").count() <= 1, "{arguments:?}: {}", ended.stderr);
    }
}

#[test]
fn errors_are_json_where_results_are() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("some.evidence");
    std::fs::write(&file, "no evidence").unwrap();
    let signature = format!("0x{}", "11".repeat(64));
    let key = "0xd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    let file = file.to_str().unwrap();
    let cases: &[(&[&str], i32, &str)] = &[
        (&["peers", "list", "--peers", "/missing", "--json"], 3, "configuration"),
        (&["sign", "--wallet", "w", "--message", "x", "--taproot", "xyz", "--json"], 2, "usage"),
        (&["evidence", "verify", file, "--json"], 6, "not_verified"),
        (
            &[
                "verify",
                "--scheme",
                "ed25519",
                "--public-key",
                key,
                "--message",
                "x",
                "--signature",
                &signature,
                "--json",
            ],
            6,
            "not_verified",
        ),
    ];
    for (arguments, code, name) in cases {
        let ended = run(arguments);
        assert_eq!(ended.code, Some(*code), "{arguments:?}: {}", ended.stderr);
        let error: Value = serde_json::from_str(ended.stderr.lines().last().unwrap()).unwrap();
        assert_eq!(error["code"], *name, "{error}");
        assert!(error["message"].as_str().unwrap().len() > 5, "{error}");
        if *code == 6 {
            let result: Value = serde_json::from_str(&ended.stdout).unwrap();
            assert_eq!(result["valid"], false, "{result}");
        } else {
            assert_eq!(ended.stdout, "");
        }
    }
    let unproven = run(&["evidence", "verify", file, "--json"]);
    assert!(
        serde_json::from_str::<Value>(&unproven.stdout).unwrap()["reason"].is_string(),
        "{}",
        unproven.stdout
    );
}

#[test]
fn help_tells_the_exit_codes_and_the_common_options_last() {
    let help = run(&["--help"]);
    assert_eq!(help.code, Some(0));
    for code in 0..=6 {
        assert!(help.stdout.contains(&format!("\n  {code}  ")), "{}", help.stdout);
    }
    let sign = run(&["sign", "--help"]).stdout;
    let at = |option: &str| sign.find(option).unwrap_or_else(|| panic!("no {option}: {sign}"));
    assert!(at("--verbose") > at("--passphrase-file") && at("--verbose") > at("--session-id"), "{sign}");
}

#[test]
fn a_node_is_made_as_a_whole_or_not_at_all() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("node");
    let init = ["node", "init", "--name", "node1", "--data", data.to_str().unwrap()];
    std::fs::create_dir(&data).unwrap();

    // The last step fails: its name is taken by a link that leads nowhere.
    symlink("/missing/file", data.join("node.yaml")).unwrap();
    let failed = run(&init);
    assert_eq!(failed.code, Some(3), "{}", failed.stderr);
    assert!(failed.stderr.contains("node.yaml"), "{}", failed.stderr);
    assert_eq!(files(&data), ["node.yaml"], "{}", failed.stderr);
    std::fs::remove_file(data.join("node.yaml")).unwrap();

    // What is there is left alone, and nothing is made beside it.
    for name in ["node.yaml", "store.redb", "identity.json"] {
        std::fs::write(data.join(name), "mine").unwrap();
        let refused = run(&init);
        assert_eq!(refused.code, Some(3), "{}", refused.stderr);
        assert!(refused.stderr.contains(name), "{}", refused.stderr);
        assert_eq!(files(&data), [name]);
        assert_eq!(std::fs::read_to_string(data.join(name)).unwrap(), "mine");
        std::fs::remove_file(data.join(name)).unwrap();
    }

    let made = run(&init);
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    assert_eq!(files(&data), ["identity.json", "node.yaml", "store.redb"]);
    // Everything of a node is in its folder, the peers file too, unless it is said where that is.
    let config = std::fs::read_to_string(data.join("node.yaml")).unwrap();
    let peers_path = data.join("peers.yaml").display().to_string();
    assert!(config.contains(&format!("peers_path: {peers_path}\n")), "{config}");
    assert!(made.stdout.contains(&peers_path), "{}", made.stdout);
    let before = std::fs::read(data.join("identity.json")).unwrap();
    let again = run(&init);
    assert_eq!(again.code, Some(3));
    assert!(again.stderr.contains("quorate node start"), "{}", again.stderr);
    assert_eq!(std::fs::read(data.join("identity.json")).unwrap(), before);
}

#[test]
fn a_passphrase_file_that_others_can_read_is_pointed_out() {
    let folder = TempDir::new().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "open sesame\n").unwrap();
    for (mode, warned) in
        [(0o644, true), (0o640, true), (0o620, true), (0o601, true), (0o600, false), (0o400, false)]
    {
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(mode)).unwrap();
        let out = folder.path().join(format!("{mode:o}.json"));
        let secret = secret.to_str().unwrap();
        let ended =
            run(&["identity", "generate", "--out", out.to_str().unwrap(), "--passphrase-file", secret]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let said = ended.stderr.contains("not its owner's alone") && ended.stderr.contains(secret);
        assert_eq!(said, warned, "{mode:o}: {}", ended.stderr);
    }
}
