//! The audit log of a node: shown, verified and exported.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use quorate_audit::{Countersignature, Event, Log, Options, Scope, SignedHead};
use quorate_keys::{Secret, SigningIdentity};
use rand_core::OsRng;
use serde_json::Value;
use tempfile::TempDir;

use crate::{Ended, run};

const SCOPE: [u8; 32] = [0x11; 32];

fn identity(seed: u8) -> SigningIdentity {
    SigningIdentity::from_seed(&Secret::new([seed; 32]))
}

/// A log of node1 in several files, and the peers file of its cluster.
struct Home {
    folder: TempDir,
    head: SignedHead,
}

impl Home {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let audit = folder.path().join("audit");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let head = runtime.block_on(async {
            let options = Options::default().segment_bytes(1000);
            let log = Log::open(&audit, Arc::new(identity(1)), Scope(SCOPE), options, &mut OsRng).unwrap();
            for n in 1..=4 {
                let request = format!("r{n}");
                log.append(Event::new("request").text("request", &request)).await.unwrap();
                std::thread::sleep(Duration::from_millis(2));
                let signing = Event::new("signing").text("request", &request).text("session", n);
                let wallet = if n % 2 == 0 { "till" } else { "treasury" };
                let signing = signing.text("wallet", wallet).list("signers", ["node1", "node2"]);
                let signing = signing.integer("attempt", n).text("note", "a \"b\"\n\u{1b}[2K\u{9b}");
                log.append(signing).await.unwrap();
            }
            let head = log.signed_head();
            let by = Countersignature::sign(&head.head, &identity(2));
            log.append_checkpoint(&head, &[by]).await.unwrap();
            log.append(Event::new("stopped")).await.unwrap();
            log.close().await;
            head
        });
        let mut peers = format!("cluster: '0x{}'\npeers:\n", hex::encode(SCOPE));
        for n in 1..=3 {
            let identity = identity(n).identity();
            peers +=
                &format!("  - name: node{n}\n    identity: '{identity}'\n    address: 10.0.0.{n}:7000\n");
        }
        std::fs::write(folder.path().join("peers.yaml"), peers).unwrap();
        Self { folder, head }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn segments(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.path("audit")).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = entries.filter(|path| path.extension().is_some()).collect();
        files.sort();
        assert!(files.len() > 2, "{files:?}");
        files
    }

    fn text(&self) -> String {
        self.segments().iter().map(|file| std::fs::read_to_string(file).unwrap()).collect()
    }

    /// The lines of which this holds.
    fn lines(&self, wanted: impl Fn(&Value) -> bool) -> String {
        let text = self.text();
        let wanted = text.lines().filter(|line| wanted(&serde_json::from_str(line).unwrap()));
        wanted.map(|line| format!("{line}\n")).collect()
    }

    fn run(&self, command: &str, options: &[&str]) -> Ended {
        run(&[&["audit", command, &self.path("audit")], options].concat())
    }

    /// What verification says of node1's log.
    fn verify(&self, options: &[&str]) -> Ended {
        let peers = self.path("peers.yaml");
        self.run("verify", &[&["--peers", &peers, "--node", "node1"], options].concat())
    }

    /// Changes the log's entry of this number; where that is.
    fn edit(&self, seq: u64) -> (String, usize) {
        let start = format!("{{\"seq\":{seq},");
        for file in self.segments() {
            let text = std::fs::read_to_string(&file).unwrap();
            if let Some(at) = text.lines().position(|line| line.starts_with(&start)) {
                let edited = text.lines().enumerate().map(|(number, line)| {
                    let line = if number == at { line.replace(":\"r2", ":\"r9") } else { line.to_owned() };
                    line + "\n"
                });
                std::fs::write(&file, edited.collect::<String>()).unwrap();
                return (file.to_str().unwrap().to_owned(), at + 1);
            }
        }
        panic!("no entry {seq}");
    }
}

