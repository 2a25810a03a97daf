//! Commands that need no cluster: how they end, what they say, what they leave behind.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::{command, node, run};

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
        &["wallet", "list", "--api", "ftp://node1"],
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
        assert!(help.stdout.contains(&format!("\n  {code}    ")), "{}", help.stdout);
    }
    let sign = run(&["sign", "--help"]).stdout;
    let at = |option: &str| sign.find(option).unwrap_or_else(|| panic!("no {option}: {sign}"));
    assert!(at("--verbose") > at("--session-id") && at("\nCluster:\n") > at("--verbose"), "{sign}");
    assert!(at("--api") > at("\nCluster:\n") && at("--passphrase-file") > at("\nCluster:\n"), "{sign}");
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

/// A signature that does not verify.
fn wrong_signature() -> Vec<String> {
    let key = "0xd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    let signature = format!("0x{}", "11".repeat(64));
    ["verify", "--scheme", "ed25519", "--public-key", key, "--message", "x", "--signature", &signature]
        .map(Into::into)
        .into()
}

/// A vector of Wycheproof for P-256.
#[test]
fn ecdsa_is_verified_over_the_digest_and_with_low_s_only() {
    let key = "0x042927b10512bae3eddcfe467828128bad2903269919f7086069c8c4df6c732838\
               c7787964eaac00e5921fb1498a60f4606766b3d9685001558d1a974e7341513e";
    let digest = "0xbb5a52f42f9c9261ed4361f59422a1e30036e7c32b270c8807a419feca605023";
    let r = "2ba3a8be6b94d5ec80a6d9d1190a436effe50d85a1eee859b8cc6af9bd5c2e18";
    let low = format!("0x{r}4cd60b855d442f5b3c7b11eb6c4e0ae7525fe710fab9aa7c77a67f79e6fadd76");
    // n − s.
    let high = format!("0x{r}b329f479a2bbd0a5c384ee1493b1f5186a87139cac5df4087c134b49156847db");
    let verify = |how: &str, message: &str, signature: &str| {
        let known = ["verify", "--scheme", "ecdsa-p256", "--public-key", key];
        run(&[&known[..], &[how, message, "--signature", signature]].concat())
    };
    let ended = verify("--message-hash", digest, &low);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let ended = verify("--message-hash", digest, &high);
    assert_eq!(ended.code, Some(6), "{}", ended.stderr);
    let ended = verify("--message", "123400", &low);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("digests of 32 bytes, got 6 bytes"), "{}", ended.stderr);
    assert_eq!(verify("--digest", digest, &low).code, Some(0));
}

#[test]
fn each_exit_code_is_that_of_its_kind_and_documented() {
    let api = node::serve();
    let wrong = wrong_signature();
    let wrong: Vec<&str> = wrong.iter().map(String::as_str).collect();
    let cases: &[(i32, &[&str])] = &[
        (0, &["chains", "list"]),
        (2, &["wallet", "create", "--threshold", "x"]),
        (2, &["wallet", "create", "--threshold", "3", "--total", "2"]),
        (3, &["peers", "list", "--peers", "/missing"]),
        (3, &["node", "check-config", "--set", "round_timeut=1s"]),
        (4, &["wallet", "show", "nobody", "--api", &api]),
        (5, &["wallet", "list", "--api", "http://127.0.0.1:1"]),
        (6, &wrong),
        (6, &["wallet", "show", "twisted", "--api", &api]),
    ];
    for (code, arguments) in cases {
        let ended = run(arguments);
        assert_eq!(ended.code, Some(*code), "{arguments:?}: {}", ended.stderr);
    }
    // 1 is that of a full disk behind standard output, 130 that of signals: in tests of their own.
    let help = run(&["--help"]).stdout;
    let documented = include_str!("../../../docs/api.md");
    let codes = help.lines().skip_while(|line| *line != "Exit codes:").skip(1);
    let codes: Vec<_> = codes.take_while(|line| !line.is_empty()).collect();
    assert_eq!(codes.len(), 8, "{help}");
    for line in codes {
        let (code, meaning) = line.trim().split_once(' ').unwrap();
        assert!(documented.contains(&format!("| {code} | {} |", meaning.trim())), "docs/api.md: {line}");
    }
}

