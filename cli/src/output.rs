//! How results and logs are written.

use std::io::{IsTerminal, Write};

use serde::Serialize;
use tracing_subscriber::EnvFilter;

/// Prints a value as one line of JSON, or as `people` want to read it.
pub(crate) fn print(
    json: bool,
    value: &impl Serialize,
    people: impl FnOnce() -> String,
) -> anyhow::Result<()> {
    let text = if json { serde_json::to_string(value)? } else { people() };
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        // The reader has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        // Not a file that somebody named: no exit code of its own.
        written => written.map_err(|error| anyhow::anyhow!("standard output: {error}")),
    }
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

/// Writes logs to standard error, filtered by `QUORATE_LOG` or else by `--verbose` and the command's default.
pub(crate) fn log(verbose: u8, default: &str, json: bool) {
    let level = match verbose {
        0 => default,
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let ours = format!("error,quorate={level},{}", crates(level));
    let filter = EnvFilter::try_from_env("QUORATE_LOG").unwrap_or_else(|_| EnvFilter::new(ours));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second subscriber (a test in the same process) is not wanted.
    if json {
        builder.json().try_init().ok();
    } else {
        builder.with_ansi(std::io::stderr().is_terminal()).with_target(false).try_init().ok();
    }
}

fn crates(level: &str) -> String {
    ["quorate_node", "quorate_transport", "quorate_client", "quorate_cli"]
        .map(|name| format!("{name}={level}"))
        .join(",")
}
