//! What can be wrong with a log.

use std::fmt;
use std::path::PathBuf;

use quorate_keys::Identity;
use serde::Serialize;

use crate::text::{EntryHash, Scope};

/// Something that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file; empty if it is in none.
    pub file: PathBuf,
    /// The line in it; the first is 1.
    pub line: u64,
    /// The number of the entry, if it is about one that can be read.
    pub seq: Option<u64>,
    /// What is wrong.
    #[serde(flatten)]
    pub kind: ProblemKind,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize)]
#[serde(tag = "problem", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ProblemKind {
    /// The hash does not follow: the entry was changed, or the hash of the one before.
    #[error("the entry was changed: its hash does not follow from it and those before")]
    Edited,
    /// Entries are not there.
    #[error("entries {from} to {to} are missing before it")]
    Missing {
        /// The first of them.
        from: u64,
        /// The last of them.
        to: u64,
    },
    /// Entries are not there between two files: a whole one, or the end of the one before.
    #[error("entries {from} to {to} are missing before the file: a segment, or the end of the one before it")]
    MissingSegment {
        /// The first of them.
        from: u64,
        /// The last of them.
        to: u64,
    },
    /// An entry stands after later ones.
    #[error("the entry was moved: it stands where entry {expected} should")]
    OutOfOrder {
        /// The number that should come there.
        expected: u64,
    },
    /// There was an entry of this number already.
    #[error(
        "the entry was inserted: it stands where entry {expected} should, and there is another of its number"
    )]
    Inserted {
        /// The number that should come there.
        expected: u64,
    },
    /// A line is no entry.
    #[error("the line can't be read: {reason}")]
    Unreadable {
        /// Why not.
        reason: String,
    },
    /// The last line has no end. The log cuts it off when it is opened.
    #[error("the last line is not complete: {bytes} bytes without an end")]
    TornLine {
        /// How long it is.
        bytes: u64,
    },
    /// A signed head names an entry beyond the end: entries were cut off, or an older copy was put back.
    #[error(
        "the log ends with entry {last}, but its owner signed entry {known}: it was cut, or an older copy put back"
    )]
    Truncated {
        /// The entry that was signed.
        known: u64,
        /// The last entry that is there.
        last: u64,
    },
    /// A signed head that is known from elsewhere has another hash, or two of them differ: there are two histories.
    #[error("there are two histories: the known head has the hash {known}, this one {found}")]
    Fork {
        /// The hash that is known.
        known: EntryHash,
        /// The other one.
        found: EntryHash,
    },
    /// A head that was given to compare with is not of this log, or not signed by its owner.
    #[error("the head that was given to compare with is not of this log, or not signed by its owner")]
    KnownHead,
    /// A checkpoint matches the owner's signature, but not the log: what is between it and the one before may have been
    /// rewritten by somebody who computed all hashes anew.
    #[error(
        "the history was rewritten: entries {from} to {to}, or some of them, are not those that the owner signed"
    )]
    Rewritten {
        /// The first entry that may be another.
        from: u64,
        /// The last entry that may be another.
        to: u64,
    },
    /// A checkpoint is not in the form of one.
    #[error("the checkpoint is not in the form of one")]
    BadCheckpoint,
    /// A checkpoint is not signed by the owner.
    #[error("the checkpoint is not signed by the log's owner")]
    BadSignature,
    /// A checkpoint has a countersignature that is not the peer's.
    #[error("the countersignature of {peer} is wrong")]
    BadCountersignature {
        /// Who is said to have made it.
        peer: Identity,
    },
    /// A checkpoint is about an entry that is too far back to be compared.
    #[error("the checkpoint is about entry {head}, too far back to be compared with it")]
    Unmatched {
        /// The entry.
        head: u64,
    },
    /// The first entry does not say whose log it is.
    #[error("the log does not begin with its opening")]
    NotOpened,
    /// The log is another's.
    #[error("the log belongs to {found}")]
    OtherOwner {
        /// Whose it is.
        found: Identity,
    },
    /// The log is about something else.
    #[error("the log is about {found}")]
    OtherScope {
        /// What it is about.
        found: Scope,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.file.as_os_str().is_empty() {
            write!(f, "{} line {}: ", self.file.display(), self.line)?;
        }
        if let Some(seq) = self.seq {
            write!(f, "entry {seq}: ")?;
        }
        self.kind.fmt(f)
    }
}

/// What is left of a gap when one entry of it was found.
pub(super) enum Gap {
    /// Nothing.
    Closed,
    /// One end of it.
    Smaller,
    /// Two parts; these are the later one's ends.
    Split { from: u64, to: u64 },
}

impl Problem {
    /// Whether it is a gap with this entry in it.
    pub(super) fn misses(&self, seq: u64) -> bool {
        matches!(self.kind, ProblemKind::Missing { from, to } if (from..=to).contains(&seq))
    }

    /// Takes an entry out of a gap.
    pub(super) const fn without(&mut self, seq: u64) -> Gap {
        let ProblemKind::Missing { from, to } = &mut self.kind else { return Gap::Smaller };
        if *from == *to {
            return Gap::Closed;
        }
        if *from == seq {
            *from = from.saturating_add(1);
        } else if *to == seq {
            *to = to.saturating_sub(1);
        } else {
            let split = Gap::Split { from: seq.saturating_add(1), to: *to };
            *to = seq.saturating_sub(1);
            return split;
        }
        Gap::Smaller
    }
}