#[test]
fn entries_are_shown_as_they_are_or_in_a_table() {
    let home = Home::new();
    let all = home.run("show", &["--json"]);
    assert_eq!((all.code, all.stdout, all.stderr), (Some(0), home.text(), String::new()));

    let table = home.run("show", &[]);
    let rows: Vec<&str> = table.stdout.lines().collect();
    assert_eq!((table.code, rows.len()), (Some(0), 12), "{}", table.stdout);
    assert!(rows[0].starts_with("SEQ      TIME                      EVENT       FIELDS"), "{}", rows[0]);
    assert!(rows[1].starts_with("1        20") && rows[1].contains("Z  opened      owner=0x"), "{}", rows[1]);
    let signing = "signing     request=r1 session=1 wallet=treasury signers=node1,node2 attempt=1 note=";
    assert!(rows[3].contains(signing), "{}", rows[3]);
    // Nothing in it forges a row or steers a terminal.
    assert!(rows[3].ends_with(r#"note="a \"b\"\n\u001b[2K\u{9b}""#), "{}", rows[3]);

    let none = home.run("show", &["--wallet", "nobody's"]);
    assert_eq!((none.code, none.stdout.as_str()), (Some(0), "no entries\n"));
    let none = home.run("show", &["--wallet", "nobody's", "--json"]);
    assert_eq!((none.code, none.stdout.as_str()), (Some(0), ""));
}

#[test]
fn each_filter_leaves_the_entries_that_it_names() {
    let home = Home::new();
    let shown = |options: &[&str]| {
        let ended = home.run("show", &[options, &["--json"]].concat());
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{options:?}");
        ended.stdout
    };
    let text = home.text();
    let lines: Vec<&str> = text.lines().collect();
    let some = |range: std::ops::Range<usize>| lines[range].join("\n") + "\n";
    assert_eq!(shown(&["--event", "opened,stopped"]), home.lines(|e| e["seq"] == 1 || e["seq"] == 11));
    assert_eq!(shown(&["--session", "3"]), home.lines(|e| e["session"] == "3"));
    // The id that the client knows.
    assert_eq!(shown(&["--session", "r3"]), home.lines(|e| e["request"] == "r3"));
    assert_eq!(shown(&["--wallet", "till"]), home.lines(|e| e["wallet"] == "till"));
    let both = shown(&["--field", "signers=node2", "--field", "attempt=3"]);
    assert_eq!(both, home.lines(|e| e["attempt"] == 3));
    assert_eq!(shown(&["--after", "9"]), some(9..11));
    assert_eq!(shown(&["--after", "11"]), "");
    assert_eq!(shown(&["--limit", "3"]), some(0..3));
    assert_eq!(shown(&["--limit", "0"]), "");
    assert_eq!(shown(&["--last", "3"]), some(8..11));
    assert_eq!(shown(&["--last", "99"]), text);
    assert_eq!(shown(&["--session", "r3", "--limit", "1"]), home.lines(|e| e["seq"] == 6));
    assert_eq!(shown(&["--wallet", "till", "--last", "1"]), home.lines(|e| e["seq"] == 9));
    let time = |line: &str| serde_json::from_str::<Value>(line).unwrap()["time"].as_str().unwrap().to_owned();
    let middle = time(lines[4]);
    let (before, since) = (shown(&["--until", &middle]), shown(&["--since", &middle]));
    assert!(before.lines().count() >= 2 && since.lines().count() >= 7, "{before}{since}");
    assert_eq!(before + &since, text);
    assert_eq!(shown(&["--since", &time(lines[0])[..10]]), text);
    assert_eq!(shown(&["--until", "1970-01-02"]), "");

    for wrong in [
        &["--since", "yesterday"][..],
        &["--field", "wallet"],
        &["--limit", "1", "--last", "1"],
        &["--last", "0"],
        &["--after", "x"],
    ] {
        assert_eq!(home.run("show", wrong).code, Some(2), "{wrong:?}");
    }
}

#[test]
fn a_sound_log_is_verified() {
    let home = Home::new();
    let sound = home.verify(&[]);
    assert_eq!((sound.code, sound.stderr.as_str()), (Some(0), ""), "{}", sound.stdout);
    let owner = identity(1).identity();
    let expected = format!(
        "entries        11, from 1 to 11\nowner          node1 ({owner})\ncluster        0x{}\n\
         checkpoints    1\nsigned         up to entry 9; not yet the 2 after it\n\
         countersigned  up to entry 9; not yet the 2 after it\nproblems       none: the log is sound\n",
        hex::encode(SCOPE)
    );
    assert_eq!(sound.stdout, expected);

    let anybodys = home.run("verify", &[]);
    assert_eq!(anybodys.code, Some(0));
    assert!(anybodys.stdout.contains("anybody can write a sound log"), "{}", anybodys.stdout);

    let json: Value = serde_json::from_str(&home.verify(&["--json"]).stdout).unwrap();
    assert_eq!((&json["valid"], &json["owner_expected"]), (&true.into(), &true.into()), "{json}");
    assert_eq!((&json["last"], &json["countersigned"]), (&11.into(), &9.into()), "{json}");
    assert_eq!(json["problems"], serde_json::json!([]));
}

#[test]
fn what_is_wrong_with_a_log_is_told_with_its_place() {
    let home = Home::new();
    let (file, line) = home.edit(4);
    let edited = home.verify(&[]);
    assert_eq!(edited.code, Some(6), "{}", edited.stdout);
    let place = format!("\n\n{file} line {line}: entry 4: the entry was changed");
    assert!(edited.stdout.contains(&place), "{}", edited.stdout);
    assert!(edited.stderr.contains("the log is not sound: 1 problem"), "{}", edited.stderr);
    let edited = home.verify(&["--json"]);
    assert_eq!(edited.code, Some(6));
    let json: Value = serde_json::from_str(&edited.stdout).unwrap();
    assert_eq!(json["valid"], false);
    let problem = serde_json::json!([{ "file": file, "line": line, "seq": 4, "problem": "edited" }]);
    assert_eq!(json["problems"], problem);
    let error: Value = serde_json::from_str(&edited.stderr).unwrap();
    assert_eq!(error["code"], "not_verified");
}

#[test]
fn a_line_that_cannot_be_read_is_no_end_of_a_log() {
    let home = Home::new();
    let file = home.segments()[1].clone();
    let text = std::fs::read_to_string(&file).unwrap();
    let (first, rest) = text.split_once('\n').unwrap();
    std::fs::write(&file, format!("garbage\n{rest}")).unwrap();
    let place = format!("{} line 1: ", file.display());
    let shown = home.run("show", &["--json"]);
    assert_eq!((shown.code, shown.stdout.lines().count()), (Some(3), 10));
    assert!(shown.stderr.contains(&place) && shown.stderr.contains("audit verify"), "{}", shown.stderr);
    assert!(!shown.stdout.contains(first));
    let verified = home.verify(&[]);
    assert_eq!(verified.code, Some(6));
    assert!(verified.stdout.contains(&format!("{place}the line can't be read")), "{}", verified.stdout);
    // What can be read is exported, and nobody is told that it is all.
    let out = home.path("out.jsonl");
    let exported = home.run("export", &["--out", &out]);
    assert_eq!(exported.code, Some(3));
    assert!(exported.stderr.contains(&place), "{}", exported.stderr);
    assert!(exported.stdout.contains("only the whole log"), "{}", exported.stdout);
    assert_eq!(std::fs::read_to_string(&out).unwrap(), shown.stdout);
}

#[test]
fn a_log_of_another_is_not_the_one_that_was_asked_for() {
    let home = Home::new();
    let peers = home.path("peers.yaml");
    let other = home.run("verify", &["--peers", &peers, "--node", "node2"]);
    assert_eq!(other.code, Some(6), "{}", other.stdout);
    let owner = identity(1).identity();
    assert!(other.stdout.contains(&format!("entry 1: the log belongs to {owner}")), "{}", other.stdout);
    let other = std::fs::read_to_string(&peers).unwrap().replacen("0x11", "0x12", 1);
    std::fs::write(&peers, other).unwrap();
    let other = home.verify(&[]);
    assert_eq!(other.code, Some(6), "{}", other.stdout);
    assert!(other.stdout.contains("the log is about 0x1111"), "{}", other.stdout);

    let unknown = home.run("verify", &["--peers", &peers, "--node", "node9"]);
    assert_eq!(unknown.code, Some(2), "{}", unknown.stderr);
    assert!(unknown.stderr.contains("lists no node9"), "{}", unknown.stderr);
    assert_eq!(home.run("verify", &["--node", "node1"]).code, Some(2));
}

#[test]
fn a_log_that_was_cut_shows_by_a_head_that_somebody_kept() {
    let home = Home::new();
    let heads = home.path("heads.jsonl");
    std::fs::write(&heads, format!("\n{}\n", serde_json::to_string(&home.head).unwrap())).unwrap();
    let sound = home.verify(&["--heads", &heads]);
    assert_eq!(sound.code, Some(0), "{}", sound.stdout);
    for file in &home.segments()[1..] {
        std::fs::remove_file(file).unwrap();
    }
    assert_eq!(home.verify(&[]).code, Some(0));
    let cut = home.verify(&["--heads", &heads]);
    assert_eq!(cut.code, Some(6), "{}", cut.stdout);
    assert!(cut.stdout.contains("but its owner signed entry 9"), "{}", cut.stdout);

    std::fs::write(&heads, "\n{}\n").unwrap();
    let wrong = home.verify(&["--heads", &heads]);
    assert_eq!(wrong.code, Some(3), "{}", wrong.stderr);
    assert!(wrong.stderr.contains(&format!("{heads} line 2: not a signed head")), "{}", wrong.stderr);
}

#[test]
fn a_missing_folder_is_told() {
    let home = Home::new();
    let out = home.path("out");
    for arguments in [&["show"][..], &["verify"], &["export", "--out", &out]] {
        let run = |folder: &str| run(&[&["audit", arguments[0], folder], &arguments[1..]].concat());
        let missing = run("/missing/audit");
        assert_eq!(missing.code, Some(3), "{arguments:?}: {}", missing.stderr);
        assert_eq!(missing.stderr, "error: /missing/audit: No such file or directory\n");
        // The node's folder, not the log's.
        let above = run(&home.path(""));
        assert_eq!(above.code, Some(3), "{arguments:?}: {}", above.stderr);
        assert!(above.stderr.contains(&format!("tip: name {}", home.path("audit"))), "{}", above.stderr);
        assert!(!std::fs::exists(&out).unwrap());
    }
    // A log whose files are all gone is not sound.
    std::fs::create_dir(&out).unwrap();
    assert_eq!(run(&["audit", "verify", &out]).code, Some(6));
}

#[test]
fn an_exported_log_is_the_log() {
    let home = Home::new();
    let out = home.path("out.jsonl");
    let exported = home.run("export", &["--out", &out]);
    assert_eq!(exported.code, Some(0), "{}", exported.stderr);
    assert_eq!(
        exported.stdout,
        format!(
            "entries     11, from 1 to 11\nfile        {out}\n\
             what it is  the whole log: `quorate audit verify {out}` verifies it\n"
        )
    );
    assert_eq!(std::fs::read_to_string(&out).unwrap(), home.text());
    assert_eq!(std::fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);
    let peers = home.path("peers.yaml");
    let verified = run(&["audit", "verify", &out, "--peers", &peers, "--node", "node1"]);
    assert_eq!(verified.code, Some(0), "{}", verified.stdout);

    // Never over a file that is there.
    let again = home.run("export", &["--out", &out, "--event", "stopped"]);
    assert_eq!((again.code, again.stdout.as_str()), (Some(3), ""));
    assert!(again.stderr.contains("is there already"), "{}", again.stderr);
    assert_eq!(std::fs::read_to_string(&out).unwrap(), home.text());
    let piped = home.run("export", &["--out", "-", "--json"]);
    assert_eq!((piped.code, piped.stdout, piped.stderr), (Some(0), home.text(), String::new()));

    let part = home.path("part.jsonl");
    let exported = home.run("export", &["--out", &part, "--wallet", "till", "--json"]);
    let json: Value = serde_json::from_str(&exported.stdout).unwrap();
    let told = serde_json::json!({ "file": part, "entries": 2, "first": 5, "last": 9, "whole": false });
    assert_eq!(json, told);
    assert_eq!(std::fs::read_to_string(&part).unwrap(), home.lines(|e| e["wallet"] == "till"));
}

#[test]
fn entries_are_exported_for_spreadsheets() {
    let home = Home::new();
    let out = home.path("out.csv");
    let options = ["--out", &out, "--format", "csv", "--columns", "wallet,attempt", "--event", "signing"];
    let exported = home.run("export", &options);
    assert_eq!(exported.code, Some(0), "{}", exported.stderr);
    let text = std::fs::read_to_string(&out).unwrap();
    assert!(text.starts_with("seq,time,event,wallet,attempt,fields,hash\r\n3,20"), "{text}");
    assert_eq!(text.matches("\r\n").count(), 5, "{text}");
    assert!(text.contains(",signing,till,2,\"{\"\"request\"\":\"\"r2\"\""), "{text}");
    let piped = home.run("export", &[&["--out", "-"], &options[2..]].concat());
    assert_eq!(piped.stdout, text);
    let wrong = home.run("export", &["--out", "-", "--columns", "wallet"]);
    assert_eq!((wrong.code, wrong.stdout.as_str()), (Some(2), ""), "{}", wrong.stderr);
}
