//! The walk over a target's inputs: run, keep what is new, stop at the first failure and shrink it.

use std::{
    any::Any,
    cell::RefCell,
    collections::BTreeMap,
    fmt,
    fs::File,
    io::{Seek, Write},
    panic::{self, AssertUnwindSafe},
    sync::Once,
    time::{Duration, Instant},
};

use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use crate::mutate;

/// A run that takes longer than this, twice, is a failure: outside bytes must not be able to buy time.
const SLOW: Duration = Duration::from_secs(2);
/// How many inputs a walk keeps; beyond, a new one takes a random place.
const KEPT: usize = 4096;
/// How many outcomes are told apart. More mean that a target's refusals quote their input.
const OUTCOMES: usize = 1024;
/// How long an outcome's text may be, more or less.
const LABEL: usize = 120;
/// What encloses a quotation in a reason.
const QUOTES: [char; 2] = ['"', '`'];
/// How many runs shrinking a failing input may take.
const SHRINKING: usize = 4000;

/// A function over outside bytes, and where to start.
#[derive(Clone, Copy)]
pub struct Target {
    /// What it is called on the command line and in `fuzz/corpus/`.
    pub name: &'static str,
    /// Valid inputs, made by the code itself so that they never go stale.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Words of the format that are worth inserting.
    pub words: &'static [&'static str],
    /// Decodes, and asserts the laws that hold for everything that is accepted.
    pub run: fn(&[u8]) -> Outcome,
}

/// How a run ended, in words without the input's particulars.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Outcome(String);

impl Outcome {
    /// The input was taken.
    pub fn accepted() -> Self {
        Self("accepted".to_owned())
    }

    /// The input was refused for this reason. Words with digits, and all between the first quote and the last,
    /// are left out: they belong to the input, and would make every refusal look new.
    pub fn refused(reason: &dyn fmt::Display) -> Self {
        let text = reason.to_string();
        let outside = match (text.find(QUOTES), text.rfind(QUOTES)) {
            (Some(first), Some(last)) => [text.get(..first), text.get(last..)],
            _ => [Some(text.as_str()), None],
        };
        let words = outside.iter().flatten().flat_map(|part| part.split_whitespace());
        let mut kept = String::new();
        for word in words.filter(|word| !word.contains(|c: char| c.is_ascii_digit())) {
            if kept.len() >= LABEL {
                break;
            }
            kept.extend(word.chars().filter(char::is_ascii_alphabetic).take(LABEL));
            kept.push(' ');
        }
        Self(kept.trim().to_owned())
    }

    fn others() -> Self {
        Self("(others)".to_owned())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// When a walk ends.
#[derive(Debug, Clone, Copy)]
pub enum Budget {
    /// After this much time.
    Time(Duration),
    /// After this many runs, for a walk that is the same every time.
    Runs(u64),
}

/// An input that made the target panic or stall.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The shrunk input.
    pub input: Vec<u8>,
    /// The panic with its place, or how long the run took.
    pub reason: String,
}

/// What a walk found.
#[derive(Debug)]
pub struct Report {
    /// How often the target ran.
    pub runs: u64,
    /// How often each outcome was met.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// The first failure, at which the walk ended.
    pub failure: Option<Failure>,
}

/// Walks over the inputs of `target`, starting from its seeds and `corpus`, with the randomness of `seed`.
///
/// Every input is written to `trace` before it runs, when given: what kills the process (an exhausted
/// stack or memory can't be caught) is left in the file.
pub fn fuzz(
    target: &Target,
    corpus: &[Vec<u8>],
    budget: Budget,
    seed: u64,
    mut trace: Option<&mut File>,
) -> Report {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut report = Report { runs: 0, outcomes: BTreeMap::new(), failure: None };
    let mut kept: Vec<Vec<u8>> = (target.seeds)();
    kept.extend_from_slice(corpus);
    let starting = kept.clone();
    let started = Instant::now();
    loop {
        // First everything that is known, as it is; then mutations of it.
        let known = usize::try_from(report.runs).ok().and_then(|run| starting.get(run));
        let input = match known {
            Some(input) => input.clone(),
            None if spent(budget, started, report.runs) => return report,
            // Half of them one step from what is known: the walk shall not get lost in its own refusals.
            None => {
                let from = if mutate::below(&mut rng, 2) == 0 { &starting } else { &kept };
                mutate::mutate(from, target.words, &mut rng)
            }
        };
        if let Some(file) = trace.as_deref_mut() {
            record(file, &input);
        }
        report.runs += 1;
        match attempt(target, &input) {
            Ok(outcome) => {
                let known_or_room =
                    report.outcomes.len() < OUTCOMES || report.outcomes.contains_key(&outcome);
                let outcome = if known_or_room { outcome } else { Outcome::others() };
                let count = report.outcomes.entry(outcome).or_default();
                *count += 1;
                if *count == 1 && known.is_none() {
                    keep(&mut kept, input, &mut rng);
                }
            }
            Err(reason) => {
                report.failure = Some(shrink(target, Failure { input, reason }));
                return report;
            }
        }
    }
}

/// Runs the target once on `input`.
///
/// # Errors
/// The panic with its place, or how long the run took.
pub fn replay(target: &Target, input: &[u8]) -> Result<Outcome, String> {
    attempt(target, input)
}

fn spent(budget: Budget, started: Instant, runs: u64) -> bool {
    match budget {
        Budget::Time(time) => started.elapsed() >= time,
        Budget::Runs(limit) => runs >= limit,
    }
}

fn keep(kept: &mut Vec<Vec<u8>>, input: Vec<u8>, rng: &mut ChaCha8Rng) {
    if kept.len() < KEPT {
        kept.push(input);
    } else {
        let place = mutate::below(rng, kept.len());
        if let Some(old) = kept.get_mut(place) {
            *old = input;
        }
    }
}

fn record(file: &mut File, input: &[u8]) {
    // A trace that can't be written is only a poorer trace.
    let _ = file.rewind().and_then(|()| file.set_len(0)).and_then(|()| file.write_all(input));
}

/// One run; slow ones get a second chance, since the machine may have been busy.
fn attempt(target: &Target, input: &[u8]) -> Result<Outcome, String> {
    let (outcome, first) = timed(target, input)?;
    if first < SLOW {
        return Ok(outcome);
    }
    let (outcome, second) = timed(target, input)?;
    if second < SLOW { Ok(outcome) } else { Err(format!("took {first:.1?}, then {second:.1?}")) }
}

fn timed(target: &Target, input: &[u8]) -> Result<(Outcome, Duration), String> {
    let started = Instant::now();
    let outcome = caught(|| (target.run)(input))?;
    Ok((outcome, started.elapsed()))
}

/// Removes what the failure doesn't need, from halves down to single bytes, while it stays the same one.
fn shrink(target: &Target, failure: Failure) -> Failure {
    let mut input = failure.input;
    let mut runs = 0;
    let mut chunk = input.len().div_ceil(2);
    while chunk > 0 {
        let mut start = 0;
        while start < input.len() && runs < SHRINKING {
            let end = input.len().min(start + chunk);
            let shorter: Vec<u8> = input.iter().take(start).chain(input.iter().skip(end)).copied().collect();
            runs += 1;
            if place(&attempt(target, &shorter)) == place(&Err(failure.reason.clone())) {
                input = shorter;
            } else {
                start = end;
            }
        }
        chunk /= 2;
    }
    Failure { input, reason: failure.reason }
}

/// The place of a failure: its text up to the message, which may quote the input.
fn place(result: &Result<Outcome, String>) -> Option<&str> {
    result.as_ref().err().map(|reason| reason.split(": ").next().unwrap_or(reason))
}

thread_local! {
    /// While a run is being watched: what it said when it panicked.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
    static WATCHED: RefCell<bool> = const { RefCell::new(false) };
}

fn message(payload: &dyn Any) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message")
}

