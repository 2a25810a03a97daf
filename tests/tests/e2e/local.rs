//! `demo` and `dev`, as a new user runs them.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use quorate_tests::program::end_of;
use quorate_tests::{judge, report, tie};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::{observed, program};

const SECTION: &str = "First steps";
const COLUMNS: &[&str] = &["command", "observed"];

/// A command that serves, such as `quorate dev`, until dropped or interrupted.
pub(crate) struct Dev {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Dev {
    fn start(scratch: &Path, arguments: &[&str]) -> Self {
        let mut command = program().command();
        command.arg("dev").args(["--port", "0"]).args(arguments);
        command.env("TMPDIR", scratch);
        Self::spawn(command)
    }

    pub(crate) fn spawn(mut command: Command) -> Self {
        command.env(tie::VARIABLE, "1");
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out }
    }

    /// Reads what it prints up to a line that contains this.
    pub(crate) fn read_to(&mut self, last: &str) -> String {
        let mut text = String::new();
        loop {
            let from = text.len();
            assert!(self.out.read_line(&mut text).unwrap() > 0, "it ended: {text}");
            if text[from..].contains(last) {
                return text;
            }
        }
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGINT; gives the exit code.
    pub(crate) async fn interrupt(mut self) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                let mut rest = String::new();
                self.out.read_to_string(&mut rest).unwrap();
                assert_eq!(rest, "");
                return status.code();
            }
            assert!(started.elapsed() < Duration::from_secs(20), "it does not end");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().next().is_none()
}

#[tokio::test]
async fn demo_ends_with_verified_signatures() {
    report::columns(SECTION, COLUMNS);
    let scratch = TempDir::new().unwrap();
    // Primes are searched for once: by the fewest nodes.
    let without = ["demo", "--nodes", "5", "--threshold", "4", "--scheme", "ed25519,bip340"];
    for (arguments, signatures) in [(&["demo"][..], 9), (&without, 6)] {
        let ended = program().run_with(&[("TMPDIR", scratch.path().to_str().unwrap())], arguments).await;
        assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
        let verified =
            ended.stdout.lines().filter(|line| line.trim_start().starts_with("verified by")).count();
        assert_eq!(verified, signatures, "{}", ended.stdout);
        for shown in ["on Solana,", "0.5 SOL", "on Bitcoin,", "0.00099 BTC", "2 inputs"] {
            assert!(ended.stdout.contains(shown), "no {shown}: {}", ended.stdout);
        }
        for shown in ["on Ethereum,", "0.05 ETH", "presigned 3 signatures", "to send  0x02f8"] {
            assert_eq!(ended.stdout.contains(shown), signatures == 9, "{shown}: {}", ended.stdout);
        }
        let refused = ended.stdout.lines().filter(|line| line.trim_start().starts_with("refused ")).count();
        assert_eq!(refused, signatures / 3, "{}", ended.stdout);
        assert!(ended.stdout.contains("are left of 0.75 SOL in 24h"), "{}", ended.stdout);
        assert!(ended.stdout.contains("AWS-LC") && ended.stdout.contains("libsecp256k1"), "{}", ended.stdout);
        assert_eq!(ended.stderr, "");
        assert!(is_empty(scratch.path()), "demo left files behind");
        let seen = format!("exit 0, {signatures} signatures verified, nothing left behind");
        observed(SECTION, &[&arguments.join(" "), &seen]);
    }
}

#[tokio::test]
async fn the_printed_curl_lines_work_as_printed() {
    // The default is three nodes.
    the_curl_lines_work(&[], 2, 3).await;
}

#[tokio::test]
async fn the_printed_curl_lines_fit_the_number_of_nodes() {
    the_curl_lines_work(&["--nodes", "2"], 2, 2).await;
    the_curl_lines_work(&["--nodes", "5"], 3, 5).await;
}

