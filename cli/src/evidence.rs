//! `evidence verify`.

use std::path::PathBuf;

use anyhow::Context;
use clap::Subcommand;
use quorate_session::{Evidence, Registry, Wire};
use serde::Serialize;

use crate::failure::Failure;
use crate::output;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Judge evidence from signed messages alone.
    Verify(Verify),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Verify {
    /// The file that a node wrote.
    file: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    valid: bool,
    proven: bool,
    culprit: String,
    party: u16,
    protocol: String,
    session: String,
    finding: String,
}

/// What is printed of evidence that proves nothing.
#[derive(Serialize)]
struct Unproven {
    valid: bool,
    reason: String,
}

pub(crate) fn run(command: &Command, registry: &Registry) -> anyhow::Result<()> {
    let Command::Verify(arguments) = command;
    let report = match judge(arguments, registry)? {
        Ok(report) => report,
        Err(reason) => {
            if arguments.json {
                output::print(true, &Unproven { valid: false, reason: reason.clone() }, String::new)?;
            }
            return Err(Failure::NotVerified(format!("{}: {reason}", arguments.file.display())).into());
        }
    };
    output::print(arguments.json, &report, || {
        format!(
            "proven      {}\nculprit     {} (party {})\nprotocol    {}\nsession     {}",
            report.finding, report.culprit, report.party, report.protocol, report.session
        )
    })
}

/// What the file proves, or why it proves nothing.
fn judge(arguments: &Verify, registry: &Registry) -> anyhow::Result<Result<Report, String>> {
    let file = arguments.file.display();
    let found = std::fs::metadata(&arguments.file).with_context(|| file.to_string())?;
    if found.is_dir() {
        return Err(Failure::Setting(format!("{file} is a folder: name one of the files in it")).into());
    }
    let length = found.len();
    if length > Evidence::MAX_BYTES as u64 {
        return Ok(Err(format!("{length} bytes are more than evidence can have")));
    }
    let bytes = std::fs::read(&arguments.file).with_context(|| file.to_string())?;
    let evidence = match Evidence::from_wire(&bytes) {
        Ok(evidence) => evidence,
        Err(_) if bytes.is_empty() => return Ok(Err("the file is empty".into())),
        Err(error) => return Ok(Err(format!("not evidence, or not of this release: {error}"))),
    };
    let verdict = match registry.judge(&evidence) {
        Ok(verdict) => verdict,
        Err(error) => return Ok(Err(error.to_string())),
    };
    Ok(Ok(Report {
        valid: true,
        proven: true,
        culprit: verdict.culprit.to_string(),
        party: verdict.party.get(),
        protocol: evidence.protocol.to_string(),
        session: verdict.session.to_string(),
        finding: verdict.finding,
    }))
}
