//! What is only on terminals: colours, and the line that says what a command is doing. And signals.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use tempfile::TempDir;

use crate::{command, node, run};

/// How a command ended that had a terminal for its messages, and all that was written there.
struct Seen {
    code: Option<i32>,
    stdout: String,
    terminal: String,
}

fn on_terminal(mut command: Command) -> Seen {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let slave = File::options().read(true).write(true).open(name).unwrap();
    let child = command.stdout(Stdio::piped()).stderr(slave).spawn().unwrap();
    // It holds the other end, which has to be closed for the reading to end.
    drop(command);
    let reading = std::thread::spawn(move || {
        let (mut master, mut seen, mut chunk) = (File::from(master), Vec::new(), [0; 4096]);
        while let Ok(count @ 1..) = master.read(&mut chunk) {
            seen.extend(&chunk[..count]);
        }
        String::from_utf8(seen).unwrap()
    });
    let ended = child.wait_with_output().unwrap();
    let stdout = String::from_utf8(ended.stdout).unwrap();
    Seen { code: ended.status.code(), stdout, terminal: reading.join().unwrap() }
}

#[test]
fn who_waits_at_a_terminal_is_told_what_for() {
    let api = node::serve_after(Duration::from_millis(1500));
    let list = ["wallet", "list", "--api", &api];
    let watched = |arguments: &[&str], terminal: &str| {
        let mut command = command(arguments);
        command.env("TERM", terminal);
        on_terminal(command)
    };
    let seen = watched(&list, "xterm");
    assert_eq!(seen.code, Some(0), "{}", seen.terminal);
    assert!(seen.stdout.contains("treasury") && !seen.stdout.contains('\x1b'), "{}", seen.stdout);
    assert!(seen.terminal.contains("reading the wallets (1 s)"), "{:?}", seen.terminal);
    // Nothing of it stays.
    assert!(seen.terminal.ends_with("\r\x1b[2K"), "{:?}", seen.terminal);

    // A program listens; a terminal that knows nothing but lines; no terminal.
    for (arguments, terminal) in [(&[&list[..], &["--json"]].concat()[..], "xterm"), (&list, "dumb")] {
        let seen = watched(arguments, terminal);
        assert_eq!((seen.code, seen.terminal.as_str()), (Some(0), ""), "{arguments:?}");
    }
    let ended = run(&list);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}

#[test]
fn who_waits_for_long_work_is_told_how_far_it_is() {
    let api = node::serve_after(Duration::from_millis(3500));
    let presign = ["presign", "--wallet", "till", "--count", "100", "--session-id", "slow", "--api", &api];
    let mut long = command(&presign);
    long.env("TERM", "xterm");
    let seen = on_terminal(long);
    assert_eq!(seen.code, Some(0), "{}", seen.terminal);
    assert!(seen.terminal.contains("presigning (0 s)"), "{:?}", seen.terminal);
    let told = "presigning: presignatures [========                ] 32 of 100 (2 s)";
    assert!(seen.terminal.contains(told), "{:?}", seen.terminal);
    assert!(seen.stdout.contains("available   140"), "{}", seen.stdout);
    assert!(seen.terminal.ends_with("\r\x1b[2K"), "{:?}", seen.terminal);
}

#[test]
fn colours_are_for_terminals_whose_owner_wants_them() {
    let folder = TempDir::new().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "open sesame").unwrap();
    let (secret, out) = (secret.to_str().unwrap(), folder.path().join("id"));
    let warns = ["identity", "generate", "--out", out.to_str().unwrap(), "--passphrase-file", secret];
    let cases: &[(&[&str], &str)] = &[
        (&["identity", "show", "/missing"], "error:"),
        (&["identity", "show", "/missing"], "tip:"),
        (&["nonsense"], "error:"),
        (&warns, "warning:"),
    ];
    for (arguments, word) in cases {
        for (name, value, coloured) in [
            ("NO_COLOR", "", true),
            ("NO_COLOR", "1", false),
            ("TERM", "dumb", false),
            ("TERM", "xterm", true),
        ] {
            std::fs::remove_file(&out).ok();
            let mut command = command(arguments);
            command.env("TERM", "xterm").env(name, value);
            let seen = on_terminal(command);
            assert!(seen.terminal.contains(word), "{arguments:?}: {:?}", seen.terminal);
            let found = seen.terminal.contains(&format!("m{word}\x1b[0m"));
            let any = seen.terminal.replace("\r\x1b[2K", "").contains('\x1b');
            assert_eq!((found, any), (coloured, coloured), "{name}={value} {:?}", seen.terminal);
        }
        std::fs::remove_file(&out).ok();
        let ended = run(arguments);
        assert!(ended.stderr.contains(word) && !ended.stderr.contains('\x1b'), "{}", ended.stderr);
    }
}

#[test]
fn what_is_interrupted_leaves_nothing_behind() {
    // While files are made; while nodes work; while it measures.
    for (arguments, told, patience) in [
        (&["demo"][..], "Starting", 0),
        (&["demo", "--nodes", "7"], "A 4-of-7 ed25519 wallet", 0),
        (&["bench", "sign", "--duration", "600"], "", 4),
    ] {
        let folder = TempDir::new().unwrap();
        let mut command = command(arguments);
        command.env("TMPDIR", folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.starts_with(told) {
            line.clear();
            assert_ne!(stdout.read_line(&mut line).unwrap(), 0, "{arguments:?} never told {told}");
        }
        std::thread::sleep(Duration::from_secs(patience));
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::INT).unwrap();
        let ended = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(
            (ended.status.code(), stderr.as_str()),
            (Some(130), "error: interrupted\n"),
            "{arguments:?}"
        );
        let left: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().flatten().map(|file| file.path()).collect();
        assert_eq!(left, Vec::<std::path::PathBuf>::new(), "{arguments:?}");
    }
}

#[test]
fn a_cluster_that_has_just_told_its_addresses_can_be_stopped() {
    let folder = TempDir::new().unwrap();
    let mut command = command(&["dev", "--port", "0", "--json"]);
    command.env("TMPDIR", folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut told = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut told).unwrap();
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["nodes"].as_array().unwrap().len(), 3, "{told}");
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let ended = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(ended.stderr).unwrap();
    // Nodes that stop may see that others have gone before them, and warn.
    assert_eq!((ended.status.code(), stderr.contains("ERROR")), (Some(0), false), "{stderr}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "it left files behind");
}
