//! Peak resident memory, each time in a process of its own.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::{cggmp21, dkls23};

/// What such a process is started with.
pub(crate) const ARGUMENT: &str = "--memory";

/// Ours and theirs, as the process is told.
pub(crate) const CGGMP21: [&str; 2] = ["cggmp21", "cggmp24"];
/// The same.
pub(crate) const DKLS23: [&str; 2] = ["quorate-dkls23", "dkls23"];

/// In bytes, of one party.
pub(crate) struct Memory {
    /// What it keeps from session to session: keys, and tables if it has any.
    pub(crate) kept: u64,
    /// At most, while presigning, or signing where that is one, besides that.
    pub(crate) peak: u64,
}

/// Measures in a process of its own.
pub(crate) fn in_a_process(whose: &str, threshold: u16, total: u16) -> Result<Memory> {
    let program = std::env::current_exe()?;
    let output =
        Command::new(program).args([ARGUMENT, whose, &threshold.to_string(), &total.to_string()]).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let (kept, peak) = text.trim().split_once(' ').context("two numbers")?;
    Ok(Memory { kept: kept.parse()?, peak: peak.parse()? })
}

/// Presigns or signs once, all parties in this process, and prints what that takes of each.
pub(crate) fn measure(whose: &str, threshold: u16, total: u16) -> Result<()> {
    let empty = resident("VmRSS:")?;
    let (kept, peak) = match whose {
        "cggmp21" => {
            let wallet = cggmp21::ours::Wallet::new(threshold, total)?;
            during(|| wallet.presign(false).map(drop))?
        }
        "cggmp24" => {
            let wallet = cggmp21::theirs::Wallet::new(threshold, total)?;
            during(|| wallet.presign().map(drop))?
        }
        "quorate-dkls23" => {
            let wallet = dkls23::ours::Wallet::new(threshold, total)?;
            during(|| wallet.sign(true).map(drop))?
        }
        "dkls23" => {
            let wallet = dkls23::theirs::Wallet::new(threshold, total)?;
            during(|| wallet.sign().map(drop))?
        }
        other => bail!("{other}?"),
    };
    let parties = u64::from(threshold);
    println!("{} {}", kept.saturating_sub(empty) / parties, peak.saturating_sub(kept) / parties);
    Ok(())
}

/// What was there before, and the most that was there.
fn during(work: impl FnOnce() -> Result<()>) -> Result<(u64, u64)> {
    let before = resident("VmRSS:")?;
    // The peak begins anew.
    fs::write("/proc/self/clear_refs", "5")?;
    work()?;
    Ok((before, resident("VmHWM:")?))
}

fn resident(field: &str) -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)).context("no such field")?;
    let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kibibytes * 1024)
}