/// Runs `f`; a panic becomes its place and message, and is not printed.
fn caught<T>(f: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if WATCHED.with_borrow(|watched| *watched) {
                let place = info.location().map_or_else(String::new, ToString::to_string);
                PANIC.set(Some(format!("{place}: {}", message(info.payload()))));
            } else {
                before(info);
            }
        }));
    });
    WATCHED.set(true);
    let result = panic::catch_unwind(AssertUnwindSafe(f));
    WATCHED.set(false);
    result.map_err(|_| PANIC.take().unwrap_or_else(|| "a panic".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(run: fn(&[u8]) -> Outcome) -> Target {
        Target { name: "planted", seeds: || vec![b"quorum".to_vec()], words: &["needle"], run }
    }

    /// Refuses byte by byte, and panics behind the last.
    fn staircase(input: &[u8]) -> Outcome {
        for (step, (have, want)) in input.iter().zip(b"QRT9").enumerate() {
            if have != want {
                let names = ["first", "second", "third", "fourth"];
                return Outcome::refused(&names[step]);
            }
        }
        assert!(input.len() < 5, "bottom of the stairs, {} bytes", input.len());
        Outcome::refused(&"short")
    }

    #[test]
    fn refusals_lead_to_a_panic_that_blind_mutation_would_not_meet() {
        let report = fuzz(&target(staircase), &[], Budget::Runs(400_000), 1, None);
        let failure = report.failure.expect("found");
        assert_eq!(failure.input.len(), 5, "shrunk to what it needs");
        assert!(failure.input.starts_with(b"QRT9"));
        assert!(failure.reason.contains("bottom of the stairs"), "{}", failure.reason);
        assert!(failure.reason.contains("engine.rs:"), "{}", failure.reason);
    }

    #[test]
    fn the_same_seed_walks_the_same_way() {
        fn run(input: &[u8]) -> Outcome {
            Outcome::refused(&format!("length {}", "x".repeat(input.len() % 7)))
        }
        let walk = |seed| fuzz(&target(run), &[], Budget::Runs(2_000), seed, None).outcomes;
        assert_eq!(walk(7), walk(7));
        assert_ne!(walk(7), walk(8));
    }

    #[test]
    fn the_corpus_is_run_before_anything_else() {
        fn run(input: &[u8]) -> Outcome {
            assert_ne!(input, b"a very particular input");
            Outcome::accepted()
        }
        let corpus = [b"a very particular input".to_vec()];
        let report = fuzz(&target(run), &corpus, Budget::Runs(0), 1, None);
        assert_eq!(report.runs, 2);
        assert!(report.failure.is_some());
    }

    #[test]
    fn a_stalling_run_is_a_failure() {
        fn run(_: &[u8]) -> Outcome {
            std::thread::sleep(SLOW);
            Outcome::accepted()
        }
        assert!(replay(&target(run), b"").unwrap_err().starts_with("took "));
    }

    #[test]
    fn the_particulars_of_an_input_are_no_part_of_an_outcome() {
        let one = Outcome::refused(&"line 3: unknown key `abc\"d`, expected 12 bytes");
        let other = Outcome::refused(&"line 44: unknown key `x`, expected 7 bytes");
        assert_eq!(one, other);
        assert_ne!(one, Outcome::refused(&"unknown key"));
    }
}
