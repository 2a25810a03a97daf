//! Verification of a log by anyone, from its files alone or together with heads that are known from elsewhere.

mod problem;
mod recent;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use quorate_keys::Identity;
use serde::Serialize;

use crate::error::AuditError;
use crate::event::CHECKPOINT;
use crate::folder::{first_of, segments};
use crate::head::{SignedHead, read_checkpoint, read_opening};
use crate::line::{BEFORE_THE_FIRST, Line, stored_hash};
use crate::lines::{Lines, Next};
use crate::text::{EntryHash, Scope};
use problem::Gap;
pub use problem::{Problem, ProblemKind};
use recent::Recent;

/// How many problems a report lists. More are only counted.
pub const MAX_PROBLEMS: usize = 10_000;

/// How many of the last problems may be the gap that an entry was moved from.
const GAPS: usize = 256;

/// What a log is compared with.
#[derive(Debug, Clone, Default)]
pub struct Expect {
    /// Whose log it must be. If not given, whose it says that it is: anybody can write a sound log of their own.
    pub owner: Option<Identity>,
    /// What it must be about; if not given, what it says that it is about.
    pub scope: Option<Scope>,
    /// Whose countersignatures count; if not given, everybody's but the owner's.
    pub peers: Option<BTreeSet<Identity>>,
    /// Heads of the log that are known from elsewhere, such as its peers.
    pub heads: Vec<SignedHead>,
}

/// What was found.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// Whose log it is.
    pub owner: Option<Identity>,
    /// What it is about.
    pub scope: Option<Scope>,
    /// How many entries were read.
    pub entries: u64,
    /// The number of the first of them.
    pub first: Option<u64>,
    /// The number of the last of them.
    pub last: Option<u64>,
    /// The hash of the last of them.
    pub head: Option<EntryHash>,
    /// Checkpoints that are signed by the owner and match the log.
    pub checkpoints: u64,
    /// The last entry that a signed head in the log or known from elsewhere covers. Who has the files, but not the
    /// owner's key, can change what comes after it and not be found out.
    pub signed: Option<u64>,
    /// The last entry that a countersigned head in the log covers. Not even the owner can change what is up to there and
    /// keep the countersignature; that there was one is what the peers' own memory shows.
    pub countersigned: Option<u64>,
    /// What is wrong, in the order in which it was found.
    pub problems: Vec<Problem>,
    /// How many more problems there are than are listed.
    pub more_problems: u64,
}

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Verifies the log in a folder.
///
/// # Errors
/// When a file can't be read; what is wrong with the log is in the report.
pub fn verify_folder(folder: &Path, expect: &Expect) -> Result<Report, AuditError> {
    let paths: Vec<PathBuf> = segments(folder)?.into_iter().map(|segment| segment.path).collect();
    verify_files(&paths, expect)
}

/// Verifies the log in these files, in this order: segments, or an export.
///
/// # Errors
/// When a file can't be read; what is wrong with the log is in the report.
pub fn verify_files(paths: &[PathBuf], expect: &Expect) -> Result<Report, AuditError> {
    let mut verifier = Verifier::new(expect);
    for path in paths {
        let failed = |error| AuditError::io(path, "reading", error);
        verifier.file(path, File::open(path).map_err(failed)?).map_err(failed)?;
    }
    Ok(verifier.finish())
}

/// A verification in progress: takes one file after the other, and holds none of them in memory.
///
/// After something wrong it goes on with the hash that is written there, so that one change is one problem.
#[derive(Debug)]
pub struct Verifier<'a> {
    expect: &'a Expect,
    report: Report,
    file: PathBuf,
    line: u64,
    /// The number that comes next.
    expected: u64,
    /// The hash that the next entry follows; unknown where entries are missing.
    before: Option<EntryHash>,
    /// Another one that it may follow, when either may have been changed.
    or_before: Option<EntryHash>,
    /// Lines that could not be read since the last entry, and the hash of the last of them if it has one.
    unreadable: u64,
    unreadable_hash: Option<EntryHash>,
    /// An entry whose number may be what was changed.
    suspect: Option<Suspect>,
    recent: Recent,
    heads: BTreeMap<u64, EntryHash>,
    /// The last entry that a matching checkpoint covers.
    trusted: u64,
    /// Where the problem of a rewritten history is.
    rewritten: Option<usize>,
    /// It is another log than was asked for, so no signature in it can be right.
    is_foreign: bool,
}

