//! How much of everything a policy may have, and what its text may not contain.

use crate::document::PolicyError;

/// The most characters of a name.
const MAX_NAME: usize = 64;
/// The most characters of what is said to be wrong.
const MAX_REASON: usize = 600;
/// The most rules, and the most of everything that has a name.
pub(crate) const MAX_NAMED: usize = 1000;
/// The most entries of a list, other than of addresses.
pub(crate) const MAX_LISTED: usize = 1000;

/// The most approvals that anything may need: nodes send that many along with a request.
pub(crate) const MAX_APPROVALS: u16 = 32;

/// The text of a policy: UTF-8, and nothing in it that stands for something elsewhere in it.
///
/// YAML has anchors (`&name`) and aliases (`*name`), by which a few hundred bytes can say as much as fits no memory. An alias needs
/// an anchor, and an anchor is an `&` that follows no letter or digit, with no space behind: nothing else begins with one.
/// Text that looks like it, quoted or in a comment, is refused as well.
pub(crate) fn text(yaml: &[u8]) -> Result<&str, PolicyError> {
    let text = std::str::from_utf8(yaml).map_err(|error| {
        PolicyError::Form(format!("it is no UTF-8 text from byte {} on", error.valid_up_to()))
    })?;
    let mut before = None;
    let mut characters = text.chars().peekable();
    let mut line = 1_usize;
    while let Some(character) = characters.next() {
        let inside = before.is_some_and(|before: char| before.is_ascii_alphanumeric());
        let ends = characters.peek().is_none_or(|after| after.is_ascii_whitespace());
        if character == '&' && !inside && !ends {
            return Err(PolicyError::Form(format!(
                "line {line}: a policy has no anchors and aliases (&name, *name): say it where it belongs. Where & is text, put a space behind it"
            )));
        }
        line = line.saturating_add(usize::from(character == '\n'));
        before = Some(character);
    }
    Ok(text)
}

/// A reason without most of what it quotes, if that is long.
pub(crate) fn shortened(reason: &str) -> String {
    let count = reason.chars().count();
    if count <= MAX_REASON {
        return reason.to_owned();
    }
    let begin: String = reason.chars().take(MAX_REASON / 2).collect();
    let end: String = reason.chars().skip(count.saturating_sub(MAX_REASON / 2)).collect();
    format!("{begin} … {end}")
}

/// Whether something can be called that.
pub(crate) fn name(text: &str) -> Result<(), String> {
    let fits = text.chars().take(MAX_NAME.saturating_add(1)).count() <= MAX_NAME;
    if fits && !text.trim().is_empty() && !text.chars().any(char::is_control) {
        return Ok(());
    }
    let begin: String = text.chars().take(MAX_NAME).collect();
    let more = if fits { "" } else { "…" };
    Err(format!(
        "{begin:?}{more} is no name: expected 1 to {MAX_NAME} characters, none of them a control character"
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn anchors_are_found_wherever_yaml_has_them() {
        for bad in [
            "&a b",
            "a: &a b",
            "- &a b",
            "[&a b]",
            "{x: &a b}",
            "{&a x: b}",
            "a:\n  &a\n  b",
            "[x,&a b]",
            "? &a b",
            "!!str &a b",
            "--- &a b",
            "\u{feff}&a b",
            "a: \"x\"\nb:\t&a c",
            "{a:&b c}",
            "\u{85}&a b",
            "a: !t &-_ b",
        ] {
            let error = text(bad.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("no anchors and aliases"), "{bad:?}: {error}");
        }
        assert!(text(b"a: b\n\nc: [&d e]").unwrap_err().to_string().starts_with("line 3: "));
        for good in ["", "a: R & D", "# AT&T\na: AT&T", "a: b &", "a: b&\n"] {
            assert_eq!(text(good.as_bytes()), Ok(good), "{good:?}");
        }
        // As UTF-16 it would be read, too.
        for order in [&[0xFF, 0xFE, b'&', 0, b'a', 0][..], &[0xFE, 0xFF, 0, b'&', 0, b'a']] {
            assert!(text(order).unwrap_err().to_string().contains("no UTF-8"));
        }
    }

    #[test]
    fn names_are_short_and_seen() {
        for good in ["a", "large payments", &"ä".repeat(64), "a: b"] {
            assert_eq!(name(good), Ok(()), "{good}");
        }
        for bad in ["", " ", "\u{a0}", "a\n", "a\u{7f}", "\u{85}a", &"a".repeat(65)] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
        assert!(name(&"\u{1b}".repeat(1 << 20)).unwrap_err().len() < 1000);
    }
}
