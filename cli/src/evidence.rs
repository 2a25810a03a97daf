//! `evidence verify`.

use std::path::PathBuf;

use anyhow::Context;
use clap::Subcommand;
use quorate_session::{Evidence, Registry, Wire};
use serde::Serialize;

use crate::output::{self, NotVerified};

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
    proven: bool,
    culprit: String,
    party: u16,
    protocol: String,
    session: String,
    finding: String,
}

pub(crate) fn run(command: &Command, registry: &Registry) -> anyhow::Result<()> {
    let Command::Verify(arguments) = command;
    let file = arguments.file.display();
    let length = std::fs::metadata(&arguments.file).with_context(|| file.to_string())?.len();
    if length > Evidence::MAX_BYTES as u64 {
        return Err(NotVerified(format!("{file}: {length} bytes are more than evidence can have")).into());
    }
    let bytes = std::fs::read(&arguments.file).with_context(|| file.to_string())?;
    let evidence = Evidence::from_wire(&bytes)
        .map_err(|error| NotVerified(format!("{file} is no evidence of this release: {error}")))?;
    let verdict = registry.judge(&evidence).map_err(|error| NotVerified(format!("{file}: {error}")))?;
    let report = Report {
        proven: true,
        culprit: verdict.culprit.to_string(),
        party: verdict.party.get(),
        protocol: evidence.protocol.to_string(),
        session: verdict.session.to_string(),
        finding: verdict.finding,
    };
    output::print(arguments.json, &report, || {
        format!(
            "proven      {}\nculprit     {} (party {})\nprotocol    {}\nsession     {}",
            report.finding, report.culprit, report.party, report.protocol, report.session
        )
    })
}
