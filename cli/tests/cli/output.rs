//! Where results go: to pipes that close, to full disks, to shells and manuals.

use std::io::Read;
use std::process::Stdio;

use tempfile::TempDir;

use crate::{command, node, run};

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let api = node::serve();
    for arguments in [
        &["completions", "bash"][..],
        &["--help"],
        &["chains", "list"],
        &["wallet", "list", "--json", "--api", &api],
    ] {
        for read in [0, 1] {
            let mut child = command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            let mut out = child.stdout.take().unwrap();
            out.read_exact(&mut vec![0; read]).unwrap();
            drop(out);
            let ended = child.wait_with_output().unwrap();
            let stderr = String::from_utf8(ended.stderr).unwrap();
            assert_eq!((ended.status.code(), stderr.as_str()), (Some(0), ""), "{arguments:?}");
        }
    }
}

#[test]
fn a_full_disk_is_one() {
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    let ended = command(&["chains", "list"]).stdout(full()).stderr(Stdio::piped()).spawn().unwrap();
    let ended = ended.wait_with_output().unwrap();
    let stderr = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("standard output"), "{stderr}");
    // Help goes there, too.
    for arguments in [&["--help"][..], &["--version"], &["wallet", "create", "--help"]] {
        let ended = command(arguments).stdout(full()).stderr(Stdio::piped()).spawn().unwrap();
        let ended = ended.wait_with_output().unwrap();
        let stderr = String::from_utf8(ended.stderr).unwrap();
        assert_eq!((ended.status.code(), stderr.contains("standard output")), (Some(1), true), "{stderr}");
    }
}

#[test]
fn a_command_whose_outputs_are_closed_ends_as_it_would() {
    let program = env!("CARGO_BIN_EXE_quorate");
    for (line, code) in [
        ("chains list >&-", 0),
        ("--help >&-", 0),
        ("peers list --peers /missing >&- 2>&-", 3),
        ("nonsense 2>&-", 2),
        ("chains list <&- >&- 2>&-", 0),
        ("peers list --peers /missing 2>/dev/full", 3),
    ] {
        let mut shell = std::process::Command::new("sh");
        let ended = shell.args(["-c", &format!("exec {program} {line}")]).env_clear().output().unwrap();
        assert_eq!(ended.status.code(), Some(code), "{line}");
        assert_eq!(String::from_utf8_lossy(&ended.stderr), "", "{line}");
    }
}

#[test]
fn a_demonstration_tells_programs_what_it_did() {
    let report = demonstrated("ed25519,bip340");
    for wallet in report["wallets"].as_array().unwrap() {
        assert!(wallet.get("presigned").is_none(), "{wallet}");
    }
}

/// It takes minutes on two cores: primes are searched for.
#[test]
fn a_demonstration_of_ecdsa_presigns_and_pays_on_ethereum() {
    let report = demonstrated("ecdsa-secp256k1");
    let wallet = &report["wallets"][0];
    assert_eq!(wallet["presigned"], 3, "{wallet}");
    assert!(wallet["address"].as_str().unwrap().starts_with("0x"), "{wallet}");
    let paid = &wallet["signatures"][2];
    assert!(paid["signed_transaction"].as_str().unwrap().starts_with("0x02f8"), "{paid}");
    for made in wallet["signatures"].as_array().unwrap() {
        assert!([0, 1].contains(&made["recovery_id"].as_u64().unwrap()), "{made}");
    }
}

/// What a demonstration of some schemes says it did.
fn demonstrated(schemes: &str) -> serde_json::Value {
    let ended = run(&["demo", "--json", "--scheme", schemes]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert_eq!(ended.stdout.lines().count(), 1, "{}", ended.stdout);
    let report: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&report["verified"], report["nodes"].as_array().unwrap().len()), (&true.into(), 3));
    let wallets = report["wallets"].as_array().unwrap();
    let shown: Vec<_> = wallets.iter().map(|wallet| wallet["scheme"].as_str().unwrap()).collect();
    assert_eq!(shown.join(","), schemes);
    for wallet in wallets {
        let signatures = wallet["signatures"].as_array().unwrap();
        assert_eq!(signatures.len(), 3, "{wallet}");
        assert!(signatures.iter().all(|made| made["verified"] == true), "{wallet}");
        let refusal = &wallet["refusal"];
        assert_eq!(refusal["code"], "policy_denied", "{wallet}");
        let message = refusal["message"].as_str().unwrap();
        assert!(message.contains("pocket money: ") && message.contains("in 24h"), "{message}");
        assert!(signatures[0]["signature"].is_string() && signatures[2]["tx_id"].is_string(), "{wallet}");
    }
    report
}

#[test]
fn every_shell_gets_its_completions() {
    for (shell, sign) in [
        ("bash", "complete "),
        ("zsh", "#compdef quorate"),
        ("fish", "complete -c quorate"),
        ("elvish", "edit:completion"),
        ("powershell", "Register-ArgumentCompleter"),
    ] {
        let made = run(&["completions", shell]);
        assert_eq!((made.code, made.stderr.as_str()), (Some(0), ""), "{shell}");
        assert!(made.stdout.contains(sign), "{shell}: no {sign}");
        for word in ["address", "message-hash", "completions", "allow-foreign-inputs"] {
            assert!(made.stdout.contains(word), "{shell}: no {word}");
        }
    }
    // Bash at least is wherever tests run.
    let folder = TempDir::new().unwrap();
    // Longer than an argument may be.
    let script = folder.path().join("quorate.bash");
    std::fs::write(&script, run(&["completions", "bash"]).stdout).unwrap();
    let check = std::process::Command::new("bash").arg("-n").arg(&script).output().unwrap();
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = TempDir::new().unwrap();
    let pages = folder.path().join("man/man1");
    let made = run(&["man", pages.to_str().unwrap()]);
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    for name in
        ["quorate", "quorate-sign", "quorate-wallet-address", "quorate-node-start", "quorate-bench-sign"]
    {
        let page = std::fs::read_to_string(pages.join(format!("{name}.1"))).unwrap();
        assert!(page.contains(".TH") && page.contains(".SH OPTIONS"), "{name}: {page}");
    }
    let count = std::fs::read_dir(&pages).unwrap().count();
    assert!(made.stdout.starts_with(&format!("{count} pages in ")), "{}", made.stdout);
    // Again over those that are there.
    assert_eq!(run(&["man", pages.to_str().unwrap()]).code, Some(0));
}
