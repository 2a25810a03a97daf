//! A file's lines, one at a time and bounded.

use std::io::{self, BufRead, BufReader, Read};

use crate::event::MAX_ENTRY_BYTES;

const BUFFER: usize = 256 * 1024;

#[derive(Debug)]
pub(crate) struct Lines<R> {
    reader: BufReader<R>,
    line: Vec<u8>,
    number: u64,
    /// Bytes up to the end of the last whole line.
    whole: u64,
}

pub(crate) enum Next<'a> {
    /// A line, without its newline.
    Line(&'a [u8]),
    /// A line longer than any entry; it was passed over.
    TooLong,
    /// What is after the last newline: so many bytes.
    Torn(u64),
    End,
}

impl<R: Read> Lines<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self { reader: BufReader::with_capacity(BUFFER, reader), line: Vec::new(), number: 0, whole: 0 }
    }

    /// The number of the line that came last; the first is 1.
    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    /// How many bytes the whole lines had.
    pub(crate) const fn whole(&self) -> u64 {
        self.whole
    }

    pub(crate) fn next(&mut self) -> io::Result<Next<'_>> {
        self.line.clear();
        let limit = MAX_ENTRY_BYTES as u64 + 1;
        let mut bytes = (&mut self.reader).take(limit).read_until(b'\n', &mut self.line)? as u64;
        if bytes == 0 {
            return Ok(Next::End);
        }
        self.number = self.number.saturating_add(1);
        if self.line.pop_if(|byte| *byte == b'\n').is_some() {
            self.whole = self.whole.saturating_add(bytes);
            return Ok(Next::Line(&self.line));
        }
        // Longer than an entry, or without an end.
        loop {
            self.line.clear();
            let more = (&mut self.reader).take(limit).read_until(b'\n', &mut self.line)? as u64;
            bytes = bytes.saturating_add(more);
            if self.line.ends_with(b"\n") {
                self.whole = self.whole.saturating_add(bytes);
                return Ok(Next::TooLong);
            }
            if more == 0 {
                return Ok(Next::Torn(bytes));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_bounded_and_a_torn_one_is_told() {
        let long = vec![b'x'; 3 * MAX_ENTRY_BYTES];
        let most = vec![b'y'; MAX_ENTRY_BYTES];
        let input = [b"one\n\n".as_slice(), &long, b"\n", &most, b"\ntor"].concat();
        let mut lines = Lines::new(input.as_slice());
        assert!(matches!(lines.next().unwrap(), Next::Line(b"one")));
        assert!(matches!(lines.next().unwrap(), Next::Line(b"")));
        assert!(matches!(lines.next().unwrap(), Next::TooLong));
        assert_eq!(lines.number(), 3);
        assert!(matches!(lines.next().unwrap(), Next::Line(line) if line == most));
        assert!(matches!(lines.next().unwrap(), Next::Torn(3)));
        assert_eq!(lines.whole(), input.len() as u64 - 3);
        assert!(matches!(lines.next().unwrap(), Next::End));
        let mut lines = Lines::new(long.as_slice());
        assert!(matches!(lines.next().unwrap(), Next::Torn(n) if n == long.len() as u64));
    }
}
