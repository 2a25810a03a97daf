//! The one form of an entry: a line of JSON, its hash over all bytes before it.

use std::borrow::Cow;
use std::io::Write as _;
use std::ops::Range;

use sha2::{Digest, Sha256};

use crate::event::{Event, MAX_ENTRY_BYTES, MAX_FIELDS, RESERVED_FIELDS, is_integer, is_name};
use crate::text::{EntryHash, lower_hex};
use crate::time::{TEXT, Timestamp};

const DOMAIN: &[u8] = b"quorate/audit/entry/v1";
/// What is before the hash, and not hashed.
const KEY: &[u8] = br#","hash":""#;
const END: &[u8] = br#""}"#;
const DIGITS: usize = 64;

/// What stands in for the hash before the first entry.
pub(crate) const BEFORE_THE_FIRST: EntryHash = EntryHash([0; 32]);

/// Writes the line of an entry, with its newline; the hash that it has.
pub(crate) fn encode(
    out: &mut Vec<u8>,
    seq: u64,
    time: Timestamp,
    event: &Event,
    before: &EntryHash,
) -> EntryHash {
    let start = out.len();
    // Writing into memory doesn't fail.
    let _ = write!(out, r#"{{"seq":{seq},"time":"{time}","event":"{}"{}"#, event.name(), event.fields());
    let hash = chain(before, out.get(start..).unwrap_or_default());
    let _ = write!(out, r#","hash":"{hash}"}}"#);
    out.push(b'\n');
    hash
}

/// The hash of an entry: over the domain, the hash before it, and its line up to its own hash.
pub(crate) fn chain(before: &EntryHash, body: &[u8]) -> EntryHash {
    let mut digest = Sha256::new();
    digest.update((DOMAIN.len() as u64).to_le_bytes());
    digest.update(DOMAIN);
    digest.update(before.0);
    digest.update(body);
    EntryHash(digest.finalize().into())
}

/// The hash at the end of a line that may otherwise be damaged.
pub(crate) fn stored_hash(line: &[u8]) -> Option<EntryHash> {
    let digits = line.strip_suffix(END)?;
    let (rest, digits) = digits.split_at_checked(digits.len().checked_sub(DIGITS)?)?;
    rest.ends_with(KEY).then(|| lower_hex(digits).map(EntryHash))?
}

/// Where things are in a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    seq: u64,
    time: Timestamp,
    event: Range<usize>,
    fields: Range<usize>,
    hash: EntryHash,
}

impl Layout {
    /// Reads a line, which has one form only: what [`encode`] writes.
    pub(crate) fn of(line: &[u8]) -> Result<Self, LineError> {
        if line.len() > MAX_ENTRY_BYTES {
            return Err(LineError::TooLong);
        }
        if std::str::from_utf8(line).is_err() {
            return Err(LineError::Text);
        }
        let hash = stored_hash(line).ok_or(LineError::Hash)?;
        let body = line.len().saturating_sub(KEY.len() + DIGITS + END.len());
        let mut scanner = Scanner { line: line.get(..body).unwrap_or_default(), at: 0 };
        scanner.literal(br#"{"seq":"#).ok_or(LineError::Sequence)?;
        let seq = scanner.integer().and_then(|seq| u64::try_from(seq).ok()).ok_or(LineError::Sequence)?;
        if seq == 0 {
            return Err(LineError::Sequence);
        }
        scanner.literal(br#","time":""#).ok_or(LineError::Time)?;
        let time = scanner.take(TEXT).and_then(Timestamp::parse).ok_or(LineError::Time)?;
        scanner.literal(br#"","event":""#).ok_or(LineError::Event)?;
        let event = scanner.name().ok_or(LineError::Event)?;
        let fields = scanner.at..body;
        let mut names: Vec<&[u8]> = Vec::new();
        while scanner.at < body {
            scanner.literal(br#",""#).ok_or(LineError::Field)?;
            let name = scanner.name().and_then(|name| line.get(name)).ok_or(LineError::Field)?;
            let is_reserved = RESERVED_FIELDS.iter().any(|reserved| reserved.as_bytes() == name);
            if is_reserved || names.contains(&name) || names.len() >= MAX_FIELDS {
                return Err(LineError::Field);
            }
            names.push(name);
            scanner.literal(b":").and_then(|()| scanner.value()).ok_or(LineError::Field)?;
        }
        Ok(Self { seq, time, event, fields, hash })
    }
}

/// An entry of a log, read from its line.
#[derive(Debug, Clone)]
pub struct Line<'a> {
    text: &'a str,
    layout: Cow<'a, Layout>,
}

impl<'a> Line<'a> {
    /// Reads a line without its newline. Only the one form is read in which entries are written, whether the hash is
    /// right or not.
    ///
    /// # Errors
    /// [`LineError`]: where it is not that form.
    pub fn parse(line: &'a [u8]) -> Result<Self, LineError> {
        let layout = Cow::Owned(Layout::of(line)?);
        Ok(Self { text: std::str::from_utf8(line).map_err(|_| LineError::Text)?, layout })
    }

    pub(crate) const fn new(text: &'a str, layout: &'a Layout) -> Self {
        Self { text, layout: Cow::Borrowed(layout) }
    }

    pub(crate) fn into_layout(self) -> Layout {
        self.layout.into_owned()
    }

    /// The line as it is in the log, without its newline.
    #[must_use]
    pub const fn as_str(&self) -> &'a str {
        self.text
    }

    /// The number of the entry; the first is 1.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.layout.seq
    }

    /// When it was appended, by the clock of the log's owner.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.layout.time
    }

    /// What happened.
    #[must_use]
    pub fn event(&self) -> &'a str {
        self.text.get(self.layout.event.clone()).unwrap_or_default()
    }

    /// The hash that is written in the line.
    #[must_use]
    pub fn hash(&self) -> EntryHash {
        self.layout.hash
    }

    /// The hash that the line has after an entry of this hash.
    #[must_use]
    pub fn hash_after(&self, before: &EntryHash) -> EntryHash {
        chain(before, self.text.as_bytes().get(..self.layout.fields.end).unwrap_or_default())
    }

    /// The event's own fields, in their order.
    pub fn fields(&self) -> impl Iterator<Item = Field<'a>> + use<'a> {
        let text = self.text;
        let end = self.layout.fields.end;
        let mut scanner =
            Scanner { line: text.as_bytes().get(..end).unwrap_or_default(), at: self.layout.fields.start };
        // The line was read before, so each of these is there.
        std::iter::from_fn(move || {
            scanner.literal(br#",""#)?;
            let name = scanner.name()?;
            scanner.literal(b":")?;
            let start = scanner.at;
            scanner.value()?;
            Some(Field { name: text.get(name)?, json: text.get(start..scanner.at)? })
        })
    }

    /// The field of this name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<Field<'a>> {
        self.fields().find(|field| field.name == name)
    }
}

