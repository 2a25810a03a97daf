//! Runs fuzz targets, each for a given time, and prints what was met.

use std::{
    fs::{self, File},
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use clap::Parser;
use quorate_fuzz::{Budget, Report, Target, fuzz, targets};
use rand_core::{OsRng, RngCore};

/// Fuzzes every decoder of outside bytes.
#[derive(Parser)]
struct Arguments {
    /// Targets to run; all when none is named.
    names: Vec<String>,
    /// How long each target runs.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// The randomness; printed, so that a walk can be repeated with --runs.
    #[arg(long)]
    seed: Option<u64>,
    /// Runs each target this often instead of for a time.
    #[arg(long)]
    runs: Option<u64>,
    /// How many targets run at the same time; all cores when not given.
    #[arg(long)]
    jobs: Option<usize>,
    /// Keeps the input that is running in this file; for one target that kills the process.
    #[arg(long)]
    trace: Option<PathBuf>,
    /// Where failing inputs go.
    #[arg(long, default_value_os_t = targets::failures_folder())]
    failures: PathBuf,
    /// Prints every outcome that was met, with how often: how far a walk gets.
    #[arg(long)]
    outcomes: bool,
    /// Names the targets and ends.
    #[arg(long)]
    list: bool,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let mut out = io::stdout();
    if arguments.list {
        for target in targets::ALL {
            writeln!(out, "{}", target.name)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut chosen = choose(&arguments.names)?;
    if arguments.trace.is_some() && chosen.len() != 1 {
        bail!("--trace follows one target: name it");
    }
    let seed = arguments.seed.unwrap_or_else(|| OsRng.next_u64());
    let cores = thread::available_parallelism().map_or(1, Into::into);
    let jobs = arguments.jobs.unwrap_or(cores).clamp(1, chosen.len().max(1));
    writeln!(out, "seed {seed}, {} targets, {jobs} at a time", chosen.len())?;

    chosen.reverse();
    let waiting = Mutex::new(chosen);
    let failed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs)
            .map(|_| {
                scope.spawn(|| -> Result<()> {
                    while let Some(target) = pop(&waiting) {
                        if run(target, seed, &arguments)? {
                            failed.lock().unwrap_or_else(PoisonError::into_inner).push(target.name);
                        }
                    }
                    Ok(())
                })
            })
            .collect();
        for worker in workers {
            worker.join().unwrap_or_else(|_| bail!("the fuzzer itself failed"))?;
        }
        Ok::<_, anyhow::Error>(())
    })?;
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn choose(names: &[String]) -> Result<Vec<&'static Target>> {
    if names.is_empty() {
        return Ok(targets::ALL.iter().collect());
    }
    names
        .iter()
        .map(|name| targets::named(name).with_context(|| format!("no target {name}; --list names them")))
        .collect()
}

fn pop<T>(waiting: &Mutex<Vec<T>>) -> Option<T> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner).pop()
}

/// Runs one target and prints its lines; true when it failed.
fn run(target: &Target, seed: u64, arguments: &Arguments) -> Result<bool> {
    let corpus: Vec<Vec<u8>> = targets::corpus(target.name)?.into_values().collect();
    let budget = match arguments.runs {
        Some(runs) => Budget::Runs(runs),
        None => Budget::Time(Duration::from_secs(arguments.seconds)),
    };
    let mut trace = match &arguments.trace {
        Some(path) => Some(File::create(path).with_context(|| path.display().to_string())?),
        None => None,
    };
    let started = Instant::now();
    let report = fuzz(target, &corpus, budget, seed, trace.as_mut());
    let mut text = describe(target, &report, started.elapsed(), &arguments.failures)?;
    if arguments.outcomes {
        for (outcome, count) in &report.outcomes {
            text.push_str(&format!("  {count:>10}  {outcome}\n"));
        }
    }
    // One write per target, so that the lines of two never mix.
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(report.failure.is_some())
}

fn describe(target: &Target, report: &Report, took: Duration, failures: &Path) -> Result<String> {
    let accepted = report
        .outcomes
        .iter()
        .filter(|(outcome, _)| outcome.to_string() == "accepted")
        .map(|(_, count)| count)
        .sum::<u64>();
    let mut text = format!(
        "{:<24} {:>10} runs in {:>5.1} s, {:>3} outcomes, {accepted} accepted: {}\n",
        target.name,
        report.runs,
        took.as_secs_f64(),
        report.outcomes.len(),
        if report.failure.is_some() { "FAILED" } else { "ok" },
    );
    if let Some(failure) = &report.failure {
        let mut hasher = DefaultHasher::new();
        failure.input.hash(&mut hasher);
        let folder = failures.join(target.name);
        let file = folder.join(format!("{:016x}", hasher.finish()));
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        fs::write(&file, &failure.input).with_context(|| file.display().to_string())?;
        text.push_str(&format!("  {}\n  the input is in {}\n", failure.reason, file.display()));
    }
    Ok(text)
}
