//! What happened: the part of an entry that the caller makes.

use std::fmt::{Display, Write as _};

/// Largest entry that is written or read, in bytes of its line.
pub const MAX_ENTRY_BYTES: usize = 64 * 1024;
/// How many fields an event may have.
pub const MAX_FIELDS: usize = 64;
/// Longest name of an event or a field.
const MAX_NAME: usize = 64;
/// What a line has besides the event's name and fields, at most.
const FRAME: usize =
    r#"{"seq":18446744073709551615,"time":"","event":"","hash":""}"#.len() + crate::time::TEXT + 64;

/// The fields that every entry has.
pub(crate) const RESERVED_FIELDS: [&str; 4] = ["seq", "time", "event", "hash"];
/// The events that only the log itself writes.
pub(crate) const OPENED: &str = "opened";
pub(crate) const RECOVERED: &str = "recovered";
pub(crate) const LOST: &str = "lost";
pub(crate) const CHECKPOINT: &str = "checkpoint";
const RESERVED_EVENTS: [&str; 4] = [OPENED, RECOVERED, LOST, CHECKPOINT];

/// What happened: a name, and fields in the order in which they are given.
///
/// A field is a text, an integer, a flag or a list of texts; there are no fractions, as they have no single form. What
/// is wrong with an event is remembered and told by [`Event::check`], and by whoever is asked to append it.
///
/// ```
/// let event = quorate_audit::Event::new("signed")
///     .text("wallet", "treasury")
///     .integer("epoch", 3_u64)
///     .list("signers", ["node1", "node2"]);
/// assert!(event.check().is_ok());
/// assert!(quorate_audit::Event::new("signed").text("hash", "00").check().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    name: String,
    /// As in the line: `,"wallet":"treasury","epoch":3`.
    fields: String,
    count: usize,
    refused: Option<EventError>,
}

impl Event {
    /// An event without fields. Names are lower-case letters, digits, `_`, `-` and `.`, and begin with a letter.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let event = Self::of_the_log(name);
        if RESERVED_EVENTS.contains(&name) {
            return event.refuse(EventError::ReservedEvent(name.to_owned()));
        }
        event
    }

    /// One that only the log itself may write.
    pub(crate) fn of_the_log(name: &str) -> Self {
        let event = Self { name: name.to_owned(), fields: String::new(), count: 0, refused: None };
        if is_name(name.as_bytes()) { event } else { event.refuse(EventError::Name(shortened(name))) }
    }

    /// Adds a text.
    #[must_use]
    pub fn text(self, name: &str, value: impl Display) -> Self {
        let json = quoted(&value.to_string());
        self.field(name, &json)
    }

    /// Adds an integer, from the least `i64` to the greatest `u64`.
    #[must_use]
    pub fn integer(self, name: &str, value: impl Into<i128>) -> Self {
        let value = value.into();
        if !is_integer(value) {
            return self.refuse(EventError::Integer(shortened(name)));
        }
        self.field(name, &value.to_string())
    }

    /// Adds a flag.
    #[must_use]
    pub fn flag(self, name: &str, value: bool) -> Self {
        self.field(name, if value { "true" } else { "false" })
    }

    /// Adds a list of texts.
    #[must_use]
    pub fn list<T: Display>(self, name: &str, values: impl IntoIterator<Item = T>) -> Self {
        let mut json = String::from("[");
        for (at, value) in values.into_iter().enumerate() {
            if at > 0 {
                json.push(',');
            }
            json.push_str(&quoted(&value.to_string()));
        }
        json.push(']');
        self.field(name, &json)
    }

    /// The event's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it can be written.
    ///
    /// # Errors
    /// The first thing that was wrong with it; the caller's mistake.
    pub fn check(&self) -> Result<(), EventError> {
        self.refused.clone().map_or(Ok(()), Err)
    }

    /// The fields as they stand in the line, each with a comma before it.
    pub(crate) fn fields(&self) -> &str {
        &self.fields
    }

    /// More than its line will have.
    pub(crate) fn bytes(&self) -> usize {
        FRAME.saturating_add(self.name.len()).saturating_add(self.fields.len())
    }

    fn field(mut self, name: &str, json: &str) -> Self {
        if self.refused.is_some() {
            return self;
        }
        if RESERVED_FIELDS.contains(&name) {
            return self.refuse(EventError::ReservedField(name.to_owned()));
        }
        if !is_name(name.as_bytes()) {
            return self.refuse(EventError::Name(shortened(name)));
        }
        let before = self.fields.len();
        let _ = write!(self.fields, ",\"{name}\":");
        // Within a value every quote is escaped or followed by a comma or bracket, so this is found in no value.
        let key = self.fields.split_at_checked(before);
        if key.is_some_and(|(fields, key)| fields.contains(key)) {
            return self.refuse(EventError::RepeatedField(name.to_owned()));
        }
        self.fields.push_str(json);
        self.count += 1;
        if self.count > MAX_FIELDS {
            return self.refuse(EventError::TooManyFields);
        }
        if self.bytes() > MAX_ENTRY_BYTES {
            return self.refuse(EventError::TooLarge);
        }
        self
    }

    fn refuse(mut self, error: EventError) -> Self {
        self.fields.clear();
        self.refused.get_or_insert(error);
        self
    }
}

