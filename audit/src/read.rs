//! Reading a log: its entries in order, those that a filter lets through.

mod csv;

use std::fs::File;
use std::path::Path;

use crate::error::AuditError;
use crate::folder::{SegmentName, segments};
use crate::line::{Layout, Line, LineError};
use crate::lines::{Lines, Next};
use crate::time::Timestamp;
pub use csv::Csv;

/// Which entries are wanted. The default is all of them.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only of these events; of any if there are none.
    pub events: Vec<String>,
    /// Only with all of these fields: a text, integer or flag that is this text, or a list that holds it.
    pub fields: Vec<(String, String)>,
    /// Only from this moment on.
    pub since: Option<Timestamp>,
    /// Only before this moment.
    pub until: Option<Timestamp>,
    /// Only after the entry of this number.
    pub after: u64,
    /// Not more than so many.
    pub limit: Option<u64>,
}

impl Filter {
    /// Whether this entry is wanted. The limit is not looked at.
    #[must_use]
    pub fn admits(&self, line: &Line<'_>) -> bool {
        line.seq() > self.after
            && self.since.is_none_or(|since| line.time() >= since)
            && self.until.is_none_or(|until| line.time() < until)
            && (self.events.is_empty() || self.events.iter().any(|event| event == line.event()))
            && self.fields.iter().all(|(name, value)| line.field(name).is_some_and(|field| field.is(value)))
    }
}

/// An entry that was read from a log.
#[derive(Debug, Clone)]
pub struct Entry {
    text: String,
    layout: Layout,
}

impl Entry {
    /// What is in it.
    #[must_use]
    pub fn line(&self) -> Line<'_> {
        Line::new(&self.text, &self.layout)
    }

    /// The line as it is in the log, without its newline. All lines of a log are a log.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Reads the log in a folder, which may be written meanwhile. Nothing is verified, but each line must be an entry.
///
/// # Errors
/// When the folder can't be read.
pub fn read(folder: &Path, filter: Filter) -> Result<Entries, AuditError> {
    let mut segments = segments(folder)?;
    // The last segment that begins no later than what is wanted, and those after it.
    let next = filter.after.saturating_add(1);
    let start = segments.iter().rposition(|segment| segment.first <= next).unwrap_or(0);
    segments.drain(..start);
    segments.reverse();
    Ok(Entries { left: filter.limit.unwrap_or(u64::MAX), filter, segments, open: None })
}

/// The entries of a log, in order. After a line that is no entry it goes on with the next one; after a file that can't
/// be read it ends.
#[derive(Debug)]
pub struct Entries {
    filter: Filter,
    left: u64,
    /// What comes, the next one last.
    segments: Vec<SegmentName>,
    open: Option<(SegmentName, Lines<File>)>,
}

impl Entries {
    fn next_entry(&mut self) -> Result<Option<Entry>, AuditError> {
        loop {
            let Some((segment, lines)) = &mut self.open else {
                let Some(segment) = self.segments.pop() else { return Ok(None) };
                let opened = File::open(&segment.path);
                let file = opened.map_err(|error| AuditError::io(&segment.path, "opening", error))?;
                self.open = Some((segment, Lines::new(file)));
                continue;
            };
            let number = lines.number().saturating_add(1);
            match lines.next().map_err(|error| AuditError::io(&segment.path, "reading", error))? {
                Next::Line(bytes) => {
                    let damaged =
                        |error: LineError| AuditError::damaged(&segment.path, number, error.to_string());
                    let line = Line::parse(bytes).map_err(damaged)?;
                    if self.filter.admits(&line) {
                        let text = line.as_str().to_owned();
                        return Ok(Some(Entry { layout: line.into_layout(), text }));
                    }
                }
                Next::TooLong => {
                    return Err(AuditError::damaged(
                        &segment.path,
                        number,
                        "the line is longer than any entry",
                    ));
                }
                // It is being written, or was when the log's owner stopped.
                Next::Torn(_) | Next::End => self.open = None,
            }
        }
    }
}

impl Iterator for Entries {
    type Item = Result<Entry, AuditError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let next = self.next_entry();
        match &next {
            Ok(Some(_)) => self.left = self.left.saturating_sub(1),
            Ok(None) => self.left = 0,
            Err(AuditError::Damaged { .. }) => {}
            Err(_) => self.left = 0,
        }
        next.transpose()
    }
}
