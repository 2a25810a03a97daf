//! Every target on every check: its corpus, its seeds and a short walk that is the same each time.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{collections::BTreeSet, fs};

use quorate_fuzz::{Budget, fuzz, replay, targets};

/// Enough to meet the shallow refusals of a decoder; depth is for `./check slow`.
const RUNS: u64 = 3_000;

#[test]
fn every_target_survives_its_corpus_and_a_short_walk() {
    for target in targets::ALL {
        let corpus: Vec<Vec<u8>> = targets::corpus(target.name).unwrap().into_values().collect();
        let report = fuzz(target, &corpus, Budget::Runs(RUNS), 1, None);
        if let Some(failure) = report.failure {
            let input = String::from_utf8_lossy(&failure.input).into_owned();
            panic!("{}: {}\ninput: {:02x?}\n{input}", target.name, failure.reason, failure.input);
        }
        assert!(report.outcomes.len() > 1, "{} refuses nothing or everything", target.name);
    }
}

#[test]
fn every_target_accepts_its_own_seeds() {
    for target in targets::ALL {
        let seeds = (target.seeds)();
        assert!(!seeds.is_empty(), "{} has no seeds", target.name);
        for seed in seeds {
            let outcome = replay(target, &seed).unwrap_or_else(|reason| panic!("{}: {reason}", target.name));
            assert_eq!(outcome.to_string(), "accepted", "a seed of {}", target.name);
        }
    }
}

#[test]
fn names_are_unique_and_every_corpus_folder_has_its_target() {
    let names: BTreeSet<&str> = targets::ALL.iter().map(|target| target.name).collect();
    assert_eq!(names.len(), targets::ALL.len());
    for entry in fs::read_dir(targets::corpus_folder()).into_iter().flatten() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(names.contains(name.as_str()), "fuzz/corpus/{name} has no target");
    }
}