/// An entry of another number than was expected.
#[derive(Debug)]
struct Suspect {
    /// Where its problem is.
    problem: usize,
    /// The number that was expected.
    expected: u64,
    hash: EntryHash,
}

impl<'a> Verifier<'a> {
    /// Begins one.
    #[must_use]
    pub fn new(expect: &'a Expect) -> Self {
        Self {
            expect,
            report: Report { owner: expect.owner, scope: expect.scope, ..Report::default() },
            file: PathBuf::new(),
            line: 0,
            expected: 1,
            before: Some(BEFORE_THE_FIRST),
            or_before: None,
            unreadable: 0,
            unreadable_hash: None,
            suspect: None,
            recent: Recent::default(),
            heads: BTreeMap::new(),
            trusted: 0,
            rewritten: None,
            is_foreign: false,
        }
        .with_known_heads()
    }

    /// Takes the next file. If its name is that of a segment, it must begin with the entry that the name says.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn file(&mut self, path: &Path, reader: impl Read) -> io::Result<()> {
        self.file = path.to_path_buf();
        self.line = 1;
        if let Some(first) = first_of(path)
            && first > self.expected
        {
            self.found(
                Some(first),
                ProblemKind::MissingSegment { from: self.expected, to: first.saturating_sub(1) },
            );
            self.expected = first;
            self.before = None;
            self.or_before = None;
        }
        let mut lines = Lines::new(reader);
        loop {
            let next = lines.next()?;
            match next {
                Next::Line(bytes) => match Line::parse(bytes) {
                    Ok(line) => self.entry(&line),
                    Err(error) => {
                        self.unreadable_hash = stored_hash(bytes);
                        self.unreadable_line(error.to_string());
                    }
                },
                Next::TooLong => {
                    self.unreadable_hash = None;
                    self.unreadable_line("the line is longer than any entry".to_owned());
                }
                Next::Torn(bytes) => self.found(None, ProblemKind::TornLine { bytes }),
                Next::End => return Ok(()),
            }
            self.line = lines.number().saturating_add(1);
        }
    }

    /// Ends it: compares the log with the heads that are known from elsewhere.
    #[must_use]
    pub fn finish(mut self) -> Report {
        let last = self.report.last.unwrap_or(0);
        self.line = self.line.saturating_sub(1);
        if let Some((&known, _)) = self.heads.last_key_value()
            && known > last
        {
            self.found(Some(last), ProblemKind::Truncated { known, last });
        }
        if self.report.entries == 0 && self.report.problems.is_empty() {
            self.found(None, ProblemKind::NotOpened);
        }
        self.report
    }

    fn with_known_heads(mut self) -> Self {
        let expect = self.expect;
        if let Some(first) = expect.heads.first() {
            // Heads that were given are of the log that is asked for.
            self.report.owner.get_or_insert(first.head.owner);
            self.report.scope.get_or_insert(first.head.scope);
        }
        for signed in &expect.heads {
            let head = &signed.head;
            let is_of_log = Some(head.owner) == self.report.owner && Some(head.scope) == self.report.scope;
            if !is_of_log || !signed.verify() {
                self.found(Some(head.seq), ProblemKind::KnownHead);
                continue;
            }
            let known = *self.heads.entry(head.seq).or_insert(head.hash);
            if known != head.hash {
                self.found(Some(head.seq), ProblemKind::Fork { known, found: head.hash });
            }
        }
        self
    }

    fn unreadable_line(&mut self, reason: String) {
        self.unreadable = self.unreadable.saturating_add(1);
        self.found(None, ProblemKind::Unreadable { reason });
    }

    fn entry(&mut self, line: &Line<'_>) {
        self.report.entries = self.report.entries.saturating_add(1);
        let seq = line.seq();
        let unreadable = std::mem::take(&mut self.unreadable);
        let unreadable_hash = self.unreadable_hash.take();
        let suspect = self.suspect.take();
        if seq != self.expected {
            // Perhaps only the number of the entry before was changed: then this one follows it.
            if let Some(suspect) = suspect
                && suspect.expected.checked_add(1) == Some(seq)
                && line.hash_after(&suspect.hash) == line.hash()
            {
                self.renumbered(&suspect);
                self.expected = seq;
                self.before = Some(suspect.hash);
            } else if seq < self.expected {
                return self.out_of_order(line);
            } else if seq - self.expected <= unreadable {
                // The lines that could not be read are the entries before this one.
                self.before = unreadable_hash;
                self.or_before = None;
            } else {
                let from = self.expected.saturating_add(unreadable);
                self.suspect =
                    Some(Suspect { problem: self.problems(), expected: self.expected, hash: line.hash() });
                self.found(Some(seq), ProblemKind::Missing { from, to: seq.saturating_sub(1) });
                self.before = None;
                self.or_before = None;
            }
        }
        self.in_order(line);
    }

    fn in_order(&mut self, line: &Line<'_>) {
        let (seq, hash) = (line.seq(), line.hash());
        let or_before = self.or_before.take();
        let mut is_intact = true;
        let follows = |before: EntryHash| line.hash_after(&before) == hash;
        match (self.before, or_before) {
            (None, _) => {}
            (Some(before), _) if follows(before) => {}
            // The one before was changed, or stood where another should: this is its hash.
            (_, Some(other)) if follows(other) => self.recent.insert(seq.saturating_sub(1), other),
            (Some(before), _) => {
                self.found(Some(seq), ProblemKind::Edited);
                // What was changed may be the entry, or the hash in it.
                self.or_before = Some(line.hash_after(&before));
                is_intact = false;
            }
        }
        self.before = Some(hash);
        self.expected = seq.saturating_add(1);
        self.report.first.get_or_insert(seq);
        self.report.last = Some(seq);
        self.report.head = Some(hash);
        self.recent.push(seq, hash);
        if seq == 1 && is_intact {
            self.opening(line);
        }
        self.compare_with_known(seq, hash);
        if is_intact && line.event() == CHECKPOINT {
            self.checkpoint(line);
        }
    }

    /// An entry whose number is behind the one that comes next.
    fn out_of_order(&mut self, line: &Line<'_>) {
        let (seq, hash, expected) = (line.seq(), line.hash(), self.expected);
        let kind = ProblemKind::OutOfOrder { expected };
        // Not looked for further back, for a log of nothing but gaps would take forever.
        let mut latest = self.report.problems.iter().enumerate().rev().take(GAPS);
        let gap = latest.find(|(_, problem)| problem.misses(seq)).map(|(at, _)| at);
        let mut problem = self.problems();
        match gap.and_then(|at| self.report.problems.get_mut(at).map(|gap| (at, gap))) {
            // It was not removed, only moved.
            Some((at, gap)) => {
                let rest = gap.without(seq);
                self.recent.insert(seq, hash);
                match rest {
                    Gap::Closed => {
                        problem = at;
                        *gap = Problem { file: self.file.clone(), line: self.line, seq: Some(seq), kind };
                    }
                    Gap::Smaller => self.found(Some(seq), kind),
                    Gap::Split { from, to } => {
                        self.found(Some(seq), kind);
                        self.found(Some(seq), ProblemKind::Missing { from, to });
                    }
                }
            }
            None => {
                // The next entry may follow this one or the one before.
                self.or_before = Some(hash);
                self.found(Some(seq), ProblemKind::Inserted { expected });
            }
        }
        self.suspect = Some(Suspect { problem, expected, hash });
    }

    fn opening(&mut self, line: &Line<'_>) {
        let Some((owner, scope)) = read_opening(line) else {
            return self.found(Some(1), ProblemKind::NotOpened);
        };
        if *self.report.owner.get_or_insert(owner) != owner {
            self.is_foreign = true;
            self.found(Some(1), ProblemKind::OtherOwner { found: owner });
        }
        if *self.report.scope.get_or_insert(scope) != scope {
            self.is_foreign = true;
            self.found(Some(1), ProblemKind::OtherScope { found: scope });
        }
    }

    fn checkpoint(&mut self, line: &Line<'_>) {
        let seq = line.seq();
        if self.is_foreign {
            return;
        }
        // Without its beginning nobody says whose log it is, unless the caller does.
        let (Some(owner), Some(scope)) = (self.report.owner, self.report.scope) else { return };
        let Some((signed, countersignatures)) = read_checkpoint(line, owner, scope) else {
            return self.found(Some(seq), ProblemKind::BadCheckpoint);
        };
        if !signed.verify() {
            return self.found(Some(seq), ProblemKind::BadSignature);
        }
        let head = signed.head;
        if head.seq >= seq {
            return self
                .found(Some(seq), ProblemKind::Truncated { known: head.seq, last: seq.saturating_sub(1) });
        }
        match self.recent.get(head.seq) {
            Some(hash) if hash == head.hash => {}
            Some(_) => return self.rewritten(seq, head.seq),
            None if self.recent.has_forgotten(head.seq) => {
                return self.found(Some(seq), ProblemKind::Unmatched { head: head.seq });
            }
            // It is missing or can't be read, which was told already.
            None => return,
        }
        self.report.checkpoints = self.report.checkpoints.saturating_add(1);
        self.trusted = self.trusted.max(head.seq);
        self.rewritten = None;
        self.signed(head.seq);
        for by in countersignatures {
            let counts = match &self.expect.peers {
                Some(peers) => peers.contains(&by.peer),
                None => by.peer != owner,
            };
            if !by.verify(&head) {
                self.found(Some(seq), ProblemKind::BadCountersignature { peer: by.peer });
            } else if counts {
                self.report.countersigned = self.report.countersigned.max(Some(head.seq));
            }
        }
    }

    /// The log is consistent, but is not what the owner signed. One rewriting shows in all later checkpoints.
    fn rewritten(&mut self, seq: u64, head: u64) {
        if let Some(at) = self.rewritten
            && let Some(problem) = self.report.problems.get_mut(at)
            && let ProblemKind::Rewritten { to, .. } = &mut problem.kind
        {
            *to = head.max(*to);
            return;
        }
        self.rewritten = Some(self.problems());
        self.found(Some(seq), ProblemKind::Rewritten { from: self.trusted.saturating_add(1), to: head });
    }

    /// The number was changed, and nothing is missing or too much.
    fn renumbered(&mut self, suspect: &Suspect) {
        if let Some(problem) = self.report.problems.get_mut(suspect.problem) {
            problem.seq = Some(suspect.expected);
            problem.kind = ProblemKind::Edited;
        }
        self.recent.renumber(suspect.expected, suspect.hash);
        self.compare_with_known(suspect.expected, suspect.hash);
    }

    fn compare_with_known(&mut self, seq: u64, hash: EntryHash) {
        match self.heads.get(&seq) {
            Some(&known) if known == hash => self.signed(seq),
            Some(&known) => self.found(Some(seq), ProblemKind::Fork { known, found: hash }),
            None => {}
        }
    }

    fn signed(&mut self, seq: u64) {
        self.report.signed = self.report.signed.max(Some(seq));
    }

    const fn problems(&self) -> usize {
        self.report.problems.len()
    }

    fn found(&mut self, seq: Option<u64>, kind: ProblemKind) {
        if self.problems() >= MAX_PROBLEMS {
            self.report.more_problems = self.report.more_problems.saturating_add(1);
            return;
        }
        self.report.problems.push(Problem { file: self.file.clone(), line: self.line, seq, kind });
    }
}
