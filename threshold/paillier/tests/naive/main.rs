//! A second opinion on the proofs: a verifier written from the paper's equations on plain integers, which shares with the crate the layout
//! of the bytes, the transcript and the curve, and nothing else. Both judge the recorded proofs in `tests/data/transcripts`.
//!
//! `cargo test -p quorate-paillier --features test-sizes --test naive -- --ignored` records them anew.
#![cfg(all(feature = "test-sizes", debug_assertions))]
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test"
)]

mod integers;
mod ours;
mod paper;
mod prover;
mod record;

use std::fs;
use std::path::PathBuf;

use record::Record;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/transcripts")
}

fn recorded() -> Vec<Record> {
    let mut paths: Vec<_> = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| Record::parse(&fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn both_verifiers_give_the_recorded_verdict_on_every_recorded_proof() {
    let records = recorded();
    assert_eq!(records.len(), prover::all().len(), "a file for each");
    for record in &records {
        assert_eq!(ours::verify(record, &record.proof), record.holds, "ours: {}", record.name);
        assert_eq!(paper::verify(record, &record.proof), record.holds, "naive: {}", record.name);
    }
}

#[test]
fn both_verifiers_refuse_what_was_spoiled() {
    for record in recorded().iter().filter(|record| record.holds) {
        for (at, spoiled) in record.spoiled() {
            assert!(!ours::verify(record, &spoiled), "ours: {} spoiled at {at}", record.name);
            assert!(!paper::verify(record, &spoiled), "naive: {} spoiled at {at}", record.name);
        }
        for other in record.with_other_fields() {
            assert!(!ours::verify(&other, &other.proof), "ours: {}", other.name);
            assert!(!paper::verify(&other, &other.proof), "naive: {}", other.name);
        }
    }
}

#[test]
fn the_prover_still_makes_the_recorded_bytes_from_the_same_seeds() {
    let recorded = recorded();
    for made in prover::all() {
        let before = recorded.iter().find(|record| record.name == made.name).expect("a recorded proof");
        assert!(*before == made, "{} differs", made.name);
    }
}

#[test]
#[ignore = "writes the files that the other tests read"]
fn record() {
    fs::create_dir_all(folder()).unwrap();
    for record in prover::all() {
        fs::write(folder().join(format!("{}.txt", record.name)), record.to_text()).unwrap();
    }
}