/// A field of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its value, as it is written.
    pub json: &'a str,
}

impl<'a> Field<'a> {
    /// Its value.
    #[must_use]
    pub fn value(&self) -> Value<'a> {
        match self.json.as_bytes().first() {
            Some(b'"') => Value::Text(unquoted(self.json)),
            Some(b'[') => Value::List(serde_json::from_str(self.json).unwrap_or_default()),
            Some(b't') => Value::Flag(true),
            Some(b'f') => Value::Flag(false),
            _ => Value::Integer(self.json.parse().unwrap_or_default()),
        }
    }

    /// Whether it is this value as text, or a list that holds it.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        match self.value() {
            Value::Text(value) => value == text,
            Value::List(values) => values.iter().any(|value| value == text),
            Value::Integer(_) | Value::Flag(_) => self.json == text,
        }
    }
}

/// The value of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// A text.
    Text(Cow<'a, str>),
    /// An integer, from the least `i64` to the greatest `u64`.
    Integer(i128),
    /// A flag.
    Flag(bool),
    /// A list of texts.
    List(Vec<String>),
}

fn unquoted(json: &str) -> Cow<'_, str> {
    match json.get(1..json.len().saturating_sub(1)) {
        Some(plain) if !plain.contains('\\') => Cow::Borrowed(plain),
        _ => Cow::Owned(serde_json::from_str(json).unwrap_or_default()),
    }
}

