//! Opening: finds the end of the log, and makes sure that it can be gone on from.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use quorate_keys::Identity;

use super::Position;
use super::segment::Segment;
use super::writer::Tail;
use crate::error::AuditError;
use crate::event::{Event, MAX_ENTRY_BYTES, RECOVERED};
use crate::folder::{self, SegmentName};
use crate::head::{opening, read_opening};
use crate::line::{BEFORE_THE_FIRST, Line, encode};
use crate::lines::{Lines, Next};
use crate::text::{EntryHash, Scope};
use crate::time::Timestamp;

/// Opens a log or begins one, and returns its end and its head.
pub(super) fn open(
    folder: &Path,
    owner: &Identity,
    scope: Scope,
    log_id: EntryHash,
    now: Timestamp,
) -> Result<(Tail, Position), AuditError> {
    let lock = folder::lock(folder)?;
    let mut segments = folder::segments(folder)?;
    let Some(last) = segments.pop() else {
        let mut segment = Segment::create(folder, 1)?;
        let head = begin(&mut segment, owner, scope, log_id, now, 0)?;
        return Ok((Tail { segment, lock }, head));
    };
    if let Some(first) = segments.first() {
        check_opening(&first.path, first.first, owner, scope)?;
    }
    let mut end = scan(&last, previous_hash(segments.last(), &last)?)?;
    if end.head.is_none() {
        // The last segment was begun and nothing else: the head is in the one before it.
        end.head = match segments.pop() {
            Some(before) => scan(&before, previous_hash(segments.last(), &before)?)?.head,
            None => None,
        };
    } else if segments.is_empty() {
        check_opening(&last.path, last.first, owner, scope)?;
    }
    let mut segment = Segment::open(last.path.clone(), end.whole)?;
    let Some(head) = end.head else {
        if last.first != 1 {
            return Err(AuditError::damaged(&last.path, 1, "all entries before it are missing"));
        }
        let head = begin(&mut segment, owner, scope, log_id, now, end.torn)?;
        return Ok((Tail { segment, lock }, head));
    };
    let head = if end.torn > 0 { recovered(&mut segment, head, end.torn, now)? } else { head };
    Ok((Tail { segment, lock }, head))
}

/// Writes the first entry of a log.
fn begin(
    segment: &mut Segment,
    owner: &Identity,
    scope: Scope,
    log_id: EntryHash,
    now: Timestamp,
    torn: u64,
) -> Result<Position, AuditError> {
    let event = opening(owner, scope, log_id);
    let mut line = Vec::new();
    let hash = encode(&mut line, 1, now, &event, &BEFORE_THE_FIRST);
    let mut head = Position { seq: 1, hash, time: now };
    if torn > 0 {
        head = encode_recovered(&mut line, head, torn, now);
    }
    segment.replace_rest(&line)?;
    Ok(head)
}

/// Puts an entry in the place of what was cut off.
fn recovered(
    segment: &mut Segment,
    head: Position,
    torn: u64,
    now: Timestamp,
) -> Result<Position, AuditError> {
    tracing::warn!(path = %segment.path().display(), bytes = torn, "an unfinished audit entry was cut off");
    let mut line = Vec::new();
    let head = encode_recovered(&mut line, head, torn, now);
    segment.replace_rest(&line)?;
    Ok(head)
}

fn encode_recovered(line: &mut Vec<u8>, head: Position, torn: u64, now: Timestamp) -> Position {
    let seq = head.seq.saturating_add(1);
    let event = Event::of_the_log(RECOVERED).integer("dropped_bytes", torn);
    Position { seq, hash: encode(line, seq, now, &event, &head.hash), time: now }
}

/// What a segment ends in.
struct End {
    /// Its last entry.
    head: Option<Position>,
    /// Bytes of whole lines.
    whole: u64,
    /// Bytes after them.
    torn: u64,
}

