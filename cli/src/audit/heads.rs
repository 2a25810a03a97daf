//! Signed heads of other nodes' logs: those that a log has kept, and files of them.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};

use quorate_audit::{Entry, Filter, SignedHead, Value};

use super::wants_more;
use crate::failure::Failure;

/// The longest line of a file of heads; a head has some 450 bytes.
const MAX_HEAD: u64 = 4096;
/// The most heads that are compared with.
const MAX_HEADS: usize = 100_000;
/// The events that keep heads.
const EVENTS: [&str; 3] = ["witnessed", "restored", "behind"];

const EXAMPLES: &str = "\
Nodes tell each other where their logs stand, and write that down. So what node2 has kept shows
whether the log of node1 was cut, or replaced by an older copy:

  node2$ quorate audit heads /var/lib/quorate/audit --of node1 > kept.jsonl
  node1$ quorate audit verify /var/lib/quorate/audit --peers peers.yaml --node node1 \\
      --heads kept.jsonl";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Heads {
    /// The folder of the log that has kept them.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The node whose heads they are.
    #[arg(long, value_name = "NAME")]
    of: String,
    /// Print JSON; that is what is printed anyway.
    #[arg(long)]
    json: bool,
}

/// Prints the heads of a node that a log has kept, one JSON object on each line.
pub(super) fn print(arguments: &Heads) -> anyhow::Result<()> {
    let Heads { folder, of, json: _ } = arguments;
    let filter = Filter { events: EVENTS.map(str::to_owned).to_vec(), ..Filter::default() };
    let mut out = BufWriter::new(io::stdout().lock());
    let mut printed = BTreeSet::new();
    for entry in quorate_audit::read(folder, filter)? {
        for head in kept(&entry?, of) {
            let Ok(signed) = serde_json::from_str::<SignedHead>(&head) else { continue };
            if signed.verify()
                && printed.insert((signed.head.seq, signed.head.hash.0))
                && !wants_more(writeln!(out, "{head}"))?
            {
                return Ok(());
            }
        }
    }
    wants_more(out.flush())?;
    if printed.is_empty() {
        let message = format!("{}: has kept no heads of {of}", folder.display());
        return Err(Failure::Setting(message).into());
    }
    Ok(())
}

/// What an entry has kept of a node.
fn kept(entry: &Entry, of: &str) -> Vec<String> {
    let line = entry.line();
    if !line.field("node").is_some_and(|node| node.is(of)) {
        return Vec::new();
    }
    match line.field("heads").map(|heads| heads.value()) {
        Some(Value::List(heads)) => heads,
        _ => Vec::new(),
    }
}

/// Reads signed heads, one on each line.
pub(super) fn read(file: &Path, heads: &mut Vec<SignedHead>) -> anyhow::Result<()> {
    let shown = file.display();
    let failed = |error: io::Error| Failure::Setting(format!("{shown}: {error}"));
    let mut reader = BufReader::new(File::open(file).map_err(failed)?);
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        if (&mut reader).take(MAX_HEAD).read_until(b'\n', &mut line).map_err(failed)? == 0 {
            break;
        }
        let text = line.trim_ascii();
        if text.is_empty() {
            continue;
        }
        let head = serde_json::from_slice(text);
        heads.push(head.map_err(|error| {
            Failure::Setting(format!("{shown} line {number}: not a signed head: {error}"))
        })?);
        if heads.len() > MAX_HEADS {
            return Err(Failure::Setting(format!("{shown}: more than {MAX_HEADS} heads")).into());
        }
    }
    Ok(())
}
