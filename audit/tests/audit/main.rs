//! The audit log as a whole: what it keeps, what it survives, and which attacks are found, and where.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod attacks;
mod disk;
mod heads;
mod opening;
mod property;
mod reading;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quorate_audit::{
    AuditError, Event, Expect, Filter, Head, Log, Options, Problem, ProblemKind, Report, Scope, SignedHead,
    read, verify_folder,
};
use quorate_keys::{Secret, SigningIdentity};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

const SCOPE: Scope = Scope([2; 32]);

fn identity(seed: u8) -> SigningIdentity {
    SigningIdentity::from_seed(&Secret::new([seed; 32]))
}

/// A folder for a log, gone when dropped.
struct Home {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit");
        Self { _folder: folder, path }
    }

    fn open_with(&self, options: Options) -> Result<Log, AuditError> {
        Log::open(&self.path, Arc::new(identity(1)), SCOPE, options, &mut ChaCha8Rng::from_entropy())
    }

    fn open(&self) -> Log {
        self.open_with(Options::default()).unwrap()
    }

    /// A log of so many entries, the opening among them, in segments of a few kilobytes. Every tenth is a checkpoint.
    async fn filled(entries: u64) -> Self {
        let home = Self::new();
        let log = home.open_with(Options::default().segment_bytes(8000)).unwrap();
        for n in 2..=entries {
            if n % 10 == 0 {
                log.append_checkpoint(&log.signed_head(), &[]).await.unwrap();
            } else {
                log.append(event(n)).await.unwrap();
            }
        }
        log.close().await;
        home
    }

    /// The last segment's file, if `0`, or one before it.
    fn segment(&self, from_the_end: usize) -> PathBuf {
        let mut files = self.files();
        files.reverse();
        files[from_the_end].clone()
    }

    fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.path).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = entries.filter(|path| path.extension().is_some()).collect();
        files.sort();
        files
    }

    fn lines(&self) -> Vec<String> {
        self.files().iter().flat_map(|file| lines(file)).collect()
    }

    /// Puts the whole log into one file.
    fn replace(&self, lines: &[String]) {
        for file in self.files() {
            fs::remove_file(file).unwrap();
        }
        write(&self.path.join("00000000000000000001.jsonl"), lines);
    }

    fn verify(&self, expect: &Expect) -> Report {
        verify_folder(&self.path, expect).unwrap()
    }

    fn problems(&self) -> Vec<Problem> {
        self.verify(&Expect::default()).problems
    }

    /// The one problem of the log.
    #[track_caller]
    fn problem(&self) -> Problem {
        only(self.problems())
    }

    fn events(&self) -> Vec<String> {
        let entries = read(&self.path, Filter::default()).unwrap();
        entries.map(|entry| entry.unwrap().line().event().to_owned()).collect()
    }
}

fn event(n: u64) -> Event {
    Event::new("request")
        .text("id", format!("payment-{n}"))
        .text("wallet", ["treasury", "hot"][usize::from(n.is_multiple_of(3))])
        .integer("amount", n * 1000)
        .list("signers", ["node1", "node2", "node3"])
}

fn lines(file: &Path) -> Vec<String> {
    fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect()
}

fn write(file: &Path, lines: &[String]) {
    fs::write(file, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
}

/// The same entry at another time.
fn edited(line: &str) -> String {
    line.replacen("\"time\":\"2", "\"time\":\"3", 1)
}

#[track_caller]
fn only(mut problems: Vec<Problem>) -> Problem {
    assert_eq!(problems.len(), 1, "{problems:#?}");
    problems.remove(0)
}

/// The head of a log of other content at this number.
fn other_head(head: &Head) -> SignedHead {
    let hash = quorate_audit::EntryHash([0xee; 32]);
    SignedHead::sign(Head { hash, ..*head }, &identity(1)).unwrap()
}

fn expecting(heads: &[SignedHead]) -> Expect {
    Expect { heads: heads.to_vec(), ..Expect::default() }
}

fn is_truncated(problem: &Problem, known: u64, last: u64) -> bool {
    problem.kind == ProblemKind::Truncated { known, last }
}