async fn the_curl_lines_work(arguments: &[&str], threshold: usize, total: usize) {
    report::columns(SECTION, COLUMNS);
    let scratch = TempDir::new().unwrap();
    let mut dev = Dev::start(scratch.path(), arguments);
    let text = dev.read_to("Ctrl-C");
    let lines: Vec<_> =
        text.lines().filter(|line| line.starts_with("  curl ") || line.starts_with("  KEY=")).collect();
    assert_eq!(lines.len(), 5, "{text}");
    assert!(text.contains("/api/v1/keygen") && text.contains("/api/v1/sign"), "{text}");

    let mut shell = Command::new("sh");
    shell.arg("-ec").arg(lines.join("\necho\n")).stdin(Stdio::null());
    let ended = end_of(shell).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let answers: Vec<Value> = ended
        .stdout
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    assert_eq!(answers.len(), 4, "{}", ended.stdout);
    assert_eq!(answers[0]["status"], "completed", "{}", answers[0]);
    let hex = |value: &Value| hex::decode(value.as_str().unwrap().trim_start_matches("0x")).unwrap();
    let signature: [u8; 64] = hex(&answers[1]["signature"]).try_into().unwrap();
    assert!(
        judge::accepts("ed25519", &hex(&answers[1]["public_key"]), &[0x11; 32], &signature),
        "{}",
        answers[1]
    );
    let signers: Vec<_> = (1..=threshold).map(|number| format!("node{number}")).collect();
    assert_eq!(answers[1]["committee"], serde_json::json!(signers));
    assert_eq!(answers[0]["threshold"], threshold, "{}", answers[0]);
    assert_eq!(answers[0]["parties"].as_array().unwrap().len(), total, "{}", answers[0]);
    assert_eq!(answers[2].as_array().unwrap().len(), 2, "{}", answers[2]);
    assert_eq!(answers[3].as_array().unwrap().len(), total, "{}", answers[3]);
    let command = [&["dev"], arguments].concat().join(" ");
    let observation = "all answered, the signature verified by AWS-LC";
    observed(SECTION, &[&format!("{command}, its curl lines in sh"), observation]);

    assert!(!is_empty(scratch.path()));
    assert_eq!(dev.interrupt().await, Some(0));
    assert!(is_empty(scratch.path()), "dev left its folder behind");
    observed(SECTION, &[&format!("{command}, SIGINT"), "exit 0, its folder is gone"]);
}

#[tokio::test]
async fn dev_finds_its_wallets_again() {
    report::columns(SECTION, COLUMNS);
    let scratch = TempDir::new().unwrap();
    let data = scratch.path().join("kept");
    let arguments = ["--json", "--data", data.to_str().unwrap()];
    let mut keys = Vec::new();
    let mut cluster = None;
    for run in 0..2 {
        let mut dev = Dev::start(scratch.path(), &arguments);
        let line = dev.read_to("\n");
        let endpoints: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(endpoints["nodes"].as_array().unwrap().len(), 3, "{line}");
        assert_eq!(endpoints["nodes"][0]["name"], "node1");
        assert_eq!(
            cluster.get_or_insert(endpoints["cluster"].clone()),
            &endpoints["cluster"],
            "another cluster"
        );
        let gateway = endpoints["gateway"].as_str().unwrap();
        if run == 0 {
            for curve in [&["--curve", "ed25519"][..], &["--curve", "secp256k1", "--protocol", "frost"]] {
                let create =
                    ["wallet", "create", "--threshold", "2", "--total", "3", "--json", "--api", gateway];
                let made = program().succeed(create.iter().chain(curve)).await;
                let made: Value = serde_json::from_str(&made).unwrap();
                keys.push(made["public_key"].clone());
            }
        }
        let listed = program().succeed(["wallet", "list", "--json", "--api", gateway]).await;
        let listed: Vec<Value> = serde_json::from_str(&listed).unwrap();
        assert_eq!(listed.len(), 2);
        assert!(
            keys.iter().all(|key| listed.iter().any(|wallet| wallet["public_key"] == *key)),
            "{listed:?}"
        );
        for wallet in &listed {
            let name = wallet["wallet_id"].as_str().unwrap();
            program().succeed(["sign", "--wallet", name, "--message", "hello", "--api", gateway]).await;
        }
        assert_eq!(dev.interrupt().await, Some(0));
        assert!(data.join("node1").exists(), "the folder is to be kept");
    }
    observed(SECTION, &["dev --data DIR, again", "the same cluster, its wallets sign"]);
}

#[tokio::test]
async fn dev_says_when_its_port_is_taken() {
    let scratch = TempDir::new().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let environment = [("TMPDIR", scratch.path().to_str().unwrap())];
    let ended = program().run_with(&environment, ["dev", "--port", &port]).await;
    assert_ne!(ended.code, Some(0));
    assert!(ended.stderr.contains(&port) && ended.stderr.contains("--port"), "{}", ended.stderr);
    assert!(is_empty(scratch.path()));
}
