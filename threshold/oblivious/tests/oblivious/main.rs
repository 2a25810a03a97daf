//! A setup of seeds, and recorded multiplications with them, which a second implementation follows bit by bit: with other libraries, and no
//! thought of speed. And whether what is sent looks like chance.
//!
//! `cargo test -p quorate-oblivious --test oblivious -- --ignored` records the multiplications anew, after a change of what is sent.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod bits;
mod multiplication;
mod ristretto;
mod setup;
mod uniform;

use std::fs;
use std::path::PathBuf;

use aws_lc_rs::digest::{SHA512, digest};
use borsh::{BorshDeserialize, BorshSerialize};
use quorate_oblivious::TransferId;
use quorate_sharing::{Curve, PartyIndex};
use rand_core::{CryptoRng, RngCore};

/// What the setup of seeds is named for.
const SETUP: &str = "seeds";
/// What the multiplication is named for.
const MULTIPLICATION: &str = "recorded";
const SESSION: [u8; 32] = [5; 32];
const NUMBER: u32 = 3;
const SENDER: u16 = 2;
const RECEIVER: u16 = 7;
/// Of the generator that gives both parties' randomness: the setup's first.
const SEED: u64 = 11;

/// What the receiver knew, was sent, sent and computed.
#[derive(BorshSerialize, BorshDeserialize)]
struct Recorded {
    seeds: Vec<u8>,
    choices: Vec<u8>,
    extension: Vec<u8>,
    multiplication: Vec<u8>,
    factor: [u8; 32],
    shares: [[u8; 32]; 2],
}

fn recorded<C: Curve>() -> Recorded {
    borsh::from_slice(&fs::read(file::<C>()).unwrap()).unwrap()
}

fn file<C: Curve>() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/{}.bin", C::NAME))
}

/// Randomness that was recorded.
struct Replay(Vec<u8>);

impl RngCore for Replay {
    fn next_u32(&mut self) -> u32 {
        panic!("bytes are asked for")
    }

    fn next_u64(&mut self) -> u64 {
        panic!("bytes are asked for")
    }

    fn fill_bytes(&mut self, to: &mut [u8]) {
        let rest = self.0.split_off(to.len());
        to.copy_from_slice(&self.0);
        self.0 = rest;
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(to);
        Ok(())
    }
}

impl CryptoRng for Replay {}

fn party(index: u16) -> PartyIndex {
    PartyIndex::new(index).unwrap()
}

fn id(purpose: &str) -> TransferId {
    TransferId::new(purpose, &SESSION, NUMBER, party(SENDER), party(RECEIVER))
}

fn naive_id(purpose: &str) -> [u8; 32] {
    let fields: [(&str, &[u8]); 5] = [
        ("purpose", purpose.as_bytes()),
        ("session", &SESSION),
        ("number", &NUMBER.to_le_bytes()),
        ("sender", &SENDER.to_le_bytes()),
        ("receiver", &RECEIVER.to_le_bytes()),
    ];
    transcript("quorate/oblivious/id/v1", &fields)[..32].try_into().unwrap()
}

fn transcript(domain: &str, fields: &[(&str, &[u8])]) -> [u8; 64] {
    let mut bytes = Vec::new();
    let mut put = |field: &[u8]| {
        bytes.extend(u64::try_from(field.len()).unwrap().to_le_bytes());
        bytes.extend(field);
    };
    put(domain.as_bytes());
    for (label, field) in fields {
        put(label.as_bytes());
        put(field);
    }
    digest(&SHA512, &bytes).as_ref().try_into().unwrap()
}
