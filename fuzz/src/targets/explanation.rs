//! Explanations of transactions, as a node that may lie answers them.

use quorate_chains::{Context, Explain, find};

use super::solana_transaction;
use crate::{Outcome, Target};

pub(super) const TARGET: Target = Target {
    name: "explanation",
    seeds,
    words: &[
        "transfers",
        "authority",
        "own",
        "coin",
        "token",
        "decimals",
        "255",
        "at-most",
        "exact",
        "open",
        "from-time",
        "from-height",
        "unlimited",
        "durable-nonce",
        "opaque",
        "\\u001b",
        "\\u202e",
        "340282366920938463463374607431768211455",
        "null",
    ],
    run,
};

fn seeds() -> Vec<Vec<u8>> {
    let (Ok(chain), Some(key)) = (find("solana"), solana_transaction::key()) else { return Vec::new() };
    let explained = |tx: Vec<u8>| chain.prepare(&tx, &Context::new(key)).ok();
    let prepared = solana_transaction::seeds().into_iter().filter_map(explained);
    prepared.filter_map(|prepared| serde_json::to_vec(prepared.explain()).ok()).collect()
}

fn run(input: &[u8]) -> Outcome {
    match serde_json::from_slice::<Explain>(input) {
        Ok(explain) => {
            super::explained(&explain);
            Outcome::accepted()
        }
        Err(error) => Outcome::refused(&error),
    }
}