/// Why a line is not an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// Longer than any entry.
    #[error("the line is longer than {MAX_ENTRY_BYTES} bytes")]
    TooLong,
    /// Not UTF-8.
    #[error("the line is not UTF-8")]
    Text,
    /// No hash at its end.
    #[error("the line does not end in a hash")]
    Hash,
    /// It does not begin with a sequence number.
    #[error("the line does not begin with a sequence number")]
    Sequence,
    /// No time after the sequence number.
    #[error("the line has no time after its sequence number")]
    Time,
    /// No event after the time.
    #[error("the line has no event after its time")]
    Event,
    /// A field that no entry has: of another form, of a reserved name, or a second one of its name.
    #[error("the line has a field that is not in the form of entries, or is there twice")]
    Field,
}

struct Scanner<'a> {
    line: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    fn rest(&self) -> &'a [u8] {
        self.line.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.line.get(self.at).copied()
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.rest().get(..count)?;
        self.at = self.at.saturating_add(count);
        Some(taken)
    }

    fn literal(&mut self, expected: &[u8]) -> Option<()> {
        self.rest().starts_with(expected).then(|| self.at = self.at.saturating_add(expected.len()))
    }

    /// A name and the quote after it; where the name is.
    fn name(&mut self) -> Option<Range<usize>> {
        let length = self.rest().iter().position(|byte| *byte == b'"')?;
        let start = self.at;
        let name = self.take(length)?;
        self.literal(b"\"")?;
        is_name(name).then_some(start..start.saturating_add(length))
    }

    fn value(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' => self.string(),
            b't' => self.literal(b"true"),
            b'f' => self.literal(b"false"),
            b'[' => {
                self.literal(b"[")?;
                if self.literal(b"]").is_some() {
                    return Some(());
                }
                loop {
                    self.string()?;
                    if self.literal(b",").is_none() {
                        return self.literal(b"]");
                    }
                }
            }
            _ => self.integer().map(|_| ()),
        }
    }

    /// An integer without needless zeros or signs.
    fn integer(&mut self) -> Option<i128> {
        let is_negative = self.literal(b"-").is_some();
        let length = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        let digits = self.take(length)?;
        if !(1..=20).contains(&length) || (digits.starts_with(b"0") && (length > 1 || is_negative)) {
            return None;
        }
        let size = digits.iter().fold(0_i128, |value, digit| value * 10 + i128::from(digit - b'0'));
        let value = if is_negative { -size } else { size };
        is_integer(value).then_some(value)
    }

    /// A string with its quotes; escaped is what must be, and in the one way in which it is written.
    fn string(&mut self) -> Option<()> {
        self.literal(b"\"")?;
        loop {
            let plain =
                self.rest().iter().position(|byte| *byte == b'"' || *byte == b'\\' || *byte < 0x20)?;
            self.at = self.at.saturating_add(plain);
            match self.take(1)? {
                b"\"" => return Some(()),
                b"\\" => match self.take(1)? {
                    [b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't'] => {}
                    b"u" => {
                        self.literal(b"00")?;
                        let [code] = lower_hex(self.take(2)?)?;
                        // These have a short form: \b \t \n \f \r.
                        if code >= 0x20 || matches!(code, 8 | 9 | 10 | 12 | 13) {
                            return None;
                        }
                    }
                    _ => return None,
                },
                _ => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(event: &Event) -> Vec<u8> {
        let mut out = Vec::new();
        encode(&mut out, 7, Timestamp::from_millis(1_800_000_000_123).unwrap(), event, &EntryHash([1; 32]));
        assert_eq!(out.pop(), Some(b'\n'));
        out
    }

    #[test]
    fn an_entry_is_the_line_that_the_format_says() {
        let event =
            Event::new("signed").text("wallet", "w\"1").list("signers", ["a", "b"]).flag("late", false);
        let bytes = line(&event);
        let body = concat!(
            r#"{"seq":7,"time":"2027-01-15T08:00:00.123Z","event":"signed","wallet":"w\"1","#,
            r#""signers":["a","b"],"late":false"#
        );
        let mut hashed = (DOMAIN.len() as u64).to_le_bytes().to_vec();
        hashed.extend(DOMAIN);
        hashed.extend([1; 32]);
        hashed.extend(body.as_bytes());
        let hash = hex::encode(Sha256::digest(hashed));
        assert_eq!(String::from_utf8(bytes.clone()).unwrap(), format!(r#"{body},"hash":"{hash}"}}"#));

        let line = Line::parse(&bytes).unwrap();
        assert_eq!((line.seq(), line.event()), (7, "signed"));
        assert_eq!(line.time().millis(), 1_800_000_000_123);
        assert_eq!(line.hash(), line.hash_after(&EntryHash([1; 32])));
        assert_eq!(line.field("wallet").unwrap().value(), Value::Text("w\"1".into()));
        assert_eq!(line.field("late").unwrap().value(), Value::Flag(false));
        assert!(line.field("signers").unwrap().is("b") && !line.field("signers").unwrap().is("c"));
        assert_eq!(line.fields().map(|field| field.name).collect::<Vec<_>>(), ["wallet", "signers", "late"]);
        assert_eq!(line.field("event"), None);
    }

    #[test]
    fn a_second_form_of_an_entry_is_refused() {
        let hash = "0".repeat(64);
        let with = |fields: &str| {
            format!(r#"{{"seq":7,"time":"2027-01-15T08:00:00.123Z","event":"a"{fields},"hash":"{hash}"}}"#)
        };
        for fields in ["", r#","a":1"#, r#","a":-1"#, r#","a":[],"b":["x"]"#, r#","a":"\u0001\u001f\n""#] {
            assert!(Line::parse(with(fields).as_bytes()).is_ok(), "{fields}");
        }
        for fields in [
            r#", "a":1"#,
            r#","a": 1"#,
            r#","a":01"#,
            r#","a":-0"#,
            r#","a":1.0"#,
            r#","a":1e3"#,
            r#","a":null"#,
            r#","a":{}"#,
            r#","a":[1]"#,
            r#","a":["x",]"#,
            r#","a":"\/""#,
            r#","a":"\u000a""#,
            r#","a":"\u001F""#,
            r#","a":"\u0041""#,
            r#","a":"\ud800""#,
            r#","a":1,"a":2"#,
            r#","seq":8"#,
            r#","hash":"x""#,
            r#","A":1"#,
            r#","a":18446744073709551616"#,
            r#","a":-9223372036854775809"#,
            r#","a":+1"#,
            r#","a":"#,
            ",",
            "}",
            ",\"a\":\"\t\"",
        ] {
            assert_eq!(Line::parse(with(fields).as_bytes()).unwrap_err(), LineError::Field, "{fields}");
        }
        let good = with("");
        for (from, to, error) in [
            ("\"seq\":7", "\"seq\":0", LineError::Sequence),
            ("\"seq\":7", "\"seq\":07", LineError::Sequence),
            ("\"seq\":7", "\"seq\":-7", LineError::Sequence),
            ("08:00", "25:00", LineError::Time),
            ("\"a\"", "\"\"", LineError::Event),
            ("000\"}", "00A\"}", LineError::Hash),
            ("\"}", "\"} ", LineError::Hash),
        ] {
            assert_eq!(Line::parse(good.replace(from, to).as_bytes()).unwrap_err(), error, "{to}");
        }
        assert_eq!(Line::parse(b"\xff").unwrap_err(), LineError::Text);
        assert_eq!(Line::parse(&vec![b' '; MAX_ENTRY_BYTES + 1]).unwrap_err(), LineError::TooLong);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_is_json(
            texts in prop::collection::vec(any::<String>(), 0..5), integer in any::<i64>(), flag in any::<bool>(),
        ) {
            let event = Event::new("any").list("texts", &texts).integer("integer", integer).flag("flag", flag);
            let event = texts.iter().enumerate().fold(event, |event, (n, text)| event.text(&format!("t{n}"), text));
            let bytes = line(&event);
            let read = Line::parse(&bytes).unwrap();
            prop_assert_eq!(read.field("texts").unwrap().value(), Value::List(texts.clone()));
            prop_assert_eq!(read.field("integer").unwrap().value(), Value::Integer(integer.into()));
            for (n, text) in texts.iter().enumerate() {
                prop_assert_eq!(read.field(&format!("t{n}")).unwrap().value(), Value::Text(text.as_str().into()));
            }
            let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            prop_assert_eq!(json["integer"].as_i64(), Some(integer));
        }
    }
}
