//! How results and logs are written.

use std::fmt::{self, Write as _};
use std::io::{IsTerminal, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::failure::Failure;
use crate::progress;

/// Prints a value as one line of JSON, or as `people` want to read it.
pub(crate) fn print(
    json: bool,
    value: &impl Serialize,
    people: impl FnOnce() -> String,
) -> anyhow::Result<()> {
    let text = if json { serde_json::to_string(value)? } else { printable(&people()) };
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        // The reader has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        // Not a file that somebody named: no exit code of its own.
        written => written.map_err(|error| anyhow::anyhow!("standard output: {error}")),
    }
}

/// Shows what is about to be done, and asks whether it shall be. `none`: what to say where nobody can be asked.
pub(crate) fn confirm(shown: &str, question: &str, none: &str, yes: bool, quiet: bool) -> anyhow::Result<()> {
    let mut err = std::io::stderr().lock();
    if !(quiet && yes) {
        writeln!(err, "{}\n", printable(shown))?;
    }
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::Usage(none.into()).into());
    }
    write!(err, "{question} [y/N] ")?;
    err.flush()?;
    drop(err);
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    match answer.trim().to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::Declined.into()),
    }
}

/// A text without what would steer a terminal: much of what is shown was said by somebody else, who could hide or forge
/// lines with it. Line feeds and tabs stay.
pub(crate) fn printable(text: &str) -> String {
    let steers = |letter: char| {
        let turns_direction = matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        (letter.is_control() && letter != '\n' && letter != '\t') || turns_direction
    };
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if steers(letter) {
            shown.extend(letter.escape_unicode());
        } else {
            shown.push(letter);
        }
    }
    shown
}

/// A table with a header, columns as wide as they need to be.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = header.iter().map(|title| title.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let header: Vec<String> = header.iter().map(|title| (*title).to_owned()).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    std::iter::once(&header).chain(rows).map(line).collect::<Vec<_>>().join("\n")
}

/// The kinds of line that begin with a word of their own on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    Error,
    Warning,
    /// What to do about it.
    Tip,
    Detail,
}

impl Weight {
    /// The word, coloured as the parser of arguments colours its own.
    pub(crate) fn word(self, coloured: bool) -> String {
        let (word, colour) = match self {
            Self::Error => ("error:", "1;31"),
            Self::Warning => ("warning:", "1;33"),
            Self::Tip => ("tip:", "32"),
            Self::Detail => ("detail:", "2"),
        };
        if coloured { format!("\x1b[{colour}m{word}\x1b[0m") } else { word.to_owned() }
    }
}

/// Whether standard error takes colours: a terminal that can show them, and nobody said otherwise.
pub(crate) fn colours() -> bool {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !unwanted && steerable()
}

/// Whether standard error is a terminal that understands more than lines. One of no kind is taken to understand nothing,
/// as the parser of arguments has it.
pub(crate) fn steerable() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("TERM").is_some_and(|kind| kind != "dumb")
}

/// How logs look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Log {
    /// As errors do: of a command that somebody waits for.
    Brief,
    /// With times, of what runs for long.
    Timed,
    /// For programs.
    Json,
}

/// How long ago something was, in unix milliseconds.
pub(crate) fn ago(unix_ms: u64) -> String {
    let then = UNIX_EPOCH.checked_add(Duration::from_millis(unix_ms));
    let since = then.and_then(|then| SystemTime::now().duration_since(then).ok()).unwrap_or_default();
    match since.as_secs() {
        seconds if seconds < 120 => format!("{seconds} s ago"),
        seconds if seconds < 7200 => format!("{} min ago", seconds / 60),
        seconds if seconds < 172_800 => format!("{} h ago", seconds / 3600),
        seconds => format!("{} days ago", seconds / 86_400),
    }
}

/// Writes logs to standard error, filtered by `QUORATE_LOG` or else by `--verbose` and the command's default.
pub(crate) fn log(verbose: u8, default: &str, form: Log) {
    let level = match verbose {
        0 => default,
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let ours = format!("error,quorate={level},{}", crates(level));
    let asked = std::env::var("QUORATE_LOG").ok().filter(|asked| !asked.is_empty());
    let filter = asked.map(EnvFilter::try_new).transpose().unwrap_or_else(|error| {
        let text = format!("QUORATE_LOG is not understood, and not heeded: {error}");
        // Nobody is left to tell when standard error is closed.
        writeln!(std::io::stderr(), "{} {}", Weight::Warning.word(colours()), printable(&text)).ok();
        None
    });
    let filter = filter.unwrap_or_else(|| EnvFilter::new(ours));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colours())
        .with_writer(|| progress::StandardError);
    // A second subscriber (a test in the same process) is not wanted.
    match form {
        Log::Json => builder.json().try_init().ok(),
        Log::Timed => builder.with_target(false).try_init().ok(),
        Log::Brief => builder.event_format(Lines).try_init().ok(),
    };
}

fn crates(level: &str) -> String {
    ["quorate_node", "quorate_transport", "quorate_client", "quorate_cli"]
        .map(|name| format!("{name}={level}"))
        .join(",")
}

/// A line for each event, that begins as other messages of a command do: `warning: what happened (where=there)`.
struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let weight = match *event.metadata().level() {
            Level::ERROR => Weight::Error,
            Level::WARN => Weight::Warning,
            _ => Weight::Detail,
        };
        let mut said = Said::default();
        event.record(&mut said);
        let word = weight.word(writer.has_ansi_escapes());
        let Said { message, fields } = said;
        let fields = if fields.is_empty() { fields } else { format!(" ({fields})") };
        writeln!(writer, "{word} {}", printable(&format!("{message}{fields}")))
    }
}

/// What an event says.
#[derive(Default)]
struct Said {
    message: String,
    fields: String,
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string can't fail.
        if field.name() == "message" {
            write!(self.message, "{value:?}").ok();
        } else {
            let comma = if self.fields.is_empty() { "" } else { ", " };
            write!(self.fields, "{comma}{}={value:?}", field.name()).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_shown_steers_a_terminal() {
        let forged = "w-1\x1b[2K\rno wallets\u{202e}!\u{9b}31m";
        assert_eq!(printable(forged), "w-1\\u{1b}[2K\\u{d}no wallets\\u{202e}!\\u{9b}31m");
        let plain = "Tschüß … 署名\n\tx";
        assert_eq!(printable(plain), plain);
    }

    #[test]
    fn words_are_coloured_when_colours_are_taken_and_plain_otherwise() {
        assert_eq!(Weight::Warning.word(false), "warning:");
        assert_eq!(Weight::Error.word(true), "\x1b[1;31merror:\x1b[0m");
    }
}