#[test]
fn every_result_is_one_line_of_json() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (identity, initiator, peers, node) = (path("id"), path("initiator"), path("peers"), path("node"));
    let api = node::serve();
    let entry = format!("node1={identity}@10.0.0.1:7000");
    let config = format!("{node}/node.yaml");
    let wrong = wrong_signature();
    let wrong: Vec<&str> = wrong.iter().map(String::as_str).collect();
    let commands: &[(&[&str], i32, &str)] = &[
        (&["identity", "generate", "--out", &identity], 0, "identity"),
        (&["identity", "show", &identity], 0, "identity"),
        (&["initiator", "generate", "--out", &initiator], 0, "identity"),
        (&["initiator", "show", &initiator], 0, "identity"),
        (&["peers", "generate", "--node", &entry, "--out", &peers], 0, "file"),
        (&["peers", "list", "--peers", &peers], 0, "nodes"),
        (&["node", "init", "--name", "node1", "--data", &node], 0, "config"),
        (&["node", "check-config", "--config", &config], 3, "checks"),
        (&["node", "status", "--api", &api], 0, "ready"),
        (&["wallet", "show", "treasury", "--api", &api], 0, "wallet_id"),
        (&["wallet", "address", "treasury", "--api", &api], 0, "addresses"),
        (&["evidence", "verify", &peers], 6, "valid"),
        (&wrong, 6, "valid"),
    ];
    for (arguments, code, field) in commands {
        let ended = run(&[arguments, &["--json"][..]].concat());
        assert_eq!(ended.code, Some(*code), "{arguments:?}: {}", ended.stderr);
        assert_eq!(ended.stdout.lines().count(), 1, "{arguments:?}: {}", ended.stdout);
        let result: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert!(!result[field].is_null(), "{arguments:?}: no {field}: {result}");
        if *code == 0 {
            assert_eq!(ended.stderr, "", "{arguments:?}");
        }
    }
    for arguments in [&["wallet", "list", "--api", &api, "--json"][..], &["chains", "list", "--json"]] {
        let listed: Value = serde_json::from_str(&run(arguments).stdout).unwrap();
        assert!(listed.as_array().is_some_and(|rows| rows.len() >= 2), "{arguments:?}: {listed}");
    }
}

#[test]
fn a_file_that_was_named_by_mistake_stays_as_it_is() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("notes");
    std::fs::write(&file, "not an identity").unwrap();
    let inner = folder.path().join("folder");
    std::fs::create_dir(&inner).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::set_permissions(&inner, std::fs::Permissions::from_mode(0o755)).unwrap();
    for path in [&file, &inner] {
        let before = std::fs::metadata(path).unwrap().permissions().mode();
        let path = path.to_str().unwrap();
        for arguments in [
            &["identity", "show", path][..],
            &["initiator", "show", path],
            &["peers", "generate", "--node", &format!("node1={path}@h:1")],
            &["wallet", "list", "--initiator", path, "--peers", &peers_file(folder.path())],
        ] {
            let ended = run(arguments);
            assert_eq!(ended.code, Some(3), "{arguments:?}: {}", ended.stderr);
            assert!(ended.stderr.starts_with("error: ") && ended.stderr.contains(path), "{}", ended.stderr);
        }
        assert_eq!(std::fs::metadata(path).unwrap().permissions().mode(), before, "{path}");
    }
}

/// A peers file of one node.
fn peers_file(folder: &Path) -> String {
    let file = folder.join("peers.yaml").to_str().unwrap().to_owned();
    let identity = "0xd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    if !Path::new(&file).exists() {
        let entry = format!("node1={identity}@10.0.0.1:7000");
        assert_eq!(run(&["peers", "generate", "--node", &entry, "--out", &file]).code, Some(0));
    }
    file
}

#[test]
fn nobody_thinks_of_a_passphrase_for_a_file_that_can_not_be_made() {
    let folder = TempDir::new().unwrap();
    let there = folder.path().join("there");
    std::fs::write(&there, "mine").unwrap();
    let nowhere = folder.path().join("no/folder/id.json");
    for (out, reason) in [(&there, "never overwritten"), (&nowhere, "there is no folder")] {
        // Without a passphrase and without a terminal: it would be missed first.
        let mut command = command(&["initiator", "generate", "--out", out.to_str().unwrap()]);
        let ended = command.env_remove("QUORATE_PASSPHRASE").output().unwrap();
        let stderr = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(3), "{stderr}");
        assert!(stderr.contains(reason), "{stderr}");
    }
}

#[test]
fn a_port_that_is_taken_is_named_with_a_way_out() {
    let folder = TempDir::new().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let ended = command(&["dev", "--port", &address.port().to_string()])
        .env("TMPDIR", folder.path())
        .output()
        .unwrap();
    let stderr = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(3), "{stderr}");
    let said = format!(
        "error: the gateway can't listen on {address}: Address already in use\n\n  \
         tip: choose another --port; 0 takes any that is free\n"
    );
    assert_eq!(stderr, said);
    assert_eq!(files(folder.path()), Vec::<String>::new());
}

#[test]
fn a_log_filter_that_can_not_be_read_is_pointed_out() {
    let folder = TempDir::new().unwrap();
    let peers = peers_file(folder.path());
    for (filter, warned) in [("quorate_node=loud", true), ("", false), ("debug,quorate_node=trace", false)] {
        let ended =
            command(&["peers", "list", "--peers", &peers]).env("QUORATE_LOG", filter).output().unwrap();
        let stderr = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(0), "{stderr}");
        assert_eq!(
            stderr.starts_with("warning: QUORATE_LOG is not understood"),
            warned,
            "{filter}: {stderr}"
        );
    }
}
