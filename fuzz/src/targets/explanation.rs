//! Explanations of transactions, as a node that may lie answers them.

use quorate_chains::{Context, Explain, find};
use quorate_keys::PublicKey;

use super::{ethereum_transaction, solana_transaction};
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
        "nonce",
        "unlimited-approval",
        "opaque",
        "\\u001b",
        "\\u202e",
        "340282366920938463463374607431768211455",
        "null",
    ],
    run,
};

fn seeds() -> Vec<Vec<u8>> {
    let of_chain = |name, key: Option<PublicKey>, seeds: Vec<Vec<u8>>| {
        let (Ok(chain), Some(key)) = (find(name), key) else { return Vec::new() };
        let explained = |tx: Vec<u8>| chain.prepare(&tx, &Context::new(key)).ok();
        let prepared = seeds.into_iter().filter_map(explained);
        prepared.filter_map(|prepared| serde_json::to_vec(prepared.explain()).ok()).collect()
    };
    let solana = of_chain("solana", solana_transaction::key(), solana_transaction::seeds());
    let ethereum = of_chain("ethereum", ethereum_transaction::key(), ethereum_transaction::seeds());
    [solana, ethereum].concat()
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
