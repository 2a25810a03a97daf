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
    let script = run(&["completions", "bash"]).stdout;
    let check = std::process::Command::new("bash").args(["-n", "-c", &script]).output().unwrap();
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
