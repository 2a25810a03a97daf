//! Names of chains, and addresses, as clients write them.

use quorate_chains::{chains, find};

use crate::{Outcome, Target};

pub(super) const TARGET: Target = Target {
    name: "chain_name",
    seeds,
    words: &["slip44:", "bip122:", "eip155:", "solana:", "testnet", "bc1p", "1"],
    run,
};

fn seeds() -> Vec<Vec<u8>> {
    [
        "solana",
        "slip44:501",
        "0",
        "bip122:000000000019d6689c085ae165831e93",
        "bc1p2wsldez5mud2yam29q22wgfh9439spgduvct83k3pm50fcxa5dps59h4z5",
        "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx",
        "eip155:8453",
        "0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F",
        "2KW2XRd9kwqet15Aha2oK3tYvd3nWbTFH1MBiRAv1BE1",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into()
}

fn run(input: &[u8]) -> Outcome {
    let Ok(text) = std::str::from_utf8(input) else { return Outcome::refused(&"not UTF-8") };
    let mut refused = None;
    for chain in chains() {
        match chain.check_address(text) {
            Ok(()) => return Outcome::accepted(),
            Err(error) => refused = Some(error),
        }
    }
    match (find(text), refused) {
        (Ok(chain), _) => {
            assert_eq!(find(chain.net().id), Ok(chain), "an id names the one network");
            Outcome::accepted()
        }
        (Err(error), Some(refused)) => Outcome::refused(&format!("{} {}", error.code(), refused.code())),
        (Err(error), None) => Outcome::refused(&error.code()),
    }
}