/// Reads a segment from start to end; all its entries follow each other.
fn scan(segment: &SegmentName, before: Option<EntryHash>) -> Result<End, AuditError> {
    let path = &segment.path;
    let failed = |error| AuditError::io(path, "reading", error);
    let mut lines = Lines::new(File::open(path).map_err(failed)?);
    let (mut head, mut before, mut expected, mut torn) = (None, before, segment.first, 0);
    loop {
        let line = match lines.next().map_err(failed)? {
            Next::Line(line) => Line::parse(line).map_err(|error| error.to_string()),
            Next::TooLong => Err("the line is longer than any entry".to_owned()),
            Next::Torn(bytes) => {
                torn = bytes;
                break;
            }
            Next::End => break,
        };
        let entry = line.and_then(|line| {
            if line.seq() != expected {
                return Err(format!("entry {} stands where entry {expected} should", line.seq()));
            }
            if before.is_some_and(|before| line.hash_after(&before) != line.hash()) {
                return Err(format!("the hash of entry {expected} does not follow from it and those before"));
            }
            Ok(Position { seq: line.seq(), hash: line.hash(), time: line.time() })
        });
        let entry = entry.map_err(|reason| AuditError::damaged(path, lines.number(), reason))?;
        before = Some(entry.hash);
        expected = expected.saturating_add(1);
        head = Some(entry);
    }
    Ok(End { head, whole: lines.whole(), torn })
}

/// The hash that the first entry of a segment follows: that of the last entry of the segment before it. That one may
/// have been put into an archive, and then the first entry is believed.
fn previous_hash(
    before: Option<&SegmentName>,
    segment: &SegmentName,
) -> Result<Option<EntryHash>, AuditError> {
    if segment.first == 1 {
        return Ok(Some(BEFORE_THE_FIRST));
    }
    let Some(before) = before else {
        tracing::warn!(path = %segment.path.display(), "the audit log's segments before this one are not there");
        return Ok(None);
    };
    let path = &before.path;
    let failed = |error| AuditError::io(path, "reading", error);
    let mut file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    // The last line with its newline, and the newline before it.
    let bytes = length.min(MAX_ENTRY_BYTES as u64 + 2);
    file.seek(SeekFrom::Start(length.saturating_sub(bytes))).map_err(failed)?;
    let mut end = Vec::new();
    file.read_to_end(&mut end).map_err(failed)?;
    let damaged = |reason: String| AuditError::damaged(&segment.path, 1, reason);
    let whole = end
        .strip_suffix(b"\n")
        .ok_or_else(|| damaged(format!("the segment before it, {}, ends within a line", path.display())))?;
    let line = whole.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = Line::parse(line).map_err(|error| {
        damaged(format!("the last line of the segment before it, {}: {error}", path.display()))
    })?;
    if line.seq().checked_add(1) != Some(segment.first) {
        return Err(damaged(format!(
            "the segment before it, {}, ends with entry {}",
            path.display(),
            line.seq()
        )));
    }
    Ok(Some(line.hash()))
}

/// Whether the log is this owner's, about this scope, as far as its first entry is there to say so.
fn check_opening(path: &Path, first: u64, owner: &Identity, scope: Scope) -> Result<(), AuditError> {
    if first != 1 {
        return Ok(());
    }
    let failed = |error| AuditError::io(path, "reading", error);
    let mut lines = Lines::new(File::open(path).map_err(failed)?);
    let damaged = |reason: &str| AuditError::damaged(path, 1, reason);
    let Next::Line(line) = lines.next().map_err(failed)? else {
        return Err(damaged("the first entry is not there"));
    };
    let line = Line::parse(line).map_err(|error| damaged(&error.to_string()))?;
    let (found_owner, found_scope) =
        read_opening(&line).ok_or_else(|| damaged("the log does not begin with its opening"))?;
    if found_owner != *owner {
        return Err(AuditError::OtherOwner { path: path.to_path_buf(), found: found_owner });
    }
    if found_scope != scope {
        return Err(AuditError::OtherScope { path: path.to_path_buf(), found: found_scope });
    }
    Ok(())
}
