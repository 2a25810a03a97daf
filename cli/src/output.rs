//! How results, errors and logs are written.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use quorate_client::ClientError;
use quorate_node::NodeError;
use quorate_node::config::ConfigError;
use quorate_node::identity::IdentityError;
use quorate_node::peers::PeersError;
use quorate_node::store::StoreError;
use serde::Serialize;
use tracing_subscriber::EnvFilter;

/// Something that was verified does not hold.
#[derive(Debug)]
pub(crate) struct NotVerified(pub(crate) String);

impl std::fmt::Display for NotVerified {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotVerified {}

/// Prints an error and gives the exit code of its kind.
pub(crate) fn fail(error: &anyhow::Error) -> ExitCode {
    // Nobody is left to tell when standard error is closed.
    writeln!(std::io::stderr(), "error: {error:#}").ok();
    ExitCode::from(code(error))
}

fn code(error: &anyhow::Error) -> u8 {
    let mut causes = error.chain();
    causes.find_map(code_of).unwrap_or(1)
}

fn code_of(cause: &(dyn std::error::Error + 'static)) -> Option<u8> {
    if cause.is::<NotVerified>() {
        return Some(6);
    }
    if let Some(error) = cause.downcast_ref::<ClientError>() {
        let refused = error.api().is_some_and(|body| body.code.status().is_client_error());
        return Some(if refused { 4 } else { 5 });
    }
    let configuration = cause.is::<NodeError>()
        || cause.is::<ConfigError>()
        || cause.is::<PeersError>()
        || cause.is::<IdentityError>()
        || cause.is::<StoreError>();
    configuration.then_some(3)
}

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
        written => Ok(written?),
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