/// Why an event can't be written: the caller's mistake.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// A name has other characters than it may have, or too many.
    #[error(
        "`{0}` can't be the name of an event or field: use lower-case letters, digits, `_`, `-` and `.`, a letter first, at most {MAX_NAME}"
    )]
    Name(String),
    /// Every entry has a field of this name already.
    #[error("`{0}` is a field that every entry has already")]
    ReservedField(String),
    /// Only the log itself writes events of this name.
    #[error("`{0}` is an event that only the log itself writes")]
    ReservedEvent(String),
    /// A field was given twice.
    #[error("the field `{0}` was given twice")]
    RepeatedField(String),
    /// An integer is out of range.
    #[error("the integer `{0}` is out of range")]
    Integer(String),
    /// The event has too many fields.
    #[error("an event has at most {MAX_FIELDS} fields")]
    TooManyFields,
    /// The entry would be too large.
    #[error("an entry has at most {MAX_ENTRY_BYTES} bytes")]
    TooLarge,
}

/// Whether an integer may stand in an entry.
pub(crate) fn is_integer(value: i128) -> bool {
    (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&value)
}

/// Whether these bytes may name an event or a field.
pub(crate) fn is_name(name: &[u8]) -> bool {
    name.len() <= MAX_NAME
        && name.first().is_some_and(u8::is_ascii_lowercase)
        && name.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.".contains(byte))
}

/// A text in JSON.
fn quoted(text: &str) -> String {
    // A string always has a form in JSON.
    serde_json::to_string(text).unwrap_or_default()
}

fn shortened(name: &str) -> String {
    name.chars().take(MAX_NAME).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_in_the_order_in_which_they_are_given() {
        let event = Event::new("test")
            .text("b", "say \"hi\"\n")
            .integer("a", -5)
            .integer("c", u64::MAX)
            .flag("d", true)
            .list("e", ["x", "y\\"])
            .list::<&str>("f", []);
        assert_eq!(event.check(), Ok(()));
        assert_eq!(
            event.fields(),
            r#","b":"say \"hi\"\n","a":-5,"c":18446744073709551615,"d":true,"e":["x","y\\"],"f":[]"#
        );
    }

    #[test]
    fn every_mistake_is_told() {
        for name in RESERVED_FIELDS {
            let error = Event::new("test").text(name, 1).check().unwrap_err();
            assert_eq!(error, EventError::ReservedField(name.to_owned()));
        }
        for name in RESERVED_EVENTS {
            assert_eq!(Event::new(name).check(), Err(EventError::ReservedEvent(name.to_owned())));
        }
        for name in ["", "A", "1", "a b", "ä", "a\"", &"a".repeat(65)] {
            assert!(matches!(Event::new(name).check(), Err(EventError::Name(_))), "{name}");
            assert!(matches!(Event::new("a").flag(name, true).check(), Err(EventError::Name(_))), "{name}");
        }
        let twice = Event::new("a").text("b", 1).text("c", 1).text("b", 2);
        assert_eq!(twice.check(), Err(EventError::RepeatedField("b".to_owned())));
        assert!(Event::new("a").text("b", ",\"c\":").list("d", ["c"]).text("c", 1).check().is_ok());
        assert_eq!(
            Event::new("a").integer("b", i128::from(u64::MAX) + 1).check(),
            Err(EventError::Integer("b".to_owned()))
        );
        assert_eq!(Event::new("a").text("b", "x".repeat(MAX_ENTRY_BYTES)).check(), Err(EventError::TooLarge));
        let many = (0..=MAX_FIELDS).fold(Event::new("a"), |event, n| event.flag(&format!("f{n}"), true));
        assert_eq!(many.check(), Err(EventError::TooManyFields));
    }
}
